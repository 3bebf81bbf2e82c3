"""How a table lies on disk (dates, UTC timestamps, nulls: any engine reads it) and how it becomes the inner form (plain integers)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.tables import DECIMALS, NO_DAY, NO_MINUTE, NO_MONEY, NO_TIME, TABLES, Kind, inner_columns

if TYPE_CHECKING:
    import pandas as pd

INSTANT = pa.timestamp("us", "UTC")
_ON_DISK = {"int64": pa.int64(), "int32": pa.int32(), "int16": pa.int16(), "str": pa.string()}
FEW_VALUES = (Kind.ENUM, Kind.CURRENCY, Kind.ZONE)
CLASS_TEXTS = ("portfolio", "product", "jurisdiction", "method", "agent")


def disk_schema(name: str, extras: Mapping[str, str]) -> pa.Schema:
    """Arrow schema of a table's data files. extras: the sender's own columns, 'float64' or 'str'. The shard is the partition."""
    table = TABLES[name]
    fields = []
    for column, dtype in {**inner_columns(name), "backfilled": "bool", **extras}.items():
        declared = table[column].kind if column in table.names else None
        if column.endswith("_on") and column not in extras:
            kind = pa.date32()
        elif column.endswith("_at") and column not in extras:
            kind = INSTANT
        elif dtype == "bool":
            kind = pa.bool_()
        elif dtype == "float64":
            kind = pa.float64()
        else:
            kind = _ON_DISK["int64" if declared is Kind.MONEY else dtype]
        fields.append(pa.field(column, kind))
    return pa.schema(fields)


def dictionary_columns(name: str) -> list[str]:
    """Columns of few distinct values: read as codes, they become pandas categories."""
    table = TABLES[name]
    return [column.name for column in table.columns if column.kind in FEW_VALUES or column.name in CLASS_TEXTS]


def to_inner(name: str, rows: pa.Table) -> pd.DataFrame:
    """The inner form: empty days, instants and amounts become NO_DAY, NO_TIME, NO_MONEY; classes become categories in sorted order."""
    import pandas as pd

    columns = {column: _plain(column, rows.column(column)) for column in rows.column_names}
    return pd.DataFrame(columns, copy=False)


def _plain(column: str, values: pa.ChunkedArray):
    kind = values.type
    if pa.types.is_date32(kind):
        return _numbers(values.cast(pa.int32()), NO_DAY)
    if pa.types.is_timestamp(kind):
        return _numbers(values.cast(pa.int64()), NO_TIME)
    if pa.types.is_int64(kind):
        return _numbers(values, NO_MONEY)
    if pa.types.is_int16(kind) or pa.types.is_int32(kind):
        return _numbers(values, NO_MINUTE)
    if pa.types.is_floating(kind):
        return _numbers(values, np.nan)
    if pa.types.is_boolean(kind):
        return _numbers(values, False)
    if pa.types.is_dictionary(kind):
        return _categories(values)
    return values.to_pandas()


def _numbers(values: pa.ChunkedArray, empty) -> np.ndarray:
    filled = pc.fill_null(values, pa.scalar(empty, values.type)) if values.null_count else values
    return filled.to_numpy()


def _categories(values: pa.ChunkedArray) -> pd.Categorical:
    import pandas as pd

    whole = values.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.DictionaryArray.from_arrays(pa.array([], pa.int32()), pa.array([], pa.string()))
    names = whole.dictionary.to_numpy(zero_copy_only=False).astype(object)
    order = np.argsort(names)
    place = np.empty(len(names) + 1, dtype=np.int32)
    place[order], place[-1] = np.arange(len(names)), -1
    codes = pc.fill_null(whole.indices, -1).to_numpy(zero_copy_only=False)
    return pd.Categorical.from_codes(place[codes], pd.Index(names[order], dtype="str"))


def sort_columns(name: str) -> list[str]:
    """The stable total order of a table's rows: account, time of the row, when known, id."""
    table = TABLES[name]
    return ["account_no", table.position, "known_at", *(column for column in table.key if column not in ("account_id", table.position))]


def in_order(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Rows by `sort_columns`; a frame already in order is handed back as it is. Needs those columns."""
    first, second, third, *ids = sort_columns(name)
    keys = [frame[third].to_numpy(), frame[second].to_numpy(), frame[first].to_numpy()]
    if not _ascends(keys[::-1]):
        order = np.lexsort(keys)
        frame = frame.take(order).reset_index(drop=True)
        keys = [values[order] for values in keys]
    tied = np.ones(max(len(frame) - 1, 0), dtype=bool)
    for values in keys:
        tied &= values[1:] == values[:-1]
    if not ids or not tied.any():
        return frame
    among = np.flatnonzero(np.concatenate([tied, [False]]) | np.concatenate([[False], tied]))
    group = np.cumsum(np.concatenate([[True], ~tied]))[among]
    part = frame.iloc[among]
    texts = [part[column].astype(object).to_numpy() for column in reversed(ids)]
    ranks = [np.unique(values.astype(str), return_inverse=True)[1] for values in texts]
    order = np.arange(len(frame))
    order[among] = among[np.lexsort([*ranks, group])]
    return frame if (order == np.arange(len(frame))).all() else frame.take(order).reset_index(drop=True)


def _ascends(keys: Iterable[np.ndarray]) -> bool:
    """Whether rows rise by the first key, ties by the second, and so on."""
    undecided = None
    for values in keys:
        up, same = values[1:] > values[:-1], values[1:] == values[:-1]
        down = ~(up | same) if undecided is None else undecided & ~(up | same)
        if down.any():
            return False
        undecided = same if undecided is None else undecided & same
    return True


def for_people(name: str, frame: pd.DataFrame, accounts: pd.DataFrame) -> pd.DataFrame:
    """The inner form as people read it: dates, UTC timestamps, money in decimal units of `currency` (float64), empty as NaT and NaN.

    accounts: account_no and currency of (at least) the same accounts.
    """
    import pandas as pd

    currency = accounts.drop_duplicates("account_no").set_index("account_no")["currency"].astype("str")
    frame = frame.assign(currency=currency.reindex(frame["account_no"]).to_numpy())
    units = 10.0 ** frame["currency"].map(DECIMALS).to_numpy(dtype="float64")
    for field in disk_schema(name, {}):
        if field.name not in frame.columns or field.name == "account_no":
            continue
        values = frame[field.name]
        if pa.types.is_date32(field.type):
            days = values.to_numpy().astype("int64").astype("datetime64[D]")
            frame[field.name] = np.where(values == NO_DAY, np.datetime64("NaT"), days).astype("datetime64[s]")
        elif pa.types.is_timestamp(field.type):
            frame[field.name] = pd.to_datetime(values.where(values != NO_TIME), unit="us", utc=True)
        elif pa.types.is_int64(field.type):
            frame[field.name] = values.where(values != NO_MONEY) / units
    return frame
