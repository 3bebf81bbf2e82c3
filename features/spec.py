"""A feature as a value: what is declared, and the name of the column it makes. Nothing is computed here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from features.vocabulary import EVENTS, FACTS, LEDGER, Agg

MISSING = float("nan")  # "nothing happened" is not a number: no payment ever is not "paid today"
PLACEHOLDER = re.compile(r"\{([^{}:]*):?([^{}]*)\}")
POINTS = frozenset(
    {Agg.LAST, Agg.DAYS_SINCE_LAST, Agg.DAYS_SINCE_FIRST, Agg.STREAK, Agg.ANY}
)  # without a window their name says enough


class Unsaid:
    """Stands where a declaration does not say what empty means, which the catalogue refuses."""

    def __repr__(self) -> str:
        return "UNSAID"


UNSAID = Unsaid()


@dataclass(frozen=True, order=True)
class Window:
    """The days that end just before as_of: [as_of - days, as_of). For events ahead, [as_of, as_of + days)."""

    days: int


@dataclass(frozen=True)
class Where:
    """A filter by classes: an event passes when each named column holds one of its values.
    `label` is the word in the column's name.
    """

    label: str
    columns: tuple[tuple[str, tuple[str, ...]], ...] = ()


def where(label: str, **columns: str | tuple[str, ...]) -> Where:
    """where("call", channel=("call", "autodial"), direction="outbound")"""
    return Where(
        label,
        tuple(
            (name, (values,) if isinstance(values, str) else tuple(values)) for name, values in sorted(columns.items())
        ),
    )


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What every declaration says besides its computation.

    family      the chapter it belongs to; by default that of its event
    unit        of vocabulary.UNITS; by default that of its aggregate or measure
    monotone    -1, 0 or +1: direction of p_recovered as the value rises, where the trade is sure of it
    says        English sentence stating a true fact with the account's own figures: {value:FORMAT} or {column:FORMAT};
                None: never given as a reason
    says_missing  the sentence where the value is missing; None: never a reason then
    group       reasons are grouped by it; by default the family
    meaning     one sentence for the documentation; by default it is made of the declaration
    """

    family: str | None = None
    unit: str | None = None
    monotone: int = 0
    says: str | None = None
    says_missing: str | None = None
    group: str | None = None
    meaning: str | None = None
    parts: ClassVar[tuple[str, ...]] = ()

    if TYPE_CHECKING:  # each kind makes its own

        @property
        def name(self) -> str: ...


@dataclass(frozen=True)
class Feature(Declared):
    """An aggregate of an account's events in a window.

    event   of vocabulary.EVENTS; `of` one of its measures (for LAST also a class), by default the one it is known by
    window  None looks back without limit
    where   which events count; `until` ends a streak
    empty   the value where no event counts (SUM, COUNT: usually 0; days since: MISSING); it has no default
    called  a stem that replaces <event>_<aggregate>_<of>_<filter> in the name

    Name: <event>_<aggregate>[_<of>][_<filter>]_<days>d; without a window `_ever`, or nothing where the aggregate is a
    point in time.
    """

    event: str
    agg: Agg
    window: Window | None = None
    of: str | None = None
    where: Where | None = None
    until: Where | None = None
    empty: float | Unsaid = UNSAID
    called: str | None = None

    @cached_property
    def name(self) -> str:
        word = self.agg.value if isinstance(self.agg, Agg) else str(self.agg)
        days = f"{self.window.days}d" if isinstance(self.window, Window) else ""
        if self.event == LEDGER and self.called is None:
            stem = [str(self.measure)] + ([] if self.agg is Agg.AT else [word])
            return "_".join(
                stem
                + ([f"{days}_ago"] if self.agg is Agg.AT and days else [] if self.agg is Agg.AT else [days or "ever"])
            )
        if self.called is not None:
            return "_".join([self.called] + [days] * bool(days))
        kind = EVENTS.get(self.event)
        of = [self.of] if self.of and not (kind and self.of == kind.measure) else []
        stem = [str(self.event), word, *of] + ([self.where.label] if isinstance(self.where, Where) else [])
        return "_".join(stem + ([days] if days else [] if self.agg in POINTS else ["ever"]))

    @property
    def measure(self) -> str | None:
        """The column that is added up, compared or shown; None for aggregates of the events themselves."""
        kind = EVENTS.get(self.event)
        return self.of or (kind.measure if kind else None)

    @cached_property
    def needs(self) -> frozenset[str]:
        """Tables without which the value is missing."""
        kind = EVENTS[self.event]
        used = {column for clause in (self.where, self.until) if clause for column, _ in clause.columns} | {self.of}
        return frozenset(kind.needs).union(*(kind.further.get(column, ()) for column in used))


@dataclass(frozen=True)
class Noun(Declared):
    """A fact of vocabulary.FACTS, under its own name."""

    called: str

    @property
    def name(self) -> str:
        return self.called

    @property
    def needs(self) -> frozenset[str]:
        return frozenset(FACTS[self.called].needs)


@dataclass(frozen=True)
class Ratio(Declared):
    """over / under of columns; several names under the line are added up. Missing where a part is missing.

    prior  (a, b): (over + a) / (under + b), so that few events say little
    empty  the value where the line is divided by 0; needed without a prior
    """

    called: str
    over: str
    under: str | tuple[str, ...]
    prior: tuple[float, float] | None = None
    empty: float | Unsaid = UNSAID

    @property
    def name(self) -> str:
        return self.called

    @property
    def parts(self) -> tuple[str, ...]:
        return (self.over, *((self.under,) if isinstance(self.under, str) else self.under))


@dataclass(frozen=True)
class Difference(Declared):
    """left - right of columns; missing where either is."""

    called: str
    left: str
    right: str

    @property
    def name(self) -> str:
        return self.called

    @property
    def parts(self) -> tuple[str, ...]:
        return (self.left, self.right)


@dataclass(frozen=True)
class Band(Declared):
    """How many of the rising edges a column has reached: 0 below the first. Missing where the column is."""

    called: str
    of: str
    edges: tuple[float, ...]

    @property
    def name(self) -> str:
        return self.called

    @property
    def parts(self) -> tuple[str, ...]:
        return (self.of,)


@dataclass(frozen=True)
class Debtor(Declared):
    """An aggregate of a column over the debtor's scorable accounts of the same as_of: COUNT, SUM, MAX or MIN.

    SUM is missing where a part is missing; money is added in this account's currency, missing where the debtor's
    accounts differ in currency and a rate is not given. MAX and MIN pass over missing parts, but not over one that is
    missing because its book does not deliver what it needs. `over` says who is added up: an account's own debtor only.
    """

    called: str
    agg: Agg
    of: str | None = None
    over: str = "debtor_id"

    @property
    def name(self) -> str:
        return self.called

    @property
    def parts(self) -> tuple[str, ...]:
        return () if self.of is None else (self.of,)


@dataclass(frozen=True)
class Attribute(Declared):
    """A sender's own x_ column of accounts: a number, or a class where it is text. Declared by the delivery,
    not by the catalogue.
    """

    called: str

    @property
    def name(self) -> str:
        return self.called


FIRST_LAYER = (Feature, Noun, Attribute)
SECOND_LAYER = (Ratio, Difference, Band, Debtor)


def unit_of(entry: Declared, units: Mapping[str, str]) -> str:
    """The declared unit, else that of the aggregate, the measure or the parts.
    `units` holds those of the columns before it.
    """
    if entry.unit:
        return entry.unit
    if isinstance(entry, Noun):
        return FACTS[entry.called].unit
    if isinstance(entry, Feature):
        kind = EVENTS[entry.event]
        if entry.agg in (Agg.DAYS_SINCE_LAST, Agg.DAYS_SINCE_FIRST, Agg.GAP_MEAN, Agg.GAP_STD, Agg.DAYS):
            return "days"
        if entry.agg is Agg.ANY:
            return "flag"
        if entry.agg in (Agg.COUNT, Agg.MONTHS, Agg.STREAK):
            return "count"
        return "class" if entry.measure in kind.classes else kind.measures[entry.measure]
    if isinstance(entry, Ratio):
        return "number"
    if isinstance(entry, Band) or (isinstance(entry, Debtor) and entry.agg is Agg.COUNT):
        return "count"
    return units[entry.parts[0]] if entry.parts else "number"


def family_of(entry: Declared, families: Mapping[str, str]) -> str:
    """The declared family, else that of the event, the fact or the first part."""
    if entry.family:
        return entry.family
    if isinstance(entry, Feature):
        return EVENTS[entry.event].family
    if isinstance(entry, Noun):
        return FACTS[entry.called].family
    if isinstance(entry, Attribute):
        return "attributes"
    return "debtor" if isinstance(entry, Debtor) else families[entry.parts[0]]
