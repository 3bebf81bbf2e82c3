"""Rows of people who were forgotten: found by the keyed hash of their ids, counted, and kept nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from features.tables import DELIVERED
from pipeline.intake.casting import literal, money_read, money_value, quoted
from pipeline.intake.delivery import DeliveredTable
from pipeline.intake.engine import Engine
from pipeline.store.forgotten import Forgotten

# What of a table says whom a row is about, and whose hashes it is held against.
IDENTITIES = {"debtor_id": "forgotten_debtors", "same_as": "forgotten_debtors", "account_id": "forgotten_accounts"}


@dataclass(frozen=True)
class Dropped:
    """Rows of a table that were dropped, their money by currency in minor units, and how many amounts of them cannot
    be read.
    """

    rows: int = 0
    money: Mapping[str, int] = field(default_factory=dict)
    unread: int = 0


class Dropping:
    """What of a delivery may not come in. Accounts must be asked for first: a new account of somebody who was forgotten
    is forgotten as well, with all that names it.
    """

    def __init__(self, engine: Engine, forgotten: Forgotten) -> None:
        self._engine, self._key, self._known = engine, literal(str(forgotten.key)), forgotten.accounts()
        engine.hand_over("forgotten_debtors", pa.table({"hash": pa.array(sorted(forgotten.debtors()), pa.string())}))
        accounts = pa.table(
            {
                "hash": pa.array(self._known, pa.string()),
                "currency": pa.array(self._known.values(), pa.string()),
            }
        )
        engine.hand_over("forgotten_accounts", accounts)

    def _hashed(self, cell: str) -> str:
        """pipeline.store.forgotten.Forgotten.hashed in SQL."""
        return f"sha256({self._key} || sha256({self._key} || {cell}))"

    def of(self, table: DeliveredTable) -> Dropped:
        """Of a table whose cells are in raw_NAME. dropped_NAME then holds rid and currency of what is dropped."""
        name = table.name
        self._engine.run(f"CREATE TABLE dropped_{name} (rid BIGINT, currency VARCHAR)")
        for column in [column for column in IDENTITIES if column in table.columns]:
            self._drop(name, column, IDENTITIES[column])
        if name == "accounts":
            self._engine.run(
                f"""INSERT INTO forgotten_accounts
                SELECT hash, any_value(currency) FROM (
                    SELECT {self._hashed("trim(w.account_id)")} AS hash, d.currency
                    FROM raw_accounts w JOIN dropped_accounts d ON w.rid = d.rid WHERE w.account_id IS NOT NULL)
                WHERE hash NOT IN (SELECT hash FROM forgotten_accounts) GROUP BY hash"""
            )
        rows = self._engine.count(f"dropped_{name}")
        money = DELIVERED[name].money
        if not rows or money is None or money not in table.columns:
            return Dropped(rows)
        sums = self._engine.rows(
            f"""SELECT currency, sum(amount), count(*) FILTER (amount IS NULL)
                FROM (SELECT currency, {money_value("read")} AS amount
                FROM (SELECT currency, {money_read("cell")} AS read FROM (SELECT *, false AS cell_plain FROM (
                SELECT d.currency, m.decimals, nullif(trim({quoted(money)}), '') AS cell
                FROM raw_{name} w JOIN dropped_{name} d ON w.rid = d.rid
                LEFT JOIN currencies m ON m.code = d.currency) WHERE cell IS NOT NULL))) GROUP BY ALL"""
        )
        found = {currency: int(total) for currency, total, _ in sums if currency is not None and total is not None}
        return Dropped(rows, found, sum(unread for _, _, unread in sums))

    def _drop(self, name: str, column: str, hashes: str) -> None:
        known = "h.currency" if hashes == "forgotten_accounts" else "NULL"
        currency = "nullif(trim(w.currency), '')" if name == "accounts" else known
        self._engine.run(
            f"""INSERT INTO dropped_{name} SELECT w.rid, any_value({currency}) FROM raw_{name} w
            JOIN (SELECT DISTINCT {quoted(column)} AS cell FROM raw_{name}) c ON w.{quoted(column)} = c.cell
            JOIN {hashes} h ON h.hash = {self._hashed("trim(c.cell)")}
            WHERE w.rid NOT IN (SELECT rid FROM dropped_{name}) GROUP BY w.rid"""
        )

    def met(self) -> dict[str, str | None]:
        """Accounts of people who were forgotten that came with this delivery for the first time: hash -> currency."""
        held = dict(self._engine.rows("SELECT hash, currency FROM forgotten_accounts ORDER BY hash"))
        return {one: currency for one, currency in held.items() if one not in self._known}
