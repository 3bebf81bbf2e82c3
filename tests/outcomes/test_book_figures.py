"""Figures of a book, by hand."""

from __future__ import annotations

import datetime as dt

import pandas as pd

from features.days import day_number
from pipeline.outcomes.book_figures import Span, _by_list, _liquidation, _months_before

# ---- by hand ---------------------------------------------------------------------------------------------------------


def test_liquidation_by_hand():
    day = day_number(dt.date(2026, 1, 1))
    placed = pd.DataFrame(
        {"account_no": [1, 2], "placed_on": [day, day + 10], "placed_amount": [60_00, 40_00], "currency": "EUR"}
    )
    paid = pd.DataFrame(
        {
            "account_no": [1, 1, 2, 2],
            "occurred_on": [day - 1, day + 29, day + 10, day + 45],
            "amount": [500, 1000, 500, 700],
        }
    )
    found = _liquidation({"placed": placed, "payments": paid}, "EUR", Span(day + 60, day + 75))
    month, accounts, amount, shares = found[0]
    assert (month, accounts, amount) == ("2026-01", 2, 100_00)
    # the second account is not 90 days old, and what came before placement does not count
    assert shares[:3] == [0.15, 0.22, None]


def test_lists_by_hand():
    rows = pd.DataFrame({"as_of": [1, 1, 2], "expected": [100, 300, 100], "recovered": [50, 0, 200]})
    assert _by_list(rows) == {
        "count": 2,
        "ratio": 0.5,
        "newest": [["1970-01-02", 2, 400, 50], ["1970-01-03", 1, 100, 200]],
    }
    assert _by_list(rows.iloc[:0]) == {}


def test_months_are_whole_ones():
    assert _months_before(day_number(dt.date(2026, 3, 15)))[-2:] == ["2026-01", "2026-02"]
