"""The labelled panel: every scorable account on every training night, with features and mature labels;
what models are taught on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from features.aliases import renamed
from features.cash import cash_by_week
from features.coverage import recoveries_by_day
from features.currencies import DECIMALS
from features.days import date_of, day_number
from features.errors import ContractError, InputMissing
from features.labels import LABELS, WHY_MISSING, labels_by_terms, weekly_recovered
from features.ledger import Ledger
from features.schemas import failures, rule
from features.tables import DAY_HIGH, DAY_LOW
from features.terms import LabelTerms
from features.versions import arranged
from models.forecast import BACK, Book, BookCash
from models.money import MoneyScale
from models.timing import WEEKS, Weekly
from pipeline.panel.coverage import Labelled
from pipeline.panel.engines import map_shards
from pipeline.panel.parts import Parts
from pipeline.panel.sampling import Sampled, kept_share, outcome_sums, sampled
from pipeline.panel.view import complete_through, drawn_rows, only_drawn, terms_of, view, with_features
from pipeline.params import Params
from pipeline.store.files import private_folder
from pipeline.store.store import Store

if TYPE_CHECKING:
    from pandera.pandas import Check

PANEL_COLUMNS = ("account_no", "debtor_id", "as_of", "portfolio", "currency", "balance", "days_past_due")
LABEL_COLUMNS = ("recovered", "recovered_amount", "defaulted")
HISTORY_DAYS = 90  # a training night wants a quarter of history behind it


@dataclass(frozen=True)
class Panel:
    """The labelled panel: cohort, matrix and labels hold the same rows, sorted by as_of, then account_no.

    counts      as_of, portfolio, reason, accounts: all known accounts, scorable or not
    recoveries  the sums behind the maturity curve (features.coverage)
    horizons    the rows' labels under further terms, where asked for
    landmarks   models.landmarks.landmark of the rows, where what work adds is to be taught
    weekly      what came in week by week after each row's night, where it is to be taught when money comes; cash: to
                each book, of all its accounts
    sampled     what it is a sample of, where debtors were drawn
    The debtor_id of the cohort is one for all debtors that were ever found to be one person (features.aliases.persons),
    whatever was known on the night; the matrix is of what was known.

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
    landmarks: pd.DataFrame | None = None
    weekly: Weekly | None = None
    cash: BookCash | None = None
    sampled: Sampled | None = None

    @property
    def complete_through(self) -> int:
        """The newest of payments_through."""
        return max(self.payments_through.values())


def check_panel(panel: Panel) -> None:
    """Refuse a panel that no model can be taught on, naming all that is wrong at once: rows that do not fit together,
    types, rules.

    Raises ContractError with columns, rules and row counts; never a value.
    """
    rows = {name: len(getattr(panel, name)) for name in ("cohort", "matrix", "labels")}
    if len(set(rows.values())) > 1:
        told = ", ".join(f"{count:,} of {name}" for name, count in rows.items())
        raise ContractError(f"A panel's cohort, matrix and labels must hold the same rows. Got {told}. Cut them alike.")
    classes = [name for name, kind in panel.matrix.dtypes.items() if isinstance(kind, pd.CategoricalDtype)]
    numbers = {name: "float64" for name in panel.matrix.columns if name not in classes}
    found = [
        *failures(
            "panel.cohort",
            panel.cohort,
            _cohort_rules(panel.cohort),
            PANEL_COLUMNS,
            {"account_no": "int64", "balance": "int64"},
        ),
        *failures("panel.matrix", panel.matrix, {name: [] for name in numbers}, dtypes=numbers),
        *failures(
            "panel.labels", panel.labels, _label_rules(panel), LABEL_COLUMNS, dict.fromkeys(LABEL_COLUMNS, "float64")
        ),
    ]
    if found:
        raise ContractError(" ".join(found))


def _cohort_rules(cohort: pd.DataFrame) -> dict[str, list[Check]]:
    rules = {name: [rule("not be empty", lambda cells: cells.notna())] for name in ("debtor_id", "portfolio")}
    rules["as_of"] = [rule("be a day between 1900 and 9999", lambda days: (days >= DAY_LOW) & (days <= DAY_HIGH))]
    rules["currency"] = [rule("be codes of ISO 4217", lambda codes: codes.astype("str").isin(list(DECIMALS)))]
    rules["balance"] = [rule("be from 0 on", lambda money: money >= 0)]
    rules["days_past_due"] = [rule("be from 0 on", lambda late: late >= 0)]
    if "as_of" in cohort:
        rules["account_no"] = [
            rule("rise within each as_of, and as_of from row to row", partial(_in_order, cohort["as_of"]))
        ]
    return {name: held for name, held in rules.items() if name in cohort}


def _in_order(as_of: pd.Series, numbers: pd.Series) -> pd.Series:
    """Which rows come after the row above them: sorted by as_of, then account_no, each account once a night."""
    night, number = as_of.to_numpy(), numbers.to_numpy()
    later = (night[1:] > night[:-1]) | ((night[1:] == night[:-1]) & (number[1:] > number[:-1]))
    return pd.Series(np.concatenate([[True], later])[: len(numbers)], index=numbers.index)


def _label_rules(panel: Panel) -> dict[str, list[Check]]:
    labels = panel.labels
    rules = {
        name: [rule("be 0, 1 or missing", lambda values: values.isna() | values.isin((0.0, 1.0)))] for name in LABELS
    }
    if {"recovered", "balance"} <= {*labels, *panel.cohort}:
        balance, known = panel.cohort["balance"].to_numpy(), labels["recovered"].notna().to_numpy()
        rules["recovered_amount"] = [
            rule("be missing where recovered is, and nowhere else", lambda money: money.notna() == known),
            rule("be from 0 to the balance", lambda money: money.isna() | ((money >= 0) & (money <= balance))),
        ]
    for name in LABELS:
        if {name, f"{name}_missing"} <= set(labels):
            told = partial(_says_why, labels[name].notna().to_numpy())
            rules[f"{name}_missing"] = [rule("say why a label is missing, and nothing where it is not", told)]
    return {name: held for name, held in rules.items() if name in labels}


def _says_why(known: np.ndarray, reasons: pd.Series) -> pd.Series:
    return ((reasons == "") & known) | (reasons.isin(WHY_MISSING) & ~known)


def money_scale(panel: Panel, params: Params) -> MoneyScale:
    """Reporting units per minor unit of every currency at hand, by the params' rates."""
    present = panel.cohort["currency"].astype("str").unique()
    return MoneyScale.resolve(present, params.money.rates, DECIMALS, params.money.reporting_currency)


def training_nights(
    store: Store, params: Params, before: int | None = None, every: str | int | None = None
) -> list[int]:
    """The nights a model is taught on: month = first days of months, week = Mondays, a number = that many days;
    cohort.every unless `every` says otherwise.

    before: only labels that had matured when this night began. Raises InputMissing where no night is left.
    """
    every = params.cohort.every if every is None else every
    complete = labelled_through(store, before)
    start, _ = store.span("payments")
    first = day_number(params.cohort.first) if params.cohort.first else start + HISTORY_DAYS
    latest = complete - params.label.gap_days
    last = min(latest, day_number(params.cohort.last)) if params.cohort.last else latest
    days = np.arange(first, last + 1)
    if every == "month":
        nights = [day for day in days if date_of(int(day)).day == 1]
    elif every == "week":
        nights = [day for day in days if date_of(int(day)).weekday() == 0]
    else:
        nights = list(days[:: int(every)])
    if not nights:
        raise InputMissing(
            f"No night has {HISTORY_DAYS} days of history and a mature label: payments run from {date_of(start)} "
            "through "
            f"{date_of(complete)}, a label takes {params.label.gap_days} days. "
            "Deliver more history, or shorten label.horizon_days or label.maturity_days."
        )
    return [int(day) for day in nights]


def labelled_through(store: Store, before: int | None = None) -> int:
    """The newest of `payments_through`."""
    return max(payments_through(store, before).values())


def payments_through(store: Store, before: int | None = None) -> dict[str, int]:
    """Portfolio -> last day whose payments are all there, and known before the night `before`.
    Raises InputMissing without payments.
    """
    found = complete_through(store).get("payments")
    if found is None:
        raise InputMissing(
            "The store holds no payments, so nothing can be labelled. "
            "Deliver the payments table; scoring works without it."
        )
    return found if before is None else {name: min(day, before - 1) for name, day in found.items()}


def panel(
    store: Store,
    params: Params,
    before: int | None = None,
    further: Sequence[LabelTerms] = (),
    weekly: bool = False,
    features: bool = True,
) -> Panel:
    """Every scorable account (or a seeded sample of debtors, weighted) on every training night,
    with features and mature labels.

    further: terms under which the same rows are labelled too, in the same pass; nights and rows are those of the
    params' own. weekly: with what came in week by week. features: False leaves the matrix without a column, for who
    counts outcomes alone.
    """
    with panel_by_parts(store, params, before, further, weekly, features) as (whole, features_at):
        return replace(whole, matrix=features_at(np.arange(len(whole.cohort))))


@contextmanager
def panel_by_parts(
    store: Store,
    params: Params,
    before: int | None = None,
    further: Sequence[LabelTerms] = (),
    weekly: bool = False,
    features: bool = True,
) -> Iterator[tuple[Panel, Callable[[np.ndarray], pd.DataFrame]]]:
    """`panel` with a matrix without columns, and what gives the features of rows at some places: until they are asked
    for they lie on the disk, shard by shard, in the system's temporary place.
    """
    versions = store.versions()
    nights = training_nights(store, params, before)
    complete = payments_through(store, before)
    asked, keep = (params.label_terms(), *further), kept_share(store, params, versions)
    work = partial(
        _panel_of_shard, store.path, tuple(nights), complete, params, asked, versions, keep, weekly, features
    )
    with private_folder() as folder:
        matrices, rest = Parts(folder), []
        for matrix, *one in map_shards(work, range(store.shards), params.engine, threads=True):
            matrices.add(matrix)
            rest.append(one)
        cohorts, counts, found, recoveries, weeks, sums = zip(*rest, strict=True)
        cohort = pd.concat(cohorts, ignore_index=True)
        order = np.lexsort((cohort["account_no"].to_numpy(), cohort["as_of"].to_numpy()))
        cohort = cohort.iloc[order].reset_index(drop=True)
        labelled = [
            Labelled(
                terms,
                pd.concat(own, ignore_index=True).iloc[order].reset_index(drop=True),
                pd.concat(sums, ignore_index=True),
            )
            for terms, own, sums in zip(asked, zip(*found, strict=True), zip(*recoveries, strict=True), strict=True)
        ]
        counted = (
            pd.concat(counts).groupby(["as_of", "portfolio", "reason"], observed=True, as_index=False)["accounts"].sum()
        )
        own, came, cash = labelled[0], None, None
        if weekly:
            cumulative, seen = (np.concatenate([part[place] for part in weeks])[order] for place in (0, 1))
            came = Weekly(cumulative, seen)
            cash = _book_cash([part[2] for part in weeks], nights, complete, params)
        drawn = None
        if params.cohort.sample_debtors is not None and keep < 1:
            drawn = sampled(sums, params.cohort.sample_debtors, keep)
        none = pd.DataFrame(index=cohort.index)
        told = own.labels, counted, own.recoveries, complete, versions, tuple(labelled[1:])
        whole = Panel(cohort, none, *told, weekly=came, cash=cash, sampled=drawn)
        yield whole, lambda places: matrices.rows(order[places])


def _book_cash(
    parts: Sequence[Mapping[Book, np.ndarray]], nights: Sequence[int], complete: Mapping[str, int], params: Params
) -> BookCash:
    books = sorted({book for part in parts for book in part})
    empty = np.zeros((len(nights), BACK + WEEKS), np.int64)
    came = np.array([sum((part.get(book, empty) for part in parts), empty) for book in books])
    last = np.array([complete[portfolio] for portfolio, _ in books], np.int64)[:, None]
    known = np.arange(1, WEEKS + 1)[None, None, :] * 7 + np.array(nights)[None, :, None] + params.label.maturity_days
    return BookCash(tuple(books), tuple(nights), came, (known <= last[:, :, None]).sum(axis=2))


def cash_of_books(
    tables: Mapping[str, pd.DataFrame], ledger: Ledger, nights: Sequence[int], ahead: int, maturity_days: int
) -> dict[Book, np.ndarray]:
    """(portfolio, currency) -> int64[nights, BACK + ahead] of features.cash.cash_by_week, of a shard's accounts, each
    in the book that it was known to be in on the night; one that became known later is in its first."""
    accounts = arranged(tables["accounts"], "accounts")
    names = pd.Series(zip(accounts["portfolio"].astype("str"), accounts["currency"].astype("str"), strict=True))
    codes, books = pd.factorize(names, sort=True)
    of = np.full((len(ledger.settlements.accounts), len(nights)), -1, np.int64)
    at, known_on = ledger.positions(accounts["account_no"].to_numpy()), accounts["known_on"].to_numpy()
    for place, night in enumerate(nights):
        of[at[::-1], place] = codes[::-1]  # the first version, where none was known yet
        seen = known_on < night
        of[at[seen], place] = codes[seen]
    came = cash_by_week(ledger.settlements, of, len(books), nights, BACK, ahead, maturity_days)
    return dict(zip(books, came, strict=True))


def _panel_of_shard(
    store_path: Path,
    nights: tuple[int, ...],
    complete: Mapping[str, int],
    params: Params,
    asked: Sequence[LabelTerms],
    versions: Mapping[str, int],
    keep: float,
    weekly: bool,
    features: bool,
    shard: int,
) -> tuple[Any, ...]:
    """Matrix, cohort, accounts by reason, and per terms the labels and the sums of their maturity curve; what came in
    week by week where asked for; of a sample, the sums of `outcome_sums`.
    """
    store = Store(store_path)
    seen = view(store, shard, nights, params, versions, whole=False, features=False)
    persons, delivers = store.persons(versions), terms_of(store, params, versions).delivers
    names, sums = persons.names if persons is not None else {}, None
    if keep < 1:
        rows = drawn_rows(seen, store, params, versions, keep)
        told = labels_by_terms(seen.cohort.frame, seen.tables, seen.ledger, asked[:1], complete, DECIMALS, delivers)[0]
        whom = seen.cohort.frame.assign(debtor_id=renamed(seen.cohort.frame["debtor_id"], names))
        sums = outcome_sums(whom, told, rows)
        seen = only_drawn(seen, rows, keep)
    if features:
        seen = with_features(seen, store, params, versions)
    rows = seen.cohort.frame
    if names:  # one person on both sides of a split would be taught and judged at once
        rows = rows.assign(debtor_id=renamed(rows["debtor_id"], names))
    found = labels_by_terms(rows, seen.tables, seen.ledger, asked, complete, DECIMALS, delivers)
    maturity_days, came = params.label.maturity_days, None
    if weekly:
        came = (
            *weekly_recovered(rows, seen.tables, seen.ledger, WEEKS, maturity_days, complete, delivers),
            cash_of_books(seen.tables, seen.ledger, nights, WEEKS, maturity_days),
        )
    recoveries = [recoveries_by_day(rows, seen.ledger, terms, complete) for terms in asked]
    return seen.matrix, rows, seen.cohort.counts, found, recoveries, came, sums
