"""What benchmarks share: commands measured as a process, the memory of processes looked at, steps done once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

RECOUP = Path(sys.executable).parent / "recoup"
PAGE = os.sysconf("SC_PAGE_SIZE")


def timed(stage: str, *command: object) -> dict[str, Any]:
    """Processor seconds and peak memory of a command as a whole process, what it printed, and the last line of it."""
    own = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True, env=own) as started:
        printed = started.stdout.read().strip().splitlines()  # pyrefly: ignore[missing-attribute]
        _, status, used = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(status)
    if started.returncode:
        raise SystemExit(f"{stage} ended with {started.returncode}.")
    cpu, last_line = used.ru_utime + used.ru_stime, printed[-1] if printed else ""
    return {"stage": stage, "cpu": cpu, "peak_mib": used.ru_maxrss / 1024, "last_line": last_line, "said": printed}


@contextmanager
def watched(every_s: float) -> Iterator[list[tuple[float, float]]]:
    """(seconds, MiB) of the memory of this process's children and theirs together, looked at so often."""
    found: list[tuple[float, float]] = []
    ended, began = threading.Event(), time.monotonic()

    def look() -> None:
        while not ended.wait(every_s):
            mib = sum(map(_resident, descendants(os.getpid()))) / 2**20
            found.append((round(time.monotonic() - began, 1), round(mib, 1)))

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        yield found
    finally:
        ended.set()
        looking.join()


def descendants(pid: int) -> list[int]:
    """Processes that a process started, and those that they did."""
    parents: dict[int, int] = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(place.parent.name)] = int(place.read_text().rsplit(")", 1)[1].split()[1])
    found, wanted = [], {pid}
    while wanted:
        wanted = {child for child, parent in parents.items() if parent in wanted}
        found += sorted(wanted)
    return found


def _resident(pid: int) -> int:
    with suppress(OSError, ValueError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    return 0


class Steps:
    """Steps of a long benchmark that are done once: name -> what each told, kept in FOLDER/steps.json."""

    def __init__(self, folder: Path) -> None:
        self._place = folder / "steps.json"
        self.done: dict[str, Any] = json.loads(self._place.read_text()) if self._place.exists() else {}

    def do(self, name: str, work: Callable[[], dict[str, Any]]) -> None:
        if name in self.done:
            return
        self.done[name] = told = work()
        print(f"{name}: {told.get('cpu', 0):,.0f} s, {told.get('peak_mib', 0):,.0f} MiB", flush=True)
        draft = self._place.with_name("steps.draft")
        draft.write_text(json.dumps(self.done, indent=1))
        draft.replace(self._place)
