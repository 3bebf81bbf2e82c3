"""A dispute that names its charge: what it leaves aside, and when it holds the account all the same."""

from __future__ import annotations

import pytest

from features.cohort import known
from pipeline.law.holds import BIT, read_holds
from pipeline.law.question import KnownAccounts, Sight
from tests.worlds.worlds import World, day


def customer() -> World:
    world = World("Europe/Paris").account(opened_on="2024-01-02").deliver("payments")
    for name, due_on, amount in (("old", "2024-02-01", 100), ("new", "2024-02-10", 200), ("next", "2024-04-01", 50)):
        world.charge(due_on, amount, charge_id=name, kind="invoice", known_at="2024-01-10")
    return world


def is_held(world: World, night: str = "2024-03-01") -> bool:
    tables, sight = world.tables(categorical=True), Sight(day(night))
    accounts = KnownAccounts.of(tables["accounts"], known(tables, [sight.day]))
    return bool(read_holds(tables, accounts, sight).bits[0] & BIT["dispute"])


@pytest.mark.parametrize(
    ("disputed", "held"),
    [
        ((), False),
        ((None,), True),
        (("new",), False),
        (("next",), False),
        (("new", "next"), False),
        (("old", "new"), True),
        (("never-heard-of",), True),
        (("new", None), True),
    ],
)
def test_a_disputed_charge_holds_the_account_only_with_all_that_is_overdue(disputed, held):
    world = customer().deliver("statuses")
    for charge_id in disputed:
        world.status("dispute", "2024-02-20", charge_id=charge_id)
    assert is_held(world) is held


def test_what_is_paid_is_not_overdue_any_more():
    world = customer().status("dispute", "2024-02-20", charge_id="new")
    assert not is_held(world)
    assert is_held(world.payment("2024-02-25", 100, charge_id="old"))
    assert is_held(customer().status("dispute", "2024-02-20", charge_id="new").payment("2024-02-25", 100))


def test_a_dispute_that_ended_or_begins_later_is_none():
    assert not is_held(customer().status("dispute", "2024-02-20", "2024-02-25", charge_id="never-heard-of"))
    assert not is_held(customer().status("dispute", "2024-03-20", charge_id="never-heard-of", known_at="2024-02-01"))
