"""From the store to frames: who is scorable, with features, for one night; and the labelled panel the models are taught on."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from features.build import build, without_rate
from features.catalogue import CATALOGUE
from features.cohort import Cohort, known, scorable
from features.columns import columns_of
from features.coverage import coverage, label_rates, recoveries_by_day
from features.currencies import DECIMALS
from features.days import date_of, dates, day_number
from features.declarations import Catalogue
from features.errors import InputMissing
from features.labels import labels_by_terms
from features.ledger import Ledger, history
from features.tables import account_number
from features.terms import LabelTerms, Terms, reaches
from models.money import MoneyScale
from pipeline.panel.engines import map_shards
from pipeline.panel.label_tables import Labelled, label_tables
from pipeline.params import Params
from pipeline.store.files import check_folder
from pipeline.store.store import Store

HISTORY_DAYS = 90  # a training night wants a quarter of history behind it


@dataclass(frozen=True)
class View:
    """What one shard shows on some nights: the scorable accounts, their features, all known accounts counted by reason."""

    cohort: Cohort
    matrix: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]
    ledger: Ledger


@dataclass(frozen=True)
class Panel:
    """The labelled panel: cohort, matrix and labels hold the same rows, sorted by as_of, then account_no.

    counts      as_of, portfolio, reason, accounts: all known accounts, scorable or not
    recoveries  the sums behind the maturity curve (features.coverage)
    horizons    the rows' labels under further terms, where asked for
    payments_through   portfolio -> last day whose payments were all there when the labels were made
    """

    cohort: pd.DataFrame
    matrix: pd.DataFrame
    labels: pd.DataFrame
    counts: pd.DataFrame
    recoveries: pd.DataFrame
    payments_through: Mapping[str, int]
    versions: Mapping[str, int]
    horizons: tuple[Labelled, ...] = ()

    @property
    def complete_through(self) -> int:
        """The newest of payments_through."""
        return max(self.payments_through.values())


def money_scale(panel: Panel, params: Params) -> MoneyScale:
    """Reporting units per minor unit of every currency at hand, by the params' rates."""
    present = panel.cohort["currency"].astype("str").unique()
    return MoneyScale.resolve(present, params.money.rates, DECIMALS, params.money.reporting_currency)


def terms_of(store: Store, params: Params, versions: Mapping[str, int] | None = None) -> Terms:
    """The params' part that figures depend on, for the portfolios and currencies the store holds."""
    return params.terms(store.portfolios(versions), {currency: DECIMALS[currency] for currency in store.currencies(versions)})


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
) -> View:
    """Cohort and features of one shard on the given nights; nothing known from a night on can change its rows.

    keep: share of debtors to keep, by a seeded hash; the cohort then carries `weight` = 1 / keep.
    debtors: only these, with all their accounts; their rows are the same as among the others.
    whole: with every table and column; else those that cohort, features and labels need.
    """
    terms = terms_of(store, params, versions)
    tables = store.tables(shard, versions=versions) if whole else read(store, shard, CATALOGUE, versions)
    if debtors is not None:
        owned = tables["accounts"]["account_no"][tables["accounts"]["debtor_id"].isin(debtors)]
        tables = {name: frame[frame["account_no"].isin(owned)].reset_index(drop=True) for name, frame in tables.items()}
    ledger = history(tables, terms)
    cohort = scorable(tables, ledger, nights, terms)
    if keep < 1:
        drawn = account_number(cohort.frame["debtor_id"].astype("str") + f"|{params.seed}") < keep * 2.0**63
        cohort = replace(cohort, frame=cohort.frame[drawn].assign(weight=1 / keep).reset_index(drop=True))
    complete = quiet_through(store, versions, params)
    return View(cohort, build(cohort.frame, tables, CATALOGUE, terms, ledger, complete), tables, ledger)


def read(store: Store, shard: int, catalogue: Catalogue, versions: Mapping[str, int], scorable: bool = True) -> dict[str, pd.DataFrame]:
    """The tables of a shard with the columns that the catalogue (and the cohort of scorable accounts) rests on."""
    needed = columns_of(catalogue, scorable)
    if needed["accounts"] is not None:
        needed["accounts"] += [name for name in store.extra_columns("accounts") if name.startswith("x_")]
    return store.tables(shard, list(needed), {name: columns for name, columns in needed.items() if columns is not None}, versions)


def features_of(
    store: Store, nights: Sequence[int], params: Params, catalogue: Catalogue = CATALOGUE, everyone: bool = False
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cohort and matrix of a catalogue on some nights, in the order of the shards: for the analyst who tries a catalogue of his own.

    everyone: all known accounts, not the scorable ones only. The cohort then has account_no, account_id and as_of.
    """
    versions = store.versions()
    known_of = terms_of(store, params, versions), quiet_through(store, versions, params)
    work = partial(_of_shard, store, tuple(nights), catalogue, versions, *known_of, everyone)
    cohorts, matrices = zip(*map_shards(work, range(store.shards), params.engine, threads=True), strict=True)
    return pd.concat(cohorts, ignore_index=True), _stacked(matrices)


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
    """Table -> portfolio -> last day that counts as complete: ingest.quiet_days beyond the newest row, unless a control file named it."""
    vouched, quiet = store.declared_through(versions), params.ingest.quiet_days
    return {
        table: {name: day if vouched.get(table, {}).get(name) == day else day + quiet for name, day in found.items()}
        for table, found in _complete_through(store, versions).items()
    }


def _complete_through(store: Store, versions: Mapping[str, int] | None = None) -> dict[str, dict[str, int]]:
    """Table -> every portfolio -> last complete day; see features.terms.reaches for one that sent no row."""
    books = store.portfolios(versions)
    found = store.complete_by_portfolio(versions)
    return {table: dict(zip(books, reaches(days, books), strict=True)) for table, days in found.items() if days}


def training_nights(store: Store, params: Params, before: int | None = None) -> list[int]:
    """The nights a model is taught on, by cohort.every: month = first days of months, week = Mondays, a number = that many days.

    before: only labels that had matured when this night began. Raises InputMissing where no night is left.
    """
    complete = labelled_through(store, before)
    start, _ = store.span("payments")
    first = day_number(params.cohort.first) if params.cohort.first else start + HISTORY_DAYS
    latest = complete - params.label.gap_days
    last = min(latest, day_number(params.cohort.last)) if params.cohort.last else latest
    days = np.arange(first, last + 1)
    if params.cohort.every == "month":
        nights = [day for day in days if date_of(day).day == 1]
    elif params.cohort.every == "week":
        nights = [day for day in days if date_of(day).weekday() == 0]
    else:
        nights = list(days[:: params.cohort.every])
    if not nights:
        raise InputMissing(
            f"No night has {HISTORY_DAYS} days of history and a mature label: payments run from {date_of(start)} through "
            f"{date_of(complete)}, a label takes {params.label.gap_days} days. "
            "Deliver more history, or shorten label.horizon_days or label.maturity_days."
        )
    return [int(day) for day in nights]


def labelled_through(store: Store, before: int | None = None) -> int:
    """The newest of `payments_through`."""
    return max(payments_through(store, before).values())


def payments_through(store: Store, before: int | None = None) -> dict[str, int]:
    """Portfolio -> last day whose payments are all there, and known before the night `before`. Raises InputMissing without payments."""
    found = _complete_through(store).get("payments")
    if found is None:
        raise InputMissing("The store holds no payments, so nothing can be labelled. Deliver the payments table; scoring works without it.")
    return found if before is None else {name: min(day, before - 1) for name, day in found.items()}


def panel(store: Store, params: Params, before: int | None = None, further: Sequence[LabelTerms] = ()) -> Panel:
    """Every scorable account (or a seeded sample of debtors, weighted) on every training night, with features and mature labels.

    further: terms under which the same rows are labelled too, in the same pass; nights and rows are those of the params' own.
    """
    versions = store.versions()
    nights = training_nights(store, params, before)
    complete = payments_through(store, before)
    asked, keep = (params.label_terms(), *further), _kept_share(store, params, versions)
    work = partial(_panel_of_shard, store.path, tuple(nights), complete, params, asked, versions, keep)
    parts = list(map_shards(work, range(store.shards), params.engine, threads=True))
    cohorts, matrices, counts, found, recoveries = zip(*parts, strict=True)
    cohort = pd.concat(cohorts, ignore_index=True)
    order = np.lexsort((cohort["account_no"].to_numpy(), cohort["as_of"].to_numpy()))
    cohort, matrix = (frame.iloc[order].reset_index(drop=True) for frame in (cohort, _stacked(matrices)))
    labelled = [
        Labelled(terms, pd.concat(own, ignore_index=True).iloc[order].reset_index(drop=True), pd.concat(sums, ignore_index=True))
        for terms, own, sums in zip(asked, zip(*found, strict=True), zip(*recoveries, strict=True), strict=True)
    ]
    counted = pd.concat(counts).groupby(["as_of", "portfolio", "reason"], observed=True, as_index=False)["accounts"].sum()
    own = labelled[0]
    return Panel(cohort, matrix, own.labels, counted, own.recoveries, complete, versions, tuple(labelled[1:]))


def write_features(store_path: Path, as_of: dt.date, out: Path, params: Params) -> str:
    """One Parquet file: account_id, as_of, features of every scorable account, sorted by account_id."""
    check_folder(out.parent)
    store = Store(store_path)
    work = partial(_features_of_shard, store.path, day_number(as_of), params, store.versions())
    parts, holders = zip(*map_shards(work, range(store.shards), params.engine, threads=True), strict=True)
    whole = pd.concat(parts, ignore_index=True).sort_values("account_id", ignore_index=True)
    write_parquet(whole, out)
    told = f"{len(whole):,} scorable accounts x {whole.shape[1] - 2} features as of {as_of}: {out}"
    return "\n".join([told, *_no_rate(pd.concat(holders, ignore_index=True), terms_of(store, params))])


def _no_rate(cohort: pd.DataFrame, terms: Terms) -> list[str]:
    found = ", ".join(f"{currency} ({rows:,} rows)" for currency, rows in sorted(without_rate(cohort, terms).items()))
    return (
        [f"No rate for {found}: sums over the overdue or placed accounts of those debtors are missing. Add money.rates."] if found else []
    )


def write_panel(store_path: Path, out: Path, params: Params, horizons: Sequence[int] = ()) -> str:
    """The panel as Parquet, and in words: label rates by night and bucket, coverage by month, maturity curve; drawn too.

    horizons: days in which recovery and default are judged, instead of the params' own in words and pictures; in the file beside them, as
    recovered_60d, recovered_amount_60d, defaulted_60d and the reasons where they are missing.
    """
    from models.split import split_by_time
    from pipeline.panel.label_charts import draw

    check_folder(out.parent)
    further = [replace(params.label_terms(), horizon_days=days, default_horizon_days=days) for days in horizons]
    whole = panel(Store(store_path), params, further=further)
    part = split_by_time(whole.cohort, params.split, params.label).part
    nights = pd.Series(dates(whole.cohort["as_of"]), name="as_of")
    who = [name for name in ("account_id", "debtor_id", "weight") if name in whole.cohort]  # weight: 1 / share of the debtors drawn
    beside = [own.labels.add_suffix(f"_{own.terms.horizon_days}d") for own in whole.horizons]
    frame = pd.concat([whole.cohort[who], nights, whole.matrix, whole.labels, part.rename("split"), *beside], axis=1)
    write_parquet(frame, out)
    first = Labelled(params.label_terms(), whole.labels, whole.recoveries)
    told = whole.horizons or (first,)
    pictures = [out.with_suffix(".png")] if not horizons else [out.with_name(f"{out.stem}-{days}d.png") for days in horizons]
    for own, picture in zip(told, pictures, strict=True):
        draw(label_rates(whole.cohort, own.labels), coverage(whole.cohort, own.labels), own.curve, picture, own.title)
    _drop_older(out, pictures)
    reach = sorted(whole.payments_through.items())
    return "\n\n".join(
        [
            f"{len(frame):,} rows of {whole.cohort['debtor_id'].nunique():,} debtors on {whole.cohort['as_of'].nunique()} nights: {out}",
            *_sampled(whole.cohort),
            *_no_rate(whole.cohort, terms_of(Store(store_path), params)),
            "Payments complete through " + ", ".join(f"{date_of(day)} ({name})" for name, day in reach),
            *([f"In the file also the params' own labels: {first.title.lower()}. Told here: the horizons asked for."] if horizons else []),
            f"Accounts of these nights by reason\n{_by_reason(whole.counts).to_string(index=False)}",
            *(f"{title}\n{table.to_string(index=False)}" for title, table in label_tables(whole.cohort, told)),
            f"Drawn: {', '.join(map(str, pictures))}",
        ]
    )


def _drop_older(out: Path, pictures: Sequence[Path]) -> None:
    """Remove the pictures that an earlier run of other horizons drew of the same file; not those of a file that is there itself."""
    named = re.compile(re.escape(out.stem) + r"(-[1-9]\d{0,3}d)?\.png")
    for found in out.parent.iterdir():
        if named.fullmatch(found.name) and found not in pictures and (found.stem == out.stem or not found.with_suffix(out.suffix).exists()):
            found.unlink()


def _sampled(cohort: pd.DataFrame) -> list[str]:
    if "weight" not in cohort:
        return []
    return [f"A seeded sample of {1 / cohort['weight'].iloc[0]:.1%} of the debtors (cohort.sample_debtors): each row has its weight."]


def _by_reason(counts: pd.DataFrame) -> pd.DataFrame:
    """reason, accounts, share: of all accounts known on the nights, each night counted."""
    found = counts.groupby("reason", sort=False, observed=True)["accounts"].sum().reset_index()
    return found[found["accounts"] > 0].assign(share=found["accounts"] / max(found["accounts"].sum(), 1))


def explain_cell(store_path: Path, as_of: dt.date, name: str, account_id: str, params: Params) -> str:
    """The events behind one feature of one account on one night."""
    store = Store(store_path)
    versions = store.versions()
    tables = store.tables(store.shard_of_account(account_id, versions), versions=versions)
    from features.build import explain_feature

    terms, complete = terms_of(store, params, versions), quiet_through(store, versions, params)
    found = explain_feature(name, account_id, day_number(as_of), tables, CATALOGUE, terms, complete_through=complete)
    said = found.astype(object).where(found.notna(), np.nan).to_string(index=False)
    own = tables["accounts"]["account_id"] == account_id
    is_money = CATALOGUE.with_attributes(tables["accounts"])[name].unit == "money"
    return f"{said}\nMoney in minor units of {tables['accounts'].loc[own, 'currency'].iloc[-1]}." if is_money else said


def write_parquet(frame: pd.DataFrame, place: Path) -> None:
    """Whole or not at all: written beside its place, then moved over it."""
    check_folder(place.parent)
    place.parent.mkdir(parents=True, exist_ok=True)
    half = place.with_name(f".{place.name}.half")
    try:
        frame.to_parquet(half, index=False, compression="zstd")
        half.replace(place)
    finally:
        half.unlink(missing_ok=True)


def _features_of_shard(
    store_path: Path, night: int, params: Params, versions: Mapping[str, int], shard: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    seen = view(Store(store_path), shard, [night], params, versions, whole=False)
    keys = seen.cohort.frame[["account_id"]].assign(as_of=date_of(night))
    frame = pd.concat([keys.reset_index(drop=True), seen.matrix.reset_index(drop=True)], axis=1)
    return frame, seen.cohort.frame[["debtor_id", "as_of", "currency"]].astype({"debtor_id": "str", "currency": "str"})


def _panel_of_shard(
    store_path: Path,
    nights: tuple[int, ...],
    complete: Mapping[str, int],
    params: Params,
    asked: Sequence[LabelTerms],
    versions: Mapping[str, int],
    keep: float,
    shard: int,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, list[pd.DataFrame], list[pd.DataFrame]]:
    """Cohort, matrix, accounts by reason, and per terms the labels and the sums of their maturity curve."""
    seen = view(Store(store_path), shard, nights, params, versions, keep=keep, whole=False)
    rows = seen.cohort.frame
    delivers = terms_of(Store(store_path), params, versions).delivers
    found = labels_by_terms(rows, seen.tables, seen.ledger, asked, complete, DECIMALS, delivers)
    return rows, seen.matrix, seen.cohort.counts, found, [recoveries_by_day(rows, seen.ledger, terms, complete) for terms in asked]


def _kept_share(store: Store, params: Params, versions: Mapping[str, int]) -> float:
    """Share of debtors that cohort.sample_debtors asks for."""
    if params.cohort.sample_debtors is None:
        return 1.0
    held = store.tables(None, ["accounts"], {"accounts": ["debtor_id"]}, versions)["accounts"]["debtor_id"].nunique()
    return min(1.0, params.cohort.sample_debtors / max(held, 1))


def _stacked(matrices: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One matrix of several shards: a class that only one shard has seen is a class everywhere."""
    classes = [name for name in matrices[0].columns if isinstance(matrices[0][name].dtype, pd.CategoricalDtype)]
    united = {name: sorted(set().union(*(matrix[name].cat.categories for matrix in matrices))) for name in classes}
    same = [matrix.assign(**{name: matrix[name].cat.set_categories(united[name]) for name in classes}) for matrix in matrices]
    return pd.concat(same, ignore_index=True)
