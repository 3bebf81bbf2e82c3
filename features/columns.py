"""The columns a catalogue rests on: what a reader must bring, and no more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from features.declarations import Catalogue
from features.doors import ALWAYS
from features.evidence import IN_ORDER
from features.facts import FACT_COLUMNS
from features.spec import Debtor, Declared, Feature, Noun
from features.vocabulary import BY_ORDER, EVENTS, FACTS, LEDGER, Agg

_CONTACT_CLASSES = ("channel", "direction", "outcome")
_TABLE_OF = {
    "contacts": "contacts",
    "payments": "payments",
    "credits": "payments",
}  # event whose classes are columns of a table
_COLUMNS_OF = {  # a wanted class or measure -> columns of its table beside those above; by default the one of its name
    "day_part": ("occurred_minute",),
    "week_part": (),
    "month_part": (),
    "covers": (),
    "amount": (),
}
_IN_ORDER = {"contacts": ("occurred_at", *_CONTACT_CLASSES), "payments": ()}
_PROMISES = ("occurred_at", "outcome", "promise_amount", "promise_due_on")


def columns_of(catalogue: Catalogue | Iterable[Declared], scorable: bool = True) -> dict[str, list[str] | None]:
    """Table -> columns to read for build, beside the x_ columns of accounts; None: the whole table.
    Tables not named are not needed.

    scorable: the cohort is to be made too (features.cohort.scorable), which takes the ledger and the statuses.
    """
    catalogue = catalogue if isinstance(catalogue, Catalogue) else Catalogue(catalogue)
    tables = {LEDGER, "statuses"} if scorable else set()
    more: dict[str, set[str]] = {}
    of_debtor: set[str] = set()
    for kind in EVENTS:
        wanted = catalogue.features_of(kind)
        for entry in wanted:
            tables |= entry.needs
        if kind in ("plans", "instalments") and wanted:
            of_debtor.add("jurisdiction")
        if kind == "promises" and wanted:
            more.setdefault("contacts", set()).update(_PROMISES)
            of_debtor.add("jurisdiction")  # whose holidays count
        elif kind in _TABLE_OF and wanted:
            table, columns = _TABLE_OF[kind], columns_wanted(wanted)
            own = more.setdefault(table, set()).union(
                *(_COLUMNS_OF.get(name, (name,)) for name in columns - {IN_ORDER})
            )
            more[table] = own | set(_IN_ORDER[table] if IN_ORDER in columns else ())
    for entry in catalogue:
        if isinstance(entry, Noun):
            tables |= entry.needs
            if "contacts" in FACTS[entry.called].needs:
                more.setdefault("contacts", set()).add("direction")
    if "charges" in tables:  # what an adjustment takes back depends on what was paid
        tables |= {"payments"}
        more.setdefault("payments", set()).add("charge_no")
    if LEDGER in tables:
        tables |= {"charges", "balances", "payments", "statuses"}  # a payment holiday may pause days past due
        more.setdefault("payments", set()).add("charge_no")
    facts = {name for entry in catalogue if isinstance(entry, Noun) for name in FACT_COLUMNS.get(entry.called, ())}
    owner = {"debtor_id", "currency"} if any(isinstance(entry, Debtor) for entry in catalogue) else set()
    replayed = bool(tables & {LEDGER, "charges"})  # what a charge still owes is of the ledger too
    more["accounts"] = facts | owner | of_debtor | ({"currency"} if replayed else set())  # the tolerance is by currency
    tables = tables - {LEDGER} | {"accounts"}
    more["accounts"] |= {"debtor_id"} if "payments" in tables else set()  # a receipt may have lines on several accounts
    found = {name: list(dict.fromkeys([*ALWAYS[name], *sorted(more.get(name, ()))])) for name in sorted(tables)}
    return found | {"accounts": None} if scorable else found


def columns_wanted(wanted: Sequence[Feature]) -> set[str]:
    """The class and measure columns that features of one kind of event look at,
    and IN_ORDER where ties matter to them.
    """
    clauses = [clause for feature in wanted for clause in (feature.where, feature.until) if clause]
    measures = {feature.measure for feature in wanted if feature.agg not in (Agg.COUNT, Agg.ANY)}
    order = {IN_ORDER} if any(feature.agg in BY_ORDER for feature in wanted) else set()
    return {column for clause in clauses for column, _ in clause.columns} | {name for name in measures if name} | order
