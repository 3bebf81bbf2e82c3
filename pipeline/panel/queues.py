"""Which queue works an account: a column of its own, or the first team or skill that takes it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.params import Takes, Worklist

NOBODY = "default"  # the queue of accounts that no team or skill takes


def queue_of(rows: pd.DataFrame, worklist: Worklist) -> pd.Series:
    """Queue of each account. rows: portfolio, product, currency, debtor_type, jurisdiction.

    Teams (or skills) are asked in the order of the params; what none of them takes is in the queue `default`.
    """
    if worklist.queue_by not in ("team", "skill"):
        return rows[worklist.queue_by].astype("str")
    queue = np.full(len(rows), NOBODY, dtype=object)
    desks = worklist.teams if worklist.queue_by == "team" else worklist.skills
    for name, takes in reversed(desks.items()):
        queue[_taken(rows, takes)] = name
    return pd.Series(queue, index=rows.index, dtype="str")


def _taken(rows: pd.DataFrame, takes: Takes) -> np.ndarray:
    found = np.ones(len(rows), bool)
    for column, wanted in (
        ("portfolio", takes.portfolios),
        ("product", takes.products),
        ("currency", takes.currencies),
        ("debtor_type", takes.debtor_types),
    ):
        if wanted:
            found &= rows[column].astype("str").isin(wanted).to_numpy()
    if takes.places:
        home = rows["jurisdiction"].astype("str").fillna("")
        inside = [home.eq(place) | home.str.startswith((f"{place}-", f"{place}/")) for place in takes.places]
        found &= np.logical_or.reduce(inside)
    return found
