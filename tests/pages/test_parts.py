"""A table whose rows come part by part gives the bytes that it would give in one frame, changed or not, and is checked
by the same rules.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from features.currencies import DECIMALS
from pipeline.pages import parquet_file
from pipeline.pages.contract import _of_table
from pipeline.pages.csv_file import csv_text, write_csv
from pipeline.pages.parquet_file import write_published
from pipeline.pages.parts import Streamed, changed, parts_of


def cut(frame: pd.DataFrame, ends: list[int]) -> Streamed:
    places = [0, *sorted(ends), len(frame)]
    parts = [frame.iloc[first:last] for first, last in zip(places[:-1], places[1:], strict=True) if last > first]
    return Streamed(len(frame), frame.head(2), lambda: iter(parts))


FRAME = pd.DataFrame(
    {
        "account_id": pd.Series(
            [f"=a{number}" if number % 7 == 0 else f"a{number}" for number in range(40)], dtype="str"
        ),
        "as_of": [None if number % 5 == 0 else dt.date(2026, 1, 1 + number % 28) for number in range(40)],
        "currency": pd.Series(["EUR", "JPY"] * 20, dtype="str"),
        "balance": np.arange(40) * 101,
        "p_recovered": np.where(np.arange(40) % 3 == 0, np.nan, np.arange(40) / 40),
    }
)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 40), max_size=6))
def test_a_table_in_parts_gives_the_bytes_of_one_frame(tmp_path_factory, ends):
    folder = tmp_path_factory.mktemp("parts")
    write_csv(cut(FRAME, ends), DECIMALS, "EUR", folder / "parts.csv")
    assert (folder / "parts.csv").read_bytes().decode() == csv_text(FRAME, DECIMALS, "EUR")
    write_published(FRAME, DECIMALS, folder / "whole.parquet")
    write_published(cut(FRAME, ends), DECIMALS, folder / "parts.parquet")
    assert (folder / "parts.parquet").read_bytes() == (folder / "whole.parquet").read_bytes()


def test_a_table_of_several_row_groups_gives_the_bytes_of_one_frame(tmp_path):
    many = parquet_file.ROWS_PER_GROUP + 3_000
    frame = pd.DataFrame({"rank": np.arange(many), "fx": np.arange(many) % 977 / 7})
    write_published(frame, DECIMALS, tmp_path / "whole.parquet")
    write_published(cut(frame, [70_001, 900_000, many - 1]), DECIMALS, tmp_path / "parts.parquet")
    assert (tmp_path / "parts.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


@given(st.lists(st.integers(0, 40), max_size=6))
def test_a_table_changed_is_its_parts_changed(ends):
    def louder(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(balance=rows["balance"] + 1, account_id=rows["account_id"].str.upper())

    told = changed(cut(FRAME, ends), louder)
    assert (len(told), list(told.columns), "balance" in told) == (40, list(FRAME), True)
    pd.testing.assert_frame_equal(pd.concat(parts_of(told)), louder(FRAME))
    pd.testing.assert_frame_equal(told.head(5), louder(FRAME.head(2)))


def test_an_account_that_two_parts_name_breaks_the_rule_of_one_table():
    fine = FRAME[["account_id", "p_recovered"]].assign(rule="law.rule", citation="x", currency="CHF")
    named: set[str] = set()
    assert _of_table("excluded", cut(fine, [7, 20]), named) == []
    assert named == {"CHF"}
    twice = pd.concat([fine, fine.iloc[[3]]], ignore_index=True)
    (said,) = _of_table("excluded", cut(twice, [7, 20]), named)
    assert said == "Table 'excluded': column 'account_id' must name each account once. Got 1 rows that do not."
    wrong = fine.assign(p_recovered=2.0, rule="")
    told = _of_table("excluded", wrong, named)
    assert len(told) == 2
    assert _of_table("excluded", cut(wrong, [7, 20]), named) == told
