"""What the store keeps of a delivery is read back as it was written."""

from __future__ import annotations

import json

import pytest

from pipeline.intake.ingest import ingest
from pipeline.store.files import sealed, unsealed
from pipeline.store.record import Delivered, State
from pipeline.store.refusals import StoreDamaged
from pipeline.store.store import Store
from pipeline.store.verify import examine_store
from tests.worlds.deliveries import PARAMS, payment, world, write

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
    record = delivered().at({"payments": 3}, "")
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


@pytest.fixture
def chained(tmp_path):
    """A store of three deliveries."""
    for number in range(3):
        source = write(tmp_path / f"in-{number}", world(payments=[payment(payment_id=f"P{number}")]))
        ingest(source, tmp_path / "store", PARAMS)
    return tmp_path / "store"


def test_a_sealed_file_is_read_as_it_was_written_and_as_a_person_laid_it_out(tmp_path):
    content = {"b": ["\n \u00e9", {"a": 1.5}], "a": {}, "sha256": "x"}
    place = tmp_path / "told.json"
    place.write_text(sealed(content))
    assert unsealed(place) == content
    whole = json.loads(place.read_text())
    place.write_text(json.dumps(whole))
    assert unsealed(place) == content
    for harmed in (sealed(content).replace("1.5", "1.6"), sealed(content)[:-3], sealed(content).replace("x", "y", 1)):
        place.write_text(harmed)
        with pytest.raises(StoreDamaged, match="'told.json' is damaged"):
            unsealed(place)


@pytest.mark.parametrize("lost", ["newest record", "first record", "newest.json", "newest record and newest.json"])
def test_no_record_is_lost_unseen(chained, lost):
    places = sorted((chained / "deliveries").glob("*.json"))
    if "newest record" in lost:
        places[-1].unlink()
    if lost == "first record":
        places[0].unlink()
    if "newest.json" in lost:
        (chained / "newest.json").unlink()
    with pytest.raises(StoreDamaged, match=r"Store file '(deliveries/00000\d|newest.json)' is gone"):
        Store(chained).deliveries()
    assert len(examine_store(chained).faults) == 1


def test_a_record_put_back_from_another_time_is_noticed(chained):
    """Each file is sealed by itself; only the chain tells that the second is not the one the third came after."""
    place = sorted((chained / "deliveries").glob("*.json"))[1]
    told = unsealed(place)
    place.write_text(sealed({**told, "accepted_volume": "nobody said so"}))
    with pytest.raises(StoreDamaged, match="'deliveries/000002' is damaged"):
        Store(chained).versions()


def test_a_store_of_before_records_were_chained_is_read_and_goes_on(chained, tmp_path):
    for place in (chained / "deliveries").glob("*.json"):
        place.write_text(sealed({name: said for name, said in unsealed(place).items() if name != "before"}))
    (chained / "newest.json").unlink()
    assert len(Store(chained).deliveries()) == 3
    ingest(write(tmp_path / "next", world(payments=[payment(payment_id="P9")])), chained, PARAMS)
    assert [record.before is None for record in Store(chained).deliveries()] == [True, True, True, False]


def test_a_seal_that_is_gone_is_noticed_before_the_table_is_read(chained):
    newest = max((chained / "payments" / "_seals").glob("[0-9]*"))
    newest.unlink()
    with pytest.raises(StoreDamaged, match=rf"payments/_delta_log/{newest.name}.json' has lost its seal"):
        Store(chained).tables()
