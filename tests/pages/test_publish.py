"""A night is published whole or not at all, and the same night is the same bytes.

Also of parquet_file.py and publication.py.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from features.errors import CannotWrite, UsageError
from pipeline.columns import PUBLISHED_SCORES, WORKLIST_COLUMNS
from pipeline.pages import publish as publishing
from pipeline.pages.publication import GROUPS_SHOWN
from pipeline.pages.publish import NightGone, RollbackRefused, mark_expired, publish, roll_back
from pipeline.pages.record import SEAL, put_back, vouch
from pipeline.pages.verify import NightDamaged, examine_nights
from tests.worlds.paper_nights import AS_OF, empty, night

pytestmark = pytest.mark.slow

HOUSE = Path(__file__).parents[2]


FILES = {
    "worklist.parquet",
    "worklist.csv",
    "worklist.xlsx",
    "worklist.html",
    "deferred.csv",
    "excluded.csv",
    "not_for_agents/held_out.csv",
    "next_in_line.csv",
    "self_cure.csv",
    "scores.parquet",
    "manifest.json",
}


STEPS = ("rename", "replace", "symlink", "link", "fsync")


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def content(folder: Path) -> dict[str, object]:
    """The folder's files as sha256, the manifest as its values without the `run` block."""
    held: dict[str, object] = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names(folder)}
    held["manifest.json"] = {**json.loads((folder / "manifest.json").read_text()), "run": None}
    return held


def assert_whole(folder: Path) -> None:
    outputs = json.loads((folder / "manifest.json").read_text())["outputs"]
    assert {*outputs, "manifest.json"} == FILES
    assert {name: said["sha256"] for name, said in outputs.items()} == {name: content(folder)[name] for name in outputs}


def hidden(out: Path) -> list[str]:
    """What a run left there, beside the seal of the record."""
    return sorted(path.name for path in out.iterdir() if path.name.startswith(".") and path.name != SEAL)


# ---- what is published -----------------------------------------------------------------------------------------------


def test_everything_of_the_contract_is_there(tmp_path):
    place = publish(night(), tmp_path / "out")
    assert place == tmp_path / "out" / "2026-11-20"
    assert names(place) == FILES
    assert (tmp_path / "out" / "current").readlink() == Path("2026-11-20")
    assert_whole(place)
    assert hidden(tmp_path / "out") == []


def test_files_are_for_the_owner_alone(tmp_path):
    before = os.umask(0o022)
    place = publish(night(), tmp_path)
    assert os.umask(before) == 0o022
    assert {stat.S_IMODE((place / name).stat().st_mode) for name in names(place)} == {0o600}
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (place, place / "not_for_agents")} == {0o700}


def test_the_manifest_counts_and_adds_up(tmp_path):
    made = night(60)
    said = json.loads((publish(made, tmp_path) / "manifest.json").read_text())
    assert sum(said["counts"][group] for group in GROUPS_SHOWN) == said["counts"]["scorable"]
    assert said["outputs"]["deferred.csv"]["rows"] == said["counts"]["deferred"] == len(made.deferred)
    assert said["worklist"]["net_value"] == int(made.worklist["net_value"].sum())
    euros = made.worklist[made.worklist["currency"] == "EUR"]
    assert said["worklist"]["per_currency"]["EUR"]["balance"] == int(euros["balance"].sum())
    assert sum(said["worklist"]["per_currency"][code]["accounts"] for code in said["worklist"]["per_currency"]) == 60
    assert said["run"] == {"seconds": {"score": 1.25}}
    assert said["complete_through"]["statuses"] == "2026-11-18"


def test_parquet_holds_minor_units_dates_and_nulls(tmp_path):
    made = night(60)
    listed = pq.read_table(publish(made, tmp_path) / "worklist.parquet")
    assert tuple(listed.column_names) == WORKLIST_COLUMNS
    assert listed["balance"].to_pylist() == made.worklist["balance"].tolist()
    assert [
        str(listed.schema.field(name).type) for name in ("rank", "balance", "last_payment", "p_recovered", "account_id")
    ] == [
        "int64",
        "int64",
        "date32[day]",
        "double",
        "string",
    ]
    assert listed["last_payment"].null_count == int(made.worklist["last_payment"].isna().sum())
    assert listed["amount_if_recovered"].null_count == int((made.worklist["amount_if_recovered"] == -(2**63)).sum()) > 0
    assert json.loads(listed.schema.metadata[b"recoup.decimals"]) == {"EUR": 2, "GBP": 2, "JPY": 0, "USD": 2}
    assert tuple(pq.read_schema(tmp_path / "current" / "scores.parquet").names) == PUBLISHED_SCORES


def test_an_empty_night_is_published(tmp_path):
    assert_whole(publish(empty(), tmp_path))
    assert pq.read_table(tmp_path / "current" / "worklist.parquet").num_rows == 0


# ---- the same night, the same bytes ----------------------------------------------------------------------------------


def test_the_same_night_is_the_same_bytes_on_another_clock(tmp_path):
    program = (
        "import os, sys; from pathlib import Path; os.umask(0o002); "
        "from tests.worlds.paper_nights import night; from pipeline.pages.publish import publish; publish(night(), "
        "Path(sys.argv[1]))"
    )
    elsewhere = os.environ | {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7", "LC_ALL": "C", "PYTHONPATH": str(HOUSE)}
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "tokyo")], check=True, cwd=HOUSE, env=elsewhere)
    publish(night(), tmp_path / "here")
    assert content(tmp_path / "here" / "2026-11-20") == content(tmp_path / "tokyo" / "2026-11-20")


def test_the_same_content_again_changes_nothing(tmp_path):
    place = publish(night(), tmp_path)
    before = [(path.name, path.stat().st_ino, path.stat().st_mtime_ns) for path in [place, *sorted(place.iterdir())]]
    slower = night(manifest=night().manifest | {"run": {"seconds": {"score": 9.5}}})
    assert publish(slower, tmp_path) == place
    assert before == [
        (path.name, path.stat().st_ino, path.stat().st_mtime_ns) for path in [place, *sorted(place.iterdir())]
    ]
    assert hidden(tmp_path) == []


def test_other_content_for_the_same_night_takes_its_place(tmp_path):
    publish(night(seed=1), tmp_path)
    place = publish(night(seed=2), tmp_path)
    publish(night(seed=2), tmp_path / "beside")
    assert content(place) == content(tmp_path / "beside" / "2026-11-20")
    assert (tmp_path / "current").readlink() == Path("2026-11-20")
    assert hidden(tmp_path) == []


def test_what_somebody_wrote_into_is_kept(tmp_path):
    place = publish(night(seed=1), tmp_path)
    (place / "worklist.xlsx").write_bytes(b"outcomes filled in")
    publish(night(seed=1), tmp_path)
    assert_whole(place)
    assert (tmp_path / "2026-11-20.altered-1" / "worklist.xlsx").read_bytes() == b"outcomes filled in"
    (place / "notes.txt").write_text("mine")
    publish(night(seed=2), tmp_path)
    assert (tmp_path / "2026-11-20.altered-2" / "notes.txt").read_text() == "mine"
    assert hidden(tmp_path) == []


def test_an_unreadable_manifest_counts_as_altered(tmp_path):
    place = publish(night(), tmp_path)
    (place / "manifest.json").write_text("{")
    publish(night(), tmp_path)
    assert_whole(place)
    assert (tmp_path / "2026-11-20.altered-1").is_dir()


def test_current_leads_to_the_newest_night(tmp_path):
    publish(night(as_of=AS_OF), tmp_path)
    publish(night(as_of=AS_OF - dt.timedelta(1)), tmp_path)
    assert (tmp_path / "current").readlink() == Path("2026-11-20")
    publish(night(as_of=AS_OF + dt.timedelta(1)), tmp_path)
    assert (tmp_path / "current").readlink() == Path("2026-11-21")


def test_a_link_that_leads_nowhere_is_mended(tmp_path):
    (tmp_path / "current").symlink_to("2026-12-31")
    publish(night(), tmp_path)
    assert (tmp_path / "current").readlink() == Path("2026-11-20")


# ---- killed, refused, read meanwhile ---------------------------------------------------------------------------------


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""

    def __init__(self) -> None:
        super().__init__("killed")


@contextmanager
def stopping_at(step: int, stop: Callable[[], BaseException], for_good: bool) -> Iterator[list[str]]:
    """From the step-th call to the disk on (for good) or at it alone, every call that publishing makes raises."""
    calls: list[str] = []

    def counted(name: str, original: Callable) -> Callable:
        def call(*args: object, **kwargs: object) -> object:
            calls.append(name)
            if len(calls) == step or (for_good and len(calls) > step > 0):
                raise stop()
            return original(*args, **kwargs)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in STEPS:
            patch.setattr(publishing.os, name, counted(name, getattr(os, name)))
        patch.setattr(publishing.shutil, "rmtree", counted("rmtree", shutil.rmtree))
        yield calls


@pytest.fixture
def quick_faces(monkeypatch):
    """A few bytes for every file and a disk that is always in step: how a night takes its place depends on neither."""
    few = OLD.worklist.to_json(), NEW.worklist.to_json()
    monkeypatch.setattr(publishing, "html", lambda made: few[made is NEW])
    monkeypatch.setattr(publishing, "write_csv", lambda frame, *given: given[2].write_text(few[frame is NEW.worklist]))
    monkeypatch.setattr(publishing, "write_xlsx", lambda made, path: path.write_text(few[made is NEW]))
    monkeypatch.setattr(
        publishing, "write_published", lambda frame, _, path: path.write_text(few[frame is NEW.worklist])
    )
    monkeypatch.setattr(publishing.os, "fsync", lambda opened: None)


OLD, OLDER, NEW = night(3, seed=1), night(3, seed=1, as_of=AS_OF - dt.timedelta(1)), night(3, seed=2)


SCENES = {"first": None, "next night": OLDER, "same night": OLD}


@pytest.fixture
def scene(request, tmp_path, quick_faces) -> Callable[[str], Path]:
    """A fresh OUT of that name, with the scene's old list published in it."""
    before = SCENES[request.param]
    (tmp_path / "before").mkdir()
    if before is not None:
        publish(before, tmp_path / "before")
    return lambda name: shutil.copytree(tmp_path / "before", tmp_path / name, symlinks=True)


@pytest.mark.parametrize("scene", SCENES, indirect=True)
def test_a_kill_at_any_step_leaves_whole_lists_and_the_next_run_heals(tmp_path, scene):
    undisturbed = content(publish(NEW, tmp_path / "undisturbed"))
    out = scene("counted")
    with stopping_at(0, Killed, for_good=False) as calls:
        publish(NEW, out)
    assert len(calls) > 12
    for step in range(1, len(calls) + 1):
        out = scene(f"killed-{step}")
        old = content(out / "current") if (out / "current").exists() else None
        with stopping_at(step, Killed, for_good=True), pytest.raises(Killed, match="^killed$"):
            publish(NEW, out)
        if (out / "current").exists() or old is not None:
            assert content(out / "current") in (old, undisturbed)
        if (out / "2026-11-20").exists():
            assert_whole(out / "2026-11-20")
        publish(NEW, out)
        assert content(out / "2026-11-20") == content(out / "current") == undisturbed
        assert hidden(out) == []


@pytest.mark.parametrize("scene", ["same night"], indirect=True)
def test_the_kill_test_catches_a_swap_with_a_gap(scene, monkeypatch):
    def away_then_back(staging: Path, place: Path) -> None:
        place.rename(place.with_name(".2026-11-20.replaced"))
        staging.rename(place)

    monkeypatch.setattr(publishing, "_put", away_then_back)
    gone = []
    for step in range(1, 30):
        out = scene(f"killed-{step}")
        with stopping_at(step, Killed, for_good=True), suppress(Killed):
            publish(NEW, out)
        gone.append(not (out / "current").exists())
    assert any(gone)


@pytest.mark.parametrize("scene", SCENES, indirect=True)
def test_a_full_disk_at_any_step_changes_nothing_published(scene):
    out = scene("counted")
    with stopping_at(0, Killed, for_good=False) as calls:
        publish(NEW, out)
    refused = set()
    for step in range(1, len(calls) + 1):
        out = scene(f"full-{step}")
        had = (out / "current").exists()
        try_it = pytest.raises(CannotWrite, match="No space left on device.*the last list stands")
        with (
            stopping_at(step, lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), for_good=False),
            try_it as caught,
        ):
            publish(NEW, out)
        refused.add(caught.value.exit_code)
        assert [name for name in hidden(out) if name.endswith((".staging", ".bridge", ".new"))] == []
        if had:
            assert_whole(out / "current")
        if (out / "2026-11-20").exists():
            assert_whole(out / "2026-11-20")
    assert refused == {73, 74}


def test_a_disk_that_fills_in_the_middle_of_a_file_is_one_line_and_leaves_the_old_list(tmp_path):
    """In a process of its own, whose files may not grow beyond so many bytes:
    the libraries that write must fail cleanly too.
    """
    program = """
import datetime as dt, gc, json, resource, sys
from pathlib import Path
from tests.worlds.paper_nights import AS_OF, night
from features.errors import CannotWrite
from pipeline.pages.publish import publish
out = Path(sys.argv[1])
publish(night(20, as_of=AS_OF - dt.timedelta(1)), out)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
made = night(20)
for most in [int(text) for text in sys.argv[2:]]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        publish(made, out)
    except CannotWrite as refusal:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        print(json.dumps([most, refusal.exit_code, str(refusal), sorted(path.name for path in out.iterdir())]))
gc.collect()
"""
    sizes = [0, 3_000, 6_000, 9_000, 12_000, 16_000, 30_000, 60_000]
    given = [sys.executable, "-c", program, str(tmp_path), *map(str, sizes)]
    ran = subprocess.run(
        given, check=True, cwd=HOUSE, env=os.environ | {"PYTHONPATH": str(HOUSE)}, capture_output=True, text=True
    )
    told = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [most for most, *_ in told] == sizes
    for _, code, sentence, left in told:
        assert code == 74
        assert re.fullmatch(r"[\w.]+ cannot be written \(File too large\)\. [^\n]+ the last list stands\.", sentence)
        assert left == [SEAL, "2026-11-19", "current", "published.jsonl"]
    assert len({sentence for _, _, sentence, _ in told}) >= 3  # the parquet, the workbook and the page each failed once
    assert ran.stderr == ""
    assert_whole(tmp_path / "current")


def test_a_place_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "out").write_text("a file stands here")
    with pytest.raises(CannotWrite, match="cannot be created") as caught:
        publish(night(3), tmp_path / "out")
    assert caught.value.exit_code == 73


def test_a_folder_named_current_is_not_removed(tmp_path):
    (tmp_path / "current").mkdir()
    (tmp_path / "current" / "mine.txt").write_text("mine")
    with pytest.raises(CannotWrite, match="cannot be created"):
        publish(night(3), tmp_path)
    assert (tmp_path / "current" / "mine.txt").read_text() == "mine"


def read_through_one_folder(out: Path) -> bool | None:
    """Whether the list `current` leads to is whole and of one piece;
    None when its folder was cleared away while it was read.
    """
    folder = os.open(out / "current", os.O_RDONLY | os.O_DIRECTORY)

    def read(name: str) -> bytes:
        with open(name, "rb", opener=lambda path, flags: os.open(path, flags, dir_fd=folder)) as file:
            return file.read()

    try:
        outputs = json.loads(read("manifest.json"))["outputs"]
        return all(hashlib.sha256(read(name)).hexdigest() == said["sha256"] for name, said in outputs.items())
    except FileNotFoundError:
        return None
    finally:
        os.close(folder)


def test_no_reader_of_current_sees_a_torn_list(tmp_path, quick_faces):
    publish(OLD, tmp_path)
    reads: list[bool | None] = []
    faults: list[BaseException] = []
    done = threading.Event()

    def reader() -> None:
        try:
            while not done.is_set():
                with contextlib.suppress(
                    FileNotFoundError
                ):  # replaced twice while being read: gone, not torn, so it is read again
                    reads.append(read_through_one_folder(tmp_path))
        except BaseException as fault:
            faults.append(fault)

    thread = threading.Thread(target=reader)
    thread.start()
    for turn in range(40):
        publish((OLD, NEW)[turn % 2], tmp_path)
    done.set()
    thread.join()
    assert faults == []
    assert reads.count(True) > 20
    assert reads.count(False) == 0


def test_the_torn_read_test_catches_a_torn_list(tmp_path):
    place = publish(night(3), tmp_path)
    (place / "worklist.csv").write_text("half")
    assert read_through_one_folder(tmp_path) is False


# ---- an expired list -------------------------------------------------------------------------------------------------


def test_after_a_failed_night_the_last_list_says_that_it_has_expired(tmp_path):
    place = publish(night(), tmp_path)
    before = content(place)
    notice = mark_expired(tmp_path, AS_OF + dt.timedelta(1), "Payments are not complete through 2026-11-20.")
    assert notice == tmp_path / "EXPIRED.txt"
    said = notice.read_text()
    assert "THE LIST HERE HAS EXPIRED" in said
    assert "2026-11-20, and it was for that day only" in said
    assert "The night of 2026-11-21 did not publish a new one. Payments are not complete through 2026-11-20." in said
    assert stat.S_IMODE(notice.stat().st_mode) == 0o600
    assert content(place) == before
    assert "PÉRIMÉE" in mark_expired(tmp_path, AS_OF + dt.timedelta(2), "Retard.", language="fr").read_text()
    publish(night(as_of=AS_OF + dt.timedelta(2)), tmp_path)
    assert not notice.exists()


def test_a_list_that_still_holds_is_not_marked(tmp_path):
    assert mark_expired(tmp_path, AS_OF, "Late.") is None
    publish(night(), tmp_path)
    assert mark_expired(tmp_path, AS_OF, "Late.") is None
    assert not (tmp_path / "EXPIRED.txt").exists()


def test_an_older_night_made_again_leaves_the_notice(tmp_path):
    publish(night(), tmp_path)
    mark_expired(tmp_path, AS_OF + dt.timedelta(1), "Late.")
    publish(night(as_of=AS_OF - dt.timedelta(3)), tmp_path)
    assert (tmp_path / "EXPIRED.txt").exists()


# ---- a list put back -------------------------------------------------------------------------------------------------

NOW = dt.datetime(2026, 11, 21, 9, tzinfo=dt.UTC)
DAY_BEFORE = AS_OF - dt.timedelta(1)


@pytest.fixture
def two_lists(tmp_path):
    for day in (DAY_BEFORE, AS_OF):
        publish(night(3, as_of=day), tmp_path)
    return tmp_path


def test_a_kept_list_is_put_back_with_who_and_why_and_says_of_which_day_it_is(two_lists):
    before = content(two_lists / DAY_BEFORE.isoformat())
    roll_back(two_lists, DAY_BEFORE, "A. Keeper", "wrong rates", NOW)
    assert str((two_lists / "current").readlink()) == DAY_BEFORE.isoformat()
    assert content(two_lists / DAY_BEFORE.isoformat()) == before
    said = (two_lists / "EXPIRED.txt").read_text()
    assert f"The list in `current` is of {DAY_BEFORE}, and it was for that day only" in said
    assert f"A. Keeper put the list of {DAY_BEFORE} back at 2026-11-21T09:00:00+00:00" in said
    assert f"in the place of that of {AS_OF}: wrong rates" in said
    last = json.loads((two_lists / "published.jsonl").read_text().splitlines()[-1])
    assert (last["by"], last["why"], last["instead_of"]) == ("A. Keeper", "wrong rates", AS_OF.isoformat())


def test_what_was_put_back_stands_until_other_content_is_published(two_lists):
    roll_back(two_lists, DAY_BEFORE, "A. Keeper", "wrong rates", NOW)
    publish(night(3), two_lists)
    assert str((two_lists / "current").readlink()) == DAY_BEFORE.isoformat()
    assert "wrong rates" in mark_expired(two_lists, AS_OF + dt.timedelta(1), "Late.").read_text()
    publish(night(4), two_lists)
    assert str((two_lists / "current").readlink()) == AS_OF.isoformat()
    assert not (two_lists / "EXPIRED.txt").exists()


def test_a_decision_stands_when_an_older_list_is_published_again_or_removed(two_lists):
    older = AS_OF - dt.timedelta(5)
    publish(night(3, as_of=older), two_lists)
    roll_back(two_lists, DAY_BEFORE, "A. Keeper", "wrong rates", NOW)
    publish(night(4, as_of=older), two_lists)
    vouch(two_lists, older.isoformat(), "0" * 64, "removed", why="retention.nights")
    assert put_back(two_lists)["why"] == "wrong rates"
    publish(night(3), two_lists)
    assert str((two_lists / "current").readlink()) == DAY_BEFORE.isoformat()


def test_the_notice_of_a_list_put_back_stays_when_that_list_is_made_again(two_lists):
    roll_back(two_lists, DAY_BEFORE, "A. Keeper", "wrong rates", NOW)
    before = (two_lists / "EXPIRED.txt").read_text()
    publish(night(3, as_of=DAY_BEFORE), two_lists)
    assert (two_lists / "EXPIRED.txt").read_text() == before


def test_the_newest_list_can_be_put_back_in_turn_and_then_has_not_expired(two_lists):
    roll_back(two_lists, DAY_BEFORE, "A. Keeper", "wrong rates", NOW)
    roll_back(two_lists, AS_OF, "A. Keeper", "the rates were right", NOW)
    assert str((two_lists / "current").readlink()) == AS_OF.isoformat()
    assert not (two_lists / "EXPIRED.txt").exists()
    assert examine_nights(two_lists).faults == []


def test_a_damaged_or_absent_list_is_not_put_back(two_lists):
    place = two_lists / DAY_BEFORE.isoformat() / "worklist.csv"
    place.write_bytes(place.read_bytes()[:-1])
    with pytest.raises(NightDamaged, match=r"worklist.csv' is damaged"):
        roll_back(two_lists, DAY_BEFORE, "A. Keeper", "wrong rates", NOW)
    with pytest.raises(NightGone, match=f"Night 2026-01-01 is not kept. Kept are {DAY_BEFORE} to {AS_OF}, 2 nights"):
        roll_back(two_lists, dt.date(2026, 1, 1), "A. Keeper", "wrong rates", NOW)
    with pytest.raises(RollbackRefused, match=f"'current' leads to the list of {AS_OF} already"):
        roll_back(two_lists, AS_OF, "A. Keeper", "wrong rates", NOW)
    with pytest.raises(RollbackRefused, match="both are recorded"):
        roll_back(two_lists, DAY_BEFORE, "A. Keeper", " ", NOW)
    assert str((two_lists / "current").readlink()) == AS_OF.isoformat()
    assert "put back" not in (two_lists / "published.jsonl").read_text()


@pytest.mark.parametrize("name", [AS_OF.isoformat(), f".{AS_OF}.staging", "EXPIRED.txt", "published.jsonl", SEAL])
def test_a_link_in_the_place_of_ours_is_refused_with_its_remedy(tmp_path, name):
    (tmp_path / "elsewhere").mkdir()
    out = tmp_path / "out"
    out.mkdir()
    (out / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CannotWrite, match=f"{re.escape(name)}' is a link.* Remove the link") as refused:
        publish(night(3), out)
    assert refused.value.exit_code == 73
    assert list((tmp_path / "elsewhere").iterdir()) == []
    (out / name).unlink()
    publish(night(3), out)


def test_a_notice_that_cannot_be_written_says_so(tmp_path):
    publish(night(), tmp_path)
    (tmp_path / "EXPIRED.txt").mkdir()
    with pytest.raises(CannotWrite, match="EXPIRED.txt.* cannot be created"):
        mark_expired(tmp_path, AS_OF + dt.timedelta(1), "Late.")


def test_a_dialler_gets_its_own_columns_in_its_own_order(tmp_path):
    made = night(20)
    heads = {"net_value": "PRIO", "account_id": "ACCT=ID", "contact_from": "FROM", "asked": "ASK"}
    place = publish(replace(made, dialler=heads), tmp_path)
    lines = (place / "dialler.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "PRIO,ACCT=ID,FROM,ASK"
    first, unit = made.worklist.iloc[2], 10 ** made.decimals[made.worklist["currency"].iloc[2]]
    asked = first["arrears"] - first["arrears"] // 10  # a tenth of it is disputed
    assert lines[3].split(",")[1:3] == [first["account_id"], first["contact_from"]]
    assert float(lines[3].split(",")[3]) == asked / unit
    assert lines[1].startswith(f"{made.worklist['net_value'].iloc[0] / 100:.2f},{made.worklist['account_id'].iloc[0]},")
    assert len(lines) == 21
    assert json.loads((place / "manifest.json").read_bytes())["outputs"]["dialler.csv"]["rows"] == 20
    assert (place / "worklist.csv").read_text(encoding="utf-8").splitlines()[0] == ",".join(WORKLIST_COLUMNS)


def test_without_a_mapping_there_is_no_file_for_a_dialler(tmp_path):
    assert not (publish(night(5), tmp_path) / "dialler.csv").exists()


def test_an_unknown_language_is_refused(tmp_path):
    with pytest.raises(UsageError, match="worklist.language must be one of de, en, es, fr. Got 'tlh'"):
        publish(night(language="tlh"), tmp_path)
    assert hidden(tmp_path) == []
