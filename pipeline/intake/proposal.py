"""A mapping proposed from what the files themselves show. What they do not show, and nobody said, is written as `?`,
which no conversion accepts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from features.errors import CannotWrite, InputMissing, UsageError
from features.tables import DELIVERED, Kind
from pipeline.intake.delivery import shown
from pipeline.intake.looking import DATE_FORMS, ENDINGS, EXAMPLES, TOTAL_WORDS, Looked, Seen, folded, look
from pipeline.intake.mapping import UNDECIDED
from pipeline.store.files import write_whole

DAYS = ("issued", "due", "paid_on", "booked", "called", "merged_on")
AMOUNTS = ("amount", "open", "paid", "principal")
MOST_BOOKS = 50  # different words of a column that may name books
# Words of a column that says what a transaction is. What they do not name is asked, what is no payment is left out.
KIND_WORDS = {
    "payment": "payment repayment receipt collection recovery zahlung zahlungseingang rueckzahlung tilgung einzahlung "
    "paiement reglement remboursement pago abono incasso pagamento betaling",
    "credit": "waive waiver waived credit gutschrift avoir remise discount skonto erlass nachlass kulanz",
    "charged_off": "writeoff written abschreibung ausbuchung ausgebucht chargeoff charged passage castigo",
    "": "disbursement disbursed disbursal auszahlung accrual accrued fee gebuehr interest zinsen invoice rechnung "
    "penalty deboursement decaissement desembolso opening",
}


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
        return [
            f"  line {number}: {line.strip()}"
            for number, line in enumerate(self.text.splitlines(), 1)
            if f'"{UNDECIDED}"' in line
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
        lines += _file_lines(name, file, decided)
    tables = _Tables(names, decided).lines()
    lines.append("tables:")
    for table in DELIVERED:
        if table in tables:
            lines += [f"  {table}:", *tables[table]]
    if not tables:
        lines.append(
            "  # No file looks like invoices, instalments, payments or contacts: name the tables and columns by hand."
        )
    none = [table for table in decided.none if table not in tables]
    if none:
        lines.append(f"none: [{', '.join(none)}]   # nothing to tell of: delivered empty")
    return Proposal("\n".join(lines) + "\n", names)


def write_proposal(source: Path, place: Path) -> str:
    """Write the proposal as a file that is not there yet; what is left to decide, for the terminal.
    Raises UsageError where it is there.
    """
    if place.exists():
        raise UsageError(f"{str(place)!r} exists and is not written over. Name another file with --map, or remove it.")
    proposal = propose(source)
    try:
        write_whole(place, proposal.text)
    except OSError as error:
        raise CannotWrite.creating(f"Mapping {str(place)!r}", error) from None
    left = proposal.undecided()
    return "\n".join([f"Mapping: {place}", f"To decide by hand: {len(left)}", *left])


# ---- files -----------------------------------------------------------------------------------------------------------


def _file_lines(name: str, file: Looked, decided: Decided) -> list[str]:
    lines = [f"  {name}:", f"    path: {_quoted(file.path)}"]
    if file.sheet is not None:
        lines.append(f"    sheet: {_quoted(file.sheet)}")
    else:
        lines += [f"    encoding: {file.encoding}", f"    delimiter: {_quoted(file.delimiter)}"]
    lines.append(f"    header_line: {file.header_line}")
    lines += _mark_lines(file, decided.decimal)
    lines += _date_lines(file, decided.dates)
    if file.totals is not None:
        like = _quoted(f"(?i)({TOTAL_WORDS})\\b.*")
        lines.append(f"    leave_out: {{total: {{column: {_quoted(file.totals)}, like: {like}}}}}")
    return lines


def _mark_lines(file: Looked, said: str | None) -> list[str]:
    amounts = [one for one in file.columns if one.is_amount and not one.native and one.meaning in AMOUNTS]
    cells = [cell for column in amounts for cell in sorted(column.cells)]
    told = [cell for column in amounts for cell in column.examples]
    proved = {mark for column in amounts for mark in column.marks}
    marked = any(re.search(r"[.,]", cell) for cell in cells)
    if not amounts or (not proved and not marked):
        return []
    if len(proved) == 1:
        decimal = next(iter(proved))
    elif said is not None and not proved:
        decimal = said
    else:
        why = "cells prove both marks" if proved else "each cell can be read in two ways"
        return [f'    decimal: "{UNDECIDED}"   # {why}: {_examples(told)}', f'    thousands: "{UNDECIDED}"']
    grouped = [
        mark for mark in (".", ",", " ", "'") if mark != decimal and any(mark in cell.strip("€$£ ") for cell in cells)
    ]
    lines = [f'    decimal: "{decimal}"   # {_examples(told)}', f'    thousands: "{(grouped or [""])[0]}"']
    symbols = sorted({found for cell in cells for found in re.findall(r"[€$£]|[A-Z]{3}", cell)})
    return [*lines, f"    currency_marks: [{', '.join(_quoted(mark) for mark in symbols)}]"] if symbols else lines


def _date_lines(file: Looked, said: str | None) -> list[str]:
    days = [one for one in file.columns if one.date_forms and not one.native and one.meaning in DAYS]
    common = [form for form in DATE_FORMS if days and all(form in column.date_forms for column in days)]
    cells = _examples(cell for column in days for cell in column.examples)
    if not days or common[:1] == ["YYYY-MM-DD"]:
        return []
    if not common:
        return [f"    # The columns of days have different forms: write `dates:` at each of them. {cells}"]
    if said in common:
        return [f"    dates: {_quoted(said)}   # {cells}"]
    readings = {_order(form) for form in common}
    if len(readings) > 1:
        return [f'    dates: "{UNDECIDED}"   # {" or ".join(common)}: every cell fits both. {cells}']
    return [f"    dates: {_quoted(min(common, key=lambda form: 'DD' not in form))}   # {cells}"]


def _order(form: str) -> str:
    """The order of day, month and year: forms of the same order read a cell alike."""
    return "".join(dict.fromkeys(letter for letter in form if letter in "YMD"))


# ---- tables ----------------------------------------------------------------------------------------------------------


class _Tables:
    """Which file becomes rows of which table. One file may list the accounts (`listed`); else the invoices do."""

    def __init__(self, files: Mapping[str, Looked], decided: Decided) -> None:
        self.files, self.decided = files, decided
        self.listed = next((name for name in files if self._lists_accounts(name)), None)

    def lines(self) -> dict[str, list[str]]:
        tables: dict[str, list[str]] = {}
        for name, file in self.files.items():
            for table, block in self._of(name, file):
                tables.setdefault(table, []).extend(block)
        return tables

    def _of(self, name: str, file: Looked) -> list[tuple[str, list[str]]]:
        dated, paid = file.named("paid_on") or file.named("booked"), file.named("paid") or file.named("amount")
        if name == self.listed:
            return [("accounts", self._account_lines(name, file, _key(file)))]
        if file.named("merged"):
            return [("debtors", self._debtor_lines(name, file))]
        if file.named("called") and file.named("outcome"):
            return [("contacts", self._contact_lines(name, file))]
        if file.named("due") and _owed(file):
            return self._charge_tables(name, file)
        if file.named("kind") and paid:
            dated = dated or file.named("issued")
        return self._payment_tables(name, file, dated, paid) if dated and paid else []

    def _lists_accounts(self, name: str) -> bool:
        """A file with a line for each account, which others name: it says who owes, and not what is due when."""
        file = self.files[name]
        key = _key(file)
        if key is None or not key.is_key or not file.named("customer") or file.named("due") or file.named("outcome"):
            return False
        others = [
            other for at, other in self.files.items() if at != name and (other.named("due") or other.named("booked"))
        ]
        return any(
            len(one.cells & key.cells) * 2 > len(one.cells) for other in others for one in other.columns if one.cells
        )

    def _account(self, file: Looked) -> Seen | None:
        """The column that names the account: where a file lists them, the one whose cells are its."""
        if self.listed is None:
            return _key(file)
        key = _key(self.files[self.listed])
        assert key is not None
        alike = [one for one in file.columns if one.cells & key.cells]
        best = max(
            alike, key=lambda one: (len(one.cells & key.cells) / len(one.cells), one.name == key.name), default=None
        )
        return best or file.headed(key.name)

    def _account_lines(self, name: str, file: Looked, key: Seen | None) -> list[str]:
        said, opened, principal, loans = (
            self.decided,
            file.named("issued"),
            file.named("principal"),
            self._are_loans(file),
        )
        book, product, country = file.named("portfolio"), file.named("product"), file.named("country")
        book = book if said.portfolio is None and book and 0 < len(book.cells) <= MOST_BOOKS else None
        place = (
            country
            if country and all(re.fullmatch("[A-Z]{2}(-[A-Z0-9]{1,3})?", cell) for cell in country.cells)
            else None
        )
        told = [
            _cell("account_id", key),
            _cell("debtor_id", file.named("customer")),
            _cell("portfolio", book) if book else f"        portfolio: {{constant: {_quoted(said.portfolio or name)}}}",
            _cell("product", product)
            if product
            else f"        product: {{constant: {'loan' if loans else 'invoice'}}}",
            _said("debtor_type", said.debtor_type, "consumer or commercial"),
            _cell("currency", file.named("currency"))
            if file.named("currency")
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
        return [f"    - from: {name}", *(["      once: true"] if name != self.listed else []), "      columns:", *told]

    def _charge_tables(self, name: str, file: Looked) -> list[tuple[str, list[str]]]:
        account, document, number = self._account(file), file.named("document"), file.named("instalment")
        opened = file.named("issued")
        kind = "instalment" if number or self._are_loans(file) else "invoice"
        charge = [
            self._charge_id(file, account),
            _cell("account_id", account),
            *(
                [_cell("issued_on", opened)]
                if opened
                else ["        # issued_on: no column; known from its due day on"]
            ),
            _cell("due_on", file.named("due")),
            _cell("amount", _owed(file)),
            f"        kind: {{constant: {kind}{', negative: adjustment' if kind == 'invoice' else ''}}}",
        ]
        tables = [] if self.listed else [("accounts", self._account_lines(name, file, account))]
        tables.append(("charges", [f"    - from: {name}", *_says_kind(file), "      columns:", *charge]))
        paid_on = file.named("paid_on")
        if paid_on:
            payment = [
                self._charge_id(file, account).replace("charge_id", "payment_id"),
                _cell("account_id", account),
                *([_cell("charge_id", document or account)] if kind == "invoice" else []),
                _cell("occurred_at", paid_on),
                _cell("amount", file.named("paid") or _owed(file)),
                "        kind: {constant: payment}",
            ]
            where = f"      where: {{column: {_quoted(paid_on.name)}, empty: false}}"
            tables.append(("payments", [f"    - from: {name}", where, "      columns:", *payment]))
        return tables

    def _charge_id(self, file: Looked, account: Seen | None) -> str:
        """The number of the document; of an instalment, the account with its number or its day."""
        document, number = file.named("document"), file.named("instalment") or file.named("due")
        if document and (document != account or document.is_key):
            return _cell("charge_id", document)
        if account is None or account.is_key or number is None:
            return _cell("charge_id", account)
        return f"        charge_id: {{join: [{_quoted(account.name)}, {_quoted(number.name)}], by: /}}"

    def _payment_tables(self, name: str, file: Looked, dated: Seen, paid: Seen) -> list[tuple[str, list[str]]]:
        account, kind = self._account(file), file.named("kind")
        own = file.named("payment") or next(
            (one for one in file.columns if one.is_key and one.meaning == "document"), None
        )
        words = sorted(kind.cells) if kind and len(kind.cells) <= MOST_BOOKS else []
        meant = {word: _kind_of(word) for word in words}
        taken = {word: meaning for word, meaning in meant.items() if meaning not in ("charged_off", "")}
        cells = [
            _cell("payment_id", own if own != account else None),
            _cell("account_id", account),
            _cell("occurred_at", dated),
            _cell("amount", paid),
        ]
        head, tables = [f"    - from: {name}"], []
        if kind and taken:
            head.append(f"      where: {{column: {_quoted(kind.name)}, among: [{', '.join(map(_quoted, taken))}]}}")
            values = ", ".join(f"{_quoted(word)}: {_quoted(meaning)}" for word, meaning in taken.items())
            left = sorted(set(words) - set(taken))
            told = f"   # no payments: {', '.join(map(shown, left))}" if left else ""
            cells.append(f"        kind: {{column: {_quoted(kind.name)}, values: {{{values}}}}}{told}")
        else:
            cells.append("        kind: {constant: payment}")
        tables.append(("payments", [*head, "      columns:", *cells]))
        off = [word for word, meaning in meant.items() if meaning == "charged_off"]
        if kind and off:
            tables.append(
                (
                    "statuses",
                    [
                        f"    - from: {name}",
                        f"      where: {{column: {_quoted(kind.name)}, among: [{', '.join(map(_quoted, off))}]}}",
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
            f'{_quoted(word)}: "{UNDECIDED}"' for word in (sorted(outcome.cells)[:MOST_BOOKS] if outcome else ())
        )
        cells = [
            _cell("contact_id", file.named("call")),
            _cell("account_id", self._account(file)),
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

    def _debtor_lines(self, name: str, file: Looked) -> list[str]:
        """Records of debtors that were found to be others."""
        cells = [
            _cell("debtor_id", file.named("customer") or _key(file)),
            _cell("same_as", file.named("merged")),
            _cell("known_at", file.named("merged_on") or file.named("issued")),
        ]
        return [f"    - from: {name}", "      columns:", *cells]

    def _are_loans(self, file: Looked) -> bool:
        return bool(file.named("loan"))


def _says_kind(file: Looked) -> list[str]:
    """A reminder where a column says what each row is: not every one may be owed."""
    kind = file.named("kind")
    if kind is None or not 1 < len(kind.cells) <= MOST_BOOKS:
        return []
    words = ", ".join(map(_quoted, sorted(kind.cells)))
    return [f"      # All rows are taken as owed; else: where: {{column: {_quoted(kind.name)}, among: [{words}]}}"]


def _key(file: Looked) -> Seen | None:
    return file.named("loan") or file.named("document")


def _owed(file: Looked) -> Seen | None:
    return file.named("amount") or file.named("open")


def _kind_of(word: str) -> str:
    """payment, credit, charged_off, "" for what is none of them, or `?` where the word tells nothing."""
    parts = set(folded(word).split()) | {folded(word).replace(" ", "")}
    found = [meaning for meaning, words in KIND_WORDS.items() if parts & set(words.split())]
    for meaning in (
        "charged_off",
        "credit",
        "payment",
        "",
    ):  # `waive interest` is a credit, `recovery repayment` a payment
        if meaning in found or (meaning == "charged_off" and {"write", "off"} <= parts):
            return meaning
    return UNDECIDED


def _said(ours: str, word: str | None, choices: str) -> str:
    if word is None:
        return f'        {ours}: {{constant: "{UNDECIDED}"}}   # {choices}'
    return f"        {ours}: {{constant: {_quoted(word)}}}"


def _cell(ours: str, column: Seen | None) -> str:
    if column is None:
        return f'        {ours}: "{UNDECIDED}"   # no column looks like it'
    kind = next((one.kind for table in DELIVERED.values() for one in table.columns if one.name == ours), Kind.TEXT)
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
    return re.sub(r"\W+", "_", folded(text)) or "file"
