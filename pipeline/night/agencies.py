"""Agencies set beside each other on what each was given: what came while they had it, against what was believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from features.currencies import DECIMALS
from models.routes import AGENCY, Party, compared
from pipeline.params import Params

AGENCY_COLUMNS = (
    *("party", "placed", "matured", "debtors", "expected", "recovered", "ratio", "ratio_low", "ratio_high", "by_lot"),
)


def agencies_compared(
    parts: Sequence[pd.DataFrame], parties: Sequence[Party], params: Params
) -> list[dict[str, str | int | float | bool | None]]:
    """AGENCY_COLUMNS of each agency that was given anything, by name: money in reporting units, ratio = recovered ÷
    expected with its 95 % interval by debtor, None where nothing has matured.

    parts: pipeline.panel.placements.PLACED_COLUMNS of all shards. A placement has matured when the agency's horizon and
    the maturity of payments are over. expected: what the policy believes of the kind and age on the day it was placed,
    the mean of what it believes of its agencies, so that it is the same whoever got the account. Placements in a
    currency without a rate take no part.
    """
    agencies = [party for party in parties if party.route == AGENCY]
    whole = pd.concat(parts, ignore_index=True)
    rates: Mapping[str, float] = {**params.money.rates, params.money.reporting_currency: 1.0}
    whole = whole[whole["currency"].isin(list(rates))]
    if not agencies or whole.empty:
        return []
    currency = whole["currency"]
    unit = currency.map(rates).to_numpy(np.float64) / 10.0 ** currency.map(DECIMALS).to_numpy(np.float64)
    kind, days = whole["kind"].to_numpy(object), whole["days_past_due"].to_numpy(np.int64)
    believed = np.stack([party.recovery.of(kind, days) for party in agencies])
    known = ~np.isnan(believed)
    share = np.nan_to_num(believed).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    money = whole.assign(
        expected=share * whole["balance"].to_numpy(np.float64) * unit,
        recovered=whole["recovered"].to_numpy(np.float64) * unit,
    )
    horizon = whole["party"].map({party.name: party.horizon_days for party in agencies}).to_numpy(np.float64)
    mature = money[(whole["lived_days"].to_numpy() >= horizon) & (money["expected"].to_numpy() > 0)]
    told = compared(mature, draws=params.evaluate.bootstrap_draws, seed=params.seed).set_index("party")
    placed = whole["party"].value_counts()
    return [_of_agency(str(name), int(placed[name]), told) for name in sorted(placed.index)]


def _of_agency(name: str, placed: int, told: pd.DataFrame) -> dict[str, Any]:
    if name not in told.index:
        nothing = dict.fromkeys(("ratio", "ratio_low", "ratio_high"))
        return {
            "party": name,
            "placed": placed,
            "matured": 0,
            "debtors": 0,
            "expected": 0.0,
            "recovered": 0.0,
            **nothing,
            "by_lot": False,
        }
    own = told.loc[name]
    return {
        "party": name,
        "placed": placed,
        "matured": int(own["placements"]),
        "debtors": int(own["debtors"]),
        **{part: float(own[part]) for part in ("expected", "recovered")},
        **{part: _figure(own[part]) for part in ("ratio", "ratio_low", "ratio_high")},
        "by_lot": bool(own["by_lot"]),
    }


def _figure(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
