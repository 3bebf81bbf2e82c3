"""Studies around a judged model: what lifts the listed."""

from __future__ import annotations

import pytest

from models.recovery import load_model
from pipeline.training import registry
from pipeline.training.run_evidence import JUDGED_FOLDER, load_evidence, run_folder
from tests.worlds.params import quick_params

pytestmark = pytest.mark.slow


def test_what_lifts_the_listed_adds_up_to_their_mean_raw_score(first, place):
    folder, known = run_folder(place / "store", first.run_id), registry.recorded(quick_params(place), first.run_id)
    evidence, judged = (
        load_evidence(folder, known.evidence_sha256),
        load_model(folder / JUDGED_FOLDER, known.judged_sha256),
    )
    pulls = first.evaluation.frames["pulls"]
    nights = (evidence.rankings["expected_recovery"] * evidence.rankings["unit"]).groupby(evidence.cohort["as_of"])
    best = nights.rank(ascending=False) <= nights.transform("size") * 0.1
    raw = judged.raw(evidence.matrix, evidence.cohort)
    assert pulls["contribution"].sum() == pytest.approx(
        raw[best].mean(), abs=0.02
    )  # a night's last place may be shared
    assert pulls["contribution"].sum() > raw.mean() + 0.2
    assert pulls["feature"].iloc[-1] == "(base)"
    assert pulls["contribution"].iloc[:-1].abs().is_monotonic_decreasing
    assert "What lifts the listed" in first.report.read_text()
