"""A made-up contact log on the made-up panel: who was worked hangs on the features, what it does on another,
and both are known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tests.worlds.panels import MadePanel


@dataclass(frozen=True)
class Worked:
    """landmarks: as models.landmarks gives them, every row teaching; theta: the true effect of each row, log-odds."""

    landmarks: pd.DataFrame
    theta: np.ndarray


def worked_panel(panel: MadePanel, effect: float, seed: int = 3) -> Worked:
    """Late accounts are worked more often; work moves the log-odds by `effect` where a promise was made,
    else by nothing.
    """
    draw = np.random.default_rng(seed)
    late = panel.matrix["days_past_due"].to_numpy()
    worked = (draw.random(len(late)) < 1 / (1 + np.exp(-(np.log1p(late) - 3)))).astype(float)
    theta = effect * (panel.matrix["promises_made_365d"].to_numpy() > 0)
    chance = panel.truth["p_recovered"].to_numpy()
    level = np.log(chance / (1 - chance)) + (worked - 0.5) * theta
    paid = (draw.random(len(late)) < 1 / (1 + np.exp(-level))).astype(float)
    return Worked(
        panel.cohort[["account_no", "as_of"]].assign(worked=worked, paid=paid, promised=0.0, missing=""), theta
    )
