"""Few files in place of many, and none that nothing needs: the store brought together, and what only versions of the
past held let go. Versions that a kept night was made from keep their files.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from features.days import date_of
from features.tables import DELIVERED
from pipeline.keeping.refusals import VacuumRefused
from pipeline.pages.record import nights, read_manifest
from pipeline.store import commit
from pipeline.store.address import called
from pipeline.store.files import unsealed
from pipeline.store.form import ASSIGNMENTS, NIGHTS_IN, QUARANTINED
from pipeline.store.locks import only_run
from pipeline.store.store import Store

KEPT_DELIVERIES = 7  # the newest: whoever began to read after one of them reads on
OF_ITS_DELIVERY = ("debtors", "statuses")  # rows of these that are set aside are judged by what the store held then


@dataclass(frozen=True)
class Compacted:
    """files: data files of the delivered tables as the newest delivery has them, before and after; together: how many
    went into others; gone: files that were let go, and freed: their bytes; kept: how many nights were asked what they
    need, None where nothing was to go.
    """

    files: tuple[int, int]
    together: int
    gone: int = 0
    freed: int = 0
    kept: int | None = None

    def text(self) -> str:
        before, after = self.files
        lines = [f"Brought {self.together:,} files together: {before:,} files of delivered tables are {after:,} now."]
        if not self.together:
            lines = [f"Nothing to bring together: {after:,} files of delivered tables."]
        else:
            lines.append("Deliveries read them at once, nights after the next delivery.")
        if self.kept is not None:
            lines.append(
                f"Let go of {self.gone:,} files ({self.freed / 1e6:,.1f} MB) that neither the last {KEPT_DELIVERIES} "
                f"deliveries nor the {self.kept:,} kept nights need."
            )
        return "\n".join(lines)


def compact(store_path: Path, outs: Sequence[Path], vacuum: bool = False) -> Compacted:
    """Bring all files of a shard together. The same again changes nothing, and ends what was cut off.

    outs: folders of nights of this store, beside those that it remembers. vacuum: let go of what no kept night and none
    of the last deliveries needs. Raises LockHeld (75) while another run works on the store or on one of the folders;
    NotStored (66); VacuumRefused (65) where nobody can tell what a night needs.
    """
    store = Store(store_path)
    with ExitStack() as held:
        for folder in (store.path, *(out for out in outs if out.exists())):
            held.enter_context(only_run(folder))
        commit.recover(store)
        needed = needed_versions(store, outs) if vacuum else {}
        before = _files(store)
        together = commit.compact(store, most=1, growth=math.inf)
        counted = (before, _files(store)), together
        if not vacuum:
            return Compacted(*counted)
        return Compacted(
            *counted, *let_go(store, needed), kept=sum(map(len, map(nights, folders_of_nights(store, outs))))
        )


def needed_versions(store: Store, outs: Sequence[Path], since: int | None = None) -> dict[str, set[int]]:
    """Delivered table -> versions of which no file may go: those of kept nights, of the last deliveries and of all from
    a day on (days since 1970, by when they were loaded), and those by which rows set aside are judged.
    """
    needed: dict[str, set[int]] = {name: set() for name in store.delta.names() if name in DELIVERED}
    folders = [folder for out in folders_of_nights(store, outs) for folder in nights(out)]
    if not folders and len(store.read(ASSIGNMENTS)):
        raise VacuumRefused.no_nights([str(out) for out in outs])
    for folder in folders:
        manifest = read_manifest(folder)
        pinned = None if manifest is None else manifest.get("store_versions")
        if not isinstance(pinned, dict):
            raise VacuumRefused.unreadable(folder.name)
        for name, version in pinned.items():
            if name in needed:
                needed[name].add(version)
    records = store.deliveries()
    last = {record.number for record in records[-KEPT_DELIVERIES:]}
    judged = _judged_by(store)
    for record in records:
        is_kept = record.number in last or (since is not None and record.loaded_at[:10] >= date_of(since).isoformat())
        for name, version in record.versions.items():
            if name in needed and (is_kept or (name, record.ingest_id) in judged):
                needed[name].add(version)
    return needed


def folders_of_nights(store: Store, outs: Sequence[Path]) -> list[Path]:
    """Those named, and those that nights of the store were published into. VacuumRefused where one of these is not
    there: named, it is known to be gone.
    """
    found = {called(out): out for out in outs}
    for place in sorted((store.path / NIGHTS_IN).glob("[0-9a-f]*")):
        told = unsealed(place)["out"]
        if told not in found and not Path(told).is_dir():
            raise VacuumRefused.not_there(told)
        found.setdefault(told, Path(told))
    return list(found.values())


def let_go(store: Store, needed: dict[str, set[int]]) -> tuple[int, int]:
    """Files that went, and their bytes. The caller holds the locks."""
    done = [store.delta.let_go(name, versions) for name, versions in sorted(needed.items())]
    return sum(files for files, _ in done), sum(freed for _, freed in done)


def _judged_by(store: Store) -> Collection[tuple[str, str]]:
    """Table and delivery of the rows set aside that are judged by what the store held after their delivery."""
    aside = store.read(QUARANTINED)
    if aside.empty:
        return set()
    aside = aside[aside["table"].isin(OF_ITS_DELIVERY)]
    return set(zip(aside["table"], aside["ingest_id"], strict=True))


def _files(store: Store) -> int:
    named = [store.delta.named(name) for name in store.delta.names() if name in DELIVERED]
    return sum(map(len, named))
