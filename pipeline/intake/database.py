"""A source that is a database: one consistent snapshot, read into a folder that is taken in like any other.

What the store holds already is not read again. A table is read from a few days before the last day on which one of its
rows became known; that no row came late before that day is counted in every snapshot, and where one did, the table is
read whole.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from features.days import day_of_text, day_text
from features.tables import DELIVERED
from pipeline.intake.delivery import Delivery, find, header_faults
from pipeline.intake.quarantine import SetAside
from pipeline.intake.refusals import DeliveryMissing, DeliveryRefused, QueryRefused, shown
from pipeline.params import CONTROL, Source
from pipeline.store.record import Mark

OVERLAP_DAYS = 7  # read again before the last known day: what comes a little late is found without reading all
CONTROL_COLUMNS = ("table_name", "rows", "complete_through", "currency", "total", "partial")
KNOWN_TYPES = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")  # columns of which the database tells the day
_OPEN = re.compile(r"(?i)\? AS \w|\bFROM \?")  # as `recoup init` leaves it
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Query:
    """What gives the rows of a table. called: what a message names it by."""

    name: str
    sql: str
    called: str

    @classmethod
    def own(cls, name: str, sql: str) -> Query:
        return cls(name, sql.strip().rstrip(";"), f"queries.{name} of the params")

    @classmethod
    def alike(cls, name: str) -> Query:
        """Of a table that has the contract's name."""
        return cls(name, f"SELECT * FROM {name}", f"Table {name!r} of the database")

    def wrapped(self) -> str:
        """As a table of a further query; a comment may end its last line."""
        return f"({self.sql}\n) AS told"


class Snapshot(Protocol):
    """What a database held at one moment, whatever is written to it meanwhile. Each method may raise QueryRefused or
    DatabaseAway; no message of theirs holds a cell or a secret.
    """

    shown: str  # its address without secrets
    day_types: tuple[str, ...]  # types of known_at of which the day can be told

    def tables(self) -> list[str]:
        """Names of its tables and views, those that its user may not read as well."""
        ...

    def columns(self, query: Query) -> list[tuple[str, str]]:
        """Column -> its type, by the name that DuckDB has for it."""
        ...

    def cells(self, query: Query, columns: Sequence[tuple[str, str]]) -> tuple[str, list[str]]:
        """The select list that gives every column as text, and sentences about those that would lose something."""
        ...

    def known_days(self, query: Query) -> dict[str | None, int]:
        """Rows by the day of their known_at, UTC where it is an instant."""
        ...

    def batches(self, query: Query, cells: str, since: str | None) -> Iterator[pa.RecordBatch]:
        """Rows as text. since: without those known before this day; what has no day is always given."""
        ...

    def today(self) -> str: ...


@dataclass(frozen=True)
class Reach:
    """How far a snapshot reached in a table. days: rows by known day, those that were not read as well."""

    query: str
    days: Mapping[str | None, int]
    last: str | None  # newest known day up to the day of the snapshot

    def mark(self, set_aside: Iterable[SetAside]) -> Mark | None:
        """Where the next snapshot may begin; rows that were set aside are read again until they are mended."""
        if self.last is None:
            return None
        day = day_text(day_of_text(self.last) - OVERLAP_DAYS)
        for row in set_aside:
            known = json.loads(row.raw).get("known_at", "").strip()[:10]
            day = min(day, known) if _DAY.fullmatch(known) else day
        return Mark(self.query, day, _behind(self.days, day), _days_behind(self.days, day))


@dataclass(frozen=True)
class ReadOut:
    """What a delivery that was read out of a database has beside its tables."""

    text: str
    reach: Mapping[str, Reach]
    warnings: Sequence[str]

    def marks(self, set_aside: Sequence[SetAside]) -> dict[str, Mark]:
        found = {name: reach.mark(row for row in set_aside if row.table == name) for name, reach in self.reach.items()}
        return {name: mark for name, mark in found.items() if mark is not None}


def is_database(source: Source) -> bool:
    return isinstance(source, str) or source.is_file()


@contextmanager
def snapshot_of(source: Source, memory_limit: str, spill: Path) -> Iterator[Snapshot | None]:
    """The database at the source, opened; None where the source is a folder of files."""
    if isinstance(source, str):
        from pipeline.intake.postgres import postgres_snapshot

        with postgres_snapshot(source) as opened:
            yield opened
    elif source.is_file():
        from pipeline.intake.database_file import file_snapshot

        with file_snapshot(source, memory_limit, spill) as opened:
            yield opened
    else:
        yield None


def read_out(
    snapshot: Snapshot, queries: Mapping[str, str], marks: Mapping[str, Mark], folder: Path
) -> tuple[Delivery, ReadOut]:
    """The tables of a snapshot as a source folder, and how far it reached. queries: table, or `control`, -> SQL;
    without any for a table, those tables of the database that have the contract's names.

    Raises DeliveryRefused with what is wrong of every table's columns before a row is read.
    """
    asked = _asked(snapshot, queries)
    cells, natives = _cells(snapshot, asked)
    controls = _controls(snapshot, Query.own(CONTROL, queries[CONTROL])) if CONTROL in queries else {}
    stray = sorted(set(controls) - {query.name for query in asked})
    if stray:
        raise QueryRefused.control_of_unread(stray)
    folder.mkdir(mode=0o700)
    reach, warnings, told, faults, changed = {}, [], [], [], {}
    for query in tqdm(asked, "reading", leave=False, disable=None):
        name, vouched = query.name, controls.get(query.name, _Vouched())
        has_days, mark = natives[name].get("known_at") in snapshot.day_types, marks.get(name)
        since, warning, days = None, [], {}
        if has_days and mark is not None and mark.query == _digest(query) and not vouched.sums:  # sums need all rows
            days = snapshot.known_days(query)
            since, warning = _since(name, mark, days)
            if warning:  # news, though every row that is read be known: it is recorded, with the mark that follows
                changed[f"{name} days"] = _digest_of(json.dumps(_days_behind(days, mark.day)))
        read_days = _write(snapshot, query, cells[name], natives[name], since, folder / f"{name}.parquet")
        rows, passed = sum(read_days.values()), 0 if since is None else _behind(days, since)
        whole = rows + passed
        if days and whole != sum(days.values()):
            raise QueryRefused.changes(query.called)
        if whole == 0 and vouched.rows != 0:
            faults.append(
                f"Table {name!r} holds no rows in the database. If that is right, queries.{CONTROL} must say rows 0."
            )
        elif vouched.rows is not None and vouched.rows != whole:
            faults.append(
                f"Table {name!r} has {whole:,} rows, queries.{CONTROL} says {vouched.rows:,}. Run again later."
            )
        (folder / f"{name}.control.json").write_text(vouched.control(rows), encoding="utf-8")
        if has_days:
            reach[name] = Reach(_digest(query), days or read_days, _last(days or read_days, snapshot.today()))
        warnings += warning
        told.append(f"{name} {'whole' if since is None else f'from {since} on'}")
    if faults:
        raise DeliveryRefused.unread(faults)
    text = f"Read in one snapshot of {snapshot.shown}: {', '.join(told)}."
    return _named(find(folder), changed), ReadOut(text, reach, warnings)


def words_of(snapshot: Snapshot, table: str, columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Every word that stands in these columns of a table of the contract's name, in order."""
    query = Query(table, f"SELECT DISTINCT {', '.join(columns)} FROM {table}", f"Table {table!r} of the database")
    found: dict[str, set[str]] = {column: set() for column in columns}
    for batch in snapshot.batches(query, _texts(columns), None):
        for row in batch.to_pylist():
            for column, word in row.items():
                found[column] |= {word.strip()} if word and word.strip() else set()
    return {column: tuple(sorted(words)) for column, words in found.items()}


def _texts(columns: Iterable[str]) -> str:
    return ", ".join(f'CAST("{name}" AS VARCHAR) AS "{name}"' for name in columns)


def _asked(snapshot: Snapshot, queries: Mapping[str, str]) -> list[Query]:
    begun = [name for name in queries if _OPEN.search(queries[name])]
    if begun:
        raise QueryRefused.unwritten(begun)
    own = [Query.own(name, queries[name]) for name in DELIVERED if name in queries]
    there = snapshot.tables()
    asked = own or [Query.alike(name) for name in DELIVERED if name in there]
    if not asked:
        raise DeliveryMissing.tables_of(snapshot.shown)
    return asked


def _cells(snapshot: Snapshot, asked: Sequence[Query]) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Table -> the select list of its columns as text, and table -> column -> type."""
    faults: list[str] = []
    cells, natives = {}, {}
    for query in asked:
        columns = snapshot.columns(query)
        natives[query.name] = dict(columns)
        wrong = header_faults(query.name, query.name, tuple(name for name, _ in columns))
        if not wrong:
            cells[query.name], lossy = snapshot.cells(query, columns)
            wrong = [f"{shown(query.name)}: {sentence}" for sentence in lossy]
        faults += wrong
    if faults:
        raise DeliveryRefused.unread(faults)
    return cells, natives


def _digest(query: Query) -> str:
    return _digest_of(query.sql)


def _digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _behind(days: Mapping[str | None, int], since: str) -> int:
    """Rows that are not read from this day on."""
    return sum(_days_behind(days, since).values())


def _days_behind(days: Mapping[str | None, int], since: str) -> dict[str, int]:
    """Day -> rows, of the days that are not read from this day on."""
    found: Counter[str] = Counter()
    for day, rows in days.items():
        if day is not None and (day.endswith("BC") or _is_before(day, since)):
            found[day[:10]] += rows  # as `_days_of` calls it
    return dict(sorted(found.items()))


def _is_before(day: str, other: str) -> bool:
    return _DAY.fullmatch(day) is not None and day < other


def _last(days: Mapping[str | None, int], today: str) -> str | None:
    return max((day for day in days if day is not None and _DAY.fullmatch(day) and day <= today), default=None)


def _since(name: str, mark: Mark, days: Mapping[str | None, int]) -> tuple[str | None, list[str]]:
    """The day from which the table is read, None for all of it, and what to say of rows that came late or went.

    Each day is held against itself: what went on one must not hide what came on another.
    """
    now = _days_behind(days, mark.day)
    then = mark.days
    if then is None:
        now, then = {mark.day: sum(now.values())}, {mark.day: mark.behind}
    changes = [now.get(day, 0) - then.get(day, 0) for day in {*now, *then}]
    late, gone = sum(max(change, 0) for change in changes), sum(max(-change, 0) for change in changes)
    told = []
    if late:
        told.append(
            f"Table {name!r}: {late:,} rows said to be known before {mark.day} came after that had been read; "
            "the table was read whole."
        )
    if gone:
        told.append(
            f"Table {name!r}: {gone:,} rows known before {mark.day} are gone from the database. The store keeps "
            "them: a payment that was taken back is a row of kind `reversal` that names it in `reverses`."
        )
    return None if late else mark.day, told


def _write(
    snapshot: Snapshot, query: Query, cells: str, columns: Iterable[str], since: str | None, place: Path
) -> dict[str | None, int]:
    """Write the rows to a Parquet file of texts; how many there are by the day of their known_at."""
    schema = pa.schema([(column, pa.string()) for column in columns])
    days: Counter[str | None] = Counter()
    # Read once, right after, and thrown away: packing it would cost more than it saves.
    how = {"compression": "none", "use_dictionary": False, "write_statistics": False}
    with pq.ParquetWriter(place, schema, **how) as writer:
        for batch in snapshot.batches(query, cells, since):
            writer.write_batch(batch.cast(schema))
            days.update(_days_of(batch))
    return dict(days)


def _days_of(batch: pa.RecordBatch) -> dict[str | None, int]:
    if "known_at" not in batch.schema.names:
        return {None: batch.num_rows}
    days = pc.value_counts(pc.utf8_slice_codeunits(batch.column("known_at"), 0, 10))
    return dict(zip(days.field(0).to_pylist(), days.field(1).to_pylist(), strict=True))


def _named(delivery: Delivery, changed: Mapping[str, str]) -> Delivery:
    """Parts called as their tables: the files they were read into are nobody's. changed: sha256 of news."""
    tables = {
        name: replace(table, parts=tuple(replace(part, name=name) for part in table.parts))
        for name, table in delivery.tables.items()
    }
    read = {name.removesuffix(".parquet"): digest for name, digest in delivery.sha256.items()}
    return Delivery(tables, {**read, **changed})


# ---- what the database vouches for -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Vouched:
    """What the control query says of a table."""

    rows: int | None = None
    complete_through: dt.date | None = None
    sums: Mapping[str, Decimal] | None = None
    partial: bool = False

    def control(self, rows: int) -> str:
        """As a control file says it; rows are those that were read, which the snapshot proves."""
        told = {
            "rows": rows,
            "sums": {currency: f"{total:f}" for currency, total in self.sums.items()} if self.sums else None,
            "complete_through": self.complete_through.isoformat() if self.complete_through else None,
            "partial": True if self.partial else None,
        }
        return json.dumps({key: value for key, value in told.items() if value is not None})


def _controls(snapshot: Snapshot, query: Query) -> dict[str, _Vouched]:
    """Table -> what is vouched for: one row for a table, or one for each currency of it."""
    columns = [name for name, _ in snapshot.columns(query)]
    if "table_name" not in columns or set(columns) - set(CONTROL_COLUMNS):
        raise QueryRefused.control_columns(CONTROL_COLUMNS)
    found: dict[str, _Vouched] = {}
    for batch in snapshot.batches(query, _texts(columns), None):
        for row in batch.to_pylist():
            name = row["table_name"]
            try:
                said = _vouched(row)
            except (ValueError, InvalidOperation):
                raise QueryRefused.control_row(shown(str(name))) from None
            held = found.get(name, said)
            if replace(held, sums=None) != replace(said, sums=None) or (name in found and not said.sums):
                raise QueryRefused.control_twice(shown(str(name)))
            found[name] = replace(said, sums={**(held.sums or {}), **(said.sums or {})} or None)
    return found


def _vouched(row: Mapping[str, str | None]) -> _Vouched:
    """Raises ValueError or InvalidOperation where a cell has another form."""
    cells = {name: row.get(name) for name in CONTROL_COLUMNS}
    if cells["table_name"] not in DELIVERED or (cells["currency"] is None) != (cells["total"] is None):
        raise ValueError
    through, partial = cells["complete_through"], (cells["partial"] or "false").lower() in ("true", "t", "1")
    total = None if cells["total"] is None else Decimal(cells["total"])
    rows = None if cells["rows"] is None else int(cells["rows"])
    if (total is not None and not total.is_finite()) or (rows or 0) < 0 or (partial and through is not None):
        raise ValueError
    return _Vouched(
        rows=rows,
        complete_through=None if through is None else dt.date.fromisoformat(through[:10]),
        sums=None if total is None else {str(cells["currency"]): total},
        partial=partial,
    )
