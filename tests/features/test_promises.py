"""Promises made, kept, broken and open, by hand."""

from __future__ import annotations

import pytest

from features.build import build
from features.catalogue import CATALOGUE
from features.terms import Terms
from tests.worlds.cohorts import account, cell, frame_of
from tests.worlds.worlds import day

CALENDAR = Terms(promise_grace_unit="days")  # what bank days change: see test_trade


@pytest.mark.parametrize(
    ("night", "kept", "broken", "is_open"),
    [
        ("2024-03-02", 0, 0, 1),
        ("2024-03-13", 0, 0, 1),
        ("2024-03-14", 0, 1, 0),
        ("2024-03-16", 1, 0, 0),
        ("2024-03-18", 0, 1, 0),
    ],
)
def test_a_promise_is_open_through_its_grace_then_kept_or_broken_by_what_is_known(night, kept, broken, is_open):
    """Due on the 10th, 3 days of grace, nine tenths of 1,000: the last 400 come on the 13th, are known on the 15th,
    shrink on the 17th.
    """
    world = account().contact("2024-03-01 18:00", "call", "promise", promise_amount=1_000, promise_due_on="2024-03-10")
    world.payment("2024-02-29", 1_000, known_at="2024-03-01").payment("2024-03-01 09:00", 500).payment(
        "2024-03-14", 500
    )
    world.payment("2024-03-13 12:00", 400, payment_id="p", known_at="2024-03-15").reversal("2024-03-17", 1, "p")
    found = build(frame_of([("a", day(night))]), world.tables(), CATALOGUE, CALENDAR).iloc[0]
    assert (found["promises_kept_365d"], found["promises_broken_365d"], found["promise_open"]) == (
        kept,
        broken,
        is_open,
    )
    assert found["promises_made_365d"] == 1
    assert found["promises_kept_ratio_365d"] == (kept + 1) / (kept + broken + 2)


def test_nine_tenths_are_exact_and_one_payment_serves_two_promises_and_a_credit_none():
    world = account().credit("2024-03-05", 100)
    for number in (1, 2):
        world.contact(f"2024-03-0{number}", "call", "promise", promise_amount=10 * number, promise_due_on="2024-03-10")
    world.payment("2024-03-05", 9)
    assert cell(world, "promises_kept_365d", "2024-03-20") == 1
    assert cell(world.payment("2024-03-06", 9), "promises_kept_365d", "2024-03-20") == 2


def test_a_promise_without_amount_or_day_is_made_but_neither_kept_nor_broken_nor_open():
    world = (
        account().contact("2024-03-01", "call", "promise").contact("2024-03-02", "call", "promise", promise_amount=10)
    )
    world.payment("2024-03-03", 100)
    found = build(frame_of([("a", day("2024-03-20"))]), world.tables()).iloc[0]
    assert (
        found["promises_made_365d"],
        found["promises_kept_365d"],
        found["promises_broken_365d"],
        found["promise_open"],
    ) == (2, 0, 0, 0)


def test_a_promise_is_what_its_outcome_says():
    """An amount noted under another outcome is no promise, here as in the rules of contact."""
    world = account().contact("2024-03-01", "call", "refusal", promise_amount=10, promise_due_on="2024-03-20")
    world.contact("2024-03-02", "call", None, promise_amount=10).contact(
        "2024-03-03", "call", "promise", promise_due_on="2024-03-20"
    )
    found = build(frame_of([("a", day("2024-03-16"))]), world.tables()).iloc[0]
    assert (found["promises_made_365d"], found["promise_open"], found["promises_open_amount"]) == (1, 0, 0)
