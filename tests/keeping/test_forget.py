"""A person who is forgotten is in no file any more, stays out, and nothing else changes.

Also of person.py and refusals.py.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import ContractError, InputMissing, LockHeld, ModelRefused, UsageError
from pipeline.intake.ingest import ingest
from pipeline.keeping.forget import forget
from pipeline.keeping.person import person_of
from pipeline.night.night import publish_night
from pipeline.params import load
from pipeline.store import commit
from pipeline.store.commit import replace_night
from pipeline.store.forgotten import forgotten
from pipeline.store.form import WATCHED
from pipeline.store.store import Store
from pipeline.training.run_evidence import load_evidence, save_evidence
from pipeline.verify import verify
from tests.worlds.afterwards import House, opened
from tests.worlds.commands import recoup
from tests.worlds.deliveries import PARAMS, account, charge, payment, status, world, write
from tests.worlds.params import written_params
from tests.worlds.traces import files_of, traces

NIGHT, EARLIER = dt.date(2026, 10, 1), dt.date(2026, 8, 1)
ACT = {"who": "the privacy desk", "why": "case 17", "when": dt.datetime(2026, 10, 2, 9, tzinfo=dt.UTC)}


@pytest.fixture(scope="module")
def still(tmp_path_factory, two_nights) -> House:
    """Two published nights; the person is one of the list with several accounts. Tests copy it."""
    return two_nights


@pytest.fixture
def house(still, tmp_path) -> House:
    shutil.copytree(still.folder, tmp_path / "house", symlinks=True)
    place = written_params(tmp_path / "house" / "params.yaml", tmp_path / "house")
    return House(tmp_path / "house", load(place))


def somebody(house: House) -> tuple[str, list[str]]:
    """A listed debtor with accounts joined to the listed one, and all accounts."""
    listed = house.worklist()
    tables = Store(house.store).tables(names=["accounts", "payments"])
    accounts = tables["accounts"]
    paid = accounts.loc[accounts["account_no"].isin(tables["payments"]["account_no"]), "debtor_id"]
    debtor = listed.loc[(listed["joined_accounts"] != "") & listed["debtor_id"].isin(paid), "debtor_id"].iloc[0]
    return debtor, sorted(accounts.loc[accounts["debtor_id"] == debtor, "account_id"].unique())


def done(house: House, debtor: str):
    return forget(house.store, house.out, debtor, house.params, **ACT)


def test_a_forgotten_person_is_in_no_file_and_everybody_else_is_as_before(house):
    debtor, accounts = somebody(house)
    words = [debtor, *accounts]
    assert len(accounts) > 1
    assert len(traces(words, house.store, house.out)) > 12
    before = Store(house.store).tables()
    lists = {place.name: place for place in (house.out / str(NIGHT)).rglob("*.*")}
    listed = house.worklist()
    page = lists["worklist.html"].read_text()
    found = done(house, debtor)
    assert traces(words, house.store, house.out) == []
    assert found.remains == []
    after = Store(house.store).tables()
    gone = set(before["accounts"].loc[before["accounts"]["debtor_id"] == debtor, "account_no"])
    for name, frame in before.items():
        left = frame[~frame["account_no"].isin(gone)].reset_index(drop=True)
        pd.testing.assert_frame_equal(after[name], left, check_categorical=False)
    pd.testing.assert_frame_equal(house.worklist(), listed[listed["debtor_id"] != debtor].reset_index(drop=True))
    rows = records_of(lists["worklist.csv"])
    assert len(rows) == len(listed) == 1 + len(house.worklist())
    assert sum(map(len, after.values())) < sum(map(len, before.values()))
    dialled = records_of(lists["dialler.csv"])
    assert [row[1] for row in dialled[1:]] == house.worklist()["account_id"].tolist()
    held = json.loads(re.search(r'id="night">(.*?)</script>', lists["worklist.html"].read_text(), re.DOTALL)[1])
    own = json.loads(re.search(r'id="night">(.*?)</script>', page, re.DOTALL)[1])
    assert held["worklist"]["rows"] == own["worklist"]["rows"] - 1
    assert {len(column["values"]) for column in held["worklist"]["columns"]} == {held["worklist"]["rows"]}
    assert {len(rows) for name, rows in held["details"].items() if name != "channel_tables"} == {len(house.worklist())}
    assert verify(house.store, house.out).faults == []


def records_of(place: Path) -> list[list[str]]:
    with place.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_the_workbook_keeps_the_lines_of_everybody_else(house):
    debtor, accounts = somebody(house)
    place = house.out / str(NIGHT) / "worklist.xlsx"
    before = cells_of(place)
    done(house, debtor)
    after = cells_of(place)
    ours = {at for at, cells in before.items() if not {debtor, *accounts}.isdisjoint(map(str, cells))}
    assert ours
    assert {at: cells for at, cells in after.items() if at not in ours} == {
        at: cells for at, cells in before.items() if at not in ours
    }
    assert all(set(after[at]) <= {None} for at in ours)


def cells_of(place: Path) -> dict[tuple[str, int], tuple]:
    book = opened(place)
    return {
        (sheet.title, line): tuple(cell.value for cell in row)
        for sheet in book.worksheets
        for line, row in enumerate(sheet.iter_rows(), start=1)
    }


def test_a_tombstone_says_who_and_why_and_not_whom(house):
    debtor, accounts = somebody(house)
    done(house, debtor)
    begun, *_, ended = forgotten(house.store).tombstones
    assert (begun["act"], ended["act"]) == ("begun", "ended")
    assert {begun["by"], begun["why"], begun["at"]} == {ACT["who"], ACT["why"], "2026-10-02T09:00:00+00:00"}
    assert len(begun["accounts"]) == len(accounts)
    assert ended["places"]["table accounts"] >= len(accounts)
    assert "published nights" in ended["places"]
    assert forgotten(house.store).unended() == []


def test_the_same_again_finds_nothing_and_writes_nothing(house):
    debtor, _ = somebody(house)
    done(house, debtor)
    before = {place: place.read_bytes() for place in files_of(house.store, house.out)}
    again = done(house, debtor)
    assert again.places == {}
    assert "nothing was left to take out" in again.text()
    assert {place: place.read_bytes() for place in files_of(house.store, house.out)} == before


def test_nights_can_be_ranked_again_from_earlier_versions(house):
    """A version that a night pinned reads as it did, but for the person."""
    debtor, accounts = somebody(house)
    versions = json.loads((house.out / str(EARLIER) / "manifest.json").read_text())["store_versions"]
    before = Store(house.store).tables(names=["payments"], versions=versions)["payments"]
    done(house, debtor)
    after = Store(house.store).tables(names=["payments"], versions=versions)["payments"]
    assert 0 < len(before) - len(after) < len(before)
    publish_night(house.store, NIGHT, house.out, house.params)
    assert traces([debtor, *accounts], house.store, house.out) == []
    assert verify(house.store, house.out).faults == []


def test_the_source_again_changes_nothing_and_a_longer_one_leaves_the_person_out(house, tmp_path):
    debtor, accounts = somebody(house)
    done(house, debtor)
    again = ingest(house.folder / "source", house.store, house.params)
    assert again.already
    longer = tmp_path / "longer"
    shutil.copytree(house.folder / "source", longer, ignore=shutil.ignore_patterns("truth"))
    with gzip.open(longer / "payments.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    own = next(row for row in rows if row["account_id"] == accounts[0])
    rows += [{**own, "payment_id": "later-payment"}]
    write_rows(longer / "payments.csv.gz", rows)
    (longer / "payments.control.json").unlink()
    report = {table.name: table for table in ingest(longer, house.store, house.params).tables}
    assert report["accounts"].forgotten >= len(accounts)
    assert report["payments"].forgotten == sum(row["account_id"] in accounts for row in rows)
    assert all(table.quarantined == 0 for table in report.values())
    assert "forgotten" in report["payments"].text()
    assert traces([debtor, *accounts], house.store, house.out) == []


def write_rows(place: Path, rows: list[dict[str, str]]) -> None:
    with gzip.open(place, "wt", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


KILLED = """
import signal, sys, datetime as dt
from pathlib import Path
sys.path.insert(0, {house!r})
from pipeline.keeping import forget as room
from pipeline.params import load
calls = 0
def counted(frame, event, argument):
    global calls
    writes = ("rename", "replace", "unlink", "fsync", "rmdir", "link", "symlink", "mkdir")
    if event == "c_call" and getattr(argument, "__module__", "") == "posix" and argument.__name__ in writes:
        calls += 1
        if calls == {at}:
            import os
            os.kill(os.getpid(), signal.SIGKILL)
sys.setprofile(counted)
room.forget(Path({store!r}), Path({out!r}), {debtor!r}, load(Path({params!r})), who="a desk", why="case 18",
    when=dt.datetime(2026, 10, 2, tzinfo=dt.UTC))
"""


@pytest.fixture(scope="module")
def writes(still, tmp_path_factory) -> int:
    """How many there are when nobody kills it."""
    whole = tmp_path_factory.mktemp("counted") / "house"
    shutil.copytree(still.folder, whole, symlinks=True)
    params = load(written_params(whole / "params.yaml", whole))
    return killed(House(whole, params), somebody(still)[0], 10**9)


@pytest.mark.parametrize("share", [0.02, 0.4, 0.6, 0.97])
def test_killed_at_any_write_nothing_is_damaged_and_the_same_command_ends_it(house, writes, share):
    debtor, accounts = somebody(house)
    assert killed(house, debtor, max(int(writes * share), 1)) == -signal.SIGKILL
    assert verify(house.store, house.out).faults == []
    done(house, debtor)
    assert traces([debtor, *accounts], house.store, house.out) == []
    assert verify(house.store, house.out).faults == []
    assert forgotten(house.store).unended() == []


def killed(house: House, debtor: str, at: int) -> int:
    """The program is killed at its n-th write; how it ended, or how many writes there were."""
    told = {"house": str(Path(__file__).parents[2]), "at": at, "store": str(house.store), "out": str(house.out)}
    program = KILLED.format(**told, debtor=debtor, params=str(house.folder / "params.yaml")) + "\nprint(calls)"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    return int(ended.stdout) if ended.returncode == 0 else ended.returncode


def test_rows_set_aside_and_older_versions_lose_the_person(tmp_path):
    """The accounts' text of a faulty row is kept whole in the quarantine, and rows of a replaced night on the disk."""
    person = [account(account_id="ACCOUNT-77", debtor_id="PERSON-7"), account(account_id="ACCOUNT-78", debtor_id="D9")]
    faulty = [payment(payment_id="BAD-1", account_id="ACCOUNT-77", amount="a lot")]
    notes = [status(account_id="ACCOUNT-77", detail="moved to a home")]
    ingest(
        write(tmp_path / "source", world(accounts=person, payments=faulty, statuses=notes)), tmp_path / "store", PARAMS
    )
    store = Store(tmp_path / "store")
    for amount in (1.0, 2.0):
        frame = pd.DataFrame({"account_id": ["ACCOUNT-77", "A1"], "as_of": np.int32(20_700), "p": amount})
        commit.replace_night(store, "scores", frame, 20_700)
    assert len(traces(["ACCOUNT-77"], store.path / "scores")) == 2
    found = forget(store.path, tmp_path / "out", "PERSON-7", PARAMS, **ACT)
    assert traces(["PERSON-7", "ACCOUNT-77", "moved to a home"], store.path) == []
    assert traces(["ACCOUNT-78"], store.path) != []
    assert found.places["table quarantine"] == 1
    assert Store(store.path).read("scores")["account_id"].tolist() == ["A1"]
    later = ingest(write(tmp_path / "later", {"payments": faulty}), store.path, PARAMS)
    (report,) = later.tables
    assert (report.forgotten, report.quarantined) == (1, 0)
    assert traces(["ACCOUNT-77"], store.path) == []


def test_a_person_of_several_debtors_goes_with_all_of_them(tmp_path):
    """Whichever of the debtors is named, also those that a chain of links joins."""
    people = [account(account_id=f"ACCOUNT-{at}", debtor_id=f"PERSON-{at}") for at in range(4)]
    links = [
        {"debtor_id": "PERSON-0", "same_as": "PERSON-1", "known_at": "2026-02-01T00:00:00+00:00"},
        {"debtor_id": "PERSON-1", "same_as": "PERSON-2", "known_at": "2026-02-02T00:00:00+00:00"},
    ]
    ingest(write(tmp_path / "source", world(accounts=people, debtors=links)), tmp_path / "store", PARAMS)
    found = forget(tmp_path / "store", tmp_path / "out", "PERSON-1", PARAMS, **ACT)
    assert found.places["table debtors"] == 2
    assert traces([f"{kind}-{at}" for kind in ("ACCOUNT", "PERSON") for at in range(3)], tmp_path / "store") == []
    assert "ACCOUNT-3" in set(Store(tmp_path / "store").tables()["accounts"]["account_id"])
    later = [{**links[0], "debtor_id": "PERSON-3", "known_at": "2026-03-01T00:00:00+00:00"}]
    (report,) = ingest(write(tmp_path / "later", {"debtors": later}), tmp_path / "store", PARAMS).tables
    assert (report.rows_in, report.forgotten, report.accepted) == (1, 1, 0)
    assert traces(["PERSON-1"], tmp_path / "store") == []


def test_whom_only_a_night_s_chance_of_being_late_still_names_is_found(tmp_path):
    ingest(write(tmp_path / "source", world()), tmp_path / "store", PARAMS)
    said = {"account_id": ["ACCOUNT-9"], "debtor_id": ["PERSON-9"], "portfolio": ["loans"], "p_late": [0.2]}
    rows = pd.DataFrame({**said, "meaning": ["{}"], "as_of": np.array([20_000], np.int32)})
    replace_night(Store(tmp_path / "store"), WATCHED, rows, 20_000)
    assert person_of(Store(tmp_path / "store"), tmp_path / "out", "PERSON-9").accounts == {"ACCOUNT-9": None}
    found = forget(tmp_path / "store", tmp_path / "out", "PERSON-9", PARAMS, **ACT)
    assert found.places["table watched"] == 1
    assert traces(["ACCOUNT-9", "PERSON-9"], tmp_path / "store") == []


def test_ids_that_are_part_of_others_and_numbers_that_look_alike_stay(tmp_path):
    """1001 is a debtor, and elsewhere a charge, an amount and a line."""
    twins = [account(account_id="20", debtor_id="1001"), account(account_id="1001", debtor_id="10012")]
    rows = world(
        accounts=twins, charges=[charge(charge_id="1001", account_id="A1"), charge(charge_id="20", account_id="20")]
    )
    ingest(write(tmp_path / "source", rows), tmp_path / "store", PARAMS)
    forget(tmp_path / "store", tmp_path / "out", "1001", PARAMS, **ACT)
    left = Store(tmp_path / "store").tables()
    assert set(left["accounts"]["account_id"]) >= {"1001", "A1"}
    assert "20" not in set(left["accounts"]["account_id"])
    assert set(left["charges"]["charge_id"].dropna() if "charge_id" in left["charges"] else {"1001"}) >= {"1001"}


def test_test_rows_of_a_run_go_and_the_run_can_still_be_promoted(house):
    from models.baseline import AgeBandTable
    from pipeline.training.run_evidence import RunEvidence

    debtor, accounts = somebody(house)
    cohort = pd.DataFrame({"account_id": [accounts[0], "other"], "debtor_id": [debtor, "somebody"]})
    evidence = RunEvidence(pd.DataFrame({"x": [1.0, 2.0]}), cohort, pd.DataFrame({"recovered": [0.0, 1.0]}))
    folder = house.store / "runs" / "r1"
    texts = {"report.html": f"<p>worst: {accounts[0]}</p>"}
    sums = save_evidence(folder, evidence, AgeBandTable.prior(default_dpd=90, horizon_days=90), texts)
    done(house, debtor)
    left = load_evidence(folder, sums["evidence_sha256"])
    assert left.matrix["x"].tolist() == left.rankings["recovered"].add(1).tolist() == [2.0]
    assert (folder / "report.html").read_text() == "<p>worst: [forgotten]</p>"
    (folder / "test_matrix.parquet").write_bytes((folder / "test_cohort.parquet").read_bytes())
    with pytest.raises(ModelRefused, match="test rows"):
        load_evidence(folder, sums["evidence_sha256"])


def test_the_registry_loses_the_name(house):
    import sqlite3

    debtor, _ = somebody(house)
    place = house.folder / "mlflow.db"
    with sqlite3.connect(place) as registry:
        registry.execute("CREATE TABLE tags (key TEXT, value TEXT)")
        registry.execute("INSERT INTO tags VALUES ('note', ?)", (f"class {debtor} of x_name",))
    (house.folder / "mlartifacts").mkdir()
    (house.folder / "mlartifacts" / "card.md").write_text(f"- {debtor}\n- {debtor}0\n")
    done(house, debtor)
    assert traces([f"{debtor} ", f"{debtor}\n"], place.parent / "mlartifacts") == []
    with sqlite3.connect(place) as registry:
        assert registry.execute("SELECT value FROM tags").fetchall() == [("class [forgotten] of x_name",)]
    assert debtor.encode() not in place.read_bytes()


def test_another_folder_of_nights_is_cleared_afterwards(house):
    """The store no longer knows the accounts then; scores name accounts alone, whose hashes the tombstone has."""
    debtor, accounts = somebody(house)
    done(house, debtor)
    assert traces([debtor, *accounts], house.french) != []
    forget(house.store, house.french, debtor, house.params, **ACT)
    assert traces([debtor, *accounts], house.french) == []
    assert verify(house.store, house.french).faults == []


def test_what_cannot_be_mended_is_named(house):
    """A note that somebody left between the lists: theirs to remove."""
    debtor, _ = somebody(house)
    (house.out / "note.txt").write_text(f"call {debtor} first")
    (house.out / str(NIGHT) / "mine.xlsx").write_bytes(b"PK\3\4" + debtor.encode())
    found = done(house, debtor)
    assert found.remains == [str(house.out / str(NIGHT) / "mine.xlsx"), str(house.out / "note.txt")]
    with pytest.raises(ContractError, match=r"Still named in .*note\.txt\. All else is done"):
        found.check()


def test_an_altered_list_loses_the_person_too(house):
    debtor, accounts = somebody(house)
    with (house.out / str(NIGHT) / "worklist.csv").open("a") as file:
        file.write("a note of mine\r\n")
    changed = load(written_params(house.folder / "params.yaml", house.folder, worklist={"capacity": {"default": 3}}))
    publish_night(house.store, NIGHT, house.out, changed)
    assert (house.out / f"{NIGHT}.altered-1").is_dir()
    done(house, debtor)
    assert traces([debtor, *accounts], house.out) == []
    assert "a note of mine" in (house.out / f"{NIGHT}.altered-1" / "worklist.csv").read_text()


def test_a_night_that_lost_people_still_shows_real_damage(house):
    debtor, _ = somebody(house)
    done(house, debtor)
    place = house.out / str(NIGHT) / "worklist.csv"
    whole = place.read_bytes()
    place.write_bytes(whole.replace(b"A", b"B", 1))
    (fault,) = verify(house.store, house.out).faults
    assert "worklist.csv' is damaged" in fault
    place.write_bytes(whole)
    record = house.out / str(NIGHT) / "forgotten.json"
    record.write_text(record.read_text().replace('"bytes": ', '"bytes": 1'))
    assert "forgotten.json' is damaged" in verify(house.store, house.out).faults[0]


def test_a_record_that_no_tombstone_knows_is_damage(house):
    """Whoever alters a list and vouches for it himself is found out."""
    from pipeline.store.files import sealed, sha256_of

    folder = house.out / str(NIGHT)
    (folder / "worklist.csv").write_text("account_id\r\n")
    told = {"worklist.csv": {"sha256": sha256_of(folder / "worklist.csv"), "bytes": 12, "rows_gone": 1}}
    (folder / "forgotten.json").write_text(sealed({"files": told}))
    (fault,) = verify(house.store, house.out).faults
    assert "no tombstone of the store does" in fault


def test_a_stranger_and_a_reason_that_names_the_debtor_are_refused(house):
    debtor, _ = somebody(house)
    with pytest.raises(InputMissing, match=r"^No debtor of that id is kept here"):
        done(house, "nobody-knows-me")
    with pytest.raises(UsageError, match=r"^--why names the debtor"):
        forget(house.store, house.out, debtor, house.params, **{**ACT, "why": f"asked by {debtor}"})
    assert forgotten(house.store).tombstones == ()


@pytest.mark.parametrize("said", [{"who": " "}, {"why": "\u00a0"}, {"why": "two\nlines"}])
def test_nobody_forgets_without_saying_who_and_why(tmp_path, said):
    ingest(write(tmp_path / "source", world()), tmp_path / "store", PARAMS)
    debtor = Store(tmp_path / "store").tables()["accounts"]["debtor_id"].iloc[0]
    with pytest.raises(UsageError, match="needs --by NAME and --why REASON: both are recorded"):
        forget(tmp_path / "store", tmp_path / "out", debtor, PARAMS, **{**ACT, **said})
    assert forgotten(tmp_path / "store").tombstones == ()
    forget(tmp_path / "store", tmp_path / "out", debtor, PARAMS, **{**ACT, "why": "demande écrite\u00a0: dossier 17"})
    (begun, *_) = forgotten(tmp_path / "store").tombstones
    assert begun["why"] == "demande écrite\u00a0: dossier 17"


def test_nobody_is_forgotten_while_another_run_works_there(house):
    debtor, _ = somebody(house)
    program = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from pipeline.store.locks import only_run
with only_run(Path({str(house.out)!r})):
    print("held", flush=True); sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockHeld, match=r"^Another run works on"):
            done(house, debtor)
        holder.stdin.close()


def test_as_a_user_types_it(house, capsys):
    debtor, accounts = somebody(house)
    asked = ("forget", "--debtor", debtor, "--by", "a desk", "--why", "case 17")
    assert recoup(house.folder, *asked) == 0
    said = capsys.readouterr()
    assert "Searched afterwards" in said.out
    assert not any(word in said.out + said.err for word in (debtor, *accounts))
    assert recoup(house.folder, "verify") == 0
