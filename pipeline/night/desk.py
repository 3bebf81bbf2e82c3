"""The question at the moment of contact, asked many times: may this account be contacted on this channel now?

Every shard is decided once for the day; an answer then is a look at that decision. Of a debtor of whom anything became
known since, or who agreed to a time today, the decision is made anew.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from features.days import day_number
from features.errors import ContractError, InputMissing, UsageError
from features.tables import NO_NUMBER, account_number
from pipeline.law.eligibility import Check, Standing, check, clock_of
from pipeline.law.hours import day_on_clock
from pipeline.law.question import CannotDecide, Case, Sight
from pipeline.law.rules import CONTACT_CHANNELS
from pipeline.night.feeds import case_of
from pipeline.pages.csv_file import safe
from pipeline.panel.view import view
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
    """A shard on a day: what the law may read of it, and the decisions of that and the neighbouring local days.

    since     UTC microseconds: what was known before is in the decisions
    standing  local day -> every account of the shard, decided on each channel of the params
    """

    case: Case
    since: int
    standing: dict[int, Standing] = field(default_factory=dict)

    @cached_property
    def rows(self) -> Mapping[str, int]:
        return {name: row for row, name in enumerate(self.case.cohort["account_id"].astype(object))}

    @cached_property
    def moved(self) -> frozenset[str]:
        """Debtors of whom something is stored that became known after `since`."""
        tables, owners = self.case.tables, self.case.tables["accounts"]
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
        accounts = self.case.tables["accounts"]
        codes, names = accounts["debtor_id"].astype(object).factorize()
        order = np.argsort(codes, kind="stable")
        return {name: code for code, name in enumerate(names)}, codes[order], accounts["account_no"].to_numpy()[order]

    def small(self, debtor: str) -> Case:
        """What the law reads of one debtor alone."""
        (numbers, codes, accounts), case = self.debtors, self.case
        number = numbers.get(debtor, -1)
        own = np.unique(accounts[slice(*np.searchsorted(codes, [number, number + 1]))])
        tables = {name: _of_accounts(frame, own, name in self.in_order) for name, frame in case.tables.items()}
        told = (case.rules, case.params, case.complete_through)
        return Case(_of_accounts(case.cohort, own, "" in self.in_order), tables, *told, held_back=case.held_back)

    @cached_property
    def in_order(self) -> frozenset[str]:
        """Names of the tables, and "" of the cohort, whose rows lie in order of their accounts."""
        frames = {"": self.case.cohort, **self.case.tables}
        return frozenset(name for name, frame in frames.items() if frame["account_no"].is_monotonic_increasing)

    def debtor(self, row: int) -> str:
        return str(self.case.cohort["debtor_id"].iloc[row])

    def decided(self, day: int) -> Standing:
        if day not in self.standing:
            self.standing[day] = Standing.of(self.case.asked(Sight(day, self.since)))
        return self.standing[day]


def _of_accounts(frame: pd.DataFrame, own: np.ndarray, in_order: bool) -> pd.DataFrame:
    """The rows of some accounts; of a table in order of its accounts without looking at all of it."""
    numbers = frame["account_no"].to_numpy()
    if not in_order:
        return frame[np.isin(numbers, own)].reset_index(drop=True)
    first, after = np.searchsorted(numbers, own), np.searchsorted(numbers, own, side="right")
    places = np.concatenate([np.arange(*span) for span in zip(first, after, strict=True)]) if own.size else own
    return frame.take(places).reset_index(drop=True)


class Desk:
    """Answers about the accounts of a store as it stands at one version, on one day of the question's own clock."""

    def __init__(self, store_path: Path, params: Params, at: dt.datetime) -> None:
        """at: a moment of the day that is asked about; what is known before it is in the decisions."""
        self.store, self.params, self.day, self.since = Store(store_path), params, at.date(), microseconds(at)
        self.versions = self.store.versions()
        self.delivery = self.store.newest(self.versions).number
        self._shelves: dict[int, Shelf] = {}
        self._fresh: dict[str, Shelf] = {}  # debtor -> what is known since contacts were posted

    def open(self) -> Desk:
        """Decide every shard, so that no question waits for it."""
        for shard in range(self.store.shards):
            shelf = self._shelf(shard)
            if len(shelf.case.cohort):
                for away in (-1, 0, 1):  # the debtor's clock may be a day behind or ahead
                    shelf.decided(day_number(self.day) + away)
                _ = shelf.rows, shelf.moved, shelf.debtors, shelf.in_order
        _ = self._shard_of
        return self

    def shelves(self) -> list[Shelf]:
        """Those that are open, in the order in which they were opened."""
        return list(self._shelves.values())

    @property
    def accounts(self) -> int:
        """How many can be asked about."""
        return sum(len(shelf.case.cohort) for shelf in self._shelves.values())

    def ask(self, account_id: str, channel: str, at: dt.datetime) -> Check:
        """Raises ContractError (CannotDecide) for an account that is not scorable, or a channel that is none;
        InputMissing for one that the store does not hold.
        """
        moment = microseconds(at)
        if channel not in CONTACT_CHANNELS:
            raise CannotDecide.unknown_channel(channel)
        if at.date() != self.day:
            return Desk(self.store.path, self.params, at).ask(account_id, channel, at)
        shelf = self._shelf(self._shard(account_id))
        row = shelf.rows.get(account_id)
        if row is None:
            raise CannotDecide.not_scorable(account_id, "at that time")
        debtor = shelf.debtor(row)
        if debtor in self._fresh:
            shelf = self._fresh[debtor]
            row = shelf.rows.get(account_id)
            if row is None:
                raise CannotDecide.not_scorable(account_id, "at that time")
        standing = shelf.decided(day_on_clock(moment, clock_of(shelf.case, row)))
        if moment < shelf.since or debtor in shelf.moved or channel not in standing.channels or standing.moves(row):
            return check(shelf.small(debtor), account_id, channel, moment)
        return standing.at(row, channel, moment)

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
        for account_id in account_ids:
            shard = self._shard(account_id)
            accounts = self.store.tables(shard, ["accounts"], versions=self.versions)["accounts"]
            debtors = accounts["debtor_id"][accounts["account_id"] == account_id].astype(object).unique().tolist()
            case = self._case(shard, debtors)
            shelf = Shelf(case, self._after(case))
            shelf.decided(day_number(self.day))  # while the contact is taken in, so that no question waits for it
            self._fresh |= dict.fromkeys(case.cohort["debtor_id"].astype(object), shelf)

    def _after(self, case: Case) -> int:
        """The instant from which on all that was read of a case by the end of the day is known, UTC microseconds."""
        end = microseconds(dt.datetime.combine(self.day, dt.time.max, dt.UTC))
        known = [frame["known_at"].to_numpy() for name in KNOWN_LATER if (frame := case.tables.get(name)) is not None]
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
            self._shelves[shard] = Shelf(self._case(shard, None), self.since)
        return self._shelves[shard]

    def _case(self, shard: int, debtors: Sequence[str] | None) -> Case:
        night = day_number(self.day)
        wanted = self.params.worklist.defer_for_credit  # of all features, what the law may have to read
        seen = view(self.store, shard, [night], self.params, self.versions, debtors=debtors, features=wanted)
        return case_of(seen, self.store, self.versions, night, self.params)

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


def _number_of(account_id: str) -> int:
    """NO_NUMBER of what is no text: no account is named so."""
    try:
        return int(account_number([account_id])[0])
    except UnicodeEncodeError:
        return NO_NUMBER


def said(found: Check, at: dt.datetime) -> dict[str, object]:
    """An answer as data: times with the offset of the question; None where there is none."""

    def shown(moment: int) -> str | None:
        if moment <= 0:
            return None
        return dt.datetime.fromtimestamp(moment / 1_000_000, at.tzinfo).isoformat(timespec="seconds")

    return {
        "answer": found.group,
        "rule": found.rule,
        "citation": found.citation,
        "reason": found.reason,
        "until": shown(found.until),
        "first_permitted": shown(found.first_permitted),
        "contacts_left": found.contacts_left,
    }


def check_contact(store_path: Path, account_id: str, channel: str, at: dt.datetime, params: Params) -> str:
    """For `recoup check`: may this account be contacted on this channel at this moment? `at` carries its offset."""
    found = Desk(store_path, params, at).ask(account_id, channel, at)
    if found.permitted:
        until = dt.datetime.fromtimestamp(found.until / 1_000_000, at.tzinfo).strftime("%H:%M")
        return f"permitted until {until} by the clock of --at, {found.contacts_left} left today included"
    citation = f" ({found.citation})" if found.citation else ""
    return f"{found.group} by {found.rule}{citation}: {found.reason}"


def check_file(store_path: Path, questions: Path, at: dt.datetime, params: Params) -> str:
    """CSV of the questions (account_id, channel, at where the file has it) with their answers, in their order.

    at: of the questions that name no moment. A question that cannot be answered has the answer `unknown`, never
    permitted. Raises InputMissing where there is no file, BatchFaulty (65) where it holds no questions.
    """
    try:
        with questions.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            asked, lines = [], []
            for row in reader:
                asked.append(row)
                lines.append(reader.line_num)
    except (OSError, ValueError, csv.Error) as error:
        why = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise InputMissing(f"The questions in {questions.name!r} cannot be read: {why}.") from None
    if not asked or not {"account_id", "channel"} <= asked[0].keys():
        raise BatchFaulty.heads()
    moments = [_moment(line, row.get("at"), at) for line, row in zip(lines, asked, strict=True)]
    desks: dict[dt.date, Desk] = {}
    written = io.StringIO()
    writer = csv.DictWriter(written, ["account_id", "channel", "at", *ANSWERED], lineterminator="\n")
    writer.writeheader()
    for row, moment in zip(asked, moments, strict=True):
        if moment.date() not in desks:
            first = min((each for each in moments if each.date() == moment.date()), key=microseconds)
            desks[moment.date()] = Desk(store_path, params, first)
        account, channel = row["account_id"] or "", row["channel"] or ""  # a row may be short
        named = {"account_id": account, "channel": channel, "at": moment.isoformat()}
        try:
            told = said(desks[moment.date()].ask(account, channel, moment), moment)
        except (CannotDecide, NotStored) as error:
            told = {"answer": "unknown", "reason": str(error)}
        writer.writerow({name: safe(str(text)) if text is not None else "" for name, text in (named | told).items()})
    return written.getvalue().rstrip("\n")


ANSWERED = ("answer", "rule", "citation", "reason", "until", "first_permitted", "contacts_left")


def _moment(line: int, text: str | None, otherwise: dt.datetime) -> dt.datetime:
    if not text:
        return otherwise
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise BatchFaulty.moment(line)
    return found


class BatchFaulty(ContractError):
    """A file of questions that is none."""

    @classmethod
    def heads(cls) -> BatchFaulty:
        return cls("A file of questions must be CSV with the columns account_id and channel, may have at, and ask one.")

    @classmethod
    def moment(cls, line: int) -> BatchFaulty:
        return cls(f"Line {line}: at must be ISO 8601 with an offset, such as 2026-11-02T10:15:00+01:00, or empty.")
