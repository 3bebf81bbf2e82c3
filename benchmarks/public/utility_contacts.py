"""A Russian electricity retailer's log of ten kinds of measures, and two partial lists of debts -> source folder.
It has no outcome.

Choices and traps: README.md beside this file.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import pandas as pd

from benchmarks.public.delivery import Counts, deliver, read_raw

NAME = "utility_contacts"
CURRENCY = "RUB"
ZONE = "Europe/Moscow"
FIRST_DAY = "2025-01-01"
COMPLETE_THROUGH = "2026-03-01"
NIGHT = "2026-03-02"
CHANNEL = {
    "autodial": "autodial",
    "email": "email",
    "sms": "sms",
    "operator_call": "call",
    "claim_letter": "letter",
    "disconnection_notice": "letter",
    "field_visit": "visit",
    "disconnection": "other",
    "court_order_filed": "legal",
    "court_order_received": "legal",
}
# dated to the first of their month; the others to the day
MONTH_PRECISE = ("autodial", "email", "sms", "claim_letter", "field_visit")
NOT_GIVEN = ("outcome", "promise_amount", "promise_due_on", "cost", "agent", "person_id", "endpoint_id")
# the second by what it holds, not by its name
LISTS = {"debt_2025-09-01.csv.gz": "2025-09-01", "debt_2026-02-01.csv.gz": "2026-03-01"}
DAYS_A_MONTH = 30
# monthly_capacity_limits.csv: 1,550 operator calls a month, 21 working days; a plan that the log exceeds
CALLS_A_NIGHT = 73

PARAMS = {
    "portfolios": {
        NAME: {
            "time_zone": ZONE,
            "delivers": ["accounts", "balances", "contacts"],  # no payments: no labels, the age bands rank
            "lag_days": {"balances": 0, "contacts": 0},
            "dpd_tolerance": {CURRENCY: 0},
            "contact_precision": "month",
        }
    },
    "worklist": {"capacity": {"default": CALLS_A_NIGHT}},
    "money": {"reporting_currency": CURRENCY, "rates": {CURRENCY: 1.0}},
    "store": {"shards": 4},
}


def convert(raw: Path, out: Path) -> Counts:
    """Write the source folder of the set. raw holds the universe, the log, the two lists and the plan of capacity."""
    counts = Counts()
    universe = read_raw(raw, "account_universe.csv.gz")
    again = universe["account_id"].duplicated()
    counts.record(
        "account_universe.csv.gz", len(universe), int((~again).sum()), {"the same account again": again.sum()}
    )
    plan = read_raw(raw, "monthly_capacity_limits.csv")
    counts.record(
        "monthly_capacity_limits.csv",
        len(plan),
        1,
        {"a plan, not an event; operator calls are in the params": len(plan) - 1},
    )
    accounts = universe.loc[~again, "account_id"]
    tables = {
        "accounts": _accounts(accounts),
        "balances": pd.concat([_listed(raw, name, counts) for name in LISTS], ignore_index=True),
        "contacts": _contacts(read_raw(raw, "contacts.csv.gz"), counts),
    }
    return deliver(out, tables, CURRENCY, COMPLETE_THROUGH, counts, parquet=["contacts"])


def _accounts(ids: pd.Series) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "account_id": ids,
            "debtor_id": ids,
            "portfolio": NAME,
            "product": "electricity",
            "debtor_type": "consumer",
            "currency": CURRENCY,
            "opened_on": None,
            "placed_on": None,
            "principal": None,
            "placed_amount": None,
            "jurisdiction": "RU",
            "time_zone": ZONE,
            "known_at": FIRST_DAY,  # contracts are older than the log
        }
    )


def _listed(raw: Path, name: str, counts: Counts) -> pd.DataFrame:
    """A list of overdue debts as a statement: all of it is arrears. Without months in debt,
    it is one month late at least.
    """
    debts = read_raw(raw, name)
    counts.record(name, len(debts), len(debts))
    exact = debts["debt"].map(Decimal)
    owed = exact.map(lambda sum_owed: sum_owed.quantize(Decimal("0.01"), ROUND_HALF_EVEN))
    rounded = int((owed != exact).sum())
    if rounded:
        counts.notes.append(f"{name}: {rounded:,} sums have more decimals than the currency and were rounded half-even")
    months = debts["months_in_debt"].astype(int) if "months_in_debt" in debts else 1
    return pd.DataFrame(
        {
            "account_id": debts["account_id"],
            "taken_on": LISTS[name],
            "balance": owed.astype("str"),
            "arrears": owed.astype("str"),
            "days_past_due": months * DAYS_A_MONTH,
            "known_at": None,
        }
    )


def _contacts(log: pd.DataFrame, counts: Counts) -> pd.DataFrame:
    """One row per measure, exact repetitions too (several e-mails a month): each has the number of its line.

    A month-precise measure happened on some day of its month, so it is known only when the month is over, or when the
    log ends.
    """
    counts.record("contacts.csv.gz", len(log), len(log))
    counts.notes.append(
        f"contacts.csv.gz: {log.duplicated().sum():,} rows repeat another exactly and are kept, each as its own contact"
    )
    day = pd.to_datetime(log["date"], format="%Y-%m-%d")
    over = (day + pd.offsets.MonthEnd(0)).clip(upper=pd.Timestamp(COMPLETE_THROUGH))
    known = day.where(~log["action"].isin(MONTH_PRECISE), over)
    contacts = pd.DataFrame(
        {
            "contact_id": "line-" + (log.index + 2).astype("str"),
            "account_id": log["account_id"],
            "occurred_at": log["date"],
            "channel": log["action"].map(CHANNEL),
            "direction": "outbound",
        }
    )
    return contacts.assign(**dict.fromkeys(NOT_GIVEN)).assign(known_at=known.dt.strftime("%Y-%m-%d"))
