"""All that is kept of one person, and every decision about that person, in one file to hand over."""

from __future__ import annotations

import csv
import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from features.currencies import DECIMALS
from features.days import day_text
from features.tables import DELIVERED, NO_DAY, NO_MINUTE, NUMBERS, TABLES, Kind
from pipeline.columns import IN_REPORTING_CURRENCY, KIND_OF_COLUMN
from pipeline.keeping.person import Person, person_of
from pipeline.keeping.refusals import FormUnknown, Unknown
from pipeline.pages.csv_file import decimal_text
from pipeline.pages.record import NIGHT
from pipeline.pages.templating import policy_digest, template, verbatim
from pipeline.params import Params
from pipeline.store.delta import SHARD
from pipeline.store.files import only_owner_reads, whole_file
from pipeline.store.store import Store

# Table -> what its rows are, to the person whom they are about.
ABOUT = {
    "accounts": "The accounts, as they were handed to us. A later row of an account takes the place of an earlier one.",
    "charges": "What was charged to the accounts.",
    "balances": "Statements of what was owed.",
    "payments": "Payments, and payments taken back.",
    "contacts": "Calls, messages and letters, in both directions, and what came of them.",
    "statuses": "What holds for the accounts or holds contact back: disputes, hardship, opt-outs and the like.",
    "debtors": "Which customer numbers are one person.",
    "quarantine": "Rows that were handed to us with faults and set aside: nothing was decided by them.",
    "feedback": "What the people who worked the list wrote into it.",
    "scores": "What each night's model expected: p_recovered is the chance of a payment within the horizon, "
    "expected_recovery the money that is expected.",
    "assignments": "What each night decided: the group (worked, deferred, excluded, held out, ...), the place in the "
    "order, the channel, the person who was to call.",
    "draws": "Nights on which a lot decided whether you are contacted, so that it is known what contact changes.",
    "draw_outcomes": "What was paid after such a lot.",
    "messages": "Which message each night chose for you, or that a lot left you without one.",
}
LISTS = {
    "worklist.csv": "On the list to be contacted, with the reasons in words",
    "deferred.csv": "Not contacted on that day, by these rules",
    "excluded.csv": "Not to be contacted, by these rules",
    "held_out.csv": "Left alone by lot, so that it is known what contact changes",
    "self_cure.csv": "Left alone, as a payment without contact is very likely",
    "messages.csv": "To be sent a message, with the reason in words",
}
OURS = frozenset({SHARD, "account_no", *NUMBERS.values()})  # columns that only place a row


@dataclass(frozen=True)
class Section:
    """A table of the file. rows: texts, in the order of the columns."""

    title: str
    about: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]] = field(default_factory=list)


def export_person(store_path: Path, out: Path, debtor_id: str, params: Params, file: Path, when: dt.datetime) -> str:
    """Write what is kept of a debtor with all aliases: events, rows set aside, and per night scores, order, reasons,
    rules, lots and what was said. Returns what was written, in words that name nobody.

    file: *.html to be read, or *.json to be read by a program; private to its owner. Raises InputMissing where nothing
    is kept of the debtor.
    """
    if file.suffix not in (".html", ".json"):
        raise FormUnknown.of_file()
    store = Store(store_path)
    person = person_of(store, out, debtor_id)
    sections = [*_of_store(store, person, params), *_of_lists(out, person)]
    if not sections:
        raise Unknown.debtor()
    told = {
        "debtor_id": sorted(person.debtors),
        "accounts": sorted(person.accounts),
        "made_at": when.isoformat(timespec="seconds"),
        "sections": [asdict(section) for section in sections],
    }
    with only_owner_reads(), whole_file(file) as draft:
        draft.write_text(_page(told) if file.suffix == ".html" else _json(told), encoding="utf-8", newline="\n")
    rows = sum(len(section.rows) for section in sections)
    return f"{rows:,} rows in {len(sections):,} tables: {file}"


def _json(told: Mapping[str, Any]) -> str:
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def _page(told: Mapping[str, Any]) -> str:
    style = verbatim("person.css")
    policy = f"default-src 'none'; style-src {policy_digest(style)}; base-uri 'none'; form-action 'none'"
    return template("person.html").render(policy=policy, style=style, **told)


def _of_store(store: Store, person: Person, params: Params) -> Iterator[Section]:
    names = store.delta.names()
    for name in [*(name for name in ABOUT if name in names), *sorted(set(names) - ABOUT.keys())]:
        rows = _own_rows(store, name, person)
        if rows is not None:
            shown = [column for column in rows.column_names if column not in OURS]
            lines = list(zip(*(_texts(name, rows, column, person, params) for column in shown), strict=True))
            yield Section(name, ABOUT.get(name, ""), shown, sorted(set(lines)) if name in TABLES else lines)


def _own_rows(store: Store, name: str, person: Person) -> pa.Table | None:
    """The person's rows of a table's newest version, the night first; None where there are none."""
    found = []
    for partition, places in sorted(store.delta.files(name).items(), key=str):
        if name in TABLES and person.shards and partition not in person.shards:
            continue
        for place in places:
            store.delta.check_sound(place)
            rows = pq.read_table(place)
            rows = rows.filter(person.of_rows(rows))
            if rows.num_rows and partition is not None and name not in DELIVERED:
                rows = rows.add_column(0, "as_of", pa.array([partition] * rows.num_rows))
            found += [rows] if rows.num_rows else []
    return pa.concat_tables(found, promote_options="default") if found else None


def _texts(name: str, rows: pa.Table, column: str, person: Person, params: Params) -> list[str]:
    values = rows.column(column).to_pylist()
    if _is_money(name, column):
        currencies = _currencies(rows, column, person, params)
        return [
            "" if value is None or code not in DECIMALS else f"{decimal_text(round(value), DECIMALS[code])} {code}"
            for value, code in zip(values, currencies, strict=True)
        ]
    if column.endswith("_on"):
        return ["" if day == NO_DAY else day_text(day) if isinstance(day, int) else _text(day) for day in values]
    if column == "occurred_minute":
        return ["" if minute in (None, NO_MINUTE) else f"{minute // 60:02}:{minute % 60:02}" for minute in values]
    return [_text(value) for value in values]


def _is_money(name: str, column: str) -> bool:
    if name in TABLES:
        return column in TABLES[name].names and TABLES[name][column].kind is Kind.MONEY
    return KIND_OF_COLUMN.get(column) == "money"


def _currencies(rows: pa.Table, column: str, person: Person, params: Params) -> list[str | None]:
    if column in IN_REPORTING_CURRENCY:
        return [params.money.reporting_currency] * rows.num_rows
    if "currency" in rows.column_names:
        return rows.column("currency").to_pylist()
    return [person.accounts.get(account) for account in rows.column("account_id").to_pylist()]


def _text(value: object) -> str:
    if value is None or value != value:  # missing, or not a number
        return ""
    if isinstance(value, dt.datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


def _of_lists(out: Path, person: Person) -> Iterator[Section]:
    """The person's rows of every published night, as they were published."""
    for folder in sorted(out.glob("*/")):
        for name, about in LISTS.items() if NIGHT.fullmatch(folder.name) else ():
            place = folder / name
            if not place.is_file():
                continue
            with place.open(encoding="utf-8", newline="") as file:
                head, *records = csv.reader(file)
            own = [record for record in records if _is_own(dict(zip(head, record, strict=False)), person)]
            if own:
                yield Section(f"Night of {folder.name}: {name.removesuffix('.csv')}", f"{about}.", head, own)


def _is_own(record: Mapping[str, str], person: Person) -> bool:
    accounts = {record.get("account_id", ""), *record.get("joined_accounts", "").split()}
    named = {name.removeprefix("'") for name in accounts}
    return not named.isdisjoint(person.accounts) or record.get("debtor_id", "").removeprefix("'") in person.debtors
