"""A night killed, starved of disk, started eight times, resumed, made again and refused: R1, R2, R3, R5, R6, R19 and
R22 of what a night promises.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import pytest

from features.errors import ContractError
from pipeline.intake.ingest import ingest
from pipeline.store.locks import only_run
from tests.worlds.commands import recoup
from tests.worlds.deliveries import PARAMS, payment, world, write
from tests.worlds.houses import NIGHTS, RECOUP, copy_of, short_terms
from tests.worlds.programs import program
from tests.worlds.promises import PROMISES
from tests.worlds.readers import Reader
from tests.worlds.runs import Runs

pytestmark = pytest.mark.slow

HOUSE = Path(__file__).parents[2]
LAST = NIGHTS[-1].isoformat()
OURS = {".lock", ".published.seal", *(f".stages-{night}.json" for night in NIGHTS)}  # what may begin with a dot in OUT


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Iterator[Runs]:
    with Runs(tmp_path_factory.mktemp("runs")) as running:
        yield running


@pytest.fixture
def before(three_nights, tmp_path) -> Path:
    """Two nights are published, and the third is to be."""
    return begun(three_nights, tmp_path / "before")


def begun(three_nights: Path, place: Path) -> Path:
    """Where a copy lies is in no published byte."""
    folder = copy_of(three_nights.parent / "two", place)
    short_terms(folder)
    return folder


def last_night(folder: Path) -> dict[str, str]:
    """sha256 of every file of the third night; of the manifest, without its `run` block."""
    place = folder / "out" / LAST
    found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in place.rglob("*.*")}
    manifest = {**json.loads((place / "manifest.json").read_text()), "run": None}
    return {**found, "manifest.json": json.dumps(manifest, sort_keys=True)}


def command(folder: Path, *more: str) -> tuple[str, ...]:
    return ("run", "--as-of", LAST, "--params", str(folder / "params.yaml"), *more)


def night_of(folder: Path) -> list[str]:
    return [str(RECOUP), *command(folder)]


def left_over(folder: Path) -> list[str]:
    """Drafts, staging and shelves that nobody needs any more."""
    hidden = [place for place in (folder / "out").iterdir() if place.name.startswith(".") and place.name not in OURS]
    hidden += list((folder / "store").rglob(".*.draft"))
    hidden += list((folder / "temp").iterdir()) if (folder / "temp").exists() else []
    return [str(place) for place in [*hidden, *(folder / "store").glob(".staging*")]]


def test_the_reader_counts_whatever_is_not_of_one_piece_as_torn(tmp_path):
    """The canary of R01: lists as a night that is not atomic would leave them."""
    night, reader = tmp_path / "one", Reader(tmp_path)
    (tmp_path / "current").symlink_to("one")
    whole = {"list.csv": b"a", "manifest.json": json.dumps({"outputs": {"list.csv": {"sha256": A}}}).encode()}
    torn: list[dict[str, bytes]] = [
        {"list.csv": b"a"},
        {"manifest.json": whole["manifest.json"]},
        {**whole, "list.csv": b"b"},
        {**whole, "manifest.json": whole["manifest.json"][:-9]},
        {**whole, "manifest.json": b'{"outputs": {}}'},
        {},
    ]
    for number, files in enumerate([whole, *torn]):
        shutil.rmtree(night, ignore_errors=True)
        night.mkdir()
        for name, held in files.items():
            (night / name).write_bytes(held)
        reader.look()
        assert (reader.read, reader.torn) == (1 + number, number)
    shutil.rmtree(night)
    reader.look()
    assert reader.torn == len(torn) + 1


def test_a_folder_that_another_replaced_while_it_was_read_is_not_torn(tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    (tmp_path / "two" / "list.csv").write_bytes(b"a")
    (tmp_path / "two" / "manifest.json").write_text(json.dumps({"outputs": {"list.csv": {"sha256": A}}}))
    (tmp_path / "current").symlink_to("one")
    reader, opened = Reader(tmp_path), os.open

    def replaced(place, *given, **named):
        found = opened(place, *given, **named)
        if place == tmp_path / "current":
            (tmp_path / "new").symlink_to("two")
            (tmp_path / "new").replace(place)
        return found

    monkeypatch.setattr(os, "open", replaced)
    reader.look()
    assert (reader.read, reader.torn) == (0, 0)
    reader.look()
    assert (reader.read, reader.torn) == (1, 0)


A = hashlib.sha256(b"a").hexdigest()


def test_r01_a_night_killed_at_any_moment_is_never_torn_and_ends_undisturbed(attacks, three_nights, runs, tmp_path):
    undisturbed = last_night(three_nights)
    whole = runs.run(*command(begun(three_nights, tmp_path / "timed")))
    assert whole.code == 0, whole.said
    for number, chance in enumerate(attacks):
        folder = begun(three_nights, tmp_path / f"killed-{number}")
        (folder / "temp").mkdir()
        temp = {"TMPDIR": str(folder / "temp")}
        after, alone = chance.uniform(0.05, whole.seconds), number % 2 == 1
        with Reader(folder / "out") as reader:
            cut = runs.run(*command(folder), environment=temp, kill_after=after, parent_alone=alone)
            assert cut.code in (-9, 0)
            if (folder / "out" / "current").resolve().name != LAST and list((folder / "out").glob(".shards-*")):
                assert "has begun" in (folder / "out" / "EXPIRED.txt").read_text()
            if alone:
                assert runs.children_end_within(1)
            for left in (folder / "temp").iterdir():
                os.utime(left, (0, 0))  # as if it had lain there for a while
            again = runs.run(*command(folder), environment=temp)
        assert again.code == 0, again.said
        assert (reader.torn, reader.read > 0) == (0, True)
        assert last_night(folder) == undisturbed
        assert (folder / "out" / "current").resolve().name == LAST
        assert left_over(folder) == []
        shutil.rmtree(folder)


PRELOAD = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
/* From the NTH write into files below FAILS_BELOW on, every write says that the disk is full; 0: where the disk itself
   says so alone. FAILS_TOLD gets of each failure its time, the processor time of the process by then and the file.
   With FAILS_KILLS the process is killed there instead, once half is written. */
static long calls = 0;
static const char *ours(int opened, char *path, size_t room) {
    char link[64];
    const char *below = getenv("FAILS_BELOW");
    snprintf(link, sizeof link, "/proc/self/fd/%d", opened);
    ssize_t length = below ? readlink(link, path, room - 1) : 0;
    if (length <= 0) return NULL;
    path[length] = 0;
    return strncmp(path, below, strlen(below)) ? NULL : path;
}
static int failed(const char *path) {
    struct timespec now, used;
    char line[4200];
    clock_gettime(CLOCK_REALTIME, &now);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    int told = syscall(SYS_open, getenv("FAILS_TOLD"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    int length = snprintf(line, sizeof line, "%ld.%03ld %ld.%03ld %s\\n", now.tv_sec, now.tv_nsec / 1000000,
                          used.tv_sec, used.tv_nsec / 1000000, path);
    syscall(SYS_write, told, line, length);
    syscall(SYS_close, told);
    errno = ENOSPC;
    return -1;
}
#define TRIED(name, type, call) \\
    char path[4096]; \\
    const char *file = ours(opened, path, sizeof path); \\
    long nth = atol(getenv("FAILS_NTH") ? getenv("FAILS_NTH") : "0"); \\
    int met = file && nth && __sync_add_and_fetch(&calls, 1) >= nth; \\
    if (met && getenv("FAILS_KILLS")) size /= 2; \\
    else if (met) return failed(file); \\
    type done = call; \\
    if (met) raise(SIGKILL); \\
    return done < 0 && file && errno == ENOSPC ? failed(file) : done;
#define HONEST(type, name, ...) \\
    static type (*honest)(__VA_ARGS__); \\
    if (!honest) honest = dlsym(RTLD_NEXT, name);
ssize_t write(int opened, const void *content, size_t size) {
    HONEST(ssize_t, "write", int, const void *, size_t)
    TRIED("write", ssize_t, honest(opened, content, size))
}
ssize_t pwrite64(int opened, const void *content, size_t size, off64_t at) {
    HONEST(ssize_t, "pwrite64", int, const void *, size_t, off64_t)
    TRIED("pwrite64", ssize_t, honest(opened, content, size, at))
}
int fsync(int opened) {
    size_t size = 0;
    HONEST(int, "fsync", int)
    TRIED("fsync", int, honest(opened))
}
"""
NOT_NEEDED = {"EXPIRED.txt"}  # a night goes on without the notice beside the last list


@pytest.fixture(scope="module")
def failing_disk(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("preload")
    (folder / "fails.c").write_text(PRELOAD)
    subprocess.run(
        [program("cc"), "-shared", "-fPIC", "-o", folder / "fails.so", folder / "fails.c", "-ldl"], check=True
    )
    return folder / "fails.so"


def test_r02_a_disk_that_is_full_leaves_the_old_list_whole_and_current(attacks, three_nights, failing_disk, tmp_path):
    """By turns a tmpfs of some size and a library that fails the N-th write, of OUT and of the store. Where no write
    failed, or the notice alone, there was no attack.
    """
    undisturbed = last_night(three_nights)
    for number, chance in enumerate(attacks):
        folder = begun(three_nights, tmp_path / f"full-{number}")
        old, told = (folder / "out" / "current").resolve().name, tmp_path / f"failed-{number}.txt"
        below = {"LD_PRELOAD": str(failing_disk), "FAILS_TOLD": str(told), "FAILS_BELOW": str(folder / "out")}
        if number % 2:
            place, nth = chance.choice(["out", "store"]), chance.choice([1, 3, 10, chance.randrange(1, 150)])
            done = started(night_of(folder), {**below, "FAILS_BELOW": str(folder / place), "FAILS_NTH": str(nth)})
        else:
            done = on_a_small_disk(folder, chance.randrange(20, 900), below)
        failures = failures_in(told)
        if done.code:
            last = done.said.strip().splitlines()[-1]
            assert done.code in (73, 74), done.said
            assert re.search(r" ERROR .*(cannot be (written|created)|disk is full)", last), done.said
            assert (folder / "out" / "current").resolve().name == old
            assert failures, done.said
            waited, worked = since_the_first(
                [failure for failure in failures if not is_of_a_notice(failure.file)], done
            )
            assert worked < 5, (worked, done.said, failures)
            assert waited < 60, (waited, done.said, failures)
        else:
            assert all(is_of_a_notice(failure.file) for failure in failures), (done.said, failures)
            attacks.miss()
        assert recoup(folder, "verify") == 0
        assert recoup(folder, "run", "--as-of", LAST) == 0
        assert last_night(folder) == undisturbed
        assert left_over(folder) == []
        shutil.rmtree(folder)


class Failure(NamedTuple):
    """A write that failed. at: seconds since 1970; used: seconds of processor time of its process by then."""

    at: float
    used: float
    file: str


def failures_in(told: Path) -> list[Failure]:
    lines = [line.split(" ", 2) for line in told.read_text().splitlines()] if told.exists() else []
    return [Failure(float(at), float(used), file) for at, used, file in lines]


def since_the_first(failures: list[Failure], done: Started) -> tuple[float, float]:
    """Seconds by the clock, and of processor time, from the first failure to the end of the run."""
    return done.at - failures[0].at, done.used - failures[0].used


WRITES = "import sys, time\ntry: open(sys.argv[1], 'wb', 0).write(b'x')\nexcept OSError: {then}"
SPINS = "\n  while time.process_time() < 2: pass"


@pytest.mark.parametrize(
    ("then", "waits", "works"),
    [("pass", False, False), ("time.sleep(2)", True, False), (SPINS, True, True)],
    ids=["ends", "waits", "works"],
)
def test_a_run_that_goes_on_after_its_disk_failed_early_is_caught(failing_disk, tmp_path, then, waits, works):
    """The canary of R02: that the disk fails at once, when little is done yet, excuses no wait."""
    told = tmp_path / "failed.txt"
    below = {"LD_PRELOAD": str(failing_disk), "FAILS_TOLD": str(told), "FAILS_BELOW": str(tmp_path), "FAILS_NTH": "1"}
    done = started([sys.executable, "-c", WRITES.format(then=then), str(tmp_path / "some")], below)
    assert done.code == 0, done.said
    waited, worked = since_the_first(failures_in(told), done)
    assert (waited > 1.5, worked > 1.5) == (waits, works), (waited, worked)


def is_of_a_notice(file: str) -> bool:
    """Of a notice or its draft; a folder is none."""
    return any(name in Path(file).name for name in NOT_NEEDED)


@dataclass(frozen=True)
class Started:
    """code, said: how a run ended. at: when, in seconds since 1970. used: seconds of processor time, of its children
    too: what others take from it is not its own slowness.
    """

    code: int
    said: str
    at: float
    used: float


def started(given: list[str], environment: dict[str, str]) -> Started:
    before = _processor_time()
    done = subprocess.run(given, env={**os.environ, **environment}, capture_output=True, text=True)
    return Started(done.returncode, done.stdout + done.stderr, time.time(), _processor_time() - before)


def _processor_time() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def on_a_small_disk(folder: Path, kib: int, environment: dict[str, str]) -> Started:
    """OUT lies in a tmpfs with so much room beyond what is there, in a mount namespace of the run's own; what is left
    there comes back.
    """
    out, kept, ended = folder / "out", folder / "kept", folder / "ended"
    out.rename(kept)
    out.mkdir()
    there = sum(-(-place.lstat().st_size // 4096) * 4 + 4 for place in kept.rglob("*"))
    script = (
        'mount -t tmpfs -o size="$3"k none "$1" && cp -a "$2/." "$1/" && shift 3 && '
        '{ env "$LOADED" "$@"; code=$?; }; '
        f'date +%s.%N > "{ended}"; rm -rf "{kept}" && cp -a "{out}/." "{folder}/back" ; exit $code'
    )
    (folder / "back").mkdir(mode=0o700)
    way = ["unshare", "-m", "sh", "-c", script, "sh", str(out), str(kept), str(there + kib)]
    loaded = f"LD_PRELOAD={environment['LD_PRELOAD']}"  # of the run alone: copying may fill the disk, too
    others = {name: value for name, value in environment.items() if name != "LD_PRELOAD"}
    done = started([*way, *night_of(folder)], {**others, "LOADED": loaded})
    at = float(ended.read_text())
    ended.unlink()
    out.rmdir()
    (folder / "back").rename(out)
    return replace(done, at=at)


def test_r03_the_same_night_again_is_the_same_bytes_and_a_finished_one_a_no_op(attacks, before, three_nights):
    undisturbed = last_night(three_nights)
    given = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (before / "source").glob("*.*")}
    assert json.loads(undisturbed["manifest.json"])["inputs"] == given
    with attacks.one():
        assert recoup(before, "run", "--as-of", LAST) == 0
        assert last_night(before) == undisturbed
    with attacks.one():
        there = {str(place): place.stat().st_mtime_ns for place in before.rglob("*") if place.is_file()}
        (before / "out" / ".shards-0123456789abcdef").mkdir()  # of a run that was killed once its list was published
        began = time.process_time()
        assert recoup(before, "run", "--as-of", LAST) == 0
        assert time.process_time() - began < (3 if attacks.full else 30)
        assert list((before / "out").glob(".shards-*")) == []
        assert {str(place): place.stat().st_mtime_ns for place in before.rglob("*") if place.is_file()} == there
    with attacks.one():  # the params have one worker
        shutil.rmtree(before / "out" / LAST)
        place = before / "params.yaml"
        assert place.read_text().count("  workers: 1\n") == 1
        place.write_text(place.read_text().replace("  workers: 1\n", "  workers: 2\n"))
        assert recoup(before, "worklist", "--as-of", LAST) == 0
        assert last_night(before) == undisturbed


def test_r05_of_eight_starts_one_publishes_and_a_killed_one_frees_the_lock(attacks, three_nights, tmp_path):
    undisturbed = last_night(three_nights)
    for turn in range(attacks.count // 8):
        folder = begun(three_nights, tmp_path / f"eight-{turn}")
        said = [tmp_path / f"said-{turn}-{number}.txt" for number in range(8)]
        started = []
        for place in said:
            with place.open("w") as file:
                started.append(subprocess.Popen([str(RECOUP), *command(folder)], stdout=file, stderr=file))
        used: dict[int, float] = {}
        while len(used) < 8:
            number, status, usage = os.wait3(0)
            used[number] = usage.ru_utime + usage.ru_stime
            next(one for one in started if one.pid == number).returncode = os.waitstatus_to_exitcode(status)
        told = [(one.returncode, place.read_text()) for one, place in zip(started, said, strict=True)]
        with attacks.one(8):
            assert {code for code, _ in told} == {0, 75}, told
            assert all("Another run works on" in text for code, text in told if code == 75), told
            # One that began after the night was published, on a busy machine, finds nothing to do.
            assert sum("Nothing was done." not in text for code, text in told if code == 0) == 1, told
            # Full counts are made on a quiet machine; on a busy one processor time swells, and the quickest tells.
            losers = [used[one.pid] for one in started if one.returncode == 75]
            assert max(losers) < 1 if attacks.full else min(losers) < 5, losers
            assert last_night(folder) == undisturbed
            held = begun(three_nights, tmp_path / f"held-{turn}")
            assert freed_after(held, attacks.chance(turn).uniform(0, 1.5)) < (1 if attacks.full else 30)
            assert recoup(held, "run", "--as-of", LAST) == 0
            assert last_night(held) == undisturbed


def freed_after(folder: Path, seconds: float) -> float:
    """Seconds from the SIGKILL of a run with two workers, so long after it took the lock of OUT, until another may."""
    from pipeline.store.locks import is_held

    place = folder / "params.yaml"
    place.write_text(place.read_text().replace("  workers: 1\n", "  workers: 2\n"))
    given = [str(RECOUP), *command(folder)]
    with subprocess.Popen(given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as holder:
        while not is_held(folder / "out"):
            assert holder.poll() is None
            time.sleep(0.005)
        time.sleep(seconds)
        assert is_held(folder / "out")
        holder.kill()
        began = time.perf_counter()
        while is_held(folder / "out"):
            time.sleep(0.005)
        freed = time.perf_counter() - began
    short_terms(folder)
    return freed


# Where a night is cut off -> how many of its two shards the next run uses again.
CUTS = [
    ("pipeline.night.night:rank_night", 1, 2),
    ("pipeline.night.shards:keep", 2, 1),
    ("pipeline.night.night:opened_rows", 1, 2),
    ("pipeline.night.night:publish", 1, 2),
    ("pipeline.night.pins:Stamps.mark", 1, None),  # it is published; only its marks are missing
    ("pipeline.run:retire", 1, None),
]


def test_r06_a_night_cut_off_after_a_shard_or_a_stage_goes_on_there(attacks, three_nights, runs, tmp_path):
    undisturbed = last_night(three_nights)
    for number, (place, call, reused) in enumerate(CUTS[: attacks.count]):
        folder = begun(three_nights, tmp_path / f"cut-{number}")
        with attacks.one():
            assert runs.run(*command(folder), killed_in=(place, call)).code == -9
            again = runs.run(*command(folder))
            assert again.code == 0, again.said
            assert last_night(folder) == undisturbed
            run = json.loads((folder / "out" / LAST / "manifest.json").read_text())["run"]
            assert reused in (None, run["shards_reused"])
            assert (f"and not made again: {reused} of 2 shards." in again.said) == (reused is not None)
            stages = ["verify inputs", "score and judge", "rank", "explain", "monitor", "publish"]
            assert [stage["stage"] for stage in run["stages"]][-6:] == stages
            assert left_over(folder) == []
            assert "Nothing was done." in runs.run(*command(folder)).said
        shutil.rmtree(folder)


def test_r19_a_night_whose_inputs_are_not_there_is_refused_and_marks_the_old_list(attacks, own, tmp_path, capsys):
    def emptied(source: Path) -> None:
        with gzip.open(source / "accounts.csv.gz", "rt") as file:
            header = file.readline()
        with gzip.open(source / "accounts.csv.gz", "wt") as file:
            file.write(header)
        (source / "accounts.control.json").unlink()

    harms = {
        "zero rows": (emptied, LAST, 65),
        "a table that is gone": (lambda source: (source / "payments.csv.gz").unlink(), LAST, 65),
        "no table at all": (lambda source: [place.unlink() for place in source.glob("*.*")], LAST, 66),
        "a late feed": (lambda source: None, "2026-10-02", 66),
    }
    old = last_night(own)
    for harm, night, code in attacks.over(harms.values()):
        source = copy_of(own / "source", own / "harmed")
        harm(source)
        assert recoup(own, "run", "--as-of", night, "--source", str(source)) == code
        assert " ERROR " in capsys.readouterr().err
        assert last_night(own) == old
        assert (own / "out" / "current").resolve().name == LAST
        assert (own / "out" / "EXPIRED.txt").exists() == (night != LAST)
        shutil.rmtree(source)
        (own / "out" / "EXPIRED.txt").unlink(missing_ok=True)
    ingest(write(tmp_path / "usual", world(**paid(MONDAY, 12, 80))), tmp_path / "store", PARAMS)
    for count, share in attacks.over([(55, "69%"), (121, "151%")]):
        odd = write(tmp_path / share, paid(MONDAY + dt.timedelta(14), 1, count))
        with pytest.raises(ContractError, match=f"'payments' has {count} rows for 3 new days, {share} of the usual 80"):
            ingest(odd, tmp_path / "store", PARAMS)
    for feed in attacks.over(["payments", "contacts", "statuses"]):
        late = copy_of(own, tmp_path / f"late-{feed}")
        short_terms(late)
        source = ("--as-of", NEXT, "--source", str(next_day(own / "source", late / "next", {feed: LAST_DAY})))
        assert recoup(late, "run", *source) == 66
        assert re.search(rf"needs every declared table through {LAST}: .*{feed}", capsys.readouterr().err)
        assert last_night(late) == old
        assert NEXT in (late / "out" / "EXPIRED.txt").read_text()
    place = own / "params.yaml"
    place.write_text(place.read_text().replace("  rows_a_day: {}\n", "  rows_a_day: {payments: [50, 90]}\n"))
    source = ("--as-of", NEXT, "--source", str(next_day(own / "source", own / "next", {})))
    with attacks.one():
        assert recoup(own, "run", *source) == 65
        assert "outside the 50 to 90 that ingest.rows_a_day" in capsys.readouterr().err
        assert "outside the 50 to 90" in (own / "out" / "EXPIRED.txt").read_text()
        assert recoup(own, "run", *source, "--accept-volume", "a holiday") == 0
        manifest = json.loads((own / "out" / "current" / "manifest.json").read_text())
        assert (manifest["as_of"], manifest["accepted_volume"]) == (NEXT, "a holiday")
        assert not (own / "out" / "EXPIRED.txt").exists()


LAST_DAY, NEXT = "2026-09-30", "2026-10-02"


def next_day(source: Path, place: Path, through: dict[str, str]) -> Path:
    """The delivery of the next night: one payment, and no row in any other table. through: the last day that is all
    there, of tables that are late.
    """
    place.mkdir()
    for file in source.glob("*.csv.gz"):
        name, rows = file.name.removesuffix(".csv.gz"), []
        with gzip.open(file, "rt", encoding="utf-8", newline="") as opened:
            head = next(csv.reader(opened))
            if name == "payments":
                paid_ = dict(zip(head, next(csv.reader(opened)), strict=True))
                fresh = {"payment_id": "NEW", "occurred_at": f"{LAST}T10:00:00Z", "known_at": "", "kind": "payment"}
                rows = [[{**paid_, **fresh, "reverses": "", "charge_id": ""}[column] for column in head]]
        with (place / f"{name}.csv").open("w", encoding="utf-8", newline="") as written:
            csv.writer(written).writerows([head, *rows])
        control = {"rows": len(rows), "complete_through": through.get(name, LAST)}
        (place / f"{name}.control.json").write_text(json.dumps(control))
    return place


MONDAY = dt.date(2026, 2, 2)


def paid(first: dt.date, days: int, count: int) -> dict:
    """So many payments on each day, weekends none."""
    found = [first + dt.timedelta(number) for number in range(days)]
    on = [day.isoformat() for day in found if day.weekday() < 5]
    rows = [payment(payment_id=f"{day}-{each}", occurred_at=day, amount="1.00") for day in on for each in range(count)]
    return {"payments": rows}


def _altered(folder: Path) -> None:
    place = next((folder / "store" / "payments").glob("*/*.parquet"))
    place.write_bytes(place.read_bytes()[:-1])


def _not_approved(folder: Path) -> None:
    (folder / "store" / "models").mkdir(exist_ok=True)
    (folder / "store" / "models" / "champion.json").write_text("{}")


def _faulty(folder: Path) -> None:
    (folder / "source" / "payments.csv.gz").write_bytes(b"no archive")


def _gone(folder: Path) -> None:
    shutil.rmtree(folder / "source")


def _plain_file(folder: Path) -> None:
    shutil.rmtree(folder / "out")
    (folder / "out").write_text("a file")


def _linked(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "out" / "2026-10-01").symlink_to(folder / "elsewhere")


def _in_ranking(does: str) -> dict[str, str]:
    """The environment of a run in whose ranking this happens."""
    return {"MEANWHILE": does}


BUG, STOPPED, BROKEN_OFF = "{}['x']", "os.kill(os.getpid(), signal.SIGTERM)", "os.kill(os.getpid(), signal.SIGINT)"
MEANWHILE = """
import os, signal
if "MEANWHILE" in os.environ:
    import pipeline.night.night as room
    ranked = room.rank_night
    def rank_night(*given):
        exec(os.environ["MEANWHILE"])
        return ranked(*given)
    room.rank_night = rank_night
"""
NEVER = {"FAILS_NTH": "1"}
# What went wrong -> how the run ends, what its last line says, whether the last list is marked: not where nobody can
# tell which it is, nor by one who meets another run's lock.
FAILURES = {
    "params": (lambda folder: (folder / "params.yaml").write_text("seed: [1"), 2, "params.yaml", False),
    "a bug": (_in_ranking(BUG), 70, "A bug: KeyError at ", True),
    "another run": ("lock", 75, "Another run works on", False),
    "no such option": (None, 2, "No such option", False),
    "no source": (_gone, 66, "There is no source folder", True),
    "a full disk": (NEVER, 74, "cannot be written", True),
    "no place": (_plain_file, 73, "cannot be created", False),
    "a delivery that is none": (_faulty, 65, "payments.csv.gz", True),
    "an altered store": (_altered, 65, "is damaged", True),
    "no approval": (_not_approved, 77, "champion.json", True),
    "a link": (_linked, 73, "link", True),
    "a late feed": ("2026-10-02", 66, "needs every declared table through 2026-10-01", True),
    "terminated": (_in_ranking(STOPPED), 143, "Terminated. Nothing was half-written; run it again.", True),
    "interrupted": (_in_ranking(BROKEN_OFF), 130, "Interrupted. Nothing was half-written; run it again.", True),
}


def _heeding() -> None:
    """As cron starts it, also where the tests themselves were begun with interrupts ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_r22_every_failure_ends_with_its_code_and_a_sentence_under_cron(attacks, three_nights, failing_disk, tmp_path):
    """As cron starts it: no terminal, hardly an environment, another folder. A metrics file is there from before."""
    (tmp_path / "meanwhile").mkdir()
    (tmp_path / "meanwhile" / "sitecustomize.py").write_text(MEANWHILE)
    failures, cuts = shared(attacks.count)
    for name, (harm, code, said, marked) in list(FAILURES.items())[:failures]:
        folder = begun(three_nights, tmp_path / name.replace(" ", "-"))
        night = harm if isinstance(harm, str) and harm != "lock" else LAST
        given = {"HOME": "/", "PATH": "/usr/bin:/bin"}
        if callable(harm):
            harm(folder)
        elif harm is NEVER:
            told = {"FAILS_BELOW": str(folder / "store" / "scores"), "FAILS_TOLD": str(tmp_path / "failed.txt")}
            given |= {"LD_PRELOAD": str(failing_disk), **NEVER, **told}
        elif isinstance(harm, dict):
            given |= {"PYTHONPATH": str(tmp_path / "meanwhile"), **harm}
        more = ["--nonsense"] if harm is None else []
        metrics = metrics_before(folder)
        with attacks.one(), only_run(folder / "out") if harm == "lock" else nullcontext():
            done = by_cron(folder, night, given, *more)
            assert done.returncode == code, (name, done.stderr)
            last = done.stderr.strip().splitlines()[-1]
            assert " ERROR " in done.stderr or last.startswith("ERROR "), done.stderr
            assert said in last, done.stderr
            assert "Traceback" not in done.stderr
            notice = folder / "out" / "EXPIRED.txt"
            assert (notice.exists() and night in notice.read_text()) == marked, name
            told = metrics.read_text()
            assert told == BEFORE if code in (2, 75) else f"recoup_run_exit_code {code}\n" in told, (name, told)
            assert list(metrics.parent.iterdir()) == [metrics]
        shutil.rmtree(folder)
    folder = copy_of(three_nights, tmp_path / "published")
    short_terms(folder)
    for cut, code in CUT_OFF[:cuts]:
        metrics, below = metrics_before(folder), folder / "metrics"
        given = {"LD_PRELOAD": str(failing_disk), "FAILS_TOLD": str(tmp_path / "cut.txt"), "FAILS_BELOW": str(below)}
        with attacks.one():
            done = by_cron(folder, LAST, {"HOME": "/", "PATH": "/usr/bin:/bin", **given, **cut})
            assert done.returncode == code, done.stderr
            assert ("The metrics file cannot be written (No space left on device)" in done.stderr) == (code == 0)
            assert metrics.read_text() == BEFORE
            left = [place for place in below.iterdir() if place != metrics]
            assert [0 < place.stat().st_size < len(BEFORE) * 99 for place in left] == [True] * (code != 0)
            for place in left:
                os.utime(place, (0, 0))  # as if it had lain there for a while
            assert by_cron(folder, LAST, {"HOME": "/", "PATH": "/usr/bin:/bin"}).returncode == 0
            assert "recoup_run_exit_code 0\n" in metrics.read_text()
            assert list(below.iterdir()) == [metrics]


BEFORE = "recoup_run_exit_code 99\n"  # the metrics file as an earlier night left it
# The disk of the metrics file is full; the run is killed when half of the file is written -> how it ends.
CUT_OFF = [({"FAILS_NTH": "1"}, 0), ({"FAILS_NTH": "1", "FAILS_KILLS": "1"}, -9)]


def shared(count: int) -> tuple[int, int]:
    """Of so many attacks, how many failures and how many metrics files that are cut off, which come first."""
    cuts = min(count, len(CUT_OFF))
    return count - cuts, cuts


def test_as_many_failures_are_tried_as_are_told_however_few():
    whole = len(FAILURES) + len(CUT_OFF)
    assert PROMISES["r22"].full == whole
    for count in range(whole + 1):
        failures, cuts = shared(count)
        assert len(list(FAILURES)[:failures]) + len(CUT_OFF[:cuts]) == count


def metrics_before(folder: Path) -> Path:
    (folder / "metrics").mkdir(exist_ok=True)
    (folder / "metrics" / "recoup.prom").write_text(BEFORE)
    return folder / "metrics" / "recoup.prom"


def by_cron(folder: Path, night: str, environment: dict[str, str], *more: str) -> subprocess.CompletedProcess[str]:
    metrics = ("--metrics", str(folder / "metrics" / "recoup.prom"))
    given = ["run", "--as-of", night, "--params", str(folder / "params.yaml"), *metrics, *more]
    paths = os.pathsep.join([*([environment["PYTHONPATH"]] if "PYTHONPATH" in environment else []), str(HOUSE)])
    hardly = {**environment, "PYTHONPATH": paths}  # the tree that is tested, wherever the program is installed
    return subprocess.run(
        ["env", "-i", *(f"{key}={value}" for key, value in hardly.items()), "sh", "-c", 'exec "$0" "$@"',
         str(RECOUP), *given],
        cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, preexec_fn=_heeding,
    )  # fmt: skip
