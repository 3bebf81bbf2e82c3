"""Rates of variants with intervals that hold what they say, and shares that move no further than declared."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.variants import OUTCOMES, difference, rate_of, shifted, table_of

HALF = {"plain": 0.5, "named": 0.5}


def people(plain: tuple[int, int], named: tuple[int, int]) -> pd.DataFrame:
    """(payers, debtors) of each variant."""
    parts = [
        pd.DataFrame({"variant": name, "probability": 0.5, "paid": np.repeat([1.0, 0.0], [paid, many - paid])})
        for name, (paid, many) in (("plain", plain), ("named", named))
    ]
    return pd.concat(parts, ignore_index=True)


def test_a_rate_has_the_interval_of_wilson():
    happened = np.repeat([1.0, 0.0], [10, 90])
    assert rate_of(happened, np.full(100, 0.5)) == pytest.approx((0.1, 0.0552, 0.1744), abs=2e-4)  # Wilson, 1927
    assert rate_of(np.zeros(50), np.ones(50))[1] == pytest.approx(0, abs=1e-12)
    assert np.isnan(rate_of(np.zeros(0), np.zeros(0))).all()


def test_changed_shares_do_not_bend_a_rate():
    """Half of the debtors were drawn at 0.9 in a good week, half at 0.1 in a bad one: each week weighs alike."""
    draw = np.random.default_rng(4)
    good, bad = draw.random(9000) < 0.4, draw.random(1000) < 0.1
    happened = np.concatenate([good, bad]).astype(float)
    probability = np.repeat([0.9, 0.1], [9000, 1000])
    assert rate_of(happened, probability)[0] == pytest.approx(0.25, abs=0.015)
    assert happened.mean() > 0.35


def test_intervals_hold_the_truth_as_often_as_they_say():
    draw, held, apart = np.random.default_rng(7), 0, 0
    for _ in range(2000):
        one, other = (draw.random(300) < rate for rate in (0.12, 0.08))
        _, low, high = rate_of(one.astype(float), np.ones(300))
        held += low <= 0.12 <= high
        _, low, high = difference(one.astype(float), other.astype(float), np.ones(300), np.ones(300))
        apart += low <= 0.04 <= high
    assert 0.935 <= held / 2000 <= 0.97
    assert 0.935 <= apart / 2000 <= 0.97


def test_the_table_has_a_row_for_each_variant():
    rows = people((30, 100), (45, 100)).assign(message="overdue", answered=0.0, complained=0.0)
    table = table_of(rows.assign(opted_out=0.0))
    assert table["variant"].tolist() == ["named", "plain"]
    assert table["paid"].tolist() == [0.45, 0.3]
    assert {f"{name}_low" for name in OUTCOMES} < set(table)
    assert table_of(rows.iloc[:0].assign(opted_out=0.0)).empty


def test_shares_move_to_what_worked_and_never_below_the_floor():
    better = shifted(people((60, 400), (120, 400)), HALF, 0.1, 300, "a")
    assert better["named"] == pytest.approx(0.9)
    assert better["plain"] == pytest.approx(0.1)
    close = shifted(people((100, 400), (104, 400)), HALF, 0.1, 300, "a")
    assert 0.5 < close["named"] < 0.8
    assert sum(close.values()) == pytest.approx(1)


def test_shares_stay_as_declared_before_enough_have_matured_in_every_variant():
    declared = {"plain": 0.7, "named": 0.3}
    assert shifted(people((10, 299), (250, 900)), declared, 0.1, 300, "a") == declared
    assert shifted(people((10, 900), (0, 0)), declared, 0.1, 300, "a") == declared
    assert shifted(people((10, 900), (0, 0)), {"plain": 1.0}, 0.1, 300, "a") == {"plain": 1.0}


def test_the_same_outcomes_and_seed_give_the_same_shares():
    rows = people((100, 400), (110, 400))
    assert shifted(rows, HALF, 0.1, 300, "a") == shifted(rows.iloc[::-1], HALF, 0.1, 300, "a")
    assert shifted(rows, HALF, 0.1, 300, "a") != shifted(rows, HALF, 0.1, 300, "b")


def test_a_good_month_is_no_merit_of_the_variant_that_had_the_most_then():
    """Of two alike 1 in 5 pay in a month of equal shares, 2 in 5 in one of 9 to 1: neither does better."""
    parts = [
        pd.DataFrame({"variant": name, "probability": chance, "paid": np.repeat([1.0, 0.0], [payers, many - payers])})
        for name, chance, payers, many in (
            *(("plain", 0.5, 200, 1000), ("named", 0.5, 200, 1000)),
            *(("plain", 0.9, 720, 1800), ("named", 0.1, 80, 200)),
        )
    ]
    shares = shifted(pd.concat(parts, ignore_index=True), HALF, 0.1, 300, "a")
    assert 0.3 < shares["plain"] < 0.7
