"""The commands. Heavy imports happen inside them: `recoup --help` answers at once."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from features.errors import CannotWrite, InputMissing, RecoupError

if TYPE_CHECKING:
    import datetime as dt

    from pipeline.params import Params

INTERRUPTED, TERMINATED, BUG, DISK_FULL = 130, 143, 70, 28
log = logging.getLogger("recoup")

existing_folder = click.Path(path_type=Path, file_okay=False)
any_path = click.Path(path_type=Path)
day = click.DateTime(formats=["%Y-%m-%d"])


def _params_option(command: Callable) -> Callable:
    return click.option("--params", "params_path", type=any_path, default=Path("params.yaml"), show_default=True, help="The params file.")(
        command
    )


def _store_option(command: Callable) -> Callable:
    return click.option("--store", type=any_path, default=None, help="Folder of Delta tables [default: paths.store of the params].")(
        command
    )


def _as_of_option(command: Callable) -> Callable:
    return click.option("--as-of", "as_of", type=day, required=True, help="The night: only what was known before this day counts.")(command)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form of the log on stderr.")
@click.version_option(package_name="recoup", message="recoup %(version)s")
def cli(log_format: str) -> None:
    """Each night, rank the accounts that may lawfully be worked by the money we expect each to return, and say why.

    Results go to stdout, logs to stderr. Exit codes: 0 done or already done, 2 bad command line or params, 65 data refused, 66 input
    missing or late, 69 registry away, 70 bug, 73/74 cannot write, 75 another run holds the lock, 77 model not approved or changed,
    130/143 signalled (safe to run again).
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if log_format == "json" else logging.Formatter("%(levelname)s %(message)s"))
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False


@cli.command()
@click.option("--debtors", type=click.IntRange(1), required=True, help="How many debtors.")
@click.option("--seed", type=int, required=True, help="Same seed, same bytes.")
@click.option("--out", type=any_path, required=True, help="Folder to write; must not hold another delivery.")
@click.option("--months", type=click.IntRange(3), default=24, show_default=True, help="Months of history.")
@click.option("--format", "file_format", type=click.Choice(["csv.gz", "parquet"]), default="csv.gz", show_default=True)
@click.option("--faults", is_flag=True, help="Plant documented dirty rows (answer key in truth/).")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes; the bytes do not depend on it.")
@_params_option
def simulate(debtors: int, seed: int, out: Path, months: int, file_format: str, faults: bool, workers: int, params_path: Path) -> None:
    """Write a source folder of a made-up portfolio whose true response to contact is known (docs/simulator.md)."""
    from pipeline.simulate.portfolio import simulate as run_simulation

    label = _load(params_path).label
    clocks = {"horizon_days": label.horizon_days, "maturity_days": label.maturity_days}
    run_simulation(debtors, seed, out, months=months, file_format=file_format, faults=faults, workers=workers, **clocks)
    click.echo(str(out))


@cli.command()
@click.option("--source", type=any_path, default=None, help="Folder of delivered tables [default: paths.source].")
@_store_option
@_params_option
@click.option("--backfill", is_flag=True, help="History loaded once: empty known_at becomes the event's time plus lag_days of the params.")
@click.option("--dry-run", is_flag=True, help="Check and reconcile, write nothing.")
@click.option("--accept-volume", metavar="REASON", default=None, help="Take a delivery of unusual volume; the reason is recorded.")
def ingest(source: Path | None, store: Path | None, params_path: Path, backfill: bool, dry_run: bool, accept_volume: str | None) -> None:
    """Validate, quarantine, reconcile and append a delivery. The same delivery again changes nothing."""
    from pipeline.intake.ingest import ingest as run_ingest

    params = _load(params_path)
    report = run_ingest(
        source or params.paths.source, store or params.paths.store, params, backfill=backfill, dry_run=dry_run, accept_volume=accept_volume
    )
    click.echo(report.text())


@cli.command()
@_store_option
@_as_of_option
@click.option("--out", type=any_path, default=None, help="Parquet file to write: account_id, as_of, features.")
@click.option("--explain", "feature", metavar="NAME", default=None, help="Print the events behind one cell instead.")
@click.option("--account", default=None, help="The account of the cell.")
@_params_option
def features(store: Path | None, as_of: dt.datetime, out: Path | None, feature: str | None, account: str | None, params_path: Path) -> None:
    """One row per scorable account: account_id, as_of, features."""
    from pipeline.night.feeds import check_feeds
    from pipeline.panel import dataset
    from pipeline.store.store import Store

    params = _load(params_path)
    if feature is not None:
        if account is None:
            raise click.UsageError("--explain needs --account.")
        click.echo(dataset.explain_cell(store or params.paths.store, as_of.date(), feature, account, params))
        return
    if out is None:
        raise click.UsageError("Give --out FILE.parquet, or --explain NAME --account ID.")
    try:
        check_feeds(Store(store or params.paths.store), as_of.date(), params)
    except InputMissing as late:
        log.warning("%s Features that need what is not there are missing.", late)
    click.echo(dataset.write_features(store or params.paths.store, as_of.date(), out, params))


@cli.command()
@_store_option
@click.option("--out", type=any_path, required=True, help="Parquet file to write.")
@click.option("--horizons", default=None, help="Label over these numbers of days too, and tell of them side by side: 30,60,90.")
@_params_option
def dataset(store: Path | None, out: Path, horizons: str | None, params_path: Path) -> None:
    """The labelled panel: account_id, debtor_id, as_of, features, labels, split; prints label rates, coverage and maturity."""
    from pipeline.panel import dataset as dataset_room

    parts = [] if horizons is None else horizons.split(",")
    asked = {int(part): None for part in parts if len(part.strip()) <= 4 and part.strip().isdecimal()}
    if len(asked) != len(parts) or not all(1 <= days <= 3660 for days in asked):
        raise click.UsageError("--horizons must be different numbers of days, 1 to 3660, separated by commas, such as 30,60,90.")
    params = _load(params_path)
    click.echo(dataset_room.write_panel(store or params.paths.store, out, params, list(asked)))


@cli.command()
@_store_option
@click.option("--tune", "trials", type=click.IntRange(min=1), default=None, help="Try this many settings inside the fit window first.")
@_params_option
def train(store: Path | None, trials: int | None, params_path: Path) -> None:
    """Fit a challenger, evaluate it, record it in MLflow. The last line of stdout is the run id."""
    from pipeline.training.train import train_from_store

    params = _load(params_path)
    run = train_from_store(store or params.paths.store, params, trials or 0)
    click.echo(run.text())
    click.echo(run.run_id)


@cli.command()
@click.option("--run", "run_id", required=True, help="The run id that `recoup train` printed.")
@_store_option
@click.option("--truth", type=existing_folder, default=None, help="truth/ of a simulated source: adds the best possible.")
@click.option("--out", type=any_path, default=None, help="Also write the HTML report here.")
@_params_option
def evaluate(run_id: str, store: Path | None, truth: Path | None, out: Path | None, params_path: Path) -> None:
    """The report of a run again."""
    from pipeline.training.train import evaluate_again

    params = _load(params_path)
    click.echo(evaluate_again(store or params.paths.store, run_id, params, truth=truth, out=out))


@cli.command()
@click.option("--run", "run_id", default=None, help="The challenger's run id.")
@click.option("--rollback", is_flag=True, help="Put the previous champion back.")
@click.option("--by", default=None, help="Who decides [default: the login name].")
@click.option("--why", default="", help="Why; recorded.")
@_store_option
@_params_option
def promote(run_id: str | None, rollback: bool, by: str | None, why: str, store: Path | None, params_path: Path) -> None:
    """Make a challenger the champion, if the gate allows; --rollback undoes it."""
    import datetime as dt
    import getpass

    from pipeline.training import registry

    if rollback == (run_id is not None):
        raise click.UsageError("Give either --run ID or --rollback.")
    params = _load(params_path)
    decision = {"who": by or getpass.getuser(), "why": why, "when": dt.datetime.now(dt.UTC).isoformat(timespec="seconds")}
    place = store or params.paths.store
    click.echo(registry.rollback(place, params, **decision) if rollback else registry.promote(place, run_id, params, **decision))


@cli.command()
@_store_option
@_as_of_option
@click.option("--out", type=any_path, required=True, help="Folder; scores.parquet is written in it.")
@_params_option
def score(store: Path | None, as_of: dt.datetime, out: Path, params_path: Path) -> None:
    """Score every scorable account with the champion, or the age-band baseline without one."""
    from pipeline.night.score import write_scores
    from pipeline.store.files import check_folder

    params = _load(params_path)
    check_folder(out)
    click.echo(write_scores(store or params.paths.store, as_of.date(), out, params))


@cli.command()
@_store_option
@_as_of_option
@click.option("--out", type=any_path, default=None, help="Folder of published nights [default: paths.out].")
@_params_option
def worklist(store: Path | None, as_of: dt.datetime, out: Path | None, params_path: Path) -> None:
    """Publish the ranked, explained work list of a night from the store as it is."""
    from pipeline.night.night import publish_night

    params = _load(params_path)
    click.echo(publish_night(store or params.paths.store, as_of.date(), out or params.paths.out, params).text())


@cli.command("run")
@click.option("--source", type=any_path, default=None, help="Folder of delivered tables [default: paths.source].")
@_store_option
@_as_of_option
@click.option("--out", type=any_path, default=None, help="Folder of published nights [default: paths.out].")
@click.option("--accept-volume", metavar="REASON", default=None, help="Take a delivery of unusual volume; the reason is in the manifest.")
@_params_option
def run_night(
    source: Path | None, store: Path | None, as_of: dt.datetime, out: Path | None, accept_volume: str | None, params_path: Path
) -> None:
    """The whole night: ingest, score, work list, monitor."""
    from pipeline.run import whole_night

    params = _load(params_path)
    paths = params.paths
    night = whole_night(source or paths.source, store or paths.store, as_of.date(), out or paths.out, params, accept_volume=accept_volume)
    click.echo(night.text())


@cli.command()
@_store_option
@_as_of_option
@click.option("--days", type=click.IntRange(1, 3660), default=30, show_default=True, help="Days before the night that the pages tell of.")
@click.option("--out", type=any_path, default=None, help="Folder of published nights; the pages go to reports/ in it [default: paths.out].")
@click.option("--language", type=click.Choice(["en", "fr"]), default=None, help="[default: worklist.language]")
@_params_option
def report(store: Path | None, as_of: dt.datetime, days: int, out: Path | None, language: str | None, params_path: Path) -> None:
    """The manager's summary and a client report per portfolio: worked, answered, recovered, promised, owed, liquidated."""
    from pipeline.outcomes.book_pages import write_reports

    params = _load(params_path)
    paths = params.paths
    click.echo(write_reports(store or paths.store, out or paths.out, as_of.date(), days, params, language) / "summary.html")


@cli.command()
@click.option("--file", "file", type=any_path, required=True, help="The filled-in workbook, worklist.xlsx of a published night.")
@_store_option
@click.option("--out", type=any_path, default=None, help="Folder of published nights [default: paths.out].")
@click.option("--as-of", "as_of", type=day, default=None, help="Refuse a workbook of another night [default: the night it names].")
@click.option("--received-at", default=None, help="When it came back, ISO 8601 with offset [default: now].")
@click.option("--complete", is_flag=True, help="It holds every contact of its day: the contact feed reaches to that day.")
@_params_option
def feedback(
    file: Path, store: Path | None, out: Path | None, as_of: dt.datetime | None, received_at: str | None, complete: bool, params_path: Path
) -> None:
    """Read the outcomes filled into a list back as contacts, and why accounts were skipped. The same file again changes nothing."""
    import datetime as dt

    from pipeline.run import receive

    try:
        moment = dt.datetime.now(dt.UTC) if received_at is None else dt.datetime.fromisoformat(received_at)
    except ValueError:
        raise click.UsageError("--received-at must be ISO 8601 with an offset, such as 2026-10-01T18:00:00+02:00.") from None
    params = _load(params_path)
    night = as_of.date() if as_of else None
    paths = params.paths
    click.echo(receive(file, store or paths.store, out or paths.out, params, moment, night=night, complete=complete).text())


@cli.command()
@_store_option
@_as_of_option
@click.option("--account", required=True, help="account_id")
@_params_option
def explain(store: Path | None, as_of: dt.datetime, account: str, params_path: Path) -> None:
    """One account's scores, every reason, its eligibility, its events."""
    from pipeline.night.one_account import explain_account

    params = _load(params_path)
    click.echo(explain_account(store or params.paths.store, as_of.date(), account, params))


@cli.command()
@_store_option
@_as_of_option
@click.option("--account", required=True, help="account_id")
@_params_option
def eligibility(store: Path | None, as_of: dt.datetime, account: str, params_path: Path) -> None:
    """Everything that decides whether, when and how one account may be contacted on a day."""
    from pipeline.night.one_account import eligibility_of

    params = _load(params_path)
    click.echo(eligibility_of(store or params.paths.store, as_of.date(), account, params))


@cli.command()
@_store_option
@click.option("--account", required=True, help="account_id")
@click.option("--channel", required=True, help="call, sms, email, ...")
@click.option("--at", required=True, help="The moment, ISO 8601 with offset: 2026-11-02T10:15:00+01:00.")
@_params_option
def check(store: Path | None, account: str, channel: str, at: str, params_path: Path) -> None:
    """At the moment of contact: still permitted? The first word of the answer is permitted, deferred or excluded."""
    import datetime as dt

    from pipeline.night.one_account import check_contact

    try:
        moment = dt.datetime.fromisoformat(at)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise click.UsageError("--at must be ISO 8601 with an offset, such as 2026-11-02T10:15:00+01:00.")
    params = _load(params_path)
    click.echo(check_contact(store or params.paths.store, account, channel, moment, params))


@cli.command()
@_store_option
@_as_of_option
@click.option("--capacity", required=True, help="Debtors per queue, several by commas: 50,100,200.")
@click.option("--out", type=any_path, default=None, help="Also draw the curve into this PNG file.")
@click.option("--truth", type=existing_folder, default=None, help="truth/ of a simulated source: adds what is true, and the best possible.")
@_params_option
def whatif(store: Path | None, as_of: dt.datetime, capacity: str, out: Path | None, truth: Path | None, params_path: Path) -> None:
    """Money, contacts and burden of a night at other capacities, against P x balance, balance first, oldest first and newest first."""
    from pipeline.night.whatif import compare_capacities

    if not all(part.strip().isdigit() for part in capacity.split(",")):
        raise click.UsageError("--capacity must be whole numbers separated by commas, such as 50,100,200.")
    params = _load(params_path)
    sizes = [int(part) for part in capacity.split(",")]
    click.echo(compare_capacities(store or params.paths.store, as_of.date(), sizes, params, out, truth))


@cli.command()
@click.option("--place", default=None, help="Only this place, such as US-MA.")
@_params_option
def rules(place: str | None, params_path: Path) -> None:
    """Every place's contact law, what is unverified, and what signing a place off means."""
    from pipeline.law.reasoning import places
    from pipeline.law.rule_file import load_rules

    click.echo(places(load_rules(), _load(params_path), place))


@cli.command()
@_store_option
@_as_of_option
@_params_option
def monitor(store: Path | None, as_of: dt.datetime, params_path: Path) -> None:
    """Drift, calibration and realised value of matured lists, the control group; verdict ok, warn or stop."""
    from pipeline.outcomes.monitor import monitor as look

    params = _load(params_path)
    click.echo(look(store or params.paths.store, as_of.date(), params).text())


def main(arguments: list[str] | None = None) -> None:
    """Run a command; every failure becomes one line on stderr and the documented exit code."""
    signal.signal(signal.SIGTERM, _terminated)
    # pandera looks at pyspark wherever it is installed; Spark carries our shards' results, it never reads a frame.
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    try:
        code = cli.main(args=arguments, prog_name="recoup", standalone_mode=False)
    except click.exceptions.Abort:
        code = _fail("Interrupted. Nothing was half-written; run it again.", INTERRUPTED)
    except KeyboardInterrupt:
        code = _fail("Interrupted. Nothing was half-written; run it again.", INTERRUPTED)
    except click.ClickException as error:
        code = _fail(error.format_message().replace("\n", " "), 2)
    except RecoupError as error:
        code = _fail(str(error), error.exit_code)
    except OSError as error:
        code = _fail(*_sentence_of(error))
    except Exception as error:  # the last line of defence: a bug is named by its place, never by the data it met
        code = _fail(_bug(error), BUG)
    sys.exit(code if isinstance(code, int) else 0)


def _load(params_path: Path) -> Params:
    from pipeline.params import load

    return load(params_path)


def _fail(sentence: str, code: int) -> int:
    if log.handlers:
        log.error(sentence)
    else:
        print(f"ERROR {sentence}", file=sys.stderr)
    return code


def _sentence_of(error: OSError) -> tuple[str, int]:
    place = f" {os.fspath(error.filename)!r}" if isinstance(error.filename, (str, os.PathLike)) else ""
    if error.errno == DISK_FULL:
        return f"The disk is full while writing{place}. Free space and run again; what was published is untouched.", CannotWrite.exit_code
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
    place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace is not None else "an unknown place"
    return f"A bug: {type(error).__name__} at {place}. Set RECOUP_DEBUG=1 for the whole trace (it may hold data) and report it."


def _terminated(*_: object) -> None:
    _fail("Terminated. Nothing was half-written; run it again.", TERMINATED)
    sys.exit(TERMINATED)


class _JsonLines(logging.Formatter):
    """One object a line."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {"level": record.levelname.lower(), "message": record.getMessage(), **getattr(record, "fields", {})}
        return json.dumps(entry, sort_keys=True, default=str)


if __name__ == "__main__":
    main()
