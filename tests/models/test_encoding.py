"""Rates in the place of classes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.encoding import Encoder
from tests.worlds.panels import SCALE

# Classes, money, drift


def test_a_common_class_has_one_rate_and_a_rare_one_never_its_own_outcome():
    rows = 2_000
    debtors = [f"d{row}" for row in range(rows)]
    names = ["big"] * (rows - 30) + ["rare"] * 30
    outcome = np.array([0.0] * (rows - 30) + [1.0] * 30)
    outcome[: rows // 4] = 1.0
    cohort = pd.DataFrame({"debtor_id": debtors, "currency": "EUR"})
    matrix = pd.DataFrame({"word": pd.Categorical(names)})
    encoder, numbers = Encoder.learn(matrix, cohort, outcome, (), SCALE, seed=1)
    assert len(np.unique(numbers[: rows - 30])) == 1  # five values would tell the fold
    flipped = outcome.copy()
    flipped[-1] = 0.0
    _, other = Encoder.learn(matrix, cohort, flipped, (), SCALE, seed=1)
    assert numbers[-1, 0] == pytest.approx(other[-1, 0], abs=0.01)  # hardly: only through the overall rate
    assert encoder.rates["word"]["rare"] > encoder.rates["word"]["big"]
