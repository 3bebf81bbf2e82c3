"""What all accounts of a debtor show by the ledger, the settled and closed ones too: how much was owed before,
and how late it was cleared.

An account is settled once its balance, having been positive, is known to be 0; by payment or by credit. It is late by
the days from its last due day to the day on which that became known, negative when early; without a billed charge it is
neither. Which accounts are the debtor's is as known on the night. Where the book of one of them has no ledger, or not
through the day before, nothing is said of them all.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from features.compiled import compiled
from features.events import classes_of, spans_of
from features.evidence import Evidence
from features.kernel import latest
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
)
(OWNED, SINCE_OPENED, SETTLED, DATED, LATE, LATE_MEAN, LATE_MAX, LAST_LATE, SINCE_SETTLED, PRINCIPAL, WORST, SEVERE) = (
    range(len(FIGURES))
)
OF_LEDGER, OF_DUE_DAYS = (
    slice(SETTLED, None),
    slice(DATED, LAST_LATE + 1),
)  # what is unknown without a ledger, without charges
OWNER_COLUMNS = ("debtor_id", "currency", "opened_on", "principal")
_NO_SEGMENTS = (np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.int32))
_NO_CHARGES = (*(np.empty(0, np.int32) for _ in range(3)), np.empty(0, np.bool_))


def figures(evidence: Evidence, names: Collection[str] = FIGURES) -> dict[str, np.ndarray]:
    """Name of FIGURES -> float64 per row; NaN where a debtor has no such account,
    or a book of the debtor leaves it unknown.

    Money counts where the currency is this account's. names: those asked for; without one that needs the ledger none is
    made, and the figures of the ledger mean nothing.
    """
    versions = evidence.accounts_by_version
    debtors = pd.Index(versions["debtor_id"].astype("str").unique())
    currencies = pd.Index(versions["currency"].astype("str").unique())
    owner = debtors.get_indexer(versions["debtor_id"].astype("str"))
    order = np.argsort(owner, kind="stable")
    # One walk per debtor, night and currency, however many of its accounts are asked about.
    asked = [
        debtors.get_indexer(evidence.of_account("debtor_id").astype("str")),
        evidence.as_of.astype(np.int64),
        currencies.get_indexer(evidence.of_account("currency").astype("str")),
    ]
    distinct, group = np.unique(np.stack(asked, axis=1), axis=0, return_inverse=True)
    arranged_rows = versions.iloc[order]
    book, books = pd.factorize(arranged_rows["portfolio"].astype("str"))
    found = _over_debtors(
        still(distinct, np.int64),
        still(np.searchsorted(owner[order], np.arange(len(debtors) + 1)), np.int64),
        column(arranged_rows, "known_on", np.int32, "accounts"),
        still(superseded_on(versions, ["account_no"], "accounts")[order], np.int32),
        column(arranged_rows, "opened_on", np.int32, "accounts"),
        column(arranged_rows, "principal", np.int64, "accounts"),
        still(currencies.get_indexer(arranged_rows["currency"].astype("str")), np.int64),
        still(evidence.reach(LEDGER, books)[book], np.int64),
        still((evidence.reach("charges", books) > NO_DAY)[book], np.bool_),
        *_ledger(evidence, arranged_rows["account_no"].to_numpy(), any(FACTS[name].needs for name in names)),
    )
    return dict(zip(FIGURES, found[:, group.ravel()], strict=True))


def _ledger(evidence: Evidence, account_no: np.ndarray, wanted: bool) -> tuple[np.ndarray, ...]:
    """Place of each account in the ledger, its segments, and the due days;
    one account without any where the ledger is not wanted.
    """
    none = np.zeros(2, np.int64)
    if not wanted:
        return np.zeros(account_no.size, np.int64), none, *_NO_SEGMENTS, none, none, *_NO_CHARGES
    books = evidence.ledger
    place = still(books.positions(account_no), np.int64)
    return place, books.offsets, books.start, books.balance, books.overdue_since, *due_days(evidence)


def due_days(evidence: Evidence) -> tuple[np.ndarray, ...]:
    """Spans of the ledger's accounts in the charges, and of each charge: due day, day known, day replaced,
    whether it is billed.
    """
    accounts = evidence.ledger.accounts
    if "charges" not in evidence.tables:
        none = np.zeros(accounts.size, np.int64)
        return none, none, *_NO_CHARGES
    frame, gone = evidence.arranged("charges"), evidence.gone("charges")
    first, last = spans_of(column(frame, "account_no", np.int64, "charges"), accounts)
    due, known = (column(frame, name, np.int32, "charges") for name in ("due_on", "known_on"))
    billed = np.isin(
        classes_of(frame["kind"], CHARGE_KINDS).codes(), [CHARGE_KINDS.index(kind) for kind in BILLED_KINDS]
    )
    return first, last, due, known, gone if gone.size else np.full(len(frame), NEVER, np.int32), billed


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
):
    """float64[FIGURES, groups]. groups: (debtor, night, currency); the version rows of a debtor lie at its offsets.

    through: last day that the ledger of the row's book holds; has_due_days: whether that book delivers charges.
    """
    found = np.full((SEVERE + 1, groups.shape[0]), np.nan)
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
            for segment in range(latest(start, low, high, night), low - 1, -1):
                if overdue_since[segment] != NO_DAY:
                    own_worst = max(own_worst, until - overdue_since[segment])
                until = np.int64(start[segment]) - 1
            worst = max(worst, own_worst)
            severe += own_worst >= SEVERE_DAYS
            cleared = settled_on(low, high, start, balance, night)
            if cleared == NO_DAY:
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
        found[WORST, group], found[SEVERE, group] = worst, severe
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
    return found
