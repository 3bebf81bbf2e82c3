"""`recoup verify` as a user meets it."""

from __future__ import annotations

import pytest

from pipeline.intake.ingest import ingest
from pipeline.pages.publish import publish
from tests.worlds.commands import exit_code
from tests.worlds.deliveries import PARAMS, PAYMENTS, world, write
from tests.worlds.paper_nights import AS_OF, night


@pytest.fixture
def house(tmp_path):
    ingest(write(tmp_path / "source", world(payments=PAYMENTS)), tmp_path / "store", PARAMS)
    publish(night(3), tmp_path / "out")
    return ("verify", "--store", str(tmp_path / "store"), "--out", str(tmp_path / "out"))


def test_what_is_whole_is_said_to_be_with_what_was_looked_at(house, capsys):
    assert exit_code(*house) == 0
    told = capsys.readouterr().out
    assert "records 3, log entries 6, data files 6\n" in told
    assert "records 1, nights 1, published files 10, links 1\n" in told
    assert told.endswith("Everything is as it was written.\n")


def test_every_damaged_file_is_named_and_the_exit_code_says_so(house, tmp_path, capsys):
    for place in (
        tmp_path / "out" / AS_OF.isoformat() / "worklist.csv",
        next((tmp_path / "store" / "accounts").glob("*/*.parquet")),
    ):
        place.write_bytes(place.read_bytes()[:-1])
    assert exit_code(*house) == 65
    told = capsys.readouterr()
    assert told.out.count("DAMAGED ") == 2
    assert "worklist.csv" in told.out
    assert "accounts/shard=" in told.out
    assert "files and folders looked at are damaged or gone" in told.err
    assert "2 of " in told.err
    assert "Everything" not in told.out


def test_a_folder_without_a_store_is_refused(tmp_path, capsys):
    assert exit_code("verify", "--store", str(tmp_path / "none"), "--out", str(tmp_path / "out")) == 66
    assert "There is no store at" in capsys.readouterr().err
