"""Where an account is worked: the law of its plausible places, the clocks that may be its debtor's. What is not known is barred."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.days import date_of
from features.tables import DEBTOR_TYPES
from pipeline.law.binding import Binding
from pipeline.law.grouping import factorized, gathered, grouped
from pipeline.law.hours import instant
from pipeline.law.rules import Rules, known_zones
from pipeline.params import Params

Bar = Callable[[np.ndarray, str, str], None]  # rows, rule, reason


@dataclass(frozen=True)
class Scene:
    """What decides when a channel is open: the rules that bind, and the plausible zones with the debtor's own first."""

    binding: int
    zones: tuple[str, ...]


@dataclass(frozen=True)
class Placed:
    """bindings and scenes, each decided once; group and scene: their number per account, -1 where barred; rows_of: rows per binding."""

    bindings: list[Binding]
    group: np.ndarray
    rows_of: list[np.ndarray]
    scenes: list[Scene]
    scene: np.ndarray


def placed(cohort: pd.DataFrame, owner: np.ndarray, rules: Rules, params: Params, day: int, barred: np.ndarray, bar: Bar) -> Placed:
    """Places, roles, debtor types and zones to bindings and scenes. owner: debtor per account; bar writes whom it keeps out into barred."""
    size = len(cohort)
    jurisdiction, names = factorized(cohort["jurisdiction"])
    zone, zones = factorized(cohort["time_zone"])
    portfolio, portfolios = factorized(cohort["portfolio"])
    kind, kinds = factorized(cohort["debtor_type"])
    roles = [params.portfolio(name).role for name in portfolios]
    role_code = {role: number for number, role in enumerate(dict.fromkeys(roles))}

    plausible = gathered(owner, jurisdiction)
    for number in np.unique(plausible.code):
        _bar_places(plausible.code == number, [names[code] for code in plausible.sets[number]], rules, params, bar)
    bar(jurisdiction < 0, "place.unknown", "No jurisdiction is recorded, so the law that binds is not known.")
    named = np.array([name in params.portfolios for name in portfolios] + [False])
    bar(~named[portfolio], "role.unknown", "The portfolio is not named in the params, so in which role it is worked is not known.")
    known_kind = np.array([name in DEBTOR_TYPES for name in kinds] + [False])
    bar(~known_kind[kind], "debtor_type.unknown", "Whether the debtor is a consumer is not recorded.")
    known_zone = np.array([name in known_zones() for name in zones] + [False])
    bar(~known_zone[zone], "zone.unknown", "No known time zone is recorded, so the debtor's clock is not known.")

    free = barred == 0
    group, scene = np.full(size, -1, np.int64), np.full(size, -1, np.int64)
    role = np.array([role_code[name] for name in roles] + [-1])[portfolio]
    pairs, group[free] = grouped(plausible.code[free], role[free], kind[free])
    bindings = [
        Binding.of(rules, tuple(names[code] for code in plausible.sets[place]), list(role_code)[who], kinds[what], date_of(day))
        for place, who, what in pairs
    ]
    order = np.argsort(group, kind="stable")
    rows_of = np.split(order, np.searchsorted(group[order], np.arange(len(bindings) + 1)))[1:-1]

    clocks = gathered(owner, np.where(known_zone[zone], zone, -1))
    own = np.where(free, zone, -1)
    keys, scene[free] = grouped(group[free], own[free], clocks.code[free], jurisdiction[free])
    scenes = [
        Scene(int(number), _zones_of(zones[first], [zones[code] for code in clocks.sets[others]], names[where], rules, day))
        for number, first, others, where in keys
    ]
    return Placed(bindings, group, rows_of, scenes, scene)


def _bar_places(rows: np.ndarray, jurisdictions: list[str], rules: Rules, params: Params, bar: Bar) -> None:
    for name in jurisdictions:
        chain = rules.chain(name)
        if chain is None:
            known = rules.places.get(name)
            why = "needs its state or province" if known and known.subdivisions == "required" else "is not in the rule file"
            bar(rows, "place.unknown", f"The place {name} {why}, so the law that binds is not known.")
            continue
        for place in chain:
            if place not in params.eligibility.signed_off:
                bar(rows, "place.not_signed_off", f"The contact law of {place} is not signed off in the params.")


def _zones_of(own: str, others: list[str], jurisdiction: str, rules: Rules, day: int) -> tuple[str, ...]:
    """The debtor's own clock, those of the debtor's other accounts, and the place's where none of its clocks reads like the own."""
    place = next(rules.places[code] for code in rules.chain(jurisdiction) or () if rules.places[code].zones)
    noon = instant(day, 720, own, late=True)
    agrees = any(instant(day, 720, zone, late=True) == noon for zone in place.zones)
    return tuple(dict.fromkeys((own, *others, *(() if agrees else place.zones))))
