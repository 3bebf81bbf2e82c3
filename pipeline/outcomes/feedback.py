"""What came of a list: the outcomes filled into its workbook become contacts, by the ordinary ingest; what was skipped is kept with why."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from features.currencies import DECIMALS
from features.days import day_number
from features.errors import ContractError, InputMissing, UsageError
from features.tables import CHANNELS, MONEY_LIMIT, NO_MONEY, OUTCOMES, RIGHT_PARTY
from pipeline.outcomes.filled_workbook import Row, read_rows
from pipeline.pages.csv_file import decimal_text
from pipeline.pages.language import languages, words
from pipeline.pages.publish import sha256_in_manifest
from pipeline.pages.workbook import ENTRIES
from pipeline.store.commit import replace_night
from pipeline.store.store import Store

TABLE = "feedback"
SHOWN = 20
RAW_LIMIT = 300
CODES = {
    "FB_FORMULA": "A cell holds a formula or an error, and nothing is evaluated. Type the value.",
    "FB_NIGHT": "The row is of another night. Fill in the list of its own night.",
    "FB_IDS": "Account, debtor, queue and rank do not stand together on the published list. Copy the row from it again.",
    "FB_TWICE": "The account is filled in twice, and not alike. Leave one row.",
    "FB_OUTCOME": "The outcome is not one of the listed words.",
    "FB_SKIP": "The reason to skip is not one of the listed words.",
    "FB_BOTH": "An outcome and a reason to skip cannot both be true. Leave one.",
    "FB_NEITHER": "Something is filled in, but neither an outcome nor a reason to skip.",
    "FB_CHANNEL": "The channel is not one of the contract's.",
    "FB_TIME": "The time must be HH:MM on the debtor's clock, on the list's day and not ahead of now.",
    "FB_AMOUNT": "The promised amount must be a number above zero with no more decimals than the currency has.",
    "FB_DATE": "The promised day must be a date, from the list's day on.",
    "FB_PROMISE": "An amount or a day is promised, but the outcome is not a promise.",
}
_CLOCK = re.compile(r"([01]?\d|2[0-3])[:hH]([0-5]\d)(?::\d\d)?")
COLUMNS = (
    "account_id", "state", "code", "sheet", "line", "contact_id", "channel", "outcome", "contacted_at", "promise_amount", "promise_due_on",
    "skipped_because", "raw", "received_at",
)  # fmt: skip
SAID = ("channel", "outcome", "contacted_at", "promise_amount", "promise_due_on", "skipped_because")  # what a row says; equal: unchanged
DELIVERED = ("contact_id", "account_id", "occurred_at", "channel", "direction", "outcome", "promise_amount", "promise_due_on", "known_at")


@dataclass(frozen=True)
class Feedback:
    """What became of every row of a workbook, and where it is kept.

    counts     rows_in = contacts + skipped + unchanged + empty + quarantined
    faults     code, sheet, line of each row set aside
    delivered  rows of the table contacts that came in (one per account of the same contact)
    """

    night: dt.date
    counts: Mapping[str, int]
    faults: tuple[tuple[str, str, int], ...]
    delivered: int
    not_back: int

    def text(self) -> str:
        counts = self.counts
        parts = " + ".join(f"{counts[name]:,} {name}" for name in ("contacts", "skipped", "unchanged", "empty", "quarantined"))
        lines = [f"Feedback on the list of {self.night}: {counts['rows_in']:,} rows = {parts}"]
        lines.append(f"{self.delivered:,} rows of contacts ingested, accounts raised in the same contact included.")
        if self.not_back:
            lines.append(f"{self.not_back:,} rows of the list are not in the file; nothing is concluded from that.")
        lines += [f"  {sheet!a}, row {line}: {code}. {CODES[code]}" for code, sheet, line in self.faults[:SHOWN]]
        if len(self.faults) > SHOWN:
            lines.append(f"  and {len(self.faults) - SHOWN:,} more; table {TABLE!r} of the store holds all.")
        return "\n".join(lines)


@dataclass(frozen=True)
class Returned:
    """A filled-in workbook, checked row by row, before anything of it is stored.

    contacts      rows of the table contacts: one per account of each contact
    fresh         rows that say something the store does not hold yet; faulty: rows set aside
    held          what the store holds of the night already
    feedback      what is told of it
    """

    night: dt.date
    received_at: dt.datetime
    contacts: list[dict[str, str]]
    fresh: list[dict[str, Any]]
    faulty: list[dict[str, Any]]
    held: pd.DataFrame
    feedback: Feedback

    def as_delivery(self, source: Path, complete: bool) -> Path:
        """Writes the contacts as a source folder for the ordinary ingest. Unless it holds all of its day, it moves no feed's last day."""
        control = {"rows": len(self.contacts)} | ({"complete_through": self.night.isoformat()} if complete else {"partial": True})
        with (source / "contacts.csv").open("x", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, DELIVERED, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.contacts)
        (source / "contacts.control.json").write_text(json.dumps(control))
        return source


def read_back(path: Path, store_path: Path, out: Path, received_at: dt.datetime, night: dt.date | None = None) -> Returned:
    """Check a filled-in workbook against the published list and against what came back before; stores nothing. See pipeline.run.receive."""
    if received_at.tzinfo is None:
        raise UsageError("The time of receipt must carry an offset, such as 2026-10-01T18:00:00+02:00.")
    rows = read_rows(path)
    night = _night_of(rows, path.name, night)
    listed = _published(out, night)
    held = _held(Store(store_path), night)
    judged = _judged(rows, listed, night, received_at)
    fresh = _fresh(judged, held, received_at)
    faulty = [one for one in judged if one["state"] == "quarantined"]
    heard = [one for one in fresh if one["state"] == "contacts"]
    contacts = [line for one in heard for line in _contacts(one, listed.loc[one["account_id"]], night, received_at)]
    counts = {
        "contacts": len(heard),
        "skipped": len(fresh) - len(heard),
        "empty": sum(one["state"] == "empty" for one in judged),
        "quarantined": len(faulty),
        "unchanged": sum(one["state"] in ("contacts", "skipped") for one in judged) - len(fresh),
        "rows_in": len(rows),
    }
    back = {str(row.cells.get("account_id")) for row in rows}
    faults = tuple((one["code"], one["sheet"], one["line"]) for one in faulty)
    told = Feedback(night, counts, faults, len(contacts), sum(account not in back for account in listed.index))
    return Returned(night, received_at, contacts, fresh, faulty, held, told)


def _night_of(rows: list[Row], name: str, wanted: dt.date | None) -> dt.date:
    """The night that most rows name, or the wanted one if any row does."""
    named = Counter(_day(row.cells.get("as_of")) for row in rows)
    own = named.most_common(1)[0][0]
    if own is None:
        raise ContractError(f"{name!r} does not say of which night it is: column as_of holds no date. Send back the published workbook.")
    if wanted is not None and wanted not in named:
        raise ContractError(f"{name!r} is of the night {own}, not {wanted}. Send the workbook of {wanted}, or name its own night.")
    return wanted or own


# ---- against what was published --------------------------------------------------------------------------------------------------------


def _published(out: Path, night: dt.date) -> pd.DataFrame:
    """The list as it was published, by account. Its bytes must be those its manifest vouches for."""
    place = out / night.isoformat() / "worklist.parquet"
    if not place.is_file():
        raise InputMissing(f"No list of {night} is published in {str(out)!r}. Publish that night, or name the right folder with --out.")
    if sha256_in_manifest(place) != hashlib.sha256(place.read_bytes()).hexdigest():
        raise ContractError(f"The published list of {night} differs from its manifest. Publish the night again, then send the workbook.")
    columns = ["account_id", "debtor_id", "joined_accounts", "queue", "rank", "currency", "channel", "time_zone"]
    return pq.read_table(place, columns=columns).to_pandas().set_index("account_id", drop=False)


def _judged(rows: list[Row], listed: pd.DataFrame, night: dt.date, received_at: dt.datetime) -> list[dict[str, Any]]:
    judged = [_judge(row, listed, night, received_at) for row in rows]
    said: dict[str, list[dict[str, Any]]] = {}
    for one in judged:
        if one["state"] in ("contacts", "skipped"):
            said.setdefault(one["account_id"], []).append(one)
    for twins in said.values():
        alike = len({tuple(twin[name] for name in SAID) for twin in twins}) == 1
        for twin in twins[1:] if alike else twins * (len(twins) > 1):
            twin |= {"state": "empty"} if alike else {"state": "quarantined", "code": "FB_TWICE"}
    return judged


def _judge(row: Row, listed: pd.DataFrame, night: dt.date, received_at: dt.datetime) -> dict[str, Any]:
    account = str(row.cells.get("account_id", ""))
    made: dict[str, Any] = {"account_id": account, "state": "empty", "code": "", "sheet": row.sheet[:64], "line": row.line, "raw": ""}
    made |= dict.fromkeys(("contact_id", "channel", "outcome", "contacted_at", "promise_due_on", "skipped_because"), "")
    made |= {"promise_amount": NO_MONEY}
    if not row.filled and not row.formulas:
        return made
    try:
        made |= _entries(row, listed, night, received_at)
    except _Fault as fault:
        shown = {name: str(value)[:RAW_LIMIT] for name, value in row.cells.items() if name in (*ENTRIES, "account_id", "debtor_id", "rank")}
        made |= {"account_id": account[:64], "state": "quarantined", "code": str(fault), "raw": json.dumps(shown, ensure_ascii=True)}
    return made


class _Fault(Exception):
    """The code of what is wrong with a row."""


def _entries(row: Row, listed: pd.DataFrame, night: dt.date, received_at: dt.datetime) -> dict[str, Any]:
    if row.formulas:
        raise _Fault("FB_FORMULA")
    if _day(row.cells.get("as_of")) != night:
        raise _Fault("FB_NIGHT")
    account = str(row.cells.get("account_id"))
    if account not in listed.index:
        raise _Fault("FB_IDS")
    published = listed.loc[account]
    rank = row.cells.get("rank")
    same = str(row.cells.get("debtor_id")) == published["debtor_id"] and str(row.cells.get("queue")) == published["queue"]
    if not (same and isinstance(rank, int | float) and rank == published["rank"]):
        raise _Fault("FB_IDS")
    outcome, skipped = (_word(row.cells.get(name), section) for name, section in (("outcome", "outcomes"), ("skipped_because", "skips")))
    if outcome is None:
        raise _Fault("FB_OUTCOME")
    if skipped is None:
        raise _Fault("FB_SKIP")
    if outcome and skipped:
        raise _Fault("FB_BOTH")
    if not outcome and not skipped:
        raise _Fault("FB_NEITHER")
    channel = _word(row.cells.get("channel"), "channels")
    if not channel:
        raise _Fault("FB_CHANNEL")
    minute = _minute(row.cells.get("contacted_at"))
    if minute is not None and _at(night, minute, published["time_zone"]) > received_at:
        raise _Fault("FB_TIME")
    amount = _amount(row.cells.get("promise_amount"), published["currency"])
    due = _due(row.cells.get("promise_due_on"), night)
    if outcome != "promise" and (amount != NO_MONEY or due):
        raise _Fault("FB_PROMISE")
    contact = hashlib.sha256(f"{night}|{account}".encode()).hexdigest()[:16]
    return {
        "state": "contacts" if outcome else "skipped",
        "contact_id": f"list-{night}-{contact}" if outcome else "",
        "channel": channel,
        "outcome": outcome,
        "contacted_at": "" if minute is None else f"{minute // 60:02d}:{minute % 60:02d}",
        "promise_amount": amount,
        "promise_due_on": due,
        "skipped_because": skipped,
    }


def _word(value: Any, section: str) -> str | None:
    """The contract's word for what was entered, in whatever language the workbook was; "" for nothing, None for an unknown one."""
    if value in (None, ""):
        return ""
    known = {"outcomes": OUTCOMES, "channels": CHANNELS, "skips": tuple(words("en")["skips"])}[section]
    entered = " ".join(str(value).split()).casefold()
    found = {name.casefold(): name for name in known}
    for language in languages():
        found |= {words(language)[section][name].casefold(): name for name in known}
    return found.get(entered)


def _day(value: Any) -> dt.date | None:
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    try:
        return dt.date.fromisoformat(str(value).strip()[:10])
    except ValueError:
        return None


def _minute(value: Any) -> int | None:
    """Minute of the day; None for nothing. Spreadsheets turn 14:05 into a time, a span or a part of a day."""
    if value in (None, ""):
        return None
    if isinstance(value, dt.datetime | dt.time):
        return value.hour * 60 + value.minute
    if isinstance(value, dt.timedelta):
        value = value.total_seconds() / 86_400
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1:
        return min(round(value * 1_440), 1_439)
    found = _CLOCK.fullmatch(str(value).strip())
    if found is None:
        raise _Fault("FB_TIME")
    return int(found[1]) * 60 + int(found[2])


def _amount(value: Any, currency: str) -> int:
    if value in (None, ""):
        return NO_MONEY
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _Fault("FB_AMOUNT")
    if isinstance(value, str) and not value.isascii():
        raise _Fault("FB_AMOUNT")
    try:
        minor = Decimal(str(value).strip()).scaleb(DECIMALS[currency])
    except InvalidOperation:
        raise _Fault("FB_AMOUNT") from None
    if not minor.is_finite() or minor != minor.to_integral_value() or not 0 < minor <= MONEY_LIMIT:
        raise _Fault("FB_AMOUNT")
    return int(minor)


def _due(value: Any, night: dt.date) -> str:
    if value in (None, ""):
        return ""
    day = _day(value)
    if day is None or day < night:
        raise _Fault("FB_DATE")
    return day.isoformat()


def _at(night: dt.date, minute: int, zone: str) -> dt.datetime:
    return dt.datetime.combine(night, dt.time(minute // 60, minute % 60), ZoneInfo(zone))


# ---- into the store ---------------------------------------------------------------------------------------------------------------------


def _held(store: Store, night: dt.date) -> pd.DataFrame:
    number = day_number(night)
    held = store.read(TABLE, since=number, before=number + 1)
    return held if len(held.columns) else pd.DataFrame(columns=[*COLUMNS, "as_of"])


def _fresh(judged: list[dict[str, Any]], held: pd.DataFrame, received_at: dt.datetime) -> list[dict[str, Any]]:
    """Rows that say something the store does not hold yet."""
    known = {row["account_id"]: tuple(row[name] for name in SAID) for row in held[held["state"] != "quarantined"].to_dict("records")}
    stamp = int(received_at.timestamp() * 1_000_000)
    said = (one for one in judged if one["state"] in ("contacts", "skipped"))
    return [one | {"received_at": stamp} for one in said if known.get(one["account_id"]) != tuple(one[name] for name in SAID)]


def _contacts(one: Mapping[str, Any], published: pd.Series, night: dt.date, received_at: dt.datetime) -> list[dict[str, str]]:
    """Rows for the listed account and for each joined one, raised in the same contact; a promise belongs to the first alone."""
    known = received_at.astimezone(dt.UTC)
    occurred = night.isoformat()
    if one["contacted_at"]:
        occurred = _at(night, int(one["contacted_at"][:2]) * 60 + int(one["contacted_at"][3:]), published["time_zone"]).isoformat()
    amount = one["promise_amount"]
    row = {
        "contact_id": one["contact_id"],
        "account_id": one["account_id"],
        "occurred_at": occurred,
        "channel": one["channel"],
        "direction": "outbound",
        "outcome": one["outcome"],
        "promise_amount": "" if amount == NO_MONEY else decimal_text(amount, DECIMALS[published["currency"]]),
        "promise_due_on": one["promise_due_on"],
        "known_at": known.isoformat(timespec="seconds"),
    }
    heard = "right_party" if one["outcome"] in (*RIGHT_PARTY, "complaint", "paid") else one["outcome"]
    joined = {"outcome": heard, "promise_amount": "", "promise_due_on": ""}
    return [row, *(row | joined | {"account_id": account} for account in str(published["joined_accounts"] or "").split())]


def keep(back: Returned, store_path: Path) -> None:
    """One row per account that was reported on, the newest; and every row set aside, once."""
    stamp = {"received_at": int(back.received_at.timestamp() * 1_000_000)}
    new = pd.DataFrame([*back.fresh, *(one | stamp for one in back.faulty)], columns=list(COLUMNS))
    if new.empty:
        return
    replaced = set(new.loc[new["state"] != "quarantined", "account_id"])
    kept = back.held.loc[(back.held["state"] == "quarantined") | ~back.held["account_id"].isin(replaced), list(COLUMNS)]
    whole = pd.concat([kept, new], ignore_index=True) if len(kept) else new
    faults = whole["state"] == "quarantined"
    whole = whole[~(faults & whole.duplicated(["state", "code", "sheet", "line", "account_id", "raw"]))]
    whole = whole.sort_values(["account_id", "state", "sheet", "line", "code", "raw"], ignore_index=True)
    numbers = dict.fromkeys(("line", "promise_amount", "received_at"), np.int64)
    whole = whole.astype({name: numbers.get(name, "str") for name in COLUMNS})
    number = day_number(back.night)
    replace_night(Store(store_path), TABLE, whole.assign(as_of=np.int32(number)), number)
