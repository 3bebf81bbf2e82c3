"""A mapping proposed from files: what they show is written, what they do not show is left as `?`,
and no conversion takes a `?`.

Also of looking.py.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import yaml
from openpyxl import Workbook

from benchmarks.variants import VARIANTS, outcome
from features.errors import InputMissing, UsageError
from pipeline.intake.convert import convert
from pipeline.intake.mapping import load_mapping
from pipeline.intake.proposal import Decided, propose, write_proposal
from tests.worlds.exports import LEDGER, XERO_INVOICES


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


REFUSED = {
    "days with slashes, none above 12",
    "a true minus sign",
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
