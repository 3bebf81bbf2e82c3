"""What scores where nothing was promoted: the table of the matured panel, or the prior."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from features.errors import InputMissing
from models.recovery import RecoveryModel, load_model
from pipeline.night.score import age_band
from tests.worlds.panels import MadePanel, made_panel
from tests.worlds.params import quick_params

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def panel() -> MadePanel:
    return made_panel(500)


def test_without_a_champion_the_matured_panel_gives_the_table(panel, tmp_path):
    approved = age_band(tmp_path, lambda: panel, quick_params(tmp_path))
    assert approved.version == f"age-band-{approved.sha256[:8]}"
    assert approved.record["run_id"] is None
    assert age_band(tmp_path, lambda: panel, quick_params(tmp_path)).sha256 == approved.sha256
    assert not isinstance(load_model(approved.folder, approved.sha256), RecoveryModel)


def test_without_any_matured_label_the_prior_scores(panel, tmp_path):
    def nothing():
        raise InputMissing("no payments")

    assert age_band(tmp_path, nothing, quick_params(tmp_path)).version == "age-band-prior"
    blank = replace(panel, labels=panel.labels.assign(recovered=np.nan))
    assert age_band(tmp_path, lambda: blank, quick_params(tmp_path)).version == "age-band-prior"
