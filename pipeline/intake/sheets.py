"""A worksheet of another system as texts, read in a process of its own: whatever a workbook comes to, it comes to
there, and what is handed back are lines of texts.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
import zipfile
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from features.errors import ContractError
from models.apart import Harmed, confine, run_apart
from pipeline.intake.cells import NATIVE
from pipeline.intake.delivery import COLUMNS_LIMIT
from pipeline.intake.refusals import shown
from pipeline.store.packed import NotPacked, look_over

WORKBOOK_LIMIT = 2_000_000_000  # decoded bytes of a workbook's parts
CELLS_LIMIT = 40_000_000  # a full sheet of forty columns
SECONDS, MEMORY, SAID_LIMIT = 3_600, 2 << 30, 2_000_000_000  # of the process that reads it
LONGEST_REFUSAL = 2_000
PIECE, LONGEST_TAG = 1 << 20, 300
VALUE_ENDS = (b"/v>", b":v>", b"/is>", b":is>")
ROW_NUMBER = re.compile(rb"<(?:\w+:)?row\s[^>]*?\br=[\"'](\d{1,7})[\"']")

Cells = list[str | None]


def read_sheet(place: Path, sheet: str | None, header_line: int) -> tuple[list[object], Iterator[Cells]]:
    """Header and rows below it; of numbers and days NATIVE and what kind they are. sheet: None for the first.

    ContractError where it is no workbook, has no such sheet or header, a formula whose value was never saved (it would
    read as empty), or is out of all proportion (LIMIT_*).
    """
    check_proportion(place)
    try:
        asked = [str(place.resolve()), json.dumps(sheet), str(header_line)]
        said = run_apart("pipeline.intake.sheets", asked, SECONDS, SAID_LIMIT)
    except Harmed:
        raise _harmful(place) from None
    lines = iter(said.splitlines())
    first = _told(next(lines, b""), place)
    if isinstance(first, str):
        raise ContractError(first[:LONGEST_REFUSAL] if first.isprintable() else str(_harmful(place)))
    return first, _rows(lines, len(first), place)


def check_proportion(place: Path) -> None:
    """ContractError where a workbook unpacks to more than it may, before anything of it is parsed."""
    try:
        found = look_over(place, WORKBOOK_LIMIT, CELLS_LIMIT)
    except NotPacked:
        raise _no_workbook(place) from None
    if found.unpacked > WORKBOOK_LIMIT or found.out_of_proportion:
        raise ContractError(
            f"{shown(place.name)} (LIMIT_WORKBOOK) decodes to {found.unpacked:,} bytes. Split it, or save it as CSV."
        )
    if found.cells > CELLS_LIMIT:
        raise ContractError(
            f"{shown(place.name)} (LIMIT_CELLS) has more than {CELLS_LIMIT:,} cells. Split it, or save it as CSV."
        )


def _harmful(place: Path) -> ContractError:
    return ContractError(
        f"{shown(place.name)} (LIMIT_MEMORY) took more memory or time than its rows need, or stopped the process that "
        "read it. Save it as CSV."
    )


def _no_workbook(place: Path) -> ContractError:
    return ContractError(f"{shown(place.name)} is no workbook of Excel. Save it as .xlsx or CSV.")


def _told(line: bytes, place: Path) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        raise _harmful(place) from None


def _rows(lines: Iterator[bytes], width: int, place: Path) -> Iterator[Cells]:
    for line in lines:
        cells = _told(line, place)
        if isinstance(cells, str):
            raise ContractError(cells[:LONGEST_REFUSAL] if cells.isprintable() else str(_harmful(place)))
        if len(cells) != width or not all(cell is None or isinstance(cell, str) for cell in cells):
            raise _harmful(place)
        yield cells


# ---- in the process of its own ---------------------------------------------------------------------------------------


def _read(place: Path, sheet: str | None, header_line: int) -> Iterator[list[Any]]:
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        values, formulas = (load_workbook(place, read_only=True, data_only=saved) for saved in (True, False))
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, OSError):
        raise _no_workbook(place) from None
    if sheet is not None and sheet not in values.sheetnames:
        raise ContractError(f"{shown(place.name)} has no sheet {sheet!r}. Its sheets: {', '.join(values.sheetnames)}.")
    name = sheet or values.sheetnames[0]
    rows = values[name].iter_rows(min_row=header_line, max_col=COLUMNS_LIMIT + 1, values_only=True)
    header = list(next(rows, ()))
    while header and header[-1] is None:
        header.pop()
    if not header:
        raise ContractError(
            f"{shown(place.name)} has no row {header_line} in sheet {name!r}. Correct header_line or sheet."
        )
    if len(header) > COLUMNS_LIMIT:
        raise ContractError(
            f"{shown(place.name)} (LIMIT_COLUMNS) has more than {COLUMNS_LIMIT:,} columns in sheet {name!r}. "
            "Leave those out that no mapping names."
        )
    yield [None if cell is None else str(cell) for cell in header]
    with values[name]._get_source() as stream:  # pyrefly: ignore[missing-attribute]
        last = _last_with_a_value(stream)
    if (last - header_line) * len(header) > CELLS_LIMIT:  # before its empty rows are made
        raise _too_many_with_empty_rows(place)
    written = formulas[name].iter_rows(min_row=header_line + 1, max_col=len(header))
    yield from _texts(place, len(header), rows, written, header_line)


def _too_many_with_empty_rows(place: Path) -> ContractError:
    return ContractError(
        f"{shown(place.name)} (LIMIT_CELLS) has more than {CELLS_LIMIT:,} cells, with its empty rows. "
        "Split it, or save it as CSV."
    )


def _last_with_a_value(stream: IO[bytes]) -> int:
    """The number of the last row in which a value ends, as the sheet's bytes say it; 0 where none says its number.

    Looked over in pieces and not parsed: who hides a row from it makes the reading slow, and no less bounded.
    """
    last, row, kept = 0, 0, b""
    while piece := stream.read(PIECE):
        seen = kept + piece
        value = max(seen.rfind(tag) for tag in VALUE_ENDS)
        if value > len(kept) - 4:  # it was not whole in the piece before
            before = ROW_NUMBER.findall(seen, 0, value)
            last = int(before[-1]) if before else row
        within = ROW_NUMBER.findall(seen)
        row = int(within[-1]) if within else row
        kept = seen[-LONGEST_TAG:]
    return last


def _texts(
    place: Path, width: int, rows: Iterator[Sequence[object]], written: Iterator[Sequence[Any]], header_line: int
) -> Iterator[Cells]:
    empty = made = 0  # empty rows at the end of a sheet are formatting, between rows they are rows
    for at, (cells, formulas) in enumerate(zip(rows, written, strict=False), header_line + 1):
        texts = [
            _text(value, formula, place, at) for value, formula in zip(cells[:width], formulas[:width], strict=False)
        ]
        texts += [None] * (width - len(texts))
        if not any(texts):
            empty += 1
            continue
        made += (empty + 1) * width
        if made > CELLS_LIMIT:
            raise _too_many_with_empty_rows(place)
        for _ in range(empty):
            yield [None] * width
        empty = 0
        yield texts


def _text(value: object, formula: Any, place: Path, row: int) -> str | None:
    if value is None:
        if getattr(formula, "data_type", None) == "f":
            raise ContractError(
                f"{shown(place.name)} row {row:,} has a formula without a saved value. Open it in Excel and save it."
            )
        return None
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return f"{NATIVE}n{value}"
    if isinstance(value, float):
        # A workbook keeps binary fractions: fifteen digits are what it shows of them.
        exact = Decimal(f"{value:.15g}")
        return f"{NATIVE}n{format(exact, 'f')}"
    if isinstance(value, dt.datetime):
        return f"{NATIVE}d{value:%Y-%m-%d}" if value.time() == dt.time() else f"{NATIVE}t{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, dt.date):
        return f"{NATIVE}d{value:%Y-%m-%d}"
    text = str(value)
    if NATIVE in text:
        raise ContractError(f"{shown(place.name)} row {row:,} holds a character of private use. Remove it.")
    return text


def _tell(place: Path, sheet: str | None, header_line: int) -> None:
    """A line of JSON a row; a line that is a text says why there are no more."""
    try:
        for cells in _read(place, sheet, header_line):
            print(json.dumps(cells))
    except ContractError as refused:
        print(json.dumps(str(refused)))


if __name__ == "__main__":
    confine(SECONDS, MEMORY)
    _tell(Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3]))
