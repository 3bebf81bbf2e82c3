"""Which debtors are one person, before a judge that follows every chain by hand: each night, never a day before."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from features.aliases import AS_DELIVERED, Link, in_circles, known_before, links_of, persons, renamed, with_aliases
from features.build import build
from features.cohort import scorable
from features.ledger import history
from features.terms import Terms
from tests.judges.oracle_ledger import person
from tests.worlds.cohorts import frame_of
from tests.worlds.worlds import START, World, day, instants, nights

NAMES = ("d0", "d1", "d2", "d3")


@st.composite
def chains(draw) -> World:
    """Accounts of four debtors, and links that lead from each to one further on, or back to itself."""
    world = World(draw(st.sampled_from(("UTC", "Pacific/Kiritimati"))))
    for number in range(draw(st.integers(1, 5))):
        for _ in range(draw(st.sampled_from((1, 1, 2, 3)))):
            world.account(
                f"a{number}", NAMES[number % 4], opened_on=START - 5, known_at=draw(instants()), principal=number
            )
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, 2))
        other = draw(st.sampled_from((None, NAMES[place], *NAMES[place + 1 :])))
        world.same(NAMES[place], other, draw(instants()))
    for name in ("accounts", "debtors"):
        key = name.removesuffix("s") + "_id"
        kept = {(row[key], row["known_at"]): row for row in world.rows.get(name, [])}
        world.rows[name] = list(kept.values())
    return world


def debtors_on(world: World, night: int) -> dict[str, str]:
    """Account -> debtor of its last version known before the night, as features and law see it."""
    accounts = world.tables()["accounts"]
    known = accounts[accounts["known_on"] < night].sort_values("known_at").drop_duplicates("account_id", keep="last")
    return dict(zip(known["account_id"], known["debtor_id"], strict=True))


@settings(max_examples=50, deadline=None)
@given(chains(), nights)
def test_on_each_night_an_account_is_of_the_last_debtor_of_its_chain(world: World, night: int):
    known = {row["account_id"]: row["debtor_id"] for row in world.rows["accounts"] if row["known_on"] < night}
    assert debtors_on(world, night) == {name: person(world.rows, owner, night) for name, owner in known.items()}
    links = known_before(world.links(), night)
    assert {links.get(name, name) for name in NAMES} == {person(world.rows, name, night) for name in NAMES}


@settings(max_examples=50, deadline=None)
@given(chains(), nights)
def test_a_link_known_from_a_night_on_changes_nothing_that_the_night_sees(world: World, night: int):
    seen = world.tables()["accounts"]
    earlier = world.only(lambda name, row: name != "debtors" or row["known_on"] < night).tables()["accounts"]
    columns = ["account_id", "debtor_id", "known_at", "principal", "opened_on"]
    assert [name for name in seen if name != AS_DELIVERED] == [name for name in earlier if name != AS_DELIVERED]
    of_then = seen[seen["known_on"] < night][columns].reset_index(drop=True)
    assert_frame_equal(of_then, earlier[earlier["known_on"] < night][columns].reset_index(drop=True))


@settings(max_examples=50, deadline=None)
@given(chains())
def test_a_person_holds_all_whom_links_ever_joined(world: World):
    names = persons(world.links())
    for night in sorted({row["known_on"] + 1 for row in world.rows["debtors"]}):
        for name in NAMES:
            assert names.get(name, name) == names.get(person(world.rows, name, night), person(world.rows, name, night))
    assert set(names.values()) <= set(names)


def test_accounts_without_a_link_are_handed_back_as_they_are():
    accounts = World().account("a", "d", opened_on="2026-01-01").tables()["accounts"]
    assert with_aliases(accounts, []) is accounts
    assert with_aliases(accounts, [Link("x", "y", 0, 0)]) is accounts
    names = accounts["debtor_id"]
    assert renamed(names, {}) is names


def merged_customers() -> World:
    """Two invoices of 70 and 30 of two records, found to be one customer on 20 February."""
    world = World("Europe/Paris").deliver("payments", "contacts", "statuses")
    world.account("old", "former", opened_on="2025-01-01").account("new", "latter", opened_on="2025-01-01")
    world.charge("2026-01-31", 7_000, account_id="old").charge("2026-01-31", 3_000, account_id="new")
    return world.same("former", "latter", "2026-02-20")


@pytest.mark.parametrize(
    ("night", "accounts", "arrears"), [("2026-02-20", [1, 1], [7_000, 3_000]), ("2026-02-21", [2, 2], [10_000, 10_000])]
)
def test_merged_customers_are_one_person_from_the_day_after_it_became_known(night, accounts, arrears):
    tables = merged_customers().tables()
    cohort = scorable(tables, history(tables, Terms()), [day(night)], Terms()).frame.set_index("account_id")
    cohort = cohort.loc[["old", "new"]].reset_index()
    matrix = build(cohort, tables)
    assert matrix["debtor_accounts"].tolist() == accounts
    assert matrix["debtor_arrears"].tolist() == arrears


def test_a_link_that_is_taken_back_is_gone_from_then_on():
    tables = merged_customers().same("former", None, "2026-02-25").tables()
    days = [day("2026-02-20"), day("2026-02-21"), day("2026-02-25"), day("2026-02-26")]
    cohort = scorable(tables, history(tables, Terms()), days, Terms()).frame
    found = build(cohort, tables)["debtor_accounts"].groupby(cohort["as_of"].to_numpy()).max()
    assert found.tolist() == [1, 2, 2, 1]


def test_an_account_that_opens_after_the_link_is_of_the_last_debtor_from_its_first_day():
    world = (
        merged_customers()
        .account("late", "former", opened_on="2026-03-01")
        .charge("2026-03-02", 500, account_id="late", known_at="2026-03-01")
    )
    assert debtors_on(world, day("2026-03-02")) == {"old": "latter", "new": "latter", "late": "latter"}
    assert build(frame_of([("late", day("2026-03-05"))]), world.tables())["debtor_accounts_ever"].tolist() == [3]


def in_turn(*pairs: tuple[str, str]) -> list[Link]:
    return [Link(one, other, at, at) for at, (one, other) in enumerate(pairs)]


@pytest.mark.parametrize(
    ("links", "is_new", "circle"),
    [
        (in_turn(("a", "b"), ("b", "c")), (True, True), []),
        (in_turn(("a", "b"), ("b", "a")), (True, True), [0, 1]),
        (in_turn(("a", "b"), ("b", "a")), (False, True), [1]),
        (in_turn(("a", "b"), ("b", "c"), ("x", "y"), ("c", "a")), (True, True, True, True), [0, 1, 3]),
        (in_turn(("a", "b"), ("a", "a"), ("b", "a")), (True, True, True), []),  # the first was taken back before
        (in_turn(("b", "a"), ("a", "b"), ("a", "a")), (True, True, True), [0, 1]),
        (in_turn(("a", "a")), (True,), []),
    ],
)
def test_links_of_a_circle_are_refused_and_no_others(links, is_new, circle):
    assert in_circles(links, is_new) == circle


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd"), st.integers(0, 5)), max_size=8))
def test_what_is_left_after_circles_are_refused_has_none(drawn):
    told = {(one, at): Link(one, other, at, at) for one, other, at in drawn}
    links = sorted(told.values(), key=lambda link: (link.known_at, link.debtor_id))
    refused = in_circles(links, [True] * len(links))
    left = [link for place, link in enumerate(links) if place not in refused]
    for night in range(1, 8):
        following = {link.debtor_id: link.same_as for link in left if link.known_on < night}
        for name in following:
            passed = [name]
            while (name := following.get(name, name)) != passed[-1]:
                assert name not in passed
                passed.append(name)


def test_links_come_in_the_order_in_which_they_became_known_and_an_empty_one_leads_to_itself():
    frame = pd.DataFrame({"debtor_id": ["b", "a"], "same_as": [None, "b"], "known_at": [9, 5], "known_on": [1, 0]})
    assert links_of(frame) == [Link("a", "b", 5, 0), Link("b", "b", 9, 1)]
    assert renamed(pd.Series(["a", "z"], dtype="str"), {"a": "b"}).tolist() == ["b", "z"]


@settings(max_examples=25, deadline=None)
@given(chains())
def test_versions_stay_in_the_order_of_the_store(world: World):
    accounts = world.tables()["accounts"]
    keys = [accounts[name].to_numpy() for name in ("known_at", "opened_on", "account_no")]
    assert (np.lexsort(keys) == np.arange(len(accounts))).all()
