"""The two fits: the judged model on the fit nights, the released one on everything; the table where events are few."""

from __future__ import annotations

import pytest

from models.recovery import load_model
from pipeline.store.champion import champion
from pipeline.training import registry
from pipeline.training.run_evidence import JUDGED_FOLDER, load_evidence, run_folder
from pipeline.training.train import train
from tests.worlds.panels import COLUMNS
from tests.worlds.params import DECISION, quick_params

pytestmark = pytest.mark.slow


def test_the_released_model_was_taught_on_everything_and_names_the_judged_one(first, place):
    known = registry.recorded(quick_params(place), first.run_id)
    release = load_model(place / "store" / "models" / first.version, known.sha256)
    judged = load_model(run_folder(place / "store", first.run_id) / JUDGED_FOLDER, known.judged_sha256)
    assert release.facts["rows"] > judged.facts["rows"]
    assert release.facts["judged_sha256"] == known.judged_sha256
    assert (
        judged.facts["fit_last"] + judged.facts["gap_days"]
        <= load_evidence(run_folder(place / "store", first.run_id), known.evidence_sha256).cohort["as_of"].min()
    )
    assert release.facts["label"]["horizon_days"] == 30
    assert "lightgbm" in release.facts["libraries"]
    assert release.facts["windows"]["default"]["gap_days"] == 104
    assert release.facts["data_versions"] == {
        "payments": 7
    }  # what nights write beside the data must not rename the next model


def test_too_few_events_are_scored_by_the_age_band_table_and_named(panel, place, tmp_path):
    params = quick_params(place, model={"min_events": 5_000}, gate={"calibration_slope": (0.4, 1.6)})
    run = train(panel, params, COLUMNS, tmp_path / "store")
    assert run.version.startswith("age-band-")
    assert "Gates: passed" in run.text()
    registry.promote(tmp_path / "store", run.run_id, params, **DECISION)
    approved = champion(tmp_path / "store")
    table = load_model(approved.folder, approved.sha256)
    assert table.version == run.version
    assert "model.min_events is 5000" in table.facts["why"]
    assert "age-band-" in run.report.read_text()
