"""Store and nights at an address: a command works on copies, and what it changed comes in once it has ended."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

import click

from features.errors import CannotWrite, RecoupError
from pipeline.store.address import AddressRefused, address_of, retold

if TYPE_CHECKING:
    from pipeline.params import Params

log = logging.getLogger("recoup")
# What a command does with the store and the nights: change them, look at them, or stay at work on a folder.
Use = Literal["change", "look", "stay"]
BRING_IN = "recoup.bring_in"  # of a command at work on copies, in its context


class Kept(click.Path):
    """The store, or a folder of nights: these may lie at an address."""


@contextmanager
def on_this_disk(
    context: click.Context, params: Params, given: Mapping[str, Any], use: Use, sweeps: dt.timedelta | None
) -> Iterator[tuple[Params, dict[str, Any]]]:
    """The params and what a command is handed, with folders of this disk in the place of addresses.

    What a command changed comes in at its end, and where it was refused with a sentence as well, as it would stay on a
    disk; not after a bug, a full disk (CannotWrite) or a signal: the next command goes on from there. What it prints is
    shown once it is in force. sweeps: delete objects that nothing names, where they are older.
    """
    asked = _asked(context, params, given)
    if not asked:
        yield params, dict(given)
        return
    from pipeline.commands.table import needs  # which is made with this

    needs("obstore", extra="s3")
    if use == "stay":
        raise AddressRefused.not_here(context.info_name or "")
    if params.engine.spark is not None and not params.engine.spark.startswith("local"):
        raise AddressRefused.cluster()
    with ExitStack() as held:
        from pipeline.store.copies import copy_of

        copies = [held.enter_context(copy_of(url, use == "change")) for url in asked]
        here = {copy.bucket.url: copy.folder for copy in copies}
        told = held.enter_context(_told_by_address(is_held=use == "change"))

        def bring_in() -> None:
            if use == "change":
                for copy in copies:
                    copy.bring_in(sweeps)

        context.meta[BRING_IN] = bring_in
        try:
            yield _with_paths(params, here), {name: _here(value, here) for name, value in given.items()}
        except CannotWrite:
            raise
        except RecoupError as refusal:
            try:
                bring_in()
            except RecoupError:  # the last word; what came before it stands in the log
                log.warning(str(refusal))
                raise
            told.release()
            raise
        bring_in()
        told.release()


def brought_in(context: click.Context) -> None:
    """Have what the command changed come in now, where it works on copies: whoever says how it ended says so after."""
    if (bring_in := context.meta.get(BRING_IN)) is not None:
        bring_in()


def _asked(context: click.Context, params: Params, given: Mapping[str, Any]) -> list[str]:
    """The addresses that a command is handed, the store's first: a night is remembered there before anybody sees it."""
    named = {param.name: param for param in context.command.params}
    kept = {name for name, param in named.items() if isinstance(param.type, Kept)}
    urls: list[str] = []
    of_store = None
    for name, value in sorted(given.items(), key=lambda each: each[0] != "store"):
        places = value if isinstance(value, tuple) else (value,)
        if name in kept and name != "store" and value in (None, ()):
            places = (params.paths.out,)  # where it looks by itself
        for place in places:
            if not isinstance(place, Path) or (url := address_of(place)) is None:
                continue
            if name not in kept:
                raise AddressRefused.wants_folder(named[name].opts[0])
            if name == "store":
                of_store = url
            elif url == of_store:
                raise AddressRefused.twice(url)
            urls += [url] if url not in urls else []
    return urls


def _here(value: Any, here: Mapping[str, Path]) -> Any:
    """A place, or several, on this disk."""
    if isinstance(value, tuple):
        return tuple(_here(each, here) for each in value)
    return here[url] if isinstance(value, Path) and (url := address_of(value)) is not None else value


def _with_paths(params: Params, here: Mapping[str, Path]) -> Params:
    """Params whose places are those of the copies; one that the command does not ask for stays an address."""
    paths = {name: here.get(address_of(getattr(params.paths, name)) or "") for name in ("store", "out")}
    paths = {name: place for name, place in paths.items() if place is not None}
    return params.model_copy(update={"paths": params.paths.model_copy(update=paths)}) if paths else params


class _Told(io.TextIOBase):
    """stdout, with addresses in the place of copies; what is held is shown once it is released, or never."""

    def __init__(self, shown: TextIO, is_held: bool) -> None:
        self._shown, self._held = shown, [] if is_held else None

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError("stdout takes text")  # click asks so whether it is a stream of bytes
        if self._held is not None:
            self._held.append(text)
        else:
            self._shown.write(retold(text))
        return len(text)

    def flush(self) -> None:
        self._shown.flush()

    def isatty(self) -> bool:
        return not self._shown.closed and self._shown.isatty()

    def release(self) -> None:
        if self._held is not None:
            self._shown.write(retold("".join(self._held)))
            self._held.clear()


@contextmanager
def _told_by_address(is_held: bool) -> Iterator[_Told]:
    shown = sys.stdout
    told = _Told(shown, is_held)
    with contextlib.redirect_stdout(told):
        yield told
    shown.flush()
