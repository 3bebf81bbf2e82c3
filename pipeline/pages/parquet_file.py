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

from pipeline.pages.parts import Table, parts_of
from pipeline.pages.publication import amounts, days, figures, instants, kind_of, texts

ROWS_PER_GROUP = 1 << 20  # as Arrow has it, where a table comes in one piece
_TYPES = {
    "money": pa.int64(),
    "date": pa.date32(),
    "share": pa.float64(),
    "number": pa.float64(),
    "count": pa.int64(),
    "instant": pa.timestamp("us", tz="UTC"),
    "text": pa.string(),
}


def write_published(frame: Table, decimals: Mapping[str, int], path: Path) -> None:
    """Columns in the frame's order; a missing cell is null, a missing text empty.
    The file's metadata names the currencies' decimals. A table in parts gives the bytes that it would give in one.
    """
    head = frame.head(0)
    kinds = {str(column): kind_of(head, column) for column in head.columns}
    called = [name for name in ("currency", "reporting_currency") if name in head.columns]
    named = {
        str(code)
        for part in (parts_of(frame) if called else ())
        for name in called
        for code in part[name].dropna().unique()
    }
    schema = pa.schema([(name, _TYPES[kind]) for name, kind in kinds.items()])
    told = {"recoup.decimals": json.dumps({code: decimals[code] for code in sorted(named)})} if named else None
    schema = schema.with_metadata(told)
    if isinstance(frame, pd.DataFrame):
        pq.write_table(_table(frame, kinds, schema), path, compression="zstd", write_page_checksum=True)
        return
    with pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True) as writer:
        waiting: list[pa.Table] = []
        for part in parts_of(frame):
            waiting.append(_table(part, kinds, schema))
            while sum(each.num_rows for each in waiting) > ROWS_PER_GROUP:
                whole = pa.concat_tables(waiting)
                writer.write_table(whole.slice(0, ROWS_PER_GROUP).combine_chunks())
                waiting = [whole.slice(ROWS_PER_GROUP)]
        writer.write_table(pa.concat_tables(waiting).combine_chunks())


def _table(frame: pd.DataFrame, kinds: Mapping[str, str], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_arrays([_cells(frame[name], kinds[str(name)]) for name in frame.columns], schema=schema)


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
