"""What a debtor's scorable accounts of one night add up to. A debtor lies in one shard,
so nothing here crosses shards.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import pandas as pd

from features.currencies import DECIMALS
from features.terms import Terms
from features.vocabulary import Agg


class Holdings:
    """The rows of a cohort by debtor and as_of.

    group      int64 per row: number of its (debtor, as_of)
    currency   int64 per row: place of its currency in `currencies`
    mixed      bool per row: the group's accounts differ in currency
    """

    def __init__(self, debtor_id: pd.Series, as_of: np.ndarray, currency: pd.Series, terms: Terms):
        debtors = pd.factorize(debtor_id)[0].astype(np.int64)
        nights, night = np.unique(as_of, return_inverse=True)
        self.group, distinct = pd.factorize(debtors * max(nights.size, 1) + night)
        self.groups = distinct.size
        self.currency, self.currencies = pd.factorize(currency)
        low, high = np.full(self.groups, len(self.currencies)), np.full(self.groups, -1)
        np.minimum.at(low, self.group, self.currency)
        np.maximum.at(high, self.group, self.currency)
        self.mixed = (low != high)[self.group]
        self._rates = [exact_rate(str(name), terms) for name in self.currencies]

    def without_rate(self) -> dict[str, int]:
        """Currency -> rows of debtors with accounts in several currencies whose sum is missing
        because it has no rate.
        """
        codes = self.currency[self.mixed]
        counts = {
            str(name): int((codes == code).sum())
            for code, name in enumerate(self.currencies)
            if self._rates[code] is None
        }
        return {name: count for name, count in counts.items() if count}

    def over(self, agg: Agg, values: np.ndarray | None, is_money: bool) -> np.ndarray:
        """float64 per row: the aggregate over the row's group. See spec.Debtor for what missing means."""
        if agg is Agg.COUNT:
            return np.bincount(self.group, minlength=self.groups).astype(np.float64)[self.group]
        if agg is Agg.SUM:
            return (
                self._money(values)
                if is_money
                else np.bincount(self.group, weights=values, minlength=self.groups)[self.group]
            )
        if agg is Agg.MAX:
            return -self.over(Agg.MIN, -values, is_money)
        if is_money:
            values = np.where(self.mixed, np.nan, values)
        least = np.full(self.groups, np.inf)
        given = ~np.isnan(values)
        np.minimum.at(least, self.group[given], values[given])
        return np.where(np.isinf(least), np.nan, least)[self.group]

    def any(self, rows: np.ndarray) -> np.ndarray:
        """bool per row: whether it holds of any row of the row's group."""
        return (np.bincount(self.group[rows], minlength=self.groups) > 0)[self.group]

    def _money(self, values: np.ndarray) -> np.ndarray:
        """Minor units in each row's own currency; whole numbers below 2**53 add up exactly in any order,
        rates as exact fractions.
        """
        sums = np.bincount(self.group, weights=values, minlength=self.groups)[self.group]
        rows = np.flatnonzero(self.mixed)
        if not rows.size:
            return sums
        held: dict[int, dict[int, float]] = {}
        for group, currency, value in zip(self.group[rows], self.currency[rows], values[rows], strict=True):
            own = held.setdefault(group, {})
            own[currency] = own.get(currency, 0.0) + value
        done: dict[tuple[int, int], float] = {}
        for row in rows:
            key = self.group[row], self.currency[row]
            if key not in done:
                done[key] = self._converted(held[key[0]], key[1])
            sums[row] = done[key]
        return sums

    def _converted(self, held: Mapping[int, float], into: int) -> float:
        if any(self._rates[code] is None for code in held) or any(np.isnan(value) for value in held.values()):
            return np.nan
        total = (
            sum((Fraction(value) * self._rates[code] for code, value in held.items()), Fraction(0)) / self._rates[into]
        )
        return float(round(total))  # a Fraction rounds half to even


def exact_rate(currency: str, terms: Terms) -> Fraction | None:
    """Reporting units per minor unit, exactly as written; None without a rate or decimals."""
    decimals = terms.decimals.get(currency, DECIMALS.get(currency))
    if currency not in terms.rates or decimals is None:
        return None
    return Fraction(str(terms.rates[currency])) / 10**decimals
