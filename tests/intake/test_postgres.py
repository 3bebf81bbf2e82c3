"""PostgreSQL as a source, against a real server: the same books as from files, one snapshot, exact values or one clear
refusal, and no secret anywhere.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from features.errors import ContractError, InputMissing, UsageError
from pipeline.cli import cli
from pipeline.intake.database import Query
from pipeline.intake.ingest import ingest
from pipeline.intake.postgres import postgres_snapshot
from pipeline.params import load
from pipeline.store.store import Store
from tests.worlds.deliveries import (
    HOUSE,
    PARAMS,
    PAYMENTS,
    codes,
    content,
    payment,
    world,
    write,
)

CANARY = "canary-7431"
TOKYO = {**PAYMENTS[1], "occurred_at": "2026-02-04T01:00:00Z"}  # 10:00 there
BOOKS = world(payments=[PAYMENTS[0], TOKYO])


def queried(**queries: str):
    return PARAMS.model_copy(update={"queries": queries})


def all_but(name: str, select: str):
    """Every table as it stands, and of one what this selects."""
    own = {table: f"SELECT * FROM {table}" for table in BOOKS}
    return queried(**{**own, name: select})


def reports(report) -> dict:
    return {table.name: table for table in report.tables}


# ---- the same books --------------------------------------------------------------------------------------------------


def test_a_database_and_files_fill_the_same_store(server, tmp_path):
    books = server.books(BOOKS)
    told = ingest(server.url(books), tmp_path / "a", PARAMS)
    ingest(write(tmp_path / "files", BOOKS), tmp_path / "b", PARAMS)
    assert content(tmp_path / "a") == content(tmp_path / "b")
    assert [(table.accepted, table.quarantined) for table in told.tables] == [(5, 0), (2, 0), (2, 0)]
    again = ingest(server.url(books), tmp_path / "a", PARAMS)
    assert again.already


def test_queries_turn_their_tables_into_ours(server, tmp_path):
    books = server.books({})
    server.run(
        books,
        "CREATE TABLE invoices (no int, owner int, billed date, due date, total numeric(12,2), paid date, cur char(3))",
        "INSERT INTO invoices VALUES (1, 7, '2026-01-10', '2026-02-01', 100, '2026-02-03', 'EUR'), "
        "(2, 8, '2026-01-11', '2026-02-01', 30.5, NULL, 'EUR')",
    )
    params = queried(
        accounts="SELECT no::text AS account_id, 'D' || owner AS debtor_id, 'paris' AS portfolio, 'invoice' product, "
        "'commercial' AS debtor_type, cur AS currency, billed AS opened_on FROM invoices -- each invoice is one;",
        charges="WITH i AS (SELECT * FROM invoices) SELECT no::text charge_id, no::text account_id, due AS due_on, "
        "total AS amount, 'invoice' AS kind FROM i;",
        payments="SELECT 'P' || no AS payment_id, no::text AS account_id, paid AS occurred_at, total AS amount, "
        "'payment' AS kind FROM invoices WHERE paid IS NOT NULL",
    )
    found = reports(ingest(server.url(books), tmp_path / "store", params))
    assert {name: (table.accepted, dict(table.money)) for name, table in found.items()} == {
        "accounts": (2, {}),
        "charges": (2, {"EUR": (13050, 13050, 0, 0)}),
        "payments": (1, {"EUR": (10000, 10000, 0, 0)}),
    }


def test_what_is_written_meanwhile_is_not_seen_in_any_table(server):
    books = server.books(BOOKS)
    payments = Query.alike("payments")
    with postgres_snapshot(server.url(books)) as snapshot:
        assert snapshot.tables() == ["accounts", "charges", "payments"]
        server.run(
            books, "INSERT INTO payments SELECT 'P9', account_id, occurred_at, amount, kind FROM payments LIMIT 1"
        )
        rows = sum(batch.num_rows for batch in snapshot.batches(payments, "payment_id::text", None))
    assert (rows, server.run(books, "SELECT count(*) FROM payments")) == (2, [(3,)])


def test_a_table_that_is_emptied_while_it_is_read_is_refused_and_never_half_read(server, tmp_path):
    books = server.books(BOOKS)
    server.run(books, "TRUNCATE payments")
    with pytest.raises(ContractError, match="Table 'payments' holds no rows in the database.*must say rows 0"):
        ingest(server.url(books), tmp_path / "store", PARAMS)
    params = queried(
        **{name: f"SELECT * FROM {name}" for name in BOOKS}, control="SELECT 'payments' AS table_name, 0 AS rows"
    )
    assert reports(ingest(server.url(books), tmp_path / "store", params))["payments"].rows_in == 0


# ---- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "of_type", "value", "expected"),
    [
        ("amount", "numeric", "12.30", 1230),
        ("amount", "numeric(38,10)", "12.3000000000", 1230),
        ("amount", "numeric(38,10)", "0.1", 10),
        ("amount", "bigint", "12", 1200),
        ("amount", "text", "12.3", 1230),
        ("amount", "numeric", "89999999999999.99", 8999999999999999),
        ("amount", "numeric", "90000000000000.01", "LIMIT_AMOUNT"),
        ("amount", "numeric", "NaN", "AMT_NAN"),
        ("amount", "numeric", "Infinity", "AMT_NAN"),
        ("amount", "numeric", "1.005", "AMT_SCALE"),
        ("amount", "text", "1.000", "AMT_SCALE"),
        ("amount", "text", "1,50", "AMT_FORMAT"),
        ("amount", "numeric(38,2)", "99999999999999999999999999999999.99", "LIMIT_AMOUNT"),
        ("occurred_at", "timestamptz", "2026-02-03 10:00:00+05:30", "2026-02-03T04:30:00"),
        ("occurred_at", "timestamptz", "2026-02-03 10:00:00.123456+00", "2026-02-03T10:00:00.123456"),
        ("occurred_at", "timestamp", "2026-02-03 10:00:00", "2026-02-03T09:00:00"),  # on the clock of its book, Paris
        ("occurred_at", "date", "2026-02-03", "2026-02-02T23:00:00"),
        ("occurred_at", "text", "2026-02-03T10:00:00Z", "2026-02-03T10:00:00"),
        ("occurred_at", "timestamptz", "infinity", "TS_FORMAT"),
        ("occurred_at", "date", "-infinity", "TS_FORMAT"),
        ("occurred_at", "date", "0044-03-15 BC", "TS_FORMAT"),
        ("occurred_at", "timestamp", "20260-02-03 10:00:00", "TS_FORMAT"),
        ("payment_id", "uuid", "0191f6a4-0000-7000-8000-000000000001", "0191f6a4-0000-7000-8000-000000000001"),
        ("payment_id", "char(12)", "X1", "X1"),
        ("payment_id", "bigint", "9223372036854775807", "9223372036854775807"),
        ("kind", "mood", "payment", "payment"),
    ],
)
def test_a_value_comes_in_exactly_or_is_set_aside(server, tmp_path, column, of_type, value, expected):
    books = server.books(world(payments=[payment()]))
    server.run(
        books,
        "CREATE TYPE mood AS ENUM ('payment', 'reversal')",
        f"ALTER TABLE payments ALTER {column} TYPE {of_type} USING '{value}'",
    )
    ingest(server.url(books), tmp_path / "store", PARAMS)
    if isinstance(expected, str) and expected.isupper() and "_" in expected:
        assert list(codes(tmp_path / "store").values()) == [expected]
        return
    (kept,) = (tmp_path / "store" / "payments").rglob("*.parquet")
    (value_kept,) = pq.read_table(kept, columns=[column])[column].to_pylist()
    if column == "occurred_at":
        value_kept = value_kept.replace(tzinfo=None).isoformat()
    assert value_kept == expected


@pytest.mark.parametrize(
    ("column", "of_type", "value", "sentence"),
    [
        ("amount", "double precision", "1.1", "'amount' is double: deliver it as text, integer or decimal"),
        ("amount", "money", "1.10", "'amount' is money: deliver it as text, integer or decimal"),
        ("kind", "json", '"x"', "'kind' is json: deliver it as text"),
        ("kind", "text[]", "{payment}", "'kind' is list: deliver it as text"),
        ("payment_id", "numeric", "7", "'payment_id' is decimal: deliver it as text"),
        ("occurred_at", "time", "10:00", "'occurred_at' is time: deliver it as text, date or timestamp"),
    ],
)
def test_a_column_that_would_lose_something_is_refused(server, tmp_path, column, of_type, value, sentence):
    books = server.books(world(payments=[payment()]))
    server.run(books, f"ALTER TABLE payments ALTER {column} TYPE {of_type} USING '{value}'")
    with pytest.raises(ContractError, match=sentence.replace("[", r"\[")) as refused:
        ingest(server.url(books), tmp_path / "store", PARAMS)
    assert len(str(refused.value).splitlines()) == 2
    assert not list((tmp_path / "store").glob("deliveries/*"))


def test_an_instant_is_no_day(server, tmp_path):
    books = server.books(BOOKS)
    server.run(books, "ALTER TABLE charges ALTER due_on TYPE timestamptz")
    with pytest.raises(ContractError, match="'due_on' is timestamp with time zone: deliver it as text, date or local"):
        ingest(server.url(books), tmp_path / "store", PARAMS)


# ---- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("select", "error", "sentence"),
    [
        ("SELECT account_id FROM payments", ContractError, "'payments' lacks 'payment_id'"),
        ("SELECT *, 1 AS owner FROM payments", ContractError, "has unknown 'owner'"),
        ("SELECT *, 1 AS kind FROM payments", ContractError, "columns 'kind' appear twice"),
        ("SELECT * FROM receipts", UsageError, 'relation "receipts" does not exist'),
        ("SELECT * FROMM payments", UsageError, "queries.payments of the params cannot be asked of the database"),
        ("SELECT 1) AS x; DROP TABLE payments; --", UsageError, "cannot be asked of the database"),
        ("SELECT *, nextval('numbers')::text AS method FROM payments", UsageError, "of the params would write"),
        ("SELECT payment_id, account_id, occurred_at, amount / 0 amount, kind FROM payments", UsageError, "on a row"),
        ("SELECT *, (account_id::int)::text AS method FROM payments", UsageError, "params fails on a row"),
    ],
)  # fmt: skip
def test_a_query_that_cannot_be_asked_is_named(server, tmp_path, select, error, sentence):
    books = server.books(BOOKS)
    server.run(books, "CREATE SEQUENCE numbers")
    with pytest.raises(error, match=sentence) as refused:
        ingest(server.url(books), tmp_path / "store", all_but("payments", select))
    assert "A1" not in str(refused.value)
    assert server.run(books, "SELECT count(*) FROM payments") == [(2,)]


def test_a_query_that_gives_other_rows_each_time_is_refused_where_it_is_counted(server, tmp_path):
    """The first time all of it is read; then what is read must be what the same snapshot counted."""
    books = server.books(BOOKS)
    fickle = (
        "SELECT p.*, now() AS known_at FROM payments p, generate_series(1, 30000) LIMIT (random() * 50000)::int + 1"
    )
    ingest(server.url(books), tmp_path / "store", all_but("payments", fickle))
    with pytest.raises(UsageError, match="queries.payments of the params gives other rows when it is asked again"):
        ingest(server.url(books), tmp_path / "store", all_but("payments", fickle))


def test_a_table_that_may_not_be_read_is_named(server, tmp_path):
    books = server.books(BOOKS)
    role = f"clerk_{books}"
    server.run(
        books,
        f"CREATE ROLE {role} LOGIN PASSWORD '{CANARY}'",
        f"GRANT USAGE ON SCHEMA {books} TO {role}",
        f"GRANT SELECT ON accounts, charges TO {role}",
    )
    place = tmp_path / "passes"
    place.write_text(f"*:*:*:*:{CANARY}\n")
    place.chmod(0o600)
    with pytest.raises(InputMissing, match="Table 'payments' of the database may not be read: permission denied"):
        ingest(server.url(books, role, passfile=str(place)), tmp_path / "store", PARAMS)


def test_a_database_without_our_tables_says_so(server, tmp_path):
    with pytest.raises(InputMissing, match="has no table of the contract's"):
        ingest(server.url("nowhere"), tmp_path / "store", PARAMS)
    assert not (tmp_path / "store" / "deliveries").exists()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://postgres@/nowhere?host={place}", "there is no such database"),
        ("postgresql://nobody@/postgres?host={place}", "there is none in the environment or the password file"),
        ("postgresql://postgres@/postgres?host=/nowhere", "nobody listens there"),
        ("postgresql://postgres@localhost:1/postgres", "nobody listens there"),
        ("postgresql://postgres@no.such.host.invalid/postgres", "there is no such host"),
    ],
)
def test_a_server_that_cannot_be_reached_says_why(server, tmp_path, url, why):
    with pytest.raises(InputMissing, match=f"cannot be reached: .*{why}"):
        ingest(url.format(place=server.place), tmp_path / "store", PARAMS)
    assert not (tmp_path / "store").exists()


def sleeping(server) -> bool:
    """Whether some query on the server sleeps for us."""
    active = "state = 'active' AND query LIKE '%pg_sleep(%' AND pid <> pg_backend_pid()"
    return server.run("public", f"SELECT count(*)::int FROM pg_stat_activity WHERE {active}") != [(0,)]


@contextmanager
def once_it_sleeps(server, what):
    """Meanwhile, do this as soon as the query is under way."""

    def wait() -> None:
        while not sleeping(server):
            time.sleep(0.05)
        what()

    waiter = threading.Thread(target=wait)
    waiter.start()
    try:
        yield
    finally:
        waiter.join()


def test_a_server_that_dies_midway_leaves_the_store_as_it_was(server, tmp_path):
    books = server.books(BOOKS)
    ingest(server.url(books), tmp_path / "store", PARAMS)
    before = content(tmp_path / "store")
    slow = all_but("payments", "SELECT p.* FROM payments p, pg_sleep(60)")
    try:
        with (
            once_it_sleeps(server, server.stop),
            pytest.raises(InputMissing, match="went away while being read .queries.payments"),
        ):
            ingest(server.url(books), tmp_path / "store", slow)
    finally:
        server.start()
    assert content(tmp_path / "store") == before
    assert not Store(tmp_path / "store").is_cut_off()
    assert ingest(server.url(books), tmp_path / "store", PARAMS).already


def test_a_query_that_takes_too_long_for_the_server_is_cut_short(server, tmp_path):
    books = server.books(BOOKS)
    url = server.url(books, options="-cstatement_timeout=400")
    slow = all_but("payments", "SELECT p.* FROM payments p, pg_sleep(30)")
    with pytest.raises(InputMissing, match="broke a query off .queries.payments of the params.*statement_timeout"):
        ingest(url, tmp_path / "store", slow)


def test_a_signal_ends_a_run_that_waits_for_a_silent_server(server, tmp_path):
    books = server.books(BOOKS)
    text = (
        (HOUSE / "params.yaml")
        .read_text()
        .replace(
            "queries: {}",
            'queries: {accounts: "SELECT a.* FROM accounts a, pg_sleep(300)", charges: "SELECT * FROM charges"}',
        )
    )
    (tmp_path / "params.yaml").write_text(text)
    command = [sys.executable, "-m", "pipeline.cli", "ingest", "--source", server.url(books), "--store", "store"]
    environment = {**os.environ, "PYTHONPATH": str(HOUSE)}
    running = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    while running.poll() is None and not sleeping(server):
        time.sleep(0.1)
    running.terminate()
    said = running.communicate(timeout=300)[1]
    assert (running.returncode, "Terminated." in said) == (143, True), said
    for _ in range(1000):
        if not sleeping(server):
            return
        time.sleep(0.1)
    pytest.fail("the query still runs on the server")


# ---- what is not read again ------------------------------------------------------------------------------------------

HISTORY = [
    payment(payment_id=f"P{at:02}", occurred_at=f"2026-03-{at:02}T10:00:00Z", known_at=f"2026-03-{at:02}T12:00:00Z")
    for at in range(1, 29)
]


def test_what_the_store_holds_is_not_read_again_and_a_late_row_is_found(server, tmp_path):
    books, store = server.books(world(payments=HISTORY)), tmp_path / "store"
    first = ingest(server.url(books), store, PARAMS)
    assert (reports(first)["payments"].rows_in, "payments whole" in first.read) == (28, True)
    server.run(books, "INSERT INTO payments SELECT 'N1', account_id, occurred_at, amount, kind, "
               "timestamptz '2026-03-29 12:00Z' FROM payments WHERE payment_id = 'P28'")  # fmt: skip
    second = ingest(server.url(books), store, PARAMS)
    told = reports(second)["payments"]
    assert (told.rows_in, told.accepted, told.duplicates) == (9, 1, 8)
    assert "payments from 2026-03-21 on" in second.read
    server.run(books, "INSERT INTO payments SELECT 'L1', account_id, occurred_at, amount, kind, known_at "
               "FROM payments WHERE payment_id = 'P02'")  # fmt: skip
    third = ingest(server.url(books), store, PARAMS)
    told = reports(third)["payments"]
    assert (told.rows_in, told.accepted) == (30, 1)
    assert "1 rows said to be known before 2026-03-22 came after that had been read" in " ".join(third.warnings)
    server.run(books, "DELETE FROM payments WHERE payment_id = 'P03'",
               "INSERT INTO payments SELECT 'N2', account_id, occurred_at, amount, kind, known_at FROM payments "
               "WHERE payment_id = 'N1'")  # fmt: skip
    fourth = ingest(server.url(books), store, PARAMS)
    told = reports(fourth)["payments"]
    assert (told.rows_in, told.accepted) == (9, 1)
    assert "1 rows known before 2026-03-22 are gone from the database" in " ".join(fourth.warnings)
    fifth = ingest(server.url(books), store, all_but("payments", "SELECT * FROM payments WHERE true"))
    assert "payments whole" in fifth.read
    held = pa.concat_tables(
        pq.read_table(place, columns=["payment_id"]) for place in (store / "payments").rglob("*.parquet")
    )
    assert sorted(held["payment_id"].to_pylist()) == sorted({f"P{at:02}" for at in range(1, 29)} | {"N1", "L1", "N2"})


def test_a_row_without_known_at_or_without_end_is_always_read(server, tmp_path):
    rows = [*HISTORY, payment(payment_id="E1"), payment(payment_id="E2", known_at="infinity")]
    books, store = server.books(world(payments=rows)), tmp_path / "store"
    ingest(server.url(books), store, PARAMS)
    server.run(books, "INSERT INTO payments SELECT 'E3', account_id, occurred_at, amount, kind, NULL FROM payments "
               "WHERE payment_id = 'E1'")  # fmt: skip
    told = reports(ingest(server.url(books), store, PARAMS))["payments"]
    assert (told.rows_in, told.accepted, told.quarantined, told.duplicates) == (11, 1, 1, 9)


def test_a_row_that_was_set_aside_is_read_again_until_it_is_mended(server, tmp_path):
    rows = [{**row, "account_id": "Z9"} if row["payment_id"] == "P05" else row for row in HISTORY]
    books, store = server.books(world(payments=rows)), tmp_path / "store"
    ingest(server.url(books), store, PARAMS)
    server.run(books, "INSERT INTO accounts SELECT 'Z9', debtor_id, portfolio, product, debtor_type, currency, "
               "opened_on, "
               "principal FROM accounts WHERE account_id = 'A1'")  # fmt: skip
    second = ingest(server.url(books), store, PARAMS)
    assert "payments from 2026-03-05 on" in second.read
    assert reports(second)["payments"].accepted == 1
    server.run(books, "INSERT INTO payments SELECT 'N1', account_id, occurred_at, amount, kind, known_at "
               "FROM payments WHERE payment_id = 'P28'")  # fmt: skip
    assert "payments from 2026-03-21 on" in ingest(server.url(books), store, PARAMS).read


def test_the_control_query_vouches_like_a_control_file(server, tmp_path):
    books = server.books(world(payments=HISTORY))
    own = {name: f"SELECT * FROM {name}" for name in ("accounts", "charges", "payments")}

    def with_control(control: str):
        return queried(**own, control=control)

    good = "SELECT 'payments' AS table_name, count(*) AS rows, DATE '2026-03-28' AS complete_through FROM payments"
    ingest(server.url(books), tmp_path / "a", with_control(good))
    assert Store(tmp_path / "a").declared_through()["payments"] == {"paris": 20540, "tokyo": 20540, "undeclared": 20540}
    strict = {"ingest": PARAMS.ingest.model_copy(update={"max_fault_rows": 0.0})}
    wrong_sum = "SELECT 'payments' AS table_name, 'EUR' AS currency, 1.00 AS total"
    for control, error, sentence in (
        (good.replace("count(*)", "count(*) + 1"), ContractError, "has 28 rows, queries.control says 29"),
        (good.replace("03-28", "01-28"), ContractError, "TS_FUTURE"),
        (good.replace("'payments' AS", "'payment' AS"), UsageError, "the row of 'payment' has a form"),
        (good.replace(" AS rows", " AS n"), UsageError, "must give table_name and of rows, complete_through"),
        (good + " UNION ALL " + good.replace("count(*)", "7"), UsageError, "says two things of 'payments'"),
        ("SELECT 'contacts' AS table_name, 1 AS rows", UsageError, "vouches for contacts, which no query gives"),
        (wrong_sum, ContractError, "sums of its control file differ"),
    ):
        with pytest.raises(error, match=sentence):
            ingest(server.url(books), tmp_path / "b", with_control(control).model_copy(update=strict))
    sums = "SELECT 'payments' AS table_name, 'EUR' AS currency, sum(amount) AS total FROM payments"
    ingest(server.url(books), tmp_path / "c", with_control(sums))
    server.run(books, "INSERT INTO payments SELECT 'N1', account_id, occurred_at, amount, kind, known_at "
               "FROM payments WHERE payment_id = 'P28'")  # fmt: skip
    assert "payments whole" in ingest(server.url(books), tmp_path / "c", with_control(sums)).read


# ---- secrets ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def clerk(server) -> tuple[str, str]:
    """A database, and a role that may read it by its password."""
    books = server.books(BOOKS)
    role = f"clerk_{books}"
    server.run(
        books,
        f"CREATE ROLE {role} LOGIN PASSWORD '{CANARY}'",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {books} TO {role}",
        f"GRANT USAGE ON SCHEMA {books} TO {role}",
    )
    return books, role


@pytest.mark.parametrize("way", ["PGPASSWORD", "PGPASSFILE", "${NAME}"])
def test_a_password_of_the_environment_opens_and_is_written_nowhere(server, tmp_path, monkeypatch, clerk, way):
    books, role = clerk
    url = server.url(books, role)
    if way == "PGPASSFILE":
        (tmp_path / "passes").write_text(f"*:*:*:*:{CANARY}\n")
        (tmp_path / "passes").chmod(0o600)
        monkeypatch.setenv(way, str(tmp_path / "passes"))
    else:
        monkeypatch.setenv(way.strip("${}"), CANARY)
        url = url.replace("@/", ":${NAME}@/") if way == "${NAME}" else url
    (tmp_path / "params.yaml").write_text(
        (HOUSE / "params.yaml").read_text().replace("source: data/sample", f"source: {url}")
    )
    said = CliRunner().invoke(
        cli, ["ingest", "--params", str(tmp_path / "params.yaml"), "--store", str(tmp_path / "store")]
    )
    assert said.exit_code == 0, said.output
    assert f"Read in one snapshot of postgresql://{server.place}/postgres: " in said.output
    written = b"".join(place.read_bytes() for place in (tmp_path / "store").rglob("*") if place.is_file())
    assert CANARY not in said.output
    assert CANARY.encode() not in written
    monkeypatch.setenv("NAME", "wrong-" + CANARY)
    monkeypatch.setenv("PGPASSWORD", "wrong-" + CANARY)
    with pytest.raises(InputMissing, match="the user or its password is not accepted") as refused:
        ingest(url, tmp_path / "other", PARAMS)
    assert CANARY not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_password_that_others_can_read_is_refused(server, tmp_path, monkeypatch, clerk):
    books, role = clerk
    (tmp_path / "passes").write_text(f"*:*:*:*:{CANARY}\n")
    (tmp_path / "passes").chmod(0o640)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "passes"))
    with pytest.raises(
        UsageError, match="holds passwords that others can read. Let its owner alone read it: chmod 600"
    ):
        ingest(server.url(books, role), tmp_path / "store", PARAMS)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://clerk:{CANARY}@host/books",
        f"postgresql://clerk:{CANARY}%%@host/books",
        f"postgresql://clerk:a/b?{CANARY}@host/books",
        f"postgresql://host/books?user=clerk&password={CANARY}",
        f"postgresql://clerk@host/books?sslpassword={CANARY}",
        f"mysql://clerk:{CANARY}@host/books",
    ],
)
def test_a_password_on_the_command_line_or_in_the_params_is_refused_unseen(tmp_path, url):
    said = CliRunner().invoke(cli, ["ingest", "--params", str(HOUSE / "params.yaml"), "--source", url])
    assert (said.exit_code, "--source must not hold a password" in said.output) == (2, True)
    place = tmp_path / "params.yaml"
    place.write_text((HOUSE / "params.yaml").read_text().replace("source: data/sample", f"source: '{url}'"))
    with pytest.raises(UsageError, match="paths.source: must not hold a password") as of_params:
        load(place)
    with pytest.raises(UsageError, match="--source must not hold a password") as of_ingest:
        ingest(url.replace("mysql", "postgresql"), tmp_path / "store", PARAMS)
    assert CANARY not in said.output + str(of_params.value) + str(of_ingest.value)


def test_a_name_that_the_environment_lacks_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("RECOUP_TEST_NAME", raising=False)
    with pytest.raises(UsageError, match="wants RECOUP_TEST_NAME of the environment, which is not set"):
        ingest("postgresql://clerk:${RECOUP_TEST_NAME}@host/books", tmp_path / "store", PARAMS)


@pytest.mark.parametrize("url", ["postgresql://[::1/db", "postgresql://[nowhere]/db"])
def test_an_address_that_is_none_is_a_fault_of_the_command(tmp_path, url):
    with pytest.raises(UsageError, match="its host cannot be read. Write postgresql://USER@HOST/DATABASE"):
        ingest(url, tmp_path / "store", PARAMS)


def test_another_kind_of_server_is_refused(tmp_path):
    with pytest.raises(UsageError, match="begins with 'mysql://'. What is read: postgresql://USER@HOST/DATABASE"):
        ingest("mysql://clerk@host/books", tmp_path / "store", PARAMS)
