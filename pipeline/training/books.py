"""What the store knows of a panel's accounts besides features: protected groups, for audits alone,
and the trade's own figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from features.settlements import PAYMENT_COLUMNS, debtors_of, net_payments, settlements
from models.money import MoneyScale
from models.trade import PlacementSums, liquidated, placement_sums
from pipeline.panel.engines import map_shards
from pipeline.panel.panel import Panel
from pipeline.params import Engine
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


def books_of(store: Store, panel: Panel, money: MoneyScale, engine: Engine) -> Books:
    """Read from the table versions the panel was built from, shard by shard."""
    work = partial(_sums_of_shard, store.path, money, panel.versions, panel.complete_through)
    sums = [one for one in map_shards(work, range(store.shards), engine) if one is not None]
    return Books(_traits(store, panel, engine), liquidated(sums, panel.complete_through))


def _traits(store: Store, panel: Panel, engine: Engine) -> pd.DataFrame:
    names = sorted(name for name in store.extra_columns("accounts") if name.startswith(AUDIT))
    if not names:
        return pd.DataFrame(index=panel.cohort.index)
    numbers = np.unique(panel.cohort["account_no"].to_numpy())
    work = partial(_traits_of_shard, store.path, names, numbers, panel.versions)
    held = pd.concat(list(map_shards(work, range(store.shards), engine)), ignore_index=True)
    return held.set_index("account_no")[names].reindex(panel.cohort["account_no"]).reset_index(drop=True)


def _traits_of_shard(
    store_path: Path, names: Sequence[str], numbers: np.ndarray, versions: Mapping[str, int], shard: int
) -> pd.DataFrame:
    """account_no and traits of the shard's accounts that are among the numbers."""
    columns = {"accounts": ["account_no", "known_at", *names]}
    held = _newest(Store(store_path).tables(shard, ["accounts"], columns, versions)["accounts"])
    return held.loc[np.isin(held["account_no"].to_numpy(), numbers), ["account_no", *names]]


def _sums_of_shard(
    store_path: Path, money: MoneyScale, versions: Mapping[str, int], complete_through: int, shard: int
) -> PlacementSums | None:
    """Of the shard's accounts; None without payments."""
    columns = {
        "accounts": ["account_no", "debtor_id", "known_at", "currency", "placed_on", "placed_amount"],
        "payments": list(PAYMENT_COLUMNS),
    }
    held = Store(store_path).tables(shard, list(columns), columns, versions)
    if "payments" not in held:
        return None
    accounts = _newest(held["accounts"])
    accounts = accounts[accounts["currency"].isin(list(money.rates))].reset_index(drop=True)
    numbers = np.sort(accounts["account_no"].to_numpy())
    settled = settlements(held["payments"], numbers, partial(debtors_of, accounts, numbers))
    paid = net_payments(settled, complete_through + 1)
    return placement_sums(accounts, paid, money.per_minor(accounts["currency"]), complete_through)


def _newest(accounts: pd.DataFrame) -> pd.DataFrame:
    """The last version of each account, by when it was known."""
    return accounts.sort_values(["account_no", "known_at"], kind="stable").drop_duplicates("account_no", keep="last")
