"""A night killed, starved of disk, started eight times, resumed, made again and refused: R1, R2, R3, R5, R6, R19 and
R22 of what a night promises.
"""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from features.errors import ContractError
from pipeline.intake.ingest import ingest
from tests.worlds.commands import recoup
from tests.worlds.deliveries import PARAMS, payment, world, write
from tests.worlds.houses import NIGHTS, RECOUP, copy_of, short_terms
from tests.worlds.programs import program
from tests.worlds.readers import Reader
from tests.worlds.runs import Ended, Runs

pytestmark = pytest.mark.slow

HOUSE = Path(__file__).parents[2]
LAST = NIGHTS[-1].isoformat()
OURS = {".lock", *(f".stages-{night}.json" for night in NIGHTS)}  # what may begin with a dot in OUT


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
    found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in place.iterdir()}
    manifest = {**json.loads((place / "manifest.json").read_text()), "run": None}
    return {**found, "manifest.json": json.dumps(manifest, sort_keys=True)}


def command(folder: Path, *more: str) -> tuple[str, ...]:
    return ("run", "--as-of", LAST, "--params", str(folder / "params.yaml"), *more)


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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* From the NTH write into files below FAILS_BELOW on, every write says that the disk is full. */
static long calls = 0;
static int ours(int opened) {
    char link[64], path[4096];
    const char *below = getenv("FAILS_BELOW");
    if (!below) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", opened);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    if (strncmp(path, below, strlen(below))) return 0;
    return __sync_add_and_fetch(&calls, 1) >= atol(getenv("FAILS_NTH"));
}
#define FAILS(opened) if (ours(opened)) { errno = ENOSPC; return -1; }
ssize_t write(int opened, const void *content, size_t size) {
    static ssize_t (*honest)(int, const void *, size_t);
    if (!honest) honest = dlsym(RTLD_NEXT, "write");
    FAILS(opened) return honest(opened, content, size);
}
ssize_t pwrite64(int opened, const void *content, size_t size, off64_t at) {
    static ssize_t (*honest)(int, const void *, size_t, off64_t);
    if (!honest) honest = dlsym(RTLD_NEXT, "pwrite64");
    FAILS(opened) return honest(opened, content, size, at);
}
int fsync(int opened) {
    static int (*honest)(int);
    if (!honest) honest = dlsym(RTLD_NEXT, "fsync");
    FAILS(opened) return honest(opened);
}
"""


def test_r02_a_disk_that_is_full_leaves_the_old_list_whole_and_current(attacks, three_nights, tmp_path):
    """By turns a tmpfs of some size and a library that fails the N-th write, of OUT and of the store."""
    undisturbed = last_night(three_nights)
    (tmp_path / "fails.c").write_text(PRELOAD)
    library = tmp_path / "fails.so"
    subprocess.run([program("cc"), "-shared", "-fPIC", "-o", library, tmp_path / "fails.c", "-ldl"], check=True)
    for number, chance in enumerate(attacks):
        folder = begun(three_nights, tmp_path / f"full-{number}")
        old = (folder / "out" / "current").resolve().name
        if number % 2:
            below = {"LD_PRELOAD": str(library), "FAILS_BELOW": str(folder / ("out", "store")[chance.randrange(2)])}
            done = started(folder, {**below, "FAILS_NTH": str(chance.choice([1, 3, 10, chance.randrange(1, 150)]))})
        else:
            done = on_a_small_disk(folder, chance.randrange(20, 900))
        said = done.said.strip().splitlines()[-1]
        if done.code:
            assert done.code in (73, 74), done.said
            assert re.search(r" ERROR .*(cannot be (written|created)|disk is full)", said), done.said
            assert (folder / "out" / "current").resolve().name == old
        assert recoup(folder, "verify") == 0
        assert recoup(folder, "run", "--as-of", LAST) == 0
        assert last_night(folder) == undisturbed
        assert left_over(folder) == []
        shutil.rmtree(folder)


def started(folder: Path, environment: dict[str, str], *way: str) -> Ended:
    began = time.perf_counter()
    done = subprocess.run(
        [*way, str(RECOUP), *command(folder)], env={**os.environ, **environment}, capture_output=True, text=True
    )
    return Ended(done.returncode, done.stdout + done.stderr, time.perf_counter() - began)


def on_a_small_disk(folder: Path, kib: int) -> Ended:
    """OUT lies in a tmpfs with so much room beyond what is there, in a mount namespace of the run's own; what is left
    there comes back.
    """
    out, kept = folder / "out", folder / "kept"
    out.rename(kept)
    out.mkdir()
    there = sum(-(-place.lstat().st_size // 4096) * 4 + 4 for place in kept.rglob("*"))
    script = (
        'mount -t tmpfs -o size="$3"k none "$1" && cp -a "$2/." "$1/" && shift 3 && { "$@"; code=$?; }; '
        f'rm -rf "{kept}" && cp -a "{out}/." "{folder}/back" ; exit $code'
    )
    (folder / "back").mkdir(mode=0o700)
    way = ["unshare", "-m", "sh", "-c", script, "sh", str(out), str(kept), str(there + kib)]
    done = started(folder, {}, *way)
    out.rmdir()
    (folder / "back").rename(out)
    return done


def test_r03_the_same_night_again_is_the_same_bytes_and_a_finished_one_a_no_op(attacks, before, three_nights):
    undisturbed = last_night(three_nights)
    given = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (before / "source").glob("*.*")}
    assert json.loads(undisturbed["manifest.json"])["inputs"] == given
    with attacks.one():
        assert recoup(before, "run", "--as-of", LAST) == 0
        assert last_night(before) == undisturbed
    with attacks.one():
        there = {str(place): place.stat().st_mtime_ns for place in before.rglob("*") if place.is_file()}
        began = time.process_time()
        assert recoup(before, "run", "--as-of", LAST) == 0
        assert time.process_time() - began < 3
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
            assert min(used[one.pid] for one in started if one.returncode == 75) < 1.5
            assert last_night(folder) == undisturbed
        assert freed_after(folder) < 1


HOLDER = """
import sys
from pathlib import Path
from pipeline.store.locks import only_run
with only_run(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def freed_after(folder: Path) -> float:
    """Seconds from the SIGKILL of whoever holds OUT until another may."""
    from pipeline.store.locks import is_held

    given = [sys.executable, "-c", HOLDER, str(folder / "out")]
    with subprocess.Popen(given, cwd=HOUSE, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert is_held(folder / "out")
        holder.kill()
        began = time.perf_counter()
        while is_held(folder / "out"):
            time.sleep(0.01)
        return time.perf_counter() - began


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
            stages = ["verify inputs", "score and judge", "rank", "explain", "publish"]
            assert [stage["stage"] for stage in run["stages"]][-5:] == stages
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
    assert ingest(odd, tmp_path / "store", PARAMS, accept_volume="a holiday").accepted_volume == "a holiday"


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


# What went wrong -> how the run ends, what its last line says.
FAILURES = {
    "params": (lambda folder: (folder / "params.yaml").write_text("seed: [1"), 2, "params.yaml"),
    "no source": (_gone, 66, "There is no source folder"),
    "no place": (_plain_file, 73, "cannot be created"),
    "no such option": (None, 2, "No such option"),
    "a delivery that is none": (_faulty, 65, "payments.csv.gz"),
    "an altered store": (_altered, 65, "is damaged"),
    "no approval": (_not_approved, 77, "champion.json"),
    "a link": (_linked, 73, "link"),
    "a late feed": ("2026-10-02", 66, "needs every declared table through 2026-10-01"),
}


def test_r22_every_failure_ends_with_its_code_and_a_sentence_under_cron(attacks, three_nights, tmp_path):
    """As cron starts it: no terminal, hardly an environment, another folder."""
    for name, (harm, code, said) in list(FAILURES.items())[: attacks.count]:
        folder = begun(three_nights, tmp_path / name.replace(" ", "-"))
        night = harm if isinstance(harm, str) else LAST
        if callable(harm):
            harm(folder)
        more = ["--nonsense"] if harm is None else []
        line = " ".join([str(RECOUP), "run", "--as-of", night, "--params", str(folder / "params.yaml"), *more])
        with attacks.one():
            done = subprocess.run(
                ["env", "-i", "HOME=/", "PATH=/usr/bin:/bin", "sh", "-c", line],
                cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == code, done.stderr
            last = done.stderr.strip().splitlines()[-1]
            assert " ERROR " in done.stderr or last.startswith("ERROR "), done.stderr
            assert said in last, done.stderr
            assert "Traceback" not in done.stderr
