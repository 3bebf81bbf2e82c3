"""In worlds whose truth is known, what is proposed is worth nearly what the best policy is, above rules of thumb."""

from __future__ import annotations

import pytest

from benchmarks import treated
from benchmarks.treatments import HOUSES, SIMPLE, table
from pipeline.simulate.treated import LAWYER


@pytest.mark.slow
def test_a_house_that_learnt_earns_nearly_what_the_best_policy_does():
    found = table(range(900, 903), 250)
    assert found.loc[HOUSES[1], "least"] >= 0.9
    for name in SIMPLE:
        assert found.loc[name, "behind"] == 3
        assert found.loc[name, "most"] < 1


@pytest.mark.stress
def test_what_a_lived_book_taught_is_what_is_true_of_it():
    """Chances are calibrated, values lie within their interval, and so do old vintages; one in ten tenths may be out by
    chance."""
    told = treated.report(8_821, 6_000, 60)
    routes = told["routes"]
    assert set(routes["route"]) == {"internal", *treated.PARTIES, LAWYER}
    assert routes[routes["tenth"] < 0]["within"].all()
    tenths = routes[routes["tenth"] >= 0].groupby("route")["within"].mean()
    assert tenths.min() >= 0.8
    assert tenths.mean() >= 0.9
    vintages = told["vintages"]
    assert vintages["within"].mean() >= 0.95
    earned = told["earned"]
    assert earned["the policy, as taught"] >= 0.9
    for name in ("plan for everybody who can bear one", "30 % off for everybody", "agency at 180 days"):
        assert earned[name] < earned["the policy, as taught"]
    calibrated = {
        name: of["observed ÷ expected"] for name, of in told["chances"].items() if "observed ÷ expected" in of
    }
    assert {name.split(",")[0] for name in calibrated} == {"P(accept)", "P(break in a month)", "P(kept to the end)"}
    for _, low, high in calibrated.values():
        assert low <= 1.15
        assert high >= 0.85
