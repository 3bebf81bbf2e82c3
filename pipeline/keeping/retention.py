"""How long things are kept: `retention` of the params, in days before the night that is run; what is older goes, and
is said to have gone. Nothing goes that a kept night needs to be made again, unless the params say so.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import shutil
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from features.days import day_number, day_of_text
from features.errors import LockHeld
from models.folder import CARD_FILE, digest_of
from pipeline.keeping.compaction import let_go, needed_versions
from pipeline.keeping.refusals import VacuumRefused
from pipeline.night.alarm import replaced_in
from pipeline.night.pins import Stamps
from pipeline.pages.record import CURRENT, MANIFEST, NIGHT, nights, read_manifest, vouch
from pipeline.params import Params
from pipeline.store.champion import MODELS, approvals, read_record
from pipeline.store.commit import recover
from pipeline.store.delta import partition_of
from pipeline.store.erasure import take_out
from pipeline.store.files import sha256_of
from pipeline.store.form import (
    ASSIGNMENTS,
    DECISIONS,
    DRAWS,
    MESSAGES,
    OUTCOMES,
    QUARANTINED,
    TREATED,
    WATCHED,
    row_name,
)
from pipeline.store.locks import only_run
from pipeline.store.store import Store
from pipeline.training.run_evidence import JUDGED_FOLDER, RUNS

log = logging.getLogger("recoup")

REMOVED = "removed"  # event of the record of published nights
GROUPS = {
    "scores": ("scores", WATCHED),
    "draws": (ASSIGNMENTS, DRAWS, OUTCOMES, MESSAGES, TREATED),
    "feedback": ("feedback",),
}


@dataclass(frozen=True)
class Retired:
    """What went: kind -> how many; held: kind -> how many are older, and stay because a kept night needs them.

    waiting: old rows of the quarantine that nobody decided on. busy: another run worked there, so nothing was done.
    """

    gone: Mapping[str, int]
    held: Mapping[str, int]
    waiting: int = 0
    busy: bool = False

    def text(self) -> str:
        if self.busy:
            return "Retention removed nothing, since another run works there: it is left for the next night."
        gone = [f"{count:,} {kind}" for kind, count in self.gone.items() if count]
        held = [f"{count:,} {kind}" for kind, count in self.held.items() if count]
        lines = [f"Retention removed {', '.join(gone)}."] if gone else []
        if held:
            lines.append(
                f"Retention left {', '.join(held)}, though older: kept nights need them to be made again. "
                "retention.even_if_needed of the params removes them all the same."
            )
        if self.waiting:
            lines.append(
                f"Retention left {self.waiting:,} rows of the quarantine, though older: they wait. "
                "Release or discard them with `recoup quarantine`."
            )
        return "\n".join(lines)


def retire(store_path: Path, out: Path, as_of: dt.date, params: Params) -> Retired:
    """Remove what the params' `retention` says is too old on a night. The same again removes nothing, and ends what was
    cut off. While another run works there it is left for the next night: the list is published already.
    """
    work = _Work(Store(store_path), out, day_number(as_of), params)
    if not any(value is not None for name, value in params.retention if name != "even_if_needed"):
        return Retired({}, {})
    try:
        with only_run(work.store.path), only_run(out) if out.exists() else nullcontext():
            recover(work.store)
            work.nights()
            work.tables()
            work.quarantine()
            work.runs()
            work.versions()
    except LockHeld:
        return Retired({}, {}, busy=True)
    return Retired(work.gone, work.held, work.waiting)


@dataclass
class _Work:
    """gone and held, by kind, in the order in which it is done: first nights, then what only they needed."""

    store: Store
    out: Path
    as_of: int
    params: Params
    gone: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    waiting: int = 0

    def _before(self, kind: str) -> int | None:
        """The first day that is kept; None where all is."""
        days = getattr(self.params.retention, kind)
        return None if days is None else self.as_of - days

    def _count(self, where: dict[str, int], kind: str, number: int = 1) -> None:
        where[kind] = where.get(kind, 0) + number

    def _kept_manifests(self) -> list[dict[str, Any]]:
        return [manifest for folder in nights(self.out) if (manifest := read_manifest(folder)) is not None]

    def nights(self) -> None:
        """Published lists, and those kept because somebody altered them; never the one that `current` leads to."""
        first = self._before("nights")
        if first is None:
            return
        for left in self.out.glob(".*.removed"):  # of a run that was cut off; the night may stand again since
            shutil.rmtree(left)
        current = (self.out / CURRENT).resolve().name
        for folder in [place for place in sorted(self.out.glob("*/")) if NIGHT.match(place.name)]:
            if folder.is_symlink() or folder.name == current or not (folder / MANIFEST).is_file():
                continue
            if day_of_text(folder.name[:10]) >= first:
                continue
            if NIGHT.fullmatch(folder.name):
                vouch(self.out, folder.name, sha256_of(folder / MANIFEST), REMOVED, why="retention.nights")
                Stamps(self.out, day_of_text(folder.name)).place.unlink(missing_ok=True)
            leaving = self.out / f".{folder.name}.removed"
            folder.rename(leaving)
            shutil.rmtree(leaving)
            self._count(self.gone, "published nights")

    def tables(self) -> None:
        """Rows that nights wrote. Every kept night stands on the lists and lots of all before it."""
        newest = max((day_of_text(folder.name) for folder in nights(self.out)), default=None)
        for kind, names in GROUPS.items():
            first = self._before(kind)
            if first is None:
                continue
            for name in names:
                partitions = self._older(name, first)
                if kind == "draws" and newest is not None and not self.params.retention.even_if_needed:
                    stays = {one for one in partitions if day_of_text(one) < newest}
                    self._count(self.held, f"nights of {name}", len(stays))
                    partitions -= stays
                if partitions:
                    self._count(self.gone, f"rows of {name}", take_out(self.store, name, _all, partitions))

    def _older(self, name: str, first: int) -> set[str]:
        """Nights of every file on the disk: one that a removal left, cut off, no version names any more."""
        folder = self.store.path / name
        found = {
            partition_of(name, place.relative_to(folder).as_posix()) for place in self.store.delta.every_file(name)
        }
        return {one for one in found if one is not None and day_of_text(one) < first}

    def quarantine(self) -> None:
        """Rows set aside by deliveries that came in before, once released or discarded; their counts stay in the
        deliveries' records. A row that waits stays: what hangs on it would wait no longer, and nobody decided so. Every
        kept night read the quarantine, and waited for what lay in it.
        """
        first = self._before("quarantine")
        if first is None or QUARANTINED not in self.store.delta.names():
            return
        old = {
            record.ingest_id
            for record in self.store.deliveries()
            if day_number(dt.datetime.fromisoformat(record.loaded_at).date()) < first
        }
        if not old:
            return
        told = self.store.read(DECISIONS)
        goes = _decided(old, frozenset() if told.empty else frozenset(told["row"]))
        aside = self.store.read(QUARANTINED)
        ended = goes(pa.Table.from_pandas(aside, preserve_index=False), None).true_count
        self.waiting = int(aside["ingest_id"].isin(old).sum()) - ended
        if nights(self.out) and not self.params.retention.even_if_needed:
            self._count(self.held, "rows of the quarantine", ended)
        else:
            self._count(self.gone, "rows of the quarantine", take_out(self.store, QUARANTINED, goes))

    def runs(self) -> None:
        """Runs and models taught before; never what was approved, could be put back, or ranked a kept night."""
        first = self._before("runs")
        if first is None:
            return
        approved = approvals(self.store.path) if (self.store.path / MODELS).exists() else {}
        manifests = self._kept_manifests()
        ranked = {str(manifest.get("model_sha256")) for manifest in manifests} | set(map(replaced_in, manifests))
        stands = {folder.name for folder in approved}
        for folder in sorted((self.store.path / MODELS).glob("[!.]*/")):
            taught = _taught_on(folder)
            if folder.name in stands or taught is None or taught >= first:
                continue
            if digest_of(folder) in ranked and not self.params.retention.even_if_needed:
                self._count(self.held, "models")
                continue
            shutil.rmtree(folder)
            self._count(self.gone, "models")
        promoted = self._promoted()
        for folder in sorted((self.store.path / RUNS).glob("[!.]*/")):
            taught = _taught_on(folder / JUDGED_FOLDER)
            if folder.name not in promoted and taught is not None and taught < first:
                shutil.rmtree(folder)
                self._count(self.gone, "runs")

    def versions(self) -> None:
        """Files of delivered tables that only versions of deliveries before need, once no kept night is made from them.
        Nothing goes where a kept night does not tell what it was made from.
        """
        first = self._before("versions")
        if first is None:
            return
        try:
            needed = needed_versions(self.store, [self.out], first)
        except VacuumRefused as refused:
            log.warning("retention.versions lets nothing go. %s", refused)
            return
        self._count(self.gone, "files", let_go(self.store, needed)[0])

    def _promoted(self) -> set[str]:
        found, record = set(), read_record(self.store.path) if (self.store.path / MODELS).exists() else None
        while record:
            found.add(str(record["run_id"]))
            record = record["previous"]
        return found


def _taught_on(folder: Path) -> int | None:
    """The last night that a model was taught on; None where its card does not tell, as of the documented prior."""
    try:
        return json.loads((folder / CARD_FILE).read_bytes())["facts"]["fit_last"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _all(rows: pa.Table, _partition: str | None) -> pa.BooleanArray:
    return pa.array([True] * rows.num_rows, pa.bool_())


def _decided(old: set[str], decided: frozenset[str]) -> Callable[[pa.Table, str | None], pa.BooleanArray]:
    """old: ids of deliveries; decided: names of rows that were released or discarded."""

    def leaving(rows: pa.Table, _partition: str | None) -> pa.BooleanArray:
        told = zip(*(rows.column(name).to_pylist() for name in ("ingest_id", "table", "codes", "raw")), strict=True)
        return pa.array([one in old and row_name(*named) in decided for one, *named in told], pa.bool_())

    return leaving
