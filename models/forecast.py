"""How much money comes to a book in each of the next weeks: what its accounts are foretold to pay, and what came.

The accounts that can be scored tonight do not bring all of a book's money: others fall due, new ones arrive. So the
forecast of a week is a x (what the scorable accounts are expected to bring) + b x (the mean of the last BACK weeks);
a and b, each from 0 up, are those that erred least on former nights, per span of weeks. The interval is taken from the
errors of those nights, relative to the mean of the last weeks and to how far the book usually errs: their quantiles, so
that the shocks that all accounts of a week share are in it. Weights and errors are of the same nights, for there are
few: an error is a little smaller than that of a new night (benchmarks/README.md says how often it held).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.timing import WEEKS

BACK = 8  # weeks whose mean is a plain forecast
SPANS = ((0, 2), (2, 4), (4, 8), (8, 13), (13, WEEKS))  # weeks ahead that share weights and errors
COVERAGE = 0.8
LEAST_ERRORS = 20  # of a span: below, the span before it stands in, widened
WIDENED = 1.25
USUAL = 5.0  # nights' worth of the pooled error that a book's own is set against
GROWN = 0.5  # share of its mean that a book's usual week must reach for its night to teach
PULL = 0.05  # of the prior (a 0.5, b 0.5), as a share of the weeks seen

Book = tuple[str, str]  # portfolio, currency


@dataclass(frozen=True)
class BookCash:
    """What came in to each book: came int64[books, nights, BACK + WEEKS], minor units; seen int64[books, nights]: weeks
    ahead that are known. books and nights in order.
    """

    books: tuple[Book, ...]
    nights: tuple[int, ...]
    came: np.ndarray
    seen: np.ndarray

    def until(self, day: int, maturity_days: int) -> BookCash:
        """The same as it was known on a day."""
        seen = np.clip((day - maturity_days - np.array(self.nights)) // 7, 0, WEEKS)
        return BookCash(self.books, self.nights, self.came, np.minimum(self.seen, seen))

    def only(self, nights: Sequence[int]) -> BookCash:
        places = [self.nights.index(night) for night in nights]
        return BookCash(self.books, tuple(nights), self.came[:, places], self.seen[:, places])

    def summed(self, cohort: pd.DataFrame, money: np.ndarray) -> np.ndarray:
        """float64[books, nights, weeks]: money [rows, weeks] of a cohort (as_of, portfolio, currency), added up."""
        book = {of: place for place, of in enumerate(self.books)}
        night = {of: place for place, of in enumerate(self.nights)}
        pairs = zip(cohort["portfolio"].astype("str"), cohort["currency"].astype("str"), strict=True)
        at = np.array([book[pair] for pair in pairs], np.int64) * len(night)
        at += cohort["as_of"].map(night).to_numpy(np.int64)
        found = np.zeros((len(book) * len(night), money.shape[1]))
        np.add.at(found, at, money)
        return found.reshape(len(book), len(night), -1)

    @property
    def usual(self) -> np.ndarray:
        """float64[books, nights]: mean of the last BACK weeks."""
        return self.came[:, :, :BACK].mean(axis=2)


@dataclass(frozen=True)
class CashForecast:
    """weights: [spans, 2] a and b; quantiles: [spans, 2] of the errors, each relative to `usual` x its book's `errs`;
    errs: book -> root mean square of its errors relative to `usual`; of_new: that of a book not seen.
    """

    weights: np.ndarray
    quantiles: np.ndarray
    errs: Mapping[Book, float]
    of_new: float

    def expected(self, scorable: np.ndarray, usual: np.ndarray) -> np.ndarray:
        """float64[..., WEEKS]. scorable: the same shape, what scorable accounts are expected to bring; usual: [...]."""
        a, b = _by_week(self.weights)
        return a * scorable + b * usual[..., None]

    def interval(self, expected: np.ndarray, usual: float, book: Book) -> tuple[np.ndarray, np.ndarray]:
        """(low, high) of each week, of which COVERAGE of the weeks are to come in between; never below 0."""
        scale = usual * self.errs.get(book, self.of_new)
        low, high = _by_week(self.quantiles)
        return np.maximum(expected + low * scale, 0.0), np.maximum(expected + high * scale, 0.0)

    def card(self) -> dict[str, Any]:
        return {
            "weights": self.weights.tolist(),
            "quantiles": self.quantiles.tolist(),
            "errs": [[*book, size] for book, size in sorted(self.errs.items())],
            "of_new": self.of_new,
        }

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> CashForecast:
        errs = {(portfolio, currency): size for portfolio, currency, size in card["errs"]}
        return cls(np.array(card["weights"]), np.array(card["quantiles"]), errs, card["of_new"])


def fit_forecast(cash: BookCash, scorable: np.ndarray) -> CashForecast | None:
    """scorable: [books, nights, WEEKS], what the scorable accounts of a night were expected to bring, by chances
    of boosters that had not seen their debtors. None where no book has a week that is known.
    """
    usual = cash.usual
    if not (cash.seen > 0).any():
        return None
    mean = usual.mean(axis=1, where=cash.seen > 0, keepdims=True)  # of a book; NaN where it has no night
    grown = np.nan_to_num(usual / mean) >= GROWN  # while a book grows, its last weeks tell too little of the next
    known = (np.arange(WEEKS) < cash.seen[:, :, None]) & grown[:, :, None]
    if not known.any():
        return None
    ours, came, plain = (
        of / np.where(mean > 0, mean, 1.0)[:, :, None] for of in (scorable, cash.came[:, :, BACK:], usual[:, :, None])
    )
    weights = np.array(
        [
            _weights(*(of[:, :, begin:end][known[:, :, begin:end]] for of in (ours, plain * np.ones(WEEKS), came)))
            for begin, end in SPANS
        ]
    )
    fitted = CashForecast(weights, np.zeros((len(SPANS), 2)), {}, 0.0)
    errors = (came - fitted.expected(ours, plain[:, :, 0])) / np.where(plain > 0, plain, 1.0)
    pooled = float(np.sqrt(np.mean(errors[known] ** 2)))
    errs, sizes = {}, np.zeros(len(cash.books))
    for place, book in enumerate(cash.books):
        own = errors[place][known[place]]
        nights = int(known[place].any(axis=1).sum())
        square = np.mean(own**2) if own.size else 0.0
        sizes[place] = np.sqrt((nights * square + USUAL * pooled**2) / (nights + USUAL))
        errs[book] = float(sizes[place])
    relative = errors / sizes[:, None, None]
    quantiles: list[Sequence[float]] = []
    for begin, end in SPANS:
        found = relative[:, :, begin:end][known[:, :, begin:end]]
        if len(found) >= LEAST_ERRORS or not quantiles:
            tail = (1 - COVERAGE) / 2
            quantiles.append(np.quantile(found, (tail, 1 - tail)).tolist() if len(found) else [-1.3, 1.3])
        else:
            quantiles.append([WIDENED * of for of in quantiles[-1]])
    return CashForecast(weights, np.array(quantiles), errs, float(sizes.max()))


def _by_week(of_spans: np.ndarray) -> np.ndarray:
    """[2, WEEKS] of [spans, 2]."""
    return np.repeat(of_spans, [end - begin for begin, end in SPANS], axis=0).T


def _weights(ours: np.ndarray, plain: np.ndarray, came: np.ndarray) -> np.ndarray:
    """[2] of least squares with a prior, each from 0 up."""
    x = np.column_stack([ours, plain])
    pull = max(PULL * len(x), 1.0)
    matrix, target = x.T @ x + pull * np.eye(2), x.T @ came + pull * 0.5
    found = np.linalg.solve(matrix, target)
    for place in np.flatnonzero(found < 0):  # the other alone
        other = 1 - place
        found[other], found[place] = max(target[other] / matrix[other, other], 0.0), 0.0
    return found
