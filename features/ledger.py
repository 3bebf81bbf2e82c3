"""Balance, arrears and days past due: each account's history as it was known on every day,
computed once as a list of changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from features.adjustments import Adjusted, adjusted
from features.compiled import compiled
from features.days import day_text
from features.doors import for_history
from features.errors import ContractError, UsageError, some
from features.kernel import days_past_due
from features.pauses import Replayed, with_pauses
from features.replay import Charges, Entries, KnownAccounts, Paid, Statements, segments
from features.settlements import Settlements, debtors_of, named_charges, settlements
from features.tables import NO_MONEY, inner_columns
from features.terms import Terms
from features.versions import arranged, column, filled, lineage, spans, still

READ = ("accounts", "charges", "balances", "payments", "statuses")  # the tables that a ledger is made from
EARLIEST, LATEST = -(2**31), 2**31 - 1


class LedgerTooShort(UsageError):
    """Days are asked for that were left out when the ledger was made."""

    @classmethod
    def by(cls, bounds: str, day: int, asked: str, argument: str, way: str) -> LedgerTooShort:
        return cls(
            f"The ledger {bounds} on {day_text(day)}, but {asked} is asked for. Leave {argument} out, or make it {way}."
        )


class NotInLedger(ContractError):
    """Accounts, tables or amounts that a ledger cannot be without."""

    @classmethod
    def accounts(cls, numbers: Sequence[object]) -> NotInLedger:
        return cls(
            f"The ledger holds no account number {some(numbers)}. Make it from the accounts table they come from."
        )

    @classmethod
    def table(cls, name: str, given: Iterable[str]) -> NotInLedger:
        return cls(f"The ledger needs the table {name!r}. Got {', '.join(sorted(given)) or 'none'}.")

    @classmethod
    def empty(cls, table: str, column: str, rows: int) -> NotInLedger:
        return cls(f"Table {table!r}: column {column!r} must not be empty. Got {rows:,} rows that are.")


@dataclass(frozen=True)
class Ledger:
    """The history of every account as segments: figures that hold from `start` until the next segment's start.

    Figures of day D are those of the last segment with start <= D; before the first segment nothing is owed. Each is
    what was known before D 00:00, so a night and a panel read the same segments. Where nothing changed there is no
    segment.

    Days past due of D = D - overdue_since, or 0 where overdue_since is NO_DAY (the tolerance is already applied); while
    a payment holiday lets them stand still, overdue_since is NO_DAY + days (features.kernel.days_past_due).
    first_day, last_day: the days the ledger was asked for; None = from the beginning, to the end
    """

    accounts: np.ndarray  # int64, sorted, unique
    offsets: np.ndarray  # int64[accounts + 1]
    start: np.ndarray  # int32
    balance: np.ndarray  # int64, minor units
    arrears: np.ndarray  # int64, minor units
    overdue_since: np.ndarray  # int32
    cure_offsets: np.ndarray  # int64[accounts + 1]
    cures: np.ndarray  # int64: nights, see features.replay.segments
    settlements: Settlements  # what it was made from
    adjusted: Adjusted  # what the adjustments among the arranged charges take back
    entries: Entries
    first_day: int | None = None
    last_day: int | None = None

    def positions(self, account_no: np.ndarray) -> np.ndarray:
        """int64 index of each account number. Raises ContractError for an account the ledger does not hold."""
        account_no = np.asarray(account_no, np.int64)
        found = np.searchsorted(self.accounts, account_no)
        unknown = account_no[np.append(self.accounts, -1)[found] != account_no]
        if unknown.size:
            raise NotInLedger.accounts(list(np.unique(unknown)))
        return found

    def must_cover(self, earliest: int | None, latest: int) -> None:
        """Raise UsageError where days outside [first_day, last_day] are asked for;
        earliest None means from the beginning.
        """
        if self.first_day is not None and (earliest is None or earliest < self.first_day):
            asked = "the whole history" if earliest is None else day_text(earliest)
            raise LedgerTooShort.by("begins", self.first_day, asked, "first_day", "earlier")
        if self.last_day is not None and latest > self.last_day:
            raise LedgerTooShort.by("ends", self.last_day, day_text(latest), "last_day", "later")


def history(
    tables: Mapping[str, pd.DataFrame], terms: Terms, first_day: int | None = None, last_day: int | None = None
) -> Ledger:
    """The ledger of all accounts of the accounts table, from charges, balances and payments; absent tables add nothing.

    first_day, last_day: only these days will be asked for (all by default). What lies before first_day still counts,
    but its segments are not kept, so nothing can be said of "ever". Raises ContractError for missing columns, empty
    amounts, and versions that cannot be told apart.
    """
    tables = for_history(tables)
    known = arranged(_table(tables, "accounts"), "accounts")
    accounts = still(np.unique(known["account_no"].to_numpy()), np.int64)
    found = settlements(tables.get("payments"), accounts, partial(debtors_of, known, accounts))
    paid = found.lines
    charges = arranged(tables["charges"], "charges") if "charges" in tables else _empty("charges")
    balances = arranged(tables["balances"], "balances") if "balances" in tables else _empty("balances")
    for name, frame, amounts in (("charges", charges, ("amount",)), ("balances", balances, ("balance", "arrears"))):
        _refuse_empty_amounts(name, frame, amounts)

    versions = lineage(charges, ["account_no", "charge_id"], "charges")
    known_on = column(charges, "known_on", np.int32, "charges")
    # A moved due date must not make an old charge look issued after a statement:
    # the first version tells when it was first known.
    issued_on = filled(column(charges, "issued_on", np.int32, "charges"), known_on[versions.head])
    charge_spans = _spans(charges, accounts)
    named = named_charges(paid, charges, versions.head)
    taken_back = adjusted(charges, charge_spans, versions, paid, named)
    entries = Entries(
        _known_accounts(known, accounts, terms),
        Charges(
            charge_spans,
            column(charges, "due_on", np.int32, "charges"),
            column(charges, "amount", np.int64, "charges"),
            known_on,
            still(versions.superseded_on, np.int32),
            still(versions.head, np.int64),
            still(issued_on, np.int32),
            taken_back.target if taken_back.some else still(np.empty(0), np.int64),
        ),
        _statements(balances, accounts),
        Paid(
            paid.offsets,
            paid.occurred_on,
            paid.known_on,
            paid.amount,
            still(named, np.int64),
            paid.kind,
            paid.replaced_on,
            paid.reversal_offsets,
            paid.reversal_known_on,
            paid.reversal_occurred_on,
            paid.reversal_amount,
        ),
    )
    replayed = Replayed(
        *segments(
            *entries,
            EARLIEST if first_day is None else int(first_day),
            LATEST if last_day is None else int(last_day),
        )
    )
    replayed = with_pauses(replayed, accounts, entries, tables, terms.pauses)
    return Ledger(accounts, *replayed, found, taken_back, entries, first_day, last_day)


def figures_at(ledger: Ledger, account_no: np.ndarray, day: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """balance, arrears (int64 minor units) and days past due (int32) of each account on each day,
    as they were known that day.

    account_no and day are of one length. An account without any row owes 0. Raises ContractError for an account not
    held, UsageError for a day outside the ledger.
    """
    day = np.asarray(day, np.int32)
    if day.size:
        ledger.must_cover(int(day.min()), int(day.max()))
    return _figures(
        ledger.offsets,
        ledger.start,
        ledger.balance,
        ledger.arrears,
        ledger.overdue_since,
        ledger.positions(account_no),
        day,
    )


def worst_days_past_due(ledger: Ledger, account_no: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """int32: the largest days past due as it was known on each day of [first, last], both included.
    0 where last < first.

    Raises ContractError for an account not held, UsageError for days outside the ledger.
    """
    first, last = np.asarray(first, np.int32), np.asarray(last, np.int32)
    if first.size:
        ledger.must_cover(int(first.min()), int(last.max()))
    return _worst(ledger.offsets, ledger.start, ledger.overdue_since, ledger.positions(account_no), first, last)


def _known_accounts(known: pd.DataFrame, accounts: np.ndarray, terms: Terms) -> KnownAccounts:
    versions = lineage(known, ["account_no"], "accounts")
    tolerance = np.zeros(len(known), np.int64)
    for (portfolio, currency), amount in terms.dpd_tolerance.items():
        tolerance[((known["portfolio"] == portfolio) & (known["currency"] == currency)).to_numpy(dtype=bool)] = amount
    return KnownAccounts(
        _spans(known, accounts),
        column(known, "known_on", np.int32, "accounts"),
        still(versions.superseded_on, np.int32),
        still(versions.head, np.int64),
        still(tolerance, np.int64),
    )


def _statements(balances: pd.DataFrame, accounts: np.ndarray) -> Statements:
    versions = lineage(balances, ["account_no", "taken_on"], "balances")
    return Statements(
        _spans(balances, accounts),
        column(balances, "taken_on", np.int32, "balances"),
        column(balances, "balance", np.int64, "balances"),
        column(balances, "arrears", np.int64, "balances"),
        column(balances, "days_past_due", np.int32, "balances"),
        column(balances, "known_on", np.int32, "balances"),
        still(versions.superseded_on, np.int32),
    )


def _spans(frame: pd.DataFrame, accounts: np.ndarray) -> np.ndarray:
    return still(np.stack(spans(frame["account_no"].to_numpy(), accounts), axis=1), np.int64)


def _table(tables: Mapping[str, pd.DataFrame], name: str) -> pd.DataFrame:
    if name not in tables:
        raise NotInLedger.table(name, tables)
    return tables[name]


def _empty(name: str) -> pd.DataFrame:
    return pd.DataFrame({column: pd.Series([], dtype=dtype) for column, dtype in inner_columns(name).items()})


def _refuse_empty_amounts(name: str, frame: pd.DataFrame, amounts: tuple[str, ...]) -> None:
    for amount in amounts:
        empty = column(frame, amount, np.int64, name) == NO_MONEY
        if empty.any():
            raise NotInLedger.empty(name, amount, int(empty.sum()))


@compiled
def segment_at(offsets, start, position, day):
    """Index of the segment of an account that holds on the day; -1 before its first one."""
    low, high = offsets[position], offsets[position + 1]
    while low < high:
        middle = (low + high) // 2
        if start[middle] <= day:
            low = middle + 1
        else:
            high = middle
    return low - 1 if low > offsets[position] else -1


@compiled
def _figures(offsets, start, balance, arrears, overdue_since, positions, days):
    balances, overdue, past_due = (
        np.zeros(days.size, np.int64),
        np.zeros(days.size, np.int64),
        np.zeros(days.size, np.int32),
    )
    for row in range(days.size):
        segment = segment_at(offsets, start, positions[row], days[row])
        if segment >= 0:
            balances[row], overdue[row] = balance[segment], arrears[segment]
            past_due[row] = days_past_due(overdue_since[segment], days[row])
    return balances, overdue, past_due


@compiled
def _worst(offsets, start, overdue_since, positions, first, last):
    worst = np.zeros(positions.size, np.int32)
    for row in range(positions.size):
        until = last[row]
        segment = segment_at(offsets, start, positions[row], until)
        while segment >= offsets[positions[row]] and until >= first[row]:
            worst[row] = max(worst[row], days_past_due(overdue_since[segment], until))
            until = start[segment] - 1
            segment -= 1
    return worst
