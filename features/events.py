"""Events as the compiled loop takes them, and the small compiled passes that order and class them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numba import njit

from features.kernel import calendar, latest
from features.tables import NO_MINUTE

NO_REVERSALS = (np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.int64))
NIGHT, MORNING, AFTERNOON, EVENING, UNKNOWN = range(5)  # places in vocabulary.DAY_PARTS
PART, FULL, NOTHING_DUE = range(3)  # places in vocabulary.COVERS


@dataclass(frozen=True)
class Events:
    """The events of one kind for each cohort row: row r's lie at first[r]..last[r]-1, sorted by day; rows of one account may share them.

    day, known, gone  int32: local day, day it became known, day a newer version became known (NEVER)
    classes           class column -> (codes, values); a code of -1 is an empty cell
    measures          measure column -> int64, NO_MONEY where empty
    reversals         offsets per event, known_on, amount; empty arrays where events have none
    ahead             the events that matter lie at or after as_of
    """

    first: np.ndarray
    last: np.ndarray
    day: np.ndarray
    known: np.ndarray
    gone: np.ndarray
    classes: Mapping[str, tuple[np.ndarray, tuple[str, ...]]] = field(default_factory=dict)
    measures: Mapping[str, np.ndarray] = field(default_factory=dict)
    reversals: tuple[np.ndarray, np.ndarray, np.ndarray] = NO_REVERSALS
    ahead: bool = False

    def ordered(self, order: np.ndarray) -> Events:
        """The same events in another order within the spans; an empty order leaves them as they are."""
        if not order.size:
            return self
        return Events(
            self.first,
            self.last,
            self.day[order],
            self.known[order],
            self.gone[order],
            {name: (codes[order], values) for name, (codes, values) in self.classes.items()},
            {name: values[order] for name, values in self.measures.items()},
            self.reversals,
            self.ahead,
        )


def class_codes(values: pd.Series, known: Sequence[str]) -> np.ndarray:
    """int8 place of each value among the contract's; -1 when empty."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        place = {name: number for number, name in enumerate(known)}
        places = np.array([place.get(name, -1) for name in values.cat.categories] + [-1], np.int8)
        return places[values.cat.codes.to_numpy()]
    return pd.Categorical(values, categories=list(known)).codes.astype(np.int8)


def signature(events: Events, classes: Sequence[tuple[str, tuple[str, ...]]]) -> np.ndarray:
    """int32 number of each event's class combination, in the order of plan.Program."""
    number = np.zeros(events.day.size, np.int32)
    for name, values in classes:
        fold(number, events.classes[name][0], len(values))
    return number


@njit(cache=True, nogil=True)
def fold(number, codes, size):
    """number * (size + 1) + code in place; an empty cell is the code after the last."""
    for event in range(number.size):
        code = codes[event]
        number[event] = number[event] * (size + 1) + (code if code >= 0 else size)


@njit(cache=True, nogil=True)
def ties(accounts, time, *keys):
    """The order that sorts rows of one account and one time by the keys in turn; rows come sorted by account and time.

    Empty where they already are. Rows that agree in all keys are interchangeable.
    """
    unsorted = False
    for row in range(1, time.size):
        if time[row] == time[row - 1] and accounts[row] == accounts[row - 1] and _after(keys, row - 1, row):
            unsorted = True
            break
    if not unsorted:
        return np.empty(0, np.int64)
    order = np.arange(time.size)
    first = 0
    while first < time.size:
        last = first + 1
        while last < time.size and time[last] == time[first] and accounts[last] == accounts[first]:
            last += 1
        for row in range(first + 1, last):
            place = row
            while place > first and _after(keys, order[place - 1], row):
                order[place] = order[place - 1]
                place -= 1
            order[place] = row
        first = last
    return order


@njit(cache=True, nogil=True)
def _after(keys, left, right):
    for values in keys:
        if values[left] != values[right]:
            return values[left] > values[right]
    return False


@njit(cache=True, nogil=True)
def visible(as_of, first, last, day, known, gone, on_the_night):
    """Pairs (row, event) of what each row may know: offsets[rows + 1], row and event of each pair, in the order of the events.

    on_the_night: an event of as_of itself counts as well, if it was known before.
    """
    offsets = np.zeros(as_of.size + 1, np.int64)
    for row in range(as_of.size):
        count = 0
        for event in range(first[row], last[row]):
            count += known[event] < as_of[row] <= gone[event] and day[event] < as_of[row] + on_the_night
        offsets[row + 1] = offsets[row] + count
    rows, events = np.empty(offsets[-1], np.int64), np.empty(offsets[-1], np.int64)
    pair = 0
    for row in range(as_of.size):
        for event in range(first[row], last[row]):
            if known[event] < as_of[row] <= gone[event] and day[event] < as_of[row] + on_the_night:
                rows[pair], events[pair] = row, event
                pair += 1
    return offsets, rows, events


@njit(cache=True, nogil=True)
def last_known(row_account, first, last, as_of, known_on):
    """Per row, the last of its account's versions (sorted by known_at) known before as_of; -1 if there is none."""
    found = np.full(as_of.size, -1, np.int64)
    for row in range(as_of.size):
        for version in range(first[row_account[row]], last[row_account[row]]):
            if known_on[version] < as_of[row]:
                found[row] = version
    return found


@njit(cache=True, nogil=True)
def day_part(minutes):
    """int8 place in vocabulary.DAY_PARTS of a minute of the day."""
    parts = np.empty(minutes.size, np.int8)
    for event in range(minutes.size):
        hour = minutes[event] // 60
        if minutes[event] == NO_MINUTE:
            parts[event] = UNKNOWN
        elif hour < 8 or hour >= 22:
            parts[event] = NIGHT
        else:
            parts[event] = MORNING if hour < 12 else AFTERNOON if hour < 18 else EVENING
    return parts


@njit(cache=True, nogil=True)
def week_part(days):
    """int8: 1 on Saturdays and Sundays. 1970-01-01 was a Thursday."""
    parts = np.empty(days.size, np.int8)
    for event in range(days.size):
        parts[event] = (days[event] + 3) % 7 >= 5
    return parts


@njit(cache=True, nogil=True)
def month_part(days):
    """int8 place in vocabulary.MONTH_PARTS of a day's place in its month."""
    parts = np.empty(days.size, np.int8)
    for event in range(days.size):
        of_month = calendar(days[event])[1]
        parts[event] = (of_month > 5) + (of_month > 13) + (of_month > 16) + (of_month > 24)
    return parts


@njit(cache=True, nogil=True)
def covers(places, known_on, amount, offsets, start, arrears):
    """int8 place in vocabulary.COVERS: each payment against its account's arrears as known on the night of the day it became known.

    places: index of each payment's account in the ledger.
    """
    found = np.empty(amount.size, np.int8)
    for payment in range(amount.size):
        account = places[payment]
        segment = latest(start, offsets[account], offsets[account + 1], known_on[payment])
        due = arrears[segment] if segment >= 0 else 0
        found[payment] = NOTHING_DUE if due <= 0 else PART if amount[payment] < due else FULL
    return found
