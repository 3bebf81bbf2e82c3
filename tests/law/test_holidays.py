"""Holidays against regulators' lists, another library and a slow reading.

Also of bank_holidays.py.
"""

from __future__ import annotations

import copy
import datetime as dt

import holidays
import pytest
from dateutil.easter import easter

from features.days import date_of
from pipeline.law.holidays import HolidayList, easter_sunday
from tests.judges.contact_judge import holidays as slow_reading
from tests.worlds.eligibility_worlds import RAW, RULES
from tests.worlds.worlds import day


@pytest.mark.parametrize("year", range(1995, 2045))
def test_easter_is_easter(year):
    assert easter_sunday(year) == easter(year)


@pytest.mark.parametrize(
    ("name", "date", "holds"),
    [
        ("US", "2026-07-03", True),
        ("US", "2026-11-26", True),
        ("US", "2021-06-18", True),
        ("US", "2020-06-19", False),
        ("US", "2021-12-31", True),
        ("GB-ENG", "2022-01-03", True),
        ("GB-ENG", "2027-12-27", True),
        ("GB-ENG", "2027-12-28", True),
        ("GB-ENG", "2026-04-06", True),
        ("GB-SCT", "2026-08-03", True),
        ("FR", "2026-05-14", True),
        ("FR", "2026-04-03", False),
        ("JP", "2026-09-22", True),
        ("JP", "2026-05-06", True),
        ("JP", "2026-05-07", False),
        ("CA-ON", "2026-05-18", True),
        ("CA-QC", "2029-07-02", True),
        ("AU", "2026-04-05", True),
        ("AU", "2026-12-28", True),
        ("AU", "2026-12-29", False),
        ("NZ", "2026-07-10", True),
        ("NL", "2026-04-27", True),
        ("IE", "2026-02-02", True),
        ("DE", "2026-10-03", True),
    ],
)
def test_holiday_lists_name_the_days_of_the_law(name, date, holds):
    """Taken from the calendars of governments: observed days, moving days, days that began or were held once."""
    assert RULES.holidays[name].holds(dt.date.fromisoformat(date)) is holds


YEARS = range(2022, 2031)


LEFT_OUT = {  # what a list says of itself that it does not hold, and a word of its source that says so
    "CA-QC": "list of the Office",  # the regulator's own list knows no moved Christmas, New Year or Saint John's Day
    "IN": "differ by state",
    "RU": "moved days",
}


def missing_from(name: str, lists) -> list[str]:
    """Public holidays of the `holidays` package that the list of a place, with its country's, does not hold."""
    country, _, subdivision = name.partition("-")
    held = [lists[name], *([lists["AU"]] if name == "AU-SA" else [])]
    theirs = holidays.country_holidays(country, subdiv=subdivision or None, years=YEARS)
    days = sorted(date for date in theirs if date.year in YEARS and not any(one.holds(date) for one in held))
    return [f"{date}: {theirs.get(date)}" for date in days]


@pytest.mark.parametrize("name", sorted(set(RULES.holidays) - set(LEFT_OUT)))
def test_no_public_holiday_that_the_holidays_package_knows_is_missing(name):
    assert missing_from(name, RULES.holidays) == []


@pytest.mark.parametrize("name", sorted(LEFT_OUT))
def test_a_list_that_is_not_whole_says_so(name):
    assert missing_from(name, RULES.holidays) != []
    assert LEFT_OUT[name] in RAW["holidays"][name]["source"]


def test_a_day_taken_off_a_list_would_be_seen():
    fewer = copy.deepcopy(RAW["holidays"]["FR"])
    fewer["days"] = [entry for entry in fewer["days"] if entry != {"month": 7, "day": 14}]
    assert any("07-14" in found for found in missing_from("FR", {"FR": HolidayList.model_validate(fewer)}))


def test_every_holiday_list_agrees_with_a_slow_reading():
    dates = [date_of(number) for number in range(day("2024-01-01"), day("2030-01-01"))]
    for name, days in RULES.holidays.items():
        slowly = slow_reading(RAW["holidays"][name]["days"], 2023, 2030)
        assert [date for date in dates if days.holds(date) != (date in slowly)] == [], name


def test_a_list_that_lives_on_single_dates_must_say_how_far_it_is_whole():
    moving = [{"date": f"{year}-02-0{year % 9 + 1}"} for year in range(2026, 2031)]
    with pytest.raises(ValueError, match="holds single dates until 2030-02-06 and must say in known_through"):
        HolidayList.model_validate({"source": "a gazette", "days": moving})
    with pytest.raises(ValueError, match="known_through must not lie before its last date 2030-02-06. Got 2029-12-31"):
        HolidayList.model_validate({"source": "a gazette", "days": moving, "known_through": "2029-12-31"})
    whole = HolidayList.model_validate({"source": "a gazette", "days": moving, "known_through": "2030-12-31"})
    assert whole.knows(dt.date(2030, 12, 31))
    assert not whole.knows(dt.date(2031, 1, 1))


def test_every_list_beyond_easter_and_fixed_days_says_how_far_it_is_known():
    """The days that the package knows in years to come and that no rule of a list gives stand as dates."""
    for name, known in RULES.holidays.items():
        ahead = {entry.date.year for entry in known.days if entry.date is not None and entry.date.year > 2026}
        assert known.known_through is not None or not ahead, name
