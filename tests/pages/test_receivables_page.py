"""The page of commercial debtors: whole in every language, each debtor with his invoices and what to know of him."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pandas as pd
import pytest

from pipeline.columns import OPEN_ITEM_COLUMNS, RECEIVABLE_COLUMNS
from pipeline.pages.language import languages, words
from pipeline.pages.publication import Night
from pipeline.pages.receivables_page import receivables_page
from tests.worlds.paper_nights import night

OWES = {
    "debtor_id": "D<1>",
    "rank": 1,
    "currency": "EUR",
    "accounts": 1,
    "items": 2,
    "open_amount": 150_00,
    "overdue": 100_00,
    "disputed": 50_00,
    "unapplied": 7_00,
    "credit_notes": 3_00,
    "balance": 140_00,
    "oldest_days": 60,
    "usual_days": 6.4,
    "level_from": 9,
    "dunning_level": 3,
    "order_stop": "overdue limit",
    "limit_use": 1.25,
    "held": "",
    "as_of": dt.date(2026, 11, 24),
}
ITEM = {
    "debtor_id": "D<1>",
    "account_id": "A1",
    "portfolio": "book",
    "currency": "EUR",
    "charge_id": "i1",
    "kind": "invoice",
    "due_on": dt.date(2026, 9, 25),
    "invoiced": 120_00,
    "open_amount": 100_00,
    "days_past_due": 60,
    "is_disputed": False,
    "dunning_level": 3,
    "as_of": dt.date(2026, 11, 24),
}
DISPUTED = {**ITEM, "charge_id": "i2", "open_amount": 50_00, "is_disputed": True, "dunning_level": 0}


def with_debtors(language: str, *rows: dict) -> Night:
    debtors = pd.DataFrame(list(rows), columns=list(RECEIVABLE_COLUMNS))
    items = pd.DataFrame([ITEM, DISPUTED] if rows else [], columns=list(OPEN_ITEM_COLUMNS))
    return replace(night(), language=language, receivables=debtors, open_items=items)


@pytest.mark.parametrize("language", languages())
def test_every_language_says_it_whole(language):
    said, page = words(language)["receivables"], receivables_page(with_debtors(language, OWES))
    for name in ("title", "levels", "overdue", "unapplied", "credit_notes", "invoiced", "open_amount"):
        assert f"{said[name]}<" in page
    assert f"i2 ({said['is_disputed']})" in page
    assert said["nothing"] in receivables_page(with_debtors(language))


def test_a_debtor_is_told_with_his_sums_his_habit_and_why_orders_should_stop():
    page = receivables_page(with_debtors("en", OWES))
    for text in (
        "Stop of orders proposed: 60 days past due.",
        "Stop of orders proposed: 125% of the credit limit is in use.",
        "paid 6 days after its due day on average.",
        "The first level holds from 9 days past due.",
        "€140.00",
        "25 Sept 2026",
    ):
        assert text in page
    assert "D&lt;1&gt;" in page
    assert "D<1>" not in page
    assert "<script" not in page


def test_nothing_is_proposed_for_who_is_on_time_and_a_rule_that_holds_is_told():
    quiet = {**OWES, "order_stop": "", "usual_days": -2.0, "level_from": 1, "dunning_level": 0, "held": "excluded"}
    page = receivables_page(with_debtors("en", quiet))
    assert "Stop of orders" not in page
    assert "2 days before its due day" in page
    assert "The first level holds" not in page
    assert "excluded.csv names it" in page


def test_only_the_first_debtors_are_opened_and_the_page_says_so():
    rows = [{**OWES, "debtor_id": f"D{number}"} for number in range(201)]
    page = receivables_page(with_debtors("en", *rows))
    assert page.count("<details") == 200
    assert "The 200 debtors with most past due are opened here." in page
