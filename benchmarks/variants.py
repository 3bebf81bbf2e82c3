"""One ledger in 44 forms, as other systems write it: how many are read right, refused, or misread. Misread must be 0.

Each goes the user's way: a proposed mapping, nothing said by hand but who owes and the currency, then the conversion.
"""

from __future__ import annotations

import csv
import datetime as dt
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from openpyxl import Workbook

from features.errors import RecoupError
from pipeline.intake.convert import convert
from pipeline.intake.mapping import load_mapping
from pipeline.intake.mapping_lines import Decided
from pipeline.intake.proposal import propose

HEAD = ("Invoice No", "Customer No", "Invoice Date", "Due Date", "Amount", "Paid On")
SAID = Decided(currency="EUR", debtor_type="commercial", place="DE", time_zone="Europe/Berlin")
Row = tuple[str, str, dt.date, dt.date, Decimal, dt.date | None]


def _ledger(days: Sequence[int], amounts: Sequence[str]) -> list[Row]:
    rows = []
    for at, (day, amount) in enumerate(zip(days, amounts, strict=True)):
        issued, due = dt.date(2026, 3, day), dt.date(2026, 5, day)
        rows.append((f"R-{1000 + at}", f"K{at % 3}", issued, due, Decimal(amount), due if at % 2 else None))
    return rows


LEDGER = _ledger((3, 14, 25, 28, 9, 17), ("1190.00", "238.50", "12345.67", "0.99", "1000.00", "47.11"))
CREDITS = [*LEDGER[:4], (*LEDGER[4][:4], Decimal("-238.50"), None), LEDGER[5]]
EARLY = _ledger((3, 4, 5, 6, 7, 8), ("1190.00", "238.50", "12345.67", "0.99", "1000.00", "47.11"))  # 03/05 or 05/03
ROUND = _ledger((14, 25, 28), ("1234", "2345", "3456"))  # 1,234


@dataclass(frozen=True)
class Form:
    """How one file writes the ledger."""

    rows: Sequence[Row] = tuple(LEDGER)
    amount: Callable[[Decimal], str] = str
    day: Callable[[dt.date], str] = dt.date.isoformat
    delimiter: str = ","
    encoding: str = "utf-8"
    head: Sequence[str] = HEAD
    above: Sequence[str] = ()
    below: Sequence[str] = ()
    line: str = "\n"
    edit: Callable[[str], str] = str
    workbook: bool = False

    def write(self, place: Path) -> None:
        if self.workbook:
            return self._write_workbook(place / "ledger.xlsx")
        lines = [*self.above, self.delimiter.join(self.head)]
        for no, firm, issued, due, amount, paid in self.rows:
            cells = (no, firm, self.day(issued), self.day(due), self.amount(amount), self.day(paid) if paid else "")
            lines.append(self.delimiter.join(f'"{cell}"' if self.delimiter in cell else cell for cell in cells))
        text = self.edit(self.line.join([*lines, *self.below]) + self.line)
        (place / "ledger.csv").write_bytes(text.encode(self.encoding))
        return None

    def _write_workbook(self, place: Path) -> None:
        book = Workbook()
        for line in self.above:
            book.active.append([line])
        book.active.append(list(self.head))
        for no, firm, issued, due, amount, paid in self.rows:
            written = float(amount) if self.amount is str else self.amount(amount)
            days = [
                day if self.day is dt.date.isoformat or day is None else self.day(day) for day in (issued, due, paid)
            ]
            book.active.append([no, firm, *days[:2], written, days[2]])
        book.save(place)


def marks(decimal: str, thousands: str) -> Callable[[Decimal], str]:
    return lambda amount: f"{amount:,.2f}".translate(str.maketrans(",.", thousands + decimal)) if thousands else (
        f"{amount:.2f}".replace(".", decimal)
    )  # fmt: skip


def days(form: str) -> Callable[[dt.date], str]:
    return lambda day: day.strftime(form)


GERMAN = Form(amount=marks(",", "."), day=days("%d.%m.%Y"), delimiter=";")
SLASHES = Form(day=days("%d/%m/%Y"))
VARIANTS: dict[str, Form] = {
    "commas, ISO days": Form(),
    "semicolons": Form(delimiter=";"),
    "tabs": Form(delimiter="\t"),
    "bars": Form(delimiter="|"),
    "UTF-8 with a mark": Form(encoding="utf-8-sig"),
    "UTF-16": Form(encoding="utf-16"),
    "Windows-1252, umlauts": replace(GERMAN, encoding="cp1252", head=(*HEAD[:3], "Fällig am", "Betrag", "Bezahlt am")),
    "lines end in CR LF": Form(line="\r\n"),
    "decimal comma": Form(amount=marks(",", ""), delimiter=";"),
    "German amounts and days": GERMAN,
    "English thousands": Form(amount=marks(".", ",")),
    "thousands by blanks": Form(amount=marks(",", " "), delimiter=";"),
    "thousands by apostrophes": Form(amount=marks(".", "'")),
    "euro sign behind": replace(GERMAN, amount=lambda amount: f"{marks(',', '.')(amount)} €"),
    "code before": Form(amount=lambda amount: f"EUR {amount}"),
    "days with points": Form(day=days("%d.%m.%Y")),
    "days with slashes, one above 12": SLASHES,
    "days with slashes, none above 12": replace(SLASHES, rows=EARLY),
    "American days": Form(day=days("%m/%d/%Y")),
    "days with month names": Form(day=days("%d-%b-%Y")),
    "days without marks": Form(day=days("%Y%m%d")),
    "ISO with slashes": Form(day=days("%Y/%m/%d")),
    "days with midnight": Form(day=days("%Y-%m-%d 00:00:00")),
    "years of two digits": Form(day=days("%d.%m.%y")),
    "minus before": Form(rows=CREDITS),
    "minus behind": Form(rows=CREDITS, amount=lambda amount: f"{abs(amount)}{'-' if amount < 0 else ''}"),
    "parentheses": Form(rows=CREDITS, amount=lambda amount: f"({abs(amount)})" if amount < 0 else str(amount)),
    "a true minus sign": Form(rows=CREDITS, amount=lambda amount: str(amount).replace("-", "\u2212")),
    "lines above the header": replace(GERMAN, above=("Ledger of 2026-09-30", "")),
    "a total below": Form(below=("Total,,,,14822.27,",)),
    "empty lines between": Form(edit=lambda text: text.replace("\nR-1003", "\n\nR-1003")),
    "an empty column at the end": Form(edit=lambda text: text.replace("\n", ",\n")),
    "all cells quoted": Form(edit=lambda text: "".join(
        ",".join(f'"{cell}"' for cell in line.split(",")) + "\n" for line in text.splitlines())),
    "blanks around cells": Form(edit=lambda text: text.replace(",", " , ")),
    "amounts that can be read in two ways": Form(rows=ROUND, amount=lambda amount: f"{amount:,}"),
    "a day that is none": Form(edit=lambda text: text.replace("2026-03-14", "2026-02-30")),
    "an amount that is none": Form(edit=lambda text: text.replace("238.50", "n/a")),
    "two forms of amounts mixed": Form(delimiter=";", edit=lambda text: text.replace("12345.67", "12.345,67")),
    "two forms of days mixed": Form(edit=lambda text: text.replace("2026-03-25", "25.03.2026")),
    "a header that stands twice": Form(head=(*HEAD[:4], "Due Date", HEAD[5])),
    "a row that is cut off": Form(edit=lambda text: text.removesuffix("0.99,\n").rsplit(",", 3)[0] + "\n"),
    "a workbook": Form(workbook=True),
    "a workbook, lines above": Form(workbook=True, above=("Ledger of 2026-09-30",)),
    "a workbook of texts": replace(GERMAN, workbook=True),
}  # fmt: skip


def outcome(form: Form, place: Path) -> tuple[str, str]:
    """right, refused or misread; and what the refusal says or what differs."""
    theirs = place / "theirs"
    theirs.mkdir(parents=True)
    form.write(theirs)
    try:
        (place / "mapping.yaml").write_text(propose(theirs, decided=SAID).text, encoding="utf-8")
        convert(load_mapping(place / "mapping.yaml"), theirs, place / "ours")
    except RecoupError as error:
        return "refused", str(error).splitlines()[-1]
    charges = {
        row["charge_id"]: (row["due_on"], Decimal(row["amount"])) for row in _rows(place / "ours" / "charges.csv")
    }
    paid = {row["account_id"]: row["occurred_at"][:10] for row in _rows(place / "ours" / "payments.csv")}
    wanted = {no: (due.isoformat(), amount) for no, _, _, due, amount, _ in form.rows}
    wanted_paid = {no: day.isoformat() for no, *_, day in form.rows if day}
    differing = sorted(
        no for no in {*charges, *wanted} if charges.get(no) != wanted.get(no) or paid.get(no) != wanted_paid.get(no)
    )
    return ("misread", f"{', '.join(differing)}") if differing else ("right", "")


def _rows(place: Path) -> list[dict[str, str]]:
    if not place.exists():
        return []
    with place.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def main() -> None:
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as place:
        for at, (name, form) in enumerate(VARIANTS.items()):
            what, why = outcome(form, Path(place, str(at)))
            counts[what] += 1
            print(f"{name:<38} {what:<8} {why[:150]}")
    print(
        f"{len(VARIANTS)} forms: {counts['right']} read right, {counts['refused']} refused, {counts['misread']} misread"
    )


if __name__ == "__main__":
    main()
