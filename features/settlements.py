"""Payments, credits and what was withheld for the creditor, with their own reversals: what settles a debt,
and what each was worth as it was known on a day.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from features.aliases import AS_DELIVERED
from features.compiled import compiled
from features.events import classes_of
from features.receipts import told_apart
from features.tables import NEVER, NO_NUMBER, PAYMENT_KINDS, inner_columns, numbered
from features.versions import arranged, column, spans, still

NOT_NAMED = -1
# The columns of payments that settlements are told from, as the store holds them.
PAYMENT_COLUMNS = (
    "account_no",
    "payment_no",
    "occurred_at",
    "occurred_on",
    "amount",
    "kind",
    "reverses_no",
    "known_at",
    "known_on",
)
SETTLEMENT_KINDS = ("payment", "credit", "withheld")
CASH, CREDIT, WITHHELD = range(len(SETTLEMENT_KINDS))
REVERSAL = PAYMENT_KINDS.index("reversal")
_KIND_OF = np.array(
    [SETTLEMENT_KINDS.index(kind) if kind in SETTLEMENT_KINDS else -1 for kind in PAYMENT_KINDS], np.int8
)


@dataclass(frozen=True)
class Settlements:
    """One row per payment, credit or withheld sum of the accounts, sorted by (account, occurred_at, payment_no).
    Amounts in minor units.

    net as known for D = amount - sum of the reversals with known_on < D; reversals never take back more than the
    amount. Rows of accounts not asked about, and reversals of a payment the account does not have, are left out.
    """

    accounts: np.ndarray  # int64, sorted
    offsets: np.ndarray  # int64[accounts + 1]: rows of each account
    position: np.ndarray  # int32: index into accounts
    occurred_at: np.ndarray  # int64
    occurred_on: np.ndarray  # int32
    known_on: np.ndarray  # int32
    amount: np.ndarray  # int64, > 0
    kind: np.ndarray  # int8: place in SETTLEMENT_KINDS
    reversal_offsets: np.ndarray  # int64[rows + 1]: reversals of each row, in the order they became known
    reversal_known_on: np.ndarray  # int32
    reversal_occurred_on: np.ndarray  # int32
    reversal_amount: np.ndarray  # int64
    reversal_row: np.ndarray  # int64: place of each reversal in `payments`
    payments: pd.DataFrame  # the arranged payments
    row: np.ndarray  # int64: place of each row in `payments`
    lines_apart: Settlements | None = None

    @property
    def lines(self) -> Settlements:
        """The same money by line: a receipt is one payment of an account, and settles the charges its lines name."""
        return self.lines_apart or self

    @cached_property
    def told(self) -> np.ndarray:
        """bool per reversal: whether it happened, and is no work of a later set of lines."""
        if "told" not in self.payments:
            return np.ones(self.reversal_row.size, bool)
        return self.payments["told"].to_numpy()[self.reversal_row]

    @cached_property
    def replaced_on(self) -> np.ndarray:
        """int32 per row: day on which a later set of lines of the same receipt became known, else NEVER."""
        if "replaced_on" not in self.payments:
            return np.full(self.row.size, NEVER, np.int32)
        return still(self.payments["replaced_on"].to_numpy()[self.row], np.int32)

    @cached_property
    def charge_no(self) -> np.ndarray:
        """int64: number of the charge that each settlement names, NO_NUMBER if none."""
        if not {"charge_id", "charge_no"} & set(self.payments.columns):
            return np.full(self.row.size, NO_NUMBER)
        return numbered(self.payments, "charge_id", "payments")[self.row]


def settlements(
    payments: pd.DataFrame | None, accounts: np.ndarray, owner: Callable[[], np.ndarray | None] | None = None
) -> Settlements:
    """Payments, credits and withheld sums of the accounts (int64, sorted, unique) with their reversals. None:
    payments are not delivered, no rows. owner: tells, where asked, the number of the debtor of each account, whose
    receipts may have lines on several of them; each account stands alone where None.
    """
    payments = arranged(_no_payments() if payments is None else payments, "payments")
    told = told_apart(payments, accounts, owner)
    if told is None:
        return _settlements(payments, accounts)
    return replace(_settlements(told.whole, accounts), lines_apart=_settlements(told.lines, accounts))


def _settlements(payments: pd.DataFrame, accounts: np.ndarray) -> Settlements:
    """Every row a payment of its own."""
    account_no = column(payments, "account_no", np.int64, "payments")
    occurred_at = column(payments, "occurred_at", np.int64, "payments")
    known_on = column(payments, "known_on", np.int32, "payments")
    amount = column(payments, "amount", np.int64, "payments")
    kinds = classes_of(payments["kind"], PAYMENT_KINDS)
    columns = account_no, occurred_at, column(payments, "occurred_on", np.int32, "payments"), known_on, amount
    row, offsets, position, *held, taken_back, owner, tied = _told_apart(
        accounts, *columns, kinds.index, kinds.low, kinds.table
    )
    numbers = still(numbered(payments, "payment_id", "payments") if tied or taken_back.size else row, np.int64)
    if tied:
        moved, came_from = _by_number(
            still(position, np.int32), still(held[0], np.int64), still(row, np.int64), numbers
        )
        for values in (row, *held):
            values[moved] = values[came_from]

    reversal_offsets, reversal_row = np.zeros(row.size + 1, np.int64), np.empty(0, np.int64)
    if taken_back.size:
        by_known = np.lexsort((amount[taken_back], column(payments, "known_at", np.int64, "payments")[taken_back]))
        taken_back, owner = taken_back[by_known], owner[by_known]
        named = numbered(payments, "reverses", "payments")[taken_back]
        own = still(payments["line_no"].to_numpy(), np.int64) if "line_no" in payments else numbers
        target = _reversed(
            still(row, np.int64), still(offsets, np.int64), still(owner, np.int64), own, still(named, np.int64)
        )
        found = target >= 0
        order = np.argsort(target[found], kind="stable")
        reversal_row = taken_back[found][order]
        reversal_offsets = _running(target[found], row.size)
    occurred_at, occurred_on, held_known_on, held_amount, kind = held
    return Settlements(
        accounts=accounts,
        offsets=still(offsets, np.int64),
        position=still(position, np.int32),
        occurred_at=still(occurred_at, np.int64),
        occurred_on=still(occurred_on, np.int32),
        known_on=still(held_known_on, np.int32),
        amount=still(held_amount, np.int64),
        kind=still(kind, np.int8),
        reversal_offsets=still(reversal_offsets, np.int64),
        reversal_known_on=still(known_on[reversal_row], np.int32),
        reversal_occurred_on=still(columns[2][reversal_row], np.int32),
        reversal_amount=_at_most_the_amount(
            still(held_amount, np.int64), still(reversal_offsets, np.int64), amount[reversal_row]
        ),
        reversal_row=still(reversal_row, np.int64),
        payments=payments,
        row=still(row, np.int64),
    )


@compiled
def _told_apart(accounts, account_no, occurred_at, occurred_on, known_on, amount, kind, low, kind_of):
    """Rows of the accounts by kind, in one pass over rows sorted by account and time.

    Settlements: row, offsets[accounts + 1], index into accounts, and their columns; reversals: row and index into
    accounts; and whether two settlements of an account share an instant.
    """
    settled, reversals = 0, 0
    for row in range(account_no.size):
        code = kind_of[np.int64(kind[row]) - low]
        settled += code != REVERSAL
        reversals += code == REVERSAL
    rows, position, offsets = (
        np.empty(settled, np.int64),
        np.empty(settled, np.int32),
        np.zeros(accounts.size + 1, np.int64),
    )
    at, on, known = np.empty(settled, np.int64), np.empty(settled, np.int32), np.empty(settled, np.int32)
    money, settles = np.empty(settled, np.int64), np.empty(settled, np.int8)
    taken_back, owner = np.empty(reversals, np.int64), np.empty(reversals, np.int64)
    settled, reversals, place, tied = 0, 0, 0, False
    for row in range(account_no.size):
        while place < accounts.size and accounts[place] < account_no[row]:
            place += 1
            offsets[place] = settled
        if place == accounts.size or accounts[place] != account_no[row]:
            continue
        code = kind_of[np.int64(kind[row]) - low]
        if code == REVERSAL:
            taken_back[reversals], owner[reversals] = row, place
            reversals += 1
            continue
        tied |= settled > offsets[place] and at[settled - 1] == occurred_at[row]
        rows[settled], position[settled], settles[settled] = row, place, _KIND_OF[code]
        at[settled], on[settled], known[settled], money[settled] = (
            occurred_at[row],
            occurred_on[row],
            known_on[row],
            amount[row],
        )
        settled += 1
    offsets[place + 1 :] = settled
    return (
        rows[:settled],
        offsets,
        position[:settled],
        at[:settled],
        on[:settled],
        known[:settled],
        money[:settled],
        settles[:settled],
        taken_back[:reversals],
        owner[:reversals],
        tied,
    )


@compiled
def _running(places, size):
    """offsets[size + 1] of values given with their place below size."""
    offsets = np.zeros(size + 1, np.int64)
    for place in places:
        offsets[place + 1] += 1
    for place in range(size):
        offsets[place + 1] += offsets[place]
    return offsets


def debtors_of(versions: pd.DataFrame, accounts: np.ndarray) -> np.ndarray | None:
    """int64 per account: number of the debtor that it was delivered with; None where the table does not say.

    versions: the accounts table by account_no. A link between debtors moves no receipt from one to the other.
    """
    name = AS_DELIVERED if AS_DELIVERED in versions else "debtor_id"
    if name not in versions:
        return None
    numbers = versions["account_no"].to_numpy()
    place = np.searchsorted(numbers, accounts)
    return pd.factorize(versions[name].iloc[np.minimum(place, max(numbers.size - 1, 0))])[0].astype(np.int64)


def named_charges(found: Settlements, charges: pd.DataFrame, head: np.ndarray) -> np.ndarray:
    """int64: row of the arranged charges with the first version of the charge that each settlement names;
    NOT_NAMED if it names none.

    Only charges of the settlement's own account count. head: see Lineage.
    """
    target = np.full(found.row.size, NOT_NAMED, np.int64)
    if not len(charges) or not (found.charge_no != NO_NUMBER).any():
        return target
    first, last = spans(charges["account_no"].to_numpy(), found.accounts)
    numbers = still(numbered(charges, "charge_id", "charges"), np.int64)
    named = still(found.charge_no, np.int64)
    _match_charges(
        found.position, named, still(first, np.int64), still(last, np.int64), numbers, still(head, np.int64), target
    )
    return target


def net_known(found: Settlements, as_of: np.ndarray | int) -> np.ndarray:
    """int64: what each settlement is worth for the night of as_of (one, or one per row);
    0 while it is not known itself.
    """
    reversals = np.repeat(np.arange(found.row.size), np.diff(found.reversal_offsets))
    known = found.reversal_known_on < (as_of if np.isscalar(as_of) else np.asarray(as_of)[reversals])
    net = found.amount.copy()
    np.subtract.at(net, reversals[known], found.reversal_amount[known])
    return np.where(found.known_on < as_of, net, 0)


def net_payments(found: Settlements, as_of: int) -> pd.DataFrame:
    """account_no, occurred_on, amount of every payment before the night of as_of, net of the reversals known by then;
    credits and withheld sums are no money.

    A payment of which nothing is left is no row.
    """
    return _payments(found, _left(found, as_of))


def _left(found: Settlements, as_of: int) -> np.ndarray:
    net = net_known(found, as_of)
    return np.where((net > 0) & (found.kind == CASH) & (found.occurred_on < as_of), net, 0)


def _payments(found: Settlements, amount: np.ndarray) -> pd.DataFrame:
    rows = np.flatnonzero(amount)
    return pd.DataFrame(
        {
            "account_no": found.accounts[found.position[rows]],
            "occurred_on": found.occurred_on[rows],
            "amount": amount[rows],
        }
    )


def _no_payments() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series([], dtype=dtype) for name, dtype in inner_columns("payments").items()})


@compiled
def _by_number(position, occurred_at, row, numbers):
    """Settlements of one account and instant in the order of their numbers: places whose row moves,
    and where those rows come from.
    """
    order = np.arange(row.size)
    first = 0
    for place in range(1, row.size):
        if position[place] != position[place - 1] or occurred_at[place] != occurred_at[place - 1]:
            first = place
            continue
        before = place
        while before > first and numbers[row[order[before - 1]]] > numbers[row[place]]:
            order[before] = order[before - 1]
            before -= 1
        order[before] = place
    moved = np.flatnonzero(order != np.arange(row.size))
    return moved, order[moved]


@compiled
def _reversed(row, offsets, owner, numbers, named):
    """Index of the settlement that each reversal names within its account; -1 if there is none."""
    target = np.full(named.size, -1, np.int64)
    for reversal in range(named.size):
        account = owner[reversal]
        for place in range(offsets[account], offsets[account + 1]):
            if numbers[row[place]] == named[reversal]:
                target[reversal] = place
                break
    return target


def _at_most_the_amount(amount: np.ndarray, offsets: np.ndarray, taken_back: np.ndarray) -> np.ndarray:
    """Reversals in the order they became known, cut where together they would exceed what was paid."""
    cut = np.array(taken_back, np.int64)
    _cut(amount, offsets, cut)
    return still(cut, np.int64)


@compiled
def _cut(amount, offsets, taken_back):
    for payment in range(amount.size):
        left = amount[payment]
        for reversal in range(offsets[payment], offsets[payment + 1]):
            taken_back[reversal] = min(taken_back[reversal], left)
            left -= taken_back[reversal]


@compiled
def _match_charges(position, named, first, last, numbers, head, target):
    for settlement in range(named.size):
        if named[settlement] == NO_NUMBER:
            continue
        account = position[settlement]
        for charge in range(first[account], last[account]):
            if head[charge] == charge and numbers[charge] == named[settlement]:
                target[settlement] = charge
                break
