"""`recoup whatif --policy`: another treatment policy beside the one of the params, on one night and on past ones."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from features.currencies import DECIMALS
from features.days import date_of
from features.errors import UsageError
from features.settlements import CASH, net_known
from models.recovery import load_model
from models.settlements import lots_of
from pipeline.night.feeds import check_feeds
from pipeline.night.ranking import rank_night
from pipeline.night.refusals import NoWorth
from pipeline.night.score import Job, job_for
from pipeline.night.shards import work_shards
from pipeline.night.treatment import KEPT_COLUMNS, Treated, nothing_kept, taken, treat, treat_debtors
from pipeline.panel.view import View, view
from pipeline.params import Params, Treatments
from pipeline.store.champion import Approved, approved_before
from pipeline.store.files import private_folder
from pipeline.store.form import TREATED
from pipeline.store.store import Store
from pipeline.treatment.comparison import DIFFERENCE, as_it_came, by_route, moved
from pipeline.treatment.policy import Policy, policy_in
from pipeline.treatment.proposals import SETTLEMENT, Proposals

YOURS, OTHER = "the params'", "the other"
MONEY = ("balance", "value", "value_low", "value_high", "let_off", "asked_a_month")


def compare_policies(store_path: Path, as_of: dt.date, other: Path, params: Params) -> str:
    """Both policies on the night as it is in the store, nothing published: by route, who moves, and what past offers
    drawn by lot brought where the lot did as each would have.

    Raises UsageError where the params name no policy, NoWorth where the model in use does not say what waiting is
    worth.
    """
    if params.treatments is None:
        raise UsageError("There is no policy to compare with: the params' `treatments` is null. Name yours there.")
    store = Store(store_path)
    check_feeds(store, as_of, params)
    second = params.model_copy(update={"treatments": Treatments(policy=str(other))})
    both = {YOURS: _night_of(store, as_of, params), OTHER: _night_of(store, as_of, second)}
    (job, first), (_, then) = both[YOURS], both[OTHER]
    unit, reporting = first.rows["unit"].to_numpy(), params.money.reporting_currency
    found = {name: _found(treated, job) for name, (_, treated) in both.items()}
    shown = [
        f"Night of {as_of}, {reporting}. The params' policy: {first.policy.path} (sha256 {first.policy.digest[:16]}). "
        f"The other: {then.policy.path} (sha256 {then.policy.digest[:16]}).",
        *(
            f"\nBy route, {name} policy:\n{_text(by_route(both[name][1].rows, unit, proposals))}"
            for name, proposals in found.items()
        ),
    ]
    changes = moved(first.rows, unit, found[YOURS], found[OTHER])
    shown.append(
        f"\nTreated otherwise: {int(changes['accounts'].sum()):,} of {len(first.rows):,} accounts."
        + (f"\n{_text(changes)}" if len(changes) else "")
    )
    past = past_offers(store, job, params)
    return "\n".join([*shown, "", _as_it_came(past, store, job, params, [first.policy, then.policy])])


def _night_of(store: Store, as_of: dt.date, params: Params) -> tuple[Job, Treated]:
    job, policy = job_for(store, as_of, params), policy_in(params, as_of)
    if policy is None:
        raise UsageError("The params name no treatment policy.")
    with private_folder() as folder:
        worked = work_shards(job, folder)
        ranked = rank_night(store, job, worked)
    return job, treat(ranked.rows, ranked.arms, [one.asked for one in worked], job, policy)


def _found(treated: Treated, job: Job) -> Proposals:
    if treated.found is None:
        raise NoWorth.of(job.model.version)
    return treated.found


def _text(table: pd.DataFrame) -> str:
    """Money in whole units of the reporting currency."""
    shown = table.copy()
    for name in (name for name in (*MONEY, "value_before", "value_after") if name in shown):
        shown[name] = shown[name].map("{:,.0f}".format)
    if "burden" in shown:
        shown["burden"] = shown["burden"].map(lambda share: "" if np.isnan(share) else f"{share:.0%}")
    return shown.to_string(index=False)


# ---- past nights -----------------------------------------------------------------------------------------------------


def past_offers(store: Store, job: Job, params: Params) -> pd.DataFrame:
    """KEPT_COLUMNS of settlements whose discount a lot drew on nights whose outcome is known by the job's night, each
    account and draw once, on the first night that offered it, and an account once within a horizon, so that no money
    counts twice.
    """
    if TREATED not in store.delta.names():
        return nothing_kept()
    kept = store.read(TREATED, list(KEPT_COLUMNS), before=job.as_of - params.label.gap_days + 1)
    if kept.empty:
        return nothing_kept()
    drawn = kept[(kept["variant"] != "").to_numpy()].sort_values(["as_of", "account_id"])
    drawn = drawn.drop_duplicates(["account_id", "variant"])
    return drawn[apart(drawn["account_id"], drawn["as_of"], params.label.horizon_days)].reset_index(drop=True)


def apart(accounts: pd.Series, nights: pd.Series, days: int) -> np.ndarray:
    """bool per row, nights never falling: whether it lies so many days or more after the account's last that does."""
    last: dict[str, int] = {}
    found = np.zeros(len(accounts), bool)
    for place, (account, night) in enumerate(zip(accounts, nights, strict=True)):
        if night >= last.get(account, night - days) + days:
            found[place], last[account] = True, int(night)
    return found


def _as_it_came(past: pd.DataFrame, store: Store, job: Job, params: Params, policies: list[Policy]) -> str:
    days = params.label.horizon_days
    head = (
        f"On past nights: money within {days} days of an offer whose discount a lot drew, where it drew as each would."
    )
    if past.empty:
        return f"{head} No such offer has matured: `explore.discounts` of a policy draws them."
    offers = pd.concat([*with_money(past, store, job, params, policies)], ignore_index=True)
    seen = offers["in_sample"].to_numpy(bool)
    lines = [f"{head} {len(offers):,} offers of {past['as_of'].nunique():,} nights, {params.money.reporting_currency}:"]
    lines += _came_lines(offers, params)
    if seen.any():
        lines.append(
            f"  In-sample: before the nights of {int(seen.sum()):,} of these offers no model was approved that is kept "
            "and says what waiting is worth. There both policies are worked out with the model in use, which may have "
            "learnt from what came."
        )
    if seen.any() and not seen.all():
        lines.append(f"Out of sample, each by the model approved before its night, {int((~seen).sum()):,} offers:")
        lines += _came_lines(offers[~seen].reset_index(drop=True), params)
    return "\n".join(lines)


def _came_lines(offers: pd.DataFrame, params: Params) -> list[str]:
    would = {name: offers[name].to_numpy(np.float64) for name in (YOURS, OTHER)}
    told = as_it_came(offers, would, draws=params.evaluate.bootstrap_draws, seed=params.seed)
    lines = []
    for row in told.itertuples():
        covered = f"{row.covered:.0%} of offers covered, {row.matched:,} drawn so"
        what = f"{row.money:+,.2f}" if row.policy == DIFFERENCE else f"{row.money:,.2f}"
        said = row.why or f"{what} an offer ({row.low:,.2f} to {row.high:,.2f})"
        lines.append(f"  {row.policy}: {said}; {covered}")
    return lines


def model_then(store: Store, night: int) -> Approved | None:
    """The model approved before a night, where it is kept and says what waiting is worth."""
    found = approved_before(store.path, date_of(night))
    if found is None or getattr(load_model(found.folder, found.sha256), "continuation", None) is None:
        return None
    return found


def with_money(
    past: pd.DataFrame, store: Store, job: Job, params: Params, policies: list[Policy]
) -> Iterator[pd.DataFrame]:
    """Of each past night the offers drawn on it: debtor_id, arm, probability, matured, money, stratum, and the discount
    that either policy would have offered, knowing what was known then; 0 where it would have let nothing off.
    in_sample: by the model in use, for want of one approved before the night.
    """
    shard_of = {account: store.shard_of_account(account) for account in past["account_id"]}
    for night, rows in past.groupby("as_of", sort=True):
        earlier = model_then(store, int(night))
        then = replace(job, as_of=int(night), model=job.model if earlier is None else earlier)
        for shard, own in rows.groupby(rows["account_id"].map(shard_of), sort=True):
            seen = view(store, int(shard), [then.as_of], params, job.versions, debtors=list(own["debtor_id"].unique()))
            own = own[own["account_id"].isin(seen.cohort.frame["account_id"])].reset_index(drop=True)
            if own.empty:
                continue
            lots = lots_of(own["variant"])
            yield pd.DataFrame(
                {
                    "debtor_id": own["debtor_id"],
                    "arm": lots["arm"],
                    "stratum": lots["stratum"],
                    "probability": own["probability"],
                    "matured": True,
                    "in_sample": earlier is None,
                    "money": _money(seen, own, then.as_of, params),
                    **{
                        name: _would(then, seen, store, policy, own, params)
                        for name, policy in zip((YOURS, OTHER), policies, strict=True)
                    },
                }
            )


def _would(job: Job, seen: View, store: Store, policy: Policy, own: pd.DataFrame, params: Params) -> np.ndarray:
    """The discount that a policy would offer by itself, no lot drawing."""
    named = params.model_copy(update={"treatments": Treatments(policy=str(policy.path))})
    nobody = pd.DataFrame({"debtor_id": pd.Series(dtype="str"), "arm": pd.Series(dtype="str")})
    plain = replace(policy, discounts_drawn={}, parties_drawn={})
    treated = treat_debtors(replace(job, params=named), seen, store, plain, nobody)
    found = _found(treated, job)
    discount = found.settlements["discount"].where(taken(found) == SETTLEMENT, 0.0)
    by_account = pd.Series(discount.to_numpy(), index=treated.rows["account_id"].to_numpy())
    return by_account.reindex(own["account_id"]).fillna(0.0).to_numpy(np.float64)


def _money(seen: View, own: pd.DataFrame, night: int, params: Params) -> np.ndarray:
    """Reporting units that came within the horizon, known by its maturity, at most what was owed then."""
    label, paid = params.label, seen.ledger.settlements
    inside = (paid.kind == CASH) & (paid.occurred_on >= night) & (paid.occurred_on < night + label.horizon_days)
    events = np.flatnonzero(inside & (paid.known_on < night + label.gap_days))
    net = pd.Series(net_known(paid, night + label.gap_days)[events]).groupby(paid.accounts[paid.position[events]]).sum()
    cohort = seen.cohort.frame.set_index("account_id")
    came = net.reindex(cohort["account_no"].reindex(own["account_id"])).fillna(0).to_numpy(np.float64)
    return np.minimum(came, own["balance"].to_numpy(np.float64)) * _unit(own["currency"], params)


def _unit(currency: pd.Series, params: Params) -> np.ndarray:
    rates: Mapping[str, float] = {**params.money.rates, params.money.reporting_currency: 1.0}
    names = currency.astype("str")
    return (names.map(rates) / 10.0 ** names.map(DECIMALS)).to_numpy(np.float64)
