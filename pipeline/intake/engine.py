"""The SQL engine that checks a delivery: DuckDB, shut off from everything but the delivery's own folders.
Its messages stay inside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.intake.casting import literal
from pipeline.intake.files import unreadable
from pipeline.intake.refusals import DeliveryRefused, IngestBug, NoRoom, SettingRefused, shown

SPILL_LIMIT = "40GB"  # of the disk, where the params say nothing
THREADS = 2  # fixed: memory depends on it, results do not
# A table in memory keeps some bytes of each row that the engine cannot spill. Of a delivery that is larger than this
# share of memory_limit, tables lie in a file of the spill folder: slower, and their size does not matter.
LARGE = 0.25
OWN_SHARE = 0.7  # of memory_limit: the rest is for the rows on their way out of the engine and into files
SWITCHED_OFF = (
    "autoinstall_known_extensions",
    "autoload_known_extensions",
    "allow_community_extensions",
    "enable_progress_bar",
)


class Engine:
    """One open connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._tables: Path | None = None
        self._most_bytes = 0

    def run(self, sql: str) -> None:
        self._connection.execute(sql)
        if self._tables is not None and self._tables.stat().st_size > self._most_bytes:
            raise _TablesTooLarge

    def keep_tables_in(self, place: Path, most: str) -> None:
        """A file instead of memory, which may grow to so much."""
        self._connection.execute(f"ATTACH {literal(str(place))} AS large")
        self._connection.execute("USE large")
        self._tables, self._most_bytes = place, self.size_of(most)

    def size_of(self, text: str) -> int:
        """Bytes of a size such as 4GB."""
        return self.rows(f"SELECT parse_formatted_bytes({literal(text)})")[0][0]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql).fetchall()

    def count(self, table: str) -> int:
        return self.rows(f"SELECT count(*) FROM {table}")[0][0]

    def batches(self, sql: str, most_rows: int) -> Iterable[pa.RecordBatch]:
        return self._connection.sql(sql).to_arrow_reader(most_rows)

    def hand_over(self, name: str, rows: pa.Table) -> None:
        """Make a table of ours one of the engine's."""
        self._connection.register("handed_over", rows)
        self.run(f"CREATE TABLE {name} AS SELECT * FROM handed_over")
        self._connection.unregister("handed_over")

    @contextmanager
    def reading(self, file_name: str, faults: list[str]) -> Iterator[None]:
        """What the engine cannot read of a file meanwhile becomes a sentence of the faults."""
        try:
            yield
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            faults.append(f"{shown(file_name)} {unreadable(str(error))}")

    @contextmanager
    def reading_in_place(self, faults: list[str], look: Callable[[], list[str]]) -> Iterator[None]:
        """Where the engine stops meanwhile, look at each file for what it cannot read: sentences of the faults."""
        try:
            yield
        except (duckdb.OutOfMemoryException, duckdb.InterruptException):
            raise
        except duckdb.Error:
            if not (found := look()):
                raise
            faults += found


class _TablesTooLarge(Exception):
    pass


@contextmanager
def engine(
    folders: Iterable[Path], spill: Path, memory_limit: str, spill_limit: str = SPILL_LIMIT, delivered: int = 0
) -> Iterator[Engine]:
    """An engine that reads these folders alone. The engine's own messages hold cells: none of them leaves this room.

    delivered: bytes of the files that are to be read whole.
    """
    with closing(duckdb.connect()) as connection:
        opened = Engine(connection)
        try:
            for setting in (
                *(f"{name} = false" for name in SWITCHED_OFF),
                f"threads = {THREADS}",
                "TimeZone = 'UTC'",
                "preserve_insertion_order = true",
                f"memory_limit = {literal(memory_limit)}",
                f"temp_directory = {literal(str(spill))}",
                f"max_temp_directory_size = {literal(spill_limit)}",
            ):
                opened.run(f"SET {setting}")
            whole = opened.size_of(memory_limit)
            opened.run(f"SET memory_limit = '{int(whole * OWN_SHARE) // 1024}KiB'")
            if delivered > LARGE * whole:
                spill.mkdir(exist_ok=True)
                opened.keep_tables_in(spill / "tables.db", spill_limit)
            for setting in (
                (
                    "allowed_directories = "
                    f"[{', '.join(literal(name) for name in sorted({str(place.resolve()) for place in folders}))}]"
                ),
                "enable_external_access = false",
            ):
                opened.run(f"SET {setting}")
            yield opened
        except _TablesTooLarge:
            raise SettingRefused.spill(spill_limit) from None
        except duckdb.OutOfMemoryException as error:
            if "max_temp_directory_size" in str(error):
                raise SettingRefused.spill(spill_limit) from None
            raise SettingRefused.memory(memory_limit) from None
        except duckdb.ParserException:  # no statement of ours is malformed but for these values
            raise SettingRefused.memory_form(memory_limit, spill_limit) from None
        except duckdb.InterruptException:
            raise KeyboardInterrupt from None
        except duckdb.IOException as error:
            if "space" in str(error):
                raise NoRoom.to_check() from None
            raise DeliveryRefused.unreadable() from None
        except duckdb.Error as error:
            raise IngestBug.engine(type(error).__name__) from None
