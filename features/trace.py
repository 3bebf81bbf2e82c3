"""The events behind one cell: what a feature counted, in words an analyst can check against the source."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from features import whole_debtor
from features.days import day_texts
from features.declarations import Catalogue
from features.events import Events, seen
from features.evidence import IN_ORDER, Evidence
from features.kernel import STILL
from features.settlements import SETTLEMENT_KINDS
from features.spec import Debtor, Declared, Feature, Noun, Where
from features.tables import NO_DAY, NO_MONEY
from features.vocabulary import EVENTS, FACTS, LEDGER, Agg

FIRST_COLUMNS = ["column", "account_id", "what", "on", "known_on"]


def traced(name: str, row: int, evidence: Evidence, matrix: pd.DataFrame, catalogue: Catalogue) -> pd.DataFrame:
    """The cell's value, and below it the events it counts; for a derived column the same of each of its parts.

    row: of evidence's cohort and of the matrix, whose rows are all of the debtor's. `on` and `known_on` are dates;
    other columns depend on the events.
    """
    found: list[dict] = []
    for entry in _with_parts(catalogue[name], catalogue):
        found.append(_line(entry.name, evidence, row, "value", value=matrix[entry.name].iloc[row]))
        if isinstance(entry, Feature) and entry.event == LEDGER:
            found += _nights(entry, row, evidence)
        elif isinstance(entry, Feature):
            found += _counted(entry, row, evidence)
        elif isinstance(entry, Noun) and entry.called in whole_debtor.FIGURES:
            found += _accounts(entry, row, evidence)
        elif isinstance(entry, Noun):
            for table in FACTS[entry.called].needs:
                found += _counted(Feature(table, Agg.COUNT, empty=0, called=entry.name), row, evidence)
        elif isinstance(entry, Debtor) and entry.of:
            needs = catalogue.needs(entry.of)
            for other in range(len(matrix)):
                what = "; ".join(filter(None, [f"its {entry.of}", _unknown(needs, other, evidence)]))
                found.append(_line(entry.name, evidence, other, what, value=matrix[entry.of].iloc[other]))
    shown = pd.DataFrame(found)
    shown = shown.astype(
        {name: "Int64" for name in shown if name not in (*FIRST_COLUMNS, "value") and shown[name].dtype.kind in "if"}
    )
    return shown[
        [name for name in FIRST_COLUMNS if name in shown] + [name for name in shown if name not in FIRST_COLUMNS]
    ]


def _with_parts(entry: Declared, catalogue: Catalogue) -> list[Declared]:
    if isinstance(entry, Debtor):
        return [entry]
    below = [part for name in entry.parts for part in _with_parts(catalogue[name], catalogue)]
    return [entry, *(part for place, part in enumerate(below) if part not in below[:place])]


def _unknown(needs: Collection[str], row: int, evidence: Evidence) -> str:
    """Which of the tables the row's portfolio does not deliver, or not through the day before as_of; "" where none."""
    book, last = [str(evidence.of_account("portfolio").iloc[row])], int(evidence.as_of[row]) - 1
    reach = {table: int(evidence.reach(table, book)[0]) for table in sorted({*needs} - {LEDGER})}
    if LEDGER in needs:  # told of the tables that it is made of
        parts = {table: int(evidence.reach(table, book)[0]) for table in ("charges", "balances", "payments")}
        whole = max(parts["charges"], parts["balances"]) > NO_DAY
        reach |= (
            {table: day for table, day in parts.items() if day > NO_DAY} if whole else {"charges or balances": NO_DAY}
        )
    absent = [table for table, day in reach.items() if day == NO_DAY]
    late = [f"{table} complete through {date(day)} only" for table, day in reach.items() if NO_DAY < day < last]
    return "; ".join([*(["not delivered: " + ", ".join(absent)] if absent else []), *late])


def _counted(entry: Feature, row: int, evidence: Evidence) -> list[dict]:
    """The events that pass the feature's filter, in its window and visible, oldest first."""
    why = _unknown(entry.needs, row, evidence)
    if why:
        return [_line(entry.name, evidence, row, why)]
    kind, night = EVENTS[entry.event], int(evidence.as_of[row])
    columns = (*kind.classes, *kind.measures)
    wanted = [
        column for column in columns if all(evidence.delivered(table)[row] for table in kind.further.get(column, ()))
    ]
    events = evidence.events(entry.event, [*wanted, IN_ORDER])
    lines = []
    for event in range(events.first[row], events.last[row]):
        age = night - int(events.day[event])
        inside = entry.window is None or (0 < age <= entry.window.days)
        if kind.ahead:
            inside = age <= 0 and (entry.window is None or -age < entry.window.days)
        before = NO_DAY if not inside else night + (10**6 if kind.ahead else 0)
        if not seen(event, night, events.day, events.known, events.gone, before):
            continue
        classes = {name: _value(own.values, own, event) for name, own in events.classes.items()}
        if entry.event in ("payments", "credits") and (
            classes["kind"] != SETTLEMENT_KINDS[entry.event == "credits"] or _net(events, event, night) <= 0
        ):
            continue
        if not (_passes(classes, entry.where) or (entry.until and _passes(classes, entry.until))):
            continue
        measures = {name: int(events.measures[name][event]) for name in wanted if name in events.measures}
        if events.reversals[0].size:
            measures["amount"] = _net(events, event, night)
        details = {name: classes[name] for name in wanted if name in classes} | {
            name: _given(value) for name, value in measures.items()
        }
        lines.append(
            _line(entry.name, evidence, row, entry.event, int(events.day[event]), int(events.known[event]), **details)
        )
    return lines


def _nights(entry: Feature, row: int, evidence: Evidence) -> list[dict]:
    """The ledger's changes on the nights the figure looks at, from the one in force on the first of them."""
    why = _unknown([LEDGER], row, evidence)
    if why:
        return [_line(entry.name, evidence, row, why)]
    books, night = evidence.ledger, int(evidence.as_of[row])
    account = int(books.positions(evidence.account_no[row : row + 1])[0])
    first, last = (night - entry.window.days if entry.window else None), night
    if entry.agg is Agg.AT:
        first = last = night - (entry.window.days if entry.window else 0)
    elif entry.agg is Agg.DAYS and first is not None:
        first += 1
    lines = []
    for segment in range(books.offsets[account], books.offsets[account + 1]):
        until = int(books.start[segment + 1]) - 1 if segment + 1 < books.offsets[account + 1] else last
        if books.start[segment] <= last and (first is None or until >= first):
            since = int(books.overdue_since[segment])
            lines.append(
                _line(
                    entry.name,
                    evidence,
                    row,
                    "ledger",
                    int(books.start[segment]),
                    None,
                    balance=int(books.balance[segment]),
                    arrears=int(books.arrears[segment]),
                    overdue_since=None if since <= STILL else date(since),
                )
            )
    return lines


def _accounts(entry: Noun, row: int, evidence: Evidence) -> list[dict]:
    """Every account of the debtor known before the night: since when, when it was settled, when it was last due."""
    versions, books, night = evidence.accounts_by_version, evidence.ledger, int(evidence.as_of[row])
    charges = whole_debtor.due_days(evidence)
    known = versions[(versions["known_on"] < night).to_numpy()].drop_duplicates("account_no", keep="last")
    known = known[(known["debtor_id"] == evidence.of_account("debtor_id").iloc[row]).to_numpy()]
    has_ledger = evidence.reach(LEDGER, known["portfolio"].astype("str").tolist()) >= night - 1
    columns = (known[name] for name in ("account_id", "account_no", "known_on"))
    lines = []
    for account_id, number, since, is_told in zip(*columns, has_ledger, strict=True):
        line = _line(entry.name, evidence, row, "account" if is_told else "account without a ledger", None, int(since))
        settled = due = NO_DAY
        if is_told:
            place = int(books.positions(np.array([number]))[0])
            settled = int(
                whole_debtor.settled_on(
                    books.offsets[place], books.offsets[place + 1], books.start, books.balance, night
                )
            )
            if settled != NO_DAY and not whole_debtor.by_debtor(place, night, whole_debtor.settling(evidence)):
                settled = NO_DAY
            due = int(whole_debtor.last_due_on(charges[0][place], charges[1][place], *charges[2:], night))
        told = {"settled_on": settled if settled == NO_DAY else settled - 1, "last_due_on": due}
        lines.append(
            line
            | {"account_id": account_id}
            | {name: None if day == NO_DAY else date(day) for name, day in told.items()}
        )
    return lines


def _line(
    column: str, evidence: Evidence, row: int, what: str, on: int | None = None, known_on: int | None = None, **details
) -> dict:
    account_id = evidence.of_account("account_id").iloc[row]
    return {
        "column": column,
        "account_id": account_id,
        "what": what,
        "on": date(on),
        "known_on": date(known_on),
        **details,
    }


def date(day: int | None) -> str | None:
    return None if day is None else str(day_texts(day))


def _value(values: tuple[str, ...], own, event: int) -> str | None:
    place = int(own.index[event]) - own.low
    code = int(own.table[place]) if 0 <= place < own.table.size else -1
    return None if code < 0 else values[code]


def _passes(classes: dict[str, str | None], clause: Where | None) -> bool:
    return clause is None or all(classes[column] in values for column, values in clause.columns)


def _net(events: Events, event: int, night: int) -> int:
    offsets, known, amount = events.reversals
    own = slice(offsets[event], offsets[event + 1])
    return int(events.measures["amount"][event] - amount[own][known[own] < night].sum())


def _given(value: int) -> int | None:
    return None if value == NO_MONEY else value
