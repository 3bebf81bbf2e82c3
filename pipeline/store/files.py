"""Files that appear whole or not at all, everywhere in the house; and those of the store,
which say whether they are whole.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import CannotWrite, ModelRefused
from models.folder import digest, digest_of
from pipeline.store.refusals import StoreDamaged

ROWS_PER_GROUP = 500_000
TEMPORARY, JUST_MADE_SECONDS = ".recoup-scratch-", 2
EXPANSION_LIMIT = 200  # of what others hand in: unpacked bytes per packed byte, rows per byte of a Parquet file


@dataclass(frozen=True)
class DataFile:
    """One written Parquet file of a table: its partition value (None: not partitioned),
    its sha256 and where it waits.
    """

    partition: str | None
    sha256: str
    rows: int
    size: int
    place: Path

    def noted(self, store: Path) -> dict[str, str | int | None]:
        """As a note of a delivery on its way in keeps it."""
        place = str(self.place.relative_to(store))
        return {
            "partition": self.partition,
            "sha256": self.sha256,
            "rows": self.rows,
            "size": self.size,
            "place": place,
        }

    @classmethod
    def of_note(cls, entry: Mapping[str, Any], store: Path) -> DataFile:
        return cls(entry["partition"], entry["sha256"], entry["rows"], entry["size"], store / entry["place"])


class FileWriter:
    """Write one data file: exact row groups whatever the size of the pieces handed in, page checksums,
    private to this user.
    """

    def __init__(self, place: Path, partition: str | None, schema: pa.Schema) -> None:
        self._place, self._partition, self._rows, self._waiting = place, partition, 0, []
        os.close(os.open(place, os.O_CREAT | os.O_WRONLY, 0o600))
        # Numbers hardly shrink further than by their dictionaries, and are read on every night; texts shrink,
        # and seldom are.
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
        sync(self._place)
        return DataFile(self._partition, sha256_of(self._place), self._rows, self._place.stat().st_size, self._place)


def check_sound(place: Path, root: Path) -> None:
    """Refuse a data file that is gone or whose content is not what its name says; before anything parses it."""
    where = str(place.relative_to(root))
    try:
        digest = sha256_of(place)
    except FileNotFoundError:
        raise StoreDamaged.gone(where) from None
    if digest != place.stem:
        raise StoreDamaged.differs(where)


def read_rows(place: Path, schema: pa.Schema) -> pa.Table:
    """The schema's columns of one file; one that the file lacks reads as empty. Dictionary columns come as codes."""
    few = [field.name for field in schema if pa.types.is_dictionary(field.type)]
    with pq.ParquetFile(place, read_dictionary=few, memory_map=True) as file:
        present = set(file.schema_arrow.names)
        rows = file.read(
            [column for column in schema.names if column in present], use_threads=False
        )  # shards share the processors
    empty = pa.nulls(rows.num_rows)
    arrays = [(rows.column(field.name) if field.name in present else empty).cast(field.type) for field in schema]
    return pa.table(arrays, schema=schema)


def sealed(content: Mapping[str, Any]) -> str:
    """JSON with the sha256 of its own content, so that a flipped bit is noticed."""
    body = json.dumps(content, sort_keys=True, indent=1)
    return (
        json.dumps({"content": content, "sha256": hashlib.sha256(body.encode()).hexdigest()}, sort_keys=True, indent=1)
        + "\n"
    )


def unsealed(place: Path) -> dict[str, Any]:
    return unsealed_bytes(bytes_of(place), place.name)


def bytes_of(place: Path) -> bytes:
    """None of a file that cannot be read: nothing is sealed in them."""
    try:
        return place.read_bytes()
    except OSError:
        return b""


def unsealed_bytes(raw: bytes, name: str) -> dict[str, Any]:
    """What is sealed in the bytes of a file of that name. StoreDamaged where they are not what was sealed."""
    try:
        if (body := _as_sealed(raw)) is not None:
            return json.loads(body)
        whole = json.loads(raw)
        content, digest = whole["content"], whole["sha256"]
    except (ValueError, KeyError, TypeError):
        content, digest = None, None
    if digest != hashlib.sha256(json.dumps(content, sort_keys=True, indent=1).encode()).hexdigest():
        raise StoreDamaged.sealed(name)
    # pyrefly: ignore[bad-return]
    return content


_BEGINS, _SEAL, _ENDS = b'{\n "content": ', b',\n "sha256": "', b'"\n}\n'


def _as_sealed(raw: bytes) -> bytes | None:
    """The sealed text itself, where the bytes are those that `sealed` writes: it stands in them one step further in.
    None where they are not, as in a file that a person laid out anew.
    """
    at = len(raw) - len(_SEAL) - 64 - len(_ENDS)
    if not (raw.startswith(_BEGINS) and raw.endswith(_ENDS) and raw.startswith(_SEAL, max(at, 0))):
        return None
    body = raw[len(_BEGINS) : at].replace(b"\n ", b"\n")
    return body if hashlib.sha256(body).hexdigest().encode() == raw[at + len(_SEAL) :][:64] else None


def check_folder(folder: Path) -> None:
    """Refuse, before any work is done, a folder that can neither be written nor made: CannotWrite (73).
    Nothing is made.
    """
    there = next((place for place in (folder, *folder.absolute().parents) if place.exists()), folder)
    fault = errno.EACCES if there.is_dir() else errno.ENOTDIR
    if fault == errno.ENOTDIR or not os.access(there, os.W_OK | os.X_OK):
        raise CannotWrite.creating(repr(str(folder)), OSError(fault, ""))


@contextmanager
def whole_file(place: Path) -> Iterator[Path]:
    """A draft beside the place, to be written: then the whole file stands at its name, or what stood there before."""
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft_of(place)
    held = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(held, fcntl.LOCK_SH)
        yield draft
        sync(draft)
        draft.replace(place)
        sync(place.parent)
    finally:
        draft.unlink(missing_ok=True)
        os.close(held)


def write_whole(place: Path, text: str) -> None:
    with whole_file(place) as draft:
        draft.write_text(text, encoding="utf-8", newline="\n")


@contextmanager
def whole_folder(place: Path) -> Iterator[Path]:
    """An empty draft of a folder, for the owner alone, to be filled: then it stands at its name,
    in the place of what stood there.

    One run at a time makes a place. What a killed run left is put right first: a folder that was about to be replaced
    gets its name back.
    """
    draft, former = place.with_name(f".{place.name}.draft"), place.with_name(f".{place.name}.former")
    place.parent.mkdir(parents=True, exist_ok=True)
    if former.exists() and not place.exists():
        former.rename(place)
    for left in (draft, former):
        shutil.rmtree(left, ignore_errors=True)
    draft.mkdir(mode=0o700)
    try:
        yield draft
        _sync_all(draft)
        if place.exists():
            place.rename(former)
        draft.rename(place)
        sync(place.parent)
    except BaseException:
        if former.exists() and not place.exists():
            former.rename(place)
        raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(former, ignore_errors=True)


@contextmanager
def first_folder(place: Path, mode: int = 0o700) -> Iterator[Path]:
    """A draft of a folder that processes of several machines may make at once, each with the same content: each has a
    draft of its own, and the first that is done gives it its name.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft_of(place)
    draft.mkdir(mode=mode)
    held = os.open(draft, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_SH)
        yield draft
        _sync_all(draft)
        try:
            draft.rename(place)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        sync(place.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        os.close(held)


def write_model(folder: Path, files: Mapping[str, bytes]) -> str:
    """A model's files as a folder of their own, whole or not at all; returns their digest. The same content again
    changes nothing, other content at the name is refused: ModelRefused.

    Processes may write one model at once: each has a draft of its own, and the first gives it its name.
    """
    sha256 = digest(files)
    if not folder.is_dir():
        with first_folder(folder, 0o777) as draft:
            for name, content in sorted(files.items()):
                (draft / name).write_bytes(content)
    if digest_of(folder) != sha256:
        raise ModelRefused.other_than_named(str(folder))
    return sha256


@contextmanager
def private_folder(within: Path | None = None) -> Iterator[Path]:
    """An empty folder in a place (None: the system's temporary one), for this user alone, gone afterwards. What killed
    runs left there is swept first: a folder is in use while its lock is held, whatever the number of the process that
    made it.
    """
    for left in Path(within or tempfile.gettempdir()).glob(f"{TEMPORARY}*"):
        _sweep(left)
    folder = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=within))
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_SH)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def _draft_of(place: Path) -> Path:
    """A name beside the place that no other run draws: numbers of processes come again, in containers at once. What
    killed runs left there is swept.
    """
    for left in place.parent.glob(f".{escape(place.name)}.*.draft"):
        _sweep(left)
    return place.with_name(f".{place.name}.{secrets.token_hex(6)}.draft")


def _sweep(left: Path) -> None:
    """Remove a file or folder of ours that nobody holds. One that was only just made is not held yet."""
    with suppress(OSError):
        found = left.lstat()
        if left.is_symlink() or found.st_uid != os.getuid() or time.time() - found.st_mtime < JUST_MADE_SECONDS:
            return
        descriptor = os.open(left, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        finally:
            os.close(descriptor)


@contextmanager
def only_owner_reads() -> Iterator[None]:
    """Whatever is created meanwhile, by us or by a library, is for the owner alone."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _sync_all(folder: Path) -> None:
    for written in (*folder.rglob("*"), folder):
        sync(written)


def sync(place: Path) -> None:
    """Have the file or the folder's entries on the disk before anything builds on them."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(place: Path) -> str:
    with place.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
