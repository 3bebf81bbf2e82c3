"""The Delta tables beneath the store: opened where their log is whole, changed by one transaction each.
All of deltalake is here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import CannotWrite
from features.tables import DELIVERED
from pipeline.store.files import DataFile, check_sound, read_rows, sealed, sha256_of, sync, unsealed, write_whole
from pipeline.store.refusals import NotStored, StoreDamaged

if TYPE_CHECKING:
    from deltalake import DeltaTable

SHARD, NIGHT = "shard", "as_of"  # delivered tables are partitioned by the one, tables that nights write by the other
ON_ITS_WAY = "writing"  # beside the seals, while an entry is written that has none yet
DELTA_LOG, SEALS = "_delta_log", "_seals"  # folders of a table: its log, and what each entry of the log hashes to
STAND_INS = "_stand_ins.json"  # data file that is gone -> the one that holds what is left of its rows, or null
VACUUMED = "_vacuumed.json"  # versions whose files are all there: those from one on, and some before it
# Entries of the log after which what it comes to is written down once more: opening reads no more of them than these.
CHECKPOINT_EVERY = 16
CHECKPOINT, LAST_CHECKPOINT = ".checkpoint", "_last_checkpoint"
_DATA_FILE = re.compile(r"(?:[a-z_]+=([^/]+)/)?[0-9a-f]{64}\.parquet")


class DeltaTables:
    """The tables of a folder. Each is opened when asked for, each data file hashed the first
    time this object meets it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: dict[tuple[str, int | None], DeltaTable] = {}
        self._names: dict[tuple[str, int | None], list[str]] = {}
        self._sound: set[Path] = set()

    # Reading

    def names(self) -> list[str]:
        return sorted(entry.parent.name for entry in self.path.glob(f"*/{DELTA_LOG}"))

    def version(self, name: str) -> int:
        return self._open(name).version()

    def schema(self, name: str, version: int | None = None) -> pa.Schema:
        return pa.schema(self._open(name, version).schema().to_arrow())

    def files(self, name: str, version: int | None = None) -> dict[str | None, list[Path]]:
        """Partition value -> data files, in the order of their names. NotStored where a vacuum took them."""
        if version is not None and not self.is_whole(name, version):
            raise NotStored.vacuumed(name, version)
        found: dict[str | None, list[Path]] = {}
        for path in sorted(self.standing(name, self.named(name, version))):
            found.setdefault(partition_of(name, path), []).append(self.path / name / path)
        return found

    def standing(self, name: str, paths: Iterable[str]) -> set[str]:
        """The paths that a table's log names, each with its stand-in in its place where rows were taken out of it."""
        instead = self._stand_ins(name)
        found = set()
        for path in paths:
            now: str | None = path
            while now is not None and now in instead:
                now = instead[now]
            found |= set() if now is None else {now}
        return found

    def named(self, name: str, version: int | None = None) -> list[str]:
        """The paths of the data files that a version consists of, as the log gives them."""
        table = self._open(name, version)
        if (name, version) not in self._names:
            self._names[name, version] = pa.table(table.get_add_actions(flatten=True)).column("path").to_pylist()
        return self._names[name, version]

    def _stand_ins(self, name: str) -> dict[str, str | None]:
        place = self.path / name / STAND_INS
        return unsealed(place) if place.exists() else {}

    def _stand_again(self, name: str, files: Sequence[DataFile]) -> None:
        """A file that comes back with the same content, as of a night that is ranked again, speaks for itself."""
        instead = self._stand_ins(name)
        back = {_path_of(name, file) for file in files} & instead.keys()
        if back:
            left = {path: now for path, now in instead.items() if path not in back}
            write_whole(self.path / name / STAND_INS, sealed(left))

    def taken_out(self, name: str, version: int) -> int:
        """How many data files of a version stand no more, because rows were taken out of every version."""
        return len(self._stand_ins(name).keys() & set(self.named(name, version)))

    def is_whole(self, name: str, version: int) -> bool:
        """Whether no vacuum took files that the version alone needed."""
        first, kept = self.whole_versions(name)
        return version >= first or version in kept

    def whole_versions(self, name: str) -> tuple[int, frozenset[int]]:
        """The version from which on every version has all its files, and those before it that have."""
        place = self.path / name / VACUUMED
        told = unsealed(place) if place.exists() else {"from": 0, "kept": []}
        return told["from"], frozenset(told["kept"])

    def every_file(self, name: str) -> list[Path]:
        """Every data file of a table on the disk, of whichever version, or of none."""
        folder = self.path / name
        found = [*folder.glob("*.parquet"), *folder.glob("[a-z]*=*/*.parquet")]  # the log has such files, too
        return sorted(place for place in found if not place.name.startswith("."))

    def rows(self, name: str, version: int | None = None) -> int:
        """How many the table's log counts."""
        return sum(pa.table(self._open(name, version).get_add_actions(flatten=True)).column("num_records").to_pylist())

    def rows_of(self, name: str, places: Iterable[Path]) -> dict[Path, int]:
        """Data file -> its rows, as the log counts them; of one that stands in for another, as the file itself says."""
        told = pa.table(self._open(name).get_add_actions(flatten=True)).select(["path", "num_records"]).to_pylist()
        logged = {self.path / name / each["path"]: each["num_records"] for each in told}
        return {place: self._counted(place) if logged.get(place) is None else logged[place] for place in places}

    def _counted(self, place: Path) -> int:
        self.check_sound(place)
        return pq.read_metadata(place).num_rows

    def held(self, name: str) -> set[tuple[str | None, str]]:
        """(partition value, sha256) of every data file of the newest version."""
        return {(partition, place.stem) for partition, places in self.files(name).items() for place in places}

    def check_sound(self, place: Path) -> None:
        if place not in self._sound:
            check_sound(place, self.path)
            self._sound.add(place)

    def read(self, place: Path, schema: pa.Schema) -> pa.Table:
        """The schema's columns of one data file; StoreDamaged before anything of a damaged one is parsed."""
        self.check_sound(place)
        return read_rows(place, schema)

    def broken_entries(self, name: str, since: int = 0) -> list[str]:
        """Entries of the table's log that are gone, or are not what their seal says; of those from one on."""
        log = self.path / name / DELTA_LOG
        return [
            f"{seal.name}.json"
            for seal in sorted((self.path / name / SEALS).glob("[0-9]*"))
            if seal.name.isdecimal()
            and int(seal.name) >= since
            and (
                not (entry := log / f"{seal.name}.json").exists()
                or sha256_of(entry) != seal.read_text(encoding="utf-8", errors="replace")
            )
        ]

    def unsealed_entries(self, name: str) -> list[str]:
        """Entries that have lost their seal. While one is on its way in, or was cut off there, none has."""
        seals, log = self.path / name / SEALS, self.path / name / DELTA_LOG
        if (seals / ON_ITS_WAY).exists():
            return []
        sealed_ones = {place.name for place in seals.glob("[0-9]*")}
        return [
            entry.name
            for entry in sorted([*log.glob("[0-9]*.json"), *log.glob(f"[0-9]*{CHECKPOINT}.parquet")])
            if entry.stem not in sealed_ones
        ]

    def checkpoints(self, name: str) -> list[int]:
        """The versions at which what the log comes to is written down, as far as the files are there."""
        places = (self.path / name / DELTA_LOG).glob(f"[0-9]*{CHECKPOINT}.parquet")
        return sorted(int(place.name.split(".")[0]) for place in places)

    def is_checkpoint_sound(self, name: str, version: int) -> bool:
        """Whether the one written at a version is what its seal says; one that has none is on its way in."""
        stem = f"{version:020d}{CHECKPOINT}"
        place, seal = self.path / name / DELTA_LOG / f"{stem}.parquet", self.path / name / SEALS / stem
        return not seal.exists() or (
            place.exists() and sha256_of(place) == seal.read_text(encoding="utf-8", errors="replace")
        )

    def _open(self, name: str, version: int | None = None) -> DeltaTable:
        """The table at a version (None: the newest), once its log is known to be whole."""
        if (name, version) not in self._opened:
            from deltalake import DeltaTable
            from deltalake.exceptions import DeltaError

            before = [each for each in self.checkpoints(name) if version is None or each <= version]
            since = max(before, default=0)  # what lies before is not read
            if self.broken_entries(name, since) or not self.is_checkpoint_sound(name, since):
                raise StoreDamaged.log(name, str(self.path), version)
            if lost := self.unsealed_entries(name):
                raise StoreDamaged.seal_gone(f"{name}/{DELTA_LOG}/{lost[0]}")
            try:
                self._opened[name, version] = DeltaTable(self.path / name, version=version)
            except (DeltaError, OSError, ValueError):
                if (self.path / name / SEALS / ON_ITS_WAY).exists():  # the next write takes it away
                    raise NotStored.cut_off(str(self.path)) from None
                raise StoreDamaged.log(name, str(self.path), version) from None
        return self._opened[name, version]

    # Changing

    def create(self, name: str, schema: pa.Schema, partition_by: Sequence[str]) -> None:
        from deltalake import DeltaTable

        place = self.path / name
        place.mkdir(mode=0o700 if name == "quarantine" else 0o755, exist_ok=True)
        with self._writing(name):
            DeltaTable.create(place, schema, mode="ignore", partition_by=list(partition_by))
        self.seal(name)

    def widen(self, name: str, schema: pa.Schema) -> None:
        """Add those of the schema's columns that the table lacks; earlier rows read as empty there."""
        from deltalake import Schema

        known = self.schema(name).names
        new = pa.schema([field for field in schema if field.name not in known])
        if len(new):
            with self._writing(name):
                self._open(name).alter.add_columns(Schema.from_arrow(new).fields)
            self.seal(name)

    def move_in(self, name: str, files: Sequence[DataFile]) -> None:
        """Put written files at their final names; one that is already there stays."""
        folders = set()
        for file in files:
            goal = self.path / name / _path_of(name, file)
            goal.parent.mkdir(exist_ok=True)
            if file.place.exists():
                file.place.replace(goal)
            elif not goal.exists():
                raise StoreDamaged.gone_on_its_way(str(goal.relative_to(self.path)))
            folders.add(goal.parent)
        for folder in sorted(folders):
            sync(folder)
        self._stand_again(name, files)

    def add(self, name: str, files: Sequence[DataFile], in_place_of: str | None = None) -> None:
        """One transaction: the files come in; in_place_of: the night whose files go."""
        self._transact(name, self._additions(name, files, are_news=True), in_place_of)

    def bring_together(self, name: str, files: Sequence[DataFile], crowd: Mapping[str | None, Sequence[Path]]) -> None:
        """One transaction: the files stand for the crowd (partition value -> files), whose rows they hold."""
        from deltalake.transaction import RemoveAction

        column = self._partition_columns(name)[0]
        gone = [
            RemoveAction(
                place.relative_to(self.path / name).as_posix(), False, 0, place.stat().st_size, {column: partition}
            )
            for partition, places in crowd.items()
            for place in places
        ]
        self._transact(name, [*self._additions(name, files, are_news=False), *gone], None)

    def exchange(self, name: str, changed: Mapping[Path, DataFile | None]) -> None:
        """Take rows out of every version at once: data file -> the one that holds what is left of it, None for nothing.

        Cut off at any point, every version reads as before or as after, and the same call again ends it.
        """
        from deltalake.transaction import RemoveAction

        paths = {place.relative_to(self.path / name).as_posix(): file for place, file in changed.items()}
        kept = [file for file in paths.values() if file is not None]
        self.move_in(name, kept)
        now = sorted(set(self.named(name)) & paths.keys())
        if now:
            columns = self._partition_columns(name)
            gone = [
                RemoveAction(
                    path,
                    True,
                    0,
                    (self.path / name / path).stat().st_size,
                    dict(zip(columns, [partition_of(name, path)], strict=False)),
                )
                for path in now
            ]
            files = {file.sha256: file for path in now if (file := paths[path]) is not None}
            self._transact(name, [*self._additions(name, list(files.values()), are_news=True), *gone], None)
        self.seal(name)  # what was cut off may lack the seal alone
        instead = {path: None if file is None else _path_of(name, file) for path, file in paths.items()}
        write_whole(self.path / name / STAND_INS, sealed({**self._stand_ins(name), **instead}))
        for place in changed:
            place.unlink()
        for folder in {place.parent for place in changed}:
            sync(folder)
            if not any(folder.iterdir()):
                folder.rmdir()

    def _additions(self, name: str, files: Sequence[DataFile], are_news: bool) -> list[Any]:
        from deltalake.transaction import AddAction

        columns = self._partition_columns(name)
        return [
            AddAction(
                path=_path_of(name, file),
                size=file.size,
                partition_values={} if file.partition is None else {columns[0]: file.partition},
                modification_time=0,
                data_change=are_news,
                stats=json.dumps({"numRecords": file.rows}),
            )
            for file in files
        ]

    def _partition_columns(self, name: str) -> list[str]:
        return self._open(name).metadata().partition_columns

    def _transact(self, name: str, actions: list[Any], in_place_of: str | None) -> None:
        from deltalake import PostCommitHookProperties

        table = self._open(name)
        with self._writing(name):
            table.create_write_transaction(
                actions,
                "append" if in_place_of is None else "overwrite",
                table.schema(),
                self._partition_columns(name),
                partition_filters=None if in_place_of is None else [(NIGHT, "=", in_place_of)],
                post_commithook_properties=PostCommitHookProperties(
                    create_checkpoint=False, cleanup_expired_logs=False
                ),
            )
        self.seal(name)
        self._checkpoint(name)

    def _checkpoint(self, name: str) -> None:
        """Write down what the log comes to, once so many entries came in since the last time."""
        if self.version(name) - max(self.checkpoints(name), default=0) < CHECKPOINT_EVERY:
            return
        log = self.path / name / DELTA_LOG
        with self._writing(name):
            self._open(name).create_checkpoint()
            (log / LAST_CHECKPOINT).unlink()  # a hint that nothing seals; the files are found by their names
            place = log / f"{self.version(name):020d}{CHECKPOINT}.parquet"
            sync(place)
            write_whole(self.path / name / SEALS / place.stem, sha256_of(place))
        self.seal(name)

    def mend(self, name: str) -> None:
        """Take away a checkpoint that a run began and did not seal. The caller is alone at work."""
        log, seals = self.path / name / DELTA_LOG, self.path / name / SEALS
        if (seals / ON_ITS_WAY).exists():
            (log / LAST_CHECKPOINT).unlink(missing_ok=True)  # before that to which it leads
            for place in log.glob(f"[0-9]*{CHECKPOINT}.parquet"):
                if not (seals / place.stem).exists():
                    place.unlink()

    def let_go(self, name: str, kept: Collection[int]) -> tuple[int, int]:
        """Remove the data files that neither the newest version nor one of those kept needs; how many, and their
        bytes. Versions that an earlier vacuum took stay gone. Cut off at any point, the same call again ends it.
        """
        newest = self.version(name)
        whole = {version for version in kept if version < newest and self.is_whole(name, version)}
        needed = {place for version in (*whole, None) for each in self.files(name, version).values() for place in each}
        gone = [place for place in self.every_file(name) if place not in needed]
        if gone:
            write_whole(self.path / name / VACUUMED, sealed({"from": newest, "kept": sorted(whole)}))
        freed = sum(place.stat().st_size for place in gone)
        for place in gone:
            place.unlink()
        for folder in {place.parent for place in gone}:
            sync(folder)
        return len(gone), freed

    @contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        from deltalake.exceptions import DeltaError

        seals = self.path / name / SEALS
        seals.mkdir(parents=True, exist_ok=True)
        write_whole(seals / ON_ITS_WAY, "")
        try:
            yield
        except DeltaError as error:
            raise CannotWrite.writing(f"Table {name!r} of the store", OSError(0, type(error).__name__)) from None

    def is_cut_off(self, name: str) -> bool:
        """Whether an entry came into the table's log and may lack its seal."""
        return (self.path / name / SEALS / ON_ITS_WAY).exists()

    def seal(self, name: str) -> None:
        """Write beside the log what its entries hash to, and forget what was opened before."""
        for key in [key for key in self._opened if key[0] == name]:
            del self._opened[key]
            self._names.pop(key, None)
        folder = self.path / name / SEALS
        folder.mkdir(exist_ok=True)
        for left in folder.glob(".*.draft"):  # of a run that was killed: whoever seals is alone at work
            left.unlink()
        for entry in sorted((self.path / name / DELTA_LOG).glob("*.json")):
            if not (folder / entry.stem).exists():
                write_whole(folder / entry.stem, sha256_of(entry))
        (folder / ON_ITS_WAY).unlink(missing_ok=True)


def partition_of(name: str, path: str) -> str | None:
    """The partition value in the path that a table's log gives a data file."""
    match = _DATA_FILE.fullmatch(path)
    if match is None:
        raise StoreDamaged.foreign(name)
    return match[1]


def _path_of(name: str, file: DataFile) -> str:
    if file.partition is None:
        return f"{file.sha256}.parquet"
    return f"{SHARD if name in DELIVERED else NIGHT}={file.partition}/{file.sha256}.parquet"
