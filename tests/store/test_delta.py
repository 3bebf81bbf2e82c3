"""Damage beneath the store is noticed before anything is read, and any engine reads what lies there."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from deltalake import DeltaTable, write_deltalake

from features.errors import ContractError
from features.tables import TABLES
from pipeline.intake.ingest import ingest
from pipeline.store.store import Store
from pipeline.store.verify import examine_store
from tests.worlds.deliveries import PARAMS, payment, write


def data_file(store, name, shard=None):
    shards = [shard] if shard is not None else range(store.shards)
    return next(place for each in shards for place in sorted((store.path / name / f"shard={each}").glob("*.parquet")))


@pytest.mark.slow
@pytest.mark.parametrize("position", [4, 0.3, 0.6, -9])
def test_a_flipped_bit_in_a_data_file_is_noticed_before_anything_is_read(own, position):
    place = data_file(own, "payments")
    whole = bytearray(place.read_bytes())
    whole[int(position * len(whole)) if isinstance(position, float) else position] ^= 1
    place.write_bytes(whole)
    with pytest.raises(
        ContractError, match=r"'payments/shard=\d/[0-9a-f]{64}.parquet' is damaged: its sha256 differs"
    ) as refused:
        own.tables()
    assert refused.value.exit_code == 65
    (fault,) = examine_store(own.path).faults
    assert re.fullmatch(
        r"Store file 'payments/shard=\d/[0-9a-f]{64}.parquet' is damaged: its sha256 differs. .*", fault
    )
    with pytest.raises(ContractError, match=r"is damaged"):
        ingest(write(own.path.parent / "more", {"payments": [payment(payment_id="new")]}), own.path, PARAMS)


def test_a_file_cut_short_or_gone_is_noticed(own):
    place = data_file(own, "accounts")
    place.write_bytes(place.read_bytes()[:-100])
    with pytest.raises(ContractError, match=r"is damaged"):
        own.tables(versions=own.versions())
    place.unlink()
    with pytest.raises(ContractError, match=r"is gone. Restore it"):
        Store(own.path).tables()


@pytest.mark.parametrize(
    "where", ["store.json", "deliveries/*.json", "payments/_delta_log/*1.json", "payments/_seals/*1"]
)
def test_a_flipped_bit_in_the_books_is_noticed(own, where):
    (place,) = own.path.glob(where)
    text = bytearray(place.read_bytes())
    position = text.find(b"shard") if b"shard" in text else 9
    text[position] ^= 2
    place.write_bytes(text)
    with pytest.raises(ContractError, match=r"is damaged|its log is damaged"):
        Store(own.path).tables()


def test_a_log_that_names_a_foreign_file_is_refused(own):

    write_deltalake(
        own.path / "payments", DeltaTable(own.path / "payments").to_pyarrow_table().slice(0, 1), mode="append"
    )
    with pytest.raises(ContractError, match=r"has lost its seal: nothing vouches for it"):
        Store(own.path).tables(names=["payments"])
    own.delta.seal("payments")
    with pytest.raises(ContractError, match=r"names a file that `recoup` did not write"):
        Store(own.path).data_files("payments")
    assert any("names a file that `recoup` did not write" in fault for fault in examine_store(own.path).faults)


def test_any_engine_reads_the_tables(held):

    rows = DeltaTable(held.path / "payments").to_pyarrow_table(
        columns=["shard", "payment_id", "account_id", "occurred_on", "occurred_at", "amount"]
    )
    found = {row["payment_id"]: row for row in rows.to_pylist()}
    assert found["P1"]["occurred_on"] == dt.date(2026, 2, 3)
    assert found["P1"]["amount"] == 4000
    assert found["P1"]["account_id"] == "A1"
    assert found["P1"]["occurred_at"] == dt.datetime(2026, 2, 3, 9, tzinfo=dt.UTC)
    assert {name for name in TABLES if (held.path / name).exists()} == set(held.tables())
