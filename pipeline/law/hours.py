"""Clocks and spans of time: wall-clock minutes to UTC and back, to the safe side where clocks skip or repeat;
spans cut and intersected.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from features.days import DAY_MINUTES, date_of, day_number

MINUTE_US = 60_000_000

Spans = tuple[tuple[int, int], ...]  # [from, until) in UTC microseconds, ascending and apart


def instant(day: int, minute: int, zone: str, late: bool) -> int:
    """UTC microseconds of a wall-clock minute; of one that the clocks skip or repeat,
    the later (late) or the earlier of its readings.
    """
    local = dt.datetime.combine(
        date_of(day + minute // DAY_MINUTES), dt.time(minute % DAY_MINUTES // 60, minute % 60), ZoneInfo(zone)
    )
    readings = (int(local.timestamp()), int(local.replace(fold=1).timestamp()))
    return (max(readings) if late else min(readings)) * 1_000_000


def minute_on_clock(at: int, zone: str, day: int) -> int:
    """The wall-clock minute at which an instant falls on that local day; 1440 for the midnight that ends it."""
    local = dt.datetime.fromtimestamp(at // 1_000_000, ZoneInfo(zone))
    minute = local.hour * 60 + local.minute
    return DAY_MINUTES if minute == 0 and local.date() > date_of(day) else minute


def day_on_clock(at: int, zone: str) -> int:
    return day_number(dt.datetime.fromtimestamp(at // 1_000_000, ZoneInfo(zone)).date())


def greatest_offset(zone: str, first_day: int, last_day: int) -> int:
    """The largest distance of a zone's clock from UTC between two days, in microseconds:
    gives an instant its latest local day.
    """
    days = {*range(first_day, last_day, 7), last_day}
    return (
        max(
            # pyrefly: ignore[missing-attribute]
            int(dt.datetime.combine(date_of(day), dt.time(), ZoneInfo(zone)).utcoffset().total_seconds())
            for day in days
        )
        * 1_000_000
    )


def intersected(left: Sequence[tuple[int, int]], right: Sequence[tuple[int, int]]) -> Spans:
    both = ((max(a, c), min(b, d)) for a, b in left for c, d in right)
    return tuple(sorted((first, last) for first, last in both if first < last))


def without(spans: Sequence[tuple[int, int]], hole: tuple[int, int]) -> Spans:
    parts = [part for first, last in spans for part in ((first, min(last, hole[0])), (max(first, hole[1]), last))]
    return tuple((first, last) for first, last in parts if first < last)


def longest(spans: Spans) -> tuple[int, int]:
    """The span a list prints where a day has several; ties go to the earlier."""
    return max(spans, key=lambda span: (span[1] - span[0], -span[0]))
