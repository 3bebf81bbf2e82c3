"""What speaks for the learnt effect: figures by hand, and a planted effect seen in the log."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from models.calibration import expit
from models.effect import PLAIN_GUARD
from models.effect_evidence import AddedMoney, LogEvidence, effect_by_fifth, log_evidence, robustness
from models.ladder import Z95
from models.lesson import Lesson
from tests.worlds.panels import made_panel, teaching
from tests.worlds.worked import worked_panel

PLANTED = 1.5


@pytest.fixture(scope="module")
def panel():
    return made_panel(1200)


@pytest.fixture(scope="module")
def seen(panel) -> LogEvidence:
    lesson = Lesson.of(panel.matrix, panel.labels.assign(defaulted=np.nan), panel.cohort, teaching())
    found = log_evidence(lesson, worked_panel(panel, PLANTED).landmarks, teaching())
    assert found is not None
    return found


# The log


@pytest.mark.slow
def test_a_planted_effect_shows_out_of_fold_and_takes_a_large_hidden_cause_to_explain(seen):
    slope, low, high = seen.slope
    assert 0 < low < slope < high
    assert_allclose([slope - low, high - slope], [(high - low) / 2] * 2)
    assert 0 < seen.hidden_unsure < seen.hidden_zero < 1


@pytest.mark.slow
def test_who_is_late_is_worked_more_and_pays_less_which_the_plain_difference_takes_for_an_effect(panel, seen):
    """The world's own mean of paying if worked less paying if left, which the doubly robust average must hold."""
    world = worked_panel(panel, PLANTED)
    level = np.log(panel.truth["p_recovered"] / (1 - panel.truth["p_recovered"])).to_numpy()
    true = float((expit(level + world.theta / 2) - expit(level - world.theta / 2)).mean())
    assert seen.robust[1] < true < seen.robust[2]
    assert seen.plain[0] < seen.robust[0]


@pytest.mark.slow
def test_the_overlap_counts_every_row_once_between_edges_that_meet(seen):
    overlap = seen.overlap
    assert (overlap["chance_from"].to_numpy()[1:] == overlap["chance_to"].to_numpy()[:-1]).all()
    assert overlap["rows"].sum() > 1_000
    full = overlap[overlap["rows"] > 200]
    assert len(full) > 1
    assert full["worked"].is_monotonic_increasing
    assert seen.facts()["overlap"]["rows"] == overlap["rows"].tolist()
    assert seen.facts()["slope"] == list(seen.slope)


@pytest.mark.parametrize(("t", "freedom"), [(2.0, 100), (-2.0, 100), (8.0, 50), (0.5, 10_000)])
def test_a_hidden_cause_of_that_strength_takes_exactly_the_estimate_away(t, freedom):
    """With partial R2 of both r, the bias over the error is sqrt(freedom r^2 / (1 - r))."""
    share = robustness(t, freedom)
    assert np.sqrt(freedom * share**2 / (1 - share)) == pytest.approx(abs(t))
    assert robustness(0.0, freedom) == 0


# The draws


def arms(rows: int = 10) -> pd.DataFrame:
    """Two debtors a fifth, one worked and one left by heads or tails; from the third fifth on the worked one pays."""
    place = np.arange(rows)
    worked = (place % 2 == 0).astype(float)
    return pd.DataFrame(
        {
            "p_recovered": 0.5,
            "worked": worked,
            "probability": 0.5,
            "theta": place // 2 * 0.5,
            "recovered": np.where(place < 4, 0.0, worked),
            "debtor_id": [f"d{number}" for number in place],
        }
    )


def test_fifths_of_the_foretold_effect_show_what_the_draw_says():
    table = effect_by_fifth(arms(), PLAIN_GUARD, true=np.arange(10) / 100)
    assert table["fifth"].tolist() == [1, 2, 3, 4, 5]
    assert table["draws"].tolist() == [2] * 5
    assert table["foretold"].is_monotonic_increasing
    # worked less left: (recovered - 0.5) / 0.5 of the one, less the same of the other, over two rows
    assert_allclose(table["drawn"], [0, 0, 1, 1, 1])
    assert_allclose(table["true"], [0.005, 0.025, 0.045, 0.065, 0.085])
    wide = table["drawn_high"] - table["drawn_low"]
    # the two of a fifth lie 1 below and 1 above 0 where nobody pays, and both at 1 where the worked one does
    assert_allclose(wide, [2 * Z95 * np.sqrt(2) / 2] * 2 + [0] * 3, atol=1e-12)


def test_fewer_draws_than_fifths_leave_the_others_out_and_no_truth_no_column():
    table = effect_by_fifth(arms(4).iloc[:2], PLAIN_GUARD)
    assert table["draws"].sum() == 2
    assert len(table) == 2
    assert "true" not in table


# The money


def test_added_money_of_an_order_is_its_share_of_the_best_possible():
    added = np.repeat([4.0, 3.0, 2.0, 1.0], 10)
    places = pd.DataFrame({"debtor_id": np.arange(40), "as_of": 1, "queue": "q"})
    orders = {"best": added, "worst": -added, "same": np.zeros(40)}
    found = AddedMoney.of(orders, added, places, (1.0, 0.5), draws=200, seed=5)
    assert found.capacities == (0.5, 1.0)
    shares = found.shares().set_index(["order", "capacity"])
    assert_allclose(shares.loc[("best", 0.5), ["share", "low", "high"]].tolist(), [1, 1, 1])
    assert shares.loc[("worst", 0.5), "share"] == pytest.approx(3 / 7)
    assert shares.loc[("same", 0.5), "share"] == pytest.approx(5 / 7)  # those tied share the places
    assert_allclose(shares.xs(1.0, level="capacity")["share"], 1)
    lead = found.lead("best", "worst").set_index("capacity")
    assert lead.loc[0.5, "lead"] == pytest.approx(4 / 7)
    assert lead.loc[0.5, "low"] < 4 / 7 < lead.loc[0.5, "high"]
    assert lead.loc[1.0, "lead"] == pytest.approx(0)


def test_each_night_and_queue_has_its_own_places():
    added = np.array([4.0, 3.0, 2.0, 1.0])
    places = pd.DataFrame({"debtor_id": list("abcd"), "as_of": [1, 1, 2, 2], "queue": "q"})
    by_night = AddedMoney.of({"best": added}, added, places, (0.5,), draws=50, seed=5)
    assert by_night.best[0, 0] == pytest.approx(4 + 2)
    by_queue = AddedMoney.of(
        {"best": added}, added, places.assign(as_of=1, queue=list("xyxy")), (0.5,), draws=50, seed=5
    )
    assert by_queue.best[0, 0] == pytest.approx(4 + 3)
