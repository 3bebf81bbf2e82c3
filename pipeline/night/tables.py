"""Tables of all accounts of a night in their published order, of which no more than some thousand rows are held: each
shard lays its rows into the parts where they belong, and a part is put in order when it is read.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from pyarrow import feather

from pipeline.night.ranking import Ranked
from pipeline.pages.parts import Streamed, Table
from pipeline.pages.publication import LATER_ROWS

AT_ONCE = 100_000  # rows of a table that are held


def table_of(
    ranked: Ranked,
    name: str,
    place: np.ndarray,
    columns: Sequence[str],
    make: Callable[[pd.DataFrame], pd.DataFrame],
) -> Table:
    """A table in its order; streamed where it has more than AT_ONCE rows, of which a second asking reads what the first
    has laid down.

    name     of the folder in which its parts wait, beside the valued rows
    place    int per account of the night: its place in the table from 0, -1 where it has none
    columns  of the ranked rows, from which `make` tells the published ones, for rows in their order
    """
    many = int((place >= 0).sum())
    if many <= AT_ONCE:
        return make(_ordered(ranked, place, columns, many))
    folder = ranked.files[0].parent / name
    shutil.rmtree(folder, ignore_errors=True)
    first = make(_ordered(ranked, place, columns, LATER_ROWS))
    return Streamed(many, first, partial(_read, ranked, folder, place, tuple(columns), make, AT_ONCE))


def _ordered(ranked: Ranked, place: np.ndarray, columns: Sequence[str], many: int) -> pd.DataFrame:
    """The first rows of a table."""
    at = np.flatnonzero((place >= 0) & (place < many))
    return ranked.of(at, columns).iloc[np.argsort(place[at])].reset_index(drop=True)


def _read(
    ranked: Ranked,
    folder: Path,
    place: np.ndarray,
    columns: Sequence[str],
    make: Callable[[pd.DataFrame], pd.DataFrame],
    most: int,
) -> Iterator[pd.DataFrame]:
    if not folder.exists():
        _lay(ranked, folder, place, columns, most)
    for part in sorted(folder.iterdir()):
        laid = [feather.read_feather(file, use_threads=False, memory_map=False) for file in sorted(part.iterdir())]
        rows = pd.concat(laid, ignore_index=True)
        yield make(rows.sort_values("_place", ignore_index=True).drop(columns="_place"))


def _lay(ranked: Ranked, folder: Path, place: np.ndarray, columns: Sequence[str], most: int) -> None:
    """Every row of every shard into the part of its place: FOLDER/<part>/<shard>.arrow."""
    draft = folder.with_name(f".{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    for shard in range(len(ranked.files)):
        own = place[ranked.starts[shard] : ranked.starts[shard + 1]]
        wanted = np.flatnonzero(own >= 0)
        rows = ranked.part(shard, columns, wanted).assign(_place=own[wanted])
        for part, laid in rows.groupby(own[wanted] // most):
            at = draft / f"{part:06d}"
            at.mkdir(mode=0o700, exist_ok=True)
            feather.write_feather(laid.reset_index(drop=True), at / f"{shard:05d}.arrow", compression="lz4")
    draft.rename(folder)
