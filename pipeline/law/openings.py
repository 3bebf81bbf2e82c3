"""When a channel is open today: the day of each scene, less what a debtor named as inconvenient,
or the minute that was agreed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.tables import NO_TIME
from pipeline.law.causes import OUTSIDE_HOURS, UNWELCOME_HOURS, Causes
from pipeline.law.defers import APPOINTMENT_MINUTES, Appointments
from pipeline.law.holds import unwelcome_hours
from pipeline.law.hours import MINUTE_US, Spans, instant, intersected, longest, minute_on_clock, without
from pipeline.law.question import Question, Settled
from pipeline.law.record import Record
from pipeline.law.rules import Stop
from pipeline.law.scenes import Placed, Scene
from pipeline.law.stops import inconvenienced
from pipeline.law.timetable import Timetable

OwnSpans = tuple[dict[int, Spans], ...]  # per channel, the accounts whose day differs from that of their scene


@dataclass(frozen=True)
class Openings(Settled):
    """Channel x account unless it says otherwise.

    from_minute, until_minute  int32: the longest span of the day on the debtor's clock, half-open; -1 where the channel
                               is shut
    shut            int32: number of the cause for which the channel is not open today; 0 where it is
    own             per channel, the spans of the accounts whose day differs from that of their scene
    appointment_at  int64 per account: the moment at which an appointment of today can be kept; NO_TIME where there is
                    none
    timetable       the days of the scenes, any day
    """

    from_minute: np.ndarray
    until_minute: np.ndarray
    shut: np.ndarray
    own: OwnSpans
    appointment_at: np.ndarray
    timetable: Timetable


def openings_of(
    asked: Question, placed: Placed, record: Record, appointments: Appointments, causes: Causes
) -> Openings:
    timetable = Timetable(asked.rules, asked.params.eligibility.margin_minutes)
    own = list(_without_unwelcome_hours(asked, placed, record, timetable))
    missed: set[int] = set()
    appointment_at = asked.per_account(NO_TIME, np.int64)
    if "call" in asked.channels:
        call = asked.channels.index("call")
        kept = _agreed_minutes(asked, placed, appointments, own[call], timetable)
        missed = {row for row, spans in kept.items() if not spans}
        own[call] = own[call] | kept
        for row in appointments.today:
            spans = own[call].get(row, timetable.spans(placed.scene_of(row), "call", asked.day))
            appointment_at[row] = spans[0][0] if spans else NO_TIME
    from_minute, until_minute = asked.per_channel(-1, np.int32), asked.per_channel(-1, np.int32)
    shut = asked.per_channel(0, np.int32)
    for number, channel in enumerate(asked.channels):
        minutes, closed = _of_scenes(channel, asked, placed, timetable, causes)
        from_minute[number], until_minute[number] = minutes[placed.scene].T
        shut[number] = closed[placed.scene]
        for row, spans in own[number].items():
            from_minute[number, row], until_minute[number, row] = _minutes(spans, placed.scene_of(row), asked.day)
            if not spans:
                cause = OUTSIDE_HOURS if channel == "call" and row in missed else UNWELCOME_HOURS
                causes.name(shut[number], np.array([row]), cause)
    return Openings(from_minute, until_minute, shut, tuple(own), appointment_at, timetable)


def _of_scenes(
    channel: str, asked: Question, placed: Placed, timetable: Timetable, causes: Causes
) -> tuple[np.ndarray, np.ndarray]:
    """(minutes from and until, cause that shuts the channel or 0) per scene;
    the last row is for accounts that are nowhere.
    """
    minutes, closed = np.full((len(placed.scenes) + 1, 2), -1, np.int32), np.zeros(len(placed.scenes) + 1, np.int32)
    for place, scene in enumerate(placed.scenes):
        spans = timetable.spans(scene, channel, asked.day)
        minutes[place] = _minutes(spans, scene, asked.day)
        if not spans:
            closed[place] = causes.code(timetable.closed_by(scene, channel, asked.day))
    return minutes, closed


def _minutes(spans: Spans, scene: Scene, day: int) -> tuple[int, int]:
    """The longest of the spans in minutes on the clock of the scene's own zone; -1 where there is none."""
    if not spans:
        return -1, -1
    first, last = longest(spans)
    return minute_on_clock(first, scene.zones[0], day), minute_on_clock(last, scene.zones[0], day)


def _agreed_minutes(
    asked: Question, placed: Placed, appointments: Appointments, own: dict[int, Spans], timetable: Timetable
) -> dict[int, Spans]:
    """The quarter of an hour from the agreed minute on, for accounts to be called at one;
    nothing where calls are not open at it.
    """
    kept: dict[int, Spans] = {}
    for row, callback in appointments.today.items():
        if callback.minute is not None:
            scene = placed.scene_of(row)
            at = instant(asked.day, callback.minute, scene.zones[0], late=True)
            spans = own.get(row, timetable.spans(scene, "call", asked.day))
            spans = intersected(spans, [(at, at + APPOINTMENT_MINUTES * MINUTE_US)])
            kept[row] = spans if spans and spans[0][0] == at else ()
    return kept


def _without_unwelcome_hours(asked: Question, placed: Placed, record: Record, timetable: Timetable) -> OwnSpans:
    """Hours named as inconvenient are cut out of the day in every plausible zone;
    what names no hours stops contact elsewhere.
    """
    own: OwnSpans = tuple({} for _ in asked.channels)
    for rule, number, rows in placed.applied(Stop, asked):
        keys, details = asked.known.keys(rule.per), record.holds.inconvenient[rule.per]
        for row in inconvenienced(rule, rows, record).tolist():
            hours = unwelcome_hours(details[int(keys[row])])
            if hours is None:
                continue
            scene = placed.scene_of(row)
            spans = own[number].get(row, timetable.spans(scene, asked.channels[number], asked.day))
            for zone in scene.zones:
                for first, last in hours:
                    spans = without(
                        spans, (instant(asked.day, first, zone, late=False), instant(asked.day, last, zone, late=True))
                    )
            own[number][row] = spans
    return own
