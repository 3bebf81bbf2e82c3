"""A published file without the rows of some accounts: whatever form it has, nothing else of it changes."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import zipfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.pages.language import languages, words
from pipeline.pages.page import DETAIL_TEXTS, inert

_DATA = re.compile(r'(<script type="application/json" id="night">)(.*?)(</script>)', re.DOTALL)
_BLOCK = re.compile(r'<details data-ids="([^"]*)"[^>]*>.*?</details>\n?', re.DOTALL)
_MESSAGE = (b"X-Unsent:", b"MIME-Version:", b"Date:", b"From:", b"To:", b"Subject:")  # how a message may begin
_RECORD = re.compile(r'(?:[^"\r\n]|"[^"]*")*(?:\r\n|\n|\r|$)')
_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
# Columns by whose ids they hold; of SEVERAL, separated by blanks.
DEBTORS, ACCOUNTS = ("debtor_id", "same_as", "debtor_ids"), ("account_id", "joined_accounts", "account_ids")
JOINED, LIST = "joined_accounts", "worklist.csv"
SEVERAL = (JOINED, "debtor_ids", "account_ids")


@dataclass(frozen=True)
class Whose:
    """The debtors and accounts whose rows go: a number may be a debtor's and another's account."""

    debtors: frozenset[str]
    accounts: frozenset[str]

    def of_column(self, name: str) -> frozenset[str]:
        return self.debtors if name in DEBTORS else self.accounts if name in ACCOUNTS else frozenset()

    @property
    def all(self) -> frozenset[str]:
        return self.debtors | self.accounts


def without(place: Path, whose: Whose) -> tuple[bytes, int] | None:
    """The file's new content and how many rows went; None where no row is theirs, or its form is not one of a
    night's. Rows go, but a workbook's stay as empty lines: others keep their line.
    """
    made = _FORMS.get(place.suffix)
    try:
        return None if made is None else made(place, whose)
    except (zipfile.BadZipFile, ElementTree.ParseError, pa.ArrowException, ValueError, KeyError):
        return None  # a file of that ending which is none: whoever searches it for mentions will name it


def mentions(content: bytes, ids: Collection[str]) -> bool:
    """Whether one of these ids stands anywhere in a file's content as a word of its own, packed or not."""
    try:
        if content.startswith(b"PK\3\4"):
            with zipfile.ZipFile(io.BytesIO(content)) as packed:
                return any(mentions(packed.read(part), ids) for part in packed.infolist())
        if content.startswith(b"PAR1"):
            table = pq.read_table(pa.BufferReader(content))
            cells = (set(pc.unique(_plain(column)).to_pylist()) for column in table.columns if _is_text(column.type))
            return any(_named(str(cell), ids) for found in cells for cell in found if cell is not None)
        if content.startswith(_MESSAGE):
            parts = message_from_bytes(content, policy=SMTP).walk()
            decoded = (part.get_payload(decode=True) for part in parts if not part.is_multipart())
            if any(isinstance(part, bytes) and mentions(part, ids) for part in decoded):
                return True
    except (zipfile.BadZipFile, pa.ArrowException):
        pass  # it only begins like one: its bytes are looked at as they are
    return _named(content.decode("utf-8", "replace"), ids)


def _named(text: str, ids: Collection[str]) -> bool:
    return any(one in text and re.search(rf"(?<![\w-]){re.escape(one)}(?![\w-])", text) for one in ids)


def _is_text(kind: pa.DataType) -> bool:
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(inner) or pa.types.is_large_string(inner)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string())


def of_whose(rows: pa.Table, whose: Whose) -> pa.BooleanArray:
    """Which rows are theirs: a cell of a column of ids is one of them, or a word of SEVERAL is."""
    goes = pa.array([False] * rows.num_rows)
    for name in (*DEBTORS, *ACCOUNTS):
        if name in rows.column_names:
            ids = whose.of_column(name)
            if name in SEVERAL:
                cells = rows.column(name).to_pylist()
                own = pa.array([not ids.isdisjoint((cell or "").split()) for cell in cells], pa.bool_())
            else:
                own = pc.fill_null(pc.is_in(_plain(rows.column(name)), pa.array(sorted(ids), pa.string())), False)
            goes = pc.or_(goes, own)
    return goes.combine_chunks() if isinstance(goes, pa.ChunkedArray) else goes


# ---- the forms -------------------------------------------------------------------------------------------------------


def _parquet(place: Path, whose: Whose) -> tuple[bytes, int] | None:
    rows = pq.read_table(place)
    goes = of_whose(rows, whose)
    if not goes.true_count:
        return None
    made = pa.BufferOutputStream()
    pq.write_table(rows.filter(pc.invert(goes)), made, compression="zstd", write_page_checksum=True)
    return made.getvalue().to_pybytes(), goes.true_count


def _csv(place: Path, whose: Whose) -> tuple[bytes, int] | None:
    """Records stay as they are written, byte for byte. A dialler's list has headings of its own, and the rows of the
    list beside it.
    """
    records = _records_of(place)
    gone = _rows_named(records, whose)
    if gone is None and place.with_name(LIST).exists():
        gone = _rows_named(_records_of(place.with_name(LIST)), whose)
    return ("".join(_but(records, gone)).encode(), len(gone)) if gone else None


def _rows_named(records: list[str], whose: Whose) -> set[int] | None:
    """Places of the records that are theirs; None where no column tells."""
    head = _cells(records[0]) if records else []
    told = [(at, ids) for at, name in enumerate(head) if (ids := whose.of_column(name))]
    if not told:
        return None
    found = set()
    for at, record in enumerate(records):
        if any(one in record for one in whose.all):
            cells = _cells(record)
            own = [
                ids.isdisjoint(_words(cells[column].removeprefix("'"))) for column, ids in told if column < len(cells)
            ]
            found |= set() if all(own) else {at}
    return found


def _words(cell: str) -> set[str]:
    return {cell, *cell.split()}


def _cells(record: str) -> list[str]:
    return next(csv.reader(io.StringIO(record, newline="")), [])


def _records_of(place: Path) -> list[str]:
    with place.open(encoding="utf-8", newline="") as file:
        text = file.read()
    found, at = [], 0
    while at < len(text):
        match = _RECORD.match(text, at)
        end = match.end() if match is not None and match.end() > at else len(text)  # a quote that does not end
        found.append(text[at:end])
        at = end
    return found


def _page(place: Path, whose: Whose) -> tuple[bytes, int] | None:
    """Rows of the list with all that opens under them, and of the other tabs; texts that nobody else says go too."""
    text = place.read_text(encoding="utf-8")
    found = _DATA.search(text)
    if found is None:
        return _blocks(text, whose)
    night = json.loads(found[2])
    strings = night["strings"]
    gone = _rows_of(night["worklist"], strings, whose)
    lost = len(gone)
    for part, held in night["details"].items():
        if part != "channel_tables":
            night["details"][part] = _but(held, gone)
    night["detailed"] -= sum(row < night["detailed"] for row in gone)
    _drop(night["audit"], _rows_of(night["audit"], strings, whose))
    if "display" in night:  # of nights since 0.2
        _drop(night["display"], gone)
    _drop(night["worklist"], gone)
    for later in night["later"].values():
        rows = _rows_of(later, strings, whose)
        lost += len(rows)
        _drop(later, rows)
    if not lost:
        return None
    used = set(_said(night))
    night["strings"] = [said if index in used else "" for index, said in enumerate(strings)]
    night["citations"] = {index: cited for index, cited in night["citations"].items() if int(index) in used}
    return (text[: found.start(2)] + inert(night) + text[found.end(2) :]).encode(), lost


def _blocks(text: str, whose: Whose) -> tuple[bytes, int] | None:
    """A page without the blocks that are theirs: <details data-ids="...">, of which none lies in another."""
    kept, lost, at = [], 0, 0
    for block in _BLOCK.finditer(text):
        if not whose.all.isdisjoint(html.unescape(block[1]).split()):
            kept.append(text[at : block.start()])
            lost, at = lost + 1, block.end()
    return ("".join([*kept, text[at:]]).encode(), lost) if lost else None


def _rows_of(table: dict[str, Any], strings: list[str], whose: Whose) -> set[int]:
    found = set()
    for column in table["columns"]:
        ids = whose.of_column(column["name"])
        named = {index for index, said in enumerate(strings) if not ids.isdisjoint(_words(said))} if ids else set()
        found |= {row for row, value in enumerate(column["values"]) if value in named}
    return found


def _drop(table: dict[str, Any], gone: set[int]) -> None:
    table["rows"] -= len(gone)
    for column in table["columns"]:
        column["values"] = _but(column["values"], gone)


def _but(values: list[Any], gone: set[int]) -> list[Any]:
    return [value for row, value in enumerate(values) if row not in gone]


def _said(night: dict[str, Any]) -> Iterator[int]:
    """The index of every text that the page still says."""
    shown = [night["display"]] if "display" in night else []
    for table in (night["worklist"], night["audit"], *shown, *night["later"].values()):
        for column in table["columns"]:
            if column["kind"] == "text":
                yield from column["values"]
    for later in night["later"].values():
        for *told, _count in later["rules"]:
            yield from told
    for part, (width, texts) in DETAIL_TEXTS.items():
        for row in night["details"].get(part, ()):  # of nights under a treatment policy alone
            held = (
                []
                if row == 0
                else row
                if isinstance(row[0], list)
                else [row[at : at + width] for at in range(0, len(row), width)]
            )
            yield from (one[place] for one in held for place in texts)


def _workbook(place: Path, whose: Whose) -> tuple[bytes, int] | None:
    """Cells of the rows become empty, and texts that no other cell shows; every other part stays byte for byte."""
    with zipfile.ZipFile(place) as packed:
        parts = {part: packed.read(part) for part in packed.infolist()}
    shared = next((part for part in parts if part.filename == "xl/sharedStrings.xml"), None)
    strings = ElementTree.fromstring(parts[shared]) if shared else ElementTree.Element("sst")
    texts = ["".join(item.itertext()) for item in strings]
    used: set[int] = set()
    lost = 0
    for part in [part for part in parts if re.fullmatch(r"xl/worksheets/[^/]+\.xml", part.filename)]:
        sheet = ElementTree.fromstring(parts[part])
        emptied = list(_own_rows(sheet, texts, whose))
        for row in emptied:
            for cell in row:
                cell.attrib.pop("t", None)
                for inner in list(cell):
                    cell.remove(inner)
        used |= {int(value.text or 0) for value in _shared_values(sheet)}
        lost += len(emptied)
        if emptied:
            parts[part] = _xml(sheet, parts[part])
    if not lost:
        return None
    for index, item in enumerate(strings):
        if index not in used:
            for inner in list(item):
                item.remove(inner)
            ElementTree.SubElement(item, f"{_SHEET}t")
    if shared:
        parts[shared] = _xml(strings, parts[shared])
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        for part, content in parts.items():
            packed.writestr(part, content)
    return made.getvalue(), lost


def _own_rows(sheet: ElementTree.Element, texts: list[str], whose: Whose) -> Iterator[ElementTree.Element]:
    """Rows below a row of headings, of any language, whose cells under an id's heading are theirs."""
    heads = {
        words(language)["columns"].get(name, name): name for language in languages() for name in (*DEBTORS, *ACCOUNTS)
    }
    heads |= {name: name for name in (*DEBTORS, *ACCOUNTS)}
    under: dict[str, frozenset[str]] = {}
    for row in sheet.iter(f"{_SHEET}row"):
        cells = {re.sub(r"\d+", "", cell.get("r", "")): _shown(cell, texts) for cell in row}
        named = {column: whose.of_column(heads[text]) for column, text in cells.items() if text in heads}
        if named:
            under = named
        elif any(not ids.isdisjoint(_words(cells.get(column, ""))) for column, ids in under.items()):
            yield row


def _shown(cell: ElementTree.Element, texts: list[str]) -> str:
    """The text of a cell; of a number as it is written."""
    said = "".join(cell.itertext())
    return texts[int(said)] if cell.get("t") == "s" and said.isdecimal() and int(said) < len(texts) else said


def _shared_values(sheet: ElementTree.Element) -> Iterator[ElementTree.Element]:
    for cell in sheet.iter(f"{_SHEET}c"):
        value = cell.find(f"{_SHEET}v")
        if cell.get("t") == "s" and value is not None:
            yield value


def _xml(root: ElementTree.Element, before: bytes) -> bytes:
    """As text again, with the prefixes that it came with."""
    for _, (prefix, address) in ElementTree.iterparse(io.BytesIO(before), ["start-ns"]):
        ElementTree.register_namespace(prefix, address)
    return ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True)


_FORMS: dict[str, Callable[[Path, Whose], tuple[bytes, int] | None]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".html": _page,
    ".xlsx": _workbook,
}
