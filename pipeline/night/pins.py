"""What a night is made from, by hashes: equal pins give equal bytes. And what is kept so that it can be made again."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.days import date_of, day_of_text
from features.tables import DELIVERED
from pipeline.law.overlay import law_of
from pipeline.law.sign_off import signed_sha256
from pipeline.messages.texts import messages_of
from pipeline.params import Params
from pipeline.store.address import called
from pipeline.store.files import sealed, sha256_of, unsealed, whole_file, write_whole
from pipeline.store.form import (
    ASSIGNMENTS,
    DECISIONS,
    DRAWS,
    MESSAGES,
    NIGHTS_IN,
    OUTCOMES,
    QUARANTINED,
    RUNGS,
    TERMS,
    TREATED,
)
from pipeline.store.origin import code_sha256, versions_of
from pipeline.store.refusals import StoreDamaged
from pipeline.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

NIGHT_LIBRARIES = (
    *("lightgbm", "numpy", "numba", "pandas", "pyarrow", "deltalake", "duckdb", "scikit-learn", "shap"),
    *("xlsxwriter", "jinja2", "babel", "tzdata"),  # what the published bytes are written with, and the local days
)
READ_WHOLE = (*DELIVERED, QUARANTINED, DECISIONS)  # tables that a night reads as they stand
REMEMBERED = (
    ASSIGNMENTS,
    DRAWS,
    OUTCOMES,
    RUNGS,
    MESSAGES,
    TREATED,
)  # tables of which it reads the nights before it, and writes its own

_AT_ONCE = 100_000  # rows that are hashed at once
LAST_STAGE = "retention"  # what follows on a published night, and is made up for where it was cut off

# A pin of the manifest -> how a sentence calls what changed there.
SAID = {
    "store_versions": "the store",
    "earlier_nights_sha256": "what earlier nights remember",
    "params_sha256": "the params",
    "rules_sha256": "the contact rules",
    "overlays_sha256": "the rules of your own",
    "sign_offs_sha256": "the signatures",
    "messages_sha256": "the texts of messages",
    "treatments_sha256": "the treatment policy",
    "model_sha256": "the model",
    "code": "the code",
    "libraries": "the libraries",
    "python": "python",
}


def pins(store: Store, versions: Mapping[str, int], as_of: int, params: Params, model_sha256: str) -> dict[str, Any]:
    """What the manifest says a night was made from. versions: of READ_WHOLE."""
    law = law_of(params)
    return {
        "store_versions": dict(sorted(versions.items())),
        "earlier_nights_sha256": earlier_nights(store, as_of),
        "params_sha256": params.digest(),
        "rules_sha256": law.digest,
        "overlays_sha256": dict(law.overlays),
        "sign_offs_sha256": signed_sha256(params),
        "model_sha256": model_sha256,
        **({} if params.reminders is None else {"messages_sha256": messages_of(params).digest}),
        **_policy_of(params),
        "code": {"version": importlib.metadata.version("recoup"), "sha256": code_sha256()},
        "libraries": versions_of(NIGHT_LIBRARIES),
        "python": platform.python_version(),
    }


def _policy_of(params: Params) -> dict[str, str]:
    """The sha256 of the treatment policy's file, where the params name one."""
    named = params.treatments
    return {} if named is None else {"treatments_sha256": sha256_of(params.file(named.policy))}


def earlier_nights(store: Store, as_of: int) -> str:
    """sha256 over the files in which the nights before this one are remembered: each is named after its own."""
    told = {name: _files_of(store, name, None, as_of) for name in REMEMBERED}
    for name in (MESSAGES, TREATED):
        if not told[name]:
            del told[name]  # nights without messages or a policy said nothing of them
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def remembered(store: Store, as_of: int) -> dict[str, list[str]]:
    """Table -> the files in which the store remembers this night."""
    return {name: found for name in REMEMBERED if (found := _files_of(store, name, as_of, as_of + 1))}


def memories(store: Store, as_of: int) -> list[Path]:
    """The data files in which the store remembers this night and those before it."""
    return [
        place
        for name in REMEMBERED
        for night, places in store.files(name).items()
        if night is not None and day_of_text(night) <= as_of
        for place in places
    ]


def verified(store: Store, versions: Mapping[str, int]) -> dict[str, list[str]]:
    """Table -> the names of its data files at these versions, each of which is its own sha256 and was held against it.
    Raises StoreDamaged for the first that differs or is gone.
    """
    found = {}
    for name, version in sorted(versions.items()):
        places = [place for held in store.delta.files(name, version).values() for place in held]
        for place in places:
            store.delta.check_sound(place)
        found[name] = sorted(place.stem for place in places)
    return found


def _files_of(store: Store, name: str, since: int | None, before: int) -> list[str]:
    """night/sha256 of the files of the nights in [since, before)."""
    files = store.files(name)
    days = {night: day_of_text(night) for night in files if night is not None}
    return sorted(
        f"{night}/{place.stem}"
        for night, day in days.items()
        if day < before and (since is None or day >= since)
        for place in files[night]
    )


# What is kept beside the rows


def keep_terms(store_path: Path, params: Params) -> None:
    """Params, overlays and signatures of a night, so that it can be made again when they have changed."""
    named = [*params.eligibility.rules, *([params.eligibility.sign_offs] if params.eligibility.sign_offs else [])]
    named += [params.messages] if params.messages and params.reminders is not None else []
    named += [params.treatments.policy] if params.treatments is not None else []
    for content in (params.kept().encode(), *(params.file(name).read_bytes() for name in named)):
        place = store_path / TERMS / hashlib.sha256(content).hexdigest()
        if not place.exists():
            with whole_file(place) as draft:
                draft.write_bytes(content)


def keep_place(store_path: Path, out: Path) -> None:
    """That nights of this store are published into OUT: what they stand on is not let go while they are kept."""
    named = called(out)
    place = store_path / NIGHTS_IN / hashlib.sha256(named.encode()).hexdigest()[:16]
    if not place.exists():
        write_whole(place, sealed({"out": named}))


def kept_terms(store_path: Path, sha256: str) -> Path | None:
    """The kept file of this sha256; None where it is gone. StoreDamaged where it is not what was written."""
    place = store_path / TERMS / sha256
    if not place.is_file():
        return None
    if sha256_of(place) != sha256:
        raise StoreDamaged.differs(f"{TERMS}/{sha256}")
    return place


# Stage of a night -> (what went in, what came out), as hashes or what is short enough to be told.
Marks = Mapping[str, tuple[object, object]]


class Stamps:
    """The sealed marker of each finished stage of a night: the hash of what went in, and what came out by its hashes.

    OUT/.stages-<as_of>.json. It only ever saves work: one that does not fit is as good as none.
    """

    def __init__(self, out: Path, as_of: int) -> None:
        self.place = out / f".stages-{date_of(as_of)}.json"

    def read(self) -> dict[str, dict[str, Any]]:
        try:
            return unsealed(self.place) if self.place.exists() else {}
        except StoreDamaged:
            return {}

    def done(self, stage: str, inputs: object) -> Any:
        """What came out of the stage the last time, if the same went in; else None."""
        held = self.read().get(stage)
        return held["outputs"] if held is not None and held["inputs"] == _digest(inputs) else None

    def mark(self, marks: Marks) -> None:
        fresh = {stage: {"inputs": _digest(given), "outputs": made} for stage, (given, made) in marks.items()}
        write_whole(self.place, sealed({**self.read(), **fresh}))

    def first_other(self, marks: Marks) -> str | None:
        """The first of these stages out of which something else came than the marker says; None where none did."""
        held = self.read()
        return next((stage for stage, (_, made) in marks.items() if held.get(stage, {}).get("outputs") != made), None)


def clear_shelves(out: Path, keep: Collection[Path] = ()) -> None:
    """Remove finished shards that wait for no night any more: those of cut-off runs of other nights, or of one that was
    killed after its list was published. The caller holds the folder's lock.
    """
    for folder in sorted(out.glob(".shards-*")):
        if folder not in keep:
            shutil.rmtree(folder)


def frames_sha256(frames: Mapping[str, pd.DataFrame]) -> str:
    """Of the columns and cells of frames, in their order."""
    import pandas as pd

    told = hashlib.sha256()
    for name, frame in frames.items():
        told.update(json.dumps([name, *map(str, frame.columns)]).encode())
        for first in range(0, len(frame), _AT_ONCE):  # a hash per row: parts tell the same as the whole
            part = frame.iloc[first : first + _AT_ONCE]
            told.update(pd.util.hash_pandas_object(part, index=False).to_numpy().tobytes())
    return told.hexdigest()


def _digest(told: object) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
