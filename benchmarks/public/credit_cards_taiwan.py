"""Taiwanese credit cards, April to September 2005, default in October given (UCI 350) -> source folder.

Choices and traps: README.md beside this file.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd

from benchmarks.public.delivery import Counts, deliver, read_raw

NAME = "credit_cards_taiwan"
CURRENCY = "TWD"
ZONE = "Asia/Taipei"
NIGHT = "2005-10-01"
COMPLETE_THROUGH = "2005-09-30"
# Month -> number of its bill and payment columns, of its delay column (newest first;
# September's delay is called PAY_0).
MONTHS = {f"2005-{month:02d}": (str(10 - month), str(10 - month if month < 9 else 0)) for month in range(9, 3, -1)}
AUDIT = {"SEX": "audit_sex", "AGE": "audit_age", "MARRIAGE": "audit_marriage", "EDUCATION": "audit_education"}
DAYS_A_MONTH = 30

PARAMS = {
    "portfolios": {
        NAME: {
            "time_zone": ZONE,
            "delivers": ["accounts", "balances", "payments"],
            "lag_days": {"balances": 0, "payments": 0},
            "dpd_tolerance": {CURRENCY: 0},
        }
    },
    "label": {"horizon_days": 30, "maturity_days": 0, "default_dpd": 60, "default_horizon_days": 31},
    "money": {"reporting_currency": CURRENCY, "rates": {CURRENCY: 1.0}},
    "store": {"shards": 2},
}


def convert(raw: Path, out: Path) -> Counts:
    """Write the source folder of the set. raw holds `UCI_Credit_Card.csv.gz`."""
    counts = Counts()
    cards = read_raw(raw, "UCI_Credit_Card.csv.gz")
    counts.record("UCI_Credit_Card.csv.gz", len(cards), len(cards))
    counts.record(
        "cells of AGE", len(cards), int(cards["AGE"].notna().sum()), {"blank in this copy": cards["AGE"].isna().sum()}
    )
    tables = {"accounts": _accounts(cards), "balances": _balances(cards), "payments": _payments(cards, counts)}
    return deliver(out, tables, CURRENCY, COMPLETE_THROUGH, counts)


def outcomes(raw: Path) -> pd.DataFrame:
    """The outcome to be judged: account_id, as_of (the night after the last statement),
    defaulted (1 = default in October).
    """
    cards = read_raw(raw, "UCI_Credit_Card.csv.gz")
    defaulted = cards["default.payment.next.month"].astype(float)
    return pd.DataFrame({"account_id": cards["ID"], "as_of": dt.date.fromisoformat(NIGHT), "defaulted": defaulted})


def _accounts(cards: pd.DataFrame) -> pd.DataFrame:
    accounts = pd.DataFrame(
        {
            "account_id": cards["ID"],
            "debtor_id": cards["ID"],
            "portfolio": NAME,
            "product": "credit card",
            "debtor_type": "consumer",
            "currency": CURRENCY,
            "opened_on": None,
            "placed_on": None,
            "principal": None,
            "placed_amount": None,
            "jurisdiction": "TW",
            "time_zone": ZONE,
            "known_at": "2005-04-01",  # the day it was opened is not given: known since the first month
            "x_credit_limit": _whole(cards["LIMIT_BAL"]),
        }
    )
    return accounts.assign(**{audit: cards[column] for column, audit in AUDIT.items()})


def _balances(cards: pd.DataFrame) -> pd.DataFrame:
    """A statement on the last day of each month. The sum overdue is not given, only months of delay:
    the whole balance is arrears then.
    """
    statements = []
    for month, (bill, delay) in MONTHS.items():
        balance, months = _whole(cards[f"BILL_AMT{bill}"]), cards[f"PAY_{delay}"].astype(int).clip(lower=0)
        late = (months > 0) & (balance > 0)
        statements.append(
            pd.DataFrame(
                {
                    "account_id": cards["ID"],
                    "taken_on": (pd.Timestamp(month) + pd.offsets.MonthEnd(0)).strftime("%Y-%m-%d"),
                    "balance": balance,
                    "arrears": balance.where(late, 0),
                    "days_past_due": months * DAYS_A_MONTH,
                    "known_at": None,
                }
            )
        )
    return pd.concat(statements, ignore_index=True)


def _payments(cards: pd.DataFrame, counts: Counts) -> pd.DataFrame:
    """The sum paid in each month, on its middle day: the day is not given.
    A month in which nothing was paid has no payment.
    """
    months = []
    for month, (bill, _) in MONTHS.items():
        payment = pd.DataFrame(
            {
                "payment_id": cards["ID"] + "-" + month,
                "account_id": cards["ID"],
                "amount": _whole(cards[f"PAY_AMT{bill}"]),
            }
        )
        months.append(payment.assign(occurred_at=f"{month}-15"))
    paid = pd.concat(months, ignore_index=True)
    some = paid["amount"] > 0
    counts.record("cells of PAY_AMT1..6", len(paid), int(some.sum()), {"nothing was paid": (~some).sum()})
    return paid[some].assign(charge_id=None, kind="payment", reverses=None, method=None, known_at=None)


def _whole(text: pd.Series) -> pd.Series:
    """Whole dollars; the file writes some of them as 1.00E+05."""
    return text.astype(float).astype("int64")
