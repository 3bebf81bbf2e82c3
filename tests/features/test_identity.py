"""Whose identity is to be verified first: cases by hand, and nothing known later changes it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from features.identity import NEW_ENDPOINT, WRONG_PARTY, to_verify
from features.tables import RIGHT_PARTY
from tests.judges import oracle_ledger as books
from tests.worlds import worlds
from tests.worlds.worlds import World, day

NIGHT = day("2024-06-01")


def told(world: World, days: int = 14, night: int = NIGHT) -> list[tuple]:
    return [tuple(row) for row in to_verify(world.tables(categorical=True), night, days).to_numpy().tolist()]


def called(*contacts: tuple) -> World:
    world = World().deliver("accounts", "contacts").account("a", "d", opened_on="2023-01-01")
    world.account("b", "d", opened_on="2023-01-01")
    for when, outcome, endpoint in contacts:
        world.contact(when, "call", outcome, account_id="a", endpoint_id=endpoint)
    return world


@pytest.mark.parametrize("outcome", ["wrong_number", "third_party"])
def test_somebody_else_answered_and_the_debtor_was_not_spoken_to_since(outcome):
    assert told(called(("2024-05-20", outcome, "e"))) == [("d", WRONG_PARTY, day("2024-05-20"))]
    assert told(called(("2024-05-17", outcome, "e"))) == []
    assert told(called(("2024-05-18", outcome, "e"))) == [("d", WRONG_PARTY, day("2024-05-18"))]
    assert told(called(("2024-05-20", outcome, "e"), ("2024-05-25", "promise", "e"))) == []
    spoken_before = called(("2024-05-20", outcome, "e"), ("2024-05-10", "right_party", "e"))
    assert told(spoken_before) == [("d", WRONG_PARTY, day("2024-05-20"))]
    by_other_account = called(("2024-05-20", outcome, "e"))
    by_other_account.contact("2024-05-26", "call", "right_party", account_id="b")
    assert told(by_other_account) == []


def test_a_number_beside_an_older_one_is_new_until_somebody_is_spoken_to_there():
    new = called(("2024-02-01", "right_party", "old"), ("2024-05-22", "no_answer", "new"))
    assert told(new) == [("d", NEW_ENDPOINT, day("2024-05-22"))]
    assert told(new, days=9) == []
    assert told(new.contact("2024-05-28", "call", "right_party", account_id="a", endpoint_id="new")) == []
    assert told(called(("2024-05-22", "no_answer", "first"), ("2024-05-25", "no_answer", "other"))) == []


def test_contacts_that_say_no_number_or_are_not_delivered_say_nothing():
    assert told(called(("2024-02-01", "no_answer", None), ("2024-05-22", "no_answer", None))) == []
    assert told(World().account("a", opened_on="2023-01-01")) == []


@st.composite
def worlds_with_endpoints(draw):
    world = draw(worlds.worlds(max_rows=6, links=True))
    for row in world.rows.get("contacts", []):
        row["endpoint_id"] = (None, "e1", "e2", "e3")[int(row["contact_id"][1:]) % 4]
    return world, draw(st.integers(worlds.START + 20, worlds.START + worlds.SPAN)), draw(st.integers(0, 40))


def by_loops(rows: dict, night: int, days: int) -> list[tuple]:
    said: dict[str, list[dict]] = {}
    for account in sorted({row["account_id"] for row in rows.get("contacts", [])}):
        known = books.account_row(rows, account, night)
        for row in books.in_force(books.rows_of(rows, "contacts", account), ("contact_id",), night):
            if known is not None and row["occurred_on"] < night:
                said.setdefault(known["debtor_id"], []).append(row)
    found = []
    for debtor in sorted(said):
        own = said[debtor]
        wrong = [
            row for row in own
            if row["outcome"] in ("wrong_number", "third_party") and row["occurred_on"] >= night - days
        ]  # fmt: skip
        right = [row for row in own if row["outcome"] in RIGHT_PARTY]
        last = max(wrong, key=lambda row: row["occurred_at"], default=None)
        if last is not None and not any(row["occurred_at"] >= last["occurred_at"] for row in right):
            found.append((debtor, WRONG_PARTY, max(row["occurred_on"] for row in wrong)))
            continue
        first: dict[str, int] = {}
        for row in own:
            if row["endpoint_id"]:
                first[row["endpoint_id"]] = min(first.get(row["endpoint_id"], 10**9), row["occurred_on"])
        spoken = {row["endpoint_id"] for row in right}
        fresh = [on for name, on in first.items() if on >= night - days and name not in spoken]
        if fresh and min(first.values()) < night - days:
            found.append((debtor, NEW_ENDPOINT, max(fresh)))
    return found


@settings(max_examples=20, deadline=None)
@given(worlds_with_endpoints())
def test_plain_loops_say_the_same_in_any_order(case):
    world, night, days = case
    found = told(world, days, night)
    assert found == by_loops(world.rows, night, days)
    again = to_verify(world.tables(3, categorical=False), night, days)
    assert [tuple(row) for row in again.to_numpy().tolist()] == found


@settings(max_examples=8, deadline=None)
@given(st.data())
def test_what_is_known_from_the_night_on_changes_nothing(data):
    world, night, days = data.draw(worlds_with_endpoints())
    larger = data.draw(worlds.later_rows(world, night))
    assert_frame_equal(to_verify(larger.tables(), night, days), to_verify(world.tables(), night, days))


def test_the_types_are_the_same_whoever_is_found():
    for world in (called(), called(("2024-05-20", "wrong_number", "e"))):
        found = to_verify(world.tables(), NIGHT, 14)
        assert (list(found), found["on"].dtype) == (["debtor_id", "why", "on"], np.dtype("int32"))
