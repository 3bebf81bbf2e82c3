"""The languages that the product speaks: English, in which it is written, and one file of words for each other."""

from __future__ import annotations

from functools import cache
from pathlib import Path

SOURCE = "en"
WORDS_FOLDER = Path(__file__).parent / "pages" / "words"


@cache
def languages() -> tuple[str, ...]:
    """Their codes, in order: the source, and each CODE.po of the folder."""
    return tuple(sorted([SOURCE, *(place.stem for place in WORDS_FOLDER.glob("*.po"))]))
