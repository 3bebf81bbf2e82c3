"""The contact rule file: what it holds, its holidays, its words, and the refusal of a faulty one."""

from __future__ import annotations

import copy
import datetime as dt

import holidays
import numpy as np
import pytest
from dateutil.easter import easter

from features.errors import ContractError, InputMissing, UsageError
from pipeline.law.eligibility import load_rules, verdicts
from pipeline.law.holidays import HolidayList, easter_sunday
from pipeline.law.reasoning import places, reasoning
from pipeline.law.rule_file import RULES_FILE
from pipeline.params import load
from tests.judges.contact_judge import is_holiday
from tests.worlds.eligibility_worlds import (
    HOUSE,
    MONDAY,
    PARAMS,
    RAW,
    RULES,
    a_world,
    account,
    an_account,
    calls,
    cohort_of,
    judged,
    rule_of,
    small_file,
    written,
)
from tests.worlds.worlds import day

# --- words -------------------------------------------------------------------------------------------------------------------------------


def test_the_whole_reasoning_of_an_account_can_be_read():
    world = calls(a_world(), 1, 2, 3).status("consent_email", MONDAY - 9)
    through = {"contacts": MONDAY - 1, "statuses": MONDAY - 1}
    text = reasoning(cohort_of(world), world.tables(), RULES, PARAMS, "a", MONDAY, through)
    assert "US.call_frequency: At most 7 attempts by call in 7 days per account. Used: 3 of 7." in text
    assert "call       permitted  08:00-20:45 on the debtor's clock; contacts left 4" in text
    assert "[presumption; primary, verified]" in text
    with pytest.raises(ContractError, match="'zz' is not scorable on 2026-11-16"):
        reasoning(cohort_of(world), world.tables(), RULES, PARAMS, "zz", MONDAY, through)
    stopped = world.status("dispute", MONDAY - 1).status("plan", MONDAY - 1)
    text = reasoning(cohort_of(stopped), stopped.tables(), RULES, PARAMS, "a", MONDAY, through)
    assert "Account: excluded by US.dispute_hold (15 USC 1692g(b); 12 CFR 1006.38(d))." in text


def test_every_kind_of_verdict_has_its_reasoning():
    for world in (
        a_world("XX"),
        a_world(zone="America/Los_Angeles"),
        calls(a_world(), 3, outcome="right_party"),
        a_world("CA-ON", "agency").status("notice_sent", MONDAY - 3),
        an_account(a_world("FR", "owner"), "b", "FR", "owner").status("deceased", MONDAY - 3, account_id="b"),
        a_world("GB-ENG", "owner").status("callback", MONDAY + 2, known_at=MONDAY - 3, detail="9:15"),
        a_world("GB-ENG", "owner").contact((MONDAY - 9, 0), "call", "promise", promise_amount=5, promise_due_on=MONDAY + 2),
        a_world("GB-ENG", "owner").status("callback", MONDAY, known_at=MONDAY - 3),
    ):
        through = {"contacts": MONDAY - 1, "statuses": MONDAY - 1}
        text = reasoning(cohort_of(world), world.tables(), RULES, PARAMS, "a", MONDAY, through)
        state = account(judged(world), world)
        assert f"Account: {state['group']}" in text
        assert state["rule"] in text


def test_the_rule_file_is_printed_place_by_place_with_what_is_not_verified():
    text = places(RULES, PARAMS)
    assert all(f"- {name}" in text for name in RULES.all_rules)
    assert "What a sign-off means" in text
    assert text.count("NOT verified") == sum(not rule.verified and rule.evidence != "product" for rule in RULES.all_rules.values())
    assert "Reg. 74 s21" in places(RULES, PARAMS, "CA-ON")
    with pytest.raises(ContractError, match="'ZZ' is not in the rule file"):
        places(RULES, PARAMS, "ZZ")


# --- the rule file -----------------------------------------------------------------------------------------------------------------------


def test_every_rule_has_its_citation_and_says_honestly_whether_it_was_read():
    assert len(RULES.places) >= 53 and len(RULES.all_rules) >= 170
    for rule in RULES.all_rules.values():
        assert rule.citation and rule.says
        assert not (rule.verified and rule.evidence not in ("primary", "regulator"))
    assert not any(rule.verified for rule in RULES.places["JP"].rules)


def test_the_sample_signs_off_only_places_that_exist():
    assert set(load(HOUSE / "params.yaml").eligibility.signed_off) <= set(RULES.places)


def _line_of(name: str) -> int:
    return next(number for number, line in enumerate(RULES_FILE.read_text().splitlines(), 1) if line.strip() == f"- id: {name}")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("        max: 7\n", "        max: 7\n        maximum: 7\n", r"Rule US.call_frequency \(line {}\): unknown key 'maximum'"),
        ("        max: 7\n", "        maxx: 7\n", r"unknown key 'maxx' \(nearest: 'max'\)"),
        ("        max: 7\n", "", r"Rule US.call_frequency \(line {}\): 'max' is missing"),
        ("        citation: 12 CFR 1006.14(b)(2)(i)(A), (b)(3)-(4)\n", "", r"Rule US.call_frequency \(line {}\): 'citation' is missing"),
        (
            "        citation: 12 CFR 1006.14(b)(2)(i)(A), (b)(3)-(4)\n",
            "        citation: ''\n",
            r"Rule US.call_frequency \(line {}\): citation",
        ),
        (
            "daily: ['08:00-21:00']}\n        holidays: allowed\n        citation: 15",
            "daily: ['08:00-12:00', '11:00-21:00']}\n        holidays: allowed\n        citation: 15",
            r"Rule US.hours \(line {}\): windows: mon has overlapping windows",
        ),
        (
            "daily: ['08:00-21:00']}\n        holidays: allowed\n        citation: 15",
            "mon-fri: ['08:00-21:00']}\n        holidays: allowed\n        citation: 15",
            "must name every weekday, \\[\\] for none. Got nothing for sat, sun",
        ),
        (
            "daily: ['08:00-21:00']}\n        holidays: allowed\n        citation: 15",
            "daily: ['21:00-08:00']}\n        holidays: allowed\n        citation: 15",
            "must end after it begins",
        ),
        (
            "        effective_from: '2026-09-01'\n",
            "        effective_from: '2026-02-30'\n",
            r"Rule US-NY/NYC.all_media \(line \d+\): effective_from",
        ),
        (
            "        effective_to: '2026-08-31'\n",
            "        effective_to: '2026-08-31'\n        effective_from: '2026-09-30'\n",
            "effective_to must not lie before effective_from",
        ),
        ("{month: 12, day: 25, observed: nearest_weekday}", "{month: 2, day: 30}", r"holidays.US: days.*day is out of range"),
        (
            "holidays: [FR]\n    rules",
            "holidays: [FRA]\n    rules",
            r"Place FR \(line \d+\): holidays names an unknown list 'FRA' \(nearest: 'FR'\)",
        ),
        ("        statuses: [cease_contact]\n", "        statuses: [cease]\n", "must be a status of the contract"),
        ("        kind: cap\n", "        kind: limit\n", "kind must be one of hours, cap"),
        ("        clock: America/New_York\n", "        clock: America/New_Yorck\n", "must be an IANA time zone"),
        ("      - id: US.attorney\n", "      - id: US.cease\n", r"the id stands already at line \d+"),
        ("      - id: US.attorney\n", "      - id: GB.attorney\n", "its id must begin with 'US.'"),
        ("schema_version: 1\n", "schema_version: 2\n", "schema_version must be 1. Got 2"),
        ("schema_version: 1\n", "schema_version: 1\nplace: {}\n", "unknown 'place' \\(nearest: 'places'\\)"),
        (
            "  - id: stop.deceased\n    kind: stop\n",
            "  - id: stop.deceased\n    enforce: soft\n    kind: stop\n",
            "product must hold a stop for deceased",
        ),
    ],
)
def test_a_faulty_rule_file_is_refused_whole_naming_rule_and_line(old, new, message, tmp_path):
    text = RULES_FILE.read_text()
    assert old in text
    path = tmp_path / "rules.yaml"
    path.write_text(text.replace(old, new, 1))
    name = message.split()[1] if message.startswith("Rule") else ""
    with pytest.raises(UsageError, match=message.format(_line_of(name)) if "{}" in message else message) as refused:
        load_rules(path)
    assert "is refused whole" in str(refused.value)


def test_a_file_that_is_not_yaml_or_names_a_key_twice_is_refused_with_its_line(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text("schema_version: 1\nplaces: {FR: {name: a, name: b}}\n")
    with pytest.raises(UsageError, match="is not YAML at line 2: the key 'name' stands twice"):
        load_rules(path)
    path.write_text("schema_version: [1\n")
    with pytest.raises(UsageError, match="is not YAML at line"):
        load_rules(path)
    path.write_text("- 1\n")
    with pytest.raises(UsageError, match="It must hold schema_version"):
        load_rules(path)
    with pytest.raises(InputMissing, match="Without it no account may be worked"):
        load_rules(tmp_path / "none.yaml")


def test_verified_is_only_for_what_was_read(tmp_path):
    raw = small_file()
    rule_of(raw, "JP.hours")["verified"] = True
    with pytest.raises(UsageError, match="verified is true only where the text was read"):
        written(raw, tmp_path)


def test_missing_columns_and_strange_accounts_are_refused():
    world = a_world()
    with pytest.raises(ContractError, match="Table 'cohort' lacks 'time_zone'"):
        verdicts(cohort_of(world).drop(columns="time_zone"), world.tables(), RULES, PARAMS, MONDAY, {})
    tables = world.tables()
    tables["accounts"] = tables["accounts"].iloc[:0]
    with pytest.raises(ContractError, match=r"1 scorable accounts are not in the accounts table of the shard \(a\)"):
        verdicts(cohort_of(world), tables, RULES, PARAMS, MONDAY, {})


def test_an_empty_night_is_decided_too():
    world = a_world()
    found = verdicts(cohort_of(world).iloc[:0], world.tables(), RULES, PARAMS, MONDAY, {"contacts": MONDAY, "statuses": MONDAY})
    assert len(found.accounts) == 0 and len(found.channels) == 0
    assert list(found.accounts["group"].cat.categories) == ["excluded", "deferred", "permitted"]
    assert np.issubdtype(found.channels["contacts_left"].dtype, np.integer)


# --- holidays ---


@pytest.mark.parametrize("year", range(1995, 2045))
def test_easter_is_easter(year):
    assert easter_sunday(year) == easter(year)


@pytest.mark.parametrize(
    ("name", "date", "holds"),
    [
        ("US", "2026-07-03", True),
        ("US", "2026-11-26", True),
        ("US", "2021-06-18", True),
        ("US", "2020-06-19", False),
        ("US", "2021-12-31", True),
        ("GB-ENG", "2022-01-03", True),
        ("GB-ENG", "2027-12-27", True),
        ("GB-ENG", "2027-12-28", True),
        ("GB-ENG", "2026-04-06", True),
        ("GB-SCT", "2026-08-03", True),
        ("FR", "2026-05-14", True),
        ("FR", "2026-04-03", False),
        ("JP", "2026-09-22", True),
        ("JP", "2026-05-06", True),
        ("JP", "2026-05-07", False),
        ("CA-ON", "2026-05-18", True),
        ("CA-QC", "2029-07-02", True),
        ("AU", "2026-04-05", True),
        ("AU", "2026-12-28", True),
        ("AU", "2026-12-29", False),
        ("NZ", "2026-07-10", True),
        ("NL", "2026-04-27", True),
        ("IE", "2026-02-02", True),
        ("DE", "2026-10-03", True),
    ],
)
def test_holiday_lists_name_the_days_of_the_law(name, date, holds):
    """Taken from the calendars of governments: observed days, moving days, days that began or were held once."""
    assert RULES.holidays[name].holds(dt.date.fromisoformat(date)) is holds


YEARS = range(2022, 2031)
LEFT_OUT = {  # what a list says of itself that it does not hold, and a word of its source that says so
    "CA-QC": "list of the Office",  # the regulator's own list knows no moved Christmas, New Year or Saint John's Day
    "IN": "differ by state",
    "SG": "follow the moon",
    "TW": "follow the moon",
    "NG": "follow the moon",
    "RU": "moved days",
}


def missing_from(name: str, lists) -> list[str]:
    """Public holidays of the `holidays` package that the list of a place, with its country's, does not hold."""
    country, _, subdivision = name.partition("-")
    held = [lists[name], *([lists["AU"]] if name == "AU-SA" else [])]
    theirs = holidays.country_holidays(country, subdiv=subdivision or None, years=YEARS)
    days = sorted(date for date in theirs if date.year in YEARS and not any(one.holds(date) for one in held))
    return [f"{date}: {theirs.get(date)}" for date in days]


@pytest.mark.parametrize("name", sorted(set(RULES.holidays) - set(LEFT_OUT)))
def test_no_public_holiday_that_the_holidays_package_knows_is_missing(name):
    assert missing_from(name, RULES.holidays) == []


@pytest.mark.parametrize("name", sorted(LEFT_OUT))
def test_a_list_that_is_not_whole_says_so(name):
    assert missing_from(name, RULES.holidays) != []
    assert LEFT_OUT[name] in RAW["holidays"][name]["source"]


def test_a_day_taken_off_a_list_would_be_seen():
    fewer = copy.deepcopy(RAW["holidays"]["FR"])
    fewer["days"] = [entry for entry in fewer["days"] if entry != {"month": 7, "day": 14}]
    assert any("07-14" in found for found in missing_from("FR", {"FR": HolidayList.model_validate(fewer)}))


def test_every_holiday_list_agrees_with_a_slow_reading():
    for name, days in RULES.holidays.items():
        for number in range(day("2024-01-01"), day("2030-01-01")):
            date = dt.date(1970, 1, 1) + dt.timedelta(days=number)
            assert days.holds(date) == is_holiday(RAW["holidays"][name]["days"], date), (name, date)
