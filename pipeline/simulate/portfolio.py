"""A made-up portfolio whose true response to contact is known (docs/simulator.md):
written shard by shard as a source folder.
"""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from decimal import Decimal
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from tqdm import tqdm

from features.days import day_number, day_of_text
from features.errors import CannotWrite, InputMissing, UsageError
from features.tables import NEVER, TABLES, TREATMENTS
from pipeline.simulate.books import (
    BOOKS,
    EFFECTS,
    PLACES,
    accounts_born,
    calendar,
    debtors_born,
    minutes_from,
    stream_key,
)
from pipeline.simulate.collectors import LEFT, NO_ORDER, WORKED
from pipeline.simulate.faults import plant
from pipeline.simulate.forgetting import MESSAGE, messages_in, read_messages, reminders_of, told_of, tongues
from pipeline.simulate.log import Log, World, empty_log
from pipeline.simulate.tables import arms_of, chances_of, tables_of, truth_of, typed, with_language

DEBTORS_PER_SHARD = 20_000
LAST_DAY = dt.date(2026, 9, 30)
FORMATS = ("csv.gz", "parquet")
LEAST_FAULTY = 300  # debtors whose tables are large enough to hold the dirty rows without being refused for them
LIFE = 3  # salt of the streams that debtors live by; 1 and 2 are those of their births
ORDERED = ("debtor_id", "arm", "assigned_on", "until_on")  # columns of a file of orders; arm: worked, left
LEAST_MATURITY = 13  # days in which every payment of a horizon has become known


@dataclass(frozen=True)
class Nature:
    """What kind of world it is. The truth tells what it differs in from the usual one.

    slice   share of workable debtors whose month a coin decides: half of them are worked, half are left alone, whatever
            the collectors want
    effect  of contact on paying, one of EFFECTS
    hidden  what the collectors sense of a debtor's willingness weighs so many times the usual in their choice; 0: they
            sense nothing
    fatigue the second and the fifth message or conversation of a month do less than the first
    (pipeline.simulate.fatigue)
    meant   who pays anyway promises only what it means to pay: a day and an amount that its own payment fits
    forgets what falls due is late for being forgotten or for a short month, is paid in the days after, and reminders
            reach those who forgot (pipeline.simulate.forgetting); debtors speak a language
    """

    slice: float = 0.04
    effect: str = "natural"
    hidden: float = 1.0
    fatigue: bool = False
    meant: bool = False
    forgets: bool = False


USUAL = Nature()


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
    faults: bool
    horizon_days: int
    maturity_days: int
    nature: Nature
    follow: Path | None
    send: Path | None
    through: dt.date


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
    nature: Nature = USUAL,
    follow: Path | None = None,
    through: dt.date | None = None,
    send: Path | None = None,
) -> None:
    """Write a source folder of `debtors` made-up debtors to `out`, with truth/ inside.

    end is the last day of data and of its month; the nights are the first of each month, the last one the day after
    `end`. A run of more than one shard writes each table as a folder of parts. The rows of a debtor depend on seed,
    months, end, nature, its orders and its number alone. follow: a Parquet or CSV file of orders to the collectors,
    ORDERED; they hold in the months whose first day lies in [assigned_on, until_on), and what is ordered for a month
    changes nothing before it. send: a Parquet or CSV file of messages as nights publish them
    (pipeline.simulate.forgetting.COLUMNS), sent in a world that forgets on the day `as_of`; from the first of them on
    the shop sends nothing of its own.
    through: deliver what was known on that day. Raises UsageError for an order that cannot be met, CannotWrite when
    `out` cannot be written or already holds a delivery.
    """
    shards = shards or -(-debtors // DEBTORS_PER_SHARD)
    order = Order(
        debtors,
        seed,
        Path(out),
        months,
        end,
        shards,
        file_format,
        faults,
        horizon_days,
        maturity_days,
        nature,
        follow,
        send,
        through or end,
    )
    _check(order)
    totals: dict[str, tuple[Counter[str], Counter[str]]] = {
        name: (Counter(), Counter()) for name in TABLES if name not in TREATMENTS
    }
    parts = _mapped(partial(write_shard, order), range(order.shards), workers)
    for part in tqdm(parts, "shards", order.shards, leave=False, disable=None):
        for name, (rows, sums) in part.items():
            totals[name][0].update(rows)
            totals[name][1].update(sums)
    for name, (rows, sums) in totals.items():
        control = {
            "rows": rows["rows"],
            "sums": {c: _decimal(sums[c], c) for c in sorted(sums)},
            "complete_through": order.through.isoformat(),
        }
        _write(order.out / f"{name}.control.json", (json.dumps(control, indent=1) + "\n").encode())


class OrderRefused(UsageError):
    """What was ordered is no portfolio."""

    @classmethod
    def must(cls, what: str, rule: str, given: object) -> OrderRefused:
        return cls(f"{what} must {rule}. Got {given}.")


def _check(order: Order) -> None:
    if order.debtors < 1 or order.months < 3:
        raise OrderRefused.must("debtors", "be at least 1 and months at least 3", f"{order.debtors} and {order.months}")
    if not 1 <= order.shards <= order.debtors:
        raise OrderRefused.must("shards", "be 1 to the number of debtors", order.shards)
    if order.file_format not in FORMATS:
        raise OrderRefused.must("file_format", f"be one of {', '.join(FORMATS)}", repr(order.file_format))
    if (order.end + dt.timedelta(days=1)).day != 1:
        raise OrderRefused.must("end", "be the last day of a month", order.end)
    if not 1 <= order.horizon_days <= 30:
        exact = "be 1 to 30: the truth is exact within a debtor's month"
        raise OrderRefused.must("label.horizon_days", exact, order.horizon_days)
    if not LEAST_MATURITY <= order.maturity_days <= 60:
        raise OrderRefused.must("label.maturity_days", f"be {LEAST_MATURITY} to 60", order.maturity_days)
    if not 0 <= order.nature.slice <= 1:
        raise OrderRefused.must("slice", "be a share, 0 to 1", order.nature.slice)
    if order.nature.effect not in EFFECTS:
        raise OrderRefused.must("effect", f"be one of {', '.join(EFFECTS)}", repr(order.nature.effect))
    _check_nature(order)
    if not order.end - dt.timedelta(days=30 * order.months) < order.through <= order.end:
        raise OrderRefused.must("through", f"be a day of the {order.months} months to {order.end}", order.through)
    if order.follow is not None:
        _ordered(order.follow)
    if order.faults and order.debtors < LEAST_FAULTY * order.shards:
        raise UsageError(f"faults need at least {LEAST_FAULTY} debtors a shard. Got {order.debtors} in {order.shards}.")
    if any(
        (order.out / f"{name}{ending}").exists() for name in TABLES for ending in ("", ".csv.gz", ".parquet", ".csv")
    ):
        raise CannotWrite(f"Folder {str(order.out)!r} already holds a delivery. Name another or remove it.")


def _check_nature(order: Order) -> None:
    if not order.nature.hidden >= 0:
        raise OrderRefused.must("hidden", "be 0 or more", order.nature.hidden)
    of_natural = [name for name in ("fatigue", "meant") if getattr(order.nature, name)]
    if of_natural and order.nature.effect != "natural":
        raise UsageError(f"{of_natural[0]} is of natural effects. Got effect {order.nature.effect!r}.")
    if order.send is not None:
        if not order.nature.forgets:
            raise UsageError("Messages are sent in a world that forgets. Give forgets with send.")
        read_messages(order.send)


def _mapped(work, shards: range, workers: int) -> Iterator[Any]:
    if workers == 1 or len(shards) == 1:
        yield from map(work, shards)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, shards)


def write_shard(order: Order, shard: int) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Simulate and write one shard. Per table: {"rows": n} and the sum of its money column per currency,
    in minor units.
    """
    numbers = np.arange(order.debtors * shard // order.shards, order.debtors * (shard + 1) // order.shards)
    months = calendar(order.months, order.end)
    debtors, accounts, log = lived(
        order.seed, numbers, months, order.horizon_days, order.maturity_days, order.nature, order.follow, order.send
    )
    last = day_number(order.through)
    tables, dirty = tables_of(debtors, accounts, log.rows, months, last), order.faults and shard == 0
    if order.nature.forgets:
        recorded = tongues(order.seed, numbers, debtors["group"], debtors["place"])[1]
        tables["accounts"] = with_language(tables["accounts"], recorded, int(numbers[0]))
    known = log.truth[months["first"][log.truth["night"]] <= last + 1]
    places = {name: f"{name}{'' if order.shards == 1 else f'/part-{shard:05d}'}.{order.file_format}" for name in tables}
    if dirty:
        tables, answers = plant(tables, places, first_line=2 if order.file_format == "csv.gz" else 1)
        _write(order.out / "truth" / "faults.csv", answers.encode())
    for name, table in tables.items():
        _write(
            order.out / places[name],
            _csv(table, dirty) if order.file_format == "csv.gz" else _parquet(table if dirty else typed(table)),
        )
    part = "" if order.shards == 1 else f"-{shard:05d}"
    told = {"horizon_days": str(order.horizon_days), "maturity_days": str(order.maturity_days)}
    unusual = order.nature != USUAL or order.follow is not None
    if unusual:
        told |= {name: str(value) for name, value in asdict(order.nature).items() if name != "forgets" or value}
        arms = arms_of(debtors, accounts, known, months, order.nature.slice)
        _write(order.out / "truth" / f"arms{part}.parquet", _parquet(arms))
    if order.nature.forgets:
        _write(order.out / "truth" / "world.json", told_of(order.seed).encode())
        _write(
            order.out / "truth" / f"chances{part}.parquet",
            _parquet(chances_of(debtors, accounts, log.rows, months)),
        )
    truth = truth_of(debtors, accounts, known, months, unusual).replace_schema_metadata(told)
    _write(order.out / "truth" / f"expectations{part}.parquet", _parquet(truth))
    return {name: ({"rows": table.num_rows}, _sums(name, table, tables["accounts"])) for name, table in tables.items()}


def lived(
    seed: int,
    numbers: np.ndarray,
    months: np.ndarray,
    horizon_days: int,
    maturity_days: int,
    nature: Nature = USUAL,
    follow: Path | None = None,
    send: Path | None = None,
) -> tuple[np.ndarray, np.ndarray, Log]:
    """Debtors and accounts as they end, and everything the books wrote down about them."""
    from pipeline.simulate.months import live

    world, times = world_of(seed, months, horizon_days, maturity_days, nature, send), len(months) / 25
    orders, messages = orders_of(follow, numbers, months), np.zeros(0, MESSAGE)
    while True:
        debtors = debtors_born(seed, numbers)
        accounts, items = accounts_born(seed, debtors, months)
        if nature.forgets:
            spoken, recorded, usual = tongues(seed, numbers, debtors["group"], debtors["place"])
            debtors["foreign"] = np.where(recorded >= 0, recorded, usual) != spoken
            messages = messages if send is None else messages_in(send, debtors, accounts, spoken)
        log = empty_log(len(accounts), times)
        live(world, debtors, accounts, items, orders, messages, log)
        rows, truth = log.counts
        if rows <= len(log.rows) and truth <= len(log.truth):
            return debtors, accounts, Log(log.rows[:rows], log.truth[:truth], log.counts)
        times *= 1.5


def orders_of(follow: Path | None, numbers: np.ndarray, months: np.ndarray) -> np.ndarray:
    """int8[debtors, months]: what the file orders for each month, NO_ORDER where it says nothing;
    of two orders the later row holds.
    """
    orders = np.full((len(numbers), len(months)), NO_ORDER, np.int8)
    if follow is None:
        return orders
    given, rows = _ordered(follow), {f"D{number:07d}": row for row, number in enumerate(numbers)}
    given = given[given["debtor_id"].isin(rows)]
    begin, end = (np.searchsorted(months["first"], given[name]) for name in ("assigned_on", "until_on"))
    for row, worked, first, after in zip(
        given["debtor_id"].map(rows), given["arm"] == "worked", begin, end, strict=True
    ):
        orders[row, first:after] = WORKED if worked else LEFT
    return orders


def _ordered(follow: Path) -> pd.DataFrame:
    """The rows of a file of orders, its days as day numbers."""
    try:
        given = pd.read_parquet(follow) if follow.suffix == ".parquet" else pd.read_csv(follow, dtype=str)
    except OSError:
        raise InputMissing(
            f"Orders {str(follow)!r} cannot be read. Give a Parquet or CSV file with {', '.join(ORDERED)}."
        ) from None
    if lacking := [name for name in ORDERED if name not in given]:
        raise UsageError(f"Orders {str(follow)!r} lack {', '.join(lacking)}.")
    if not given["arm"].isin(["worked", "left"]).all():
        raise UsageError(f"An arm in {str(follow)!r} is neither worked nor left.")
    days = {
        name: pd.to_datetime(given[name]).to_numpy().astype("datetime64[D]").astype(np.int64) for name in ORDERED[2:]
    }
    return given[list(ORDERED)].assign(**days)


def world_of(
    seed: int,
    months: np.ndarray,
    horizon_days: int,
    maturity_days: int,
    nature: Nature,
    send: Path | None = None,
) -> World:
    """All that is the same for every debtor."""
    all_days = np.arange(months["first"][0], months["first"][-1] + 31)
    shift = np.zeros((len(PLACES), max(len(places) for places in PLACES), len(all_days)), np.int32)
    for group, places in enumerate(PLACES):
        zone = next(book.zone for book in BOOKS if book.group == group)
        for place, (_, own, _) in enumerate(places):
            if own not in (None, zone):
                # pyrefly: ignore[bad-argument-type]
                shift[group, place] = minutes_from(own, zone, all_days)
    kind = (float(nature.slice), EFFECTS.index(nature.effect), float(nature.hidden), nature.fatigue, nature.meant)
    told_from = (
        NEVER if send is None else int(min(map(day_of_text, read_messages(send)["as_of"].astype("str")), default=NEVER))
    )
    reminders = (nature.forgets, told_from, *reminders_of(seed))
    return World(months, shift, stream_key(seed, LIFE), horizon_days, maturity_days, *kind, *reminders)


def _sums(name: str, table: pa.Table, accounts: pa.Table) -> dict[str, int]:
    """Minor units per currency of the table's money column: every amount that is well written,
    of an account in the delivery.
    """
    money = TABLES[name].money
    if money is None:
        return {}
    currency = accounts["currency"].take(pc.index_in(table["account_id"], accounts["account_id"].combine_chunks()))
    written = pa.table({"currency": currency, "amount": table[money]})
    sums = {}
    for code, decimals in {book.currency: book.decimals for book in BOOKS}.items():
        form = rf"^-?\d+\.\d{{{decimals}}}$" if decimals else r"^-?\d+$"
        amounts = written.filter(pc.equal(written["currency"], code))["amount"]
        sound = amounts.filter(pc.match_substring_regex(amounts, form))
        if len(sound):
            sums[code] = pc.sum(pc.cast(pc.replace_substring(sound, ".", ""), pa.int64())).as_py()
    return sums


def _decimal(minor: int, currency: str) -> str:
    decimals = next(book.decimals for book in BOOKS if book.currency == currency)
    return str(Decimal(minor).scaleb(-decimals)) if decimals else str(minor)


def _csv(table: pa.Table, quoted: bool) -> bytes:
    text, style = io.BytesIO(), "needed" if quoted else "none"
    pa.csv.write_csv(table, text, pa.csv.WriteOptions(quoting_style=style, quoting_header=style))
    return gzip.compress(text.getbuffer(), compresslevel=6, mtime=0)


def _parquet(table: pa.Table) -> bytes:
    content = io.BytesIO()
    pq.write_table(table, content, compression="zstd", compression_level=9)
    return content.getvalue()


def _write(place: Path, content: bytes) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    except OSError as error:
        raise CannotWrite(
            f"{str(place)!r} cannot be written ({error.strerror}). Make room or name another folder, then run again."
        ) from None
