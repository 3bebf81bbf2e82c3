"""A PostgreSQL server of the tests' own, from the system's packages: on a socket, in a folder that goes with it."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import adbc_driver_postgresql.dbapi as driver

from features.tables import TABLES, Kind
from tests.worlds.deliveries import columns_of
from tests.worlds.programs import program

TYPES = {Kind.DATE: "date", Kind.TIME: "timestamptz", Kind.MONEY: "numeric", Kind.WHOLE: "integer"}
ACCESS = "local all postgres trust\nlocal all all scram-sha-256\n"
SETTINGS = "listen_addresses='' fsync=off synchronous_commit=off autovacuum=off log_min_messages=fatal"


class Server:
    """One cluster. Roles beside postgres want a password."""

    def __init__(self, place: Path, binaries: Path, user: str | None) -> None:
        self.place, self._binaries, self._user = place, binaries, user
        self._numbers, self.runs = itertools.count(), False

    def _run(self, name: str, *arguments: str) -> None:
        command = [str(self._binaries / name), "-D", str(self.place / "data"), *arguments]
        subprocess.run(command, check=True, user=self._user, cwd=self.place, stdout=subprocess.DEVNULL)

    def make(self) -> None:
        self._run("initdb", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "-A", "trust")
        (self.place / "data" / "pg_hba.conf").write_text(ACCESS)

    def start(self) -> None:
        options = " ".join(f"-c {setting}" for setting in (*SETTINGS.split(), f"unix_socket_directories={self.place}"))
        self._run("pg_ctl", "-w", "-o", options, "-l", str(self.place / "log"), "start")
        self.runs = True

    def stop(self) -> None:
        """At once, as by a power cut."""
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")
        self.runs = False

    def url(self, books: str, user: str = "postgres", options: str = "", **more: str) -> str:
        """Of one schema of the one database: a database for each would cost a thousand files."""
        said = {"host": str(self.place), "options": f"-csearch_path={books} {options}".strip(), **more}
        return f"postgresql://{user}@/postgres?{'&'.join(f'{key}={quote(value)}' for key, value in said.items())}"

    def run(self, books: str, *statements: str) -> list[tuple]:
        """Rows of the last statement, where it is a SELECT."""
        with closing(driver.connect(self.url(books), autocommit=True)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if statements and statements[-1].startswith("SELECT") else []

    def books(self, tables: Mapping[str, Sequence[Mapping[str, str | None]]]) -> str:
        """A new schema of these tables, its columns typed as a careful system would type them."""
        name = f"books_{next(self._numbers)}"
        self.run(name, f"CREATE SCHEMA {name}")
        self.run(name, *(statement for table in tables for statement in statements_of(table, tables[table])))
        return name


def statements_of(
    name: str, rows: Sequence[Mapping[str, str | None]], types: Mapping[Kind, str] | None = None
) -> Iterator[str]:
    """CREATE TABLE and INSERT for rows of one table. types: of columns by what they hold; text where none is named."""
    kinds = {column.name: column.kind for column in TABLES[name].columns}
    columns = columns_of(name, rows)
    typed = TYPES if types is None else types
    declared = ", ".join(f"{column} {typed.get(kinds[column], 'text')}" for column in columns)
    yield f"CREATE TABLE {name} ({declared})"
    for row in rows:
        cells = ("NULL" if row.get(column) is None else f"'{row[column]}'" for column in columns)
        yield f"INSERT INTO {name} VALUES ({', '.join(cells)})"


@contextmanager
def running_server() -> Iterator[Server]:
    """Skipped where PostgreSQL is not installed. It will not run as root: the user of Debian's package runs it then."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda place: int(place.parts[-3]))
    binaries = (found[-1] if found else Path(program("initdb"))).parent
    user = "postgres" if os.geteuid() == 0 else None
    place = Path(tempfile.mkdtemp(prefix="recoup-pg-"))
    server = Server(place, binaries, user)
    try:
        if user is not None:
            os.chown(place, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
        server.make()
        server.start()
        yield server
    finally:
        if server.runs:
            server.stop()
        shutil.rmtree(place, ignore_errors=True)
