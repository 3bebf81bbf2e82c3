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
from pipeline.columns import WORKLIST_COLUMNS
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
        ("audit", "fx", float("inf"), "Table 'audit': column 'fx' must be finite, or empty"),
    ],
)
def test_a_row_that_breaks_a_rule_stops_the_night(tmp_path, table, column, value, sentence):
    with pytest.raises(ContractError, match=re.escape(sentence)):
        publish(replace(night(), **with_cell(table, column, value, row=1)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_all_that_is_wrong_with_a_night_is_said_at_once_and_no_value(tmp_path):
    wrong = (
        with_cell("worklist", "time_zone", "")
        | with_cell("scores", "p_recovered", 47.11)
        | with_cell("deferred", "rule", "")
    )
    with pytest.raises(ContractError) as refused:
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
