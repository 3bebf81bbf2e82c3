"""Payment holidays in books whose count of days past due they stop, by hand; against the judge in test_ledger.py."""

from __future__ import annotations

import pytest

from features.build import build
from features.cohort import scorable
from features.ledger import figures_at, history, worst_days_past_due
from features.standing import cures, rolls
from features.tables import account_number
from features.terms import Terms
from tests.worlds.cohorts import frame_of
from tests.worlds.worlds import World, day

PAUSING = Terms(pauses=frozenset({"book"}))
NIGHTS = ("2026-02-10", "2026-02-11", "2026-02-12", "2026-02-20", "2026-02-21", "2026-02-22", "2026-03-01")


def one_loan() -> World:
    """Due on 31 January, and a payment holiday from 10 to 20 February, told on 9 February."""
    world = World("Europe/Paris").account(opened_on="2025-06-01").charge("2026-01-31", 10_000)
    return world.deliver("payments", "contacts").status("moratorium", "2026-02-10", "2026-02-20", known_at="2026-02-09")


def figures(world: World, terms: Terms = PAUSING) -> list[tuple[int, int, int]]:
    """Balance, arrears and days past due of the account on each of NIGHTS."""
    numbers, days = account_number(["a"] * len(NIGHTS)), [day(night) for night in NIGHTS]
    found = figures_at(history(world.tables(), terms), numbers, days)
    return list(zip(*(values.tolist() for values in found), strict=True))


def past_due(world: World, terms: Terms = PAUSING) -> list[int]:
    return [late for *_, late in figures(world, terms)]


def test_days_past_due_stand_still_from_the_night_after_it_begins_through_the_one_after_it_ends():
    assert past_due(one_loan()) == [10, 10, 10, 10, 10, 11, 18]


@pytest.mark.parametrize("terms", [Terms(), Terms(pauses=frozenset({"shop"}))])
def test_they_run_on_in_a_book_that_does_not_say_so(terms):
    assert past_due(one_loan(), terms) == [10, 11, 12, 20, 21, 22, 29]


def test_arrears_and_balance_stay_as_they_are():
    assert {found[:2] for found in figures(one_loan())} == {(10_000, 10_000)}


def test_a_holiday_told_late_takes_days_back_from_the_night_after_it_is_known():
    world = World("Europe/Paris").account(opened_on="2025-06-01").charge("2026-01-31", 10_000)
    world.status("moratorium", "2026-02-05", "2026-02-14", known_at="2026-02-20")
    assert past_due(world) == [10, 11, 12, 20, 11, 12, 19]


def test_a_holiday_without_an_end_stands_until_a_version_ends_it():
    world = one_loan().status("moratorium", "2026-02-10", None, known_at="2026-02-11")
    assert past_due(world) == [10, 10, 10, 10, 10, 10, 10]
    assert past_due(world.status("moratorium", "2026-02-10", "2026-02-11", known_at="2026-02-21")) == [
        *(10, 10, 10, 10, 10),
        *(20, 27),
    ]


def test_two_holidays_that_overlap_pause_each_day_once():
    world = one_loan().status("moratorium", "2026-02-15", "2026-02-25", known_at="2026-02-09")
    assert past_due(world) == [10, 10, 10, 10, 10, 10, 13]


def test_what_falls_due_within_a_holiday_is_not_past_due_before_it_ends():
    world = World("Europe/Paris").account(opened_on="2025-06-01").charge("2026-02-12", 10_000)
    world.status("moratorium", "2026-02-10", "2026-02-20", known_at="2026-02-09")
    assert past_due(world) == [0, 0, 0, 0, 0, 1, 8]


def test_a_statement_states_a_count_of_its_own():
    """The system says 4 days on 14 February; of it, only days from then on are paused by us."""
    world = one_loan().balance("2026-02-14", 10_000, 10_000, 4)
    assert past_due(world) == [10, 10, 10, 4, 4, 5, 12]


def test_no_roll_is_reached_within_a_holiday_and_no_cure_is_made_by_one():
    world = World("Europe/Paris").account(opened_on="2025-06-01").charge("2026-01-31", 10_000)
    world.status("moratorium", "2026-02-20", "2026-03-31", known_at="2026-02-09").payment("2026-02-25", 100)
    ledger = history(world.tables(), PAUSING)
    assert rolls(ledger).nights[0] == day("2026-04-11")  # 20 days by 20 February, and ten after the holiday
    assert cures(ledger).nights.size == 0
    assert rolls(history(world.tables(), Terms())).nights[0] == day("2026-03-02")
    number = account_number(["a"])
    last = [day("2026-04-15")]
    assert worst_days_past_due(ledger, number, [day("2026-02-01")], last).tolist() == [34]


def test_features_and_buckets_follow():
    tables = one_loan().tables()
    cohort = scorable(tables, None, [day("2026-02-22")], PAUSING).frame
    assert cohort["days_past_due"].tolist() == [11]
    matrix = build(cohort, tables, terms=PAUSING)
    assert matrix["days_past_due"].tolist() == [11]
    alone = build(frame_of([("a", day("2026-02-22"))]), tables, terms=PAUSING)
    assert alone[["days_past_due", "days_past_due_max_365d", "bucket"]].equals(
        matrix[["days_past_due", "days_past_due_max_365d", "bucket"]]
    )
