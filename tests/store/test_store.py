"""The store: whole shards in the inner form, versions that stay, damage that is noticed, one writer at a time."""

from __future__ import annotations

import datetime as dt
import pickle
import re
import subprocess
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from features.errors import ContractError, InputMissing, UsageError
from features.tables import (
    NO_DAY,
    NO_MONEY,
    NO_NUMBER,
    NUMBERS,
    TABLES,
    account_number,
    check,
    inner_columns,
    numbered,
    shard_of,
)
from pipeline.intake.ingest import ingest
from pipeline.store import commit
from pipeline.store import store as store_room
from pipeline.store.form import sort_columns
from pipeline.store.store import Store
from pipeline.store.verify import examine_store
from tests.worlds.deliveries import (
    PARAMS,
    PAYMENTS,
    account,
    charge,
    contact,
    content,
    day,
    payment,
    status,
    world,
    write,
)

NIGHT = day("2026-03-01")


def full_world(accounts=40):
    """Some accounts in every shard, several events each."""
    many = [account(account_id=f"M{number}", debtor_id=f"D{number // 2}", x_score=str(number)) for number in range(accounts)]
    paid = [
        payment(payment_id=f"Q{number}-{turn}", account_id=f"M{number}", occurred_at=f"2026-02-{turn * 5 + 1:02}", method="card")
        for number in range(accounts)
        for turn in range(3)
    ]
    called = [contact(contact_id=f"K{number}", account_id=f"M{number}", agent="a1") for number in range(accounts)]
    return world(accounts=many, payments=[*PAYMENTS, *paid], contacts=called, statuses=[status(until_on="2026-03-01")])


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    """A store of one delivery. Tests only read it."""
    place = tmp_path_factory.mktemp("held")
    ingest(write(place / "source", full_world()), place / "store", PARAMS)
    return Store(place / "store")


@pytest.fixture
def own(held, tmp_path):
    """The same store again, for a test that changes it."""
    subprocess.run(["cp", "-r", str(held.path), str(tmp_path / "store")], check=True)
    return Store(tmp_path / "store")


# Reading


def test_tables_come_in_the_inner_form(held):
    tables = held.tables()
    check(tables)
    assert list(tables) == ["accounts", "charges", "payments", "contacts", "statuses"]
    for name, frame in tables.items():
        expected = {column: dtype for column, dtype in inner_columns(name).items() if name == "accounts" or column != "account_id"}
        found = {column: "str" if str(frame[column].dtype) in ("category", "str") else str(frame[column].dtype) for column in expected}
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
        assert set(shard_of(tables["accounts"]["debtor_id"], held.shards)) <= {shard}
        for frame in tables.values():
            assert set(shard_of([owner[number] for number in frame["account_no"]], held.shards)) <= {shard}
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
    with pytest.raises(UsageError, match=r"columns asked of table 'payments' has unknown 'amuont' \(nearest: 'amount'\)"):
        held.tables(0, ["payments"], {"payments": ["amuont"]})
    with pytest.raises(UsageError, match=r"tables asked of the store has unknown 'payment' \(nearest: 'payments'\)"):
        held.tables(0, ["payment"])


def test_rows_are_in_their_total_order_from_one_file_or_many(held):
    for shards in (0, None):
        for name, frame in held.tables(shards).items():
            keys = [tuple(row) for row in frame[sort_columns(name)].astype(object).to_numpy().tolist()]
            assert all(first < second for first, second in pairwise(keys))


def test_ids_lie_beside_their_numbers(held):
    """As ingest writes them, and as they are made from the text where a frame lacks them."""
    tables = held.tables()
    found = [(name, ids) for name, frame in tables.items() for ids in NUMBERS if ids in frame]
    assert found == [
        ("charges", "charge_id"), ("payments", "charge_id"), ("payments", "payment_id"), ("payments", "reverses"),
        ("contacts", "contact_id"),
    ]  # fmt: skip
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
    assert held.shard_of_account("A1") == shard_of(["D1"], held.shards)[0]
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
    tonight = write(tmp_path / "tonight", {"payments": [payment(payment_id="new")], "charges": [charge(charge_id="new")]},
                    controls={"payments": {"complete_through": "2026-03-05"}})  # fmt: skip
    ingest(tonight, own.path, PARAMS)
    now = Store(own.path)
    assert len(now.tables()["payments"]) == len(before["payments"]) + 1
    assert all(now.tables(versions=versions)[name].equals(frame) for name, frame in before.items())
    assert (now.complete_through()["payments"], now.complete_through(versions)["payments"]) == (day("2026-03-05"), day("2026-02-11"))
    assert now.versions()["accounts"] == versions["accounts"]
    assert now.versions()["payments"] > versions["payments"]


def test_a_table_that_came_later_is_absent_from_earlier_versions(own, tmp_path):
    versions = own.versions()
    row = {"account_id": "A1", "taken_on": "2026-02-01", "balance": "1.00", "arrears": "0.00", "days_past_due": "0"}
    ingest(write(tmp_path / "more", {"balances": [row]}), own.path, PARAMS)
    now = Store(own.path)
    assert "balances" in now.tables()
    assert "balances" not in now.tables(versions=versions)


def test_rows_of_many_deliveries_are_read_in_order_and_brought_together(own, tmp_path, monkeypatch):
    monkeypatch.setattr(commit, "FILES_PER_SHARD", 3)
    first = own.versions()
    for number in range(6):
        rows = [payment(payment_id=f"Z{number}-{each}", account_id="A1", occurred_at=f"2026-02-{20 - number:02}") for each in range(3)]
        ingest(write(tmp_path / f"night-{number}", {"payments": rows}), own.path, PARAMS)
    now = Store(own.path)
    frame = now.tables(now.shard_of_account("A1"), ["payments"])["payments"]
    mine = frame[frame["account_no"] == account_number(["A1"])[0]]
    assert len(mine) == 19
    assert mine["occurred_at"].is_monotonic_increasing
    newest = mine[mine["occurred_on"] == day("2026-02-20")]
    assert sorted(newest["payment_id"]) == ["Z0-0", "Z0-1", "Z0-2"]
    assert newest["payment_no"].is_monotonic_increasing
    before = content(own.path)
    files = len(now.delta.files("payments")[str(now.shard_of_account("A1"))])
    commit.compact(now)
    commit.compact(now)
    ingest(write(tmp_path / "last", {"payments": [payment(payment_id="end")]}), own.path, PARAMS)
    after = Store(own.path)
    assert len(after.delta.files("payments")[str(now.shard_of_account("A1"))]) <= files <= 4
    assert len(content(own.path)["payments"]) == len(before["payments"]) + 1
    assert set(before["payments"]) < set(content(own.path)["payments"])
    assert len(after.tables(versions=first)["payments"]) == 122


def test_a_store_without_a_delivery_says_so(tmp_path):
    store = commit.create(tmp_path / "store", 2)
    with pytest.raises(InputMissing, match=r"holds no delivery. Run `recoup ingest` first"):
        store.tables()


# Opening


def test_a_folder_that_is_no_store_is_refused(tmp_path):
    with pytest.raises(InputMissing, match=r"There is no store at"):
        Store(tmp_path / "none")
    (tmp_path / "photos").mkdir()
    with pytest.raises(UsageError, match=r"is not a store: it lacks store.json"):
        Store(tmp_path / "photos")
    (tmp_path / "photos" / "cat.png").write_text("meow")
    with pytest.raises(UsageError, match=r"is not a store and not empty"):
        commit.create(tmp_path / "photos", 4)
    with pytest.raises(UsageError, match=r"has 4 shards, store.shards of the params says 8"):
        commit.create(commit.create(tmp_path / "store", 4).path, 8)


def test_a_store_of_another_format_is_refused(tmp_path, monkeypatch):
    place = commit.create(tmp_path / "store", 4).path
    monkeypatch.setattr(store_room, "FORMAT", 3)
    with pytest.raises(UsageError, match=r"has format 2, this version reads 3") as refused:
        Store(place)
    assert refused.value.exit_code == 2


# Damage


def data_file(store, name, shard=None):
    shards = [shard] if shard is not None else range(store.shards)
    return next(place for each in shards for place in sorted((store.path / name / f"shard={each}").glob("*.parquet")))


@pytest.mark.parametrize("position", [4, 0.3, 0.6, -9])
def test_a_flipped_bit_in_a_data_file_is_noticed_before_anything_is_read(own, position):
    place = data_file(own, "payments")
    whole = bytearray(place.read_bytes())
    whole[int(position * len(whole)) if isinstance(position, float) else position] ^= 1
    place.write_bytes(whole)
    with pytest.raises(ContractError, match=r"'payments/shard=\d/[0-9a-f]{64}.parquet' is damaged: its sha256 differs") as refused:
        own.tables()
    assert refused.value.exit_code == 65
    (fault,) = examine_store(own.path).faults
    assert re.fullmatch(r"Store file 'payments/shard=\d/[0-9a-f]{64}.parquet' is damaged: its sha256 differs. .*", fault)
    with pytest.raises(ContractError, match=r"is damaged"):
        ingest(write(own.path.parent / "more", {"payments": [payment(payment_id="new")]}), own.path, PARAMS)


def test_a_file_cut_short_or_gone_is_noticed(own):
    place = data_file(own, "accounts")
    place.write_bytes(place.read_bytes()[:-100])
    with pytest.raises(ContractError, match=r"is damaged"):
        own.tables(versions=own.versions())
    place.unlink()
    with pytest.raises(ContractError, match=r"is gone. Restore it"):
        Store(own.path).tables()


@pytest.mark.parametrize("where", ["store.json", "deliveries/*.json", "payments/_delta_log/*1.json", "payments/_seals/*1"])
def test_a_flipped_bit_in_the_books_is_noticed(own, where):
    (place,) = own.path.glob(where)
    text = bytearray(place.read_bytes())
    position = text.find(b"shard") if b"shard" in text else 9
    text[position] ^= 2
    place.write_bytes(text)
    with pytest.raises(ContractError, match=r"is damaged|its log is damaged"):
        Store(own.path).tables()


def test_a_log_that_names_a_foreign_file_is_refused(own):
    from deltalake import DeltaTable, write_deltalake

    write_deltalake(own.path / "payments", DeltaTable(own.path / "payments").to_pyarrow_table().slice(0, 1), mode="append")
    with pytest.raises(ContractError, match=r"names a file that `recoup` did not write"):
        Store(own.path).data_files("payments")
    assert any("names a file that `recoup` did not write" in fault for fault in examine_store(own.path).faults)


# Tables of nights


def assignments(night=NIGHT, count=3, probability=0.05):
    return pd.DataFrame(
        {
            "as_of": np.int32(night),
            "account_no": np.arange(count, dtype="int64"),
            "group": pd.Categorical(["worklist", "held_out", "worklist"][:count]),
            "probability": probability,
            "note": None,
        }
    )


def test_a_night_written_again_is_replaced_and_the_same_night_changes_nothing(own):
    commit.replace_night(own, "assignments", assignments(), NIGHT)
    commit.replace_night(own, "assignments", assignments(NIGHT + 1), NIGHT + 1)
    first = own.versions()
    commit.replace_night(own, "assignments", assignments(), NIGHT)
    assert own.versions() == first
    commit.replace_night(own, "assignments", assignments(count=2), NIGHT)
    assert own.versions()["assignments"] == first["assignments"] + 1
    frame = own.read("assignments")
    assert frame.groupby("as_of").size().to_dict() == {NIGHT: 2, NIGHT + 1: 3}
    assert frame["as_of"].dtype == "int32"
    assert frame["group"].dtype == "str"
    assert len(own.read("assignments", versions=first)) == 6
    commit.replace_night(own, "assignments", assignments(count=0), NIGHT)
    assert own.read("assignments")["as_of"].unique().tolist() == [NIGHT + 1]


def test_nights_are_read_by_their_days_and_columns(own):
    for night in range(NIGHT, NIGHT + 4):
        commit.append(own, "assignments", assignments(night))
        commit.append(own, "assignments", assignments(night))
    frame = own.read("assignments", ["account_no", "as_of"], since=NIGHT + 1, before=NIGHT + 3)
    assert list(frame.columns) == ["account_no", "as_of"]
    assert frame["as_of"].value_counts().to_dict() == {NIGHT + 1: 3, NIGHT + 2: 3}
    assert own.read("scores").empty
    assert own.read("assignments", versions={}).empty
    assert own.read("assignments", ["account_no"], since=NIGHT + 9).columns.tolist() == ["account_no"]


def test_nights_keep_their_columns_and_types(own):
    commit.append(own, "scores", assignments())
    with pytest.raises(ContractError, match=r"Table 'scores' lacks 'group'"):
        commit.append(own, "scores", assignments(NIGHT + 1).drop(columns="group"))
    with pytest.raises(ContractError, match=r"Table 'scores' lacks 'agent'"):
        own.read("scores", ["account_no", "agent"])
    with pytest.raises(ContractError, match=r"Table 'scores' has unknown 'grupo' \(nearest: 'group'\)"):
        commit.append(own, "scores", assignments(NIGHT + 1).assign(grupo=1))
    with pytest.raises(ContractError, match=r"columns probability must keep the types"):
        commit.append(own, "scores", assignments(NIGHT + 1).assign(probability="high"))
    with pytest.raises(UsageError, match=r"must all have as_of \d+, the night they replace"):
        commit.replace_night(own, "scores", assignments(NIGHT + 1), NIGHT)
    with pytest.raises(UsageError, match=r"Table 'payments' is not one that nights write"):
        commit.append(own, "payments", assignments())
    with pytest.raises(UsageError, match=r"Table '../x' is not one that nights write"):
        commit.append(own, "../x", assignments())


def test_a_store_with_a_cut_off_ingest_takes_no_nights(own):
    (own.path / "pending.json").write_text("{}")
    with pytest.raises(InputMissing, match=r"was cut off"):
        commit.append(own, "scores", assignments())
    with pytest.raises(ContractError, match=r"'pending.json' is damaged"):
        commit.recover(own)


# Other engines


def test_any_engine_reads_the_tables(held):
    from deltalake import DeltaTable

    rows = DeltaTable(held.path / "payments").to_pyarrow_table(
        columns=["shard", "payment_id", "account_id", "occurred_on", "occurred_at", "amount"]
    )
    found = {row["payment_id"]: row for row in rows.to_pylist()}
    assert found["P1"]["occurred_on"] == dt.date(2026, 2, 3)
    assert found["P1"]["amount"] == 4000
    assert found["P1"]["account_id"] == "A1"
    assert found["P1"]["occurred_at"] == dt.datetime(2026, 2, 3, 9, tzinfo=dt.UTC)
    assert {name for name in TABLES if (held.path / name).exists()} == set(held.tables())
