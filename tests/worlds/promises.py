"""What a night promises, row by row, and how often each promise is attacked: a few times in every run of the tests, in
full by `make stress`, which prints and keeps how many attacks were tried and held.
"""

from __future__ import annotations

import functools
import json
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis.errors import StopTest, UnsatisfiedAssumption

EVERYDAY_SEED = 20261001
MOST_DRAWN = 4  # times as many attacks are drawn at most, where many meet nothing


@dataclass(frozen=True)
class Promise:
    """given, then: the attack, and what holds all the same. of: what is counted. everyday, full: how many."""

    given: str
    then: str
    of: str
    everyday: int
    full: int


PROMISES = {
    "r01": Promise(
        "SIGKILL at a random moment of `run`, of all its processes or of the first alone; a reader opens `current` "
        "in a loop; then `run` again",
        "no torn or mixed read; the sha256 of every file as undisturbed; nothing left in OUT, STORE or the temp folder",
        "kills", 2, 200,
    ),
    "r02": Promise(
        "a disk too small, in a tmpfs, and an N-th write that fails, by a preloaded library",
        "exit 73 or 74 within 5 s of processor time and a minute of the failure, and why; the old list whole and "
        "current; the next run ends as undisturbed, nothing is left over. Runs that were done before any write "
        "of theirs failed met nothing",
        "disks and writes", 2, 60,
    ),
    "r03": Promise(
        "the night from nothing, by 1 and by 2 workers; the night again",
        "the same bytes; a finished night is a no-op in under 3 s of processor time", "runs", 3, 3,
    ),
    "r04": Promise(
        "the delivery shuffled and cut into 1, 7 and 100 files, CSV, gzip and Parquet", "equal tables and equal ranks",
        "cuts", 2, 9,
    ),
    "r05": Promise(
        "eight starts at once; a run with two workers that is killed at a random moment",
        "one publishes, whoever meets its lock exits 75, each in less than 1 s of processor time, nobody ends "
        "otherwise; the lock is free within a second of the kill, and the next run ends as undisturbed",
        "starts", 8, 80,
    ),
    "r06": Promise(
        "SIGKILL after each shard and each stage; then `run` again",
        "finished shards are used again and counted; the result is the undisturbed one", "stages", 2, 6,
    ),
    "r07": Promise(
        "a flipped bit, or an end cut off, in any file of source, store, finished shards, marks and published nights",
        "refused with 65 or 77 in a sentence, or made again with the undisturbed bytes; a file of another night is "
        "left alone by this one, and `verify` names it; no crash, no hang",
        "flips and cuts", 8, 4_000,
    ),
    "r08": Promise(
        "a CSV file of payments cut at a random offset, with a control file and without; 80 rows a day are usual",
        "with: refused; without: refused in a row, and at a row's end under 70% of the usual volume; else let in, with "
        "a warning that names the table and how few rows it has, which a whole file of the usual volume does not get",
        "cuts", 16, 1_000,
    ),
    "r09": Promise(
        "generated deliveries of payments, most of them faulty, into a store that holds some already",
        "rows in = accepted + quarantined + duplicates, and the same for money to the cent, per currency",
        "deliveries", 8, 10_000,
    ),
    "r10": Promise(
        "the same files again, renamed, cut otherwise, overlapping, and with one row that contradicts",
        "an exact re-delivery changes no byte; what overlaps comes in once; what contradicts is DUP_CONFLICT",
        "deliveries", 5, 5,
    ),
    "r11": Promise(
        "payments reversed later, in whole or in part; a reversal of nothing",
        "before it is known as without it, after it net, never twice; REV_ORPHAN", "days", 60, 600,
    ),
    "r12": Promise(
        "rows known from the night on, whenever they happened", "not one cell of a feature changes", "worlds", 12, 1_000
    ),
    "r13": Promise(
        "a column that equals the label, known at the night itself, and before",
        "at the cut-off it is out, the AUC as without; before, an AUC of 0.95 or more is warned of by report, card and "
        "terminal, which name the column",
        "columns", 2, 2,
    ),
    "r14": Promise(
        "features by the training path and by the nightly one; in process, in a pool, on Spark where it is",
        "no other integer cell, floats equal to 1e-12", "ways", 2, 3,
    ),
    "r15": Promise(
        "both clock changes, UTC+14 and -11, leap days, naive stamps",
        "the instants, days and minutes worked out by hand; naive without a zone is TS_NAIVE", "stamps", 19, 19,
    ),
    "r16": Promise(
        "EUR, USD, JPY, KWD and a currency that is none",
        "no sum over currencies, the decimals of each, CCY_UNKNOWN", "amounts", 7, 7,
    ),
    "r17": Promise("amounts in 51 forms", "each its documented value or code", "forms", 51, 51),
    "r18": Promise(
        "columns permuted; missing, too many, renamed; of another type; a class nobody has seen",
        "permuted: bit-equal; the rest refused by name, or counted as missing", "matrices", 8, 200,
    ),
    "r19": Promise(
        "zero rows, a required table missing, payments, contacts or statuses that are late, volume of 69% and 151%, "
        "and outside what the params declare",
        "refused, of nights with 65 or 66, the old list readable and marked; `run --accept-volume` with a reason "
        "publishes, and the manifest says it",
        "nights", 10, 10,
    ),
    "r20": Promise(
        "many events under an engine limit of 1 GB",
        "finishes; the intake's peak within the limit and 300 MiB for its libraries, the night's, which holds a shard "
        "of 3 million events, within 3,000 MiB; nothing left in the temp folder",
        "events", 100_000, 100_000_000,
    ),
    "r21": Promise(
        "kept nights made again in another order, by another clock, zone, locale and hash seed", "the same bytes",
        "nights", 3, 12,
    ),
    "r22": Promise(
        "each class of failure, a bug, a full disk and signals among them, under a shell as cron has it; the metrics "
        "file of a published night with a disk that is full, and with a SIGKILL when half of it is written",
        "the documented exit code, and a last line on stderr that says what to do; the last list is marked, but by one "
        "who cannot tell which it is or meets another run; the metrics file says the exit code whole, or is the one "
        "before, whole",
        "failures", 6, 16,
    ),
    "s23": Promise(
        "formula payloads in every text of a CSV file, read with commas and with semicolons, and of a workbook, opened "
        "in LibreOffice",
        "nothing evaluated, no links; numbers stay so, negative ones too", "files", 3, 3,
    ),
    "s24": Promise(
        "markup and script payloads in every text, opened in Chromium from disk",
        "no dialog, no script, no request; the policy is there", "pages", 5, 5,
    ),
    "s25": Promise(
        "model texts that loop, point past their end, are cut off at any offset or altered in any byte",
        "refused in words or read whole, here in one process; no cut within the trees gets past", "texts", 60, 4_000,
    ),
    "s26": Promise(
        "hostile names as account, debtor, place, file and folder, each to a command drawn among those that take one",
        "nothing written outside; no message of the engine's, no name echoed whole", "names", 18, 60,
    ),
    "s27": Promise(
        "Parquet and gzip bombs, 1,001 columns and a million, cells of 100 MB, a control file of 200 MB, each to an "
        "intake in a process of its own",
        "LIMIT_* in 2 s of processor time and within 300 MiB, libraries and all; nothing is stored", "bombs", 4, 9,
    ),
    "s28": Promise(
        "canaries in every id, detail and agent of the input, in product, place, language, method and own columns of "
        "twelve debtors, and of failing runs in amounts and names of books",
        "in rows alone: none in logs, messages, manifests, registry, models, temp; mode 0600", "commands", 20, 20,
    ),
    "s29": Promise(
        "no network, with the age-band table, and with a trained and pinned model whose registry cannot be reached; a "
        "fresh registry with 8 first writers",
        "a night works, with the bytes it had while the registry stood; nobody asks; all writers succeed",
        "commands", 5, 5,
    ),
    "s30": Promise(
        "the published list", "contributions + base = raw score within 1e-6 on every row; ordered by value, ties by id",
        "rows", 20, 20,
    ),
}  # fmt: skip


@dataclass
class Attacks:
    """The attacks on one row: a loop over them, or one by one. Each is tried once begun and held once its body has
    ended. One that met nothing it could harm is counted apart, and another drawn for it.
    """

    row: str
    seed: int
    full: bool
    tried: int = 0
    held: int = 0
    missed: int = 0
    missing: bool = False  # the attack in hand has met nothing
    ended: str = "did not run"  # how its test ended: passed, failed, skipped, or without an attack
    began: float = field(default_factory=time.perf_counter)

    @classmethod
    def of(cls, row: str) -> Attacks:
        full = os.environ.get("RECOUP_COUNTS") == "full"
        seed = int(os.environ.get("RECOUP_SEED", random.SystemRandom().randrange(10**8) if full else EVERYDAY_SEED))
        return cls(row, seed, full)

    @property
    def count(self) -> int:
        """How many there are to be. RECOUP_MOST says to stop earlier, and the table then says how far it came."""
        promise = PROMISES[self.row]
        most = int(os.environ.get("RECOUP_MOST", promise.full))
        return min(promise.full, most) if self.full else promise.everyday

    def __iter__(self) -> Iterator[random.Random]:
        for number in range(self.count * MOST_DRAWN):
            if self.tried >= self.count:
                return
            with self.one():
                yield self.chance(number)

    def chance(self, number: int) -> random.Random:
        return random.Random(f"{self.row}-{self.seed}-{number}")

    def over(self, cases: Iterable[Any]) -> Iterator[Any]:
        """All of these cases, however many are to be."""
        for case in cases:
            with self.one():
                yield case

    @contextmanager
    def one(self, weight: int = 1) -> Iterator[None]:
        self.tried, self.missing = self.tried + weight, False
        try:
            yield
        except (StopTest, UnsatisfiedAssumption):  # hypothesis gave this world up before it was drawn to its end
            self.tried -= weight
            raise
        if self.missing:
            self.tried, self.missed = self.tried - weight, self.missed + weight
        else:
            self.held += weight

    def miss(self) -> None:
        """The attack in hand met nothing: neither tried nor held."""
        self.missing = True

    def drawn(self, *strategies: Any, **named: Any) -> Callable[[Callable[..., None]], Callable[[], None]]:
        """A check of so many worlds that hypothesis draws from the seed; those of every day are always the same."""

        def of(check: Callable[..., None]) -> Callable[[], None]:
            @functools.wraps(check)
            def counted(*given_: Any, **held: Any) -> None:
                with self.one():
                    check(*given_, **held)

            quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
            often = settings(max_examples=self.count, deadline=None, suppress_health_check=quiet, database=None)
            return seed(self.seed)(often(given(*strategies, **named)(counted)))

        return of

    def told(self) -> dict[str, Any]:
        seconds = round(time.perf_counter() - self.began, 1)
        return {
            "row": self.row, "tried": self.tried, "held": self.held, "missed": self.missed, "seconds": seconds,
            "seed": self.seed,
            "ended": "no attack" if self.ended == "passed" and not self.tried else self.ended,
        }  # fmt: skip

    def keep(self) -> None:
        """A line in the file that RECOUP_TOLD names, for the table."""
        if place := os.environ.get("RECOUP_TOLD"):
            with Path(place).open("a", encoding="utf-8") as file:
                file.write(json.dumps(self.told()) + "\n")
