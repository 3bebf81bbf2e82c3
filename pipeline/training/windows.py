"""The nights a run teaches on and judges on: the headline split of recovery, and that of default with its longer gap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from features.errors import InputMissing
from models.split import TimeSplit, split_by_time
from pipeline.params import Params

if TYPE_CHECKING:
    from pipeline.panel.dataset import Panel


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


def windows_of(panel: Panel, params: Params) -> Windows:
    recovered, defaulted = (panel.labels[name].notna().to_numpy() for name in ("recovered", "defaulted"))
    split = split_by_time(panel.cohort, params.split, params.label, recovered)
    try:
        later = split_by_time(panel.cohort, params.split, params.label, defaulted, gap_days=params.label.default_gap_days)
    except InputMissing:  # the head is left out and the report says so; recovery has history enough
        later = None
    return Windows(split, later)
