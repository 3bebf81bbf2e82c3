"""A store or published nights that lie in a bucket, as a folder on this disk while a command works on them.

The bucket is the truth. Each command has a folder of its own, of links to files that were fetched once and are kept by
their sha256; so a night and those who read meanwhile do not meet. Of the commands that change something one at a time
works on this machine, and what it changed comes in at its end, whole or not at all. Where it was cut off its folder
stays, and the next one goes on from there, as on a disk: unless another machine came in meanwhile.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import math
import os
import re
import secrets
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from features.errors import CannotWrite, RecoupError
from pipeline.store.address import stands_for
from pipeline.store.bucket import KEPT_FOR, Bucket, Generation, Kept, at_once, is_below, keys_of
from pipeline.store.files import private_folder, sha256_of, write_whole
from pipeline.store.locks import only_run
from pipeline.store.refusals import Busy, LeadsOut, Lost, NotStored, ObjectDamaged
from pipeline.store.store import PENDING

log = logging.getLogger("recoup")
PLACE = "RECOUP_COPIES"  # names the folder of the copies
TRIES = 3  # a reader begins again where what it reads was let go meanwhile
# What only a run at work needs, or the one that goes on from it: shards of a night, files on their way in, drafts.
_AT_WORK = re.compile(r"\.shards-[^/]*|\.([^/]*\.)?staging|\.[^/]*\.draft")


class Copy:
    """The folder of one address. Where nothing ever came in it is not there: the command makes it, as on a disk.

    note: file that says on what a folder rests that may be gone on with; None of one that goes with the command.
    """

    def __init__(self, bucket: Bucket, folder: Path, pool: Path, note: Path | None = None) -> None:
        self.bucket, self.folder, self._pool, self._note, self.is_in = bucket, folder, pool, note, False
        self.generation, self._tag = self._brought()

    def _brought(self) -> tuple[Generation | None, str | None]:
        """Have the folder hold what is in force, and the pool nothing else."""
        lost: list[Kept] = []
        for _ in range(TRIES):
            found = self.bucket.current()
            if self._may_go_on(found):
                log.info("Going on with what a run that was cut off did at %s.", self.bucket.url)
                return found or (None, None)
            self._empty()
            if found is None or not (lost := self._laid_out(found[0])):
                self._forget_others(found and found[0])
                if self._note is not None:
                    write_whole(self._note, _rests_on(found))
                return found or (None, None)
        raise ObjectDamaged.gone(f"{self.bucket.url}/{lost[0].key}")

    def _may_go_on(self, found: tuple[Generation, str] | None) -> bool:
        """Whether a run that was cut off left the folder, and nobody came in since."""
        try:
            return self._note is not None and self.folder.is_dir() and self._note.read_text() == _rests_on(found)
        except FileNotFoundError:
            return False

    def _empty(self) -> None:
        if self._note is not None:
            self._note.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def go(self) -> None:
        """Once it came in, or has lost."""
        self._empty()

    def _laid_out(self, generation: Generation) -> list[Kept]:
        """Files that are gone from the bucket, which ends it."""
        self.folder.mkdir(mode=0o700)
        for folder in sorted({(self.folder / path).parent for path in (*generation.files, *generation.links)}):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path, leads in generation.links.items():
            (self.folder / path).symlink_to(leads)
        lacking = {path: file for path, file in generation.files.items() if not self._linked(file, self.folder / path)}
        if lacking:
            log.info("Fetching %s of %s.", _told(lacking.values()), self.bucket.url)
        there = at_once(lambda each: self._fetched(*each), lacking.items())
        return [file for file, is_there in zip(lacking.values(), there, strict=True) if not is_there]

    def _fetched(self, path: str, file: Kept) -> bool:
        place = self.folder / path
        if not self.bucket.fetch(file, place):
            return False
        self._keep(place, file.sha256)
        return True

    def _linked(self, file: Kept, place: Path) -> bool:
        """Whether the pool holds the file, as it was fetched: it has the time of its sha256, which no other content
        has. One that somebody touched is read again, and goes where it is another.
        """
        held = self._pool / file.sha256
        with contextlib.suppress(FileNotFoundError):
            seen = held.stat()
            if (seen.st_size, seen.st_mtime_ns) != (file.size, _time_of(file.sha256)):
                if sha256_of(held) != file.sha256:
                    held.unlink()
                    return False
                os.utime(held, ns=(_time_of(file.sha256),) * 2)
            _link(held, place)
            return True
        return False

    def _keep(self, place: Path, sha256: str) -> None:
        """Give the file the time of its content, and have the pool hold it."""
        os.utime(place, ns=(_time_of(sha256),) * 2)
        with contextlib.suppress(FileExistsError):  # several paths may hold the same
            _link(place, self._pool / sha256)

    def _forget_others(self, generation: Generation | None) -> None:
        """What is no longer in force may be of a person who is forgotten."""
        needed = set() if generation is None else {file.sha256 for file in generation.files.values()}
        for held in self._pool.iterdir():
            if held.name not in needed:
                held.unlink(missing_ok=True)

    def bring_in(self, sweeps: dt.timedelta | None = None) -> None:
        """Put what the command changed, and have it in force. Lost (75) where another run came in meanwhile: then
        nobody sees anything of it. Nor does anything come in where a delivery was cut off, NotStored (66), or where a
        link leads out of the folder, LeadsOut (74). sweeps: also delete what nothing names, where it is older than
        that.
        """
        before, url = self.generation, self.bucket.url
        if (self.folder / PENDING).exists():  # it ends on this machine, where the files lie that it still needs
            raise NotStored.cut_off(url)
        files, links = self._found()
        now = keys_of(files)
        if (before is None and files) or (before is not None and (now, links) != (before.files, before.links)):
            self._come_in(before, now, links)
        self.is_in = True
        if self.generation is not None:
            try:
                self._tidied(self.generation, before, sweeps)
            except RecoupError as fault:
                if sweeps is not None:  # what was to go is still there
                    raise
                log.warning("What changed is in force at %s, and the next change makes up for this: %s", url, fault)

    def _tidied(self, now: Generation, before: Generation | None, sweeps: dt.timedelta | None) -> None:
        """Show what is in force to others, and delete what no longer is."""
        self.bucket.show(now, before, self.folder)
        if before is not None and before is not now:
            self.bucket.let_go(before, (dt.datetime.now(dt.UTC) - KEPT_FOR).timestamp(), now)
        if sweeps is not None:
            if not sweeps:  # of a person: not even for those who read on
                self.bucket.let_go(now, math.inf, now)
            self.bucket.sweep(sweeps)

    def _come_in(self, before: Generation | None, now: Mapping[str, Kept], links: Mapping[str, str]) -> None:
        moment, there = dt.datetime.now(dt.UTC), set() if before is None else before.keys()
        new = {file.key: (file, self.folder / path) for path, file in now.items() if file.key not in there}
        self.bucket.put(new.values())
        keys = {file.key for file in now.values()}
        gone = dict.fromkeys(there - keys, int(moment.timestamp()))
        if before is not None:
            gone |= {
                key: when
                for key, when in before.gone.items()
                if key not in keys and when >= (moment - KEPT_FOR).timestamp()
            }
        generation = Generation(1 if before is None else before.number + 1, secrets.token_hex(8), now, links, gone)
        self._tag = self.bucket.come_in(generation, self._tag)
        self.generation = generation
        told = _told([file for file, _ in new.values()])
        log.info("Generation %d is in force at %s: %s put.", generation.number, self.bucket.url, told)
        for path, file in now.items():
            self._keep(self.folder / path, file.sha256)
        self._forget_others(generation)

    def _found(self) -> tuple[dict[str, tuple[str, int]], dict[str, str]]:
        """Files below the folder with sha256 and size, and links with where they lead; without locks, drafts and what
        only a run at work needs.
        """
        files, links = {}, {}
        known = {} if self.generation is None else self.generation.files
        for top, folders, names in os.walk(self.folder):
            folders[:] = [name for name in folders if not _AT_WORK.fullmatch(name)]
            for name in (*folders, *names):
                place = Path(top, name)
                path = place.relative_to(self.folder).as_posix()
                if place.is_symlink():
                    links[path] = str(place.readlink())
                    if not is_below(links[path]):
                        raise LeadsOut.link(f"{self.bucket.url}/{path}")
                elif name in names and not (name.startswith(".") and name.endswith((".lock", ".draft"))):
                    seen, was = place.stat(), known.get(path)
                    is_same = was and (seen.st_size, seen.st_mtime_ns) == (was.size, _time_of(was.sha256))
                    files[path] = was.sha256 if was and is_same else sha256_of(place), seen.st_size
        return files, links


@contextmanager
def copy_of(url: str, changes: bool) -> Iterator[Copy]:
    """A copy of what is in force at an address, gone afterwards. changes: it may be brought in; then Busy (75) where
    another run of this machine works on the address, and it stays where it was not brought in.
    """
    pool = _own_folder(url) / "pool"
    pool.mkdir(mode=0o700, exist_ok=True)
    with ExitStack() as held:
        if changes:
            try:
                held.enter_context(only_run(pool.parent))
            except Busy:
                raise Busy.folder(url) from None
        at_work = pool.parent / "at-work" if changes else held.enter_context(private_folder(pool.parent))
        at_work.mkdir(mode=0o700, exist_ok=True)
        stands_for(at_work / "copy", url)
        copy = Copy(Bucket(url, changes), at_work / "copy", pool, at_work / "rests-on" if changes else None)
        try:
            yield copy
        except Lost:
            copy.go()
            raise
        finally:
            if copy.is_in or not changes:
                copy.go()


def _own_folder(url: str) -> Path:
    """Where copies of an address lie on this disk, for this user alone. CannotWrite (73) where somebody else may look
    into it.
    """
    import hashlib

    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(os.environ.get(PLACE) or Path(home, "recoup")) / hashlib.sha256(url.encode()).hexdigest()[:16]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite.creating(f"The folder of copies {str(folder.parent)!r}", error) from None
    seen = folder.stat()
    if seen.st_uid != os.getuid() or seen.st_mode & 0o077:
        raise CannotWrite.seen_by_others(str(folder), PLACE)
    return folder


def _rests_on(found: tuple[Generation, str] | None) -> str:
    return "nothing" if found is None else f"{found[0].made} {found[1]}"


def _told(files: Collection[Kept]) -> str:
    return f"{len(files):,} files ({sum(file.size for file in files) / 1e6:,.1f} MB)"


def _time_of(sha256: str) -> int:
    """Nanoseconds: a time made of the content, so that whoever compares times sees other content."""
    return int(sha256[:12], 16) * 1_000


def _link(place: Path, other: Path) -> None:
    """The same file under another name; its content, where the disk knows no such names."""
    try:
        os.link(place, other)
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError:
        draft = other.with_name(f".{other.name}.{secrets.token_hex(6)}.draft")
        shutil.copy2(place, draft)
        draft.replace(other)
