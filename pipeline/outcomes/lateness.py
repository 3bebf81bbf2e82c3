"""Is P(late) still right? What the nights of the store said of accounts before their due day, with what came of it once
known, those who were reminded told apart; and how far tonight's resemble those that taught the head.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from features.catalogue import WATCH
from features.cohort import watched
from features.currencies import DECIMALS
from features.labels import watch_labels
from features.ledger import history
from features.tables import InnerTables
from models.money import MoneyScale
from models.resampling import ratio_by_debtor
from models.watch import AMOUNT_FROM, bucket_of, meaning_of
from pipeline.night.reminders import SILENT, chance_of, said_before
from pipeline.night.score import Job
from pipeline.night.watch import ALL, OF_A_MONTH, WATCHED_KEPT, head_of
from pipeline.panel.engines import map_shards
from pipeline.panel.view import terms_of
from pipeline.store.form import WATCHED
from pipeline.store.store import Store

NIGHTS_BACK = 60  # newest matured nights that are judged
LEAST_PEOPLE, LEAST_LATE = 30, 5  # debtors, and those of them who were late, below which no interval is told
WRITTEN, KEPT_SILENT = "written", "silent"
# Scope of `late_by` -> how its groups are sorted, where not by their names.
IN_ORDER = {
    "tenth": int,
    "due": bucket_of(np.array(AMOUNT_FROM)).tolist().index,
    "said": ("", WRITTEN, KEPT_SILENT).index,
}
# A matter of the night's date, as the calendar itself is: where the next due day lies in it, how far that, the last
# bill and the last statement are away, for many are billed on one day of the month; how far our last attempt is, for
# nobody works on Sundays; and an emergency, which is declared for a whole place at once.
OF_THE_DATE = (
    "next_due_day_of_month",
    "next_due_weekday",
    "next_due_days_to_month_end",
    "days_to_next_charge",
    "charges_days_since_last_billed",
    "statements_days_since_last",
    "contacts_days_since_last",
    "contacts_days_since_last_outbound",
    "status_emergency_days",
)


@dataclass(frozen=True)
class Lateness:
    """matured  of nights whose last label is known: as_of, account_id, debtor_id, portfolio, p_late, late (1, 0 or NaN
             where it cannot be told), due (reporting units that fell due), said (WRITTEN, KEPT_SILENT or "")
    nights   how many nights said P(late) of what the params call late
    psi      population stability of the head's columns and of P(late) (drift.SCORE) on nights of the month that ends
             tonight; None without a head that keeps how its rows were spread
    rows     watched accounts of a night of that month
    """

    matured: pd.DataFrame
    nights: int
    psi: Mapping[str, float] | None
    rows: int


def lateness(
    job: Job, complete: Mapping[str, int] | None, store: Store, month: Sequence[pd.DataFrame]
) -> Lateness | None:
    """None where the params watch nothing. complete: portfolio -> last day whose payments were all known before the
    night; None where no night of the store is old enough to ask. store: as pinned. month: of
    pipeline.night.watch.Watched of each shard.
    """
    if job.params.watch is None:
        return None
    kept = said_of_late(store, job)
    rows, moved = _drift(job, month)
    return Lateness(matured_late(job, complete, store, kept), int(kept["as_of"].nunique()), moved, rows)


def matured_late(
    job: Job, complete: Mapping[str, int] | None, store: Store, kept: pd.DataFrame | None = None
) -> pd.DataFrame:
    """`matured` of Lateness. kept: said_of_late, where it has been read."""
    terms = job.params.watch_terms()
    kept = said_of_late(store, job) if kept is None else kept
    old = kept.iloc[:0] if not complete else kept[kept["as_of"] + terms.gap_days <= max(complete.values())]
    nights = sorted(old["as_of"].unique().tolist())[-NIGHTS_BACK:]
    told = old.iloc[:0].assign(late=np.nan, due=np.nan, said="")
    if nights and complete:
        parts = map_shards(partial(_outcomes, job, nights, complete), range(store.shards), job.params.engine)
        told = old[old["as_of"].isin(nights)].merge(pd.concat(list(parts)), on=["account_id", "as_of"], how="left")
        told = told.assign(said=_said_to(told, store, job))
    return told.drop(columns="meaning")


def _said_to(told: pd.DataFrame, store: Store, job: Job) -> np.ndarray:
    """Of each row WRITTEN where a night published a message to the debtor before it was known whether he would be late,
    KEPT_SILENT where the lot of the messages keeps one from him, whatever he does; "" of all others.

    The lot decides where none over the work list does (pipeline.night.reminders). The debtors that it keeps silent are
    those of the least share of these nights: a larger one holds them too.
    """
    messages = said_before(store, {}, job.as_of)
    terms, found = job.params.watch_terms(), np.full(len(told), "", object)
    columns = ["debtor_id", "arm", "assigned_on", "until_on"]
    arms = store.read("assignments", columns, before=job.as_of).reindex(columns=columns)  # of no night it has none
    arms = arms[arms["arm"] != ""].drop_duplicates()
    for night in np.unique(told["as_of"]):
        until = night + terms.days_ahead + max(terms.late_days.values())
        inside = messages[(messages["as_of"] >= night) & (messages["as_of"] < until)]
        if inside.empty:
            continue
        own = (told["as_of"] == night).to_numpy()
        debtors = told.loc[own, "debtor_id"]
        written = debtors.isin(inside.loc[inside["variant"] != SILENT, "debtor_id"]).to_numpy()
        share = inside.loc[inside["p_silent"] > 0, "p_silent"].min()  # NaN where no lot was drawn: nobody is below it
        listed = arms.loc[(arms["assigned_on"] < until) & (arms["until_on"] > night), "debtor_id"]
        lot = np.array([chance_of(job.params.seed, SILENT, name) for name in debtors], np.float64) < share
        silent = lot & ~written & ~debtors.isin(listed).to_numpy()
        found[own] = np.select([written, silent], [WRITTEN, KEPT_SILENT], "")
    return found


def late_by(matured: pd.DataFrame) -> pd.DataFrame:
    """scope, group, rows, debtors, late, expected (shares of the rows), ratio of both, low, high: of all, by tenth of
    P(late), book, what fell due, and what was said; 95 % intervals by debtor, none of fewer than LEAST_PEOPLE debtors,
    or LEAST_LATE late ones.
    """
    rows = matured[matured["late"].notna()].sort_values(["p_late", "account_id", "as_of"], ignore_index=True)
    tenth = np.arange(len(rows)) * 10 // max(len(rows), 1) + 1
    scopes = {
        "all": np.full(len(rows), ""),
        "tenth": tenth.astype(str),
        "book": rows["portfolio"].to_numpy(),
        "due": bucket_of(rows["due"].to_numpy(np.float64)),
        "said": rows["said"].to_numpy(),
    }
    found = []
    for scope, groups in scopes.items():
        names = pd.unique(groups)
        if scope == "said" and len(names) < 2:
            continue
        for group in sorted(names, key=IN_ORDER.get(scope)):
            own = rows[groups == group]
            people = own["debtor_id"].nunique()
            ratio = ratio_by_debtor(own["debtor_id"], own["late"], own["p_late"])
            if own.loc[own["late"] > 0, "debtor_id"].nunique() < LEAST_LATE or people < LEAST_PEOPLE:
                ratio = (ratio[0], np.nan, np.nan)
            shares = (float(own["late"].mean()), float(own["p_late"].mean()))
            found.append((scope, group, len(own), people, *shares, ratio[0], max(ratio[1], 0.0), ratio[2]))
    columns = ["scope", "group", "rows", "debtors", "late", "expected", "ratio", "low", "high"]
    return pd.DataFrame(found, columns=columns)


def said_of_late(store: Store, job: Job) -> pd.DataFrame:
    """WATCHED_KEPT of the nights before this one that meant by late what the params mean."""
    kept = store.read(WATCHED, list(WATCHED_KEPT), before=job.as_of)
    if kept.empty:
        return pd.DataFrame({name: [] for name in WATCHED_KEPT}).astype({"as_of": "int64", "p_late": "float64"})
    texts = {name: "str" for name in WATCHED_KEPT if name not in ("as_of", "p_late")}
    meaning = json.dumps(meaning_of(job.params.watch_terms()), sort_keys=True)
    kept = kept.astype(texts)
    return kept[kept["meaning"] == meaning].reset_index(drop=True)


def _outcomes(job: Job, nights: Sequence[int], complete: Mapping[str, int], shard: int) -> pd.DataFrame:
    """account_id, as_of, late, due of the shard's watched accounts, by what was known before the night."""
    store = Store(job.store_path)
    terms, watch = terms_of(store, job.params, job.versions), job.params.watch_terms()
    tables = store.tables(shard, versions=job.versions)
    known = InnerTables({name: frame[frame["known_on"].to_numpy() < job.as_of] for name, frame in tables.items()})
    ledger = history(known, terms)
    cohort = watched(known, ledger, list(nights), terms, watch).frame
    found = watch_labels(cohort, known, ledger, watch, complete, terms.delivers)
    rows = cohort[["account_id", "as_of"]].reset_index(drop=True)
    money, currency = job.params.money, cohort["currency"].astype("str")
    scale = MoneyScale.resolve(sorted(set(currency)), money.rates, DECIMALS, money.reporting_currency)
    due = cohort["due_amount"].to_numpy(np.float64) * scale.per_minor(currency)
    return rows.assign(late=found["late"].to_numpy(), due=due).astype({"account_id": "str", "as_of": "int64"})


def _drift(job: Job, month: Sequence[pd.DataFrame]) -> tuple[int, dict[str, float] | None]:
    """(watched accounts of a night on the mean, models.drift.Reference.moved of the head's columns and of P(late))."""
    told, head = pd.concat(month, ignore_index=True), head_of(job)
    rows = int(told.loc[told["column"] == ALL, "rows"].sum())
    told = told[told["column"] != ALL]
    if head is None or head.reference is None or told.empty:
        return rows // len(OF_A_MONTH), None
    calendar = {entry.name for entry in WATCH if entry.family == "calendar"} | set(OF_THE_DATE)
    counts = told.groupby(["column", "bin"], sort=True)["rows"].sum()
    shares = {name: counts[name].to_numpy() / rows for name in told["column"].unique() if name not in calendar}
    people = max(rows // len(OF_A_MONTH), 1)  # an account of four nights says little more than one of one
    return people, {name: head.reference.moved(name, share, people, job.as_of) for name, share in shares.items()}
