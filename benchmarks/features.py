"""Seconds and peak memory of the feature engine against a DuckDB scan of its columns: python -m benchmarks.features [--accounts N].

One night over the whole catalogue, and a panel of twelve months over basic aggregates, on made-up tables of about 50 events an account
(uniform in time, no meaning beyond their size). The tables are written once as Parquet files sorted by account and time, and read from
there. Prints medians of the repeats with their spread. CPU seconds stand beside the wall clock, for machines with noisy neighbours.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.build import build
from features.catalogue import CATALOGUE
from features.cohort import scorable
from features.declarations import Catalogue
from features.ledger import Ledger, history
from features.plan import EVERY
from features.spec import MISSING, Feature, Window, where
from features.tables import CHANNELS, DIRECTIONS, NO_DAY, NO_MONEY, OUTCOMES, inner_columns
from features.terms import Terms
from features.vocabulary import Agg

DAY = 86_400_000_000  # microseconds
NIGHT = 20_000  # day number of the night asked for
HISTORY_DAYS = 730
PAYMENTS_EACH, CONTACTS_EACH, CHARGES_EACH = 20, 30, 6
MONTHS = 12
WINDOWS = tuple(Window(days) for days in (7, 30, 90, 180, 365))
CALL, OUTBOUND = where("call", channel="call"), where("outbound", direction="outbound")

# Forty aggregates that every tool can express.
BASIC = Catalogue(
    [
        *(Feature("payments", agg, window, empty=0) for agg in (Agg.COUNT, Agg.SUM) for window in WINDOWS),
        *(Feature("payments", agg, window, empty=MISSING) for agg in (Agg.MAX, Agg.MEAN) for window in WINDOWS),
        *(Feature("contacts", Agg.COUNT, window, where=clause, empty=0) for clause in (None, CALL, OUTBOUND) for window in WINDOWS),
        *(Feature(event, Agg.DAYS_SINCE_LAST, WINDOWS[-1], empty=MISSING) for event in ("payments", "contacts")),
        *(Feature(event, Agg.DAYS_SINCE_FIRST, WINDOWS[-1], empty=MISSING) for event in ("payments", "contacts")),
        Feature("payments", Agg.STD, WINDOWS[-1], empty=MISSING),
    ]
)
BASIC_COLUMNS = {
    "accounts": ["account_no", "portfolio", "known_at", "known_on"],
    "payments": ["account_no", "payment_id", "occurred_at", "occurred_on", "amount", "kind", "reverses", "known_at", "known_on"],
    "contacts": ["account_no", "contact_id", "occurred_at", "occurred_on", "channel", "direction", "known_at", "known_on"],
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--accounts", type=int, default=100_000)
    arguments.add_argument("--panel-accounts", type=int, default=20_000)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--work", type=Path, default=Path("work/benchmark-features"))
    chosen = arguments.parse_args()

    _night(chosen, written(chosen.work / f"night-{chosen.accounts}-{chosen.seed}", chosen.accounts, chosen.seed))
    _panel(chosen, written(chosen.work / f"night-{chosen.panel_accounts}-{chosen.seed}", chosen.panel_accounts, chosen.seed))
    print(f"Peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")


def _night(chosen: argparse.Namespace, place: Path) -> None:
    events = chosen.accounts * (PAYMENTS_EACH + CONTACTS_EACH)
    print(f"One night: {chosen.accounts:,} accounts, {events:,} events, medians of {chosen.repeats}")
    _compare(chosen, place, [NIGHT])
    scan = timed(f"DuckDB scan of the columns of {len(CATALOGUE)} features", chosen, lambda: scanned(place, chosen.threads))
    timed("the same columns read into frames", chosen, lambda: read(place))
    tables = read(place)
    timed("ledger", chosen, lambda: history(tables, Terms(), last_day=NIGHT))
    ledger = history(tables, Terms(), last_day=NIGHT)
    cohort = scorable(tables, ledger, [NIGHT], Terms()).frame
    whole = timed(f"whole catalogue, {len(cohort):,} rows", chosen, lambda: _whole(cohort, tables, ledger, chosen.threads))
    print(f"  whole catalogue / scan = {whole / scan:.1f}")


def _panel(chosen: argparse.Namespace, place: Path) -> None:
    nights = [NIGHT - 30 * month for month in range(MONTHS)][::-1]
    print(f"Panel: {chosen.panel_accounts:,} accounts on {MONTHS} nights")
    _compare(chosen, place, nights)
    tables = read(place)
    ledger = history(tables, Terms())
    cohort = scorable(tables, ledger, nights, Terms()).frame
    timed(f"whole catalogue, {len(cohort):,} rows", chosen, lambda: _whole(cohort, tables, ledger, chosen.threads))


def _whole(cohort: pd.DataFrame, tables: dict[str, pd.DataFrame], ledger: Ledger, threads: int) -> pd.DataFrame:
    return build(cohort, tables, CATALOGUE, Terms(), ledger, threads=threads)


def _compare(chosen: argparse.Namespace, place: Path, nights: list[int]) -> None:
    """Time the basic aggregates on both sides, from disk to frame; AssertionError where a cell differs."""
    ours, theirs = basic(place, nights, chosen.threads), in_duckdb(place, nights, chosen.threads)
    pd.testing.assert_frame_equal(ours, theirs, check_dtype=False, rtol=1e-9)
    quick = timed(f"{len(BASIC)} aggregates, this engine", chosen, lambda: basic(place, nights, chosen.threads))
    slow = timed(f"{len(BASIC)} aggregates, DuckDB SQL", chosen, lambda: in_duckdb(place, nights, chosen.threads))
    print(f"  {len(ours):,} rows, all cells equal; DuckDB / this engine = {slow / quick:.1f}")


def basic(place: Path, nights: list[int], threads: int) -> pd.DataFrame:
    """The basic aggregates of every account on every night, from the files."""
    tables = {name: pq.read_table(place / f"{name}.parquet", columns=columns).to_pandas() for name, columns in BASIC_COLUMNS.items()}
    accounts = tables["accounts"]["account_no"].to_numpy()
    cohort = pd.DataFrame({"account_no": np.repeat(accounts, len(nights)), "as_of": np.tile(np.array(nights, np.int32), accounts.size)})
    return build(cohort, tables, BASIC, threads=threads)


def in_duckdb(place: Path, nights: list[int], threads: int) -> pd.DataFrame:
    """The same in SQL: one aggregation per table with filters, joined to every account and night."""
    connection = duckdb.connect(config={"threads": threads})
    connection.execute("CREATE TABLE nights AS SELECT unnest(?::INTEGER[]) AS night", [nights])
    for name in BASIC_COLUMNS:
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{place / f'{name}.parquet'}')")
    longest = WINDOWS[-1].days
    sides = {
        "payments": f"""
            SELECT p.account_no, n.night, p.occurred_on, p.amount - coalesce(b.amount, 0) AS amount FROM payments p
            JOIN nights n ON p.occurred_on >= n.night - {longest} AND p.occurred_on < n.night AND p.known_on < n.night
            LEFT JOIN (SELECT r.account_no, r.reverses, n.night, sum(r.amount) AS amount FROM payments r
                       JOIN nights n ON r.known_on < n.night WHERE r.kind = 'reversal' GROUP BY ALL) b
              ON b.account_no = p.account_no AND b.reverses = p.payment_id AND b.night = n.night
            WHERE p.kind = 'payment' AND p.amount > coalesce(b.amount, 0)""",
        "contacts": f"""
            SELECT c.account_no, n.night, c.occurred_on, c.channel, c.direction FROM contacts c
            JOIN nights n ON c.occurred_on >= n.night - {longest} AND c.occurred_on < n.night AND c.known_on < n.night""",
    }
    for name, events in sides.items():
        columns = ", ".join(f"{_sql(feature)} AS {feature.name}" for feature in BASIC.features_of(name))
        connection.execute(f"CREATE VIEW {name}_made AS SELECT account_no, night, {columns} FROM ({events}) GROUP BY account_no, night")
    shown = ", ".join(
        f"coalesce({entry.name}, 0)::DOUBLE AS {entry.name}" if entry.empty == 0 else f"{entry.name}::DOUBLE AS {entry.name}"
        for entry in BASIC
    )
    found = connection.execute(
        f"""SELECT {shown} FROM accounts a CROSS JOIN nights n
            LEFT JOIN payments_made p ON p.account_no = a.account_no AND p.night = n.night
            LEFT JOIN contacts_made c ON c.account_no = a.account_no AND c.night = n.night ORDER BY a.account_no, n.night"""
    ).df()
    connection.close()
    return found


def _sql(feature: Feature) -> str:
    word = {Agg.COUNT: "count(*)", Agg.SUM: "sum(amount)", Agg.MAX: "max(amount)", Agg.MEAN: "avg(amount)", Agg.STD: "stddev_samp(amount)",
            Agg.DAYS_SINCE_LAST: "min(night - occurred_on)", Agg.DAYS_SINCE_FIRST: "max(night - occurred_on)"}[feature.agg]  # fmt: skip
    tests = [f"occurred_on >= night - {feature.window.days}"]
    tests += [f"{column} IN ({', '.join(repr(value) for value in values)})" for column, values in (feature.where or EVERY).columns]
    return f"{word} FILTER ({' AND '.join(tests)})"


def timed(what: str, chosen: argparse.Namespace, work: Callable[[], object]) -> float:
    """Median wall seconds of the repeats."""
    walls, processors = [], []
    for _ in range(chosen.repeats):
        wall, processor = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    spread = f"({min(walls):.2f} to {max(walls):.2f})"
    print(f"  {what:<36}{statistics.median(walls):>8.2f} s wall {spread}{statistics.median(processors):>8.2f} s CPU")
    return statistics.median(walls)


def _columns(file: Path) -> list[str]:
    """The columns of a table that a night reads."""
    unread = {"detail", "agent", "person_id", "endpoint_id"} | ({"account_id"} if file.stem != "accounts" else set())
    present = pq.read_schema(file).names
    return [column for column in inner_columns(file.stem) if column in present and column not in unread]


def scanned(place: Path, threads: int) -> list[pa.Table]:
    """Every needed column in memory, as DuckDB reads it: the floor below which no engine that reads the store can go."""
    connection = duckdb.connect(config={"threads": threads})
    found = []
    for file in sorted(place.glob("*.parquet")):
        found.append(connection.sql(f"SELECT {', '.join(_columns(file))} FROM read_parquet(?)", params=[str(file)]).to_arrow_table())
    connection.close()
    return found


def read(place: Path) -> dict[str, pd.DataFrame]:
    tables = {}
    for file in sorted(place.glob("*.parquet")):
        table = pq.read_table(file, columns=_columns(file))
        tables[file.stem] = table.to_pandas(split_blocks=True, self_destruct=True)
    return tables


def written(place: Path, accounts: int, seed: int) -> Path:
    """Made-up tables as Parquet, once."""
    if not place.exists():
        partial = place.with_suffix(".partial")
        partial.mkdir(parents=True, exist_ok=True)
        for name, frame in made_up(accounts, np.random.default_rng(seed)).items():
            pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), partial / f"{name}.parquet", compression="zstd")
        partial.rename(place)
    return place


def made_up(accounts: int, random: np.random.Generator) -> dict[str, pd.DataFrame]:
    numbers = np.sort(random.choice(2**62, accounts, replace=False)).astype(np.int64)
    opened = (NIGHT - HISTORY_DAYS - random.integers(0, 300, accounts)).astype(np.int32)
    principal = random.integers(100_000, 1_000_000, accounts)
    known = pd.DataFrame(
        {
            "account_no": numbers, "account_id": _ids("A", np.arange(accounts)),
            "debtor_id": _ids("D", random.integers(0, accounts, accounts)),
            "portfolio": _classes(random, accounts, ("cards", "loans", "energy")), "product": _classes(random, accounts, ("x", "y", "z")),
            "debtor_type": _classes(random, accounts, ("consumer",)), "currency": _classes(random, accounts, ("EUR",)), "opened_on": opened,
            "placed_on": opened + np.int32(300), "principal": principal, "placed_amount": np.full(accounts, NO_MONEY),
            "jurisdiction": _classes(random, accounts, ("FR",)), "time_zone": _classes(random, accounts, ("Europe/Paris",)),
            "known_at": opened.astype(np.int64) * DAY, "known_on": opened,
        }
    )  # fmt: skip
    who, which = np.repeat(np.arange(accounts), CHARGES_EACH), np.tile(np.arange(CHARGES_EACH), accounts)
    charges = pd.DataFrame(
        {
            "account_no": numbers[who], "charge_id": _ids("C", which), "issued_on": opened[who],
            "due_on": (opened[who] + which * 60 + 30).astype(np.int32), "amount": principal[who] // CHARGES_EACH,
            "kind": pd.Categorical.from_codes(np.zeros(who.size, np.int8), ["instalment"]), "known_at": opened[who].astype(np.int64) * DAY,
            "known_on": opened[who],
        }
    )  # fmt: skip
    number, at = _moments(random, accounts, PAYMENTS_EACH)
    reverses = random.random(at.size) < 0.02
    lag = random.integers(0, 3, at.size) * DAY
    taken_back = np.where(reverses, np.maximum(np.arange(at.size) - 1, 0), -1)
    payments = pd.DataFrame(
        {
            "account_no": numbers[number], "payment_id": _ids("P", np.arange(at.size)), "occurred_at": at, "occurred_on": _day(at),
            "amount": random.integers(500, 30_000, at.size),
            "kind": pd.Categorical.from_codes(reverses.astype(np.int8), ["payment", "reversal"]),
            "reverses": _ids("P", taken_back), "method": _classes(random, at.size, ("card", "debit", "transfer")), "known_at": at + lag,
            "known_on": _day(at + lag),
        }
    )  # fmt: skip
    number, at = _moments(random, accounts, CONTACTS_EACH)
    promised = random.random(at.size) < 0.03
    outcome = np.where(promised, OUTCOMES.index("promise"), random.integers(-1, 7, at.size)).astype(np.int8)
    contacts = pd.DataFrame(
        {
            "account_no": numbers[number], "contact_id": _ids("K", np.arange(at.size)), "occurred_at": at, "occurred_on": _day(at),
            "occurred_minute": (at // 60_000_000 % 1440).astype(np.int16), "channel": _classes(random, at.size, CHANNELS),
            "direction": pd.Categorical.from_codes((random.random(at.size) < 0.1).astype(np.int8), DIRECTIONS),
            "outcome": pd.Categorical.from_codes(outcome, OUTCOMES), "promise_amount": np.where(promised, 10_000, NO_MONEY),
            "promise_due_on": np.where(promised, _day(at) + 10, NO_DAY).astype(np.int32), "cost": np.full(at.size, 120), "known_at": at,
            "known_on": _day(at),
        }
    )  # fmt: skip
    planned = np.arange(0, accounts, 10)
    since = opened[planned] + np.int32(400)
    statuses = pd.DataFrame(
        {
            "account_no": numbers[planned], "status": pd.Categorical(["plan"] * planned.size), "from_on": since,
            "until_on": np.full(planned.size, NO_DAY, np.int32), "known_at": since.astype(np.int64) * DAY, "known_on": since,
        }
    )  # fmt: skip
    return {"accounts": known, "charges": charges, "payments": payments, "contacts": contacts, "statuses": statuses}


def _moments(random: np.random.Generator, accounts: int, each: int) -> tuple[np.ndarray, np.ndarray]:
    """Account and instant of events, sorted by both."""
    number = np.sort(random.integers(0, accounts, accounts * each))
    at = random.integers((NIGHT - HISTORY_DAYS) * 86_400, NIGHT * 86_400, number.size) * 1_000_000
    return number, at[np.lexsort((at, number))]


def _day(at: np.ndarray) -> np.ndarray:
    return (at // DAY).astype(np.int32)


def _ids(letter: str, numbers: np.ndarray) -> pd.Series:
    """Letter and number; -1 gives an empty cell."""
    texts = pc.binary_join_element_wise(letter, pa.array(numbers).cast(pa.string()), "")
    return pd.Series(pc.if_else(pa.array(numbers >= 0), texts, None).to_pandas(), dtype="str")


def _classes(random: np.random.Generator, size: int, values: tuple[str, ...]) -> pd.Categorical:
    return pd.Categorical.from_codes(random.integers(0, len(values), size).astype(np.int8), list(values))


if __name__ == "__main__":
    main()
