"""What working an account adds: its effect on the log-odds of paying,
learnt from the contact log and guarded until a draw proves it.

A logistic R-learner (Nie and Wager, Biometrika 2021; Robinson, Econometrica 1988): an account pays with chance
expit(f(X) + (T - e(X)) x theta(X)), where T is whether it was worked, e(X) the chance of that, f(X) the log-odds of
paying whoever decides. f and e are boosted out of fold, so that no account's own outcome speaks for it; then theta, a
sum of curves (models/curves.py), is fitted in that likelihood under a normal prior, whose spread is the one that
foretells other debtors best. What collectors prefer falls out with e, what accounts pay anyway with f. What is left is
faint, and curves that are held together err less there than trees do (docs/effect.md has both).

A unit of the curves moves the arcsine of the root of a chance as far wherever that chance stands (Anscombe, Biometrika
1948): what is seen of an account is then as sure at one chance as at another. On the log-odds alone, rare payers teach
next to nothing, so that a prior would leave them the mean effect, and a list would pass over them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from features.errors import ContractError
from models.boosting import FitWindow, raw_scores, side_by_side
from models.calibration import expit
from models.curves import DIGITS, Curves, Terms
from models.lesson import Lesson, Teaching
from models.split import debtor_folds

LEAN = 0.2  # how far one standard deviation of who promises and does not pay alone moves theta, log-odds
SPREADS = (0.0, 0.1, 0.2, 0.3, 0.45, 0.7, 1.0, 1.5)  # of the curves before anything is known; 0: one effect for all
EVEN = 0.2  # chance of paying at which a unit of the curves is one of log-odds ...
FAINT = 0.04  # ... and to which chances nearer to 0 or 1 are taken
NUISANCE_TREES = 120
PAYS, PROMISES = "pays", "promises"
BINARY = {"objective": "binary", "metric": "binary_logloss"}
LEAST_CHANCE = 0.02  # of being worked and of being left, as the learner takes it: none of its rows is all but certain
START_STEPS = 30
PARTS = 4  # of the debtors, each foretold by the others to choose the spread of the prior
OVERLAP = (0.1, 0.9)  # chances of being worked between which rows of both kinds are at hand
ADDED_COLUMNS = ("p_if_left", "p_if_worked", "added_recovery")
BANDS, BAND_FROM = ("little", "some", "much"), (0.05, 0.10)  # of what work adds to the chance of paying


@dataclass(frozen=True)
class Guard:
    """How much of the learnt effect is believed: level + slope x (theta - its mean over the rows that taught it),
    never below 0.

    Both in log-odds. Below 1 the slope shrinks what the log alone says; the arms of a draw give both their own values.
    """

    level: float
    slope: float

    def guarded(self, theta: np.ndarray) -> np.ndarray:
        """theta: centred. An account is never said to be harmed:
        what looks like harm was none where it could be checked.
        """
        return np.maximum(0.0, self.level + self.slope * theta)


UNPROVEN_GUARD = Guard(0.15, 0.9)
PLAIN_GUARD = Guard(0.2, 0.0)  # the same effect on the log-odds for all: the order is that of amount x p(1 - p)


def stretch(chance: np.ndarray) -> np.ndarray:
    """Log-odds that a unit of the curves moves at a chance of paying: 1 at EVEN, in inverse proportion to the root of
    chance x (1 - chance)."""
    inside = np.clip(chance, FAINT, 1 - FAINT)
    return np.sqrt(EVEN * (1 - EVEN) / (inside * (1 - inside)))


@dataclass(frozen=True)
class EffectHead:
    """theta(X): start + the curves as far as the chance of paying stretches them, log-odds.

    mean   of theta over the rows that taught it
    facts  counts, dates and figures that travel in the card and change no score
    """

    curves: Curves
    start: float
    mean: float
    facts: Mapping[str, Any] = field(default_factory=dict)

    def theta(self, numbers: np.ndarray, chance: np.ndarray) -> np.ndarray:
        """Centred: 0 is the mean effect of the rows that taught it. numbers: encoded as for P(recovered); chance:
        p_recovered."""
        return self.start - self.mean + stretch(chance) * self.curves.total(numbers)

    def contributions(self, numbers: np.ndarray, chance: np.ndarray) -> np.ndarray:
        """Exact contributions of every column to `theta`, [rows, columns + 1], the base last; they add up to it. A
        column adds what its curve does, which is 0 on average over the rows that taught it, stretched.
        """
        base = np.full((len(numbers), 1), self.start - self.mean)
        return np.concatenate([stretch(chance)[:, None] * self.curves.parts(numbers), base], axis=1)

    def text(self) -> str:
        return self.curves.text()

    def card(self) -> dict[str, Any]:
        return {"start": self.start, "mean": self.mean, "facts": dict(self.facts)}

    @classmethod
    def from_card(cls, card: Mapping[str, Any], text: str) -> EffectHead:
        return cls(Curves.from_text(text), card["start"], card["mean"], card["facts"])


@dataclass(frozen=True)
class Trials:
    """The landmark rows of a lesson, each with what boosters that never saw its debtor foretell.

    rows    bool per row of the lesson; all else is of these rows alone
    worked, paid   0 or 1; weight: of rows; fold: of the debtor
    promised       0 or 1; None where too few debtors promised to tell who does
    usual   chance of being worked, kept LEAST_CHANCE from 0 and 1; level: log-odds of paying
    stretched of the level, see `stretch`
    """

    rows: np.ndarray
    worked: np.ndarray
    paid: np.ndarray
    promised: np.ndarray | None
    weight: np.ndarray
    fold: np.ndarray
    usual: np.ndarray
    level: np.ndarray

    @classmethod
    def of(cls, lesson: Lesson, landmarks: pd.DataFrame, teaching: Teaching) -> Trials | None:
        """See `fit_effect`."""
        window = lesson.window
        worked, paid, promised = _matched(window.cohort, landmarks)
        rows = lesson.known & ~np.isnan(worked) & ~np.isnan(paid)
        debtors = [window.cohort["debtor_id"][rows & (worked == side) & (paid == 1)].nunique() for side in (0, 1)]
        if min(debtors) < teaching.settings["min_events"]:
            return None
        usual, level = side_by_side(
            lambda: expit(_unseen(window, np.where(rows, worked, 0.0), rows)),
            lambda: _unseen(window, np.where(rows, paid, 0.0), rows),
        )
        usual = np.clip(usual, LEAST_CHANCE, 1 - LEAST_CHANCE)
        kept = (
            window.cohort["debtor_id"][rows & (worked == 1) & (promised == 1)].nunique()
            >= teaching.settings["min_events"]
        )
        own = (worked[rows], paid[rows], promised[rows] if kept else None)
        return cls(rows, *own, window.weight[rows], window.folds[rows], usual, level)

    @property
    def stretched(self) -> np.ndarray:
        return stretch(expit(self.level))

    def loss(self, some: np.ndarray | slice = slice(None)) -> EffectLoss:
        """Of these rows, or some of them."""
        work = self.worked - self.usual
        return EffectLoss(self.level[some], work[some], self.paid[some], self.weight[some])

    def grown(self, window: FitWindow, some: np.ndarray | None = None) -> tuple[Curves, float, dict[str, float]]:
        """Curves and start of theta, taught on these rows or some of them (bool); facts: prior_spread, the one of
        SPREADS chosen; lean; held_out_gain, by how much the likelihood of debtors that did not teach rises over that of
        one effect for all, in nats: never below 0, for that one is among the SPREADS.

        One Newton step from the constant that fits best: theta is small against the curvature of the likelihood. Each
        of n terms has a normal prior of variance spread^2 / n (a ridge), so that the curves have the spread of it.
        Outcomes that are seen more often than an effect say which way it leans: whom work moves promises when worked
        and does not pay whoever decides. LEAN times that, of standard deviation 1, is tried as the mean of the prior;
        where it foretells other debtors better, it is added whole, also what the prior drew back.
        """
        chosen = np.ones(len(self.paid), bool) if some is None else some
        loss, weight, stretched = self.loss(chosen), self.weight[chosen], self.stretched[chosen]
        places = np.flatnonzero(self.rows)[chosen]
        part = debtor_folds(window.cohort["debtor_id"][self.rows][chosen], PARTS, window.seed + 1)
        terms = Terms.of(window.numbers, places)
        blocks = terms.told(window.numbers, places)
        slope, curve = loss.slopes(np.full(len(part), loss.start))
        equations = {one: Equations.none(terms) for one in (*range(PARTS), PAYS, PROMISES)}
        asked = {PAYS: _step(self.paid[chosen], weight, weight > 0)}
        worked = self.worked[chosen] == 1
        if self.promised is not None and len(np.unique(self.promised[chosen][worked])) > 1:
            asked[PROMISES] = _step(self.promised[chosen], weight, worked)
        for rows, block in blocks():
            told = _stretched(block, stretched[rows])
            for one in range(PARTS):
                own = part[rows] == one
                equations[one].add(told[own], curve[rows][own], -slope[rows][own])
            for name, (taking, bent, pull) in asked.items():
                own = taking[rows]
                equations[name].add(block[own], bent[rows][own], pull[rows][own])
        lean = np.zeros(1 + len(terms.columns))
        if PROMISES in asked:
            lean[1:] = (equations[PROMISES].solved(1.0) - equations[PAYS].solved(1.0))[1:]
            size = math.sqrt(lean @ equations[PAYS].moments() @ lean)
            lean *= LEAN / size if size > 0 else 0.0
        whole = Equations.sum([equations[one] for one in range(PARTS)])
        tried = [(spread, 0.0) for spread in SPREADS]
        tried += [(spread, 1.0) for spread in SPREADS if spread > 0 and lean.any()]
        others = [whole.less(equations[one]) for one in range(PARTS)]
        weights = np.stack([[one.solved(spread, sure * lean) for spread, sure in tried] for one in others])
        theta = np.zeros((len(part), len(tried)))
        for rows, block in blocks():
            told = _stretched(block, stretched[rows])
            for one in range(PARTS):
                own = np.flatnonzero(part[rows] == one)
                theta[rows.start + own] = told[own] @ weights[one].T
        values = np.array([loss.value(loss.start + each) for each in theta.T])
        best = int(values.argmin())
        spread, sure = tried[best]
        found = whole.solved(spread) + sure * lean
        facts = {
            "prior_spread": spread,
            "lean": sure * LEAN,
            "held_out_gain": round(float(values[0] - values[best]), 3),
        }
        return terms.curves(found[1:]), round(float(loss.start + found[0]), DIGITS), facts


def _stretched(block: np.ndarray, stretched: np.ndarray) -> np.ndarray:
    """Terms of `Terms.blocks`, all but the constant."""
    told = block * stretched[:, None]
    told[:, 0] = 1.0
    return told


@dataclass
class Equations:
    """Of a weighted regression on terms: sums over its rows of curve x term x term, and of pull x term."""

    squares: np.ndarray
    pulls: np.ndarray

    @classmethod
    def none(cls, terms: Terms) -> Equations:
        size = 1 + len(terms.columns)
        return cls(np.zeros((size, size)), np.zeros(size))

    @classmethod
    def sum(cls, some: Sequence[Equations]) -> Equations:
        return cls(np.sum([one.squares for one in some], axis=0), np.sum([one.pulls for one in some], axis=0))

    def less(self, other: Equations) -> Equations:
        return Equations(self.squares - other.squares, self.pulls - other.pulls)

    def add(self, block: np.ndarray, curve: np.ndarray, pull: np.ndarray) -> None:
        self.squares += block.T @ (block * curve[:, None])
        self.pulls += block.T @ pull

    def solved(self, spread: float, toward: np.ndarray | float = 0.0) -> np.ndarray:
        """Weights of the constant, which has no prior, and of n terms, each drawn to `toward` by a normal prior of
        variance spread^2 / n; with a spread of 0 those of the terms are 0."""
        terms = len(self.pulls) - 1
        if spread == 0:
            return np.r_[self.pulls[0] / self.squares[0, 0], np.zeros(terms)]
        prior = np.r_[0.0, np.full(terms, terms / spread**2)]
        return np.linalg.solve(self.squares + np.diag(prior), self.pulls + prior * toward)

    def moments(self) -> np.ndarray:
        """Mean of term x term over the rows; the constant's own is 1."""
        return self.squares / self.squares[0, 0]


def _step(outcome: np.ndarray, weight: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rows, curve, pull) of one Newton step of a logistic regression from the constant that fits best."""
    mean = float(np.average(outcome[rows], weights=weight[rows]))
    return rows, mean * (1 - mean) * weight, weight * (outcome - mean)


def fit_effect(lesson: Lesson, landmarks: pd.DataFrame, teaching: Teaching) -> EffectHead | None:
    """The head taught on the landmark rows of a lesson; None where fewer than min_events debtors paid on either side.

    landmarks: of models.landmarks.landmark, for all rows of the lesson at least; matched by account_no and as_of. Rows
    that do not teach P(recovered) do not teach here. Raises ContractError where a row of the lesson has no landmark.
    """
    trials = Trials.of(lesson, landmarks, teaching)
    if trials is None:
        return None
    curves, start, chosen = trials.grown(lesson.window)
    theta = start + trials.stretched * curves.total(lesson.window.numbers, np.flatnonzero(trials.rows))
    cohort, inside = lesson.window.cohort[trials.rows], (trials.usual >= OVERLAP[0]) & (trials.usual <= OVERLAP[1])
    facts = {
        "rows": len(theta),
        "debtors": int(cohort["debtor_id"].nunique()),
        "fit_first": int(cohort["as_of"].min()),
        "fit_last": int(cohort["as_of"].max()),
        "worked": float(trials.worked.mean()),
        "paid_if_worked": float(trials.paid[trials.worked == 1].mean()),
        "paid_if_left": float(trials.paid[trials.worked == 0].mean()),
        "overlap": float(inside.mean()),
        "spread": float(theta.std()) if curves.bend else 0.0,
        **chosen,
    }
    return EffectHead(curves, start, round(float(np.average(theta, weights=trials.weight)), DIGITS), facts)


@dataclass(frozen=True)
class EffectLoss:
    """Negative log-likelihood of paid ~ expit(level + work x theta),
    with the constant theta that fits best as its start.

    level  log-odds of paying, of a booster that never saw the debtor; work: worked less the chance of it; weight: of
           rows
    """

    level: np.ndarray
    work: np.ndarray
    paid: np.ndarray
    weight: np.ndarray
    start: float = field(init=False)

    def __post_init__(self) -> None:
        start = 0.0
        for _ in range(START_STEPS):  # Newton on a convex function of one number
            slope, curve = self.slopes(np.full(len(self.paid), start))
            step = float(np.clip(slope.sum() / curve.sum(), -1.0, 1.0))
            start -= step
            if abs(step) < 1e-12:
                break
        object.__setattr__(self, "start", start)

    def value(self, theta: np.ndarray) -> float:
        level = self.level + self.work * theta
        return float(((np.logaddexp(0.0, level) - self.paid * level) * self.weight).sum())

    def slopes(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First and second derivative in each row's theta."""
        chance = expit(self.level + self.work * theta)
        return (chance - self.paid) * self.work * self.weight, chance * (1 - chance) * self.work**2 * self.weight


def _matched(cohort: pd.DataFrame, landmarks: pd.DataFrame) -> tuple[np.ndarray, ...]:
    """worked, paid and promised of the landmark of each row."""
    keys, told = ["account_no", "as_of"], ["worked", "paid", "promised"]
    kept = landmarks[[*keys, *told]].assign(known=True)
    found = cohort[keys].merge(kept, on=keys, how="left", validate="one_to_one")
    lacking = int(found["known"].isna().sum())
    if lacking:
        raise ContractError(
            f"Landmarks must cover every row of the lesson. {lacking:,} rows have none. Make them from the same cohort."
        )
    return tuple(found[name].to_numpy(dtype=np.float64) for name in told)


def _unseen(window: FitWindow, target: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Raw log-odds of `rows`, each by a booster grown on rows of other debtors."""
    chosen, scores = np.flatnonzero(rows), np.zeros(int(rows.sum()))
    folds = window.folds[chosen]

    def unseen(fold: int) -> np.ndarray:
        booster = window.grow(BINARY, target, rows & (window.folds != fold), NUISANCE_TREES)
        return raw_scores(booster, window.numbers, chosen[folds == fold])

    numbers = np.unique(folds).tolist()
    for fold, part in zip(numbers, side_by_side(*(lambda fold=fold: unseen(fold) for fold in numbers)), strict=True):
        scores[folds == fold] = part
    return scores


def added_scores(p_recovered: np.ndarray, amount: np.ndarray, theta: np.ndarray | None, guard: Guard) -> pd.DataFrame:
    """ADDED_COLUMNS: what an account returns if left and if worked, and what work adds to it.

    p_recovered  as the account stands, calibrated: it lies half-way, in log-odds, between left and worked
    amount       expected if recovered; added_recovery = amount x (p_if_worked - p_if_left) is in its unit
    theta        of EffectHead.theta; None where no head is taught: the guard's level then holds for all
    """
    half = guard.guarded(np.zeros(len(p_recovered)) if theta is None else theta) / 2
    left, worked = (
        p_recovered * move / (p_recovered * move + (1 - p_recovered)) for move in (np.exp(-half), np.exp(half))
    )
    return pd.DataFrame(dict(zip(ADDED_COLUMNS, (left, worked, amount * (worked - left)), strict=True)))


def bands(scores: pd.DataFrame) -> pd.Categorical:
    """The band of each row of `added_scores`: what is said of an effect before it is proven."""
    codes = np.searchsorted(BAND_FROM, (scores["p_if_worked"] - scores["p_if_left"]).to_numpy(), side="right")
    return pd.Categorical.from_codes(codes, categories=list(BANDS), ordered=True)
