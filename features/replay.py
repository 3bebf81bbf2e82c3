"""The ledger's compiled loop: replays each account's changes in the order they became known and writes a segment where a figure changed.

A change takes effect on the day after it became known, because what is known before D 00:00 counts for D.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from features.tables import NO_DAY


class KnownAccounts(NamedTuple):
    spans: np.ndarray  # int64[accounts, 2]: first and one-past-last row of each account
    known_on: np.ndarray
    superseded_on: np.ndarray
    head: np.ndarray  # int64: row of the first version
    tolerance: np.ndarray  # int64 minor units


class Charges(NamedTuple):
    """Sorted by account and due_on."""

    spans: np.ndarray
    due_on: np.ndarray
    amount: np.ndarray
    known_on: np.ndarray
    superseded_on: np.ndarray
    head: np.ndarray
    issued_on: np.ndarray  # the day from which a statement may contain the charge


class Statements(NamedTuple):
    spans: np.ndarray
    taken_on: np.ndarray
    balance: np.ndarray
    arrears: np.ndarray
    days_past_due: np.ndarray
    known_on: np.ndarray
    superseded_on: np.ndarray


class Paid(NamedTuple):
    """Payments and credits of the accounts with their reversals."""

    offsets: np.ndarray  # int64[accounts + 1]
    occurred_on: np.ndarray
    known_on: np.ndarray
    amount: np.ndarray
    charge: np.ndarray  # int64: first version of the charge named, -1 if none
    reversal_offsets: np.ndarray
    reversal_known_on: np.ndarray
    reversal_amount: np.ndarray


@njit(cache=True)
def segments(known, charges, statements, paid, first_day, last_day):
    """offsets[accounts + 1], start, balance, arrears, overdue_since, money of the segments that hold from first_day through last_day."""
    accounts = known.spans.shape[0]
    most_charges, most_changes = _most(known, charges, statements, paid)
    changes_of = np.empty(most_changes, np.int64)
    owner = np.empty(most_changes, np.int64)  # the payment of each reversal of the account
    current = np.empty(most_charges, np.int64)  # at a charge's head: its version in force, -1 while unknown
    named = np.empty(most_charges, np.int64)  # at a charge's head: money that settles this very charge

    offsets = np.zeros(accounts + 1, np.int64)
    room = max(16, (charges.due_on.size + paid.amount.size + statements.taken_on.size) // 2)
    start, since_of, money_of = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.bool_)
    balance_of, arrears_of = np.empty(room, np.int64), np.empty(room, np.int64)
    written = 0

    for position in range(accounts):
        charge_first, balance_first, account_first = charges.spans[position, 0], statements.spans[position, 0], known.spans[position, 0]
        paid_first = paid.offsets[position]
        reversal_first = paid.reversal_offsets[paid_first]
        size = _changes(known, charges, statements, paid, position, changes_of, owner)
        charge_count = charges.spans[position, 1] - charge_first
        due_codes = charge_count
        paid_codes = 2 * charge_count
        reversal_codes = paid_codes + paid.offsets[position + 1] - paid_first
        statement_codes = reversal_codes + paid.reversal_offsets[paid.offsets[position + 1]] - reversal_first
        account_codes = statement_codes + statements.spans[position, 1] - balance_first

        tolerance = np.int64(0)
        for row in range(account_first, known.spans[position, 1]):
            if known.head[row] == row:
                tolerance = known.tolerance[row]
        current[:charge_count] = -1
        named[:charge_count] = 0
        statement = np.int64(-1)  # row of the statement in force
        settled, pool = np.int64(0), np.int64(0)  # taken off the balance; not tied to a charge, so oldest due first
        last_balance, last_arrears, last_since = np.int64(0), np.int64(0), np.int64(NO_DAY)

        place = 0
        while place < size:
            day = changes_of[place] >> 32
            if day > last_day:
                break
            money, restated = False, False
            while place < size and changes_of[place] >> 32 == day:
                code = changes_of[place] & 0xFFFFFFFF
                place += 1
                if code < due_codes:
                    row = charge_first + code
                    current[charges.head[row] - charge_first] = row
                elif code < paid_codes:
                    pass  # a charge falls due: nothing but the day has changed
                elif code < statement_codes:
                    if code < reversal_codes:
                        row = paid_first + code - paid_codes
                        change = paid.amount[row]
                        money = money or _net(paid, row, day) > 0
                    else:
                        row = owner[code - reversal_codes]
                        change = -paid.reversal_amount[reversal_first + code - reversal_codes]
                    if statement < 0:
                        settled += change
                        if paid.charge[row] >= 0:
                            named[paid.charge[row] - charge_first] += change
                        else:
                            pool += change
                    elif paid.occurred_on[row] > statements.taken_on[statement]:
                        settled += change
                        pool += change
                    elif paid.charge[row] >= 0:
                        named[paid.charge[row] - charge_first] += change
                elif code < account_codes:
                    row = balance_first + code - statement_codes
                    if statement < 0 or statements.taken_on[row] >= statements.taken_on[statement]:
                        statement = row
                        restated = True
                else:
                    tolerance = known.tolerance[account_first + code - account_codes]
            if restated:
                settled = pool = _after_statement(charges, paid, position, statements.taken_on[statement], day, named)
            if place < size and changes_of[place] >> 32 <= first_day:
                continue

            balance, arrears, since = _owed(charges, statements, position, statement, day, current, named, settled, pool)
            if arrears <= tolerance:
                since = np.int64(NO_DAY)
            if balance != last_balance or arrears != last_arrears or since != last_since:
                if written == start.size:
                    start, since_of, money_of = _grown(start), _grown(since_of), _grown(money_of)
                    balance_of, arrears_of = _grown(balance_of), _grown(arrears_of)
                start[written], since_of[written], money_of[written] = day, since, money
                balance_of[written], arrears_of[written] = balance, arrears
                last_balance, last_arrears, last_since = balance, arrears, since
                written += 1
        offsets[position + 1] = written
    return (
        offsets, start[:written].copy(), balance_of[:written].copy(), arrears_of[:written].copy(), since_of[:written].copy(),
        money_of[:written].copy(),
    )  # fmt: skip


@njit(cache=True)
def _most(known, charges, statements, paid):
    """The largest number of charge rows, and of changes, that any account has."""
    most_charges, most_changes = 0, 0
    for position in range(known.spans.shape[0]):
        count = charges.spans[position, 1] - charges.spans[position, 0]
        first, last = paid.offsets[position], paid.offsets[position + 1]
        changes = 2 * count + last - first + paid.reversal_offsets[last] - paid.reversal_offsets[first]
        changes += statements.spans[position, 1] - statements.spans[position, 0] + known.spans[position, 1] - known.spans[position, 0]
        most_charges, most_changes = max(most_charges, count), max(most_changes, changes)
    return most_charges, most_changes


@njit(cache=True)
def _changes(known, charges, statements, paid, position, changes_of, owner):
    """Write the account's changes, sorted, as day << 32 | code; codes count through versions of charges, due days, settlements, reversals,
    statements, account versions. Returns how many."""
    size = 0
    code = 0
    for row in range(charges.spans[position, 0], charges.spans[position, 1]):
        if charges.superseded_on[row] > charges.known_on[row]:
            changes_of[size] = ((np.int64(charges.known_on[row]) + 1) << 32) | code
            size += 1
        code += 1
    for row in range(charges.spans[position, 0], charges.spans[position, 1]):
        if charges.known_on[row] < charges.due_on[row] < charges.superseded_on[row]:
            changes_of[size] = ((np.int64(charges.due_on[row]) + 1) << 32) | code
            size += 1
        code += 1
    first, last = paid.offsets[position], paid.offsets[position + 1]
    for row in range(first, last):
        changes_of[size] = ((np.int64(max(paid.known_on[row], paid.occurred_on[row])) + 1) << 32) | code
        size += 1
        code += 1
    for row in range(first, last):
        for reversal in range(paid.reversal_offsets[row], paid.reversal_offsets[row + 1]):
            owner[reversal - paid.reversal_offsets[first]] = row
            seen_on = max(paid.reversal_known_on[reversal], max(paid.known_on[row], paid.occurred_on[row]))
            changes_of[size] = ((np.int64(seen_on) + 1) << 32) | code
            size += 1
            code += 1
    for row in range(statements.spans[position, 0], statements.spans[position, 1]):
        seen_on = max(statements.known_on[row], statements.taken_on[row])
        if statements.superseded_on[row] > seen_on:
            changes_of[size] = ((np.int64(seen_on) + 1) << 32) | code
            size += 1
        code += 1
    for row in range(known.spans[position, 0], known.spans[position, 1]):
        if known.head[row] != row and known.superseded_on[row] > known.known_on[row]:
            changes_of[size] = ((np.int64(known.known_on[row]) + 1) << 32) | code
            size += 1
        code += 1
    changes_of[:size].sort()
    return size


@njit(cache=True)
def _net(paid, row, day):
    """A settlement less its reversals known before the day."""
    net = paid.amount[row]
    for reversal in range(paid.reversal_offsets[row], paid.reversal_offsets[row + 1]):
        if paid.reversal_known_on[reversal] < day:
            net -= paid.reversal_amount[reversal]
    return net


@njit(cache=True)
def _after_statement(charges, paid, position, taken_on, day, named):
    """Net settlements dated after the statement, of those known before the day; earlier ones stay only with the charge they name."""
    charge_first = charges.spans[position, 0]
    named[: charges.spans[position, 1] - charge_first] = 0
    after = np.int64(0)
    for row in range(paid.offsets[position], paid.offsets[position + 1]):
        if max(paid.known_on[row], paid.occurred_on[row]) < day:
            if paid.occurred_on[row] > taken_on:
                after += _net(paid, row, day)
            elif paid.charge[row] >= 0:
                named[paid.charge[row] - charge_first] += _net(paid, row, day)
    return after


@njit(cache=True)
def _owed(charges, statements, position, statement, day, current, named, settled, pool):
    """balance, arrears, overdue_since (before the tolerance) of one account on one day, from what is known and in force."""
    first, last = charges.spans[position, 0], charges.spans[position, 1]
    derived = statement < 0
    taken_on = np.int64(NO_DAY) if derived else np.int64(statements.taken_on[statement])
    balance, free = -settled, pool
    for charge in range(last - first):
        row = current[charge]
        if row < 0:
            if derived:
                free += named[charge]  # not yet a known charge: its money is not tied to it
            continue
        amount, issued_later = charges.amount[row], derived or charges.issued_on[row] > taken_on
        if issued_later:
            balance += amount
        if derived:
            free += max(0, named[charge] - max(0, amount))
        if amount < 0 and charges.due_on[row] != NO_DAY and charges.due_on[row] < day and (issued_later or charges.due_on[row] >= taken_on):
            free -= amount
    arrears, since = np.int64(0), np.int64(NO_DAY)
    if not derived:
        balance += statements.balance[statement]
        owed = max(0, statements.arrears[statement])
        arrears = owed - min(owed, free)
        free -= owed - arrears
        if arrears > 0 and statements.days_past_due[statement] > 0:
            since = taken_on - statements.days_past_due[statement]
    for row in range(first, last):
        due_on = charges.due_on[row]
        if due_on >= day:
            break
        charge = charges.head[row] - first
        if current[charge] != row or charges.amount[row] <= 0 or due_on == NO_DAY:
            continue
        if not derived and due_on < taken_on and charges.issued_on[row] <= taken_on:
            continue  # already in the statement's arrears
        owed = charges.amount[row] - min(charges.amount[row], named[charge])
        unpaid = owed - min(owed, free)
        free -= owed - unpaid
        if unpaid > 0:
            arrears += unpaid
            since = np.int64(due_on) if since == NO_DAY else min(since, np.int64(due_on))
    return balance, arrears, since


@njit(cache=True)
def _grown(values):
    larger = np.empty(2 * values.size, values.dtype)
    larger[: values.size] = values
    return larger
