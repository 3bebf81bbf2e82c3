"""A dispute that names its charge: what it leaves aside, and when it holds the account all the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.cohort import known, scorable
from features.tables import NO_DAY
from features.terms import Terms
from pipeline.law.disputes import disputed_arrears
from pipeline.law.holds import BIT, read_holds
from pipeline.law.question import KnownAccounts, Sight
from tests.judges import oracle_ledger as books
from tests.worlds import worlds
from tests.worlds.worlds import World, day


def customer() -> World:
    world = World("Europe/Paris").account(opened_on="2024-01-02").deliver("payments")
    for name, due_on, amount in (("old", "2024-02-01", 100), ("new", "2024-02-10", 200), ("next", "2024-04-01", 50)):
        world.charge(due_on, amount, charge_id=name, kind="invoice", known_at="2024-01-10")
    return world


def is_held(world: World, night: str = "2024-03-01") -> bool:
    tables, sight = world.tables(categorical=True), Sight(day(night))
    accounts = KnownAccounts.of(tables["accounts"], known(tables, [sight.day]), sight)
    return bool((read_holds(tables, accounts, sight).bits & BIT["dispute"]).any())


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


def disputed_of(world: World, night: str = "2024-03-01") -> int:
    tables = world.tables(categorical=True)
    cohort = scorable(tables, None, [day(night)], Terms()).frame
    return int(disputed_arrears(tables, cohort, Sight(day(night)))[0])


@pytest.mark.parametrize(
    ("disputed", "amount"),
    [
        ((), 0),
        (("new",), 200),
        (("old",), 100),
        (("next",), 0),
        (("old", "new"), 300),
        (("never-heard-of",), 0),
        ((None,), 0),
    ],
)
def test_what_is_overdue_of_disputed_charges_is_not_asked_for(disputed, amount):
    world = customer().deliver("statuses")
    for charge_id in disputed:
        world.status("dispute", "2024-02-20", charge_id=charge_id)
    assert disputed_of(world) == amount


def test_what_was_paid_of_a_disputed_charge_is_disputed_no_more():
    world = customer().status("dispute", "2024-02-20", charge_id="new")
    assert disputed_of(world.payment("2024-02-25", 150, charge_id="new")) == 50
    assert disputed_of(world.payment("2024-02-26", 100)) == 50  # settles the oldest first


def test_a_dispute_is_left_out_of_what_is_asked_from_the_night_after_it_is_known_until_it_ends():
    world = customer().status("dispute", "2024-02-20", "2024-02-28", charge_id="new", known_at="2024-02-22")
    nights = ("2024-02-22", "2024-02-23", "2024-02-28", "2024-02-29")
    assert [disputed_of(world, night) for night in nights] == [0, 200, 200, 0]


def test_no_more_is_disputed_than_a_statement_says_is_overdue():
    world = customer().status("dispute", "2024-02-20", charge_id="new").balance("2024-02-25", 150, 150, 10)
    assert disputed_of(world) == 150


@settings(max_examples=30, deadline=None)
@given(
    worlds.worlds(contacts=False, absent=False),
    worlds.nights,
    worlds.terms,
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from(("c0", "c1", "c2", "c4", "c9")), worlds.days), max_size=4),
)
def test_what_is_disputed_is_what_the_judge_finds_open_of_the_charges_named(world, night, terms, disputes):
    ids = sorted({row["account_id"] for row in world.rows["accounts"]})
    for place, charge_id, from_on in {(place % len(ids), charge, day_) for place, charge, day_ in disputes}:
        world.status("dispute", from_on, account_id=ids[place], charge_id=charge_id)
    tables = world.tables(categorical=True)
    cohort = scorable(tables, None, [night], terms).frame
    expected = []
    for row in cohort.itertuples():
        known = books.in_force(books.rows_of(world.rows, "statuses", row.account_id), books.STATUS_KEY, night)
        lasting = [one for one in known if one["from_on"] <= night and one["until_on"] == NO_DAY]
        named = {one["charge_id"] for one in lasting if one["status"] == "dispute" and one["charge_id"]}
        unpaid = books.overdue_charges(world.rows, row.account_id, night)
        expected.append(min(sum(unpaid.get(name, 0) for name in named), max(row.arrears, 0)))
    assert disputed_arrears(tables, cohort, Sight(night)).tolist() == expected


@pytest.mark.parametrize("joined", [False, True])
def test_a_receipt_number_of_another_record_of_the_person_takes_no_payment_away(joined):
    """Both records have a receipt of one number: what it paid of the old charge stays paid after the link."""
    world = customer().account("other", "namesake", opened_on="2024-01-02")
    world.payment("2024-02-12", 100, charge_id="old", payment_id="R1")
    world.payment("2024-02-15", 30, account_id="other", payment_id="R1").status(
        "dispute", "2024-02-20", charge_id="new"
    )
    assert is_held(world.same("d-a", "namesake", "2024-02-25") if joined else world)
