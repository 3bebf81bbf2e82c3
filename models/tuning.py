"""Settings of the boosters searched for inside the fit window only: Optuna proposes,
later nights of the fit window decide.

No test night takes part. The settings at hand are the first trial, and stay unless another is surely better.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from features.errors import InputMissing
from models.boosting import raw_scores, side_by_side
from models.lesson import Lesson, Teaching
from models.recovery import recovery_objective
from models.split import later_part

CUT_OFFS = 2  # later windows of the fit nights on which every trial is judged
# name -> lowest, highest, whether on a log scale
SPACE = {
    "num_leaves": (4, 63, True),
    "learning_rate": (0.02, 0.2, True),
    "min_child_samples": (20, 400, True),
    "feature_fraction": (0.1, 1.0, False),
    "bagging_fraction": (0.5, 1.0, False),
    "lambda_l2": (0.1, 100.0, True),
}


@dataclass(frozen=True)
class Tuned:
    """settings: those to teach with. trials: number, log_loss, trees, and the value of every name in SPACE;
    the settings at hand first.

    gain, gain_error: log loss a row by which the best trial is better than the settings at hand, and its standard error
    by debtor.
    """

    settings: Mapping[str, Any]
    trials: pd.DataFrame
    gain: float
    gain_error: float

    @property
    def is_changed(self) -> bool:
        return self.gain > self.gain_error > 0

    def facts(self) -> dict[str, Any]:
        best = self.trials.sort_values("log_loss", kind="stable").iloc[0]
        return {
            "trials": len(self.trials),
            "changed": self.is_changed,
            "gain": self.gain,
            "gain_error": self.gain_error,
            "at_hand": self.trials.iloc[0].to_dict(),
            "best": best.to_dict(),
        }


def tune(matrix: pd.DataFrame, labels: pd.DataFrame, cohort: pd.DataFrame, teaching: Teaching, trials: int) -> Tuned:
    """Search `trials` settings, the params' own among them, by out-of-time log loss of
    P(recovered) inside the fit window.

    labels: NaN outside the fit window, as for `RecoveryModel.fit`; such rows are not looked at. Each trial is grown on
    the nights a gap before each of CUT_OFFS later windows and judged there. The best is taken where it is better by
    more than one standard error. Raises InputMissing where the fit window is too short to be cut.
    """
    lesson = Lesson.of(matrix, labels.assign(defaulted=np.nan), cohort, teaching)
    window, outcome, weight = lesson.window, lesson.recovered, lesson.window.weight
    cuts = cut_offs(window.as_of, outcome, teaching.gap_days)
    objective = recovery_objective(teaching, lesson.encoder.names)
    debtor = pd.factorize(window.cohort["debtor_id"])[0]
    losses: list[np.ndarray] = []

    def judged(settings: Mapping[str, Any]) -> tuple[float, int]:
        held, lost, trees = window.with_settings({**teaching.settings, **settings}), np.zeros(len(outcome)), 0
        grown = side_by_side(*(lambda cut=cut: held.count_trees(objective, outcome, *cut) for cut in cuts))
        for (_, later), (rounds, booster) in zip(cuts, grown, strict=True):
            level = raw_scores(booster, window.numbers, np.flatnonzero(later))
            lost[later] += weight[later] * (np.logaddexp(0.0, level) - outcome[later] * level)
            trees = max(trees, rounds)
        losses.append(lost)
        return float(lost.sum() / sum(weight[later].sum() for _, later in cuts)), trees

    table = _searched(judged, teaching, trials)
    best = int(table["log_loss"].idxmin())
    rows = sum(weight[later].sum() for _, later in cuts)
    better = np.bincount(debtor, weights=losses[0] - losses[best])
    gain, error = float(better.sum() / rows), float(np.sqrt((better**2).sum()) / rows)
    found = Tuned(teaching.settings, table, gain, error)
    if not found.is_changed:
        return found
    whole = {
        name: (int if isinstance(low, int) else float)(table.loc[best, name]) for name, (low, _, _) in SPACE.items()
    }
    return replace(found, settings={**teaching.settings, **whole})


def _searched(
    judged: Callable[[Mapping[str, Any]], tuple[float, int]], teaching: Teaching, trials: int
) -> pd.DataFrame:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=teaching.seed % 2**31))
    near = {
        name: min(max(teaching.settings[name], low), high)
        for name, (low, high, _) in SPACE.items()
        if name in teaching.settings
    }
    study.enqueue_trial(near)
    rows = []

    def one(trial: optuna.Trial) -> float:
        chosen: dict[str, Any] = {}
        for name, (low, high, log) in SPACE.items():
            if isinstance(low, int) and isinstance(high, int):
                chosen[name] = trial.suggest_int(name, low, high, log=log)
            else:
                chosen[name] = trial.suggest_float(name, low, high, log=log)
        if not rows:  # the settings at hand as they stand, even outside the space or not set
            chosen = {name: teaching.settings[name] for name in SPACE if name in teaching.settings}
        loss, trees = judged(chosen)
        rows.append(
            {"number": trial.number, "log_loss": loss, "trees": trees, **{name: chosen.get(name) for name in SPACE}}
        )
        return loss

    study.optimize(one, n_trials=trials)
    return pd.DataFrame(rows)


def cut_offs(as_of: np.ndarray, outcome: np.ndarray, gap_days: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(early, later) rows: the newest nights with a fifth of the events and those a gap before;
    then the same before those nights.
    """
    found, inside = [], np.ones(len(as_of), dtype=bool)
    for _ in range(CUT_OFFS):
        rows = np.flatnonzero(inside)
        early, later = later_part(as_of[rows], gap_days, outcome[rows])
        if not _two_classes(outcome[rows[early]]) or not _two_classes(outcome[rows[later]]):
            break
        masks = np.zeros((2, len(as_of)), dtype=bool)
        masks[0, rows[early]], masks[1, rows[later]] = True, True
        found.append((masks[0], masks[1]))
        inside &= as_of < as_of[masks[1]].min()
    if not found:
        raise InputMissing(
            "The fit window is too short to tune in: no night lies a gap before its newest nights with both outcomes. "
            "Train without --tune, or deliver more history."
        )
    return found


def _two_classes(outcome: np.ndarray) -> bool:
    return bool((outcome == 0).any() and (outcome == 1).any())
