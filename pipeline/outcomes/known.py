"""What was known of a shard before a night: the tables that reports count in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from features.ledger import Ledger, history
from features.tables import InnerTables
from features.terms import Terms
from features.versions import arranged
from pipeline.panel.view import terms_of
from pipeline.params import Params
from pipeline.store.store import Store

ABOUT = ("account_no", "account_id", "debtor_id", "portfolio", "currency", "placed_on", "placed_amount")


@dataclass(frozen=True)
class Span:
    """The days a report tells of: [first, as_of). as_of is the night: nothing known from it on is used."""

    first: int
    as_of: int


@dataclass(frozen=True)
class Known:
    """What was known of a shard before the night: its tables, their ledger, and each account as it was last told of."""

    tables: Mapping[str, pd.DataFrame]
    ledger: Ledger
    terms: Terms
    about: pd.DataFrame


def known(store: Store, shard: int, as_of: int, params: Params, versions: Mapping[str, int]) -> Known:
    terms = terms_of(store, params, versions)
    tables = store.tables(shard, versions=versions)
    told = InnerTables(
        {name: frame[frame["known_on"].to_numpy() < as_of].reset_index(drop=True) for name, frame in tables.items()}
    )
    accounts = arranged(told["accounts"], "accounts").drop_duplicates("account_no", keep="last")
    about = accounts[list(ABOUT)].astype({"portfolio": "str", "currency": "str"}).reset_index(drop=True)
    return Known(told, history(told, terms), terms, about)
