"""What a night offers, and by whom it would have accounts worked: what the policy is asked about each account, the
proposals, and what is published and kept of them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from features.currencies import DECIMALS
from features.days import date_of
from features.tables import NO_DAY, STATUSES
from features.versions import arranged, key_of
from models.belief import POLICY
from models.continuation import WORTH_COLUMNS
from models.lot import CONTROL
from models.recovery import load_model
from models.routes import INTERNAL
from pipeline.columns import PROPOSAL_COLUMNS, ROUTED_COLUMNS, SPECIALIST_COLUMNS
from pipeline.law.disputes import disputed_balance
from pipeline.law.eligibility import Rulings, rulings
from pipeline.law.holds import BIT
from pipeline.law.outcome import EXCLUDED, STATES
from pipeline.law.question import Sight
from pipeline.night.feeds import case_of
from pipeline.night.former_offers import binding, closed_by_settlement, refused_since
from pipeline.night.held_back import CREDIT
from pipeline.night.score import Job, worth_of_going_on
from pipeline.panel.view import View
from pipeline.params import Params
from pipeline.store.form import TREATED
from pipeline.store.store import Store
from pipeline.treatment.comparison import BY_ROUTE, by_route
from pipeline.treatment.learnt import learnt
from pipeline.treatment.policy import Policy
from pipeline.treatment.proposals import NOTHING, PLAN, ROW_COLUMNS, SETTLEMENT, Proposals, propose
from pipeline.treatment.spare import SPARE_COLUMNS, spare_money
from pipeline.treatment.standing import STANDING_COLUMNS

ALL, PLANS_ALONE, NOTHING_AT_ALL = "all", "plans", "nothing"  # what a policy may let be done with the debts of a role
# Of a shard, beside what its rows say: what the policy is asked about each scorable account.
ASKED = (
    *("account_no", *SPARE_COLUMNS, "in_house_days", "offers_refused", "statuses"),
    *("waited_for", "unknown", "disputed_owed", "has_accepted", "is_settled", *STANDING_COLUMNS),
)
# Why nothing is proposed: of whole debtors, for what is agreed with one is waited for; from `settled` on of accounts.
HELD_OUT, UNKNOWN, HAS_ACCEPTED, ENGAGED, SETTLED, NO_RATE, ROLE = LEFT_OUT = (
    *("held_out", "unknown", "accepted", "engaged", "settled"),
    *("no_rate", "role"),
)
# Statuses that end, or carry away, one debt: another of the same debtor is no less to be worked.
OF_ONE_DEBT = ("closed", "sold", "prescribed", "charged_off")
# What the store remembers of each night.
KEPT_COLUMNS = (
    *("account_id", "debtor_id", "portfolio", "currency", "balance", "route", "party", "route_value"),
    *("party_probability", "proposal", "discount", "amount", "instalments", "variant", "probability", "as_of"),
)
ABOUT = ("account_id", "debtor_id", "portfolio", "product", "currency", "group", "balance", "days_past_due")
SHORT = (
    "What waiting is worth is known for {reached} days, and the policy asks for {horizon}: tonight nothing is let off "
    "and no account leaves. A longer history and `recoup train` teach it, or a shorter horizon_days of the policy."
)
UNTAUGHT = (
    "The model in use was not taught what waiting is worth: tonight there are no offers and no routes, only the list "
    "for specialists. `recoup train` teaches it, under the params' treatments."
)


# ---- a shard ---------------------------------------------------------------------------------------------------------


def asked_about(job: Job, seen: View, judged: Rulings) -> pd.DataFrame:
    """ASKED of the scorable accounts of a shard; no row without a policy.

    waited_for: the debtor has a plan, a promise still open or an agreed time, or credit that covers the account.
    unknown: what is recorded of him is not known to the day. disputed_owed: what is open of the account's charges that
    are disputed, due or not, minor units. has_accepted: he accepted an offer that is not yet paid; is_settled: a
    settlement was paid on the account, and what it let off is not written off; STANDING_COLUMNS: what he was offered
    and still may take. usual_payment, other_plans and disposable_income are minor units, the last two a month and of
    all accounts of the debtor in the currency; NaN is unknown. in_house_days: since the account was placed with us, or
    fell overdue, less those it was elsewhere; offers_refused: plans and settlements of that time.
    """
    cohort, recorded, accounts = seen.cohort.frame, judged.recorded, judged.accounts
    if job.params.treatments is None:
        cohort, recorded, accounts = cohort.iloc[:0], recorded.iloc[:0], accounts.iloc[:0]
    everybody = seen.tables["accounts"]
    people = known_people(everybody if job.params.treatments is not None else everybody.iloc[:0], job.as_of)
    own = people.set_index("account_no")["payer"].reindex(cohort["account_no"]).to_numpy(np.int64)
    began = _began(cohort, job.as_of)
    owners = people.set_index("account_no")["debtor_id"]
    agreed, stands = binding(seen, owners, cohort, job.as_of, job.params)
    payers = people.drop_duplicates("payer").sort_values("payer").assign(day=job.as_of)
    can, _ = spare_money(payers[["debtor_id", "currency", "day"]], people, seen.tables, seen.ledger)
    return pd.DataFrame(
        {
            "account_no": cohort["account_no"].to_numpy(np.int64),
            **{name: can[name].to_numpy()[own] for name in SPARE_COLUMNS},
            "in_house_days": _in_house(seen, cohort, began, job.as_of),
            "offers_refused": refused_since(seen.tables, cohort["account_no"].to_numpy(np.int64), began, job.as_of),
            "statuses": statuses_of(recorded),
            "waited_for": accounts["engaged"].to_numpy(bool) | (accounts["rule"].astype("str") == CREDIT).to_numpy(),
            "unknown": recorded["unknown"].to_numpy(bool),
            "disputed_owed": disputed_balance(seen.tables, cohort, Sight(job.as_of)),
            "has_accepted": agreed,
            "is_settled": closed_by_settlement(seen.tables, seen.ledger.settlements, cohort, job.as_of, job.params),
            **{name: stands[name].to_numpy() for name in STANDING_COLUMNS},
        }
    )


def known_people(accounts: pd.DataFrame, night: int) -> pd.DataFrame:
    """account_no and payer of the known accounts, as last known: a number for each debtor and currency."""
    known = accounts[accounts["known_on"].to_numpy() < night].sort_values(["account_no", "known_at"], kind="stable")
    last = known.drop_duplicates("account_no", keep="last").reset_index(drop=True)
    payer = pd.factorize(last["debtor_id"].astype("str") + "|" + last["currency"].astype("str"), sort=True)[0]
    return last.assign(payer=payer.astype(np.int64))


def _began(cohort: pd.DataFrame, night: int) -> np.ndarray:
    """Day on which each account was placed with us, or fell overdue."""
    placed, overdue = cohort["placed_on"].to_numpy(np.int64), cohort["days_past_due"].to_numpy(np.int64)
    return np.where(placed == NO_DAY, night - overdue, placed)


def _in_house(seen: View, cohort: pd.DataFrame, began: np.ndarray, night: int) -> np.ndarray:
    found = np.maximum(night - began, 0)
    away = seen.tables.get("placements")
    if away is None or away.empty:
        return found
    away = arranged(away, "placements")
    rows = Sight(night).newest(away, key_of(away, "placements"), "placements")
    until = rows["recalled_on"].to_numpy(np.int64)
    until = np.where((until == NO_DAY) | (until >= night), night - 1, until)
    own = pd.Series(began, index=cohort["account_no"].to_numpy()).reindex(rows["account_no"])
    days = np.maximum(until + 1 - np.maximum(rows["placed_on"].to_numpy(np.int64), own.to_numpy()), 0)
    elsewhere = pd.Series(np.nan_to_num(days)).groupby(rows["account_no"].to_numpy()).sum()
    taken = elsewhere.reindex(cohort["account_no"], fill_value=0).to_numpy()
    return np.maximum(found - taken, 0).astype(np.int64)


# ---- the night -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Treated:
    """Under a policy. rows: ROW_COLUMNS with ABOUT, unit (reporting units per minor unit) and recorded statuses as
    bool, one per account that may be treated; found: None where the model does not say what waiting is worth; left_out:
    reason of LEFT_OUT -> accounts; asked: every scorable account with what was asked about it; beliefs: acceptance,
    breaks and agreement -> whose curve it is, the policy's or learnt from what; reached_days: to which the worth of
    waiting is known, None where that is as far as the policy asks.
    """

    policy: Policy
    rows: pd.DataFrame
    found: Proposals | None
    left_out: Mapping[str, int]
    asked: pd.DataFrame
    beliefs: Mapping[str, str] = field(default_factory=dict)
    reached_days: int | None = None


def treat(rows: pd.DataFrame, arms: pd.DataFrame, asked: Sequence[pd.DataFrame], job: Job, policy: Policy) -> Treated:
    """Proposals and routes of every scorable account of a night, but of debtors that the lot holds out, of whom not
    everything recorded is known, who have accepted what is not yet paid, with whom something else is agreed, or whose
    currency has no rate.

    rows: as ranked; arms: of the lot; asked: `asked_about` of all shards.
    """
    whole = rows.merge(pd.concat(asked, ignore_index=True), on="account_no", validate="one_to_one")
    whole = asked_rows(whole, job.params, policy)
    control = set(arms.loc[arms["arm"] == CONTROL, "debtor_id"])
    held = whole["group"].eq("held_out") | whole["debtor_id"].isin(control)
    out = np.select(
        [
            held.groupby(whole["debtor_id"]).transform("any"),
            whole["unknown"].groupby(whole["debtor_id"]).transform("any"),
            whole["has_accepted"].groupby(whole["debtor_id"]).transform("any"),
            whole["waited_for"].groupby(whole["debtor_id"]).transform("any"),
            whole["is_settled"],
            whole["fx"].isna(),
            whole["allowed"].eq(NOTHING_AT_ALL),
        ],
        LEFT_OUT,
        "",
    )
    kept = whole[out == ""].sort_values("account_id", ignore_index=True)
    left = {reason: int((out == reason).sum()) for reason in LEFT_OUT}
    reached = short_of(job, policy)
    if reached is not None:
        kept = kept.assign(may_part=False)
    found, beliefs = proposed(kept, job, policy) if set(WORTH_COLUMNS) <= set(kept) else (None, {})
    return Treated(policy, kept, found, left, whole, beliefs, reached)


def short_of(job: Job, policy: Policy) -> int | None:
    """Days to which the model in use knows what waiting is worth, where they are fewer than the policy's horizon."""
    head = getattr(load_model(job.model.folder, job.model.sha256), "continuation", None)
    return None if head is None or head.reached_days >= policy.horizon_days else head.reached_days


def treat_debtors(job: Job, seen: View, store: Store, policy: Policy, arms: pd.DataFrame) -> Treated:
    """The same of whole debtors alone, whoever else there is. arms: debtors whom a lot holds out on the night."""
    judged = rulings(case_of(seen, store, job.versions, job.as_of, job.params), job.as_of)
    cohort, model = seen.cohort.frame.reset_index(drop=True), load_model(job.model.folder, job.model.sha256)
    money = job.params.money
    rows = cohort.assign(
        **worth_of_going_on(model, seen.matrix, cohort, job),
        verdict=judged.accounts["group"].astype("str").to_numpy(),
        legal_barred=judged.accounts["legal_barred"].to_numpy(),
        fx=cohort["currency"].astype("str").map({**money.rates, money.reporting_currency: 1.0}),
        group="",
    )
    return treat(rows, arms, [asked_about(job, seen, judged)], job, policy)


def asked_rows(whole: pd.DataFrame, params: Params, policy: Policy) -> pd.DataFrame:
    """ROW_COLUMNS and unit of scorable accounts, from what shards say of them (Worked.rows with ASKED; verdict: the
    law's). Whoever is excluded may not be contacted, and does not go to court by us either. allowed: what the policy
    lets be done with the debts of the book's role; plans alone of a book that the params do not name.
    """
    allowed = allowed_of(whole["portfolio"], params, policy)
    decimals = whole["currency"].astype("str").map(DECIMALS).to_numpy(np.float64)
    lawful = whole["verdict"].astype("str").to_numpy() != STATES[EXCLUDED]
    return whole.assign(
        kind=whole["product"].astype("str"),
        place=whole["jurisdiction"].astype(object).where(whole["jurisdiction"].notna(), "").astype("str"),
        contact_open=lawful,
        legal_open=lawful & ~whole["legal_barred"].to_numpy(bool),
        allowed=allowed,
        may_part=allowed.eq(ALL).to_numpy(bool),
        unit=whole["fx"].to_numpy(np.float64) / 10.0**decimals,
    )


def allowed_of(portfolio: pd.Series, params: Params, policy: Policy) -> pd.Series:
    """What the policy lets be done with the debts of each row's book."""
    by_book = {name: policy.roles.get(str(book.role), PLANS_ALONE) for name, book in params.portfolios.items()}
    return portfolio.astype("str").map(by_book).fillna(PLANS_ALONE).astype("str")


def unit_of(currency: pd.Series, params: Params) -> np.ndarray:
    """Reporting units per minor unit of each row's currency; NaN without a rate."""
    rates = {**params.money.rates, params.money.reporting_currency: 1.0}
    names = currency.astype("str")
    return names.map(rates).to_numpy(np.float64) / 10.0 ** names.map(DECIMALS).to_numpy(np.float64)


def undisputed(rows: pd.DataFrame) -> pd.DataFrame:
    """The same rows with the balance that is not disputed, what waiting is worth in proportion, and is_disputed."""
    whole, disputed = rows["balance"].to_numpy(np.int64), rows["disputed_owed"].to_numpy(np.int64)
    part = np.divide(whole - disputed, whole, out=np.ones(len(rows)), where=(whole > 0) & (disputed > 0))
    worth = {name: np.rint(rows[name].to_numpy(np.float64) * part).astype(np.int64) for name in WORTH_COLUMNS}
    return rows.assign(balance=whole - disputed, is_disputed=disputed > 0, **worth)


def statuses_of(recorded: pd.DataFrame) -> np.ndarray:
    """int64 of holds.BIT per row of Rulings.recorded: in force on any account of the debtor but, of OF_ONE_DEBT, on the
    account itself."""
    of_one = np.bitwise_or.reduce([BIT[name] for name in OF_ONE_DEBT])
    bits, own = (recorded[name].to_numpy(np.int64) for name in ("statuses", "own"))
    return (bits & ~of_one) | (own & of_one)


def recorded_of(rows: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """bool per row and status: in force, as statuses_of tells."""
    bits = rows["statuses"].to_numpy(np.int64)
    return pd.DataFrame({name: bits & BIT[name] != 0 for name in names}, index=rows.index)


def proposed(rows: pd.DataFrame, job: Job, policy: Policy) -> tuple[Proposals, dict[str, str]]:
    """By the policy, and by what the model in use has learnt of offers, plans and parties; and of each curve whose it
    is.
    """
    taught = learnt(load_model(job.model.folder, job.model.sha256), policy, rows)
    curves = {name: getattr(taught, name) for name in ("acceptance", "breaks", "agreement")}
    beliefs = {name: POLICY if curve is None else curve.source for name, curve in curves.items()}
    own = (taught.acceptance, taught.breaks, taught.shares, taught.agreement)
    stands, asked = rows[list(STANDING_COLUMNS)], undisputed(rows)[[*ROW_COLUMNS, "unit", "is_disputed"]]
    return propose(asked, recorded_of(rows, STATUSES), policy, job.as_of, job.params.seed, *own, stands), beliefs


def untreated(treated: Treated | None) -> list[str]:
    """A warning where a policy is named and the model in use cannot tell, or not to its horizon, what its offers are to
    be set against.
    """
    if treated is None:
        return []
    if treated.found is None:
        return [UNTAUGHT]
    reached = treated.reached_days
    return [] if reached is None else [SHORT.format(reached=reached, horizon=treated.policy.horizon_days)]


# ---- what is published and kept --------------------------------------------------------------------------------------


def taken(found: Proposals) -> pd.Series:
    """The proposal of each account that stays with us: one that leaves is offered nothing."""
    return found.offers["proposal"].where(found.routes.chosen["route"] == INTERNAL, NOTHING)


def planned_sum(found: Proposals) -> np.ndarray:
    """int64 minor units that the best plan of each account asks for in all."""
    best = found.plans.best
    whole = (best["instalments"] - 1) * best["instalment"] + best["last_instalment"]
    return np.where(best["instalments"] > 0, whole, 0).astype(np.int64)


def proposals_frame(treated: Treated, as_of: int) -> pd.DataFrame:
    """PROPOSAL_COLUMNS of the accounts to which something is proposed, the one that gains most first."""
    rows, found = treated.rows, treated.found
    if found is None:
        return pd.DataFrame(columns=list(PROPOSAL_COLUMNS))
    offer, best, settled, planned = found.offers, found.plans.best, found.settlements, found.planned
    kind = taken(found)
    plan, settlement, again = (kind == PLAN).to_numpy(), (kind == SETTLEMENT).to_numpy(), found.repeated.to_numpy()
    days = {name: _days(np.where(plan, best[name], NO_DAY)) for name in ("first_on", "last_on")}
    within = 0 if treated.policy.settling is None else treated.policy.settling.terms.pay_within_days
    whole = rows[list(ABOUT)].assign(
        proposal=kind,
        unit=best["unit"].where(plan, ""),
        due_on=None,
        **{
            name: np.where(plan, best[name], 0).astype(np.int64)
            for name in ("instalments", "instalment", "last_instalment")
        },
        **days,
        payday=np.where(plan & best["after_payday"].to_numpy(bool), rows["payday"], 0).astype(np.int64),
        disputed=rows["disputed_owed"],
        discount=np.where(settlement, settled["discount"], np.nan),
        amount_to_pay=np.where(settlement, settled["amount"], np.where(plan, planned_sum(found), 0)).astype(np.int64),
        pay_until=_days(np.where(settlement, np.where(again, rows["offer_until"], as_of + within), NO_DAY)),
        p_agreed=np.where(settlement, settled["p_accept"], planned["p_agree"]).astype(np.float64),
        p_kept=np.where(plan, best["p_kept"], np.nan).astype(np.float64),
        proposal_value=offer["value"],
        proposal_low=offer["value_low"],
        proposal_high=offer["value_high"],
        gain=offer["gain"],
        grants=offer["grants"],
        alternative=offer["alternative"],
        variant=offer["variant"],
        probability=offer["probability"],
        offer_id=np.where(again, rows["offer_id"], ""),
        offered_on=_days(np.where(again, rows["offered_on"], NO_DAY)),
        as_of=date_of(as_of),
        valid_until=date_of(as_of),
    )
    order = np.lexsort((whole["account_id"], -offer["gain"].to_numpy() * rows["unit"].to_numpy()))
    whole = whole.iloc[order]
    return whole.loc[whole["proposal"] != NOTHING, list(PROPOSAL_COLUMNS)].reset_index(drop=True)


def routes_frame(treated: Treated, before: pd.DataFrame, as_of: int) -> pd.DataFrame:
    """ROUTED_COLUMNS of every account that may be treated, by account. before: account_id, route and party of the last
    night that said them.
    """
    if treated.found is None:
        return pd.DataFrame(columns=list(ROUTED_COLUMNS))
    chosen = treated.found.routes.chosen
    former = before.drop_duplicates("account_id", keep="last").set_index("account_id")
    then = former.reindex(treated.rows["account_id"])
    whole = treated.rows[list(ABOUT)].assign(
        route=chosen["route"],
        party=chosen["party"],
        route_value=chosen["value"],
        route_low=chosen["value_low"],
        route_high=chosen["value_high"],
        why=chosen["why"],
        probability=chosen["probability"],
        route_before=then["route"].fillna("").to_numpy(),
        party_before=then["party"].fillna("").to_numpy(),
        as_of=date_of(as_of),
    )
    return whole[list(ROUTED_COLUMNS)].reset_index(drop=True)


def specialist_frame(treated: Treated, as_of: int) -> pd.DataFrame:
    """SPECIALIST_COLUMNS of every scorable account whose debtor carries a status of the policy's `specialist`, the
    largest balance first; those whom the lot holds out, and of whom not all is known, among them.
    """
    rows = treated.asked
    recorded = recorded_of(rows, treated.policy.specialist)
    theirs = recorded.any(axis=1).to_numpy()
    rows, recorded = rows[theirs], recorded[theirs]
    names = np.array(treated.policy.specialist, dtype=object)
    told = rows.assign(
        group=rows["group"].where(rows["group"] != "held_out", ""),  # who decides here calls, too
        statuses=[" ".join(names[each]) for each in recorded.to_numpy(bool)],
        last_payment=_days(rows["last_payment"]),
        last_right_party=_days(rows["last_right_party"]),
        as_of=date_of(as_of),
    )
    order = np.lexsort((told["account_id"], -rows["balance"].to_numpy() * rows["unit"].fillna(0).to_numpy()))
    return told.iloc[order][list(SPECIALIST_COLUMNS)].reset_index(drop=True)


def _days(days: pd.Series | np.ndarray) -> list[dt.date | None]:
    return [None if day == NO_DAY else date_of(day) for day in np.asarray(days).tolist()]


def kept_of(treated: Treated, as_of: int) -> pd.DataFrame:
    """KEPT_COLUMNS of every account that may be treated, by account."""
    if treated.found is None:
        return nothing_kept()
    found, kind = treated.found, taken(treated.found)
    settlement, plan = (kind == SETTLEMENT).to_numpy(), (kind == PLAN).to_numpy()
    drawn = settlement & (found.offers["variant"] != "").to_numpy() & ~found.repeated.to_numpy()
    rows = treated.rows[["account_id", "debtor_id", "portfolio", "currency", "balance"]].assign(
        route=found.routes.chosen["route"],
        party=found.routes.chosen["party"],
        route_value=found.routes.chosen["value"],
        party_probability=found.routes.chosen["probability"],
        proposal=kind,
        discount=np.where(settlement, found.settlements["discount"], np.nan),
        amount=np.where(settlement, found.settlements["amount"], np.where(plan, planned_sum(found), 0)),
        instalments=np.where(plan, found.plans.best["instalments"], 0),
        variant=found.offers["variant"].where(drawn, found.routes.chosen["variant"]),
        probability=found.offers["probability"].where(drawn, np.nan),
        as_of=np.int32(as_of),
    )
    return rows[list(KEPT_COLUMNS)].astype(dict(nothing_kept().dtypes)).reset_index(drop=True)


def nothing_kept() -> pd.DataFrame:
    """KEPT_COLUMNS without a row."""
    kinds = {"as_of": "int32", **dict.fromkeys(("balance", "route_value", "amount", "instalments"), "int64")}
    kinds |= dict.fromkeys(("party_probability", "discount", "probability"), "float64")
    return pd.DataFrame({name: pd.Series(dtype=kinds.get(name, "str")) for name in KEPT_COLUMNS})


def routes_before(store: Store, as_of: int) -> pd.DataFrame:
    """account_id, route, party, as_of of the newest night before this one that said them; none: no row."""
    names = ["account_id", "route", "party", "as_of"]
    nights = [day for day in store.files(TREATED) if day is not None] if TREATED in store.delta.names() else []
    if not nights:
        return pd.DataFrame({name: pd.Series(dtype="str") for name in names})
    kept = store.read(TREATED, names, before=as_of)
    return kept[kept["as_of"] == kept["as_of"].max()] if len(kept) else kept


def frames_of(treated: Treated, store: Store, as_of: int) -> dict[str, pd.DataFrame]:
    """proposals, routes and specialist, as they are published."""
    return {
        "proposals": proposals_frame(treated, as_of),
        "routes": routes_frame(treated, routes_before(store, as_of), as_of),
        "specialist": specialist_frame(treated, as_of),
    }


def about_treatment(treated: Treated, routes: pd.DataFrame, specialist: pd.DataFrame) -> dict[str, Any]:
    """What the manifest says: accounts by kind of proposal and by route, in minor units of the reporting currency as
    `recoup` counts them, what moved since the last night, and whose beliefs the values rest on.
    """
    told: dict[str, Any] = {"left_out": dict(treated.left_out), "specialist": len(specialist), "valued": False}
    if treated.found is None:
        return {**told, "accounts": len(treated.rows)}
    found = treated.found
    moved = routes[(routes["route_before"] != "") & (_named(routes, "") != _named(routes, "_before"))]
    changes = (
        moved.groupby([_named(moved, "_before"), _named(moved, "")]).size() if len(moved) else pd.Series(dtype=int)
    )
    kinds = taken(found)
    return {
        **told,
        "valued": True,
        "accounts": len(treated.rows),
        "proposals": {kind: int((kinds == kind).sum()) for kind in (PLAN, SETTLEMENT)},
        "drawn": int((found.offers["variant"][(kinds != NOTHING) & ~found.repeated] != "").sum()),
        "repeated": int(found.repeated.sum()),
        "not_repeated": _not_repeated(treated, found),
        "no_offer": _no_offer(found),
        "routes": by_route(treated.rows, treated.rows["unit"].to_numpy(), found)[list(BY_ROUTE)].to_dict("records"),
        "new": int((routes["route_before"] == "").sum()),
        "moved": [
            {"before": before, "after": after, "accounts": int(many)} for (before, after), many in changes.items()
        ],
        "sources": sources_of(found),
        "beliefs": dict(treated.beliefs),
        **({} if treated.reached_days is None else {"short": _reach(treated)}),
    }


def _not_repeated(treated: Treated, found: Proposals) -> dict[str, int]:
    """Why -> accounts with an offer that still may be taken and is not repeated tonight."""
    gone = (treated.rows["offer_id"] != "").to_numpy() & ~found.repeated.to_numpy()
    return {str(why): int(many) for why, many in found.offers["why"][gone].value_counts().sort_index().items()}


def _no_offer(found: Proposals) -> dict[str, int]:
    """Why -> accounts that stay with us and are offered nothing, the commonest first; but those for specialists, who
    are counted apart."""
    stays = (found.routes.chosen["route"] == INTERNAL) & (found.offers["proposal"] == NOTHING) & ~found.specialist
    return {str(why): int(many) for why, many in found.offers["why"][stays].value_counts(sort=True).items()}


def _reach(treated: Treated) -> dict[str, int | None]:
    return {"reached": treated.reached_days, "horizon": treated.policy.horizon_days}


def sources_of(found: Proposals) -> dict[str, str]:
    """Party -> whose belief its recovery is: the policy's, or learnt from placements."""
    return {
        party: "+".join(sorted(set(terms["source"]) - {""})) or POLICY
        for (_, party), terms in found.routes.terms.items()
        if party
    }


def _named(routes: pd.DataFrame, of: str) -> pd.Series:
    return (routes[f"route{of}"] + " " + routes[f"party{of}"]).str.strip()
