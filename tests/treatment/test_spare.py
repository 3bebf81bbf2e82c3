"""What a debtor can spare on a day (spare.py): of his late accounts alone, less what plans that still run ask for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipeline.panel.view import view
from pipeline.treatment.spare import spare_money
from tests.worlds.deliveries import PARAMS, account, charge, day, instalment, payment, taken

ON = day("2026-04-10")


def can_spare(tmp_path, account_id="A1", debtor="D1", **tables) -> pd.Series:
    few = PARAMS.model_copy(update={"store": PARAMS.store.model_copy(update={"shards": 2})})
    _, store = taken(tmp_path, few, **tables)
    seen = view(store, store.shard_of_account(account_id), [ON], few, store.versions())
    people = seen.tables["accounts"].drop_duplicates("account_no", keep="last")
    asked = pd.DataFrame({"debtor_id": [debtor], "currency": ["EUR"], "day": [ON]})
    return spare_money(asked, people, seen.tables, seen.ledger)[0].iloc[0]


def paid(number: int, on: str, amount: str, **cells):
    return payment(payment_id=f"Q{number}", occurred_at=f"{on}T10:00:00+01:00", amount=amount, **cells)


OF_BOTH = [paid(1, "2026-03-03", "30.00"), paid(2, "2026-04-02", "30.00", account_id="A2")]


def test_payments_on_all_late_accounts_count_together(tmp_path):
    can = can_spare(tmp_path, payments=OF_BOTH, charges=[charge(charge_id="C9", account_id="A2", amount="100.00")])
    assert (can["usual_payment"], can["usual_gap_days"], can["payday"]) == (3_000, 30, 0)
    assert np.isnan(can[["other_plans", "disposable_income"]].astype(float)).all()


def test_what_is_paid_on_an_account_in_time_is_not_left_for_the_late_one(tmp_path):
    bills = [
        charge(charge_id=f"C{month}", account_id="A2", due_on=f"2026-0{month}-02", amount="500.00") for month in (3, 4)
    ]
    money = [paid(month, f"2026-0{month}-02", "500.00", account_id="A2") for month in (3, 4)]
    money += [paid(5, "2026-03-03", "30.00"), paid(6, "2026-04-02", "30.00")]
    can = can_spare(tmp_path, payments=money, charges=bills)
    assert (can["usual_payment"], can["usual_gap_days"]) == (3_000, 30)


@pytest.mark.parametrize(("ended", "known", "asks"), [("", "", 1_000), ("2026-04-01", "2026-04-01", np.nan)])
def test_a_plan_that_broke_takes_nothing_of_what_can_be_spared(tmp_path, ended, known, asks):
    plans = [instalment(plan_id="Q2", account_id="A2", due_on="2026-05-01", amount="10.00", total="10.00")]
    if ended:
        plans.append({**plans[0], "ended_on": ended, "how": "broken", "known_at": f"{known}T12:00:00+02:00"})
    charges = [charge(charge_id="C9", account_id="A2", amount="100.00")]
    can = can_spare(tmp_path, payments=OF_BOTH, charges=charges, plans=plans)
    np.testing.assert_equal(can["other_plans"], asks)


def test_what_accounts_in_time_fall_due_for_is_taken_off_a_told_income(tmp_path):
    rows = [account(account_id="X1", debtor_id="D9", x_disposable_income="40.00", known_at="2026-01-06")]
    rows.append({**rows[0], "account_id": "X2", "x_disposable_income": ""})
    bills = [charge(charge_id="C8", account_id="X1", amount="100.00", due_on="2026-02-01", issued_on="2026-01-15")]
    bills.append({**bills[0], "charge_id": "C9", "account_id": "X2", "amount": "15.00", "due_on": "2026-05-01"})
    bills.append({**bills[1], "charge_id": "C10", "due_on": "2026-07-01"})
    can = can_spare(tmp_path, "X1", "D9", accounts=rows, charges=bills)
    assert can["disposable_income"] == 2_500


def test_charges_that_are_settled_lessen_nothing_and_money_that_came_early_settles_what_falls_due_first(tmp_path):
    rows = [account(account_id="X1", debtor_id="D9", x_disposable_income="400.00", known_at="2026-01-06")]
    rows.append({**rows[0], "account_id": "X2", "x_disposable_income": ""})
    bills = [charge(charge_id="C8", account_id="X1", amount="100.00", due_on="2026-02-01", issued_on="2026-01-15")]
    months = [f"2025-{month:02}-05" for month in range(4, 13)]
    for number, due in enumerate([*months, "2026-05-01", "2026-06-01"]):
        bills.append(
            {
                **bills[0],
                "charge_id": f"D{number}",
                "account_id": "X2",
                "amount": "300.00",
                "due_on": due,
                "issued_on": "2025-01-02",
            }
        )
    money = [paid(number, due, "300.00", account_id="X2") for number, due in enumerate(months)]
    assert (
        can_spare(tmp_path / "paid", "X1", "D9", accounts=rows, charges=bills, payments=money)["disposable_income"]
        == 10_000
    )
    money.append(paid(99, "2026-04-01", "120.00", account_id="X2"))
    assert (
        can_spare(tmp_path / "early", "X1", "D9", accounts=rows, charges=bills, payments=money)["disposable_income"]
        == 22_000
    )
