"""Files of another system become a source folder of the contract: every row of theirs is a row of ours,
or left out by a named reason.

Cells are read exactly as the mapping says (mapping.py, cells.py) or the whole conversion is refused, every fault told
with its place.
"""

from __future__ import annotations

import codecs
import csv
import datetime as dt
import fnmatch
import gzip
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from features.currencies import DECIMALS
from features.errors import CannotWrite, ContractError, InputMissing, UsageError
from features.tables import DELIVERED, Column, Kind
from pipeline.intake.casting import literal, quoted
from pipeline.intake.cells import NATIVE, added_up, amount, bare, exact, is_zero, moment, turned, whole
from pipeline.intake.delivery import CELL_LIMIT, shown
from pipeline.intake.faults import seen
from pipeline.intake.files import unreadable
from pipeline.intake.looking import TOTAL, TOTAL_ALONE
from pipeline.intake.mapping import Condition, Described, Form, Mapping_, Rows, Value
from pipeline.intake.sheets import read_sheet
from pipeline.store.files import private_folder, whole_folder

LINES_NAMED = 3  # lines named for each kind of fault
BATCH = 50_000
BLANK, REPEATED, NOT_MEANT = "blank", "alike with a row before", "not meant by `where`"
FINEST = max(DECIMALS.values())


@dataclass(frozen=True)
class Passed:
    """What became of the rows of one file for one table: rows = out + the sum of left."""

    file: str
    table: str
    rows: int
    out: int
    left: dict[str, int]


@dataclass(frozen=True)
class Conversion:
    """A source folder that was written, and the reckoning of its rows."""

    target: Path
    passed: tuple[Passed, ...]
    rows: dict[str, int]
    warnings: tuple[str, ...] = ()

    def text(self) -> str:
        lines = []
        for one in self.passed:
            left = "".join(f", {number:,} left out ({reason})" for reason, number in one.left.items())
            lines.append(f"{one.file} -> {one.table}: {one.rows:,} rows = {one.out:,} written{left}")
        lines += [f"{name}: {number:,} rows" for name, number in self.rows.items()]
        return "\n".join([*lines, *self.warnings, f"Source folder: {self.target}"])


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


def convert(mapping: Mapping_, source: Path, target: Path, complete_through: dt.date | None = None) -> Conversion:
    """Write TARGET, a source folder, from the files under SOURCE that the mapping describes.
    It appears whole or not at all.

    complete_through: the last day that is all there; written into the control file of every table.
    Raises InputMissing where a described file is absent, UsageError where TARGET is taken, ContractError with every
    unreadable cell, by file, line and column, at most three of a kind.
    """
    if target.exists() and any(target.iterdir()):
        raise UsageError(f"Folder {str(target)!r} is not empty. Name an empty or new one with --to.")
    if mapping.none and complete_through is None:
        raise UsageError(
            f"The mapping says that there are no {', '.join(mapping.none)}: through which day? "
            "Say it with --complete-through."
        )
    if not source.is_dir():
        raise InputMissing(f"There is no folder {str(source)!r}. Name the folder of your files with --from.")
    with ExitStack() as held:
        scratch = held.enter_context(private_folder())
        engine = held.enter_context(closing(duckdb.connect()))
        engine.execute("SET autoinstall_known_extensions = false")
        engine.execute("SET TimeZone = 'UTC'")
        engine.execute("SET preserve_insertion_order = true")
        opened = {
            name: _open(
                engine,
                Opened(name, described, f"file_{number}", []),
                _needed(mapping, name),
                source,
                Path(scratch),
            )
            for number, (name, described) in enumerate(mapping.files.items())
        }
        faults: list[str] = []
        passed: list[Passed] = []
        for table, parts in mapping.tables.items():
            for number, rows in enumerate(parts):
                passed.append(_map_rows(engine, opened[rows.source], table, rows, f"out_{table}_{number}", faults))
        if not faults:
            faults = _too_fine(engine, mapping, opened)
        if faults:
            raise ContractError("\n".join(["The files are not converted, nothing was written.", *faults]))
        return _write(engine, mapping, opened, target, tuple(passed), complete_through)


def _count(engine: Any, source: str) -> int:
    return engine.execute(f"SELECT count(*) FROM {source}").fetchall()[0][0]


# ---- reading ---------------------------------------------------------------------------------------------------------


def _open(engine: Any, opened: Opened, needed: set[str], source: Path, scratch: Path) -> Opened:
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
        first = _count(engine, opened.table)
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


# ---- mapping ---------------------------------------------------------------------------------------------------------


def _map_rows(engine: Any, opened: Opened, table: str, rows: Rows, out: str, faults: list[str]) -> Passed:
    total = _count(engine, opened.table)
    reasons = {reason: _holds(opened, condition) for reason, condition in opened.described.leave_out.items()}
    reasons.setdefault(BLANK, f"concat({', '.join(opened.cell(name) for name in opened.columns)}) = ''")
    if rows.where:
        reasons[NOT_MEANT] = f"NOT ({' AND '.join(_holds(opened, condition) for condition in rows.where)})"
    cases = "".join(f" WHEN {held} THEN {literal(reason)}" for reason, held in reasons.items())
    engine.execute(
        f"CREATE TEMP TABLE {out}_kept AS SELECT rid, "
        f"{f'CASE{cases} END' if cases else 'NULL::VARCHAR'} AS reason FROM {opened.table}"
    )
    left = dict(
        engine.execute(
            f"SELECT reason, count(*) FROM {out}_kept WHERE reason IS NOT NULL GROUP BY reason ORDER BY min(rid)"
        ).fetchall()
    )
    faults += _whole_totals(engine, opened, table, rows, f"{out}_kept")
    faults += [fault for fault in _unforeseen(engine, opened, f"{out}_kept") if fault not in faults]
    kept = f"(SELECT * FROM {opened.table} SEMI JOIN (SELECT rid FROM {out}_kept WHERE reason IS NULL) USING (rid))"
    read = {name: _Read.of(opened, _column(table, name), value) for name, value in rows.columns.items()}
    for name, given in rows.columns.items():
        if given.negative is not None:
            below = f"starts_with({read[DELIVERED[table].money or name].value}, '-')"
            value = f"CASE WHEN {below} THEN {literal(given.negative)} ELSE {read[name].value} END"
            read[name] = replace(read[name], value=value)
    cells = ", ".join(f"{one.value} AS {quoted(name)}" for name, one in read.items())
    engine.execute(f"CREATE TEMP TABLE {out}_all AS SELECT rid, {cells} FROM {kept}")
    found = [fault for name, one in read.items() for fault in _faults(engine, opened, table, name, one, kept)]
    hints = _totals(engine, opened, kept) if found else []
    faults += [*found, *(hint for hint in hints if hint not in faults)]
    names = ", ".join(quoted(name) for name in read)
    if rows.once:
        engine.execute(f"CREATE TEMP TABLE {out} AS SELECT min(rid) AS rid, {names} FROM {out}_all GROUP BY ALL")
    else:
        engine.execute(f"CREATE TEMP VIEW {out} AS SELECT * FROM {out}_all")
    written = _count(engine, f"{out}")
    repeated = total - sum(left.values()) - written
    return Passed(opened.name, table, total, written, left | ({REPEATED: repeated} if repeated else {}))


def _unforeseen(engine: Any, opened: Opened, kept: str) -> list[str]:
    """The first row of each kind that the mapping refuses, of those that are not left out."""
    there = f"(SELECT * FROM {opened.table} SEMI JOIN (SELECT rid FROM {kept} WHERE reason IS NULL OR reason = "
    there += f"{literal(NOT_MEANT)}) USING (rid))"
    found = []
    for reason, conditions in opened.described.refuse.items():
        held = " AND ".join(_holds(opened, condition) for condition in conditions)
        row = engine.execute(f"SELECT count(*), min(rid) FROM {there} WHERE {held}").fetchall()[0]
        if row[0]:
            columns = ", ".join(shown(condition.column) for condition in conditions)
            found.append(
                f"{opened.line(row[1])}, {columns}: {reason} ({row[0]:,} rows), and no line of the mapping says what "
                f"that means. Say it there, then mend files.{opened.name}.refuse."
            )
    return found


def _whole_totals(engine: Any, opened: Opened, table: str, rows: Rows, kept: str) -> list[str]:
    """Rows left out as totals that have every cell a row needs: a customer is called Total."""
    needed = {
        column for name, value in rows.columns.items() if not _column(table, name).empty for column in value.columns()
    }
    reasons = [name for name, one in opened.described.leave_out.items() if one.like in (TOTAL, TOTAL_ALONE)]
    if len(needed) < 2 or not reasons:
        return []
    left = f"SELECT rid FROM {kept} WHERE reason IN ({', '.join(map(literal, reasons))})"
    filled = " AND ".join(f"{opened.cell(column)} IS NOT NULL" for column in sorted(needed))
    found = engine.execute(
        f"SELECT min(rid) FROM {opened.table} SEMI JOIN ({left}) USING (rid) WHERE {filled}"
    ).fetchall()[0][0]
    if found is None:
        return []
    return [
        f"{opened.line(found)} is left out as a total and has every cell of a row of {table}. Where it is none, "
        f"write in files.{opened.name}.leave_out an expression that fits totals alone."
    ]


def _totals(engine: Any, opened: Opened, kept: str) -> list[str]:
    """What to paste where a row that cannot be read is called a total."""
    for name in opened.columns:
        told = f"regexp_full_match({bare(opened.cell(name))}, {literal(TOTAL_ALONE)})"
        first = engine.execute(f"SELECT min(rid) FROM {kept} WHERE {told}").fetchall()[0][0]
        if first is not None:
            column, like = json.dumps(name, ensure_ascii=False), json.dumps(TOTAL_ALONE)
            left = f"leave_out: {{total: {{column: {column}, like: {like}}}}}"
            return [f"{opened.line(first)} looks like a total. If it is one, write in files.{opened.name}: `{left}`."]
    return []


def _needed(mapping: Mapping_, name: str) -> set[str]:
    """The columns of a file that any of its rows needs."""
    parts = [rows for parts in mapping.tables.values() for rows in parts if rows.source == name]
    conditions = [
        *mapping.files[name].leave_out.values(),
        *(condition for conditions in mapping.files[name].refuse.values() for condition in conditions),
        *(condition for rows in parts for condition in rows.where),
    ]
    return {column for rows in parts for value in rows.columns.values() for column in value.columns()} | {
        one.column for one in conditions
    }


def _missing(opened: Opened, place: Path, missing: list[str]) -> str:
    near = {name: get_close_matches(name, opened.columns, n=1) for name in missing}
    named = ", ".join(f"{name!r} (nearest: {hit[0]!r})" if hit else repr(name) for name, hit in near.items())
    found = ", ".join(shown(name) for name in opened.columns[:8])
    hint = ""
    if len(opened.columns) == 1 and not opened.described.is_workbook:
        others = [mark for mark in ";\t|," if mark != opened.described.delimiter and mark in opened.columns[0]]
        hint = f" The header is one cell: perhaps `delimiter: {json.dumps(others[0])}`." if others else ""
    return f"{shown(place.name)} line {opened.described.header_line}: lacks {named}. Found: {found}.{hint}"


def _holds(opened: Opened, condition: Condition) -> str:
    cell = opened.cell(condition.column)
    if condition.empty is not None:
        return f"{cell} IS {'' if condition.empty else 'NOT '}NULL"
    text = bare(cell)
    if condition.among is not None:
        return f"coalesce({text} IN ({', '.join(literal(word) for word in condition.among)}), false)"
    if condition.other_than is not None:
        return f"coalesce({text} NOT IN ({', '.join(literal(word) for word in condition.other_than)}), false)"
    return f"coalesce(regexp_full_match({text}, {literal(condition.like or '')}), false)"


def _column(table: str, name: str) -> Column:
    contract = DELIVERED[table]
    return (
        contract[name]
        if name in contract.names
        else Column(name, Kind.TEXT, empty=True, optional=True, limit=CELL_LIMIT)
    )


@dataclass(frozen=True)
class _Read:
    """A cell of ours: the SQL of its value, of whether what stands there cannot be read, and what form is wanted."""

    value: str
    unread: str
    shown: str  # the cell to show in a fault
    where: str  # the columns of theirs it comes from
    column: Column
    wanted: str

    @classmethod
    def of(cls, opened: Opened, column: Column, given: Value) -> _Read:
        form = _form(opened.described, given)
        if given.constant is not None:
            return cls(literal(given.constant), "false", "NULL", "a constant", column, "")
        if given.debit is not None and given.credit is not None:
            first, second = opened.cell(given.debit), opened.cell(given.credit)
            debit, credit = amount(first, form), amount(second, form)
            unread = (
                f"({first} IS NOT NULL AND ({debit}) IS NULL) OR ({second} IS NOT NULL AND ({credit}) IS NULL) "
                f"OR NOT ({is_zero(debit)} OR {is_zero(credit)})"
            )
            value = (
                f"CASE WHEN NOT {is_zero(debit)} THEN {debit} WHEN ({credit}) "
                f"IS NULL THEN {debit} ELSE {turned(f'({credit})')} END"
            )
            where = f"{given.debit}, {given.credit}"
            return cls(
                exact(f"({_finished(value, given, opened)})"),
                unread,
                f"concat_ws(' | ', {first}, {second})",
                where,
                column,
                _wanted_amount(form),
            )
        if given.join is not None:
            cells = [bare(opened.cell(name)) for name in given.join]
            value = f" || {literal(given.by)} || ".join(f"({cell})" for cell in cells)
            return cls(_stand_in(value, given), "false", "NULL", ", ".join(given.join), column, "")
        if given.sum is not None:
            cells = [opened.cell(name) for name in given.sum]
            read = [amount(cell, form) for cell in cells]
            value = added_up([f"({one})" for one in read])
            filled = f"coalesce({', '.join(cells)}) IS NOT NULL"
            each = [
                f"({cell} IS NOT NULL AND ({added_up([f'({one})'])}) IS NULL)"
                for cell, one in zip(cells, read, strict=True)
            ]
            return cls(
                _stand_in(_finished(value, given, opened), given),
                f"{filled} AND (({_finished(value, given, opened)}) IS NULL OR {' OR '.join(each)})",
                f"concat_ws(' | ', {', '.join(cells)})",
                ", ".join(given.sum),
                column,
                _wanted_amount(form),
            )
        cell = opened.cell(given.column or "")
        if given.values is not None:
            words = " ".join(f"WHEN {literal(word)} THEN {literal(ours)}" for word, ours in given.values.items())
            other = "NULL" if given.otherwise is None else literal(given.otherwise)
            mapped = f"CASE WHEN {cell} IS NULL THEN NULL ELSE CASE {bare(cell)} {words} ELSE {other} END END"
            known = ", ".join(repr(word) for word in list(given.values)[:8])
            return cls(
                _stand_in(mapped, given),
                f"{cell} IS NOT NULL AND ({mapped}) IS NULL",
                cell,
                given.column or "",
                column,
                f"one of {known}",
            )
        if column.kind is Kind.MONEY:
            value = exact(f"({_finished(amount(cell, form), given, opened)})")
            return cls(
                _stand_in(value, given),
                f"{cell} IS NOT NULL AND ({value}) IS NULL",
                cell,
                given.column or "",
                column,
                _wanted_amount(form),
            )
        if column.kind in (Kind.DATE, Kind.TIME):
            value = moment(cell, form, column.kind)
            if given.plus_days is not None:
                days = (
                    str(given.plus_days)
                    if isinstance(given.plus_days, int)
                    else f"TRY_CAST({bare(opened.cell(given.plus_days))} AS INTEGER)"
                )
                value = f"(TRY_CAST(substr({value}, 1, 10) AS DATE) + {days})::VARCHAR"
            wanted = f"a day as {form.dates or 'YYYY-MM-DD'}" + (
                "; for another form declare `dates:`, of the file or of this column: "
                f"`{column.name}: {{column: {given.column}, dates: FORM}}`"
            )
            return cls(
                _stand_in(value, given),
                f"{cell} IS NOT NULL AND ({value}) IS NULL",
                cell,
                given.column or "",
                column,
                wanted,
            )
        value = bare(cell)
        if column.kind is Kind.ENUM:
            among = ", ".join(literal(word) for word in column.values)
            wanted = f"one of {', '.join(column.values)}; map your own words by `values:`"
            return cls(_stand_in(value, given), f"{value} NOT IN ({among})", cell, given.column or "", column, wanted)
        return cls(_stand_in(value, given), "false", "NULL", given.column or "", column, "")


def _form(described: Described, given: Value) -> Form:
    """The cell's own form where it says one, the file's else."""
    own = {name: getattr(given, name) for name in Form.model_fields if getattr(given, name) is not None}
    return described.model_copy(update=own)


def _wanted_amount(form: Form) -> str:
    if form.decimal is None:
        return "plain digits; declare `decimal:` (and `thousands:`) to read marks"
    groups = f" and {form.thousands!r} between thousands" if form.thousands else ", without marks between thousands"
    return f"an amount with {form.decimal!r} before decimals{groups}"


def _finished(value: str, given: Value, opened: Opened) -> str:
    """The sign conventions of an amount that was read."""
    for column, words in (given.sign_by or {}).items():
        cases = " ".join(
            f"WHEN {literal(word)} THEN {f'({value})' if sign == '+' else _lowered(f'({value})')}"
            for word, sign in words.items()
        )
        value = f"CASE {bare(opened.cell(column))} {cases} END"
    if given.turned:
        value = turned(f"({value})")
    return f"ltrim({value}, '-')" if given.absolute else value


def _lowered(value: str) -> str:
    """The amount with a minus; NULL where it has one already: the word and the sign say two things."""
    return f"CASE WHEN NOT starts_with({value}, '-') THEN {turned(value)} END"


def _stand_in(value: str, given: Value) -> str:
    return value if given.empty is None else f"coalesce({value}, {literal(given.empty)})"


def _faults(engine: Any, opened: Opened, table: str, name: str, read: _Read, kept: str) -> list[str]:
    told = []
    found = engine.execute(f"SELECT rid, {read.shown} FROM {kept} WHERE {read.unread} ORDER BY rid").fetchmany(
        LINES_NAMED + 1
    )
    if found:
        number = _count(engine, f"{kept} WHERE {read.unread}")
        told += _sentences(opened, table, name, read, found, number, f"wanted {read.wanted}")
    if not read.column.empty:
        lacking = f"({read.value}) IS NULL AND NOT coalesce({read.unread}, false)"
        found = engine.execute(f"SELECT rid, NULL FROM {kept} WHERE {lacking} ORDER BY rid").fetchmany(LINES_NAMED + 1)
        if found:
            number = _count(engine, f"{kept} WHERE {lacking}")
            told += _sentences(
                opened,
                table,
                name,
                read,
                found,
                number,
                "must not be empty; say what an empty cell stands for by `empty:`, or leave the row out",
            )
    return told


def _sentences(
    opened: Opened, table: str, name: str, read: _Read, found: list[Any], number: int, wanted: str
) -> list[str]:
    told = [
        (
            f"{opened.line(rid)}, {shown(read.where)} -> "
            f"{table}.{name}{'' if cell is None else f' {_seen(cell, read.column.kind)}'}: {wanted}."
        )
        for rid, cell in found[:LINES_NAMED]
    ]
    return [*told, f"  and {number - LINES_NAMED:,} more of the same."] if number > LINES_NAMED else told


def _seen(cell: str, kind: Kind) -> str:
    return seen(cell[2:] if cell.startswith(NATIVE) else cell, kind)


def _too_fine(engine: Any, mapping: Mapping_, opened: dict[str, Opened]) -> list[str]:
    """Amounts with more decimals than their account's currency has: no sum of them can be owed or paid."""
    accounts = [
        f"SELECT account_id, currency FROM out_accounts_{at}" for at in range(len(mapping.tables.get("accounts", ())))
    ]
    told = " UNION ALL ".join(accounts) or "SELECT NULL::VARCHAR AS account_id, NULL::VARCHAR AS currency WHERE false"
    engine.execute(
        f"CREATE TEMP TABLE currencies AS SELECT account_id, min(currency) AS currency FROM ({told}) GROUP BY 1"
    )
    cases = " ".join(f"WHEN {literal(code)} THEN {number}" for code, number in DECIMALS.items())
    decimals = f"CASE a.currency {cases} ELSE {FINEST} END"
    faults: list[str] = []
    for table, parts in mapping.tables.items():
        if not DELIVERED[table].of_accounts:
            continue
        for at, rows in enumerate(parts):
            for name in rows.columns:
                if _column(table, name).kind is not Kind.MONEY:
                    continue
                out = f"out_{table}_{at} AS o LEFT JOIN currencies AS a USING (account_id)"
                cell = f"({whole(f'o.{quoted(name)}')})"
                # Three decimals that end in 0 are left where they may be a group of thousands: cells.exact.
                fine = (
                    f"(contains({cell}, '.') AND length({cell}) - strpos({cell}, '.') > {decimals} "
                    rf"OR a.currency IS NULL AND regexp_matches({cell}, '\.\d\d0$'))"
                )
                found = engine.execute(
                    f"SELECT rid, {cell}, a.currency FROM {out} WHERE {fine} ORDER BY rid"
                ).fetchmany(LINES_NAMED + 1)
                faults += [
                    f"{opened[rows.source].line(rid)}, -> {table}.{name} {_seen(value, Kind.MONEY)}: has more decimals "
                    f"than {currency or 'is known of its currency'}{_or_thousands(value)}. "
                    "Round as your books do, and deliver what is owed."
                    for rid, value, currency in found[:LINES_NAMED]
                ]
                if len(found) > LINES_NAMED:
                    number = _count(engine, f"{out} WHERE {fine}") - LINES_NAMED
                    faults.append(f"  and {number:,} more of the same.")
    return faults


def _or_thousands(value: str) -> str:
    three = len(value.partition(".")[2]) == 3
    return ", or a mark between thousands: then correct `decimal:` and `thousands:`" if three else ""


def _warnings(engine: Any, mapping: Mapping_) -> tuple[str, ...]:
    """What was written and can hardly be meant."""
    return (*_lone_credits(engine, mapping), *_repeated_promises(engine, mapping))


def _in_no_table(engine: Any, mapping: Mapping_, opened: dict[str, Opened]) -> tuple[str, ...]:
    """Rows of a file that several parts ask for by `where`, and none takes: a new kind of document, perhaps."""
    told = []
    for name in mapping.files:
        parts = [
            f"out_{table}_{at}_kept"
            for table, each in mapping.tables.items()
            for at, rows in enumerate(each)
            if rows.source == name
        ]
        taken_by_none = " INTERSECT ".join(
            f"SELECT rid FROM {kept} WHERE reason = {literal(NOT_MEANT)}" for kept in parts
        )
        number, first = engine.execute(f"SELECT count(*), min(rid) FROM ({taken_by_none})").fetchall()[0]
        if number and len(parts) > 1:
            told.append(f"{name}: rows in no table: {number:,}; the first is {opened[name].line(first)}")
    return tuple(told)


def _repeated_promises(engine: Any, mapping: Mapping_) -> tuple[str, ...]:
    told = " UNION ALL ".join(
        f"SELECT contact_id, account_id, promise_amount FROM out_contacts_{at}"
        for at, rows in enumerate(mapping.tables.get("contacts", ()))
        if "promise_amount" in rows.columns
    )
    if not told:
        return ()
    alike = "HAVING count(DISTINCT account_id) > 1 AND count(DISTINCT promise_amount) = 1 AND count(promise_amount) > 1"
    number = _count(engine, f"(SELECT contact_id FROM ({told}) GROUP BY 1 {alike})")
    if not number:
        return ()
    return (
        f"WARNING Contacts with the same promise on each of several accounts: {number:,}. `promise_amount` is the "
        "part for the account: the whole sum on each is a promise for each, and will be broken.",
    )


def _lone_credits(engine: Any, mapping: Mapping_) -> tuple[str, ...]:
    """Accounts that are a credit note each."""
    if not {"accounts", "charges"} <= set(mapping.tables):
        return ()
    each = " UNION ALL ".join(
        f"SELECT account_id, amount FROM out_charges_{at}" for at in range(len(mapping.tables["charges"]))
    )
    credit = "SELECT account_id FROM charges_written GROUP BY 1 HAVING bool_and(starts_with(amount, '-'))"
    engine.execute(f"CREATE TEMP VIEW charges_written AS {each}")
    number = _count(engine, f"({credit})")
    if not number:
        return ()
    return (
        f"WARNING Accounts that hold nothing but a negative charge: {number:,}. A credit note lowers no invoice "
        "unless it stands on the invoice's account: give it `account_id` and `adjusts` from the column that names it.",
    )


# ---- writing ---------------------------------------------------------------------------------------------------------


def _write(
    engine: Any,
    mapping: Mapping_,
    opened: dict[str, Opened],
    target: Path,
    passed: tuple[Passed, ...],
    complete_through: dt.date | None,
) -> Conversion:
    rows: dict[str, int] = {}
    try:
        with whole_folder(target) as folder:
            for table in DELIVERED:
                if table in mapping.tables:
                    rows[table] = _write_table(engine, table, mapping.tables[table], folder, complete_through)
                elif table in mapping.none:
                    (folder / f"{table}.csv").write_text(",".join(DELIVERED[table].required) + "\n", encoding="utf-8")
                    rows[table] = _vouch(folder, table, 0, complete_through)
            if target.exists():
                target.rmdir()  # whoever filled it meanwhile keeps it
    except OSError as error:
        raise CannotWrite.creating(f"Source folder {str(target)!r}", error) from None
    except duckdb.IOException as error:
        raise CannotWrite(
            f"Source folder {str(target)!r} cannot be written ({type(error).__name__}). Make room, then run again."
        ) from None
    return Conversion(target, passed, rows, (*_in_no_table(engine, mapping, opened), *_warnings(engine, mapping)))


def _write_table(engine: Any, table: str, parts: Sequence[Rows], folder: Path, complete_through: dt.date | None) -> int:
    present = {name for rows in parts for name in rows.columns}
    ordered = [name for name in DELIVERED[table].names if name in present]
    ordered += sorted(present - set(ordered))
    each = " UNION ALL ".join(
        f"SELECT {number} AS part, rid, "
        + ", ".join(
            f"{quoted(name) if name in rows.columns else 'NULL::VARCHAR'} AS {quoted(name)}" for name in ordered
        )
        + f" FROM out_{table}_{number}"
        for number, rows in enumerate(parts)
    )
    without = [code for code, number in DECIMALS.items() if number == 0]
    in_whole = _count(engine, f"currencies WHERE currency IN ({', '.join(map(literal, without))})") > 0
    cells = ", ".join(
        f"{whole(quoted(name))} AS {quoted(name)}"
        if in_whole and _column(table, name).kind is Kind.MONEY
        else quoted(name)
        for name in ordered
    )
    place = folder / f"{table}.csv"
    engine.execute(
        f"COPY (SELECT {cells} FROM ({each}) ORDER BY part, rid) TO {literal(str(place))} (FORMAT csv, HEADER true)"
    )
    return _vouch(folder, table, _count(engine, f"({each})"), complete_through)


def _vouch(folder: Path, table: str, number: int, complete_through: dt.date | None) -> int:
    """The control file of a table; its number of rows."""
    vouched: dict[str, object] = {"rows": number}
    if complete_through is not None:
        vouched["complete_through"] = complete_through.isoformat()
    (folder / f"{table}.control.json").write_text(json.dumps(vouched) + "\n", encoding="utf-8")
    return number
