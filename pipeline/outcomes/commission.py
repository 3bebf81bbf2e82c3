"""What of a book's money is commission, and what is to be remitted: at the rate of the params where the book is worked
for a client, at the rates of its placements where agencies work it. Currencies are added by a dated rate alone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import numpy as np
import pandas as pd

from features.currencies import DECIMALS
from features.tables import NO_DAY, NO_MONEY, NO_SHARE, WHOLE_SHARE
from features.versions import arranged, is_last_known, superseded_on
from pipeline.params import Params

FOR_CLIENT = "third_party_collector"
PLACED = ("account_no", "party", "rate", "from_on", "until_on", "fixed")
OURS, BY_AGENCIES, NONE = "share", "placements", "none"


def placed(tables: Mapping[str, pd.DataFrame], as_of: int) -> pd.DataFrame:
    """PLACED of every placement with an agency as last known before the night: rate in millionths (NO_SHARE: not
    delivered), the days [from_on, until_on) of it, its fixed cost in minor units."""
    if "placements" not in tables:
        return pd.DataFrame({name: pd.Series(dtype="str" if name == "party" else "int64") for name in PLACED})
    frame = arranged(tables["placements"], "placements")
    gone = superseded_on(frame, ["account_no", "placement_no"], "placements")
    kept = is_last_known(frame["known_on"].to_numpy(), gone, as_of) & (frame["route"] == "agency").to_numpy()
    found = frame[kept & (frame["placed_on"].to_numpy() < as_of)]
    until = found["recalled_on"].to_numpy(np.int64)
    cost = found["fixed_cost"].to_numpy(np.int64)
    return pd.DataFrame(
        {
            "account_no": found["account_no"].to_numpy(),
            "party": found["party"].astype("str").to_numpy(),
            "rate": found["commission"].to_numpy(np.int64),
            "from_on": found["placed_on"].to_numpy(np.int64),
            "until_on": np.where(until == NO_DAY, as_of, until),
            "fixed": np.where(cost == NO_MONEY, 0, cost),
        }
    )


def commission(
    portfolio: str,
    payments: pd.DataFrame,
    placements: pd.DataFrame,
    before: pd.DataFrame,
    first: int,
    params: Params,
) -> dict[str, Any]:
    """Of one book and currency, of what became known of payments in the span from day `first` on
    (features.settlements.newly_known): reports whose spans follow on one another count every payment once, and give
    back what was taken back later. placements, before: PLACED as known at the end of the span, and before it.

    kind     OURS: the share of the params on all of it; BY_AGENCIES: each payment at the rate of the agency with
             which its account was that day; NONE: all of it is the owner's
    rows     [party, rate or None, amount, commission or None, fixed cost of placements that became known in the span]
    amount, earlier        minor units: all of it, and that of payments of days before `first`
    commission, remitted   minor units, rounded half-even once a row; remitted = amount less commission and costs
    """
    came = int(payments["amount"].sum())
    earlier = int(payments.loc[payments["occurred_on"] < first, "amount"].sum())
    told = params.portfolios.get(portfolio, params.portfolio_defaults)
    if told.role == FOR_CLIENT:
        due = _part(came, Decimal(str(told.share)))
        return _told(OURS, [["", float(told.share), came, due, 0]], came, earlier)
    rows = []
    if len(placements) + len(before):
        costs = _costs(placements).sub(_costs(before), fill_value=0).sort_index()
        with_them = payments.merge(placements, on="account_no")
        there = with_them["occurred_on"].between(with_them["from_on"], with_them["until_on"], inclusive="left")
        with_them = with_them[there]
        for (party, rate), cost in costs.items():
            money = with_them.loc[(with_them["party"] == party) & (with_them["rate"] == rate), "amount"]
            amount = int(money.sum())
            fixed = int(cost)
            if not amount and not fixed:
                continue
            known = rate != NO_SHARE
            due = _part(amount, Decimal(int(rate)) / WHOLE_SHARE) if known else None
            rows.append([party, int(rate) / WHOLE_SHARE if known else None, amount, due, fixed])
    return _told(BY_AGENCIES if rows else NONE, rows, came, earlier)


def _costs(placements: pd.DataFrame) -> pd.Series:
    """Minor units of all of them by (party, rate)."""
    return placements.groupby(["party", "rate"])["fixed"].sum()


def _part(amount: int, share: Decimal) -> int:
    return int((amount * share).to_integral_value(ROUND_HALF_EVEN))


def _told(kind: str, rows: list[list[Any]], came: int, earlier: int) -> dict[str, Any]:
    cost = sum((row[3] or 0) + row[4] for row in rows)
    return {
        "kind": kind,
        "rows": rows,
        "amount": came,
        "earlier": earlier,
        "commission": sum(row[3] or 0 for row in rows),
        "fixed": sum(row[4] for row in rows),
        "remitted": came - cost,
        "unknown": sum(row[3] is None for row in rows),
    }


def added_up(sums: Mapping[str, Mapping[str, int]], as_of: dt.date, params: Params) -> dict[str, Any] | None:
    """Sums of several currencies in the reporting currency; None where there is one currency alone.

    sums: name of a sum -> currency -> minor units. Where a currency has no rate, or the rates are of the night's day or
    later, nothing is added, and `why` says it.
    """
    currencies = sorted({code for by in sums.values() for code in by})
    if len(currencies) < 2:
        return None
    money = params.money
    told: dict[str, Any] = {"currency": money.reporting_currency, "rates_date": money.rates_date.isoformat()}
    rates = {**money.rates, money.reporting_currency: 1.0}
    if lacking := [code for code in currencies if code not in rates]:
        return {**told, "why": "no_rate", "lacking": lacking}
    if money.rates_date >= as_of:
        return {**told, "why": "rate_later"}
    unit = 10 ** DECIMALS[money.reporting_currency]
    whole = {
        name: sum(Decimal(minor).scaleb(-DECIMALS[code]) * Decimal(str(rates[code])) for code, minor in by.items())
        for name, by in sums.items()
    }
    return {**told, **{name: int((value * unit).to_integral_value(ROUND_HALF_EVEN)) for name, value in whole.items()}}
