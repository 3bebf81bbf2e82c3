"""The day against the standard library's own calendar."""

from __future__ import annotations

import calendar
import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.days import (
    DAY_MINUTES,
    DAY_SECONDS,
    DAY_US,
    date_of,
    dates,
    day_number,
    day_of_text,
    day_text,
    day_texts,
    days_left_in_month,
    days_of_month,
    first_of_month,
    instant_of,
    month_texts,
    months_of_year,
    weekdays,
)
from features.kernel import month_and_day
from features.tables import DAY_HIGH, DAY_LOW, NO_DAY

DATES = st.dates(dt.date(1900, 1, 1), dt.date(9999, 12, 31))


@given(DATES)
def test_a_day_its_date_and_its_texts_are_one_day(date):
    day = day_number(date)
    assert date_of(day) == date_of(np.int32(day)) == date
    assert day_text(day) == date.isoformat()
    assert day_of_text(date.isoformat()) == day
    assert str(dates([day])[0])[:10] == day_texts([day])[0] == date.isoformat()
    assert month_texts([day])[0] == date.isoformat()[:7]


@given(DATES)
def test_weekday_and_day_of_month_are_the_calendars(date):
    day = np.array([day_number(date)], np.int32)
    assert weekdays(day)[0] == date.weekday()
    assert days_of_month(day)[0] == date.day
    assert months_of_year(day)[0] == date.month
    assert days_left_in_month(day)[0] == calendar.monthrange(date.year, date.month)[1] - date.day


@given(DATES)
def test_the_loops_know_the_same_months(date):
    assert month_and_day(np.int32(day_number(date))) == (date.year * 12 + date.month - 1, date.day)


@given(st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(9999, 12, 31)))
def test_an_instant_is_a_day_and_what_has_passed_of_it(moment):
    since = dt.timedelta(hours=moment.hour, minutes=moment.minute, seconds=moment.second)
    passed = int(since.total_seconds()) * 1_000_000 + moment.microsecond
    assert instant_of(day_number(moment.date()) * DAY_US + passed) == moment.replace(tzinfo=dt.UTC)
    assert dt.timedelta(microseconds=DAY_US) == dt.timedelta(seconds=DAY_SECONDS) == dt.timedelta(minutes=DAY_MINUTES)


@given(st.dates(dt.date(1901, 1, 1), dt.date(9998, 12, 31)), st.integers(-12, 12))
def test_months_begin_on_their_first_day(date, after):
    month = date.year * 12 + date.month - 1 + after
    assert date_of(first_of_month(day_number(date), after)) == dt.date(month // 12, month % 12 + 1, 1)


def test_the_bounds_of_the_contract_are_its_dates():
    assert [day_text(day) for day in (DAY_LOW, 0, DAY_HIGH)] == ["1900-01-01", "1970-01-01", "9999-12-31"]


def test_an_empty_day_has_no_date():
    with pytest.raises(OverflowError, match="must have magnitude"):
        date_of(NO_DAY)
