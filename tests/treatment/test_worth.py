"""In worlds whose truth is known, what is proposed is worth nearly what the best policy is, above rules of thumb."""

from __future__ import annotations

import pytest

from benchmarks import treated
from benchmarks.treatments import HOUSES, SIMPLE, table


@pytest.mark.slow
def test_a_house_that_learnt_earns_nearly_what_the_best_policy_does():
    found = table(range(900, 903), 250)
    assert found.loc[HOUSES[1], "least"] >= 0.9
    for name in SIMPLE:
        assert found.loc[name, "behind"] == 3
        assert found.loc[name, "most"] < 1


@pytest.mark.stress
def test_what_a_lived_book_taught_is_what_is_true_of_it():
    told = treated.report(8_821, 6_000, 60)
    agencies = told["routes"][told["routes"]["route"].isin(treated.PARTIES) & (told["routes"]["tenth"] >= 0)]
    assert agencies["within"].mean() >= 0.8
    earned = told["earned"]
    assert earned["the policy, as taught"] >= 0.9
    for name in ("plan for everybody who can bear one", "30 % off for everybody", "agency at 180 days"):
        assert earned[name] < earned["the policy, as taught"]
    for name, figures in told["chances"].items():
        if name.startswith("P(accept)"):
            assert figures["observed ÷ expected"][1] <= 1.15
            assert figures["observed ÷ expected"][2] >= 0.85
