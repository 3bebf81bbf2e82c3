"""What is offered around a due day, against a judge who shares no code with it: every term, the best of all, and
nothing outside the policy. models/due_day.py holds the sums.
"""

from __future__ import annotations

import copy
import datetime as dt

import numpy as np
import pandas as pd
import pytest
import yaml

from features.days import day_number
from features.errors import ContractError
from models.lot import CONTROL
from pipeline.law.holds import BIT
from pipeline.law.rule_file import load_rules
from pipeline.night.due_day import DUE_ASKED, LEFT, offer_by_due_day
from pipeline.treatment.due_day import propose_by_due_day
from pipeline.treatment.policy import SHIPPED, PolicyRefused, policy_of
from tests.judges import treatment_judge as judge
from tests.worlds.treated import CURRENCY, PLACES

DAY = dt.date(2026, 10, 1)
AS_OF = day_number(DAY)
RAW = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))


def read(folder, raw: dict):
    place = folder / "treatments.yaml"
    place.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
    return policy_of(place, load_rules(), PLACES, DAY)


def drawn_rows(seed: int, many: int) -> pd.DataFrame:
    """What falls due, or has: every edge of payday, age, chance and money."""
    draw = np.random.default_rng(seed)
    currency = draw.choice(sorted(set(CURRENCY.values()) | {"KWD"}), many)
    return pd.DataFrame(
        {
            "account_id": [f"A{at}" for at in range(many)],
            "currency": currency,
            "debtor_type": draw.choice(["consumer", "commercial"], many),
            "due_amount": np.rint(draw.lognormal(9.0, 1.8, many)).astype(np.int64),
            "due_on": AS_OF + draw.choice([-40, -6, -5, -1, 0, 1, 5, 9, 10, 11, 20, 30], many),
            "p_late": np.where(draw.random(many) < 0.05, np.nan, draw.beta(2, 2, many)),
            "late_by_days": np.where(draw.random(many) < 0.3, np.nan, draw.integers(-3, 120, many)),
            "payday": draw.choice([0, 1, 3, 10, 15, 28, 29, 30, 31], many),
            "moved": draw.choice([0, 0, 0, 1], many),
            "contact_open": draw.random(many) < 0.95,
            "may_let_off": draw.random(many) < 0.9,
        }
    )


def no_status(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({name: np.zeros(len(rows), bool) for name in (*RAW["specialist"], *RAW["never"])})


def drawn_policy(seed: int) -> dict:
    draw, raw = np.random.default_rng([seed, 2]), copy.deepcopy(RAW)
    raw["annual_rate"] = float(draw.choice([0.0, 0.08, 0.3]))
    moves, early = raw["due_date_moves"], raw["early_discounts"]
    moves |= {"most_days": int(draw.choice([3, 14, 40])), "overdue_days": int(draw.choice([0, 5]))}
    moves |= {"helps": {"low": 0.0, "middle": float(draw.choice([0.0, 0.3, 0.9])), "high": 0.95}}
    early |= {"days_before_due": int(draw.choice([1, 10])), "overdue_days": int(draw.choice([0, 1, 6]))}
    raw["authority"] = raw["authority"][: int(draw.integers(0, 4))]
    return raw


@pytest.mark.parametrize("seed", range(8))
def test_every_term_is_the_judges_and_what_is_proposed_is_the_best_of_all(tmp_path, seed):
    raw, rows = drawn_policy(seed), drawn_rows(seed, 250)
    found = propose_by_due_day(rows, no_status(rows), read(tmp_path, raw), AS_OF)
    assert judged_faults(found, rows, raw) == []


def judged_faults(found: pd.DataFrame, rows: pd.DataFrame, raw: dict) -> list[str]:
    faults = []
    for row, told in zip(rows.to_dict("records"), found.to_dict("records"), strict=True):
        move = judge.move_money(row, raw, AS_OF) if row["contact_open"] else None
        early = {
            discount: judge.early_money(row, discount, raw, AS_OF)
            if row["contact_open"] and row["may_let_off"]
            else None
            for discount in raw["early_discounts"]["discounts"]
        }
        worth = {discount: each["value"] for discount, each in early.items() if each is not None}
        best = max([0.0, *worth.values(), *([move["value"]] if move else [])])
        value = told["value"]
        if told["proposal"] == "" and best > 2:
            faults.append(f"{row['account_id']}: nothing where {best:.1f} is to be had")
        elif told["proposal"] == "due_date_move":
            if move is None or abs(value - move["value"]) > 3 or told["move_new_due_on"] != judge.day(move["new"]):
                faults.append(f"{row['account_id']}: a move that the judge does not know")
            elif any(abs(told[f"move_{name}"] - move[name]) > 1 for name in ("saved", "sooner", "waits", "days")):
                faults.append(f"{row['account_id']}: terms of a move")
        elif told["proposal"] == "early_discount":
            own = early.get(told["early_discount"])
            if own is None or told["early_amount"] != own["amount"] or told["early_pay_by"] != own["pay_by"]:
                faults.append(f"{row['account_id']}: a discount that the judge does not know")
            elif abs(value - own["value"]) > 2 or abs(told["early_otherwise"] - own["otherwise"]) > 1:
                faults.append(f"{row['account_id']}: terms of a discount")
            elif told["grants"] != judge.who_grants(
                row, told["early_discount"], row["due_amount"] - own["amount"], raw
            ):
                faults.append(f"{row['account_id']}: granted by another")
        if best > 2 and value < best - 3:
            faults.append(f"{row['account_id']}: {value} where {best:.1f} is to be had")
        if not told["value_low"] <= value <= told["value_high"]:
            faults.append(f"{row['account_id']}: ends")
    return faults


def test_both_kinds_are_proposed_and_the_judge_finds_a_loosened_policy_out(tmp_path):
    raw, rows = copy.deepcopy(RAW), drawn_rows(77, 800)
    raw["annual_rate"] = 0.3
    raw["due_date_moves"]["helps"] = {"low": 0.5, "middle": 0.9, "high": 1.0}
    policy = read(tmp_path, raw)
    found = propose_by_due_day(rows, no_status(rows), policy, AS_OF)
    assert {"due_date_move", "early_discount", ""} == set(found["proposal"])
    assert judged_faults(found, rows, raw) == []
    early = found["proposal"] == "early_discount"
    assert judged_faults(found, rows.assign(may_let_off=~early), raw) != []
    tighter = copy.deepcopy(raw)
    tighter["due_date_moves"]["most_days"] = 3
    assert judged_faults(found, rows, tighter) != []
    tighter = copy.deepcopy(raw)
    tighter["early_discounts"]["days_before_due"] = 11
    assert judged_faults(found, rows, tighter) != []


def test_a_move_by_hand(tmp_path):
    """100.00 EUR due on 5 October, payday on the 8th: 4 days wait for 0.08 at 8 % a year. Late with 0.5: of 3.00 of
    contacts 0.5 x 0.15 x 3.00 = 0.23 is saved, and 30 days of 100.00, 0.63, x 0.075 = 0.05."""
    row = drawn_rows(1, 1).assign(
        currency="EUR", due_amount=10_000, due_on=day_number(dt.date(2026, 10, 5)), p_late=0.5, late_by_days=np.nan,
        payday=8, moved=0, contact_open=True, debtor_type="consumer",
    )  # fmt: skip
    told = propose_by_due_day(row, no_status(row), read(tmp_path, RAW), AS_OF).iloc[0]
    assert told["proposal"] == "due_date_move"
    assert told["move_new_due_on"] == day_number(dt.date(2026, 10, 9))
    assert (told["move_saved"], told["move_sooner"], told["move_waits"]) == (22, 5, 8)  # 22.5 is rounded to even
    assert told["value"] == 19
    assert told["grants"] == "agent"


def test_who_carries_a_status_or_may_not_be_asked_is_offered_nothing_and_is_told_why(tmp_path):
    rows = drawn_rows(5, 60).assign(contact_open=True)
    policy = read(tmp_path, RAW)
    for status, why in (("hardship", "specialist"), ("dispute", "status")):
        recorded = no_status(rows).assign(**{status: True})
        found = propose_by_due_day(rows, recorded, policy, AS_OF)
        assert set(found["why"]) == {why}
        assert (found["proposal"] == "").all()
        assert (found[["value", "move_days", "early_amount"]] == 0).all().all()
    shut = propose_by_due_day(rows.assign(contact_open=False), no_status(rows), policy, AS_OF)
    assert set(shut["why_no_move"]) == {"no_contact"}


def test_a_house_that_offers_neither_says_so_and_what_lacks_is_named(tmp_path):
    rows = drawn_rows(6, 10).assign(contact_open=True)
    raw = {**copy.deepcopy(RAW), "due_date_moves": None, "early_discounts": None}
    found = propose_by_due_day(rows, no_status(rows), read(tmp_path, raw), AS_OF)
    assert set(found["why_no_move"]) | set(found["why_no_discount"]) == {"not_offered"}
    with pytest.raises(ContractError, match="rows by due day.*payday"):
        propose_by_due_day(rows.drop(columns="payday"), no_status(rows), read(tmp_path, RAW), AS_OF)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"discounts": [0.01, 0.03]}, "none may be above largest"),
        ({"discounts": []}, "discounts and takes go together"),
        ({"discounts": [0.02, 0.01]}, "discounts must rise"),
    ],
)
def test_discounts_that_cannot_be_are_refused(tmp_path, change, told):
    raw = copy.deepcopy(RAW)
    raw["early_discounts"] |= change
    with pytest.raises(PolicyRefused, match=told):
        read(tmp_path, raw)


# Whom nothing is offered, and why


def drawn_asked(seed: int, many: int) -> pd.DataFrame:
    """DUE_ASKED of accounts of which a debtor has one or two, each reason to leave one out drawn by itself."""
    draw, rows = np.random.default_rng([seed, 3]), drawn_rows(seed, many)
    seldom = ("unknown", "engaged", "has_accepted", "offer_binds", "disputed")
    return rows.drop(columns=["p_late", "may_let_off"]).assign(
        account_no=range(many),
        debtor_id=[f"D{each}" for each in np.sort(draw.integers(0, many * 2 // 3, many))],
        portfolio="book",
        product="loan",
        balance=rows["due_amount"] * 3,
        statuses=np.where(draw.random(many) < 0.1, int(BIT["dispute"]), 0),
        **{name: draw.random(many) < 0.08 for name in seldom},
        offered_on=-1,
        offer_until=-1,
        allowed=draw.choice(["all", "plans", "nothing"], many, p=[0.5, 0.3, 0.2]),
        unit=np.where(draw.random(many) < 0.1, np.nan, 0.01),
    )[list(DUE_ASKED)]


def why_left(row: dict, whole: list[dict], held: set[str], taken: set[str], reminded: set[str]) -> str:
    """By plain loops: of whole debtors what is unknown or agreed; of the account whose debt it is, what is disputed."""
    theirs = [each for each in whole if each["debtor_id"] == row["debtor_id"]]
    tests = [
        ("held_out", row["debtor_id"] in held),
        ("unknown", any(each["unknown"] for each in theirs)),
        ("accepted", row["has_accepted"]),
        ("engaged", any(each["engaged"] for each in theirs)),
        ("role", row["allowed"] == "nothing"),
        ("disputed", row["disputed"]),
        ("offer_stands", row["offer_binds"]),
        ("offered", row["debtor_id"] in taken),
        ("reminded", row["debtor_id"] in reminded),
    ]
    return next((name for name, applies in tests if applies), "")


@pytest.mark.parametrize("seed", range(4))
def test_who_is_left_out_around_a_due_day_whose_debt_it_is_and_what_is_disputed(tmp_path, seed):
    raw, rows = copy.deepcopy(RAW), drawn_asked(seed, 300)
    raw["annual_rate"] = 0.3
    raw["due_date_moves"]["helps"] = {"low": 0.5, "middle": 0.9, "high": 1.0}
    policy, draw = read(tmp_path, raw), np.random.default_rng([seed, 4])
    held, taken, reminded = ({f"D{each}" for each in draw.integers(0, 200, 12)} for _ in range(3))
    watch = rows[["account_id"]].assign(p_late=draw.beta(2, 2, len(rows)))
    arms = pd.DataFrame({"debtor_id": sorted(held), "arm": CONTROL})
    found = offer_by_due_day([rows[:100], rows[100:]], watch, arms, taken, reminded, policy, AS_OF)
    whole = rows.to_dict("records")
    why = {row["account_id"]: why_left(row, whole, held, taken, reminded) for row in whole}
    assert set(found.rows["account_id"]) == {account for account, reason in why.items() if not reason}
    counts = {name: sum(reason == name for reason in why.values()) for name in LEFT}
    second = found.left_out["offered"] - counts.pop("offered")  # a debtor is asked once
    assert counts == {name: many for name, many in found.left_out.items() if name != "offered"}
    own = found.rows.assign(may_let_off=found.rows["allowed"] == "all")
    recorded = no_status(own).assign(dispute=own["statuses"].to_numpy() != 0)
    alone = propose_by_due_day(own, recorded, policy, AS_OF)["proposal"] != ""
    assert second == alone.sum() - own["debtor_id"][alone].nunique()
    by = {row["account_id"]: row for row in whole}
    offered = dict(zip(found.rows["account_id"], found.found["proposal"], strict=True))
    offered = {account: kind for account, kind in offered.items() if kind}
    assert set(offered.values()) == {"due_date_move", "early_discount"}
    debtors = [by[account]["debtor_id"] for account in offered]
    assert len(debtors) == len(set(debtors))
    for account, kind in offered.items():
        row = by[account]
        assert row["contact_open"]
        assert not row["disputed"]
        assert not row["statuses"]
        assert row["allowed"] == "all" or (kind, row["allowed"]) == ("due_date_move", "plans")
