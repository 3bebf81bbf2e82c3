"""Two policies side by side: sums that are those of the rows, and money as it came that no collector's choice bends."""

from __future__ import annotations

import datetime as dt
import re

import numpy as np
import pandas as pd
import pytest
import yaml

from pipeline.law.rule_file import load_rules
from pipeline.night.past_policies import OTHER, YOURS
from pipeline.night.policies import came_lines
from pipeline.params import load
from pipeline.treatment.comparison import DIFFERENCE, as_it_came, by_route, moved
from pipeline.treatment.policy import SHIPPED, policy_of
from pipeline.treatment.proposals import propose
from tests.judges import treatment_judge as judge
from tests.worlds.params import HOUSE
from tests.worlds.treated import PLACES, drawn_accounts

DAY = dt.date(2026, 10, 1)
RAW = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
STATUSES = (*RAW["specialist"], *RAW["never"])
MONEY = {("fresh", 0.0): 40.0, ("fresh", 0.2): 30.0, ("old", 0.0): 5.0, ("old", 0.2): 12.0}


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """(rows, reporting units per minor unit, proposals of the shipped policy, of one without settlements)."""
    rows, recorded = drawn_accounts(21, 500, STATUSES)
    path = tmp_path_factory.mktemp("other") / "treatments.yaml"
    path.write_text(yaml.safe_dump({**RAW, "settlements": None}, sort_keys=False), encoding="utf-8")
    both = [policy_of(each, load_rules(), PLACES, DAY) for each in (SHIPPED, path)]
    unit = np.where(rows["currency"] == "JPY", 0.0061, 0.01)
    return rows, unit, *(propose(rows, recorded, each, judge.day(DAY), 7) for each in both)


def test_every_account_and_its_money_is_in_one_route(night):
    rows, unit, shipped, _ = night
    told = by_route(rows, unit, shipped)
    assert told["accounts"].sum() == len(rows)
    assert told["balance"].sum() == pytest.approx((rows["balance"] * unit).sum())
    assert told["value"].sum() == pytest.approx((shipped.routes.chosen["value"] * unit).sum())
    assert (told["value_low"] <= told["value"]).all()
    assert (told["value"] <= told["value_high"]).all()
    stays = (shipped.routes.chosen["route"] == "internal").to_numpy()
    for kind in ("plan", "settlement"):
        assert told[f"{kind}s"].sum() == ((shipped.offers["proposal"] == kind) & stays).sum() > 5
    (internal,) = told[told["route"] == "internal"].to_dict("records")
    assert 0 < internal["burden"] <= 1
    assert internal["let_off"] > 0
    assert told.loc[told["route"] != "internal", ["plans", "settlements", "let_off"]].to_numpy().sum() == 0
    assert told["route"].tolist() == sorted(told["route"], key=["internal", "agency", "legal", "sale", "rest"].index)


def test_what_a_plan_asks_a_month_is_its_instalment(night):
    rows, unit, shipped, _ = night
    stays = shipped.routes.chosen["route"] == "internal"
    plans = shipped.plans.best[(shipped.offers["proposal"] == "plan") & stays]
    per = plans["instalment"] * np.where(plans["unit"] == "month", 1, 365.25 / 12 / 14) * unit[plans.index]
    told = by_route(rows, unit, shipped)
    assert told["asked_a_month"].sum() == pytest.approx(per.sum(), rel=0.03)  # months are 28 to 31 days


def test_who_moves_is_told_with_what_it_is_worth(night):
    rows, unit, shipped, other = night
    told = moved(rows, unit, shipped, other)
    left = told[told["before"] == "internal settlement"]
    assert left["accounts"].sum() > 5
    assert "settlement" not in " ".join(told["after"])
    assert (told["before"] != told["after"]).all()
    worth = [(each.routes.chosen["value"] * unit).sum() for each in (shipped, other)]
    assert (told["value_after"] - told["value_before"]).sum() == pytest.approx(worth[1] - worth[0])
    assert len(moved(rows, unit, shipped, shipped)) == 0


# Money as it came


def past(seed: int, many: int, by_hand: float = 0.0) -> pd.DataFrame:
    """Offers drawn at odds that differ by stratum; collectors discount by hand to those who pay four times as much."""
    draw = np.random.default_rng(seed)
    stratum = draw.choice(["fresh", "old"], many)
    odds = np.where(stratum == "fresh", 0.3, 0.6)  # of 20 % off
    arm = np.where(draw.random(many) < odds, 0.2, 0.0)
    probability = np.where(arm == 0.2, odds, 1 - odds)
    hand = draw.random(many) < by_hand
    arm, probability = np.where(hand, 0.2, arm), np.where(hand, np.nan, probability)
    mean = np.array([MONEY[cell] for cell in zip(stratum, arm, strict=True)]) * np.where(hand, 4.0, 1.0)
    return pd.DataFrame(
        {
            "debtor_id": [f"D{number // 2}" for number in range(many)],
            "arm": arm,
            "could": pd.Series([(0.0, 0.2)] * many),
            "probability": probability,
            "matured": True,
            "money": draw.exponential(1.0, many) * mean,
            "stratum": stratum,
        }
    )


def policies(offers: pd.DataFrame) -> dict[str, np.ndarray]:
    old = (offers["stratum"] == "old").to_numpy()
    return {"for everybody": np.full(len(offers), 0.2), "for old debts": np.where(old, 0.2, 0.0)}


@pytest.mark.parametrize("by_hand", [0.0, 0.5])
def test_money_as_it_came_is_that_of_the_policy_whoever_chose_else(by_hand):
    true = {"for everybody": 21.0, "for old debts": 26.0, DIFFERENCE: 5.0}
    inside = 0
    for seed in range(20):
        offers = past(seed, 8_000, by_hand)
        told = as_it_came(offers, policies(offers), draws=200, seed=1).set_index("policy")
        assert (told["covered"] == told["drawn"]).all()
        inside += sum(told["low"][name] <= money <= told["high"][name] for name, money in true.items())
    assert inside >= 51  # of 60, at 95 %


def test_what_collectors_chose_would_have_said_otherwise():
    offers = past(1, 4_000, by_hand=0.5)
    naive = offers.groupby("arm")["money"].mean()
    told = as_it_came(offers, policies(offers), draws=200, seed=1).set_index("policy")
    assert naive[0.2] > told["high"]["for everybody"]


def test_a_policy_that_the_lot_hardly_ever_followed_has_no_figure():
    offers = past(2, 4_000)
    told = as_it_came(offers, {"half off": np.full(len(offers), 0.5)}, draws=50, seed=1).iloc[0]
    assert (told["drawn"], told["covered"], told["matched"]) == (4_000, 0, 0)
    assert np.isnan(told["money"])
    assert told["why"] == "the lot covers too few: 0 of 4,000 drawn, 300 are needed"
    waiting = as_it_came(offers.assign(matured=False), policies(offers), draws=50, seed=1)
    assert waiting["matched"].tolist() == waiting["drawn"].tolist() == [0, 0, 0]
    assert waiting["money"].isna().all()
    seldom = as_it_came(offers[:420], {"full price": np.zeros(420)}, draws=50, seed=1).iloc[0]
    assert seldom["covered"] == 420
    assert seldom["why"] == f"{seldom['matched']} covered were drawn as this policy would, 300 are needed"


# Whom the lot can never have treated as a policy would


def settled(seed: int, gain: float = 0.0, many: int = 6_000) -> pd.DataFrame:
    """Debtors of whom every second pays 100; a lot of 10 and 25 % off brings `gain` more where it lets off 25 %, but
    from those who pay only. Column pays."""
    draw = np.random.default_rng(seed)
    pays, dear = np.arange(many) % 2 == 0, draw.random(many) < 0.4
    money = np.where(pays, 100.0 + gain * dear, 0.0) * draw.uniform(0.5, 1.5, many)
    return pd.DataFrame(
        {
            "debtor_id": [f"D{number}" for number in range(many)],
            "arm": np.where(dear, 0.25, 0.1),
            "could": pd.Series([(0.1, 0.25)] * many),
            "probability": np.where(dear, 0.4, 0.6),
            "matured": True,
            "money": money,
            "pays": pays,
        }
    )


def test_settling_with_payers_alone_is_no_gain_where_discounts_have_no_effect():
    """The second policy offers nothing to those who do not pay: an arm that no lot draws."""
    offers = settled(1)
    would = {"all": np.full(len(offers), 0.25), "payers": np.where(offers["pays"], 0.25, 0.0)}
    told = as_it_came(offers, would, draws=200, seed=1).set_index("policy")
    assert (told["drawn"] == 6_000).all()
    assert (told["covered"] == 3_000).all()
    assert (told["otherwise"] == 0).all()
    assert told.loc[DIFFERENCE, ["money", "low", "high"]].tolist() == [0.0, 0.0, 0.0]
    assert told.loc["all", "money"] == told.loc["payers", "money"] == pytest.approx(100, abs=3)


@pytest.mark.parametrize("gain", [0.0, 20.0])
def test_the_difference_is_that_of_the_covered_whom_policies_treat_otherwise(gain):
    """Of the payers, who alone are covered, the second policy lets off more from every third."""
    inside, found = 0, 0
    for seed in range(20):
        offers = settled(seed, gain)
        third = np.arange(len(offers)) % 3 == 0
        would = {
            "first": np.full(len(offers), 0.1),
            "second": np.where(offers["pays"], np.where(third, 0.25, 0.1), 0.0),
        }
        told = as_it_came(offers, would, draws=200, seed=1).set_index("policy").loc[DIFFERENCE]
        assert (told["covered"], told["otherwise"]) == (3_000, 1_000)
        inside += told["low"] <= gain / 3 <= told["high"]
        found += told["low"] > 0
    assert inside >= 17  # of 20, at 95 %
    assert found >= 19 if gain else found <= 2


def test_agencies_that_an_account_could_not_have_had_cover_it_no_more_than_none():
    """Half of the accounts could go to a or b and bring 50, half to a or c and bring 10."""
    draw, many = np.random.default_rng(5), 4_000
    near, first = np.arange(many) % 2 == 0, draw.random(many) < 0.5
    offers = pd.DataFrame(
        {
            "debtor_id": [f"D{number}" for number in range(many)],
            "arm": pd.Series(np.where(first, "a", np.where(near, "b", "c"))).astype(object),
            "could": [("a", "b") if each else ("a", "c") for each in near],
            "probability": 0.5,
            "matured": True,
            "money": np.where(near, 50.0, 10.0) * draw.uniform(0.5, 1.5, many),
        }
    )
    would = {"a": np.full(many, "a", object), "b": np.full(many, "b", object)}
    told = as_it_came(offers, would, draws=200, seed=1).set_index("policy")
    assert (told["covered"] == 2_000).all()
    assert told.loc["a", "money"] == pytest.approx(50, abs=2)
    assert told.loc[DIFFERENCE, "low"] < 0 < told.loc[DIFFERENCE, "high"]


def test_a_difference_of_few_whom_the_lot_covers_is_not_told():
    offers = settled(3)
    some = np.arange(len(offers)) < 500
    would = {"first": np.full(len(offers), 0.1), "second": np.where(some, 0.25, 0.1)}
    told = as_it_came(offers, would, draws=50, seed=1).set_index("policy")
    assert told.loc[["first", "second"], "money"].notna().all()
    assert np.isnan(told.loc[DIFFERENCE, "money"])
    matched = told.loc[DIFFERENCE, "matched"]
    assert 150 < matched < 250
    wanted = f"the lot covers too few whom they treat otherwise: 500, of whom {matched} were drawn as one of them would"
    assert told.loc[DIFFERENCE, "why"] == f"{wanted}, 300 are needed"


def test_the_output_says_of_how_many_the_figures_speak():
    offers, params = settled(4, 20.0), load(HOUSE / "params.yaml")
    more = np.where(offers["pays"], np.where(np.arange(len(offers)) % 3 == 0, 0.25, 0.1), 0.0)
    offers = offers.assign(**{YOURS: 0.1, OTHER: more})
    covered, ours, theirs, difference = came_lines(offers, params)
    assert covered.startswith("  Covered are 3,000 of 6,000 (50%): ")
    matched = (offers["pays"] & (offers["arm"] == 0.1)).sum()
    assert re.fullmatch(rf"  the params': \d+\.\d\d each \(.* to .*\); {matched:,} drawn so", ours)
    assert theirs.startswith("  the other: ")
    assert re.match(r"  difference: \+\d+\.\d\d each ", difference)
    assert difference.endswith("1,000 of the covered treated otherwise, the others count as 0")
    assert came_lines(offers[:500], params) == [
        "  No figure: the lot covers too few: 250 of 500 drawn, 300 are needed."
    ]
