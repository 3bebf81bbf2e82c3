"""Rolls and cures: the nights on which an account's standing changed, read off the ledger."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from features.compiled import compiled
from features.kernel import days_past_due
from features.ledger import Ledger
from features.tables import NEVER

EDGES = (30, 60, 90)  # vocabulary.ROLLS


class Changes(NamedTuple):
    """Changes of standing per account of the ledger, sorted by night: offsets[accounts + 1], night, code."""

    offsets: np.ndarray
    nights: np.ndarray
    codes: np.ndarray


def rolls(ledger: Ledger) -> Changes:
    """Nights on which days past due, as known that night, rose to 30, 60 or 90 (by ageing or by news);
    the code is the edge's place.
    """
    last_day = NEVER - 1 if ledger.last_day is None else ledger.last_day
    return Changes(*_rolls(ledger.offsets, ledger.start, ledger.overdue_since, np.array(EDGES), np.int64(last_day)))


def cures(ledger: Ledger) -> Changes:
    """Nights on which the debtor's money cleared the arrears: days past due, above 0 the night before, would be 0 with
    the charges of the night before and the money known by now. A moved due date, a waiver or a statement is no cure.
    """
    return Changes(ledger.cure_offsets, ledger.cures, np.zeros(ledger.cures.size, np.int8))


@compiled
def _rolls(offsets, start, overdue_since, edges, last_day):
    counts = np.zeros(offsets.size, np.int64)
    room = edges.size * (start.size + 1)
    nights, codes = np.empty(room, np.int64), np.empty(room, np.int8)
    written = 0
    for account in range(offsets.size - 1):
        before = np.int64(0)  # days past due of the night before
        for segment in range(offsets[account], offsets[account + 1]):
            opens = np.int64(start[segment])
            closes = np.int64(start[segment + 1]) - 1 if segment + 1 < offsets[account + 1] else last_day
            at_first, at_last = (
                days_past_due(overdue_since[segment], opens),
                days_past_due(overdue_since[segment], closes),
            )
            for code in range(edges.size):
                if at_last < edges[code] or (at_first >= edges[code] and before >= edges[code]):
                    continue  # not reached, or still beyond from the night before
                nights[written] = opens + max(0, edges[code] - at_first)
                codes[written] = code
                written += 1
            before = at_last
        counts[account + 1] = written
    return counts, nights[:written].copy(), codes[:written].copy()
