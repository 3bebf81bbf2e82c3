"""build(cohort, tables, catalogue) -> matrix: what was known of each account before its as_of,
one column per declared feature.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd

from features import kernel
from features.catalogue import CATALOGUE
from features.cohort import scorable
from features.columns import columns_of, columns_wanted
from features.debtor import Holdings
from features.declarations import Catalogue
from features.doors import for_build
from features.errors import ContractError, UsageError
from features.events import Events, signature
from features.evidence import Evidence
from features.facts import facts
from features.ledger import Ledger, history
from features.plan import EVERY, Program, program
from features.settlements import SETTLEMENT_KINDS
from features.spec import Attribute, Band, Debtor, Declared, Difference, Feature, Noun, Ratio, where
from features.tables import WHOLE_SHARE, account_number
from features.terms import Reach, Terms
from features.trace import date, traced
from features.versions import still
from features.vocabulary import EVENTS, LEDGER, MEASURED, Agg

NET_OF_REVERSALS = ("payments", "credits")
SPLIT_ROWS = 20_000  # fewer rows are not worth a second thread
_FIGURES = {"balance": kernel.BALANCE, "arrears": kernel.ARREARS, "days_past_due": kernel.DAYS_PAST_DUE}
_ASKED = {Agg.AT: kernel.AT, Agg.MAX: kernel.MAXIMUM, Agg.DAYS: kernel.DAYS_ABOVE_ZERO}


def build(
    cohort: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    catalogue: Catalogue | Iterable[Declared] = CATALOGUE,
    terms: Terms = Terms(),  # noqa: B008  frozen
    ledger: Ledger | None = None,
    complete_through: Mapping[str, Reach] | None = None,
    threads: int = 1,
) -> pd.DataFrame:
    """One row per cohort row, index as the cohort's; one column per declared feature in order,
    then the x_ columns of accounts by name.

    cohort    account_no (or account_id) and as_of (day number); further columns of Cohort.frame where at hand, else
              taken from accounts
    tables    of the inner form (features.tables.inner_columns); checked here, unless they are InnerTables already
    ledger    of features.ledger.history over the whole past; made here where None. A ledger cut at the front is refused
    complete_through  table -> last day completely delivered, one for all or one per portfolio; on later nights what
                      needs it is missing
    threads   share the rows of the compiled loops; the values do not depend on it

    Numbers are float64 (money in minor units of the account's currency), classes are categories. Missing is NaN: where
    a declaration says so, and where the account's portfolio does not deliver a table the feature needs. Nothing known
    on or after as_of has any influence. Raises UsageError for contradictory declarations, ContractError for missing
    tables and for all that is wrong with the frames.
    """
    catalogue = catalogue if isinstance(catalogue, Catalogue) else Catalogue(catalogue)
    tables = for_build(cohort, tables, columns_of(catalogue, scorable=False))
    if "accounts" in tables:
        catalogue = catalogue.with_attributes(tables["accounts"])
    rows, order = _sorted(cohort)
    evidence = Evidence(rows, tables, terms, ledger, complete_through or {})
    matrix = Matrix(catalogue, evidence, threads).frame()
    if order is not None:
        matrix = matrix.iloc[np.argsort(order)]
    matrix.index = cohort.index
    return matrix


def without_rate(cohort: pd.DataFrame, terms: Terms) -> dict[str, int]:
    """Currency -> cohort rows whose debtor holds accounts in several currencies and cannot be added up,
    because it has no rate.
    """
    return Holdings(cohort["debtor_id"], cohort["as_of"].to_numpy(), cohort["currency"], terms).without_rate()


def explain_feature(
    name: str,
    account_id: str,
    as_of: int,
    tables: Mapping[str, pd.DataFrame],
    catalogue: Catalogue | Iterable[Declared] = CATALOGUE,
    terms: Terms = Terms(),  # noqa: B008  frozen
    ledger: Ledger | None = None,
    complete_through: Mapping[str, Reach] | None = None,
) -> pd.DataFrame:
    """The value of one feature of one account on one night, and the events behind it. See features.trace.

    tables: those of the account's debtor at least; complete_through: as of build, so that the value is the matrix's.
    Raises UsageError for an unknown feature, or an account not scorable on the night.
    """
    catalogue = catalogue if isinstance(catalogue, Catalogue) else Catalogue(catalogue)
    catalogue = catalogue.with_attributes(tables["accounts"])
    entry, ledger = catalogue[name], ledger or history(tables, terms)
    cohort = scorable(tables, ledger, [as_of], terms).frame
    own = cohort[cohort["account_id"] == account_id]
    if own.empty:
        raise UsageError(
            f"Account {account_id!r} is not scorable on {date(as_of)}, "
            "so it has no features then. Choose another night or account."
        )
    cohort = cohort[cohort["debtor_id"] == own["debtor_id"].iloc[0]].reset_index(drop=True)
    matrix = build(cohort, tables, catalogue, terms, ledger, complete_through)
    evidence = Evidence(cohort, tables, terms, ledger, complete_through or {})
    return traced(entry.name, int(np.flatnonzero(cohort["account_id"] == account_id)[0]), evidence, matrix, catalogue)


class Matrix:
    """The columns of a catalogue over a cohort's evidence, each made once: aggregates by kind of event, facts,
    then what derives.
    """

    def __init__(self, catalogue: Catalogue, evidence: Evidence, threads: int = 1):
        self.catalogue, self.evidence, self.threads = catalogue, evidence, threads
        self.rows = evidence.as_of.size
        in_place = sorted(
            catalogue, key=lambda entry: entry.unit == "class"
        )  # classes last, so that the numbers are one block
        self.place = {entry.name: number for number, entry in enumerate(in_place)}
        self.numbers = np.full((len(catalogue), self.rows), np.nan)
        self.classes: dict[str, pd.Categorical] = {}
        self._holdings: Holdings | None = None
        self._delivered: dict[str, np.ndarray] = {}

    def frame(self) -> pd.DataFrame:
        for kind in EVENTS:
            wanted = self.catalogue.features_of(kind)
            if wanted and self.rows:
                self._stand(wanted) if kind == LEDGER else self._walk(kind, wanted)
        nouns = [entry for entry in self.catalogue if isinstance(entry, Noun)]
        missing, noted = self._missing(nouns), facts([entry.called for entry in nouns], self.evidence)
        for entry in nouns:
            self._note(entry, noted[entry.called], missing[entry.needs])
        for entry in self.catalogue.in_order_of_making:
            if isinstance(entry, Attribute):
                self._note(entry, self.evidence.of_account(entry.called), np.zeros(self.rows, bool))
            elif isinstance(entry, Ratio | Difference | Band | Debtor):
                self.numbers[self.place[entry.name]] = self._derived(entry)
        plain = [entry.name for entry in self.catalogue if entry.unit != "class"]
        whole = pd.DataFrame(self.numbers[: len(plain)].T, columns=plain, copy=False)
        for number, entry in enumerate(self.catalogue):
            if entry.unit == "class":
                whole.insert(
                    number,
                    entry.name,
                    self.classes.get(
                        entry.name, pd.Categorical([None] * self.rows, categories=pd.Index([], dtype="str"))
                    ),
                )
        return whole

    def _walk(self, kind: str, wanted: Sequence[Feature]) -> None:
        """Run the compiled loop for the features of one kind of event."""
        evidence = self.evidence
        missing = self._missing(wanted)
        self._blank(wanted, missing)
        wanted = [feature for feature in wanted if not missing[feature.needs].all()]
        if not wanted:
            return
        found = evidence.events(kind, columns_wanted(wanted))
        made = program_of(kind, wanted, found)
        place = np.array([self.place[feature.name] for feature in wanted])
        self._share(kernel.walk, (_log(found, made, evidence.as_of), made.steps, place, self.numbers))
        self._blank(wanted, missing)
        for feature in wanted:
            if EVENTS[kind].measures.get(str(feature.measure)) == "share" and feature.agg in MEASURED:
                self.numbers[self.place[feature.name]] /= WHOLE_SHARE
            if feature.unit == "class":
                column = self.numbers[self.place[feature.name]]
                self.classes[feature.name] = _category(
                    column, found.classes[feature.measure].values, EVENTS[kind].classes[feature.measure]
                )

    def _stand(self, wanted: Sequence[Feature]) -> None:
        missing = self._missing(wanted)
        self._blank(wanted, missing)
        if all(rows.all() for rows in missing.values()):
            return
        evidence, books = self.evidence, self.evidence.ledger
        asked = np.array([(_ASKED[feature.agg], _FIGURES[feature.of], _days(feature)) for feature in wanted])
        arguments = (
            still(books.positions(evidence.account_no), np.int64),
            evidence.as_of,
            still(evidence.known_since, np.int32),
            books.offsets,
            books.start,
            books.balance,
            books.arrears,
            books.overdue_since,
            asked,
            np.array([self.place[feature.name] for feature in wanted]),
            self.numbers,
        )
        self._share(kernel.stand, arguments)
        self._blank(wanted, missing)

    def _share(self, loop, arguments: tuple) -> None:
        threads = max(1, min(self.threads, self.rows // SPLIT_ROWS))
        edges = [self.rows * part // threads for part in range(threads + 1)]
        if threads == 1:
            loop(0, self.rows, *arguments)
            return
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda begin, end: loop(begin, end, *arguments), edges, edges[1:]))

    def _missing(self, wanted: Sequence[Feature | Noun]) -> dict[frozenset[str], np.ndarray]:
        """Tables needed -> bool per row: whether one of them is not delivered."""
        return {needs: self._unknown(needs) for needs in {feature.needs for feature in wanted}}

    def _unknown(self, needs: Iterable[str]) -> np.ndarray:
        """bool per row: whether one of the tables is not delivered."""
        for table in needs:
            if table not in self._delivered:
                self._delivered[table] = self.evidence.delivered(table)
        return ~np.logical_and.reduce([np.ones(self.rows, bool), *(self._delivered[table] for table in needs)])

    def _blank(self, wanted: Sequence[Feature], missing: Mapping[frozenset[str], np.ndarray]) -> None:
        for feature in wanted:
            if missing[feature.needs].any():
                self.numbers[self.place[feature.name], missing[feature.needs]] = np.nan

    def _note(self, entry: Noun | Attribute, values: np.ndarray | pd.Series, missing: np.ndarray) -> None:
        if entry.unit == "class":
            self.classes[entry.name] = _sorted_categories(pd.Series(values))
        else:
            self.numbers[self.place[entry.name]] = np.where(missing, np.nan, np.asarray(values, np.float64))

    def _derived(self, entry: Ratio | Difference | Band | Debtor) -> np.ndarray:
        parts = [self.numbers[self.place[part]] for part in entry.parts]
        if isinstance(entry, Ratio):
            return ratio(entry, parts[0], np.sum(parts[1:], axis=0))
        if isinstance(entry, Difference):
            return parts[0] - parts[1]
        if isinstance(entry, Band):
            return np.where(
                np.isnan(parts[0]), np.nan, np.searchsorted(entry.edges, parts[0], "right").astype(np.float64)
            )
        if self._holdings is None:
            evidence = self.evidence
            self._holdings = Holdings(
                evidence.of_account("debtor_id"), evidence.as_of, evidence.of_account("currency"), evidence.terms
            )
        found = self._holdings.over(entry.agg, parts[0] if parts else None, is_money=entry.unit == "money")
        if entry.agg not in (Agg.MAX, Agg.MIN):
            return found
        return np.where(self._holdings.any(self._unknown(self.catalogue.needs(entry.of))), np.nan, found)


def ratio(entry: Ratio, over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """(over + a) / (under + b); where the line is 0, what the declaration calls empty; NaN where a part is missing."""
    a, b = entry.prior or (0.0, 0.0)
    over, under = over + a, under + b
    with np.errstate(divide="ignore", invalid="ignore"):
        value = over / under
    if entry.prior is not None:
        return value
    return np.where((under == 0) & ~np.isnan(over), entry.empty, value)


def program_of(kind: str, wanted: Sequence[Feature], found: Events) -> Program:
    """The compiled loop's program; among settlements a class tells payments from credits."""
    open_ones = [name for name, values in EVENTS[kind].classes.items() if not values]
    classes = {name: () if name in open_ones else own.values for name, own in found.classes.items()}
    always = where("", kind=SETTLEMENT_KINDS[NET_OF_REVERSALS.index(kind)]) if kind in NET_OF_REVERSALS else EVERY
    return program(wanted, classes, always)


def _sorted(cohort: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray | None]:
    """The cohort with account_no, sorted by (account_no, as_of), and the order that sorted it; None where it was.

    Raises ContractError where a column is missing or a row comes twice: the debtor's accounts would be added up twice.
    """
    if "as_of" not in cohort or not {"account_no", "account_id"} & set(cohort.columns):
        missing = [name for name in ("account_no", "as_of") if name not in cohort]
        raise ContractError.missing_columns("cohort", missing, cohort.columns)
    if "account_no" not in cohort:
        cohort = cohort.assign(account_no=account_number(cohort["account_id"]))
    accounts, nights = cohort["account_no"].to_numpy(), cohort["as_of"].to_numpy()
    if ((accounts[1:] > accounts[:-1]) | ((accounts[1:] == accounts[:-1]) & (nights[1:] > nights[:-1]))).all():
        return cohort, None
    order = np.lexsort((nights, accounts))
    accounts, nights = accounts[order], nights[order]
    twice = int(((accounts[1:] == accounts[:-1]) & (nights[1:] == nights[:-1])).sum())
    if twice:
        raise ContractError(
            f"A cohort must hold each account once per as_of. Got {twice:,} rows that come again. Drop them."
        )
    return cohort.iloc[order], order


def _log(found: Events, made: Program, as_of: np.ndarray) -> kernel.EventLog:
    """The loop's view of the events; nothing is copied that lies in memory as the loop wants it."""
    offsets, back_known, back_amount = found.reversals
    return kernel.EventLog(
        first=still(found.first, np.int64),
        last=still(found.last, np.int64),
        as_of=as_of,
        ahead=found.ahead,
        day=still(found.day, np.int32),
        known=still(found.known, np.int32),
        gone=still(found.gone, np.int32),
        signature=still(signature(found, made.classes), np.int32),
        amount=still(found.measures[made.amount] if made.amount else np.empty(0, np.int64), np.int64),
        others=_rows([found.measures[name] for name in made.others], np.int64),
        texts=_rows([found.classes[name].index for name in made.texts], np.int32),
        back_offsets=still(offsets, np.int64),
        back_known=still(back_known, np.int32),
        back_amount=still(back_amount, np.int64),
    )


def _rows(values: Sequence[np.ndarray], dtype: type) -> np.ndarray:
    if len(values) == 1:
        return still(np.asarray(values[0], dtype).reshape(1, -1), dtype)
    return still(np.stack(values) if values else np.empty((0, 0)), dtype)


def _days(feature: Feature) -> int:
    if feature.window:
        return feature.window.days
    return 0 if feature.agg is Agg.AT else kernel.ENDLESS


def _category(column: np.ndarray, values: Sequence[str], of_contract: Sequence[str]) -> pd.Categorical:
    """Numbers of classes as a category: with all the contract's values, or of an open class those in use, sorted."""
    codes = np.where(np.isnan(column), -1, column).astype(np.int64)
    classes = pd.Categorical.from_codes(codes, categories=pd.Index(list(values), dtype="str"))
    return classes if of_contract else _sorted_categories(pd.Series(classes))


def _sorted_categories(values: pd.Series) -> pd.Categorical:
    """Text as a category of the values in use, sorted, so that no order of rows shows."""
    if not isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype("str").astype("category")
    used = values.cat.remove_unused_categories()
    return pd.Categorical(used.cat.set_categories(pd.Index(sorted(used.cat.categories), dtype="str"), ordered=False))
