"""Is the model still right? Looks back on former nights: assignments with their matured outcomes,
how far tonight resembles training. Before a list is published, of the list that is to be; else from the store.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from features.catalogue import CATALOGUE
from features.cohort import scorable
from features.currencies import DECIMALS
from features.days import date_of, day_of_text
from features.labels import labels
from features.ledger import history
from features.members import among
from features.tables import InnerTables
from features.terms import Reach
from models.drift import Reference
from models.fatigue import curves
from models.ladder import Rung
from models.recovery import load_model
from pipeline.night.alarm import Alarm
from pipeline.night.score import Job, job_for, score_shard
from pipeline.night.shards import Finished, late_days_of, spread_of, unseen_of
from pipeline.night.variants import matured
from pipeline.night.watch import watch_shard
from pipeline.outcomes.findings import Findings, findings_on
from pipeline.outcomes.lateness import OF_THE_DATE, lateness
from pipeline.outcomes.looked_back import LookedBack
from pipeline.outcomes.model_findings import EARLY_DAYS, EARLY_KNOWN_DAYS
from pipeline.panel.draws import fresh_draws, kept_rungs
from pipeline.panel.engines import map_shards
from pipeline.panel.panel import payments_through
from pipeline.panel.view import terms_of
from pipeline.params import Params
from pipeline.store.store import Store

YOUNG_BACK, OLD_BACK = 4, 8  # nights a week apart of which early payments are counted
LISTS_BACK = (
    60  # newest matured nights whose every row is judged; of older ones only those on which somebody was assigned
)
OF_ARMS = ("debtor_id", "arm", "assigned_on", "until_on", "probability", "as_of")
ASSIGNED = (
    "account_id",
    "debtor_id",
    "queue",
    "currency",
    "group",
    "rank",
    "arm",
    "assigned_on",
    "until_on",
    "probability",
    "p_recovered",
    "expected_recovery",
    "fx",
    "as_of",
)


def monitor(store_path: Path, as_of: dt.date, params: Params) -> Findings:
    """Findings on the night from the store: nothing known from the night on is used.
    Raises InputMissing where nothing is known yet.
    """
    return findings_on(look_back(store_path, as_of, params), as_of, params)


def judge(store: Store, job: Job, assigned: pd.DataFrame, worked: Sequence[Finished]) -> Alarm:
    """The same of a night that is made and not yet published. assigned: what it is to remember of its assignments."""
    rows = sum(one.sizes["rows"] for one in worked)
    seen = _looked_back(store, job, assigned, rows, [Shown.of(one) for one in worked], job.rung)
    return findings_on(seen, date_of(job.as_of), job.params).alarm()


def look_back(store_path: Path, as_of: dt.date, params: Params) -> LookedBack:
    """Everything the monitor needs, from the store, blind to what was known from the night on."""
    store = Store(store_path)
    job = job_for(store, as_of, params)
    kept = kept_rungs(store, job.as_of + 1)
    tonight = store.read("assignments", list(ASSIGNED), since=job.as_of, before=job.as_of + 1)
    found = list(map_shards(partial(_resemblance, job), range(store.shards), params.engine))
    rows = sum(size for size, _ in found)
    return _looked_back(store, job, tonight, rows, [shown for _, shown in found], kept[-1] if kept else None)


@dataclass(frozen=True)
class Shown:
    """What a shard shows of tonight: of pipeline.night.shards.Worked."""

    spread: pd.DataFrame
    unseen: pd.DataFrame
    month: pd.DataFrame
    late: pd.DataFrame

    @classmethod
    def of(cls, worked: Finished) -> Shown:
        return cls(worked.spread, worked.unseen, worked.month, worked.late)


def _looked_back(
    store: Store,
    job: Job,
    tonight: pd.DataFrame,
    rows: int,
    shown: Sequence[Shown],
    rung: Rung | None,
) -> LookedBack:
    """tonight: of ASSIGNED at least the columns of arms. rows: scorable accounts; shown: of each shard."""
    params = job.params
    paid = store.complete_through().get("payments") is not None
    complete = payments_through(store, before=job.as_of) if paid else {}  # by portfolio: a book may stop early
    former = nights_of(store, job.as_of)
    nights = [night for night in former if complete and night + params.label.gap_days <= max(complete.values())]
    weekly = a_week_apart(former, nights, complete)
    earlier = _earlier(store, former, set(nights[-LISTS_BACK:]), set(nights), set(weekly))
    asked = partial(_outcomes, job, sorted({*nights, *weekly}), weekly, complete)
    parts = list(map_shards(asked, range(store.shards), params.engine)) if nights or weekly else []
    found = pd.concat([part[0] for part in parts], ignore_index=True) if parts else None
    contacted = pd.concat([part[1] for part in parts], ignore_index=True) if nights else None
    early = pd.concat([part[2] for part in parts], ignore_index=True) if weekly else None
    said = matured(store, job.versions, job.as_of, params)
    return LookedBack(
        _matured(earlier.judged, found if nights else None),
        _arms(earlier.armed, tonight),
        _drift(job, rows, [one.spread for one in shown]),
        rows,
        _of_spans(contacted, earlier.judged) if contacted is not None else None,
        rung,
        fresh_draws(store, job.as_of),
        None if params.reminders is None and said.empty else said,
        None if params.reminders is None else curves(pd.concat([one.late for one in shown], ignore_index=True)),
        lateness(job, complete or None, store, [one.month for one in shown]),
        _in_units(tonight) if len(tonight) else None,
        None if early is None else _early(earlier.weekly, early, set(nights)),
        _taught_auc(job),
        pd.concat([one.unseen for one in shown]).groupby("column")["accounts"].sum().to_dict(),
    )


class Earlier(NamedTuple):
    """What the monitor asks of former nights, each in the order of the nights.

    judged  ASSIGNED of matured nights: every row of the newest, of older ones those on which somebody was assigned
    armed   of every debtor that was ever assigned, the newest row that says so
    weekly  rows of the nights whose early payments are counted
    """

    judged: pd.DataFrame
    armed: pd.DataFrame
    weekly: pd.DataFrame


def nights_of(store: Store, before: int) -> list[int]:
    """Nights before a day of which any assignment is kept, in their order."""
    days = sorted(day_of_text(night) for night in store.files("assignments") if night is not None)
    return [day for day in days if day < before and len(store.read("assignments", ["rank"], since=day, before=day + 1))]


def _earlier(store: Store, former: Sequence[int], whole: set[int], mature: set[int], weekly: set[int]) -> Earlier:
    """Former nights one at a time, the newest first, so that what every night says again is held once. whole, mature:
    matured nights of which every row is judged, and all of them.
    """
    judged, armed, counted = [], [], []
    for night in reversed(former):
        rows = store.read("assignments", list(ASSIGNED), since=night, before=night + 1)
        if night in mature:
            judged.append(rows if night in whole else rows[(rows["as_of"] == rows["assigned_on"]).to_numpy()])
        if night in weekly:
            counted.append(rows[["account_id", "debtor_id", "group", "as_of", "p_recovered"]])
        rows = rows.loc[(rows["arm"] != "").to_numpy(), list(OF_ARMS)].drop_duplicates("debtor_id", keep="last")
        for later in armed:
            rows = rows[~among(rows["debtor_id"], later["debtor_id"])]
        armed.append(rows)
    nothing = pd.DataFrame(columns=list(ASSIGNED))
    return Earlier(
        *(pd.concat(part[::-1], ignore_index=True) if part else nothing for part in (judged, armed, counted))
    )


def a_week_apart(former: Iterable[int], nights: Sequence[int], complete: Mapping[str, int]) -> list[int]:
    """The newest of former nights whose early payments are known, and those before it a week or more apart: up to
    YOUNG_BACK that have not matured, and up to OLD_BACK of those that have. former: published; nights: of them, those
    that have matured; complete: last day of payments, by book.
    """
    if not complete:
        return []
    last, found = max(complete.values()) - EARLY_DAYS - EARLY_KNOWN_DAYS + 1, dict[bool, list[int]]()
    kept: int | None = None
    for night in sorted((int(each) for each in former if each <= last), reverse=True):
        if kept is None or kept - night >= EARLY_DAYS:
            kept = night
            found.setdefault(night in nights, []).append(night)
    return [*found.get(False, [])[:YOUNG_BACK], *found.get(True, [])[:OLD_BACK]]


def _early(earlier: pd.DataFrame, outcomes: pd.DataFrame, matured: set[int]) -> pd.DataFrame:
    """as_of, debtor_id, p_recovered, early and matured of the accounts that were left to be worked."""
    rows = earlier.loc[earlier["group"] != "held_out", ["account_id", "debtor_id", "as_of", "p_recovered"]]
    rows = rows.merge(outcomes, on=["account_id", "as_of"])
    return rows.assign(matured=rows["as_of"].isin(matured))


def _in_units(tonight: pd.DataFrame) -> pd.DataFrame:
    """debtor_id, p_recovered and expected in reporting units."""
    places = 10.0 ** tonight["currency"].astype("str").map(DECIMALS).to_numpy(dtype=np.float64)
    expected = tonight["expected_recovery"].to_numpy(np.float64) * tonight["fx"].to_numpy(np.float64) / places
    return tonight[["debtor_id", "p_recovered"]].assign(expected=expected)


def _taught_auc(job: Job) -> float | None:
    """Of the chances out of fold when the model was taught; the age-band table has none."""
    found = load_model(job.model.folder, job.model.sha256).facts.get("out_of_fold_auc")
    return None if found is None else float(found)


def _matured(wanted: pd.DataFrame, outcomes: pd.DataFrame | None) -> pd.DataFrame:
    if outcomes is None:
        return wanted.iloc[:0].assign(expected=0.0, recovered=0.0, money=0.0)
    rows = wanted.merge(outcomes, on=["account_id", "as_of"], how="left")
    unit = rows["fx"].to_numpy(dtype=np.float64) / 10.0 ** rows["currency"].astype("str").map(DECIMALS).to_numpy(
        dtype=np.float64
    )
    return rows.assign(expected=rows["expected_recovery"] * unit, money=rows["recovered_amount"] * unit).drop(
        columns="recovered_amount"
    )


def _arms(*assigned: pd.DataFrame) -> pd.DataFrame:
    """The newest arm of every debtor that was ever assigned; frames in the order of their nights."""
    columns = list(OF_ARMS[:-1])
    held = [frame.loc[frame["arm"] != "", list(OF_ARMS)] for frame in assigned if not frame.empty]
    if not held:
        return pd.DataFrame(columns=columns)
    armed = pd.concat(held).astype({"debtor_id": "str", "arm": "str"}).sort_values("as_of", kind="stable")
    return armed.drop_duplicates("debtor_id", keep="last")[columns].sort_values("debtor_id", ignore_index=True)


def _outcomes(
    job: Job, nights: Sequence[int], weekly: Sequence[int], complete: Reach, shard: int
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """(account_id, as_of, recovered, recovered_amount) of the shard's scorable accounts; contacts of ours per debtor
    and day; account_id, as_of, early of the weekly nights.
    """
    store = Store(job.store_path)
    terms = terms_of(store, job.params, job.versions)
    tables = store.tables(shard, versions=job.versions)
    known = InnerTables({name: frame[frame["known_on"].to_numpy() < job.as_of] for name, frame in tables.items()})
    ledger = history(known, terms)
    cohort = scorable(known, ledger, list(nights), terms).frame
    told = labels(cohort, known, ledger, job.params.label_terms(), complete, terms.decimals, terms.delivers)
    outcomes = cohort[["account_id", "as_of"]].reset_index(drop=True)
    outcomes = outcomes.assign(
        recovered=told["recovered"].to_numpy(), recovered_amount=told["recovered_amount"].to_numpy()
    )
    soon = replace(job.params.label_terms(), horizon_days=EARLY_DAYS, maturity_days=EARLY_KNOWN_DAYS)
    some = cohort[cohort["as_of"].isin(weekly)].reset_index(drop=True)
    paid = labels(some, known, ledger, soon, complete, terms.decimals, terms.delivers)["recovered"].to_numpy()
    return outcomes, _contacts(known), some[["account_id", "as_of"]].assign(early=paid)


def _contacts(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    if "contacts" not in tables:
        return pd.DataFrame({"debtor_id": pd.Series(dtype="str"), "occurred_on": pd.Series(dtype="int32")})
    ours = tables["contacts"][tables["contacts"]["direction"].isin(["outbound"])]
    owners = tables["accounts"].drop_duplicates(["account_no", "debtor_id"])[["account_no", "debtor_id", "known_on"]]
    owners = owners.assign(as_delivered=~owners["account_no"].duplicated())
    days = ours[["account_no", "occurred_on"]].merge(owners, on="account_no")
    # A span keeps the name it was drawn under; the debtor may have been found to be another one since.
    days = days[days["as_delivered"] | (days["known_on"] <= days["occurred_on"])]
    return days[["debtor_id", "occurred_on"]].drop_duplicates(ignore_index=True)


def _of_spans(contacted: pd.DataFrame, wanted: pd.DataFrame) -> pd.DataFrame:
    """On how many days we really contacted a debtor in each of its spans: debtor_id, assigned_on, contacts."""
    spans = wanted.loc[
        wanted["as_of"] == wanted["assigned_on"], ["debtor_id", "assigned_on", "until_on"]
    ].drop_duplicates()
    met = spans.merge(contacted, on="debtor_id")
    met = met[(met["occurred_on"] >= met["assigned_on"]) & (met["occurred_on"] < met["until_on"])]
    return met.groupby(["debtor_id", "assigned_on"], sort=True).size().rename("contacts").reset_index()


def _resemblance(job: Job, shard: int) -> tuple[int, Shown]:
    """Scorable accounts of the shard, and what it shows."""
    seen, scores, numbers = score_shard(job, shard)
    more = watch_shard(job, seen).month, late_days_of(job, seen, Store(job.store_path))
    return len(seen.cohort.frame), Shown(spread_of(job, scores, numbers), unseen_of(job, seen), *more)


def _drift(job: Job, rows: int, spread: Sequence[pd.DataFrame]) -> dict[str, float] | None:
    """`moved` tonight; None where the model keeps no picture of the rows that taught it."""
    reference: Reference | None = getattr(load_model(job.model.folder, job.model.sha256), "reference", None)
    if reference is None or rows == 0:
        return None
    counts = pd.concat(spread).groupby(["column", "bin"], sort=True)["rows"].sum()
    return moved(reference, {name: counts[name].to_numpy() for name in reference.shares}, rows, job.as_of)


def moved(reference: Reference, counts: Mapping[str, np.ndarray], rows: int, night: int) -> dict[str, float]:
    """models.drift.Reference.moved of every feature and of the score. counts: column -> rows per bin.

    One night has one date: where it stands in the calendar always differs from a panel, and says nothing of the
    population.
    """
    calendar = {entry.name for entry in CATALOGUE if entry.family == "calendar"} | set(OF_THE_DATE)
    return {
        name: reference.moved(name, own / rows, rows, night) for name, own in counts.items() if name not in calendar
    }
