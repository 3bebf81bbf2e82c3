"""The watch cohort and its labels against hand-computed cases and plain loops.

Of cohort.py and labels.py.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.cohort import WATCH_COLUMNS, WATCH_REASONS, watched
from features.labels import watch_labels
from features.ledger import history
from features.terms import Terms, WatchTerms
from tests.judges import oracle_ledger as books
from tests.worlds.cases import FAR
from tests.worlds.worlds import SPAN, START, World, day, later_rows, nights, terms, worlds

some_nights = st.lists(st.integers(START, START + SPAN), min_size=1, max_size=3)
watch_terms = st.builds(
    WatchTerms,
    days_ahead=st.integers(1, 25),
    late_days=st.builds(lambda a, b: {"consumer": a, "commercial": b}, st.integers(1, 9), st.integers(1, 9)),
    rolled_days=st.integers(1, 20),
    maturity_days=st.integers(0, 10),
)
SHORT = WatchTerms(days_ahead=10, late_days={"consumer": 3, "commercial": 6}, rolled_days=8, maturity_days=2)


def watch(world: World, as_of, terms: Terms = Terms(), ahead: WatchTerms = SHORT):  # noqa: B008
    return watched(world.tables(), None, as_of, terms, ahead)


def judged_late(world: World, as_of, ahead: WatchTerms = SHORT, complete: int = FAR, terms: Terms = Terms()):  # noqa: B008
    tables = world.tables()
    ledger = history(tables, terms)
    frame = watched(tables, ledger, as_of, terms, ahead).frame
    return frame, watch_labels(frame, tables, ledger, ahead, complete)


def loan(**columns) -> World:
    """Three instalments of 100, known from the first day, of a debtor who has paid the first one."""
    world = World().account(opened_on="2024-01-01", **columns).deliver("payments", "statuses")
    for due_on in ("2024-02-01", "2024-03-01", "2024-04-01"):
        world.charge(due_on, 100)
    return world.payment("2024-01-30", 100)


@pytest.mark.parametrize(
    ("night", "due", "amount"),
    [
        ("2024-02-20", None, 0),  # ten days end on 29 February
        ("2024-02-21", "2024-03-01", 100),
        ("2024-03-01", "2024-03-01", 100),  # due today: not overdue before tomorrow
    ],
)
def test_what_falls_due_in_the_window_is_watched(night, due, amount):
    frame = watch(loan(), [day(night)]).frame
    assert frame["next_due_on"].tolist() == ([] if due is None else [day(due)])
    assert frame["due_amount"].tolist() == ([] if due is None else [amount])


def test_an_overdue_account_is_no_longer_watched():
    found = watch(loan(), [day("2024-03-02")])
    assert found.frame.empty
    assert found.counts.set_index("reason")["accounts"].to_dict()["overdue"] == 1


def test_money_paid_ahead_and_several_charges_of_one_window_are_added_up():
    world = loan().charge("2024-03-04", 40, kind="fee", known_at="2024-02-01").payment("2024-02-25", 30)
    frame = watch(world, [day("2024-02-28")]).frame
    assert (frame["due_amount"].item(), frame["next_due_on"].item()) == (110, day("2024-03-01"))
    whole = watch(world.payment("2024-02-27", 70), [day("2024-02-28")]).frame
    assert (whole["due_amount"].item(), whole["next_due_on"].item()) == (40, day("2024-03-04"))


def test_a_book_without_charges_has_no_watch_cohort_and_is_counted_so():
    world = World().account(opened_on="2024-01-01", portfolio="card").deliver("payments", "charges", "statuses")
    world.balance("2024-02-01", 100, 0, 0)
    told = Terms(delivers={"card": frozenset({"accounts", "balances", "payments", "statuses"})})
    for terms_of_it, why in ((told, "no_charges"), (Terms(), "nothing_due")):
        counts = watch(world, [day("2024-02-20")], terms_of_it).counts.set_index("reason")["accounts"]
        assert counts[counts > 0].to_dict() == {why: 1}


@pytest.mark.parametrize(
    ("paid_on", "late", "rolled"),
    [("2024-03-01", 0, 0), ("2024-03-02", 0, 0), ("2024-03-04", 1, 0), ("2024-03-20", 1, 1)],
)
def test_late_means_that_days_past_due_reach_the_days_of_the_debtor_type(paid_on, late, rolled):
    """Due on 1 March, a payment of the 2nd is known on the night of the 3rd, which is 2 days past due."""
    frame, found = judged_late(loan().payment(paid_on, 100), [day("2024-02-25")])
    assert frame["next_due_on"].tolist() == [day("2024-03-01")]
    assert (found["late"].item(), found["rolled"].item()) == (late, rolled)
    firm = loan(debtor_type="commercial")
    assert judged_late(firm.payment("2024-03-04", 100), [day("2024-02-25")])[1]["late"].item() == 0


def test_a_label_waits_for_its_last_day_and_maturity():
    night = day("2024-02-25")
    for complete, late, rolled in ((14, "immature", "immature"), (15, "", "immature"), (20, "", "")):
        _, found = judged_late(loan(), [night], complete=night + complete)
        assert (found["late_missing"].item(), found["rolled_missing"].item()) == (late, rolled)
        assert np.isnan(found["late"].item()) == bool(late)


@settings(max_examples=15, deadline=None)
@given(worlds(contacts=False, links=True), terms, some_nights, watch_terms)
def test_equals_the_oracle(world: World, terms: Terms, as_of: list[int], ahead: WatchTerms):
    cohort = watch(world, as_of, terms, ahead)
    counted, expected = Counter(), []
    for account_id in {row["account_id"] for row in world.rows["accounts"]}:
        for night in set(as_of):
            why, due, first = books.watch_reason(world.rows, account_id, night, terms, ahead)
            if why is None:
                continue
            account = books.account_row(world.rows, account_id, night)
            counted[night, account["portfolio"], why] += 1
            if why == "watch":
                expected.append((account["account_no"], night, account["debtor_id"], first, due))
    own = cohort.frame[["account_no", "as_of", "debtor_id", "next_due_on", "due_amount"]]
    assert list(own.itertuples(index=False, name=None)) == sorted(expected)
    assert {row[:3]: row[3] for row in cohort.counts.itertuples(index=False, name=None) if row[3]} == dict(counted)


@settings(max_examples=20, deadline=None)
@given(worlds(contacts=False), terms, some_nights, watch_terms, st.integers(START + 20, START + SPAN + 90))
def test_labels_equal_the_oracle(world: World, terms: Terms, as_of, ahead: WatchTerms, complete: int):
    frame, found = judged_late(world, as_of, ahead, complete, terms)
    told = found.astype(object).where(found.notna(), None).to_dict("records")
    assert told == [
        books.watch_labels(world.rows, row.account_id, row.as_of, terms, ahead, complete) for row in frame.itertuples()
    ]


@settings(max_examples=15, deadline=None)
@given(worlds(contacts=False), st.integers(START + 5, START + 30), watch_terms, st.data())
def test_what_becomes_known_after_a_label_matures_changes_it_no_more(world: World, night: int, ahead, data):
    matured = night + ahead.days_ahead + max(*ahead.late_days.values(), ahead.rolled_days) + ahead.maturity_days
    frame, found = judged_late(world, [night], ahead)
    later = data.draw(later_rows(world, matured))
    # counts when ever known
    later = later.only(lambda name, row: row.get("status") != "outcome_unknown" or row in world.rows[name])
    pd.testing.assert_frame_equal(judged_late(later, [night], ahead)[0], frame)
    pd.testing.assert_frame_equal(judged_late(later, [night], ahead)[1], found)


@settings(max_examples=20, deadline=None)
@given(worlds(contacts=False), terms, nights, st.data())
def test_nothing_known_from_the_night_on_changes_the_cohort(world: World, terms: Terms, night: int, data):
    earlier, later = world.known_before(night), data.draw(later_rows(world, night))
    for part in ("frame", "counts"):
        pd.testing.assert_frame_equal(
            getattr(watch(earlier, [night], terms), part), getattr(watch(later, [night], terms), part)
        )


def test_a_due_day_that_moves_after_the_night_is_a_leak_that_the_check_would_see():
    """Canary: with the whole history for what was known, the window of 25 February would be empty."""
    moved = loan().only(lambda *_: True)
    first = next(row for row in moved.rows["charges"] if row["due_on"] == day("2024-03-01"))
    moved.charge("2024-06-01", 100, charge_id=first["charge_id"], known_at="2024-02-26")
    night, end = day("2024-02-25"), day("2024-02-25") + SHORT.days_ahead
    assert watch(moved, [night]).frame["due_amount"].tolist() == [100]
    tables = moved.tables()
    leaky = {name: frame.assign(known_on=np.minimum(frame["known_on"], night - 1)) for name, frame in tables.items()}
    assert watched(leaky, None, [night], Terms(), SHORT).frame.empty
    assert end < day("2024-06-01")


def test_nobody_watched_is_an_empty_cohort_with_all_columns():
    found = watch(loan(), [day("2024-02-10")])
    assert tuple(found.frame.columns) == WATCH_COLUMNS
    assert found.counts["reason"].tolist() == list(WATCH_REASONS)
    assert judged_late(loan(), [day("2024-02-10")])[1].empty
    assert watch(loan(), [day("2024-02-25")], ahead=replace(SHORT, days_ahead=1)).frame.empty
