"""The rule file: every rule with its citation, and a faulty file refused whole, naming rule and line.

Also of rules.py.
"""

from __future__ import annotations

import numpy as np
import pytest

from features.errors import ContractError, InputMissing, UsageError
from pipeline.law.eligibility import rulings
from pipeline.law.question import Case
from pipeline.law.rule_file import RULES_FILE, load_rules
from pipeline.params import load
from tests.worlds.eligibility_worlds import (
    HOUSE,
    MONDAY,
    PARAMS,
    RULES,
    a_world,
    cohort_of,
    rule_of,
    small_file,
    written,
)


def test_every_rule_has_its_citation_and_says_honestly_whether_it_was_read():
    assert len(RULES.places) >= 140
    assert len(RULES.all_rules) >= 490
    for rule in RULES.all_rules.values():
        assert rule.citation
        assert rule.says
        assert not (rule.verified and rule.evidence not in ("primary", "regulator"))
    assert not any(rule.verified for rule in RULES.places["JP"].rules)


def test_the_sample_signs_off_only_places_that_exist():
    assert set(load(HOUSE / "params.yaml").eligibility.signed_off) <= set(RULES.places)


def _line_of(name: str) -> int:
    return next(
        number for number, line in enumerate(RULES_FILE.read_text().splitlines(), 1) if line.strip() == f"- id: {name}"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "        max: 7\n",
            "        max: 7\n        maximum: 7\n",
            r"Rule US.call_frequency \(line {}\): unknown key 'maximum'",
        ),
        ("        max: 7\n", "        maxx: 7\n", r"unknown key 'maxx' \(nearest: 'max'\)"),
        ("        max: 7\n", "", r"Rule US.call_frequency \(line {}\): 'max' is missing"),
        (
            "        citation: 12 CFR 1006.14(b)(2)(i)(A), (b)(3)-(4)\n",
            "",
            r"Rule US.call_frequency \(line {}\): 'citation' is missing",
        ),
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
        (
            "{month: 12, day: 25, observed: nearest_weekday}",
            "{month: 2, day: 30}",
            r"holidays.US: days.*day is out of range",
        ),
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


def test_a_file_is_parsed_once_and_again_when_a_byte_of_it_changes(tmp_path):
    assert load_rules() is load_rules()
    path = tmp_path / "rules.yaml"
    path.write_bytes(RULES_FILE.read_bytes())
    assert load_rules(path) is load_rules()
    path.write_text(path.read_text().replace("        max: 7\n", "        max: 6\n", 1))
    assert load_rules(path).all_rules["US.call_frequency"].max == 6
    assert load_rules().all_rules["US.call_frequency"].max == 7


def test_norway_is_no_truth_value_even_without_quotes(tmp_path):
    path = tmp_path / "rules.yaml"
    text = RULES_FILE.read_text()
    assert "\n  'NO':\n" in text
    path.write_text(text.replace("'NO'", "NO"))
    found = load_rules(path)
    assert found.places["NO"].name == "Norway"
    assert found.holidays_of("NO") == ("NO",)


def test_verified_is_only_for_what_was_read(tmp_path):
    raw = small_file()
    rule_of(raw, "JP.hours")["verified"] = True
    with pytest.raises(UsageError, match="verified is true only where the text was read"):
        written(raw, tmp_path)


def test_missing_columns_and_strange_accounts_are_refused():
    world = a_world()
    with pytest.raises(ContractError, match="Table 'cohort' lacks 'time_zone'"):
        rulings(Case(cohort_of(world).drop(columns="time_zone"), world.tables(), RULES, PARAMS, {}), MONDAY)
    tables = world.tables()
    tables["accounts"] = tables["accounts"].iloc[:0]
    with pytest.raises(
        ContractError,
        match=r"1 scorable accounts are not in the accounts table of the shard \(named",
    ):
        rulings(Case(cohort_of(world), tables, RULES, PARAMS, {}), MONDAY)


def test_an_empty_night_is_decided_too():
    world = a_world()
    through = {"contacts": MONDAY, "statuses": MONDAY}
    found = rulings(Case(cohort_of(world).iloc[:0], world.tables(), RULES, PARAMS, through), MONDAY)
    assert len(found.accounts) == 0
    assert len(found.channels) == 0
    assert list(found.accounts["group"].cat.categories) == ["excluded", "deferred", "permitted"]
    assert np.issubdtype(found.channels["contacts_left"].dtype, np.integer)
