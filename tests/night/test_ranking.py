"""Arms of former nights where debtors were found to be one since: whose span stands."""

from __future__ import annotations

import pandas as pd
import pytest

from models.prioritise import CONTROL, TO_WORK, WORKED
from pipeline.night.ranking import standing_arms

AS_OF = 100
NAMES = {"former": "latter"}


def arms(*rows: tuple[str, str, int, int]) -> pd.DataFrame:
    """(debtor, arm, assigned_on, until_on), each kept every night from assigned_on to the one before AS_OF."""
    kept = [(*row, night) for row in rows for night in range(row[2], min(row[3], AS_OF))]
    frame = pd.DataFrame(kept, columns=["debtor_id", "arm", "assigned_on", "until_on", "as_of"])
    return frame.assign(probability=0.1, agent="").astype({"debtor_id": "str", "arm": "str"})


@pytest.mark.parametrize(
    ("rows", "standing"),
    [
        ([("former", CONTROL, 90, 134), ("latter", CONTROL, 95, 139)], (CONTROL, 90)),
        ([("former", CONTROL, 95, 139), ("latter", CONTROL, 90, 134)], (CONTROL, 90)),
        ([("former", CONTROL, 95, 139), ("latter", WORKED, 90, 134)], (CONTROL, 95)),
        ([("former", TO_WORK, 91, 135), ("latter", CONTROL, 93, 137)], (TO_WORK, 91)),
        ([("former", CONTROL, 40, 84), ("latter", WORKED, 95, 139)], (WORKED, 95)),
        ([("former", CONTROL, 40, 84), ("latter", WORKED, 30, 74)], (CONTROL, 40)),
        ([("former", CONTROL, 95, 139)], (CONTROL, 95)),
    ],
)
def test_of_two_spans_of_one_person_a_drawn_one_stands_and_the_one_that_began_first(rows, standing):
    found = standing_arms(arms(*rows, ("somebody", WORKED, 99, 143)), NAMES, AS_OF).set_index("debtor_id")
    assert sorted(found.index) == ["latter", "somebody"]
    assert (found["arm"]["latter"], found["assigned_on"]["latter"]) == standing


def test_without_links_the_newest_arm_of_each_debtor_stands():
    found = standing_arms(arms(("a", CONTROL, 10, 54), ("a", WORKED, 60, 104), ("b", CONTROL, 90, 134)), {}, AS_OF)
    assert dict(zip(found["debtor_id"], found["assigned_on"], strict=True)) == {"a": 60, "b": 90}
    assert standing_arms(arms(), {}, AS_OF).empty
