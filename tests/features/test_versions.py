"""Which version of a row is in force on a day."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings

from features import versions
from features.tables import NEVER
from features.versions import is_last_known, superseded_on
from tests.worlds.worlds import World, nights, worlds


@settings(max_examples=20, deadline=None)
@given(worlds(), nights)
def test_versions_is_last_known_are_the_last_known(world: World, night: int):
    keys = {
        "charges": "charge_id",
        "balances": "taken_on",
        "contacts": "contact_id",
        "statuses": "status",
        "accounts": "account_id",
    }
    for table, part in keys.items():
        if table not in world.rows:
            continue
        frame, key = world.tables()[table], ["account_no", part] + (["from_on"] if table == "statuses" else [])
        last = {}
        for row in sorted(world.rows[table], key=lambda row: row["known_at"]):
            if row["known_on"] < night:
                last[tuple(row[name] for name in key)] = row["known_at"]
        held = frame[is_last_known(frame["known_on"].to_numpy(), superseded_on(frame, key, table), night)]
        assert dict(zip(held[key].itertuples(index=False, name=None), held["known_at"], strict=True)) == last


def test_versions_of_an_account_with_hundreds_of_rows():
    draw = np.random.default_rng(3)
    known_on = draw.permutation(400).astype(np.int32)
    frame = pd.DataFrame(
        {
            "account_no": 7,
            "charge_id": [f"c{number}" for number in draw.integers(0, 40, 400)],
            "known_at": known_on * 10,
            "known_on": known_on,
        }
    )
    found = superseded_on(frame, ["account_no", "charge_id"])
    for charge_id, rows in frame.assign(found=found).groupby("charge_id"):
        ordered = rows.sort_values("known_on")
        assert ordered["found"].tolist() == [*ordered["known_on"].tolist()[1:], NEVER], charge_id


def test_two_keys_with_one_hash_stay_two(monkeypatch):
    calls = []

    def colliding_at_first(values, hashes):
        calls.append(1)
        hashes[:] = 5
        if len(calls) > 1:
            whole_hash(values, hashes)

    whole_hash = versions._hash_numbers
    monkeypatch.setattr(versions, "_hash_numbers", colliding_at_first)
    frame = pd.DataFrame(
        {"account_no": [7, 7, 7], "charge_id": ["x", "y", "x"], "known_at": [1, 2, 3], "known_on": [1, 2, 3]}
    )
    assert superseded_on(frame, ["account_no", "charge_id"]).tolist() == [3, NEVER, NEVER]
    assert len(calls) == 2
