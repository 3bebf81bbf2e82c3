"""The program `recoup`: every failure of a command becomes one line on stderr and the documented exit code.

Heavy imports happen inside the commands: `recoup --help` answers at once.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import click

from features.errors import CannotWrite, RecoupError
from pipeline.commands import books, keeping, learning, looking, nights  # noqa: F401 - each hangs its commands in the table
from pipeline.commands.table import cli, log

INTERRUPTED, TERMINATED, BUG, DISK_FULL = 130, 143, 70, 28


def main(arguments: list[str] | None = None) -> None:
    """Run a command; every failure becomes one line on stderr and the documented exit code."""
    signal.signal(signal.SIGTERM, _terminated)
    before = os.umask(0o077)  # whatever a command writes holds people's debts, or what was learnt of them
    try:
        code = cli.main(args=arguments, prog_name="recoup", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        code = _fail("Interrupted. Nothing was half-written; run it again.", INTERRUPTED)
    except click.ClickException as error:
        code = _fail(error.format_message().replace("\n", " "), 2)
    except RecoupError as error:
        code = _fail(str(error), error.exit_code)
    except OSError as error:
        code = _fail(*_sentence_of(error))
    except Exception as error:  # the last line of defence: a bug is named by its place, never by the data it met
        code = _fail(_bug(error), BUG)
    finally:
        os.umask(before)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(sentence: str, code: int) -> int:
    if log.handlers:
        log.error(sentence)
    else:
        print(f"ERROR {sentence}", file=sys.stderr)
    return code


def _sentence_of(error: OSError) -> tuple[str, int]:
    place = f" {os.fspath(error.filename)!r}" if isinstance(error.filename, (str, os.PathLike)) else ""
    if error.errno == DISK_FULL:
        return (
            f"The disk is full while writing{place}. Free space and run again; what was published is untouched.",
            CannotWrite.exit_code,
        )
    if isinstance(error, PermissionError):
        return f"No permission on{place}. Grant it and run again.", 73
    return f"{error.strerror or type(error).__name__}{':' if place else ''}{place}. Check the path and run again.", 66


def _bug(error: Exception) -> str:
    if os.environ.get("RECOUP_DEBUG"):
        import traceback

        traceback.print_exc()
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = (
        f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace is not None else "an unknown place"
    )
    return (
        f"A bug: {type(error).__name__} at {place}. "
        "Set RECOUP_DEBUG=1 for the whole trace (it may hold data) and report it."
    )


def _terminated(*_: object) -> None:
    _fail("Terminated. Nothing was half-written; run it again.", TERMINATED)
    sys.exit(TERMINATED)


if __name__ == "__main__":
    main()
