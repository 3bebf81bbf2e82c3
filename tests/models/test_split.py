"""Nights are split by time with a gap, debtors never by order of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InputMissing
from models.split import FIT, GAP, OUTSIDE, TEST, debtor_folds, later_part, rolling_origin, split_by_time


@dataclass(frozen=True)
class Terms:
    test_days: int = 90
    backtest_folds: int = 3
    gap_days: int = 44


def nights(*days: int, debtors: tuple[str, ...] = ("d1",)) -> pd.DataFrame:
    pairs = [(day, debtor) for day in days for debtor in debtors]
    return pd.DataFrame({"as_of": [day for day, _ in pairs], "debtor_id": [debtor for _, debtor in pairs]})


def check_gap(cohort: pd.DataFrame, part: pd.Series, gap_days: int) -> None:
    """No label of a fit night was unknown on the first test night."""
    last_fit, first_test = cohort["as_of"][part == FIT].max(), cohort["as_of"][part == TEST].min()
    assert last_fit + gap_days <= first_test


def test_a_night_exactly_the_gap_before_the_test_window_is_fit_and_the_next_one_is_not():
    split = split_by_time(nights(0, 56, 57, 99, 100, 190), Terms(), Terms())
    # The window is 101..190 by days, its first night 190; 146 would be the last fit night.
    assert split.part.tolist() == [FIT, FIT, FIT, FIT, FIT, TEST]
    split = split_by_time(nights(0, 56, 57, 58, 101, 190), Terms(), Terms())
    assert split.part.tolist() == [FIT, FIT, FIT, GAP, TEST, TEST]
    assert (split.fit_last, split.test_first, split.test_last) == (57, 101, 190)


def test_default_is_judged_with_its_own_gap():
    split = split_by_time(nights(0, 57, 104, 105, 210, 250), Terms(), Terms(), gap_days=104)
    assert split.part.tolist() == [FIT, FIT, FIT, FIT, TEST, TEST]
    assert split_by_time(nights(0, 57, 107, 210, 250), Terms(), Terms(), gap_days=104).part.tolist() == [
        FIT,
        FIT,
        GAP,
        TEST,
        TEST,
    ]


@given(
    days=st.lists(st.integers(0, 1_000), min_size=1, max_size=40, unique=True),
    test_days=st.integers(1, 300),
    gap_days=st.integers(0, 200),
)
def test_whatever_the_nights_the_gap_holds_or_the_split_is_refused(days, test_days, gap_days):
    cohort, terms = nights(*sorted(days)), Terms(test_days=test_days, gap_days=gap_days)
    first_test = min(day for day in days if day > max(days) - test_days)
    if not any(day + gap_days <= first_test and day < first_test for day in days):
        with pytest.raises(InputMissing, match="days before"):
            split_by_time(cohort, terms, terms)
        return
    split = split_by_time(cohort, terms, terms)
    check_gap(cohort, split.part, gap_days)
    tested = cohort["as_of"][split.test]
    assert tested.max() == max(days)
    assert tested.min() > max(days) - test_days
    assert set(split.part) <= {FIT, GAP, TEST}


def test_the_gap_test_catches_a_split_without_a_gap():
    cohort = nights(0, 57, 58, 101, 190)
    leaky = split_by_time(cohort, Terms(), Terms(gap_days=0)).part
    with pytest.raises(AssertionError, match="assert"):
        check_gap(cohort, leaky, 44)


def test_rows_without_a_label_take_no_part():
    cohort = nights(0, 50, 150, 190, 240)
    split = split_by_time(cohort, Terms(), Terms(), labelled=np.array([True, False, True, True, False]))
    assert split.part.tolist() == [FIT, OUTSIDE, TEST, TEST, OUTSIDE]


def test_a_history_too_short_is_refused_with_its_dates():
    with pytest.raises(InputMissing, match=r"1970-01-01 through 1970-03-02.*1970-01-01 to 1970-03-02.*44 days before"):
        split_by_time(nights(0, 30, 60), Terms(), Terms())
    with pytest.raises(InputMissing, match="No night has a mature label"):
        split_by_time(nights(0), Terms(), Terms(), labelled=np.array([False]))


def test_debtors_never_seen_before_are_marked():
    cohort = pd.DataFrame({"as_of": [0, 0, 100, 100, 100], "debtor_id": ["a", "b", "a", "c", "b"]})
    split = split_by_time(cohort, Terms(test_days=10), Terms())
    assert split.unseen(cohort["debtor_id"]).tolist() == [False, False, False, True, False]
    assert split.dates() == {
        "fit_first": "1970-01-01",
        "fit_last": "1970-01-01",
        "test_first": "1970-04-11",
        "test_last": "1970-04-11",
        "gap_days": 44,
    }


def test_earlier_cut_offs_lie_before_the_headline_and_keep_the_gap():
    cohort = nights(*range(0, 600, 30))
    terms = Terms(test_days=90, backtest_folds=9)
    headline, folds = split_by_time(cohort, terms, terms), rolling_origin(cohort, terms, terms)
    assert 3 <= len(folds) < 9  # as far as history reaches
    last_first = headline.test_first
    for fold in folds:
        check_gap(cohort, fold.part, 44)
        assert fold.test_last < last_first
        assert (fold.part[cohort["as_of"] > fold.test_last] == OUTSIDE).all()
        last_first = fold.test_first


def test_a_debtor_has_one_fold_whatever_the_order_of_rows():
    debtors = pd.Series([f"d{number % 500}" for number in range(2_000)])
    folds = debtor_folds(debtors, 5, seed=1)
    assert pd.DataFrame({"debtor": debtors, "fold": folds}).groupby("debtor")["fold"].nunique().eq(1).all()
    turned = debtor_folds(debtors[::-1].reset_index(drop=True), 5, seed=1)
    assert (turned[::-1] == folds).all()
    assert (debtor_folds(debtors, 5, seed=2) != folds).any()
    assert np.bincount(folds[:500]).min() > 70


def test_folds_of_nothing_are_nothing():
    assert len(debtor_folds(pd.Series([], dtype=str), 5, seed=1)) == 0


def test_later_nights_hold_the_share_of_events_and_early_ones_lie_a_gap_before():
    as_of = np.repeat(np.arange(0, 300, 30), 10)
    early, later = later_part(as_of, 44, np.ones(100), share=0.2)
    assert as_of[later].min() == 240
    assert as_of[early].max() == 180
    early, later = later_part(np.zeros(5, dtype=int), 44, np.ones(5))
    assert later.all()
    assert not early.any()
