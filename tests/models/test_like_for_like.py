"""One worker against the others: the difference by plain loops, false and found ones in drawn worlds."""

from __future__ import annotations

import math
from collections import defaultdict
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest

from models.like_for_like import OTHERS_LEAST, like_for_like


def drawn(seed: int, workers: int = 6, rows: int = 200, better: float = 1.0) -> pd.DataFrame:
    """Contacts of which few bring money, in heavy-tailed sums; the first worker brings `better` times as often."""
    rng = np.random.default_rng(seed)
    size = workers * rows
    who = np.repeat(np.arange(workers), rows)
    kind = rng.integers(0, 4, size)
    chance = 0.08 * (0.5 + kind / 3) * np.where(who == 0, better, 1.0)
    money = (rng.random(size) < chance) * np.rint(100 * np.exp(rng.standard_normal(size)))
    debtors = rng.integers(0, size // 2, size)
    names = {"who": [f"w{each}" for each in who], "debtor_id": [f"D{each}" for each in debtors]}
    return pd.DataFrame({**names, "kind": kind.astype(str), "value": money})


def by_loops(work: pd.DataFrame, who: str) -> tuple[float, float, float]:
    """came, expected and the standard error from own rows and the others' alone, row by row."""
    rows = list(work.itertuples())
    others: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row.who != who:
            others[row.kind].append(row.value)
    usual = {kind: sum(values) / len(values) for kind, values in others.items() if len(values) >= OTHERS_LEAST}
    own = [row for row in rows if row.who == who and row.kind in usual]
    came, expected = sum(row.value for row in own), sum(usual[row.kind] for row in own)
    of_kind: dict[str, int] = defaultdict(int)
    for row in own:
        of_kind[row.kind] += 1
    pulls: dict[str, float] = defaultdict(float)
    for row in rows:
        if row.kind not in of_kind:
            continue
        apart = row.value - usual[row.kind]
        if row.who == who:
            pulls[row.debtor_id] += apart - (came - expected) / len(own)
        else:
            pulls[row.debtor_id] -= apart * of_kind[row.kind] / len(others[row.kind])
    return came, expected, math.sqrt(len(pulls) / (len(pulls) - 1) * sum(each**2 for each in pulls.values()))


@pytest.mark.parametrize("seed", range(3))
def test_came_and_expected_are_those_of_plain_loops(seed):
    work = drawn(seed)
    found = like_for_like(work, 30, 10).set_index("who")
    assert list(found.index) == sorted(found.index)
    wide = NormalDist().inv_cdf(1 - (1 - 0.95 ** (1 / len(found))) / 2)
    for who, row in found.iterrows():
        came, expected, error = by_loops(work, who)
        assert (row["came"], row["expected"]) == pytest.approx((came, expected))
        assert row["difference"] == pytest.approx((came - expected) / row["compared"])
        # never surer than its own rows and the others' are, and where all are alike not much less sure
        half = (row["high"] - row["low"]) / 2 * row["compared"]
        assert wide * error <= half * (1 + 1e-9) <= 2.5 * wide * error


def test_in_worlds_without_a_difference_few_are_told():
    false = sum(bool(((found["low"] > 0) | (found["high"] < 0)).any()) for found in map(told, range(40)))
    assert false <= 4  # 5 in 100 are allowed: of 40 worlds, 2 on average


def told(seed: int) -> pd.DataFrame:
    return like_for_like(drawn(1000 + seed), 30, 10)


def test_one_who_brings_three_times_as_often_is_found():
    found = [like_for_like(drawn(seed, rows=400, better=3.0), 30, 10).set_index("who") for seed in range(10)]
    assert sum(each.loc["w0", "low"] > 0 for each in found) >= 8
    assert all(each.loc["w0", "high"] > 0 for each in found)


def test_work_of_a_kind_that_others_hardly_have_is_not_compared():
    work = drawn(1)
    alone = pd.DataFrame({"who": "w0", "debtor_id": ["X1", "X2"], "kind": "new", "value": [1e6, 1e6]})
    few = work[work["who"] != "w0"].head(OTHERS_LEAST - 1).assign(kind="new")
    before, after = (like_for_like(each, 30, 10).set_index("who") for each in (work, pd.concat([work, alone, few])))
    assert after.loc["w0", "rows"] == before.loc["w0", "rows"] + 2
    assert after.loc["w0", "compared"] == before.loc["w0", "compared"]
    assert after.loc["w0", "came"] == before.loc["w0", "came"]


def test_too_few_debtors_or_events_give_no_difference():
    work = drawn(2)
    assert like_for_like(work, 10_000, 10)["low"].isna().all()
    assert like_for_like(work, 30, 10_000)["difference"].isna().all()
    alone = like_for_like(work[work["who"] == "w0"], 30, 10)
    assert alone[["compared", "came"]].to_numpy().tolist() == [[0, 0.0]]
    assert like_for_like(work.iloc[:0], 30, 10).empty
