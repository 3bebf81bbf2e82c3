"""What could be known when: versions of a row, and the order and grouping of event tables that
the compiled loops rely on.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

import numpy as np
import pandas as pd

from features.compiled import compiled
from features.errors import ContractError, some_ids
from features.tables import NEVER, NO_DAY, NUMBERS, TABLES, account_number, numbered


class Lineage(NamedTuple):
    """The versions of each key. Arrays of the frame's rows."""

    superseded_on: np.ndarray  # int32: known_on of the next version, NEVER for the last
    head: np.ndarray  # int64: row of the first version of the same key


def arranged(frame: pd.DataFrame, table: str) -> pd.DataFrame:
    """The frame with account_no, sorted by account_no and by its position in time;
    a sorted copy only where it is not so already.

    account_no is derived from account_id where absent. Raises ContractError when both are absent.
    """
    if "account_no" not in frame:
        if "account_id" not in frame:
            raise ContractError.missing_columns(table, ["account_no"], frame.columns)
        frame = frame.assign(account_no=account_number(frame["account_id"]))
    position = TABLES[table].position
    if position not in frame:
        raise ContractError.missing_columns(table, [position], frame.columns)
    accounts, times = frame["account_no"].to_numpy(), frame[position].to_numpy()
    if in_order(still(accounts, np.int64), still(times, np.int64)):
        return frame
    return frame.iloc[np.lexsort((times, accounts))]


@compiled
def in_order(accounts, time):
    """Whether rows are sorted by (account, time)."""
    for row in range(1, accounts.size):
        if accounts[row] < accounts[row - 1] or (accounts[row] == accounts[row - 1] and time[row] < time[row - 1]):
            return False
    return True


def spans(account_no: np.ndarray, accounts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and one-past-last row of each account in a column sorted by account_no.
    Rows of accounts not asked about lie in no span.
    """
    return np.searchsorted(account_no, accounts, "left"), np.searchsorted(account_no, accounts, "right")


def column(frame: pd.DataFrame, name: str, dtype: type, table: str) -> np.ndarray:
    """A column as a contiguous read-only array: one type of array, so that each compiled loop is compiled once."""
    if name not in frame:
        raise ContractError.missing_columns(table, [name], frame.columns)
    return still(frame[name].to_numpy(), dtype)


def still(values: np.ndarray, dtype: type) -> np.ndarray:
    held = np.ascontiguousarray(values, dtype).view()
    held.flags.writeable = False
    return held


def lineage(frame: pd.DataFrame, key: Sequence[str], table: str = "given") -> Lineage:
    """Which rows are versions of one another: the same key with a later known_at replaces the earlier row.

    The frame is sorted by account_no, which is part of every key. Raises ContractError where two versions of a key have
    one known_at: which of them holds cannot be told.
    """
    rows = len(frame)
    accounts = column(frame, "account_no", np.int64, table)
    known_at, known_on = column(frame, "known_at", np.int64, table), column(frame, "known_on", np.int32, table)
    parts = [
        still(_key_numbers(frame, name, table), np.int64) for name in key if name not in ("account_no", "account_id")
    ]
    for seed in count():  # a second seed is needed only where two keys of one account share a 64-bit hash
        hashes = np.full(rows, seed, np.uint64)
        for values in parts:
            _hash_numbers(values, hashes)
        order = np.empty(rows, np.int64)
        _order_within_accounts(accounts, hashes, known_at, order)
        if all(_agree_numbers(accounts, hashes, order, values) for values in parts):
            break
    superseded_on, head = np.empty(rows, np.int32), np.empty(rows, np.int64)
    clashes = _chain(accounts, hashes, known_at, known_on, order, superseded_on, head)
    if clashes.size:
        ids = frame["account_id" if "account_id" in frame else "account_no"].iloc[clashes].unique()
        raise ContractError(
            f"Table {table!r} holds two versions of one key ({', '.join(key)}) with the same known_at in "
            f"{clashes.size:,} places "
            f"(accounts {some_ids(list(ids))}). Keep one of them, or give the later one a later known_at."
        )
    return Lineage(superseded_on, head)


def _key_numbers(frame: pd.DataFrame, name: str, table: str) -> np.ndarray:
    """A column of a key as numbers that are equal where its cells are."""
    if name in NUMBERS:
        return numbered(frame, name, table)
    values = frame[name]
    return values.to_numpy() if values.dtype.kind in "iu" else pd.factorize(values)[0]


def key_of(frame: pd.DataFrame, table: str) -> list[str]:
    """The key of a table's versions by account_no, without ids that the frame was made too early to have."""
    declared = TABLES[table]
    lacking = {name for name in declared.later if name in NUMBERS and not {name, NUMBERS[name]} & set(frame.columns)}
    return ["account_no", *(name for name in declared.key if name != "account_id" and name not in lacking)]


def superseded_on(frame: pd.DataFrame, key: Sequence[str], table: str = "given") -> np.ndarray:
    """int32: the known_on of the next version of the same key, NEVER if there is none.

    A row is in force for the night of D where `known_on < D <= superseded_on`. The frame is sorted by account_no (see
    `arranged`).
    """
    return lineage(frame, key, table).superseded_on


@compiled
def scrambled(value):
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014), of a uint64 or an array of them."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@compiled
def _hash_numbers(values, hashes):
    for row in range(values.size):
        hashes[row] = scrambled(hashes[row] * np.uint64(31) + np.uint64(values[row]) + np.uint64(1))


@compiled
def _order_within_accounts(accounts, hashes, known_at, order):
    """Rows ordered by (account, hash, known_at); accounts come sorted and keep their rows."""
    first = 0
    while first < order.size:
        last = first + 1
        while last < order.size and accounts[last] == accounts[first]:
            last += 1
        if last - first <= 48:
            for row in range(first, last):
                place = row
                while place > first and (
                    hashes[order[place - 1]] > hashes[row]
                    or (hashes[order[place - 1]] == hashes[row] and known_at[order[place - 1]] > known_at[row])
                ):
                    order[place] = order[place - 1]
                    place -= 1
                order[place] = row
        else:
            by_time = np.argsort(known_at[first:last], kind="mergesort")
            order[first:last] = first + by_time[np.argsort(hashes[first:last][by_time], kind="mergesort")]
        first = last


@compiled
def _agree_numbers(accounts, hashes, order, values):
    for place in range(1, order.size):
        row, before = order[place], order[place - 1]
        if accounts[row] == accounts[before] and hashes[row] == hashes[before] and values[row] != values[before]:
            return False
    return True


@compiled
def _chain(accounts, hashes, known_at, known_on, order, superseded_on, head):
    """Link each version to the next and to the first. Returns the rows that share key and
    known_at with the one before.
    """
    clashes = np.empty(order.size, np.int64)
    found = 0
    for place in range(order.size):
        row = order[place]
        superseded_on[row] = NEVER
        head[row] = row
        if place > 0:
            before = order[place - 1]
            if accounts[row] == accounts[before] and hashes[row] == hashes[before]:
                superseded_on[before] = known_on[row]
                head[row] = head[before]
                if known_at[row] == known_at[before]:
                    clashes[found] = row
                    found += 1
    return clashes[:found]


def is_last_known(known_on: np.ndarray, superseded: np.ndarray, as_of: np.ndarray | int) -> np.ndarray:
    """Whether a version is the last one known before as_of."""
    return (known_on < as_of) & (as_of <= superseded)


def filled(days: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """Days with another day in place of the empty ones."""
    return np.where(days == NO_DAY, otherwise, days)
