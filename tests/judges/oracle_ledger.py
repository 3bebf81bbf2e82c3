"""The judge of ledger, cohort and labels: plain loops over a world's rows, straight from the words of the contract.
Slow and obvious.

Takes `world.rows` (lists of dictionaries in the inner form). Nothing here is shared with features/ but the meaning of
an empty cell.
"""

from __future__ import annotations

import hashlib
from fractions import Fraction

from features.tables import NO_DAY
from features.terms import LabelTerms, Terms


def rows_of(rows: dict, table: str, account_id: str) -> list[dict]:
    return [row for row in rows.get(table, []) if row["account_id"] == account_id]


def in_force(candidates: list[dict], key: tuple[str, ...], day: int) -> list[dict]:
    """The last version of each key known before the day."""
    last = {}
    for row in sorted(candidates, key=lambda row: row["known_at"]):
        if row["known_on"] < day:
            last[tuple(row[column] for column in key)] = row
    return list(last.values())


def net(payment: dict, rows: dict, day: int) -> int:
    """A payment less its own reversals, as known before the day."""
    taken_back = sum(
        row["amount"]
        for row in rows_of(rows, "payments", payment["account_id"])
        if row["kind"] == "reversal" and row["reverses"] == payment["payment_id"] and row["known_on"] < day
    )
    return max(0, payment["amount"] - taken_back)


def taken_back_after(payment: dict, rows: dict, taken_on: int, day: int) -> int:
    """What reversals dated after a statement took back, of those known before the day;
    never more than earlier ones left.
    """
    named = [
        row for row in rows_of(rows, "payments", payment["account_id"])
        if row["kind"] == "reversal" and row["reverses"] == payment["payment_id"] and row["known_on"] < day
    ]  # fmt: skip
    left, after = payment["amount"], 0
    for row in sorted(named, key=lambda row: (row["known_at"], row["amount"], row["occurred_at"])):
        part = min(row["amount"], left)
        left -= part
        after += part if row["occurred_on"] > taken_on else 0
    return after


def settled_by(rows: dict, account_id: str, day: int) -> list[tuple[dict, int]]:
    """Payments and credits known before the day, with what they are then worth."""
    return [
        (row, net(row, rows, day))
        for row in rows_of(rows, "payments", account_id)
        if row["kind"] != "reversal" and row["known_on"] < day and row["occurred_on"] < day
    ]


def first_known_on(charge: dict, rows: dict) -> int:
    versions = [
        row for row in rows_of(rows, "charges", charge["account_id"]) if row["charge_id"] == charge["charge_id"]
    ]
    return min(versions, key=lambda row: row["known_at"])["known_on"]


def account_row(rows: dict, account_id: str, day: int) -> dict | None:
    known = in_force(rows_of(rows, "accounts", account_id), ("account_id",), day)
    return known[0] if known else None


def figures(rows: dict, account_id: str, day: int, terms: Terms) -> tuple[int, int, int]:
    """balance, arrears, days past due of one account for one night."""
    charges = in_force(rows_of(rows, "charges", account_id), ("charge_id",), day)
    taken = [row for row in rows_of(rows, "balances", account_id) if row["taken_on"] < day]
    statements = in_force(taken, ("taken_on",), day)
    payments = settled_by(rows, account_id, day)
    if statements:
        balance, overdue = _after_statement(
            max(statements, key=lambda row: row["taken_on"]), charges, payments, rows, day
        )
    else:
        balance, overdue = _derived(charges, payments, day)
    arrears = sum(unpaid for _, unpaid in overdue)
    dated = [since for since, unpaid in overdue if unpaid > 0 and since is not None]
    # Before the account itself is known its first row tells the tolerance.
    account = account_row(rows, account_id, day) or min(
        rows_of(rows, "accounts", account_id), key=lambda row: row["known_at"]
    )
    tolerance = terms.dpd_tolerance.get((account["portfolio"], account["currency"]), 0)
    days_past_due = day - min(dated) if dated and arrears > tolerance else 0
    return balance, arrears, days_past_due


def _derived(charges: list[dict], payments: list[tuple[dict, int]], day: int) -> tuple[int, list]:
    balance = sum(row["amount"] for row in charges) - sum(worth for _, worth in payments)
    unpaid = {row["charge_id"]: max(0, row["amount"]) for row in charges}
    pool = 0
    for row, worth in payments:
        if row["charge_id"] in unpaid:
            settles = min(worth, unpaid[row["charge_id"]])
            unpaid[row["charge_id"]] -= settles
            worth -= settles
        pool += worth
    return balance, _oldest_first(charges, unpaid, pool + _adjusted(charges, day), day)


def _after_statement(
    statement: dict, charges: list[dict], payments: list[tuple[dict, int]], rows: dict, day: int
) -> tuple[int, list]:
    taken_on = statement["taken_on"]
    later = []
    for row in charges:
        issued_on = row["issued_on"] if row["issued_on"] != NO_DAY else first_known_on(row, rows)
        later += [row] if issued_on > taken_on else []
    after = [(row, worth) for row, worth in payments if row["occurred_on"] > taken_on]
    before = [(row, worth) for row, worth in payments if row["occurred_on"] <= taken_on]
    pool = sum(worth for _, worth in after)
    balance = statement["balance"] - pool + sum(row["amount"] for row in later)
    falling_due = [row for row in charges if row["due_on"] >= taken_on or row in later]
    unpaid = {row["charge_id"]: max(0, row["amount"]) for row in falling_due}
    for row, worth in before:
        if row["charge_id"] in unpaid:
            unpaid[row["charge_id"]] = max(0, unpaid[row["charge_id"]] - worth)
    reopened, reopened_since = 0, []
    for row, worth in before:
        back = taken_back_after(row, rows, taken_on, day)
        balance += back
        named = [charge for charge in charges if charge["charge_id"] == row["charge_id"]]
        if named and named[0] in falling_due:  # open again by itself, but for what was paid beyond it
            seen = worth + back
            surplus = max(0, seen - max(0, named[0]["amount"])) - max(0, worth - max(0, named[0]["amount"]))
            reopened += surplus
            reopened_since += [row["occurred_on"]] if surplus else []
        elif back:
            reopened += back
            reopened_since.append(named[0]["due_on"] if named else row["occurred_on"])
    pool += _adjusted(falling_due, day)
    stated = max(0, statement["arrears"])
    settles = min(stated, pool)
    since = taken_on - statement["days_past_due"] if statement["days_past_due"] > 0 else None
    again = min(reopened, pool - settles)
    overdue = [(since, stated - settles), (min(reopened_since, default=None), reopened - again)]
    overdue += _oldest_first(falling_due, unpaid, pool - settles - again, day)
    # Beyond what is stated no more can be due than is owed. What is left out keeps its day:
    # which charge was paid is not known.
    too_much = max(0, sum(left for _, left in overdue) - max(0, balance, stated - pool))
    return balance, [*overdue, (None, -too_much)]


def _adjusted(charges: list[dict], day: int) -> int:
    """What negative adjustments settle, each once its day is past."""
    return sum(-row["amount"] for row in charges if row["amount"] < 0 and row["due_on"] < day)


def _oldest_first(charges: list[dict], unpaid: dict, pool: int, day: int) -> list[tuple[int, int]]:
    """(due day, still unpaid) of the charges due before the day, once the pool has settled the oldest."""
    due = sorted((row for row in charges if row["due_on"] < day), key=lambda row: (row["due_on"], row["charge_id"]))
    overdue = []
    for row in due:
        settles = min(pool, unpaid[row["charge_id"]])
        pool -= settles
        overdue.append((row["due_on"], unpaid[row["charge_id"]] - settles))
    return overdue


def statuses_in_force(rows: dict, account_id: str, day: int) -> set[str]:
    known = in_force(rows_of(rows, "statuses", account_id), ("status", "from_on"), day)
    return {
        row["status"]
        for row in known
        if row["from_on"] <= day and (row["until_on"] == NO_DAY or row["until_on"] >= day)
    }


def reason(rows: dict, account_id: str, day: int, terms: Terms) -> str | None:
    """Why an account is scorable, or not; None while it is not known."""
    account = account_row(rows, account_id, day)
    if account is None:
        return None
    stopped = statuses_in_force(rows, account_id, day)
    for status in ("closed", "sold", "agency"):
        if status in stopped:
            return status
    balance, arrears, _ = figures(rows, account_id, day, terms)
    if balance <= 0:
        return "no_balance"
    placed = account["placed_on"] != NO_DAY and account["placed_on"] < day
    return "scorable" if arrears > 0 or placed else "not_due"


def worst(rows: dict, account_id: str, first: int, last: int, terms: Terms) -> int:
    """The largest days past due as it was known on each day, both ends included."""
    return max((figures(rows, account_id, day, terms)[2] for day in range(first, last + 1)), default=0)


def times_reaching(rows: dict, account_id: str, first: int, last: int, threshold: int, terms: Terms) -> int:
    """How often days past due rose from below the threshold to it."""
    past_due = [figures(rows, account_id, day, terms)[2] for day in range(first - 1, last + 1)]
    return sum(1 for before, now in zip(past_due, past_due[1:], strict=False) if before < threshold <= now)


def cures(rows: dict, account_id: str, first: int, last: int, terms: Terms) -> list[int]:
    """The days on which days past due fell back to 0 because money had become known the day before."""
    found = []
    for day in range(first, last + 1):
        fell = figures(rows, account_id, day - 1, terms)[2] > 0 and figures(rows, account_id, day, terms)[2] == 0
        news = any(
            max(row["known_on"], row["occurred_on"]) == day - 1 and worth > 0
            for row, worth in settled_by(rows, account_id, day)
        )
        found += [day] if fell and news else []
    return found


def labels(
    rows: dict,
    account_id: str,
    day: int,
    terms: Terms,
    label: LabelTerms,
    complete_through: int,
    decimals: dict[str, int],
) -> dict[str, object]:
    """recovered, recovered_amount, defaulted (None where missing) and the two reasons for missing,
    of one scorable account and night.
    """
    horizon, matured = day + label.horizon_days, day + label.horizon_days + label.maturity_days
    default_horizon = day + label.default_horizon_days
    default_matured = default_horizon + label.maturity_days
    balance, _, days_past_due = figures(rows, account_id, day, terms)
    account = account_row(rows, account_id, day)
    found = {
        "recovered": None,
        "recovered_amount": None,
        "defaulted": None,
        "recovered_missing": "",
        "defaulted_missing": "",
    }

    found["recovered_missing"] = _unobservable(rows, account_id, day, horizon, matured, complete_through)
    if not found["recovered_missing"]:
        paid = 0
        for row in rows_of(rows, "payments", account_id):
            if row["kind"] == "payment" and day <= row["occurred_on"] < horizon and row["known_on"] < matured:
                paid += net(row, rows, matured)
        paid = min(paid, balance)
        least = max(
            Fraction(1),
            Fraction(str(label.min_amount)) * 10 ** decimals[account["currency"]],
            Fraction(str(label.min_share)) * balance,
        )
        found["recovered_amount"], found["recovered"] = paid, int(paid >= least)

    found["defaulted_missing"] = _unobservable(
        rows, account_id, day, default_horizon, default_matured, complete_through
    )
    if found["defaulted_missing"] != "not_delivered" and (
        days_past_due >= label.default_dpd or statuses_in_force(rows, account_id, day) & {"default", "charged_off"}
    ):
        found["defaulted_missing"] = "in_default"
    if not found["defaulted_missing"]:
        begun = [
            row
            for row in rows_of(rows, "statuses", account_id)
            if row["status"] in ("default", "charged_off")
            and day <= row["from_on"] < default_horizon
            and row["known_on"] < default_matured
        ]
        reached = worst(rows, account_id, day, default_horizon - 1, terms) >= label.default_dpd
        found["defaulted"] = int(bool(begun) or reached)
    return found


def _unobservable(rows: dict, account_id: str, day: int, end: int, matured: int, complete_through: int) -> str:
    if "payments" not in rows:
        return "not_delivered"
    if matured > complete_through:
        return "immature"
    gone = set()
    statuses, ever = rows_of(rows, "statuses", account_id), max(matured, complete_through + 1)
    known = [row for row in in_force(statuses, ("status", "from_on"), matured) if row["status"] != "outcome_unknown"]
    known += [row for row in in_force(statuses, ("status", "from_on"), ever) if row["status"] == "outcome_unknown"]
    for row in known:
        if row["from_on"] < end and (row["until_on"] == NO_DAY or row["until_on"] >= day):
            recalled = row["status"] == "closed" and row["detail"] == "recalled"
            gone.add("recalled" if recalled else row["status"])
    for status in ("sold", "recalled", "outcome_unknown", "agency"):
        if status in gone:
            return status
    return ""


def number_of(text: str) -> int:
    """The first 63 bits of the id's md5: rows of one account and instant stand in this order."""
    return int(hashlib.md5(text.encode()).hexdigest()[:16], 16) >> 1
