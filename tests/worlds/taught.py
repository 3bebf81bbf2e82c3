"""Which nights of a made-up panel teach, and which come later."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.worlds.panels import FIRST_NIGHT

LAST_FIT, FIRST_TEST = FIRST_NIGHT + 390, FIRST_NIGHT + 450


def taught(panel) -> pd.DataFrame:
    labels = panel.labels.copy()
    labels[(panel.cohort["as_of"] > LAST_FIT).to_numpy()] = np.nan
    return labels
