"""The whole reasoning of an account, and the rules place by place, in words.

Also of causes.py and places.py.
"""

from __future__ import annotations

import pytest

from features.errors import ContractError
from pipeline.law.places import places
from pipeline.law.question import Case
from pipeline.law.reasoning import reasoning
from tests.worlds.eligibility_worlds import (
    MONDAY,
    PARAMS,
    RULES,
    a_world,
    account,
    an_account,
    calls,
    cohort_of,
    judged,
)


def test_the_whole_reasoning_of_an_account_can_be_read():
    world = calls(a_world(), 1, 2, 3).status("consent_email", MONDAY - 9)
    through = {"contacts": MONDAY - 1, "statuses": MONDAY - 1}
    text = reasoning(Case(cohort_of(world), world.tables(), RULES, PARAMS, through), "a", MONDAY)
    assert "US.call_frequency: At most 7 attempts by call in 7 days per account. Used: 3 of 7." in text
    assert "call       permitted  08:00-20:45 on the debtor's clock; contacts left 4" in text
    assert "[presumption; primary, verified]" in text
    with pytest.raises(ContractError, match="'zz' is not scorable on 2026-11-16"):
        reasoning(Case(cohort_of(world), world.tables(), RULES, PARAMS, through), "zz", MONDAY)
    stopped = world.status("dispute", MONDAY - 1).status("plan", MONDAY - 1)
    text = reasoning(Case(cohort_of(stopped), stopped.tables(), RULES, PARAMS, through), "a", MONDAY)
    assert "Account: excluded by US.dispute_hold (15 USC 1692g(b); 12 CFR 1006.38(d))." in text


def test_every_kind_of_ruling_has_its_reasoning():
    for world in (
        a_world("XX"),
        a_world(zone="America/Los_Angeles"),
        calls(a_world(), 3, outcome="right_party"),
        a_world("CA-ON", "agency").status("notice_sent", MONDAY - 3),
        an_account(a_world("FR", "owner"), "b", "FR", "owner").status("deceased", MONDAY - 3, account_id="b"),
        a_world("GB-ENG", "owner").status("callback", MONDAY + 2, known_at=MONDAY - 3, detail="9:15"),
        a_world("GB-ENG", "owner").contact(
            (MONDAY - 9, 0), "call", "promise", promise_amount=5, promise_due_on=MONDAY + 2
        ),
        a_world("GB-ENG", "owner").status("callback", MONDAY, known_at=MONDAY - 3),
    ):
        through = {"contacts": MONDAY - 1, "statuses": MONDAY - 1}
        text = reasoning(Case(cohort_of(world), world.tables(), RULES, PARAMS, through), "a", MONDAY)
        state = account(judged(world), world)
        assert f"Account: {state['group']}" in text
        assert state["rule"] in text


def test_the_rule_file_is_printed_place_by_place_with_what_is_not_verified():
    text = places(RULES, PARAMS)
    assert all(f"- {name}" in text for name in RULES.all_rules)
    assert "What a sign-off means" in text
    assert text.count("NOT verified") == sum(
        not rule.verified and rule.evidence != "product" for rule in RULES.all_rules.values()
    )
    assert "Reg. 74 s21" in places(RULES, PARAMS, "CA-ON")
    with pytest.raises(ContractError, match="'ZZ' is not in the rule file"):
        places(RULES, PARAMS, "ZZ")
