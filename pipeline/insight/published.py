"""The lists that nights published, as rows to ask of: each file is held against what vouches for it before it is
read.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.currencies import DECIMALS
from features.errors import ContractError
from features.tables import NO_MONEY
from pipeline.columns import IN_REPORTING_CURRENCY, KIND_OF_COLUMN
from pipeline.insight.views import Source, decimals
from pipeline.pages.record import APART, UNUSUAL, nights, read_manifest, vouched_for
from pipeline.store.files import sha256_of

# View -> the file of a night that holds it; of two forms the one that says what its columns are.
LISTS = {
    **{name: f"{name}.parquet" for name in ("worklist", "scores", "messages", "watch", "receivables", "open_items")},
    **{name: f"{name}.parquet" for name in ("proposals", "routes", "specialist")},
    **{name: f"{name}.csv" for name in ("deferred", "excluded", "next_in_line", "self_cure")},
    "held_out": f"{APART}/held_out.csv",
    "unusual": UNUSUAL,
}
_TYPES = {
    "date": pa.date32(),
    "share": pa.float64(),
    "number": pa.float64(),
    "count": pa.int64(),
    "instant": pa.timestamp("us"),
    "text": pa.string(),
}


class ListDamaged(ContractError):
    """A published file is not what was published."""

    @classmethod
    def differs(cls, night: str, name: str) -> ListDamaged:
        return cls(f"{name!r} of night {night} is not what was published. `recoup verify` says more; restore it.")


def lists_of(source: Source, out: Path) -> dict[str, Callable[[], pa.Table]]:
    """View -> what reads it: the rows of all kept nights, up to as_of, with the night in as_of. Only lists that one of
    these nights has. Raises ListDamaged for a file that is not what its night vouches for.
    """
    last = None if source.as_of is None else source.as_of.isoformat()
    kept = [place for place in nights(out) if last is None or place.name <= last]
    named = {name: [place for place in kept if (place / file).is_file()] for name, file in LISTS.items()}
    return {name: partial(_rows, source, name, folders) for name, folders in named.items() if folders}


def _rows(source: Source, name: str, kept: Iterable[Path]) -> pa.Table:
    parts = [_of_night(source, place, name) for place in kept]
    return pa.concat_tables(parts, promote_options="permissive")


def _of_night(source: Source, place: Path, name: str) -> pa.Table:
    file, vouched = place / LISTS[name], vouched_for(place) or {}
    if vouched.get(LISTS[name]) != sha256_of(file):
        raise ListDamaged.differs(place.name, LISTS[name])
    held = pq.read_table(file) if file.suffix == ".parquet" else _of_csv(file)
    reporting = (read_manifest(place) or {}).get("reporting_currency", "")
    columns = {"as_of": pa.array([dt.date.fromisoformat(place.name)] * held.num_rows, pa.date32())}
    for column in held.column_names:
        if column != "as_of":
            columns[column] = _column(source, held, column, reporting)
    return pa.table(columns)


def _of_csv(file: Path) -> pa.Table:
    """All cells as text, an empty one as null."""
    rows = list(csv.reader(io.StringIO(file.read_text(encoding="utf-8"), newline="")))
    cells = zip(*rows[1:], strict=True) if len(rows) > 1 else [()] * len(rows[0])
    return pa.table(
        {
            head: pa.array([cell or None for cell in each], pa.string())
            for head, each in zip(rows[0], cells, strict=True)
        }
    )


def _column(source: Source, held: pa.Table, column: str, reporting: str) -> pa.Array:
    cells, kind = held.column(column).combine_chunks(), KIND_OF_COLUMN.get(column, "")
    if kind == "money":
        units, places = _units(source, held, column, reporting), source.places
        if pa.types.is_string(cells.type):
            return decimals(_minor(cells.to_pylist(), units), units, places)
        return decimals(_filled(cells, NO_MONEY), units, places)
    if kind in _TYPES and pa.types.is_string(cells.type) and kind != "text":
        return _parsed(cells.to_pylist(), kind)
    if pa.types.is_timestamp(cells.type):
        return cells.cast(pa.timestamp("us"))
    return cells


def _filled(cells: pa.Array, empty: int) -> np.ndarray:
    return cells.fill_null(empty).to_numpy(zero_copy_only=False)


def _units(source: Source, held: pa.Table, column: str, reporting: str) -> Sequence[str]:
    """Of each row: a column of the list, else for what is the account's own money the account's."""
    name = "reporting_currency" if column in IN_REPORTING_CURRENCY else "currency"
    if name in held.column_names:
        return held.column(name).to_pylist()
    if name == "currency" and "account_id" in held.column_names:
        return [str(unit) for unit in source.currency_of(held.column("account_id").to_pylist(), "account_id")]
    return [reporting] * held.num_rows


def _minor(texts: list[str | None], units: Sequence[str]) -> np.ndarray:
    return np.array(
        [
            NO_MONEY if text is None or unit not in DECIMALS else int(Decimal(text).scaleb(DECIMALS[unit]))
            for text, unit in zip(texts, units, strict=True)
        ],
        np.int64,
    )


def _parsed(texts: list[str | None], kind: str) -> pa.Array:
    if kind == "date":
        return pa.array([None if text is None else dt.date.fromisoformat(text) for text in texts], pa.date32())
    if kind == "instant":
        told = pd.to_datetime(pd.Series(texts, dtype="object"), utc=True).dt.tz_localize(None)
        return pa.array(told, _TYPES[kind], from_pandas=True)
    make = int if kind == "count" else float
    return pa.array([None if text is None else make(text) for text in texts], _TYPES[kind])
