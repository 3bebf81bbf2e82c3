"""A night of so many payments, from a delivery to a list: `python -m tests.worlds.many FOLDER EVENTS SEED [GROUP]`,
with FOLDER/params.yaml; the intake in a control group that bounds its memory, where one is named. Prints the peak of
the process's memory (MiB) once the delivery is in, and after the night, and how many accounts it ranked, as JSON. The
delivery is made by another process.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.intake.ingest import ingest
from pipeline.params import load
from tests.worlds.bounded import join, leave

THROUGH, STEP = "2026-09-30", 1_000_000
EMPTY = {"contacts": "contact_id,account_id,occurred_at,channel,direction", "statuses": "account_id,status,from_on"}


def texts(prefix: str, numbers: np.ndarray) -> pa.Array:
    return pa.array([f"{prefix}{number}" for number in numbers])


def days(back: np.ndarray) -> pa.Array:
    return pa.array((np.datetime64(THROUGH) - back).astype("datetime64[D]").astype(str))


def table(rows: int, fixed: dict[str, str], **columns: pa.Array) -> pa.Table:
    return pa.table({**columns, **{name: pa.array([cell] * rows) for name, cell in fixed.items()}})


def delivered(source: Path, events: int, seed: int, accounts: int | None = None) -> None:
    """A hundred payments an account, or as many as there are to be."""
    (source / "payments").mkdir(parents=True)
    accounts = max(events // 100, 500) if accounts is None else accounts
    own = np.arange(accounts)
    fixed = {"portfolio": "loan_eu", "product": "loan", "debtor_type": "consumer", "currency": "EUR"}
    ids = {"account_id": texts("A", own), "debtor_id": texts("D", own), "opened_on": days(400 + own % 300)}
    pq.write_table(table(accounts, {**fixed, "principal": "900.00"}, **ids), source / "accounts.parquet")
    bills = {"charge_id": texts("C", own), "account_id": texts("A", own)}
    bills |= {"issued_on": days(390 + own % 300), "due_on": days(60 + own % 200)}
    pq.write_table(table(accounts, {"amount": "900.00", "kind": "instalment"}, **bills), source / "charges.parquet")
    chance = np.random.default_rng(seed)
    for part, first in enumerate(range(0, events, STEP)):
        many = np.arange(first, min(first + STEP, events))
        whose, when = chance.integers(accounts, size=len(many)), chance.integers(0, 380, len(many))
        rows = {"payment_id": texts("P", many), "account_id": texts("A", whose), "occurred_at": days(when)}
        paid = table(len(many), {"amount": "1.00", "kind": "payment"}, **rows)
        pq.write_table(paid, source / "payments" / f"part-{part:03}.parquet")
    for name in ("accounts", "charges", "payments", *EMPTY):
        (source / f"{name}.control.json").write_text(json.dumps({"complete_through": THROUGH}))
    for name, header in EMPTY.items():
        (source / f"{name}.csv").write_text(header + "\n")
        (source / f"{name}.control.json").write_text(json.dumps({"rows": 0, "complete_through": THROUGH}))


def main(folder: Path, events: int, seed: int, group: Path | None = None) -> None:
    params = load(folder / "params.yaml")
    maker = get_context("spawn").Process(target=delivered, args=(folder / "source", events, seed))
    maker.start()
    maker.join()
    if group is not None:
        join(group)
    ingest(folder / "source", folder / "store", params)
    intake = peak()
    if group is not None:
        leave(group)
    from pipeline.night.night import publish_night  # an intake has no need of its libraries
    from pipeline.night.stages import Stages

    stages = Stages()  # each has the system forget the peak before it
    publish_night(folder / "store", dt.date(2026, 10, 1), folder / "out", params, stages=stages)
    manifest = json.loads((folder / "out" / "current" / "manifest.json").read_text(encoding="utf-8"))
    print(json.dumps({"intake": intake, "night": round(stages.most), "scorable": manifest["counts"]["scorable"]}))


def peak() -> int:
    """MiB of this process, since the system was last asked to forget it."""
    status = Path("/proc/self/status").read_text()  # ru_maxrss would tell of the process that began this one, too
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) // 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), *map(Path, sys.argv[4:]))
