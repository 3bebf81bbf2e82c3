"""Plans by hand: which instalments are kept or missed, how a plan goes on, and from which night on it is known."""

from __future__ import annotations

import pytest

from features.build import build
from features.catalogue import TREATED
from features.terms import Terms
from tests.worlds.cohorts import DECIMALS, frame_of
from tests.worlds.worlds import World, day

NIGHT = "2024-04-20"
TERMS = Terms(decimals=DECIMALS, promise_grace_days=3, promise_grace_unit="days", promise_kept_share=0.9)
DUE = ("2024-02-10", "2024-03-10", "2024-04-10")
COUNTS = ("instalments_kept_ever", "instalments_missed_ever")


def planned(*paid: tuple[str, int], **ended) -> World:
    """100.00 on the tenth of three months, agreed on 20 January; and what was paid on which day."""
    world = World("Europe/Paris").account(opened_on="2023-01-15").charge("2023-02-01", 500_00)
    world.deliver("payments", "statuses", "plans")
    for due_on in DUE:
        world.instalment("2024-01-20", due_on, 100_00, 300_00, **ended)
    for on, amount in paid:
        world.payment(on, amount)
    return world


def told(world: World, *names: str, night: str = NIGHT) -> list[float]:
    matrix = build(frame_of([("a", day(night))]), world.tables(), TREATED, TERMS)
    return matrix[list(names)].iloc[0].tolist()


@pytest.mark.parametrize(
    ("paid", "kept", "missed"),
    [
        ([("2024-02-13", 90_00)], 1, 2),  # nine tenths on the last day of grace
        ([("2024-02-13", 89_99)], 0, 3),
        ([("2024-02-14", 100_00)], 0, 3),
        ([("2024-01-19", 300_00)], 0, 3),  # before the agreement: not towards the plan
        ([("2024-01-25", 300_00)], 3, 0),  # all at once, early
        ([("2024-02-10", 100_00), ("2024-03-10", 89_99)], 1, 2),
        ([("2024-02-10", 90_00), ("2024-03-10", 99_99)], 1, 2),  # the rest of the first is asked for beside the second
        ([("2024-02-10", 90_00), ("2024-03-10", 100_00)], 2, 1),
        ([("2024-03-10", 190_00), ("2024-04-10", 110_00)], 2, 1),  # late for the first, in time for the others
    ],
)
def test_an_instalment_is_kept_where_its_share_and_all_before_it_came_in_time(paid, kept, missed):
    assert told(planned(*paid), *COUNTS) == [kept, missed]


def test_a_plan_is_behind_until_it_was_caught_up_and_kept_once_all_is_there():
    names = ("plan_on", "plan_behind", "plans_kept_ever")
    first = ("2024-02-10", 100_00)
    assert told(planned(first), *names, night="2024-03-13") == [1, 0, 0]  # within the grace of the second
    assert told(planned(first), *names, night="2024-03-14") == [1, 1, 0]
    late = planned(first, ("2024-03-20", 100_00))
    assert told(late, *names, night="2024-03-21") == [1, 0, 0]
    assert told(late, *names) == [1, 1, 0]
    assert told(late.payment("2024-04-18", 100_00), *names) == [0, 0, 1]


def test_what_falls_due_from_the_end_of_a_plan_on_is_neither_kept_nor_missed():
    broken = planned(("2024-02-10", 100_00), ended_on="2024-03-10", how="broken")
    names = (*COUNTS, "plans_broken_ever", "plan_on")
    assert told(broken, *names) == [1, 0, 1, 0]
    assert told(broken, *names, night="2024-03-10") == [1, 0, 0, 1]  # an end of the night itself has not come
    replaced = planned(ended_on="2024-02-11", how="replaced")
    assert told(replaced, *names) == [0, 1, 0, 0]


def test_an_instalment_that_was_taken_out_asks_for_nothing_from_the_night_on_which_that_is_known():
    world = planned(("2024-02-10", 100_00))
    world.instalment("2024-01-20", DUE[1], 0, 300_00, known_at="2024-03-18")
    world.instalment("2024-01-20", DUE[2], 200_00, 300_00, known_at="2024-03-18")
    assert told(world, *COUNTS, "plan_instalment", night="2024-03-18") == [1, 1, 100_00]
    assert told(world, *COUNTS, "plan_instalment", night="2024-03-19") == [1, 0, 200_00]


def test_shares_are_shares_and_an_offer_lapses_after_its_last_day():
    world = planned().deliver("offers")
    world.offer("2024-04-01 10:00", discount=300_000, valid_until="2024-04-10")
    names = ("offers_max_discount_ever", "offer_open", "offers_lapsed_ever")
    assert told(world, *names, night="2024-04-10") == [0.3, 1, 0]
    assert told(world, *names, night="2024-04-11") == [0.3, 0, 1]


def test_nothing_is_known_of_an_offer_a_plan_or_a_placement_before_its_night():
    world = planned(known_at="2024-02-20").deliver("offers", "placements")
    world.offer("2024-02-01", known_at="2024-02-20").placement("legal", "2024-02-01", known_at="2024-02-20")
    names = ("offers_count_ever", "plans_count_ever", "placements_count_legal_ever")
    assert told(world, *names, night="2024-02-20") == [0, 0, 0]
    assert told(world, *names, night="2024-02-21") == [1, 1, 1]
