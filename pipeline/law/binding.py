"""Which rules bind a group of accounts: the same places, role and debtor type. Decided once per group."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from features.days import date_of
from pipeline.law.rules import Cap, Hours, Rule, Rules, TimeBarred, Wait
from pipeline.params import Role

R = TypeVar("R", bound=Rule)
GIVING_WAY = (Hours, Cap, Wait, TimeBarred)  # kinds of which ours stand in until the law of the place has been read


@dataclass(frozen=True)
class Binding:
    """The rules of every plausible place that bind this role and debtor type on a day.

    law       rules of the places, nearest first, then those of overlays that bind everywhere; product: our own rules
    read      per chain of places that may be the account's, the ids of its rules before which ours give way
    lists     holiday lists meant by `holidays: place`
    """

    law: tuple[Rule, ...]
    product: tuple[Rule, ...]
    read: tuple[frozenset[str], ...]
    lists: tuple[str, ...]
    day: dt.date
    _hours: dict[tuple[str, int], tuple[Hours, ...]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(
        cls,
        rules: Rules,
        jurisdictions: tuple[str, ...],
        role: Role,
        debtor_type: str,
        day: dt.date,
        scope: frozenset[str] = frozenset(),
    ) -> Binding:
        """scope: the overlays that bind the portfolio, as Rules.scope_of tells."""

        def binding(found: Iterable[Rule]) -> tuple[Rule, ...]:
            return tuple(rule for rule in found if _binds(rule, role, debtor_type) and rules.in_scope(rule, scope))

        chains = [chain for name in jurisdictions for chain in rules.chains(name)]
        reach = tuple(dict.fromkeys(code for chain in chains for code in chain))
        lists = tuple(dict.fromkeys(name for code in reach for name in rules.holidays_of(code)))
        of_place = {code: binding(rules.places[code].rules) for code in reach}
        law = tuple(rule for code in reach for rule in of_place[code]) + binding(rules.everywhere)
        read = tuple(
            frozenset(rule.id for code in chain for rule in of_place[code] if rules.gives_way_to(rule))
            for chain in chains
        )
        return cls(law, binding(rules.product), read, lists, day)

    def hours(self, channel: str, day: int) -> tuple[Hours, ...]:
        """The hours of that day for a channel, law before ours; none at all leaves the whole day open."""
        if (channel, day) not in self._hours:
            self._hours[channel, day] = self._law_and_ours(Hours, channel, date_of(day))
        return self._hours[channel, day]

    def of_kind(self, kind: type[R], channel: str) -> tuple[R, ...]:
        """Rules of a kind that bind a channel (or, where the kind names none, the account) on the day.

        Ours of GIVING_WAY give way to law that was read. Of the rest all bind.
        """
        channel = "" if kind is TimeBarred else channel
        if kind in GIVING_WAY:
            return self._law_and_ours(kind, channel, self.day)
        return self._of(self.law + self.product, kind, channel, self.day)

    def _law_and_ours(self, kind: type[R], channel: str, day: dt.date) -> tuple[R, ...]:
        """Ours give way where each chain has law that somebody read. Law that nobody read stands beside ours: it may
        narrow what ours leave open, and opens nothing.
        """
        law = self._of(self.law, kind, channel, day)
        if all(any(rule.id in read for rule in law) for read in self.read):
            return law
        return law + self._of(self.product, kind, channel, day)

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
