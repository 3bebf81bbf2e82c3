"""How a debtor pays what is billed: days from the due day to the payment of each item, over all accounts of the debtor.

An item is a billed charge in force on the night with something to pay once adjustments of it are taken off. Money known
by then settles items day by day: what names an item first, then the oldest due (of one day the smaller first); what
names any other charge settles none. An item is settled on the day of the payment that leaves nothing of it; one that is
not, is as late as its due day is past. Which accounts are the debtor's is as known on the night; books that deliver no
charges or payments tell of no item, and where one of the others is late, nothing is said.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import pandas as pd

from features.compiled import compiled
from features.evidence import Evidence
from features.statuses import lasts
from features.tables import BILLED_KINDS, NEVER, NO_DAY, NO_NUMBER, numbered
from features.versions import column, spans, still
from features.vocabulary import LATE_ITEM_DAYS
from features.whole_debtor import walks_of

FIGURES = (
    "items_settled_365d",
    "days_after_due_mean_90d",
    "days_after_due_mean_365d",
    "days_after_due_mean_ever",
    "days_after_due_std_365d",
    "days_after_due_weighted_365d",
    "days_after_due_large_365d",
    "days_after_due_small_365d",
    "items_due_365d",
    "items_late_365d",
    "last_item_days_late",
    "never_late",
    "days_since_late_item",
    "open_items",
    "open_items_late",
    "open_items_disputed",
)
(
    SETTLED,
    MEAN_90,
    MEAN_365,
    MEAN_EVER,
    STD,
    WEIGHTED,
    LARGE,
    SMALL,
    DUE,
    LATE,
    LAST_LATE,
    NEVER_LATE,
    SINCE_LATE,
    OPEN,
    OPEN_LATE,
    DISPUTED,
) = range(len(FIGURES))
OWNER_COLUMNS = ("debtor_id", "currency")
_lasts = compiled(lasts)


class Items(NamedTuple):
    """Charges of the ledger's accounts (rows of features.replay.Charges), and what settles and disputes them.

    billed      whether the charge is an item; target: head of the charge that it takes back, -1 if none
    paid_*, back_*   features.replay.Paid, offsets by account
    dispute_*   statuses of disputes, spans by account; dispute_no: number of the charge, NO_NUMBER for the account
    """

    spans: np.ndarray
    due_on: np.ndarray
    amount: np.ndarray
    known_on: np.ndarray
    gone_on: np.ndarray
    head: np.ndarray
    target: np.ndarray
    billed: np.ndarray
    charge_no: np.ndarray
    paid_offsets: np.ndarray
    paid_on: np.ndarray
    paid_known: np.ndarray
    paid: np.ndarray
    paid_charge: np.ndarray
    back_offsets: np.ndarray
    back_known: np.ndarray
    back_amount: np.ndarray
    dispute_spans: np.ndarray
    dispute_from: np.ndarray
    dispute_until: np.ndarray
    dispute_known: np.ndarray
    dispute_gone: np.ndarray
    dispute_no: np.ndarray


def figures(evidence: Evidence, names: Collection[str] = FIGURES) -> dict[str, np.ndarray]:
    """Name of FIGURES -> float64 per row; NaN where there is no such item, or a book of the debtor leaves it unknown.

    Amounts weigh, and divide items into large and small, in this account's currency alone.
    """
    if not {"charges", "payments"} <= set(evidence.tables):
        return dict.fromkeys(names, np.full(evidence.as_of.size, np.nan))
    walks = walks_of(evidence)
    rows = walks.rows
    book, books = pd.factorize(rows["portfolio"].astype("str"))
    charges, payments = (evidence.reach(name, books) for name in ("charges", "payments"))
    tells = (charges != NO_DAY) & (payments != NO_DAY)
    found = _over_debtors(
        walks.distinct,
        walks.offsets,
        column(rows, "known_on", np.int32, "accounts"),
        walks.superseded_on,
        walks.currency,
        still(np.minimum(charges, payments)[book], np.int64),
        still(tells[book], np.bool_),
        still(evidence.ledger.positions(rows["account_no"].to_numpy()), np.int64),
        items_told(evidence),
        LATE_ITEM_DAYS,
    )
    return dict(zip(FIGURES, found[:, walks.of_row], strict=True))


def items_told(evidence: Evidence) -> Items:
    """The charges of the ledger's accounts with what settles and disputes them."""
    books = evidence.ledger
    charges, paid, frame = books.entries.charges, books.entries.paid, evidence.arranged("charges")
    target = charges.target if charges.target.size else np.full(charges.due_on.size, -1, np.int64)
    return Items(
        charges.spans,
        charges.due_on,
        charges.amount,
        charges.known_on,
        charges.superseded_on,
        charges.head,
        still(target, np.int64),
        still(frame["kind"].isin(BILLED_KINDS).to_numpy(), np.bool_),
        still(numbered(frame, "charge_id", "charges"), np.int64),
        paid.offsets,
        paid.occurred_on,
        paid.known_on,
        paid.amount,
        paid.charge,
        paid.reversal_offsets,
        paid.reversal_known_on,
        paid.reversal_amount,
        *_disputes(evidence),
    )


def _disputes(evidence: Evidence) -> tuple[np.ndarray, ...]:
    accounts = evidence.ledger.accounts
    if "statuses" not in evidence.tables:
        none = still(np.empty(0), np.int32)
        return still(np.zeros((accounts.size, 2)), np.int64), none, none, none, none, still(np.empty(0), np.int64)
    frame, gone = evidence.arranged("statuses"), evidence.gone("statuses")
    own = np.flatnonzero((frame["status"] == "dispute").to_numpy())
    gone = gone[own] if gone.size else np.full(own.size, NEVER, np.int32)
    frame = frame.iloc[own]
    days = (column(frame, name, np.int32, "statuses") for name in ("from_on", "until_on", "known_on"))
    return (
        still(np.stack(spans(frame["account_no"].to_numpy(), accounts), axis=1), np.int64),
        *days,
        still(gone, np.int32),
        still(numbered(frame, "charge_id", "statuses"), np.int64),
    )


@compiled
def _net(told, row, night):
    """What is left of a payment by the reversals known before the night."""
    net = told.paid[row]
    for reversal in range(told.back_offsets[row], told.back_offsets[row + 1]):
        if told.back_known[reversal] < night:
            net -= told.back_amount[reversal]
    return net


@compiled
def billed_on(told, account, night, rows, due, full, left):
    """Write the items of an account in force on the night by due day and amount; returns how many."""
    count = 0
    for row in range(told.spans[account, 0], told.spans[account, 1]):
        in_force = told.known_on[row] < night <= told.gone_on[row]
        if not (in_force and told.billed[row]) or told.due_on[row] == NO_DAY:
            continue
        owed = told.amount[row]
        for other in range(told.spans[account, 0], told.spans[account, 1]):
            works = told.known_on[other] < night <= told.gone_on[other] and NO_DAY < told.due_on[other] < night
            if works and told.target[other] == told.head[row] and told.amount[other] < 0:
                owed += told.amount[other]
        if owed <= 0:
            continue
        place = count
        while place > 0 and (
            due[place - 1] > told.due_on[row] or (due[place - 1] == told.due_on[row] and full[place - 1] > owed)
        ):
            rows[place], due[place], full[place] = rows[place - 1], due[place - 1], full[place - 1]
            place -= 1
        rows[place], due[place], full[place] = row, told.due_on[row], owed
        count += 1
    left[:count] = full[:count]
    return count


@compiled
def settle(told, account, night, rows, left, settled_on, count):
    """Let the money known by the night settle the items, day by day: `left` and `settled_on` (NO_DAY while open).
    Returns the money that settles none.
    """
    settled_on[:count] = NO_DAY
    oldest, free, event, last = 0, np.int64(0), told.paid_offsets[account], told.paid_offsets[account + 1]
    while event < last:
        day = told.paid_on[event]
        if day >= night:
            break
        while event < last and told.paid_on[event] == day:
            if told.paid_known[event] < night:
                money, named = _net(told, event, night), told.paid_charge[event]
                if named < 0 or told.known_on[named] >= night:  # what it names is not known yet
                    free += money
                    money = np.int64(0)
                for item in range(count if money > 0 else 0):
                    if told.head[rows[item]] == named:
                        taken = min(money, left[item])
                        left[item] -= taken
                        free += money - taken
                        if taken > 0 and left[item] == 0:
                            settled_on[item] = day
                        break
            event += 1
        while oldest < count and (free > 0 or left[oldest] == 0):
            taken = min(free, left[oldest])
            left[oldest] -= taken
            free -= taken
            if taken > 0 and left[oldest] == 0:
                settled_on[oldest] = day
            if left[oldest] == 0:
                oldest += 1
    return free


@compiled
def is_disputed(told, account, night, charge_no):
    """Whether a dispute of the charge, or of the whole account, is in force and known by the night."""
    for row in range(told.dispute_spans[account, 0], told.dispute_spans[account, 1]):
        known = told.dispute_known[row] < night <= told.dispute_gone[row]
        stands = known and told.dispute_from[row] <= night and _lasts(told.dispute_until[row], night)
        if stands and (told.dispute_no[row] == NO_NUMBER or told.dispute_no[row] == charge_no):
            return True
    return False


@compiled
def _over_debtors(groups, offsets, known_on, gone_on, currency, through, tells, place, told, late_days):
    """float64[FIGURES, groups]. groups: (debtor, night, currency); the version rows of a debtor lie at its offsets."""
    found = np.full((DISPUTED + 1, groups.shape[0]), np.nan)
    most = np.int64(0)
    for debtor in range(offsets.size - 1):
        size = np.int64(0)
        for row in range(offsets[debtor], offsets[debtor + 1]):
            size += told.spans[place[row], 1] - told.spans[place[row], 0]
        most = max(most, size)
    rows, due, settled_on = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.int64)
    full, left = np.empty(most, np.int64), np.empty(most, np.int64)
    sizes, late_by = np.empty(most, np.int64), np.empty(most, np.int64)
    for group in range(groups.shape[0]):
        debtor, night, own_currency = groups[group, 0], groups[group, 1], groups[group, 2]
        counts, sums = np.zeros(3, np.int64), np.zeros(3, np.int64)  # of the last 90 days, the last year, ever
        squares, sized, weight, weighted, is_known = np.int64(0), 0, 0.0, 0.0, True
        dues, lates, open_items, open_late, disputed = 0, 0, 0, 0, 0
        newest_due, newest_late = np.int64(NO_DAY), np.int64(NO_DAY)
        last_late = np.int64(0)
        for row in range(offsets[debtor], offsets[debtor + 1]):
            if not known_on[row] < night <= gone_on[row] or not tells[row]:
                continue
            is_known &= night - 1 <= through[row]
            account = place[row]
            count = billed_on(told, account, night, rows, due, full, left)
            settle(told, account, night, rows, left, settled_on, count)
            for item in range(count):
                is_open = left[item] > 0
                days = (night if is_open else settled_on[item]) - due[item]
                if is_open:
                    open_items += 1
                    open_late += due[item] < night
                    disputed += is_disputed(told, account, night, told.charge_no[rows[item]])
                else:
                    counts[2] += 1
                    sums[2] += days
                    if settled_on[item] >= night - 365:
                        counts[1] += 1
                        sums[1] += days
                        squares += days * days
                        if currency[row] == own_currency:
                            sizes[sized], late_by[sized] = full[item], days
                            weight += float(full[item])
                            weighted += float(full[item]) * float(days)
                            sized += 1
                    if settled_on[item] >= night - 90:
                        counts[0] += 1
                        sums[0] += days
                if due[item] >= night:
                    continue
                if due[item] >= night - 365:
                    dues += 1
                    lates += days > late_days
                if due[item] > newest_due or (due[item] == newest_due and days > last_late):
                    newest_due, last_late = due[item], days
                if days > late_days:
                    newest_late = max(newest_late, due[item])
        if not is_known:
            continue
        found[SETTLED, group], found[DUE, group], found[LATE, group] = counts[1], dues, lates
        found[OPEN, group], found[OPEN_LATE, group], found[DISPUTED, group] = open_items, open_late, disputed
        for span in range(3):
            if counts[span] > 0:
                found[MEAN_90 + span, group] = sums[span] / counts[span]
        if counts[1] > 0:
            mean = sums[1] / counts[1]
            found[STD, group] = np.sqrt(max(squares / counts[1] - mean * mean, 0.0))
        if weight > 0:
            found[WEIGHTED, group] = weighted / weight
        large, small = np.zeros(2, np.int64), np.zeros(2, np.int64)
        for item in range(sized):
            into = large if float(sizes[item]) * sized >= weight else small
            into[0] += 1
            into[1] += late_by[item]
        if large[0] > 0:
            found[LARGE, group] = large[1] / large[0]
        if small[0] > 0:
            found[SMALL, group] = small[1] / small[0]
        if newest_due != NO_DAY:
            found[LAST_LATE, group] = last_late
            found[NEVER_LATE, group] = 1.0 if newest_late == NO_DAY else 0.0
        if newest_late != NO_DAY:
            found[SINCE_LATE, group] = night - newest_late
    return found
