"""Curves of columns: exact parts, the ridge they come from against its own equations, the same bytes from disk."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm

from models.curves import LEVELS, Curves, Terms

ROWS = 600
cells = arrays(np.float64, (40, 3), elements=st.one_of(st.floats(-1e9, 1e9), st.just(np.nan), st.just(0.0)))


def made(seed: int = 3) -> np.ndarray:
    """Four columns: heavy-tailed, of two values, with a third of the cells missing, constant."""
    draw = np.random.default_rng(seed)
    gaps = np.where(draw.random(ROWS) < 1 / 3, np.nan, draw.normal(size=ROWS))
    return np.stack([draw.standard_cauchy(ROWS), draw.integers(0, 2, ROWS) * 1.0, gaps, np.full(ROWS, 7.0)], axis=1)


def terms_of(numbers: np.ndarray) -> tuple[Terms, np.ndarray]:
    terms = Terms.of(numbers)
    return terms, np.concatenate([block for _, block in terms.blocks(numbers)])


def test_terms_are_a_constant_and_normal_scores_and_missings_of_one_scale():
    terms, found = terms_of(made())
    assert terms.columns.tolist() == [0, 1, 2, 2]  # the constant column tells nothing, the gaps are a term of their own
    assert_array_equal(found[:, 0], 1.0)
    assert_allclose(found[:, 1:].mean(axis=0), 0.0, atol=1e-12)
    assert_allclose(found[:, 1:].std(axis=0), 1.0, rtol=1e-12)


def test_a_score_is_that_of_the_normal_distribution_at_the_rank():
    values = np.random.default_rng(5).standard_cauchy(20_000)
    at, score = (one[0] for one in (Terms.of(values[:, None]).at, Terms.of(values[:, None]).score))
    assert_allclose(score, norm.ppf(LEVELS), rtol=1e-12)
    assert_array_equal(at, np.quantile(values, LEVELS, method="inverted_cdf"))


def test_values_that_hold_several_ranks_have_the_mean_of_their_scores():
    terms = Terms.of(np.repeat([0.0, 5.0], [60, 40])[:, None])
    assert terms.at[0].tolist() == [0.0, 5.0]
    assert_allclose(terms.score[0], [norm.ppf(LEVELS[LEVELS <= 0.6]).mean(), norm.ppf(LEVELS[LEVELS > 0.6]).mean()])


def test_rows_of_a_larger_table_are_those_rows_alone():
    numbers, rows = made(), np.random.default_rng(4).permutation(ROWS)[:200]
    own, taken = Terms.of(numbers[rows]), Terms.of(numbers, rows)
    (whole,), (part,) = list(own.told(numbers[rows])()), list(taken.told(numbers, rows)())
    assert_array_equal(part[1], whole[1])
    curves = own.curves(np.linspace(-1, 1, len(own.columns)))
    assert_array_equal(curves.total(numbers, rows), curves.total(numbers[rows]))


@given(cells, arrays(np.float64, 6, elements=st.floats(-3, 3)))
def test_curves_are_the_weighted_terms(numbers, weights):
    terms, found = terms_of(numbers)
    own = weights[: len(terms.columns)]
    curves = terms.curves(own)
    assert_allclose(curves.total(numbers), found[:, 1:] @ own, atol=1e-6)
    assert_allclose(curves.parts(numbers).sum(axis=1), curves.total(numbers), atol=1e-9)
    assert_allclose(curves.parts(numbers).mean(axis=0), 0.0, atol=1e-6)  # over the rows that made the terms


def test_blocks_change_nothing(monkeypatch):
    numbers = made()
    terms, whole = terms_of(numbers)
    monkeypatch.setattr("models.curves.BLOCK", 7)
    assert_array_equal(np.concatenate([block for _, block in terms.blocks(numbers)]), whole)
    for most in (0, 1 << 20):
        monkeypatch.setattr("models.curves.MOST_CELLS", most)
        told = terms.told(numbers)
        for _ in range(2):
            assert_array_equal(np.concatenate([block for _, block in told()]), whole)


def test_beyond_what_was_seen_a_curve_is_flat():
    terms = Terms.of(made()[:, :1])
    curves = terms.curves(np.array([1.0]))
    seen, beyond = terms.at[0][[0, -1]], np.array([-1e30, 1e30])
    assert_array_equal(curves.total(beyond[:, None]), curves.total(seen[:, None]))


def test_a_column_of_gaps_alone_says_nothing():
    numbers = np.stack([np.full(50, np.nan), np.arange(50.0)], axis=1)
    terms = Terms.of(numbers)
    assert terms.columns.tolist() == [1]
    assert_array_equal(terms.curves(np.array([1.0])).parts(numbers)[:, 0], 0.0)


@pytest.mark.parametrize("seed", range(3))
def test_text_keeps_every_bit(seed):
    terms, _ = terms_of(made(seed))
    curves = terms.curves(np.random.default_rng(seed).normal(size=4))
    again = Curves.from_text(curves.text())
    assert_array_equal(again.parts(made()), curves.parts(made()))
    assert again.text() == curves.text()
