"""Roll rates and liquidation on books small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.days import DAY_US
from features.settlements import net_payments, settlements
from features.tables import NO_DAY, NO_MONEY
from models.trade import LEFT_BOOK, PAID, liquidated, liquidation, placement_sums, roll_rates

DAY = 20_089  # 2025-01-01


def test_roll_rates_count_accounts_balance_and_exits():
    cohort = pd.DataFrame(
        {
            "account_no": [1, 2, 3, 4, 5, 1, 2],
            "as_of": [DAY] * 5 + [DAY + 30] * 2,
            "days_past_due": [10, 20, 5, 7, 45, 40, 3],
            "balance": [100, 300, 50, 50, 200, 100, 200],
        }
    )
    recovered = np.array([0, 0, 50, np.nan, 0, np.nan, np.nan])
    table = roll_rates(cohort, recovered, np.full(7, 0.01)).set_index(["from", "to"])
    assert table["accounts"].to_dict() == {
        ("1-29", "1-29"): 1,
        ("1-29", "30-59"): 1,
        ("1-29", PAID): 1,
        ("1-29", LEFT_BOOK): 1,
        ("30-59", LEFT_BOOK): 1,
    }
    assert table.loc[("1-29", "1-29"), "share_balance"] == pytest.approx(300 / 500)
    assert table.groupby("from")["share_accounts"].sum().tolist() == pytest.approx([1, 1])
    assert list(table.index)[-1] == ("30-59", LEFT_BOOK)  # in the order of the buckets


def test_one_night_has_no_rolls():
    cohort = pd.DataFrame({"account_no": [1], "as_of": [DAY], "days_past_due": [1], "balance": [1]})
    assert not len(roll_rates(cohort, np.array([0.0]), np.ones(1)))


def books(known_before: int = DAY + 101) -> tuple[pd.DataFrame, pd.DataFrame]:
    accounts = pd.DataFrame(
        {
            "account_no": [1, 2, 3, 4],
            "placed_on": [DAY, DAY + 10, NO_DAY, DAY + 40],
            "placed_amount": [1_000, 3_000, 500, NO_MONEY],
        }
    )
    rows = [
        (1, "a", DAY - 5, 999, "payment", None),  # before placement
        (1, "b", DAY, 100, "payment", None),
        (1, "c", DAY + 31, 200, "payment", None),
        (1, "d", DAY + 65, 200, "reversal", "c"),
        (1, "e", DAY + 2, 70, "credit", None),  # a waiver is no cash
        (2, "f", DAY + 12, 300, "payment", None),
        (3, "g", DAY + 12, 400, "payment", None),  # never placed
        (4, "h", DAY + 41, 400, "payment", None),  # no placed amount
        (1, "i", DAY - 1, 5, "reversal", "a"),
    ]
    payments = pd.DataFrame(rows, columns=["account_no", "payment_id", "occurred_on", "amount", "kind", "reverses"])
    days = payments["occurred_on"].astype("int32")
    payments = payments.assign(
        occurred_on=days,
        known_on=days,
        occurred_at=days.astype("int64") * DAY_US,
        known_at=days.astype("int64") * DAY_US,
    )
    return accounts, net_payments(settlements(payments, accounts["account_no"].to_numpy()), known_before)


def test_liquidation_is_net_cash_over_the_placed_amount():
    accounts, payments = books()
    found = liquidation(accounts, payments, np.array([1.0, 1.0, 1.0, 1.0]), DAY + 10 + 90)
    assert found["placed_in"].tolist() == ["2025-01"] * 3
    assert found["accounts"].tolist() == [2] * 3
    assert found["month"].tolist() == [1, 2, 3]
    assert found["cash"].tolist() == [400, 400, 400]
    assert found["rate"].tolist() == pytest.approx([0.1, 0.1, 0.1])
    assert liquidation(accounts, payments, np.array([2.0, 0.5, 1, 1]), DAY + 10 + 90)["placed"].iloc[0] == 3_500


def test_a_reversal_is_taken_off_in_its_payments_month_once_it_is_known():
    """What came back in the third month was paid in the second: before it is known the curve shows it there,
    afterwards nowhere.
    """
    accounts, before = books(known_before=DAY + 65)
    assert liquidation(accounts, before, np.ones(4), DAY + 10 + 90)["cash"].tolist() == [400, 600, 600]
    accounts, after = books(known_before=DAY + 66)
    assert liquidation(accounts, after, np.ones(4), DAY + 10 + 90)["cash"].tolist() == [400, 400, 400]


def test_a_month_not_yet_lived_through_by_all_is_not_shown():
    accounts, payments = books()
    assert liquidation(accounts, payments, np.ones(4), DAY + 10 + 58)["month"].tolist() == [1]
    assert liquidation(accounts, payments, np.ones(4), DAY + 10 + 59)["month"].tolist() == [1, 2]


def test_parts_of_a_book_add_up_to_the_book():
    """As where each shard is read by itself; one of them holds no placed account."""
    accounts, payments = books()
    unit, through = np.array([2.0, 0.5, 1, 1]), DAY + 10 + 90
    parts = []
    for numbers in ([1], [2, 4], [3]):
        own = accounts["account_no"].isin(numbers).to_numpy()
        paid = payments[payments["account_no"].isin(numbers)]
        parts.append(placement_sums(accounts[own].reset_index(drop=True), paid, unit[own], through))
    whole = liquidation(accounts, payments, unit, through)
    assert len(whole) == 3
    pd.testing.assert_frame_equal(liquidated(parts, through), whole)
    assert not len(liquidated(parts[2:], through))


def test_without_placed_amounts_there_is_no_liquidation():
    accounts, payments = books()
    assert not len(liquidation(accounts.assign(placed_amount=NO_MONEY), payments, np.ones(4), DAY + 500))
