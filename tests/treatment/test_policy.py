"""A treatment policy holds whole, or is refused with every fault and its line, and with every rule it would break.

So for its form, sections.py, and for what the law forbids, bans.py.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from features.errors import InputMissing, UsageError
from pipeline.law.rule_file import load_rules
from pipeline.params import Treatments, load
from pipeline.treatment.bans import forbidden, stopping
from pipeline.treatment.policy import NOT_CHECKED, SHIPPED, policy_in, policy_of

DAY = dt.date(2026, 10, 1)
WORKED = ("GB-ENG", "GB-SCT", "FR", "DE", "ES", "IE", "US-MA", "US-NY/NYC", "US-TX", "US-CA", "JP")
TEXT = SHIPPED.read_text(encoding="utf-8")


@pytest.fixture
def policy(tmp_path):
    """The policy of a text, for places that are worked."""

    def read(text: str, *places: str):
        path = tmp_path / "treatments.yaml"
        path.write_text(text, encoding="utf-8")
        return policy_of(path, load_rules(), places or WORKED, DAY)

    return read


def changed(*pairs: tuple[str, str]) -> str:
    text = TEXT
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def line_of(part: str, text: str = TEXT) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_what_ships_holds_where_the_sample_is_worked():
    known = policy_of(SHIPPED, load_rules(), WORKED, DAY)
    assert (known.annual_rate, known.horizon_days, known.internal_days) == (0.08, 365, 180)
    assert known.plans.least_instalment == {"EUR": 2000, "GBP": 2000, "USD": 2000, "JPY": 3000}
    assert known.settling.terms.acceptance.source == "policy"
    assert (known.discounts_drawn, known.parties_drawn) == ({}, {})
    assert [(party.name, party.route) for party in known.parties] == [
        ("agency_a", "agency"),
        ("court", "legal"),
        ("buyer", "sale"),
    ]


def test_a_suit_brings_judged_times_paying_times_paid():
    (court,) = [party for party in policy_of(SHIPPED, load_rules(), WORKED, DAY).parties if party.route == "legal"]
    curve = court.recovery.default
    assert curve.middle == pytest.approx((0.88 * 0.32 * 0.22,))
    assert (curve.low, curve.high) == (pytest.approx((0.80 * 0.20 * 0.10,)), pytest.approx((0.95 * 0.45 * 0.35,)))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("schema_version: 1", "schema_version: 2", r"schema_version: Input should be 1"),
        ("annual_rate: 0.08", "annual_rate: 8", r"annual_rate: .*less than or equal to 1\. Got '8'"),
        ("annual_rate: 0.08", "anual_rate: 0.08", r"The file has unknown 'anual_rate' \(nearest: 'annual_rate'\)"),
        (
            "[hardship, vulnerable",
            "[hardship, vulnerabel",
            r"must be a status of the contract \(nearest: 'vulnerable'\)",
        ),
        ("minor, deceased", "minor, dispute", r"never and specialist both name 'dispute'"),
        (
            "[month, fortnight]",
            "[month, fortnite]",
            r"'month', 'fortnight' or 'week'\. Got 'fortnite' \(nearest: 'fortnight'\)",
        ),
        ("least: 2, most: 24", "least: 12, most: 6", r"plans\.instalments: least must not be above most"),
        ("least: 2, most: 24", "least: 2, moist: 24", r"plans\.instalments has unknown 'moist' \(nearest: 'most'\)"),
        ("least: 2, most: 24", "least: 2", r"plans\.instalments lacks 'most'"),
        ("{EUR: 20, GBP", "{EUER: 20, GBP", r"currencies of ISO 4217 \(nearest: 'EUR'\)"),
        ("JPY: 3000}", "JPY: 30.5}", r"JPY must be an amount of 0 decimals, not below 0\. Got 30\.5"),
        ("step: {EUR: 5", "step: {EUR: 0", r"step of EUR must be above 0"),
        ("first_within_days: 40", "first_within_days: 4", r"first_within_days must not be below first_after_days"),
        ("low: 0.028, middle: 0.04", "low: 0.05, middle: 0.04", r"plans\.breaks\.2: must have low <= middle <= high"),
        ("low: 0.028, middle: 0.04", "low: 0.01, middle: 0.02", r"low must never fall as burden rises"),
        ("burden: 0.25", "burden: 0.5", r"must rise in burden"),
        ("[0.1, 0.2, 0.25", "[0.2, 0.1, 0.25", r"settlements: discounts must rise"),
        ("[0.1, 0.2, 0.25", "[0.1, 0.2, 0.25125", r"settlements\.discounts\.2: must be whole hundredths of a per cent"),
        ("{from_days: 121, share: 0.4}", "{from_days: 91, share: 0.4}", r"must rise in from_days for all other kinds"),
        (
            "middle: 0.065, high: 0.10}\n    - {disc",
            "middle: 0.033, high: 0.10}\n    - {disc",
            r"never fall as discount",
        ),
        ("if_support_unknown: refer", "if_support_unknown: guess", r"'refer', 'offer' or 'never'\. Got 'guess'"),
        (
            "discounts: null",
            "discounts: {0.1: 0.5, 0.2: 0.4}",
            r"discounts must be two or more whose shares add up to 1",
        ),
        ("discounts: null", "discounts: {0.1: 0.5, 0.6: 0.5}", r"0\.6 is none of settlements\.discounts"),
        (
            "parties: null",
            "parties: {agency_a: 0.5, agency_b: 0.5}",
            r"'agency_b' is no agency of routes \(nearest: 'agency_a'\)",
        ),
        ("party: court", "party: agency_a", r"party 'agency_a' stands a second time"),
        ("route: legal", "route: court", r"'agency', 'legal', 'sale'"),
        ("notice_days: 20", "notice_days: 200", r"delay_days must not be below notice_days"),
        (
            "- {from_days: 0, share: 0.16}\n",
            "- {from_days: 1, share: 0.16}\n",
            r"routes\.0: commission must begin where recovery does, at 0 days, for all other kinds",
        ),
        (
            "- {from_days: 0, share: 0.16}\n",
            "- {from_days: 0, share: 0.16}\n      - {kinds: [loan], from_days: 30, share: 0.2}\n",
            r"routes\.0: commission must begin where recovery does, at 0 days, for loan",
        ),
        ("judged: {low: 0.80", "judged: {low: 0.90", r"routes\.1\.suit\.0\.judged: must have low <= middle <= high"),
        ("[GB, FR, DE", "[GB, FRA, DE", r"routes\.1: 'FRA' is no place of the rule file"),
        (
            "{from_days: 0, share: 0.16}",
            "{from_days: 0, share: true}",
            r"commission\.0\.share: Input should be a valid number",
        ),
    ],
)
def test_a_fault_is_named_with_its_line(policy, old, new, sentence):
    with pytest.raises(UsageError, match=rf"is refused whole\. .*Line \d+: .*{sentence}"):
        policy(changed((old, new)))


def test_all_faults_of_all_sections_are_named_at_once_each_with_its_own_line(policy):
    text = changed(
        ("annual_rate: 0.08", "annual_rate: 8"),
        ("least: 2, most: 24", "least: 2, most: 0"),
        ("share: 0.42", "share: 1.42"),
        ("[GB, FR, DE", "[GB, FRA, DE"),
    )
    lines = [line_of(part) for part in ("annual_rate:", "least: 2", "[GB, FR", "share: 0.42")]
    pieces = [f"Line {lines[0]}: annual_rate", f"Line {lines[1]}: plans.instalments.most", f"Line {lines[3]}: routes.0"]
    with pytest.raises(UsageError, match=".*".join(pieces)):
        policy(text)


def test_whom_the_intake_does_not_know_gets_no_account(tmp_path):
    (tmp_path / "treatments.yaml").write_text(TEXT, encoding="utf-8")
    params = load(Path(__file__).parents[2] / "params.yaml")
    params = params.model_copy(
        update={
            "treatments": Treatments(policy=str(tmp_path / "treatments.yaml")),
            "ingest": params.ingest.model_copy(update={"parties": ("agency_a", "court", "a_former_agency")}),
        }
    )
    with pytest.raises(UsageError, match=r"gives accounts to 'buyer', which ingest\.parties .*PARTY_UNKNOWN"):
        policy_in(params, DAY)
    known = params.ingest.model_copy(update={"parties": ("agency_a", "court", "buyer")})
    assert policy_in(params.model_copy(update={"ingest": known}), DAY) is not None


def test_a_key_that_stands_twice_is_refused_with_its_line(policy):
    with pytest.raises(UsageError, match=r"is no YAML in UTF-8 at line 2: the key 'annual_rate' stands twice"):
        policy("annual_rate: 1\nannual_rate: 2\n")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputMissing, match=r"'.*nowhere\.yaml' cannot be read \(No such file"):
        policy_of(tmp_path / "nowhere.yaml", load_rules(), WORKED, DAY)


def test_sections_that_a_house_does_not_offer_are_null(policy):
    begins, ends = TEXT.index("due_date_moves:"), TEXT.index("authority:")
    found = policy(f"{TEXT[:begins]}due_date_moves: null\nearly_discounts: null\n{TEXT[ends:]}")
    assert (found.moves, found.early) == (None, None)


@pytest.mark.parametrize(
    "old", ["who: agent, discount: 0.25", "who: agent, discount: 0.25, let_off: {EUR: 500", "instalments: 12}"]
)
def test_who_may_grant_least_stands_first(policy, old):
    """Else the first of them would grant all."""
    text = changed((old, old.replace("0.25", "0.45").replace("EUR: 500", "EUR: 5000").replace("12}", "36}")))
    line = line_of("who: team lead", text)
    with pytest.raises(UsageError, match=rf"Line {line}: authority\.1: 'team lead' may grant less than 'agent'"):
        policy(text)


# What the law of a place forbids


def test_a_policy_that_sues_where_the_rule_bars_it_is_refused_naming_both(policy):
    text = changed(("oldest_days: 700", "oldest_days: 900"))
    line = line_of("oldest_days: 700")
    told = rf"Line {line}: routes\.1 \(court, legal\) takes debts of 900 days past due, which"
    with pytest.raises(UsageError, match=rf"{told} FR\.limitation_consumer of FR forbids from 730 days"):
        policy(text)
    assert policy(text, "GB-ENG", "ES").parties[1].oldest_days == 900  # the rule binds in France alone


def test_a_debt_that_ends_with_its_years_may_go_nowhere(policy):
    text = changed(("oldest_days: 1825", "oldest_days: null"))
    with pytest.raises(UsageError, match=r"\(agency_a, agency\) takes debts of any age, which GB-SCT\.prescription"):
        policy(text)
    assert policy(text, "GB-ENG", "US-MA").parties[0].oldest_days is None


def test_an_agency_that_begins_before_the_notice_of_a_place_is_refused(policy):
    text = changed(("notice_days: 20", "notice_days: 10"))
    with pytest.raises(UsageError, match=r"begins after 10 days of notice, where BE\.agency_wait of BE wants 20"):
        policy(text, "BE")
    assert policy(text, "FR").parties[0].notice_days == 10


@pytest.mark.parametrize("status", sorted(stopping(load_rules(), DAY)))
def test_whom_the_law_silences_nobody_may_offer_to(policy, status):
    text = TEXT.replace(f"{status}, ", "", 1) if f"{status}, " in TEXT else TEXT.replace(f", {status}", "", 1)
    with pytest.raises(UsageError, match=rf"lack '{status}', under which stop\.{status} forbids all contact"):
        policy(text)


def test_rules_not_in_force_forbid_nothing():
    law = load_rules()
    early = {ban.rule.id for ban in forbidden(law, dt.date(2023, 8, 31))}
    assert "BE.agency_wait" not in early
    assert "BE.agency_wait" in {ban.rule.id for ban in forbidden(law, DAY)}


def test_what_no_rule_speaks_of_is_said():
    assert all(said and not said.endswith(".") for said in NOT_CHECKED)
    kinds = {type(ban.rule).__name__ for ban in forbidden(load_rules(), DAY)}
    assert kinds == {"TimeBarred", "Precondition"}  # whoever adds a rule on discounts or fees must add its check
