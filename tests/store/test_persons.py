"""Debtors that are one person lie in one shard, with all that is theirs; the files stay as they were delivered."""

from __future__ import annotations

import pandas as pd
import pytest

from features.aliases import AS_DELIVERED
from features.tables import account_number
from pipeline.intake.ingest import ingest
from pipeline.store.store import Store
from tests.store.conftest import full_world
from tests.worlds.deliveries import PARAMS, content, same, write

LINKS = [same(f"D{number}", f"D{number + 1}", "2026-02-10") for number in (0, 1, 4, 8, 12)]


@pytest.fixture(scope="module")
def linked(tmp_path_factory):
    """The same delivery with five links between its debtors, a chain of three among them."""
    place = tmp_path_factory.mktemp("linked")
    ingest(write(place / "source", {**full_world(), "debtors": LINKS}), place / "store", PARAMS)
    return Store(place / "store")


def shards_of(store: Store) -> dict[str, set[int]]:
    """Debtor as delivered -> shards in which its accounts are read."""
    found: dict[str, set[int]] = {}
    for shard in range(store.shards):
        accounts = store.tables(shard, ["accounts"])["accounts"]
        for row in accounts.drop_duplicates("account_no").itertuples():
            found.setdefault(f"D{int(row.account_id[1:]) // 2}" if row.account_id[0] == "M" else "", set()).add(shard)
    return found


def test_a_person_lies_in_the_shard_of_the_last_debtor(linked):
    found = shards_of(linked)
    for names in (("D0", "D1", "D2"), ("D4", "D5"), ("D8", "D9"), ("D12", "D13")):
        own = int(account_number([names[-1]])[0] % linked.shards)
        assert [found[name] for name in names] == [{own}] * len(names)
    assert len(set.union(*found.values())) > 1
    assert len({shard for home, to in linked.persons().moves for shard in (home, to)}) > 1


@pytest.mark.parametrize("name", ["accounts", "charges", "payments", "contacts", "statuses"])
def test_shards_together_are_the_whole_and_no_row_is_read_twice(linked, held, name):
    columns = [column for column in linked.tables(0, [name])[name].columns if column != "shard"]
    parts = [linked.tables(shard, [name])[name][columns] for shard in range(linked.shards)]
    whole = linked.tables(None, [name])[name][columns]
    order = ["account_no", "known_at"]
    keys = sorted(map(str, pd.concat(parts).astype("str").itertuples(index=False)))
    assert keys == sorted(map(str, whole.astype("str").itertuples(index=False)))
    if name != "accounts":
        assert len(whole) == len(held.tables(None, [name])[name])
    some = list(range(0, linked.shards, 2))
    there = linked.tables(some, [name])[name][order].sort_values(order, ignore_index=True)
    each = pd.concat([parts[shard] for shard in some])[order].sort_values(order, ignore_index=True)
    pd.testing.assert_frame_equal(there, each)


def test_columns_asked_for_come_with_the_debtor_as_delivered_alone_in_a_shard_that_holds_accounts_of_others(linked):
    shard = next(to for _, to in linked.persons().moves)
    found = linked.tables(shard, ["accounts", "payments"], {"accounts": ["debtor_id"], "payments": ["amount"]})
    assert [list(frame.columns) for frame in found.values()] == [["debtor_id", AS_DELIVERED], ["amount"]]
    assert len(found["payments"]) == len(linked.tables(shard, ["payments"])["payments"])


def test_an_account_is_found_in_the_shard_in_which_it_is_read(linked):
    for number in (0, 2, 8, 16):
        shard = linked.shard_of_account(f"M{number}")
        assert f"M{number}" in set(linked.tables(shard, ["accounts"])["accounts"]["account_id"])


def test_a_version_without_the_table_knows_no_persons(linked):
    versions = {name: version for name, version in linked.versions().items() if name != "debtors"}
    assert linked.persons(versions) is None
    accounts = linked.tables(None, ["accounts"], versions=versions)["accounts"]
    assert not accounts["account_no"].duplicated().any()


def test_the_links_again_change_nothing_and_people_read_them(linked, tmp_path):
    before = content(linked.path)
    report = ingest(write(tmp_path / "again", {**full_world(1), "debtors": LINKS}), linked.path, PARAMS)
    assert {table.name: table.accepted for table in report.tables}["debtors"] == 0
    assert content(linked.path) == before
    assert sorted(linked.frame("debtors")["same_as"]) == ["D1", "D13", "D2", "D5", "D9"]
