"""A filled-in workbook as it came back: its rows by sheet and line, whatever a person,
a spreadsheet or an enemy did to them.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.apart import Harmed, confine, run_apart
from pipeline.columns import WORKLIST_COLUMNS
from pipeline.outcomes.refusals import ListMissing, WorkbookRefused
from pipeline.pages.language import languages, words
from pipeline.pages.workbook import ENTRIES, OFFERED
from pipeline.store.packed import NotPacked, look_over

UNPACKED_LIMIT = 300_000_000  # bytes of all parts of a workbook; a list of 50,000 rows unpacks to about 100 MB
ROWS_LIMIT, CELLS_LIMIT, PARTS_LIMIT = 300_000, 4_000_000, 1_000
COLUMNS_READ = 256  # from the left; a list has some fifty
SECONDS, MEMORY, SAID_LIMIT = 900, 2 << 30, 1 << 30  # of the process that reads it
LIST_HEADS = (
    "account_id",
    "debtor_id",
    "rank",
    "queue",
    "as_of",
    "outcome",
    "skipped_because",
)  # a sheet that begins so is a list


@dataclass(frozen=True)
class FilledRow:
    """One line of a list sheet. cells: contract's column -> value as the file holds it; formulas:
    columns whose cell is one.
    """

    sheet: str
    line: int
    cells: Mapping[str, Any]
    formulas: tuple[str, ...]

    @property
    def filled(self) -> bool:
        return any(self.cells.get(name) not in (None, "") for name in (*ENTRIES, OFFERED))


def read_filled(path: Path) -> list[FilledRow]:
    """Every line of every list sheet, nothing evaluated, read in a process of its own.

    Raises InputMissing where there is no file, ContractError where it is not a workbook with a list in it, or is out of
    all proportion.
    """
    if not path.is_file():
        raise ListMissing.file(path.name)
    _check_size(path)
    try:
        said = run_apart("pipeline.outcomes.filled_workbook", [str(path.resolve())], SECONDS, SAID_LIMIT)
    except Harmed:
        raise WorkbookRefused.harmful(path.name) from None
    try:
        *lines, last = [json.loads(line) for line in said.splitlines()]
        rows = [
            FilledRow(str(sheet), int(line), {name: _value(kept) for name, kept in cells.items()}, tuple(formulas))
            for sheet, line, cells, formulas in lines
        ]
    except (ValueError, TypeError, KeyError, AttributeError):  # it said something else than the program does
        raise WorkbookRefused.harmful(path.name) from None
    if last == TOO_LONG:
        raise WorkbookRefused.too_long(path.name, ROWS_LIMIT)
    if last != WHOLE:
        raise WorkbookRefused.unreadable(path.name)
    if not rows:
        raise WorkbookRefused.no_list(path.name, LIST_HEADS)
    return rows


def _check_size(path: Path) -> None:
    """What its parts unpack to, and how many cells stand in them: bytes alone are counted before anything is parsed."""
    try:
        found = look_over(path, UNPACKED_LIMIT, CELLS_LIMIT)
    except NotPacked:
        raise WorkbookRefused.no_workbook(path.name) from None
    if found.unpacked > UNPACKED_LIMIT or found.out_of_proportion:
        raise WorkbookRefused.too_large(path.name, found.unpacked)
    if found.parts > PARTS_LIMIT:
        raise WorkbookRefused.too_many_parts(path.name, PARTS_LIMIT)
    if found.cells > CELLS_LIMIT:
        raise WorkbookRefused.too_many_cells(path.name, CELLS_LIMIT)


# ---- in the process of its own ---------------------------------------------------------------------------------------

WHOLE, UNREADABLE, TOO_LONG = "whole", "unreadable", "too long"  # what it says last


class _TooLong(Exception):
    """More rows than a list has."""


def _tell(path: Path) -> str:
    """Prints a line of JSON per row; hands back what is to be said last."""
    try:
        for row in _rows(path):
            cells = {name: _kept(value) for name, value in row.cells.items()}
            print(json.dumps([row.sheet, row.line, cells, row.formulas]))
    except _TooLong:
        return TOO_LONG
    except Exception:  # whatever the parser trips over, its own words may hold cells
        return UNREADABLE
    return WHOLE


_MADE_BY = {"datetime": dt.datetime.fromisoformat, "date": dt.date.fromisoformat, "time": dt.time.fromisoformat}


def _kept(value: Any) -> Any:
    """A cell as JSON holds it: days and times by their name, what is no plain value as its text."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, dt.timedelta):
        return {"seconds": value.total_seconds()}
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return {type(value).__name__: value.isoformat()}
    return str(getattr(value, "text", ""))


def _value(kept: Any) -> Any:
    if not isinstance(kept, dict):
        return kept
    ((name, text),) = kept.items()
    return dt.timedelta(seconds=text) if name == "seconds" else _MADE_BY[name](text)


def _rows(path: Path) -> Iterator[FilledRow]:
    import openpyxl

    warnings.simplefilter("ignore", UserWarning)  # of features that a spreadsheet program added and nobody reads here
    read = 0
    book = openpyxl.load_workbook(path, read_only=True, data_only=False, keep_links=False)
    for sheet in book.worksheets:
        sheet.reset_dimensions()  # what the file claims of its size is not believed
        lines = sheet.iter_rows(max_col=COLUMNS_READ)
        columns = columns_by_place([cell.value for cell in next(lines, ())])
        if columns is None:
            continue
        for line, cells in enumerate(lines, start=2):
            read += 1
            if read > ROWS_LIMIT:
                raise _TooLong
            named = {columns[place]: cell for place, cell in enumerate(cells) if place in columns}
            values = {name: _plain(cell.value) for name, cell in named.items() if not _is_empty(cell.value)}
            if values:
                formulas = tuple(name for name, cell in named.items() if _is_formula(cell))
                yield FilledRow(sheet.title, line, values, formulas)


def _plain(value: Any) -> Any:
    """Text as it was written: the file format spells characters that XML cannot hold as _xHHHH_."""
    from openpyxl.utils.escape import unescape

    return unescape(value) if isinstance(value, str) else value


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _is_formula(cell: Any) -> bool:
    """A formula, an error, or what else is not a plain value. An array formula comes as an object of its own."""
    plain = (str, int, float, bool, dt.date, dt.time, dt.timedelta, type(None))
    return getattr(cell, "data_type", None) in ("f", "e") or not isinstance(cell.value, plain)


def columns_by_place(heads: Sequence[Any]) -> dict[int, str] | None:
    """Place -> contract's column, from headings in any language or the contract's own;
    None where the sheet is not a list.
    """
    known = {name: name for name in (*WORKLIST_COLUMNS, *ENTRIES, OFFERED)}
    for language in languages():
        known |= {words(language)["columns"][name]: name for name in (*WORKLIST_COLUMNS, *ENTRIES, OFFERED)}
    found: dict[int, str] = {}
    for place, head in enumerate(heads):
        name = known.get(str(head).strip()) if head is not None else None
        if name is not None and name not in found.values():
            found[place] = name
    return found if set(LIST_HEADS) <= set(found.values()) else None


if __name__ == "__main__":
    confine(SECONDS, MEMORY)
    print(json.dumps(_tell(Path(sys.argv[1]))))
