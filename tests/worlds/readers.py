"""Who reads the published list while nights are made."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from pathlib import Path


class Reader:
    """Opens `current` in a loop. read: the looks at a list that stood there; torn: those that found no list of one
    piece. One that lost files after `current` was led away from it counts as neither.
    """

    def __init__(self, out: Path) -> None:
        self.current, self.read, self.torn, self.done = out / "current", 0, 0, threading.Event()
        self.thread = threading.Thread(target=self._loop)

    def __enter__(self) -> Reader:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()

    def _loop(self) -> None:
        while not self.done.is_set():
            self.look()
            time.sleep(0.02)

    def look(self) -> None:
        try:
            folder = os.open(self.current, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:  # `current` leads somewhere at every instant; by way of a name that was replaced, once more
            whole = self.current.is_dir()
            self.read += not whole
            self.torn += not whole
            return
        try:
            whole = _is_whole(folder)
        except FileNotFoundError:
            if self._is_left(folder):
                return
            whole = False
        finally:
            os.close(folder)
        self.read += 1
        self.torn += not whole

    def _is_left(self, folder: int) -> bool:
        """Whether `current` leads to another folder by now. One that is open keeps its number."""
        return self.current.is_dir() and not os.path.samestat(os.fstat(folder), self.current.stat())


def _is_whole(folder: int) -> bool:
    """FileNotFoundError where a file is missing that the manifest lists, or the manifest."""
    try:
        told = json.loads(_content(folder, "manifest.json"))["outputs"]
        sums = {name: hashlib.sha256(_content(folder, name)).hexdigest() for name in told}
        return bool(told) and all(sums[name] == said["sha256"] for name, said in told.items())
    except (ValueError, KeyError):
        return False


def _content(folder: int, name: str) -> bytes:
    with open(name, "rb", opener=lambda path, flags: os.open(path, flags, dir_fd=folder)) as file:
        return file.read()
