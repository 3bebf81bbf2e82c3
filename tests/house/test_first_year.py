"""benchmarks/first_year.py: what the collectors are ordered to do, and what is counted of the year."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest

from benchmarks import first_year
from features.days import day_number
from models.ladder import NO_LOG, UNPROVEN
from models.lot import CONTROL, TO_WORK, WORKED
from models.whatif import BEST_ADDED, BY_DOUBT, BY_TOTAL, RANKED

NIGHT = dt.date(2026, 3, 1)


def tonight() -> pd.DataFrame:
    until = day_number(dt.date(2026, 4, 14))
    lines = [
        ("a", "worklist", WORKED),
        ("b", "held_out", CONTROL),
        ("b", "held_out", CONTROL),
        ("c", "below_capacity", TO_WORK),
        ("d", "worklist", TO_WORK),
        ("e", "below_capacity", WORKED),
    ]
    return pd.DataFrame(lines, columns=["debtor_id", "group", "arm"]).assign(until_on=until)


def test_who_is_drawn_is_left_or_worked_while_the_draw_holds_and_who_is_listed_for_the_month():
    orders = first_year.orders_of(tonight(), NIGHT, NIGHT).set_index("debtor_id")
    assert orders["arm"].to_dict() == {"b": "left", "c": "worked", "d": "worked", "a": "worked"}
    assert orders["until_on"].to_dict() == {**dict.fromkeys("bcd", "2026-04-14"), "a": "2026-04-01"}
    assert set(orders["assigned_on"]) == {"2026-03-01"}
    assert first_year.arms_of(tonight()) == {"listed": 2, CONTROL: 1, TO_WORK: 2}


@pytest.mark.parametrize(
    ("first", "night"),
    [
        ((2026, 3, 1), (2026, 2, 27)),
        ((2026, 1, 1), (2025, 12, 31)),
        ((2026, 5, 1), (2026, 4, 30)),
        ((2026, 4, 1), None),
    ],
)
def test_a_night_is_of_the_last_day_on_which_people_may_be_called(first, night):
    assert first_year.night_before(dt.date(*first)) == dt.date(*(night or first))


def test_a_rung_is_worth_what_its_lists_added_beyond_the_others():
    nights = {"rung": [NO_LOG, UNPROVEN, UNPROVEN], "night": [NIGHT, NIGHT.replace(month=4), NIGHT.replace(month=5)]}
    money = {RANKED: [10.0, 30.0, 50.0], BY_TOTAL: [12.0, 20.0, 20.0], BY_DOUBT: [10.0, 25.0, 45.0]}
    found = first_year.by_rung(pd.DataFrame({**nights, **money, BEST_ADDED: [40.0, 80.0, 80.0]})).set_index("rung")
    assert found.loc[NO_LOG, f"over {BY_TOTAL}"] == -2.0
    assert found.loc[UNPROVEN, f"over {BY_TOTAL}"] == 40.0
    assert found.loc[UNPROVEN, f"over {BY_DOUBT}"] == 10.0
    assert found["of the best"].tolist() == pytest.approx([0.25, 0.5])
    assert found["nights"].tolist() == [1, 2]
