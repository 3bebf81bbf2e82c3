"""What is delivered and published, read plainly: by CSV rows and plain loops. Slow, obvious; shares no code with what
it judges. On these rows stand the judges of the pages, figure by figure (places as in figures.json; a page shows no
others):

| figure of a client's page | judged by |
|---|---|
| `worked`: listed, attempts, debtors, by_channel | `book_judge.work` |
| `answers`: by_outcome, spoken, debtors_spoken, promises, inbound | `book_judge.work` |
| `recovered`: amount, payments, debtors, months | `book_judge.recovered` |
| `source`: worked, ordinary, their shares; payments, amount, share of each row | `source_of`, `book_judge.sources` |
| `added`: state, from, debtors, draws, paid, money, total, each with its range | `book_judge.added`, `difference` |
| `commission`: kind, rows, amount, earlier, commission, fixed, remitted | `book_judge.commission` |
| `commission` of agencies that placements name; `added_up` | by hand, tests/outcomes/test_client_page.py |
| `forecast`: money expected by week, and between what | `forecast_judge` |
| `due`: promises by week; `promises` by state | `promises`, `book_judge.due`, `book_judge.promised` |
| `due`: instalments by week | by hand, tests/outcomes/test_client_page.py |
| `cases`: accounts and balance of disputes, specialists, offers, routes | `disputed`, `book_judge.cases` |
| `book`: accounts by reason; `owed`: accounts and balance, by days past due | `standing`, `book_judge.owed` |
| `lists`: count, ratio, the newest | `book_judge.lists` |
| `liquidation`: accounts and money placed by month, share paid after 30, 60 ... days | `book_judge.liquidation` |
| `annex`: every row, the rest and the sums; days past due | `book_judge.annex` |

| figure of the collectors' page | judged by |
|---|---|
| `made`, `unnamed`, `rows` | `collector_judge.counts` |
| `spoken`, `kept`, `money`: compared, came, expected, difference, range | `collector_judge.compared` |
| which contacts are alike, `by_score` | `collector_judge.staged` |
| which promises were kept, and who took them | `promises`, `collector_judge.kept` |
| which money stands with whom; `money_from`, `money_until` | `collector_judge.told` |
| `readings` | `collector_judge.readings` |

What is owed, and how late, is as the judge of the ledger says (oracle_ledger.py).
"""

from __future__ import annotations

import csv
import datetime as dt
import functools
import gzip
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.parquet as parquet

from features.tables import NO_DAY
from tests.judges import oracle_ledger

PLACES = {"JPY": 0}  # decimals of a currency; 2 of all others
EPOCH = dt.date(1970, 1, 1)
FIRST_KNOWN = {"accounts": "opened_on", "charges": "issued_on", "balances": "taken_on", "statuses": "from_on"}
LEDGER = ("accounts", "charges", "balances", "payments", "statuses")
MONEY = ("amount", "balance", "arrears")
DAYS = ("due_on", "issued_on", "taken_on", "from_on", "until_on", "placed_on")


@functools.cache
def rows_of(source: Path, table: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for place in sorted([*source.glob(f"{table}.csv*"), *source.glob(f"{table}/*.csv*")]):
        with gzip.open(place, "rt", encoding="utf-8", newline="") as file:
            found += csv.DictReader(file)
    return found


def listed_in(text: str) -> list[dict[str, str]]:
    """Rows of a published CSV, whose first line may be a byte order mark."""
    return list(csv.DictReader(text.removeprefix("\ufeff").splitlines()))


@dataclass(frozen=True)
class Standing:
    """Of an account on a night: why it is worked or not, and what it owes."""

    reason: str
    balance: int
    arrears: int
    days_past_due: int


@dataclass
class Delivery:
    """A delivery as it was known before a night, local days of each book's own zone.

    tolerance: (portfolio, currency) -> minor units that may be overdue without a day past due.
    """

    source: Path
    zones: dict[str, str]
    night: dt.date
    tolerance: dict[tuple[str, str], int] = field(default_factory=dict)
    accounts: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for row in sorted(rows_of(self.source, "accounts"), key=lambda row: row["known_at"] or row["opened_on"]):
            if (row["known_at"] or row["opened_on"])[:10] < self.night.isoformat():
                self.accounts[row["account_id"]] = row
        self._stood: dict[tuple[str, dt.date], Standing | None] = {}
        self._inner: dict[str, dict[str, list[dict[str, Any]]]] = {}

    @classmethod
    def of(cls, source: Path, params: Any, night: dt.date) -> Delivery:
        """With the zones and tolerances of the params."""
        books = {row["portfolio"]: params.portfolio(row["portfolio"]) for row in rows_of(source, "accounts")}
        tolerance = {
            (name, code): at_rate(10 ** PLACES.get(code, 2), str(amount))
            for name, book in books.items()
            for code, amount in book.dpd_tolerance.items()
        }
        return cls(source, {name: book.time_zone for name, book in books.items()}, night, tolerance)

    def moment(self, row: dict[str, str], column: str) -> dt.datetime:
        zone = ZoneInfo(self.zones[self.accounts[row["account_id"]]["portfolio"]])
        moment = dt.datetime.fromisoformat(row[column])
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(zone)

    def day(self, row: dict[str, str], column: str) -> dt.date:
        return self.moment(row, column).date()

    def known_at(self, row: dict[str, str], table: str) -> dt.datetime:
        return self.moment(row, "known_at" if row["known_at"] else FIRST_KNOWN.get(table, "occurred_at"))

    def known(self, table: str, before: dt.date | None = None) -> list[dict[str, str]]:
        """Rows known before the night, of accounts that are, in the order in which they came to be known."""
        found = []
        for row in rows_of(self.source, table):
            if row["account_id"] in self.accounts:
                at = self.known_at(row, table)
                if at.date() < (before or self.night):
                    found.append((at, row))
        return [row for _, row in sorted(found, key=lambda pair: pair[0])]

    def minor(self, row: dict[str, str], column: str = "amount") -> int:
        return int(Decimal(row[column]).scaleb(PLACES.get(self.accounts[row["account_id"]]["currency"], 2)))

    def payments(self, before: dt.date | None = None) -> list[tuple[str, dt.date, int]]:
        """Account, day and what is left of every payment of which something is left, as known before that night."""
        rows = self.known("payments", before)
        back: dict[str, int] = defaultdict(int)
        for row in rows:
            if row["kind"] == "reversal":
                back[row["reverses"]] += self.minor(row)
        found = []
        for row in rows:
            left = self.minor(row) - back[row["payment_id"]] if row["kind"] == "payment" else 0
            if left > 0:
                found.append((row["account_id"], self.day(row, "occurred_at"), left))
        return found

    def contacts(self) -> list[dict[str, str]]:
        """The last known version of each contact and account, of those that took place before the night."""
        last = {(row["contact_id"], row["account_id"]): row for row in self.known("contacts")}
        return [row for row in last.values() if self.day(row, "occurred_at") < self.night]

    def ours(self) -> list[tuple[str, str, dt.date]]:
        """Account, contact and day of every contact by us that is no direct debit."""
        return [
            (row["account_id"], row["contact_id"], self.day(row, "occurred_at"))
            for row in self.contacts()
            if row["direction"] == "outbound" and row["channel"] != "debit"
        ]

    # ---- the ledger ----

    def _rows(self, account: str) -> dict[str, list[dict[str, Any]]]:
        """The rows of the account's debtor, as the judge of the ledger takes them."""
        if not self._inner:
            by_debtor: dict[str, dict[str, list]] = defaultdict(lambda: {table: [] for table in LEDGER})
            for table in LEDGER:
                for row in self.known(table):
                    by_debtor[self.accounts[row["account_id"]]["debtor_id"]][table].append(self._as_inner(row, table))
            self._inner = {name: by_debtor[row["debtor_id"]] for name, row in self.accounts.items()}
        return self._inner[account]

    def _as_inner(self, row: dict[str, str], table: str) -> dict[str, Any]:
        at = self.known_at(row, table)
        told: dict[str, Any] = {**row, "known_at": at, "known_on": number(at.date()), "adjusts": None, "account_no": 0}
        told |= {name: self.minor(row, name) for name in MONEY if name in row}
        told |= {
            name: number(dt.date.fromisoformat(row[name])) if row[name] else NO_DAY for name in DAYS if name in row
        }
        told["charge_id"] = row.get("charge_id") or None
        if "occurred_at" in row:
            told |= {
                "occurred_at": self.moment(row, "occurred_at"),
                "occurred_on": number(self.day(row, "occurred_at")),
            }
        if "days_past_due" in row:
            told["days_past_due"] = int(row["days_past_due"])
        return told

    def standing(self, account: str, night: dt.date) -> Standing | None:
        """None while the account is not known."""
        if (account, night) not in self._stood:
            rows, day = self._rows(account), number(night)
            terms = SimpleNamespace(dpd_tolerance=self.tolerance, pauses=())
            reason = oracle_ledger.reason(rows, account, day, terms)
            owes = oracle_ledger.figures(rows, account, day, terms) if reason else (0, 0, 0)
            self._stood[account, night] = Standing(reason, *owes) if reason else None
        return self._stood[account, night]

    def scorable(self, night: dt.date) -> dict[str, Standing]:
        stood = {account: self.standing(account, night) for account in self.accounts}
        return {account: held for account, held in stood.items() if held and held.reason == "scorable"}

    def came_of(self, account: str, night: dt.date, horizon: int, maturity: int) -> int | None:
        """Money within the horizon of a scorable account, at most its balance, as known once it has matured; None where
        nobody can see it.
        """
        rows, day, held = self._rows(account), number(night), self.standing(account, night)
        matured = day + horizon + maturity
        if held is None or held.reason != "scorable":
            return None
        if oracle_ledger._unobservable(rows, account, day, day + horizon, matured, number(self.night) - 1):
            return None
        came = 0
        for row in rows["payments"]:
            own = row["account_id"] == account and row["kind"] == "payment"
            if own and day <= row["occurred_on"] < day + horizon and row["known_on"] < matured:
                came += oracle_ledger.net(row, rows, matured)
        return min(came, held.balance)


def number(day: dt.date) -> int:
    return (day - EPOCH).days


def nights_before(out: Path, night: dt.date) -> Iterator[tuple[dt.date, Path]]:
    """Published nights, the oldest first."""
    for folder in sorted(out.glob("20??-??-??")):
        if dt.date.fromisoformat(folder.name) < night and (folder / "worklist.csv").exists():
            yield dt.date.fromisoformat(folder.name), folder


def published_scores(folder: Path) -> dict[str, int]:
    """Account -> money expected of it, in minor units, as the night published it."""
    table = parquet.read_table(folder / "scores.parquet", columns=["account_id", "expected_recovery"]).to_pylist()
    return {row["account_id"]: row["expected_recovery"] for row in table}


def lists_before(out: Path, night: dt.date) -> dict[str, list[tuple[str, dt.date]]]:
    """listed, held_out -> account and night, of every published night before."""
    found: dict[str, list[tuple[str, dt.date]]] = {"listed": [], "held_out": []}
    for day, folder in nights_before(out, night):
        for row in listed_in((folder / "worklist.csv").read_text(encoding="utf-8")):
            names = [row["account_id"], *row["joined_accounts"].split()]
            found["listed"] += [(name, day) for name in names]
        held = next(folder.rglob("held_out.csv"))
        found["held_out"] += [(row["account_id"], day) for row in listed_in(held.read_text(encoding="utf-8"))]
    return found


def spells(source: Path, night: dt.date, status: str) -> dict[str, list[tuple[str, str]]]:
    """Account -> first and last day of each such status, by the last version known before the night."""
    last: dict[tuple[str, ...], dict[str, str]] = {}
    for row in sorted(rows_of(source, "statuses"), key=lambda row: row["known_at"] or row["from_on"]):
        if row["status"] == status and (row["known_at"] or row["from_on"])[:10] < night.isoformat():
            last[(row["account_id"], row["from_on"], row.get("charge_id", ""))] = row
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in last.values():
        found[row["account_id"]].append((row["from_on"], row["until_on"] or "9999-12-31"))
    return found


def disputed(source: Path, night: dt.date) -> set[str]:
    """Accounts of which a dispute stands on the night."""
    day = night.isoformat()
    return {
        account
        for account, found in spells(source, night, "dispute").items()
        if any(first <= day <= last for first, last in found)
    }


def source_of(
    account: str,
    day: dt.date,
    ours: dict[str, list[dt.date]],
    lists: dict[str, list[tuple[str, dt.date]]],
    agencies: dict[str, list[tuple[str, str]]],
    due_before: set[str],
    horizon: int,
) -> str:
    """Where a payment is counted, by the words of docs/reports.md. agencies: spells of the status; no book here has
    placements.
    """

    def lately(days: list[dt.date]) -> bool:
        return any(0 <= (day - on).days <= horizon for on in days)

    if lately(ours.get(account, [])):
        return "contacted"
    if lately([on for who, on in lists["listed"] if who == account]):
        return "listed"
    if any(first <= day.isoformat() <= last for first, last in agencies.get(account, [])):
        return "agency_unnamed"
    if lately([on for who, on in lists["held_out"] if who == account]):
        return "held_out"
    return "left" if account in due_before else "not_due"


@dataclass(frozen=True)
class Promise:
    """A promise with a day and an amount, as it stood before a night."""

    account: str
    contact: str
    at: dt.datetime
    made: dt.date
    due: dt.date
    amount: int
    state: str


def promises(told: Delivery, kept_share: Decimal, grace_days: int) -> list[Promise]:
    """Kept where what was paid from the day of the promise until the last of grace reaches the share; else broken once
    that day is over. Plain days of grace.
    """
    paid = defaultdict(list)
    for account, day, money in told.payments():
        paid[account].append((day, money))
    found = []
    for row in told.contacts():
        if row["outcome"] != "promise" or not row["promise_amount"] or not row["promise_due_on"]:
            continue
        due, made = dt.date.fromisoformat(row["promise_due_on"]), told.day(row, "occurred_at")
        amount, until = told.minor(row, "promise_amount"), due + dt.timedelta(grace_days)
        came = sum(money for day, money in paid[row["account_id"]] if made <= day <= until)
        state = "kept" if came >= kept_share * amount else "broken" if until < told.night else "open"
        found.append(
            Promise(row["account_id"], row["contact_id"], told.moment(row, "occurred_at"), made, due, amount, state)
        )
    return found


def at_rate(amount: int, rate: str) -> int:
    return int((amount * Decimal(rate)).to_integral_value(ROUND_HALF_EVEN))


def difference(spans: list[tuple[str, bool, float, float, float]]) -> tuple[float, float, float]:
    """Worked less held out with its 95 % interval, of (debtor, worked, chance of its arm, foretold, came): weighted
    means of what least squares on the foretold leaves; what one debtor's spans pull at the difference goes together.
    """
    mean_told = sum(told for *_, told, _ in spans) / len(spans)
    mean_came = sum(came for *_, came in spans) / len(spans)
    spread = sum((told - mean_told) ** 2 for *_, told, _ in spans)
    slope = sum((told - mean_told) * (came - mean_came) for *_, told, came in spans) / spread if spread else 0.0
    effect, pulls = 0.0, defaultdict(float)
    for arm, sign in ((True, 1), (False, -1)):
        own = [
            (who, 1 / chance, came - slope * (told - mean_told))
            for who, is_worked, chance, told, came in spans
            if is_worked is arm
        ]
        whole = sum(weight for _, weight, _ in own)
        mean = sum(weight * value for _, weight, value in own) / whole
        effect += sign * mean
        many = len({who for who, *_ in own})
        for who, weight, value in own:
            pulls[who] += sign * weight / whole * (value - mean) * (many / (many - 1)) ** 0.5
    half = 1.959964 * sum(pull**2 for pull in pulls.values()) ** 0.5
    return effect, effect - half, effect + half
