"""What a run leaves beside the store: for the owner alone, of this store, and as it was recorded."""

from __future__ import annotations

import pandas as pd
import pytest

from features.errors import InputMissing, ModelRefused
from pipeline.training import registry
from pipeline.training.run_evidence import run_folder
from tests.worlds.params import DECISION, quick_params

pytestmark = pytest.mark.slow


def test_rows_of_accounts_are_readable_by_the_owner_only(first):
    folder = first.report.parent
    assert folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.glob("*.parquet"))


def test_changed_test_rows_are_refused(second, store, place):
    rows = store / "runs" / second.run_id / "test_rankings.parquet"
    frame = pd.read_parquet(rows)
    frame.assign(expected_recovery=frame["money"]).to_parquet(rows, index=False)
    with pytest.raises(ModelRefused, match="are not those of the run"):
        registry.promote(store, second.run_id, quick_params(place), **DECISION)


def test_evidence_of_another_store_is_named(first, place, tmp_path):
    for run_id in (first.run_id, "..", "a/b", ""):
        with pytest.raises(InputMissing, match="left no evidence in the store"):
            run_folder(tmp_path, run_id)
