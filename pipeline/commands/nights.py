"""Commands of the operator: a night, its outcomes and its checks."""

from __future__ import annotations

import datetime as dt
import json
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click import option

from features.errors import LockHeld
from pipeline.commands.ending import TERMINATED, ending
from pipeline.commands.places import brought_in
from pipeline.commands.table import (
    ACCEPT_GAP,
    ACCEPT_VOLUME,
    AS_OF,
    COHORT,
    DAY,
    KEPT,
    NIGHTS,
    PLACE,
    SOURCE,
    STORE,
    command,
    date,
    moment,
)
from pipeline.languages import languages

if TYPE_CHECKING:
    from pipeline.night.terminal import Published
    from pipeline.params import Params

log = logging.getLogger("recoup")


@command(
    STORE,
    AS_OF,
    option("--out", type=PLACE, required=True, help="Folder; scores.parquet (or watch.parquet) is written in it."),
    COHORT,
    use="look",
)
def score(params: Params, store: Path, as_of: dt.date, out: Path, cohort: str) -> None:
    """Score every scorable account with the champion, or the age-band baseline without one."""
    from pipeline.night.score import write_scores
    from pipeline.store.files import check_folder

    check_folder(out)
    if cohort == "watch":
        from pipeline.night.watch import write_watch_scores

        click.echo(write_watch_scores(store, as_of, out, params))
        return
    click.echo(write_scores(store, as_of, out, params))


@command(STORE, AS_OF, NIGHTS)
def worklist(params: Params, store: Path, as_of: dt.date, out: Path) -> None:
    """Publish the ranked, explained list of a night from the store as it is; exit 78 where the monitor says stop."""
    from pipeline.run import night_from_store

    with _gone_if_nothing(out):
        _told(night_from_store(store, as_of, out, params))


def _told(published: Published, as_json: bool = False) -> None:
    """A published night on the terminal; Stopped where the monitor says stop of it."""
    from pipeline.night.alarm import Stopped, stops_of

    click.echo(_as_json(published.folder) if as_json else published.text(sys.stdout.isatty()))
    if stops := stops_of(published.night.manifest):
        raise Stopped.marked(published.night.as_of, stops)


@command(
    SOURCE,
    STORE,
    AS_OF,
    NIGHTS,
    ACCEPT_VOLUME,
    ACCEPT_GAP,
    option("--dry-run", is_flag=True, help="Say what would happen, how long and with what; write nothing."),
    option(
        "--metrics",
        type=click.Path(path_type=Path, readable=False),
        help="A file of counts for Prometheus (NAME.prom), written however the night ends.",
    ),
    option(
        "--lineage",
        type=click.Path(path_type=Path, readable=False),
        help="A file (NAME.jsonl) that OpenLineage events are added to: START, and COMPLETE or FAIL.",
    ),
    option("--json", "as_json", is_flag=True, help="Tell the published night as JSON."),
    name="run",
)
def run_night(
    params: Params,
    source: Path,
    store: Path,
    as_of: dt.date,
    out: Path,
    dry_run: bool,
    metrics: Path | None,
    lineage: Path | None,
    as_json: bool,
    **accepted: str | None,
) -> None:
    """The whole night: ingest, score, monitor, work list. A finished one again is proven to be so and left alone. Exit
    78 where the monitor says stop.
    """
    if dry_run:
        from pipeline.outlook import outlook

        click.echo(outlook(source, store, as_of, out, params).text())
        return
    from pipeline.store.locks import only_run

    with _summed_up(as_of, source, out, metrics, lineage), _gone_if_nothing(out):
        if not out.is_dir():
            from pipeline.store.files import check_folder

            check_folder(out)
            out.mkdir(parents=True, exist_ok=True)
        with only_run(out):  # before anything is hashed or loaded: of several starts one alone pays for it
            _night(params, source, store, as_of, out, accepted, as_json)
            brought_in(click.get_current_context())


def _as_json(folder: Path) -> str:
    from pipeline.status import told_of

    return json.dumps(told_of(folder.parent, dt.date.fromisoformat(folder.name)), indent=1, ensure_ascii=False)


@contextmanager
def _gone_if_nothing(out: Path) -> Iterator[None]:
    """A folder of lists that a run has made and could not fill goes again when it fails."""
    there = out.exists()
    try:
        yield
    except BaseException:
        from pipeline.store.locks import LOCK, only_run

        if not there and out.is_dir() and {entry.name for entry in out.iterdir()} <= {LOCK}:
            with suppress(OSError, LockHeld), only_run(out):
                (out / LOCK).unlink(missing_ok=True)
                out.rmdir()
        raise


@contextmanager
def _summed_up(
    as_of: dt.date, source: Path | str, out: Path, metrics: Path | None, lineage: Path | None
) -> Iterator[None]:
    """However the run ends: one line `run_summary` in the log, the metrics file, the events of lineage; but for one who
    meets another run's lock, for that run will tell. A place that cannot be written takes no night away.
    """
    began, code, why, events = time.perf_counter(), 0, "", None
    if lineage is not None:
        from pipeline.lineage import Lineage

        events = Lineage(lineage, as_of, str(source), out)
        events.begins(dt.datetime.now(dt.UTC))
    try:
        yield
    except BaseException as error:
        why, code = ending(error)
        raise
    finally:
        seconds = time.perf_counter() - began
        if code not in (LockHeld.exit_code, TERMINATED):  # a signal's sentence is the last one already
            from pipeline.status import summary

            fields = {**summary(out, as_of, code), "seconds": round(seconds, 3)}
            told = " ".join(f"{name}={value}" for name, value in fields.items())
            log.info("run_summary %s", told, extra={"fields": {"event": "run_summary", **fields}})
        if code != LockHeld.exit_code and metrics is not None:
            from pipeline.metrics import write_metrics

            write_metrics(metrics, out, as_of, code, seconds, dt.datetime.now(dt.UTC))
        if events is not None:
            events.ends(dt.datetime.now(dt.UTC), code, why)


def _night(
    params: Params,
    source: Path,
    store: Path,
    as_of: dt.date,
    out: Path,
    accepted: Mapping[str, str | None],
    as_json: bool,
) -> None:
    from pipeline.finished import finished

    found = finished(source, store, as_of, out, params)
    if found is not None and not found.changed:
        from pipeline.night.alarm import let_go
        from pipeline.night.pins import clear_shelves

        clear_shelves(out)
        let_go(out, as_of)
        if not found.retired:
            from pipeline.run import end_of_night

            end_of_night(store, as_of, out, params)
        click.echo(_as_json(found.folder) if as_json else found.text())
        if found.stops:
            from pipeline.night.alarm import Stopped

            raise Stopped.marked(as_of, found.stops)
        return
    if found is not None:
        log.info("The night of %s is published and is made again. Changed since: %s.", as_of, ", ".join(found.changed))
    from pipeline.run import whole_night

    _told(whole_night(source, store, as_of, out, params, **accepted), as_json)


@command(
    option("--file", type=PLACE, required=True, help="The filled-in workbook, worklist.xlsx of a published night."),
    STORE,
    NIGHTS,
    option(
        "--as-of",
        "night",
        type=DAY,
        callback=date,
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
    option(
        "--days",
        type=click.IntRange(1, 3660),
        default=30,
        show_default=True,
        help="Days before the night that the pages tell of.",
    ),
    option("--out", type=KEPT, help="Folder of published nights; the pages go to reports/ in it [default: paths.out]."),
    option("--language", type=click.Choice(languages()), help="[default: worklist.language]"),
    option("--mail", is_flag=True, help="Also a message (.eml) with each page but the summary; nothing is sent."),
)
def report(params: Params, store: Path, as_of: dt.date, days: int, out: Path, language: str | None, mail: bool) -> None:
    """The manager's summary, a page for each client (where the money came from, what work added, what comes next) and
    one of the collectors.
    """
    from pipeline.outcomes.book_pages import write_reports

    click.echo(write_reports(store, out, as_of, days, params, language, mail) / "summary.html")


@command(
    STORE,
    AS_OF,
    option("--json", "as_json", is_flag=True, help="The same as JSON, with every figure."),
    option("--draw", "picture", type=PLACE, help="Also draw what another message does into this SVG file."),
    use="look",
)
def monitor(params: Params, store: Path, as_of: dt.date, as_json: bool, picture: Path | None) -> None:
    """Drift, calibration and realised value of matured lists, the control group; verdict ok, unknown, warn or stop."""
    from pipeline.outcomes.fatigue_curve import drawing
    from pipeline.outcomes.findings import findings_on
    from pipeline.outcomes.monitor import look_back
    from pipeline.store.files import check_folder, write_whole

    if picture is not None:
        if params.reminders is None:
            raise click.UsageError("--draw shows what messages do: the params have no reminders.")
        check_folder(picture.parent)
    seen = look_back(store, as_of, params)
    found = findings_on(seen, as_of, params)
    if picture is not None and seen.tired is not None:
        write_whole(picture, drawing(seen.tired))
    click.echo(json.dumps(found.told(), indent=1, ensure_ascii=False) if as_json else found.text())


@command(
    NIGHTS,
    option("--rollback", "night", type=DAY, required=True, callback=date, help="The kept night to lead back to."),
    option("--by", required=True, help="Who decides."),
    option("--why", required=True, help="Why; recorded."),
)
def publish(params: Params, out: Path, night: dt.date, by: str, why: str) -> None:
    """Have `current` lead to a kept night again; who and why is recorded. The list keeps its day, and says so."""
    from pipeline.pages.publish import roll_back

    now = dt.datetime.now(dt.UTC)
    click.echo(roll_back(out, night, by, why, now, params.worklist.language))


JSON = option("--json", "as_json", is_flag=True, help="The same as JSON.")


@command(STORE, NIGHTS, JSON, use="look")
def status(params: Params, store: Path, out: Path, as_json: bool) -> None:
    """How things stand: the last list and its verdict, feeds, who is at work, disk, the next change of law. Nothing is
    written; exit 0 whatever it finds.
    """
    from pipeline.status import status as look

    found = look(store, out, params, dt.datetime.now().astimezone())
    click.echo(found.told() if as_json else found.text())


@command(NIGHTS, JSON, use="look")
def runs(params: Params, out: Path, as_json: bool) -> None:
    """Every night that is published, or that the monitor kept from it: what it was made with, how much it listed, what
    the monitor said of it.
    """
    from pipeline.status import runs as found_in

    _tell(found_in(out), as_json, "No night is published.")


@command(STORE, JSON, use="look")
def models(params: Params, store: Path, as_json: bool) -> None:
    """Every model beside the store: the champion, those approved before, and what was kept besides; who approved it."""
    from pipeline.status import models as found_in

    _tell(found_in(store), as_json, "There is no model yet. `recoup train` teaches one.")


def _tell(rows: list[dict[str, Any]], as_json: bool, nothing: str) -> None:
    """Rows of one shape as a table, or as JSON."""
    if as_json:
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    if not rows:
        click.echo(nothing)
        return
    cells = [[*rows[0]], *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    return "yes" if value is True else "" if value is None or value is False else str(value)


@command(STORE, NIGHTS, use="look")
def verify(params: Params, store: Path, out: Path) -> None:
    """Every file of the store, the models and the published nights against its sha256; exit 65 where one is damaged."""
    from pipeline.verify import verify as look

    found = look(store, out)
    click.echo(found.text())
    found.check()
