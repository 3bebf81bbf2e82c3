"""The contact log as the caps read it: visible rows of the days that matter, last versions only,
each on the latest day it may have.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.bank_days import may_last
from features.days import DAY_US
from features.tables import CHANNELS, NO_DAY, NO_MINUTE, OUTCOMES
from features.versions import arranged
from pipeline.law.question import KnownAccounts, Sight

UNKNOWN_OUTCOME = len(OUTCOMES)  # an empty cell: what happened is not known
OUTCOME = {name: number for number, name in enumerate(OUTCOMES)}
PROMISE_COLUMNS = ("account_no", "occurred_on", "promise_amount", "promise_due_on")
WAY_OUT_COLUMNS = ("account_no", "channel", "occurred_on")


@dataclass(frozen=True)
class ContactLog:
    """One row per contact and account, sorted by (account, day).

    account      place among the known accounts
    day          int32: the later of the day on the portfolio's clock and on the debtor's
    at           microseconds UTC; the end of its day where only the day is known
    channel, outcome   codes of the contract's lists; outcome UNKNOWN_OUTCOME where empty
    contact, person, endpoint   codes; person and endpoint -1 where empty
    """

    account: np.ndarray
    day: np.ndarray
    at: np.ndarray
    channel: np.ndarray
    outcome: np.ndarray
    outbound: np.ndarray
    contact: np.ndarray
    person: np.ndarray
    endpoint: np.ndarray

    def __len__(self) -> int:
        return self.account.size

    @classmethod
    def empty(cls) -> ContactLog:
        return cls(
            **{name: np.zeros(0, np.int64) for name in cls.__dataclass_fields__} | {"outbound": np.zeros(0, bool)}
        )

    def taken(self, rows: np.ndarray) -> ContactLog:
        return ContactLog(**{name: values[rows] for name, values in vars(self).items()})


@dataclass(frozen=True)
class Remembered:
    """Rows of any age that still matter: open promises and ways out of a channel."""

    promises: pd.DataFrame  # columns of contacts, promises with amount and due day not yet past their grace
    unsubscribed: pd.DataFrame  # account_no, channel, occurred_on

    @classmethod
    def empty(cls) -> Remembered:
        return cls(*(pd.DataFrame(columns=list(columns)) for columns in (PROMISE_COLUMNS, WAY_OUT_COLUMNS)))


def codes(values: pd.Series, vocabulary: tuple[str, ...]) -> np.ndarray:
    """int8 place of each cell in the vocabulary; its length where empty."""
    if not isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype("category")
    places = {name: number for number, name in enumerate(vocabulary)}
    table = np.array([places.get(name, len(vocabulary)) for name in values.cat.categories] + [len(vocabulary)], np.int8)
    return table[values.cat.codes.to_numpy()]  # an empty cell has code -1: the last


def read_log(
    contacts: pd.DataFrame, known: KnownAccounts, offsets: np.ndarray, sight: Sight, days_back: int, grace_days: int
) -> tuple[ContactLog, Remembered]:
    """The rows known or dated within days_back of the day, and the remembered ones.
    Rows of accounts that are not known are left out.

    offsets: microseconds by which each known account's clock may be ahead of UTC. A row becomes known no sooner than it
    happens, so a version that replaces a recent row is recent itself.
    """
    contacts = arranged(contacts, "contacts")
    newest_day = np.maximum(contacts["known_on"].to_numpy(), contacts["occurred_on"].to_numpy())
    outcome = codes(contacts["outcome"], OUTCOMES)
    seen = sight.sees(contacts)
    recent = seen & (newest_day >= sight.day - days_back)
    due = contacts["promise_due_on"].to_numpy().astype(np.int64)
    promised = (outcome == OUTCOME["promise"]) & (may_last(due, grace_days) >= sight.day)
    lasting = seen & (promised | (outcome == OUTCOME["unsubscribed"]))
    frame = contacts.iloc[np.flatnonzero(recent | (seen & _rows_of(contacts, lasting)))]
    frame = sight.newest(frame, ["contact_id", "account_no"], "contacts")
    outcome = codes(frame["outcome"], OUTCOMES)
    ended = (outcome == OUTCOME["promise"]) & (may_last(frame["promise_due_on"].to_numpy(), grace_days) >= sight.day)
    ended &= frame["promise_due_on"].to_numpy() != NO_DAY
    remembered = Remembered(
        frame.loc[ended, list(PROMISE_COLUMNS)],
        frame.loc[outcome == OUTCOME["unsubscribed"], list(WAY_OUT_COLUMNS)],
    )
    frame = frame[np.maximum(frame["known_on"].to_numpy(), frame["occurred_on"].to_numpy()) >= sight.day - days_back]
    place, inside = known.find(frame["account_no"].to_numpy())
    return _log(frame[inside], place[inside], offsets), remembered


def _rows_of(contacts: pd.DataFrame, wanted: np.ndarray) -> np.ndarray:
    """Every row of the accounts that have a wanted row."""
    accounts = contacts["account_no"].to_numpy()
    marked = np.unique(accounts[wanted])
    steps = np.zeros(accounts.size + 1, np.int64)
    steps[np.searchsorted(accounts, marked, "left")] += 1
    np.subtract.at(steps, np.searchsorted(accounts, marked, "right"), 1)
    return np.cumsum(steps[:-1]) > 0


def _log(frame: pd.DataFrame, account: np.ndarray, offsets: np.ndarray) -> ContactLog:
    at = frame["occurred_at"].to_numpy().astype(np.int64)
    at = np.where(frame["occurred_minute"].to_numpy() == NO_MINUTE, at + DAY_US - 1, at)
    day = np.maximum(frame["occurred_on"].to_numpy(), (at + offsets[account]) // DAY_US).astype(np.int32)
    order = np.lexsort((at, day, account))
    log = ContactLog(
        account=account.astype(np.int64),
        day=day,
        at=at,
        channel=codes(frame["channel"], CHANNELS),
        outcome=codes(frame["outcome"], OUTCOMES),
        outbound=codes(frame["direction"], ("inbound",)) != 0,  # an empty cell counts as ours
        contact=_coded(frame, "contact_id"),
        person=_coded(frame, "person_id"),
        endpoint=_coded(frame, "endpoint_id"),
    )
    return log.taken(order)


def _coded(frame: pd.DataFrame, column: str) -> np.ndarray:
    if column not in frame or frame[column].isna().all():
        return np.full(len(frame), -1, np.int64)
    return pd.factorize(frame[column])[0].astype(np.int64)
