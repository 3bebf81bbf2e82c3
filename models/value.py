"""What an account is worth to us: an expected amount in, its net value in the reporting currency out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.response import attempt_cost

# What a value counts: all that an account returns, or what working it adds.
TOTAL, ADDED = "expected_recovery", "added_recovery"
NO_RATE = "money.no_rate"
VALUE_COLUMNS = (
    *("fx", "share", "annual_rate", "days_to_pay", "discount"),
    *("attempts", "cost_per_attempt", "contact_cost", "net_value"),
)


@dataclass(frozen=True)
class ValueTerms:
    """What turns an expected amount into net value.

    of            the column that is valued: TOTAL or ADDED

    fx            currency -> reporting units per one unit; a currency without one cannot be valued
    decimals      currency -> decimals of its minor unit, the reporting currency's too
    share, annual_rate, days_to_pay   by portfolio
    costs         channel -> reporting units of one attempt
    """

    reporting_currency: str
    fx: Mapping[str, float]
    decimals: Mapping[str, int]
    share: Mapping[str, float]
    annual_rate: Mapping[str, float]
    days_to_pay: Mapping[str, float]
    costs: Mapping[str, float]
    of: str = TOTAL


def worth(rows: pd.DataFrame, terms: ValueTerms) -> pd.DataFrame:
    """fx, share, annual_rate, days_to_pay, discount per row, and worth: fx x share x terms.of x discount, reporting
    units.

    rows: currency, portfolio, the column that terms.of names (int64 minor units of the currency),
    own_days_to_pay where a model tells when an account pays (NaN: its portfolio's mean). Without a rate fx and
    worth are NaN.
    """
    fx = _looked_up(rows["currency"], terms.fx)
    minor = _looked_up(rows["currency"], {name: 10.0**decimals for name, decimals in terms.decimals.items()})
    share, annual_rate, days = (
        _looked_up(rows["portfolio"], by) for by in (terms.share, terms.annual_rate, terms.days_to_pay)
    )
    if "own_days_to_pay" in rows:
        own = rows["own_days_to_pay"].to_numpy(dtype=np.float64)
        days = np.where(np.isnan(own), days, own)
    discount = (1.0 + annual_rate) ** (-days / 365.0)
    recovered = rows[terms.of].to_numpy(dtype=np.float64) / minor
    return pd.DataFrame(
        {
            "fx": fx,
            "share": share,
            "annual_rate": annual_rate,
            "days_to_pay": days,
            "discount": discount,
            "worth": fx * share * recovered * discount,
        },
        index=rows.index,
    )


def _looked_up(cells: pd.Series, told: Mapping[str, float]) -> np.ndarray:
    """float64: what is told of each cell's text, asked once for each that there is; NaN where nothing is."""
    codes, names = pd.factorize(cells)
    return np.array([*(told.get(str(name), np.nan) for name in names), np.nan], np.float64)[codes]


def net_value(rows: pd.DataFrame, terms: ValueTerms, found: pd.DataFrame | None = None) -> pd.DataFrame:
    """VALUE_COLUMNS per row: net_value = fx x share x terms.of / (1 + annual_rate)^(days_to_pay / 365) - contact_cost.

    rows: those of `worth`, channel ("" where nothing is planned: no cost), attempts (planned on it; 1 where the column
    is not there). cost_per_attempt, contact_cost (of all planned attempts) and net_value are int64 minor units of the
    reporting currency, rounded half-even. Without a rate net_value is 0. found: `worth` of the same, where it is known.
    """
    found = worth(rows, terms) if found is None else found
    unit = 10.0 ** terms.decimals[terms.reporting_currency]
    attempts = rows["attempts"].to_numpy(dtype=np.int64) if "attempts" in rows else np.ones(len(rows), np.int64)
    channel = rows["channel"]
    costs = {str(name): attempt_cost(str(name), terms.costs) for name in channel.unique()}
    cost = np.rint(_looked_up(channel, costs) * unit)
    spent = attempts * cost
    net = np.rint(found["worth"].to_numpy() * unit - spent)
    return found.drop(columns="worth").assign(
        attempts=np.where(channel == "", 0, attempts),
        cost_per_attempt=cost.astype(np.int64),
        contact_cost=spent.astype(np.int64),
        net_value=np.where(np.isnan(net), 0.0, net).astype(np.int64),
    )
