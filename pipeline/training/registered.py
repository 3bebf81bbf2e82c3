"""The released model as MLflow loads it: whole, with encoder, heads and calibration. It scores a frame of features as a
night does, to the bit; MLflow needs recoup installed where it loads it.

    model = mlflow.pyfunc.load_model("models:/recoup@champion")
    model.predict(frame)       # `recoup features` wrote it; with a column `currency` beside the features
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from features.errors import ContractError
from models.recovery import SCORE_COLUMNS, RecoveryModel, load_model

FACTS = ("portfolio", "currency", "balance", "days_past_due")  # what scoring reads of an account beside its features
THETA = "theta"


class Registered:
    """What MLflow asks to predict."""

    def __init__(self, model: RecoveryModel) -> None:
        self.model = model

    def predict(self, frame: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """p_recovered, amount_if_recovered and expected_recovery (minor units), p_defaulted, and theta where the model
        was taught what work adds; a row for each of the frame's. Columns nobody asks for are left alone.

        Raises ContractError where a column is missing or of another type, or a currency has no rate.
        """
        wanted = [*self.model.columns, *(name for name in FACTS if name not in self.model.columns)]
        if missing := [name for name in wanted if name not in frame]:
            raise ContractError.missing_columns("features", missing, list(frame.columns))
        scores, theta = self.model.predict_with_theta(frame[list(self.model.columns)], frame[list(FACTS)])
        return scores if theta is None else scores.assign(**{THETA: theta})


def columns_of(model: RecoveryModel) -> tuple[dict[str, str], list[str]]:
    """Column -> double or any (a class: text or category), of what `predict` asks for; names of what it answers."""
    classes = set(model.encoder.rates)
    asked = {name: "any" if name in classes else "double" for name in model.columns}
    for name in FACTS:
        asked.setdefault(name, "any" if name in ("portfolio", "currency") else "double")
    return asked, [*SCORE_COLUMNS, *([] if model.effect is None else [THETA])]


def _load_pyfunc(folder: str, terms: Mapping[str, Any]) -> Registered:
    """By MLflow, with the sha256 of the folder as it was released. ModelRefused where it is another."""
    model = load_model(Path(folder), terms["sha256"])
    assert isinstance(model, RecoveryModel)
    return Registered(model)
