"""Promises to pay: kept, broken or open, judged on every night by the payments known before it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd

from features.compiled import compiled
from features.tables import NO_DAY, NO_MONEY

KEPT, BROKEN, OPEN, UNJUDGED = range(4)  # places in vocabulary.PROMISE_STATES
SHARE_PRECISION = 10**6


def is_promise(outcome: pd.Series) -> np.ndarray:
    """bool per contact: a promise to pay is what its outcome says; an amount or a day noted under another outcome promises nothing."""
    return (outcome == "promise").to_numpy(dtype=bool)


def reaching(amount: np.ndarray, kept_share: float) -> np.ndarray:
    """int64: the least money that reaches the kept share of each amount, 0.9 being exactly nine tenths; NO_MONEY unless positive."""
    share = Fraction(str(kept_share)).limit_denominator(SHARE_PRECISION)
    whole, rest = np.divmod(np.maximum(amount, 0), share.denominator)
    needed = whole * share.numerator - (-rest * share.numerator // share.denominator)
    return np.where(amount > 0, needed, NO_MONEY)


@compiled
def outcomes(as_of, made_on, due_on, amount, needed, grace_days, first, last, paid_on, known_on, paid, is_credit, back_offsets, back_known,
             back_amount):  # fmt: skip
    """State, money paid towards it (at most the amount) and days late of each promise on its night; arrays of one row per (night, promise).

    first, last  the settlements of the promise's account; credits do not count, payments count net of reversals known before the night
    A payment counts from the local day of the promise through due_on + grace_days, also towards other promises. Kept once it reaches
    `needed`; broken once due_on + grace_days has passed without; else open. Without amount or date: unjudged, nothing paid.
    days late = the day `needed` was reached - due_on, negative when early; NO_MONEY unless kept.
    """
    states = np.full(as_of.size, UNJUDGED, np.int8)
    towards = np.full(as_of.size, NO_MONEY, np.int64)
    late = np.full(as_of.size, NO_MONEY, np.int64)
    for row in range(as_of.size):
        if due_on[row] == NO_DAY or needed[row] == NO_MONEY:
            continue
        until = np.int64(due_on[row]) + grace_days
        sum_paid, reached_on = np.int64(0), np.int64(NO_MONEY)
        for payment in range(first[row], last[row]):
            if paid_on[payment] < made_on[row]:
                continue
            if paid_on[payment] > until:
                break
            if is_credit[payment] or known_on[payment] >= as_of[row] or paid_on[payment] >= as_of[row]:
                continue
            net = paid[payment]
            for reversal in range(back_offsets[payment], back_offsets[payment + 1]):
                if back_known[reversal] < as_of[row]:
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
