"""What a night tells a monitoring system: a file in the text format of Prometheus, as its node exporter collects it.

Counts, seconds and days alone: no person, no money, no name of a book.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from features.days import DAY_US, day_number, instant_of
from pipeline.night.alarm import OK, STOP, UNKNOWN, WARN, Stopped, kept_back, stopped_nights
from pipeline.pages.record import newest, read_manifest
from pipeline.status import verdict_of
from pipeline.store.files import whole_file

log = logging.getLogger("recoup")

Samples = Mapping[str, int | float]  # labels -> value
SCALE = "-1 unknown, 0 ok, 1 warn, 2 stop"
VERDICTS = {UNKNOWN: -1, OK: 0, WARN: 1, STOP: 2}


def write_metrics(place: Path, out: Path, as_of: dt.date, code: int, seconds: float, at: dt.datetime) -> None:
    """The file whole, or the one before. code: of the run that ended at this instant (aware) after so many seconds. A
    place that cannot be written is a warning: the night ended as it did.
    """
    try:
        lines = [line for metric in _metrics(out, as_of, code, seconds, at) for line in _lines(*metric)]
        _make_readable(place.parent)
        with whole_file(place) as draft:
            draft.write_text("\n".join([*lines, ""]), encoding="utf-8", newline="\n")
            draft.chmod(0o644)  # whoever collects it is another user, and nobody stands in it
    except OSError as error:
        log.warning("The metrics file cannot be written (%s); the one before stands.", error.strerror)


def _make_readable(folder: Path) -> None:
    """A folder that is missing, and those above it, open to whoever collects the file."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir()
        each.chmod(0o755)


def _metrics(
    out: Path, as_of: dt.date, code: int, seconds: float, at: dt.datetime
) -> Iterator[tuple[str, str, Samples]]:
    """(name, what it is, samples). What a night holds is told of one that is published: exit code 0, or 78 of one that
    the monitor stopped, whether or not its list came to be published. A list that no longer holds leaves 0, not
    nothing: an alarm on a series that is gone never sounds.
    """
    yield "run_exit_code", "Exit code of the last run, 0 when the night is published.", {"": code}
    yield "run_end_timestamp_seconds", "When the last run ended.", {"": round(at.timestamp())}
    yield "run_seconds", "How long the last run took.", {"": round(seconds, 3)}
    yield "run_as_of_timestamp_seconds", "The night that the last run was for.", {"": _instant(as_of)}
    stopped = stopped_nights(out).get(as_of.isoformat()) if code == Stopped.exit_code else None
    told = STOP if code == Stopped.exit_code else verdict_of(out, as_of) if code == 0 else None
    yield "run_verdict", f"What the monitor said of the last run's night: {SCALE}.", {"": VERDICTS[told or UNKNOWN]}
    yield "nights_kept_back", "Nights kept from being published since the newest list.", {"": len(kept_back(out))}
    led = newest(out)
    day = None if led is None else dt.date.fromisoformat(led)
    holds = "The night whose list holds, 0 where none does."
    yield "list_as_of_timestamp_seconds", holds, {"": 0 if day is None else _instant(day)}
    said = None if day is None else verdict_of(out, day)
    yield "list_verdict", f"What the monitor said of that list: {SCALE}.", {"": VERDICTS[said or UNKNOWN]}
    manifest = read_manifest(out / as_of.isoformat()) if code in (0, Stopped.exit_code) else None
    night = stopped or manifest
    if night is not None:
        yield from _of_the_night(night)


def _of_the_night(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str, Samples]]:
    known, counts = manifest["accounts_known"], manifest["counts"]
    yield "accounts_known", "Accounts by what the night found them to be.", _labelled("state", known)
    yield "accounts", "Scorable accounts by where the night put them.", _labelled("group", counts)
    yield "warnings", "Warnings of the night.", {"": manifest.get("warned", len(manifest.get("warnings", ())))}
    for what in ("rows_in", "accepted", "quarantined", "duplicates", "forgotten"):
        found = {table["name"]: table[what] for table in manifest["tables"]}
        yield f"delivery_{what}", f"Rows of the night's delivery: {what}.", _labelled("table", found)
    took = {stage["stage"]: stage["seconds"] for stage in manifest.get("run", {"stages": ()})["stages"]}
    if took:
        yield "stage_seconds", "How long each stage took when the night was made.", _labelled("stage", took)


def _labelled(label: str, values: Mapping[str, int | float]) -> Samples:
    return {f'{{{label}="{name}"}}': value for name, value in sorted(values.items())}


def _instant(day: dt.date) -> int:
    """Seconds since 1970 of the day's beginning in UTC."""
    return int(instant_of(day_number(day) * DAY_US).timestamp())


def _lines(name: str, what: str, samples: Samples) -> list[str]:
    head = [f"# HELP recoup_{name} {what}", f"# TYPE recoup_{name} gauge"]
    return [*head, *(f"recoup_{name}{labels} {value}" for labels, value in samples.items())]
