"""What the trade does with its books, by hand: what is taken back, cancelled, waived, re-aged, withheld,
and promised for a closed day.

Also of adjustments.py, bank_days.py and receipts.py.
"""

from __future__ import annotations

import numpy as np
import pytest

from features.build import build, explain_feature
from features.catalogue import CATALOGUE
from features.terms import Terms
from tests.worlds.cohorts import DECIMALS, cell, frame_of
from tests.worlds.worlds import World, day


def firm(*accounts: str) -> World:
    """A firm with one account per invoice, and all tables delivered."""
    world = World("Europe/Paris").deliver("charges", "payments", "contacts", "statuses")
    for account_id in accounts:
        world.account(account_id, "firm", opened_on="2024-01-02", debtor_type="commercial")
    return world


def row_of(world: World, night: str, account_id: str = "a", **terms):
    cohort = frame_of([(account_id, day(night))])
    return build(cohort, world.tables(), CATALOGUE, Terms(decimals=DECIMALS, **terms)).iloc[0]


# What is taken back


@pytest.mark.parametrize("kind", ["credit", "withheld"])
def test_what_was_no_payment_cannot_be_a_payment_taken_back(kind):
    """We waived 80.00, or booked a tax slip, and take it back: the debtor never bounced."""
    world = firm("a").charge("2024-02-01", 8_000, kind="invoice")
    world.payment("2024-02-20", 8_000, kind=kind, payment_id="w").reversal("2024-03-01", 8_000, "w")
    found = row_of(world, "2024-04-01")
    assert found[["reversals_count_365d", "reversals_sum_365d"]].tolist() == [0, 0]
    assert np.isnan(found["reversals_ratio_365d"])
    assert found[["balance", "days_past_due"]].tolist() == [8_000, 60]


def test_a_payment_taken_back_counts_from_the_day_on_which_both_are_known():
    """The bank's file of the 12th brings the return of a payment that is booked three days later."""
    world = firm("a").charge("2024-02-01", 8_000, kind="invoice")
    world.payment("2024-03-08", 8_000, payment_id="p", known_at="2024-03-15").reversal(
        "2024-03-10", 8_000, "p", known_at="2024-03-12"
    )
    assert [row_of(world, night)["reversals_count_90d"] for night in ("2024-03-15", "2024-03-16")] == [0, 1]


# What was never billed


def test_an_invoice_raised_in_error_was_never_billed_settled_or_late():
    world = firm("own", "error").charge("2024-03-01", 9_000, account_id="own", issued_on="2024-02-01", kind="invoice")
    world.charge("2024-02-10", 20_000, account_id="error", charge_id="e", kind="invoice", known_at="2024-01-15")
    world.charge("2024-02-10", 0, account_id="error", charge_id="e", kind="invoice", known_at="2024-03-05 10:00")
    before, after = (row_of(world, night, "error") for night in ("2024-03-05", "2024-03-20"))
    assert (before["charges_count_billed_365d"], after["charges_count_billed_365d"]) == (1, 0)
    assert np.isnan(after["charges_days_since_last_billed"])
    assert after["days_past_due_max_365d"] == 24  # what was known on each day stays as it was
    own = row_of(world, "2024-03-20", "own")
    assert own[["debtor_accounts_settled", "debtor_accounts_settled_late"]].tolist() == [0, 0]
    assert np.isnan(own[["debtor_settled_late_share", "debtor_days_since_last_settled"]].astype(float)).all()


@pytest.mark.parametrize("adjusts", ["second", None])
def test_a_credit_note_undoes_the_invoice_it_names_or_the_one_open_invoice_of_its_amount(adjusts):
    """Three invoices, the second of 300.00 raised in error: the oldest stays as late as it is."""
    world = firm("a")
    for name, due_on, amount in (
        ("first", "2024-02-01", 10_000),
        ("second", "2024-02-15", 30_000),
        ("third", "2024-03-01", 10_000),
    ):
        world.charge(due_on, amount, charge_id=name, kind="invoice", known_at="2024-01-10")
    world.charge("2024-03-10", -30_000, charge_id="note", kind="adjustment", adjusts=adjusts)
    before, after = row_of(world, "2024-03-10"), row_of(world, "2024-03-11")
    assert before[["balance", "days_past_due", "charges_count_billed_365d"]].tolist() == [50_000, 38, 3]
    assert after[["balance", "arrears", "days_past_due"]].tolist() == [20_000, 20_000, 39]
    assert after[["charges_count_billed_365d", "charges_sum_billed_365d"]].tolist() == [2, 20_000]


def test_a_credit_note_of_no_single_open_amount_settles_the_oldest_due():
    """Two open invoices of 100.00: which of them the note means is not told."""
    world = firm("a").charge("2024-02-01", 10_000, charge_id="x", kind="invoice")
    world.charge("2024-02-15", 10_000, charge_id="y", kind="invoice")
    world.charge("2024-03-10", -10_000, kind="adjustment")
    found = row_of(world, "2024-03-20")
    assert found[["arrears", "days_past_due", "charges_count_billed_365d"]].tolist() == [10_000, 34, 2]


def test_a_credit_note_that_is_itself_cancelled_brings_the_invoice_back():
    world = firm("a").charge("2024-02-01", 10_000, charge_id="x", kind="invoice")
    world.charge("2024-03-01", -10_000, charge_id="note", kind="adjustment", adjusts="x")
    world.charge("2024-03-01", 0, charge_id="note", kind="adjustment", adjusts="x", known_at="2024-03-10")
    nights = ("2024-03-01", "2024-03-02", "2024-03-10", "2024-03-11")
    assert [row_of(world, night)["charges_count_billed_365d"] for night in nights] == [1, 0, 0, 1]
    assert [row_of(world, night)["days_past_due"] for night in nights] == [29, 0, 0, 39]


@pytest.mark.parametrize(
    ("paid", "withheld", "waived", "settled"),
    [(10_000, 0, 0, 1), (9_000, 1_000, 0, 1), (5_000, 0, 5_000, 1), (4_999, 0, 5_001, 0), (0, 0, 10_000, 0)],
)
def test_a_debt_is_settled_by_the_debtor_where_half_of_it_was_paid(paid, withheld, waived, settled):
    world = firm("old", "new").charge("2024-02-01", 10_000, account_id="old", kind="invoice")
    world.charge("2024-03-01", 5_000, account_id="new", kind="invoice")
    for kind, amount in (("payment", paid), ("withheld", withheld), ("credit", waived)):
        if amount:
            world.payment("2024-02-20", amount, account_id="old", kind=kind)
    found = row_of(world, "2024-03-20", "new")
    assert found[["debtor_accounts_settled", "debtor_accounts_settled_late"]].tolist() == [settled, settled]
    lines = explain_feature(
        "debtor_days_since_last_settled", "new", day("2024-03-20"), world.tables(), terms=Terms(decimals=DECIMALS)
    )
    assert lines.set_index("account_id")["settled_on"].notna().get("old", False).any() == bool(settled)


# Cures


@pytest.mark.parametrize(("token", "cures"), [(0, 0), (100, 0), (29_999, 0), (30_000, 1)])
def test_a_moved_due_date_is_no_cure_whatever_is_paid_beside_it(token, cures):
    world = firm("a").charge("2024-01-31", 30_000, charge_id="loan", known_at="2024-01-02")
    world.charge("2024-03-05", 30_000, charge_id="loan", known_at="2024-02-20 10:00")
    if token:
        world.payment("2024-02-20", token)
    assert cell(world, "cures_count_ever", "2024-03-15") == cures


def test_a_charge_that_falls_due_on_the_same_night_hides_no_cure():
    world = firm("a").charge("2024-02-01", 10_000).charge("2024-02-20", 10_000)
    world.payment("2024-02-20", 10_000)
    found = row_of(world, "2024-02-21")
    assert found[["cures_count_ever", "days_past_due"]].tolist() == [1, 1]


@pytest.mark.parametrize(("kind", "cures"), [("payment", 1), ("withheld", 1), ("credit", 0)])
def test_the_debtors_own_part_cures_and_a_waiver_does_not(kind, cures):
    world = firm("a").charge("2024-02-01", 10_000).payment("2024-02-20", 1_000)
    world.payment("2024-02-25", 9_000, kind=kind)
    assert cell(world, "cures_count_ever", "2024-03-15") == cures


# Promises


def promised(due_on: str, amount: int = 9_440, place: str | None = "FR") -> World:
    world = World("Europe/Paris").account(opened_on="2024-01-02", jurisdiction=place).charge("2024-01-31", 50_000)
    world.deliver("statuses").contact("2024-03-20", "call", "promise", promise_amount=amount, promise_due_on=due_on)
    return world


def outcome(world: World, night: str, **terms) -> tuple[float, float]:
    found = row_of(world, night, **terms)
    return found["promises_kept_365d"], found["promises_broken_365d"]


def test_tax_withheld_for_us_keeps_a_promise_and_is_no_money_recovered():
    world = promised("2024-03-25").payment("2024-03-25", 8_440).withheld("2024-03-25", 1_000)
    assert outcome(world, "2024-04-10", promise_kept_share=1.0) == (1, 0)
    found = row_of(world, "2024-04-10")
    assert found[["payments_sum_ever", "payments_count_ever", "credits_count_ever"]].tolist() == [8_440, 1, 0]
    assert found["balance"] == 40_560
    assert outcome(promised("2024-03-25").payment("2024-03-25", 8_440).credit("2024-03-25", 1_000), "2024-04-10",
                   promise_kept_share=1.0) == (0, 1)  # fmt: skip


EASTER_2024 = {"FR": [day("2024-04-01")], "GB-ENG": [day("2024-03-29"), day("2024-04-01")]}


@pytest.mark.parametrize(
    ("place", "unit", "paid_on", "expected"),
    [
        ("GB-ENG", "bank_days", "2024-04-05", (1, 0)),  # due on Tuesday the 2nd, 3 bank days to Friday the 5th
        ("GB-ENG", "bank_days", "2024-04-08", (0, 1)),
        ("GB-ENG", "days", "2024-04-01", (1, 0)),
        ("GB-ENG", "days", "2024-04-02", (0, 1)),
        ("FR", "bank_days", "2024-04-04", (1, 0)),  # Good Friday is a bank day there: Tuesday, Wednesday, Thursday
        ("FR", "bank_days", "2024-04-05", (0, 1)),
        (None, "bank_days", "2024-04-03", (1, 0)),  # Monday to Friday
        (None, "bank_days", "2024-04-04", (0, 1)),
    ],
)
def test_a_promise_for_good_friday_is_kept_on_bank_days(place, unit, paid_on, expected):
    world = promised("2024-03-29", place=place).payment(paid_on, 9_440)
    terms = {"promise_grace_unit": unit, "holidays": EASTER_2024}
    assert outcome(world, "2024-04-20", **terms) == expected


def test_days_late_are_told_from_the_day_a_promise_falls_due():
    world = promised("2024-03-29", place="GB-ENG").payment("2024-04-02", 9_440)
    terms = Terms(decimals=DECIMALS, holidays=EASTER_2024)
    assert cell(world, "promises_mean_days_late_365d", "2024-04-20", terms=terms) == 0


# Receipts


def test_a_receipt_over_several_charges_is_one_payment_and_settles_what_its_lines_name():
    world = firm("a").charge("2024-02-01", 41_300, charge_id="x", kind="invoice")
    world.charge("2024-02-10", 21_240, charge_id="y", kind="invoice").charge("2024-02-12", 100, charge_id="z")
    for charge_id, amount in (("x", 41_300), ("y", 21_240)):
        world.payment("2024-02-15", amount, payment_id="rct", charge_id=charge_id)
    found = row_of(world, "2024-03-01")
    assert found[["payments_count_ever", "payments_sum_ever", "payments_max_365d"]].tolist() == [1, 62_540, 62_540]
    assert found[["balance", "days_past_due"]].tolist() == [100, 18]


def test_cash_applied_later_moves_from_its_day_on_and_is_no_payment_taken_back():
    world = firm("a", "b").charge("2024-01-31", 10_000, charge_id="0", kind="invoice")
    world.charge("2024-02-05", 10_000, charge_id="1", kind="invoice").charge("2024-02-05", 4_000, account_id="b")
    world.payment("2024-02-10", 10_000, payment_id="p")
    world.payment("2024-02-10", 6_000, payment_id="p", charge_id="1", known_at="2024-02-14 09:00")
    world.payment("2024-02-10", 4_000, payment_id="p", account_id="b", known_at="2024-02-14 09:00")
    assert row_of(world, "2024-02-14")[["balance", "days_past_due"]].tolist() == [10_000, 9]
    later = row_of(world, "2024-02-15")
    assert later[["balance", "days_past_due", "payments_sum_ever"]].tolist() == [14_000, 15, 6_000]
    assert later[["payments_count_ever", "reversals_count_ever"]].tolist() == [1, 0]


def test_a_receipt_taken_back_in_one_row_bounces_on_every_account_it_paid():
    world = firm("a", "b").charge("2024-01-31", 10_000).charge("2024-01-31", 10_000, account_id="b")
    world.payment("2024-02-10", 3_000, payment_id="p").payment("2024-02-10", 5_000, payment_id="p", account_id="b")
    world.reversal("2024-02-20", 8_000, "p")
    for account_id, amount in (("a", 3_000), ("b", 5_000)):
        found = row_of(world, "2024-03-01", account_id)
        assert found[["balance", "reversals_count_ever", "reversals_sum_ever"]].tolist() == [10_000, 1, amount]


# What is held for the debtor


def test_a_credit_on_another_account_is_told_in_this_account_s_currency():
    world = firm("a", "b", "c").charge("2024-02-01", 40_000, kind="invoice")
    world.charge("2024-02-01", 50_000, account_id="b", kind="invoice").payment("2024-02-10", 100_000, account_id="b")
    world.account("yen", "firm", opened_on="2024-01-02", currency="JPY").credit("2024-02-10", 1_000, account_id="yen")
    rates = {"EUR": 1.0, "JPY": 0.0061}
    assert row_of(world, "2024-02-10", rates=rates)["debtor_credit"] == 0
    assert row_of(world, "2024-03-01", rates=rates)["debtor_credit"] == 50_610
    assert np.isnan(row_of(world, "2024-03-01")["debtor_credit"])
