"""Time zones as tables: the offset of each local and each UTC day, so that any engine converts times by one join."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from features.days import DAY_US

SECOND = 1_000_000
FIRST_DAY, LAST_DAY = 0, 47_846  # 1970-01-01 to 2100-12-31; an instant outside takes the offset of the nearer end


def offsets(zones: list[str]) -> pa.Table:
    """Offsets from UTC by day, for `zone_no` = position in zones.

    Columns, all int64 microseconds but the first two: zone_no, day, utc_before, utc_change, utc_after, local_before,
    local_change, local_after. An instant of the UTC day has offset utc_before until utc_change, then utc_after. A local
    time of the local day has local_before until local_change, then local_after. A local time that occurs twice is the
    first; one that never occurs keeps the offset from before the gap (PEP 495, fold=0).
    """
    return pa.concat_tables(
        [_of_zone(number, name) for number, name in enumerate(zones)] or [_of_zone(0, "UTC").slice(0, 0)]
    )


@lru_cache(maxsize=64)
def _of_zone(number: int, name: str) -> pa.Table:
    days = np.arange(FIRST_DAY, LAST_DAY + 1, dtype=np.int64)
    changes = _changes(name)
    columns = {"zone_no": np.full(len(days), number, dtype=np.int32), "day": days}
    for clock in ("utc", "local"):
        # A local time is past the change once it is past both the clock before and the clock after it.
        moments = np.array(
            [when + (max(old, new) if clock == "local" else 0) for when, old, new in changes], dtype=np.int64
        )
        news = np.array([new for _, _, new in changes], dtype=np.int64)
        first = changes[0][1] if changes else _offset(ZoneInfo(name), FIRST_DAY * DAY_US)
        standing = np.concatenate([[first], news])
        begun, ended = (
            np.searchsorted(moments, days * DAY_US, side="left"),
            np.searchsorted(moments, (days + 1) * DAY_US, side="left"),
        )
        columns[f"{clock}_before"] = standing[begun]
        columns[f"{clock}_change"] = np.where(ended > begun, np.append(moments, 0)[begun], np.int64(2**62))
        columns[f"{clock}_after"] = standing[ended]
    return pa.table(columns)


def _changes(name: str) -> list[tuple[int, int, int]]:
    """(instant, offset before, offset after) of every change of the zone's clock, all in microseconds."""
    zone, found = ZoneInfo(name), []
    before = _offset(zone, FIRST_DAY * DAY_US)
    for day in range(FIRST_DAY, LAST_DAY + 1):
        after = _offset(zone, (day + 1) * DAY_US)
        if after != before:
            low, high = day * DAY_US, (day + 1) * DAY_US
            while high - low > SECOND:
                middle = (low + high) // 2 // SECOND * SECOND
                low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
            found.append((high, before, after))
            before = after
    return found


def _offset(zone: ZoneInfo, instant: int) -> int:
    since = dt.datetime.fromtimestamp(instant // SECOND, zone).utcoffset()
    # pyrefly: ignore[missing-attribute]
    return int(since.total_seconds()) * SECOND
