"""CSV: the contract's columns, typed cells, and no text that starts a formula."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.currencies import DECIMALS
from features.tables import NO_MONEY, NO_TIME
from pipeline.columns import WORKLIST_COLUMNS
from pipeline.pages.csv_file import csv_text, decimal_text, safe, write_csv
from pipeline.pages.publication import texts
from pipeline.pages.workbook import write_xlsx
from tests.worlds.paper_nights import HOSTILE, hostile, night
from tests.worlds.spreadsheets import kinds_of, opened_by_libreoffice

pytestmark = pytest.mark.slow

SIGNS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")


FORMULA_STARTS = (*SIGNS, "\t", "\r", "\n")


def rows_of(text: str, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def test_csv_has_the_contract_s_columns_and_typed_cells():
    made = night(80)
    head, *rows = rows_of(csv_text(made.worklist, DECIMALS, "EUR"))
    assert tuple(head) == WORKLIST_COLUMNS
    assert len(rows) == 80
    cells = dict(zip(head, rows[0], strict=True))
    first = made.worklist.iloc[0]
    assert cells["balance"] == decimal_text(int(first["balance"]), DECIMALS[first["currency"]])
    assert cells["as_of"] == "2026-11-20"
    assert cells["p_recovered"] == f"{first['p_recovered']:.6f}"
    yen = made.worklist.index[made.worklist["currency"] == "JPY"][0]
    assert rows[yen][head.index("balance")] == str(made.worklist["balance"][yen])
    assert rows[yen][head.index("net_value")] == decimal_text(int(made.worklist["net_value"][yen]), 2)


@pytest.mark.parametrize(
    ("minor", "decimals", "text"),
    [
        (123456, 2, "1234.56"),
        (-5, 2, "-0.05"),
        (7, 0, "7"),
        (-7, 0, "-7"),
        (1500, 3, "1.500"),
        (0, 2, "0.00"),
        (None, 2, ""),
    ],
)
def test_money_has_exactly_the_currency_s_decimals(minor, decimals, text):
    assert decimal_text(minor, decimals) == text


def test_missing_cells_are_empty_and_negative_numbers_stay_numbers():
    frame = pd.DataFrame(
        {
            "account_id": ["-1", "A2"],
            "currency": "EUR",
            "balance": [-150, NO_MONEY],
            "days_past_due": [-3, 4],
            "share": [float("nan"), 0.5],
            "first_permitted": [NO_TIME, 1_795_000_000_000_000],
            "time_zone": ["", "America/New_York"],
            "last_payment": [None, dt.date(2026, 1, 2)],
            "x_score": [-1.5, 2.0],
        }
    )
    assert csv_text(frame, DECIMALS, "EUR").splitlines()[1:] == [
        "'-1,EUR,-1.50,-3,,,,,-1.5",
        "A2,EUR,,4,0.500000,2026-11-18T06:06-05:00,America/New_York,2026-01-02,2",
    ]


@given(
    st.text(alphabet=st.sampled_from("=+-@;,|\t\r\n\" 'a1\u00a0\uff1d\uff0b\uff0d\uff20"), max_size=12)
    | st.text(max_size=20)
)
def test_no_text_starts_a_formula_whatever_the_separator(text):
    """A reader with another separator cuts cells inside our text: none of them may start a formula either."""
    made = safe(text)
    assert not made.startswith(FORMULA_STARTS)
    for separator in ";,|\t\r\n":
        assert not any(cell.strip('" \u00a0\t\r\n').startswith(SIGNS) for cell in made.split(separator))
    assert made.replace("'", "") == text.replace("'", "")
    assert safe(made) == made
    assert csv_text(pd.DataFrame({"rule": [text]}), DECIMALS, "EUR") == csv_text(
        pd.DataFrame({"rule": [made]}), DECIMALS, "EUR"
    )


@given(st.text(alphabet=st.characters(categories=["L", "N", "Zs"]), max_size=30))
def test_harmless_text_is_left_as_it_is(text):
    assert safe(text) == text


def test_texts_are_the_same_whatever_holds_them_and_each_is_made_safe():
    said = ["=1+1", "A-1", "", None, "=1+1", "plain", "\tb"]
    objects = pd.Series(said, dtype=object)
    for cells in (objects, objects.astype("str"), objects.astype("category")):
        assert texts(cells) == ["" if text is None else text for text in said]
        lines = rows_of(csv_text(pd.DataFrame({"rule": cells, "n": 1}), DECIMALS, "EUR"))[1:]
        assert [line[0] for line in lines] == ["'=1+1", "A-1", "", "", "'=1+1", "plain", safe("\tb")]
    assert texts(pd.Series([2, 7, 2]).astype("category")) == ["2", "7", "2"]


def test_every_hostile_text_is_made_safe_and_survives():
    made = hostile()
    for frame in (made.worklist, made.deferred, made.excluded, made.held_out):
        for row in rows_of(csv_text(frame, DECIMALS, "EUR"))[1:]:
            assert len(row) == len(frame.columns)
            numeric = re.compile(r"-?\d+(\.\d+)?$")
            assert [cell for cell in row if cell.startswith(FORMULA_STARTS) and not numeric.match(cell)] == []


def test_s23_libreoffice_evaluates_nothing_in_the_hostile_csv_and_workbook(attacks, tmp_path):
    text = csv_text(hostile().worklist, DECIMALS, "EUR")
    (tmp_path / "worklist.csv").write_text(text, encoding="utf-8")
    with attacks.one():
        book = opened_by_libreoffice(tmp_path / "worklist.csv")
        assert kinds_of(book) <= {"s", "n", "d"}
        column = WORKLIST_COLUMNS.index("balance")
        assert all(isinstance(row[column].value, int | float) for row in list(book.active.iter_rows())[1:])
    (tmp_path / "french.csv").write_text(text, encoding="utf-8")
    with attacks.one():
        assert kinds_of(opened_by_libreoffice(tmp_path / "french.csv", separators="59")) <= {"s", "n", "d"}
    made = hostile()
    below = made.worklist.assign(x_score=-1.5)
    write_xlsx(replace(made, worklist=below), tmp_path / "hostile.xlsx")
    with attacks.one():
        book = opened_by_libreoffice(tmp_path / "hostile.xlsx")
        assert kinds_of(book) <= {"s", "n", "d"}
        cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
        assert [cell.coordinate for cell in cells if cell.hyperlink] == []
        said = {cell.value for cell in cells if isinstance(cell.value, str)}
        assert {text for text in HOSTILE if text.startswith(("=", "+", "@"))} <= said
        assert [cell.value for cell in cells if cell.value == -1.5 and cell.data_type == "n"] == [-1.5] * len(below)


def test_libreoffice_would_have_evaluated_the_bare_text(tmp_path):
    (tmp_path / "bare.csv").write_text("text\n" + "\n".join(text for text in HOSTILE[:4]), encoding="utf-8")
    assert "f" in kinds_of(opened_by_libreoffice(tmp_path / "bare.csv"))


def test_a_long_frame_is_written_in_parts_as_it_is_told_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.pages.csv_file._AT_ONCE", 7)
    for rows in (80, 7, 0):
        frame = night(80).worklist.head(rows)
        write_csv(frame, DECIMALS, "EUR", tmp_path / f"{rows}.csv")
        written = (tmp_path / f"{rows}.csv").read_bytes().decode()
        assert written == csv_text(frame, DECIMALS, "EUR")
        head, *told = rows_of(written)
        assert (tuple(head), len(told)) == (WORKLIST_COLUMNS, rows)
    with pytest.raises(FileExistsError, match="80.csv"):
        write_csv(frame, DECIMALS, "EUR", tmp_path / "80.csv")
