"""Unusual payments and identities, held against what was planted: python -m benchmarks.unusual --worlds FIRST LAST
[--none] [--debtors N] [--rows]; --sample: what looking costs on the sample.

Each world is simulated, taken in, and read as a night reads it. A planted case counts as found where a row of the first
50 is of its kind and names one of its debtors. Every other row is a false positive; those that the world's innocent
ones explain are told apart. --none: worlds in which nothing is planted, so that every row is one. --rows prints the
list row by row. CPU seconds are those of this process, of what the look at unusual cases takes and of reading a shard
with all features, as a night does.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import logging
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import yaml

from benchmarks.real import PROJECT_PARAMS
from features.days import day_number
from features.unusual import KINDS, Readings
from pipeline.intake.ingest import ingest
from pipeline.night.unusual import unusual_of, unusual_shard
from pipeline.panel.view import view
from pipeline.params import Params, load
from pipeline.simulate.portfolio import LAST_DAY, simulate
from pipeline.simulate.unusual import plant
from pipeline.store.store import Store

FIRST_ROWS = 50
NIGHT = LAST_DAY + dt.timedelta(days=1)


@dataclass
class Counted:
    """Over worlds: planted and found by kind, false rows by kind and of them innocent ones; CPU seconds."""

    planted: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    innocent: Counter[str] = field(default_factory=Counter)
    rows: list[int] = field(default_factory=list)
    looked: float = 0.0
    read: float = 0.0


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--worlds", type=int, nargs=2, metavar=("FIRST", "LAST"))
    which.add_argument("--sample", action="store_true")
    parser.add_argument("--none", action="store_true")
    parser.add_argument("--debtors", type=int, default=1200)
    parser.add_argument("--rows", action="store_true")
    chosen = parser.parse_args(arguments)
    logging.getLogger("recoup").setLevel(logging.WARNING)
    count = Counted()
    if chosen.sample:
        with tempfile.TemporaryDirectory() as folder:
            rows = of_sample(Path(folder), count)
        print(f"The sample: {len(rows)} case{'s' * (len(rows) != 1)}.\n{cost(count)}")
        return
    for seed in range(*chosen.worlds):
        with tempfile.TemporaryDirectory() as folder:
            rows, truth = world(Path(folder), seed, chosen.debtors, not chosen.none, count)
        judge(rows, truth, count)
        if chosen.rows:
            print(told(rows, truth), flush=True)
    print(sentences(count, len(range(*chosen.worlds))))


def params_in(folder: Path) -> Params:
    written = yaml.safe_load(PROJECT_PARAMS.read_text())
    written["paths"] = {name: str(folder / name) for name in ("source", "store", "out")}
    written["paths"]["tracking_uri"] = f"sqlite:///{folder / 'mlflow.db'}"
    (folder / "params.yaml").write_text(yaml.safe_dump(written))
    return load(folder / "params.yaml")


def of_sample(folder: Path, count: Counted) -> pd.DataFrame:
    """Its cases; looked at once before, so that nothing is loaded or compiled while it is timed."""
    params = params_in(folder)
    ingest(PROJECT_PARAMS.parent / "data" / "sample", folder / "store", params)
    found_in(folder, params, Counted())
    return found_in(folder, params, count)


def world(folder: Path, seed: int, debtors: int, planted: bool, count: Counted) -> tuple[pd.DataFrame, dict]:
    """The rows of the night after the last day, and the truth."""
    source, params = folder / "source", params_in(folder)
    simulate(debtors, seed, source, months=14)
    plant(source, seed, planted)
    ingest(source, folder / "store", params, backfill=True)
    return found_in(folder, params, count), json.loads((source / "truth" / "unusual.json").read_text())


def found_in(folder: Path, params: Params, count: Counted) -> pd.DataFrame:
    """The cases of the night, from the store in the folder."""
    store = Store(folder / "store")
    job = SimpleNamespace(params=params, as_of=day_number(NIGHT))
    parts = []
    for shard in range(store.shards):
        began = time.process_time()
        seen = view(store, shard, [job.as_of], params, store.versions())
        count.read += time.process_time() - began
        began = time.process_time()
        parts.append(partial(Readings, *unusual_shard(job, seen)))
        count.looked += time.process_time() - began
    began = time.process_time()
    rows, _ = unusual_of(parts, job)
    count.looked += time.process_time() - began
    return rows[(rows["rank"] > 0).to_numpy()]


def of_which(row: pd.Series, cases: list[dict]) -> list[dict]:
    """The cases of the truth that a row is of: a kind of it, and a debtor."""
    kinds, debtors = set(row["kinds"].split()), set(row["debtor_ids"].split())
    return [case for case in cases if case["kind"] in kinds and debtors & set(case["debtor_ids"])]


def judge(rows: pd.DataFrame, truth: dict, count: Counted) -> None:
    first = rows.head(FIRST_ROWS)
    hit = [of_which(row, truth["planted"]) for _, row in first.iterrows()]
    found = {id(case): case for cases in hit for case in cases}
    count.planted.update(case["kind"] for case in truth["planted"])
    count.found.update(case["kind"] for case in found.values())
    count.rows.append(len(first))
    for (_, row), cases in zip(first.iterrows(), hit, strict=True):
        if not cases:
            count.false.update(row["kinds"].split()[:1])
            if of_which(row, truth["innocent"]):
                count.innocent.update(row["kinds"].split()[:1])


def told(rows: pd.DataFrame, truth: dict) -> str:
    lines = []
    for _, row in rows.iterrows():
        what = (
            "planted"
            if of_which(row, truth["planted"])
            else "innocent"
            if of_which(row, truth["innocent"])
            else "other"
        )
        lines.append(f"{row['rank']:>3} {what:8} {row['kinds']}, 1 in {row['one_in']}: {row['reasons']}")
    return "\n".join(lines)


def sentences(count: Counted, worlds: int) -> str:
    lines = [
        f"{worlds} worlds: {sum(count.rows)} rows among the first {FIRST_ROWS} of each, {max(count.rows)} at most."
    ]
    if count.planted:
        whole, found = sum(count.planted.values()), sum(count.found.values())
        lines.append(f"Planted {whole}, found {found} ({found / whole:.1%}).")
    lines.append(
        f"False positives {sum(count.false.values())}, {sum(count.innocent.values())} of them planted as innocent."
    )
    for kind in KINDS:
        own = f"planted {count.planted[kind]}, found {count.found[kind]}, " if count.planted else ""
        lines.append(f"  {kind}: {own}false {count.false[kind]} (innocent {count.innocent[kind]})")
    return "\n".join([*lines, cost(count)])


def cost(count: Counted) -> str:
    share = count.looked / (count.looked + count.read)
    return (
        f"CPU seconds: {count.looked:.1f} to look, {count.read:.1f} to read the shards with all features ({share:.1%})."
    )


if __name__ == "__main__":
    main()
