"""What every model must beat, and what scores when there is none: orders anyone could keep, the age-band table,
a logistic scorecard.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal

import numpy as np
import pandas as pd

from features.tables import NO_DAY
from models.calibration import bounded_logit, expit
from models.folder import CARD_FILE, card_bytes, digest
from models.money import MoneyScale

AGE_BAND_TABLE: Final = "age_bands"
# Its own bands of days past due, not the buckets of reports (features.cohort.BUCKETS): they part a year from half a
# year, where old debt goes on losing worth, and models kept with their cells are read by them.
LATE_EDGES = (1, 31, 61, 91, 181, 366)  # first day past due of each band after "not past due"
LATE_NAMES = ("0", "1-30", "31-60", "61-90", "91-180", "181-365", "366+")
PLACED_EDGES = (0, 8, 15, 31, 61, 91, 181, 366)  # first day since placement of each band after "not placed"
PLACED_NAMES = ("not placed", "0-7", "8-14", "15-30", "31-60", "61-90", "91-180", "181-365", "366+")
ALL = ""  # the row of all portfolios, read for a portfolio not named
PRIOR_DEBTORS = 20.0  # debtors' worth of the wider cell mixed into a narrower one
# Without a single label: rates by late band in the order of magnitude the trade reports (fresh arrears cure, old debt
# rarely pays), over about a month. They rank, they do not measure: the version says `prior`.
PRIOR_RATES = (0.30, 0.40, 0.25, 0.15, 0.08, 0.04, 0.02)
PRIOR_SHARES = (0.5, 0.6, 0.4, 0.3, 0.2, 0.12, 0.08)
SCORECARD_PULL = 10.0  # ridge of the scorecard's slopes, in rows
SCORECARD_FIELDS = (
    "days_past_due",
    "days_past_due_max_365d",
    "payments_count_30d",
    "payments_months_paid_365d",
    "payments_days_since_last",
    "promises_kept_365d",
    "promises_broken_365d",
    "right_party_rate_call_180d",
    "months_since_placed",
)


def late_band(days_past_due: pd.Series | np.ndarray) -> np.ndarray:
    """Position in LATE_NAMES of each days past due."""
    return np.searchsorted(np.array(LATE_EDGES), np.asarray(days_past_due), side="right")


def placement_band(cohort: pd.DataFrame) -> np.ndarray:
    """Position in PLACED_NAMES: days from placed_on to as_of; 0 where not placed."""
    placed = cohort["placed_on"].to_numpy()
    since = cohort["as_of"].to_numpy().astype(np.int64) - placed
    return np.where(placed == NO_DAY, 0, np.searchsorted(np.array(PLACED_EDGES), since, side="right"))


def plain_orders(cohort: pd.DataFrame, unit: np.ndarray) -> dict[str, np.ndarray]:
    """Scores whose descending order is what a team without a model does; unit: reporting units per minor unit,
    row by row.
    """
    night = cohort["as_of"].to_numpy().astype(np.float64)
    placed = cohort["placed_on"].to_numpy().astype(np.float64)
    opened = (
        cohort["opened_on"].to_numpy().astype(np.float64)
        if "opened_on" in cohort
        else np.full(len(cohort), float(NO_DAY))
    )
    # By age, so that rows of several nights compare too; never placed comes after every placement, newest opened first.
    newest = np.where(placed == NO_DAY, np.minimum(opened - night, 0.0) - 1e6, placed - night)
    return {
        "balance first": cohort["balance"].to_numpy(dtype=np.float64) * unit,
        "oldest first": cohort["days_past_due"].to_numpy(dtype=np.float64),
        "newest placement first": newest,
    }


@dataclass(frozen=True)
class AgeBandTable:
    """Rates by portfolio x late band x band of days since placement, each cell mixed with the wider one it lies in.

    portfolios   names in order, "" (all) first
    recovered, share, defaulted   nested lists [portfolio][late band][placement band]; defaulted None where nobody could
                                  default
    """

    portfolios: tuple[str, ...]
    recovered: np.ndarray
    share: np.ndarray
    defaulted: np.ndarray | None
    default_dpd: int
    horizon_days: int
    is_prior: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)

    kind: ClassVar[Literal["age_bands"]] = AGE_BAND_TABLE

    @classmethod
    def fit(
        cls, labels: pd.DataFrame, cohort: pd.DataFrame, money: MoneyScale, *, default_dpd: int, horizon_days: int
    ) -> AgeBandTable:
        """Count the rows whose label is known. Without any, use `prior`."""
        names = (ALL, *sorted(cohort["portfolio"].astype("str").unique()))
        cells = _cells(cohort, names)
        recovered = labels["recovered"].to_numpy(dtype=np.float64)
        rates = _smoothed(recovered, np.ones(len(cohort)), cells, cohort["debtor_id"], len(names))
        unit = money.per_minor(cohort["currency"])
        balance = cohort["balance"].to_numpy(dtype=np.float64) * unit
        amount = labels["recovered_amount"].to_numpy(dtype=np.float64) * unit
        paid = np.where(
            (recovered == 1) & (balance > 0), np.minimum(amount / np.where(balance > 0, balance, 1.0), 1.0), np.nan
        )
        shares = _smoothed(paid, balance, cells, cohort["debtor_id"], len(names))
        outcome = labels["defaulted"].to_numpy(dtype=np.float64)
        defaults = (
            _smoothed(outcome, np.ones(len(cohort)), cells, cohort["debtor_id"], len(names))
            if (outcome == 1).any()
            else None
        )
        return cls(names, rates, shares, defaults, default_dpd, horizon_days)

    @classmethod
    def prior(cls, *, default_dpd: int, horizon_days: int) -> AgeBandTable:
        """Documented rates for a book without a single label: they put fresh arrears first and claim no more."""
        wide = (1, len(LATE_NAMES), len(PLACED_NAMES))
        rates, shares = (
            np.broadcast_to(np.array(row)[None, :, None], wide).copy() for row in (PRIOR_RATES, PRIOR_SHARES)
        )
        return cls((ALL,), rates, shares, None, default_dpd, horizon_days, is_prior=True)

    def predict(self, matrix: pd.DataFrame, cohort: pd.DataFrame) -> pd.DataFrame:
        """The same columns as the model's; the matrix is not read, the bands come from the cohort."""
        place = self._place(cohort)
        balance = cohort["balance"].to_numpy(dtype=np.float64)
        p_recovered, amount = self.recovered[place], self.share[place] * balance
        p_defaulted = np.full(len(cohort), np.nan)
        if self.defaulted is not None:
            p_defaulted = np.where(cohort["days_past_due"].to_numpy() < self.default_dpd, self.defaulted[place], np.nan)
        scores = {
            "p_recovered": p_recovered,
            "amount_if_recovered": amount,
            "expected_recovery": p_recovered * amount,
            "p_defaulted": p_defaulted,
        }
        return pd.DataFrame(scores, index=matrix.index)

    def raw(self, matrix: pd.DataFrame, cohort: pd.DataFrame) -> np.ndarray:
        """Log-odds of P(recovered)."""
        return _logit(self.recovered[self._place(cohort)])

    def contributions(self, matrix: pd.DataFrame, cohort: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
        """How far the portfolio, then the late band in it, then the placement band in that, move the log-odds;
        exact.
        """
        portfolio, late, band = self._place(cohort)
        base = np.full(len(cohort), _logit(self.recovered[0].mean()))
        book = _logit(self.recovered[portfolio].mean(axis=(1, 2)))
        aged = _logit(self.recovered[portfolio, late].mean(axis=1))
        found = {
            "portfolio": book - base,
            "days_past_due": aged - book,
            "months_since_placed": _logit(self.recovered[portfolio, late, band]) - aged,
        }
        return pd.DataFrame(found, index=matrix.index), base

    def files(self) -> dict[str, bytes]:
        card = {
            "kind": AGE_BAND_TABLE,
            "portfolios": list(self.portfolios),
            "dpd_edges": list(LATE_EDGES),
            "placed_edges": list(PLACED_EDGES),
            "recovered": self.recovered.tolist(),
            "share": self.share.tolist(),
            "defaulted": None if self.defaulted is None else self.defaulted.tolist(),
            "default_dpd": self.default_dpd,
            "horizon_days": self.horizon_days,
            "is_prior": self.is_prior,
            "facts": dict(self.facts),
        }
        return {CARD_FILE: card_bytes(card)}

    @property
    def columns(self) -> tuple[str, ...]:
        """None of the matrix."""
        return ()

    @property
    def version(self) -> str:
        return "age-band-prior" if self.is_prior else f"age-band-{digest(self.files())[:8]}"

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> AgeBandTable:
        card = json.loads(files[CARD_FILE])
        defaulted = None if card["defaulted"] is None else np.array(card["defaulted"])
        tables = np.array(card["recovered"]), np.array(card["share"]), defaulted
        return cls(
            tuple(card["portfolios"]),
            *tables,
            card["default_dpd"],
            card["horizon_days"],
            card["is_prior"],
            card["facts"],
        )

    def _place(self, cohort: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return _cells(cohort, self.portfolios)


@dataclass(frozen=True)
class Scorecard:
    """Logistic regression on a few standard features, missing ones marked: the model every validator knows."""

    names: tuple[str, ...]
    centres: np.ndarray
    spreads: np.ndarray
    intercept: float
    slopes: np.ndarray

    @classmethod
    def fit(cls, numbers: np.ndarray, names: tuple[str, ...], recovered: np.ndarray, weight: np.ndarray) -> Scorecard:
        """numbers: encoded [rows, columns] named by `names`; only SCORECARD_FIELDS present among them are used."""
        used = tuple(name for name in SCORECARD_FIELDS if name in names)
        held = numbers[:, [names.index(name) for name in used]]
        with np.errstate(invalid="ignore"):
            centres = np.array([np.nanmedian(column) if (~np.isnan(column)).any() else 0.0 for column in held.T])
        spreads = np.array(
            [
                np.nanstd(np.arcsinh(column - centre)) if (~np.isnan(column)).any() else 0.0
                for column, centre in zip(held.T, centres, strict=True)
            ]
        )
        spreads = np.where(spreads > 0, spreads, 1.0)
        columns = _card_columns(held, centres, spreads)
        intercept, slopes = bounded_logit(
            columns, recovered, weight, usual=np.zeros(len(columns)), pull=SCORECARD_PULL, least=-np.inf
        )
        return cls(used, centres, spreads, intercept, slopes)

    def probability(self, numbers: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
        columns = _card_columns(numbers[:, [names.index(name) for name in self.names]], self.centres, self.spreads)
        level = np.full(len(numbers), self.intercept)
        for slope, column in zip(self.slopes, columns, strict=True):
            level += slope * column
        return expit(level)


def _card_columns(held: np.ndarray, centres: np.ndarray, spreads: np.ndarray) -> np.ndarray:
    """[2 x fields, rows]: each field bent by arcsinh (long tails) and standardised with 0 for missing,
    then the marks of missing.
    """
    missing = np.isnan(held.T)
    bent = np.arcsinh(held.T - centres[:, None]) / spreads[:, None]
    return np.concatenate([np.where(missing, 0.0, bent), missing.astype(np.float64)])


def _cells(cohort: pd.DataFrame, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(portfolio, late band, placement band) of each row; a portfolio not named is read as all of them."""
    portfolio = np.maximum(pd.Index(names).get_indexer(cohort["portfolio"].astype("str")), 0).astype(np.int64)
    return portfolio, late_band(cohort["days_past_due"]), placement_band(cohort)


def _smoothed(
    value: np.ndarray,
    size: np.ndarray,
    cells: tuple[np.ndarray, np.ndarray, np.ndarray],
    debtors: pd.Series,
    portfolios: int,
) -> np.ndarray:
    """Mean of `value` (weighted by `size`) per cell: overall -> late band -> portfolio x late band -> cell,
    each mixed into the next.

    A cell counts as many debtors as it has; PRIOR_DEBTORS of the wider one are added. NaN values take no part.
    """
    known = ~np.isnan(value)
    portfolio, late, band = (part[known] for part in cells)
    person = pd.factorize(debtors[known])[0] if known.any() else np.zeros(0, dtype=np.int64)
    value, size = value[known], size[known]
    wide = (portfolios, len(LATE_NAMES), len(PLACED_NAMES))
    overall = float((value * size).sum() / size.sum()) if size.sum() > 0 else 0.5

    def mixed(keys: np.ndarray, count: int, wider: np.ndarray) -> np.ndarray:
        total = np.bincount(keys, weights=size, minlength=count)
        mean = np.bincount(keys, weights=value * size, minlength=count) / np.where(total > 0, total, 1.0)
        pairs = np.unique(keys * np.int64(person.max(initial=0) + 1) + person)
        counted = np.bincount(pairs // np.int64(person.max(initial=0) + 1), minlength=count).astype(np.float64)
        return (counted * mean + PRIOR_DEBTORS * wider) / (counted + PRIOR_DEBTORS)

    late_rates = mixed(late, wide[1], np.full(wide[1], overall))
    bands = mixed(late * wide[2] + band, wide[1] * wide[2], np.repeat(late_rates, wide[2])).reshape(wide[1:])
    by_late = mixed(portfolio * wide[1] + late, wide[0] * wide[1], np.tile(late_rates, wide[0])).reshape(wide[:2])
    # A narrow cell leans on its portfolio x late band, moved by what the placement band does in
    # that late band everywhere.
    lean = np.clip(by_late[:, :, None] * (bands / np.maximum(late_rates[:, None], 1e-9))[None], 1e-6, 1 - 1e-6)
    keys = (portfolio * wide[1] + late) * wide[2] + band
    table = mixed(keys, int(np.prod(wide)), lean.ravel()).reshape(wide)
    table[0] = bands
    return np.clip(table, 1e-6, 1 - 1e-6)


def _logit(rate: np.ndarray | float) -> np.ndarray:
    rate = np.clip(rate, 1e-9, 1 - 1e-9)
    return np.log(rate / (1 - rate))
