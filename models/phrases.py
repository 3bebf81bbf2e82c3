"""What the models say of an account in words of their own, and how a sentence and its figures
are said in a language.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from babel.numbers import format_decimal, format_percent
from babel.units import format_unit

from features.currencies import DECIMALS
from features.spec import PLACEHOLDER

# The age-band table's sentences; all others are the catalogue's.
PAST_DUE = "{span} past due"
PAST_DUE_AND_PAID = "{span} past due; of such accounts about {rate} paid within {horizon}"
PLACED, NOT_PLACED = "Placed {span} ago", "Not yet placed"
ADDS_MORE, ADDS_LESS = "A call adds more: {said}", "A call adds less: {said}"
OWN_SENTENCES = (PAST_DUE, PAST_DUE_AND_PAID, PLACED, NOT_PLACED, ADDS_MORE, ADDS_LESS)

LONGEST_TEXT = 64  # characters of a text, such as a class, in a sentence
ENDS_WITH = re.compile(r": (\{value:(?:count|money)\})$")  # "Payments so far: {value:count}"
UNIT_OF = {"days": "duration-day", "months": "duration-month"}


@dataclass(frozen=True)
class Voice:
    """A language: how its figures read, and its sentences by the English ones.
    What has no sentence there is said in English. percent: what stands behind the figure of a share; nothing: form ->
    the word for a figure of 0 that a sentence ends with.
    """

    language: str = "en"
    percent: str = "%"
    sentences: Mapping[str, str] = field(default_factory=dict)
    nothing: Mapping[str, str] = field(default_factory=lambda: {"count": "none", "money": "nothing"})

    def template(self, english: str) -> str:
        return self.sentences.get(english, english)

    def said(self, english: str, figures: Mapping[str, Any], currency: str) -> str:
        """A sentence with its figures: {hole:form} or {hole} of a number, by hole. One that ends with a figure of 0
        ends with a word: "Falling due in the next 30 days: 0.00" reads as if something did.
        """
        ends = ENDS_WITH.search(english)

        def shown(hole: re.Match[str]) -> str:
            value, form = figures[hole[1] or "value"], hole[2] or "number"
            alone = ends is not None and hole[0] == ends[1]
            if alone and form in self.nothing and float(value) == 0:
                return self.nothing[form]
            return self.figure(value, form, currency)

        return PLACEHOLDER.sub(shown, self.template(english))

    def figure(self, value: Any, form: str, currency: str) -> str:
        """One value in a sentence; money (minor units) with its currency's own decimals."""
        if form == "money":
            decimals = DECIMALS[currency]
            return f"{self._number(float(value) / 10**decimals, decimals)} {currency}"
        if form == "percent":
            return format_percent(float(value), format=_pattern(0) + self.percent, locale=self.language)
        if form in UNIT_OF:
            shown = _pattern(1 if float(value) % 1 else 0)
            return format_unit(float(value), UNIT_OF[form], length="long", format=shown, locale=self.language)
        if form == "count":
            return self._number(float(value), 0)
        if form == "number":
            return self._number(float(value), 1 if float(value) % 1 else 0)
        return " ".join(str(value).split())[:LONGEST_TEXT]

    def _number(self, value: float, decimals: int) -> str:
        return format_decimal(value, format=_pattern(decimals), locale=self.language)


def _pattern(decimals: int) -> str:
    return "#,##0" + ("." + "0" * decimals if decimals else "")


ENGLISH = Voice()
