"""One run at a time works on a folder: an advisory lock that the system frees when its holder ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.store.refusals import Busy

LOCK = ".lock"
_held: dict[tuple[str, int], int] = {}


@contextmanager
def only_run(folder: Path) -> Iterator[None]:
    """Hold the folder's `.lock`. The same thread may enter again; anyone else gets LockHeld at once."""
    holder = (str(folder.resolve()), threading.get_ident())
    if holder in _held:
        _held[holder] += 1
        try:
            yield
        finally:
            _held[holder] -= 1
        return
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy.folder(str(folder)) from None
        _held[holder] = 1
        try:
            yield
        finally:
            del _held[holder]
    finally:
        os.close(descriptor)


@contextmanager
def one_writer(place: Path) -> Iterator[None]:
    """Wait until nobody else adds to the file at the place, and hold it meanwhile: for what is done in a moment."""
    place.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(place.with_name(f".{place.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def is_held(folder: Path) -> bool:
    """Whether a run works on the folder; nothing is made to find out."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
