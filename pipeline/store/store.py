"""The store: a folder of Delta tables by shard of debtor, whose data files are named after their own sha256."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from features.days import day_of_text, day_text
from features.errors import CannotWrite, ContractError, InputMissing, UsageError
from features.tables import NUMBERS, TABLES, account_number
from pipeline.store.files import DataFile, FileWriter, check_sound, read_rows, sealed, sync_folder, unsealed, write_whole
from pipeline.store.form import dictionary_columns, disk_schema, for_people, in_order, plain_rows, sort_columns, to_inner
from pipeline.store.locks import only_run

if TYPE_CHECKING:
    import pandas as pd
    from deltalake import DeltaTable

FORMAT = 2
FILES_PER_SHARD = 32  # above it, deliveries are brought together: reading many small files would cost more than their rows
SHARD, NIGHT = "shard", "as_of"  # delivered tables are partitioned by the one, tables that nights write by the other
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
_DATA_FILE = re.compile(r"(?:[a-z_]+=([^/]+)/)?[0-9a-f]{64}\.parquet")
_CUT_OFF = "An ingest into store {!r} was cut off. Run `recoup ingest` again; it ends what was begun."
_TABLE_NAME = re.compile(r"[a-z][a-z_]{0,63}")


class Store:
    """A folder of Delta tables. Opening reads one small file; tables are opened when asked for."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.shards = _read_card(self.path)
        self._opened: dict[tuple[str, int | None], DeltaTable] = {}
        self._sound: set[str] = set()

    def __reduce__(self):
        return Store, (self.path,)

    @classmethod
    def create(cls, path: Path, shards: int) -> Store:
        """Open the store, or make a new one in an absent or empty folder. Its number of shards can never change."""
        path = Path(path)
        card = path / "store.json"
        if not card.exists():
            if path.exists() and any(entry.name != ".lock" for entry in path.iterdir()):
                raise UsageError(f"Folder {str(path)!r} is not a store and not empty. Name an empty folder with --store or paths.store.")
            try:
                path.mkdir(parents=True, exist_ok=True)
                write_whole(card, sealed({"format": FORMAT, "shards": shards}))
            except OSError as error:
                raise CannotWrite.creating(f"Store {str(path)!r}", error) from None
        store = cls(path)
        if store.shards != shards:
            raise UsageError(
                f"Store {str(path)!r} has {store.shards} shards, store.shards of the params says {shards}. "
                "The number cannot change: set it back, or ingest into a new folder."
            )
        return store

    def lock(self) -> AbstractContextManager[None]:
        """Hold the store for one run; LockHeld (exit 75) at once where another holds it. Freed when the holder ends or is killed."""
        return only_run(self.path)

    # What the store holds

    def deliveries(self) -> list[dict]:
        """The records of all deliveries, oldest first. Each carries the state of the store after it."""
        folder = self.path / "deliveries"
        names = sorted(entry.name for entry in folder.glob("*.json")) if folder.exists() else []
        return [unsealed(folder / name) for name in names]

    def _state(self, versions: Mapping[str, int] | None = None) -> dict:
        """The state after the newest delivery, or after the newest one that the pinned versions contain."""
        if versions is None and self._is_pending():
            raise InputMissing(_CUT_OFF.format(str(self.path)))
        for record in reversed(self.deliveries()):
            if versions is None or all(versions.get(name, -1) >= version for name, version in record["versions"].items()):
                return record["state"] | {"versions": record["versions"]}
        raise InputMissing(f"Store {str(self.path)!r} holds no delivery. Run `recoup ingest` first.")

    def versions(self) -> dict[str, int]:
        """The newest version of every table; of the delivered ones, as they stood together after the last whole delivery."""
        delivered = self._state()["versions"]
        others = {name: self._table(name).version() for name in self._table_names() if name not in TABLES}
        return {**delivered, **others}

    def complete_through(
        self, versions: Mapping[str, int] | None = None, by_portfolio: bool = False
    ) -> dict[str, int] | dict[str, dict[str, int]]:
        """Table -> the last day (days since 1970) whose rows are all there; by_portfolio: table -> portfolio -> day."""
        return self._state(versions)["portfolios_complete_through" if by_portfolio else "complete_through"]

    def declared_through(self, versions: Mapping[str, int] | None = None) -> dict[str, dict[str, int]]:
        """Table -> portfolio -> the last complete day that a control file vouched for."""
        return self._state(versions)["declared_through"]

    def portfolios(self, versions: Mapping[str, int] | None = None) -> list[str]:
        return sorted(self._state(versions)["zones"])

    def currencies(self, versions: Mapping[str, int] | None = None) -> list[str]:
        return sorted(self._state(versions)["currencies"])

    def zones(self, versions: Mapping[str, int] | None = None) -> dict[str, str]:
        """Portfolio -> the time zone in which its local days were computed."""
        return self._state(versions)["zones"]

    def span(self, name: str, versions: Mapping[str, int] | None = None) -> tuple[int, int]:
        """First and last day a row of the table sits on (occurred_on, due_on, taken_on, from_on, opened_on)."""
        found = self._state(versions)["spans"].get(name)
        if found is None:
            raise InputMissing(f"The store holds no rows of {name!r}. Deliver that table.")
        return found[0], found[1]

    def first_day(self, names: Sequence[str]) -> int | None:
        """First day a row of any of these tables sits on; None where they hold no row."""
        spans = self._state(None)["spans"]
        return min((spans[name][0] for name in names if name in spans), default=None)

    def shard_of_account(self, account_id: str, versions: Mapping[str, int] | None = None) -> int:
        number = int(account_number([account_id])[0])
        for shard in range(self.shards):
            found = self.tables(shard, ["accounts"], {"accounts": ["account_no"]}, versions)
            if (found["accounts"]["account_no"].to_numpy() == number).any():
                return shard
        raise InputMissing(f"Account {account_id!r} is not in the store. Check the id; ids are matched letter by letter.")

    # Reading

    def tables(
        self,
        shard: int | Sequence[int] | None = None,
        names: Iterable[str] | None = None,
        columns: Mapping[str, Sequence[str]] | None = None,
        versions: Mapping[str, int] | None = None,
    ) -> dict[str, pd.DataFrame]:
        """The delivered tables of whole shards in the inner form (features.tables), rows in their stable total order.

        shard: one, several, or None for all. names: which tables (those not delivered are left out). columns: table -> columns to read;
        tables not named there are read whole, without account_id of the events. versions: from `versions()`; None: the newest.
        Raises ContractError where a file of the store is damaged or gone.
        """
        pinned = self._state()["versions"] if versions is None else versions
        shards = [shard] if isinstance(shard, int) else range(self.shards) if shard is None else list(shard)
        asked = set(TABLES if names is None else names)
        if asked - set(TABLES):
            raise UsageError.unknown_keys("The tables asked of the store", asked - set(TABLES), TABLES)
        wanted = [name for name in TABLES if name in pinned and name in asked]
        return {name: self._read(name, shards, (columns or {}).get(name), pinned[name]) for name in wanted}

    def _read(self, name: str, shards: Iterable[int], columns: Sequence[str] | None, version: int) -> pd.DataFrame:
        table = self._table(name, version)
        known = _schema(table)
        if columns is None:
            left_out = {"shard"} if name == "accounts" else {"shard", "account_id"}
            columns = [column for column in known.names if column not in left_out]
        unknown = sorted(set(columns) - set(known.names))
        if unknown:
            raise UsageError.unknown_keys(f"The columns asked of table {name!r}", unknown, known.names)
        places = [place for each in shards for place in self._files(name, version).get(str(each), [])]
        ordering = [column for column in sort_columns(name) if column not in columns] if len(places) > 1 else []
        few = set(dictionary_columns(name))
        schema = pa.schema(
            pa.field(column, pa.dictionary(pa.int32(), pa.string()) if column in few else known.field(column).type)
            for column in [*columns, *ordering]
        )
        parts = [self._read_file(place, schema) for place in places]
        rows = pa.concat_tables(parts) if parts else schema.empty_table()
        frame = to_inner(name, rows)
        if len(places) > 1:
            frame = in_order(name, frame)
        return frame[list(columns)] if ordering else frame

    def _read_file(self, place: Path, schema: pa.Schema) -> pa.Table:
        self._check_sound(place)
        return read_rows(place, schema)

    def frame(self, name: str, shard: int | Sequence[int] | None = None) -> pd.DataFrame:
        """A table for people: account_id, dates, UTC timestamps, money in decimal units of `currency`; for notebooks, not for nights."""
        if name not in TABLES:
            return self.read(name)
        version = self._state()["versions"].get(name)
        if version is None:
            raise InputMissing(f"Table {name!r} is not delivered. Deliver it, or ask for another.")
        columns = {name: [column for column in _schema(self._table(name, version)).names if column not in (SHARD, *NUMBERS.values())]}
        accounts = self.tables(shard, ["accounts"], {"accounts": ["account_no", "currency"]})["accounts"]
        return for_people(name, self.tables(shard, [name], columns)[name], accounts)

    def read(
        self,
        name: str,
        columns: Sequence[str] | None = None,
        since: int | None = None,
        before: int | None = None,
        versions: Mapping[str, int] | None = None,
    ) -> pd.DataFrame:
        """Rows of a table that nights write (scores, assignments) or of the quarantine; only nights in [since, before).

        as_of is int32 days. A table never written, or not in `versions`, is an empty frame without columns.
        """
        import pandas as pd

        if name not in self._table_names() or (versions is not None and name not in versions):
            return pd.DataFrame()
        version = None if versions is None else versions[name]
        schema = _schema(self._table(name, version))
        wanted = schema.names if columns is None else list(columns)
        if missing := [column for column in wanted if column not in schema.names]:  # written before the column was known
            raise ContractError.missing_columns(name, missing, schema.names)
        inside = pa.schema([schema.field(column) for column in wanted if column != NIGHT])
        parts = []
        for partition, places in sorted(self._files(name, version).items(), key=str):
            night = None if partition is None else day_of_text(partition)
            if night is not None and ((since is not None and night < since) or (before is not None and night >= before)):
                continue
            for place in places:
                rows = self._read_file(place, inside)
                if night is not None and NIGHT in wanted:
                    rows = rows.append_column(NIGHT, pa.array([night], pa.int32()).take(pa.array([0] * rows.num_rows)))
                parts.append(rows.select(wanted))
        empty = pa.schema([pa.field(NIGHT, pa.int32()) if column == NIGHT else schema.field(column) for column in wanted]).empty_table()
        return pa.concat_tables(parts or [empty]).to_pandas()

    # Damage

    def verify(
        self, names: Iterable[str] | None = None, shard: int | Sequence[int] | None = None, versions: Mapping[str, int] | None = None
    ) -> int:
        """Hash every data file (of these tables and shards) and compare it with its name; how many were read. Reading does it too."""
        shards = {str(shard)} if isinstance(shard, int) else None if shard is None else {str(each) for each in shard}
        count = 0
        for name in self._table_names() if names is None else names:
            for partition, places in self._files(name, (versions or {}).get(name)).items():
                if shards is None or partition in shards or name not in TABLES:
                    for place in places:
                        self._sound.discard(str(place))
                        self._check_sound(place)
                        count += 1
        return count

    def _check_sound(self, place: Path) -> None:
        """Hash a file the first time this object meets it."""
        if str(place) not in self._sound:
            check_sound(place, self.path)
            self._sound.add(str(place))

    # Tables of nights

    def append(self, name: str, frame: pd.DataFrame) -> None:
        """Add rows to a table that nights write, in one transaction. The first write fixes the columns; the same rows again add nothing."""
        self._write(name, frame, replaced=None)

    def replace_where(self, name: str, frame: pd.DataFrame, as_of: int) -> None:
        """Put these rows in the place of the night's rows, in one transaction; the same rows again change nothing."""
        if NIGHT not in frame.columns or (frame[NIGHT] != as_of).any():
            raise UsageError(f"Rows for table {name!r} must all have as_of {as_of}, the night they replace.")
        self._write(name, frame, replaced=as_of)

    def _write(self, name: str, frame: pd.DataFrame, replaced: int | None) -> None:
        if name in TABLES or _TABLE_NAME.fullmatch(name) is None:
            raise UsageError(f"Table {name!r} is not one that nights write. Delivered tables come in by `recoup ingest`.")
        rows = plain_rows(frame, NIGHT)
        with self.lock():
            if self._is_pending():
                raise InputMissing(_CUT_OFF.format(str(self.path)))
            if name not in self._table_names():
                self._create_table(name, rows.schema, [NIGHT] if NIGHT in rows.column_names else [])
            rows = self._fitted(name, rows)
            days = rows.column(NIGHT).unique().sort().to_pylist() if NIGHT in rows.column_names else [None]
            files = []
            with self.staged() as staging:
                for day in days:
                    part = rows if day is None else rows.filter(pc.equal(rows.column(NIGHT), day)).drop_columns([NIGHT])
                    writer = FileWriter(staging / f"{day}.parquet", None if day is None else day.isoformat(), part.schema)
                    writer.write(part)
                    files.append(writer.close())
                self._move_in(name, files)
            night = None if replaced is None else day_text(replaced)
            held = {each for each in self._held(name) if night in (None, each[0])}
            new = {(file.partition, file.sha256) for file in files}
            if not new <= held or (night is not None and new != held):
                self._transact(name, files, night)

    def _fitted(self, name: str, rows: pa.Table) -> pa.Table:
        """The rows in the columns and types of the table."""
        schema = _schema(self._table(name))
        missing, unknown = set(schema.names) - set(rows.column_names), set(rows.column_names) - set(schema.names)
        if missing:
            raise ContractError.missing_columns(name, sorted(missing), rows.column_names)
        if unknown:
            raise ContractError.unknown_columns(name, sorted(unknown), schema.names)
        try:
            return rows.select(schema.names).cast(schema)
        except pa.ArrowInvalid:
            other = [field.name for field in schema if rows.schema.field(field.name).type != field.type]
            raise ContractError(f"Table {name!r}: columns {', '.join(other)} must keep the types they were first written with.") from None

    # What ingest uses

    @contextmanager
    def staged(self) -> Iterator[Path]:
        """An empty folder inside the store, private to this user, for files on their way in; gone afterwards, unless `recover` needs it."""
        place = self.path / ".staging"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(mode=0o700)
        try:
            yield place
        finally:
            if not self._is_pending():
                shutil.rmtree(place, ignore_errors=True)

    def _is_pending(self) -> bool:
        return (self.path / "pending.json").exists()

    def data_files(self, name: str) -> list[Path]:
        """The checked data files of a delivered table's newest version, for other readers."""
        places = [place for places in self._files(name, None).values() for place in places] if name in self._table_names() else []
        for place in places:
            self._check_sound(place)
        return places

    def extra_columns(self, name: str) -> dict[str, str]:
        """The sender's own columns of a stored table -> 'float64' or 'str'."""
        if name not in self._table_names():
            return {}
        known = _schema(self._table(name))
        return {
            field.name: "float64" if pa.types.is_floating(field.type) else "str"
            for field in known
            if field.name.startswith(TABLES[name].extra or ("\0",))
        }

    def commit(self, files: Mapping[str, Sequence[DataFile]], extras: Mapping[str, Mapping[str, str]], record: Mapping) -> dict[str, int]:
        """Bring a delivery in whole: a note of all that will happen, then one transaction per table, then the record.

        Cut off at any point, `recover` (or the next ingest) ends it; until then readers refuse. Returns the tables' versions.
        """
        plan = {
            "tables": {
                name: {
                    "extras": dict(extras.get(name, {})),
                    "files": [
                        {"partition": file.partition, "sha256": file.sha256, "rows": file.rows, "size": file.size,
                         "place": str(file.place.relative_to(self.path))}
                        for file in found
                    ],
                }
                for name, found in files.items()
            },
            "record": dict(record),
        }  # fmt: skip
        write_whole(self.path / "pending.json", sealed(plan))
        return self.recover()

    def recover(self) -> dict[str, int]:
        """End a delivery that was cut off; nothing where none was. Every step may be done twice."""
        note = self.path / "pending.json"
        if not note.exists():
            return {}
        plan = unsealed(note)
        for name, part in plan["tables"].items():
            schema = disk_schema(name, part["extras"]) if name in TABLES else QUARANTINE
            files = [DataFile(**{**entry, "place": self.path / entry["place"]}) for entry in part["files"]]
            self._make_room(name, schema)
            self._move_in(name, files)
            present = self._held(name)
            new = [file for file in files if (file.partition, file.sha256) not in present]
            if new:
                self._transact(name, new, None)
        record = plan["record"]
        earlier = self.deliveries()
        if not earlier or earlier[-1]["ingest_id"] != record["ingest_id"] or earlier[-1]["number"] != record["number"]:
            versions = {name: self._table(name).version() for name in self._table_names() if name in TABLES}
            text = sealed({**record, "versions": versions})
            folder = self.path / "deliveries"
            folder.mkdir(exist_ok=True)
            write_whole(folder / f"{record['number']:06d}-{record['ingest_id'][:12]}.json", text)
        note.unlink()
        sync_folder(self.path)
        shutil.rmtree(self.path / ".staging", ignore_errors=True)
        return self.deliveries()[-1]["versions"]

    def compact(self) -> None:
        """Bring the files of a shard together where deliveries have left many: one transaction per table, the same rows, the same order.

        Older versions keep their files, so nights of the past can be made again.
        """
        for name in [name for name in self._table_names() if name in TABLES]:
            crowded = {shard: places for shard, places in self._files(name, None).items() if len(places) > FILES_PER_SHARD}
            if not crowded:
                continue
            known = _schema(self._table(name))
            schema = pa.schema([field for field in known if field.name != SHARD])
            with self.staged() as staging:
                files = []
                for shard, places in crowded.items():
                    rows = pa.concat_tables([self._read_file(place, schema) for place in places])
                    keys = to_inner(name, rows.select(sort_columns(name))).assign(row=range(rows.num_rows))
                    writer = FileWriter(staging / f"{name}-{shard}.parquet", shard, schema)
                    writer.write(rows.take(pa.array(in_order(name, keys)["row"].to_numpy())))
                    files.append(writer.close())
                self._move_in(name, files)
            self._transact(name, files, None, removed=[place for places in crowded.values() for place in places])

    # Delta

    def _make_room(self, name: str, schema: pa.Schema) -> None:
        """The table exists and has every column of the schema."""
        if name not in self._table_names():
            sharded = name in TABLES
            whole = pa.schema([*([pa.field(SHARD, pa.int32())] if sharded else []), *schema])
            self._create_table(name, whole, [SHARD] if sharded else [])
            return
        from deltalake import Schema

        known = _schema(self._table(name)).names
        new = pa.schema([field for field in schema if field.name not in known])
        if len(new):
            with self._writing(name):
                self._table(name).alter.add_columns(Schema.from_arrow(new).fields)
            self._seal(name)

    def _create_table(self, name: str, schema: pa.Schema, partition_by: list[str]) -> None:
        from deltalake import DeltaTable

        place = self.path / name
        place.mkdir(mode=0o700 if name == "quarantine" else 0o755, exist_ok=True)
        with self._writing(name):
            DeltaTable.create(place, schema, mode="ignore", partition_by=partition_by)
        self._seal(name)

    def _move_in(self, name: str, files: Iterable[DataFile]) -> None:
        """Put written files at their final names; one that is already there stays."""
        folders = set()
        for file in files:
            goal = self.path / name / _relative(name, file)
            goal.parent.mkdir(exist_ok=True)
            if file.place.exists():
                os.replace(file.place, goal)
            elif not goal.exists():
                raise ContractError(f"Store file {str(goal.relative_to(self.path))!r} is gone. Remove pending.json and ingest again.")
            folders.add(goal.parent)
        for folder in sorted(folders):
            sync_folder(folder)

    def _transact(self, name: str, files: Sequence[DataFile], replaced: str | None, removed: Sequence[Path] = ()) -> None:
        """One transaction: add the files; take the place of a night's rows (replaced), or of files whose rows they hold (removed)."""
        from deltalake import PostCommitHookProperties
        from deltalake.transaction import AddAction, RemoveAction

        table = self._table(name)
        partition_by = table.metadata().partition_columns
        actions = [
            AddAction(
                path=_relative(name, file),
                size=file.size,
                partition_values={} if file.partition is None else {partition_by[0]: file.partition},
                modification_time=0,
                data_change=not removed,
                stats=json.dumps({"numRecords": file.rows}),
            )
            for file in files
        ]
        for place in removed:
            path = place.relative_to(self.path / name).as_posix()
            partition = {partition_by[0]: _DATA_FILE.fullmatch(path)[1]}
            actions.append(RemoveAction(path, False, 0, place.stat().st_size, partition))
        with self._writing(name):
            table.create_write_transaction(
                actions,
                "append" if replaced is None else "overwrite",
                table.schema(),
                partition_by,
                partition_filters=None if replaced is None else [(NIGHT, "=", replaced)],
                post_commithook_properties=PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False),
            )
        self._seal(name)

    @contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        from deltalake.exceptions import DeltaError

        try:
            yield
        except DeltaError as error:
            raise CannotWrite.writing(f"Table {name!r} of the store", OSError(0, type(error).__name__)) from None

    def _seal(self, name: str) -> None:
        """Write beside the log what its entries hash to, and forget what was opened before."""
        for key in [key for key in self._opened if key[0] == name]:
            del self._opened[key]
        folder = self.path / name / "_seals"
        folder.mkdir(exist_ok=True)
        for entry in sorted((self.path / name / "_delta_log").glob("*.json")):
            if not (folder / entry.stem).exists():
                write_whole(folder / entry.stem, hashlib.sha256(entry.read_bytes()).hexdigest())

    def _table_names(self) -> list[str]:
        return sorted(entry.parent.name for entry in self.path.glob("*/_delta_log"))

    def _table(self, name: str, version: int | None = None) -> DeltaTable:
        """Open a table at a version once its log is known to be whole."""
        if (name, version) not in self._opened:
            from deltalake import DeltaTable
            from deltalake.exceptions import DeltaError

            folder = self.path / name
            damaged = [
                seal.name
                for seal in (folder / "_seals").glob("[0-9]*")
                if not (entry := folder / "_delta_log" / f"{seal.name}.json").exists()
                or hashlib.sha256(entry.read_bytes()).hexdigest() != seal.read_text(encoding="utf-8", errors="replace")
            ]
            try:
                if damaged:
                    raise ValueError
                self._opened[name, version] = DeltaTable(folder, version=version)
            except (DeltaError, OSError, ValueError):
                raise ContractError(
                    f"Table {name!r} of store {str(self.path)!r} cannot be opened{'' if version is None else f' at version {version}'}: "
                    "its log is damaged or gone. Restore it from a backup."
                ) from None
        return self._opened[name, version]

    def _files(self, name: str, version: int | None) -> dict[str | None, list[Path]]:
        """Partition value -> data files, in the order of their names."""
        found: dict[str | None, list[Path]] = {}
        for path in sorted(pa.table(self._table(name, version).get_add_actions(flatten=True)).column("path").to_pylist()):
            match = _DATA_FILE.fullmatch(path)
            if match is None:
                raise ContractError(f"The log of table {name!r} names a file that `recoup` did not write. Restore the store from a backup.")
            found.setdefault(match[1], []).append(self.path / name / path)
        return found

    def _held(self, name: str) -> set[tuple[str | None, str]]:
        return {(partition, place.stem) for partition, places in self._files(name, None).items() for place in places}


def _relative(name: str, file: DataFile) -> str:
    if file.partition is None:
        return f"{file.sha256}.parquet"
    return f"{SHARD if name in TABLES else NIGHT}={file.partition}/{file.sha256}.parquet"


def _schema(table: DeltaTable) -> pa.Schema:
    return pa.schema(table.schema().to_arrow())


def _read_card(path: Path) -> int:
    card = path / "store.json"
    if not path.exists():
        raise InputMissing(f"There is no store at {str(path)!r}. Run `recoup ingest` first, or name the store with --store.")
    if not card.exists():
        raise UsageError(f"Folder {str(path)!r} is not a store: it lacks store.json. Name another with --store or paths.store.")
    found = unsealed(card)
    if found.get("format") != FORMAT:
        raise UsageError(f"Store {str(path)!r} has format {found.get('format')}, this version reads {FORMAT}. Ingest into a new folder.")
    return found["shards"]
