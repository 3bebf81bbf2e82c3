"""What a decision comes to: per channel and per account permitted, deferred or excluded, by which cause,
and from when.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from features.tables import NEVER, NO_TIME
from pipeline.law.decision import Decision
from pipeline.law.grouping import grouped
from pipeline.law.hours import instant, longest

EXCLUDED, DEFERRED, PERMITTED = range(3)
STATES = ("excluded", "deferred", "permitted")  # by the numbers above


class Outcome(NamedTuple):
    """Channel x account, or per account.

    state  int8: EXCLUDED, DEFERRED or PERMITTED
    cause  int32: number of the cause that keeps it from being permitted
    first  int64: first permitted instant in UTC microseconds; NO_TIME where never or not known
    """

    state: np.ndarray
    cause: np.ndarray
    first: np.ndarray


def of_channels(decision: Decision) -> Outcome:
    """Channel x account. A cause of the account goes before one of the channel, a stop before what defers;
    of those the longest counts.
    """
    barred, closed, held, limited = decision.stops.barred, decision.stops.closed, decision.defers.held, decision.limited
    state = state_by_channel(decision)
    longer = (held > 0) & ((decision.defers.release >= decision.counts.free_on) | (limited == 0))
    deferred = np.where(longer, held, limited)
    cause = np.where(barred > 0, barred, np.where(closed > 0, closed, deferred))
    first = np.stack(
        [_first_permitted(decision, number, state[number]) for number in range(len(decision.asked.channels))]
    )
    return Outcome(state, cause, first)


def state_by_channel(decision: Decision) -> np.ndarray:
    """Outcome.state alone, channel x account."""
    found = np.full(decision.limited.shape, PERMITTED, np.int8)
    found[(decision.limited > 0) | (decision.defers.held > 0)] = DEFERRED
    found[(decision.stops.closed > 0) | (decision.stops.barred > 0)] = EXCLUDED
    return found


def _first_permitted(decision: Decision, number: int, state: np.ndarray) -> np.ndarray:
    asked, placed, timetable = decision.asked, decision.placed, decision.openings.timetable
    channel, own, free_on = asked.channels[number], decision.openings.own[number], decision.free_on[number]
    rows = np.flatnonzero(state != EXCLUDED)
    differs = asked.per_account(False, np.bool_)
    differs[list(own)] = True
    # A day is looked at from its own opening; a channel that is shut for the rest of today opens on a later one.
    shut = differs & (state == DEFERRED) & (free_on == asked.day)
    pairs, place = grouped(placed.scene[rows], (free_on + shut)[rows])
    answers = [
        NO_TIME if day >= NEVER else timetable.first_open(placed.scenes[scene], channel, day) for scene, day in pairs
    ]
    first = asked.per_account(NO_TIME, np.int64)
    first[rows] = np.array(answers, np.int64)[place]
    for row, spans in own.items():
        if state[row] == PERMITTED:
            first[row] = longest(spans)[0]
    for row, callback in decision.defers.appointments.later.items():
        if channel == "call" and first[row] != NO_TIME and free_on[row] == callback.day:
            scene = placed.scene_of(row)
            agreed = instant(callback.day, callback.minute or 0, scene.zones[0], late=True)
            inside = any(begins <= agreed < ends for begins, ends in timetable.spans(scene, channel, callback.day))
            first[row] = agreed if inside else first[row]
    return first


def of_accounts(by_channel: Outcome) -> Outcome:
    """Per account, from its channels. A deferred account names the channel that is free first."""
    state, cause, first = by_channel
    group = state.max(axis=0)
    never = np.iinfo(np.int64).max
    opens = np.where(state == group, np.where(first == NO_TIME, never - 1, first), never)
    best, rows = opens.argmin(axis=0), np.arange(group.size)
    soonest = opens[best, rows]
    return Outcome(group, cause[best, rows], np.where((group == EXCLUDED) | (soonest >= never - 1), NO_TIME, soonest))
