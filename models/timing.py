"""When the money comes: a discrete-time hazard of the first payment, week by week, and what follows it.

The chance that an account pays for the first time in week k, if it has not before, is expit(level(k) + slope(k) x the
log-odds of P(recovered) + ageing(k) x log(1 + days past due) + its book's own level + the part of the month that week
k lies in) (Allison, Discrete-time methods for the analysis of event histories, 1982; Singer and Willett, 1993). What is
known of an account enters by P(recovered), foretold out of fold; the three weights bend with the week, and are straight
between KNOTS on a scale of doublings. Weeks after the last one that is known take no part, so that young nights teach
too. The part of the month tells paydays from weeks: nights that are all first days of months would else take one for
the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from features.days import first_of_month
from models.calibration import expit

WEEKS = 26
KNOTS = (1, 2, 4, 8, 16, WEEKS)
LEAST_PAYERS = 100  # debtors that paid: below, no weeks are told apart
BOOK_SPREAD = 0.5  # of a book's own level before anything is known, log-odds
RIDGE, USUAL_LEVEL = 1e-2, -3.0  # keep weights finite where a week saw nobody pay
STEPS, CLOSE = 30, 1e-8
ROWS_AT_ONCE = 20_000
FOLLOWED = ((4, 8), (8, 13), (13, WEEKS))  # weeks after the first payment that share one mean: each saw little money


@dataclass(frozen=True)
class Weekly:
    """What came in after the night of each row: cumulative int64[rows, WEEKS], net minor units through the end of each
    week, at most the balance; seen int[rows]: whole weeks that are known.
    """

    cumulative: np.ndarray
    seen: np.ndarray

    def of(self, rows: np.ndarray) -> Weekly:
        return Weekly(self.cumulative[rows], self.seen[rows])

    def until(self, as_of: np.ndarray, day: int, maturity_days: int) -> Weekly:
        """The same as it was known on a day: later weeks are not seen."""
        return Weekly(self.cumulative, np.clip(np.minimum(self.seen, (day - maturity_days - as_of) // 7), 0, WEEKS))

    @property
    def first(self) -> np.ndarray:
        """int per row: the week (from 1) of the first money, 0 where none was seen."""
        weeks = np.arange(1, self.cumulative.shape[1] + 1)
        paid = (self.cumulative > 0) & (weeks <= self.seen[:, None])
        return np.where(paid.any(axis=1), paid.argmax(axis=1) + 1, 0)


@dataclass(frozen=True)
class TimingHead:
    """weights: [knots, 3] of level, slope, ageing; month: [2] of the part of the month, its cosine and sine; books:
    book -> its own level, log-odds; follow: [WEEKS] share of the amount if recovered that comes so many weeks after the
    first payment, the first payment itself at 0.
    """

    weights: np.ndarray
    month: np.ndarray
    books: Mapping[str, float]
    follow: np.ndarray
    facts: Mapping[str, Any] = field(default_factory=dict)

    def first_week(self, p_recovered: np.ndarray, cohort: pd.DataFrame) -> np.ndarray:
        """float64[rows, WEEKS]: chance that the first money comes in each week after the row's night. cohort: as_of,
        portfolio, days_past_due."""
        hazard = expit(self._log_odds(p_recovered, cohort))
        left = np.cumprod(1 - hazard, axis=1)
        return hazard * np.concatenate([np.ones((len(hazard), 1)), left[:, :-1]], axis=1)

    def days_to_pay(self, p_recovered: np.ndarray, cohort: pd.DataFrame, horizon_days: int) -> np.ndarray:
        """float64 per row: mean days until the first money, of the cases in which it comes within the horizon; a
        payment stands in the middle of its week.
        """
        middle = np.minimum(7.0 * np.arange(1, WEEKS + 1) - 3.5, horizon_days)
        within = 7 * np.arange(WEEKS) < horizon_days
        chance = self.first_week(p_recovered, cohort)[:, within]
        return chance @ middle[within] / np.maximum(chance.sum(axis=1), 1e-300)

    def cash(self, p_recovered: np.ndarray, cohort: pd.DataFrame, amount: np.ndarray) -> np.ndarray:
        """float64[rows, WEEKS]: money expected in each week, in the unit of `amount`, the amount if recovered."""
        first = self.first_week(p_recovered, cohort)
        found = np.zeros_like(first)
        for after, share in enumerate(self.follow):
            found[:, after:] += share * first[:, : WEEKS - after]
        return found * np.asarray(amount, np.float64)[:, None]

    def _log_odds(self, p_recovered: np.ndarray, cohort: pd.DataFrame) -> np.ndarray:
        own = cohort["portfolio"].astype("str").map(dict(self.books)).fillna(0.0).to_numpy(np.float64)
        known = _known_of(p_recovered, cohort["days_past_due"].to_numpy())
        found = known @ (_bends() @ self.weights).T + own[:, None]
        as_of = cohort["as_of"].to_numpy()
        for night in np.unique(as_of):
            found[as_of == night] += part_of_month(int(night)) @ self.month
        return found

    def card(self) -> dict[str, Any]:
        return {
            "weights": self.weights.tolist(),
            "month": self.month.tolist(),
            "books": dict(self.books),
            "follow": self.follow.tolist(),
            "facts": dict(self.facts),
        }

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> TimingHead:
        return cls(
            np.array(card["weights"]), np.array(card["month"]), card["books"], np.array(card["follow"]), card["facts"]
        )


def fit_timing(
    weekly: Weekly, cohort: pd.DataFrame, chance: np.ndarray, amount: np.ndarray, weight: np.ndarray, unit: np.ndarray
) -> TimingHead | None:
    """The head; None where fewer than LEAST_PAYERS debtors were seen to pay.

    weekly, cohort (as_of, debtor_id, portfolio, days_past_due), chance (P(recovered), out of fold), amount (if
    recovered, minor units), weight, unit (reporting units per minor unit): rows aligned by position.
    """
    first, seen = weekly.first, np.minimum(weekly.seen, WEEKS)
    payers = cohort["debtor_id"][first > 0].nunique()
    if payers < LEAST_PAYERS:
        return None
    known, late = _known_of(chance, cohort["days_past_due"].to_numpy()), np.where(first > 0, first, seen)
    codes, names = pd.factorize(cohort["portfolio"].astype("str"), sort=True)
    asked, as_of = np.flatnonzero(seen > 0), cohort["as_of"].to_numpy()
    parts = []
    for night in np.unique(as_of[asked]):
        own, part = asked[as_of[asked] == night], part_of_month(int(night))
        for rows in np.array_split(own, -(-len(own) // ROWS_AT_ONCE)):
            parts.append(_Night(part, known[rows], codes[rows], first[rows], late[rows], weight[rows]))
    weights, month, books = np.zeros((len(KNOTS), 3)), np.zeros(2), np.zeros(len(names))
    weights[:, 0] = USUAL_LEVEL
    middle = np.concatenate([weights.ravel(), month, books])  # what the prior leans to
    prior = np.concatenate([np.full(middle.size - books.size, RIDGE), np.full(books.size, BOOK_SPREAD**-2)])
    at = middle.copy()
    for _ in range(STEPS):
        weights, month, books = at[: weights.size].reshape(weights.shape), at[weights.size :][:2], at[-books.size :]
        climbs = [part.climb(weights, month, books) for part in parts]
        gradient, curvature = (sum(found[1:], found[0]) for found in zip(*climbs, strict=True))
        step = np.linalg.solve(curvature + np.diag(prior), gradient - prior * (at - middle))
        step *= min(1.0, 2.0 / np.abs(step).max())  # no leap where a week is all but empty
        at = at + step
        if np.abs(step).max() < CLOSE:
            break
    weights, month, books = at[: weights.size].reshape(weights.shape), at[weights.size :][:2], at[-books.size :]
    facts = {"debtors_paid": int(payers), "rows": int(asked.size), "weeks": int(seen.sum())}
    follow = _follow(weekly, first, amount, weight * unit)
    return TimingHead(weights, month, dict(zip(names, books.tolist(), strict=True)), follow, facts)


@dataclass(frozen=True)
class _Night:
    """Rows of one night. part: [WEEKS, 2] of the month; known: [rows, 3]; late: the last week at risk, and seen."""

    part: np.ndarray
    known: np.ndarray
    codes: np.ndarray
    first: np.ndarray
    late: np.ndarray
    weight: np.ndarray

    def climb(self, weights: np.ndarray, month: np.ndarray, books: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradient and curvature of the log-likelihood of the weeks at risk, in weights, month, then books."""
        weeks, bends, many = np.arange(1, WEEKS + 1), _bends(), len(books)
        p = expit(self.known @ (bends @ weights).T + self.part @ month + books[self.codes][:, None])
        risk = (weeks <= self.late[:, None]) * self.weight[:, None]
        missed = risk * ((weeks == self.first[:, None]) - p)
        spread = risk * p * (1 - p)
        # What a week has of each column: the bends x what is known, and its part of the month; the same for all rows.
        here = np.eye(many)[self.codes]
        whole = np.concatenate([self.known, np.ones((len(p), 1))], axis=1)
        of_rows = np.einsum("rk,ri,rj->kij", spread, whole, whole, optimize=True)
        of_books = np.einsum("rk,ru,ri->uki", spread, here, whole, optimize=True)
        columns = np.zeros((WEEKS, weights.size + 2, 4))  # of a week: each column as a sum over `whole`
        for place in range(3):
            columns[:, place : weights.size : 3, place] = bends
        columns[:, weights.size :, 3] = self.part
        gradient = np.concatenate([np.einsum("kci,ki->c", columns, missed.T @ whole), here.T @ missed.sum(axis=1)])
        top = np.einsum("kci,kij,kdj->cd", columns, of_rows, columns, optimize=True)
        side = np.einsum("kci,uki->uc", columns, of_books, optimize=True)
        own = np.diag(here.T @ spread.sum(axis=1))
        return gradient, np.block([[top, side.T], [side, own]])


def part_of_month(as_of: int) -> np.ndarray:
    """[WEEKS, 2]: mean cosine and sine of where the days of each week after a night stand in their months."""
    days = as_of + np.arange(7 * WEEKS)
    first, after = (np.array([first_of_month(day, months) for day in days.tolist()]) for months in (0, 1))
    turn = 2 * np.pi * (days - first) / (after - first)
    return np.column_stack([np.cos(turn), np.sin(turn)]).reshape(WEEKS, 7, 2).mean(axis=1)


def _follow(weekly: Weekly, first: np.ndarray, amount: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """[WEEKS] money that came so many weeks after the first payment, over the amount if recovered of those of whom it
    is known."""
    rows = np.flatnonzero(first > 0)
    first, seen, amount, weight = first[rows], weekly.seen[rows], amount[rows], weight[rows]
    came = np.diff(weekly.cumulative[rows], axis=1, prepend=0)
    money, base = np.zeros(WEEKS), np.zeros(WEEKS)
    for after in range(WEEKS):
        there = np.flatnonzero(first + after <= seen)
        money[after] = weight[there] @ came[there, first[there] + after - 1]
        base[after] = weight[there] @ amount[there]
    for begin, end in FOLLOWED:
        money[begin:end], base[begin:end] = money[begin:end].mean(), base[begin:end].mean()
    return np.maximum(np.divide(money, base, out=np.zeros(WEEKS), where=base > 0), 0.0)


def _known_of(chance: np.ndarray, days_past_due: np.ndarray) -> np.ndarray:
    """[rows, 3]: 1, log-odds of P(recovered), log(1 + days past due) in doublings of a month."""
    p = np.clip(np.asarray(chance, np.float64), 1e-6, 1 - 1e-6)
    return np.column_stack([np.ones(p.size), np.log(p / (1 - p)), np.log2(1 + np.asarray(days_past_due) / 30)])


def _bends() -> np.ndarray:
    """[WEEKS, knots]: how much each week takes of the weights at each knot."""
    at, knots = np.log2(np.arange(1, WEEKS + 1)), np.log2(KNOTS)
    return np.column_stack([np.interp(at, knots, unit) for unit in np.eye(len(KNOTS))])
