"""From declarations to the compiled loop's program: which slots each class combination adds to,
and how slots become features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from features import kernel
from features.spec import Feature, Where
from features.vocabulary import EVENTS, PLAIN, Agg, EventKind

EVERY = Where("")  # a filter that lets every event pass
_STEPS = {
    Agg.COUNT: (kernel.COUNT, kernel.ADDED, kernel.TOTAL),
    Agg.ANY: (kernel.COUNT, kernel.ADDED, kernel.FLAG),
    Agg.SUM: (kernel.SUM, kernel.ADDED, kernel.TOTAL),
    Agg.MONTHS: (kernel.MONTHS, kernel.ADDED, kernel.TOTAL),
    Agg.STREAK: (kernel.STREAK, kernel.ADDED, kernel.TOTAL),
    Agg.MAX: (kernel.MAX, kernel.LARGEST, kernel.VALUE),
    Agg.MIN: (kernel.MIN, kernel.SMALLEST, kernel.VALUE),
    Agg.LAST: (kernel.LAST, kernel.NEAREST, kernel.VALUE),
    Agg.DAYS_SINCE_LAST: (kernel.MIN, kernel.SMALLEST, kernel.VALUE),
    Agg.DAYS_SINCE_FIRST: (kernel.MAX, kernel.LARGEST, kernel.VALUE),
    Agg.MEAN: (kernel.SPREAD, kernel.ADDED, kernel.MEAN),
    Agg.STD: (kernel.SPREAD, kernel.ADDED, kernel.STD),
    Agg.GAP_MEAN: (kernel.BETWEEN, kernel.ADDED, kernel.MEAN),
    Agg.GAP_STD: (kernel.BETWEEN, kernel.ADDED, kernel.STD),
}
_FILL = {
    kernel.ADDED: 0,
    kernel.LARGEST: kernel.EMPTY,
    kernel.NEAREST: kernel.EMPTY,
    kernel.SMALLEST: kernel.EMPTY_SMALLEST,
}


@dataclass(frozen=True)
class Program:
    """What `kernel.walk` runs for the features of one kind of event, and the columns it takes.

    classes        class columns that make the signature, in order, each with the values told apart; any other cell is
                   the code after them
    amount         the measure column that is net of reversals, if any; others: further ones; texts: open classes shown
                   by their number
    """

    classes: tuple[tuple[str, tuple[str, ...]], ...]
    amount: str | None
    others: tuple[str, ...]
    texts: tuple[str, ...]
    steps: kernel.Steps


def program(features: Sequence[Feature], classes: Mapping[str, tuple[str, ...]], always: Where) -> Program:
    """The program of features of one kind of event.

    classes  class column -> its values; () for an open one, of which only the values that filters name are told apart
    always   a filter that every feature passes besides its own

    Made once by a process for the same declarations and values.
    """
    return _program(tuple(features), tuple(classes.items()), always)


@lru_cache(maxsize=256)
def _program(
    features: tuple[Feature, ...], told_apart: tuple[tuple[str, tuple[str, ...]], ...], always: Where
) -> Program:
    classes = dict(told_apart)
    windows = sorted({feature.window.days for feature in features if feature.window})
    ever = any(feature.window is None for feature in features)
    longest = windows[-1] if windows else 0
    bucket_of = np.searchsorted(windows, np.arange(longest + 2)).astype(np.int32)
    if not ever:
        bucket_of[-1] = len(windows) - 1  # never reached: the walk stops before

    slots = _Slots(EVENTS[features[0].event], classes)
    shown = np.array(
        [
            slots.shown(feature, windows.index(feature.window.days) if feature.window else len(windows))
            for feature in features
        ]
    )
    columns = slots.columns(always)
    asked = np.stack([_passing(columns, where) & _passing(columns, always) for _, where in slots.orders])
    orders = np.array([step for step, _ in slots.orders], np.int64)
    orders[:, 2] = slots.placed(orders[:, 2], columns)

    slot_order = np.argsort(
        slots.merges, kind="stable"
    )  # ADDED, LARGEST, SMALLEST, NEAREST side by side, so that merging needs no test
    new_place = np.argsort(slot_order)
    orders[:, 1] = new_place[orders[:, 1]]
    orders[:, 3] = new_place[orders[:, 3]]
    shown[:, 1] = new_place[shown[:, 1]]
    shown[:, 2] = np.where(shown[:, 2] == kernel.SHOWN_ALWAYS, kernel.SHOWN_ALWAYS, new_place[shown[:, 2]])
    merges = np.array(slots.merges)[slot_order]

    is_count = orders[:, 0] == kernel.COUNT
    count_offsets, counts = _by_combination(asked[is_count], orders[is_count])
    step_offsets, steps = _by_combination(asked[~is_count], orders[~is_count])
    sizes = np.array([len(values) for _, values in columns], np.int64)
    strides = np.append(np.cumprod((sizes + 1)[::-1])[::-1][1:], 1)[: sizes.size]
    made = kernel.Steps(
        bucket_of=bucket_of,
        looks_back_ever=ever,
        count_offsets=count_offsets,
        counts=np.ascontiguousarray(counts[:, 1]),
        step_offsets=step_offsets,
        steps=steps,
        class_places=np.stack([strides, sizes], axis=1).astype(np.int64).reshape(-1, 2),
        fills=np.array([_FILL[merge] for merge in merges], np.int64),
        merged=np.searchsorted(merges, [kernel.ADDED, kernel.LARGEST, kernel.SMALLEST], side="right").astype(np.int64),
        squares=slots.squares,
        shown=shown.astype(np.int64),
        empties=np.array([float(feature.empty) for feature in features]),
    )
    return Program(columns, slots.amount, tuple(slots.others), tuple(slots.texts), made)


def _by_combination(asked: np.ndarray, orders: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """offsets[combinations + 1] and the steps of each class combination, in the order asked for."""
    combination, order = np.nonzero(asked.T)
    offsets = np.searchsorted(combination, np.arange(asked.shape[1] + 1)).astype(np.int64)
    return offsets, orders[order].astype(np.int16)


def _passing(columns: Sequence[tuple[str, tuple[str, ...]]], clause: Where) -> np.ndarray:
    """bool per class combination; the last column varies fastest,
    and after each column's values stands any other cell.
    """
    allowed = dict(clause.columns)
    passing = np.ones(1, bool)
    for name, values in columns:
        own = np.array([name not in allowed or value in allowed[name] for value in values] + [name not in allowed])
        passing = np.logical_and.outer(passing, own).ravel()
    return passing


class _Slots:
    """Slots asked for so far; features that differ only in their window, or in how a slot is shown, share them."""

    def __init__(self, kind: EventKind, classes: Mapping[str, tuple[str, ...]]):
        self.kind, self.classes = kind, classes
        self.amount: str | None = kind.measure
        self.others: list[str] = []
        self.texts: list[str] = []
        self.shown_classes: list[str] = []
        self.merges: list[int] = []
        self.squares = 0
        self.orders: list[
            tuple[tuple[int, ...], Where]
        ] = []  # (what, slot, measure, count slot, square), for events that pass
        self._slot_of: dict[tuple, tuple[int, int, int]] = {}

    def shown(self, feature: Feature, bucket: int) -> tuple[int, ...]:
        what, merge, how = _STEPS[feature.agg]
        clause = feature.where or EVERY
        slot, count, square = self._slot(what, merge, clause, self._measure(feature), feature.until)
        if how == kernel.TOTAL:
            if feature.empty == 0:
                count = kernel.SHOWN_ALWAYS
            else:
                count = (
                    slot
                    if what == kernel.COUNT
                    else self._slot(kernel.COUNT, kernel.ADDED, clause, kernel.AGE, None)[0]
                )
        return how, slot, count, square, bucket

    def columns(self, always: Where) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The class columns the signature must tell apart, with their values."""
        named: dict[str, set[str]] = {name: set() for name in self.shown_classes}
        for clause in (always, *(where for _, where in self.orders)):
            for column, values in clause.columns:
                named.setdefault(column, set()).update(values)
        return tuple(
            (name, values or tuple(sorted(named[name]))) for name, values in self.classes.items() if name in named
        )

    def placed(self, measures: np.ndarray, columns: Sequence[tuple[str, tuple[str, ...]]]) -> np.ndarray:
        """Measures with the shown classes' numbers turned into places in the signature."""
        names = [name for name, _ in columns]
        places = np.array([names.index(name) for name in self.shown_classes] + [0])
        return np.where(
            measures >= kernel.CLASSES, kernel.CLASSES + places[np.maximum(measures - kernel.CLASSES, 0)], measures
        )

    def _measure(self, feature: Feature) -> int:
        name = feature.measure
        if feature.agg in PLAIN or name is None:
            return kernel.AGE
        if name == self.amount:
            return kernel.AMOUNT
        if name in self.kind.measures:
            return kernel.OTHERS + _place(self.others, name)
        return (
            kernel.CLASSES + _place(self.shown_classes, name)
            if self.classes[name]
            else kernel.TEXTS + _place(self.texts, name)
        )

    def _slot(self, what: int, merge: int, where: Where, measure: int, until: Where | None) -> tuple[int, int, int]:
        key = (what, where.columns, measure, until.columns if until else ())
        if key not in self._slot_of:
            slot, count, square = self._new(merge), 0, 0
            if what in (kernel.SPREAD, kernel.BETWEEN):
                count, square = self._new(kernel.ADDED), self.squares
                self.squares += 1
            if until:  # an event that ends the streak does so before it could be counted
                self.orders.append(((kernel.STOP, slot, kernel.AGE, 0, 0), until))
            self.orders.append(((what, slot, measure, count, square), where))
            self._slot_of[key] = slot, count, square
        return self._slot_of[key]

    def _new(self, merge: int) -> int:
        self.merges.append(merge)
        return len(self.merges) - 1


def _place(names: list[str], name: str) -> int:
    if name not in names:
        names.append(name)
    return names.index(name)
