"""Late days from a store, against what the simulator of reminders wrote down as it lived them; and the whole way from
its delivery to the curve.

Also of pipeline/simulate/reminded.py and pipeline/outcomes/fatigue_curve.py with tests/simulate and tests/outcomes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from features.days import day_number
from features.ledger import history
from features.tables import account_number
from features.terms import Terms
from models.fatigue import curves, stratum_of
from pipeline.panel.fatigue import days_late, days_of_view, late_days
from pipeline.panel.view import view
from pipeline.params import load
from pipeline.simulate.reminded import LAST_DAY, MOST, Lived, deliver, live
from pipeline.store.store import Store
from tests.worlds.commands import recoup
from tests.worlds.params import written_params
from tests.worlds.worlds import World, day

pytestmark = pytest.mark.slow

NIGHT = day_number(LAST_DAY) + 1


def of_bills(folder: Path) -> None:
    place = written_params(folder / "params.yaml", folder)
    told = yaml.safe_load(place.read_text())
    told["portfolios"] = {"bills": {"time_zone": "Europe/London", "contact_precision": "time"}}
    told["worklist"]["agents"] = {}
    place.write_text(yaml.safe_dump(told))


@pytest.fixture(scope="module")
def book(tmp_path_factory) -> tuple[Path, Lived]:
    folder = tmp_path_factory.mktemp("bills")
    lived = live(300, 5, months=10)
    deliver(lived, folder / "source")
    of_bills(folder)
    assert recoup(folder, "ingest") == 0
    return folder, lived


def test_late_days_are_those_that_were_lived_with_the_messages_before_them(book):
    folder, lived = book
    store, params = Store(folder / "store"), load(folder / "params.yaml")
    found = days_late(store, store.versions(), NIGHT, params)
    found = found[found["day"] < NIGHT - 1].assign(debtor=found["debtor"].str[1:].astype("int64"))
    lived_days = lived.days[lived.days["day"] < NIGHT - 1]
    lived_days = lived_days.assign(stratum=stratum_of(lived_days["days_past_due"].to_numpy()))
    both = lived_days.merge(found, on=["debtor", "day"], how="outer", suffixes=("", "_found"), indicator=True)
    assert (both["_merge"] == "both").all()
    assert len(both) > 5000
    for name in ("stratum", "age", "number", "spacing", "pays"):
        seen = both["age"] >= 0 if name in ("number", "spacing") else np.ones(len(both), bool)
        one, other = (both.loc[seen, each].astype("float64") for each in (name, f"{name}_found"))
        most = MOST if name == "number" else np.inf  # more are not remembered where they are lived
        pd.testing.assert_series_equal(one, other.clip(upper=most), check_names=False)


def test_a_share_of_debtors_is_looked_at_whole_and_nothing_known_later_is_read(book):
    folder, _ = book
    store, params = Store(folder / "store"), load(folder / "params.yaml")
    whole = days_late(store, store.versions(), NIGHT, params)
    part = days_late(store, store.versions(), NIGHT, params, debtors=100)
    assert 50 < part["debtor"].nunique() < 160
    own = whole[whole["debtor"].isin(part["debtor"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(part.reset_index(drop=True), own)
    earlier = days_late(store, store.versions(), NIGHT - 60, params)
    same = whole[(whole["day"] < NIGHT - 62) & (whole["day"] >= NIGHT - 300)]
    before = earlier[(earlier["day"] < NIGHT - 62) & (earlier["day"] >= NIGHT - 300)]
    pd.testing.assert_frame_equal(before.reset_index(drop=True), same.reset_index(drop=True))


def test_a_shard_that_is_being_worked_tells_the_same_days_in_few_bytes(book):
    folder, _ = book
    store, params = Store(folder / "store"), load(folder / "params.yaml")
    versions = store.versions()
    for night in (NIGHT, NIGHT - 60):  # of the earlier one, much became known since
        whole = days_late(store, versions, night, params)
        seen = [view(store, shard, [night], params, versions, features=False) for shard in range(store.shards)]
        found = pd.concat([days_of_view(own, store, versions, night, params) for own in seen], ignore_index=True)
        assert len(found) > 3000
        assert found["debtor"].tolist() == account_number(whole["debtor"]).tolist()
        for name in ("stratum", "age", "number", "spacing", "pays", "answers"):
            assert found[name].tolist() == whole[name].tolist(), name
        assert found.memory_usage(index=False).sum() <= 23 * len(found)
    pd.testing.assert_frame_equal(curves(found), curves(whole))


def test_a_payment_that_was_taken_back_whole_is_none():
    due = day("2024-02-01")
    world = World().account(opened_on="2024-01-01").charge(due, 500)
    world.payment(due + 5, 100, payment_id="kept").payment(due + 10, 100, payment_id="bounced")
    world.reversal(due + 12, 100, "bounced")
    tables = world.tables()
    found = late_days(tables, history(tables, Terms()), due + 40)
    assert found.loc[found["pays"] == 1, "day"].tolist() == [due + 5]
