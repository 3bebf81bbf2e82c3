"""Payments within a week of former nights, as the monitor reads them from the store, against the delivered receipts."""

from __future__ import annotations

import csv
import datetime as dt
import gzip

import numpy as np
import pandas as pd
import pytest

from features.days import date_of
from pipeline.outcomes.model_findings import EARLY_DAYS
from pipeline.outcomes.monitor import ASSIGNED, _arms, _earlier, a_week_apart, look_back, nights_of
from pipeline.params import load
from tests.worlds.houses import NIGHTS
from tests.worlds.remembering import Remembering


def receipts(house) -> tuple[dict[str, set[dt.date]], set[str]]:
    """Days on which each account paid, and accounts of which a payment was taken back: whatever day it was of."""
    days: dict[str, set[dt.date]] = {}
    back = set()
    with gzip.open(house / "source" / "payments.csv.gz", "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["kind"] == "payment":
                days.setdefault(row["account_id"], set()).add(dt.date.fromisoformat(row["occurred_at"][:10]))
            else:
                back.add(row["account_id"])
    return days, back


def test_who_paid_within_a_week_of_a_night_is_who_the_receipts_say(three_nights):
    seen = look_back(three_nights / "store", NIGHTS[-1], load(three_nights / "params.yaml"))
    assert seen.early is not None
    told = seen.early.assign(night=[date_of(day) for day in seen.early["as_of"]])
    assert {(night, matured) for night, matured in zip(told["night"], told["matured"], strict=True)} == {
        (NIGHTS[0], True),
        (NIGHTS[1], False),
    }
    days, back = receipts(three_nights)
    found = {0.0: 0, 1.0: 0}
    for row in told.itertuples():
        if row.account_id in back:
            continue
        paid = [day for day in days.get(row.account_id, ()) if 0 <= (day - row.night).days < EARLY_DAYS]
        assert row.early == float(bool(paid)), (row.account_id, row.night)
        found[row.early] += 1
    assert min(found.values()) >= 2
    assert told["p_recovered"].between(0, 1).all()


@pytest.mark.parametrize(
    ("complete", "nights"),
    [(99, [90, 83, 57]), (98, [87, 57]), (91, [57]), (65, [])],
)
def test_a_night_counts_once_its_week_and_what_is_known_of_it_are_over(complete, nights):
    """A payment of the last of seven days is known three days later: of a night on day 90, by day 99."""
    assert a_week_apart([57, 83, 87, 90], [57], {"": complete}) == nights


def test_former_nights_read_one_at_a_time_tell_what_all_rows_at_once_tell():
    chance = np.random.default_rng(4)
    rows = pd.DataFrame(dict.fromkeys(ASSIGNED, 0), index=range(400)).assign(
        account_id=[f"a{number % 40}" for number in range(400)],
        debtor_id=[f"d{number % 40 // 2}" for number in range(400)],
        as_of=np.repeat(np.arange(10) * 5, 40).astype(np.int32),
        group=chance.choice(["worklist", "held_out"], 400),
        arm=np.repeat(chance.choice(["", "worked", "control"], 200), 2),
        assigned_on=chance.integers(0, 3, 400) * 5,
    )[list(ASSIGNED)]
    former = nights_of(Remembering(rows), 45)
    assert former == list(range(0, 45, 5))
    found = _earlier(Remembering(rows), former, {20, 25}, {0, 5, 10, 15, 20, 25}, {10, 30})
    before = rows[rows["as_of"] < 45]
    mature = before[before["as_of"] <= 25]
    wanted = mature[mature["as_of"].isin([20, 25]) | (mature["as_of"] == mature["assigned_on"])]
    pd.testing.assert_frame_equal(found.judged, wanted.reset_index(drop=True))
    weekly = before.loc[before["as_of"].isin([10, 30]), list(found.weekly)]
    pd.testing.assert_frame_equal(found.weekly, weekly.reset_index(drop=True))
    pd.testing.assert_frame_equal(_arms(found.armed), _arms(before))
    assert len(found.armed) == len(_arms(before)) < len(before) / 8
