"""What all accounts of a debtor show by the ledger, the settled and closed ones too: how much was owed before, and how late it was cleared.

An account is settled once its balance, having been positive, is known to be 0; by payment or by credit. It is late by the days from its
last due day to the day on which that became known, negative when early. Which accounts are the debtor's is as known on the night.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.compiled import compiled
from features.events import classes_of, spans_of
from features.evidence import Evidence
from features.kernel import latest
from features.tables import CHARGE_KINDS, NEVER, NO_DAY, NO_MONEY
from features.versions import column, still, superseded_on

SEVERE_DAYS = 90
BILLED = tuple(CHARGE_KINDS.index(kind) for kind in ("principal", "instalment", "invoice"))
FIGURES = (
    "debtor_accounts_ever",
    "debtor_accounts_settled",
    "debtor_accounts_settled_late",
    "debtor_settled_days_late_mean",
    "debtor_settled_days_late_max",
    "debtor_last_settled_days_late",
    "debtor_days_since_last_settled",
    "debtor_largest_settled_principal",
    "debtor_days_past_due_max_ever",
    "debtor_accounts_90_days_ever",
    "debtor_days_since_first_opened",
)
COUNT, SETTLED, LATE, LATE_MEAN, LATE_MAX, LAST_LATE, SINCE_SETTLED, PRINCIPAL, WORST, SEVERE, SINCE_OPENED = range(len(FIGURES))
COLUMNS = ("debtor_id", "currency", "opened_on", "principal")


def figures(evidence: Evidence) -> dict[str, np.ndarray]:
    """Name of FIGURES -> float64 per row; NaN where a debtor has no such account. Money counts where the currency is this account's."""
    versions, books = evidence.accounts_by_version, evidence.ledger
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
    account_no = arranged_rows["account_no"].to_numpy()
    found = _over_debtors(
        still(distinct, np.int64),
        still(np.searchsorted(owner[order], np.arange(len(debtors) + 1)), np.int64),
        still(books.positions(account_no), np.int64),
        column(arranged_rows, "known_on", np.int32, "accounts"),
        still(superseded_on(versions, ["account_no"], "accounts")[order], np.int32),
        column(arranged_rows, "opened_on", np.int32, "accounts"),
        column(arranged_rows, "principal", np.int64, "accounts"),
        still(currencies.get_indexer(arranged_rows["currency"].astype("str")), np.int64),
        books.offsets, books.start, books.balance, books.overdue_since, *due_days(evidence),
    )  # fmt: skip
    return dict(zip(FIGURES, found[:, group.ravel()], strict=True))


def due_days(evidence: Evidence) -> tuple[np.ndarray, ...]:
    """Spans of the ledger's accounts in the charges, and of each charge: due day, day known, day replaced, whether it is billed."""
    accounts = evidence.ledger.accounts
    if "charges" not in evidence.tables:
        none = np.zeros(accounts.size, np.int64)
        return none, none, *(np.empty(0, np.int32) for _ in range(3)), np.empty(0, np.bool_)
    frame, gone = evidence.arranged("charges"), evidence.gone("charges")
    first, last = spans_of(column(frame, "account_no", np.int64, "charges"), accounts)
    due, known = (column(frame, name, np.int32, "charges") for name in ("due_on", "known_on"))
    billed = np.isin(classes_of(frame["kind"], CHARGE_KINDS).codes(), BILLED)
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
def _over_debtors(groups, offsets, place, known_on, gone_on, opened_on, principal, currency, ledger_offsets, start, balance, overdue_since,
                  charge_first, charge_last, due_on, charge_known, charge_gone, billed):  # fmt: skip
    """float64[FIGURES, groups]. groups: (debtor, night, currency); the version rows of a debtor lie at its offsets."""
    found = np.full((SINCE_OPENED + 1, groups.shape[0]), np.nan)
    for group in range(groups.shape[0]):
        debtor, night, own_currency = groups[group, 0], groups[group, 1], groups[group, 2]
        count, settled, late, dated, severe = 0, 0, 0, 0, 0
        late_sum, newest, first_opened, worst = np.int64(0), np.int64(NO_DAY), night, np.int64(0)
        for row in range(offsets[debtor], offsets[debtor + 1]):
            if not known_on[row] < night <= gone_on[row]:
                continue
            count += 1
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
            if currency[row] == own_currency and principal[row] != NO_MONEY:
                largest = found[PRINCIPAL, group]
                found[PRINCIPAL, group] = float(principal[row]) if np.isnan(largest) else max(largest, float(principal[row]))
            due = last_due_on(charge_first[account], charge_last[account], due_on, charge_known, charge_gone, billed, night)
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
        found[COUNT, group], found[SETTLED, group], found[LATE, group], found[SEVERE, group] = count, settled, late, severe
        found[WORST, group] = worst
        if dated > 0:
            found[LATE_MEAN, group] = float(late_sum) / float(dated)
        if settled > 0:
            found[SINCE_SETTLED, group] = night - newest + 1
        if first_opened < night:
            found[SINCE_OPENED, group] = night - first_opened
    return found
