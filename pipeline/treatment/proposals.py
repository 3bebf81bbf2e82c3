"""What to offer whom, and by whom to have it worked: within the policy and the law, each with its terms and its value.

Whoever carries a status of the policy's lists is offered nothing and leaves nowhere; those of the specialist list are
told apart, so that a person looks at them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from features.errors import ContractError, some_ids
from models.belief import Belief
from models.due_day import EARLY, MOVE
from models.plans import Plans
from models.routes import AGENCY, BARRED, INTERNAL, OURS, REST, Routes, RouteTerms, Share, kept_by_us, routes
from models.settlements import NO_ARM, SETTLEMENT_COLUMNS, allowed_at, draw_arms, settlement_at, variant_of
from pipeline.treatment.bounds import grants_plan, grants_settlement
from pipeline.treatment.household import Household, household
from pipeline.treatment.offers import (
    NOT_OFFERED,
    Planned,
    Settled,
    as_offers,
    best_plans,
    best_settlements,
    grantable_plans,
    no_plans,
)
from pipeline.treatment.policy import Policy
from pipeline.treatment.sections import Notes
from pipeline.treatment.standing import DUE_DAY, NOT_HERE, Repeated, nothing_stands, plans_as_made, settlements_as_made

PLAN, SETTLEMENT, NOTHING = "plan", "settlement", ""
SPECIALIST, STATUS, NO_CONTACT, WAITING = "specialist", "status", "no_contact", "waiting_is_worth_more"
DUE_KINDS = (MOVE, EARLY)  # kinds of offers that are made around a due day
# Why nothing is offered, and why an account does not leave.
ANOTHER, LEAVES, NOT_OURS, DISPUTED = "another_account", "others_leave", "not_ours", "charge_disputed"
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
    routes       with `probability` of a party that was drawn, NaN where none was; `variant` names it and those
                 that could have been
    specialist   bool: for a person who decides
    repeated     bool: the proposal is an offer made before, which still may be taken
    notes        what the policy says whoever grants a settlement must know; None where it has none
    """

    offers: pd.DataFrame
    plans: Plans
    planned: pd.DataFrame
    settlements: pd.DataFrame
    routes: Routes
    specialist: pd.Series
    repeated: pd.Series
    notes: Notes | None = None


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
    standing: pd.DataFrame | None = None,
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
    share that comes back; agreement: chance by number of instalments that a plan is agreed. standing: STANDING_COLUMNS,
    index as the rows'; None: nothing was offered before.

    An offer is for an account that stays with us: where another route is worth more than the best offer, it goes. A
    debtor has one offer at a time: the one that still may be taken, repeated as it stands or, where policy or law
    forbid it by now, no other; else the one that gains most, by `unit` of the rows (reporting units per minor unit; 1
    where they have none), while all his other accounts stay; or none, where those gain more by leaving (`household`).
    Optional is_disputed of the rows: a charge of the account is
    disputed, and not in its balance; it leaves nowhere meanwhile.
    Discounts are drawn by lot only for accounts that stay, so that no lot decides who leaves and every drawn offer is
    one that is made; what such an account is worth with us is then the value of the drawn one.
    Raises ContractError where a column or a continuation lacks: what is not known is not taken for absent.
    """
    _check(rows, recorded, policy)
    specialist = recorded[list(policy.specialist)].to_numpy(bool).any(axis=1)
    barred = recorded[list(policy.never)].to_numpy(bool).any(axis=1)
    contact = rows["contact_open"].to_numpy(bool)
    stood = nothing_stands(rows.index) if standing is None else standing
    bound = stood["offer_binds"].to_numpy(bool)
    lawful = ~specialist & ~barred & contact
    free, again = lawful & ~bound, lawful & bound
    shared = _shared(rows)
    own = shared[free]
    planned = best_plans(own, policy, as_of, breaks, agreement)
    settled = best_settlements(own, policy, acceptance)
    once = _as_made(shared[again], stood[again], policy, as_of, acceptance, breaks, agreement)
    held = np.select([specialist, barred, ~contact], [SPECIALIST, STATUS, NO_CONTACT], "")
    why = pd.Series(held, index=rows.index, dtype="str")

    def made(drawn: pd.DataFrame) -> pd.DataFrame:
        whole = [each for each in (_offers(own, policy, planned, settled, drawn), once.offers) if len(each)]
        return _on_all(pd.concat(whole) if whole else once.offers, rows.index, why)

    offers, repeated = made(_undrawn(own)), once.repeated.reindex(rows.index, fill_value=False).to_numpy(bool)
    ours = rows["may_part"].to_numpy(bool)
    disputed = rows["is_disputed"].to_numpy(bool) if "is_disputed" in rows else np.zeros(len(rows), bool)
    may_leave = ~specialist & ~barred & ours & ~bound & ~disputed
    asked = _with_offers(rows, offers).assign(specialist=specialist, leave_open=may_leave)
    terms = RouteTerms(policy.parties, policy.internal_days, policy.annual_rate, learned=learned or {})
    found = routes(asked, terms)
    his = household(rows, offers, found.chosen)
    if his.closed.any():
        offers = _of_household(offers, his)
        asked = _with_offers(rows, offers).assign(specialist=specialist, leave_open=may_leave & ~his.closed)
        found = routes(asked, terms)
    drawn = _drawn_discounts(own, policy, planned, settled, his.offered[free], seed)
    if (drawn["arm"] != NO_ARM).any():
        offers = _of_household(made(drawn), his)
        found = _with_drawn(found, _with_offers(rows, offers), offers["variant"] != "")
    found = _kept(found, repeated)
    closed = {NOT_OURS: ~ours, DISPUTED: disputed, NOT_HERE: bound, ANOTHER: his.waits, LEAVES: his.given_up}
    _say_why_closed(found, {why: lawful & those for why, those in closed.items()})
    internal = found.terms[INTERNAL, OURS]
    internal["source"] = internal["source"].mask(offers["proposal"] != NOTHING, "proposal")
    parts = [(planned, settled), (once.planned, once.settled)]
    best, easier, quicker, no_plan = (
        _of_both([getattr(plan.plans, name) for plan, _ in parts], rows.index)
        for name in ("best", "easier", "quicker", "why")
    )
    return Proposals(
        offers=offers,
        plans=Plans(best, easier, quicker, no_plan),
        planned=_of_both([plan.offer for plan, _ in parts], rows.index),
        settlements=_of_both([settle.best.assign(why=settle.why) for _, settle in parts], rows.index),
        routes=_drawn_parties(asked, found, policy, seed),
        specialist=pd.Series(specialist, index=rows.index),
        repeated=pd.Series(repeated, index=rows.index),
        notes=None if policy.settling is None else policy.settling.notes,
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


def _kept(found: Routes, repeated: np.ndarray) -> Routes:
    """The same routes; an account whose offer still may be taken stays with us, whatever it is worth."""
    if not repeated.any():
        return found
    chosen, internal = found.chosen.copy(), found.terms[INTERNAL, OURS]
    chosen["route"], chosen["party"] = chosen["route"].mask(repeated, INTERNAL), chosen["party"].mask(repeated, OURS)
    chosen["why"] = chosen["why"].mask(repeated, "")
    for end in ("value", "value_low", "value_high"):
        chosen[end] = chosen[end].mask(repeated, internal[end])
    return Routes(found.terms, chosen)


def _say_why_closed(found: Routes, closed: Mapping[str, np.ndarray]) -> None:
    """Of parties that are closed by neither law nor status: why, the first that applies."""
    for (route, _), each in found.terms.items():
        if route not in (INTERNAL, REST):
            barred = (each["why_not"] == BARRED).to_numpy()
            why = np.select([barred & those for those in closed.values()], list(closed), each["why_not"].astype(object))
            each["why_not"] = pd.Series(why, index=each.index, dtype="str")


def _of_both(parts: Sequence[pd.DataFrame] | Sequence[pd.Series], index: pd.Index) -> Any:
    """Of rows that were asked anew, and of those whose offer stands, on all rows."""
    there = [part for part in parts if len(part)]
    return _whole(pd.concat(there) if there else parts[0], index)


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


# ---- one offer a row -------------------------------------------------------------------------------------------------


def _offers(
    rows: pd.DataFrame, policy: Policy, planned: Planned, settled: Settled, drawn: pd.DataFrame
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
    by_kind = {SETTLEMENT: grants_settlement(rows, policy, settlement)}
    by_kind[PLAN] = grants_plan(policy, planned.plans.best["instalments"].to_numpy())
    found["grants"] = np.select([kind == each for each in by_kind], list(by_kind.values()), "")
    found["alternative"] = other
    found["variant"], found["probability"] = drawn["variant"].to_numpy(), drawn["probability"].to_numpy()
    whole = pd.DataFrame(found, index=rows.index)
    return whole.astype(dict.fromkeys(("proposal", "why", "grants", "alternative", "variant"), "str"))


def _undrawn(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"arm": NO_ARM, "variant": "", "probability": np.nan}, index=rows.index)


def _drawn_discounts(
    rows: pd.DataFrame, policy: Policy, planned: Planned, settled: Settled, stays: np.ndarray, seed: int
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


def _on_all(offers: pd.DataFrame, index: pd.Index, held: pd.Series) -> pd.DataFrame:
    whole = _whole(offers, index)
    return pd.DataFrame(whole)[list(OFFER_COLUMNS)].assign(why=lambda told: told["why"].where(held == "", held))


# ---- one offer a debtor ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _AsMade:
    """Of accounts on whose debtors an offer stands. offers: OFFER_COLUMNS; repeated: bool."""

    offers: pd.DataFrame
    planned: Planned
    settled: Settled
    repeated: pd.Series


def _as_made(
    rows: pd.DataFrame,
    made: pd.DataFrame,
    policy: Policy,
    as_of: int,
    acceptance: Belief | None,
    breaks: Belief | None,
    agreement: Belief | None,
) -> _AsMade:
    """The offers that stand, each with what it is worth tonight; made: STANDING_COLUMNS of the rows."""
    kind = made["offer_kind"].where(made["offer_id"] != "", "").to_numpy(object)
    whole = _no_offer(rows.index, NOT_HERE)
    planned, settled = no_plans(rows.index, NOT_HERE), _no_settlement(rows.index, NOT_HERE)
    settle, plan = rows[kind == SETTLEMENT], rows[kind == PLAN]
    found: dict[str, Repeated] = {}
    if len(settle) and (told := settlements_as_made(settle, made.loc[settle.index], policy, acceptance)) is not None:
        found[SETTLEMENT], there = told, told.terms[told.why == ""]
        settled.best.loc[there.index] = there
        settled.why[there.index] = ""
    if len(plan):
        terms = grantable_plans(policy, breaks)
        if (told := plans_as_made(plan, made.loc[plan.index], policy, terms, as_of)) is not None:
            found[PLAN], there = told, told.terms[told.why == ""]
            none = no_plans(there.index, "")
            best = Plans(there, none.plans.best, none.plans.best, none.plans.why)
            offer = as_offers(best, rows.loc[there.index], policy, agreement).offer
            planned.plans.best.loc[there.index], planned.offer.loc[there.index] = there, offer
            planned.plans.why[there.index] = ""
    for name, told in found.items():
        own = told.why.index[told.why == ""]
        worth = (planned.offer if name == PLAN else settled.best).loc[own]
        whole.loc[told.why.index, "why"] = told.why
        whole.loc[own, "proposal"] = name
        whole.loc[told.why.index, "grants"] = told.grants
        whole.loc[own, ["value", "value_low", "value_high", "gain"]] = worth[
            ["value", "value_low", "value_high", "gain"]
        ]
        whole.loc[own, "variant"] = made.loc[own, "offer_variant"]
        whole.loc[own, "probability"] = made.loc[own, "offer_probability"]
    unasked = np.isin(kind, [each for each in (SETTLEMENT, PLAN) if each not in found])
    whole["why"] = whole["why"].mask(unasked, NOT_OFFERED).mask(np.isin(kind, DUE_KINDS), DUE_DAY)
    return _AsMade(whole, planned, settled, whole["proposal"] != NOTHING)


def _no_offer(index: pd.Index, why: str) -> pd.DataFrame:
    texts = {name: pd.Series("", index, dtype="str") for name in ("proposal", "grants", "alternative", "variant")}
    money = dict.fromkeys(("value", "value_low", "value_high", "gain"), pd.Series(0, index, dtype="int64"))
    told = {**texts, **money, "why": pd.Series(why, index, dtype="str"), "probability": np.nan}
    return pd.DataFrame(told, index=index)[list(OFFER_COLUMNS)]


def _no_settlement(index: pd.Index, why: str) -> Settled:
    shares = dict.fromkeys(("discount", "p_accept"), "float64")
    nothing = pd.DataFrame(0, index=index, columns=list(SETTLEMENT_COLUMNS)).astype(shares)
    return Settled(nothing, pd.Series(why, index=index, dtype="str"), nothing, None)


def _of_household(offers: pd.DataFrame, his: Household) -> pd.DataFrame:
    """The same offers but of rows that wait for another of the debtor's, or whose debtor's other accounts leave."""
    there = (offers["proposal"] != NOTHING).to_numpy()
    return _without(_without(offers, his.waits & there, ANOTHER), his.given_up & there, LEAVES)


def _without(offers: pd.DataFrame, those: np.ndarray, why: str) -> pd.DataFrame:
    found = offers.copy()
    found.loc[those, list(OFFER_COLUMNS)] = _no_offer(offers.index[those], why)
    return found


# ---- agencies by lot -------------------------------------------------------------------------------------------------


def _drawn_parties(rows: pd.DataFrame, found: Routes, policy: Policy, seed: int) -> Routes:
    """The same, with agencies drawn by lot where the policy says so and an agency was chosen: among those that may have
    the account and are worth more than 0 on it.
    """
    chosen = found.chosen.assign(probability=np.nan, variant="")
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
            could = [[parties[place] for place in np.flatnonzero(each)] for each in allowed[own]]
            chosen.loc[own, "variant"] = [variant_of(party, those) for those in could]
            for end in ("value", "value_low", "value_high"):
                chosen.loc[own, end] = told[number][end][own]
        chosen["probability"] = probability
    return Routes(found.terms, chosen)
