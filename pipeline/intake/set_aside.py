"""What lies in the quarantine, and what becomes of it: a row waits until it comes in as it should have been by a later
delivery, or is released, mended, through the ordinary checks, or discarded, each with who and why. Every row set aside
is waiting, in since, released or discarded; none vanishes.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from features.currencies import DECIMALS
from features.errors import ContractError, InputMissing, UsageError, is_said
from features.tables import DELIVERED, MONEY_LIMIT, account_number
from pipeline.intake.casting import MONEY_FORM
from pipeline.intake.ingest import ingest
from pipeline.intake.quarantine import Code
from pipeline.intake.refusals import IngestBug, shown
from pipeline.intake.report import decimal_text
from pipeline.params import Params
from pipeline.store.aside import made_good, needed, of_accounts
from pipeline.store.commit import append
from pipeline.store.files import private_folder
from pipeline.store.form import DECISIONS, QUARANTINED, row_name
from pipeline.store.locks import only_run
from pipeline.store.store import Store

WAITING, CAME, RELEASED, DISCARDED = "waiting", "came in since", "released", "discarded"
FATES = (WAITING, CAME, RELEASED, DISCARDED)
UNDECIDED = (WAITING, CAME)
GONE = "that lay there before, or left with a forgotten debtor or by retention"
NO_MORE = "that lay there before, left since, or told no currency then"
# Faults by which a row may have named another account than the mended one does.
OF_THE_ACCOUNT = frozenset(
    code.name for code in (Code.KEY_NULL, Code.KEY_FORMAT, Code.TEXT_TOO_LONG, Code.TEXT_FORMAT, Code.ACCT_UNKNOWN)
)


class DecisionRefused(UsageError):
    """A decision on rows set aside that nobody answers for, or that decides nothing."""

    @classmethod
    def nobody(cls) -> DecisionRefused:
        return cls("A decision on rows set aside needs --by NAME and --why REASON: both are recorded.")

    @classmethod
    def nothing_named(cls) -> DecisionRefused:
        return cls(
            "Name the rows with --id, or with --table, --code or --delivery. `recoup quarantine list` tells them."
        )

    @classmethod
    def decided(cls, names: Sequence[str]) -> DecisionRefused:
        return cls(f"Rows {', '.join(names[:5])} are released or discarded already. A decision stands.")


class NotSetAside(InputMissing):
    """No such row waits."""

    @classmethod
    def rows(cls, names: Sequence[str]) -> NotSetAside:
        told = ", ".join(repr(name[:64]) for name in names[:5])
        return cls(f"No row {told} is set aside. `recoup quarantine list --rows` tells them.")

    @classmethod
    def such(cls) -> NotSetAside:
        return cls("No row that waits is of this table, code and delivery. `recoup quarantine list` tells them.")


class NotMended(ContractError):
    """The file of mended rows does not stand for the rows that are to be released."""

    @classmethod
    def unreadable(cls, file: str) -> NotMended:
        return cls(f"{shown(file)} is not a CSV file in UTF-8 with a header. Save the mended rows so.")

    @classmethod
    def tables(cls) -> NotMended:
        return cls("The rows are of several tables. Release those of one table at a time.")

    @classmethod
    def count(cls, file: str, found: int, rows: int) -> NotMended:
        return cls(
            f"{shown(file)} holds {found:,} rows for {rows:,} set aside. Give one for each, in the order of --id."
        )

    @classmethod
    def other_account(cls, file: str, row: int) -> NotMended:
        return cls(
            f"{shown(file)}, row {row:,}, names another account than the row set aside. Mend what is wrong alone."
        )


@dataclass(frozen=True)
class Aside:
    """Rows set aside that are alike in table, codes and text: one thing to decide on.

    amount: minor units of the table's money column, None where it cannot be read. fate: one of FATES.
    """

    name: str
    table: str
    file: str
    line: int
    codes: tuple[str, ...]
    raw: str
    ingest_id: str
    number: int  # of the delivery
    rows: int
    currency: str
    amount: int | None
    fate: str
    by: str = ""
    why: str = ""
    at: str = ""


def set_aside(store: Store) -> list[Aside]:
    """Every row set aside, oldest delivery first."""
    held = store.read(QUARANTINED)
    if held.empty:
        return []
    held = held.assign(row=[row_name(*told) for told in zip(held["table"], held["codes"], held["raw"], strict=True)])
    told = store.read(DECISIONS)
    fates = {} if told.empty else {row.row: row for row in told.itertuples()}
    came = _came_in_since(store, held[~held["row"].isin(list(fates))])
    numbers = {record.ingest_id: record.number for record in store.deliveries()}
    currencies = _currencies(store)
    found = []
    for name, rows in held.groupby("row", sort=False):
        first, cells = rows.iloc[0], json.loads(rows.iloc[0]["raw"])
        currency, amount = _money(first["table"], cells, currencies)
        fate = fates.get(name)
        found.append(
            Aside(
                name=str(name),
                table=first["table"],
                file=first["file"],
                line=int(first["line"]),
                codes=tuple(first["codes"].split()),
                raw=first["raw"],
                ingest_id=first["ingest_id"],
                number=numbers.get(first["ingest_id"], 0),
                rows=len(rows),
                currency=currency,
                amount=amount,
                fate=fate.decision if fate is not None else CAME if name in came else WAITING,
                by="" if fate is None else fate.by,
                why="" if fate is None else fate.why,
                at="" if fate is None else fate.at,
            )
        )
    return sorted(found, key=lambda row: (row.number, row.table, row.file, row.line, row.name))


def _came_in_since(store: Store, undecided: pd.DataFrame) -> set[str]:
    """Names of the rows that the store holds by now as they should have been (pipeline.store.aside)."""
    rows = of_accounts(undecided)
    columns = {name: needed(name) for name in rows["table"].unique()}
    if not columns:
        return set()
    return set(rows["row"][made_good(rows, store.tables(None, list(columns), columns), store)])


def _currencies(store: Store) -> Mapping[int, str]:
    accounts = store.tables(None, ["accounts"], {"accounts": ["account_no", "currency"]})["accounts"]
    known = accounts.drop_duplicates("account_no", keep="last")
    return dict(zip(known["account_no"].tolist(), known["currency"].astype(str), strict=True))


def _money(table: str, cells: Mapping[str, str], currencies: Mapping[int, str]) -> tuple[str, int | None]:
    """Currency of a row ("": unknown) and its amount in minor units (None: none that can be read)."""
    column, account = DELIVERED[table].money, cells.get("account_id", "").strip()
    named = cells.get("currency", "").strip() if table == "accounts" else ""
    currency = named or (currencies.get(int(account_number([account])[0]), "") if account else "")
    text = cells.get(column, "").strip() if column else ""
    if currency not in DECIMALS:
        return "", None
    whole, _, part = text.partition(".")
    if not re.fullmatch(MONEY_FORM, text) or len(part) > DECIMALS[currency]:
        return currency, None
    minor = int(whole + part.ljust(DECIMALS[currency], "0"))
    return currency, minor if abs(minor) <= MONEY_LIMIT else None


# What is asked


def chosen(
    rows: Iterable[Aside],
    names: Sequence[str] = (),
    table: str | None = None,
    code: str | None = None,
    delivery: int | None = None,
) -> list[Aside]:
    """The rows of these names, or of this table, code and number of delivery. NotSetAside where there are none."""
    rows = list(rows)
    if names:
        by_name = {row.name: row for row in rows}
        unknown = [name for name in names if name not in by_name]
        if unknown:
            raise NotSetAside.rows(unknown)
        return [by_name[name] for name in dict.fromkeys(names)]
    return [
        row
        for row in rows
        if (table is None or row.table == table)
        and (code is None or code in row.codes)
        and (delivery is None or row.number == delivery)
    ]


def listed(store: Store, rows: Sequence[Aside], each: bool, only: Sequence[Aside] | None = None) -> str:
    """By table, code and delivery how many wait and with how much money; then what became of all, which adds up.

    rows: all that are set aside; only: those of them that are listed, all where None. What adds up is always all.
    """
    if not rows:
        return "Nothing is set aside."
    asked = rows if only is None else only
    lines = [_line_of(row) for row in asked] if each else _grouped([row for row in asked if row.fate in UNDECIDED])
    return "\n".join([*lines, *reconciled(store, rows)])


def _line_of(row: Aside) -> str:
    said = (
        f"{row.name}  {row.table} {shown(row.file)} line {row.line:,} of delivery {row.number}: {' '.join(row.codes)}"
    )
    return f"{said}; {row.fate}" + (f" by {row.by} at {row.at}: {row.why}" if row.fate not in UNDECIDED else "")


def _grouped(rows: Sequence[Aside]) -> list[str]:
    groups: dict[tuple[str, str, int, str], list[Aside]] = {}
    for row in rows:
        groups.setdefault((row.table, " ".join(row.codes), row.number, row.fate), []).append(row)
    fates = {WAITING: "wait", CAME: "came in since, mended"}
    return [
        f"{table:<9} {codes}, delivery {number}: {sum(row.rows for row in found):,} rows {fates[fate]}"
        f"{_and_money(found)}"
        for (table, codes, number, fate), found in sorted(groups.items())
    ] or ["No row waits."]


def _and_money(rows: Sequence[Aside]) -> str:
    unread = sum(row.rows for row in rows if row.amount is None and DELIVERED[row.table].money)
    return _told_money(_sums(rows)) + (f", {unread:,} whose money cannot be read" if unread else "")


def _told_money(sums: Mapping[str, int]) -> str:
    return "".join(f", {decimal_text(amount, currency)} {currency}" for currency, amount in sorted(sums.items()))


def _sums(rows: Iterable[Aside]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for row in rows:
        if row.amount is not None:
            sums[row.currency] += row.amount * row.rows
    return dict(sums)


def reconciled(store: Store, rows: Sequence[Aside]) -> list[str]:
    """For each delivery and table: rows set aside = waiting + in since + released + discarded + those that lay there or
    left, and the same for money; the sums are those that the delivery recorded. rows: all that are set aside.
    IngestBug where the records of the deliveries and the quarantine contradict one another.
    """
    lines = []
    for record in store.deliveries():
        for table in record.tables:
            if not table["quarantined"]:
                continue
            own = [row for row in rows if row.ingest_id == record.ingest_id and row.table == table["name"]]
            parts = {fate: [row for row in own if row.fate == fate] for fate in FATES}
            counts = {fate: sum(row.rows for row in found) for fate, found in parts.items()}
            before = table["quarantined"] - sum(counts.values())
            if before < 0:
                raise IngestBug.rows(table["name"], table["quarantined"], sum(counts.values()))
            shown_fates = [fate for fate in FATES if fate != CAME or counts[fate]]
            told = " + ".join(f"{counts[fate]:,} {fate}" for fate in shown_fates)
            lines.append(
                f"delivery {record.number}, {table['name']}: {table['quarantined']:,} rows set aside = {told}"
                + (f" + {before:,} {GONE}" if before else "")
            )
            recorded = {currency: amounts[2] for currency, amounts in table["money"].items() if amounts[2]}
            for currency in sorted({*recorded, *_sums(own)}):
                money = {fate: _sums(found).get(currency, 0) for fate, found in parts.items()}
                rest = recorded.get(currency, 0) - sum(money.values())
                told = " + ".join(f"{decimal_text(money[fate], currency)} {fate}" for fate in shown_fates)
                lines.append(
                    f"  {decimal_text(recorded.get(currency, 0), currency)} {currency} = {told}"
                    + (f" + {decimal_text(rest, currency)} {NO_MORE}" if rest else "")
                )
    return lines


def shown_row(row: Aside, raw: bool, ids: bool) -> str:
    """One row: where it stood, why it is set aside, what became of it. ids: its account may be seen; raw: all of it."""
    cells = json.loads(row.raw)
    lines = [_line_of(row), *(f"  {name}: {Code[name].value}" for name in row.codes)]
    if ids and "account_id" in cells:
        lines.append(f"  account {shown(cells['account_id'])}")
    if raw:
        lines += [f"  {column} = {shown(cell)}" for column, cell in cells.items()]
    return "\n".join(lines)


# What is decided


def discard(store_path: Path, rows: Sequence[Aside], by: str, why: str, at: dt.datetime) -> str:
    """Rows that will never come in; what hung on them waits no longer."""
    with only_run(store_path):
        rows = _undecided(store_path, rows, by, why)
        _keep(store_path, rows, DISCARDED, by, why, at, "")
    return f"{_counted(rows)} discarded by {by.strip()}: {why.strip()}"


def release(
    store_path: Path, rows: Sequence[Aside], mended: Path, params: Params, by: str, why: str, at: dt.datetime
) -> str:
    """Rows as they were mended, as a delivery of their own: all come in, or nothing changes.

    mended: a CSV file with a header and one row for each, in their order. NotMended (65) where it does not stand for
    them, DeliveryRefused (65) where a mended row is still faulty.
    """
    with only_run(store_path):
        return _release(store_path, _undecided(store_path, rows, by, why), mended, params, by, why, at)


def _release(
    store_path: Path, rows: Sequence[Aside], mended: Path, params: Params, by: str, why: str, at: dt.datetime
) -> str:
    tables = {row.table for row in rows}
    if len(tables) > 1:
        raise NotMended.tables()
    (table,) = tables
    content = _checked(mended, rows)
    strict = params.ingest.model_copy(update={"max_fault_rows": 0.0, "max_fault_money": 0.0})
    with private_folder() as folder:
        (folder / f"{table}.csv").write_bytes(content)
        (folder / f"{table}.control.json").write_text(json.dumps({"rows": len(rows), "partial": True}))
        report = ingest(folder, store_path, params.model_copy(update={"ingest": strict}))
    _keep(store_path, rows, RELEASED, by, why, at, report.ingest_id)
    (came,) = report.tables
    money = {currency: amounts[1] for currency, amounts in came.money.items() if amounts[1]}
    told = f"{_rows(came.accepted)} of {table}{_told_money(money)} released by {by.strip()} as delivery {report.number}"
    aside = sum(row.rows for row in rows)
    told += f" for {_rows(aside)} set aside" if came.accepted != aside else ""
    return f"{told}: {why.strip()}\n{report.text()}"


def _undecided(store_path: Path, rows: Sequence[Aside], by: str, why: str) -> list[Aside]:
    """The rows as they lie there now: somebody else may have decided since they were looked at."""
    if not (is_said(by) and is_said(why)):
        raise DecisionRefused.nobody()
    if not rows:
        raise NotSetAside.such()
    rows = chosen(set_aside(Store(store_path)), [row.name for row in rows])
    done = [row.name for row in rows if row.fate not in UNDECIDED]
    if done:
        raise DecisionRefused.decided(done)
    return rows


def _checked(file: Path, rows: Sequence[Aside]) -> bytes:
    """The file's bytes, once it holds a row for each row set aside, of the same account where that could be read."""
    try:
        content = file.read_bytes()
        found = list(csv.DictReader(content.decode("utf-8-sig").splitlines(), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error):
        raise NotMended.unreadable(file.name) from None
    if len(found) != len(rows):
        raise NotMended.count(file.name, len(found), len(rows))
    for number, (row, cells) in enumerate(zip(rows, found, strict=True), 1):
        account = json.loads(row.raw).get("account_id", "").strip()
        if not OF_THE_ACCOUNT & set(row.codes) and (cells.get("account_id") or "").strip() != account:
            raise NotMended.other_account(file.name, number)
    return content if content.endswith(b"\n") else content + b"\n"


def _counted(rows: Sequence[Aside]) -> str:
    tables = ", ".join(sorted({row.table for row in rows}))
    return f"{_rows(sum(row.rows for row in rows))} of {tables}{_and_money(rows)}"


def _rows(count: int) -> str:
    return f"{count:,} {'row' if count == 1 else 'rows'}"


def _keep(
    store_path: Path, rows: Sequence[Aside], decision: str, by: str, why: str, at: dt.datetime, released_as: str
) -> None:
    """One line for each row: who, why, when, and the money of it."""
    moment = at.astimezone(dt.UTC).isoformat(timespec="seconds")
    told = [
        {
            "row": row.name,
            "table": row.table,
            "delivery": row.ingest_id,
            "rows": row.rows,
            "currency": row.currency,
            "amount": 0 if row.amount is None else row.amount * row.rows,
            "money_read": row.amount is not None,
            "decision": decision,
            "by": by.strip(),
            "why": why.strip(),
            "at": moment,
            "released_as": released_as,
        }
        for row in rows
    ]
    append(Store(store_path), DECISIONS, pd.DataFrame(told))
