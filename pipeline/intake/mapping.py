"""mapping.yaml: how the files of another system become tables of the contract, parsed whole into frozen typed values,
or refused whole.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from features.errors import InputMissing, UsageError
from features.tables import DELIVERED, Kind
from pipeline.params import DeliveredName, Section, Zone

UNDECIDED = "?"  # what a proposal writes where it cannot tell; nobody may guess it away
SHIPPED = Path(__file__).parent / "mappings"
EXCEL_DAYS, ISO = "excel", "ISO"
_TOKENS = {
    "YYYY": r"(?<year>\d{4})", "YY": r"(?<short>\d{2})", "MMM": r"(?<name>[^\d\s.,/-]{3,12})", "MM": r"(?<month>\d{2})",
    "M": r"(?<month>\d{1,2})",     "DD": r"(?<day>\d{2})", "D": r"(?<day>\d{1,2})",
    "HH": r"(?<hour>\d{2})", "mm": r"(?<minute>\d{2})", "ss": r"(?<second>\d{2})",
}  # fmt: skip
_TOKEN = re.compile("|".join(_TOKENS))


def date_pattern(form: str) -> str:
    """The regular expression of a date form such as `DD.MM.YYYY HH:mm`, a named group for each part."""
    parts, at = [], 0
    for found in _TOKEN.finditer(form):
        parts += [re.escape(form[at : found.start()]), _TOKENS[found[0]]]
        at = found.end()
    return "".join([*parts, re.escape(form[at:])])


def _known_form(form: str) -> str:
    if form in (EXCEL_DAYS, ISO):
        return form
    if form == UNDECIDED:
        raise ValueError(
            "is undecided. Look at the examples beside it and write the form, such as DD/MM/YYYY or MM/DD/YYYY"
        )
    named = [found[0] for found in _TOKEN.finditer(form)]
    years, months, days = ([name for name in named if name[0] == letter] for letter in "YMD")
    if (
        len(years) != 1
        or len(months) != 1
        or len(days) != 1
        or re.search("[A-Za-z]", _TOKEN.sub("", form).replace("T", ""))
    ):
        raise ValueError(
            "must name year, month and day once, such as DD.MM.YYYY, "
            f"D-MMM-YYYY, YYYYMMDD HH:mm, ISO or excel. Got {form!r}"
        )
    return form


def _known_encoding(name: str) -> str:
    try:
        codecs.lookup(name)
    except LookupError:
        raise ValueError(f"must be an encoding such as utf-8, utf-16 or cp1252. Got {name!r}") from None
    return name


def _decided(mark: str) -> str:
    if mark == UNDECIDED:
        raise ValueError("is undecided. Look at the examples beside it: write '.' or ','")
    return mark


DateForm = Annotated[str, AfterValidator(_known_form)]
Decimal_ = Annotated[Literal[".", ",", "?"], AfterValidator(_decided)]
Thousands = Annotated[Literal[".", ",", " ", "'", "", "?"], AfterValidator(_decided)]


class Condition(Section):
    """Holds for a row whose cell of `column` is empty (or not), is one of `among`, is filled with another word than
    those of `other_than`, or matches the whole of the expression `like`.
    """

    column: str
    empty: bool | None = None
    among: tuple[str, ...] | None = None
    other_than: tuple[str, ...] | None = None
    like: str | None = None

    @model_validator(mode="after")
    def _one_question(self) -> Condition:
        if sum(asked is not None for asked in (self.empty, self.among, self.other_than, self.like)) != 1:
            raise ValueError("must ask exactly one of empty, among, other_than, like")
        if UNDECIDED in (self.column, *(self.among or ()), *(self.other_than or ())):
            raise ValueError("is undecided. Write the column and the words that are meant")
        return self


Conditions = Annotated[
    tuple[Condition, ...], BeforeValidator(lambda asked: [asked] if isinstance(asked, dict) else asked)
]


class Form(Section):
    """How the cells of a file, or of one column of it, are written."""

    decimal: Decimal_ | None = None
    thousands: Thousands | None = None
    grouping: Literal["thousands", "indian"] | None = None
    currency_marks: tuple[str, ...] | None = None
    dates: DateForm | None = None
    zone: Zone | None = None

    @model_validator(mode="after")
    def _two_marks(self) -> Form:
        if self.decimal is not None and self.decimal == self.thousands:
            raise ValueError("decimal and thousands must be two marks")
        return self


class Described(Form):
    """One kind of file: where it lies below --from (several files by a pattern are one table's parts),
    and how it is written.

    leave_out  reason -> rows that are none
    refuse     reason -> rows, for which all of its conditions hold, of which nobody has said what they mean: where
               there is one, nothing is converted
    """

    path: str
    sheet: str | None = None
    encoding: Annotated[str, AfterValidator(_known_encoding)] = "utf-8"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    header_line: Annotated[int, Field(ge=1)] = 1
    leave_out: dict[str, Condition] = {}
    refuse: dict[str, Conditions] = {}

    @property
    def is_workbook(self) -> bool:
        return self.path.lower().endswith((".xlsx", ".xlsm"))


class Value(Form):
    """Where a cell of the contract comes from: a column, a constant, several columns joined or (of amounts) added up,
    or a debit and a credit column.

    values     their words -> ours; a word that is not named is a fault, unless `otherwise` says what it stands for
    empty      what an empty cell stands for
    turned     the amount with the other sign; absolute: without one
    sign_by    a column that says the sign, and its words: {S: "+", H: "-"}
    plus_days  a number of days, or the column that has it, added to a date
    negative   what the cell is where the amount of the row is below 0: a credit note is an `adjustment`
    """

    column: str | None = None
    constant: str | None = None
    join: tuple[str, ...] | None = None
    by: str = "-"
    sum: Annotated[tuple[str, ...], Field(min_length=2)] | None = None
    debit: str | None = None
    credit: str | None = None
    values: dict[str, str] | None = None
    otherwise: str | None = None
    empty: str | None = None
    turned: bool = False
    absolute: bool = False
    sign_by: dict[str, dict[str, Literal["+", "-", "?"]]] | None = None
    plus_days: int | str | None = None
    negative: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Value:
        given = [
            self.column is not None,
            self.constant is not None,
            self.join is not None,
            self.sum is not None,
            self.debit is not None or self.credit is not None,
        ]
        signs = [sign for words in (self.sign_by or {}).values() for sign in words.values()]
        if UNDECIDED in (self.column, self.constant, *(self.sum or ()), *(self.values or {}).values(), *signs):
            raise ValueError("is undecided. Write the column or the word that is meant")
        if sum(given) != 1:
            raise ValueError("must name exactly one of column, constant, join, sum, or debit with credit")
        if (self.debit is None) != (self.credit is None):
            raise ValueError("debit and credit go together")
        return self

    def columns(self) -> Iterator[str]:
        """Every column of the file that the value reads."""
        named = (self.column, self.debit, self.credit, self.plus_days if isinstance(self.plus_days, str) else None)
        yield from (name for name in named if name is not None)
        yield from self.join or ()
        yield from self.sum or ()
        yield from self.sign_by or {}


class Rows(Section):
    """Rows of one table out of one file: those for which all of `where` holds. once: rows that come out alike are one,
    as the customer on each of his invoices.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    source: Annotated[str, Field(alias="from")]
    where: Conditions = ()
    once: bool = False
    columns: dict[str, Value]


class Mapping_(Section):
    """A whole mapping: files by a name of the user's, and the rows of each table that come out of them.

    none: tables of which there is nothing to tell, such as contacts where nobody was contacted yet: delivered empty.
    """

    files: dict[str, Described]
    tables: dict[DeliveredName, tuple[Rows, ...]]
    none: tuple[DeliveredName, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Mapping_:
        faults = [
            fault for table, parts in self.tables.items() for rows in parts for fault in _faults(self, table, rows)
        ]
        faults += [
            f"{table} stands among none and has rows all the same" for table in self.none if table in self.tables
        ]
        read = {rows.source for parts in self.tables.values() for rows in parts}
        faults += [
            f"files.{name} gives rows to no table. Write under tables what it holds, or take it out of files"
            for name in self.files
            if name not in read
        ]
        if faults:
            raise ValueError("; ".join(faults))
        return self


def _faults(mapping: Mapping_, table: str, rows: Rows) -> Iterator[str]:
    contract = DELIVERED[table]
    if rows.source not in mapping.files:
        yield f"tables.{table} takes rows from {rows.source!r}, which files does not name"
    for name in rows.columns:
        if name not in contract.names and not name.startswith(contract.extra or ("\0",)):
            yield f"tables.{table} fills {name!r}, which is no column of the contract"
    missing = [name for name in contract.required if name not in rows.columns]
    if missing:
        yield f"tables.{table} lacks {', '.join(missing)}"
    for name, value in rows.columns.items():
        kind = contract[name].kind if name in contract.names else None
        if kind is not Kind.MONEY and (value.debit or value.turned or value.absolute or value.sign_by):
            yield f"tables.{table}.{name} has a sign, but is no amount"
        if kind is not Kind.MONEY and value.sum:
            yield f"tables.{table}.{name} adds columns up, but is no amount: put ids and texts together by `join`"
        if kind not in (Kind.DATE, Kind.TIME) and value.plus_days is not None:
            yield f"tables.{table}.{name} adds days, but is no date"


def shipped() -> tuple[str, ...]:
    """Names of the mappings that come with the product."""
    return tuple(sorted(place.stem for place in SHIPPED.glob("*.yaml")))


def place_of(name: str) -> Path:
    """The file of a mapping: a path, or the name of one that is shipped."""
    return SHIPPED / f"{name}.yaml" if name in shipped() else Path(name)


def text_of(place: Path) -> str:
    """The mapping as it is written. Raises InputMissing where there is none."""
    try:
        return place.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        known = ", ".join(shipped())
        raise InputMissing(
            f"There is no mapping {str(place)!r}. Name a file, or one of those shipped: {known}."
        ) from None


def load_mapping(place: Path) -> Mapping_:
    """The mapping of a file. Raises InputMissing where there is none; UsageError with every fault at once,
    each with its key.
    """
    text = text_of(place)
    try:
        # Every scalar stays the text it is: a column may be called No, 007 or 2026-01-01.
        written = yaml.load(text, Loader=yaml.CBaseLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f" at line {mark.line + 1}"
        raise UsageError(f"Mapping {str(place)!r} is not YAML{where}. Correct it.") from None
    if not isinstance(written, dict):
        raise UsageError(f"Mapping {str(place)!r} must have the sections files and tables.")
    try:
        return Mapping_.model_validate(_spelt_out(written))
    except ValidationError as refusal:
        faults = [_sentence(fault) for fault in refusal.errors(include_url=False)]
        raise UsageError("\n".join([f"Mapping {str(place)!r} cannot be used:", *faults])) from None


def _spelt_out(written: dict[str, Any]) -> dict[str, Any]:
    """The short forms made long: a column by its name alone, one file's rows without a list."""
    tables = written.get("tables")
    if not isinstance(tables, dict):
        return written
    long: dict[str, Any] = {}
    for name, parts in tables.items():
        each = parts if isinstance(parts, list) else [parts]
        long[name] = [
            {
                **rows,
                "columns": {
                    key: {"column": value} if isinstance(value, str) else value
                    for key, value in rows["columns"].items()
                },
            }
            if isinstance(rows, dict) and isinstance(rows.get("columns"), dict)
            else rows
            for rows in each
        ]
    return {**written, "tables": long}


def _sentence(fault: Any) -> str:
    path = [part for part in fault["loc"] if not isinstance(part, int)]
    where, kind = ".".join(map(str, path)), fault["type"]
    said = fault["msg"].removeprefix("Value error, ")
    if kind == "extra_forbidden":
        known = _keys_of(fault["loc"][:-1])
        nearest = get_close_matches(str(path[-1]), known, n=1)
        said = f"is not known here{f' (nearest: {nearest[0]})' if nearest else ''}. Known are {', '.join(known)}"
    elif where == "tables":
        said = (
            "names no table. Write which file gives the rows of accounts, charges, payments, ...; "
            "files that are in the contract's form already need no conversion: `recoup ingest --source` reads them"
        )
    elif path[-1:] == ["dates"] and kind == "string_type":
        said = (
            "must be one form, such as DD.MM.YYYY. A column of another form says its own: "
            '`due_on: {column: NAME, dates: "DD.MM.YYYY HH:mm"}`'
        )
    elif kind == "missing":
        said = "is missing"
    elif kind == "string_type":
        said = f"must be one text. Got {'a list' if isinstance(fault['input'], list) else 'a section'}"
    elif kind in ("dict_type", "model_type", "model_attributes_type"):
        said = "must be a section: keys, each with its value"
    return f"  {where}: {said}." if where else f"  {said}."


def _keys_of(place: tuple[Any, ...]) -> list[str]:
    """What may be written at a place of the mapping."""
    parts = [part for part in place if not isinstance(part, int)]
    section: type[Section] = Mapping_
    if parts[:1] == ["files"]:
        section = Described
    elif parts[:1] == ["tables"]:
        section = Value if "columns" in parts else Rows
    if parts[2:3] in (["leave_out"], ["refuse"], ["where"]):
        section = Condition
    return [field.alias or name for name, field in section.model_fields.items()]
