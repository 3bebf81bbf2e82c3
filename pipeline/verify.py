"""`recoup verify`: every file of the store, the models and the published nights against its sha256."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from features.errors import ContractError
from pipeline.pages.record import FORGOTTEN
from pipeline.pages.record import nights as published
from pipeline.pages.verify import examine_nights
from pipeline.store.files import sha256_of
from pipeline.store.forgotten import forgotten
from pipeline.store.verify import RECORDS, examine_store


class Damaged(ContractError):
    """Something is no longer what was written."""

    @classmethod
    def files(cls, faults: int, looked_at: int) -> Damaged:
        return cls(
            f"{faults:,} of {looked_at:,} files and folders looked at are damaged or gone. "
            "The lines that begin with DAMAGED name them."
        )

    @classmethod
    def by_nobody(cls, where: str) -> Damaged:
        return cls(
            f"{where!r} says that people were forgotten, but no tombstone of the store does: files of that night may "
            "have been altered. Restore the night from a backup, or publish it again."
        )


@dataclass(frozen=True)
class Verified:
    """Per place, kind of file -> how many were looked at; and what was found, as sentences."""

    counts: Mapping[str, Mapping[str, int]]
    faults: Sequence[str]
    notes: Sequence[str]

    def text(self) -> str:
        looked_at = [
            f"{place}: " + (", ".join(f"{kind} {count:,}" for kind, count in kinds.items()) or "nothing to look at")
            for place, kinds in self.counts.items()
        ]
        sound = [] if self.faults else ["Everything is as it was written."]
        return "\n".join(
            [
                *looked_at,
                *(f"NOTE {note}" for note in self.notes),
                *(f"DAMAGED {fault}" for fault in self.faults),
                *sound,
            ]
        )

    def check(self) -> None:
        if self.faults:
            raise Damaged.files(len(self.faults), sum(sum(kinds.values()) for kinds in self.counts.values()))


def verify(store_path: Path, out: Path) -> Verified:
    """Read every file and change none. InputMissing (66) or UsageError (2) where there is no store;
    OUT may be absent.
    """
    store, nights = examine_store(store_path), examine_nights(out)
    for place in [folder / FORGOTTEN for folder in published(out) if (folder / FORGOTTEN).exists()]:
        with nights.one(RECORDS):
            if sha256_of(place) not in forgotten(store_path).cleared():
                raise Damaged.by_nobody(f"{place.parent.name}/{place.name}")
    return Verified(
        counts={f"Store {str(store_path)!r}": store.counts, f"Published nights {str(out)!r}": nights.counts},
        faults=[*store.faults, *nights.faults],
        notes=[*store.notes, *nights.notes],
    )
