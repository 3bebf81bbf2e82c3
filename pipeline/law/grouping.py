"""Rows to groups: sets of values per debtor, distinct combinations of codes, texts to codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Gathered:
    """Per row the number of the set of all values that rows of its debtor have; sets of codes,
    without the unknown -1.
    """

    code: np.ndarray
    sets: list[tuple[int, ...]]


def gathered(debtor: np.ndarray, values: np.ndarray) -> Gathered:
    pairs = np.unique(np.stack([debtor, values]), axis=1)
    pairs = pairs[:, pairs[1] >= 0]
    of_debtor: dict[int, list[int]] = {}
    several = np.flatnonzero(np.bincount(pairs[0], minlength=1) > 1)
    single = np.full(int(debtor.max(initial=-1)) + 1, -1, np.int64)
    single[pairs[0]] = pairs[1]
    for owner, value in pairs[:, np.isin(pairs[0], several)].T:
        of_debtor.setdefault(int(owner), []).append(int(value))
    sets: dict[tuple[int, ...], int] = {(): 0}
    of_value = np.array(
        [sets.setdefault((value,), len(sets)) for value in range(int(values.max(initial=-1)) + 1)] + [0], np.int64
    )
    code = of_value[single]
    for owner, members in of_debtor.items():
        code[owner] = sets.setdefault(tuple(sorted(members)), len(sets))
    return Gathered(code[debtor], list(sets))


def grouped(*codes: np.ndarray) -> tuple[list[tuple[int, ...]], np.ndarray]:
    """(distinct combinations of the codes in ascending order, number of its combination per row)."""
    key = np.zeros(codes[0].size, np.int64)
    for values in codes:
        lowest = int(values.min(initial=0))
        key = key * (int(values.max(initial=0)) - lowest + 1) + (values - lowest)
    _, first, number = np.unique(key, return_index=True, return_inverse=True)
    return list(zip(*(values[first].tolist() for values in codes), strict=True)), number


def factorized(values: pd.Series) -> tuple[np.ndarray, list[str]]:
    """(code per row, -1 where empty; the distinct texts in sorted order)."""
    held = values if isinstance(values.dtype, pd.CategoricalDtype) else values.astype("category")
    names = [str(name) for name in held.cat.categories]
    order = np.argsort(names)
    places = np.empty(len(names) + 1, np.int64)
    places[order], places[-1] = np.arange(len(names)), -1
    return places[held.cat.codes.to_numpy()], [names[number] for number in order]
