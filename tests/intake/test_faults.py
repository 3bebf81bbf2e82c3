"""A fault is told so that it can be mended: file, line, column, what stands there, what is wanted, an example."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from features.errors import ContractError
from features.tables import TABLES, Kind
from pipeline.intake.faults import HEAD, OF_ROW, fault_lines, located, seen, wanted_of
from pipeline.intake.ingest import ingest
from pipeline.intake.quarantine import Code, SetAside
from tests.worlds.commands import recoup
from tests.worlds.deliveries import PARAMS, params_with

STRICT = params_with(max_fault_rows=0.0, max_fault_money=0.0)
ACCOUNTS = "account_id,debtor_id,portfolio,product,debtor_type,currency,opened_on\n"
CHARGES = "charge_id,account_id,issued_on,due_on,amount,kind\n"
PAYMENTS = "payment_id,account_id,occurred_at,amount,kind\n"


def delivered(folder: Path, **tables: str) -> Path:
    folder.mkdir()
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


def refused(folder: Path, **tables: str) -> list[str]:
    """The lines of the refusal of a delivery."""
    source = delivered(folder / "source", **tables)
    with pytest.raises(ContractError, match="The delivery is refused") as refusal:
        ingest(source, folder / "store", STRICT)
    return str(refusal.value).splitlines()


def test_what_hangs_on_one_bad_account_is_told_once_beside_it(tmp_path):
    lines = refused(
        tmp_path,
        accounts=ACCOUNTS + "A1,D1,ar,invoice,commercial,EUR,01.02.2025\n",
        charges=CHARGES + "C1,A1,2025-02-01,2025-03-01,10.00,invoice\nC2,A1,2025-02-01,2025-04-01,10.00,invoice\n",
        payments=PAYMENTS + "P1,A1,2025-02-05,5.00,payment\nP2,A1,2025-02-06,5.00,payment\n",
    )
    told = [line for line in lines if line.startswith("  ")]
    assert told == [
        "  'accounts.csv' line 2, opened_on '01.02.2025': a day as YYYY-MM-DD, such as 2026-01-31 (TS_FORMAT); "
        "2 charges and 2 payments hang on it."
    ]
    assert "Table 'charges': 2 of 2 rows are faulty (2 hang on accounts that are faulty themselves)" in lines[2]


@pytest.mark.parametrize(
    "day", ["31/01/2026", "31.01.2026", "20260131", "46053", "2026-02-30", "NULL", "1/2/26", "31-JAN-2026"]
)
def test_a_day_that_is_none_shows_itself_and_the_form(tmp_path, day):
    accounts = ACCOUNTS + "A1,D1,ar,invoice,commercial,EUR,2025-01-01\n"
    lines = refused(tmp_path, accounts=accounts, charges=CHARGES + f"C1,A1,,{day},10.00,invoice\n")
    wanted = "a word for nothing is no value: a day" if day == "NULL" else "a day"
    assert lines[-1] == (
        f"  'charges.csv' line 2, due_on '{day}': {wanted} as YYYY-MM-DD, such as 2026-01-31 (TS_FORMAT)."
    )


@pytest.mark.parametrize(
    ("amount", "code"),
    [("1190,00", "AMT_FORMAT"), ("1.190,00", "AMT_FORMAT"), ("1190.00 €", "AMT_FORMAT"), ("238.50-", "AMT_FORMAT"),
     ("(238.50)", "AMT_FORMAT"), ("1'190.00", "AMT_FORMAT"), ("1\u00a0190.00", "AMT_FORMAT"), ("N/A", "AMT_NAN"),
     ("1.005", "AMT_SCALE"), ("-5.00", "AMT_SIGN")],
)  # fmt: skip
def test_an_amount_that_is_none_shows_itself_and_the_form(tmp_path, amount, code):
    accounts = ACCOUNTS + "A1,D1,ar,invoice,commercial,EUR,2025-01-01\n"
    lines = refused(tmp_path, accounts=accounts, charges=CHARGES + f'C1,A1,,2026-02-01,"{amount}",invoice\n')
    assert lines[-1].startswith(f"  'charges.csv' line 2, amount {seen(amount, Kind.MONEY)}: ")
    assert lines[-1].endswith(f" ({code}).")
    assert ("such as 1190.00" in lines[-1]) == (code in ("AMT_FORMAT", "AMT_NAN"))


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("charges.xlsx", "PK", r"'charges.xlsx' is a workbook.*save it as CSV UTF-8 \(charges.csv\).*recoup convert"),
        ("Invoices.XLSX", "PK", r"'Invoices.XLSX' is a workbook"),
        ("payments.csv", 'Kontostand vom 01.02.2026: "1.190,00 €"\n\n' + PAYMENTS,
         r"line 1 is no header of payments \(found 2 cells\). Remove the lines above"),
        ("payments.csv", "Bank of Somewhere,,\n" + PAYMENTS, r"line 1 is no header of payments"),
        ("payments.csv", PAYMENTS.replace("\n", ",\n"), r"column 6 has no name.*comma too many.*index=False"),
        ("payments.csv", "," + PAYMENTS, r"column 1 has no name"),
        ("payments.csv", "Unnamed: 0," + PAYMENTS, r"column 1 has no name"),
    ],
)  # fmt: skip
def test_a_file_in_another_form_is_told_what_to_do(tmp_path, name, text, sentence):
    source = delivered(tmp_path / "source", accounts=ACCOUNTS + "A1,D1,ar,invoice,commercial,EUR,2025-01-01\n")
    (source / name).write_text(text, encoding="utf-8")
    with pytest.raises(ContractError, match=sentence) as refusal:
        ingest(source, tmp_path / "store", PARAMS)
    assert all(len(line) < 250 for line in str(refusal.value).splitlines())


def test_every_code_of_every_column_has_its_sentence():
    for table in TABLES.values():
        for column in table.columns:
            for code in Code:
                for cell in ("", "NULL", "x"):
                    assert re.fullmatch(r"\S.{8,200}", wanted_of(code, column, cell))


def test_no_code_of_a_row_is_lost_and_each_has_a_column():
    whole = sum(code.bit for code in Code)
    assert {word for _, word in located(whole, {})} == {code.name for code in Code}
    found = located(Code.AMT_SIGN.bit | Code.TS_FUTURE.bit, {"amount": Code.AMT_SIGN.bit})
    assert found == (("amount", "AMT_SIGN"), ("known_at", "TS_FUTURE"))
    assert set(OF_ROW) < set(Code)


def test_only_the_first_faults_are_told_and_where_all_of_them_are():
    rows = [SetAside("charges", "charges.csv", at, "AMT_SIGN", "{}", (("amount", "AMT_SIGN"),)) for at in range(2, 10)]
    lines = fault_lines(rows)
    assert len(lines) == 7
    assert lines[-2:] == ["  and 3 more in charges.", "All of them: `recoup ingest --faults FILE.csv`."]


@pytest.mark.parametrize("cell", ["Max Muster", "max@example.org", "Weiherstrasse 12, Hof", "x" * 60])
def test_what_may_be_personal_is_shown_as_its_shape(cell):
    for kind in (Kind.DATE, Kind.MONEY, Kind.ID, Kind.TEXT, Kind.WHOLE):
        assert cell not in seen(cell, kind)


def test_a_file_of_faults_names_every_one_whether_the_delivery_comes_in_or_not(tmp_path):
    (tmp_path / "params.yaml").write_text(Path("params.yaml").read_text())
    accounts = ACCOUNTS + "A1,D1,ar,invoice,commercial,EUR,2025-01-01\nA2,D2,ar,invoice,commercial,EUR,x\n"
    charges = "".join(f"C{at},A1,2025-01-01,2025-02-01,1,invoice\n" for at in range(300))
    source = delivered(
        tmp_path / "source",
        accounts=accounts,
        charges=CHARGES + charges + "C,A2,,2025-02-01,10.00,invoice\nD,A1,,soon,1.001,invoice\n",
    )
    place = tmp_path / "faults.csv"
    options = ("--source", str(source), "--store", str(tmp_path / "store"), "--faults", str(place))
    assert recoup(tmp_path, "ingest", *options) == 65
    with place.open(encoding="utf-8", newline="") as stream:
        found = list(csv.DictReader(stream))
    assert list(found[0]) == list(HEAD)
    assert [(row["table"], row["line"], row["column"], row["code"], row["seen"]) for row in found] == [
        ("accounts", "3", "opened_on", "TS_FORMAT", "'x'"),
        ("charges", "302", "account_id", "ACCT_UNKNOWN", "'A2'"),
        ("charges", "303", "due_on", "TS_FORMAT", "'soon'"),
        ("charges", "303", "amount", "AMT_SCALE", "'1.001'"),
    ]
    assert found[1]["because_of"] == "'accounts.csv' line 3"
    report = ingest(
        source, tmp_path / "store", params_with(max_fault_rows=1.0, max_fault_money=1.0), faults=tmp_path / "again.csv"
    )
    assert (tmp_path / "again.csv").read_text() == place.read_text()
    assert (
        "  'charges.csv' line 303, amount '1.001': no more decimals than its currency has (AMT_SCALE)." in report.text()
    )


def test_a_delivery_without_faults_leaves_a_file_with_its_head_alone(tmp_path):
    source = delivered(
        tmp_path / "source",
        accounts=ACCOUNTS + "A1,D1,ar,invoice,commercial,EUR,2025-01-01\n",
        charges=CHARGES + "C1,A1,2025-01-01,2025-02-01,1,invoice\n",
    )
    ingest(source, tmp_path / "store", PARAMS, faults=tmp_path / "faults.csv")
    assert (tmp_path / "faults.csv").read_text() == ",".join(HEAD) + "\n"


def test_no_line_names_an_account_for_it_goes_into_logs(tmp_path):
    accounts = ACCOUNTS + "A1,D1,ar,invoice,commercial,EUR,2025-01-01\n"
    charges = CHARGES + "C1,A1,2025-01-01,2025-02-01,1,invoice\nC2,K 7781,2025-01-01,2025-02-01,1,invoice\n"
    told = refused(tmp_path, accounts=accounts, charges=charges)
    assert any("'charges.csv' line 3, account_id 'x 9999': no blanks" in line for line in told)
    assert "7781" not in "\n".join(told)
