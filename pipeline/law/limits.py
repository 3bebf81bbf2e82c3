"""Which rules narrow a listed account's day: those that set an end of its window,
and the cap that leaves it the fewest contacts.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pipeline.law.counts import NO_LIMIT
from pipeline.law.decision import Decision, decide
from pipeline.law.hours import Spans
from pipeline.law.outcome import PERMITTED, of_channels
from pipeline.law.question import Case, Sight
from pipeline.law.rules import Cap, Rule

LIMIT_COLUMNS = ("account_id", "rule", "citation", "reason")


def limits_of(case: Case, planned: Mapping[int, str], as_of: int) -> pd.DataFrame:
    """LIMIT_COLUMNS for listed accounts, by number with the channel planned for each:
    the rules that narrow that channel, hours first.

    The day is decided again, by the very code that decided the night.
    """
    rows, decision = case.cohort, decide(case.asked(Sight(as_of)))
    state = of_channels(decision).state
    places = {channel: number for number, channel in enumerate(decision.asked.channels)}
    used: dict[str, np.ndarray] = {}
    found = []
    for row, account in enumerate(rows["account_no"].tolist()):
        number = places.get(planned.get(account, ""))
        if number is None or state[number, row] != PERMITTED:
            continue
        for rule in (*_hours(decision, row, number), *_tightest(decision, row, number, used)):
            found.append((rows["account_id"].iloc[row], rule.id, rule.citation, rule.says))
    return pd.DataFrame(found, columns=list(LIMIT_COLUMNS), dtype="str")


def _hours(decision: Decision, row: int, number: int) -> list[Rule]:
    """Rules whose own window begins or ends where the day's does.
    A day that is open from midnight to midnight has none.
    """
    scene, channel, day = decision.placed.scene_of(row), decision.asked.channels[number], decision.asked.day
    timetable = decision.openings.timetable
    ends = _edges(decision.open_spans(row, channel)) - _edges(timetable.under((), scene, day))
    return [rule for rule in scene.binding.hours(channel, day) if ends & _edges(timetable.under((rule,), scene, day))]


def _edges(spans: Spans) -> set[int]:
    return {edge for span in spans for edge in span}


def _tightest(decision: Decision, row: int, number: int, used: dict[str, np.ndarray]) -> list[Rule]:
    """The cap that leaves the fewest contacts of this channel; none where no cap counts it."""
    left = int(decision.counts.left[number, row])
    if left >= NO_LIMIT:
        return []
    caps = decision.placed.scene_of(row).binding.of_kind(Cap, decision.asked.channels[number])
    for cap in caps:
        if cap.id not in used:
            used[cap.id] = decision.record.counter.used(cap)[0]
    # pyrefly: ignore[bad-return]
    return [cap for cap in caps if cap.max - int(used[cap.id][decision.asked.known.scorable[row]]) == left][:1]
