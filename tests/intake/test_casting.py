"""Amounts: forty forms, each its value or its code."""

from __future__ import annotations

import json

from features.tables import account_number
from tests.worlds.deliveries import codes, day, statement, taken

AMOUNT_FORMS = [
    ("1234.50", 123450),
    ("1234.5", 123450),
    ("1234", 123400),
    ("0.01", 1),
    ("007.50", 750),
    (" 12.50 ", 1250),
    ("-12.50", -1250),
    ("-0", 0),
    ("0", 0),
    ("-0.00", 0),
    ("90000000000000.00", 9 * 10**15),
    ("12.345", "AMT_SCALE"),
    ("12.500", "AMT_SCALE"),
    ("0.001", "AMT_SCALE"),
    ("NaN", "AMT_NAN"),
    ("nan", "AMT_NAN"),
    ("-nan", "AMT_NAN"),
    ("inf", "AMT_NAN"),
    ("-inf", "AMT_NAN"),
    ("Infinity", "AMT_NAN"),
    ("NULL", "AMT_NAN"),
    ("None", "AMT_NAN"),
    ("N/A", "AMT_NAN"),
    ("#N/A", "AMT_NAN"),
    ("", "AMT_FORMAT"),
    ("1e5", "AMT_FORMAT"),
    ("1E-2", "AMT_FORMAT"),
    ("1,000.00", "AMT_FORMAT"),
    ("1.000,00", "AMT_FORMAT"),
    ("1 000.00", "AMT_FORMAT"),
    ("1_000", "AMT_FORMAT"),
    ("12,50", "AMT_FORMAT"),
    ("+12.50", "AMT_FORMAT"),
    ("12.", "AMT_FORMAT"),
    (".5", "AMT_FORMAT"),
    ("--5", "AMT_FORMAT"),
    ("12.50-", "AMT_FORMAT"),
    ("(12.50)", "AMT_FORMAT"),
    ("€12.50", "AMT_FORMAT"),
    ("12.50 EUR", "AMT_FORMAT"),
    ("٣٤", "AMT_FORMAT"),
    ("１２", "AMT_FORMAT"),
    ("\u221212", "AMT_FORMAT"),
    ("0x1F", "AMT_FORMAT"),
    ("\u00a012", 1200),
    ("1/2", "AMT_FORMAT"),
    ("twelve", "AMT_FORMAT"),
    ("12.5.0", "AMT_FORMAT"),
    ("90000000000000.01", "LIMIT_AMOUNT"),
    ("1000000000000000000", "LIMIT_AMOUNT"),
    ("9" * 60, "LIMIT_AMOUNT"),
]


def test_r17_every_form_of_an_amount_becomes_its_documented_value_or_code(attacks, tmp_path):
    """Statement balances may have either sign, so only the form decides."""
    rows = [
        statement(taken_on=f"2026-03-{number % 28 + 1:02}", account_id=("A1", "A2")[number // 28], balance=form)
        for number, (form, _) in enumerate(AMOUNT_FORMS)
    ]
    reports, store = taken(tmp_path, balances=rows)
    frame = store.tables()["balances"]
    values = dict(zip(zip(frame["account_no"], frame["taken_on"], strict=True), frame["balance"], strict=True))
    number = dict(zip(("A1", "A2"), account_number(["A1", "A2"]), strict=True))
    faulty = {
        (json.loads(raw)["account_id"], json.loads(raw)["taken_on"]): code
        for raw, code in codes(tmp_path / "store").items()
    }
    found = [
        values.get((number[row["account_id"]], day(row["taken_on"])), faulty.get((row["account_id"], row["taken_on"])))
        for row in rows
    ]
    assert len(AMOUNT_FORMS) >= 40
    for (form, expected), became in attacks.over(zip(AMOUNT_FORMS, found, strict=True)):
        assert became == expected, form
