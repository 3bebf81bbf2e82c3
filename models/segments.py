"""Segments of accounts by facts of their opening, as an analyst would say them: up to three conditions, of which each
must earn its place. They are chosen on some accounts to be judged on others; what is found here is a proposal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from models.fairness import NOT_STATED
from models.split import debtor_folds

IS, FROM, BELOW, UNTOLD = "is", "from", "below", "untold"
MOST_CONDITIONS = 3
EARNED = (
    0.9  # standard deviations that a further condition must add: so much more does chance find in so many more segments
)
BEAM = 30  # pairs from which threes are looked for
LEAST_ACCOUNTS, LEAST_EVENTS = 30, 10  # of a segment where it is chosen; a smaller one might point at people
NOTICED = 2.5  # standard deviations from which a segment is proposed
CUTS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
MOST_CLASSES = 30


@dataclass(frozen=True, order=True)
class Condition:
    """A column is a class, is a number from a bound on or below it, or is not told."""

    column: str
    kind: str
    value: str | float = ""

    def holds(self, facts: pd.DataFrame) -> np.ndarray:
        """bool per row; what is not told meets no other condition."""
        cells = facts[self.column]
        if self.kind == UNTOLD:
            return cells.isna().to_numpy()
        if self.kind == IS:
            return (cells.astype("str") == self.value).to_numpy() & cells.notna().to_numpy()
        numbers = cells.to_numpy(dtype=np.float64)
        with np.errstate(invalid="ignore"):
            return numbers >= float(self.value) if self.kind == FROM else numbers < float(self.value)


Segment = tuple[Condition, ...]


def holds(segment: Segment, facts: pd.DataFrame) -> np.ndarray:
    """bool per row: all conditions hold."""
    return np.logical_and.reduce([condition.holds(facts) for condition in segment])


def conditions_of(facts: pd.DataFrame, columns: Sequence[str]) -> list[Condition]:
    """Every single condition that holds for LEAST_ACCOUNTS rows and not for as many: classes, and cut-offs of numbers
    at tenths of the rows, rounded so that they can be said. A column of more than MOST_CLASSES classes has none.
    """
    found = []
    for column in columns:
        cells = facts[column]
        if pd.api.types.is_numeric_dtype(cells):
            told = cells.dropna().to_numpy(dtype=np.float64)
            edges = sorted({_round(edge) for edge in np.quantile(told, CUTS)}) if len(told) else []
            found += [Condition(column, kind, edge) for edge in edges for kind in (FROM, BELOW)]
        else:
            classes = sorted(cells.dropna().astype("str").unique())
            found += [Condition(column, IS, name) for name in classes] if len(classes) <= MOST_CLASSES else []
        found.append(Condition(column, UNTOLD))
    sizes = [(condition, int(condition.holds(facts).sum())) for condition in found]
    return [condition for condition, size in sizes if LEAST_ACCOUNTS <= size <= len(facts) - LEAST_ACCOUNTS]


def _round(value: float) -> float:
    """To two significant digits."""
    return float(f"{value:.2g}")


def proposed(
    facts: pd.DataFrame, columns: Sequence[str], outcome: np.ndarray, strata: np.ndarray, most: int
) -> list[Segment]:
    """Up to `most` segments in which the outcome is the more frequent than chance of their strata explains, the
    clearest first; each is looked for among the accounts that no earlier one holds.

    outcome bool, strata: what tells one stratum from another, per row of facts.
    """
    conditions = conditions_of(facts, columns)
    members = np.stack([condition.holds(facts) for condition in conditions], axis=1) if conditions else None
    if members is None:
        return []
    _, codes = np.unique(strata, return_inverse=True)
    left, found = np.ones(len(facts), bool), []
    while len(found) < most:
        chosen = _clearest(conditions, members[left], outcome[left], codes[left])
        if chosen is None:
            break
        found.append(tuple(sorted(conditions[place] for place in chosen)))
        left &= ~members[:, list(chosen)].all(axis=1)
    return found


def _clearest(
    conditions: Sequence[Condition], members: np.ndarray, outcome: np.ndarray, codes: np.ndarray
) -> tuple[int, ...] | None:
    """Places of the conditions of the clearest segment, None where none is noticed."""
    single = _scores(members, outcome, codes)
    pairs = _pair_scores(members, outcome, codes)
    pairs[_same_column(conditions)] = -np.inf
    pairs[~(pairs - EARNED >= np.maximum(single[:, None], single[None, :]))] = -np.inf
    best, score = (int(np.argmax(single)),), float(np.max(single))
    upper = np.where(np.triu(np.ones_like(pairs, dtype=bool), 1), pairs, -np.inf)
    order = np.argsort(-upper, axis=None, kind="stable")[:BEAM]
    for place in order:  # the clearest pairs first
        first, second = (int(each) for each in np.unravel_index(place, pairs.shape))
        if not np.isfinite(pairs[first, second]):
            break
        found, worth = (first, second), float(pairs[first, second]) - EARNED
        further = _scores(members & members[:, [first]] & members[:, [second]], outcome, codes)
        taken = {conditions[first].column, conditions[second].column}
        further[[at for at, condition in enumerate(conditions) if condition.column in taken]] = -np.inf
        if np.max(further) - EARNED >= pairs[first, second]:
            found, worth = (first, second, int(np.argmax(further))), float(np.max(further)) - 2 * EARNED
        if worth > score:
            best, score = found, worth
    return best if score >= NOTICED else None


def _same_column(conditions: Sequence[Condition]) -> np.ndarray:
    """Which pairs are of one column, but for a number between two bounds."""
    names = np.array([condition.column for condition in conditions])
    kinds = np.array([condition.kind for condition in conditions])
    between = (kinds[:, None] == FROM) & (kinds[None, :] == BELOW)
    return (names[:, None] == names[None, :]) & ~(between | between.T)


def _scores(members: np.ndarray, outcome: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Standardised excess of events of each column's members over what their strata expect (Mantel and Haenszel)."""
    sums = np.zeros((3, members.shape[1]))
    size = np.zeros((2, members.shape[1]))
    for stratum in np.unique(codes):
        here = codes == stratum
        inside, events = members[here].astype(np.float64), outcome[here].astype(np.float64)
        _add(sums, size, inside.sum(axis=0), inside.T @ events, int(here.sum()), events.sum())
    return _standardised(sums, size)


def _pair_scores(members: np.ndarray, outcome: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """The same of the members of both, for each pair of columns."""
    shape = (members.shape[1], members.shape[1])
    sums, size = np.zeros((3, *shape)), np.zeros((2, *shape))
    for stratum in np.unique(codes):
        here = codes == stratum
        inside, events = members[here].astype(np.float32), outcome[here].astype(np.float32)
        both = inside.T @ (inside * events[:, None])
        _add(sums, size, inside.T @ inside, both, int(here.sum()), float(events.sum()))
    return _standardised(sums, size)


def _add(sums: np.ndarray, size: np.ndarray, n1: np.ndarray, a: np.ndarray, n: int, m: float) -> None:
    sums[0] += a
    sums[1] += m * n1 / n
    sums[2] += m * (n - m) * n1 * (n - n1) / (n**2 * max(n - 1, 1))
    size[0] += n1
    size[1] += a


def _standardised(sums: np.ndarray, size: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        score = (sums[0] - sums[1]) / np.sqrt(sums[2])
    large = (size[0] >= LEAST_ACCOUNTS) & (size[1] >= LEAST_EVENTS)
    return np.where(large & (sums[2] > 0), score, -np.inf)


def column_tells(cells: pd.Series, groups: np.ndarray, debtors: pd.Series, name: str) -> float:
    """AUC with which one column tells a group from the other stated groups, by the group's rate among its classes or
    twentieths in other debtors; 0.5 where nothing can be told. groups: of each row, NOT_STATED where nobody said it.
    """
    known = groups != NOT_STATED
    if pd.api.types.is_numeric_dtype(cells):
        ranks = cells.rank(pct=True)
        codes = np.where(cells.isna(), -1, np.floor(ranks.fillna(0) * 19.999)).astype(np.int64)
    else:
        codes = pd.factorize(cells.astype("str").where(cells.notna()))[0]
    codes = codes - codes.min()
    mine = groups == name
    half = debtor_folds(debtors, 2, 0)
    score = np.zeros(len(cells))
    for side in (0, 1):
        taught = known & (half != side)
        size = np.bincount(codes[taught], minlength=codes.max() + 1)
        rate = (np.bincount(codes[taught], mine[taught], minlength=codes.max() + 1) + 20 * mine[taught].mean()) / (
            size + 20
        )
        score[half == side] = rate[codes[half == side]]
    found = []
    for side in (0, 1):  # rates of different debtors lie on different levels: each side is ranked by itself
        here = known & (half == side)
        ones, zeros = int((here & mine).sum()), int((here & ~mine).sum())
        if ones and zeros:
            ranks = rankdata(score[here])
            found.append((ranks[mine[here]].sum() - ones * (ones + 1) / 2) / (ones * zeros))
    return float(np.mean(found)) if found else 0.5


def tells(member: np.ndarray, groups: np.ndarray, stated: Mapping[str, int]) -> float:
    """The largest AUC with which being in a segment tells one group from the others, either way; 0.5: it tells nothing.

    groups: the group of each row; stated: groups to ask of -> their rows, those of nobody stated not among them.
    """
    known = np.isin(groups, list(stated))
    found = 0.5
    for name in stated:
        mine, others = known & (groups == name), known & (groups != name)
        if mine.any() and others.any():
            found = max(found, 0.5 + abs(member[mine].mean() - member[others].mean()) / 2)
    return float(found)
