"""A database that is one file: DuckDB's, read by the engine itself, or SQLite's, by Python's own library."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from features.tables import DELIVERED
from pipeline.intake.casting import literal, quoted
from pipeline.intake.database import KNOWN_TYPES, Query, Snapshot
from pipeline.intake.engine import SWITCHED_OFF, THREADS
from pipeline.intake.files import SQLITE_CELLS, as_text
from pipeline.intake.refusals import DatabaseAway, QueryRefused

ROWS = 50_000  # a batch
_DAY = "CASE WHEN known_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*' THEN substr(known_at, 1, 10) END"


@contextmanager
def file_snapshot(place: Path, memory_limit: str, spill: Path) -> Iterator[Snapshot]:
    """Raises QueryRefused where the file is neither, DatabaseAway where it cannot be opened."""
    try:
        with place.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise DatabaseAway.unreached(str(place), error.strerror or "input error") from None
    if head.startswith(b"SQLite format 3\0"):
        with _sqlite(place) as opened:
            yield opened
    elif head[8:12] == b"DUCK":
        with _duckdb(place, memory_limit, spill) as opened:
            yield opened
    else:
        raise QueryRefused.no_database(str(place))


# ---- DuckDB ----------------------------------------------------------------------------------------------------------


@contextmanager
def _duckdb(place: Path, memory_limit: str, spill: Path) -> Iterator[DuckDbSnapshot]:
    path = str(place.resolve())
    with closing(duckdb.connect()) as connection:
        for setting in (
            *(f"{name} = false" for name in SWITCHED_OFF),
            f"threads = {THREADS}",
            "TimeZone = 'UTC'",
            f"memory_limit = {literal(memory_limit)}",
            f"temp_directory = {literal(str(spill))}",
            f"allowed_paths = [{literal(path)}, {literal(f'{path}.wal')}]",
            f"allowed_directories = [{literal(str(spill))}]",
            "enable_external_access = false",
        ):
            connection.execute(f"SET {setting}")
        try:
            connection.execute(f"ATTACH {literal(path)} AS books (READ_ONLY)")
        except duckdb.Error as error:
            raise DatabaseAway.unreached(
                str(place), "another program holds it" if "lock" in str(error) else "DuckDB does not open it"
            ) from None
        connection.execute("USE books")
        connection.execute("BEGIN TRANSACTION READ ONLY")
        yield DuckDbSnapshot(connection, str(place))


class DuckDbSnapshot:
    """A transaction that reads one file, shut off from every other."""

    day_types: tuple[str, ...] = KNOWN_TYPES

    def __init__(self, connection: duckdb.DuckDBPyConnection, address: str) -> None:
        self._connection, self.shown = connection, address

    def tables(self) -> list[str]:
        found = "SELECT table_name FROM information_schema.tables WHERE table_catalog = 'books' ORDER BY 1"
        return [name for (name,) in self._rows(Query("tables", "", "The catalogue"), found)]

    def columns(self, query: Query) -> list[tuple[str, str]]:
        rows = self._rows(query, f"DESCRIBE SELECT * FROM {query.wrapped()}")
        return [(name, native) for name, native, *_ in rows]

    def cells(self, query: Query, columns: Sequence[tuple[str, str]]) -> tuple[str, list[str]]:
        return as_text(columns, {column.name: column.kind for column in DELIVERED[query.name].columns})

    def known_days(self, query: Query) -> dict[str | None, int]:
        days = f"SELECT known_at::DATE AS day, count(*) AS n FROM {query.wrapped()} GROUP BY 1"
        return dict(self._rows(query, f"SELECT day::VARCHAR, n FROM ({days}) AS days"))

    def batches(self, query: Query, cells: str, since: str | None) -> Iterator[pa.RecordBatch]:
        told = f"known_at >= DATE '{since}' OR known_at IS NULL OR NOT isfinite(known_at)"
        where = "" if since is None else f" WHERE {told}"
        with _asking(query, self.shown):
            yield from self._connection.sql(f"SELECT {cells} FROM {query.wrapped()}{where}").to_arrow_reader(ROWS)

    def today(self) -> str:
        return self._rows(Query("now", "", "The clock"), "SELECT current_date::VARCHAR")[0][0]

    def _rows(self, query: Query, sql: str) -> list[tuple[Any, ...]]:
        with _asking(query, self.shown):
            return self._connection.execute(sql).fetchall()


@contextmanager
def _asking(query: Query, address: str) -> Iterator[None]:
    """Words of the engine are repeated where they speak of names and never where of rows."""
    try:
        yield
    except (duckdb.ParserException, duckdb.CatalogException, duckdb.BinderException) as error:
        raise QueryRefused.sql(query.called, str(error).partition(": ")[2].splitlines()[0]) from None
    except duckdb.PermissionException:
        raise QueryRefused.other_files(query.called) from None
    except duckdb.IOException:
        raise DatabaseAway.lost(address, query.called) from None
    except (duckdb.Error, pa.ArrowException):
        raise QueryRefused.on_a_row(query.called) from None


# ---- SQLite ----------------------------------------------------------------------------------------------------------


@contextmanager
def _sqlite(place: Path) -> Iterator[SqliteSnapshot]:
    with closing(sqlite3.connect(f"{place.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
        opened = SqliteSnapshot(connection, str(place))
        with opened.asking(Query("", "", "The database")):
            connection.execute("PRAGMA query_only = 1")
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchall()  # the snapshot is taken here
        yield opened


class SqliteSnapshot:
    """A read transaction. A column has the types of its cells: floating where one of them is."""

    day_types: tuple[str, ...] = ("VARCHAR",)

    def __init__(self, connection: sqlite3.Connection, address: str) -> None:
        self._connection, self.shown = connection, address

    def tables(self) -> list[str]:
        found = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY 1"
        return [name for (name,) in self._rows(Query("tables", "", "The catalogue"), found)]

    def columns(self, query: Query) -> list[tuple[str, str]]:
        with self.asking(query):
            told = self._connection.execute(f"SELECT * FROM {query.wrapped()} LIMIT 0").description
        names = list(dict.fromkeys(name for name, *_ in told))
        if len(names) < len(told):
            return [(name, "VARCHAR") for name, *_ in told]  # refused for the name that stands twice
        tests = ", ".join(
            f"max(typeof({quoted(name)}) = 'real'), max(typeof({quoted(name)}) = 'blob')" for name in names
        )
        found = self._rows(query, f"SELECT {tests} FROM {query.wrapped()}")[0]
        return [
            (name, "BLOB" if blob else "DOUBLE" if real else "VARCHAR")
            for name, real, blob in zip(names, found[::2], found[1::2], strict=True)
        ]

    def cells(self, query: Query, columns: Sequence[tuple[str, str]]) -> tuple[str, list[str]]:
        return as_text(columns, {column.name: column.kind for column in DELIVERED[query.name].columns}, SQLITE_CELLS)

    def known_days(self, query: Query) -> dict[str | None, int]:
        return dict(self._rows(query, f"SELECT {_DAY}, count(*) FROM {query.wrapped()} GROUP BY 1"))

    def batches(self, query: Query, cells: str, since: str | None) -> Iterator[pa.RecordBatch]:
        where = "" if since is None else f" WHERE ({_DAY}) IS NULL OR ({_DAY}) >= '{since}'"
        with self.asking(query):
            rows = self._connection.execute(f"SELECT {cells} FROM {query.wrapped()}{where}")
            names = [name for name, *_ in rows.description]
            while found := rows.fetchmany(ROWS):
                columns = [pa.array(column, pa.string()) for column in zip(*found, strict=True)]
                yield pa.RecordBatch.from_arrays(columns, names)

    def today(self) -> str:
        return self._rows(Query("now", "", "The clock"), "SELECT date('now')")[0][0]

    def _rows(self, query: Query, sql: str) -> list[tuple[Any, ...]]:
        with self.asking(query):
            return self._connection.execute(sql).fetchall()

    @contextmanager
    def asking(self, query: Query) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            said = str(error)
            if said.startswith(("no such", "near ", "incomplete input", "ambiguous column", "unrecognized token")):
                raise QueryRefused.sql(query.called, said) from None
            if "readonly" in said or "query_only" in said:
                raise QueryRefused.writes(query.called) from None
            if isinstance(error, sqlite3.DatabaseError) and "malformed" in said or "locked" in said:
                raise DatabaseAway.lost(self.shown, query.called) from None
            raise QueryRefused.on_a_row(query.called) from None
