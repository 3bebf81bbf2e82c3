"""Counting from the contact log: how much of a cap is used, when it frees up, when a wait ends.
Every number is per known account.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from features.compiled import compiled
from features.days import first_of_month
from features.tables import ANSWERS, CHANNELS, NEVER, NO_DAY, NOT_ATTEMPTS, OUTCOMES
from pipeline.law.log import UNKNOWN_OUTCOME, ContactLog
from pipeline.law.rules import Cap, Wait

NOT_MADE = (*NOT_ATTEMPTS, "no_answer", "bounced")
SPOKEN_CHANNELS = ("call", "autodial")


def _outcomes(names: tuple[str, ...], otherwise: bool) -> np.ndarray:
    """Whether an outcome counts. An empty outcome always does: what may have happened is held to have happened."""
    table = np.full(UNKNOWN_OUTCOME + 1, otherwise)
    table[[OUTCOMES.index(name) for name in names]] = not otherwise
    table[UNKNOWN_OUTCOME] = True
    return table


COUNTED = {
    "attempts": _outcomes(NOT_ATTEMPTS, True),
    "dials": _outcomes((), True),
    "contacts_made": _outcomes(NOT_MADE, True),
    "conversations": _outcomes(ANSWERS, False),
}


def channel_table(names: tuple[str, ...]) -> np.ndarray:
    return np.array([name in names for name in CHANNELS] + [False])


def conversations(log: ContactLog) -> np.ndarray:
    """Rows on which the debtor was spoken to by telephone, whoever called. An empty outcome may have been one."""
    return channel_table(SPOKEN_CHANNELS)[log.channel] & COUNTED["conversations"][log.outcome]


def exchanges(log: ContactLog) -> np.ndarray:
    """Conversations, and on other media whatever came from the debtor or shows an answer.
    A message sent without an outcome is none.
    """
    answered = COUNTED["conversations"][log.outcome] & (log.outcome != UNKNOWN_OUTCOME) | (
        log.outcome == OUTCOMES.index("unsubscribed")
    )
    spoken = channel_table(SPOKEN_CHANNELS)[log.channel]
    return np.where(spoken, COUNTED["conversations"][log.outcome], answered | ~log.outbound)


def counted(rule: Cap, log: ContactLog) -> np.ndarray:
    """Rows that use up a cap: ours of its channels; a conversation counts whoever began it."""
    ours = log.outbound if rule.counts != "conversations" else np.ones(len(log), bool)
    return ours & channel_table(rule.channels)[log.channel] & COUNTED[rule.counts][log.outcome]


@dataclass(frozen=True)
class Counter:
    """The log in the two orders that counting needs.

    by_account   sorted by (account, day)
    by_debtor    the same rows sorted by (debtor, day, contact); `account` holds debtors, so that one call about three
                 debts is found as one
    debtor       code of each known account's debtor; debtors: how many
    """

    by_account: ContactLog
    by_debtor: ContactLog
    debtor: np.ndarray
    debtors: int
    day: int
    _last: dict[tuple[str, ...], np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, log: ContactLog, debtor: np.ndarray, debtors: int, day: int) -> Counter:
        owner = debtor[log.account]
        order = np.lexsort((log.contact, log.day, owner))
        return cls(log, replace(log.taken(order), account=owner[order]), debtor, debtors, day)

    def used(self, rule: Cap) -> tuple[np.ndarray, np.ndarray]:
        """(contacts used of the cap today, first day on which one is free again) per known account;
        today where one is free.
        """
        log, keys = (self.by_account, self.debtor.size) if rule.per == "account" else (self.by_debtor, self.debtors)
        first, free_after = self._window(rule)
        if rule.per in ("person", "endpoint"):
            count, edge = self._worst(rule, first)
        else:
            count, edge = _tally(log.account, log.day, log.contact, counted(rule, log), first, max(rule.max, 1), keys)
        free_again = NEVER if rule.max == 0 else free_after or edge + _days(rule)
        freed = np.maximum(np.where(count >= rule.max, free_again, self.day), self.day).astype(np.int32)
        return (count, freed) if rule.per == "account" else (count[self.debtor], freed[self.debtor])

    def waits_until(self, rule: Wait) -> np.ndarray:
        """First day after the wait per known account; today where none runs. The day of the conversation is day 1."""
        log, keys = (self.by_account, self.debtor.size) if rule.per == "account" else (self.by_debtor, self.debtors)
        spoken = conversations(log) if rule.after == "conversation" else exchanges(log)
        latest = np.full(keys, NO_DAY, np.int64)
        np.maximum.at(latest, log.account[spoken], log.day[spoken])
        until = np.maximum(np.where(latest == NO_DAY, self.day, latest + rule.days), self.day).astype(np.int32)
        return until if rule.per == "account" else until[self.debtor]

    def last_at(self, channels: tuple[str, ...]) -> np.ndarray:
        """Instant of the debtor's last attempt by these channels, per known account; 0 where there is none. Remembered:
        it is asked for at every question of a desk.
        """
        if channels not in self._last:
            self._last[channels] = self._last_at(channels)
        return self._last[channels]

    def _last_at(self, channels: tuple[str, ...]) -> np.ndarray:
        log = self.by_debtor
        ours = log.outbound & channel_table(channels)[log.channel] & COUNTED["attempts"][log.outcome]
        latest = np.zeros(self.debtors, np.int64)
        np.maximum.at(latest, log.account[ours], log.at[ours])
        return latest[self.debtor]

    def _window(self, rule: Cap) -> tuple[int, int | None]:
        """(first day that counts today, day on which everything frees up at once or None)."""
        if rule.window != "calendar_month":
            return self.day - rule.window.days + 1, None
        return first_of_month(self.day), first_of_month(self.day, after=1)

    def _worst(self, rule: Cap, first: int) -> tuple[np.ndarray, np.ndarray]:
        """Per debtor: rows that name nobody plus the most of any one person (or endpoint), for whom the next contact
        meets is not known; and the newest day from which on they fill the cap.
        """
        log = self.by_debtor
        rows = counted(rule, log) & (log.day >= first)
        seen = pd.DataFrame(
            {
                "debtor": log.account[rows],
                "who": getattr(log, rule.per)[rows],
                "contact": log.contact[rows],
                "day": log.day[rows],
            }
        )
        seen = seen.sort_values(["debtor", "day", "who", "contact"], ascending=[True, False, True, True])
        seen = seen.drop_duplicates(["debtor", "who", "contact"])  # one call about three debts is one
        named = seen["who"] >= 0
        of_one = (seen.groupby(["debtor", "who"]).cumcount() + 1).where(named, 0)
        debtor = seen["debtor"]
        full = (~named).groupby(debtor).cumsum() + of_one.groupby(debtor).cummax()  # from this row's day on
        count, edge = np.zeros(self.debtors, np.int32), np.full(self.debtors, -(2**31), np.int64)
        np.maximum.at(count, debtor, full)
        filling = full >= max(rule.max, 1)
        np.maximum.at(edge, debtor[filling], seen["day"][filling])
        return count, edge


def _days(rule: Cap) -> int:
    return 0 if rule.window == "calendar_month" else rule.window.days


@compiled
def _tally(key, day, contact, counts, first, most, keys):
    """Per key: contacts that count from day `first` on, and the day of the `most`-th newest of them.

    Rows come sorted by (key, day, contact): rows of one contact lie side by side and count once.
    """
    count = np.zeros(keys, np.int32)
    edge = np.full(keys, -(2**31), np.int64)
    before = -1
    for row in range(key.size - 1, -1, -1):
        if not counts[row] or day[row] < first:
            continue
        if before >= 0 and key[before] == key[row] and contact[before] == contact[row] and day[before] == day[row]:
            continue
        before = row
        count[key[row]] += 1
        if count[key[row]] == most:
            edge[key[row]] = day[row]
    return count, edge
