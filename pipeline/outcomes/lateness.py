"""Is P(late) still right? What the nights of the store said of accounts before their due day, with what came of it once
known; and how far tonight's resemble those that taught the head.
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
from features.labels import watch_labels
from features.ledger import history
from features.tables import InnerTables
from models.drift import SCORE, binned_shares, psi
from models.watch import meaning_of
from pipeline.night.score import Job, asked
from pipeline.night.watch import WATCHED_KEPT, head_of
from pipeline.panel.engines import map_shards
from pipeline.panel.view import terms_of, view
from pipeline.store.form import WATCHED
from pipeline.store.store import Store

NIGHTS_BACK = 60  # newest matured nights that are judged
# Where the next due day lies in the calendar, and how far it and the last bill are away, is a matter of the night's
# date, as the calendar itself is: many are billed on one day of the month.
OF_THE_DATE = (
    "next_due_day_of_month",
    "next_due_weekday",
    "next_due_days_to_month_end",
    "days_to_next_charge",
    "charges_days_since_last_billed",
)


@dataclass(frozen=True)
class Lateness:
    """matured  of nights whose last label is known: as_of, account_id, debtor_id, portfolio, p_late, late (1, 0 or NaN
             where it cannot be told)
    nights   how many nights said P(late) of what the params call late
    psi      population stability of the head's columns and of P(late) (drift.SCORE) tonight; None without a head that
             keeps how its rows were spread
    rows     watched accounts tonight
    """

    matured: pd.DataFrame
    nights: int
    psi: Mapping[str, float] | None
    rows: int


def lateness(job: Job, complete: Mapping[str, int] | None) -> Lateness | None:
    """None where the params watch nothing. complete: portfolio -> last day whose payments were all known before the
    night; None where no night of the store is old enough to ask.
    """
    if job.params.watch is None:
        return None
    store, terms = Store(job.store_path), job.params.watch_terms()
    kept = said_of_late(store, job)
    old = kept.iloc[:0] if not complete else kept[kept["as_of"] + terms.gap_days <= max(complete.values())]
    nights = sorted(old["as_of"].unique().tolist())[-NIGHTS_BACK:]
    told = old.iloc[:0].assign(late=np.nan)
    if nights and complete:
        parts = map_shards(partial(_outcomes, job, nights, complete), range(store.shards), job.params.engine)
        told = old[old["as_of"].isin(nights)].merge(pd.concat(list(parts)), on=["account_id", "as_of"], how="left")
    rows, moved = _drift(job, store)
    return Lateness(told.drop(columns="meaning"), int(kept["as_of"].nunique()), moved, rows)


def said_of_late(store: Store, job: Job) -> pd.DataFrame:
    """WATCHED_KEPT of the nights up to this one that meant by late what the params mean."""
    if WATCHED not in store.delta.names():
        return pd.DataFrame({name: [] for name in WATCHED_KEPT}).astype({"as_of": "int64", "p_late": "float64"})
    kept = store.read(WATCHED, list(WATCHED_KEPT), before=job.as_of + 1)
    texts = {name: "str" for name in WATCHED_KEPT if name not in ("as_of", "p_late")}
    meaning = json.dumps(meaning_of(job.params.watch_terms()), sort_keys=True)
    kept = kept.astype(texts)
    return kept[kept["meaning"] == meaning].reset_index(drop=True)


def _outcomes(job: Job, nights: Sequence[int], complete: Mapping[str, int], shard: int) -> pd.DataFrame:
    """account_id, as_of, late of the shard's watched accounts, by what was known before the night."""
    store = Store(job.store_path)
    terms, watch = terms_of(store, job.params, job.versions), job.params.watch_terms()
    tables = store.tables(shard, versions=job.versions)
    known = InnerTables({name: frame[frame["known_on"].to_numpy() < job.as_of] for name, frame in tables.items()})
    ledger = history(known, terms)
    cohort = watched(known, ledger, list(nights), terms, watch).frame
    found = watch_labels(cohort, known, ledger, watch, complete, terms.delivers)
    rows = cohort[["account_id", "as_of"]].reset_index(drop=True)
    return rows.assign(late=found["late"].to_numpy()).astype({"account_id": "str", "as_of": "int64"})


def _drift(job: Job, store: Store) -> tuple[int, dict[str, float] | None]:
    """(watched accounts tonight, PSI of every column of the head and of P(late))."""
    parts = list(map_shards(partial(_spread, job), range(store.shards), job.params.engine))
    rows, head = sum(size for size, _ in parts), head_of(job)
    held = [counts for _, counts in parts if counts]
    if head is None or head.reference is None or not held:
        return rows, None
    calendar = {entry.name for entry in WATCH if entry.family == "calendar"} | set(OF_THE_DATE)
    names = [name for name in held[0] if name not in calendar]
    shares = {name: np.sum([counts[name] for counts in held], axis=0) / rows for name in names}
    return rows, {name: psi(np.array(head.reference.shares[name]), share) for name, share in shares.items()}


def _spread(job: Job, shard: int) -> tuple[int, dict[str, np.ndarray]]:
    """Watched accounts of the shard, and how many of them lie in each bin of every column of the head's reference."""
    seen = view(Store(job.store_path), shard, [job.as_of], job.params, job.versions, watch=True)
    cohort, head = seen.cohort.frame, head_of(job)
    if head is None or head.reference is None or cohort.empty:
        return len(cohort), {}
    matrix = asked(head, seen.matrix)
    numbers = head.encoder.encode(matrix, cohort)
    columns = dict(zip(head.encoder.names, numbers.T, strict=True)) | {
        SCORE: head.predict(matrix, cohort)["p_late"].to_numpy()
    }
    edges = head.reference.edges
    return len(cohort), {name: len(cohort) * binned_shares(column, edges[name]) for name, column in columns.items()}
