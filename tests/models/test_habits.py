"""How a debtor pays by himself, against plain loops over a calendar; what is not known yet changes nothing."""

from __future__ import annotations

import datetime as dt
import statistics

import numpy as np
import pandas as pd
import pytest

from models.habits import PAYDAY_DAYS, PAYDAY_REACH, PAYDAY_SHARE, SPAN_DAYS, habits
from tests.judges.treatment_judge import date, day

AS_OF = day(dt.date(2026, 10, 1))


def paid(*rows: tuple[int, str, int]) -> pd.DataFrame:
    days = [day(dt.date.fromisoformat(on)) for _, on, _ in rows]
    return pd.DataFrame({"debtor": [row[0] for row in rows], "day": days, "amount": [row[2] for row in rows]})


def monthly(*days: str, amount: int = 5_000) -> pd.DataFrame:
    return paid(*((0, each, amount) for each in days))


def by_loops(payments: pd.DataFrame, debtor: int) -> tuple[float, float, int]:
    sums: dict[int, int] = {}
    for row in payments.to_dict("records"):
        if row["debtor"] == debtor and AS_OF - SPAN_DAYS <= row["day"] < AS_OF and row["amount"] > 0:
            sums[row["day"]] = sums.get(row["day"], 0) + row["amount"]
    days = sorted(sums)
    if len(days) < 2:
        return np.nan, np.nan, 0
    gaps = [later - sooner for sooner, later in zip(days, days[1:], strict=False)]
    gap = max(statistics.mean(gaps), (AS_OF - days[0]) / len(days))
    at = [31 if (date(each) + dt.timedelta(days=1)).day == 1 else date(each).day for each in days]
    near = {
        one: (sum(min((one - other) % 31, (other - one) % 31) <= PAYDAY_REACH for other in at), at.count(one), -one)
        for one in range(1, 32)
    }
    best = max(near, key=lambda one: near[one])
    sure = len(days) >= PAYDAY_DAYS and near[best][0] >= PAYDAY_SHARE * len(days)
    return statistics.median(sums.values()), gap, best if sure else 0


def test_habits_are_those_of_plain_loops():
    draw = np.random.default_rng(4)
    many = 3_000
    payments = pd.DataFrame(
        {
            "debtor": draw.integers(0, 300, many),
            "day": AS_OF - draw.integers(-30, 500, many),
            "amount": draw.integers(-200, 9_000, many),
        }
    )
    found = habits(payments, 302, AS_OF)
    for debtor in range(302):
        usual, gap, payday = by_loops(payments, debtor)
        told = found.iloc[debtor]
        assert told["usual_payment"] == pytest.approx(usual, nan_ok=True)
        assert told["usual_gap_days"] == pytest.approx(gap, nan_ok=True)
        assert told["payday"] == payday
    assert len(found) == 302


def test_the_last_day_of_every_month_is_one_payday():
    ends = monthly("2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31", "2026-06-30")
    assert habits(ends, 1, AS_OF)["payday"].tolist() == [31]
    around = monthly("2026-04-30", "2026-06-01", "2026-06-30", "2026-08-01", "2026-08-31")
    assert habits(around, 1, AS_OF)["payday"].tolist() == [31]


def test_whoever_stopped_long_ago_does_not_pay_each_month():
    began = monthly("2025-11-01", "2025-12-01", "2026-01-01")
    assert habits(began, 1, AS_OF)["usual_gap_days"][0] == pytest.approx((AS_OF - day(dt.date(2025, 11, 1))) / 3)
    steady = monthly(*(f"2026-{month:02}-05" for month in range(1, 10)))
    assert habits(steady, 1, AS_OF)["usual_gap_days"][0] < 31


def test_one_payment_is_no_habit():
    found = habits(monthly("2026-09-01"), 1, AS_OF).iloc[0]
    assert np.isnan(found["usual_payment"])
    assert np.isnan(found["usual_gap_days"])
    assert found["payday"] == 0
    assert habits(monthly("2026-09-01").iloc[:0], 2, AS_OF)["payday"].tolist() == [0, 0]


def test_what_came_on_one_day_is_one_payment():
    twice = paid((0, "2026-08-01", 2_000), (0, "2026-08-01", 3_000), (0, "2026-09-01", 5_000))
    assert habits(twice, 1, AS_OF)["usual_payment"].tolist() == [5_000]


def test_nothing_from_as_of_on_changes_a_habit():
    known = monthly("2026-06-05", "2026-07-05", "2026-08-05", "2026-09-05")
    later = pd.concat([known, monthly("2026-10-01", "2026-11-05", amount=90_000)], ignore_index=True)
    pd.testing.assert_frame_equal(habits(later, 1, AS_OF), habits(known, 1, AS_OF))
