"""The labelled panel of the watch cohort: every account that is not overdue and has something falling due, on every
training night, with features and whether it was late.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from features.aliases import renamed
from features.days import date_of, dates
from features.labels import WATCH_LABELS, watch_labels
from models.split import split_by_time
from pipeline.panel.dataset import write_parquet
from pipeline.panel.engines import map_shards
from pipeline.panel.panel import payments_through, training_nights
from pipeline.panel.parts import Parts
from pipeline.panel.sampling import kept_share
from pipeline.panel.view import terms_of, view
from pipeline.params import Params
from pipeline.store.files import check_folder, private_folder
from pipeline.store.store import Store


@dataclass(frozen=True)
class WatchPanel:
    """cohort (features.cohort.WATCH_COLUMNS), matrix and labels hold the same rows, sorted by as_of, then account_no.

    counts  as_of, portfolio, reason, accounts: all known accounts, watched or not
    payments_through   portfolio -> last day whose payments were all there when the labels were made
    """

    cohort: pd.DataFrame
    matrix: pd.DataFrame
    labels: pd.DataFrame
    counts: pd.DataFrame
    payments_through: Mapping[str, int]
    versions: Mapping[str, int]


def watch_panel(store: Store, params: Params, before: int | None = None) -> WatchPanel:
    """Every watched account (or a seeded sample of debtors, weighted) on every night of watch.every.

    before: only labels that had matured when this night began. Raises UsageError where the params watch nothing,
    InputMissing where no night is left.
    """
    params.watch_terms()
    versions, every = store.versions(), params.watch.every if params.watch else None
    nights, complete = training_nights(store, params, before, every), payments_through(store, before)
    work = partial(
        _of_shard, store.path, tuple(nights), complete, params, versions, kept_share(store, params, versions)
    )
    with private_folder() as folder:
        matrices, rest = Parts(folder), []
        for matrix, *one in map_shards(work, range(store.shards), params.engine, threads=True):
            matrices.add(matrix)
            rest.append(one)
        cohorts, labels, counts = zip(*rest, strict=True)
        cohort = pd.concat(cohorts, ignore_index=True)
        order = np.lexsort((cohort["account_no"].to_numpy(), cohort["as_of"].to_numpy()))
        matrix = matrices.rows(order)
    cohort, told = (
        frame.iloc[order].reset_index(drop=True) for frame in (cohort, pd.concat(labels, ignore_index=True))
    )
    counted = pd.concat(counts).groupby(["as_of", "portfolio", "reason"], observed=True, as_index=False, sort=False)
    return WatchPanel(cohort, matrix, told, counted["accounts"].sum(), complete, versions)


def _of_shard(
    store_path: Path,
    nights: tuple[int, ...],
    complete: Mapping[str, int],
    params: Params,
    versions: Mapping[str, int],
    keep: float,
    shard: int,
) -> tuple[pd.DataFrame, ...]:
    store = Store(store_path)
    seen = view(store, shard, nights, params, versions, keep=keep, whole=False, watch=True)
    rows, persons = seen.cohort.frame, store.persons(versions)
    if persons is not None:  # one person on both sides of a split would be taught and judged at once
        rows = rows.assign(debtor_id=renamed(rows["debtor_id"], persons.names))
    delivers = terms_of(store, params, versions).delivers
    found = watch_labels(rows, seen.tables, seen.ledger, params.watch_terms(), complete, delivers)
    return seen.matrix, rows, found, seen.cohort.counts


def write_watch_panel(store_path: Path, out: Path, params: Params) -> str:
    """The panel of the watch cohort as Parquet, and in words: who is watched, and how many were late."""
    check_folder(out.parent)
    whole = watch_panel(Store(store_path), params)
    told = [f"{len(whole.cohort):,} rows of {whole.cohort['debtor_id'].nunique():,} debtors: {out}"]
    if len(whole.cohort):
        part = split_by_time(whole.cohort, params.split, params.watch_terms()).part
    else:
        part = pd.Series([], dtype="str")
        told = [f"No watch cohort: nothing falls due on accounts that are not overdue. An empty panel: {out}"]
    who = [name for name in ("account_id", "debtor_id", "weight") if name in whole.cohort]
    nights = pd.Series(dates(whole.cohort["as_of"]), name="as_of")
    due = whole.cohort[["due_amount"]].assign(next_due_on=dates(whole.cohort["next_due_on"]))
    columns = [whole.cohort[who], nights, due, whole.matrix, whole.labels, part.rename("split")]
    write_parquet(pd.concat(columns, axis=1), out)
    reach = sorted(whole.payments_through.items())
    return "\n\n".join(
        [
            *told,
            "Payments complete through " + ", ".join(f"{date_of(day)} ({name})" for name, day in reach),
            *no_charges(whole.counts),
            f"Accounts of these nights by reason\n{_by_reason(whole.counts).to_string(index=False)}",
            f"Late and rolled by book\n{_rates(whole, 'portfolio').to_string(index=False)}",
        ]
    )


def no_charges(counts: pd.DataFrame) -> list[str]:
    """A sentence where books have no watch cohort because they deliver no charges."""
    books = sorted(counts.loc[(counts["reason"] == "no_charges") & (counts["accounts"] > 0), "portfolio"].unique())
    return [f"No watch cohort in {', '.join(books)}: no charges are delivered, so no due day is known."] * bool(books)


def _by_reason(counts: pd.DataFrame) -> pd.DataFrame:
    found = counts.groupby(["portfolio", "reason"], sort=False, observed=True)["accounts"].sum().reset_index()
    return found[found["accounts"] > 0]


def _rates(whole: WatchPanel, by: str) -> pd.DataFrame:
    """rows, labelled, and the share of each label by a column of the cohort."""
    rows = whole.labels[list(WATCH_LABELS)].assign(**{by: whole.cohort[by].astype("str")})
    found = rows.groupby(by, sort=True)
    table = pd.DataFrame({"rows": found.size(), "labelled": found["late"].count()})
    return table.assign(**{name: found[name].mean() for name in WATCH_LABELS}).reset_index()
