"""Commands of what is kept of people: forgetting one, handing one's own data over."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click import option

from pipeline.commands.table import NIGHTS, PLACE, STORE, command

if TYPE_CHECKING:
    from pipeline.params import Params

DEBTOR = option("--debtor", required=True, help="debtor_id")


@command(
    DEBTOR,
    option("--by", required=True, help="Who decides; recorded."),
    option("--why", required=True, help="Why; recorded. It must not name the debtor."),
    STORE,
    NIGHTS,
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
    option("--nights", type=PLACE, help="Folder of published nights [default: paths.out]."),
)
def export(params: Params, debtor: str, file: Path, store: Path, nights: Path | None) -> None:
    """All that is kept of a debtor, and every decision about the debtor, in one file to hand over."""
    from pipeline.keeping.export import export_person
    from pipeline.store.files import check_folder

    check_folder(file.parent)
    click.echo(export_person(store, nights or params.paths.out, debtor, params, file, dt.datetime.now(dt.UTC)))
