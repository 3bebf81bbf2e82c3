"""The matrices of shards, in files until rows are asked for: no frame of all rows stands in memory beside another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.panel.view import stacked


class Parts:
    """Matrices one after the other. Columns of float64 go to the disk, those of classes stay in memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._starts, self._rows = [], 0
        self._columns: list[str] = []
        self._numbers: list[str] = []
        self._beside: list[pd.DataFrame] = []
        self._together: pd.DataFrame | None = None

    def __len__(self) -> int:
        return self._rows

    def add(self, matrix: pd.DataFrame) -> None:
        """The next shard's; each has the columns of the first."""
        if not self._starts:
            self._columns = list(matrix.columns)
            self._numbers = [name for name, kind in matrix.dtypes.items() if kind == np.float64]
        with self._place(len(self._starts)).open("wb") as file:
            for name in self._numbers:
                np.ascontiguousarray(matrix[name].to_numpy(np.float64)).tofile(file)
        numbers = set(self._numbers)
        self._beside.append(matrix[[name for name in self._columns if name not in numbers]].copy())
        self._starts.append(self._rows)
        self._rows += len(matrix)

    def rows(self, places: np.ndarray) -> pd.DataFrame:
        """The rows at some places, counted over all matrices, in the order of the places."""
        block = np.empty((len(self._numbers), len(places)))
        for number, start in enumerate(self._starts):
            rows = len(self._beside[number])
            own = np.flatnonzero((places >= start) & (places < start + rows))
            if len(own) and self._numbers:
                held = np.memmap(self._place(number), np.float64, "r", shape=(len(self._numbers), rows))
                block[:, own] = held[:, places[own] - start]
        frame = pd.DataFrame(block.T, columns=self._numbers, copy=False)
        beside = self._classes()
        for position, name in enumerate(self._columns):
            if name in beside:
                frame.insert(position, name, beside[name].iloc[places].reset_index(drop=True))
        return frame

    def _classes(self) -> pd.DataFrame:
        """What stays in memory, of all matrices."""
        if self._together is None:
            self._together = stacked(self._beside)
        return self._together

    def _place(self, number: int) -> Path:
        return self._folder / f"{number:05d}.numbers"
