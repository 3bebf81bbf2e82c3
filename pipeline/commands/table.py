"""What the commands share: the group that they hang in, the options that several take, and the log on stderr."""

from __future__ import annotations

import datetime as dt
import functools
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
from click import option
from click.core import ParameterSource

from pipeline.commands.places import Kept, Use, on_this_disk
from pipeline.store.address import retold

RUN = os.urandom(4).hex()  # tells the lines of one run of the program from another's
log = logging.getLogger("recoup")


def whole_numbers(text: str | None, least: int, most: int, refusal: str) -> list[int]:
    """Numbers separated by commas, in the order given; click.UsageError with this refusal otherwise."""
    parts = [] if text is None else text.split(",")
    if not all(len(part) <= 20 and part.strip().isdecimal() and least <= int(part) <= most for part in parts):
        raise click.UsageError(refusal)
    return [int(part) for part in parts]


def moment(text: str, named: str, example: str, needs_offset: bool) -> dt.datetime:
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or (needs_offset and found.tzinfo is None):
        raise click.UsageError(f"{named} must be ISO 8601 with an offset, such as {example}.")
    return found


def date(_: click.Context, __: click.Parameter, value: dt.datetime | None) -> dt.date | None:
    return None if value is None else value.date()


class Source(click.ParamType[Any]):
    """A place, or the URL of a database, which is no place: two slashes stay two."""

    name = "PATH or URL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from pipeline.params import source_of

        try:
            return source_of(value)
        except ValueError as error:
            raise click.UsageError(f"--source {error}.") from None


PLACE, FOLDER = click.Path(path_type=Path), click.Path(path_type=Path, file_okay=False)
KEPT, KEPT_FOLDER = Kept(path_type=Path), Kept(path_type=Path, file_okay=False)
DAY = click.DateTime(formats=["%Y-%m-%d"])
MOST = 10**18

# What several commands take.
PARAMS = option(
    "--params", "params_path", type=PLACE, default=Path("params.yaml"), show_default=True, help="The params file."
)
SOURCE = option(
    "--source",
    type=Source(),
    help="Folder of tables, or a database: postgresql://..., a DuckDB or SQLite file [default: paths.source].",
)
STORE = option("--store", type=KEPT, help="Folder of Delta tables, or s3://... [default: paths.store of the params].")
NIGHTS = option("--out", type=KEPT, help="Folder of published nights, or s3://... [default: paths.out].")
AS_OF = option(
    "--as-of", type=DAY, required=True, callback=date, help="The night: only what was known before this day counts."
)
COHORT = option(
    "--cohort",
    type=click.Choice(["scorable", "watch"]),
    default="scorable",
    show_default=True,
    help="watch: accounts that are not overdue yet, with something falling due.",
)
ACCOUNT = option("--account", required=True, help="account_id")


def reason(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Why, where it is asked: a record keeps it, and an empty one says nothing."""
    from features.errors import is_said

    if value is not None and not is_said(value):
        raise click.BadParameter("must say why, in one line of plain text: it is recorded.")
    return value


ACCEPT_VOLUME = option(
    "--accept-volume", metavar="REASON", callback=reason, help="Take a delivery of unusual volume; recorded."
)
ACCEPT_GAP = option(
    "--accept-gap", metavar="WHY", callback=reason, help="Take a delivery that does not follow the last; recorded."
)


@click.group(
    invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Form of the log on stderr.",
)
@click.version_option(package_name="recoup", message="recoup %(version)s")
@click.pass_context
def cli(context: click.Context, log_format: str) -> None:
    """Each night, rank the accounts that may lawfully be worked by the money we expect each to return, and say why.

    Results go to stdout, logs to stderr. Exit codes: 0 done or already done, 2 bad command line or params, 65 data
    refused, 66 input missing or late, 69 registry away, 70 bug, 73/74 cannot write, 75 another run holds the lock, 77
    model not approved or changed, 78 the monitor says stop, 130/143 signalled (safe to run again).
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if log_format == "json" else _Lines())
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False
    if context.invoked_subcommand is None:
        _how_to_begin(context)


def _how_to_begin(context: click.Context) -> None:
    """Of `recoup` alone: the commands, or in a folder that has no params yet, the one to begin with."""
    from pipeline.params import DEFAULT, NotBegun

    if not DEFAULT.exists():
        raise NotBegun.here()
    click.echo(context.get_help())


def command(
    *options: Callable[..., Any],
    name: str | None = None,
    of: click.Group = cli,
    kind: type[click.Command] = click.Command,
    use: Use = "change",
    sweeps: Callable[[Mapping[str, Any]], dt.timedelta | None] = lambda _: None,
) -> Callable[[Callable[..., None]], Any]:
    """A command of these options and --params, which is read first. It is handed the params, and of source, store and
    out (where it has that option) the place given, else the one the params name. A group of commands works by itself
    where none of them is named. use, sweeps: what it does with store and nights that lie at an address
    (commands.places); a dry run looks.
    """
    alone = {"invoke_without_command": True} if issubclass(kind, click.Group) else {}

    def made(work: Callable[..., None]) -> Any:
        @functools.wraps(work)
        def called(params_path: Path, **given: Any) -> None:
            from pipeline.params import load

            context = click.get_current_context()
            if context.invoked_subcommand is not None:
                if any(context.get_parameter_source(key) == ParameterSource.COMMANDLINE for key in context.params):
                    raise click.UsageError(f"Name the options after {context.invoked_subcommand!r}, not before it.")
                return
            params = load(params_path)
            stands_in = {"source": params.paths.source, "store": params.paths.store, "out": params.paths.out}
            given = {key: stands_in.get(key) if value is None else value for key, value in given.items()}
            does = "look" if given.get("dry_run") else use
            with on_this_disk(context, params, given, does, sweeps(given)) as (own, places):
                work(params=own, **places)

        return of.command(name, cls=kind, **alone)(
            functools.reduce(lambda callback, each: each(callback), (PARAMS, *reversed(options)), called)
        )

    return made


def needs(*libraries: str, extra: str = "train") -> None:
    """Refuse what needs libraries that scoring does without, before any work is done."""
    from importlib.util import find_spec

    lacking = [library for library in libraries if find_spec(library) is None]
    if lacking:
        raise click.UsageError(f"This needs {', '.join(lacking)}: install recoup with its extra, recoup[{extra}].")


class _Lines(logging.Formatter):
    """A line for a reader: when, which run of the program, how grave, what."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{_when(record)} {RUN} {record.levelname} {retold(record.getMessage())}"


class _JsonLines(logging.Formatter):
    """The same as one object a line."""

    def format(self, record: logging.LogRecord) -> str:
        told = retold(record.getMessage())
        entry = {"time": _when(record), "run": RUN, "level": record.levelname.lower(), "message": told}
        fields = getattr(record, "fields", {})
        if fields:  # what a reader meets as a table stands in the fields
            entry["message"] = told.split("\n", 1)[0]
        return retold(json.dumps({**entry, **fields}, sort_keys=True, default=str))


def _when(record: logging.LogRecord) -> str:
    return dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds")
