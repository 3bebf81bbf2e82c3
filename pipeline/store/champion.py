"""The approved model as a file beside the store: STORE/models/champion.json names the folder, its sha256,
who approved it and why.

Scoring reads this and the model folder, and nothing else: it needs no registry and no network.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.folder import digest_of
from pipeline.store.files import write_whole
from pipeline.store.refusals import NotApproved

if TYPE_CHECKING:
    from models.baseline import AgeBandTable

MODELS, CHAMPION = "models", "champion.json"
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
    """champion.json as it stands; ModelRefused when it cannot be read as an approval."""
    place = store_path / MODELS / CHAMPION
    try:
        record = json.loads(place.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        raise NotApproved.damaged(str(place)) from None
    lacking = [name for name in REQUIRED if name not in record] if isinstance(record, dict) else list(REQUIRED)
    if lacking or not record["approved_by"]:
        raise NotApproved.lacking(str(place), lacking)
    version = str(record["model_version"])
    if Path(version).name != version or version in ("", ".", ".."):
        raise NotApproved.outside(str(place))
    return record


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


def write_record(store_path: Path, record: Mapping[str, Any]) -> None:
    """Replace champion.json whole."""
    text = json.dumps(record, sort_keys=True, indent=1, ensure_ascii=False)
    write_whole(store_path / MODELS / CHAMPION, text + "\n")


def keep(store_path: Path, table: AgeBandTable) -> Approved:
    """What scores where nothing was promoted: its folder is kept under the store,
    so that the night can be made again.
    """
    sha256 = table.save(model_folder(store_path, table.version))
    record = {"run_id": None, "model_version": table.version, "sha256": sha256}
    return Approved(model_folder(store_path, table.version), sha256, table.version, record)
