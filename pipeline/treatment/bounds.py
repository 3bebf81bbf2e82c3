"""What the policy lets be let off or spread on an account, and who of the house may grant it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from models.plans import supported
from models.settlements import FULL
from pipeline.treatment.policy import Policy, Settling


def settlement_bounds(rows: pd.DataFrame, policy: Policy, own: Settling) -> dict[str, np.ndarray]:
    """cost, least, most and largest of models.settlements per row; largest 0 in a currency that the policy lacks, and
    of a debt with no part of which the house may part.
    """
    currency, balance = rows["currency"].astype("str"), rows["balance"].to_numpy(np.float64)
    cost, least = (
        currency.map({name: float(amount) for name, amount in by.items()}).to_numpy(np.float64)
        for by in (own.cost, own.least_amount)
    )
    kind, days = rows["kind"].astype("str").to_numpy(object), rows["days_past_due"].to_numpy(np.int64)
    unknown, support = _support(rows, policy)
    largest = np.minimum(np.nan_to_num(own.largest.of(kind, days)), _grantable(rows, policy, unknown))
    most = np.full(len(rows), np.nan) if own.months_of_support is None else own.months_of_support * support
    if own.if_unknown == "never":
        most = np.where(unknown, 0.0, most)
    open_ = ~np.isnan(cost) & ~np.isnan(least) & rows["may_part"].to_numpy(bool)
    return {
        "cost": np.nan_to_num(cost).astype(np.int64),
        "least": np.ceil(np.maximum(np.nan_to_num(least), own.floor * balance)).astype(np.int64),
        "most": most,
        "largest": np.where(open_, largest, 0.0),
    }


def _support(rows: pd.DataFrame, policy: Policy) -> tuple[np.ndarray, np.ndarray]:
    """(whether it matters and is not known what own payments support, what they support a month, NaN where unknown)."""
    if policy.plans is None or policy.settling is None or policy.settling.months_of_support is None:
        return np.zeros(len(rows), bool), np.full(len(rows), np.nan)
    support = supported(rows, "month", policy.plans)["supported"].to_numpy()
    return np.isnan(support), support


def _grantable(rows: pd.DataFrame, policy: Policy, unknown: np.ndarray) -> np.ndarray:
    """The largest discount that anybody may grant on the row's balance, in whole steps of 1 / FULL and so that what is
    let off is no minor unit above his limit; where support is unknown, only the last may.
    """
    currency, balance = rows["currency"].astype("str"), rows["balance"].to_numpy(np.int64)
    found = np.zeros(len(rows))
    for each in policy.authority:
        limit = currency.map({name: float(amount) for name, amount in each.let_off.items()}).to_numpy(np.float64)
        most = np.nan_to_num(limit).astype(np.int64)
        steps = ((most + 1) * FULL - 1) // np.maximum(balance, 1)  # the most of which balance x steps // FULL <= most
        share = np.where((balance > 0) & (most > 0), np.minimum(steps, FULL) / FULL, 0.0)
        share[_referred(policy, unknown) & (each is not policy.authority[-1])] = 0.0
        found = np.maximum(found, np.minimum(share, each.discount))
    return found


def _referred(policy: Policy, unknown: np.ndarray) -> np.ndarray:
    """Rows whose settlement only the last authority may grant: nothing shows what they can pay."""
    return unknown & (policy.settling is not None and policy.settling.if_unknown == "refer")


def grants_settlement(rows: pd.DataFrame, policy: Policy, settlement: pd.DataFrame) -> np.ndarray:
    """The first of the policy's authorities that may let off what a row's settlement does, "" where none may.
    settlement: discount, and amount to be paid of the row's balance.
    """
    found = np.full(len(rows), "", dtype=object)
    currency = rows["currency"].astype("str")
    let_off = (rows["balance"] - settlement["amount"]).to_numpy()
    referred = _referred(policy, _support(rows, policy)[0])
    for each in reversed(policy.authority):
        limit = currency.map({name: float(amount) for name, amount in each.let_off.items()}).to_numpy(np.float64)
        settles = (settlement["discount"].to_numpy() <= each.discount) & (let_off <= np.nan_to_num(limit, nan=-1.0))
        found[settles & (~referred | (each is policy.authority[-1]))] = each.who
    return found


def grants_plan(policy: Policy, instalments: np.ndarray) -> np.ndarray:
    """The first of the policy's authorities that may agree to so many instalments, "" where none may."""
    found = np.full(len(instalments), "", dtype=object)
    for each in reversed(policy.authority):
        found[instalments <= each.instalments] = each.who
    return found
