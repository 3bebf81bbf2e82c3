"""A question in SQL, answered by DuckDB over the views alone: no file, no network, no setting is in its reach, it reads
and never writes, within a memory and a time. What DuckDB says of a failure may repeat cells and the question itself, so
a refusal is told in words of ours: where in the question, and what kind of fault.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from features.errors import ContractError, UsageError
from pipeline.insight.views import Source
from pipeline.store.files import private_folder

log = logging.getLogger("recoup")

EXPLAIN = "EXPLAIN "
ROWS = 20_000  # of a batch in which an answer is read
# Fixed, whatever the machine: sums of floats are then the same each time.
SETTINGS = (
    "threads = 1",
    "TimeZone = 'UTC'",
    "preserve_insertion_order = true",
    "errors_as_json = true",
    "python_enable_replacements = false",
    "autoinstall_known_extensions = false",
    "autoload_known_extensions = false",
    "allow_community_extensions = false",
)
SHUT = ("enable_external_access = false", "lock_configuration = true")


class QuestionRefused(UsageError):
    """A question that is no single SELECT of the views, or asks for more than it may have."""

    @classmethod
    def not_one(cls) -> QuestionRefused:
        return cls("Ask one SELECT at a time. Nothing else is answered: the store is read and never written.")

    @classmethod
    def at(cls, where: str, why: str) -> QuestionRefused:
        return cls(f"The question{where}: {why}")

    @classmethod
    def memory(cls, limit: str) -> QuestionRefused:
        return cls(
            f"The question needs more than engine.memory_limit {limit!r} and engine.spill_limit of the params allow. "
            "Ask of fewer rows or columns, or raise them."
        )

    @classmethod
    def too_long(cls, seconds: float) -> QuestionRefused:
        return cls(f"The question took longer than {seconds:g} seconds. Ask for less, or allow more with --seconds.")

    @classmethod
    def form(cls, memory: str, spill: str) -> QuestionRefused:
        return cls(
            "engine.memory_limit and engine.spill_limit of the params must be a number with a unit such as 4GB. "
            f"Got {memory!r} and {spill!r}."
        )


class CellRefused(ContractError):
    """A cell that a question met is not what the question makes of it."""

    @classmethod
    def cast(cls, where: str) -> CellRefused:
        return cls(
            f"The question{where}: a cell, or a text of the question, is not what it is turned into. "
            "TRY_CAST gives null for such cells."
        )

    @classmethod
    def range(cls, where: str) -> CellRefused:
        return cls(f"The question{where}: a figure is outside what its kind can hold. CAST it AS DOUBLE first.")


@dataclass(frozen=True)
class Answer:
    """Names and kinds of the columns, and the rows in batches, to be read once."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


@contextmanager
def asked(question: str, views: Mapping[str, Any], source: Source, seconds: float) -> Iterator[Answer]:
    """The answer to one SELECT. Only the views that it names are read.

    views: name -> what makes its rows. seconds: of the question, reading its answer included; making the views is not
    counted. Raises QuestionRefused (2) for what is no such question or asks for too much, CellRefused (65) where a cell
    does not fit what is made of it; no message repeats the question, a cell, or an amount.
    """
    limits = source.params.engine
    with private_folder() as spill, closing(duckdb.connect()) as connection:
        _settled(connection, spill, limits.memory_limit, limits.spill_limit)
        heard = Heard(question, views)
        with _told(heard, limits.memory_limit, seconds):
            statements = connection.extract_statements(question)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise QuestionRefused.not_one()
            named = _named(connection, question, views)
        for name in named:
            rows = views[name]()
            heard.columns.update(rows.column_names)
            with _told(heard, limits.memory_limit, seconds):
                connection.register("handed_over", rows)
                connection.execute(f'CREATE TABLE "{name}" AS SELECT * FROM handed_over')
                connection.unregister("handed_over")
            del rows
        log.info(_read(named, source))
        for setting in SHUT:
            connection.execute(f"SET {setting}")
        clock = threading.Timer(seconds, connection.interrupt)
        clock.start()
        try:
            with _told(heard, limits.memory_limit, seconds):
                heard.shift = len(EXPLAIN)
                connection.execute(EXPLAIN + question)  # finds, with its place, what is wrong before anything is worked
                reader = connection.sql(question).to_arrow_reader(ROWS)
                yield Answer(reader.schema, _batches(reader, heard, limits.memory_limit, seconds))
        finally:
            clock.cancel()


@dataclass
class Heard:
    """The question, and the names that a refusal may repeat: those of views and of their columns, never the asker's."""

    question: str
    views: Mapping[str, Any]

    def __post_init__(self) -> None:
        self.columns: set[str] = set()
        self.shift = 0  # bytes before it in what DuckDB was handed

    def where(self, position: int | None) -> str:
        """Line and column of a place in the question, which DuckDB counts in bytes."""
        if position is None:
            return ""
        before = self.question.encode()[: max(position - self.shift, 0)].decode(errors="ignore")
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        return f", line {line} column {column}" if "\n" in self.question else f", column {column}"

    def nearest(self, name: str, among: Sequence[str]) -> str:
        near = get_close_matches(name.lower(), sorted(among), n=3)
        return f" Nearest: {', '.join(near)}." if near else ""


def _settled(connection: duckdb.DuckDBPyConnection, spill: Path, memory: str, most: str) -> None:
    for setting in (*SETTINGS, f"temp_directory = {_literal(str(spill))}"):
        connection.execute(f"SET {setting}")
    try:
        connection.execute(f"SET memory_limit = {_literal(memory)}")
        connection.execute(f"SET max_temp_directory_size = {_literal(most)}")
    except duckdb.Error:
        raise QuestionRefused.form(memory, most) from None


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _named(connection: duckdb.DuckDBPyConnection, question: str, views: Mapping[str, Any]) -> list[str]:
    """The views that a question names as tables; where its tree is not told, all whose names stand in it."""
    told = connection.execute("SELECT json_serialize_sql(?)", [question]).fetchall()[0][0]
    words = set(re.findall(r"\w+", question.lower()))
    tree = json.loads(told)
    named = words if tree.get("error") else {name.lower() for name in _tables(tree)}
    return sorted(named & set(views))


def _tables(tree: Any) -> Iterator[str]:
    """Names of tables in a statement's tree, and texts handed to functions that may name one."""
    waiting = [tree]
    while waiting:
        held = waiting.pop()
        if isinstance(held, dict):
            if held.get("type") == "BASE_TABLE":
                yield str(held.get("table_name", ""))
            if held.get("kind") == "STRING":
                yield str(held.get("text", ""))
            waiting += held.values()
        elif isinstance(held, list):
            waiting += held


def _read(named: Sequence[str], source: Source) -> str:
    when = "now" if source.as_of is None else f"as of {source.as_of}"
    told = [f"{name} (version {source.versions[name]})" if name in source.versions else name for name in named]
    return f"Read {when}: {', '.join(told) or 'no view'}."


def _batches(reader: pa.RecordBatchReader, heard: Heard, memory: str, seconds: float) -> Iterator[pa.RecordBatch]:
    while True:
        with _told(heard, memory, seconds):
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                return
            except (
                pa.ArrowException,
                OSError,
            ) as error:  # what DuckDB says while an answer is read comes through Arrow
                raise _of_text(str(error)) from None
        yield batch


def _of_text(said: str) -> duckdb.Error:
    """DuckDB's failure out of the text that Arrow hands on."""
    kinds = {
        "INTERRUPT": duckdb.InterruptException,
        "Out of Memory": duckdb.OutOfMemoryException,
        "Conversion": duckdb.ConversionException,
        "Out of Range": duckdb.OutOfRangeException,
    }
    return next((kind for name, kind in kinds.items() if name in said), duckdb.Error)(said)


@contextmanager
def _told(heard: Heard, memory: str, seconds: float) -> Iterator[None]:
    try:
        yield
    except duckdb.InterruptException:
        raise QuestionRefused.too_long(seconds) from None
    except duckdb.OutOfMemoryException:
        raise QuestionRefused.memory(memory) from None
    except duckdb.Error as error:
        raise _refusal(error, heard) from None


def _refusal(error: duckdb.Error, heard: Heard) -> QuestionRefused | CellRefused:
    said = _parts(str(error))
    where = heard.where(int(said["position"]) if str(said.get("position", "")).isdecimal() else None)
    name, kind, subtype = str(said.get("name", "")), said.get("type", ""), said.get("error_subtype", "")
    if isinstance(error, duckdb.ConversionException):
        return CellRefused.cast(where)
    if isinstance(error, duckdb.OutOfRangeException):
        return CellRefused.range(where)
    if isinstance(error, duckdb.PermissionException):
        return QuestionRefused.at(where, "files, network and settings are out of reach. `recoup sql` lists the views.")
    if isinstance(error, duckdb.ParserException):
        return QuestionRefused.at(where, "this is not SQL from here on.")
    if subtype == "COLUMN_NOT_FOUND":
        return QuestionRefused.at(where, f"there is no such column.{heard.nearest(name, list(heard.columns))}")
    if isinstance(error, duckdb.CatalogException) and kind == "Table":
        near = heard.nearest(name, list(heard.views)) or " `recoup sql` lists the views."
        return QuestionRefused.at(where, f"there is no such view.{near}")
    if isinstance(error, duckdb.CatalogException):
        return QuestionRefused.at(where, "there is no such function, kind or setting.")
    if isinstance(error, duckdb.BinderException):
        return QuestionRefused.at(where, _why(str(said.get("exception_message", ""))))
    return QuestionRefused.at(where, "it cannot be answered as it stands: a function refuses what it is given.")


def _why(message: str) -> str:
    """What a binder found, by what it begins with; none of its own words is repeated."""
    begins = {
        "No function matches": "a function does not take these kinds of arguments. CAST them.",
        'Table "': "there is no such column in that view.",
        "Ambiguous": "several views have this column. Write view.column.",
        "GROUP BY clause": "an aggregate cannot stand in GROUP BY.",
        "column": "a column must stand in GROUP BY, or inside an aggregate.",
        "Cannot compare": "two kinds of values are compared. CAST one of them.",
        "Referenced table": "a column names a view that is not in FROM.",
    }
    found = next((why for start, why in begins.items() if message.startswith(start)), None)
    return found or "its parts do not fit together."


def _parts(text: str) -> dict[str, Any]:
    """What errors_as_json tells."""
    try:
        found = json.loads(text[text.index("{") :])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
