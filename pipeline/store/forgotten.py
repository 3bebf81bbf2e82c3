"""Whom the store may not know again: keyed hashes of ids, never an id, and the record of every forgetting.

STORE/forgotten/key            the key of the hashes, for the owner alone
STORE/forgotten/tombstones     a line for each act, each with the sha256 of the line before it: `begun` and `ended`
                               of a debtor; `met`, accounts that came later; `cleared`, a published night that lost
                               rows; `judged`, test rows of a run that did
STORE/forgotten/head.json      how many lines there are, and what the last hashes to: a line cut off is noticed

store.json says that the folder is there, so that its loss is noticed as well: without it, people who were forgotten
would come back with the next delivery.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.store.files import only_owner_reads, sealed, sync, unsealed, write_whole
from pipeline.store.refusals import StoreDamaged

FOLDER, KEY, TOMBSTONES, HEAD, CARD = "forgotten", "key", "tombstones", "head.json", "store.json"
BEGUN, ENDED, MET, CLEARED, JUDGED = "begun", "ended", "met", "cleared", "judged"


@dataclass(frozen=True)
class Forgotten:
    """The record as it stands. Caller of what writes holds the store's lock."""

    store: Path
    key: str | None = None
    tombstones: Sequence[Mapping[str, Any]] = ()

    def hashed(self, identity: str) -> str:
        """The keyed hash of an id; the same as `hashed_sql` of the intake says."""
        inner = hashlib.sha256(f"{self.key}{identity}".encode()).hexdigest()
        return hashlib.sha256(f"{self.key}{inner}".encode()).hexdigest()

    def debtors(self) -> set[str]:
        """Hashes of debtors."""
        return {one for stone in self.tombstones for one in stone.get("debtors", ())}

    def accounts(self) -> dict[str, str | None]:
        """Hash of an account -> its currency, so that sums of a delivery still add up."""
        return {one: currency for stone in self.tombstones for one, currency in stone.get("accounts", {}).items()}

    def unended(self) -> list[int]:
        """Numbers of the forgettings that were begun and have not ended."""
        ended = {stone["of"] for stone in self.tombstones if stone["act"] == ENDED}
        return [number for number, stone in self._numbered() if stone["act"] == BEGUN and number not in ended]

    def number_of(self, debtor_id: str) -> int | None:
        """The newest forgetting of a debtor; None where there was none."""
        person = self.hashed(debtor_id) if self.key else None
        found = [number for number, stone in self._numbered() if stone["act"] == BEGUN and person in stone["debtors"]]
        return found[-1] if found else None

    def accounts_of(self, debtor_id: str) -> set[str]:
        """Hashes of the accounts that were a debtor's when the debtor was forgotten."""
        person = self.hashed(debtor_id) if self.key else None
        return {one for stone in self.tombstones if person in stone.get("debtors", ()) for one in stone["accounts"]}

    def cleared(self) -> set[str]:
        """sha256 of every record that a published night has of the rows it lost."""
        return {stone["sha256"] for stone in self.tombstones if stone["act"] == CLEARED}

    def became(self, sha256: str) -> set[str]:
        """What a run's test rows may hash to that once hashed to this."""
        found = {sha256}
        for stone in self.tombstones:
            if stone["act"] == JUDGED and stone["was"] in found:
                found.add(stone["now"])
        return found

    def _numbered(self) -> list[tuple[int, Mapping[str, Any]]]:
        return list(enumerate(self.tombstones, start=1))

    def with_key(self) -> Forgotten:
        """The same, once there is a key: made at the first forgetting, and then for ever."""
        if self.key is not None:
            return self
        folder = self.store / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        if not (folder / KEY).exists():  # a forgetting that was cut off may have left it
            _private(folder / KEY, os.urandom(32).hex())
        return Forgotten(self.store, (folder / KEY).read_text(), self.tombstones)

    def record(self, act: str, **told: Any) -> Forgotten:
        """The same with one tombstone more, on the disk before this returns."""
        folder = self.store / FOLDER
        lines = [_line(stone) for stone in self.tombstones]
        before = hashlib.sha256(lines[-1].encode()).hexdigest() if lines else None
        stone = {"act": act, "before": before, **told}
        lines.append(_line(stone))
        card = unsealed(self.store / CARD)
        with only_owner_reads():
            write_whole(folder / TOMBSTONES, "".join(lines))
            write_whole(folder / HEAD, _head(lines))
            if not card.get("forgets"):
                write_whole(self.store / CARD, sealed({**card, "forgets": True}))
        return Forgotten(self.store, self.key, (*self.tombstones, stone))


def forgotten(store: Path) -> Forgotten:
    """The record of a store, once its chain is whole. StoreDamaged where a line or the key is gone or altered."""
    folder = store / FOLDER
    if not (store / CARD).exists() or not unsealed(store / CARD).get("forgets"):
        return Forgotten(store)  # what a first forgetting may have left before it was cut off says nothing yet
    for name in (KEY, TOMBSTONES, HEAD):
        if not (folder / name).is_file():
            raise StoreDamaged.gone(f"{FOLDER}/{name}")
    head = unsealed(folder / HEAD)
    lines = (folder / TOMBSTONES).read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    # one line more than the head tells of: the writing was cut off between the two
    if len(lines) not in (head["lines"], head["lines"] + 1) or _head(lines[: head["lines"]]) != sealed(head):
        raise StoreDamaged.sealed(f"{FOLDER}/{TOMBSTONES}")
    try:
        stones = [json.loads(line) for line in lines]
    except ValueError:
        raise StoreDamaged.sealed(f"{FOLDER}/{TOMBSTONES}") from None
    befores = [None, *(hashlib.sha256(line.encode()).hexdigest() for line in lines[:-1])]
    if any(stone.get("before") != before for stone, before in zip(stones, befores, strict=True)):
        raise StoreDamaged.sealed(f"{FOLDER}/{TOMBSTONES}")
    return Forgotten(store, (folder / KEY).read_text(encoding="utf-8", errors="replace"), stones)


def _head(lines: Sequence[str]) -> str:
    return sealed({"lines": len(lines), "sha256": hashlib.sha256(lines[-1].encode()).hexdigest() if lines else None})


def _line(stone: Mapping[str, Any]) -> str:
    return json.dumps(stone, sort_keys=True, ensure_ascii=True) + "\n"


def _private(place: Path, text: str) -> None:
    descriptor = os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    sync(place.parent)
