"""Unusual payments and identities planted into a made-up portfolio that lies in its folder, or innocent ones alone:
what they are stands in truth/unusual.json, so that what a night finds can be held against it.

Every payment is told its instrument. Whether anything is planted or not, couples pay by one card and share a phone,
helpers pay for several, families are reached at one number, debits bounce, and somebody who paid twice asks for it
back: some of that looks like a case and is none. Shares and sizes are choice; no published book has them.
"""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import io
import json
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd

from features.currencies import DECIMALS
from features.errors import UsageError
from features.unusual import CHANGE, ENDPOINT, INSTRUMENT, REFUND, RING

EACH = 5  # planted cases of each kind
DERIVED = ("loan_eu", "utility_us", "bought_us", "invoices_jp")  # books whose balance follows from charges and payments
KNOWN_DAYS = 200  # before the last day, by which an account is known that takes part
FIRST, LAST = 150, 25  # days before the last day between which things are planted
COUPLES, FAMILIES, HELPERS, TWICE, BOUNCES, ASKERS = 0.04, 0.001, 0.003, 0.003, 0.005, 0.005  # of debtors


@dataclass
class Planting:
    """The tables as text while they are changed, and what is true of the changes."""

    draw: np.random.Generator
    last: dt.date
    accounts: pd.DataFrame
    owed: dict[str, Decimal]
    typical: dict[str, Decimal]
    habits: dict[str, tuple[Decimal, frozenset[str]]]
    debtors: list[str]
    payments: list[dict[str, str]] = field(default_factory=list)
    contacts: list[dict[str, str]] = field(default_factory=list)
    truth: dict[str, list[dict[str, object]]] = field(default_factory=lambda: {"planted": [], "innocent": []})

    def some(self, many: int) -> list[str]:
        """The next accounts of so many debtors who take part in nothing else. UsageError where they are too few."""
        if many > len(self.debtors):
            raise UsageError("Too few debtors for what is to be planted. Simulate 500 or more.")
        taken, self.debtors = self.debtors[:many], self.debtors[many:]
        return [str(self.accounts.index[self.accounts["debtor_id"] == name][0]) for name in taken]

    def couple(self) -> list[str]:
        """The accounts of two such debtors who live in one place."""
        (first,) = self.some(1)
        places = self.accounts.drop_duplicates("debtor_id").set_index("debtor_id")["jurisdiction"]
        where = self.accounts.at[first, "jurisdiction"]
        other = next((name for name in self.debtors if places[name] == where), None)
        if other is None:
            return [first]
        self.debtors.remove(other)
        self.debtors.insert(0, other)
        return [first, *self.some(1)]

    def day(self) -> dt.date:
        return self.last - dt.timedelta(days=int(self.draw.integers(LAST, FIRST + 1)))

    def later(self, day: dt.date, low: int, high: int) -> dt.date:
        return day + dt.timedelta(days=int(self.draw.integers(low, high + 1)))

    def pay(
        self, account: str, day: dt.date, amount: Decimal, method: str, instrument: str, back: dt.date | None
    ) -> None:
        """A payment, taken back on a day where one is given and known by the end."""
        own = {"account_id": account, "amount": self._money(account, amount), "known_at": ""}
        name = f"U{len(self.payments):06d}"
        paid = {"payment_id": name, "occurred_at": _noon(day), "kind": "payment", "method": method}
        self.payments.append({**own, **paid, "instrument": instrument})
        if back is not None:
            gone = {"payment_id": f"{name}R", "occurred_at": _noon(back), "kind": "reversal", "reverses": name}
            self.payments.append({**own, **gone})

    def contact(self, account: str, day: dt.date, **told: str) -> None:
        name = f"UT{len(self.contacts):06d}"
        self.contacts.append({"contact_id": name, "account_id": account, "occurred_at": _noon(day), **told})

    def amount(self, account: str, low: float, high: float) -> Decimal:
        """So many times what is usually paid in the account's currency."""
        return self.typical[self.accounts.at[account, "currency"]] * Decimal(f"{self.draw.uniform(low, high):.4f}")

    def tell(self, what: str, kind: str, accounts: list[str]) -> None:
        debtors = [str(self.accounts.at[one, "debtor_id"]) for one in accounts]
        self.truth[what].append({"kind": kind, "account_ids": sorted(accounts), "debtor_ids": sorted(debtors)})

    def _money(self, account: str, amount: Decimal) -> str:
        places = DECIMALS[self.accounts.at[account, "currency"]]
        return str(max(amount, Decimal(1)).quantize(Decimal(1).scaleb(-places)))


def plant(out: Path, seed: int, planted: bool, each: int = EACH) -> None:
    """Change payments and contacts of the source folder in place, and write truth/unusual.json. The same folder, seed
    and number give the same bytes. planted: False leaves the innocent ones alone.
    """
    tables = {name: _read(out, name) for name in ("accounts", "charges", "payments", "contacts")}
    control = json.loads((out / "payments.control.json").read_text())
    of = _planting(tables, np.random.default_rng([seed, 17]), dt.date.fromisoformat(control["complete_through"]))
    for _ in range(each if planted else 0):
        for kind in (_refund, _lone_ring, _ring, _mule, _change, _shared_phone):
            kind(of)
    _innocent(of, tables, seed)
    _write(out, "payments", tables["payments"], of.payments, of.accounts["currency"])
    _write(out, "contacts", tables["contacts"], of.contacts, of.accounts["currency"])
    (out / "truth" / "unusual.json").write_text(json.dumps(of.truth, indent=1) + "\n", encoding="utf-8")


def _planting(tables: dict[str, pd.DataFrame], draw: np.random.Generator, last: dt.date) -> Planting:
    accounts = tables["accounts"].drop_duplicates("account_id").set_index("account_id")
    paid = tables["payments"].assign(amount=tables["payments"]["amount"].map(Decimal))
    sign = np.where(paid["kind"] == "reversal", 1, -1)
    owed = (
        tables["charges"].assign(amount=tables["charges"]["amount"].map(Decimal)).groupby("account_id")["amount"].sum()
    )
    owed = owed.add((paid["amount"] * sign).groupby(paid["account_id"]).sum(), fill_value=Decimal(0))
    own = paid[(paid["kind"] == "payment").to_numpy()]
    currency = own["account_id"].map(accounts["currency"])
    typical = {str(code): sorted(rows)[len(rows) // 2] for code, rows in own["amount"].groupby(currency)}
    opened = (last - dt.timedelta(days=KNOWN_DAYS)).isoformat()
    ready = accounts["portfolio"].isin(DERIVED) & (accounts["opened_on"] < opened) & (accounts["opened_on"] != "")
    ready &= (accounts["known_at"] < opened) & accounts["currency"].isin(typical)
    accounts = accounts[ready.to_numpy()]
    debtors = draw.permutation(np.unique(accounts["debtor_id"].to_numpy(dtype=str))).tolist()
    habits = {
        str(name): (max(rows["amount"]), frozenset(rows["method"]))
        for name, rows in own.groupby("account_id", sort=True)
    }
    return Planting(draw, last, accounts, owed.to_dict(), typical, habits, debtors)


def _noon(day: dt.date) -> str:
    return f"{day.isoformat()}T12:00:00+00:00"


def _token(*parts: object) -> str:
    return "I" + hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()[:15]


# ---- planted ---------------------------------------------------------------------------------------------------------


def _refund(of: Planting) -> None:
    """Much more than is owed is paid, and asked back within days."""
    (account,), day = of.some(1), of.day()
    due = max(of.owed.get(account, Decimal(0)), of.amount(account, 0.5, 1))
    of.pay(account, day, due * Decimal(f"{of.draw.uniform(1.6, 4):.4f}"), "card", _token("refund", account), None)
    of.contact(account, of.later(day, 1, 12), channel="email", direction="inbound", request="refund")
    of.tell("planted", REFUND, [account])


def _lone_ring(of: Planting) -> None:
    """One debtor pays and takes back, again and again."""
    (account,) = of.some(1)
    for _ in range(int(of.draw.integers(4, 8))):
        day = of.day()
        of.pay(account, day, of.amount(account, 0.5, 3), "card", _token("ring", account), of.later(day, 3, 20))
    of.tell("planted", RING, [account])


def _ring(of: Planting) -> None:
    """A few debtors do, by one instrument."""
    accounts = of.some(int(of.draw.integers(2, 5)))
    for account in accounts:
        for _ in range(2):
            day = of.day()
            of.pay(account, day, of.amount(account, 0.5, 3), "card", _token("ring", accounts[0]), of.later(day, 3, 20))
    of.tell("planted", RING, accounts)


def _mule(of: Planting) -> None:
    """One instrument pays for many."""
    accounts = of.some(int(of.draw.integers(4, 10)))
    for account in accounts:
        for _ in range(int(of.draw.integers(1, 3))):
            of.pay(account, of.day(), of.amount(account, 0.3, 2), "card", _token("mule", accounts[0]), None)
    of.tell("planted", INSTRUMENT, accounts)


def _change(of: Planting) -> None:
    """After small payments by one method a large one comes by another, and is taken back."""
    (account,), day = of.some(1), of.day()
    usual, used = of.habits.get(account, (of.amount(account, 0.2, 0.5), frozenset()))
    for number in range(int(of.draw.integers(3, 7))):
        before = day - dt.timedelta(days=20 + 25 * number)
        of.pay(account, before, usual, "standing_order", _token("own", account), None)
    fresh = next((name for name in ("card", "cheque", "bank_transfer", "direct_debit") if name not in used), "wallet")
    large = usual * Decimal(f"{of.draw.uniform(2.5, 6):.4f}")
    of.pay(account, day, large, fresh, _token("new", account), of.later(day, 3, 20))
    of.tell("planted", CHANGE, [account])


def _shared_phone(of: Planting) -> None:
    """Several strangers are reached at one number."""
    accounts = of.some(int(of.draw.integers(3, 8)))
    for account in accounts:
        for _ in range(int(of.draw.integers(1, 4))):
            told = {"channel": "call", "direction": "outbound", "outcome": "right_party"}
            of.contact(account, of.day(), **told, endpoint_id=_token("phone", accounts[0]))
    of.tell("planted", ENDPOINT, accounts)


# ---- innocent --------------------------------------------------------------------------------------------------------


def _innocent(of: Planting, tables: dict[str, pd.DataFrame], seed: int) -> None:
    """What is there in any house. Every payment that was made tells its instrument; cash has none."""
    payments, contacts = tables["payments"], tables["contacts"]
    owner = payments["account_id"].map(
        tables["accounts"].drop_duplicates("account_id").set_index("account_id")["debtor_id"]
    )
    made = (payments["kind"] == "payment") & ~payments["method"].isin(["", "cash"])
    whole = max(len(of.debtors), 1)
    payer = {str(name): str(name) for name in owner.unique()}
    couples = [of.couple() for _ in range(int(round(COUPLES / 2 * whole)))]
    helped = [of.some(int(of.draw.integers(3, 7))) for _ in range(int(round(HELPERS * whole)))]
    for accounts in (*couples, *helped):
        names = [str(of.accounts.at[one, "debtor_id"]) for one in accounts]
        payer |= dict.fromkeys(names, names[0])
    for accounts in helped:
        of.tell("innocent", INSTRUMENT, accounts)
    tokens = [_token(seed, payer[str(who)], how) for who, how in zip(owner, payments["method"], strict=True)]
    payments["instrument"] = np.where(made, tokens, "")
    contacts["request"] = ""
    for _ in range(int(round(FAMILIES * whole))):
        accounts = of.some(3)
        for account in accounts:
            told = {"channel": "call", "direction": "outbound", "outcome": "right_party"}
            of.contact(account, of.day(), **told, endpoint_id=_token("family", accounts[0]))
        of.tell("innocent", ENDPOINT, accounts)
    for pair in couples:
        for account in pair:
            told = {"channel": "sms", "direction": "outbound", "outcome": "delivered"}
            of.contact(account, of.day(), **told, endpoint_id=_token("home", pair[0]))
    for _ in range(int(round(TWICE * whole))):
        (account,), day = of.some(1), of.day()
        due = max(of.owed.get(account, Decimal(0)), of.amount(account, 0.5, 1))
        for paid in (day, of.later(day, 0, 3)):
            of.pay(account, paid, due, "bank_transfer", _token("own", account), None)
        of.contact(account, of.later(day, 4, 15), channel="call", direction="inbound", request="refund")
        of.tell("innocent", REFUND, [account])
    for _ in range(int(round(BOUNCES * whole))):
        (account,) = of.some(1)
        for number in range(int(of.draw.integers(2, 5))):
            day = of.last - dt.timedelta(days=FIRST - 30 * number)
            back = of.later(day, 2, 8) if of.draw.random() < 0.6 else None
            of.pay(account, day, of.amount(account, 0.5, 1.2), "direct_debit", _token("own", account), back)
        of.tell("innocent", RING, [account])
    for account in of.some(int(round(ASKERS * whole))):
        of.contact(account, of.day(), channel="email", direction="inbound", request="refund")


# ---- files -----------------------------------------------------------------------------------------------------------


def _read(out: Path, name: str) -> pd.DataFrame:
    """The cells of a delivered table as text; UsageError where it lies otherwise than in one file of CSV."""
    place = out / f"{name}.csv.gz"
    if not place.is_file():
        raise UsageError("Unusual cases are planted into one file of CSV a table. Leave --shards and --format out.")
    return pd.read_csv(place, dtype="str", keep_default_na=False)


def _write(out: Path, name: str, table: pd.DataFrame, more: list[dict[str, str]], currency: pd.Series) -> None:
    """The table with further rows, and a control file that vouches for both."""
    cells = [[row.get(column, "") for column in table] for row in more]
    rows = pd.DataFrame(cells, columns=list(table), dtype="str")
    whole = pd.concat([table, rows], ignore_index=True)
    text = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=text, mode="wb", mtime=0) as file:
        file.write(whole.to_csv(index=False, lineterminator="\n").encode())
    (out / f"{name}.csv.gz").write_bytes(text.getvalue())
    control = json.loads((out / f"{name}.control.json").read_text())
    if name == "payments":
        for code, own in rows.groupby(rows["account_id"].map(currency)):
            told = Decimal(control["sums"].get(str(code), "0")) + sum(map(Decimal, own["amount"]), Decimal(0))
            control["sums"][str(code)] = str(told)
    control["rows"] += len(rows)
    (out / f"{name}.control.json").write_text(json.dumps(control, indent=1) + "\n", encoding="utf-8")
