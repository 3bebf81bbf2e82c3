"""Figures of a report page as a reader takes them: by the place that each is marked with."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

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


class Drawn(HTMLParser):
    """What is said under the plots of a page for who cannot see them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        told = dict(attributes)
        if tag == "svg":
            self.said.append(told["aria-label"] or "")


def drawn_figures(text: str) -> dict[str, list[list[list[float]]]]:
    """Title of a plot -> for each plot of that title, for each of its parts, the numbers in it."""
    found: dict[str, list[list[list[float]]]] = {}
    for said in Drawn(text).said:
        title, parts = said.split(": ", 1)
        numbers = [re.findall(r"[\d,]*\.?\d+", part) for part in parts.split("; ")]
        found.setdefault(title, []).append([[float(each.replace(",", "")) for each in part] for part in numbers])
    return found


def differences(told: Any, judged: Any, at: tuple = ()) -> list[tuple]:
    """Places at which figures are not what the judge says; what work added may differ by a rounding."""
    if isinstance(told, dict) and isinstance(judged, dict):
        names = sorted({*told, *judged})
        return [place for name in names for place in differences(told.get(name), judged.get(name), (*at, name))]
    if isinstance(told, list) and isinstance(judged, list) and len(told) == len(judged):
        pairs = enumerate(zip(told, judged, strict=True))
        return [place for name, pair in pairs for place in differences(*pair, (*at, name))]
    rounding = {"money": 1, "total": 1, "paid": 1e-4} if "added" in at else {}
    within = next((rounding[name] for name in at if name in rounding), None)
    if within is not None and isinstance(told, float | int) and isinstance(judged, float | int):
        return [] if abs(told - judged) <= within else [at]
    return [] if told == judged else [at]
