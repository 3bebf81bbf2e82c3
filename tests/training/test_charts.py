"""Pictures that shap draws: the same bytes every time, no account's own row, names as text, nothing left behind."""

from __future__ import annotations

import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from pipeline.training import charts

PULLS = pd.DataFrame({"feature": ["days_past_due", "$x_{1}$ = y", "(base)"], "contribution": [-0.6, 0.25, -1.0]})


def points(rows: int = 30) -> pd.DataFrame:
    """Two columns, the second missing in half of the rows."""
    first = pd.DataFrame(
        {"feature": "balance", "effect": [-0.2, 0.1], "value": [1 / 6, 5 / 6], "rows": [rows - 10, 10]}
    )
    half = rows // 2
    second = pd.DataFrame(
        {"feature": "$plan$", "effect": [0.0, 0.05], "value": [None, 0.5], "rows": [half, rows - half]}
    )
    return pd.concat([first, second], ignore_index=True)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: charts.swarm(points(), 0.01),
        lambda: charts.swarm(points(5_000), 0.01),
        lambda: charts.waterfall(PULLS, "average account", "listed", "pulls"),
    ],
)
def test_a_picture_is_the_same_bytes_and_leaves_nothing_behind(draw):
    np.random.seed(7)  # noqa: NPY002  what a user's own draws are to be after a picture
    before, shown = np.random.get_state()[1].tolist(), plt.get_fignums()  # noqa: NPY002
    first = draw()
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    np.random.seed(8)  # noqa: NPY002
    assert draw() == first
    assert plt.get_fignums() == shown
    assert first.startswith("<div")
    assert "<svg" in first
    assert "<script" not in first


def test_a_swarm_has_a_dot_for_each_row_up_to_the_most():
    few = charts.swarm(points(30), 0.01)
    assert len(re.findall(r"<use [^>]*y=", few)) >= 2 * 30
    assert ">balance<" in few
    assert ">$plan$<" in few
    effect, _ = charts._dots(points(5_000).query("feature == 'balance'"), 0.01, 900)
    assert len(effect) == 900


def test_the_dots_of_a_swarm_stand_for_its_rows():
    effect, value = charts._dots(points(5_000).query("feature == 'balance'"), 0.01, 500)
    assert (np.abs(effect[value < 0.5] + 0.2) <= 0.005 + 1e-9).all()
    assert (value > 0.5).sum() == 1  # for 10 rows of 5,000
    _, missing = charts._dots(points(5_000).query("feature == '$plan$'"), 0.01, 500)
    assert np.isnan(missing).mean() == 0.5


def test_a_waterfall_begins_at_the_base_and_ends_at_the_score():
    drawn = charts.waterfall(PULLS, "average account", "this account", "pulls")
    assert "average account: -1.00 log-odds" in drawn
    assert "this account: -1.35" in drawn
    assert "$x_{1}$ = y" in drawn
    assert "E[f(X)]" not in drawn


def test_a_waterfall_with_values_is_written_whole_and_the_same(tmp_path):
    told = PULLS.assign(value=["120", "missing", ""])
    for name in ("first", "again"):
        charts.draw_waterfall(told, "average account", "this account", "Account $A$", tmp_path / f"{name}.png")
    first, again = (tmp_path / f"{name}.png" for name in ("first", "again"))
    assert first.read_bytes() == again.read_bytes()
    assert first.read_bytes().startswith(b"\x89PNG")
    charts.draw_waterfall(PULLS, "average account", "this account", "Account $A$", again)
    assert first.read_bytes() != again.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.png", "first.png"]
