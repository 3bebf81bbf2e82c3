"""The catalogue: what it must hold, how names are made, and which declarations are refused when it is read,
all at once.

Also of declarations.py, reference.py, spec.py and vocabulary.py.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from features.catalogue import CATALOGUE, TREATED, WINDOW_RULE
from features.declarations import Catalogue
from features.errors import UsageError
from features.reference import markdown
from features.spec import MISSING, PLACEHOLDER, Attribute, Band, Debtor, Difference, Feature, Noun, Ratio, Window, where
from features.tables import CHANNELS, STATUSES
from features.vocabulary import FAMILIES, Agg

ALWAYS = (
    "payments_count_30d",
    "payments_sum_90d",
    "payments_days_since_last",
    "payments_months_paid_365d",
    "contacts_count_30d",
    "contacts_count_call_30d",
    "right_party_count_90d",
    "right_party_rate_call_180d",
    "contacts_days_since_last",
    "promises_made_365d",
    "promises_kept_365d",
    "promises_broken_365d",
    "promise_open",
    "balance",
    "arrears",
    "days_past_due",
    "days_past_due_max_365d",
    "months_since_placed",
    "debtor_accounts",
    "debtor_arrears",
)
COUNT = Feature("payments", Agg.COUNT, Window(10), empty=0)


def test_the_names_that_others_rely_on_are_there():
    assert [name for name in ALWAYS if name not in CATALOGUE] == []
    assert len(CATALOGUE) >= 150
    assert {entry.family for entry in TREATED} == set(FAMILIES)


WINDOWS_OF = {
    "payments_count payments_sum contacts_count contacts_count_outbound contacts_count_inbound "
    "right_party_count promises_made": ("7d 30d 90d 180d 365d ever"),
    "contacts_count_call contacts_count_autodial contacts_count_sms contacts_count_email": "7d 30d 90d 365d",
    "contacts_count_voicemail contacts_count_letter contacts_count_visit contacts_count_debit "
    "contacts_count_online": "30d 90d 365d",
    "payments_max payments_mean payments_count_part reversals_count reversals_sum contacts_count_refusal "
    "contacts_count_dispute "
    "contacts_count_complaint contacts_count_rejected_debit charges_count_fee charges_count_billed "
    "days_overdue days_past_due_max": ("90d 365d ever"),
    "payments_std payments_gap_mean payments_gap_std reversals_ratio credits_sum arrears_max balance_max": "365d ever",
    "promises_kept promises_broken": "90d 180d 365d ever",
    "payments_months_paid": "90d 180d 365d ever",
    "promises_kept_ratio": "180d 365d ever",
}


def test_each_family_has_the_windows_in_which_it_can_tell_something():
    wanted = {
        f"{stem}_{window}"
        for stems, windows in WINDOWS_OF.items()
        for stem in stems.split()
        for window in windows.split()
    }
    assert sorted(wanted - set(CATALOGUE.names)) == []
    assert len(CATALOGUE) < 400  # a training's time grows with it


def test_the_rule_of_the_windows_is_exact_about_channels():
    windows = {
        channel: {
            name.rpartition("_")[2]
            for name in CATALOGUE.names
            if re.fullmatch(rf"contacts_count_{channel}_(\d+d|ever)", name)
        }
        for channel in (*CHANNELS, "online")
    }
    expected = dict.fromkeys(("call", "autodial", "sms", "email"), {"7d", "30d", "90d", "365d"})
    expected |= dict.fromkeys(("voicemail", "letter", "visit", "debit", "online"), {"30d", "90d", "365d"})
    # the first three make up online
    assert windows == expected | dict.fromkeys(("chat", "portal", "social", "legal", "other"), set())
    rule = " ".join(WINDOW_RULE.split())
    assert (
        "of 7, 30, 90 and 365 days for calls, autodials, "
        "SMS and e-mails; of 30, 90 and 365 days for voicemails, letters,"
    ) in rule
    assert "the channels `legal` and `other` have no count of their own" in rule


def test_every_status_has_a_flag_and_those_that_are_no_wish_their_days_and_episodes():
    beside = set(STATUSES) - {"closed", "sold", "agency"}  # an account in one of these is not scorable
    wishes = {name for name in beside if name.startswith(("opt_out", "consent"))} | {"callback", "inconvenient"}
    assert sorted(beside) == sorted(name for name in STATUSES if f"status_{name}" in CATALOGUE)
    assert sorted(beside - wishes) == sorted(name for name in STATUSES if f"status_{name}_days" in CATALOGUE)
    once = {"deceased", "minor", "prescribed"}
    assert sorted(beside - wishes - once) == sorted(name for name in STATUSES if f"status_{name}_episodes" in CATALOGUE)


def test_every_entry_says_its_unit_family_and_group():
    assert [entry.name for entry in CATALOGUE if not (entry.unit and entry.family and entry.group)] == []
    assert {
        CATALOGUE[name].unit for name in ("balance", "debtor_arrears", "payments_sum_90d", "promises_sum_judged_365d")
    } == {"money"}
    assert CATALOGUE["payments_last_method"].unit == CATALOGUE["product"].unit == "class"


def test_the_reference_is_what_the_catalogue_says():
    written = (Path(__file__).parents[2] / "docs" / "features.md").read_text(encoding="utf-8")
    assert written == markdown(), "Run: python -m features.reference > docs/features.md"


def test_no_sentence_is_made_of_our_own_attempts_or_of_what_must_not_be_said():
    said = {entry.name for entry in CATALOGUE if entry.says or entry.says_missing}
    assert {"promises_kept_365d", "payments_days_since_last", "status_plan_days"} <= said
    silent = [
        name
        for name in CATALOGUE.names
        if name.startswith(("contacts_count_outbound", "contacts_count_call", "right_party_rate", "attempts"))
    ]
    silent += [
        f"status_{name}"
        for name in ("hardship", "vulnerable", "bankruptcy", "deceased", "minor", "legal", "wrong_party")
    ]
    assert len(silent) > 15
    assert said.isdisjoint(silent)
    for name in said:
        for sentence in filter(None, (CATALOGUE[name].says, CATALOGUE[name].says_missing)):
            assert sentence.isascii()
            assert "  " not in sentence
            assert not sentence.endswith(".")
            assert PLACEHOLDER.sub("", sentence).count("{") == 0


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        (Feature("payments", Agg.COUNT, Window(30), empty=0), "payments_count_30d"),
        (Feature("payments", Agg.SUM, Window(90), of="amount", empty=0), "payments_sum_90d"),
        (Feature("payments", Agg.COUNT, empty=0), "payments_count_ever"),
        (Feature("payments", Agg.DAYS_SINCE_LAST, empty=MISSING), "payments_days_since_last"),
        (
            Feature("contacts", Agg.COUNT, Window(30), where=where("call", channel="call"), empty=0),
            "contacts_count_call_30d",
        ),
        (Feature("statements", Agg.MEAN, Window(180), of="balance", empty=MISSING), "statements_mean_balance_180d"),
        (Feature("ledger", Agg.AT, of="balance", empty=0), "balance"),
        (Feature("ledger", Agg.AT, Window(30), of="arrears", empty=0), "arrears_30d_ago"),
        (Feature("ledger", Agg.MAX, Window(365), of="days_past_due", empty=0), "days_past_due_max_365d"),
        (Feature("promises", Agg.COUNT, Window(365), called="promises_made", empty=0), "promises_made_365d"),
        (Ratio("share", "a", "b", empty=0), "share"),
        (Noun("month"), "month"),
    ],
)
def test_names_are_made_of_the_declaration(entry, name):
    assert entry.name == name


FAULTS = {
    "the name must be unique. Got 2 declarations": [COUNT, COUNT],
    "payments_count_0d: window must be 1 to 36,500 days. Got 0": [Feature("payments", Agg.COUNT, Window(0), empty=0)],
    "window must be a Window or None. Got 30": [Feature("payments", Agg.COUNT, 30, empty=0)],
    "event must be one of .* Got 'payment' .nearest: 'payments'.": [Feature("payment", Agg.COUNT, Window(9), empty=0)],
    "aggregate must be an Agg. Got 'count' .nearest: 'count'.": [Feature("payments", "count", Window(9), empty=0)],
    "payments_sum_9d: `empty` must say what the value is where nothing happened": [
        Feature("payments", Agg.SUM, Window(9))
    ],
    "`empty` must be a number or MISSING. Got 'none'": [Feature("payments", Agg.SUM, Window(9), empty="none")],
    "`of` must be one of amount for payments. Got 'amuont' .nearest: 'amount'.": [
        Feature("payments", Agg.SUM, Window(9), of="amuont", empty=0)
    ],
    "`of` must be one of cost for contacts. Got None": [Feature("contacts", Agg.SUM, Window(9), empty=0)],
    "`of` must be left out for count": [Feature("payments", Agg.COUNT, Window(9), of="amount", empty=0)],
    "aggregate must be one of at, days, max for ledger. Got 'count'": [
        Feature("ledger", Agg.COUNT, Window(9), empty=0)
    ],
    "the ledger has no classes to filter by": [
        Feature("ledger", Agg.AT, of="balance", where=where("x", kind="fee"), empty=0)
    ],
    "aggregate must be one of any, count, .* for payments. Got 'at'": [Feature("payments", Agg.AT, Window(9), empty=0)],
    "`until`, the events that end it, belongs to a streak and only to it": [Feature("contacts", Agg.STREAK, empty=0)],
    "where names 'chanel', which contacts does not have .nearest: 'channel'.": [
        Feature("contacts", Agg.COUNT, Window(9), where=where("x", chanel="call"), empty=0)
    ],
    "where holds a value that channel of contacts does not take: 'cal' .nearest: 'call'.": [
        Feature("contacts", Agg.COUNT, Window(9), where=where("x", channel="cal"), empty=0)
    ],
    "where must allow at least one value of channel": [
        Feature("contacts", Agg.COUNT, Window(9), where=where("x", channel=()), empty=0)
    ],
    "where must be a Where. Got 'call'": [Feature("contacts", Agg.COUNT, Window(9), where="call", empty=0)],
    "a noun must be one of the facts of an account .nearest: 'month'.": [Noun("months")],
    "share: part 'payments_count_11d' is not a column .nearest: 'payments_count_10d'.": [
        COUNT,
        Ratio("share", "payments_count_11d", "payments_count_10d", empty=0),
    ],
    "part 'product' is a class, not a number": [Noun("product"), Band("band", "product", (1,))],
    "share: `empty` must say what the ratio is where it divides by 0": [COUNT, Ratio("share", COUNT.name, COUNT.name)],
    "prior must be .a, b. with a >= 0 and b > 0. Got .1, 0.": [
        COUNT,
        Ratio("share", COUNT.name, COUNT.name, prior=(1, 0)),
    ],
    "a, b: a column must not derive from itself": [Difference("a", "b", "b"), Difference("b", "a", "a")],
    "edges must rise. Got .2, 1.": [COUNT, Band("band", COUNT.name, (2, 1))],
    "over must be 'debtor_id'. Got 'portfolio': the feature would cross debtors": [
        COUNT,
        Debtor("usual", Agg.SUM, COUNT.name, over="portfolio"),
    ],
    "aggregate must be COUNT, SUM, MAX or MIN. Got <Agg.MEAN: 'mean'>": [COUNT, Debtor("usual", Agg.MEAN, COUNT.name)],
    "`of` must name a column, and only a count does without": [Debtor("usual", Agg.SUM)],
    "an attribute must be an x_ column of accounts": [Attribute("audit_sex", unit="class")],
    "monotone must be -1, 0 or 1. Got 2": [Feature("payments", Agg.COUNT, Window(9), empty=0, monotone=2)],
    "unit must be one of .* Got 'euros'": [Feature("payments", Agg.COUNT, Window(9), empty=0, unit="euros")],
    "family must be one of .* Got 'other'": [Feature("payments", Agg.COUNT, Window(9), empty=0, family="other")],
    "its sentence names 'paid', which is not a column": [
        Feature("payments", Agg.COUNT, Window(9), empty=0, says="{paid:count} payments")
    ],
    "its sentence wants the format 'euros'. Use one of count, days": [
        Feature("payments", Agg.SUM, Window(9), empty=0, says="{value:euros} paid")
    ],
    "no sentence may rest on contacts_count_call_9d: our own attempts are no merit": [
        Feature(
            "contacts",
            Agg.COUNT,
            Window(9),
            where=where("call", channel="call"),
            empty=0,
            says="Called {value:count} times",
        )
    ],
    "no sentence may rest on status_hardship: .* health, hardship": [
        Feature(
            "statuses",
            Agg.ANY,
            where=where("hardship", status="hardship"),
            called="status_hardship",
            empty=0,
            says="In hardship",
        )
    ],
    "no sentence may rest on placed: .* legal steps are no reason": [
        Feature("placements", Agg.ANY, called="placed", empty=0, says="With an agency")
    ],
    "no sentence may rest on contacts_count_9d, rate": [
        COUNT,
        Feature("contacts", Agg.COUNT, Window(9), empty=0),
        Ratio("rate", COUNT.name, "contacts_count_9d", empty=0, says="Paid after {contacts_count_9d:count} contacts"),
    ],
    "Entry 2 must be a declaration such as Feature or Ratio. Got str": [COUNT, "payments_count_30d"],
}


@pytest.mark.parametrize("sentence", FAULTS)
def test_a_contradictory_declaration_is_refused(sentence):
    with pytest.raises(UsageError, match=sentence):
        Catalogue(FAULTS[sentence])


def test_all_faults_are_named_at_once():
    with pytest.raises(UsageError, match="The catalogue has 3 faults. ") as refused:
        Catalogue(
            [
                Feature("payments", Agg.SUM, Window(0), of="sum"),
                COUNT,
                COUNT.__class__("contacts", Agg.COUNT, Window(9), empty=0),
            ]
        )
    assert str(refused.value).count("payments_sum_sum_0d: ") == 3


def test_a_catalogue_grows_by_adding_and_changes_its_hash_with_any_word():
    small = Catalogue([COUNT])
    assert (small + [Noun("month")]).names == ("payments_count_10d", "month")
    assert small.digest() == Catalogue([COUNT]).digest()
    assert small.digest() != Catalogue([Feature("payments", Agg.COUNT, Window(10), empty=0, monotone=1)]).digest()
    with pytest.raises(
        UsageError, match="No feature is called 'payments_count_1d' .nearest: 'payments_count_10d'.*docs/features.md"
    ):
        small["payments_count_1d"]


def test_parts_are_made_before_what_derives_from_them_whatever_the_order():
    made = Catalogue(
        [Difference("second", "first", COUNT.name), Ratio("first", COUNT.name, COUNT.name, empty=0), COUNT]
    )
    assert made.names == ("second", "first", COUNT.name)
    assert [entry.name for entry in made.in_order_of_making] == [COUNT.name, "first", "second"]
    assert made["second"].family == "payments"
