"""`recoup run --dry-run`: what would happen, and not a byte written."""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path

import pytest

from features.errors import ContractError, InputMissing
from pipeline.intake.ingest import ingest
from pipeline.outlook import outlook
from pipeline.pages.publish import publish
from pipeline.store.locks import only_run
from pipeline.store.store import Store
from tests.worlds.commands import exit_code
from tests.worlds.deliveries import PARAMS, PAYMENTS, world, write
from tests.worlds.paper_nights import AS_OF, night

RUN = {
    "stages": [
        {"stage": "rank", "seconds": 2.5, "peak_mib": 310.0},
        {"stage": "publish", "seconds": 4.0, "peak_mib": 90.0},
    ],
    "shelf_bytes": 5 << 20,
}


@pytest.fixture
def places(tmp_path):
    """A source that is not taken in yet, a store with another delivery, one published night."""
    ingest(write(tmp_path / "before", world(payments=PAYMENTS)), tmp_path / "store", PARAMS)
    write(tmp_path / "source", world(payments=PAYMENTS[:1]))
    made = night(3)
    made.manifest.update({"accounts_known": {"scorable": 1_200, "closed": 300}})
    publish(made, tmp_path / "out", lambda: RUN)
    return tmp_path


def told(places: Path, source: str = "source", day: dt.date = AS_OF) -> str:
    return outlook(places / source, places / "store", day, places / "out", PARAMS).text()


def everything(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_ino) for path in sorted(folder.rglob("*"))}


def test_it_tells_what_would_be_taken_and_what_a_night_takes_by_the_last_ones(places):
    said = told(places)
    assert "The delivery would be checked and taken in: 3 files of accounts, charges, payments" in said
    held = Store(places / "store")
    rows = ", ".join(f"{len(table):,} {name}" for name, table in sorted(held.tables().items()))
    assert f"The store holds 1 deliveries in {held.shards} shards, with rows: {rows}." in said
    assert f"The night of {AS_OF} would be published" not in said
    assert f"The night of {AS_OF + dt.timedelta(1)} would be published" in told(places, day=AS_OF + dt.timedelta(1))
    assert "By the last night of about 1,500 accounts: 6 s, at most 6 s (rank 2.5 s, publish 4.0 s)" in said
    assert "310 MiB of memory at most" in said
    assert "shards until it is published 5.0 MiB" in said
    assert "The delivery is in the store already (number 1)" in told(places, "before")


def test_not_a_byte_is_written_anywhere(places, monkeypatch):
    temporary = places / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    before = everything(places)
    told(places)
    assert everything(places) == before


def test_finished_shards_that_wait_and_runs_at_work_are_told(places):
    shard = places / "out" / ".shards-0123456789abcdef" / "00000"
    shard.mkdir(parents=True)
    (shard / "seal.json").write_text("{}")
    assert "1 finished shards of a run that was cut off wait" in told(places)
    assert "at work" not in told(places)
    with only_run(places / "out"):
        assert "Another run is at work there" in told(places)


def test_without_a_store_and_a_night_that_is_said(places):
    said = outlook(places / "source", places / "none", AS_OF, places / "nowhere", PARAMS).text()
    assert "There is no store yet: one of 4 shards would be made." in said
    assert "is not known yet" in said
    assert not (places / "none").exists()
    assert not (places / "nowhere").exists()


def test_what_a_night_would_meet_at_once_is_refused(places):
    with pytest.raises(InputMissing, match="There is no source folder"):
        told(places, "nothing")
    (places / "source" / "payments.csv").write_bytes(b"payment_id,account_id\nP1")
    with pytest.raises(ContractError, match="does not end with a line break"):
        told(places)


def test_the_command_says_it(places, capsys):
    where = ("--source", str(places / "source"), "--store", str(places / "store"), "--out", str(places / "out"))
    assert exit_code("run", "--as-of", AS_OF.isoformat(), *where, "--dry-run") == 0
    assert capsys.readouterr().out.endswith("Nothing was written.\n")
