"""Loops as numba compiles them, kept on disk for as long as no file that they may call into changes.

numba compares what it kept with the loop's own file alone. A loop that calls another one of a file that has changed
would go on running the old code, so here the content of all files of this room and of the loop's own room decides: a
loop calls into no other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

from numba import config, njit
from numba.core.caching import InTreeCacheLocator, UserProvidedCacheLocator, UserWideCacheLocator

ROOM = Path(__file__).parent


def kept(function: Callable, error_model: str) -> Callable:
    """The loop compiled, free of the interpreter's lock so that threads share the work; error_model: numba's own."""
    before, config.CACHE_LOCATOR_CLASSES = (
        config.CACHE_LOCATOR_CLASSES,
        ",".join(f"{__name__}.{place.__name__}" for place in LOCATORS),
    )
    try:
        return njit(cache=True, nogil=True, error_model=error_model)(function)
    except RuntimeError:  # no place may be written: each process compiles for itself
        return njit(nogil=True, error_model=error_model)(function)
    finally:
        config.CACHE_LOCATOR_CLASSES = before


@cache
def sources(room: Path) -> bytes:
    """sha256 of every file of this room and of another."""
    files = sorted({*ROOM.glob("*.py"), *room.glob("*.py")})
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).digest()


class _BySources:
    _py_file: str  # numba's

    def get_source_stamp(self) -> bytes:
        return sources(Path(self._py_file).parent)

    def get_disambiguator(self) -> str:
        """In the name of what is kept: an index of other sources may name classes that are gone,
        and is not even opened.
        """
        own = super().get_disambiguator()  # pyrefly: ignore[missing-attribute]: of the locator it is mixed into
        return f"{own}-{self.get_source_stamp().hex()[:12]}"


class Chosen(_BySources, UserProvidedCacheLocator):
    """Where NUMBA_CACHE_DIR says."""


class Beside(_BySources, InTreeCacheLocator):
    """In __pycache__ beside the loop's file."""


class OfTheUser(_BySources, UserWideCacheLocator):
    """Where that cannot be written, in the user's own cache."""


LOCATORS = (Chosen, Beside, OfTheUser)
