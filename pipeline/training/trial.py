"""One training under trial: the panel, the nights taught on and judged on, the model taught on the former and judged on the latter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd

from features.errors import InputMissing
from models.lesson import Lesson, Teaching
from models.recovery import AnyModel, RecoveryModel
from models.split import TimeSplit, split_by_time
from pipeline.panel.panel import Panel
from pipeline.params import Params


@dataclass(frozen=True)
class Windows:
    """The headline split of recovery, and that of default with its longer gap; None where history is too short for the latter."""

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
    lesson     what it was taught on, encoded and binned: no small part of memory; None for the age-band table, or when no longer needed
    teaching   the way it was taught, for all that is taught again in the same way
    """

    panel: Panel
    windows: Windows
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


def windows_of(panel: Panel, params: Params) -> Windows:
    recovered, defaulted = (panel.labels[name].notna().to_numpy() for name in ("recovered", "defaulted"))
    split = split_by_time(panel.cohort, params.split, params.label, recovered)
    try:
        later = split_by_time(panel.cohort, params.split, params.label, defaulted, gap_days=params.label.default_gap_days)
    except InputMissing:  # the head is left out and the report says so; recovery has history enough
        later = None
    return Windows(split, later)
