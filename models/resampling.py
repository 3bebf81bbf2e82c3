"""Intervals by debtor: each figure again under 500 draws of whole debtors, in compiled loops over rows sorted once.

A draw gives every debtor a Poisson(1) weight, the bootstrap for rows that come in clusters; draw 0 has all weights 1,
so the figure itself is made by the same code as its interval. Rows of one debtor say nearly the same, so rows are never
drawn alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from features.compiled import compiled

Z95 = 1.959964  # standard normal quantile: 95 % two-sided
TAIL = 2.5  # per cent cut off on each side: 95 % intervals
METRICS = (
    "auc",
    "gini",
    "ks",
    "average_precision",
    "brier",
    "log_loss",
    "rate",
    "mean_p",
    "calibration_error",
    "calibration_slope",
    "money_ratio",
)
BINS = 10
TINY = 1e-15


def debtor_draws(debtors: pd.Series, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(debtor code per row, weights uint8 [1 + draws, debtors]); debtors in order of id,
    so that the order of rows changes nothing.
    """
    codes, names = pd.factorize(debtors.astype("str"), sort=True)
    weights = np.random.default_rng(seed).poisson(1.0, (draws + 1, len(names))).astype(np.uint8)
    weights[0] = 1
    return codes.astype(np.int64), weights


def interval(figures: np.ndarray) -> tuple[float, float, float]:
    """(the figure, low, high) of a column of draws; NaN where too few draws could be made."""
    drawn = figures[1:]
    drawn = drawn[~np.isnan(drawn)]
    if np.isnan(figures[0]) or len(drawn) < 0.9 * (len(figures) - 1) or not len(drawn):
        return float(figures[0]), np.nan, np.nan
    low, high = np.percentile(drawn, (TAIL, 100 - TAIL))
    return float(figures[0]), float(low), float(high)


def ratio_by_debtor(debtors: pd.Series, realised: pd.Series, expected: pd.Series) -> tuple[float, float, float]:
    """(sum of realised over sum of expected, low, high): 95 % interval by debtor, linearised; NaN and no bounds where
    nothing was expected. Rows aligned by position.
    """
    frame = pd.DataFrame({"realised": realised.to_numpy(), "expected": expected.to_numpy()})
    sums = frame.groupby(debtors.to_numpy(), sort=True).sum()
    total = sums["expected"].sum()
    if total <= 0:
        return math.nan, -math.inf, math.inf
    ratio = sums["realised"].sum() / total
    spread = Z95 * math.sqrt(((sums["realised"] - ratio * sums["expected"]) ** 2).sum()) / total
    return float(ratio), float(ratio - spread), float(ratio + spread)


def quality(
    order: np.ndarray,
    p: np.ndarray | None,
    outcome: np.ndarray,
    realised: np.ndarray,
    predicted: np.ndarray,
    who: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
    """METRICS of each draw, float64 [1 + draws, metrics].

    order: what ranks (ties count half); p: probability or None, then only the rank metrics are given; outcome 0/1;
    realised and predicted money in one currency. NaN where a draw has one class only, or nothing was predicted.
    """
    place = np.lexsort((who, -order))
    ends = np.append(np.diff(order[place]) != 0, True)
    chance = np.clip(p, TINY, 1 - TINY)[place] if p is not None else np.full(len(order), 0.5)
    level = np.log(chance / (1 - chance))
    y = outcome[place]
    found = _quality(
        ends,
        y,
        chance,
        level,
        -(y * np.log(chance) + (1 - y) * np.log1p(-chance)),
        _tenths(chance),
        realised[place],
        predicted[place],
        who[place],
        weights,
        p is not None,
    )
    if p is None:
        found[:, 4:] = np.nan
    return found


def captured(
    orders: Sequence[np.ndarray],
    money: np.ndarray,
    night: np.ndarray,
    who: np.ndarray,
    weights: np.ndarray,
    capacities: tuple[float, ...],
) -> tuple[list[np.ndarray], np.ndarray]:
    """(per order the money reached by working the best share of each night, [1 + draws, capacities];
    all money of the draw, [1 + draws]).

    Accounts tied at the edge of the list share the places left, so a coarse order is neither lucky nor unlucky.
    """
    nights = np.unique(night, return_inverse=True)[1]
    shares = np.sort(np.array(capacities, dtype=np.float64))
    sizes, whole = _nights_of_draws(nights, int(nights.max(initial=-1)) + 1, money, who, weights)
    starts = np.append(0, np.cumsum(np.bincount(nights, minlength=sizes.shape[1])))
    found = []
    for order in orders:
        place = np.lexsort((who, -order, nights))
        ends = np.append((np.diff(order[place]) != 0) | (np.diff(nights[place]) != 0), True)
        found.append(_captured(ends, starts, sizes, money[place], who[place], weights, shares))
    return found, whole


def listed_shares(order: np.ndarray, night: np.ndarray, capacity: float) -> np.ndarray:
    """Share of each row that lies in the best `capacity` of its night, 0 to 1:
    accounts tied at the edge share the places left.
    """
    rows = pd.DataFrame({"night": np.unique(night, return_inverse=True)[1], "order": order})
    size = rows.groupby("night")["order"].transform("size").to_numpy(dtype=np.float64)
    above = rows.groupby("night")["order"].rank(ascending=False, method="min").to_numpy() - 1
    tied = rows.groupby(["night", "order"])["order"].transform("size").to_numpy(dtype=np.float64)
    return np.clip((capacity * size - above) / tied, 0.0, 1.0)


def ratios_of_sums(above: np.ndarray, below: np.ndarray, who: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum of `above` ÷ sum of `below` over the rows of each draw, float64 [1 + draws]; NaN where the second is 0."""
    debtors = weights.shape[1]
    sums = [weights @ np.bincount(who, weights=part, minlength=debtors) for part in (above, below)]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sums[1] > 0, sums[0] / sums[1], np.nan)


def _tenths(chance_falling: np.ndarray) -> np.ndarray:
    return np.minimum(np.arange(len(chance_falling)) * BINS // max(len(chance_falling), 1), BINS - 1)


@compiled
def _quality(ends, y, p, level, loss, tenth, realised, predicted, who, weights, is_chance):
    draws, rows = weights.shape[0], len(y)
    out = np.full((draws, 11), np.nan)
    intercept, slope, start = 0.0, 1.0, p.copy()
    for draw in range(draws):
        positives = negatives = brier = lost = mean_p = real = expected = 0.0
        seen, hoped, held = np.zeros(10), np.zeros(10), np.zeros(10)
        for row in range(rows):
            w = float(weights[draw, who[row]])
            if w == 0.0:
                continue
            positives += w * y[row]
            negatives += w * (1 - y[row])
            brier += w * (p[row] - y[row]) ** 2
            lost += w * loss[row]
            mean_p += w * p[row]
            real += w * realised[row]
            expected += w * predicted[row]
            seen[tenth[row]] += w * y[row]
            hoped[tenth[row]] += w * p[row]
            held[tenth[row]] += w
        total = positives + negatives
        if expected > 0:
            out[draw, 10] = real / expected
        if total == 0:
            continue
        out[draw, 4], out[draw, 5], out[draw, 6], out[draw, 7] = (
            brier / total,
            lost / total,
            positives / total,
            mean_p / total,
        )
        error = 0.0
        for bin_ in range(10):
            error += abs(seen[bin_] - hoped[bin_])
        out[draw, 8] = error / total
        if positives == 0 or negatives == 0:
            continue
        area = furthest = precision = above_pos = above_neg = tied_pos = tied_neg = 0.0
        for row in range(rows):
            w = float(weights[draw, who[row]])
            tied_pos += w * y[row]
            tied_neg += w * (1 - y[row])
            if ends[row] and tied_pos + tied_neg > 0:
                area += tied_pos * (negatives - above_neg - tied_neg / 2)
                above_pos += tied_pos
                above_neg += tied_neg
                precision += tied_pos / positives * above_pos / (above_pos + above_neg)
                furthest = max(furthest, abs(above_pos / positives - above_neg / negatives))
                tied_pos = tied_neg = 0.0
        out[draw, 0] = area / (positives * negatives)
        out[draw, 1] = 2 * out[draw, 0] - 1
        out[draw, 2] = furthest * 100
        out[draw, 3] = precision
        if not is_chance:
            continue
        steps = 30 if draw == 0 else 3  # a draw starts at the whole sample's answer and is there in two or three steps
        enough = 1e-10 if draw == 0 else 3e-3  # a step of Newton's after one so short is of its square
        a, b = intercept, slope
        settled = True
        for step in range(steps):
            g0 = g1 = h00 = h01 = h11 = 0.0
            for row in range(rows):
                w = float(weights[draw, who[row]])
                if w == 0.0:
                    continue
                x = level[row]
                chance = start[row] if draw > 0 and step == 0 else 1.0 / (1.0 + np.exp(-(a + b * x)))
                miss, bend = w * (y[row] - chance), w * chance * (1 - chance)
                g0 += miss
                g1 += miss * x
                h00 += bend
                h01 += bend * x
                h11 += bend * x * x
            determinant = h00 * h11 - h01 * h01
            if determinant <= 1e-12 * h00 * h11 or determinant <= 0:
                settled = False
                break
            step0, step1 = (h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant
            longest = max(abs(step0), abs(step1))
            if longest > 2.0:
                step0, step1 = step0 * 2.0 / longest, step1 * 2.0 / longest
            a += step0
            b += step1
            if longest < enough:
                break
        if settled:
            out[draw, 9] = b
        if draw == 0:
            if settled:
                intercept, slope = a, b
            for row in range(rows):
                start[row] = 1.0 / (1.0 + np.exp(-(intercept + slope * level[row])))
    return out


@compiled
def _nights_of_draws(night, nights, money, who, weights):
    """Accounts of each night under each draw, [draws, nights], and all money of the draw, [draws]."""
    draws = weights.shape[0]
    sizes, whole = np.zeros((draws, nights)), np.zeros(draws)
    for draw in range(draws):
        for row in range(len(money)):
            w = float(weights[draw, who[row]])
            sizes[draw, night[row]] += w
            whole[draw] += w * money[row]
    return sizes, whole


@compiled
def _captured(ends, starts, sizes, money, who, weights, shares):
    """Rows sorted by night, then best first; ends: the last row of each run of ties; starts:
    first row of each night.
    """
    draws, most = weights.shape[0], shares[-1]
    reached = np.zeros((draws, len(shares)))
    for draw in range(draws):
        for tonight in range(len(starts) - 1):
            size = sizes[draw, tonight]
            used = tied = tied_money = 0.0
            for row in range(starts[tonight], starts[tonight + 1]):
                w = float(weights[draw, who[row]])
                tied += w
                tied_money += w * money[row]
                if ends[row]:
                    if tied > 0:
                        for c in range(len(shares)):
                            left = shares[c] * size - used
                            if left > 0:
                                reached[draw, c] += tied_money * min(left / tied, 1.0)
                    used += tied
                    tied = tied_money = 0.0
                    if used >= most * size:
                        break
    return reached
