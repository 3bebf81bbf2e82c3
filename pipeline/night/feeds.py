"""Whether everything that a night needs has been delivered, how far each table is complete for it,
and what the law may then read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from features.currencies import DECIMALS
from features.days import date_of, day_number
from features.tables import FEEDS
from pipeline.law.overlay import law_of
from pipeline.law.question import Case
from pipeline.night.held_back import held_back
from pipeline.night.refusals import NightMissing
from pipeline.panel.view import View, quiet_through
from pipeline.params import Params
from pipeline.store.store import Store

Late = Mapping[tuple[str, int | None], Sequence[str]]  # (portfolio, last complete day or None) -> tables late there


def check_feeds(store: Store, as_of: dt.date, params: Params) -> list[str]:
    """Warnings of books that are late, and of feeds that were quiet to the end. Raises NightMissing where every book
    lacks a declared table through the day before, or where nothing has happened yet.

    A table whose control file names its last day is late once that day is past. A feed without one may be quiet, by
    the rhythm of its book; accounts, charges and statements without one reach as far as the feeds.
    """
    night = day_number(as_of)
    begun = store.first_day(FEEDS)
    if begun is not None and night <= begun:
        raise NightMissing.not_begun(as_of, begun)
    late, quiet = late_books(store, night, params)
    if late and {name for name, _ in late} == set(store.portfolios()):
        raise NightMissing.late(as_of, late)
    return [
        *(_deferred(name, day, tables) for (name, day), tables in late.items()),
        *(
            f"{', '.join(tables)} of {name}: nothing after {date_of(day)}, taken as quiet."
            for (name, day), tables in quiet.items()
            if day is not None
        ),
    ]


def _deferred(name: str, day: int | None, tables: Sequence[str]) -> str:
    which = ", ".join(tables)
    if day is None:
        return f"{which} of {name}: late, its accounts are deferred. Never delivered."
    return f"{which} of {name}: late, its accounts are deferred. Complete through {date_of(day)} only."


def late_books(
    store: Store, night: int, params: Params, versions: Mapping[str, int] | None = None
) -> tuple[Late, Late]:
    """What is late, and what is quiet and not late, of the tables that the books declare."""
    pinned = store.versions() if versions is None else versions
    known, by_portfolio = store.complete_through(versions), store.complete_by_portfolio(versions)
    vouched, silent = store.declared_through(versions), quiet_through(store, pinned, params)
    late: dict[tuple[str, int | None], list[str]] = {}
    quiet: dict[tuple[str, int | None], list[str]] = {}
    for name in store.portfolios(versions):
        for table in params.portfolio(name).delivers:
            day = by_portfolio.get(table, {}).get(name, known.get(table))
            told = vouched.get(table, {}).get(name) == day
            if (day is not None and day >= night - 1) or (table not in FEEDS and (day is None or not told)):
                continue
            may_be_quiet = day is not None and not told and silent.get(table, {}).get(name, day) >= night - 1
            (quiet if may_be_quiet else late).setdefault((name, day), []).append(table)
    return late, quiet


def check_late_money(store: Store, versions: Mapping[str, int], night: int, params: Params, rows: pd.DataFrame) -> None:
    """Raise NightMissing where more than ingest.max_late_share of the scorable money lies in late books.

    rows: balance by portfolio and currency of the scorable accounts, or of parts of them. Money without a rate is not
    counted.
    """
    late, _ = late_books(store, night, params, versions)
    if not late or rows.empty:
        return
    rates = {code: rate / 10 ** DECIMALS[code] for code, rate in params.money.rates.items() if code in DECIMALS}
    money = rows["balance"].to_numpy(np.float64) * rows["currency"].map(rates).fillna(0.0).to_numpy(np.float64)
    of_late = money[rows["portfolio"].isin({name for name, _ in late}).to_numpy()].sum()
    if of_late > params.ingest.max_late_share * money.sum():
        raise NightMissing.late(date_of(night), late)


def complete_on(store: Store, versions: Mapping[str, int], night: int, params: Params) -> dict[str, int]:
    """Table -> last complete day; one that nobody vouched for and that was quiet for a few
    days is complete through the day before.
    """
    days = {name: max(found.values()) for name, found in quiet_through(store, versions, params).items()}
    return {name: min(day, max(night - 1, store.complete_through(versions)[name])) for name, day in days.items()}


def case_of(
    seen: View,
    store: Store,
    versions: Mapping[str, int],
    night: int,
    params: Params,
    cohort: pd.DataFrame | None = None,
) -> Case:
    """What the law reads of a view on its night. cohort: the accounts to decide, where others than the scorable ones
    are asked about too.
    """
    late, _ = late_books(store, night, params, versions)
    books = {name for name, _ in late}
    rows = seen.cohort.frame if cohort is None else cohort
    held = held_back(seen, store, versions, night, params)
    held["feed.late"] = frozenset(rows["account_no"].to_numpy()[rows["portfolio"].isin(books).to_numpy()].tolist())
    whole = complete_on(store, versions, night, params)
    return Case(rows, seen.tables, law_of(params), params, whole, held_back=held)
