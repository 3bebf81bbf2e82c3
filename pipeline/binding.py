"""Which rules bind a group of accounts: the same places, role and debtor type. Decided once per group."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property

from pipeline.contact_rules import Cap, Hours, OptOut, Pause, Precondition, Rule, Rules, Stop, TimeBarred, Wait
from pipeline.params import Role


@dataclass(frozen=True)
class Binding:
    """The rules of every plausible place that bind this role and debtor type on a day.

    law       rules of the places, nearest first; product: our own rules
    lists     holiday lists meant by `holidays: place`
    """

    law: tuple[Rule, ...]
    product: tuple[Rule, ...]
    lists: tuple[str, ...]
    day: dt.date

    @classmethod
    def of(cls, rules: Rules, jurisdictions: tuple[str, ...], role: Role, debtor_type: str, day: dt.date) -> Binding:
        reach = tuple(dict.fromkeys(code for name in jurisdictions for code in rules.reach(name)))
        lists = tuple(dict.fromkeys(name for code in reach for name in rules.holidays_of(code)))
        law = tuple(rule for code in reach for rule in rules.places[code].rules if _binds(rule, role, debtor_type))
        return cls(law, tuple(rule for rule in rules.product if _binds(rule, role, debtor_type)), lists, day)

    def hours(self, channel: str, day: dt.date) -> tuple[Hours, ...]:
        """Law of that day, or where none sets hours for the channel, ours; none at all leaves the whole day open."""
        return self._law_or_ours(Hours, channel, day)

    def caps(self, channel: str) -> tuple[Cap, ...]:
        return self._law_or_ours(Cap, channel, self.day)

    def waits(self, channel: str) -> tuple[Wait, ...]:
        return self._law_or_ours(Wait, channel, self.day)

    def pauses(self, channel: str) -> tuple[Pause, ...]:
        return tuple(rule for rule in self.law + self.product if isinstance(rule, Pause) and channel in rule.channels)

    def preconditions(self, channel: str) -> tuple[Precondition, ...]:
        return tuple(rule for rule in self._in_effect if isinstance(rule, Precondition) and channel in rule.channels)

    def stops(self, channel: str) -> tuple[Stop, ...]:
        """Law first, so that a stop is shown with the citation of the place where there is one."""
        return tuple(rule for rule in self._in_effect if isinstance(rule, Stop) and channel in rule.channels)

    def opt_out(self, channel: str) -> Rule:
        return next(rule for rule in self._in_effect if isinstance(rule, OptOut) and channel in rule.channels)

    @cached_property
    def time_barred(self) -> tuple[TimeBarred, ...]:
        law = tuple(rule for rule in self.law if isinstance(rule, TimeBarred) and rule.in_effect(self.day))
        return law or tuple(rule for rule in self.product if isinstance(rule, TimeBarred))

    @cached_property
    def _in_effect(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.law + self.product if rule.in_effect(self.day))

    def _law_or_ours(self, kind: type, channel: str, day: dt.date) -> tuple:
        found = tuple(rule for rule in self.law if isinstance(rule, kind) and channel in rule.channels and rule.in_effect(day))
        return found or tuple(rule for rule in self.product if isinstance(rule, kind) and channel in rule.channels)


def _binds(rule: Rule, role: Role, debtor_type: str) -> bool:
    return rule.enforce == "hard" and role in rule.roles and debtor_type in rule.binds
