"""What makes a row good that was set aside: itself as it should have been, or something newer in its place."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from pipeline.intake.ingest import ingest
from pipeline.store.aside import QUARANTINED_COLUMNS, made_good, needed, of_accounts
from pipeline.store.store import Store
from tests.worlds.deliveries import PARAMS, account, charge, contact, payment, statement, status, taken, write

# Table, the faulty row, its codes, what came later, and whether that makes it good.
ROWS = [
    ("accounts", account(opened_on="05.01.2026"), "TS_FORMAT", account(), True),
    ("accounts", account(account_id="A1", debtor_id="D9"), "ACCT_CHANGED", account(), False),
    ("charges", charge(amount="1,00"), "AMT_FORMAT", charge(), True),
    ("charges", charge(charge_id="C1", amount="1,00", known_at="2026-02-09"), "AMT_FORMAT", charge(), False),
    ("balances", statement(balance="x"), "AMT_FORMAT", statement(), True),
    ("balances", statement(balance="x", taken_on="2026-01-01"), "AMT_FORMAT", statement(), False),
    ("contacts", contact(channel="pigeon"), "ENUM_UNKNOWN", contact(), True),
    ("contacts", contact(channel="pigeon"), "ENUM_UNKNOWN", contact(contact_id="X2"), False),
    ("payments", payment(amount="1,00"), "AMT_FORMAT", payment(), True),
    ("payments", payment(amount="1,00", account_id="A2"), "AMT_FORMAT", payment(), False),
    ("payments", payment(amount="1,00", charge_id="C1"), "AMT_FORMAT", payment(), False),
    ("payments", payment(known_at="2062-02-03"), "TS_FUTURE", payment(), True),
    ("payments", payment(known_at="2062-02-03", amount="1,00"), "AMT_FORMAT", payment(), False),
    ("payments", payment(known_at="2026-02-03T23:30:00-10:00", amount="1,00"), "AMT_FORMAT", payment(), False),
    (
        "payments",
        payment(known_at="2026-02-04T00:30:00+14:00", amount="1,00"),
        "AMT_FORMAT",
        payment(known_at="2026-02-03T12:00:00+01:00"),
        True,
    ),
    ("statuses", status(until_on="x"), "TS_FORMAT", status(), True),
    ("statuses", status(until_on="x", charge_id="C1"), "TS_FORMAT", status(), False),
    ("statuses", status(until_on="2026-03-01"), "DUP_CONFLICT", status(), False),
    ("statuses", status(until_on="2026-03-01"), "DUP_CONFLICT", status(known_at="2026-02-02"), True),
]


@pytest.mark.parametrize(("table", "faulty", "codes", "came", "expected"), ROWS)
def test_a_row_is_made_good_by_its_own_line_or_a_newer_one(tmp_path, table, faulty, codes, came, expected):
    taken(tmp_path)
    ingest(write(tmp_path / "later", {table: [came]}), tmp_path / "store", PARAMS)
    store = Store(tmp_path / "store")
    raw = json.dumps(faulty)
    rows = of_accounts(pd.DataFrame([[table, codes, raw, "none"]], columns=QUARANTINED_COLUMNS))
    assert made_good(rows, store.tables(None, [table], {table: needed(table)}), store).tolist() == [expected]


def test_a_row_that_names_no_account_is_of_none():
    nothing = pd.DataFrame(columns=QUARANTINED_COLUMNS)
    assert of_accounts(nothing).empty
    links = pd.DataFrame([["debtors", "DEBTOR_CIRCLE", "{}", "x"], ["payments", "KEY_NULL", "{}", "x"]])
    assert of_accounts(links.set_axis(QUARANTINED_COLUMNS, axis=1)).empty
    assert np.isdtype(of_accounts(nothing)["account_no"].dtype, "integral")
