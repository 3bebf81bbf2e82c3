"""The decision as a value: its steps add up, and what is decided can no longer be written.

Also of question.py.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass

import numpy as np
import pytest

from pipeline.law.decision import Decision, decide
from pipeline.law.question import Case, Sight
from tests.worlds.eligibility_worlds import MONDAY, PARAMS, RULES, a_world, an_account, calls, cohort_of

STEPS = ("placed", "record", "stops", "defers", "counts", "openings")


@pytest.fixture
def decision() -> Decision:
    world = calls(an_account(a_world(), "b"), 1, 2, 3).status("inconvenient", MONDAY - 9, detail="18:00-21:00")
    case = Case(cohort_of(world), world.tables(), RULES, PARAMS, {"contacts": MONDAY - 1, "statuses": MONDAY - 1})
    return decide(case.asked(Sight(MONDAY)))


def test_no_array_of_a_decision_can_be_written(decision):
    seen = 0
    for step in STEPS:
        value = getattr(decision, step)
        assert is_dataclass(value)
        for field in fields(value):
            array = getattr(value, field.name)
            if isinstance(array, np.ndarray):
                seen += 1
                with pytest.raises(ValueError, match="read-only"):
                    array[...] = 0
    assert seen > 15


def test_every_array_has_a_column_per_account_and_a_row_per_channel(decision):
    whole, per_channel = (decision.asked.size,), (len(decision.asked.channels), decision.asked.size)
    for step in STEPS:
        value = getattr(decision, step)
        for field in fields(value):
            array = getattr(value, field.name)
            if isinstance(array, np.ndarray):
                assert array.shape in (whole, per_channel), (step, field.name)
    assert decision.limited.shape == decision.free_on.shape == per_channel


def test_asking_the_same_twice_decides_the_same(decision):
    again = decide(decision.asked)
    for step in STEPS:
        for field in fields(getattr(again, step)):
            array = getattr(getattr(again, step), field.name)
            if isinstance(array, np.ndarray):
                assert (array == getattr(getattr(decision, step), field.name)).all()
