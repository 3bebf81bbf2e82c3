"""What another system's file shows of itself: encoding, delimiter, header line, what its columns mean
and how their cells are written.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

import yaml

from pipeline.intake.delivery import COLUMNS_LIMIT
from pipeline.intake.mapping import date_pattern
from pipeline.intake.sheets import check_proportion

LOOKED_AT = 2_000  # rows of a file that a proposal rests on
EXAMPLES = 3
PREAMBLE = 30  # lines among which a header is sought
ENDINGS = (".csv", ".csv.gz", ".txt", ".tsv", ".xlsx", ".xlsm")
DATE_FORMS = (
    "YYYY-MM-DD", "DD.MM.YYYY", "D.M.YYYY", "DD/MM/YYYY", "D/M/YYYY", "MM/DD/YYYY", "M/D/YYYY", "DD-MM-YYYY",
    "MM-DD-YYYY", "YYYY/MM/DD", "YYYYMMDD", "DD.MM.YY", "DD/MM/YY", "MM/DD/YY", "D-MMM-YYYY", "D MMM YYYY",
    "MMM D, YYYY", "DD.MM.YYYY HH:mm", "DD.MM.YYYY HH:mm:ss", "DD/MM/YYYY HH:mm", "MM/DD/YYYY HH:mm",
    "DD/MM/YYYY HH:mm:ss", "MM/DD/YYYY HH:mm:ss", "YYYY-MM-DD HH:mm:ss", "YYYY-MM-DD HH:mm",
)  # fmt: skip
TOTAL_WORDS = (
    "total|summe|gesamt|gesamtsumme|zwischensumme|somme|totaux|suma|totale|totaal|grand "
    "total|subtotal|sub-total|endsaldo|saldo"
)
HEADINGS = Path(__file__).parent / "headings.yaml"
COUNTED = ("instalment", "installment", "rate")  # an amount, or the number of one: its cells tell
_ORDINAL = re.compile(r"\d{1,3}(\.0)?")
_SYMBOL = r"(?:[€$£]|[A-Z]{3})?"
_AMOUNT = re.compile(rf"[-+(]?\s?{_SYMBOL}\s?[-+]?(\d[\d.,'\u2019 \u00a0\u202f]*)\s?[-+)]?\s?{_SYMBOL}\s?[-+)]?")


@dataclass(frozen=True)
class Seen:
    """A column as its cells show it: what its heading means, how sure that is, the date forms all cells fit,
    marks of amounts.
    """

    name: str
    meaning: str | None
    sureness: float
    examples: tuple[str, ...]
    date_forms: tuple[str, ...]
    is_amount: bool
    marks: frozenset[str]  # decimal marks that cells prove
    cells: frozenset[str]  # every different cell that was looked at
    filled: int
    native: bool  # a workbook keeps them as numbers or days: no marks, no order of day and month to know

    @property
    def is_key(self) -> bool:
        return 0 < len(self.cells) == self.filled


@dataclass(frozen=True)
class Looked:
    """A file as it lies there."""

    path: str
    encoding: str
    delimiter: str
    header_line: int
    sheet: str | None
    columns: tuple[Seen, ...]
    totals: str | None  # the column in which a total row tells itself

    def named(self, meaning: str) -> Seen | None:
        found = [column for column in self.columns if column.meaning == meaning]
        return max(found, key=lambda column: column.sureness, default=None)

    def headed(self, name: str) -> Seen | None:
        return next((column for column in self.columns if column.name == name), None)


def look(place: Path, source: Path) -> Looked:
    """Encoding, delimiter, header line and columns of a file, from its first rows."""
    path = place.relative_to(source).as_posix()
    if place.name.lower().endswith((".xlsx", ".xlsm")):
        rows: Sequence[Sequence[object]]
        sheet, rows = _sheet_rows(place)
        encoding, delimiter = "utf-8", ","
    else:
        encoding, text = _text_of(place)
        delimiter = _delimiter(text)
        rows, sheet = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)), None
        rows = rows[:-1] if len(text) >= 1_000_000 else rows
    texts = [[_text(cell) for cell in row] for row in rows]
    at = _header(texts)
    header, line = texts[at], at + 1
    kept = [number for number in range(line, min(line + LOOKED_AT, len(texts))) if any(map(str.strip, texts[number]))]
    totals = _totals(header, [texts[number] for number in kept])
    if totals is not None:
        told = header.index(totals)
        kept = [number for number in kept if not _is_total(texts[number][told] if told < len(texts[number]) else "")]
    columns = tuple(
        _seen(name.strip() or f"column {number + 1}", [rows[row][number] for row in kept if number < len(rows[row])])
        for number, name in enumerate(header)
    )
    return Looked(path, encoding, delimiter, line, sheet, columns, totals)


def _text_of(place: Path) -> tuple[str, str]:
    opener = gzip.open if place.name.lower().endswith(".gz") else open
    with opener(place, "rb") as stream:
        held = stream.read(1_000_000)
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if held.startswith(mark):
            return encoding, held.decode(encoding if encoding != "utf-8" else "utf-8-sig", errors="ignore")
    if b"\0" in held[:2_000]:
        encoding = "utf-16-le" if held[1:2] == b"\0" else "utf-16-be"
        return encoding, held.decode(encoding, errors="ignore")
    try:
        return "utf-8", held.decode("utf-8") if len(held) < 1_000_000 else held[: held.rfind(b"\n") + 1].decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252", held.decode("cp1252", errors="replace")


def _delimiter(text: str) -> str:
    """The mark that cuts most lines into the same number of cells, more than one."""
    lines = [line for line in islice(text.splitlines(), 200) if line.strip()]

    def fitness(mark: str) -> tuple[int, int]:
        widths = Counter(len(row) for row in csv.reader(lines, delimiter=mark) if len(row) > 1)
        width, often = max(widths.items(), key=lambda found: (found[1], found[0]), default=(1, 0))
        return often, width

    return max(";\t|,", key=fitness)


def _header(rows: Sequence[Sequence[str]]) -> int:
    """The first line as wide as the lines after it whose cells are words, each once."""
    widths = Counter(sum(bool(cell.strip()) for cell in row) for row in rows[: PREAMBLE + 20])
    usual = max((width for width, often in widths.items() if width > 1 and often > 1), default=2)
    for at, row in enumerate(rows[:PREAMBLE]):
        filled = [cell.strip() for cell in row if cell.strip()]
        if (
            len(filled) >= min(usual, 2)
            and len(filled) >= 0.6 * usual
            and len(set(filled)) == len(filled)
            and not any(map(_is_value, filled))
        ):
            return at
    return 0


def _is_value(cell: str) -> bool:
    return bool(_AMOUNT.fullmatch(cell)) or any(re.fullmatch(_plain(form), cell) for form in DATE_FORMS)


def _plain(form: str) -> str:
    return re.sub(r"\?<\w+>", "", date_pattern(form))


def _totals(header: Sequence[str], body: Sequence[Sequence[str]]) -> str | None:
    for row in body[-3:]:
        for name, cell in zip(header, row, strict=False):
            if name.strip() and _is_total(cell):
                return name
    return None


def _is_total(cell: str) -> bool:
    return bool(re.fullmatch(rf"(?i)\s*({TOTAL_WORDS})\b.*", cell))


def _seen(name: str, cells: Sequence[object]) -> Seen:
    filled = [text for cell in cells if (text := _text(cell).strip())]
    native = bool(filled) and not any(isinstance(cell, str) and cell.strip() for cell in cells)
    forms = tuple(form for form in DATE_FORMS if filled and all(_fits(cell, form) for cell in filled))
    amounts = bool(filled) and all(_AMOUNT.fullmatch(cell) for cell in filled) and not forms
    marks = frozenset(mark for cell in filled for mark in _proved(cell)) if amounts else frozenset()
    meaning, sureness = _meaning(name)
    if meaning == "amount" and folded(name) in COUNTED and filled and all(_ORDINAL.fullmatch(cell) for cell in filled):
        meaning = "instalment"
    if meaning in ("issued", "due", "paid_on", "booked", "called") and filled and not forms:
        sureness *= 0.3
    if meaning in ("amount", "open", "paid") and filled and not amounts:
        sureness *= 0.3
    examples = tuple(dict.fromkeys(filled))[:EXAMPLES]
    return Seen(
        name, meaning, round(sureness, 2), examples, forms, amounts, marks, frozenset(filled), len(filled), native
    )


def _fits(cell: str, form: str) -> bool:
    found = re.fullmatch(date_pattern(form).replace("?<", "?P<"), cell)
    if found is None:
        return False
    named = found.groupdict()
    return 1 <= int(named.get("month") or 1) <= 12 and 1 <= int(named["day"]) <= 31


def _proved(cell: str) -> list[str]:
    """The decimal mark that a cell proves; none where it could be read in two ways, such as 1,234."""
    found = _AMOUNT.fullmatch(cell)
    digits = re.sub(r"[\s'\u2019\u00a0\u202f]", "", found[1]) if found else ""
    marks = [mark for mark in digits if mark in ".,"]
    if not marks:
        return []
    last, other = marks[-1], "," if marks[-1] == "." else "."
    if other in marks:
        return [last]
    if len(marks) > 1:
        return [other]  # a mark that comes twice stands between thousands
    whole, _, fraction = digits.partition(last)
    return [last] if len(fraction) != 3 or whole.startswith("0") or len(whole) > 3 else []


@cache
def _headings() -> dict[str, str]:
    """Heading -> what it means."""
    meanings = yaml.load(HEADINGS.read_text(encoding="utf-8"), Loader=yaml.CBaseLoader)
    return {word: meaning for meaning, words in meanings.items() for word in words}


def _meaning(name: str) -> tuple[str | None, float]:
    """What a heading means and how surely: whole headings first, then their first words."""
    plain, known = folded(name), _headings()
    if plain in known:
        return known[plain], 0.95
    shorter = [word for word in known if len(word) > 3 and (plain.startswith(f"{word} ") or plain.endswith(f" {word}"))]
    return (known[max(shorter, key=len)], 0.6) if shorter else (None, 0.0)


def folded(name: str) -> str:
    german = name.lower().translate(str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "°": " "}))
    plain = unicodedata.normalize("NFKD", german).encode("ascii", "ignore").decode()
    return " ".join(re.sub(r"[^a-z0-9]+", " ", plain).split())


def _sheet_rows(place: Path) -> tuple[str, list[list[object]]]:
    from openpyxl import load_workbook

    check_proportion(place)
    with closing(load_workbook(place, read_only=True, data_only=True)) as book:
        sheet = max(book.worksheets, key=lambda one: (one.max_row or 0) * (one.max_column or 0))
        rows = islice(sheet.iter_rows(max_col=COLUMNS_LIMIT, values_only=True), LOOKED_AT + PREAMBLE)
        return sheet.title, [list(row) for row in rows]


def _text(cell: object) -> str:
    if cell is None:
        return ""
    return str(cell)[:10] if hasattr(cell, "year") else str(cell)
