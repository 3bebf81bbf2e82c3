"""Routes: every term against the judge, the order of law, value and last resort, and agencies set beside each other."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml

from models.belief import Curve
from models.routes import (
    AGENCY,
    INTERNAL,
    LEGAL,
    OURS,
    REST,
    SALE,
    Bands,
    RouteTerms,
    Share,
    compared,
    learned_share,
    routes,
)
from pipeline.law.rule_file import load_rules
from pipeline.treatment.policy import SHIPPED, policy_of
from tests.judges import treatment_judge as judge
from tests.worlds.treated import drawn_accounts

RAW = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
POLICY = policy_of(SHIPPED, load_rules(), ("GB-ENG",), dt.date(2026, 10, 1))
TERMS = RouteTerms(POLICY.parties, POLICY.internal_days, POLICY.annual_rate)
ENDS = {"middle": "value", "low": "value_low", "high": "value_high"}


def one(**others: object) -> pd.DataFrame:
    """1,000.00 EUR in France, 400 days past due, worked for a year, two offers refused, little to be had."""
    row = {
        "currency": "EUR",
        "kind": "loan",
        "place": "FR",
        "days_past_due": 400,
        "balance": 100_000,
        "continuation": 1_000.0,
        "continuation_low": 500.0,
        "continuation_high": 2_000.0,
        "in_house_days": 365,
        "offers_refused": 2,
        "contact_open": True,
        "legal_open": True,
        "leave_open": True,
        "specialist": False,
    }
    return pd.DataFrame([{**row, **others}])


def suing(low: float, middle: float, high: float) -> RouteTerms:
    """The shipped terms with a court that brings in so much of the balance."""
    share = Bands({}, Curve((0.0,), (middle,), (low,), (high,)))
    parties = tuple(replace(each, recovery=share) if each.route == LEGAL else each for each in POLICY.parties)
    return replace(TERMS, parties=parties)


def test_every_term_is_that_of_the_judge():
    rows, _ = drawn_accounts(11, 500, ())
    found = routes(rows.assign(leave_open=True, specialist=False), TERMS)
    seen = 0
    for route in RAW["routes"]:
        told = found.terms[route["route"], route["party"]]
        for row, mine in zip(rows.to_dict("records"), told.to_dict("records"), strict=True):
            other = judge.route_money(row, route, RAW)
            if other is None:
                assert mine["why_not"] in ("kind", "currency", "place", "barred")
                continue
            for name in ("gross", "commission", "cost"):
                assert abs(mine[name] - other[name]) <= judge.CENT
            net = (mine["gross"] - mine["commission"]) * mine["discount"]
            assert mine["value"] == round(net) - mine["cost"]
            for end, name in ENDS.items():
                assert abs(mine[name] - judge.route_money(row, route, RAW, end)["value"]) <= 2 * judge.CENT
            seen += 1
    assert seen > 1_000
    internal = found.terms[INTERNAL, OURS]
    assert (internal["value"] == np.rint(rows["continuation"]).astype(np.int64)).all()


def test_the_route_of_highest_value_is_chosen_and_none_that_is_closed():
    rows, _ = drawn_accounts(12, 2_000, ())
    rows = rows.assign(leave_open=rows.index % 5 > 0, specialist=rows.index % 7 == 0)
    found = routes(rows, TERMS)
    for place, (row, told) in enumerate(zip(rows.to_dict("records"), found.chosen.to_dict("records"), strict=True)):
        values = {INTERNAL: round(row["continuation"]), REST: 0}
        for route in RAW["routes"]:
            barred = row["specialist"] or not row["leave_open"]
            if (
                route["route"] != LEGAL
                and not barred
                and not judge.wrong_route(row, route["route"], route["party"], RAW, set(), True)
            ):
                values[route["route"]] = found.terms[route["route"], route["party"]]["value"].iloc[place]
        if told["route"] != LEGAL:
            assert told["value"] == max(values.values()), place
            assert told["value"] == values[told["route"]]
    counts = found.chosen["route"].value_counts()
    assert counts.index.isin([INTERNAL, AGENCY, "sale", REST]).all()
    assert counts.min() > 10


def test_an_account_worth_nothing_anywhere_rests_and_says_so():
    found = routes(one(continuation=-200.0, balance=50, days_past_due=2_000), TERMS).chosen.iloc[0]
    assert (found["route"], found["party"], found["value"], found["why"]) == (REST, OURS, 0, "nothing_above_zero")


def test_court_only_where_its_low_end_beats_every_other_middle():
    agency = int(routes(one(), TERMS).terms[AGENCY, "agency_a"]["value"].iloc[0])
    sure = routes(one(), suing(0.40, 0.45, 0.50))
    assert sure.chosen["route"].tolist() == [LEGAL]
    assert sure.terms[LEGAL, "court"]["value_low"].iloc[0] > agency
    hoped = routes(one(), suing(0.10, 0.45, 0.90))
    assert hoped.terms[LEGAL, "court"]["value"].iloc[0] > agency
    assert hoped.chosen["route"].tolist() == ["sale"]
    assert hoped.terms[LEGAL, "court"]["why_not"].tolist() == ["not_surely_best"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"specialist": True}, "specialist"),
        ({"leave_open": False}, "barred"),
        ({"legal_open": False}, "barred"),
        ({"place": "US-MA", "currency": "EUR"}, "place"),
        ({"currency": "USD"}, "currency"),
        ({"days_past_due": 701}, "too_old"),
        ({"in_house_days": 179}, "too_soon"),
        ({"offers_refused": 0}, "no_offer_refused"),
    ],
)
def test_court_is_closed_for_a_reason(change, why):
    found = routes(one(**change), suing(0.40, 0.45, 0.50))
    assert found.terms[LEGAL, "court"]["why_not"].tolist() == [why]
    assert found.chosen["route"].tolist() != [LEGAL]


def test_whom_the_law_closes_is_given_to_no_agency_and_sold_to_nobody():
    found = routes(one(contact_open=False), TERMS)
    assert found.terms[AGENCY, "agency_a"]["why_not"].tolist() == ["barred"]
    assert found.terms[SALE, "buyer"]["why_not"].tolist() == ["barred"]
    assert routes(one(), TERMS).terms[SALE, "buyer"]["why_not"].tolist() == [""]


def test_by_the_shipped_beliefs_court_does_not_pay_for_itself():
    """A judgment is no money: what is believed of suits is less than what they cost."""
    rows, _ = drawn_accounts(13, 2_000, ())
    assert (routes(rows.assign(leave_open=True, specialist=False), TERMS).terms[LEGAL, "court"]["value"] < 0).all()


def test_a_specialists_account_stays_with_us():
    found = routes(one(specialist=True, continuation=1.0), TERMS).chosen.iloc[0]
    assert (found["route"], found["value"]) == (INTERNAL, 1)


def test_learnt_recovery_stands_in_the_place_of_the_belief_where_there_is_any():
    rows = pd.concat([one(), one()], ignore_index=True)
    share = [np.array([each, np.nan]) for each in (0.30, 0.25, 0.35)]
    found = routes(rows, replace(TERMS, learned={"agency_a": Share(*share)})).terms[AGENCY, "agency_a"]
    assert found["source"].tolist() == ["placements", "policy"]
    assert found["gross"].tolist() == [30_000, 7_000]
    assert found["value_low"][0] < found["value"][0] < found["value_high"][0]


def test_a_kind_of_which_nothing_is_believed_goes_nowhere():
    only = tuple(replace(each, recovery=Bands({"card": each.recovery.default})) for each in POLICY.parties)
    found = routes(one(), replace(TERMS, parties=only))
    assert {told["why_not"].iloc[0] for (route, _), told in found.terms.items() if route not in (INTERNAL, REST)} == {
        "kind"
    }
    assert found.chosen["route"].tolist() == [INTERNAL]


# What placements teach


def given_to(seed: int, many: int, factor: dict[str, float]) -> pd.DataFrame:
    """Placements with agency_a that bring in so many times what is believed, by kind; old debts go to it more often."""
    draw = np.random.default_rng(seed)
    kind, days = draw.choice(sorted(factor), many), draw.choice([100, 500, 1_500, 1_500], many)
    balance = np.rint(draw.lognormal(11, 0.5, many)).astype(np.int64)
    share = POLICY.parties[0].recovery.of(kind.astype(object), days) * np.array([factor[name] for name in kind])
    pays = draw.random(many) < 0.5
    return pd.DataFrame(
        {
            "debtor_id": [f"D{number // 2}" for number in range(many)],
            "kind": kind,
            "days_past_due": days,
            "balance": balance,
            "recovered": np.rint(balance * share * 2 * pays),
            "unit": 0.01,
        }
    )


def test_what_an_agency_brings_is_learnt_for_each_kind_that_has_enough():
    rows = pd.DataFrame({"kind": ["card", "loan", "invoices"], "days_past_due": 400, "balance": 60_000, "unit": 0.01})
    inside = 0
    for seed in range(20):
        placements = given_to(seed, 3_000, {"card": 2.0, "loan": 0.5})
        found = learned_share(rows, POLICY.parties[0], placements, draws=200, seed=1)
        inside += sum(found.low[at] <= 0.07 * true <= found.high[at] for at, true in ((0, 2.0), (1, 0.5)))
        assert found.middle[1] < found.middle[2] < found.middle[0]  # of a kind never given away: all together
    assert inside >= 34  # of 40, at 95 %


def test_a_party_that_brings_in_as_much_of_a_small_debt_as_of_a_large_one_is_seen_to():
    """Money that does not rise with the balance, and falls less with age than is believed."""
    inside, small = 0, pd.DataFrame({"kind": "card", "days_past_due": [100, 1_500], "balance": 30_000, "unit": 0.01})
    large, apart = small.assign(balance=120_000), []
    for seed in range(10):
        placements = given_to(seed, 3_000, {"card": 1.0})
        draw = np.random.default_rng([seed, 1])
        placements["recovered"] = np.where(draw.random(3_000) < 0.1, 8_000.0, 0.0)  # 8.00 of each on average
        found = [learned_share(rows, POLICY.parties[0], placements, draws=100, seed=1) for rows in (small, large)]
        money = [share.middle * rows["balance"] for share, rows in zip(found, (small, large), strict=True)]
        apart += (money[1] / money[0]).tolist()
        for share, rows in zip(found, (small, large), strict=True):
            inside += ((share.low * rows["balance"] <= 800) & (share.high * rows["balance"] >= 800)).sum()
    assert np.mean(apart) < 1.25  # a share alone would say 4
    assert inside >= 32  # of 40, at 95 %


def test_few_placements_teach_nothing():
    rows = pd.DataFrame({"kind": ["card"], "days_past_due": 400, "balance": 60_000, "unit": 0.01})
    assert learned_share(rows, POLICY.parties[0], given_to(1, 299, {"card": 1.0}), draws=20, seed=1) is None
    few = learned_share(rows, POLICY.parties[0], given_to(1, 400, {"card": 1.0, "loan": 1.0}), draws=20, seed=1)
    assert few.middle[0] == pytest.approx(0.07, rel=0.3)  # of all kinds together


# Agencies


def placed(seed: int, lot: bool) -> pd.DataFrame:
    """Agency b recovers 1.5 times what a does; without a lot, a is given the debts that pay better than foretold."""
    draw = np.random.default_rng(seed)
    expected = draw.lognormal(4, 1, 3_000)
    hidden = draw.uniform(0.5, 1.5, 3_000)  # what nobody foretold
    to_b = draw.random(3_000) < (0.3 if lot else np.where(hidden > 1, 0.05, 0.55))
    money = expected * hidden * np.where(to_b, 1.5, 1.0) * (draw.random(3_000) < 0.2) * 5
    return pd.DataFrame(
        {
            "party": np.where(to_b, "b", "a"),
            "debtor_id": [f"D{number // 2}" for number in range(3_000)],
            "recovered": money,
            "expected": expected,
            "probability": np.where(to_b, 0.3, 0.7) if lot else np.nan,
        }
    )


def test_agencies_are_compared_on_what_they_were_given():
    inside = 0
    for seed in range(20):
        found = compared(placed(seed, lot=True), draws=200, seed=1).set_index("party")
        assert found["by_lot"].all()
        inside += sum(
            found["ratio_low"][name] <= true <= found["ratio_high"][name] for name, true in (("a", 1.0), ("b", 1.5))
        )
    assert inside >= 34  # of 40, at 95 %


def test_without_a_lot_a_ratio_is_not_said_to_be_merit():
    found = compared(placed(3, lot=False), draws=200, seed=1).set_index("party")
    assert not found["by_lot"].any()
    assert found["ratio_high"]["b"] < 1.5  # what it was given hides what b is worth


def test_nothing_expected_is_no_ratio():
    found = compared(placed(3, lot=True).assign(expected=0.0), draws=50, seed=1)
    assert found["ratio"].isna().all()


# The judge can fail


@pytest.mark.parametrize(
    ("change", "name", "party", "sentence"),
    [
        ({"days_past_due": 1_900}, AGENCY, "agency_a", "too old"),
        ({"in_house_days": 10}, AGENCY, "agency_a", "too soon"),
        ({"contact_open": False}, AGENCY, "agency_a", "whom the law closes"),
        ({"contact_open": False}, SALE, "buyer", "whom the law closes"),
        ({"place": "US-MA"}, LEGAL, "court", "does not work"),
        ({"legal_open": False}, LEGAL, "court", "does not let it go to court"),
        ({"offers_refused": 0}, LEGAL, "court", "before any offer was refused"),
        ({"in_house_days": 100}, LEGAL, "court", "before internal_days"),
    ],
)
def test_the_judge_sees_a_wrong_route(change, name, party, sentence):
    row = one().iloc[0].to_dict()
    assert judge.wrong_route(row, name, party, RAW, set(), True) == []
    wrong = judge.wrong_route({**row, **change}, name, party, RAW, set(), {**row, **change}["legal_open"])
    assert sentence in " ".join(wrong)
    assert "barred account" in " ".join(judge.wrong_route(row, name, party, RAW, {"dispute"}, True))
    assert "specialist" in " ".join(judge.wrong_route(row, name, party, RAW, {"hardship"}, True))
