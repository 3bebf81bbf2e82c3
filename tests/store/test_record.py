"""What the store keeps of a delivery is read back as it was written."""

from __future__ import annotations

import json

from pipeline.store.record import Delivered, State

STATE = State(
    complete_through={"payments": {"paris": 20_000, "tokyo": 20_002}, "charges": {}},
    declared_through={"payments": {"paris": 20_000}},
    spans={"payments": (19_000, 20_002)},
    zones={"paris": "Europe/Paris"},
    currencies=("EUR", "JPY"),
)


def delivered(**other) -> Delivered:
    about = {
        "ingest_id": "a",
        "number": 1,
        "content_id": "b",
        "settings": "c",
        "backfill": True,
        "accepted_volume": None,
    }
    told = {
        "files": {"payments.csv": "d"},
        "tables": [{"name": "payments"}],
        "warnings": ["w"],
        "rule_version": 1,
        "loaded_at": "e",
    }
    return Delivered(**{**about, **told, "state": STATE, **other})


def test_a_record_is_read_back_as_it_was_written():
    record = delivered().at({"payments": 3})
    assert Delivered.read(json.loads(json.dumps(record.written()))) == record
    assert record.versions == {"payments": 3}


def test_a_table_reaches_as_far_as_its_furthest_portfolio():
    assert STATE.newest() == {"payments": 20_002}
    assert STATE.written()["complete_through"] == {"payments": 20_002}
    assert STATE.written()["portfolios_complete_through"] == STATE.complete_through


def test_a_delivery_not_yet_numbered_by_its_transactions_has_no_versions():
    """As a note of a delivery on its way in keeps it."""
    written = delivered().written()
    del written["versions"]
    assert Delivered.read(written).versions == {}
