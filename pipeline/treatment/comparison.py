"""Two policies side by side: what each would do tonight, who moves between them, and the money that came where the lot
had done as they would.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from models.belief import LEAST_MATURED
from models.resampling import debtor_draws, interval, ratios_of_sums
from models.routes import ROUTES
from pipeline.treatment.proposals import NOTHING, PLAN, SETTLEMENT, Proposals

BY_ROUTE = (
    "route",
    "party",
    "accounts",
    "balance",
    "value",
    "value_low",
    "value_high",
    "plans",
    "settlements",
    "let_off",
    "asked_a_month",
    "burden",
)
DIFFERENCE = "difference"


def by_route(rows: pd.DataFrame, unit: np.ndarray, found: Proposals) -> pd.DataFrame:
    """BY_ROUTE, in reporting units, in order of ROUTES and party: accounts, their balance and value; of those kept by
    us the plans and settlements that are proposed, what these let off, what those ask in a month, and the mean burden
    of a plan (NaN without one). unit: reporting units per minor unit of each row.

    value_low and value_high are sums of ends: that all accounts lie at theirs at once is possible, not likely.
    """
    chosen, offer = found.routes.chosen, _taken(found)
    best, settled = found.plans.best, found.settlements
    plan, settlement = (offer == PLAN).to_numpy(), (offer == SETTLEMENT).to_numpy()
    length = best["last_on"].to_numpy() - best["first_on"].to_numpy()
    monthly = np.divide(
        best["instalment"].to_numpy() * (best["instalments"].to_numpy() - 1) * _MONTH,
        length,
        out=np.zeros(len(rows)),
        where=plan & (length > 0),
    )
    told = pd.DataFrame(
        {
            "route": chosen["route"],
            "party": chosen["party"],
            "accounts": 1,
            "balance": rows["balance"].to_numpy() * unit,
            **{end: chosen[end].to_numpy() * unit for end in ("value", "value_low", "value_high")},
            "plans": plan.astype(np.int64),
            "settlements": settlement.astype(np.int64),
            "let_off": np.where(settlement, _in_offers(rows) - settled["amount"].to_numpy(), 0) * unit,
            "asked_a_month": monthly * unit,
            "burden": np.where(plan, best["burden"].to_numpy(), np.nan),
        },
        index=rows.index,
    )
    means = told.groupby(["route", "party"])["burden"].mean()
    sums = told.drop(columns="burden").groupby(["route", "party"]).sum().assign(burden=means).reset_index()
    return _in_order(sums)


def summed(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """BY_ROUTE of several nights, or parts of one, together; burden the mean of all their plans."""
    whole = pd.concat(parts, ignore_index=True)
    whole["burden"] = whole["burden"].fillna(0.0) * whole["plans"]
    found = whole.groupby(["route", "party"]).sum().reset_index()
    found["burden"] = found["burden"] / found["plans"].where(found["plans"] > 0)
    return _in_order(found)


def _in_order(sums: pd.DataFrame) -> pd.DataFrame:
    order = {name: place for place, name in enumerate(ROUTES)}
    return sums.sort_values(
        ["route", "party"], key=lambda part: part.map(order).fillna(0) if part.name == "route" else part
    )[list(BY_ROUTE)].reset_index(drop=True)


_MONTH = 365.25 / 12


def _in_offers(rows: pd.DataFrame) -> np.ndarray:
    """What is owed of each row and not disputed."""
    return rows["balance"].to_numpy() - (rows["disputed_owed"].to_numpy() if "disputed_owed" in rows else 0)


def _taken(found: Proposals) -> pd.Series:
    """The proposal of accounts that stay with us: one that leaves is offered nothing by us."""
    return found.offers["proposal"].where(found.routes.chosen["route"] == "internal", NOTHING)


def moved(rows: pd.DataFrame, unit: np.ndarray, before: Proposals, after: Proposals) -> pd.DataFrame:
    """Accounts of the same night that another policy treats otherwise: before, after (route, with the proposal of those
    that stay), accounts, balance, value_before, value_after, in reporting units; the most accounts first. Accounts that
    are treated alike under another value are not among them.
    """
    names = [_treatment(each) for each in (before, after)]
    told = pd.DataFrame(
        {
            "before": names[0],
            "after": names[1],
            "accounts": 1,
            "balance": rows["balance"].to_numpy() * unit,
            "value_before": before.routes.chosen["value"].to_numpy() * unit,
            "value_after": after.routes.chosen["value"].to_numpy() * unit,
        }
    )
    found = told[told["before"] != told["after"]].groupby(["before", "after"], sort=True).sum().reset_index()
    return found.sort_values("accounts", ascending=False, kind="stable", ignore_index=True)


def _treatment(found: Proposals) -> pd.Series:
    chosen, offer = found.routes.chosen, _taken(found)
    what = pd.Series(np.where(offer == NOTHING, chosen["party"], offer), index=chosen.index)
    return chosen["route"] + what.where(what == "", " " + what)


def as_it_came(offers: pd.DataFrame, would: Mapping[str, np.ndarray], *, draws: int, seed: int) -> pd.DataFrame:
    """What policies would have brought in on past nights: policy, covered, matched, money, low, high, why.

    offers, one row each: debtor_id, arm (discount or agency drawn), probability (of it; NaN where a person chose),
    matured, money (kept within the horizon, reporting units), stratum. would: policy -> arm that it would have chosen
    in each row. Of rows drawn by lot whose time is over, those count where the lot did as the policy would, each by 1 ÷
    its probability: money an offer, with its 95 % interval by debtor. covered: share of the drawn rows for which the
    policy's arm was ever drawn in their stratum; of the others nothing is known. matched: rows that count; below
    LEAST_MATURED there is no figure, and `why` says so. Of two policies a third row tells the second less the first, on
    the same draws.
    """
    probability = offers["probability"].to_numpy(np.float64)
    drawn = (probability > 0) & (probability < 1) & offers["matured"].to_numpy(bool)
    lot, asked = offers[drawn], {name: np.asarray(each)[drawn] for name, each in would.items()}
    who, weights = debtor_draws(lot["debtor_id"], draws, seed)
    weight, money = 1 / probability[drawn], lot["money"].to_numpy(np.float64)
    there = set(zip(lot["stratum"].astype("str"), lot["arm"], strict=True))
    found, figures = [], {}
    for name, chosen in asked.items():
        covered = [cell in there for cell in zip(lot["stratum"].astype("str"), chosen, strict=True)]
        match = lot["arm"].to_numpy() == chosen
        share = float(np.mean(covered)) if len(lot) else np.nan
        if match.sum() < LEAST_MATURED:
            told = f"{int(match.sum())} matured offers were drawn as this policy would, {LEAST_MATURED} are needed"
            found.append((name, share, int(match.sum()), np.nan, np.nan, np.nan, told))
            continue
        own = weight[match]
        figures[name] = ratios_of_sums(own * money[match], own, who[match], weights)
        found.append((name, share, int(match.sum()), *interval(figures[name]), ""))
    if len(would) == 2 and len(figures) == 2:
        one, other = figures.values()
        matched = min(row[2] for row in found)
        found.append((DIFFERENCE, min(row[1] for row in found), matched, *interval(other - one), ""))
    return pd.DataFrame(found, columns=["policy", "covered", "matched", "money", "low", "high", "why"])
