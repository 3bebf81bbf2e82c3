"""What a decision comes to: per channel and per account permitted, deferred or excluded, by which cause, and from when."""

from __future__ import annotations

import numpy as np

from features.tables import NO_TIME
from pipeline.law.decision import DEFERRED, EXCLUDED, PERMITTED, Decision
from pipeline.law.grouping import grouped
from pipeline.law.hours import instant, longest


def of_channels(decision: Decision) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(state, cause, first permitted instant) per channel and account."""
    limited, held = decision.limited, decision.held
    state = np.full(limited.shape, PERMITTED, np.int8)
    state[(limited > 0) | (held > 0)] = DEFERRED
    state[(decision.closed > 0) | (decision.barred > 0)] = EXCLUDED
    longer = (held > 0) & ((decision.release >= decision.free_on) | (limited == 0))
    deferred = np.where(longer, held, limited)
    cause = np.where(decision.barred > 0, decision.barred, np.where(decision.closed > 0, decision.closed, deferred))
    first = np.full(limited.shape, NO_TIME, np.int64)
    for number, channel in enumerate(decision.channels):
        first[number] = _first_permitted(decision, number, channel, state[number])
    return state, cause, first


def _first_permitted(decision: Decision, number: int, channel: str, state: np.ndarray) -> np.ndarray:
    first = np.full(decision.size, NO_TIME, np.int64)
    rows = np.flatnonzero(state != EXCLUDED)
    day = np.maximum(decision.release, decision.free_on[number])[rows]
    if decision.spans:
        # A day is looked at from its own opening; a channel that is shut for the rest of today opens on a later one.
        shut = (state[rows] == DEFERRED) & (day == decision.day)
        day = day + shut * np.array([(number, row) in decision.spans for row in rows.tolist()], bool)
    pairs, place = grouped(decision.scene[rows], day)
    answers = np.array([decision.first_open(int(scene), channel, int(when)) for scene, when in pairs], np.int64)
    if rows.size:
        first[rows] = answers[place]
    for (which, row), spans in decision.spans.items():
        if which == number and state[row] == PERMITTED:
            first[row] = longest(spans)[0]
    for row, (when, minute) in decision.later_at.items():
        if first[row] != NO_TIME and channel == "call" and max(decision.release[row], decision.free_on[number, row]) == when:
            scene = decision.scenes[decision.scene[row]]
            agreed = instant(when, minute, scene.zones[0], late=True)
            inside = any(begins <= agreed < ends for begins, ends in decision.spans_of(scene, channel, when))
            first[row] = agreed if inside else first[row]
    return first


def of_accounts(state: np.ndarray, cause: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(group, cause, first permitted instant) per account, from `of_channels`. A deferred account names the channel that is free first."""
    group = state.max(axis=0)
    never = np.iinfo(np.int64).max
    opens = np.where(state == group, np.where(first == NO_TIME, never - 1, first), never)
    best, rows = opens.argmin(axis=0), np.arange(group.size)
    soonest = opens[best, rows]
    return group, cause[best, rows], np.where((group == EXCLUDED) | (soonest >= never - 1), NO_TIME, soonest)
