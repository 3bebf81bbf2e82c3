"""How a table lies on disk (dates, UTC timestamps, nulls: any engine reads it) and how it
becomes the inner form (plain integers).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.days import dates
from features.tables import (
    DECIMALS,
    DELIVERED,
    NO_DAY,
    NO_MINUTE,
    NO_MONEY,
    NO_SHARE,
    NO_TIME,
    NUMBERS,
    WHOLE_SHARE,
    Kind,
    inner_columns,
)

if TYPE_CHECKING:
    import pandas as pd

INSTANT = pa.timestamp("us", "UTC")
_ON_DISK = {"int64": pa.int64(), "int32": pa.int32(), "int16": pa.int16(), "str": pa.string()}
FEW_VALUES = (Kind.ENUM, Kind.CURRENCY, Kind.ZONE)
# Tables that are not delivered: rows set aside and what became of them; what nights remember.
QUARANTINED, DECISIONS = "quarantine", "quarantine_decisions"
ASSIGNMENTS, DRAWS, OUTCOMES, RUNGS = "assignments", "draws", "draw_outcomes", "rungs"
MESSAGES = "messages"  # of nights with reminders alone
TREATED = "treated"  # routes and offers, of nights under a treatment policy alone
WATCHED = "watched"  # P(late), of nights that say it
NIGHTS_IN = "nights_in"  # folder of the store: the folders that its nights were published into, one a file
TERMS = "terms"  # folder of the store: params, overlays and signatures of nights, each named after its sha256
QUARANTINE = pa.schema(
    {
        "table": pa.string(),
        "file": pa.string(),
        "line": pa.int64(),
        "codes": pa.string(),
        "raw": pa.string(),
        "rule_version": pa.int32(),
        "ingest_id": pa.string(),
    }
)
_TABLE_NAME = re.compile(r"[a-z][a-z_]{0,63}")
CLASS_TEXTS = ("portfolio", "product", "jurisdiction", "method", "agent", "language", "party", "variant")


def row_name(table: str, codes: str, raw: str) -> str:
    """What a row set aside is called by: the same row for the same reasons has the same name in every delivery."""
    return hashlib.sha256(json.dumps([table, codes, raw]).encode()).hexdigest()[:12]


def is_table_name(name: str) -> bool:
    return _TABLE_NAME.fullmatch(name) is not None


def disk_schema(name: str, extras: Mapping[str, str]) -> pa.Schema:
    """Arrow schema of a table's data files. extras: the sender's own columns, 'float64' or 'str'.
    The shard is the partition.
    """
    table = DELIVERED[name]
    fields = []
    for column, dtype in {**inner_columns(name), "backfilled": "bool", **extras}.items():
        declared = table[column].kind if column in table.names else None
        if declared is Kind.DATE or (column.endswith("_on") and column not in extras):
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
    table = DELIVERED[name]
    return [column.name for column in table.columns if column.kind in FEW_VALUES or column.name in CLASS_TEXTS]


def to_inner(rows: pa.Table) -> pd.DataFrame:
    """The inner form: empty days, instants and amounts become NO_DAY, NO_TIME, NO_MONEY;
    classes become categories in sorted order.
    """
    import pandas as pd

    columns = {column: _plain(rows.column(column)) for column in rows.column_names}
    return pd.DataFrame(columns, copy=False)


def _plain(values: pa.ChunkedArray):
    kind = values.type
    if pa.types.is_date32(kind):
        return _numbers(_viewed(values, pa.int32()), NO_DAY)
    if pa.types.is_timestamp(kind):
        return _numbers(_viewed(values, pa.int64()), NO_TIME)
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


def _viewed(values: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """The same bits as another type, without a copy."""
    return pa.chunked_array([chunk.view(kind) for chunk in values.chunks], kind)


def _numbers(values: pa.ChunkedArray, empty: object) -> np.ndarray:
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
    codes = (pc.fill_null(whole.indices, -1) if whole.null_count else whole.indices).to_numpy(zero_copy_only=False)
    if (place[:-1] != np.arange(len(names))).any():
        codes = place[codes]
    return pd.Categorical.from_codes(codes, pd.Index(names[order], dtype="str"), validate=False)


def sort_columns(name: str) -> list[str]:
    """The stable total order of a table's rows: account, time of the row, when known, number of the id;
    of debtors, when known and the id.
    """
    table = DELIVERED[name]
    if not table.of_accounts:
        return [table.position, *table.key]
    keys = [NUMBERS.get(column, column) for column in table.key if column not in ("account_id", table.position)]
    return ["account_no", table.position, "known_at", *keys]


def in_order(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Rows by `sort_columns`; a frame already in order is handed back as it is. Needs those columns.

    Files come sorted, so few accounts are out of order: rows are brought together by account, and only the accounts
    that then rise and fall are sorted by time; only rows equal in account, time and known_at are sorted by what is
    left.
    """
    first, *later = sort_columns(name)
    if not DELIVERED[name].of_accounts:
        return frame.sort_values([first, *later], kind="stable", ignore_index=True)
    accounts = frame[first].to_numpy()
    order = np.arange(len(frame))
    if (accounts[1:] < accounts[:-1]).any():
        order = np.argsort(accounts, kind="stable")
        accounts = accounts[order]
    times = [frame[column].to_numpy()[order] for column in later[:2]]
    falls = (accounts[1:] == accounts[:-1]) & _falls(times)
    if falls.any():
        mixed = np.isin(accounts, np.unique(accounts[1:][falls]))
        rows = np.flatnonzero(mixed)
        inside = np.lexsort([*(values[rows] for values in reversed(times)), accounts[rows]])
        order[rows] = order[rows[inside]]
        times = [frame[column].to_numpy()[order] for column in later[:2]]
    if later[2:]:
        _order_ties(order, [accounts, *times], frame, later[2:])
    return frame if (order[1:] > order[:-1]).all() else frame.take(order).reset_index(drop=True)


def _falls(times: list[np.ndarray]) -> np.ndarray:
    """Whether each row from the second on lies before the one above it, by the first key, ties by the second."""
    first, second = times
    return (first[1:] < first[:-1]) | ((first[1:] == first[:-1]) & (second[1:] < second[:-1]))


def _order_ties(order: np.ndarray, keys: list[np.ndarray], frame: pd.DataFrame, ids: list[str]) -> None:
    """Put rows that are equal in all keys in the order of these columns, in place."""
    tied = np.ones(max(len(order) - 1, 0), dtype=bool)
    for values in keys:
        tied &= values[1:] == values[:-1]
    rows = np.flatnonzero(np.append(tied, False) | np.insert(tied, 0, False))
    if len(rows) == 0:
        return
    group = np.cumsum(np.insert(~tied, 0, True))[rows]
    part = frame.iloc[order[rows]]
    values = [part[column] for column in reversed(ids)]
    ranks = [
        each.to_numpy() if each.dtype.kind == "i" else np.unique(each.to_numpy(dtype=str), return_inverse=True)[1]
        for each in values
    ]
    order[rows] = order[rows[np.lexsort([*ranks, group])]]


def for_people(name: str, frame: pd.DataFrame, accounts: pd.DataFrame) -> pd.DataFrame:
    """The inner form as people read it: dates, UTC timestamps, money in decimal units of `currency` (float64),
    empty as NaT and NaN.

    accounts: account_no and currency of (at least) the same accounts.
    """

    currency = accounts.drop_duplicates("account_no").set_index("account_no")["currency"].astype("str")
    frame = frame.assign(currency=currency.reindex(frame["account_no"]).to_numpy())
    units = 10.0 ** frame["currency"].map(DECIMALS).to_numpy(dtype="float64")
    kinds = {column.name: column.kind for column in DELIVERED[name].columns}
    for field in disk_schema(name, {}):
        if field.name not in frame.columns or field.name == "account_no":
            continue
        values = frame[field.name]
        if pa.types.is_date32(field.type):
            frame[field.name] = np.where(values == NO_DAY, np.datetime64("NaT"), dates(values.to_numpy()))
        elif pa.types.is_timestamp(field.type):
            frame[field.name] = instants(values)
        elif pa.types.is_int64(field.type):
            frame[field.name] = values.where(values != NO_MONEY) / units
        elif kinds.get(field.name) is Kind.SHARE:
            frame[field.name] = values.where(values != NO_SHARE) / WHOLE_SHARE
        elif kinds.get(field.name) is Kind.WHOLE:
            frame[field.name] = values.where(values != NO_SHARE)
    return frame


def instants(values: pd.Series) -> pd.Series:
    """Microseconds since 1970 UTC as timestamps; empty as NaT."""
    import pandas as pd

    return pd.to_datetime(values.where(values != NO_TIME), unit="us", utc=True)


def plain_rows(frame: pd.DataFrame, night: str) -> pa.Table:
    """A frame that a night hands over, as Delta knows it: no dictionaries, no large strings;
    the column `night` of days becomes dates.
    """
    rows = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    if night in rows.column_names:
        nights = rows.column(night).cast(pa.int32()).cast(pa.date32())
        rows = rows.set_column(rows.column_names.index(night), night, nights)
    return rows.cast(pa.schema([_plain_field(field) for field in rows.schema]))


def _plain_field(field: pa.Field) -> pa.Field:
    """A field as Delta knows it: no dictionaries, no large strings."""
    kind = field.type
    if pa.types.is_dictionary(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind):
        kind = pa.string()
    return pa.field(field.name, kind)
