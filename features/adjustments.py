"""Negative adjustments: which charge each one takes back, and when a charge was undone by them as if never billed.

An adjustment takes back the charge that it names; without a name, the one open charge of exactly its amount; else the
oldest due. It works from its own due day on, once it is known. A charge is undone while the adjustments that take it
back reach its amount. What is open is told on the night after the adjustment became known, by charges and money alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from features.compiled import compiled
from features.settlements import Settlements
from features.tables import NO_NUMBER, numbered
from features.versions import Lineage, column, still

NO_CHARGE = -1


class Adjusted(NamedTuple):
    """What the adjustments of the arranged charges take back; one entry per row of them.

    target  int64: first version of the charge that a row takes back; NO_CHARGE for what is no adjustment or takes back
            the oldest due
    some    whether any row has a target
    """

    target: np.ndarray
    some: bool


def adjusted(
    charges: pd.DataFrame, spans: np.ndarray, versions: Lineage, paid: Settlements, named: np.ndarray
) -> Adjusted:
    """spans: first and one-past-last charge of each of the accounts of `paid`; named: see settlements.named_charges."""
    amount = column(charges, "amount", np.int64, "charges")
    if not (amount < 0).any():
        return Adjusted(np.empty(0, np.int64), False)
    has_names = {"adjusts", "adjusts_no"} & set(charges.columns)
    adjusts = numbered(charges, "adjusts", "charges") if has_names else np.full(len(charges), NO_NUMBER)
    target = _targets(
        still(spans, np.int64),
        column(charges, "due_on", np.int32, "charges"),
        amount,
        column(charges, "known_on", np.int32, "charges"),
        still(versions.superseded_on, np.int32),
        still(versions.head, np.int64),
        still(numbered(charges, "charge_id", "charges"), np.int64),
        still(adjusts, np.int64),
        paid.offsets,
        paid.occurred_on,
        paid.known_on,
        paid.amount,
        still(named, np.int64),
        paid.reversal_offsets,
        paid.reversal_known_on,
        paid.reversal_amount,
    )
    return Adjusted(target, bool((target != NO_CHARGE).any()))


@compiled
def works(row, night, due_on, known_on, gone_on):
    """Whether a version of an adjustment is in force for the night and its own day is past."""
    return known_on[row] < night <= gone_on[row] and due_on[row] < night


@compiled
def is_undone(charge, first, last, night, due_on, amount, known_on, gone_on, head, target):
    """Whether a version of a charge is taken back in full on the night by the adjustments of first..last-1."""
    taken = np.int64(0)
    for row in range(first, last):
        if target[row] == head[charge] and works(row, night, due_on, known_on, gone_on):
            taken -= amount[row]
    return taken > 0 and 0 <= amount[charge] <= taken  # an adjustment under a charge's id is none


@compiled
def billed_spells(spans, due_on, amount, known_on, gone_on, head, target):
    """row, known_on, gone_on of every spell in which a charge counts: its version in force, not 0.00 and not undone.

    A night D lies in a spell where known_on < D <= gone_on, as a version is in force. Rows stay in their order.
    """
    room = known_on.size
    rows, known, gone = np.empty(room, np.int64), np.empty(room, np.int32), np.empty(room, np.int32)
    written = 0
    for position in range(spans.shape[0]):
        first, last = spans[position, 0], spans[position, 1]
        some = False
        for row in range(first, last):
            some |= target[row] != NO_CHARGE
        for row in range(first, last):
            if amount[row] == 0 or known_on[row] >= gone_on[row]:
                continue
            begin, end = np.int64(known_on[row]), np.int64(gone_on[row])
            open_since, at = np.int64(-1), begin
            counted = False
            while at < end:  # from one day on which an adjustment of it changes to the next
                following = end
                undone = False
                if some and amount[row] > 0:
                    undone = is_undone(row, first, last, at + 1, due_on, amount, known_on, gone_on, head, target)
                    for other in range(first, last):
                        if target[other] == head[row]:
                            for day in (max(known_on[other], due_on[other]), gone_on[other]):
                                if at < day < following:
                                    following = np.int64(day)
                if not undone and not counted:
                    open_since, counted = at, True
                if counted and (undone or following == end):
                    if written == room:
                        room = 2 * room + 8
                        rows, known, gone = _longer(rows, room), _longer(known, room), _longer(gone, room)
                    rows[written], known[written] = row, open_since
                    gone[written] = at if undone else end
                    written += 1
                    counted = False
                at = following
    return rows[:written].copy(), known[:written].copy(), gone[:written].copy()


@compiled
def _longer(values, room):
    longer = np.empty(room, values.dtype)
    longer[: values.size] = values
    return longer


@compiled
def _targets(  # noqa: C901  compiled as it stands
    spans,
    due_on,
    amount,
    known_on,
    gone_on,
    head,
    numbers,
    adjusts,
    paid_offsets,
    paid_on,
    paid_known,
    paid,
    paid_charge,
    back_offsets,
    back_known,
    back_amount,
):
    target = np.full(amount.size, NO_CHARGE, np.int64)
    for position in range(spans.shape[0]):
        first, last = spans[position, 0], spans[position, 1]
        adjustments = 0
        for row in range(first, last):
            if amount[row] >= 0:
                continue
            adjustments += 1
            if adjusts[row] != NO_NUMBER:
                for charge in range(first, last):
                    if head[charge] == charge and numbers[charge] == adjusts[row] and head[row] != charge:
                        target[row] = charge
                        break
        if adjustments == 0:
            continue
        order = np.empty(adjustments, np.int64)
        place = 0
        for row in range(first, last):
            if amount[row] < 0:
                order[place] = row
                place += 1
        unpaid = np.empty(last - first, np.int64)
        order = order[np.argsort(known_on[order], kind="mergesort")]
        for row in order:  # by the day each became known: what is open depends on earlier ones
            if adjusts[row] != NO_NUMBER or gone_on[row] <= known_on[row]:
                continue
            night = np.int64(known_on[row]) + 1
            pool = _left_unpaid(
                position,
                first,
                last,
                row,
                night,
                due_on,
                amount,
                known_on,
                gone_on,
                head,
                target,
                paid_offsets,
                paid_on,
                paid_known,
                paid,
                paid_charge,
                back_offsets,
                back_known,
                back_amount,
                unpaid,
            )
            found, candidates = np.int64(NO_CHARGE), 0
            for charge in range(first, last):
                if amount[charge] != -amount[row] or not known_on[charge] < night <= gone_on[charge]:
                    continue
                if head[charge] == head[row]:
                    continue
                left, own = pool, unpaid[charge - first]
                if due_on[charge] < night:  # money settles the oldest due first, this one last of its day
                    for other in range(first, last):
                        if other != charge and due_on[other] <= due_on[charge]:
                            left -= unpaid[other - first]
                else:
                    left = np.int64(0)
                if own > max(0, left):
                    found = head[charge]
                    candidates += 1
            if candidates == 1:
                target[row] = found
    return target


@compiled
def _left_unpaid(
    position,
    first,
    last,
    adjustment,
    night,
    due_on,
    amount,
    known_on,
    gone_on,
    head,
    target,
    paid_offsets,
    paid_on,
    paid_known,
    paid,
    paid_charge,
    back_offsets,
    back_known,
    back_amount,
    unpaid,
):
    """Write what is unpaid of each charge in force on the night, less what names it; returns the money tied to none.

    Adjustments known on an earlier day count, no other of the same day.
    """
    pool = np.int64(0)
    for row in range(first, last):
        in_force = known_on[row] < night <= gone_on[row] and amount[row] > 0
        unpaid[row - first] = amount[row] if in_force else np.int64(0)
    for event in range(paid_offsets[position], paid_offsets[position + 1]):
        if paid_known[event] >= night or paid_on[event] >= night:
            continue
        net = paid[event]
        for reversal in range(back_offsets[event], back_offsets[event + 1]):
            if back_known[reversal] < night:
                net -= back_amount[reversal]
        pool += _settle(paid_charge[event], net, first, last, head, unpaid)
    for row in range(first, last):
        if (
            amount[row] < 0
            and known_on[row] < known_on[adjustment]
            and head[row] != head[adjustment]
            and works(row, night, due_on, known_on, gone_on)
        ):
            pool += _settle(target[row], -amount[row], first, last, head, unpaid)
    return pool


@compiled
def _settle(charge, money, first, last, head, unpaid):
    """Take money off the charge that it names; returns what is left of it."""
    if charge >= 0:
        for row in range(first, last):
            if head[row] == charge and unpaid[row - first] > 0:
                settles = min(money, unpaid[row - first])
                unpaid[row - first] -= settles
                money -= settles
    return money
