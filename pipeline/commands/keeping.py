"""Commands of what is kept: forgetting a person, handing one's own data over, making a published night again, deciding
on rows set aside, few files in place of many.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click import option

from pipeline.commands.table import AS_OF, FOLDER, KEPT, KEPT_FOLDER, NIGHTS, PLACE, STORE, cli, command

if TYPE_CHECKING:
    from pipeline.intake.set_aside import Aside
    from pipeline.params import Params
    from pipeline.store.store import Store

ROWS = (
    option("--id", "names", multiple=True, help="Name of a row, as `list --rows` tells it; may be given again."),
    option("--table", help="Rows of this table."),
    option("--code", help="Rows set aside for this reason."),
    option("--delivery", type=click.IntRange(1), help="Rows of the delivery of this number."),
)
DECIDED = (
    option("--by", required=True, help="Who decides."),
    option("--why", required=True, help="Why; recorded."),
)
DEBTOR = option("--debtor", required=True, help="debtor_id")


@command(
    DEBTOR,
    option("--by", required=True, help="Who decides; recorded."),
    option("--why", required=True, help="Why; recorded. It must not name the debtor."),
    STORE,
    NIGHTS,
    sweeps=lambda _: dt.timedelta(0),
)
def forget(params: Params, debtor: str, by: str, why: str, store: Path, out: Path) -> None:
    """Take a debtor out of store, lists, runs and registry for good; later deliveries leave the debtor out."""
    from pipeline.keeping.forget import forget as take_away

    done = take_away(store, out, debtor, params, who=by, why=why, when=dt.datetime.now(dt.UTC))
    click.echo(done.text())
    done.check()


@command(
    DEBTOR,
    option("--out", "file", type=PLACE, required=True, help="File to write: *.html to read, *.json for a program."),
    STORE,
    option("--nights", type=KEPT, help="Folder of published nights [default: paths.out]."),
    use="look",
)
def export(params: Params, debtor: str, file: Path, store: Path, nights: Path | None) -> None:
    """All that is kept of a debtor, and every decision about the debtor, in one file to hand over."""
    from pipeline.keeping.export import export_person
    from pipeline.store.files import check_folder

    check_folder(file.parent)
    click.echo(export_person(store, nights or params.paths.out, debtor, params, file, dt.datetime.now(dt.UTC)))


@command(
    STORE,
    AS_OF,
    option("--nights", "out", type=KEPT_FOLDER, help="Folder of published nights [default: paths.out]."),
    option("--out", "folder", type=FOLDER, help="Keep the night made again in this folder."),
    use="look",
)
def reproduce(params: Params, store: Path, as_of: dt.date, out: Path, folder: Path | None) -> None:
    """Make a published night again from what its manifest names, and compare every file; exit 65 where one differs."""
    from pipeline.night.reproduce import reproduce as make_again
    from pipeline.outcomes.monitor import judge

    found = make_again(store, as_of, out, params, judge, folder)
    click.echo(found.text())
    found.check()


@command(
    STORE,
    option("--vacuum", is_flag=True, help="Also let go of files that no kept night and no late delivery needs."),
    option(
        "--out",
        "outs",
        type=KEPT_FOLDER,
        multiple=True,
        help="Folder of nights of this store; may be given again [default: paths.out].",
    ),
    sweeps=lambda given: dt.timedelta(days=1) if given["vacuum"] else None,
)
def compact(params: Params, store: Path, vacuum: bool, outs: tuple[Path, ...]) -> None:
    """Bring the store's many small files together; every version that is needed stays readable."""
    from pipeline.keeping.compaction import compact as bring_together

    click.echo(bring_together(store, outs or (params.paths.out,), vacuum).text())


@cli.group()
def quarantine() -> None:
    """Rows that ingest set aside: look at them, release them mended, or discard them."""


@command(
    STORE,
    *ROWS,
    option("--rows", "each", is_flag=True, help="A line for each row, by its name."),
    of=quarantine,
    name="list",
    use="look",
)
def list_rows(params: Params, store: Path, each: bool, **which: Any) -> None:
    """What waits, by table, code and delivery, with its money; and that all that was set aside adds up."""
    from pipeline.intake.set_aside import chosen, listed, set_aside

    opened = _opened(store)
    rows = set_aside(opened)
    click.echo(listed(opened, rows, each, chosen(rows, **which)))


@command(
    STORE,
    ROWS[0],
    option("--raw", is_flag=True, help="The whole row as it was delivered: it holds a person's data."),
    of=quarantine,
    use="look",
)
def show(params: Params, store: Path, names: tuple[str, ...], raw: bool) -> None:
    """Where a row stood, why it is set aside, and what became of it."""
    from pipeline.intake.set_aside import DecisionRefused, shown_row

    if not names:
        raise DecisionRefused.nothing_named()
    for row in _chosen(store, {"names": names}):
        click.echo(shown_row(row, raw, sys.stdout.isatty()))


@command(
    STORE,
    ROWS[0],
    option("--mended", type=PLACE, required=True, help="CSV file: a header, and each row as it should have been."),
    *DECIDED,
    of=quarantine,
)
def release(params: Params, store: Path, names: tuple[str, ...], mended: Path, by: str, why: str) -> None:
    """Take mended rows in as a delivery of their own, through the ordinary checks: all of them, or nothing changes."""
    from pipeline.intake.set_aside import DecisionRefused
    from pipeline.intake.set_aside import release as take_in

    if not names:
        raise DecisionRefused.nothing_named()
    click.echo(take_in(store, _chosen(store, {"names": names}), mended, params, by, why, dt.datetime.now(dt.UTC)))


@command(STORE, *ROWS, *DECIDED, of=quarantine)
def discard(params: Params, store: Path, by: str, why: str, **which: Any) -> None:
    """Decide that rows never come in; what hung on them waits no longer. They stay in the count."""
    from pipeline.intake.set_aside import WAITING, DecisionRefused
    from pipeline.intake.set_aside import discard as give_up

    if not any(which.values()):
        raise DecisionRefused.nothing_named()
    rows = _chosen(store, which)
    rows = rows if which["names"] else [row for row in rows if row.fate == WAITING]
    click.echo(give_up(store, rows, by, why, dt.datetime.now(dt.UTC)))


def _opened(store: Path) -> Store:
    from pipeline.store.store import Store

    return Store(store)


def _chosen(store: Path, which: Mapping[str, Any]) -> list[Aside]:
    from pipeline.intake.set_aside import chosen, set_aside

    return chosen(set_aside(_opened(store)), **which)
