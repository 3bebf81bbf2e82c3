"""Taking rows out of a table for good: out of every version, so that no file of the store holds them any more.

Everything else here only adds. Versions keep their numbers: a night that pinned one reads the same rows but those.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.store.commit import staged
from pipeline.store.delta import partition_of
from pipeline.store.files import DataFile, FileWriter
from pipeline.store.store import Store

# Rows of a data file and its partition value -> which of them go. It is asked with texts and numbers of accounts alone.
Leaving = Callable[[pa.Table, str | None], pa.BooleanArray]


def take_out(store: Store, name: str, leaving: Leaving, partitions: Collection[str] | None = None) -> int:
    """Take rows out of every version of a table; how many rows its newest version lost. The caller holds the lock.

    leaving: of each file, which rows go. partitions: only these. Files that no version knows, left by runs that were
    cut off, lose theirs too. Raises StoreDamaged where a file is not what was written.
    """
    delta, changed, lost = store.delta, {}, 0
    now = {place for places in delta.files(name).values() for place in places}
    with staged(store) as staging:
        for place in delta.every_file(name):
            partition = partition_of(name, place.relative_to(store.path / name).as_posix())
            if partitions is not None and partition not in partitions:
                continue
            delta.check_sound(place)
            schema = pq.read_schema(place)
            asked = pa.schema([field for field in schema if _is_asked(field)])
            goes = leaving(delta.read(place, asked), partition)
            gone = goes.true_count
            if gone:
                changed[place] = (
                    None if gone == len(goes) else _left(delta.read(place, schema), goes, partition, staging)
                )
                lost += gone if place in now else 0
        if changed:
            delta.exchange(name, changed)
    return lost


def _is_asked(field: pa.Field) -> bool:
    return field.name == "account_no" or pa.types.is_string(field.type) or pa.types.is_large_string(field.type)


def _left(rows: pa.Table, goes: pa.BooleanArray, partition: str | None, staging: Path) -> DataFile:
    writer = FileWriter(staging / f"{len(list(staging.iterdir()))}.parquet", partition, rows.schema)
    writer.write(rows.filter(pc.invert(goes)))
    return writer.close()
