"""Which statuses stand, or begin: versions by known_at, days by from_on and until_on. Features,
the law and reports all ask here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from features.compiled import compiled
from features.tables import NO_DAY
from features.versions import arranged, column, key_of, spans, still, superseded_on


def lasts(until_on, day):
    """Whether a status has not ended before the day; an end on it or later reads as empty. Numbers or arrays."""
    return (until_on == NO_DAY) | (until_on >= day)


class StatusLog:
    """The statuses of the accounts of some rows; nothing is in force for anybody where statuses are not delivered."""

    def __init__(self, tables: Mapping[str, pd.DataFrame], account_no: np.ndarray):
        self.rows = len(account_no)
        self.delivered = "statuses" in tables
        if not self.delivered:
            return
        frame = arranged(tables["statuses"], "statuses")
        first, last = spans(frame["account_no"].to_numpy(), np.asarray(account_no, np.int64))
        self._spans = still(first, np.int64), still(last, np.int64)
        self._days = tuple(column(frame, name, np.int32, "statuses") for name in ("from_on", "until_on", "known_on"))
        self._superseded_on = still(superseded_on(frame, key_of(frame, "statuses"), "statuses"), np.int32)
        self._status = frame["status"]
        self._detail = frame.get("detail")

    def in_force(self, as_of: np.ndarray, statuses: Iterable[str]) -> np.ndarray:
        """bool per row: whether any of the statuses stood on the night, as it was known before it.

        A status stands if it began on or before as_of and has not ended before it: see `lasts`.
        """
        return self.between(as_of, as_of, as_of, statuses)

    def between(
        self,
        first: np.ndarray,
        last: np.ndarray,
        known_before: np.ndarray,
        statuses: Iterable[str],
        begins: bool = False,
        detail: str | None = None,
    ) -> np.ndarray:
        """bool per row: whether any of the statuses stood on a day of [first, last],
        as it was known before `known_before`.

        begins  count only a status that begins in [first, last]
        detail  count only rows with this detail
        """
        if not self.delivered or not self.rows:
            return np.zeros(self.rows, bool)
        wanted = self._status.isin(list(statuses)).to_numpy()
        if detail is not None:
            wanted = wanted & (self._detail.isin([detail]).to_numpy() if self._detail is not None else False)
        days = (still(day, np.int32) for day in (first, last, known_before))
        return _any(*self._spans, *days, *self._days, self._superseded_on, still(wanted, np.bool_), begins)


_lasts = compiled(lasts)


@compiled
def _any(low, high, first, last, known_before, from_on, until_on, known_on, superseded, wanted, begins):
    found = np.zeros(first.size, np.bool_)
    for row in range(first.size):
        for status in range(low[row], high[row]):
            if (
                not wanted[status]
                or not known_on[status] < known_before[row] <= superseded[status]
                or from_on[status] > last[row]
            ):
                continue
            if from_on[status] >= first[row] if begins else _lasts(until_on[status], first[row]):
                found[row] = True
                break
    return found
