"""A kept night made again from what its manifest names, in a place of its own, and compared file by file.

Nothing of today decides: versions of the store, params, rules, signatures and model are those of the night. Code and
libraries are what is installed; where they are others than the night's, that is said.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.errors import ContractError, InputMissing, UsageError
from models.folder import digest_of
from pipeline.night.alarm import Judge
from pipeline.night.night import judged_night
from pipeline.night.pins import SAID, Stamps, clear_shelves, kept_terms, pins
from pipeline.night.stages import Stages
from pipeline.pages.publish import NightGone, publish
from pipeline.pages.record import FORGOTTEN, MANIFEST, lines, names_of, nights, read_manifest
from pipeline.pages.verify import examine_night
from pipeline.params import Params
from pipeline.store.champion import Approved, model_folder
from pipeline.store.files import check_folder, only_owner_reads, private_folder, sha256_of
from pipeline.store.locks import only_run
from pipeline.store.refusals import StoreDamaged
from pipeline.store.store import Store

OF_THE_HOUSE = ("code", "libraries", "python")  # pins that nobody keeps beside a store


class NotKept(InputMissing):
    """What a night was made from is no longer there."""

    @classmethod
    def any_more(cls, night: str, gone: list[str]) -> NotKept:
        lost = "; ".join(gone)
        return cls(f"The night of {night} cannot be made again. No longer kept: {lost}. A backup may hold it.")


class ElsewhereOnly(UsageError):
    """A night made again would take the place of what was published."""

    @classmethod
    def out(cls, folder: str) -> ElsewhereOnly:
        return cls(f"{folder!r} holds the published nights. Name another folder with --out: theirs stay as they are.")


class Differs(ContractError):
    """A night made again is not what was published."""

    @classmethod
    def files(cls, night: str, names: list[str], others: list[str], stage: str | None) -> Differs:
        why = "" if stage is None else f" The first stage with another result is {stage}."
        why += f" It was made with other {', '.join(others)}, which may be why." if others else ""
        return cls(
            f"The night of {night} made again differs in {', '.join(names)}.{why} "
            "Its list stands as it was published; find out what changed before you rely on either."
        )


@dataclass(frozen=True)
class Reproduced:
    """A night beside itself. files: name -> (sha256 as published, sha256 as made again; None where there is none)."""

    night: str
    files: Mapping[str, tuple[str | None, str | None]]
    others: list[str]  # what is installed now and is not what the night was made with
    folder: Path | None  # where the night made again was kept
    stage: str | None  # the first stage out of which something else came

    @property
    def differing(self) -> list[str]:
        return [name for name, (then, again) in self.files.items() if then != again]

    def text(self) -> str:
        width = max(map(len, self.files))
        said = [f"{'file':<{width}}  {'published':<12}  {'made again':<12}"]
        for name, (then, again) in self.files.items():
            verdict = "same" if then == again else "DIFFERS"
            said.append(f"{name:<{width}}  {(then or 'none')[:12]:<12}  {(again or 'none')[:12]:<12}  {verdict}")
        if self.others:
            said.append(f"Made with other {', '.join(self.others)} than are installed here.")
        if not self.differing:
            said.append(f"The night of {self.night} is what its versions, params, rules and model give, byte for byte.")
        if self.folder is not None:
            said.append(f"Made again in {self.folder}")
        return "\n".join(said)

    def check(self) -> None:
        if self.differing:
            raise Differs.files(self.night, self.differing, self.others, self.stage)


def reproduce(
    store_path: Path, as_of: dt.date, out: Path, params: Params, judge: Judge, folder: Path | None = None
) -> Reproduced:
    """Make a published night again and compare every file with what was published.

    folder: where to keep it; else it is made in a temporary folder and removed. Of params only places and engine count.
    judge: what the monitor says of the night; asked where it was asked then.
    ElsewhereOnly (2) where folder is OUT itself, NightGone (66) where the night is not published, NotKept (66) with all
    that is no longer there, NightDamaged (65) where the published files are not what was published.
    """
    place = out / as_of.isoformat()
    manifest = read_manifest(place)
    if manifest is None:
        raise NightGone.night(as_of, [each.name for each in nights(out)])
    examine_night(place, lines(out))
    if folder is not None:
        check_folder(folder)
        if folder.resolve() == out.resolve():
            raise ElsewhereOnly.out(str(out))
    if (place / FORGOTTEN).exists():
        raise NotKept.any_more(place.name, ["the rows of people who were forgotten since"])
    store, approved, params = _as_then(store_path, manifest, params)
    told, table = manifest.get("monitor"), None
    if told is not None and "instead_of" in told:
        gone: list[str] = []
        approved, table = _model_of(store_path, told["instead_of"], told["instead_of"]["sha256"], gone), approved
        if gone:
            raise NotKept.any_more(place.name, gone)
    with ExitStack() as after, only_owner_reads():
        scratch = after.enter_context(private_folder()) if folder is None else folder
        scratch.mkdir(parents=True, exist_ok=True)
        after.enter_context(only_run(scratch))
        asked = None if told is None else judge
        made = judged_night(store, as_of, scratch, params, Stages(), asked, approved, table)
        again = publish(made.night, scratch)
        clear_shelves(scratch)
        files = {
            name: (_sha256(manifest, name), _sha256(read_manifest(again) or {}, name))
            for name in sorted({*manifest["outputs"], *names_of(again)} - {MANIFEST})
        }
        files[MANIFEST] = _said(manifest), _said(read_manifest(again) or {})
    now = pins(store, made.job.versions, made.job.as_of, params, approved.sha256)
    others = [SAID[name].removeprefix("the ") for name in OF_THE_HOUSE if manifest.get(name) != now[name]]
    stage = Stamps(out, made.job.as_of).first_other(made.marks)
    return Reproduced(place.name, files, others, None if folder is None else again, stage)


def _as_then(store_path: Path, manifest: Mapping[str, Any], params: Params) -> tuple[Store, Approved, Params]:
    """The store, the model and the params as the manifest names them. NotKept with all that is no longer there."""
    gone: list[str] = []
    store = _store_of(store_path, manifest, gone)
    approved = _model_of(store_path, manifest["model"], manifest["model_sha256"], gone)
    params = _params_of(store_path, manifest, params, gone)
    if gone:
        raise NotKept.any_more(str(manifest["as_of"]), gone)
    return store, approved, params


def _store_of(store_path: Path, manifest: Mapping[str, Any], gone: list[str]) -> Store:
    pinned = {**manifest.get("run", {}).get("pinned", {}), **manifest["store_versions"]}
    store = Store(store_path, pinned)
    if "earlier_nights_sha256" not in manifest:
        gone.append("which versions it read: it is of an earlier version of recoup, which did not keep that")
        return store
    for name, version in sorted(pinned.items()):
        try:
            lost = [place for places in store.files(name).values() for place in places if not place.exists()]
        except StoreDamaged:
            lost = [store.path / name]
        if lost:
            gone.append(f"version {version} of table {name!r} ({len(lost):,} files)")
        elif store.delta.taken_out(name, version):
            gone.append(f"rows of table {name!r}: people were forgotten since, or retention removed them")
    return store


def _model_of(store_path: Path, said: Mapping[str, Any], sha256: str, gone: list[str]) -> Approved:
    folder = model_folder(store_path, str(said["version"]))
    if not folder.is_dir():
        gone.append(f"model {said['version']}")
    elif digest_of(folder) != sha256:
        gone.append(f"model {said['version']} as it was: its folder has another sha256")
    return Approved(folder, sha256, str(said["version"]), {"run_id": None, **said})


def _params_of(store_path: Path, manifest: Mapping[str, Any], params: Params, gone: list[str]) -> Params:
    text = kept_terms(store_path, manifest["params_sha256"])
    if text is None and params.digest() != manifest["params_sha256"]:
        gone.append(f"the params with sha256 {manifest['params_sha256'][:12]}")
        return params
    then = params if text is None else params.of_kept(text.read_text(encoding="utf-8"))
    wanted = dict(manifest["overlays_sha256"])
    if then.eligibility.sign_offs is not None and manifest["sign_offs_sha256"] is not None:
        wanted[then.eligibility.sign_offs] = manifest["sign_offs_sha256"]
    if then.messages is not None and "messages_sha256" in manifest:
        wanted[then.messages] = manifest["messages_sha256"]
    if then.treatments is not None and "treatments_sha256" in manifest:
        wanted[then.treatments.policy] = manifest["treatments_sha256"]
    stand_ins = {}
    for name, sha256 in wanted.items():
        kept = kept_terms(store_path, sha256)
        if kept is not None:
            stand_ins[name] = kept
        elif not Path(name).is_file() or sha256_of(Path(name)) != sha256:
            gone.append(f"{name!r} with sha256 {sha256[:12]}")
    return then.standing_in(stand_ins)


def _sha256(manifest: Mapping[str, Any], name: str) -> str | None:
    return manifest.get("outputs", {}).get(name, {}).get("sha256")


def _said(manifest: Mapping[str, Any]) -> str:
    """sha256 of what a manifest says, but for how the night ran and for what is installed."""
    told = {name: said for name, said in manifest.items() if name not in ("run", *OF_THE_HOUSE)}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
