"""Money, days, shares and counts as a language writes them."""

from __future__ import annotations

import pytest

from pipeline.pages.speech import Speech


@pytest.mark.parametrize(
    ("language", "minor", "currency", "text"),
    [
        ("en", 123456, "EUR", "€1,234.56"),
        ("en", -5, "GBP", "-£0.05"),
        ("en", 1234, "JPY", "JP¥1,234"),
        ("en", 1500, "KWD", "KWD1.500"),
        ("fr", 123456, "EUR", "1\u202f234,56\xa0€"),
        ("fr", 1234, "JPY", "1\u202f234\xa0JPY"),
        ("fr", None, "EUR", "–"),
    ],
)
def test_money_reads_as_the_language_writes_it(language, minor, currency, text):
    assert Speech(language).money(minor, currency).replace("KWD\xa0", "KWD") == text


def test_days_shares_and_counts_read_as_the_language_writes_them():
    english, french = Speech("en"), Speech("fr")
    assert (english.day("2026-10-01"), french.day("2026-10-01", "full")) == ("1 October 2026", "jeudi 1er octobre 2026")
    assert (french.day("2026-10-11"), french.day(None)) == ("11 octobre 2026", "–")
    assert (english.share(0.1234, 1), french.share(0.5), english.share(None)) == ("12.3%", "50\u202f%", "–")
    assert (english.count(12345), french.count(12345)) == ("12,345", "12\u202f345")
    assert (english.month("2026-09"), french.month("2026-09")) == ("Sept 2026", "sept. 2026")


def test_numbers_have_the_decimals_that_are_asked_for_and_next_to_nothing_has_no_sign():
    english, german = Speech("en"), Speech("de")
    assert [english.number(1234.5, places) for places in (None, 0, 2)] == ["1,234.5", "1,234", "1,234.50"]
    assert [german.number(1234.5), german.factor(0.625)] == ["1.234,5", "0,62"]
    assert [english.number(value) for value in (None, float("nan"), float("inf"))] == ["–"] * 3
    assert [english.points(part) for part in (-0.0004, -0.0006, 0.0004, None)] == ["0.0", "-0.1", "0.0", "–"]
