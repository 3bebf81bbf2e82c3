"""What speaks for the learnt effect and what against it: by fifths against draws and truth, on the log out of fold,
and in added money.

Never a Qini on money: a few large payments decide it. Money is judged by what work truly adds where a made-up portfolio
tells that, else by recoveries at foretold amounts (models.ladder).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.boosting import side_by_side
from models.calibration import expit
from models.effect import Guard, Trials, added_scores
from models.ladder import Z95, mean_by_debtor, offset_logit
from models.lesson import Lesson, Teaching
from models.resampling import captured, debtor_draws, interval

FIFTHS = 5
CHANCE_EDGES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0)


@dataclass(frozen=True)
class LogEvidence:
    """What the contact log itself says of the effect, each row judged by boosters that never saw its debtor.

    slope     of paid on theta as learnt on other debtors; 1: right as it is, 0: worth nothing; NaN where both halves
              foretold each other best by one effect for all, and the hidden causes are then 0
    average   worked less left, share that pays: `plain` as they stand, `robust` doubly (augmented inverse probability
              weights)
    hidden    share of what is left unexplained of work x theta and of paying that one hidden cause would have to
              explain, of both alike, for the slope to be 0 (hidden_zero) or no longer surely above it (hidden_unsure)
    overlap   chance_from, chance_to, rows, worked (share): whom collectors all but always or all but never work teaches
              nothing Intervals hold 95 times in 100, by debtor. All this holds only if what collectors know beyond the
              tables is no such hidden cause.
    """

    slope: tuple[float, float, float]
    plain: tuple[float, float, float]
    robust: tuple[float, float, float]
    hidden_zero: float
    hidden_unsure: float
    overlap: pd.DataFrame

    def facts(self) -> dict[str, Any]:
        """As plain values, for a report."""
        held = {name: list(getattr(self, name)) for name in ("slope", "plain", "robust")}
        return {
            **held,
            "hidden_zero": self.hidden_zero,
            "hidden_unsure": self.hidden_unsure,
            "overlap": self.overlap.to_dict("list"),
        }


def log_evidence(lesson: Lesson, landmarks: pd.DataFrame, teaching: Teaching) -> LogEvidence | None:
    """Teach theta on half of the debtors, judge it on the other, both ways;
    None where `models.effect.fit_effect` gives no head.
    """
    trials = Trials.of(lesson, landmarks, teaching)
    if trials is None:
        return None
    places, theta = np.flatnonzero(trials.rows), np.zeros(len(trials.paid))
    folds = np.unique(trials.fold).tolist()
    grown = side_by_side(*(lambda fold=fold: trials.grown(lesson.window, trials.fold != fold) for fold in folds))
    for fold, (curves, start, _) in zip(folds, grown, strict=True):
        own = trials.fold == fold
        theta[own] = start + trials.stretched[own] * curves.total(lesson.window.numbers, places[own])
    debtor = pd.factorize(lesson.window.cohort["debtor_id"][trials.rows])[0]
    work = trials.worked - trials.usual
    columns = work[:, None] * np.stack([np.ones(len(theta)), theta - theta.mean()], axis=1)
    slope, error = math.nan, math.nan
    if any(curves.bend for curves, _, _ in grown):
        found, spread = offset_logit(columns, trials.level, trials.paid, debtor)
        slope, error = float(found[1]), math.sqrt(float(spread[1, 1]))
    sides = [trials.worked == side for side in (1, 0)]
    shares = [np.where(side, (trials.paid - trials.paid[side].mean()) / side.mean(), 0.0) for side in sides]
    plain = float(trials.paid[sides[0]].mean() - trials.paid[sides[1]].mean())
    plain_error = mean_by_debtor(shares[0] - shares[1], debtor)[1]
    if_worked, if_left = expit(trials.level + (1 - trials.usual) * theta), expit(trials.level - trials.usual * theta)
    weight = np.where(trials.worked == 1, 1 / trials.usual, -1 / (1 - trials.usual))
    doubly = if_worked - if_left + weight * (trials.paid - np.where(trials.worked == 1, if_worked, if_left))
    freedom = int(debtor.max()) + 1 - columns.shape[1]
    return LogEvidence(
        _around(slope, error),
        _around(plain, plain_error),
        _around(*mean_by_debtor(doubly, debtor)),
        robustness(np.nan_to_num(slope / error), freedom),
        robustness(max(np.nan_to_num(slope / error) - Z95, 0.0), freedom),
        _overlap(trials),
    )


def robustness(t: float, freedom: int) -> float:
    """Share of the unexplained variance of cause and outcome that one hidden cause must
    explain to take an estimate away.

    t: the estimate over its standard error, with `freedom` degrees. With f = |t| / sqrt(freedom): (sqrt(f^4 + 4 f^2) -
    f^2) / 2 (Cinelli and Hazlett, Journal of the Royal Statistical Society B 2020).
    """
    squared = t**2 / freedom
    return (math.sqrt(squared**2 + 4 * squared) - squared) / 2


def _around(value: float, error: float) -> tuple[float, float, float]:
    return value, value - Z95 * error, value + Z95 * error


def _overlap(trials: Trials) -> pd.DataFrame:
    place = np.clip(np.searchsorted(CHANCE_EDGES, trials.usual, side="right") - 1, 0, len(CHANCE_EDGES) - 2)
    rows, worked = (
        np.bincount(place, weights=weights, minlength=len(CHANCE_EDGES) - 1) for weights in (None, trials.worked)
    )
    share = np.divide(worked, rows, out=np.full(len(rows), np.nan), where=rows > 0)
    return pd.DataFrame(
        {
            "chance_from": CHANCE_EDGES[:-1],
            "chance_to": CHANCE_EDGES[1:],
            "rows": rows.astype(np.int64),
            "worked": share,
        }
    )


def effect_by_fifth(arms: pd.DataFrame, guard: Guard, true: np.ndarray | None = None) -> pd.DataFrame:
    """Draws in fifths of the foretold effect: foretold, and worked less left by the draw with its interval,
    in shares that pay.

    arms  of models.ladder.figures_of, theta known; true: what work truly adds to the chance of paying, per row, where
          that is known The draw's figure is less what p_recovered foretold, which was known before it: that takes away
          noise and no effect.
    """
    chance, worked, probability = (
        arms[name].to_numpy(dtype=np.float64) for name in ("p_recovered", "worked", "probability")
    )
    scores = added_scores(chance, np.ones(len(arms)), arms["theta"].to_numpy(dtype=np.float64), guard)
    foretold = scores["added_recovery"].to_numpy()
    fifth = np.minimum(
        np.argsort(np.argsort(foretold, kind="stable"), kind="stable") * FIFTHS // max(len(arms), 1), FIFTHS - 1
    )
    drawn = np.where(worked == 1, 1 / probability, -1 / (1 - probability)) * (
        arms["recovered"].to_numpy(dtype=np.float64) - chance
    )
    debtor = pd.factorize(arms["debtor_id"])[0]
    lines = []
    for part in range(FIFTHS):
        inside = fifth == part
        if not inside.any():
            continue
        value, low, high = _around(*mean_by_debtor(drawn[inside], debtor[inside]))
        line = {"fifth": part + 1, "draws": int(inside.sum()), "foretold": float(foretold[inside].mean())}
        line |= {"drawn": value, "drawn_low": low, "drawn_high": high}
        lines.append(line if true is None else {**line, "true": float(true[inside].mean())})
    return pd.DataFrame(lines)


def foretold_and_true(foretold: np.ndarray, true: np.ndarray) -> pd.DataFrame:
    """Rows in fifths of the foretold effect: fifth, rows, foretold and true, both added to the chance to pay."""
    order = np.argsort(np.argsort(foretold, kind="stable"), kind="stable")
    fifth = np.minimum(order * FIFTHS // max(len(foretold), 1), FIFTHS - 1) + 1
    held = pd.DataFrame({"fifth": fifth, "foretold": foretold, "true": true}).groupby("fifth", sort=True)
    return held.agg(rows=("foretold", "size"), foretold=("foretold", "mean"), true=("true", "mean")).reset_index()


@dataclass(frozen=True)
class AddedMoney:
    """Added money that orders reach at capacities of each night and queue, over draws of whole debtors.

    reached  order -> float64 [1 + draws, capacities]; the first of each is the figure itself
    best     the same of the best possible order
    """

    capacities: tuple[float, ...]
    reached: Mapping[str, np.ndarray]
    best: np.ndarray

    @classmethod
    def of(
        cls,
        orders: Mapping[str, np.ndarray],
        added: np.ndarray,
        places: pd.DataFrame,
        capacities: Sequence[float],
        draws: int,
        seed: int,
    ) -> AddedMoney:
        """orders: name -> value to rank by, descending; added: what work truly adds, one currency; places: debtor_id,
        as_of, queue.
        """
        who, weights = debtor_draws(places["debtor_id"], draws, seed)
        night = pd.factorize(places["as_of"].astype("str") + "|" + places["queue"].astype("str"))[0]
        shares = tuple(sorted(capacities))
        found, _ = captured([*orders.values(), added], added, night, who, weights, shares)
        return cls(shares, dict(zip(orders, found[:-1], strict=True)), found[-1])

    def shares(self) -> pd.DataFrame:
        """order, capacity, share of the best possible, low, high."""
        lines = []
        for order, reached in self.reached.items():
            for place, capacity in enumerate(self.capacities):
                share, low, high = interval(reached[:, place] / self.best[:, place])
                lines.append({"order": order, "capacity": capacity, "share": share, "low": low, "high": high})
        return pd.DataFrame(lines)

    def lead(self, first: str, second: str) -> pd.DataFrame:
        """capacity, and by how much of the best possible the first order leads the second,
        with the paired interval by debtor.
        """
        lines = []
        for place, capacity in enumerate(self.capacities):
            lead, low, high = interval(
                (self.reached[first][:, place] - self.reached[second][:, place]) / self.best[:, place]
            )
            lines.append({"capacity": capacity, "lead": lead, "low": low, "high": high})
        return pd.DataFrame(lines)
