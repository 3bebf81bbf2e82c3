"""Worlds in which contact does nothing, or one thing to everybody: exactly so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipeline.simulate.portfolio import Nature
from pipeline.simulate.uniform import LOG_ODDS
from tests.worlds.markets import MOVED, by_the_coin, log_odds, market, misses

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def null() -> pd.DataFrame:
    return market(5_000, 41, Nature(slice=1.0, effect="none"))


@pytest.fixture(scope="module")
def alike() -> pd.DataFrame:
    return market(5_000, 42, Nature(slice=0.5, effect="uniform"))


def test_where_contact_does_nothing_not_a_cent_is_added(null):
    assert len(null) > 40_000
    for kind in ("if_contacted", "if_left"):
        assert (null["chance"] == null[kind]).all()
        assert (null["amount_chance"] == null[f"amount_{kind}"]).all()
    thrown = by_the_coin(null)
    assert misses(thrown, "said", thrown["heads"]).abs().max() < 3.5
    assert misses(thrown, "said", thrown["type"]).abs().max() < 3.5


def test_where_contact_does_nothing_the_next_month_knows_nothing_of_it_either(null):
    """Plans, broken promises and disputes leave no trace: who was worked and who was left stand alike a month later."""
    rows = null.sort_values(["account", "night"])
    rows["before"] = rows.groupby("account")["heads"].shift().where(rows.groupby("account")["night"].diff() == 1)
    rows = rows[(rows["drawable"] == 1) & (rows["before"] >= 0)]
    later = rows.groupby("before")["if_left"].agg(["mean", "var", "size"])
    assert later["size"].min() > 10_000
    assert abs(later["mean"].diff().iloc[1]) < 3.5 * np.sqrt((later["var"] / later["size"]).sum())


def test_one_effect_is_the_same_for_every_account_that_can_be_worked(alike):
    moved = alike[alike["if_contacted"] != alike["if_left"]]
    assert set(moved["type"]) == set(alike["type"])
    gain = log_odds(moved["if_contacted"]) - log_odds(moved["if_left"])
    assert np.abs(gain - LOG_ODDS).max() < 1e-4  # the truth is kept as float32
    drawable = alike[alike["drawable"] == 1]
    assert len(drawable) > 20_000
    assert (drawable["if_contacted"] > drawable["if_left"]).all()
    thrown = by_the_coin(alike)
    for groups in (thrown["heads"], thrown["type"], pd.qcut(thrown["said"], 8, labels=False)):
        assert misses(thrown, "said", groups).abs().max() < 3.5
    free = drawable[drawable["heads"] < 0]
    assert misses(free, "chance", free["type"]).abs().max() < 3.5


def test_a_natural_world_would_be_told_from_both():
    rows = market(400, 43)
    worked = rows[rows["drawable"] == 1]
    gain = log_odds(worked["if_contacted"]) - log_odds(worked["if_left"])
    assert gain.max() > 1
    assert gain.min() < -0.2
    assert (gain[~worked["type"].isin(MOVED)] == 0).all()
