"""One writer at a time."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from features.errors import LockHeld
from pipeline.store import store as store_room
from pipeline.store.locks import only_run


def test_another_process_is_turned_away_at_once_and_a_killed_one_frees_the_lock(tmp_path):
    program = """
import sys, time
from pathlib import Path
from pipeline.store.locks import only_run
with only_run(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, cwd=store_room.Path(__file__).parents[2]
    )
    try:
        assert holder.stdout.readline() == b"held\n"
        began = time.monotonic()
        with pytest.raises(LockHeld, match=r"Another run works on"), only_run(tmp_path):
            pass
        assert time.monotonic() - began < 30  # the lock is held for 60
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    with only_run(tmp_path), only_run(tmp_path):
        pass
    assert LockHeld.exit_code == 75


def test_a_lock_in_a_place_that_cannot_be_written_is_an_error_not_a_hang(tmp_path):
    with pytest.raises(OSError, match=r"No such file"), only_run(tmp_path / "nowhere"):
        pass
