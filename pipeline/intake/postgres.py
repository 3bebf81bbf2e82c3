"""PostgreSQL through ADBC: one read-only snapshot, every cell as the text that the server itself gives it."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from queue import Queue
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pyarrow as pa

from features.tables import DELIVERED
from pipeline.intake.database import KNOWN_TYPES, Query
from pipeline.intake.files import POSTGRES_CELLS, as_text
from pipeline.intake.refusals import DatabaseAway, QueryRefused, SecretRefused
from pipeline.params import VARIABLE, holds_secret

# Type of PostgreSQL -> DuckDB's name for the same; of any other type, the server's own name.
NATIVE = {
    **dict.fromkeys(("text", "varchar", "bpchar", "name", "char", "citext"), "VARCHAR"),
    "int2": "SMALLINT",
    "int4": "INTEGER",
    "int8": "BIGINT",
    "uuid": "UUID",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
    "numeric": "DECIMAL(38,10)",
    "float4": "FLOAT",
    "float8": "DOUBLE",
    "bool": "BOOLEAN",
}
SETTINGS = (
    "TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",  # first: one snapshot, and no query may write
    "LOCAL TimeZone = 'UTC'",
    "LOCAL DateStyle = 'ISO'",
    "LOCAL client_encoding = 'UTF8'",
    "LOCAL synchronize_seqscans = off",  # the same rows come in the same order
    "LOCAL max_parallel_workers_per_gather = 0",
)
# A server that does not answer must not hold a night up for hours.
PATIENCE = {"connect_timeout": "10", "keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3"}
AHEAD = 4  # batches that wait to be written
# What libpq says of a connection that failed -> what is said here: its own words may repeat what is secret.
REASONS = {
    "password authentication failed": "the user or its password is not accepted",
    "no password supplied": "it wants a password, and there is none in the environment or the password file",
    "role ": "there is no such user",
    "database ": "there is no such database",
    "no pg_hba.conf entry": "its pg_hba.conf does not let this user in from here",
    "Connection refused": "nobody listens there",
    "No such file": "nobody listens there",
    "could not translate host name": "there is no such host",
    "timeout expired": "it does not answer",
    "SSL": "no encrypted connection comes about",
    "too many": "it has too many connections",
}


CATALOGUE = Query(
    "tables",
    "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'v', 'm', 'p', 'f') AND pg_table_is_visible(oid) "
    "AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) ORDER BY 1",
    "The catalogue of the database",
)
AMID_ROWS = {"canceling statement": "57014", "read-only transaction": "25006"}


class PostgresSnapshot:
    """An open transaction of one connection."""

    day_types: tuple[str, ...] = KNOWN_TYPES

    def __init__(self, driver: ModuleType, connection: Any, address: str) -> None:
        self._driver, self._connection, self.shown = driver, connection, address

    def tables(self) -> list[str]:
        with self._asking(CATALOGUE), self._connection.cursor() as cursor:
            cursor.execute(CATALOGUE.sql)
            return [name for (name,) in cursor.fetchall()]

    def columns(self, query: Query) -> list[tuple[str, str]]:
        with self._asking(query), self._connection.cursor() as cursor:
            schema = cursor.adbc_execute_schema(f"SELECT * FROM {query.wrapped()}")
        return [(column.name, _native(column)) for column in schema]

    def cells(self, query: Query, columns: Sequence[tuple[str, str]]) -> tuple[str, list[str]]:
        return as_text(columns, {column.name: column.kind for column in DELIVERED[query.name].columns}, POSTGRES_CELLS)

    def known_days(self, query: Query) -> dict[str | None, int]:
        days = f"SELECT known_at::date AS day, count(*) AS n FROM {query.wrapped()} GROUP BY 1"
        with self._asking(query), self._connection.cursor() as cursor:
            cursor.execute(f"SELECT day::text, n FROM ({days}) AS days")
            return dict(cursor.fetchall())

    def batches(self, query: Query, cells: str, since: str | None) -> Iterator[pa.RecordBatch]:
        told = f"known_at >= DATE '{since}' OR known_at IS NULL OR NOT isfinite(known_at)"
        where = "" if since is None else f" WHERE {told}"
        with self._asking(query), self._connection.cursor() as cursor:
            yield from _streamed(cursor, f"SELECT {cells} FROM {query.wrapped()}{where}")

    def today(self) -> str:
        return self._one(Query("now", "", "The clock of the database"), "SELECT current_date::text")

    def _one(self, query: Query, sql: str) -> Any:
        with self._asking(query), self._connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()[0]

    @contextmanager
    def _asking(self, query: Query) -> Iterator[None]:
        try:
            yield
        except (self._driver.Error, pa.ArrowException, OSError) as error:
            raise self._refusal(error, query) from None

    def _refusal(self, error: Exception, query: Query) -> Exception:
        """What the server said, by its SQLSTATE: its words are repeated where they speak of names, never of rows."""
        state, words = getattr(error, "sqlstate", None), re.search(r"ERROR:\s+(.+)", str(error))
        said = words[1].strip() if words else ""
        if state is None and self._answers():  # an error amid the rows comes without its SQLSTATE
            state = next((code for words, code in AMID_ROWS.items() if words in said), "")
        if state is None or state.startswith(("08", "53", "57P", "58", "XX")):
            return DatabaseAway.lost(self.shown, query.called)
        if state == "57014":
            return DatabaseAway.cut_short(self.shown, query.called)
        if state == "42501":
            return DatabaseAway.forbidden(query.called, said)
        if state == "25006":
            return QueryRefused.writes(query.called)
        return QueryRefused.sql(query.called, said) if state.startswith("42") else QueryRefused.on_a_row(query.called)

    def _answers(self) -> bool:
        """Whether the server is still there; the snapshot is given up."""
        try:
            self._connection.rollback()
            with self._connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except self._driver.Error:
            return False
        return True


@contextmanager
def postgres_snapshot(url: str) -> Iterator[PostgresSnapshot]:
    """Raises SecretRefused, DatabaseAway, UsageError where the driver is not installed."""
    whole, address = _address(url)
    try:
        import adbc_driver_postgresql.dbapi as driver
    except ImportError:
        raise QueryRefused.no_driver() from None
    try:
        connection = driver.connect(whole, autocommit=False)
    except driver.Error as error:
        raise DatabaseAway.unreached(address, _reason(str(error))) from None
    with closing(connection):
        opened = PostgresSnapshot(driver, connection, address)
        with opened._asking(Query("", "", "The database")), connection.cursor() as cursor:
            for setting in SETTINGS:
                cursor.execute(f"SET {setting}")
        yield opened


def _address(url: str) -> tuple[str, str]:
    """The URL with the environment's values in it, and what may be shown of it."""
    scheme = url.partition("://")[0]
    if scheme not in ("postgresql", "postgres"):
        raise QueryRefused.scheme(scheme)
    if holds_secret(url):
        raise SecretRefused.in_the_url()
    lacking = [name for name in VARIABLE.findall(url) if name not in os.environ]
    if lacking:
        raise SecretRefused.not_set(lacking)
    try:
        parts = urlsplit(VARIABLE.sub("x", url))
    except ValueError:
        raise QueryRefused.address() from None
    given = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    _check_modes(given)
    host = given.get("host") or parts.netloc.rpartition("@")[2] or os.environ.get("PGHOST", "")
    more = "&".join(f"{key}={value}" for key, value in PATIENCE.items() if key not in given)
    whole = VARIABLE.sub(lambda found: quote(os.environ[found[1]], safe=""), url)
    return f"{whole}{'&' if parts.query else '?'}{more}", f"postgresql://{host}{parts.path}"


def _check_modes(given: dict[str, str]) -> None:
    """Files that hold passwords are for their owner alone; libpq would leave them out, or read them all the same."""
    home = Path.home()
    named = given.get("passfile") or os.environ.get("PGPASSFILE") or home / ".pgpass"
    services = os.environ.get("PGSERVICEFILE") or home / ".pg_service.conf"
    for place in (Path(named), Path(services)):
        try:
            is_open = place.is_file() and place.stat().st_mode & 0o077
            if is_open and (place != Path(services) or "password" in place.read_text(errors="replace")):
                raise SecretRefused.open_file(str(place))
        except OSError:  # not ours to read, so not to use either
            continue


def _native(column: pa.Field) -> str:
    name = (column.metadata or {}).get(b"POSTGRESQL:type", b"").decode()
    if name.startswith("_"):
        return "list"
    # An enum has a name of its own, and comes as text.
    return NATIVE.get(name) or ("VARCHAR" if pa.types.is_string(column.type) else name)


def _streamed(cursor: Any, sql: str) -> Iterator[pa.RecordBatch]:
    """Batches while the next are being read; a signal is heeded though the server is silent."""
    waiting: Queue[Any] = Queue(AHEAD)
    left = threading.Event()

    def read() -> None:
        try:
            cursor.execute(sql)
            for batch in cursor.fetch_record_batch():
                if left.is_set():
                    return
                waiting.put(batch)
            waiting.put(None)
        except Exception as error:  # raised again where it is waited for
            waiting.put(error)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    ended = False
    try:
        while True:
            found = waiting.get()
            ended = not isinstance(found, pa.RecordBatch)
            if isinstance(found, Exception):
                raise found
            if ended:
                return
            yield found
    finally:
        if not ended:
            left.set()
            cursor.adbc_cancel()
        while reader.is_alive():
            while not waiting.empty():
                waiting.get_nowait()
            reader.join(0.05)


def _reason(message: str) -> str:
    return next((told for word, told in REASONS.items() if word in message), "no connection comes about")
