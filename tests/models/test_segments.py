"""Segments by facts of the opening: what conditions hold, which are proposed, what tells a group; and
opening_risk.py, the model of all facts together.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.opening_risk import judged
from models.segments import Condition, column_tells, conditions_of, holds, proposed, tells

ROWS = 4000


def facts(seed: int) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "product": draw.choice(["a", "b", "c"], ROWS),
            "channel": draw.choice(["shop", "web"], ROWS),
            "amount": draw.lognormal(7, 0.6, ROWS),
            "score": np.where(draw.random(ROWS) < 0.1, np.nan, draw.normal(600, 50, ROWS)),
        }
    )


def test_conditions_hold_as_they_are_said_and_what_is_not_told_meets_none():
    few = pd.DataFrame({"score": [1.0, 2.0, np.nan], "channel": ["web", None, "shop"]})
    assert holds((Condition("score", "from", 2.0),), few).tolist() == [False, True, False]
    assert holds((Condition("score", "below", 2.0),), few).tolist() == [True, False, False]
    assert holds((Condition("score", "untold"),), few).tolist() == [False, False, True]
    assert holds((Condition("channel", "is", "web"),), few).tolist() == [True, False, False]
    assert holds((Condition("channel", "is", "None"),), few).tolist() == [False, False, False]
    both = (Condition("channel", "is", "shop"), Condition("score", "untold"))
    assert holds(both, few).tolist() == [False, False, True]


def test_a_class_of_few_accounts_is_no_condition():
    few = pd.DataFrame({"channel": ["web"] * 100 + ["rare"] * 29 + ["shop"] * 100})
    assert [c.value for c in conditions_of(few, ["channel"])] == ["shop", "web"]
    many = pd.DataFrame({"name": [f"n{at % 40}" for at in range(4000)]})
    assert conditions_of(many, ["name"]) == []
    edges = [c.value for c in conditions_of(facts(1), ["amount"]) if c.kind == "from"]
    assert edges == sorted(edges)
    assert all(edge == float(f"{edge:.2g}") for edge in edges)


@pytest.mark.parametrize("seed", range(3))
def test_what_was_planted_is_proposed_with_no_condition_too_many(seed):
    own, draw = facts(seed), np.random.default_rng([seed, 1])
    strata = draw.choice(["one", "two"], ROWS)
    base = np.where(strata == "one", 0.04, 0.08)
    both = (own["channel"] == "web") & (own["amount"] >= 2000)
    alone = draw.random(ROWS) < np.where(own["product"] == "b", 3, 1) * base
    assert proposed(own, list(own), alone, strata, 1) == [(Condition("product", "is", "b"),)]
    together = draw.random(ROWS) < np.where(both, 4, 1) * base
    (found,) = proposed(own, list(own), together, strata, 1)
    assert {c.column for c in found} == {"channel", "amount"}
    member = holds(found, own)
    assert (member & both).sum() > 0.75 * max(member.sum(), both.sum())
    nothing = proposed(own, list(own), draw.random(ROWS) < base, strata, 5)
    assert len(nothing) <= 2


def test_the_second_is_looked_for_beyond_the_first():
    own, draw = facts(5), np.random.default_rng(8)
    chance = 0.04 * np.where(own["product"] == "b", 4, 1) * np.where(own["channel"] == "web", 2.5, 1)
    found = proposed(own, list(own), draw.random(ROWS) < chance, np.repeat("s", ROWS), 3)
    columns = {c.column for segment in found for c in segment}
    assert {"product", "channel"} <= columns


def test_a_column_that_stands_for_a_group_is_seen():
    draw = np.random.default_rng(4)
    group = np.where(draw.random(ROWS) < 0.2, "young", "old")
    who = pd.Series(np.arange(ROWS).astype(str))
    offer = pd.Series(np.where(draw.random(ROWS) < np.where(group == "young", 0.7, 0.03), "yes", "no"))
    assert column_tells(offer, group, who, "young") > 0.75
    other = pd.Series(draw.choice(["x", "y", "z"], ROWS))
    assert column_tells(other, group, who, "young") < 0.56
    income = pd.Series(np.where(group == "young", 1000, 1600) + draw.normal(0, 300, ROWS))
    assert column_tells(income, group, who, "young") > 0.8
    assert tells((offer == "yes").to_numpy(), group, {"young": 800, "old": 3200}) > 0.75
    assert tells((other == "x").to_numpy(), group, {"young": 800, "old": 3200}) < 0.55
    unstated = np.where(draw.random(ROWS) < 0.5, "not stated", group)
    assert column_tells(offer, unstated, who, "young") > 0.75


def test_the_model_says_what_it_knows_of_later_accounts_and_nothing_where_nothing_is():
    own, draw = facts(9), np.random.default_rng(10)
    who, later = pd.Series(np.arange(ROWS).astype(str)), np.arange(ROWS) >= ROWS // 2
    chance = 0.08 * np.where(own["product"] == "b", 3, 1)
    told = judged(own, list(own), draw.random(ROWS) < chance, who, later, 1)
    assert told.auc[1] > 0.55
    assert next(iter(told.weights)) == "product"
    assert 0.7 < told.level[0] < 1.3
    assert len(told.chance) == later.sum()
    empty = judged(own, list(own), draw.random(ROWS) < 0.1, who, later, 1)
    assert empty.auc[1] < 0.5 < empty.auc[2]
