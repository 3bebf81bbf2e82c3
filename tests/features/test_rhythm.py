"""How a debtor pays what is billed: by hand, against plain loops, and blind to what became known later."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.build import build
from features.catalogue import ON_RHYTHM, WATCH
from features.declarations import Catalogue
from features.tables import TABLES
from features.terms import Terms
from tests.judges.oracle import differences
from tests.worlds import worlds
from tests.worlds.cohorts import DECIMALS, frame_of, nights_of, tables_of, with_rates
from tests.worlds.worlds import World, day

RHYTHM = Catalogue(ON_RHYTHM)
declared = st.dictionaries(
    st.sampled_from(("book", "shop")), st.sampled_from([frozenset(TABLES) - {name} for name in TABLES]), max_size=2
)
feeds = st.dictionaries(
    st.sampled_from(("charges", "payments", "statuses")),
    st.fixed_dictionaries({"book": worlds.nights, "shop": worlds.nights}),
    max_size=2,
)


def cells(world: World, night: str, account_id: str = "a", terms: Terms | None = None) -> dict[str, float | None]:
    matrix = build(frame_of([(account_id, day(night))]), world.tables(), RHYTHM, terms or Terms(decimals=DECIMALS))
    return {name: None if matrix[name].isna().item() else matrix[name].item() for name in matrix}


def firm() -> World:
    """Two invoices of one firm on two accounts and a loan of two instalments: paid 10 late, 2 early, one on the day."""
    world = World().account("a", "firm", opened_on="2024-01-01").account("b", "firm", opened_on="2024-01-01")
    world.charge("2024-02-01", 300, kind="invoice", charge_id="i1", issued_on="2024-01-01")
    world.charge("2024-03-01", 100, kind="invoice", charge_id="i2", issued_on="2024-01-01")
    world.charge("2024-03-05", 100, account_id="b", charge_id="l1").charge(
        "2024-06-05", 100, account_id="b", charge_id="l2"
    )
    world.payment("2024-02-11", 300, charge_id="i1").payment("2024-02-28", 100, charge_id="i2")
    return world.payment("2024-03-05", 100, account_id="b").deliver("statuses")


def test_days_after_due_are_counted_over_all_accounts_of_the_debtor():
    found = cells(firm(), "2024-05-20")
    assert found["items_settled_365d"] == 3
    assert found["days_after_due_mean_365d"] == pytest.approx((10 - 2 + 0) / 3)
    assert found["days_after_due_weighted_365d"] == pytest.approx((300 * 10 - 100 * 2) / 500)
    assert (found["days_after_due_large_365d"], found["days_after_due_small_365d"]) == (10, -1)
    assert found["days_after_due_mean_90d"] == -1  # i2 and l1, paid since 20 February
    assert found["days_after_due_trend_90d"] == pytest.approx(-1 - 8 / 3)
    assert (found["items_due_365d"], found["items_late_365d"], found["never_late"]) == (3, 1, 0)
    assert (found["last_item_days_late"], found["days_since_late_item"]) == (0, 109)
    assert (found["open_items"], found["open_items_late"], found["open_items_late_share"]) == (1, 0, 0)


def test_an_open_item_is_as_late_as_its_due_day_is_past_and_may_be_disputed():
    world = firm().charge("2024-05-01", 50, charge_id="i3", kind="invoice", issued_on="2024-04-01")
    found = cells(world, "2024-05-20")
    assert (found["last_item_days_late"], found["open_items_late_share"]) == (19, 0.5)
    disputed = world.status("dispute", "2024-05-02", charge_id="i3")
    assert cells(disputed, "2024-05-20")["open_items_disputed_share"] == 0.5
    assert cells(disputed.status("dispute", "2024-05-02", account_id="b"), "2024-05-20")["open_items_disputed"] == 2


def test_money_settles_what_it_names_first_and_then_the_oldest_due():
    world = World().account(opened_on="2024-01-01")
    world.charge("2024-02-01", 100, charge_id="c1").charge("2024-03-01", 100, charge_id="c2")
    named = world.only(lambda *_: True).payment("2024-03-01", 130, charge_id="c2").payment("2024-03-06", 70)
    assert cells(named, "2024-04-01")["days_after_due_mean_ever"] == pytest.approx((0 + 34) / 2)
    oldest = world.payment("2024-03-01", 130).payment("2024-03-06", 70)
    assert cells(oldest, "2024-04-01")["days_after_due_mean_ever"] == pytest.approx((29 + 5) / 2)


def test_whoever_was_never_late_would_be_late_for_the_first_time():
    world = World().account(opened_on="2024-01-01").charge("2024-02-01", 100).payment("2024-02-08", 100)
    assert cells(world, "2024-03-01")["never_late"] == 1
    later = World().account(opened_on="2024-01-01").charge("2024-02-01", 100).payment("2024-02-09", 100)
    assert cells(later, "2024-03-01")["never_late"] == 0
    assert cells(World().account(opened_on="2024-01-01").charge("2024-04-01", 1), "2024-03-01")["never_late"] is None


def test_the_next_due_day_is_told_by_its_place_in_month_and_week():
    found = cells(firm(), "2024-03-02", "b")  # due on 5 March, a Tuesday
    assert [found[f"next_due_{name}"] for name in ("day_of_month", "weekday", "days_to_month_end")] == [5, 1, 26]
    assert cells(firm(), "2024-06-06", "b")["next_due_day_of_month"] is None


def test_the_use_of_a_credit_limit_is_in_whole_units_of_the_currency():
    world = World().account(opened_on="2024-01-01", x_credit_limit=20.0).charge("2024-02-01", 500)
    world.deliver("payments")
    assert cells(world, "2024-02-05")["credit_limit_use"] == 0.25
    assert cells(firm(), "2024-02-05")["credit_limit_use"] is None


@st.composite
def cases(draw):
    world = draw(worlds.worlds(max_rows=6, links=True, contacts=False))
    return world, sorted(draw(st.lists(worlds.nights, min_size=1, max_size=3, unique=True)))


@settings(max_examples=17, deadline=None)
@given(cases(), worlds.terms, st.booleans(), declared, feeds)
def test_the_rhythm_equals_the_plain_loops(case, terms, categorical, delivers, complete):
    world, nights = case
    terms = replace(with_rates(terms), delivers=delivers)
    pairs, tables = nights_of(world, nights), tables_of(world, categorical=categorical)
    matrix = build(frame_of(pairs), tables, RHYTHM, terms, complete_through=complete)
    assert differences(matrix, world, pairs, terms, RHYTHM.with_attributes(tables["accounts"]), complete) == []


@settings(max_examples=15, deadline=None)
@given(cases(), worlds.terms, st.data())
def test_nothing_known_from_the_night_on_changes_the_rhythm(case, terms, data):
    world, nights = case
    night = nights[0]
    larger = data.draw(worlds.later_rows(world, night))
    pairs = frame_of(nights_of(world, [night]))
    seen = build(pairs, tables_of(world.known_before(night)), RHYTHM, with_rates(terms))
    assert build(pairs, tables_of(larger), RHYTHM, with_rates(terms)).equals(seen)


def test_a_payment_known_too_early_would_be_seen():
    """Canary of the check above."""
    world = firm().charge("2024-05-01", 50, charge_id="i3", kind="invoice", issued_on="2024-04-01")
    late = world.payment("2024-05-15", 50, charge_id="i3", known_at="2024-05-25")
    assert cells(late, "2024-05-20")["open_items_late"] == 1
    tables = late.tables()
    leaky = {**tables, "payments": tables["payments"].assign(known_on=tables["payments"]["occurred_on"])}
    assert build(frame_of([("a", day("2024-05-20"))]), leaky, RHYTHM)["open_items_late"].tolist() == [0]


def test_the_watch_catalogue_says_nothing_of_overdue_accounts():
    assert {entry.name for entry in ON_RHYTHM} <= set(WATCH.names)
    assert not [entry.name for entry in WATCH if "overdue or placed" in (entry.says or "")]
