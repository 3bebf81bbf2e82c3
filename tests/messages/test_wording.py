"""What words do beyond their meaning: tell of a debt, press, take up room."""

from __future__ import annotations

import pytest

from pipeline.messages.wording import PRESSES, TELLS_OF_A_DEBT, segments


@pytest.mark.parametrize(
    ("text", "parts"),
    [("a" * 160, 1), ("a" * 161, 2), ("a" * 307, 3), ("€" * 80, 1), ("€" * 81, 2), ("ó" * 70, 1), ("ó" * 71, 2)],
)
def test_segments_are_those_that_a_network_bills(text, parts):
    assert segments(text) == parts


@pytest.mark.parametrize(
    ("language", "text"),
    [("en", "two days past due"), ("fr", "vos impayés"), ("es", "su deuda"), ("de", "eine Mahnung, Ihre Schulden")],
)
def test_words_that_tell_of_a_debt_are_found_by_their_beginnings(language, text):
    assert TELLS_OF_A_DEBT[language].search(text)


def test_a_word_that_only_holds_another_is_none():
    assert not TELLS_OF_A_DEBT["de"].search("Entschuldigung")
    assert not PRESSES["en"].search("for eleven")
