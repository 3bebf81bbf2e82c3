"""Commands that begin a workspace and bring books into it."""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click import option

from pipeline.commands.table import (
    ACCEPT_GAP,
    ACCEPT_VOLUME,
    DAY,
    FOLDER,
    PLACE,
    SOURCE,
    STORE,
    Source,
    cli,
    command,
    date,
)

if TYPE_CHECKING:
    from pipeline.params import Params


@command(
    option("--debtors", type=click.IntRange(1), required=True, help="How many debtors."),
    option("--seed", type=int, required=True, help="Same seed, same bytes."),
    option("--out", type=PLACE, required=True, help="Folder to write; must not hold another delivery."),
    option("--months", type=click.IntRange(3), default=24, show_default=True, help="Months of history."),
    option("--format", "file_format", type=click.Choice(["csv.gz", "parquet"]), default="csv.gz", show_default=True),
    option("--faults", is_flag=True, help="Plant documented dirty rows (answer key in truth/)."),
    option(
        "--slice",
        type=click.FloatRange(0, 1),
        default=0.04,
        show_default=True,
        help="Share of workable debtors whose month a coin decides: worked, or left alone.",
    ),
    option(
        "--effect",
        type=click.Choice(["natural", "none", "uniform"]),
        default="natural",
        show_default=True,
        help="What contact does to paying: as the debtor is, nothing, or the same for everybody.",
    ),
    option(
        "--hidden",
        type=click.FloatRange(0),
        default=1.0,
        show_default=True,
        help="Weight of what collectors sense and no table shows in their choice; 0 is none.",
    ),
    option("--fatigue", is_flag=True, help="Repeated messages and conversations do less than the first."),
    option("--reminders", is_flag=True, help="A book of bills instead, whose debtors forget and are sent messages."),
    option("--treatments", is_flag=True, help="A book of old debts instead: offers, plans, agencies and courts."),
    option(
        "--arriving",
        type=click.FloatRange(0, 1),
        default=0.5,
        show_default=True,
        help="With --treatments: share of the debtors who come while the book lives.",
    ),
    option(
        "--causes",
        type=click.Choice(["planted", "none"]),
        help="A book of sales instead, with planted causes of bad debts, or without any.",
    ),
    option(
        "--unusual",
        type=click.Choice(["planted", "none"]),
        help="Payments tell their instrument; unusual cases are planted beside innocent ones, or none are.",
    ),
    option("--meant", is_flag=True, help="Who pays anyway promises only a day and an amount that it means to pay."),
    option(
        "--forgets", is_flag=True, help="What falls due may be forgotten; debtors speak a language and are reminded."
    ),
    option(
        "--send", type=PLACE, help="Messages of nights, sent where debtors forget: a messages.csv, or several in one."
    ),
    option("--follow", type=PLACE, help="File of orders to the collectors: debtor_id, arm, assigned_on, until_on."),
    option(
        "--through", type=DAY, callback=date, help="Deliver only what was known on this day [default: the last one]."
    ),
    option(
        "--workers",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Processes; the bytes do not depend on it.",
    ),
)
def simulate(params: Params, debtors: int, seed: int, out: Path, **how: Any) -> None:
    """Write a source folder of a made-up portfolio whose true response to contact is known (docs/simulator.md)."""
    from pipeline.simulate.portfolio import Nature
    from pipeline.simulate.portfolio import simulate as make_portfolio

    if how.pop("treatments"):
        from pipeline.simulate import treated

        treated.deliver(treated.live(debtors, seed, how["months"], arriving=how["arriving"]), out)
        click.echo(str(out))
        return
    if (causes := how.pop("causes")) is not None:
        from pipeline.simulate import caused

        kind = caused.PLANTED if causes == "planted" else caused.NONE
        caused.deliver(caused.live(debtors, seed, how["months"], kind), out, kind)
        click.echo(str(out))
        return
    if how.pop("reminders"):
        from pipeline.simulate.reminded import deliver, live

        deliver(live(debtors, seed, how["months"]), out)
        click.echo(str(out))
        return
    how.pop("arriving")
    odd = how.pop("unusual")
    nature = Nature(*(how.pop(name) for name in ("slice", "effect", "hidden", "fatigue", "meant", "forgets")))
    clocks = {"horizon_days": params.label.horizon_days, "maturity_days": params.label.maturity_days}
    make_portfolio(debtors, seed, out, **how, **clocks, nature=nature)
    if odd is not None:
        from pipeline.simulate.unusual import plant

        plant(out, seed, odd == "planted")
    click.echo(str(out))


@cli.command()
@click.argument("named", nargs=-1, metavar="[FOLDER]", type=PLACE)
@option(
    "--from",
    "theirs",
    multiple=True,
    type=Source(),
    help="Files that your system exported, their folder, or a database.",
)
@option("--sample", is_flag=True, help="Write the made-up portfolio that comes with recoup instead, to look first.")
@option("--debtor-type", type=click.Choice(["consumer", "commercial"]), help="Who owes.")
@option("--currency", help="Where the files name none: EUR, USD, ...")
@option("--place", help="Where the debtors live, if all in one place: DE, US-MA, ...; `recoup rules` lists the places.")
@option("--zone", "time_zone", help="IANA time zone of the books [default: the place's, where it has one].")
@option("--portfolio", help="Name of the book [default: from the files].")
@option("--role", type=click.Choice(["creditor", "third_party_collector", "debt_buyer"]), help="[default: creditor]")
@option("--capacity", type=click.IntRange(0), help="Debtors your team can work in a night, each book [default: 40].")
@option("--dates", help="Where days can be read in two ways: DD/MM/YYYY, MM/DD/YYYY, ...")
@option("--decimal", type=click.Choice([".", ","]), help="Where amounts can be read in two ways.")
@option("--rate", "rates", multiple=True, metavar="CODE=RATE", help="Worth of one unit of a further currency.")
@option(
    "--none", multiple=True, type=click.Choice(["contacts", "statuses"]), help="There are none yet: delivered empty."
)
@option("--signed-off", multiple=True, metavar="PLACE", help="A place whose contact law somebody of yours has signed.")
def init(named: tuple[Path, ...], theirs: tuple[Any, ...], sample: bool, **said: Any) -> None:
    """Begin in FOLDER (here, if none is named): look at your files, write params, mapping and the next commands.

    Never overwrites. Asks on a terminal for what the files do not tell; elsewhere the options say it.
    """
    from pipeline import start
    from pipeline.books import Answers
    from pipeline.intake.mapping_lines import Decided

    # `--from exports/*.csv`: the shell hands the first file to the option, the others to FOLDER.
    files = [place for place in named if theirs and place.is_file()]
    folders = [place for place in named if place not in files]
    if len(folders) > 1:
        raise click.UsageError("Name one FOLDER.")
    folder = folders[0] if folders else Path()
    if sample == bool(theirs):
        raise click.UsageError("Give --from FILES, or --sample to look first.")
    if sample:
        click.echo(start.begin_with_sample(folder))
        return
    today = dt.datetime.now(dt.UTC).date()
    rates = _rates(said.pop("rates"))
    others = {key: said.pop(key) for key in ("role", "capacity", "signed_off")}
    answers = Answers(Decided(**said), **others, rates=rates)
    if len(theirs) == 1 and start.is_database(theirs[0]):
        click.echo(start.begin_with_database(folder, theirs[0], answers, today))
        return
    ask = _asked if sys.stdin.isatty() and sys.stdout.isatty() else None
    click.echo(start.begin(folder, [*theirs, *files], answers, today, ask))


def _rates(texts: tuple[str, ...]) -> dict[str, float]:
    parts = [text.partition("=") for text in texts]
    if not all(re.fullmatch(r"\d+(\.\d+)?", rate) and float(rate) > 0 for _, _, rate in parts):
        raise click.UsageError("--rate must be a currency and a number above 0, such as USD=0.92.")
    return {code: float(rate) for code, _, rate in parts}


def _asked(flag: str, question: str, default: str | None) -> str:
    return click.prompt(f"{question} ({flag})", default=default, show_default=bool(default))


@cli.command()
def schema() -> None:
    """The JSON Schema of params.yaml, for editors: `recoup schema > params.schema.json`."""
    from pipeline.schema import params_schema

    click.echo(json.dumps(params_schema(), indent=1))


@cli.command()
@option("--map", "mapping", required=True, help="The mapping: a file, or the name of one that is shipped.")
@option("--from", "theirs", type=FOLDER, help="Folder of the files that your system exported.")
@option("--to", "target", type=PLACE, help="Source folder to write; must be new or empty.")
@option("--propose", is_flag=True, help="Look at the files and write the mapping instead; `?` where they do not tell.")
@option("--show", is_flag=True, help="Print the mapping, one that is shipped for instance, and convert nothing.")
@option("--complete-through", type=DAY, callback=date, help="The last day that is all there; the control files say so.")
def convert(
    mapping: str,
    theirs: Path | None,
    target: Path | None,
    propose: bool,
    show: bool,
    complete_through: dt.date | None,
) -> None:
    """Turn another system's files into a source folder: each cell is read exactly as the mapping says,
    or all is refused.
    """
    from pipeline.intake import convert as conversion
    from pipeline.intake.mapping import load_mapping, place_of, text_of
    from pipeline.intake.proposal import write_proposal

    if show:
        click.echo(text_of(place_of(mapping)), nl=False)
        return
    if theirs is None:
        raise click.UsageError("Name the folder of your files with --from.")
    if propose:
        click.echo(write_proposal(theirs, Path(mapping)))
        return
    if target is None:
        raise click.UsageError("Give --to SOURCE, or --propose to write a mapping first.")
    click.echo(conversion.convert(load_mapping(place_of(mapping)), theirs, target, complete_through).text())


@command(
    SOURCE,
    STORE,
    option(
        "--backfill",
        is_flag=True,
        help="History loaded once: empty known_at becomes the event's time plus lag_days of the params.",
    ),
    option("--dry-run", is_flag=True, help="Check and reconcile, write nothing."),
    ACCEPT_VOLUME,
    ACCEPT_GAP,
    option("--faults", type=PLACE, help="Also write every fault of every row set aside into this CSV file."),
)
def ingest(params: Params, source: Path | str, store: Path, **how: Any) -> None:
    """Validate, quarantine, reconcile and append a delivery. The same delivery again changes nothing."""
    from pipeline.intake.ingest import ingest as take_in

    click.echo(take_in(source, store, params, **how).text())
