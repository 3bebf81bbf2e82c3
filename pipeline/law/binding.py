"""Which rules bind a group of accounts: the same places, role and debtor type. Decided once per group."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TypeVar

from features.days import date_of
from pipeline.law.rules import Cap, Hours, Rule, Rules, TimeBarred, Wait
from pipeline.params import Role

R = TypeVar("R", bound=Rule)


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
    _hours: dict[tuple[str, int], tuple[Hours, ...]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, rules: Rules, jurisdictions: tuple[str, ...], role: Role, debtor_type: str, day: dt.date) -> Binding:
        reach = tuple(dict.fromkeys(code for name in jurisdictions for code in rules.reach(name)))
        lists = tuple(dict.fromkeys(name for code in reach for name in rules.holidays_of(code)))
        law = tuple(rule for code in reach for rule in rules.places[code].rules if _binds(rule, role, debtor_type))
        return cls(law, tuple(rule for rule in rules.product if _binds(rule, role, debtor_type)), lists, day)

    def hours(self, channel: str, day: int) -> tuple[Hours, ...]:
        """Law of that day, or where none sets hours for the channel, ours; none at all leaves the whole day open."""
        if (channel, day) not in self._hours:
            self._hours[channel, day] = self._law_or_ours(Hours, channel, date_of(day))
        return self._hours[channel, day]

    def of_kind(self, kind: type[R], channel: str) -> tuple[R, ...]:
        """Rules of a kind that bind a channel (or, where the kind names none, the account) on the day.

        Numbers (Cap, Wait) are the law's, or ours where no law sets one. Of the rest all bind, ours too; of TimeBarred
        ours alone where no law says what a prescribed debt may bear.
        """
        if kind in (Cap, Wait):
            return self._law_or_ours(kind, channel, self.day)
        if kind is TimeBarred:
            return self._of(self.law, kind, "", self.day) or self._of(self.product, kind, "", self.day)
        return self._of(self.law + self.product, kind, channel, self.day)

    def _law_or_ours(self, kind: type[R], channel: str, day: dt.date) -> tuple[R, ...]:
        return self._of(self.law, kind, channel, day) or self._of(self.product, kind, channel, day)

    @staticmethod
    def _of(rules: tuple[Rule, ...], kind: type[R], channel: str, day: dt.date) -> tuple[R, ...]:
        return tuple(
            rule
            for rule in rules
            # pyrefly: ignore[missing-attribute]
            if isinstance(rule, kind) and (not channel or channel in rule.channels) and rule.in_effect(day)
        )


def _binds(rule: Rule, role: Role, debtor_type: str) -> bool:
    return rule.enforce == "hard" and role in rule.roles and debtor_type in rule.binds
