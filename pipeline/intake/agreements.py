"""SQL text that judges plans and placements beside the others of their account: what no single row shows by itself.

The statements expect what pipeline.intake.sql names: standing_NAME, and stored_NAME where the store has rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.intake.casting import among
from pipeline.intake.quarantine import Code


def _rows(name: str, columns: str, stored: bool) -> str:
    """Rows that stand and those of the store (rid NULL), of accounts that have one that stands."""
    told = [f"SELECT rid, {columns} FROM standing_{name}"]
    told += [f"SELECT NULL AS rid, {columns} FROM stored_{name}"] if stored else []
    return f"SELECT * FROM ({' UNION ALL '.join(told)}) SEMI JOIN standing_{name} USING (account_no)"


def plan_sums(stored: bool) -> str:
    """rid and mask of the rows of plans whose instalments, as last told, do not add up to the total, or whose rows
    differ in total or day.
    """
    newest = ", ".join(f"arg_max({name}, known_at) AS {name}" for name in ("agreed_on", "total", "amount"))
    return f"""
WITH rows AS ({_rows("plans", "account_no, plan_id, due_on, agreed_on, total, amount, known_at", stored)}),
newest AS (SELECT account_no, plan_id, due_on, {newest} FROM rows GROUP BY account_no, plan_id, due_on),
wrong AS (SELECT account_no, plan_id FROM newest GROUP BY ALL
    HAVING count(DISTINCT total) > 1 OR count(DISTINCT agreed_on) > 1 OR sum(amount) <> max(total))
SELECT rid, {Code.PLAN_SUM.bit} AS mask FROM standing_plans SEMI JOIN wrong USING (account_no, plan_id)"""


def placement_overlaps(stored: bool) -> str:
    """rid and mask of the rows of the first placement of each account that begins before another ends: the one that the
    store does not hold, of two such the later; where it holds both, the one that a new version changes. To be asked
    again until there is none. A recall and a new placement may share their day.
    """
    return f"""
WITH rows AS ({_rows("placements", "account_no, placement_id, placed_on, recalled_on, known_at", stored)}),
newest AS (SELECT account_no, placement_id, bool_and(rid IS NOT NULL) AS fresh, bool_or(rid IS NOT NULL) AS changed,
    arg_max(placed_on, known_at) AS begins,
    coalesce(arg_max(row(recalled_on), known_at)[1], 9999999) AS ends FROM rows GROUP BY account_no, placement_id),
pairs AS (SELECT p.account_no, q.begins, CASE WHEN q.fresh THEN q.placement_id WHEN p.fresh THEN p.placement_id
        WHEN q.changed THEN q.placement_id ELSE p.placement_id END AS placement_id
    FROM newest p JOIN newest q ON q.account_no = p.account_no
        AND (q.begins, q.placement_id) > (p.begins, p.placement_id) AND q.begins < p.ends
    WHERE p.changed OR q.changed),
first AS (SELECT account_no, arg_min(placement_id, row(begins, placement_id)) AS placement_id FROM pairs GROUP BY ALL)
SELECT rid, {Code.PLACEMENT_OVERLAP.bit} AS mask
FROM standing_placements SEMI JOIN first USING (account_no, placement_id)"""


def strange_parties(parties: Sequence[str]) -> str:
    """rid and mask of placements with a party that is not one of these."""
    return f"SELECT rid, {Code.PARTY_UNKNOWN.bit} AS mask FROM standing_placements WHERE party NOT IN {among(parties)}"
