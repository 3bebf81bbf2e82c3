"""Nothing known on or after as_of can change a feature; and builders that leak are caught."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from features.build import build
from features.catalogue import CATALOGUE, TREATED
from features.tables import TABLES
from features.terms import Terms
from tests.worlds import worlds
from tests.worlds.cohorts import EVERYTHING, frame_of, nights_of, tables_of, with_rates
from tests.worlds.worlds import World, day

NIGHT = day("2024-03-15")


def check_no_leak(builder, world: World, larger: World, night: int, terms: Terms, catalogue=CATALOGUE) -> None:
    """The features of the night are those of the rows known before it, and rows known from it on add nothing."""
    cohort = frame_of(nights_of(world, [night]))
    seen = builder(cohort, tables_of(world), catalogue, terms)
    assert_frame_equal(builder(cohort, tables_of(larger), catalogue, terms), seen)
    assert_frame_equal(builder(cohort, tables_of(world.known_before(night)), catalogue, terms), seen)


@st.composite
def worlds_with_a_later_one(draw):
    world = draw(worlds.worlds(max_rows=5, links=True, treatments=True))
    night = draw(worlds.nights)
    return world, draw(worlds.later_rows(world, night)), night


@pytest.mark.slow
def test_r12_nothing_known_from_as_of_on_can_change_a_feature(attacks):
    @attacks.drawn(worlds_with_a_later_one(), worlds.terms)
    def check(case, terms):
        check_no_leak(build, *case, with_rates(terms), TREATED)

    check()


@settings(max_examples=8, deadline=None)
@given(worlds_with_a_later_one(), worlds.terms)
def test_nor_can_it_change_any_other_aggregate(case, terms):
    check_no_leak(build, *case, with_rates(terms), EVERYTHING)


# Canaries: each builder leaks in one way, and the check above must see it in a world where that way matters.


def small_world() -> World:
    world = World("Europe/Paris").account(opened_on="2024-01-01", placed_on="2024-02-01", principal=90_000)
    world.charge("2024-01-31", 50_000, charge_id="c1").charge("2024-02-29", 40_000, charge_id="c2")
    world.payment("2024-02-10 10:00", 20_000, payment_id="p1", method="card").payment(
        "2024-03-10", 5_000, payment_id="p2"
    )
    world.contact(
        "2024-03-01 09:00", "call", "promise", contact_id="k1", promise_amount=5_000, promise_due_on="2024-03-10"
    )
    world.balance("2024-03-05", 60_000, 60_000, 20)
    return world.status("dispute", "2024-03-02", "2024-03-04")


def known_a_day_early(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    return {name: frame.assign(known_on=frame["known_on"] - 1) for name, frame in tables.items()}


def known_when_it_happened(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    return {
        name: frame.assign(known_on=frame[TABLES[name].position.replace("_at", "_on")])
        if TABLES[name].happened
        else frame
        for name, frame in tables.items()
    }


def statuses_known_for_ever(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    return {**tables, "statuses": tables["statuses"].assign(known_on=0)}


def reversals_known_from_the_start(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    payments = tables["payments"].copy()
    payments.loc[payments["kind"] == "reversal", "known_on"] = payments["known_on"].min()
    return {**tables, "payments": payments}


def last_versions_only(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    charges = tables["charges"].sort_values("known_at")
    first_known = charges.groupby("charge_id")["known_on"].transform("min")
    return {**tables, "charges": charges.assign(known_on=first_known).drop_duplicates("charge_id", keep="last")}


def placements_known_ahead(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    accounts = tables["accounts"].sort_values("known_at").drop_duplicates("account_id", keep="last")
    return {**tables, "accounts": accounts.assign(known_on=0)}


LEAKS = {
    known_a_day_early: lambda world: world.payment("2024-03-14", 700, known_at="2024-03-15 00:00"),
    known_when_it_happened: lambda world: world.contact("2024-03-11 12:00", "call", "refusal", known_at="2024-03-20"),
    statuses_known_for_ever: lambda world: world.status("plan", "2024-03-10", known_at="2024-03-18"),
    reversals_known_from_the_start: lambda world: world.reversal("2024-03-16", 20_000, "p1", known_at="2024-03-17"),
    last_versions_only: lambda world: world.charge("2024-06-30", 40_000, charge_id="c2", known_at="2024-03-16"),
    placements_known_ahead: lambda world: world.account(
        opened_on="2024-01-01", placed_on="2024-03-01", principal=1, known_at="2024-03-16"
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.__name__)
def test_the_leak_test_catches_a_leak(leak):
    def leaky_build(cohort, tables, catalogue, terms):
        return build(cohort, leak(tables), catalogue, terms)

    world, larger = small_world(), LEAKS[leak](small_world())
    check_no_leak(build, world, larger, NIGHT, Terms())
    with pytest.raises(AssertionError, match="are different"):
        check_no_leak(leaky_build, world, larger, NIGHT, Terms())


def test_what_is_known_on_the_last_second_before_as_of_counts_and_on_its_first_does_not():
    world = (
        small_world()
        .payment("2024-03-14 10:00", 1, known_at="2024-03-14 23:59:59")
        .payment("2024-03-14 11:00", 2, known_at="2024-03-15 00:00")
    )
    matrix = build(frame_of([("a", NIGHT), ("a", NIGHT + 1)]), world.tables())
    assert matrix["payments_sum_30d"].tolist() == [5_001, 5_003]


def test_a_clock_change_moves_the_midnight_that_decides():
    """In Paris 31 March 2024 begins at 23:00 UTC of the 30th, 1 April at 22:00 UTC of the 31st."""
    world = World("Europe/Paris").account(opened_on="2024-01-01").charge("2024-02-01", 9_000)
    world.payment("2024-03-30 12:00", 10, known_at="2024-03-30 23:59").payment(
        "2024-03-31 23:59", 20, known_at="2024-03-31 23:59:59"
    )
    nights = [("a", day("2024-03-31")), ("a", day("2024-04-01"))]
    matrix = build(frame_of(nights), world.tables())
    assert matrix["payments_sum_30d"].tolist() == [10, 30]
    assert matrix["payments_days_since_last"].tolist() == [1, 1]


def test_a_column_that_tells_the_outcome_after_as_of_is_not_seen():
    """The sender's own attributes are versions of the account row like any other."""
    world = small_world().account(
        opened_on="2024-01-01", placed_on="2024-02-01", principal=90_000, known_at="2024-03-15 00:00", x_outcome=1.0
    )
    matrix = build(frame_of([("a", NIGHT), ("a", NIGHT + 1)]), world.tables())
    assert matrix["x_outcome"].isna().tolist() == [True, False]
