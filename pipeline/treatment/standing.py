"""Offers that were made and still may be taken: each repeated as it stands, where policy and law still let it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from features.tables import NO_DAY
from models.belief import Belief
from models.plans import PlanTerms, stated_plans
from models.settlements import FULL, allowed_at, settled_amount, settlement_at
from pipeline.treatment.bounds import grants_plan, grants_settlement, settlement_bounds
from pipeline.treatment.policy import Policy

# Of each account the offer on it that may still be taken: offer_id "" where there is none, or another of the debtor's
# stands before it; offer_binds: one binds its debtor, on whichever account. Amount in minor units, days as day numbers.
STANDING_COLUMNS = (
    *("offer_id", "offer_kind", "offered_on", "offer_until", "offer_amount", "offer_discount", "offer_instalments"),
    *("offer_first_on", "offer_variant", "offer_probability", "offer_binds"),
)
# Why an offer is not repeated.
OUTSIDE_NOW, OVERTAKEN, NOT_HERE, DUE_DAY = "offer_outside", "offer_overtaken", "offer_elsewhere", "offer_due_day"
UNIT_UNKNOWN = "offer_unit"


def nothing_stands(index: pd.Index) -> pd.DataFrame:
    """STANDING_COLUMNS of accounts on whose debtors no offer stands."""
    texts = dict.fromkeys(("offer_id", "offer_kind", "offer_variant"), pd.Series("", index, dtype="str"))
    days = dict.fromkeys(("offered_on", "offer_until", "offer_first_on"), NO_DAY)
    shares = dict.fromkeys(("offer_discount", "offer_probability"), np.nan)
    numbers = dict.fromkeys(("offer_amount", "offer_instalments"), 0)
    whole = pd.DataFrame({**texts, **days, **shares, **numbers, "offer_binds": False}, index=index)
    return whole[list(STANDING_COLUMNS)]


@dataclass(frozen=True)
class Repeated:
    """terms: PLAN_COLUMNS or SETTLEMENT_COLUMNS, of the rows asked about; why: "" where the offer is repeated; grants:
    who may grant it, "" where it is not repeated. Index as the rows'.
    """

    terms: pd.DataFrame
    why: pd.Series
    grants: np.ndarray


def settlements_as_made(
    rows: pd.DataFrame, made: pd.DataFrame, policy: Policy, acceptance: Belief | None
) -> Repeated | None:
    """Settlements of the amount and discount that were offered; None where the policy has none. made: STANDING_COLUMNS
    of the same rows.

    Where more is owed by now, the amount lets off more than the discount said: that must lie within the bounds, too.
    Where less is owed than the discount was taken off, money came meanwhile, and the amount would ask for it again.
    """
    own = policy.settling
    if own is None:
        return None
    terms = own.terms if acceptance is None else replace(own.terms, acceptance=acceptance)
    names = ["continuation", "continuation_low", "continuation_high", "balance"]
    bounds = rows[names].assign(**settlement_bounds(rows, policy, own))
    discount, amount = made["offer_discount"].to_numpy(np.float64), made["offer_amount"].to_numpy(np.int64)
    told = settlement_at(bounds, np.nan_to_num(discount), terms, amount)
    listed = np.isin(np.rint(np.nan_to_num(discount) * FULL), np.rint(np.array(terms.discounts) * FULL))
    balance = rows["balance"].to_numpy(np.int64)
    lets_off = np.divide(balance - amount, balance, out=np.zeros(len(rows)), where=balance > 0)
    by_now = told.assign(discount=np.maximum(told["discount"], lets_off))
    grants = grants_settlement(rows, policy, by_now)
    overtaken = amount > settled_amount(balance, np.nan_to_num(discount))
    outside = ~listed | ~allowed_at(bounds, by_now) | (grants == "")
    return _repeated(told, overtaken, outside, grants)


def plans_as_made(
    rows: pd.DataFrame, made: pd.DataFrame, policy: Policy, terms: PlanTerms | None, as_of: int
) -> Repeated | None:
    """Plans of the amount, number of instalments and first day that were offered; None where the policy has none.
    terms: the policy's, as far as somebody may grant them and with the breaks believed.
    """
    if terms is None:
        return None
    told, fits, unclear = stated_plans(
        rows,
        as_of,
        terms,
        amount=made["offer_amount"].to_numpy(np.int64),
        many=made["offer_instalments"].to_numpy(np.int64),
        first_on=made["offer_first_on"].to_numpy(np.int64),
    )
    grants = grants_plan(policy, made["offer_instalments"].to_numpy(np.int64))
    overtaken = made["offer_amount"].to_numpy(np.int64) > rows["balance"].to_numpy(np.int64)
    return _repeated(told, overtaken, ~fits | (grants == ""), grants, unclear)


def _repeated(
    told: pd.DataFrame,
    overtaken: np.ndarray,
    outside: np.ndarray,
    grants: np.ndarray,
    unclear: np.ndarray | bool = False,
) -> Repeated:
    why = np.select(
        [overtaken, np.broadcast_to(unclear, overtaken.shape), outside], [OVERTAKEN, UNIT_UNKNOWN, OUTSIDE_NOW], ""
    )
    return Repeated(told, pd.Series(why, index=told.index, dtype="str"), np.where(why == "", grants, ""))
