"""Whether a night is finished and nothing that it stands on has changed: proven by hashes, changing nothing, and
without the libraries that make a night.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.days import day_number
from features.errors import RecoupError
from models.folder import digest_of
from pipeline.intake.acceptance import settings_of
from pipeline.intake.database import is_database
from pipeline.intake.delivery import Delivery, find
from pipeline.night.alarm import replaced_in, stops_of
from pipeline.night.pins import LAST_STAGE, READ_WHOLE, SAID, Stamps, memories, pins, remembered, verified
from pipeline.pages.record import CURRENT, EXPIRED, MANIFEST, NIGHT, lines, newest, put_back, read_manifest
from pipeline.pages.verify import NightDamaged, examine_night
from pipeline.params import Params, Source
from pipeline.store.champion import champion, model_folder
from pipeline.store.files import sha256_of
from pipeline.store.store import Store


@dataclass(frozen=True)
class Finished:
    """A published night as it is found. changed: what it stands on and that is no longer so, in words; empty: nothing.

    files: kind of file -> how many were hashed. retired: whether retention has removed since what was too old by it.
    stops: what the monitor says of it, where it says stop.
    """

    folder: Path
    changed: Sequence[str]
    files: Mapping[str, int]
    retired: bool
    put_back: str = ""
    stops: Sequence[Mapping[str, Any]] = ()

    def text(self) -> str:
        looked_at = ", ".join(f"{count:,} {kind}" for kind, count in self.files.items())
        said = [
            f"The night of {self.folder.name} is published, and nothing that it stands on has changed: {looked_at}, "
            "the model, params, rules, code and what earlier nights remember are the same by sha256. Nothing was done."
        ]
        return "\n".join([*said, *([self.put_back] if self.put_back else []), f"List: {self.folder / 'worklist.html'}"])


def finished(source: Source, store_path: Path, as_of: dt.date, out: Path, params: Params) -> Finished | None:
    """The night as it is found; None where it is not published, or where something refuses: the night itself says what.

    A fault of the published files is a change like any other: the night is made again. So it is where the source is a
    database, of which no hash tells whether it has changed.
    """
    if is_database(source):
        return None
    folder = out / as_of.isoformat()
    manifest = read_manifest(folder)
    if manifest is None:
        return None
    try:
        return _look(find(Path(source)), Store(store_path), as_of, folder, manifest, params)
    except (RecoupError, OSError):
        return None


def _look(
    delivery: Delivery, store: Store, as_of: dt.date, folder: Path, manifest: Mapping[str, Any], params: Params
) -> Finished:
    out, night = folder.parent, day_number(as_of)
    records, settings = store.deliveries(), settings_of(params)
    known = {(each.content_id, each.settings) for each in records if not each.backfill}
    changed = [] if (delivery.content_id, settings) in known else ["the delivery"]
    versions = {name: version for name, version in store.versions().items() if name in READ_WHOLE}
    now = pins(Store(store.path, store.versions()), versions, night, params, _model(store.path, manifest))
    changed += [said for name, said in SAID.items() if manifest.get(name) != now.get(name)]
    count = _hash_rows(store, versions, night)
    try:
        examine_night(folder, lines(out))
    except NightDamaged:
        changed.append("the published files")
    stamps, held = Stamps(out, night), {name: manifest[name] for name in SAID if name in manifest}
    outputs = {"manifest": sha256_of(folder / MANIFEST), "remembered": remembered(store, night)}
    if not changed and stamps.done("publish", held) != outputs:
        changed.append("what the store remembers of the night")
    decision = put_back(out)
    leads = newest(out)
    behind = not _told_of_later(out, folder.name) if leads is None else leads < folder.name or _marked(out, leads)
    if decision is None and not changed and behind:
        changed.append(f"where {CURRENT!r} leads")
    said = "" if decision is None else f"{CURRENT!r} leads to the list of {decision['night']}: {decision['why']}"
    files = {
        "files of the delivery": len(delivery.sha256),
        "of the store": count,
        "of the list": len(manifest["outputs"]),
    }
    retired = stamps.done(LAST_STAGE, outputs) is not None
    return Finished(folder, changed, files, retired, said, stops_of(manifest))


def _marked(out: Path, leads: str) -> bool:
    """Whether a notice tells of the night itself, or of one before: publishing would have taken it away. One that tells
    of a later night, which did not publish, is right.
    """
    return (out / EXPIRED).exists() and not _told_of_later(out, leads)


def _told_of_later(out: Path, night: str) -> bool:
    """Whether a notice tells of a later night that did not publish: one that was refused leads `current` nowhere."""
    if not (out / EXPIRED).exists():
        return False
    told = NIGHT.findall((out / EXPIRED).read_text(encoding="utf-8", errors="replace"))
    return max(told, default="") > night


def _model(store_path: Path, manifest: Mapping[str, Any]) -> str:
    """sha256 of the model that a night would go by now. Without a champion, or where the monitor put it in the place of
    one that still is it, that is the table taught from the pinned store, which stands for as long as its folder is what
    the night wrote.
    """
    approved = champion(store_path)
    if approved is not None and approved.sha256 != replaced_in(manifest):
        return approved.sha256
    said = manifest.get("model")
    if not isinstance(said, dict) or "version" not in said:
        return ""  # the manifest is damaged, and equals no model's
    return digest_of(model_folder(store_path, str(said["version"])))


def _hash_rows(store: Store, versions: Mapping[str, int], night: int) -> int:
    """Every data file of these versions, and of what is remembered up to the night, against its sha256."""
    told = memories(store, night)
    for place in told:
        store.delta.check_sound(place)
    return len(told) + sum(map(len, verified(store, versions).values()))
