"""Files of another system become a source folder of the contract: every row of theirs is a row of ours,
or left out by a named reason.

Cells are read exactly as the mapping says (mapping.py, cells.py) or the whole conversion is refused, every fault told
with its place.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from features.currencies import DECIMALS
from features.errors import CannotWrite, ContractError, InputMissing, UsageError
from features.tables import DELIVERED, Kind
from pipeline.intake.casting import literal, quoted
from pipeline.intake.cells import bare, whole
from pipeline.intake.delivery import shown
from pipeline.intake.looking import TOTAL, TOTAL_ALONE
from pipeline.intake.mapping import Condition, Mapping_, Rows
from pipeline.intake.opened import Opened, count_of, open_file
from pipeline.intake.readings import LINES_NAMED, Reading, cell_seen, column_of, faults_of
from pipeline.store.files import private_folder, whole_folder

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
            name: open_file(
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


# ---- mapping ---------------------------------------------------------------------------------------------------------


def _map_rows(engine: Any, opened: Opened, table: str, rows: Rows, out: str, faults: list[str]) -> Passed:
    total = count_of(engine, opened.table)
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
    read = {name: Reading.of(opened, column_of(table, name), value) for name, value in rows.columns.items()}
    for name, given in rows.columns.items():
        if given.negative is not None:
            below = f"starts_with({read[DELIVERED[table].money or name].value}, '-')"
            value = f"CASE WHEN {below} THEN {literal(given.negative)} ELSE {read[name].value} END"
            read[name] = replace(read[name], value=value)
    cells = ", ".join(f"{one.value} AS {quoted(name)}" for name, one in read.items())
    engine.execute(f"CREATE TEMP TABLE {out}_all AS SELECT rid, {cells} FROM {kept}")
    found = [fault for name, one in read.items() for fault in faults_of(engine, opened, table, name, one, kept)]
    hints = _totals(engine, opened, kept) if found else []
    faults += [*found, *(hint for hint in hints if hint not in faults)]
    names = ", ".join(quoted(name) for name in read)
    if rows.once:
        engine.execute(f"CREATE TEMP TABLE {out} AS SELECT min(rid) AS rid, {names} FROM {out}_all GROUP BY ALL")
    else:
        engine.execute(f"CREATE TEMP VIEW {out} AS SELECT * FROM {out}_all")
    written = count_of(engine, f"{out}")
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
        column for name, value in rows.columns.items() if not column_of(table, name).empty for column in value.columns()
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
                if column_of(table, name).kind is not Kind.MONEY:
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
                    f"{opened[rows.source].line(rid)}, -> {table}.{name} {cell_seen(value, Kind.MONEY)}: has more "
                    f"decimals than {currency or 'is known of its currency'}{_or_thousands(value)}. "
                    "Round as your books do, and deliver what is owed."
                    for rid, value, currency in found[:LINES_NAMED]
                ]
                if len(found) > LINES_NAMED:
                    number = count_of(engine, f"{out} WHERE {fine}") - LINES_NAMED
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
    number = count_of(engine, f"(SELECT contact_id FROM ({told}) GROUP BY 1 {alike})")
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
    number = count_of(engine, f"({credit})")
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
    in_whole = count_of(engine, f"currencies WHERE currency IN ({', '.join(map(literal, without))})") > 0
    cells = ", ".join(
        f"{whole(quoted(name))} AS {quoted(name)}"
        if in_whole and column_of(table, name).kind is Kind.MONEY
        else quoted(name)
        for name in ordered
    )
    place = folder / f"{table}.csv"
    engine.execute(
        f"COPY (SELECT {cells} FROM ({each}) ORDER BY part, rid) TO {literal(str(place))} (FORMAT csv, HEADER true)"
    )
    return _vouch(folder, table, count_of(engine, f"({each})"), complete_through)


def _vouch(folder: Path, table: str, number: int, complete_through: dt.date | None) -> int:
    """The control file of a table; its number of rows."""
    vouched: dict[str, object] = {"rows": number}
    if complete_through is not None:
        vouched["complete_through"] = complete_through.isoformat()
    (folder / f"{table}.control.json").write_text(json.dumps(vouched) + "\n", encoding="utf-8")
    return number
