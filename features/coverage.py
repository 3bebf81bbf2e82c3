"""What a panel's labels rest on: rates by night and arrears bucket, coverage by month with reasons,
how fast recoveries become known.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.cohort import bucket
from features.days import dates, month_texts
from features.labels import LABELS, WHY_MISSING, complete_for, recovered_in
from features.ledger import Ledger
from features.terms import LabelTerms, Reach
from features.versions import still

LABELLED = "labelled"
BY_NIGHT, BY_BUCKET = "Label rates by night", "Label rates by days past due"
CURVE_DAYS = (1, 2, 3, 5, 7, 10, 14, 21, 30, 45, 60, 90, 120, 180, 365)
FOR_EVER = 1_000_000  # days; longer than any history


def label_rates(cohort_frame: pd.DataFrame, labels: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Title -> table. Rates are shares of the rows that have the label; NaN where none has.

    By night and by arrears bucket: accounts, recovered_labelled, recovered_rate, defaulted_labelled, defaulted_rate.
    By currency (money of two is never added) and bucket: accounts with a mature label and the share of their balances
    recovered.
    """
    rows = pd.DataFrame(
        {
            "as_of": dates(cohort_frame["as_of"].to_numpy()),
            "bucket": bucket(cohort_frame["days_past_due"]),
            "currency": cohort_frame["currency"].astype("str").to_numpy(),
            "balance": cohort_frame["balance"].to_numpy(np.float64),
            **{name: labels[name].to_numpy() for name in (*LABELS, "recovered_amount")},
        }
    )
    mature = rows[rows["recovered_amount"].notna()]
    money = mature.groupby(["currency", "bucket"], observed=True)
    recovered = money.agg(
        accounts=("balance", "size"), balance=("balance", "sum"), recovered=("recovered_amount", "sum")
    ).reset_index()
    recovered["balance_recovered_share"] = recovered.pop("recovered") / recovered.pop("balance")
    return {
        BY_NIGHT: _rates(rows, "as_of"),
        BY_BUCKET: _rates(rows, "bucket"),
        "Share of balances recovered by currency and days past due": recovered,
    }


def coverage(cohort_frame: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """month (YYYY-MM of as_of), label, reason ('labelled' or why it is missing), accounts, share of the month's rows;
    only what occurs.

    A month whose share of labels falls away shows a broken feed at a glance.
    """
    month = month_texts(cohort_frame["as_of"])
    order = {reason: place for place, reason in enumerate((LABELLED, *WHY_MISSING))}
    tables = []
    for label in LABELS:
        reason = labels[f"{label}_missing"].to_numpy(dtype=object)
        rows = pd.DataFrame({"month": month, "label": label, "reason": np.where(reason == "", LABELLED, reason)})
        tables.append(rows.groupby(["month", "label", "reason"]).size().rename("accounts").reset_index())
    found = pd.concat(tables, ignore_index=True)
    found["share"] = found["accounts"] / found.groupby(["month", "label"])["accounts"].transform("sum")
    places = np.lexsort((found["reason"].map(order), found["label"].map(LABELS.index), found["month"]))
    return found.iloc[places].reset_index(drop=True)


def recoveries_by_day(
    cohort_frame: pd.DataFrame, ledger: Ledger, terms: LabelTerms, complete_through: Reach
) -> pd.DataFrame:
    """Sums behind the maturity curve, per currency and number of days after as_of: accounts and money known by then,
    and in the end.

    Over the rows whose recovery has matured; recovered as in the labels, but known before as_of + days, or ever. Shards
    add up row by row.
    """
    gap_days = terms.horizon_days + terms.maturity_days
    days = sorted({day for day in (*CURVE_DAYS, terms.horizon_days, gap_days) if day <= gap_days})
    mature = cohort_frame[cohort_frame["as_of"].to_numpy() + gap_days <= complete_for(cohort_frame, complete_through)]
    windows = np.array([(terms.horizon_days, known) for known in (*days, FOR_EVER)], np.int64)
    position = still(ledger.positions(mature["account_no"].to_numpy()), np.int64)
    amounts = recovered_in(ledger.settlements, position, still(mature["as_of"].to_numpy(), np.int32), windows)
    amounts = np.minimum(amounts, mature["balance"].to_numpy(np.int64))
    currencies = mature["currency"].astype("str").to_numpy()
    tables = []
    for currency in np.unique(currencies):
        of = amounts[:, currencies == currency]
        money, accounts = of.sum(axis=1), (of > 0).sum(axis=1)
        tables.append(
            pd.DataFrame(
                {"currency": currency, "days": days, "accounts": accounts[:-1], "money": money[:-1]}
                | {"accounts_in_the_end": accounts[-1], "money_in_the_end": money[-1]}
            )
        )
    empty = {
        "currency": "str",
        **dict.fromkeys(("days", "accounts", "money", "accounts_in_the_end", "money_in_the_end"), "int64"),
    }
    return pd.concat([pd.DataFrame(columns=list(empty)), *tables]).astype(empty).reset_index(drop=True)


def maturity_curve(recoveries: pd.DataFrame) -> pd.DataFrame:
    """currency, days, accounts_share, money_share: the part of the eventual recoveries known n days after as_of.

    recoveries: the tables of `recoveries_by_day`, of one or more shards. Above 1 where reversals still had to come; NaN
    without recoveries.
    """
    sums = recoveries.groupby(["currency", "days"]).sum().reset_index()
    for name in ("accounts", "money"):
        sums[f"{name}_share"] = sums[name] / sums[f"{name}_in_the_end"].where(sums[f"{name}_in_the_end"] > 0)
    return sums[["currency", "days", "accounts_share", "money_share"]]


def money_dropped(cohort_frame: pd.DataFrame, labels: pd.DataFrame) -> pd.Series:
    """currency -> share of the recovered money on rows that min_amount or min_share label as not recovered;
    0 where nothing was.
    """
    currency = cohort_frame["currency"].astype("str").to_numpy()
    amount = labels["recovered_amount"].fillna(0.0)
    dropped, whole = (
        amount.where(labels["recovered"] == 0.0, 0.0).groupby(currency).sum(),
        amount.groupby(currency).sum(),
    )
    return (dropped / whole.where(whole > 0)).fillna(0.0).rename("money_dropped").rename_axis("currency")


def _rates(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    groups = rows.groupby(by, observed=True)
    table = pd.DataFrame({"accounts": groups.size()})
    for label in LABELS:
        table[f"{label}_labelled"] = groups[label].count()
        table[f"{label}_rate"] = groups[label].mean()
    return table.reset_index()
