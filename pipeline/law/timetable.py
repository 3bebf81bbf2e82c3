"""When a channel is open on a day: windows of all rules, in every plausible zone and the zone a law names,
intersected.
"""

from __future__ import annotations

from typing import Any

from features.days import DAY_MINUTES, date_of
from features.tables import NO_TIME
from pipeline.law.causes import NO_COMMON_HOURS, Cause
from pipeline.law.hours import MINUTE_US, Spans, instant, intersected
from pipeline.law.rules import Hours, Rules
from pipeline.law.scenes import Scene

LOOK_AHEAD_DAYS = (
    45  # the longest closed stretch that is searched; a channel closed for longer has no first moment to name
)


class Timetable:
    """Answers, remembered, of when a scene leaves a channel open.
    margin_minutes end each window of a rule that much sooner.
    """

    def __init__(self, rules: Rules, margin_minutes: int):
        self.rules, self.margin = rules, margin_minutes
        self._open: dict[tuple[Any, ...], Spans] = {}
        self._of_rule: dict[tuple[Any, ...], Spans] = {}

    def spans(self, scene: Scene, channel: str, day: int) -> Spans:
        """Spans of a day on the clock of the scene's own zone in which every rule of that day is open."""
        return self.under(scene.binding.hours(channel, day), scene, day)

    def under(self, hours: tuple[Hours, ...], scene: Scene, day: int) -> Spans:
        """The same under the given rules: each is read in every plausible zone and in the zone it names.
        Under none the whole day.
        """
        key = (tuple(rule.id for rule in hours), scene.binding.lists, scene.zones, day)
        if key not in self._open:
            self._open[key] = self._under(hours, scene, day)
        return self._open[key]

    def first_open(self, scene: Scene, channel: str, day: int, at: int = NO_TIME) -> int:
        """First open instant from a day, and from `at`, on; NO_TIME where LOOK_AHEAD_DAYS hold none.
        Rules of each day decide that day.
        """
        for ahead in range(day, day + LOOK_AHEAD_DAYS):
            for first, last in self.spans(scene, channel, ahead):
                if last > at:
                    return max(first, at)
        return NO_TIME

    def closed_by(self, scene: Scene, channel: str, day: int) -> Cause:
        """Why a day without any span is shut: the first rule that leaves nothing of it open by itself, or the holidays
        that are not known; else only what the rules have in common is empty.
        """
        for rule in scene.binding.hours(channel, day):
            if not self.under((rule,), scene, day):
                return self.why(rule, scene, day)
        return NO_COMMON_HOURS

    def why(self, rule: Hours, scene: Scene, day: int) -> Cause:
        """What a rule that shuts a day is told as."""
        for name in self._lists(rule, scene.binding.lists):
            if not self.rules.holidays[name].knows(date_of(day)):
                return Cause.holidays_unknown(name, self.rules.holidays[name].known_through)
        return Cause.of(rule)

    def _under(self, hours: tuple[Hours, ...], scene: Scene, day: int) -> Spans:
        own = scene.zones[0]
        spans: Spans = ((instant(day, 0, own, late=False), instant(day + 1, 0, own, late=False)),)
        for rule in hours:
            for zone in dict.fromkeys((*scene.zones, *(() if rule.clock == "debtor" else (rule.clock,)))):
                around = [
                    span
                    for near in (day - 1, day, day + 1)
                    for span in self._rule_spans(rule, scene.binding.lists, zone, near)
                ]
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
        lists = [self.rules.holidays[name] for name in self._lists(rule, place_lists)]
        if any(known.holds(date) or not known.knows(date) for known in lists):
            return ()
        spans = []
        for first, last in rule.windows[date.weekday()]:
            begins, ends = instant(day, first, zone, late=True), instant(day, last, zone, late=False)
            ends -= self.margin * MINUTE_US if last < DAY_MINUTES else 0
            if begins < ends:
                spans.append((begins, ends))
        return tuple(spans)

    @staticmethod
    def _lists(rule: Hours, place_lists: tuple[str, ...]) -> tuple[str, ...]:
        if isinstance(rule.holidays, str):
            return place_lists if rule.holidays == "place" else ()
        return rule.holidays
