"""The judge of unusual payments and identities: plain loops over a world's rows, from the words of docs/unusual.md.
Slow and obvious. What was owed, and what was taken back of a payment, it asks of the judge of the ledger.
"""

from __future__ import annotations

from features.terms import Terms
from tests.judges import oracle_ledger as books

NOT_THEIRS = ("wrong_number", "third_party", "bounced", "rejected")


def payments(rows: dict, night: int) -> list[dict]:
    """The payments of known accounts that stand on the night, a receipt's lines on one account as one."""
    found: dict[tuple, dict] = {}
    for row in sorted(rows.get("payments", []), key=lambda row: (row["account_id"], books.charge_number(row))):
        account = books.account_row(rows, row["account_id"], night)
        if account is None or row["kind"] != "payment" or row["known_on"] >= night or row["occurred_on"] >= night:
            continue
        if books.is_replaced(row, rows, night):
            continue
        back = books.parts_taken_back(row, rows, night)
        key = (row["account_id"], row["payment_id"], row["known_at"])
        one = found.setdefault(key, {**row, "owner": account["debtor_id"], "amount": 0, "back": 0, "back_on": None})
        one["amount"] += row["amount"]
        for reversal, part in back:
            one["back"] += part
            one["back_on"] = max(one["back_on"] or 0, reversal["occurred_on"])
    return list(found.values())


def is_back(payment: dict, limits) -> bool:
    if payment["back_on"] is None or 10 * payment["back"] < 9 * payment["amount"]:
        return False
    return payment["back_on"] - payment["occurred_on"] <= limits.taken_back_days


def contacts(rows: dict, night: int) -> list[dict]:
    found = []
    for account_id in sorted({row["account_id"] for row in rows.get("contacts", [])}):
        account = books.account_row(rows, account_id, night)
        for row in books.in_force(books.rows_of(rows, "contacts", account_id), ("contact_id",), night):
            if account is not None and row["occurred_on"] < night:
                found.append({**row, "owner": account["debtor_id"]})
    return found


def own_signs(rows: dict, night: int, limits, terms: Terms) -> set[tuple]:
    """(kind, debtor, account, amount, many)."""
    found = set()
    paid = payments(rows, night)
    recent = [row for row in paid if row["occurred_on"] >= night - limits.days]
    for debtor in {row["owner"] for row in recent}:
        own = [row for row in recent if row["owner"] == debtor]
        back = [row for row in own if is_back(row, limits)]
        if len(back) >= limits.ring_payments and len(back) >= limits.ring_share * len(own):
            for account in {row["account_id"] for row in back}:
                gone = [row for row in back if row["account_id"] == account]
                found.add(("reversal_ring", debtor, account, sum(row["back"] for row in gone), len(gone)))
    for account in {row["account_id"] for row in recent}:
        changes = []
        for row in recent:
            if row["account_id"] != account or row["method"] is None or not is_back(row, limits):
                continue
            earlier = [
                other
                for other in paid
                if other["account_id"] == account
                and other["method"] is not None
                and other["occurred_at"] < row["occurred_at"]
                and other["occurred_on"] >= row["occurred_on"] - 365
                and other["back"] < other["amount"]
            ]
            amounts = sorted(other["amount"] for other in earlier)
            if len(amounts) < limits.change_after or any(other["method"] == row["method"] for other in earlier):
                continue
            middle = len(amounts) // 2
            usual = amounts[middle] if len(amounts) % 2 else (amounts[middle - 1] + amounts[middle]) // 2
            if row["amount"] >= limits.change_times * usual:
                changes.append((row["back"], -len(earlier), row["owner"]))
        if changes:
            amount, many, debtor = max(changes)
            found.add(("method_change", debtor, account, amount, -many))
    said = contacts(rows, night)
    for account in {row["account_id"] for row in said}:
        credits = []
        for row in said:
            if row["account_id"] != account or row["request"] != "refund" or row["occurred_on"] < night - limits.days:
                continue
            credit = -books.figures(rows, account, row["occurred_on"] + 1, terms)[0]
            for other in paid:
                age = row["occurred_on"] - other["occurred_on"]
                near = other["account_id"] == account and 0 <= age <= limits.refund_days
                if near and credit > 0 and credit >= limits.refund_share * other["amount"]:
                    credits.append((credit, row["owner"]))
                    break
        if credits:
            found.add(("refund_of_overpayment", credits[0][1], account, max(credits)[0], len(credits)))
    return found


def links(rows: dict, night: int, limits, terms: Terms) -> set[tuple]:
    """(kind, key, debtor, account, amount, many, cycles, taken back)."""
    found = set()
    recent = [row for row in payments(rows, night) if row["occurred_on"] >= night - limits.days]
    for key, account in {(row["instrument"], row["account_id"]) for row in recent if row["instrument"]}:
        own = [row for row in recent if (row["instrument"], row["account_id"]) == (key, account)]
        back = [row for row in own if is_back(row, limits)]
        told = sum(row["amount"] for row in own), len(own), len(back), sum(row["back"] for row in back)
        found.add(("shared_instrument", key, own[0]["owner"], account, *told))
    reached = [
        row
        for row in contacts(rows, night)
        if row["endpoint_id"] and row["occurred_on"] >= night - limits.days and row["outcome"] not in NOT_THEIRS
    ]
    for key, account in {(row["endpoint_id"], row["account_id"]) for row in reached}:
        own = [row for row in reached if (row["endpoint_id"], row["account_id"]) == (key, account)]
        owed = max(0, books.figures(rows, account, night, terms)[0])
        found.add(("shared_endpoint", key, own[0]["owner"], account, owed, len(own), 0, 0))
    return found
