"""docs/features.md, written from the catalogue:
.venv/bin/python -m features.reference > docs/features.md
"""

from __future__ import annotations

import math

from features.catalogue import CATALOGUE, ON_RHYTHM, ON_TREATMENTS, TREATED, WATCH, WINDOW_RULE
from features.declarations import Catalogue
from features.spec import Band, Debtor, Declared, Difference, Feature, Noun, Ratio, Where
from features.vocabulary import EVENTS, FACTS, FAMILIES, Agg

TITLE = "# Features"
HEADING, HEADING_LINE = (
    "| name | meaning | unit | window | empty | direction | reason |",
    "|---|---|---|---|---|---|---|",
)
RHYTHM = """\
How the debtor pays what is billed (`rhythm.py`), over all accounts of the debtor: columns of accounts that are not
overdue ([watch](watch.md)), beside those above that say nothing of arrears or of scorable accounts."""
TRIED = """\
What was tried beside contact (`agreements.py`): columns of a store that holds one of the three tables, beside all those
above; missing in a book that does not deliver what they need. No reason names a placement."""
INTRODUCTION = """\
Every column of the matrix, written from `features/catalogue.py` by
`.venv/bin/python -m features.reference > docs/features.md`; a test keeps it true. For the night of as_of a feature
knows what was known before as_of 00:00 of the portfolio's zone, in the versions then in force. Windows are whole
local days, `[as_of - days, as_of)`. Money is in minor units of the account's currency, counts and days are whole
numbers, and all columns are float64 but classes. *Empty* is the value where nothing happened; whatever a feature needs
and the portfolio does not deliver makes it missing. A figure over the debtor's scorable accounts is missing where the
portfolio of one of these does not deliver it, a figure of the whole debtor where that of any of the debtor's accounts
does not. *Direction* is the sign of p_recovered as the value rises, where the trade is sure of it. *Reason* marks
columns that may be said to a collector. Columns `x_*` of the accounts table become features under their own name, a
number or a class; `audit_*` never.

Frames of your own go to `build` of `features/build.py`; a catalogue of your own is tried on a store by `features_of`
of `pipeline/panel/view.py`. `features/doors.py` holds such frames against the contract first and names all that is
wrong at once: columns, types, rules, row counts, never a value.
"""
WHERE = """\
## Where it stands

| what | module of `features/` |
|---|---|
| the list of features | `catalogue.py` |
| what may be said of events and accounts; a feature as a value; a catalogue read as one | `vocabulary.py`; `spec.py`; \
`declarations.py` |
| the tables of the contract, and their inner form; the frames of others at the door, in the words of pandera | \
`tables.py`; `doors.py`, `schemas.py` |
| days, dates, instants; currencies and their decimals; the terms of the params | `days.py`; `currencies.py`; \
`terms.py` |
| what was known when; debtors that are one person; which of many ids are among many others | \
`versions.py`; `aliases.py`; `members.py` |
| the ledger: balance, arrears, days past due on every day; what settled a debt; rolls and cures | `ledger.py`, \
`replay.py`; `settlements.py`; `standing.py` |
| adjustments that take a charge back; receipts of several lines; days on which a bank is open; payment holidays | \
`adjustments.py`; `receipts.py`; `bank_days.py`; `pauses.py` |
| promises kept, broken or open; statuses in force | `promises.py`; `statuses.py` |
| who is scorable; what came of it, and how far that is known | `cohort.py`; `labels.py`, `coverage.py` |
| the matrix: its columns to read, the events of a row, the program and the loop that walks them | `build.py`: \
`columns.py`, `evidence.py`, `events.py`, `plan.py`, `kernel.py` |
| facts that are no aggregate; figures over a debtor, and over all it ever owed | `facts.py`; `debtor.py`, \
`whole_debtor.py` |
| how a debtor pays what is billed | `rhythm.py` |
| plans and their instalments, kept or missed | `agreements.py` |
| the events behind one cell; this page | `trace.py`; `reference.py` |
| compiled loops, and how they are kept; every refusal of the product | `compiled.py`, `kept_loops.py`; `errors.py` |
"""
_AGGREGATES = {
    Agg.COUNT: "Number of {events}",
    Agg.ANY: "1 if there are any {events}, else {empty}",
    Agg.SUM: "Sum of the {measure} of {events}",
    Agg.MEAN: "Mean {measure} of {events}",
    Agg.STD: "Sample standard deviation of the {measure} of {events}; empty below two",
    Agg.MAX: "Largest {measure} of {events}",
    Agg.MIN: "Smallest {measure} of {events}",
    Agg.LAST: "{measure} of the last of the {events} that has one",
    Agg.MONTHS: "Calendar months with {events}",
    Agg.DAYS_SINCE_LAST: "Days {toward} of the {events}",
    Agg.DAYS_SINCE_FIRST: "Days since the first of the {events}",
    Agg.GAP_MEAN: "Mean days between {events}",
    Agg.GAP_STD: "Sample standard deviation of the days between {events}; empty below two gaps",
    Agg.STREAK: "Number of {events} since the last one with {until}",
}


def markdown(catalogue: Catalogue = CATALOGUE) -> str:
    """One table per family."""
    lines = [
        TITLE,
        "",
        INTRODUCTION,
        WHERE,
        "## Windows",
        "",
        WINDOW_RULE,
        "## Events",
        "",
        "| event | what counts |",
        "|---|---|",
    ]
    lines += [
        f"| {name.replace('_', ' ')} | {kind.says[0].upper()}{kind.says[1:]} |" for name, kind in EVENTS.items()
    ] + [""]
    for family in FAMILIES:
        own = [entry for entry in catalogue if entry.family == family]
        if own:
            lines += [
                f"## {family} ({len(own)})",
                "",
                HEADING,
                HEADING_LINE,
            ]
            lines += [_row(entry) for entry in own] + [""]
    rhythm = [entry for entry in WATCH if entry.name in {own.name for own in ON_RHYTHM}]
    lines += [f"## Of the watch cohort alone ({len(rhythm)})", "", RHYTHM, "", HEADING, HEADING_LINE]
    lines += [_row(entry) for entry in rhythm] + [""]
    tried = [entry for entry in TREATED if entry.name in {own.name for own in ON_TREATMENTS}]
    lines += [f"## Of books that deliver offers, plans or placements ({len(tried)})", "", TRIED, "", HEADING]
    lines += [HEADING_LINE, *(_row(entry) for entry in tried), ""]
    return "\n".join(lines)


def _row(entry: Declared) -> str:
    direction = {-1: "falls", 0: "", 1: "rises"}[entry.monotone]
    said = "yes" if entry.says or entry.says_missing else ""
    return (
        f"| `{entry.name}` | {meaning(entry)} | {entry.unit} | "
        f"{_window(entry)} | {_empty(entry)} | {direction} | {said} |"
    )


def meaning(entry: Declared) -> str:
    """One sentence: the declared one, else made of the declaration."""
    if entry.meaning:
        return entry.meaning
    if isinstance(entry, Feature):
        return _of_feature(entry)
    if isinstance(entry, Noun):
        return FACTS[entry.called].meaning
    if isinstance(entry, Ratio):
        under = " + ".join(f"`{part}`" for part in entry.parts[1:])
        prior = f", smoothed as (over + {entry.prior[0]}) / (under + {entry.prior[1]})" if entry.prior else ""
        return f"`{entry.over}` / ({under}){prior}." if len(entry.parts) > 2 else f"`{entry.over}` / {under}{prior}."
    if isinstance(entry, Difference):
        return f"`{entry.left}` - `{entry.right}`."
    if isinstance(entry, Band):
        return f"How many of {', '.join(f'{edge:g}' for edge in entry.edges)} `{entry.of}` has reached."
    if isinstance(entry, Debtor):
        word = {Agg.SUM: "Sum", Agg.MAX: "Largest", Agg.MIN: "Smallest"}[entry.agg]
        money = (
            "; money in this account's currency, missing where a rate is needed and not given"
            if entry.unit == "money"
            else ""
        )
        return f"{word} `{entry.of}` over the debtor's scorable accounts{money}."
    return "The sender's own attribute, as last known."


def _of_feature(entry: Feature) -> str:
    if entry.event == "ledger":
        figure = str(entry.of).replace("_", " ")
        word = figure[0].upper() + figure[1:]
        if entry.agg is Agg.AT:
            return (
                f"{word} as known on the night {entry.window.days} days ago; missing before the account was known."
                if entry.window
                else f"{word}."
            )
        if entry.agg is Agg.MAX:
            span = (
                f"the nights as_of - {entry.window.days} through as_of" if entry.window else "all nights through as_of"
            )
            return f"Largest {figure} as known on {span}."
        span = f"the last {entry.window.days} nights, as_of included," if entry.window else "all nights through as_of"
        return f"Nights of {span} with {figure} above 0."
    events = entry.event.replace("_", " ") + _filter(entry.where)
    text = _AGGREGATES[entry.agg].format(
        events=events,
        measure=(entry.measure or "").replace("_", " "),
        empty=_empty(entry),
        until=_filter(entry.until).removeprefix(" with "),
        toward="to the next" if EVENTS[entry.event].ahead else "since the last",
    )
    return text[0].upper() + text[1:] + "."


def _filter(clause: Where | None) -> str:
    if clause is None:
        return ""
    return " with " + " and ".join(
        f"{column.replace('_', ' ')} {' or '.join(values)}" for column, values in clause.columns
    )


def _window(entry: Declared) -> str:
    if isinstance(entry, Feature):
        return f"{entry.window.days} days" if entry.window else "now" if entry.agg is Agg.AT else "ever"
    return ""


def _empty(entry: Declared) -> str:
    if not isinstance(entry, Feature | Ratio) or (isinstance(entry, Ratio) and entry.prior):
        return ""
    return "missing" if math.isnan(entry.empty) else f"{entry.empty:g}"


if __name__ == "__main__":
    print(markdown(), end="")
