"""`recoup explain --offers`: some accounts of a night, of every way that they are treated, with their routes and sums
as a manager reads them.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd

from features.currencies import DECIMALS
from features.days import date_of
from features.errors import UsageError
from features.tables import NO_DAY
from models.routes import INTERNAL
from pipeline.night.feeds import check_feeds
from pipeline.night.offered import plain_saying
from pipeline.night.policies import night_of
from pipeline.night.treatment import UNTAUGHT, Treated, recorded_of, taken, undisputed
from pipeline.params import Params
from pipeline.store.store import Store
from pipeline.treatment.proposals import NOTHING, Proposals
from pipeline.treatment.telling import told


def explain_some(store_path: Path, as_of: dt.date, many: int, params: Params) -> str:
    """So many accounts of the night as it is in the store, each with what is proposed and every route's sum.

    Raises UsageError where the params name no policy.
    """
    if params.treatments is None:
        raise UsageError("There are no offers to tell of: the params' `treatments` is null. Name a policy there.")
    check_feeds(Store(store_path), as_of, params)
    _, treated = night_of(Store(store_path), as_of, params)
    policy, found, saying = treated.policy, treated.found, plain_saying()
    head = f"Offers and routes of {as_of}, by {policy.path.name} (sha256 {policy.digest[:16]})"
    if found is None:
        return f"{head}\n{UNTAUGHT}"
    ways = treated_as(found)
    chosen, rows = some_of(ways, treated, many), undisputed(treated.rows)
    lines = [f"{head}: {len(chosen)} of {len(rows):,} accounts, of each way the ones in its middle."]
    for place in chosen:
        same = int((ways == ways.iloc[place]).sum())
        about = f"{_about(treated.rows.iloc[place])}{_recorded(treated, place)}. Treated so: {same:,}."
        lines += ["", about, *told(rows, found, place, saying)]
    return "\n".join(lines)


def treated_as(found: Proposals) -> pd.Series:
    """str per row: the route with its party or, of those that stay, what is proposed, or why nothing is."""
    route, offer = found.routes.chosen, taken(found)
    stays = np.where(offer != NOTHING, offer, found.offers["why"])
    told = route["route"] + " " + np.where(route["route"] == INTERNAL, stays, route["party"])
    return told.astype("str")


def some_of(ways: pd.Series, treated: Treated, many: int) -> list[int]:
    """Places of so many rows: one of each way, the commonest first, then a second of each. Of a way those come first
    whose balance, in reporting units, lies nearest to its middle one.
    """
    owed = treated.rows["balance"].to_numpy(np.float64) * treated.rows["unit"].to_numpy(np.float64)
    by_way = {}
    for way in ways.value_counts().sort_index().sort_values(ascending=False, kind="stable").index:
        own = np.flatnonzero((ways == way).to_numpy())
        by_way[way] = own[np.argsort(np.abs(owed[own] - np.median(owed[own])), kind="stable")].tolist()
    found: list[int] = []
    for turn in range(max((len(own) for own in by_way.values()), default=0)):
        found += [own[turn] for own in by_way.values() if turn < len(own)]
        if len(found) >= many:
            break
    return found[:many]


def _about(row: pd.Series) -> str:
    currency = str(row["currency"])
    owed = f"{row['balance'] / 10 ** DECIMALS[currency]:,.{DECIMALS[currency]}f} {currency}"
    paid = "no payment yet" if row["last_payment"] == NO_DAY else f"paid last on {date_of(int(row['last_payment']))}"
    where = row["place"] or "place unknown"
    return (
        f"{row['account_id']} of {row['debtor_id']}: {row['portfolio']}, {row['product']}, {where}; "
        f"owes {owed}, {row['days_past_due']} days past due; {paid}; {row['in_house_days']} days with us"
    )


def _recorded(treated: Treated, place: int) -> str:
    """Statuses for which the policy offers nothing, in force on any account of the debtor."""
    names = [*treated.policy.specialist, *treated.policy.never]
    own = recorded_of(treated.rows.iloc[[place]], names).iloc[0]
    there = [name for name in names if own[name]]
    return f"; on record: {', '.join(there)}" if there else ""
