"""What changes the store: it is made once, deliveries are brought together, nights are replaced,
one cut off is ended first.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.errors import ContractError, InputMissing, UsageError
from features.tables import account_number
from pipeline.intake.ingest import ingest
from pipeline.store import commit
from pipeline.store.refusals import StoreDamaged
from pipeline.store.store import Store
from tests.worlds.deliveries import PARAMS, contact, content, day, payment, write

NIGHT = day("2026-03-01")


def test_a_folder_that_is_no_store_is_refused(tmp_path):
    with pytest.raises(InputMissing, match=r"There is no store at"):
        Store(tmp_path / "none")
    (tmp_path / "photos").mkdir()
    with pytest.raises(UsageError, match=r"is not a store: it lacks store.json"):
        Store(tmp_path / "photos")
    (tmp_path / "photos" / "cat.png").write_text("meow")
    with pytest.raises(UsageError, match=r"is not a store and not empty"):
        commit.create(tmp_path / "photos", 4)
    with pytest.raises(UsageError, match=r"has 4 shards, store.shards of the params says 8"):
        commit.create(commit.create(tmp_path / "store", 4).path, 8)


@pytest.mark.slow
def test_rows_of_many_deliveries_are_read_in_order_and_brought_together(own, tmp_path, monkeypatch):
    monkeypatch.setattr(commit, "FILES_PER_SHARD", 3)
    first = own.versions()
    for number in range(6):
        rows = [
            payment(payment_id=f"Z{number}-{each}", account_id="A1", occurred_at=f"2026-02-{20 - number:02}")
            for each in range(3)
        ]
        ingest(write(tmp_path / f"night-{number}", {"payments": rows}), own.path, PARAMS)
    now = Store(own.path)
    frame = now.tables(now.shard_of_account("A1"), ["payments"])["payments"]
    mine = frame[frame["account_no"] == account_number(["A1"])[0]]
    assert len(mine) == 19
    assert mine["occurred_at"].is_monotonic_increasing
    newest = mine[mine["occurred_on"] == day("2026-02-20")]
    assert sorted(newest["payment_id"]) == ["Z0-0", "Z0-1", "Z0-2"]
    assert newest["payment_no"].is_monotonic_increasing
    before = content(own.path)
    files = len(now.delta.files("payments")[str(now.shard_of_account("A1"))])
    commit.compact(now)
    commit.compact(now)
    ingest(write(tmp_path / "last", {"payments": [payment(payment_id="end")]}), own.path, PARAMS)
    after = Store(own.path)
    assert max(files, len(after.delta.files("payments")[str(now.shard_of_account("A1"))])) <= 4
    assert len(content(own.path)["payments"]) == len(before["payments"]) + 1
    assert set(before["payments"]) < set(content(own.path)["payments"])
    assert len(after.tables(versions=first)["payments"]) == 122


def test_what_was_loaded_at_first_is_not_written_again_with_every_few_deliveries(own):
    """Of a shard with one large file and small ones, those come together that hold a like number of rows."""
    shard = str(own.shard_of_account("A1"))
    (large,) = own.delta.files("payments")[shard]
    for number in range(4):
        rows = [payment(payment_id=f"S{number}", account_id="A1")]
        ingest(write(own.path.parent / f"small-{number}", {"payments": rows}), own.path, PARAMS)
    now, before = Store(own.path), content(own.path)
    assert len(now.delta.files("payments")[shard]) == 5
    assert commit.compact(now) == 0
    assert commit.compact(now, most=4) == 4
    places = Store(own.path).delta.files("payments")[shard]
    assert len(places) == 2
    assert large in places
    assert commit.compact(Store(own.path), most=1) == 0  # ten rows for each of the others': not worth it
    assert commit.compact(Store(own.path), most=1, growth=1e9) == 2
    assert len(Store(own.path).delta.files("payments")[shard]) == 1
    assert content(own.path) == before


# Tables of nights


def assignments(night=NIGHT, count=3, probability=0.05):
    return pd.DataFrame(
        {
            "as_of": np.int32(night),
            "account_no": np.arange(count, dtype="int64"),
            "group": pd.Categorical(["worklist", "held_out", "worklist"][:count]),
            "probability": probability,
            "note": None,
        }
    )


def test_a_night_written_again_is_replaced_and_the_same_night_changes_nothing(own):
    commit.replace_night(own, "assignments", assignments(), NIGHT)
    commit.replace_night(own, "assignments", assignments(NIGHT + 1), NIGHT + 1)
    first = own.versions()
    commit.replace_night(own, "assignments", assignments(), NIGHT)
    assert own.versions() == first
    commit.replace_night(own, "assignments", assignments(count=2), NIGHT)
    assert own.versions()["assignments"] == first["assignments"] + 1
    frame = own.read("assignments")
    assert frame.groupby("as_of").size().to_dict() == {NIGHT: 2, NIGHT + 1: 3}
    assert frame["as_of"].dtype == "int32"
    assert frame["group"].dtype == "str"
    assert len(own.read("assignments", versions=first)) == 6
    commit.replace_night(own, "assignments", assignments(count=0), NIGHT)
    assert own.read("assignments")["as_of"].unique().tolist() == [NIGHT + 1]


def test_a_night_whose_seal_was_cut_off_is_sealed_by_the_same_rows_again(own):
    commit.replace_night(own, "scores", assignments(), NIGHT)
    seals = own.path / "scores" / "_seals"
    newest = max(seals.glob("[0-9]*"))
    told = newest.read_text()
    newest.unlink()
    (seals / "writing").write_text("")
    (seals / f".{newest.name}.0123456789ab.draft").write_text(told[:5])
    commit.replace_night(Store(own.path), "scores", assignments(), NIGHT)
    assert newest.read_text() == told
    assert [place.name for place in seals.iterdir() if not place.name.isdecimal()] == []


def test_nights_are_read_by_their_days_and_columns(own):
    for night in range(NIGHT, NIGHT + 4):
        commit.append(own, "assignments", assignments(night))
        commit.append(own, "assignments", assignments(night))
    frame = own.read("assignments", ["account_no", "as_of"], since=NIGHT + 1, before=NIGHT + 3)
    assert list(frame.columns) == ["account_no", "as_of"]
    assert frame["as_of"].value_counts().to_dict() == {NIGHT + 1: 3, NIGHT + 2: 3}
    assert own.read("scores").empty
    assert own.read("assignments", versions={}).empty
    assert own.read("assignments", ["account_no"], since=NIGHT + 9).columns.tolist() == ["account_no"]


def test_nights_keep_their_columns_and_types(own):
    commit.append(own, "scores", assignments())
    with pytest.raises(ContractError, match=r"Table 'scores' lacks 'group'"):
        commit.append(own, "scores", assignments(NIGHT + 1).drop(columns="group"))
    with pytest.raises(ContractError, match=r"Table 'scores' lacks 'agent'"):
        own.read("scores", ["account_no", "agent"])
    with pytest.raises(ContractError, match=r"Table 'scores' has unknown 'grupo' \(nearest: 'group'\)"):
        commit.append(own, "scores", assignments(NIGHT + 1).assign(grupo=1))
    with pytest.raises(ContractError, match=r"columns probability must keep the types"):
        commit.append(own, "scores", assignments(NIGHT + 1).assign(probability="high"))
    with pytest.raises(UsageError, match=r"must all have as_of \d+, the night they replace"):
        commit.replace_night(own, "scores", assignments(NIGHT + 1), NIGHT)
    with pytest.raises(UsageError, match=r"Table 'payments' is not one that nights write"):
        commit.append(own, "payments", assignments())
    with pytest.raises(UsageError, match=r"Table '../x' is not one that nights write"):
        commit.append(own, "../x", assignments())


def test_a_store_with_a_cut_off_ingest_takes_no_nights(own):
    (own.path / "pending.json").write_text("{}")
    with pytest.raises(InputMissing, match=r"was cut off"):
        commit.append(own, "scores", assignments())
    with pytest.raises(ContractError, match=r"'pending.json' is damaged"):
        commit.recover(own)


def test_a_damaged_file_among_many_is_told_by_its_name(own, tmp_path, monkeypatch):
    """Which are brought together the log tells: no file is parsed before its sha256 is known to be right."""
    monkeypatch.setattr(commit, "FILES_PER_SHARD", 99)
    for number in range(3):
        rows = {"contacts": [contact(contact_id=f"C{number}", outcome="no_answer")]}
        ingest(write(tmp_path / f"more-{number}", rows), own.path, PARAMS)
    monkeypatch.setattr(commit, "FILES_PER_SHARD", 2)
    places = max(own.delta.files("contacts").values(), key=len)
    whole = bytearray(places[0].read_bytes())
    whole[-9] ^= 0xFF
    places[0].write_bytes(whole)
    with pytest.raises(StoreDamaged, match=rf"{places[0].name}' is damaged: its sha256 differs"):
        ingest(write(tmp_path / "paid", {"payments": [payment(payment_id="new")]}), own.path, PARAMS)
