"""Eligibility in words: the whole reasoning about one account."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

import pandas as pd

from features.days import date_of
from features.tables import NO_DAY, NO_TIME
from pipeline.law.caps import conversations, exchanges
from pipeline.law.decision import Decision, decide
from pipeline.law.holds import BIT
from pipeline.law.hours import minute_on_clock
from pipeline.law.outcome import DEFERRED, EXCLUDED, PERMITTED, STATES, Outcome, of_accounts, of_channels
from pipeline.law.places import evidence
from pipeline.law.question import Case, Sight
from pipeline.law.rules import (
    Cap,
    Hours,
    OptOut,
    Pause,
    Precondition,
    Rule,
    Stop,
    TimeBarred,
    Wait,
    written,
)
from pipeline.law.scenes import NOWHERE
from pipeline.law.sign_off import standing


def reasoning(
    case: Case, account_id: str, as_of: int, channels: Sequence[str] | None = None, with_rules: bool = True
) -> str:
    """Everything that decides about one account on a day: place, clock, what holds, every rule with its figures,
    the ruling per channel. with_rules: False leaves out the rules that were looked at.

    Raises CannotDecide where the account is not scorable on the day.
    """
    row = case.row_of(account_id, f"on {date_of(as_of)}")
    decision = decide(case.asked(Sight(int(as_of)), channels))
    by_channel = of_channels(decision)
    group, account_cause, account_first = of_accounts(by_channel)
    lines = [f"Account {account_id} on {date_of(as_of)} (what was known before that day)", ""]
    lines += _who(case.cohort.iloc[row], decision, row)
    lines += _holding(decision, row)
    if with_rules and decision.placed.scene[row] != NOWHERE:
        lines += _rules_applied(decision, row)
    lines += ["", "Verdict per channel"]
    for number, channel in enumerate(decision.asked.channels):
        state = min(int(by_channel.state[number, row]), int(group[row]))
        lines.append(f"  {channel:10} {STATES[state]:10} {_why(decision, row, number, state, by_channel)}")
    cause = decision.causes.cause(int(account_cause[row]))
    told = "." if group[row] == PERMITTED else f" by {cause.rule} ({cause.citation}). {cause.reason}"
    lines += ["", f"Account: {STATES[group[row]]}{told}"]
    if group[row] == DEFERRED:
        lines.append(f"First permitted: {_moment(int(account_first[row]), decision, row)}.")
    return "\n".join(lines)


def _who(account: pd.Series, decision: Decision, row: int) -> list[str]:
    asked = decision.asked
    portfolio = asked.params.portfolio(str(account["portfolio"]))
    place = account["jurisdiction"] if isinstance(account["jurisdiction"], str) else None
    chain = asked.rules.chain(place) if place else None
    lines = [f"Place: {place or 'not recorded'}"]
    if chain:
        lines += [f"  {code}: {standing(code, asked.rules, asked.params)[0]}" for code in chain]
    lines.append(f"Role: {portfolio.role} (portfolio {account['portfolio']}); debtor: {account['debtor_type']}")
    if decision.placed.scene[row] != NOWHERE:
        zones = decision.placed.scene_of(row).zones
        also = f"; windows must also hold in {', '.join(zones[1:])}" if len(zones) > 1 else ""
        lines.append(
            f"Clock: {zones[0]}{also}; new attempts stop "
            f"{asked.params.eligibility.margin_minutes} minutes before a window closes"
        )
    else:
        lines.append(f"Clock: {account['time_zone'] if isinstance(account['time_zone'], str) else 'not recorded'}")
    return lines


def _holding(decision: Decision, row: int) -> list[str]:
    asked, record, appointments = decision.asked, decision.record, decision.defers.appointments
    own = [name for name, bit in BIT.items() if record.bits[row] & bit]
    others = [name for name, bit in BIT.items() if record.debtor_bits[row] & bit and name not in own]
    lines = [f"Statuses in force: {', '.join(own) or 'none'}"]
    if others:
        lines.append(f"On other accounts of the debtor, or by unsubscribing: {', '.join(others)}")
    promised = int(record.promise_until[row])
    if promised != NO_DAY:
        lines.append(f"Open promise: until {date_of(promised)}, grace included")
    if record.paid_on[row] != NO_DAY:
        lines.append(f"Newest payment that stands: {date_of(int(record.paid_on[row]))}")
    if callback := appointments.today.get(row):
        at = "during the day" if callback.minute is None else f"at {callback.minute // 60:02}:{callback.minute % 60:02}"
        lines.append(f"Appointment today {at}, agreed on {date_of(callback.agreed_on)}")
    if callback := appointments.later.get(row):
        hour, minute = divmod(callback.minute or 0, 60)
        lines.append(f"Appointment on {date_of(callback.day)} at {hour:02}:{minute:02}")
    for table in ("contacts", "statuses"):
        through = asked.complete_through.get(table)
        lines.append(
            f"{table.capitalize()} complete through: {date_of(through) if through is not None else 'not delivered'}"
        )
    if decision.stops.legal_barred[row]:
        lines.append("Legal treatment: barred or doubtful by age; never threatened")
    return lines


def _rules_applied(decision: Decision, row: int) -> list[str]:
    binding, channels, day = decision.placed.scene_of(row).binding, decision.asked.channels, decision.asked.day
    lines: list[str] = []
    for kind, title in (
        (Stop, "Stops"),
        (OptOut, "Ways out of a channel"),
        (Precondition, "Preconditions"),
        (TimeBarred, "Age of the debt"),
        (Hours, "Hours"),
        (Cap, "Caps"),
        (Wait, "Waits"),
        (Pause, "Pauses"),
    ):
        found: dict[str, Rule] = {}
        for channel in channels:
            own = (
                binding.hours(channel, day)
                if kind is Hours
                else binding.of_kind(kind, "" if kind is TimeBarred else channel)
            )
            found.update({rule.id: rule for rule in own})
        if kind is Stop:
            # pyrefly: ignore[bad-argument-type]
            lines += ["", f"Stops: {len(found)} rules looked for {_stopping(found.values())}"]
            # pyrefly: ignore[bad-argument-type]
            found = {name: rule for name, rule in found.items() if _hit(decision, row, rule)}
            lines += [] if found else ["  none holds"]
        elif found:
            lines += ["", title]
        for rule in found.values():
            lines.append(f"  {rule.id}: {rule.says}{_figure(decision, row, rule)}")
            lines.append(f"    {evidence(rule)}")
    return lines


def _stopping(stops: Iterable[Stop]) -> str:
    return ", ".join(dict.fromkeys(name for rule in stops if rule.statuses != "always" for name in rule.statuses))


def _hit(decision: Decision, row: int, rule: Stop) -> bool:
    bits = decision.record.bits_per(rule.per)[row]
    return rule.statuses == "always" or any(bits & BIT[name] for name in rule.statuses)


def _figure(decision: Decision, row: int, rule: Rule) -> str:
    day, known, counter = decision.asked.day, decision.asked.known, decision.record.counter
    place = known.scorable[row]
    if isinstance(rule, Cap):
        used, free = counter.used(rule)
        then = f"; free again on {date_of(int(free[place]))}" if free[place] > day else ""
        return f" Used: {used[place]} of {rule.max}{then}."
    if isinstance(rule, Wait):
        log = counter.by_account if rule.per == "account" else counter.by_debtor
        spoken = (conversations(log) if rule.after == "conversation" else exchanges(log)) & (
            log.account == known.keys(rule.per)[row]
        )
        if not spoken.any():
            return " None in the log."
        until = int(counter.waits_until(rule)[place])
        then = f"waits until {date_of(until)}" if until > day else "over"
        return f" Last: {date_of(int(log.day[spoken].max()))}; {then}."
    if isinstance(rule, Hours):
        return f" Today by the weekday: {written(rule.windows[date_of(day).weekday()])}."
    return ""


def _why(decision: Decision, row: int, number: int, state: int, by_channel: Outcome) -> str:
    if state == PERMITTED:
        spans, day = decision.open_spans(row, decision.asked.channels[number]), decision.asked.day
        zone = decision.placed.scene_of(row).zones[0]
        hours = written(tuple((minute_on_clock(a, zone, day), minute_on_clock(b, zone, day)) for a, b in spans))
        return f"{hours} on the debtor's clock; contacts left {decision.counts.left[number, row]}"
    cause = decision.causes.cause(int(by_channel.cause[number, row]))
    when = (
        "" if state == EXCLUDED else f"; first permitted {_moment(int(by_channel.first[number, row]), decision, row)}"
    )
    return f"{cause.rule} ({cause.citation}): {cause.reason}{when}"


def _moment(at: int, decision: Decision, row: int) -> str:
    if at == NO_TIME:
        return "not known"
    zone = decision.placed.scene_of(row).zones[0]
    return f"{dt.datetime.fromtimestamp(at // 1_000_000, ZoneInfo(zone)):%Y-%m-%d %H:%M} {zone}"
