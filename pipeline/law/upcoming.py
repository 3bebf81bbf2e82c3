"""Dated law ahead: rules that begin or end, and lists of holidays that end, within some days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from pipeline.law.rules import Rule, Rules
from pipeline.law.sign_off import signed_by
from pipeline.params import Params


def announced(rules: Rules, params: Params, first: dt.date, days: int, only: str | None = None) -> str:
    """What changes after the first day and within so many; places that are signed off are marked. only: one place, and
    those above it. Raises ContractError for an unknown place.
    """
    if only is not None and rules.chain(only) is None and only not in rules.places:
        raise rules.unknown(only)
    last = first + dt.timedelta(days=days)
    wanted = None if only is None else {only, *(rules.chain(only) or ())}
    signed = {*params.eligibility.signed_off, *signed_by(params)}
    lines = []
    for day, place, told in sorted(ahead(rules, first, last), key=lambda found: found[:2]):
        if wanted is None or not place or place in wanted:
            mark = "  signed off" if place in signed else ""
            lines += ["", f"{day}  {place or 'everywhere'}{mark}", *(f"  {line}" for line in told)]
    head = f"Dated law from {first + dt.timedelta(days=1)} through {last}: "
    return "\n".join([head + ("none." if not lines else "what begins, ends or is known no further."), *lines])


def ahead(rules: Rules, first: dt.date, last: dt.date) -> Iterator[tuple[dt.date, str, list[str]]]:
    """(day, place or nothing for every one, lines) of each change after the first day and by the last."""
    homes = [(code, place.rules) for code, place in rules.places.items()]
    for code, found in (*homes, ("", (*rules.product, *rules.everywhere))):
        for rule in found:
            if rule.effective_from is not None and first < rule.effective_from <= last:
                yield rule.effective_from, code, [f"{rule.id} begins: {rule.says}", f"  {_sure(rule)}"]
            if rule.effective_to is not None and first <= rule.effective_to < last:
                yield (
                    rule.effective_to,
                    code,
                    [f"{rule.id} ends with this day: {rule.says}", f"  {_sure(rule)}"],
                )
    for code in rules.places:
        for name in rules.holidays_of(code):
            through = rules.holidays[name].known_through
            if through is not None and first <= through < last:
                told = f"The holidays of {name} are known through this day: whatever closes on them is closed after it"
                yield through, code, [f"{told}, until an overlay adds the next ones."]


def _sure(rule: Rule) -> str:
    held = {"hard": "", "soft": "; shown, not enforced", "off": "; not enforced"}[rule.enforce]
    return f"{rule.citation} [{rule.evidence}, {'verified' if rule.verified else 'NOT verified'}{held}]"
