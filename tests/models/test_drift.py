"""What has shifted since the model was taught."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from models.calibration import expit
from models.drift import MOVED, SCORE, SHIFTED, Reference, binned_shares, psi


def test_psi_is_the_textbook_sum():
    assert psi(np.array([0.5, 0.5]), np.array([0.25, 0.75])) == pytest.approx(0.25 * math.log(2) + 0.25 * math.log(1.5))
    assert psi(np.array([0.3, 0.7]), np.array([0.3, 0.7])) == 0


def test_drift_sees_a_shift_and_missing_values():
    draw = np.random.default_rng(1)
    numbers = np.stack([draw.normal(size=5_000), draw.normal(size=5_000), np.zeros(5_000)], axis=1)
    score = expit(numbers[:, 0])
    nights = np.repeat(np.arange(5) * 30, 1_000)
    reference = Reference.from_card(Reference.learn(numbers, ("still", "moved", "flat"), score, nights).card())
    later = np.stack([draw.normal(size=3_000), draw.normal(0.8, 1, 3_000), np.full(3_000, np.nan)], axis=1)
    found = reference.psi(later, ("still", "moved", "flat"), expit(later[:, 0]))
    assert found["still"] < 0.02 < 0.25 < found["moved"]
    assert found["flat"] > 5
    assert found["p_recovered"] < 0.02
    assert set(reference.psi(later[:0], ("still", "moved", "flat"), score[:0]).values()) == {0.0}


# A night against what is usual


def book(night: int, rows: int, seed: int, later: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Columns (days since the first payment, which only age; what does not) of a closed book on a night; its score."""
    draw = np.random.default_rng(seed)
    age = draw.integers(0, 120, rows) + 0.0
    numbers = np.stack([age + night, draw.normal(later, 1, rows)], axis=1)
    return numbers, expit(draw.normal(later, 1, rows))


NAMES = ("ages", "stays")
LAST = 12 * 30


def learnt(rows: int = 2_000) -> Reference:
    """Taught on a year of nights, a month apart."""
    parts = [book(month * 30, rows, month) for month in range(13)]
    numbers, score = (np.concatenate(held) for held in zip(*parts, strict=True))
    whole = Reference.learn(numbers, NAMES, score, np.repeat(np.arange(13) * 30, rows))
    return Reference.from_card(json.loads(json.dumps(whole.card())))


def moved(reference: Reference, night: int, rows: int, later: float = 0.0) -> dict[str, float]:
    numbers, score = book(night, rows, 99, later)
    columns = {**dict(zip(NAMES, numbers.T, strict=True)), SCORE: score}
    return {
        name: reference.moved(name, binned_shares(column, reference.edges[name]), rows, night)
        for name, column in columns.items()
    }


@pytest.mark.parametrize("after", [44, 60, 90, 170])
def test_a_column_that_only_ages_is_as_usual_at_any_distance_that_training_shows(after):
    numbers, score = book(LAST + after, 2_000, 99)
    pooled = learnt().psi(numbers, NAMES, score)
    found = moved(learnt(), LAST + after, 2_000)
    assert pooled["ages"] > 1  # by all that training saw, every night is another population
    assert max(found.values()) < MOVED


def test_a_column_that_jumps_is_not_excused_by_its_age():
    young = moved(learnt(), 30, 2_000)  # as a new book would: all began lately
    assert young["ages"] > SHIFTED > young["stays"]


def test_what_moved_though_it_never_ages_is_seen_at_once():
    found = moved(learnt(), LAST + 44, 2_000, later=0.8)
    assert min(found["stays"], found[SCORE]) > SHIFTED


@pytest.mark.parametrize("rows", [60, 300])
def test_few_rows_are_not_taken_for_a_shift(rows):
    worst = [max(moved(learnt(rows), LAST + 44 + more, rows).values()) for more in range(3)]
    assert max(worst) < MOVED


def test_a_reference_of_an_earlier_version_is_compared_with_all_that_taught_it():
    card = {part: held for part, held in learnt().card().items() if part in ("edges", "shares")}
    found = moved(Reference.from_card(card), LAST + 44, 2_000)
    assert found["ages"] > 1
    assert found["stays"] < MOVED
