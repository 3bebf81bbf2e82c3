"""A mapping proposed from what the files themselves show. What they do not show, and nobody said, is written as `?`,
which no conversion accepts.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from features.errors import CannotWrite, InputMissing, UsageError
from features.tables import DELIVERED, Kind
from pipeline.intake.delivery import shown
from pipeline.intake.documents import (
    FAILED_WORDS,
    MOST_BOOKS,
    NO,
    STANDING_WORDS,
    VOID_WORDS,
    YES,
    Split,
    add_up,
    among_words,
    is_above_zero,
    is_all_among,
    is_of_another_kind,
    is_told_by,
    key_of,
    kind_of,
    owed_in,
    parts_of,
    yaml_text,
)
from pipeline.intake.looking import (
    AMOUNTS,
    DATE_FORMS,
    DAYS,
    ENDINGS,
    EXAMPLES,
    SURE,
    Looked,
    Seen,
    folded,
    look,
)
from pipeline.intake.mapping import UNDECIDED, shipped
from pipeline.store.files import write_whole

NOT_NOTHING = ".*[1-9].*"  # an amount, in any form, that is not 0
UNUSED_TOLD = 15


@dataclass(frozen=True)
class Decided:
    """What the files do not tell and somebody said; None is not said. dates: a form of mapping.py; place and time_zone:
    of accounts whose files name none; none: tables of which there is nothing to tell.
    """

    currency: str | None = None
    debtor_type: str | None = None
    portfolio: str | None = None
    place: str | None = None
    time_zone: str | None = None
    dates: str | None = None
    decimal: str | None = None
    none: tuple[str, ...] = ()


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
            f"  {_told(file.path)}: not understood. Write under tables what it holds, or take it out of files."
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
            f"Columns left unused: {_told(file.path)}: {_some(left)}"
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
        names[name] = _with_own_forms(file, decided.dates)
    made = _Tables(names, decided)
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
        lines += _file_lines(name, file, decided, made.left_out[name], made.refused[name])
        if not any(rows["from"] == name for parts in (read["tables"] or {}).values() for rows in parts):
            lines.append("    # Not understood: write under tables what it holds, or take it out of files.")
        elif left := _unused(read, name, file, made.left_out[name]):
            lines.append(f"    # Left unused: {_some(left)}")
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


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - UNUSED_TOLD} more" if len(names) > UNUSED_TOLD else ""
    return ", ".join(map(_told, names[:UNUSED_TOLD])) + more


def _told(name: str) -> str:
    return repr(name) if name.isprintable() else shown(name)


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


# ---- files -----------------------------------------------------------------------------------------------------------


def _file_lines(
    name: str, file: Looked, decided: Decided, left_out: Sequence[str], refused: Sequence[str]
) -> list[str]:
    lines = [f"  {name}:", f"    path: {yaml_text(file.path)}"]
    if file.sheet is not None:
        lines.append(f"    sheet: {yaml_text(file.sheet)}")
    else:
        lines += [f"    encoding: {file.encoding}", f"    delimiter: {yaml_text(file.delimiter)}"]
    lines.append(f"    header_line: {file.header_line}")
    lines += _mark_lines(file, decided.decimal)
    lines += _date_lines(file, decided.dates)
    if file.totals is not None:
        column, like = file.totals
        left_out = [f"total: {{column: {yaml_text(column)}, like: {yaml_text(like)}}}", *left_out]
    for key, entries in (("leave_out", left_out), ("refuse", refused)):
        lines += [f"    {key}:", *(f"      {line}" for line in entries)] if entries else []
    return lines


def _mark_lines(file: Looked, said: str | None) -> list[str]:
    amounts = [one for one in file.columns if one.is_amount and not one.native and one.meaning in AMOUNTS]
    cells = [cell for column in amounts for cell in sorted(column.cells)]
    told = [cell for column in amounts for cell in column.examples]
    proved = {mark for column in amounts for mark in column.marks}
    marked = any(re.search(r"[.,]", cell) for cell in cells)
    if not amounts or (not proved and not marked):
        return []
    unproved = [one for one in amounts if not one.marks and any(re.search("[.,]", cell) for cell in one.cells)]
    if len(proved) == 1 and (not unproved or said in proved):
        decimal = next(iter(proved))
    elif said is not None and not proved:
        decimal = said
    elif len(proved) == 1:
        why = f"proved by another column, and not by {_some([one.name for one in unproved])}"
        told = [cell for one in unproved for cell in one.examples]
        return [f'    decimal: "{UNDECIDED}"   # {why}: {_examples(told)}', f'    thousands: "{UNDECIDED}"']
    else:
        why = "cells prove both marks" if proved else "each cell can be read in two ways"
        return [f'    decimal: "{UNDECIDED}"   # {why}: {_examples(told)}', f'    thousands: "{UNDECIDED}"']
    grouped = [
        mark for mark in (".", ",", " ", "'") if mark != decimal and any(mark in cell.strip("€$£ ") for cell in cells)
    ]
    lines = [f'    decimal: "{decimal}"   # {_examples(told)}', f'    thousands: "{(grouped or [""])[0]}"']
    symbols = sorted({found for cell in cells for found in re.findall(r"[€$£]|[A-Z]{3}", cell)})
    return [*lines, f"    currency_marks: [{', '.join(yaml_text(mark) for mark in symbols)}]"] if symbols else lines


def _date_lines(file: Looked, said: str | None) -> list[str]:
    days = [one for one in file.columns if one.date_forms and not one.native and one.meaning in DAYS]
    common = [form for form in DATE_FORMS if days and all(form in column.date_forms for column in days)]
    cells = _examples(cell for column in days for cell in column.examples)
    if not days or common[:1] == ["YYYY-MM-DD"]:
        return []
    if not common:
        return [f"    # The columns of days have several forms: `dates` stands at each of them. {cells}"]
    if said in common:
        return [f"    dates: {yaml_text(said)}   # {cells}"]
    readings = {_order(form) for form in common}
    if len(readings) > 1:
        return [f'    dates: "{UNDECIDED}"   # {" or ".join(common)}: every cell fits both. {cells}']
    return [f"    dates: {yaml_text(min(common, key=_shortness))}   # {cells}"]


def _with_own_forms(file: Looked, said: str | None) -> Looked:
    """The file with a form for each column of days, where they have none in common."""
    days = [one for one in file.columns if one.date_forms and not one.native and one.meaning in DAYS]
    if not days or any(all(form in one.date_forms for one in days) for form in DATE_FORMS):
        return file
    own = {}
    for one in days:
        readings = {_order(form) for form in one.date_forms}
        known = said if said in one.date_forms else None if len(readings) > 1 else min(one.date_forms, key=_shortness)
        own[one.name] = known or UNDECIDED
    return replace(file, columns=tuple(replace(one, own_form=own.get(one.name)) for one in file.columns))


def _shortness(form: str) -> bool:
    return "DD" not in form


def _order(form: str) -> str:
    """The order of day, month and year: forms of the same order read a cell alike."""
    return "".join(dict.fromkeys(letter for letter in form if letter in "YMD"))


# ---- tables ----------------------------------------------------------------------------------------------------------


class _Tables:
    """Which file becomes rows of which table. One file may list the accounts (`listed`); else the invoices do.

    left_out, refused: file -> entries of its leave_out and refuse that the tables ask for. Only the first rows of a
    file are looked at: what they do not show, a conversion refuses.
    """

    def __init__(self, files: Mapping[str, Looked], decided: Decided) -> None:
        self.files, self.decided = files, decided
        self.left_out: dict[str, list[str]] = defaultdict(list)
        self.refused: dict[str, list[str]] = defaultdict(list)
        self.listed: str | None = None
        self.listed_key: Seen | None = None
        for name in files:
            key = self._listing_key(name)
            if key is not None:
                self.listed, self.listed_key = name, key
                break
        self.has_payments = any(self._table_of(name) == "payments" for name in files)

    def lines(self) -> dict[str, list[str]]:
        tables: dict[str, list[str]] = {}
        for name, file in self.files.items():
            for table, block in self._of(name, file):
                tables.setdefault(table, []).extend(block)
        return tables

    def _table_of(self, name: str) -> str | None:
        """What a file tells of; of a ledger it is charges, from which accounts and payments come too."""
        file = self.files[name]
        if file.table is not None:
            return file.table
        if name == self.listed:
            return "accounts"
        if file.named("merged"):
            return "debtors"
        if file.named("called") and file.named("outcome"):
            return "contacts"
        if file.named("due") and (owed_in(file) or len(parts_of(file)) > 1):
            return "charges"
        dated = file.named("paid_on") or file.named("booked") or (file.named("kind") and file.named("issued"))
        return "payments" if dated and (file.named("paid") or file.named("amount")) else None

    def _of(self, name: str, file: Looked) -> list[tuple[str, list[str]]]:
        table = self._table_of(name)
        if file.table is not None:
            return [(file.table, self._lines_of_ours(name, file))]
        if table == "accounts":
            return [("accounts", self._account_lines(name, file, self.listed_key, []))]
        if table == "debtors":
            return [("debtors", self._debtor_lines(name, file))]
        if table == "contacts":
            return [("contacts", self._contact_lines(name, file))]
        if table == "charges":
            return self._charge_tables(name, file)
        dated = file.named("paid_on") or file.named("booked") or file.named("issued")
        paid = file.named("paid") or file.named("amount")
        return self._payment_tables(name, file, dated, paid) if table and dated and paid else []

    def _lines_of_ours(self, name: str, file: Looked) -> list[str]:
        cells = [_cell(one.name, one) for one in file.columns]
        return [f"    - from: {name}", "      columns:", *cells]

    def _listing_key(self, name: str) -> Seen | None:
        """The key of a file with a line for each account, which others name: it says who owes, and not what is due
        when.
        """
        file = self.files[name]
        others = ("due", "outcome", "merged", "booked", "paid_on")
        if file.table or not file.named("customer") or any(file.named(meaning) for meaning in others):
            return None
        named = [
            one
            for at, other in self.files.items()
            if at != name and any(other.named(meaning) for meaning in ("due", "booked", "paid_on", "kind"))
            for one in other.columns
            if one.cells and one.meaning in ("loan", "document")
        ]
        keys = [one for one in file.columns if one.is_key and one.meaning in ("loan", "document", None)]
        keys = [key for key in keys if any(len(one.cells & key.cells) * 2 > len(one.cells) for one in named)]
        return max(
            keys, key=lambda key: (key == key_of(file), max(len(one.cells & key.cells) for one in named)), default=None
        )

    def _account(self, file: Looked) -> Seen | None:
        """The column that names the account: where a file lists them, the one whose cells are its."""
        key = self.listed_key
        if key is None:
            return key_of(file)
        alike = [
            one for one in file.columns if one.cells & key.cells and one.meaning in ("loan", "document", "call", None)
        ]
        best = max(
            alike,
            key=lambda one: (
                one.meaning in ("loan", "document"),
                len(one.cells & key.cells) / len(one.cells),
                one.name == key.name,
            ),
            default=None,
        )
        return best or file.headed(key.name)

    def _account_lines(self, name: str, file: Looked, key: Seen | None, where: Sequence[str]) -> list[str]:
        """What differs between rows of one account is no property of it, such as the principal of an instalment."""
        said, loans = self.decided, self._are_loans(file)

        def of_account(meaning: str) -> Seen | None:
            one = file.named(meaning)
            return one if one is not None and one.sureness >= SURE and is_told_by(key, one) else None

        opened, principal = of_account("issued"), of_account("principal")
        book, product, country = of_account("portfolio"), of_account("product"), of_account("country")
        if key is not None and not key.is_key and len(parts_of(file)) > 1:
            principal = None
        book = book if said.portfolio is None and book and 0 < len(book.cells) <= MOST_BOOKS else None
        place = (
            country
            if country and all(re.fullmatch("[A-Z]{2}(-[A-Z0-9]{1,3})?", cell) for cell in country.cells)
            else None
        )
        currency = file.named("currency")
        told = [
            _cell("account_id", key),
            _cell("debtor_id", file.named("customer")),
            _cell("portfolio", book)
            if book
            else f"        portfolio: {{constant: {yaml_text(said.portfolio or name)}}}",
            _cell("product", product)
            if product
            else f"        product: {{constant: {'loan' if loans else 'invoice'}}}",
            _said("debtor_type", said.debtor_type, "consumer or commercial"),
            _cell("currency", currency)
            if currency
            else _said("currency", said.currency, "the files name none: EUR, USD, ..."),
            *([_cell("opened_on", opened)] if opened else []),
            *([_cell("principal", principal)] if principal else []),
            *(
                [_cell("jurisdiction", place)]
                if place
                else [_said("jurisdiction", said.place, "")]
                if said.place
                else []
            ),
            *([_said("time_zone", said.time_zone, "")] if said.time_zone else []),
        ]
        once = ["      once: true"] if name != self.listed else []
        return [f"    - from: {name}", *once, *_where(where), "      columns:", *told]

    def _charge_tables(self, name: str, file: Looked) -> list[tuple[str, list[str]]]:
        account, document, number = self._account(file), file.named("document"), file.named("instalment")
        kind = "instalment" if number or self._are_loans(file) else "invoice"
        self._leave_out_what_does_not_stand(name, file)
        split = Split.of(file, account, document)
        if split.words and (told_by := file.named("kind")):
            self._refuse_others(name, "another kind than was seen", told_by)
        amount = self._owed_line(file, split)
        opened = file.named("issued")
        charge = [
            self._charge_id(file, account),
            _cell("account_id", account),
            *(
                [_cell("issued_on", opened)]
                if opened
                else ["        # issued_on: no column; known from its due day on"]
            ),
            _which("due_on", file.rivals("due")) if file.rivals("due") else _cell("due_on", file.named("due")),
            amount,
        ]
        negative = ", negative: adjustment" if kind == "invoice" else ""
        if split.words:
            values = ", ".join(
                f"{yaml_text(word)}: {yaml_text(kind if meaning == 'invoice' else meaning)}"
                for word, meaning in split.words.items()
                if meaning != "payment"
            )
            of_kind = f"        kind: {{column: {yaml_text(split.column)}, values: {{{values}}}{negative}}}"
        else:
            constant = yaml_text(UNDECIDED) if is_of_another_kind(file) else kind
            of_kind = f"        kind: {{constant: {constant}{negative}}}"
        hint = "   # invoice, fee, interest, adjustment; what is not owed: leave it out by `where`"
        of_kind += hint if f'"{UNDECIDED}"' in of_kind else ""
        tables = []
        if not self.listed:
            tables.append(("accounts", self._account_lines(name, file, account, split.invoices)))
        head = [f"    - from: {name}", *_where(split.invoices)]
        if split.in_credit:
            head.append(
                "      # Some amounts are negative and no column names their invoice: each is an account in credit."
            )
        tables.append(("charges", [*head, "      columns:", *charge, of_kind]))
        reference = split.reference
        if split.credits and reference is not None:
            note = [line for line in charge if not line.lstrip().startswith("account_id:")]
            own = [_cell("account_id", reference), _cell("adjusts", reference), "        kind: {constant: adjustment}"]
            named = [f"{{column: {yaml_text(reference.name)}, empty: false}}"] if split.has_unnamed else []
            head = [f"    - from: {name}", *_where([*split.credits, *named]), "      # credit notes, on their invoices"]
            tables.append(("charges", [*head, "      columns:", *note, *own]))
            if split.has_unnamed:
                unnamed = [*split.credits, f"{{column: {yaml_text(reference.name)}, empty: true}}"]
                own = [
                    f'        account_id: "{UNDECIDED}"   # credit notes that name no invoice: which account?',
                    own[2],
                ]
                tables.append(("charges", [f"    - from: {name}", *_where(unnamed), "      columns:", *note, *own]))
        tables += self._paid_tables(name, file, account, kind, split)
        return tables

    def _paid_tables(
        self, name: str, file: Looked, account: Seen | None, kind: str, split: Split
    ) -> list[tuple[str, list[str]]]:
        """Payments that a list of what is owed tells of: by a day of payment, or by rows that are payments."""
        document, tables = file.named("document"), []
        paid_on, paid, owed = file.named("paid_on"), file.named("paid"), file.named("amount")
        named = [_cell("charge_id", document or account)] if kind == "invoice" else []
        if paid_on:
            open_still = file.named("open") if paid is None else None
            in_part = open_still is not None and any(
                text and is_above_zero(left) for text, left in zip(paid_on.texts, open_still.texts, strict=True)
            )
            amount = _cell("amount", paid or owed)
            if in_part:
                amount = f'        amount: "{UNDECIDED}"   # some are paid in part: no column says how much was paid'
            elif open_still is not None:
                asked = f"{{column: {yaml_text(open_still.name)}, like: {yaml_text(NOT_NOTHING)}}}"
                filled = f"{{column: {yaml_text(paid_on.name)}, empty: false}}"
                self.refused[name].append(f"paid and still open in part: [{filled}, {asked}]")
            payment = [
                self._charge_id(file, account).replace("charge_id", "payment_id"),
                _cell("account_id", account),
                *named,
                _cell("occurred_at", paid_on),
                amount,
                "        kind: {constant: payment}",
            ]
            filled = f"{{column: {yaml_text(paid_on.name)}, empty: false}}"
            where = _where([filled, *(split.invoices if split.credits or split.payments else [])])
            tables.append(("payments", [f"    - from: {name}", *where, "      columns:", *payment]))
        if split.payments:
            reference, dated = split.reference, file.named("paid_on") or file.named("issued")
            payment = [
                self._charge_id(file, account).replace("charge_id", "payment_id"),
                _cell("account_id", reference if account == document else account),
                _cell("occurred_at", dated),
                self._paid_line(file, split),
                "        kind: {constant: payment}",
            ]
            tables.append(("payments", [f"    - from: {name}", *_where(split.payments), "      columns:", *payment]))
        return tables

    def _paid_line(self, file: Looked, split: Split) -> str:
        """The amount of a payment among documents: a sign means one thing, both are asked."""
        owed = owed_in(file)
        if owed is not None and len(split.paid_signs) > 1:
            return f'        amount: "{UNDECIDED}"   # payments stand with and without a minus: which came back?'
        if owed is not None and owed.sureness >= SURE and True in split.paid_signs:
            return f"        amount: {{column: {yaml_text(owed.name)}, turned: true}}"
        return _cell("amount", owed)

    def _owed_line(self, file: Looked, split: Split) -> str:
        """The amount of a charge: the one that is billed, or all parts of it; what does not add up is asked."""
        amount, still, parts = file.named("amount"), file.named("open"), parts_of(file)
        paid, rivals = file.named("paid"), file.rivals("amount")
        if rivals:
            return _which("amount", rivals)
        sure = amount is not None and amount.sureness >= SURE
        if sure and amount is not None and len(parts) > 1 and not add_up(amount, parts):
            names = ", ".join(_told(one.name) for one in parts)
            return f'        amount: "{UNDECIDED}"   # {_told(amount.name)} is not the sum of {names} in every row'
        if not sure and len(parts) > 1:
            more = [one for one in file.columns if one not in parts and one.is_amount and "amount" in folded(one.name)]
            names = ", ".join(yaml_text(one.name) for one in parts)
            if more:
                return f'        amount: "{UNDECIDED}"   # sum: [{names}]; and {_some([one.name for one in more])}?'
            return f"        amount: {{sum: [{names}]}}   # no column of their sum"
        pays = self.has_payments or file.named("paid_on") is not None
        if amount is not None and still is not None and not pays and amount.texts != still.texts:
            both = f"{_told(amount.name)} was billed, {_told(still.name)} is left; no file says what was paid"
            return f'        amount: "{UNDECIDED}"   # {both}'
        if amount is not None and paid is not None and not pays and any(map(is_above_zero, paid.texts)):
            both = f"{_told(paid.name)} of {_told(amount.name)} is paid, and no column says when"
            return f'        amount: "{UNDECIDED}"   # {both}'
        if amount is None and still is not None and pays:
            return f'        amount: "{UNDECIDED}"   # {_told(still.name)} is what is left: payments would count twice'
        owed = owed_in(file)
        if owed is not None and owed.sureness >= SURE and split.signs:
            signs = ", ".join(f"{yaml_text(word)}: {yaml_text(sign)}" for word, sign in split.signs.items())
            by = f"{{{yaml_text(split.column)}: {{{signs}}}}}"
            return f"        amount: {{column: {yaml_text(owed.name)}, sign_by: {by}}}"
        return _cell("amount", owed)

    def _leave_out_what_does_not_stand(self, name: str, file: Looked, reverses: bool | None = None) -> None:
        """Drafts, cancelled documents, reversed rows: left out by their word; a word that nobody knows is asked.
        reverses: of payments, whether reversed ones become rows of their own.
        """
        flag, state = file.named("reversed"), file.named("state")
        if flag is not None and flag.cells and not reverses:
            yes, known = [word for word in sorted(flag.cells) if folded(word) in YES], {*YES, *NO, ""}
            among = yes + [UNDECIDED] * any(folded(word) not in known for word in flag.cells)
            if among:
                self._leave_out(name, "reversed", flag, among)
            else:
                like = yaml_text(f"(?i)({'|'.join(YES)})")
                self.left_out[name].append(f"reversed: {{column: {yaml_text(flag.name)}, like: {like}}}")
        if state is not None and 0 < len(state.cells) <= MOST_BOOKS:
            words = VOID_WORDS if reverses is None else f"{VOID_WORDS} {FAILED_WORDS}"
            void = [word for word in sorted(state.cells) if is_all_among(word, words)]
            stands = [word for word in state.cells if is_all_among(word, STANDING_WORDS)]
            other = sorted(set(state.cells) - {*void, *stands})
            if void or other:
                self._leave_out(name, "not standing", state, void + [UNDECIDED] * bool(other), other)
            self._refuse_others(name, "another state than was seen", state)

    def _leave_out(self, name: str, reason: str, column: Seen, among: Sequence[str], asked: Sequence[str] = ()) -> None:
        words = ", ".join(map(yaml_text, among))
        note = f"   # which of these do not stand: {', '.join(map(shown, asked))}" if asked else ""
        self.left_out[name].append(f"{reason}: {{column: {yaml_text(column.name)}, among: [{words}]}}{note}")

    def _refuse_others(self, name: str, reason: str, column: Seen) -> None:
        words = ", ".join(yaml_text(word) for word in sorted(column.cells) if word)
        line = f"{reason}: {{column: {yaml_text(column.name)}, other_than: [{words}]}}"
        if words and line not in self.refused[name]:
            self.refused[name].append(line)

    def _charge_id(self, file: Looked, account: Seen | None) -> str:
        """The number of the document; of an instalment, the account with its number or its day."""
        document, number = file.named("document"), file.named("instalment") or file.named("due")
        if document and (document != account or document.is_key):
            return _cell("charge_id", document)
        if account is None or account.is_key or number is None:
            return _cell("charge_id", account)
        return f"        charge_id: {{join: [{yaml_text(account.name)}, {yaml_text(number.name)}], by: /}}"

    def _payment_tables(self, name: str, file: Looked, dated: Seen, paid: Seen) -> list[tuple[str, list[str]]]:
        account, kind = self._account(file), file.named("kind")
        own = (
            file.named("payment")
            or next((one for one in file.columns if one.is_key and one.meaning == "document" and one != account), None)
            or next((one for one in file.columns if one.is_key and folded(one.name) == "id"), None)
        )
        flag, undone = file.named("reversed"), file.named("reversed_on")
        yes = [word for word in sorted(flag.cells) if folded(word) in YES] if flag else []
        known = {*YES, *NO}
        reverses = own is not None and undone is not None and bool(yes) and flag is not None
        reverses = reverses and flag is not None and all(folded(word) in known for word in flag.cells)
        self._leave_out_what_does_not_stand(name, file, reverses)
        words = sorted(kind.cells) if kind and len(kind.cells) <= MOST_BOOKS else []
        meant = {word: kind_of(word) for word in words}
        taken = {word: meaning for word, meaning in meant.items() if meaning not in ("charged_off", "")}
        cells = [
            _cell("payment_id", own if own != account else None),
            _cell("account_id", account),
            _cell("occurred_at", dated),
            _which("amount", file.rivals(paid.meaning or ""))
            if file.rivals(paid.meaning or "")
            else _cell("amount", paid),
        ]
        tables: list[tuple[str, list[str]]] = []
        where: list[str] = []
        if kind and taken:
            self._refuse_others(name, "another kind than was seen", kind)
            is_asked = any(text and not word for word, text in zip(kind.texts, paid.texts, strict=True))
            where = [among_words(kind, [*taken, *[UNDECIDED] * is_asked])]
            values = ", ".join(f"{yaml_text(word)}: {yaml_text(meaning)}" for word, meaning in taken.items())
            left = sorted(set(words) - set(taken))
            told = f"   # no payments: {', '.join(map(shown, left))}" if left else ""
            cells.append(f"        kind: {{column: {yaml_text(kind.name)}, values: {{{values}}}}}{told}")
        else:
            hint = "   # payment; or money that went back, or was never paid: reversal, credit, withheld"
            constant = (
                f"{yaml_text(UNDECIDED)}}}{hint}" if is_of_another_kind(file) or (kind and kind.cells) else "payment}"
            )
            cells.append(f"        kind: {{constant: {constant}")
        tables.append(("payments", [f"    - from: {name}", *_where(where), "      columns:", *cells]))
        if reverses and own is not None and flag is not None:
            back = [
                f"        payment_id: {{join: [{yaml_text(own.name)}, {yaml_text(flag.name)}], by: /}}",
                _cell("account_id", account),
                _cell("occurred_at", undone),
                _cell("amount", paid),
                "        kind: {constant: reversal}",
                _cell("reverses", own),
            ]
            where = [*where, among_words(flag, yes)]
            tables.append(("payments", [f"    - from: {name}", *_where(where), "      columns:", *back]))
        off = [word for word, meaning in meant.items() if meaning == "charged_off"]
        if kind and off:
            tables.append(
                (
                    "statuses",
                    [
                        f"    - from: {name}",
                        *_where([among_words(kind, off)]),
                        "      columns:",
                        _cell("account_id", account),
                        "        status: {constant: charged_off}",
                        _cell("from_on", dated),
                    ],
                )
            )
        return tables

    def _contact_lines(self, name: str, file: Looked) -> list[str]:
        outcome = file.named("outcome")
        words = ", ".join(
            f'{yaml_text(word)}: "{UNDECIDED}"' for word in (sorted(outcome.cells)[:MOST_BOOKS] if outcome else ())
        )
        cells = [
            _cell("contact_id", file.named("call")),
            _cell("account_id", self._account(file)),
            _cell("occurred_at", file.named("called")),
        ]
        cells += ["        channel: {constant: call}", "        direction: {constant: outbound}"]
        cells.append(
            f"        outcome: {{column: {yaml_text(outcome.name if outcome else UNDECIDED)}, "
            f"values: {{{words}}}}}   # your words -> ours"
        )
        call, promised, until = file.named("call"), file.named("promised"), file.named("promised_on")
        if promised:
            rows = list(zip(call.texts, promised.texts, strict=True)) if call else []
            told = [row for row in rows if row[1]]
            whole = len(set(told)) < len(told)
            ask = (
                f'        promise_amount: "{UNDECIDED}"   # {_told(promised.name)} stands alike on several accounts of'
            )
            cells.append(
                f"{ask} one contact: the part for each is wanted" if whole else _cell("promise_amount", promised)
            )
        if until:
            cells.append(_cell("promise_due_on", until))
        agent = [_cell("agent", file.named("agent"))] if file.named("agent") else []
        return [f"    - from: {name}", "      columns:", *cells, *agent]

    def _debtor_lines(self, name: str, file: Looked) -> list[str]:
        """Records of debtors that were found to be others."""
        cells = [
            _cell("debtor_id", file.named("customer") or key_of(file)),
            _cell("same_as", file.named("merged")),
            _cell("known_at", file.named("merged_on") or file.named("issued")),
        ]
        return [f"    - from: {name}", "      columns:", *cells]

    def _are_loans(self, file: Looked) -> bool:
        return bool(file.named("loan"))


def _where(conditions: Sequence[str]) -> list[str]:
    if not conditions:
        return []
    return [f"      where: {conditions[0] if len(conditions) == 1 else '[' + ', '.join(conditions) + ']'}"]


def _said(ours: str, word: str | None, choices: str) -> str:
    if word is None:
        return f'        {ours}: {{constant: "{UNDECIDED}"}}   # {choices}'
    return f"        {ours}: {{constant: {yaml_text(word)}}}"


def _cell(ours: str, column: Seen | None) -> str:
    if column is None:
        return f'        {ours}: "{UNDECIDED}"   # no column looks like it'
    kind = next((one.kind for table in DELIVERED.values() for one in table.columns if one.name == ours), Kind.TEXT)
    told = (
        _examples(column.examples)
        if kind in (Kind.MONEY, Kind.DATE, Kind.TIME, Kind.CURRENCY)
        else f"{len(column.examples)} examples kept out"
    )
    if 0 < column.sureness < SURE:
        return f'        {ours}: "{UNDECIDED}"   # perhaps {_told(column.name)} ({column.sureness:.2f}); {told}'
    theirs = yaml_text(column.name)
    if column.own_form is not None and kind in (Kind.DATE, Kind.TIME):
        theirs = f"{{column: {theirs}, dates: {yaml_text(column.own_form)}}}"
    sureness = f"{column.sureness:.2f}; " if column.sureness else ""  # 0: found by its cells, not by its heading
    return f"        {ours}: {theirs}   # {sureness}{told}"


def _which(ours: str, columns: Sequence[Seen]) -> str:
    return f'        {ours}: "{UNDECIDED}"   # which: {_some([column.name for column in columns])}?'


def _examples(cells: Iterable[str]) -> str:
    return ", ".join(shown(cell) for cell in islice(dict.fromkeys(cells), EXAMPLES))


def _slug(text: str) -> str:
    return re.sub(r"\W+", "_", folded(text)) or "file"
