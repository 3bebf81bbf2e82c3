"""The judge of ledger, cohort and labels: plain loops over a world's rows, straight from the words of the contract.
Slow and obvious.

Takes `world.rows` (lists of dictionaries in the inner form). Nothing here is shared with features/ but the meaning of
an empty cell.
"""

from __future__ import annotations

import hashlib
from fractions import Fraction

from features.tables import NO_DAY
from features.terms import LabelTerms, Terms, WatchTerms

STATUS_KEY = ("status", "from_on", "charge_id")


def rows_of(rows: dict, table: str, account_id: str) -> list[dict]:
    return [row for row in rows.get(table, []) if row["account_id"] == account_id]


def in_force(candidates: list[dict], key: tuple[str, ...], day: int) -> list[dict]:
    """The last version of each key known before the day."""
    last = {}
    for row in sorted(candidates, key=lambda row: row["known_at"]):
        if row["known_on"] < day:
            last[tuple(row[column] for column in key)] = row
    return list(last.values())


def of_the_debtor(rows: dict, account_id: str) -> list[dict]:
    """The payments of all accounts of the account's debtor."""
    owner = {row["account_id"]: row["debtor_id"] for row in rows["accounts"]}
    return [row for row in rows.get("payments", []) if owner.get(row["account_id"]) == owner.get(account_id)]


def set_of(line: dict, rows: dict) -> list[dict]:
    """The lines of a receipt that became known together."""
    return [
        row
        for row in of_the_debtor(rows, line["account_id"])
        if row["kind"] != "reversal" and row["payment_id"] == line["payment_id"] and row["known_at"] == line["known_at"]
    ]


def is_replaced(line: dict, rows: dict, day: int) -> bool:
    """Whether a later set of lines of the same receipt is known before the day."""
    return any(
        row["payment_id"] == line["payment_id"] and row["known_at"] > line["known_at"] and row["known_on"] < day
        for row in of_the_debtor(rows, line["account_id"])
        if row["kind"] != "reversal"
    )


def parts_taken_back(line: dict, rows: dict, day: int) -> list[tuple[dict, int]]:
    """The reversals of a line known before the day, each with its part of it, in the order they became known.

    A reversal takes back the line that it names first, then its own account's, then the others; never more than is
    left.
    """
    left = {id(row): row["amount"] for row in set_of(line, rows)}
    named = [
        row
        for row in of_the_debtor(rows, line["account_id"])
        if row["kind"] == "reversal" and row["reverses"] == line["payment_id"] and row["known_on"] < day
    ]
    found = []
    for row in sorted(named, key=in_turn):
        amount = row["amount"]
        if row["account_id"] not in {other["account_id"] for other in set_of(line, rows)}:
            continue

        def far(other: dict, row=row) -> tuple:
            own = other["account_id"] != row["account_id"]
            return own or other["charge_id"] != row["charge_id"], own, other["account_no"], charge_number(other)

        for other in sorted(set_of(line, rows), key=far):
            part = min(amount, left[id(other)])
            amount, left[id(other)] = amount - part, left[id(other)] - part
            found += [(row, part)] if other is line and part else []
    return found


def in_turn(row: dict) -> tuple:
    """Reversals of one receipt in the order in which they take back."""
    when = row["known_at"], row["amount"], row["occurred_at"]
    return *when, row["account_no"], charge_number(row), number_of(row["payment_id"])


def charge_number(row: dict) -> int:
    return -(2**63) if row["charge_id"] is None else number_of(row["charge_id"])


def net(payment: dict, rows: dict, day: int) -> int:
    """A line of a payment less its own reversals, as known before the day; nothing once a later set replaces it."""
    if is_replaced(payment, rows, day):
        return 0
    return payment["amount"] - sum(part for _, part in parts_taken_back(payment, rows, day))


def taken_back_after(payment: dict, rows: dict, taken_on: int, day: int) -> int:
    """What reversals dated after a statement took back, of those known before the day;
    never more than earlier ones left.
    """
    if is_replaced(payment, rows, day):
        return 0
    return sum(part for row, part in parts_taken_back(payment, rows, day) if row["occurred_on"] > taken_on)


def settled_by(rows: dict, account_id: str, day: int) -> list[tuple[dict, int]]:
    """Payments, credits and withheld sums known before the day, with what they are then worth."""
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
    return {**known[0], "debtor_id": person(rows, known[0]["debtor_id"], day)} if known else None


def person(rows: dict, debtor_id: str, day: int) -> str:
    """The last debtor of the chain that begins here, by the links known before the day."""
    for row in in_force(rows.get("debtors", []), ("debtor_id",), day):
        if row["debtor_id"] == debtor_id and row["same_as"] not in (None, debtor_id):
            return person(rows, row["same_as"], day)
    return debtor_id


def taken_back_by(adjustment: dict, rows: dict) -> str | None:
    """The charge that a version of an adjustment takes back: the one it names; else the one open charge of its amount
    on the night after it became known, with what was known on earlier days of other adjustments; None: the oldest due.
    """
    everything = rows_of(rows, "charges", adjustment["account_id"])
    if adjustment["adjusts"] is not None:
        named = {row["charge_id"] for row in everything} - {adjustment["charge_id"]}
        return adjustment["adjusts"] if adjustment["adjusts"] in named else None
    day = adjustment["known_on"] + 1
    charges = in_force(everything, ("charge_id",), day)
    unpaid = {row["charge_id"]: row["amount"] for row in charges if row["amount"] > 0}
    pool = 0
    for row, worth in settled_by(rows, adjustment["account_id"], day):
        settles = min(worth, unpaid.get(row["charge_id"], 0))
        if settles:
            unpaid[row["charge_id"]] -= settles
        pool += worth - settles
    for row in charges:
        before = row["known_on"] < adjustment["known_on"] and row["due_on"] < day
        if row["amount"] < 0 and before and row["charge_id"] != adjustment["charge_id"]:
            charge = taken_back_by(row, rows)
            settles = min(-row["amount"], unpaid.get(charge, 0))
            if settles:
                unpaid[charge] -= settles
            pool += -row["amount"] - settles
    due_on = {row["charge_id"]: row["due_on"] for row in charges}
    found = []
    for row in charges:
        charge = row["charge_id"]
        if row["amount"] == -adjustment["amount"] and charge != adjustment["charge_id"]:
            older = sum(left for other, left in unpaid.items() if other != charge and due_on[other] <= due_on[charge])
            reached = max(0, pool - older) if due_on[charge] < day else 0
            found += [charge] if unpaid[charge] > reached else []
    return found[0] if len(found) == 1 else None


def is_cancelled(charge: dict, rows: dict, day: int) -> bool:
    """Whether a charge in force was never billed, as known before the day: 0.00, or taken back in full."""
    if charge["amount"] == 0:
        return True
    known = in_force(rows_of(rows, "charges", charge["account_id"]), ("charge_id",), day)
    back = [
        -row["amount"]
        for row in known
        if row["amount"] < 0 and row["due_on"] < day and taken_back_by(row, rows) == charge["charge_id"]
    ]
    return charge["amount"] > 0 and sum(back) >= charge["amount"]


def settled_by_the_debtor(rows: dict, account_id: str, day: int) -> bool:
    """Whether payments and withheld sums made at least half of what settled an account, as known before the day."""
    ours = others = 0
    for row, worth in settled_by(rows, account_id, day):
        if row["kind"] == "credit":
            others += worth
        else:
            ours += worth
    charges = in_force(rows_of(rows, "charges", account_id), ("charge_id",), day)
    cancelled = {row["charge_id"] for row in charges if is_cancelled(row, rows, day)}
    for row in charges:
        if row["amount"] < 0 and row["due_on"] < day and taken_back_by(row, rows) not in cancelled:
            others += -row["amount"]
    if ours + others == 0:
        return any(row["known_on"] < day and row["taken_on"] < day for row in rows_of(rows, "balances", account_id))
    return 2 * ours >= ours + others


def figures(
    rows: dict, account_id: str, day: int, terms: Terms, charges_day: int | None = None
) -> tuple[int, int, int]:
    """balance, arrears, days past due of one account for one night.

    charges_day: the night as of which all but the debtor's own money is known; the night itself by default.
    """
    frozen = day if charges_day is None else charges_day
    charges = in_force(rows_of(rows, "charges", account_id), ("charge_id",), frozen)
    taken = [row for row in rows_of(rows, "balances", account_id) if row["taken_on"] < frozen]
    statements = in_force(taken, ("taken_on",), frozen)
    payments = [(row, worth) for row, worth in settled_by(rows, account_id, day) if row["kind"] != "credit"]
    payments += [(row, worth) for row, worth in settled_by(rows, account_id, frozen) if row["kind"] == "credit"]
    if statements:
        balance, overdue = _after_statement(
            max(statements, key=lambda row: row["taken_on"]), charges, payments, rows, day, frozen
        )
    else:
        balance, overdue = _derived(charges, payments, rows, frozen)
    arrears = sum(unpaid for _, unpaid in overdue)
    dated = [since for since, unpaid in overdue if unpaid > 0 and since is not None]
    # Before the account itself is known its first row tells the tolerance.
    account = account_row(rows, account_id, frozen) or min(
        rows_of(rows, "accounts", account_id), key=lambda row: row["known_at"]
    )
    tolerance = terms.dpd_tolerance.get((account["portfolio"], account["currency"]), 0)
    if not dated or arrears <= tolerance:
        return balance, arrears, 0
    counted = range(max(min(dated), *(row["taken_on"] for row in statements), min(dated)), day)
    paused = sum(1 for date in counted if is_paused(rows, account_id, date, day, terms))
    return balance, arrears, day - min(dated) - paused


def is_paused(rows: dict, account_id: str, date: int, day: int, terms: Terms) -> bool:
    """Whether a moratorium stood on a date, by what was known before the day, in a book whose count it stops."""
    first = min(rows_of(rows, "accounts", account_id), key=lambda row: row["known_at"])
    return first["portfolio"] in terms.pauses and any(
        row["status"] == "moratorium"
        and row["from_on"] <= date
        and (row["until_on"] == NO_DAY or date <= row["until_on"])
        for row in in_force(rows_of(rows, "statuses", account_id), STATUS_KEY, day)
    )


def _derived(charges: list[dict], payments: list[tuple[dict, int]], rows: dict, day: int) -> tuple[int, list]:
    balance = sum(row["amount"] for row in charges) - sum(worth for _, worth in payments)
    unpaid = {row["charge_id"]: max(0, row["amount"]) for row in charges}
    pool = 0
    for row, worth in payments:
        if row["charge_id"] in unpaid:
            settles = min(worth, unpaid[row["charge_id"]])
            unpaid[row["charge_id"]] -= settles
            worth -= settles
        pool += worth
    return balance, _oldest_first(charges, unpaid, pool + _adjusted(charges, unpaid, rows, day), day)


def overdue_charges(rows: dict, account_id: str, day: int) -> dict[str, int]:
    """Each charge known before the day -> what of it is overdue and not settled, whatever a statement says."""
    charges = in_force(rows_of(rows, "charges", account_id), ("charge_id",), day)
    _, overdue = _derived(charges, settled_by(rows, account_id, day), rows, day)
    due = sorted((row for row in charges if row["due_on"] < day), key=lambda row: (row["due_on"], row["charge_id"]))
    found = {row["charge_id"]: 0 for row in charges}
    return found | {row["charge_id"]: unpaid for row, (_, unpaid) in zip(due, overdue, strict=True)}


def _after_statement(
    statement: dict, charges: list[dict], payments: list[tuple[dict, int]], rows: dict, day: int, frozen: int
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
        back = taken_back_after(row, rows, taken_on, frozen if row["kind"] == "credit" else day)
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
    pool += _adjusted(falling_due, unpaid, rows, frozen)
    stated = max(0, statement["arrears"])
    settles = min(stated, pool)
    since = taken_on - statement["days_past_due"] if statement["days_past_due"] > 0 else None
    again = min(reopened, pool - settles)
    overdue = [(since, stated - settles), (min(reopened_since, default=None), reopened - again)]
    overdue += _oldest_first(falling_due, unpaid, pool - settles - again, frozen)
    # Beyond what is stated no more can be due than is owed. What is left out keeps its day:
    # which charge was paid is not known.
    too_much = max(0, sum(left for _, left in overdue) - max(0, balance, stated - pool))
    return balance, [*overdue, (None, -too_much)]


def _adjusted(charges: list[dict], unpaid: dict, rows: dict, day: int) -> int:
    """What negative adjustments settle, each once its day is past; those that take back a charge settle it first."""
    pool = 0
    for row in charges:
        if row["amount"] < 0 and row["due_on"] < day:
            charge = taken_back_by(row, rows)
            settles = min(-row["amount"], unpaid.get(charge, 0))
            if settles:
                unpaid[charge] -= settles
            pool += -row["amount"] - settles
    return pool


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
    known = in_force(rows_of(rows, "statuses", account_id), STATUS_KEY, day)
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


def watch_reason(
    rows: dict, account_id: str, day: int, terms: Terms, watch: WatchTerms
) -> tuple[str | None, int, int | None]:
    """Why an account is watched on the night, or not, with what falls due in the window and the first day of it."""
    why = reason(rows, account_id, day, terms)
    if why is None or why in ("closed", "sold", "agency"):
        return why, 0, None
    if why == "scorable":
        return "overdue", 0, None
    book = account_row(rows, account_id, day)["portfolio"]
    if "charges" not in rows or "charges" not in terms.delivers.get(book, ("charges",)):
        return "no_charges", 0, None
    seen = {table: [row for row in held if row["known_on"] < day] for table, held in rows.items()}
    _, arrears, late = figures(seen, account_id, day + watch.days_ahead, terms)
    if late == 0:
        return "nothing_due", 0, None
    return "watch", arrears, max(day, day + watch.days_ahead - late)


def watch_labels(
    rows: dict, account_id: str, day: int, terms: Terms, watch: WatchTerms, complete_through: int
) -> dict[str, object]:
    """late, rolled (None where missing) and why they are missing, of one watched account and night."""
    found: dict[str, object] = {}
    late_days = watch.late_days[account_row(rows, account_id, day)["debtor_type"]]
    for name, days in (("late", late_days), ("rolled", watch.rolled_days)):
        end = day + watch.days_ahead + days
        why = _unobservable(rows, account_id, day, end, end + watch.maturity_days, complete_through)
        found[f"{name}_missing"] = why
        found[name] = None if why else int(worst(rows, account_id, day, end - 1, terms) >= days)
    return found


def worst(rows: dict, account_id: str, first: int, last: int, terms: Terms) -> int:
    """The largest days past due as it was known on each day, both ends included."""
    return max((figures(rows, account_id, day, terms)[2] for day in range(first, last + 1)), default=0)


def times_reaching(rows: dict, account_id: str, first: int, last: int, threshold: int, terms: Terms) -> int:
    """How often days past due rose from below the threshold to it."""
    past_due = [figures(rows, account_id, day, terms)[2] for day in range(first - 1, last + 1)]
    return sum(1 for before, now in zip(past_due, past_due[1:], strict=False) if before < threshold <= now)


def cures(rows: dict, account_id: str, first: int, last: int, terms: Terms) -> list[int]:
    """The days on which days past due would be 0 with the charges of the day before and the money known by now."""
    found = []
    for day in range(first, last + 1):
        late = figures(rows, account_id, day - 1, terms)[2] > 0
        fell = late and figures(rows, account_id, day, terms, charges_day=day - 1)[2] == 0
        news = any(
            max(row["known_on"], row["occurred_on"]) == day - 1 and worth > 0 and row["kind"] != "credit"
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
    known = [row for row in in_force(statuses, STATUS_KEY, matured) if row["status"] != "outcome_unknown"]
    known += [row for row in in_force(statuses, STATUS_KEY, ever) if row["status"] == "outcome_unknown"]
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
