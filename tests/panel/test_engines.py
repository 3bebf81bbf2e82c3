"""Shards by several engines: workers end with their run, refusals come back as they were said, a failure names its
shard, another scheduler is a line of the map.

Whole nights on two workers: tests/night/test_night.py; the main work on a Spark cluster: tests/panel/test_cluster.py.
"""

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from features.errors import LockHeld
from pipeline.commands.ending import ending
from pipeline.panel import engines
from pipeline.panel.engines import ShardFailed, _attempt, _named, map_shards
from pipeline.params import Engine
from tests.worlds.tasks import end_own_process

HOUSE = Path(__file__).parents[2]

PROGRAM = """
import os, sys, time
from pathlib import Path
from pipeline.panel.engines import map_shards
from pipeline.params import Engine

def wait(place):
    Path(place).write_text(str(os.getpid()))
    time.sleep(3600)

if __name__ == "__main__":
    list(map_shards(wait, sys.argv[1:], Engine(workers=2, spark=None, memory_limit="1GB")))
"""


@pytest.mark.slow
def test_workers_end_with_a_run_that_is_killed(tmp_path):
    (tmp_path / "run.py").write_text(PROGRAM)
    told = [tmp_path / "first", tmp_path / "second"]
    run = subprocess.Popen(
        [sys.executable, str(tmp_path / "run.py"), *map(str, told)], env={**os.environ, "PYTHONPATH": str(HOUSE)}
    )
    workers = [_number_in(place) for place in told]
    assert all(_runs(worker) for worker in workers)
    run.send_signal(signal.SIGKILL)
    run.wait()
    left = workers
    for _ in range(2_400):  # two minutes, of half a second needed
        left = [worker for worker in left if _runs(worker)]
        if not left:
            break
        time.sleep(0.05)
    for worker in left:
        os.kill(worker, signal.SIGKILL)
    assert left == []


def _number_in(place: Path) -> int:
    while not place.exists() or not place.read_text():
        time.sleep(0.05)
    return int(place.read_text())


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_a_refusal_in_a_spark_task_comes_back_as_it_was_said():
    assert _attempt(len, 4, "ab") == (False, 2)
    failed, refusal = _attempt(_refuse, 4, 7)
    assert failed
    assert isinstance(pickle.loads(pickle.dumps(refusal)), LockHeld)
    assert str(refusal) == "shard 7 is taken"


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_an_error_says_in_which_shard_it_was_met_and_where_whoever_worked_it(workers):
    with pytest.raises(ZeroDivisionError, match="division") as met:
        list(map_shards(_divide, range(3), Engine(workers=workers, spark=None, memory_limit="1GB")))
    sentence, code = ending(met.value)
    assert re.match(r"A bug: ZeroDivisionError in shard 0 at test_engines\.py:\d+\. Set RECOUP_DEBUG=1", sentence)
    assert code == 70


def test_an_error_that_does_not_bear_the_way_from_the_cluster_is_told_by_its_name(monkeypatch):
    monkeypatch.setitem(
        sys.modules, "pyspark", type("Bare", (), {"TaskContext": type("Task", (), {"get": lambda: None})})
    )
    failed, error = _attempt(lambda item: _named(_raise_what_cannot_travel, item), 4, 5)
    assert failed
    assert re.fullmatch(r"A bug: Odd in shard 5 at test_engines\.py:\d+, tried 4 times\. Report it\.", str(error))


@pytest.mark.slow
def test_a_worker_that_is_killed_names_the_shards_it_may_have_been():
    found = map_shards(end_own_process, [0, 1, 2], Engine(workers=2, spark=None, memory_limit="1GB"))
    with pytest.raises(ShardFailed, match=r"^Shard \d, or one of those worked beside it, ended its process"):
        list(found)


def test_another_scheduler_is_a_line_of_the_map(monkeypatch):
    worked = []

    def backwards(function, items, engine):
        found = {item: function(item) for item in reversed(items)}
        worked.append(engine.spark)
        return (found[item] for item in items)

    monkeypatch.setattr(engines, "SCHEDULERS", {**engines.SCHEDULERS, "spark": backwards})
    asked = Engine(workers=1, spark="any://where", memory_limit="1GB")
    assert list(map_shards(str, range(3), asked)) == ["0", "1", "2"]
    assert worked == ["any://where"]


class Odd(Exception):
    def __init__(self, one, other):
        super().__init__(f"{one} {other}")


def _raise_what_cannot_travel(shard: int) -> None:
    raise Odd("a", "b")


def _divide(shard: int) -> float:
    return 1 / shard


def _refuse(shard: int) -> None:
    raise LockHeld(f"shard {shard} is taken")
