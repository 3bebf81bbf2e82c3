"""A queue split between its agents."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.agents import FAIR, shared_out, spread


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(1, 10_000), min_size=0, max_size=60),
    st.lists(st.integers(0, 25), min_size=1, max_size=5),
    st.randoms(use_true_random=False),
)
def test_every_row_has_one_agent_and_no_agent_more_than_fit(values, places, random):
    capacity = {f"agent{place}": size for place, size in enumerate(places)}
    values = values[: sum(places)]
    before = [random.choice(["", "gone", *capacity]) for _ in values]
    agents = shared_out(values, before, capacity)
    assert len(agents) == len(values)
    assert all(agents.count(name) <= size for name, size in capacity.items())
    assert set(agents) <= set(capacity)


def a_book(size: int, seed: int) -> np.ndarray:
    return np.sort(np.rint(np.random.default_rng(seed).lognormal(8, 1.0, size)).astype(np.int64))[::-1]


@pytest.mark.parametrize(("size", "agents"), [(40, 2), (90, 3), (400, 10)])
def test_agents_expect_the_same_money_within_two_per_cent_and_keep_their_debtors(size, agents):
    capacity = {f"agent{place:02}": size // agents + 5 for place in range(agents)}
    values = a_book(size, 1).tolist()
    first = shared_out(values, [""] * size, capacity)
    assert spread(values, first, capacity) <= FAIR
    assert shared_out(values, first, capacity) == first  # the same night again moves nobody
    stays = np.random.default_rng(2).random(size) < 0.7
    tomorrow = np.where(stays, values, a_book(size, 3)).tolist()
    before = [name if kept else "" for name, kept in zip(first, stays, strict=True)]
    second = shared_out(tomorrow, before, capacity)
    assert spread(tomorrow, second, capacity) <= FAIR
    moved = sum(new != old for new, old in zip(second, before, strict=True) if old)
    assert moved <= 0.15 * stays.sum()


def test_an_agent_with_half_the_places_gets_half_the_money():
    values = a_book(60, 4).tolist()
    capacity = {"whole": 50, "half": 25}
    agents = shared_out(values, [""] * 60, capacity)
    money = {
        name: sum(value for value, agent in zip(values, agents, strict=True) if agent == name) for name in capacity
    }
    assert money["whole"] / money["half"] == pytest.approx(2, rel=0.02)


def test_one_debt_larger_than_all_others_cannot_be_split_and_rows_that_do_not_fit_are_refused():
    assert spread([100_000, 5, 4], shared_out([100_000, 5, 4], ["", "", ""], {"a": 2, "b": 2}), {"a": 2, "b": 2}) > FAIR
    assert shared_out([], [], {"a": 1}) == []
    assert spread([], [], {"a": 1}) == 0
    with pytest.raises(ValueError, match="3 rows do not fit 2 places"):
        shared_out([1, 2, 3], ["", "", ""], {"a": 2, "b": 0})
