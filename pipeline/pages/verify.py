"""Whether the published nights are still what was published: every file against the sha256 that its manifest gives,
every manifest against the record of OUT.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from features.errors import ContractError
from pipeline.pages.record import (
    CURRENT,
    FORGOTTEN,
    MANIFEST,
    Line,
    RecordDamaged,
    forgotten_since,
    lines,
    names_of,
    nights,
    only_found,
    read_manifest,
    vouched,
)
from pipeline.store.files import sha256_of
from pipeline.store.verify import RECORDS, Examined

NIGHTS, FILES, LINKS = "nights", "published files", "links"


class NightDamaged(ContractError):
    """A published night is no longer what was published."""

    REMEDY = "Restore it from a backup, or publish the night again."

    @classmethod
    def gone(cls, where: str) -> NightDamaged:
        return cls(f"Published file {where!r} is gone. {cls.REMEDY}")

    @classmethod
    def differs(cls, where: str) -> NightDamaged:
        return cls(f"Published file {where!r} is damaged: its sha256 is not the manifest's. {cls.REMEDY}")

    @classmethod
    def manifest(cls, night: str) -> NightDamaged:
        return cls(
            f"The manifest of night {night!r} is damaged or gone, so nothing vouches for its files. {cls.REMEDY}"
        )

    @classmethod
    def not_vouched(cls, night: str) -> NightDamaged:
        return cls(f"The manifest of night {night!r} is not the one that was published. {cls.REMEDY}")

    @classmethod
    def link(cls) -> NightDamaged:
        return cls(f"{CURRENT!r} leads to no published night. Publish the newest night again.")


def examine_nights(out: Path) -> Examined:
    """Every night in OUT, the record that vouches for their manifests, and where `current` leads; nothing where OUT is
    absent.
    """
    found = Examined()
    there = nights(out)
    record: Sequence[Line] | None = None
    if there:
        with found.one(RECORDS):
            record = lines(out)
            if not record and any(_is_vouched(folder) for folder in there):
                raise RecordDamaged.gone()
    for folder in there:
        found.add(_examine_still(folder, record))
    if there:
        with found.one(LINKS):
            if read_manifest(out / CURRENT) is None:
                raise NightDamaged.link()
    unvouched = only_found(record) if record else {folder.name for folder in there if not _is_vouched(folder)}
    if unvouched:
        found.notes.append(f"{len(unvouched):,} nights are older than the record, which vouches for them as found.")
    altered = sum(".altered-" in folder.name for folder in out.glob("*/"))
    if altered:
        found.notes.append(
            f"{altered:,} lists that somebody altered are kept beside those published since; they are not checked."
        )
    return found


def examine_night(folder: Path, record: Sequence[Line]) -> None:
    """Raise NightDamaged with the first thing that is not as it was published."""
    found = _examine(folder, record)
    if found.faults:
        raise NightDamaged(found.faults[0])


def _is_vouched(folder: Path) -> bool:
    """Whether the night is of a version that keeps a record."""
    manifest = read_manifest(folder)
    return manifest is not None and "vouched_by" in manifest


def _examine_still(folder: Path, record: Sequence[Line] | None) -> Examined:
    """What is amiss in a folder that another has replaced meanwhile says nothing: the new one is looked at instead."""
    began = folder.stat().st_ino
    seen = _examine(folder, record)
    replaced = bool(seen.faults) and folder.exists() and folder.stat().st_ino != began
    return _examine(folder, record) if replaced else seen


def _examine(folder: Path, record: Sequence[Line] | None) -> Examined:
    """record: None where it cannot be read, which is said once."""
    found, manifest = Examined(), read_manifest(folder)
    with found.one(NIGHTS):
        if manifest is None:
            raise NightDamaged.manifest(folder.name)
        if record and sha256_of(folder / MANIFEST) not in vouched(record, folder.name):
            raise NightDamaged.not_vouched(folder.name)
    since: dict[str, Any] = {}
    if (folder / FORGOTTEN).exists():
        with found.one(RECORDS):
            since = forgotten_since(folder)
            found.notes.append(f"Night {folder.name!r} lost the rows of people who were forgotten since.")
    published = {} if manifest is None else manifest["outputs"]
    for name, said in sorted(published.items()):
        where = f"{folder.name}/{name}"
        with found.one(FILES):
            if not (folder / name).is_file():
                raise NightDamaged.gone(where)
            if sha256_of(folder / name) != since.get(name, said).get("sha256"):
                raise NightDamaged.differs(where)
    others = sum(name not in (*published, MANIFEST, FORGOTTEN) for name in names_of(folder)) if manifest else 0
    if others:
        found.notes.append(f"Night {folder.name!r} holds {others:,} files that it did not publish.")
    return found
