"""Promises to pay: kept, broken or open on a day, by the payments known before it. Features,
the law and reports all ask here.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pandas as pd

from features.compiled import compiled
from features.settlements import CREDIT, Settlements
from features.tables import NO_DAY, NO_MONEY
from features.versions import still

KEPT, BROKEN, OPEN, UNJUDGED = range(4)  # places in vocabulary.PROMISE_STATES
SHARE_PRECISION = 10**6


@dataclass(frozen=True)
class Promised:
    """Promises, one row each: account_no, the local day of each,
    the day it falls due and the last day that keeps it (bank_days.days_to_keep; NO_DAY), and the amount (NO_MONEY).
    """

    account_no: np.ndarray
    made_on: np.ndarray
    due_on: np.ndarray
    until: np.ndarray
    amount: np.ndarray


def is_promise(outcome: pd.Series) -> np.ndarray:
    """bool per contact: a promise to pay is what its outcome says;
    an amount or a day noted under another outcome promises nothing.
    """
    return (outcome == "promise").to_numpy(dtype=bool)


def outcomes(
    made: Promised,
    held: Settlements,
    as_of: np.ndarray,
    kept_share: float,
    before: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """State, money paid towards it (at most the amount) and days late of each promise on its day, as_of (int32,
    one per promise).

    before  payments of days before it, and known before it, count, net of the reversals known before it; as_of where
            None
    A payment, or what was withheld for us, counts from the local day of the promise through its last day, also towards
    other promises; credits never count. Kept once the payments reach exactly `kept_share` of the amount; broken
    once that day has passed without; else open. Without a positive amount or a date: unjudged, nothing paid.
    days late = the day it was kept - due_on, negative when early; NO_MONEY unless kept.
    """
    seen = as_of if before is None else before
    days = (still(values, np.int32) for values in (as_of, seen, made.made_on, made.due_on, made.until))
    numbers = (
        still(values, np.int64) for values in (made.account_no, made.amount, least_to_keep(made.amount, kept_share))
    )
    accounts = (still(held.accounts, np.int64), held.offsets)
    paid = (held.occurred_on, held.known_on, held.amount, held.kind)
    back = (held.reversal_offsets, held.reversal_known_on, held.reversal_amount)
    return _outcomes(*days, *numbers, *accounts, *paid, *back)


def least_to_keep(amount: np.ndarray, kept_share: float) -> np.ndarray:
    """int64: the least money that reaches the kept share of each amount, 0.9 being exactly nine tenths;
    NO_MONEY unless positive.
    """
    share = Fraction(str(kept_share)).limit_denominator(SHARE_PRECISION)
    whole, rest = np.divmod(np.maximum(amount, 0), share.denominator)
    needed = whole * share.numerator - (-rest * share.numerator // share.denominator)
    return np.where(amount > 0, needed, NO_MONEY)


@compiled
def _outcomes(
    as_of,
    before,
    made_on,
    due_on,
    last_day,
    account_no,
    amount,
    needed,
    accounts,
    offsets,
    paid_on,
    known_on,
    paid,
    kind,
    back_offsets,
    back_known,
    back_amount,
):
    """Arrays of one row per promise; then those of Settlements, of which an account may have none."""
    states = np.full(as_of.size, UNJUDGED, np.int8)
    towards = np.full(as_of.size, NO_MONEY, np.int64)
    late = np.full(as_of.size, NO_MONEY, np.int64)
    first = last = np.int64(0)
    for row in range(as_of.size):
        if row == 0 or account_no[row] != account_no[row - 1]:  # promises mostly come by account
            place = np.searchsorted(accounts, account_no[row])
            there = place < accounts.size and accounts[place] == account_no[row]
            first, last = (offsets[place], offsets[place + 1]) if there else (np.int64(0), np.int64(0))
        if due_on[row] == NO_DAY or needed[row] == NO_MONEY:
            continue
        until = np.int64(last_day[row])
        sum_paid, reached_on = np.int64(0), np.int64(NO_MONEY)
        for payment in range(first, last):
            if paid_on[payment] < made_on[row]:
                continue
            if paid_on[payment] > until:
                break
            if kind[payment] == CREDIT or known_on[payment] >= before[row] or paid_on[payment] >= before[row]:
                continue
            net = paid[payment]
            for reversal in range(back_offsets[payment], back_offsets[payment + 1]):
                if back_known[reversal] < before[row]:
                    net -= back_amount[reversal]
            sum_paid += net
            if sum_paid >= needed[row] and reached_on == NO_MONEY:
                reached_on = paid_on[payment]
        towards[row] = min(sum_paid, amount[row])
        if reached_on != NO_MONEY:
            states[row] = KEPT
            late[row] = reached_on - due_on[row]
        else:
            states[row] = BROKEN if until < as_of[row] else OPEN
    return states, towards, late
