"""What a night says of the watch cohort: the accounts before their due day by the money at risk."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from features.aliases import renamed
from features.build import build
from features.catalogue import WATCH
from features.cohort import Cohort, watched
from features.currencies import DECIMALS
from features.days import date_of, dates
from features.ledger import history
from features.tables import InnerTables, account_number
from models.drift import SCORE, bin_counts
from models.explain import REASON_COLUMNS, reasons
from models.money import MoneyScale
from models.recovery import load_model
from models.watch import WatchHead, meaning_of
from pipeline.columns import WATCHED_COLUMNS
from pipeline.night.feeds import check_feeds
from pipeline.night.refusals import NoWatchHead, other_lateness
from pipeline.night.score import Job, asked, job_for
from pipeline.pages.language import voice
from pipeline.panel.dataset import write_parquet
from pipeline.panel.engines import map_shards
from pipeline.panel.fatigue import kept_share
from pipeline.panel.view import View, quiet_through, terms_of, view
from pipeline.params import Params
from pipeline.store.store import Store

log = logging.getLogger("recoup")
SCORED = (
    "account_id",
    "debtor_id",
    "portfolio",
    "currency",
    "next_due_on",
    "due_amount",
    "p_late",
    "money_at_risk",
    *REASON_COLUMNS,
)


OF_COHORT = ("account_id", "portfolio", "currency")  # what a reason is told by, beside the features
MONEY = ("due_amount", "money_at_risk")
# Days before tonight of the nights whose spread is tonight's: who is watched, and of which book, changes with the day
# of the month, and those who taught the head are of every part of it.
OF_A_MONTH = (0, 8, 15, 23)
ALL = ""  # in the place of a column: all rows
# What the store keeps of each night, to be held against what came; meaning: models.watch.meaning_of, as JSON.
WATCHED_KEPT = ("account_id", "debtor_id", "portfolio", "p_late", "meaning", "as_of")


def head_of(job: Job) -> WatchHead | None:
    """The watch head of the night's model; None where it has none, was taught on another window or lateness than the
    params have, or the params watch nothing.
    """
    head = _taught(job)
    return None if head is None or not head.fits(job.params.watch_terms()) else head


def _taught(job: Job) -> WatchHead | None:
    model = load_model(job.model.folder, job.model.sha256)
    return None if job.params.watch is None else getattr(model, "watch", None)


def _taught_for(job: Job) -> dict[str, Any] | None:
    """What the watch head was taught on, where that is not what the params have."""
    head, terms = _taught(job), job.params.watch_terms()
    return None if head is None or head.fits(terms) else {name: head.facts.get(name) for name in meaning_of(terms)}


class Watched(NamedTuple):
    """What a shard gives to the watch list.

    rows    SCORED of its watched accounts, reasons empty
    counts  all its known accounts by reason
    matrix, cohort   features, and OF_COHORT, of its accounts of most money at risk, as many as the params' `reasons`:
            those of all shards whose reasons are told are among them. Without a row where there is no head
    month   column, bin, rows: its watched accounts on the nights of OF_A_MONTH, under ALL, and how many of them lie in
            each bin of every column of the head's reference; no row where the params watch nothing. Of a store of more
            accounts than panel.fatigue.MOST_DEBTORS, those of a share of the debtors
    """

    rows: pd.DataFrame
    counts: pd.DataFrame
    matrix: pd.DataFrame
    cohort: pd.DataFrame
    month: pd.DataFrame


def watch_shard(job: Job, seen: View) -> Watched:
    """What the shard's accounts before their due day give. Without a head there is no chance: p_late and money_at_risk
    are missing. Empty where the params watch nothing. seen: shows every table whole.
    """
    nothing = pd.DataFrame(), pd.DataFrame({name: pd.Series(dtype="str") for name in OF_COHORT})
    if job.params.watch is None:
        return Watched(_nobody(), seen.cohort.counts.iloc[:0], *nothing, _in_bins([]))
    store, head = Store(job.store_path), head_of(job)
    share = kept_share(store, job.versions)
    nights = [job.as_of - back for back in OF_A_MONTH]
    found = _scored_on(job, seen, nights if share == 1 else [job.as_of], store, head)
    cohort, matrix = found.cohort.frame, found.matrix
    month = found if share == 1 else _scored_on(job, _drawn(seen, share, store, job), nights, store, head)
    tonight = np.flatnonzero(cohort["as_of"].to_numpy() == job.as_of)
    rows = cohort.iloc[tonight].reset_index(drop=True)
    chances = pd.DataFrame({name: np.full(len(rows), np.nan) for name in ("p_late", "money_at_risk")})
    whole = pd.concat([rows, chances], axis=1).assign(**dict.fromkeys(REASON_COLUMNS, ""))
    if found.late is not None:
        whole["p_late"] = found.late[tonight]
        whole["money_at_risk"] = found.late[tonight] * rows["due_amount"].to_numpy(np.float64)
        first = np.sort(_by_risk(whole, job)[: job.params.watch.reasons])
        told = rows.iloc[first][list(OF_COHORT)].reset_index(drop=True).astype("str")
        nothing = matrix.iloc[tonight[first]].reset_index(drop=True), told
    texts = dict.fromkeys(("account_id", "debtor_id", "portfolio", "currency", *REASON_COLUMNS), "str")
    counts = found.cohort.counts
    counts = counts[counts["as_of"].to_numpy() == job.as_of].reset_index(drop=True)
    return Watched(whole[list(SCORED)].astype(texts), counts, *nothing, _in_bins(_spread(head, month)))


@dataclass(frozen=True)
class _Scored:
    """Watched accounts of some nights, with the head's columns of them, encoded, and P(late); None without a head, or
    where there is no account.
    """

    cohort: Cohort
    matrix: pd.DataFrame
    numbers: np.ndarray | None
    late: np.ndarray | None


def _scored_on(job: Job, seen: View, nights: Sequence[int], store: Store, head: WatchHead | None) -> _Scored:
    terms = terms_of(store, job.params, job.versions)
    cohort = watched(seen.tables, seen.ledger, nights, terms, job.params.watch_terms())
    if head is None or cohort.frame.empty:
        return _Scored(cohort, pd.DataFrame(), None, None)
    complete = quiet_through(store, job.versions, job.params)
    matrix = asked(head, build(cohort.frame, seen.tables, WATCH, terms, seen.ledger, complete))
    numbers = head.encoder.encode(matrix, cohort.frame)
    return _Scored(cohort, matrix, numbers, head.chance(numbers, cohort.frame))


def _drawn(seen: View, share: float, store: Store, job: Job) -> View:
    """The tables and the ledger of a share of the debtors, with all their accounts, by the draw of panel.view."""
    persons, accounts = store.persons(job.versions), seen.tables["accounts"]
    whom = renamed(accounts["debtor_id"].astype("str"), persons.names if persons is not None else {})
    chosen = account_number(whom + f"|{job.params.seed}") < share * 2.0**63
    numbers = np.unique(accounts["account_no"].to_numpy()[chosen])
    tables = InnerTables(
        {name: frame[np.isin(frame["account_no"].to_numpy(), numbers)] for name, frame in seen.tables.items()}
    )
    return replace(seen, tables=tables, ledger=history(tables, terms_of(store, job.params, job.versions)))


def _spread(head: WatchHead | None, month: _Scored) -> list[tuple[str, int, int]]:
    """column, bin, rows: under ALL all of them, and of every column of the head's reference, and of P(late), how they
    lie in its bins.
    """
    told = [(ALL, 0, len(month.cohort.frame))]
    if head is None or head.reference is None or month.numbers is None or month.late is None:
        return told
    columns = {**dict(zip(head.encoder.names, month.numbers.T, strict=True)), SCORE: month.late}
    counts = {name: bin_counts(column, head.reference.edges[name]) for name, column in columns.items()}
    return told + [(name, at, rows) for name, own in counts.items() for at, rows in enumerate(own.tolist())]


def _in_bins(rows: Sequence[tuple[str, int, int]]) -> pd.DataFrame:
    kinds = {"column": "str", "bin": "int64", "rows": "int64"}
    return pd.DataFrame(rows, columns=list(kinds)).astype(kinds)


def _nobody() -> pd.DataFrame:
    kinds = dict(zip(SCORED, ("str",) * 4 + ("int32", "int64", "float64", "float64") + ("str",) * 3, strict=True))
    return pd.DataFrame({name: pd.Series([], dtype=kind) for name, kind in kinds.items()})


def _by_risk(rows: pd.DataFrame, job: Job) -> np.ndarray:
    """Positions by money at risk in the reporting currency, the most first; equal ones by next_due_on, account_id."""
    money = job.params.money
    present = sorted(set(rows["currency"].astype("str")))
    scale = MoneyScale.resolve(present, money.rates, DECIMALS, money.reporting_currency)
    risk = rows["money_at_risk"].to_numpy(np.float64) * scale.per_minor(rows["currency"])
    return np.lexsort((rows["account_id"].astype("str"), rows["next_due_on"], -np.nan_to_num(risk)))


def watch_list(
    parts: Sequence[pd.DataFrame], job: Job, kept: Callable[[int], tuple[pd.DataFrame, pd.DataFrame]]
) -> pd.DataFrame:
    """WATCHED_COLUMNS of all shards, most money at risk first, in the reporting currency; equal ones by account_id. The
    params' `reasons` accounts of most money at risk have theirs. kept: place of a shard among the parts -> matrix and
    cohort of its Watched.

    money_at_risk is rounded half to even to minor units. Without a head, what falls due stands in for it: the earliest
    first.
    """
    rows = pd.concat([part.assign(shard=shard) for shard, part in enumerate(parts)], ignore_index=True)
    rows = rows.iloc[_by_risk(rows, job)].reset_index(drop=True)
    head, most = head_of(job), job.params.watch.reasons if job.params.watch else 0
    spoken = voice(job.params.worklist.language)
    for shard, own in rows.head(most if head is not None else 0).groupby("shard"):
        matrix, cohort = kept(int(shard))
        at = pd.Index(cohort["account_id"]).get_indexer(own["account_id"])
        said = reasons(head, matrix.iloc[at], cohort.iloc[at], WATCH, spoken)  # pyrefly: ignore[bad-argument-type]
        rows.loc[own.index, list(REASON_COLUMNS)] = said[list(REASON_COLUMNS)].to_numpy()
    risk_units = rows["money_at_risk"].round()
    return rows.assign(
        rank=np.arange(1, len(rows) + 1, dtype=np.int64),
        next_due_on=dates(rows["next_due_on"]),
        money_at_risk=risk_units.astype("int64") if risk_units.notna().all() else risk_units.astype("Int64"),
        model_version=job.model.version,
        as_of=date_of(job.as_of),
    )[list(WATCHED_COLUMNS)]


def kept_of(rows: pd.DataFrame, job: Job) -> pd.DataFrame:
    """WATCHED_KEPT of a published list, by account; empty where nothing said how likely it is to be late."""
    told = rows[rows["p_late"].notna()].sort_values("account_id", ignore_index=True)
    meaning = json.dumps(meaning_of(job.params.watch_terms()), sort_keys=True)
    return told.assign(meaning=meaning, as_of=np.int32(job.as_of))[list(WATCHED_KEPT)]


def about_watch(rows: pd.DataFrame, counts: Sequence[pd.DataFrame], job: Job) -> dict[str, Any]:
    """What the manifest says of the watch cohort: accounts by reason, money per currency, whether a head scored it."""
    known = pd.concat(counts).groupby("reason", observed=True)["accounts"].sum()
    held = pd.concat(counts)
    silent = held[(held["reason"] == "no_charges") & (held["accounts"] > 0)]
    money = {
        str(currency): {name: int(own[name].sum()) for name in MONEY if own[name].notna().all()}
        for currency, own in rows.groupby("currency", sort=True)
    }
    other = _taught_for(job)
    return {
        "accounts": len(rows),
        "accounts_known": {str(reason): int(number) for reason, number in known.items()},
        **meaning_of(job.params.watch_terms()),
        "money": money,
        "no_charges": sorted(silent["portfolio"].astype("str").unique()),
        "has_head": head_of(job) is not None,
        **({} if other is None else {"taught_for": other}),
    }


def write_watch_scores(store_path: Path, as_of: dt.date, out: Path, params: Params) -> str:
    """OUT/watch.parquet: WATCHED_COLUMNS of the night. Raises UsageError where the params watch nothing, NoWatchHead
    where the model in use was not taught of it, InputMissing when a feed is late.
    """
    params.watch_terms()
    store = Store(store_path)
    for warning in check_feeds(store, as_of, params):
        log.warning(warning)
    job = job_for(store, as_of, params)
    if (other := _taught_for(job)) is not None:
        raise NoWatchHead.of_another(job.model.version, other, meaning_of(params.watch_terms()))
    if head_of(job) is None:
        raise NoWatchHead.of(job.model.version)
    found = list(map_shards(partial(_scored, job), range(store.shards), params.engine))
    rows = watch_list([part.rows for part in found], job, lambda shard: (found[shard].matrix, found[shard].cohort))
    place = out / "watch.parquet"
    write_parquet(rows, place)
    said = about_watch(rows, [part.counts for part in found], job)
    silent = said["no_charges"]
    return "\n".join(
        [
            f"{len(rows):,} accounts before their due day scored by {job.model.version} as of {as_of}: {place}",
            *([f"No watch cohort in {', '.join(silent)}: no charges are delivered."] if silent else []),
        ]
    )


def _scored(job: Job, shard: int) -> Watched:
    return watch_shard(job, view(Store(job.store_path), shard, [job.as_of], job.params, job.versions))


def unwatched(about: Mapping[str, Any], job: Job) -> list[str]:
    """A warning where accounts are watched and the approved model cannot say how likely they are late; none where
    nobody is watched, or where no model is approved, of which the night warns besides.
    """
    if about["has_head"] or not about["accounts"] or job.model.record["run_id"] is None:
        return []
    if "taught_for" in about:
        wanted = {name: about[name] for name in about["taught_for"]}
        why = other_lateness(about["taught_for"], wanted)
        return [f"Nothing says how likely accounts before their due day are late: of the model in use, {why}"]
    return [
        "The model in use was not taught of accounts before their due day: nothing says how likely they are late. "
        "`recoup train` teaches it."
    ]
