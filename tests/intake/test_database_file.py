"""Databases that are one file, DuckDB's and SQLite's: the same books as from files; how far a snapshot reached.

Also of database.py.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import ContractError, InputMissing, UsageError
from features.tables import Kind
from pipeline.intake.database import OVERLAP_DAYS, Reach, _since
from pipeline.intake.ingest import ingest
from pipeline.intake.quarantine import SetAside
from pipeline.params import holds_secret
from pipeline.store.record import Mark
from pipeline.store.store import Store
from tests.worlds.deliveries import PARAMS, PAYMENTS, content, payment, world, write
from tests.worlds.servers import TYPES, statements_of

BOOKS = world(payments=PAYMENTS)
DUCKDB_TYPES = {**TYPES, Kind.TIME: "timestamptz", Kind.MONEY: "decimal(18,3)"}
HISTORY = [
    payment(payment_id=f"P{at:02}", occurred_at=f"2026-03-{at:02}T10:00:00Z", known_at=f"2026-03-{at:02}T12:00:00Z")
    for at in range(1, 29)
]


def a_file(place: Path, tables, *further: str) -> Path:
    """A database at the place, DuckDB's with types of its own, SQLite's of texts alone."""
    connect, types = (duckdb.connect, DUCKDB_TYPES) if place.suffix == ".duckdb" else (sqlite3.connect, {})
    with closing(connect(str(place))) as connection:
        if types:
            connection.execute("SET TimeZone = 'Asia/Tokyo'")
        for statement in (*(each for name in tables for each in statements_of(name, tables[name], types)), *further):
            connection.execute(statement)
        connection.commit()
    return place


@pytest.mark.parametrize("name", ["b.duckdb", "b.sqlite"])
def test_a_file_and_a_folder_fill_the_same_store(tmp_path, name):
    told = ingest(a_file(tmp_path / name, BOOKS), tmp_path / "a", PARAMS)
    ingest(write(tmp_path / "files", BOOKS), tmp_path / "b", PARAMS)
    assert content(tmp_path / "a") == content(tmp_path / "b")
    assert [(table.accepted, table.quarantined) for table in told.tables] == [(5, 0), (2, 0), (2, 0)]
    assert ingest(tmp_path / name, tmp_path / "a", PARAMS).already
    assert ingest(tmp_path / name, tmp_path / "c", PARAMS, dry_run=True).tables == told.tables


@pytest.mark.parametrize("name", ["b.duckdb", "b.sqlite"])
def test_what_is_held_is_not_read_again_and_a_late_row_is_found(tmp_path, name):
    place, store = a_file(tmp_path / name, world(payments=HISTORY)), tmp_path / "store"
    ingest(place, store, PARAMS)
    columns = "account_id, occurred_at, amount, kind, known_at"
    a_file(place, {}, f"INSERT INTO payments SELECT 'N1', {columns} FROM payments WHERE payment_id = 'P28'")
    second = ingest(place, store, PARAMS)
    assert "payments from 2026-03-21 on" in second.read
    assert [(table.rows_in, table.accepted) for table in second.tables if table.name == "payments"] == [(9, 1)]
    a_file(place, {}, f"INSERT INTO payments SELECT 'L1', {columns} FROM payments WHERE payment_id = 'P02'")
    third = ingest(place, store, PARAMS)
    assert [(table.rows_in, table.accepted) for table in third.tables if table.name == "payments"] == [(30, 1)]
    assert len(Store(store).tables()["payments"]) == 30


LIKE = "INSERT INTO payments SELECT '{}', account_id, occurred_at, amount, kind, known_at FROM payments "


@pytest.mark.parametrize("name", ["b.duckdb", "b.sqlite"])
def test_a_row_that_went_does_not_hide_one_that_came_late(tmp_path, name):
    place, store = a_file(tmp_path / name, world(payments=HISTORY)), tmp_path / "store"
    ingest(place, store, PARAMS)
    late = f"{LIKE.format('L1')} WHERE payment_id = 'P02'"
    a_file(place, {}, late, "DELETE FROM payments WHERE payment_id = 'P03'")
    second = ingest(place, store, PARAMS)
    assert "payments whole" in second.read
    assert [sentence.split(": ")[1][:6] for sentence in second.warnings if "known before" in sentence] == ["1 rows"] * 2
    assert "L1" in set(Store(store).frame("payments")["payment_id"])
    assert not [sentence for sentence in ingest(place, store, PARAMS).warnings if "came after" in sentence]


@pytest.mark.parametrize("name", ["b.duckdb", "b.sqlite"])
def test_a_row_that_went_is_recorded_though_nothing_else_is_new(tmp_path, name):
    """So a late row of the same day, afterwards, is found."""
    place, store = a_file(tmp_path / name, world(payments=HISTORY)), tmp_path / "store"
    ingest(place, store, PARAMS)
    for gone in ("P03", "P04"):
        a_file(place, {}, f"DELETE FROM payments WHERE payment_id = '{gone}'")
        found = ingest(place, store, PARAMS)
        assert "1 rows known before 2026-03-21 are gone from the database" in " ".join(found.warnings)
    late = f"{LIKE.format('L1')} WHERE payment_id = 'P02'"
    a_file(place, {}, late, "UPDATE payments SET known_at = '2026-03-04T12:00:00Z' WHERE payment_id = 'L1'")
    assert "payments whole" in ingest(place, store, PARAMS).read
    assert "L1" in set(Store(store).frame("payments")["payment_id"])


def test_a_mark_of_an_earlier_version_has_a_total_alone():
    days = {"2026-03-01": 2, "2026-03-02": 3, "2026-03-28": 1}
    assert _since("payments", Mark("q", "2026-03-21", 5), days) == ("2026-03-21", [])
    assert _since("payments", Mark("q", "2026-03-21", 4), days)[0] is None


def test_a_table_that_is_read_whole_is_judged_by_its_new_rows(tmp_path):
    """Six weeks, delivered each Sunday; then a late row makes the table be read whole: no unusual volume for that."""
    store, place = tmp_path / "store", tmp_path / "b.duckdb"

    def week(number: int) -> list[dict[str, str]]:
        days = [dt.date(2026, 3, 2) + dt.timedelta(7 * number + day) for day in range(7)]
        return [
            payment(payment_id=f"W{day}-{at}", occurred_at=str(day), known_at=str(day))
            for day in days
            for at in range(20)
        ]

    a_file(place, world(payments=week(0)))
    ingest(place, store, PARAMS)
    for number in range(1, 6):
        a_file(place, {}, *list(statements_of("payments", week(number), DUCKDB_TYPES))[1:])
        ingest(place, store, PARAMS)
    late = "INSERT INTO payments SELECT 'L1', account_id, occurred_at, amount, kind, known_at FROM payments "
    last = list(statements_of("payments", week(6), DUCKDB_TYPES))[1:]
    a_file(place, {}, *last, f"{late} WHERE payment_id = 'W2026-03-02-1'")
    found = ingest(place, store, PARAMS)
    assert [(table.rows_in, table.accepted) for table in found.tables if table.name == "payments"] == [(981, 141)]


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        (
            "b.sqlite",
            "ALTER TABLE payments DROP amount; ALTER TABLE payments ADD amount REAL DEFAULT 1.5",
            "'amount' is double: deliver it as text",
        ),
        ("b.sqlite", "UPDATE payments SET amount = x'00'", "'amount' is blob: deliver it as text"),
        ("b.duckdb", "ALTER TABLE payments ALTER amount TYPE DOUBLE", "'amount' is double: deliver it as text"),
        (
            "b.duckdb",
            "ALTER TABLE payments ALTER kind TYPE VARCHAR[] USING [kind]",
            "'kind' is list: deliver it as text",
        ),
        ("b.duckdb", "ALTER TABLE payments RENAME amount TO ammount", "has unknown 'ammount'"),
    ],
)
def test_a_column_that_would_lose_something_is_refused(tmp_path, name, change, sentence):
    place = a_file(tmp_path / name, BOOKS, *change.split("; "))
    with pytest.raises(ContractError, match=sentence):
        ingest(place, tmp_path / "store", PARAMS)


@pytest.mark.parametrize(
    ("name", "select", "sentence"),
    [
        ("b.duckdb", "SELECT * FROM receipts", "Table with name receipts does not exist"),
        ("b.duckdb", "SELECT * FROM read_csv('/etc/hostname')", "reads files beside the database"),
        ("b.duckdb", "SELECT * REPLACE (account_id::INT::VARCHAR AS account_id) FROM payments", "fails on a row"),
        ("b.sqlite", "SELECT * FROM receipts", "no such table: receipts"),
        ("b.sqlite", "SELEC * FROM payments", "near .*: syntax error"),
    ],
)
def test_a_query_that_cannot_be_asked_is_named(tmp_path, name, select, sentence):
    own = {table: f"SELECT * FROM {table}" for table in BOOKS}
    params = PARAMS.model_copy(update={"queries": {**own, "payments": select}})
    with pytest.raises(UsageError, match=f"queries.payments of the params .*{sentence}") as refused:
        ingest(a_file(tmp_path / name, BOOKS), tmp_path / "store", params)
    assert "A1" not in str(refused.value)


def test_a_file_that_is_no_database_or_is_held_is_refused(tmp_path):
    (tmp_path / "payments.csv").write_text("payment_id\n")
    with pytest.raises(UsageError, match="is a file, but no database of DuckDB or SQLite"):
        ingest(tmp_path / "payments.csv", tmp_path / "store", PARAMS)
    torn = a_file(tmp_path / "b.duckdb", BOOKS)
    torn.write_bytes(torn.read_bytes()[:5000])
    with pytest.raises(InputMissing, match="cannot be reached: DuckDB does not open it"):
        ingest(torn, tmp_path / "store", PARAMS)
    held = a_file(tmp_path / "b.sqlite", BOOKS)
    with closing(sqlite3.connect(held)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(InputMissing, match="went away while being read"):
            ingest(held, tmp_path / "store", PARAMS)
    assert not (tmp_path / "store").exists()


# ---- how far a snapshot reached --------------------------------------------------------------------------------------


def test_a_mark_lies_before_the_last_day_and_before_what_was_set_aside():
    days = {
        "2026-03-01": 2,
        "2026-03-20": 5,
        "2026-03-28": 1,
        "2099-01-01": 1,
        "infinity": 1,
        "0044-03-15 BC": 1,
        None: 4,
    }
    reach = Reach("q", days, "2026-03-28")
    assert OVERLAP_DAYS == 7
    assert reach.mark([]) == Mark("q", "2026-03-21", 8, {"0044-03-15": 1, "2026-03-01": 2, "2026-03-20": 5})
    row = SetAside("payments", "payments", 1, "ACCT_UNKNOWN", '{"known_at": "2026-03-05 10:00:00+00"}')
    assert reach.mark([row]) == Mark("q", "2026-03-05", 3, {"0044-03-15": 1, "2026-03-01": 2})
    nothing = SetAside("payments", "payments", 1, "TS_FORMAT", '{"known_at": "infinity"}')
    assert reach.mark([nothing]) == reach.mark([])


@given(word=st.text(min_size=1).filter(lambda word: "${" not in word), user=st.text("abc", max_size=3))
def test_no_password_in_a_url_goes_unseen(word, user):
    """Whatever stands between the user and the host, or after password=."""
    assert holds_secret(f"postgresql://{user}:{word}@host:5432/books?sslmode=require")
    assert holds_secret(f"postgresql://host/books?user={user}&password={word.replace('&', '')}x")
    assert not holds_secret(f"postgresql://{user}@host:5432/books?sslmode=require")
    assert not holds_secret(f"postgresql://{user}:${{NAME}}@host:5432/books?password=${{OTHER}}")
