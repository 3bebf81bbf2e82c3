"""Damage of every kind of file is found and named, and nothing but damage."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from pathlib import Path

import pytest

from features.errors import InputMissing, UsageError
from models.baseline import AgeBandTable
from pipeline.intake.ingest import ingest
from pipeline.store import commit
from pipeline.store.champion import keep, write_record
from pipeline.store.store import Store
from pipeline.store.verify import Examined, _models, examine_store
from tests.worlds.deliveries import PARAMS, PAYMENTS, payment, world, write

# One pattern per kind of file that verify looks at.
KINDS = (
    "store.json",
    "deliveries/000001-*.json",
    "payments/shard=*/*.parquet",
    "quarantine/*.parquet",
    "payments/_delta_log/*1.json",
    "payments/_delta_log/*0.json",
    "payments/_seals/*1",
    "models/champion.json",
    "models/approvals.jsonl",
    "models/age-band-prior/card.json",
)


@pytest.fixture(scope="module")
def still(tmp_path_factory):
    """A store of two deliveries with rows set aside and an approved model. Tests copy it."""
    place = tmp_path_factory.mktemp("still")
    ingest(write(place / "first", world(payments=[*PAYMENTS, payment(kind="x")])), place / "store", PARAMS)
    ingest(write(place / "second", {"payments": [payment(payment_id="later")]}), place / "store", PARAMS)
    table = keep(place / "store", AgeBandTable.prior(default_dpd=90, horizon_days=90))
    about = {
        "run_id": "r",
        "approved_by": "a manager",
        "approved_at": "2026-03-01T00:00:00+00:00",
        "why": "",
        "previous": None,
    }
    write_record(place / "store", {**about, "model_version": table.version, "sha256": table.sha256})
    return place / "store"


@pytest.fixture
def own(still, tmp_path):
    subprocess.run(["cp", "-r", str(still), str(tmp_path / "store")], check=True)
    return tmp_path / "store"


def place_of(store: Path, kind: str) -> Path:
    return sorted(store.glob(kind))[0]


def test_a_whole_store_is_found_whole_and_every_file_of_it_was_read(still):
    found = examine_store(still)
    assert (found.faults, found.notes) == ([], [])
    assert found.counts["data files"] == len(
        [place for place in still.rglob("*.parquet") if "models" not in place.parts]
    )
    assert (
        found.counts["log entries"]
        == len(list(still.glob("*/_delta_log/*.json")))
        == len(list(still.glob("*/_seals/*")))
    )
    assert found.counts["records"] == 5
    assert found.counts["model folders"] == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_is_found(own, kind):
    place = place_of(own, kind)
    whole = bytearray(place.read_bytes())
    position = whole.find(b'"sha256": "') + 12 if b'"sha256": "' in whole else len(whole) // 2
    whole[position] ^= 1
    place.write_bytes(whole)
    assert any(place.name in fault or place.parent.name in fault for fault in examine_store(own).faults)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_short_is_found(own, kind):
    place = place_of(own, kind)
    place.write_bytes(place.read_bytes()[: place.stat().st_size // 2])
    assert any(place.name in fault or place.parent.name in fault for fault in examine_store(own).faults)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "store.json"])
def test_a_file_that_is_gone_is_found(own, kind):
    place = place_of(own, kind)
    place.unlink()
    assert any(place.name[:6] in fault or place.parent.name in fault for fault in examine_store(own).faults)


def test_a_whole_table_or_model_that_is_gone_is_found(own):
    subprocess.run(["rm", "-r", str(own / "charges"), str(own / "models" / "age-band-prior")], check=True)
    faults = examine_store(own).faults
    assert sum("'charges/_delta_log/" in fault and "is gone" in fault for fault in faults) == 2
    assert sum("Model folder" in fault and "is missing" in fault for fault in faults) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["champion.json", "approvals.jsonl"])
def test_whatever_bit_of_the_approval_flips_is_noticed_and_said_in_a_sentence(own, name):
    place = own / "models" / name
    whole = place.read_bytes()
    for position in range(len(whole)):
        for bit in (1, 32, 128):
            flipped = bytearray(whole)
            flipped[position] ^= bit
            place.write_bytes(flipped)
            seen = Examined()
            _models(own, seen)
            assert 1 <= len(seen.faults) <= 2, (position, bit)
            assert all(fault.endswith((".", "`.")) for fault in seen.faults)


def test_an_approval_of_before_they_were_kept_is_read(own):
    place = own / "models" / "champion.json"
    record = {name: value for name, value in json.loads(place.read_bytes()).items() if name != "vouched_by"}
    (own / "models" / "approvals.jsonl").unlink()
    place.write_text(json.dumps(record))
    assert examine_store(own).faults == []
    write_record(own, {**record, "why": "again"})
    assert examine_store(own).faults == []
    place.write_text(json.dumps(record))  # what a run that was killed between its two writes leaves
    assert examine_store(own).faults == []
    for why in ("once more", "and once more"):
        write_record(own, {**record, "why": why})
        assert examine_store(own).faults == []
    place.write_text(json.dumps(record))
    assert len(examine_store(own).faults) == 1


def test_a_model_that_is_not_approved_must_be_what_its_name_says(own):
    named = own / "models" / "recovery-0123456789ab"
    subprocess.run(["cp", "-r", str(own / "models" / "age-band-prior"), str(named)], check=True)
    (fault,) = examine_store(own).faults
    assert re.fullmatch(r"Model folder '.*/recovery-0123456789ab' holds other files than its name says\. .*", fault)


def test_files_of_versions_that_were_replaced_are_read_too(own):
    store = Store(own)
    rows = store.read("quarantine")[["table", "file"]].assign(as_of=20_000)
    commit.replace_night(store, "scores", rows.astype({"as_of": "int32"}), 20_000)
    former = next((own / "scores").rglob("*.parquet"))
    commit.replace_night(store, "scores", rows.assign(file="other").astype({"as_of": "int32"}), 20_000)
    former.write_bytes(b"")
    (fault,) = examine_store(own).faults
    assert former.name in fault
    assert "its sha256 differs" in fault


def test_an_ingest_that_was_cut_off_is_no_damage(own, monkeypatch):
    def cut(*_):
        raise KeyboardInterrupt("cut off")

    monkeypatch.setattr(commit, "_make_room", cut)
    with pytest.raises(KeyboardInterrupt, match="cut off"):
        ingest(write(own.parent / "third", {"payments": [payment(payment_id="last")]}), own, PARAMS)
    found = examine_store(own)
    assert found.faults == []
    assert re.search(r"was cut off. Run `recoup ingest` again", *found.notes)


def test_where_there_is_no_store_nothing_is_looked_at(tmp_path):
    with pytest.raises(InputMissing, match="There is no store at"):
        examine_store(tmp_path / "none")
    with pytest.raises(UsageError, match=r"is not a store: it lacks store\.json"):
        examine_store(tmp_path)


def test_kept_params_that_were_altered_are_found(own):
    text = b"seed: 1"
    place = own / "terms" / hashlib.sha256(text).hexdigest()
    place.parent.mkdir()
    place.write_bytes(text)
    assert examine_store(own).faults == []
    place.write_bytes(b"seed: 2")
    (fault,) = examine_store(own).faults
    assert fault.startswith(f"Store file 'terms/{place.name}' is damaged")
