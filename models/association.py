"""How many times as often something befalls the accounts of a segment as it befalls the others of their own stratum
(book, quarter of opening): the ratio of Mantel and Haenszel, with a test and an interval that know accounts of one
debtor to be alike, and that hold for few events. It is an association: who is in a segment was not drawn by lot.

Sources: Mantel and Haenszel 1959 (the ratio); Greenland and Robins 1985 (of rates, sparse strata); Boos 1992 (score
tests with the spread of clusters); Clopper and Pearson 1934 (the exact interval of a share).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom, norm

WIDEST = 200.0  # a ratio is looked for from its inverse to it
STEPS = 60  # halvings of the logarithm, far below any figure that is shown


@dataclass(frozen=True)
class Ratio:
    """inside, outside: accounts; inside_events, outside_events: those it befell; value: the ratio, with its interval of
    the level asked for; p: of a ratio of 1 or less, one-sided. NaN and 1.0 where nothing can be said.
    """

    inside: int
    outside: int
    inside_events: int
    outside_events: int
    value: float
    low: float
    high: float
    p: float

    @property
    def inside_rate(self) -> float:
        return self.inside_events / self.inside if self.inside else math.nan


class _Strata:
    """The sums that every ratio asks of: strata in which one side is empty say nothing and are left out."""

    def __init__(self, member: np.ndarray, outcome: np.ndarray, strata: np.ndarray, debtors: np.ndarray) -> None:
        _, codes = np.unique(strata, return_inverse=True)
        inside = np.bincount(codes, member)
        whole = np.bincount(codes)
        speaks = ((inside > 0) & (inside < whole))[codes]
        self.member, self.outcome = member[speaks], outcome[speaks].astype(np.float64)
        _, self.code = np.unique(codes[speaks], return_inverse=True)
        _, self.debtor = np.unique(debtors[speaks], return_inverse=True)
        self.n1 = np.bincount(self.code, self.member).astype(np.float64)
        self.n = np.bincount(self.code).astype(np.float64)
        self.n0 = self.n - self.n1
        self.a = np.bincount(self.code, self.member * self.outcome)
        self.c = np.bincount(self.code, ~self.member * self.outcome)
        self.m = self.a + self.c

    def ratio(self) -> float:
        return float((self.a * self.n0 / self.n).sum() / (self.c * self.n1 / self.n).sum())

    def score(self, ratio: float) -> float:
        """Standardised distance of the events inside from those that this ratio expects; falls as the ratio rises."""
        rate = np.minimum(self.m / (ratio * self.n1 + self.n0), 1 / max(ratio, 1.0))
        total = ((self.n0 * self.a - ratio * self.n1 * self.c) / self.n).sum()
        of_inside = (self.n0 / self.n)[self.code] * (self.outcome - ratio * rate[self.code])
        of_outside = -ratio * (self.n1 / self.n)[self.code] * (self.outcome - rate[self.code])
        each = np.bincount(self.debtor, np.where(self.member, of_inside, of_outside))
        spread = (each**2).sum() * len(each) / max(len(each) - 1, 1)
        return float(total / math.sqrt(spread)) if spread > 0 else 0.0

    def share(self, ratio: float) -> float:
        """Of all events, the share that lies inside where this ratio holds."""
        return float((self.m * ratio * self.n1 / (ratio * self.n1 + self.n0)).sum() / self.m.sum())


def ratio_of(
    member: np.ndarray, outcome: np.ndarray, strata: np.ndarray, debtors: np.ndarray, level: float = 0.95
) -> Ratio:
    """The ratio of a segment to the rest of its strata.

    member, outcome: bool per account; strata, debtors: what tells one from another. The p and each end of the interval
    are the more careful of two: by scores of whole debtors, and by the exact share of the events, which knows few of
    them.
    """
    counts = (int(member.sum()), int((~member).sum()), int((member & outcome).sum()), int((~member & outcome).sum()))
    held = _Strata(member, outcome, strata, debtors)
    if not held.a.sum() or not held.c.sum():
        return Ratio(*counts, math.nan, math.nan, math.nan, 1.0)
    events, inside = int(held.m.sum()), int(held.a.sum())
    tail = (1 - level) / 2
    away = float(norm.isf(tail))
    p = max(float(norm.sf(held.score(1.0))), float(binom.sf(inside - 1, events, held.share(1.0))))
    low = min(
        _where(lambda ratio: held.score(ratio) - away),
        _where(lambda ratio: tail - float(binom.sf(inside - 1, events, held.share(ratio)))),
    )
    high = max(
        _where(lambda ratio: held.score(ratio) + away),
        _where(lambda ratio: float(binom.cdf(inside, events, held.share(ratio))) - tail),
    )
    return Ratio(*counts, held.ratio(), low, high, p)


def true_ratio(member: np.ndarray, chance: np.ndarray, strata: np.ndarray) -> float:
    """The ratio that known chances make, in the place of events: what an interval is held against in made-up worlds."""
    held = _Strata(member, chance, strata, np.arange(len(chance)))
    return held.ratio()


def _where(falls: Callable[[float], float]) -> float:
    """Where a falling function of the ratio meets zero; an end of the range where it does not."""
    low, high = -math.log(WIDEST), math.log(WIDEST)
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if falls(math.exp(middle)) > 0 else (low, middle)
    return math.exp((low + high) / 2)
