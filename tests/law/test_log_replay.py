"""The benchmark that holds a real contact log against the rules: by hand on a few contacts."""

from __future__ import annotations

import pandas as pd

from benchmarks.contact_caps import TODAY, _as_if_known, _bounds, _replay
from benchmarks.public import utility_contacts
from benchmarks.real import params_of
from tests.worlds.eligibility_worlds import RULES
from tests.worlds.worlds import day

MONDAY = day("2026-02-02")


def a_log(*rows: tuple[int, int, str, str]) -> pd.DataFrame:
    """(account, day, measure, channel)."""
    frame = pd.DataFrame(list(rows), columns=["account_no", "occurred_on", "measure", "channel"])
    frame = frame.assign(
        contact_id=[f"k{place}" for place in range(len(frame))], direction="outbound", outcome=None, occurred_minute=-1
    )
    at = (frame["occurred_on"].astype("int64") * 24 - 3) * 3_600_000_000  # midnight in Moscow
    return frame.assign(
        occurred_at=at, known_on=frame["occurred_on"], known_at=at, promise_amount=-(2**63), promise_due_on=-(2**31)
    )


def test_letters_and_calls_that_come_too_soon_are_deferred_and_do_not_count_for_the_next(tmp_path):
    params = _as_if_known(params_of(utility_contacts, tmp_path))
    accounts = pd.DataFrame(
        {
            "account_no": [1, 2],
            "account_id": ["a", "b"],
            "debtor_id": ["a", "b"],
            "portfolio": utility_contacts.NAME,
            "debtor_type": "consumer",
            "jurisdiction": "RU",
            "time_zone": "Europe/Moscow",
            "known_on": 0,
            "known_at": 0,
        }
    )
    notice = ("disconnection_notice", "letter")
    log = a_log(
        (1, MONDAY, *notice),
        (1, MONDAY + 13, *notice),
        (1, MONDAY + 14, *notice),
        (2, MONDAY, *notice),
        (2, MONDAY, *notice),
        (1, MONDAY + 28, "operator_call", "call"),
        (1, MONDAY + 29, "operator_call", "call"),
        (1, MONDAY + 40, "court_order_filed", "legal"),
    )
    deferred, by_rule = _replay(accounts, log, RULES, params)
    assert deferred == {"disconnection_notice": 2, "operator_call": 1}
    assert by_rule.pop(TODAY) == 1
    assert by_rule.pop("product.letters") == 1
    assert sum(by_rule.values()) == 1


def test_month_precise_measures_have_two_ends(tmp_path):
    params = _as_if_known(params_of(utility_contacts, tmp_path))
    log = a_log(*((1, MONDAY, "claim_letter", "letter") for _ in range(4)), (2, MONDAY, "claim_letter", "letter"))
    # February holds two windows of 14 days; at worst all on one day
    assert _bounds(log, RULES, params) == {"claim_letter": (2, 3)}
