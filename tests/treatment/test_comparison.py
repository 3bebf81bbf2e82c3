"""Two policies side by side: sums that are those of the rows, and money as it came that no collector's choice bends."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
import yaml

from pipeline.law.rule_file import load_rules
from pipeline.treatment.comparison import DIFFERENCE, as_it_came, by_route, moved
from pipeline.treatment.policy import SHIPPED, policy_of
from pipeline.treatment.proposals import propose
from tests.judges import treatment_judge as judge
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
        offers = past(seed, 4_000, by_hand)
        told = as_it_came(offers, policies(offers), draws=200, seed=1).set_index("policy")
        assert told["covered"].tolist() == [1.0, 1.0, 1.0]
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
    assert (told["covered"], told["matched"]) == (0.0, 0)
    assert np.isnan(told["money"])
    assert told["why"] == "0 matured offers were drawn as this policy would, 300 are needed"
    waiting = offers.assign(matured=False)
    assert as_it_came(waiting, policies(offers), draws=50, seed=1)["matched"].tolist() == [0, 0]
