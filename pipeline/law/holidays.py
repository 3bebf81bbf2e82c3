"""Holidays as the law lists them: typed days in, the set of days of a year out."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

FORMS = ({"month", "day"}, {"month", "nth", "weekday"}, {"month", "day", "weekday_on_or_before"}, {"easter"}, {"date"})
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS = get_args(Weekday)  # from Monday, as datetime counts them
MOVING_YEARS = 5  # single dates in so many years are a day that moves, not days that were held once


class Holiday(BaseModel):
    """One day a year. Exactly one form:

    month + day                          a fixed day, and besides the day on which it is observed (below)
    month + nth + weekday                the nth such weekday of the month, -1 the last
    month + day + weekday_on_or_before   the last such weekday on or before the day
    easter                               days from Easter Sunday (western)
    date                                 one day of one year

    observed: nearest_weekday (Saturday -> Friday, Sunday -> Monday), next_weekday (from a weekend to the next weekday
    that is no holiday), monday_if_sunday, next_free_day_if_sunday (the next day that is no holiday). The day itself
    stays a holiday.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    month: Annotated[int, Field(ge=1, le=12)] | None = None
    day: Annotated[int, Field(ge=1, le=31)] | None = None
    nth: Literal[1, 2, 3, 4, -1] | None = None
    weekday: Weekday | None = None
    weekday_on_or_before: Weekday | None = None
    easter: Annotated[int, Field(ge=-100, le=100)] | None = None
    date: dt.date | None = None
    observed: Literal["nearest_weekday", "next_weekday", "monday_if_sunday", "next_free_day_if_sunday"] | None = None
    from_year: Annotated[int, Field(ge=1900)] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Holiday:
        given = {name for name in set().union(*FORMS) if getattr(self, name) is not None}
        if given not in FORMS:
            forms = " or ".join("+".join(sorted(form)) for form in FORMS)
            raise ValueError(f"must be {forms}. Got {'+'.join(sorted(given)) or 'none'}")
        if self.observed and given != {"month", "day"}:
            raise ValueError("observed belongs to a fixed day")
        if self.day is not None:
            # pyrefly: ignore[bad-argument-type]
            dt.date(2024, self.month, self.day)  # a leap year: 29 February is a day, 30 is not
        return self

    def on(self, year: int) -> dt.date | None:
        if self.from_year is not None and year < self.from_year:
            return None
        if self.date is not None:
            return self.date if self.date.year == year else None
        if self.easter is not None:
            return easter_sunday(year) + dt.timedelta(days=self.easter)
        if self.nth is not None:
            if self.nth > 0:
                # pyrefly: ignore[bad-argument-type]
                first = dt.date(year, self.month, 1)
                return first + dt.timedelta(
                    days=(WEEKDAYS.index(self.weekday) - first.weekday()) % 7 + 7 * (self.nth - 1)
                )
            # pyrefly: ignore[unsupported-operation]
            last = dt.date(year + self.month // 12, self.month % 12 + 1, 1) - dt.timedelta(days=1)
            return last - dt.timedelta(days=(last.weekday() - WEEKDAYS.index(self.weekday)) % 7)
        if (self.month, self.day) == (2, 29) and not (year % 4 == 0 and (year % 100 or year % 400 == 0)):
            return None
        # pyrefly: ignore[bad-argument-type]
        fixed = dt.date(year, self.month, self.day)
        if self.weekday_on_or_before is not None:
            return fixed - dt.timedelta(days=(fixed.weekday() - WEEKDAYS.index(self.weekday_on_or_before)) % 7)
        return fixed


class HolidayList(BaseModel):
    """The days a law or an office names. `source` says which.

    known_through  last day for which the list is whole: where days follow the moon or an order of each year, they stand
                   as single dates, and end. Past it no day is known to be none
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Annotated[str, Field(min_length=1)]
    days: Annotated[tuple[Holiday, ...], Field(min_length=1)]
    known_through: dt.date | None = None
    _years: dict[int, frozenset[dt.date]] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _single_dates_end(self) -> HolidayList:
        dates = [entry.date for entry in self.days if entry.date is not None]
        if self.known_through is None and len({date.year for date in dates}) >= MOVING_YEARS:
            raise ValueError(f"holds single dates until {max(dates)} and must say in known_through how far it is whole")
        if self.known_through is not None and dates and max(dates) > self.known_through:
            raise ValueError(f"known_through must not lie before its last date {max(dates)}. Got {self.known_through}")
        return self

    def knows(self, day: dt.date) -> bool:
        return self.known_through is None or day <= self.known_through

    def holds(self, day: dt.date) -> bool:
        """Whether the day is a holiday, or the day on which one is observed (which may fall
        into the next or the last year).
        """
        return any(day in self.days_of(year) for year in (day.year - 1, day.year, day.year + 1))

    def days_of(self, year: int) -> frozenset[dt.date]:
        """The holidays of a year, and the days on which they are observed."""
        if year not in self._years:
            given = [(entry, day) for entry in self.days if (day := entry.on(year)) is not None]
            days = {day for _, day in given}
            for entry, day in given:
                moved = _observed(day, entry.observed, days)
                if moved is not None:
                    days.add(moved)
            self._years[year] = frozenset(days)
        return self._years[year]


def _observed(day: dt.date, how: str | None, taken: set[dt.date]) -> dt.date | None:
    step = dt.timedelta(days=1)
    if (
        how is None
        or day.weekday() < 5
        or (day.weekday() == 5 and how in ("monday_if_sunday", "next_free_day_if_sunday"))
    ):
        return None
    if how == "nearest_weekday":
        return day - step if day.weekday() == 5 else day + step
    if how == "monday_if_sunday":
        return day + step
    moved = day + step
    while moved in taken or (how == "next_weekday" and moved.weekday() >= 5):
        moved += step
    return moved


def easter_sunday(year: int) -> dt.date:
    """Easter of the western churches: the anonymous Gregorian computus (Meeus, Astronomical Algorithms, chapter 8)."""
    golden, century, rest = year % 19, year // 100, year % 100
    correction = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (rest // 4) - correction - rest % 4) % 7
    leap = (golden + 11 * correction + 22 * weekday) // 451
    month, day = divmod(correction + weekday - 7 * leap + 114, 31)
    return dt.date(year, month, day + 1)
