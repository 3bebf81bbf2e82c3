"""Commands on a store and nights that lie at s3://: the bytes of folders, whole or not at all, one run at a time."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from features.errors import InputMissing
from tests.worlds.afterwards import NIGHT
from tests.worlds.buckets import CUT, PASS, SECRET, TOO_SKEWED
from tests.worlds.commands import recoup
from tests.worlds.houses import copy_of
from tests.worlds.params import written_params

BETWEEN = "2026-09-15"  # a night that the house has not published


def away(folder: Path, bucket, **changes: object) -> Path:
    """Params in a folder, whose store and nights lie in the bucket."""
    folder.mkdir(exist_ok=True)
    place = written_params(folder / "params.yaml", folder)
    told = yaml.safe_load(place.read_text())
    told["paths"] |= {"store": bucket.store, "out": bucket.out}
    for name, section in changes.items():
        told[name] |= section
    place.write_text(yaml.safe_dump(told, sort_keys=False))
    return folder


@pytest.fixture
def shop(two_nights, bucket, tmp_path):
    """The house of two nights in a bucket, and its params."""
    bucket.filled(two_nights.store, bucket.store)
    bucket.filled(two_nights.out, bucket.out)
    return away(tmp_path / "shop", bucket, paths={"source": str(two_nights.folder / "source")})


def in_force(bucket, folder: str) -> dict[str, bytes]:
    """Every file as the one object names it, but for what only the folder's own runs know."""
    objects, told = bucket.objects(), bucket.current(folder)
    return {path: objects[f"{folder}/{key}"] for path, (_, _, key) in told["files"].items()}


def without_run(manifest: bytes) -> dict:
    told = json.loads(manifest)
    del told["run"]
    return told


def started(folder: Path, *command: str, copies: str) -> subprocess.Popen:
    program = [sys.executable, "-m", "pipeline.cli", *command, "--params", str(folder / "params.yaml")]
    environment = {**os.environ, "RECOUP_COPIES": str(folder / copies)}
    return subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_night_is_byte_for_byte_that_of_folders(shop, two_nights, bucket, tmp_path, capsys):
    local = copy_of(two_nights.folder, tmp_path / "local")
    written_params(local / "params.yaml", local)
    assert recoup(local, "worklist", "--as-of", BETWEEN) == 0
    here = capsys.readouterr().out
    assert recoup(shop, "worklist", "--as-of", BETWEEN) == 0
    assert capsys.readouterr().out == here.replace(str(local / "out"), bucket.out)
    for folder in ("store", "out"):
        theirs = in_force(bucket, folder)
        ours = {
            place.relative_to(local / folder).as_posix(): place.read_bytes()
            for place in (local / folder).rglob("*")
            if place.is_file() and not place.is_symlink() and place.name != ".lock"
        }
        assert {each for each in theirs if not each.startswith("nights_in")} == {
            each for each in ours if not each.startswith("nights_in")
        }
        # Logs tell when an entry came in; stages and records tell the time, too. A night's manifest is looked at below.
        own = ("nights_in", ".stages", ".published", "published")
        same = {
            each for each in ours if not each.startswith(own) and not re.search("_delta_log|seals|manifest.json$", each)
        }
        assert len(same) > 15
        assert {each: ours[each] for each in same} == {each: theirs[each] for each in same}
    night = f"{BETWEEN}/manifest.json"
    assert without_run(theirs[night]) == without_run(ours[night])
    assert bucket.current("out")["links"] == {"current": NIGHT.isoformat()}


def test_delta_rs_reads_the_tables_where_they_lie(shop, two_nights, bucket):
    program = (
        "import os, sys; from deltalake import DeltaTable; found = DeltaTable(sys.argv[1]).to_pyarrow_table(); "
        "print(found.num_rows, flush=True); os._exit(0)"
    )
    from pipeline.store.store import Store

    for name in ("payments", "scores", "assignments"):
        done = subprocess.run(
            [sys.executable, "-c", program, f"{bucket.store}/{name}"], capture_output=True, text=True, check=True
        )
        assert int(done.stdout) == Store(two_nights.store).delta.rows(name)


QUESTIONS = [
    ("runs",),
    ("models",),
    ("verify",),
    ("sql", "SELECT count(*), sum(total_value) FROM lists"),
    ("quarantine", "list"),
    ("explain", "--as-of", NIGHT.isoformat(), "--account", "A0000001"),
    ("eligibility", "--as-of", NIGHT.isoformat(), "--account", "A0000001"),
    ("check", "--account", "A0000001", "--channel", "call", "--at", "2026-10-01T10:15:00+02:00"),
    ("reproduce", "--as-of", NIGHT.isoformat()),
    ("monitor", "--as-of", NIGHT.isoformat()),
    ("run", "--as-of", NIGHT.isoformat(), "--dry-run"),
]


def test_what_only_looks_says_the_same_and_puts_nothing(shop, two_nights, bucket, proxy, tmp_path, capsys):
    local = copy_of(two_nights.folder, tmp_path / "local")
    written_params(local / "params.yaml", local)
    for question in QUESTIONS:
        code = recoup(local, *question)
        said = capsys.readouterr().out
        said = said.replace(str(local / "out"), bucket.out).replace(str(local / "store"), bucket.store)
        assert (question, recoup(shop, *question), capsys.readouterr().out) == (question, code, said)
    assert {method for method, _ in proxy.seen} == {"GET"}


def test_of_two_nights_at_once_one_is_published_and_the_other_ends_with_75(shop, bucket, proxy):
    both, waiting = threading.Event(), set()

    def judge(method: str, path: str) -> str:
        """Nobody puts anything before both have read what is in force."""
        if method == "GET" and path.endswith("store/current.json"):
            waiting.add(len(waiting))
            if len(waiting) == 2:
                both.set()
        elif method == "PUT":
            assert both.wait(600)
        return PASS

    proxy.judge = judge
    command = ("run", "--as-of", BETWEEN, "--metrics")
    runs = [started(shop, *command, str(shop / f"{name}.prom"), copies=name) for name in ("one", "another")]
    said = [(*run.communicate(timeout=900), run.returncode) for run in runs]
    (won, told, _), (silent, lost, code) = sorted(said, key=lambda each: each[2])
    assert ([each[2] for each in said].count(0), code) == (1, 75), said
    assert f"{bucket.out}/{BETWEEN}/worklist.html" in won
    assert (silent, "ERROR" in told, "run_summary" in told, "run_summary" in lost) == ("", False, True, False)
    assert len(list(shop.glob("*.prom"))) == 1  # by the one that came in
    (line,) = [line for line in lost.splitlines() if "ERROR" in line]
    assert line.endswith(
        f"ERROR Another run changed {bucket.store} meanwhile, and nothing of this one came in there. Run again."
    )
    proxy.judge = lambda method, path: PASS
    assert recoup(shop, "verify") == 0
    assert BETWEEN in {path[:10] for path in in_force(bucket, "out")}


ROLL_BACK = ("publish", "--rollback", "2026-08-01", "--by", "ann", "--why", "a test")


def test_a_run_that_is_killed_between_puts_leaves_the_old_list_and_the_next_one_heals(shop, bucket, proxy, capsys):
    before, running = bucket.objects(), []

    def judge(method: str, path: str) -> str:
        if (method, path.rsplit("/", 1)[1]) == ("PUT", "current.json"):
            running[0].send_signal(signal.SIGKILL)
            return CUT
        return PASS

    proxy.judge = judge
    running.append(started(shop, *ROLL_BACK, copies="../copies"))
    running[0].communicate(timeout=600)
    assert running[0].returncode == -signal.SIGKILL
    left = bucket.objects()
    assert {key: left[key] for key in before} == before
    assert len(left) > len(before)
    proxy.judge = lambda method, path: PASS
    assert bucket.current("out")["links"] == {"current": NIGHT.isoformat()}
    assert recoup(shop, "compact") == 0  # as on a disk, where it would stand already
    assert f"Going on with what a run that was cut off did at {bucket.out}." in capsys.readouterr().err
    assert bucket.current("out")["links"] == {"current": "2026-08-01"}
    assert recoup(shop, "verify") == 0


def test_a_failure_is_one_line_without_a_secret_and_nothing_is_half_written(shop, bucket, proxy, capsys, monkeypatch):
    from pipeline.store import bucket as room

    monkeypatch.setattr(room, "PATIENCE", {"max_retries": 0})
    before = bucket.objects()
    for verdict, code, sentence in (
        (CUT, 74, f"{bucket.out} cannot be written: it does not answer as it should. Run again."),
        (
            (403, TOO_SKEWED),
            73,
            f"The clocks of this machine and of {bucket.out} disagree. Set this machine's, then run",
        ),
        ((403, f"<Error><Code>AccessDenied</Code><Message>{SECRET}</Message></Error>"), 73, "No permission on s3://"),
        ((503, "<Error><Code>SlowDown</Code></Error>"), 74, "does not answer as it should (SlowDown). Run again."),
    ):
        monkeypatch.setenv("RECOUP_COPIES", str(shop / str(code)))
        proxy.judge = lambda method, path, verdict=verdict: verdict if method == "PUT" else PASS
        assert recoup(shop, *ROLL_BACK) == code
        said = capsys.readouterr()
        (line,) = [line for line in said.err.splitlines() if " ERROR " in line]
        assert (said.out, sentence in line, SECRET in said.err) == ("", True, False), said.err
    assert bucket.objects() == before


def test_a_person_who_is_forgotten_is_in_no_object(shop, two_nights, bucket, capsys):
    debtor = str(two_nights.worklist()["debtor_id"].iloc[0])
    before = set(bucket.objects())
    assert recoup(shop, "forget", "--debtor", debtor, "--by", "ann", "--why", "case 7") == 0
    kept, after = {"store/current.json", "out/current.json", "store/_recoup/shown.json"}, set(bucket.objects())
    for folder in ("store", "out"):
        told = bucket.current(folder)
        kept |= {f"{folder}/{key}" for _, _, key in told["files"].values()}
        kept |= {f"{folder}/{path}" for path in told["files"] if "_delta_log" in path}
    assert (after - kept, len(before - after) > 10) == (set(), True)
    assert recoup(shop, "verify") == 0
    assert debtor.encode() not in b"".join(
        content for path, content in in_force(bucket, "out").items() if ".csv" in path
    )


def test_models_lie_with_the_store_and_score_the_same(house, bucket, tmp_path, capsys):
    bucket.filled(house / "store", bucket.store)
    folder = away(tmp_path / "shop", bucket)
    assert recoup(folder, "models") == 0
    assert "champion" in capsys.readouterr().out
    assert recoup(folder, "score", "--as-of", NIGHT.isoformat(), "--out", str(tmp_path / "there")) == 0
    assert recoup(house, "score", "--as-of", NIGHT.isoformat(), "--out", str(tmp_path / "here")) == 0
    there, here = (tmp_path / name / "scores.parquet" for name in ("there", "here"))
    assert there.read_bytes() == here.read_bytes()


def test_what_cannot_work_at_an_address_says_so(bucket, tmp_path, capsys):
    folder = away(tmp_path / "shop", bucket)
    token = tmp_path / "token"
    token.write_text("0123456789abcdef\n")
    token.chmod(0o600)
    night = ("--as-of", NIGHT.isoformat())
    for command, code, sentence in (
        (("status",), 0, ""),
        (("verify",), 66, f"There is no store at '{bucket.store}'. Run `recoup ingest` first"),
        (
            ("serve", "--check", "--token-file", str(token)),
            2,
            "`recoup serve` stays at work, and wants a store on a disk.",
        ),
        (("score", *night, "--out", bucket.out), 2, "--out must name a place on a disk."),
        (("worklist", *night, "--out", bucket.store), 2, f"Store and nights cannot both lie at {bucket.store}."),
        (("status", "--store", f"s3://AKIA:{SECRET}@x/y"), 2, "An address must be s3://bucket/prefix"),
        (("status", "--store", "gs://books/a"), 2, "Got one of gs://."),
        (("status", "--out", "OSS://books/a"), 2, "Got one of OSS://."),
        (("verify", "--store", f"S3://{bucket.name}/x"), 66, f"There is no store at 's3://{bucket.name}/x'."),
    ):
        assert (command, recoup(folder, *command)) == (command, code)
        said = capsys.readouterr().err
        assert (sentence in said, SECRET in said) == (True, False), (command, said)
    away(tmp_path / "shop", bucket, engine={"spark": "spark://one:7077"})
    assert recoup(folder, "worklist", *night) == 2
    assert "a copy of s3:// lies on one" in capsys.readouterr().err
    assert bucket.objects() == {}


def test_the_extra_is_named_where_it_is_not_installed(bucket, tmp_path, capsys, monkeypatch):
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "obstore" else found(name, *more)
    )
    assert recoup(away(tmp_path / "shop", bucket), "status") == 2
    assert "This needs obstore: install recoup with its extra, recoup[s3]." in capsys.readouterr().err


def test_a_delivery_that_is_refused_leaves_what_a_folder_would_keep(bucket, tmp_path, capsys):
    folder = away(tmp_path / "shop", bucket)
    (folder / "source").mkdir()
    (folder / "source" / "accounts.csv").write_text("account_id\nA1\n")
    assert recoup(folder, "ingest") == 65
    assert capsys.readouterr().out == ""
    assert bucket.objects() == {}


def test_a_disk_that_is_full_in_a_delivery_leaves_the_bucket_and_the_next_ingest_ends_it(
    two_nights, bucket, tmp_path, capsys, monkeypatch
):
    from pipeline.store.delta import DeltaTables

    folder = away(tmp_path / "shop", bucket, paths={"source": str(two_nights.folder / "source")})
    with monkeypatch.context() as patch:
        add, added = DeltaTables.add, []

        def full(self: DeltaTables, name: str, *more: object) -> None:
            added.append(name)
            if len(added) == 2:
                raise OSError(errno.ENOSPC, "No space left on device")
            add(self, name, *more)

        patch.setattr(DeltaTables, "add", full)
        assert recoup(folder, "ingest") == 74
    said = capsys.readouterr()
    assert (said.out, "No space left on device" in said.err, len(added)) == ("", True, 2), said.err
    assert bucket.objects() == {}
    assert recoup(folder, "ingest") == 0
    told = bucket.current("store")
    assert (told["number"], told["links"], "pending.json" in told["files"]) == (1, {}, False)
    monkeypatch.setenv("RECOUP_COPIES", str(tmp_path / "another"))
    assert recoup(folder, "verify") == 0


def test_a_night_that_is_refused_leaves_no_shelf_in_the_bucket(shop, bucket, capsys, monkeypatch):
    """Money that is late is seen once every shard is worked, and what was worked is of everybody."""

    def late(*_: object) -> None:
        shelf, *_ = (Path(os.environ["RECOUP_COPIES"])).glob("*/at-work/copy/.shards-*")
        assert list(shelf.rglob("rows.arrow"))
        raise InputMissing("Money of a book is late.")

    monkeypatch.setattr("pipeline.night.night.check_late_money", late)
    assert recoup(shop, "worklist", "--as-of", BETWEEN) == 66
    assert "Money of a book is late." in capsys.readouterr().err
    assert not [path for path in bucket.objects() if ".shards" in path or path.endswith(".arrow")]
    assert not [path for path in bucket.current("out")["files"] if path.startswith(".shards")]
