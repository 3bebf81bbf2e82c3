"""Many files become few, and what nothing needs goes; kept nights are made again from what they were made from, the
next night is the same, whatever is cut off is ended by the same command.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from features.errors import ContractError, LockHeld
from pipeline.intake.ingest import ingest
from pipeline.keeping import compaction
from pipeline.keeping.compaction import compact, folders_of_nights, needed_versions
from pipeline.keeping.retention import retire
from pipeline.night.night import publish_night
from pipeline.night.reproduce import reproduce
from pipeline.outcomes.monitor import judge
from pipeline.pages.record import read_manifest
from pipeline.params import Retention
from pipeline.store.delta import DeltaTables
from pipeline.store.refusals import NotStored
from pipeline.store.store import Store
from pipeline.verify import verify
from tests.worlds.afterwards import EARLIER, NIGHT, House
from tests.worlds.commands import exit_code
from tests.worlds.deliveries import PARAMS, content, payment, status, world, write

HOUSE = Path(__file__).parents[2]
HOLDING = (
    "import sys; from pathlib import Path; from pipeline.store.locks import only_run\n"
    "with only_run(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
)


@pytest.fixture
def many(tmp_path) -> Path:
    """A store of eight deliveries of a payment each, all in one shard; after one more, ingests bring them together."""
    params = PARAMS.model_copy(update={"store": PARAMS.store.model_copy(update={"shards": 1})})
    ingest(write(tmp_path / "first", world()), tmp_path / "store", params)
    for number in range(8):
        rows = {"payments": [payment(payment_id=f"Z{number}")]}
        ingest(write(tmp_path / f"in-{number}", rows), tmp_path / "store", params)
    return tmp_path / "store"


def payments_of(store: Path) -> int:
    return len(list((store / "payments").rglob("*.parquet")) if (store / "payments").exists() else [])


def test_one_file_a_shard_is_left_and_what_nothing_needs_goes(many, tmp_path):
    before, last = content(many), Store(many).deliveries()[-7:]
    assert compact(many, [tmp_path / "out"]).text().startswith("Brought 8 files together: 10 files ")
    assert payments_of(many) == 9
    told = compact(many, [tmp_path / "out"], vacuum=True)
    assert (told.together, told.gone, told.kept) == (0, 0, 0)  # the first of the last seven versions needs four files
    assert content(many) == before
    for number in range(8, 15):
        params = PARAMS.model_copy(update={"store": PARAMS.store.model_copy(update={"shards": 1})})
        ingest(
            write(tmp_path / f"in-{number}", {"payments": [payment(payment_id=f"Z{number}")]}),
            many,
            params,
        )
    before = content(many)
    told = compact(many, [tmp_path / "out"], vacuum=True)
    assert told.gone == 8
    assert told.text().splitlines()[-1].startswith("Let go of 8 files (0.")
    assert content(many) == before
    assert (verify(many, tmp_path / "out").faults, verify(many, tmp_path / "out").notes) == ([], [])
    with pytest.raises(NotStored, match=r"Version \d+ of table 'payments' is no longer kept"):
        Store(many).tables(names=["payments"], versions=last[0].versions)


def test_whatever_is_cut_off_is_ended_by_the_same_command(many, tmp_path, monkeypatch):
    before = content(many)
    whole = DeltaTables.bring_together
    monkeypatch.setattr(DeltaTables, "bring_together", lambda *_: (_ for _ in ()).throw(OSError("power")))
    with pytest.raises(OSError, match="power"):
        compact(many, [tmp_path / "out"])
    monkeypatch.setattr(DeltaTables, "bring_together", whole)
    assert content(many) == before
    monkeypatch.setattr(compaction, "KEPT_DELIVERIES", 1)
    unlink, done = Path.unlink, []

    def cut_off(place: Path, *given, **named) -> None:
        if place.suffix == ".parquet" and "_delta_log" not in place.parts:
            if len(done) == 3:
                raise OSError("power")
            done.append(place)
        unlink(place, *given, **named)

    monkeypatch.setattr(compaction, "needed_versions", lambda store, outs: {"payments": set()})
    newest = Store(many).deliveries()[-1].versions["payments"]
    monkeypatch.setattr(Path, "unlink", cut_off)
    with pytest.raises(OSError, match="power"):
        compact(many, [tmp_path / "out"], vacuum=True)
    monkeypatch.setattr(Path, "unlink", unlink)
    assert len(done) == 3
    with pytest.raises(NotStored, match="is no longer kept"):  # said, not found damaged
        Store(many).tables(names=["payments"], versions={"accounts": 1, "payments": newest})
    assert compact(many, [tmp_path / "out"], vacuum=True).gone == 8 - 3
    assert payments_of(many) == 1
    assert verify(many, tmp_path / "out").faults == []


def test_of_two_runs_at_once_one_has_the_lock(many, tmp_path):
    (tmp_path / "out").mkdir()
    before = sorted(many.rglob("*"))
    for folder in (many, tmp_path / "out"):
        given = [sys.executable, "-c", HOLDING, str(folder)]
        with subprocess.Popen(given, cwd=HOUSE, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout.readline() == b"held\n"
            with pytest.raises(LockHeld, match="Another run works on"):
                compact(many, [tmp_path / "out"], vacuum=True)
            other.stdin.close()
    assert sorted(many.rglob("*")) == before
    command = ("compact", "--vacuum", "--store", str(many), "--out", str(tmp_path / "out"))
    assert exit_code(*command, "--params", str(HOUSE / "params.yaml")) == 0
    assert payments_of(many) == 8 + 1


def test_versions_by_which_rows_set_aside_are_judged_are_needed(tmp_path):
    undated = [status(from_on="soon"), *[status(account_id="A2", from_on=f"2026-01-{day:02}") for day in range(1, 29)]]
    params = PARAMS.model_copy(update={"ingest": PARAMS.ingest.model_copy(update={"max_fault_rows": 0.5})})
    ingest(write(tmp_path / "first", world(statuses=undated)), tmp_path / "store", params)
    for number in range(8):
        rows = {"statuses": [status(account_id="A2", status="default", from_on=f"2026-02-0{number + 1}")]}
        ingest(write(tmp_path / f"in-{number}", rows), tmp_path / "store", params)
    store = Store(tmp_path / "store")
    records = store.deliveries()
    needed = needed_versions(store, [])
    assert records[0].versions["statuses"] in needed["statuses"]
    assert records[1].versions["statuses"] not in needed["statuses"]
    assert needed["charges"] == {record.versions["charges"] for record in records}


def test_nights_that_are_not_found_or_not_read_hold_everything_back(two_nights, tmp_path, caplog):
    shutil.copytree(two_nights.folder, tmp_path / "house", symlinks=True)
    house = House(tmp_path / "house", two_nights.params)
    with pytest.raises(ContractError, match=r"none is kept in '.*elsewhere'. Name the folders"):
        compact(house.store, [tmp_path / "elsewhere"], vacuum=True)
    (house.out / str(EARLIER) / "manifest.json").write_text("{")
    with pytest.raises(ContractError, match=rf"The manifest of night {EARLIER} cannot be read"):
        compact(house.store, [house.out], vacuum=True)
    asked = house.params.model_copy(update={"retention": Retention(versions=0)})
    files = sorted(house.store.rglob("*.parquet"))
    assert retire(house.store, house.out, NIGHT, asked).text() == ""
    assert sorted(house.store.rglob("*.parquet")) == files
    assert f"retention.versions lets nothing go. The manifest of night {EARLIER} cannot be read" in caplog.text


def test_every_folder_that_nights_were_published_into_is_asked(two_nights, tmp_path):
    """A list made on trial stands on the store as it was then, and no other folder tells of it."""
    shutil.copytree(two_nights.folder, tmp_path / "house", symlinks=True)
    house, trial = House(tmp_path / "house", two_nights.params), tmp_path / "trial"
    publish_night(house.store, NIGHT, trial, house.params)
    assert trial in folders_of_nights(Store(house.store), [house.out])
    (trial / str(NIGHT) / "manifest.json").write_text("{")
    with pytest.raises(ContractError, match=rf"The manifest of night {NIGHT} cannot be read"):
        compact(house.store, [house.out], vacuum=True)
    shutil.rmtree(trial)
    with pytest.raises(ContractError, match=r"published into '.*trial', which is not there"):
        compact(house.store, [house.out], vacuum=True)
    assert compact(house.store, [house.out, trial], vacuum=True).kept == 2


@pytest.mark.slow
def test_a_kept_night_is_made_again_after_it_and_the_next_night_is_the_same(two_nights, tmp_path, capsys):
    """Two houses live alike but for one that is compacted and vacuumed."""
    plain, brought = (House(tmp_path / name, two_nights.params) for name in ("plain", "brought"))
    accounts = Store(two_nights.store).frame("accounts")["account_id"].unique()
    for house in (plain, brought):
        shutil.copytree(two_nights.folder, house.folder, symlinks=True)
        for number in range(6):
            rows = [
                payment(
                    payment_id=f"Z{number}-{account}",
                    account_id=account,
                    amount="1.00",
                    occurred_at="2026-09-20T10:00:00Z",
                    known_at=f"2026-09-2{number % 5 + 1}T10:00:00Z",
                )
                for account in accounts[:8]
            ]
            source = write(house.folder / f"in-{number}", {"payments": rows})
            if number == 5 and house is brought:
                assert compact(house.store, [house.out], vacuum=True).together > 5
            ingest(source, house.store, house.params)
        publish_night(house.store, NIGHT, house.out, house.params)
    pinned = read_manifest(brought.out / str(EARLIER))["store_versions"]["payments"]
    asked = brought.params.model_copy(update={"retention": Retention(versions=0)})
    files = len(list((brought.store / "payments").rglob("shard=*/*.parquet")))
    assert pinned < Store(brought.store).deliveries()[2].versions["payments"]
    told = compact(brought.store, [brought.out], vacuum=True)
    assert len(list((brought.store / "payments").rglob("shard=*/*.parquet"))) != files
    assert told.kept == 2
    assert retire(brought.store, brought.out, NIGHT, asked).text() == ""  # nothing is left to go
    assert content(brought.store) == content(plain.store)
    names = {place.name for place in (plain.out / str(NIGHT)).iterdir() if place.is_file()} - {"manifest.json"}
    assert len(names) > 5
    for name in sorted(names):
        mine, theirs = ((house.out / str(NIGHT) / name).read_bytes() for house in (plain, brought))
        assert mine == theirs, name
    for night in (EARLIER, NIGHT):
        reproduce(brought.store, night, brought.out, brought.params, judge).check()
    listed = str(pd.read_parquet(brought.out / str(EARLIER) / "worklist.parquet")["account_id"].iloc[0])
    told = []
    for house in (plain, brought):
        capsys.readouterr()
        given = ("--as-of", str(EARLIER), "--account", listed, "--store", str(house.store))
        assert exit_code("explain", *given, "--params", str(house.folder / "params.yaml")) == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
    assert listed in told[0]
    assert verify(brought.store, brought.out).faults == []
