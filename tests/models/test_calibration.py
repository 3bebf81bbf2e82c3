"""Maps from raw scores to chances: strictly increasing, honest, the simplest that is good enough."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression

from models.calibration import (
    KINDS,
    MIN_SLOPE,
    Calibrator,
    bounded_logit,
    choose_map,
    expit,
    fit_map,
    log_loss,
    with_recent_levels,
)
from models.recovery import RecoveryModel
from models.split import debtor_folds
from tests.worlds.panels import SETTINGS, teaching
from tests.worlds.taught import taught


def skewed(rows: int = 4_000, seed: int = 3):
    draw = np.random.default_rng(seed)
    raw = draw.normal(-1.5, 1.2, rows)
    outcome = (draw.random(rows) < expit(0.4 + 0.6 * raw)).astype(float)
    return raw, outcome, np.ones(rows), debtor_folds([f"d{number}" for number in range(rows)], 3, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_every_map_is_strictly_increasing_and_honest(kind):
    raw, outcome, weight, _ = skewed()
    found = fit_map(kind, raw, outcome, weight)
    grid = np.linspace(-60, 60, 4_001)
    assert (np.diff(found.logit(grid)) > 0).all()
    assert min(found.slopes) >= MIN_SLOPE
    assert abs(found.probability(raw).mean() - outcome.mean()) < 1e-3
    assert abs(found.probability(np.array([-1.0]))[0] - expit(np.array([-0.2]))[0]) < 0.04


def test_distinct_scores_stay_distinct_where_isotonic_loses_most(model, later):
    matrix, labels, cohort, _ = later
    raw = model.raw(matrix, cohort)
    for book in ("book_eu", "book_jp"):
        rows = (cohort["portfolio"] == book).to_numpy()
        score = model.predict(matrix, cohort)["p_recovered"].to_numpy()[rows]
        assert_array_equal(np.argsort(raw[rows], kind="stable"), np.argsort(score, kind="stable"))
        assert len(np.unique(score)) == len(np.unique(raw[rows]))
    isotonic = IsotonicRegression().fit(raw, labels["recovered"]).predict(raw)
    assert len(np.unique(isotonic)) < 0.2 * len(np.unique(raw))


def test_the_simplest_map_wins_unless_another_is_worth_it():
    raw, outcome, weight, folds = skewed()
    assert choose_map(raw, outcome, weight, folds).kind == "sigmoid"
    draw = np.random.default_rng(1)
    raw = draw.normal(0, 2.5, 12_000)
    bent = np.where(raw < 0, 0.1 * raw - 1, 2.0 * raw - 1)  # two straight pieces: no sigmoid fits
    outcome = (draw.random(len(raw)) < expit(bent)).astype(float)
    folds = np.arange(len(raw)) % 3
    chosen = choose_map(raw, outcome, np.ones(len(raw)), folds)
    assert chosen.kind != "sigmoid"
    assert log_loss(chosen.logit(raw), outcome, np.ones(len(raw))) < log_loss(
        fit_map("sigmoid", raw, outcome, np.ones(len(raw))).logit(raw), outcome, np.ones(len(raw))
    )


def test_newest_nights_move_a_portfolio_and_few_debtors_hardly():
    rows = 3_000
    raw, draw = np.full(rows, -1.0), np.random.default_rng(5)
    outcome = (draw.random(rows) < expit(np.full(rows, -0.5))).astype(float)
    plain = Calibrator("sigmoid", (), 0.0, (1.0,))
    cohort = pd.DataFrame({"as_of": 1_000, "portfolio": "one", "debtor_id": [f"d{row}" for row in range(rows)]})
    shift = with_recent_levels(plain, raw, outcome, np.ones(rows), cohort, 1_000).intercepts["one"]
    assert abs(shift - 0.5) < 0.12
    few = with_recent_levels(plain, raw, outcome, np.ones(rows), cohort.assign(debtor_id="d"), 1_000).intercepts["one"]
    assert 0 < few < 0.1  # one debtor three thousand times is one debtor
    assert with_recent_levels(plain, raw, outcome, np.ones(rows), cohort.assign(as_of=500), 1_000).intercepts == {}


def test_the_logistic_fit_is_the_optimum():
    """Against a general optimiser on the same penalised loss."""
    draw = np.random.default_rng(2)
    columns = draw.normal(size=(3, 800))
    outcome = (draw.random(800) < expit(0.3 + columns[0] - 0.5 * columns[1])).astype(float)
    weight = draw.random(800) + 0.5

    def loss(theta):
        level = theta[0] + theta[1:] @ columns
        return ((np.logaddexp(0, level) - outcome * level) * weight).sum() + 0.5 * 2.0 * (theta[1:] ** 2).sum()

    for least in (-np.inf, 0.05):
        intercept, slopes = bounded_logit(columns, outcome, weight, usual=np.zeros(3), pull=2.0, least=least)
        bounds = [(None, None)] + [(None if least == -np.inf else least, None)] * 3
        oracle = minimize(
            loss, np.zeros(4) + 0.1, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-14, "gtol": 1e-10}
        ).x
        np.testing.assert_allclose([intercept, *slopes], oracle, atol=2e-4)
    assert slopes[1] == 0.05  # its own answer is negative: held at the bound


@given(st.floats(-700, 700))
def test_expit_never_overflows(level):
    chance = expit(np.array([level]))[0]
    assert 0 <= chance <= 1
    assert chance + expit(np.array([-level]))[0] == pytest.approx(1)


def test_class_weights_are_put_right_by_our_maps(panel, later):
    """The classic way to ruin the level: every recovery counted twelve times."""
    weighted = RecoveryModel.fit(
        panel.matrix, taught(panel), panel.cohort, teaching(settings={**SETTINGS, "scale_pos_weight": 12.0})
    )
    matrix, labels, cohort, _ = later
    assert weighted.predict(matrix, cohort)["p_recovered"].mean() == pytest.approx(labels["recovered"].mean(), rel=0.12)
    assert expit(weighted.raw(matrix, cohort)).mean() > 1.2 * labels["recovered"].mean()
