"""The day: every table, event and night counts days from one epoch. Numbers, dates, text and instants are turned into
one another here.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

EPOCH = dt.date(1970, 1, 1)  # day 0, a Thursday; also numpy's, Arrow's and DuckDB's
DAY_MINUTES = 1_440
DAY_SECONDS = 86_400
DAY_US = DAY_SECONDS * 1_000_000  # an instant counts microseconds from the epoch's midnight in UTC


def day_number(date: dt.date) -> int:
    return (date - EPOCH).days


def date_of(day: int) -> dt.date:
    """The date of one day number; OverflowError on an empty one (NO_DAY)."""
    return EPOCH + dt.timedelta(days=int(day))


def day_text(day: int) -> str:
    """One day number as YYYY-MM-DD."""
    return date_of(day).isoformat()


def day_of_text(text: str) -> int:
    """The day number of YYYY-MM-DD; ValueError on anything else."""
    return day_number(dt.date.fromisoformat(text))


def instant_of(microseconds: int) -> dt.datetime:
    """The time in UTC of one instant."""
    return dt.datetime.combine(EPOCH, dt.time(), dt.UTC) + dt.timedelta(microseconds=int(microseconds))


def first_of_month(day: int, after: int = 0) -> int:
    """The first day of the month of a day, or of the month so many months after (negative: before) it."""
    month = np.datetime64(int(day), "D").astype("datetime64[M]") + after
    return int(month.astype("datetime64[D]").astype(np.int64))


def dates(days: ArrayLike) -> np.ndarray:
    """Day numbers as datetime64[s], which pandas prints and plots."""
    return np.asarray(days).astype("datetime64[D]").astype("datetime64[s]")


def day_texts(days: ArrayLike) -> np.ndarray:
    """Day numbers as an array of YYYY-MM-DD."""
    return np.asarray(days).astype("datetime64[D]").astype(str)


def month_texts(days: ArrayLike) -> np.ndarray:
    """Day numbers as an array of YYYY-MM."""
    return np.asarray(days).astype("datetime64[D]").astype("datetime64[M]").astype(str)


def weekdays(days: np.ndarray) -> np.ndarray:
    """0 Monday to 6 Sunday."""
    return (days + 3) % 7


def days_of_month(days: np.ndarray) -> np.ndarray:
    """int64: 1 on the first day of a month."""
    dates = days.astype("datetime64[D]")
    return (dates - dates.astype("datetime64[M]")).astype(np.int64) + 1


def months_of_year(days: np.ndarray) -> np.ndarray:
    """int64: 1 in January."""
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1


def days_left_in_month(days: np.ndarray) -> np.ndarray:
    """int64: 0 on the last day of a month."""
    dates = days.astype("datetime64[D]")
    return ((dates.astype("datetime64[M]") + 1).astype("datetime64[D]") - dates).astype(np.int64) - 1


def firsts_of_month(days: np.ndarray, after: int = 0) -> np.ndarray:
    """int64: the first day of the month of each day, or of the month so many months after (negative: before) it."""
    return (days.astype("datetime64[D]").astype("datetime64[M]") + after).astype("datetime64[D]").astype(np.int64)
