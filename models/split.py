"""Fit and test nights by time, with a gap in which no label of the fit window was known yet;
folds by debtor inside the fit window.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from features.days import day_text
from features.errors import InputMissing

FIT, GAP, TEST, OUTSIDE = "fit", "gap", "test", "outside"


class SplitTerms(Protocol):
    @property
    def test_days(self) -> int: ...

    @property
    def backtest_folds(self) -> int: ...


class GapTerms(Protocol):
    @property
    def gap_days(self) -> int: ...


@dataclass(frozen=True)
class TimeSplit:
    """Rows by the night they belong to.

    part       Series over the rows: fit, gap, test, or outside (nights not used by this split)
    gap_days   whole days from the last fit night to the first test night are at least this many: D + gap <= first test
               night
    """

    part: pd.Series
    gap_days: int
    fit_first: int
    fit_last: int
    test_first: int
    test_last: int

    @property
    def fit(self) -> np.ndarray:
        return (self.part == FIT).to_numpy()

    @property
    def test(self) -> np.ndarray:
        return (self.part == TEST).to_numpy()

    def unseen(self, debtors: pd.Series) -> np.ndarray:
        """Test rows whose debtor has no row in the fit window."""
        return self.test & ~debtors.isin(debtors[self.fit].unique()).to_numpy()

    def dates(self) -> dict[str, str | int]:
        ends = {name: day_text(getattr(self, name)) for name in ("fit_first", "fit_last", "test_first", "test_last")}
        return {**ends, "gap_days": self.gap_days}


def split_by_time(
    cohort: pd.DataFrame,
    split: SplitTerms,
    label: GapTerms,
    labelled: np.ndarray | None = None,
    *,
    gap_days: int | None = None,
) -> TimeSplit:
    """The headline split: test = the last `split.test_days` of nights,
    fit = the nights whose labels were known by the first test night.

    cohort: as_of (int days), one row per account and night. labelled: rows whose label is known; other rows take no
    part ("outside"). gap_days: another gap than that of recovery, for the default head. Debtors may be in both windows,
    as they are for the night that scores them; `TimeSplit.unseen` marks those who are not. Raises InputMissing, naming
    the dates, when no fit night lies far enough before the test window.
    """
    nights = _nights(cohort, labelled)
    last = int(nights[-1]) if len(nights) else 0
    return _window(cohort["as_of"], labelled, nights, last - split.test_days + 1, last, gap_days or label.gap_days)


def rolling_origin(
    cohort: pd.DataFrame, split: SplitTerms, label: GapTerms, labelled: np.ndarray | None = None
) -> list[TimeSplit]:
    """Earlier cut-offs, newest first: windows of `split.test_days` before the headline's, with the same gap,
    as far as history reaches.
    """
    nights = _nights(cohort, labelled)
    folds: list[TimeSplit] = []
    for step in range(1, split.backtest_folds + 1):
        last = int(nights[-1]) - step * split.test_days
        first = last - split.test_days + 1
        inside = nights[(nights >= first) & (nights <= last)]
        if not len(inside) or not ((nights + label.gap_days <= inside[0]) & (nights < inside[0])).any():
            break
        folds.append(_window(cohort["as_of"], labelled, nights, first, last, label.gap_days))
    return folds


def debtor_folds(debtors: Sequence[str] | pd.Series, folds: int, seed: int) -> np.ndarray:
    """Fold 0..folds-1 of each row by a seeded hash of its debtor: all rows of a debtor share one,
    whatever the order of rows.
    """
    codes, names = pd.factorize(pd.Series(debtors, dtype="str"), sort=False)
    drawn = [
        int.from_bytes(hashlib.blake2b(f"{seed}|{name}".encode(), digest_size=8).digest(), "big") % folds
        for name in names
    ]
    return np.array(drawn, dtype=np.int64)[codes] if len(codes) else np.zeros(0, dtype=np.int64)


def later_part(
    as_of: np.ndarray, gap_days: int, events: np.ndarray, share: float = 0.2
) -> tuple[np.ndarray, np.ndarray]:
    """(early, later) rows inside a fit window: the newest nights holding at least `share` of the events,
    and those a gap before them.

    Empty `early` where the window is too short for that.
    """
    nights, codes = np.unique(as_of, return_inverse=True)
    counted = np.bincount(codes, weights=events, minlength=len(nights))
    from_end = np.cumsum(counted[::-1])[::-1]
    enough = np.flatnonzero(from_end >= share * max(counted.sum(), 1.0))
    first_later = nights[enough[-1]] if len(enough) else nights[-1]
    later = as_of >= first_later
    return (as_of + gap_days <= first_later) & ~later, later


def _nights(cohort: pd.DataFrame, labelled: np.ndarray | None) -> np.ndarray:
    as_of = cohort["as_of"].to_numpy()
    return np.unique(as_of if labelled is None else as_of[labelled]).astype(np.int64)


def _window(
    as_of: pd.Series, labelled: np.ndarray | None, nights: np.ndarray, first: int, last: int, gap_days: int
) -> TimeSplit:
    inside = nights[(nights >= first) & (nights <= last)]
    fitting = nights[(nights + gap_days <= inside[0]) & (nights < inside[0])] if len(inside) else inside
    if not len(fitting):
        raise InputMissing(_too_short(nights, first, last, gap_days))
    day = as_of.to_numpy()
    part = np.full(len(day), OUTSIDE, dtype=object)
    part[(day > fitting[-1]) & (day < inside[0])] = GAP
    part[day <= fitting[-1]] = FIT
    part[(day >= inside[0]) & (day <= last)] = TEST
    if labelled is not None:
        part[~labelled] = OUTSIDE
    ends = (int(fitting[0]), int(fitting[-1]), int(inside[0]), int(inside[-1]))
    return TimeSplit(pd.Series(part, index=as_of.index, name="split", dtype="str"), gap_days, *ends)


def _too_short(nights: np.ndarray, first: int, last: int, gap_days: int) -> str:
    if not len(nights):
        return "No night has a mature label, so nothing can be taught or judged. Deliver payments over a longer time."
    return (
        f"History is too short: nights with mature labels run from {day_text(nights[0])} through "
        f"{day_text(nights[-1])}, "
        f"the test window is {day_text(max(first, nights[0]))} to {day_text(last)}, "
        f"and a night to fit on must lie {gap_days} days before it. "
        "Deliver more history, or shorten split.test_days, label.horizon_days or label.maturity_days."
    )
