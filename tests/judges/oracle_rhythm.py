"""The judge of a debtor's payment rhythm: plain loops over a world's rows, from the words of features.rhythm."""

from __future__ import annotations

import statistics

from features.tables import NO_DAY
from tests.judges import oracle_ledger as books

FIGURES = (
    "items_settled_365d",
    "days_after_due_mean_90d",
    "days_after_due_mean_365d",
    "days_after_due_mean_ever",
    "days_after_due_std_365d",
    "days_after_due_weighted_365d",
    "days_after_due_large_365d",
    "days_after_due_small_365d",
    "items_due_365d",
    "items_late_365d",
    "last_item_days_late",
    "never_late",
    "days_since_late_item",
    "open_items",
    "open_items_late",
    "open_items_disputed",
)


def items_of(rows: dict, account_id: str, as_of: int) -> list[dict]:
    """Items of one account with what is left of each, and the day on which nothing was."""
    everything = books.rows_of(rows, "charges", account_id)
    known = books.in_force(everything, ("charge_id",), as_of)
    items = []
    for row in known:
        back = [
            -other["amount"]
            for other in known
            if other["amount"] < 0
            and NO_DAY < other["due_on"] < as_of
            and books.taken_back_by(other, rows) == row["charge_id"]
        ]
        owed = row["amount"] - sum(back)
        billed = row["kind"] in ("principal", "instalment", "invoice") and row["due_on"] != NO_DAY
        if billed and row["amount"] > 0 and owed > 0:
            items.append({"id": row["charge_id"], "due": row["due_on"], "full": owed, "left": owed, "on": None})
    items.sort(key=lambda item: (item["due"], item["full"]))
    ever_known = {row["charge_id"] for row in everything if row["known_on"] < as_of}
    money = [(row, worth) for row, worth in books.settled_by(rows, account_id, as_of) if worth > 0]
    pool = 0
    for day in sorted({row["occurred_on"] for row, _ in money}):
        for row, worth in money:
            if row["occurred_on"] != day:
                continue
            if row["charge_id"] not in ever_known:
                pool += worth
                continue
            for item in items:
                if item["id"] == row["charge_id"]:
                    pool += pay(item, worth, day)
        for item in items:
            pool = pay(item, pool, day)
    return items


def pay(item: dict, money: int, day: int) -> int:
    """What is left of the money once it has settled what it can."""
    taken = min(item["left"], money)
    item["left"] -= taken
    if taken and item["left"] == 0:
        item["on"] = day
    return money - taken


def figure(judge, name: str, account: dict, as_of: int):
    rows, items = judge.rows, []
    for account_id in sorted({row["account_id"] for row in rows["accounts"]}):
        own = books.account_row(rows, account_id, as_of)
        if own is None or own["debtor_id"] != account["debtor_id"]:
            continue
        if not all(judge.declared(table, own["portfolio"]) for table in ("charges", "payments")):
            continue
        if not all(judge.delivered(table, own["portfolio"], as_of) for table in ("charges", "payments")):
            return None
        items += [{**item, "account": own} for item in items_of(rows, account_id, as_of)]
    settled = [item for item in items if item["left"] == 0]
    year = [item for item in settled if item["on"] >= as_of - 365]
    late = {id(item): (as_of if item["left"] else item["on"]) - item["due"] for item in items}

    def mean(chosen: list[dict]):
        return statistics.fmean(late[id(item)] for item in chosen) if chosen else None

    own_money = [item for item in year if item["account"]["currency"] == account["currency"]]
    whole = sum(item["full"] for item in own_money)
    large = [item for item in own_money if item["full"] * len(own_money) >= whole]
    due = [item for item in items if item["due"] < as_of]
    opened = [item for item in items if item["left"]]
    last_due = max((item["due"] for item in due), default=None)
    late_due = [item["due"] for item in due if late[id(item)] > 7]
    weighted = sum(item["full"] * late[id(item)] for item in own_money)
    return {
        "items_settled_365d": len(year),
        "days_after_due_mean_90d": mean([item for item in settled if item["on"] >= as_of - 90]),
        "days_after_due_mean_365d": mean(year),
        "days_after_due_mean_ever": mean(settled),
        "days_after_due_std_365d": statistics.pstdev(late[id(item)] for item in year) if year else None,
        "days_after_due_weighted_365d": weighted / whole if whole else None,
        "days_after_due_large_365d": mean(large),
        "days_after_due_small_365d": mean([item for item in own_money if item not in large]),
        "items_due_365d": sum(1 for item in due if item["due"] >= as_of - 365),
        "items_late_365d": sum(1 for item in due if item["due"] >= as_of - 365 and late[id(item)] > 7),
        "last_item_days_late": max((late[id(item)] for item in due if item["due"] == last_due), default=None),
        "never_late": None if not due else int(not late_due),
        "days_since_late_item": as_of - max(late_due) if late_due else None,
        "open_items": len(opened),
        "open_items_late": sum(1 for item in opened if item["due"] < as_of),
        "open_items_disputed": sum(1 for item in opened if is_disputed(rows, item, as_of)),
    }[name]


def is_disputed(rows: dict, item: dict, as_of: int) -> bool:
    statuses = books.in_force(books.rows_of(rows, "statuses", item["account"]["account_id"]), books.STATUS_KEY, as_of)
    return any(
        row["status"] == "dispute"
        and row["from_on"] <= as_of
        and (row["until_on"] == NO_DAY or row["until_on"] >= as_of)
        and row["charge_id"] in (None, item["id"])
        for row in statuses
    )
