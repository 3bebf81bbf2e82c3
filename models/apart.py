"""A process of its own for what others wrote and a parser of theirs must read: whatever it does there, it does with
little memory and time, no secret of ours, and not to us.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

KEPT = ("PATH", "LD_LIBRARY_PATH", "TZ", "TMPDIR")  # of the environment: nothing that opens a door
OWN = {
    "PYTHONPATH": str(Path(__file__).parents[1]),
    "PYTHONDONTWRITEBYTECODE": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "LC_ALL": "C.UTF-8",
}
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux


class Harmed(Exception):
    """The process did not end as it should; says how, as the end of a sentence."""


def run_apart(module: str, arguments: Sequence[str], seconds: int, most_bytes: int) -> bytes:
    """What the module says when it runs as a program. It must call `confine` before it touches what others wrote.

    seconds: of the clock, at most; most_bytes: it may say. Raises Harmed where it does not end by itself, and well.
    """
    with subprocess.Popen(
        [sys.executable, "-P", "-m", module, *arguments],
        env={**{name: os.environ[name] for name in KEPT if name in os.environ}, **OWN},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        close_fds=True,
    ) as process:
        late = threading.Timer(seconds, process.kill)
        late.start()
        try:
            # pyrefly: ignore[missing-attribute]
            said = process.stdout.read(most_bytes + 1)
            if len(said) > most_bytes:
                raise Harmed("does not end")
        finally:
            late.cancel()
            if sys.exc_info()[0] is not None:
                process.kill()
    if process.returncode:
        raise Harmed("does not end" if process.returncode == -signal.SIGKILL else _ended(process.returncode))
    return said


def _ended(code: int) -> str:
    return f"ends the process that reads it ({signal.Signals(-code).name if code < 0 else code})"


def confine(seconds: int, memory: int) -> None:
    """From here on this process has so many seconds of processor time and bytes to address, and writes no file.
    It ends when the one that began it does.
    """
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(limit, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
