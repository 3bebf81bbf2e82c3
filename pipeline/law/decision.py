"""The decision: an account is placed under its law and clock, its record is read, and what stops, defers,
counts and opens is found.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.law.causes import Causes
from pipeline.law.counts import Counts, counts_of
from pipeline.law.defers import Defers, defers_of
from pipeline.law.hours import Spans
from pipeline.law.openings import Openings, openings_of
from pipeline.law.question import Question
from pipeline.law.record import Record, recorded
from pipeline.law.scenes import Placed, placed
from pipeline.law.stops import Stops, stops_of


@dataclass(frozen=True)
class Decision:
    """What was asked, what each step found, and the causes to which their numbers refer.
    Nothing in it changes any more.
    """

    asked: Question
    placed: Placed
    record: Record
    stops: Stops
    defers: Defers
    counts: Counts
    openings: Openings
    causes: Causes

    @cached_property
    def limited(self) -> np.ndarray:
        """int32 channel x account: number of the cause that defers the channel, a count before the hours of today;
        0 where it is free.
        """
        return np.where(self.counts.limited > 0, self.counts.limited, self.openings.shut)

    @cached_property
    def free_on(self) -> np.ndarray:
        """int64 channel x account: first day on which neither the account nor the channel is held."""
        return np.maximum(self.defers.release, self.counts.free_on)

    def open_spans(self, row: int, channel: str) -> Spans:
        """When a channel is open to an account today, whatever else holds it."""
        own = self.openings.own[self.asked.channels.index(channel)]
        return (
            own[row]
            if row in own
            else self.openings.timetable.spans(self.placed.scene_of(row), channel, self.asked.day)
        )


def decide(asked: Question) -> Decision:
    """Raises ContractError where scorable accounts are missing among the accounts of their debtors."""
    causes = Causes()
    place = placed(asked, causes)
    record = recorded(asked, place)
    stops = stops_of(asked, place, record, causes)
    defers = defers_of(asked, place, record, causes)
    counts = counts_of(asked, place, record, defers.appointments, causes)
    openings = openings_of(asked, place, record, defers.appointments, causes)
    return Decision(asked, place, record, stops, defers, counts, openings, causes)
