"""What the law of places keeps from routes and offers, taken from the rule file."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from models.routes import AGENCY, LEGAL, SALE
from pipeline.law.rules import CONTACT_CHANNELS, Precondition, Rule, Rules, Stop, TimeBarred
from pipeline.law.stops import CALENDAR_YEAR_DAYS

HOURS_ONLY = "inconvenient"  # a status that names hours, and stops contact only in them
ANY_PLACE = ""


@dataclass(frozen=True)
class Forbidden:
    """What a rule keeps from a route in a place (ANY_PLACE: everywhere): from so many days past due on, nothing goes
    there; or before a written notice is so many days old, nobody is contacted.
    """

    rule: Rule
    place: str
    route: str
    from_days: int | None = None
    notice_days: int | None = None


def forbidden(law: Rules, day: dt.date) -> tuple[Forbidden, ...]:
    """What the rules that bind on a day forbid to routes. A debt that ends with its years may go nowhere; one that is
    barred from suit not to court; an agency's first contact waits for the notice that a place wants.
    """
    found = []
    for code, rule in _binding(law, day):
        if isinstance(rule, TimeBarred) and rule.years is not None:
            gone = (LEGAL, AGENCY, SALE) if rule.effect == "extinguished" else (LEGAL,)
            found += [Forbidden(rule, code, route, from_days=int(rule.years * CALENDAR_YEAR_DAYS)) for route in gone]
        calls = isinstance(rule, Precondition) and "call" in rule.channels and "notice_sent" in rule.needs
        if calls and isinstance(rule, Precondition) and "third_party_collector" in rule.roles:
            found.append(Forbidden(rule, code, AGENCY, notice_days=rule.notice_days or 1))
    return tuple(found)


def stopping(law: Rules, day: dt.date) -> dict[str, Rule]:
    """Status -> the first rule for every place that stops all contact while it is recorded: nobody can be offered
    anything by then."""
    found: dict[str, Rule] = {}
    for code, rule in _binding(law, day):
        if isinstance(rule, Stop) and code == ANY_PLACE and rule.channels == CONTACT_CHANNELS:
            for status in rule.statuses if rule.statuses != "always" else ():
                found.setdefault(status, rule)
    found.pop(HOURS_ONLY, None)
    return found


def _binding(law: Rules, day: dt.date) -> list[tuple[str, Rule]]:
    """(place, rule) of all that is enforced on a day."""
    whole = [(ANY_PLACE, rule) for rule in (*law.product, *law.everywhere)]
    whole += [(code, rule) for code, place in law.places.items() for rule in place.rules]
    return [(code, rule) for code, rule in whole if rule.enforce == "hard" and rule.in_effect(day)]
