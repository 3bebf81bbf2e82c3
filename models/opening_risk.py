"""A small model of what befalls an account, on facts of its opening alone: taught on the earlier accounts, calibrated
among them, judged on the later ones. It says which facts go with the outcome (SHAP), and whether all of them together
say anything at all; the sentences do not rest on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.bare import lightgbm
from models.boosting import exact_contributions, raw_scores
from models.calibration import fit_map
from models.resampling import debtor_draws, interval, quality
from models.split import debtor_folds

TREES, FOLDS, DRAWS = 60, 4, 200
SETTINGS = {
    "objective": "binary",
    "num_leaves": 6,
    "learning_rate": 0.08,
    "min_child_samples": 40,
    "feature_fraction": 0.7,
    "lambda_l2": 10.0,
    "max_bin": 63,
    "min_data_per_group": 40,
    "cat_smooth": 20.0,
    "verbosity": -1,
    "num_threads": 1,
    "deterministic": True,
    "force_col_wise": True,
}


@dataclass(frozen=True)
class Judgement:
    """What the model is worth on the later accounts: figure -> (value, low, high) by debtor, of auc and level
    (events ÷ expected); weights: column -> mean absolute contribution to the log odds, largest first.
    """

    auc: tuple[float, float, float]
    level: tuple[float, float, float]
    weights: dict[str, float]
    chance: np.ndarray  # of the later rows, in their order


def judged(
    facts: pd.DataFrame,
    columns: Sequence[str],
    outcome: np.ndarray,
    debtors: pd.Series,
    later: np.ndarray,
    seed: int,
) -> Judgement:
    """Teach on the rows that are not later, judge on those that are.

    facts: numbers and classes; outcome, later: bool per row. Both parts need events and accounts without.
    """
    numbers = _numbers(facts, columns, ~later)
    classes = [place for place, name in enumerate(columns) if not pd.api.types.is_numeric_dtype(facts[name])]
    folds = debtor_folds(debtors[~later].reset_index(drop=True), FOLDS, seed)
    taught, wanted = numbers[~later], outcome[~later].astype(np.float64)
    raw = np.zeros(len(taught))
    for fold in range(FOLDS):
        inside = folds == fold
        booster = _grown(taught[~inside], wanted[~inside], columns, classes, seed)
        raw[inside] = raw_scores(booster, taught[inside])
    calibrated = fit_map("sigmoid", raw, wanted, np.ones(len(raw)))
    booster = _grown(taught, wanted, columns, classes, seed)
    asked, came = numbers[later], outcome[later].astype(np.float64)
    chance = calibrated.probability(raw_scores(booster, asked))
    who, weights = debtor_draws(debtors[later], DRAWS, seed)
    drawn = quality(chance, chance, came, came, chance, who, weights)
    moved = np.abs(exact_contributions(booster, asked)[:, :-1]).mean(axis=0)
    order = np.argsort(-moved, kind="stable")
    told = {columns[place]: float(moved[place]) for place in order if moved[place] > 0}
    return Judgement(interval(drawn[:, 0]), interval(drawn[:, 10]), told, chance)


def _numbers(facts: pd.DataFrame, columns: Sequence[str], known: np.ndarray) -> np.ndarray:
    """Numbers as they are; classes as codes of those that the taught rows have, others missing."""
    parts = []
    for name in columns:
        cells = facts[name]
        if pd.api.types.is_numeric_dtype(cells):
            parts.append(cells.to_numpy(dtype=np.float64))
        else:
            names = sorted(cells[known].dropna().astype("str").unique())
            codes = pd.Categorical(cells.astype("str").where(cells.notna()), categories=names).codes
            parts.append(np.where(codes < 0, np.nan, codes.astype(np.float64)))
    return np.column_stack(parts)


def _grown(
    numbers: np.ndarray, outcome: np.ndarray, columns: Sequence[str], classes: Sequence[int], seed: int
) -> lightgbm.Booster:
    names = [f"c{place}" for place in range(len(columns))]
    rows = lightgbm.Dataset(
        numbers, outcome, feature_name=names, categorical_feature=list(classes), free_raw_data=False
    )
    return lightgbm.train({**SETTINGS, "seed": seed}, rows, num_boost_round=TREES)
