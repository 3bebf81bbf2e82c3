"""Files of another system as they are read into the engine: a table of text cells for each kind of file, its rows in
the order of the file.
"""

from __future__ import annotations

import codecs
import csv
import fnmatch
import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from features.errors import ContractError, InputMissing
from pipeline.intake.casting import literal
from pipeline.intake.cells import NATIVE
from pipeline.intake.delivery import CELL_LIMIT, shown
from pipeline.intake.files import unreadable
from pipeline.intake.mapping import Described
from pipeline.intake.sheets import read_sheet

BATCH = 50_000


@dataclass
class Opened:
    """A file of theirs in the engine: a table of text cells c0, c1, ... with `rid` in the order of the file."""

    name: str
    described: Described
    table: str
    columns: list[str]
    parts: list[tuple[int, Path, Path | None]] = field(default_factory=list)  # first rid, place, decoded copy

    def cell(self, column: str) -> str:
        text = f"c{self.columns.index(column)}"
        return f"nullif(trim({text}), '')"

    def line(self, rid: int) -> str:
        """The file and line of a row, as an editor counts them."""
        first, place, copy = next(part for part in reversed(self.parts) if part[0] <= rid)
        number = rid - first
        if copy is None:
            return f"{shown(place.name)} row {self.described.header_line + 1 + number:,}"
        with copy.open(encoding="utf-8", newline="") as stream:
            reader = csv.reader(stream, delimiter=self.described.delimiter)
            ended, seen = 0, -1  # the header is row -1
            for cells in reader:
                begins, ended = ended + 1, reader.line_num
                if cells and seen == number:
                    return f"{shown(place.name)} line {begins + self.described.header_line - 1:,}"
                seen += bool(cells)
        raise AssertionError(f"row {rid} is not in its file")


def open_file(engine: Any, opened: Opened, needed: set[str], source: Path, scratch: Path) -> Opened:
    described = opened.described
    places = _places(source, described.path)
    if not places:
        wanted = f"files.{opened.name}.path {described.path!r}"
        raise InputMissing(f"No file under {str(source)!r} fits {wanted}. Correct the pattern or deliver the file.")
    for place in places:
        copy = None if described.is_workbook else scratch / f"{opened.table}-{len(opened.parts)}.csv"
        header, batches = _sheet(place, described) if copy is None else (_decode(place, described, copy), iter(()))
        if not opened.parts:
            opened.columns = header
            if needed - set(header):
                raise ContractError(_missing(opened, place, sorted(needed - set(header))))
            cells = ", ".join(f"c{at} VARCHAR" for at in range(len(header)))
            engine.execute(f"CREATE TABLE {opened.table} (rid BIGINT, {cells})")
        elif header != opened.columns:
            differing = sorted(set(header) ^ set(opened.columns)) or ["their order"]
            two = f"{shown(place.name)} and {shown(places[0].name)} of files.{opened.name}"
            raise ContractError(f"{two} differ in columns: {', '.join(differing[:5])}. Describe them as two files.")
        first = count_of(engine, opened.table)
        opened.parts.append((first, place, copy))
        if copy is not None:
            _load(engine, opened, place, copy, first)
        for batch in batches:
            engine.register("handed_over", batch)
            engine.execute(f"INSERT INTO {opened.table} SELECT row_number() OVER () - 1 + {first}, * FROM handed_over")
            first += batch.num_rows
            engine.unregister("handed_over")
    return opened


def _places(source: Path, pattern: str) -> list[Path]:
    found = [place for place in sorted(source.rglob("*")) if place.is_file() and not place.is_symlink()]
    return [place for place in found if fnmatch.fnmatchcase(place.relative_to(source).as_posix(), pattern)]


def _decode(place: Path, described: Described, copy: Path) -> list[str]:
    """Write the file as UTF-8 from its header line on; the names of its columns.
    Bytes that the encoding does not know are refused.
    """
    encoding = "utf-8-sig" if codecs.lookup(described.encoding).name == "utf-8" else described.encoding
    opener = gzip.open if place.name.endswith(".gz") else open
    line = 0
    try:
        with (
            opener(place, "rt", encoding=encoding, newline="") as read,
            copy.open("w", encoding="utf-8", newline="") as written,
        ):
            for line, text in enumerate(read, 1):
                if line >= described.header_line:
                    written.write(text)
    except UnicodeError:
        held = place.read_bytes()[:4_000]
        better = "utf-16" if b"\0" in held else "cp1252"
        raise ContractError(
            f"{shown(place.name)} is not {described.encoding} after line {line:,}. "
            f"Say how it is written: `encoding: {better}`, perhaps."
        ) from None
    except (OSError, EOFError) as error:
        raise ContractError(
            f"{shown(place.name)} cannot be read ({type(error).__name__}). Deliver it again, whole."
        ) from None
    with copy.open(encoding="utf-8", newline="") as stream:
        names = next(csv.reader(stream, delimiter=described.delimiter), [])
    if not names:
        raise ContractError(
            f"{shown(place.name)} has no line {described.header_line}. Correct header_line, or deliver the file again."
        )
    if NATIVE in "".join(names):
        raise ContractError(f"{shown(place.name)} has a header with characters of private use. Rename its columns.")
    return _named(names)


def _named(names: Sequence[object]) -> list[str]:
    """Column names, each once: a second of the same name is `Name (2)`, one without a name `column 7`."""
    told: list[str] = []
    for at, name in enumerate(names, 1):
        text = "" if name is None else str(name).strip()
        text = text or f"column {at}"
        seen = sum(one == text or one.startswith(f"{text} (") for one in told)
        told.append(f"{text} ({seen + 1})" if seen else text)
    return told


def _load(engine: Any, opened: Opened, place: Path, copy: Path, first: int) -> None:
    cells = ", ".join(f"'c{at}': 'VARCHAR'" for at in range(len(opened.columns)))
    mark = literal(opened.described.delimiter)
    scan = f"""read_csv({literal(str(copy))}, auto_detect = false, header = true, delim = {mark}, quote = '"',
        escape = '"', encoding = 'utf-8', columns = {{{cells}}}, strict_mode = true,
        null_padding = false, ignore_errors = false,
        nullstr = '', max_line_size = {CELL_LIMIT})"""
    try:
        engine.execute(f"INSERT INTO {opened.table} SELECT row_number() OVER () - 1 + {first}, * FROM {scan}")
    except duckdb.Error as error:
        raise ContractError(f"{shown(place.name)} {unreadable(str(error))}") from None


def _sheet(place: Path, described: Described) -> tuple[list[str], Iterator[pa.Table]]:
    """Header and rows of a worksheet. A formula whose value was never saved is refused: it would read as empty."""
    header, rows = read_sheet(place, described.sheet, described.header_line)
    return _named(header), _batches(rows, len(header))


def _batches(rows: Iterator[list[str | None]], width: int) -> Iterator[pa.Table]:
    while held := list(islice(rows, BATCH)):
        yield _arrow(held, width)


def _arrow(rows: list[list[str | None]], width: int) -> pa.Table:
    return pa.table({f"c{at}": pa.array([row[at] for row in rows], pa.string()) for at in range(width)})


def _missing(opened: Opened, place: Path, missing: list[str]) -> str:
    near = {name: get_close_matches(name, opened.columns, n=1) for name in missing}
    named = ", ".join(f"{name!r} (nearest: {hit[0]!r})" if hit else repr(name) for name, hit in near.items())
    found = ", ".join(shown(name) for name in opened.columns[:8])
    hint = ""
    if len(opened.columns) == 1 and not opened.described.is_workbook:
        others = [mark for mark in ";\t|," if mark != opened.described.delimiter and mark in opened.columns[0]]
        hint = f" The header is one cell: perhaps `delimiter: {json.dumps(others[0])}`." if others else ""
    return f"{shown(place.name)} line {opened.described.header_line}: lacks {named}. Found: {found}.{hint}"


def count_of(engine: Any, source: str) -> int:
    return engine.execute(f"SELECT count(*) FROM {source}").fetchall()[0][0]
