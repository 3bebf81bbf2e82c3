"""Which rules narrow a listed account's day: those that set an end of its window, and the cap that leaves it the fewest contacts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.cohort import Cohort
from pipeline.law.decision import NO_LIMIT, PERMITTED, Decision, decide
from pipeline.law.log import Sight
from pipeline.law.outcome import of_channels
from pipeline.law.rules import Cap, Rule, Rules
from pipeline.params import Params

COLUMNS = ("account_id", "rule", "citation", "reason")


def limits_of(
    cohort: Cohort,
    tables: Mapping[str, pd.DataFrame],
    planned: Mapping[int, str],
    rules: Rules,
    params: Params,
    as_of: int,
    complete_through: Mapping[str, int],
) -> pd.DataFrame:
    """COLUMNS for listed accounts, by number with the channel planned for each: the rules that narrow that channel, hours first.

    cohort: every scorable account of the listed debtors, for their plausible places and caps reach across all of them. The day is decided
    again, by the very code that decided the night.
    """
    rows = cohort.frame
    decision = decide(rows, tables, rules, params, Sight(as_of), complete_through, params.eligibility.channels)
    state, _, _ = of_channels(decision)
    places = {channel: number for number, channel in enumerate(decision.channels)}
    used: dict[str, np.ndarray] = {}
    found = []
    for row, account in enumerate(rows["account_no"].tolist()):
        number = places.get(planned.get(account, ""))
        if number is None or state[number, row] != PERMITTED or decision.scene[row] < 0:
            continue
        for rule in (*_hours(decision, row, number), *_tightest(decision, row, number, used)):
            found.append((rows["account_id"].iloc[row], rule.id, rule.citation, rule.says))
    return pd.DataFrame(found, columns=list(COLUMNS), dtype="str")


def _hours(decision: Decision, row: int, number: int) -> list[Rule]:
    """Rules whose own window begins or ends where the day's does. A day that is open from midnight to midnight has none."""
    scene, channel = decision.scenes[decision.scene[row]], decision.channels[number]
    binding = decision.bindings[scene.binding]
    spans = decision.open_spans(row, channel)
    if not spans:
        return []
    whole = decision.openings.open_on((), binding.lists, scene.zones, decision.day)
    ends = {edge for span in spans for edge in span} - {edge for span in whole for edge in span}
    own = {
        rule: decision.openings.open_on((rule,), binding.lists, scene.zones, decision.day) for rule in binding.hours(channel, decision.day)
    }
    return [rule for rule, windows in own.items() if ends & {edge for span in windows for edge in span}]


def _tightest(decision: Decision, row: int, number: int, used: dict[str, np.ndarray]) -> list[Rule]:
    """The cap that leaves the fewest contacts of this channel; none where no cap counts it."""
    left = int(decision.left[number, row])
    if left >= NO_LIMIT or decision.group[row] < 0:
        return []
    caps = decision.bindings[decision.group[row]].of_kind(Cap, decision.channels[number])
    for cap in caps:
        if cap.id not in used:
            used[cap.id] = decision.counter.used(cap)[0]
    return [cap for cap in caps if cap.max - int(used[cap.id][decision.row[row]]) == left][:1]
