"""The question at the moment of contact, asked many times: may this account be contacted on this channel now?

Every shard is decided once for the local days that an instant of the day can fall on; an answer then is a look at that
decision. Of a debtor of whom anything became known since, or who agreed to a time today, the decision is made anew.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from features.days import day_number
from features.errors import UsageError
from features.tables import NO_NUMBER, InnerTables, account_number
from pipeline.law.eligibility import Check, Standing, check, clock_of, zone_of
from pipeline.law.hours import day_on_clock
from pipeline.law.overlay import law_files
from pipeline.law.question import CannotDecide, Case, Sight
from pipeline.law.rules import CONTACT_CHANNELS
from pipeline.night.feeds import case_of
from pipeline.panel.view import view_of
from pipeline.params import Params
from pipeline.store.refusals import NotStored
from pipeline.store.store import Store

FIRST_YEAR, LAST_YEAR = 1971, 2099  # of a question
KNOWN_LATER = ("contacts", "statuses", "payments", "plans", "offers", "placements", "accounts", "charges", "balances")


def microseconds(at: dt.datetime) -> int:
    """UTC, since 1970. UsageError for a time without an offset, or outside the years that anything is known of."""
    if at.tzinfo is None:
        raise UsageError("A moment must carry its offset, such as 2026-11-02T10:15:00+01:00.")
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise UsageError(f"A moment must lie in the years {FIRST_YEAR} to {LAST_YEAR}.")
    return round(at.timestamp() * 1_000_000)


@dataclass
class Shelf:
    """A shard: what the law may read of it on some local days, and the decisions of those days.

    cases     local day -> the case of the night whose list is worked on it; all of the same tables
    since     UTC microseconds: what was known before is in the decisions
    standing  local day -> every account of that case, decided on each channel that there is
    """

    cases: Mapping[int, Case]
    since: int
    standing: dict[int, Standing] = field(default_factory=dict)

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        return next(iter(self.cases.values())).tables

    def row(self, day: int, number: int) -> int | None:
        """Where an account stands among the scorable ones of a day; None where it does not."""
        numbers = self.cases[day].cohort["account_no"].to_numpy()
        row = int(np.searchsorted(numbers, number))
        return row if row < numbers.size and numbers[row] == number else None

    def clock(self, number: int) -> str:
        """IANA zone in which the day of an account of the shard is told."""
        for day, case in self.cases.items():
            if (row := self.row(day, number)) is not None:
                return clock_of(case, row)
        return clock_on_file(self.tables["accounts"], number, next(iter(self.cases.values())).params)

    @cached_property
    def moved(self) -> frozenset[str]:
        """Debtors of whom something is stored that became known after `since`."""
        tables, owners = self.tables, self.tables["accounts"]
        numbers = [
            frame["account_no"].to_numpy()[frame["known_at"].to_numpy() >= self.since]
            for name in KNOWN_LATER
            if (frame := tables.get(name)) is not None and "known_at" in frame
        ]
        late = np.unique(np.concatenate(numbers)) if numbers else np.empty(0, np.int64)
        return frozenset(owners["debtor_id"].astype(object)[owners["account_no"].isin(late)])

    @cached_property
    def debtors(self) -> tuple[Mapping[str, int], np.ndarray, np.ndarray]:
        """Debtor -> its number; and the account numbers of the shard by the numbers of their debtors, which stand
        beside them in order.
        """
        accounts = self.tables["accounts"]
        codes, names = accounts["debtor_id"].astype(object).factorize()
        order = np.argsort(codes, kind="stable")
        return {name: code for code, name in enumerate(names)}, codes[order], accounts["account_no"].to_numpy()[order]

    def of_debtors(self, names: Sequence[str]) -> tuple[np.ndarray, InnerTables]:
        """The account numbers of some debtors, ascending, and what the tables hold of them."""
        numbers, codes, accounts = self.debtors
        parts = [accounts[slice(*np.searchsorted(codes, [code, code + 1]))] for code in map(numbers.get, names)
                 if code is not None]  # fmt: skip
        own = np.unique(np.concatenate(parts)) if parts else np.empty(0, np.int64)
        found = {name: _of_accounts(frame, own, name in self.in_order) for name, frame in self.tables.items()}
        return own, InnerTables(found)

    def small(self, day: int, debtor: str) -> Case:
        """What the law reads of one debtor alone on one of the days."""
        (own, tables), case = self.of_debtors([debtor]), self.cases[day]
        told = (case.rules, case.params, case.complete_through)
        return Case(_of_accounts(case.cohort, own, True), tables, *told, held_back=case.held_back)

    @cached_property
    def in_order(self) -> frozenset[str]:
        """Names of the tables whose rows lie in order of their accounts."""
        return frozenset(name for name, frame in self.tables.items() if frame["account_no"].is_monotonic_increasing)

    def decided(self, day: int) -> Standing:
        if day not in self.standing:
            self.standing[day] = Standing.of(self.cases[day].asked(Sight(day, self.since), CONTACT_CHANNELS))
        return self.standing[day]


def clock_on_file(accounts: pd.DataFrame, number: int, params: Params) -> str:
    """IANA zone of an account of a table, by its last row: its own, else its book's."""
    last = accounts[accounts["account_no"].to_numpy() == number].iloc[-1]
    return zone_of(last["time_zone"] if "time_zone" in accounts else None, str(last["portfolio"]), params)


def _of_accounts(frame: pd.DataFrame, own: np.ndarray, in_order: bool) -> pd.DataFrame:
    """The rows of some accounts; of a table in order of its accounts without looking at all of it."""
    numbers = frame["account_no"].to_numpy()
    if not in_order:
        return frame[np.isin(numbers, own)].reset_index(drop=True)
    first, after = np.searchsorted(numbers, own), np.searchsorted(numbers, own, side="right")
    places = np.concatenate([np.arange(*span) for span in zip(first, after, strict=True)]) if own.size else own
    return frame.take(places).reset_index(drop=True)


class Desk:
    """Answers about the accounts of a store as it stands at one version.

    An instant is asked of the night whose list is worked on the debtor's own day: however it is written, and wherever
    the desk stands, the answer is the same.
    """

    def __init__(self, store_path: Path, params: Params, at: dt.datetime) -> None:
        """at: a moment of the day, in UTC, whose questions are answered from decisions; what is known before it is in
        them.
        """
        self.since = microseconds(at)
        self.store, self.params, self.day = Store(store_path), params, at.astimezone(dt.UTC).date()
        self.versions = self.store.versions()
        self.delivery = self.store.newest(self.versions).number
        self._shelves: dict[int, Shelf] = {}
        self._fresh: dict[str, Shelf] = {}  # debtor -> what is known since contacts were posted

    @property
    def days(self) -> list[int]:
        """The local days of debtors while it is the desk's day in UTC, that one first."""
        day = day_number(self.day)
        return [day, day - 1, day + 1]

    def open(self) -> Desk:
        """Decide every shard, so that no question waits for it."""
        for shard in range(self.store.shards):
            shelf = self._shelf(shard)
            for day in self.days:
                if len(shelf.cases[day].cohort):
                    shelf.decided(day)
            _ = shelf.moved, shelf.debtors, shelf.in_order
        _ = self._shard_of
        return self

    def shelves(self) -> list[Shelf]:
        """Those that are open, in the order in which they were opened."""
        return list(self._shelves.values())

    @property
    def accounts(self) -> int:
        """How many are scorable on the desk's day."""
        return sum(len(shelf.cases[self.days[0]].cohort) for shelf in self._shelves.values())

    def is_at_hand(self, at: dt.datetime) -> bool:
        """Whether a moment is answered from decisions, whatever the debtor's clock."""
        return at.astimezone(dt.UTC).date() == self.day

    def ask(self, account_id: str, channel: str, at: dt.datetime) -> Check:
        """Raises ContractError (CannotDecide) for an account that is not scorable, or a channel that is none;
        InputMissing for one that the store does not hold.
        """
        moment = microseconds(at)
        if channel not in CONTACT_CHANNELS:
            raise CannotDecide.unknown_channel(channel)
        shelf, number = self._shelf(self._shard(account_id)), _number_of(account_id)
        day = day_on_clock(moment, shelf.clock(number))
        if day not in shelf.cases:
            return self._on_another_day(shelf, account_id, channel, moment)
        row = shelf.row(day, number)
        if row is None:
            raise CannotDecide.not_scorable(account_id, "at that time")
        debtor = str(shelf.cases[day].cohort["debtor_id"].iloc[row])
        if debtor in self._fresh:
            shelf = self._fresh[debtor]
            row = shelf.row(day, number)
            if row is None:
                raise CannotDecide.not_scorable(account_id, "at that time")
        standing = shelf.decided(day)
        if moment < shelf.since or debtor in shelf.moved or standing.moves(row):
            return check(shelf.small(day, debtor), account_id, channel, moment)
        return standing.at(row, channel, moment)

    def ask_once(self, account_id: str, channel: str, at: dt.datetime) -> Check:
        """As `ask`, for a desk that nobody asks again: of the store, no more than the one debtor is looked at."""
        moment = microseconds(at)
        if channel not in CONTACT_CHANNELS:
            raise CannotDecide.unknown_channel(channel)
        tables = self.store.tables(self.store.shard_of_account(account_id, self.versions), versions=self.versions)
        return self._by_itself(_of_debtors(tables, _owners(tables, account_id)), account_id, channel, moment)

    def _on_another_day(self, shelf: Shelf, account_id: str, channel: str, moment: int) -> Check:
        """Of a day that the desk does not stand on, the one debtor's night is made from what was read."""
        owners = _owners(shelf.tables, account_id)
        shelf = next((self._fresh[name] for name in owners if name in self._fresh), shelf)
        return self._by_itself(shelf.of_debtors(owners)[1], account_id, channel, moment)

    def _by_itself(self, tables: InnerTables, account_id: str, channel: str, moment: int) -> Check:
        """The answer from the tables of the account's debtor alone, on whatever day."""
        day = day_on_clock(moment, clock_on_file(tables["accounts"], _number_of(account_id), self.params))
        return check(self._cases(tables, [day])[day], account_id, channel, moment)

    def tell(self, account_ids: Iterable[str]) -> None:
        """Contacts of these accounts came in, and nothing else did: their debtors alone are read again. Where that
        fails, the desk stays behind the store, as is_current says.
        """
        before = self.versions, self.delivery
        self.versions = self.store.versions()
        self.delivery = self.store.newest(self.versions).number
        try:
            self._read_again(account_ids)
        except BaseException:
            self.versions, self.delivery = before
            raise

    def _read_again(self, account_ids: Iterable[str]) -> None:
        for shard, names in itertools.groupby(sorted(account_ids, key=self._shard), self._shard):
            tables = self.store.tables(shard, versions=self.versions)
            for account_id in names:
                debtors = _owners(tables, account_id)
                own = _of_debtors(tables, debtors)
                shelf = Shelf(self._cases(own, self.days), self._after(own))
                for day in self.days:
                    shelf.decided(day)  # while the contact is taken in, so that no question waits for it
                self._fresh |= dict.fromkeys(debtors, shelf)

    def _after(self, tables: InnerTables) -> int:
        """The instant from which on all that was read by the end of the day is known, UTC microseconds."""
        end = microseconds(dt.datetime.combine(self.day, dt.time.max, dt.UTC))
        known = [frame["known_at"].to_numpy() for name in KNOWN_LATER if (frame := tables.get(name)) is not None]
        return max([self.since, *(int(own[own <= end].max(initial=0)) + 1 for own in known)])

    def known(self, rows: Iterable[Mapping[str, object]]) -> list[str]:
        """Of the accounts that some rows name, those that the store holds. As in a delivery, blanks around a name are
        none of it.
        """
        named = sorted({str(row.get("account_id")).strip() for row in rows})
        return [name for name in named if _number_of(name) in self._shard_of]

    def is_current(self) -> bool:
        return self.store.versions() == self.versions

    def lacks_only(self, delivery: int) -> bool:
        """Whether this delivery of contacts is all that the store holds beyond what was read of it."""
        now = self.store.versions()
        moved = {name for name in {*now, *self.versions} if now.get(name) != self.versions.get(name)}
        alone = self.store.newest(now).number == delivery == self.delivery + 1
        return not moved or (alone and moved <= {"contacts", "quarantine"})

    def _shelf(self, shard: int) -> Shelf:
        if shard not in self._shelves:
            tables = self.store.tables(shard, versions=self.versions)
            self._shelves[shard] = Shelf(self._cases(tables, self.days), self.since)
        return self._shelves[shard]

    def _cases(self, tables: InnerTables, days: Sequence[int]) -> dict[int, Case]:
        """Day -> what the law reads of the tables on its night."""
        wanted = self.params.worklist.defer_for_credit  # of all features, what the law may have to read
        seen = view_of(tables, self.store, days, self.params, self.versions, features=wanted)
        found = {}
        for day in days:
            rows = np.flatnonzero(seen.cohort.frame["as_of"].to_numpy() == day)
            frame, matrix = (part.iloc[rows].reset_index(drop=True) for part in (seen.cohort.frame, seen.matrix))
            of_day = replace(seen, cohort=replace(seen.cohort, frame=frame), matrix=matrix)
            found[day] = case_of(of_day, self.store, self.versions, day, self.params)
        return found

    @cached_property
    def _shard_of(self) -> Mapping[int, int]:
        """Number of an account -> its shard."""
        found: dict[int, int] = {}
        for shard in range(self.store.shards):
            own = self.store.tables(shard, ["accounts"], {"accounts": ["account_no"]}, self.versions)["accounts"]
            found |= dict.fromkeys(own["account_no"].tolist(), shard)
        return found

    def _shard(self, account_id: str) -> int:
        shard = self._shard_of.get(_number_of(account_id))
        if shard is None:
            raise NotStored.account(account_id)
        return shard


def stands_on(params: Params) -> tuple[Path, ...]:
    """The files whose change makes the answers of a desk others, beside the store and the params."""
    return law_files(params)


def _owners(tables: Mapping[str, pd.DataFrame], account_id: str) -> list[str]:
    """The debtors whom an account's rows name: more than one where its debtor was found to be another."""
    accounts = tables["accounts"]
    return accounts["debtor_id"][accounts["account_id"] == account_id].astype(object).unique().tolist()


def _of_debtors(tables: InnerTables, names: Sequence[str]) -> InnerTables:
    """What the tables of a shard hold of some debtors."""
    accounts = tables["accounts"]
    own = np.unique(accounts["account_no"].to_numpy()[accounts["debtor_id"].isin(names).to_numpy(dtype=bool)])
    return InnerTables({name: _of_accounts(frame, own, False) for name, frame in tables.items()})


def _number_of(account_id: str) -> int:
    """NO_NUMBER of what is no text: no account is named so."""
    try:
        return int(account_number([account_id])[0])
    except UnicodeEncodeError:
        return NO_NUMBER
