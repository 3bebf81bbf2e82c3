"""A mapping proposed from files: what they show is written, what they do not show is left as `?`,
and no conversion takes a `?`.

Also of looking.py, documents.py, file_tables.py and mapping_lines.py.
"""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path

import pytest
import yaml
from openpyxl import Workbook

from benchmarks.variants import VARIANTS, outcome
from features.errors import ContractError, InputMissing, UsageError
from pipeline.intake.convert import Conversion, convert
from pipeline.intake.documents import kind_of
from pipeline.intake.looking import LOOKED_AT
from pipeline.intake.mapping import load_mapping
from pipeline.intake.mapping_lines import Decided
from pipeline.intake.proposal import propose, write_proposal
from tests.worlds.exports import LEDGER, XERO_INVOICES
from tests.worlds.strangers import CREDITED, credited_ledger, serviced_loans


def proposed(folder: Path, text: str, encoding: str = "utf-8", name: str = "Offene Posten.csv") -> dict:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(text.encode(encoding))
    return yaml.load(propose(folder).text, Loader=yaml.BaseLoader)


def test_a_german_ledger_needs_two_words_by_hand(tmp_path):
    preamble = "Mandant 1;;;;;;\nOP-Liste;;;;;;\n"
    found = proposed(tmp_path / "theirs", preamble + LEDGER, "cp1252")
    (file,) = found["files"].values()
    assert {name: file[name] for name in ("encoding", "delimiter", "header_line", "decimal", "thousands", "dates")} == {
        "encoding": "cp1252",
        "delimiter": ";",
        "header_line": "3",
        "decimal": ",",
        "thousands": ".",
        "dates": "DD.MM.YYYY",
    }
    assert file["leave_out"]["total"]["column"] == "Belegnr"
    (charges,) = found["tables"]["charges"]
    assert charges["columns"]["due_on"] == "Fällig am"
    assert charges["columns"]["amount"] == "Betrag"
    text = propose(tmp_path / "theirs").text
    (tmp_path / "m.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"debtor_type.*undecided"):
        load_mapping(tmp_path / "m.yaml")
    decided = text.replace('debtor_type: {constant: "?"}', "debtor_type: {constant: commercial}")
    decided = decided.replace('currency: {constant: "?"}', "currency: {constant: EUR}")
    (tmp_path / "m.yaml").write_text(decided, encoding="utf-8")
    made = convert(load_mapping(tmp_path / "m.yaml"), tmp_path / "theirs", tmp_path / "ours")
    assert made.rows == {"accounts": 3, "charges": 3, "payments": 1}


def test_a_list_of_merged_customers_becomes_debtors(tmp_path):
    merged = "Kunde;Hauptkunde;Zusammengeführt am\nK2;K1;31.07.2026\nK3;K1;01.08.2026\n"
    proposed(tmp_path / "theirs", merged, name="Dubletten.csv")
    found = proposed(tmp_path / "theirs", LEDGER, "cp1252")
    assert list(found["tables"]) == ["accounts", "debtors", "charges", "payments"]
    (debtors,) = found["tables"]["debtors"]
    assert debtors["columns"] == {"debtor_id": "Kunde", "same_as": "Hauptkunde", "known_at": "Zusammengeführt am"}
    text = propose(tmp_path / "theirs", decided=Decided(debtor_type="commercial", currency="EUR")).text
    (tmp_path / "m.yaml").write_text(text, encoding="utf-8")
    convert(load_mapping(tmp_path / "m.yaml"), tmp_path / "theirs", tmp_path / "ours")
    written = (tmp_path / "ours" / "debtors.csv").read_text(encoding="utf-8-sig")
    assert written.splitlines()[1:] == ["K2,K1,2026-07-31", "K3,K1,2026-08-01"]


@pytest.mark.parametrize(
    ("day", "amount", "dates", "decimal"),
    [
        ("03/04/2026", "1,234", "?", "?"),
        ("13/04/2026", "1,234.50", "DD/MM/YYYY", "."),
        ("04/13/2026", "1.234,50", "MM/DD/YYYY", ","),
        ("03/04/2026", "12.50", "?", "."),
    ],
)
def test_what_can_be_read_in_two_ways_is_not_guessed(tmp_path, day, amount, dates, decimal):
    text = f"Invoice No;Customer;Due Date;Amount\nA;1;{day};{amount}\nB;2;{day};{amount}\n"
    (file,) = proposed(tmp_path / "theirs", text)["files"].values()
    assert (file["dates"], file["decimal"]) == (dates, decimal)


def test_cells_that_prove_both_marks_decide_nothing(tmp_path):
    text = "Invoice No;Customer;Due Date;Amount\nA;1;2026-01-01;12.50\nB;2;2026-01-01;12,50\n"
    (file,) = proposed(tmp_path / "theirs", text)["files"].values()
    assert file["decimal"] == "?"


def test_a_mark_proved_by_another_column_is_asked(tmp_path):
    text = "Invoice No;Customer;Due Date;Amount;Interest\nA;1;2026-01-01;1.500;12.50\nB;2;2026-01-01;2.000;3.20\n"
    (file,) = proposed(tmp_path / "theirs", text)["files"].values()
    assert (file["decimal"], file["thousands"]) == ("?", "?")
    said = yaml.load(propose(tmp_path / "theirs", decided=Decided(decimal=".")).text, Loader=yaml.BaseLoader)
    assert [file["decimal"] for file in said["files"].values()] == ["."]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_encoding_is_told_by_the_bytes(tmp_path, encoding):
    (file,) = proposed(tmp_path / "theirs", XERO_INVOICES, encoding)["files"].values()
    assert file["encoding"] == encoding.removesuffix("-sig")
    assert file["dates"] == "?"
    assert file["currency_marks"] == ["$"]


def test_a_workbook_names_its_sheet(tmp_path):
    book = Workbook()
    book.active.append(["note"])
    sheet = book.create_sheet("Open items")
    sheet.append(["Invoice", "Customer", "Invoice Date", "Due Date", "Amount"])
    for number in range(3):
        sheet.append([f"R{number}", "K", dt.datetime(2026, 1, 5), dt.datetime(2026, 2, 5), 10.5])
    (tmp_path / "theirs").mkdir()
    book.save(tmp_path / "theirs" / "items.xlsx")
    found = yaml.load(propose(tmp_path / "theirs").text, Loader=yaml.BaseLoader)
    assert found["files"]["items"] == {"path": "items.xlsx", "sheet": "Open items", "header_line": "1"}


def test_no_name_of_a_debtor_is_in_a_proposal(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "op.csv").write_bytes(LEDGER.encode("cp1252"))
    assert "Müller" not in propose(tmp_path / "theirs").text
    assert "K1" not in propose(tmp_path / "theirs").text


def test_a_mapping_that_is_there_is_not_written_over(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "op.csv").write_bytes(LEDGER.encode("cp1252"))
    told = write_proposal(tmp_path / "theirs", tmp_path / "m.yaml")
    assert "To decide by hand: 2" in told
    assert "debtor_type" in told
    with pytest.raises(UsageError, match="is not written over"):
        write_proposal(tmp_path / "theirs", tmp_path / "m.yaml")


def test_a_folder_without_files_is_told(tmp_path):
    with pytest.raises(InputMissing, match="There is no file to convert"):
        propose(tmp_path)


# ---- what must not be taken for something else -----------------------------------------------------------------------

SAID = Decided(debtor_type="commercial", currency="EUR")


def brought(place: Path, decided: Decided = SAID) -> tuple[str, dict[str, list[dict[str, str]]], Conversion]:
    """The text proposed for the files in `theirs`, the rows that convert makes of it, and what convert says."""
    text = propose(place / "theirs", decided=decided).text
    (place / "m.yaml").write_text(text, encoding="utf-8")
    made = convert(load_mapping(place / "m.yaml"), place / "theirs", place / "ours")
    rows = {}
    for table in made.rows:
        with (place / "ours" / f"{table}.csv").open(encoding="utf-8", newline="") as stream:
            rows[table] = list(csv.DictReader(stream))
    return text, rows, made


def columns(rows: list[dict[str, str]], *names: str) -> list[tuple[str, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


CREDIT_NOTES = {
    "by kind": CREDITED,
    "by kind, without a minus": CREDITED.replace("-238,50", "238,50"),
    "by sign": CREDITED.replace(";GU;", ";;").replace(";RE;", ";;").replace("Belegart", "Notiz"),
    "by sign, an invoice names another one": CREDITED.replace(";GU;", ";;")
    .replace(";RE;", ";;")
    .replace("Belegart", "Notiz")
    .replace("47,11;", "47,11;R-1"),
}


@pytest.mark.parametrize("name", CREDIT_NOTES)
def test_a_credit_note_goes_to_the_invoice_that_it_names(tmp_path, name):
    credited_ledger(tmp_path / "theirs", CREDIT_NOTES[name])
    _, rows, made = brought(tmp_path)
    assert columns(rows["accounts"], "account_id") == [("R-1",), ("R-3",)]
    assert columns(rows["charges"], "charge_id", "account_id", "adjusts", "amount", "kind") == [
        ("R-1", "R-1", "", "1190.00", "invoice"),
        ("R-3", "R-3", "", "47.11", "invoice"),
        ("G-2", "R-1", "R-1", "-238.50", "adjustment"),
    ]
    assert made.warnings == ()


def test_a_credit_note_that_names_no_invoice_is_asked_beside_others_and_warned_of_alone(tmp_path):
    second = "K2;G-4;GU;12.01.2026;12.01.2026;-7,00;\nSumme"
    credited_ledger(tmp_path / "theirs", CREDITED.replace("Summe", second))
    assert 'account_id: "?"   # credit notes that name no invoice' in propose(tmp_path / "theirs").text
    credited_ledger(tmp_path / "theirs", CREDITED.replace("-238,50;R-1", "-238,50;"))
    text, _, made = brought(tmp_path)
    assert "no column names their invoice: each is an account in credit" in text
    assert "nothing but a negative charge: 1." in made.text()


def test_words_for_documents_that_nobody_knows_are_asked_and_payments_are_payments(tmp_path):
    paid = "K1;Z-4;ZA;12.02.2026;12.02.2026;-100,00;R-1\nSumme"
    credited_ledger(tmp_path / "theirs", CREDITED.replace("Summe", paid))
    _, rows, _ = brought(tmp_path)
    assert columns(rows["payments"], "payment_id", "account_id", "occurred_at", "amount") == [
        ("Z-4", "R-1", "2026-02-12", "100.00")
    ]
    assert len(rows["charges"]) == 3
    credited_ledger(tmp_path / "theirs", CREDITED.replace(";RE;12", ";QX;12"))
    assert 'values: {"QX": "?", "RE": "invoice"}' in propose(tmp_path / "theirs").text
    credited_ledger(tmp_path / "theirs", CREDITED.replace(";RE;12", ";;12"))
    assert 'where: {column: "Belegart", among: ["RE", "?"]}' in propose(tmp_path / "theirs").text


LEDGER_HEAD = "Invoice No,Customer No,Date,Due Date,Amount,Type,{}"


@pytest.mark.parametrize(
    ("head", "rows", "told"),
    [
        ("Related invoice", ("P1,K1,100.00,Payment,R1", "P2,K1,-100.00,Payment,R1"), "payments stand with and without"),
        (
            "Related invoice",
            ("P1,K1,-100.00,Payment,R1", "P2,K1,100.00,Payment reversal,R1"),
            '"Payment reversal": "?"',
        ),
        ("Related invoice", ("P1,K1,70.00,Payment reminder fee,",), '"Payment reminder fee": "?"'),
        ("Related invoice", ("P1,K1,70.00,Credit sale,",), '"Credit sale": "?"'),
        ("Related invoice", ("P1,K1,70.00,Storno Gutschrift,",), '"Storno Gutschrift": "?"'),
        ("Related invoice", ("G1,K2,-10.00,Credit note,R1",), "perhaps 'Related invoice' (0.50)"),
        ("Discount", ("G1,K1,-10.00,Credit note,R1",), "perhaps 'Discount' (0.50)"),
    ],
)
def test_what_a_row_of_a_ledger_may_be_is_asked(tmp_path, head, rows, told):
    lines = [LEDGER_HEAD.format(head), "R1,K1,2026-01-05,2026-02-05,100.00,Invoice,"]
    for row in rows:
        name, who, rest = row.split(",", 2)
        lines.append(f"{name},{who},2026-02-01,2026-02-01,{rest}")
    proposed(tmp_path / "theirs", "\n".join(lines) + "\n")
    assert told in propose(tmp_path / "theirs").text


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("Payment", "payment"),
        ("Recovery repayment", "payment"),
        ("Waive interest", "credit"),
        ("Write off", "charged_off"),
        ("Payment reversal", "?"),
        ("Payment refund", "?"),
        ("Payment failed", "?"),
        ("Payment fee", "?"),
        ("Rückzahlung", "?"),
        ("Remboursement", "?"),
    ],
)
def test_a_kind_of_payment_is_taken_where_every_word_of_it_is_known(word, meant):
    assert kind_of(word) == meant


def test_rows_of_payments_without_a_kind_and_files_of_none_are_asked(tmp_path):
    head = "Transaction Id,Invoice No,Payment date,Amount,Type\nT1,R1,2026-02-01,100.00,"
    found = proposed(tmp_path / "theirs", f"{head}Payment\nT2,R1,2026-02-02,5.00,\n")
    assert found["tables"]["payments"][0]["where"]["among"] == ["Payment", "?"]
    found = proposed(tmp_path / "theirs", f"{head}Fee\n")
    assert found["tables"]["payments"][0]["columns"]["kind"] == {"constant": "?"}


def test_parts_of_an_instalment_are_added_up_and_reversed_repayments_taken_back(tmp_path):
    serviced_loans(tmp_path / "theirs")
    text, rows, _ = brought(tmp_path, Decided(debtor_type="consumer"))
    assert columns(rows["accounts"], "account_id", "debtor_id", "currency", "opened_on", "principal") == [
        ("7000", "C5000", "USD", "2026-01-03", "3900"),
        ("7001", "C5001", "USD", "2026-01-24", "2000"),
    ]
    assert columns(rows["charges"], "charge_id", "amount") == [
        ("7000/1", "294.67"),
        ("7000/2", "296.17"),
        ("7001/1", "206.66"),
    ]
    assert columns(rows["payments"], "payment_id", "occurred_at", "amount", "kind", "reverses") == [
        ("2", "2026-02-05", "294.67", "payment", ""),
        ("3", "2026-02-24", "206.66", "payment", ""),
        ("2/1", "2026-02-09", "294.67", "reversal", "2"),
    ]
    assert columns(rows["debtors"], "debtor_id", "same_as") == [("C5000", "C5001")]
    assert "# Left unused: 'account_no', 'loan_status'" in text


def test_the_principal_of_an_instalment_is_none_of_the_loan(tmp_path):
    serviced_loans(tmp_path / "theirs")
    (tmp_path / "theirs" / "loans.csv").unlink()
    (accounts,) = yaml.load(propose(tmp_path / "theirs").text, Loader=yaml.BaseLoader)["tables"]["accounts"]
    assert "principal" not in accounts["columns"]
    assert accounts["columns"]["debtor_id"] == "?"


@pytest.mark.parametrize(
    ("head", "row", "line"),
    [
        ("Amount,Open", "100.00,40.00", "'Amount' was billed, 'Open' is left; no file says what was paid"),
        ("Open,Paid On,Paid", "40.00,2026-02-01,60.00", "'Open' is what is left: payments would count twice"),
        ("Amount,Open,Paid On", "100.00,40.00,2026-02-01", "some are paid in part: no column says how much"),
        ("Amount,Open", '"1,000","2,000"', "'Amount' was billed, 'Open' is left"),
        ("Amount,Paid", '"1,000","2,000"', "'Paid' of 'Amount' is paid"),
        ("Amount,Total", "100.00,119.00", "which: 'Amount', 'Total'?"),
        ("Amount,Paid", "100.00,40.00", "'Paid' of 'Amount' is paid, and no column says when"),
        ("Discounted amount", "100.00", "perhaps 'Discounted amount' (0.60)"),
        ("Total due,Principal,Interest", "100.00,90.00,20.00", "'Total due' is not the sum of 'Principal', 'Interest'"),
        ("Principal,Interest,VAT amount", "90.00,20.00,2.00", 'sum: ["Principal", "Interest"]; and \'VAT amount\'?'),
    ],
)
def test_an_amount_that_may_not_be_what_is_owed_is_asked(tmp_path, head, row, line):
    text = f"Invoice No,Customer,Due Date,{head}\nA,1,2026-01-05,{row}\nB,2,2026-01-05,{row}\n"
    proposed(tmp_path / "theirs", text)
    assert f'amount: "?"   # {line}' in propose(tmp_path / "theirs").text


@pytest.mark.parametrize(
    "head", ["Customer name,Customer no,Name,Invoice no", "Name,Invoice no,Customer name,Customer no"]
)
def test_who_owes_and_what_is_owed_go_by_numbers_and_not_by_names(tmp_path, head):
    cells = {"Customer name": "Max", "Customer no": "K1", "Name": "Max", "Invoice no": "R1"}
    row = ",".join(cells[name] for name in head.split(","))
    found = proposed(tmp_path / "theirs", f"{head},Due date,Due,Amount\n{row},2026-01-05,2026-01-06,5.00\n")
    (accounts,) = found["tables"]["accounts"]
    assert (accounts["columns"]["account_id"], accounts["columns"]["debtor_id"]) == ("Invoice no", "Customer no")
    assert found["tables"]["charges"][0]["columns"]["due_on"] == "?"


@pytest.mark.parametrize("name", ["Rücklastschriften.csv", "credit_notes.csv", "Refunds 2026.csv"])
def test_a_file_named_after_what_takes_money_back_is_not_taken_for_payments_or_invoices(tmp_path, name):
    text = "Receipt,Invoice,Booking date,Amount\nZ1,R1,2026-01-05,5.00\n"
    found = proposed(tmp_path / "theirs", text, name=name)
    assert found["tables"]["payments"][0]["columns"]["kind"] == {"constant": "?"}
    found = proposed(tmp_path / "theirs", "Invoice,Customer,Due date,Amount\nR1,K1,2026-01-05,5.00\n", name=name)
    assert found["tables"]["charges"][0]["columns"]["kind"]["constant"] == "?"


def test_a_heading_is_known_with_its_currency_beside_it(tmp_path):
    found = proposed(tmp_path / "theirs", "Invoice No,Customer,Due Date,Amount (EUR)\nA,1,2026-01-05,5.00\n")
    assert found["tables"]["charges"][0]["columns"]["amount"] == "Amount (EUR)"


@pytest.mark.parametrize(
    ("head", "cells", "left", "kept"),
    [
        (
            "Status",
            ("Posted", "Draft", "Cancelled"),
            'not standing: {column: "Status", among: ["Cancelled", "Draft"]}',
            1,
        ),
        ("Storniert", ("nein", "ja", ""), 'reversed: {column: "Storniert", among: ["ja"]}', 2),
        ("Storniert", ("nein", "nein", "nein"), 'reversed: {column: "Storniert", like: "(?i)(1|', 3),
    ],
)
def test_what_does_not_stand_is_left_out_by_name(tmp_path, head, cells, left, kept):
    lines = [f"{name},1,2026-01-05,5.00,{cell}" for name, cell in zip("ABC", cells, strict=True)]
    proposed(tmp_path / "theirs", "\n".join([f"Invoice No,Customer,Due Date,Amount,{head}", *lines]) + "\n")
    text, rows, _ = brought(tmp_path)
    assert left in text
    assert len(rows["charges"]) == kept


@pytest.mark.parametrize(
    ("head", "cell"),
    [
        ("Status", "Quux"),
        ("Is reversed", "maybe"),
        ("Status", "Not cancelled"),
        ("Status", "Open, reminder returned"),
        ("Payment Status", "Failed"),
        ("Payment Status", "Returned"),
    ],
)
def test_a_word_that_may_mean_that_a_row_does_not_stand_is_asked(tmp_path, head, cell):
    text = f'Invoice No,Customer,Due Date,Amount,{head}\nA,1,2026-01-05,5.00,"{cell}"\nB,1,2026-01-05,5.00,Posted\n'
    (file,) = proposed(tmp_path / "theirs", text)["files"].values()
    (asked,) = file["leave_out"].values()
    assert "?" in asked["among"]


def test_columns_of_days_each_have_their_form(tmp_path):
    calls = (
        "Gesprächsnr;Rechnungsnr;Zeitpunkt;Ergebnis;Zusage bis\n1;R-1;23.01.2026 09:17;Zusage;15.02.2026\n"
        "2;R-1;13.02.2026 16:29;Mailbox;\n"
    )
    (contacts,) = proposed(tmp_path / "theirs", calls, "cp1252", "Telefon.csv")["tables"]["contacts"]
    assert contacts["columns"]["occurred_at"] == {"column": "Zeitpunkt", "dates": "DD.MM.YYYY HH:mm"}
    assert contacts["columns"]["promise_due_on"] == {"column": "Zusage bis", "dates": "DD.MM.YYYY"}


def test_a_promise_that_stands_whole_on_each_invoice_is_asked(tmp_path):
    calls = "Call ID,Invoice,Call time,Outcome,Promise amount\n1,A,2026-01-05,PTP,500\n1,B,2026-01-05,PTP,{}\n"
    found = proposed(tmp_path / "theirs", calls.format(500))["tables"]["contacts"][0]["columns"]
    assert found["promise_amount"] == "?"
    found = proposed(tmp_path / "theirs", calls.format(200))["tables"]["contacts"][0]["columns"]
    assert found["promise_amount"] == "Promise amount"


@pytest.mark.parametrize(("rows", "width"), [(3, 0), (2_500, 0), (2_500, 500)])  # 1 MB is read from the beginning
def test_a_total_far_below_is_left_out_and_a_customer_called_total_is_not(tmp_path, rows, width):
    lines = [f"Total Energies{'x' * width};R-{at};31.01.2026;1.190,00" for at in range(rows)]
    text = "\n".join(["Kunde;Belegnr;Fällig am;Betrag", *lines, "Summe;;;12,00"]) + "\n"
    proposed(tmp_path / "theirs", text, "cp1252")
    _, made, _ = brought(tmp_path)
    assert len(made["charges"]) == rows


def test_a_customer_called_total_whom_the_proposal_did_not_see_is_no_total(tmp_path):
    lines = [f"K;R-{at};31.01.2026;1.190,00" for at in range(2_100)]
    lines[2_050] = "Total Energies SE;R-2050;31.01.2026;1.190,00"
    text = "\n".join(["Kunde;Belegnr;Fällig am;Betrag", *lines, "Total EUR;;;12,00"]) + "\n"
    proposed(tmp_path / "theirs", text, "cp1252")
    with pytest.raises(ContractError, match=r"line 2,052 is left out as a total and has every cell of a row"):
        brought(tmp_path)


def test_a_total_far_below_in_a_workbook_is_left_out(tmp_path):
    book = Workbook()
    book.active.append(["Kunde", "Belegnr", "Fällig am", "Betrag"])
    for at in range(2_100):
        book.active.append(["K", f"R-{at}", dt.datetime(2026, 1, 31), 5.5])
    book.active.append(["Summe", None, None, 5])
    (tmp_path / "theirs").mkdir()
    book.save(tmp_path / "theirs" / "items.xlsx")
    (file,) = yaml.load(propose(tmp_path / "theirs").text, Loader=yaml.BaseLoader)["files"].values()
    assert file["leave_out"]["total"]["column"] == "Kunde"


def test_a_file_that_is_not_understood_counts_and_is_no_file_of_a_mapping(tmp_path):
    proposed(tmp_path / "theirs", "a,b\n1,2\n", name="other.csv")
    proposed(tmp_path / "theirs", LEDGER, "cp1252")
    told = write_proposal(tmp_path / "theirs", tmp_path / "m.yaml")
    assert "To decide by hand: 3" in told
    assert "'other.csv': not understood. Write under tables what it holds, or take it out of files." in told
    assert "Columns left unused: 'Offene Posten.csv': 'Name'" in told
    with pytest.raises(UsageError, match=r"files.other gives rows to no table"):
        brought(tmp_path)


@pytest.mark.parametrize("heads", ["Kundennr alt;Kundennr neu;Zusammengeführt am", "Old ID;New ID;Merged on"])
def test_old_and_new_numbers_of_customers_become_debtors(tmp_path, heads):
    proposed(tmp_path / "theirs", LEDGER, "cp1252")
    found = proposed(tmp_path / "theirs", f"{heads}\nK2;K1;31.07.2026\n", "cp1252", "Dubletten.csv")
    (debtors,) = found["tables"]["debtors"]
    assert list(debtors["columns"].values()) == heads.split(";")


def test_a_file_with_the_contracts_columns_is_read_by_them(tmp_path):
    proposed(tmp_path / "theirs", "debtor_id;same_as;known_at\nK2;K1;31.07.2026\n", name="debtors.csv")
    text = "charge_id;account_id;due_on;amount;kind\nR1;R1;31.07.2026;1.190,00;invoice\n"
    proposed(tmp_path / "theirs", text, name="posten.csv")
    _, rows, _ = brought(tmp_path)
    assert columns(rows["debtors"], "debtor_id", "same_as", "known_at") == [("K2", "K1", "2026-07-31")]
    assert columns(rows["charges"], "due_on", "amount") == [("2026-07-31", "1190.00")]


def test_a_proposal_is_not_written_under_the_name_of_a_shipped_mapping(tmp_path, monkeypatch):
    proposed(tmp_path / "theirs", LEDGER, "cp1252")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"name of a mapping that is shipped: `recoup convert --map erpnext --show`"):
        write_proposal(tmp_path / "theirs", Path("erpnext"))


REFUSED = {
    "days with slashes, none above 12",
    "amounts that can be read in two ways",
    "a day that is none",
    "an amount that is none",
    "two forms of amounts mixed",
    "two forms of days mixed",
    "a header that stands twice",
    "a row that is cut off",
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_ledger_in_any_form_is_read_right_or_refused(tmp_path, name):
    what, why = outcome(VARIANTS[name], tmp_path)
    assert what == ("refused" if name in REFUSED else "right"), why


SPANISH = """Nº factura;Código cliente;Fecha emisión;Fecha vencimiento;Base imponible;IVA;Total;Estado;Fecha cobro
F001;C1;15/01/2026;14/02/2026;1.000,00;210,00;1.210,00;Pendiente;
F002;C2;16/01/2026;15/02/2026;2.000,00;420,00;2.420,00;Cobrada;20/02/2026
F003;C1;17/01/2026;16/02/2026;3.000,00;630,00;3.630,00;Anulada;
"""


def test_a_spanish_ledger_is_understood_by_its_own_words(tmp_path):
    made = proposed(tmp_path / "es", SPANISH, "cp1252")
    (charge,), (paid,) = made["tables"]["charges"], made["tables"]["payments"]
    assert charge["columns"]["charge_id"] == "Nº factura"
    assert (charge["columns"]["issued_on"], charge["columns"]["amount"]) == ("Fecha emisión", "Total")
    assert (paid["columns"]["occurred_at"], paid["columns"]["amount"]) == ("Fecha cobro", "Total")
    assert made["files"]["offene_posten"]["leave_out"]["not standing"]["among"] == ["Anulada"]


BALANCES = """Date,Transaction Type,Num,Customer,Due Date,Amount,Open Balance,Applied To
01/15/2026,Invoice,1001,North,02/14/2026,100.50,100.50,
01/16/2026,Invoice,1002,South,02/15/2026,200.50,0.00,
02/18/2026,Payment,P1,South,,-200.50,0.00,1002
"""


def test_what_was_billed_is_owed_beside_a_balance_where_rows_of_the_same_file_are_payments(tmp_path):
    made = proposed(tmp_path / "us", BALANCES)
    assert made["tables"]["charges"][0]["columns"]["amount"] == "Amount"
    assert made["tables"]["payments"][0]["columns"]["amount"] == {"column": "Amount", "turned": "true"}
    without = "\n".join(line for line in BALANCES.splitlines() if "Payment" not in line)
    assert proposed(tmp_path / "without", without)["tables"]["charges"][0]["columns"]["amount"] == "?"


def late_row(place: Path, head: str, row: str, last: str) -> tuple[Path, Path]:
    """A ledger whose last row lies behind those that a proposal looks at, and the mapping that is proposed of it."""
    place.mkdir()
    rows = [row.format(at=at) for at in range(LOOKED_AT + 10)]
    (place / "op.csv").write_text("\n".join([head, *rows, last]) + "\n", encoding="utf-8")
    said = Decided(debtor_type="commercial", currency="EUR", place="DE", time_zone="Europe/Berlin")
    made = place.with_suffix(".yaml")
    made.write_text(propose(place, decided=said).text, encoding="utf-8")
    return place, made


HEAD = "Invoice No,Customer,Invoice Date,Due Date,Amount"


@pytest.mark.parametrize(
    ("more", "row", "last", "said"),
    [
        (
            ",Status",
            "{at},K1,2026-01-05,2026-02-05,90.00,Open",
            "Z,K1,2026-01-05,2026-02-05,90.00,Cancelled",
            "another state",
        ),
        (
            ",Paid On,Open Amount",
            "{at},K1,2026-01-05,2026-02-05,90.00,2026-02-01,0.00",
            "Z,K1,2026-01-05,2026-02-05,90.00,2026-02-01,89.00",
            "paid and still open in part",
        ),
        (
            ",Type",
            "{at},K1,2026-01-05,2026-02-05,90.00,Invoice",
            "Z,K1,2026-01-05,2026-02-05,90.00,Fee",
            "another kind",
        ),
    ],
)
def test_what_a_proposal_did_not_see_is_refused_and_not_taken_for_something_else(tmp_path, more, row, last, said):
    theirs, mapping = late_row(tmp_path / "theirs", HEAD + more, row, last)
    with pytest.raises(
        ContractError, match=rf"'op.csv' line {LOOKED_AT + 12:,}.*{said} than was seen|{said} \(1 rows\)"
    ):
        convert(load_mapping(mapping), theirs, tmp_path / "ours")
    (theirs / "op.csv").write_text("\n".join((theirs / "op.csv").read_text().splitlines()[:-1]) + "\n")
    assert convert(load_mapping(mapping), theirs, tmp_path / "ours").rows["charges"] == LOOKED_AT + 10
