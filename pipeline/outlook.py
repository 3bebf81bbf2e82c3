"""What a night would do, told from what is there: nothing is written, and no row is read."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from pipeline.finished import finished
from pipeline.intake.acceptance import settings_of
from pipeline.intake.database import is_database
from pipeline.intake.delivery import Delivery, find
from pipeline.pages.record import nights, read_manifest
from pipeline.params import Params, Source
from pipeline.store.locks import is_held
from pipeline.store.refusals import NotStored
from pipeline.store.store import Store

NIGHTS_BACK = 7  # published nights that tell how long one takes
MIB = 1 << 20


@dataclass(frozen=True)
class Outlook:
    """Sentences, in the order in which a night would meet what they tell of."""

    sentences: Sequence[str]

    def text(self) -> str:
        return "\n".join([*self.sentences, "Nothing was written."])


def outlook(source: Source, store_path: Path, as_of: dt.date, out: Path, params: Params) -> Outlook:
    """What `recoup run` would do. Raises what it would meet at once: InputMissing, ContractError of a delivery whose
    files are no tables, UsageError of a store that is none.
    """
    delivery = None if is_database(source) else find(Path(source))
    try:
        store = Store(store_path)
    except NotStored:
        store = None
    told = "A database would be read." if delivery is None else _of_delivery(delivery, store, params)
    said = [told, *_of_store(store, params)]
    found = finished(source, store_path, as_of, out, params)
    if found is not None and not found.changed:
        said.append(f"The night of {as_of} is published, and nothing that it stands on has changed: nothing to do.")
        return Outlook(said)
    if found is not None:
        changed = ", ".join(found.changed)
        said.append(f"The night of {as_of} is published and would be made again. Changed since: {changed}.")
    elif read_manifest(out / as_of.isoformat()) is not None:
        said.append(f"The night of {as_of} is published and would be made again: what it stands on is no longer there.")
    else:
        said.append(f"The night of {as_of} would be published to {str(out / as_of.isoformat())!r}.")
    said += _of_shards(out, params.store.shards if store is None else store.shards)
    said += _of_nights(out, sum(part.place.stat().st_size for part in (delivery.parts if delivery else ())))
    if any(is_held(folder) for folder in (out, store_path)):
        said.append("Another run is at work there: until it has ended, this one would be turned away (75).")
    return Outlook(said)


def _of_delivery(delivery: Delivery, store: Store | None, params: Params) -> str:
    known = [] if store is None else [each for each in store.deliveries() if each.content_id == delivery.content_id]
    size = sum(part.place.stat().st_size for part in delivery.parts)
    what = f"{len(delivery.parts):,} files of {', '.join(delivery.tables)}, {_mib(size)}"
    if any(each.settings == settings_of(params) and not each.backfill for each in known):
        return f"The delivery is in the store already (number {known[-1].number}): {what}."
    vouched = [
        table.control.rows for table in delivery.tables.values() if table.control and table.control.rows is not None
    ]
    rows = f"; control files vouch for {sum(vouched):,} rows in {len(vouched)} tables" if vouched else ""
    return f"The delivery would be checked and taken in: {what}{rows}. `recoup ingest --dry-run` checks every row."


def _of_store(store: Store | None, params: Params) -> list[str]:
    if store is None:
        return [f"There is no store yet: one of {params.store.shards} shards would be made."]
    if store.is_cut_off():
        return ["An ingest was cut off: it would be ended first."]
    held = [f"{rows:,} {name}" for name, rows in store.rows().items()]
    deliveries = f"{len(store.deliveries()):,} deliveries in {store.shards} shards"
    return [f"The store holds {deliveries}, with rows: {', '.join(held)}."]


def _of_shards(out: Path, shards: int) -> list[str]:
    waiting = sum(1 for _ in out.glob(".shards-*/[0-9]*/seal.json"))
    if not waiting:
        return [f"{shards} shards would be worked."]
    told = f"{waiting} finished shards of a run that was cut off wait"
    return [f"{shards} shards would be worked; {told}: those of this very night are used again."]


def _of_nights(out: Path, delivered: int) -> list[str]:
    """Time, memory and disk, from the last nights."""
    runs = [
        (folder, manifest["run"], manifest["accounts_known"])
        for folder in reversed(nights(out))
        if (manifest := read_manifest(folder)) is not None and "stages" in manifest.get("run", {})
    ][:NIGHTS_BACK]
    if not runs:
        return ["No night has been published here: how long one takes, and what it needs, is not known yet."]
    seconds = [sum(stage["seconds"] for stage in run["stages"]) for _, run, _ in runs]
    peak = max(stage["peak_mib"] for _, run, _ in runs for stage in run["stages"])
    stages = {
        name: median(stage["seconds"] for _, run, _ in runs for stage in run["stages"] if stage["stage"] == name)
        for name in dict.fromkeys(stage["stage"] for _, run, _ in runs for stage in run["stages"])
    }
    accounts = sum(runs[0][2].values())
    files = max(_size(folder) for folder, _, _ in runs)
    shelf = max(run.get("shelf_bytes", 0) for _, run, _ in runs)
    free = shutil.disk_usage(next(place for place in (out, *out.absolute().parents) if place.exists())).free
    need = files + shelf + delivered
    many = f"the last {len(runs)} nights" if len(runs) > 1 else "the last night"
    told = ", ".join(f"{name} {took:.1f} s" for name, took in stages.items())
    return [
        f"By {many} of about {accounts:,} accounts: {median(seconds):.0f} s, at most {max(seconds):.0f} s ({told}), "
        f"and the monitor after it; {peak:,.0f} MiB of memory at most.",
        f"Disk: about {_mib(need)} (list {_mib(files)}, shards until it is published {_mib(shelf)}, delivery "
        f"{_mib(delivered)}); {_mib(free)} are free." + (" THAT IS NOT ENOUGH." if need > free else ""),
    ]


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _mib(size: int) -> str:
    return f"{size / MIB:,.1f} MiB"
