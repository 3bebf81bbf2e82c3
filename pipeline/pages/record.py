"""What OUT holds, and the record that vouches for it: OUT/published.jsonl has a line for every list that took its
place and for every one that was put back, each with the sha256 of the line before it and, since none follows the
last, with its own; OUT/.published.seal says how far it goes, so that no end of it goes missing unseen. A manifest
vouches for the files of its night; the record vouches for the manifests.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from features.errors import ContractError
from pipeline.store.files import sealed, sha256_of, sync, unsealed, whole_file
from pipeline.store.refusals import StoreDamaged

# A folder of each night for its owner alone: who is held out, whom the people who work the list must not know.
APART = "not_for_agents"
UNUSUAL = f"{APART}/unusual.csv"
CURRENT, MANIFEST, EXPIRED, RECORD = "current", "manifest.json", "EXPIRED.txt", "published.jsonl"
SEAL = ".published.seal"  # lines of the record and the sha256 of the last one; none beside that of an earlier version
FORGOTTEN = "forgotten.json"  # of a night that lost people since: what its files are now, sealed
NIGHT = re.compile(r"\d{4}-\d{2}-\d{2}")
FOUND, PUBLISHED, PUT_BACK = "found", "published", "put back"  # found: published before a record was kept

SELF = "sha256"  # of the line without it; lines of an earlier version have none
NAMES = frozenset({"before", "event", "night", "manifest", "instead_of", "by", "why", "at", SELF})

Line = Mapping[str, Any]  # before, event, night, manifest, SELF; of PUT_BACK also instead_of, by, why, at


class RecordDamaged(ContractError):
    """What vouches for the published nights is not what was written."""

    REMEDY = (
        "Restore it from a backup. Without one, move it aside: the next publish vouches for nights as it finds them."
    )

    @classmethod
    def lines(cls) -> RecordDamaged:
        return cls(f"{RECORD!r} is damaged: its lines do not follow one another. {cls.REMEDY}")

    @classmethod
    def short(cls) -> RecordDamaged:
        return cls(f"{RECORD!r} is damaged: its newest lines are gone. {cls.REMEDY}")

    @classmethod
    def seal(cls) -> RecordDamaged:
        return cls(
            f"{SEAL!r} is damaged, which says how far {RECORD!r} goes. Restore both from a backup. Without one, see "
            f"that the last line of {RECORD!r} is the last publish or decision, and move {SEAL!r} aside."
        )

    @classmethod
    def gone(cls) -> RecordDamaged:
        return cls(f"{RECORD!r} is gone, which vouches for the published nights. {cls.REMEDY}")


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """What the night in the folder says of itself; None where it cannot be read."""
    try:
        held = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    outputs = held.get("outputs") if isinstance(held, dict) else None
    whole = isinstance(outputs, dict) and all(isinstance(said, dict) for said in outputs.values())
    return held if whole else None


def names_of(folder: Path) -> list[str]:
    """The files of a night's folder as its manifest names them, those of the folders in it too."""
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if not file.is_dir())


def intact(folder: Path) -> bool:
    """Whether the folder still holds exactly what it published, but for people who were forgotten since."""
    vouched = vouched_for(folder)
    if vouched is None or set(names_of(folder)) - {MANIFEST, FORGOTTEN} != vouched.keys():
        return False
    return all(sha256_of(folder / name) == sha256 for name, sha256 in vouched.items())


def vouched_for(folder: Path) -> dict[str, str | None] | None:
    """Published file -> its sha256: as the manifest says, or since people were forgotten, as the record beside it says.
    None where the manifest cannot be read; StoreDamaged where that record is damaged.
    """
    held = read_manifest(folder)
    if held is None:
        return None
    since = forgotten_since(folder)
    vouched = {name: said.get("sha256") for name, said in held["outputs"].items()}
    return {name: since.get(name, {"sha256": sha256})["sha256"] for name, sha256 in vouched.items()}


def forgotten_since(folder: Path) -> dict[str, Any]:
    """File of a published night -> what it is (sha256, bytes, rows) since people were taken out of it."""
    return unsealed(folder / FORGOTTEN)["files"] if (folder / FORGOTTEN).exists() else {}


def target(out: Path) -> str | None:
    """The name `current` holds, None where there is no such link."""
    link = out / CURRENT
    return str(link.readlink()) if link.is_symlink() else None


def newest(out: Path) -> str | None:
    """The night `current` leads to, None where it leads nowhere."""
    name = target(out)
    if name is None or not (out / name).is_dir():
        return None
    found = NIGHT.search(name)
    return found.group() if found else None


def nights(out: Path) -> list[Path]:
    """The folders of published nights, oldest first."""
    return [folder for folder in sorted(out.glob("*/")) if NIGHT.fullmatch(folder.name) and not folder.is_symlink()]


def lines(out: Path) -> list[Line]:
    """The record, oldest first; empty where none was begun. RecordDamaged where it is not what was written."""
    reach = _reach(out)  # before the record: one that grows meanwhile goes further
    try:
        text = (out / RECORD).read_bytes()
    except FileNotFoundError:
        return []
    found: list[Line] = []
    try:
        found = [json.loads(line) for line in text.decode().splitlines()]
        chained = all(later["before"] == _sha256(_text(former)) for former, later in itertools.pairwise(found))
        written = "".join(map(_text, found)).encode() == text
        sound = bool(found) and found[0]["before"] is None and chained and written and _speak_for_themselves(found)
    except (ValueError, KeyError, TypeError):
        sound = False
    if not sound:
        raise RecordDamaged.lines()
    if reach is not None and (len(found) < reach[0] or _sha256(_text(found[reach[0] - 1])) != reach[1]):
        raise RecordDamaged.short()
    return found


def _reach(out: Path) -> tuple[int, str] | None:
    """How many lines the record has at least, and the sha256 of the last of them; None where no seal says it."""
    if not (out / SEAL).exists():
        return None
    try:
        told = unsealed(out / SEAL)
        return int(told["lines"]), str(told["last"])
    except (StoreDamaged, KeyError, TypeError, ValueError):
        raise RecordDamaged.seal() from None


def _speak_for_themselves(found: Sequence[Line]) -> bool:
    """Whether every line from the first on that says what it was written as is just that."""
    says_so = [SELF in line for line in found]
    own = [{name: said for name, said in line.items() if name != SELF} for line in found]
    return says_so == sorted(says_so) and all(
        line.keys() <= NAMES and (not says or line[SELF] == _sha256(_text(bare)))
        for line, bare, says in zip(found, own, says_so, strict=True)
    )


def vouch(out: Path, night: str, manifest: str, event: str = PUBLISHED, **told: str) -> None:
    """Add a line, on the disk before what it tells of takes its place. manifest: its sha256.

    The first line of a record is preceded by one for each night that stands there already.
    """
    held = lines(out)
    fresh: list[dict[str, Any]] = []
    if not held:
        fresh = [
            {"event": FOUND, "night": folder.name, "manifest": sha256_of(folder / MANIFEST)}
            for folder in nights(out)
            if folder.name != night and (folder / MANIFEST).is_file()
        ]
    fresh.append({"event": event, "night": night, "manifest": manifest, **told})
    chain = list(held)
    for line in fresh:
        chained = {**line, "before": _sha256(_text(chain[-1])) if chain else None}
        chain.append({**chained, SELF: _sha256(_text(chained))})
    if not held:
        (out / SEAL).unlink(missing_ok=True)  # of a record that was moved aside
    reach = {"lines": len(chain), "last": _sha256(_text(chain[-1]))}
    with whole_file(out / SEAL) as seal, whole_file(out / RECORD) as record:
        # Both lie on the disk before the record takes its place, and then its seal: a record may go further than that.
        seal.write_text(sealed(reach), encoding="utf-8", newline="\n")
        sync(seal)
        record.write_text("".join(map(_text, chain)), encoding="utf-8", newline="\n")


def vouched(record: Sequence[Line], night: str) -> list[str]:
    """sha256 that the manifest of a night may have: of its newest line, and of the one before, which still stands
    where a publish was cut off.
    """
    return [str(line["manifest"]) for line in record if line["night"] == night and line["event"] != PUT_BACK][-2:]


def only_found(record: Sequence[Line]) -> set[str]:
    """Nights that no line of the record published: they stood there when it was begun."""
    return {line["night"] for line in record if line["event"] == FOUND} - {
        line["night"] for line in record if line["event"] == PUBLISHED
    }


def put_back(out: Path) -> Line | None:
    """The decision by which `current` leads to an older night; None where the newest list stands.

    It stands until a list of that day or a later one takes its place. An older list that is published again, or that
    retention removes, says nothing of it.
    """
    published: list[str] = []
    for line in reversed(lines(out)):
        if line["event"] == PUT_BACK:
            stands = line["night"] == target(out) and max(published, default="") < str(line["night"])
            return line if stands else None
        if line["event"] == PUBLISHED:
            published.append(str(line["night"]))
    return None


def decided(by: str, why: str, at: dt.datetime) -> dict[str, str]:
    """Who decided, why and when, as a line keeps it."""
    return {"by": by, "why": why, "at": at.astimezone(dt.UTC).isoformat(timespec="seconds")}


def _text(line: Line) -> str:
    return json.dumps(line, sort_keys=True, ensure_ascii=False) + "\n"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
