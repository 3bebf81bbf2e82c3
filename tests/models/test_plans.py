"""Plans: the arithmetic against a calendar and whole numbers that share no code, every term, and what is chosen."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from features import agreements
from features.settlements import settlements
from features.tables import NO_DAY, PLAN_ENDS
from models.belief import PLANS, POLICY, Belief
from models.plans import (
    APART,
    NOTHING,
    OUTSIDE,
    UNKNOWN,
    due_days,
    first_days,
    instalments_of,
    learned_breaks,
    plan_histories,
    plans,
    schedule,
    stated_plans,
    supported,
)
from pipeline.law.rule_file import load_rules
from pipeline.treatment.policy import SHIPPED, policy_of
from tests.judges import treatment_judge as judge
from tests.worlds.treated import drawn_accounts

AS_OF = judge.day(dt.date(2026, 10, 1))
RAW = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
TERMS = policy_of(SHIPPED, load_rules(), ("GB-ENG",), dt.date(2026, 10, 1)).plans
BELIEF = Belief(TERMS.breaks)
DAYS = st.integers(judge.day(dt.date(2023, 1, 1)), judge.day(dt.date(2033, 1, 1)))


def one(**others: object) -> pd.DataFrame:
    """An account of 1,000.00 EUR that pays 120.00 every 30 days, on the last day of the month."""
    row = {
        "currency": "EUR",
        "balance": 100_000,
        "continuation": 20_000,
        "payday": 31,
        "usual_payment": 12_000.0,
        "usual_gap_days": 30.0,
        "other_plans": np.nan,
        "disposable_income": np.nan,
    }
    return pd.DataFrame([{**row, **others}])


@pytest.fixture(scope="module")
def accounts():
    rows, _ = drawn_accounts(3, 600, ())
    return rows, plans(rows, AS_OF, TERMS)


def test_no_instalment_is_below_the_least_the_last_one_neither(accounts):
    rows, found = accounts
    least = rows["currency"].astype("str").map({name: float(amount) for name, amount in TERMS.least_instalment.items()})
    for plan in (found.best, found.easier, found.quicker):
        there = plan["instalments"].notna() & (plan["instalments"] > 0)
        assert there.sum() > 20
        assert (plan.loc[there, ["instalment", "last_instalment"]].min(axis=1) >= least[there]).all()


# The arithmetic


@given(st.integers(1, 10**12), st.integers(2, 60), st.sampled_from([1, 5, 100, 500, 3000]))
@settings(max_examples=150)
def test_instalments_always_add_up(owed, many, step):
    regular, last, count = (int(part[0]) for part in instalments_of(np.array([owed]), many, np.array([step])))
    assert (count - 1) * regular + last == owed
    assert 0 < last <= regular
    assert regular % step == 0
    assert count <= many


@given(st.integers(1, 40_000), st.integers(2, 40), st.sampled_from([1, 5, 100, 500]))
@settings(max_examples=100)
def test_instalments_are_those_of_the_judge(owed, many, step):
    regular, last, count = (int(part[0]) for part in instalments_of(np.array([owed]), many, np.array([step])))
    assert [regular] * (count - 1) + [last] == judge.parts(owed, many, step)


@given(
    DAYS, st.integers(0, 31), st.integers(0, 20), st.integers(0, 40), st.sampled_from(["month", "fortnight", "week"])
)
@settings(max_examples=150)
def test_days_are_those_of_the_calendar(as_of, payday, after, more, unit):
    first, follows = first_days(np.array([payday]), as_of, after, after + more)
    told, told_follows = judge.first_day(payday, as_of, after, after + more)
    assert (int(first[0]), bool(follows[0])) == (judge.day(told), told_follows)
    due = due_days(first, np.array([payday]), follows, unit, 30)[:, 0]
    assert due.tolist() == [judge.day(each) for each in judge.days_due(told, payday, told_follows, unit, 30)]
    assert (np.diff(due) > 0).all()


@pytest.mark.parametrize(
    ("first", "payday", "days"),
    [
        # A payday on the last of the month: always the first of the next, leap year or not.
        ("2027-12-01", 31, ["2027-12-01", "2028-01-01", "2028-02-01", "2028-03-01", "2028-04-01"]),
        # On the 30th: the 31st where there is one, else the first.
        ("2028-01-31", 30, ["2028-01-31", "2028-03-01", "2028-03-31", "2028-05-01", "2028-05-31"]),
        # On the 28th: February has 29 days in 2028, 28 in 2027.
        ("2028-01-29", 28, ["2028-01-29", "2028-02-29", "2028-03-29"]),
        ("2027-01-29", 28, ["2027-01-29", "2027-03-01", "2027-03-29"]),
    ],
)
def test_the_day_after_a_payday_at_month_ends_and_in_leap_years(first, payday, days):
    begins = np.array([judge.day(dt.date.fromisoformat(first))])
    due = due_days(begins, np.array([payday]), np.array([True]), "month", len(days))[:, 0]
    assert [judge.date(each).isoformat() for each in due] == days


def test_without_a_payday_the_31st_comes_back_after_february():
    begins = np.array([judge.day(dt.date(2027, 12, 31))])
    due = due_days(begins, np.array([0]), np.array([False]), "month", 5)[:, 0]
    told = [judge.date(each).isoformat() for each in due]
    assert told == ["2027-12-31", "2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30"]


# What is supported


def test_the_supported_instalment_by_hand():
    found = supported(one(other_plans=2_000.0, disposable_income=20_000.0), "month", TERMS).iloc[0]
    assert found["usual"] == pytest.approx(12_000 * (365.25 / 12) / 30)
    assert found["income"] == pytest.approx(10_000)  # half of it: the income caps what is usual
    assert found["supported"] == pytest.approx(8_000)
    fortnight = supported(one(), "fortnight", TERMS).iloc[0]
    assert fortnight["supported"] == pytest.approx(12_000 * 14 / 30)


def test_what_is_not_known_is_not_guessed():
    unknown = one(usual_payment=np.nan)
    assert plans(unknown, AS_OF, TERMS).why.tolist() == [UNKNOWN]
    assert plans(one(usual_gap_days=np.nan), AS_OF, TERMS).why.tolist() == [UNKNOWN]
    assert plans(one(usual_payment=np.nan, disposable_income=24_000.0), AS_OF, TERMS).why.tolist() == [""]
    assert plans(one(other_plans=50_000.0), AS_OF, TERMS).why.tolist() == [NOTHING]
    assert plans(one(usual_payment=3_000.0), AS_OF, TERMS).why.tolist() == [OUTSIDE]  # 24 x 30.43 is not enough
    assert plans(one(currency="CHF"), AS_OF, TERMS).why.tolist() == [OUTSIDE]  # the policy says no least of it


# The terms, and what is chosen


def test_every_term_is_that_of_the_judge(accounts):
    rows, found = accounts
    for frame in (found.best, found.easier, found.quicker):
        there = np.flatnonzero(frame["instalments"] > 0)
        assert there.size > 100
        for place in there.tolist():
            row, told = rows.iloc[place].to_dict(), frame.iloc[place]
            ends = {
                end: judge.plan_money(row, told["unit"], int(told["instalments"]), RAW, AS_OF, end)
                for end in ("middle", "low", "high")
            }
            mine = ends["middle"]
            for name in ("kept_money", "broken_money", "cost"):
                assert abs(told[name] - mine[name]) <= judge.CENT, (place, name)
            assert told["value"] == told["kept_money"] + told["broken_money"] - told["cost"]
            values = [each["value"] for each in ends.values()]
            assert told["value_low"] == pytest.approx(min(values), abs=2)
            assert told["value_high"] == pytest.approx(max(values), abs=2)
            assert told["p_kept"] == pytest.approx(mine["p_kept"])
            days = list(zip([judge.day(each) for each in mine["due"]], mine["amounts"], strict=True))
            assert schedule(told, row["payday"]) == days
            assert told["last_on"] == days[-1][0]


def test_the_proposal_is_the_plan_of_highest_value_and_there_is_one_wherever_the_judge_finds_any(accounts):
    rows, found = accounts
    for place, row in enumerate(rows.to_dict("records")):
        there, told = judge.all_plans(row, RAW, AS_OF), found.best.iloc[place]
        assert bool(there) == bool(told["instalments"]), place
        if there:
            assert told["value"] == pytest.approx(max(each["value"] for each in there), abs=2)


def test_alternatives_are_apart_where_such_plans_are(accounts):
    rows, found = accounts
    seen = {"easier": 0, "quicker": 0}
    for place, row in enumerate(rows.to_dict("records")):
        told = found.best.iloc[place]
        if not told["instalments"]:
            continue
        mine = judge.plan_money(row, told["unit"], int(told["instalments"]), RAW, AS_OF)["monthly"]
        monthly = [each["monthly"] for each in judge.all_plans(row, RAW, AS_OF)]
        fitting = {"easier": [each for each in monthly if each <= APART * mine]}
        fitting["quicker"] = [each for each in monthly if each >= mine / APART]
        others = [getattr(found, name).iloc[place] for name in ("easier", "quicker")]
        for name, other in zip(("easier", "quicker"), others, strict=True):
            if fitting[name]:
                form = judge.plan_money(row, other["unit"], int(other["instalments"]), RAW, AS_OF)
                assert form["monthly"] in fitting[name], (place, name)
                seen[name] += 1
        forms = {(each["unit"], each["instalments"]) for each in (told, *others) if each["instalments"]}
        assert len(forms) == min(len(monthly), 3)
    assert min(seen.values()) > 5


def test_a_heavier_burden_never_breaks_less():
    payments = np.linspace(9_000, 40_000, 40)
    rows = pd.concat([one(usual_payment=each) for each in payments], ignore_index=True)
    alone = plans(rows, AS_OF, replace(TERMS, least=12, most=12, units=("month",), least_kept=0.0)).best
    assert (alone["instalments"] == 12).all()
    assert (np.diff(alone["burden"]) < 0).all()
    assert (np.diff(alone["p_break"]) <= 0).all()
    assert (np.diff(alone["value"]) >= 0).all()


def test_what_goes_on_after_a_break_is_worth_what_waiting_is_worth():
    without, some = (plans(one(continuation=each), AS_OF, TERMS).best.iloc[0] for each in (0, 50_000))
    assert without["broken_money"] == 0
    assert some["value"] > without["value"]
    assert plans(one(continuation=-500), AS_OF, TERMS).best["broken_money"].tolist() == [0]


@pytest.mark.parametrize(("gap", "unclear"), [(14.0, True), (30.0, False)])
def test_a_plan_is_told_again_only_where_one_unit_fits(gap, unclear):
    """400.00 in ten parts from the 15th on, of a debtor who pays 80.00 each fortnight, or each month."""
    asked = one(balance=40_000, usual_payment=8_000.0, usual_gap_days=gap)
    told = {"amount": np.array([40_000]), "many": np.array([10]), "first_on": np.array([AS_OF + 14])}
    terms, fits, several = stated_plans(asked, AS_OF, TERMS, **told)
    assert (bool(fits[0]), bool(several[0])) == (not unclear, unclear)
    if not unclear:
        assert (terms["unit"][0], int(terms["instalments"][0])) == ("month", 10)


def test_neither_the_order_nor_the_lot_of_rows_changes_a_plan(accounts, monkeypatch):
    rows, found = accounts
    monkeypatch.setattr("models.plans.ROWS_AT_ONCE", 97)
    again = plans(rows.iloc[::-1], AS_OF, TERMS)
    for name in ("best", "easier", "quicker"):
        pd.testing.assert_frame_equal(getattr(again, name).sort_index(), getattr(found, name))
    assert len(plans(rows.iloc[:0], AS_OF, TERMS).best) == 0


# What plans teach


def kept_plans(seed: int, many: int, base: float = 0.02, steep: float = 0.10) -> pd.DataFrame:
    """Plans that break in a month with base + steep x burden, followed for as long as they lived so far."""
    draw = np.random.default_rng(seed)
    unit = draw.choice(["month", "fortnight"], many)
    burden = draw.uniform(0, 1, many)
    monthly = base + steep * burden
    hazard = 1 - (1 - monthly) ** np.where(unit == "month", 1.0, 14 / (365.25 / 12))
    lasts = draw.geometric(hazard)
    followed = draw.integers(0, 15, many)
    due = np.minimum(lasts, followed)
    return pd.DataFrame(
        {
            "debtor_id": [f"D{number // 2}" for number in range(many)],
            "unit": unit,
            "burden": burden,
            "due": due,
            "broken": (lasts <= followed) & (due > 0),
        }
    )


def test_breaks_are_learnt_by_burden_from_plans_that_still_run():
    inside = points = 0
    for seed in range(20):
        found = learned_breaks(kept_plans(seed, 3_000), BELIEF, draws=200, seed=1)
        assert (found.source, found.why) == (PLANS, "")
        assert (np.diff(found.curve.middle) >= 0).all()
        assert min(found.matured.values()) >= 300
        for at, low, high in zip(found.curve.at, found.curve.low, found.curve.high, strict=True):
            inside += low <= 0.02 + 0.10 * at <= high
            points += 1
    assert points == 80
    assert inside >= 0.85 * points  # of 95 %


def test_the_curve_foretells_as_many_breaks_as_there_were():
    """Also where most burdens of a class are small and some are huge, so that no straight line goes through them."""
    history = kept_plans(1, 700)
    burden = np.random.default_rng(2).lognormal(0.0, 1.2, len(history))
    history = history.assign(burden=burden, unit="month")
    found = learned_breaks(history, BELIEF, draws=50, seed=1)
    foretold = (found.curve.of(burden) * history["due"]).sum()
    assert foretold == pytest.approx(history["broken"].sum(), rel=0.005)


def test_histories_of_plans_by_hand():
    def plan(name: str, first: int, step: int, amounts: list[int], ended: int = NO_DAY, how: str = "") -> list[dict]:
        return [
            {
                "account_no": 7,
                "plan_id": name,
                "debtor_id": f"D{name}",
                "due_on": first + step * k,
                "amount": amount,
                "ended_on": ended,
                "how": how,
            }
            for k, amount in enumerate(amounts)
        ]

    rows = pd.DataFrame(
        [
            *plan("runs", AS_OF - 40, 30, [5_000, 5_000, 2_000]),
            *plan("broke", AS_OF - 70, 14, [5_000, 5_000, 5_000, 5_000], AS_OF - 50, "broken"),
            *plan("broke_at_once", AS_OF - 20, 30, [5_000, 5_000], AS_OF - 30, "broken"),
            *plan("kept", AS_OF - 100, 30, [5_000, 0, 5_000], AS_OF - 40, "kept"),
            *plan("will_break", AS_OF - 40, 30, [5_000, 5_000], AS_OF, "broken"),
            *plan("unknown", AS_OF - 40, 30, [5_000, 5_000]),
        ]
    )
    spare = pd.Series(
        {"runs": 10_000.0, "broke": 20_000.0, "broke_at_once": 5_000.0, "kept": 10_000.0, "will_break": 5_000.0}
    )
    found = plan_histories(rows, pd.concat({7: spare}), AS_OF).droplevel("account_no")
    assert found["due"].to_dict() == {"broke": 2, "broke_at_once": 1, "kept": 2, "runs": 2, "will_break": 2}
    assert found.index[found["broken"]].tolist() == [
        "broke",
        "broke_at_once",
    ]  # what ends on the night is not known yet
    assert found.loc["runs", ["unit", "burden"]].tolist() == ["month", 0.5]
    assert found.loc["broke", "unit"] == "fortnight"
    assert found.loc["broke", "burden"] == pytest.approx(5_000 * 365.25 / 12 / 14 / 20_000)
    assert found.loc["kept", "unit"] == "month"


def instalment(account: int, due_on: int, amount: int = 5_000, ended_on: int = NO_DAY, how: str | None = None) -> dict:
    """A row of the plan "1" of an account."""
    whose = {"account_no": account, "plan_id": "1", "debtor_id": f"D{account}"}
    return {**whose, "due_on": due_on, "amount": amount, "ended_on": ended_on, "how": how}


def histories(rows: list[dict]) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    spare = frame[["account_no", "plan_id"]].drop_duplicates().assign(spare=20_000.0)
    found = plan_histories(frame, spare.set_index(["account_no", "plan_id"])["spare"], AS_OF)
    return found.droplevel("plan_id")


@pytest.mark.parametrize("place", range(4))
def test_a_break_is_seen_on_whichever_row_of_the_plan_it_stands(place):
    rows = [instalment(1, AS_OF - 70 + 14 * k, amount=5_000 * (k < 3)) for k in range(4)]  # the last is taken out
    rows[place] |= {"ended_on": AS_OF - 50, "how": "broken"}
    assert histories(rows)[["due", "broken"]].to_numpy().tolist() == [[2, True]]


def test_of_several_ends_the_first_counts_with_its_own_how():
    days, ended = [AS_OF - 70 + 14 * k for k in range(4)], [NO_DAY, AS_OF - 20, AS_OF - 50, NO_DAY]

    def told(*ways: str | None) -> list:
        each = zip(days, ended, (None, *ways, None), strict=True)
        return histories([instalment(1, due, ended_on=end, how=how) for due, end, how in each])["broken"].tolist()

    assert told("broken", "replaced") == [False]
    assert told("kept", "broken") == [True]
    assert told("broken", None) == [False]


def test_plans_of_one_name_on_two_accounts_are_two():
    rows = [instalment(account, AS_OF - 70 + 30 * k) for account in (1, 2) for k in range(3)]
    rows[4] |= {"ended_on": AS_OF - 45, "how": "broken"}
    found = histories(rows)
    assert found[["debtor_id", "unit", "due", "broken"]].to_numpy().tolist() == [
        ["D1", "month", 3, False],
        ["D2", "month", 1, True],
    ]


def test_the_histories_and_the_features_agree_on_every_plan_that_broke():
    draw, many = np.random.default_rng(5), 600
    rows = []
    for account in range(many):
        for k in range(4):
            ended = NO_DAY if draw.random() < 0.6 else AS_OF - 40 + int(draw.integers(0, 5)) * 10
            how = (None, *PLAN_ENDS)[draw.integers(0, 1 + len(PLAN_ENDS))] if ended != NO_DAY else None
            amount = 5_000 if k == 0 else 5_000 * int(draw.integers(0, 2))
            rows.append(instalment(account, AS_OF - 60 + 30 * k, amount, ended, how))
    frame = pd.DataFrame(rows)
    day, amount = (np.full(len(frame), value) for value in (AS_OF - 90, 20_000))
    how = frame["how"].astype(object).map({name: code for code, name in enumerate(PLAN_ENDS)}).fillna(-1)
    columns = [frame[name].to_numpy() for name in ("due_on", "amount", "ended_on")]
    known = agreements.Instalments(
        frame["account_no"].to_numpy(), np.zeros(len(frame), np.int64), day, amount, *columns, how.to_numpy(np.int64)
    )
    numbers, nights = np.arange(many), np.full(many, AS_OF, np.int32)
    held = agreements.standing(
        known, numbers, nights, settlements(None, numbers, lambda: numbers), lambda due, _: (due, due), 1.0
    )
    broke = held.plan_state == agreements.BROKEN
    assert 50 < broke.sum() < 500
    assert (histories(rows)["broken"].to_numpy() == broke).all()


def test_few_plans_teach_nothing_and_say_so():
    found = learned_breaks(kept_plans(1, 200), BELIEF, draws=20, seed=1)
    assert (found.source, found.curve) == (POLICY, BELIEF.curve)
    assert "plans with an instalment behind them, 300 are needed" in found.why


def test_equal_burdens_make_one_class():
    found = learned_breaks(kept_plans(2, 2_000).assign(burden=0.5), BELIEF, draws=20, seed=1)
    assert found.curve.at == (0.5,)


def test_plans_that_all_broke_or_never_did_have_a_chance_of_their_own():
    never = learned_breaks(kept_plans(3, 2_000).assign(broken=False), BELIEF, draws=20, seed=1)
    assert set(never.curve.middle) == {0.0}
    always = learned_breaks(kept_plans(3, 2_000).assign(due=1, broken=True), BELIEF, draws=20, seed=1)
    assert min(always.curve.middle) > 0.99


# The judge can fail


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda plan: plan["schedule"].__setitem__(0, (plan["schedule"][0][0], plan["schedule"][0][1] - 1)), "add up"),
        (
            lambda plan: plan["schedule"].__setitem__(1, (plan["schedule"][1][0] + 1, plan["schedule"][1][1])),
            "calendar",
        ),
        (lambda plan: plan["schedule"].append((plan["schedule"][-1][0] + 30, 0)), "not equal"),
        (lambda plan: plan.update(unit="week"), "a unit that the policy does not have"),
        (lambda plan: plan.update(schedule=[(AS_OF, 60_000), (AS_OF + 40, 40_000)]), "own payments support"),
        (lambda plan: plan.update(schedule=[(AS_OF + 5 + 30 * k, 1_000) for k in range(100)]), "below the least"),
    ],
)
def test_the_judge_sees_a_wrong_plan(spoil, sentence):
    rows = one(place="FR", days_past_due=30, kind="loan")
    told = plans(rows, AS_OF, TERMS).best.iloc[0]
    plan = {"unit": told["unit"], "schedule": schedule(told, 31)}
    row = rows.iloc[0].to_dict()
    assert judge.wrong_plan(row, plan, RAW, AS_OF) == []
    spoil(plan)
    assert sentence in " ".join(judge.wrong_plan(row, plan, RAW, AS_OF))
