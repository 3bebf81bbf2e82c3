"""Payments and credits with their own reversals: what settles a debt, and what each was worth as it was known on a day."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from features.compiled import compiled
from features.tables import inner_columns
from features.versions import Texts, arranged, column, hash_texts, same_text, spans, still, texts

NOT_NAMED = -1


@dataclass(frozen=True)
class Settlements:
    """One row per payment or credit of the accounts, sorted by (account, occurred_at, payment_id). Amounts in minor units.

    net as known for D = amount - sum of the reversals with known_on < D; reversals never take back more than the amount.
    Rows of accounts not asked about, and reversals of a payment the account does not have, are left out.
    """

    accounts: np.ndarray  # int64, sorted
    offsets: np.ndarray  # int64[accounts + 1]: rows of each account
    position: np.ndarray  # int32: index into accounts
    occurred_at: np.ndarray  # int64
    occurred_on: np.ndarray  # int32
    known_on: np.ndarray  # int32
    amount: np.ndarray  # int64, > 0
    is_credit: np.ndarray  # bool
    reversal_offsets: np.ndarray  # int64[rows + 1]: reversals of each row, in the order they became known
    reversal_known_on: np.ndarray  # int32
    reversal_amount: np.ndarray  # int64
    payments: pd.DataFrame  # the arranged payments
    row: np.ndarray  # int64: place of each row in `payments`

    @cached_property
    def charge_ids(self) -> Texts:
        """The charge each row of `payments` names, if any."""
        if "charge_id" not in self.payments:
            return texts(pd.Series([None] * len(self.payments), dtype="str"))
        return texts(self.payments["charge_id"])

    @cached_property
    def method(self) -> np.ndarray:
        """int32 code of each row's method into method_names; -1 when empty."""
        return self._methods[0]

    @property
    def method_names(self) -> np.ndarray:
        """The methods in use, sorted."""
        return self._methods[1]

    @cached_property
    def _methods(self) -> tuple[np.ndarray, np.ndarray]:
        if "method" not in self.payments:
            return np.full(self.row.size, -1, np.int32), np.empty(0, object)
        codes, names = pd.factorize(self.payments["method"].iloc[self.row].astype("str"), sort=True)
        return codes.astype(np.int32), np.asarray(names, dtype=object)


def settlements(payments: pd.DataFrame | None, accounts: np.ndarray) -> Settlements:
    """Payments and credits of the accounts (int64, sorted, unique) with their reversals. None: payments are not delivered, no rows."""
    if payments is None:
        payments = _no_payments()
    payments = arranged(payments, "payments")
    account_no = column(payments, "account_no", np.int64, "payments")
    occurred_at = column(payments, "occurred_at", np.int64, "payments")
    known_on = column(payments, "known_on", np.int32, "payments")
    amount = column(payments, "amount", np.int64, "payments")
    kind = payments["kind"]
    first, last = spans(account_no, accounts)
    asked = _inside(first, last, len(payments))
    reverses = (kind == "reversal").to_numpy(dtype=bool) & asked

    row = np.flatnonzero(asked & ~reverses)
    row = row[_tie_order(account_no[row], occurred_at[row], payments, row)]
    position = np.searchsorted(accounts, account_no[row]).astype(np.int32)
    offsets = np.searchsorted(position, np.arange(accounts.size + 1)).astype(np.int64)
    taken_back = np.flatnonzero(reverses)
    reversal_offsets, reversal_row = np.zeros(row.size + 1, np.int64), np.empty(0, np.int64)
    if taken_back.size:
        by_known = np.lexsort((amount[taken_back], column(payments, "known_at", np.int64, "payments")[taken_back]))
        taken_back = taken_back[by_known]
        owner = np.searchsorted(accounts, account_no[taken_back])
        ids, named = texts(payments["payment_id"]), texts(payments["reverses"])
        target = _reversed(still(row, np.int64), still(offsets, np.int64), still(taken_back, np.int64), still(owner, np.int64), ids, named)
        found = target >= 0
        order = np.argsort(target[found], kind="stable")
        reversal_row = taken_back[found][order]
        reversal_offsets[1:] = np.cumsum(np.bincount(target[found], minlength=row.size))
    return Settlements(
        accounts=accounts,
        offsets=still(offsets, np.int64),
        position=still(position, np.int32),
        occurred_at=still(occurred_at[row], np.int64),
        occurred_on=still(column(payments, "occurred_on", np.int32, "payments")[row], np.int32),
        known_on=still(known_on[row], np.int32),
        amount=still(amount[row], np.int64),
        is_credit=still((kind == "credit").to_numpy(dtype=bool)[row], np.bool_),
        reversal_offsets=still(reversal_offsets, np.int64),
        reversal_known_on=still(known_on[reversal_row], np.int32),
        reversal_amount=still(_at_most_the_amount(amount[row], reversal_offsets, amount[reversal_row]), np.int64),
        payments=payments,
        row=still(row, np.int64),
    )


def named_charges(found: Settlements, charges: pd.DataFrame, head: np.ndarray) -> np.ndarray:
    """int64: row of the arranged charges with the first version of the charge that each settlement names; NOT_NAMED if it names none.

    Only charges of the settlement's own account count. head: see Lineage.
    """
    target = np.full(found.row.size, NOT_NAMED, np.int64)
    if not len(charges) or not found.charge_ids.given.any():
        return target
    ids = texts(charges["charge_id"])
    first, last = spans(charges["account_no"].to_numpy(), found.accounts)
    hashes, named_hashes = np.zeros(len(charges), np.uint64), np.zeros(len(found.payments), np.uint64)
    hash_texts(ids, hashes)
    hash_texts(found.charge_ids, named_hashes)
    _match_charges(
        found.position, found.row, found.charge_ids, named_hashes, still(first, np.int64), still(last, np.int64), ids, hashes,
        still(head, np.int64), target,
    )  # fmt: skip
    return target


def net_known(found: Settlements, as_of: np.ndarray | int) -> np.ndarray:
    """int64: what each settlement is worth for the night of as_of (one, or one per row); 0 while it is not known itself."""
    reversals = np.repeat(np.arange(found.row.size), np.diff(found.reversal_offsets))
    known = found.reversal_known_on < (as_of if np.isscalar(as_of) else np.asarray(as_of)[reversals])
    net = found.amount.copy()
    np.subtract.at(net, reversals[known], found.reversal_amount[known])
    return np.where(found.known_on < as_of, net, 0)


def _no_payments() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series([], dtype=dtype) for name, dtype in inner_columns("payments").items()})


def _inside(first: np.ndarray, last: np.ndarray, rows: int) -> np.ndarray:
    if first.size and (last - first).sum() == rows:
        return np.ones(rows, bool)
    edges = np.zeros(rows + 1, np.int64)
    np.add.at(edges, first, 1)
    np.add.at(edges, last, -1)
    return np.cumsum(edges[:-1]) > 0


def _tie_order(account_no: np.ndarray, occurred_at: np.ndarray, payments: pd.DataFrame, row: np.ndarray) -> np.ndarray:
    """Order of rows already sorted by (account, occurred_at) that sorts equal instants by payment_id."""
    order = np.arange(row.size)
    equal = (account_no[1:] == account_no[:-1]) & (occurred_at[1:] == occurred_at[:-1])
    if equal.any():
        tied = np.flatnonzero(np.append(equal, False) | np.insert(equal, 0, False))
        ids = payments["payment_id"].iloc[row[tied]].to_numpy(dtype=object).astype(str)
        order[tied] = tied[np.lexsort((ids, occurred_at[tied], account_no[tied]))]
    return order


@compiled
def _reversed(row, offsets, taken_back, owner, ids, named):
    """Index of the settlement that each reversal names within its account; -1 if there is none."""
    target = np.full(taken_back.size, -1, np.int64)
    for reversal in range(taken_back.size):
        account = owner[reversal]
        for place in range(offsets[account], offsets[account + 1]):
            if same_text(ids, row[place], named, taken_back[reversal]):
                target[reversal] = place
                break
    return target


def _at_most_the_amount(amount: np.ndarray, offsets: np.ndarray, taken_back: np.ndarray) -> np.ndarray:
    """Reversals in the order they became known, cut where together they would exceed what was paid."""
    if not taken_back.size:
        return taken_back
    until = np.cumsum(taken_back)
    owner = np.repeat(np.arange(amount.size), np.diff(offsets))
    start = np.insert(until, 0, 0)[offsets[:-1]][owner]
    within = np.minimum(until - start, amount[owner])
    before = np.minimum(until - taken_back - start, amount[owner])
    return within - before


@compiled
def _match_charges(position, row, names, named_hashes, first, last, ids, hashes, head, target):
    for settlement in range(row.size):
        payment = row[settlement]
        if not names.given[payment]:
            continue
        account = position[settlement]
        for charge in range(first[account], last[account]):
            if head[charge] == charge and hashes[charge] == named_hashes[payment] and same_text(ids, charge, names, payment):
                target[settlement] = charge
                break
