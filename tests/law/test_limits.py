"""Which rule narrows a listed account's day: what a row names is what set its window and what
is left of its contacts.
"""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest

from pipeline.law.rule_file import load_rules
from tests.worlds.afterwards import NIGHT, House

RULE_FILE = load_rules().all_rules


@pytest.fixture(scope="module")
def named(two_nights: House) -> pd.DataFrame:
    """One row per listed account: its permitted window, contacts left, and the rules the page names."""
    text = (two_nights.out / NIGHT.isoformat() / "worklist.html").read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="night">(.*?)</script>', text, re.S).group(1))
    rules = [[data["strings"][rule] for rule, _ in row] if row else [] for row in data["details"]["limits"]]
    terms = {column["name"]: column["values"] for column in data["audit"]["columns"]}
    window = {name: [data["strings"][place] for place in terms[name]] for name in ("permitted_from", "permitted_until")}
    return two_nights.worklist().assign(rules=rules, **window)


def minute(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def test_the_hours_named_begin_or_end_where_the_window_does(named, two_nights):
    """The margin of the params ends a window before its rule does."""
    margin = two_nights.params.eligibility.margin_minutes
    seen = 0
    for row in named.itertuples():
        hours = [RULE_FILE[rule] for rule in row.rules if RULE_FILE[rule].kind == "hours"]
        narrowed = row.permitted_from != "00:00" or row.permitted_until != "24:00"
        assert bool(hours) == narrowed, row.rules
        for rule in hours:
            edges = {edge for first, last in rule.windows[NIGHT.weekday()] for edge in (first, last - margin)}
            assert {minute(row.permitted_from), minute(row.permitted_until)} & edges
            seen += 1
    assert seen > 20


def test_the_cap_named_leaves_no_more_than_its_most(named):
    capped = named[named["contacts_left"].notna()]
    assert len(capped) > 20
    for row in capped.itertuples():
        caps = [RULE_FILE[rule] for rule in row.rules if RULE_FILE[rule].kind == "cap"]
        assert len(caps) == 1
        assert row.channel in caps[0].channels
        assert 1 <= row.contacts_left <= caps[0].max


def test_no_cap_is_named_where_none_counts(named):
    free = named[named["contacts_left"].isna()]
    assert not any(RULE_FILE[rule].kind == "cap" for rules in free["rules"] for rule in rules)
