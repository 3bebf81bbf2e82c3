"""What the made-up books write down: rows by table, the codes in them, and the stream of chance each debtor owns."""

from __future__ import annotations

from collections import namedtuple
from enum import IntEnum

import numpy as np
from numba import njit

from features.tables import CHANNELS, CHARGE_KINDS, DIRECTIONS, NO_DAY, OUTCOMES, PAYMENT_KINDS, STATUSES


def _codes(name: str, words: tuple[str, ...]) -> type[IntEnum]:
    return IntEnum(name, {word.upper(): code for code, word in enumerate(words)})


Channel = _codes("Channel", CHANNELS)
Direction = _codes("Direction", DIRECTIONS)
Outcome = _codes("Outcome", OUTCOMES)
Status = _codes("Status", STATUSES)
ChargeKind = _codes("ChargeKind", CHARGE_KINDS)
PaymentKind = _codes("PaymentKind", PAYMENT_KINDS)
DETAILS = ("recalled", "paid_in_full", "settled", "written_off", "in_writing", "hurricane", "evenings only")
Detail = IntEnum("Detail", "RECALLED PAID_IN_FULL SETTLED WRITTEN_OFF IN_WRITING HURRICANE EVENINGS", start=0)

# What the books write down; -1 and NO_DAY are empty cells. `seq` counts within the account (contacts: within the debtor).
PAID_ROW = np.dtype(
    [("account", "i4"), ("seq", "i4"), ("day", "i4"), ("minute", "i2"), ("amount", "i8"), ("kind", "i1"), ("reverses", "i4"),
     ("method", "i1"), ("known_on", "i4"), ("item", "i2")]
)  # fmt: skip
SPOKEN_ROW = np.dtype(
    [("account", "i4"), ("seq", "i4"), ("day", "i4"), ("minute", "i2"), ("channel", "i1"), ("direction", "i1"), ("outcome", "i1"),
     ("promised", "i8"), ("due_on", "i4"), ("cost", "i8"), ("agent", "i2"), ("person", "i1"), ("endpoint", "i1"), ("known_on", "i4")]
)  # fmt: skip
STATED_ROW = np.dtype(
    [("account", "i4"), ("status", "i1"), ("from_on", "i4"), ("until_on", "i4"), ("known_on", "i4"), ("detail", "i2"), ("clock", "i2")]
)
BILLED_ROW = np.dtype(
    [("account", "i4"), ("item", "i2"), ("issued_on", "i4"), ("due_on", "i4"), ("amount", "i8"), ("kind", "i1"), ("known_on", "i4")]
)
TAKEN_ROW = np.dtype(
    [("account", "i4"), ("taken_on", "i4"), ("balance", "i8"), ("arrears", "i8"), ("days_past_due", "i4"), ("known_on", "i4")]
)
PLACED_ROW = np.dtype([("account", "i4"), ("placed_on", "i4"), ("amount", "i8"), ("known_on", "i4")])
TRUTH_ROW = np.dtype([("account", "i4"), ("night", "i2"), ("p", "f4", 3), ("amount", "f4", 3), ("coin", "f4"), ("heads", "i1")])
LOG_ROWS = (PAID_ROW, SPOKEN_ROW, STATED_ROW, BILLED_ROW, TAKEN_ROW, PLACED_ROW, TRUTH_ROW)
USUAL_ROWS = (45, 70, 14, 45, 26, 2, 16)  # per account of two years: how much room a log is given at first

Log = namedtuple("Log", "paid spoken stated billed taken placed truth counts")
World = namedtuple(
    "World",
    "nights weekday profile next_pay barred season storm clock_shift florida euro unit call_cost letter_cost seed horizon maturity",
)


def empty_log(accounts: int, times: float) -> Log:
    """Room for the rows of `accounts` accounts; counts beyond the room tell the caller to come again with more."""
    rows = [np.zeros(int(accounts * usual * times) + 500, dtype) for usual, dtype in zip(USUAL_ROWS, LOG_ROWS, strict=True)]
    return Log(*rows, np.zeros(len(rows), np.int64))


@njit(cache=True)
def scramble(state):
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


@njit(cache=True)
def chance(rng):
    """The next number in [0, 1) of a debtor's own stream (splitmix64)."""
    rng[0] = rng[0] + np.uint64(0x9E3779B97F4A7C15)
    return np.float64(scramble(rng[0]) >> np.uint64(11)) / 9007199254740992.0


@njit(cache=True)
def below(rng, number):
    """A whole number in [0, number)."""
    return int(chance(rng) * number)


@njit(cache=True)
def normal(rng):
    return np.sqrt(-2 * np.log(1 - chance(rng))) * np.cos(2 * np.pi * chance(rng))


@njit(cache=True)
def room(log, table, rows):
    """The next free row of a log; the last one again when it is full."""
    log.counts[table] += 1
    return min(log.counts[table], len(rows)) - 1


@njit(cache=True)
def state_row(log, account, status, from_on, until_on, known_on, detail, clock):
    row = log.stated[room(log, 2, log.stated)]
    row.account, row.status, row.from_on, row.until_on, row.known_on = account, status, from_on, until_on, known_on
    row.detail, row.clock = detail, clock


@njit(cache=True)
def bill_row(log, due, account, item):
    row = log.billed[room(log, 3, log.billed)]
    row.account, row.item, row.issued_on, row.due_on = account, item, due.issued_on[account, item], due.due_on[account, item]
    row.amount, row.kind, row.known_on = due.amount[account, item], due.kind[account, item], due.known_on[account, item]


@njit(cache=True)
def contact_row(log, account, seq, day, minute, channel, direction, outcome, cost):
    """A row of the contact log without promise, agent, person or endpoint; the caller fills in what there is."""
    row = log.spoken[room(log, 1, log.spoken)]
    row.account, row.seq, row.day, row.minute, row.channel, row.direction = account, seq, day, minute, channel, direction
    row.outcome, row.promised, row.due_on, row.cost, row.known_on = outcome, -1, NO_DAY, cost, day
    row.agent, row.person, row.endpoint = -1, -1, -1
    return row


@njit(cache=True)
def state_all(log, debtor, accounts, status, from_on, until_on, known_on, detail):
    for i in range(debtor.first, debtor.first + debtor.accounts):
        if accounts[i].gone == 0 and accounts[i].known_on <= from_on:
            state_row(log, i, status, from_on, until_on, known_on, detail, -1)
