"""Receipts: one payment_id may have several lines, over charges and accounts of a debtor, and its set of lines may be
delivered anew with the same sum, when cash is applied later.

A set of lines is told by its known_at, and holds until the next set of the same receipt and debtor becomes known. Here
such receipts become rows like any other: a line that a later set replaces is taken back in full, silently, on the day
on which that became known; what is reversed of a receipt is spread over the lines of each of its sets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from features.compiled import compiled
from features.tables import NEVER, NO_NUMBER, PAYMENT_KINDS, numbered
from features.versions import still

BITS_A_ROW = 16  # of the table that tells apart most numbers, by their last bits


class Told(NamedTuple):
    """Payments in which every row is a payment of its own. line_no: what `reverses_no` names; told: whether a reversal
    is one that happened, and not the work of a later set; replaced_on: int64 day on which a later set of lines became
    known, else NEVER.

    whole  one row per receipt, set and account; lines: one per line of a set, with the charge that it names
    """

    whole: pd.DataFrame
    lines: pd.DataFrame


def told_apart(
    payments: pd.DataFrame, accounts: np.ndarray, owner: Callable[[], np.ndarray | None] | None
) -> Told | None:
    """The payments with their receipts spread out; None where no payment_id stands in more than one row.

    accounts: int64, sorted; owner: asked only then, number of the debtor of each; each account stands alone where None.
    """
    if not {"payment_id", "payment_no"} & set(payments.columns):
        return None
    numbers = still(numbered(payments, "payment_id", "payments"), np.int64)
    again = np.flatnonzero(_may_stand_again(numbers))
    again = again[np.isin(numbers[again], _repeated(numbers[again]))] if again.size else again
    if not again.size:
        return None
    reverses = numbered(payments, "reverses", "payments")
    receipts = np.setdiff1d(np.union1d(numbers[again], reverses[again]), [NO_NUMBER])
    of_receipt = np.isin(numbers, receipts) | np.isin(reverses, receipts)
    payments = payments.assign(kind=pd.Categorical(payments["kind"], categories=PAYMENT_KINDS))
    rows = _plain(payments[of_receipt], numbers[of_receipt], reverses[of_receipt])
    places = np.searchsorted(accounts, rows["account_no"].to_numpy())
    inside = np.append(accounts, -1)[places] == rows["account_no"].to_numpy()
    rows, places = rows[inside], places[inside]
    debtors = owner() if owner is not None else None
    rows = rows.assign(owner=places if debtors is None else debtors[places])
    others = _plain(payments[~of_receipt], numbers[~of_receipt], reverses[~of_receipt])
    others = others.assign(line_no=others["payment_no"], told=True, replaced_on=NEVER)
    spread = _spread(rows)
    whole = _whole(spread)
    return Told(*(_sorted(pd.concat([others, part], ignore_index=True)) for part in (whole, spread)))


def _repeated(numbers: np.ndarray) -> np.ndarray:
    distinct, counts = np.unique(numbers, return_counts=True)
    return distinct[counts > 1]


@compiled
def _may_stand_again(numbers):
    """bool per row: whether another row's number may be the same; few others are named besides."""
    size = 64
    while size < BITS_A_ROW * numbers.size:
        size *= 2
    mask, seen = size - 1, np.zeros(size, np.uint8)
    for row in range(numbers.size):
        place = numbers[row] & mask
        seen[place] = min(seen[place] + 1, 2)
    found = np.zeros(numbers.size, np.bool_)
    for row in range(numbers.size):
        found[row] = seen[numbers[row] & mask] > 1
    return found


def _plain(rows: pd.DataFrame, numbers: np.ndarray, reverses: np.ndarray) -> pd.DataFrame:
    names_charges = {"charge_id", "charge_no"} & set(rows.columns)
    charges = numbered(rows, "charge_id", "payments") if names_charges else np.full(len(rows), NO_NUMBER)
    kept = rows.drop(columns=[name for name in ("payment_id", "reverses", "charge_id") if name in rows])
    return kept.assign(payment_no=numbers, reverses_no=reverses, charge_no=charges)


def _spread(rows: pd.DataFrame) -> pd.DataFrame:
    """The lines of every set, each with what was taken back of it."""
    reversal = (rows["kind"] == "reversal").to_numpy(dtype=bool)
    lines = rows[~reversal].sort_values(["owner", "payment_no", "known_at", "account_no", "charge_no"], kind="stable")
    receipt = lines.groupby(["owner", "payment_no"], sort=False).ngroup().to_numpy()
    new_set = np.append(True, (np.diff(receipt) != 0) | (np.diff(lines["known_at"].to_numpy()) != 0))
    sets = np.cumsum(new_set) - 1
    lines = lines.assign(set_no=sets, line_no=np.arange(len(lines)) + 1, told=True)
    first = np.flatnonzero(new_set)
    after = np.append(first[1:], -1)  # first line of the next set
    replaced = (after >= 0) & (receipt[after] == receipt[first])
    following = after[sets]
    newer = lines.iloc[following[replaced[sets]]]
    lines["replaced_on"] = NEVER
    lines.loc[replaced[sets], "replaced_on"] = newer["known_on"].to_numpy()
    gone = lines[replaced[sets]].copy()
    gone = gone.assign(
        kind=pd.Categorical(["reversal"] * len(gone), categories=PAYMENT_KINDS),
        reverses_no=gone["line_no"],
        payment_no=NO_NUMBER,
        line_no=NO_NUMBER,
        told=False,
        known_at=newer["known_at"].to_numpy(),
        known_on=newer["known_on"].to_numpy(),
    )
    return pd.concat([lines, gone, _taken_back(lines, rows[reversal])], ignore_index=True)


def _taken_back(lines: pd.DataFrame, reversals: pd.DataFrame) -> pd.DataFrame:
    """Every reversal as parts of the lines of each set that has one on its account: the line it names first, then its
    own account's, then the others, in the order in which reversals became known.
    """
    of_receipt = dict(list(lines.groupby(["owner", "payment_no"], sort=False)))
    parts = []
    ordered = reversals.sort_values(
        ["owner", "reverses_no", "known_at", "amount", "occurred_at", "account_no", "charge_no", "payment_no"]
    )
    for (owner, number), own in ordered.groupby(["owner", "reverses_no"], sort=False):
        receipt = of_receipt.get((owner, number))
        if receipt is None:
            continue
        known = np.maximum(own["known_on"].to_numpy(), receipt["known_on"].min())
        for set_no, of_set in receipt.groupby("set_no", sort=False):
            left = dict(zip(of_set["line_no"], of_set["amount"], strict=True))
            for place in range(len(own)):
                reversal = own.iloc[[place]]
                amount = int(reversal["amount"].iloc[0])
                if not (of_set["account_no"] == reversal["account_no"].iloc[0]).any():
                    continue
                is_own = of_set["account_no"] != reversal["account_no"].iloc[0]
                is_named = is_own | (of_set["charge_no"] != reversal["charge_no"].iloc[0])
                for line in of_set["line_no"].to_numpy()[np.lexsort((is_own, is_named))]:
                    part = min(amount, left[line])
                    if part > 0:
                        amount, left[line] = amount - part, left[line] - part
                        named = of_set[of_set["line_no"] == line].iloc[0]
                        parts.append(
                            reversal.assign(
                                account_no=named["account_no"],
                                charge_no=named["charge_no"],
                                set_no=named["set_no"],
                                amount=part,
                                reverses_no=line,
                                line_no=NO_NUMBER,
                                # told with the set that was in force when it became known
                                told=set_no == receipt.loc[receipt["known_on"] <= known[place], "set_no"].max(),
                            )
                        )
    return pd.concat(parts) if parts else lines.iloc[:0]


def _whole(spread: pd.DataFrame) -> pd.DataFrame:
    """One row per receipt, set and account; of a reversal, one per set and account."""
    key = ["owner", "set_no", "account_no"]
    is_line = spread["line_no"] != NO_NUMBER
    lines = spread[is_line]
    whole = lines.drop_duplicates(key).assign(amount=lines.groupby(key)["amount"].transform("sum"))
    line_of = whole.set_index(key)["line_no"]
    back = spread[~is_line]
    each = [*key, "payment_no", "known_at"]
    back = back.assign(amount=back.groupby(each)["amount"].transform("sum")).drop_duplicates(each)
    back = back.assign(reverses_no=line_of.reindex(pd.MultiIndex.from_frame(back[key])).to_numpy())
    return pd.concat([whole, back], ignore_index=True)


def _sorted(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.drop(columns=["owner", "set_no"])
    order = np.lexsort((rows["line_no"], rows["known_at"], rows["occurred_at"], rows["account_no"]))
    return rows.iloc[order].reset_index(drop=True)
