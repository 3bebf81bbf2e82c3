"""What the store keeps of every delivery beside its rows: how far each table reaches after it,
and where it came from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline.store.files import bytes_of, sealed, sha256_of, unsealed, unsealed_bytes, write_whole
from pipeline.store.refusals import StoreDamaged

DELIVERIES, NEWEST = "deliveries", "newest.json"


@dataclass(frozen=True)
class State:
    """What the store knows after a delivery. Days are days since 1970.

    complete_through   table -> portfolio -> last day whose rows are all there
    declared_through   the part of it that control files vouched for
    spans              table -> first and last day a row sits on
    zones              portfolio -> the time zone in which its local days were computed
    """

    complete_through: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    declared_through: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    spans: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    zones: Mapping[str, str] = field(default_factory=dict)
    currencies: Sequence[str] = ()

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> State:
        return cls(
            complete_through=written["portfolios_complete_through"],
            declared_through=written["declared_through"],
            spans={name: (first, last) for name, (first, last) in written["spans"].items()},
            zones=written["zones"],
            currencies=tuple(written["currencies"]),
        )

    def written(self) -> dict[str, Any]:
        """As it stands in a record: complete_through there is the newest day of any portfolio."""
        return {
            "complete_through": self.newest(),
            "portfolios_complete_through": self.complete_through,
            "declared_through": self.declared_through,
            "spans": {name: list(span) for name, span in self.spans.items()},
            "zones": self.zones,
            "currencies": list(self.currencies),
        }

    def newest(self) -> dict[str, int]:
        """Table -> the last complete day of any portfolio."""
        return {name: max(days.values()) for name, days in self.complete_through.items() if days}


@dataclass(frozen=True)
class Mark:
    """How far a table of a database was read. query: sha256 of its SQL; rows known before `day` need not be read again
    as long as none of those days has more than it had. behind: how many rows those are; days: how many of each day,
    None of an earlier version.
    """

    query: str
    day: str
    behind: int
    days: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Delivered:
    """One delivery that came in. tables: what became of each, as the report of its ingest says; versions: of the tables
    after it; marks: table -> how far the database was read that it came from. accepted_gap: why days may be missing
    before it, and of which table which (first and last); None where it follows the one before.
    """

    ingest_id: str
    number: int
    content_id: str
    settings: str
    backfill: bool
    accepted_volume: str | None
    files: Mapping[str, str]  # name -> sha256
    tables: Sequence[Mapping[str, Any]]
    warnings: Sequence[str]
    rule_version: int
    loaded_at: str  # for people: nothing is computed from it
    state: State
    versions: Mapping[str, int] = field(default_factory=dict)
    before: str | None = None  # sha256 of the file of the record before; "" of the first; None: of an earlier version
    marks: Mapping[str, Mark] = field(default_factory=dict)
    accepted_gap: Mapping[str, Any] | None = None

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> Delivered:
        marks = {name: Mark(**mark) for name, mark in written.get("marks", {}).items()}
        told: dict[str, Any] = {**written, "state": State.read(written["state"]), "marks": marks}
        return cls(**told)

    def written(self) -> dict[str, Any]:
        return {**asdict(self), "state": self.state.written()}

    def at(self, versions: Mapping[str, int], before: str) -> Delivered:
        """The same delivery, once its transactions have given the tables these versions, behind the record before."""
        return replace(self, versions=versions, before=before)


def read_records(store: Path, ends: bool = True) -> list[Delivered]:
    """The records of a store, oldest first: each names the sha256 of the one before, and a file beside them the newest,
    so that none is altered or lost unseen. StoreDamaged otherwise. ends: whether that file must fit; it may not yet
    while a delivery is on its way in.
    """
    places = sorted((store / DELIVERIES).glob("[0-9]*.json"))
    told = [_told(bytes_of(place), place.name) for place in places]
    found, sha256 = [record for record, _ in told], ""
    for number, (record, own) in enumerate(told, 1):
        if record.number != number:
            raise StoreDamaged.gone(f"{DELIVERIES}/{number:06d}")
        if record.before not in (None, sha256):
            raise StoreDamaged.sealed(f"{DELIVERIES}/{number - 1:06d}")
        sha256 = own
    if ends:
        _check_end(store, found, sha256)
    return found


@lru_cache(maxsize=4096)
def _told(raw: bytes, name: str) -> tuple[Delivered, str]:
    """The record that the bytes of a file hold, and their sha256: read every time, parsed once by a process."""
    return Delivered.read(unsealed_bytes(raw, name)), hashlib.sha256(raw).hexdigest()


def _check_end(store: Path, found: Sequence[Delivered], sha256: str) -> None:
    place = store / NEWEST
    if not place.exists():
        if found and found[-1].before is not None:
            raise StoreDamaged.gone(NEWEST)
        return
    newest = unsealed(place)
    if newest["number"] != len(found):
        raise StoreDamaged.gone(f"{DELIVERIES}/{max(newest['number'], len(found)):06d}")
    if newest["sha256"] != sha256:
        raise StoreDamaged.sealed(f"{DELIVERIES}/{len(found):06d}")


def write_newest(store: Path) -> None:
    """Name the newest record, once it is on the disk."""
    place = max((store / DELIVERIES).glob("[0-9]*.json"))
    write_whole(store / NEWEST, sealed({"number": int(place.name[:6]), "sha256": sha256_of(place)}))


def newest_sha256(store: Path) -> str:
    """Of the file of the newest record; "" where there is none."""
    place = max((store / DELIVERIES).glob("[0-9]*.json"), default=None)
    return "" if place is None else sha256_of(place)
