"""Runs of the program that can be killed: each is a process of its own, forked from one that has loaded the libraries
of a night and done nothing yet.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

HOUSE = Path(__file__).parents[2]
PROGRAM = """
import importlib, json, os, signal, sys
import pipeline.run, pipeline.finished, lightgbm, shap, xlsxwriter, deltalake, duckdb
from pipeline.cli import main

def killed_in(place, call):
    # the process ends in the so-many-th call of a function, before it does anything
    room, name = place.rsplit(":", 1)
    owner, found = importlib.import_module(room), name.split(".")
    for part in found[:-1]:
        owner = getattr(owner, part)
    honest, calls = getattr(owner, found[-1]), []
    def counted(*given, **named):
        calls.append(1)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return honest(*given, **named)
    setattr(owner, found[-1], counted)

for line in sys.stdin:
    told = json.loads(line)
    number = os.fork()
    if number == 0:
        os.setsid()
        said = os.open(told["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(said, 1); os.dup2(said, 2); os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ.update(told["environment"])
        if told["killed_in"]:
            killed_in(*told["killed_in"])
        main(told["command"])
    print(number, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]), flush=True)
"""


@dataclass
class Ended:
    """code: the exit code, negative for a signal. said: all it wrote to stdout and stderr."""

    code: int
    said: str
    seconds: float


class Runs:
    """One run at a time."""

    def __init__(self, folder: Path) -> None:
        self.said, self.last = folder / "said.txt", 0
        self.server = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], cwd=HOUSE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Runs:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.close()
        self.server.wait()
        self.server.stdout.close()

    def run(
        self,
        *command: str,
        environment: Mapping[str, str] | None = None,
        kill_after: float | None = None,
        parent_alone: bool = False,
        killed_in: tuple[str, int] | None = None,
    ) -> Ended:
        """kill_after: seconds; then SIGKILL to the process, and to its children unless parent_alone. killed_in: a
        function (module:name) and the how-many-th call of it.
        """
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        told = {"command": command, "said": str(self.said), "environment": dict(environment or {})}
        self.server.stdin.write(json.dumps({**told, "killed_in": killed_in}) + "\n")
        self.server.stdin.flush()
        number, began = int(self.server.stdout.readline()), time.perf_counter()
        self.last = number
        if kill_after is not None:
            time.sleep(kill_after)
            with suppress(ProcessLookupError):  # it had ended
                (os.kill if parent_alone else os.killpg)(number, signal.SIGKILL)
        code = int(self.server.stdout.readline())
        return Ended(code, self.said.read_text(encoding="utf-8", errors="replace"), time.perf_counter() - began)

    def children_end_within(self, seconds: float) -> bool:
        """Whether nobody of the last run's process group is left by then."""
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            try:
                os.killpg(self.last, 0)
            except ProcessLookupError:
                return True
            time.sleep(0.02)
        return False
