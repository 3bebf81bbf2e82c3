"""Declarations read as one catalogue: contradictions refused all at once, families, units and groups filled in."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

from features.errors import UsageError
from features.spec import (
    FIRST_LAYER,
    PLACEHOLDER,
    SECOND_LAYER,
    Attribute,
    Band,
    Debtor,
    Declared,
    Difference,
    Feature,
    Noun,
    Ratio,
    Unsaid,
    Where,
    Window,
    family_of,
    unit_of,
)
from features.vocabulary import (
    DEBTORS_ACTS,
    EVENTS,
    FACTS,
    FAMILIES,
    FORMATS,
    LEDGER,
    MEASURED,
    OF_THE_LEDGER,
    PLAIN,
    SPEAKABLE_STATUSES,
    UNITS,
    Agg,
    EventKind,
)

if TYPE_CHECKING:
    import pandas as pd

LONGEST_WINDOW = 36_500
SILENT_FACTS = frozenset({name for name, fact in FACTS.items() if fact.family == "contacts"})


class Catalogue(Sequence[Declared]):
    """The declared features in order; by position or by name. Adding declarations makes a new catalogue.

    Raises UsageError naming every contradictory declaration at once.
    """

    def __init__(self, entries: Iterable[Declared]):
        entries = tuple(entries)
        faults = _faults(entries)
        if faults:
            count = f"{len(faults)} fault" + "s" * (len(faults) > 1)
            raise UsageError(f"The catalogue has {count}. " + " ".join(faults))
        units: dict[str, str] = {}
        families: dict[str, str] = {}
        resolved = {}
        for entry in _parts_first(entries):
            family, unit = family_of(entry, families), unit_of(entry, units)
            families[entry.name], units[entry.name] = family, unit
            resolved[entry.name] = replace(entry, family=family, unit=unit, group=entry.group or family)
        self._hold([resolved[entry.name] for entry in entries], list(resolved.values()))

    def _hold(self, entries: Sequence[Declared], in_order_of_making: Sequence[Declared]) -> None:
        self._entries, self.in_order_of_making = tuple(entries), tuple(in_order_of_making)
        self._by_name = {entry.name: entry for entry in entries}
        self._of_event: dict[str, list[Feature]] = {}
        for entry in entries:
            if isinstance(entry, Feature):
                self._of_event.setdefault(entry.event, []).append(entry)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Declared]:
        return iter(self._entries)

    def __getitem__(self, place):
        if not isinstance(place, str):
            return self._entries[place]
        if place not in self._by_name:
            near = get_close_matches(place, self._by_name, n=1)
            raise UsageError(
                f"No feature is called {place!r}"
                + (f" (nearest: {near[0]!r})." if near else ".")
                + " See docs/features.md."
            )
        return self._by_name[place]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __add__(self, more: Iterable[Declared]) -> Catalogue:
        return Catalogue((*self._entries, *more))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._by_name)

    def digest(self) -> str:
        """A sha256 that changes when any declaration does: written beside a model,
        so that it is never fed another catalogue's columns.
        """
        return hashlib.sha256("\n".join(repr(entry) for entry in self._entries).encode()).hexdigest()

    def needs(self, name: str) -> frozenset[str]:
        """Tables without which a column, or a part of it, is missing."""
        entries = [self._by_name[part] for part in {name} | _ancestors(name, self._by_name)]
        return frozenset().union(*(entry.needs for entry in entries if isinstance(entry, Feature | Noun)))

    def features_of(self, event: str) -> list[Feature]:
        return self._of_event.get(event, [])

    def with_attributes(self, accounts: pd.DataFrame) -> Catalogue:
        """The catalogue plus one feature per x_ column of accounts, sorted by name.
        audit_ and display_ columns never become features.
        """
        from pandas.api.types import is_numeric_dtype

        own = sorted(column for column in accounts.columns if column.startswith("x_") and column not in self)
        units = {column: "number" if is_numeric_dtype(accounts[column].dtype) else "class" for column in own}
        added = [Attribute(column, unit=units[column], family="attributes", group="attributes") for column in own]
        larger = Catalogue.__new__(Catalogue)  # already read: a sender's column cannot contradict what is declared
        larger._hold((*self._entries, *added), (*self.in_order_of_making, *added))
        return larger


def _faults(entries: Sequence[Declared]) -> list[str]:
    faults = []
    for position, entry in enumerate(entries):
        if not isinstance(entry, FIRST_LAYER + SECOND_LAYER):
            faults.append(
                f"Entry {position + 1} must be a declaration such as Feature or Ratio. Got {type(entry).__name__}."
            )
    entries = [entry for entry in entries if isinstance(entry, FIRST_LAYER + SECOND_LAYER)]
    counts = Counter(entry.name for entry in entries)
    faults += [
        f"{name}: the name must be unique. Got {count} declarations." for name, count in counts.items() if count > 1
    ]
    names = set(counts)
    by_name = {entry.name: entry for entry in entries}
    for entry in entries:
        own = _FAULTS_OF[type(entry)](entry)
        own += [f"part {part!r} is not a column{_nearest(part, names)}" for part in entry.parts if part not in names]
        own += [
            f"part {part!r} is a class, not a number"
            for part in entry.parts
            if part in names and _is_class(by_name[part])
        ]
        own += _faults_of_words(entry, by_name)
        faults += [f"{entry.name}: {fault}." for fault in own]
    circular = sorted(name for name in names if name in _ancestors(name, by_name))
    if circular:
        faults.append(f"{', '.join(circular)}: a column must not derive from itself. Remove the circle.")
    return faults


def _faults_of_feature(entry: Feature) -> list[str]:
    faults = []
    if entry.window is not None and not isinstance(entry.window, Window):
        faults.append(f"window must be a Window or None. Got {entry.window!r}")
    elif entry.window is not None and not (
        isinstance(entry.window.days, int) and 1 <= entry.window.days <= LONGEST_WINDOW
    ):
        faults.append(f"window must be 1 to {LONGEST_WINDOW:,} days. Got {entry.window.days!r}")
    kind = EVENTS.get(entry.event)
    if kind is None:
        return faults + [
            f"event must be one of {', '.join(EVENTS)}. Got {entry.event!r}{_nearest(entry.event, EVENTS)}"
        ]
    if not isinstance(entry.agg, Agg):
        return faults + [
            f"aggregate must be an Agg. Got {entry.agg!r}{_nearest(entry.agg, [agg.value for agg in Agg])}"
        ]
    if isinstance(entry.empty, Unsaid):
        faults.append("`empty` must say what the value is where nothing happened. Use a number, or MISSING")
    elif not isinstance(entry.empty, int | float):
        faults.append(f"`empty` must be a number or MISSING. Got {entry.empty!r}")
    faults += _faults_of_aggregate(entry, kind)
    if entry.event == LEDGER and (entry.where or entry.until):
        faults.append("the ledger has no classes to filter by")
    if (entry.agg is Agg.STREAK) != (entry.until is not None):
        faults.append("`until`, the events that end it, belongs to a streak and only to it")
    for name, clause in (("where", entry.where), ("until", entry.until)):
        if clause is not None and not isinstance(clause, Where):
            faults.append(f"{name} must be a Where. Got {clause!r}")
        elif clause is not None:
            faults += _faults_of_filter(name, clause, entry.event)
    return faults


def _faults_of_aggregate(entry: Feature, kind: EventKind) -> list[str]:
    faults = []
    allowed = OF_THE_LEDGER if entry.event == LEDGER else PLAIN | MEASURED
    if entry.agg not in allowed:
        faults.append(
            f"aggregate must be one of {', '.join(sorted(agg.value for agg in allowed))} for {entry.event}. "
            f"Got {entry.agg.value!r}"
        )
    elif entry.agg in PLAIN and entry.of is not None:
        faults.append(
            f"`of` must be left out for {entry.agg.value}, which is of the events themselves. Got {entry.of!r}"
        )
    elif entry.agg not in PLAIN:
        columns = [*kind.measures, *(kind.classes if entry.agg is Agg.LAST else ())]
        if entry.measure not in columns:
            faults.append(
                f"`of` must be one of {', '.join(columns) or 'nothing'} for {entry.event}. "
                f"Got {entry.measure!r}{_nearest(entry.measure, columns)}"
            )
    return faults


def _faults_of_filter(name: str, clause: Where, event: str) -> list[str]:
    faults, classes = [], EVENTS[event].classes
    for column, values in clause.columns:
        if column not in classes:
            faults.append(f"{name} names {column!r}, which {event} does not have{_nearest(column, classes)}")
            continue
        unknown = [value for value in values if classes[column] and value not in classes[column]]
        if unknown:
            shown = ", ".join(f"{value!r}{_nearest(value, classes[column])}" for value in unknown)
            faults.append(f"{name} holds a value that {column} of {event} does not take: {shown}")
        if not values:
            faults.append(f"{name} must allow at least one value of {column}")
    return faults


def _faults_of_noun(entry: Noun) -> list[str]:
    return (
        []
        if entry.called in FACTS
        else [f"a noun must be one of the facts of an account{_nearest(entry.called, FACTS)}"]
    )


def _faults_of_ratio(entry: Ratio) -> list[str]:
    if entry.prior is not None and not (len(entry.prior) == 2 and entry.prior[0] >= 0 and entry.prior[1] > 0):
        return [f"prior must be (a, b) with a >= 0 and b > 0. Got {entry.prior!r}"]
    if entry.prior is None and isinstance(entry.empty, Unsaid):
        return ["`empty` must say what the ratio is where it divides by 0. Use a number, MISSING, or a prior"]
    return []


def _faults_of_band(entry: Band) -> list[str]:
    rising = len(entry.edges) > 0 and all(low < high for low, high in zip(entry.edges, entry.edges[1:], strict=False))
    return [] if rising else [f"edges must rise. Got {entry.edges!r}"]


def _faults_of_debtor(entry: Debtor) -> list[str]:
    faults = []
    if entry.over != "debtor_id":
        faults.append(
            f"over must be 'debtor_id'. Got {entry.over!r}: the feature would cross debtors, whose accounts lie in "
            "different shards, so "
            "its value would change with the number of shards. Give such a figure as an x_ column of accounts instead"
        )
    if entry.agg not in (Agg.COUNT, Agg.SUM, Agg.MAX, Agg.MIN):
        faults.append(f"aggregate must be COUNT, SUM, MAX or MIN. Got {entry.agg!r}")
    if (entry.agg is Agg.COUNT) != (entry.of is None):
        faults.append("`of` must name a column, and only a count does without")
    return faults


_FAULTS_OF = {
    Feature: _faults_of_feature,
    Noun: _faults_of_noun,
    Attribute: lambda entry: [] if entry.called.startswith("x_") else ["an attribute must be an x_ column of accounts"],
    Ratio: _faults_of_ratio,
    Difference: lambda _: [],
    Band: _faults_of_band,
    Debtor: _faults_of_debtor,
}


def _faults_of_words(entry: Declared, by_name: dict[str, Declared]) -> list[str]:
    faults = []
    if entry.monotone not in (-1, 0, 1):
        faults.append(f"monotone must be -1, 0 or 1. Got {entry.monotone!r}")
    if entry.unit is not None and entry.unit not in UNITS:
        faults.append(f"unit must be one of {', '.join(UNITS)}. Got {entry.unit!r}")
    if entry.family is not None and entry.family not in FAMILIES:
        faults.append(f"family must be one of {', '.join(FAMILIES)}. Got {entry.family!r}")
    sentences = [sentence for sentence in (entry.says, entry.says_missing) if sentence]
    spoken = {entry.name} if sentences else set()
    for sentence in sentences:
        for column, form in PLACEHOLDER.findall(sentence):
            if column != "value" and column not in by_name:
                faults.append(f"its sentence names {column!r}, which is not a column{_nearest(column, by_name)}")
            if form not in FORMATS:
                faults.append(f"its sentence wants the format {form!r}. Use one of {', '.join(FORMATS)}")
            spoken.add(entry.name if column == "value" else column)
    secret = sorted(name for name in spoken if name in by_name and _is_unspeakable(name, by_name))
    if secret:
        faults.append(
            f"no sentence may rest on {', '.join(secret)}: our own attempts are no merit of the debtor, and health, "
            "hardship, insolvency, "
            "third parties and legal steps are no reason. Leave `says` out"
        )
    return faults


def _is_unspeakable(name: str, by_name: dict[str, Declared]) -> bool:
    for origin in {name} | _ancestors(name, by_name):
        entry = by_name.get(origin)
        if isinstance(entry, Noun) and entry.called in SILENT_FACTS:
            return True
        if isinstance(entry, Feature) and isinstance(entry.where, Where | None):
            allowed = dict(entry.where.columns) if entry.where else {}
            if entry.event == "contacts":
                theirs = allowed.get("direction") == ("inbound",) or (
                    "outcome" in allowed and set(allowed["outcome"]) <= DEBTORS_ACTS
                )
                if not theirs:
                    return True
            if entry.event == "placements":
                return True
            if entry.event == "statuses" and not set(allowed.get("status", ("any",))) <= SPEAKABLE_STATUSES:
                return True
    return False


def _is_class(entry: Declared) -> bool:
    if isinstance(entry, Feature):
        kind = EVENTS.get(entry.event)
        return kind is not None and entry.agg is Agg.LAST and entry.measure in kind.classes
    return entry.unit == "class" or (
        isinstance(entry, Noun) and entry.called in FACTS and FACTS[entry.called].unit == "class"
    )


def _ancestors(name: str, by_name: dict[str, Declared]) -> set[str]:
    found: set[str] = set()
    waiting = list(by_name[name].parts) if name in by_name else []
    while waiting:
        part = waiting.pop()
        if part not in found and part in by_name:
            found.add(part)
            waiting += by_name[part].parts
    return found


def _parts_first(entries: Sequence[Declared]) -> list[Declared]:
    """The declarations in an order in which every column comes after its parts; otherwise as declared."""
    by_name, done, ordered = {entry.name: entry for entry in entries}, set(), []

    def place(entry: Declared) -> None:
        if entry.name not in done:
            for part in entry.parts:
                place(by_name[part])
            done.add(entry.name)
            ordered.append(entry)

    for entry in entries:
        place(entry)
    return ordered


def _nearest(name: object, known: Iterable[str]) -> str:
    near = get_close_matches(str(name), list(known), n=1)
    return f" (nearest: {near[0]!r})" if near else ""
