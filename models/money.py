"""Amounts of several currencies on one scale: by the given rates,
never by adding minor units of different currencies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.errors import ContractError


@dataclass(frozen=True)
class MoneyScale:
    """Reporting units of one unit of each currency, and the decimals of its minor unit.

    A book in a single currency needs no rate: `resolve` then reports in that currency.
    """

    reporting: str
    rates: Mapping[str, float]
    decimals: Mapping[str, int]

    @classmethod
    def resolve(
        cls, present: Iterable[str], rates: Mapping[str, float], decimals: Mapping[str, int], reporting: str
    ) -> MoneyScale:
        """The scale for the currencies present. One currency without a rate reports in itself;
        several need a rate each.
        """
        present = sorted(set(present))
        given = {**rates, reporting: 1.0}
        if len(present) == 1 and present[0] not in given:
            given, reporting = {present[0]: 1.0}, present[0]
        lacking = [currency for currency in present if currency not in given]
        if lacking:
            raise ContractError(
                f"Currencies {', '.join(lacking)} have no rate to {reporting}, "
                "so their money cannot be compared. Add money.rates for them."
            )
        known = {currency: int(decimals[currency]) for currency in sorted(given) if currency in decimals}
        return cls(reporting, {currency: float(given[currency]) for currency in known}, known)

    def per_minor(self, currency: pd.Series) -> np.ndarray:
        """Reporting units of one minor unit, row by row (float64). ContractError for a currency without a rate."""
        names = pd.Categorical(currency.astype("str"))
        lacking = [name for name in names.categories if name not in self.rates]
        if lacking:
            raise ContractError(
                f"Currencies {', '.join(lacking)} have no rate to {self.reporting} in this model. "
                "Add money.rates for them and train again."
            )
        unit = np.array([self.rates[name] / 10 ** self.decimals[name] for name in names.categories], dtype=np.float64)
        return unit[names.codes] if len(unit) else np.zeros(len(names))
