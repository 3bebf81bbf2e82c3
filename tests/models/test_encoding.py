"""Rates in the place of classes."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from features.errors import ContractError
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


def test_rows_of_a_larger_matrix_are_encoded_as_if_they_stood_alone_and_without_a_copy_of_them():
    draw, rows, columns = np.random.default_rng(1), 20_000, 40
    block = draw.normal(size=(columns, rows))
    matrix = pd.DataFrame(block.T, columns=[f"c{place}" for place in range(columns)], copy=False)
    matrix.insert(7, "word", pd.Categorical(draw.choice(["a", "b"], rows)))
    debtors = pd.Series([f"d{row // 3}" for row in range(rows)])
    whole = pd.DataFrame({"debtor_id": debtors, "currency": "EUR"})
    outcome, own = draw.integers(0, 2, rows).astype(float), np.flatnonzero(draw.random(rows) < 0.8)
    cohort = whole.iloc[own].reset_index(drop=True)
    given = (("c3",), SCALE, 1)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    encoder, numbers = Encoder.learn(matrix, cohort, outcome[own], *given, rows=own)
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert peak < 1.6 * numbers.nbytes  # the numbers, and columns: a second table of them would be 2
    again, alone = Encoder.learn(matrix.iloc[own].reset_index(drop=True), cohort, outcome[own], *given)
    np.testing.assert_array_equal(numbers, alone)
    assert encoder.card() == again.card()
    codes = encoder.classes(matrix, own)["word"]
    np.testing.assert_array_equal(codes, encoder.classes(matrix.iloc[own])["word"])


def people(texts: list[str], each: int) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """matrix, cohort and outcome: `each` debtors of every text."""
    rows = len(texts) * each
    cohort = pd.DataFrame({"debtor_id": [f"d{row}" for row in range(rows)], "currency": "EUR"})
    return pd.DataFrame({"x_own": np.repeat(texts, each)}), cohort, np.arange(rows) % 2.0


def test_a_class_of_too_few_debtors_is_not_named_in_the_model():
    matrix, cohort, outcome = people(["north", "south", "Jane Doe", "John Doe", "Max"], 25)
    few = np.isin(matrix["x_own"], ["Jane Doe", "John Doe", "Max"])
    cohort.loc[few, "debtor_id"] = [f"few{row % 30}" for row in range(few.sum())]
    outcome[few] = 1.0
    encoder, numbers = Encoder.learn(matrix, cohort, outcome, (), SCALE, seed=1, least_debtors=81)
    assert encoder.rates["x_own"] == {}  # north and south have 25, the three together 30
    encoder, numbers = Encoder.learn(matrix, cohort, outcome, (), SCALE, seed=1, least_debtors=25)
    assert set(encoder.rates["x_own"]) == {"north", "south", "Jane Doe", "John Doe", "Max"}
    encoder, numbers = Encoder.learn(matrix, cohort, outcome, (), SCALE, seed=1, least_debtors=26)
    assert set(encoder.rates["x_own"]) == {"*"}
    cohort.loc[~few, "debtor_id"] = [f"many{row}" for row in range((~few).sum())]
    matrix.loc[~few, "x_own"] = "north"
    encoder, numbers = Encoder.learn(matrix, cohort, outcome, (), SCALE, seed=1, least_debtors=26)
    assert set(encoder.rates["x_own"]) == {"north", "*"}
    assert encoder.rates["x_own"]["*"] > encoder.rates["x_own"]["north"]
    seen = encoder.encode(pd.DataFrame({"x_own": ["Jane Doe", "nobody", "north", None]}), cohort.head(4))[:, 0]
    assert seen[0] == seen[1] == encoder.rates["x_own"]["*"]
    assert encoder.unseen(matrix) == {"x_own": 75}


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        (["north", "south", "jane.doe@example.org"], "hold e-mail addresses"),
        (["+33 6 12 34 56 78", "0612345679", "south"], "look like telephone numbers"),
        ([f"name {number}" for number in range(40)], "are almost one for each debtor \\(40\\)"),
    ],
)
def test_a_column_that_looks_like_people_is_refused_by_name_and_without_a_value(texts, why):
    matrix, cohort, outcome = people(texts, 1)
    with pytest.raises(ContractError, match=f"Column 'x_own' cannot be a feature: its classes {why}") as refusal:
        Encoder.learn(matrix, cohort, outcome, (), SCALE, seed=1)
    assert not any(text in str(refusal.value) for text in texts)
    Encoder.learn(matrix.rename(columns={"x_own": "portfolio"}), cohort, outcome, (), SCALE, seed=1)
