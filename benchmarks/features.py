"""Seconds and peak memory of the features beside other tools: make bench-features,
or python -m benchmarks.features [--accounts N].

All read the same store from disk and end with a pandas frame of the same 42 aggregates; every cell is compared before
anything is timed. Medians of the repeats, in one run; a ratio is the other's median over Recoup's at that size. CPU
seconds stand beside the wall clock, for machines with noisy neighbours. featuretools and timeseriesflattener are asked
at sizes of their own (--slow-accounts, --small-accounts).
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa

from benchmarks import feature_rivals as rivals
from benchmarks.faces import memory
from benchmarks.feature_store import CONTACTS_EACH, NIGHT, PAYMENTS_EACH, stored
from features.catalogue import CATALOGUE
from features.columns import columns_of
from pipeline.panel.engines import map_shards
from pipeline.panel.view import View, features_of, view
from pipeline.params import Params, load
from pipeline.store.store import Store

MONTHS = 12
HOUSE = Path(__file__).parents[1]
FEATURETOOLS = HOUSE / ".venv-featuretools" / "bin" / "python"


@dataclass(frozen=True)
class Measured:
    """Seconds of each repeat; cpu of this process and its threads, None where another process did the work."""

    walls: list[float]
    cpu: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.walls)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--accounts", type=int, default=200_000)
    arguments.add_argument("--slow-accounts", type=int, default=200_000, help="of the night for the two slowest tools")
    arguments.add_argument(
        "--small-accounts", type=int, default=5_000, help="of the same, where fixed costs weigh most"
    )
    arguments.add_argument("--panel-accounts", type=int, default=50_000)
    arguments.add_argument("--slow-panel-accounts", type=int, default=20_000)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--work", type=Path, default=Path("work/benchmark-features"))
    parts = ("night", "slow", "small", "panel", "slow-panel", "whole")
    arguments.add_argument("--only", nargs="*", choices=parts, default=list(parts))
    chosen = arguments.parse_args()
    params = load(HOUSE / "params.yaml")
    params = params.model_copy(update={"engine": params.engine.model_copy(update={"workers": chosen.threads})})
    months = [NIGHT - 30 * month for month in range(MONTHS)][::-1]
    whole = {"DuckDB SQL": rivals.in_duckdb, "Polars": rivals.in_polars, "pandas": rivals.in_pandas}
    slow = {"timeseriesflattener": rivals.in_timeseriesflattener, "featuretools": None}
    print(f"{len(rivals.BASIC)} aggregates, {chosen.threads} threads, medians of {chosen.repeats} (least to most)\n")
    print(f"{'':<34}{'tool':<22}{'wall s':>9}{'':>18}{'CPU s':>8}{'other / Recoup':>16}")
    for name, accounts, nights, others in (
        ("night", chosen.accounts, [NIGHT], whole),
        ("slow", chosen.slow_accounts, [NIGHT], slow),
        ("small", chosen.small_accounts, [NIGHT], slow),
        ("panel", chosen.panel_accounts, months, whole),
        ("slow-panel", chosen.slow_panel_accounts, months, {"featuretools": None}),
    ):
        if name in chosen.only:
            _compare(_place(chosen, accounts), accounts, nights, others, params, chosen)
    if "whole" in chosen.only:
        _whole_catalogue(_place(chosen, chosen.accounts), params, chosen)
    print(f"\nPeak memory {memory('VmHWM'):,.0f} MiB, all tools of this process taken together")


def _place(chosen: argparse.Namespace, accounts: int) -> Store:
    return stored(chosen.work / f"{accounts}-{chosen.seed}", accounts, chosen.seed)


def _compare(
    store: Store, accounts: int, nights: list[int], others: dict, params: Params, chosen: argparse.Namespace
) -> None:
    """Recoup and the others on the same question; AssertionError where a cell differs."""
    events = accounts * (PAYMENTS_EACH + CONTACTS_EACH)
    title = f"{accounts:,} accounts, {events / 1e6:g} M events" + (f", {len(nights)} nights" if len(nights) > 1 else "")
    ours = partial(recoup, store, nights, params)
    expected = _in_order(ours())
    own = timed(ours, chosen.repeats)
    print(f"{title:<34}{'Recoup':<22}{_seconds(own)}", flush=True)
    for name, make in others.items():
        if make is None:
            found, measured = _in_featuretools(store, nights, chosen.repeats)
        else:
            found, measured = make(store.path, nights, chosen.threads), None
        pd.testing.assert_frame_equal(_in_order(found), expected, check_dtype=False, rtol=1e-9, obj=name)
        measured = measured or timed(partial(make, store.path, nights, chosen.threads), chosen.repeats)
        print(f"{'':<34}{name:<22}{_seconds(measured)}{measured.median / own.median:>15.1f}x", flush=True)


def recoup(store: Store, nights: list[int], params: Params) -> pd.DataFrame:
    """The product's own path, from the store to a frame."""
    cohort, matrix = features_of(Store(store.path), nights, params, rivals.BASIC, everyone=True)
    return pd.concat([cohort[["account_no", "as_of"]].set_axis(["account_no", "night"], axis=1), matrix], axis=1)


def _in_order(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[["account_no", "night", *rivals.BASIC.names]].sort_values(["account_no", "night"], ignore_index=True)


def _in_featuretools(store: Store, nights: list[int], repeats: int) -> tuple[pd.DataFrame, Measured]:
    """One run of the other environment a night, their seconds added up."""
    frames, walls = [], [0.0] * repeats
    with tempfile.TemporaryDirectory() as folder:
        for night in nights:
            out = Path(folder) / f"{night}.parquet"
            command = [
                FEATURETOOLS,
                HOUSE / "benchmarks" / "featuretools_side.py",
                store.path.resolve(),
                night,
                out,
                repeats,
            ]
            told = subprocess.run(
                [str(part) for part in command], capture_output=True, text=True, check=True
            ).stdout.split()
            walls = [before + float(seconds) for before, seconds in zip(walls, told[-repeats:], strict=True)]
            frames.append(pd.read_parquet(out))
    return pd.concat(frames, ignore_index=True), Measured(walls)


def _whole_catalogue(store: Store, params: Params, chosen: argparse.Namespace) -> None:
    """All features of one night of the scorable accounts, ledger and cohort included,
    against a DuckDB scan of the columns they need.
    """
    scan = timed(partial(scanned, store, chosen.threads), chosen.repeats)
    night = timed(partial(as_a_night, store, params), chosen.repeats)
    made = timed(lambda: features_of(Store(store.path), [NIGHT], params, CATALOGUE), chosen.repeats)
    print(f"\n{f'whole catalogue, {len(CATALOGUE)} features':<34}{'DuckDB scan':<22}{_seconds(scan)}")
    print(f"{'':<34}{'Recoup, a frame a shard':<24}{_seconds(night)[2:]}   {night.median / scan.median:.1f} scans")
    print(f"{'':<34}{'Recoup, one frame':<22}{_seconds(made)}   {made.median / scan.median:.1f} scans")
    for title, work in (
        (
            "one shard of it, as a night works",
            partial(view, Store(store.path), 0, [NIGHT], params, store.versions(), whole=False),
        ),
        ("all shards in one frame", partial(features_of, Store(store.path), [NIGHT], params, CATALOGUE)),
    ):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            before, after = pool.submit(memory, "VmHWM").result(), pool.submit(_peak_of, work).result()
        print(f"{title:<34}{'Recoup':<22}{f'peak memory {after:,.0f} MiB, {before:,.0f} before it began':>49}")


def _peak_of(work: Callable[[], object]) -> float:
    work()
    return memory("VmHWM")


def as_a_night(store: Store, params: Params) -> list[View]:
    """Cohort, ledger and all features of every shard, as a night makes them."""
    opened = Store(store.path)
    work = partial(view, opened, nights=[NIGHT], params=params, versions=opened.versions(), whole=False)
    return list(map_shards(work, range(opened.shards), params.engine, threads=True))


def scanned(store: Store, threads: int) -> list[pa.Table]:
    """Every needed column in memory, as DuckDB reads it: the floor below which no engine that
    reads the store can go.
    """
    connection = duckdb.connect(config={"threads": threads})
    found = []
    for name, columns in columns_of(CATALOGUE).items():
        if (store.path / name).exists():
            shown = "*" if columns is None else ", ".join(columns)
            found.append(
                connection.sql(f"SELECT {shown} FROM read_parquet('{rivals.files(store.path, name)}')").to_arrow_table()
            )
    connection.close()
    return found


def timed(work: Callable[[], object], repeats: int) -> Measured:
    walls, processors = [], []
    for _ in range(repeats):
        wall, processor = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    return Measured(walls, statistics.median(processors))


def _seconds(measured: Measured) -> str:
    spread = f"({min(measured.walls):.2f} to {max(measured.walls):.2f})"
    cpu = "" if measured.cpu is None else f"{measured.cpu:.2f}"
    return f"{measured.median:>9.2f} {spread:>17}{cpu:>8}"


if __name__ == "__main__":
    main()
