"""Figures of a report page as a reader takes them: by the place that each is marked with."""

from __future__ import annotations

import json
from decimal import Decimal
from html.parser import HTMLParser

from tests.judges.client_judge import PLACES


class Marked(HTMLParser):
    """Place of every figure of a page -> (its unit, its text)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[tuple, tuple[str, str]] = {}
        self._at: tuple | None = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        told = dict(attributes)
        if "data-figure" in told:
            self._at = tuple(json.loads(told["data-figure"]))
            self.found[self._at] = (told["data-unit"], "")

    def handle_data(self, data):
        if self._at is not None:
            unit, text = self.found[self._at]
            self.found[self._at] = (unit, text + data)

    def handle_endtag(self, tag):
        self._at = None


def read(unit: str, text: str) -> int | float | None:
    """An English figure as a number: minor units of money, parts of 1 of a share."""
    if text == "–":
        return None
    number = Decimal("".join(sign for sign in text if sign.isdigit() or sign in ".-"))
    if unit in ("share", "points"):
        return float(number) / 100
    return int(number if unit == "count" else number.scaleb(PLACES.get(unit, 2)))
