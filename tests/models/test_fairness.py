"""The fairness audit: figures by hand, intervals that know a planted wrong, groups too small to be shown,
and a proxy that is found.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from models.fairness import LEAST_DEBTORS, NOT_STATED, VULNERABLE, audit, findings, groups_of, proxies, pushed_up
from models.resampling import listed_shares, ratios_of_sums
from tests.worlds.judged import judged_rows
from tests.worlds.panels import SETTINGS, made_panel


def figure(table: pd.DataFrame, group: str, metric: str) -> pd.Series:
    return table[(table["group"] == group) & (table["metric"] == metric)].iloc[0]


@pytest.fixture(scope="module")
def judged():
    return judged_rows(4_000, seed=3)


@pytest.fixture(scope="module")
def sexes(judged) -> np.ndarray:
    """By debtor, without regard to anything else."""
    number = pd.factorize(judged.cohort["debtor_id"])[0]
    return np.where(number % 10 == 0, NOT_STATED, np.where(number % 2 == 0, "f", "m")).astype(object)


def test_places_on_the_list_by_the_plain_loop():
    draw = np.random.default_rng(1)
    order, night = draw.integers(0, 4, 60).astype(float), draw.integers(0, 3, 60)
    found = listed_shares(order, night, 0.3)
    for tonight in range(3):
        rows = np.flatnonzero(night == tonight)
        left = 0.3 * len(rows)
        for value in sorted(set(order[rows]), reverse=True):
            tied = rows[order[rows] == value]
            taken = min(max(left, 0.0), len(tied))
            assert_allclose(found[tied], taken / len(tied))
            left -= len(tied)
    assert listed_shares(np.zeros(0), np.zeros(0), 0.1).tolist() == []


def test_ratios_of_sums_draw_debtors_whole():
    who, weights = np.array([0, 0, 1]), np.array([[1, 1], [2, 0], [0, 0]], dtype=np.uint8)
    found = ratios_of_sums(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 4.0]), who, weights)
    assert_allclose(found[:2], [1.0, 1.5])
    assert np.isnan(found[2])


def test_figures_of_a_group_by_hand(judged, sexes):
    attempts = np.arange(len(sexes), dtype=float) % 5
    table = audit(judged, {"audit_sex": sexes}, attempts, 0.1, 60, 1)
    mine = sexes == "f"
    listed = listed_shares(judged.predicted, judged.cohort["as_of"].to_numpy(), 0.1)
    p = judged.scores["p_recovered"].to_numpy()
    others = sexes == "m"  # those who stated none are no comparison
    by_hand = {
        "rate": judged.recovered[mine].mean(),
        "mean_p": p[mine].mean(),
        "level": judged.recovered[mine].sum() / p[mine].sum(),
        "money_ratio": judged.money[mine].sum() / judged.predicted[mine].sum(),
        "list_rate": listed[mine].mean(),
        "list_ratio": listed[mine].mean() / listed[others].mean(),
        "paying_list_rate": (listed * judged.recovered)[mine].sum() / judged.recovered[mine].sum(),
        "attempts": attempts[mine].mean(),
        "listed_attempts": (listed * attempts)[mine].sum() / mine.sum(),
        "attempts_ratio": attempts[mine].mean() / attempts[others].mean(),
    }
    for metric, value in by_hand.items():
        row = figure(table, "f", metric)
        assert row["value"] == pytest.approx(value)
        assert row["low"] <= row["value"] <= row["high"]
    assert set(table["group"]) == {"f", "m", NOT_STATED}
    assert not len(table[(table["group"] == NOT_STATED) & (table["metric"] == "list_ratio")])
    assert findings(table, pd.DataFrame()) == []


@pytest.mark.parametrize(("times", "names"), [(3.0, True), (1.0, False), (0.3, False)])
def test_vulnerable_people_whom_a_new_order_pushes_up_are_named(judged, times, names):
    """The canary: an order that values a few people three times as high lists them more, and is named; others not."""
    few = pd.factorize(judged.cohort["debtor_id"])[0] % 8 == 0
    traits = {"hardship or vulnerable": np.where(few, VULNERABLE, "never recorded").astype(object)}
    value = judged.scores["expected_recovery"].to_numpy() * np.where(few, times, 1.0)
    attempts = np.full(len(few), 2.0)
    order = replace(judged, scores=judged.scores.assign(expected_recovery=value))
    before, after = (audit(one, traits, attempts, 0.1, 120, 1) for one in (judged, order))
    said = pushed_up(before, after)
    assert len(said) == 2 * names
    assert all(
        line.startswith("hardship or vulnerable ever recorded: the order by what working adds pushes them up, ")
        for line in said
    )
    assert [line.split(",")[1].split()[0] for line in said] == ["listed", "burdened"][: len(said)]
    listed = [figure(table, VULNERABLE, "list_rate")["value"] for table in (before, after)]
    assert bool(listed[1] > listed[0]) is names


def test_a_group_scored_too_low_is_named(judged, sexes):
    scores = judged.scores.copy()
    scores.loc[sexes == "f", ["p_recovered", "expected_recovery"]] *= 0.5
    said = findings(audit(replace(judged, scores=scores), {"audit_sex": sexes}, None, 0.1, 120, 1), pd.DataFrame())
    assert any(line.startswith("sex f: recovered more often than predicted") for line in said)
    assert any(line.startswith("sex f: listed 0.") for line in said)
    assert any(line.startswith("sex m: listed") for line in said)


def test_small_groups_are_not_shown(judged, sexes):
    number = pd.factorize(judged.cohort["debtor_id"])[0]
    rare = np.where(
        number < LEAST_DEBTORS - 1, "rare", np.where(number < 2 * LEAST_DEBTORS - 1, "just enough", "many")
    ).astype(object)
    assert set(audit(judged, {"audit_x": rare}, None, 0.1, 10, 1)["group"]) == {"just enough", "many"}


def test_numbers_with_many_values_are_cut_into_quarters():
    ages = pd.Series([*range(20, 100), None])
    found = groups_of(ages)
    assert found[-1] == NOT_STATED
    assert sorted(set(found[:-1])) == [
        "39.75 to below 59.5",
        "59.5 to below 79.25",
        "79.25 and above",
        "below 39.75",
    ]
    assert groups_of(pd.Series([1.0, 2.0, None])).tolist() == ["1", "2", NOT_STATED]
    assert groups_of(pd.Series(["a", None], dtype="str")).tolist() == ["a", NOT_STATED]


def test_a_feature_that_stands_in_for_a_group_is_found_and_named():
    panel = made_panel(400, nights=(0, 30))
    draw = np.random.default_rng(4)
    debtors = panel.cohort["debtor_id"].drop_duplicates()
    old = dict(zip(debtors, draw.random(len(debtors)) < 0.4, strict=True))
    group = np.where(panel.cohort["debtor_id"].map(old), "old", "young").astype(object)
    numbers = panel.matrix.select_dtypes("float64")
    planted = numbers.assign(pension=np.where(group == "old", 1.0, 0.0) + draw.normal(0, 0.3, len(group)))
    traits = {"audit_age": group}
    found = proxies(planted.to_numpy(), list(planted.columns), panel.cohort, traits, SETTINGS, 40, 1)
    assert len(found) == 1
    assert found["low"].iloc[0] > 0.9
    assert found["told_by"].iloc[0].startswith("pension")
    assert "the features tell the group" in findings(pd.DataFrame(), found)[0]
    blind = proxies(numbers.to_numpy(), list(numbers.columns), panel.cohort, traits, SETTINGS, 40, 1)
    assert abs(blind["auc"].iloc[0] - 0.5) < 0.12
    assert findings(pd.DataFrame(), blind) == []
