"""The trade's own figures of a book: roll rates by accounts and by balance with exits,
and liquidation by placement month.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.cohort import BUCKETS, bucket
from features.days import month_texts
from features.tables import NO_DAY

PAID, LEFT_BOOK = "paid in full", "cured or gone"
MONTH_DAYS = 30  # a month of the liquidation curve


def roll_rates(cohort: pd.DataFrame, recovered_amount: np.ndarray, unit: np.ndarray) -> pd.DataFrame:
    """Where the accounts of one night stand on the next: arrears bucket on the first night x bucket, or exit,
    on the second.

    cohort: account_no, as_of, days_past_due, balance (minor units), scorable rows of every night. recovered_amount:
    minor units, NaN where unknown. unit: reporting units per minor unit. Columns: from, to, accounts, balance,
    share_accounts, share_balance (of the bucket it comes from). An account gone by the next night is "paid in full"
    where the recovered amount reached its balance, else "cured or gone" (arrears paid while the debt runs on, settled,
    closed, sold, recalled). The last night has no next and takes no part.
    """
    nights = np.sort(cohort["as_of"].unique())
    order = np.searchsorted(nights, cohort["as_of"].to_numpy())
    balance = cohort["balance"].to_numpy(dtype=np.float64)
    rows = pd.DataFrame(
        {
            "account_no": cohort["account_no"].to_numpy(),
            "night": order,
            "from": np.asarray(bucket(cohort["days_past_due"]), dtype=object),
            "money": balance * unit,
            "paid": np.nan_to_num(recovered_amount) >= balance,
        }
    )
    later = rows[["account_no", "night", "from"]].assign(night=rows["night"] - 1).rename(columns={"from": "to"})
    pairs = rows[rows["night"] < len(nights) - 1].merge(
        later, on=["account_no", "night"], how="left", validate="one_to_one"
    )
    pairs["to"] = pairs["to"].where(pairs["to"].notna(), np.where(pairs["paid"], PAID, LEFT_BOOK))
    if not len(pairs):
        return pd.DataFrame(columns=["from", "to", "accounts", "balance", "share_accounts", "share_balance"])
    table = (
        pairs.groupby(["from", "to"], sort=False)
        .agg(accounts=("money", "size"), balance=("money", "sum"))
        .reset_index()
    )
    for held in ("accounts", "balance"):
        table[f"share_{held}"] = table[held] / table.groupby("from")[held].transform("sum")
    places = {name: place for place, name in enumerate((*BUCKETS, PAID, LEFT_BOOK))}
    return table.sort_values(["from", "to"], key=lambda names: names.map(places), kind="stable", ignore_index=True)


def liquidation(
    accounts: pd.DataFrame, payments: pd.DataFrame, unit: np.ndarray, complete_through: int
) -> pd.DataFrame:
    """Net cash ÷ placed amount by placement month and months since placement, in reporting units.

    accounts: account_no, placed_on (int days), placed_amount (minor units), one row each; unit: reporting units per
    minor unit, aligned with them. payments: account_no, occurred_on, amount, net as of
    features.settlements.net_payments: a reversal takes off what it takes back on the day on which that was paid. Those
    from placement on count. Columns: placed_in (YYYY-MM), accounts, placed, month (1 = the first MONTH_DAYS days), cash
    (cumulative), rate. A month is given once every account of the placement month has lived through it. Accounts
    without a placement or a placed amount take no part.
    """
    return liquidated([placement_sums(accounts, payments, unit, complete_through)], complete_through)


@dataclass(frozen=True)
class PlacementSums:
    """What `liquidated` needs of some accounts; sums of several parts of a book add up.

    books   placed_in (index): accounts, placed (reporting units), last (the latest placed_on, a day number)
    cash    (placed_in, month): reporting units
    """

    books: pd.DataFrame
    cash: pd.Series


def placement_sums(
    accounts: pd.DataFrame, payments: pd.DataFrame, unit: np.ndarray, complete_through: int
) -> PlacementSums:
    """Arguments as of `liquidation`."""
    held = accounts[["account_no", "placed_on"]].assign(unit=unit, placed=accounts["placed_amount"] * unit)
    held = held[
        (accounts["placed_amount"] > 0)
        & (accounts["placed_on"] != NO_DAY)
        & (accounts["placed_on"] <= complete_through)
    ]
    held = held.assign(placed_in=month_texts(held["placed_on"]) if len(held) else pd.Series(dtype="str"))
    cash = payments.merge(held, on="account_no")
    cash = cash[cash["occurred_on"] >= cash["placed_on"]]
    month = ((cash["occurred_on"] - cash["placed_on"]) // MONTH_DAYS + 1).rename("month")
    sums = (cash["amount"] * cash["unit"]).groupby([cash["placed_in"], month]).sum()
    books = held.groupby("placed_in").agg(
        accounts=("placed", "size"), placed=("placed", "sum"), last=("placed_on", "max")
    )
    return PlacementSums(books, sums)


def liquidated(parts: Sequence[PlacementSums], complete_through: int) -> pd.DataFrame:
    """`liquidation` of a book from the sums of its parts."""
    columns = ["placed_in", "accounts", "placed", "month", "cash", "rate"]
    filled = [part for part in parts if len(part.books)]
    if not filled:
        return pd.DataFrame(columns=columns)
    sums = pd.concat([part.cash for part in filled]).groupby(level=[0, 1]).sum()
    books = pd.concat([part.books for part in filled]).groupby(level=0)
    books = books.agg({"accounts": "sum", "placed": "sum", "last": "max"})
    found = []
    for placed_in, book in books.iterrows():
        lived = int((complete_through + 1 - book["last"]) // MONTH_DAYS)
        months = pd.RangeIndex(1, lived + 1)
        got = sums.loc[placed_in] if placed_in in sums.index.get_level_values(0) else pd.Series(dtype=float)
        for month, total in got.reindex(months, fill_value=0.0).cumsum().items():
            found.append(
                (
                    placed_in,
                    int(book["accounts"]),
                    float(book["placed"]),
                    month,
                    float(total),
                    float(total / book["placed"]),
                )
            )
    return pd.DataFrame(found, columns=columns)
