"""A filled-in workbook as it came back: its rows by sheet and line, whatever a person,
a spreadsheet or an enemy did to them.
"""

from __future__ import annotations

import datetime as dt
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.columns import WORKLIST_COLUMNS
from pipeline.outcomes.refusals import ListMissing, WorkbookRefused
from pipeline.pages.language import languages, words
from pipeline.pages.workbook import ENTRIES
from pipeline.store.files import EXPANSION_LIMIT

UNPACKED_LIMIT = 400_000_000  # bytes of all parts of a workbook; a list of 50,000 rows unpacks to about 100 MB
ROWS_LIMIT = 300_000
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
        return any(self.cells.get(name) not in (None, "") for name in ENTRIES)


def read_filled(path: Path) -> list[FilledRow]:
    """Every line of every list sheet, nothing evaluated.

    Raises InputMissing where there is no file, ContractError where it is not a workbook with a list in it, or is out of
    all proportion.
    """
    if not path.is_file():
        raise ListMissing.file(path.name)
    _check_size(path)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", UserWarning
        )  # of features that a spreadsheet program added and nobody reads here
        rows = list(_rows(path))
    if not rows:
        raise WorkbookRefused.no_list(path.name, LIST_HEADS)
    return rows


def _check_size(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as packed:
            unpacked = sum(part.file_size for part in packed.infolist())
    except (zipfile.BadZipFile, OSError):
        raise WorkbookRefused.no_workbook(path.name) from None
    if unpacked > UNPACKED_LIMIT or unpacked > EXPANSION_LIMIT * max(path.stat().st_size, 1_000):
        raise WorkbookRefused.too_large(path.name, unpacked)


def _rows(path: Path) -> Iterator[FilledRow]:
    import openpyxl

    read = 0
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=False, keep_links=False)
    except Exception:  # whatever the parser trips over, its own words may hold cells
        raise WorkbookRefused.unreadable(path.name) from None
    try:
        for sheet in book.worksheets:
            sheet.reset_dimensions()  # what the file claims of its size is not believed
            lines = sheet.iter_rows()
            columns = columns_by_place([cell.value for cell in next(lines, ())])
            if columns is None:
                continue
            for line, cells in enumerate(lines, start=2):
                read += 1
                if read > ROWS_LIMIT:
                    raise WorkbookRefused.too_long(path.name, ROWS_LIMIT)
                named = {columns[place]: cell for place, cell in enumerate(cells) if place in columns}
                values = {name: _plain(cell.value) for name, cell in named.items() if not _is_empty(cell.value)}
                if values:
                    yield FilledRow(
                        sheet.title, line, values, tuple(name for name, cell in named.items() if _is_formula(cell))
                    )
    except (ValueError, KeyError, TypeError, SyntaxError):
        raise WorkbookRefused.unreadable(path.name) from None
    finally:
        book.close()


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
    known = {name: name for name in (*WORKLIST_COLUMNS, *ENTRIES)}
    for language in languages():
        known |= {words(language)["columns"][name]: name for name in (*WORKLIST_COLUMNS, *ENTRIES)}
    found: dict[int, str] = {}
    for place, head in enumerate(heads):
        name = known.get(str(head).strip()) if head is not None else None
        if name is not None and name not in found.values():
            found[place] = name
    return found if set(LIST_HEADS) <= set(found.values()) else None
