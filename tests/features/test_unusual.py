"""Unusual payments and identities of a shard: cases by hand, against the plain loops of the judge, in whatever order
the rows come; nothing known later changes them, and no model sees them.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from features.build import build
from features.catalogue import CATALOGUE, WATCH
from features.columns import columns_of
from features.currencies import DECIMALS
from features.ledger import history
from features.terms import Terms
from features.unusual import CHANGE, REFUND, RING, Limits, Readings, readings
from tests.judges import unusual_judge as judge
from tests.worlds import worlds
from tests.worlds.cohorts import frame_of, tables_of
from tests.worlds.worlds import World, day

NIGHT = day("2024-06-01")
USUAL = Limits()
SHORT = Limits(days=50, taken_back_days=20, ring_payments=2, change_after=1, change_times=1.0, refund_share=0.1)
TERMS = Terms(decimals=DECIMALS)


def read(world: World, night: int = NIGHT, limits: Limits = USUAL, seed: int | None = None) -> Readings:
    tables = world.tables(seed, categorical=True)
    return readings(tables, history(tables, TERMS), night, limits)


def book(*accounts: str) -> World:
    world = World().deliver("accounts", "charges", "payments", "contacts")
    for name in accounts:
        world.account(name, f"d-{name}", opened_on="2023-01-01")
        world.charge("2023-06-01", 100_000, account_id=name, charge_id=f"c-{name}")
    return world


def ring(world: World, account: str, many: int, instrument: str | None = None, back: int = 5_000) -> World:
    for number in range(many):
        paid = f"{account}-{instrument}-{number}"
        when = f"2024-0{2 + number}-10"
        world.payment(when, 5_000, account_id=account, payment_id=paid, instrument=instrument, method="card")
        world.reversal(f"2024-0{2 + number}-15", back, paid, account_id=account)
    return world


def signs(found: Readings) -> list[tuple]:
    return [tuple(row) for row in found.own[["kind", "account_id", "amount", "many", "of"]].to_numpy().tolist()]


def test_a_ring_is_payments_taken_back_again_and_again_over_all_accounts_of_a_debtor():
    world = ring(ring(book("a", "b"), "a", 2), "b", 1)
    assert read(world).own.empty  # two debtors
    world = World().account("a", "d", opened_on="2023-01-01").account("b", "d", opened_on="2023-01-01")
    world = ring(ring(world, "a", 2), "b", 1)
    assert signs(read(world)) == [(RING, "a", 10_000, 2, 2), (RING, "b", 5_000, 1, 1)]
    world.payment("2024-05-01", 1, account_id="a").payment("2024-05-02", 1, account_id="a")
    assert len(read(world).own) == 2
    world.payment("2024-05-03", 1, account_id="a").payment("2024-05-04", 1, account_id="a")
    assert read(world).own.empty  # three of seven


def test_a_payment_is_taken_back_from_nine_tenths_on_and_within_the_days():
    assert signs(read(ring(book("a"), "a", 3, back=4_500))) == [(RING, "a", 13_500, 3, 3)]
    assert read(ring(book("a"), "a", 3, back=4_499)).own.empty
    assert len(read(ring(book("a"), "a", 3), limits=Limits(taken_back_days=5)).own) == 1
    assert read(ring(book("a"), "a", 3), limits=Limits(taken_back_days=4)).own.empty


def test_a_large_payment_by_a_new_method_that_is_taken_back():
    world = book("a")
    for month, method in ((1, "debit"), (2, "debit"), (3, "transfer")):
        world.payment(f"2024-0{month}-05", 1_000 * month, account_id="a", method=method)
    world.payment("2024-05-01", 4_000, account_id="a", payment_id="big", method="card")
    assert read(world).own.empty
    world.reversal("2024-05-20", 4_000, "big", account_id="a")
    (found,) = read(world).own.itertuples()
    assert (found.kind, found.amount, found.usual, found.many) == (CHANGE, 4_000, 2_000, 3)
    assert (found.before, found.after, found.first_on) == ("debit, transfer", "card", day("2024-05-01"))
    assert read(world, limits=Limits(change_times=2.01)).own.empty
    assert read(world, limits=Limits(change_after=4)).own.empty
    world.payment("2024-04-01", 10, account_id="a", method="card")
    assert read(world).own.empty


def test_more_than_was_owed_is_paid_and_a_refund_is_asked_for():
    world = book("a").payment("2024-05-01", 130_000, account_id="a")
    assert read(world).own.empty
    world.contact("2024-05-10", "email", account_id="a", direction="inbound", request="refund")
    assert signs(read(world)) == [(REFUND, "a", 30_000, 1, 0)]
    assert read(world, limits=Limits(refund_share=0.24)).own.empty
    assert read(world, limits=Limits(refund_days=8)).own.empty
    assert signs(read(world, limits=Limits(refund_days=9))) == [(REFUND, "a", 30_000, 1, 0)]


def test_a_refund_asked_for_where_nothing_is_overpaid_is_no_case():
    world = book("a").payment("2024-05-01", 100_000, account_id="a")
    assert read(world.contact("2024-05-10", "call", account_id="a", request="refund")).own.empty


def test_what_a_book_does_not_tell_is_not_judged():
    found = read(ring(book("a"), "a", 1)).judged.set_index("kind")["evidence"].to_dict()
    assert found == {
        "refund_of_overpayment": 0, "reversal_ring": 1, "shared_instrument": 0, "method_change": 1,
        "shared_endpoint": 0,
    }  # fmt: skip
    bare = World().account("a", opened_on="2023-01-01")
    assert read(bare).judged["evidence"].tolist() == [0] * 5
    assert read(bare).judged["accounts"].tolist() == [1] * 5


def test_a_frame_made_before_the_columns_were_known_is_read_without_them():
    world = ring(book("a"), "a", 3).contact("2024-05-10", "call", account_id="a", endpoint_id="e")
    tables = world.tables()
    tables["payments"] = tables["payments"].drop(columns="instrument")
    tables["contacts"] = tables["contacts"].drop(columns="request")
    assert_readings_equal(readings(tables, history(tables, TERMS), NIGHT, USUAL), read(world))


def test_no_model_sees_them():
    wanted = [columns_of(catalogue) for catalogue in (CATALOGUE, WATCH)]
    assert all("instrument" not in own["payments"] for own in wanted)
    assert all("request" not in (own.get("contacts") or ()) for own in wanted)
    world = ring(book("a"), "a", 3, "one").contact("2024-05-10", "call", account_id="a")
    asked = frame_of([("a", NIGHT)])
    before = build(asked, tables_of(world), CATALOGUE, TERMS)
    for row in [*world.rows["payments"], *world.rows["contacts"]]:
        row |= {"instrument": "two", "endpoint_id": "e", "request": "refund"}
    told = world.tables()
    assert set(told["payments"]["instrument"]) == {"two"}
    assert_frame_equal(build(asked, tables_of(world), CATALOGUE, TERMS), before)


# ---- against the judge -----------------------------------------------------------------------------------------------


@st.composite
def told_worlds(draw):
    """A world whose payments tell their instrument, and whose contacts their endpoint and what was asked for."""
    world = draw(worlds.worlds(max_rows=6, links=True))
    return world, draw(st.integers(worlds.START + 20, worlds.START + worlds.SPAN + 30)), draw(st.integers(0, 99))


def with_keys(world: World, salt: int) -> World:
    """Keys by what a row is, so that the lines of one receipt tell the same."""
    made = world.only(lambda *_: True)
    for name, key, columns in (("payments", "payment_id", KEYS), ("contacts", "contact_id", REACHED)):
        for row in made.rows.get(name, []):
            place = hashlib.sha256(f"{salt} {row[key]}".encode()).digest()
            row |= {column: told[place[at] % len(told)] for at, (column, told) in enumerate(columns.items())}
    return made


KEYS = {"instrument": (None, "i1", "i2")}
REACHED = {"endpoint_id": (None, "e1", "e2"), "request": (None, None, "refund")}


def assert_readings_equal(found: Readings, wanted: Readings) -> None:
    for name in ("own", "links", "judged"):
        assert_frame_equal(getattr(found, name), getattr(wanted, name))


def rows_of(frame, *columns: str) -> set[tuple]:
    return {tuple(row) for row in frame[list(columns)].to_numpy(dtype=object).tolist()}


@settings(max_examples=8, deadline=None)
@given(told_worlds())
def test_every_sign_is_what_plain_loops_over_the_delivery_find(case):
    world, night, salt = case
    world = with_keys(world, salt)
    found = read(world, night, SHORT)
    wanted = judge.own_signs(world.rows, night, SHORT, TERMS)
    assert rows_of(found.own, "kind", "debtor_id", "account_id", "amount", "many") == wanted
    wanted = judge.links(world.rows, night, SHORT, TERMS)
    columns = ("kind", "key", "debtor_id", "account_id", "amount", "many", "cycles", "taken_back")
    assert rows_of(found.links, *columns) == wanted


@settings(max_examples=6, deadline=None)
@given(told_worlds(), st.integers(0, 99))
def test_the_order_of_the_rows_changes_nothing(case, seed):
    world, night, salt = case
    world = with_keys(world, salt)
    assert_readings_equal(read(world, night, SHORT, seed), read(world, night, SHORT))


@settings(max_examples=6, deadline=None)
@given(st.data())
def test_what_is_known_from_the_night_on_changes_nothing(data):
    world, night, salt = data.draw(told_worlds())
    larger = with_keys(data.draw(worlds.later_rows(world, night)), salt)
    found = read(with_keys(world, salt), night, SHORT)
    assert_readings_equal(read(larger, night, SHORT), found)


def test_the_test_of_leaks_sees_one():
    world = ring(book("a"), "a", 3)
    for row in world.rows["payments"]:
        if row["kind"] == "reversal":
            row["known_on"] = NIGHT
    assert read(world).own.empty
    assert len(read(world, NIGHT + 1).own) == 1
    found = read(world)
    for row in world.rows["payments"]:  # what would be read by one who looks at known_on too early
        row["known_on"] -= 1
    with pytest.raises(AssertionError, match="shape mismatch"):
        assert_readings_equal(read(world), found)


def test_the_judge_sees_a_sign_that_is_missing():
    world, found = ring(book("a"), "a", 3), judge.own_signs(ring(book("a"), "a", 3).rows, NIGHT, USUAL, TERMS)
    assert found == {("reversal_ring", "d-a", "a", 15_000, 3)}
    assert rows_of(read(world, limits=replace(USUAL, ring_payments=4)).own, "kind") == set()
