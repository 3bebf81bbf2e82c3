"""The verbs that cross rooms: the whole night (ingest, publish, monitor),
and a filled-in list that comes back into the store.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from features.days import day_number
from features.errors import CannotWrite, LockHeld, RecoupError
from pipeline.intake.ingest import ingest
from pipeline.keeping.retention import retire
from pipeline.night.alarm import Stopped
from pipeline.night.night import Published, publish_night
from pipeline.night.pins import LAST_STAGE, Stamps
from pipeline.night.stages import Stages
from pipeline.outcomes.feedback import Feedback, keep_feedback, read_back
from pipeline.outcomes.monitor import judge
from pipeline.outcomes.monitor_page import write_page
from pipeline.pages.publish import mark_expired
from pipeline.params import Params, Source
from pipeline.store.files import check_folder, private_folder
from pipeline.store.locks import only_run
from pipeline.store.store import Store

log = logging.getLogger("recoup")

REACH = dt.timedelta(7)  # feeds may stop for so long before a day to come looks mistyped


def whole_night(
    source: Source,
    store_path: Path,
    as_of: dt.date,
    out: Path,
    params: Params,
    *,
    accept_volume: str | None = None,
    accept_gap: str | None = None,
) -> Published:
    """Ingest, judge, publish, retire. After a failure the last list stays as it was,
    and a notice beside it says that it has expired.
    """
    stages = Stages()
    check_folder(out)
    with _drawn_if_stopped(out), _old_list_marked(out, store_path, as_of, params):
        with stages.stage("ingest"):
            report = ingest(source, store_path, params, accept_volume=accept_volume, accept_gap=accept_gap)
        log.info(report.text(), extra={"fields": {"stage": "ingest", **report.fields()}})
        published = publish_night(store_path, as_of, out, params, stages=stages, judge=judge)
    end_of_night(store_path, as_of, out, params)
    return published


def night_from_store(store_path: Path, as_of: dt.date, out: Path, params: Params) -> Published:
    """Judge and publish from the store as it is; after a failure as in `whole_night`."""
    check_folder(out)
    with _drawn_if_stopped(out), _old_list_marked(out, store_path, as_of, params):
        return publish_night(store_path, as_of, out, params, judge=judge)


def end_of_night(store_path: Path, as_of: dt.date, out: Path, params: Params) -> None:
    """Draw what the monitor said of the nights (OUT/monitor.html), have retention remove what is too old by a published
    night, and mark that it has. What it leaves to the next
    night, since another run works there, has no mark.
    """
    with only_run(out):
        write_page(out)
    retired = retire(store_path, out, as_of, params)
    if told := retired.text():
        log.info(told)
    stamps = Stamps(out, day_number(as_of))
    published = stamps.read().get("publish")
    if published is not None and not retired.busy:
        with only_run(out):
            stamps.mark({LAST_STAGE: (published["outputs"], {"sha256": hashlib.sha256(told.encode()).hexdigest()})})


@contextmanager
def _drawn_if_stopped(out: Path) -> Iterator[None]:
    """A night that the monitor keeps from being published stands on the monitor's page all the same."""
    try:
        yield
    except Stopped:
        with suppress(CannotWrite, LockHeld), only_run(out):
            write_page(out)
        raise


@contextmanager
def _old_list_marked(out: Path, store_path: Path, as_of: dt.date, params: Params) -> Iterator[None]:
    """The last list is marked from the start, so that it is however the night ends, by a bug, a signal or a power cut;
    publishing takes the mark away. A failure that has a sentence is told in the mark.

    Not where another run holds the folder, nor for a night of a day to come further than REACH from all that was
    delivered: a mistyped day says nothing of today's list.
    """
    if not out.exists() or (as_of > today() and _out_of_reach(store_path, as_of)):
        yield
        return
    _mark(out, as_of, None, params.worklist.language)
    try:
        yield
    except (RecoupError, OSError) as error:
        if not isinstance(error, LockHeld):
            _mark(out, as_of, str(error), params.worklist.language)
        raise


def _mark(out: Path, as_of: dt.date, why: str | None, language: str) -> None:
    with suppress(CannotWrite, LockHeld), only_run(out):  # the night's own failure is what must be told
        mark_expired(out, as_of, why, language)


def today() -> dt.date:
    """By the house's own clock."""
    return dt.datetime.now().astimezone().date()


def _out_of_reach(store_path: Path, as_of: dt.date) -> bool:
    try:
        through = Store(store_path).complete_through().values()
    except RecoupError:
        return False  # a store that does not open cannot tell
    return bool(through) and day_number(as_of) > max(through) + REACH.days


def receive(
    file: Path,
    store_path: Path,
    out: Path,
    params: Params,
    received_at: dt.datetime,
    *,
    night: dt.date | None = None,
    complete: bool = False,
) -> Feedback:
    """Check a filled-in workbook row by row against the published list and ingest what holds.
    The same file again changes nothing.

    received_at: when it came back, aware; known_at of the contacts is never earlier, so that no past night learns of
    them. night: the night it must be of; by default the one the file names. complete: the workbook holds every contact
    of its day, so the contact feed reaches to it; else the feed reaches no further than before. Raises InputMissing
    (66) where file, list or store is absent; ContractError (65) where the file is not a workbook of that list.
    """
    back = read_back(file, store_path, out, received_at, night)
    if back.contacts or back.offers or back.plans or back.callbacks or complete:
        with private_folder() as folder:
            ingest(back.as_delivery(folder, complete), store_path, params, by_hand=True)
    keep_feedback(back, store_path)
    return back.feedback
