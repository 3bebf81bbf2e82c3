"""A published table whose rows nobody holds: they come some thousand at a time, in the published order, each time that
somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Streamed:
    """rows: how many there are; first: as many of them as page and workbook show; read: all of them, in parts of equal
    columns and types.
    """

    rows: int
    first: pd.DataFrame
    read: Callable[[], Iterator[pd.DataFrame]]

    def __len__(self) -> int:
        return self.rows

    def __contains__(self, column: str) -> bool:
        return column in self.first

    @property
    def columns(self) -> pd.Index:
        return self.first.columns

    def head(self, rows: int) -> pd.DataFrame:
        """The first rows; never more than `first` has."""
        return self.first.head(rows)


Table = pd.DataFrame | Streamed


def parts_of(table: Table) -> Iterator[pd.DataFrame]:
    """The rows of a table, part by part; those of a frame are one part."""
    if isinstance(table, pd.DataFrame):
        yield table
    else:
        yield from table.read()


def changed(table: Table, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Table:
    """The table with every part changed."""
    if isinstance(table, pd.DataFrame):
        return change(table)
    return Streamed(table.rows, change(table.first), lambda: map(change, table.read()))
