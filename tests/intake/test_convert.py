"""Files of other systems: every amount and day is read right or refused,
every row is written or left out by a named reason.

Also of cells.py, mapping.py, opened.py and readings.py.
"""

from __future__ import annotations

import csv
import datetime as dt
import re
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from features.errors import ContractError, InputMissing, UsageError
from features.tables import Kind
from pipeline.intake.cells import amount, moment
from pipeline.intake.convert import Conversion, convert
from pipeline.intake.faults import seen
from pipeline.intake.ingest import ingest
from pipeline.intake.mapping import Form, load_mapping, place_of, shipped
from tests.worlds.deliveries import params_with
from tests.worlds.exports import EXPECTED, export

CHARGES = """
files:
  items: {path: "items*", %s}
tables:
  charges:
    from: items
    columns: {charge_id: No, account_id: No, due_on: Due, amount: Amount, kind: {constant: invoice}}
"""


def converted(
    place: Path, text: str, form: str, encoding: str = "utf-8", name: str = "items.csv"
) -> list[dict[str, str]]:
    """The charges that come of one file under one description of its form."""
    source = place / "theirs"
    source.mkdir(exist_ok=True)
    (source / name).write_bytes(text.encode(encoding))
    (place / "mapping.yaml").write_text(CHARGES % form, encoding="utf-8")
    convert(load_mapping(place / "mapping.yaml"), source, place / "ours")
    return rows_of(place / "ours" / "charges.csv")


def rows_of(place: Path) -> list[dict[str, str]]:
    with place.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def one(expression: str, cell: str | None) -> str | None:
    with duckdb.connect() as engine:
        engine.execute("SET TimeZone = 'UTC'")
        return engine.execute(f"SELECT {expression} FROM (SELECT ?::VARCHAR AS cell)", [cell]).fetchone()[0]


# ---- amounts ---------------------------------------------------------------------------------------------------------

GERMAN = Form(decimal=",", thousands=".", currency_marks=("€", "EUR"))
ENGLISH = Form(decimal=".", thousands=",", currency_marks=("$", "USD"))


@pytest.mark.parametrize(
    ("form", "cell", "expected"),
    [
        (GERMAN, "1.190,00", "1190.00"),
        (GERMAN, "1190,00", "1190.00"),
        (GERMAN, "1.190", "1190"),
        (GERMAN, "-238,50", "-238.50"),
        (GERMAN, "238,50-", "-238.50"),
        (GERMAN, "238,50 -", "-238.50"),
        (GERMAN, "(238,50)", "-238.50"),
        (GERMAN, "(1.238,50) €", "-1238.50"),
        (GERMAN, "\u2212 5,00 EUR", "-5.00"),
        (GERMAN, "1.190,00\u00a0€", "1190.00"),
        (GERMAN, "1190.00", None),
        (GERMAN, "11.90", None),
        (GERMAN, "1.19,00", None),
        (GERMAN, "1,190.00", None),
        (GERMAN, "--5,00", None),
        (GERMAN, "-5,00-", None),
        (GERMAN, "5,00 USD", None),
        (GERMAN, "5,00S", None),
        (ENGLISH, "$1,190.00", "1190.00"),
        (ENGLISH, "-$1,190.00", "-1190.00"),
        (ENGLISH, "1,190", "1190"),
        (ENGLISH, "1,19", None),
        (ENGLISH, ".50", ".50"),
        (ENGLISH, "1e5", None),
        (ENGLISH, "\u0661\u0662", None),
        (Form(decimal=",", thousands=" "), "1\u202f190,00", "1190.00"),
        (Form(decimal=".", thousands="'"), "1\u2019190.00", "1190.00"),
        (Form(decimal=".", thousands=",", grouping="indian"), "1,00,000.50", "100000.50"),
        (Form(decimal=".", thousands=",", grouping="indian"), "100,000.50", None),
        (Form(), "1190", "1190"),
        (Form(), "1,190", None),
        (Form(), "1.19", None),
    ],
)
def test_an_amount_is_read_as_its_form_says_or_not_at_all(form, cell, expected):
    assert one(amount("cell", form), cell) == expected


def written(value: Decimal, decimal: str, thousands: str, sign: str) -> str:
    text = f"{abs(value):,.2f}".replace(",", "T").replace(".", decimal).replace("T", thousands)
    if value >= 0:
        return text
    return {"before": f"-{text}", "behind": f"{text}-", "around": f"({text})"}[sign]


@given(
    value=st.decimals(min_value=-(10**9), max_value=10**9, places=2),
    marks=st.sampled_from([(",", "."), (".", ","), (",", " "), (".", "'"), (",", ""), (".", "")]),
    other=st.sampled_from([(",", "."), (".", ","), (",", " "), (".", "'"), (",", ""), (".", "")]),
    sign=st.sampled_from(["before", "behind", "around"]),
)
@settings(max_examples=75)
def test_no_amount_is_misread_whatever_form_it_is_read_by(value, marks, other, sign):
    """Two decimals always: read by its own form it is right, by another it is right or refused."""
    cell = written(value, *marks, sign)
    assert Decimal(one(amount("cell", Form(decimal=marks[0], thousands=marks[1])), cell)) == value
    found = one(amount("cell", Form(decimal=other[0], thousands=other[1])), cell)
    assert found is None or Decimal(found) == value


# ---- days ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "cell", "expected"),
    [
        (None, "2026-02-01", "2026-02-01"),
        (None, "01.02.2026", None),
        ("DD.MM.YYYY", "01.02.2026", "2026-02-01"),
        ("DD.MM.YYYY", "1.2.2026", None),
        ("D.M.YYYY", "1.2.2026", "2026-02-01"),
        ("DD.MM.YYYY", "30.02.2026", None),
        ("DD/MM/YYYY", "03/04/2026", "2026-04-03"),
        ("MM/DD/YYYY", "03/04/2026", "2026-03-04"),
        ("MM/DD/YYYY", "13/04/2026", None),
        ("YYYYMMDD", "20260131", "2026-01-31"),
        ("DD.MM.YY", "31.01.26", "2026-01-31"),
        ("D-MMM-YYYY", "5-Mär-2026", "2026-03-05"),
        ("D MMM YYYY", "5 août 2026", "2026-08-05"),
        ("D MMM YYYY", "5 Foo 2026", None),
        ("excel", "46053", "2026-01-31"),
        ("excel", "59", None),
        ("DD.MM.YYYY HH:mm", "31.01.2026 09:30", "2026-01-31"),
        ("DD.MM.YYYY HH:mm", "31.01.2026 29:30", None),
    ],
)
def test_a_day_is_read_as_its_form_says_or_not_at_all(form, cell, expected):
    assert one(moment("cell", Form(dates=form), Kind.DATE), cell) == expected


@given(
    day=st.dates(dt.date(1950, 1, 1), dt.date(2099, 12, 31)),
    form=st.sampled_from(["DD.MM.YYYY", "DD/MM/YYYY", "MM/DD/YYYY", "YYYYMMDD", "YYYY-MM-DD"]),
)
@settings(max_examples=50)
def test_a_day_comes_back_as_it_was_written(day, form):
    cell = form.replace("YYYY", f"{day.year:04d}").replace("MM", f"{day.month:02d}").replace("DD", f"{day.day:02d}")
    assert one(moment("cell", Form(dates=form), Kind.DATE), cell) == day.isoformat()


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("31.01.2026 09:30", "2026-01-31 08:30:00Z"),
        ("29.03.2026 02:30", None),  # the clock went from 2 to 3
        ("30.06.2026 00:30", "2026-06-29 22:30:00Z"),
    ],
)
def test_an_hour_is_of_the_named_zone_and_one_that_never_was_is_refused(cell, expected):
    assert one(moment("cell", Form(dates="DD.MM.YYYY HH:mm", zone="Europe/Berlin"), Kind.TIME), cell) == expected


# ---- files -----------------------------------------------------------------------------------------------------------

PLAIN = 'dates: DD.MM.YYYY, decimal: ",", thousands: "."'
LINES = ["No{0}Due{0}Amount", "R1{0}31.01.2026{0}1.190{1}00", "R2{0}01.02.2026{0}5{1}50-"]
RIGHT = [("R1", "2026-01-31", "1190.00"), ("R2", "2026-02-01", "-5.50")]


@pytest.mark.slow
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_encodings_delimiters_and_line_ends_are_read(tmp_path, end, encoding, mark):
    text = end.join(line.format(mark, ",") for line in LINES) + end
    declared = "utf-8" if encoding == "utf-8-sig" else encoding
    shown = {"\t": '"\\t"'}.get(mark, f'"{mark}"')
    rows = converted(tmp_path, text, f"{PLAIN}, delimiter: {shown}, encoding: {declared}", encoding)
    assert [(row["charge_id"], row["due_on"], row["amount"]) for row in rows] == RIGHT


def test_a_preamble_a_total_row_and_blank_lines_are_no_rows(tmp_path):
    lines = [
        "Open items;;",
        ";;",
        *(line.format(";", ",") for line in LINES[:2]),
        "",
        LINES[2].format(";", ","),
        "Summe;;1.184,50",
    ]
    form = f'{PLAIN}, delimiter: ";", header_line: 3, leave_out: {{total: {{column: "No", like: "Summe"}}}}'
    rows = converted(tmp_path, "\n".join(lines) + "\n", form)
    assert [(row["charge_id"], row["due_on"], row["amount"]) for row in rows] == RIGHT


@pytest.mark.parametrize(
    ("text", "form", "message"),
    [
        (
            "No;Due;Amount\nR1;31.01.2026;1,00\n",
            PLAIN,
            r"line 1: lacks 'Amount'.*'Due', 'No'.*perhaps `delimiter: \";\"`",
        ),
        (
            "No;Due;Amount\nR1;2026-01-31;1,00\n",
            f'{PLAIN}, delimiter: ";"',
            r"line 2, 'Due' -> charges.due_on '2026-01-31': wanted a day as DD.MM.YYYY; for another form "
            r"declare `dates:`, of the file or of this column: `due_on: \{column: Due, dates: FORM\}`",
        ),
        (
            'No;Due;Amount\n"R\n1";31.01.2026;1,00\nR2;31.01.2026;1.00\n',
            f'{PLAIN}, delimiter: ";"',
            r"line 4, 'Amount' -> charges.amount '1.00'",
        ),
        (
            "No;Due;Amount\nR1;;1,00\n",
            f'{PLAIN}, delimiter: ";"',
            r"line 2, 'Due' -> charges.due_on: must not be empty",
        ),
        ("No;Due;Amount\nR1;31.01.2026\n", f'{PLAIN}, delimiter: ";"', r"has too few or too many cells at line 2"),
        (
            "No;Due;Amount\nR1;31.01.2026;1.00\n",
            'dates: DD.MM.YYYY, delimiter: ";"',
            r"wanted plain digits; declare `decimal:`",
        ),
        ("No,Due,Amount\nR1,max@example.org,1\n", "dates: DD.MM.YYYY", r"'xxx@xxxxxxx.xxx'"),
    ],
)
def test_what_cannot_be_read_is_told_with_file_line_column_and_form(tmp_path, text, form, message):
    with pytest.raises(ContractError, match=message):
        converted(tmp_path, text, form)
    assert not (tmp_path / "ours").exists()


def test_a_total_that_cannot_be_read_comes_with_the_line_that_leaves_it_out(tmp_path):
    text = "No,Due,Amount\nR1,2026-01-31,1\nSumme,,1\n"
    with pytest.raises(ContractError, match="looks like a total") as refused:
        converted(tmp_path, text, "header_line: 1")
    told = re.search(r"'items.csv' line 3 looks like a total. .* files.items: `(leave_out: .*)`\.", str(refused.value))
    assert [row["charge_id"] for row in converted(tmp_path, text, told[1])] == ["R1"]


def test_bytes_of_another_encoding_are_refused(tmp_path):
    with pytest.raises(ContractError, match=r"'items.csv' is not utf-8.*cp1252"):
        converted(tmp_path, "No,Due,Amount\nRü,2026-01-31,1\n", "encoding: utf-8", "cp1252")


def test_a_workbook_is_read_by_its_own_types(tmp_path):
    book = Workbook()
    book.active.append(["No", "Due", "Amount"])
    book.active.append([1001, dt.datetime(2026, 1, 31), 1190.1])
    book.active.append(["R2", "01.02.2026", "5,50-"])
    (tmp_path / "theirs").mkdir()
    book.save(tmp_path / "theirs" / "items.xlsx")
    (tmp_path / "m.yaml").write_text(CHARGES.replace('"items*"', '"items.xlsx"') % PLAIN)
    convert(load_mapping(tmp_path / "m.yaml"), tmp_path / "theirs", tmp_path / "ours")
    found = [(row["charge_id"], row["due_on"], row["amount"]) for row in rows_of(tmp_path / "ours" / "charges.csv")]
    assert found == [("1001", "2026-01-31", "1190.1"), ("R2", "2026-02-01", "-5.50")]


def test_a_formula_without_a_saved_value_is_refused(tmp_path):
    book = Workbook()
    book.active.append(["No", "Due", "Amount"])
    book.active.append(["R1", dt.datetime(2026, 1, 31), "=1+1"])
    (tmp_path / "theirs").mkdir()
    book.save(tmp_path / "theirs" / "items.xlsx")
    (tmp_path / "m.yaml").write_text(CHARGES.replace('"items*"', '"items.xlsx"') % PLAIN)
    with pytest.raises(ContractError, match="row 2 has a formula without a saved value"):
        convert(load_mapping(tmp_path / "m.yaml"), tmp_path / "theirs", tmp_path / "ours")


def test_a_taken_folder_and_an_absent_file_are_refused(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "m.yaml").write_text(CHARGES % PLAIN)
    with pytest.raises(InputMissing, match=r"No file under .* fits files.items.path 'items\*'"):
        convert(load_mapping(tmp_path / "m.yaml"), tmp_path / "theirs", tmp_path / "ours")
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "x").write_text("")
    with pytest.raises(UsageError, match="is not empty"):
        convert(load_mapping(tmp_path / "m.yaml"), tmp_path / "theirs", tmp_path / "ours")


# ---- values ----------------------------------------------------------------------------------------------------------

VALUES = """
files:
  book: {path: book.csv, decimal: "."}
tables:
  payments:
    from: book
    where: {column: Id, empty: false}
    columns:
      payment_id: {join: [Id, Line], by: "/"}
      account_id: Account
      occurred_at: {column: Day, plus_days: Wait}
      amount: {debit: Out, credit: In, turned: true}
      kind: {column: Kind, values: {P: payment, W: credit}}
      method: {column: Way, empty: transfer}
"""


def convert_values(place: Path, *lines: str) -> tuple[Conversion, list[dict[str, str]]]:
    (place / "theirs").mkdir()
    (place / "theirs" / "book.csv").write_text("\n".join(["Id,Line,Account,Day,Wait,Out,In,Kind,Way", *lines]) + "\n")
    (place / "m.yaml").write_text(VALUES)
    made = convert(load_mapping(place / "m.yaml"), place / "theirs", place / "ours")
    return made, rows_of(place / "ours" / "payments.csv")


def test_a_list_of_merged_records_becomes_the_table_of_debtors(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "crm.csv").write_text("Old,Kept,On\nD-1,D-7,03.02.2026\nD-2,,10.02.2026\n")
    (tmp_path / "m.yaml").write_text(
        """
files:
  crm: {path: crm.csv, dates: DD.MM.YYYY}
tables:
  debtors:
    - from: crm
      columns: {debtor_id: Old, same_as: Kept, known_at: On}
"""
    )
    convert(load_mapping(tmp_path / "m.yaml"), tmp_path / "theirs", tmp_path / "ours")
    assert rows_of(tmp_path / "ours" / "debtors.csv") == [
        {"debtor_id": "D-1", "same_as": "D-7", "known_at": "2026-02-03"},
        {"debtor_id": "D-2", "same_as": "", "known_at": "2026-02-10"},
    ]


def test_joined_mapped_turned_and_waiting_values(tmp_path):
    made, rows = convert_values(
        tmp_path, "7,1,A,2026-01-30,3,,12.50,P,", "7,2,B,2026-02-27,2,3.00,0.00,W,cash", ",,,,,,,,"
    )
    assert rows == [
        {
            "payment_id": "7/1",
            "account_id": "A",
            "occurred_at": "2026-02-02",
            "amount": "12.50",
            "kind": "payment",
            "method": "transfer",
        },
        {
            "payment_id": "7/2",
            "account_id": "B",
            "occurred_at": "2026-03-01",
            "amount": "-3.00",
            "kind": "credit",
            "method": "cash",
        },
    ]
    assert made.text().startswith("book -> payments: 3 rows = 2 written, 1 left out (blank)")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("7,1,A,2026-01-30,3,,12.50,X,", r"'Kind' -> payments.kind 'X': wanted one of 'P', 'W'"),
        ("7,1,A,2026-01-30,3,1.00,12.50,P,", r"'Out, In' -> payments.amount '1.00 \| 12.50'"),
        ("7,1,A,2026-01-30,x,,12.50,P,", r"'Day' -> payments.occurred_at"),
        ("7,,A,2026-01-30,3,,12.50,P,", r"payments.payment_id: must not be empty"),
    ],
)
def test_a_value_that_does_not_tell_is_refused(tmp_path, line, message):
    with pytest.raises(ContractError, match=message):
        convert_values(tmp_path, line)


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from(["", "total", "x"])), max_size=12))
@settings(max_examples=25)
def test_rows_in_are_rows_out_and_rows_left_out(tmp_path_factory, cells):
    place = tmp_path_factory.mktemp("rows")
    (place / "theirs").mkdir()
    lines = ["No,Due,Amount,Note", *(f"{name},2026-01-01,1,{note}" for name, note in cells)]
    (place / "theirs" / "items.csv").write_text("\n".join(lines) + "\n")
    form = "leave_out: {total: {column: Note, among: [total]}}"
    (place / "m.yaml").write_text(
        (CHARGES % form).replace("from: items", "from: items\n    once: true\n    where: {column: Note, empty: true}")
    )
    made = convert(load_mapping(place / "m.yaml"), place / "theirs", place / "ours")
    (passed,) = made.passed
    assert passed.rows == len(cells) == passed.out + sum(passed.left.values())
    assert len(rows_of(place / "ours" / "charges.csv")) == passed.out == len({name for name, note in cells if not note})


def test_a_row_without_a_cell_is_left_out_as_blank(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "items.csv").write_text("No,Due,Amount\nA,2026-01-01,1\n, ,\nB,2026-01-01,2\n")
    (tmp_path / "m.yaml").write_text(CHARGES % "dates: ISO")
    made = convert(load_mapping(tmp_path / "m.yaml"), tmp_path / "theirs", tmp_path / "ours")
    assert made.text().startswith("items -> charges: 3 rows = 2 written, 1 left out (blank)")


BOOK = """
files:
  items: {path: items.csv, decimal: "."}
tables:
  accounts:
    from: items
    once: true
    columns:
      account_id: Account
      debtor_id: Customer
      portfolio: {constant: trade}
      product: {constant: loan}
      debtor_type: {constant: commercial}
      currency: Currency
      opened_on: {constant: "2026-01-01"}
  charges:
    from: items
    columns:
      charge_id: No
      account_id: Account
      due_on: Due
      amount: {sum: [Principal, Interest]}
      kind: {constant: instalment, negative: adjustment}
"""


def convert_book(place: Path, *lines: str) -> tuple[Conversion, list[str]]:
    (place / "theirs").mkdir()
    head = "No,Account,Customer,Currency,Due,Principal,Interest"
    (place / "theirs" / "items.csv").write_text("\n".join([head, *lines]) + "\n")
    (place / "m.yaml").write_text(BOOK)
    made = convert(load_mapping(place / "m.yaml"), place / "theirs", place / "ours")
    return made, [row["amount"] for row in rows_of(place / "ours" / "charges.csv")]


def test_decimals_that_are_zeros_say_nothing_and_columns_of_amounts_add_up(tmp_path):
    made, amounts = convert_book(
        tmp_path,
        "1,A,K,USD,2026-02-01,216.670000,78.000000",
        "2,B,K,USD,2026-02-01,200.000000,",
        "3,C,K,USD,2026-02-01,.125,0.375",
        "4,D,K,JPY,2026-02-01,100.00,5.00",
        "5,E,K,KWD,2026-02-01,1.2340,0",
        "6,F,K,USD,2026-02-01,-0.500,",
    )
    assert amounts == ["294.67", "200", "0.50", "105", "1.234", "-0.50"]
    report = ingest(tmp_path / "ours", tmp_path / "store", params_with(), dry_run=True)
    assert [(table.name, table.quarantined) for table in report.tables] == [("accounts", 0), ("charges", 0)]
    assert made.warnings[0].startswith("WARNING Accounts that hold nothing but a negative charge: 1.")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,A,K,USD,2026-02-01,216.6712,78", r"line 2, -> charges.amount '294.6712': has more decimals than USD"),
        ("1,A,K,JPY,2026-02-01,0.5,78", r"line 2, -> charges.amount '78.50': has more decimals than JPY"),
        ("1,A,K,USD,2026-02-01,1.500,", r"'1.500': has more decimals than USD, or a mark between thousands"),
        ("1,A,K,USD,2026-02-01,12.000,", r"'12.000': has more decimals than USD, or a mark between thousands"),
        ("1,A,K,USD,2026-02-01,999.000,7.00", r"'1006.000': has more decimals than USD, or a mark between"),
        ("1,A,K,JPY,2026-02-01,100.000,", r"'100.000': has more decimals than JPY, or a mark between thousands"),
        ("1,A,K,USD,2026-02-01,1,2x", r"'Principal, Interest' -> charges.amount '1 \| 2x': wanted an amount"),
        ("1,A,K,USD,2026-02-01,0.1234567891,2", r"'Principal, Interest' -> charges.amount"),
        ("1,A,K,USD,2026-02-01,,", r"'Principal, Interest' -> charges.amount: must not be empty"),
    ],
)
def test_an_amount_finer_than_its_currency_or_half_a_sum_is_refused(tmp_path, line, message):
    with pytest.raises(ContractError, match=message):
        convert_book(tmp_path, line)


SIGNED = BOOK.replace("[Principal, Interest]}", "[Principal, Interest], sign_by: {Way: {S: '+', H: '-'}}, empty: '0'}")


@pytest.mark.parametrize("cells", ["7,1,X", "-7,-1,H"])
def test_a_sum_whose_sign_is_not_told_is_refused_and_no_zero(tmp_path, cells):
    (tmp_path / "theirs").mkdir()
    head = "No,Account,Customer,Currency,Due,Principal,Interest,Way"
    text = f"{head}\n1,A,K,USD,2026-02-01,5,1,H\n2,A,K,USD,2026-02-01,{cells}\n"
    (tmp_path / "theirs" / "items.csv").write_text(text)
    (tmp_path / "m.yaml").write_text(SIGNED)
    with pytest.raises(ContractError, match=r"line 3, 'Principal, Interest' -> charges.amount"):
        convert(load_mapping(tmp_path / "m.yaml"), tmp_path / "theirs", tmp_path / "ours")


GROUPED = 'delimiter: ";", decimal: ",", thousands: "."'


@pytest.mark.parametrize(("cell", "message"), [("1,500", r"'1.500'"), ("-12,000", r"'-12.000'")])
def test_three_decimals_that_may_be_thousands_are_refused(tmp_path, cell, message):
    with pytest.raises(ContractError, match=message):
        converted(tmp_path, f'No;Due;Amount\nA;2026-01-05;"1.234,50"\nB;2026-01-05;"{cell}"\n', GROUPED)
    (tmp_path / "fine").mkdir()
    rows = converted(tmp_path / "fine", "No;Due;Amount\nA;2026-01-05;1500,000\nB;2026-01-05;1,500000\n", GROUPED)
    assert [row["amount"] for row in rows] == ["1500", "1.50"]


def test_a_credit_note_on_its_invoices_account_is_no_account_in_credit(tmp_path):
    made, _ = convert_book(tmp_path, "1,A,K,EUR,2026-02-01,5.00,", "2,A,K,EUR,2026-02-01,-5.00,")
    assert made.warnings == ()


@pytest.mark.parametrize(("second", "number"), [("500", 1), ("200", 0), ("", 0)])
def test_a_promise_that_stands_whole_on_each_account_is_warned_of(tmp_path, second, number):
    (tmp_path / "theirs").mkdir()
    lines = ["Id,Account,Day,Promised", "1,A,2026-02-01,500", f"1,B,2026-02-01,{second}", "2,A,2026-02-02,500"]
    (tmp_path / "theirs" / "calls.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "m.yaml").write_text(
        """
files: {calls: {path: calls.csv}}
tables:
  contacts:
    from: calls
    columns:
      contact_id: Id
      account_id: Account
      occurred_at: Day
      channel: {constant: call}
      direction: {constant: outbound}
      promise_amount: Promised
"""
    )
    made = convert(load_mapping(tmp_path / "m.yaml"), tmp_path / "theirs", tmp_path / "ours")
    assert len(made.warnings) == number
    assert ("same promise on each of several accounts: 1." in made.text()) == bool(number)


def test_where_may_ask_several_things_that_must_all_hold(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "items.csv").write_text("No,Due,Amount\nA,2026-01-01,1\nB,2026-01-01,2\nC,,3\n")
    both = "where: [{column: Due, empty: false}, {column: No, among: [B, C]}]"
    (tmp_path / "m.yaml").write_text(CHARGES.replace("from: items", f"from: items\n    {both}") % "dates: ISO")
    convert(load_mapping(tmp_path / "m.yaml"), tmp_path / "theirs", tmp_path / "ours")
    assert [row["charge_id"] for row in rows_of(tmp_path / "ours" / "charges.csv")] == ["B"]


def test_rows_that_no_part_takes_are_counted(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "items.csv").write_text(
        "No,Due,Amount\nA,2026-01-01,1\n,,\nX,2026-01-01,3\nB,2026-01-01,2\n"
    )
    part = "    - from: items\n      where: {column: No, among: [%s]}\n      columns: " + (
        "{charge_id: No, account_id: No, due_on: Due, amount: Amount, kind: {constant: invoice}}\n"
    )
    text = "files: {items: {path: items.csv}}\ntables:\n  charges:\n" + part % "A" + part % "B"
    (tmp_path / "m.yaml").write_text(text)
    made = convert(load_mapping(tmp_path / "m.yaml"), tmp_path / "theirs", tmp_path / "ours")
    assert "items: rows in no table: 1; the first is 'items.csv' line 4" in made.text()


def test_messages_show_the_shape_of_what_may_be_personal():
    assert seen("Maximilian Mustermann", Kind.MONEY) == "'xxxxxxxxxx xxxxxxxxxx'"
    assert seen("+49 171 2345678 call me please", Kind.DATE) == "'+99 999 9999999 xxxx xx xxxxxx'"
    assert seen("1.190,00 EUR", Kind.MONEY) == "'1.190,00 EUR'"


# ---- mappings --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped())
def test_each_shipped_mapping_reads_what_its_system_exports(name, tmp_path):
    export(name, tmp_path / "theirs")
    made = convert(load_mapping(place_of(name)), tmp_path / "theirs", tmp_path / "ours")
    assert {
        table: [tuple(row.values()) for row in rows_of(tmp_path / "ours" / f"{table}.csv")] for table in made.rows
    } == EXPECTED[name]
    assert all(one.rows == one.out + sum(one.left.values()) for one in made.passed)
    if "accounts" in made.rows:
        report = ingest(tmp_path / "ours", tmp_path / "store", params_with(), dry_run=True)
        assert [(table.name, table.quarantined) for table in report.tables] == [
            (table.name, 0) for table in report.tables
        ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "files: {}\ntables: {charges: {from: x, columns: {charge_id: A}}}",
            "takes rows from 'x'.*lacks account_id, due_on, amount, kind",
        ),
        (CHARGES % 'decimal: "?"', "is undecided"),
        (CHARGES % 'dates: "?"', "is undecided"),
        (CHARGES % "dates: DD.MM", "must name year, month and day once"),
        (CHARGES % 'decimal: ",", thousands: ","', "must be two marks"),
        (CHARGES % "encoding: utf-88", "must be an encoding"),
        (
            CHARGES.replace("kind: {constant: invoice}", "kind: {constant: invoice, column: x}") % "dates: ISO",
            "exactly one of column",
        ),
        (
            CHARGES.replace("kind: {constant: invoice}", "kind: {constant: invoice}, colour: x") % "dates: ISO",
            "fills 'colour'",
        ),
        (
            CHARGES.replace("charge_id: No", "charge_id: {column: No, turned: true}") % "dates: ISO",
            "has a sign, but is no amount",
        ),
        ("- a", "must have the sections"),
        (
            CHARGES.replace("amount: Amount", "amount: {summe: [A, B]}") % "dates: ISO",
            r"amount.summe: is not known here \(nearest: sum\). Known are decimal,.* sum,",
        ),
        (CHARGES % "date: ISO", r"files.items.date: is not known here \(nearest: dates\)"),
        (CHARGES % "dates: [ISO, excel]", r"dates: must be one form.*due_on: \{column: NAME, dates:"),
        (CHARGES % "path: [a, b]", "path: must be one text. Got a list"),
        ("files: {}\ntables:\n", "tables: names no table.*recoup ingest --source"),
        (
            CHARGES.replace("charge_id: No", "charge_id: {sum: [A, B]}") % "dates: ISO",
            "adds columns up, but is no amount",
        ),
        (
            CHARGES.replace("from: items", 'from: items\n    where: {column: No, among: ["?"]}') % "dates: ISO",
            "where: is undecided",
        ),
        (
            CHARGES.replace("tables:", "  other: {path: x.csv}\ntables:") % "dates: ISO",
            "files.other gives rows to no table",
        ),
        ("files: [", "is not YAML at line 2"),
    ],
)
def test_a_mapping_that_cannot_be_used_is_refused_with_every_fault(tmp_path, text, message):
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(UsageError, match=re.compile(message, re.DOTALL)):
        load_mapping(tmp_path / "m.yaml")


def test_an_absent_mapping_names_those_shipped(tmp_path):
    with pytest.raises(InputMissing, match="dialler_log, erpnext"):
        load_mapping(place_of(str(tmp_path / "none.yaml")))
