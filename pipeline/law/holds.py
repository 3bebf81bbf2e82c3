"""What holds of an account on the day besides contact law: statuses in force, open promises, appointments,
the last payment.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.agreements import BEHIND, RUNNING, Instalments, standing
from features.bank_days import days_to_keep
from features.days import DAY_MINUTES, day_of_text
from features.promises import OPEN, Promised, outcomes
from features.settlements import net_payments, settlements
from features.statuses import lasts
from features.tables import NEVER, NO_DAY, NO_NUMBER, PAYMENT_KINDS, PLAN_ENDS, STATUSES, numbered
from features.versions import arranged, key_of
from pipeline.law.disputes import charges_named, hold_the_account
from pipeline.law.log import codes
from pipeline.law.question import KnownAccounts, Settled, Sight
from pipeline.law.rules import CONSENT
from pipeline.params import Promise

BIT = {name: np.int64(1) << number for number, name in enumerate(STATUSES)}
_APPOINTMENT = re.compile(r"(?:(\d{4}-\d{2}-\d{2})[ T])?([01]?\d|2[0-3]):([0-5]\d)(?::[0-5]\d)?")
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\s*-\s*([01]\d|2[0-3]|24):([0-5]\d)")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Callback:
    """An agreed time. minute is None where the detail names none; agreed_on: the day it became known."""

    day: int
    minute: int | None
    agreed_on: int


@dataclass(frozen=True)
class Holds(Settled):
    """The statuses in force: per known account, and per debtor where named so.

    bits          int64 of BIT per status in force; debtor_bits: the same over all accounts of the debtor
    notice_on     int64: first day of the notice in force; NEVER without one
    consent_on    status -> int64: latest day of that consent; NO_DAY without one
    callbacks     known account -> appointments of today and later
    inconvenient  grain (account, debtor) -> its place -> details of the status; legal: known account -> details
    """

    bits: np.ndarray
    debtor_bits: np.ndarray
    notice_on: np.ndarray
    consent_on: Mapping[str, np.ndarray]
    callbacks: Mapping[int, list[Callback]]
    inconvenient: Mapping[str, Mapping[int, list[str]]]
    legal: Mapping[int, list[str]]


def read_holds(tables: Mapping[str, pd.DataFrame], known: KnownAccounts, sight: Sight) -> Holds:
    """Statuses in force on the day: begun on it or before, and lasting (features.statuses.lasts).

    A dispute of one charge is none of the account's, unless it holds it: see pipeline.law.disputes.
    """
    size, statuses = known.numbers.size, tables.get("statuses")
    bits, debtor_bits, notice_on = (
        np.zeros(size, np.int64),
        np.zeros(known.debtors, np.int64),
        np.full(size, NEVER, np.int64),
    )
    consent_on = {name: np.full(size, NO_DAY, np.int64) for name in CONSENT.values()}
    if statuses is None or statuses.empty:
        return Holds(bits, debtor_bits, notice_on, consent_on, {}, {"account": {}, "debtor": {}}, {})
    statuses = arranged(statuses, "statuses")
    newest = sight.newest(statuses, key_of(statuses, "statuses"), "statuses")
    newest = newest[lasts(newest["until_on"].to_numpy(), sight.day)]
    rows, inside = known.find(newest["account_no"].to_numpy())
    newest, rows = newest[inside], rows[inside]
    charge_no = charges_named(newest)
    of_charge = (charge_no != NO_NUMBER) & (newest["status"] == "dispute").to_numpy(dtype=bool)
    of_charge &= newest["from_on"].to_numpy() <= sight.day
    if of_charge.any():
        holds = hold_the_account(known.numbers[rows[of_charge]], charge_no[of_charge], tables, known, sight)
        of_charge[np.flatnonzero(of_charge)[holds]] = False
        newest, rows = newest[~of_charge], rows[~of_charge]
    status, from_on = codes(newest["status"], STATUSES), newest["from_on"].to_numpy()
    begun = from_on <= sight.day
    for number, bit in enumerate(BIT.values()):
        bits[rows[begun & (status == number)]] |= bit
    np.bitwise_or.at(debtor_bits, known.debtor, bits)
    noticed = begun & (status == STATUSES.index("notice_sent"))
    np.minimum.at(notice_on, rows[noticed], from_on[noticed])
    for name, latest in consent_on.items():
        given = begun & (status == STATUSES.index(name))
        np.maximum.at(latest, rows[given], from_on[given])
    callbacks: dict[int, list[Callback]] = {}
    for row, begins, known_on, detail in _listed(newest, rows, status == STATUSES.index("callback")):
        callbacks.setdefault(row, []).append(_callback(begins, known_on, detail, sight.day))
    inconvenient = _details(_listed(newest, rows, begun & (status == STATUSES.index("inconvenient"))))
    of_debtor: dict[int, list[str]] = {}
    for row, details in inconvenient.items():
        of_debtor.setdefault(int(known.debtor[row]), []).extend(details)
    legal = _details(_listed(newest, rows, begun & (status == STATUSES.index("legal"))))
    return Holds(
        bits, debtor_bits, notice_on, consent_on, callbacks, {"account": inconvenient, "debtor": of_debtor}, legal
    )


def _details(listed: list[tuple[int, int, int, str]]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for row, _, _, detail in listed:
        found.setdefault(row, []).append(detail)
    return found


def _listed(frame: pd.DataFrame, rows: np.ndarray, chosen: np.ndarray) -> list[tuple[int, int, int, str]]:
    picked = frame[chosen]
    details = picked["detail"].fillna("") if "detail" in picked else [""] * len(picked)
    return list(
        zip(rows[chosen].tolist(), picked["from_on"].tolist(), picked["known_on"].tolist(), details, strict=True)
    )


def _callback(begins: int, known: int, detail: str, today: int) -> Callback:
    """`HH:MM`, or a day and a time. A time alone means today while the callback is in force,
    and its first day before that.
    """
    match = _APPOINTMENT.fullmatch(detail.strip())
    if match is None:
        return Callback(max(begins, today), None, known)
    minute = int(match[2]) * 60 + int(match[3])
    day = max(begins, today)
    if match[1] and (written := _day(match[1])) is not None:
        day = written
    return Callback(day, minute, known)


def unwelcome_hours(details: list[str]) -> list[tuple[int, int]] | None:
    """Minutes [from, until) named as inconvenient, written HH:MM-HH:MM; None where any detail names something else."""
    spans = []
    for text in details:
        for part in re.split(r"[,;]", text):
            match = _HOURS.fullmatch(part.strip())
            if match is None:
                return None
            hour, minute, last_hour, last_minute = (int(value) for value in match.groups())
            first, last = hour * 60 + minute, last_hour * 60 + last_minute
            spans += [(first, last)] if first < last else [(first, DAY_MINUTES), (0, last)]
    return [(first, last) for first, last in spans if first < last]


def deadlines(legal: Mapping[int, list[str]], known: KnownAccounts, today: int) -> np.ndarray:
    """Per scorable account the nearest day from today on that a `legal` status names (YYYY-MM-DD), int32;
    NO_DAY where none does.
    """
    nearest = np.full(known.numbers.size, NO_DAY, np.int32)
    for row, details in legal.items():
        days = [
            day
            for text in details
            for found in _DATE.findall(text)
            if (day := _day(found)) is not None and day >= today
        ]
        nearest[row] = min(days, default=NO_DAY)
    return nearest[known.scorable]


def _day(text: str) -> int | None:
    try:
        return day_of_text(text)
    except ValueError:
        return None


def open_promises(
    promises: pd.DataFrame,
    payments: pd.DataFrame | None,
    known: KnownAccounts,
    sight: Sight,
    terms: Promise,
    places: pd.Series,
    holidays: Mapping[str, Sequence[int]],
) -> np.ndarray:
    """Per known account the last day, with grace, of its open promises (features.promises); NO_DAY without one.

    places: where each known account's debtor lives; holidays: place -> days on which its banks are closed.

    Payments in sight count. Without payments delivered a promise stays open until that day.
    """
    until = np.full(known.numbers.size, NO_DAY, np.int64)
    if promises.empty:
        return until
    account_no, due_on = promises["account_no"].to_numpy(), promises["promise_due_on"].to_numpy()
    rows, inside = known.find(account_no)
    where = places.reset_index(drop=True).reindex(np.where(inside, rows, -1)).reset_index(drop=True)
    due_on, last_day = days_to_keep(due_on, terms.grace_days, terms.grace_unit, holidays, where)
    amount = promises["promise_amount"].to_numpy()
    made = Promised(account_no, promises["occurred_on"].to_numpy(), due_on, last_day, amount)
    numbers, owners = known.sharing_receipts(account_no)  # a receipt may have lines on other accounts of the debtor
    if payments is not None:
        payments = payments[sight.sees(payments) & payments["account_no"].isin(numbers).to_numpy()]
    day, before = (np.full(len(promises), value, np.int32) for value in (sight.day, sight.before))
    settled = settlements(payments, numbers, lambda: owners)
    states, _, _ = outcomes(made, settled, day, terms.kept_share, before)
    inside &= states == OPEN
    np.maximum.at(until, rows[inside], last_day[inside].astype(np.int64))
    return until


def plans_running(
    tables: Mapping[str, pd.DataFrame],
    known: KnownAccounts,
    sight: Sight,
    terms: Promise,
    places: pd.Series,
    holidays: Mapping[str, Sequence[int]],
    silent: Collection[str] = (),
) -> np.ndarray:
    """bool per known account: whether a plan of the table plans is in force and not behind (features.agreements).

    places, holidays: as of `open_promises`. silent: books that deliver no payments, in which no plan is behind before
    its end is known.
    """
    found, plans = np.zeros(known.numbers.size, bool), tables.get("plans")
    if plans is None or plans.empty:
        return found
    plans = arranged(plans, "plans")
    newest = sight.newest(plans, key_of(plans, "plans"), "plans")
    rows, inside = known.find(newest["account_no"].to_numpy())
    inside &= newest["agreed_on"].to_numpy() <= sight.day
    newest, rows = newest[inside], rows[inside]
    numbers, owners = known.sharing_receipts(newest["account_no"].to_numpy())
    payments = tables.get("payments")
    if payments is not None:
        payments = payments[sight.sees(payments) & payments["account_no"].isin(numbers).to_numpy()]
    days = (newest[name].to_numpy() for name in ("agreed_on", "total", "due_on", "amount", "ended_on"))
    agreed_on, total, due_on, amount, ended_on = days
    plan, how = numbered(newest, "plan_id", "plans"), codes(newest["how"], PLAN_ENDS)
    told = Instalments(rows, plan, agreed_on, total, due_on, amount, ended_on, how)
    day, before = (np.full(known.numbers.size, value, np.int32) for value in (sight.day, sight.before))
    by_place = places.reset_index(drop=True)
    held = standing(
        told,
        known.numbers,
        day,
        settlements(payments, numbers, lambda: owners),
        lambda due_on, of: days_to_keep(
            due_on, terms.grace_days, terms.grace_unit, holidays, by_place.reindex(of).reset_index(drop=True)
        ),
        terms.kept_share,
        before,
    )
    unpaid = np.full(known.numbers.size, payments is None)
    accounts = tables["accounts"]
    of_silent = accounts["account_no"][accounts["portfolio"].astype("str").isin(list(silent))]
    unpaid |= np.isin(known.numbers, of_silent.to_numpy())
    running = (held.plan_state == RUNNING) | ((held.plan_state == BEHIND) & unpaid[held.plan_row])
    found[held.plan_row[running]] = True
    return found


def last_payment_on(payments: pd.DataFrame | None, known: KnownAccounts, sight: Sight) -> np.ndarray:
    """Per known account the day of its newest payment seen, even if taken back (it acknowledges the debt);
    NO_DAY without one.
    """
    latest = np.full(known.numbers.size, NO_DAY, np.int64)
    if payments is None or payments.empty:
        return latest
    seen = payments[sight.sees(payments) & (codes(payments["kind"], PAYMENT_KINDS) == PAYMENT_KINDS.index("payment"))]
    rows, inside = known.find(seen["account_no"].to_numpy())
    np.maximum.at(latest, rows[inside], seen["occurred_on"].to_numpy()[inside].astype(np.int64))
    return latest


def money_came_on(payments: pd.DataFrame | None, known: KnownAccounts, sight: Sight) -> np.ndarray:
    """Per known account the day of its newest payment of which something is left, as it is seen; NO_DAY without one."""
    latest = np.full(known.numbers.size, NO_DAY, np.int64)
    if payments is None or payments.empty:
        return latest
    own = payments[sight.sees(payments)]
    paid = net_payments(settlements(own, known.numbers, lambda: known.delivered), sight.before)
    rows, inside = known.find(paid["account_no"].to_numpy())
    np.maximum.at(latest, rows[inside], paid["occurred_on"].to_numpy()[inside].astype(np.int64))
    return latest


def ways_out(
    unsubscribed: pd.DataFrame, consent_on: Mapping[str, np.ndarray], known: KnownAccounts
) -> dict[str, np.ndarray]:
    """Per channel, bool per debtor: who unsubscribed from it and has not consented to it again on a later day."""
    out: dict[str, np.ndarray] = {}
    for channel, rows in unsubscribed.groupby("channel", observed=True):
        place, inside = known.find(rows["account_no"].to_numpy())
        latest = np.full(known.debtors, NO_DAY, np.int64)
        np.maximum.at(latest, known.debtor[place[inside]], rows["occurred_on"].to_numpy()[inside].astype(np.int64))
        again = np.full(known.debtors, NO_DAY, np.int64)
        if CONSENT.get(channel) in consent_on:
            np.maximum.at(again, known.debtor, consent_on[CONSENT[channel]])
        out[channel] = (latest != NO_DAY) & (again <= latest)
    return out
