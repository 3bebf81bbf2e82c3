"""What rows of a foreign file are, by words, signs and references: invoices, credit notes, payments, drafts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

import yaml

from pipeline.intake.looking import SURE, Looked, Seen, folded, number_of
from pipeline.intake.mapping import UNDECIDED

PARTS = ("principal", "interest", "fees", "penalties")  # of what an instalment comes to
ASKED = 0.5  # how sure a column is that is asked
MOST_BOOKS = 50  # different words of a column that may name books
# Words of a column that says what a transaction is. What they do not name is asked, what is no payment is left out.
KIND_WORDS = {
    "payment": "payment repayment receipt collection recovery zahlung zahlungseingang tilgung einzahlung "
    "paiement reglement pago abono incasso pagamento betaling",
    "credit": "waive waiver waived credit gutschrift avoir remise discount skonto erlass nachlass kulanz",
    "charged_off": "writeoff write written off abschreibung ausbuchung ausgebucht chargeoff charged passage castigo",
    "": "disbursement disbursed disbursal auszahlung accrual accrued fee gebuehr interest zinsen invoice rechnung "
    "penalty deboursement decaissement desembolso opening",
}
# Words of a column that says what a document is.
DOCUMENT_WORDS = {
    "adjustment": "credit gutschrift gu gs avoir abono cn cm dg storno rechnungskorrektur creditnote creditmemo "
    "notadecredito notadicredito",
    "payment": "payment receipt zahlung zahlungseingang za ze dz pmt reglement paiement pago incasso",
    "invoice": "invoice inv rechnung re rg facture fac factura fattura factuur si bill dr rv instalment installment",
}
# Words beside them that change nothing; of a credit note only beside `note` or `memo`: a credit sale is none.
NOTES, BESIDE = {"note", "memo"}, {"tax", "sales", "customer", "incoming"}
# Words of a column that says whether a row stands: those of rows that do not, those of payments that do not (what they
# were to pay is still owed), and those of rows that do.
VOID_WORDS = (
    "draft cancelled canceled cancel void voided deleted entwurf storniert annule annulee anulado anulada annullato "
    "proforma"
)
FAILED_WORDS = "rejected failed bounced returned reversed rueckgabe geplatzt declined"
STANDING_WORDS = (
    "posted open paid unpaid overdue due partial partially partly submitted approved authorised authorized sent active "
    "booked completed cleared settled confirmed processed success successful received closed process offen bezahlt "
    "teilweise gebucht teilbezahlt ueberfaellig faellig ausgeglichen paye payee impaye pagado pagada pagato "
    "cobrado cobrada cobro parcial pendiente emitida vencida vencido regle reglee soldee pagata incassata scaduta"
)
# Words in the name of a file that holds what takes back, lowers or was never collected.
OTHER_KINDS = (
    "return bounce chargeback revers refund credit writeoff cancel waive ruecklast gutschrift storn erstattung ausbuch "
    "avoir rejet abono devoluc"
)
YES = ("1", "true", "t", "yes", "y", "x", "ja", "j", "wahr", "oui", "si", "sim", "vrai", "reversed", "storniert")
NO = ("0", "false", "f", "no", "n", "nein", "falsch", "non", "faux", "nao", "-")
NEGATIVE, POSITIVE = ".*[-(\u2212].*", "[^-(\u2212]*"


@dataclass(frozen=True)
class Split:
    """Which rows of a list of what is owed are invoices, credit notes and payments, as conditions of `where`."""

    column: str = ""  # the one that says what a document is
    words: Mapping[str, str] = field(default_factory=dict)  # its words -> invoice, adjustment, payment or `?`
    signs: Mapping[str, str] = field(default_factory=dict)  # where credit notes are written without a minus
    reference: Seen | None = None  # the column in which a credit note names its invoice
    in_credit: bool = False  # credit notes are there, and nothing names their invoices
    has_unnamed: bool = False  # some credit notes name none
    invoices: tuple[str, ...] = ()
    credits: tuple[str, ...] = ()
    payments: tuple[str, ...] = ()
    paid_signs: frozenset[bool] = frozenset()  # whether payments are written with a minus

    @classmethod
    def of(cls, file: Looked, account: Seen | None, document: Seen | None) -> Split:
        owed = owed_in(file)
        if owed is None:
            return cls()
        minus = [bool(re.fullmatch(NEGATIVE, text)) for text in owed.texts]
        reference = _reference(file, document) if document is not None and account == document else None
        kind = file.named("kind")
        words = {word: _document_of(word) for word in sorted(kind.cells)} if kind else {}
        if kind is None or len(words) > MOST_BOOKS or (len(words) == 1 and UNDECIDED in words.values()):
            if not any(minus) or reference is None:
                return cls(in_credit=any(minus) and account == document)
            named = [bool(text) for text in reference.texts]
            if named == minus:
                invoices, credited = (
                    f"{{column: {yaml_text(reference.name)}, empty: {is_}}}" for is_ in ("true", "false")
                )
            else:
                invoices, credited = (
                    f"{{column: {yaml_text(owed.name)}, like: {yaml_text(is_)}}}" for is_ in (POSITIVE, NEGATIVE)
                )
            unnamed = any(is_credit and not is_named for is_credit, is_named in zip(minus, named, strict=True))
            return cls(reference=reference, has_unnamed=unnamed, invoices=(invoices,), credits=(credited,))
        of_kind = {meaning: [word for word in words if words[word] == meaning] for meaning in words.values()}
        credit, paid = of_kind.get("adjustment", []), of_kind.get("payment", [])
        signs_of = {word: {m for m, text in zip(minus, kind.texts, strict=True) if text == word} for word in credit}
        signs: dict[str, str] = {}
        if any(False in found for found in signs_of.values()):
            plus = {word: "+" for word in words if word not in credit and word not in paid}
            signs = plus | {word: "-" if found == {False} else UNDECIDED for word, found in signs_of.items()}
            signs |= {word: "+" for word, found in signs_of.items() if found == {True}}
        if not any(text for text in kind.texts):
            return cls()
        apart = bool(credit) and reference is not None
        unnamed = (
            apart
            and reference is not None
            and any(text in credit and not named for text, named in zip(kind.texts, reference.texts, strict=True))
        )
        kept = [word for word in words if word not in paid and not (apart and word in credit)]
        is_asked = any(cell and not text for text, cell in zip(kind.texts, owed.texts, strict=True))
        return cls(
            column=kind.name,
            words={word: meaning for word, meaning in words.items() if word in kept},
            signs=signs,
            reference=reference if apart or paid else None,
            in_credit=bool(credit) and not apart and account == document,
            has_unnamed=unnamed,
            invoices=(among_words(kind, kept + [UNDECIDED] * is_asked),) if len(kept) < len(words) else (),
            credits=(among_words(kind, credit),) if apart else (),
            payments=(among_words(kind, paid),) if paid else (),
            paid_signs=frozenset(
                sign
                for sign, word, cell in zip(minus, kind.texts, owed.texts, strict=True)
                if word in paid and is_above_zero(cell)
            ),
        )


def _reference(file: Looked, document: Seen) -> Seen | None:
    """The column that names another document of the same file; unsure where its heading does not say so."""
    named = file.named("credited")
    if named is not None and named.filled:
        return named if _is_of_one_customer(file, document, named) else replace(named, sureness=ASKED)
    return next(
        (
            replace(one, sureness=ASKED)
            for one in file.columns
            if one != document
            and one.meaning in (None, "document", "purpose")
            and 0 < one.filled < document.filled
            and len(one.cells & document.cells) * 2 > len(one.cells)
        ),
        None,
    )


def _is_of_one_customer(file: Looked, document: Seen, reference: Seen) -> bool:
    """Whether each document that a credit note or a payment names is of the same customer."""
    customer, owed, kind = file.named("customer"), owed_in(file), file.named("kind")
    if customer is None or owed is None:
        return True
    of = dict(zip(document.texts, customer.texts, strict=True))
    rows = zip(reference.texts, customer.texts, owed.texts, (kind or reference).texts, strict=True)
    return all(
        of.get(text, who) == who
        for text, who, cell, word in rows
        if re.fullmatch(NEGATIVE, cell) or (kind and _document_of(word) in ("adjustment", "payment"))
    )


def is_of_another_kind(file: Looked) -> bool:
    """Whether the name of a file says that it holds neither what is owed nor what was paid."""
    name = folded(Path(file.path).name.split(".")[0])
    return any(word in name.replace(" ", "") for word in OTHER_KINDS.split())


def parts_of(file: Looked) -> list[Seen]:
    """Columns of amounts that together are what an instalment comes to."""
    found = [file.named(meaning) for meaning in PARTS]
    parts = [one for one in found if one is not None and one.sureness >= SURE and one.is_amount]
    return parts if any(one.meaning == "principal" for one in parts) else []


def numbers_of(column: Seen) -> list[Decimal | None]:
    return [number_of(text, column) for text in column.texts]


def is_above_zero(cell: str) -> bool:
    """Of an amount whose marks may not be known."""
    return bool(re.search("[1-9]", cell))


def add_up(whole: Seen, parts: Sequence[Seen]) -> bool:
    """Whether no row shows the contrary."""
    rows = zip(*map(numbers_of, (whole, *parts)), strict=True)
    return all(total is None or None in each or total == sum(each) for total, *each in rows)


def is_told_by(key: Seen | None, column: Seen) -> bool:
    """Whether each cell of the key stands beside one cell of the column."""
    if key is None or key.is_key:
        return True
    found: dict[str, str] = {}
    return all(found.setdefault(at, text) == text for at, text in zip(key.texts, column.texts, strict=True))


def is_all_among(word: str, words: str) -> bool:
    """Whether every word of a cell is one of them: `not cancelled` is not."""
    plain, known = folded(word), set(words.split())
    return bool(plain) and (plain.replace(" ", "") in known or known.issuperset(plain.split()))


def _meanings(word: str, known: Mapping[str, str], beside: Iterable[str] = ()) -> list[str]:
    """Every meaning that a word of the cell has; none where one is not known."""
    plain = folded(word)
    joined = plain.replace(" ", "")
    parts = {joined} if any(joined in words.split() for words in known.values()) else {*plain.split()} - {*beside}
    found = {part: [meaning for meaning, words in known.items() if part in words.split()] for part in parts}
    return [*dict.fromkeys(each[0] for each in found.values())] if all(found.values()) else []


def _document_of(word: str) -> str:
    """invoice, adjustment, payment, or `?` where the word tells nothing, or a part of it is not known."""
    parts = set(folded(word).split())
    found = _meanings(word, DOCUMENT_WORDS, NOTES | BESIDE)
    if set(found) == {"adjustment", "invoice"} or found == ["adjustment"]:  # a credit invoice lowers what is owed
        credits = parts & set(DOCUMENT_WORDS["adjustment"].split())
        return UNDECIDED if len(credits) > 1 or (parts & BESIDE and not parts & NOTES) else "adjustment"
    return found[0] if len(found) == 1 and not parts & NOTES else UNDECIDED


def kind_of(word: str) -> str:
    """payment, credit, charged_off, "" for what is none of them, or `?` where the word tells nothing or a part of it is
    not known: a payment reversal is none, a payment fee neither.
    """
    found = _meanings(word, KIND_WORDS, NOTES)
    if len(found) == 2 and "" in found and "payment" not in found:
        found.remove("")  # `waive interest` is a credit
    return found[0] if len(found) == 1 else UNDECIDED


def among_words(column: Seen, words: Iterable[str]) -> str:
    return f"{{column: {yaml_text(column.name)}, among: [{', '.join(map(yaml_text, words))}]}}"


def key_of(file: Looked) -> Seen | None:
    return file.named("loan") or file.named("document")


def owed_in(file: Looked) -> Seen | None:
    return file.named("amount") or file.named("open")


def yaml_text(text: str) -> str:
    written = yaml.safe_dump(text, allow_unicode=True, default_style='"', width=1_000).strip()
    return written.removesuffix("\n...").strip()
