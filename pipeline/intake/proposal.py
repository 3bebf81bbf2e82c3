"""A mapping proposed from what the files themselves show. What they do not show, and nobody said, is written as `?`,
which no conversion accepts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from features.errors import CannotWrite, InputMissing, UsageError
from features.tables import DELIVERED
from pipeline.intake.documents import yaml_text
from pipeline.intake.file_tables import FileTables
from pipeline.intake.looking import ENDINGS, Looked, folded, look
from pipeline.intake.mapping import UNDECIDED, shipped
from pipeline.intake.mapping_lines import Decided, file_lines, some_names, told_name, with_own_forms
from pipeline.store.files import write_whole


@dataclass(frozen=True)
class Proposal:
    """A mapping in the making: its text, and the files it was made from by the names it gives them."""

    text: str
    files: Mapping[str, Looked]

    @cached_property
    def mapping(self) -> dict[str, Any]:
        return yaml.load(self.text, Loader=yaml.CBaseLoader)

    @property
    def tables(self) -> tuple[str, ...]:
        """Of the contract, in its order: those that files fill, and those said to be empty."""
        there = {*(self.mapping["tables"] or ()), *self.mapping.get("none", ())}
        return tuple(table for table in DELIVERED if table in there)

    def undecided(self) -> list[str]:
        """What is left to say: each line with a `?`, and each file that no table takes rows from."""
        return [
            f"  line {number}: {line.strip()}"
            for number, line in enumerate(self.text.splitlines(), 1)
            if f'"{UNDECIDED}"' in line
        ] + [
            f"  {told_name(file.path)}: not understood. Write under tables what it holds, or take it out of files."
            for name, file in self.files.items()
            if name not in self.taken
        ]

    @cached_property
    def taken(self) -> set[str]:
        """Files that some table takes rows from."""
        return {rows["from"] for parts in (self.mapping["tables"] or {}).values() for rows in parts}

    def unused(self) -> list[str]:
        """Columns of each file that was understood which no line of the mapping reads, for the terminal."""
        return [
            f"Columns left unused: {told_name(file.path)}: {some_names(left)}"
            for name, file in self.files.items()
            if name in self.taken and (left := _unused(self.mapping, name, file))
        ]

    def words(self, table: str, column: str) -> tuple[str, ...]:
        """What a column of a table can hold: its constant, or every word that was seen where it comes from."""
        found: set[str] = set()
        for rows in (self.mapping["tables"] or {}).get(table, ()):
            value = rows["columns"].get(column)
            if isinstance(value, dict):
                found |= {value["constant"]} if "constant" in value else set()
            elif value is not None:
                seen = self.files[rows["from"]].headed(value)
                found |= seen.cells if seen else set()
        return tuple(sorted(found - {UNDECIDED}))


def places_under(source: Path) -> list[Path]:
    """The files under SOURCE that a proposal can look at. Raises InputMissing where there is none."""
    places = [
        place
        for place in sorted(source.rglob("*"))
        if place.is_file() and not place.is_symlink() and place.name.lower().endswith(ENDINGS)
    ]
    if not places:
        raise InputMissing(
            f"There is no file to convert under {str(source)!r}: {', '.join(ENDINGS)}. Name their folder with --from."
        )
    return places


def propose(source: Path, places: Sequence[Path] | None = None, decided: Decided | None = None) -> Proposal:
    """A mapping for the files under SOURCE, or those of them that are named: every line with how sure it is and
    examples, `?` where they do not tell.

    Raises InputMissing where there is no file that can be read.
    """
    decided = decided or Decided()
    looked = [look(place, source) for place in (places or places_under(source))]
    names: dict[str, Looked] = {}
    for file in looked:
        name = _slug(Path(file.path).name.split(".")[0])
        while name in names:
            name += "_2"
        names[name] = with_own_forms(file, decided.dates)
    made = FileTables(names, decided)
    tables = made.lines()
    below = ["tables:"]
    for table in DELIVERED:
        if table in tables:
            below += [f"  {table}:", *tables[table]]
    if not tables:
        below.append(
            "  # No file looks like invoices, instalments, payments or contacts: name the tables and columns by hand."
        )
    none = [table for table in decided.none if table not in tables]
    if none:
        below.append(f"none: [{', '.join(none)}]   # nothing to tell of: delivered empty")
    lines = [
        "# Proposed from the files. Look at every line; "
        "write what is marked ? by hand; then: recoup convert --map THIS",
        "files:",
    ]
    read = yaml.load("\n".join(below), Loader=yaml.CBaseLoader)
    for name, file in names.items():
        lines += file_lines(name, file, decided, made.left_out[name], made.refused[name])
        if not any(rows["from"] == name for parts in (read["tables"] or {}).values() for rows in parts):
            lines.append("    # Not understood: write under tables what it holds, or take it out of files.")
        elif left := _unused(read, name, file, made.left_out[name]):
            lines.append(f"    # Left unused: {some_names(left)}")
    return Proposal("\n".join([*lines, *below]) + "\n", names)


def _unused(mapping: Mapping[str, Any], name: str, file: Looked, left_out: Sequence[str] = ()) -> list[str]:
    """Filled columns of a file that nothing reads."""
    read = {
        text
        for parts in (mapping["tables"] or {}).values()
        for rows in parts
        if rows["from"] == name
        for text in _texts_of(rows)
    }
    read |= set(_texts_of(mapping.get("files", {}).get(name, {}).get("leave_out", {})))
    told = " ".join(left_out)
    return [one.name for one in file.columns if one.filled and one.name not in read and yaml_text(one.name) not in told]


def _texts_of(written: Any) -> Iterator[str]:
    if isinstance(written, str):
        yield written
    elif isinstance(written, Mapping):
        for key, value in written.items():
            yield key
            yield from _texts_of(value)
    else:
        for value in written or ():
            yield from _texts_of(value)


def write_proposal(source: Path, place: Path) -> str:
    """Write the proposal as a file that is not there yet; what is left to decide, for the terminal.
    Raises UsageError where it is there.
    """
    if str(place) in shipped():
        raise UsageError(
            f"{str(place)!r} is the name of a mapping that is shipped: `recoup convert --map {place} --show` prints "
            "it. Name a file to write, such as --map mapping.yaml."
        )
    if place.exists():
        raise UsageError(f"{str(place)!r} exists and is not written over. Name another file with --map, or remove it.")
    proposal = propose(source)
    try:
        write_whole(place, proposal.text)
    except OSError as error:
        raise CannotWrite.creating(f"Mapping {str(place)!r}", error) from None
    left = proposal.undecided()
    return "\n".join([f"Mapping: {place}", f"To decide by hand: {len(left)}", *left, *proposal.unused()])


def _slug(text: str) -> str:
    return re.sub(r"\W+", "_", folded(text)) or "file"
