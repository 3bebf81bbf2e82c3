"""Plans and settlements as offers: within the policy's bounds the best of each kind, with what it is worth against
going on as today.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from models.belief import Belief
from models.plans import PLAN_COLUMNS, Plans, PlanTerms, plans
from models.settlements import SETTLEMENT_COLUMNS, SettlementTerms, settlements
from pipeline.treatment.bounds import settlement_bounds
from pipeline.treatment.policy import Policy

NOT_OFFERED = "not_offered"


@dataclass(frozen=True)
class Planned:
    """Plans, and each best one as an offer: `Proposals.planned` tells its columns. Index as the rows'."""

    plans: Plans
    offer: pd.DataFrame


@dataclass(frozen=True)
class Settled:
    """best: SETTLEMENT_COLUMNS of the best settlement, 0 where there is none, and why there is none; bounds: what each
    row may be let off, with what waiting is worth; terms: None where the policy settles nothing.
    """

    best: pd.DataFrame
    why: pd.Series
    bounds: pd.DataFrame
    terms: SettlementTerms | None


def best_plans(
    rows: pd.DataFrame, policy: Policy, as_of: int, breaks: Belief | None, agreement: Belief | None
) -> Planned:
    """The best plans within the bounds. breaks, agreement: learnt, in the place of the policy's tables."""
    terms = grantable_plans(policy, breaks)
    if terms is None:
        return no_plans(rows.index, NOT_OFFERED)
    return as_offers(plans(rows, as_of, terms), rows, policy, agreement)


def grantable_plans(policy: Policy, breaks: Belief | None) -> PlanTerms | None:
    """The policy's plans, as long as somebody may grant, with the breaks that are believed; None where none may be."""
    longest = max((each.instalments for each in policy.authority), default=0)
    terms = policy.plans
    if terms is None or longest < terms.least:
        return None
    return replace(terms, most=min(terms.most, longest), breaks=terms.breaks if breaks is None else breaks.curve)


def no_plans(index: pd.Index, why: str) -> Planned:
    """The same without any, for one reason."""
    nothing = pd.DataFrame(0, index=index, columns=list(PLAN_COLUMNS)).astype(_PLAN_TYPES)
    none = Plans(nothing, nothing, nothing, pd.Series(why, index=index, dtype="str"))
    offer = pd.DataFrame(0, index=index, columns=list(_OFFERED)).astype({"p_agree": "float64"})
    return Planned(none, offer)


def as_offers(found: Plans, rows: pd.DataFrame, policy: Policy, agreement: Belief | None) -> Planned:
    """Plans as offers: p_agree x what the plan brings + (1 - p_agree) x continuation - cost."""
    best = found.best
    there = best["instalments"].to_numpy() > 0
    brings = {
        end: (best[name] + best["cost"]).to_numpy(np.float64)
        for end, name in (("middle", "value"), ("low", "value_low"), ("high", "value_high"))
    }
    waiting = [rows[f"continuation{end}"].to_numpy(np.float64) for end in ("", "_low", "_high")]
    cost, many = best["cost"].to_numpy(), best["instalments"].to_numpy(np.float64)
    low, chance, high = (
        np.full(len(rows), getattr(policy.p_plan, end)) if agreement is None else agreement.curve.of(many, end)
        for end in ("low", "middle", "high")
    )
    agreed = np.rint(chance * brings["middle"]).astype(np.int64)
    refused = np.rint((1 - chance) * waiting[0]).astype(np.int64)
    value = agreed + refused - cost
    ends = (low, chance, high)
    low = np.minimum.reduce([p * brings["low"] + (1 - p) * waiting[1] - cost for p in ends])
    high = np.maximum.reduce([p * brings["high"] + (1 - p) * waiting[2] - cost for p in ends])
    whole = {
        "agreed_money": agreed,
        "refused_money": refused,
        "cost": cost,
        "value": value,
        "value_low": np.minimum(np.rint(low).astype(np.int64), value),
        "value_high": np.maximum(np.rint(high).astype(np.int64), value),
        "gain": value - np.rint(waiting[0]).astype(np.int64),
    }
    told = {name: np.where(there, each, 0) for name, each in whole.items()}
    offer = pd.DataFrame({"p_agree": np.where(there, chance, 0.0), **told}, index=rows.index)
    return Planned(found, offer[list(_OFFERED)])


_PLAN_TYPES = {
    "unit": "str", "after_payday": "bool", **dict.fromkeys(("supported", "burden", "p_break", "p_kept"), "float64")
}  # fmt: skip
_OFFERED = ("p_agree", "agreed_money", "refused_money", "cost", "value", "value_low", "value_high", "gain")


def best_settlements(rows: pd.DataFrame, policy: Policy, acceptance: Belief | None) -> Settled:
    """The best settlements within the bounds."""
    own = policy.settling
    if own is None:
        nothing = pd.DataFrame(0, index=rows.index, columns=list(SETTLEMENT_COLUMNS))
        return Settled(nothing, pd.Series(NOT_OFFERED, index=rows.index, dtype="str"), nothing, None)
    terms = own.terms if acceptance is None else replace(own.terms, acceptance=acceptance)
    bounds = rows[["continuation", "continuation_low", "continuation_high", "balance"]].assign(
        **settlement_bounds(rows, policy, own)
    )
    best, why = settlements(bounds, terms)
    return Settled(best, why, bounds, terms)
