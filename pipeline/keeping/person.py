"""Who a person is to the store: every id under which debts of hers or his are kept."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.pages.without import ACCOUNTS, DEBTORS, JOINED, Whose, of_whose
from pipeline.store.forgotten import forgotten
from pipeline.store.form import TREATED, WATCHED
from pipeline.store.store import Store

ALIASES = "debtors"  # the table that says which debtors are one person
LEAST_TOLD, LEAST_NUMBER = 4, 8  # letters of an id, digits of a number, below which a word in a text says nothing


@dataclass(frozen=True)
class Person:
    """debtors: all of one person. accounts: account_id -> currency. shards: where they lie."""

    debtors: frozenset[str]
    accounts: Mapping[str, str | None] = field(default_factory=dict)
    shards: frozenset[str] = frozenset()

    @property
    def ids(self) -> frozenset[str]:
        return self.debtors | set(self.accounts)

    @property
    def whose(self) -> Whose:
        return Whose(self.debtors, frozenset(self.accounts))

    @property
    def telling_ids(self) -> frozenset[str]:
        """The ids that can be looked for in any text: one that is too short or a short number is found everywhere."""
        return frozenset(one for one in self.ids if len(one) >= (LEAST_NUMBER if one.isdecimal() else LEAST_TOLD))

    def of_rows(self, rows: pa.Table, _partition: str | None = None) -> pa.BooleanArray:
        """Which rows of a table are this person's: by its ids, or by the ids in a row's raw text."""
        goes = of_whose(rows, self.whose)
        if "raw" in rows.column_names:
            raw = [self._is_raw(text) for text in rows.column("raw").to_pylist()]
            goes = pa.array([one or other for one, other in zip(goes.to_pylist(), raw, strict=True)], pa.bool_())
        return goes

    def _is_raw(self, text: str | None) -> bool:
        if not text:
            return False
        try:
            held = json.loads(text)
        except ValueError:
            held = {}
        cells = held if isinstance(held, dict) else {}
        own = [
            str(cells[name]).strip() in self.whose.of_column(name) for name in (*DEBTORS, *ACCOUNTS) if name in cells
        ]
        return any(own) or self.is_named(text)

    def is_named(self, text: str) -> bool:
        return any(one in text and re.search(rf"(?<![\w-]){re.escape(one)}(?![\w-])", text) for one in self.telling_ids)


def person_of(store: Store, out: Path, debtor_id: str) -> Person:
    """The debtor with all aliases, and all their accounts: as the store holds them, in whichever version, and as lists
    were published, should the store hold nothing any more.
    """
    debtors = _aliases(store, debtor_id)
    accounts: dict[str, str | None] = {}
    shards = set()
    for place in store.delta.every_file("accounts") if "accounts" in store.delta.names() else []:
        store.delta.check_sound(place)
        for account, debtor, currency in _cells(place, "account_id", "debtor_id", "currency"):
            if debtor in debtors and account is not None:
                accounts[account] = currency
                shards.add(place.parent.name.partition("=")[2])
    names = ("assignments", "draws", "messages", TREATED, WATCHED)
    written = [place for name in names if name in store.delta.names() for place in store.delta.every_file(name)]
    published = [place for place in sorted(out.glob("*/*.parquet")) if not place.parent.is_symlink()]
    for place in [*written, *published]:
        for account, debtor, joined, currency in _cells(place, "account_id", "debtor_id", JOINED, "currency"):
            if debtor in debtors:
                for one in (account, *(joined or "").split()):
                    if one is not None and one not in accounts:
                        accounts[one] = currency
    for account in _forgotten_accounts(store, debtor_id, published):
        accounts.setdefault(account, None)
    return Person(frozenset(debtors), accounts, frozenset(shards))


def _forgotten_accounts(store: Store, debtor_id: str, published: Sequence[Path]) -> set[str]:
    """Accounts in published files that were the debtor's, known by their hashes alone: of a debtor who was forgotten
    while these files lay elsewhere.
    """
    record = forgotten(store.path)
    wanted = record.accounts_of(debtor_id)
    found: set[str] = set()
    for place in published if wanted else ():
        if "account_id" in pq.read_schema(place).names:
            ids = pq.read_table(place, columns=["account_id"]).column("account_id").unique().to_pylist()
            found |= {one for one in ids if one is not None and record.hashed(one) in wanted}
    return found


def _cells(place: Path, *names: str) -> list[tuple[str | None, ...]]:
    """The texts of these columns row by row, None where the file has no such column; none of a file without debtors."""
    present = pq.read_schema(place).names
    if "debtor_id" not in present:
        return []
    rows = pq.read_table(place, columns=[name for name in names if name in present])
    columns = [rows.column(name).to_pylist() if name in present else [None] * rows.num_rows for name in names]
    return list(zip(*columns, strict=True))


def _aliases(store: Store, debtor_id: str) -> set[str]:
    found = {debtor_id}
    if ALIASES not in store.delta.names():
        return found
    pairs = []
    for place in store.delta.every_file(ALIASES):
        store.delta.check_sound(place)
        pairs += _cells(place, "debtor_id", "same_as")
    grew = True
    while grew:
        beside = {one for pair in pairs if not found.isdisjoint(pair) for one in pair if one is not None}
        grew = not beside <= found
        found |= beside
    return found
