"""The holidays of debtors' countries as plain days, for the rooms that may not read the law."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from features.days import day_number
from pipeline.law.rule_file import load_rules

FIRST_YEAR, LAST_YEAR = 2000, 2060


class BankHolidays(Mapping[str, Sequence[int]]):
    """Place -> day numbers of its country's holidays; of its own list where the country has none, none where neither
    has. A list is worked out when its place is first asked for.
    """

    def __getitem__(self, place: str) -> tuple[int, ...]:
        return _days_of(place)

    def __iter__(self) -> Iterator[str]:
        return iter(load_rules().places)

    def __bool__(self) -> bool:
        return True

    def __len__(self) -> int:
        return len(load_rules().places)


@cache
def _days_of(place: str) -> tuple[int, ...]:
    rules = load_rules()
    known = [code for code in (place.split("-")[0].split("/")[0], place) if code in rules.places]
    return _days_on(next((named for code in known if (named := rules.holidays_of(code))), ()))


@cache
def _days_on(lists: tuple[str, ...]) -> tuple[int, ...]:
    """Holidays from Monday to Friday on any of the lists."""
    held = [load_rules().holidays[name] for name in lists]
    found = {day for each in held for year in range(FIRST_YEAR, LAST_YEAR) for day in each.days_of(year)}
    return tuple(sorted(day_number(day) for day in found if day.weekday() < 5))
