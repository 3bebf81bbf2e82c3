"""A folder of another system that is in the contract's form already: nothing of it needs converting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from features.errors import ContractError, InputMissing
from pipeline.intake.casting import quoted
from pipeline.intake.delivery import Delivery, Part, find
from pipeline.intake.engine import engine
from pipeline.intake.files import csv_scan, parquet_scan
from pipeline.intake.looking import is_foreign_day, look
from pipeline.intake.refusals import DeliveryRefused
from pipeline.store.files import private_folder

OWED = ("charges", "balances")  # one of them is there


@dataclass(frozen=True)
class Begun:
    """Tables of the folder, and every word that stands in some columns of its accounts."""

    tables: tuple[str, ...]
    words: dict[str, tuple[str, ...]]


def in_our_form(source: Path, columns: Sequence[str], memory_limit: str) -> Begun | None:
    """What a source folder holds; None where ingest would not read its files, or not as they mean it.

    columns: of accounts. Raises ContractError where the file of accounts breaks off.
    """
    try:
        delivery = find(source)
    except (ContractError, InputMissing):
        return None
    if "accounts" not in delivery.tables or not any(name in delivery.tables for name in OWED):
        return None
    if not all(part.is_parquet or _is_written_as_ours(part, source) for part in delivery.parts):
        return None
    return Begun(tuple(delivery.tables), _words(delivery, source, columns, memory_limit))


def _is_written_as_ours(part: Part, source: Path) -> bool:
    """Whether days and amounts look as the contract wants them."""
    seen = [one for one in look(part.place, source).columns if one.filled]
    iso = not any(is_foreign_day(cell) for one in seen if one.meaning == "day" for cell in one.cells)
    return iso and not any("," in cell for one in seen if one.meaning == "money" for cell in one.cells)


def _words(delivery: Delivery, source: Path, columns: Sequence[str], memory_limit: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {column: set() for column in columns}
    faults: list[str] = []
    names = ", ".join(f"trim({quoted(column)})" for column in columns)
    with private_folder() as spill, engine([source], spill, memory_limit) as opened:
        for part in delivery.tables["accounts"].parts:
            place = str(part.place.resolve())
            scan = parquet_scan(place) if part.is_parquet else csv_scan(part, place)
            with opened.reading(part.name, faults):
                for row in opened.rows(f"SELECT DISTINCT {names} FROM {scan}"):
                    for column, word in zip(columns, row, strict=True):
                        found[column] |= {word} if word else set()
    if faults:
        raise DeliveryRefused.unread(faults)
    return {column: tuple(sorted(words)) for column, words in found.items()}
