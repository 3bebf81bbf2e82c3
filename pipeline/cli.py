"""The program `recoup`: every failure of a command becomes one line on stderr and the documented exit code.

Heavy imports happen inside the commands: `recoup --help` answers at once.
"""

from __future__ import annotations

import os
import signal
import sys

import click

from pipeline.commands import books, keeping, learning, looking, nights  # noqa: F401 - each hangs its commands in the table
from pipeline.commands.ending import TERMINATED, ending
from pipeline.commands.table import cli, log


def main(arguments: list[str] | None = None) -> None:
    """Run a command; every failure becomes one line on stderr and the documented exit code."""
    signal.signal(signal.SIGTERM, _terminated)
    before = os.umask(0o077)  # whatever a command writes holds people's debts, or what was learnt of them
    try:
        ends = arguments is None  # the process with its command: nobody else calls into it
        code = cli.main(args=arguments, prog_name="recoup", standalone_mode=False, obj=ends)
    except (KeyboardInterrupt, click.exceptions.Abort, Exception) as error:
        code = _fail(*ending(error))
    finally:
        os.umask(before)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(sentence: str, code: int) -> int:
    if log.handlers:
        log.error(sentence)
    else:
        print(f"ERROR {sentence}", file=sys.stderr)
    return code


def _terminated(*_: object) -> None:
    _fail("Terminated. Nothing was half-written; run it again.", TERMINATED)
    sys.exit(TERMINATED)


if __name__ == "__main__":
    main()
