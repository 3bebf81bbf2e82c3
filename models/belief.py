"""What is believed of a debtor's answer: curves with their ends, by whom they are told, and how far they may bend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

POLICY, OFFERS, PLANS, PLACEMENTS = "policy", "offers", "plans", "placements"  # the house's own belief, or learnt from
LEAST_MATURED = 300  # cases whose time is over, before a belief gives way to them


@dataclass(frozen=True)
class Curve:
    """A belief by points: at each of `at` (rising) a middle with its ends; straight between them, flat beyond."""

    at: tuple[float, ...]
    middle: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def of(self, at: np.ndarray, end: str = "middle") -> np.ndarray:
        """float64; end: middle, low or high."""
        return np.interp(at, self.at, getattr(self, end))


@dataclass(frozen=True)
class Belief:
    """A curve and where it comes from.

    source: POLICY, a belief of the house, or what it was learnt from; why: why it is still the house's; matured: at
    each point that was learnt, cases whose time is over
    """

    curve: Curve
    source: str = POLICY
    why: str = ""
    matured: Mapping[float, int] = field(default_factory=dict)


def kept_to(belief: Belief, why: str) -> Belief:
    """The same belief, with the reason why nothing was learnt."""
    return replace(belief, why=why)


def never_falling(rate: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """[draws, arms]: of each row the nearest rates, by weighted squares, that never fall along it.

    max over first <= arm of min over last >= arm of the weighted mean of first..last (Robertson, Wright and Dykstra,
    Order Restricted Statistical Inference, 1988, 1.4).
    """
    arms = rate.shape[1]
    money, whole = (np.cumsum(np.pad(part, ((0, 0), (1, 0))), axis=1) for part in (rate * weight, weight))
    found = np.full(rate.shape, -np.inf)
    for arm in range(arms):
        for first in range(arm + 1):
            lasts = np.arange(arm + 1, arms + 1)
            means = (money[:, lasts] - money[:, [first]]) / (whole[:, lasts] - whole[:, [first]])
            found[:, arm] = np.maximum(found[:, arm], means.min(axis=1))
    return np.where(np.isnan(rate).any(axis=1, keepdims=True), np.nan, found)
