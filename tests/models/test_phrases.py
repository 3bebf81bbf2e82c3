"""Figures and sentences of the reasons in a language."""

from __future__ import annotations

from models.phrases import Voice


def test_figures_read_as_in_their_language():
    english, french = Voice("en"), Voice("fr", "\u202f%")
    assert english.figure(123456.0, "money", "EUR") == "1,234.56 EUR"
    assert french.figure(123456.0, "money", "EUR") == "1\u202f234,56 EUR"
    assert english.figure(123456.0, "money", "JPY") == "123,456 JPY"
    assert english.figure(1500.0, "money", "KWD") == "1.500 KWD"
    assert english.figure(0.256, "percent", "") == "26%"
    assert french.figure(0.256, "percent", "") == "26\u202f%"
    assert [english.figure(value, "days", "") for value in (0.0, 1.0, 12.0)] == ["0 days", "1 day", "12 days"]
    assert [french.figure(value, "days", "") for value in (0.0, 1.0, 12.0)] == ["0\xa0jour", "1\xa0jour", "12\xa0jours"]
    assert english.figure(1.0, "months", "") == "1 month"
    assert french.figure(3.0, "months", "") == "3\xa0mois"
    assert english.figure(3.0, "count", "") == "3"
    assert english.figure(2.54, "number", "") == "2.5"
    assert english.figure(2.0, "number", "") == "2"
    assert english.figure(" bank  card ", "text", "") == "bank card"


def test_what_has_no_sentence_in_the_language_is_said_in_english():
    french = Voice("fr", sentences={"Balance: {value:money}": "Solde : {value:money}"})
    assert french.template("Balance: {value:money}") == "Solde : {value:money}"
    assert french.template("Arrears: {value:money}") == "Arrears: {value:money}"


def test_a_figure_of_nothing_at_the_end_of_a_sentence_is_a_word():
    english = Voice("en")
    due, paid = "Falling due in the next 30 days: {value:money}", "Payments in the last 30 days: {value:count}"
    assert english.said(due, {"value": 0.0}, "EUR") == "Falling due in the next 30 days: nothing"
    assert english.said(due, {"value": 1.0}, "EUR") == "Falling due in the next 30 days: 0.01 EUR"
    assert english.said(paid, {"value": 0.0}, "EUR") == "Payments in the last 30 days: none"
    kept = "Kept {kept:count} of {made:count} promises"
    assert english.said(kept, {"kept": 0.0, "made": 2.0}, "EUR") == "Kept 0 of 2 promises"
    french = Voice("fr", sentences={due: "À échoir sous 30 jours : {value:money}"}, nothing={"money": "rien"})
    assert french.said(due, {"value": 0.0}, "EUR") == "À échoir sous 30 jours : rien"
