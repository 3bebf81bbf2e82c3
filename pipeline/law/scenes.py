"""Where an account is worked: the law of its plausible places, the clocks that may be its debtor's.
What is not known is barred.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.days import date_of
from features.tables import DEBTOR_TYPES
from pipeline.law.binding import Binding
from pipeline.law.causes import NO_DEBTOR_TYPE, NO_PLACE, NO_ROLE, NO_ZONE, Cause, Causes
from pipeline.law.grouping import factorized, gathered, grouped
from pipeline.law.hours import instant
from pipeline.law.question import Question, Settled
from pipeline.law.rules import Rule, Rules, TimeBarred
from pipeline.law.sign_off import unsigned
from pipeline.params import known_zones

NOWHERE = -1  # scene of an account that is barred


@dataclass(frozen=True)
class Scene:
    """What decides when a channel is open: the rules that bind, and the plausible zones with the debtor's own first."""

    binding: Binding
    zones: tuple[str, ...]


@dataclass(frozen=True)
class Placed(Settled):
    """Every account under its law and its clock, each distinct one decided once.

    barred    int32 per account: the cause for which its law or its clock cannot be told; 0 where both can
    bindings  rows_of: the accounts of each binding
    scenes    scene: int64 per account, its place in scenes; NOWHERE where barred
    """

    barred: np.ndarray
    bindings: tuple[Binding, ...]
    rows_of: tuple[np.ndarray, ...]
    scenes: tuple[Scene, ...]
    scene: np.ndarray

    def scene_of(self, row: int) -> Scene:
        """Of an account that is not barred."""
        return self.scenes[self.scene[row]]

    def applied(self, kind: type[Rule], asked: Question) -> Iterator[tuple[Any, ...]]:
        """(rule, channel, accounts) of every rule of a kind that binds any account: law before product,
        subdivisions before countries.

        channel is a place in the question's channels; a kind that names no channels comes once, with -1.
        """
        groups: dict[tuple[str, int], list[int]] = {}
        for group, binding in enumerate(self.bindings):
            for number, channel in enumerate(asked.channels) if kind is not TimeBarred else [(-1, "")]:
                for rule in binding.of_kind(kind, channel):
                    groups.setdefault((rule.id, number), []).append(group)
        rank = {name: place for place, name in enumerate(asked.rules.nearest_first)}
        for name, number in sorted(groups, key=lambda bound: (rank[bound[0]], bound[1])):
            yield (
                asked.rules.all_rules[name],
                number,
                np.concatenate([self.rows_of[group] for group in groups[name, number]]),
            )


def placed(asked: Question, causes: Causes) -> Placed:
    """Places, roles, debtor types and zones to bindings and scenes; whoever's are not known, or not signed off,
    is barred.
    """
    cohort, rules, owner = asked.cohort, asked.rules, asked.known.owner
    jurisdiction, names = factorized(cohort["jurisdiction"])
    zone, zones = factorized(cohort["time_zone"])
    portfolio, portfolios = factorized(cohort["portfolio"])
    kind, kinds = factorized(cohort["debtor_type"])
    worked = [(asked.params.portfolio(name).role, rules.scope_of(name)) for name in portfolios]
    ways = list(
        dict.fromkeys(worked)
    )  # the roles, and the overlays of single portfolios, under which accounts are worked

    plausible = gathered(owner, jurisdiction)
    barred = asked.per_account(0, np.int32)
    for number in np.unique(plausible.code):
        for cause in _unlawful([names[code] for code in plausible.sets[number]], asked):
            causes.name(barred, np.flatnonzero(plausible.code == number), cause)
    known_zone = _among(known_zones(), zones)[zone]
    for known, cause in (
        (jurisdiction >= 0, NO_PLACE),
        (_among(asked.params.portfolios, portfolios)[portfolio], NO_ROLE),
        (_among(DEBTOR_TYPES, kinds)[kind], NO_DEBTOR_TYPE),
        (known_zone, NO_ZONE),
    ):
        causes.name(barred, np.flatnonzero(~known), cause)

    free = barred == 0
    group, scene = (
        asked.per_account(NOWHERE, np.int64),
        asked.per_account(NOWHERE, np.int64),
    )  # places in bindings, in scenes
    way = np.array([ways.index(how) for how in worked] + [-1])[portfolio]
    pairs, group[free] = grouped(plausible.code[free], way[free], kind[free])
    bindings = tuple(
        Binding.of(
            rules,
            tuple(names[code] for code in plausible.sets[place]),
            role,
            kinds[what],
            date_of(asked.day),
            scope,
        )
        for place, how, what in pairs
        for role, scope in [ways[how]]
    )
    order = np.argsort(group, kind="stable")
    rows_of = tuple(np.split(order, np.searchsorted(group[order], np.arange(len(bindings) + 1)))[1:-1])

    clocks = gathered(owner, np.where(known_zone, zone, -1))
    keys, scene[free] = grouped(group[free], zone[free], clocks.code[free], jurisdiction[free])
    scenes = tuple(
        Scene(
            bindings[number],
            _zones_of(zones[own], [zones[code] for code in clocks.sets[others]], names[where], rules, asked.day),
        )
        for number, own, others, where in keys
    )
    return Placed(barred, bindings, rows_of, scenes, scene)


def _among(known: Container[str], names: list[str]) -> np.ndarray:
    """bool per code of a factorized column: whether its text is a known one; an empty cell (code -1,
    the last) is not.
    """
    return np.array([name in known for name in names] + [False])


def _unlawful(jurisdictions: list[str], asked: Question) -> Iterator[Cause]:
    """What keeps accounts of these places from being worked: a place that is not known, or that nobody signed off."""
    for name in jurisdictions:
        chain = asked.rules.chain(name)
        if chain is None:
            of_parts = name in asked.rules.places and asked.rules.places[name].subdivisions == "required"
            yield Cause.place_unknown(name, needs_part=of_parts)
        for place in chain or ():
            if (cause := unsigned(place, asked.rules, asked.params)) is not None:
                yield cause


def _zones_of(own: str, others: list[str], jurisdiction: str, rules: Rules, day: int) -> tuple[str, ...]:
    """The debtor's own clock, those of the debtor's other accounts,
    and the place's where none of its clocks reads like the own.
    """
    place = next(rules.places[code] for code in rules.chain(jurisdiction) or () if rules.places[code].zones)
    noon = instant(day, 720, own, late=True)
    agrees = any(instant(day, 720, zone, late=True) == noon for zone in place.zones)
    return tuple(dict.fromkeys((own, *others, *(() if agrees else place.zones))))
