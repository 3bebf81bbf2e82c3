"""One atomic publish: everything of a night in a hidden folder first, then one rename, then one switch of `current`.

What a reader sees: OUT/<as_of>/ is whole or absent, and OUT/current leads to a whole list at every instant. The caller
holds the lock. It writes by itself and not by `whole_folder`, which leaves a moment without the folder while one takes
another's place: here a reader stands in it, and is led over a bridge of hard links.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from features.errors import CannotWrite, InputMissing, UsageError, is_said
from pipeline.pages.contract import check_night
from pipeline.pages.csv_file import write_csv
from pipeline.pages.language import words
from pipeline.pages.messages_page import messages_page
from pipeline.pages.page import html
from pipeline.pages.parquet_file import write_published
from pipeline.pages.publication import Night, plain
from pipeline.pages.receivables_page import receivables_page
from pipeline.pages.record import (
    APART,
    CURRENT,
    EXPIRED,
    MANIFEST,
    NIGHT,
    PUT_BACK,
    RECORD,
    SEAL,
    UNUSUAL,
    Line,
    RecordDamaged,
    decided,
    intact,
    lines,
    names_of,
    newest,
    nights,
    put_back,
    read_manifest,
    target,
    vouch,
    vouched_for,
)
from pipeline.pages.treatment_pages import routes_page, specialist_page
from pipeline.pages.verify import examine_night
from pipeline.pages.workbook import write_xlsx
from pipeline.store.files import only_owner_reads, sha256_of, sync, write_whole
from pipeline.store.locks import only_run

log = logging.getLogger("recoup")
TREATED = ("proposals", "routes", "specialist")  # tables of a night under a treatment policy


def publish(
    night: Night,
    out: Path,
    ran: Callable[[], Mapping[str, Any]] | None = None,
    remember: Callable[[], None] | None = None,
    held: Collection[str] = (),
) -> Path:
    """Publish a night to OUT/<as_of>/ and point OUT/current at the newest night. Returns the folder.

    ran: asked once every other file is on the disk; its answer is the manifest's `run` block. remember: called once the
    night is found sound, before anybody can see it. held: nights that were kept from being published; where `current`
    leads nowhere because of one, an older night does not become the list that is worked.

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
            check_no_links(out)
            settle(out)
            staging.mkdir()
        try:
            _write_all(night, staging, ran)
            with _creating(place):
                _put(staging, place)
                _switch(out, place, held)
        except BaseException:
            with contextlib.suppress(OSError):
                settle(out)
            raise
    return place


def check_ready(out: Path) -> None:
    """Refuse an OUT that no night could be published into, before one is worked: links, or a damaged record."""
    check_no_links(out)
    lines(out)


def check_no_links(out: Path) -> None:
    """Refuse an OUT in which a link stands where a night, or anything of ours, is to be written: CannotWrite (73)."""
    for entry in sorted(out.iterdir()):
        ours = NIGHT.match(entry.name.lstrip(".")) or entry.name in (EXPIRED, RECORD, SEAL)
        if ours and entry.is_symlink():
            raise CannotWrite.over_link(str(entry))


def mark_expired(out: Path, as_of: dt.date, why: str | None, language: str = "en") -> Path | None:
    """Say beside the last list that it has expired, because the night of as_of did not publish;
    the list itself keeps its bytes.

    why: None of a night that has begun. Returns the notice, or None when no list is published or the newest is not
    older than as_of. The next publish takes the notice away. The page itself needs no notice: it compares its day with
    the reader's clock. Raises CannotWrite.
    """
    last = newest(out)
    if last is None or last >= as_of.isoformat():
        return None
    said = words(language)["expired"]
    decision = None
    cause = said["begun"].format(day=as_of) if why is None else said["why"].format(day=as_of, why=why)
    with contextlib.suppress(RecordDamaged):  # what ended the night must be told all the same
        decision = put_back(out)
    return _notice(out, last, [cause, *([_told(decision, said)] if decision else [])], said)


def lead_nowhere(out: Path, as_of: dt.date, why: str, language: str = "en") -> None:
    """Take `current` away, so that no machine works a list that is not to be worked, and say so beside it: the night of
    as_of was refused, and so is the list before it, or an earlier one of that night. Of the list of a later night it
    says nothing. The caller holds the folder's lock. Raises CannotWrite.
    """
    last, said = newest(out), words(language)["expired"]
    if last is not None and last <= as_of.isoformat():
        _notice(out, last, [said["why"].format(day=as_of, why=why)], said)
        with _creating(out):
            (out / CURRENT).unlink()
            sync(out)


def roll_back(out: Path, night: dt.date, by: str, why: str, at: dt.datetime, language: str = "en") -> str:
    """Have `current` lead to a kept night again, and say so beside it; the decision is recorded first.

    The list keeps its bytes, and so its day: page and workbook say on their face that it has expired, as any list of an
    earlier day does. Returns a sentence. RollbackRefused (2) where nobody or no reason is named, or where `current`
    leads there already; NightGone (66) where the night is not kept; NightDamaged (65) where its files are not what was
    published.
    """
    if not (is_said(by) and is_said(why)):
        raise RollbackRefused.nobody()
    place, stood = out / night.isoformat(), newest(out)
    if not place.is_dir() or place.is_symlink():
        raise NightGone.night(night, [folder.name for folder in nights(out)])
    if stood == place.name:
        raise RollbackRefused.stands(place.name)
    said = words(language)["expired"]
    with only_run(out), only_owner_reads(), _creating(out):
        examine_night(place, lines(out))
        told = {"instead_of": stood or "", **decided(by.strip(), why.strip(), at)}
        vouch(out, place.name, sha256_of(place / MANIFEST), PUT_BACK, **told)
        decision = lines(out)[-1]
        if any(folder.name > place.name for folder in nights(out)):
            _notice(out, place.name, [_told(decision, said)], said)
        else:
            (out / EXPIRED).unlink(missing_ok=True)
        _point(out, place.name)
    return f"{CURRENT!r} leads to the list of {place.name} in the place of {stood}: {decision['why']}"


def _told(decision: Line, said: Mapping[str, str]) -> str:
    names = {"old": decision["night"], "new": decision["instead_of"]}
    return said["put_back"].format(**names, by=decision["by"], at=decision["at"], why=decision["why"])


def _notice(out: Path, day: str, causes: list[str], said: Mapping[str, str]) -> Path:
    text = "\n\n".join((said["title"], said["list"].format(day=day), *causes, said["do"])) + "\n"
    with only_owner_reads(), _creating(out / EXPIRED):
        write_whole(out / EXPIRED, text)
    return out / EXPIRED


class NightGone(InputMissing):
    """A night that is not kept."""

    @classmethod
    def night(cls, night: dt.date, kept: Sequence[str]) -> NightGone:
        there = f"Kept are {kept[0]} to {kept[-1]}, {len(kept):,} nights" if kept else "No night is kept"
        return cls(f"Night {night} is not kept. {there}. Name one of them, or publish it with `recoup worklist`.")


class RollbackRefused(UsageError):
    """A decision that nobody answers for, or that decides nothing."""

    @classmethod
    def nobody(cls) -> RollbackRefused:
        return cls("A list is put back with --by NAME, of the person who decides, and --why REASON: both are recorded.")

    @classmethod
    def stands(cls, night: str) -> RollbackRefused:
        return cls(f"{CURRENT!r} leads to the list of {night} already. Name another kept night.")


# ---- what is written -------------------------------------------------------------------------------------------------


def _write_all(night: Night, folder: Path, ran: Callable[[], Mapping[str, Any]] | None) -> None:
    """Every file of the night, each on the disk before the manifest that vouches for it."""
    money = (night.decimals, night.reporting_currency)
    makers: dict[str, Callable[[Path], object]] = {
        "worklist.parquet": lambda path: write_published(night.worklist, night.decimals, path),
        "worklist.csv": partial(write_csv, night.worklist, *money),
        "worklist.xlsx": lambda path: write_xlsx(night, path),
        "worklist.html": lambda path: _write(path, html(night).encode()),
        "deferred.csv": partial(write_csv, night.deferred, *money),
        "excluded.csv": partial(write_csv, night.excluded, *money),
        f"{APART}/held_out.csv": partial(write_csv, night.held_out, *money),
        "next_in_line.csv": partial(write_csv, night.next_in_line, *money),
        "self_cure.csv": partial(write_csv, night.self_cure, *money),
        "scores.parquet": lambda path: write_published(night.scores, night.decimals, path),
    }
    if night.dialler:
        makers["dialler.csv"] = partial(write_csv, night.to_dial(), *money, heads=night.dialler)
    if night.messages is not None:
        sent = night.messages
        makers |= {
            "messages.csv": partial(write_csv, sent, *money),
            "messages.parquet": lambda path: write_published(sent, night.decimals, path),
            "messages.html": lambda path: _write(path, messages_page(night).encode()),
        }
    beside = {"watch": night.watch, "receivables": night.receivables, "open_items": night.open_items}
    beside |= {name: getattr(night, name) for name in TREATED}
    for name, frame in beside.items():
        if frame is not None:
            makers[f"{name}.csv"] = partial(write_csv, frame, *money)
            makers[f"{name}.parquet"] = partial(write_published, frame, night.decimals)
    if night.unusual is not None:
        makers[UNUSUAL] = partial(write_csv, night.unusual, *money)
    if night.receivables is not None:
        makers["receivables.html"] = lambda path: _write(path, receivables_page(night).encode())
    if night.routes is not None:
        makers["routes.html"] = lambda path: _write(path, routes_page(night).encode())
        makers["specialist.html"] = lambda path: _write(path, specialist_page(night).encode())
    rows = {
        "deferred.csv": len(night.deferred),
        "excluded.csv": len(night.excluded),
        f"{APART}/held_out.csv": len(night.held_out),
    }
    rows["self_cure.csv"] = len(night.self_cure)
    rows["next_in_line.csv"] = len(night.next_in_line)
    rows |= {"scores.parquet": len(night.scores)}
    rows |= {} if night.unusual is None else {UNUSUAL: len(night.unusual)}
    rows |= {
        name: len(night.messages) for name in makers if name.startswith("messages.") and night.messages is not None
    }
    for name in makers:
        frame = beside.get(name.split(".")[0])
        rows |= {} if frame is None else {name: len(frame)}
    outputs = {}
    with _creating(folder / APART):
        (folder / APART).mkdir(mode=0o700)
    for name, make in makers.items():
        with _writing(folder / name):
            make(folder / name)
            sync(folder / name)
        count = rows.get(name, len(night.worklist))
        outputs[name] = {"bytes": (folder / name).stat().st_size, "rows": count, "sha256": sha256_of(folder / name)}
    with _writing(folder / MANIFEST):
        _write(folder / MANIFEST, _manifest(night, outputs, {"run": ran()} if ran else {}))
        sync(folder / MANIFEST)
        sync(folder / APART)
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
        "vouched_by": RECORD,
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
    if place.exists() and _same(staging, place):
        shutil.rmtree(staging)
        return
    vouch(out, place.name, sha256_of(staging / MANIFEST))
    if not place.exists():
        staging.rename(place)
        sync(out)
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
    if target(out) != place.name:
        return None
    bridge = out / f".{place.name}.bridge"
    bridge.mkdir()
    for name in names_of(place):
        (bridge / name).parent.mkdir(mode=0o700, exist_ok=True)
        os.link(place / name, bridge / name)
    sync(bridge)
    _point(out, bridge.name)
    return bridge


def _switch(out: Path, place: Path, held: Collection[str] = ()) -> None:
    """Point `current` at this night unless a newer one is published, or was taken away or kept back,
    and take away a notice of expiry that no longer holds; that of a list put back holds while a newer one is kept.
    """
    last, decision = newest(out), put_back(out)
    later = [name for name in (*held, *(folder.name for folder in nights(out))) if name > place.name]
    if last is None and later:
        log.warning("%s leads nowhere and stays so: %s is older than the night of %s.", CURRENT, place.name, max(later))
        return
    if decision is not None and place.name > str(decision["night"]):
        log.warning(
            "%s keeps leading to the list of %s, which %s put back at %s: %s. %s is as it was then.",
            CURRENT, decision["night"], decision["by"], decision["at"], decision["why"], place.name,
        )  # fmt: skip
    elif last is None or last <= place.name:
        if target(out) != place.name:
            _point(out, place.name)
        if decision is None or not any(folder.name > place.name for folder in nights(out)):
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
    leads = target(out)
    if leads is not None and leads.endswith(".bridge"):
        _point(out, leads[1 : -len(".bridge")])
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
    if intact(replaced):
        shutil.rmtree(replaced)
        return
    place, number = replaced.with_name(replaced.name[1 : -len(".replaced")]), 1
    while (kept := place.with_name(f"{place.name}.altered-{number}")).exists():
        number += 1
    replaced.rename(kept)


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
