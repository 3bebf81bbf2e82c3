"""Eligibility in words: the whole reasoning about one account,
and the rule file place by place for whoever signs it off.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd

from features.days import date_of
from features.tables import NO_DAY, NO_TIME
from pipeline.law.caps import conversations, exchanges
from pipeline.law.decision import Decision, decide
from pipeline.law.holds import BIT
from pipeline.law.holidays import HolidayList
from pipeline.law.hours import minute_on_clock
from pipeline.law.outcome import DEFERRED, EXCLUDED, PERMITTED, STATES, Outcome, of_accounts, of_channels
from pipeline.law.question import Case, Sight
from pipeline.law.rules import (
    Cap,
    Hours,
    Note,
    OptOut,
    Pause,
    Place,
    Precondition,
    Rule,
    Rules,
    Stop,
    TimeBarred,
    Wait,
    written,
)
from pipeline.law.scenes import NOWHERE
from pipeline.law.sign_off import signed_by, standing
from pipeline.params import Params


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
            lines.append(f"    {_evidence(rule)}")
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


def _evidence(rule: Rule) -> str:
    dates = "".join(
        f"; from {rule.effective_from}" * bool(rule.effective_from)
        + f"; until {rule.effective_to}" * bool(rule.effective_to)
    )
    told = f"; loosened by {rule.loosens.who} on {rule.loosens.date}: {rule.loosens.why}" if rule.loosens else ""
    if rule.evidence == "product":
        return f"{rule.citation}{dates}{told}"
    verified = "verified" if rule.verified else "NOT verified"
    return f"{rule.citation} [{rule.force}; {rule.evidence}, {verified}{dates}{told}]"


SIGN_OFF = (
    "What a sign-off means: a qualified person of yours has read the law of that place as it stands today, "
    "compared it with the\n"
    "rules below, mended what differs, and answers for it. Recoup holds every rule except the notes for "
    "people, which it cannot check and which\n"
    "are part of what is signed. A place that is not signed off is blocked, and so is every place that lies "
    "in it."
)


LISTED = (
    "The params sign places off by a list (signed_off): nobody answers for it, and no change of a rule is noticed. "
    "Put `sign_offs: FILE`\nin its place, and sign each place: recoup rules sign --place PLACE --by NAME."
)


def places(rules: Rules, params: Params | None = None, only: str | None = None) -> str:
    """Every place with its rules, what is not verified, and what a sign-off means.
    Raises ContractError for an unknown place.
    """
    if only is not None and only not in rules.places:
        raise rules.unknown(only)
    found = list(rules.all_rules.values())
    lines = [
        f"Contact rules as gathered up to {rules.as_of}; sha256 {rules.digest[:16]}. Not legal advice.",
        f"{len(rules.places)} places, {len(found)} rules, {sum(rule.verified for rule in found)} of them verified.",
        *_overlays(rules),
        "",
        SIGN_OFF,
    ]
    signed = (*params.eligibility.signed_off, *signed_by(params)) if params else ()
    unknown = [code for code in signed if code not in rules.places]
    if unknown:
        lines += ["", f"Signed off but not in the rule file (no effect): {', '.join(unknown)}."]
    if params and params.eligibility.signed_off:
        lines += ["", LISTED]
    for code, place in rules.places.items():
        if only is None or code == only:
            lines += _place(code, place, standing(code, rules, params) if params else ("", []), rules)
    if only is not None:
        lines += [
            "",
            f"A signature covers these rules and the {len(rules.product)} of the product, which recoup rules prints.",
        ]
    else:
        lines += [
            "",
            (
                "Product rules: ours, not law. Stops always bind; "
                "numbers until law of the place that was read sets its own."
            ),
        ]
        lines += [line for rule in rules.product for line in _rule(rule)]
        if rules.everywhere:
            lines += ["", "Rules of overlays that bind in every place, beside ours."]
            lines += [line for rule in rules.everywhere for line in _rule(rule)]
    return "\n".join(lines)


def _overlays(rules: Rules) -> list[str]:
    lines = []
    for name, digest in rules.overlays.items():
        bound = rules.scopes.get(Path(name).stem)
        whom = f"portfolios {', '.join(sorted(bound))}" if bound else "every portfolio"
        lines.append(f"Overlay {name} binds {whom}; sha256 {digest[:16]}.")
    return lines


def _place(code: str, place: Place, stands: tuple[str, list[str]], rules: Rules) -> list[str]:
    state, changed = f"  {stands[0]}" if stands[0] else "", [f"    {line}" for line in stands[1]]
    unverified = sum(not rule.verified for rule in place.rules)
    lines = ["", f"{code}  {place.name}{state}", *changed]
    lines.append(f"  {len(place.rules)} rules, {unverified} of them not verified.")
    if place.law:
        lines.append(f"  {place.law}")
    kind = {
        "required": "A bare country code is no place here: the state or province decides.",
        "union": "A bare country code is held to the rules of all its known parts.",
        "uniform": "Any subdivision code means the country.",
    }
    if place.subdivisions:
        lines.append(f"  {kind[place.subdivisions]}")
    if place.overlay_on:
        lines.append(f"  Binds also in {', '.join(name for name in place.overlay_on if name in rules.places)}.")
    if place.zones:
        lines.append(f"  Clocks: {', '.join(place.zones)}")
    named = rules.holidays_of(code)
    lines.append(f"  Holidays: {'; '.join(_holidays(rules.holidays[name]) for name in named) or 'none recorded'}")
    return lines + [line for rule in place.rules for line in _rule(rule)]


def _holidays(known: HolidayList) -> str:
    return f"{known.source}, known through {known.known_through}" if known.known_through else known.source


def _rule(rule: Rule) -> list[str]:
    held = {"hard": "", "soft": " (shown, not enforced)", "off": " (not in force)"}[rule.enforce]
    by_hand = " (for people: not checked by machine)" if isinstance(rule, Note) else ""
    who = f"binds {', '.join(rule.roles)}; {', '.join(rule.binds)} debts"
    lines = [f"  - {rule.id}{held}{by_hand}: {rule.says}", f"      {who}", f"      {_evidence(rule)}"]
    return lines + ([f"      {rule.notes}"] if rule.notes else [])
