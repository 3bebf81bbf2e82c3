"""Curves of belief: straight between their points, and bent as little as may be so that they never fall."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import isotonic_regression

from models.belief import POLICY, Belief, Curve, kept_to, never_falling

CURVE = Curve((0.2, 0.4), (0.1, 0.3), (0.0, 0.2), (0.2, 0.6))


def test_a_curve_is_straight_between_its_points_and_flat_beyond():
    at = np.array([0.0, 0.2, 0.3, 0.4, 0.9])
    np.testing.assert_allclose(CURVE.of(at), [0.1, 0.1, 0.2, 0.3, 0.3])
    np.testing.assert_allclose(CURVE.of(at, "high"), [0.2, 0.2, 0.4, 0.6, 0.6])


def test_a_belief_that_is_kept_says_why():
    kept = kept_to(Belief(CURVE), "too few")
    assert (kept.curve, kept.source, kept.why) == (CURVE, POLICY, "too few")


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.1, 10)), min_size=1, max_size=7))
@settings(max_examples=100)
def test_the_nearest_curve_that_never_falls_is_that_of_the_library(points):
    rate, weight = (np.array([part]) for part in zip(*points, strict=True))
    told = isotonic_regression(rate[0], sample_weight=weight[0])
    np.testing.assert_allclose(never_falling(rate, weight)[0], told, atol=1e-9)


def test_a_draw_without_a_rate_has_none():
    found = never_falling(np.array([[0.1, np.nan], [0.3, 0.1]]), np.array([[1.0, 0.0], [1.0, 1.0]]))
    assert np.isnan(found[0]).all()
    np.testing.assert_allclose(found[1], [0.2, 0.2])
