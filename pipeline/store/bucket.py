"""A bucket that holds a store or published nights: one object says what is in force, and is put last, or not at all.

`current.json` names a generation: every file with its sha256, its size and the key at which it lies. What it names
never changes, so whoever reads it reads one generation whole. It is put on the condition that nobody put another one
since it was read: of two runs one comes in, and of the other nobody sees anything.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import mimetypes
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from features.errors import RecoupError, UsageError
from pipeline.store.files import sealed, unsealed_bytes
from pipeline.store.refusals import Away, Lost, ObjectDamaged

CURRENT, OBJECTS, SHOWN = "current.json", "_recoup/objects", "_recoup/shown.json"
TRIES = 3  # a sweep begins again where somebody came in meanwhile
KEPT_FOR = dt.timedelta(days=1)  # what a generation no longer names, for those who still read an older one
AT_ONCE = 8  # requests
# For one request: until a server is found, until it says something more, until all of a large file is through.
WAITS: Any = {"connect_timeout": "10s", "read_timeout": "180s", "timeout": "1h"}
PATIENCE: Any = {"max_retries": 4, "retry_timeout": dt.timedelta(seconds=60)}  # with what may pass
PART, PARTS_AT_ONCE = 8 * 1024 * 1024, 2  # bytes of a part of what is put in several; of one file in memory at once
_HEX = "[0-9a-f]"
_DATA = re.compile(rf"[a-z_]+/(?:[a-z_]+=[^/]+/)?({_HEX}{{64}})\.parquet")
_LOG = re.compile(r"([a-z_]+)/_delta_log/[^/]+")
_NIGHT = re.compile(r"(\d{4}-\d\d-\d\d)/(.+)")
# What a run may have left. Nothing else is ever deleted, whoever's it is.
_OURS = re.compile(rf"{OBJECTS}/{_HEX}{{64}}/[^/]+|\d{{4}}-\d\d-\d\d-{_HEX}{{12}}/.+|{_DATA.pattern}|{_LOG.pattern}")

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Kept:
    """A file of a generation."""

    sha256: str
    size: int
    key: str


@dataclass(frozen=True)
class Generation:
    """All that is in force at an address. files: path below the folder -> file; links: path -> where it leads; gone:
    key that is no longer named -> seconds since 1970 when it ceased to be. made: of the run that made it.
    """

    number: int
    made: str
    files: Mapping[str, Kept]
    links: Mapping[str, str]
    gone: Mapping[str, int] = field(default_factory=dict)

    def text(self) -> str:
        files = {path: [file.sha256, file.size, file.key] for path, file in self.files.items()}
        told = {"number": self.number, "made": self.made, "files": files, "links": self.links, "gone": self.gone}
        return sealed(told)

    @classmethod
    def read(cls, raw: bytes, url: str) -> Generation:
        """ObjectDamaged (65) where it is not what was put, or leads out of its folder."""
        told = unsealed_bytes(raw, f"{url}/{CURRENT}")
        try:
            files = {path: Kept(*file) for path, file in told["files"].items()}
            found = cls(told["number"], told["made"], files, told["links"], told["gone"])
            places = [*files, *(file.key for file in files.values()), *found.links, *found.links.values(), *found.gone]
            if all(map(is_below, places)):
                return found
        except (KeyError, TypeError, AttributeError):
            pass
        raise ObjectDamaged.form(f"{url}/{CURRENT}")

    def keys(self) -> set[str]:
        return {file.key for file in self.files.values()}


def keys_of(files: Mapping[str, tuple[str, int]]) -> dict[str, Kept]:
    """Where files lie: path -> (sha256, size) -> file. Data of Delta tables stand at their own path, named after their
    content; a night in a folder named after all that is in it; everything else under its sha256.
    """
    nights: dict[str, Any] = {}
    for path in sorted(files):
        if found := _NIGHT.fullmatch(path):
            nights.setdefault(found[1], hashlib.sha256()).update(f"{found[2]} {files[path][0]}\n".encode())

    def key(path: str, sha256: str) -> str:
        data, night = _DATA.fullmatch(path), _NIGHT.fullmatch(path)
        if data and data[1] == sha256:
            return path
        if night:
            return f"{night[1]}-{nights[night[1]].hexdigest()[:12]}/{night[2]}"
        return f"{OBJECTS}/{sha256}/{PurePosixPath(path).name}"

    return {path: Kept(sha256, size, key(path, sha256)) for path, (sha256, size) in files.items()}


class Bucket:
    """One address. changes: whether the run may put something; a failure is told, and ends, accordingly."""

    def __init__(self, url: str, changes: bool) -> None:
        from obstore.store import S3Store

        self.url, self.changes = url, changes
        self.name, _, prefix = url.removeprefix("s3://").partition("/")
        with self._asking(puts=False):
            self._store: Any = S3Store(
                self.name,
                prefix=prefix or None,
                config={"checksum_algorithm": "SHA256"},
                client_options={**WAITS, "allow_http": _may_be_plain()},
                retry_config=PATIENCE,
            )

    # Reading

    def current(self) -> tuple[Generation, str] | None:
        """What is in force, and its tag; None where nothing ever came in."""
        found = self._bytes(CURRENT)
        return None if found is None else (Generation.read(found[0], self.url), found[1])

    def fetch(self, file: Kept, place: Path) -> bool:
        """Write a file of a generation to a new place; False where it is no longer there. ObjectDamaged (65) where it
        is not what was put: then nothing lies at the place.
        """
        import obstore

        digest = hashlib.sha256()
        with self._asking(puts=False):
            try:
                pieces = obstore.get(self._store, file.key).stream(min_chunk_size=1 << 20)
            except FileNotFoundError as error:
                if _code(error) == "NoSuchBucket":
                    raise
                return False
            with place.open("xb") as draft:
                for piece in pieces:
                    digest.update(piece)
                    draft.write(piece)
        if digest.hexdigest() != file.sha256:
            place.unlink()
            raise ObjectDamaged.differs(f"{self.url}/{file.key}")
        return True

    def is_in_force(self, generation: Generation) -> bool:
        """Whether nobody came in since."""
        found = self.current()
        return found is not None and found[0].made == generation.made

    def _bytes(self, key: str) -> tuple[bytes, str, dt.datetime] | None:
        """Content, tag and time of an object, of one answer; None where it is not there."""
        import obstore

        with self._asking(puts=False):
            try:
                found = obstore.get(self._store, key)
            except FileNotFoundError as error:
                if _code(error) == "NoSuchBucket":
                    raise
                return None
            return bytes(found.bytes()), str(found.meta["e_tag"]), found.meta["last_modified"]

    # Changing

    def put(self, files: Iterable[tuple[Kept, Path]]) -> None:
        """Put files at their keys. Nobody sees them before a generation names them."""
        at_once(lambda each: self._put(each[0].key, each[1]), files)

    def come_in(self, new: Generation, tag: str | None) -> str:
        """Put the generation in force, if what was read with this tag (None: nothing) still is; returns its own tag.
        Lost (75) otherwise.

        Where the answer is cut off, what stands there tells whether it came in.
        """
        raw = new.text().encode()
        try:
            return self._put(CURRENT, raw, "create" if tag is None else {"e_tag": tag})
        except RecoupError:
            found = self.current()
            if found is None or found[0].made != new.made:
                raise
            return found[1]

    def show(self, new: Generation, before: Generation | None, folder: Path) -> None:
        """Put the logs of Delta tables where others look for them, oldest entry first; only once what they name is in
        force. What a run was cut off in is made up for by the next, and where somebody came in since, that one shows
        its own. folder: holds the files of the new generation.
        """
        logs = {path: file for path, file in new.files.items() if _LOG.fullmatch(path)}
        shown = self._bytes(SHOWN) if logs else None
        made = b"" if shown is None else shown[0]
        if not logs or made == new.made.encode() or not self.is_in_force(new):
            return
        last = before.files if before is not None and made == before.made.encode() else {}
        for path, file in sorted(logs.items()):
            if path not in last or last[path].sha256 != file.sha256:
                self._put(path, folder / path)
        self._delete([path for path in last if _LOG.fullmatch(path) and path not in logs])
        self._put(SHOWN, new.made.encode())

    def let_go(self, generation: Generation, until: float, ours: Generation) -> None:
        """Delete what had ceased to be named before a time, but for keys that are named again; nothing where ours is no
        longer in force: who came in since may have named any. until: seconds since 1970.
        """
        named = ours.keys()
        gone = [key for key, when in generation.gone.items() if when < until and key not in named]
        if gone and self.is_in_force(ours):
            self._delete(gone)

    def sweep(self, age: dt.timedelta) -> int:
        """Delete what no run has come in with, and what is no longer named, where it is older than this and than what
        is in force: whoever put that has come in, or has lost. How many objects. Where somebody comes in meanwhile it
        begins again; Lost (75) where that goes on.
        """
        for _ in range(TRIES):
            found = self._bytes(CURRENT)
            if found is None:
                return 0
            left = self._unnamed(Generation.read(found[0], self.url), found[2], age)
            now = self._bytes(CURRENT) if left else found
            if now is not None and now[1] == found[1]:
                self._delete(left)
                return len(left)
        raise Lost.while_sweeping(self.url)

    def _unnamed(self, generation: Generation, came: dt.datetime, age: dt.timedelta) -> list[str]:
        """Keys of our shapes that the generation does not name, older than itself and than this."""
        import obstore

        named = generation.keys() | {path for path in generation.files if _LOG.fullmatch(path)}
        limit = min(came, dt.datetime.now(dt.UTC) - age) if age else came
        with self._asking(puts=True):
            return [
                each["path"]
                for batch in obstore.list(self._store)
                for each in batch
                if _OURS.fullmatch(each["path"]) and each["path"] not in named and each["last_modified"] < limit
            ]

    def _put(self, key: str, content: bytes | Path, mode: Any = "overwrite") -> str:
        import obstore

        kind = mimetypes.guess_type(key)[0] or "application/octet-stream"
        whole = isinstance(content, bytes)
        with self._asking(puts=True):
            done = obstore.put(
                self._store,
                key,
                content,
                mode=mode,
                attributes={"Content-Type": kind},
                use_multipart=False if whole or content.stat().st_size <= PART else None,
                chunk_size=PART,
                max_concurrency=PARTS_AT_ONCE,
            )
        return str(done["e_tag"])

    def _delete(self, keys: Iterable[str]) -> None:
        import obstore

        if several := sorted(keys):
            with self._asking(puts=True):
                obstore.delete(self._store, several)

    @contextmanager
    def _asking(self, puts: bool) -> Iterator[None]:
        """A failure as one sentence, without anything of what the server answered but the name that it gave."""
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        try:
            yield
        except (AlreadyExistsError, PreconditionError):
            raise Lost.to_another(self.url) from None
        except (BaseError, OSError) as error:
            raise self._refusal(error, puts) from None

    def _refusal(self, error: Exception, puts: bool) -> RecoupError:
        code, disk = _code(error), isinstance(error, OSError) and error.errno is not None
        if disk:
            raise error  # of this machine's disk: how commands end says it
        if code in ("PreconditionFailed", "ConditionalRequestConflict"):
            return Lost.to_another(self.url)
        if code == "NoSuchBucket":
            return Away.no_bucket(self.name, self.changes)
        if code in ("RequestTimeTooSkewed", "RequestExpired"):
            return Away.clock(self.url)
        if code in (
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "InvalidToken",
            "ExpiredToken",
            "TokenRefreshRequired",
        ):
            return Away.credentials(self.url, code)
        if re.search(r"/latest/(api/token|meta-data)\b|AssumeRoleWithWebIdentity", str(error)):
            return Away.no_credentials(self.url)
        if code == "AccessDenied" or re.search(r"status code: 40[13]\b", str(error)):
            return Away.permission(self.url)
        return Away.silent(self.url, code, puts)


def at_once(ask: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """What is asked for each item, several at a time; after a failure nothing more is begun."""
    with ThreadPoolExecutor(AT_ONCE) as several:
        return list(several.map(ask, items))  # which calls off what has not begun


def _code(error: Exception) -> str:
    found = re.search(r"<Code>(\w{1,60})</Code>", str(error))
    return found[1] if found else ""


def is_below(path: object) -> bool:
    return isinstance(path, str) and bool(path) and not path.startswith("/") and ".." not in path.split("/")


def _may_be_plain() -> bool:
    """Whether the endpoint may be asked without encryption: it holds people's debts, so somebody must have said so."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    said = os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true", "yes", "on")
    if endpoint.startswith("http://") and not said:
        raise UsageError(
            "AWS_ENDPOINT_URL begins with http://: what is put there can be read on its way. Name an https:// "
            "endpoint, or set AWS_ALLOW_HTTP=true for one on this machine."
        )
    return said
