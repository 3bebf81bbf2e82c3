"""The accepted rows of a table, sorted and written shard by shard, as tasks of a cluster: the engine hands each shard
its rows as they come, and whoever works on the shard puts them in the store's order. The bytes are those that one
process writes.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.tables import DELIVERED
from pipeline.panel.engines import map_shards
from pipeline.params import Engine
from pipeline.store.files import DataFile, FileWriter
from pipeline.store.form import disk_schema, sort_columns


@dataclass(frozen=True)
class Order:
    """What is to be written of a table. extras: the sender's own columns and their kinds; folder: where rows wait, and
    files are written, seen by every machine alike."""

    name: str
    extras: dict[str, str]
    folder: Path
    batch_rows: int


@dataclass(frozen=True)
class Written:
    """The file of one shard, and the money of its rows by currency."""

    file: DataFile
    money: dict[str, int]


def written_by_shard(batches: Iterable[pa.RecordBatch], order: Order, engine: Engine) -> list[Written]:
    """One file for each shard that has rows, in the order of the shards. batches: rows in any order."""
    shards = _handed_over(batches, order)
    return list(map_shards(partial(_write_shard, order), shards, engine))


def on_disk(piece: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows as they leave the engine, with the types of the store."""
    return pa.table([piece.column(field.name).cast(field.type) for field in schema], schema=schema)


def add_money(money: dict[str, int], piece: pa.Table, column: str | None) -> None:
    """Minor units of the rows' money column, added by currency."""
    if column is None:
        return
    sums = piece.select([column, "currency_of"]).group_by("currency_of").aggregate([(column, "sum")])
    for currency, total in zip(
        sums.column("currency_of").to_pylist(), sums.column(f"{column}_sum").to_pylist(), strict=True
    ):
        money[currency] = money.get(currency, 0) + (total or 0)


def _handed_over(batches: Iterable[pa.RecordBatch], order: Order) -> list[int]:
    """A file of Arrow streams, one after the other, for each shard; the shards that have rows."""
    met: set[int] = set()
    for batch in batches:
        rows = batch.take(pa.array(np.argsort(batch.column("shard").to_numpy(), kind="stable")))
        shards = rows.column("shard").to_numpy()
        for start, stop in runs(shards):
            place = _waiting(order, int(shards[start]))
            with open(place, "ab", opener=_private) as file, pa.ipc.new_stream(file, rows.schema) as stream:
                stream.write_batch(rows.slice(start, stop - start))
            met.add(int(shards[start]))
    return sorted(met)


def _private(place: str, flags: int) -> int:
    return os.open(place, flags, 0o600)


def runs(shards: np.ndarray) -> list[tuple[int, int]]:
    """Start and end of each run of equal numbers."""
    if not len(shards):
        return []
    cuts = [0, *(np.flatnonzero(shards[1:] != shards[:-1]) + 1).tolist(), len(shards)]
    return list(zip(cuts[:-1], cuts[1:], strict=True))


def _waiting(order: Order, shard: int) -> Path:
    return order.folder / f"{order.name}-shard-{shard}.arrows"


def _write_shard(order: Order, shard: int) -> Written:
    """A machine that was taken for lost may be at the same shard: each try has a file of its own."""
    rows = _sorted(_waited(_waiting(order, shard)), order.name)
    schema, money = disk_schema(order.name, order.extras), {}
    place = order.folder / f"{order.name}-shard-{shard}-{secrets.token_hex(6)}.parquet"
    writer = FileWriter(place, str(shard), schema)
    for start in range(0, rows.num_rows, order.batch_rows):
        piece = rows.slice(start, order.batch_rows)
        writer.write(on_disk(piece, schema))
        add_money(money, piece, DELIVERED[order.name].money)
    return Written(writer.close(), money)


def _waited(place: Path) -> pa.Table:
    found = []
    with pa.memory_map(str(place)) as file:
        while file.tell() < file.size():
            found.append(pa.ipc.open_stream(file).read_all())
    return pa.concat_tables(found)


def _sorted(rows: pa.Table, name: str) -> pa.Table:
    """Rows in the store's order, as the engine's ORDER BY with NULLS FIRST gives them."""
    keys = [(column, "ascending", "at_start") for column in sort_columns(name)]
    return rows.take(pc.sort_indices(rows, sort_keys=keys))
