"""Figures against other libraries and plain loops; intervals by debtor."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import ks_2samp
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from models.resampling import METRICS, captured, debtor_draws, interval, quality
from tests.worlds.judged import judged_rows


def one_draw(order, p, outcome, weight=None):
    """METRICS with each row its own debtor and the given weights."""
    weights = np.ones((1, len(order)), dtype=np.uint8) if weight is None else weight[None, :].astype(np.uint8)
    rows = np.arange(len(order))
    return dict(zip(METRICS, quality(order, p, outcome, outcome, p, rows, weights)[0], strict=True))


# Each figure against another library


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("weighted", [False, True])
def test_rank_and_level_agree_with_scikit_learn(seed, weighted):
    draw = np.random.default_rng(seed)
    p = np.round(draw.beta(1, 3, 500), 2).clip(0.01, 0.99)  # many ties
    outcome = (draw.random(500) < p).astype(float)
    weight = draw.poisson(1.0, 500) if weighted else np.ones(500, dtype=int)
    found = one_draw(p, p, outcome, weight)
    assert_allclose(found["auc"], roc_auc_score(outcome, p, sample_weight=weight))
    assert_allclose(found["gini"], 2 * found["auc"] - 1)
    assert_allclose(found["average_precision"], average_precision_score(outcome, p, sample_weight=weight))
    assert_allclose(found["brier"], brier_score_loss(outcome, p, sample_weight=weight))
    assert_allclose(found["log_loss"], log_loss(outcome, p, sample_weight=weight))
    assert_allclose(found["rate"], np.average(outcome, weights=weight))
    if not weighted:
        assert_allclose(found["ks"], 100 * ks_2samp(p[outcome == 1], p[outcome == 0]).statistic)
    level = np.log(p / (1 - p))[:, None]
    slope = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(level, outcome, sample_weight=weight).coef_[0, 0]
    assert_allclose(found["calibration_slope"], slope, rtol=2e-4)


def test_the_slope_tells_exaggeration():
    rows = judged_rows(20_000, honest=2.0)
    found = one_draw(rows.scores["p_recovered"].to_numpy(), rows.scores["p_recovered"].to_numpy(), rows.recovered)
    assert found["calibration_slope"] == pytest.approx(0.5, abs=0.05)
    assert found["calibration_error"] > 0.05


def test_one_class_only_has_no_rank_metric_but_a_level():
    found = one_draw(np.array([0.1, 0.2]), np.array([0.1, 0.2]), np.zeros(2))
    assert math.isnan(found["auc"])
    assert math.isnan(found["calibration_slope"])
    assert found["rate"] == 0


def test_perfect_separation_has_no_slope_and_does_not_blow_up():
    p = np.array([0.1, 0.2, 0.8, 0.9])
    found = one_draw(p, p, np.array([0.0, 0.0, 1.0, 1.0]))
    assert found["auc"] == 1
    assert found["ks"] == 100


# Money within capacity


def plainly_captured(order, money, night, capacity):
    """The plain loop: ties share the places left."""
    total = 0.0
    for tonight in np.unique(night):
        rows = np.flatnonzero(night == tonight)
        left = capacity * len(rows)
        for value in sorted(set(order[rows]), reverse=True):
            tied = rows[order[rows] == value]
            total += money[tied].sum() * min(max(left, 0.0) / len(tied), 1.0)
            left -= len(tied)
    return total


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 100), st.integers(0, 2)), min_size=1, max_size=40),
    st.floats(0.01, 1.0),
)
def test_money_at_capacity_is_the_plain_loop(rows, capacity):
    order, money, night = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    who = np.arange(len(rows))
    (reached,), whole = captured(
        (order,), money, night.astype(np.int64), who, np.ones((1, len(rows)), dtype=np.uint8), (capacity,)
    )
    assert_allclose(reached[0, 0], plainly_captured(order, money, night, capacity), atol=1e-9)
    assert whole[0] == money.sum()
    assert capacity < 1 or reached[0, 0] == pytest.approx(money.sum())


def test_money_at_capacity_by_hand():
    order = np.array([3.0, 2.0, 2.0, 1.0, 9.0, 1.0])
    money = np.array([10.0, 20.0, 40.0, 80.0, 5.0, 7.0])
    night = np.array([1, 1, 1, 1, 2, 2])
    weights = np.ones((1, 6), dtype=np.uint8)
    # Half of night 1 is two accounts: the first and half of each of the two tied; half of night 2 is its first.
    (reached,), _ = captured((order,), money, night, np.arange(6), weights, (0.25, 0.5))
    assert reached.tolist() == [[10 + 2.5, 10 + 30 + 5]]


def test_a_debtor_drawn_twice_fills_two_places():
    order, money = np.array([2.0, 1.0]), np.array([10.0, 100.0])
    weights = np.array([[1, 1], [2, 1]], dtype=np.uint8)
    (reached,), whole = captured((order,), money, np.zeros(2, dtype=np.int64), np.arange(2), weights, (0.5,))
    assert reached[:, 0].tolist() == [10.0, 15.0]
    assert whole.tolist() == [110.0, 120.0]


# Intervals by debtor


def test_rows_of_one_debtor_bring_no_certainty():
    rows = judged_rows(800)
    several = pd.concat([rows.cohort] * 4, ignore_index=True)
    p, outcome = np.tile(rows.scores["p_recovered"], 4), np.tile(rows.recovered, 4)
    widths = {}
    for name, debtors in (
        ("once", rows.cohort["debtor_id"]),
        ("four times", several["debtor_id"]),
        ("as if new", pd.Series(range(3_200))),
    ):
        count = 800 if name == "once" else 3_200
        who, weights = debtor_draws(debtors, 400, 1)
        table = quality(p[:count], p[:count], outcome[:count], outcome[:count], p[:count], who, weights)
        _, low, high = interval(table[:, 0])
        widths[name] = high - low
    assert widths["four times"] == pytest.approx(widths["once"], rel=0.02)
    assert widths["as if new"] < 0.7 * widths["once"]


def test_intervals_cover_the_truth():
    """A rate of 0.3 with debtors of five equal rows each: about 95 of 100 intervals hold it."""
    held = 0
    for seed in range(100):
        draw = np.random.default_rng(seed)
        outcome = np.repeat((draw.random(150) < 0.3).astype(float), 5)
        debtors = pd.Series(np.repeat(np.arange(150), 5))
        who, weights = debtor_draws(debtors, 200, seed)
        p = np.full(750, 0.3)
        _, low, high = interval(quality(p, p, outcome, outcome, p, who, weights)[:, METRICS.index("rate")])
        held += low <= 0.3 <= high
    assert 88 <= held <= 99


def test_draws_depend_on_debtors_and_seed_alone():
    debtors = pd.Series(["b", "a", "b", "c"])
    who, weights = debtor_draws(debtors, 5, 1)
    turned, same = debtor_draws(debtors[::-1], 5, 1)
    assert (weights == same).all()
    assert (who[::-1] == turned).all()
    assert (weights[0] == 1).all()
    assert (weights != debtor_draws(debtors, 5, 2)[1]).any()


def test_too_few_draws_give_no_interval():
    assert interval(np.array([1.0, np.nan, np.nan, 2.0]))[0] == 1.0
    assert math.isnan(interval(np.array([1.0, np.nan, np.nan, 2.0]))[1])
