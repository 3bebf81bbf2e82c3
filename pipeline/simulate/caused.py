"""A made-up book of sales on instalments whose bad debts have planted causes, or none: what each account's chance truly
is stands in truth/, so that what `recoup insight` says of causes can be held against it.

Planted are a sale channel that rolls (sold online, from 2,000 on, without a deposit), a month of lax credit, a product
with first-payment defaults, and a cause that must not be said: a group of an audited fact, and an offer that stands for
it. Shares and sizes are choice; no published book has them.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from features.days import date_of, day_number
from features.errors import CannotWrite, UsageError
from pipeline.simulate.reminded import write_table

LAST_DAY = dt.date(2026, 9, 30)
INSTALMENTS, APART = 6, 30  # of a sale, and days between their due days
STOPS_AT = (2, 3, 4)  # the instalment from which one who stops pays nothing more
CURED = 0.5  # of first-payment defaults: all is paid up to 60 days late
SECOND_SALE = 0.15  # of debtors
FRAILTY = 0.15  # variance of a debtor's own factor on the chance to stop: accounts of one debtor are alike
BASE = {"sales_eu": 0.06, "sales_us": 0.09}  # chance to stop, by book
SHARES = {
    "portfolio": {"sales_eu": 0.7, "sales_us": 0.3},
    "product": {"phone": 0.3, "sofa": 0.4, "bike": 0.3},
    "x_sale_channel": {"branch": 0.4, "online": 0.4, "telesales": 0.2},
    "x_deposit": {"yes": 0.5, "no": 0.5},
    "audit_age_band": {"18-24": 0.15, "25-49": 0.5, "50 and older": 0.35},
    "audit_sex": {"female": 0.5, "male": 0.5},
}
OFFERED = {"18-24": 0.7}  # the offer for students, by age; others:
OFFERED_OTHERS = 0.02
LARGE = 2_000_00  # minor units
FIRST_DEFAULTS = 0.02
CURRENCY = {"sales_eu": "EUR", "sales_us": "USD"}
PLACE = {"sales_eu": ("FR", "Europe/Paris"), "sales_us": ("US-TX", "America/Chicago")}


@dataclass(frozen=True)
class Causes:
    """How many times as often the accounts of each stop paying, or default at once (bike). 1: not a cause."""

    channel: float = 3.0
    month: float = 2.5
    bike: float = 4.0
    young: float = 1.8
    lax_month: int = 8  # counted from the first


PLANTED, NONE = Causes(), Causes(1.0, 1.0, 1.0, 1.0)


def live(debtors: int, seed: int, months: int = 24, causes: Causes = PLANTED) -> pd.DataFrame:
    """One row per sale, with what is true of it: the facts of its opening, p_stop, p_first, p_rolled (it is 90 days
    past due within 270 days), and what became of it: stops (the first instalment that is never paid, 0: none), first
    (defaulted at once), cured. The same debtors, seed, months and causes live the same lives.
    """
    if debtors < 1 or months < 12:
        raise UsageError("A book with causes needs a debtor or more, and 12 months or more.")
    draw = np.random.default_rng([seed, 15])
    second = np.flatnonzero(draw.random(debtors) < SECOND_SALE)
    of_whom = np.concatenate([np.arange(debtors), second])
    rows = len(of_whom)
    facts = {name: draw.choice(list(shares), rows, p=list(shares.values())) for name, shares in SHARES.items()}
    for name in ("portfolio", "audit_age_band", "audit_sex"):  # of the debtor, not of the sale
        facts[name] = facts[name][:debtors][of_whom]
    sales = pd.DataFrame({"debtor": of_whom, **facts})
    sales["principal"] = np.clip(np.exp(draw.normal(np.log(1_400), 0.6, rows)), 200, 9_000).round(0).astype(int) * 100
    sales["x_bureau_score"] = np.where(draw.random(rows) < 0.08, np.nan, draw.normal(600, 60, rows).round())
    offered = sales["audit_age_band"].map(OFFERED).fillna(OFFERED_OTHERS).to_numpy()
    sales["x_student_offer"] = np.where(draw.random(rows) < offered, "yes", "no")
    first = pd.Period(LAST_DAY, "M") - (months - 1)
    opened = draw.integers(day_number(first.start_time.date()), day_number(LAST_DAY) - 30, rows)
    sales["opened"] = opened
    lax = first + causes.lax_month
    in_month = (opened >= day_number(lax.start_time.date())) & (opened <= day_number(lax.end_time.date()))
    channel = (sales["x_sale_channel"] == "online") & (sales["principal"] >= LARGE) & (sales["x_deposit"] == "no")
    young = sales["audit_age_band"] == "18-24"
    factor = (
        np.where(channel, causes.channel, 1.0)
        * np.where(in_month, causes.month, 1.0)
        * np.where(young, causes.young, 1.0)
    )
    sales["p_stop"] = np.minimum(sales["portfolio"].map(BASE).to_numpy() * factor, 0.9)
    sales["p_first"] = FIRST_DEFAULTS * np.where(sales["product"] == "bike", causes.bike, 1.0)
    sales["p_rolled"] = sales["p_first"] * (1 - CURED) + (1 - sales["p_first"]) * sales["p_stop"]
    frail = draw.gamma(1 / FRAILTY, FRAILTY, debtors)[of_whom]
    sales["first"] = draw.random(rows) < sales["p_first"]
    sales["cured"] = sales["first"] & (draw.random(rows) < CURED)
    stops = (draw.random(rows) < np.minimum(sales["p_stop"] * frail, 1.0)) & ~sales["first"]
    at = draw.choice(STOPS_AT, rows)
    sales["stops"] = np.where(stops, at, np.where(sales["first"] & ~sales["cured"], 1, 0))
    late = np.where(draw.random((rows, INSTALMENTS)) < 0.1, draw.integers(5, 26, (rows, INSTALMENTS)), 0)
    sales[[f"late_{place}" for place in range(INSTALMENTS)]] = late + draw.integers(-2, 3, (rows, INSTALMENTS))
    sales["catches_up"] = draw.integers(40, 61, rows)  # days after the first due day, of those who are cured
    return sales


def deliver(sales: pd.DataFrame, out: Path, causes: Causes = PLANTED) -> None:
    """The book as a source folder, everything that was known on its last day, and truth/ beside it. CannotWrite where
    out is there.
    """
    try:
        (out / "truth").mkdir(parents=True)
    except OSError as error:
        raise CannotWrite.creating(str(out), error) from None
    last = day_number(LAST_DAY)
    accounts, charges, payments = [], [], []
    columns = [name for name in sales if name.startswith(("x_", "audit_"))]
    for at, row in enumerate(sales.itertuples(index=False)):
        account, debtor, opened = f"S{at:06d}", f"D{row.debtor:06d}", date_of(row.opened)
        place, zone = PLACE[row.portfolio]
        own = ["" if value != value else value for value in (getattr(row, name) for name in columns)]
        money = f"{row.principal // 100}.{row.principal % 100:02d}"
        accounts.append(
            (
                account,
                debtor,
                row.portfolio,
                row.product,
                "consumer",
                CURRENCY[row.portfolio],
                opened,
                money,
                place,
                zone,
                *own,
            )
        )
        each, over = divmod(row.principal, INSTALMENTS)
        for number in range(INSTALMENTS):
            due, amount = row.opened + APART * (number + 1), each + (over if number == INSTALMENTS - 1 else 0)
            text = f"{amount // 100}.{amount % 100:02d}"
            charges.append((f"{account}-{number + 1}", account, opened, date_of(due), text, "instalment"))
            paid = due + getattr(row, f"late_{number}")
            paid = max(paid, row.opened + APART + row.catches_up) if row.cured else paid
            if (row.stops == 0 or number + 1 < row.stops) and paid < last:
                payments.append(
                    (f"P{at:06d}-{number + 1}", account, f"{date_of(paid)}T12:00:00+00:00", text, "payment")
                )
    head = ["account_id", "debtor_id", "portfolio", "product", "debtor_type", "currency", "opened_on", "principal"]
    write_table(out, "accounts", [*head, "jurisdiction", "time_zone", *columns], accounts, LAST_DAY)
    write_table(out, "charges", ["charge_id", "account_id", "issued_on", "due_on", "amount", "kind"], charges, LAST_DAY)
    write_table(out, "payments", ["payment_id", "account_id", "occurred_at", "amount", "kind"], payments, LAST_DAY)
    truth = sales[["p_stop", "p_first", "p_rolled"]].assign(account_id=[f"S{at:06d}" for at in range(len(sales))])
    truth.to_parquet(out / "truth" / "chances.parquet", index=False)
    told = {"causes": vars(causes), "base": BASE, "first_defaults": FIRST_DEFAULTS, "cured": CURED}
    (out / "truth" / "causes.json").write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", encoding="utf-8")
