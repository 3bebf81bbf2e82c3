"""What the monitor makes of a night before it is published, and what a stop does to its list.

The monitor looks back on published nights and stands above them; a night is handed whoever judges it.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.errors import RecoupError
from pipeline.store.files import only_owner_reads, write_whole

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.night.score import Job
    from pipeline.night.shards import Finished
    from pipeline.store.store import Store

OK, UNKNOWN, WARN, STOP = "ok", "unknown", "warn", "stop"  # unknown: what has not matured is not ok
SCORE_MOVED = "drift of the score"  # the finding by which the score has left the population that taught it
MARKED, KEEP_LAST, REFUSE = "publish_marked", "keep_last", "refuse"  # monitor.on_stop
KEPT_BACK = ".kept-back.json"  # nights that the monitor has kept from being published
STOPPED = ".stopped.json"  # what was found of such nights, for as long as none of their runs is published
MOST_STOPPED = 120
# What of a night's manifest is kept where it is not published: figures of the whole, and no person's; of its warnings,
# which may name accounts, how many they are.
KEPT_OF_IT = ("model", "monitor", "accounts_known", "counts", "tables", "warned")


@dataclass(frozen=True)
class Alarm:
    """The verdict, and what it rests on as the manifest keeps it: name, verdict, says, figures of each finding."""

    verdict: str
    findings: Sequence[Mapping[str, Any]]
    text: str

    @property
    def stops(self) -> list[Mapping[str, Any]]:
        return [each for each in self.findings if each["verdict"] == STOP]

    @property
    def strangers(self) -> bool:
        """Whether tonight's accounts are others than those who taught the score: its ranks say nothing of them."""
        return any(each["name"] == SCORE_MOVED for each in self.stops)

    def told(self) -> dict[str, Any]:
        return {"verdict": self.verdict, "findings": [dict(each) for each in self.findings]}


# (store as pinned, job, what the night is to remember of its assignments, its shards) -> what the monitor says.
Judge = Callable[["Store", "Job", "pd.DataFrame", "Sequence[Finished]"], Alarm]


class Stopped(RecoupError):
    """The monitor's verdict is stop: published all the same and marked, or not at all, as monitor.on_stop says."""

    exit_code = 78

    @classmethod
    def marked(cls, night: dt.date, stops: Sequence[Mapping[str, Any]]) -> Stopped:
        return cls(
            f"The monitor says stop: {_said(stops)} The list of {night} is published and marked so. Look into it "
            "(`recoup monitor`) before its ranks are relied on."
        )

    @classmethod
    def unpublished(cls, night: dt.date, stops: Sequence[Mapping[str, Any]], on_stop: str, last: str | None) -> Stopped:
        """last: the night that `current` leads to, None where it leads nowhere."""
        nowhere = on_stop == REFUSE and (last is None or last <= night.isoformat())
        stands = (
            "`current` leads nowhere until a night is published or a list put back"
            if nowhere
            else _still(night.isoformat(), last)
        )
        return cls(
            f"The monitor says stop: {_said(stops)} The list of {night} is not published (monitor.on_stop: {on_stop}): "
            f"{stands}. Look into it (`recoup monitor`), then run again."
        )


def kept_back(out: Path) -> list[str]:
    """Nights that the monitor has kept from being published since the newest list before them, oldest first."""
    try:
        told = json.loads((out / KEPT_BACK).read_bytes())
    except (OSError, ValueError):
        return []
    return sorted(map(str, told)) if isinstance(told, list) else []


def stopped_nights(out: Path) -> dict[str, Mapping[str, Any]]:
    """Night -> what was found of it, of the newest MOST_STOPPED that the monitor kept from being published and of which
    no run was published since, oldest first.
    """
    try:
        told = json.loads((out / STOPPED).read_bytes())
    except (OSError, ValueError):
        return {}
    held = told.items() if isinstance(told, dict) else ()
    return {night: found for night, found in sorted(held) if isinstance(found, dict) and "monitor" in found}


def keep_back(out: Path, night: dt.date, manifest: Mapping[str, Any] | None = None) -> None:
    """Remember that the monitor kept a night from being published, and what was found of it. The caller holds the lock
    of OUT.
    """
    write_whole(out / KEPT_BACK, json.dumps(sorted({*kept_back(out), night.isoformat()})) + "\n")
    if manifest is not None:
        told = {**manifest, "warned": len(manifest.get("warnings", ()))}
        found = {name: told[name] for name in KEPT_OF_IT if name in told}
        _remember_stopped(out, {**stopped_nights(out), night.isoformat(): found})


def _remember_stopped(out: Path, nights: Mapping[str, Mapping[str, Any]]) -> None:
    if nights:
        newest = dict(sorted(nights.items())[-MOST_STOPPED:])
        with only_owner_reads():
            write_whole(out / STOPPED, json.dumps(newest, sort_keys=True, ensure_ascii=False) + "\n")
    else:
        (out / STOPPED).unlink(missing_ok=True)


def let_go(out: Path, night: dt.date) -> None:
    """A night is published: forget that it, or one before it, was kept back, and what was found of it then. The caller
    holds the lock of OUT.
    """
    found = stopped_nights(out)
    if found.pop(night.isoformat(), None) is not None:
        _remember_stopped(out, found)
    held = kept_back(out)
    later = [each for each in held if each > night.isoformat()]
    if later and later != held:
        write_whole(out / KEPT_BACK, json.dumps(later) + "\n")
    elif not later:
        (out / KEPT_BACK).unlink(missing_ok=True)


def stops_of(manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Findings for which the monitor stopped a published night; of one that it let pass, or never judged, none."""
    told = manifest.get("monitor")
    found = told.get("findings", []) if isinstance(told, dict) else []
    return [each for each in found if each["verdict"] == STOP]


def replaced_in(manifest: Mapping[str, Any]) -> str | None:
    """sha256 of the champion in whose place the age-band table ranked a night; None where the champion did."""
    told = manifest.get("monitor")
    left = told.get("instead_of") if isinstance(told, dict) else None
    return str(left["sha256"]) if isinstance(left, dict) else None


def _still(night: str, last: str | None) -> str:
    """What `current` does where a list is not published and the last one is kept."""
    if last is None:
        return "no list is published to lead `current` to"
    if last < night:
        return f"`current` leads to the last one, of {last}, marked as expired"
    if last == night:
        return "`current` leads to the list of this night that was published before"
    return f"`current` leads to the list of {last}, as before"


def _said(stops: Sequence[Mapping[str, Any]]) -> str:
    return " ".join(f"{each['name']}: {each['says']}" for each in stops)
