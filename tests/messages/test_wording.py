"""What words do beyond their meaning: tell of a debt, press, take up room."""

from __future__ import annotations

import pytest

from pipeline.messages.wording import PRESSES, SUM, TELLS_OF_A_DEBT, segments


@pytest.mark.parametrize(
    ("text", "parts"),
    [("a" * 160, 1), ("a" * 161, 2), ("a" * 307, 3), ("€" * 80, 1), ("€" * 81, 2), ("ó" * 70, 1), ("ó" * 71, 2)],
)
def test_segments_are_those_that_a_network_bills(text, parts):
    assert segments(text) == parts


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "you missed a payment"),
        ("en", "legal action follows"),
        ("fr", "vous nous devez tout"),
        ("es", "usted debe algo"),
        ("de", "Zahlungsverzug"),
        ("de", "Vollstreckung folgt"),
        ("en", "two days past due"),
        ("fr", "vos impayés"),
        ("es", "su deuda"),
        ("de", "eine Mahnung, Ihre Schulden"),
    ],
)
def test_words_that_tell_of_a_debt_are_found_by_their_beginnings(language, text):
    assert TELLS_OF_A_DEBT[language].search(text)


def test_a_word_that_only_holds_another_is_none():
    assert not TELLS_OF_A_DEBT["de"].search("Entschuldigung")
    assert not TELLS_OF_A_DEBT["en"].search("as a courtesy")
    assert not PRESSES["en"].search("for eleven")


@pytest.mark.parametrize(
    "text",
    [
        *("EUR 120 is due", "USD 1,200.50", "GBP120", "120 euros", "12 pounds", "CHF 90", "90 CHF", "kr 500", "₹500"),
        *("5€", "€\u00a05", "usd 40", "500 kr", "euros: 120", "12,50", "1'200", "120,-", "120 dólares", "120 złotych"),
    ],
)
def test_a_written_amount_is_found_in_whatever_order(text):
    assert SUM.search(f"see {text} at")


@pytest.mark.parametrize("text", ["call 24/7", "try 2 ways", "all 3", "at 9:30", "text 12345", "kreis 7 helps"])
def test_a_number_that_is_no_amount_is_none(text):
    assert not SUM.search(text)
