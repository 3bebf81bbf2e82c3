"""What a run says to a lineage system: OpenLineage events, a line of JSON each, as its file transport writes them.

START when a night begins, COMPLETE or FAIL when it ends, whatever ended it but a kill. Names of places and counts
alone; no person and no money.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.night.alarm import Stopped, kept_back, stops_of
from pipeline.pages.record import read_manifest

log = logging.getLogger("recoup")

PRODUCER = "urn:recoup:night"  # no package index: there is no page of it
SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
FACETS = "https://openlineage.io/spec/facets/"
OF_RUN = {"nominalTime": "1-0-1/NominalTimeRunFacet", "errorMessage": "1-0-1/ErrorMessageRunFacet"}
OF_OUTPUT = {"outputStatistics": "1-0-2/OutputStatisticsOutputDatasetFacet"}


@dataclass(frozen=True)
class Lineage:
    """The events of one run. place: the file that they are added to; at: aware."""

    place: Path
    as_of: dt.date
    source: str
    out: Path
    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def begins(self, at: dt.datetime) -> None:
        self._add("START", at, {})

    def ends(self, at: dt.datetime, code: int, why: str) -> None:
        """code: the exit code; why: the sentence that goes with it. What the monitor stopped, and what was published
        all the same, is complete; a list of the night from an earlier run is none of this one's.
        """
        folder = self.out / self.as_of.isoformat()
        manifest = read_manifest(folder)
        marked = bool(stops_of(manifest or {})) and folder.name not in kept_back(self.out)
        done = code == 0 or (code == Stopped.exit_code and marked)
        failed = {} if code == 0 else {"errorMessage": {"message": why, "programmingLanguage": "python"}}
        self._add("COMPLETE" if done else "FAIL", at, failed, _outputs(folder, manifest or {}) if done else [])

    def _add(
        self,
        kind: str,
        at: dt.datetime,
        facets: Mapping[str, Mapping[str, Any]],
        outputs: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        night = dt.datetime.combine(self.as_of, dt.time(), dt.UTC)
        nominal = {"nominalStartTime": night.isoformat()}
        event = {
            "eventType": kind,
            "eventTime": at.isoformat(),
            "run": {"runId": self.run_id, "facets": _facets({"nominalTime": nominal, **facets}, OF_RUN)},
            "job": {"namespace": "recoup", "name": "night"},
            "inputs": [{"namespace": "file", "name": self.source}],
            "outputs": list(outputs),
            "producer": PRODUCER,
            "schemaURL": SPEC,
        }
        try:
            self.place.parent.mkdir(parents=True, exist_ok=True)
            with self.place.open("a", encoding="utf-8", newline="\n") as file:
                file.write(json.dumps(event, sort_keys=True) + "\n")
        except OSError as error:
            log.warning("The lineage file cannot be written (%s); the night goes on.", error.strerror)


def _outputs(folder: Path, manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every published file, with its rows and bytes."""
    return [
        {
            "namespace": "file",
            "name": str(folder / name),
            "outputFacets": _facets({"outputStatistics": {"rowCount": said["rows"], "size": said["bytes"]}}, OF_OUTPUT),
        }
        for name, said in sorted(manifest.get("outputs", {}).items())
    ]


def _facets(told: Mapping[str, Mapping[str, Any]], known: Mapping[str, str]) -> dict[str, Any]:
    return {name: {"_producer": PRODUCER, "_schemaURL": _url(known[name]), **facet} for name, facet in told.items()}


def _url(known: str) -> str:
    version, name = known.split("/")
    return f"{FACETS}{version}/{name}.json#/$defs/{name}"
