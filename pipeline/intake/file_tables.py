"""Which file of another system becomes rows of which table, and what of it is left out, as lines of a mapping."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

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
from pipeline.intake.looking import SURE, Looked, Seen, folded
from pipeline.intake.mapping import UNDECIDED
from pipeline.intake.mapping_lines import (
    Decided,
    cell_line,
    constant_line,
    some_names,
    told_name,
    where_line,
    which_line,
)

NOT_NOTHING = ".*[1-9].*"  # an amount, in any form, that is not 0


class FileTables:
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
        cells = [cell_line(one.name, one) for one in file.columns]
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
            cell_line("account_id", key),
            cell_line("debtor_id", file.named("customer")),
            cell_line("portfolio", book)
            if book
            else f"        portfolio: {{constant: {yaml_text(said.portfolio or name)}}}",
            cell_line("product", product)
            if product
            else f"        product: {{constant: {'loan' if loans else 'invoice'}}}",
            constant_line("debtor_type", said.debtor_type, "consumer or commercial"),
            cell_line("currency", currency)
            if currency
            else constant_line("currency", said.currency, "the files name none: EUR, USD, ..."),
            *([cell_line("opened_on", opened)] if opened else []),
            *([cell_line("principal", principal)] if principal else []),
            *(
                [cell_line("jurisdiction", place)]
                if place
                else [constant_line("jurisdiction", said.place, "")]
                if said.place
                else []
            ),
            *([constant_line("time_zone", said.time_zone, "")] if said.time_zone else []),
        ]
        once = ["      once: true"] if name != self.listed else []
        return [f"    - from: {name}", *once, *where_line(where), "      columns:", *told]

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
            cell_line("account_id", account),
            *(
                [cell_line("issued_on", opened)]
                if opened
                else ["        # issued_on: no column; known from its due day on"]
            ),
            which_line("due_on", file.rivals("due")) if file.rivals("due") else cell_line("due_on", file.named("due")),
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
        head = [f"    - from: {name}", *where_line(split.invoices)]
        if split.in_credit:
            head.append(
                "      # Some amounts are negative and no column names their invoice: each is an account in credit."
            )
        tables.append(("charges", [*head, "      columns:", *charge, of_kind]))
        reference = split.reference
        if split.credits and reference is not None:
            note = [line for line in charge if not line.lstrip().startswith("account_id:")]
            own = [
                cell_line("account_id", reference),
                cell_line("adjusts", reference),
                "        kind: {constant: adjustment}",
            ]
            named = [f"{{column: {yaml_text(reference.name)}, empty: false}}"] if split.has_unnamed else []
            head = [
                f"    - from: {name}",
                *where_line([*split.credits, *named]),
                "      # credit notes, on their invoices",
            ]
            tables.append(("charges", [*head, "      columns:", *note, *own]))
            if split.has_unnamed:
                unnamed = [*split.credits, f"{{column: {yaml_text(reference.name)}, empty: true}}"]
                own = [
                    f'        account_id: "{UNDECIDED}"   # credit notes that name no invoice: which account?',
                    own[2],
                ]
                tables.append(("charges", [f"    - from: {name}", *where_line(unnamed), "      columns:", *note, *own]))
        tables += self._paid_tables(name, file, account, kind, split)
        return tables

    def _paid_tables(
        self, name: str, file: Looked, account: Seen | None, kind: str, split: Split
    ) -> list[tuple[str, list[str]]]:
        """Payments that a list of what is owed tells of: by a day of payment, or by rows that are payments."""
        document, tables = file.named("document"), []
        paid_on, paid, owed = file.named("paid_on"), file.named("paid"), file.named("amount")
        named = [cell_line("charge_id", document or account)] if kind == "invoice" else []
        if paid_on:
            open_still = file.named("open") if paid is None else None
            in_part = open_still is not None and any(
                text and is_above_zero(left) for text, left in zip(paid_on.texts, open_still.texts, strict=True)
            )
            amount = cell_line("amount", paid or owed)
            if in_part:
                amount = f'        amount: "{UNDECIDED}"   # some are paid in part: no column says how much was paid'
            elif open_still is not None:
                asked = f"{{column: {yaml_text(open_still.name)}, like: {yaml_text(NOT_NOTHING)}}}"
                filled = f"{{column: {yaml_text(paid_on.name)}, empty: false}}"
                self.refused[name].append(f"paid and still open in part: [{filled}, {asked}]")
            payment = [
                self._charge_id(file, account).replace("charge_id", "payment_id"),
                cell_line("account_id", account),
                *named,
                cell_line("occurred_at", paid_on),
                amount,
                "        kind: {constant: payment}",
            ]
            filled = f"{{column: {yaml_text(paid_on.name)}, empty: false}}"
            where = where_line([filled, *(split.invoices if split.credits or split.payments else [])])
            tables.append(("payments", [f"    - from: {name}", *where, "      columns:", *payment]))
        if split.payments:
            reference, dated = split.reference, file.named("paid_on") or file.named("issued")
            payment = [
                self._charge_id(file, account).replace("charge_id", "payment_id"),
                cell_line("account_id", reference if account == document else account),
                cell_line("occurred_at", dated),
                self._paid_line(file, split),
                "        kind: {constant: payment}",
            ]
            tables.append(
                ("payments", [f"    - from: {name}", *where_line(split.payments), "      columns:", *payment])
            )
        return tables

    def _paid_line(self, file: Looked, split: Split) -> str:
        """The amount of a payment among documents: a sign means one thing, both are asked."""
        owed = owed_in(file)
        if owed is not None and len(split.paid_signs) > 1:
            return f'        amount: "{UNDECIDED}"   # payments stand with and without a minus: which came back?'
        if owed is not None and owed.sureness >= SURE and True in split.paid_signs:
            return f"        amount: {{column: {yaml_text(owed.name)}, turned: true}}"
        return cell_line("amount", owed)

    def _owed_line(self, file: Looked, split: Split) -> str:
        """The amount of a charge: the one that is billed, or all parts of it; what does not add up is asked."""
        amount, still, parts = file.named("amount"), file.named("open"), parts_of(file)
        paid, rivals = file.named("paid"), file.rivals("amount")
        if rivals:
            return which_line("amount", rivals)
        sure = amount is not None and amount.sureness >= SURE
        if sure and amount is not None and len(parts) > 1 and not add_up(amount, parts):
            names = ", ".join(told_name(one.name) for one in parts)
            return f'        amount: "{UNDECIDED}"   # {told_name(amount.name)} is not the sum of {names} in every row'
        if not sure and len(parts) > 1:
            more = [one for one in file.columns if one not in parts and one.is_amount and "amount" in folded(one.name)]
            names = ", ".join(yaml_text(one.name) for one in parts)
            if more:
                return (
                    f'        amount: "{UNDECIDED}"   # sum: [{names}]; and {some_names([one.name for one in more])}?'
                )
            return f"        amount: {{sum: [{names}]}}   # no column of their sum"
        pays = self.has_payments or file.named("paid_on") is not None or bool(split.payments)
        if amount is not None and still is not None and not pays and amount.texts != still.texts:
            both = f"{told_name(amount.name)} was billed, {told_name(still.name)} is left; no file says what was paid"
            return f'        amount: "{UNDECIDED}"   # {both}'
        if amount is not None and paid is not None and not pays and any(map(is_above_zero, paid.texts)):
            both = f"{told_name(paid.name)} of {told_name(amount.name)} is paid, and no column says when"
            return f'        amount: "{UNDECIDED}"   # {both}'
        if amount is None and still is not None and pays:
            return (
                f'        amount: "{UNDECIDED}"   # {told_name(still.name)} is what is left: payments would count twice'
            )
        owed = owed_in(file)
        if owed is not None and owed.sureness >= SURE and split.signs:
            signs = ", ".join(f"{yaml_text(word)}: {yaml_text(sign)}" for word, sign in split.signs.items())
            by = f"{{{yaml_text(split.column)}: {{{signs}}}}}"
            return f"        amount: {{column: {yaml_text(owed.name)}, sign_by: {by}}}"
        return cell_line("amount", owed)

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
            return cell_line("charge_id", document)
        if account is None or account.is_key or number is None:
            return cell_line("charge_id", account)
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
            cell_line("payment_id", own if own != account else None),
            cell_line("account_id", account),
            cell_line("occurred_at", dated),
            which_line("amount", file.rivals(paid.meaning or ""))
            if file.rivals(paid.meaning or "")
            else cell_line("amount", paid),
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
        tables.append(("payments", [f"    - from: {name}", *where_line(where), "      columns:", *cells]))
        if reverses and own is not None and flag is not None:
            back = [
                f"        payment_id: {{join: [{yaml_text(own.name)}, {yaml_text(flag.name)}], by: /}}",
                cell_line("account_id", account),
                cell_line("occurred_at", undone),
                cell_line("amount", paid),
                "        kind: {constant: reversal}",
                cell_line("reverses", own),
            ]
            where = [*where, among_words(flag, yes)]
            tables.append(("payments", [f"    - from: {name}", *where_line(where), "      columns:", *back]))
        off = [word for word, meaning in meant.items() if meaning == "charged_off"]
        if kind and off:
            tables.append(
                (
                    "statuses",
                    [
                        f"    - from: {name}",
                        *where_line([among_words(kind, off)]),
                        "      columns:",
                        cell_line("account_id", account),
                        "        status: {constant: charged_off}",
                        cell_line("from_on", dated),
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
            cell_line("contact_id", file.named("call")),
            cell_line("account_id", self._account(file)),
            cell_line("occurred_at", file.named("called")),
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
            alike = f"{told_name(promised.name)} stands alike on several accounts of one contact"
            asked = f'        promise_amount: "{UNDECIDED}"   # {alike}: the part for each is wanted'
            cells.append(asked if whole else cell_line("promise_amount", promised))
        if until:
            cells.append(cell_line("promise_due_on", until))
        agent = [cell_line("agent", file.named("agent"))] if file.named("agent") else []
        return [f"    - from: {name}", "      columns:", *cells, *agent]

    def _debtor_lines(self, name: str, file: Looked) -> list[str]:
        """Records of debtors that were found to be others."""
        cells = [
            cell_line("debtor_id", file.named("customer") or key_of(file)),
            cell_line("same_as", file.named("merged")),
            cell_line("known_at", file.named("merged_on") or file.named("issued")),
        ]
        return [f"    - from: {name}", "      columns:", *cells]

    def _are_loans(self, file: Looked) -> bool:
        return bool(file.named("loan"))
