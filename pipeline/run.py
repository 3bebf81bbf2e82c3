"""The verbs that cross rooms: the whole night (ingest, publish, monitor),
and a filled-in list that comes back into the store.
"""

from __future__ import annotations

import datetime as dt
import logging
import tempfile
from contextlib import suppress
from pathlib import Path

from features.errors import CannotWrite, RecoupError
from pipeline.intake.ingest import ingest
from pipeline.night.night import Published, publish_night
from pipeline.night.stages import Stages
from pipeline.outcomes.feedback import Feedback, keep_feedback, read_back
from pipeline.outcomes.monitor import monitor
from pipeline.pages.publish import mark_expired
from pipeline.params import Params
from pipeline.store.files import check_folder

log = logging.getLogger("recoup")


def whole_night(
    source: Path, store_path: Path, as_of: dt.date, out: Path, params: Params, *, accept_volume: str | None = None
) -> Published:
    """Ingest, publish, monitor. After a failure the last list stays as it was,
    and a notice beside it says that it has expired.
    """
    stages = Stages()
    check_folder(out)
    try:
        with stages.stage("ingest"):
            report = ingest(source, store_path, params, accept_volume=accept_volume)
        log.info(report.text())
        published = publish_night(store_path, as_of, out, params, stages=stages)
    except (RecoupError, OSError) as error:
        if out.exists():
            with suppress(CannotWrite):  # the night's own failure is what must be told
                mark_expired(out, as_of, str(error), params.worklist.language)
        raise
    log.info(monitor(store_path, as_of, params).text())
    return published


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
    if back.contacts or complete:
        with tempfile.TemporaryDirectory(prefix="recoup-") as folder:
            ingest(back.as_delivery(Path(folder), complete), store_path, params)
    keep_feedback(back, store_path)
    return back.feedback
