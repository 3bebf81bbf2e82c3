"""What has shifted since the model was taught."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.calibration import expit
from models.drift import Reference, psi


def test_psi_is_the_textbook_sum():
    assert psi(np.array([0.5, 0.5]), np.array([0.25, 0.75])) == pytest.approx(0.25 * math.log(2) + 0.25 * math.log(1.5))
    assert psi(np.array([0.3, 0.7]), np.array([0.3, 0.7])) == 0


def test_drift_sees_a_shift_and_missing_values():
    draw = np.random.default_rng(1)
    numbers = np.stack([draw.normal(size=5_000), draw.normal(size=5_000), np.zeros(5_000)], axis=1)
    score = expit(numbers[:, 0])
    reference = Reference.from_card(Reference.learn(numbers, ("still", "moved", "flat"), score).card())
    later = np.stack([draw.normal(size=3_000), draw.normal(0.8, 1, 3_000), np.full(3_000, np.nan)], axis=1)
    found = reference.psi(later, ("still", "moved", "flat"), expit(later[:, 0]))
    assert found["still"] < 0.02 < 0.25 < found["moved"]
    assert found["flat"] > 5
    assert found["p_recovered"] < 0.02
    assert set(reference.psi(later[:0], ("still", "moved", "flat"), score[:0]).values()) == {0.0}
