"""How good a score is before any label has matured: what its own chances foretell of its order and of the money, and
what came of it once it is known.

If the chances are calibrated, an account pays with just that chance, so that the share of pairs of a payer and another
in the right order, and the money, have an expectation and a spread without a single outcome. That they are calibrated
is what early payments, and later the labels, must show.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

Z95 = 1.959964


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95 % interval; NaN and no bounds where nothing can be said."""

    value: float
    low: float
    high: float


NOTHING = Interval(math.nan, -math.inf, math.inf)


def foretold_auc(chance: np.ndarray) -> Interval:
    """The AUC that calibrated chances foretell of their own order, ties counting half."""
    return _auc(chance, chance, 1 - chance)


def realised_auc(chance: np.ndarray, recovered: np.ndarray) -> Interval:
    """The AUC of chances against what came; recovered: 1 or 0."""
    return _auc(chance, recovered, 1 - recovered)


def foretold_money(debtors: pd.Series, chance: np.ndarray, expected: np.ndarray) -> Interval:
    """The sum of the money expected; its spread by debtor, whose accounts are taken to pay or not pay together.
    expected: chance x amount, in one currency.
    """
    likely = np.maximum(chance, 1e-9)
    spread = expected * np.sqrt((1 - likely) / likely)
    whole = math.sqrt(float((pd.Series(spread).groupby(debtors.to_numpy()).sum() ** 2).sum()))
    total = float(expected.sum())
    return Interval(total, max(total - Z95 * whole, 0.0), total + Z95 * whole)


def quotient(one: Interval, other: Interval) -> Interval:
    """One estimate over another that does not depend on it; to first order."""
    if not (one.value > 0 and other.value > 0 and math.isfinite(one.high) and math.isfinite(other.high)):
        return NOTHING
    value = one.value / other.value
    parts = [(each.high - each.low) / (2 * each.value) for each in (one, other)]
    spread = value * math.hypot(*parts)
    return Interval(value, max(value - spread, 0.0), value + spread)


def _auc(order: np.ndarray, payers: np.ndarray, others: np.ndarray) -> Interval:
    """payers, others: how much of a payer and of another each row is. Interval by Hanley and McNeil (1982)."""
    many, few = float(payers.sum()), float(others.sum())
    if not (many > 0 and few > 0):
        return NOTHING
    _, place = np.unique(order, return_inverse=True)
    of_payers, of_others = np.bincount(place, payers), np.bincount(place, others)
    below = np.cumsum(of_others) - of_others
    auc = float((of_payers * (below + of_others / 2)).sum() / (many * few))
    both, either = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (many - 1) * (both - auc**2) + (few - 1) * (either - auc**2)
    error = Z95 * math.sqrt(max(spread, 0.0) / (many * few))
    return Interval(auc, max(auc - error, 0.0), min(auc + error, 1.0))
