"""A made-up panel with a known truth and the model taught on its early nights, once for all files of the room."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluate import NEWEST, Rival, Truth, evaluate
from models.recovery import RecoveryModel
from tests.worlds.judged import judged_rows
from tests.worlds.panels import made_panel, teaching
from tests.worlds.taught import FIRST_TEST, taught


@pytest.fixture(scope="session")
def panel():
    return made_panel(800)


@pytest.fixture(scope="session")
def model(panel):
    return RecoveryModel.fit(panel.matrix, taught(panel), panel.cohort, teaching())


@pytest.fixture(scope="session")
def later(panel):
    """Matrix, labels, cohort, truth of nights after the fit window."""
    rows = (panel.cohort["as_of"] >= FIRST_TEST).to_numpy()
    return tuple(
        frame[rows].reset_index(drop=True) for frame in (panel.matrix, panel.labels, panel.cohort, panel.truth)
    )


@pytest.fixture(scope="session")
def evaluation():
    rows = judged_rows()
    rivals = {
        "balance first": Rival(rows.cohort["balance"].to_numpy() * rows.unit),
        NEWEST: Rival(np.random.default_rng(3).random(2_000)),
        "twin": Rival(rows.predicted, rows.scores["p_recovered"].to_numpy(), rows.predicted),
    }
    truth = rows.predicted * np.exp(np.random.default_rng(4).normal(0, 0.05, 2_000))
    return evaluate(rows, rivals, (0.1, 0.05, 0.2), 200, 7, Truth(truth, rows.scores["p_recovered"].to_numpy()))
