"""Sums around a due day, by hand; tests/treatment/test_due_day.py holds them against the judge."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from features.days import day_number
from models.belief import Curve
from models.due_day import EarlyTerms, MoveTerms, due_date_moves, early_discounts

AS_OF = day_number(dt.date(2026, 10, 1))
MOVING = MoveTerms(14, 1, 5, (0.0, 0.15, 0.3), {"EUR": 300}, 30, 0.08)
EARLY = EarlyTerms((0.005, 0.01), 10, 0, Curve((0.0, 0.01), (0.02, 0.08), (0.0, 0.02), (0.05, 0.15)), 30, 0.08)


def row(**cells) -> pd.DataFrame:
    told = {
        "currency": "EUR", "debtor_type": "commercial", "due_amount": 1_000_000, "due_on": AS_OF + 20, "p_late": 0.5,
        "late_by_days": 60.0, "payday": 8, "moved": 0, "largest": 0.02,
    }  # fmt: skip
    return pd.DataFrame([told | cells])


def test_an_early_discount_by_hand():
    """10,000.00 due in 20 days: with 0.5 it comes in 80. Otherwise 10,000 x (0.5 x 1.08^(-20/365) + 0.5 x
    1.08^(-80/365)) = 9,895.33; half of a per cent off, paid in 10 days: 9,950.00 x 1.08^(-10/365) = 9,929.04; taken
    with 0.05: 0.05 x 33.71 = 1.69. One per cent off, 9,900.00, is worth less than waiting.
    """
    found, why = early_discounts(row(), AS_OF, EARLY)
    told = found.iloc[0]
    assert why.tolist() == [""]
    assert (told["discount"], told["amount"], told["pay_by"]) == (0.005, 995_000, AS_OF + 10)
    assert told["p_take"] == pytest.approx(0.05)
    assert (told["otherwise"], told["paid_money"], told["value"]) == (989_533, 992_904, 169)
    assert told["value_low"] < told["value"] < told["value_high"]


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ({"p_late": np.nan}, "chance_unknown"),
        ({"debtor_type": "consumer"}, "not_commercial"),
        ({"due_on": AS_OF - 1}, "too_late"),
        ({"due_on": AS_OF + 9}, "too_late_to_be_early"),
        ({"p_late": 0.0}, "not_worth_it"),
        ({"largest": 0.0}, "not_worth_it"),
    ],
)
def test_why_there_is_no_early_discount(cells, why):
    found, told = early_discounts(row(**cells), AS_OF, EARLY)
    assert told.tolist() == [why]
    assert (found == 0).all().all()


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ({"p_late": np.nan}, "chance_unknown"),
        ({"payday": 0}, "payday_unknown"),
        ({"due_on": AS_OF - 6}, "too_late"),
        ({"moved": 1}, "moved_before"),
        ({"due_on": day_number(dt.date(2026, 10, 9))}, "payday_too_far"),  # the next payday is a month away
        ({"currency": "KWD", "due_on": AS_OF + 3}, "currency"),
        ({"due_on": AS_OF + 3}, "not_worth_it"),  # so much money waits
        ({"due_on": AS_OF + 3, "due_amount": 5_000}, ""),
        ({"due_on": AS_OF - 5, "due_amount": 1_000, "late_by_days": np.nan}, ""),
    ],
)
def test_when_a_due_day_is_moved(cells, why):
    found, told = due_date_moves(row(**cells), AS_OF, MOVING)
    assert told.tolist() == [why]
    if not why:
        assert found["new_due_on"].tolist() == [day_number(dt.date(2026, 10, 9))]
        assert (found["value"] == found["saved"] + found["sooner"] - found["waits"]).all()
