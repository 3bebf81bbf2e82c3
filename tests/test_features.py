"""Features equal the plain loops of the oracle, whatever the order of rows, the split into shards and the company of other nights."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle_ledger as books
import worlds
from features.build import build
from features.catalogue import CATALOGUE
from features.declarations import Catalogue
from features.spec import MISSING, Attribute, Debtor, Feature, Ratio, Window, where
from features.terms import Terms
from features.vocabulary import EVENTS, LEDGER, MEASURED, PLAIN, Agg
from oracle import Judge
from worlds import World

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
            entries += [Feature(event, agg, window, of=of, empty=0) for of in kind.measures for agg in (Agg.AT, Agg.MAX, Agg.DAYS) for window in WINDOWS]
            continue
        clauses = [None, CLAUSES[event]] if event in CLAUSES else [None]
        for window in WINDOWS:
            for clause in clauses:
                plain = sorted(PLAIN - {Agg.STREAK}, key=str)
                entries += [Feature(event, agg, window, where=clause, empty=MISSING if agg in (Agg.COUNT, Agg.MONTHS) else -1) for agg in plain]
                columns = [(agg, of) for agg in sorted(MEASURED, key=str) for of in [*kind.measures, *(kind.classes if agg is Agg.LAST else ())]]
                entries += [Feature(event, agg, window, of=of, where=clause, empty=MISSING) for agg, of in columns]
    ends = where("inbound", direction="inbound")
    entries += [Feature("contacts", Agg.STREAK, window, where=where("no", outcome="no_answer"), until=ends, empty=0) for window in WINDOWS]
    return Catalogue(entries)


EVERYTHING = everything()


def nights_of(world: World, nights: list[int]) -> list[tuple[str, int]]:
    accounts = sorted({row["account_id"] for row in world.rows["accounts"]})
    return [(account, night) for account in accounts for night in nights if books.account_row(world.rows, account, night)]


def frame_of(pairs: list[tuple[str, int]]) -> pd.DataFrame:
    return pd.DataFrame({"account_id": pd.Series([account for account, _ in pairs], dtype="str"), "as_of": np.array([night for _, night in pairs], np.int32)})


def with_rates(terms: Terms, rates: dict | None = None) -> Terms:
    return Terms(**{**vars(terms), "rates": RATES if rates is None else rates, "decimals": DECIMALS})


def differences(matrix: pd.DataFrame, world: World, pairs: list[tuple[str, int]], terms: Terms, catalogue: Catalogue) -> list[str]:
    """Every cell that is not the judge's, in words."""
    judge = Judge(world.rows, pairs, terms, catalogue)
    found = []
    for name in matrix.columns:
        for (account_id, night), value in zip(pairs, matrix[name], strict=True):
            expected = judge.value(name, account_id, night)
            same = pd.isna(value) if expected is None else not pd.isna(value) and (
                value == expected if isinstance(expected, str) else value == pytest.approx(float(expected), rel=1e-9, abs=1e-9)
            )  # fmt: skip
            if not same:
                found.append(f"{name} of {account_id} on {worlds.date(night)}: {value!r}, not {expected!r}")
    return found


def check(world: World, nights: list[int], terms: Terms, catalogue: Catalogue, seed: int | None = None, categorical: bool = False) -> None:
    pairs = nights_of(world, nights)
    tables = world.tables(seed, categorical)
    matrix = build(frame_of(pairs), tables, catalogue, terms)
    assert differences(matrix, world, pairs, terms, catalogue.with_attributes(tables["accounts"])) == []


nights = st.lists(worlds.nights, min_size=1, max_size=3, unique=True).map(sorted)


@settings(max_examples=50, deadline=None)
@given(worlds.worlds(max_rows=6), nights, worlds.terms, st.sampled_from((RATES, {"EUR": 1.0}, {})), st.booleans())
def test_the_catalogue_equals_the_plain_loops(world, nights, terms, rates, categorical):
    check(world, nights, with_rates(terms, rates), CATALOGUE, categorical=categorical)


@settings(max_examples=40, deadline=None)
@given(worlds.worlds(max_rows=8, max_accounts=2), nights, worlds.terms, st.integers(0, 99))
def test_every_aggregate_of_every_event_equals_the_plain_loops(world, nights, terms, seed):
    check(world, nights, with_rates(terms), EVERYTHING, seed)
