"""Events as the compiled loop takes them, and the small compiled passes that order and class them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from features.compiled import compiled
from features.days import days_of_month, weekdays
from features.kernel import latest
from features.tables import NO_MINUTE

NO_REVERSALS = (np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.int64))
NEVER_REPLACED = np.empty(0, np.int32)
AT_NIGHT, MORNING, AFTERNOON, EVENING, UNKNOWN = range(5)  # places in vocabulary.DAY_PARTS
PART, FULL, NOTHING_DUE = range(3)  # places in vocabulary.COVERS
TABLE_SIZE = 128  # of the table that finds repeated numbers, to begin with: twice what most accounts have


@dataclass(frozen=True)
class Classes:
    """One class per event, by way of a small table: class = values[table[index - low]],
    empty where the table says -1 or does not reach.

    Days, minutes and the codes of a categorical serve as the index as they are, so that no column is copied.
    """

    index: np.ndarray
    low: int
    table: np.ndarray
    values: tuple[str, ...]

    def codes(self) -> np.ndarray:
        """int64 place in `values` of each event; -1 when empty."""
        codes = np.full(self.index.size, -1, np.int64)
        lookup(codes, self.index, self.low, self.table)
        return codes

    def ordered(self, order: np.ndarray) -> Classes:
        return replace(self, index=self.index[order])


@dataclass(frozen=True)
class Events:
    """The events of one kind for each cohort row: row r's lie at first[r]..last[r]-1, sorted by day;
    rows of one account may share them.

    day, known, gone  int32: local day, day it became known, day a newer version became known (no entry: none ever does)
    classes, measures class column -> Classes; measure column -> int64, NO_MONEY where empty
    reversals         offsets per event, known_on, amount; empty arrays where events have none
    ahead             the events that matter lie at or after as_of
    """

    first: np.ndarray
    last: np.ndarray
    day: np.ndarray
    known: np.ndarray
    gone: np.ndarray = field(default_factory=lambda: NEVER_REPLACED)
    classes: Mapping[str, Classes] = field(default_factory=dict)
    measures: Mapping[str, np.ndarray] = field(default_factory=dict)
    reversals: tuple[np.ndarray, np.ndarray, np.ndarray] = NO_REVERSALS
    ahead: bool = False

    def ordered(self, order: np.ndarray) -> Events:
        """The same events in another order within the spans; an empty order leaves them as they are."""
        if not order.size:
            return self
        return replace(
            self,
            day=self.day[order],
            known=self.known[order],
            gone=self.gone[order] if self.gone.size else self.gone,
            classes={name: own.ordered(order) for name, own in self.classes.items()},
            measures={name: values[order] for name, values in self.measures.items()},
        )


def classes_of(values: pd.Series, known: Sequence[str]) -> Classes:
    """The classes of a column of the contract's values, categorical or text."""
    if not isinstance(values.dtype, pd.CategoricalDtype):
        values = pd.Series(pd.Categorical(values, categories=list(known)))
    place = {name: number for number, name in enumerate(known)}
    table = np.array([-1] + [place.get(name, -1) for name in values.cat.categories], np.int32)
    return Classes(values.cat.codes.to_numpy(), -1, table, tuple(known))


def open_classes(values: pd.Series, rows: np.ndarray) -> Classes:
    """The classes of some rows of a column in which any text may stand."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return numbered_classes(values.cat.codes.to_numpy()[rows], list(values.cat.categories))
    codes, names = pd.factorize(values.iloc[rows])
    return numbered_classes(codes.astype(np.int32), list(names))


def numbered_classes(codes: np.ndarray, values: Sequence[str]) -> Classes:
    """Classes given by their place in `values`, -1 when empty."""
    return Classes(codes, -1, np.arange(-1, len(values), dtype=np.int32), tuple(str(value) for value in values))


def classes_by_day(days: np.ndarray, latest: int, table_of, values: Sequence[str]) -> Classes:
    """Classes that follow from the day; days after `latest` are not looked at. table_of(days) -> codes."""
    low = int(days.min()) if days.size else latest
    return Classes(days, low, table_of(np.arange(low, max(latest, low) + 1)).astype(np.int32), tuple(values))


def signature(events: Events, columns: Sequence[tuple[str, tuple[str, ...]]]) -> np.ndarray:
    """int32 number of each event's class combination, in the order of plan.Program."""
    number = np.zeros(events.day.size, np.int32)
    for name, told_apart in columns:
        own = events.classes[name]
        place = {value: code for code, value in enumerate(told_apart)}
        codes = np.array([place.get(value, len(told_apart)) for value in own.values] + [len(told_apart)], np.int32)
        fold(number, own.index, own.low, codes[own.table], len(told_apart))
    return number


@compiled
def fold(number, index, low, table, size):
    """number * (size + 1) + code in place; what the table does not reach is the code `size`."""
    for event in range(number.size):
        place = np.int64(index[event]) - low
        number[event] = number[event] * (size + 1) + (table[place] if 0 <= place < table.size else size)


@compiled
def lookup(codes, index, low, table):
    for event in range(codes.size):
        place = np.int64(index[event]) - low
        if 0 <= place < table.size:
            codes[event] = table[place]


@compiled
def spans_of(account_no, accounts):
    """First and one-past-last row of each of the sorted accounts in a sorted column, by strides that double:
    neighbours lie close.
    """
    first, last = np.empty(accounts.size, np.int64), np.empty(accounts.size, np.int64)
    row = np.int64(0)
    for place in range(accounts.size):
        row = _not_below(account_no, row, accounts[place])
        first[place] = row
        row = _not_below(account_no, row, accounts[place] + 1)
        last[place] = row
    return first, last


@compiled
def _not_below(values, begin, wanted):
    """First place from begin on whose value is at least the one wanted."""
    stride, low = np.int64(1), begin
    while low + stride <= values.size and values[low + stride - 1] < wanted:
        low += stride
        stride *= 2
    high = min(low + stride, values.size)
    while low < high:
        middle = (low + high) // 2
        if values[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def repeated(accounts, numbers):
    """Rows whose number stands in another row of their account: only these can be versions of one another.
    Accounts come sorted.

    Numbers are hashes, so their last bits find a place in a table that each account uses anew: `owner` tells whose an
    entry is.
    """
    found, count, first = np.empty(accounts.size, np.int64), 0, 0
    entries = np.empty(TABLE_SIZE, np.int64)
    owner, again = np.full(TABLE_SIZE, -1, np.int64), np.zeros(accounts.size, np.bool_)
    while first < accounts.size:
        last = first + 1
        while last < accounts.size and accounts[last] == accounts[first]:
            last += 1
        if 2 * (last - first) > entries.size:
            size = entries.size
            while size < 2 * (last - first):
                size *= 2
            entries, owner = np.empty(size, np.int64), np.full(size, -1, np.int64)
        mask, repeats = entries.size - 1, False
        for row in range(first, last):
            place = numbers[row] & mask
            while owner[place] == first and numbers[entries[place]] != numbers[row]:
                place = (place + 1) & mask
            if owner[place] == first:
                again[row] = again[entries[place]] = repeats = True
            else:
                owner[place], entries[place] = first, row
        if repeats:
            for row in range(first, last):
                if again[row]:
                    found[count] = row
                    count += 1
        first = last
    return found[:count]


@compiled
def has_ties(accounts, time):
    for row in range(1, time.size):  # noqa: SIM110  compiled as it stands
        if time[row] == time[row - 1] and accounts[row] == accounts[row - 1]:
            return True
    return False


@compiled
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


@compiled
def _after(keys, left, right):
    for values in keys:
        if values[left] != values[right]:
            return values[left] > values[right]
    return False


@compiled
def seen(event, night, day, known, gone, before):
    """Whether an event is known before the night, its version in force, and its day before `before`."""
    return known[event] < night and (gone.size == 0 or night <= gone[event]) and day[event] < before


@compiled
def visible(as_of, first, last, day, known, gone, on_the_night):
    """Pairs (row, event) of what each row may know: offsets[rows + 1], row and event of each pair,
    in the order of the events.

    on_the_night: an event of as_of itself counts as well, if it was known before.
    """
    offsets = np.zeros(as_of.size + 1, np.int64)
    for row in range(as_of.size):
        count = 0
        for event in range(first[row], last[row]):
            count += seen(event, as_of[row], day, known, gone, as_of[row] + on_the_night)
        offsets[row + 1] = offsets[row] + count
    rows, events = np.empty(offsets[-1], np.int64), np.empty(offsets[-1], np.int64)
    pair = 0
    for row in range(as_of.size):
        for event in range(first[row], last[row]):
            if seen(event, as_of[row], day, known, gone, as_of[row] + on_the_night):
                rows[pair], events[pair] = row, event
                pair += 1
    return offsets, rows, events


@compiled
def last_known(row_account, first, last, as_of, known_on):
    """Per row, the last of its account's versions (sorted by known_at) known before as_of; -1 if there is none."""
    found = np.full(as_of.size, -1, np.int64)
    for row in range(as_of.size):
        for version in range(first[row_account[row]], last[row_account[row]]):
            if known_on[version] < as_of[row]:
                found[row] = version
    return found


def day_parts(minutes: np.ndarray) -> np.ndarray:
    """Place in vocabulary.DAY_PARTS of each minute of the day."""
    hours = minutes // 60
    parts = np.select([(hours < 8) | (hours >= 22), hours < 12, hours < 18], [AT_NIGHT, MORNING, AFTERNOON], EVENING)
    return np.where(minutes == NO_MINUTE, UNKNOWN, parts)


def week_parts(days: np.ndarray) -> np.ndarray:
    """1 on Saturdays and Sundays, else 0."""
    return weekdays(days) >= 5


def month_parts(days: np.ndarray) -> np.ndarray:
    """Place in vocabulary.MONTH_PARTS of each day."""
    return np.searchsorted((5, 13, 16, 24), days_of_month(days))


@compiled
def covers(places, known_on, amount, offsets, start, arrears):
    """int8 place in vocabulary.COVERS: each payment against its account's arrears as known on
    the night of the day it became known.

    places: index of each payment's account in the ledger.
    """
    found = np.empty(amount.size, np.int8)
    for payment in range(amount.size):
        account = places[payment]
        segment = latest(start, offsets[account], offsets[account + 1], known_on[payment])
        due = arrears[segment] if segment >= 0 else 0
        found[payment] = NOTHING_DUE if due <= 0 else PART if amount[payment] < due else FULL
    return found
