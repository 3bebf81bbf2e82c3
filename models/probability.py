"""A probability as it is taught: a booster counted on later nights, behind a strictly increasing map that debtors chose
who were not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.amount import Later
from models.bare import lightgbm
from models.boosting import FitWindow, booster_of, raw_scores
from models.calibration import Calibrator, choose_map, with_recent_levels

BINARY = {"objective": "binary", "metric": "binary_logloss"}


@dataclass(frozen=True)
class Head:
    """A probability: a booster's raw log-odds behind a strictly increasing map."""

    booster: lightgbm.Booster
    calibrator: Calibrator
    trees: int

    def probability(self, numbers: np.ndarray, portfolio: pd.Series) -> np.ndarray:
        return self.calibrator.probability(raw_scores(self.booster, numbers), portfolio)

    def card(self) -> dict[str, Any]:
        return {"calibrator": self.calibrator.card(), "trees": self.trees}

    @classmethod
    def from_card(cls, card: Mapping[str, Any], text: str) -> Head:
        return cls(booster_of(text), Calibrator.from_card(card["calibrator"]), card["trees"])


def debtors_with(labels: pd.Series, debtors: pd.Series) -> int:
    """Debtors with at least one event: what a minimum count is about, for rows of one debtor say nearly the same."""
    return int(debtors[(labels == 1).to_numpy()].nunique())


def probability_head(
    window: FitWindow, objective: Mapping[str, Any], outcome: np.ndarray, gap_days: int, like: Head | None
) -> tuple[Head, np.ndarray, Later | None]:
    """The head; its calibrated out-of-fold probability per row (0 without a label); unless `like` spares it,
    the later nights' trial.
    """
    known = ~np.isnan(outcome)
    target = np.where(known, outcome, 0.0)
    trial = None
    if like is None:
        early, later = window.early_and_later(known, known & (outcome == 1), gap_days)
        trees, booster = window.count_trees(objective, target, early, later)
        chance = np.full(len(outcome), np.nan)
        chance[later] = 1 / (1 + np.exp(-raw_scores(booster, window.numbers, np.flatnonzero(later))))
        trial = Later(early, later, chance)
    else:
        trees = like.trees
    booster, raw = window.grow_and_score(objective, target, known, trees)
    calibrator = choose_map(raw[known], target[known], window.weight[known], window.folds[known])
    rows = window.cohort[known]
    calibrator = with_recent_levels(
        calibrator, raw[known], target[known], window.weight[known], rows, int(rows["as_of"].max())
    )
    chance = np.where(known, calibrator.probability(raw, window.cohort["portfolio"]), 0.0)
    return Head(booster, calibrator, trees), chance, trial
