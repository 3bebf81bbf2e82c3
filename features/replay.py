"""The ledger's compiled loop: replays each account's changes in the order they became known
and writes a segment where a figure changed.

A change takes effect on the day after it became known, because what is known before D 00:00 counts for D.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from features.compiled import compiled
from features.settlements import CREDIT
from features.tables import NO_DAY

NO_NEWS, ALONE, AMONG_OTHERS = range(3)  # whether the day's changes hold money of the debtor's, and nothing else
MONEY_ALONE, ALL = range(2)  # turns of a day's changes


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
    target: np.ndarray  # int64: first version of the charge that an adjustment takes back, -1 if none; or no entry


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
    kind: np.ndarray  # int8: place in settlements.SETTLEMENT_KINDS
    replaced_on: np.ndarray  # int32: day on which a later set of lines took its place, else NEVER
    reversal_offsets: np.ndarray
    reversal_known_on: np.ndarray
    reversal_occurred_on: np.ndarray
    reversal_amount: np.ndarray


class Entries(NamedTuple):
    """All that the ledger of some accounts is made of."""

    known: KnownAccounts
    charges: Charges
    statements: Statements
    paid: Paid


@compiled
def segments(known, charges, statements, paid, first_day, last_day):
    """offsets[accounts + 1], start, balance, arrears, overdue_since of the segments that hold
    from first_day through last_day; offsets[accounts + 1] and nights of the cures among those days.

    A cure is a night on which days past due, above 0 the night before, would be 0 with the charges and statements of
    the night before and today's money: payments and withheld sums, one of positive net at least that became known the
    day before.
    """
    accounts = known.spans.shape[0]
    most_charges, most_changes = _most(known, charges, statements, paid)
    changes_of = np.empty(most_changes, np.int64)
    owner = np.empty(most_changes, np.int64)  # the payment of each reversal of the account
    current = np.empty(most_charges, np.int64)  # at a charge's head: its version in force, -1 while unknown
    named = np.empty(most_charges, np.int64)  # at a charge's head: money that settles this very charge
    weights = np.empty((most_charges, 3), np.int64)  # at a charge's head: what it adds to balance, free and due
    taken = np.zeros(most_charges, np.int64)  # at a charge's head: what adjustments of it take back
    aim, aimed = np.empty(most_charges, np.int64), np.empty(most_charges, np.int64)  # at an adjustment's head: at what,
    has_aims = charges.target.size > 0  # and how much

    offsets = np.zeros(accounts + 1, np.int64)
    room = (
        2 * charges.due_on.size
        + paid.amount.size
        + paid.reversal_amount.size
        + statements.taken_on.size
        + known.known_on.size
    )
    start, since_of = np.empty(room, np.int32), np.empty(room, np.int32)
    balance_of, arrears_of = np.empty(room, np.int64), np.empty(room, np.int64)
    cure_offsets, cures = np.zeros(accounts + 1, np.int64), np.empty(paid.amount.size, np.int64)
    held_named, held_weights = np.empty(most_charges, np.int64), np.empty((most_charges, 3), np.int64)
    written, cures_written = 0, 0
    # Columns by name, once: reaching into the tuples inside the loop costs more than the loop.
    due_on, amount, issued_on, charge_head = charges.due_on, charges.amount, charges.issued_on, charges.head
    target = charges.target
    statement_taken, statement_arrears, statement_dpd = (
        statements.taken_on,
        statements.arrears,
        statements.days_past_due,
    )
    paid_on, paid_amount, paid_charge = paid.occurred_on, paid.amount, paid.charge

    for position in range(accounts):
        charge_first, charge_last = charges.spans[position, 0], charges.spans[position, 1]
        balance_first, account_first, paid_first = (
            statements.spans[position, 0],
            known.spans[position, 0],
            paid.offsets[position],
        )
        charge_count = charge_last - charge_first
        reversal_first = paid.reversal_offsets[paid_first]
        size = _changes(known, charges, statements, paid, position, changes_of, owner)
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
        weights[:charge_count] = 0
        if has_aims:
            taken[:charge_count] = 0
            aim[:charge_count] = -1
            aimed[:charge_count] = 0
        statement, taken_on = np.int64(-1), np.int64(NO_DAY)  # row and day of the statement in force
        # Known so far: owed in all; money tied to no charge, which settles the oldest due first; charges due,
        # less what is tied to them.
        balance, free, due = np.int64(0), np.int64(0), np.int64(0)
        last_balance, last_arrears, last_since = np.int64(0), np.int64(0), np.int64(NO_DAY)

        place = 0
        while place < size:
            day = changes_of[place] >> 32
            if day > last_day:
                break
            # A cure is told by money alone, with all else as the night before knew it: where both change, a first turn
            # lets only the money in, and is undone.
            news = NO_NEWS
            if last_since != NO_DAY:
                news = _news(
                    paid,
                    paid_first,
                    changes_of,
                    place,
                    size,
                    paid_codes,
                    reversal_codes,
                    statement_codes,
                    owner,
                )
            batch, cured, held = place, False, (balance, free, due)
            for turn in range(MONEY_ALONE if news == AMONG_OTHERS else ALL, ALL + 1):
                place = batch
                due_day = day
                if turn == MONEY_ALONE:
                    due_day = day - 1
                    held_named[:charge_count] = named[:charge_count]
                    held_weights[:charge_count] = weights[:charge_count]
                restated = False
                while place < size and changes_of[place] >> 32 == day:
                    code = changes_of[place] & 0xFFFFFFFF
                    place += 1
                    if turn == MONEY_ALONE and not _is_money(
                        paid, paid_first, code, paid_codes, reversal_codes, statement_codes, owner
                    ):
                        continue
                    touched = np.int64(-1)  # head of the charge whose weights may have changed
                    if code < paid_codes:
                        row = charge_first + (code if code < charge_count else code - charge_count)
                        touched = charge_head[row] - charge_first
                        if code < charge_count:
                            current[touched] = row  # else it falls due: only the day has changed
                    elif code < statement_codes:
                        if code < reversal_codes:
                            row = paid_first + code - paid_codes
                            change = paid_amount[row]
                        else:
                            row = owner[code - reversal_codes]
                            change = -paid.reversal_amount[reversal_first + code - reversal_codes]
                        after_statement = paid_on[row] > taken_on
                        if statement < 0 or after_statement:
                            balance -= change
                        if paid_charge[row] >= 0 and (statement < 0 or not after_statement):
                            touched = paid_charge[row] - charge_first
                            named[touched] += change
                        elif after_statement:
                            free += change
                    elif code < account_codes:
                        row = balance_first + code - statement_codes
                        if statement_taken[row] >= taken_on:
                            statement, taken_on = row, np.int64(statement_taken[row])
                            restated = True
                    else:
                        tolerance = known.tolerance[account_first + code - account_codes]
                    if touched >= 0:
                        row = current[touched]
                        again = np.int64(-1)  # head of a charge that is not taken back any more, or not as much
                        if has_aims and row >= 0 and (target[row] >= 0 or aim[touched] >= 0):
                            again = aim[touched]
                            _aim(
                                row,
                                touched,
                                charge_first,
                                due_on,
                                amount,
                                issued_on,
                                target,
                                due_day,
                                taken_on,
                                aim,
                                aimed,
                                taken,
                            )
                        told = touched
                        for step in range(3 if again >= 0 or (has_aims and aim[told] >= 0) else 1):
                            touched = told if step == 0 else aim[told] if step == 1 else again
                            if touched < 0:
                                continue
                            row = current[touched]
                            takes_back = has_aims and row >= 0 and target[row] >= 0
                            if row >= 0:
                                weighed = _weighed(
                                    amount[row],
                                    due_on[row],
                                    issued_on[row],
                                    named[touched],
                                    taken[touched],
                                    takes_back,
                                    due_day,
                                    statement,
                                    taken_on,
                                )
                            else:
                                weighed = _weighed_unknown(named[touched], taken[touched], statement)
                            balance += weighed[0] - weights[touched, 0]
                            free += weighed[1] - weights[touched, 1]
                            due += weighed[2] - weights[touched, 2]
                            weights[touched, 0], weights[touched, 1], weights[touched, 2] = weighed
                if restated:
                    free = _after_statement(charges, paid, position, taken_on, day, named)
                    balance, due = statements.balance[statement] - free, np.int64(0)
                    if has_aims:
                        for charge in range(charge_count):
                            row = current[charge]
                            if row >= 0 and (target[row] >= 0 or aim[charge] >= 0):
                                _aim(
                                    row,
                                    charge,
                                    charge_first,
                                    due_on,
                                    amount,
                                    issued_on,
                                    target,
                                    due_day,
                                    taken_on,
                                    aim,
                                    aimed,
                                    taken,
                                )
                    for charge in range(charge_count):
                        row = current[charge]
                        weights[charge] = 0
                        if row < 0 and taken[charge] != 0:
                            weights[charge, 1] = taken[charge]
                            free += taken[charge]
                        if row >= 0:
                            weighed = _weighed(
                                amount[row],
                                due_on[row],
                                issued_on[row],
                                named[charge],
                                taken[charge],
                                has_aims and target[row] >= 0,
                                day,
                                statement,
                                taken_on,
                            )
                            balance, free, due = balance + weighed[0], free + weighed[1], due + weighed[2]
                            weights[charge, 0], weights[charge, 1], weights[charge, 2] = weighed
                if turn == ALL and place < size and changes_of[place] >> 32 <= first_day:
                    break

                stated = max(0, statement_arrears[statement]) if statement >= 0 else 0
                owed, reopened, reopened_since = np.int64(0), np.int64(0), np.int64(NO_DAY)
                if statement >= 0 and statement_codes > reversal_codes:
                    owed, reopened, reopened_since = _reopened(charges, paid, position, taken_on, day, due_day, current)
                arrears, since = max(0, stated + reopened + due - free), np.int64(NO_DAY)
                # which of its charges a statement saw paid is not told: beyond what it states, no more is due than owed
                if statement >= 0:
                    arrears = min(arrears, max(0, stated - free, balance + owed))
                if arrears > tolerance:
                    left = max(0, free - stated - reopened)
                    since = _oldest(
                        due_on,
                        amount,
                        issued_on,
                        charge_head,
                        charge_first,
                        charge_last,
                        due_day,
                        taken_on,
                        current,
                        named,
                        taken,
                        left,
                    )
                    if stated > free and statement_dpd[statement] > 0:
                        stated_since = taken_on - statement_dpd[statement]
                        since = stated_since if since == NO_DAY else min(since, stated_since)
                    if stated + reopened > free and reopened > 0:
                        since = reopened_since if since == NO_DAY else min(since, reopened_since)
                if turn == MONEY_ALONE:
                    cured = since == NO_DAY
                    balance, free, due = held
                    named[:charge_count] = held_named[:charge_count]
                    weights[:charge_count] = held_weights[:charge_count]
            if place < size and changes_of[place] >> 32 <= first_day:
                continue
            if cured or (news == ALONE and since == NO_DAY):
                cures[cures_written] = day
                cures_written += 1
            if balance + owed != last_balance or arrears != last_arrears or since != last_since:
                start[written], since_of[written] = day, since
                balance_of[written], arrears_of[written] = balance + owed, arrears
                last_balance, last_arrears, last_since = balance + owed, arrears, since
                written += 1
        offsets[position + 1], cure_offsets[position + 1] = written, cures_written
    # Views: what was not written was never touched, so it takes no memory.
    segments_of = offsets, start[:written], balance_of[:written], arrears_of[:written], since_of[:written]
    return *segments_of, cure_offsets, cures[:cures_written].copy()


@compiled
def _is_money(paid, paid_first, code, paid_codes, reversal_codes, statement_codes, owner):
    """Whether a change is a payment or a withheld sum, or takes one back."""
    if code < paid_codes or code >= statement_codes:
        return False
    row = paid_first + code - paid_codes if code < reversal_codes else owner[code - reversal_codes]
    return paid.kind[row] != CREDIT


@compiled
def _news(paid, paid_first, changes_of, place, size, paid_codes, reversal_codes, statement_codes, owner):
    """Whether the changes of one day, from a place on, hold money of positive net, alone or among other changes."""
    day, has_money, has_others = changes_of[place] >> 32, False, False
    while place < size and changes_of[place] >> 32 == day:
        code = changes_of[place] & 0xFFFFFFFF
        place += 1
        if not _is_money(paid, paid_first, code, paid_codes, reversal_codes, statement_codes, owner):
            has_others = True
        elif code < reversal_codes and not has_money:
            has_money = _net(paid, paid_first + code - paid_codes, day) > 0
    if not has_money:
        return NO_NEWS
    return AMONG_OTHERS if has_others else ALONE


@compiled
def _most(known, charges, statements, paid):
    """The largest number of charge rows, and of changes, that any account has."""
    most_charges, most_changes = 0, 0
    for position in range(known.spans.shape[0]):
        count = charges.spans[position, 1] - charges.spans[position, 0]
        first, last = paid.offsets[position], paid.offsets[position + 1]
        changes = 2 * count + last - first + paid.reversal_offsets[last] - paid.reversal_offsets[first]
        changes += (
            statements.spans[position, 1]
            - statements.spans[position, 0]
            + known.spans[position, 1]
            - known.spans[position, 0]
        )
        most_charges, most_changes = max(most_charges, count), max(most_changes, changes)
    return most_charges, most_changes


@compiled
def _changes(known, charges, statements, paid, position, changes_of, owner):
    """Write the account's changes, sorted, as day << 32 | code; codes count through versions of charges, due days,
    settlements, reversals, statements, account versions. Returns how many.
    """
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


@compiled
def _net(paid, row, day):
    """A settlement less its reversals known before the day."""
    net = paid.amount[row]
    for reversal in range(paid.reversal_offsets[row], paid.reversal_offsets[row + 1]):
        if paid.reversal_known_on[reversal] < day:
            net -= paid.reversal_amount[reversal]
    return net


@compiled
def _after_statement(charges, paid, position, taken_on, day, named):
    """Net settlements dated after the statement, of those known before the day;
    earlier ones stay only with the charge they name.
    """
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


@compiled
def _reopened(charges, paid, position, taken_on, day, others_day, current):
    """What the statement could not know: money paid by its day that was taken back after it.

    Owed again; of that, due again; overdue since, NO_DAY where nothing is. Due again is what named no charge, or one
    whose due day the statement has seen: since that day, else since the payment. A charge that falls due later is open
    again by what names it; what had been paid beyond its amount is due again.
    """
    owed, due, since = np.int64(0), np.int64(0), np.int64(NO_DAY)
    for row in range(paid.offsets[position], paid.offsets[position + 1]):
        if paid.occurred_on[row] > taken_on or paid.known_on[row] >= day:
            continue
        seen_before = day if paid.kind[row] != CREDIT else others_day
        if paid.replaced_on[row] < seen_before:  # what was taken back of it is told with the lines that replaced it
            continue
        back, before = np.int64(0), paid.amount[row]
        for reversal in range(paid.reversal_offsets[row], paid.reversal_offsets[row + 1]):
            if paid.reversal_known_on[reversal] >= seen_before:
                continue
            if paid.reversal_occurred_on[reversal] > taken_on:
                back += paid.reversal_amount[reversal]
            else:
                before -= paid.reversal_amount[reversal]
        if back == 0:
            continue
        owed += back
        overdue_since = np.int64(paid.occurred_on[row])
        charge = current[paid.charge[row] - charges.spans[position, 0]] if paid.charge[row] >= 0 else np.int64(-1)
        if charge >= 0:
            if charges.due_on[charge] >= taken_on or charges.issued_on[charge] > taken_on:
                full = max(0, charges.amount[charge])
                back = max(0, before - full) - max(0, before - back - full)
                if back == 0:
                    continue
            elif charges.due_on[charge] != NO_DAY:
                overdue_since = np.int64(charges.due_on[charge])
        due += back
        since = overdue_since if since == NO_DAY else min(since, overdue_since)
    return owed, due, since


@compiled
def _weighed(amount, due_on, issued_on, named, taken, takes_back, day, statement, taken_on):
    """What a charge in force adds to the balance, to the free money and to what is due.

    taken: what adjustments of this very charge take back; takes_back: it is itself one of another charge.
    """
    free, due = np.int64(0), np.int64(0)
    unpaid = max(0, amount) - named
    if statement < 0 and unpaid < 0:
        free = -unpaid  # the surplus on a named charge
    in_stated_arrears = due_on < taken_on and issued_on <= taken_on  # without a statement taken_on is NO_DAY
    if taken != 0:
        settles = np.int64(0) if in_stated_arrears else min(taken, max(0, unpaid))
        unpaid -= settles
        free += taken - settles
    if NO_DAY < due_on < day and not in_stated_arrears:
        due = max(0, unpaid)
        if not takes_back:
            free -= min(0, amount)  # an adjustment
    return amount if statement < 0 or issued_on > taken_on else np.int64(0), free, due


@compiled
def _weighed_unknown(named, taken, statement):
    """The same of a charge that is not known yet: money that names it is not tied to it."""
    return np.int64(0), (named if statement < 0 else np.int64(0)) + taken, np.int64(0)


@compiled
def _aim(row, charge, first, due_on, amount, issued_on, target, day, taken_on, aim, aimed, taken):
    """Let the version in force of an adjustment take back its charge, from its own day on, in place of the version
    before.
    """
    if aim[charge] >= 0:
        taken[aim[charge]] -= aimed[charge]
    aim[charge], aimed[charge] = -1, 0
    if target[row] >= 0:
        in_stated_arrears = due_on[row] < taken_on and issued_on[row] <= taken_on
        aim[charge] = target[row] - first
        if NO_DAY < due_on[row] < day and not in_stated_arrears:
            aimed[charge] = -amount[row]
            taken[aim[charge]] += aimed[charge]


@compiled
def _oldest(due_on, amount, issued_on, head, first, last, day, taken_on, current, named, taken, free):
    """Due day of the oldest charge that the free money does not settle in full; NO_DAY if there is none."""
    for row in range(first, last):
        if due_on[row] >= day:
            break
        charge = head[row] - first
        if current[charge] != row or due_on[row] == NO_DAY or (due_on[row] < taken_on and issued_on[row] <= taken_on):
            continue
        unpaid = amount[row] - named[charge] - taken[charge]
        if unpaid > free:
            return np.int64(due_on[row])
        free -= max(0, unpaid)
    return np.int64(NO_DAY)
