"""A month of one made-up world, as benchmarks/drift.py judges a hundred: nothing is told where nothing changed, and
what changed is told long before a label of that month matures.
"""

from __future__ import annotations

import pytest

from benchmarks.drift import NIGHTS, PLANTS, TAUGHT, _delivered, alarms, frames_of, taught, without_book

pytestmark = pytest.mark.slow

SEED, DEBTORS = 15_200, 500  # one of those that chose the rule
BREAKS = "a payment feed that breaks"


def test_a_month_in_which_nothing_changed_is_quiet_and_a_broken_feed_and_a_new_book_are_told(tmp_path):
    frames = frames_of(SEED, DEBTORS, tmp_path / "made-up")
    whole = _delivered(frames, tmp_path / "whole")
    model = taught(whole)
    assert alarms(model, whole) == []
    broken = alarms(model, _delivered(PLANTS[BREAKS](frames), tmp_path / "broken"))
    assert {finding for *_, finding, _ in broken} == {"drift of the features", "early payments"}
    assert max(days for days, *_ in broken) <= (NIGHTS[-1] - TAUGHT).days
    before = taught(_delivered(without_book(frames), tmp_path / "before"))
    first, verdict, finding, says = alarms(before, whole)[0]
    assert (first, verdict, finding) == (1, "warn", "new books"), says
