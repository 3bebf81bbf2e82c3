"""What it costs a night to prove what it reads, and a run to find that another is at work:
python -m benchmarks.hashing [--accounts N] [--payments N].

A made-up delivery, taken in and ranked in this process, with two clocks of processor time: one in every sha256 of a
file, one in every reconciliation of a table (rows and money in = accepted + quarantined + duplicates, and what was
written counted again). The age-band table ranks, which is quicker than a model: a model only lowers the shares.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.finished import finished
from pipeline.intake import table as intake
from pipeline.params import load
from pipeline.run import whole_night
from pipeline.store.locks import only_run
from tests.worlds.houses import RECOUP, short_terms
from tests.worlds.many import delivered

NIGHT = dt.date(2026, 10, 1)


class Clock:
    """Adds up what calls of a function cost. thread: of the calling thread alone; else of the whole process."""

    def __init__(self, thread: bool) -> None:
        self.now, self.seconds, self.calls = time.thread_time if thread else time.process_time, 0.0, 0

    def on(self, owner: Any, name: str) -> None:
        honest = getattr(owner, name)

        def timed(*given: Any, **named: Any) -> Any:
            began = self.now()
            try:
                return honest(*given, **named)
            finally:
                self.seconds += self.now() - began
                self.calls += 1

        setattr(owner, name, timed)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--accounts", type=int, default=200_000)
    arguments.add_argument("--payments", type=int, default=2_000_000)
    chosen = arguments.parse_args()
    hashes, counts = Clock(thread=True), Clock(thread=False)
    hashes.on(hashlib, "file_digest")
    counts.on(intake.TableIntake, "_report")
    counts.on(intake, "_add_money")
    with tempfile.TemporaryDirectory(prefix="recoup-hashing-") as folder:
        place = Path(folder)
        params = load(short_terms(place))
        delivered(place / "source", chosen.payments, seed=1, accounts=chosen.accounts)
        out, store = place / "out", place / "store"
        whole = used(lambda: whole_night(place / "source", store, NIGHT, out, params))
        told = f"{chosen.accounts:,} accounts, {chosen.payments:,} payments"
        print(f"{told}: the whole night {whole:.1f} s of processor time")
        for name, clock in (("hashes of files", hashes), ("reconciliation", counts)):
            print(f"{name:<18}{clock.seconds:>7.2f} s in {clock.calls:>5,} calls, {clock.seconds / whole:.1%}")
        again = used(lambda: finished(place / "source", store, NIGHT, out, params))
        print(f"proof that the night is finished {again:.2f} s")
        with only_run(out):
            command = [RECOUP, "run", "--as-of", str(NIGHT), "--params", place / "params.yaml"]
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            ended = subprocess.run(command, capture_output=True, check=False).returncode
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        loser = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(f"a run beside another: exit {ended} after {loser:.2f} s of processor time")


def used(work: Callable[[], object]) -> float:
    """Processor time of this process and its children."""
    began = time.process_time()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() - began + after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main())
