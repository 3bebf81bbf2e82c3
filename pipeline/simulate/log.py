"""What the made-up books write down: rows, the codes in them, and the stream of chance each debtor owns."""

from __future__ import annotations

from collections import namedtuple
from enum import IntEnum
from typing import Any

import numpy as np
from numba import njit

from features.tables import CHANNELS, CHARGE_KINDS, DIRECTIONS, NO_DAY, OUTCOMES, PAYMENT_KINDS, STATUSES
from features.versions import scrambled


def _codes(name: str, words: tuple[str, ...]) -> Any:
    """An IntEnum of the words; no checker sees its members."""
    return IntEnum(name, {word.upper(): code for code, word in enumerate(words)})


Channel = _codes("Channel", CHANNELS)
Direction = _codes("Direction", DIRECTIONS)
Outcome = _codes("Outcome", OUTCOMES)
Status = _codes("Status", STATUSES)
ChargeKind = _codes("ChargeKind", CHARGE_KINDS)
PaymentKind = _codes("PaymentKind", PAYMENT_KINDS)
DETAILS = ("recalled", "paid_in_full", "settled", "written_off", "in_writing", "hurricane", "evenings only")
Detail = IntEnum("Detail", "RECALLED PAID_IN_FULL SETTLED WRITTEN_OFF IN_WRITING HURRICANE EVENINGS", start=0)

# One thing written down. What its fields mean, per table (-1 and NO_DAY are empty cells;
# account is the position in the shard):
#             day         until_on  seq             amount      extra    code     way        outcome
#                         link            detail
# PAYMENTS    occurred    -         in the account  amount      -        kind     method     -
#             seq it reverses item it names
# CONTACTS    occurred    promise   of the debtor   promised    cost     channel  direction
#             outcome  -               agent
# STATUSES    from_on     until_on  -               -           -        status   -          -
#             -               DETAILS
# CHARGES     issued_on   due_on    item            amount      -        kind     -          -        -               -
# BALANCES    taken_on    -         days past due   balance     arrears  -        -          -        -               -
# PLACEMENTS  placed_on   -         -               balance     -        -        -          -        -               -
# CHANCES     the day     -         -               in 1e-9  -        -        -          -        -               -
PAYMENTS, CONTACTS, STATUS_ROWS, CHARGES, BALANCES, PLACEMENTS, CHANCES = range(7)  # the last is no table: the truth's
ROW = np.dtype(
    [
        ("table", "i1"),
        ("account", "i4"),
        ("seq", "i4"),
        ("day", "i4"),
        ("minute", "i2"),
        ("until_on", "i4"),
        ("known_on", "i4"),
        ("amount", "i8"),
        ("extra", "i8"),
        ("code", "i1"),
        ("way", "i1"),
        ("outcome", "i1"),
        ("link", "i4"),
        ("detail", "i2"),
        ("person", "i1"),
        ("endpoint", "i1"),
    ]
)
# The truth of an account on a night: as things are, with contact forced, without any; the coin's chance of contact and
# how it fell; of its debtor, the collectors' own chance of contact, what they sensed, whether a coin might have been
# thrown, and the messages and conversations of the month before.
TRUTH = np.dtype(
    [
        ("account", "i4"),
        ("night", "i2"),
        ("p", "f4", 3),
        ("amount", "f4", 3),
        ("coin", "f4"),
        ("heads", "i1"),
        ("chosen", "f4"),
        ("sensed", "f4"),
        ("drawable", "i1"),
        ("messages", "i1"),
        ("talks", "i1"),
    ]
)
COIN = 0.5  # chance of heads, contact, where a coin decides a month
USUAL_ROWS, USUAL_TRUTH = 62, 16  # per account of two years: the room given at first

# clock_shift: minutes, [group, place, day from the first]; then what kind of world it is:
# pipeline.simulate.portfolio.Nature; where debtors forget, the first day on which the shop is told what to send, and
# what is true of reminders: pipeline.simulate.forgetting.
World = namedtuple(
    "World",
    "months clock_shift key horizon maturity slice effect hidden fatigue meant forgets told_from "
    "first half_life_days recovers_days early forgotten opts_out complains named",
)
Log = namedtuple("Log", "rows truth counts")


def empty_log(accounts: int, times: float) -> Log:
    """Room for the rows of `accounts` accounts; counts beyond the room tell the caller to come again with more."""
    room = int(accounts * times)
    return Log(np.zeros(room * USUAL_ROWS + 500, ROW), np.zeros(room * USUAL_TRUTH + 500, TRUTH), np.zeros(2, np.int64))


@njit(error_model="numpy")
def chance(rng):
    """The next number in [0, 1) of a debtor's own stream (splitmix64)."""
    rng[0] = rng[0] + np.uint64(0x9E3779B97F4A7C15)
    return np.float64(scrambled(rng[0]) >> np.uint64(11)) / 9007199254740992.0


@njit(error_model="numpy")
def below(rng, number):
    """A whole number in [0, number)."""
    return int(chance(rng) * number)


@njit(error_model="numpy")
def normal(rng):
    return np.sqrt(-2 * np.log(1 - chance(rng))) * np.cos(2 * np.pi * chance(rng))


@njit(error_model="numpy")
def new_row(log, table, account, day, known_on):
    """The next free row, its cells empty; the last one again when the log is full."""
    log.counts[0] += 1
    row = log.rows[min(log.counts[0], len(log.rows)) - 1]
    row.table, row.account, row.day, row.known_on = table, account, day, known_on
    row.seq, row.minute, row.until_on, row.amount, row.extra = 0, -1, NO_DAY, -1, -1
    row.code, row.way, row.outcome, row.link, row.detail, row.person, row.endpoint = -1, -1, -1, -1, -1, -1, -1
    return row


@njit(error_model="numpy")
def state_row(log, account, status, from_on, until_on, known_on, detail):
    """A status; returns the row, where a callback puts its minute."""
    row = new_row(log, STATUS_ROWS, account, from_on, known_on)
    row.code, row.until_on, row.detail = status, until_on, detail
    return row


@njit(error_model="numpy")
def state_all(log, debtor, accounts, status, from_on, until_on, known_on, detail):
    """The same status on every account of the debtor that the books have then."""
    for i in range(debtor.first, debtor.first + debtor.accounts):
        if accounts[i].gone == 0 and accounts[i].known_on <= from_on:
            state_row(log, i, status, from_on, until_on, known_on, detail)


@njit(error_model="numpy")
def charge_row(log, account, number, issued_on, due_on, amount, kind, known_on):
    row = new_row(log, CHARGES, account, issued_on, known_on)
    row.seq, row.until_on, row.amount, row.code = number, due_on, amount, kind


@njit(error_model="numpy")
def contact_row(log, account, debtor, day, minute, channel, direction, outcome):
    """A contact with the debtor's own person; its number is the debtor's next, which the caller counts on."""
    row = new_row(log, CONTACTS, account, day, day)
    row.seq, row.minute, row.code, row.way, row.outcome, row.person = (
        debtor.contacts,
        minute,
        channel,
        direction,
        outcome,
        0,
    )
    return row
