"""Promises of those who pay anyway, where they are meant: the truth stays exact, nobody else is touched, and what came
of them tells less of who pays anyway.
"""

from __future__ import annotations

import pytest

from benchmarks.effect import ANYWAY, MOVED, giveaway
from pipeline.simulate.portfolio import USUAL, Nature
from tests.worlds.markets import market, misses

pytestmark = pytest.mark.slow

MEANT = Nature(meant=True)
SINGLE = ["debtor", "account", "night", "type", "chance", "if_contacted", "if_left", "paid", "touched"]


def test_the_truth_of_those_who_mean_their_promises_is_borne_out_and_all_others_live_as_before():
    usual, meant = (market(2_500, 6001, nature) for nature in (USUAL, MEANT))
    rows = meant[(meant["type"] == ANYWAY) & (meant["drawable"] == 1)]
    assert len(rows) > 3_000
    assert misses(rows, "if_left", rows["touched"].astype(str)).abs().max() < 3.5
    assert (rows["if_left"] == rows["if_contacted"]).all()
    others = [table[table["type"] != ANYWAY][SINGLE].reset_index(drop=True) for table in (usual, meant)]
    assert others[0].equals(others[1])


def test_meant_promises_tell_less_of_who_pays_anyway_and_are_kept_as_often_as_those_of_the_moved():
    usual, meant = (giveaway(5_000, 6001, nature) for nature in (USUAL, MEANT))
    assert usual["area"] > 0.75  # the canary: in the usual world they give it away
    assert meant["area"] < usual["area"] - 0.08
    assert abs(meant[ANYWAY] - meant[MOVED]) < 0.1 < abs(usual[ANYWAY] - usual[MOVED])
