"""Damage beneath the store is noticed before anything is read, and any engine reads what lies there."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from deltalake import DeltaTable, write_deltalake

from features.errors import ContractError
from features.tables import TABLES
from pipeline.intake.ingest import ingest
from pipeline.store import commit, delta
from pipeline.store.refusals import NotStored
from pipeline.store.store import Store
from pipeline.store.verify import examine_store
from tests.worlds.deliveries import PARAMS, payment, write


@pytest.fixture
def checkpointed(own, monkeypatch):
    """The store after a night table's seven entries, of which the third and the sixth are checkpoints."""
    monkeypatch.setattr(delta, "CHECKPOINT_EVERY", 3)
    for night in range(6):
        rows = pd.DataFrame({"as_of": np.int32(20_000 + night), "account_no": np.arange(3, dtype="int64")})
        commit.append(own, "scores", rows)
    return own


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


def test_the_log_is_read_from_its_last_checkpoint_on(checkpointed):
    log = checkpointed.path / "scores" / "_delta_log"
    assert checkpointed.delta.checkpoints("scores") == [3, 6]
    assert [place.name for place in log.iterdir() if not place.name[0].isdigit()] == []
    assert examine_store(checkpointed.path).faults == []
    before = {version: Store(checkpointed.path).delta.files("scores", version) for version in (1, 3, 5, None)}
    assert [sum(map(len, found.values())) for found in before.values()] == [1, 3, 5, 6]
    assert Store(checkpointed.path).delta.rows("scores") == 18
    assert len(checkpointed.delta.every_file("scores")) == 6  # of the log's own none
    (log / f"{1:020d}.json").unlink()  # the newest version stands on nothing so old
    assert Store(checkpointed.path).delta.files("scores") == before[None]
    assert Store(checkpointed.path).delta.files("scores", 5) == before[5]
    with pytest.raises(ContractError, match=r"its log is damaged"):
        Store(checkpointed.path).delta.files("scores", 2)
    assert len(examine_store(checkpointed.path).faults) == 1


@pytest.mark.parametrize("harm", ["flipped", "gone", "foreign"])
def test_a_checkpoint_that_is_not_what_was_written_is_noticed(checkpointed, harm):
    log, seals = checkpointed.path / "scores" / "_delta_log", checkpointed.path / "scores" / "_seals"
    place = log / f"{6:020d}.checkpoint.parquet"
    whole = checkpointed.delta.files("scores")
    if harm == "gone":
        place.unlink()
        assert Store(checkpointed.path).delta.files("scores") == whole  # the entries tell the same
    elif harm == "flipped":
        told = bytearray(place.read_bytes())
        told[len(told) // 2] ^= 1
        place.write_bytes(told)
        with pytest.raises(ContractError, match=r"its log is damaged"):
            Store(checkpointed.path).delta.files("scores")
    else:
        (seals / place.stem).unlink()
        with pytest.raises(ContractError, match=r"6.checkpoint.parquet' has lost its seal"):
            Store(checkpointed.path).delta.files("scores")
    assert sum("checkpoint" in fault for fault in examine_store(checkpointed.path).faults) == 1


def test_a_checkpoint_that_was_cut_off_is_taken_away_by_the_next_write(checkpointed):
    seals, place = checkpointed.path / "scores" / "_seals", f"{6:020d}.checkpoint"
    (seals / "writing").write_text("")
    (seals / place).unlink()
    (checkpointed.path / "scores" / "_delta_log" / f"{place}.parquet").write_bytes(b"")
    rows = pd.DataFrame({"as_of": np.int32(20_009), "account_no": np.arange(3, dtype="int64")})
    commit.append(Store(checkpointed.path), "scores", rows)
    assert Store(checkpointed.path).delta.checkpoints("scores") == [3, 7]
    assert Store(checkpointed.path).delta.rows("scores") == 21
    assert (examine_store(checkpointed.path).faults, examine_store(checkpointed.path).notes) == ([], [])


def test_a_kill_between_a_checkpoint_and_its_seal_is_mended_by_the_next_write(checkpointed, monkeypatch):
    """delta-rs writes a hint beside the checkpoint: it may lead to none that is taken away."""

    def killed(place: Path, missing_ok: bool = False) -> None:
        if place.name == "_last_checkpoint":
            raise KeyboardInterrupt("killed")
        unlink(place, missing_ok)

    def more(number: int) -> None:
        rows = pd.DataFrame({"as_of": np.int32(20_010 + number), "account_no": np.arange(3, dtype="int64")})
        commit.append(Store(checkpointed.path), "scores", rows)

    unlink, log = Path.unlink, checkpointed.path / "scores" / "_delta_log"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        more(0)
        more(1)
        with pytest.raises(KeyboardInterrupt, match=r"killed"):
            more(2)
    assert (log / "_last_checkpoint").exists()
    assert Store(checkpointed.path).delta.rows("scores") == 18 + 9
    more(3)
    assert not (log / "_last_checkpoint").exists()
    assert Store(checkpointed.path).delta.rows("scores") == 18 + 12
    assert (examine_store(checkpointed.path).faults, examine_store(checkpointed.path).notes) == ([], [])


def test_a_checkpoint_that_is_torn_on_its_way_is_no_damage(checkpointed):
    seals, place = checkpointed.path / "scores" / "_seals", f"{6:020d}.checkpoint"
    (seals / "writing").write_text("")
    (seals / place).unlink()
    torn = checkpointed.path / "scores" / "_delta_log" / f"{place}.parquet"
    torn.write_bytes(torn.read_bytes()[:-100])
    with pytest.raises(NotStored, match=r"was cut off. Run `recoup ingest` again; it ends what was begun."):
        Store(checkpointed.path).delta.files("scores")


def test_a_vacuum_leaves_the_newest_version_and_those_that_are_kept(own):
    for number in range(3):
        rows = {"payments": [payment(payment_id=f"V{number}", account_id="A1")]}
        ingest(write(own.path.parent / f"more-{number}", rows), own.path, PARAMS)
    now = Store(own.path)
    earlier, newest = now.deliveries()[1].versions["payments"], now.delta.version("payments")
    commit.compact(now, most=1, growth=1e9)
    whole, before = now.delta.files("payments"), now.delta.files("payments", earlier)
    gone, freed = now.delta.let_go("payments", {earlier})
    assert gone == 2
    assert freed > 0
    again = Store(own.path)
    assert again.delta.files("payments") == whole
    assert again.delta.files("payments", earlier) == before
    assert {place for places in before.values() for place in places} < set(again.delta.every_file("payments"))
    for lost in (newest, earlier - 1):
        with pytest.raises(NotStored, match=rf"Version {lost} of table 'payments' is no longer kept"):
            again.delta.files("payments", lost)
    assert again.delta.let_go("payments", {earlier, newest}) == (0, 0)
    assert (examine_store(own.path).faults, examine_store(own.path).notes) == ([], [])
    next(place for places in before.values() for place in places).unlink()
    assert len(examine_store(own.path).faults) == 1
