"""Deliveries as files: which are refused and why, what control files prove,
and that form and cut make no difference.

Also of files.py and refusals.py.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import os
import re
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import ContractError, InputMissing
from features.tables import TABLES, TREATMENTS, check
from pipeline.intake import ingest as ingest_room
from pipeline.intake.ingest import ingest
from pipeline.params import load
from pipeline.simulate.portfolio import simulate
from pipeline.store.store import Store
from tests.worlds.deliveries import (
    ACCOUNTS,
    CHARGES,
    PARAMS,
    PAYMENTS,
    charge,
    content,
    day,
    params_with,
    payment,
    refusal,
    statement,
    taken,
    world,
    write,
)

pytestmark = pytest.mark.slow

# Files

HEAD = "payment_id,account_id,occurred_at,amount,kind\n"


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("payments.csv", "", r"'payments.csv' is empty"),
        ("payments.csv", HEAD, r"Table 'payments' holds no rows"),
        ("payments.csv", "payment_id,account_id,occurred_at,amount\nP1,A1,2026-01-01,1.00\n", r"lacks 'kind'\."),
        (
            "payments.csv",
            "payment_id,account_id,ocurred_at,amount,kind\nP1,A1,2026-01-01,1.00,payment\n",
            r"unknown 'ocurred_at' \(nearest: 'occurred_at'\).*lacks 'occurred_at' \(nearest: 'ocurred_at'\)",
        ),
        (
            "payments.csv",
            "payment_id,account_id,occurred_at,amount,kind,x_note\nP1,A1,2026-01-01,1.00,payment,n\n",
            r"unknown 'x_note'",
        ),
        ("payments.csv", "payment_id,payment_id,account_id,occurred_at,amount,kind\n", r"'payment_id' appear twice"),
        ("payments.csv", "payment_id;account_id;occurred_at;amount;kind\n", r"separated by commas"),
        ("payments.csv", HEAD + "P1,A1,2026-01-01,1.00,payment", r"does not end with a line break"),
        ("payments.csv", HEAD + "P1,A1,2026-01-01,1.0\n", r"too few or too many cells at line 2"),
        ("payments.csv", HEAD + "P1,A1,2026-01-01,1.00,payment,7\n", r"too few or too many cells at line 2"),
        ("payments.csv", HEAD + 'P1,A1,2026-01-01,"1.00,payment\n', r"a quote that does not end at line 2"),
        ("payments.csv", HEAD + "P1,A1,2026-01-01,1.00,pay\0ment\n", r"is not UTF-8 text"),
        ("payments.csv", HEAD.encode() + b"P\xff1,A1,2026-01-01,1.00,payment\n", r"is not UTF-8 text at line 2"),
        ("payments.csv", b"payment\xff_id,account_id\n", r"is not UTF-8 text at line 1"),
        ("payments.csv", ",".join(f"c{number}" for number in range(1002)) + "\n", r"LIMIT_COLUMNS"),
        ("payments.csv", HEAD + "x" * 9_000_000 + "\n", r"LIMIT_CELL"),
        ("payments.csv", HEAD + "x" * 1_100_000 + ",A1,2026-01-01,1.00,payment\n", r"LIMIT_CELL"),
        (
            "payments.csv.gz",
            gzip.compress(b"payment_id,account_id\n" * 999, mtime=0)[:-20],
            (
                r"cut off or damaged: "
                r"it does not unpack"
            ),
        ),
        ("payments.csv.gz", gzip.compress(HEAD.encode() + b"0" * 120_000_000, 9, mtime=0), r"LIMIT_"),
        ("payments.parquet", b"PAR1 is not enough PAR1", r"is not a whole Parquet file"),
        ("paymnts.csv", "a\n", r"'paymnts.csv' is not a table of the contract \(nearest table: 'payments'\)"),
        ("notes.txt", "a\n", r"'notes.txt' is not a table of the contract"),
        ("payments.control.json", "{}", r"vouches for a table that is not delivered"),
        ("charges.control.json", '{"row": 2}', r"'charges.control.json' must read like"),
        ("charges.control.json", '{"rows": 2, "sums": {"EUR": "NaN"}}', r"'charges.control.json' must read like"),
        ("paymens.control.json", "{}", r"'paymens.control.json' is not a table of the contract"),
    ],
)
def test_a_file_that_is_not_right_refuses_the_delivery(tmp_path, name, text, match):
    source = write(tmp_path / "source", world())
    (source / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ContractError, match=rf"(?s){match}"):
        ingest(source, tmp_path / "store", PARAMS)
    assert not (tmp_path / "store" / "deliveries").exists()


def test_all_faults_of_all_files_are_named_at_once(tmp_path):
    source = write(tmp_path / "source", world())
    (source / "payments.csv").write_text("payment_id\nP1\n")
    (source / "contacts.csv").write_text("")
    (source / "stuff.csv").write_text("a\n")
    with pytest.raises(ContractError, match=r"(?s)'stuff.csv'.*'contacts.csv' is empty.*'payments' lacks"):
        ingest(source, tmp_path / "store", PARAMS)


def test_faults_of_reading_and_of_rows_are_named_together(tmp_path):
    source = write(tmp_path / "source", world(charges=[charge(kind="x")]))
    (source / "payments.csv").write_text(HEAD + "P1,A1\n")
    with pytest.raises(
        ContractError,
        match=r"(?s)'payments.csv' has too few.*Table 'charges': 1 of 3 rows are faulty \(ENUM_UNKNOWN 1\), ",
    ):
        ingest(source, tmp_path / "store", params_with(max_fault_rows=0.02))


@pytest.mark.parametrize(
    "make",
    [
        lambda source, away: (source / "payments.csv").symlink_to(away / "accounts.csv"),
        lambda source, away: (source / "payments").symlink_to(away),
        lambda source, away: [
            (source / "payments").mkdir(),
            (source / "payments" / "a.csv").symlink_to(away / "accounts.csv"),
        ],
        lambda source, away: [(source / "payments").mkdir(), (source / "payments" / "deep").mkdir()],
    ],
    ids=["file", "folder", "part", "nested"],
)
def test_links_and_nested_folders_are_refused(tmp_path, make):
    source, away = write(tmp_path / "source", world()), write(tmp_path / "away", world())
    make(source, away)
    with pytest.raises(ContractError, match=r"is a link|is not a CSV, CSV.gz or Parquet file"):
        ingest(source, tmp_path / "store", PARAMS)


def test_one_table_in_two_forms_is_refused(tmp_path):
    source = write(tmp_path / "source", world())
    write(source, {"charges": CHARGES}, "csv.gz")
    with pytest.raises(ContractError, match=r"Table 'charges' is delivered twice"):
        ingest(source, tmp_path / "store", PARAMS)
    (tmp_path / "other" / "charges").mkdir(parents=True)
    with pytest.raises(ContractError, match=r"Folder 'charges' holds no file"):
        ingest(tmp_path / "other", tmp_path / "store", PARAMS)


def test_hostile_names_reach_nothing(tmp_path):
    source = write(tmp_path / "source", world())
    (source / "payments").mkdir()
    for name in ("it's [a] *.csv", "x'; DROP TABLE y; --.csv"):
        (source / "payments" / name).write_text(HEAD + f"P{len(name)},A1,2026-01-01,1.00,payment\n")
    report = {table.name: table for table in ingest(source, tmp_path / "store", PARAMS).tables}["payments"]
    assert report.accepted == 2
    (source / ("n" * 200 + "\n.csv")).write_text("")
    with pytest.raises(ContractError, match=r"'n{77}\.\.\.' is not a table"):
        ingest(source, tmp_path / "store", PARAMS)


@pytest.mark.parametrize(
    ("tables", "match"),
    [
        ({"charges": CHARGES}, r"lacks table 'accounts'"),
        ({"accounts": ACCOUNTS}, r"lacks tables 'charges' and 'balances'"),
    ],
)
def test_required_tables_are_missed(tmp_path, tables, match):
    with pytest.raises(InputMissing, match=match):
        ingest(write(tmp_path / "source", tables), tmp_path / "store", PARAMS)


def test_an_absent_or_empty_source_is_missed(tmp_path):
    with pytest.raises(InputMissing, match=r"There is no source folder"):
        ingest(tmp_path / "nowhere", tmp_path / "store", PARAMS)
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "README.md").write_text("nothing yet")
    with pytest.raises(InputMissing, match=r"holds no table"):
        ingest(tmp_path / "bare", tmp_path / "store", PARAMS)
    assert not (tmp_path / "store").exists()


def test_truth_and_readme_are_passed_over(tmp_path):
    source = write(tmp_path / "source", world())
    for name in ("truth/answers.csv", "README.md", ".DS_Store", "_SUCCESS"):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text("anything")
    assert ingest(source, tmp_path / "store", PARAMS).number == 1


def test_files_that_change_while_being_read_are_refused(tmp_path, monkeypatch):
    source = write(tmp_path / "source", world())
    load = ingest_room._Intake._load

    def slow(self, name):
        with (source / "charges.csv").open("a") as stream:
            stream.write("C9,A1,2026-01-10,2026-02-01,1.00,fee\n")
        return load(self, name)

    monkeypatch.setattr(ingest_room._Intake, "_load", slow)
    with pytest.raises(ContractError, match=r"'charges.csv' changed while being read"):
        ingest(source, tmp_path / "store", PARAMS)


# Sums


UNNAMED = "Portfolio 'undeclared' is not named under portfolios of the params: it is read by portfolio_defaults."


def test_a_control_file_that_agrees_is_quiet(tmp_path):
    controls = {
        "accounts": {"rows": 5, "sums": {"EUR": "1250.50", "JPY": "80000", "KWD": "12.345"}},
        "charges": {"rows": 2, "sums": {"EUR": "100", "JPY": "5000"}, "complete_through": "2026-02-28"},
    }
    source = write(tmp_path / "source", world(), controls=controls)
    report = ingest(source, tmp_path / "store", PARAMS)
    assert report.warnings == [UNNAMED]
    assert Store(tmp_path / "store").complete_through()["charges"] == day("2026-02-28")


@pytest.mark.parametrize(
    ("vouched", "through"), [({}, "2026-03-05"), ({"complete_through": "2026-02-28"}, "2026-02-28")]
)
def test_a_table_left_out_of_an_increment_reaches_as_far_as_the_feeds_unless_it_was_vouched_for(
    tmp_path, vouched, through
):
    ingest(
        write(tmp_path / "first", world(payments=PAYMENTS), controls={"charges": vouched}), tmp_path / "store", PARAMS
    )
    later = payment(payment_id="X9", occurred_at="2026-03-05")
    ingest(write(tmp_path / "second", {"payments": [later]}), tmp_path / "store", PARAMS)
    assert Store(tmp_path / "store").complete_through()["charges"] == day(through)


@pytest.mark.parametrize(
    ("control", "match"),
    [
        ({"rows": 3}, r"Table 'charges' has 2 rows, its control file says 3"),
        ({"sums": {"EUR": "100.01", "JPY": "5000"}}, r"sums of its control file differ for 'EUR'"),
        ({"sums": {"EUR": "100"}}, r"differ for 'JPY'"),
        ({"sums": {"EUR": "100", "JPY": "5000", "USD": "1"}}, r"differ for 'USD'"),
    ],
)
def test_a_control_file_that_differs_refuses(tmp_path, control, match):
    refusal(tmp_path, ContractError, match, controls={"charges": control})


def test_sums_over_unreadable_amounts_are_not_proven_and_said_so(tmp_path):
    source = write(
        tmp_path / "source",
        world(charges=[charge(amount="NaN")]),
        controls={"charges": {"rows": 3, "sums": {"EUR": "150", "JPY": "5000"}}},
    )
    report = ingest(source, tmp_path / "store", PARAMS)
    assert any("not proven for 'EUR'" in warning for warning in report.warnings)


def test_zero_rows_are_taken_when_vouched_for(tmp_path):
    source = write(
        tmp_path / "source", world(payments=[]), controls={"payments": {"rows": 0, "complete_through": "2026-02-10"}}
    )
    ingest(source, tmp_path / "store", PARAMS)
    store = Store(tmp_path / "store")
    assert len(store.tables()["payments"]) == 0
    assert store.complete_through()["payments"] == day("2026-02-10")
    with pytest.raises(InputMissing, match=r"holds no rows of 'payments'"):
        store.span("payments")


def test_rows_without_a_control_file_are_warned_about(tmp_path):
    report = ingest(write(tmp_path / "source", world()), tmp_path / "store", PARAMS)
    assert report.warnings == [
        UNNAMED,
        "No control file vouches for accounts, charges: a file cut at the end of a row is not noticed.",
    ]
    assert "WARNING No control file" in report.text()


@pytest.mark.parametrize(
    ("limits", "match"),
    [
        (
            {"max_fault_rows": 0.3},
            (
                r"(?s)1 of 3 rows are faulty \(ENUM_UNKNOWN 1\), more than ingest.max_fault_rows.*"
                r"'charges.csv' line 4, kind 'x': one of principal, instalment"
            ),
        ),
        ({"max_fault_money": 0.9}, r"Table 'charges': 95\.2% of its EUR lies in faulty rows"),
    ],
)
def test_too_many_faults_refuse_the_delivery(tmp_path, limits, match):
    refusal(tmp_path, ContractError, match, params=params_with(**limits), charges=[charge(kind="x", amount="2000.00")])


def test_the_report_shows_that_it_adds_up(tmp_path):
    rows = [*PAYMENTS, PAYMENTS[0], payment(kind="x")]
    reports, _ = taken(tmp_path, payments=rows)
    text = reports["payments"].text()
    assert "4 rows = 2 accepted + 1 quarantined + 1 duplicates" in text
    assert "120.00 EUR = 40.00 accepted + 40.00 quarantined + 40.00 duplicates" in text
    assert "quarantined: ENUM_UNKNOWN 1" in text


# Forms


@pytest.mark.parametrize(("form", "parts"), [("csv", 1), ("csv", 7), ("csv.gz", 2), ("parquet", 1), ("parquet", 3)])
def test_the_store_is_the_same_from_any_form_and_cut(tmp_path, form, parts):
    tables = world(
        payments=[payment(payment_id=f"N{number}", occurred_at=f"2026-02-{number % 27 + 1:02}") for number in range(40)]
    )
    ingest(write(tmp_path / "plain", tables), tmp_path / "expected", PARAMS)
    backwards = {name: rows[::-1] for name, rows in tables.items()}
    controls = {name: {"rows": len(rows)} for name, rows in tables.items()} if parts > 1 else None
    ingest(write(tmp_path / "cut", backwards, form, parts, controls), tmp_path / "store", PARAMS)
    assert content(tmp_path / "store") == content(tmp_path / "expected")
    names = [
        sorted(path.name for path in (tmp_path / place).glob("*/shard=*/*.parquet")) for place in ("store", "expected")
    ]
    assert names[0] == names[1]  # the files are named after their bytes
    again = ingest(tmp_path / "plain", tmp_path / "store", PARAMS)
    assert [table.accepted for table in again.tables] == [0, 0, 0]
    assert again.number == 2


def test_native_parquet_columns_read_as_their_text_would(tmp_path):
    tables = world(payments=PAYMENTS, balances=[statement(account_id="J1", balance="100", arrears="0")])
    ingest(write(tmp_path / "text", tables), tmp_path / "expected", PARAMS)
    native = write(tmp_path / "native", {name: rows for name, rows in tables.items() if name == "accounts"})
    written = {
        "charges": {
            "charge_id": ["C1", "C2"],
            "account_id": pa.array(["A1", "J1"]).dictionary_encode(),
            "issued_on": [dt.date(2026, 1, 10)] * 2,
            "due_on": pa.array([dt.datetime(2026, 2, 1)] * 2, pa.timestamp("ns")),
            "kind": ["instalment", "invoice"],
            "amount": pa.array([Decimal("100.00"), Decimal("5000.00")], pa.decimal128(18, 2)),
        },
        "payments": {
            "payment_id": ["P1", "P2"],
            "account_id": ["A1", "J1"],
            "amount": pa.array([40, 5000], pa.int64()),
            "kind": ["payment"] * 2,
            "occurred_at": pa.array(
                [dt.datetime(2026, 2, 3, 9), dt.datetime(2026, 2, 4, 1)], pa.timestamp("us", "UTC")
            ),
        },
        "balances": {
            "account_id": ["J1"],
            "taken_on": [dt.date(2026, 2, 1)],
            "balance": pa.array([Decimal("100.000")], pa.decimal128(12, 3)),
            "arrears": pa.array([Decimal("0")], pa.decimal128(5, 0)),
            "days_past_due": pa.array([0], pa.int16()),
        },
    }
    for name, columns in written.items():
        pq.write_table(pa.table(columns), native / f"{name}.parquet")
    ingest(native, tmp_path / "store", PARAMS)
    assert content(tmp_path / "store") == content(tmp_path / "expected")


@pytest.mark.parametrize(
    ("column", "values", "match"),
    [
        ("amount", pa.array([1.5]), r"column 'amount' is double: deliver it as text, integer or decimal"),
        ("due_on", pa.array([1.5]), r"column 'due_on' is double: deliver it as text, date or local timestamp"),
        ("charge_id", pa.array([b"C1"]), r"column 'charge_id' is blob: deliver it as text"),
        ("kind", pa.array([["fee"]]), r"column 'kind' is list: deliver it as text"),
    ],
)
def test_parquet_columns_that_would_lose_something_are_refused(tmp_path, column, values, match):
    source = write(tmp_path / "source", {"accounts": ACCOUNTS})
    columns = {name: pa.array([cell]) for name, cell in CHARGES[0].items()}
    pq.write_table(pa.table({**columns, column: values}), source / "charges.parquet")
    with pytest.raises(ContractError, match=rf"(?s){match}"):
        ingest(source, tmp_path / "store", PARAMS)


def test_a_parquet_file_that_breaks_in_the_middle_is_named_and_no_other(tmp_path):
    """Files are read in place, all of a table at once: which of them stops the engine is found out afterwards."""
    source = write(tmp_path / "source", world())
    rows = pa.table({name: [row.get(name) for row in PAYMENTS] for name in PAYMENTS[0]})
    (source / "payments").mkdir()
    for number in (1, 2, 3):
        named = [f"{number}-{name}" for name in rows["payment_id"].to_pylist()]
        part = rows.set_column(rows.column_names.index("payment_id"), "payment_id", [named])
        place = source / "payments" / f"part-{number}.parquet"
        pq.write_table(part, place, compression="none", use_dictionary=False, write_statistics=False)
        if number == 2:
            whole = place.read_bytes()
            assert whole.count(b"2-") >= len(named)
            place.write_bytes(whole.replace(b"2-", b"\xff\xfe"))
    with pytest.raises(ContractError, match=r"'payments/part-2.parquet' (is not UTF-8|cannot be read)") as refusal:
        ingest(source, tmp_path / "store", PARAMS)
    assert "part-1" not in str(refusal.value)
    assert "part-3" not in str(refusal.value)
    assert not (tmp_path / "store").exists()


def test_one_long_text_meant_by_every_row_is_refused_before_it_is_read(tmp_path):
    source = write(tmp_path / "source", world())
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(100_000, np.int8)), pa.array(["x" * 900_000]))
    pq.write_table(pa.table({"payment_id": text, "account_id": text}), source / "payments.parquet")
    assert (source / "payments.parquet").stat().st_size < 200_000
    with pytest.raises(ContractError, match=r"\(LIMIT_SIZE\) unpacks to more than 200 times its size"):
        ingest(source, tmp_path / "store", PARAMS)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("name", ["payments.csv", "payments.parquet", "payments.control.json", "payments/part-1.csv"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path, name):
    source = write(tmp_path / "source", {"accounts": ACCOUNTS})
    (source / name).parent.mkdir(exist_ok=True)
    os.mkfifo(source / name)
    with pytest.raises(ContractError, match=r"is a pipe or a device|is not a CSV, CSV.gz or Parquet file"):
        ingest(source, tmp_path / "store", PARAMS)


def test_a_file_without_a_header_shows_nobodys_row(tmp_path):
    source = write(tmp_path / "source", {"accounts": ACCOUNTS})
    (source / "payments.csv").write_text("jane.doe@example.org,A-100,2026-01-01,40.00\nx,y,2026-01-02,1.00\n")
    with pytest.raises(ContractError, match=r"line 1 is no header of payments \(found 4 cells\)") as refusal:
        ingest(source, tmp_path / "store", PARAMS)
    (source / "payments.csv").write_text("payment_id,jane.doe@example.org,+33 612345678,amount\n1,2,3,4\n")
    with pytest.raises(ContractError, match="'number 2'.*'number 3'") as other:
        ingest(source, tmp_path / "store", PARAMS)
    assert not any(part in f"{refusal.value}{other.value}" for part in ("jane", "612345678", "40.00"))


def _repeated_text(source: Path) -> None:
    """125 million rows of one text in some kilobytes."""
    rows = pa.DictionaryArray.from_arrays(pa.array([0] * 5_000_000, pa.int8()), pa.array(["P"]))
    schema = pa.schema([(name, rows.type) for name in ("payment_id", "account_id")])
    with pq.ParquetWriter(source / "payments.parquet", schema) as writer:
        for _ in range(25):
            writer.write_table(pa.table({"payment_id": rows, "account_id": rows}))


def _cell_of_100_mb(source: Path) -> None:
    cell = pa.table({"payment_id": ["x" * 100_000_000]})
    pq.write_table(cell, source / "payments.parquet", compression="none", use_dictionary=False)


def _packed_cell_of_100_mb(source: Path) -> None:
    cell = pa.table({"payment_id": ["x" * 100_000_000]})
    pq.write_table(cell, source / "payments.parquet", compression="zstd", use_dictionary=False)


def _cell_of_100_mb_as_text(source: Path) -> None:
    (source / "payments.csv").write_bytes(HEAD.encode() + b"x" * 100_000_000 + b"\n")


def _gzip(source: Path) -> None:
    (source / "payments.csv.gz").write_bytes(gzip.compress(HEAD.encode() + b"0000\n" * 30_000_000, 6, mtime=0))


def _many_columns(source: Path) -> None:
    pq.write_table(pa.table({f"c{number}": [""] for number in range(1001)}), source / "payments.parquet")


def _million_columns(source: Path) -> None:
    """So large is what a file of a million columns says of itself; not one of them is parsed."""
    footer = 122_000_000
    with (source / "payments.parquet").open("wb") as file:
        file.truncate(footer)
        file.seek(0, 2)
        file.write(footer.to_bytes(4, "little") + b"PAR1")


def _million_columns_as_text(source: Path) -> None:
    (source / "payments.csv").write_text(",".join(f"c{number}" for number in range(1_000_000)) + "\n")


def _control_of_200_mb(source: Path) -> None:
    with (source / "accounts.control.json").open("wb") as file:
        file.write(b'{"rows": 5')
        file.truncate(200_000_000)


BOMBS = {
    _cell_of_100_mb: "LIMIT_CELL",
    _million_columns: r"'payments.parquet' \(LIMIT_COLUMNS\) needs more than 8,000,000 bytes",
    _gzip: "LIMIT_SIZE",
    _control_of_200_mb: r"'accounts.control.json' \(LIMIT_SIZE\) has more than 1,000,000 bytes",
    _repeated_text: "LIMIT_SIZE",
    _packed_cell_of_100_mb: "LIMIT_SIZE",
    _cell_of_100_mb_as_text: "LIMIT_CELL",
    _many_columns: "LIMIT_COLUMNS",
    _million_columns_as_text: "LIMIT_CELL",
}


def test_s27_bombs_are_refused_unopened(attacks, tmp_path):
    """By an intake in a process of its own: in 2 s of processor time and within 300 MiB, its libraries among them."""
    for bomb, told in attacks.over(list(BOMBS.items())[: attacks.count]):
        source = write(tmp_path / bomb.__name__ / "source", world())
        bomb(source)
        said, seconds, mib = refused(source)
        assert re.search(told, said), (bomb.__name__, said)
        assert seconds < 2, (bomb.__name__, seconds)
        assert mib < 300, (bomb.__name__, mib)
        shutil.rmtree(source.parent)


REFUSED = """
import sys, time
from pathlib import Path
from features.errors import ContractError
from pipeline.intake.ingest import ingest
from tests.worlds.deliveries import PARAMS
began = time.process_time()
try:
    ingest(Path(sys.argv[1]), Path(sys.argv[1]).parent / "store", PARAMS)
except ContractError as refused:
    print(" ".join(str(refused).split()))
print(time.process_time() - began, Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


def refused(source: Path) -> tuple[str, float, float]:
    """What is said of a delivery, in how many seconds of processor time, and the process's peak memory in MiB."""
    given = [sys.executable, "-c", REFUSED, str(source)]
    done = subprocess.run(given, capture_output=True, text=True, check=True, cwd=HOUSE)
    said, figures = done.stdout.strip().rsplit("\n", 1)
    seconds, kib = figures.split()
    assert not (source.parent / "store" / "payments").exists()
    return said, float(seconds), int(kib) / 1024


@pytest.mark.parametrize("end", [b"PAR1", b"\xff\xff\xff\xffPAR1", b"\0\0\0\0PARE", b""])
def test_a_file_that_ends_like_no_parquet_file_is_refused(tmp_path, end):
    source = write(tmp_path / "source", {"accounts": ACCOUNTS})
    (source / "payments.parquet").write_bytes(b"PAR1" + end)
    with pytest.raises(ContractError, match="is not a whole Parquet file"):
        ingest(source, tmp_path / "store", PARAMS)


# Privacy

SECRET = "Zaphod-Beeblebrox-4711"


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("account_id", f"{SECRET} x"),
        ("occurred_at", SECRET),
        ("amount", SECRET),
        ("kind", SECRET),
        ("method", f"{SECRET}\t"),
    ],
)
def test_no_message_holds_a_cell(tmp_path, name, cell, capsys):
    source = write(tmp_path / "source", world(payments=[payment(**{name: cell})]))
    with pytest.raises(ContractError, match="Table 'payments': 1 of 1 rows are faulty") as refused:
        ingest(source, tmp_path / "store", params_with(max_fault_rows=0.0))
    (source / "payments.csv").write_text(HEAD + f"{SECRET},{SECRET}\n")
    with pytest.raises(ContractError, match="too few or too many cells at line 2") as broken:
        ingest(source, tmp_path / "store", PARAMS)
    assert SECRET not in str(refused.value) + str(broken.value) + str(capsys.readouterr())
    assert all(SECRET.encode() not in path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file())


# The sample, and faults whose answer is known

HOUSE = Path(__file__).parents[2]


def test_the_sample_comes_in_without_a_fault(tmp_path):
    report = ingest(HOUSE / "data" / "sample", tmp_path / "store", load(HOUSE / "params.yaml"))
    told = [name for name in TABLES if name not in TREATMENTS]
    assert [table.name for table in report.tables] == told
    assert report.warnings == []
    assert {table.name: table.quarantined + table.duplicates for table in report.tables} == dict.fromkeys(told, 0)
    check(Store(tmp_path / "store").tables())


@pytest.mark.parametrize("form", ["csv.gz", "parquet"])
def test_planted_faults_are_found_under_their_codes_on_their_lines_and_no_others(tmp_path, form):
    simulate(400, 5, tmp_path / "source", months=6, faults=True, file_format=form)
    params = load(HOUSE / "params.yaml")
    lenient = params.model_copy(
        update={"ingest": params.ingest.model_copy(update={"max_fault_rows": 1.0, "max_fault_money": 1.0})}
    )
    ingest(tmp_path / "source", tmp_path / "store", lenient)
    with (tmp_path / "source" / "truth" / "faults.csv").open() as stream:
        planted = {(row["table"], row["file"], int(row["line"]), row["code"]) for row in csv.DictReader(stream)}
    quarantine = Store(tmp_path / "store").read("quarantine", ["table", "file", "line", "codes"])
    assert set(quarantine.itertuples(index=False, name=None)) == planted
    assert len(planted) > 40
