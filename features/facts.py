"""Facts of an account that are no aggregates: who and when it is, the calendar, and how payments follow contacts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from features import rhythm, whole_debtor
from features.compiled import compiled
from features.currencies import DECIMALS
from features.days import days_left_in_month, days_of_month, months_of_year, weekdays
from features.evidence import Evidence
from features.kernel import month_and_day
from features.ledger import figures_at
from features.settlements import CASH
from features.tables import BILLED_KINDS, DIRECTIONS, NO_DAY, NO_MONEY
from features.vocabulary import ANSWER_DAYS, CALENDAR_FACTS, FIRST_PAYMENT_DAYS

ANSWER_WINDOW = 180
LIMIT = "x_credit_limit"
NEXT_DUE = ("next_due_day_of_month", "next_due_weekday", "next_due_days_to_month_end")
FOLLOWING = (
    "attempts_since_last_payment",
    "payments_after_contact_180d",
    "days_after_contact_180d",
    "days_without_contact_180d",
)


def facts(names: Sequence[str], evidence: Evidence) -> dict[str, np.ndarray | pd.Series]:
    """The columns of facts of vocabulary.FACTS: float64, NaN where missing, or text.
    Rows without the tables a fact needs mean nothing.
    """
    found: dict[str, np.ndarray | pd.Series] = {}
    for name in names:
        if name not in found:
            found |= _fact(name, names, evidence)
    return found


def _fact(name: str, names: Sequence[str], evidence: Evidence) -> dict[str, np.ndarray | pd.Series]:
    if name in ("product", "portfolio", "debtor_type"):
        return {name: evidence.of_account(name)}
    if name in ("principal", "placed_amount"):
        money = evidence.of_account(name).to_numpy()
        return {name: np.where(money == NO_MONEY, np.nan, money.astype(np.float64))}
    if name in CALENDAR_FACTS:
        return _calendar(evidence.as_of)
    if name == "first_payment_default":
        return {name: _first_payment_default(evidence)}
    if name in _BETWEEN:
        since, until, between = _BETWEEN[name]
        end = evidence.as_of if until is None else evidence.day_of_account(until)
        return {name: between(evidence.day_of_account(since), end)}
    if name in whole_debtor.FIGURES:
        return whole_debtor.figures(evidence, [other for other in names if other in whole_debtor.FIGURES])
    if name in rhythm.FIGURES:
        return rhythm.figures(evidence, [other for other in names if other in rhythm.FIGURES])
    if name in NEXT_DUE:
        return _next_due_days(evidence)
    if name == "credit_limit_use":
        return {name: _credit_limit_use(evidence)}
    return _answers(evidence)


def _next_due_days(evidence: Evidence) -> dict[str, np.ndarray]:
    """When in the month and week the next charge falls due: NaN where none is known."""
    nothing = np.full(evidence.as_of.size, np.nan)
    if "charges" not in evidence.tables:
        return dict.fromkeys(NEXT_DUE, nothing)
    charges = evidence.events("charges", ["kind"])
    days = _next_due(evidence.as_of, charges.first, charges.last, charges.day, charges.known, charges.gone)
    held, found = days != NO_DAY, {}
    for name, of in zip(NEXT_DUE, (days_of_month, weekdays, days_left_in_month), strict=True):
        found[name] = nothing.copy()
        found[name][held] = of(days[held])
    return found


@compiled
def _next_due(as_of, first, last, day, known, gone):
    """int64 per row: the first due day from as_of on of the charges in force; NO_DAY where there is none."""
    found = np.full(as_of.size, NO_DAY, np.int64)
    for row in range(as_of.size):
        night = as_of[row]
        for charge in range(first[row], last[row]):
            in_force = known[charge] < night and (gone.size == 0 or night <= gone[charge])
            if in_force and day[charge] >= night and (found[row] == NO_DAY or day[charge] < found[row]):
                found[row] = day[charge]
    return found


def _credit_limit_use(evidence: Evidence) -> np.ndarray:
    """Balance against the sender's own column of limits; NaN where there is none, or none above 0."""
    if LIMIT not in evidence.tables["accounts"] or not is_numeric_dtype(evidence.tables["accounts"][LIMIT].dtype):
        return np.full(evidence.as_of.size, np.nan)
    minor = evidence.of_account("currency").astype("str").map({name: 10.0**places for name, places in DECIMALS.items()})
    limit = evidence.of_account(LIMIT).to_numpy(np.float64) * minor.to_numpy(np.float64)
    balance = figures_at(evidence.ledger, evidence.account_no, evidence.as_of)[0]
    return np.divide(balance, limit, out=np.full(limit.size, np.nan), where=limit > 0)


def days_between(since: np.ndarray, until: np.ndarray) -> np.ndarray:
    """float64: whole days from one day to the other, NaN where either is empty."""
    return np.where((since == NO_DAY) | (until == NO_DAY), np.nan, until.astype(np.float64) - since)


@compiled
def months_between(since, until):
    """float64: complete calendar months from one day to the other, NaN where either is empty.
    31 January to 28 February is none.
    """
    months = np.full(since.size, np.nan)
    for row in range(since.size):
        if since[row] != NO_DAY and until[row] != NO_DAY:
            first_month, first_day = month_and_day(since[row])
            last_month, last_day = month_and_day(until[row])
            months[row] = last_month - first_month - (last_day < first_day)
    return months


_BETWEEN = {
    "months_since_opened": ("opened_on", None, months_between),
    "months_since_placed": ("placed_on", None, months_between),
    "days_since_opened": ("opened_on", None, days_between),
    "days_since_placed": ("placed_on", None, days_between),
    "days_from_opening_to_placement": ("opened_on", "placed_on", days_between),
}


# Columns of accounts that a fact rests on.
FACT_COLUMNS = {name: tuple(day for day in days[:2] if day) for name, days in _BETWEEN.items()}
FACT_COLUMNS |= {name: (name,) for name in ("product", "debtor_type", "principal", "placed_amount")}
FACT_COLUMNS |= dict.fromkeys(FOLLOWING, ("opened_on",)) | dict.fromkeys(
    whole_debtor.FIGURES, whole_debtor.OWNER_COLUMNS
)
FACT_COLUMNS |= dict.fromkeys(rhythm.FIGURES, rhythm.OWNER_COLUMNS) | {"credit_limit_use": ("currency",)}


def _calendar(as_of: np.ndarray) -> dict[str, np.ndarray]:
    nights, place = np.unique(as_of, return_inverse=True)
    values = (
        *(months_of_year(nights), days_of_month(nights)),
        *(weekdays(nights.astype(np.int64)), days_left_in_month(nights)),
    )
    return {name: value.astype(np.float64)[place] for name, value in zip(CALENDAR_FACTS, values, strict=True)}


def _first_payment_default(evidence: Evidence) -> np.ndarray:
    """1 where nothing was paid by FIRST_PAYMENT_DAYS days after the first due day, 0 where something was,
    NaN until that is settled.
    """
    if not {"charges", "payments"} <= set(evidence.tables):
        return np.full(evidence.as_of.size, np.nan)
    charges, paid = evidence.events("charges", ["kind"]), evidence.events("payments")
    kinds = charges.classes["kind"]
    billed = np.isin(kinds.codes(), [kinds.values.index(kind) for kind in BILLED_KINDS]) & (
        charges.measures["amount"] > 0
    )
    return _first_default(
        evidence.as_of,
        charges.first,
        charges.last,
        charges.day,
        charges.known,
        charges.gone,
        billed,
        paid.first,
        paid.last,
        paid.day,
        paid.known,
        paid.measures["amount"],
        paid.classes["kind"].index,
        *paid.reversals,
        FIRST_PAYMENT_DAYS,
    )


@compiled
def _counting(as_of, first, last, day, known, amount, kind, back_offsets, back_known, back_amount, row, days):
    """Write the days of a row's payments before as_of that count (net positive, known), newest first;
    returns how many.
    """
    night, written = as_of[row], 0
    for payment in range(last[row] - 1, first[row] - 1, -1):
        if day[payment] < night and known[payment] < night and kind[payment] == CASH:
            net = amount[payment]
            for reversal in range(back_offsets[payment], back_offsets[payment + 1]):
                if back_known[reversal] < night:
                    net -= back_amount[reversal]
            if net > 0:
                days[written] = day[payment]
                written += 1
    return written


@compiled
def _first_default(
    as_of,
    first,
    last,
    due_on,
    known,
    gone,
    billed,
    paid_first,
    paid_last,
    paid_on,
    paid_known,
    amount,
    kind,
    back_offsets,
    back_known,
    back_amount,
    grace,
):
    found = np.full(as_of.size, np.nan)
    days = np.empty((paid_last - paid_first).max() if as_of.size else 0, np.int32)
    for row in range(as_of.size):
        night = as_of[row]
        for charge in range(first[row], last[row]):
            in_force = known[charge] < night and (gone.size == 0 or night <= gone[charge])
            if in_force and billed[charge] and due_on[charge] != NO_DAY:
                until = np.int64(due_on[charge]) + grace
                payments = _counting(
                    as_of,
                    paid_first,
                    paid_last,
                    paid_on,
                    paid_known,
                    amount,
                    kind,
                    back_offsets,
                    back_known,
                    back_amount,
                    row,
                    days,
                )
                if payments > 0 and days[payments - 1] <= until:
                    found[row] = 0.0
                elif until < night:
                    found[row] = 1.0
                break
    return found


def _answers(evidence: Evidence) -> dict[str, np.ndarray]:
    """How payments follow outbound contacts; tables that are not there leave the counts that need them undefined."""
    nothing = np.full(evidence.as_of.size, np.nan)
    if "contacts" not in evidence.tables:
        return dict.fromkeys(FOLLOWING, nothing)
    contacts, paid = evidence.events("contacts", ["direction"]), evidence.events("payments")
    outbound = contacts.classes["direction"].codes() == DIRECTIONS.index("outbound")
    opened_on = evidence.day_of_account("opened_on")
    since = np.maximum(
        np.where(opened_on == NO_DAY, 0, opened_on).astype(np.int64), evidence.as_of.astype(np.int64) - ANSWER_WINDOW
    )
    found = _follow(
        evidence.as_of,
        since,
        contacts.first,
        contacts.last,
        contacts.day,
        contacts.known,
        contacts.gone,
        outbound,
        paid.first,
        paid.last,
        paid.day,
        paid.known,
        paid.measures["amount"],
        paid.classes["kind"].index,
        *paid.reversals,
        ANSWER_DAYS,
        ANSWER_WINDOW,
    )
    return dict(zip(FOLLOWING, found, strict=True))


@compiled
def _follow(
    as_of,
    since,
    first,
    last,
    day,
    known,
    gone,
    outbound,
    paid_first,
    paid_last,
    paid_on,
    paid_known,
    amount,
    kind,
    back_offsets,
    back_known,
    back_amount,
    answer_days,
    window,
):
    """attempts since the last payment, payments after a contact, days after a contact, other days; float64 [4,
    rows].
    """
    found = np.zeros((4, as_of.size))
    paid_days = np.empty((paid_last - paid_first).max() if as_of.size else 0, np.int32)
    days = np.empty((last - first).max() if as_of.size else 0, np.int32)
    for row in range(as_of.size):
        night = np.int64(as_of[row])
        payments = _counting(
            as_of,
            paid_first,
            paid_last,
            paid_on,
            paid_known,
            amount,
            kind,
            back_offsets,
            back_known,
            back_amount,
            row,
            paid_days,
        )
        contacts = 0
        for contact in range(last[row] - 1, first[row] - 1, -1):
            in_force = known[contact] < night and (gone.size == 0 or night <= gone[contact])
            if in_force and outbound[contact] and day[contact] < night:
                days[contacts] = day[contact]
                contacts += 1
        contact = 0
        for payment in range(payments):
            if paid_days[payment] < night - window:
                break
            while contact < contacts and days[contact] > paid_days[payment]:
                contact += 1
            found[1, row] += contact < contacts and paid_days[payment] - days[contact] <= answer_days
        covered_from = night  # days from here on are counted
        for contact in range(contacts):
            found[0, row] += payments == 0 or days[contact] > paid_days[0]
            begin = max(np.int64(days[contact]), since[row])
            found[2, row] += max(min(days[contact] + answer_days + 1, covered_from) - begin, 0)
            covered_from = min(covered_from, begin)
        found[3, row] = max(night - since[row], 0) - found[2, row]
    return found
