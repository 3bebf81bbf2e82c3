"""What is asked of the law: which accounts, on which channels, by which rules, and what may be seen."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from features.aliases import AS_DELIVERED
from features.errors import ContractError, some_ids
from features.ledger import figures_at, history
from features.pauses import PAUSES
from features.tables import NEVER, InnerTables
from features.terms import Terms
from features.versions import superseded_on
from pipeline.law.rules import CONTACT_CHANNELS, Rules, nearest
from pipeline.params import Params

NEEDED = (
    "account_no", "account_id", "debtor_id", "portfolio", "debtor_type", "jurisdiction", "time_zone", "days_past_due",
)  # fmt: skip


@dataclass(frozen=True)
class Sight:
    """What may be seen: what was known before the day began (the list of a night),
    or before a moment (the check at the phone).
    """

    day: int
    moment: int | None = None

    def sees(self, frame: pd.DataFrame) -> np.ndarray:
        if self.moment is None:
            return frame["known_on"].to_numpy() < self.day
        return frame["known_at"].to_numpy() < self.moment

    @property
    def before(self) -> int:
        """The day before which all that is seen was known; NEVER where a moment says what is seen."""
        return self.day if self.moment is None else NEVER

    def newest(self, frame: pd.DataFrame, key: list[str], table: str) -> pd.DataFrame:
        """The last visible version of each key; the frame is sorted by account_no."""
        seen = frame[self.sees(frame)]
        return seen[superseded_on(seen, key, table) == NEVER]


class CannotDecide(ContractError):
    """What is asked is not whole, so no answer would be safe."""

    @classmethod
    def accounts_missing(cls, ids: list[str]) -> CannotDecide:
        return cls(
            f"{len(ids):,} scorable accounts are not in the accounts table of the shard ({some_ids(ids)}). "
            "Pass the tables of whole debtors."
        )

    @classmethod
    def not_scorable(cls, account_id: str, when: str) -> CannotDecide:
        return cls(f"Account {account_id[:64]!r} is not scorable {when}: it may be paid, closed or not yet known.")

    @classmethod
    def unknown_channel(cls, name: str) -> CannotDecide:
        near, known = nearest(name, CONTACT_CHANNELS), ", ".join(CONTACT_CHANNELS)
        return cls(f"A channel must be one of {known}{near}. Got {name[:64]!r}.")


@dataclass(frozen=True)
class KnownAccounts:
    """Every known account of the shard, scorable or not: caps and stops reach across all accounts of a debtor.

    numbers    account_no, ascending; debtor: code of each one's debtor; debtors: how many
    scorable   per row of the cohort its place among the known accounts
    delivered  code of the debtor each one was delivered with: receipts are told within that one
    """

    numbers: np.ndarray
    debtor: np.ndarray
    debtors: int
    scorable: np.ndarray
    delivered: np.ndarray

    @classmethod
    def of(cls, accounts: pd.DataFrame, cohort: pd.DataFrame, sight: Sight) -> KnownAccounts:
        """Each account with its debtor as it is seen: debtors may be found to be one, from a day on.

        Raises CannotDecide where a scorable account is not among the accounts.
        """
        numbers, last = np.unique(accounts["account_no"].to_numpy()[::-1], return_index=True)
        owners = accounts["debtor_id"].to_numpy()[::-1][last]
        if numbers.size < len(accounts):
            owners = _seen_last(accounts, sight)
        debtor, names = pd.factorize(pd.Series(owners).astype("str"))
        delivered = debtor.astype(np.int64)
        if AS_DELIVERED in accounts:
            delivered = pd.factorize(accounts[AS_DELIVERED].iloc[::-1].iloc[last].astype("str"))[0].astype(np.int64)
        asked = cohort["account_no"].to_numpy()
        strange = ~np.isin(asked, numbers)
        if strange.any():
            raise CannotDecide.accounts_missing(list(cohort["account_id"].to_numpy()[strange]))
        return cls(numbers, debtor.astype(np.int64), len(names), np.searchsorted(numbers, asked), delivered)

    def places(self, cohort: pd.DataFrame) -> pd.Series:
        """Where each known account's debtor lives, as known on the day; empty for one that is not scorable."""
        found = np.full(self.numbers.size, None, object)
        found[self.scorable] = cohort["jurisdiction"].astype(object).to_numpy()
        return pd.Series(found)

    def sharing_receipts(self, account_no: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(numbers of all known accounts delivered with the debtors of these accounts, ascending; code of each one's
        debtor as delivered).
        """
        rows, inside = self.find(account_no)
        shared = np.isin(self.delivered, self.delivered[rows[inside]])
        return self.numbers[shared], self.delivered[shared]

    def find(self, account_no: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(place of each account number among the known ones, whether it is there at all)."""
        rows = np.minimum(np.searchsorted(self.numbers, account_no), max(self.numbers.size - 1, 0))
        return rows, self.numbers[rows] == account_no if self.numbers.size else np.zeros(len(account_no), bool)

    @cached_property
    def owner(self) -> np.ndarray:
        """Code of the debtor per scorable account."""
        return self.debtor[self.scorable]

    def keys(self, per: str) -> np.ndarray:
        """Per scorable account its place in what is counted per account, or (any other grain) per debtor."""
        return self.scorable if per == "account" else self.owner


def _seen_last(accounts: pd.DataFrame, sight: Sight) -> np.ndarray:
    """Debtor of each account, in the order of their numbers: of the last version seen, of the first where none is."""
    number, known_at, seen = accounts["account_no"].to_numpy(), accounts["known_at"].to_numpy(), sight.sees(accounts)
    order = np.lexsort((np.where(seen, known_at, -known_at), seen, number))
    last = np.append(number[order][1:] != number[order][:-1], True)
    return accounts["debtor_id"].to_numpy()[order[last]]


@dataclass(frozen=True)
class Case:
    """The accounts that may come before the law, and all that it may read about them.

    cohort            NEEDED, one row per scorable account of one night; all those of each debtor, since what binds one
                      binds the others
    tables            the inner form, whole debtors
    complete_through  last complete day per table
    held_back         rule of causes.HELD_BACK -> numbers of the accounts that it defers
    Raises ContractError where columns or accounts are missing.
    """

    cohort: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]
    rules: Rules
    params: Params
    complete_through: Mapping[str, int]
    held_back: Mapping[str, Collection[int]] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        missing = [name for name in NEEDED if name not in self.cohort]
        if missing:
            raise ContractError.missing_columns("cohort", missing, self.cohort.columns)

    def asked(self, sight: Sight, channels: Sequence[str] | None = None) -> Question:
        """Channels in the order in which a list prefers them; by default eligibility.channels of the params."""
        chosen = self.params.eligibility.channels if channels is None else tuple(channels)
        for name in chosen:
            if name not in CONTACT_CHANNELS:
                raise CannotDecide.unknown_channel(name)
        told = (self.cohort, self.tables, self.rules, self.params, self.complete_through)
        return Question(*told, sight, chosen, held_back=self.held_back)

    def row_of(self, account_id: str, when: str) -> int:
        """The account's row in the cohort; when: how a refusal names the time."""
        rows = np.flatnonzero(self.cohort["account_id"].to_numpy() == account_id)
        if rows.size != 1:
            raise CannotDecide.not_scorable(account_id, when)
        return int(rows[0])


@dataclass(frozen=True)
class Question(Case):
    """Which accounts of a case may be contacted, and how, on some channels, given what is in sight."""

    sight: Sight
    channels: tuple[str, ...]

    @property
    def day(self) -> int:
        return self.sight.day

    @property
    def size(self) -> int:
        return len(self.cohort)

    @cached_property
    def known(self) -> KnownAccounts:
        return KnownAccounts.of(self.tables["accounts"], self.cohort, self.sight)

    @cached_property
    def days_paused(self) -> np.ndarray:
        """int64 per scorable account: what payment holidays took off days past due; 0 in books that do not pause."""
        statuses, found = self.tables.get("statuses"), self.per_account(0, np.int64)
        names = self.tables["accounts"]["portfolio"].astype("str").unique()
        books = frozenset(name for name in names if self.params.portfolio(name).moratorium_pauses)
        if statuses is None or statuses.empty or not books:
            return found
        paused = statuses["account_no"][statuses["status"].isin(PAUSES).to_numpy(dtype=bool)]
        rows = np.flatnonzero(self.cohort["account_no"].isin(paused).to_numpy())
        if not rows.size:
            return found
        asked = self.cohort["account_no"].to_numpy()[rows]
        numbers, _ = self.known.sharing_receipts(asked)
        own = InnerTables(
            {
                name: frame[frame["account_no"].isin(numbers)].reset_index(drop=True)
                for name, frame in self.tables.items()
            }
        )
        days = np.full(rows.size, self.day, np.int32)
        run_on, stood = (
            figures_at(history(own, Terms(pauses=pausing)), asked, days)[2].astype(np.int64)
            for pausing in (frozenset(), books)
        )
        found[rows] = run_on - stood
        return found

    def per_account(self, value: int, dtype: type) -> np.ndarray:
        return np.full(self.size, value, dtype)

    def per_channel(self, value: int, dtype: type) -> np.ndarray:
        """One row per channel, one column per scorable account."""
        return np.full((len(self.channels), self.size), value, dtype)


class Settled:
    """What a step hands on is done: its arrays refuse to be written."""

    def __post_init__(self) -> None:
        for values in vars(self).values():
            if isinstance(values, np.ndarray):
                values.flags.writeable = False
