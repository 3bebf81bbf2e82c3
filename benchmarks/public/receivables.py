"""IBM's sample of business invoices, 2012 to 2013 -> source folder. Choices and traps: README.md beside this file.

`DaysToSettle` and `DaysLate` are outcomes and `Disputed` has no date: none of them becomes an attribute.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from benchmarks.public.delivery import Counts, day_text, deliver, money_text, read_raw

NAME = "receivables"
CURRENCY = "USD"
ZONE = "UTC"
COMPLETE_THROUGH = "2014-01-31"

PARAMS = {
    "portfolios": {
        NAME: {
            "time_zone": ZONE,
            "delivers": ["accounts", "charges", "payments"],
            "lag_days": {"charges": 0, "payments": 0},
            "dpd_tolerance": {CURRENCY: 0},
        }
    },
    "label": {"horizon_days": 30, "maturity_days": 0, "default_dpd": 60, "default_horizon_days": 60},
    "money": {"reporting_currency": CURRENCY, "rates": {CURRENCY: 1.0}},
    "store": {"shards": 1},
}


def convert(raw: Path, out: Path) -> Counts:
    """Write the source folder of the set: an account for each invoice. raw holds `receivables.csv.gz`."""
    counts = Counts()
    invoices = read_raw(raw, "receivables.csv.gz")
    counts.record("receivables.csv.gz", len(invoices), len(invoices))
    for column in ("InvoiceDate", "DueDate", "SettledDate"):
        invoices[column] = pd.to_datetime(invoices[column], format="%m/%d/%Y")
    invoices["amount"] = money_text(invoices["InvoiceAmount"].astype(float))
    number, issued = invoices["invoiceNumber"], day_text(invoices["InvoiceDate"])
    accounts = pd.DataFrame(
        {
            "account_id": number,
            "debtor_id": invoices["customerID"],
            "portfolio": NAME,
            "product": "trade invoice",
            "debtor_type": "commercial",
            "currency": CURRENCY,
            "opened_on": issued,
            "placed_on": None,
            "principal": invoices["amount"],
            "placed_amount": None,
            "jurisdiction": None,
            "time_zone": ZONE,
            "known_at": issued,
        }
    )
    charges = pd.DataFrame(
        {
            "charge_id": number,
            "account_id": number,
            "issued_on": issued,
            "due_on": day_text(invoices["DueDate"]),
            "amount": invoices["amount"],
            "kind": "invoice",
            "known_at": issued,
        }
    )
    payments = pd.DataFrame(
        {
            "payment_id": number,
            "account_id": number,
            "charge_id": number,
            "occurred_at": day_text(invoices["SettledDate"]),
            "amount": invoices["amount"],
            "kind": "payment",
            "reverses": None,
            "method": None,
            "known_at": day_text(invoices["SettledDate"]),
        }
    )
    tables = {"accounts": accounts, "charges": charges, "payments": payments}
    return deliver(out, tables, CURRENCY, COMPLETE_THROUGH, counts)
