"""The record of the approved model. What damage of it is refused: tests/training/test_registry.py."""

from __future__ import annotations

from pipeline.store import champion as champion_room
from pipeline.store.champion import read_record, write_record


def test_a_record_is_replaced_whole(tmp_path):
    held = dict.fromkeys(champion_room.REQUIRED, "x")
    write_record(tmp_path, held)
    write_record(tmp_path, held | {"why": "again"})
    assert read_record(tmp_path)["why"] == "again"
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["approvals.jsonl", "champion.json"]
