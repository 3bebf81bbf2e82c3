"""What all accounts of a debtor show by the ledger, the settled and closed ones too: how much was owed before,
and how late it was cleared.

An account is settled once its balance, having been positive, is known to be 0, where payments and what was withheld for
us made at least half of what settled it: a waived debt is not settled by the debtor, and a cancelled charge was never
billed. It is late by the days from its last due day to the day on which that became known, negative when early; without
a billed charge it is neither. Which accounts are the debtor's is as known on the night. Where the book of one of them
has no ledger, or not through the day before, nothing is said of them all.
"""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pandas as pd

from features.adjustments import is_undone, works
from features.compiled import compiled
from features.debtor import exact_rate
from features.events import spans_of
from features.evidence import Evidence
from features.kernel import days_past_due, latest
from features.ledger import figures_at
from features.settlements import CREDIT
from features.tables import BILLED_KINDS, CHARGE_KINDS, NEVER, NO_DAY, NO_MONEY
from features.versions import column, still, superseded_on
from features.vocabulary import FACTS, LEDGER

SEVERE_DAYS = 90
FIGURES = (
    "debtor_accounts_ever",
    "debtor_days_since_first_opened",
    "debtor_accounts_settled",
    "debtor_accounts_settled_dated",
    "debtor_accounts_settled_late",
    "debtor_settled_days_late_mean",
    "debtor_settled_days_late_max",
    "debtor_last_settled_days_late",
    "debtor_days_since_last_settled",
    "debtor_largest_settled_principal",
    "debtor_days_past_due_max_ever",
    "debtor_accounts_90_days_ever",
    "debtor_credit",
)
(
    OWNED,
    SINCE_OPENED,
    SETTLED,
    DATED,
    LATE,
    LATE_MEAN,
    LATE_MAX,
    LAST_LATE,
    SINCE_SETTLED,
    PRINCIPAL,
    WORST,
    SEVERE,
    CREDIT_HELD,
) = range(len(FIGURES))
OF_LEDGER, OF_DUE_DAYS = (
    slice(SETTLED, None),
    slice(DATED, LAST_LATE + 1),
)  # what is unknown without a ledger, without charges
OWNER_COLUMNS = ("debtor_id", "currency", "opened_on", "principal")
_NO_SEGMENTS = (np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.int32))
_NO_CHARGES = (*(np.empty(0, np.int32) for _ in range(3)), np.empty(0, np.bool_))


class Settling(NamedTuple):
    """What settled the debts of the ledger's accounts.

    paid_* ... back_*  settlements.Settlements, offsets by account
    stated_on          the day on which the first statement of each account was known; NEVER without one
    spans ...          the charges of each account with the adjustments among them; no span holds a row where there are
                       none. target: see adjustments.Adjusted
    """

    paid_offsets: np.ndarray
    kind: np.ndarray
    paid_on: np.ndarray
    paid_known: np.ndarray
    paid: np.ndarray
    back_offsets: np.ndarray
    back_known: np.ndarray
    back_amount: np.ndarray
    stated_on: np.ndarray
    spans: np.ndarray
    due_on: np.ndarray
    amount: np.ndarray
    known_on: np.ndarray
    gone_on: np.ndarray
    head: np.ndarray
    target: np.ndarray


_EMPTY = {dtype: still(np.empty(0), dtype) for dtype in (np.int8, np.int32, np.int64)}
_NOTHING_SETTLED = Settling(
    still(np.zeros(2), np.int64),
    _EMPTY[np.int8],
    *(_EMPTY[np.int32],) * 2,
    *(_EMPTY[np.int64],) * 2,
    _EMPTY[np.int32],
    _EMPTY[np.int64],
    _EMPTY[np.int32],
    still(np.zeros((1, 2)), np.int64),
    _EMPTY[np.int32],
    _EMPTY[np.int64],
    *(_EMPTY[np.int32],) * 2,
    *(_EMPTY[np.int64],) * 2,
)


class Walks(NamedTuple):
    """One walk per debtor, night and currency, however many of its accounts are asked about.

    distinct       int64[walks, 3]: debtor, as_of, place in `currencies`; of_row: int64 per row asked about, its walk
    rows           account versions by debtor; offsets: int64[debtors + 1]; superseded_on, currency: of each row
    """

    distinct: np.ndarray
    of_row: np.ndarray
    rows: pd.DataFrame
    offsets: np.ndarray
    superseded_on: np.ndarray
    currency: np.ndarray
    currencies: pd.Index


def walks_of(evidence: Evidence) -> Walks:
    versions = evidence.accounts_by_version
    debtors = pd.Index(versions["debtor_id"].astype("str").unique())
    currencies = pd.Index(versions["currency"].astype("str").unique())
    owner = debtors.get_indexer(versions["debtor_id"].astype("str"))
    order = np.argsort(owner, kind="stable")
    asked = [
        debtors.get_indexer(evidence.of_account("debtor_id").astype("str")),
        evidence.as_of.astype(np.int64),
        currencies.get_indexer(evidence.of_account("currency").astype("str")),
    ]
    distinct, of_row = np.unique(np.stack(asked, axis=1), axis=0, return_inverse=True)
    rows = versions.iloc[order]
    return Walks(
        still(distinct, np.int64),
        of_row.ravel(),
        rows,
        still(np.searchsorted(owner[order], np.arange(len(debtors) + 1)), np.int64),
        still(superseded_on(versions, ["account_no"], "accounts")[order], np.int32),
        still(currencies.get_indexer(rows["currency"].astype("str")), np.int64),
        currencies,
    )


def figures(evidence: Evidence, names: Collection[str] = FIGURES) -> dict[str, np.ndarray]:
    """Name of FIGURES -> float64 per row; NaN where a debtor has no such account,
    or a book of the debtor leaves it unknown.

    Money counts where the currency is this account's. names: those asked for; without one that needs the ledger none is
    made, and the figures of the ledger mean nothing.
    """
    walks = walks_of(evidence)
    arranged_rows, currencies = walks.rows, walks.currencies
    book, books = pd.factorize(arranged_rows["portfolio"].astype("str"))
    found, credits = _over_debtors(
        walks.distinct,
        walks.offsets,
        column(arranged_rows, "known_on", np.int32, "accounts"),
        walks.superseded_on,
        column(arranged_rows, "opened_on", np.int32, "accounts"),
        column(arranged_rows, "principal", np.int64, "accounts"),
        walks.currency,
        still(evidence.reach(LEDGER, books)[book], np.int64),
        still((evidence.reach("charges", books) > NO_DAY)[book], np.bool_),
        *_ledger(evidence, arranged_rows["account_no"].to_numpy(), any(FACTS[name].needs for name in names)),
    )
    found = found[:, walks.of_row]
    if any(FACTS[name].needs for name in names):
        found[CREDIT_HELD] += _credit_of_others(evidence, credits, walks.distinct[:, 2], currencies)[walks.of_row]
        balance = figures_at(evidence.ledger, evidence.account_no, evidence.as_of)[0]
        found[CREDIT_HELD] -= np.maximum(-balance, 0)
    return dict(zip(FIGURES, found, strict=True))


def _credit_of_others(
    evidence: Evidence, credits: np.ndarray, own_currency: np.ndarray, currencies: pd.Index
) -> np.ndarray:
    """float64 per group: its credits in minor units of its own currency; NaN where one of another has no rate."""
    found = credits[np.arange(own_currency.size), own_currency].astype(np.float64)
    others = credits.copy()
    others[np.arange(own_currency.size), own_currency] = 0
    rates = [exact_rate(str(name), evidence.terms) for name in currencies]
    for group in np.flatnonzero(others.any(axis=1)):
        held = [(int(others[group, code]), rates[code]) for code in np.flatnonzero(others[group])]
        into = rates[own_currency[group]]
        if into is None or any(rate is None for _, rate in held):
            found[group] = np.nan
        else:  # one rounding, half to even
            whole = sum((money * rate for money, rate in held if rate is not None), Fraction(0)) / into
            found[group] = float(round(whole + int(found[group])))
    return found


def _ledger(evidence: Evidence, account_no: np.ndarray, wanted: bool) -> tuple[np.ndarray, ...]:
    """Place of each account in the ledger, its segments, and the due days;
    one account without any where the ledger is not wanted.
    """
    none = np.zeros(2, np.int64)
    if not wanted:
        return np.zeros(account_no.size, np.int64), none, *_NO_SEGMENTS, none, none, *_NO_CHARGES, _NOTHING_SETTLED
    books = evidence.ledger
    place = still(books.positions(account_no), np.int64)
    segments = books.offsets, books.start, books.balance, books.overdue_since
    return place, *segments, *due_days(evidence), settling(evidence)


def due_days(evidence: Evidence) -> tuple[np.ndarray, ...]:
    """Spans of the ledger's accounts in the charges, and of each charge: due day, day known, day replaced,
    whether it is billed.
    """
    accounts = evidence.ledger.accounts
    if "charges" not in evidence.tables:
        none = np.zeros(accounts.size, np.int64)
        return none, none, *_NO_CHARGES
    charges = evidence.counted_charges
    first, last = spans_of(charges.account_no, accounts)
    billed = np.isin(charges.kind.codes(), [CHARGE_KINDS.index(kind) for kind in BILLED_KINDS])
    gone = charges.gone_on if charges.gone_on.size else np.full(charges.due_on.size, NEVER, np.int32)
    return first, last, charges.due_on, charges.known_on, still(gone, np.int32), still(billed, np.bool_)


def settling(evidence: Evidence) -> Settling:
    """What settled the debts of the ledger's accounts."""
    books = evidence.ledger
    paid, charges, statements = books.settlements, books.entries.charges, books.entries.statements
    seen_on = np.maximum(statements.known_on, statements.taken_on)
    stated = statements.spans[:, 1] > statements.spans[:, 0]
    stated_on = np.full(books.accounts.size, NEVER, np.int32)
    if stated.any():  # spans of accounts without a statement are empty, and may lie at the end
        stated_on[stated] = np.minimum.reduceat(seen_on, statements.spans[stated, 0])
    has_adjustments = books.adjusted.target.size > 0
    return Settling(
        paid.offsets,
        paid.kind,
        paid.occurred_on,
        paid.known_on,
        paid.amount,
        paid.reversal_offsets,
        paid.reversal_known_on,
        paid.reversal_amount,
        still(stated_on, np.int32),
        charges.spans if has_adjustments else still(np.zeros_like(charges.spans), np.int64),
        charges.due_on,
        charges.amount,
        charges.known_on,
        charges.superseded_on,
        charges.head,
        still(books.adjusted.target, np.int64),
    )


@compiled
def by_debtor(account, night, told):
    """Whether payments and withheld sums made at least half of what settled an account, as known on the night.

    What a cancelled charge took off is nobody's part. Where nothing is known to have settled it, a statement must have
    said so.
    """
    ours, others = np.int64(0), np.int64(0)
    for event in range(told.paid_offsets[account], told.paid_offsets[account + 1]):
        if told.paid_known[event] >= night or told.paid_on[event] >= night:
            continue
        net = told.paid[event]
        for reversal in range(told.back_offsets[event], told.back_offsets[event + 1]):
            if told.back_known[reversal] < night:
                net -= told.back_amount[reversal]
        if told.kind[event] == CREDIT:
            others += net
        else:
            ours += net
    first, last = told.spans[account, 0], told.spans[account, 1]
    for row in range(first, last):
        if told.amount[row] >= 0 or not works(row, night, told.due_on, told.known_on, told.gone_on):
            continue
        undone = False
        for charge in range(first, last):
            if told.target[row] == told.head[charge] and told.known_on[charge] < night <= told.gone_on[charge]:
                undone |= is_undone(
                    charge,
                    first,
                    last,
                    night,
                    told.due_on,
                    told.amount,
                    told.known_on,
                    told.gone_on,
                    told.head,
                    told.target,
                )
        others -= np.int64(0) if undone else told.amount[row]
    if ours + others == 0:
        return told.stated_on[account] < night
    return ours >= others


@compiled
def settled_on(low, high, start, balance, night):
    """The night on which an account was known to be settled, as known on the night; NO_DAY where it is not."""
    segment = latest(start, low, high, night)
    if segment < low or balance[segment] > 0:
        return np.int64(NO_DAY)
    while segment > low and balance[segment - 1] <= 0:
        segment -= 1
    return np.int64(start[segment]) if segment > low else np.int64(NO_DAY)


@compiled
def last_due_on(first, last, due_on, known_on, gone_on, billed, night):
    """The last due day of the billed charges in force on the night; NO_DAY without one."""
    due = np.int64(NO_DAY)
    for charge in range(first, last):
        if billed[charge] and known_on[charge] < night <= gone_on[charge]:
            due = max(due, np.int64(due_on[charge]))
    return due


@compiled
def _over_debtors(
    groups,
    offsets,
    known_on,
    gone_on,
    opened_on,
    principal,
    currency,
    through,
    has_due_days,
    place,
    ledger_offsets,
    start,
    balance,
    overdue_since,
    charge_first,
    charge_last,
    due_on,
    charge_known,
    charge_gone,
    billed,
    settled_by,
):
    """float64[FIGURES, groups], and the credit balances, int64[groups, currencies].

    groups: (debtor, night, currency); the version rows of a debtor lie at its offsets.
    through: last day that the ledger of the row's book holds; has_due_days: whether that book delivers charges.
    """
    found = np.full((CREDIT_HELD + 1, groups.shape[0]), np.nan)
    credits = np.zeros((groups.shape[0], currency.max() + 1 if currency.size else 0), np.int64)
    for group in range(groups.shape[0]):
        debtor, night, own_currency = groups[group, 0], groups[group, 1], groups[group, 2]
        count, settled, late, dated, severe, is_known, are_dated = 0, 0, 0, 0, 0, True, True
        late_sum, newest, first_opened, worst = np.int64(0), np.int64(NO_DAY), night, np.int64(0)
        for row in range(offsets[debtor], offsets[debtor + 1]):
            if not known_on[row] < night <= gone_on[row]:
                continue
            count += 1
            is_known &= night - 1 <= through[row]
            if opened_on[row] != NO_DAY:
                first_opened = min(first_opened, np.int64(opened_on[row]))
            account = place[row]
            low, high = ledger_offsets[account], ledger_offsets[account + 1]
            own_worst, until = np.int64(0), night
            newest_segment = latest(start, low, high, night)
            if newest_segment >= low:
                credits[group, currency[row]] += max(-balance[newest_segment], 0)
            for segment in range(newest_segment, low - 1, -1):
                own_worst = max(own_worst, days_past_due(overdue_since[segment], until))
                until = np.int64(start[segment]) - 1
            worst = max(worst, own_worst)
            severe += own_worst >= SEVERE_DAYS
            cleared = settled_on(low, high, start, balance, night)
            if cleared == NO_DAY or not by_debtor(account, night, settled_by):
                continue
            settled += 1
            are_dated &= has_due_days[row]
            if currency[row] == own_currency and principal[row] != NO_MONEY:
                largest = found[PRINCIPAL, group]
                found[PRINCIPAL, group] = (
                    float(principal[row]) if np.isnan(largest) else max(largest, float(principal[row]))
                )
            due = last_due_on(
                charge_first[account], charge_last[account], due_on, charge_known, charge_gone, billed, night
            )
            days = cleared - 1 - due  # a night's news is of the day before
            if due != NO_DAY:
                dated += 1
                late += days > 0
                late_sum += days
                most = found[LATE_MAX, group]
                found[LATE_MAX, group] = float(days) if np.isnan(most) else max(most, float(days))
            if cleared >= newest:
                last = found[LAST_LATE, group] if cleared == newest else np.nan
                if due != NO_DAY:
                    last = float(days) if np.isnan(last) else max(last, float(days))
                found[LAST_LATE, group] = last
                newest = cleared
        found[OWNED, group], found[SETTLED, group], found[DATED, group], found[LATE, group] = (
            count,
            settled,
            dated,
            late,
        )
        found[WORST, group], found[SEVERE, group], found[CREDIT_HELD, group] = worst, severe, 0.0
        if dated > 0:
            found[LATE_MEAN, group] = float(late_sum) / float(dated)
        if settled > 0:
            found[SINCE_SETTLED, group] = night - newest + 1
        if not are_dated:
            found[OF_DUE_DAYS, group] = np.nan
        if not is_known:
            found[OF_LEDGER, group] = np.nan
        if first_opened < night:
            found[SINCE_OPENED, group] = night - first_opened
    return found, credits
