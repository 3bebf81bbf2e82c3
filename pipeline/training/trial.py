"""One training under trial: the panel, the nights taught on and judged on,
the model taught on the former and judged on the latter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd

from features.coverage import money_dropped
from features.errors import InputMissing, UsageError
from models.lesson import Lesson, Teaching
from models.recovery import AnyModel, RecoveryModel
from models.split import TimeSplit, split_by_time
from pipeline.panel.panel import Panel
from pipeline.params import Label, Params

MOST_DROPPED = 0.01  # of a currency's recovered money that the thresholds of the label may call not recovered


class ThresholdsTooHigh(UsageError):
    """The label's thresholds hide money that came in: what is hidden cannot be ranked by."""

    @classmethod
    def dropping(cls, shares: pd.Series, label: Label) -> ThresholdsTooHigh:
        """shares: currency -> share of the recovered money dropped."""
        told = ", ".join(f"{share:.1%} in {currency}" for currency, share in shares.items())
        return cls(
            f"label.min_amount {label.min_amount:g} and label.min_share {label.min_share:g} call money that was "
            "recovered not recovered "
            f"({told}); at most {MOST_DROPPED:.0%} may be. Lower them, or set both to 0."
        )


@dataclass(frozen=True)
class TrialWindows:
    """The headline split of recovery, and that of default with its longer gap;
    None where history is too short for the latter.
    """

    recovery: TimeSplit
    default: TimeSplit | None

    def fit_labels(self, labels: pd.DataFrame) -> pd.DataFrame:
        """Labels with NaN outside the fit window of each head."""
        kept = labels[["recovered", "recovered_amount", "defaulted"]].copy()
        kept.loc[~self.recovery.fit, ["recovered", "recovered_amount"]] = np.nan
        kept.loc[~self.default.fit if self.default else slice(None), "defaulted"] = np.nan
        return kept

    def facts(self) -> dict[str, Any]:
        return {"recovery": self.recovery.dates(), "default": self.default.dates() if self.default else None}


@dataclass(frozen=True)
class Trial:
    """What a run is made of, and all that its studies ask of it.

    panel      every labelled row
    windows    which of them were taught, which are judged
    model      taught on the fit nights alone
    lesson     what it was taught on, encoded and binned: no small part of memory; None for the age-band table, or when
               no longer needed
    teaching   the way it was taught, for all that is taught again in the same way
    """

    panel: Panel
    windows: TrialWindows
    model: AnyModel
    lesson: Lesson | None
    teaching: Teaching
    params: Params
    catalogue: Sequence[Any]

    @property
    def grown(self) -> RecoveryModel:
        """The model, for studies of what boosters alone have: they are not made of the age-band table."""
        return cast("RecoveryModel", self.model)

    def rows(self, chosen: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """Cohort, matrix and labels of some rows of the panel (bool), numbered anew."""
        cohort, matrix, labels = (
            frame[chosen].reset_index(drop=True) for frame in (self.panel.cohort, self.panel.matrix, self.panel.labels)
        )
        return cohort, matrix, labels

    def unit(self, cohort: pd.DataFrame) -> np.ndarray:
        """Reporting units per minor unit, row by row."""
        return self.teaching.money.per_minor(cohort["currency"])


def check_thresholds(panel: Panel, label: Label) -> None:
    """Raises ThresholdsTooHigh where min_amount or min_share drop more than MOST_DROPPED of
    the money recovered in a currency.
    """
    shares = money_dropped(panel.cohort, panel.labels)
    if (shares > MOST_DROPPED).any():
        raise ThresholdsTooHigh.dropping(shares[shares > MOST_DROPPED], label)


def windows_of(panel: Panel, params: Params) -> TrialWindows:
    recovered, defaulted = (panel.labels[name].notna().to_numpy() for name in ("recovered", "defaulted"))
    split = split_by_time(panel.cohort, params.split, params.label, recovered)
    try:
        later = split_by_time(
            panel.cohort, params.split, params.label, defaulted, gap_days=params.label.default_gap_days
        )
    except InputMissing:  # the head is left out and the report says so; recovery has history enough
        later = None
    return TrialWindows(split, later)
