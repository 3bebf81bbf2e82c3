"""Texts under test: what came of each variant with its interval, and shares that move towards what worked."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from models.ladder import Z95

DRAWS = 20_000  # from the posteriors: the chance of being best is told to half a point
OUTCOMES = ("paid", "answered", "complained", "opted_out")


def rate_of(happened: np.ndarray, probability: np.ndarray) -> tuple[float, float, float]:
    """(rate, low, high) of debtors to whom something happened, each weighted by the inverse of the probability with
    which its variant was drawn (Hajek); 95 % interval of Wilson on the effective number of debtors. NaN without any.
    """
    if not happened.size:
        return math.nan, math.nan, math.nan
    rate, many = _weighed(happened, probability)
    middle = (rate + Z95**2 / (2 * many)) / (1 + Z95**2 / many)
    reach = Z95 / (1 + Z95**2 / many) * math.sqrt(rate * (1 - rate) / many + Z95**2 / (4 * many**2))
    return rate, max(middle - reach, 0.0), min(middle + reach, 1.0)


def _weighed(happened: np.ndarray, probability: np.ndarray) -> tuple[float, float]:
    """(rate, effective number of debtors); sums are exact, so that the order of the rows is free. One or more rows."""
    weight = 1 / probability
    whole = math.fsum(weight)
    return math.fsum(weight * happened) / whole, whole**2 / math.fsum(weight**2)


def table_of(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per message and variant: message, variant, debtors, and of each of OUTCOMES the rate with `_low` and
    `_high`. rows: one per debtor and message: message, variant, probability and OUTCOMES (1 or 0).
    """
    told = []
    for (message, variant), own in rows.groupby(["message", "variant"], sort=True):
        found: dict[str, object] = {"message": message, "variant": variant, "debtors": len(own)}
        chance = own["probability"].to_numpy(np.float64)
        for name in OUTCOMES:
            rate, low, high = rate_of(own[name].to_numpy(np.float64), chance)
            found |= {name: rate, f"{name}_low": low, f"{name}_high": high}
        told.append(found)
    columns = [f"{name}{end}" for name in OUTCOMES for end in ("", "_low", "_high")]
    return pd.DataFrame(told, columns=["message", "variant", "debtors", *columns])


def difference(
    one: np.ndarray, other: np.ndarray, one_probability: np.ndarray, other_probability: np.ndarray
) -> tuple[float, float, float]:
    """(rate of one less that of the other, low, high): 95 % interval of Newcombe, from the intervals of each, weighted
    as in rate_of.
    """
    (p, p_low, p_high), (q, q_low, q_high) = rate_of(one, one_probability), rate_of(other, other_probability)
    low = p - q - math.sqrt((p - p_low) ** 2 + (q_high - q) ** 2)
    return p - q, low, p - q + math.sqrt((p_high - p) ** 2 + (q - q_low) ** 2)


def shifted(rows: pd.DataFrame, declared: Mapping[str, float], floor: float, least: int, seed: str) -> dict[str, float]:
    """Shares of the variants of one message by Thompson sampling on who paid: floor each, and the rest by the chance of
    being the best, under a flat prior. Those declared, where a variant has fewer than `least` matured debtors.

    rows: variant, probability and paid, one per debtor. Each weighs by the inverse of its probability, as the shares of
    a time in which everybody paid more are no merit of the variant that had the most then; a variant counts for its
    effective number of debtors. The draws hang on the seed alone.
    """
    sizes = rows["variant"].value_counts().reindex(list(declared), fill_value=0)
    if len(declared) < 2 or (sizes < least).any() or floor * len(declared) > 1:
        return dict(declared)
    own = [rows[rows["variant"] == name] for name in declared]
    weighed = [_weighed(each["paid"].to_numpy(np.float64), each["probability"].to_numpy(np.float64)) for each in own]
    rate, many = np.array(weighed).T
    draw = np.random.default_rng(int.from_bytes(hashlib.blake2b(seed.encode(), digest_size=8).digest(), "big"))
    best = draw.beta(1 + rate * many, 1 + (1 - rate) * many, (DRAWS, len(declared))).argmax(axis=1)
    chance = np.bincount(best, minlength=len(declared)) / DRAWS
    return {name: float(floor + (1 - floor * len(declared)) * p) for name, p in zip(declared, chance, strict=True)}
