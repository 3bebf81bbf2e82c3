"""What a person entered in a row of a list, in the contract's words; or the code of what is wrong with it."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Collection
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from features.currencies import DECIMALS
from features.days import DAY_MINUTES, DAY_SECONDS
from features.tables import CHANNELS, MONEY_LIMIT, NO_MONEY, OUTCOMES, RIGHT_PARTY
from pipeline.outcomes.filled_workbook import FilledRow
from pipeline.pages.language import languages, words
from pipeline.pages.workbook import AGAIN, OFFERED

CODES = {
    "FB_FORMULA": "A cell holds a formula or an error, and nothing is evaluated. Type the value.",
    "FB_NIGHT": "The row is of another night. Fill in the list of its own night.",
    "FB_IDS": (
        "Account, debtor, queue and rank do not stand together on the published list. Copy the row from it again."
    ),
    "FB_TWICE": "The account is filled in twice, and not alike. Leave one row.",
    "FB_OUTCOME": "The outcome is not one of the listed words.",
    "FB_SKIP": "The reason to skip is not one of the listed words.",
    "FB_BOTH": "An outcome and a reason to skip cannot both be true. Leave one.",
    "FB_NEITHER": "Something is filled in, but neither an outcome nor a reason to skip.",
    "FB_CHANNEL": "The channel is not one of the contract's.",
    "FB_TIME": "The time must be HH:MM on the debtor's clock, on the list's day and not ahead of now.",
    "FB_AMOUNT": "The promised amount must be a number above zero with no more decimals than the currency has.",
    "FB_DATE": "The promised day must be a date, from the list's day on.",
    "FB_OFFER": "What came of the offer is not one of the listed words.",
    "FB_NO_OFFER": "An offer is answered, but the published list proposes none to the account.",
    "FB_AGAIN": "A call is agreed for a day and a time, from the list's day on, and with somebody who was spoken to.",
    "FB_PROMISE": "An amount or a day is promised, but the outcome is not a promise.",
}
_CLOCK = re.compile(r"([01]?\d|2[0-3])[:hH]([0-5]\d)(?::\d\d)?")


class EntryFault(Exception):
    """The code of what is wrong with a row."""


def entries(
    row: FilledRow, listed: pd.DataFrame, night: dt.date, received_at: dt.datetime, offered: Collection[str] = ()
) -> dict[str, Any]:
    """What a filled-in row says, as the store keeps it. listed: the published list by account; offered: its accounts to
    which something was proposed. Raises EntryFault.
    """
    if row.formulas:
        raise EntryFault("FB_FORMULA")
    if day_in(row.cells.get("as_of")) != night:
        raise EntryFault("FB_NIGHT")
    account = str(row.cells.get("account_id"))
    if account not in listed.index:
        raise EntryFault("FB_IDS")
    published = listed.loc[account]
    rank = row.cells.get("rank")
    same = (
        str(row.cells.get("debtor_id")) == published["debtor_id"] and str(row.cells.get("queue")) == published["queue"]
    )
    if not (same and isinstance(rank, int | float) and rank == published["rank"]):
        raise EntryFault("FB_IDS")
    outcome, skipped = (
        _word(row.cells.get(name), section) for name, section in (("outcome", "outcomes"), ("skipped_because", "skips"))
    )
    if outcome is None:
        raise EntryFault("FB_OUTCOME")
    if skipped is None:
        raise EntryFault("FB_SKIP")
    answer = _answer(row.cells.get(OFFERED))
    if answer is None:
        raise EntryFault("FB_OFFER")
    if answer and account not in offered:
        raise EntryFault("FB_NO_OFFER")
    if (outcome or answer) and skipped:
        raise EntryFault("FB_BOTH")
    if not outcome and not skipped:
        raise EntryFault("FB_NEITHER")
    channel = _word(row.cells.get("channel"), "channels")
    if not channel:
        raise EntryFault("FB_CHANNEL")
    minute = _minute(row.cells.get("contacted_at"))
    if minute is not None and at(night, minute, published["time_zone"]) > received_at:
        raise EntryFault("FB_TIME")
    amount = amount_of(row.cells.get("promise_amount"), published["currency"])
    due = _due(row.cells.get("promise_due_on"), night)
    if outcome != "promise" and (amount != NO_MONEY or due):
        raise EntryFault("FB_PROMISE")
    again = _again(row.cells.get(AGAIN), night)
    if again and outcome not in RIGHT_PARTY:
        raise EntryFault("FB_AGAIN")
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
        AGAIN: again,
        OFFERED: answer,
    }


def _word(value: Any, section: str) -> str | None:
    """The contract's word for what was entered, in whatever language the workbook was; "" for nothing,
    None for an unknown one.
    """
    if value in (None, ""):
        return ""
    known = {"outcomes": OUTCOMES, "channels": CHANNELS, "skips": tuple(words("en")["skips"])}[section]
    entered = " ".join(str(value).split()).casefold()
    found = {name.casefold(): name for name in known}
    for language in languages():
        found |= {words(language)[section][name].casefold(): name for name in known}
    return found.get(entered)


def _answer(value: Any) -> str | None:
    """accepted or refused, in whatever language it was entered; "" for nothing, None for another word."""
    if value in (None, ""):
        return ""
    entered = " ".join(str(value).split()).casefold()
    known = {name: name for name in words("en")["treatment"]["outcomes"]}
    for language in languages():
        known |= {said.casefold(): name for name, said in words(language)["treatment"]["outcomes"].items()}
    return known.get(entered)


def day_in(value: Any) -> dt.date | None:
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
        value = value.total_seconds() / DAY_SECONDS
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1:
        return min(round(value * DAY_MINUTES), DAY_MINUTES - 1)
    found = _CLOCK.fullmatch(str(value).strip())
    if found is None:
        raise EntryFault("FB_TIME")
    return int(found[1]) * 60 + int(found[2])


def amount_of(value: Any, currency: str) -> int:
    if value in (None, ""):
        return NO_MONEY
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise EntryFault("FB_AMOUNT")
    if isinstance(value, str) and not value.isascii():
        raise EntryFault("FB_AMOUNT")
    try:
        minor = Decimal(str(value).strip()).scaleb(DECIMALS[currency])
    except InvalidOperation:
        raise EntryFault("FB_AMOUNT") from None
    if not minor.is_finite() or minor != minor.to_integral_value() or not 0 < minor <= MONEY_LIMIT:
        raise EntryFault("FB_AMOUNT")
    return int(minor)


def _due(value: Any, night: dt.date) -> str:
    if value in (None, ""):
        return ""
    day = day_in(value)
    if day is None or day < night:
        raise EntryFault("FB_DATE")
    return day.isoformat()


def _again(value: Any, night: dt.date) -> str:
    """YYYY-MM-DD HH:MM on the debtor's clock; "" for nothing."""
    if value in (None, ""):
        return ""
    try:
        moment = value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise EntryFault("FB_AGAIN") from None
    if moment.date() < night or moment.time() == dt.time() or moment.tzinfo is not None:
        raise EntryFault("FB_AGAIN")
    return f"{moment:%Y-%m-%d %H:%M}"


def at(night: dt.date, minute: int, zone: str) -> dt.datetime:
    return dt.datetime.combine(night, dt.time(minute // 60, minute % 60), ZoneInfo(zone))
