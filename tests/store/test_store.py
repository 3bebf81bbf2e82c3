"""Reading the store: whole shards in the inner form, versions that stay, and what the store knows of itself.

Also of refusals.py.
"""

from __future__ import annotations

import pickle
from itertools import pairwise

import pandas as pd
import pytest

from features.errors import ContractError, InputMissing, UsageError
from features.tables import (
    NO_DAY,
    NO_MONEY,
    NO_NUMBER,
    NUMBERS,
    account_number,
    check,
    inner_columns,
    numbered,
)
from pipeline.intake.ingest import ingest
from pipeline.store import commit
from pipeline.store import store as store_room
from pipeline.store.form import sort_columns
from pipeline.store.store import Store
from tests.worlds.deliveries import PARAMS, charge, day, payment, write

NIGHT = day("2026-03-01")


# Reading


@pytest.mark.slow
def test_tables_come_in_the_inner_form(held):
    tables = held.tables()
    check(tables)
    assert list(tables) == ["accounts", "charges", "payments", "contacts", "statuses"]
    for name, frame in tables.items():
        expected = {
            column: dtype
            for column, dtype in inner_columns(name).items()
            if name == "accounts" or column != "account_id"
        }
        found = {
            column: "str" if str(frame[column].dtype) in ("category", "str") else str(frame[column].dtype)
            for column in expected
        }
        assert found == expected
    assert str(tables["payments"]["kind"].dtype) == "category"
    assert str(tables["payments"]["payment_id"].dtype) == "str"
    assert tables["accounts"]["placed_on"].eq(NO_DAY).all()
    assert tables["accounts"]["placed_amount"].eq(NO_MONEY).all()
    assert tables["contacts"]["promise_amount"].eq(NO_MONEY).all()
    assert tables["statuses"]["until_on"].tolist() == [NIGHT]


def test_a_debtor_lies_in_one_shard(held):
    whole = held.tables()
    parts = [held.tables(shard) for shard in range(held.shards)]
    owner = dict(zip(whole["accounts"]["account_no"], whole["accounts"]["debtor_id"], strict=True))
    for shard, tables in enumerate(parts):
        assert set(account_number(tables["accounts"]["debtor_id"]) % held.shards) <= {shard}
        for frame in tables.values():
            assert set(account_number([owner[number] for number in frame["account_no"]]) % held.shards) <= {shard}
    for name, frame in whole.items():
        assert sum(len(tables[name]) for tables in parts) == len(frame) > 0
    assert list(held.tables([0, 2])["accounts"]["account_no"]) == sorted(
        [*parts[0]["accounts"]["account_no"], *parts[2]["accounts"]["account_no"]]
    )


def test_the_account_number_is_the_hash_of_the_account_id(held):
    accounts = held.tables()["accounts"]
    assert (accounts["account_no"].to_numpy() == account_number(accounts["account_id"])).all()


def test_only_the_columns_and_tables_asked_for_are_read(held):
    tables = held.tables(None, ["payments", "accounts", "balances"], {"payments": ["amount", "account_id"]})
    assert list(tables) == ["accounts", "payments"]
    assert list(tables["payments"].columns) == ["amount", "account_id"]
    with pytest.raises(
        UsageError, match=r"columns asked of table 'payments' has unknown 'amuont' \(nearest: 'amount'\)"
    ):
        held.tables(0, ["payments"], {"payments": ["amuont"]})
    with pytest.raises(UsageError, match=r"tables asked of the store has unknown 'payment' \(nearest: 'payments'\)"):
        held.tables(0, ["payment"])


def test_rows_are_in_their_total_order_from_one_file_or_many(held):
    for shards in (0, None):
        for name, frame in held.tables(shards).items():
            keys = [tuple(row) for row in frame[sort_columns(name)].astype(object).to_numpy().tolist()]
            assert all(first < second for first, second in pairwise(keys))


def test_rows_of_some_accounts_alone_are_those_of_the_whole(held):
    for shard in (None, *range(held.shards)):
        whole = held.tables(shard)
        numbers = whole["accounts"]["account_no"].unique()
        some = numbers[::2]
        assert len(some) < max(len(numbers), 1) or not len(numbers)
        for name, frame in held.tables(shard, accounts=some).items():
            expected = whole[name][whole[name]["account_no"].isin(some)].reset_index(drop=True)
            pd.testing.assert_frame_equal(frame, expected, check_categorical=False)
    one = {"payments": ["amount"]}
    assert list(held.tables(None, ["payments"], one, accounts=some)["payments"]) == ["amount"]
    assert not len(held.tables(None, ["payments"], one, accounts=some[:0])["payments"])


def test_ids_lie_beside_their_numbers(held):
    """As ingest writes them, and as they are made from the text where a frame lacks them."""
    tables = held.tables()
    found = [(name, ids) for name, frame in tables.items() for ids in NUMBERS if ids in frame]
    assert found == [
        ("charges", "charge_id"),
        ("charges", "adjusts"),
        ("payments", "charge_id"),
        ("payments", "payment_id"),
        ("payments", "reverses"),
        ("contacts", "contact_id"),
        ("statuses", "charge_id"),
    ]
    for name, ids in found:
        frame = tables[name]
        assert frame[NUMBERS[ids]].tolist() == numbered(frame.drop(columns=NUMBERS[ids]), ids, name).tolist()
    assert (tables["payments"]["reverses"].isna() == (tables["payments"]["reverses_no"] == NO_NUMBER)).all()
    with pytest.raises(ContractError, match=r"Table 'contacts' lacks 'contact_id'"):
        numbered(tables["payments"], "contact_id", "contacts")


def test_what_the_store_knows_of_itself(held):
    assert held.portfolios() == ["paris", "tokyo", "undeclared"]
    assert held.currencies() == ["EUR", "JPY", "KWD", "USD"]
    assert held.zones()["paris"] == "Europe/Paris"
    assert held.span("payments") == (day("2026-02-01"), day("2026-02-11"))
    assert held.complete_through()["payments"] == day("2026-02-11")
    assert held.complete_by_portfolio()["payments"] == {"paris": day("2026-02-11"), "tokyo": day("2026-02-04")}
    assert held.shard_of_account("A1") == account_number(["D1"])[0] % held.shards
    assert pickle.loads(pickle.dumps(held)).path == held.path
    with pytest.raises(InputMissing, match=r"Account 'A9' is not in the store"):
        held.shard_of_account("A9")
    with pytest.raises(InputMissing, match=r"no rows of 'balances'"):
        held.span("balances")


def test_frames_for_people_have_dates_zones_and_decimals(held):
    payments = held.frame("payments").set_index("payment_id")
    assert payments.loc["P2", ["amount", "currency", "account_id"]].tolist() == [5000.0, "JPY", "J1"]
    assert payments.loc["P1", "amount"] == 40.0
    assert payments.loc["P1", "occurred_at"] == pd.Timestamp("2026-02-03T09:00:00Z")
    assert payments.loc["P1", "occurred_on"] == pd.Timestamp("2026-02-03")
    accounts = held.frame("accounts").set_index("account_id")
    assert accounts.loc["K1", "principal"] == 12.345
    assert accounts["placed_on"].isna().all()
    assert accounts["placed_amount"].isna().all()
    assert held.frame("assignments").empty
    with pytest.raises(InputMissing, match=r"Table 'balances' is not delivered"):
        held.frame("balances")


# Versions


def test_pinned_versions_show_the_store_as_it_was(own, tmp_path):
    before, versions = own.tables(), own.versions()
    tonight = write(
        tmp_path / "tonight",
        {"payments": [payment(payment_id="new")], "charges": [charge(charge_id="new")]},
        controls={"payments": {"complete_through": "2026-03-05"}},
    )
    ingest(tonight, own.path, PARAMS)
    now = Store(own.path)
    assert len(now.tables()["payments"]) == len(before["payments"]) + 1
    assert all(now.tables(versions=versions)[name].equals(frame) for name, frame in before.items())
    assert (now.complete_through()["payments"], now.complete_through(versions)["payments"]) == (
        day("2026-03-05"),
        day("2026-02-11"),
    )
    assert now.versions()["accounts"] == versions["accounts"]
    assert now.versions()["payments"] > versions["payments"]


def test_a_table_that_came_later_is_absent_from_earlier_versions(own, tmp_path):
    versions = own.versions()
    row = {"account_id": "A1", "taken_on": "2026-02-01", "balance": "1.00", "arrears": "0.00", "days_past_due": "0"}
    ingest(write(tmp_path / "more", {"balances": [row]}), own.path, PARAMS)
    now = Store(own.path)
    assert "balances" in now.tables()
    assert "balances" not in now.tables(versions=versions)


def test_a_store_without_a_delivery_says_so(tmp_path):
    store = commit.create(tmp_path / "store", 2)
    with pytest.raises(InputMissing, match=r"holds no delivery. Run `recoup ingest` first"):
        store.tables()


def test_a_store_of_another_format_is_refused(tmp_path, monkeypatch):
    place = commit.create(tmp_path / "store", 4).path
    monkeypatch.setattr(store_room, "FORMAT", 3)
    with pytest.raises(UsageError, match=r"has format 2, this version reads 3") as refused:
        Store(place)
    assert refused.value.exit_code == 2
