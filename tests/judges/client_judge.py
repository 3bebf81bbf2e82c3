"""What a client's page must say, told from the CSV of a delivery and the published lists by plain loops. Slow, obvious;
shares no code with what it judges.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

PLACES = {"JPY": 0}  # decimals of a currency; 2 of all others


def rows_of(source: Path, table: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for place in sorted([*source.glob(f"{table}.csv*"), *source.glob(f"{table}/*.csv*")]):
        with gzip.open(place, "rt", encoding="utf-8", newline="") as file:
            found += csv.DictReader(file)
    return found


def listed_in(text: str) -> list[dict[str, str]]:
    """Rows of a published CSV, whose first line may be a byte order mark."""
    return list(csv.DictReader(text.removeprefix("\ufeff").splitlines()))


@dataclass
class Delivery:
    """A delivery as it was known before a night, local days of each book's own zone."""

    source: Path
    zones: dict[str, str]
    night: dt.date
    accounts: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for row in sorted(rows_of(self.source, "accounts"), key=lambda row: row["known_at"] or row["opened_on"]):
            if (row["known_at"] or row["opened_on"])[:10] < self.night.isoformat():
                self.accounts[row["account_id"]] = row

    def day(self, row: dict[str, str], column: str) -> dt.date:
        text, zone = row[column], ZoneInfo(self.zones[self.accounts[row["account_id"]]["portfolio"]])
        moment = dt.datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(zone).date()

    def known_on(self, row: dict[str, str]) -> dt.date:
        return self.day(row, "known_at" if row["known_at"] else "occurred_at")

    def known(self, table: str) -> list[dict[str, str]]:
        """Rows known before the night, of accounts that are, in the order in which they came to be known."""
        found = []
        for row in rows_of(self.source, table):
            if row["account_id"] in self.accounts:
                on = self.known_on(row)
                if on < self.night:
                    found.append((on, row))
        return [row for _, row in sorted(found, key=lambda pair: pair[0])]

    def minor(self, row: dict[str, str], column: str = "amount") -> int:
        return int(Decimal(row[column]).scaleb(PLACES.get(self.accounts[row["account_id"]]["currency"], 2)))

    def payments(self, before: dt.date | None = None) -> list[tuple[str, dt.date, int]]:
        """Account, day and what is left of every payment of which something is left, as known before that night."""
        rows = [row for row in self.known("payments") if before is None or self.known_on(row) < before]
        back: dict[str, int] = defaultdict(int)
        for row in rows:
            if row["kind"] == "reversal":
                back[row["reverses"]] += self.minor(row)
        found = []
        for row in rows:
            left = self.minor(row) - back[row["payment_id"]]
            if row["kind"] == "payment" and left > 0:
                found.append((row["account_id"], self.day(row, "occurred_at"), left))
        return found

    def contacts(self) -> list[dict[str, str]]:
        """The last known version of each contact and account."""
        return list({(row["contact_id"], row["account_id"]): row for row in self.known("contacts")}.values())

    def ours(self) -> list[tuple[str, str, dt.date]]:
        """Account, contact and day of every contact by us that is no direct debit."""
        return [
            (row["account_id"], row["contact_id"], self.day(row, "occurred_at"))
            for row in self.contacts()
            if row["direction"] == "outbound" and row["channel"] != "debit"
        ]


def lists_before(out: Path, night: dt.date) -> dict[str, list[tuple[str, dt.date]]]:
    """listed, held_out -> account and night, of every published night before."""
    found: dict[str, list[tuple[str, dt.date]]] = {"listed": [], "held_out": []}
    for folder in sorted(out.glob("20??-??-??")):
        day = dt.date.fromisoformat(folder.name)
        if day >= night:
            continue
        for row in listed_in((folder / "worklist.csv").read_text(encoding="utf-8")):
            names = [row["account_id"], *row["joined_accounts"].split()]
            found["listed"] += [(name, day) for name in names]
        held = next(folder.rglob("held_out.csv"))
        found["held_out"] += [(row["account_id"], day) for row in listed_in(held.read_text(encoding="utf-8"))]
    return found


def source_of(
    account: str,
    day: dt.date,
    ours: dict[str, list[dt.date]],
    lists: dict[str, list[tuple[str, dt.date]]],
    due_before: set[str],
    horizon: int,
) -> str:
    """Where a payment is counted, by the words of docs/reports.md."""

    def lately(days: list[dt.date]) -> bool:
        return any(0 <= (day - on).days <= horizon for on in days)

    if lately(ours.get(account, [])):
        return "contacted"
    for name in ("listed", "held_out"):
        if lately([on for who, on in lists[name] if who == account]):
            return name
    return "left" if account in due_before else "not_due"


def open_promises(told: Delivery, kept_share: Decimal, until: dt.date) -> list[tuple[str, dt.date, int]]:
    """Account, due day and amount of promises that fall due from the night on, before `until`, and are not yet kept."""
    paid = told.payments()
    found = []
    for row in told.contacts():
        if row["outcome"] != "promise" or not row["promise_amount"] or not row["promise_due_on"]:
            continue
        due, made = dt.date.fromisoformat(row["promise_due_on"]), told.day(row, "occurred_at")
        amount = told.minor(row, "promise_amount")
        came = sum(money for account, day, money in paid if account == row["account_id"] and made <= day)
        if told.night <= due < until and came < kept_share * amount:
            found.append((row["account_id"], due, amount))
    return found


def disputed(source: Path, night: dt.date) -> set[str]:
    """Accounts of which a dispute stands on the night, by the last version known before it."""
    last: dict[tuple[str, ...], dict[str, str]] = {}
    for row in sorted(rows_of(source, "statuses"), key=lambda row: row["known_at"] or row["from_on"]):
        if row["status"] == "dispute" and (row["known_at"] or row["from_on"])[:10] < night.isoformat():
            last[(row["account_id"], row["from_on"], row.get("charge_id", ""))] = row
    return {
        row["account_id"]
        for row in last.values()
        if row["from_on"] <= night.isoformat() <= (row["until_on"] or "9999-12-31")
    }


def at_rate(amount: int, rate: str) -> int:
    return int((amount * Decimal(rate)).to_integral_value(ROUND_HALF_EVEN))


def difference(spans: list[tuple[bool, float, float, float]]) -> tuple[float, float, float]:
    """Worked less held out with its 95 % interval, of (worked, chance of its arm, foretold, came): weighted means of
    what least squares on the foretold leaves, errors of the two arms added.
    """
    mean_told = sum(told for _, _, told, _ in spans) / len(spans)
    mean_came = sum(came for *_, came in spans) / len(spans)
    spread = sum((told - mean_told) ** 2 for _, _, told, _ in spans)
    slope = sum((told - mean_told) * (came - mean_came) for _, _, told, came in spans) / spread if spread else 0.0
    effect, variance = 0.0, 0.0
    for arm, sign in ((True, 1), (False, -1)):
        own = [
            (1 / chance, came - slope * (told - mean_told))
            for is_worked, chance, told, came in spans
            if is_worked is arm
        ]
        whole = sum(weight for weight, _ in own)
        mean = sum(weight * value for weight, value in own) / whole
        effect += sign * mean
        size = len(own)
        variance += size / (size - 1) * sum((weight * (value - mean)) ** 2 for weight, value in own) / whole**2
    half = 1.959964 * variance**0.5
    return effect, effect - half, effect + half
