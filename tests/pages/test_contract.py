"""A night that breaks a rule or does not fit together is not published,
and all that is wrong with it is said at once.
"""

from __future__ import annotations

import re
from dataclasses import replace

import pandas as pd
import pytest

from features.errors import ContractError
from models.prioritise import GROUPS
from pipeline.columns import MESSAGE_COLUMNS, WORKLIST_COLUMNS
from pipeline.pages.contract import check_night
from pipeline.pages.publication import GROUPS_SHOWN, Details
from pipeline.pages.publish import publish
from tests.worlds.paper_nights import night


def test_a_reader_meets_the_groups_of_the_ranking():
    assert sorted(GROUPS_SHOWN) == sorted(GROUPS)


def counts(**changed: int) -> dict[str, int]:
    return dict(night().counts) | changed


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"worklist": night().worklist.drop(columns="balance")}, "Table 'worklist' lacks 'balance'"),
        (
            {"worklist": night().worklist[list(reversed(WORKLIST_COLUMNS))]},
            "'worklist' must have its columns in the published order",
        ),
        (
            {"deferred": night().deferred[["rule", "account_id", "citation", "first_permitted"]]},
            "'deferred' must begin with 'account_id'",
        ),
        (
            {"worklist": night().worklist.astype({"balance": "float64"})},
            "worklist.balance must be integer minor units. Got float64",
        ),
        ({"worklist": night().worklist.assign(currency="XXX")}, "Currencies 'XXX' have no number of decimals"),
        ({"details": Details(limits=pd.DataFrame({"account_id": []}))}, "Table 'details.limits' lacks"),
        ({"audit": night().audit.iloc[1:]}, "'audit' must have one row for each listed account"),
        ({"counts": {"scorable": 0}}, "counts lack worklist, joined"),
        ({"counts": counts(scorable=1)}, "and 1 are scorable. Each must be in exactly one group"),
        (
            {"counts": counts(no_value=0, deferred=night().counts["deferred"] + 5)},
            "'deferred' has 16 rows and is counted as 21",
        ),
    ],
)
def test_a_night_that_does_not_fit_together_is_refused(tmp_path, changes, sentence):
    with pytest.raises(ContractError, match=sentence):
        publish(replace(night(), **changes), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def with_cell(table: str, column: str, value: object, row: int = 0) -> dict[str, object]:
    """The night's table with one cell changed."""
    frame = getattr(night(), table).copy()
    frame[column] = [value if place == row else cell for place, cell in enumerate(frame[column])]
    return {table: frame}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "column", "value", "sentence"),
    [
        (
            "worklist",
            "p_recovered",
            1.5,
            "Table 'worklist': column 'p_recovered' must lie between 0 and 1, or be empty. Got 1 rows",
        ),
        ("worklist", "rank", 4711, "'rank' must count 1, 2, 3 ... within each queue"),
        ("worklist", "days_past_due", -4711, "'days_past_due' must be 0 or more, or empty"),
        ("worklist", "contact_from", "8 o'clock", "'contact_from' must be HH:MM"),
        ("worklist", "contact_from", "23:59", "'contact_from' must lie before contact_until"),
        ("worklist", "last_payment", "yesterday", "'last_payment' must be dates, or empty"),
        ("worklist", "time_zone", "", "'time_zone' must not be empty"),
        ("worklist", "balance", 10**16, "'balance' must be at most 9000000000000000 minor units, or empty"),
        ("deferred", "rule", None, "Table 'deferred': column 'rule' must not be empty"),
        ("excluded", "account_id", "X000016", "Table 'excluded': column 'account_id' must name each account once"),
        ("held_out", "probability", -0.1, "Table 'held_out': column 'probability' must lie between 0 and 1"),
        ("scores", "p_defaulted", 2.0, "Table 'scores': column 'p_defaulted' must lie between 0 and 1"),
        ("worklist", "channel", "pigeon", "Table 'worklist': column 'channel' must be one of call, autodial"),
        ("worklist", "contacts_left", 1.5, "'contacts_left' must be 0 or more, or empty"),
        ("worklist", "valid_until", None, "'valid_until' must not be empty"),
        ("worklist", "p_recovered", "likely", "'p_recovered' must lie between 0 and 1, or be empty"),
        ("scores", "as_of", None, "Table 'scores': column 'as_of' must not be empty"),
        ("deferred", "first_permitted", "soon", "Table 'deferred': column 'first_permitted' must be instants"),
        ("audit", "fx", float("inf"), "Table 'audit': column 'fx' must be finite, or empty"),
    ],
)
def test_a_row_that_breaks_a_rule_stops_the_night(tmp_path, table, column, value, sentence):
    with pytest.raises(ContractError, match=re.escape(sentence)):
        publish(replace(night(), **with_cell(table, column, value, row=1)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def detailed(**changed: object) -> Details:
    """Details of the night with the first cell of the named columns of a part changed: reasons={"contribution": 1}."""
    whole = night().details
    parts = {}
    for name, cells in changed.items():
        frame = getattr(whole, name).copy()
        for column, value in cells.items():
            frame[column] = [value, *frame[column].iloc[1:]]
        parts[name] = frame
    return replace(whole, **parts)


@pytest.mark.parametrize(
    ("table", "column", "value", "rule"),
    [
        ("reasons", "contribution", "much", "be finite, or empty"),
        ("reasons", "contribution", float("nan"), "not be empty"),
        ("reasons", "reason", "", "not be empty"),
        ("balances", "on", "yesterday", "be a day between 1900 and 9999, or empty"),
        ("balances", "on", -(2**31), "not be empty"),
        ("payments", "occurred_on", 20_000.5, "be a day between 1900 and 9999, or empty"),
        ("payments", "kind", "gift", "be one of payment, reversal, credit, withheld, or empty"),
        ("contacts", "occurred_minute", 1_441, "be a minute of the day or -1"),
        ("contacts", "channel", "pigeon", "be one of call, autodial"),
        ("contacts", "direction", "sideways", "be one of outbound, inbound, or empty"),
        ("contacts", "outcome", "nonsense", "be one of not_connected"),
        ("promises", "state", "nonsense", "be one of kept, broken, open, or empty"),
        ("promises", "due_on", True, "be a day between 1900 and 9999, or empty"),
        ("channels", "verdict", None, "not be empty"),
        ("channels", "verdict", "perhaps", "be one of excluded, deferred, permitted, or empty"),
        ("channels", "from_minute", "noon", "be a minute of the day or -1"),
        ("limits", "rule", None, "not be empty"),
        ("appointments", "appointment_at", "soon", "be instants, or empty"),
        ("appointments", "appointment_at", -(2**63), "not be empty"),
        ("appointments", "account_id", "", "not be empty"),
    ],
)
def test_what_opens_under_a_row_keeps_its_rules(tmp_path, table, column, value, rule):
    sentence = re.escape(f"Table 'details.{table}': column '{column}' must {rule}")
    with pytest.raises(ContractError, match=sentence):
        publish(replace(night(), details=detailed(**{table: {column: value}})), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("table", ["worklist", "scores"])
def test_money_of_the_details_is_held_to_the_same_bounds(tmp_path, table):
    """A sum that no debt reaches, in a part that is published, and a sum in major units."""
    for amount, told in ((10**16, "'amount' must be at most"), (12.5, "details.payments.amount must be integer")):
        with pytest.raises(ContractError, match=told):
            publish(replace(night(), details=detailed(payments={"amount": amount})), tmp_path / table)


def test_all_of_the_details_is_said_at_once():
    wrong = detailed(balances={"on": "yesterday"}, promises={"state": "nonsense"}, channels={"verdict": None})
    with pytest.raises(ContractError, match="column") as refused:
        check_night(replace(night(), details=replace(wrong, limits=wrong.limits.drop(columns="citation"))))
    told = str(refused.value)
    assert all(f"details.{name}" in told for name in ("balances", "promises", "channels", "limits"))
    assert "yesterday" not in told


def test_rows_are_asked_though_the_form_of_their_table_fails():
    listed = night().worklist.drop(columns=["balance", "queue"]).assign(p_recovered=47.11, contact_until="late")
    with pytest.raises(ContractError, match="column") as refused:
        check_night(replace(night(), worklist=listed.astype({"arrears": "float64"})))
    told = str(refused.value)
    assert all(part in told for part in ("lacks 'queue', 'balance'", "worklist.arrears", "'p_recovered'", "HH:MM"))


@pytest.mark.parametrize("empty", [True, False])
def test_instants_are_microseconds_or_know_their_zone(empty):
    moment = pd.Timestamp("2026-11-21 08:00", tz="Europe/London")
    shut = night().deferred.assign(
        first_permitted=[moment] * (len(night().deferred) - 1) + [pd.NaT if empty else moment]
    )
    check_night(replace(night(), deferred=shut))
    with pytest.raises(ContractError, match="'first_permitted' must be instants, or empty"):
        check_night(replace(night(), deferred=shut.assign(first_permitted=moment.tz_localize(None))))


def test_all_that_is_wrong_with_a_night_is_said_at_once_and_no_value(tmp_path):
    wrong = (
        with_cell("worklist", "time_zone", "")
        | with_cell("scores", "p_recovered", 47.11)
        | with_cell("deferred", "rule", "")
    )
    with pytest.raises(ContractError, match="column") as refused:
        publish(replace(night(), **wrong, counts=counts(scorable=1)), tmp_path / "out")
    told = str(refused.value)
    assert all(part in told for part in ("'time_zone'", "'p_recovered'", "'rule'", "1 are scorable"))
    assert "47.11" not in told
    assert all(name not in told for name in night().worklist["account_id"])


def test_a_night_is_remembered_once_it_is_sound_and_before_anybody_can_see_it(tmp_path):
    seen: list[bool] = []
    with pytest.raises(ContractError, match="'time_zone' must not be empty"):
        publish(
            replace(night(), **with_cell("worklist", "time_zone", "")), tmp_path, remember=lambda: seen.append(True)
        )
    assert seen == []
    publish(night(), tmp_path, remember=lambda: seen.append((tmp_path / "current").exists()))
    assert seen == [False]


def said_to(debtor_id: str, **changed: object) -> pd.DataFrame:
    row = dict.fromkeys(MESSAGE_COLUMNS, "x") | {
        "account_id": "elsewhere",
        "debtor_id": debtor_id,
        "channel": "sms",
        "probability": 0.5,
        "send_from": "09:00",
        "send_until": "17:00",
        "as_of": night().as_of,
        "valid_until": night().as_of,
        "time_zone": "Europe/London",
    }
    return pd.DataFrame([row | changed])


def test_nobody_held_out_or_listed_on_any_account_is_sent_a_message():
    whole = night()
    held = whole.held_out.assign(debtor_id=[f"H{place}" for place in range(len(whole.held_out))])
    own, other = said_to("H0", account_id=held["account_id"].iloc[0]), said_to("H1")
    for messages, sentence in (
        (own, "'account_id' must not be held out"),
        (other, "'debtor_id' must not be held out on another account"),
        (said_to(whole.worklist["debtor_id"].iloc[0]), "'debtor_id' must not be on the work list too"),
        (pd.concat([said_to("new"), said_to("new")]), "'debtor_id' must name each debtor once"),
    ):
        with pytest.raises(ContractError, match=re.escape(sentence)):
            check_night(replace(whole, held_out=held, messages=messages))
    check_night(replace(whole, held_out=held, messages=said_to("new")))
