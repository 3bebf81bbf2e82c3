"""Changing the store: a delivery comes in whole, the rows of a night take the place of its earlier ones,
many files are brought together.

The caller holds the store's lock (`only_run(store.path)`) around what a delivery needs; tables of nights take it
themselves.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from features.days import day_text
from features.errors import CannotWrite, ContractError
from features.tables import DELIVERED
from pipeline.store.delta import NIGHT, SHARD
from pipeline.store.files import ROWS_PER_GROUP, DataFile, FileWriter, sealed, sync, unsealed, write_whole
from pipeline.store.form import QUARANTINE, disk_schema, in_order, is_table_name, plain_rows, sort_columns, to_inner
from pipeline.store.locks import LOCK, only_run
from pipeline.store.record import DELIVERIES, Delivered, newest_sha256, write_newest
from pipeline.store.refusals import NightRefused, NightUnlike, NoStore, NotStored
from pipeline.store.store import CARD, FORMAT, PENDING, Store

if TYPE_CHECKING:
    import pandas as pd

# above it, deliveries are brought together: reading many small files would cost more than their rows
FILES_PER_SHARD = 8
GROWTH = 2  # a file is written again only with others that hold more than one row for so many of its own
STAGING = ".staging"


def create(path: Path, shards: int) -> Store:
    """Open the store, or make a new one in an absent or empty folder. Its number of shards can never change."""
    card = path / CARD
    if not card.exists():
        if path.exists() and any(entry.name != ".lock" for entry in path.iterdir()):
            raise NoStore.not_empty(str(path))
        try:
            path.mkdir(parents=True, exist_ok=True)
            write_whole(card, sealed({"format": FORMAT, "shards": shards}))
        except OSError as error:
            raise CannotWrite.creating(f"Store {str(path)!r}", error) from None
    store = Store(path)
    if store.shards != shards:
        raise NoStore.of_shards(str(path), store.shards, shards)
    return store


@contextmanager
def gone_if_empty(store: Store) -> Iterator[None]:
    """A store into which nothing ever came goes again when its first delivery is refused."""
    try:
        yield
    except Exception:
        ours = {CARD, LOCK, STAGING, DELIVERIES}
        if {entry.name for entry in store.path.iterdir()} <= ours and not store.deliveries():
            shutil.rmtree(store.path / STAGING, ignore_errors=True)
            (store.path / CARD).unlink()
            (store.path / LOCK).unlink(missing_ok=True)
            with suppress(OSError):  # what somebody else put there meanwhile stays
                (store.path / DELIVERIES).rmdir()
            with suppress(OSError):
                store.path.rmdir()
        raise


@contextmanager
def staged(store: Store) -> Iterator[Path]:
    """An empty folder inside the store, private to this user, for files on their way in; gone afterwards,
    unless `recover` needs it. NotStored where a delivery was cut off: what it left here is all there is of it.
    """
    if store.is_cut_off():
        raise NotStored.cut_off(str(store.path))
    place = store.path / STAGING
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700)
    try:
        yield place
    finally:
        if not store.is_cut_off():
            shutil.rmtree(place, ignore_errors=True)


# Deliveries


def deliver(
    store: Store, files: Mapping[str, Sequence[DataFile]], extras: Mapping[str, Mapping[str, str]], record: Delivered
) -> Mapping[str, int]:
    """Bring a delivery in whole: a note of all that will happen, then one transaction per table, then the record.

    Cut off at any point, `recover` (or the next ingest) ends it; until then readers refuse. Returns the tables'
    versions.
    """
    plan = {
        "tables": {
            name: {"extras": dict(extras.get(name, {})), "files": [file.noted(store.path) for file in found]}
            for name, found in files.items()
        },
        "record": record.written(),
    }
    write_whole(store.path / PENDING, sealed(plan))
    return recover(store)


def recover(store: Store) -> Mapping[str, int]:
    """End a delivery that was cut off; nothing where none was. Every step may be done twice."""
    note, delta = store.path / PENDING, store.delta
    for name in delta.names():
        delta.mend(name)
    if not note.exists():
        return {}
    plan = unsealed(note)
    for name, part in plan["tables"].items():
        files = [DataFile.of_note(entry, store.path) for entry in part["files"]]
        _make_room(store, name, disk_schema(name, part["extras"]) if name in DELIVERED else QUARANTINE)
        delta.move_in(name, files)
        present = delta.held(name)
        new = [file for file in files if (file.partition, file.sha256) not in present]
        if new:
            delta.add(name, new)
        delta.seal(name)  # what was cut off may lack the seal alone
    record = Delivered.read(plan["record"])
    earlier = store.deliveries()
    if not earlier or (earlier[-1].ingest_id, earlier[-1].number) != (record.ingest_id, record.number):
        versions = {name: delta.version(name) for name in delta.names() if name in DELIVERED}
        record = record.at(versions, newest_sha256(store.path))
        (store.path / DELIVERIES).mkdir(exist_ok=True)
        write_whole(
            store.path / DELIVERIES / f"{record.number:06d}-{record.ingest_id[:12]}.json", sealed(record.written())
        )
    write_newest(store.path)
    note.unlink()
    sync(store.path)
    shutil.rmtree(store.path / STAGING, ignore_errors=True)
    return store.deliveries()[-1].versions


def _make_room(store: Store, name: str, schema: pa.Schema) -> None:
    """The table exists and has every column of the schema."""
    if name in store.delta.names():
        store.delta.widen(name, schema)
    elif name in DELIVERED:
        store.delta.create(name, pa.schema([pa.field(SHARD, pa.int32()), *schema]), [SHARD])
    else:
        store.delta.create(name, schema, [])


def compact(store: Store, most: int | None = None, growth: float = GROWTH) -> int:
    """Bring the files of a shard together where deliveries have left more than `most` (FILES_PER_SHARD): one
    transaction per table, the same rows, the same order. How many files went into others.

    A file comes in only beside smaller ones whose rows, times `growth`, are no fewer than its own: so each row is
    written again a few times while the store grows a thousandfold, and the history that was loaded at first hardly
    ever. Older versions keep their files, so nights of the past can be made again.
    """
    delta, gone, most = store.delta, 0, FILES_PER_SHARD if most is None else most
    for name in [name for name in delta.names() if name in DELIVERED]:
        crowded = {
            shard: small
            for shard, places in delta.files(name).items()
            if len(places) > most and len(small := _small(delta.rows_of(name, places), growth)) > 1
        }
        if not crowded:
            continue
        schema = pa.schema([field for field in delta.schema(name) if field.name != SHARD])
        with staged(store) as staging:
            files = []
            for shard, places in crowded.items():
                rows = pa.concat_tables([delta.read(place, schema) for place in places])
                keys = to_inner(rows.select(sort_columns(name))).assign(row=range(rows.num_rows))
                writer = FileWriter(staging / f"{name}-{shard}.parquet", shard, schema)
                writer.write(rows.take(pa.array(in_order(name, keys)["row"].to_numpy())))
                files.append(writer.close())
            delta.move_in(name, files)
        delta.bring_together(name, files, crowded)
        gone += sum(map(len, crowded.values()))
    return gone


def _small(rows: Mapping[Path, int], growth: float) -> list[Path]:
    """Those of a shard's files (-> their rows) that are brought together, in the order of their names."""
    several: list[Path] = []
    for place in sorted(rows, key=lambda place: (rows[place], place.name)):
        if several and rows[place] > growth * max(sum(rows[each] for each in several), 1):
            break
        several.append(place)
    return sorted(several)


# Tables of nights


def append(store: Store, name: str, frame: pd.DataFrame) -> None:
    """Add rows to a table that nights write, in one transaction. The first write fixes the columns;
    the same rows again add nothing.
    """
    _write(store, name, frame, None)


def replace_night(store: Store, name: str, frame: pd.DataFrame | Iterator[pd.DataFrame], as_of: int) -> None:
    """Put these rows in the place of the night's rows, in one transaction; the same rows again change nothing. frame:
    one, or several of equal columns that come one after another and are not held.
    """
    _write(store, name, frame, day_text(as_of), as_of)


def _write(
    store: Store,
    name: str,
    frame: pd.DataFrame | Iterator[pd.DataFrame],
    replaced: str | None,
    as_of: int | None = None,
) -> None:
    if name in DELIVERED or not is_table_name(name):
        raise NightRefused.table(name)
    parts = frame if isinstance(frame, Iterator) else iter((frame,))
    delta, first = store.delta, _of_night(name, next(parts), as_of)
    with _writing(store, name), only_run(store.path):
        if store.is_cut_off():
            raise NotStored.cut_off(str(store.path))
        delta.mend(name)
        if name not in delta.names():
            delta.create(name, first.schema, [NIGHT] if NIGHT in first.column_names else [])
        schema = delta.schema(name)
        rows = (
            _fitted(name, part, schema) for part in chain((first,), (_of_night(name, each, as_of) for each in parts))
        )
        with staged(store) as staging:
            files = _files_by_night(next(rows), rows, staging)
            delta.move_in(name, files)
        held = {each for each in delta.held(name) if replaced in (None, each[0])}
        new = {(file.partition, file.sha256) for file in files}
        if not new <= held or (replaced is not None and new != held):
            delta.add(name, files, in_place_of=replaced)
        elif delta.is_cut_off(name):  # the rows had come in, and their seal had not
            delta.seal(name)


def _of_night(name: str, frame: pd.DataFrame, as_of: int | None) -> pa.Table:
    """The rows as Delta knows them. NightRefused where they are of another night."""
    if as_of is not None and (NIGHT not in frame.columns or (frame[NIGHT] != as_of).any()):
        raise NightRefused.other_nights(name, as_of)
    return plain_rows(frame, NIGHT)


@contextmanager
def _writing(store: Store, name: str) -> Iterator[None]:
    """What the disk says names no place: CannotWrite (74) does."""
    try:
        yield
    except OSError as error:
        raise CannotWrite.writing(f"Table {name!r} of store {str(store.path)!r}", error) from None


def _files_by_night(rows: pa.Table, more: Iterator[pa.Table], staging: Path) -> list[DataFile]:
    """One file per night, or one where the table tells of no nights. more: rows that follow, all of the first's
    night.
    """
    days = rows.column(NIGHT).unique().sort().to_pylist() if NIGHT in rows.column_names else [None]
    files = []
    for day in days:
        part = rows if day is None else rows.filter(pc.equal(rows.column(NIGHT), day)).drop_columns([NIGHT])
        writer = FileWriter(staging / f"{day}.parquet", None if day is None else day.isoformat(), part.schema)
        for whole in _in_groups(part, more):
            writer.write(whole)
        files.append(writer.close())
    return files


def _in_groups(rows: pa.Table, more: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The rows of a file as its writer would have them from one frame: row groups in one piece each."""
    waiting = [rows]
    for each in more:
        waiting.append(each.select(rows.column_names))
        while (many := sum(part.num_rows for part in waiting)) >= 2 * ROWS_PER_GROUP:
            whole = pa.concat_tables(waiting)
            yield whole.slice(0, ROWS_PER_GROUP).combine_chunks()
            waiting = [whole.slice(ROWS_PER_GROUP, many)]
    yield pa.concat_tables(waiting).combine_chunks() if len(waiting) > 1 else waiting[0]


def _fitted(name: str, rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The rows in the columns and types of the table."""
    missing, unknown = set(schema.names) - set(rows.column_names), set(rows.column_names) - set(schema.names)
    if missing:
        raise ContractError.missing_columns(name, sorted(missing), rows.column_names)
    if unknown:
        raise ContractError.unknown_columns(name, sorted(unknown), schema.names)
    try:
        return rows.select(schema.names).cast(schema)
    except pa.ArrowInvalid:
        other = [field.name for field in schema if rows.schema.field(field.name).type != field.type]
        raise NightUnlike.types(name, other) from None
