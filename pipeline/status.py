"""How things stand, told from what is there: the last night and its verdict, what is published and approved, how far
every feed reaches, who is at work, room on the disk, and what law changes next. Nothing is written.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.currencies import DECIMALS
from features.days import date_of, day_number
from features.errors import RecoupError
from features.tables import FEEDS
from pipeline.law.overlay import law_of
from pipeline.law.sign_off import signed_by
from pipeline.law.upcoming import ahead
from pipeline.night.alarm import OK, STOP, UNKNOWN, WARN, Stopped, kept_back, stopped_nights, stops_of
from pipeline.night.pins import Stamps
from pipeline.pages.record import EXPIRED, PUBLISHED, lines, newest, nights, put_back, read_manifest
from pipeline.params import Params
from pipeline.store.champion import MODELS, approvals, read_record
from pipeline.store.locks import is_held
from pipeline.store.refusals import NotStored
from pipeline.store.store import Store

LAW_AHEAD = 90  # days
GOOD, LOOK, BAD = "good", "look", "bad"


@dataclass(frozen=True)
class Point:
    """One thing looked at: how it stands (GOOD, LOOK, BAD), in a sentence."""

    name: str
    stands: str
    says: str


@dataclass(frozen=True)
class Standing:
    """Points in the order in which a person asks, and what the sentences rest on as plain values."""

    points: Sequence[Point]
    figures: Mapping[str, Any]

    def text(self) -> str:
        return "\n".join(f"{point.stands:4}  {point.name}: {point.says}" for point in self.points)

    def told(self) -> str:
        points = [vars(point) for point in self.points]
        return json.dumps({"points": points, **self.figures}, indent=1, ensure_ascii=False)


def status(store_path: Path, out: Path, params: Params, now: dt.datetime) -> Standing:
    """now: aware, of the house's own clock. Works without a store, without a list and beside a run; what cannot be read
    is a point of its own.
    """
    today = now.date()
    points = [*_of_the_list(out, today), _at_work(out, store_path)]
    last = newest(out) if out.is_dir() else None
    verdict = None if last is None else verdict_of(out, dt.date.fromisoformat(last))
    expired = (out / EXPIRED).exists()
    figures: dict[str, Any] = {"list": last, "expired": expired, "verdict": verdict, "nights": len(nights(out))}
    figures["kept_back"] = kept_back(out)
    try:
        store = Store(store_path)
        feeds = _feeds(store)
        figures["feeds"] = {
            f"{table} of {book}": {"complete_through": day.isoformat(), "age_days": (today - day).days}
            for (table, book), day in sorted(feeds.items())
        }
        points += [_of_feeds(feeds, params, today), _of_deliveries(store, now)]
    except NotStored:
        points.append(Point("store", LOOK, f"There is none yet at {str(store_path)!r}. `recoup ingest` makes it."))
    except RecoupError as error:
        points.append(Point("store", BAD, str(error)))
    points += [_of_the_model(store_path), _of_the_disk(out)]
    try:
        points.append(_of_law(params, today))
    except RecoupError as error:
        points.append(Point("law", BAD, str(error)))
    return Standing(points, figures)


def _of_the_list(out: Path, today: dt.date) -> list[Point]:
    """The list that `current` leads to, its day, and what the monitor said of it."""
    last = newest(out) if out.is_dir() else None
    if last is None:
        if (out / EXPIRED).exists():
            return [Point("list", BAD, f"`current` leads nowhere: {_notice(out)}")]
        return [Point("list", LOOK, "None is published yet.")]
    try:
        decision, _ = put_back(out), lines(out)
    except RecoupError as error:
        return [Point("list", BAD, str(error))]
    day = dt.date.fromisoformat(last)
    age = (today - day).days
    what = f"{last}, {_ago(age)}" if age else f"{last}, today's"
    said = [f"`current` leads to {what}."]
    stands = GOOD if age <= 0 else LOOK
    if decision is not None:
        said.append(f"It was put back by {decision['by']}: {decision['why']}.")
    if (out / EXPIRED).exists():
        stands = BAD
        said.append(f"It is marked as expired: {_notice(out)}")
    stopped = max(kept_back(out), default="")
    if stopped >= last:
        stands = BAD
        said.append(
            f"The monitor stopped the run for {stopped} since, so that its list is not published: the one that stands "
            "is of an earlier run. `recoup monitor` says why."
        )
    waiting = sum(1 for _ in out.glob(".shards-*/[0-9]*/seal.json"))
    if waiting and not is_held(out):
        said.append(f"{waiting} finished shards of a run that was cut off wait: run that night again.")
    return [Point("list", stands, " ".join(said)), _verdict(out, day)]


def _notice(out: Path) -> str:
    return " ".join((out / EXPIRED).read_text(encoding="utf-8", errors="replace").split())


def verdict_of(out: Path, day: dt.date) -> str | None:
    """What the monitor said of a night before it was published: ok, unknown, warn or stop; None of a list that nobody
    judged.
    """
    told = (read_manifest(out / day.isoformat()) or {}).get("monitor")
    if isinstance(told, dict) and told.get("verdict") in (OK, UNKNOWN, WARN, STOP):
        return str(told["verdict"])
    held = Stamps(out, day_number(day)).read().get("monitor", {}).get("outputs")  # of a list of an earlier version
    return str(held["verdict"]) if isinstance(held, dict) and "verdict" in held else None


def summary(out: Path, as_of: dt.date, code: int) -> dict[str, Any]:
    """How a run for a night ended, and which list holds after it. outcome: published, marked (published though the
    monitor says stop), kept_from (not published for that), failed.
    """
    current = newest(out) if out.is_dir() else None
    verdict = verdict_of(out, as_of)
    stands = current == as_of.isoformat() and as_of.isoformat() not in kept_back(out)
    marked = code == Stopped.exit_code and stands and verdict == STOP
    outcome = (
        "published" if code == 0 else "marked" if marked else "kept_from" if code == Stopped.exit_code else "failed"
    )
    return {
        "as_of": as_of.isoformat(),
        "exit_code": code,
        "outcome": outcome,
        "verdict": STOP if code == Stopped.exit_code else verdict if code == 0 else None,
        "current": current,
        "expired": (out / EXPIRED).exists(),
    }


def told_of(out: Path, day: dt.date) -> dict[str, Any]:
    """A published night for a program: what the manifest says of it that a run is asked for."""
    manifest = read_manifest(out / day.isoformat()) or {}
    kept = (
        "as_of",
        "valid_until",
        "model",
        "counts",
        "worklist",
        "monitor",
        "warnings",
        "accepted_volume",
        "accepted_gap",
    )
    told = {name: manifest[name] for name in kept if name in manifest}
    return {**told, "current": newest(out), "folder": str(out / day.isoformat())}


def _verdict(out: Path, day: dt.date) -> Point:
    found = verdict_of(out, day)
    if found is None:
        return Point("verdict", LOOK, "Nobody judged it. `recoup monitor` says what is to be said today.")
    stops = " ".join(f"{each['name']}: {each['says']}" for each in stops_of(read_manifest(out / day.isoformat()) or {}))
    says = {
        OK: "ok.",
        UNKNOWN: "unknown: too little has matured to tell. `recoup monitor` says what is known.",
        WARN: "warn. `recoup monitor` says of what.",
        STOP: f"stop; its ranks are not to be relied on. {stops or '`recoup monitor` says why.'}",
    }[found]
    return Point("verdict", {OK: GOOD, STOP: BAD}.get(found, LOOK), says)


def _at_work(out: Path, store_path: Path) -> Point:
    busy = [name for name, folder in (("lists", out), ("store", store_path)) if is_held(folder)]
    if busy:
        return Point("at work", LOOK, f"A run works on {' and '.join(busy)} now; another one would end with 75.")
    return Point("at work", GOOD, "Nobody.")


def _feeds(store: Store) -> dict[tuple[str, str], dt.date]:
    """(table, book) -> last day that is complete."""
    return {
        (table, book): date_of(day)
        for table, days in store.complete_by_portfolio().items()
        for book, day in days.items()
        if day is not None
    }


def _of_feeds(feeds: Mapping[tuple[str, str], dt.date], params: Params, today: dt.date) -> Point:
    """Feeds of a book that lag behind the others, or all of them behind today."""
    own = {
        (table, book): day for (table, book), day in feeds.items() if table in FEEDS and _declared(params, table, book)
    }
    if not own:
        return Point("feeds", LOOK, "None is delivered.")
    newest_day, oldest = max(own.values()), min(own.values())
    behind = [f"{table} of {book} {day}" for (table, book), day in sorted(own.items()) if day < newest_day]
    age = (today - newest_day).days - 1
    stands = GOOD if not behind and age <= 0 else LOOK
    says = f"complete through {newest_day}" + ("" if age <= 0 else f", {_ago(age + 1)}")
    late = f"; behind: {', '.join(behind)}, the oldest by {(newest_day - oldest).days} days" if behind else ""
    ages = {table: [(today - day).days for (name, _), day in own.items() if name == table] for table in FEEDS}
    told = ", ".join(f"{table} {_days(min(days), max(days))}" for table, days in ages.items() if days)
    return Point("feeds", stands, f"{says}{late}. Days since the last complete one: {told}.")


def _days(least: int, most: int) -> str:
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _declared(params: Params, table: str, book: str) -> bool:
    return table in params.portfolio(book).delivers


def _of_deliveries(store: Store, now: dt.datetime) -> Point:
    last = store.deliveries()[-1]
    loaded = dt.datetime.fromisoformat(last.loaded_at)
    cut = " An ingest was cut off: the next one ends it." if store.is_cut_off() else ""
    aside = sum(table["quarantined"] for table in last.tables)
    kept = f", {aside:,} rows of it set aside" if aside else ""
    says = f"number {last.number}, taken in {loaded:%Y-%m-%d %H:%M} UTC ({_since(now - loaded)}){kept}.{cut}"
    return Point("delivery", BAD if cut else GOOD, says)


def _of_the_model(store_path: Path) -> Point:
    try:
        record = read_record(store_path) if (store_path / MODELS).is_dir() else None
    except RecoupError as error:
        return Point("model", BAD, str(error))
    if record is None:
        return Point("model", LOOK, "None is approved: a table of recovery rates by days past due ranks.")
    says = f"{record['model_version']}, approved by {record['approved_by']} at {record['approved_at']}: {record['why']}"
    return Point("model", GOOD, f"{says}.")


def _of_the_disk(out: Path) -> Point:
    place = next(place for place in (out, *out.absolute().parents) if place.exists())
    free, last = shutil.disk_usage(place).free, nights(out)[-1:] if out.is_dir() else []
    size = sum(file.stat().st_size for folder in last for file in folder.rglob("*") if file.is_file())
    if size and free < 3 * size:
        return Point("disk", BAD, f"{free >> 20:,} MiB are free, less than three lists of {size >> 20:,} MiB need.")
    return Point("disk", GOOD, f"{free >> 20:,} MiB are free.")


def _of_law(params: Params, today: dt.date) -> Point:
    law = law_of(params)
    signed = {*params.eligibility.signed_off, *signed_by(params)}
    found = sorted((day, place) for day, place, _ in ahead(law, today, today + dt.timedelta(LAW_AHEAD)))
    ours = [(day, place) for day, place in found if place in signed or not place]
    if not ours:
        return Point("law", GOOD, f"Nothing changes within {LAW_AHEAD} days in the {len(signed)} places signed off.")
    day, place = ours[0]
    says = f"that of {place or 'every place'} changes on {day}; {len(ours)} changes within {LAW_AHEAD} days."
    return Point("law", LOOK, f"{says} `recoup rules --upcoming {LAW_AHEAD}` tells them.")


def _ago(days: int) -> str:
    return "1 day ago" if days == 1 else f"{days:,} days ago" if days > 0 else f"{-days:,} days ahead"


def _since(passed: dt.timedelta) -> str:
    hours = int(passed.total_seconds() // 3600)
    if hours < 48:
        return "within the last hour" if hours < 1 else "1 hour ago" if hours == 1 else f"{hours} hours ago"
    return f"{hours // 24:,} days ago"


def runs(out: Path) -> list[dict[str, Any]]:
    """Every night that is published, or that the monitor kept from it, oldest first, as plain values: published says
    how often, kept_back whether a run was stopped and none published since; net_value in units of reporting_currency.
    Raises RecordDamaged where what vouches for them is not what was written; a night whose manifest cannot be read has
    no figures.
    """
    leads, record = newest(out), lines(out)
    kept = {folder.name: (read_manifest(folder) or {}, False) for folder in nights(out)}
    judged = [(night, *found) for night, found in kept.items()]
    judged += [(night, told, True) for night, told in stopped_nights(out).items()]
    found = []
    for night, manifest, stopped in sorted(judged, key=lambda each: (each[0], each[2])):
        times = 0 if stopped else sum(line["night"] == night and line["event"] == PUBLISHED for line in record)
        listed = manifest.get("worklist", {})
        took = sum(stage["seconds"] for stage in manifest.get("run", {}).get("stages", []))
        found.append(
            {
                "night": night,
                "current": night == leads and not stopped,
                "published": times,
                "kept_back": stopped,
                "model": manifest.get("model", {}).get("version", ""),
                "scorable": manifest.get("counts", {}).get("scorable"),
                "listed": listed.get("debtors"),
                "net_value": _units(listed.get("net_value"), str(manifest.get("reporting_currency", ""))),
                "reporting_currency": manifest.get("reporting_currency", ""),
                "verdict": STOP if stopped else verdict_of(out, dt.date.fromisoformat(night)),
                "seconds": round(took, 1),
                "warnings": manifest.get("warned", len(manifest.get("warnings", []))),
            }
        )
    return found


def _units(minor: int | None, currency: str) -> float | None:
    places = DECIMALS.get(currency)
    return None if minor is None or places is None else round(minor / 10**places, places)


def models(store_path: Path) -> list[dict[str, Any]]:
    """Every model that lies beside the store, by name: whether it is the champion, approved before, or neither. Raises
    ModelRefused where the approvals are not what was written.
    """
    folder = store_path / MODELS
    if not folder.is_dir():
        return []
    record = read_record(store_path)
    approved = approvals(store_path)
    chain: dict[str, Mapping[str, Any]] = {}
    while record:
        chain.setdefault(str(record["model_version"]), record)
        record = record["previous"]
    champion_name = next(iter(chain), None)
    found = []
    for place in sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith(".")):
        own = chain.get(place.name, {})
        state = "champion" if place.name == champion_name else "former" if place in approved else "kept"
        found.append(
            {
                "model": place.name,
                "state": state,
                "run_id": own.get("run_id") or "",
                "approved_by": own.get("approved_by", ""),
                "approved_at": own.get("approved_at", ""),
                "why": own.get("why", ""),
            }
        )
    return found
