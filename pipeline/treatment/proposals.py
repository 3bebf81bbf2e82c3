"""What to offer whom, and by whom to have it worked: within the policy and the law, each with its terms and its value.

Whoever carries a status of the policy's lists is offered nothing and leaves nowhere; those of the specialist list are
told apart, so that a person looks at them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from features.errors import ContractError, some_ids
from models.belief import Belief
from models.plans import PLAN_COLUMNS, Plans, plans, supported
from models.routes import AGENCY, INTERNAL, OURS, Routes, RouteTerms, Share, kept_by_us, routes
from models.settlements import (
    FULL,
    NO_ARM,
    SETTLEMENT_COLUMNS,
    SettlementTerms,
    allowed_at,
    draw_arms,
    settlement_at,
    settlements,
    variant_of,
)
from pipeline.treatment.policy import Policy, Settling

PLAN, SETTLEMENT, NOTHING = "plan", "settlement", ""
SPECIALIST, STATUS, NO_CONTACT, NOT_OFFERED, WAITING = (
    "specialist",
    "status",
    "no_contact",
    "not_offered",
    "waiting_is_worth_more",
)
ROW_COLUMNS = (
    "account_id",
    "debtor_id",
    "currency",
    "kind",
    "place",
    "days_past_due",
    "balance",
    "continuation",
    "continuation_low",
    "continuation_high",
    "usual_payment",
    "usual_gap_days",
    "payday",
    "other_plans",
    "disposable_income",
    "in_house_days",
    "offers_refused",
    "contact_open",
    "legal_open",
    "may_part",
)
OFFER_COLUMNS = (
    "proposal",
    "why",
    "value",
    "value_low",
    "value_high",
    "gain",
    "grants",
    "alternative",
    "variant",
    "probability",
)


@dataclass(frozen=True)
class Proposals:
    """Index as the rows'.

    offers       OFFER_COLUMNS: proposal PLAN, SETTLEMENT or NOTHING and why nothing; grants: who may grant it;
                 alternative: the other kind where it gains too; variant: the lot's, where the discount was
                 drawn (models.settlements.lots_of reads it back), and its probability
    plans        the plan of highest value with its two alternatives, of rows that may be offered one
    planned      of the best plan as an offer: p_agree, agreed_money, refused_money, cost, value, its ends, gain
    settlements  SETTLEMENT_COLUMNS, 0 where there is none, with `why`
    routes       with `probability` of a party that was drawn, NaN where none was
    specialist   bool: for a person who decides
    """

    offers: pd.DataFrame
    plans: Plans
    planned: pd.DataFrame
    settlements: pd.DataFrame
    routes: Routes
    specialist: pd.Series


def propose(
    rows: pd.DataFrame,
    recorded: pd.DataFrame,
    policy: Policy,
    as_of: int,
    seed: int,
    acceptance: Belief | None = None,
    breaks: Belief | None = None,
    learned: Mapping[str, Share] | None = None,
    agreement: Belief | None = None,
) -> Proposals:
    """Proposals and routes of a night.

    rows: ROW_COLUMNS. Minor units of the account's currency: balance (int64); continuation with its ends (what going on
    as today is worth within the policy's horizon); usual_payment; other_plans and disposable_income a month (NaN
    unknown). These three and usual_gap_days are the debtor's: what he can pay is shared among his accounts in the same
    currency by balance, so that their plans together ask no more than that. payday: day of the month, 0 unknown.
    contact_open: the law lets the debtor be contacted, today or later; legal_open: the law of a place that is signed
    off lets the account go to court. may_part: the house may part with the debt or some of it; else only plans
    are proposed, and it leaves nowhere. It may not with one worked for another, which is for its creditor to say, nor
    where what waiting is worth is not known to the policy's horizon, so that any discount would seem to gain.
    recorded: a bool column for every status that the policy names, aligned by position: in force on any account of the
    debtor. acceptance, breaks: learnt from offers and plans, in the place of the policy's tables; learned: party ->
    share that comes back; agreement: chance by number of instalments that a plan is agreed.

    An offer is for an account that stays with us: where another route is worth more than the best offer, it goes.
    Discounts are drawn by lot only for accounts that stay, so that no lot decides who leaves and every drawn offer is
    one that is made; what such an account is worth with us is then the value of the drawn one.
    Raises ContractError where a column or a continuation lacks: what is not known is not taken for absent.
    """
    _check(rows, recorded, policy)
    specialist = recorded[list(policy.specialist)].to_numpy(bool).any(axis=1)
    barred = recorded[list(policy.never)].to_numpy(bool).any(axis=1)
    contact = rows["contact_open"].to_numpy(bool)
    free = ~specialist & ~barred & contact
    own = _shared(rows)[free]
    planned = _planned(own, policy, as_of, breaks, agreement)
    settled = _settled(own, policy, acceptance)
    held = np.select([specialist, barred, ~contact], [SPECIALIST, STATUS, NO_CONTACT], "")
    why = pd.Series(held, index=rows.index, dtype="str")
    offers = _on_all(_offers(own, policy, planned, settled, _undrawn(own)), rows.index, why)
    asked = _with_offers(rows, offers).assign(
        specialist=specialist, leave_open=~specialist & ~barred & rows["may_part"].to_numpy(bool)
    )
    terms = RouteTerms(policy.parties, policy.internal_days, policy.annual_rate, learned=learned or {})
    found = routes(asked, terms)
    stays = (found.chosen["route"] == INTERNAL).to_numpy()[free]
    drawn = _drawn_discounts(own, policy, planned, settled, stays, seed)
    if (drawn["arm"] != NO_ARM).any():
        offers = _on_all(_offers(own, policy, planned, settled, drawn), rows.index, why)
        found = _with_drawn(found, _with_offers(rows, offers), offers["variant"] != "")
    internal = found.terms[INTERNAL, OURS]
    internal["source"] = internal["source"].mask(offers["proposal"] != NOTHING, "proposal")
    return Proposals(
        offers=offers,
        plans=Plans(
            *(_whole(getattr(planned.plans, name), rows.index) for name in ("best", "easier", "quicker", "why"))
        ),
        planned=_whole(planned.offer, rows.index),
        settlements=_whole(settled.best.assign(why=settled.why), rows.index),
        routes=_drawn_parties(asked, found, policy, seed),
        specialist=pd.Series(specialist, index=rows.index),
    )


def _check(rows: pd.DataFrame, recorded: pd.DataFrame, policy: Policy) -> None:
    if lacking := [name for name in ROW_COLUMNS if name not in rows]:
        raise ContractError.missing_columns("rows of treatments", lacking, rows.columns)
    if lacking := [name for name in (*policy.specialist, *policy.never) if name not in recorded]:
        raise ContractError.missing_columns("recorded statuses", lacking, recorded.columns)
    unknown = rows[["continuation", "continuation_low", "continuation_high"]].isna().any(axis=1)
    if unknown.any():
        raise ContractError(
            f"What waiting is worth is not known of {int(unknown.sum())} accounts "
            f"({some_ids(rows['account_id'][unknown].tolist())}), so no offer can be set against it. Score them first."
        )


def _shared(rows: pd.DataFrame) -> pd.DataFrame:
    """The same rows with the account's part of what its debtor can pay."""
    owed = rows["balance"].clip(lower=0).astype(np.float64)
    whole = owed.groupby([rows["debtor_id"].astype("str"), rows["currency"].astype("str")]).transform("sum")
    part = (owed / whole.where(whole > 0, 1.0)).to_numpy()
    return rows.assign(**{name: rows[name] * part for name in ("usual_payment", "other_plans", "disposable_income")})


def _with_offers(rows: pd.DataFrame, offers: pd.DataFrame) -> pd.DataFrame:
    """The same rows with what going on is worth by the proposal, where there is one."""
    kept = (offers["proposal"] != NOTHING).to_numpy()
    ends = {"continuation": "value", "continuation_low": "value_low", "continuation_high": "value_high"}
    worth = {end: np.where(kept, offers[name], np.rint(rows[end].to_numpy(np.float64))) for end, name in ends.items()}
    return rows.assign(**worth)


def _with_drawn(found: Routes, rows: pd.DataFrame, drawn: pd.Series) -> Routes:
    """The same routes; what an account with a drawn offer is worth with us is that offer's value."""
    internal = kept_by_us(rows)
    chosen = found.chosen.copy()
    for end in ("value", "value_low", "value_high"):
        chosen[end] = chosen[end].mask(drawn, internal[end])
    return Routes({**found.terms, (INTERNAL, OURS): internal}, chosen)


def _whole(found: pd.DataFrame | pd.Series, index: pd.Index) -> pd.DataFrame | pd.Series:
    """The same on all rows: 0, "" and false where the row was not asked."""
    if isinstance(found, pd.Series):
        return found.reindex(index, fill_value="").astype("str")
    blank = {"str": "", "object": "", "bool": False, "float64": np.nan}
    parts = {
        name: column.reindex(index, fill_value=blank.get(str(column.dtype), 0)).astype(column.dtype)
        for name, column in found.items()
    }
    return pd.DataFrame(parts, index=index)


# ---- plans and settlements as offers ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Planned:
    plans: Plans
    offer: pd.DataFrame


@dataclass(frozen=True)
class _Settled:
    best: pd.DataFrame
    why: pd.Series
    bounds: pd.DataFrame
    terms: SettlementTerms | None


def _planned(
    rows: pd.DataFrame, policy: Policy, as_of: int, breaks: Belief | None, agreement: Belief | None
) -> _Planned:
    """The best plans as offers: p_agree x what the plan brings + (1 - p_agree) x continuation - cost."""
    longest = max((each.instalments for each in policy.authority), default=0)
    terms = policy.plans
    if terms is None or longest < terms.least:
        nothing = pd.DataFrame(0, index=rows.index, columns=list(PLAN_COLUMNS))
        none = Plans(nothing, nothing, nothing, pd.Series(NOT_OFFERED, index=rows.index, dtype="str"))
        return _Planned(none, pd.DataFrame(0, index=rows.index, columns=list(_OFFERED)))
    terms = replace(terms, most=min(terms.most, longest), breaks=terms.breaks if breaks is None else breaks.curve)
    found = plans(rows, as_of, terms)
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
    return _Planned(found, offer[list(_OFFERED)])


_OFFERED = ("p_agree", "agreed_money", "refused_money", "cost", "value", "value_low", "value_high", "gain")


def _settled(rows: pd.DataFrame, policy: Policy, acceptance: Belief | None) -> _Settled:
    own = policy.settling
    if own is None:
        nothing = pd.DataFrame(0, index=rows.index, columns=list(SETTLEMENT_COLUMNS))
        return _Settled(nothing, pd.Series(NOT_OFFERED, index=rows.index, dtype="str"), nothing, None)
    terms = own.terms if acceptance is None else replace(own.terms, acceptance=acceptance)
    bounds = rows[["continuation", "continuation_low", "continuation_high", "balance"]].assign(
        **_bounds(rows, policy, own)
    )
    best, why = settlements(bounds, terms)
    return _Settled(best, why, bounds, terms)


def _bounds(rows: pd.DataFrame, policy: Policy, own: Settling) -> dict[str, np.ndarray]:
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


# ---- one offer a row -------------------------------------------------------------------------------------------------


def _offers(
    rows: pd.DataFrame, policy: Policy, planned: _Planned, settled: _Settled, drawn: pd.DataFrame
) -> pd.DataFrame:
    """OFFER_COLUMNS. Of what gains the kind of higher value; a plan, which lets nothing off, where both are equal."""
    plan, settlement = planned.offer, settled.best
    plan_gains, settlement_gains = ((each["gain"] > 0).to_numpy() for each in (plan, settlement))
    better = settlement["value"].to_numpy() > plan["value"].to_numpy()
    by_lot = drawn["arm"].to_numpy() != NO_ARM
    kind = np.select(
        [by_lot, settlement_gains & (better | ~plan_gains), plan_gains], [SETTLEMENT, SETTLEMENT, PLAN], ""
    )
    other = np.select([(kind == SETTLEMENT) & plan_gains, (kind == PLAN) & settlement_gains], [PLAN, SETTLEMENT], "")
    found: dict[str, object] = {"proposal": kind}
    tried = np.where(kind == NOTHING, np.where(planned.plans.why.to_numpy() == "", WAITING, planned.plans.why), "")
    found["why"] = np.where((kind == NOTHING) & (settled.why.to_numpy() == WAITING), WAITING, tried)
    for name in ("value", "value_low", "value_high", "gain"):
        found[name] = np.where(
            kind == SETTLEMENT, settlement[name], np.where(kind == PLAN, plan[name], np.zeros(len(rows)))
        ).astype(np.int64)
    found["grants"] = _granted(rows, policy, kind, planned, settlement)
    found["alternative"] = other
    found["variant"], found["probability"] = drawn["variant"].to_numpy(), drawn["probability"].to_numpy()
    whole = pd.DataFrame(found, index=rows.index)
    return whole.astype(dict.fromkeys(("proposal", "why", "grants", "alternative", "variant"), "str"))


def _undrawn(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"arm": NO_ARM, "variant": "", "probability": np.nan}, index=rows.index)


def _drawn_discounts(
    rows: pd.DataFrame, policy: Policy, planned: _Planned, settled: _Settled, stays: np.ndarray, seed: int
) -> pd.DataFrame:
    """arm, variant, probability of the discounts drawn by lot; settled.best then holds the drawn one.

    Drawn are rows that stay with us and whose proposal would be a settlement, among arms within their bounds that are
    no worse for the debtor than what would be proposed. stays: by the best offer, known before any lot.
    """
    nothing = _undrawn(rows)
    if not policy.discounts_drawn or settled.terms is None or not len(rows):
        return nothing
    arms = sorted(policy.discounts_drawn)
    best = settled.best
    gains = (best["gain"] > 0) & (best["value"] > planned.offer["value"].where(planned.offer["gain"] > 0, -1)) & stays
    told = [settlement_at(settled.bounds, np.full(len(rows), discount), settled.terms) for discount in arms]
    allowed = np.stack([allowed_at(settled.bounds, each) for each in told], axis=1) & gains.to_numpy()[:, None]
    allowed &= np.array(arms) >= best["discount"].to_numpy()[:, None]
    shares = [policy.discounts_drawn[discount] for discount in arms]
    arm, probability = draw_arms(rows["debtor_id"].astype("str"), allowed, shares, f"{seed}|discounts")
    drawn = arm != NO_ARM
    for number, each in enumerate(told):
        best.loc[drawn & (arm == number)] = each[drawn & (arm == number)]
    could = [[arms[place] for place in np.flatnonzero(each)] for each in allowed]
    names = [variant_of(arms[at], those) if at != NO_ARM else "" for at, those in zip(arm, could, strict=True)]
    return nothing.assign(arm=arm, variant=names, probability=probability)


def _granted(
    rows: pd.DataFrame, policy: Policy, kind: np.ndarray, planned: _Planned, settlement: pd.DataFrame
) -> np.ndarray:
    """The first of the policy's authorities that may grant the proposal."""
    found = np.full(len(rows), "", dtype=object)
    currency = rows["currency"].astype("str")
    let_off = (rows["balance"] - settlement["amount"]).to_numpy()
    referred = _referred(policy, _support(rows, policy)[0])
    for each in reversed(policy.authority):
        limit = currency.map({name: float(amount) for name, amount in each.let_off.items()}).to_numpy(np.float64)
        settles = (settlement["discount"].to_numpy() <= each.discount) & (let_off <= np.nan_to_num(limit, nan=-1.0))
        settles &= ~referred | (each is policy.authority[-1])
        spreads = planned.plans.best["instalments"].to_numpy() <= each.instalments
        found[((kind == SETTLEMENT) & settles) | ((kind == PLAN) & spreads)] = each.who
    return found


def _on_all(offers: pd.DataFrame, index: pd.Index, held: pd.Series) -> pd.DataFrame:
    whole = _whole(offers, index)
    return pd.DataFrame(whole)[list(OFFER_COLUMNS)].assign(why=lambda told: told["why"].where(held == "", held))


# ---- agencies by lot -------------------------------------------------------------------------------------------------


def _drawn_parties(rows: pd.DataFrame, found: Routes, policy: Policy, seed: int) -> Routes:
    """The same, with agencies drawn by lot where the policy says so and an agency was chosen: among those that may have
    the account and are worth more than 0 on it.
    """
    chosen = found.chosen.assign(probability=np.nan)
    parties = sorted(policy.parties_drawn)
    if parties and len(rows):
        told = [found.terms[AGENCY, party] for party in parties]
        allowed = np.stack([((each["why_not"] == "") & (each["value"] > 0)).to_numpy() for each in told], axis=1)
        allowed &= (chosen["route"] == AGENCY).to_numpy()[:, None] & chosen["party"].isin(parties).to_numpy()[:, None]
        shares = [policy.parties_drawn[party] for party in parties]
        arm, probability = draw_arms(rows["debtor_id"].astype("str"), allowed, shares, f"{seed}|parties")
        for number, party in enumerate(parties):
            own = arm == number
            chosen.loc[own, "party"] = party
            for end in ("value", "value_low", "value_high"):
                chosen.loc[own, end] = told[number][end][own]
        chosen["probability"] = probability
    return Routes(found.terms, chosen)
