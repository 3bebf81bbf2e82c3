"""What a payment is worth as known."""

from __future__ import annotations

from functools import partial

import numpy as np
from hypothesis import given, settings

from features.settlements import SETTLEMENT_KINDS, debtors_of, net_known, settlements
from features.tables import numbered
from features.versions import arranged
from tests.judges.oracle_ledger import net, number_of
from tests.worlds.worlds import World, nights, small_worlds


@settings(max_examples=20, deadline=None)
@given(small_worlds, nights)
def test_settlements_are_worth_their_net_as_known(world: World, night: int):
    tables = world.tables()
    accounts = np.unique(tables["accounts"]["account_no"].to_numpy())
    owner = partial(debtors_of, arranged(tables["accounts"], "accounts"), accounts)
    found = settlements(tables.get("payments"), accounts, owner)
    for held, is_whole in ((found, True), (found.lines, False)):
        rows = [row for row in world.rows.get("payments", []) if row["kind"] != "reversal"]
        sums: dict[tuple, list[dict]] = {}
        for row in rows:  # a receipt is one payment of an account, however many lines it has
            line = row["account_no"], row["occurred_at"], row["payment_id"], row["known_at"]
            sums.setdefault(line if is_whole else (*line, row["charge_id"]), []).append(row)
        told = sorted(
            (
                *line[:2],
                number_of(line[2]),
                sum(row["amount"] for row in of_it),
                SETTLEMENT_KINDS.index(of_it[0]["kind"]),
                sum(net(row, world.rows, night) for row in of_it) if of_it[0]["known_on"] < night else 0,
            )
            for line, of_it in sums.items()
        )
        numbers = held.payments["payment_no"].to_numpy() if "payment_no" in held.payments else None
        numbers = numbered(held.payments, "payment_id", "payments") if numbers is None else numbers
        columns = (
            held.accounts[held.position],
            held.occurred_at,
            numbers[held.row],
            held.amount,
            held.kind,
            net_known(held, night),
        )
        assert sorted(zip(*(values.tolist() for values in columns), strict=True)) == told
