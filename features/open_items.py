"""What of each account is billed and open on its night: item by item, with what is disputed of it, and the money and
credit notes that settle nothing.

Items and what settles them are those of features.rhythm. A credit note that names no charge, and was the one open
charge's of exactly its amount neither, settles after that what fell due first; what is left of it settles nothing yet.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.compiled import compiled
from features.evidence import Evidence
from features.rhythm import Items, billed_on, is_disputed, items_told, settle
from features.tables import NO_DAY
from features.versions import still

ITEM_COLUMNS = ("row", "charge_id", "kind", "due_on", "amount", "open", "is_disputed")
UNTIED_COLUMNS = ("unapplied", "credit_notes")


def open_items(evidence: Evidence) -> tuple[pd.DataFrame, pd.DataFrame]:
    """ITEM_COLUMNS by row of the cohort, due day and amount; UNTIED_COLUMNS per row of the cohort.

    row: place in the cohort. Minor units of the account's currency: amount, once adjustments of the item are taken off;
    open, what is left of that; unapplied money and credit notes (int64). due_on: day number. A row of a book that
    delivers no charges or payments, or where one of them is late, tells of no item and of no money: see `tells`.
    """
    rows = np.flatnonzero(tells(evidence))
    untied = pd.DataFrame(np.zeros((evidence.as_of.size, 2), np.int64), columns=list(UNTIED_COLUMNS))
    if not rows.size:
        return _items_of(evidence, np.zeros((6, 0), np.int64)), untied
    places = still(evidence.ledger.positions(evidence.account_no[rows]), np.int64)
    found, left = _open(items_told(evidence), places, still(evidence.as_of[rows], np.int64))
    found[0] = rows[found[0]]
    untied.loc[rows, list(UNTIED_COLUMNS)] = left
    return _items_of(evidence, found), untied


def tells(evidence: Evidence) -> np.ndarray:
    """bool per row of the cohort: whether charges and payments of its book are delivered through the day before."""
    if not {"charges", "payments"} <= set(evidence.tables):
        return np.zeros(evidence.as_of.size, bool)
    return evidence.delivered("charges") & evidence.delivered("payments")


def _items_of(evidence: Evidence, found: np.ndarray) -> pd.DataFrame:
    row, charge, due_on, amount, left, disputed = found
    told = {"charge_id": pd.Series([], dtype="str"), "kind": pd.Series([], dtype="str")}
    if row.size:
        frame = evidence.arranged("charges").iloc[charge]
        told = {name: frame[name].astype("str").reset_index(drop=True) for name in told}
    columns = {"row": row, **told, "due_on": due_on.astype(np.int32), "amount": amount, "open": left}
    return pd.DataFrame({**columns, "is_disputed": disputed.astype(bool)})[list(ITEM_COLUMNS)]


@compiled
def _noted(told: Items, account, night):
    """Credit notes of an account that work on the night and take back no charge of its own."""
    notes = np.int64(0)
    for row in range(told.spans[account, 0], told.spans[account, 1]):
        works = told.known_on[row] < night <= told.gone_on[row] and NO_DAY < told.due_on[row] < night
        if works and told.target[row] < 0 and told.amount[row] < 0:
            notes -= told.amount[row]
    return notes


@compiled
def _open(told: Items, places, nights):
    """int64[6, items]: row, place of its charge, due day, amount, left, whether disputed; int64[rows, 2]: untied."""
    most, room = np.int64(0), np.int64(0)
    for place in places:
        size = told.spans[place, 1] - told.spans[place, 0]
        most, room = max(most, size), room + size
    rows, due, settled_on = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.int64)
    full, left = np.empty(most, np.int64), np.empty(most, np.int64)
    found, untied = np.empty((6, room), np.int64), np.zeros((places.size, 2), np.int64)
    written = 0
    for row in range(places.size):
        account, night = places[row], nights[row]
        count = billed_on(told, account, night, rows, due, full, left)
        untied[row, 0] = settle(told, account, night, rows, left, settled_on, count)
        notes = _noted(told, account, night)
        for item in range(count):
            if due[item] < night:
                taken = min(notes, left[item])
                left[item] -= taken
                notes -= taken
            if left[item] > 0:
                disputed = is_disputed(told, account, night, told.charge_no[rows[item]])
                found[0, written], found[1, written], found[2, written] = row, rows[item], due[item]
                found[3, written], found[4, written], found[5, written] = full[item], left[item], disputed
                written += 1
        untied[row, 1] = notes
    return found[:, :written].copy(), untied
