"""What the store knows of a panel's accounts besides features: protected groups, for audits alone,
and the trade's own figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from features.settlements import PAYMENT_COLUMNS, debtors_of, net_payments, settlements
from models.money import MoneyScale
from models.trade import liquidation
from pipeline.panel.panel import Panel
from pipeline.store.store import Store

AUDIT = "audit_"


@dataclass(frozen=True)
class Books:
    """traits: the audit_* columns of each panel row's account,
    aligned with the panel (no columns where none is delivered).

    workable: bool per panel row of the test nights: whether the law let the account be worked; None where nobody asked.
    placements: models.trade.liquidation by placement month, in reporting units; empty without placed amounts or
    payments.
    """

    traits: pd.DataFrame
    placements: pd.DataFrame
    workable: np.ndarray | None = None


def books_of(store: Store, panel: Panel, money: MoneyScale) -> Books:
    """Read from the table versions the panel was built from."""
    return Books(_traits(store, panel), _placements(store, panel, money))


def _traits(store: Store, panel: Panel) -> pd.DataFrame:
    names = sorted(name for name in store.extra_columns("accounts") if name.startswith(AUDIT))
    if not names:
        return pd.DataFrame(index=panel.cohort.index)
    held = store.tables(None, ["accounts"], {"accounts": ["account_no", "known_at", *names]}, panel.versions)[
        "accounts"
    ]
    return _newest(held).set_index("account_no")[names].reindex(panel.cohort["account_no"]).reset_index(drop=True)


def _placements(store: Store, panel: Panel, money: MoneyScale) -> pd.DataFrame:
    columns = {
        "accounts": ["account_no", "debtor_id", "known_at", "currency", "placed_on", "placed_amount"],
        "payments": list(PAYMENT_COLUMNS),
    }
    held = store.tables(None, list(columns), columns, panel.versions)
    if "payments" not in held:
        return pd.DataFrame()
    accounts = _newest(held["accounts"])
    accounts = accounts[accounts["currency"].isin(list(money.rates))].reset_index(drop=True)
    numbers = np.sort(accounts["account_no"].to_numpy())
    settled = settlements(held["payments"], numbers, partial(debtors_of, accounts, numbers))
    paid = net_payments(settled, panel.complete_through + 1)
    return liquidation(accounts, paid, money.per_minor(accounts["currency"]), panel.complete_through)


def _newest(accounts: pd.DataFrame) -> pd.DataFrame:
    """The last version of each account, by when it was known."""
    return accounts.sort_values(["account_no", "known_at"], kind="stable").drop_duplicates("account_no", keep="last")
