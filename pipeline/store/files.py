"""Files that say whether they are whole: Parquet named after its own sha256, JSON that carries it. They appear whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import CannotWrite
from pipeline.store.refusals import StoreDamaged

ROWS_PER_GROUP = 500_000


@dataclass(frozen=True)
class DataFile:
    """One written Parquet file of a table: its partition value (None: not partitioned), its sha256 and where it waits."""

    partition: str | None
    sha256: str
    rows: int
    size: int
    place: Path

    def noted(self, store: Path) -> dict[str, str | int | None]:
        """As a note of a delivery on its way in keeps it."""
        place = str(self.place.relative_to(store))
        return {"partition": self.partition, "sha256": self.sha256, "rows": self.rows, "size": self.size, "place": place}

    @classmethod
    def of_note(cls, entry: Mapping, store: Path) -> DataFile:
        return cls(entry["partition"], entry["sha256"], entry["rows"], entry["size"], store / entry["place"])


class FileWriter:
    """Write one data file: exact row groups whatever the size of the pieces handed in, page checksums, private to this user."""

    def __init__(self, place: Path, partition: str | None, schema: pa.Schema) -> None:
        self._place, self._partition, self._rows, self._waiting = place, partition, 0, []
        os.close(os.open(place, os.O_CREAT | os.O_WRONLY, 0o600))
        # Numbers hardly shrink further than by their dictionaries, and are read on every night; texts shrink, and seldom are.
        packed = {field.name: "zstd" if pa.types.is_string(field.type) else "none" for field in schema}
        self._writer = pq.ParquetWriter(place, schema, compression=packed, write_page_checksum=True)

    def write(self, rows: pa.Table) -> None:
        self._waiting.append(rows)
        if sum(part.num_rows for part in self._waiting) >= ROWS_PER_GROUP:
            self._flush(keep=True)

    def _flush(self, keep: bool) -> None:
        whole = pa.concat_tables(self._waiting)
        ready = whole.num_rows // ROWS_PER_GROUP * ROWS_PER_GROUP if keep else whole.num_rows
        self._writer.write_table(whole.slice(0, ready), row_group_size=ROWS_PER_GROUP)
        self._rows += ready
        self._waiting = [whole.slice(ready)] if ready < whole.num_rows else []

    def close(self) -> DataFile:
        if self._waiting:
            self._flush(keep=False)
        self._writer.close()
        with self._place.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            os.fsync(stream.fileno())
            size = os.fstat(stream.fileno()).st_size
        return DataFile(self._partition, digest, self._rows, size, self._place)


def check_sound(place: Path, root: Path) -> None:
    """Refuse a data file that is gone or whose content is not what its name says; before anything parses it."""
    where = str(place.relative_to(root))
    try:
        with place.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        raise StoreDamaged.gone(where) from None
    if digest != place.stem:
        raise StoreDamaged.differs(where)


def read_rows(place: Path, schema: pa.Schema) -> pa.Table:
    """The schema's columns of one file; one that the file lacks reads as empty. Dictionary columns come as codes."""
    few = [field.name for field in schema if pa.types.is_dictionary(field.type)]
    with pq.ParquetFile(place, read_dictionary=few, memory_map=True) as file:
        present = set(file.schema_arrow.names)
        rows = file.read([column for column in schema.names if column in present], use_threads=False)  # shards share the processors
    empty = pa.nulls(rows.num_rows)
    arrays = [(rows.column(field.name) if field.name in present else empty).cast(field.type) for field in schema]
    return pa.table(arrays, schema=schema)


def sealed(content: Mapping) -> str:
    """JSON with the sha256 of its own content, so that a flipped bit is noticed."""
    body = json.dumps(content, sort_keys=True, indent=1)
    return json.dumps({"content": content, "sha256": hashlib.sha256(body.encode()).hexdigest()}, sort_keys=True, indent=1) + "\n"


def unsealed(place: Path) -> dict:
    try:
        whole = json.loads(place.read_bytes())
        content, digest = whole["content"], whole["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        content, digest = None, None
    if digest != hashlib.sha256(json.dumps(content, sort_keys=True, indent=1).encode()).hexdigest():
        raise StoreDamaged.sealed(place.name)
    return content


def check_folder(folder: Path) -> None:
    """Refuse, before any work is done, a folder that can neither be written nor made: CannotWrite (73). Nothing is made."""
    there = next((place for place in (folder, *folder.absolute().parents) if place.exists()), folder)
    fault = errno.EACCES if there.is_dir() else errno.ENOTDIR
    if fault == errno.ENOTDIR or not os.access(there, os.W_OK | os.X_OK):
        raise CannotWrite.creating(repr(str(folder)), OSError(fault, ""))


def write_whole(place: Path, text: str) -> None:
    """At its name appears the whole file or none."""
    draft = place.with_name(f".{place.name}.draft")
    with draft.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(draft, place)
    sync_folder(place.parent)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
