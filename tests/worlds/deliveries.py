"""Source folders for tests: rows as dictionaries in, files of the contract out."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.days import day_of_text
from features.tables import DELIVERED
from pipeline.intake.ingest import ingest
from pipeline.params import Params, load
from pipeline.store.store import Store

HOUSE = Path(__file__).parents[2]
Rows = Mapping[str, Sequence[Mapping[str, str]]]

ACCOUNTS = [
    {
        "account_id": "A1",
        "debtor_id": "D1",
        "portfolio": "paris",
        "product": "loan",
        "debtor_type": "consumer",
        "currency": "EUR",
        "opened_on": "2026-01-05",
        "principal": "1000.00",
    },
    {
        "account_id": "A2",
        "debtor_id": "D1",
        "portfolio": "paris",
        "product": "loan",
        "debtor_type": "consumer",
        "currency": "EUR",
        "opened_on": "2026-01-06",
        "principal": "250.50",
    },
    {
        "account_id": "J1",
        "debtor_id": "D2",
        "portfolio": "tokyo",
        "product": "invoice",
        "debtor_type": "commercial",
        "currency": "JPY",
        "opened_on": "2026-01-07",
        "principal": "80000",
    },
    {
        "account_id": "K1",
        "debtor_id": "D3",
        "portfolio": "tokyo",
        "product": "invoice",
        "debtor_type": "commercial",
        "currency": "KWD",
        "opened_on": "2026-01-07",
        "principal": "12.345",
    },
    {
        "account_id": "U1",
        "debtor_id": "D4",
        "portfolio": "undeclared",
        "product": "loan",
        "debtor_type": "consumer",
        "currency": "USD",
        "opened_on": "2026-01-07",
    },
]
CHARGES = [
    {
        "charge_id": "C1",
        "account_id": "A1",
        "issued_on": "2026-01-10",
        "due_on": "2026-02-01",
        "amount": "100.00",
        "kind": "instalment",
    },
    {
        "charge_id": "C2",
        "account_id": "J1",
        "issued_on": "2026-01-10",
        "due_on": "2026-02-01",
        "amount": "5000",
        "kind": "invoice",
    },
]
PAYMENTS = [
    {
        "payment_id": "P1",
        "account_id": "A1",
        "occurred_at": "2026-02-03T10:00:00+01:00",
        "amount": "40.00",
        "kind": "payment",
    },
    {"payment_id": "P2", "account_id": "J1", "occurred_at": "2026-02-04T10:00:00", "amount": "5000", "kind": "payment"},
]


def world(**tables: Sequence[Mapping[str, str]]) -> dict[str, list[Mapping[str, str]]]:
    """A good delivery of accounts and charges; further rows are added to the tables named."""
    whole = {"accounts": list(ACCOUNTS), "charges": list(CHARGES)}
    for name, rows in tables.items():
        whole[name] = [*whole.get(name, []), *rows]
    return whole


def params_with(**ingest) -> Params:
    """The project's params, three portfolios (one without a declared zone),
    and quarantine without a threshold unless one is given.
    """
    params = load(HOUSE / "params.yaml")
    book = params.portfolio_defaults
    portfolios = {
        "paris": book.model_copy(update={"time_zone": "Europe/Paris"}),
        "tokyo": book.model_copy(update={"time_zone": "Asia/Tokyo"}),
    }
    limits = params.ingest.model_copy(update={"max_fault_rows": 1.0, "max_fault_money": 1.0, **ingest})
    unheard = {"watch": None, "reminders": None}
    return params.model_copy(update={"portfolios": portfolios, "ingest": limits, **unheard})


def columns_of(name: str, rows: Sequence[Mapping[str, str]]) -> list[str]:
    used = {column for row in rows for column in row} | set(DELIVERED[name].required)
    return [column for column in DELIVERED[name].names if column in used] + sorted(used - set(DELIVERED[name].names))


def write(
    folder: Path, tables: Rows, form: str = "csv", parts: int = 1, controls: Mapping[str, Mapping] | None = None
) -> Path:
    """A source folder. form: csv, csv.gz or parquet (all text); parts above 1 make a folder of parts per table."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        columns = columns_of(name, rows)
        for number in range(parts):
            place = folder / f"{name}.{form}" if parts == 1 else folder / name / f"part-{number}.{form}"
            place.parent.mkdir(exist_ok=True)
            _write_part(place, columns, rows[number::parts], form)
    for name, control in (controls or {}).items():
        (folder / f"{name}.control.json").write_text(json.dumps(control))
    return folder


def _write_part(place: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]], form: str) -> None:
    if form == "parquet":
        schema = pa.schema([(column, pa.string()) for column in columns])
        pq.write_table(
            pa.Table.from_pylist([{column: row.get(column) for column in columns} for row in rows], schema), place
        )
        return
    opener = gzip.open if form == "csv.gz" else open
    with opener(place, "wt", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def content(store: Path) -> dict[str, list[tuple]]:
    """Every row of every delivered table and of the quarantine, in a comparable form."""
    opened = Store(store)
    found = {name: sorted(map(str, frame.itertuples(index=False))) for name, frame in opened.tables().items()}
    quarantine = opened.read("quarantine")
    found["quarantine"] = (
        sorted(map(tuple, quarantine[["table", "codes", "raw"]].to_numpy().tolist())) if len(quarantine) else []
    )
    return found


def codes(store: Path) -> dict[str, str]:
    """Raw text of each quarantined row -> its codes."""
    quarantine = Store(store).read("quarantine")
    return dict(zip(quarantine["raw"], quarantine["codes"], strict=True)) if len(quarantine) else {}


PARAMS = params_with()


def day(text: str) -> int:
    return day_of_text(text)


def micros(text: str) -> int:
    return round(dt.datetime.fromisoformat(text).timestamp()) * 1_000_000


def taken(tmp_path, params=PARAMS, form="csv", controls=None, **tables):
    """Ingest a good world with these rows added; the report and the store."""
    source = write(tmp_path / "source", world(**tables), form, controls=controls)
    report = ingest(source, tmp_path / "store", params)
    return {table.name: table for table in report.tables}, Store(tmp_path / "store")


def refusal(tmp_path, error, match, params=PARAMS, form="csv", controls=None, backfill=False, **tables):
    """Ingest must refuse, and leave no delivery behind."""
    source = write(tmp_path / "source", world(**tables), form, controls=controls)
    with pytest.raises(error, match=match):
        ingest(source, tmp_path / "store", params, backfill=backfill)
    if (tmp_path / "store").exists():
        assert Store(tmp_path / "store").deliveries() == []


def account(**cells):
    return {**ACCOUNTS[0], "account_id": "X1", **cells}


def charge(**cells):
    return {**CHARGES[0], "charge_id": "X1", **cells}


def payment(**cells):
    return {**PAYMENTS[0], "payment_id": "X1", **cells}


def contact(**cells):
    return {
        "contact_id": "X1",
        "account_id": "A1",
        "occurred_at": "2026-02-01",
        "channel": "call",
        "direction": "outbound",
        **cells,
    }


def statement(**cells):
    return {
        "account_id": "A1",
        "taken_on": "2026-02-01",
        "balance": "10.00",
        "arrears": "0.00",
        "days_past_due": "0",
        **cells,
    }


def same(debtor_id: str, same_as: str, known_at: str) -> dict[str, str]:
    return {"debtor_id": debtor_id, "same_as": same_as, "known_at": known_at}


def offer(**cells):
    return {"offer_id": "X1", "account_id": "A1", "made_at": "2026-02-03", "kind": "settlement", **cells}


def instalment(**cells):
    """One row of a plan of one instalment, unless more are told."""
    whole = {"plan_id": "X1", "account_id": "A1", "agreed_on": "2026-02-03", "total": "90.00"}
    return {**whole, "due_on": "2026-03-01", "amount": "90.00", **cells}


def placement(**cells):
    told = {"placement_id": "X1", "account_id": "A1", "route": "agency", "party": "acme", "placed_on": "2026-02-03"}
    return {**told, **cells}


def status(**cells):
    return {"account_id": "A1", "status": "plan", "from_on": "2026-02-01", **cells}
