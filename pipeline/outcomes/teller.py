"""Figures of the reports in a language, each marked with its place in figures.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup, escape

from pipeline.pages.language import words
from pipeline.pages.speech import Speech


class Teller:
    """Figures of the reports in a language: each is marked with its place in figures.json,
    so that a page can be checked against it.
    """

    def __init__(self, told: Mapping[str, Any], language: str, prefix: tuple[str, ...] = ()) -> None:
        self.told, self.language, self.prefix = told, language, prefix
        self.words, self.speech = words(language), Speech(language)

    def within(self, *prefix: str) -> Teller:
        """The same, for one part of the figures."""
        return Teller(self.told, self.language, prefix)

    def held(self, *path: str | int) -> Any:
        value: Any = self.told
        for part in (*self.prefix, *path):
            value = value[part]
        return value

    def _marked(self, path: tuple[str | int, ...], unit: str, text: str) -> Markup:
        """unit: count, share, points, factor, or the currency of a sum of money."""
        place = json.dumps((*self.prefix, *path), separators=(",", ":"))
        return Markup('<b data-figure="{}" data-unit="{}">{}</b>').format(place, unit, text)

    def count(self, *path: str | int) -> Markup:
        return self._marked(path, "count", self.speech.count(self.held(*path)))

    def money(self, currency: str, *path: str | int, short: bool = False) -> Markup:
        return self._marked(path, currency, self.speech.money(self.held(*path), currency, short))

    def share(self, *path: str | int, places: int = 0) -> Markup:
        return self._marked(path, "share", self.speech.share(self.held(*path), places))

    def points(self, *path: str | int) -> Markup:
        return self._marked(path, "points", self.speech.points(self.held(*path)))

    def factor(self, *path: str | int) -> Markup:
        return self._marked(path, "factor", self.speech.factor(self.held(*path)))

    def fill(self, key: str, **values: Any) -> Markup:
        """A sentence of the words with its figures in it."""
        return Markup(escape(self.words["report"][key]).format(**values))

    def say(self, key: str, section: str = "client", **values: Any) -> Markup:
        """A sentence of a section of the words with its figures in it."""
        return Markup(escape(self.words[section][key]).format(**values))

    def word(self, section: str, key: str) -> str:
        return self.words[section].get(key) or key.replace("_", " ")
