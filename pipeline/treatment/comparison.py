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
    """What policies would have brought in on past nights: policy, drawn, covered, otherwise, matched, money, low, high,
    why.

    offers, one row each: debtor_id, arm (discount or agency drawn), could (all arms that the lot could have drawn for
    it), probability (of the arm; NaN where a person chose), matured, money (kept within the horizon, reporting units).
    would: policy -> arm that it would have chosen in each row. drawn: rows drawn by lot whose time is over. covered: of
    these, the rows whose lot could have drawn what each of the policies would have chosen; all figures are of them, for
    of the others no lot says what another choice would have brought. matched: covered rows where the lot did as the
    policy would; each counts by 1 ÷ its probability: money a covered row, with its 95 % interval by debtor.

    Of two policies a third row tells the second less the first, on the same draws. Covered rows for which both chose
    the same count as 0 in it; otherwise: those for which they chose two things; matched: of these, the fewer of the two
    policies'. Below LEAST_MATURED covered or matched rows there is no figure, and `why` says so.
    """
    probability = offers["probability"].to_numpy(np.float64)
    drawn = (probability > 0) & (probability < 1) & offers["matured"].to_numpy(bool)
    could, asked = offers["could"].to_numpy()[drawn], {name: np.asarray(each)[drawn] for name, each in would.items()}
    covered = np.ones(int(drawn.sum()), bool)
    for chosen in asked.values():
        covered &= np.array([arm in arms for arm, arms in zip(chosen, could, strict=True)], bool)
    lot = offers[drawn][covered]
    arm, money = lot["arm"].to_numpy(), lot["money"].to_numpy(np.float64)
    weight, (who, weights) = 1 / probability[drawn][covered], debtor_draws(lot["debtor_id"], draws, seed)

    def mean(rows: np.ndarray) -> np.ndarray:
        return ratios_of_sums((weight * money)[rows], weight[rows], who[rows], weights)

    match = {name: arm == each[covered] for name, each in asked.items()}
    otherwise = np.zeros(len(lot), bool)
    if len(asked) == 2:
        one, other = asked.values()
        otherwise = one[covered] != other[covered]
    few = f"the lot covers too few: {len(lot):,} of {len(covered):,} drawn, {LEAST_MATURED} are needed"
    found = []
    for name, rows in match.items():
        why = few if len(lot) < LEAST_MATURED else ""
        if not why and rows.sum() < LEAST_MATURED:
            why = f"{rows.sum()} covered were drawn as this policy would, {LEAST_MATURED} are needed"
        found.append((name, int(rows.sum()), *(_NO_FIGURE if why else interval(mean(rows))), why))
    if len(asked) == 2:
        one, other = (rows & otherwise for rows in match.values())
        matched, why = int(min(one.sum(), other.sum())), few if len(lot) < LEAST_MATURED else ""
        if not why and otherwise.any() and matched < LEAST_MATURED:
            why = (
                f"the lot covers too few whom they treat otherwise: {otherwise.sum():,}, of whom {matched} were drawn "
                f"as one of them would, {LEAST_MATURED} are needed"
            )
        gained = np.zeros(draws + 1)
        if not why and otherwise.any():
            share = ratios_of_sums(otherwise.astype(np.float64), np.ones(len(lot)), who, weights)
            gained = share * (mean(other) - mean(one))
        found.append((DIFFERENCE, matched, *(_NO_FIGURE if why else interval(gained)), why))
    told = pd.DataFrame(found, columns=["policy", "matched", "money", "low", "high", "why"])
    told = told.assign(drawn=len(covered), covered=len(lot), otherwise=int(otherwise.sum()))
    return told[["policy", "drawn", "covered", "otherwise", "matched", "money", "low", "high", "why"]]


_NO_FIGURE = (np.nan, np.nan, np.nan)
