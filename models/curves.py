"""A sum of curves, one a column: piecewise linear between quantiles of the column, as a ridge regression on normal
scores fits them.

Each column stands as its normal score (the quantile of the normal distribution at its rank; van der Waerden), so that
no outlier pulls and no unit counts, and as whether it is missing. Where rows are many and what they tell is faint, a
sum of such curves errs less than trees that look for steps and pairs; and it explains itself: a curve is its column's
exact contribution.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from features.compiled import compiled

LEVELS = np.arange(1, 50, 2) / 50  # of the quantiles between which a curve is a line
SCORES = np.array([NormalDist().inv_cdf(level) for level in LEVELS])
TOLD_MISSING = (0.02, 0.98)  # share of missing cells between which that a cell is missing is a term of its own
LEAST_SPREAD = 1e-6  # of a term that varies
DIGITS = 9  # of a height: below what another order of summing changes
BLOCK = 16_384  # rows whose terms are in memory at once ...
NEAR = 64  # rows whose cells a loop goes through column by column
MOST_CELLS = 1 << 25  # ... unless all are no more than these, 256 MiB: then they are made once and kept


@dataclass(frozen=True)
class Curves:
    """Column by column: the values at which its curve bends, ascending, its heights there, and its height where the
    cell is missing. Beyond the first and the last value a curve is flat.
    """

    at: tuple[np.ndarray, ...]
    height: tuple[np.ndarray, ...]
    missing: np.ndarray

    def parts(self, numbers: np.ndarray) -> np.ndarray:
        """What each column adds, [rows, columns]. numbers: float64 [rows, columns], NaN where missing."""
        return _laid_out(numbers, None, self.at, self.height, self.missing, numbers.shape[1])

    def total(self, numbers: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """The sum of `parts` over the columns, by row. rows: places of those asked for, in that order; all if None."""
        return _laid_out(numbers, rows, self.at, self.height, self.missing, 1)[:, 0]

    @property
    def bend(self) -> bool:
        """Whether any column adds anything."""
        return bool(self.missing.any() or any(height.any() for height in self.height))

    def text(self) -> str:
        lines = [
            json.dumps({"at": at.tolist(), "height": height.tolist(), "missing": float(missing)})
            for at, height, missing in zip(self.at, self.height, self.missing, strict=True)
        ]
        return "[\n" + ",\n".join(lines) + "\n]\n"

    @classmethod
    def from_text(cls, text: str) -> Curves:
        columns = json.loads(text)
        at, height = (tuple(np.asarray(one[name], np.float64) for one in columns) for name in ("at", "height"))
        return cls(at, height, np.array([one["missing"] for one in columns], np.float64))


@dataclass(frozen=True)
class Terms:
    """What the columns of some rows are fitted by: a constant, the normal score of each column and, of columns with
    some cells missing, whether they are; all but the constant with mean 0 and variance 1 over these rows.

    at, score      values at which each column's score bends, and the score there; a missing cell's is 0
    columns        of the scores and then of the missings: the column of each term; missings: how many are of the latter
    """

    at: tuple[np.ndarray, ...]
    score: tuple[np.ndarray, ...]
    columns: np.ndarray
    missings: int
    mean: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, numbers: np.ndarray, rows: np.ndarray | None = None) -> Terms:
        """numbers: float64 [rows, columns], NaN where missing; rows: places of those that count, at least one; all if
        None. They are taken column by column and block by block, so that no second table of them is ever in memory."""
        ats, scores, kept, told = [], [], [], []
        for column in range(numbers.shape[1]):
            values = numbers[:, column] if rows is None else numbers[rows, column]
            absent = np.isnan(values)
            at, score = _normal_scores(values[~absent])
            ats.append(at)
            scores.append(score)
            cells = np.where(absent, 0.0, np.interp(values, at, score))
            for kind, term in ((kept, cells), (told, absent)):
                if term.std() > LEAST_SPREAD and (kind is kept or TOLD_MISSING[0] < term.mean() < TOLD_MISSING[1]):
                    kind.append((column, float(term.mean()), float(term.std())))
        terms = np.array([*kept, *told], dtype=np.float64).reshape(-1, 3)
        return cls(tuple(ats), tuple(scores), terms[:, 0].astype(np.int64), len(told), terms[:, 1], terms[:, 2])

    def told(
        self, numbers: np.ndarray, rows: np.ndarray | None = None
    ) -> Callable[[], Iterable[tuple[slice, np.ndarray]]]:
        """`blocks` as often as it is asked for them; made once where they are few."""
        count = len(numbers) if rows is None else len(rows)
        if count * (1 + len(self.columns)) > MOST_CELLS:
            return lambda: self.blocks(numbers, rows)
        kept = list(self.blocks(numbers, rows))
        return lambda: kept

    def blocks(self, numbers: np.ndarray, rows: np.ndarray | None = None) -> Iterator[tuple[slice, np.ndarray]]:
        """Rows by rows: which of them, and their terms, [rows of the block, 1 + terms], the constant first."""
        scores, count = len(self.columns) - self.missings, len(numbers) if rows is None else len(rows)
        unscored = np.zeros(len(self.at))
        for first in range(0, count, BLOCK):
            block = slice(first, min(first + BLOCK, count))
            own = np.arange(block.start, block.stop) if rows is None else rows[block]
            found = np.ones((len(own), 1 + len(self.columns)))
            laid = _laid_out(numbers, own, self.at, self.score, unscored, numbers.shape[1])
            found[:, 1 : 1 + scores] = laid[:, self.columns[:scores]]
            for place, column in enumerate(self.columns[scores:].tolist()):
                found[:, 1 + scores + place] = np.isnan(numbers[own, column])
            found[:, 1:] = (found[:, 1:] - self.mean) / self.spread
            yield block, found

    def curves(self, weights: np.ndarray) -> Curves:
        """The curves of a fit: weights of the terms, without that of the constant."""
        own, scores = weights / self.spread, len(self.columns) - self.missings
        height, missing = [np.zeros_like(score) for score in self.score], np.zeros(len(self.at))
        for place, (column, weight, mean) in enumerate(zip(self.columns.tolist(), own, self.mean, strict=True)):
            if place < scores:
                height[column] = height[column] + weight * (self.score[column] - mean)
                missing[column] -= weight * mean
            else:
                height[column] = height[column] - weight * mean
                missing[column] += weight * (1.0 - mean)
        return Curves(self.at, tuple(np.round(one, DIGITS) for one in height), np.round(missing, DIGITS))


def _laid_out(
    numbers: np.ndarray,
    rows: np.ndarray | None,
    at: Sequence[np.ndarray],
    height: Sequence[np.ndarray],
    missing: np.ndarray,
    width: int,
) -> np.ndarray:
    """Heights of the curves at the cells of some rows, [rows, columns]; with a width of 1 their sum, [rows, 1]."""
    chosen = np.arange(len(numbers)) if rows is None else rows
    bounds = np.cumsum([0, *map(len, at)])
    found = np.zeros((len(chosen), width))
    if len(at):
        _lay_out(numbers, chosen, np.concatenate(at), np.concatenate(height), bounds, missing, found)
    return found


@compiled
def _lay_out(
    numbers: np.ndarray,
    rows: np.ndarray,
    at: np.ndarray,
    height: np.ndarray,
    bounds: np.ndarray,
    missing: np.ndarray,
    found: np.ndarray,
) -> None:
    """Each row by itself, column after column: it has the same bits alone and among others. NEAR rows at a time, so
    that neither order in memory is slow."""
    for start in range(0, rows.size, NEAR):
        for column in range(missing.size):
            place = column if found.shape[1] > 1 else 0
            lowest, highest = bounds[column], bounds[column + 1] - 1
            for row in range(start, min(start + NEAR, rows.size)):
                cell, first, last = numbers[rows[row], column], lowest, highest
                if np.isnan(cell):
                    found[row, place] += missing[column]
                elif cell <= at[first]:
                    found[row, place] += height[first]
                elif cell >= at[last]:
                    found[row, place] += height[last]
                else:
                    while last - first > 1:
                        middle = (first + last) // 2
                        if at[middle] <= cell:
                            first = middle
                        else:
                            last = middle
                    part = (cell - at[first]) / (at[last] - at[first])
                    found[row, place] += height[first] + part * (height[last] - height[first])


def _normal_scores(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(distinct quantiles of the values at LEVELS, the mean of the normal scores of the levels that share each)."""
    if not len(values):
        return np.zeros(1), np.zeros(1)
    at, level = np.unique(np.quantile(values, LEVELS, method="inverted_cdf"), return_inverse=True)
    return at, np.bincount(level, SCORES) / np.bincount(level)
