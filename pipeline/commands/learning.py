"""Commands of the analyst: features, labelled panel, models and their promotion."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click import option

from features.errors import InputMissing
from pipeline.commands.table import AS_OF, COHORT, FOLDER, NIGHTS, PLACE, STORE, command, log, needs, whole_numbers
from pipeline.languages import languages

if TYPE_CHECKING:
    from pipeline.params import Params

TRAINING = ("mlflow", "optuna", "shap", "woodelf", "matplotlib", "sklearn")


@command(
    STORE,
    AS_OF,
    option("--out", "file", type=PLACE, help="Parquet file to write: account_id, as_of, features."),
    option("--explain", "feature", metavar="NAME", help="Print the events behind one cell instead."),
    option("--account", help="The account of the cell."),
    use="look",
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
    COHORT,
    use="look",
)
def dataset(params: Params, store: Path, file: Path, horizons: str | None, cohort: str) -> None:
    """The labelled panel: account_id, debtor_id, as_of, features, labels, split; prints label rates,
    coverage and maturity.
    """
    if cohort == "watch":
        from pipeline.panel.watch import write_watch_panel

        if horizons is not None:
            raise click.UsageError("--horizons are of the scorable cohort; watch.late_days says when one is late.")
        click.echo(write_watch_panel(store, file, params))
        return
    needs("matplotlib")
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
    needs(*TRAINING)
    from pipeline.training.train import train_from_store

    run = train_from_store(store, params, trials or 0)
    click.echo(run.text())
    click.echo(run.run_id)


@command(
    STORE,
    NIGHTS,
    option(
        "--on",
        "least",
        type=click.Choice(["warn", "stop"]),
        help="Only where the monitor's verdict on the last night is this or worse.",
    ),
    option("--by", help="Who answers for it [default: the login name]."),
    option("--why", default="on schedule", show_default=True, help="Why; recorded where it is promoted."),
)
def retrain(params: Params, store: Path, out: Path, least: str | None, by: str | None, why: str) -> None:
    """Teach a challenger and make it the champion if the gates allow, else say why not: for a timer.

    Exit 0 whether it is promoted or not; 75 where another one is at it.
    """
    if least is not None and (told := _calm(out, least)) is not None:
        click.echo(told)
        return
    import getpass
    from functools import partial

    needs(*TRAINING)
    from pipeline.training import retrain as room
    from pipeline.training.train import train_from_store

    when = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    decision = {"who": by or getpass.getuser(), "why": why, "when": when}
    click.echo(room.retrain(store, params, partial(train_from_store, store, params), **decision).text())


def _calm(out: Path, least: str) -> str | None:
    """Why nothing is taught by the verdict on the last night; None where it is as bad as that. Of a night that
    the monitor kept from being published, it is stop.
    """
    from pipeline.night.alarm import kept_back
    from pipeline.pages.record import nights
    from pipeline.status import verdict_of

    last = max((folder.name for folder in nights(out)), default=None)  # also where an older list was put back
    stopped = max(kept_back(out), default="")
    if stopped and stopped >= (last or ""):
        return None
    found = None if last is None else verdict_of(out, dt.date.fromisoformat(last))
    if found in ("warn", "stop") and not (least == "stop" and found == "warn"):
        return None
    told = f"The verdict on the list of {last} is {found or 'not told'}"
    told = "No list is published" if last is None else told
    return f"{told}: nothing is taught, since --on {least} asks for {least}{'' if least == 'stop' else ' or stop'}."


@command(
    option("--run", "run_id", required=True, help="The run id that `recoup train` printed."),
    STORE,
    option("--truth", type=FOLDER, help="truth/ of a simulated source: adds the best possible."),
    option("--out", "page", type=PLACE, help="Also write the HTML report here."),
)
def evaluate(params: Params, run_id: str, store: Path, truth: Path | None, page: Path | None) -> None:
    """The report of a run again."""
    needs(*TRAINING)
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

    needs("mlflow")
    from pipeline.training import registry

    if rollback == (run_id is not None):
        raise click.UsageError("Give either --run ID or --rollback.")
    if rollback and not why.strip():
        raise click.UsageError("--rollback is recorded with --why REASON.")
    when = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    decision = {"who": by or getpass.getuser(), "why": why, "when": when}
    click.echo(
        registry.rollback(store, params, **decision)
        if rollback
        # pyrefly: ignore[bad-argument-type]
        else registry.promote(store, run_id, params, **decision)
    )


@command(
    STORE,
    option("--out", "folder", type=FOLDER, required=True, help="Folder for the page, insight.json and findings.csv."),
    option("--language", type=click.Choice(languages()), help="[default: worklist.language]"),
    use="look",
)
def insight(params: Params, store: Path, folder: Path, language: str | None) -> None:
    """Why debts go bad: which facts of their opening go with it, judged on later accounts; vintages, roll rates, first
    payments, cut-offs."""
    from pipeline.insight.insight_page import write_insight
    from pipeline.store.files import check_folder

    check_folder(folder)
    click.echo(write_insight(store, folder, params, language))
