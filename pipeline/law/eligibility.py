"""Who may be contacted on a day, on which channel, when, and how often; and the same question at the moment of contact.

Fails closed: what is unknown (place, zone, role, a place nobody signed off, a contact log that is absent, late or dated
to months) blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.tables import NEVER, NO_TIME
from pipeline.law.causes import NO_CAUSE, NOT_THIS_MINUTE, OTHER_TIME, Cause
from pipeline.law.counts import NO_LIMIT
from pipeline.law.decision import Decision, decide
from pipeline.law.holds import BIT, deadlines
from pipeline.law.hours import MINUTE_US, day_on_clock
from pipeline.law.outcome import DEFERRED, EXCLUDED, PERMITTED, STATES, of_accounts, of_channels, state_by_channel
from pipeline.law.question import Case, Question, Sight
from pipeline.law.rules import Pause
from pipeline.law.scenes import NOWHERE
from pipeline.params import Params, known_zones


@dataclass(frozen=True)
class Rulings:
    """One row per account, and one per account and channel, in the order of the cohort.

    accounts  account_no, group (permitted, deferred, excluded), rule, citation, reason (empty where permitted),
              first_permitted (UTC microseconds, NO_TIME where never or not known), appointment_at (UTC microseconds or
              NO_TIME), appointment (a callback is in force, honoured or not), hardship (hardship or vulnerable is in
              force on an account of the debtor), engaged (the debtor has a plan, a promise still open or an agreed
              time), legal_deadline_on (NO_DAY where none), legal_barred (too old for, or
              barred from, legal treatment)
    channels  account_no, channel, verdict, rule, citation, from_minute, until_minute (half-open, on the debtor's clock
              of the day; the longest span where a day has several; -1 unless permitted), contacts_left (today's
              included; 0 unless permitted), first_permitted
    recorded  account_no, statuses (int64 of holds.BIT: in force on any account of the debtor, plans of the table plans
              among them), own (of these, those on the account itself), unknown (bool: what is recorded is not known to
              the day)
    """

    accounts: pd.DataFrame
    channels: pd.DataFrame
    recorded: pd.DataFrame


@dataclass(frozen=True)
class Check:
    """The answer at the moment of contact. until: UTC microseconds at which it ends by the clock;
    NO_TIME unless permitted.
    """

    permitted: bool
    group: str
    rule: str
    citation: str
    reason: str
    until: int
    first_permitted: int
    contacts_left: int


def rulings(case: Case, as_of: int, channels: Sequence[str] | None = None) -> Rulings:
    """Decide every account of a case for a night; channels as in Case.asked."""
    return _framed(decide(case.asked(Sight(int(as_of)), channels)))


def permitted(case: Case, as_of: int) -> np.ndarray:
    """bool per account of a case: whether `rulings` permits it on that night; for many nights, since nothing else is
    said."""
    return (state_by_channel(decide(case.asked(Sight(int(as_of))))) == PERMITTED).any(axis=0)


def clock_of(case: Case, row: int) -> str:
    """IANA zone in which an account's day is told: its own, else its book's."""
    zone, portfolio = (case.cohort[name].iloc[row] for name in ("time_zone", "portfolio"))
    return zone_of(zone, str(portfolio), case.params)


def zone_of(zone: object, portfolio: str, params: Params) -> str:
    """An account's own IANA zone where it is one, else its book's."""
    return zone if isinstance(zone, str) and zone in known_zones() else params.portfolio(portfolio).time_zone


def check(case: Case, account_id: str, channel: str, at: int) -> Check:
    """Decide one account and channel at a moment (UTC microseconds), with everything known by then,
    today's contacts included.

    Besides what a night holds, pauses between two attempts are held here.
    """
    row = case.row_of(account_id, "at that time")
    asked = case.asked(Sight(day_on_clock(at, clock_of(case, row)), at), [channel])
    return Standing.of(asked).at(row, channel, at)


@dataclass(frozen=True)
class Standing:
    """A decision about a day and what it comes to, to be asked about moments of that day from the one of its sight on,
    as long as nothing else became known. state, cause: as of outcome.Outcome.
    """

    decision: Decision
    state: np.ndarray
    cause: np.ndarray

    @classmethod
    def of(cls, asked: Question) -> Standing:
        decision = decide(asked)
        found = of_channels(decision)
        return cls(decision, found.state, found.cause)

    @property
    def channels(self) -> tuple[str, ...]:
        return self.decision.asked.channels

    def moves(self, row: int) -> bool:
        """Whether the hour itself changes what is decided: a time was agreed, of which today may hold several."""
        agreed = self.decision.defers.appointments
        return row in agreed.today or row in agreed.later

    def at(self, row: int, channel: str, at: int) -> Check:
        """The answer at an instant (UTC microseconds)."""
        decision, number = self.decision, self.channels.index(channel)
        state, cause = int(self.state[number, row]), decision.causes.cause(int(self.cause[number, row]))
        spans = decision.open_spans(row, channel) if state == PERMITTED else ()
        span = next(((first, last) for first, last in spans if first <= at < last), None)
        if state == PERMITTED and span is None:
            state, cause = DEFERRED, _shut_at(decision, row, channel, at)
        paused, pause = _paused_until(decision, row, channel)
        if state == PERMITTED and paused > at:
            # pyrefly: ignore[bad-argument-type]
            state, cause, span = DEFERRED, Cause.of(pause), None
        if state == PERMITTED:
            left = int(decision.counts.left[number, row])
            # pyrefly: ignore[unsupported-operation]
            return Check(True, STATES[state], *NO_CAUSE, until=span[1], first_permitted=at, contacts_left=left)
        first = NO_TIME if state == EXCLUDED else _next_opening(decision, row, channel, max(at, paused))
        return Check(False, STATES[state], *cause, until=NO_TIME, first_permitted=first, contacts_left=0)


def _shut_at(decision: Decision, row: int, channel: str, at: int) -> Cause:
    """What keeps a channel that is permitted today shut at an instant."""
    if row in decision.openings.own[decision.asked.channels.index(channel)]:
        return OTHER_TIME
    scene, day = decision.placed.scene_of(row), decision.asked.day
    timetable = decision.openings.timetable
    for rule in scene.binding.hours(channel, day):
        if not any(first <= at < last for first, last in timetable.under((rule,), scene, day)):
            return timetable.why(rule, scene, day)
    return NOT_THIS_MINUTE


def _paused_until(decision: Decision, row: int, channel: str) -> tuple[int, Pause | None]:
    """The instant at which the last pause after an attempt ends, and its rule."""
    if decision.placed.scene[row] == NOWHERE:
        return NO_TIME, None
    place = decision.asked.known.scorable[row]
    ends = [
        (int(last) + rule.minutes * MINUTE_US, rule)
        for rule in decision.placed.scene_of(row).binding.of_kind(Pause, channel)
        if (last := decision.record.counter.last_at(rule.channels)[place]) > 0
    ]
    return max(ends, key=lambda end: end[0], default=(NO_TIME, None))


def _next_opening(decision: Decision, row: int, channel: str, at: int) -> int:
    """First instant from `at` on, and from the day on which nothing defers the channel, at which it is open;
    NO_TIME if not known.
    """
    number = decision.asked.channels.index(channel)
    day, own = int(decision.free_on[number, row]), decision.openings.own[number]
    if day == decision.asked.day and row in own:
        if later := [max(first, at) for first, last in own[row] if last > at]:
            return later[0]
        day += 1
    return (
        NO_TIME
        if day >= NEVER
        else decision.openings.timetable.first_open(decision.placed.scene_of(row), channel, day, at)
    )


def _engaged(decision: Decision) -> np.ndarray:
    """bool per account: whether any account of its debtor, asked about or not, has a plan, a promise still open or an
    agreed time.
    """
    asked, record, agreed = decision.asked, decision.record, decision.defers.appointments
    known, found = asked.known, record.debtor_bits & BIT["plan"] != 0
    found |= record.debtor_promise_until >= asked.day
    agreed_with = known.owner[[*agreed.today, *agreed.later]]
    return found | np.isin(known.owner, agreed_with)


def _framed(decision: Decision) -> Rulings:
    asked, channels = decision.asked, decision.asked.channels
    account_no = asked.cohort["account_no"].to_numpy()
    by_channel = of_channels(decision)
    group, account_cause, account_first = of_accounts(by_channel)
    appointment = asked.per_account(False, np.bool_)
    appointment[list(decision.defers.appointments.today)] = True
    accounts = pd.DataFrame(
        {
            "account_no": account_no,
            "group": pd.Categorical.from_codes(group, STATES),
            **decision.causes.columns(np.where(group == PERMITTED, 0, account_cause), ("rule", "citation", "reason")),
            "first_permitted": account_first,
            "appointment_at": np.where(group == PERMITTED, decision.openings.appointment_at, NO_TIME),
            "appointment": appointment,
            "hardship": decision.record.debtor_bits & (BIT["hardship"] | BIT["vulnerable"]) != 0,
            "engaged": _engaged(decision),
            "legal_deadline_on": deadlines(decision.record.holds.legal, asked.known, asked.day),
            "legal_barred": decision.stops.legal_barred,
        }
    )
    state = np.where(group == EXCLUDED, EXCLUDED, np.minimum(by_channel.state, group))
    permitted = state == PERMITTED

    def rows(values: np.ndarray, otherwise: int, dtype: type) -> np.ndarray:
        """Channel x account as one row per account and channel, otherwise where the channel is not permitted."""
        return np.where(permitted, values, otherwise).T.ravel().astype(dtype)

    frame = pd.DataFrame(
        {
            "account_no": np.repeat(account_no, len(channels)),
            "channel": pd.Categorical.from_codes(
                np.tile(np.arange(len(channels), dtype=np.int8), asked.size), channels
            ),
            "verdict": pd.Categorical.from_codes(state.T.ravel().astype(np.int8), STATES),
            **decision.causes.columns(np.where(permitted, 0, by_channel.cause).T.ravel(), ("rule", "citation")),
            "from_minute": rows(decision.openings.from_minute, -1, np.int16),
            "until_minute": rows(decision.openings.until_minute, -1, np.int16),
            "contacts_left": rows(np.minimum(decision.counts.left, NO_LIMIT), 0, np.int16),
            "first_permitted": by_channel.first.T.ravel(),
        }
    )
    record = decision.record
    told = {"statuses": record.debtor_bits, "own": record.bits, "unknown": decision.defers.unknown}
    return Rulings(accounts, frame, pd.DataFrame({"account_no": account_no, **told}))
