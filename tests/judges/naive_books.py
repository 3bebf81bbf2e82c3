"""Delivered tables read the plain way: pandas over the CSV cells, balance,
arrears and recovery by the contract's words. Slow, obvious.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd

EPOCH = dt.date(1970, 1, 1)
TABLES = ("accounts", "charges", "balances", "payments", "contacts", "statuses")
DEFAULT_KNOWN = {
    "accounts": "opened_on",
    "charges": "issued_on",
    "balances": "taken_on",
    "payments": "occurred_at",
    "contacts": "occurred_at",
    "statuses": "from_on",
}
NONE = -(10**9)


def day_of(date: object) -> int:
    return (pd.Timestamp(date).date() - EPOCH).days


def days(cells: pd.Series) -> pd.Series:
    """Day numbers of ISO dates or stamps, on the clock they are written in; NONE where empty."""
    dates = pd.to_datetime(cells.str[:10])
    return ((dates - pd.Timestamp(EPOCH)) // pd.Timedelta(days=1)).fillna(NONE).astype(int)


def read(folder: Path) -> dict[str, pd.DataFrame]:
    """Every table as text, whole or in parts, plus `known` (day) and, for dates and stamps, NAME_day."""
    tables = {}
    for name in TABLES:
        parts = sorted(folder.glob(f"{name}/part-*.csv.gz")) or [folder / f"{name}.csv.gz"]
        rows = pd.concat([pd.read_csv(part, dtype=str) for part in parts], ignore_index=True)
        rows["known"] = days(rows["known_at"].fillna(rows[DEFAULT_KNOWN[name]]))
        for column in [column for column in rows if column.endswith("_on") or column == "occurred_at"]:
            rows[f"{column}_day"] = days(rows[column])
        tables[name] = rows
    decimals = decimals_of(tables["accounts"])
    for name, columns in {"charges": ("amount",), "balances": ("balance", "arrears"), "payments": ("amount",)}.items():
        unit = 10.0 ** tables[name]["account_id"].map(decimals).astype(int)
        for column in columns:
            tables[name][f"{column}_minor"] = (tables[name][column].astype(float) * unit).round()
    return tables


def decimals_of(accounts: pd.DataFrame) -> dict[str, int]:
    return {
        account: 0 if currency == "JPY" else 2
        for account, currency in zip(accounts["account_id"], accounts["currency"], strict=True)
    }


def net_settlements(payments: pd.DataFrame, known_before: int) -> pd.DataFrame:
    """Payments and credits known before the day, each with `net` of its own reversals known by then."""
    known = payments[payments["known"] < known_before]
    taken_back = known[known["kind"] == "reversal"].groupby("reverses")["amount_minor"].sum().to_dict()
    rows = known[known["kind"] != "reversal"].copy()
    rows["net"] = rows["amount_minor"] - rows["payment_id"].map(taken_back).astype(float).fillna(0)
    return rows


def scorable(tables: dict[str, pd.DataFrame], night: int) -> pd.DataFrame:
    """account_id -> balance, arrears, portfolio of the accounts scorable on the night, by the contract's words."""
    accounts = (
        tables["accounts"].query("known < @night").sort_values("known", kind="stable").groupby("account_id").last()
    )
    charges = (
        tables["charges"]
        .query("known < @night")
        .sort_values("known", kind="stable")
        .groupby("charge_id")
        .last()
        .reset_index()
    )
    settled = net_settlements(tables["payments"], night)
    taken = tables["balances"].query("known < @night").sort_values("taken_on_day").groupby("account_id").last()

    def total(rows: pd.DataFrame, column: str) -> pd.Series:
        return rows.groupby("account_id")[column].sum().reindex(accounts.index).fillna(0)

    paid = total(settled, "net")
    balance = total(charges, "amount_minor") - paid
    arrears = (total(charges[charges["due_on_day"] < night], "amount_minor") - paid).clip(lower=0)
    since = taken["taken_on_day"].to_dict()
    paid_since = total(settled[settled["occurred_at_day"] > settled["account_id"].map(since).astype(float)], "net")
    billed_since = total(
        charges[charges["issued_on_day"] > charges["account_id"].map(since).astype(float)], "amount_minor"
    )
    stated = accounts.index.isin(taken.index)
    balance = balance.where(~stated, taken["balance_minor"].reindex(accounts.index) - paid_since + billed_since)
    arrears = arrears.where(~stated, (taken["arrears_minor"].reindex(accounts.index) - paid_since).clip(lower=0))

    left = tables["statuses"].query(
        "known < @night and from_on_day <= @night and status in ('closed', 'sold', 'agency')"
    )
    left = left.sort_values("known", kind="stable").groupby(["account_id", "status", "from_on"]).last().reset_index()
    left = left[(left["until_on_day"] == NONE) | (left["until_on_day"] >= night)]
    placed = (accounts["placed_on_day"] > NONE) & (accounts["placed_on_day"] < night)
    rows = pd.DataFrame(
        {"balance": balance, "arrears": arrears, "portfolio": accounts["portfolio"], "debtor_id": accounts["debtor_id"]}
    )
    return rows[(balance > 0) & ((arrears > 0) | placed) & ~accounts.index.isin(left["account_id"])]


def recovered(tables: dict[str, pd.DataFrame], night: int, horizon: int, maturity: int) -> dict[str, float]:
    """account_id -> payments of [night, night + horizon) less their own reversals,
    all known before night + horizon + maturity.
    """
    rows = net_settlements(tables["payments"], night + horizon + maturity)
    rows = rows[
        (rows["kind"] == "payment") & (rows["occurred_at_day"] >= night) & (rows["occurred_at_day"] < night + horizon)
    ]
    return rows.groupby("account_id")["net"].sum().to_dict()


def unobservable(tables: dict[str, pd.DataFrame], night: int, horizon: int) -> set[str]:
    """Accounts that were sold, recalled, given to an agency or lost from sight inside the window."""
    rows = tables["statuses"]
    lost = rows["status"].isin(["sold", "agency", "outcome_unknown"]) | (
        (rows["status"] == "closed") & (rows["detail"] == "recalled")
    )
    return set(rows[lost & (rows["from_on_day"] >= night) & (rows["from_on_day"] < night + horizon)]["account_id"])


def judged(
    tables: dict[str, pd.DataFrame], truth: pd.DataFrame, horizon: int = 30, maturity: int = 14
) -> tuple[pd.DataFrame, int]:
    """Scorable rows of matured nights beside their truth (`recovered`, `amount`),
    and the number of scorable rows without a truth.
    """
    truth = truth.assign(night=[day_of(date) for date in truth["as_of"]])
    last, nights, untold = int(truth["night"].max()), [], 0
    for night, told in truth.groupby("night"):
        rows = scorable(tables, night)
        untold += int((~rows.index.isin(told["account_id"])).sum())
        if night + horizon + maturity > last:
            continue
        rows = rows[~rows.index.isin(unobservable(tables, night, horizon))]
        money = pd.Series(recovered(tables, night, horizon, maturity), dtype=float).reindex(rows.index).fillna(0)
        rows = rows.assign(amount=np.minimum(money, rows["balance"]), recovered=(money >= 1).astype(int))
        nights.append(rows.join(told.set_index("account_id"), how="inner"))
    return pd.concat(nights), untold
