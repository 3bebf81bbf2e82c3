"""What excludes an account or a channel: statuses, ways out, missing preconditions, age. Each rule over all it binds,
nearest first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.tables import NEVER, NO_DAY
from pipeline.law.causes import Causes
from pipeline.law.holds import BIT, last_payment_on, unwelcome_hours
from pipeline.law.question import Question, Settled
from pipeline.law.record import Record
from pipeline.law.rules import CONSENT, CONTACT_CHANNELS, OPT_OUT, OptOut, Precondition, Stop, TimeBarred
from pipeline.law.scenes import Placed

CALENDAR_YEAR_DAYS = 365.25  # on average: limitation periods run over calendar years


@dataclass(frozen=True)
class Stops(Settled):
    """Causes by number, 0 where nothing stops.

    barred        int32 per account: what excludes it altogether
    closed        int32 channel x account: what excludes the channel
    legal_barred  bool per account: too old for, or barred from, legal treatment
    """

    barred: np.ndarray
    closed: np.ndarray
    legal_barred: np.ndarray


def stops_of(asked: Question, placed: Placed, record: Record, causes: Causes) -> Stops:
    barred, closed = placed.barred.copy(), asked.per_channel(0, np.int32)
    for rule, number, rows in placed.applied(Stop, asked):
        stopped = _stopped(rule, rows, record)
        causes.name(closed[number], stopped, rule)
        if rule.statuses == "always":
            continue
        if rule.channels == CONTACT_CHANNELS:
            causes.name(barred, stopped, rule)
        causes.name(barred, _unwelcome_at_all(rule, rows, asked, record), rule)
    for rule, number, rows in placed.applied(OptOut, asked):
        causes.name(closed[number], _left(asked.channels[number], rows, asked, record), rule)
    for rule, number, rows in placed.applied(Precondition, asked):
        causes.name(closed[number], _lacking(rule, asked.channels[number], rows, asked, record), rule)
    legal_barred = asked.per_account(False, np.bool_)
    for rule, _, rows in placed.applied(TimeBarred, asked):
        prescribed, old = _prescribed(rows, record), _old(rule, rows, asked)
        legal_barred[prescribed] = legal_barred[old] = True
        if not rule.contact_once_barred:
            causes.name(barred, prescribed, rule)
        if rule.effect == "extinguished":
            causes.name(barred, _unpaid_since(rule, old, asked), rule)
    return Stops(barred, closed, legal_barred)


def _stopped(rule: Stop, rows: np.ndarray, record: Record) -> np.ndarray:
    """Rows with a status of the rule in force. Inconvenient is no such status: it names hours,
    or stops contact altogether.
    """
    if rule.statuses == "always":
        return rows
    mask = sum(BIT[name] for name in rule.statuses if name != "inconvenient")
    return rows[record.bits_per(rule.per)[rows] & mask != 0]


def inconvenienced(rule: Stop, rows: np.ndarray, record: Record) -> np.ndarray:
    """Rows whose debtor named something as inconvenient, where the rule heeds it."""
    if "inconvenient" not in rule.statuses:
        return rows[:0]
    return rows[record.bits_per(rule.per)[rows] & BIT["inconvenient"] != 0]


def _unwelcome_at_all(rule: Stop, rows: np.ndarray, asked: Question, record: Record) -> np.ndarray:
    """Rows where something other than hours is named as inconvenient."""
    keys, details = asked.known.keys(rule.per), record.holds.inconvenient[rule.per]
    named = [
        row for row in inconvenienced(rule, rows, record).tolist() if unwelcome_hours(details[int(keys[row])]) is None
    ]
    return np.array(named, np.int64)


def _left(channel: str, rows: np.ndarray, asked: Question, record: Record) -> np.ndarray:
    if channel in OPT_OUT:
        return rows[record.debtor_bits[rows] & BIT[OPT_OUT[channel]] != 0]
    if channel in record.unsubscribed:
        return rows[record.unsubscribed[channel][asked.known.owner[rows]]]
    return rows[:0]


def _lacking(rule: Precondition, channel: str, rows: np.ndarray, asked: Question, record: Record) -> np.ndarray:
    """Rows without the consent or the notice that the rule needs.
    A channel for which no consent can be recorded never has one.
    """
    lacking = np.zeros(rows.size, bool)
    if "consent" in rule.needs:
        lacking |= True if channel not in CONSENT else record.bits[rows] & BIT[CONSENT[channel]] == 0
    if "notice_sent" in rule.needs:
        lacking |= record.holds.notice_on[asked.known.scorable[rows]] == NEVER
    return rows[lacking]


def _prescribed(rows: np.ndarray, record: Record) -> np.ndarray:
    return rows[record.bits[rows] & BIT["prescribed"] != 0]


def _old(rule: TimeBarred, rows: np.ndarray, asked: Question) -> np.ndarray:
    """Rows at least as long overdue as the rule's years; none where it names none.

    Years run through a payment holiday, whether days past due stand still in it or not: no law is taken to stop them.
    """
    if rule.years is None:
        return rows[:0]
    overdue = asked.cohort["days_past_due"].to_numpy().astype(np.int64) + asked.days_paused
    return rows[overdue[rows] >= int(rule.years * CALENDAR_YEAR_DAYS)]


def _unpaid_since(rule: TimeBarred, old: np.ndarray, asked: Question) -> np.ndarray:
    """Those of the old whose debtor acknowledged nothing by a payment within the rule's years."""
    if not old.size:
        return old
    paid = last_payment_on(asked.tables.get("payments"), asked.known, asked.sight)[asked.known.scorable[old]]
    # pyrefly: ignore[unsupported-operation]
    return old[(paid == NO_DAY) | (asked.day - paid >= int(rule.years * CALENDAR_YEAR_DAYS))]
