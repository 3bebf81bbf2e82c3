"""The one compiled loop over each account's events: each event is visited once per cohort row,
however many features and windows.

A row's events are walked from the one nearest to as_of outward. An event that is visible (known before as_of, its
version in force) falls into the bucket of its age; what its class combination asks for is added to that bucket. The
windows are nested, so one running merge over the buckets at the end of the row gives all of them. Sums are integers; a
float is made in one place, at the end of the row.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from features.compiled import compiled
from features.tables import NO_DAY, NO_MONEY

COUNT, SUM, MAX, MIN, MONTHS, LAST, STREAK, STOP, SPREAD, BETWEEN = range(10)  # what an event does to a slot
ADDED, LARGEST, SMALLEST, NEAREST = range(4)  # how a slot's buckets merge into windows
TOTAL, MEAN, STD, FLAG, VALUE = range(5)  # how merged slots become a feature
AT, MAXIMUM, DAYS_ABOVE_ZERO = range(3)  # what is asked of the ledger
BALANCE, ARREARS, DAYS_PAST_DUE = range(3)
ENDLESS = -1
# Measures: days between the event and as_of; the amount; other numbers, open texts and classes from these places on.
AGE, AMOUNT, OTHERS, TEXTS, CLASSES = -1, 0, 1, 100, 200
SHOWN_ALWAYS = -1  # a total that needs no test for emptiness: nothing happened is 0
EMPTY = NO_MONEY  # an empty slot of LARGEST and NEAREST; the largest int64 stands for it in SMALLEST
EMPTY_SMALLEST = 2**63 - 1

STILL = -(2**30)  # an overdue_since up to here is no day, but how many days past due stand still


class EventLog(NamedTuple):
    """The events of one kind, and which of them are each cohort row's. Read-only arrays; measures are NO_MONEY,
    texts -1 where empty.

    first, last   int64 [rows]: a row's events lie at first..last-1, sorted by day
    as_of         int32 [rows]
    ahead         the events that matter lie at or after as_of; ages count from 1 on as_of itself
    day, known    int32 [events]: local day, day it became known
    gone          int32 [events]: day a newer version became known; no entry where none ever does
    signature     int32 [events]: number of the event's class combination
    amount        int64 [events], others: int64 [measures, events], texts: int32 [texts, events]
    back_*        reversals of event e at back_offsets[e]..back_offsets[e+1]-1: the amount is net of those known, an
                  event counts while it is positive. No entry: nothing is ever reversed
    """

    first: np.ndarray
    last: np.ndarray
    as_of: np.ndarray
    ahead: bool
    day: np.ndarray
    known: np.ndarray
    gone: np.ndarray
    signature: np.ndarray
    amount: np.ndarray
    others: np.ndarray
    texts: np.ndarray
    back_offsets: np.ndarray
    back_known: np.ndarray
    back_amount: np.ndarray


class Steps(NamedTuple):
    """What events do to slots, and how slots become features.

    bucket_of        int32 [longest window + 2]: bucket of an age; the last entry is the bucket of all older events
    looks_back_ever  whether those count at all
    counts           counts[count_offsets[s]:count_offsets[s+1]] = slots that signature s adds 1 to
    steps            steps[step_offsets[s]:step_offsets[s+1]] = (what, slot, measure, count slot, square) for signature
                     s
    class_places     per class: (stride, size) of its code in the signature
    fills            per slot: its value before any event
    merged           one past the last slot that is ADDED, LARGEST, SMALLEST; the rest are NEAREST
    squares          how many sums of squares there are
    shown            per feature: (how, slot, count slot, square, bucket)
    empties          per feature: its value where nothing happened
    """

    bucket_of: np.ndarray
    looks_back_ever: bool
    count_offsets: np.ndarray
    counts: np.ndarray
    step_offsets: np.ndarray
    steps: np.ndarray
    class_places: np.ndarray
    fills: np.ndarray
    merged: np.ndarray
    squares: int
    shown: np.ndarray
    empties: np.ndarray


@compiled
def walk(begin, end, log, program, place, out):
    """Fill out[place[j], begin:end] for every feature j of one kind of event. log: EventLog, program: Steps."""
    first, last, as_of, ahead, day, known, gone = (
        log.first,
        log.last,
        log.as_of,
        log.ahead,
        log.day,
        log.known,
        log.gone,
    )
    signature, amount, others, texts = log.signature, log.amount, log.others, log.texts
    back_offsets, back_known, back_amount = log.back_offsets, log.back_known, log.back_amount
    bucket_of, looks_back_ever, squares = program.bucket_of, program.looks_back_ever, program.squares
    count_offsets, counts, step_offsets, steps = (
        program.count_offsets,
        program.counts,
        program.step_offsets,
        program.steps,
    )
    class_places, fills, merged, shown, empties = (
        program.class_places,
        program.fills,
        program.merged,
        program.shown,
        program.empties,
    )
    slots, buckets, features = fills.size, bucket_of[bucket_of.size - 1] + 1, place.size
    found = np.empty((buckets, slots), np.int64)
    spread = np.zeros((buckets, squares), np.float64)
    nearest = np.empty(slots, np.int64)  # month, day or value of the event visited before, per slot
    pivot = np.empty(slots, np.int64)
    oldest = bucket_of.size - 1
    reversible, replaceable = back_offsets.size > 0, gone.size > 0
    touched = True
    for row in range(begin, end):
        if touched:
            nearest[:] = EMPTY
            pivot[:] = EMPTY
            for bucket in range(buckets):
                for slot in range(slots):
                    found[bucket, slot] = fills[slot]
            spread[:] = 0.0
            touched = False
        night = as_of[row]
        events = last[row] - first[row]
        for visit in range(events):
            event = first[row] + visit if ahead else last[row] - 1 - visit
            age = day[event] - night + 1 if ahead else night - day[event]
            if age < 1 or known[event] >= night or (replaceable and gone[event] < night):
                continue
            if age >= oldest:
                if not looks_back_ever:
                    break
                age = oldest
            net = np.int64(0)
            if reversible:
                net = amount[event]
                for reversal in range(back_offsets[event], back_offsets[event + 1]):
                    if back_known[reversal] < night:
                        net -= back_amount[reversal]
                if net <= 0:
                    continue
            touched = True
            bucket = bucket_of[age]
            classes = signature[event]
            for step in range(count_offsets[classes], count_offsets[classes + 1]):
                found[bucket, counts[step]] += 1
            for step in range(step_offsets[classes], step_offsets[classes + 1]):
                what, slot = steps[step, 0], steps[step, 1]
                if what == MONTHS:
                    month = month_number(day[event])
                    if month != nearest[slot]:
                        nearest[slot] = month
                        found[bucket, slot] += 1
                    continue
                if what == STREAK:
                    if nearest[slot] == EMPTY:
                        found[bucket, slot] += 1
                    continue
                if what == STOP:
                    nearest[slot] = 0
                    continue
                if what == BETWEEN:
                    before = nearest[slot]
                    nearest[slot] = day[event]
                    if before == EMPTY:
                        continue
                    value = abs(before - day[event])
                else:
                    measure = steps[step, 2]
                    if measure == AGE:
                        value = np.int64(abs(night - day[event]))
                    elif measure == AMOUNT:
                        value = net if reversible else amount[event]
                    elif measure < TEXTS:
                        value = others[measure - OTHERS, event]
                    elif measure < CLASSES:
                        value = np.int64(texts[measure - TEXTS, event])
                        if value < 0:
                            continue
                    else:
                        stride, size = class_places[measure - CLASSES, 0], class_places[measure - CLASSES, 1]
                        value = np.int64(classes) // stride % (size + 1)
                        if value == size:
                            continue
                    if value == EMPTY:
                        continue
                if what == SUM:
                    found[bucket, slot] += value
                elif what == MAX:
                    found[bucket, slot] = max(found[bucket, slot], value)
                elif what == MIN:
                    found[bucket, slot] = min(found[bucket, slot], value)
                elif what == LAST:
                    if nearest[slot] == EMPTY:
                        nearest[slot] = 0
                        found[bucket, slot] = value
                else:  # SPREAD and BETWEEN: differences from the nearest value keep the squares small
                    if pivot[slot] == EMPTY:
                        pivot[slot] = value
                    difference = value - pivot[slot]
                    found[bucket, slot] += difference
                    found[bucket, steps[step, 3]] += 1
                    spread[bucket, steps[step, 4]] += float(difference) * float(difference)
        if not touched:
            for feature in range(features):
                out[place[feature], row] = empties[feature]
            continue
        for bucket in range(1, buckets):
            for slot in range(merged[0]):
                found[bucket, slot] += found[bucket - 1, slot]
            for slot in range(merged[0], merged[1]):
                found[bucket, slot] = max(found[bucket, slot], found[bucket - 1, slot])
            for slot in range(merged[1], merged[2]):
                found[bucket, slot] = min(found[bucket, slot], found[bucket - 1, slot])
            for slot in range(merged[2], slots):
                if found[bucket - 1, slot] != EMPTY:
                    found[bucket, slot] = found[bucket - 1, slot]
            for square in range(squares):
                spread[bucket, square] += spread[bucket - 1, square]
        for feature in range(features):
            how, slot, bucket = shown[feature, 0], shown[feature, 1], shown[feature, 4]
            value = found[bucket, slot]
            result = empties[feature]
            if how == TOTAL:
                count = shown[feature, 2]
                if count == SHOWN_ALWAYS or found[bucket, count] > 0:
                    result = float(value)
            elif how == VALUE:
                if value != EMPTY and value != EMPTY_SMALLEST:
                    result = float(value)
            elif how == FLAG:
                if value > 0:
                    result = 1.0
            else:
                number = found[bucket, shown[feature, 2]]
                if how == MEAN and number > 0:
                    result = float(pivot[slot] * number + value) / float(number)
                elif how == STD and number > 1:
                    summed = spread[bucket, shown[feature, 3]] - float(value) * float(value) / float(number)
                    result = np.sqrt(max(summed, 0.0) / float(number - 1))
            out[place[feature], row] = result


@compiled
def stand(
    begin, end, accounts, as_of, known_since, offsets, start, balance, arrears, overdue_since, wanted, place, out
):
    """Fill out[place[j], begin:end] with figures of the ledger as known on past nights.

    accounts     int64 [rows]: place of the row's account in the ledger
    known_since  int32 [rows]: first night on which the account was known
    offsets ...  the ledger's segments; days past due follow from overdue_since, see days_past_due
    wanted       per feature: (AT | MAXIMUM | DAYS_ABOVE_ZERO, BALANCE | ARREARS | DAYS_PAST_DUE, days back; ENDLESS all
                 nights)
    AT is the figure of the night as_of - days, missing before the account was known. MAXIMUM looks at as_of - days
    through as_of, DAYS_ABOVE_ZERO counts among the last `days` nights, as_of included. Before its first segment an
    account owes nothing.
    """
    for row in range(begin, end):
        night = np.int64(as_of[row])
        low, high = offsets[accounts[row]], offsets[accounts[row] + 1]
        now = latest(start, low, high, night)
        for feature in range(place.size):
            how, of, days = wanted[feature, 0], wanted[feature, 1], wanted[feature, 2]
            first_night = EMPTY if days == ENDLESS else night - days + (how == DAYS_ABOVE_ZERO)
            if how == AT and first_night < known_since[row]:
                out[place[feature], row] = np.nan
                continue
            segment, until = now, night
            if how == AT and days > 0:
                segment, until = latest(start, low, now + 1, first_night), first_night
            total, largest = np.int64(0), np.int64(EMPTY)
            while segment >= low and until >= first_night:
                # No helper here: a call, even an inlined one, would count references to its arrays at every step.
                ended = np.int64(0)
                if of == BALANCE:
                    ended = balance[segment]
                elif of == ARREARS:
                    ended = arrears[segment]
                elif overdue_since[segment] > STILL:
                    ended = until - overdue_since[segment]
                else:
                    ended = np.int64(overdue_since[segment]) - NO_DAY
                since = max(np.int64(start[segment]), first_night)
                largest = max(largest, ended)
                if ended > 0:
                    total += until - since + 1
                until = since - 1
                segment -= 1
            if until >= first_night:
                largest = max(largest, 0)
            out[place[feature], row] = float(total if how == DAYS_ABOVE_ZERO else largest)


@compiled
def latest(start, low, high, day):
    """Place of the last of the sorted start[low:high] that is at or before the day; -1 if there is none."""
    begin, end = low, high
    while begin < end:
        middle = (begin + end) // 2
        if start[middle] <= day:
            begin = middle + 1
        else:
            end = middle
    return begin - 1 if begin > low else -1


@compiled
def days_past_due(overdue_since, day):
    """Above STILL the days since the day; else it stands still at what lies above NO_DAY, 0 at NO_DAY itself."""
    if overdue_since > STILL:
        return np.int64(day) - np.int64(overdue_since)
    return np.int64(overdue_since) - NO_DAY


@compiled
def month_number(day):
    """Months since year 0 of a day since 1970-01-01 (days_from_civil inverted, H. Hinnant,
    chrono-compatible date algorithms).
    """
    return month_and_day(day)[0]


@compiled
def month_and_day(day):
    """(months since year 0, day of the month) of a day since 1970-01-01; compiled, for loops. features.days holds the
    same for arrays, and a test holds both together.
    """
    shifted = np.int64(day) + 719_468
    era = shifted // 146_097
    of_era = shifted - era * 146_097
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    march_based = (5 * of_year + 2) // 153
    month = march_based + 3 if march_based < 10 else march_based - 9
    return (year + era * 400 + (1 if month <= 2 else 0)) * 12 + month - 1, of_year - (153 * march_based + 2) // 5 + 1
