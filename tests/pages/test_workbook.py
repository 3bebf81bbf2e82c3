"""The workbook: typed cells, a sheet per queue, choices from the contract, and no text that becomes a formula."""

from __future__ import annotations

import datetime as dt
import multiprocessing
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from benchmarks.faces import measure
from features.currencies import DECIMALS
from features.tables import OUTCOMES
from pipeline.columns import WORKLIST_COLUMNS
from pipeline.pages.language import words
from pipeline.pages.publication import GROUPS_SHOWN, Night
from pipeline.pages.workbook import ENTRIES, write_xlsx
from tests.worlds.paper_nights import HOSTILE, empty, hostile, night
from tests.worlds.spreadsheets import kinds_of, opened_by_libreoffice, read_book


def book_of(made: Night, place: Path) -> openpyxl.Workbook:
    write_xlsx(made, place / "worklist.xlsx")
    return read_book(place / "worklist.xlsx")


def test_the_workbook_has_a_sheet_per_queue_and_typed_cells(tmp_path):
    made = night(80)
    book = book_of(made, tmp_path)
    queues = sorted(set(made.worklist["queue"]))
    assert book.sheetnames == [
        "Summary",
        *queues,
        "Next in line",
        "Deferred",
        "Excluded",
        "Pay alone",
        "How net value is formed",
    ]
    assert sum(book[queue].max_row - 1 for queue in queues) == 80
    for queue in queues:
        sheet = book[queue]
        listed = made.worklist[made.worklist["queue"] == queue]
        head = [cell.value for cell in sheet[1]]
        assert head == [words("en")["columns"][name] for name in (*WORKLIST_COLUMNS, *ENTRIES)]
        cells = dict(zip((*WORKLIST_COLUMNS, *ENTRIES), sheet[2], strict=True))
        decimals = DECIMALS[listed["currency"].iloc[0]]
        assert cells["balance"].value == pytest.approx(listed["balance"].iloc[0] / 10**decimals, abs=1e-9)
        assert cells["balance"].number_format == ("#,##0" if decimals == 0 else "#,##0.00")
        assert cells["p_recovered"].value == listed["p_recovered"].iloc[0]
        assert cells["as_of"].value == dt.datetime(2026, 11, 20)
        assert cells["account_id"].data_type == "s"
        assert sheet.freeze_panes == "D2"
        assert sheet.auto_filter.ref == f"A1:AN{len(listed) + 1}"


def test_one_queue_is_one_sheet_named_after_the_list(tmp_path):
    made = night(10)
    assert book_of(night(10, worklist=made.worklist.assign(queue="all")), tmp_path).sheetnames[1] == "Work list"


def test_outcomes_are_chosen_from_the_contract_s(tmp_path):
    sheet = book_of(night(10), tmp_path).worksheets[1]
    column = openpyxl.utils.get_column_letter(len(WORKLIST_COLUMNS) + 1)
    found = [check for check in sheet.data_validations.dataValidation if check.type == "list"]
    last = openpyxl.utils.get_column_letter(len(WORKLIST_COLUMNS) + len(ENTRIES))
    assert [str(check.sqref).split(":")[0] for check in found] == [f"{column}2", f"{last}2"]
    assert found[0].formula1.strip('"').split(",") == [words("en")["outcomes"][outcome] for outcome in OUTCOMES]
    assert found[1].formula1.strip('"').split(",") == list(words("en")["skips"].values())


def test_bars_charts_and_expiry_are_in_the_workbook(tmp_path):
    book = book_of(night(30), tmp_path)
    kinds = [rule.type for rules in book.worksheets[1].conditional_formatting for rule in rules.rules]
    assert sorted(kinds) == ["dataBar", "dataBar", "expression"]
    assert len(book["Summary"]._charts) == 2
    until = next(row for row in book["Summary"].iter_rows(values_only=True) if row[0] == "Valid until")
    assert until[1] == dt.datetime(2026, 11, 20)


def test_the_summary_says_what_the_manifest_says(tmp_path):
    made = night(60)
    said = {row[0]: row[1:] for row in book_of(made, tmp_path)["Summary"].iter_rows(values_only=True) if row[0]}
    totals, english = made.totals(), words("en")
    assert {group: said[english["groups"][group]][0] for group in ("scorable", *GROUPS_SHOWN)} == made.counts
    assert said["Expected net value"][0] == totals["net_value"] / 100
    assert said["JPY"][1] == totals["per_currency"]["JPY"]["balance"]
    assert said["GBP"][3] == totals["per_currency"]["GBP"]["expected_recovery"] / 100
    assert said["card_gb"][1] == totals["per_queue"]["card_gb"]["net_value"] / 100


def test_no_text_becomes_a_formula_or_a_link_in_the_workbook(tmp_path):
    book = book_of(hostile(), tmp_path)
    texts = [cell for sheet in book for row in sheet.iter_rows() for cell in row if isinstance(cell.value, str)]
    assert {cell.data_type for cell in texts} == {"s"}
    assert [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.hyperlink] == []
    written = {cell.value for cell in texts}
    assert {text for text in HOSTILE if text.startswith(("=", "+", "-", "@", "http", "<"))} <= written


def test_a_bare_writer_would_have_made_formulas(tmp_path):
    """The canary: what the test above looks for does appear when the options are left at their defaults."""
    pd.DataFrame({"text": list(HOSTILE)}).to_excel(tmp_path / "bare.xlsx", engine="xlsxwriter", index=False)
    sheet = read_book(tmp_path / "bare.xlsx").active
    assert "f" in {cell.data_type for row in sheet.iter_rows() for cell in row}
    assert any(cell.hyperlink for row in sheet.iter_rows() for cell in row)


def test_queue_names_become_lawful_sheet_names(tmp_path):
    made = night(8)
    names = ["a/b", "A?B", "x" * 40, "x" * 41, "'quoted'", "History", "", "summary"]
    book = book_of(night(8, worklist=made.worklist.assign(queue=names)), tmp_path)
    assert sorted(book.sheetnames[1:9]) == sorted(
        ["-", "History_", "A B", "a b 2", "quoted", "summary 2", "x" * 31, "x" * 29 + " 2"]
    )


def test_a_very_long_text_is_cut_where_a_cell_ends(tmp_path):
    made = night(3)
    sheet = book_of(night(3, worklist=made.worklist.assign(queue="all", reason_1="y" * 40_000)), tmp_path).worksheets[1]
    assert sheet.cell(2, WORKLIST_COLUMNS.index("reason_1") + 1).value == "y" * 32_000 + "…"


def test_a_long_tab_of_those_not_listed_shows_the_first_and_names_the_file_of_all(tmp_path, monkeypatch):
    made = night(60)
    assert len(made.excluded) == 9
    assert len(made.deferred) > 20
    monkeypatch.setattr("pipeline.pages.workbook.LATER_ROWS", 9)
    book = book_of(made, tmp_path)
    sheet, told = book["Deferred"], f"The first 9 of {len(made.deferred)} are shown here; deferred.csv holds all."
    assert [cell.value for cell in sheet["A"][1:]] == [*made.deferred["account_id"][:9], told]
    assert sheet.auto_filter.ref.endswith("10")  # what is told is no row of the table
    assert [cell.value for cell in book["Excluded"]["A"][1:]] == list(made.excluded["account_id"])
    assert f"Deferred: {told}" in [cell.value for cell in book["Summary"]["A"]]
    assert len(book["How net value is formed"]["A"]) == 61  # every listed row


def test_an_empty_night_is_a_workbook(tmp_path):
    assert book_of(empty(), tmp_path)["Work list"].max_row == 1


@pytest.mark.slow
def test_libreoffice_opens_the_workbook_with_its_types(tmp_path):
    made = night(20)
    write_xlsx(made, tmp_path / "worklist.xlsx")
    book = opened_by_libreoffice(tmp_path / "worklist.xlsx")
    assert kinds_of(book) <= {"s", "n", "d"}
    listed = made.worklist[made.worklist["queue"] == "card_gb"]
    values = [row[WORKLIST_COLUMNS.index("balance")] for row in list(book["card_gb"].iter_rows(values_only=True))[1:]]
    assert values == pytest.approx((listed["balance"] / 100).tolist())


@pytest.mark.stress
def test_fifty_thousand_rows_are_a_workbook_in_bounded_memory_and_half_a_minute():
    with multiprocessing.get_context("spawn").Pool(1) as process:
        _, cpu, _, peak = process.apply(measure, ("worklist.xlsx", 50_000))
    assert cpu < 30
    assert peak < 100
