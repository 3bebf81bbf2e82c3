"""Tuning looks at the fit window alone, keeps the settings at hand unless another is surely better,
and gives the same answer twice.
"""

from __future__ import annotations

import numpy as np
import pytest
from pandas.testing import assert_frame_equal

from features.errors import InputMissing
from models.tuning import SPACE, tune
from tests.worlds.panels import FIRST_NIGHT, SETTINGS, made_panel, teaching

LAST_FIT = FIRST_NIGHT + 390


@pytest.fixture(scope="module")
def panel():
    return made_panel(250)


def inside(panel):
    return panel.labels.where(panel.cohort["as_of"] <= LAST_FIT, np.nan)


def poor() -> dict:
    return {**SETTINGS, "num_leaves": 2, "learning_rate": 0.005, "n_estimators": 20}


@pytest.fixture(scope="module")
def tuned(panel):
    return tune(panel.matrix, inside(panel), panel.cohort, teaching(settings=poor()), 4)


def test_poor_settings_are_replaced_and_the_first_trial_is_theirs(tuned):
    assert tuned.is_changed
    assert tuned.gain > 0.01
    first = tuned.trials.iloc[0]
    assert first["num_leaves"] == 2
    assert first["learning_rate"] == 0.005
    assert tuned.trials["log_loss"].min() < first["log_loss"]
    assert {name: tuned.settings[name] for name in SPACE} != {name: poor().get(name) for name in SPACE}
    assert tuned.settings["n_estimators"] == 20
    assert isinstance(tuned.settings["num_leaves"], int)
    assert tuned.facts()["trials"] == 4
    assert tuned.facts()["changed"]


def test_no_label_outside_the_fit_window_can_change_the_answer(panel, tuned):
    cut = (panel.cohort["as_of"] <= LAST_FIT).to_numpy()
    part = (frame[cut].reset_index(drop=True) for frame in (panel.matrix, inside(panel), panel.cohort))
    again = tune(*part, teaching(settings=poor()), 4)
    assert_frame_equal(again.trials, tuned.trials, check_exact=True)
    # canary: more nights would be noticed
    hindsight = tune(panel.matrix, panel.labels, panel.cohort, teaching(settings=poor()), 1)
    assert hindsight.trials["log_loss"][0] != tuned.trials["log_loss"][0]


def test_good_settings_stay(panel):
    found = tune(panel.matrix, inside(panel), panel.cohort, teaching(), 1)
    assert not found.is_changed
    assert found.settings == SETTINGS
    assert found.gain == 0


def test_a_window_too_short_to_cut_is_refused(panel):
    labels = panel.labels.where(panel.cohort["as_of"] <= FIRST_NIGHT + 30, np.nan)
    with pytest.raises(InputMissing, match="too short to tune in"):
        tune(panel.matrix, labels, panel.cohort, teaching(), 1)
