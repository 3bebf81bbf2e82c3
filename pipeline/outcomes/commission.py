"""What of a book's money is commission, and what is to be remitted: at the rate of the params where the book is worked
for a client, at the rates of its placements where agencies work it. Currencies are added by a dated rate alone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import numpy as np
import pandas as pd

from features.currencies import DECIMALS
from features.tables import NO_DAY, NO_MONEY, NO_SHARE, WHOLE_SHARE
from features.versions import arranged, is_last_known, key_of, superseded_on
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


def at_agencies(tables: Mapping[str, pd.DataFrame], as_of: int) -> pd.DataFrame:
    """account_no and the days [from_on, until_on) of every status `agency` as last known before the night: such an
    account is with an agency, and a placement need not say with which. Placements stand among the statuses, too
    (features.agreements.with_placed), and are none of these: `placed` says of them until when, and with whom."""
    if "statuses" not in tables:
        return pd.DataFrame({name: pd.Series(dtype="int64") for name in ("account_no", "from_on", "until_on")})
    frame = arranged(tables["statuses"], "statuses")
    gone = superseded_on(frame, key_of(frame, "statuses"), "statuses")
    kept = is_last_known(frame["known_on"].to_numpy(), gone, as_of) & (frame["status"] == "agency").to_numpy()
    found = frame[kept & (frame["from_on"].to_numpy() < as_of)]
    if "placements" in tables and "charge_no" in found:
        told = tables["placements"][["account_no", "placement_no", "placed_on"]]
        own = pd.MultiIndex.from_frame(found[["account_no", "charge_no", "from_on"]].astype("int64"))
        found = found[~own.isin(pd.MultiIndex.from_frame(told.astype("int64")))]
    until = found["until_on"].to_numpy(np.int64)
    return pd.DataFrame(
        {
            "account_no": found["account_no"].to_numpy(),
            "from_on": found["from_on"].to_numpy(np.int64),
            "until_on": np.where(until == NO_DAY, as_of, until + 1),  # the last day of a status is one of it
        }
    )


def is_within(payments: pd.DataFrame, spells: pd.DataFrame) -> np.ndarray:
    """bool per payment (account_no, occurred_on): whether its day lies in a spell of its account: account_no, from_on,
    until_on, the last one not in it.
    """
    rows = payments[["account_no", "occurred_on"]].assign(place=np.arange(len(payments)))
    both = rows.merge(spells[["account_no", "from_on", "until_on"]], on="account_no")
    there = both["occurred_on"].between(both["from_on"], both["until_on"], inclusive="left")
    return np.isin(rows["place"].to_numpy(), both.loc[there, "place"].to_numpy())


@dataclass(frozen=True)
class Standing:
    """What was known of a book before a night. payments: account_no, occurred_on, amount of all of them, net
    (features.settlements.net_payments); placements: of `placed`; unnamed: of `at_agencies`.
    """

    payments: pd.DataFrame
    placements: pd.DataFrame
    unnamed: pd.DataFrame

    def by_agency(self) -> pd.DataFrame:
        """amount, fixed (minor units) by party and rate: of the payments of days on which the account was with it, and
        of its placements. party "": of days on which a status alone says that an agency had the account.
        """
        both = self.payments.merge(self.placements[list(PLACED)], on="account_no")
        there = both["occurred_on"].between(both["from_on"], both["until_on"], inclusive="left")
        alone = is_within(self.payments, self.unnamed) & ~is_within(self.payments, self.placements)
        parts = (
            both[there].assign(fixed=0),
            self.placements.assign(amount=0),
            self.payments[alone].assign(party="", rate=NO_SHARE, fixed=0),
        )
        kinds = {"party": "str", "rate": "int64", "amount": "int64", "fixed": "int64"}
        whole = pd.concat([part[list(kinds)].astype(kinds) for part in parts])
        return whole.groupby(["party", "rate"]).sum()


def commission(portfolio: str, then: Standing, now: Standing, first: int, params: Params) -> dict[str, Any]:
    """Of one book and currency, of what became known in the span from day `first` on: what stands now less what stood
    `then`, before the span. Reports whose spans follow on one another thereby count every payment, commission and cost
    once, and give back what was taken back or put right later.

    kind     OURS: the share of the params on all of it; BY_AGENCIES: each payment at the rate of the agency with
             which its account was that day; NONE: all of it is the owner's
    rows     [party, rate or None, amount, commission or None, fixed costs]; party "" where no placement names it
    amount, earlier        minor units: all of it, and that of payments of days before `first`
    commission, remitted   minor units, rounded half-even once a row; remitted = amount less commission and costs
    """
    before, after = then.payments, now.payments
    came = int(after["amount"].sum()) - int(before["amount"].sum())
    is_earlier = [frame["occurred_on"] < first for frame in (before, after)]
    earlier = int(after.loc[is_earlier[1], "amount"].sum()) - int(before.loc[is_earlier[0], "amount"].sum())
    told = params.portfolios.get(portfolio, params.portfolio_defaults)
    if told.role == FOR_CLIENT:
        due = _part(came, Decimal(str(told.share)))
        return _told(OURS, [["", float(told.share), came, due, 0]], came, earlier)
    rows = []
    changed = pd.concat([now.by_agency(), -then.by_agency()]).groupby(["party", "rate"]).sum()
    for (party, rate), (amount, fixed) in sorted(
        changed[(changed != 0).any(axis=1)].iterrows(), key=lambda row: (row[0][0] == "", row[0])
    ):
        known = rate != NO_SHARE
        due = _part(int(amount), Decimal(int(rate)) / WHOLE_SHARE) if known else None
        rows.append([party, int(rate) / WHOLE_SHARE if known else None, int(amount), due, int(fixed)])
    return _told(BY_AGENCIES if rows else NONE, rows, came, earlier)


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
