"""What another system's file shows of itself: encoding, delimiter, header line, what its columns mean
and how their cells are written.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import unicodedata
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from itertools import islice
from pathlib import Path

import yaml

from features.currencies import DECIMALS
from features.tables import DELIVERED, Kind
from pipeline.intake.delivery import COLUMNS_LIMIT
from pipeline.intake.mapping import date_pattern
from pipeline.intake.sheets import check_proportion

LOOKED_AT = 2_000  # rows of a file that a proposal rests on
LAST_LOOKED_AT, SHEET_END = 3, 20_000  # rows at the end, for a total; rows of a sheet to get there
HEAD_BYTES, TAIL_BYTES = 1_000_000, 40_000
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
TOTAL, TOTAL_ALONE = rf"(?i)({TOTAL_WORDS})\b.*", rf"(?i)({TOTAL_WORDS})\s*[:.]?"
HEADINGS = Path(__file__).parent / "headings.yaml"
DAYS = ("issued", "due", "paid_on", "booked", "called", "merged_on", "reversed_on", "promised_on", "day")
AMOUNTS = ("amount", "open", "paid", "principal", "interest", "fees", "penalties", "promised", "money")
SURE = 0.9  # below it a column is suggested, and not taken
COUNTED = ("instalment", "installment", "rate")  # an amount, or the number of one: its cells tell
NEUTRAL = {*map(str.lower, DECIMALS), "in", "of", "the"}  # words that change nothing about what a heading means
_ORDINAL = re.compile(r"\d{1,3}(\.0)?")
_SYMBOL = r"(?:[€$£]|[A-Z]{3})?"
_SIGN = "-\u2212+"  # a typographic minus is one
_AMOUNT = re.compile(
    rf"[{_SIGN}(]?\s?{_SYMBOL}\s?[{_SIGN}]?(\d[\d.,'\u2019 \u00a0\u202f]*)\s?[{_SIGN})]?\s?{_SYMBOL}\s?[{_SIGN})]?"
)


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
    texts: tuple[str, ...] = ()  # its cell in each row that was looked at, empty ones too
    own_form: str | None = None  # of days, where the columns of a file have several forms

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
    totals: tuple[str, str] | None  # the column in which a total row tells itself, and the expression that tells it
    table: str | None = None  # of the contract, where its columns are the contract's

    def named(self, meaning: str) -> Seen | None:
        """The surest column of a meaning; of equals the one that is no name of somebody, then one whose cells are each
        there once, then the first.
        """
        return max(
            (column for column in self.columns if column.meaning == meaning),
            key=lambda one: (one.sureness, not folded(one.name).endswith("name"), one.is_key),
            default=None,
        )

    def rivals(self, meaning: str) -> list[Seen]:
        """Columns that mean the same as surely and hold other cells; none where there is no choice."""
        sure = [column for column in self.columns if column.meaning == meaning and column.sureness >= SURE]
        return sure if len({column.texts for column in sure}) > 1 else []

    def headed(self, name: str) -> Seen | None:
        return next((column for column in self.columns if column.name == name), None)


def look(place: Path, source: Path) -> Looked:
    """Encoding, delimiter, header line and columns of a file, from its first rows."""
    path = place.relative_to(source).as_posix()
    if place.name.lower().endswith((".xlsx", ".xlsm")):
        rows: Sequence[Sequence[object]]
        ends: Sequence[Sequence[object]]
        sheet, rows, ends = _sheet_rows(place)
        encoding, delimiter = "utf-8", ","
    else:
        encoding, text, is_cut = _text_of(place)
        delimiter = _delimiter(text)
        rows, sheet = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)), None
        rows, ends = (rows[:-1], _ends(place, encoding, delimiter)) if is_cut else (rows, [])
    texts = [[_text(cell) for cell in row] for row in rows]
    at = _header(texts)
    header, line = texts[at], at + 1
    kept = [number for number in range(line, min(line + LOOKED_AT, len(texts))) if any(map(str.strip, texts[number]))]
    after = [row for row in texts[line + LOOKED_AT :] if any(map(str.strip, row))][-LAST_LOOKED_AT:]
    last = [[_text(cell) for cell in row] for row in ends]
    totals = _totals(header, [*(texts[number] for number in kept), *after, *last])
    if totals is not None:
        told, like = header.index(totals[0]), totals[1]
        kept = [
            number
            for number in kept
            if not (told < len(texts[number]) and re.fullmatch(like, texts[number][told].strip()))
        ]
    table = _table_of([name.strip() for name in header], Path(path).name)
    columns = tuple(
        _seen(
            name.strip() or f"column {number + 1}",
            [rows[row][number] if number < len(rows[row]) else None for row in kept],
            table,
        )
        for number, name in enumerate(header)
    )
    return Looked(path, encoding, delimiter, line, sheet, columns, totals, table)


def _table_of(header: Sequence[str], file_name: str) -> str | None:
    """The table whose columns these are, all that it needs and none that it does not know."""
    found = [
        name
        for name, table in DELIVERED.items()
        if set(table.required) <= set(header)
        and all(one in table.names or one.startswith(table.extra or ("\0",)) for one in header)
    ]
    return next((name for name in found if file_name.startswith(name)), found[0] if found else None)


def _text_of(place: Path) -> tuple[str, str, bool]:
    """Encoding and text of a file's first bytes, and whether there are more."""
    opener = gzip.open if place.name.lower().endswith(".gz") else open
    with opener(place, "rb") as stream:
        held = stream.read(HEAD_BYTES)
    is_cut = len(held) == HEAD_BYTES
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if held.startswith(mark):
            return encoding, held.decode(encoding if encoding != "utf-8" else "utf-8-sig", errors="ignore"), is_cut
    if b"\0" in held[:2_000]:
        encoding = "utf-16-le" if held[1:2] == b"\0" else "utf-16-be"
        return encoding, held.decode(encoding, errors="ignore"), is_cut
    try:
        return "utf-8", (held[: held.rfind(b"\n") + 1] if is_cut else held).decode("utf-8"), is_cut
    except UnicodeDecodeError:
        return "cp1252", held.decode("cp1252", errors="replace"), is_cut


def _ends(place: Path, encoding: str, delimiter: str) -> list[list[str]]:
    """The last rows of a long file."""
    opener = gzip.open if place.name.lower().endswith(".gz") else open
    with opener(place, "rb") as stream:
        mark = stream.read(2)
        held, size = b"", 2
        if opener is open:
            size = stream.seek(max(2, (place.stat().st_size - TAIL_BYTES) // 2 * 2))
        while piece := stream.read(HEAD_BYTES):
            size += len(piece)
            held = (held + piece)[-TAIL_BYTES - (size - TAIL_BYTES) % 2 :]
    if encoding == "utf-16":
        encoding = "utf-16-be" if mark == b"\xfe\xff" else "utf-16-le"
    lines = held.decode(encoding, errors="ignore").splitlines()[1:]
    return list(csv.reader(lines, delimiter=delimiter))[-LAST_LOOKED_AT:]


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


def _totals(header: Sequence[str], body: Sequence[Sequence[str]]) -> tuple[str, str] | None:
    """Column and expression of rows that add the others up: a word for it, and hardly another cell. A customer may be
    called Total: the expression fits no row that has its cells.
    """
    filled = [sum(bool(cell.strip()) for cell in row) for row in body]
    usual = sorted(filled)[len(filled) // 2] if filled else 0
    sparse = [row for row, cells in zip(body, filled, strict=True) if cells <= max(2, usual // 2)]
    whole = [row for row, cells in zip(body, filled, strict=True) if cells > max(2, usual // 2)]
    for at, name in enumerate(header):
        told = [row[at].strip() for row in sparse if at < len(row) and re.fullmatch(TOTAL, row[at].strip())]
        if not name.strip() or not told:
            continue
        like = TOTAL_ALONE if all(re.fullmatch(TOTAL_ALONE, cell) for cell in told) else TOTAL
        if not any(at < len(row) and re.fullmatch(like, row[at].strip()) for row in whole):
            return name, like
    return None


def _seen(name: str, cells: Sequence[object], table: str | None) -> Seen:
    texts = tuple(_text(cell).strip() for cell in cells)
    filled = [text for text in texts if text]
    native = bool(filled) and not any(isinstance(cell, str) and cell.strip() for cell in cells)
    forms = tuple(form for form in DATE_FORMS if filled and all(_fits(cell, form) for cell in filled))
    amounts = bool(filled) and all(_AMOUNT.fullmatch(cell) for cell in filled) and not forms
    marks = frozenset(mark for cell in filled for mark in _proved(cell)) if amounts else frozenset()
    meaning, sureness = _meaning(name) if table is None else _meaning_of_ours(table, name)
    if meaning == "amount" and folded(name) in COUNTED and filled and all(_ORDINAL.fullmatch(cell) for cell in filled):
        meaning = "instalment"
    if table is None and meaning in DAYS and filled and not forms:
        sureness *= 0.3
    if table is None and meaning in AMOUNTS and filled and not amounts:
        sureness *= 0.3
    examples = tuple(dict.fromkeys(filled))[:EXAMPLES]
    return Seen(
        name,
        meaning,
        round(sureness, 2),
        examples,
        forms,
        amounts,
        marks,
        frozenset(filled),
        len(filled),
        native,
        texts,
    )


def _meaning_of_ours(table: str, name: str) -> tuple[str | None, float]:
    kind = DELIVERED[table][name].kind if name in DELIVERED[table].names else Kind.TEXT
    return {Kind.MONEY: "money", Kind.DATE: "day", Kind.TIME: "day"}.get(kind), 1.0


def _fits(cell: str, form: str) -> bool:
    found = re.fullmatch(date_pattern(form).replace("?<", "?P<"), cell)
    if found is None:
        return False
    named = found.groupdict()
    return 1 <= int(named.get("month") or 1) <= 12 and 1 <= int(named["day"]) <= 31


def is_foreign_day(cell: str) -> bool:
    """Whether a cell is a day in a form that is not the contract's."""
    return any(_fits(cell, form) for form in DATE_FORMS if not form.startswith("YYYY-MM-DD"))


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


def number_of(cell: str, column: Seen) -> Decimal | None:
    """The amount in a cell of a column whose decimal mark is known; None where it is not, or where there is none."""
    found = _AMOUNT.fullmatch(cell)
    if (
        found is None
        or len(column.marks) > 1
        or (not column.marks and not column.native and re.search("[.,]", found[1]))
    ):
        return None
    decimal = "." if column.native else next(iter(column.marks), ".")
    digits = re.sub(rf"[^\d{re.escape(decimal)}]", "", found[1]).replace(decimal, ".")
    return -Decimal(digits) if re.search("[-\u2212(]", cell) else Decimal(digits)


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
    if not shorter:
        return None, 0.0
    word = max(shorter, key=len)
    rest = set(plain.replace(word, " ", 1).split())
    return known[word], SURE if rest <= NEUTRAL else 0.6


def folded(name: str) -> str:
    german = name.lower().translate(str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "°": " "}))
    plain = unicodedata.normalize("NFKD", german).encode("ascii", "ignore").decode()
    return " ".join(re.sub(r"[^a-z0-9]+", " ", plain).split())


def _sheet_rows(place: Path) -> tuple[str, list[list[object]], list[list[object]]]:
    """The largest sheet: its name, its first rows, its last ones (of a long sheet none)."""
    from openpyxl import load_workbook

    check_proportion(place)
    with closing(load_workbook(place, read_only=True, data_only=True)) as book:
        sheet = max(book.worksheets, key=lambda one: (one.max_row or 0) * (one.max_column or 0))
        each = sheet.iter_rows(max_col=COLUMNS_LIMIT, values_only=True)
        rows: list[list[object]] = [[*row] for row in islice(each, LOOKED_AT + PREAMBLE)]
        filled: Iterator[list[object]] = (
            [*row] for row in islice(each, SHEET_END) if any(cell is not None for cell in row)
        )
        last = list(deque(filled, LAST_LOOKED_AT))
        return sheet.title, rows, [] if next(each, None) is not None else last


def _text(cell: object) -> str:
    if cell is None:
        return ""
    return str(cell)[:10] if hasattr(cell, "year") else str(cell)
