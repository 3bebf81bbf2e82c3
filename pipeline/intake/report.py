"""What became of a delivery: rows and money of every table add up, faults are counted by code, warnings are said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from features.currencies import DECIMALS
from pipeline.intake.refusals import IngestBug


def decimal_text(minor: int, currency: str) -> str:
    """Minor units as decimal text with the currency's own decimals."""
    return f"{Decimal(minor).scaleb(-DECIMALS[currency]):f}"


@dataclass(frozen=True)
class TableReport:
    """One table of a delivery.

    money maps currency -> (in, accepted, quarantined, duplicates) in minor units of the table's money column; rows
    whose amount or currency cannot be read are counted in money_unread. Days are days since 1970; newest and first tell
    of accepted and repeated rows.
    """

    name: str
    files: int
    rows_in: int
    accepted: int
    quarantined: int
    duplicates: int
    codes: Mapping[str, int]
    money: Mapping[str, tuple[int, int, int, int]] = field(default_factory=dict)
    # currency -> absolute sums: quarantined, all
    money_faulty: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    money_unread: int = 0
    complete_through: int | None = None
    places: Sequence[str] = ()  # file and line of the first five rows set aside
    reread: bool = False  # of a database: some rows were read before and count as duplicates
    hanging: int = 0  # rows set aside for nothing but their account, which was set aside in the same delivery
    forgotten: int = 0  # rows of people who were forgotten: dropped, and kept nowhere
    money_forgotten: Mapping[str, int] = field(default_factory=dict)
    portfolios: Sequence[str] | None = None  # books that its control file speaks for; None: all

    def check_adds_up(self) -> None:
        """rows_in = accepted + quarantined + duplicates + forgotten, and the same for money.
        RecoupError (70) otherwise: nothing was written then.
        """
        rows = self.accepted + self.quarantined + self.duplicates + self.forgotten
        if rows != self.rows_in:
            raise IngestBug.rows(self.name, self.rows_in, rows)
        for currency, (total, *parts) in self.money.items():
            if total != sum(parts) + self.money_forgotten.get(currency, 0):
                raise IngestBug.money(self.name, currency)

    def text(self) -> str:
        line = (
            f"{self.name:<9} {self.rows_in:>12,} rows = {self.accepted:,} accepted + {self.quarantined:,} quarantined "
            f"+ {self.duplicates:,} duplicates" + (f" + {self.forgotten:,} forgotten" if self.forgotten else "")
        )
        lines = [line]
        for currency, amounts in sorted(self.money.items()):
            total, accepted, quarantined, duplicates = (decimal_text(amount, currency) for amount in amounts)
            lines.append(
                f"{'':<9} {total:>12} {currency} = {accepted} accepted "
                f"+ {quarantined} quarantined + {duplicates} duplicates" + self._money_dropped(currency)
            )
        if self.money_unread:
            lines.append(f"{'':<9} {self.money_unread:,} rows whose money cannot be read are in no sum")
        if self.codes:
            first = f"; first in {', '.join(self.places)}" if self.places else ""
            lines.append(
                f"{'':<9} quarantined: "
                + ", ".join(f"{code} {rows:,}" for code, rows in sorted(self.codes.items()))
                + first
            )
        return "\n".join(lines)

    def _money_dropped(self, currency: str) -> str:
        dropped = self.money_forgotten.get(currency, 0)
        return f" + {decimal_text(dropped, currency)} forgotten" if dropped else ""


@dataclass(frozen=True)
class IngestReport:
    """A delivery that came in, or would have (dry_run), or was there already."""

    ingest_id: str
    number: int
    already: bool
    dry_run: bool
    backfill: bool
    accepted_volume: str | None
    tables: Sequence[TableReport]
    warnings: Sequence[str]
    versions: Mapping[str, int]
    files: Mapping[str, str]  # name -> sha256
    faults: Sequence[str] = ()  # lines that tell the first rows set aside
    read: str = ""  # how far a database was read
    accepted_gap: Mapping[str, Any] | None = None  # why, and table -> first and last day that is missing

    def fields(self) -> dict[str, Any]:
        """The same for a program, amounts in minor units."""
        kept = ("ingest_id", "number", "already", "backfill", "accepted_volume", "accepted_gap", "warnings")
        return {**{name: getattr(self, name) for name in kept}, "tables": [asdict(table) for table in self.tables]}

    def text(self) -> str:
        head = f"Delivery {self.ingest_id[:12]}"
        if self.already:
            return f"{head} is in the store already (number {self.number}); nothing was changed."
        verb = "would come in" if self.dry_run else f"is in the store (number {self.number})"
        marks = " as history" if self.backfill else ""
        return "\n".join(
            [
                f"{head} {verb}{marks}.",
                *([self.read] if self.read else []),
                *(table.text() for table in self.tables),
                *self.faults,
                *([f"Unusual volume accepted: {self.accepted_volume}"] if self.accepted_volume else []),
                *([f"Missing days accepted: {self.accepted_gap['why']}"] if self.accepted_gap else []),
                *(f"WARNING {warning}" for warning in self.warnings),
            ]
        )
