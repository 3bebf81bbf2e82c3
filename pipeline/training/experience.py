"""What offers, plans and placements teach, read from a store as it was known on the day of the training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from features.days import date_of, day_text
from features.ledger import Ledger, history
from features.settlements import net_payments
from features.tables import NEVER, NO_DAY, NO_MONEY, NO_SHARE, TREATMENTS, InnerTables
from features.terms import Terms
from features.versions import arranged, key_of, superseded_on
from models.belief import LEAST_MATURED, POLICY, Belief, Curve, kept_to
from models.experience import Experience, PartyRecord
from models.money import MoneyScale
from models.plans import PLAN_KEY, learned_breaks, plan_histories, supported
from models.routes import SALE, Party, recovered_of
from models.settlements import learned_acceptance, lots_of
from pipeline.panel.engines import map_shards
from pipeline.panel.placements import placements_in
from pipeline.panel.settling import DAYS_UNSAID, SETTLEMENT, came_of
from pipeline.panel.view import terms_of
from pipeline.params import Params
from pipeline.store.store import Store
from pipeline.treatment.policy import Policy, policy_in
from pipeline.treatment.spare import spare_money

PLAN = "plan"  # kind of offers, beside settlements
SHARE_UNIT = 1e-6  # shares are kept as whole millionths
READ = ("accounts", "charges", "balances", "payments", "statuses", *TREATMENTS)


@dataclass(frozen=True)
class Past:
    """Of all debtors, as known before a day.

    offers      settlements and plans offered: kind, debtor_id, account_no, made_on, discount, instalments, probability
                (NaN unknown), variant, accepted (a settlement: and paid in time), matured
    plans       instalments: of models.plans.plan_histories
    spare       PLAN_KEY -> what the debtor's payments supported in a month when the plan was agreed, minor units
    placements  party, route, debtor_id, kind, currency, placed_on, days_past_due, balance, recovered, matured
    """

    offers: pd.DataFrame
    plans: pd.DataFrame
    spare: pd.Series
    placements: pd.DataFrame


def experience_of(
    store: Store, params: Params, day: int, money: MoneyScale, foretold: pd.DataFrame
) -> Experience | None:
    """What was known before `day` taught; None where the params name no policy.

    foretold: debtor_id, account_no, as_of, chance: what the model foretold of accounts on former nights, by boosters
    that had not seen their debtors. Offers are set against the newest night before them.
    """
    policy = policy_in(params, date_of(day))
    if policy is None:
        return None
    past = past_of(store, params, policy, day)
    draws, seed = params.evaluate.bootstrap_draws, params.seed
    acceptance = breaks = agreement = None
    settles, spreads = (past.offers[past.offers["kind"] == kind] for kind in (SETTLEMENT, PLAN))
    counts = {"settlements_offered": len(settles), "plans_offered": len(spreads), "placements": len(past.placements)}
    if policy.settling is not None:
        belief = policy.settling.terms.acceptance
        acceptance = acceptance_of(settles, "discount", foretold, belief, draws, seed)
    if policy.plans is not None:
        chance = policy.p_plan
        one = Curve((float(policy.plans.least),), (chance.middle,), (chance.low,), (chance.high,))
        agreement = acceptance_of(spreads, "instalments", foretold, Belief(one), draws, seed)
        lived = plan_histories(past.plans, past.spare, day) if len(past.plans) else None
        counts["plans"] = 0 if lived is None else len(lived)
        belief = Belief(policy.plans.breaks, POLICY)
        breaks = (
            kept_to(belief, "no plans were agreed")
            if lived is None
            else learned_breaks(lived, belief, draws=draws, seed=seed)
        )
    return Experience(
        acceptance,
        agreement,
        breaks,
        None if policy.settling is None else policy.settling.terms.pay_within_days,
        None if policy.plans is None else policy.plans.share_of_usual,
        {
            party.name: _of_party(party, past.placements, money, draws, seed)
            for party in policy.parties
            if party.route != SALE
        },
        {"known_before": day_text(day), "policy": policy.digest, **counts},
    )


def acceptance_of(
    offers: pd.DataFrame, arm: str, foretold: pd.DataFrame, belief: Belief, draws: int, seed: int
) -> Belief:
    """The chance that an offer is accepted, by the column `arm` that the lot chose: see models.settlements. offers: of
    Past; foretold: of `experience_of`."""
    if not len(offers):
        return kept_to(belief, "none were offered")
    lots = lots_of(offers["variant"])
    told = offers.assign(arm=offers[arm].astype(np.float64), stratum=lots["stratum"].to_numpy())
    told = told[told["arm"].notna()].sort_values(["made_on", "account_no"], kind="stable")
    known = foretold[["account_no", "as_of", "chance"]].sort_values("as_of", kind="stable")
    held = pd.merge_asof(
        told.astype({"made_on": np.int64}),
        known.astype({"as_of": np.int64}),
        left_on="made_on",
        right_on="as_of",
        by="account_no",
    )
    # Of whom nothing was foretold says nothing of the lot either.
    held["foretold"] = held["chance"].fillna(held["chance"].mean()).fillna(0.0)
    return learned_acceptance(held, belief, draws=draws, seed=seed)


def _of_party(party: Party, placements: pd.DataFrame, money: MoneyScale, draws: int, seed: int) -> PartyRecord:
    """Placements that began its horizon, and the maturity of payments, before the day, in currencies with a rate."""
    own = placements[(placements["party"] == party.name) & (placements["route"] == party.route)]
    own = own[own["currency"].astype("str").isin(list(money.rates))]  # others cannot be set beside them
    over = own["lived_days"].to_numpy() >= party.horizon_days
    mature = own[over].reset_index(drop=True)
    mature = mature.assign(unit=money.per_minor(mature["currency"]))
    learnt = recovered_of(party, mature, draws=draws, seed=seed) if len(mature) else None
    why = "" if learnt else f"{len(mature)} placements of {party.horizon_days} days or more, {LEAST_MATURED} are needed"
    return PartyRecord(party.recovery, party.horizon_days, len(mature), learnt, why)


# ---- what happened ---------------------------------------------------------------------------------------------------


def past_of(store: Store, params: Params, policy: Policy, day: int) -> Past:
    versions = store.versions()
    work = partial(_past_of_shard, store.path, params, policy, day, versions)
    parts = list(map_shards(work, range(store.shards), params.engine, threads=True))
    offers, plans, spare, placements = zip(*parts, strict=True)
    return Past(
        _whole(offers), _whole(plans), pd.concat([part for part in spare if len(part)] or spare), _whole(placements)
    )


def _whole(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Parts without a row have no types of their own."""
    return pd.concat([part for part in parts if len(part)] or list(parts), ignore_index=True)


def _past_of_shard(
    store_path: Any, params: Params, policy: Policy, day: int, versions: Mapping[str, int], shard: int
) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series, pd.DataFrame]:
    store = Store(store_path)
    terms = terms_of(store, params, versions)
    whole = store.tables(shard, READ, None, versions)
    tables = InnerTables(
        {name: frame[frame["known_on"].to_numpy() < day].reset_index(drop=True) for name, frame in whole.items()}
    )
    about = arranged(tables["accounts"], "accounts").drop_duplicates("account_no", keep="last")
    names = ("portfolio", "debtor_id", "currency", "product")
    people = about.astype(dict.fromkeys(names, "str"))
    about = people[["account_no", *names]]
    for name in set(TREATMENTS) & set(tables):
        tables[name] = _declared(tables[name], about, name, terms)
    ledger = history(tables, terms)
    paid = net_payments(ledger.settlements, day)
    plans = _instalments(tables, about)
    return (
        _offers(tables, about, paid, policy, params.label.maturity_days, day),
        plans,
        _spare(plans, people, tables, ledger, policy),
        placements_in(
            _newest(tables, "placements", about), paid, ledger, policy.parties, day - params.label.maturity_days
        ),
    )


def _declared(frame: pd.DataFrame, about: pd.DataFrame, name: str, terms: Terms) -> pd.DataFrame:
    """The rows of books that say in the params that they deliver the table: of any other nobody knows the whole."""
    books = [book for book, delivered in terms.delivers.items() if name in delivered]
    own = about["account_no"][about["portfolio"].isin(books)]
    return frame[frame["account_no"].isin(own)].reset_index(drop=True)


def _newest(tables: InnerTables, name: str, about: pd.DataFrame) -> pd.DataFrame:
    """The last version of each row, with what is known of its account."""
    if name not in tables or not len(tables[name]):
        return pd.DataFrame()
    frame = arranged(tables[name], name)
    last = superseded_on(frame, key_of(frame, name), name) == NEVER
    return frame[last].merge(about, on="account_no").reset_index(drop=True)


def _offers(
    tables: InnerTables, about: pd.DataFrame, paid: pd.DataFrame, policy: Policy, maturity_days: int, day: int
) -> pd.DataFrame:
    """Settlements and plans: accepted where the debtor said so and, of a settlement, the sum was there in time, as
    nights see it (pipeline.panel.settling)."""
    columns = ["kind", "debtor_id", "account_no", "made_on", "discount", "instalments", "probability", "variant"]
    columns += ["accepted", "matured"]
    frame = _newest(tables, "offers", about)
    if not len(frame):
        return pd.DataFrame(columns=columns)
    frame = frame[frame["kind"].astype("str").isin([SETTLEMENT, PLAN]).to_numpy()].reset_index(drop=True)
    kind = frame["kind"].astype("str").to_numpy(object)
    days = DAYS_UNSAID if policy.settling is None else policy.settling.terms.pay_within_days
    told = came_of(frame, tables["offers"], paid, days)
    is_paid = (told["paid_on"] != NO_DAY).to_numpy() | (frame["amount"].to_numpy(np.int64) == NO_MONEY)
    names = ("discount", "instalments", "probability")
    discount, instalments, probability = (frame[name].to_numpy(np.int64) for name in names)
    return frame.assign(
        kind=kind,
        instalments=np.where(instalments == NO_SHARE, np.nan, instalments.astype(np.float64)),
        discount=np.where(discount == NO_SHARE, np.nan, discount * SHARE_UNIT),
        probability=np.where(probability == NO_SHARE, np.nan, probability * SHARE_UNIT),
        accepted=told["is_accepted"] & (is_paid | (kind == PLAN)),
        matured=told["over_on"] + maturity_days <= day,
    )[columns]


def _instalments(tables: InnerTables, about: pd.DataFrame) -> pd.DataFrame:
    names = ["account_no", "plan_id", "debtor_id", "currency", "agreed_on", "due_on", "amount", "ended_on", "how"]
    frame = _newest(tables, "plans", about)
    if not len(frame):
        return pd.DataFrame(columns=names)
    return frame.assign(plan_id=frame["plan_no"])[names]


def _spare(plans: pd.DataFrame, people: pd.DataFrame, tables: InnerTables, ledger: Ledger, policy: Policy) -> pd.Series:
    """What a night would have taken as supported by each plan's account when the plan was agreed: of what its debtor
    could pay then, the account's part by balance."""
    key = list(PLAN_KEY)
    if not len(plans) or policy.plans is None:
        return pd.Series([], index=pd.MultiIndex.from_arrays([[], []], names=key), dtype=np.float64)
    made = plans.groupby([*key, "debtor_id", "currency"], sort=True)["agreed_on"].min().rename("day").reset_index()
    rows, beside = spare_money(made, people, tables, ledger)
    itself = beside["account_no"].to_numpy() == made["account_no"].to_numpy()[beside["place"]]
    counts = beside[beside["late"].to_numpy() | itself].groupby("place")["balance"].sum()
    whole = counts.reindex(made.index, fill_value=0).to_numpy(np.float64)
    own = beside[itself].set_index("place")["balance"].reindex(made.index, fill_value=0).to_numpy(np.float64)
    part = np.divide(own, whole, out=np.ones(len(made)), where=whole > 0)
    for name in ("usual_payment", "disposable_income", "other_plans"):
        rows[name] *= part
    spare = supported(rows, "month", policy.plans)["supported"].to_numpy()
    return pd.Series(spare, index=pd.MultiIndex.from_frame(made[key]))
