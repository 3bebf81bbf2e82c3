"""What lies at s3:// is whole or not there, comes in once, and is refused where it is not what was put. Also of
copies.py and address.py.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from features.errors import CannotWrite, InputMissing, UsageError
from pipeline.store import bucket as room
from pipeline.store import copies
from pipeline.store.address import address_of, called, retold, stands_for
from pipeline.store.bucket import Bucket, Generation, Kept, keys_of
from pipeline.store.copies import copy_of
from pipeline.store.files import sealed, sha256_of
from pipeline.store.refusals import Busy, LeadsOut, Lost, NotStored, ObjectDamaged, StoreDamaged
from tests.worlds.buckets import CUT, CUT_AFTER, PASS, SECRET, TOO_SKEWED

NIGHT = {"2026-10-01/worklist.csv": "a,b\n", "2026-10-01/manifest.json": "{}", "expired.txt": "old"}


def written(folder: Path, files: dict[str, str]) -> None:
    """As the product writes: another file takes the place of the one that stood there."""
    for path, text in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.write_text(text)


def put(url: str, files: dict[str, str], links: dict[str, str] | None = None) -> None:
    with copy_of(url, changes=True) as copy:
        written(copy.folder, files)
        for path, leads in (links or {}).items():
            (copy.folder / path).symlink_to(leads)
        copy.bring_in()


def read(url: str) -> dict[str, str]:
    with copy_of(url, changes=False) as copy:
        places = [place for place in copy.folder.rglob("*") if place.is_file() and not place.is_symlink()]
        return {place.relative_to(copy.folder).as_posix(): place.read_text() for place in places}


def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    """From now on this is another machine."""
    monkeypatch.setenv("RECOUP_COPIES", str(tmp_path / name))


# What comes in, and what is read


def test_a_folder_comes_back_as_it_was_with_its_links(bucket):
    put(bucket.out, NIGHT, {"current": "2026-10-01"})
    with copy_of(bucket.out, changes=False) as copy:
        assert (copy.folder / "current" / "worklist.csv").read_text() == "a,b\n"
        assert str((copy.folder / "current").readlink()) == "2026-10-01"
        assert copy.folder.stat().st_mode & 0o077 == 0
    assert not copy.folder.exists()
    assert read(bucket.out) == NIGHT


def test_a_dashboard_reads_the_list_by_the_one_object(bucket):
    put(bucket.out, NIGHT, {"current": "2026-10-01"})
    told = bucket.current("out")
    sha256, size, key = told["files"][f"{told['links']['current']}/worklist.csv"]
    content = bucket.objects()[f"out/{key}"]
    assert (content, len(content)) == (b"a,b\n", size)
    assert (key.split("/")[0][:11], key.split("/")[1], len(sha256)) == ("2026-10-01-", "worklist.csv", 64)


def test_another_night_of_the_day_lies_elsewhere_and_what_was_read_stays_what_it_was(bucket):
    put(bucket.out, NIGHT)
    first = bucket.current("out")["files"]["2026-10-01/manifest.json"][2]
    put(bucket.out, {"2026-10-01/worklist.csv": "other"})
    second = bucket.current("out")["files"]["2026-10-01/manifest.json"][2]
    assert first != second
    assert bucket.objects()[f"out/{first}"] == b"{}"
    assert read(bucket.out) == NIGHT | {"2026-10-01/worklist.csv": "other"}


def test_what_goes_from_the_folder_goes_from_what_is_in_force(bucket):
    put(bucket.out, NIGHT, {"current": "2026-10-01"})
    with copy_of(bucket.out, changes=True) as copy:
        (copy.folder / "expired.txt").unlink()
        (copy.folder / "current").unlink()
        copy.bring_in()
    assert "expired.txt" not in read(bucket.out)
    assert bucket.current("out")["links"] == {}


def test_a_command_that_changes_nothing_puts_nothing(bucket, proxy):
    put(bucket.out, NIGHT)
    proxy.seen.clear()
    with copy_of(bucket.out, changes=True) as copy:
        written(copy.folder, {".lock": "", ".worklist.csv.0a1b.draft": "half"})  # locks and drafts are nobody's
        copy.bring_in()
    assert [method for method, _ in proxy.seen] == ["GET"]


def test_a_file_is_fetched_once_and_again_where_somebody_touched_it(bucket, proxy, tmp_path):
    put(bucket.out, NIGHT)
    gets = lambda: [path for method, path in proxy.seen if method == "GET" and not path.endswith("current.json")]  # noqa: E731
    assert (read(bucket.out), gets()) == (NIGHT, [])
    pool = next((tmp_path / "copies").iterdir()) / "pool"
    held = pool / bucket.current("out")["files"]["2026-10-01/worklist.csv"][0]
    os.utime(held, (1, 1))
    assert (read(bucket.out), gets()) == (NIGHT, [])  # hashed again, and sound
    held.write_text("A,B\n")
    assert (read(bucket.out), len(gets())) == (NIGHT, 1)


def test_what_is_no_longer_in_force_is_not_kept_on_this_disk(bucket, tmp_path):
    put(bucket.out, {"person.csv": "of a person who is forgotten"})
    put(bucket.out, {"person.csv": "nothing"})
    kept = [place.read_text() for place in (tmp_path / "copies").rglob("*") if place.is_file() and place.stat().st_size]
    assert kept == ["nothing"]


def test_copies_on_another_machine_lose_it_with_their_next_command(bucket, tmp_path, monkeypatch):
    put(bucket.out, {"person.csv": "of a person who is forgotten"})
    elsewhere(monkeypatch, tmp_path, "another")
    read(bucket.out)
    elsewhere(monkeypatch, tmp_path, "copies")
    put(bucket.out, {"person.csv": "nothing"})
    elsewhere(monkeypatch, tmp_path, "another")
    read(bucket.out)
    kept = [
        place.read_text() for place in (tmp_path / "another").rglob("*") if place.is_file() and place.stat().st_size
    ]
    assert kept == ["nothing"]


def test_an_empty_prefix_and_a_whole_bucket_are_addresses_too(bucket):
    put(f"s3://{bucket.name}", {"a.txt": "a"})
    put(bucket.out, NIGHT)
    assert (read(f"s3://{bucket.name}"), read(bucket.out)) == ({"a.txt": "a"}, NIGHT)


def test_files_of_any_name_come_back_and_are_not_swept(bucket):
    named = {f"reports/{name}": name for name in ("client-Süd & Söhne #1.html", "a b", "x%20y", "q?[1]*", "._x", "..a")}
    with copy_of(bucket.out, changes=True) as copy:
        written(copy.folder, named)
        copy.bring_in(dt.timedelta(0))
    assert read(bucket.out) == named


def test_large_files_come_in_in_parts(bucket, monkeypatch):
    monkeypatch.setattr(room, "PART", 5 * 1024 * 1024)
    content = os.urandom(6 * 1024 * 1024).hex()
    put(bucket.out, {"large.bin": content})
    assert read(bucket.out) == {"large.bin": content}


# Two at once


def test_of_two_runs_one_comes_in_and_of_the_other_nobody_sees_anything(bucket, tmp_path, monkeypatch):
    log = {"payments/_delta_log/00000000000000000000.json": "first"}
    put(bucket.store, log)
    with copy_of(bucket.store, changes=True) as one:
        elsewhere(monkeypatch, tmp_path, "another")
        with copy_of(bucket.store, changes=True) as other:
            written(one.folder, {"payments/_delta_log/00000000000000000001.json": "mine"})
            written(other.folder, {"payments/_delta_log/00000000000000000001.json": "yours"})
            one.bring_in()
            with pytest.raises(Lost, match="Another run changed s3://.*/store meanwhile, and nothing of this one came"):
                other.bring_in()
    assert Lost.exit_code == 75
    assert read(bucket.store) == log | {"payments/_delta_log/00000000000000000001.json": "mine"}
    assert bucket.objects()["store/payments/_delta_log/00000000000000000001.json"] == b"mine"


def test_of_two_first_runs_one_comes_in(bucket, tmp_path, monkeypatch):
    with copy_of(bucket.store, changes=True) as one:
        elsewhere(monkeypatch, tmp_path, "another")
        with copy_of(bucket.store, changes=True) as other:
            written(one.folder, {"store.json": "mine"})
            written(other.folder, {"store.json": "yours"})
            one.bring_in()
            with pytest.raises(Lost, match="Run again"):
                other.bring_in()
    assert read(bucket.store) == {"store.json": "mine"}


def test_on_one_machine_the_second_ends_before_any_work_and_readers_never_wait(bucket):
    put(bucket.out, NIGHT)
    with copy_of(bucket.out, changes=True) as copy:
        written(copy.folder, {"2026-10-01/worklist.csv": "half"})
        with ThreadPoolExecutor(1) as other, pytest.raises(Busy, match="Another run works on 's3://"):
            other.submit(put, bucket.out, {}).result()
        assert read(bucket.out) == NIGHT


def test_a_reader_never_sees_half(bucket):
    versions = [{f"2026-10-01/{name}.csv": f"{number}{name}" for name in "abcde"} for number in range(12)]
    put(bucket.out, versions[0], {"current": "2026-10-01"})
    seen, done = [], threading.Event()

    def look() -> None:
        client = bucket.server.client()
        body = lambda key: client.get_object(Bucket=bucket.name, Key=f"shop/out/{key}")["Body"].read()  # noqa: E731
        while not done.is_set():
            told = json.loads(body("current.json"))["content"]
            seen.append({path: body(key).decode() for path, (_, _, key) in told["files"].items()})

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for version in versions[1:]:
            put(bucket.out, version)
    finally:
        done.set()
        reader.join()
    assert len({each["2026-10-01/a.csv"] for each in seen}) > 2
    assert all(each in versions for each in seen)


# Cut off


def test_a_run_that_dies_between_puts_leaves_what_was_in_force_and_the_next_one_heals(bucket, monkeypatch):
    put(bucket.store, {"payments/_delta_log/00000000000000000000.json": "first", "store.json": "1"})
    before = bucket.objects()
    later = {"payments/_delta_log/00000000000000000001.json": "second", "store.json": "2"}
    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "come_in", killed)
        with pytest.raises(KeyboardInterrupt, match="killed"):
            put(bucket.store, later)
    left = bucket.objects()
    assert {key: left[key] for key in before} == before
    assert len(left) > len(before)
    assert read(bucket.store)["store.json"] == "1"
    with copy_of(bucket.store, changes=True) as copy:
        assert (copy.folder / "store.json").read_text() == "2"  # gone on with, as on a disk
        copy.bring_in()
    assert read(bucket.store)["store.json"] == "2"


def test_a_first_run_that_dies_is_gone_on_with(bucket):
    with pytest.raises(KeyboardInterrupt, match="killed"):
        killed_at(bucket.out, {"a.txt": "half"})
    with copy_of(bucket.out, changes=True) as copy:
        assert (copy.folder / "a.txt").read_text() == "half"
        copy.bring_in()
    assert not copy.folder.exists()
    assert read(bucket.out) == {"a.txt": "half"}


def test_where_another_machine_came_in_nothing_of_a_dead_run_is_gone_on_with(bucket, tmp_path, monkeypatch):
    put(bucket.out, NIGHT)
    with pytest.raises(KeyboardInterrupt, match="killed"):
        killed_at(bucket.out, {"a.txt": "half"})
    elsewhere(monkeypatch, tmp_path, "another")
    put(bucket.out, {"b.txt": "whole"})
    elsewhere(monkeypatch, tmp_path, "copies")
    put(bucket.out, {"c.txt": "next"})
    assert read(bucket.out) == NIGHT | {"b.txt": "whole", "c.txt": "next"}


def test_what_lost_is_not_gone_on_with(bucket):
    """Of a night the store may have lost alone: its list goes too."""
    put(bucket.out, NIGHT)
    with pytest.raises(Lost, match="Another run changed"):
        lost_at(bucket.out, {"a.txt": "half"})
    put(bucket.out, {"c.txt": "next"})
    assert read(bucket.out) == NIGHT | {"c.txt": "next"}


def lost_at(url: str, files: dict[str, str]) -> None:
    with copy_of(url, changes=True) as copy:
        written(copy.folder, files)
        raise Lost.to_another("s3://another/store")


def test_what_is_laid_out_in_part_is_laid_out_anew(bucket, monkeypatch, tmp_path):
    put(bucket.out, NIGHT)
    elsewhere(monkeypatch, tmp_path, "another")
    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "fetch", killed)
        with pytest.raises(KeyboardInterrupt, match="killed"):
            put(bucket.out, {})
    put(bucket.out, {"a.txt": "1"})
    assert read(bucket.out) == NIGHT | {"a.txt": "1"}


def killed_at(url: str, files: dict[str, str]) -> None:
    with copy_of(url, changes=True) as copy:
        written(copy.folder, files)
        killed()


def killed(*_: object) -> None:
    raise KeyboardInterrupt("killed")


def test_what_a_dead_run_left_is_swept_and_nothing_else(bucket, monkeypatch, tmp_path):
    put(bucket.store, {"store.json": "1"})
    bucket.write("store/somebody-elses.txt", b"theirs")
    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "come_in", killed)
        with pytest.raises(KeyboardInterrupt, match="killed"):
            put(bucket.store, {f"payments/shard=0/{'0' * 64}.parquet": "x", "store.json": "left"})
    elsewhere(monkeypatch, tmp_path, "another")
    (left,) = [key for key, content in bucket.objects().items() if content == b"left"]
    with copy_of(bucket.store, changes=True) as copy:
        copy.bring_in(dt.timedelta(days=1))
        assert left in bucket.objects()  # it is of today: a run may still be at work
        written(copy.folder, {"store.json": "3"})
        monkeypatch.setattr(room.dt, "datetime", Later)
        copy.bring_in(dt.timedelta(days=1))
    assert {key for key in bucket.objects() if "somebody" not in key} == {
        "store/current.json",
        f"store/_recoup/objects/{bucket.current('store')['files']['store.json'][0]}/store.json",
    }
    assert "store/somebody-elses.txt" in bucket.objects()


NOW = dt.datetime.now


class Later(dt.datetime):
    """Two days from now."""

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
        return NOW(tz) + dt.timedelta(days=2)


def test_logs_that_a_dead_run_did_not_show_are_shown_by_the_next(bucket, monkeypatch):
    put(bucket.store, {"payments/_delta_log/00000000000000000000.json": "first"})
    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "show", killed)
        with pytest.raises(KeyboardInterrupt, match="killed"):
            put(bucket.store, {"payments/_delta_log/00000000000000000001.json": "second"})
    assert "store/payments/_delta_log/00000000000000000001.json" not in bucket.objects()
    with copy_of(bucket.store, changes=True) as copy:
        copy.bring_in()
    assert bucket.objects()["store/payments/_delta_log/00000000000000000001.json"] == b"second"


def test_what_is_no_longer_named_stays_a_day_for_those_who_read_it(bucket, monkeypatch):
    put(bucket.out, {"a.txt": "1"})
    first = f"out/{bucket.current('out')['files']['a.txt'][2]}"
    put(bucket.out, {"a.txt": "2"})
    put(bucket.out, {"a.txt": "3"})
    assert first in bucket.objects()
    monkeypatch.setattr(copies, "KEPT_FOR", dt.timedelta(seconds=-5))
    put(bucket.out, {"a.txt": "4"})
    assert first not in bucket.objects()
    assert read(bucket.out) == {"a.txt": "4"}
    assert first.removeprefix("out/") not in bucket.current("out")["gone"]


def test_what_a_person_is_forgotten_in_goes_at_once(bucket):
    put(bucket.out, {"a.txt": "of a person"})
    with copy_of(bucket.out, changes=True) as copy:
        written(copy.folder, {"a.txt": "of nobody"})
        copy.bring_in(dt.timedelta(0))
    assert b"of a person" not in bucket.objects().values()
    assert read(bucket.out) == {"a.txt": "of nobody"}


def test_a_run_may_come_in_more_than_once(bucket):
    with copy_of(bucket.out, changes=True) as copy:
        for text in "123":
            written(copy.folder, {"a.txt": text})
            copy.bring_in()
    assert (read(bucket.out), bucket.current("out")["number"]) == ({"a.txt": "3"}, 3)


def test_what_is_in_force_stays_so_where_its_logs_could_not_be_shown(bucket, proxy, caplog, monkeypatch):
    quick(monkeypatch)
    monkeypatch.setattr(copies.log, "propagate", True)
    proxy.judge = lambda method, path: CUT if method == "PUT" and "_delta_log" in path else PASS
    put(bucket.store, {"payments/_delta_log/00000000000000000000.json": "first"})
    assert "is in force at s3://" in caplog.text
    assert read(bucket.store) == {"payments/_delta_log/00000000000000000000.json": "first"}
    proxy.judge = lambda method, path: CUT if method in ("POST", "DELETE") else PASS
    with copy_of(bucket.store, changes=True) as copy:
        written(copy.folder, {"person.csv": "of a person"})
        copy.bring_in()
        (copy.folder / "person.csv").unlink()
        with pytest.raises(CannotWrite, match="cannot be written"):  # a person must be gone, or somebody must know
            copy.bring_in(dt.timedelta(0))


# Somebody who comes in between two requests of another


def between(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, then: Callable[[], None]) -> None:
    """Another machine does something once, just after this one asked something of the bucket (a method)."""
    asked, waiting = getattr(Bucket, name), [then]

    def ask(self: Bucket, *given: object) -> object:
        found = asked(self, *given)
        if waiting:
            elsewhere(monkeypatch, tmp_path, "another")
            waiting.pop()()
            elsewhere(monkeypatch, tmp_path, "copies")
        return found

    monkeypatch.setattr(Bucket, name, ask)


def aged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every object is of an older second than what is in force: the time of one is told in whole seconds."""
    unnamed = Bucket._unnamed
    monkeypatch.setattr(
        Bucket, "_unnamed", lambda self, named, came, age: unnamed(self, named, came + dt.timedelta(seconds=5), age)
    )


def test_a_sweep_deletes_nothing_of_who_comes_in_between_its_look_and_its_list(bucket, tmp_path, monkeypatch):
    """What it lists then is older than what it might take for the time of what it read."""
    put(bucket.store, {"store.json": "1"})
    aged(monkeypatch)

    def comes_in() -> None:
        put(bucket.store, {"newest.json": "of another"})

    with copy_of(bucket.store, changes=True) as copy:
        between(monkeypatch, tmp_path, "_bytes", comes_in)
        assert copy.bucket.sweep(dt.timedelta(0)) == 0
    elsewhere(monkeypatch, tmp_path, "a third")
    assert read(bucket.store) == {"store.json": "1", "newest.json": "of another"}


def test_a_sweep_among_runs_that_do_not_end_says_so_and_deletes_nothing(bucket, tmp_path, monkeypatch):
    put(bucket.store, {"store.json": "1"})
    aged(monkeypatch)
    unnamed, number = Bucket._unnamed, iter(range(9))

    def comes_in(self: Bucket, *given: object) -> list[str]:
        elsewhere(monkeypatch, tmp_path, "another")
        put(bucket.store, {"store.json": f"another {next(number)}"})
        elsewhere(monkeypatch, tmp_path, "copies")
        return unnamed(self, *given)

    monkeypatch.setattr(Bucket, "_unnamed", comes_in)
    told = pytest.raises(Lost, match="Other runs changed s3://.*/store while .* none of that was deleted")
    with copy_of(bucket.store, changes=True) as copy, told:
        copy.bring_in(dt.timedelta(0))
    elsewhere(monkeypatch, tmp_path, "a third")
    assert read(bucket.store) == {"store.json": "another 2"}


@pytest.mark.parametrize("sweeps", [None, dt.timedelta(0)])
def test_what_another_names_again_before_it_is_deleted_stays(bucket, tmp_path, monkeypatch, sweeps):
    monkeypatch.setattr(copies, "KEPT_FOR", dt.timedelta(seconds=-5))
    monkeypatch.setattr(Bucket, "_unnamed", lambda *_: [])
    with monkeypatch.context() as kept:
        kept.setattr(Bucket, "let_go", lambda *_: None)
        put(bucket.store, {"a.txt": "1", "x.txt": "again"})
        with copy_of(bucket.store, changes=True) as copy:
            (copy.folder / "x.txt").unlink()
            kept.setattr(copies, "KEPT_FOR", dt.timedelta(days=1))
            copy.bring_in()
    assert len(bucket.current("store")["gone"]) == 1
    between(monkeypatch, tmp_path, "show", lambda: put(bucket.store, {"x.txt": "again"}))
    with copy_of(bucket.store, changes=True) as copy:
        written(copy.folder, {"a.txt": "2"})
        monkeypatch.setattr(
            copies, "KEPT_FOR", dt.timedelta(days=1) if sweeps is not None else dt.timedelta(seconds=-5)
        )
        copy.bring_in(sweeps)
    elsewhere(monkeypatch, tmp_path, "a third")
    assert read(bucket.store) == {"a.txt": "2", "x.txt": "again"}


def test_who_is_slow_does_not_show_logs_over_those_of_who_came_in_since(bucket, tmp_path, monkeypatch):
    log = "payments/_delta_log/00000000000000000001.json"
    put(bucket.store, {log: "first"})

    def comes_in() -> None:
        put(bucket.store, {log: "newest"})

    between(monkeypatch, tmp_path, "come_in", comes_in)
    with copy_of(bucket.store, changes=True) as copy:
        written(copy.folder, {log: "slow"})
        copy.bring_in()
    assert bucket.objects()[f"store/{log}"] == b"newest"


# What never comes in


def test_what_only_a_run_at_work_needs_does_not_come_in(bucket):
    shelf = {".shards-0a/00000/rows.arrow": "x", ".staging/a-0.csv": "x", ".2026-10-01.staging/a.csv": "x"}
    put(bucket.out, NIGHT | shelf | {"reports/.x.draft/a": "x", ".stages/a.json": "kept"}, {".staging/b": "/etc/hosts"})
    assert read(bucket.out) == NIGHT | {".stages/a.json": "kept"}
    assert not any("hosts" in path or content == b"x" for path, content in bucket.objects().items())


@pytest.mark.parametrize("leads", ["/etc/hosts", "../x", "a/../../x"])
def test_a_link_that_leads_out_is_refused_before_anything_is_put(bucket, leads):
    with pytest.raises(LeadsOut, match="s3://.*/out/current would be a link out of its folder") as refused:
        put(bucket.out, NIGHT, {"current": leads})
    assert (refused.value.exit_code, bucket.objects()) == (74, {})


def test_a_store_in_which_a_delivery_was_cut_off_does_not_come_in(bucket):
    with pytest.raises(NotStored, match="An ingest into store 's3://.*/store' was cut off. Run `recoup ingest` again"):
        put(bucket.store, {"store.json": "1", "pending.json": "{}"})
    assert bucket.objects() == {}
    with copy_of(bucket.store, changes=True) as copy:
        (copy.folder / "pending.json").unlink()
        copy.bring_in()
    assert read(bucket.store) == {"store.json": "1"}


# A network, a clock, a bucket, a permission


def test_a_put_that_is_cut_off_once_is_put_again(bucket, proxy):
    cut = iter([CUT, CUT_AFTER])
    proxy.judge = lambda method, path: next(cut, PASS) if method == "PUT" and "worklist" in path else PASS
    put(bucket.out, NIGHT)
    assert next(cut, None) is None
    assert read(bucket.out) == NIGHT


def test_a_network_that_stays_away_ends_it_with_nothing_half_written(bucket, proxy, monkeypatch):
    put(bucket.out, NIGHT)
    quick(monkeypatch)
    proxy.judge = lambda method, path: CUT if method == "PUT" and "worklist" in path else PASS
    with pytest.raises(CannotWrite, match="s3://.*/out cannot be written: it does not answer as it should") as refused:
        put(bucket.out, {"2026-10-01/worklist.csv": "other", "a.txt": "new"})
    assert refused.value.exit_code == 74
    assert read(bucket.out) == NIGHT
    with copy_of(bucket.out, changes=True) as copy:  # what was done is not done again
        assert (copy.folder / "a.txt").read_text() == "new"
    proxy.seen.clear()
    with pytest.raises(CannotWrite, match="cannot be written"):
        put(bucket.out, {f"2026-10-01/worklist-{number}.csv": str(number) for number in range(60)})
    assert len({path for method, path in proxy.seen if method == "PUT"}) < 40  # the others were not begun
    proxy.judge = lambda method, path: CUT
    with pytest.raises(InputMissing, match="s3://.*/out cannot be read") as refused:
        read(bucket.out)
    assert refused.value.exit_code == 66


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits a minute for a network that does not come back."""
    monkeypatch.setattr(room, "PATIENCE", {"max_retries": 1, "retry_timeout": dt.timedelta(seconds=1)})


def test_a_generation_whose_answer_was_cut_off_is_known_to_be_in_force(bucket, proxy, monkeypatch):
    quick(monkeypatch)
    cut = iter([CUT_AFTER])
    proxy.judge = lambda method, path: next(cut, PASS) if (method, path[-12:]) == ("PUT", "current.json") else PASS
    put(bucket.out, NIGHT)
    assert next(cut, None) is None
    assert read(bucket.out) == NIGHT


@pytest.mark.parametrize("changes", [True, False])
def test_a_bucket_that_is_not_there(bucket, changes):
    told = pytest.raises((CannotWrite, InputMissing), match="There is no bucket 'nowhere-at-all'. Make it")
    with told as refused, copy_of("s3://nowhere-at-all/x", changes):
        pass
    assert refused.value.exit_code == (73 if changes else 66)


def test_a_clock_that_disagrees(bucket, proxy):
    proxy.judge = lambda method, path: (403, TOO_SKEWED) if method == "PUT" else PASS
    with pytest.raises(CannotWrite, match="The clocks of this machine and of s3://.*/out disagree") as refused:
        put(bucket.out, NIGHT)
    assert refused.value.exit_code == 73
    assert bucket.objects() == {}


def test_who_may_not_and_who_is_not_known(bucket, monkeypatch):
    put(bucket.out, NIGHT)
    key, secret = bucket.server.stranger()
    said = {
        ("nobody", SECRET): "does not take these credentials .InvalidAccessKeyId.",
        (key, "wrong" * 8): "does not take these credentials .SignatureDoesNotMatch.",
        (key, secret): "No permission on s3://.*/out. Grant s3:GetObject",
    }
    with bucket.server.strict():
        for (name, word), sentence in said.items():
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", name)
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", word)
            with pytest.raises(CannotWrite, match=sentence) as refused:
                read(bucket.out)
            assert refused.value.exit_code == 73
            assert not any(each in str(refused.value) for each in (SECRET, word, name, "StringToSign"))
            assert refused.value.__cause__ is None


def test_nobody_says_who_asks(bucket, proxy, monkeypatch):
    """Where the environment names nobody, the machine's role is asked for; this one has none."""
    quick(monkeypatch)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", proxy.endpoint)
    proxy.judge = lambda method, path: (403, "denied")
    with pytest.raises(CannotWrite, match="There are no credentials for s3://.*/out. Set AWS_ACCESS_KEY_ID") as refused:
        read(bucket.out)
    assert refused.value.exit_code == 73


def test_an_endpoint_without_encryption_is_asked_only_where_somebody_said_so(bucket, monkeypatch):
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    with pytest.raises(UsageError, match="AWS_ENDPOINT_URL begins with http://.*AWS_ALLOW_HTTP=true"):
        read(bucket.out)


# What is not what was put


def test_a_flipped_object_is_refused_before_anything_parses_it(bucket, tmp_path, monkeypatch):
    put(bucket.out, NIGHT)
    elsewhere(monkeypatch, tmp_path, "another")
    key = bucket.current("out")["files"]["2026-10-01/worklist.csv"][2]
    bucket.write(f"out/{key}", b"a,c\n")
    with pytest.raises(ObjectDamaged, match=r"Object s3://.*/worklist.csv is damaged: its sha256 differs") as refused:
        read(bucket.out)
    assert refused.value.exit_code == 65
    assert b"a,c\n" not in [place.read_bytes() for place in (tmp_path / "another").rglob("*") if place.is_file()]


def test_an_object_that_is_gone_is_named(bucket, tmp_path, monkeypatch):
    put(bucket.out, NIGHT)
    elsewhere(monkeypatch, tmp_path, "another")
    key = bucket.current("out")["files"]["expired.txt"][2]
    bucket.server.client().delete_object(Bucket=bucket.name, Key=f"shop/out/{key}")
    with pytest.raises(ObjectDamaged, match=r"Object s3://.*/expired.txt is gone. Put it back"):
        read(bucket.out)


def test_a_reader_whose_files_went_meanwhile_reads_what_is_in_force_now(bucket, tmp_path, monkeypatch):
    put(bucket.out, {"a.txt": "1"})
    old = Bucket(bucket.out, changes=False).current()
    with copy_of(bucket.out, changes=True) as copy:
        written(copy.folder, {"a.txt": "2"})
        copy.bring_in(dt.timedelta(0))
    elsewhere(monkeypatch, tmp_path, "another")
    answers = iter([old])
    current = Bucket.current
    monkeypatch.setattr(Bucket, "current", lambda self: next(answers, None) or current(self))
    assert read(bucket.out) == {"a.txt": "2"}


def test_a_flipped_bit_of_what_is_in_force_is_noticed(bucket):
    put(bucket.out, NIGHT)
    raw = bucket.objects()["out/current.json"]
    bucket.write("out/current.json", raw.replace(b'"number": 1', b'"number": 2'))
    with pytest.raises(StoreDamaged, match=r"current.json' is damaged"):
        read(bucket.out)


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", ""])
@pytest.mark.parametrize("where", ["files", "keys", "links", "leads"])
def test_what_leads_out_of_its_folder_is_refused(bucket, path, where):
    file = Kept("0" * 64, 1, path if where == "keys" else "k")
    links = {path if where == "links" else "a": path if where == "leads" else "b"}
    told = Generation(1, "m", {path if where == "files" else "f": file}, links).text()
    bucket.write("out/current.json", told.encode())
    with pytest.raises(ObjectDamaged, match="current.json is not what was put there"):
        read(bucket.out)


def test_what_is_no_generation_is_refused(bucket):
    bucket.write("out/current.json", sealed({"files": {"a": ["1"]}}).encode())
    with pytest.raises(ObjectDamaged, match="current.json is not what was put there"):
        read(bucket.out)


# Names


def test_where_files_lie():
    data, night = f"payments/shard=3/{'a' * 64}.parquet", "2026-10-01/routes/legal.csv"
    found = keys_of({data: ("a" * 64, 1), night: ("b" * 64, 2), "deliveries/000001.json": ("c" * 64, 3)})
    assert found[data].key == data
    assert found[night].key.startswith("2026-10-01-")
    assert found[night].key.endswith("/routes/legal.csv")
    assert found["deliveries/000001.json"].key == f"_recoup/objects/{'c' * 64}/000001.json"
    assert keys_of({data: ("b" * 64, 1)})[data].key != data  # not what its name says: it is no data of ours


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("s3://books/a/b", "s3://books/a/b"),
        ("s3://books", "s3://books"),
        ("s3://b-1.x/a=b", "s3://b-1.x/a=b"),
        ("S3://books/a", "s3://books/a"),
    ],
)
def test_an_address_is_known_again_as_a_path(given, address):
    assert address_of(Path(given)) == address


@pytest.mark.parametrize("place", ["store", "/s3:/books", "/S3:/x", "./s3", "C:/x", "a/gs:/b"])
def test_a_place_on_a_disk_is_no_address(place):
    assert address_of(Path(place)) is None


@pytest.mark.parametrize(
    "given", [f"s3://AKIA:{SECRET}@books/a", "s3://", "s3://Books/a", "s3://books/../a", "s3://books/a?b"]
)
def test_a_malformed_address_is_refused_and_not_repeated(given):
    with pytest.raises(UsageError, match="An address must be s3://bucket/prefix") as refused:
        address_of(Path(given))
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("scheme", ["gs", "GS", "wasbs", "swift", "s3+x", "s4", "oss"])
def test_another_scheme_is_refused(scheme):
    with pytest.raises(UsageError, match=f"Got one of {re.escape(scheme)}://"):
        address_of(Path(f"{scheme}://books/a"))


def test_a_copy_is_called_by_its_address(tmp_path):
    stands_for(tmp_path / "copy", "s3://books/out")
    assert (called(tmp_path / "copy"), called(tmp_path)) == ("s3://books/out", str(tmp_path.resolve()))
    assert retold(f"List: {tmp_path}/copy/a.html") == "List: s3://books/out/a.html"


def test_a_folder_of_copies_that_others_may_look_into_is_refused(bucket, tmp_path):
    put(bucket.out, NIGHT)
    next((tmp_path / "copies").iterdir()).chmod(0o755)
    with pytest.raises(CannotWrite, match="others may look into it.*RECOUP_COPIES"):
        read(bucket.out)


def test_a_disk_without_hard_links_holds_copies(bucket, monkeypatch):
    def refused(*_: object) -> None:
        raise OSError(1, "no links here")

    monkeypatch.setattr(os, "link", refused)
    put(bucket.out, NIGHT)
    assert read(bucket.out) == NIGHT


def test_no_library_is_loaded_before_an_address_is_met():
    program = "import sys; import pipeline.store.copies, pipeline.commands.places; print('obstore' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_files_and_their_sha256_agree_with_the_bucket(bucket):
    put(bucket.out, NIGHT)
    with copy_of(bucket.out, changes=False) as copy:
        told = copy.generation.files
        assert {path: sha256_of(copy.folder / path) for path in NIGHT} == {path: told[path].sha256 for path in NIGHT}
