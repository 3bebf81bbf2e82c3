"""Proposals and routes of drawn worlds before a judge who reads the policy himself: nothing outside policy or law.

Also of bounds.py, offers.py and standing.py: what may be let off, the best of each kind, and offers that were made
before.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml

from features.errors import ContractError
from models.belief import OFFERS, Belief, Curve
from models.plans import schedule
from models.routes import AGENCY, INTERNAL, LEGAL, OURS, Bands
from models.settlements import lots_of
from pipeline.law.rule_file import load_rules
from pipeline.treatment.policy import SHIPPED, Policy, policy_of
from pipeline.treatment.proposals import Proposals, propose
from pipeline.treatment.standing import nothing_stands
from tests.judges import treatment_judge as judge
from tests.worlds.treated import PLACES, drawn_accounts, drawn_policy, drawn_standing

DAY = dt.date(2026, 10, 1)
AS_OF = judge.day(DAY)
RAW = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
STATUSES = (*RAW["specialist"], *RAW["never"])
LAW = load_rules()


def read(raw: dict, folder) -> Policy:
    path = folder / "treatments.yaml"
    path.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
    return policy_of(path, LAW, PLACES, DAY)


def as_told(rows: pd.DataFrame, found: Proposals) -> list[dict]:
    """What is published of each account, as the judge reads it."""
    told = found.offers[["proposal", "grants"]].join(found.settlements[["discount", "amount"]])
    told = told.join(found.routes.chosen[["route", "party"]]).to_dict("records")
    for place in np.flatnonzero(found.offers["proposal"] == "plan").tolist():
        best = found.plans.best.iloc[place]
        plan = {"unit": best["unit"], "instalments": int(best["instalments"])}
        told[place]["plan"] = {**plan, "schedule": schedule(best, int(rows["payday"].iloc[place]))}
    return told


def judged(
    rows: pd.DataFrame, recorded: pd.DataFrame, found: Proposals, raw: dict, standing: pd.DataFrame | None = None
) -> list[str]:
    theirs = [set(recorded.columns[each]) for each in recorded.to_numpy(bool)]
    records, published = judge.shared(rows.to_dict("records")), as_told(rows, found)
    for record, made in zip(
        records, as_made(nothing_stands(rows.index) if standing is None else standing), strict=True
    ):
        record["made"] = made
    wrong = judge.unbound(records, published, raw, theirs, AS_OF)
    for row, told, statuses in zip(records, published, theirs, strict=True):
        wrong += judge.breaches(row, told, raw, statuses, AS_OF)
    return wrong


def as_made(standing: pd.DataFrame) -> list[dict | None]:
    """What was offered before on each account, as the judge reads it."""
    names = ("kind", "amount", "discount", "instalments", "first_on")
    return [
        {name: row[f"offer_{name}"] for name in names} if row["offer_id"] else None
        for row in standing.to_dict("records")
    ]


def worlds_judged(folder, seeds: range, many: int) -> tuple[list[str], dict[str, int]]:
    """(breaches in worlds of so many accounts each; how often each proposal and route came)."""
    wrong, seen = [], {}
    for seed in seeds:
        raw = drawn_policy(RAW, seed)
        rows, recorded = drawn_accounts(seed, many, STATUSES)
        standing = drawn_standing(rows, seed, AS_OF)
        found = propose(rows, recorded, read(raw, folder), AS_OF, seed, standing=standing)
        wrong += judged(rows, recorded, found, raw, standing)
        seen["repeated"] = seen.get("repeated", 0) + int(found.repeated.sum())
        for name in (*found.offers["proposal"], *found.routes.chosen["route"]):
            seen[name] = seen.get(name, 0) + 1
    return wrong, seen


@pytest.fixture(scope="module")
def world():
    rows, recorded = drawn_accounts(1, 500, STATUSES)
    return rows, recorded


@pytest.fixture(scope="module")
def shipped() -> Policy:
    return policy_of(SHIPPED, LAW, PLACES, DAY)


@pytest.fixture(scope="module")
def proposed(world, shipped) -> Proposals:
    return propose(*world, shipped, AS_OF, 7)


@pytest.mark.slow
def test_no_proposal_lies_outside_policy_or_law(tmp_path):
    wrong, seen = worlds_judged(tmp_path, range(16), 100)
    assert wrong == []
    assert {"plan", "settlement", "internal", "agency", "legal", "sale", "rest"} <= seen.keys()
    assert seen["repeated"] >= 10


@pytest.mark.stress
@pytest.mark.parametrize("first", [1_000, 1_050, 1_100, 1_150])
def test_no_proposal_lies_outside_policy_or_law_in_5000_worlds(tmp_path, first):
    """A world is a debtor with two accounts under a policy: 25 of them under each of 50 policies, four times."""
    wrong, seen = worlds_judged(tmp_path, range(first, first + 50), 50)
    assert wrong == []
    assert min(seen[name] for name in ("plan", "settlement", "agency", "legal", "sale", "rest")) >= 10


@pytest.mark.parametrize(
    ("loosened", "sentence"),
    [
        ({"settlements": {"if_support_unknown": "offer"}}, "granted by whom may not"),
        ({"settlements": {"months_of_support": None}}, "granted by whom may not"),
        ({"settlements": {"largest": [{"from_days": 0, "share": 0.5}]}}, "a discount above the largest"),
        ({"settlements": {"least_amount": {"EUR": 0, "GBP": 0, "USD": 0, "JPY": 0}}}, "less than must be paid"),
        ({"plans": {"share_of_usual": 2.0}}, "an instalment above what own payments support"),
        ({"plans": {"least_kept": 0.0}}, "a plan that is kept too seldom"),
        ({"plans": {"instalments": {"least": 2, "most": 60}}}, "a number of instalments outside the bounds"),
        ({"plans": {"first_within_days": 90, "first_after_days": 60}}, "a first day outside the bounds"),
        ({"never": RAW["specialist"], "specialist": RAW["never"]}, None),
        ({"internal_days": 0}, None),
    ],
)
def test_a_loosened_policy_is_caught_by_the_policy_as_it_is(tmp_path, world, loosened, sentence):
    """The canary: proposals under other bounds are seen by the judge of ours; where nothing is loosened, none is."""
    raw = {**RAW}
    for section, changes in loosened.items():
        raw[section] = {**RAW[section], **changes} if isinstance(changes, dict) else changes
    if sentence == "a number of instalments outside the bounds":
        raw["authority"] = [{**each, "instalments": 60} for each in RAW["authority"]]
    wrong = judged(*world, propose(*world, read(raw, tmp_path), AS_OF, 7), RAW)
    assert (wrong == []) if sentence is None else any(sentence in each for each in wrong)


@pytest.mark.parametrize("lifted", ["statuses", "contact", "law"])
def test_a_hold_that_is_lifted_is_caught(world, shipped, lifted):
    rows, recorded = world
    blind = {
        "statuses": (rows, recorded & False),
        "contact": (rows.assign(contact_open=True), recorded),
        "law": (rows.assign(legal_open=True), recorded),
    }[lifted]
    raw = RAW
    if lifted == "law":
        rows, shipped = rows.assign(place="FR", currency="EUR", days_past_due=400), court_that_pays(shipped)
        blind = (rows.assign(legal_open=True, in_house_days=400, offers_refused=2), recorded)
        rows = rows.assign(in_house_days=400, offers_refused=2)
    wrong = judged(rows, recorded, propose(*blind, shipped, AS_OF, 7), raw)
    sentence = {
        "statuses": "an offer to whom none may be made",
        "contact": "an offer to whom may not be contacted",
        "law": "the law does not let it go to court",
    }[lifted]
    assert sentence in wrong


def court_that_pays(policy: Policy) -> Policy:
    share = Bands({}, Curve((0.0,), (0.8,), (0.7,), (0.9,)))
    return replace(
        policy, parties=tuple(replace(each, recovery=share) if each.route == LEGAL else each for each in policy.parties)
    )


# What was offered before


@pytest.fixture(scope="module")
def stood(world) -> pd.DataFrame:
    return drawn_standing(world[0], 1, AS_OF)


def test_an_offer_that_stands_is_repeated_with_its_lot_and_binds_its_debtor(world, shipped, stood):
    rows, recorded = world
    found = propose(rows, recorded, shipped, AS_OF, 7, standing=stood)
    assert judged(rows, recorded, found, RAW, stood) == []
    own = found.repeated
    assert {"plan", "settlement"} == set(found.offers["proposal"][own])
    assert (found.offers["proposal"][own] == stood["offer_kind"][own]).all()
    assert (found.offers["variant"][own] == stood["offer_variant"][own]).all()
    lots = found.offers["probability"][own & (stood["offer_kind"] == "settlement")]
    assert len(lots) > 5
    assert (lots == 0.5).all()
    gone = (stood["offer_id"] != "") & ~own
    assert {"offer_outside", "offer_overtaken", "offer_due_day"} < set(found.offers["why"][gone])
    others = stood["offer_binds"] & (stood["offer_id"] == "") & ~found.offers["why"].isin(["specialist", "status"])
    assert set(found.offers["why"][others]) == {"offer_elsewhere", "no_contact"}
    closed = found.routes.terms["sale", "buyer"]["why_not"][others & recorded.sum(axis=1).eq(0)]
    assert "offer_elsewhere" in set(closed)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"offer_amount": 1}, "an offer that stands, on other terms"),
        ({"offer_first_on": 3}, "days other than the calendar's"),
        ({"offer_binds": None}, "an account leaves while its debtor may still take an offer"),
        ({"offer_id": None}, "an offer that stands is not repeated"),
    ],
)
def test_an_offer_that_stands_and_is_changed_or_forgotten_is_caught(world, shipped, stood, change, sentence):
    rows, recorded = world
    ((name, by),) = change.items()
    if by is None:
        other = stood.assign(**{name: False if name == "offer_binds" else ""})
        other = other if name == "offer_id" else nothing_stands(rows.index)
    else:
        there = stood["offer_id"] != ""
        other = stood.assign(**{name: stood[name].where(~there, stood[name] + by)})
    found = propose(rows, recorded, shipped, AS_OF, 7, standing=other)
    assert sentence in judged(rows, recorded, found, RAW, stood)


def offered_to_one(found: Proposals, rows: pd.DataFrame) -> pd.Series:
    """Offers made to each debtor: of accounts that stay."""
    made = (found.offers["proposal"] != "") & (found.routes.chosen["route"] == INTERNAL)
    return made.groupby(rows["debtor_id"]).sum()


def test_a_debtor_has_one_offer_the_one_that_gains_most_by_the_rates(world, shipped):
    rows, recorded = world
    alone = propose(rows.assign(debtor_id=rows["account_id"]), recorded, shipped, AS_OF, 7)
    found = propose(rows.assign(unit=0.01), recorded, shipped, AS_OF, 7)
    waits = found.offers["why"] == "another_account"
    assert waits.sum() >= 15
    assert (found.routes.chosen["route"][waits].isin(["internal", "rest"])).all()
    assert offered_to_one(found, rows).max() == 1
    assert offered_to_one(alone, rows).max() == 2
    turned = propose(rows.assign(unit=np.where(waits, 1e6, 1e-6)), recorded, shipped, AS_OF, 7)
    assert (turned.offers["proposal"][waits] != "").all()
    twice = replace(found, offers=alone.offers, plans=alone.plans, settlements=alone.settlements)
    assert "two offers to one debtor" in judged(rows, recorded, twice, RAW)


def test_no_account_of_whom_one_is_offered_something_leaves_unless_nothing_is_offered(world, shipped):
    rows, recorded = world
    found = propose(rows, recorded, shipped, AS_OF, 7)
    offered = offered_to_one(found, rows)
    away = ~found.routes.chosen["route"].isin(["internal", "rest"])
    leaves = away.groupby(rows["debtor_id"]).any()
    assert leaves.sum() > 20
    assert not (leaves & (offered > 0)).any()
    alone = propose(rows.assign(debtor_id=rows["account_id"]), recorded, shipped, AS_OF, 7)
    kept = ~alone.routes.chosen["route"].isin(["internal", "rest"]) & ~away
    assert set(found.offers["why"][kept & (found.offers["proposal"] == "")]) >= {"another_account"}
    given_up = found.offers["why"] == "others_leave"
    assert given_up.sum() >= 3
    assert found.routes.chosen["route"][given_up].isin(["internal", "rest"]).all()
    assert leaves.reindex(rows["debtor_id"][given_up]).all()
    reasons = {why for (_, party), each in found.routes.terms.items() if party for why in each["why_not"]}
    assert {"another_account", "others_leave"} <= reasons
    # By themselves, as if each were another debtor's: the judge finds what contradicts.
    both = replace(found, offers=alone.offers, plans=alone.plans, settlements=alone.settlements, routes=alone.routes)
    assert "an offer to a debtor of whom another account leaves" in judged(rows, recorded, both, RAW)


# What is said of each


def test_specialists_are_told_apart_and_are_offered_nothing(world, proposed):
    rows, recorded = world
    found = proposed
    theirs = recorded[RAW["specialist"]].any(axis=1)
    assert theirs.sum() > 20
    assert (found.specialist == theirs).all()
    assert (found.offers["proposal"][theirs] == "").all()
    assert (found.offers["why"][theirs] == "specialist").all()
    assert found.routes.chosen["route"][theirs].isin(["internal", "rest"]).all()


def test_every_row_has_a_proposal_or_a_reason(proposed):
    told = proposed.offers
    assert ((told["proposal"] == "") == (told["why"] != "")).all()
    assert {"plan", "settlement", ""} == set(told["proposal"])
    assert (told["gain"][told["proposal"] != ""] > 0).all()
    assert (told["grants"][told["proposal"] != ""] != "").all()


def test_the_better_of_plan_and_settlement_is_proposed_and_the_other_is_its_alternative(world, proposed):
    rows, recorded = world
    found = proposed
    plan, settled, told = found.planned, found.settlements, found.offers
    both = (plan["gain"] > 0) & (settled["gain"] > 0) & ~told["why"].isin(["another_account", "others_leave"])
    assert both.sum() > 20
    better = np.where(settled["value"] > plan["value"], "settlement", "plan")
    assert (told["proposal"][both] == better[both]).all()
    assert (told["alternative"][both] == np.where(better == "plan", "settlement", "plan")[both]).all()
    value = np.where(told["proposal"] == "plan", plan["value"], settled["value"])
    assert (told["value"] == np.where(told["proposal"] == "", 0, value)).all()
    internal = found.routes.terms[INTERNAL, OURS]
    offered = told["proposal"] != ""
    assert (internal["value"][offered] == told["value"][offered]).all()
    assert (internal["source"][offered] == "proposal").all()


def test_a_plan_as_an_offer_by_hand(world, proposed):
    rows, recorded = world
    found = proposed
    for place in np.flatnonzero(found.offers["proposal"] == "plan").tolist()[:50]:
        best, told = found.plans.best.iloc[place], found.planned.iloc[place]
        brings, waiting = best["value"] + best["cost"], rows["continuation"].iloc[place]
        assert told["agreed_money"] == pytest.approx(0.1 * brings, abs=1)
        assert told["refused_money"] == pytest.approx(0.9 * waiting, abs=1)
        assert told["value"] == told["agreed_money"] + told["refused_money"] - told["cost"]
        assert told["value_low"] <= told["value"] <= told["value_high"]


def test_a_plan_asks_no_more_than_its_account_s_part_of_what_the_debtor_can_pay(shipped):
    rows, recorded = drawn_accounts(2, 400, STATUSES)
    rows = rows.assign(
        debtor_id=[f"D{number // 4}" for number in range(400)],
        place="FR",
        currency="EUR",
        usual_payment=20_000.0,
        usual_gap_days=30.0,
        other_plans=np.nan,
        disposable_income=np.nan,
    )
    found = propose(rows, recorded, shipped, AS_OF, 7)
    planned = found.plans.best["instalments"] > 0  # of all his accounts, though one is offered at a time
    best = found.plans.best[planned]
    monthly = best["instalment"] * np.where(best["unit"] == "month", 1.0, 365.25 / 12 / 14)
    asked = monthly.groupby(rows["debtor_id"][best.index]).agg(["sum", "size"])
    assert (asked["size"] > 1).sum() > 10
    assert (asked["sum"] <= 20_000 * 365.25 / 12 / 30).all()


def test_a_house_that_offers_nothing_proposes_nothing_and_still_routes(tmp_path, world):
    raw = {**RAW, "plans": None, "settlements": None}
    found = propose(*world, read(raw, tmp_path), AS_OF, 7)
    assert (found.offers["proposal"] == "").all()
    assert found.routes.chosen["route"].nunique() > 2
    nobody = propose(*world, read({**RAW, "authority": []}, tmp_path), AS_OF, 7)
    assert (nobody.offers["proposal"] == "").all()


def test_a_debt_that_the_house_may_not_part_with_is_offered_plans_alone_and_leaves_nowhere(world, shipped, proposed):
    rows, recorded = world
    found = propose(rows.assign(may_part=False), recorded, shipped, AS_OF, 7)
    assert set(found.offers["proposal"]) == {"plan", ""}
    assert set(found.routes.chosen["route"]) <= {"internal", "rest"}
    assert (found.routes.terms["sale", "buyer"]["why_not"].isin(["barred", "specialist", "not_ours"])).all()
    assert judged(rows.assign(may_part=False), recorded, found, RAW) == []
    told = judged(rows.assign(may_part=False), recorded, proposed, RAW)
    assert "a debt let off or given away that is not ours to part with" in told


@pytest.mark.parametrize(("more", "kind"), [(0, "settlement"), (2, "settlement"), (3, "")])
def test_what_is_let_off_is_no_minor_unit_above_what_anybody_may_grant(tmp_path, world, more, kind):
    """0.4 of 2,000,000.00 and so many hundredths, of which 800,000.00 may be let off."""
    raw = {
        **RAW,
        "authority": [{"who": "manager", "discount": 0.5, "let_off": {"EUR": 800_000}, "instalments": 24}],
        "settlements": {**RAW["settlements"], "discounts": [0.4], "if_support_unknown": "offer"},
    }
    debt = {"currency": "EUR", "place": "FR", "kind": "loan", "days_past_due": 200, "balance": 200_000_000 + more}
    worth = {"continuation": 100.0, "continuation_low": 50.0, "continuation_high": 200.0}
    nobody_knows = dict.fromkeys(("usual_payment", "usual_gap_days", "disposable_income", "other_plans"), np.nan)
    rows = world[0].iloc[[0]].assign(**debt, **worth, **nobody_knows, contact_open=True)
    found = propose(rows, world[1].iloc[[0]] & False, read(raw, tmp_path), AS_OF, 7)
    assert found.offers["proposal"].tolist() == [kind]
    assert found.offers["grants"].tolist() == ["manager" if kind else ""]


def test_a_status_that_is_not_handed_in_is_not_taken_for_absent(world, shipped):
    rows, recorded = world
    with pytest.raises(ContractError, match=r"'recorded statuses' lacks 'hardship'"):
        propose(rows, recorded.drop(columns="hardship"), shipped, AS_OF, 7)
    with pytest.raises(ContractError, match=r"'rows of treatments' lacks 'contact_open'"):
        propose(rows.drop(columns="contact_open"), recorded, shipped, AS_OF, 7)
    unknown = rows["continuation"].where(rows.index > 2)
    with pytest.raises(ContractError, match=r"waiting is worth is not known of 3 accounts \(.*\).* Score them first"):
        propose(rows.assign(continuation=unknown), recorded, shipped, AS_OF, 7)


def test_no_account_at_all_is_no_proposal(world, shipped):
    rows, recorded = world
    found = propose(rows.iloc[:0], recorded.iloc[:0], shipped, AS_OF, 7)
    assert len(found.offers) == len(found.routes.chosen) == 0


def test_the_order_of_rows_changes_nothing(world, shipped, proposed):
    rows, recorded = world
    once, again = proposed, propose(rows[::-1], recorded[::-1], shipped, AS_OF, 7)
    pd.testing.assert_frame_equal(again.offers.sort_index(), once.offers)
    pd.testing.assert_frame_equal(again.routes.chosen.sort_index(), once.routes.chosen)


# The lots


def test_lots_are_off_by_default(proposed):
    found = proposed
    assert found.offers["probability"].isna().all()
    assert found.routes.chosen["probability"].isna().all()


def test_discounts_drawn_lie_within_the_bounds_and_are_no_worse_than_what_would_be_proposed(tmp_path, world):
    raw = {**RAW, "explore": {"discounts": {0.25: 0.2, 0.4: 0.4, 0.5: 0.4}, "parties": None}}
    rows, recorded = world
    plain = propose(rows, recorded, read(RAW, tmp_path), AS_OF, 7)
    found = propose(rows, recorded, read(raw, tmp_path), AS_OF, 7)
    drawn = found.offers["probability"].notna()
    assert drawn.sum() >= 8
    assert (found.offers["proposal"][drawn] == "settlement").all()
    lots = lots_of(found.offers["variant"])
    assert (found.settlements["discount"][drawn] == lots["arm"][drawn]).all()
    assert lots["arm"][~drawn].isna().all()
    assert (found.settlements["discount"][drawn] >= plain.settlements["discount"][drawn]).all()
    assert found.offers["probability"][drawn].between(0, 1, inclusive="neither").all()
    assert lots["stratum"][drawn].str.contains("+", regex=False).all()
    assert judged(rows, recorded, found, raw) == []
    same = propose(rows, recorded, read(raw, tmp_path), AS_OF, 7)
    pd.testing.assert_frame_equal(same.offers, found.offers)


@pytest.fixture(scope="module")
def evenly_taken(world) -> tuple[pd.DataFrame, pd.DataFrame, Belief]:
    """Accounts that go where the largest discount is worth less than a buyer pays, and stay by a smaller one."""
    rows, recorded = world
    alone = {"debtor_id": rows["account_id"], "usual_payment": np.nan, "disposable_income": np.nan, "offers_refused": 0}
    debts = {"days_past_due": 400, "in_house_days": 400, "place": "FR", "currency": "EUR", "kind": "card"}
    worth = {"continuation": 500.0, "continuation_low": 300.0, "continuation_high": 900.0}
    balance = np.where(np.arange(len(rows)) % 4 == 0, 50, 100_000)  # a quarter is too small for an offer or a route
    same = rows.assign(**alone, **debts, **worth, contact_open=True, balance=balance.astype(np.int64))
    acceptance = Belief(Curve((0.05, 0.5), (0.11, 0.115), (0.1, 0.1), (0.12, 0.13)), OFFERS)
    return same, recorded & False, acceptance


def test_no_lot_decides_who_leaves_and_every_drawn_offer_is_made(tmp_path, evenly_taken):
    rows, recorded, acceptance = evenly_taken
    raw = {**RAW, "explore": {"discounts": {0.25: 0.2, 0.4: 0.4, 0.5: 0.4}, "parties": None}}
    plain = propose(rows, recorded, read(RAW, tmp_path), AS_OF, 1, acceptance=acceptance)
    buyer = plain.routes.terms["sale", "buyer"]["value"]
    for seed in (1, 2):
        found = propose(rows, recorded, read(raw, tmp_path), AS_OF, seed, acceptance=acceptance)
        where = ["route", "party"]
        pd.testing.assert_frame_equal(found.routes.chosen[where], plain.routes.chosen[where])
        drawn = found.offers["probability"].notna()
        arm = lots_of(found.offers["variant"])["arm"]
        assert set(arm[drawn]) == {0.25, 0.4, 0.5}
        assert (found.offers["value"] < buyer)[drawn & (arm == 0.5)].all()  # what would have made them leave
        internal = found.routes.terms[INTERNAL, OURS]
        for told in (internal, found.routes.chosen):
            for end in ("value", "value_low", "value_high"):
                assert (told[end][drawn] == found.offers[end][drawn]).all()
        assert (internal["source"][drawn] == "proposal").all()
        assert ((internal["share"] * rows["balance"]).round()[drawn] == found.offers["value"][drawn]).all()


def test_an_account_that_leaves_draws_no_discount(tmp_path, evenly_taken):
    rows, recorded, _ = evenly_taken
    raw = {**RAW, "explore": {"discounts": {0.25: 0.2, 0.4: 0.4, 0.5: 0.4}, "parties": None}}
    seldom = Belief(Curve((0.05, 0.5), (0.06, 0.065), (0.05, 0.05), (0.07, 0.08)), OFFERS)
    plain = propose(rows, recorded, read(RAW, tmp_path), AS_OF, 1, acceptance=seldom)
    found = propose(rows, recorded, read(raw, tmp_path), AS_OF, 1, acceptance=seldom)
    gone = (found.routes.chosen["route"] == "sale") & (found.offers["proposal"] == "settlement")
    assert gone.sum() > 100
    assert found.offers["probability"][gone].isna().all()
    assert (found.offers["variant"][gone] == "").all()
    same = ["discount", "amount", "value"]
    pd.testing.assert_frame_equal(found.settlements[same][gone], plain.settlements[same][gone])


def test_parties_drawn_are_among_those_that_may_have_the_account(tmp_path, world):
    raw = drawn_policy(RAW, 0)
    raw["explore"]["parties"] = {"agency_a": 0.3, "agency_b": 0.7}
    rows, recorded = world
    found = propose(rows, recorded, read(raw, tmp_path), AS_OF, 7).routes
    drawn = found.chosen["probability"].notna()
    assert drawn.sum() > 50
    assert (found.chosen["route"][drawn] == AGENCY).all()
    share = (found.chosen["party"][drawn] == "agency_b").mean()
    assert 0.6 < share < 0.8
    for party in ("agency_a", "agency_b"):
        own = drawn & (found.chosen["party"] == party)
        assert (found.terms[AGENCY, party]["why_not"][own] == "").all()
        assert (found.chosen["value"][own] == found.terms[AGENCY, party]["value"][own]).all()


def test_a_learnt_acceptance_stands_in_the_place_of_the_table(world, shipped):
    learned = Belief(Curve((0.0, 0.5), (0.0, 0.9), (0.0, 0.8), (0.0, 1.0)), OFFERS)
    found = propose(*world, shipped, AS_OF, 7, acceptance=learned)
    plain = propose(*world, shipped, AS_OF, 7)
    assert (found.offers["proposal"] == "settlement").sum() > (plain.offers["proposal"] == "settlement").sum()
