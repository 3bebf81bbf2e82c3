"""What was known when, and the same by every way: R11, R14 and R20 of what a night promises."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.build import build
from pipeline.panel.panel import panel
from pipeline.panel.view import features_of
from pipeline.params import load
from pipeline.store.store import Store
from tests.worlds.bounded import memory_group
from tests.worlds.cohorts import frame_of
from tests.worlds.deliveries import PAYMENTS, codes, payment, taken
from tests.worlds.houses import short_terms
from tests.worlds.worlds import World, day

pytestmark = pytest.mark.slow

HOUSE = Path(__file__).parents[2]
FIRST = day("2024-02-20")


def paid(*reversed_: tuple[str, int, str]) -> World:
    """An account that paid 300.00 and 70.00; reversals: the day each happened, how much, the day it was known."""
    world = World("Europe/Paris").account(opened_on="2024-01-01", principal=90_000).charge("2024-02-01", 90_000)
    world.payment("2024-02-10", 30_000, payment_id="p1").payment("2024-02-12", 7_000, payment_id="p2")
    for on, amount, known in reversed_:
        world.reversal(on, amount, "p1", known_at=known)
    return world


def test_r11_a_payment_reversed_later_counts_until_that_is_known_and_then_net(attacks, tmp_path):
    """By turns reversed whole, in part, and in two parts; each day held against a world in which only what was known by
    then was ever paid.
    """
    back = [
        [("2024-02-25", 30_000, "2024-03-01")],
        [("2024-02-26", 10_000, "2024-03-05")],
        [("2024-02-25", 10_000, "2024-02-28"), ("2024-03-02", 20_000, "2024-03-10")],
    ]
    matrices = {}
    for which, reversals in enumerate(back):
        nights = [("a", FIRST + number) for number in range(400)]
        matrices[which] = build(frame_of(nights), paid(*reversals).tables()), build(frame_of(nights), paid().tables())
    for number, _ in enumerate(attacks):
        which, after = number % 3, number // 3 % 400
        night = FIRST + after
        found, without = (frame.iloc[after] for frame in matrices[which])
        known = [(on, amount, at) for on, amount, at in back[which] if day(at) < night]
        if not known:
            pd.testing.assert_series_equal(found, without)
            continue
        net = 37_000 - sum(amount for _, amount, _ in known)
        if night - day("2024-02-10") <= 365:
            assert found["payments_sum_365d"] == net
        assert found["balance"] == 90_000 - net
    with pytest.raises(AssertionError, match="are different"):  # the canary: two days of one world, one reversal known
        pd.testing.assert_series_equal(matrices[0][0].iloc[5], matrices[0][0].iloc[30], check_names=False)
    orphan = payment(payment_id="R1", kind="reversal", reverses="P9")
    taken(tmp_path, payments=[*PAYMENTS, orphan])
    assert list(codes(tmp_path / "store").values()) == ["REV_ORPHAN"]


def test_r14_features_are_the_same_by_the_training_path_and_the_nightly_one_on_every_engine(
    attacks, three_nights, tmp_path
):
    params = load(short_terms(tmp_path))
    store = Store(three_nights / "store")
    taught = panel(store, params)
    night = int(taught.cohort["as_of"].max())
    at = (taught.cohort["as_of"] == night).to_numpy()
    keys = taught.cohort.loc[at, "account_no"].to_numpy()
    engines = [replace_engine(params, workers=workers) for workers in (1, 2)]
    if find_spec("pyspark"):
        engines.append(replace_engine(params, spark="local[2]"))
    for asked in attacks.over(engines):
        cohort, matrix = features_of(store, [night], asked)
        order = pd.Index(cohort["account_no"]).get_indexer(keys)
        assert (order >= 0).all()
        same(taught.matrix[at].reset_index(drop=True), matrix.iloc[order].reset_index(drop=True))


def replace_engine(params, **changes):
    return params.model_copy(update={"engine": params.engine.model_copy(update=changes)})


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """No different class or integer cell, floats equal to 1e-12."""
    assert list(one.columns) == list(other.columns)
    for name in one.columns:
        if one[name].dtype.kind == "f":
            np.testing.assert_allclose(one[name], other[name], rtol=1e-12, err_msg=name)
        else:
            assert one[name].astype("str").tolist() == other[name].astype("str").tolist(), name


LIMIT_MIB = 1_000**3 / 2**20  # engine.memory_limit of 1 GB
LIBRARIES_MIB = 300  # what an intake needs beside its engine
NIGHT_MIB = 3_000


def test_who_takes_more_than_its_group_may_is_killed():
    program = "import sys; from pathlib import Path; from tests.worlds import bounded; bounded.join(Path(sys.argv[1]))"
    with memory_group(100) as group:
        if group is None:
            pytest.skip("this user may not bound the memory of a process")
        for mib, ended in ((20, 0), (200, -9)):
            taking = f"{program}; held = b'x' * ({mib} << 20); bounded.leave(Path(sys.argv[1]))"
            done = subprocess.run([sys.executable, "-c", taking, str(group)], cwd=HOUSE, check=False)
            assert done.returncode == ended, mib


def test_r20_many_events_finish_within_the_limit_and_leave_nothing(attacks, tmp_path):
    """engine.memory_limit bounds the intake; a night holds a shard. In a process of its own, which the kernel kills
    where its intake takes more, if this user may have it so.
    """
    events = attacks.count
    place = short_terms(tmp_path)
    text = place.read_text().replace("  shards: 2\n", f"  shards: {max(events // 3_000_000, 2)}\n")
    place.write_text(text.replace("memory_limit: ", "memory_limit: 1GB # "))
    (tmp_path / "temp").mkdir()
    given = [sys.executable, "-m", "tests.worlds.many", str(tmp_path), str(events), str(attacks.seed)]
    environment = {**os.environ, "TMPDIR": str(tmp_path / "temp"), "OMP_NUM_THREADS": "1"}
    with attacks.one(events), memory_group(int(LIMIT_MIB + LIBRARIES_MIB)) as group:
        given += [] if group is None else [str(group)]
        done = subprocess.run(given, cwd=HOUSE, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout.splitlines()[-1])
        assert told["scorable"] > 0
        assert told["intake"] < LIMIT_MIB + LIBRARIES_MIB, told
        assert told["night"] < NIGHT_MIB, told
        assert list((tmp_path / "temp").iterdir()) == []
