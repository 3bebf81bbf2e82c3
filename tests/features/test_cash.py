"""What came in to a book week by week is what plain loops over its payments find; and what was recovered by week is the
label of that horizon.

Also of features.labels.weekly_recovered, and of a panel's cash_of_books.
"""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from features.cohort import scorable
from features.labels import labels_by_terms, weekly_recovered
from features.ledger import history
from features.terms import LabelTerms, Terms
from models.forecast import BACK
from pipeline.panel.panel import cash_of_books
from tests.worlds.labelled import DECIMALS, of_book
from tests.worlds.worlds import SPAN, START, World, day, worlds

AHEAD = 3


def naive(world: World, nights: list[int], maturity_days: int) -> dict[tuple[str, str, int, int], int]:
    """(portfolio, currency, night, week from -BACK) -> net money, in plain loops."""
    rows = world.rows.get("payments", [])
    found: dict[tuple[str, str, int, int], int] = {}
    for account in {row["account_id"] for row in world.rows["accounts"]}:
        versions = [row for row in world.rows["accounts"] if row["account_id"] == account]
        versions.sort(key=lambda row: row["known_at"])
        for night in nights:
            known = [row for row in versions if row["known_on"] < night] or versions[:1]
            book = known[-1]["portfolio"], known[-1]["currency"]
            for week in range(-BACK, AHEAD):
                end = night if week < 0 else night + 7 * (week + 1) + maturity_days
                total = 0
                for row in rows:
                    if row["account_id"] != account or row["kind"] != "payment" or row["known_on"] >= end:
                        continue
                    if not night + 7 * week <= row["occurred_on"] < night + 7 * (week + 1):
                        continue
                    back = [
                        other["amount"]
                        for other in rows
                        if other["kind"] == "reversal"
                        and other["reverses"] == row["payment_id"]
                        and other["account_id"] == account
                        and other["known_on"] < end
                    ]
                    total += row["amount"] - min(sum(back), row["amount"])
                found[*book, night, week] = found.get((*book, night, week), 0) + total
    return {key: total for key, total in found.items() if total}


def by_week(world: World, nights: list[int], maturity_days: int) -> dict[tuple[str, str, int, int], int]:
    tables = world.tables()
    found = cash_of_books(tables, history(tables, Terms()), nights, AHEAD, maturity_days)
    return {
        (*book, night, week): int(came[at, week + BACK])
        for book, came in found.items()
        for at, night in enumerate(nights)
        for week in range(-BACK, AHEAD)
    }


@settings(max_examples=30)
@given(worlds(), st.lists(st.integers(START, START + SPAN), min_size=1, max_size=3, unique=True), st.integers(0, 20))
def test_the_weeks_of_a_book_are_what_plain_loops_find(world: World, nights: list[int], maturity_days: int):
    payments = [row["payment_id"] for row in world.rows.get("payments", ())]
    assume("accounts" in world.rows and payments and len(set(payments)) == len(payments))  # receipts: test_settlements
    found = by_week(world, nights, maturity_days)
    assert {key: total for key, total in found.items() if total} == naive(world, nights, maturity_days)


def test_a_week_behind_knows_nothing_from_the_night_on_and_a_week_ahead_waits_for_what_is_taken_back():
    world = World().account("a", opened_on="2024-01-01").charge("2024-02-20", 1000)
    world.payment("2024-03-06", 100, payment_id="p").payment("2024-03-06", 40, known_at="2024-03-08")
    world.reversal("2024-03-12", 30, "p").payment("2024-03-08", 7)
    night = day("2024-03-08")
    found = by_week(world, [night], maturity_days=3)
    assert found["book", "EUR", night, -1] == 100  # what came late and what was taken back are not known yet
    assert found["book", "EUR", night, 0] == 7
    assert by_week(world, [day("2024-03-01")], 0)["book", "EUR", day("2024-03-01"), 0] == 100
    assert by_week(world, [day("2024-03-01")], 5)["book", "EUR", day("2024-03-01"), 0] == 110


@pytest.mark.parametrize("maturity_days", [0, 3, 20])
def test_what_was_recovered_by_week_is_the_label_of_that_horizon(maturity_days):
    world = of_book()
    tables = world.tables()
    ledger = history(tables, Terms())
    frame = scorable(tables, ledger, [day("2024-02-25"), day("2024-03-01")], Terms()).frame
    complete = day("2024-03-25")
    amounts, seen = weekly_recovered(frame, tables, ledger, 4, maturity_days, complete)
    terms = [LabelTerms(7 * week, maturity_days, 90, 7) for week in range(1, 5)]
    for week, found in enumerate(labels_by_terms(frame, tables, ledger, terms, complete, DECIMALS)):
        labelled = found["recovered_missing"].to_numpy() == ""
        assert ((seen > week) == labelled).all()
        assert (amounts[labelled, week] == found["recovered_amount"].to_numpy()[labelled]).all()
    assert 0 < (seen > 0).sum() < seen.size * 4


def test_an_account_that_moved_brings_its_money_to_the_book_of_the_night():
    world = World().account("a", opened_on="2024-01-01", portfolio="nantes")
    world.account("a", opened_on="2024-01-01", portfolio="lyon", known_at="2024-03-10").charge("2024-01-20", 1000)
    world.payment("2024-03-06", 100).payment("2024-03-14", 60)
    before, after = day("2024-03-08"), day("2024-03-15")
    found = by_week(world, [before, after], 0)
    assert found["nantes", "EUR", before, -1] == 100
    assert found["nantes", "EUR", before, 0] == 60  # what came after, of the accounts that the night knew
    assert found["lyon", "EUR", after, -2] == 100
    assert found["lyon", "EUR", before, 0] == 0
