"""SQL text that reads one delivered file as text, and what to say of a file or a column that cannot be read so."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from features.tables import Kind
from pipeline.intake.casting import literal, quoted
from pipeline.intake.delivery import CELL_LIMIT, Part
from pipeline.intake.refusals import BrokenFile

_TEXT = re.compile(r"VARCHAR|ENUM\(.*|UUID|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|\"NULL\"")
_LOCAL_TIME = re.compile(r"TIMESTAMP(_S|_MS|_NS)?")
_LINE = re.compile(r"Line: (\d+)")


@dataclass(frozen=True)
class Cells:
    """How an engine's SQL turns a column into the contract's text, by what it holds; {} is the column."""

    plain: str
    day: str
    local_time: str
    instant: str
    decimal: str


# The scale is the column's, not the amount's: 100.00 yen in DECIMAL(18,2) is 100.
DUCKDB_CELLS = Cells(
    plain="{}::VARCHAR",
    day="{}::VARCHAR",
    local_time="{}::TIMESTAMP::VARCHAR",
    instant="({} AT TIME ZONE 'UTC')::VARCHAR || 'Z'",
    decimal="regexp_replace({}::VARCHAR, '(\\.[0-9]*[1-9])0+$|\\.0+$', '\\1')",
)
POSTGRES_CELLS = Cells("{}::text", "{}::text", "{}::text", "{}::text", "trim_scale({})::text")
SQLITE_CELLS = Cells(*["CAST({} AS TEXT)"] * 5)


def csv_scan(part: Part, link: str) -> str:
    """The file as one text column per header cell. Quotes and rows must be whole (RFC 4180), cells at most 1 MB."""
    columns = ", ".join(f"{literal(column)}: 'VARCHAR'" for column in part.header)
    return f"""read_csv({literal(link)}, auto_detect = false, header = true, delim = ',', quote = '"',
        escape = '"', encoding = 'utf-8',
        columns = {{{columns}}}, strict_mode = true, null_padding = false, ignore_errors = false, nullstr = '',
        max_line_size = {CELL_LIMIT})"""


def parquet_scan(link: str) -> str:
    return f"read_parquet({literal(link)}, hive_partitioning = false)"


def as_text(
    columns: Iterable[tuple[str, str]], kinds: dict[str, Kind], engine: Cells = DUCKDB_CELLS
) -> tuple[str, list[str]]:
    """The select list that turns native columns into the contract's text,
    and sentences about columns that would lose something.

    columns: (name, DuckDB type) of the file or query; kinds: declared column -> what it holds; a column not in it is
    the sender's own.
    """
    cells, faults = [], []
    for name, native in columns:
        cell = _cell(engine, native, kinds.get(name))
        if cell is None:
            native_name = "list" if native.endswith("]") else native.split("(")[0].lower()
            faults.append(f"column {name!r} is {native_name}: deliver it as {_better(kinds.get(name))}.")
        else:
            cells.append(f"{cell.format(quoted(name))} AS {quoted(name)}")
    return ", ".join(cells), faults


def _cell(engine: Cells, native: str, kind: Kind | None) -> str | None:
    if _TEXT.fullmatch(native):
        return engine.plain
    if native == "DATE" and kind in (Kind.DATE, Kind.TIME):
        return engine.day
    if _LOCAL_TIME.fullmatch(native) and kind in (Kind.DATE, Kind.TIME):
        return engine.local_time
    if native == "TIMESTAMP WITH TIME ZONE" and kind is Kind.TIME:
        return engine.instant
    if native.startswith("DECIMAL(") and kind in (Kind.MONEY, Kind.WHOLE, Kind.SHARE, None):
        return engine.decimal
    if native in ("DOUBLE", "FLOAT", "BOOLEAN") and (kind is None or (kind is Kind.SHARE and native == "DOUBLE")):
        return engine.plain
    return None


def _better(kind: Kind | None) -> str:
    if kind in (Kind.MONEY, Kind.WHOLE, Kind.SHARE):
        return "text, integer or decimal"
    if kind is Kind.DATE:
        return "text, date or local timestamp"
    if kind is Kind.TIME:
        return "text, date or timestamp"
    return "text"


def lines_of(part: Part, rows: Collection[int]) -> dict[int, int]:
    """Rows of a CSV file, counted from 0 below the header -> the line on which each begins, as an editor counts lines:
    a cell may hold line breaks, and an empty line is no row.
    """
    opener = gzip.open if part.name.endswith(".gz") else open
    before = csv.field_size_limit(CELL_LIMIT)
    try:
        with opener(part.place, "rt", encoding="utf-8-sig", newline="\n") as text:
            reader = csv.reader(text, strict=True)
            found, row, begins, last = {}, -1, 1, max(rows, default=-1)
            for cells in reader:
                if cells:
                    if row in rows:
                        found[row] = begins
                    row += 1
                if row > last:
                    break
                begins = reader.line_num + 1
            return found
    finally:
        csv.field_size_limit(before)


def unreadable(engine_message: str) -> str:
    """What is wrong with a file, from the engine's message without the data it holds; the end of a sentence."""
    line = _LINE.search(engine_message)
    where = f" at line {int(line[1]):,}" if line else ""
    if "utf-8" in engine_message:
        return str(BrokenFile.no_text(where))
    if "Expected Number of Columns" in engine_message:
        return f"has too few or too many cells{where}. Deliver it again, whole."
    if "invalid state" in engine_message:
        return "mixes line breaks, LF and CR LF, or holds a lone CR. Save it with one kind of them."
    if "unterminated quote" in engine_message:
        return f"has a quote that does not end{where}. Deliver it as RFC 4180 says."
    if "aximum line size" in engine_message:
        return str(BrokenFile.line(CELL_LIMIT, where))
    return f"cannot be read{where}. Deliver it again, whole."
