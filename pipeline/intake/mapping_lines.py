"""Lines of a mapping, as they are proposed: the form of a file, and each column of ours with what it is read from,
how sure that is, and examples; `?` where the cells do not tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from features.tables import DELIVERED, Kind
from pipeline.intake.delivery import shown
from pipeline.intake.documents import yaml_text
from pipeline.intake.looking import AMOUNTS, DATE_FORMS, DAYS, EXAMPLES, SURE, Looked, Seen
from pipeline.intake.mapping import UNDECIDED

UNUSED_TOLD = 15


@dataclass(frozen=True)
class Decided:
    """What the files do not tell and somebody said; None is not said. dates: a form of mapping.py; place and time_zone:
    of accounts whose files name none; none: tables of which there is nothing to tell.
    """

    currency: str | None = None
    debtor_type: str | None = None
    portfolio: str | None = None
    place: str | None = None
    time_zone: str | None = None
    dates: str | None = None
    decimal: str | None = None
    none: tuple[str, ...] = ()


def file_lines(name: str, file: Looked, decided: Decided, left_out: Sequence[str], refused: Sequence[str]) -> list[str]:
    lines = [f"  {name}:", f"    path: {yaml_text(file.path)}"]
    if file.sheet is not None:
        lines.append(f"    sheet: {yaml_text(file.sheet)}")
    else:
        lines += [f"    encoding: {file.encoding}", f"    delimiter: {yaml_text(file.delimiter)}"]
    lines.append(f"    header_line: {file.header_line}")
    lines += _mark_lines(file, decided.decimal)
    lines += _date_lines(file, decided.dates)
    if file.totals is not None:
        column, like = file.totals
        left_out = [f"total: {{column: {yaml_text(column)}, like: {yaml_text(like)}}}", *left_out]
    for key, entries in (("leave_out", left_out), ("refuse", refused)):
        lines += [f"    {key}:", *(f"      {line}" for line in entries)] if entries else []
    return lines


def _mark_lines(file: Looked, said: str | None) -> list[str]:
    amounts = [one for one in file.columns if one.is_amount and not one.native and one.meaning in AMOUNTS]
    cells = [cell for column in amounts for cell in sorted(column.cells)]
    told = [cell for column in amounts for cell in column.examples]
    proved = {mark for column in amounts for mark in column.marks}
    marked = any(re.search(r"[.,]", cell) for cell in cells)
    if not amounts or (not proved and not marked):
        return []
    unproved = [one for one in amounts if not one.marks and any(re.search("[.,]", cell) for cell in one.cells)]
    if len(proved) == 1 and (not unproved or said in proved):
        decimal = next(iter(proved))
    elif said is not None and not proved:
        decimal = said
    elif len(proved) == 1:
        why = f"proved by another column, and not by {some_names([one.name for one in unproved])}"
        told = [cell for one in unproved for cell in one.examples]
        return [f'    decimal: "{UNDECIDED}"   # {why}: {_examples(told)}', f'    thousands: "{UNDECIDED}"']
    else:
        why = "cells prove both marks" if proved else "each cell can be read in two ways"
        return [f'    decimal: "{UNDECIDED}"   # {why}: {_examples(told)}', f'    thousands: "{UNDECIDED}"']
    grouped = [
        mark for mark in (".", ",", " ", "'") if mark != decimal and any(mark in cell.strip("€$£ ") for cell in cells)
    ]
    lines = [f'    decimal: "{decimal}"   # {_examples(told)}', f'    thousands: "{(grouped or [""])[0]}"']
    symbols = sorted({found for cell in cells for found in re.findall(r"[€$£]|[A-Z]{3}", cell)})
    return [*lines, f"    currency_marks: [{', '.join(yaml_text(mark) for mark in symbols)}]"] if symbols else lines


def _date_lines(file: Looked, said: str | None) -> list[str]:
    days = [one for one in file.columns if one.date_forms and not one.native and one.meaning in DAYS]
    common = [form for form in DATE_FORMS if days and all(form in column.date_forms for column in days)]
    cells = _examples(cell for column in days for cell in column.examples)
    if not days or common[:1] == ["YYYY-MM-DD"]:
        return []
    if not common:
        return [f"    # The columns of days have several forms: `dates` stands at each of them. {cells}"]
    if said in common:
        return [f"    dates: {yaml_text(said)}   # {cells}"]
    readings = {_order(form) for form in common}
    if len(readings) > 1:
        return [f'    dates: "{UNDECIDED}"   # {" or ".join(common)}: every cell fits both. {cells}']
    return [f"    dates: {yaml_text(min(common, key=_shortness))}   # {cells}"]


def with_own_forms(file: Looked, said: str | None) -> Looked:
    """The file with a form for each column of days, where they have none in common."""
    days = [one for one in file.columns if one.date_forms and not one.native and one.meaning in DAYS]
    if not days or any(all(form in one.date_forms for one in days) for form in DATE_FORMS):
        return file
    own = {}
    for one in days:
        readings = {_order(form) for form in one.date_forms}
        known = said if said in one.date_forms else None if len(readings) > 1 else min(one.date_forms, key=_shortness)
        own[one.name] = known or UNDECIDED
    return replace(file, columns=tuple(replace(one, own_form=own.get(one.name)) for one in file.columns))


def _shortness(form: str) -> bool:
    return "DD" not in form


def _order(form: str) -> str:
    """The order of day, month and year: forms of the same order read a cell alike."""
    return "".join(dict.fromkeys(letter for letter in form if letter in "YMD"))


def where_line(conditions: Sequence[str]) -> list[str]:
    if not conditions:
        return []
    return [f"      where: {conditions[0] if len(conditions) == 1 else '[' + ', '.join(conditions) + ']'}"]


def constant_line(ours: str, word: str | None, choices: str) -> str:
    if word is None:
        return f'        {ours}: {{constant: "{UNDECIDED}"}}   # {choices}'
    return f"        {ours}: {{constant: {yaml_text(word)}}}"


def cell_line(ours: str, column: Seen | None) -> str:
    if column is None:
        return f'        {ours}: "{UNDECIDED}"   # no column looks like it'
    kind = next((one.kind for table in DELIVERED.values() for one in table.columns if one.name == ours), Kind.TEXT)
    told = (
        _examples(column.examples)
        if kind in (Kind.MONEY, Kind.DATE, Kind.TIME, Kind.CURRENCY)
        else f"{len(column.examples)} examples kept out"
    )
    if 0 < column.sureness < SURE:
        return f'        {ours}: "{UNDECIDED}"   # perhaps {told_name(column.name)} ({column.sureness:.2f}); {told}'
    theirs = yaml_text(column.name)
    if column.own_form is not None and kind in (Kind.DATE, Kind.TIME):
        theirs = f"{{column: {theirs}, dates: {yaml_text(column.own_form)}}}"
    sureness = f"{column.sureness:.2f}; " if column.sureness else ""  # 0: found by its cells, not by its heading
    return f"        {ours}: {theirs}   # {sureness}{told}"


def which_line(ours: str, columns: Sequence[Seen]) -> str:
    return f'        {ours}: "{UNDECIDED}"   # which: {some_names([column.name for column in columns])}?'


def some_names(names: Sequence[str]) -> str:
    more = f" and {len(names) - UNUSED_TOLD} more" if len(names) > UNUSED_TOLD else ""
    return ", ".join(map(told_name, names[:UNUSED_TOLD])) + more


def told_name(name: str) -> str:
    return repr(name) if name.isprintable() else shown(name)


def _examples(cells: Iterable[str]) -> str:
    return ", ".join(shown(cell) for cell in islice(dict.fromkeys(cells), EXAMPLES))
