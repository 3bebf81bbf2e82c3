"""Whether the published nights are still what was published: every file against the sha256 that its manifest gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from features.errors import ContractError
from pipeline.pages.publish import CURRENT, FORGOTTEN, MANIFEST, NIGHT, forgotten_since, read_manifest
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
    def link(cls) -> NightDamaged:
        return cls(f"{CURRENT!r} leads to no published night. Publish the newest night again.")


def examine_nights(out: Path) -> Examined:
    """Every night in OUT, and where `current` leads; nothing where OUT is absent. A manifest vouches for files,
    nothing for a manifest.
    """
    found = Examined()
    folders = [folder for folder in sorted(out.glob("*/")) if not folder.is_symlink()]
    nights = [folder for folder in folders if NIGHT.fullmatch(folder.name)]
    for folder in nights:
        found.add(_examine_still(folder))
    if nights:
        with found.one(LINKS):
            if read_manifest(out / CURRENT) is None:
                raise NightDamaged.link()
    altered = sum(".altered-" in folder.name for folder in folders)
    if altered:
        found.notes.append(
            f"{altered:,} lists that somebody altered are kept beside those published since; they are not checked."
        )
    return found


def _examine_still(folder: Path) -> Examined:
    """What is amiss in a folder that another has replaced meanwhile says nothing: the new one is looked at instead."""
    began = folder.stat().st_ino
    seen = _examine(folder)
    replaced = bool(seen.faults) and folder.exists() and folder.stat().st_ino != began
    return _examine(folder) if replaced else seen


def _examine(folder: Path) -> Examined:
    found, manifest = Examined(), read_manifest(folder)
    with found.one(NIGHTS):
        if manifest is None:
            raise NightDamaged.manifest(folder.name)
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
    others = sum(entry.name not in (*published, MANIFEST, FORGOTTEN) for entry in folder.iterdir()) if manifest else 0
    if others:
        found.notes.append(f"Night {folder.name!r} holds {others:,} files that it did not publish.")
    return found
