"""The measured curve of fatigue against the one that is true of a made-up book, within its intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.fatigue import BY, curves, odds, stratum_of, waits
from pipeline.simulate.reminded import NO_EFFECT, live

pytestmark = pytest.mark.slow

SEEDS = (31, 32, 33, 34)


def rows_of(seed: int, **world: float) -> pd.DataFrame:
    days = live(3000, seed, months=12, **world).days
    return days.assign(stratum=stratum_of(days["days_past_due"].to_numpy()))


@pytest.fixture(scope="module")
def measured() -> list[pd.DataFrame]:
    """Per world and way of looking: the curve measured from who paid, with the true one from the chances of paying."""
    found = []
    for seed in SEEDS:
        rows = rows_of(seed)
        for by in BY:
            table = odds(rows, "pays", by, seed)
            true = odds(rows, "chance", by, seed)["log_odds"]
            found.append(table.assign(true=true.to_numpy(), by=by, seed=seed))
    return found


def test_the_measured_curve_recovers_the_simulated_one_within_its_interval(measured):
    whole = pd.concat(measured).dropna()
    assert len(whole) >= 35
    held = (whole["low"] <= whole["true"]) & (whole["true"] <= whole["high"])
    assert held.mean() >= 0.85
    assert (whole["high"] - whole["low"]).median() < 0.6


def test_the_first_message_does_most_and_what_it_does_is_gone_within_days(measured):
    for table in measured:
        if table["by"].iloc[0] == "number":
            assert table["low"].iloc[0] > 0
            assert table["log_odds"].iloc[0] > table["log_odds"].iloc[1:].max() + 0.05
        if table["by"].iloc[0] == "age":
            assert table["log_odds"].iloc[0] > table["log_odds"].iloc[-1]


def test_in_a_world_without_effect_nothing_is_found():
    rows = rows_of(41, **NO_EFFECT)
    table = odds(rows, "pays", "number", 1)
    assert ((table["low"] < 0) & (table["high"] > 0)).all()


def test_days_are_compared_with_days_of_the_same_lateness():
    """Late in a debt everything is rarer: a message that only goes out late must not look as if it did harm."""
    draw = np.random.default_rng(2)
    size = 60_000
    late = draw.integers(1, 60, size)
    age = np.where(draw.random(size) < late / 60, 0, -1)
    rows = pd.DataFrame(
        {
            "debtor": draw.integers(0, 3000, size),
            "stratum": stratum_of(late),
            "age": age,
            "number": 1,
            "spacing": -1,
            "pays": (draw.random(size) < 0.2 / np.sqrt(late)).astype(float),
        }
    )
    table = odds(rows, "pays", "number", 1)
    assert table["low"].iloc[0] < 0 < table["high"].iloc[0]
    crude = rows[rows["age"] == 0]["pays"].mean() / rows[rows["age"] < 0]["pays"].mean()
    assert crude < 0.85


def test_a_class_that_nothing_tells_of_has_no_figure():
    rows = rows_of(42).head(400)
    table = odds(rows, "pays", "number", 1)
    assert table.loc[table["events"] == 0, "log_odds"].isna().all()


@pytest.mark.parametrize(
    ("low", "high", "days"),
    [([-0.3, 0.1, 0.2], [0.0, 0.4, 0.5], 4), ([-0.3, -0.2, 0.3], [0.1, 0.2, 0.6], 8), ([-0.1] * 3, [0.2] * 3, 0)],
)
def test_one_waits_for_as_long_as_another_message_is_surely_worth_less(low, high, days):
    assert waits(pd.DataFrame({"low": low, "high": high})) == days


def test_curves_are_the_odds_of_both_outcomes_one_by_one():
    days = live(300, 43, months=6).days
    rows = days.assign(stratum=stratum_of(days["days_past_due"].to_numpy()))
    rows = rows.assign(answers=lambda own: (own["pays"].to_numpy()[::-1] > 0.5).astype(float))
    found = curves(rows, 3)
    for outcome in ("pays", "answers"):
        for by in BY:
            own = found[(found["outcome"] == outcome) & (found["by"] == by)].reset_index(drop=True)
            pd.testing.assert_frame_equal(own.drop(columns=["outcome", "by"]), odds(rows, outcome, by, 3))
