"""Two policies on nights whose outcome is known by now: what each would have done, who would have moved, and the money
that came where the lot had done as each would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from features.days import date_of
from features.settlements import CASH, net_known
from models.recovery import load_model
from models.routes import AGENCY
from models.settlements import lots_of
from pipeline.night.refusals import NoWorth
from pipeline.night.score import Job
from pipeline.night.treatment import KEPT_COLUMNS, Treated, nothing_kept, taken, treat_debtors, unit_of
from pipeline.panel.panel import HISTORY_DAYS
from pipeline.panel.view import View, view
from pipeline.params import Params, Treatments
from pipeline.store.champion import Approved, approved_before
from pipeline.store.form import TREATED
from pipeline.store.store import Store
from pipeline.treatment.comparison import by_route, moved, summed
from pipeline.treatment.policy import Policy
from pipeline.treatment.proposals import SETTLEMENT, Proposals

YOURS, OTHER = "the params'", "the other"


@dataclass(frozen=True)
class Lot:
    """What a lot drew on past nights, and what a policy would have chosen by itself.

    offers     KEPT_COLUMNS, an account once within `days`, in which its money is counted
    arm        column of what was drawn; could: of all that could have been, (); probability: of the draw
    would      (Treated, Proposals) -> the arm of each of its rows under a policy
    """

    offers: pd.DataFrame
    days: int
    arm: pd.Series
    could: pd.Series
    probability: pd.Series
    would: Callable[[Proposals], np.ndarray]


def discount_lot(store: Store, job: Job, params: Params) -> Lot:
    """Settlements whose discount a lot drew, each account and draw once, on the first night that offered it."""
    days = params.label.horizon_days
    kept = _kept_before(store, job.as_of - params.label.gap_days + 1)
    by_lot = (kept["variant"] != "") & (kept["proposal"] == SETTLEMENT)
    drawn = kept[by_lot.to_numpy()].sort_values(["as_of", "account_id"])
    drawn = _apart(drawn.drop_duplicates(["account_id", "variant"]), days)
    could = _could(drawn["variant"]).map(lambda arms: tuple(float(arm) for arm in arms))

    def would(found: Proposals) -> np.ndarray:
        return found.settlements["discount"].where(taken(found) == SETTLEMENT, 0.0).to_numpy(np.float64)

    return Lot(drawn, days, lots_of(drawn["variant"])["arm"], could, drawn["probability"], would)


def agency_lot(store: Store, job: Job, params: Params, policies: Sequence[Policy]) -> Lot:
    """Accounts that a lot gave to one of several agencies; money of the longest horizon that either policy has."""
    own = [party.horizon_days for policy in policies for party in policy.parties if party.route == AGENCY]
    days = max(own, default=params.label.horizon_days)
    kept = _kept_before(store, job.as_of - days - params.label.maturity_days + 1)
    drawn = kept[kept["party_probability"].notna().to_numpy()].sort_values(["as_of", "account_id"])
    drawn = _apart(drawn.drop_duplicates(["account_id", "party"]), days)

    def would(found: Proposals) -> np.ndarray:
        chosen = found.routes.chosen
        return chosen["party"].where(chosen["route"] == AGENCY, "").astype("str").to_numpy(object)

    return Lot(drawn, days, drawn["party"].astype(object), _could(drawn["variant"]), drawn["party_probability"], would)


def _could(variants: pd.Series) -> pd.Series:
    """All that a lot could have drawn, by the names of `variant_of`; () where a night did not keep them."""
    told = [tuple(name.partition(" of ")[2].split("+")) if name else () for name in variants]
    return pd.Series(told, index=variants.index, dtype=object)


def _kept_before(store: Store, day: int) -> pd.DataFrame:
    if TREATED not in store.delta.names():
        return nothing_kept()
    kept = store.read(TREATED, list(KEPT_COLUMNS), before=day)
    return nothing_kept() if kept.empty else kept


def _apart(drawn: pd.DataFrame, days: int) -> pd.DataFrame:
    return drawn[apart(drawn["account_id"], drawn["as_of"], days)].reset_index(drop=True)


def apart(accounts: pd.Series, nights: pd.Series, days: int) -> np.ndarray:
    """bool per row, nights never falling: whether it lies so many days or more after the account's last that does."""
    last: dict[str, int] = {}
    found = np.zeros(len(accounts), bool)
    for place, (account, night) in enumerate(zip(accounts, nights, strict=True)):
        if night >= last.get(account, night - days) + days:
            found[place], last[account] = True, int(night)
    return found


def model_then(store: Store, night: int) -> Approved | None:
    """The model approved before a night, where it is kept and says what waiting is worth."""
    found = approved_before(store.path, date_of(night))
    if found is None or getattr(load_model(found.folder, found.sha256), "continuation", None) is None:
        return None
    return found


def then(store: Store, job: Job, night: int) -> tuple[Job, bool]:
    """The job of a past night, by the model approved before it; True where the model in use stands in for it."""
    earlier = model_then(store, night)
    return replace(job, as_of=night, model=job.model if earlier is None else earlier), earlier is None


def with_money(lot: Lot, store: Store, job: Job, params: Params, policies: Sequence[Policy]) -> Iterator[pd.DataFrame]:
    """Of each past night what a lot drew on it: debtor_id, arm, could, probability, matured, money, and what either
    policy would have chosen by itself, knowing what was known then. in_sample: by the model in use, for want of one
    approved before the night.
    """
    past = lot.offers
    shard_of = {account: store.shard_of_account(account) for account in past["account_id"]}
    for night, rows in past.groupby("as_of", sort=True):
        early, in_sample = then(store, job, int(night))
        for shard, own in rows.groupby(rows["account_id"].map(shard_of), sort=True):
            debtors = list(own["debtor_id"].unique())
            seen = view(store, int(shard), [early.as_of], params, job.versions, debtors=debtors)
            own = own[own["account_id"].isin(seen.cohort.frame["account_id"])]
            if own.empty:
                continue
            yield pd.DataFrame(
                {
                    "debtor_id": own["debtor_id"],
                    "arm": lot.arm[own.index],
                    "could": lot.could[own.index],
                    "probability": lot.probability[own.index],
                    "matured": True,
                    "in_sample": in_sample,
                    "money": _money(seen, own, early.as_of, lot.days, params),
                    **{
                        name: _would(early, seen, store, policy, own, params, lot)
                        for name, policy in zip((YOURS, OTHER), policies, strict=True)
                    },
                }
            ).reset_index(drop=True)


def by_itself(job: Job, seen: View, store: Store, policy: Policy, params: Params) -> tuple[Treated, Proposals]:
    """What a policy does with whole debtors on the job's night, no lot drawing and nobody held out."""
    named = params.model_copy(update={"treatments": Treatments(policy=str(policy.path))})
    nobody = pd.DataFrame({"debtor_id": pd.Series(dtype="str"), "arm": pd.Series(dtype="str")})
    plain = replace(policy, discounts_drawn={}, parties_drawn={})
    treated = treat_debtors(replace(job, params=named), seen, store, plain, nobody)
    if treated.found is None:
        raise NoWorth.of(job.model.version)
    return treated, treated.found


def _would(
    job: Job, seen: View, store: Store, policy: Policy, own: pd.DataFrame, params: Params, lot: Lot
) -> np.ndarray:
    treated, found = by_itself(job, seen, store, policy, params)
    chosen = pd.Series(lot.would(found), index=treated.rows["account_id"].to_numpy())
    told = chosen.reindex(own["account_id"])
    return told.fillna("" if told.dtype == object or str(told.dtype) == "str" else 0.0).to_numpy()


def _money(seen: View, own: pd.DataFrame, night: int, days: int, params: Params) -> np.ndarray:
    """Reporting units that came within so many days, known by their maturity, at most what was owed then."""
    known, paid = night + days + params.label.maturity_days, seen.ledger.settlements
    if paid is None:
        return np.zeros(len(own))
    inside = (paid.kind == CASH) & (paid.occurred_on >= night) & (paid.occurred_on < night + days)
    events = np.flatnonzero(inside & (paid.known_on < known))
    net = pd.Series(net_known(paid, known)[events]).groupby(paid.accounts[paid.position[events]]).sum()
    cohort = seen.cohort.frame.set_index("account_id")
    came = net.reindex(cohort["account_no"].reindex(own["account_id"])).fillna(0).to_numpy(np.float64)
    return np.minimum(came, own["balance"].to_numpy(np.float64)) * unit_of(own["currency"], params)


# ---- whole nights ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Nights:
    """Both policies on whole past nights. nights: day numbers, newest first; accounts: of all of them together; routes:
    policy -> BY_ROUTE of all together, burden the mean of plans; moved: as `moved` tells; in_sample: nights that the
    model in use stood in for.
    """

    nights: tuple[int, ...]
    accounts: int
    routes: Mapping[str, pd.DataFrame]
    moved: pd.DataFrame
    in_sample: int


def matured_nights(store: Store, job: Job, params: Params, many: int) -> list[int]:
    """The newest nights whose label is known by the job's night, a horizon apart, as many as history reaches."""
    first = store.span("payments")[0] + HISTORY_DAYS
    newest = job.as_of - params.label.gap_days
    nights = [newest - params.label.horizon_days * each for each in range(many)]
    return [night for night in nights if night >= first]


def on_past_nights(store: Store, job: Job, params: Params, policies: Sequence[Policy], many: int) -> Nights:
    """Each policy by itself on each of the nights: no lot draws, nobody is held out, and what one would have changed by
    the next night is not followed."""
    nights = matured_nights(store, job, params, many)
    parts: dict[str, list[pd.DataFrame]] = {YOURS: [], OTHER: []}
    changes, accounts, in_sample = [], 0, 0
    for night in nights:
        early, stood_in = then(store, job, night)
        in_sample += stood_in
        for shard in range(store.shards):
            seen = view(store, shard, [night], params, job.versions)
            both = [by_itself(early, seen, store, policy, params) for policy in policies]
            for name, (treated, found) in zip(parts, both, strict=True):
                parts[name].append(by_route(treated.rows, treated.rows["unit"].to_numpy(), found))
            (treated, first), (_, second) = both
            accounts += len(treated.rows)
            changes.append(moved(treated.rows, treated.rows["unit"].to_numpy(), first, second))
    routes = {name: summed(own) for name, own in parts.items() if own}
    told = pd.concat(changes, ignore_index=True) if changes else pd.DataFrame()
    if len(told):
        told = told.groupby(["before", "after"], sort=True).sum().reset_index()
        told = told.sort_values("accounts", ascending=False, kind="stable", ignore_index=True)
    return Nights(tuple(nights), accounts, routes, told, in_sample)
