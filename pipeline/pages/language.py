"""The words of the lists and of their reasons, one file per language."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from features.errors import UsageError
from models.phrases import Voice

WORDS_FOLDER = Path(__file__).parent / "words"


@cache
def languages() -> tuple[str, ...]:
    return tuple(sorted(place.stem for place in WORDS_FOLDER.glob("*.yaml")))


@cache
def words(language: str) -> dict[str, Any]:
    """Every word of a language, by section. Raises UsageError for a language without a file."""
    if language not in languages():
        raise UsageError(f"worklist.language must be one of {', '.join(languages())}. Got {language!r}.")
    return yaml.safe_load((WORDS_FOLDER / f"{language}.yaml").read_text(encoding="utf-8"))


@cache
def voice(language: str) -> Voice:
    """How the reasons are said: English by the catalogue itself, another language by the sentences of its file."""
    return Voice(language, words(language).get("reasons", {}))
