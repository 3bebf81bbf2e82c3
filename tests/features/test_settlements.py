"""What a payment is worth as known."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings

from features.settlements import net_known, settlements
from tests.judges.oracle_ledger import net, number_of
from tests.worlds.worlds import World, nights, small_worlds


@settings(max_examples=40, deadline=None)
@given(small_worlds, nights)
def test_settlements_are_worth_their_net_as_known(world: World, night: int):
    tables = world.tables()
    accounts = np.unique(tables["accounts"]["account_no"].to_numpy())
    found = settlements(tables.get("payments"), accounts)
    rows = [row for row in world.rows.get("payments", []) if row["kind"] != "reversal"]
    rows.sort(key=lambda row: (row["account_no"], row["occurred_at"], number_of(row["payment_id"])))
    assert found.accounts[found.position].tolist() == [row["account_no"] for row in rows]
    assert found.amount.tolist() == [row["amount"] for row in rows]
    assert found.is_credit.tolist() == [row["kind"] == "credit" for row in rows]
    assert net_known(found, night).tolist() == [
        net(row, world.rows, night) if row["known_on"] < night else 0 for row in rows
    ]
    assert [found.payments["payment_id"].iloc[place] for place in found.row] == [row["payment_id"] for row in rows]
