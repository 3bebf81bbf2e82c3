"""The record of the approved model. What damage of it is refused: tests/training/test_registry.py."""

from __future__ import annotations

import datetime as dt
import shutil

from models.baseline import AgeBandTable
from pipeline.store import champion as champion_room
from pipeline.store.champion import approved_before, keep, read_record, write_record


def test_a_record_is_replaced_whole(tmp_path):
    held = dict.fromkeys(champion_room.REQUIRED, "x")
    write_record(tmp_path, held)
    write_record(tmp_path, held | {"why": "again"})
    assert read_record(tmp_path)["why"] == "again"
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["approvals.jsonl", "champion.json"]


def test_the_model_of_a_day_is_the_newest_approved_before_it_that_is_kept(tmp_path):
    first, record = keep(tmp_path, AgeBandTable.prior(default_dpd=90, horizon_days=90)), None
    shutil.copytree(first.folder, tmp_path / "models" / "second")
    for version, day in ((first.version, "2026-03-01"), ("second", "2026-06-01")):
        told = {"run_id": "r", "approved_by": "me", "approved_at": f"{day}T09:00:00+00:00", "why": "better"}
        record = {**told, "model_version": version, "sha256": first.sha256, "previous": record}
        write_record(tmp_path, record)

    def on(text: str) -> str | None:
        found = approved_before(tmp_path, dt.date.fromisoformat(text))
        return None if found is None else found.version

    assert [on(day) for day in ("2026-03-01", "2026-03-02", "2026-06-01")] == [None, first.version, first.version]
    assert on("2026-06-02") == "second"
    shutil.rmtree(first.folder)
    assert on("2026-05-01") is None
