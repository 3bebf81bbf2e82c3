"""A store that remembers assignments of former nights, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from features.days import day_text


class Remembering:
    """rows: of assignments, with as_of."""

    def __init__(self, rows: pd.DataFrame) -> None:
        self.rows = rows

    def files(self, name: str) -> dict[str, list[Path]]:
        return {day_text(night): [] for night in self.rows["as_of"].unique()} if name == "assignments" else {}

    def read(self, name: str, columns: Sequence[str], since: int, before: int) -> pd.DataFrame:
        return self.rows[self.rows["as_of"].between(since, before - 1)][list(columns)].reset_index(drop=True)
