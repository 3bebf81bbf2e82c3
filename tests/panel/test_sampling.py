"""Drawn debtors: whole, the same from night to night, unbiased; and what is lost with the others, counted.

Also of parts.py: matrices that lie on the disk until rows of them are asked for.
"""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from pipeline.panel import dataset
from pipeline.panel.panel import panel
from pipeline.panel.parts import Parts
from pipeline.panel.sampling import ALL, drawn, outcome_sums, sampled
from pipeline.panel.view import stacked
from pipeline.params import load
from pipeline.store.store import Store
from tests.worlds.houses import short_terms


def book(debtors: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of two portfolios; a debtor has one to six of them, of like outcome."""
    draw = np.random.default_rng(seed)
    many = draw.integers(1, 7, debtors)
    who = np.repeat(np.arange(debtors), many)
    inclined = draw.beta(1, 3, debtors)[who]
    paid = (draw.random(len(who)) < inclined).astype(float)
    cohort = pd.DataFrame({"debtor_id": pd.Series(who).map("D{}".format), "currency": "EUR"})
    cohort["portfolio"] = np.where(who % 3 == 0, "cards", "loans")
    paid[draw.random(len(who)) < 0.1] = np.nan
    outcomes = {
        "recovered": paid,
        "recovered_amount": paid * draw.integers(100, 9_000, len(who)),
        "defaulted": 1 - paid,
    }
    return cohort, pd.DataFrame(outcomes)


def test_what_is_lost_is_counted_by_hand():
    """Of D1's two rows one recovered, of D2's one row none, D3's row is not known yet; D1 is drawn."""
    cohort = pd.DataFrame({"debtor_id": ["D1", "D1", "D2", "D3"], "portfolio": "cards", "currency": "EUR"})
    labels = pd.DataFrame(
        {"recovered": [1.0, 0.0, 0.0, np.nan], "recovered_amount": [500.0, 0.0, 0.0, np.nan], "defaulted": np.nan}
    )
    found = sampled([outcome_sums(cohort, labels, np.array([True, True, False, False]))], 1, 0.5)
    row = found.of_all()
    assert (row["debtors"], row["debtors_whole"]) == (1, 2)
    assert (row["rows"], row["rows_whole"]) == (2, 3)
    assert (row["total"], row["total_whole"]) == (1, 1)
    assert row["mean_whole"] == pytest.approx(1 / 3)
    # residuals 1 - 2/3 and 0 - 1/3 of two debtors: root of (2 x 1/9 x 2 / 1) over 3 rows
    assert row["error_whole"] == pytest.approx(np.sqrt(2 / 9 * 2) / 3)
    assert np.isnan(row["error"])  # of one debtor nothing can be said
    money = found.lost[found.lost["outcome"] == "recovered_amount"].iloc[0]
    assert (money["portfolio"], money["total"], money["total_whole"]) == ("cards", 500, 500)
    assert "1 of 2 debtors, 2 of 3 rows, 1 of 1 that recovered, 0 of 0 that defaulted" in found.sentence()
    assert found.sentence().endswith("Too few outcomes are known to say how much wider intervals are.")
    assert found.facts()["recovered"]["wider"] is None


def test_shards_add_up_and_a_book_of_whom_nobody_is_drawn_stands_with_nothing():
    cohort, labels = book(400, 1)
    kept = drawn(cohort["debtor_id"], {}, 1, 0.3) & (cohort["portfolio"] == "cards").to_numpy()
    whole = sampled([outcome_sums(cohort, labels, kept)], 120, 0.3).lost
    half = cohort["debtor_id"].str[1:].astype(int).to_numpy() % 2 == 0
    parts = [outcome_sums(cohort[rows], labels[rows], kept[rows]) for rows in (half, ~half)]
    pd.testing.assert_frame_equal(sampled(parts, 120, 0.3).lost, whole)
    loans = whole[whole["portfolio"] == "loans"]
    assert len(loans) == 3
    assert (loans[["debtors", "rows", "total"]] == 0).all(axis=None)
    assert (loans["rows_whole"] > 0).all()


def test_a_debtor_is_drawn_whole_and_stays_drawn_whatever_else_comes_into_the_book():
    cohort, _ = book(3_000, 2)
    kept = drawn(cohort["debtor_id"], {}, 7, 0.2)
    assert pd.Series(kept).groupby(cohort["debtor_id"].to_numpy()).nunique().eq(1).all()
    later = pd.concat([cohort[::-1], cohort.assign(debtor_id="new" + cohort["debtor_id"])], ignore_index=True)
    again = drawn(later["debtor_id"], {}, 7, 0.2)
    assert set(later["debtor_id"][again]) & set(cohort["debtor_id"]) == set(cohort["debtor_id"][kept])
    fewer = drawn(cohort["debtor_id"], {}, 7, 0.1)  # as where a book has twice the debtors
    assert (kept | ~fewer).all()
    assert fewer.sum() < 0.7 * kept.sum()
    joined = drawn(pd.Series(["D1", "other"]), {"D1": "person", "other": "person"}, 7, 0.5)
    assert joined[0] == joined[1]


def test_the_rate_of_samples_is_that_of_all_and_as_unsure_as_said():
    """A hundred samples of a tenth: on average no bias, and a spread of the standard error told, less what a tenth
    of all debtors is surer of than as many of an endless book.
    """
    cohort, labels = book(2_000, 3)
    off, wider = [], []
    for seed in range(1_000, 1_100):
        row = sampled([outcome_sums(cohort, labels, drawn(cohort["debtor_id"], {}, seed, 0.1))], 200, 0.1).of_all()
        off.append((row["mean"] - row["mean_whole"]) / row["error"])
        wider.append(row["wider"])
    assert abs(np.mean(off)) < 3 / np.sqrt(100)
    assert 0.8 < np.std(off) / np.sqrt(0.9) < 1.2
    assert np.mean(wider) == pytest.approx(np.sqrt(10), rel=0.05)


def test_rows_of_matrices_on_the_disk_are_those_of_one_frame(tmp_path):
    draw, parts, frames = np.random.default_rng(4), Parts(tmp_path), []
    for rows, classes in ((5, ["a", "b"]), (0, ["a"]), (7, ["c"])):
        numbers = draw.normal(size=(rows, 3))
        numbers[draw.random((rows, 3)) < 0.3] = np.nan
        frame = pd.DataFrame(numbers, columns=["one", "two", "four"])
        frame.insert(2, "three", pd.Categorical(draw.choice(classes, rows), categories=classes))
        frames.append(frame)
        parts.add(frame)
    whole = stacked(frames)
    assert len(parts) == 12
    for places in (np.arange(12), np.array([11, 0, 4, 5, 4]), np.arange(0)):
        pd.testing.assert_frame_equal(parts.rows(places), whole.iloc[places].reset_index(drop=True))


def test_the_matrix_of_all_rows_is_laid_out_with_one_shard_beside_it(tmp_path):
    parts, rows, columns, shards = Parts(tmp_path), 2_000, 60, 8
    for shard in range(shards):
        block = np.full((rows, columns), float(shard))
        parts.add(pd.DataFrame(block, columns=[f"c{place}" for place in range(columns)]))
    order = np.random.default_rng(5).permutation(rows * shards)
    tracemalloc.start()
    whole = parts.rows(order)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    one = rows * shards * columns * 8
    assert peak < 1.5 * one  # laid end to end and then put in order it would be more than 2
    assert (whole["c59"].to_numpy() == order // rows).all()


@pytest.mark.slow
def test_a_dataset_is_written_night_by_night_and_no_frame_of_all_rows_is_made(three_nights, tmp_path, monkeypatch):
    asked, honest = [], Parts.rows
    monkeypatch.setattr(Parts, "rows", lambda self, places: asked.append(len(places)) or honest(self, places))
    params = load(short_terms(tmp_path))
    params = params.model_copy(update={"split": params.split.model_copy(update={"test_days": 20})})
    dataset.write_panel(three_nights / "store", tmp_path / "panel.parquet", params)
    written = pd.read_parquet(tmp_path / "panel.parquet")
    nights = written["as_of"].value_counts(sort=False)
    assert len(nights) > 1
    assert asked == [0, *nights.sort_index()]
    whole = panel(Store(three_nights / "store"), params)
    pd.testing.assert_frame_equal(written[whole.matrix.columns], whole.matrix)
    assert written["as_of"].is_monotonic_increasing
    assert ALL not in set(whole.cohort["portfolio"])
