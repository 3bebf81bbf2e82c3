"""Payments within a week of former nights, as the monitor reads them from the store, against the delivered receipts."""

from __future__ import annotations

import csv
import datetime as dt
import gzip

import pytest

from features.days import date_of
from pipeline.outcomes.model_findings import EARLY_DAYS
from pipeline.outcomes.monitor import a_week_apart, look_back
from pipeline.params import load
from tests.worlds.houses import NIGHTS


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
