"""Whether every file of the store is still what was written: each is hashed and compared.
Nothing is changed and no lock is needed.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from features.errors import ContractError, ModelRefused
from models.folder import digest_of, read_folder
from pipeline.store.champion import MODELS, approvals
from pipeline.store.delta import (
    CHECKPOINT,
    DELTA_LOG,
    ON_ITS_WAY,
    SEALS,
    STAND_INS,
    VACUUMED,
    DeltaTables,
    partition_of,
)
from pipeline.store.files import sha256_of, unsealed
from pipeline.store.forgotten import forgotten
from pipeline.store.form import TERMS
from pipeline.store.record import DELIVERIES, Delivered, read_records
from pipeline.store.refusals import NoStore, NotStored, StoreDamaged
from pipeline.store.store import CARD, PENDING

_NAMED = re.compile(r"-([0-9a-f]{8,})$")  # a model's version ends with the beginning of its sha256
UNENDED = "A forgetting was begun and has not ended: run `recoup forget` for that debtor again."
RECORDS, LOG_ENTRIES, DATA, MODEL_FOLDERS = "records", "log entries", "data files", "model folders"
KEPT_TERMS = "kept params and rules"


@dataclass
class Examined:
    """Kind of file -> how many were looked at; a sentence for each that is damaged or gone,
    and for what is no damage.
    """

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @contextmanager
    def one(self, kind: str) -> Iterator[None]:
        self.counts[kind] += 1
        try:
            yield
        except (ContractError, ModelRefused) as damage:
            self.faults.append(str(damage))

    def add(self, other: Examined) -> None:
        self.counts += other.counts
        self.faults += other.faults
        self.notes += other.notes


def examine_store(path: Path) -> Examined:
    """Records, log entries and data files of every version, and the models.
    NotStored or NoStore where there is no store.
    """
    if not path.exists():
        raise NotStored.store(str(path))
    if not (path / CARD).exists():
        raise NoStore.card(str(path))
    found, delta = Examined(), DeltaTables(path)
    if (path / PENDING).exists():
        found.notes.append(str(NotStored.cut_off(str(path))))
    delivered = _records(path, found)
    for name in sorted({*delta.names(), *delivered}):
        _table(delta, name, delivered.get(name, 0), found)
    _models(path, found)
    _terms(path, found)
    return found


def _records(path: Path, found: Examined) -> dict[str, int]:
    """The sealed files; hands back the versions of the delivered tables after the newest delivery that can be read."""
    card: dict[str, Any] = {}
    for name in (CARD, PENDING):
        if (path / name).exists():
            with found.one(RECORDS):
                held = unsealed(path / name)
                card = held if name == CARD else card
    if card.get("forgets"):
        with found.one(RECORDS):
            if forgotten(path).unended():
                found.notes.append(UNENDED)
    versions: dict[str, int] = {}
    places = {
        int(place.name[:6]): place
        for place in sorted((path / DELIVERIES).glob("??????-*.json"))
        if place.name[:6].isdecimal()
    }
    for number in range(1, max(places, default=0) + 1):
        with found.one(RECORDS):
            if number not in places:
                raise StoreDamaged.gone(f"{DELIVERIES}/{number:06d}")
            versions = dict(Delivered.read(unsealed(places[number])).versions)
    if places and not found.faults:
        with found.one(RECORDS):
            read_records(path, ends=not (path / PENDING).exists())
    return versions


def _table(delta: DeltaTables, name: str, delivered: int, found: Examined) -> None:
    """Every entry of the table's log against its seal, and every data file that any of them brought in."""
    log, seals = delta.path / name / DELTA_LOG, delta.path / name / SEALS
    broken, unsealed_ones, paths = set(delta.broken_entries(name)), set(delta.unsealed_entries(name)), set()
    if (seals / ON_ITS_WAY).exists():
        found.notes.append(f"A write into table {name!r} was cut off, or is on its way: the next one ends it.")
    first, kept = 0, frozenset()
    with found.one(RECORDS) if (delta.path / name / VACUUMED).exists() else nullcontext():
        first, kept = delta.whole_versions(name)
    newest = max((int(entry.stem) for entry in (*log.glob("[0-9]*.json"), *seals.glob("[0-9]*"))), default=0)
    for number in range(max(newest, delivered) + 1):
        entry = log / f"{number:020d}.json"
        where = f"{name}/{DELTA_LOG}/{entry.name}"
        with found.one(LOG_ENTRIES):
            if not entry.exists():
                raise StoreDamaged.gone(where)
            if entry.name in broken:
                raise StoreDamaged.log_entry(where)
            brought_in = _brought_in(entry, where)
            paths.update(brought_in if number > first or not first else ())
            if entry.name in unsealed_ones:
                raise StoreDamaged.seal_gone(where)
    _checkpoints(delta, name, unsealed_ones, found)
    for version in sorted({first, *kept}) if first else ():  # of those before, a vacuum left no more
        with found.one(RECORDS):
            paths.update(delta.named(name, version))
    with found.one(RECORDS) if (delta.path / name / STAND_INS).exists() else nullcontext():
        paths = delta.standing(name, paths)
    for path in sorted(paths):
        with found.one(DATA):
            partition_of(name, path)
            delta.check_sound(delta.path / name / path)


def _checkpoints(delta: DeltaTables, name: str, unsealed_ones: set[str], found: Examined) -> None:
    """What the log comes to, at the versions where it is written down: against its seal."""
    seals = (delta.path / name / SEALS).glob(f"[0-9]*{CHECKPOINT}")
    for version in sorted({*delta.checkpoints(name), *(int(place.stem) for place in seals)}):
        place = f"{version:020d}{CHECKPOINT}.parquet"
        with found.one(LOG_ENTRIES):
            if not (delta.path / name / DELTA_LOG / place).exists():
                raise StoreDamaged.gone(f"{name}/{DELTA_LOG}/{place}")
            if place in unsealed_ones:
                raise StoreDamaged.seal_gone(f"{name}/{DELTA_LOG}/{place}")
            if not delta.is_checkpoint_sound(name, version):
                raise StoreDamaged.log_entry(f"{name}/{DELTA_LOG}/{place}")


def _brought_in(entry: Path, where: str) -> list[str]:
    """The data files, by their path in the table, that an entry of the log adds."""
    try:
        actions = [json.loads(line) for line in entry.read_text(encoding="utf-8").splitlines()]
        return [unquote(action["add"]["path"]) for action in actions if "add" in action]
    except (ValueError, KeyError, TypeError):
        raise StoreDamaged.log_entry(where) from None


def _terms(path: Path, found: Examined) -> None:
    """Kept params, overlays and signatures: each is named after its sha256."""
    for place in sorted((path / TERMS).glob("[0-9a-f]*")):
        with found.one(KEPT_TERMS):
            if sha256_of(place) != place.name:
                raise StoreDamaged.differs(f"{TERMS}/{place.name}")


def _models(path: Path, found: Examined) -> None:
    """The champion and those before it as approved, and every other model whose folder is named after its sha256."""
    approved: dict[Path, str] = {}
    if (path / MODELS).exists():
        with found.one(RECORDS):
            approved = approvals(path)
    for folder, sha256 in approved.items():
        with found.one(MODEL_FOLDERS):
            read_folder(folder, sha256)
    for folder in sorted((path / MODELS).glob("[!.]*/")):
        named = _NAMED.search(folder.name)
        if folder not in approved and named:
            with found.one(MODEL_FOLDERS):
                if not digest_of(folder).startswith(named[1]):
                    raise ModelRefused.other_than_named(str(folder))
