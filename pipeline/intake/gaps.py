"""Days that were lost between two deliveries, book by book."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from features.days import date_of, day_number
from pipeline.intake.acceptance import book_told
from pipeline.intake.delivery import Control
from pipeline.params import Params
from pipeline.store.record import State

MOST_NAMED = 5  # books that a sentence names


@dataclass(frozen=True)
class Gap:
    """Days since 1970 that are missing of a table, both ends included, between what the store holds of these books and
    what a delivery brings.
    """

    table: str
    first: int
    last: int
    books: tuple[str, ...]

    def told(self) -> list[str]:
        return [date_of(self.first).isoformat(), date_of(self.last).isoformat()]

    def sentence(self, params: Params) -> str:
        days = self.last - self.first + 1
        named = ", ".join(book_told(book, params) for book in self.books[:MOST_NAMED])
        more = f" and {len(self.books) - MOST_NAMED:,} more" if len(self.books) > MOST_NAMED else ""
        return (
            f"Table {self.table!r}: the delivery begins on {date_of(self.last + 1)}, and the store is complete through "
            f"{date_of(self.first - 1)} for {named}{more}: "
            f"{'1 day is' if days == 1 else f'{days:,} days are'} missing between them."
        )


def gaps(
    controls: Mapping[str, Control | None], days: Mapping[str, Iterable[str]], state: State, params: Params
) -> list[Gap]:
    """Books of a table whose control file says that it begins later than the day after the last that the store holds of
    them; one gap for all that end on the same day.

    days: table -> books whose last day the delivery moves, for their days between would count as there from then on. A
    book of which the store holds none yet begins where it begins; one that does not deliver the table lacks nothing.
    """
    found: list[Gap] = []
    for name, control in controls.items():
        if control is None or control.complete_from is None:
            continue
        begins, held = day_number(control.complete_from), state.complete_through.get(name, {})
        short: dict[int, list[str]] = {}
        for book in sorted(days.get(name, ())):
            if begins > held.get(book, begins) + 1 and name in params.portfolio(book).delivers:
                short.setdefault(held[book], []).append(book)
        found += [Gap(name, day + 1, begins - 1, tuple(books)) for day, books in sorted(short.items())]
    return found


def accepted(missing: Sequence[Gap], why: str | None) -> dict[str, Any] | None:
    """What a record keeps of days that somebody accepts as missing: tables: table -> first and last day of all its
    books; portfolios: table -> book -> the same of each. None where nothing is missing.
    """
    if not missing:
        return None
    tables: dict[str, list[str]] = {}
    portfolios: dict[str, dict[str, list[str]]] = {}
    for gap in missing:
        first, last = gap.told()
        tables[gap.table] = [min(first, tables.get(gap.table, [first])[0]), last]
        portfolios.setdefault(gap.table, {}).update(dict.fromkeys(gap.books, [first, last]))
    return {"why": why, "tables": tables, "portfolios": portfolios}
