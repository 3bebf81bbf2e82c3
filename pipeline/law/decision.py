"""The decision itself: groups of accounts are decided once, then applied to rows. Arrays are per scorable account, or channel x account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from features.tables import NEVER, NO_DAY, NO_TIME
from pipeline.law.caps import Counter
from pipeline.law.causes import Causes
from pipeline.law.grouping import factorized
from pipeline.law.holds import BIT, Book, Holds, deadline, last_payment_on, open_promises, read_holds, unwelcome_hours, ways_out
from pipeline.law.hours import (
    MINUTE_US,
    Openings,
    Spans,
    greatest_offset,
    instant,
    intersected,
    longest,
    minute_on_clock,
    without,
)  # fmt: skip
from pipeline.law.log import Log, Remembered, Sight, read_log
from pipeline.law.rules import (
    CONSENT,
    CONTACT_CHANNELS,
    OPT_OUT,
    Cap,
    OptOut,
    Pause,
    Precondition,
    Rules,
    Stop,
    TimeBarred,
    Wait,
)  # fmt: skip
from pipeline.law.scenes import Scene, placed
from pipeline.params import Params

EXCLUDED, DEFERRED, PERMITTED = 0, 1, 2
NO_LIMIT = 32_000  # contacts left where no cap binds a channel
APPOINTMENT_MINUTES = 15  # an appointment is kept within a quarter of an hour
YEAR_DAYS = 365.25


class Decision:
    def __init__(
        self,
        cohort: pd.DataFrame,
        tables: Mapping[str, pd.DataFrame],
        rules: Rules,
        params: Params,
        sight: Sight,
        complete_through: Mapping[str, int],
        channels: Sequence[str],
    ):
        self.cohort, self.tables, self.rules, self.params, self.sight = cohort, tables, rules, params, sight
        self.day, self.channels, self.size = sight.day, tuple(channels), len(cohort)
        self.complete_through = complete_through
        self.book = Book.of(tables["accounts"], cohort)
        self.row, _ = self.book.find(cohort["account_no"].to_numpy())
        self.owner = self.book.debtor[self.row]
        self.causes = Causes()
        self.openings = Openings(rules, params.eligibility.margin_minutes)
        self.barred = np.zeros(self.size, np.int32)  # cause that excludes the account
        self.held = np.zeros(self.size, np.int32)  # cause that defers the account
        self.release = np.full(self.size, self.day, np.int64)  # first day on which nothing defers the account; NEVER if not known
        shape = (len(self.channels), self.size)
        self.closed = np.zeros(shape, np.int32)  # cause that excludes the channel
        self.limited = np.zeros(shape, np.int32)  # cause that defers the channel
        self.free_on = np.full(shape, self.day, np.int64)
        self.left = np.full(shape, NO_LIMIT, np.int32)
        self.spans: dict[tuple[int, int], Spans] = {}  # rows whose day differs from that of their scene
        self.appointment = np.zeros(self.size, bool)
        self.appointment_at = np.full(self.size, NO_TIME, np.int64)
        self.legal_barred = np.zeros(self.size, bool)
        self.legal_deadline_on = np.full(self.size, NO_DAY, np.int32)

    # --- who -----------------------------------------------------------------------------------------------------------------------

    def place(self) -> None:
        """Bindings and scenes of all accounts; what is unknown or not signed off is barred."""
        found = placed(self.cohort, self.owner, self.rules, self.params, self.day, self.barred, self._bar)
        self.bindings, self.group, self.rows_of = found.bindings, found.group, found.rows_of
        self.scenes, self.scene = found.scenes, found.scene

    def _bar(self, rows: np.ndarray, rule: str, reason: str) -> None:
        if rows.any():
            self.barred[rows & (self.barred == 0)] = self.causes.code(rule, reason)

    # --- what holds ----------------------------------------------------------------------------------------------------------------

    def read(self) -> None:
        """Read the statuses, the contact log and the promises of whole debtors."""
        params = self.params
        self.holds: Holds = read_holds(self.tables.get("statuses"), self.book, self.sight)
        most = [max(greatest_offset(zone, self.day - 62, self.day + 1) for zone in scene.zones) for scene in self.scenes]
        ahead, placed = np.zeros(self.book.debtors, np.int64), self.scene >= 0
        np.maximum.at(ahead, self.owner[placed], np.array(most, np.int64)[self.scene[placed]])
        contacts = self.tables.get("contacts")
        caps = [rule for rule in self.rules.all_rules.values() if isinstance(rule, Cap | Wait)]
        back = max([31] + [rule.days if isinstance(rule, Wait) else getattr(rule.window, "days", 31) for rule in caps]) + 1
        if contacts is None:
            log, remembered = Log.empty(), Remembered.empty()
        else:
            log, remembered = read_log(contacts, self.book.find, ahead[self.book.debtor], self.sight, back, params.promise.grace_days)
        self.counter = Counter.of(log, self.book.debtor, self.book.debtors, self.day)
        self.left_channel = ways_out(remembered.unsubscribed, self.holds, self.book, OPT_OUT, CONSENT)
        self.holds.promise_until = open_promises(
            remembered.promises, self.tables.get("payments"), self.book, self.sight, params.promise.grace_days, params.promise.kept_share
        )
        self.bits, self.debtor_bits = self.holds.bits[self.row], self.holds.debtor_bits[self.owner]

    def stop(self) -> None:
        """Statuses that stop contact, ways out of a channel, missing preconditions, prescribed debts: each rule over all it binds."""
        for rule, number, rows in self._applied(Stop):
            if rule.statuses == "always":
                self._close(number, rows, rule)
                continue
            mask = sum(BIT[name] for name in rule.statuses if name != "inconvenient")
            bits = self.bits if rule.per == "account" else self.debtor_bits
            stopped = rows[bits[rows] & mask != 0]
            self._close(number, stopped, rule)
            if rule.channels == CONTACT_CHANNELS:
                self._bar_by(stopped, rule)
            if "inconvenient" in rule.statuses:
                self._keep_clear(number, rows[bits[rows] & BIT["inconvenient"] != 0], rule)
        for rule, number, rows in self._applied(OptOut):
            channel = self.channels[number]
            if channel in OPT_OUT:
                self._close(number, rows[self.debtor_bits[rows] & BIT[OPT_OUT[channel]] != 0], rule)
            if channel in self.left_channel:
                self._close(number, rows[self.left_channel[channel][self.owner[rows]]], rule)
        for rule, number, rows in self._applied(Precondition):
            self._require(number, rows, rule)
        for rule, _, rows in self._applied(TimeBarred):
            self._bar_by_time(rows, rule)

    def _applied(self, kind: type) -> Iterator[tuple]:
        """(rule, channel, rows) of every rule of a kind that binds any row: law before product, subdivisions before countries.

        A rule that names no channels comes once, with channel -1.
        """
        groups: dict[tuple[str, int], list[int]] = {}
        for group, binding in enumerate(self.bindings):
            for number, channel in enumerate(self.channels) if kind is not TimeBarred else [(-1, "")]:
                for rule in binding.of_kind(kind, channel):
                    groups.setdefault((rule.id, number), []).append(group)
        rank = {name: place for place, name in enumerate(self.rules.nearest_first)}
        for name, number in sorted(groups, key=lambda bound: (rank[bound[0]], bound[1])):
            yield self.rules.all_rules[name], number, np.concatenate([self.rows_of[group] for group in groups[name, number]])

    def _close(self, number: int, rows: np.ndarray, rule) -> None:
        if rows.size:
            self.closed[number, rows[self.closed[number, rows] == 0]] = self.causes.of(rule)

    def _bar_by(self, rows: np.ndarray, rule) -> None:
        if rows.size:
            self.barred[rows[self.barred[rows] == 0]] = self.causes.of(rule)

    def _keep_clear(self, number: int, rows: np.ndarray, rule) -> None:
        """Hours named as inconvenient are cut out of the day; anything else named so stops contact."""
        details = self.holds.details.get("inconvenient", {})
        of_debtor: dict[int, list[str]] = {}
        for row, texts in details.items():
            of_debtor.setdefault(int(self.book.debtor[row]), []).extend(texts)
        for row in rows.tolist():
            named = details[int(self.row[row])] if rule.per == "account" else of_debtor[int(self.owner[row])]
            hours = unwelcome_hours(named)
            if hours is None:
                self._bar_by(np.array([row]), rule)
                continue
            for zone in self.scenes[self.scene[row]].zones:
                for first, last in hours:
                    hole = (instant(self.day, first, zone, late=False), instant(self.day, last, zone, late=True))
                    self.spans[number, row] = without(self.spans.get((number, row), self._scene_spans(row, number)), hole)

    def _require(self, number: int, rows: np.ndarray, rule: Precondition) -> None:
        if "consent" in rule.needs:
            status = CONSENT.get(self.channels[number])
            self._close(number, rows if status is None else rows[self.bits[rows] & BIT[status] == 0], rule)
        if "notice_sent" in rule.needs:
            since = self.holds.notice_on[self.row[rows]]
            self._close(number, rows[since == NEVER], rule)
            noticed = since != NEVER
            self._wait(number, rows[noticed], since[noticed] + (rule.notice_days or 0), rule)

    def _bar_by_time(self, rows: np.ndarray, rule: TimeBarred) -> None:
        prescribed = rows[self.bits[rows] & BIT["prescribed"] != 0]
        self.legal_barred[prescribed] = True
        if not rule.contact_once_barred:
            self._bar_by(prescribed, rule)
        if rule.years is None:
            return
        days = int(rule.years * YEAR_DAYS)
        old = rows[self.cohort["days_past_due"].to_numpy()[rows] >= days]
        self.legal_barred[old] = True
        if rule.effect == "extinguished" and old.size:
            paid = last_payment_on(self.tables.get("payments"), self.book, self.sight)[self.row[old]]
            self._bar_by(old[(paid == NO_DAY) | (self.day - paid >= days)], rule)

    # --- not yet -------------------------------------------------------------------------------------------------------------------

    def defer(self) -> None:
        """Feeds that are not known, plans, open promises, appointments of a later day; and days named by a court."""
        for table, reason in (
            ("statuses", "Whether a stop is recorded is not known: the statuses are absent or late."),
            ("contacts", "How often the debtor was contacted is not known: the contact log is absent, late or dated to months."),
        ):
            unknown = np.zeros(self.book.debtors, bool)
            portfolios, names = factorized(self.tables["accounts"]["portfolio"])
            owners, _ = self.book.find(self.tables["accounts"]["account_no"].to_numpy())
            for number, name in enumerate(names):
                if not self._is_known(table, name):
                    unknown[self.book.debtor[owners[portfolios == number]]] = True
            self._hold(unknown[self.owner], f"{table}.unknown", reason, NEVER)
        self._hold(self.bits & BIT["plan"] != 0, "plan", "A payment plan is in force.", NEVER)
        promised = self.holds.promise_until[self.row]
        self._hold(promised >= self.day, "promise", "A promise to pay is not yet due, or within its days of grace.", promised + 1)
        self._meet()
        place = {row: number for number, row in enumerate(self.row.tolist())} if self.holds.details.get("legal") else {}
        for row, details in self.holds.details.get("legal", {}).items():
            if row in place:
                self.legal_deadline_on[place[row]] = deadline(details, self.day)

    def _is_known(self, table: str, portfolio: str) -> bool:
        own = self.params.portfolio(portfolio)
        if table not in own.delivers or table not in self.tables or (table == "contacts" and own.contact_precision == "month"):
            return False
        return self.complete_through.get(table, NO_DAY) >= self.day - 1 - self.params.ingest.quiet_days

    def _hold(self, rows: np.ndarray, rule: str, reason: str, until: np.ndarray | int) -> None:
        """The cause that holds longest is the one that is named."""
        until = np.broadcast_to(np.asarray(until, np.int64), rows.shape)
        later = rows & ((until > self.release) | (self.held == 0))
        if later.any():
            self.held[later] = self.causes.code(rule, reason)
        self.release[rows] = np.maximum(self.release, until)[rows]

    def _meet(self) -> None:
        """Appointments of today bind the call to their minute; those of a later day defer the debtor until then."""
        self.met: dict[int, tuple[int | None, int]] = {}
        self.later_at: dict[int, tuple[int, int]] = {}
        by_debtor: dict[int, list] = {}
        for row, callbacks in self.holds.callbacks.items():
            by_debtor.setdefault(int(self.book.debtor[row]), []).extend(callbacks)
        if not by_debtor:
            return
        for row in np.flatnonzero(np.isin(self.owner, list(by_debtor)) & (self.scene >= 0)).tolist():
            coming = sorted(by_debtor[int(self.owner[row])], key=lambda callback: (callback.day, callback.minute or 0))
            today = [callback for callback in coming if callback.day == self.day]
            if today:
                now = -1
                if self.sight.moment is not None:
                    now = minute_on_clock(self.sight.moment, self.scenes[self.scene[row]].zones[0], self.day)
                chosen = next((one for one in today if (one.minute or 0) + APPOINTMENT_MINUTES > now), today[-1])
                self.met[row] = (chosen.minute, chosen.agreed_on)
                self.appointment[row] = True
            elif later := [callback for callback in coming if callback.day > self.day]:
                self.later_at[row] = (later[0].day, later[0].minute or 0)
        until = np.full(self.size, NO_DAY, np.int64)
        for row, (day, _) in self.later_at.items():
            until[row] = day
        self._hold(until > self.day, "appointment.later", "The debtor agreed to be called on a later day.", until)

    def count(self) -> None:
        """Caps and waits, each counted once over the book and applied to the groups and channels that it binds."""
        agreed = np.full(self.size, NO_DAY, np.int64)
        for row, (_, known) in self.met.items():
            agreed[row] = known
        counted: dict[str, tuple[np.ndarray | None, np.ndarray]] = {}
        for rule, number, rows in (*self._applied(Cap), *self._applied(Wait)):
            if rule.id not in counted:
                counted[rule.id] = self.counter.used(rule) if isinstance(rule, Cap) else (None, self.counter.waits_until(rule))
            used, free_on = counted[rule.id]
            asked = np.zeros(rows.size, bool)
            if rule.requested_exempt_days and self.channels[number] == "call":
                asked = agreed[rows] >= self.day - rule.requested_exempt_days
            self._wait(number, rows, np.where(asked, self.day, free_on[self.row[rows]]), rule)
            if used is not None:
                left = np.maximum(rule.max - used[self.row[rows]], asked)  # an appointment may always be kept
                self.left[number, rows] = np.minimum(self.left[number, rows], left)

    def _wait(self, number: int, rows: np.ndarray, until: np.ndarray, rule) -> None:
        later = until > self.free_on[number, rows]
        if later.any():
            self.limited[number, rows[later]] = self.causes.of(rule)
            self.free_on[number, rows[later]] = until[later]

    # --- when ----------------------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Windows of the day on the debtor's clock; a channel that is not open today is deferred by the rule that closes it."""
        self.from_minute = np.full((len(self.channels), self.size), -1, np.int32)
        self.until_minute = np.full((len(self.channels), self.size), -1, np.int32)
        if "call" in self.channels:
            self._keep_appointments(self.channels.index("call"))
        for number, channel in enumerate(self.channels):
            minutes = np.full((len(self.scenes) + 1, 2), -1, np.int32)
            shut = np.zeros(len(self.scenes) + 1, np.int32)
            for place, scene in enumerate(self.scenes):
                spans = self.spans_of(scene, channel, self.day)
                if spans:
                    minutes[place] = self._minutes(longest(spans), scene.zones[0])
                else:
                    shut[place] = self.causes.code(*self._closed_text(scene, channel))
            self.from_minute[number], self.until_minute[number] = minutes[self.scene].T
            closed = (shut[self.scene] > 0) & (self.scene >= 0) & (self.free_on[number] == self.day)
            self.limited[number, closed] = shut[self.scene][closed]
            for (which, row), spans in self.spans.items():
                if which != number:
                    continue
                if spans:
                    self.from_minute[number, row], self.until_minute[number, row] = self._minutes(
                        longest(spans), self.scenes[self.scene[row]].zones[0]
                    )
                elif not self.limited[number, row]:
                    self.limited[number, row] = self.causes.code("hours.unwelcome", "What is left of today is inconvenient to the debtor.")

    def _keep_appointments(self, call: int) -> None:
        for row, (minute, _) in self.met.items():
            spans = self.open_spans(row, "call")
            zone = self.scenes[self.scene[row]].zones[0]
            if minute is None:
                self.appointment_at[row] = spans[0][0] if spans else NO_TIME
                continue
            at = instant(self.day, minute, zone, late=True)
            kept = intersected(spans, [(at, at + APPOINTMENT_MINUTES * MINUTE_US)])
            if kept and kept[0][0] == at:
                self.appointment_at[row], self.spans[call, row] = at, kept
            else:
                self.spans[call, row] = ()
                self.limited[call, row] = self.limited[call, row] or self.causes.code(
                    "appointment.outside_hours", "The agreed time lies outside the hours in which the debtor may be called."
                )

    def _minutes(self, span: tuple[int, int], zone: str) -> tuple[int, int]:
        return minute_on_clock(span[0], zone, self.day), minute_on_clock(span[1], zone, self.day)

    def spans_of(self, scene: Scene, channel: str, day: int) -> Spans:
        binding = self.bindings[scene.binding]
        return self.openings.open_on(binding.hours(channel, day), binding.lists, scene.zones, day)

    def _scene_spans(self, row: int, number: int) -> Spans:
        return self.spans_of(self.scenes[self.scene[row]], self.channels[number], self.day)

    def _closed_text(self, scene: Scene, channel: str) -> tuple[str, str, str] | tuple[str, str]:
        binding = self.bindings[scene.binding]
        rule = self.openings.closed_by(binding.hours(channel, self.day), binding.lists, scene.zones, self.day)
        if rule is None:
            return "hours.none_in_common", "The hours of the rules and zones that may apply have none in common today."
        return rule.id, rule.says, rule.citation

    def open_spans(self, row: int, channel: str) -> Spans:
        number = self.channels.index(channel)
        return self.spans.get((number, row), self._scene_spans(row, number))

    def next_opening(self, row: int, channel: str, at: int) -> int:
        """First instant from `at` on, and from the day on which nothing defers the channel, at which it is open; NO_TIME if not known."""
        number = self.channels.index(channel)
        day = int(max(self.release[row], self.free_on[number, row]))
        if day == self.day and (number, row) in self.spans:
            later = [max(first, at) for first, last in self.spans[number, row] if last > at]
            if later:
                return later[0]
            day += 1
        return self.first_open(int(self.scene[row]), channel, day, at)

    def first_open(self, scene: int, channel: str, day: int, at: int = NO_TIME) -> int:
        if day >= NEVER:
            return NO_TIME
        place = self.scenes[scene]
        binding = self.bindings[place.binding]
        return self.openings.first_open(lambda ahead: binding.hours(channel, ahead), binding.lists, place.zones, day, at)

    # --- at a moment -------------------------------------------------------------------------------------------------------------------

    def closed_at(self, row: int, channel: str, at: int) -> int:
        """The cause that keeps an otherwise permitted channel shut at an instant."""
        if (self.channels.index(channel), row) in self.spans:
            return self.causes.code(
                "appointment", "The debtor agreed to be called at another time of the day, or named this one as inconvenient."
            )
        scene = self.scenes[self.scene[row]]
        binding = self.bindings[scene.binding]
        for rule in binding.hours(channel, self.day):
            spans = self.openings.open_on((rule,), binding.lists, scene.zones, self.day)
            if not any(first <= at < last for first, last in spans):
                return self.causes.of(rule)
        return self.causes.code("hours.none_in_common", "The hours of the rules and zones that may apply do not hold this minute.")

    def paused_until(self, row: int, channel: str) -> tuple[int, Pause | None]:
        if self.group[row] < 0:
            return NO_TIME, None
        ends = [
            (int(last) + rule.minutes * MINUTE_US, rule)
            for rule in self.bindings[self.group[row]].of_kind(Pause, channel)
            if (last := self.counter.last_at(rule.channels)[self.row[row]]) > 0
        ]
        return max(ends, key=lambda end: end[0], default=(NO_TIME, None))


def decide(
    cohort: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    rules: Rules,
    params: Params,
    sight: Sight,
    complete_through: Mapping[str, int],
    channels: Sequence[str],
) -> Decision:
    decision = Decision(cohort, tables, rules, params, sight, complete_through, channels)
    decision.place()
    decision.read()
    decision.stop()
    decision.defer()
    decision.count()
    decision.open()
    return decision
