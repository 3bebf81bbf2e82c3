"""A workbook of another system is read as it shows, in a process of its own, or refused soon and small."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from openpyxl import Workbook

from features.errors import ContractError
from pipeline.intake.cells import NATIVE
from pipeline.intake.looking import _sheet_rows
from pipeline.intake.sheets import CELLS_LIMIT, PIECE, _last_with_a_value, _read, check_proportion, read_sheet

SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'
)


def book(place: Path, *rows: list[object], title: str = "Items") -> Path:
    made = Workbook()
    made.active.title = title
    for row in rows:
        made.active.append(row)
    made.save(place)
    return place


def crafted(place: Path, data: str, strings: str | None = None) -> Path:
    """A workbook whose only sheet holds these rows."""
    whole = io.BytesIO()
    book(place, ["a"])
    with zipfile.ZipFile(place) as packed, zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as made:
        for part in packed.infolist():
            content = packed.read(part)
            if part.filename.startswith("xl/worksheets/"):
                content = SHEET.format(data).encode()
            if part.filename == "xl/sharedStrings.xml" and strings is not None:
                content = strings.encode()
            made.writestr(part.filename, content)
    place.write_bytes(whole.getvalue())
    return place


def test_cells_are_texts_that_say_what_they_were(tmp_path):
    day, moment = dt.date(2026, 1, 5), dt.datetime(2026, 1, 5, 10, 30)
    rows = [["line above"], ["id", "due", None, "amount"], ["A1", day, moment, 0.1 + 0.2], [None], ["A2", True, "", 7]]
    header, found = read_sheet(book(tmp_path / "items.xlsx", *rows), None, 2)
    assert header == ["id", "due", None, "amount"]
    assert list(found) == [
        ["A1", f"{NATIVE}d2026-01-05", f"{NATIVE}t2026-01-05 10:30:00", f"{NATIVE}n0.3"],
        [None, None, None, None],
        ["A2", "TRUE", None, f"{NATIVE}n7"],
    ]


@pytest.mark.parametrize(
    ("rows", "sheet", "line", "said"),
    [
        ([["id"], ["=1+1"]], None, 1, "row 2 has a formula without a saved value"),
        ([["id"], [f"{NATIVE}n1"]], None, 1, "row 2 holds a character of private use"),
        ([["id"]], "Other", 1, "has no sheet 'Other'. Its sheets: Items"),
        ([["id"]], None, 5, "has no row 5 in sheet 'Items'"),
        ([[f"c{at}" for at in range(1_500)]], None, 1, "LIMIT_COLUMNS"),
    ],
)
def test_what_is_refused_is_said_with_its_place(tmp_path, rows, sheet, line, said):
    with pytest.raises(ContractError, match=rf"(?s)'items.xlsx'.*{said}"):
        list(read_sheet(book(tmp_path / "items.xlsx", *rows), sheet, line)[1])


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"id,amount\n1,2\n"])
def test_what_is_no_workbook_is_said_to_be_none(tmp_path, content):
    (tmp_path / "items.xlsx").write_bytes(content)
    with pytest.raises(ContractError, match="'items.xlsx' is no workbook of Excel"):
        read_sheet(tmp_path / "items.xlsx", None, 1)


HEAD = '<row r="1"><c r="A1" t="inlineStr"><is><t>id</t></is></c></row>'
BOMBS: dict[str, tuple[Callable[[], str], str]] = {
    "blanks": (lambda: HEAD + " " * 90_000_000, "LIMIT_WORKBOOK"),
    "cells": (lambda: HEAD + "<row>" + "<c/>" * (CELLS_LIMIT + 9) + "</row>", "LIMIT_(CELLS|WORKBOOK)"),
    "a row of a million cells": (lambda: HEAD + "<row>" + "<c/>" * 30_000_000 + "</row>", "LIMIT_"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused(tmp_path, bomb):
    data, said = BOMBS[bomb]
    with pytest.raises(ContractError, match=said):
        list(read_sheet(crafted(tmp_path / "items.xlsx", data()), None, 1)[1])


def test_a_bomb_is_not_looked_at_either(tmp_path):
    place = crafted(tmp_path / "items.xlsx", BOMBS["blanks"][0]())
    with pytest.raises(ContractError, match="LIMIT_WORKBOOK"):
        _sheet_rows(place)


WIDE = "".join(f'<c t="inlineStr"><is><t>c{at}</t></is></c>' for at in range(900))
FAR_BELOW = "<row r='1048576' spans='1:900'><c r='A1048576'>{}</c></row>"


@pytest.mark.parametrize("between", ["", " " * (PIECE - 20_000), " " * (3 * PIECE)])
def test_a_last_row_far_below_a_wide_header_is_refused_before_its_empty_rows_are_made(tmp_path, monkeypatch, between):
    """A sparse sheet comes to its width times its height."""
    place = crafted(tmp_path / "items.xlsx", f'<row r="1">{WIDE}</row>{between}' + FAR_BELOW.format("<v>1</v>"))
    monkeypatch.setattr("pipeline.intake.sheets._texts", None)
    rows = _read(place, None, 1)
    assert len(next(rows)) == 900
    with pytest.raises(ContractError, match="LIMIT_CELLS.*with its empty rows"):
        next(rows)


@pytest.mark.parametrize("between", ["", " " * (PIECE - 20_000)])
def test_a_row_far_below_that_holds_no_value_is_formatting(tmp_path, between):
    rows = '<row r="1"><c r="A1"><v>1</v></c></row><row r="2"><c r="A2"><v>2</v></c></row>'
    place = crafted(tmp_path / "items.xlsx", rows + between + FAR_BELOW.format(""))
    with zipfile.ZipFile(place) as packed, packed.open("xl/worksheets/sheet1.xml") as stream:
        assert _last_with_a_value(stream) == 2


def test_what_the_process_says_is_held_against_the_header(tmp_path, monkeypatch):
    place = book(tmp_path / "items.xlsx", ["id", "amount"])
    for said in (b'["id"]\n["a", "b"]', b'["id"]\n[1]', b"no json", b'["id"]\n"\\u0007"'):
        monkeypatch.setattr("pipeline.intake.sheets.run_apart", lambda *_, said=said: said)
        with pytest.raises(ContractError, match="LIMIT_MEMORY"):
            list(read_sheet(place, None, 1)[1])


def test_an_ordinary_workbook_is_in_proportion(tmp_path):
    check_proportion(book(tmp_path / "items.xlsx", *[[f"A{at}", at] for at in range(2_000)]))


@pytest.mark.parametrize("cut", range(-6, 7))
def test_a_value_that_two_pieces_share_is_seen(monkeypatch, cut):
    data = b'<row r="1"><c><v>1</v></c></row><row r="77"><c><v>2</v>' + b" " * 50 + b'<row r="99"></row>'
    monkeypatch.setattr("pipeline.intake.sheets.PIECE", data.rfind(b"/v>") + cut)
    assert _last_with_a_value(io.BytesIO(data)) == 77
