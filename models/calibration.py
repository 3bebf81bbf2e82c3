"""Strictly increasing maps from a booster's raw log-odds to honest log-odds: sigmoid, beta or monotone spline,
chosen by log loss.

All three are `intercept + sum of slope x basis(raw)` with every slope at least MIN_SLOPE and every basis not
decreasing, the sum of them strictly increasing: distinct scores stay distinct and the order inside a portfolio never
changes. Isotonic maps do neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

MIN_SLOPE = 0.05
KINDS = ("sigmoid", "beta", "spline")  # simplest first; a later one must earn its place
KNOT_QUANTILES = (0.1, 0.35, 0.65, 0.9)
WORTH = 5e-4  # log loss per row by which a richer map must be better
INTERCEPT_SD = 0.25  # log-odds: how far a portfolio's level is believed to move before its newest nights prove it
LATER_PULL = 50.0  # rows' worth by which the slope of later nights is held near 1
FIXED_PULL = 1e12  # holds a slope where it is
RECENT_DAYS = 92  # nights that speak for the present level


@dataclass(frozen=True)
class Calibrator:
    """raw log-odds -> log-odds. intercepts: portfolio -> shift from its newest matured nights;
    0 for a portfolio not named.
    """

    kind: str
    knots: tuple[float, ...]
    intercept: float
    slopes: tuple[float, ...]
    intercepts: Mapping[str, float] = field(default_factory=dict)

    def logit(self, raw: np.ndarray, portfolio: pd.Series | None = None) -> np.ndarray:
        """Calibrated log-odds, row by row."""
        level = np.full(len(raw), self.intercept)
        for basis, slope in zip(_basis(self.kind, self.knots, raw), self.slopes, strict=True):
            level += slope * basis
        return level if portfolio is None else level + self._shift(portfolio)

    def probability(self, raw: np.ndarray, portfolio: pd.Series | None = None) -> np.ndarray:
        return expit(self.logit(raw, portfolio))

    def _shift(self, portfolio: pd.Series) -> np.ndarray:
        names = pd.Categorical(portfolio.astype("str"))
        shifts = np.array([self.intercepts.get(name, 0.0) for name in names.categories] + [0.0])
        return shifts[names.codes]

    def card(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "knots": list(self.knots),
            "intercept": self.intercept,
            "slopes": list(self.slopes),
            "intercepts": dict(self.intercepts),
        }

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> Calibrator:
        return cls(card["kind"], tuple(card["knots"]), card["intercept"], tuple(card["slopes"]), card["intercepts"])


def expit(level: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-level)) without overflow."""
    half = np.exp(-np.abs(level))
    return np.where(level >= 0, 1.0 / (1.0 + half), half / (1.0 + half))


def log_loss(level: np.ndarray, outcome: np.ndarray, weight: np.ndarray) -> float:
    """Mean negative log-likelihood of 0/1 outcomes at the given log-odds."""
    loss = np.logaddexp(0.0, level) - outcome * level
    return float((loss * weight).sum() / weight.sum())


def fit_map(kind: str, raw: np.ndarray, outcome: np.ndarray, weight: np.ndarray) -> Calibrator:
    """One map by penalised maximum likelihood; the penalty (one row's worth) holds slopes near
    1 where the data are silent.
    """
    knots = tuple(float(knot) for knot in np.unique(np.quantile(raw, KNOT_QUANTILES))) if kind == "spline" else ()
    columns = np.stack(_basis(kind, knots, raw), axis=0)
    usual = np.full(len(columns), 0.5 if kind == "beta" else 1.0)
    intercept, slopes = bounded_logit(columns, outcome, weight, usual=usual, pull=1.0, least=MIN_SLOPE)
    return Calibrator(kind, knots, intercept, tuple(float(slope) for slope in slopes))


def choose_map(raw: np.ndarray, outcome: np.ndarray, weight: np.ndarray, folds: np.ndarray) -> Calibrator:
    """The map with the least log loss on debtors it was not fitted on;
    a richer kind only where it is better by WORTH a row.
    """
    best, least = KINDS[0], np.inf
    for kind in KINDS:
        losses, shares = [], []
        for fold in np.unique(folds):
            held = folds == fold
            found = fit_map(kind, raw[~held], outcome[~held], weight[~held])
            losses.append(log_loss(found.logit(raw[held]), outcome[held], weight[held]))
            shares.append(weight[held].sum())
        loss = float(np.average(losses, weights=shares))
        if loss < least - WORTH:
            best, least = kind, loss
    return fit_map(best, raw, outcome, weight)


def later_slope(raw: np.ndarray, outcome: np.ndarray, weight: np.ndarray) -> float:
    """Slope of the log-odds of later nights on the raw scores of a booster taught before them.

    Most debtors of a night taught the booster: of those it tells more than of debtors it never saw, on whom a map out
    of fold rests.
    """
    return float(bounded_logit(raw[None], outcome, weight, usual=np.ones(1), pull=LATER_PULL, least=MIN_SLOPE)[1][0])


def with_slope(slope: float, raw: np.ndarray, outcome: np.ndarray, weight: np.ndarray) -> Calibrator:
    """The sigmoid of a slope, at the level of the rows."""
    intercept, _ = bounded_logit((slope * raw)[None], outcome, weight, usual=np.ones(1), pull=FIXED_PULL, least=0.0)
    return Calibrator("sigmoid", (), intercept, (slope,))


def with_recent_levels(
    calibrator: Calibrator,
    raw: np.ndarray,
    outcome: np.ndarray,
    weight: np.ndarray,
    cohort: pd.DataFrame,
    newest: int,
    sd: float = INTERCEPT_SD,
) -> Calibrator:
    """Add the shift of each portfolio's newest matured nights, shrunk towards none by a normal prior of `sd`.

    Rows of one debtor say nearly the same, so a row counts as debtors ÷ rows of its portfolio.
    """
    recent = (cohort["as_of"] > newest - RECENT_DAYS).to_numpy()
    portfolio = cohort["portfolio"].astype("str").to_numpy()
    level = calibrator.logit(raw)
    shifts = {}
    for name in np.unique(portfolio[recent]):
        rows = recent & (portfolio == name)
        share = cohort["debtor_id"][rows].nunique() / rows.sum()
        shifts[str(name)] = _shrunk_shift(level[rows], outcome[rows], weight[rows] * share, sd)
    return replace(calibrator, intercepts=shifts)


def bounded_logit(
    columns: np.ndarray, outcome: np.ndarray, weight: np.ndarray, *, usual: np.ndarray, pull: float, least: float
) -> tuple[float, np.ndarray]:
    """Logistic regression on [columns, rows] with slopes not below `least` and a ridge `pull` towards `usual`;
    (intercept, slopes).

    Damped Newton steps over the slopes that are not held at their bound: the function is convex, so this is the one
    answer. Sums run along contiguous rows without BLAS, so the bits do not depend on its threads.
    """
    columns = np.ascontiguousarray(columns)
    bound = np.concatenate([[-np.inf], np.full(len(usual), least)])
    ridge = np.concatenate([[0.0], np.full(len(usual), pull)])
    centre = np.concatenate([[0.0], usual])
    theta = np.maximum(centre, bound)
    loss, level = _penalised(theta, columns, outcome, weight, ridge, centre)
    for _ in range(100):
        chance = expit(level)
        miss, bend = (chance - outcome) * weight, chance * (1 - chance) * weight
        slope = np.concatenate([[miss.sum()], [(miss * column).sum() for column in columns]]) + ridge * (theta - centre)
        free = ~((theta <= bound) & (slope > 0))
        curve = np.diag(ridge + 1e-12)
        pieces = [np.ones(1), *columns]
        for row in range(len(pieces)):
            bent = bend * pieces[row]
            for other in range(row + 1):
                curve[row, other] += (bent * pieces[other]).sum()
                curve[other, row] = curve[row, other]
        step = np.zeros(len(theta))
        step[free] = np.linalg.solve(curve[np.ix_(free, free)], -slope[free])
        size, tried, found, seen = 1.0, theta, loss, level
        while size > 1e-6:
            tried = np.maximum(theta + size * step, bound)
            found, seen = _penalised(tried, columns, outcome, weight, ridge, centre)
            if found <= loss:
                break
            size /= 2
        gained, moved = loss - found, float(np.abs(tried - theta).max())
        if size <= 1e-6 or gained < 0:
            break
        theta, loss, level = tried, found, seen
        if moved < 1e-9 or gained <= 1e-13 * abs(loss):
            break
    return float(theta[0]), theta[1:]


def _penalised(
    theta: np.ndarray,
    columns: np.ndarray,
    outcome: np.ndarray,
    weight: np.ndarray,
    ridge: np.ndarray,
    centre: np.ndarray,
) -> tuple[float, np.ndarray]:
    level = np.full(len(outcome), theta[0])
    for slope, column in zip(theta[1:], columns, strict=True):
        level += slope * column
    loss = ((np.logaddexp(0.0, level) - outcome * level) * weight).sum() + 0.5 * (ridge * (theta - centre) ** 2).sum()
    return float(loss), level


def _basis(kind: str, knots: tuple[float, ...], raw: np.ndarray) -> list[np.ndarray]:
    if kind == "sigmoid":
        return [raw]
    if kind == "beta":  # log p and -log(1 - p) of the raw probability
        return [-np.logaddexp(0.0, -raw), np.logaddexp(0.0, raw)]
    edges = [-np.inf, *knots, np.inf]  # straight pieces between the knots, the outer two without end
    anchor = [knots[0], *knots]
    return [np.clip(raw, low, high) - at for low, high, at in zip(edges[:-1], edges[1:], anchor, strict=True)]


def _shrunk_shift(level: np.ndarray, outcome: np.ndarray, weight: np.ndarray, sd: float) -> float:
    shift = 0.0
    for _ in range(30):  # Newton on a strictly concave function of one number
        chance = expit(level + shift)
        slope = ((outcome - chance) * weight).sum() - shift / sd**2
        bend = (chance * (1 - chance) * weight).sum() + 1 / sd**2
        step = float(np.clip(slope / bend, -1.0, 1.0))
        shift += step
        if abs(step) < 1e-12:
            break
    return float(shift)
