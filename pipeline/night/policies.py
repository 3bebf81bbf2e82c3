"""`recoup whatif --policy`: another treatment policy beside the one of the params, on one night and on past ones."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from features.days import date_of
from features.errors import UsageError
from models.belief import LEAST_MATURED
from pipeline.night.feeds import check_feeds
from pipeline.night.past_policies import OTHER, YOURS, Lot, agency_lot, discount_lot, on_past_nights, with_money
from pipeline.night.ranking import rank_night
from pipeline.night.refusals import NoWorth
from pipeline.night.score import Job, job_for
from pipeline.night.shards import work_shards
from pipeline.night.treatment import Treated, treat
from pipeline.params import Params, Treatments
from pipeline.store.files import private_folder
from pipeline.store.store import Store
from pipeline.treatment.comparison import DIFFERENCE, as_it_came, by_route, moved
from pipeline.treatment.policy import Policy, policy_in
from pipeline.treatment.proposals import Proposals

MONEY = ("balance", "value", "value_low", "value_high", "let_off", "asked_a_month")
PAST_NIGHTS = 3  # matured nights on which both are worked out, where nobody says how many


def compare_policies(
    store_path: Path, as_of: dt.date, other: Path, params: Params, past_nights: int = PAST_NIGHTS
) -> str:
    """Both policies on the night as it is in the store, nothing published: by route, who moves; the same on past nights
    whose outcome is known, and what came where a lot had done as each would have.

    Raises UsageError where the params name no policy, NoWorth where the model in use does not say what waiting is
    worth.
    """
    if params.treatments is None:
        raise UsageError("There is no policy to compare with: the params' `treatments` is null. Name yours there.")
    store = Store(store_path)
    check_feeds(store, as_of, params)
    second = params.model_copy(update={"treatments": Treatments(policy=str(other))})
    both = {YOURS: night_of(store, as_of, params), OTHER: night_of(store, as_of, second)}
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
    policies = [first.policy, then.policy]
    shown.append(_on_past_nights(store, job, params, policies, past_nights))
    shown.append(_as_it_came(discount_lot(store, job, params), DISCOUNTS, store, job, params, policies))
    shown.append(_as_it_came(agency_lot(store, job, params, policies), AGENCIES, store, job, params, policies))
    return "\n".join(shown)


def night_of(store: Store, as_of: dt.date, params: Params) -> tuple[Job, Treated]:
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

DISCOUNTS = (
    "money within {days} days of an offer whose discount a lot drew, where it drew as each would",
    "`explore.discounts` of a policy draws them",
)
AGENCIES = (
    "money within {days} days of accounts that a lot gave to one of several agencies, where it gave as each would, "
    "before commission",
    "`explore.parties` of a policy draws them",
)


def _on_past_nights(store: Store, job: Job, params: Params, policies: Sequence[Policy], many: int) -> str:
    """What each would have done by itself, as `by_route` and `moved` tell of tonight."""
    found = on_past_nights(store, job, params, policies, many)
    if not found.nights:
        return "\nOn past nights: none is worked out." if many else ""
    days = ", ".join(str(date_of(night)) for night in found.nights)
    lines = [
        f"\nOn past nights whose outcome is known, each by itself, no lot drawing: {days}; of all of them together."
    ]
    if found.in_sample:
        lines.append(
            f"Before {found.in_sample} of them no model was approved that is kept and says what waiting is worth: the "
            "model in use stands in, which may have learnt from what came."
        )
    for name, table in found.routes.items():
        lines.append(f"\nBy route, {name} policy, past nights:\n{_text(table)}")
    lines.append(
        f"\nTreated otherwise on past nights: {int(found.moved['accounts'].sum()) if len(found.moved) else 0:,} of "
        f"{found.accounts:,} accounts." + (f"\n{_text(found.moved)}" if len(found.moved) else "")
    )
    return "\n".join(lines)


def _as_it_came(
    lot: Lot, said: tuple[str, str], store: Store, job: Job, params: Params, policies: Sequence[Policy]
) -> str:
    """said: what the money is of, and what draws."""
    head = f"\nOn past nights: {said[0].format(days=lot.days)}."
    if lot.offers.empty:
        return f"{head} None has matured: {said[1]}."
    offers = pd.concat([*with_money(lot, store, job, params, policies)], ignore_index=True)
    seen, what = offers["in_sample"].to_numpy(bool), f"{len(offers):,} of {lot.offers['as_of'].nunique():,} nights"
    lines = [f"{head} {what}, {params.money.reporting_currency}:"]
    lines += came_lines(offers, params)
    if seen.any():
        lines.append(
            f"  In-sample: before the nights of {int(seen.sum()):,} of these no model was approved that is kept "
            "and says what waiting is worth. There both policies are worked out with the model in use, which may have "
            "learnt from what came."
        )
    if seen.any() and not seen.all():
        lines.append(f"Out of sample, each by the model approved before its night, {int((~seen).sum()):,}:")
        lines += came_lines(offers[~seen].reset_index(drop=True), params)
    return "\n".join(lines)


def came_lines(offers: pd.DataFrame, params: Params) -> list[str]:
    """What `as_it_came` tells of rows of `with_money`, in the reporting currency, and of how many of them it speaks."""
    would = {name: offers[name].to_numpy() for name in (YOURS, OTHER)}
    told = as_it_came(offers, would, draws=params.evaluate.bootstrap_draws, seed=params.seed)
    drawn, covered = told["drawn"].iloc[0], told["covered"].iloc[0]
    if covered < LEAST_MATURED:
        return [f"  No figure: {told['why'].iloc[0]}."]
    lines = [
        f"  Covered are {covered:,} of {drawn:,} ({covered / drawn:.0%}): the lot could have done with them as either "
        "policy would. The figures speak of them alone."
    ]
    for row in told.itertuples():
        so = f"{row.matched:,} drawn so"
        what = f"{row.money:+,.2f}" if row.policy == DIFFERENCE else f"{row.money:,.2f}"
        said = row.why or f"{what} each ({row.low:,.2f} to {row.high:,.2f})"
        if row.policy == DIFFERENCE:
            so = f"{row.otherwise:,} of the covered treated otherwise, the others count as 0"
        lines.append(f"  {row.policy}: {said}; {so}")
    return lines
