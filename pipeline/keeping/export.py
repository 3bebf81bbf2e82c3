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
from features.tables import DELIVERED, NO_DAY, NO_MINUTE, NUMBERS, TABLES, WHOLE_SHARE, Kind
from pipeline.columns import IN_REPORTING_CURRENCY, KIND_OF_COLUMN
from pipeline.keeping.person import Person, person_of
from pipeline.keeping.refusals import FormUnknown, Unknown
from pipeline.pages.csv_file import decimal_text
from pipeline.pages.language import words
from pipeline.pages.record import APART, NIGHT
from pipeline.pages.templating import policy_digest, template, verbatim
from pipeline.params import Params
from pipeline.store.delta import SHARD
from pipeline.store.files import only_owner_reads, whole_file
from pipeline.store.store import Store

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
    rules, lots and what was said, told in worklist.language. Returns what was written, in words that name nobody.

    file: *.html to be read, or *.json to be read by a program; private to its owner. Raises InputMissing where nothing
    is kept of the debtor.
    """
    if file.suffix not in (".html", ".json"):
        raise FormUnknown.of_file()
    store = Store(store_path)
    person = person_of(store, out, debtor_id)
    sections = [*_of_store(store, person, params), *_of_lists(out, person, words(params.worklist.language)["person"])]
    if not sections:
        raise Unknown.debtor()
    told = {
        "debtor_id": sorted(person.debtors),
        "accounts": sorted(person.accounts),
        "made_at": when.isoformat(timespec="seconds"),
        "sections": [asdict(section) for section in sections],
    }
    with only_owner_reads(), whole_file(file) as draft:
        draft.write_text(
            _page(told, params.worklist.language) if file.suffix == ".html" else _json(told),
            encoding="utf-8",
            newline="\n",
        )
    rows = sum(len(section.rows) for section in sections)
    return f"{rows:,} rows in {len(sections):,} tables: {file}"


def _json(told: Mapping[str, Any]) -> str:
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def _page(told: Mapping[str, Any], language: str) -> str:
    style = verbatim("person.css")
    policy = f"default-src 'none'; style-src {policy_digest(style)}; base-uri 'none'; form-action 'none'"
    return template("person.html").render(
        policy=policy, style=style, words=words(language)["person"], locale=words(language)["locale"], **told
    )


def _of_store(store: Store, person: Person, params: Params) -> Iterator[Section]:
    names, about = store.delta.names(), words(params.worklist.language)["person"]["about"]
    for name in [*(name for name in about if name in names), *sorted(set(names) - about.keys())]:
        rows = _own_rows(store, name, person)
        if rows is not None:
            shown = [column for column in rows.column_names if column not in OURS]
            lines = list(zip(*(_texts(name, rows, column, person, params) for column in shown), strict=True))
            yield Section(name, about.get(name, ""), shown, sorted(set(lines)) if name in TABLES else lines)


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
    kind = TABLES[name][column].kind if name in TABLES and column in TABLES[name].names else None
    if kind is Kind.SHARE:
        return ["" if value is None else f"{value / WHOLE_SHARE:g}" for value in values]
    if column.endswith("_on") or kind is Kind.DATE:
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


def _of_lists(out: Path, person: Person, said: Mapping[str, Any]) -> Iterator[Section]:
    """The person's rows of every published night, as they were published."""
    for folder in sorted(out.glob("*/")):
        for name, about in said["lists"].items() if NIGHT.fullmatch(folder.name) else ():
            place = folder / APART / f"{name}.csv"
            place = place if place.is_file() else folder / f"{name}.csv"
            if not place.is_file():
                continue
            with place.open(encoding="utf-8", newline="") as file:
                head, *records = csv.reader(file)
            own = [record for record in records if _is_own(dict(zip(head, record, strict=False)), person)]
            if own:
                yield Section(said["night"].format(day=folder.name, list=name), about, head, own)


def _is_own(record: Mapping[str, str], person: Person) -> bool:
    accounts = {record.get("account_id", ""), *record.get("joined_accounts", "").split()}
    named = {name.removeprefix("'") for name in accounts}
    return not named.isdisjoint(person.accounts) or record.get("debtor_id", "").removeprefix("'") in person.debtors
