"""A made-up portfolio whose true response to contact is known (docs/simulator.md): written shard by shard as a source folder."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from features.errors import CannotWrite, UsageError
from features.tables import TABLES
from pipeline.simulated_books import BOOKS, FLORIDA, PLACES, Calendar, accounts_born, calendar, debtors_born, minutes_from
from pipeline.simulated_log import Log, World, empty_log
from pipeline.simulated_tables import tables_of, truth_of

DEBTORS_PER_SHARD = 20_000
LAST_DAY = dt.date(2026, 10, 31)
FORMATS = ("csv.gz", "parquet")
LEAST_MATURITY = 13  # days in which every payment of a horizon has become known


@dataclass(frozen=True)
class Order:
    """What is to be simulated; the same order gives the same bytes."""

    debtors: int
    seed: int
    out: Path
    months: int
    end: dt.date
    shards: int
    file_format: str
    horizon_days: int
    maturity_days: int


def simulate(
    debtors: int,
    seed: int,
    out: Path,
    months: int = 24,
    end: dt.date = LAST_DAY,
    shards: int | None = None,
    file_format: str = "csv.gz",
    faults: bool = False,
    workers: int = 1,
    horizon_days: int = 30,
    maturity_days: int = 14,
) -> None:
    """Write a source folder of `debtors` made-up debtors to `out`, with truth/ inside.

    end is the last day of data and of its month; the nights are the first of each month, the last one the day after `end`. A run of more
    than one shard writes each table as a folder of parts. The rows of a debtor depend on seed, months, end and its number alone.
    Raises UsageError for an order that cannot be met, CannotWrite when `out` cannot be written or already holds a delivery.
    """
    order = Order(debtors, seed, Path(out), months, end, shards or -(-debtors // DEBTORS_PER_SHARD), file_format, horizon_days, maturity_days)
    _check(order)
    totals: dict[str, tuple[Counter, Counter]] = {name: (Counter(), Counter()) for name in TABLES}
    for part in _mapped(partial(write_shard, order), range(order.shards), workers):
        for name, (rows, sums) in part.items():
            totals[name][0].update(rows)
            totals[name][1].update(sums)
    for name, (rows, sums) in totals.items():
        control = {"rows": rows["rows"], "sums": {c: _decimal(sums[c], c) for c in sorted(sums)}, "complete_through": end.isoformat()}
        _write(order.out / f"{name}.control.json", (json.dumps(control, indent=1) + "\n").encode())


def _check(order: Order) -> None:
    if order.debtors < 1 or order.months < 3:
        raise UsageError(f"debtors must be at least 1 and months at least 3. Got {order.debtors} and {order.months}.")
    if not 1 <= order.shards <= order.debtors:
        raise UsageError(f"shards must be 1 to the number of debtors. Got {order.shards}.")
    if order.file_format not in FORMATS:
        raise UsageError(f"file_format must be one of {', '.join(FORMATS)}. Got {order.file_format!r}.")
    if (order.end + dt.timedelta(days=1)).day != 1:
        raise UsageError(f"end must be the last day of a month. Got {order.end}.")
    if not 1 <= order.horizon_days <= 30:
        raise UsageError(f"horizon_days must be 1 to 30: the truth is exact within a debtor's month. Got {order.horizon_days}.")
    if not LEAST_MATURITY <= order.maturity_days <= 60:
        raise UsageError(f"maturity_days must be {LEAST_MATURITY} to 60. Got {order.maturity_days}.")
    if any((order.out / f"{name}{ending}").exists() for name in TABLES for ending in ("", ".csv.gz", ".parquet", ".csv")):
        raise CannotWrite(f"Folder {str(order.out)!r} already holds a delivery. Name another or remove it.")


def _mapped(work, shards: range, workers: int) -> Iterator:
    if workers == 1 or len(shards) == 1:
        yield from map(work, shards)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, shards)


def write_shard(order: Order, shard: int) -> dict[str, tuple[dict, dict]]:
    """Simulate and write one shard. Per table: {"rows": n} and the sum of its money column per currency, in minor units."""
    numbers = np.arange(order.debtors * shard // order.shards, order.debtors * (shard + 1) // order.shards)
    dates = calendar(order.months, order.end)
    debtors, accounts, log = lived(order.seed, numbers, dates, order.horizon_days, order.maturity_days)
    tables = tables_of(debtors, accounts, log, dates)
    totals = {}
    for name, table in tables.items():
        single = order.shards == 1
        place = order.out / f"{name}.{order.file_format}" if single else order.out / name / f"part-{shard:05d}.{order.file_format}"
        _write(place, _csv(table) if order.file_format == "csv.gz" else _parquet(table))
        totals[name] = ({"rows": table.num_rows}, _sums(name, table, tables["accounts"]))
    truth = truth_of(debtors, accounts, log, dates)
    truth = truth.replace_schema_metadata({"horizon_days": str(order.horizon_days), "maturity_days": str(order.maturity_days)})
    _write(order.out / "truth" / ("nights.parquet" if order.shards == 1 else f"nights-{shard:05d}.parquet"), _parquet(truth))
    return totals


def lived(seed: int, numbers: np.ndarray, dates: Calendar, horizon_days: int, maturity_days: int) -> tuple[np.ndarray, np.ndarray, Log]:
    """Debtors and accounts as they end, and everything the books wrote down about them."""
    from pipeline.simulated_months import live

    world, times = world_of(seed, dates, horizon_days, maturity_days), dates.months / 24
    while True:
        debtors = debtors_born(seed, numbers)
        accounts, items = accounts_born(seed, debtors, dates)
        log = empty_log(len(accounts), times)
        live(world, debtors, accounts, items, log)
        if all(count <= len(rows) for count, rows in zip(log.counts, log, strict=False)):
            return debtors, accounts, Log(*(rows[:count] for count, rows in zip(log.counts, log, strict=False)), log.counts)
        times *= 1.6


def world_of(seed: int, dates: Calendar, horizon_days: int, maturity_days: int) -> World:
    """All that is the same for every debtor."""
    all_days = np.arange(dates.nights[0], dates.nights[-1] + 62)
    most = max(len(places) for places in PLACES)
    shift, florida = np.zeros((len(PLACES), most, len(all_days)), np.int32), np.zeros((len(PLACES), most), np.int8)
    for group, places in enumerate(PLACES):
        zone = next(book.zone for book in BOOKS if book.group == group)
        for place, (jurisdiction, own, _) in enumerate(places):
            shift[group, place] = minutes_from(own or zone, zone, all_days)
            florida[group, place] = jurisdiction == FLORIDA
    return World(
        dates.nights, dates.weekday, dates.profile, dates.next_pay, dates.barred, dates.season, dates.storm, shift, florida,
        np.array([book.euro for book in BOOKS]), np.array([book.rounding for book in BOOKS]), np.array([book.call_cost for book in BOOKS]),
        np.array([book.letter_cost for book in BOOKS]), np.uint64(seed % 2**64), horizon_days, maturity_days,
    )  # fmt: skip


def _sums(name: str, table: pa.Table, accounts: pa.Table) -> dict[str, int]:
    """Minor units per currency of the table's money column, as written."""
    money = TABLES[name].money
    if money is None:
        return {}
    currency_of = dict(zip(accounts["account_id"].to_pylist(), accounts["currency"].to_pylist(), strict=True))
    currency = pa.array([currency_of[account] for account in table["account_id"].to_pylist()])
    minor = pc.cast(pc.replace_substring(table[money].combine_chunks(), ".", ""), pa.int64())
    sums = pa.table({"currency": currency, "minor": minor}).group_by("currency").aggregate([("minor", "sum")])
    return {row["currency"]: row["minor_sum"] or 0 for row in sums.to_pylist()}


def _decimal(minor: int, currency: str) -> str:
    decimals = next(book.decimals for book in BOOKS if book.currency == currency)
    return str(Decimal(minor).scaleb(-decimals)) if decimals else str(minor)


def _csv(table: pa.Table) -> bytes:
    text = io.BytesIO()
    pa.csv.write_csv(table, text, pa.csv.WriteOptions(quoting_style="none"))
    return gzip.compress(text.getbuffer(), compresslevel=9, mtime=0)


def _parquet(table: pa.Table) -> bytes:
    content = io.BytesIO()
    pq.write_table(table, content, compression="zstd", compression_level=12)
    return content.getvalue()


def _write(place: Path, content: bytes) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    except OSError as error:
        raise CannotWrite(f"{str(place)!r} cannot be written ({error.strerror}). Make room or name another folder, then run again.") from None
