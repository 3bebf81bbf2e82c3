"""Law that nobody read never widens our own rules; it may narrow them."""

from __future__ import annotations

import pytest

from features.days import date_of
from features.tables import NO_TIME
from pipeline.law.binding import GIVING_WAY, Binding
from pipeline.law.eligibility import check, rulings
from pipeline.law.hours import instant
from pipeline.law.question import Case
from pipeline.law.rules import CONTACT_CHANNELS, TimeBarred
from tests.worlds.eligibility_worlds import (
    MONDAY,
    PARAMS,
    RULES,
    a_world,
    account,
    an_account,
    calls,
    channel,
    cohort_of,
    hours,
    judged,
    rule_of,
    small_file,
    written,
)
from tests.worlds.worlds import day


def case_of(world, night: int) -> Case:
    through = {"contacts": night - 1, "statuses": night - 1}
    return Case(cohort_of(world), world.tables(), RULES, PARAMS, through)


def test_unread_hours_wider_than_ours_open_nothing():
    """JP.hours are daily 08:00-21:00 from memory: ours close at 20:00, on Sundays and on holidays."""
    world = a_world("JP", "agency")
    assert hours(channel(judged(world), world, "call")) == "08:00-19:45"
    assert channel(judged(world, MONDAY - 1), world, "call")["rule"] == "product.hours"


def test_unread_hours_narrower_than_ours_narrow_them():
    """IN.hours, read in the press alone: 08:00-19:00."""
    world = a_world("IN", "owner", "Asia/Kolkata")
    assert hours(channel(judged(world), world, "call")) == "08:00-18:45"


def test_hours_that_were_read_stand_in_place_of_ours():
    world = a_world()
    assert hours(channel(judged(world), world, "call")) == "08:00-20:45"


def test_an_unread_cap_wider_than_ours_opens_nothing():
    """JP.calls_day are three a day from memory: ours are three in seven days."""
    world = calls(a_world("JP", "agency"), 2, 4, 6)
    row = channel(judged(world), world, "call")
    assert (row["verdict"], row["rule"]) == ("deferred", "product.calls")


def test_an_unread_wait_shorter_than_ours_opens_nothing(tmp_path):
    raw = small_file()
    wait = rule_of(raw, "US.after_conversation")
    raw["places"]["JP"]["rules"].append({**wait, "id": "JP.wait", "days": 2, "evidence": "recall", "verified": False})
    world = calls(a_world("JP", "agency"), 3, outcome="right_party")
    assert channel(judged(world, rules=written(raw, tmp_path)), world, "call")["rule"] == "product.after_conversation"


@pytest.mark.parametrize(
    ("place", "portfolio", "group", "rule"),
    [("ES", "owner", "excluded", "stop.prescribed"), ("US-TX", "buyer", "permitted", "")],
)
def test_a_prescribed_debt_is_contacted_only_where_the_law_that_allows_it_was_read(place, portfolio, group, rule):
    """ES.limitation is from memory; 12 CFR 1006.26(b) was read: suits and threats are barred, contact is not."""
    world = a_world(place, portfolio, {"ES": "Europe/Madrid"}.get(place)).status("prescribed", MONDAY - 9)
    row = account(judged(world), world)
    assert (row["group"], row["rule"]) == (group, rule)


def test_law_read_in_one_place_does_not_stand_in_for_that_of_another():
    """A debtor of whom one account lies in Texas and one in Japan: ours give way in neither."""
    world = an_account(a_world("JP", "agency"), "b", "US-TX", "agency", "Asia/Tokyo")
    row = channel(judged(world), world, "call", "a")
    assert row["until_minute"] <= 20 * 60
    assert channel(judged(world, MONDAY - 1), world, "call", "a")["rule"] == "product.hours"


@pytest.mark.parametrize("place", sorted(RULES.places))
def test_ours_bind_in_every_place_until_a_law_of_the_kind_was_read(place):
    for role in ("creditor", "third_party_collector", "debt_buyer"):
        for debtor_type in ("consumer", "commercial"):
            binding = Binding.of(RULES, (place,), role, debtor_type, date_of(MONDAY))
            for kind in GIVING_WAY:
                for name in CONTACT_CHANNELS if kind is not TimeBarred else ("",):
                    found = binding.of_kind(kind, name)
                    ours = {
                        rule.id for rule in RULES.product
                        if isinstance(rule, kind) and (not name or name in rule.channels)
                    }  # fmt: skip
                    read = [rule for rule in found if rule.verified]
                    assert read or ours <= {rule.id for rule in found}, (role, debtor_type, kind, name)


# --- holidays that nobody knows yet -----------------------------------------------------------------------------------


def test_past_the_last_known_holiday_a_place_is_deferred_and_says_so():
    """Days that follow the moon stand in the list as single dates through 2030."""
    last, after = day("2030-12-31"), day("2031-01-02")
    world = a_world("SG", "owner", "Asia/Singapore")
    assert channel(judged(world, last), world, "call")["verdict"] == "permitted"
    found = rulings(case_of(world, after), after, ["call", "email"])
    row = account(found, world)
    assert (row["group"], row["rule"], row["first_permitted"]) == ("deferred", "holidays.unknown", NO_TIME)
    assert row["reason"] == (
        "The holidays of SG are known through 2030-12-31 only, so whether this day is one is not known."
    )


def test_the_check_at_the_moment_of_contact_says_that_the_holidays_are_not_known():
    world, at = a_world("SG", "owner", "Asia/Singapore"), day("2031-01-02")
    answer = check(case_of(world, at), "a", "call", instant(at, 600, "Asia/Singapore", late=True))
    assert (answer.permitted, answer.group, answer.rule) == (False, "deferred", "holidays.unknown")


def test_a_first_permitted_moment_is_not_promised_past_the_last_known_holiday():
    world = calls(a_world("SG", "owner", "Asia/Singapore"), 1, outcome="right_party", as_of=day("2030-12-30"))
    row = channel(judged(world, day("2030-12-30")), world, "call")
    assert (row["rule"], row["first_permitted"]) == ("product.after_conversation", NO_TIME)
