"""From declarations to the compiled loop's program: which slots an event of each class combination adds to, and how slots become features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from features.kernel import (
    ADDED, AGE, COUNT, FLAG, GAP, LARGEST, LAST, MAX, MEAN, MIN, MONTHS, NEAREST, NOTHING, NOTHING_SMALLEST, SHOWN_ALWAYS, SMALLEST, SPREAD,
    STD, STOP, STREAK, SUM, TOTAL, VALUE,
)  # fmt: skip
from features.spec import Feature, Where
from features.vocabulary import Agg

NONE = ""  # the class of an event whose cell is empty
_STEPS = {
    Agg.COUNT: (COUNT, ADDED, TOTAL),
    Agg.ANY: (COUNT, ADDED, FLAG),
    Agg.SUM: (SUM, ADDED, TOTAL),
    Agg.MONTHS: (MONTHS, ADDED, TOTAL),
    Agg.STREAK: (STREAK, ADDED, TOTAL),
    Agg.MAX: (MAX, LARGEST, VALUE),
    Agg.MIN: (MIN, SMALLEST, VALUE),
    Agg.LAST: (LAST, NEAREST, VALUE),
    Agg.DAYS_SINCE_LAST: (MIN, SMALLEST, VALUE),
    Agg.DAYS_SINCE_FIRST: (MAX, LARGEST, VALUE),
    Agg.MEAN: (SPREAD, ADDED, MEAN),
    Agg.STD: (SPREAD, ADDED, STD),
    Agg.GAP_MEAN: (GAP, ADDED, MEAN),
    Agg.GAP_STD: (GAP, ADDED, STD),
}
_FILL = {ADDED: 0, LARGEST: NOTHING, NEAREST: NOTHING, SMALLEST: NOTHING_SMALLEST}


@dataclass(frozen=True)
class Program:
    """What `kernel.walk` runs for the features of one kind of event; its arrays are described there.

    classes    class columns that make the signature, in order, each with its values; an empty cell is the value after the last
    measures   measure columns in the order of the loop's rows; those of a class hold the value's number
    """

    features: tuple[Feature, ...]
    classes: tuple[tuple[str, tuple[str, ...]], ...]
    measures: tuple[str, ...]
    bucket_of: np.ndarray
    looks_back_ever: bool
    step_offsets: np.ndarray
    steps: np.ndarray
    fills: np.ndarray
    merges: np.ndarray
    squares: int
    shown: np.ndarray
    empties: np.ndarray


def program(features: Sequence[Feature], classes: Mapping[str, tuple[str, ...]], first_measure: str | None, always: Where) -> Program:
    """The program of features of one event.

    classes        class column -> its values, as the events hold them
    first_measure  the measure that is net of reversals, if any: it comes first
    always         a filter that every feature passes besides its own
    """
    windows = sorted({feature.window.days for feature in features if feature.window})
    ever = any(feature.window is None for feature in features)
    longest = windows[-1] if windows else 0
    bucket_of = np.searchsorted(windows, np.arange(longest + 2)).astype(np.int32)
    if not ever:
        bucket_of[-1] = max(len(windows) - 1, 0)  # never reached: the walk stops before

    slots = _Slots(first_measure)
    shown = np.array([slots.shown(feature, windows.index(feature.window.days) if feature.window else len(windows)) for feature in features])
    clauses = [clause for _, (_, where, _) in slots.orders for clause in (where, always)]
    used = {column for clause in clauses for column, _ in clause.columns}
    columns = tuple((name, tuple(values)) for name, values in classes.items() if name in used)

    asked = np.stack([_passing(columns, where) & _passing(columns, always) for _, (_, where, _) in slots.orders])
    combination, order = np.nonzero(asked.T)  # by combination, then in the order asked for
    steps = np.array([step for step, _ in slots.orders], np.int64)[order]
    return Program(
        features=tuple(features),
        classes=columns,
        measures=tuple(slots.measures),
        bucket_of=bucket_of,
        looks_back_ever=ever,
        step_offsets=np.searchsorted(combination, np.arange(asked.shape[1] + 1)).astype(np.int64),
        steps=steps,
        fills=np.array([_FILL[merge] for merge in slots.merges], np.int64),
        merges=np.array(slots.merges, np.int64),
        squares=slots.squares,
        shown=shown.astype(np.int64),
        empties=np.array([float(feature.empty) for feature in features]),
    )


def _passing(columns: Sequence[tuple[str, tuple[str, ...]]], clause: Where) -> np.ndarray:
    """bool per class combination (the last column varies fastest; after each column's values stands the empty cell)."""
    allowed = dict(clause.columns)
    passing = np.ones(1, bool)
    for name, values in columns:
        own = np.array([name not in allowed or value in allowed[name] for value in (*values, NONE)])
        passing = np.logical_and.outer(passing, own).ravel()
    return passing


class _Slots:
    """Slots asked for so far; features that differ only in their window, or in how a slot is shown, share them."""

    def __init__(self, first_measure: str | None):
        self.measures: list[str] = [first_measure] if first_measure else []
        self.merges: list[int] = []
        self.squares = 0
        self.orders: list[tuple[tuple[int, ...], tuple[int, Where, int]]] = []  # (step, (what, where, measure))
        self._slot_of: dict[tuple, tuple[int, int, int]] = {}

    def shown(self, feature: Feature, bucket: int) -> tuple[int, ...]:
        what, merge, how = _STEPS[feature.agg]
        slot, count, square = self._slot(what, merge, feature.where or Where(""), self._measure(feature), feature.until)
        if how == TOTAL:
            if feature.empty == 0:
                count = SHOWN_ALWAYS
            elif what == COUNT:
                count = slot
            else:
                count = self._slot(COUNT, ADDED, feature.where or Where(""), AGE, None)[0]
        return how, slot, count, square, bucket

    def _measure(self, feature: Feature) -> int:
        if feature.measure is None or feature.agg in (Agg.COUNT, Agg.ANY, Agg.MONTHS, Agg.STREAK, Agg.DAYS_SINCE_LAST, Agg.DAYS_SINCE_FIRST,
                                                      Agg.GAP_MEAN, Agg.GAP_STD):  # fmt: skip
            return AGE
        if feature.measure not in self.measures:
            self.measures.append(feature.measure)
        return self.measures.index(feature.measure)

    def _slot(self, what: int, merge: int, where: Where, measure: int, until: Where | None) -> tuple[int, int, int]:
        key = (what, where.columns, measure, until.columns if until else ())
        if key not in self._slot_of:
            slot, count, square = self._new(merge), 0, 0
            if what in (SPREAD, GAP):
                count, square = self._new(ADDED), self.squares
                self.squares += 1
            if until:  # an event that ends the streak does so before it could be counted
                self.orders.append(((STOP, slot, AGE, 0, 0), (STOP, until, AGE)))
            self.orders.append(((what, slot, measure, count, square), (what, where, measure)))
            self._slot_of[key] = slot, count, square
        return self._slot_of[key]

    def _new(self, merge: int) -> int:
        self.merges.append(merge)
        return len(self.merges) - 1
