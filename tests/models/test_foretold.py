"""What scores foretell of themselves: by hand, and intervals that hold what comes."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from models.foretold import NOTHING, Interval, foretold_auc, foretold_money, quotient, realised_auc


def test_a_foretold_order_by_hand():
    """Chances 0.8 and 0.2: of payer and other, (0.8 x 0.8) in order, (0.2 x 0.2) not, and each beside itself half."""
    pairs = {"right": 0.8 * 0.8, "wrong": 0.2 * 0.2, "itself": 0.8 * 0.2 + 0.2 * 0.8}
    assert foretold_auc(np.array([0.8, 0.2])).value == pytest.approx(pairs["right"] + pairs["itself"] / 2)
    assert foretold_auc(np.full(9, 0.3)).value == pytest.approx(0.5)


def test_a_realised_order_is_the_textbooks_with_ties():
    draw = np.random.default_rng(3)
    chance = draw.integers(1, 9, 400) / 10
    paid = (draw.random(400) < chance).astype(float)
    assert realised_auc(chance, paid).value == pytest.approx(roc_auc_score(paid, chance))
    assert realised_auc(chance, np.zeros(400)) == NOTHING


def test_what_calibrated_chances_foretell_comes():
    """Of 200 nights, order and money lie in their foretold intervals about 19 times of 20."""
    draw = np.random.default_rng(5)
    chance = draw.beta(1, 4, 800)
    debtors = pd.Series(np.arange(800) // 2)
    amount = draw.gamma(2, 50, 800)
    order, money = foretold_auc(chance), foretold_money(debtors, chance, chance * amount)
    inside = {"order": 0, "money": 0}
    for _ in range(200):
        paid = (draw.random(400) < chance[::2]).repeat(2) * 1.0  # both accounts of a debtor, or none
        paid = np.where(np.arange(800) % 2 == 0, paid, (draw.random(800) < chance) * 1.0)
        inside["order"] += order.low <= realised_auc(chance, paid).value <= order.high
        inside["money"] += money.low <= float((paid * amount).sum()) <= money.high
    assert inside["order"] >= 180
    assert inside["money"] >= 185


def test_chances_that_are_wrong_are_not_foretold_by_themselves_but_shown_by_what_comes():
    draw = np.random.default_rng(7)
    chance = draw.beta(1, 4, 4_000)
    paid = (draw.random(4_000) < 0.2).astype(float)  # nobody pays by the score
    assert realised_auc(chance, paid).high < foretold_auc(chance).low


def test_a_quotient_spreads_by_both_and_says_nothing_of_nothing():
    found = quotient(Interval(2.0, 1.0, 3.0), Interval(4.0, 4.0, 4.0))
    assert (found.value, found.low, found.high) == (0.5, 0.25, 0.75)
    wide = quotient(Interval(2.0, 1.0, 3.0), Interval(4.0, 2.0, 6.0))
    assert wide.high - wide.low == pytest.approx(math.sqrt(2) * 0.5)
    assert quotient(Interval(0.0, 0.0, 0.0), found) == quotient(found, NOTHING) == NOTHING
