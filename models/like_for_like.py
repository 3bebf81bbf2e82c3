"""One worker against the others on work of the same kind: what came of it, what would have come had it gone as theirs
did, and the difference with an interval that holds for all workers together.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pandas as pd

TOGETHER = 0.95  # chance that no interval of the table misses, where workers are alike and independent
OTHERS_LEAST = 20  # rows of others that a kind of work needs; fewer say nothing of it
COLUMNS = ("who", "rows", "compared", "debtors", "events", "came", "expected", "difference", "low", "high")


def like_for_like(work: pd.DataFrame, debtors_least: int, events_least: int) -> pd.DataFrame:
    """COLUMNS, a row for each worker in order of its name.

    work      who, debtor_id, kind (what work is alike), value (what came of the row; 0 for nothing)
    rows      all of the worker; compared: those of a kind of which others have OTHERS_LEAST rows; debtors, events: of
              those compared, debtors and rows of which something came
    came      sum of value over the compared rows; expected: the same rows at the mean of the others' rows of each kind
    difference, low, high   (came - expected) / compared, and its interval: sums by debtor, linearised, over own and
              others' rows; width by Sidak's bound for all workers that are told. NaN for a worker with fewer than
              debtors_least debtors, or where neither it nor, of as many rows, the others would have events_least events
    """
    work = work.assign(**{name: pd.factorize(work[name])[0] for name in ("debtor_id", "kind")})
    found = pd.DataFrame(
        [_one(work, who) for who in sorted(work["who"].unique())],
        columns=[*COLUMNS[:-2], "error", "foretold"],
    )
    told = (found["debtors"] >= debtors_least) & (found[["events", "foretold"]].max(axis=1) >= events_least)
    wide = NormalDist().inv_cdf(1 - (1 - TOGETHER ** (1 / max(int(told.sum()), 1))) / 2)
    found["difference"] = found["difference"].where(told)
    found["low"], found["high"] = (found["difference"] + side * wide * found["error"] for side in (-1, 1))
    return found[list(COLUMNS)]


def _one(work: pd.DataFrame, who: str) -> tuple[str, int, int, int, int, float, float, float, float, float]:
    is_own = (work["who"] == who).to_numpy()
    own, others = work[is_own], work[~is_own]
    by = others.groupby("kind")["value"].agg(["size", "mean"])
    by = by.assign(rate=(others["value"] > 0).groupby(others["kind"]).mean())
    by = by[by["size"] >= OTHERS_LEAST]
    own = own[own["kind"].isin(by.index)]
    size = len(own)
    if not size:
        return who, int(is_own.sum()), 0, 0, 0, 0.0, 0.0, np.nan, np.nan, 0.0
    others = others[others["kind"].isin(own["kind"])]
    counts = own["kind"].value_counts()
    value, expected = own["value"].to_numpy(np.float64), own["kind"].map(by["mean"]).to_numpy(np.float64)
    difference = float((value - expected).sum()) / size
    both = pd.concat([own, others])
    debtors = pd.factorize(both["debtor_id"])[0]
    weight = both["kind"].map(counts / by["size"].reindex(counts.index)).to_numpy(np.float64)
    apart = both["value"].to_numpy(np.float64) - both["kind"].map(by["mean"]).to_numpy(np.float64)
    pulls = np.where(np.arange(len(both)) < size, apart - difference, -weight * apart)
    as_theirs = _as_the_others(both, debtors, counts, by["size"])
    error = float(np.sqrt(max(_of_debtors(pulls, debtors), as_theirs))) / size
    foretold = float(own["kind"].map(by["rate"]).sum())
    events = int((value > 0).sum())
    whole = int(is_own.sum())
    return (
        who,
        whole,
        size,
        own["debtor_id"].nunique(),
        events,
        float(value.sum()),
        float(expected.sum()),
        difference,
        error,
        foretold,
    )


def _of_debtors(pulls: np.ndarray, debtors: np.ndarray) -> float:
    """Variance of a sum whose parts come in debtors."""
    sums = np.bincount(debtors, weights=pulls)
    return len(sums) / max(len(sums) - 1, 1) * float((sums**2).sum())


def _as_the_others(both: pd.DataFrame, debtors: np.ndarray, counts: pd.Series, others: pd.Series) -> float:
    """The same where the worker's rows, the first of both, spread as all rows of their kind do. Money has few large
    sums: who had none of them has little spread of its own, and would be told too surely.

    Rows of a debtor go together as all rows do (Kish's design effect, 1965), for as many as the worker's debtors have.
    """
    centred = (both["value"] - both.groupby("kind")["value"].transform("mean")).to_numpy(np.float64)
    spread, own = float((centred**2).sum()), np.bincount(debtors[: int(counts.sum())])
    every = np.bincount(debtors)
    rows_of_all, rows_of_own = (float((sizes**2).sum() / sizes.sum()) for sizes in (every, own))
    together = _of_debtors(centred, debtors) / spread if spread > 0 else 1.0
    alike = max(together - 1, 0.0) / (rows_of_all - 1) if rows_of_all > 1 else 0.0
    of_kind = both["value"].groupby(both["kind"]).var(ddof=1).reindex(counts.index).fillna(0.0)
    sampled = counts * (1 + counts / others.reindex(counts.index))
    return (1 + alike * (rows_of_own - 1)) * float((of_kind * sampled).sum())
