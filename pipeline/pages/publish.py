"""One atomic publish: everything of a night in a hidden folder first, then one rename, then one switch of `current`.

What a reader sees: OUT/<as_of>/ is whole or absent, and OUT/current leads to a whole list at every instant. The caller
holds the lock. It writes by itself and not by `whole_folder`, which leaves a moment without the folder while one takes
another's place: here a reader stands in it, and is led over a bridge of hard links.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from features.errors import CannotWrite
from pipeline.pages.contract import check_night
from pipeline.pages.csv_file import csv_text
from pipeline.pages.language import words
from pipeline.pages.page import html
from pipeline.pages.parquet_file import write_published
from pipeline.pages.publication import Night, plain
from pipeline.pages.workbook import write_xlsx
from pipeline.store.files import only_owner_reads, sha256_of, sync, unsealed, write_whole

CURRENT, MANIFEST, EXPIRED = "current", "manifest.json", "EXPIRED.txt"
FORGOTTEN = "forgotten.json"  # of a night that lost people since: what its files are now, sealed
NIGHT = re.compile(r"\d{4}-\d{2}-\d{2}")


def publish(
    night: Night,
    out: Path,
    ran: Callable[[], Mapping[str, Any]] | None = None,
    remember: Callable[[], None] | None = None,
) -> Path:
    """Publish a night to OUT/<as_of>/ and point OUT/current at the newest night. Returns the folder.

    ran: asked once every other file is on the disk; its answer is the manifest's `run` block. remember: called once the
    night is found sound, before anybody can see it.

    The same content again changes nothing; other content for the same night takes its place whole. A published folder
    that somebody has altered since is not lost: it is kept as OUT/<as_of>.altered-N. Files have mode 0600. Raises
    ContractError for a night that does not fit together, CannotWrite (73 creating, 74 writing) when the disk refuses:
    then nothing has changed at the final names.
    """
    check_night(night)
    if remember is not None:
        remember()
    place = out / night.as_of.isoformat()
    staging = out / f".{place.name}.staging"
    with only_owner_reads():
        with _creating(out):
            out.mkdir(parents=True, exist_ok=True)
            settle(out)
            staging.mkdir()
        try:
            _write_all(night, staging, ran)
            with _creating(place):
                _put(staging, place)
                _switch(out, place)
        except BaseException:
            with contextlib.suppress(OSError):
                settle(out)
            raise
    return place


def mark_expired(out: Path, as_of: dt.date, why: str | None, language: str = "en") -> Path | None:
    """Say beside the last list that it has expired, because the night of as_of did not publish;
    the list itself keeps its bytes.

    why: None of a night that has begun. Returns the notice, or None when no list is published or the newest is not
    older than as_of. The next publish takes the notice away. The page itself needs no notice: it compares its day with
    the reader's clock. Raises CannotWrite.
    """
    newest = _newest(out)
    if newest is None or newest >= as_of.isoformat():
        return None
    said = words(language)["expired"]
    cause = said["begun"].format(day=as_of) if why is None else said["why"].format(day=as_of, why=why)
    text = "\n\n".join((said["title"], said["list"].format(day=newest), cause, said["do"])) + "\n"
    with only_owner_reads(), _creating(out / EXPIRED):
        write_whole(out / EXPIRED, text)
    return out / EXPIRED


# ---- what is written -------------------------------------------------------------------------------------------------


def _write_all(night: Night, folder: Path, ran: Callable[[], Mapping[str, Any]] | None) -> None:
    """Every file of the night, each on the disk before the manifest that vouches for it."""
    money = (night.decimals, night.reporting_currency)
    makers: dict[str, Callable[[Path], object]] = {
        "worklist.parquet": lambda path: write_published(night.worklist, night.decimals, path),
        "worklist.csv": lambda path: _write(path, csv_text(night.worklist, *money).encode("utf-8", "replace")),
        "worklist.xlsx": lambda path: write_xlsx(night, path),
        "worklist.html": lambda path: _write(path, html(night).encode()),
        "deferred.csv": lambda path: _write(path, csv_text(night.deferred, *money).encode("utf-8", "replace")),
        "excluded.csv": lambda path: _write(path, csv_text(night.excluded, *money).encode("utf-8", "replace")),
        "held_out.csv": lambda path: _write(path, csv_text(night.held_out, *money).encode("utf-8", "replace")),
        "self_cure.csv": lambda path: _write(path, csv_text(night.self_cure, *money).encode("utf-8", "replace")),
        "scores.parquet": lambda path: write_published(night.scores, night.decimals, path),
    }
    if night.dialler:
        dialled = csv_text(night.to_dial(), *money, night.dialler)
        makers["dialler.csv"] = lambda path: _write(path, dialled.encode("utf-8", "replace"))
    rows = {
        "deferred.csv": len(night.deferred),
        "excluded.csv": len(night.excluded),
        "held_out.csv": len(night.held_out),
    }
    rows["self_cure.csv"] = len(night.self_cure)
    rows |= {"scores.parquet": len(night.scores)}
    outputs = {}
    for name, make in makers.items():
        with _writing(folder / name):
            make(folder / name)
            sync(folder / name)
        count = rows.get(name, len(night.worklist))
        outputs[name] = {"bytes": (folder / name).stat().st_size, "rows": count, "sha256": sha256_of(folder / name)}
    with _writing(folder / MANIFEST):
        _write(folder / MANIFEST, _manifest(night, outputs, {"run": ran()} if ran else {}))
        sync(folder / MANIFEST)
        sync(folder)


def _manifest(night: Night, outputs: Mapping[str, Any], ran: Mapping[str, Any]) -> bytes:
    """What the night says of itself, keys sorted. Only its `run` block may differ between two
    nights of the same inputs.
    """
    said = {"model": night.model, "language": night.language} | dict(night.manifest) | dict(ran)
    said |= {
        "as_of": night.as_of,
        "valid_until": night.valid_until,
        "reporting_currency": night.reporting_currency,
        "complete_through": night.complete_through,
        "counts": {group: int(count) for group, count in night.counts.items()},
        "worklist": night.totals(),
        "outputs": outputs,
    }
    return (json.dumps(plain(said), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode(
        "utf-8", "replace"
    )


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)


# ---- how it takes its place ------------------------------------------------------------------------------------------


def _put(staging: Path, place: Path) -> None:
    """Give the staged folder its final name. Where other content holds it,
    `current` is led over a bridge of hard links meanwhile.
    """
    out = place.parent
    if not place.exists():
        staging.rename(place)
        sync(out)
        return
    if _same(staging, place):
        shutil.rmtree(staging)
        return
    bridge, replaced = _bridged(place), out / f".{place.name}.replaced"
    place.rename(replaced)
    staging.rename(place)
    sync(out)
    if bridge is not None:
        _point(out, place.name)
        shutil.rmtree(bridge)
    _drop(replaced)


def _bridged(place: Path) -> Path | None:
    """Where `current` leads meanwhile, a folder of hard links, if it leads to this place."""
    out = place.parent
    if _target(out) != place.name:
        return None
    bridge = out / f".{place.name}.bridge"
    bridge.mkdir()
    for file in sorted(place.iterdir()):
        os.link(file, bridge / file.name)
    sync(bridge)
    _point(out, bridge.name)
    return bridge


def _switch(out: Path, place: Path) -> None:
    """Point `current` at this night unless a newer one is published,
    and take away a notice of expiry that no longer holds.
    """
    newest = _newest(out)
    if newest is None or newest <= place.name:
        if _target(out) != place.name:
            _point(out, place.name)
        (out / EXPIRED).unlink(missing_ok=True)
        sync(out)


def _point(out: Path, name: str) -> None:
    fresh = out / f".{CURRENT}.new"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(name)
    fresh.replace(out / CURRENT)
    sync(out)


def settle(out: Path) -> None:
    """Undo or finish what a killed run left, so that only whole lists remain: give names back, then lead `current`,
    then clear away.
    """
    for replaced in sorted(out.glob(".*.replaced")):
        place = out / replaced.name[1 : -len(".replaced")]
        if not place.exists():
            replaced.rename(place)
    target = _target(out)
    if target is not None and target.endswith(".bridge"):
        _point(out, target[1 : -len(".bridge")])
    for kind in ("staging", "bridge"):
        for folder in out.glob(f".*.{kind}"):
            if NIGHT.fullmatch(folder.name[1 : -len(kind) - 1]):
                shutil.rmtree(folder)
    for replaced in out.glob(".*.replaced"):
        _drop(replaced)
    for left in (out / f".{CURRENT}.new", *out.glob(f".{EXPIRED}.*.draft")):
        left.unlink(missing_ok=True)


def _drop(replaced: Path) -> None:
    """Clear away a list that another has replaced; one that somebody wrote into is kept beside it."""
    if _intact(replaced):
        shutil.rmtree(replaced)
        return
    place, number = replaced.with_name(replaced.name[1 : -len(".replaced")]), 1
    while (kept := place.with_name(f"{place.name}.altered-{number}")).exists():
        number += 1
    replaced.rename(kept)


def _target(out: Path) -> str | None:
    """The name `current` holds, None where there is no such link."""
    link = out / CURRENT
    return str(link.readlink()) if link.is_symlink() else None


def _newest(out: Path) -> str | None:
    """The night `current` leads to, None where it leads nowhere."""
    target = _target(out)
    if target is None or not (out / target).is_dir():
        return None
    found = NIGHT.search(target)
    return found.group() if found else None


def _same(staged: Path, place: Path) -> bool:
    """Whether the published folder holds the staged content, byte for byte;
    the manifests may differ in their `run` block.
    """
    fresh, held = read_manifest(staged), read_manifest(place)
    if held is None or fresh is None or {**held, "run": None} != {**fresh, "run": None}:
        return False
    return all(
        (place / name).is_file() and sha256_of(place / name) == said["sha256"]
        for name, said in fresh["outputs"].items()
    )


def _intact(folder: Path) -> bool:
    """Whether the folder still holds exactly what it published, but for people who were forgotten since."""
    vouched = vouched_for(folder)
    if vouched is None or {file.name for file in folder.iterdir()} - {MANIFEST, FORGOTTEN} != vouched.keys():
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


def replace_folder(staging: Path, place: Path) -> None:
    """Give a staged folder the name of a published one, of which nothing is kept; `current` leads to a whole list
    at every instant. The caller holds the folder's lock and has called `settle`.
    """
    out = place.parent
    sync(staging)
    bridge, replaced = _bridged(place), out / f".{place.name}.replaced"
    place.rename(replaced)
    staging.rename(place)
    sync(out)
    if bridge is not None:
        _point(out, place.name)
        shutil.rmtree(bridge)
    shutil.rmtree(replaced)


def sha256_in_manifest(file: Path) -> str | None:
    """What vouches for a published file says its sha256 is."""
    return (vouched_for(file.parent) or {}).get(file.name)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """What the night in the folder says of itself; None where it cannot be read."""
    try:
        held = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    return held if isinstance(held, dict) and isinstance(held.get("outputs"), dict) else None


# ---- the disk --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _creating(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotWrite.creating(repr(str(place)), error) from error


@contextlib.contextmanager
def _writing(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotWrite.writing(place.name, error) from error
