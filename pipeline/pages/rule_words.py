"""What keeps an account off the list or narrows its day, in the list's language: rules by their own figures,
causes by sentence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pandas as pd
from babel.dates import get_day_names

from pipeline.law.causes import OURS
from pipeline.law.rules import (
    CONTACT_CHANNELS,
    Cap,
    ChannelRule,
    Hours,
    OptOut,
    Pause,
    Precondition,
    Rule,
    Rules,
    Stop,
    TimeBarred,
    Wait,
    written,
)
from pipeline.pages.language import small, words
from pipeline.pages.parts import changed
from pipeline.pages.publication import Night
from pipeline.pages.speech import Speech

# Said as a protection, never by name: a list goes through many hands, and no line of it tells of health,
# hardship or another person.
UNNAMED = frozenset(
    {
        "hardship",
        "vulnerable",
        "minor",
        "deceased",
        "emergency",
        "attorney",
        "identity_theft",
        "wrong_party",
        "litigation",
        "moratorium",
    }
)
_HOLE = re.compile(r"\{(\w+)\}")


def in_words(night: Night, rules: Rules, language: str) -> Night:
    """The same night with every rule, cause and warning said in a language."""
    known = rules.all_rules

    def told(frame: pd.DataFrame) -> pd.DataFrame:
        changed = {}
        if "reason" in frame and "rule" in frame:
            pairs = list(zip(frame["rule"].astype(object), frame["reason"].astype(object), strict=True))
            said = {pair: explained(*pair, known, language) for pair in set(pairs)}
            changed["reason"] = [said[pair] for pair in pairs]
        if "citation" in frame:
            laws = frame["citation"].astype(object).tolist()
            named = {law: cited(law, language) for law in set(laws)}
            changed["citation"] = [named[law] for law in laws]
        return frame.assign(**changed) if len(frame) else frame

    details = replace(night.details, channels=told(night.details.channels), limits=told(night.details.limits))
    deferred, excluded = changed(night.deferred, told), changed(night.excluded, told)
    return replace(night, deferred=deferred, excluded=excluded, details=details, language=language)


def explained(rule: str, reason: str, known: Mapping[str, Rule], language: str) -> str:
    """One sentence: the rule's own where the cause is a rule, else the cause's."""
    return _rule_sentence(known[rule], language) if rule in known else sentence(reason, language)


def cited(citation: Any, language: str) -> str:
    """Names of laws stay as they are; our own rules say that they are ours."""
    text = "" if citation is None or citation != citation else str(citation)
    return words(language)["rules"]["ours"] if text == OURS or text.startswith("product ") else text


def sentence(text: str, language: str) -> str:
    """A sentence of the product in a language, found by its English form; one that has no form here stays as it is."""
    for pattern, key in _forms():
        if found := pattern.fullmatch(text):
            values = {name: _value(name, value, language) for name, value in found.groupdict().items()}
            return words(language)["sentences"][key].format(**values)
    return text


@cache
def _forms() -> tuple[tuple[re.Pattern[str], str], ...]:
    """English form -> key, its holes as groups."""
    made = []
    for key, form in words("en")["sentences"].items():
        parts = _HOLE.split(form)
        made.append(
            (
                re.compile(
                    "".join(f"(?P<{part}>.+?)" if place % 2 else re.escape(part) for place, part in enumerate(parts))
                ),
                key,
            )
        )
    return tuple(made)


def _value(name: str, value: str, language: str) -> str:
    if name == "tables":
        tables = words(language)["tables"]
        return ", ".join(small(tables.get(table, table), language) for table in value.split(", "))
    if name == "day":
        try:
            return Speech(language).day(value)
        except ValueError:
            return value
    return value


@cache
def _rule_sentence(rule: Rule, language: str) -> str:
    said = words(language)["rules"]
    by = _by(rule, language) if isinstance(rule, ChannelRule) else ""
    if isinstance(rule, Hours):
        where = said["where_debtor"] if rule.clock == "debtor" else said["where_zone"].format(zone=rule.clock)
        free = {"allowed": "holidays_allowed", "unknown": "holidays_unknown"}.get(str(rule.holidays), "holidays_not")
        return said["hours"].format(by=by, week=_week(rule, language), where=where, free=said[free])
    if isinstance(rule, Cap):
        days = rule.window if rule.window == "calendar_month" else rule.window.days
        span = (
            said["in_month"]
            if days == "calendar_month"
            else said["in_day"]
            if days == 1
            else said["in_days"].format(days=days)
        )
        return said["cap"].format(
            max=rule.max, counts=said[f"counts_{rule.counts}"], by=by, span=span, per=said[f"per_{rule.per}"]
        )
    if isinstance(rule, Wait):
        return said["wait"].format(
            by=by, days=rule.days, event=said[f"event_{rule.after}"], per=said[f"per_{rule.per}"]
        )
    if isinstance(rule, Pause):
        return said["pause"].format(minutes=rule.minutes, by=by)
    if isinstance(rule, Stop):
        if rule.statuses == "always":
            return said["stop_always"].format(by=by)
        return said["stop"].format(by=by, statuses=_statuses(rule.statuses, language), where=said[f"on_{rule.per}"])
    if isinstance(rule, Precondition):
        notice = said["needs_notice_days"].format(days=rule.notice_days) if rule.notice_days else said["needs_notice"]
        needs = {"consent": said["needs_consent"], "notice_sent": notice}
        return said["precondition"].format(by=by, needs=f" {said['and']} ".join(needs[need] for need in rule.needs))
    if isinstance(rule, OptOut):
        return said["opt_out"].format(by=by)
    if isinstance(rule, TimeBarred):
        age = said["barred_years"].format(years=rule.years) if rule.years else said["barred"]
        return f"{age} {said['barred_on' if rule.contact_once_barred else 'barred_stop']}"
    return said["duty"]


def _by(rule: ChannelRule, language: str) -> str:
    if rule.channels == CONTACT_CHANNELS:
        return words(language)["rules"]["any_channel"]
    named = [name for name in rule.channels if not (name in ("autodial", "voicemail") and "call" in rule.channels)]
    return ", ".join(small(words(language)["channels"][name], language) for name in named)


def _week(rule: Hours, language: str) -> str:
    """Runs of weekdays with the same windows: Mon–Fri 08:00-20:00."""
    names = get_day_names("abbreviated", locale=Speech(language).locale)
    runs: list[list[Any]] = []
    for day, windows in enumerate(rule.windows):
        if runs and runs[-1][2] == windows:
            runs[-1][1] = day
        else:
            runs.append([day, day, windows])
    never = words(language)["rules"]["never"]
    spans = [
        (names[first] if first == last else f"{names[first]}–{names[last]}", windows) for first, last, windows in runs
    ]
    return "; ".join(f"{days} {written(windows) if windows else never}" for days, windows in spans)


def _statuses(statuses: Sequence[str], language: str) -> str:
    """Statuses in words, those of UNNAMED once, as a protection."""
    said = words(language)
    named = [said["statuses"][name] for name in statuses if name not in UNNAMED]
    return f" {said['rules']['or']} ".join(
        [*named, *([said["rules"]["protection"]] if len(named) < len(statuses) else [])]
    )
