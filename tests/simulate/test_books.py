"""The calendar and the births."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from features.days import date_of
from pipeline.simulate.books import accounts_born, calendar, debtors_born


def test_no_payment_is_decided_in_the_days_that_a_february_night_still_reaches():
    months = calendar(40, dt.date(2028, 10, 31))
    starts = [date_of(first) for first in months["first"]]
    barred = {str(start)[:7]: int(days) for start, days in zip(starts, months["barred"], strict=True) if days}
    assert barred == {"2026-03": 2, "2027-03": 2, "2028-03": 1}
    profile = months["profile"]
    assert np.allclose(profile.sum(axis=2), 1)
    assert (profile[starts.index(dt.date(2027, 3, 1)), :, :2] == 0).all()
    assert all(
        (months["next_pay"][m][:, : int(months["length"][m])] >= months["first"][m] + 2).all() for m in range(41)
    )


def test_age_and_sex_shift_the_level_of_means_and_nothing_else():
    debtors = debtors_born(3, np.arange(40_000))
    for name in ("sex", "age_band"):
        groups = pd.Series(debtors["means"] - debtors["level"]).groupby(debtors[name])
        assert (groups.mean().abs() < 5 / np.sqrt(groups.size())).all()
        level = pd.Series(debtors["level"]).groupby(debtors[name]).mean()
        assert 0.01 < level.max() - level.min() < 0.5


def test_instalments_fall_due_on_one_day_of_each_month():
    months = calendar(24, dt.date(2026, 10, 31))
    debtors = debtors_born(1, np.arange(200))
    accounts, items = accounts_born(1, debtors, months)
    loan = int(np.flatnonzero(accounts["items"] == 12)[0])
    due = [date_of(day) for day in items["due_on"][loan, :12]]
    assert {day.day for day in due} == {int(accounts["due_day"][loan])}
    assert [
        (later.year * 12 + later.month) - (day.year * 12 + day.month) for day, later in zip(due, due[1:], strict=False)
    ] == [1] * 11
