"""A column of ours as its mapping says it is read from cells of theirs: the SQL of its value and of what cannot be
read, and the sentences that tell where that stands and what form is wanted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from features.tables import DELIVERED, Column, Kind
from pipeline.intake.casting import literal
from pipeline.intake.cells import NATIVE, added_up, amount, bare, exact, is_zero, moment, turned
from pipeline.intake.delivery import CELL_LIMIT, shown
from pipeline.intake.faults import seen
from pipeline.intake.mapping import Described, Form, Value
from pipeline.intake.opened import Opened, count_of

LINES_NAMED = 3  # lines named for each kind of fault


@dataclass(frozen=True)
class Reading:
    """A cell of ours: the SQL of its value, of whether what stands there cannot be read, and what form is wanted."""

    value: str
    unread: str
    shown: str  # the cell to show in a fault
    where: str  # the columns of theirs it comes from
    column: Column
    wanted: str

    @classmethod
    def of(cls, opened: Opened, column: Column, given: Value) -> Reading:
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

        def of_cell(value: str, wanted: str) -> Reading:
            """Refused where the cell is filled and has no value."""
            unread = f"{cell} IS NOT NULL AND ({value}) IS NULL"
            return cls(_stand_in(value, given), unread, cell, given.column or "", column, wanted)

        if given.values is not None:
            words = " ".join(f"WHEN {literal(word)} THEN {literal(ours)}" for word, ours in given.values.items())
            other = "NULL" if given.otherwise is None else literal(given.otherwise)
            mapped = f"CASE WHEN {cell} IS NULL THEN NULL ELSE CASE {bare(cell)} {words} ELSE {other} END END"
            return of_cell(mapped, f"one of {', '.join(repr(word) for word in list(given.values)[:8])}")
        if column.kind is Kind.MONEY:
            return of_cell(exact(f"({_finished(amount(cell, form), given, opened)})"), _wanted_amount(form))
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
            return of_cell(value, wanted)
        value = bare(cell)
        if column.kind is Kind.ENUM:
            among = ", ".join(literal(word) for word in column.values)
            wanted = f"one of {', '.join(column.values)}; map your own words by `values:`"
            return cls(_stand_in(value, given), f"{value} NOT IN ({among})", cell, given.column or "", column, wanted)
        return cls(_stand_in(value, given), "false", "NULL", given.column or "", column, "")


def column_of(table: str, name: str) -> Column:
    contract = DELIVERED[table]
    return (
        contract[name]
        if name in contract.names
        else Column(name, Kind.TEXT, empty=True, optional=True, limit=CELL_LIMIT)
    )


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


def faults_of(engine: Any, opened: Opened, table: str, name: str, read: Reading, kept: str) -> list[str]:
    told = []
    found = engine.execute(f"SELECT rid, {read.shown} FROM {kept} WHERE {read.unread} ORDER BY rid").fetchmany(
        LINES_NAMED + 1
    )
    if found:
        number = count_of(engine, f"{kept} WHERE {read.unread}")
        told += _sentences(opened, table, name, read, found, number, f"wanted {read.wanted}")
    if not read.column.empty:
        lacking = f"({read.value}) IS NULL AND NOT coalesce({read.unread}, false)"
        found = engine.execute(f"SELECT rid, NULL FROM {kept} WHERE {lacking} ORDER BY rid").fetchmany(LINES_NAMED + 1)
        if found:
            number = count_of(engine, f"{kept} WHERE {lacking}")
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
    opened: Opened, table: str, name: str, read: Reading, found: list[Any], number: int, wanted: str
) -> list[str]:
    told = [
        (
            f"{opened.line(rid)}, {shown(read.where)} -> "
            f"{table}.{name}{'' if cell is None else f' {cell_seen(cell, read.column.kind)}'}: {wanted}."
        )
        for rid, cell in found[:LINES_NAMED]
    ]
    return [*told, f"  and {number - LINES_NAMED:,} more of the same."] if number > LINES_NAMED else told


def cell_seen(cell: str, kind: Kind) -> str:
    return seen(cell[2:] if cell.startswith(NATIVE) else cell, kind)
