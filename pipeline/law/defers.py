"""What defers an account: feeds that are not known, plans, open promises, appointments of a later day."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from features.tables import NEVER, NO_DAY
from pipeline.law.causes import (
    HELD_BACK,
    LATER_APPOINTMENT,
    NOT_KNOWN,
    PAID_LATELY,
    PLAN,
    PROMISE,
    UNKNOWN_FEED,
    Causes,
)
from pipeline.law.grouping import factorized
from pipeline.law.holds import BIT, Callback
from pipeline.law.hours import minute_on_clock
from pipeline.law.question import Question, Settled
from pipeline.law.record import Record
from pipeline.law.scenes import NOWHERE, Placed

APPOINTMENT_MINUTES = 15  # an appointment is kept within a quarter of an hour


@dataclass(frozen=True)
class Appointments:
    """Agreed times by scorable account: one of today binds the call to its minute; without one,
    the first of a later day defers.
    """

    today: Mapping[int, Callback]
    later: Mapping[int, Callback]


@dataclass(frozen=True)
class Defers(Settled):
    """held     int32 per account: number of the cause that holds it longest; 0 where nothing does
    release  int64 per account: first day on which nothing holds it; today where nothing does, NEVER where that is not
             known
    unknown  bool per account: whether what is recorded of it is not known to the day (NOT_KNOWN)
    """

    held: np.ndarray
    release: np.ndarray
    unknown: np.ndarray
    appointments: Appointments


def defers_of(asked: Question, placed: Placed, record: Record, causes: Causes) -> Defers:
    appointments = _appointments(asked, placed, record)
    later = asked.per_account(NO_DAY, np.int64)
    for row, callback in appointments.later.items():
        later[row] = callback.day
    held, release = asked.per_account(0, np.int32), asked.per_account(asked.day, np.int64)
    unknown = asked.per_account(False, np.bool_)
    rested = record.paid_on + asked.params.worklist.rest_days_after_payment
    agreed = np.isin(np.arange(asked.size), list(appointments.today))  # who asked to be called is called
    for cause, rows, until in (
        *((cause, _unknown(table, asked), NEVER) for table, cause in UNKNOWN_FEED.items()),
        *((HELD_BACK[rule], _among(numbers, asked), NEVER) for rule, numbers in asked.held_back.items()),
        (PLAN, record.bits & BIT["plan"] != 0, NEVER),
        (PROMISE, record.promise_until >= asked.day, record.promise_until + 1),
        (PAID_LATELY, (rested > asked.day) & ~agreed, rested),
        (LATER_APPOINTMENT, later > asked.day, later),
    ):
        longest = rows & ((until > release) | (held == 0))
        if longest.any():
            held[longest] = causes.code(cause)
        release[rows] = np.maximum(release, until)[rows]
        unknown |= rows & (cause.rule in NOT_KNOWN)
    return Defers(held, release, unknown, appointments)


def _among(numbers: Collection[int], asked: Question) -> np.ndarray:
    """bool per account: whether it is one of these."""
    return np.isin(asked.cohort["account_no"].to_numpy(), np.array(sorted(numbers), np.int64))


def _unknown(table: str, asked: Question) -> np.ndarray:
    """bool per account: whether the feed of any account of its debtor is not known up to the day."""
    accounts, known = asked.tables["accounts"], asked.known
    unknown = np.zeros(known.debtors, bool)
    portfolio, names = factorized(accounts["portfolio"])
    places, _ = known.find(accounts["account_no"].to_numpy())
    for number, name in enumerate(names):
        if not _is_known(table, name, asked):
            unknown[known.debtor[places[portfolio == number]]] = True
    return unknown[known.owner]


def _is_known(table: str, portfolio: str, asked: Question) -> bool:
    own = asked.params.portfolio(portfolio)
    if (
        table not in own.delivers
        or table not in asked.tables
        or (table == "contacts" and own.contact_precision == "month")
    ):
        return False
    return asked.complete_through.get(table, NO_DAY) >= asked.day - 1 - asked.params.ingest.quiet_days


def _appointments(asked: Question, placed: Placed, record: Record) -> Appointments:
    """The debtor's next agreed time binds each of its accounts. At a moment,
    one of today that has passed gives way to the next.
    """
    today: dict[int, Callback] = {}
    later: dict[int, Callback] = {}
    of_debtor: dict[int, list[Callback]] = {}
    for place, callbacks in record.holds.callbacks.items():
        of_debtor.setdefault(int(asked.known.debtor[place]), []).extend(callbacks)
    owner = asked.known.owner
    for row in (
        np.flatnonzero(np.isin(owner, list(of_debtor)) & (placed.scene != NOWHERE)).tolist() if of_debtor else []
    ):
        coming = sorted(of_debtor[int(owner[row])], key=lambda callback: (callback.day, callback.minute or 0))
        if of_today := [callback for callback in coming if callback.day == asked.day]:
            now = -1
            if asked.sight.moment is not None:
                now = minute_on_clock(asked.sight.moment, placed.scene_of(row).zones[0], asked.day)
            ahead = (callback for callback in of_today if (callback.minute or 0) + APPOINTMENT_MINUTES > now)
            today[row] = next(ahead, of_today[-1])
        elif of_later := [callback for callback in coming if callback.day > asked.day]:
            later[row] = of_later[0]
    return Appointments(today, later)
