"""What the monitor makes of a night before it is published, and what a stop does to its list.

The monitor looks back on published nights and stands above them; a night is handed whoever judges it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from features.errors import RecoupError

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.night.score import Job
    from pipeline.night.shards import Worked
    from pipeline.store.store import Store

OK, UNKNOWN, WARN, STOP = "ok", "unknown", "warn", "stop"  # unknown: what has not matured is not ok
SCORE_MOVED = "drift of the score"  # the finding by which the score has left the population that taught it
MARKED, KEEP_LAST, REFUSE = "publish_marked", "keep_last", "refuse"  # monitor.on_stop


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
Judge = Callable[["Store", "Job", "pd.DataFrame", "Sequence[Worked]"], Alarm]


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
    def unpublished(cls, night: dt.date, stops: Sequence[Mapping[str, Any]], on_stop: str) -> Stopped:
        stands = {
            KEEP_LAST: "`current` leads to the last one, marked as expired",
            REFUSE: "`current` leads nowhere until a night is published or a list put back",
        }[on_stop]
        return cls(
            f"The monitor says stop: {_said(stops)} The list of {night} is not published (monitor.on_stop: {on_stop}): "
            f"{stands}. Look into it (`recoup monitor`), then run again."
        )


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


def _said(stops: Sequence[Mapping[str, Any]]) -> str:
    return " ".join(f"{each['name']}: {each['says']}" for each in stops)
