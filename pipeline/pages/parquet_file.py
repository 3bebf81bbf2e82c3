"""A published frame as Parquet: money in int64 minor units, days as dates, page checksums on,
the same bytes from the same frame.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.pages.publication import amounts, days, figures, instants, kind_of, texts

_TYPES = {
    "money": pa.int64(),
    "date": pa.date32(),
    "share": pa.float64(),
    "number": pa.float64(),
    "count": pa.int64(),
    "instant": pa.timestamp("us", tz="UTC"),
    "text": pa.string(),
}


def write_published(frame: pd.DataFrame, decimals: Mapping[str, int], path: Path) -> None:
    """Columns in the frame's order; a missing cell is null, a missing text empty.
    The file's metadata names the currencies' decimals.
    """
    kinds = {str(column): kind_of(frame, column) for column in frame.columns}
    cells = [_cells(frame[column], kinds[str(column)]) for column in frame.columns]
    named = {
        str(code)
        for name in ("currency", "reporting_currency")
        if name in frame.columns
        for code in frame[name].dropna().unique()
    }
    schema = pa.schema([(name, _TYPES[kind]) for name, kind in kinds.items()])
    told = {"recoup.decimals": json.dumps({code: decimals[code] for code in sorted(named)})} if named else None
    table = pa.Table.from_arrays(cells, schema=schema.with_metadata(told))
    pq.write_table(table, path, compression="zstd", write_page_checksum=True)


def _cells(values: pd.Series, kind: str) -> pa.Array:
    if kind == "money":
        return pa.array(amounts(values), _TYPES[kind])
    if kind == "date":
        return pa.array(days(values), _TYPES[kind])
    if kind == "instant":
        return pa.array(instants(values), _TYPES[kind])
    if kind == "count":
        return pa.array([None if figure is None else int(figure) for figure in figures(values)], _TYPES[kind])
    if kind in ("share", "number"):
        numbers = values.to_numpy(dtype="float64", na_value=np.nan)
        return pa.array(numbers, _TYPES[kind], mask=~np.isfinite(numbers))
    return pa.array(texts(values), _TYPES[kind])
