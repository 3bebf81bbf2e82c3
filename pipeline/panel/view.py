"""What one shard shows on some nights: the scorable accounts, or those watched, with their features,
and how far what was delivered reaches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from features.build import build
from features.catalogue import CATALOGUE, WATCH, with_treatments
from features.cohort import Cohort, known, scorable, watched
from features.columns import columns_of
from features.currencies import DECIMALS
from features.declarations import Catalogue
from features.ledger import Ledger, history
from features.tables import FEEDS, InnerTables
from features.terms import Terms, reaches
from pipeline.law.bank_holidays import BankHolidays
from pipeline.panel.engines import map_shards
from pipeline.panel.rhythm import quiet_until
from pipeline.panel.sampling import drawn
from pipeline.params import Params
from pipeline.store.store import Store


@dataclass(frozen=True)
class View:
    """What one shard shows on some nights: the scorable accounts (or those watched), their features,
    all known accounts counted by reason.
    """

    cohort: Cohort
    matrix: pd.DataFrame
    tables: InnerTables
    ledger: Ledger


def terms_of(store: Store, params: Params, versions: Mapping[str, int] | None = None) -> Terms:
    """The params' part that figures depend on, for the portfolios and currencies the store holds."""
    decimals = {currency: DECIMALS[currency] for currency in store.currencies(versions)}
    return params.terms(store.portfolios(versions), decimals, BankHolidays())


def view(
    store: Store,
    shard: int,
    nights: Sequence[int],
    params: Params,
    versions: Mapping[str, int],
    *,
    keep: float = 1.0,
    debtors: Sequence[str] | None = None,
    whole: bool = True,
    watch: bool = False,
    features: bool = True,
) -> View:
    """Cohort and features of one shard on the given nights; nothing known from a night on can change its rows.

    keep: share of debtors to keep, by a seeded hash; the cohort then carries `weight` = 1 / keep.
    debtors: only these, with all their accounts; their rows are the same as among the others.
    whole: with every table and column; else those that cohort, features and labels need.
    watch: the accounts of the params' watch cohort, with the features of theirs.
    features: False leaves the matrix without a column, for who asks the law alone.
    """
    catalogue = WATCH if watch else with_treatments(CATALOGUE, versions)
    owned = None if debtors is None else _owned(store, shard, debtors, versions)
    if whole:
        tables = InnerTables(store.tables(shard, versions=versions, accounts=owned))
    else:
        tables = read(store, shard, catalogue, versions, accounts=owned)
    return view_of(tables, store, nights, params, versions, keep=keep, watch=watch, features=features)


def view_of(
    tables: InnerTables,
    store: Store,
    nights: Sequence[int],
    params: Params,
    versions: Mapping[str, int],
    *,
    keep: float = 1.0,
    watch: bool = False,
    features: bool = True,
) -> View:
    """The view of tables that were read of a store at these versions, those of whole debtors. The rest is as of
    `view`.
    """
    terms = terms_of(store, params, versions)
    ledger = history(tables, terms)
    if watch:
        cohort = watched(tables, ledger, nights, terms, params.watch_terms())
    else:
        cohort = scorable(tables, ledger, nights, terms)
    seen = View(cohort, pd.DataFrame(index=cohort.frame.index), tables, ledger)
    if keep < 1:
        seen = only_drawn(seen, drawn_rows(seen, store, params, versions, keep), keep)
    return with_features(seen, store, params, versions, watch=watch) if features else seen


def drawn_rows(seen: View, store: Store, params: Params, versions: Mapping[str, int], keep: float) -> np.ndarray:
    """bool of each row of the cohort: whether its debtor is one of those drawn (pipeline.panel.sampling)."""
    persons = store.persons(versions)
    return drawn(seen.cohort.frame["debtor_id"], persons.names if persons is not None else {}, params.seed, keep)


def only_drawn(seen: View, rows: np.ndarray, keep: float) -> View:
    """A view without features, of these rows alone, each with its weight."""
    frame = seen.cohort.frame[rows].assign(weight=1 / keep).reset_index(drop=True)
    return replace(seen, cohort=replace(seen.cohort, frame=frame), matrix=pd.DataFrame(index=frame.index))


def with_features(
    seen: View, store: Store, params: Params, versions: Mapping[str, int], *, watch: bool = False
) -> View:
    """A view without features, with them."""
    catalogue = WATCH if watch else with_treatments(CATALOGUE, versions)
    complete = quiet_through(store, versions, params)
    rows, terms = seen.cohort.frame, terms_of(store, params, versions)
    return replace(seen, matrix=build(rows, seen.tables, catalogue, terms, seen.ledger, complete))


def _owned(store: Store, shard: int, debtors: Sequence[str], versions: Mapping[str, int]) -> np.ndarray:
    """Numbers of the accounts that these debtors have, or had."""
    columns = {"accounts": ["account_no", "debtor_id", "known_on"]}
    accounts = store.tables(shard, ["accounts"], columns, versions)["accounts"]
    return np.unique(accounts["account_no"].to_numpy()[accounts["debtor_id"].isin(debtors).to_numpy()])


def known_before(seen: View, night: int, terms: Terms) -> tuple[InnerTables, Ledger]:
    """The tables of a view without the rows that became known from a night on, and their ledger: those of the view
    itself where there are none, as on a night of today.
    """
    told = {name: frame["known_on"].to_numpy() < night for name, frame in seen.tables.items()}
    if all(rows.all() for rows in told.values()):
        return seen.tables, seen.ledger
    tables = InnerTables({name: frame[told[name]] for name, frame in seen.tables.items()})
    return tables, history(tables, terms)


def read(
    store: Store,
    shard: int,
    catalogue: Catalogue,
    versions: Mapping[str, int],
    scorable: bool = True,
    accounts: np.ndarray | None = None,
) -> InnerTables:
    """The tables of a shard with the columns that the catalogue (and the cohort of scorable accounts) rests on; of all
    accounts, or of some alone.
    """
    needed = columns_of(catalogue, scorable)
    if needed["accounts"] is not None:
        needed["accounts"] += [name for name in store.extra_columns("accounts", versions) if name.startswith("x_")]
    columns = {name: columns for name, columns in needed.items() if columns is not None}
    return InnerTables(store.tables(shard, list(needed), columns, versions, accounts))


def features_of(
    store: Store, nights: Sequence[int], params: Params, catalogue: Catalogue = CATALOGUE, everyone: bool = False
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cohort and matrix of a catalogue on some nights, in the order of the shards:
    for the analyst who tries a catalogue of his own.

    everyone: all known accounts, not the scorable ones only. The cohort then has account_no, account_id and as_of.
    """
    versions = store.versions()
    known_of = terms_of(store, params, versions), quiet_through(store, versions, params)
    work = partial(_of_shard, store, tuple(nights), catalogue, versions, *known_of, everyone)
    cohorts, matrices = zip(*map_shards(work, range(store.shards), params.engine, threads=True), strict=True)
    return pd.concat(cohorts, ignore_index=True), stacked(matrices)


def _of_shard(
    store: Store,
    nights: tuple[int, ...],
    catalogue: Catalogue,
    versions: Mapping[str, int],
    terms: Terms,
    complete: Mapping[str, Mapping[str, int]],
    everyone: bool,
    shard: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    tables = read(store, shard, catalogue, versions, scorable=not everyone)
    ledger = None if everyone else history(tables, terms)
    cohort = known(tables, nights) if everyone else scorable(tables, ledger, nights, terms).frame
    return cohort, build(cohort, tables, catalogue, terms, ledger, complete)


def quiet_through(store: Store, versions: Mapping[str, int], params: Params) -> dict[str, dict[str, int]]:
    """Table -> portfolio -> last day that counts as complete: the one that a control file named, else by silence.

    A feed as a whole may be silent for ingest.quiet_days. A book that is silent while the feed goes on is quiet for as
    long as its own rhythm makes that likely (pipeline.panel.rhythm); tables that are no feeds reach as far as those.
    """
    vouched, quiet = store.declared_through(versions), params.ingest.quiet_days
    found: dict[str, dict[str, int]] = {}
    told = complete_through(store, versions)
    for table in sorted(told, key=lambda name: name not in FEEDS):
        newest = max(told[table].values())
        found[table] = {}
        for name, day in told[table].items():
            if vouched.get(table, {}).get(name) == day:
                found[table][name] = day
            elif table in FEEDS and day < newest:
                found[table][name] = max(day, quiet_until(store, table, name, day, newest + quiet, versions))
            else:
                with_feeds = [found[feed][name] for feed in FEEDS if feed in found and table not in FEEDS]
                found[table][name] = max([day + quiet, *with_feeds])
    return found


def complete_through(store: Store, versions: Mapping[str, int] | None = None) -> dict[str, dict[str, int]]:
    """Table -> every portfolio -> last complete day; see features.terms.reaches for one that sent no row."""
    books = store.portfolios(versions)
    found = store.complete_by_portfolio(versions)
    return {table: dict(zip(books, reaches(days, books), strict=True)) for table, days in found.items() if days}


def stacked(matrices: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One matrix of several shards: a class that only one shard has seen is a class everywhere."""
    classes = [name for name in matrices[0].columns if isinstance(matrices[0][name].dtype, pd.CategoricalDtype)]
    united = {name: sorted(set().union(*(matrix[name].cat.categories for matrix in matrices))) for name in classes}
    same = [
        matrix.assign(**{name: matrix[name].cat.set_categories(united[name]) for name in classes})
        for matrix in matrices
    ]
    return pd.concat(same, ignore_index=True)
