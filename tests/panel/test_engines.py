"""Shards by several engines: workers end with their run, refusals come back as they were said.

Whole nights on two workers and on Spark: tests/night/test_night.py.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from features.errors import LockHeld
from pipeline.panel.engines import _attempt

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
    assert _attempt(len, "ab") == 2
    refusal = _attempt(_refuse, 7)
    assert isinstance(pickle.loads(pickle.dumps(refusal)), LockHeld)
    assert str(refusal) == "shard 7 is taken"


def _refuse(shard: int) -> None:
    raise LockHeld(f"shard {shard} is taken")
