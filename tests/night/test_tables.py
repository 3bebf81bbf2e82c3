"""Tables of all accounts are laid down part by part, shard by shard, and come in their order; what a night ranks is the
valued rows of shards (pipeline/night/valued.py), of which it holds a bounded number of bytes.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import gc
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from models import lot
from pipeline.night import ranking, tables
from pipeline.night.night import job_for
from pipeline.night.ranking import rank_night
from pipeline.night.shards import FRAMES, Finished, Worked, finished, keep, work_shards
from pipeline.night.worklist import _next_in_line, _scores, assignments
from pipeline.pages.parts import Streamed, parts_of
from pipeline.params import load
from pipeline.store.store import Store
from tests.worlds.houses import NIGHT

MOST_BYTES = 300  # an account that is ranked, in arrays and texts; its row alone, with its texts, is more
ROWS_OF_NIGHT = ("account_id", "debtor_id", "portfolio", "currency", "net_value", "p_recovered")


@pytest.fixture(scope="module")
def worked(house: Path, tmp_path_factory):
    """The house's night, its job, and its shards on a shelf."""
    params, store = load(house / "params.yaml"), Store(house / "store")
    job = job_for(store, dt.date.fromisoformat(NIGHT), params)
    return store, job, work_shards(job, tmp_path_factory.mktemp("shelf"))


def test_tables_of_few_rows_at_once_are_the_tables_of_all(worked, monkeypatch):
    """Laid down in parts of seven rows by two shards, and read back twice."""
    store, job, shards = worked
    ranked = rank_night(store, job, shards)
    said = pd.DataFrame({"account_no": pd.Series(dtype="int64"), "reason_1": pd.Series(dtype="str")})
    makers = (_scores, assignments, partial(_next_in_line, said=said))
    whole = [make(ranked, job=job) for make in makers]
    monkeypatch.setattr(tables, "AT_ONCE", 7)
    for table, wanted in zip([make(ranked, job=job) for make in makers], whole, strict=True):
        assert isinstance(table, Streamed)
        for _ in range(2):
            parts = list(parts_of(table))
            assert max(map(len, parts)) <= 7
            pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), wanted)
        pd.testing.assert_frame_equal(table.first, wanted.head(len(table.first)))


def test_rows_of_a_shard_and_of_positions_are_those_of_the_whole(worked):
    store, job, shards = worked
    ranked = rank_night(store, job, shards)
    rows = ranked.rows
    assert len(rows) == len(ranked) == sum(one.sizes["rows"] for one in shards)
    at = np.random.default_rng(5).permutation(len(rows))[:40]
    columns = [*ROWS_OF_NIGHT, "group", "head", "verdict", "arm", "agent", "contact_from_minute", "added_value"]
    wanted = rows.iloc[np.sort(at)][columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(ranked.of(at, columns), wanted)
    listed = rows[rows["group"] == "worklist"]
    assert set(listed["account_id"]) == set(ranked.listed["account_id"])
    assert (listed["head"] == listed["account_id"]).all()
    assert len(rows[rows["group"] == "joined"]) == sum(len(each.split()) for each in listed["joined_accounts"])


# ---- what a night holds of an account --------------------------------------------------------------------------------


def shard_of(one: Finished, copies: range, place: Path) -> Finished:
    """A finished shard of many accounts: those of one again and again, each time under other names."""
    frames = {name: getattr(one, name) for name in FRAMES}
    for name in ("rows", "channels", "answers"):
        again = []
        for copy in copies:
            frame = frames[name]
            texts = {each: frame[each] + f"-{copy}" for each in ("account_id", "debtor_id") if each in frame}
            again.append(frame.assign(account_no=frame["account_no"] ^ np.int64(copy << 40), **texts))
        frames[name] = pd.concat(again, ignore_index=True)
    keep(Worked(**frames), place)
    return finished(place)


def test_ranking_holds_a_bounded_number_of_bytes_of_each_further_account(worked, tmp_path, monkeypatch):
    """Three times as many shards of one size: what arrays, objects and texts grow by at the worst moment, for each
    account that came.
    """
    store, job, shards = worked
    free = job.params.worklist.model_copy(update={"channel_capacity": {}})  # each option costs twenty bytes more
    job = replace(job, params=job.params.model_copy(update={"worklist": free}))
    for module in (tables, lot):
        monkeypatch.setattr(module, "AT_ONCE" if module is tables else "_AT_ONCE", 200)
    pool, sizes, peaks = pa.default_memory_pool(), [], []
    several = [shard_of(shards[at % 2], range(8 * at, 8 * at + 8), tmp_path / f"{at:05d}") for at in range(6)]
    most = [0]

    def looked(own: Callable[..., Any]) -> Callable[..., Any]:
        def told(*given: Any, **named: Any) -> Any:
            tracemalloc.reset_peak()
            found = own(*given, **named)
            texts = pool.bytes_allocated() - stood
            most[0] = max(most[0], tracemalloc.get_traced_memory()[1] + texts)
            return found

        return told

    for name in ("placed", "draw_control", "not_listed_before", "_both_orders", "_of_debtors"):
        monkeypatch.setattr(ranking, name, looked(getattr(ranking, name)))
    for many in (1, 2, 6):  # the first loads what is loaded once
        gc.collect()
        most[0], stood = 0, pool.bytes_allocated()
        tracemalloc.start()
        ranked = rank_night(store, job, several[:many])
        looked(lambda ranked=ranked: [len(part) for part in parts_of(_scores(ranked, job))])()
        tracemalloc.stop()
        peaks.append(most[0])
        sizes.append(len(ranked))
    grown = (peaks[2] - peaks[1]) / (sizes[2] - sizes[1])
    assert 0 < grown < MOST_BYTES, f"{grown:.0f} bytes an account; {peaks} of {sizes}"


def test_a_finished_shard_holds_no_frame(worked):
    _, _, shards = worked
    assert [type(value) for value in dataclasses.astuple(shards[0])][2:] == [bool, bool]
    assert not any(isinstance(value, pd.DataFrame) for value in vars(shards[0]).values())
    assert replace(shards[0]).rows.equals(shards[0].rows)
