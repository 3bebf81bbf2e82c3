"""What is asked of a world: its accounts on some nights, its tables as a store gives them, its terms,
and every aggregate there is.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.build import build
from features.catalogue import CATALOGUE
from features.declarations import Catalogue
from features.spec import MISSING, Feature, Window, where
from features.tables import NUMBERS, InnerTables
from features.terms import Terms
from features.vocabulary import EVENTS, LEDGER, MEASURED, PLAIN, Agg
from tests.judges import oracle_ledger as books
from tests.worlds.worlds import World, day

RATES = {"EUR": 1.0, "JPY": 0.0061}
DECIMALS = {"EUR": 2, "JPY": 0}
WINDOWS = (Window(1), Window(9), None)
CLAUSES = {
    "payments": where("card", method="card"),
    "contacts": where("out", direction="outbound", channel=("call", "sms")),
    "charges": where("fee", kind=("fee", "interest")),
    "promises": where("kept", state="kept"),
    "statuses": where("active", state="active"),
    "rolls": where("60", to="60"),
}


def everything() -> Catalogue:
    """Every aggregate of every event, in small windows, with and without a filter."""
    entries = []
    for event, kind in EVENTS.items():
        if event == LEDGER:
            entries += [
                Feature(event, agg, window, of=of, empty=0)
                for of in kind.measures
                for agg in (Agg.AT, Agg.MAX, Agg.DAYS)
                for window in WINDOWS
            ]
            continue
        clauses = [None, CLAUSES[event]] if event in CLAUSES else [None]
        for window in WINDOWS:
            for clause in clauses:
                plain = sorted(PLAIN - {Agg.STREAK}, key=str)
                entries += [
                    Feature(event, agg, window, where=clause, empty=MISSING if agg in (Agg.COUNT, Agg.MONTHS) else -1)
                    for agg in plain
                ]
                columns = [
                    (agg, of)
                    for agg in sorted(MEASURED, key=str)
                    for of in [*kind.measures, *(kind.classes if agg is Agg.LAST else ())]
                ]
                entries += [Feature(event, agg, window, of=of, where=clause, empty=MISSING) for agg, of in columns]
    ends = where("inbound", direction="inbound")
    entries += [
        Feature("contacts", Agg.STREAK, window, where=where("no", outcome="no_answer"), until=ends, empty=0)
        for window in WINDOWS
    ]
    return Catalogue(entries)


EVERYTHING = everything()


def nights_of(world: World, nights: list[int]) -> list[tuple[str, int]]:
    """(account, night) of every account that is known by the night."""
    accounts = sorted({row["account_id"] for row in world.rows["accounts"]})
    return [
        (account, night) for account in accounts for night in nights if books.account_row(world.rows, account, night)
    ]


def frame_of(pairs: list[tuple[str, int]]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "account_id": pd.Series([account for account, _ in pairs], dtype="str"),
            "as_of": np.array([night for _, night in pairs], np.int32),
        }
    )


def tables_of(world: World, shuffle_seed: int | None = None, categorical: bool = False) -> InnerTables:
    """The tables, x_ columns in the type that a store would keep even where all cells are empty."""
    tables = world.tables(shuffle_seed, categorical)
    if categorical:  # a night reads the numbers alone
        tables = InnerTables(
            {name: frame.drop(columns=[each for each in NUMBERS if each in frame]) for name, frame in tables.items()}
        )
    kinds = {"x_score": "float64", "x_segment": "str"}
    empty = {
        name: pd.Series([None] * len(tables["accounts"]), dtype=kind)
        for name, kind in kinds.items()
        if name not in tables["accounts"]
    }
    tables["accounts"] = tables["accounts"].assign(**empty).astype(kinds)
    return tables


def with_rates(terms: Terms, rates: dict | None = None) -> Terms:
    return Terms(**{**vars(terms), "rates": RATES if rates is None else rates, "decimals": DECIMALS})


def cell(world: World, name: str, night: str, account_id: str = "a", terms: Terms | None = None):
    matrix = build(frame_of([(account_id, day(night))]), world.tables(), CATALOGUE, terms or Terms(decimals=DECIMALS))
    return matrix[name].iloc[0]


def account() -> World:
    return (
        World("Europe/Paris")
        .account(opened_on="2023-01-15")
        .charge("2024-01-31", 100_000)
        .deliver("payments", "contacts", "statuses")
    )


def two_books() -> World:
    """A debtor with an open account in one book and accounts settled in another,
    one of them billed by statement only.
    """
    world = account().account("billed", "d-a", portfolio="shop", opened_on="2023-02-01").deliver("balances")
    world.charge("2023-03-01", 100, account_id="billed").payment("2023-03-10", 100, account_id="billed")
    world.account("stated", "d-a", portfolio="shop", opened_on="2023-02-01", principal=100)
    return world.balance("2023-03-01", 100, 100, 5, account_id="stated").payment("2023-03-05", 100, account_id="stated")
