"""A mapping proposed from what the files themselves show. What they do not show is written as `?`,
which no conversion accepts.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

import yaml

from features.errors import CannotWrite, InputMissing, UsageError
from features.tables import TABLES, Kind
from pipeline.intake.delivery import shown
from pipeline.intake.mapping import UNDECIDED, date_pattern

LOOKED_AT = 2_000  # rows of a file that a proposal rests on
EXAMPLES = 3
PREAMBLE = 30  # lines among which a header is sought
ENDINGS = (".csv", ".csv.gz", ".txt", ".tsv", ".xlsx", ".xlsm")
DATE_FORMS = (
    "YYYY-MM-DD",
    "DD.MM.YYYY",
    "D.M.YYYY",
    "DD/MM/YYYY",
    "D/M/YYYY",
    "MM/DD/YYYY",
    "M/D/YYYY",
    "DD-MM-YYYY",
    "MM-DD-YYYY",
    "YYYY/MM/DD",
    "YYYYMMDD",
    "DD.MM.YY",
    "DD/MM/YY",
    "MM/DD/YY",
    "D-MMM-YYYY",
    "D MMM YYYY",
    "MMM D, YYYY",
    "DD.MM.YYYY HH:mm",
    "DD.MM.YYYY HH:mm:ss",
    "DD/MM/YYYY HH:mm",
    "MM/DD/YYYY HH:mm",
    "DD/MM/YYYY HH:mm:ss",
    "MM/DD/YYYY HH:mm:ss",
    "YYYY-MM-DD HH:mm:ss",
    "YYYY-MM-DD HH:mm",
)
TOTAL_WORDS = (
    "total|summe|gesamt|gesamtsumme|zwischensumme|somme|totaux|suma|totale|totaal|grand "
    "total|subtotal|sub-total|endsaldo|saldo"
)
HEADINGS = Path(__file__).parent / "headings.yaml"
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


def propose(source: Path) -> str:
    """The text of a mapping.yaml for the files under SOURCE: every line with how sure it is and three examples,
    `?` where they do not tell.

    Raises InputMissing where there is no file that can be read.
    """
    places = [
        place
        for place in sorted(source.rglob("*"))
        if place.is_file() and not place.is_symlink() and place.name.lower().endswith(ENDINGS)
    ]
    if not places:
        raise InputMissing(
            f"There is no file to convert under {str(source)!r}: {', '.join(ENDINGS)}. Name their folder with --from."
        )
    looked = [look(place, source) for place in places]
    lines = [
        (
            "# Proposed from the files. Look at every line; "
            "write what is marked ? by hand; then: recoup convert --map THIS"
        ),
        "files:",
    ]
    names: dict[str, Looked] = {}
    for file in looked:
        name = _slug(Path(file.path).name.split(".")[0])
        while name in names:
            name += "_2"
        names[name] = file
        lines += _file_lines(name, file)
    tables: dict[str, list[str]] = {}
    for name, file in names.items():
        for table, block in _tables(name, file):
            tables.setdefault(table, []).extend(block)
    lines.append("tables:")
    for table in TABLES:
        if table in tables:
            lines += [f"  {table}:", *tables[table]]
    if not tables:
        lines.append(
            "  # No file looks like invoices, instalments, payments or contacts: name the tables and columns by hand."
        )
    return "\n".join(lines) + "\n"


def write_proposal(source: Path, place: Path) -> str:
    """Write the proposal as a file that is not there yet; what is left to decide, for the terminal.
    Raises UsageError where it is there.
    """
    if place.exists():
        raise UsageError(f"{str(place)!r} exists and is not written over. Name another file with --map, or remove it.")
    text = propose(source)
    try:
        place.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CannotWrite.creating(f"Mapping {str(place)!r}", error) from None
    open_lines = [
        f"  line {number}: {line.strip()}"
        for number, line in enumerate(text.splitlines(), 1)
        if f'"{UNDECIDED}"' in line
    ]
    said = [f"Mapping: {place}", f"To decide by hand: {len(open_lines)}", *open_lines]
    return "\n".join(said)


# ---- looking ---------------------------------------------------------------------------------------------------------


def look(place: Path, source: Path) -> Looked:
    """Encoding, delimiter, header line and columns of a file, from its first rows."""
    path = place.relative_to(source).as_posix()
    if place.name.lower().endswith((".xlsx", ".xlsm")):
        sheet, rows = _sheet_rows(place)
        encoding, delimiter = "utf-8", ","
    else:
        encoding, text = _text_of(place)
        delimiter = _delimiter(text)
        rows, sheet = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)), None
        rows = rows[:-1] if len(text) >= 1_000_000 else rows
    at = _header(rows)
    header, body = rows[at], [row for row in rows[at + 1 : at + 1 + LOOKED_AT] if any(cell.strip() for cell in row)]
    line = at + 1
    totals = _totals(header, body)
    body = [
        row
        for row in body
        if totals is None or not _is_total(row[header.index(totals)] if header.index(totals) < len(row) else "")
    ]
    columns = tuple(
        _seen(name.strip() or f"column {number + 1}", [row[number] for row in body if number < len(row)])
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


def _seen(name: str, cells: Iterable[str]) -> Seen:
    filled = [cell.strip() for cell in cells if cell.strip()]
    forms = tuple(form for form in DATE_FORMS if filled and all(_fits(cell, form) for cell in filled))
    amounts = bool(filled) and all(_AMOUNT.fullmatch(cell) for cell in filled) and not forms
    marks = frozenset(mark for cell in filled for mark in _proved(cell)) if amounts else frozenset()
    meaning, sureness = _meaning(name)
    if meaning in ("issued", "due", "paid_on", "booked", "called") and filled and not forms:
        sureness *= 0.3
    if meaning in ("amount", "open", "paid") and filled and not amounts:
        sureness *= 0.3
    return Seen(name, meaning, round(sureness, 2), tuple(dict.fromkeys(filled))[:EXAMPLES], forms, amounts, marks)


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
    plain, known = _folded(name), _headings()
    if plain in known:
        return known[plain], 0.95
    shorter = [word for word in known if len(word) > 3 and (plain.startswith(f"{word} ") or plain.endswith(f" {word}"))]
    return (known[max(shorter, key=len)], 0.6) if shorter else (None, 0.0)


def _folded(name: str) -> str:
    german = name.lower().translate(str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "°": " "}))
    plain = unicodedata.normalize("NFKD", german).encode("ascii", "ignore").decode()
    return " ".join(re.sub(r"[^a-z0-9]+", " ", plain).split())


def _sheet_rows(place: Path) -> tuple[str, list[list[str]]]:
    from openpyxl import load_workbook

    with closing(load_workbook(place, read_only=True, data_only=True)) as book:
        sheet = max(book.worksheets, key=lambda one: (one.max_row or 0) * (one.max_column or 0))
        rows = islice(sheet.iter_rows(values_only=True), LOOKED_AT + PREAMBLE)
        return sheet.title, [["" if cell is None else _workbook_text(cell) for cell in row] for row in rows]


def _workbook_text(cell: object) -> str:
    return str(cell)[:10] if hasattr(cell, "year") else str(cell)


# ---- writing ---------------------------------------------------------------------------------------------------------


def _file_lines(name: str, file: Looked) -> list[str]:
    lines = [f"  {name}:", f"    path: {_quoted(file.path)}"]
    if file.sheet is not None:
        lines.append(f"    sheet: {_quoted(file.sheet)}")
    else:
        lines += [f"    encoding: {file.encoding}", f"    delimiter: {_quoted(file.delimiter)}"]
    lines.append(f"    header_line: {file.header_line}")
    if file.sheet is None:
        lines += _mark_lines(file)
    lines += _date_lines(file)
    if file.totals is not None:
        like = _quoted(f"(?i)({TOTAL_WORDS})\\b.*")
        lines.append(f"    leave_out: {{total: {{column: {_quoted(file.totals)}, like: {like}}}}}")
    return lines


def _mark_lines(file: Looked) -> list[str]:
    amounts = [column for column in file.columns if column.is_amount and column.meaning in ("amount", "open", "paid")]
    shown_cells = [cell for column in amounts for cell in column.examples]
    proved = {mark for column in amounts for mark in column.marks}
    marked = any(re.search(r"[.,]", cell) for cell in shown_cells)
    if not amounts or (not proved and not marked):
        return []
    if len(proved) != 1:
        why = "cells prove both marks" if proved else "each cell can be read in two ways"
        return [f'    decimal: "{UNDECIDED}"   # {why}: {_examples(shown_cells)}', f'    thousands: "{UNDECIDED}"']
    decimal = next(iter(proved))
    grouped = [
        mark
        for mark in (".", ",", " ", "'")
        if mark != decimal and any(mark in cell.strip("€$£ ") for cell in shown_cells)
    ]
    lines = [f'    decimal: "{decimal}"   # {_examples(shown_cells)}', f'    thousands: "{(grouped or [""])[0]}"']
    symbols = sorted({found for cell in shown_cells for found in re.findall(r"[€$£]|[A-Z]{3}", cell)})
    return [*lines, f"    currency_marks: [{', '.join(_quoted(mark) for mark in symbols)}]"] if symbols else lines


def _date_lines(file: Looked) -> list[str]:
    days = [
        column
        for column in file.columns
        if column.date_forms and column.meaning in ("issued", "due", "paid_on", "booked", "called")
    ]
    common = [form for form in DATE_FORMS if days and all(form in column.date_forms for column in days)]
    cells = _examples(cell for column in days for cell in column.examples)
    if not days or (file.sheet is not None and common[:1] == ["YYYY-MM-DD"]) or common[:1] == ["YYYY-MM-DD"]:
        return []
    if not common:
        return [f"    # The columns of days have different forms: write `dates:` at each of them. {cells}"]
    readings = {_order(form) for form in common}
    if len(readings) > 1:
        return [f'    dates: "{UNDECIDED}"   # {" or ".join(common)}: every cell fits both. {cells}']
    return [f"    dates: {_quoted(min(common, key=lambda form: 'DD' not in form))}   # {cells}"]


def _order(form: str) -> str:
    """The order of day, month and year: forms of the same order read a cell alike."""
    return "".join(dict.fromkeys(letter for letter in form if letter in "YMD"))


def _tables(name: str, file: Looked) -> list[tuple[str, list[str]]]:
    if file.named("called") and file.named("outcome"):
        return [("contacts", _contact_lines(name, file))]
    if file.named("due") and file.named("amount"):
        return _invoice_tables(name, file)
    dated, paid = file.named("paid_on") or file.named("booked"), file.named("paid") or file.named("amount")
    if dated and paid:
        return [("payments", _payment_lines(name, file, dated, paid))]
    return []


def _invoice_tables(name: str, file: Looked) -> list[tuple[str, list[str]]]:
    document = file.named("loan") or file.named("document")
    opened = file.named("issued")
    currency = file.named("currency")
    account = [
        _cell("account_id", document),
        _cell("debtor_id", file.named("customer")),
        f"        portfolio: {{constant: {_quoted(name)}}}",
        f"        product: {{constant: {'loan' if file.named('loan') else 'invoice'}}}",
        f'        debtor_type: {{constant: "{UNDECIDED}"}}   # consumer or commercial',
        _cell("currency", currency)
        if currency
        else f'        currency: {{constant: "{UNDECIDED}"}}   # the files name none: EUR, USD, ...',
        *([_cell("opened_on", opened)] if opened else []),
    ]
    charge = [
        _cell("charge_id", file.named("document") or document),
        _cell("account_id", document),
        *([_cell("issued_on", opened)] if opened else []),
        _cell("due_on", file.named("due")),
        _cell("amount", file.named("amount")),
        f"        kind: {{constant: {'instalment' if file.named('loan') else 'invoice'}}}",
    ]
    tables = [("accounts", [f"    - from: {name}", "      once: true", "      columns:", *account])]
    tables.append(("charges", [f"    - from: {name}", "      columns:", *charge]))
    paid_on = file.named("paid_on")
    if paid_on:
        amount = file.named("paid") or file.named("amount")
        payment = [
            _cell("payment_id", document),
            _cell("account_id", document),
            _cell("charge_id", file.named("document") or document),
        ]
        payment += [_cell("occurred_at", paid_on), _cell("amount", amount), "        kind: {constant: payment}"]
        where = f"      where: {{column: {_quoted(paid_on.name)}, empty: false}}"
        tables.append(("payments", [f"    - from: {name}", where, "      columns:", *payment]))
    return tables


def _payment_lines(name: str, file: Looked, dated: Seen, paid: Seen) -> list[str]:
    cells = [
        _cell("payment_id", file.named("payment") or file.named("document")),
        _cell("account_id", file.named("loan") or file.named("document")),
    ]
    return [
        f"    - from: {name}",
        "      columns:",
        *cells,
        _cell("occurred_at", dated),
        _cell("amount", paid),
        "        kind: {constant: payment}",
    ]


def _contact_lines(name: str, file: Looked) -> list[str]:
    outcome = file.named("outcome")
    words = ", ".join(f"{_quoted(word)}: {UNDECIDED}" for word in (outcome.examples if outcome else ()))
    cells = [
        _cell("contact_id", file.named("call")),
        _cell("account_id", file.named("loan") or file.named("document")),
        _cell("occurred_at", file.named("called")),
    ]
    cells += ["        channel: {constant: call}", "        direction: {constant: outbound}"]
    cells.append(
        f"        outcome: {{column: {_quoted(outcome.name if outcome else UNDECIDED)}, "
        f"values: {{{words}}}}}   # your words -> ours"
    )
    return [
        f"    - from: {name}",
        "      columns:",
        *cells,
        *([_cell("agent", file.named("agent"))] if file.named("agent") else []),
    ]


def _cell(ours: str, column: Seen | None) -> str:
    if column is None:
        return f'        {ours}: "{UNDECIDED}"   # no column looks like it'
    kind = next((one.kind for table in TABLES.values() for one in table.columns if one.name == ours), Kind.TEXT)
    told = (
        _examples(column.examples)
        if kind in (Kind.MONEY, Kind.DATE, Kind.TIME, Kind.CURRENCY)
        else f"{len(column.examples)} examples kept out"
    )
    return f"        {ours}: {_quoted(column.name)}   # {column.sureness:.2f}; {told}"


def _examples(cells: Iterable[str]) -> str:
    return ", ".join(shown(cell) for cell in islice(dict.fromkeys(cells), EXAMPLES))


def _quoted(text: str) -> str:
    written = yaml.safe_dump(text, allow_unicode=True, default_style='"', width=1_000).strip()
    return written.removesuffix("\n...").strip()


def _slug(text: str) -> str:
    return re.sub(r"\W+", "_", _folded(text)) or "file"
