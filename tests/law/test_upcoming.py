"""Dated law ahead is announced: what begins, what ends, and holidays that are known no further."""

from __future__ import annotations

import datetime as dt

import pytest

from features.errors import ContractError
from pipeline.law.upcoming import ahead, announced
from pipeline.night.night import law_ahead
from pipeline.pages.rule_words import sentence
from pipeline.params import load
from tests.worlds.eligibility_worlds import HOUSE, PARAMS, RULES

SAMPLE = load(HOUSE / "params.yaml")

NOVEMBER = dt.date(2026, 11, 29)


def test_the_rule_that_revokes_everywhere_is_announced_with_the_places_signed_off():
    text = announced(RULES, PARAMS, NOVEMBER, 90)
    assert text.startswith("Dated law from 2026-11-30 through 2027-02-27:")
    assert "2027-01-31  US  signed off\n  US.tcpa_revoke_all begins: No contact by autodial, voicemail, sms" in text
    assert "FCC order DA 26-12 of 2026-01-06 [secondary, NOT verified]" in text


def test_the_night_warns_of_law_that_changes_soon_where_somebody_signed():
    told = "Contact law changes within 30 days, first on 2027-01-31: US."
    assert law_ahead(dt.date(2027, 1, 2), SAMPLE) == [told]
    assert law_ahead(dt.date(2026, 12, 31), SAMPLE) == []
    assert sentence(told, "fr") == "Le droit sur les contacts change d'ici 30 jours, d'abord le 31 janvier 2027 : US."
    unsigned = SAMPLE.eligibility.model_copy(update={"signed_off": ("FR", "EU")})
    assert law_ahead(dt.date(2027, 1, 2), SAMPLE.model_copy(update={"eligibility": unsigned})) == []


def test_holidays_that_are_known_no_further_are_announced():
    assert "2026-12-31  HU" in announced(RULES, PARAMS, NOVEMBER, 90)
    singapore = announced(RULES, PARAMS, dt.date(2030, 12, 1), 60, "SG")
    assert "2030-12-31  SG" in singapore
    assert "The holidays of SG are known through this day" in singapore
    assert "MY" not in singapore


@pytest.mark.parametrize(("first", "told"), [("2027-01-30", True), ("2027-01-31", False), ("2026-11-01", False)])
def test_what_begins_is_told_until_it_has_begun(first, told):
    found = ahead(RULES, dt.date.fromisoformat(first), dt.date.fromisoformat(first) + dt.timedelta(days=90))
    assert ("US" in {place for _, place, _ in found}) is told


def test_what_ends_is_told_with_its_last_day():
    """Of the rules of New York City one ends on 2026-08-31, and another begins on the next day."""
    found = list(ahead(RULES, dt.date(2026, 8, 1), dt.date(2026, 9, 30)))
    days = {(day.isoformat(), place) for day, place, _ in found}
    assert {("2026-08-31", "US-NY/NYC"), ("2026-09-01", "US-NY/NYC")} <= days


def test_one_place_is_told_with_what_lies_above_it():
    assert "2027-01-31  US" in announced(RULES, PARAMS, NOVEMBER, 90, "US-TX")
    assert announced(RULES, PARAMS, NOVEMBER, 90, "FR") == "Dated law from 2026-11-30 through 2027-02-27: none."
    with pytest.raises(ContractError, match="'ZZ' is not in the rule file"):
        announced(RULES, PARAMS, NOVEMBER, 90, "ZZ")
