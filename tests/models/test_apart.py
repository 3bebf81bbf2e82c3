"""What runs apart has limits, no secret, and an end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from models.apart import Harmed, run_apart

HOUSE = Path(__file__).parents[2]


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Whatever is to run apart is this script."""

    def written(script: str) -> None:
        place = tmp_path / "program"
        place.write_text("#!/bin/sh\n" + script)
        place.chmod(0o700)
        monkeypatch.setattr("models.apart.sys.executable", str(place))

    return written


def test_it_is_told_no_secret(program, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", "a secret")
    program("env")
    assert b"a secret" not in run_apart("any", [], 60, 100_000)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 3", r"reads it \(3\)"),
        ("kill -SEGV $$", r"reads it \(SIGSEGV\)"),
        ("exec sleep 600", "does not end"),
        ("yes", "does not end"),
    ],
)
def test_whoever_does_not_end_well_is_known(program, script, said):
    program(script)
    began = time.monotonic()
    with pytest.raises(Harmed, match=said):
        run_apart("any", [], 2, 1_000_000)
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    ("act", "said"),
    [
        ("bytearray(2 << 30)", "MemoryError"),
        ("import os; os.write(os.open(os.environ['FILE'], os.O_CREAT | os.O_WRONLY), b'x')", "File too large"),
    ],
)
def test_what_it_may_not_do(act, said, tmp_path, monkeypatch):
    monkeypatch.setenv("FILE", str(tmp_path / "file"))
    program = f"from models.apart import confine; confine(60, 1 << 30); {act}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=HOUSE)
    assert done.returncode != 0
    assert said in done.stderr or done.returncode == -signal.SIGXFSZ


def test_it_has_so_much_time():
    program = "from models.apart import confine; confine(1, 1 << 30)\nwhile True: pass"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, cwd=HOUSE)
    assert done.returncode in (-signal.SIGXCPU, -signal.SIGKILL)


def test_it_ends_with_whoever_began_it(tmp_path):
    inner = "import os, time; print(os.getpid(), flush=True); from models.apart import confine; confine(60, 1 << 30)"
    outer = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {inner!r} + '; time.sleep(600)'])"
    parent = subprocess.Popen(
        [sys.executable, "-c", f"{outer}; time.sleep(600)"], stdout=subprocess.PIPE, text=True, cwd=HOUSE
    )
    child = int(parent.stdout.readline())
    time.sleep(2)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(100):
        if not Path(f"/proc/{child}").exists() or "State:\tZ" in Path(f"/proc/{child}/status").read_text():
            break
        time.sleep(0.1)
    else:
        os.kill(child, signal.SIGKILL)
        pytest.fail("it lived on")
