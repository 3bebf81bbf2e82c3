"""Is the model still right? Looks back on former nights: assignments with their matured outcomes,
how far tonight resembles training.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from features.catalogue import CATALOGUE
from features.cohort import scorable
from features.currencies import DECIMALS
from features.labels import labels
from features.ledger import history
from features.tables import InnerTables
from features.terms import Reach
from models.drift import SCORE, Reference, binned_shares, psi
from models.fatigue import curves
from models.recovery import load_model
from pipeline.night.score import Job, asked, job_for, score_shard
from pipeline.night.variants import matured
from pipeline.outcomes.findings import Findings, LookedBack, findings_on
from pipeline.outcomes.lateness import lateness
from pipeline.panel.draws import fresh_draws, kept_rungs
from pipeline.panel.engines import map_shards
from pipeline.panel.fatigue import days_late
from pipeline.panel.panel import payments_through
from pipeline.panel.view import terms_of
from pipeline.params import Params
from pipeline.store.form import MESSAGES
from pipeline.store.store import Store

LISTS_BACK = (
    60  # newest matured nights whose every row is judged; of older ones only those on which somebody was assigned
)
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


def look_back(store_path: Path, as_of: dt.date, params: Params) -> LookedBack:
    """Everything the monitor needs, from the store, blind to what was known from the night on."""
    store = Store(store_path)
    job = job_for(store, as_of, params)
    assigned = store.read("assignments", list(ASSIGNED), before=job.as_of + 1)
    kept = kept_rungs(store, job.as_of + 1)
    rung = kept[-1] if kept else None
    shards = range(store.shards)
    rows, moved = _drift(job, list(map_shards(partial(_resemblance, job), shards, params.engine)))
    if assigned.empty:
        paid = store.complete_through().get("payments") is not None
        return LookedBack(
            pd.DataFrame(columns=[*ASSIGNED, "expected", "recovered", "money"]),
            _arms(assigned),
            moved,
            rows,
            None,
            rung,
            watched=lateness(job, payments_through(store, before=job.as_of) if paid else None),
        )
    complete = payments_through(
        store, before=job.as_of
    )  # by portfolio: a book that stops early has no outcomes after that
    mature = assigned[assigned["as_of"] + params.label.gap_days <= max(complete.values())]
    nights = sorted(mature["as_of"].unique().tolist())
    newest = set(nights[-LISTS_BACK:])
    wanted = mature[mature["as_of"].isin(newest) | (mature["as_of"] == mature["assigned_on"])]
    parts = list(map_shards(partial(_outcomes, job, nights, complete), shards, params.engine)) if nights else []
    found = pd.concat([part[0] for part in parts], ignore_index=True) if parts else None
    contacted = pd.concat([part[1] for part in parts], ignore_index=True) if parts else None
    spans = _of_spans(contacted, wanted) if contacted is not None else None
    drawn = fresh_draws(store, job.as_of)
    said = matured(store, job.versions, job.as_of, params) if MESSAGES in store.delta.names() else None
    tired = curves(days_late(store, job.versions, job.as_of, params)) if params.reminders is not None else None
    watched = lateness(job, complete)
    return LookedBack(_matured(wanted, found), _arms(assigned), moved, rows, spans, rung, drawn, said, tired, watched)


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


def _arms(assigned: pd.DataFrame) -> pd.DataFrame:
    """The newest arm of every debtor that was ever assigned."""
    columns = ["debtor_id", "arm", "assigned_on", "until_on", "probability"]
    if assigned.empty:
        return pd.DataFrame(columns=columns)
    armed = assigned[assigned["arm"] != ""].sort_values("as_of", kind="stable")
    return armed.drop_duplicates("debtor_id", keep="last")[columns].sort_values("debtor_id", ignore_index=True)


def _outcomes(job: Job, nights: Sequence[int], complete: Reach, shard: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(account_id, as_of, recovered, recovered_amount) of the shard's scorable accounts;
    contacts of ours per debtor and day.
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
    return outcomes, _contacts(known)


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


def _resemblance(job: Job, shard: int) -> tuple[int, dict[str, np.ndarray]]:
    """Rows of the shard, and how many of them lie in each bin of every column of the model's
    picture of its training rows.
    """
    model = load_model(job.model.folder, job.model.sha256)
    reference: Reference | None = getattr(model, "reference", None)
    seen, scores = score_shard(job, shard)
    size = len(seen.cohort.frame)
    if reference is None or size == 0:
        return size, {}
    # pyrefly: ignore[missing-attribute]
    numbers = model.encoder.encode(asked(model, seen.matrix), seen.cohort.frame)
    columns = {
        # pyrefly: ignore[missing-attribute]
        **{name: numbers[:, place] for place, name in enumerate(model.encoder.names)},
        SCORE: scores["p_recovered"].to_numpy(),
    }
    return size, {name: size * binned_shares(column, reference.edges[name]) for name, column in columns.items()}


def _drift(job: Job, parts: list[tuple[int, dict[str, np.ndarray]]]) -> tuple[int, dict[str, float] | None]:
    """(scorable accounts tonight, PSI per feature and of the score; None where the model keeps no picture)."""
    reference = getattr(load_model(job.model.folder, job.model.sha256), "reference", None)
    rows = sum(size for size, _ in parts)
    if reference is None or rows == 0:
        return rows, None
    held = [counts for _, counts in parts if counts]
    shares = {name: sum(counts[name] for counts in held) / rows for name in held[0]}
    # One night has one date: where it stands in the calendar always differs from a panel,
    # and says nothing of the population.
    calendar = {entry.name for entry in CATALOGUE if entry.family == "calendar"}
    return rows, {
        # pyrefly: ignore[bad-argument-type]
        name: psi(np.array(reference.shares[name]), share)
        for name, share in shares.items()
        if name not in calendar
    }
