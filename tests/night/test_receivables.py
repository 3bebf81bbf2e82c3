"""Commercial debtors and their open items: levels by hand, sums against the books, and what is published of them."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.days import day_number
from features.errors import ContractError
from features.ledger import figures_at
from pipeline.columns import OPEN_ITEM_COLUMNS, RECEIVABLE_COLUMNS
from pipeline.night.receivables import ITEMS, OWING, USUAL, dunning_level, level_from, receivables_of, receivables_shard
from pipeline.night.score import job_for
from pipeline.pages.publish import publish
from pipeline.pages.receivables_page import receivables_page
from pipeline.pages.without import Whose, mentions, without
from pipeline.panel.view import view
from pipeline.params import ParamsRefused, Receivables, load
from pipeline.store.store import Store
from tests.worlds.commands import NIGHT
from tests.worlds.paper_nights import night as paper_night
from tests.worlds.params import written_params

AS_OF = day_number(dt.date.fromisoformat(NIGHT))


def usual(*rows: tuple[float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(USUAL))


def test_levels_are_counted_from_the_due_day_by_hand():
    days = np.array([0, 1, 14, 15, 29, 30, 400])
    assert dunning_level(days, np.full(7, 1), (1, 15, 30)).tolist() == [0, 1, 1, 2, 2, 3, 3]
    assert dunning_level(days, np.full(7, 12), (1, 15, 30)).tolist() == [0, 0, 1, 2, 2, 3, 3]


def test_who_usually_pays_late_is_met_later_and_no_later_than_the_next_level():
    mean_and_spread = usual((6.5, 2.0, 9), (40.0, 3.0, 9), (-3.0, 1.0, 9), (6.5, 2.0, 4), (np.nan, np.nan, 0))
    assert level_from(mean_and_spread, Receivables()).tolist() == [9, 14, 1, 1, 1]
    assert level_from(mean_and_spread, Receivables(levels=(5,))).tolist() == [5, 5, 5, 5, 5]


@pytest.mark.parametrize("levels", [[15, 1], [1, 1], [0, 5], []])
def test_levels_that_do_not_rise_are_refused(tmp_path, levels):
    with pytest.raises(ParamsRefused, match="receivables.levels"):
        load(written_params(tmp_path / "params.yaml", tmp_path, receivables={"levels": levels}))


@pytest.fixture(scope="module")
def shards(house, tmp_path_factory):
    """The job of the house's last night, with that view, and what each shard tells: (items, owing) of each."""
    folder = tmp_path_factory.mktemp("receivables")
    params = load(written_params(folder / "params.yaml", house, receivables={"levels": [1, 15, 30]}))
    store = Store(house / "store")
    job = job_for(store, dt.date.fromisoformat(NIGHT), params)
    seen = [view(store, shard, [AS_OF], params, job.versions) for shard in range(store.shards)]
    return job, seen, [receivables_shard(job, each) for each in seen]


def test_open_items_add_up_to_what_the_books_say_is_owed(shards):
    _, seen, parts = shards
    assert sum(len(items) for items, _ in parts) > 20
    for each, (items, owing) in zip(seen, parts, strict=True):
        assert list(items) == list(ITEMS)
        assert list(owing) == list(OWING)
        numbers = (
            each.tables["accounts"].drop_duplicates("account_id", keep="last").set_index("account_id")["account_no"]
        )
        nights = np.full(len(owing), AS_OF, np.int32)
        balance, _, _ = figures_at(each.ledger, numbers[owing["account_id"]].to_numpy(), nights)
        open_of = items.groupby("account_id")["open"].sum().reindex(owing["account_id"]).fillna(0).to_numpy()
        untied = (owing["unapplied"] + owing["credit_notes"]).to_numpy()
        assert (open_of - untied == balance).all()


def told(shards, excluded: tuple[str, ...] = ()) -> tuple[pd.DataFrame, pd.DataFrame, dict]:
    job, _, parts = shards
    ranked = pd.DataFrame({"debtor_id": list(excluded), "group": ["excluded"] * len(excluded)}, dtype="str")
    return receivables_of([items for items, _ in parts], [owing for _, owing in parts], [ranked], job)


def test_debtors_come_by_what_is_past_due_and_the_worst_item_says_the_level(shards):
    debtors, items, about = told(shards)
    assert (tuple(debtors), tuple(items)) == (RECEIVABLE_COLUMNS, OPEN_ITEM_COLUMNS)
    assert (about["debtors"], about["items"]) == (len(debtors), len(items))
    one = debtors[debtors["currency"] == debtors["currency"].iloc[0]]
    assert one["overdue"].is_monotonic_decreasing
    late = items[(items["days_past_due"] > 0) & ~items["is_disputed"]]
    keys = ["debtor_id", "currency"]
    by_debtor = debtors.set_index(keys)
    pd.testing.assert_series_equal(
        late.groupby(keys)["open_amount"].sum(), by_debtor["overdue"][by_debtor["overdue"] > 0].sort_index(),
        check_names=False,
    )  # fmt: skip
    assert (
        items.groupby(keys)["dunning_level"].max()
        == by_debtor["dunning_level"].reindex(items.groupby(keys).size().index)
    ).all()
    stops = by_debtor["order_stop"].str.contains("overdue")
    assert (stops == (by_debtor["oldest_days"] >= 45)).all()
    assert stops.any()


def test_whom_the_law_keeps_off_the_list_is_not_dunned(shards):
    debtors, _, _ = told(shards)
    worst = debtors[debtors["dunning_level"] > 0]["debtor_id"].iloc[0]
    held, items, _ = told(shards, (worst,))
    own = held[held["debtor_id"] == worst]
    assert (own["dunning_level"].tolist(), own["held"].tolist()) == ([0] * len(own), ["excluded"] * len(own))
    assert not items["dunning_level"][items["debtor_id"] == worst].any()
    assert items["dunning_level"].any()


@pytest.mark.parametrize("group", ["deferred", "held_out"])
def test_whom_the_night_leaves_alone_is_not_dunned_and_nobody_reads_why(shards, group):
    debtors, _, _ = told(shards)
    worst = debtors[debtors["dunning_level"] > 0]["debtor_id"].iloc[0]
    job, _, parts = shards
    ranked = pd.DataFrame({"debtor_id": [worst], "group": [group]}, dtype="str")
    held, _, _ = receivables_of([items for items, _ in parts], [owing for _, owing in parts], [ranked], job)
    own = held[held["debtor_id"] == worst]
    assert (set(own["held"]), own["dunning_level"].sum()) == ({"left"}, 0)


def test_a_cent_within_the_tolerance_has_no_level_and_stops_no_order(shards):
    job, seen, parts = shards
    forgiving = [(items, owing.assign(tolerance=items["open"].max() if len(items) else 0)) for items, owing in parts]
    debtors, items, _ = told((job, seen, forgiving))
    assert not items["dunning_level"].any()
    assert not debtors["order_stop"].str.contains("overdue").any()
    assert debtors["overdue"].any()


def test_a_disputed_item_is_shown_and_not_dunned(shards):
    job, seen, parts = shards
    disputed = [(items.assign(is_disputed=True), owing) for items, owing in parts]
    debtors, items, _ = told((job, seen, disputed))
    assert not items["dunning_level"].any()
    assert not debtors["overdue"].any()
    assert debtors["disputed"].equals(debtors["open_amount"])


def published(shards, language: str = "en"):
    debtors, items, about = told(shards)
    own = paper_night(6)
    day = {"as_of": own.as_of}
    return replace(
        own, language=language, receivables=debtors.assign(**day), open_items=items.assign(**day),
        manifest={**own.manifest, "receivables": about},
    )  # fmt: skip


def test_a_night_publishes_both_tables_and_their_page(shards, tmp_path):
    night = published(shards)
    folder = publish(night, tmp_path)
    kept = pd.read_parquet(folder / "open_items.parquet")
    assert len(kept) == len(night.open_items)
    assert (folder / "receivables.csv").read_text().startswith("debtor_id,rank,currency,")
    assert (folder / "receivables.html").read_text(encoding="utf-8") == receivables_page(night)


def test_items_that_do_not_add_up_are_refused(shards, tmp_path):
    night = published(shards)
    with pytest.raises(ContractError, match="does not add up to 'receivables'"):
        publish(replace(night, open_items=night.open_items.iloc[1:]), tmp_path)


def test_a_person_leaves_every_file_of_receivables(shards, tmp_path):
    night = published(shards)
    folder, first = publish(night, tmp_path), night.receivables["debtor_id"].iloc[0]
    accounts = frozenset(night.open_items["account_id"][night.open_items["debtor_id"] == first])
    whose = Whose(frozenset({first}), accounts)
    others = set(night.receivables["debtor_id"]) - {first}
    for name in ("receivables.csv", "receivables.parquet", "open_items.csv", "open_items.parquet", "receivables.html"):
        content, gone = without(folder / name, whose)
        assert gone
        assert not mentions(content, whose.all), name
        assert all(mentions(content, {other}) for other in list(others)[:5]), name
    assert without(folder / "receivables.html", Whose(frozenset({"nobody"}), frozenset())) is None
