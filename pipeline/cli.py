"""The commands, each with its options, as a table. Heavy imports happen inside them:
`recoup --help` answers at once.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import logging
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click import option
from click.core import ParameterSource

from features.errors import CannotWrite, InputMissing, RecoupError

if TYPE_CHECKING:
    from pipeline.params import Params

INTERRUPTED, TERMINATED, BUG, DISK_FULL = 130, 143, 70, 28
RUN = os.urandom(4).hex()  # tells the lines of one run of the program from another's
TRAINING = ("mlflow", "optuna", "shap", "woodelf", "matplotlib", "sklearn")
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


def _date(_: click.Context, __: click.Parameter, value: dt.datetime | None) -> dt.date | None:
    return None if value is None else value.date()


PLACE, FOLDER = click.Path(path_type=Path), click.Path(path_type=Path, file_okay=False)
DAY = click.DateTime(formats=["%Y-%m-%d"])
MOST = 10**18

# What several commands take.
PARAMS = option(
    "--params", "params_path", type=PLACE, default=Path("params.yaml"), show_default=True, help="The params file."
)
SOURCE = option("--source", type=PLACE, help="Folder of delivered tables [default: paths.source].")
STORE = option("--store", type=PLACE, help="Folder of Delta tables [default: paths.store of the params].")
NIGHTS = option("--out", type=PLACE, help="Folder of published nights [default: paths.out].")
AS_OF = option(
    "--as-of", type=DAY, required=True, callback=_date, help="The night: only what was known before this day counts."
)
ACCOUNT = option("--account", required=True, help="account_id")


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
    model not approved or changed, 130/143 signalled (safe to run again).
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
) -> Callable[[Callable[..., None]], Any]:
    """A command of these options and --params, which is read first. It is handed the params, and of source, store and
    out (where it has that option) the place given, else the one the params name. A group of commands works by itself
    where none of them is named.
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
            work(params=params, **{key: stands_in.get(key) if value is None else value for key, value in given.items()})

        return of.command(name, cls=kind, **alone)(
            functools.reduce(lambda callback, each: each(callback), (PARAMS, *reversed(options)), called)
        )

    return made


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
    option("--follow", type=PLACE, help="File of orders to the collectors: debtor_id, arm, assigned_on, until_on."),
    option(
        "--through", type=DAY, callback=_date, help="Deliver only what was known on this day [default: the last one]."
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

    nature = Nature(*(how.pop(name) for name in ("slice", "effect", "hidden", "fatigue")))
    clocks = {"horizon_days": params.label.horizon_days, "maturity_days": params.label.maturity_days}
    make_portfolio(debtors, seed, out, **how, **clocks, nature=nature)
    click.echo(str(out))


@cli.command()
@click.argument("named", nargs=-1, metavar="[FOLDER]", type=PLACE)
@option("--from", "theirs", multiple=True, type=PLACE, help="Files that your system exported, or their folder.")
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
def init(named: tuple[Path, ...], theirs: tuple[Path, ...], sample: bool, **said: Any) -> None:
    """Begin in FOLDER (here, if none is named): look at your files, write params, mapping and the next commands.

    Never overwrites. Asks on a terminal for what the files do not tell; elsewhere the options say it.
    """
    from pipeline import start
    from pipeline.intake.proposal import Decided

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
    rates = _rates(said.pop("rates"))
    others = {key: said.pop(key) for key in ("role", "capacity", "signed_off")}
    answers = start.Answers(Decided(**said), **others, rates=rates)
    ask = _asked if sys.stdin.isatty() and sys.stdout.isatty() else None
    click.echo(start.begin(folder, [*theirs, *files], answers, dt.datetime.now(dt.UTC).date(), ask))


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
@option("--from", "theirs", type=FOLDER, required=True, help="Folder of the files that your system exported.")
@option("--to", "target", type=PLACE, help="Source folder to write; must be new or empty.")
@option("--propose", is_flag=True, help="Look at the files and write the mapping instead; `?` where they do not tell.")
@option(
    "--complete-through", type=DAY, callback=_date, help="The last day that is all there; the control files say so."
)
def convert(mapping: str, theirs: Path, target: Path | None, propose: bool, complete_through: dt.date | None) -> None:
    """Turn another system's files into a source folder: each cell is read exactly as the mapping says,
    or all is refused.
    """
    from pipeline.intake import convert as conversion
    from pipeline.intake.mapping import load_mapping, place_of
    from pipeline.intake.proposal import write_proposal

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
    option("--accept-volume", metavar="REASON", help="Take a delivery of unusual volume; the reason is recorded."),
    option("--faults", type=PLACE, help="Also write every fault of every row set aside into this CSV file."),
)
def ingest(params: Params, source: Path, store: Path, **how: Any) -> None:
    """Validate, quarantine, reconcile and append a delivery. The same delivery again changes nothing."""
    from pipeline.intake.ingest import ingest as take_in

    click.echo(take_in(source, store, params, **how).text())


@command(
    STORE,
    AS_OF,
    option("--out", "file", type=PLACE, help="Parquet file to write: account_id, as_of, features."),
    option("--explain", "feature", metavar="NAME", help="Print the events behind one cell instead."),
    option("--account", help="The account of the cell."),
)
def features(
    params: Params, store: Path, as_of: dt.date, file: Path | None, feature: str | None, account: str | None
) -> None:
    """One row per scorable account: account_id, as_of, features."""
    from pipeline.night.feeds import check_feeds
    from pipeline.panel import dataset
    from pipeline.store.store import Store

    if feature is not None:
        if account is None:
            raise click.UsageError("--explain needs --account.")
        click.echo(dataset.explain_cell(store, as_of, feature, account, params))
        return
    if file is None:
        raise click.UsageError("Give --out FILE.parquet, or --explain NAME --account ID.")
    try:
        check_feeds(Store(store), as_of, params)
    except InputMissing as late:
        log.warning("%s Features that need what is not there are missing.", late)
    click.echo(dataset.write_features(store, as_of, file, params))


@command(
    STORE,
    option("--out", "file", type=PLACE, required=True, help="Parquet file to write."),
    option("--horizons", help="Label over these numbers of days too, and tell of them side by side: 30,60,90."),
)
def dataset(params: Params, store: Path, file: Path, horizons: str | None) -> None:
    """The labelled panel: account_id, debtor_id, as_of, features, labels, split; prints label rates,
    coverage and maturity.
    """
    _needs("matplotlib")
    from pipeline.panel.dataset import write_panel

    refusal = "--horizons must be different numbers of days, 1 to 3660, separated by commas, such as 30,60,90."
    asked = whole_numbers(horizons, 1, 3660, refusal)
    if len(set(asked)) != len(asked):
        raise click.UsageError(refusal)
    click.echo(write_panel(store, file, params, asked))


@command(
    STORE,
    option("--tune", "trials", type=click.IntRange(min=1), help="Try this many settings inside the fit window first."),
)
def train(params: Params, store: Path, trials: int | None) -> None:
    """Fit a challenger, evaluate it, record it in MLflow. The last line of stdout is the run id."""
    _needs(*TRAINING)
    from pipeline.training.train import train_from_store

    run = train_from_store(store, params, trials or 0)
    click.echo(run.text())
    click.echo(run.run_id)


@command(
    option("--run", "run_id", required=True, help="The run id that `recoup train` printed."),
    STORE,
    option("--truth", type=FOLDER, help="truth/ of a simulated source: adds the best possible."),
    option("--out", "page", type=PLACE, help="Also write the HTML report here."),
)
def evaluate(params: Params, run_id: str, store: Path, truth: Path | None, page: Path | None) -> None:
    """The report of a run again."""
    _needs(*TRAINING)
    from pipeline.training.train import evaluate_again

    click.echo(evaluate_again(store, run_id, params, truth=truth, out=page))


@command(
    option("--run", "run_id", help="The challenger's run id."),
    option("--rollback", is_flag=True, help="Put the previous champion back."),
    option("--by", help="Who decides [default: the login name]."),
    option("--why", default="", help="Why; recorded."),
    STORE,
)
def promote(params: Params, run_id: str | None, rollback: bool, by: str | None, why: str, store: Path) -> None:
    """Make a challenger the champion, if the gate allows; --rollback undoes it."""
    import getpass

    _needs("mlflow")
    from pipeline.training import registry

    if rollback == (run_id is not None):
        raise click.UsageError("Give either --run ID or --rollback.")
    when = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    decision = {"who": by or getpass.getuser(), "why": why, "when": when}
    click.echo(
        registry.rollback(store, params, **decision)
        if rollback
        # pyrefly: ignore[bad-argument-type]
        else registry.promote(store, run_id, params, **decision)
    )


@command(STORE, AS_OF, option("--out", type=PLACE, required=True, help="Folder; scores.parquet is written in it."))
def score(params: Params, store: Path, as_of: dt.date, out: Path) -> None:
    """Score every scorable account with the champion, or the age-band baseline without one."""
    from pipeline.night.score import write_scores
    from pipeline.store.files import check_folder

    check_folder(out)
    click.echo(write_scores(store, as_of, out, params))


@command(STORE, AS_OF, NIGHTS)
def worklist(params: Params, store: Path, as_of: dt.date, out: Path) -> None:
    """Publish the ranked, explained work list of a night from the store as it is."""
    from pipeline.night.night import publish_night

    click.echo(publish_night(store, as_of, out, params).text())


@command(
    SOURCE,
    STORE,
    AS_OF,
    NIGHTS,
    option(
        "--accept-volume", metavar="REASON", help="Take a delivery of unusual volume; the reason is in the manifest."
    ),
    name="run",
)
def run_night(params: Params, source: Path, store: Path, as_of: dt.date, out: Path, accept_volume: str | None) -> None:
    """The whole night: ingest, score, work list, monitor."""
    from pipeline.run import whole_night

    click.echo(whole_night(source, store, as_of, out, params, accept_volume=accept_volume).text())


@command(
    STORE,
    AS_OF,
    option(
        "--days",
        type=click.IntRange(1, 3660),
        default=30,
        show_default=True,
        help="Days before the night that the pages tell of.",
    ),
    option(
        "--out", type=PLACE, help="Folder of published nights; the pages go to reports/ in it [default: paths.out]."
    ),
    option("--language", type=click.Choice(["en", "fr"]), help="[default: worklist.language]"),
)
def report(params: Params, store: Path, as_of: dt.date, days: int, out: Path, language: str | None) -> None:
    """The manager's summary and a client report per portfolio: worked, answered, recovered, promised, owed,
    liquidated.
    """
    from pipeline.outcomes.book_pages import write_reports

    click.echo(write_reports(store, out, as_of, days, params, language) / "summary.html")


@command(
    option("--file", type=PLACE, required=True, help="The filled-in workbook, worklist.xlsx of a published night."),
    STORE,
    NIGHTS,
    option(
        "--as-of",
        "night",
        type=DAY,
        callback=_date,
        help="Refuse a workbook of another night [default: the night it names].",
    ),
    option("--received-at", help="When it came back, ISO 8601 with offset [default: now]."),
    option("--complete", is_flag=True, help="It holds every contact of its day: the contact feed reaches to that day."),
)
def feedback(params: Params, file: Path, store: Path, out: Path, received_at: str | None, **how: Any) -> None:
    """Read the outcomes filled into a list back as contacts, and why accounts were skipped.
    The same file again changes nothing.
    """
    from pipeline.run import receive

    now = dt.datetime.now(dt.UTC)
    when = (
        now
        if received_at is None
        else moment(received_at, "--received-at", "2026-10-01T18:00:00+02:00", needs_offset=False)
    )
    click.echo(receive(file, store, out, params, when, **how).text())


@command(
    STORE,
    AS_OF,
    ACCOUNT,
    option("--plot", type=PLACE, help="Also draw what moved the score, as a waterfall, into this PNG file."),
)
def explain(params: Params, store: Path, as_of: dt.date, account: str, plot: Path | None) -> None:
    """One account's scores, every reason, its eligibility, its events."""
    from pipeline.night.one_account import explain_account
    from pipeline.store.files import check_folder

    if plot is not None:
        _needs("shap", "matplotlib")
        check_folder(plot.parent)
    found = explain_account(store, as_of, account, params)
    click.echo(found.text)
    if plot is not None:
        from pipeline.training.charts import draw_waterfall

        draw_waterfall(found.reasons, "average account", "this account", f"Account {account} as of {as_of}", plot)


@command(STORE, AS_OF, ACCOUNT)
def eligibility(params: Params, store: Path, as_of: dt.date, account: str) -> None:
    """Everything that decides whether, when and how one account may be contacted on a day."""
    from pipeline.night.one_account import eligibility_of

    click.echo(eligibility_of(store, as_of, account, params))


@command(
    STORE,
    ACCOUNT,
    option("--channel", required=True, help="call, sms, email, ..."),
    option("--at", required=True, help="The moment, ISO 8601 with offset: 2026-11-02T10:15:00+01:00."),
)
def check(params: Params, store: Path, account: str, channel: str, at: str) -> None:
    """At the moment of contact: still permitted? The first word of the answer is permitted, deferred or excluded."""
    from pipeline.night.one_account import check_contact

    when = moment(at, "--at", "2026-11-02T10:15:00+01:00", needs_offset=True)
    click.echo(check_contact(store, account, channel, when, params))


@command(
    STORE,
    AS_OF,
    option("--capacity", required=True, help="Debtors per queue, several by commas: 50,100,200."),
    option("--out", "picture", type=PLACE, help="Also draw the curve into this PNG file."),
    option("--truth", type=FOLDER, help="truth/ of a simulated source: adds what is true, and the best possible."),
)
def whatif(
    params: Params, store: Path, as_of: dt.date, capacity: str, picture: Path | None, truth: Path | None
) -> None:
    """Money, contacts and burden of a night at other capacities, against P x balance, balance first,
    oldest first and newest first.
    """
    from pipeline.night.whatif import compare_capacities

    if picture is not None:
        _needs("matplotlib")
    refusal = "--capacity must be whole numbers separated by commas, such as 50,100,200."
    click.echo(compare_capacities(store, as_of, whole_numbers(capacity, 0, MOST, refusal), params, picture, truth))


@command(
    option("--place", help="Only this place, such as US-MA."),
    option("--upcoming", type=click.IntRange(1, 3650), metavar="DAYS", help="Only what changes within so many days."),
    option("--from", "from_day", type=DAY, callback=_date, help="First day of --upcoming [default: today]."),
    kind=click.Group,
)
def rules(params: Params, place: str | None, upcoming: int | None, from_day: dt.date | None) -> None:
    """Every place's contact law, what is unverified, and what signing a place off means."""
    from pipeline.law.overlay import law_of
    from pipeline.law.reasoning import places
    from pipeline.law.upcoming import announced

    if upcoming is not None:
        click.echo(announced(law_of(params), params, from_day or dt.datetime.now(dt.UTC).date(), upcoming, place))
    else:
        click.echo(places(law_of(params), params, place))


@command(
    option("--place", "codes", multiple=True, required=True, help="The place whose law was read; may be given again."),
    option("--by", required=True, help="Name of the person who read it and answers for it."),
    of=rules,
)
def sign(params: Params, codes: tuple[str, ...], by: str) -> None:
    """Sign the contact law of a place off: who, when, and the sha256 of the rules that this covers."""
    from pipeline.law.overlay import law_of
    from pipeline.law.sign_off import sign as sign_off

    click.echo(sign_off(codes, by, dt.datetime.now(dt.UTC), law_of(params), params))


@command(STORE, AS_OF)
def monitor(params: Params, store: Path, as_of: dt.date) -> None:
    """Drift, calibration and realised value of matured lists, the control group; verdict ok, warn or stop."""
    from pipeline.outcomes.monitor import monitor as look

    click.echo(look(store, as_of, params).text())


@command(STORE, NIGHTS)
def verify(params: Params, store: Path, out: Path) -> None:
    """Every file of the store, the models and the published nights against its sha256; exit 65 where one is damaged."""
    from pipeline.verify import verify as look

    found = look(store, out)
    click.echo(found.text())
    found.check()


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


def _needs(*libraries: str) -> None:
    """Refuse what needs libraries that scoring does without, before any work is done."""
    from importlib.util import find_spec

    lacking = [library for library in libraries if find_spec(library) is None]
    if lacking:
        raise click.UsageError(f"This needs {', '.join(lacking)}: install recoup with its extra, recoup[train].")


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


class _Lines(logging.Formatter):
    """A line for a reader: when, which run of the program, how grave, what."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{_when(record)} {RUN} {record.levelname} {record.getMessage()}"


class _JsonLines(logging.Formatter):
    """The same as one object a line."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {"time": _when(record), "run": RUN, "level": record.levelname.lower(), "message": record.getMessage()}
        return json.dumps({**entry, **getattr(record, "fields", {})}, sort_keys=True, default=str)


def _when(record: logging.LogRecord) -> str:
    return dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds")


if __name__ == "__main__":
    main()
