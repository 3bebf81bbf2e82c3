"""Days on which a promise can be kept: a promise for a day on which the banks are closed is due on the next open one,
and its days of grace are bank days.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from features.tables import NO_DAY
from features.terms import DAYS

WEEK = "1111100"  # Monday to Friday, where no holiday is known


def days_to_keep(
    due_on: np.ndarray,
    grace_days: int,
    grace_unit: str,
    holidays: Mapping[str, Sequence[int]],
    places: pd.Series | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """int32 per promise: the day it is due, and the last day that keeps it; NO_DAY where it names none.

    holidays  place -> day numbers on which its banks are closed besides Saturdays and Sundays
    places    of each promise's debtor; None where they are not known
    """
    due_on = np.asarray(due_on, np.int32)
    if grace_unit == DAYS:
        return due_on, np.where(due_on == NO_DAY, NO_DAY, due_on + np.int32(grace_days)).astype(np.int32)
    due, until = due_on.copy(), due_on.copy()
    codes, names = (np.zeros(due_on.size, np.int64), [None]) if places is None else pd.factorize(places)
    for code in np.unique(codes):
        rows = np.flatnonzero((codes == code) & (due_on != NO_DAY))
        closed = holidays.get(str(names[code]), ()) if code >= 0 and names[code] is not None else ()
        calendar = np.busdaycalendar(WEEK, np.asarray(closed, np.int64).astype("datetime64[D]"))
        days = due_on[rows].astype(np.int64).astype("datetime64[D]")
        for held, steps in ((due, 0), (until, grace_days)):
            held[rows] = np.busday_offset(days, steps, roll="forward", busdaycal=calendar).astype(np.int64)
    return due, until


def may_last(due_on: np.ndarray, grace_days: int) -> np.ndarray:
    """int64: a day that no promise due on these days outlives, whatever the unit and the holidays."""
    return np.where(due_on == NO_DAY, NO_DAY, due_on.astype(np.int64) + 2 * grace_days + 31)
