"""A delivery as it lies in the source folder: which files hold which table, what the sender vouches for,
whether files are whole.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import hashlib
import json
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from pathlib import Path
from typing import Any, BinaryIO

from features.errors import ContractError
from features.tables import DELIVERED
from pipeline.intake.refusals import BrokenFile, DeliveryMissing, DeliveryRefused, shown
from pipeline.store.files import EXPANSION_LIMIT, sha256_of

ENDINGS = (".csv", ".csv.gz", ".parquet")
WORKBOOKS = (".xlsx", ".xlsm", ".xls", ".ods", ".numbers")
IGNORED_FOLDERS = ("truth",)
COLUMNS_LIMIT = 1_000
CELL_LIMIT = 1_000_000  # bytes; DuckDB is told the same
EXPANSION_FROM = 100_000_000  # bytes or rows from which expansion is judged at all
LONGEST_PLAIN = 1_000  # bytes of a text that a file may repeat as often as it likes: cells are at most 512 characters
FOOTER_LIMIT = 8_000_000  # bytes in which a Parquet file says what it holds: some 60,000 columns in one group of rows
CONTROL_LIMIT = 1_000_000  # bytes of a control file
CHUNK = 4_000_000
_NAME = re.compile(r"[^\W\d][\w .()/#%-]{0,79}")
_EXTRA_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True)
class Part:
    """One file of a table: its path inside the source, its sha256, its columns in their own order,
    its size and time when hashed.
    """

    place: Path
    name: str
    sha256: str
    header: tuple[str, ...]
    stamp: tuple[int, int]

    @staticmethod
    def stamp_of(place: Path) -> tuple[int, int]:
        found = place.stat()
        return found.st_size, found.st_mtime_ns

    @property
    def is_parquet(self) -> bool:
        return self.place.name.endswith(".parquet")


@dataclass(frozen=True)
class Control:
    """What the sender vouches for: rows, sums of the money column per currency, the first and the last day that is all
    there. Without a first day nobody says what the file follows.

    partial: the file tells of some events only. It moves no last day, and says nothing of the usual volume.
    portfolios: the books of its sender, sorted; it speaks for no other. None: it speaks for every book.
    """

    rows: int | None
    sums: Mapping[str, Decimal] | None
    complete_through: dt.date | None
    partial: bool = False
    complete_from: dt.date | None = None
    portfolios: tuple[str, ...] | None = None


@dataclass(frozen=True)
class DeliveredTable:
    name: str
    parts: tuple[Part, ...]
    control: Control | None

    @property
    def columns(self) -> tuple[str, ...]:
        """Declared columns that some part has, then the sender's own in sorted order."""
        present = {column for part in self.parts for column in part.header}
        declared = [column for column in DELIVERED[self.name].names if column in present]
        return (*declared, *sorted(present - set(declared)))

    @property
    def books(self) -> tuple[str, ...] | None:
        """The books that its control file speaks for; None where it speaks for all, or there is none."""
        return None if self.control is None else self.control.portfolios

    @property
    def extras(self) -> tuple[str, ...]:
        return tuple(column for column in self.columns if column not in DELIVERED[self.name].names)


@dataclass(frozen=True)
class Delivery:
    tables: Mapping[str, DeliveredTable]
    sha256: Mapping[str, str]  # every file that counts, with its hash: controls too

    @property
    def parts(self) -> list[Part]:
        return [part for table in self.tables.values() for part in table.parts]

    @property
    def content_id(self) -> str:
        """One hash for the set of files, whatever they are called inside their table."""
        kinds = sorted(
            (name.split(".")[0].split("/")[0], name.endswith(".json"), digest) for name, digest in self.sha256.items()
        )
        return hashlib.sha256(json.dumps(kinds).encode()).hexdigest()


def find(source: Path) -> Delivery:
    """Look over a source folder and every file in it before anything is parsed.

    Raises InputMissing where the folder is absent or holds no table; ContractError with every fault of every file at
    once.
    """
    if not source.is_dir():
        raise DeliveryMissing.folder(str(source))
    faults: list[str] = []
    places: dict[str, list[tuple[str, Path]]] = {}
    controls: dict[str, Path] = {}
    for entry in sorted(source.iterdir()):
        _place(entry, places, controls, faults)
    if not places and not faults:
        raise DeliveryMissing.tables(str(source))
    tables, digests = {}, {}
    for name, found in places.items():
        parts = [part for place_name, place in found if (part := _part(name, place_name, place, faults)) is not None]
        control = _control(controls[name], faults) if name in controls else None
        tables[name] = DeliveredTable(name, tuple(parts), control)
        digests |= {part.name: part.sha256 for part in parts}
    for name, place in controls.items():
        if name not in places:
            faults.append(
                f"{shown(place.name)} vouches for a table that is not delivered. Deliver {name!r} or remove the file."
            )
        elif tables[name].control is not None:
            digests[place.name] = sha256_of(place)
    if faults:
        raise DeliveryRefused.unread(faults)
    return Delivery({name: tables[name] for name in DELIVERED if name in tables}, digests)


def _place(
    entry: Path, places: dict[str, list[tuple[str, Path]]], controls: dict[str, Path], faults: list[str]
) -> None:
    if entry.name.startswith((".", "_")) or entry.name.upper().startswith("README"):
        return
    if (why := _untakeable(entry)) is not None:
        faults.append(f"{shown(entry.name)} {why}")
    elif entry.is_dir():
        if entry.name in DELIVERED:
            for part in sorted(entry.iterdir()):
                if part.name.startswith((".", "_")):
                    continue
                if part.is_symlink() or not part.is_file() or _ending(part.name) is None or not _is_text(part.name):
                    faults.append(
                        f"{shown(f'{entry.name}/{part.name}')} is not a CSV, CSV.gz or Parquet file. Remove it."
                    )
                else:
                    places.setdefault(entry.name, []).append((f"{entry.name}/{part.name}", part))
            if entry.name not in places:
                faults.append(f"Folder {shown(entry.name)} holds no file. Fill or remove it.")
        elif entry.name not in IGNORED_FOLDERS:
            faults.append(_unknown(entry.name, entry.name))
    elif entry.name.endswith(".control.json"):
        name = entry.name.removesuffix(".control.json")
        if name in DELIVERED:
            controls[name] = entry
        else:
            faults.append(_unknown(entry.name, name))
    else:
        ending = _ending(entry.name)
        name = entry.name.removesuffix(ending) if ending else entry.name.split(".")[0]
        if ending is None or name not in DELIVERED:
            faults.append(_unknown(entry.name, name))
        elif name in places:
            faults.append(
                f"Table {name!r} is delivered twice: "
                f"{shown(places[name][0][0])} and {shown(entry.name)}. Leave one form."
            )
        else:
            places[name] = [(entry.name, entry)]


def _untakeable(entry: Path) -> str | None:
    """Why it is not even looked into, if so."""
    if not _is_text(entry.name):
        return "has a name that is not UTF-8. Rename it."
    if entry.is_symlink():
        return "is a link. Put the file itself into the source folder."
    if not entry.is_dir() and not entry.is_file():  # reading a pipe would wait for ever
        return "is a pipe or a device. Put a file into the source folder."
    return None


def _ending(name: str) -> str | None:
    return next((ending for ending in sorted(ENDINGS, key=len, reverse=True) if name.endswith(ending)), None)


def _is_text(name: str) -> bool:
    return name.encode(errors="replace").decode() == name


def _unknown(shown_name: str, name: str) -> str:
    if shown_name.lower().endswith(WORKBOOKS):
        table = name if name in DELIVERED else "TABLE"
        return (
            f"{shown(shown_name)} is a workbook, which is not read here: save it as CSV UTF-8 ({table}.csv) "
            "or turn it into a table with `recoup convert`."
        )
    near = get_close_matches(name, DELIVERED, n=1)
    hint = f" (nearest table: {near[0]!r})" if near else ""
    return f"{shown(shown_name)} is not a table of the contract{hint}. Rename or remove it."


def _control(place: Path, faults: list[str]) -> Control | None:
    form = '{"rows": 12, "sums": {"EUR": "12.50"}, "complete_through": "2026-11-20"}'
    if place.stat().st_size > CONTROL_LIMIT:
        faults.append(
            f"{shown(place.name)} (LIMIT_SIZE) has more than {CONTROL_LIMIT:,} bytes. It must read like {form}."
        )
        return None
    try:
        with place.open("rb") as stream:
            return _as_control(json.loads(stream.read(CONTROL_LIMIT), parse_float=Decimal))
    except (OSError, ValueError, TypeError, AttributeError, InvalidOperation, RecursionError):
        faults.append(f"{shown(place.name)} must read like {form}.")
        return None


def _as_control(raw: object) -> Control:
    """Whatever JSON held, if it says what a control file says;
    else any of the errors that its caller takes for a wrong form.
    """
    if (
        not isinstance(raw, dict)
        or set(raw) - {"rows", "sums", "complete_from", "complete_through", "partial", "portfolios"}
        or isinstance(raw.get("rows"), bool)
    ):
        raise ValueError
    rows = raw.get("rows")
    if rows is not None and (not isinstance(rows, int) or rows < 0):
        raise ValueError
    sums = (
        None if raw.get("sums") is None else {str(currency): Decimal(value) for currency, value in raw["sums"].items()}
    )
    if sums is not None and not all(value.is_finite() for value in sums.values()):
        raise ValueError
    since, through = (
        None if raw.get(name) is None else dt.date.fromisoformat(raw[name])
        for name in ("complete_from", "complete_through")
    )
    if since is not None and (through is None or since > through):
        raise ValueError
    partial = raw.get("partial", False)
    if not isinstance(partial, bool) or (partial and through is not None):
        raise ValueError
    named = raw.get("portfolios")
    if named is not None and (through is None or not _are_names(named)):
        raise ValueError
    return Control(rows, sums, through, partial, since, None if named is None else tuple(sorted(named)))


def _are_names(raw: object) -> bool:
    """Whether JSON held a list of different names, one or more."""
    if not isinstance(raw, list) or not raw or not all(isinstance(name, str) and name.strip() == name for name in raw):
        return False
    return "" not in raw and len(set(raw)) == len(raw)


def _part(name: str, place_name: str, place: Path, faults: list[str]) -> Part | None:
    """The file's columns and hash, or None with its fault noted."""
    try:
        stamp = Part.stamp_of(place)
        digest = sha256_of(place)
        header = _parquet_header(place) if place_name.endswith(".parquet") else _csv_header(name, place)
    except BrokenFile as broken:
        faults.append(f"{shown(place_name)} {broken}")
        return None
    except OSError as error:
        faults.append(f"{shown(place_name)} cannot be read ({error.strerror or 'input error'}). Deliver it again.")
        return None
    faults += header_faults(name, place_name, header)
    return Part(place, place_name, digest, header, stamp)


def header_faults(name: str, place_name: str, header: tuple[str, ...]) -> list[str]:
    table = DELIVERED[name]
    twice = sorted({column for column in header if header.count(column) > 1})
    unknown = [column for column in header if column not in table.names and not _is_extra(name, column)]
    missing = [column for column in table.required if column not in header]
    where = f"{shown(place_name)}: "
    sentences = []
    unnamed = [at for at, column in enumerate(header, 1) if not column.strip() or column.startswith("Unnamed: ")]
    unknown = [column for column in unknown if column.strip() and not column.startswith("Unnamed: ")]
    twice = [column for column in twice if column.strip()]
    delimited = len(header) == 1 and re.search(r"[;\t|]", header[0])
    if header and not delimited and not set(header) & set(table.names):
        return [f"{shown(place_name)} {BrokenFile.header(name, _glimpse(name, header))}"]
    if unnamed:
        which = ", ".join(map(str, unnamed[:5]))
        sentences.append(
            f"{where}column {which} has no name. Remove it: a comma too many at the end of each line, or the index "
            "that pandas writes (index=False leaves it out)."
        )
    if twice:
        named = [_name_shown(column, header.index(column) + 1) for column in twice[:5]]
        sentences.append(f"{where}columns {', '.join(map(shown, named))} appear twice. Leave one.")
    if delimited:
        sentences.append(f"{where}columns must be separated by commas. Deliver it so.")
    elif unknown:
        named = [_name_shown(column, header.index(column) + 1) for column in unknown[:5]]
        sentences.append(where + str(ContractError.unknown_columns(name, named, table.names)))
    if missing:
        named = [_name_shown(column, at) for at, column in enumerate(header, 1)]
        sentences.append(where + str(ContractError.missing_columns(name, missing, named)))
    return sentences


def _is_extra(name: str, column: str) -> bool:
    return column.startswith(DELIVERED[name].extra or ("\0",)) and _EXTRA_NAME.fullmatch(column) is not None


def _csv_header(name: str, place: Path) -> tuple[str, ...]:
    """Read the whole file once as bytes: is it cut off, is it a bomb,
    is it text? Hands back the first line's columns.
    """
    if place.name.endswith(".gz"):
        size = place.stat().st_size
        try:
            with gzip.open(place, "rb") as stream:
                # pyrefly: ignore[bad-argument-type]
                return _look_over(name, _chunks(stream), size)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise BrokenFile.cut_off() from None
    with place.open("rb") as stream:
        return _look_over(name, _chunks(stream), None)


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        yield chunk


def _look_over(name: str, chunks: Iterable[bytes], packed_size: int | None) -> tuple[str, ...]:
    first, header, last, open_line, total = b"", None, b"", 0, 0
    for chunk in chunks:
        total += len(chunk)
        if packed_size is not None and total > EXPANSION_FROM and total > EXPANSION_LIMIT * packed_size:
            raise BrokenFile.expands(EXPANSION_LIMIT, "unpacked or as Parquet")
        if b"\0" in chunk:
            raise BrokenFile.no_text()
        begins, ends = chunk.find(b"\n"), chunk.rfind(b"\n")
        open_line += len(chunk) if begins < 0 else begins
        if open_line > CELL_LIMIT + 1:
            raise BrokenFile.line(CELL_LIMIT)
        if header is None:
            first += chunk
            if begins >= 0:
                header = _columns_of(name, first[: first.find(b"\n")])
        if begins >= 0:
            open_line = len(chunk) - ends - 1
        last = chunk[-1:]
    if total == 0:
        raise BrokenFile.empty()
    if last != b"\n":
        raise BrokenFile.unended()
    return header or ()


def _columns_of(name: str, line: bytes) -> tuple[str, ...]:
    if line.count(b",") >= COLUMNS_LIMIT:
        raise BrokenFile.columns(COLUMNS_LIMIT)
    text = ""
    try:
        text = line.decode("utf-8-sig").rstrip("\r")
        return tuple(next(csv.reader([text], strict=True), []))
    except UnicodeDecodeError:
        raise BrokenFile.no_text(" at line 1") from None
    except csv.Error:
        raise BrokenFile.header(name, _glimpse(name, text.split(","))) from None


def _glimpse(name: str, header: Sequence[str]) -> str:
    """What a line holds that should be a header: how much, and of it what looks like the table's columns, for the rest
    may be a person's row.
    """
    like = [column for column in header if get_close_matches(column.lower(), DELIVERED[name].names, n=1, cutoff=0.75)]
    among = f", among them {', '.join(map(shown, like[:3]))}" if like else ""
    return f"{len(header):,} {'cell' if len(header) == 1 else 'cells'}{among}"


def _name_shown(column: str, at: int) -> str:
    """A column's name where it looks like one; else its place: a cell of a person's row is nobody's to print."""
    return column if _NAME.fullmatch(column) and not re.search(r"\d{3}|@", column) else f"number {at}"


def _parquet_header(place: Path) -> tuple[str, ...]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    _check_footer(place)
    try:
        with pq.ParquetFile(place) as file:
            found, schema, size = file.metadata, file.schema_arrow, place.stat().st_size
            columns, rows = found.num_columns, found.num_rows
            if columns > COLUMNS_LIMIT:
                raise BrokenFile.columns(COLUMNS_LIMIT)
            unpacked = sum(found.row_group(group).total_byte_size for group in range(found.num_row_groups))
            if max(rows, unpacked) > EXPANSION_FROM and max(rows, unpacked) > EXPANSION_LIMIT * size:
                raise BrokenFile.expands(EXPANSION_LIMIT, "in smaller parts")
            if unpacked > CELL_LIMIT * max(rows, 1) * max(columns, 1):
                raise BrokenFile.cells(CELL_LIMIT)
            _check_dictionaries(place, found, schema, size)
            return tuple(schema.names)
    except (pa.ArrowException, OSError):
        raise BrokenFile.parquet() from None


def _check_footer(place: Path) -> None:
    """What the file says of itself is bounded before it is parsed: a million columns would take gigabytes there."""
    with place.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 8, 0))
        length, mark = int.from_bytes(file.read(4), "little"), file.read(4)
    if mark != b"PAR1" or length > size:
        raise BrokenFile.parquet()
    if length > FOOTER_LIMIT:
        raise BrokenFile.described(FOOTER_LIMIT)


def _check_dictionaries(place: Path, found: Any, schema: Any, size: int) -> None:
    """A text that is kept once and meant by every row weighs nothing in the file and everything when it is read: the
    longest text of each dictionary, times its rows, is bounded before any row is.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    texts = [name for name, kind in zip(schema.names, schema.types, strict=True) if _is_text_type(pa, kind)]
    with pq.ParquetFile(place, read_dictionary=texts) as file:
        for name in texts:
            decoded = 0
            for group in range(found.num_row_groups):
                rows = found.row_group(group).num_rows
                for batch in file.iter_batches(1, row_groups=[group], columns=[name], use_threads=False):
                    kept = batch.column(0)
                    if isinstance(kept, pa.DictionaryArray) and len(kept.dictionary):
                        longest = pc.max(pc.binary_length(kept.dictionary.cast(pa.large_binary()))).as_py() or 0
                        decoded += rows * longest if longest > LONGEST_PLAIN else 0
                    break
            if decoded > EXPANSION_FROM and decoded > EXPANSION_LIMIT * size:
                raise BrokenFile.expands(EXPANSION_LIMIT, "with shorter texts")
    pa.default_memory_pool().release_unused()  # the engine needs it now


def _is_text_type(pa: Any, kind: Any) -> bool:
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(inner) or pa.types.is_large_string(inner)
