"""SQL text that tells the lines of receipts: repeated, replaced by a later set, in conflict with one, moved to another
debtor of one person; of which receipt a part waits; and what reversals and charges they name.

It expects the tables of sql.py: standing_payments, known_accounts, persons, known_charges, and stored_payments where
the store has rows; waiting_lines where its quarantine has payments; many_payments, receipt_sets, receipts_judged and
all_payments are made from what stands here.
"""

from __future__ import annotations

from pipeline.intake.quarantine import Code
from pipeline.intake.sql import maybe_repeated

# Receipts: the lines of one payment_id and debtor that are known at one time are a set; a later set with the same sum
# replaces it. Sets within a millisecond are of one time, and follow each other as they were delivered.
ONE_TIME = 1000
_LINE = ("account_no", "charge_id", "occurred_at", "amount", "kind", "reverses")
# What a later set of lines may change is where the money goes.
FIXED = {"amount": "total", "kind": "kinds", "occurred_at": "times", "reverses": "targets"}

# Lines of a receipt of which another is set aside: half of it would be a receipt of another sum, which nothing mends.
# A line of an account that nobody knows is of the receipt only where one debtor alone has the number.
_TIMED = Code.TS_FORMAT.bit | Code.TS_NAIVE.bit | Code.TS_KNOWN_BEFORE_EVENT.bit | Code.TS_FUTURE.bit
PARTS = f"""
WITH aside AS (SELECT payment_id, account_no, known_at, r.mask | coalesce(l.mask, 0) AS mask
    FROM read_payments r LEFT JOIN left_payments l USING (rid) WHERE r.mask <> 0 OR coalesce(l.mask, 0) <> 0),
owners AS (SELECT payment_id FROM read_payments SEMI JOIN aside USING (payment_id)
    JOIN known_accounts USING (account_no) GROUP BY payment_id HAVING count(DISTINCT debtor_id) = 1)
SELECT DISTINCT s.rid, {Code.RECEIPT_PART.bit} AS mask FROM standing_payments s JOIN aside a USING (payment_id)
    JOIN known_accounts k ON k.account_no = s.account_no LEFT JOIN known_accounts o ON o.account_no = a.account_no
    LEFT JOIN owners w ON w.payment_id = s.payment_id
WHERE (o.debtor_id = k.debtor_id OR (o.debtor_id IS NULL AND w.payment_id IS NOT NULL))
    AND (a.known_at IS NULL OR a.mask & {_TIMED} <> 0 OR abs(a.known_at - s.known_at) < {ONE_TIME})"""


def waiting_parts(stored: bool) -> str:
    """Lines of receipts that wait since earlier deliveries, where fewer come than one of those set aside.

    A receipt that the store holds is measured by its sum there; no part of it gets in.
    """
    held = "SELECT payment_id, debtor_id FROM stored_payments JOIN known_accounts USING (account_no)"
    none = "SELECT payment_id, debtor_id FROM brought WHERE false"
    return f"""
WITH brought AS (SELECT payment_id, debtor_id, known_at, count(DISTINCT row(account_no, charge_id)) AS lines
    FROM standing_payments SEMI JOIN waiting_lines USING (payment_id) JOIN known_accounts USING (account_no)
    GROUP BY ALL),
held AS ({held + " SEMI JOIN brought USING (payment_id)" if stored else none}),
waiting AS (SELECT w.*, k.debtor_id FROM waiting_lines w SEMI JOIN brought USING (payment_id)
    LEFT JOIN known_accounts k USING (account_no)),
owners AS (SELECT payment_id, min(debtor_id) AS owner FROM (SELECT payment_id, debtor_id FROM waiting
    UNION ALL SELECT payment_id, debtor_id FROM brought UNION ALL FROM held)
    GROUP BY payment_id HAVING count(DISTINCT debtor_id) = 1),
owned AS (SELECT w.payment_id, coalesce(w.debtor_id, o.owner) AS debtor_id, ingest_id, known,
        count(DISTINCT line) AS lines FROM waiting w LEFT JOIN owners o USING (payment_id) GROUP BY ALL),
together AS (SELECT payment_id, debtor_id, coalesce(max(lines) FILTER (known IS NOT NULL), 0)
        + coalesce(sum(lines) FILTER (known IS NULL), 0) AS lines FROM owned GROUP BY payment_id, debtor_id, ingest_id),
short AS (SELECT b.payment_id, b.debtor_id, b.known_at FROM brought b JOIN together t USING (payment_id, debtor_id)
    ANTI JOIN held USING (payment_id, debtor_id) GROUP BY ALL HAVING max(b.lines) < max(t.lines))
SELECT s.rid, {Code.RECEIPT_PART.bit} AS mask FROM standing_payments s JOIN known_accounts k USING (account_no)
    SEMI JOIN short h ON h.payment_id = s.payment_id AND h.debtor_id = k.debtor_id AND h.known_at = s.known_at"""


# many_payments: all rows that stand and share their id with others that do, a table of its own: few beside all rows.
MANY = f"SELECT * FROM {maybe_repeated('payments')}"
_STILL_MANY = "(SELECT * FROM many_payments ANTI JOIN left_payments USING (rid))"

REPEATED_LINES = f"""
WITH lines AS (SELECT rid, min(rid) OVER (PARTITION BY payment_id, {", ".join(_LINE)}, known_at) AS first
    FROM {_STILL_MANY})
SELECT rid, 0 AS mask FROM lines WHERE rid <> first"""


def receipt_sets(stored: bool) -> str:
    """receipt_sets: every set of the receipts that have several rows, with its lines and what may not change;
    turn 0 is the store's.
    """
    columns = "payment_id, account_no, charge_id, occurred_at, amount, kind, reverses, known_at"
    ids = [f"SELECT payment_id FROM {_STILL_MANY} GROUP BY payment_id HAVING count(*) > 1"]
    among = "standing_payments" if stored else _STILL_MANY
    rows = [f"SELECT 1 AS turn, rid, defaulted, {columns} FROM {among} SEMI JOIN ids USING (payment_id)"]
    if stored:
        ids.append("SELECT payment_id FROM standing_payments SEMI JOIN stored_payments USING (payment_id)")
        rows.append(f"SELECT 0, NULL, false, {columns} FROM stored_payments SEMI JOIN ids USING (payment_id)")
    return f"""
WITH ids AS ({" UNION ".join(ids)}),
rows AS ({" UNION ALL ".join(rows)}),
owned AS (SELECT r.*, k.debtor_id FROM rows r JOIN known_accounts k USING (account_no))
SELECT payment_id, debtor_id, turn, known_at, list(rid) AS rids, bool_and(defaulted) AS defaulted,
    list({{'account': account_no, 'charge': coalesce(charge_id, ''), 'amount': amount, 'kind': kind,
        'time': occurred_at, 'target': coalesce(reverses, '')}}) AS lines,
    count(*) <> count(DISTINCT row(account_no, charge_id)) AS clash,
    sum(amount) AS total, list_sort(list(DISTINCT kind)) AS kinds, list_sort(list(DISTINCT occurred_at)) AS times,
    list_sort(list(DISTINCT coalesce(reverses, ''))) AS targets
FROM owned GROUP BY payment_id, debtor_id, turn, known_at"""


# Each delivered set beside the one it is measured by: the store's in force at its time, else the store's first; without
# one in the store, the first delivered. same: its lines are there already. bump: what makes it the later of one time.
RECEIPTS = f"""
WITH held AS (SELECT * FROM receipt_sets WHERE turn = 0),
before AS (SELECT n.payment_id, n.debtor_id, n.known_at,
        max(h.known_at) FILTER (h.known_at < n.known_at + {ONE_TIME}) AS last_before,
        min(h.known_at) AS first, min(h.known_at) FILTER (h.known_at >= n.known_at + {ONE_TIME}) AS next,
        count(*) FILTER (h.known_at >= n.known_at AND h.known_at < n.known_at + {ONE_TIME}) AS bump,
        coalesce(bool_or(list_has_all(h.lines, n.lines)), false) AS anywhere
    FROM receipt_sets n JOIN held h USING (payment_id, debtor_id) WHERE n.turn = 1
    GROUP BY n.payment_id, n.debtor_id, n.known_at),
first AS (SELECT payment_id, debtor_id, min(known_at) AS first FROM receipt_sets WHERE turn = 1 GROUP BY ALL),
told AS (SELECT n.*, b.bump, coalesce(b.anywhere, false) AS anywhere, b.next,
        CASE WHEN b.first IS NULL THEN 1 ELSE 0 END AS measured_turn,
        coalesce(b.last_before, b.first, f.first) AS measured_at
    FROM receipt_sets n LEFT JOIN before b USING (payment_id, debtor_id, known_at)
    JOIN first f USING (payment_id, debtor_id) WHERE n.turn = 1),
measured AS (SELECT t.*, m.total AS held_total, m.kinds AS held_kinds, m.times AS held_times,
        m.targets AS held_targets,
        (list_has_all(m.lines, t.lines) AND (measured_turn = 0 OR m.known_at <> t.known_at))
            OR (t.defaulted AND t.anywhere) OR coalesce(list_has_all(x.lines, t.lines), false) AS same
    FROM told t JOIN receipt_sets m ON m.payment_id = t.payment_id AND m.debtor_id = t.debtor_id
        AND m.turn = t.measured_turn AND m.known_at = t.measured_at
    LEFT JOIN held x ON x.payment_id = t.payment_id AND x.debtor_id = t.debtor_id AND x.known_at = t.next),
judged AS (SELECT *, clash AS has_clash, measured_at <> known_at OR measured_turn = 0 AS is_later,
        {" OR ".join(f"{name} IS DISTINCT FROM held_{name}" for name in FIXED.values())} AS differs
    FROM measured)
SELECT payment_id, debtor_id, rids, same AND NOT has_clash AS same, coalesce(bump, 0) AS bump,
    has_clash OR (NOT same AND (differs OR (is_later AND list_contains(kinds, 'reversal')))) AS conflict,
    {", ".join(f"{name} IS DISTINCT FROM held_{name} AS other_{name}" for name in FIXED.values())}
FROM judged"""

# Where nothing in the store says which of a receipt's sets is right, none of those delivered together is.
RECEIPTS_LEFT_OUT = f"""
WITH contested AS (SELECT payment_id, debtor_id FROM receipts_judged r WHERE conflict
    AND NOT EXISTS (SELECT 1 FROM receipt_sets h WHERE h.turn = 0 AND h.payment_id = r.payment_id
        AND h.debtor_id = r.debtor_id))
SELECT unnest(r.rids) AS rid,
    CASE WHEN r.conflict OR c.payment_id IS NOT NULL THEN {Code.DUP_CONFLICT.bit} ELSE 0 END AS mask
FROM receipts_judged r LEFT JOIN contested c USING (payment_id, debtor_id)
WHERE r.conflict OR r.same OR c.payment_id IS NOT NULL"""

RECEIPTS_LATER = """
UPDATE read_payments SET known_at = known_at + b.bump
FROM (SELECT unnest(rids) AS rid, bump FROM receipts_judged WHERE NOT conflict AND NOT same AND bump > 0) b
WHERE read_payments.rid = b.rid"""

RECEIPTS_DIFFER = (
    "SELECT "
    + ", ".join(f"coalesce(bool_or(other_{name}), false)" for name in FIXED.values())
    + " FROM receipts_judged WHERE conflict"
)


def moved_receipts(stored: bool) -> str:
    """Lines that bring a receipt to an account of one debtor after it was on one of another, when both are one person:
    the ledger knows a receipt within the debtor that its account was delivered with, so both would count.
    """
    columns = "payment_id, account_no, occurred_at, known_at, kind"
    rows = [f"SELECT rid, {columns} FROM standing_payments"]
    rows += [f"SELECT NULL, {columns} FROM stored_payments"] if stored else []
    return f"""
WITH owned AS (SELECT r.*, k.debtor_id, p.person FROM ({" UNION ALL ".join(rows)}) r
    JOIN known_accounts k USING (account_no) JOIN persons p USING (debtor_id) WHERE r.kind <> 'reversal')
SELECT DISTINCT n.rid, {Code.DUP_CONFLICT.bit} AS mask FROM owned n JOIN owned h ON h.payment_id = n.payment_id
    AND h.person = n.person AND h.debtor_id <> n.debtor_id AND h.occurred_at = n.occurred_at
    AND h.known_at < n.known_at - {ONE_TIME}
WHERE n.rid IS NOT NULL AND NOT EXISTS (SELECT 1 FROM owned o WHERE o.payment_id = n.payment_id
    AND o.debtor_id = n.debtor_id AND o.known_at < n.known_at - {ONE_TIME})"""


UNKNOWN_CHARGES = """
SELECT count(*) FROM standing_payments p WHERE charge_id IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM known_charges c WHERE c.account_no = p.account_no AND c.charge_id = p.charge_id)"""

REVERSALS = f"""
WITH new AS (SELECT n.rid, n.reverses, n.account_no, k.debtor_id FROM standing_payments n
    JOIN known_accounts k USING (account_no) WHERE n.kind = 'reversal'),
named AS (SELECT DISTINCT reverses, debtor_id FROM new),
lines AS (SELECT a.payment_id, k.debtor_id, a.known_at, sum(a.amount) AS amount, list(a.account_no) AS accounts
    FROM all_payments a JOIN known_accounts k USING (account_no)
    JOIN named m ON m.reverses = a.payment_id AND m.debtor_id = k.debtor_id WHERE a.kind <> 'reversal' GROUP BY ALL),
targets AS (SELECT payment_id, debtor_id, max(amount) AS amount, flatten(list(accounts)) AS accounts
    FROM lines GROUP BY ALL),
taken AS (SELECT a.reverses, k.debtor_id, sum(a.amount) AS taken
    FROM all_payments a JOIN known_accounts k USING (account_no)
    JOIN named m ON m.reverses = a.reverses AND m.debtor_id = k.debtor_id WHERE a.kind = 'reversal' GROUP BY ALL)
SELECT rid, CASE WHEN t.payment_id IS NULL THEN {Code.REV_ORPHAN.bit} ELSE {Code.REV_EXCESS.bit} END AS mask
FROM new n LEFT JOIN targets t ON t.payment_id = n.reverses AND t.debtor_id = n.debtor_id
    AND list_contains(t.accounts, n.account_no)
LEFT JOIN taken k ON k.reverses = n.reverses AND k.debtor_id = n.debtor_id
WHERE t.payment_id IS NULL OR k.taken > t.amount"""


def all_payments(stored: bool) -> str:
    columns = "payment_id, account_no, amount, kind, reverses, known_at"
    return f"SELECT {columns} FROM standing_payments" + (
        f" UNION ALL SELECT {columns} FROM stored_payments" if stored else ""
    )
