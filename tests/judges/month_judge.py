"""What is true of a house after a run, found from what was done to it and from its files alone, beside what an operator
is told: exit code, last line, EXPIRED.txt, `recoup status`, the manifest. Shares no code with the product.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

PUBLISHED, MARKED, NONE = "published", "published, marked", "none"
STOP, KILLED = 78, -9


@dataclass(frozen=True)
class Told:
    """What the operator has: how the run ended, what it said, and what `recoup status --json` says after it."""

    code: int
    stdout: str
    stderr: str
    status: Mapping[str, Any]

    @property
    def last(self) -> str:
        """The last record: a refusal may name faults on lines of their own."""
        lines = self.stderr.strip().splitlines()
        first = max((at for at, line in enumerate(lines) if re.match(r"\d{4}-\d\d-\d\dT", line)), default=0)
        return " ".join(line.strip() for line in lines[first:])


@dataclass(frozen=True)
class Done:
    """What whoever planned the month knows of a run.

    night: asked for; codes: how it may end; says: words that the last line must hold; comes_in: whether its delivery
    does (None: a kill decides); through: table -> last day delivered, with it; before: without it; rows: table -> rows
    that the store must hold, with it, and before; keeps: whether a stop publishes nothing; accepted: why a gap or a
    volume was accepted, by the manifest's name of it; rolled: the night whose list was put back in tonight's place;
    notice: what a mark must name, if not the night.
    """

    night: dt.date
    codes: Sequence[int]
    says: Sequence[str]
    comes_in: bool | None
    through: Mapping[str, dt.date]
    before: Mapping[str, dt.date]
    rows: Mapping[str, int]
    rows_before: Mapping[str, int]
    keeps: bool = False
    accepted: Mapping[str, str] = field(default_factory=dict)
    rolled: str | None = None
    notice: str | None = None


@dataclass
class Judge:
    """Of one house, over its nights. kept: night -> sha256 over its files when it was published; reach: night -> last
    days delivered then; came_in: whether the last delivery did.
    """

    store: Path
    out: Path
    kept: dict[str, str] = field(default_factory=dict)
    reach: dict[str, Mapping[str, dt.date]] = field(default_factory=dict)
    came_in: bool = False

    def lies(self, done: Done, told: Told) -> list[str]:
        """What is not as told, or not as it must be; empty where all is."""
        held = held_in(self.store, done.rows)
        self.came_in = held != done.rows_before if done.comes_in is None else done.comes_in
        rows, through = (done.rows, done.through) if self.came_in else (done.rows_before, done.before)
        found = [] if held == rows else [f"the store holds {held}, delivered were {rows}"]
        current = led_to(self.out)
        found += [f"{name} was altered" for name, sha in self.kept.items() if sha_of(self.out / name) != sha]
        tonight = self._tonight(done, current, through)
        found += self._by_the_code(done, told, tonight)
        found += self._by_the_folder(done, current)
        found += self._by_status(told, current, through)
        found += self._by_the_manifest(done, current)
        return found

    def _tonight(self, done: Done, current: str | None, through: Mapping[str, dt.date]) -> str:
        """Whether tonight's list is there: whole, of tonight's data, and what readers are led to."""
        night = done.night.isoformat()
        if current != night:
            return PUBLISHED if done.rolled == current else NONE
        if night not in self.kept:
            self.kept[night], self.reach[night] = sha_of(self.out / night), through
        verdict = manifest(self.out / night).get("monitor", {}).get("verdict")
        return MARKED if verdict == "stop" else PUBLISHED

    def _by_the_code(self, done: Done, told: Told, tonight: str) -> list[str]:
        found = [] if told.code in done.codes else [f"it ended with {told.code}, planned was {list(done.codes)}"]
        believed = {0: PUBLISHED, STOP: NONE if done.keeps else MARKED}.get(told.code, NONE)
        if believed != tonight:
            found.append(f"exit {told.code} says that tonight's list is {believed}; it is {tonight}")
        if told.code == KILLED:
            return found
        if told.code and " ERROR " not in told.last:
            found.append("the last line tells no failure")
        if not told.code and " ERROR " in told.stderr:
            found.append("an error was told of a night that is good")
        return found + [f"the last line does not say {word!r}" for word in done.says if word not in told.last]

    def _by_the_folder(self, done: Done, current: str | None) -> list[str]:
        """The mark stands if and only if readers are not led to the list of the night last asked for, and names it."""
        notice, night = self.out / "EXPIRED.txt", done.notice or done.night.isoformat()
        stale = current != done.night.isoformat()
        if notice.exists() != stale:
            return [f"EXPIRED.txt is {'there' if notice.exists() else 'not there'}; current leads to {current}"]
        if stale and night not in notice.read_text(encoding="utf-8"):
            return [f"EXPIRED.txt does not name {night}"]
        return []

    def _by_status(self, told: Told, current: str | None, through: Mapping[str, dt.date]) -> list[str]:
        status, found = told.status, []
        if status["list"] != current:
            found.append(f"status says list {status['list']}, current leads to {current}")
        marked = (self.out / "EXPIRED.txt").exists()
        stands = next(point["stands"] for point in status["points"] if point["name"] == "list")
        if (stands == "bad") != marked or status["expired"] != marked:
            found.append(f"status calls the list {stands}; it is {'marked' if marked else 'not marked'}")
        if current and status["verdict"] != manifest(self.out / current).get("monitor", {}).get("verdict"):
            found.append(f"status says verdict {status['verdict']}, not that of the list")
        days = {name.split(" of ")[0]: each["complete_through"] for name, each in status["feeds"].items()}
        if days != {table: day.isoformat() for table, day in through.items()}:
            found.append(f"status says feeds {days}, delivered were {through}")
        return found

    def _by_the_manifest(self, done: Done, current: str | None) -> list[str]:
        """Of the list that readers are led to: of its day, of all delivered by then, its files as it says."""
        if current is None:
            return []
        told, found = manifest(self.out / current), []
        if told.get("as_of") != current:
            found.append(f"the manifest of {current} speaks of {told.get('as_of')}")
        if current in self.reach and told.get("complete_through") != {
            table: day.isoformat() for table, day in self.reach[current].items()
        }:
            found.append(f"the manifest of {current} says {told.get('complete_through')}, not what was delivered")
        for name, said in told.get("outputs", {}).items():
            if hashlib.sha256((self.out / current / name).read_bytes()).hexdigest() != said["sha256"]:
                found.append(f"{name} of {current} is not what its manifest says")
        if current == done.night.isoformat():
            accepted = {name: told.get(name) for name in ("accepted_gap", "accepted_volume")}
            for name, why in accepted.items():
                if (why is not None) != (name in done.accepted) or (why and done.accepted[name] not in json.dumps(why)):
                    found.append(f"the manifest says {name}: {why}; given was {done.accepted.get(name)}")
        return found


def led_to(out: Path) -> str | None:
    place = out / "current"
    return place.readlink().name if place.is_symlink() else None


def manifest(night: Path) -> dict[str, Any]:
    return json.loads((night / "manifest.json").read_text(encoding="utf-8"))


def sha_of(night: Path) -> str:
    """Over the names and bytes of all files."""
    found = hashlib.sha256()
    for file in sorted(night.rglob("*")):
        if file.is_file():
            found.update(str(file.relative_to(night)).encode() + b"\0" + file.read_bytes())
    return found.hexdigest()


def held_in(store: Path, tables: Mapping[str, int]) -> dict[str, int]:
    """Rows of each table, as Delta Lake itself counts them."""
    return {table: DeltaTable(store / table).count() if (store / table).exists() else 0 for table in tables}
