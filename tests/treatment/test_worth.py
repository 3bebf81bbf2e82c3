"""In worlds whose truth is known, what is proposed is worth nearly what the best policy is, above rules of thumb."""

from __future__ import annotations

import pytest

from benchmarks.treatments import HOUSES, SIMPLE, table


@pytest.mark.slow
def test_a_house_that_learnt_earns_nearly_what_the_best_policy_does():
    found = table(range(900, 903), 250)
    assert found.loc[HOUSES[1], "least"] >= 0.9
    for name in SIMPLE:
        assert found.loc[name, "behind"] == 3
        assert found.loc[name, "most"] < 1
