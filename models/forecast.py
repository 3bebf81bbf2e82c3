"""How much money comes to a book in each of the next weeks: what its accounts are foretold to pay, and what came.

The accounts that can be scored tonight do not bring all of a book's money: others fall due, new ones arrive. So the
forecast of a week is a x (what the scorable accounts are expected to bring) + b x (the level of the last BACK weeks x
the week's season). The season of a book is how its money lies in the month (paydays, due days) and, where a year of
nights shows it, in the year; the level is what the last weeks brought, set against theirs. a and b, each from 0 up, are
those that erred least on former nights, per book and span of weeks, drawn to those of all books.

The interval is taken from the errors of those nights, so that the shocks that all accounts of a week share are in it;
they are widened by what weeks that taught err less than new ones. An error is measured in root(expected x level): a
week of much money errs by more, and by less than in proportion. Newer nights count for more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from features.days import first_of_month
from models.timing import WEEKS

BACK = 8  # weeks whose mean is a plain forecast
SPANS = ((0, 2), (2, 4), (4, 8), (8, 13), (13, WEEKS))  # weeks ahead that share weights and errors
COVERAGE = 0.8
# Share of the errors of the fit's nights that the interval spans: of the nights that follow it then held COVERAGE, on
# made-up books other than those by which it is judged (benchmarks/README.md).
SPANNED = 0.7
LEAST_ERRORS = 20  # of a span: below, the span before it stands in, widened
WIDENED = 1.25
USUAL = 2.0  # nights' worth of the errors of all books that a book's own are set against
GROWN = 0.7  # share of its mean that a book's usual week must reach for its night to teach
PULL = 0.05  # of the prior (a 0.5, b 0.5), as a share of the weeks seen
BOOK_PULL = 0.3  # of the weights of all books on a book's own, as a share of a book's weeks
MONTH_WAVES = 3  # harmonics of the month
MONTH_RIDGE, YEAR_RIDGE = 20.0, 10.0  # weeks, and means of four, that speak for no season
YEAR = 365.25
YEAR_SEEN = 365  # days that the nights must span before a year is told from a trend
ROUNDS = 6  # of month and year in turn
LEAST_SEASON = 0.05  # of the usual week
LEAST_SHARE = 0.2  # of the level: what a week is expected to bring at least, where its error is measured
TAUGHT = 2 * MONTH_WAVES + 4  # figures of a book that its weeks teach: month, year, a and b
HALF_LIFE = 180  # days in which an error comes to count half

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
class Season:
    """How a book's money lies in the month and the year: cosines and sines, of the month about 1, of the year as log.

    month: [2 x MONTH_WAVES]; year: [2].
    """

    month: np.ndarray
    year: np.ndarray

    @classmethod
    def none(cls) -> Season:
        return cls(np.zeros(2 * MONTH_WAVES), np.zeros(2))

    def of_weeks(self, waves: Waves) -> np.ndarray:
        """float64[BACK + WEEKS], each week against the usual one."""
        return self._in_month(waves.month) * self._in_year(waves.year)

    def level(self, behind: np.ndarray, waves: Waves) -> float:
        """The usual week, by the last BACK."""
        return float(behind.sum() / self.of_weeks(waves)[:BACK].sum())

    def _in_month(self, month: np.ndarray) -> np.ndarray:
        return np.maximum(1 + month @ self.month, LEAST_SEASON)

    def _in_year(self, year: np.ndarray) -> np.ndarray:
        return np.exp(np.clip(year @ self.year, -1.0, 1.0))

    @classmethod
    def fit(cls, came: np.ndarray, seen: np.ndarray, nights: Sequence[int]) -> Season:
        """came: [nights, BACK + WEEKS] of one book, seen: [nights] weeks ahead that are known."""
        found, by_year = cls.none(), len(nights) > 0 and nights[-1] - nights[0] >= YEAR_SEEN
        weeks = [(came[place, : BACK + seen[place]].astype(float), waves_of(of)) for place, of in enumerate(nights)]
        weeks = [(money, Waves(waves.month[: money.size], waves.year[: money.size])) for money, waves in weeks]
        weeks = [pair for pair in weeks if pair[0].sum() > 0]
        for _ in range(ROUNDS if weeks else 0):
            shares = [
                money / (found._in_year(waves.year) * money.sum() / found.of_weeks(waves).sum()) - 1
                for money, waves in weeks
            ]
            month = _ridge(np.concatenate([waves.month for _, waves in weeks]), np.concatenate(shares), MONTH_RIDGE)
            found = cls(month, found.year)
            if by_year:
                moved = [found._of_the_year(money, waves) for money, waves in weeks]
                waves, changes = (np.concatenate([pair[part] for pair in moved]) for part in range(2))
                found = cls(month, _ridge(waves, changes, YEAR_RIDGE))
        return found

    def _of_the_year(self, money: np.ndarray, waves: Waves) -> tuple[np.ndarray, np.ndarray]:
        """Means of four weeks, less the month's season, against all weeks of the night: waves [means, 2], log."""
        within, parts = self._in_month(waves.month), range(0, money.size - 3, 4)
        whole = money.sum() / within.sum()
        change = [money[at : at + 4].sum() / within[at : at + 4].sum() / whole for at in parts]
        apart = [waves.year[at : at + 4].mean(axis=0) - waves.year.mean(axis=0) for at in parts]
        return np.array(apart).reshape(-1, 2), np.log(np.maximum(change, LEAST_SHARE))


@dataclass(frozen=True)
class Waves:
    """month: [weeks, 2 x MONTH_WAVES], year: [weeks, 2]: means over the days of each week around a night."""

    month: np.ndarray
    year: np.ndarray


def waves_of(night: int) -> Waves:
    """Of the BACK weeks before a night and the WEEKS from it on."""
    days = night - 7 * BACK + np.arange(7 * (BACK + WEEKS))
    first, after = (np.array([first_of_month(day, months) for day in days.tolist()]) for months in (0, 1))
    month, year = 2 * np.pi * (days - first + 0.5) / (after - first), 2 * np.pi * days / YEAR
    turns = [month * turn for turn in range(1, MONTH_WAVES + 1)]
    by_day = [np.column_stack([wave(of) for of in held for wave in (np.cos, np.sin)]) for held in (turns, [year])]
    return Waves(*(of.reshape(BACK + WEEKS, 7, -1).mean(axis=1) for of in by_day))


@dataclass(frozen=True)
class CashForecast:
    """seasons, weights: book -> Season, and [spans, 2] a and b; of_all: the weights of a book not seen; quantiles:
    [spans, 2] of the errors, each relative to its book's `errs`; of_new: that of a book not seen.
    """

    seasons: Mapping[Book, Season]
    weights: Mapping[Book, np.ndarray]
    of_all: np.ndarray
    quantiles: np.ndarray = field(default_factory=lambda: np.zeros((len(SPANS), 2)))
    errs: Mapping[Book, float] = field(default_factory=dict)
    of_new: float = 0.0

    def weeks(self, scorable: np.ndarray, behind: np.ndarray, night: int, book: Book) -> np.ndarray:
        """float64[3, WEEKS]: expected, and between what (low, high) COVERAGE of such weeks are to come in; from 0 up.

        scorable: [WEEKS], what the book's scorable accounts are expected to bring; behind: [BACK], what came last.
        """
        season, waves = self.seasons.get(book, Season.none()), waves_of(night)
        level = season.level(behind, waves)
        a, b = _by_week(self.weights.get(book, self.of_all))
        expected = a * scorable + b * level * season.of_weeks(waves)[BACK:]
        # Weeks that brought next to nothing say little of how far a forecast errs: what is expected says it then.
        usual = np.where(level < LEAST_SHARE * expected, expected, level)
        size = _size(expected, usual) * self.errs.get(book, self.of_new)
        low, high = _by_week(self.quantiles)
        return np.stack([expected, np.maximum(expected + low * size, 0.0), np.maximum(expected + high * size, 0.0)])

    def card(self) -> dict[str, Any]:
        return {
            "seasons": [[*book, of.month.tolist(), of.year.tolist()] for book, of in sorted(self.seasons.items())],
            "weights": [[*book, of.tolist()] for book, of in sorted(self.weights.items())],
            "of_all": self.of_all.tolist(),
            "quantiles": self.quantiles.tolist(),
            "errs": [[*book, size] for book, size in sorted(self.errs.items())],
            "of_new": self.of_new,
        }

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> CashForecast:
        return cls(
            {(name, code): Season(np.array(month), np.array(year)) for name, code, month, year in card["seasons"]},
            {(name, code): np.array(of) for name, code, of in card["weights"]},
            np.array(card["of_all"]),
            np.array(card["quantiles"]),
            {(name, code): size for name, code, size in card["errs"]},
            card["of_new"],
        )


def fit_forecast(cash: BookCash, scorable: np.ndarray) -> CashForecast | None:
    """scorable: [books, nights, WEEKS], what the scorable accounts of a night were expected to bring, by chances
    of boosters that had not seen their debtors. None where no book has a week that is known.
    """
    usual, nights = cash.usual, (cash.seen > 0).sum(axis=1, keepdims=True)
    mean = usual.sum(axis=1, where=cash.seen > 0, keepdims=True) / np.maximum(nights, 1)  # of a book
    # While a book grows, its last weeks tell too little of the next.
    grown = (cash.seen > 0) & (usual > 0) & (usual >= GROWN * mean)
    known = (np.arange(WEEKS) < cash.seen[:, :, None]) & grown[:, :, None]
    if not known.any():
        return None
    waves = [waves_of(night) for night in cash.nights]
    seasons, plain, levels = {}, np.zeros(known.shape), np.zeros(known.shape[:2])
    for place, book in enumerate(cash.books):
        own = np.flatnonzero(grown[place])
        season = Season.fit(cash.came[place, own], cash.seen[place, own], [cash.nights[of] for of in own])
        seasons[book] = season
        levels[place] = [season.level(cash.came[place, at, :BACK], of) for at, of in enumerate(waves)]
        plain[place] = levels[place][:, None] * np.array([season.of_weeks(of)[BACK:] for of in waves])
    unit = np.where(mean > 0, mean, 1.0)
    both = np.stack([scorable, plain], axis=-1) / unit[:, :, None, None]  # [books, nights, WEEKS, 2]
    came, levels = cash.came[:, :, BACK:] / unit[:, :, None], levels / unit
    of_books, of_all = _weights_of(both, came, known)
    expected = (both * _over_weeks(of_books)[:, None]).sum(axis=-1)
    known &= (levels > 0)[:, :, None]
    errors = np.divide(came - expected, _size(expected, levels[:, :, None]), where=known, out=np.zeros(known.shape))
    errors *= np.array([_widened(np.array(cash.nights)[rows.any(axis=1)]) for rows in known])[:, None, None]
    age = cash.nights[-1] - np.array(cash.nights)
    counts = np.broadcast_to((0.5 ** (age / HALF_LIFE))[None, :, None], known.shape)
    whole = _quantile(np.abs(errors[known]), COVERAGE, counts[known]) if known.any() else 1.0
    errs = {}
    for place, book in enumerate(cash.books):
        own, many = known[place], int(known[place].any(axis=1).sum())
        size = _quantile(np.abs(errors[place][own]), COVERAGE, counts[place][own]) if many else 0.0
        errs[book] = (many * size + USUAL * whole) / (many + USUAL) or 1.0
    relative = errors / np.array(list(errs.values()))[:, None, None]
    quantiles: list[list[float]] = []
    for begin, end in SPANS:
        inside = known[:, :, begin:end]
        if inside.sum() >= LEAST_ERRORS or not quantiles:
            tail = (1 - SPANNED) / 2
            found = relative[:, :, begin:end][inside], counts[:, :, begin:end][inside]
            ends = [_quantile(found[0], of, found[1]) for of in (tail, 1 - tail)] if inside.any() else [-1.0, 1.0]
            quantiles.append(ends)
        else:
            quantiles.append([WIDENED * of for of in quantiles[-1]])
    weights = dict(zip(cash.books, of_books, strict=True))
    return CashForecast(seasons, weights, of_all, np.array(quantiles), errs, max(errs.values()))


def _weights_of(both: np.ndarray, came: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[books, spans, 2] and, of all books together, [spans, 2]. both: [books, nights, WEEKS, 2], what a and b weigh."""
    books, held = len(both), both * known[..., None]
    own, whole = np.zeros((books, len(SPANS), 2)), np.zeros((len(SPANS), 2))
    for span, (begin, end) in enumerate(SPANS):
        part, weeks = held[:, :, begin:end], int(known[:, :, begin:end].sum())
        matrix = np.einsum("bnwi,bnwj->bij", part, part)
        target = np.einsum("bnwi,bnw->bi", part, came[:, :, begin:end])
        whole[span] = _weights(matrix.sum(axis=0), target.sum(axis=0), max(PULL * weeks, 1.0), np.full(2, 0.5))
        pull = max(BOOK_PULL * weeks / books, 1.0)
        for book in range(books):
            own[book, span] = _weights(matrix[book], target[book], pull, whole[span])
    return own, whole


def _widened(nights: np.ndarray) -> float:
    """How much more new weeks err than those that taught, by how many there were: a night shares most with the next."""
    if not len(nights):
        return 1.0
    weeks = (nights[-1] - nights[0]) / 7 + BACK
    return float(np.sqrt((weeks + TAUGHT) / max(weeks - TAUGHT, TAUGHT)))


def _weights(matrix: np.ndarray, target: np.ndarray, pull: float, middle: np.ndarray) -> np.ndarray:
    """[2] of least squares with a prior, each from 0 up."""
    matrix, target = matrix + pull * np.eye(2), target + pull * middle
    found = np.linalg.solve(matrix, target)
    for place in np.flatnonzero(found < 0):  # the other alone
        other = 1 - place
        found[other], found[place] = max(target[other] / matrix[other, other], 0.0), 0.0
    return found


def _size(expected: np.ndarray, level: np.ndarray) -> np.ndarray:
    """What an error of a week is measured in."""
    share = expected / np.where(level > 0, level, 1.0)
    return level * np.sqrt(np.maximum(share, LEAST_SHARE))


def _ridge(columns: np.ndarray, target: np.ndarray, pull: float) -> np.ndarray:
    return np.linalg.solve(columns.T @ columns + pull * np.eye(columns.shape[1]), columns.T @ target)


def _quantile(values: np.ndarray, share: float, counts: np.ndarray) -> float:
    return float(np.quantile(values, share, weights=counts, method="inverted_cdf"))


def _over_weeks(of_spans: np.ndarray) -> np.ndarray:
    """[..., WEEKS, 2] of [..., spans, 2]."""
    return np.repeat(of_spans, [end - begin for begin, end in SPANS], axis=-2)


def _by_week(of_spans: np.ndarray) -> np.ndarray:
    """[2, WEEKS] of [spans, 2]."""
    return _over_weeks(of_spans).T
