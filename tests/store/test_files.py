"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from features.errors import ModelRefused
from models.folder import digest
from pipeline.store import files
from pipeline.store.files import (
    first_folder,
    only_owner_reads,
    private_folder,
    whole_file,
    whole_folder,
    write_model,
    write_whole,
)

HOUSE = Path(__file__).parents[2]


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_a_file_stands_whole_in_a_folder_made_for_it(tmp_path):
    with whole_file(tmp_path / "deep" / "list.csv") as draft:
        draft.write_text("a,b\n")
        assert names(tmp_path / "deep") == [draft.name]
    assert names(tmp_path / "deep") == ["list.csv"]
    assert (tmp_path / "deep" / "list.csv").read_text() == "a,b\n"


@pytest.mark.parametrize("stop", [OSError(28, "No space left on device"), KeyboardInterrupt("cut off")])
def test_a_file_that_could_not_be_finished_leaves_the_former_one_and_nothing_else(tmp_path, stop):
    write_whole(tmp_path / "list.csv", "former\n")
    with pytest.raises(type(stop), match="No space|cut off"), whole_file(tmp_path / "list.csv") as draft:  # noqa: PT012
        draft.write_text("half")
        raise stop
    assert names(tmp_path) == ["list.csv"]
    assert (tmp_path / "list.csv").read_text() == "former\n"


def test_a_folder_takes_the_place_of_the_former_one(tmp_path):
    for text in ("former", "newer"):
        with whole_folder(tmp_path / "pages") as draft:
            (draft / f"{text}.html").write_text(text)
    assert names(tmp_path) == ["pages"]
    assert names(tmp_path / "pages") == ["newer.html"]
    assert stat.S_IMODE((tmp_path / "pages").stat().st_mode) == 0o700


@pytest.mark.parametrize("broken", ["filling", "the second rename"])
def test_a_folder_that_could_not_be_finished_leaves_the_former_one_and_nothing_else(tmp_path, monkeypatch, broken):
    with whole_folder(tmp_path / "pages") as draft:
        (draft / "former.html").write_text("former")
    honest, calls = os.rename, []

    def rename(*given):
        calls.append(given)
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        honest(*given)

    with pytest.raises(OSError, match="Input/output"), whole_folder(tmp_path / "pages") as draft:  # noqa: PT012
        (draft / "half.html").write_text("half")
        if broken == "filling":
            raise OSError(5, "Input/output error")
        monkeypatch.setattr(os, "rename", rename)
    assert names(tmp_path) == ["pages"]
    assert names(tmp_path / "pages") == ["former.html"]


def test_a_folder_whose_replacing_was_killed_gets_its_name_back(tmp_path):
    (tmp_path / ".pages.former").mkdir()
    (tmp_path / ".pages.former" / "former.html").write_text("former")
    (tmp_path / ".pages.draft").mkdir()
    with pytest.raises(OSError, match="full"), whole_folder(tmp_path / "pages"):
        raise OSError("full")
    assert names(tmp_path) == ["pages"]
    assert names(tmp_path / "pages") == ["former.html"]


def test_of_two_that_make_one_folder_at_once_the_first_gives_it_its_name(tmp_path):
    """A cluster gives a shard to another machine where it takes one for lost, which may go on."""
    with first_folder(tmp_path / "00003") as lost:
        (lost / "rows").write_text("the same")
        with first_folder(tmp_path / "00003") as again:
            (again / "rows").write_text("the same")
        assert (tmp_path / "00003" / "rows").read_text() == "the same"
        assert (lost / "rows").read_text() == "the same"
    assert (tmp_path / "00003" / "rows").read_text() == "the same"
    assert names(tmp_path) == ["00003"]


MODEL = {"card.json": b"{}", "model.txt": b"tree"}


def test_a_model_is_written_once_and_its_name_keeps_its_content(tmp_path):
    assert write_model(tmp_path / "models" / "m", MODEL) == digest(MODEL)
    before = (tmp_path / "models" / "m").stat().st_mtime_ns
    assert write_model(tmp_path / "models" / "m", MODEL) == digest(MODEL)
    assert (tmp_path / "models" / "m").stat().st_mtime_ns == before
    with pytest.raises(ModelRefused, match="holds other files than its name says"):
        write_model(tmp_path / "models" / "m", {"card.json": b"[]"})
    assert names(tmp_path / "models") == ["m"]
    assert names(tmp_path / "models" / "m") == ["card.json", "model.txt"]


def test_a_model_is_on_the_disk_before_it_has_its_name_and_its_name_before_anything_builds_on_it(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(files, "sync", lambda place: seen.append((place.name, (tmp_path / "m").exists())))
    write_model(tmp_path / "m", MODEL)
    draft = seen[2][0]
    assert re.fullmatch(r"\.m\.[0-9a-f]{12}\.draft", draft)
    assert sorted(seen[:2]) == [("card.json", False), ("model.txt", False)]
    assert seen[2:] == [(draft, False), (tmp_path.name, True)]


def test_a_model_that_could_not_be_written_leaves_nothing(tmp_path, monkeypatch):
    def refuse(place):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "sync", refuse)
    with pytest.raises(OSError, match="No space"):
        write_model(tmp_path / "m", MODEL)
    assert names(tmp_path) == []


@pytest.mark.parametrize(("theirs", "refused"), [(MODEL, False), ({"card.json": b"[]"}, True)])
def test_another_process_may_have_been_first(tmp_path, monkeypatch, theirs, refused):
    """It gave the same name to its draft while ours was being written."""
    synced = files.sync

    def meanwhile(place):
        monkeypatch.setattr(files, "sync", synced)
        (tmp_path / "m").mkdir()
        for name, content in theirs.items():
            (tmp_path / "m" / name).write_bytes(content)

    monkeypatch.setattr(files, "sync", meanwhile)
    refusal = pytest.raises(ModelRefused, match="holds other files") if refused else nullcontext()
    with refusal:
        write_model(tmp_path / "m", MODEL)
    assert names(tmp_path) == ["m"]
    assert names(tmp_path / "m") == sorted(theirs)


def test_only_the_owner_reads_what_is_made_meanwhile(tmp_path):
    ours = os.umask(0o022)
    try:
        with only_owner_reads():
            write_whole(tmp_path / "list.csv", "")
        write_whole(tmp_path / "other.csv", "")
    finally:
        os.umask(ours)
    assert stat.S_IMODE((tmp_path / "list.csv").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "other.csv").stat().st_mode) == 0o644


KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline.store.files import private_folder, whole_file, write_model
place = Path(sys.argv[1])
with private_folder() as folder, whole_file(place / "list.csv") as draft:
    (folder / "rows.csv").write_text("a person")
    draft.write_text("half")
    print(folder, flush=True)
    if sys.argv[2] == "wait":
        sys.stdin.readline()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def _begun(place: Path, how: str) -> subprocess.Popen[str]:
    env = os.environ | {"TMPDIR": str(place)}
    given = [sys.executable, "-c", KILLED, str(place), how]
    return subprocess.Popen(given, cwd=HOUSE, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _aged(place: Path) -> None:
    for left in place.iterdir():
        os.utime(left, (1, 1))


def test_what_a_killed_run_left_is_swept_by_the_next_and_what_another_holds_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with _begun(tmp_path, "at once") as killed:
        left = Path(killed.stdout.readline().strip())
        assert killed.wait() == -signal.SIGKILL
    with _begun(tmp_path, "wait") as working:
        at_work = Path(working.stdout.readline().strip())
        drafts = set(names(tmp_path)) - {left.name, at_work.name}
        assert len(drafts) == 2
        _aged(tmp_path)
        with private_folder() as own:
            assert not left.exists()
            assert (at_work / "rows.csv").read_text() == "a person"
        assert not own.exists()
        write_whole(tmp_path / "list.csv", "whole")
        assert len(set(names(tmp_path)) & drafts) == 1
        working.stdin.write("go on\n")
        working.stdin.flush()
        assert working.wait() == -signal.SIGKILL
    _aged(tmp_path)
    write_whole(tmp_path / "list.csv", "whole")
    with private_folder():
        pass
    assert names(tmp_path) == ["list.csv"]


def test_a_folder_of_somebody_else_s_naming_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "recoup-books").mkdir()
    (tmp_path / ".recoup-scratch-link").symlink_to(tmp_path / "recoup-books")
    _aged(tmp_path)
    with private_folder():
        pass
    assert names(tmp_path) == [".recoup-scratch-link", "recoup-books"]


@pytest.mark.parametrize(("seconds", "swept"), [(0, False), (3, True)])
def test_a_run_begun_right_after_a_kill_sweeps_its_drafts_too(tmp_path, seconds, swept):
    """One of this very moment may be another run's that does not hold it yet; one of three seconds ago is nobody's."""
    left = tmp_path / ".list.csv.0123456789ab.draft"
    left.write_text("half")
    os.utime(left, (time.time() - seconds,) * 2)
    write_whole(tmp_path / "list.csv", "whole")
    assert left.exists() != swept
