"""Whom the store may not know again is kept as keyed hashes, in a chain that nobody shortens unnoticed.

Also of erasure.py.
"""

from __future__ import annotations

import hashlib
import stat

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from features.errors import ContractError
from pipeline.intake.ingest import ingest
from pipeline.store import commit
from pipeline.store.erasure import take_out
from pipeline.store.forgotten import BEGUN, ENDED, MET, forgotten
from pipeline.store.store import Store
from pipeline.store.verify import examine_store
from tests.worlds.deliveries import PARAMS, payment, world, write


@pytest.fixture
def store(tmp_path) -> Store:
    ingest(write(tmp_path / "source", world()), tmp_path / "store", PARAMS)
    return Store(tmp_path / "store")


def test_acts_are_kept_in_order_and_no_id_is(store):
    record = forgotten(store.path).with_key()
    person, account = record.hashed("PERSON-7"), record.hashed("ACCOUNT-77")
    record.record(BEGUN, debtors=[person], accounts={account: "EUR"}, by="a desk", why="case 1", at="2026-10-01")
    assert forgotten(store.path).unended() == [1]
    assert forgotten(store.path).number_of("PERSON-7") == 1
    forgotten(store.path).record(MET, accounts={record.hashed("ACCOUNT-78"): None})
    forgotten(store.path).record(ENDED, of=1, places={})
    held = forgotten(store.path)
    assert (held.unended(), held.debtors(), len(held.accounts())) == ([], {person}, 2)
    folder = store.path / "forgotten"
    assert all("PERSON-7" not in place.read_text() for place in folder.iterdir())
    assert hashlib.sha256(b"PERSON-7").hexdigest() not in (folder / "tombstones").read_text()
    assert stat.S_IMODE((folder / "key").stat().st_mode) == 0o600


def test_the_engine_hashes_as_the_record_does(store):
    record = forgotten(store.path).with_key()
    for name in ("PERSON-7", "\u00e9\u4e2d", "a'b"):
        found = duckdb.execute("SELECT sha256($k || sha256($k || $n))", {"k": record.key, "n": name}).fetchone()
        assert found == (record.hashed(name),)


def test_hashes_of_two_stores_differ(store, tmp_path):
    ingest(write(tmp_path / "other-source", world()), tmp_path / "other", PARAMS)
    keys = [forgotten(place).with_key() for place in (store.path, tmp_path / "other")]
    assert keys[0].hashed("PERSON-7") != keys[1].hashed("PERSON-7")


@pytest.mark.parametrize("harm", ["key", "tombstones", "head.json", "last line", "a letter", "folder"])
def test_a_record_that_is_gone_cut_or_altered_stops_the_next_delivery(store, tmp_path, harm):
    """Else people who were forgotten would come back."""
    record = forgotten(store.path).with_key()
    record = record.record(BEGUN, debtors=[record.hashed("PERSON-7")], accounts={}, by="a desk", why="", at="")
    record.record(ENDED, of=1, places={"table accounts": 1})
    folder = store.path / "forgotten"
    text = (folder / "tombstones").read_text()
    if harm == "folder":
        folder.rename(tmp_path / "elsewhere")
    elif harm in ("last line", "a letter"):
        cut = "\n".join(text.splitlines()[:-1]) + "\n"
        (folder / "tombstones").write_text(cut if harm == "last line" else text.replace("a desk", "b desk"))
    else:
        (folder / harm).unlink()
    with pytest.raises(ContractError, match=r"forgotten/.*' is (gone|damaged)"):
        ingest(write(tmp_path / "later", {"payments": [payment()]}), store.path, PARAMS)
    assert examine_store(store.path).faults


def test_rows_leave_every_version_and_come_back_with_a_night_ranked_again(store):
    """A file with the same content as one that was taken out speaks for itself."""
    frame = pd.DataFrame({"account_id": ["A1", "A2"], "as_of": np.int32(20_700), "p": 1.0})
    commit.replace_night(store, "scores", frame, 20_700)
    pinned = store.versions()
    commit.replace_night(store, "scores", frame.assign(p=2.0), 20_700)

    def first(rows: pa.Table, _partition: str | None) -> pa.BooleanArray:
        return pc.equal(rows.column("account_id"), "A1").combine_chunks()

    assert take_out(store, "scores", first) == 1
    assert Store(store.path).read("scores")["account_id"].tolist() == ["A2"]
    assert Store(store.path).read("scores", versions=pinned)["p"].tolist() == [1.0]
    assert examine_store(store.path).faults == []
    assert take_out(Store(store.path), "scores", first) == 0
    commit.replace_night(Store(store.path), "scores", frame.assign(p=2.0), 20_700)
    assert Store(store.path).read("scores")["account_id"].tolist() == ["A1", "A2"]
    everything = take_out(Store(store.path), "scores", lambda rows, _: pa.array([True] * rows.num_rows))
    assert everything == 2
    assert Store(store.path).read("scores").empty
    commit.replace_night(Store(store.path), "scores", frame, 20_700)
    assert Store(store.path).read("scores")["p"].tolist() == [1.0, 1.0]
    assert examine_store(store.path).faults == []
