"""Who may be contacted: named cases, each with its citation; what is unknown; stops, holds, appointments, clocks;
the check.

Also of hours.py.
"""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from features.errors import ContractError
from features.tables import NO_DAY, NO_TIME
from pipeline.law.eligibility import check, rulings
from pipeline.law.hours import instant, minute_on_clock
from pipeline.law.question import Case
from pipeline.law.rule_file import ALWAYS_STOP
from tests.worlds.eligibility_worlds import (
    MONDAY,
    PARAMS,
    RULES,
    SIGNED,
    a_world,
    account,
    an_account,
    calls,
    channel,
    cohort_of,
    hours,
    judged,
    local,
)
from tests.worlds.worlds import World, day

# --- Regulation F -----------------------------------------------------------------------------------------------------


def test_regulation_f_seven_calls_in_seven_days_per_debt():
    """12 CFR 1006.14(b)(2)(i)(A): the eighth call within seven consecutive days is presumed too many."""
    six = calls(a_world(), 1, 1, 2, 3, 5, 6)
    row = channel(judged(six), six, "call")
    assert (row["verdict"], row["contacts_left"]) == ("permitted", 1)
    seven = calls(six, 4)
    row = channel(judged(seven), seven, "call")
    assert (row["verdict"], row["rule"]) == ("deferred", "US.call_frequency")
    assert row["citation"].startswith("12 CFR 1006.14(b)(2)(i)(A)")
    assert local(row["first_permitted"], "America/Chicago") == "2026-11-17 08:00"  # the call of day 6 leaves the window
    aged = calls(a_world(), 1, 2, 3, 4, 5, 6, 7)
    assert channel(judged(aged), aged, "call")["contacts_left"] == 1


def test_regulation_f_does_not_count_calls_that_did_not_connect():
    """12 CFR 1006.14(b)(3)(ii); by the contract not_connected and busy are no attempts."""
    world = calls(calls(a_world(), 1, 1, 2, 3, 4, 5), 1, 2, 3, outcome="not_connected")
    assert channel(judged(world), world, "call")["contacts_left"] == 1


def test_regulation_f_counts_autodialled_calls_and_messages_left_as_calls():
    world = calls(a_world(), 1, 2, 3, 4, 5)
    world.contact((MONDAY - 1, 60_000), "autodial", "no_answer").contact((MONDAY - 2, 60_000), "voicemail", "voicemail")
    assert channel(judged(world), world, "call")["rule"] == "US.call_frequency"


def test_regulation_f_counts_each_debt_apart_and_one_call_about_two_debts_once_for_each():
    """12 CFR 1006.14(b)(4): a particular debt."""
    world = an_account(a_world(), "b")
    for number in range(1, 7):
        for name in ("a", "b"):
            world.contact(
                (MONDAY - number, 60_000), "call", "no_answer", contact_id=f"about both {number}", account_id=name
            )
    calls(world, 1, account_id="a")
    found = judged(world)
    assert channel(found, world, "call", "a")["rule"] == "US.call_frequency"
    assert channel(found, world, "call", "b")["contacts_left"] == 1


def test_one_call_about_two_debts_is_one_call_where_the_debtor_is_counted():
    """Product default: 3 calls in 7 days per debtor."""
    world = an_account(a_world("GB-ENG", "owner"), "b", "GB-ENG", "owner")
    for name in ("a", "b"):
        world.contact((MONDAY - 2, 60_000), "call", "no_answer", contact_id="k", account_id=name)
    assert channel(judged(world), world, "call", "a")["contacts_left"] == 2


def test_regulation_f_waits_seven_days_after_a_conversation_whose_day_is_day_one():
    """12 CFR 1006.14(b)(2)(i)(B)."""
    world = calls(a_world(), 6, outcome="right_party")
    row = channel(judged(world), world, "call")
    assert (row["verdict"], row["rule"]) == ("deferred", "US.after_conversation")
    # spoken on the 10th: day 1; the 17th is free
    assert local(row["first_permitted"], "America/Chicago") == "2026-11-17 08:00"
    over = calls(a_world(), 7, outcome="right_party")
    assert channel(judged(over), over, "call")["verdict"] == "permitted"


def test_an_inbound_conversation_starts_the_wait_too():
    world = calls(a_world(), 2, outcome="promise", direction="inbound")
    assert channel(judged(world), world, "call")["rule"] == "US.after_conversation"


def test_a_call_whose_outcome_is_not_recorded_may_have_been_a_conversation():
    world = calls(a_world(), 2, outcome=None)
    assert channel(judged(world), world, "call")["rule"] == "US.after_conversation"


def test_regulation_f_hours_are_eight_to_nine_with_the_margin():
    """15 USC 1692c(a)(1); 12 CFR 1006.6(b)(1)(i): 08:00-21:00 where the consumer is;
    nothing new in the last 15 minutes.
    """
    world = a_world()
    assert hours(channel(judged(world), world, "call")) == "08:00-20:45"


def test_regulation_f_binds_no_creditor_who_is_held_to_the_product_defaults():
    world = calls(a_world(portfolio="owner"), 1, 2, 3)
    row = channel(judged(world), world, "call")
    assert (row["verdict"], row["rule"], row["citation"]) == ("deferred", "product.calls", "product default, not law")


def test_messages_need_consent_in_the_united_states():
    """12 CFR 1006.6(d)(3)-(5) for collectors; 47 USC 227(b)(1)(A) for texts of everyone."""
    world = a_world()
    found = judged(world)
    assert channel(found, world, "email")["rule"] == "US.email_sms_procedures"
    world.status("consent_email", MONDAY - 9)
    assert channel(judged(world), world, "email")["verdict"] == "permitted"
    creditor = a_world(portfolio="owner")
    assert channel(judged(creditor), creditor, "sms")["rule"] == "US.tcpa_consent"
    assert channel(judged(creditor), creditor, "email")["verdict"] == "permitted"


# --- states, cities, countries ----------------------------------------------------------------------------------------


def test_massachusetts_two_calls_or_texts_in_seven_days_by_creditors_too():
    """940 CMR 7.04(1)(f); 209 CMR 18.14(1). Texts count as calls."""
    world = calls(a_world("US-MA", "owner"), 1)
    assert channel(judged(world), world, "call")["contacts_left"] == 1
    world.contact((MONDAY - 3, 60_000), "sms", "delivered")
    row = channel(judged(world), world, "call")
    assert (row["verdict"], row["rule"]) == ("deferred", "US-MA.calls_personal")
    assert local(row["first_permitted"], "America/New_York") == "2026-11-20 08:00"


def test_massachusetts_hours_are_read_in_eastern_time_and_on_the_debtors_clock():
    """940 CMR 7.05(3)(e): the text says Eastern time. 21:00 in Boston is 18:00 in Los Angeles."""
    world = a_world("US-MA", "owner", "America/Los_Angeles")
    assert hours(channel(judged(world), world, "call")) == "08:00-17:45"


def test_district_of_columbia_four_calls_and_a_wait_over_all_debts_of_the_debtor():
    """D.C. Code 28-3814(d)(4)(A)(i)-(ii): 4 per account in 7 days; after a completed call 7 days for the consumer."""
    world = calls(a_world("US-DC", "owner"), 1, 2, 3, 4)
    assert channel(judged(world), world, "call")["rule"] == "US-DC.calls"
    world = calls(an_account(a_world("US-DC", "owner"), "b", "US-DC", "owner"), 3, outcome="refusal")
    row = channel(judged(world), world, "call", "b")
    assert (row["verdict"], row["rule"]) == ("deferred", "US-DC.after_conversation")


def test_district_of_columbia_messages_need_notice_and_consent():
    """D.C. Code 28-3814(d)(4)(B)(i)-(ii)."""
    world = a_world("US-DC", "owner").status("consent_email", MONDAY - 9)
    assert channel(judged(world), world, "email")["rule"] == "US-DC.electronic_consent"
    world.status("notice_sent", MONDAY - 9)
    assert channel(judged(world), world, "email")["verdict"] == "permitted"


def test_district_of_columbia_forbids_visits():
    """D.C. Code 28-3814(d)(5)-(6)."""
    world = a_world("US-DC", "owner")
    case = Case(cohort_of(world), world.tables(), RULES, PARAMS, {"contacts": MONDAY, "statuses": MONDAY})
    found = rulings(case, MONDAY, ("visit", "call"))
    assert channel(found, world, "visit")["rule"] == "US-DC.visits"
    assert account(found, world)["group"] == "permitted"


def test_new_york_city_before_and_after_the_first_of_september_2026():
    """6 RCNY 5-77(b)(1)(iv): two communications in seven days until 2026-08-31;
    three attempts over all media per account from then on.
    """
    last = day("2026-08-31")
    world = calls(a_world("US-NY/NYC", "agency"), 1, 2, as_of=last)
    row = channel(judged(world, last), world, "call")
    assert (row["verdict"], row["rule"]) == ("deferred", "US-NY/NYC.previous_cap")
    row = channel(judged(world, last + 1), world, "call")
    assert (row["verdict"], row["contacts_left"]) == ("permitted", 1)
    world.contact((last, 60_000), "email", "delivered")
    assert channel(judged(world, last + 1), world, "call")["rule"] == "US-NY/NYC.all_media"


def test_new_york_city_waits_after_an_exchange_on_any_medium():
    """6 RCNY 5-77(b)(1)(iv), from 2026-09-01: an answer by e-mail silences calls too."""
    world = a_world("US-NY/NYC", "agency").contact((MONDAY - 2, 60_000), "email", None, direction="inbound")
    assert channel(judged(world), world, "call")["rule"] == "US-NY/NYC.after_exchange"
    sent = a_world("US-NY/NYC", "agency").contact((MONDAY - 2, 60_000), "email", None)
    assert channel(judged(sent), sent, "call")["verdict"] == "permitted"


def test_ontario_waits_six_days_after_the_notice_and_closes_on_holidays_and_most_of_sunday():
    """R.R.O. 1990 Reg. 74 s21 (notice), s22 (three contacts in seven days; Sunday 13:00-17:00; no holidays)."""
    world = a_world("CA-ON", "agency")
    assert channel(judged(world), world, "call")["rule"] == "CA-ON.notice_wait"
    fresh = a_world("CA-ON", "agency").status("notice_sent", MONDAY - 5)
    row = channel(judged(fresh), fresh, "call")
    assert (row["verdict"], row["rule"], local(row["first_permitted"], "America/Toronto")) == (
        "deferred", "CA-ON.notice_wait", "2026-11-17 07:00",
    )  # fmt: skip
    ready = a_world("CA-ON", "agency").status("notice_sent", MONDAY - 90)
    assert hours(channel(judged(ready), ready, "call")) == "07:00-20:45"
    assert hours(channel(judged(ready, MONDAY - 1), ready, "call")) == "13:00-16:45"
    thanksgiving = day("2026-10-12")
    row = channel(judged(ready, thanksgiving), ready, "call")
    assert (row["verdict"], row["rule"]) == ("deferred", "CA-ON.hours")
    for number in (1, 2, 3):
        ready.contact((MONDAY - number, 60_000), "email", "delivered")
    assert channel(judged(ready), ready, "call")["rule"] == "CA-ON.contacts"


def test_quebec_is_closed_on_easter_monday_by_the_regulators_own_list():
    """CQLR R-2.2; the list of the Office de la protection du consommateur names Easter Monday."""
    world = a_world("CA-QC", "agency")
    assert channel(judged(world, day("2026-04-06")), world, "call")["verdict"] == "deferred"
    assert hours(channel(judged(world, day("2026-04-07")), world, "call")) == "08:00-19:45"


def test_australia_counts_contact_made_per_account_and_names_its_own_holidays():
    """ASIC RG 96 part 2 s4(a), s5(b)-(c): 3 a week, 10 a month, contact made; national holidays closed,
    Easter Sunday among them.
    """
    world = calls(a_world("AU-VIC", "owner"), 1, 2, 3, 4, 5, 6)
    assert channel(judged(world), world, "call")["contacts_left"] == 3  # no answer is no contact made
    for number in (1, 2, 3):
        world.contact((MONDAY - number, 3600), "email", "delivered")
    row = channel(judged(world), world, "call")
    assert (row["verdict"], row["rule"]) == ("deferred", "AU.contacts_week")
    clear = a_world("AU-VIC", "owner")
    assert hours(channel(judged(clear), clear, "call")) == "07:30-20:45"
    assert hours(channel(judged(clear, MONDAY - 1), clear, "call")) == "09:00-20:45"
    assert channel(judged(clear, day("2026-04-05")), clear, "call")["rule"] == "AU.hours"  # Easter Sunday


def test_south_australia_closes_on_its_own_public_holidays():
    """Fair Trading Act 1987 (SA) s43(1)(d)(i)."""
    october = day("2026-10-05")  # Labour Day in South Australia, an ordinary Monday in Victoria
    world = a_world("AU-SA", "owner")
    assert channel(judged(world, october), world, "call")["rule"] == "AU-SA.public_holidays"
    victoria = a_world("AU-VIC", "owner")
    assert channel(judged(victoria, october), victoria, "call")["verdict"] == "permitted"


def test_ireland_three_communications_in_a_calendar_month_over_all_media():
    """CPC 2012 provision 8.14 (number to be confirmed in S.I. 81/2025): calls, texts, e-mails, letters together."""
    first = day("2026-11-01")
    world = a_world("IE", "owner")
    for number, name in enumerate(("call", "letter", "email")):
        world.contact((first + number, 50_000), name, "no_answer" if name == "call" else "delivered")
    found = judged(world)
    row = account(found, world)
    assert (row["group"], row["rule"], local(row["first_permitted"], "Europe/Dublin")) == (
        "deferred", "IE.arrears_contacts", "2026-12-01 00:00",
    )  # fmt: skip
    assert local(channel(found, world, "call")["first_permitted"], "Europe/Dublin") == "2026-12-01 08:00"
    assert channel(judged(world, day("2026-12-01")), world, "call")["contacts_left"] == 3


def test_united_kingdom_states_no_number_so_the_product_defaults_apply():
    """FCA CONC 7.9.4R: no contact at unreasonable times, without a clock."""
    world = a_world("GB-ENG", "owner")
    assert hours(channel(judged(world), world, "call")) == "08:00-19:45"
    assert hours(channel(judged(world, MONDAY - 2), world, "call")) == "09:00-17:45"  # Saturday
    row = channel(judged(world, MONDAY - 1), world, "call")  # Sunday
    assert (row["verdict"], row["rule"], local(row["first_permitted"], "Europe/London")) == (
        "deferred",
        "product.hours",
        "2026-11-16 08:00",
    )
    # Boxing Day falls on a Saturday: observed on Monday
    boxing = channel(judged(world, day("2026-12-28")), world, "call")
    assert local(boxing["first_permitted"], "Europe/London") == "2026-12-29 08:00"


def test_breathing_space_stops_the_debt_in_england():
    """SI 2020/1311 reg 7."""
    world = a_world("GB-ENG", "owner").status("moratorium", MONDAY - 3)
    row = account(judged(world), world)
    assert (row["group"], row["rule"]) == ("excluded", "GB-ENG.breathing_space")


def test_scots_prescription_ends_the_debt_unless_money_came_in_between():
    """Prescription and Limitation (Scotland) Act 1973 s6(1): five years."""
    world = a_world("GB-SCT", "owner")
    assert account(judged(world, overdue={"a": 1900}), world)["rule"] == "GB-SCT.prescription"
    assert account(judged(world, overdue={"a": 1800}), world)["group"] == "permitted"
    world.payment("2024-03-01", 500)
    assert account(judged(world, overdue={"a": 1900}), world)["group"] == "permitted"


PAUSING = PARAMS.model_copy(
    update={
        "portfolios": {
            **PARAMS.portfolios,
            "owner": PARAMS.portfolios["owner"].model_copy(update={"moratorium_pauses": True}),
        }
    }
)


def scottish(portfolio: str, due_on: int, begins: int, days: int) -> World:
    """A debt due on a day, and a payment holiday of some days."""
    world = a_world("GB-SCT", portfolio).charge(due_on, 10_000, known_at=due_on - 10)
    return world.status("moratorium", begins, begins + days - 1)


@pytest.mark.parametrize(("days", "group"), [(20, "permitted"), (100, "excluded")])
def test_years_run_on_through_a_payment_holiday_that_stops_days_past_due(days, group):
    """1,800 days past due besides a holiday of 100 days are more than five years; no law is taken to stop them."""
    world = scottish("owner", MONDAY - 1800 - days, MONDAY - 300, days)
    assert account(judged(world, params=PAUSING, overdue={"a": 1800}), world)["group"] == group
    assert account(judged(world, overdue={"a": 1800}), world)["group"] == "permitted"


def test_no_days_of_a_holiday_are_added_where_the_book_does_not_pause():
    world = an_account(scottish("agency", MONDAY - 1800, MONDAY - 300, 100), "b", "GB-SCT", "owner")
    assert account(judged(world, params=PAUSING, overdue={"a": 1800}), world)["group"] == "permitted"


def test_a_holiday_before_anything_was_overdue_adds_no_days():
    world = scottish("owner", MONDAY - 30, MONDAY - 2000, 1900)
    assert account(judged(world, params=PAUSING, overdue={"a": 30}), world)["group"] == "permitted"


def test_a_statement_within_a_holiday_is_taken_by_its_own_count():
    """It stated 1,750 days when it was taken: only the days of the holiday after it were taken off."""
    world = scottish("owner", MONDAY - 1900, MONDAY - 200, 200).balance(MONDAY - 50, 10_000, 10_000, 1750)
    assert account(judged(world, params=PAUSING, overdue={"a": 1750}), world)["group"] == "permitted"


def test_an_old_debt_is_kept_from_legal_treatment_but_may_be_contacted_in_texas():
    """12 CFR 1006.26(b): no suit and no threat on a time-barred debt."""
    world = a_world()
    row = account(judged(world, overdue={"a": 1500}), world)
    assert (row["group"], row["legal_barred"]) == ("permitted", True)
    assert account(judged(world), world)["legal_barred"] is False


def test_a_prescribed_debt_stops_only_where_the_law_says_so():
    """12 CFR 1006.26(b) lets contact go on; FCA CONC 7.15 stops it once the customer says so."""
    texas = a_world().status("prescribed", MONDAY - 9)
    assert account(judged(texas), texas)["group"] == "permitted"
    england = a_world("GB-ENG", "owner").status("prescribed", MONDAY - 9)
    assert account(judged(england), england)["rule"] == "GB.statute_barred"


def test_california_commercial_debts_are_not_free_of_rules():
    """Cal. Civ. Code 1788.17, SB 1286: "commercial" alone switches nothing off."""
    world = a_world("US-CA", "owner", "America/Los_Angeles", debtor_type="commercial").status("attorney", MONDAY - 5)
    assert account(judged(world), world)["rule"] == "US-CA.attorney"


def test_a_place_whose_holidays_are_not_recorded_blocks():
    """CBUAE Consumer Protection Regulation: sources disagree, and the holidays follow the moon."""
    world = a_world("AE", "owner")
    row = channel(judged(world), world, "call")
    assert (row["verdict"], row["rule"], row["first_permitted"]) == ("deferred", "AE.hours", NO_TIME)


def test_holidays_that_the_law_does_not_name_close_nothing_once_the_law_was_read():
    """The federal rule names no holidays: Thanksgiving 2026-11-26 is open to a call;
    it is closed where no law was read.
    """
    found = judged(world := a_world(), day("2026-11-26"))
    assert hours(channel(found, world, "call")) == "08:00-20:45"
    found = judged(world := a_world("JP", "agency", debtor_type="commercial"), day("2026-11-23"))
    assert channel(found, world, "call")["rule"] == "product.hours"
    assert channel(found, world, "email")["rule"] == "product.hours"


# --- unknown is never open --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ({"jurisdiction": None}, "place.unknown"),
        ({"portfolio": "misspelled"}, "role.unknown"),
        ({"jurisdiction": "XX"}, "place.unknown"),
        ({"jurisdiction": "US-GU"}, "place.unknown"),
        ({"jurisdiction": "US"}, "place.unknown"),
        ({"jurisdiction": "EU"}, "place.unknown"),
        ({"jurisdiction": "us-tx"}, "place.unknown"),
        ({"jurisdiction": "AU-NF"}, "place.unknown"),
        ({"time_zone": None}, "zone.unknown"),
        ({"time_zone": "Mars/Olympus"}, "zone.unknown"),
    ],
)
def test_unknown_places_and_zones_block_and_say_so(columns, rule):
    world = World("UTC").deliver("accounts", "contacts", "statuses", "payments")
    world.account(
        "a", **{"jurisdiction": "US-TX", "time_zone": "America/Chicago", "portfolio": "buyer", "opened_on": 0} | columns
    )
    found = judged(world)
    row = account(found, world)
    assert (row["group"], row["rule"]) == ("excluded", rule)
    assert row["reason"]
    assert set(found.channels["verdict"]) == {"excluded"}


def test_an_unknown_kind_of_debtor_blocks():
    world = a_world()
    cohort = cohort_of(world).assign(debtor_type=pd.Series([None], dtype="str"))
    found = rulings(Case(cohort, world.tables(), RULES, PARAMS, {"contacts": MONDAY, "statuses": MONDAY}), MONDAY)
    assert account(found, world)["rule"] == "debtor_type.unknown"


@pytest.mark.parametrize(
    ("place", "without"),
    [("US-TX", "US"), ("US-TX", "US-TX"), ("US-NY/NYC", "US-NY"), ("FR", "EU"), ("FR-75", "FR"), ("GB-ENG", "GB")],
)
def test_every_place_above_and_every_overlay_must_be_signed_off(place, without):
    eligibility = PARAMS.eligibility.model_copy(
        update={"signed_off": tuple(name for name in SIGNED if name != without)}
    )
    world = a_world(place, "owner")
    row = account(judged(world, params=PARAMS.model_copy(update={"eligibility": eligibility})), world)
    assert (row["group"], row["rule"]) == ("excluded", "place.not_signed_off")
    assert without in row["reason"].split()


def test_a_bare_country_is_held_to_the_rules_of_its_known_parts():
    world = a_world("GB", "owner")
    assert account(judged(world), world)["group"] == "permitted"
    assert account(judged(world, overdue={"a": 1900}), world)["rule"] == "GB-SCT.prescription"
    assert channel(judged(world, day("2026-11-30")), world, "call")["verdict"] == "deferred"  # St Andrew's Day


def test_a_debtor_with_accounts_in_two_places_is_held_to_both():
    world = calls(an_account(a_world("US-TX", "owner"), "b", "US-MA", "owner"), 1, 2)
    assert channel(judged(world), world, "call", "a")["rule"] == "US-MA.calls_personal"
    unsigned = tuple(name for name in SIGNED if name != "US-MA")
    params = PARAMS.model_copy(update={"eligibility": PARAMS.eligibility.model_copy(update={"signed_off": unsigned})})
    assert account(judged(world, params=params), world, "a")["rule"] == "place.not_signed_off"


def test_two_plausible_zones_are_intersected():
    """12 CFR 1006 Supp. I comment 6(b)(1)(i)-2: convenient in every place the information points to."""
    world = an_account(a_world(zone="America/Chicago"), "b", zone="America/Los_Angeles")
    found = judged(world)
    assert hours(channel(found, world, "call", "a")) == "10:00-20:45"
    assert hours(channel(found, world, "call", "b")) == "08:00-18:45"


def test_a_clock_that_is_not_of_the_place_is_held_to_both():
    world = a_world("US-MA", "owner", "America/Los_Angeles")
    assert hours(channel(judged(world), world, "email")) == "08:00-16:45"  # 20:00 in Boston


@pytest.mark.parametrize(
    ("portfolio", "rule"),
    [("monthly", "contacts.unknown"), ("silent", "contacts.unknown"), ("unwatched", "statuses.unknown")],
)
def test_a_feed_that_is_not_known_defers(portfolio, rule):
    world = a_world("GB-ENG", portfolio)
    row = account(judged(world), world)
    assert (row["group"], row["rule"], row["first_permitted"]) == ("deferred", rule, NO_TIME)


@pytest.mark.parametrize(
    ("through", "group"),
    [
        ({}, "deferred"),
        ({"contacts": MONDAY - 5, "statuses": MONDAY - 1}, "deferred"),
        # fmt: skip
        ({"contacts": MONDAY - 4, "statuses": MONDAY - 4}, "permitted"),
    ],
)
def test_a_late_feed_defers_beyond_the_quiet_days(through, group):
    world = a_world("GB-ENG", "owner")
    assert account(judged(world, through=through), world)["group"] == group


def test_a_table_that_did_not_come_defers():
    world = a_world("GB-ENG", "owner")
    del world.rows["contacts"]
    assert account(judged(world), world)["rule"] == "contacts.unknown"


def test_another_account_of_the_debtor_in_a_book_without_a_log_defers_both():
    world = an_account(a_world("GB-ENG", "owner"), "b", "GB-ENG", "monthly")
    found = judged(world)
    assert [account(found, world, name)["rule"] for name in ("a", "b")] == ["contacts.unknown"] * 2


# --- stops, ways out, holds -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ALWAYS_STOP)
def test_stop_statuses_exclude_while_they_are_in_force(status):
    world = a_world("FR", "owner").status(status, MONDAY - 3)
    assert account(judged(world), world)["group"] == "excluded"
    ended = a_world("FR", "owner").status(status, MONDAY - 30, MONDAY - 1)
    assert account(judged(ended), ended)["group"] == "permitted"
    lasting = a_world("FR", "owner").status(status, MONDAY - 30, MONDAY)  # an end on the day or later reads as open
    assert account(judged(lasting), lasting)["group"] == "excluded"
    today = a_world("FR", "owner").status(status, MONDAY, known_at=MONDAY - 1)
    assert account(judged(today), today)["group"] == "excluded"
    unknown = a_world("FR", "owner").status(status, MONDAY - 1, known_at=MONDAY)
    assert account(judged(unknown), unknown)["group"] == "permitted"


def test_a_stop_taken_back_by_a_later_version_no_longer_stops():
    world = (
        a_world("FR", "owner")
        .status("dispute", MONDAY - 30)
        .status("dispute", MONDAY - 30, MONDAY - 10, known_at=MONDAY - 9)
    )
    assert account(judged(world), world)["group"] == "permitted"


@pytest.mark.parametrize("status", ["deceased", "bankruptcy", "minor"])
def test_some_stops_reach_all_accounts_of_the_debtor(status):
    world = an_account(a_world("FR", "owner"), "b", "FR", "owner")
    an_account(world, "c", "FR", "owner", debtor_id="other").status(status, MONDAY - 3, account_id="a")
    found = judged(world)
    assert [account(found, world, name)["group"] for name in "abc"] == ["excluded", "excluded", "permitted"]


def test_other_stops_stay_with_their_account():
    world = an_account(a_world("FR", "owner"), "b", "FR", "owner").status("dispute", MONDAY - 3)
    found = judged(world)
    assert [account(found, world, name)["group"] for name in "ab"] == ["excluded", "permitted"]


def test_an_opt_out_closes_its_channel_on_every_account_of_the_debtor():
    """12 CFR 1006.14(h)(1)-(2): the person asks not to use a medium."""
    world = an_account(a_world("GB-ENG", "owner"), "b", "GB-ENG", "owner").status("opt_out_call", MONDAY - 3)
    found = judged(world)
    for name in "ab":
        assert channel(found, world, "call", name)["rule"] == "stop.opt_out"
        assert channel(found, world, "sms", name)["verdict"] == "permitted"


def test_unsubscribing_closes_a_channel_until_a_later_consent():
    world = a_world("GB-ENG", "owner").contact((MONDAY - 200, 60_000), "email", "unsubscribed")
    assert channel(judged(world), world, "email")["verdict"] == "excluded"
    assert channel(judged(world), world, "sms")["verdict"] == "permitted"
    world.status("consent_email", MONDAY - 100)
    assert channel(judged(world), world, "email")["verdict"] == "permitted"


def test_hours_named_as_inconvenient_are_cut_out_and_anything_else_stops():
    """15 USC 1692c(a)(1): a time or place known to be inconvenient."""
    world = a_world().status("inconvenient", MONDAY - 9, detail="08:00-12:00")
    assert hours(channel(judged(world), world, "call")) == "12:00-20:45"
    night = a_world().status("inconvenient", MONDAY - 9, detail="18:00-09:30; 12:00-13:00")
    assert hours(channel(judged(night), night, "call")) == "13:00-18:00"
    vague = a_world().status("inconvenient", MONDAY - 9, detail="while at church")
    assert account(judged(vague), vague)["rule"] == "US.inconvenient_time_place"
    whole = a_world().status("inconvenient", MONDAY - 9, detail="00:00-24:00")
    assert channel(judged(whole), whole, "call")["rule"] == "hours.unwelcome"


def test_a_plan_defers_without_an_end_that_could_be_known():
    world = a_world().status("plan", MONDAY - 9, MONDAY + 30)
    row = account(judged(world), world)
    assert (row["group"], row["rule"], row["first_permitted"]) == ("deferred", "plan", NO_TIME)


def planned(**ended) -> World:
    """A plan of the table plans: 1,000 on each of three Mondays; it may have ended."""
    world = a_world("GB-ENG", "owner")
    for week in (-2, -1, 2):
        world.instalment(MONDAY - 20, MONDAY + 7 * week, 1000, 3000, **ended)
    return world.payment(MONDAY - 14, 1000)


def test_a_plan_that_is_kept_to_defers_and_one_that_is_behind_does_not():
    kept_to = planned().payment(MONDAY - 8, 1000)
    assert account(judged(kept_to), kept_to)["rule"] == "plan"
    in_grace = planned()  # due a week ago, three bank days of grace: missed from Friday on
    assert account(judged(in_grace, MONDAY - 4), in_grace)["rule"] == "plan"
    assert account(judged(in_grace), in_grace)["group"] == "permitted"
    caught_up = planned().payment(MONDAY - 1, 1000)
    assert account(judged(caught_up), caught_up)["rule"] == "plan"  # missed, and since then paid


def test_a_plan_of_a_book_without_payments_is_not_behind_whatever_other_books_send():
    unpaid = PARAMS.portfolios["owner"].model_copy(update={"delivers": ("accounts", "charges", "contacts", "statuses")})
    params = PARAMS.model_copy(update={"portfolios": {**PARAMS.portfolios, "unpaid": unpaid}})
    world = a_world("GB-ENG", "unpaid").instalment(MONDAY - 40, MONDAY - 20, 1000, 1000)
    world = an_account(world, "b", "GB-ENG", "owner").payment(MONDAY - 30, 5, account_id="b")
    assert account(judged(world, params=params), world)["rule"] == "plan"


def test_a_plan_that_has_ended_or_is_not_known_yet_defers_nobody():
    ended = planned(ended_on=MONDAY - 1, how="cancelled").payment(MONDAY - 8, 1000)
    assert account(judged(ended), ended)["group"] == "permitted"
    unknown = planned(known_at=MONDAY).payment(MONDAY - 8, 1000)
    assert account(judged(unknown), unknown)["group"] == "permitted"


def test_an_open_promise_defers_until_its_day_and_grace_are_over():
    world = a_world("GB-ENG", "owner").contact(
        (MONDAY - 20, 60_000), "call", "promise", promise_amount=1000, promise_due_on=MONDAY
    )
    row = account(judged(world), world)
    assert (row["group"], row["rule"], local(row["first_permitted"], "Europe/London")) == (
        "deferred",
        "promise",
        "2026-11-20 00:00",
    )
    assert local(channel(judged(world), world, "call")["first_permitted"], "Europe/London") == "2026-11-20 08:00"
    assert account(judged(world, MONDAY + 3), world)["rule"] == "promise"
    assert account(judged(world, MONDAY + 4), world)["group"] == "permitted"


def test_a_promise_already_kept_no_longer_defers_unless_the_money_went_back():
    world = a_world("GB-ENG", "owner").contact(
        (MONDAY - 20, 60_000), "call", "promise", promise_amount=1000, promise_due_on=MONDAY
    )
    world.payment((MONDAY - 20, 70_000), 900, payment_id="p")
    assert account(judged(world), world)["group"] == "permitted"
    world.reversal((MONDAY - 2, 70_000), 500, "p")
    assert account(judged(world), world)["rule"] == "promise"


def test_a_promise_corrected_by_a_later_version_no_longer_defers():
    world = a_world("GB-ENG", "owner")
    world.contact(
        (MONDAY - 50, 60_000), "call", "promise", contact_id="k", promise_amount=1000, promise_due_on=MONDAY + 5
    )
    assert account(judged(world), world)["rule"] == "promise"
    world.contact((MONDAY - 50, 60_000), "call", "refusal", contact_id="k", known_at=MONDAY - 45)
    assert account(judged(world), world)["group"] == "permitted"


RESTING = PARAMS.model_copy(update={"worklist": PARAMS.worklist.model_copy(update={"rest_days_after_payment": 5})})


def test_the_list_rests_after_a_payment_and_says_until_when():
    world = a_world("GB-ENG", "owner").payment((MONDAY - 2, 70_000), 900, payment_id="p")
    row = account(judged(world, params=RESTING), world)
    told = row["group"], row["rule"], local(row["first_permitted"], "Europe/London")
    assert told == ("deferred", "payment.recent", "2026-11-19 00:00")
    assert account(judged(world, MONDAY + 3, params=RESTING), world)["group"] == "permitted"
    assert account(judged(world), world)["group"] == "permitted"


def test_no_list_rests_after_money_that_went_back_or_is_not_known_yet():
    world = a_world("GB-ENG", "owner").payment((MONDAY - 2, 70_000), 900, payment_id="p")
    world.reversal((MONDAY - 1, 70_000), 900, "p")
    assert account(judged(world, params=RESTING), world)["group"] == "permitted"
    unknown = a_world("GB-ENG", "owner").payment((MONDAY - 2, 70_000), 900, payment_id="p", known_at=MONDAY)
    assert account(judged(unknown, params=RESTING), unknown)["group"] == "permitted"


def test_who_asked_to_be_called_today_is_called_though_he_paid():
    world = a_world("GB-ENG", "owner").payment((MONDAY - 2, 70_000), 900, payment_id="p")
    world.status("callback", MONDAY, known_at=MONDAY - 2, detail="14:37")
    assert account(judged(world, params=RESTING), world)["group"] == "permitted"


# --- appointments -----------------------------------------------------------------------------------------------------


def test_an_appointment_is_kept_to_the_minute():
    world = a_world("GB-ENG", "owner").status("callback", MONDAY, known_at=MONDAY - 2, detail="14:37")
    found = judged(world)
    assert hours(channel(found, world, "call")) == "14:37-14:52"
    row = account(found, world)
    assert (row["group"], row["appointment"], local(row["appointment_at"], "Europe/London")) == (
        "permitted",
        True,
        "2026-11-16 14:37",
    )


def test_an_appointment_is_outside_the_wait_that_follows_the_conversation_in_which_it_was_agreed():
    """12 CFR 1006.14(b)(3)(i): calls the person asked for, within seven days of the asking."""
    world = calls(a_world(), 3, outcome="right_party").status("callback", MONDAY, known_at=MONDAY - 3, detail="10:00")
    row = channel(judged(world), world, "call")
    assert (row["verdict"], hours(row)) == ("permitted", "10:00-10:15")
    old = calls(a_world(), 3, outcome="right_party").status("callback", MONDAY, known_at=MONDAY - 8, detail="10:00")
    assert channel(judged(old), old, "call")["rule"] == "US.after_conversation"


def test_an_appointment_does_not_open_what_the_law_leaves_shut():
    world = a_world().status("callback", MONDAY, known_at=MONDAY - 2, detail="21:30")
    found = judged(world)
    row = channel(found, world, "call")
    assert (row["verdict"], row["rule"]) == ("deferred", "appointment.outside_hours")
    assert local(row["first_permitted"], "America/Chicago") == "2026-11-17 08:00"
    assert account(found, world)["appointment_at"] == NO_TIME
    massachusetts = calls(a_world("US-MA", "owner"), 1, 2).status(
        "callback", MONDAY, known_at=MONDAY - 2, detail="10:00"
    )
    assert channel(judged(massachusetts), massachusetts, "call")["rule"] == "US-MA.calls_personal"


def test_an_appointment_of_a_later_day_defers_all_accounts_of_the_debtor_until_its_minute():
    world = an_account(a_world("GB-ENG", "owner"), "b", "GB-ENG", "owner")
    world.status("callback", MONDAY + 3, known_at=MONDAY - 1, detail="2026-11-19 16:20")
    found = judged(world)
    for name in "ab":
        assert account(found, world, name)["rule"] == "appointment.later"
        assert local(channel(found, world, "call", name)["first_permitted"], "Europe/London") == "2026-11-19 16:20"


def test_a_callback_without_a_time_is_an_appointment_of_the_day():
    world = a_world("GB-ENG", "owner").status("callback", MONDAY, known_at=MONDAY - 2)
    found = judged(world)
    assert hours(channel(found, world, "call")) == "08:00-19:45"
    assert local(account(found, world)["appointment_at"], "Europe/London") == "2026-11-16 08:00"


def test_a_legal_deadline_is_read_from_the_legal_status():
    world = a_world("GB-ENG", "owner").status("legal", MONDAY - 9, detail="file by 2026-11-20, hearing 2026-12-01")
    assert account(judged(world), world)["legal_deadline_on"] == day("2026-11-20")
    assert account(judged(world, day("2026-12-02")), world)["legal_deadline_on"] == NO_DAY


# --- clocks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("night", "zone", "length"),
    [
        ("2026-03-08", "America/Chicago", 765),
        ("2026-11-01", "America/Chicago", 765),
        # fmt: skip
        ("2026-03-29", "Europe/Paris", 0),
        ("2026-10-25", "Europe/Paris", 0),
    ],
)
def test_both_nights_on_which_the_clocks_change(night, zone, length):
    """08:00 is 08:00 on the clock of the day: 13:00 UTC after the spring change in Chicago,
    14:00 UTC after the autumn change.
    """
    place, portfolio = ("US-TX", "buyer") if zone.startswith("America") else ("FR", "owner")
    world = a_world(place, portfolio)
    row = channel(judged(world, day(night)), world, "call")
    if place == "FR":  # both are Sundays: shut; the next opening is Monday 08:00 on the changed clock
        assert row["verdict"] == "deferred"
        monday = (dt.date.fromisoformat(night) + dt.timedelta(days=1)).isoformat()
        assert local(row["first_permitted"], zone) == f"{monday} 08:00"
        assert (
            row["first_permitted"]
            == instant(day(monday), 480, "UTC", late=True) - (7200 if night < "2026-06" else 3600) * 1_000_000
        )
        return
    assert (hours(row), row["until_minute"] - row["from_minute"]) == ("08:00-20:45", length)
    assert row["first_permitted"] == instant(day(night), 13 * 60 if night < "2026-06" else 14 * 60, "UTC", late=True)


def test_a_skipped_minute_and_a_repeated_minute_are_read_to_the_safe_side():
    spring, autumn = day("2026-03-08"), day("2026-11-01")
    assert instant(spring, 150, "America/Chicago", late=True) > instant(spring, 150, "America/Chicago", late=False)
    assert (
        instant(autumn, 90, "America/Chicago", late=True) - instant(autumn, 90, "America/Chicago", late=False)
        == 3_600_000_000
    )
    assert minute_on_clock(instant(spring + 1, 0, "America/Chicago", late=False), "America/Chicago", spring) == 1440


def test_a_late_evening_contact_counts_on_the_later_of_its_two_days():
    """A call at 23:30 UTC is already tomorrow in Tokyo: the wait counts from there."""
    world = a_world("JP", "agency").contact((MONDAY - 7, 23 * 3600 + 1800), "call", "right_party")
    assert channel(judged(world), world, "call")["rule"] == "product.after_conversation"
    earlier = a_world("JP", "agency").contact((MONDAY - 7, 14 * 3600), "call", "right_party")
    assert channel(judged(earlier), earlier, "call")["verdict"] == "permitted"


# --- the check at the moment of contact -------------------------------------------------------------------------------


def asked(world: World, at: str, name: str = "call", account_id: str = "a", zone: str = "America/Chicago"):
    moment = int(dt.datetime.fromisoformat(at).replace(tzinfo=ZoneInfo(zone)).timestamp()) * 1_000_000
    today = day(at[:10])
    case = Case(cohort_of(world), world.tables(), RULES, PARAMS, {"contacts": today - 1, "statuses": today - 1})
    return check(case, account_id, name, moment)


def test_what_was_lawful_at_night_is_asked_again_at_the_moment():
    world = calls(a_world(), 1, 2, 3, 4, 5, 6)
    answer = asked(world, "2026-11-16 10:00")
    assert (answer.permitted, answer.contacts_left, local(answer.until, "America/Chicago")) == (
        True,
        1,
        "2026-11-16 20:45",
    )
    early = asked(world, "2026-11-16 07:59")
    assert (early.permitted, early.rule, local(early.first_permitted, "America/Chicago")) == (
        False,
        "US.hours",
        "2026-11-16 08:00",
    )
    late = asked(world, "2026-11-16 20:45")
    assert (late.permitted, local(late.first_permitted, "America/Chicago")) == (False, "2026-11-17 08:00")


def test_todays_call_uses_up_the_cap_and_todays_opt_out_closes():
    world = calls(a_world(), 1, 2, 3, 4, 5, 6).contact("2026-11-16 15:00", "call", "no_answer")  # 09:00 in Chicago
    assert asked(world, "2026-11-16 08:59").permitted
    answer = asked(world, "2026-11-16 15:00")
    assert (answer.group, answer.rule) == ("deferred", "US.call_frequency")
    out = a_world().status("opt_out_call", MONDAY, known_at="2026-11-16 18:00")  # noon in Chicago
    assert asked(out, "2026-11-16 11:59").permitted
    assert asked(out, "2026-11-16 12:01").rule == "US.medium_opt_out"


def test_two_attempts_keep_their_distance():
    """Product default: four hours between two attempts."""
    world = a_world().contact("2026-11-16 15:00", "call", "no_answer")
    answer = asked(world, "2026-11-16 12:59")
    assert (answer.permitted, answer.rule, local(answer.first_permitted, "America/Chicago")) == (
        False,
        "product.pause",
        "2026-11-16 13:00",
    )
    assert asked(world, "2026-11-16 13:00").permitted


def test_an_appointment_is_asked_for_at_its_minute():
    world = a_world().status("callback", MONDAY, known_at=MONDAY - 2, detail="14:30")
    assert asked(world, "2026-11-16 14:30").permitted
    early = asked(world, "2026-11-16 14:29")
    assert (early.permitted, early.rule, local(early.first_permitted, "America/Chicago")) == (
        False,
        "appointment",
        "2026-11-16 14:30",
    )
    assert not asked(world, "2026-11-16 14:45").permitted


def test_the_check_refuses_what_it_does_not_know():
    with pytest.raises(ContractError, match="'b' is not scorable at that time"):
        asked(a_world(), "2026-11-16 10:00", account_id="b")
    with pytest.raises(ContractError, match=r"must be one of .* \(nearest: 'call'\)\. Got 'cal'"):
        asked(a_world(), "2026-11-16 10:00", "cal")
    assert asked(a_world("XX", zone="Mars/Olympus"), "2026-11-16 10:00").rule == "place.unknown"
