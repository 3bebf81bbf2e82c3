"""Which queue an account stands in, and how many each holds."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from features.errors import UsageError
from pipeline.panel.queues import queue_of
from pipeline.params import load

HOUSE = Path(__file__).parents[2]


ROWS = pd.DataFrame(
    {
        "portfolio": ["cards", "cards", "loans", "loans"],
        "product": ["a", "b", "a", "a"],
        "currency": ["EUR", "EUR", "USD", "EUR"],
        "debtor_type": ["consumer", "commercial", "consumer", "consumer"],
        "jurisdiction": ["FR", "GB-ENG", "US-NY/NYC", None],
    }
)


def params_with(tmp_path: Path, **worklist):
    import yaml

    whole = yaml.safe_load((HOUSE / "params.yaml").read_text())
    whole["worklist"] |= worklist
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(whole, sort_keys=False))
    return load(tmp_path / "params.yaml").worklist


def test_queues_by_portfolio_product_team_or_skill(tmp_path):
    assert queue_of(ROWS, params_with(tmp_path)).tolist() == ["cards", "cards", "loans", "loans"]
    assert queue_of(ROWS, params_with(tmp_path, queue_by="product")).tolist() == ["a", "b", "a", "a"]
    teams = {
        "firms": {"debtor_types": ["commercial"]},
        "cards": {"portfolios": ["cards"]},
        "america": {"places": ["US-NY"]},
    }
    assert queue_of(ROWS, params_with(tmp_path, queue_by="team", teams=teams)).tolist() == [
        "cards",
        "firms",
        "america",
        "default",
    ]
    skills = {"french": {"places": ["FR"], "currencies": ["EUR"]}, "all": {}}
    assert queue_of(ROWS, params_with(tmp_path, queue_by="skill", skills=skills)).tolist() == [
        "french",
        "all",
        "all",
        "all",
    ]


def test_a_queue_holds_no_more_than_its_agents_can(tmp_path):
    worklist = params_with(tmp_path, agents={"cards": {"ann": 10, "bob": 5}}, capacity={"default": 40, "loans": 7})
    assert [worklist.capacity_of(name) for name in ("cards", "loans", "other")] == [15, 7, 40]


@pytest.mark.parametrize(
    ("worklist", "message"),
    [
        ({"queue_by": "team"}, "queue_by team needs teams"),
        ({"teams": {"a": {"portfolio": ["x"]}}}, "'portfolio'"),
        ({"channel_capacity": {"pigeon": 3}}, "channel_capacity.pigeon"),
        ({"floor": {"days": 0, "share": 0.1}}, "floor.days"),
        ({"attempts": {"call": 0}}, "attempts.call"),
        ({"floor": {"days": 60, "share": 0.0}, "worked_share": 0.05}, "worked_share takes its places from the floor"),
        ({"worked_share": 0.6, "control_share": 0.4}, "together below 1"),
    ],
)
def test_faulty_queues_and_capacities_are_refused(worklist, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        params_with(tmp_path, **worklist)
