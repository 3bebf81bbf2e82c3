"""What defers a channel: notices that are not old enough, caps and waits from the contact log;
and how many contacts are left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.tables import NEVER, NO_DAY
from pipeline.law.causes import Cause, Causes
from pipeline.law.defers import Appointments
from pipeline.law.question import Question, Settled
from pipeline.law.record import Record
from pipeline.law.rules import Cap, Precondition, Wait
from pipeline.law.scenes import Placed

NO_LIMIT = 32_000  # contacts left where no cap binds a channel


@dataclass(frozen=True)
class Counts(Settled):
    """Channel x account.

    limited  int32: number of the cause that holds the channel longest; 0 where it is free
    free_on  int64: first day on which it is free; today where it is, NEVER where no day frees it
    left     int32: contacts left today; NO_LIMIT where no cap counts them
    """

    limited: np.ndarray
    free_on: np.ndarray
    left: np.ndarray


def counts_of(asked: Question, placed: Placed, record: Record, appointments: Appointments, causes: Causes) -> Counts:
    """Caps and waits are counted once over all known accounts,
    then applied to the accounts and channels that they bind.
    """
    limited, free_on = asked.per_channel(0, np.int32), asked.per_channel(asked.day, np.int64)
    left = asked.per_channel(NO_LIMIT, np.int32)
    places = asked.known.scorable

    def hold(number: int, rows: np.ndarray, until: np.ndarray, rule: Precondition | Cap | Wait) -> None:
        later = until > free_on[number, rows]
        if later.any():
            limited[number, rows[later]] = causes.code(Cause.of(rule))
            free_on[number, rows[later]] = until[later]

    for rule, number, rows in placed.applied(Precondition, asked):
        if "notice_sent" in rule.needs:
            since = record.holds.notice_on[places[rows]]
            sent = since != NEVER
            hold(number, rows[sent], since[sent] + (rule.notice_days or 0), rule)
    agreed_on = asked.per_account(NO_DAY, np.int64)
    for row, callback in appointments.today.items():
        agreed_on[row] = callback.agreed_on
    used: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    waited: dict[str, np.ndarray] = {}
    for rule, number, rows in placed.applied(Cap, asked):
        if rule.id not in used:
            used[rule.id] = record.counter.used(rule)
        count, free = (values[places[rows]] for values in used[rule.id])
        requested = _requested(rule, number, agreed_on[rows], asked)
        hold(number, rows, np.where(requested, asked.day, free), rule)
        # an appointment may always be kept
        left[number, rows] = np.minimum(left[number, rows], np.maximum(rule.max - count, requested))
    for rule, number, rows in placed.applied(Wait, asked):
        if rule.id not in waited:
            waited[rule.id] = record.counter.waits_until(rule)
        until = waited[rule.id][places[rows]]
        hold(number, rows, np.where(_requested(rule, number, agreed_on[rows], asked), asked.day, until), rule)
    return Counts(limited, free_on, left)


def _requested(rule: Cap | Wait, number: int, agreed_on: np.ndarray, asked: Question) -> np.ndarray:
    """bool per row: whether a call of today was asked for so lately that the rule does not bind it."""
    if not rule.requested_exempt_days or asked.channels[number] != "call":
        return np.zeros(agreed_on.size, bool)
    return agreed_on >= asked.day - rule.requested_exempt_days
