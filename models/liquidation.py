"""How an old debt liquidates: what came of the accounts of former nights, month by month, also of those that left the
house; and vintages of nights, set beside what was foretold of them.

An account that leaves the house is followed no further, and mostly those leave who do not pay. So whoever stays stands
for those like him who left: each month's money counts 1 ÷ the chance to be still there, by book, and by whether money
came in the month before, or ever since the night (inverse probability of censoring; Robins and Finkelstein, Biometrics,
2000). What is told is then what would have come if nobody had been given away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.days import date_of

HORIZONS = (30, 90, 180, 365)  # days; of each a head that tells what comes since the one before
LOOKS = (*range(30, 361, 30), HORIZONS[-1])  # days at which it is looked how much has come
LEFT = ("agency", "sold", "recalled")  # of features.labels.WHY_MISSING: the account was no longer ours to follow
PLACES = {horizon: LOOKS.index(horizon) for horizon in HORIZONS}
LEAST_STAYED = 0.1  # chance to be still there, below which nobody stands for more
WIDE = 1.96  # standard errors to each side
BY_DEBTORS, BY_NIGHTS = "debtors not seen", "later nights"  # whom what foretold a vintage had not seen
ALL = ""  # of all books


@dataclass(frozen=True)
class Followed:
    """came: float64[rows, LOOKS], minor units that came by then, NaN where not known; left: bool[rows, LOOKS], not
    known because the account left the house, although the day is over.
    """

    came: np.ndarray
    left: np.ndarray

    def only(self, rows: np.ndarray) -> Followed:
        return Followed(self.came[rows], self.left[rows])

    def known_by(self, as_of: np.ndarray, day: int, maturity_days: int) -> Followed:
        """The same as it was known on a day."""
        over = as_of[:, None] + np.array(LOOKS) + maturity_days <= day
        return Followed(np.where(over, self.came, np.nan), self.left & over)

    def lived(self, balance: np.ndarray, books: pd.Series) -> Lived:
        """What was taken back later had not come before either, so that no share falls. An account that left between
        two looks is taken to have stayed half of the time between them, and to have paid nothing in it."""
        share = np.minimum(self.came / balance[:, None], 1.0)
        for place in range(share.shape[1] - 2, -1, -1):
            later = np.fmin(share[:, place], share[:, place + 1])
            share[:, place] = np.where(np.isnan(share[:, place]), np.nan, later)
        known = np.logical_and.accumulate(~np.isnan(share), axis=1)
        until = np.where(known, share, 0.0)
        before = np.column_stack([np.zeros(len(share)), until[:, :-1]])
        there = np.column_stack([np.ones(len(share), bool), known[:, :-1]])
        goes = there & ~known & self.left
        came = np.where(known, until - before, 0.0)
        seen = np.where(known, 1.0, np.where(goes, 0.5, 0.0))
        return Lived(before, came, seen, _stand_for(came, known, goes, books))


def _stand_for(came: np.ndarray, known: np.ndarray, goes: np.ndarray, books: pd.Series) -> np.ndarray:
    """float64[rows, LOOKS]: of how many that were there on the night a row speaks in each look."""
    codes, names = pd.factorize(books.astype("str"))
    lately = np.column_stack([np.zeros(len(came), bool), came[:, :-1] > 0])
    ever = np.column_stack([np.zeros(len(came), bool), np.cumsum(came, axis=1)[:, :-1] > 0])
    kind = codes[:, None] * 3 + lately.astype(np.int64) + ever
    many = 3 * max(len(names), 1)
    # In the first look whoever goes is told apart by what was known of him on the night, and so by the boosters.
    there, gone = (np.bincount(kind[:, 1:][each[:, 1:]], minlength=many) for each in (known | goes, goes))
    stays = 1 - np.divide(gone, there, out=np.zeros(many), where=there > 0)
    stayed = np.ones(came.shape)
    stayed[:, 2:] = np.cumprod(stays[kind[:, 1:-1]], axis=1)
    return 1 / np.maximum(stayed, LEAST_STAYED)


@dataclass(frozen=True)
class Lived:
    """Of each row and look, float64[rows, LOOKS]: before and came, shares of the balance that had come before and that
    came in it; seen: how much of it is known, 0 to 1; weight: for how many a row stands."""

    before: np.ndarray
    came: np.ndarray
    seen: np.ndarray
    weight: np.ndarray

    def newest(self, as_of: np.ndarray, days: int) -> np.ndarray:
        """bool[rows, LOOKS]: looks that ended within so many days of the last one known."""
        ends = as_of[:, None] + np.array(LOOKS)
        last = ends[self.seen > 0].max(initial=0)
        return ends > last - days

    def step(
        self, horizon: int, money: np.ndarray, looks: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(share of the balance that came before the step to a horizon; share of the balance at stake in it, by how
        much of it was seen; share that came in it). money: weights, for how fast money comes within the step; looks:
        which count, all if None.
        """
        first = PLACES[HORIZONS[HORIZONS.index(horizon) - 1]] + 1 if horizon != HORIZONS[0] else 0
        own = slice(first, PLACES[horizon] + 1)
        before, there = self.before[:, first], self.seen[:, first] > 0
        left = np.where(there, 1 - before, 0.0)
        came, seen = self.weight[:, own] * self.came[:, own], self.weight[:, own] * self.seen[:, own]
        at_stake = (money * left) @ seen
        pace = np.divide(money @ came, at_stake, out=np.zeros(at_stake.size), where=at_stake > 0)
        whole = pace.sum()
        pace = pace / whole if whole > 0 else np.full(pace.size, 1 / pace.size)
        counts = np.ones(came.shape) if looks is None else looks[:, own]
        return before, left * ((seen * counts) @ pace), np.where(there, (came * counts).sum(axis=1), 0.0)

    def against(self, share: np.ndarray, place: int, money: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(expected, came): money through the horizon at `place` of what was seen of it. share: [rows, horizons]."""
        last = PLACES[HORIZONS[place]] + 1
        ends = np.array([0, *HORIZONS[: share.shape[1]]])
        through = np.concatenate([np.zeros((len(share), 1)), share], axis=1)
        told = np.column_stack([np.zeros(len(share)), *(until(ends, through, day)[1][:, -1] for day in LOOKS[:last])])
        counted = self.weight[:, :last]
        expected = (counted * self.seen[:, :last] * np.diff(told, axis=1)).sum(axis=1)
        return money * expected, money * (counted * self.came[:, :last]).sum(axis=1)


def until(ends: np.ndarray, share: np.ndarray, days: float) -> tuple[np.ndarray, np.ndarray]:
    """(ends, shares) through a day: between two horizons what is left falls at an even pace. share: [rows, ends]."""
    last = int(np.searchsorted(ends, days))
    if ends[last] == days:
        return ends[: last + 1], share[:, : last + 1]
    part = (days - ends[last - 1]) / (ends[last] - ends[last - 1])
    left = (1 - share[:, last - 1]) ** (1 - part) * (1 - share[:, last]) ** part
    return np.append(ends[:last], days), np.column_stack([share[:, :last], 1 - left])


def ratio_by_debtor(
    debtors: pd.Series, rows: np.ndarray, expected: np.ndarray, came: np.ndarray
) -> tuple[float, float]:
    """(came ÷ expected, its standard error by debtor); 1 and infinity where nothing is expected."""
    whole = expected[rows].sum()
    if whole <= 0:
        return 1.0, np.inf
    ratio = came[rows].sum() / whole
    apart = np.bincount(pd.factorize(debtors[rows])[0], weights=(came - ratio * expected)[rows])
    return float(ratio), float(np.sqrt((apart**2).sum()) / whole)


# ---- vintages --------------------------------------------------------------------------------------------------------

VINTAGE_COLUMNS = (
    "seen",
    "vintage",
    "book",
    "horizon",
    "accounts",
    "debtors",
    "balance",
    "came",
    "came_low",
    "came_high",
    "foretold",
    "low",
    "high",
    "within",
)


def vintages(
    cohort: pd.DataFrame,
    share: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    followed: Followed,
    unit: np.ndarray,
    seen: str,
) -> pd.DataFrame:
    """VINTAGE_COLUMNS: per quarter of nights and book (ALL: all of them) and horizon reached, what came ÷ balance, and
    what was foretold.

    share, low, high: [rows, horizons], foretold by what had not seen the vintage; unit: reporting units per minor unit;
    seen: in which way it had not. A vintage counts once each of its nights has lived through the horizon; those that
    stayed stand for those that left. came_low, came_high: 95 % by debtor. low, high of a vintage: between what it is
    foretold to bring, its own debtors' chances included; within: it came between them.
    """
    quarter = cohort["as_of"].map({int(night): _quarter(int(night)) for night in cohort["as_of"].unique()}).to_numpy()
    books, debtors = cohort["portfolio"].astype("str").to_numpy(), cohort["debtor_id"]
    owed = cohort["balance"].to_numpy(np.float64)
    lived, balance = followed.lived(np.maximum(owed, 1.0), cohort["portfolio"]), owed * unit
    found = []
    for place in range(share.shape[1]):
        look = PLACES[HORIZONS[place]]
        ended = ~np.isnan(followed.came[:, look])
        over = cohort["as_of"].isin(cohort["as_of"][ended].unique()).groupby(quarter).transform("all").to_numpy()
        known = over & (ended | followed.left[:, look])
        expected, real = lived.against(share, place, balance)
        ratio_of = np.divide(expected, balance * share[:, place], out=np.zeros(len(owed)), where=expected > 0)
        least_of, most_of = (balance * ratio_of * end[:, place] for end in (low, high))
        for vintage in np.unique(quarter[known]):
            for book in (ALL, *np.unique(books[known])):
                rows = known & (quarter == vintage) & ((books == book) | (book == ALL))
                whole, foretold = balance[rows].sum(), expected[rows].sum()
                if whole <= 0 or foretold <= 0:
                    continue
                ratio, error = ratio_by_debtor(debtors, rows, balance, real)
                _, chance = ratio_by_debtor(debtors, rows, expected, real)
                own = WIDE * chance * foretold
                least = foretold - float(np.hypot(foretold - least_of[rows].sum(), own))
                most = foretold + float(np.hypot(most_of[rows].sum() - foretold, own))
                found.append(
                    {
                        "seen": seen,
                        "vintage": str(vintage),
                        "book": str(book),
                        "horizon": HORIZONS[place],
                        "accounts": int(cohort["account_no"][rows].nunique()),
                        "debtors": int(debtors[rows].nunique()),
                        "balance": float(whole),
                        "came": ratio,
                        "came_low": max(ratio - WIDE * error, 0.0),
                        "came_high": ratio + WIDE * error,
                        "foretold": foretold / whole,
                        "low": max(least, 0.0) / whole,
                        "high": most / whole,
                        "within": bool(least <= real[rows].sum() <= most),
                    }
                )
    return pd.DataFrame(found, columns=list(VINTAGE_COLUMNS))


def _quarter(night: int) -> str:
    day = date_of(night)
    return f"{day.year}-Q{(day.month + 2) // 3}"
