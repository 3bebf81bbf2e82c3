"""The ratio of a segment to the rest of its strata: by hand, and over drawn worlds in which the truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from models.association import ratio_of, true_ratio

RNG = np.random.default_rng


def test_the_ratio_is_that_of_mantel_and_haenszel_by_hand():
    # stratum a: 2 of 4 inside, 1 of 6 outside; stratum b: 1 of 2 inside, 1 of 8 outside
    rows = [("a", 1, 2, 4), ("a", 0, 1, 6), ("b", 1, 1, 2), ("b", 0, 1, 8)]
    member, outcome, strata = [], [], []
    for name, inside, events, size in rows:
        member += [inside == 1] * size
        outcome += [at < events for at in range(size)]
        strata += [name] * size
    found = ratio_of(np.array(member), np.array(outcome), np.array(strata), np.arange(20))
    expected = (2 * 6 / 10 + 1 * 8 / 10) / (1 * 4 / 10 + 1 * 2 / 10)
    assert found.value == pytest.approx(expected)
    assert (found.inside, found.outside, found.inside_events, found.outside_events) == (6, 14, 3, 2)
    assert found.inside_rate == 0.5
    assert found.low < found.value < found.high
    # three of five events inside, where a share of 6/20 of each stratum's would be expected
    share = (3 * 4 / 10 + 2 * 2 / 10) / 5
    assert found.p >= binom.sf(2, 5, share) - 1e-12


def test_a_stratum_that_lies_on_one_side_says_nothing():
    member = np.array([True, True, False, False, True, False])
    outcome = np.array([True, False, True, False, True, False])
    strata = np.array(["a", "a", "a", "a", "only", "other"])
    found = ratio_of(member, outcome, strata, np.arange(6))
    assert found.value == pytest.approx(1.0)
    alone = ratio_of(member[4:], outcome[4:], strata[4:], np.arange(2))
    assert math.isnan(alone.value)
    assert alone.p == 1.0


@pytest.mark.parametrize("true", [1.0, 2.5])
def test_intervals_hold_the_truth_and_false_alarms_are_few(true):
    """300 worlds of two strata with accounts that share debtors; clustered rows, few events."""
    inside, alarms, worlds = 0, 0, 300
    for seed in range(worlds):
        draw = RNG([seed, 7])
        rows = 600
        debtor = draw.integers(0, 400, rows)
        strata, member = draw.integers(0, 2, rows), draw.random(rows) < 0.12
        frail = draw.gamma(2, 0.5, 400)[debtor]
        chance = np.minimum(np.where(strata == 0, 0.05, 0.12) * np.where(member, true, 1.0) * frail, 1)
        found = ratio_of(member, draw.random(rows) < chance, strata.astype(str), debtor)
        inside += bool(found.low <= true <= found.high)
        alarms += bool(found.low > 1)
    assert inside >= 0.95 * worlds - 2 * math.sqrt(worlds * 0.95 * 0.05)
    if true == 1.0:
        assert alarms <= 0.025 * worlds + 2 * math.sqrt(worlds * 0.025)
    else:
        assert alarms > 0.5 * worlds


def test_accounts_of_one_debtor_count_as_fewer():
    draw = RNG(3)
    member, strata = np.repeat(draw.random(200) < 0.3, 4), np.repeat("a", 800)
    outcome = np.repeat(draw.random(200) < 0.2, 4)
    together = ratio_of(member, outcome, strata, np.repeat(np.arange(200), 4))
    apart = ratio_of(member, outcome, strata, np.arange(800))
    assert together.value == apart.value
    assert together.high / together.low > 1.5 * apart.high / apart.low


def test_known_chances_give_the_true_ratio():
    member = np.array([True, False, True, False])
    assert true_ratio(member, np.array([0.3, 0.1, 0.6, 0.2]), np.array(list("aabb"))) == pytest.approx(3.0)
