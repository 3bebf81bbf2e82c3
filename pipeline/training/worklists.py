"""What the list that teams work would have brought in on the test nights: queue by queue, of accounts that the law let
be worked, within a night's capacity, by the rates and the share that the nights use.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from models.evaluate import MODEL
from models.resampling import debtor_draws, interval, ratios_of_sums
from pipeline.law.question import NEEDED
from pipeline.panel.engines import map_shards
from pipeline.panel.panel import Panel
from pipeline.panel.queues import queue_of
from pipeline.params import Params
from pipeline.store.store import Store
from pipeline.training.landmarks import TABLES, permitted_on
from pipeline.training.run_evidence import RunEvidence

ALL_QUEUES = ""  # the row of all queues together
LIST = "the list"  # the order of the nights: by added value, or by all that comes back
COLUMNS = (
    *("queue", "order", "nights", "workable", "capacity", "listed", "money", "predicted", "whole"),
    *("share", "low", "high"),
)


def workable_rows(store: Store, panel: Panel, chosen: np.ndarray, params: Params) -> np.ndarray:
    """bool per panel row: chosen, and on its night the law let the account be worked, by what was known before it."""
    rows = panel.cohort.loc[chosen, list(dict.fromkeys([*NEEDED, "as_of"]))]
    found, held = np.zeros(len(panel.cohort), bool), np.flatnonzero(chosen)
    work = partial(_of_shard, store.path, rows.reset_index(drop=True), params, panel.versions)
    for places in map_shards(work, range(store.shards), params.engine):
        found[held[places]] = True
    return found


def _of_shard(
    store_path: Path, rows: pd.DataFrame, params: Params, versions: Mapping[str, int], shard: int
) -> np.ndarray:
    """Places of the shard's rows that could be worked."""
    store = Store(store_path)
    tables = store.tables(shard, TABLES, versions=versions)
    own = np.flatnonzero(rows["account_no"].isin(tables["accounts"]["account_no"]).to_numpy())
    mine = rows.iloc[own].reset_index(drop=True)
    able = permitted_on(mine, np.ones(len(mine), bool), tables, params, store.complete_through(versions))
    return own[able]


def as_worked(evidence: RunEvidence, workable: np.ndarray, params: Params, drawn: float = 1.0) -> pd.DataFrame:
    """COLUMNS: a row per queue and order, ALL_QUEUES first; counts and money are of one night, on the mean.

    drawn: share of debtors that the rows are of (cohort.sample_debtors): they fill that share of a queue's capacity,
    and counts and money are told of the whole book. workable: of the test rows. money: what came in from the listed
    accounts, our share of it, in reporting units; predicted: of the same accounts; whole: of all that could be worked,
    of which share is the part (95 % by debtor). One account a debtor and night is listed, as in the nights.
    """
    judged, cohort, rows = evidence.judged(), evidence.cohort, np.flatnonzero(workable)
    if not rows.size:
        return pd.DataFrame(columns=list(COLUMNS))
    ours = cohort["portfolio"].astype("str").map(lambda name: params.portfolio(name).share).to_numpy(np.float64)
    money, predicted = judged.money * ours, judged.predicted * ours
    orders = {MODEL: judged.predicted, **{name: rival.order for name, rival in evidence.rivals().items()}}
    added = evidence.added() * judged.unit
    orders = {LIST: added if params.value.mode == "added" else judged.predicted} | orders
    queue, night = queue_of(cohort, params.worklist).to_numpy(), cohort["as_of"].to_numpy()
    names = sorted(set(queue[rows]))
    who, weights = debtor_draws(cohort["debtor_id"].iloc[rows], params.evaluate.bootstrap_draws, params.seed)
    nights, lines = len(set(night[rows].tolist())), []
    for order, values in orders.items():
        listed = _listed(cohort, values * ours, queue, rows, params, drawn)
        for name in (ALL_QUEUES, *names):
            own = (queue[rows] == name) | (name == ALL_QUEUES)
            got = np.where(own & listed[rows], money[rows], 0.0)
            share, low, high = interval(ratios_of_sums(got, np.where(own, money[rows], 0.0), who, weights))
            lines.append(
                {
                    "queue": name,
                    "order": order,
                    "nights": nights,
                    "workable": own.sum() / nights / drawn,
                    "capacity": sum(params.worklist.capacity_of(each) for each in ([name] if name else names)),
                    "listed": (own & listed[rows]).sum() / nights / drawn,
                    "money": got.sum() / nights / drawn,
                    "predicted": predicted[rows][own & listed[rows]].sum() / nights / drawn,
                    "whole": money[rows][own].sum() / nights / drawn,
                    "share": share,
                    "low": low,
                    "high": high,
                }
            )
    return pd.DataFrame(lines)


def _listed(
    cohort: pd.DataFrame, values: np.ndarray, queue: np.ndarray, rows: np.ndarray, params: Params, drawn: float
) -> np.ndarray:
    """bool per row: on the list of its night, by these values. What is left of a place is one as often as it says."""
    held = cohort.iloc[rows][["as_of", "debtor_id", "account_id"]].assign(
        value=values[rows], queue=queue[rows], row=rows
    )
    held = held.sort_values(["as_of", "value", "account_id"], ascending=[True, False, True])
    heads = held.drop_duplicates(["as_of", "debtor_id"])
    turn = heads.groupby(["as_of", "queue"], observed=True).cumcount().to_numpy()
    lists, which = np.unique(heads[["as_of", "queue"]].astype(str).agg("|".join, axis=1), return_inverse=True)
    lot = np.random.default_rng(params.seed).random(len(lists))[which]
    room = np.floor(heads["queue"].map(params.worklist.capacity_of).to_numpy() * drawn + (lot if drawn < 1 else 0.0))
    found = np.zeros(len(cohort), bool)
    found[heads["row"].to_numpy()[turn < room]] = True
    return found
