"""What is wrong with a row, told so that it can be mended: file, line, column, what stands there, what is wanted."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from features.tables import DELIVERED, Column, Kind
from pipeline.intake.casting import NOT_A_NUMBER
from pipeline.intake.quarantine import Code, SetAside, codes_of
from pipeline.intake.refusals import shown
from pipeline.store.files import write_whole

TOLD = 5  # faults of a table that a terminal shows
HEAD = ("table", "file", "line", "column", "code", "seen", "wanted", "because_of")
EVENT_TABLES = tuple(name for name, table in DELIVERED.items() if table.of_accounts and name != "accounts")
# The column of what is wrong with a row beside others, or with its two clocks.
OF_ROW = {
    Code.ACCT_UNKNOWN: "account_id",
    Code.ACCT_CHANGED: "account_id",
    Code.DUP_CONFLICT: "known_at",
    Code.REV_ORPHAN: "reverses",
    Code.REV_EXCESS: "amount",
    Code.TS_KNOWN_BEFORE_EVENT: "known_at",
    Code.TS_FUTURE: "known_at",
    Code.DEBTOR_CIRCLE: "same_as",
    Code.RECEIPT_PART: "payment_id",
}
_LETTER = re.compile(r"[^\W\d_]")
_DAY, _TIME = "2026-01-31", "2026-01-31T10:15:00+01:00"


@dataclass(frozen=True)
class Fault:
    """One fault of one row. because_of: where the account stands that was set aside, if that is all; else empty."""

    table: str
    file: str
    line: int
    column: str
    code: str
    seen: str
    wanted: str
    because_of: str = ""

    def text(self, hanging: str = "") -> str:
        names = DELIVERED[self.table].names
        is_id = self.column in names and DELIVERED[self.table][self.column].kind is Kind.ID
        there = _shape(self.seen) if is_id else self.seen  # the line goes into logs; the file of faults tells all
        where = f", {self.column} {there}" if there else f", {self.column} is empty"
        where = "" if not self.seen and Code[self.code] in OF_ROW else where
        return f"  {shown(self.file)} line {self.line:,}{where}: {self.wanted} ({self.code}){hanging}."


def seen(cell: str, kind: Kind) -> str:
    """A cell fit for a message: amounts and days as they are, of anything longer or wordier its shape alone."""
    text, letters = cell, len(_LETTER.findall(cell))
    wordy = letters > 9 or (letters > 5 and not re.search(r"\d", text))
    if len(text) > 40 or "@" in text or (kind is not Kind.ENUM and wordy):
        text = _shape(text[:40])
    return repr(text) if text.isprintable() else ascii(text)


def _shape(text: str) -> str:
    return _LETTER.sub("x", re.sub(r"\d", "9", text))


def bad_accounts(set_aside: Iterable[SetAside]) -> dict[str, str]:
    """account_id -> where it stands, of accounts that this delivery holds and that were set aside."""
    found: dict[str, str] = {}
    for row in set_aside:
        name = json.loads(row.raw).get("account_id", "").strip() if row.table == "accounts" else ""
        if name:
            found.setdefault(name, f"{shown(row.file)} line {row.line:,}")
    return found


def hanging(row: SetAside, bad: Mapping[str, str]) -> str:
    """Where the account stands that is all this row suffers from; else empty."""
    return bad.get(json.loads(row.raw).get("account_id", "").strip(), "") if row.codes == Code.ACCT_UNKNOWN.name else ""


def located(mask: int, own: Mapping[str, int]) -> tuple[tuple[str, str], ...]:
    """Column and code of each fault of a row, of its columns' own masks first; no code of the row's mask is lost."""
    found = [(column, word) for column, bits in own.items() for word in codes_of(bits & mask)]
    said = {word for _, word in found}
    return (*found, *((OF_ROW.get(Code[word], "known_at"), word) for word in codes_of(mask) if word not in said))


def faults_of(set_aside: Sequence[SetAside]) -> list[Fault]:
    """Every fault of every row set aside, in their order."""
    bad = bad_accounts(set_aside)
    found: list[Fault] = []
    for row in set_aside:
        cells, because = json.loads(row.raw), hanging(row, bad)
        for name, word in row.faults:
            code, cell = Code[word], cells.get(name, "").strip()
            table = DELIVERED[row.table]
            column = table[name] if name in table.names else Column(name, Kind.TEXT, empty=True)
            wanted = f"its account is set aside, {because}" if because else wanted_of(code, column, cell)
            kind = column.kind if get_close_matches(cell.lower(), column.values, n=1) else Kind.TEXT
            there = seen(cell, kind if column.kind is Kind.ENUM else column.kind) if cell else ""
            found.append(Fault(row.table, row.file, row.line, name, word, there, wanted, because))
    return found


def fault_lines(set_aside: Sequence[SetAside]) -> list[str]:
    """Lines for a terminal: of each table the first faults, what hangs on an account said once beside it."""
    hung: dict[str, Counter[str]] = {}
    own: dict[str, list[Fault]] = {}
    bad = bad_accounts(set_aside)
    for row in set_aside:
        where = hanging(row, bad)
        if where:
            hung.setdefault(where, Counter())[row.table] += 1
    for fault in faults_of(set_aside):
        if not fault.because_of:
            own.setdefault(fault.table, []).append(fault)
    lines: list[str] = []
    for faults in own.values():
        for fault in faults[:TOLD]:
            counts = hung.pop(f"{shown(fault.file)} line {fault.line:,}", {}) if fault.table == "accounts" else {}
            each = " and ".join(f"{counts[name]:,} {name}" for name in EVENT_TABLES if name in counts)
            lines.append(fault.text(f"; {each} hang on it" if each else ""))
        if len(faults) > TOLD:
            lines.append(f"  and {len(faults) - TOLD:,} more in {faults[0].table}.")
    if any(len(faults) > TOLD for faults in own.values()):
        lines.append("All of them: `recoup ingest --faults FILE.csv`.")
    return lines


def write_faults(place: Path, set_aside: Sequence[SetAside]) -> None:
    """A CSV file of every fault, under HEAD. Raises CannotWrite."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEAD)
    for fault in faults_of(set_aside):
        writer.writerow([getattr(fault, name) for name in HEAD])
    write_whole(place, text.getvalue())


def wanted_of(code: Code, column: Column, cell: str) -> str:
    """The form that a cell should have, with an example."""
    if not cell and code in (Code.KEY_NULL, Code.ENUM_UNKNOWN, Code.AMT_FORMAT, Code.TS_FORMAT, Code.NUM_FORMAT):
        return f"must not be empty: {_form(column)}"
    if cell.lower() in NOT_A_NUMBER and column.kind not in (Kind.ID, Kind.TEXT):
        instead = "leave the cell empty" if column.empty else _form(column)
        return f"a word for nothing is no value: {instead}"
    sentence = {
        Code.KEY_NULL: "must not be empty",
        Code.KEY_FORMAT: "no blanks and no control characters in an id, such as A-1001",
        Code.TEXT_TOO_LONG: f"at most {column.limit} characters",
        Code.TEXT_FORMAT: "no control characters",
        Code.CCY_UNKNOWN: "a code of ISO 4217, such as EUR",
        Code.AMT_NAN: f"an amount, {_form(column)}",
        Code.AMT_SCALE: "no more decimals than its currency has",
        Code.AMT_SIGN: "only an adjustment may be negative" if column.least is None
        else "an amount above 0" if column.least > 0 else "an amount not below 0",
        Code.LIMIT_AMOUNT: "an amount below 9,000,000,000,000,000 minor units",
        Code.TS_NAIVE: f"an offset, such as {_TIME}, or a time_zone of its portfolio in the params",
        Code.TS_KNOWN_BEFORE_EVENT: "no earlier than what it tells of",
        Code.TS_FUTURE: "no later than the last day that the feed is complete for",
        Code.ACCT_UNKNOWN: "an account of the store or of this delivery",
        Code.ACCT_CHANGED: "an account keeps its debtor and its currency; the table debtors tells which debtors "
        "are the same, and another currency is a new account",
        Code.DUP_CONFLICT: "its key stands there already, known at the same time, with other content",
        Code.REV_ORPHAN: "a reversal names a payment of its account, and nothing else names one",
        Code.REV_EXCESS: "reversals of a payment add up to no more than it",
        Code.DEBTOR_CIRCLE: "a chain of same_as ends at a debtor; leave out one link of the circle, or take it back "
        "with a later row whose same_as is empty",
        Code.RECEIPT_PART: "all lines of a receipt come in together, and another of them is set aside, now or "
        "before: deliver or release all at once, or discard a line that is none",
        Code.DAY_ORDER: "a last day no earlier than the first",
        Code.PLAN_SUM: "all instalments of a plan, each with the plan's total and agreed_on, adding up to the total",
        Code.PLACEMENT_OVERLAP: "one placement of an account at a time: recall the one before, on or before placed_on",
        Code.PARTY_UNKNOWN: "a party that `ingest.parties` of the params names",
    }.get(code)  # fmt: skip
    return sentence or _form(column, cell)


def _form(column: Column, cell: str = "") -> str:
    if column.kind is Kind.ENUM:
        near = get_close_matches(cell.lower(), column.values, n=1)
        hint = f" (nearest: {near[0]})" if near else ""
        listed = ", ".join(column.values[:8]) + (", ..." if len(column.values) > 8 else "")
        return f"one of {listed}{hint}"
    return {
        Kind.ID: "an id such as A-1001",
        Kind.CURRENCY: "a code of ISO 4217, such as EUR",
        Kind.ZONE: "an IANA time zone, such as Europe/Paris",
        Kind.DATE: f"a day as YYYY-MM-DD, such as {_DAY}",
        Kind.TIME: f"a time as ISO 8601, such as {_TIME} or {_DAY}",
        Kind.MONEY: "plain digits with a point, such as 1190.00 or -20.50",
        Kind.WHOLE: "a whole number of up to six digits, such as 45",
        Kind.SHARE: "a share from 0 to 1 with at most six decimals, such as 0.35",
    }.get(column.kind, "a number, such as 0.25")
