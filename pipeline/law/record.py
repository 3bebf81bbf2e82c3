"""What is on record of whole debtors, as far as it is in sight: statuses, ways out, open promises, the contact log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from features.tables import NO_DAY
from pipeline.law.bank_holidays import BankHolidays
from pipeline.law.caps import Counter
from pipeline.law.holds import BIT, Holds, money_came_on, open_promises, plans_running, read_holds, ways_out
from pipeline.law.hours import greatest_offset
from pipeline.law.log import ContactLog, Remembered, read_log
from pipeline.law.question import Question, Settled
from pipeline.law.rules import OPT_OUT, Cap, Rules, Wait
from pipeline.law.scenes import NOWHERE, Placed

LEAST_DAYS_BACK = 31  # a calendar month reaches back as far


@dataclass(frozen=True)
class Record(Settled):
    """Per scorable account unless it says otherwise.

    bits           int64 of BIT per status in force on the account; debtor_bits: on any account of its debtor, or by
                   unsubscribing
    unsubscribed   channel -> bool per debtor who left it, for channels that no opt-out status names
    promise_until  int64: last day, with grace, of the promises still open; NO_DAY without one. debtor_promise_until: of
                   all known accounts of its debtor
    paid_on        int64: day of the newest payment that stands; NO_DAY without one, or where no list rests after one
    holds          the statuses, per known account; counter: the contact log of all of them
    """

    bits: np.ndarray
    debtor_bits: np.ndarray
    unsubscribed: Mapping[str, np.ndarray]
    promise_until: np.ndarray
    debtor_promise_until: np.ndarray
    paid_on: np.ndarray
    holds: Holds
    counter: Counter

    def bits_per(self, grain: str) -> np.ndarray:
        """Statuses as a rule per account, or per debtor, looks for them."""
        return self.bits if grain == "account" else self.debtor_bits


def recorded(asked: Question, placed: Placed) -> Record:
    known, tables, promise = asked.known, asked.tables, asked.params.promise
    holds = read_holds(tables, known, asked.sight)
    contacts = tables.get("contacts")
    log, remembered = ContactLog.empty(), Remembered.empty()
    if contacts is not None:
        offsets = _clocks_ahead(asked, placed)
        log, remembered = read_log(contacts, known, offsets, asked.sight, _days_back(asked.rules), promise.grace_days)
    left = ways_out(remembered.unsubscribed, holds.consent_on, known)
    debtor_bits, bits = holds.debtor_bits.copy(), holds.bits.copy()
    books = tables["accounts"]["portfolio"].astype("str").unique()
    silent = [name for name in books if "payments" not in asked.params.portfolio(name).delivers]
    running = plans_running(tables, known, asked.sight, promise, known.places(asked.cohort), BankHolidays(), silent)
    bits[running] |= BIT["plan"]
    debtor_bits[known.debtor[running]] |= BIT["plan"]
    for channel in left.keys() & OPT_OUT.keys():
        debtor_bits[left[channel]] |= BIT[OPT_OUT[channel]]
    until = open_promises(
        remembered.promises,
        tables.get("payments"),
        known,
        asked.sight,
        promise,
        known.places(asked.cohort),
        BankHolidays(),
    )
    paid_on = np.full(known.numbers.size, NO_DAY, np.int64)
    if asked.params.worklist.rest_days_after_payment:
        paid_on = money_came_on(tables.get("payments"), known, asked.sight)
    of_debtor = np.full(known.debtors, NO_DAY, np.int64)
    np.maximum.at(of_debtor, known.debtor, until)
    return Record(
        bits=bits[known.scorable],
        debtor_bits=debtor_bits[known.owner],
        unsubscribed={channel: who for channel, who in left.items() if channel not in OPT_OUT},
        promise_until=until[known.scorable],
        debtor_promise_until=of_debtor[known.owner],
        paid_on=paid_on[known.scorable],
        holds=holds,
        counter=Counter.of(log, known.debtor, known.debtors, asked.day),
    )


def _clocks_ahead(asked: Question, placed: Placed) -> np.ndarray:
    """Microseconds, int64 per known account, by which any plausible clock of its debtor may be
    ahead of UTC in the days that count.
    """
    most = [
        max(greatest_offset(zone, asked.day - 62, asked.day + 1) for zone in scene.zones) for scene in placed.scenes
    ]
    ahead, standing = np.zeros(asked.known.debtors, np.int64), placed.scene != NOWHERE
    np.maximum.at(ahead, asked.known.owner[standing], np.array(most, np.int64)[placed.scene[standing]])
    return ahead[asked.known.debtor]


def _days_back(rules: Rules) -> int:
    """How far back the longest cap or wait of the file reads the log, and a day."""
    waits = [rule.days for rule in rules.all_rules.values() if isinstance(rule, Wait)]
    windows = [
        rule.window.days
        for rule in rules.all_rules.values()
        if isinstance(rule, Cap) and rule.window != "calendar_month"
    ]
    return max([LEAST_DAYS_BACK, *waits, *windows]) + 1
