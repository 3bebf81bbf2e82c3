"""An intake whose shards are written by tasks leaves the files of one that writes them itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.errors import RecoupError
from pipeline.intake import by_shard
from pipeline.intake.ingest import ingest
from pipeline.panel import engines
from pipeline.params import load
from tests.worlds.params import written_params

HOUSE = Path(__file__).parents[2]


def twice_and_backwards(function, items, engine):
    """As a cluster may that takes a machine for lost."""
    found = {item: [function(item), function(item)][1] for item in reversed(items)}
    return (found[item] for item in items)


@pytest.fixture
def spread(tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "SCHEDULERS", {**engines.SCHEDULERS, "spark": twice_and_backwards})
    return load(
        written_params(tmp_path / "params.yaml", tmp_path, engine={"spark": "any://where"}, store={"shards": 5})
    )


def files_of(store: Path) -> dict[str, bytes]:
    return {str(place.relative_to(store)): place.read_bytes() for place in store.rglob("*.parquet")}


@pytest.mark.slow
def test_every_file_has_the_bytes_that_one_process_writes(tmp_path, spread, monkeypatch):
    from pipeline.intake import table

    monkeypatch.setattr(table, "BATCH_ROWS", 1_000)  # a shard's rows come in many batches
    here = spread.model_copy(update={"engine": spread.engine.model_copy(update={"spark": None})})
    ingest(HOUSE / "data" / "sample", tmp_path / "here", here)
    ingest(HOUSE / "data" / "sample", tmp_path / "there", spread)
    expected = files_of(tmp_path / "here")
    assert len(expected) > 5 * 5
    assert files_of(tmp_path / "there") == expected
    left = [place for place in (tmp_path / "there").rglob("*") if place.suffix == ".arrows"]
    assert left == []


@pytest.mark.slow
def test_a_row_that_a_task_loses_is_noticed(tmp_path, spread, monkeypatch):
    honest = by_shard._waited
    monkeypatch.setattr(by_shard, "_waited", lambda place: honest(place).slice(1))
    with pytest.raises(RecoupError, match="Table 'accounts': what was written is not what was accepted"):
        ingest(HOUSE / "data" / "sample", tmp_path / "there", spread)


@pytest.mark.slow
def test_a_dry_run_is_no_matter_of_the_cluster(tmp_path, spread, monkeypatch):
    monkeypatch.setattr(engines, "SCHEDULERS", {})
    assert ingest(HOUSE / "data" / "sample", tmp_path / "there", spread, dry_run=True).dry_run
