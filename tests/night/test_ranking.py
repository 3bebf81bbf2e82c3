"""Arms of former nights where debtors were found to be one since: whose span stands. Shards in which nobody is."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest

from models.lot import CONTROL, TO_WORK, WORKED
from pipeline.intake.ingest import ingest
from pipeline.night.night import publish_night
from pipeline.night.ranking import former_nights, standing_arms
from pipeline.store.store import Store
from tests.worlds.deliveries import PARAMS, charge, world, write
from tests.worlds.remembering import Remembering

AS_OF = 100
NAMES = {"former": "latter"}


def arms(*rows: tuple[str, str, int, int]) -> pd.DataFrame:
    """(debtor, arm, assigned_on, until_on), each kept every night from assigned_on to the one before AS_OF."""
    kept = [(*row, night) for row in rows for night in range(row[2], min(row[3], AS_OF))]
    frame = pd.DataFrame(kept, columns=["debtor_id", "arm", "assigned_on", "until_on", "as_of"])
    return frame.assign(probability=0.1, agent="").astype({"debtor_id": "str", "arm": "str"})


@pytest.mark.parametrize(
    ("rows", "standing"),
    [
        ([("former", CONTROL, 90, 134), ("latter", CONTROL, 95, 139)], (CONTROL, 90)),
        ([("former", CONTROL, 95, 139), ("latter", CONTROL, 90, 134)], (CONTROL, 90)),
        ([("former", CONTROL, 95, 139), ("latter", WORKED, 90, 134)], (CONTROL, 95)),
        ([("former", TO_WORK, 91, 135), ("latter", CONTROL, 93, 137)], (TO_WORK, 91)),
        ([("former", CONTROL, 40, 84), ("latter", WORKED, 95, 139)], (WORKED, 95)),
        ([("former", CONTROL, 40, 84), ("latter", WORKED, 30, 74)], (CONTROL, 40)),
        ([("former", CONTROL, 95, 139)], (CONTROL, 95)),
    ],
)
def test_of_two_spans_of_one_person_a_drawn_one_stands_and_the_one_that_began_first(rows, standing):
    found = standing_arms(arms(*rows, ("somebody", WORKED, 99, 143)), NAMES, AS_OF).set_index("debtor_id")
    assert sorted(found.index) == ["latter", "somebody"]
    assert (found["arm"]["latter"], found["assigned_on"]["latter"]) == standing


def test_without_links_the_newest_arm_of_each_debtor_stands():
    found = standing_arms(arms(("a", CONTROL, 10, 54), ("a", WORKED, 60, 104), ("b", CONTROL, 90, 134)), {}, AS_OF)
    assert dict(zip(found["debtor_id"], found["assigned_on"], strict=True)) == {"a": 60, "b": 90}
    assert standing_arms(arms(), {}, AS_OF).empty


def test_a_shard_without_a_scorable_account_stops_no_night(tmp_path):
    """Eight shards for five accounts: classes of no rows are of no type."""
    books = {"delivers": ("accounts", "charges")}
    params = PARAMS.model_copy(
        update={
            "store": PARAMS.store.model_copy(update={"shards": 8}),
            "portfolio_defaults": PARAMS.portfolio_defaults.model_copy(update=books),
            "portfolios": {name: book.model_copy(update=books) for name, book in PARAMS.portfolios.items()},
        }
    )
    owed = {"amount": "100", "issued_on": "2026-01-10", "due_on": "2026-01-20"}
    bills = [charge(charge_id=f"c{name}", account_id=name, **owed) for name in ("A1", "A2", "J1", "K1")]
    ingest(write(tmp_path / "one", world(charges=bills)), tmp_path / "store", params)
    store = Store(tmp_path / "store")
    assert {len(store.tables(shard, ["accounts"])["accounts"]) for shard in range(8)} >= {0}
    counts = publish_night(store.path, dt.date(2026, 2, 2), tmp_path / "out", params).night.counts
    assert counts["scorable"] == 4
    nobody = publish_night(store.path, dt.date(2026, 1, 15), tmp_path / "out", params).night.counts
    assert nobody["scorable"] == 0


@pytest.mark.parametrize("names", [{}, NAMES])
def test_of_former_nights_only_what_still_runs_and_who_had_an_agent_is_held(names):
    """The arms that stand, and the agents, are those of all rows of all nights."""
    told = [("former", CONTROL, 95, 139), ("latter", WORKED, 90, 134), ("a", CONTROL, 10, 54), ("a", WORKED, 60, 104)]
    whole = arms(*told, ("gone", CONTROL, 20, 64))
    whole.loc[whole["as_of"].isin([12, 61]) & (whole["debtor_id"] == "a"), "agent"] = "mia"
    held = former_nights(Remembering(whole), AS_OF)
    assert len(held) == 5  # three spans that run, two rows with an agent
    both = [standing_arms(rows, names, AS_OF) for rows in (whole, held)]
    columns = ["debtor_id", "arm", "assigned_on", "until_on", "probability"]
    wanted, found = (
        rows[rows["until_on"] > AS_OF].sort_values("debtor_id", ignore_index=True)[columns] for rows in both
    )
    pd.testing.assert_frame_equal(found, wanted)
    assert sorted(found["debtor_id"]) == (["a", "latter"] if names else ["a", "former", "latter"])
    assert held[held["agent"] == "mia"]["as_of"].tolist() == [61, 12]
