"""How much of a balance comes in where something does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from models.amount import LOG, MEAN_SHARE, AmountHead
from models.recovery import RecoveryModel
from tests.worlds.panels import SCALE, teaching
from tests.worlds.taught import LAST_FIT, taught


def test_mean_share_adds_up_to_the_money(panel):
    model = RecoveryModel.fit(panel.matrix, taught(panel), panel.cohort, teaching())
    head = replace(model.amount, kind=MEAN_SHARE, factor=1.0)
    rows = (panel.cohort["as_of"] <= LAST_FIT).to_numpy() & (panel.labels["recovered"] == 1).to_numpy()
    share = head.share(np.zeros((int(rows.sum()), 0)), panel.cohort["portfolio"][rows])
    unit = SCALE.per_minor(panel.cohort["currency"])[rows]
    predicted = (share * panel.cohort["balance"][rows] * unit).sum()
    assert predicted / (panel.labels["recovered_amount"][rows] * unit).sum() == pytest.approx(1, abs=0.02)


def test_an_unnamed_portfolio_reads_the_overall_share():
    head = AmountHead(MEAN_SHARE, {"": 0.4, "known": 0.9}, None)
    assert head.share(np.zeros((2, 0)), pd.Series(["known", "other"])).tolist() == [0.9, 0.4]


def test_every_way_of_the_amount_is_tried_and_reported(model):
    assert set(model.amount_choice["trial"]) == {MEAN_SHARE, "gamma", "tweedie", LOG}
    assert all(0 < entry["captured"] <= 1 for entry in model.amount_choice["trial"].values())
