"""The rows of one fit, put in order, encoded and binned once: every head,
seed and study that is taught on them shares these numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from features.errors import InputMissing
from models.amount import Recoveries
from models.boosting import FitWindow, row_weights
from models.encoding import Encoder
from models.money import MoneyScale

# Column -> how many values it can have. One that tells the night alone is withheld from a fit whose nights show under a
# quarter: nights of every other kind would be scored as one of those seen, whichever lies on their side of a cut. So is
# one that has fewer than NIGHTS_A_VALUE nights for each value seen:
# a value of one night or two tells what happened then, not what such nights are like.
CALENDAR_VALUES = {"month": 12, "day_of_month": 31, "weekday": 7, "days_to_month_end": 31}
NIGHTS_A_VALUE = 3


@dataclass(frozen=True)
class Teaching:
    """What a fit needs besides the rows: plain values of the params, the catalogue's columns, the scale of money.

    settings       LightGBM's own names, plus min_events, seeds and recency_half_life_days
    gap_days, default_gap_days   days until a label of recovery, of default is known
    default_dpd    days past due from which an account is in default and has no p_defaulted
    money_columns  columns in minor units; monotone: column -> -1, 0, +1 on p_recovered
    """

    settings: Mapping[str, Any]
    seed: int
    gap_days: int
    default_gap_days: int
    default_dpd: int
    money: MoneyScale
    money_columns: Sequence[str] = ()
    monotone: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Lesson:
    """Labelled rows by as_of and account_no.

    classes    class column -> its code in each row as a score reads it (in `window.numbers` a rare class is coded out
               of fold)
    recovered, defaulted   0, 1 or NaN where the row takes no part in that head
    withheld   column of CALENDAR_VALUES that the nights are too few to teach -> how many of its values they show; it
               reads 0 in every row
    """

    encoder: Encoder
    window: FitWindow
    classes: Mapping[str, np.ndarray]
    recovered: np.ndarray
    found: Recoveries
    defaulted: np.ndarray
    withheld: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, matrix: pd.DataFrame, labels: pd.DataFrame, cohort: pd.DataFrame, teaching: Teaching) -> Lesson:
        """The rows whose label is known; see `RecoveryModel.fit`.
        Raises InputMissing when recovery has one class only.
        """
        rows = rows_to_fit(labels, cohort)
        labels, cohort = (frame.iloc[rows].reset_index(drop=True) for frame in (labels, cohort))
        _two_classes(labels["recovered"].to_numpy(dtype=np.float64))
        recovered, defaulted = (labels[name].to_numpy(dtype=np.float64) for name in ("recovered", "defaulted"))
        encoder, numbers = Encoder.learn(
            matrix, cohort, recovered, teaching.money_columns, teaching.money, teaching.seed, rows=rows
        )
        withheld = withheld_of(numbers, encoder.names, cohort["as_of"].nunique())
        numbers[:, [encoder.names.index(name) for name in withheld]] = 0.0
        weight = row_weights(cohort, teaching.settings.get("recency_half_life_days"))
        window = FitWindow(numbers, cohort, weight, teaching.settings, teaching.seed, encoder.names)
        found = _recoveries(labels, cohort, teaching.money.per_minor(cohort["currency"]))
        return cls(encoder, window, encoder.classes(matrix, rows), recovered, found, defaulted, withheld)

    def without(self, columns: Sequence[str], teaching: Teaching) -> Lesson:
        """The same rows without some columns."""
        kept = [place for place, name in enumerate(self.encoder.names) if name not in set(columns)]
        encoder, whole = self.encoder.only(kept), self.window
        window = FitWindow(
            whole.numbers[:, kept], whole.cohort, whole.weight, teaching.settings, teaching.seed, encoder.names
        )
        classes = {name: code for name, code in self.classes.items() if name in encoder.names}
        return Lesson(encoder, window, classes, self.recovered, self.found, self.defaulted, self.withheld)

    @property
    def known(self) -> np.ndarray:
        """Rows that teach recovery."""
        return ~np.isnan(self.recovered)


def rows_to_fit(labels: pd.DataFrame, cohort: pd.DataFrame) -> np.ndarray:
    """Positions of the labelled rows by as_of and account_no."""
    rows = np.flatnonzero((labels["recovered"].notna() | labels["defaulted"].notna()).to_numpy())
    return rows[np.lexsort((cohort["account_no"].to_numpy()[rows], cohort["as_of"].to_numpy()[rows]))]


def fit_rows(
    matrix: pd.DataFrame, labels: pd.DataFrame, cohort: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The labelled rows by as_of and account_no: the order they came in changes no tree."""
    rows = rows_to_fit(labels, cohort)
    return tuple(frame.iloc[rows].reset_index(drop=True) for frame in (matrix, labels, cohort))


def withheld_of(numbers: np.ndarray, names: Sequence[str], nights: int) -> dict[str, int]:
    seen = {name: len(np.unique(numbers[:, names.index(name)])) for name in CALENDAR_VALUES if name in names}
    return {
        name: count
        for name, count in seen.items()
        if 4 * count < CALENDAR_VALUES[name] or nights < NIGHTS_A_VALUE * count
    }


def _two_classes(recovered: np.ndarray) -> None:
    if not ((recovered == 1).any() and (recovered == 0).any()):
        seen = "no mature label" if np.isnan(recovered).all() else "one outcome only"
        raise InputMissing(
            f"The fit window shows {seen}, so recovery cannot be taught. "
            "Deliver more history; the age-band table scores without it."
        )


def _recoveries(labels: pd.DataFrame, cohort: pd.DataFrame, unit: np.ndarray) -> Recoveries:
    amount = labels["recovered_amount"].to_numpy(dtype=np.float64)
    balance = cohort["balance"].to_numpy(dtype=np.float64)
    won = (labels["recovered"] == 1).to_numpy() & (amount > 0) & (balance > 0)
    share = np.where(won, np.minimum(amount / np.where(balance > 0, balance, 1.0), 1.0), np.nan)
    return Recoveries(share, np.where(won, amount, 0.0) * unit, balance * unit)
