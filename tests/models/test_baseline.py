"""The age-band table, plain orders and the scorecard: what scores where no booster can,
and what a model has to beat.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from features.tables import NO_DAY
from models.baseline import LATE_NAMES, AgeBandTable, Scorecard, late_band, placement_band, plain_orders
from models.recovery import load_model
from pipeline.store.files import write_model
from tests.worlds.panels import SCALE


def test_age_bands_at_their_edges():
    assert [LATE_NAMES[place] for place in late_band(np.array([0, 1, 30, 31, 60, 61, 90, 91, 180, 181, 365, 366]))] == [
        "0", "1-30", "1-30", "31-60", "31-60", "61-90", "61-90", "91-180", "91-180", "181-365", "181-365", "366+",
    ]  # fmt: skip
    cohort = pd.DataFrame({"as_of": [100] * 4, "placed_on": [NO_DAY, 100, 93, 92]})
    assert placement_band(cohort).tolist() == [0, 1, 1, 2]


def test_the_age_band_table_finds_the_rates_of_large_cells_and_leans_in_small_ones(panel):
    table = AgeBandTable.fit(panel.labels, panel.cohort, SCALE, default_dpd=90, horizon_days=30)
    scores = table.predict(panel.matrix, panel.cohort)
    held = pd.DataFrame({"book": panel.cohort["portfolio"], "bucket": late_band(panel.cohort["days_past_due"])})
    held["rate"], held["p"] = panel.labels["recovered"], scores["p_recovered"]
    for _, rows in held.groupby(["book", "bucket"]):
        if len(rows) > 1_000:
            assert rows["p"].mean() == pytest.approx(rows["rate"].mean(), abs=0.02)
    lonely = AgeBandTable.fit(panel.labels[:1], panel.cohort[:1], SCALE, default_dpd=90, horizon_days=30)
    assert lonely.predict(panel.matrix, panel.cohort)["p_recovered"].between(0, 1).all()


def test_the_age_band_table_is_named_and_survives_its_folder(panel, tmp_path):
    table = AgeBandTable.fit(panel.labels, panel.cohort, SCALE, default_dpd=90, horizon_days=30)
    sha256 = write_model(tmp_path / "table", table.files())
    again = load_model(tmp_path / "table", sha256)
    assert table.version == again.version == f"age-band-{sha256[:8]}"
    assert_frame_equal(
        again.predict(panel.matrix, panel.cohort), table.predict(panel.matrix, panel.cohort), check_exact=True
    )
    assert list((tmp_path / "table").iterdir()) == [tmp_path / "table" / "card.json"]
    other = panel.cohort.assign(portfolio="new_book")
    assert table.predict(panel.matrix, other)["p_recovered"].notna().all()


def test_without_any_label_a_documented_prior_scores(panel):
    table = AgeBandTable.prior(default_dpd=90, horizon_days=30)
    scores = table.predict(panel.matrix, panel.cohort)
    assert table.version == "age-band-prior"
    assert scores["p_defaulted"].isna().all()
    fresh, old = (
        scores["p_recovered"][(panel.cohort["days_past_due"] == late).to_numpy()].mean() for late in (20, 200)
    )
    assert fresh > old > 0
    assert digest_of_saved(table) == digest_of_saved(AgeBandTable.prior(default_dpd=90, horizon_days=30))


def digest_of_saved(table: AgeBandTable) -> bytes:
    return table.files()["card.json"]


def test_contributions_of_the_table_add_up(panel):
    table = AgeBandTable.fit(panel.labels, panel.cohort, SCALE, default_dpd=90, horizon_days=30)
    found, base = table.contributions(panel.matrix, panel.cohort)
    np.testing.assert_allclose(found.sum(axis=1) + base, table.raw(panel.matrix, panel.cohort), atol=1e-12)


def test_plain_orders_put_first_what_their_names_say():
    cohort = pd.DataFrame(
        {
            "balance": [10, 30, 20],
            "days_past_due": [5, 1, 9],
            "placed_on": [100, NO_DAY, 120],
            "opened_on": [50, 60, 70],
            "as_of": [130] * 3,
        }
    )
    orders = plain_orders(cohort, np.ones(3))
    assert {name: int(np.argmax(order)) for name, order in orders.items()} == {
        "balance first": 1, "oldest first": 2, "newest placement first": 2,
    }  # fmt: skip
    assert np.argmin(orders["newest placement first"]) == 1  # never placed comes last


def test_the_scorecard_ranks_and_takes_missing_values(panel, model):
    numbers = model.encoder.encode(panel.matrix, panel.cohort)
    outcome = panel.labels["recovered"].to_numpy()
    card = Scorecard.fit(numbers, model.encoder.names, outcome, np.ones(len(outcome)))
    chance = card.probability(numbers, model.encoder.names)
    assert np.isfinite(chance).all()
    assert abs(chance.mean() - outcome.mean()) < 0.01
    assert chance[outcome == 1].mean() > chance[outcome == 0].mean() + 0.05
