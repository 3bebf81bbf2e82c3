"""What a changed rule leaves open that the rule as it was does not, in words; nothing where it is as tight."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection
from typing import Any

from pipeline.law.binding import GIVING_WAY
from pipeline.law.holidays import WEEKDAYS
from pipeline.law.rules import (
    Cap,
    ChannelRule,
    Hours,
    Note,
    Pause,
    Precondition,
    Rule,
    Stop,
    TimeBarred,
    Wait,
    written,
)

FIRM = ("off", "soft", "hard")
# What counts for the second counts for the first too.
COUNTS_MORE = {("dials", "attempts"), ("dials", "contacts_made"), ("attempts", "contacts_made")}
REACHES_FURTHER = {("debtor", "account"), ("debtor", "person"), ("debtor", "endpoint")}
EVER, NEVER = dt.date.min, dt.date.max


def loosened(ours: Rule, changed: Rule) -> list[str]:
    """Both of one kind. Each entry ends the sentence `it loosens ours: ...`."""
    if ours.enforce != "hard":
        return _displaces(changed) if changed.enforce == "hard" else _firmness(ours, changed)
    return [
        *_firmness(ours, changed),
        *_reach(ours, changed),
        *_dates(ours, changed),
        *_OWN.get(type(ours), _nothing)(ours, changed),
    ]


def _firmness(ours: Rule, changed: Rule) -> list[str]:
    weaker = FIRM.index(changed.enforce) < FIRM.index(ours.enforce)
    return [f"enforce is {changed.enforce}, was {ours.enforce}"] if weaker else []


def _displaces(changed: Rule) -> list[str]:
    told = "it is verified, so that the product's own rules would give way to it"
    return [told] if changed.verified and isinstance(changed, GIVING_WAY) else []


def _reach(ours: Rule, changed: Rule) -> list[str]:
    """Fewer accounts or channels; and more of them, where the product's own rules would give way there too."""
    found = _displaces(changed) if not ours.verified else []
    displacing = bool(_displaces(changed))
    for name in ("roles", "binds", *(["channels"] if isinstance(ours, ChannelRule) else [])):
        before, now = (set(getattr(rule, name)) for rule in (ours, changed))
        if before - now:
            found.append(f"{name} lack {_list(before - now)}")
        if displacing and now - before:
            found.append(f"{name} take in {_list(now - before)}, where the product's own rules would give way")
    return found


def _dates(ours: Rule, changed: Rule) -> list[str]:
    spans = [(rule.effective_from or EVER, rule.effective_to or NEVER) for rule in (ours, changed)]
    (begins, ends), (from_on, to_on) = spans
    found = [f"it begins on {from_on} only"] if from_on > begins else []
    found += [f"it ends on {to_on} already"] if to_on < ends else []
    if _displaces(changed) and (from_on < begins or to_on > ends):
        found.append("it is in force on days on which the product's own rules stand now")
    return found


def _hours(ours: Hours, changed: Hours) -> list[str]:
    found = []
    for name, before, now in zip(WEEKDAYS, ours.windows, changed.windows, strict=True):
        if not all(any(first >= opens and last <= closes for opens, closes in before) for first, last in now):
            found.append(f"{name} is {written(now)}, was {written(before)}")
    if changed.clock != ours.clock and ours.clock != "debtor":
        found.append(f"clock is {changed.clock}, was {ours.clock}")
    lists = [set(rule.holidays) if isinstance(rule.holidays, tuple) else None for rule in (ours, changed)]
    more = lists[0] is not None and lists[1] is not None and lists[0] <= lists[1]
    if not (changed.holidays in (ours.holidays, "unknown") or ours.holidays == "allowed" or more):
        found.append(f"holidays are {_told(changed.holidays)}, were {_told(ours.holidays)}")
    return found


def _cap(ours: Cap, changed: Cap) -> list[str]:
    found = _higher("max", ours.max, changed.max)
    before, now = (None if rule.window == "calendar_month" else rule.window.days for rule in (ours, changed))
    month_held = before is None and now is not None and now >= 31
    if now != before and not month_held and (before is None or now is None or now < before):
        found.append(f"window is {_window(now)}, was {_window(before)}")
    if changed.counts != ours.counts and (changed.counts, ours.counts) not in COUNTS_MORE:
        found.append(f"counts are {changed.counts}, were {ours.counts}")
    if changed.per != ours.per and (changed.per, ours.per) not in REACHES_FURTHER:
        found.append(f"per is {changed.per}, was {ours.per}")
    return found + _exempt(ours.requested_exempt_days, changed.requested_exempt_days)


def _wait(ours: Wait, changed: Wait) -> list[str]:
    found = _lower("days", ours.days, changed.days)
    if (changed.after, ours.after) == ("conversation", "exchange"):
        found.append("after is conversation, was exchange")
    if changed.per == "account" != ours.per:
        found.append(f"per is account, was {ours.per}")
    return found + _exempt(ours.requested_exempt_days, changed.requested_exempt_days)


def _pause(ours: Pause, changed: Pause) -> list[str]:
    return _lower("minutes", ours.minutes, changed.minutes)


def _stop(ours: Stop, changed: Stop) -> list[str]:
    found = []
    if changed.statuses != "always":
        lacking = ["always"] if ours.statuses == "always" else set(ours.statuses) - set(changed.statuses)
        found += [f"statuses lack {_list(lacking)}"] if lacking else []
    return found + (["per is account, was debtor"] if (changed.per, ours.per) == ("account", "debtor") else [])


def _precondition(ours: Precondition, changed: Precondition) -> list[str]:
    lacking = set(ours.needs) - set(changed.needs)
    found = [f"needs lack {_list(lacking)}"] if lacking else []
    return found + _lower("notice_days", ours.notice_days or 0, changed.notice_days or 0)


def _time_barred(ours: TimeBarred, changed: TimeBarred) -> list[str]:
    found = ["contact_once_barred is true, was false"] if changed.contact_once_barred > ours.contact_once_barred else []
    if ours.years is not None and (changed.years is None or changed.years > ours.years):
        found.append(f"years are {changed.years or 'none'}, were {ours.years}")
    if changed.effect not in (ours.effect, "extinguished"):
        found.append(f"effect is {changed.effect}, was {ours.effect}")
    return found


def _note(ours: Note, changed: Note) -> list[str]:
    return [] if ours.duty in changed.duty else ["duty no longer says what it said"]


def _nothing(_ours: Rule, _changed: Rule) -> list[str]:
    """An opt_out has no figures of its own."""
    return []


_OWN: dict[type[Rule], Callable[[Any, Any], list[str]]] = {
    Hours: _hours,
    Cap: _cap,
    Wait: _wait,
    Pause: _pause,
    Stop: _stop,
    Precondition: _precondition,
    TimeBarred: _time_barred,
    Note: _note,
}


def _higher(name: str, before: int, now: int) -> list[str]:
    return [f"{name} is {now}, was {before}"] if now > before else []


def _lower(name: str, before: int, now: int) -> list[str]:
    return [f"{name} is {now}, was {before}"] if now < before else []


def _exempt(before: int | None, now: int | None) -> list[str]:
    return _higher("requested_exempt_days", before or 0, now or 0)


def _window(days: int | None) -> str:
    return "a calendar month" if days is None else f"{days} days"


def _told(holidays: str | tuple[str, ...]) -> str:
    return holidays if isinstance(holidays, str) else f"those of {_list(holidays)}"


def _list(names: Collection[str]) -> str:
    return ", ".join(sorted(names))
