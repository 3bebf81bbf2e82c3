"""LightGBM under our rules: one thread a booster, fixed order of work, binned once, folds by debtor,
trees counted on later nights.
"""

from __future__ import annotations

import copy
import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from models.bare import lightgbm
from models.split import debtor_folds, later_part

FOLDS = 2  # out-of-fold scores: every row is scored by a booster that never saw its debtor; 3 and 5 calibrate no better
TREES_AT_ONCE = 20  # of the fast contributions: their rounding grows with the trees
AT_ONCE = 1 << 16  # rows scored out of a larger table
PATIENCE = 30  # rounds without a gain before growing stops
MOST_THREADS = (
    4,
    2,
    1,
)  # side by side, by depth of nesting: each may hold rows of its own, and memory is not to grow with the cores
MOST_SEED = 2**31 - 1
OURS = ("min_events", "recency_half_life_days", "seeds")  # settings that are not LightGBM's
FIXED = {
    "num_threads": 1,  # results must not depend on cores, and one thread is faster beside neighbours
    "deterministic": True,
    "force_col_wise": True,  # LightGBM would time both ways and choose: not the same choice twice
    "feature_pre_filter": False,
    # bundling and sparse storage only pay on one-hot columns; ours train a quarter faster without
    "enable_bundle": False,
    "is_enable_sparse": False,
    "verbosity": -1,
}


_here = threading.local()  # of a thread that side_by_side began: how deep it lies, and the event that tells it to stop


def side_by_side(*work: Callable[[], Any]) -> list[Any]:
    """What each call gives, in their order, done on as many threads as this process may use cores,
    at most MOST_THREADS.

    For calls that do not depend on each other and spend their time in compiled code that lets other threads run
    (growing, scoring, draws). Each is single-threaded in itself, so no bit depends on how many run. The first call that
    fails is raised. An interrupt is obeyed at once: what waits is dropped, what grows stops at its next tree.
    """
    depth, stopped = getattr(_here, "began", (0, None))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = min(len(work), cores, MOST_THREADS[min(depth, len(MOST_THREADS) - 1)])
    if threads < 2:
        return [call() for call in work]
    stopped = stopped or threading.Event()
    pool = ThreadPoolExecutor(threads, initializer=setattr, initargs=(_here, "began", (depth + 1, stopped)))
    try:
        return [held.result() for held in [pool.submit(call) for call in work]]
    except (KeyboardInterrupt, SystemExit):
        stopped.set()
        raise
    finally:
        pool.shutdown(wait=not stopped.is_set(), cancel_futures=True)


def _unless_stopped(_environment: Any) -> None:
    stopped = getattr(_here, "began", (0, None))[1]
    if stopped is not None and stopped.is_set():
        raise RuntimeError("Growing was interrupted.")


def booster_of(text: str) -> lightgbm.Booster:
    """A booster from its text, silent; the text must come from a folder whose hash was checked."""
    return lightgbm.Booster(model_str=text)


def together(boosters: Sequence[lightgbm.Booster]) -> lightgbm.Booster:
    """One booster whose raw score is the mean of theirs: all their trees, each leaf a share of what it was.

    LightGBM has no mean of boosters, but its text is a head, trees that are added up, and a tail; so contributions stay
    exact as well.
    """
    texts = [booster.model_to_string() for booster in boosters]
    head, tail = texts[0][: texts[0].index("Tree=0")], texts[0][texts[0].index("end of trees") :]
    trees = [tree for text in texts for tree in re.split(r"(?m)^Tree=\d+\n", text[: text.index("end of trees")])[1:]]
    shared = [re.sub(r"(?m)^((?:leaf|internal)_value)=(.*)$", partial(_shared, len(texts)), tree) for tree in trees]
    whole = [f"Tree={number}\n{tree}" for number, tree in enumerate(shared)]
    sizes = "tree_sizes=" + " ".join(str(len(tree)) for tree in whole)
    return booster_of(re.sub(r"(?m)^tree_sizes=.*$", sizes, head) + "".join(whole) + tail)


def _shared(count: int, line: re.Match[str]) -> str:
    return f"{line[1]}=" + " ".join(repr(float(value) / count) for value in line[2].split())


def raw_scores(booster: lightgbm.Booster, numbers: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """Sum of leaves, row by row: log-odds, or the log of a share. rows: places of those asked for, taken AT_ONCE so
    that no second table of them is ever in memory; all if None."""
    if rows is not None:
        parts = [rows[first : first + AT_ONCE] for first in range(0, len(rows), AT_ONCE)]
        return np.concatenate([np.zeros(0), *(raw_scores(booster, numbers[part]) for part in parts)])
    if not len(numbers):
        return np.zeros(0)
    return np.asarray(booster.predict(numbers, raw_score=True, num_threads=1, validate_features=False))


def exact_contributions(booster: lightgbm.Booster, numbers: np.ndarray) -> np.ndarray:
    """LightGBM's own TreeSHAP contributions to the raw score, [rows, columns + 1], the base last."""
    return np.asarray(booster.predict(numbers, pred_contrib=True, num_threads=1, validate_features=False))


def portfolio_contributions(booster: lightgbm.Booster, numbers: np.ndarray) -> np.ndarray:
    """The same numbers for many rows at once, some three times faster at 20,000 rows; slower below some hundreds.

    WOODELF adds up in single precision, which over all trees of a model can be off by more than the 1e-6 we allow; so
    it is given TREES_AT_ONCE at a time and the parts are added in double precision (`python -m benchmarks.models`
    prints both differences).
    """
    from woodelf import WoodelfExplainer

    columns = pd.DataFrame(numbers, columns=booster.feature_name())
    whole = np.zeros((len(numbers), numbers.shape[1] + 1))
    for first in range(0, booster.num_trees(), TREES_AT_ONCE):
        part = booster_of(booster.model_to_string(num_iteration=TREES_AT_ONCE, start_iteration=first))
        whole[:, :-1] += WoodelfExplainer(part).shap_values(columns, verbose=False)
    whole[:, -1] = exact_contributions(booster, numbers[:1])[:, -1]  # the same for every row
    return whole


@dataclass
class FitWindow:
    """The labelled rows of one fit, encoded and binned once; every booster of the model is grown on subsets of it.

    numbers   float64 [rows, columns]
    cohort    the same rows: as_of, debtor_id, ...
    weight    row weights (sampling x recency), mean 1
    """

    numbers: np.ndarray
    cohort: pd.DataFrame
    weight: np.ndarray
    settings: Mapping[str, Any]
    seed: int
    names: Sequence[str]

    def __post_init__(self) -> None:
        self._read_settings()
        self.as_of = self.cohort["as_of"].to_numpy()
        self.folds = debtor_folds(self.cohort["debtor_id"], FOLDS, self.seed)
        self.binned = lightgbm.Dataset(
            self.numbers, feature_name=_plain(self.names), params=dict(self.params), free_raw_data=True
        ).construct()

    def with_settings(self, settings: Mapping[str, Any], seed: int | None = None) -> FitWindow:
        """The same rows and folds, binned as they are, under other settings or another seed of
        growth (max_bin stays).
        """
        other = copy.copy(self)
        other.settings, other.seed = settings, self.seed if seed is None else seed
        other._read_settings()
        return other

    def with_weight(self, weight: np.ndarray) -> FitWindow:
        """The same rows and folds, binned as they are, weighed otherwise."""
        other = copy.copy(self)
        other.weight = weight
        return other

    def grow(self, objective: Mapping[str, Any], target: np.ndarray, rows: np.ndarray, trees: int) -> lightgbm.Booster:
        """A booster of exactly `trees` rounds on the given rows (bool)."""
        return booster_of(self._grown(objective, target, rows, trees).model_to_string())

    def early_and_later(self, rows: np.ndarray, events: np.ndarray, gap_days: int) -> tuple[np.ndarray, np.ndarray]:
        """(early, later) of `rows`: later = the newest nights with a fifth of the events,
        early = nights a gap before them.

        Where the window is too short for a gap, one fold of debtors stands in for the later nights.
        """
        early, later = later_part(self.as_of, gap_days, events.astype(np.float64))
        if (rows & early).sum() < max(2 * int(self.params.get("min_child_samples", 20)), rows.sum() // 5):
            early, later = self.folds != 0, self.folds == 0
        return rows & early, rows & later

    def count_trees(
        self, objective: Mapping[str, Any], target: np.ndarray, early: np.ndarray, later: np.ndarray
    ) -> tuple[int, lightgbm.Booster]:
        """Rounds until the later rows stopped gaining, and the booster of that many rounds grown on the early rows."""
        stop = lightgbm.early_stopping(PATIENCE, first_metric_only=True, verbose=False)
        sets = {
            "valid_sets": [self._part(later, target)],
            "valid_names": ["later"],
            "callbacks": [stop, _unless_stopped],
        }
        grown = lightgbm.train(
            {**self.params, **objective}, self._part(early, target), num_boost_round=self.most_trees, **sets
        )
        trees = max(int(grown.best_iteration), 1)
        return trees, booster_of(grown.model_to_string(num_iteration=trees))

    def grow_and_score(
        self, objective: Mapping[str, Any], target: np.ndarray, rows: np.ndarray, trees: int
    ) -> tuple[lightgbm.Booster, np.ndarray]:
        """The booster on `rows`, and raw scores of all rows, each by a booster grown on `rows` of other debtors."""
        whole, (scores, _) = side_by_side(
            lambda: self.grow(objective, target, rows, trees), lambda: self.out_of_fold(objective, target, rows, trees)
        )
        return whole, scores

    def out_of_fold(
        self, objective: Mapping[str, Any], target: np.ndarray, rows: np.ndarray, trees: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """(raw scores of all rows, each by a booster grown on `rows` of other debtors;
        the gain of each column in those boosters).
        """

        def unseen(fold: int) -> tuple[np.ndarray, np.ndarray]:
            held = self.folds == fold
            booster = self._grown(objective, target, rows & ~held, trees)
            return raw_scores(booster, self.numbers, np.flatnonzero(held)), booster.feature_importance("gain")

        scores, gain = np.zeros(len(self.numbers)), np.zeros(self.numbers.shape[1])
        for fold, (part, gained) in enumerate(side_by_side(*(lambda fold=fold: unseen(fold) for fold in range(FOLDS)))):
            scores[self.folds == fold] = part
            gain += gained
        return scores, gain

    def _grown(
        self, objective: Mapping[str, Any], target: np.ndarray, rows: np.ndarray, trees: int
    ) -> lightgbm.Booster:
        """One booster, or the mean of `seeds` of them."""

        def one(seed: int) -> lightgbm.Booster:
            own = {**self.params, **objective, "seed": seed}
            return lightgbm.train(own, self._part(rows, target), num_boost_round=trees, callbacks=[_unless_stopped])

        if self.seeds == 1:
            return one(self.params["seed"])
        return together(
            side_by_side(*(lambda step=step: one((self.seed + step) % MOST_SEED) for step in range(self.seeds)))
        )

    def _read_settings(self) -> None:
        own = {key: value for key, value in self.settings.items() if key not in (*OURS, "n_estimators")}
        self.params = {**own, **FIXED, "seed": self.seed % MOST_SEED}
        self.seeds = int(self.settings.get("seeds", 1))
        self.most_trees = int(self.settings["n_estimators"])

    def _part(self, rows: np.ndarray, target: np.ndarray) -> lightgbm.Dataset:
        chosen = np.flatnonzero(rows)
        part = self.binned.subset(chosen).construct()  # pyrefly: ignore[bad-argument-type]: it takes an array as well
        part.set_label(target[chosen])
        part.set_weight(self.weight[chosen])
        return part


def row_weights(cohort: pd.DataFrame, half_life_days: float | None) -> np.ndarray:
    """Sampling weight (column `weight`, 1 where absent) x recency (half as much per half_life_days),
    scaled to mean 1.
    """
    weight = cohort["weight"].to_numpy(dtype=np.float64) if "weight" in cohort else np.ones(len(cohort))
    if half_life_days:
        age = cohort["as_of"].max() - cohort["as_of"].to_numpy()
        weight = weight * 0.5 ** (age / float(half_life_days))
    return weight / weight.mean()


def _plain(names: Sequence[str]) -> list[str]:
    """Names LightGBM takes in its text file, each once; the true ones are in the card."""
    plain = [re.sub(r"[^A-Za-z0-9_]", "_", name) for name in names]
    return [name if plain.count(name) == 1 else f"{name}_{position}" for position, name in enumerate(plain)]
