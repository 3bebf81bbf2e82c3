"""The approved model as a file beside the store: STORE/models/champion.json names the folder, its sha256,
who approved it and why. STORE/models/approvals.jsonl, beside it, vouches for that file: a line for every approval,
with the sha256 of champion.json as it was written and as it stood before.

Scoring reads these and the model folder, and nothing else: it needs no registry and no network.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.folder import digest_of
from pipeline.store.files import write_model, write_whole
from pipeline.store.refusals import NotApproved

if TYPE_CHECKING:
    from models.baseline import AgeBandTable

MODELS, CHAMPION, HISTORY = "models", "champion.json", "approvals.jsonl"
REQUIRED = ("run_id", "model_version", "sha256", "approved_by", "approved_at", "why", "previous")


@dataclass(frozen=True)
class Approved:
    """A model that may score: load it with models.recovery.load_model(folder, sha256)."""

    folder: Path
    sha256: str
    version: str
    record: Mapping[str, Any]


def model_folder(store_path: Path, version: str) -> Path:
    return store_path / MODELS / version


def champion(store_path: Path) -> Approved | None:
    """The champion, once its folder's sha256 is the approved one; None when none was promoted.

    Raises ModelRefused when the record is damaged or unapproved, or the folder is missing or differs.
    """
    record = read_record(store_path)
    if record is None:
        return None
    version = record["model_version"]
    folder = model_folder(store_path, version)
    found = digest_of(folder)
    if found != record["sha256"]:
        raise NotApproved.model(version, found, str(record["sha256"]))
    return Approved(folder, found, version, record)


def read_record(store_path: Path) -> dict[str, Any] | None:
    """champion.json as it stands; ModelRefused when it is not, to the byte, what the newest approval wrote.

    None before the first promotion. Of a store from before approvals were kept, what stands is taken.
    """
    place, history = store_path / MODELS / CHAMPION, _history(store_path)
    try:
        text = place.read_bytes()
    except FileNotFoundError:
        if history:
            raise NotApproved.gone(str(place)) from None
        return None
    record = _approval(text, place)
    if record.get("vouched_by") and not history:
        raise NotApproved.gone(str(place.with_name(HISTORY)))
    # An approval that was cut off is in the history already, while the one before still stands.
    if history and hashlib.sha256(text).hexdigest() not in history[-1].values():
        raise NotApproved.changed(str(place))
    return record


def _approval(text: bytes, place: Path) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except ValueError:
        raise NotApproved.damaged(str(place)) from None
    lacking = [name for name in REQUIRED if name not in record] if isinstance(record, dict) else list(REQUIRED)
    if lacking or not record["approved_by"]:
        raise NotApproved.lacking(str(place), lacking)
    version = str(record["model_version"])
    if Path(version).name != version or version in ("", ".", ".."):
        raise NotApproved.outside(str(place))
    return record


def _history(store_path: Path) -> list[dict[str, str | None]]:
    """Every approval, oldest first: sha256 of champion.json as written, and before."""
    place = store_path / MODELS / HISTORY
    try:
        text = place.read_bytes()
    except FileNotFoundError:
        return []
    try:
        lines = [json.loads(line) for line in text.decode().splitlines()]
        chained = all(later["before"] == former["sha256"] for former, later in itertools.pairwise(lines))
        if lines and chained and "".join(map(_line, lines)).encode() == text:
            return lines
    except (ValueError, KeyError, TypeError):
        pass
    raise NotApproved.damaged(str(place))


def _line(approval: Mapping[str, str | None]) -> str:
    return json.dumps({"before": approval["before"], "sha256": approval["sha256"]}) + "\n"


def approvals(store_path: Path) -> dict[Path, str]:
    """Folder -> approved sha256, of the champion and of those before it that a rollback could put back."""
    found, record = {}, read_record(store_path)
    try:
        while record:
            found[model_folder(store_path, str(record["model_version"]))] = str(record["sha256"])
            record = record["previous"]
    except (KeyError, TypeError):
        raise NotApproved.damaged(str(store_path / MODELS / CHAMPION)) from None
    return found


def approved_before(store_path: Path, day: dt.date) -> Approved | None:
    """The newest model that was approved before a day and may still score: the champion or one before it.

    None where there is none, or its folder is gone or differs. Raises ModelRefused as `champion` does.
    """
    record = read_record(store_path)
    while record and str(record.get("approved_at", ""))[:10] >= day.isoformat():
        record = record.get("previous")
    if not record:
        return None
    folder = model_folder(store_path, str(record["model_version"]))
    if not folder.is_dir() or digest_of(folder) != record["sha256"]:
        return None
    return Approved(folder, str(record["sha256"]), str(record["model_version"]), record)


def write_record(store_path: Path, record: Mapping[str, Any]) -> None:
    """Replace champion.json whole, once the history knows what will stand there.

    A history or an approval that is damaged is not mended here: it is moved aside, and a new history begins.
    """
    folder = store_path / MODELS
    told = {**record, "vouched_by": HISTORY}
    place, text = folder / CHAMPION, json.dumps(told, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    try:
        read_record(store_path)
        lines = _history(store_path)
    except NotApproved:
        lines = []
        for name in (HISTORY, CHAMPION):
            if (folder / name).exists():
                (folder / name).replace(folder / f"{name}.damaged")
    before = hashlib.sha256(place.read_bytes()).hexdigest() if place.exists() else None
    after = hashlib.sha256(text.encode()).hexdigest()
    if not lines or lines[-1] != {"before": before, "sha256": after}:
        if lines and lines[-1]["sha256"] != before:  # the approval before this one was cut off
            lines = lines[:-1]
        lines.append({"before": before, "sha256": after})
        write_whole(folder / HISTORY, "".join(map(_line, lines)))
    write_whole(place, text)


def keep(store_path: Path, table: AgeBandTable) -> Approved:
    """What scores where nothing was promoted: its folder is kept under the store,
    so that the night can be made again.
    """
    sha256 = write_model(model_folder(store_path, table.version), table.files())
    record = {"run_id": None, "model_version": table.version, "sha256": sha256}
    return Approved(model_folder(store_path, table.version), sha256, table.version, record)
