"""A small made-up portfolio with two published nights, for the tests of what comes after a night;
and the ways to fill in its workbook.
"""

from __future__ import annotations

import datetime as dt
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd

from pipeline.columns import WORKLIST_COLUMNS
from pipeline.intake.ingest import ingest
from pipeline.night.night import publish_night
from pipeline.pages.language import words
from pipeline.pages.workbook import ENTRIES
from pipeline.params import Params, load
from pipeline.simulate.portfolio import simulate
from tests.worlds.params import written_params

NIGHT, EARLIER = dt.date(2026, 10, 1), dt.date(2026, 8, 1)  # by the second, what the first was worth is known
EVENING = dt.datetime(2026, 10, 1, 23, 30, tzinfo=dt.UTC)


@dataclass(frozen=True)
class House:
    """Where things lie, and with which params they were made."""

    folder: Path
    params: Params

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def french(self) -> Path:
        return self.folder / "french"

    @property
    def workbook(self) -> Path:
        return self.out / NIGHT.isoformat() / "worklist.xlsx"

    def worklist(self) -> pd.DataFrame:
        return pd.read_parquet(self.out / NIGHT.isoformat() / "worklist.parquet")

    def in_sheets(self) -> pd.DataFrame:
        """The list in the order of the workbook's sheets."""
        return self.worklist().sort_values(["queue", "rank"], ignore_index=True)


def built(folder: Path) -> House:
    """No model is taught: the age-band table scores, which is quick and as good for what is tested here."""
    simulate(420, 23, folder / "source", months=14)
    house = House(folder, load(written_params(folder / "params.yaml", folder)))
    ingest(folder / "source", house.store, house.params)
    for night in (EARLIER, NIGHT):
        publish_night(house.store, night, house.out, house.params)
    french = load(written_params(folder / "french.yaml", folder, worklist={"language": "fr"}))
    publish_night(house.store, NIGHT, house.french, french)
    return house


def opened(path: Path) -> openpyxl.Workbook:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* extension is not supported", UserWarning)
        return openpyxl.load_workbook(io.BytesIO(path.read_bytes()))


def filled(workbook: Path, place: Path, rows: list[dict[str, Any]], language: str = "en") -> Path:
    """A copy in which the n-th listed row (over all queues, in the order of the sheets) has these cells;
    {} leaves a row as it is.
    """
    book = opened(workbook)
    heads = [words(language)["columns"][name] for name in (*WORKLIST_COLUMNS, *ENTRIES)]
    lines = [
        (sheet, line)
        for sheet in book.worksheets
        if [cell.value for cell in sheet[1]] == heads
        for line in range(2, sheet.max_row + 1)
    ]
    for (sheet, line), cells in zip(lines, rows, strict=False):
        for name, value in cells.items():
            sheet.cell(line, heads.index(words(language)["columns"][name]) + 1).value = value
    book.save(place)
    return place
