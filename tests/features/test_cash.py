"""What came in to a book week by week is what plain loops over its payments find; and what was recovered by week is the
label of that horizon.

Also of features.labels.weekly_recovered.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from features.cash import cash_by_week
from features.cohort import scorable
from features.labels import labels_by_terms, weekly_recovered
from features.ledger import history
from features.terms import LabelTerms, Terms
from features.versions import arranged
from tests.worlds.labelled import DECIMALS, of_book
from tests.worlds.worlds import SPAN, START, World, day, worlds

BACK, AHEAD = 2, 3


def naive(world: World, nights: list[int], maturity_days: int) -> dict[tuple[str, int, int], int]:
    """(book, night, week from -BACK) -> net money, in plain loops."""
    rows = world.rows.get("payments", [])
    found: dict[tuple[str, int, int], int] = {}
    for account in {row["account_id"] for row in world.rows["accounts"]}:
        versions = [row for row in world.rows["accounts"] if row["account_id"] == account]
        book = max(versions, key=lambda row: row["known_at"])["portfolio"]
        for night in nights:
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
                found[book, night, week] = found.get((book, night, week), 0) + total
    return found


def by_week(world: World, nights: list[int], maturity_days: int) -> dict[tuple[str, int, int], int]:
    tables = world.tables()
    paid = history(tables, Terms()).settlements
    newest = (
        arranged(tables["accounts"], "accounts")
        .drop_duplicates("account_no", keep="last")
        .set_index("account_no")["portfolio"]
    )
    names = sorted(set(newest.astype("str")))
    books = np.array([names.index(str(newest[number])) for number in paid.accounts])
    found = cash_by_week(paid, books, len(names), nights, BACK, AHEAD, maturity_days)
    return {
        (name, night, week): int(found[place, at, week + BACK])
        for place, name in enumerate(names)
        for at, night in enumerate(nights)
        for week in range(-BACK, AHEAD)
    }


@settings(max_examples=60)
@given(worlds(), st.lists(st.integers(START, START + SPAN), min_size=1, max_size=3, unique=True), st.integers(0, 20))
def test_the_weeks_of_a_book_are_what_plain_loops_find(world: World, nights: list[int], maturity_days: int):
    payments = [row["payment_id"] for row in world.rows.get("payments", ())]
    assume("accounts" in world.rows and payments and len(set(payments)) == len(payments))  # receipts: test_settlements
    assert by_week(world, nights, maturity_days) == naive(world, nights, maturity_days)


def test_a_week_behind_knows_nothing_from_the_night_on_and_a_week_ahead_waits_for_what_is_taken_back():
    world = World().account("a", opened_on="2024-01-01").charge("2024-02-20", 1000)
    world.payment("2024-03-06", 100, payment_id="p").payment("2024-03-06", 40, known_at="2024-03-08")
    world.reversal("2024-03-12", 30, "p").payment("2024-03-08", 7)
    night = day("2024-03-08")
    found = by_week(world, [night], maturity_days=3)
    assert found["book", night, -1] == 100  # what came late and what was taken back are not known yet
    assert found["book", night, 0] == 7
    assert by_week(world, [day("2024-03-01")], 0)["book", day("2024-03-01"), 0] == 100
    assert by_week(world, [day("2024-03-01")], 5)["book", day("2024-03-01"), 0] == 110


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
