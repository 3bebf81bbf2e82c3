"""How a command that failed ends: one sentence for the reader, and the documented exit code."""

from __future__ import annotations

import os
from pathlib import Path

import click

from features.errors import CannotWrite, RecoupError

INTERRUPTED, TERMINATED, BUG, DISK_FULL = 130, 143, 70, 28


def ending(error: BaseException) -> tuple[str, int]:
    """The sentence and the exit code of a failure. A program that exits by itself has said its sentence."""
    if isinstance(error, (click.exceptions.Abort, KeyboardInterrupt)):
        return "Interrupted. Nothing was half-written; run it again.", INTERRUPTED
    if isinstance(error, click.ClickException):
        return error.format_message().replace("\n", " "), 2
    if isinstance(error, RecoupError):
        return str(error), error.exit_code
    if isinstance(error, OSError):
        return _of_the_system(error)
    if isinstance(error, SystemExit):
        return "", error.code if isinstance(error.code, int) else 0
    return _bug(error), BUG  # the last line of defence: a bug is named by its place, never by the data it met


def _of_the_system(error: OSError) -> tuple[str, int]:
    place = f" {os.fspath(error.filename)!r}" if isinstance(error.filename, (str, os.PathLike)) else ""
    if error.errno == DISK_FULL:
        return (
            f"The disk is full while writing{place}. Free space and run again; what was published is untouched.",
            CannotWrite.exit_code,
        )
    if isinstance(error, PermissionError):
        return f"No permission on{place}. Grant it and run again.", 73
    met = f" {error.met}" if hasattr(error, "met") else ""  # by pipeline.panel.engines
    return (
        f"{error.strerror or type(error).__name__}{':' if place else ''}{place}{met}. Check the path and run again.",
        66,
    )


def _bug(error: BaseException) -> str:
    if os.environ.get("RECOUP_DEBUG"):
        import traceback

        traceback.print_exception(error)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = (
        f"at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        if trace is not None
        else "at an unknown place"
    )
    place = getattr(error, "met", place)  # by pipeline.panel.engines: in which shard, whoever worked it
    return (
        f"A bug: {type(error).__name__} {place}. "
        "Set RECOUP_DEBUG=1 for the whole trace (it may hold data) and report it."
    )
