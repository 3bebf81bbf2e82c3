"""Figures as people of a language write them: money, dates, counts and shares, by Babel's data of the language."""

from __future__ import annotations

import datetime as dt
import math
import re
from decimal import Decimal

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal, format_percent

from features.currencies import DECIMALS
from pipeline.pages.language import words

DASH = "–"


class Speech:
    """The figures of one language. None reads as a dash."""

    def __init__(self, language: str) -> None:
        spoken = words(language)
        self.locale = Locale.parse(spoken["locale"], sep="-")
        self._percent = spoken["grammar"]["percent"]

    def money(self, minor: int | None, currency: str, short: bool = False) -> str:
        """Minor units of a currency; short leaves the decimals out, rounded half-even."""
        if minor is None:
            return DASH
        places = 0 if short else DECIMALS[currency]
        number = "#,##0" + ("." + "0" * places if places else "")
        pattern = f"¤{number}" if self._sign_first() else f"{number}\xa0¤"
        units = Decimal(minor).scaleb(-DECIMALS[currency])
        return format_currency(units, currency, format=pattern, locale=self.locale, currency_digits=False)

    def _sign_first(self) -> bool:
        return self.locale.currency_formats["standard"].pattern.lstrip("\u200e\u200f").startswith("¤")

    def count(self, number: int | None) -> str:
        return DASH if number is None else format_decimal(number, locale=self.locale)

    def number(self, value: float | None, places: int | None = None) -> str:
        """With so many decimals; as many as it has, up to ten, where None. What is no number reads as a dash."""
        if value is None or not math.isfinite(value):
            return DASH
        decimals = "#" * 10 if places is None else "0" * places
        return format_decimal(value, format="#,##0" + (f".{decimals}" if decimals else ""), locale=self.locale)

    def factor(self, value: float | None) -> str:
        """A ratio, such as of odds, with two decimals."""
        return self.number(value, 2)

    def points(self, part: float | None) -> str:
        """A part of 1 as a number of 100, with one decimal; next to nothing has no sign."""
        if part is None:
            return DASH
        return format_decimal(100 * part if abs(part) > 0.0005 else 0, format="#,##0.0", locale=self.locale)

    def share(self, part: float | None, places: int = 0) -> str:
        if part is None:
            return DASH
        shape = "#,##0" + ("." + "0" * places if places else "")
        return format_percent(part, format=shape + self._percent, locale=self.locale)

    def day(self, day: dt.date | str | None, shape: str = "long") -> str:
        """A date; `shape` is Babel's (full, long, medium, short)."""
        if day is None:
            return DASH
        date = dt.date.fromisoformat(day) if isinstance(day, str) else day
        text = format_date(date, shape, locale=self.locale)
        # Babel's patterns do not know that French says "1er septembre".
        return (
            re.sub(r"(^|\s)1 ", r"\g<1>1er ", text, count=1) if self.locale.language == "fr" and date.day == 1 else text
        )

    def month(self, name: str, short: bool = False) -> str:
        """A month given as 2026-09."""
        return format_date(dt.date.fromisoformat(f"{name}-01"), "MMM" if short else "MMM y", locale=self.locale)
