"""What holds of an account on the day besides contact law: statuses in force, open promises, appointments, the last payment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from features.days import day_of_text
from features.errors import ContractError, some
from features.tables import NEVER, NO_DAY, NO_MONEY, PAYMENT_KINDS, STATUSES
from features.versions import arranged
from pipeline.law.log import Sight, codes

BIT = {name: np.int64(1) << number for number, name in enumerate(STATUSES)}
_APPOINTMENT = re.compile(r"(?:(\d{4}-\d{2}-\d{2})[ T])?([01]?\d|2[0-3]):([0-5]\d)(?::[0-5]\d)?")
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\s*-\s*([01]\d|2[0-3]|24):([0-5]\d)")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Book:
    """Every known account of the shard, scorable or not: caps and stops reach across all accounts of a debtor.

    numbers sorted; debtor: code per account; debtors: how many.
    """

    numbers: np.ndarray
    debtor: np.ndarray
    debtors: int

    @classmethod
    def of(cls, accounts: pd.DataFrame, cohort: pd.DataFrame) -> Book:
        numbers, last = np.unique(accounts["account_no"].to_numpy()[::-1], return_index=True)
        owners = accounts["debtor_id"].to_numpy()[::-1][last]
        debtor, names = pd.factorize(pd.Series(owners).astype("str"))
        book = cls(numbers, debtor.astype(np.int64), len(names))
        strange = ~np.isin(cohort["account_no"].to_numpy(), numbers)
        if strange.any():
            ids = cohort["account_id"].to_numpy()[strange]
            raise ContractError(
                f"{int(strange.sum()):,} scorable accounts are not in the accounts table of the shard ({some(list(ids))}). "
                "Pass the tables of whole debtors."
            )
        return book

    def find(self, account_no: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(row of each account number in the book, whether it is there at all)."""
        rows = np.minimum(np.searchsorted(self.numbers, account_no), max(self.numbers.size - 1, 0))
        return rows, self.numbers[rows] == account_no if self.numbers.size else np.zeros(len(account_no), bool)


@dataclass(frozen=True)
class Callback:
    """An agreed time. minute is None where the detail names none; agreed_on: the day it became known."""

    day: int
    minute: int | None
    agreed_on: int


@dataclass
class Holds:
    """Per account of the book, and per debtor of the book where named so.

    bits         int64 of BIT per status in force; debtor_bits: the same over all accounts of the debtor
    notice_on    first day of the notice in force; NEVER without one. consent_on: status -> latest day, NO_DAY without one
    promise_until  last day (with grace) of the promises still open; NO_DAY without one
    callbacks    book row -> appointments of today and later; details: status -> book row -> texts of the rows in force
    """

    bits: np.ndarray
    debtor_bits: np.ndarray
    notice_on: np.ndarray
    consent_on: dict[str, np.ndarray]
    promise_until: np.ndarray
    callbacks: dict[int, list[Callback]] = field(default_factory=dict)
    details: dict[str, dict[int, list[str]]] = field(default_factory=dict)


def read_holds(statuses: pd.DataFrame | None, book: Book, sight: Sight) -> Holds:
    """Statuses in force on the day: begun on it or before, not ended before it; an end on the day or later reads as open."""
    size = book.numbers.size
    empty = np.zeros(size, np.int64)
    holds = Holds(empty, np.zeros(book.debtors, np.int64), np.full(size, NEVER, np.int64), {}, np.full(size, NO_DAY, np.int64))
    if statuses is None or statuses.empty:
        return holds
    newest = sight.newest(arranged(statuses, "statuses"), ["status", "from_on", "account_no"], "statuses")
    until = newest["until_on"].to_numpy()
    newest = newest[(until == NO_DAY) | (until >= sight.day)]
    rows, inside = book.find(newest["account_no"].to_numpy())
    newest, rows = newest[inside], rows[inside]
    status, from_on = codes(newest["status"], STATUSES), newest["from_on"].to_numpy()
    begun = from_on <= sight.day
    for name, bit in BIT.items():
        holds.bits[rows[begun & (status == STATUSES.index(name))]] |= bit
    np.bitwise_or.at(holds.debtor_bits, book.debtor, holds.bits)
    noticed = begun & (status == STATUSES.index("notice_sent"))
    np.minimum.at(holds.notice_on, rows[noticed], from_on[noticed])
    for name in ("consent_call", "consent_sms", "consent_email"):
        given = begun & (status == STATUSES.index(name))
        holds.consent_on[name] = np.full(size, NO_DAY, np.int64)
        np.maximum.at(holds.consent_on[name], rows[given], from_on[given])
    agreed = status == STATUSES.index("callback")
    for row, begins, known, detail in _listed(newest, rows, agreed):
        holds.callbacks.setdefault(row, []).append(_callback(begins, known, detail, sight.day))
    for name in ("inconvenient", "legal"):
        for row, _, _, detail in _listed(newest, rows, begun & (status == STATUSES.index(name))):
            holds.details.setdefault(name, {}).setdefault(row, []).append(detail)
    return holds


def _listed(frame: pd.DataFrame, rows: np.ndarray, chosen: np.ndarray) -> list[tuple[int, int, int, str]]:
    picked = frame[chosen]
    details = picked["detail"].fillna("") if "detail" in picked else [""] * len(picked)
    return list(zip(rows[chosen].tolist(), picked["from_on"].tolist(), picked["known_on"].tolist(), details, strict=True))


def _callback(begins: int, known: int, detail: str, today: int) -> Callback:
    """`HH:MM`, or a day and a time. A time alone means today while the callback is in force, and its first day before that."""
    match = _APPOINTMENT.fullmatch(detail.strip())
    if match is None:
        return Callback(max(begins, today), None, known)
    minute = int(match[2]) * 60 + int(match[3])
    day = max(begins, today)
    if match[1] and (written := _day(match[1])) is not None:
        day = written
    return Callback(day, minute, known)


def unwelcome_hours(details: list[str]) -> list[tuple[int, int]] | None:
    """Minutes [from, until) named as inconvenient, written HH:MM-HH:MM; None where any detail names something else."""
    spans = []
    for text in details:
        for part in re.split(r"[,;]", text):
            match = _HOURS.fullmatch(part.strip())
            if match is None:
                return None
            hour, minute, last_hour, last_minute = (int(value) for value in match.groups())
            first, last = hour * 60 + minute, last_hour * 60 + last_minute
            spans += [(first, last)] if first < last else [(first, 1440), (0, last)]
    return [(first, last) for first, last in spans if first < last]


def deadline(details: list[str], today: int) -> int:
    """The nearest day from today on that a `legal` status names (YYYY-MM-DD); NO_DAY where none does."""
    days = [day for text in details for found in _DATE.findall(text) if (day := _day(found)) is not None and day >= today]
    return min(days, default=NO_DAY)


def _day(text: str) -> int | None:
    try:
        return day_of_text(text)
    except ValueError:
        return None


def open_promises(
    promises: pd.DataFrame, payments: pd.DataFrame | None, book: Book, sight: Sight, grace_days: int, kept_share: float
) -> np.ndarray:
    """Per account of the book the last day, with grace, of its open promises; NO_DAY without one.

    A promise is open until promise_due_on + grace unless payments seen, made from its day on, net of their seen reversals, already reach
    kept_share of the amount. Without payments delivered it stays open. One without an amount is neither open nor kept.
    """
    until = np.full(book.numbers.size, NO_DAY, np.int64)
    promises = promises[promises["promise_amount"] != NO_MONEY]
    if promises.empty:
        return until
    made = promises.reset_index(drop=True).assign(promise=np.arange(len(promises)))
    paid = np.zeros(len(made), np.float64)
    if payments is not None and not payments.empty:
        near = payments[payments["account_no"].isin(made["account_no"].unique())]
        near = near[sight.sees(near)]
        kind = codes(near["kind"], PAYMENT_KINDS)
        back = near[kind == PAYMENT_KINDS.index("reversal")].groupby("reverses", observed=True)["amount"].sum()
        money = near[kind == PAYMENT_KINDS.index("payment")]
        net = money["amount"].to_numpy() - back.reindex(money["payment_id"]).fillna(0).to_numpy().astype(np.float64)
        pairs = made.merge(money.assign(net=net)[["account_no", "occurred_on", "net"]], on="account_no", suffixes=("", "_paid"))
        pairs = pairs[(pairs["occurred_on_paid"] >= pairs["occurred_on"]) & (pairs["net"] > 0)]
        paid += pairs.groupby("promise")["net"].sum().reindex(made["promise"], fill_value=0).to_numpy()
    still_open = paid < kept_share * made["promise_amount"].to_numpy()
    rows, inside = book.find(made["account_no"].to_numpy())
    inside &= still_open
    np.maximum.at(until, rows[inside], made["promise_due_on"].to_numpy()[inside].astype(np.int64) + grace_days)
    return until


def last_payment_on(payments: pd.DataFrame | None, book: Book, sight: Sight) -> np.ndarray:
    """Per account of the book the day of its newest payment seen, even if taken back (it acknowledges the debt); NO_DAY without one."""
    latest = np.full(book.numbers.size, NO_DAY, np.int64)
    if payments is None or payments.empty:
        return latest
    seen = payments[sight.sees(payments) & (codes(payments["kind"], PAYMENT_KINDS) == PAYMENT_KINDS.index("payment"))]
    rows, inside = book.find(seen["account_no"].to_numpy())
    np.maximum.at(latest, rows[inside], seen["occurred_on"].to_numpy()[inside].astype(np.int64))
    return latest


def ways_out(
    unsubscribed: pd.DataFrame, holds: Holds, book: Book, opt_out: Mapping[str, str], consent: Mapping[str, str]
) -> dict[str, np.ndarray]:
    """Per channel the debtors who unsubscribed and have not consented again later; where there is an opt-out status its bit is set."""
    out: dict[str, np.ndarray] = {}
    for channel, rows in unsubscribed.groupby("channel", observed=True):
        place, inside = book.find(rows["account_no"].to_numpy())
        latest = np.full(book.debtors, NO_DAY, np.int64)
        np.maximum.at(latest, book.debtor[place[inside]], rows["occurred_on"].to_numpy()[inside].astype(np.int64))
        again = np.full(book.debtors, NO_DAY, np.int64)
        if consent.get(channel) in holds.consent_on:
            np.maximum.at(again, book.debtor, holds.consent_on[consent[channel]])
        left = (latest != NO_DAY) & (again <= latest)
        if channel in opt_out:
            holds.debtor_bits[left] |= BIT[opt_out[channel]]
        else:
            out[channel] = left
    return out
