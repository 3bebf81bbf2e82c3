"""Documented dirty rows for a simulated delivery: each a copy of a clean row under a key of its own,
with one thing wrong.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa

COPIES = 2  # of every fault
ANSWER_COLUMNS = ("table", "file", "line", "key", "code")
ID_OF = {"accounts": "account_id", "charges": "charge_id", "payments": "payment_id", "contacts": "contact_id"}
Row = dict[str, str | None]


@dataclass(frozen=True)
class Fault:
    """A reason code, the table it is planted in, and what is done to the copied row."""

    code: str
    table: str
    spoil: Callable[[Row], Mapping[str, str | None]]


def _cells(**cells: str | None) -> Callable[[Row], Mapping[str, str | None]]:
    return lambda _: cells


def _too_fine(column: str) -> Callable[[Row], Mapping[str, str | None]]:
    # pyrefly: ignore[not-iterable]
    return lambda row: {column: f"{row[column]}5" if "." in row[column] else f"{row[column]}.5"}


def _known_before(row: Row) -> Mapping[str, str | None]:
    # pyrefly: ignore[bad-argument-type]
    stamp = dt.datetime.fromisoformat(row["occurred_at"])
    return {"known_at": (stamp - dt.timedelta(days=3)).isoformat()}


FUTURE = "2099-01-01T06:00:00+00:00"
LONG = "x" * 80
FAULTS = (
    Fault("KEY_NULL", "accounts", _cells(debtor_id=None)),
    Fault("CCY_UNKNOWN", "accounts", _cells(currency="XQQ")),
    Fault("TS_NAIVE", "accounts", _cells(portfolio="pilot", known_at="2026-05-04T10:00:00")),
    Fault("ENUM_UNKNOWN", "accounts", _cells(debtor_type="family")),
    Fault("TEXT_TOO_LONG", "accounts", _cells(product=LONG)),
    Fault("AMT_SCALE", "charges", _too_fine("amount")),
    Fault("TS_FORMAT", "charges", _cells(due_on="31/12/2025")),
    Fault("ACCT_UNKNOWN", "charges", _cells(account_id="A-nobody")),
    Fault("AMT_FORMAT", "balances", _cells(balance="1,000.00")),
    Fault("AMT_NAN", "payments", _cells(amount="NaN")),
    Fault("AMT_SCALE", "payments", _too_fine("amount")),
    Fault("AMT_FORMAT", "payments", _cells(amount="1.000,00")),
    Fault("TS_FORMAT", "payments", _cells(occurred_at="2026-02-30T10:00:00+00:00")),
    Fault("TS_FUTURE", "payments", _cells(known_at=FUTURE)),
    Fault("TS_KNOWN_BEFORE_EVENT", "payments", _known_before),
    Fault("KEY_NULL", "payments", _cells(payment_id=None)),
    Fault("KEY_FORMAT", "payments", _cells(payment_id="P 1\t2")),
    Fault("DUP_CONFLICT", "payments", _cells(amount="7")),
    Fault("REV_ORPHAN", "payments", _cells(kind="reversal", reverses="P-none")),
    Fault("ACCT_UNKNOWN", "payments", _cells(account_id="A-nobody")),
    Fault("ENUM_UNKNOWN", "payments", _cells(kind="refund")),
    Fault("TEXT_TOO_LONG", "payments", _cells(method=LONG)),
    Fault("TS_FORMAT", "contacts", _cells(occurred_at="yesterday")),
    Fault("ENUM_UNKNOWN", "contacts", _cells(channel="pigeon")),
    Fault("KEY_NULL", "contacts", _cells(contact_id=None)),
    Fault("ENUM_UNKNOWN", "statuses", _cells(status="asleep")),
    Fault("TS_FORMAT", "statuses", _cells(from_on="2026-00-10")),
)


def plant(
    tables: Mapping[str, pa.Table], file_of: Mapping[str, str], first_line: int
) -> tuple[dict[str, pa.Table], str]:
    """The tables with every fault planted COPIES times, and the answer key as CSV text.

    A dirty row stands after the row it copies. Without the dirty rows the tables are the clean ones. file_of: the file
    each table goes to;
    first_line: the number of its first row. The pair of a DUP_CONFLICT is two dirty rows with one key; both are in the
    answer key.
    """
    answers, planted = [], {}
    for name, table in tables.items():
        faults = [fault for fault in FAULTS if fault.table == name for _ in range(COPIES)]
        dirty = [pair for number, fault in enumerate(faults) for pair in _dirty_rows(fault, number, table, len(faults))]
        pieces, start = [], 0
        for inserted, (fault, after, row) in enumerate(dirty):
            pieces += [table.slice(start, after + 1 - start), pa.Table.from_pylist([row], table.schema)]
            start = after + 1
            key = row.get(ID_OF.get(name, "account_id")) or ""
            answers.append((name, file_of[name], first_line + after + 1 + inserted, key, fault.code))
        planted[name] = pa.concat_tables([*pieces, table.slice(start)]).combine_chunks()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([ANSWER_COLUMNS, *answers])
    return planted, text.getvalue()


def _dirty_rows(fault: Fault, number: int, table: pa.Table, of: int) -> list[tuple[Fault, int, Row]]:
    """(fault, position of the clean row, dirty row): one, or two that share a key with different content."""
    after = _clean_row(fault.table, table, table.num_rows * (number + 1) // (of + 1))
    row = table.slice(after, 1).to_pylist()[0]
    if fault.table in ID_OF:
        row[ID_OF[fault.table]] = f"F{fault.table[0].upper()}{number:04d}"
    elif fault.table == "statuses":
        row["from_on"], row["until_on"], row["known_at"] = f"2023-{number + 1:02d}-15", None, None
    elif fault.table == "balances":
        row["taken_on"], row["known_at"] = f"2023-{number + 1:02d}-15", None
    if fault.table == "accounts":
        row["principal"] = None  # one large loan among few would be too much money in the quarantine
    spoilt = {**row, **fault.spoil(row)}
    return (
        [(fault, after, {**row, "amount": "8"}), (fault, after, spoilt)]
        if fault.code == "DUP_CONFLICT"
        else [(fault, after, spoilt)]
    )


def _clean_row(name: str, table: pa.Table, position: int) -> int:
    """The first row from `position` on that fits to be copied: of payments a plain one; of accounts a first version."""
    plain = {"payments": ("kind", "payment"), "accounts": ("placed_on", None)}
    if name not in plain:
        return min(position, table.num_rows - 1)
    column, wanted = plain[name]
    return next(
        at for at in [*range(position, table.num_rows), *range(position)] if table[column][at].as_py() == wanted
    )
