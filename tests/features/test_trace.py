"""The events behind a cell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.build import build, explain_feature
from features.catalogue import CATALOGUE
from features.cohort import scorable
from features.errors import UsageError
from features.terms import Terms
from tests.worlds.cohorts import account, two_books
from tests.worlds.worlds import day


@pytest.mark.slow
@pytest.mark.parametrize("late", ["charges", "balances", "payments", "contacts", "statuses"])
def test_the_events_behind_a_cell_know_that_a_feed_is_late(late):
    """Every cell is the matrix's; one that only the late table empties says so,
    with the day through which it is there.
    """
    world, night = two_books(), day("2024-03-01")
    world.charge("2024-01-31", 100, account_id="billed").charge("2024-01-31", 100, account_id="stated")
    world.payment("2024-02-01", 5, account_id="billed").contact(
        "2024-02-02", "call", "right_party", account_id="billed"
    )
    world.status("plan", "2024-02-03", account_id="billed")
    tables, reach = world.tables(), {late: {"book": night, "shop": night - 3}}
    cohort = scorable(tables, None, [night], Terms()).frame
    own = int(np.flatnonzero(cohort["account_id"] == "billed")[0])
    matrix, whole = build(cohort, tables, complete_through=reach), build(cohort, tables)
    emptied = [name for name in matrix if pd.isna(matrix[name].iloc[own]) and pd.notna(whole[name].iloc[own])]
    one_of_a_kind = {
        (type(CATALOGUE[name]), CATALOGUE[name].family, getattr(CATALOGUE[name], "event", "")): name for name in emptied
    }
    assert one_of_a_kind
    for name in [*one_of_a_kind.values(), "debtor_days_since_last_payment", "month"]:
        told = explain_feature(name, "billed", night, tables, complete_through=reach)
        value, expected = told["value"].iloc[0], matrix[name].iloc[own]
        assert value == expected or (pd.isna(value) and pd.isna(expected)), name
        reason = told["what"].str.contains(f"{late} complete through 2024-02-27 only", regex=False)
        assert (name in emptied) == (reason | (told["what"] == "account without a ledger")).any(), (name, told)


def test_an_account_of_a_late_book_is_told_as_one_without_a_ledger():
    reach = {"payments": {"book": day("2024-02-29"), "shop": day("2024-02-28")}}
    told = explain_feature(
        "debtor_accounts_settled", "a", day("2024-03-01"), two_books().tables(), complete_through=reach
    )
    assert told["what"].tolist() == ["value", "account", "account without a ledger", "account without a ledger"]
    assert np.isnan(told["value"].iloc[0])
    told = explain_feature("payments_count_ever", "a", day("2024-03-02"), two_books().tables(), complete_through=reach)
    assert told["what"].tolist() == ["value", "payments complete through 2024-02-29 only"]


def test_the_events_behind_a_cell_add_up_to_it():
    world = (
        account()
        .payment("2024-03-01", 700, payment_id="p", method="card")
        .payment("2024-03-02", 300)
        .payment("2023-03-02", 5)
    )
    world.reversal("2024-03-05", 100, "p").credit("2024-03-03", 9).contact("2024-03-01", "call", "right_party")
    tables = world.tables()
    night = day("2024-03-15")
    found = explain_feature("payments_sum_90d", "a", night, tables)
    assert found["value"].tolist()[0] == 900
    assert found["amount"].sum() == 900
    assert found["on"].tolist()[1:] == ["2024-03-01", "2024-03-02"]
    parts = explain_feature("right_party_rate_call_180d", "a", night, tables)
    assert set(parts["column"]) == {
        "right_party_rate_call_180d",
        "contacts_count_reached_180d",
        "contacts_count_dialled_180d",
    }
    assert (parts["what"] == "contacts").sum() == 2
    assert explain_feature("days_past_due_max_365d", "a", night, tables)[
        "overdue_since"
    ].dropna().unique().tolist() == ["2024-01-31"]
    assert explain_feature("debtor_arrears", "a", night, tables)["value"].tolist() == [99_086, 99_086]
    assert explain_feature("attempts_since_last_payment", "a", night, tables)["what"].tolist() == [
        "value",
        "contacts",
        *["payments"] * 3,
    ]
    with pytest.raises(UsageError, match="No feature is called 'payment_sum_90d' .nearest: 'payments_sum_90d'"):
        explain_feature("payment_sum_90d", "a", night, tables)
    with pytest.raises(UsageError, match="Account 'z' is not scorable on 2024-03-15"):
        explain_feature("payments_sum_90d", "z", night, tables)
