"""When a channel is open: windows of all rules, in every plausible zone and the zone a law names, intersected; in UTC and on a clock."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

from features.days import date_of, day_number
from features.tables import NO_TIME
from pipeline.law.rules import DAY_MINUTES, Hours, Rules

MINUTE_US = 60_000_000
DAY_US = 86_400_000_000
LOOK_AHEAD_DAYS = 45  # the longest closed stretch that is searched; a channel closed for longer has no first moment to name

Spans = tuple[tuple[int, int], ...]  # [from, until) in UTC microseconds, ascending and apart


def instant(day: int, minute: int, zone: str, late: bool) -> int:
    """UTC microseconds of a wall-clock minute; of one that the clocks skip or repeat, the later (late) or the earlier of its readings."""
    local = dt.datetime.combine(date_of(day + minute // DAY_MINUTES), dt.time(minute % DAY_MINUTES // 60, minute % 60), ZoneInfo(zone))
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
    """The largest distance of a zone's clock from UTC between two days, in microseconds: gives an instant its latest local day."""
    days = {*range(first_day, last_day, 7), last_day}
    return max(int(dt.datetime.combine(date_of(day), dt.time(), ZoneInfo(zone)).utcoffset().total_seconds()) for day in days) * 1_000_000


class Openings:
    """Answers, remembered, of when a set of rules leaves a channel open. margin_minutes end each window of a rule that much sooner."""

    def __init__(self, rules: Rules, margin_minutes: int):
        self.rules, self.margin = rules, margin_minutes
        self._opened: dict[tuple, Spans] = {}
        self._of_rule: dict[tuple, Spans] = {}

    def open_on(self, hours: tuple[Hours, ...], place_lists: tuple[str, ...], zones: tuple[str, ...], day: int) -> Spans:
        """Spans of a day on the clock of zones[0] in which every rule is open, read in each plausible zone and in the zone it names."""
        key = (tuple(rule.id for rule in hours), place_lists, zones, day)
        if key not in self._opened:
            self._opened[key] = self._open_on(hours, place_lists, zones, day)
        return self._opened[key]

    def first_open(
        self, hours_on: Callable[[int], tuple[Hours, ...]], place_lists: tuple[str, ...], zones: tuple[str, ...], day: int, at: int
    ) -> int:
        """First open instant from a day, and from `at`, on; NO_TIME where LOOK_AHEAD_DAYS hold none. Rules of each day decide that day."""
        for ahead in range(day, day + LOOK_AHEAD_DAYS):
            for first, last in self.open_on(hours_on(ahead), place_lists, zones, ahead):
                if last > at:
                    return max(first, at)
        return NO_TIME

    def _open_on(self, hours: tuple[Hours, ...], place_lists: tuple[str, ...], zones: tuple[str, ...], day: int) -> Spans:
        spans: Spans = ((instant(day, 0, zones[0], late=False), instant(day + 1, 0, zones[0], late=False)),)
        for rule in hours:
            for zone in dict.fromkeys((*zones, *(() if rule.clock == "debtor" else (rule.clock,)))):
                around = [span for near in (day - 1, day, day + 1) for span in self._rule_spans(rule, place_lists, zone, near)]
                spans = intersected(spans, around)
        return spans

    def _rule_spans(self, rule: Hours, place_lists: tuple[str, ...], zone: str, day: int) -> Spans:
        key = (rule.id, place_lists, zone, day)
        if key not in self._of_rule:
            self._of_rule[key] = self._spans_of_rule(rule, place_lists, zone, day)
        return self._of_rule[key]

    def _spans_of_rule(self, rule: Hours, place_lists: tuple[str, ...], zone: str, day: int) -> Spans:
        date = date_of(day)
        if rule.holidays == "unknown":
            return ()
        names = {"allowed": (), "place": place_lists}.get(rule.holidays, rule.holidays) if isinstance(rule.holidays, str) else rule.holidays
        if any(self.rules.holidays[name].holds(date) for name in names):
            return ()
        spans = []
        for first, last in rule.windows[date.weekday()]:
            begins, ends = instant(day, first, zone, late=True), instant(day, last, zone, late=False)
            ends -= self.margin * MINUTE_US if last < DAY_MINUTES else 0
            if begins < ends:
                spans.append((begins, ends))
        return tuple(spans)

    def closed_by(self, hours: Sequence[Hours], place_lists: tuple[str, ...], zones: tuple[str, ...], day: int) -> Hours | None:
        """The first rule that leaves nothing of the day open by itself; None where only their intersection is empty."""
        return next((rule for rule in hours if not self.open_on((rule,), place_lists, zones, day)), None)


def intersected(left: Sequence[tuple[int, int]], right: Sequence[tuple[int, int]]) -> Spans:
    both = ((max(a, c), min(b, d)) for a, b in left for c, d in right)
    return tuple(sorted((first, last) for first, last in both if first < last))


def without(spans: Sequence[tuple[int, int]], hole: tuple[int, int]) -> Spans:
    parts = [part for first, last in spans for part in ((first, min(last, hole[0])), (max(first, hole[1]), last))]
    return tuple((first, last) for first, last in parts if first < last)


def longest(spans: Spans) -> tuple[int, int]:
    """The span a list prints where a day has several; ties go to the earlier."""
    return max(spans, key=lambda span: (span[1] - span[0], -span[0]))
