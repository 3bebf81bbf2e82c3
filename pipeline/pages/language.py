"""The words of the lists and of their reasons: English by key, every other language in a gettext catalogue of its own,
which says the English text again, in the context of its key, beside the translation.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import yaml
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from features.errors import UsageError
from models.phrases import Voice
from pipeline.languages import SOURCE, WORDS_FOLDER, languages

REASONS = "reasons"  # the context of sentences that the models' rooms write


@cache
def words(language: str) -> dict[str, Any]:
    """Every word of a language, by section; a text that nobody translated is English.
    Raises UsageError for a language without a file.
    """
    if language not in languages():
        raise UsageError(f"worklist.language must be one of {', '.join(languages())}. Got {language!r}.")
    if language == SOURCE:
        return yaml.safe_load((WORDS_FOLDER / f"{SOURCE}.yaml").read_text(encoding="utf-8"))
    translated = catalogue(language)
    found = _translated(words(SOURCE), "", translated)
    return {**found, "locale": str(translated.locale).replace("_", "-")}


@cache
def voice(language: str) -> Voice:
    """How the reasons are said: English by the catalogue itself, another language by the sentences of its file."""
    grammar = words(language)["grammar"]
    percent, nothing = grammar["percent"], {form: grammar[f"no_{form}"] for form in ("count", "money")}
    if language == SOURCE:
        return Voice(language, percent, nothing=nothing)
    said = (entry for entry in catalogue(language) if entry.context == REASONS and entry.string and not entry.fuzzy)
    return Voice(language, percent, {str(entry.id): str(entry.string) for entry in said}, nothing)


def small(name: str, language: str) -> str:
    """A word as it stands within a sentence."""
    if name.isupper() or words(language)["grammar"]["small_nouns"] != "yes":
        return name
    return name[:1].lower() + name[1:]


def catalogue(language: str) -> Catalog:
    with (WORDS_FOLDER / f"{language}.po").open("rb") as stream:
        return read_po(stream, ignore_obsolete=True)


def _translated(section: dict[str, Any], path: str, translated: Catalog) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, text in section.items():
        if isinstance(text, dict):
            found[key] = _translated(text, f"{path}{key}.", translated)
        else:
            entry = translated.get(text, f"{path}{key}")
            found[key] = str(entry.string) if entry and entry.string and not entry.fuzzy else text
    return found
