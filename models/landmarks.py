"""What the contact log can teach about the effect of work: who was worked early after a night, and who paid after that.

Whoever pays early is no longer called, so that "never called" is in part the mark of a payer (immortal time). A
landmark ends this: only accounts unpaid by a fixed day take part, work before that day is the cause, a payment after it
is the answer (Anderson, Cain and Gelber, Journal of Clinical Oncology 1983; van Houwelingen, Scandinavian Journal of
Statistics 2007).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.compiled import compiled
from features.errors import ContractError
from features.labels import complete_for
from features.ledger import Ledger
from features.settlements import CASH, Settlements
from features.tables import NEVER
from features.terms import LabelTerms, Reach
from features.versions import arranged, superseded_on
from models.response import worked_rows

LANDMARK_DAYS = 7

# Why a row does not teach; it has the first that holds. Those of the labels stand between no_contacts and paid_early.
NOT_PERMITTED, IN_ARM, NO_CONTACTS, PAID_EARLY, WORKED_LATER = (
    "not_permitted",
    "in_arm",
    "no_contacts",
    "paid_early",
    "worked_later",
)


def landmark(
    cohort: pd.DataFrame,
    labels: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    ledger: Ledger,
    terms: LabelTerms,
    contacts_through: Reach,
    permitted: np.ndarray,
    in_arm: np.ndarray | None = None,
    delivers: Mapping[str, frozenset[str]] | None = None,
    days: int = LANDMARK_DAYS,
) -> pd.DataFrame:
    """What each night of an account teaches, aligned to the cohort's rows: account_no, as_of, worked, paid, promised,
    missing.

    worked   1.0 if we tried to reach the account on a day of [as_of, as_of + days), 0.0 if on no day of [as_of, as_of +
             horizon)
    paid     1.0 if it recovered in [as_of + days, as_of + horizon), else 0.0, as the labels count
    promised 1.0 if an attempt of ours on a day of [as_of, as_of + horizon) ended in a promise, else 0.0
    missing  '' where the row teaches, else why not; worked, paid and promised are then NaN. paid_early: a payment, kept
             or taken back, in [as_of, as_of + days); worked_later: first tried on a day of [as_of + days, as_of +
             horizon); in_arm: a draw decided over its contact, which proves the effect and may not teach it

    cohort           features.cohort.scorable's frame; labels: features.labels.labels of it under the same terms
    contacts_through last day whose contacts are all known: a horizon that reaches beyond is immature
    permitted        bool per row: the law let the account be worked on that night; in_arm: bool per row
    delivers         portfolio -> tables; a log outside it is not delivered, as when there is no contacts table
    Contacts and payments count as known before as_of + horizon + maturity, contacts in their version of then.
    """
    if not 0 < days < terms.horizon_days:
        raise ContractError(f"A landmark must lie inside the horizon of {terms.horizon_days} days. Got {days} days.")
    as_of = cohort["as_of"].to_numpy().astype(np.int64)
    known_before = as_of + terms.horizon_days + terms.maturity_days
    log = _worked_log(tables.get("contacts"))
    first = _first_attempt(cohort["account_no"].to_numpy(), as_of, known_before, log)
    kept = None if log is None else log[(log["outcome"] == "promise").to_numpy()]
    promised = _first_attempt(cohort["account_no"].to_numpy(), as_of, known_before, kept) < as_of + terms.horizon_days
    worked = first < as_of + days
    missing = np.full(len(cohort), "", dtype=object)
    missing[~worked & (first < as_of + terms.horizon_days)] = WORKED_LATER
    missing[_paid_within(ledger.settlements, cohort["account_no"].to_numpy(), as_of, known_before, days)] = PAID_EARLY
    unlabelled = labels["recovered_missing"].to_numpy(dtype=object)
    missing[unlabelled != ""] = unlabelled[unlabelled != ""]
    if contacts_through:  # where no log was ever delivered, all rows are without contacts anyway
        missing[as_of + terms.horizon_days - 1 > complete_for(cohort, contacts_through)] = "immature"
    missing[_undelivered(cohort, tables, delivers)] = NO_CONTACTS
    if in_arm is not None:
        missing[in_arm] = IN_ARM
    missing[~permitted] = NOT_PERMITTED
    teaches = missing == ""
    return pd.DataFrame(
        {
            "account_no": cohort["account_no"].to_numpy(),
            "as_of": cohort["as_of"].to_numpy(),
            "worked": np.where(teaches, worked.astype(np.float64), np.nan),
            "paid": np.where(teaches, labels["recovered"].to_numpy(dtype=np.float64), np.nan),
            "promised": np.where(teaches, promised.astype(np.float64), np.nan),
            "missing": pd.Series(missing, dtype="str", index=cohort.index),
        },
        index=cohort.index,
    )


def _undelivered(
    cohort: pd.DataFrame, tables: Mapping[str, pd.DataFrame], delivers: Mapping[str, frozenset[str]] | None
) -> np.ndarray:
    if "contacts" not in tables:
        return np.ones(len(cohort), bool)
    without = [name for name, names in (delivers or {}).items() if "contacts" not in names]
    return cohort["portfolio"].isin(without).to_numpy()


def _worked_log(contacts: pd.DataFrame | None) -> pd.DataFrame | None:
    """Our attempts by account and time, each with the day from which another version of it stands (replaced)."""
    if contacts is None or not len(contacts):
        return None
    log = arranged(contacts, "contacts")
    replaced = superseded_on(log, ["contact_id", "account_no"], "contacts")
    return log.assign(replaced=replaced)[worked_rows(log)]


def _first_attempt(
    account_no: np.ndarray, as_of: np.ndarray, known_before: np.ndarray, log: pd.DataFrame | None
) -> np.ndarray:
    """int64 per row: the day of the first attempt of the log from as_of on, as known before known_before;
    NEVER where there is none.
    """
    if log is None:
        return np.full(as_of.size, NEVER, np.int64)
    owner, day, known_on, replaced = (
        log[name].to_numpy().astype(np.int64) for name in ("account_no", "occurred_on", "known_on", "replaced")
    )
    first, last = np.searchsorted(owner, account_no, "left"), np.searchsorted(owner, account_no, "right")
    return _first_day(first, last, as_of, known_before, day, known_on, replaced)


@compiled
def _first_day(first, last, as_of, known_before, day, known_on, replaced):
    found = np.full(as_of.size, NEVER, np.int64)
    for row in range(as_of.size):
        for event in range(first[row], last[row]):  # by time, so the first that counts is the earliest
            if day[event] >= as_of[row] and known_on[event] < known_before[row] <= replaced[event]:
                found[row] = day[event]
                break
    return found


def _paid_within(
    paid: Settlements, account_no: np.ndarray, as_of: np.ndarray, known_before: np.ndarray, days: int
) -> np.ndarray:
    """Whether a payment, credits aside, occurred in [as_of, as_of + days) and was known before known_before;
    reversed or not.
    """
    place = np.searchsorted(paid.accounts, account_no)
    return _any_payment(
        paid.offsets[place],
        paid.offsets[place + 1],
        as_of,
        known_before,
        days,
        paid.occurred_on,
        paid.known_on,
        paid.kind,
    )


@compiled
def _any_payment(first, last, as_of, known_before, days, occurred_on, known_on, kind):
    found = np.zeros(as_of.size, np.bool_)
    for row in range(as_of.size):
        for event in range(first[row], last[row]):
            inside = as_of[row] <= occurred_on[event] < as_of[row] + days
            found[row] |= inside and kind[event] == CASH and known_on[event] < known_before[row]
    return found
