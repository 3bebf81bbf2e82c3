"""The night as one page: opens from disk, asks the network for nothing, and shows every text as text."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
from markupsafe import Markup

from features.days import day_number
from features.tables import NO_DAY, NO_MONEY
from models.explain import DOWN, REASON_COLUMNS, UP
from pipeline.columns import IN_REPORTING_CURRENCY
from pipeline.law.counts import NO_LIMIT
from pipeline.pages.language import small, words
from pipeline.pages.parts import Table, parts_of
from pipeline.pages.publication import (
    GROUPS_SHOWN,
    LATER_ROWS,
    NOT_LISTED,
    Night,
    amounts,
    days,
    figures,
    instants,
    kind_of,
    plain,
    texts,
)
from pipeline.pages.speech import Speech
from pipeline.pages.templating import policy_digest, template, verbatim

DETAILED_ROWS = 10_000  # rows that carry their history: the page stays near 1 kB a row
MOST_SHOWN = {"reasons": 8, "effects": 8, "sums": 1}
MOST_SHOWN |= {"balances": 16, "payments": 12, "contacts": 6, "promises": 3, "channels": 13, "limits": 4}
MOST_SHOWN |= {"treatment": 40}
# Part of what opens under a row -> values of one entry, and which of them are texts (`_shapes`).
DETAIL_TEXTS = {"reasons": (2, (0,)), "effects": (2, (0,)), "payments": (3, (2,)), "contacts": (5, (2, 3, 4))}
DETAIL_TEXTS |= {"promises": (4, (3,)), "channel_tables": (6, (0, 1, 2)), "limits": (2, (0, 1)), "treatment": (1, (0,))}
NOT_ON_THE_PAGE = frozenset(
    {
        "monitor_says",
        "stops",
        "messages",
        "unusual",
        "verify_identity",
        "treatment",
        "report",
        "rules",
        "statuses",
        "sentences",
        "reasons",
        "book",
        "skips",
        "expired",
    }
)
NET_NOTES = {"added": "net_value_added"}  # value.mode -> what the sum of the net values counts
RATES = ("reporting_currency", "rates_date", "rates", "share", "commission", "annual_rate", "costs", "horizon_days")


class Strings:
    """Every text of the page once; everywhere else stands its index."""

    def __init__(self) -> None:
        self.table: list[str] = []
        self._index: dict[str, int] = {}

    def index(self, text: str) -> int:
        found = self._index.get(text)
        if found is None:
            found = self._index[text] = len(self.table)
            self.table.append(text)
        return found

    def indexes(self, values: pd.Series) -> list[int]:
        return [self.index(text) for text in texts(values)]


def html(night: Night) -> str:
    """The whole page. Script and style run by their sha256 alone (content security policy);
    no parser takes the data for markup.
    """
    spoken, speech = words(night.language), Speech(night.language)
    style, script = verbatim("worklist.css"), verbatim("worklist.js")
    totals = night.totals()
    return template("worklist.html").render(
        language=night.language,
        words=spoken,
        policy=_policy(script, style),
        style=Markup(style),
        script=Markup(script),
        data=Markup(inert(_data(night, spoken, totals))),
        as_of=night.as_of.isoformat(),
        valid_until=night.valid_until.isoformat(),
        long_day=speech.day(night.as_of, "full"),
        long_valid=speech.day(night.valid_until, "full"),
        model_version=str(night.model.get("version", "")),
        complete_through=[
            (small(spoken["tables"].get(table, table), night.language), day.isoformat(), speech.day(day, "medium"))
            for table, day in night.complete_through.items()
        ],
        debtors=speech.count(totals["debtors"]),
        joined=night.counts["joined"],
        net_value=speech.money(totals["net_value"], night.reporting_currency),
        net_value_note=spoken["page"][NET_NOTES.get(night.manifest.get("value", {}).get("mode"), "net_value_note")],
        expected=[
            speech.money(sums["expected_recovery"], currency) for currency, sums in totals["per_currency"].items()
        ],
        appointments=speech.count(night.details.appointments["account_id"].nunique()),
        scorable=speech.count(night.counts["scorable"]),
        groups=[(group, speech.count(night.counts[group])) for group in GROUPS_SHOWN],
        verdict=None if night.verdict is None else spoken["monitor_says"][night.verdict],
        stops=night.stops(spoken),
        warnings=[str(warning) for warning in night.manifest.get("warnings", ())],
    )


def _policy(script: str, style: str) -> str:
    return (
        f"default-src 'none'; script-src {policy_digest(script)}; style-src {policy_digest(style)}; base-uri "
        "'none'; form-action 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def inert(data: Mapping[str, Any]) -> str:
    """JSON in which no character can end the element that holds it."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _data(night: Night, spoken: Mapping[str, Any], totals: Mapping[str, Any]) -> dict[str, Any]:
    strings = Strings()
    night_number = night.as_of.toordinal()
    listed = night.worklist
    worklist = _table(listed, strings, night_number)
    detailed = min(len(listed), DETAILED_ROWS)
    details, citations = _details(night, strings, night_number, texts(listed["account_id"])[:detailed])
    audit = _aligned(night.audit, texts(listed["account_id"]))
    currencies = {night.reporting_currency, *totals["per_currency"]}
    currencies |= {code for name in NOT_LISTED for code in _currencies(getattr(night, name))}
    unlisted = {name: getattr(night, name) for name in NOT_LISTED} | {"next_in_line": night.waiting()}
    later = {name: _later(frame, strings, night_number) for name, frame in unlisted.items()}
    manifest = night.manifest
    return {
        "words": {section: held for section, held in spoken.items() if section not in NOT_ON_THE_PAGE},
        "as_of": night.as_of.isoformat(),
        "valid_until": night.valid_until.isoformat(),
        "reporting": night.reporting_currency,
        "in_reporting": sorted(IN_REPORTING_CURRENCY),
        "decimals": {currency: night.decimals[currency] for currency in sorted(currencies)},
        "zones": _zones(night.as_of, listed["time_zone"]),
        "counts": {group: int(night.counts[group]) for group in ("scorable", *GROUPS_SHOWN)},
        "groups": list(GROUPS_SHOWN),
        "totals": totals,
        "value": plain(manifest.get("value", {})),
        "model": plain(night.model),
        "complete_through": [[table, night_number - day.toordinal()] for table, day in night.complete_through.items()],
        "rates": [[key, name, value] for key in RATES if key in manifest for name, value in _flat(manifest[key])],
        "worklist": worklist,
        "audit": _table(audit, strings, night_number),
        "later": later,
        "details": details,
        "display": _table(night.display(), strings, night_number),
        "demonstration": night.demonstration,
        "detailed": detailed,
        "citations": citations,
        "strings": strings.table,
    }


def _table(frame: pd.DataFrame, strings: Strings, night_number: int) -> dict[str, Any]:
    return {"rows": len(frame), "columns": [_column(frame, name, strings, night_number) for name in frame.columns]}


def _column(frame: pd.DataFrame, name: str, strings: Strings, night_number: int) -> dict[str, Any]:
    values, kind = frame[name], kind_of(frame, name)
    if kind == "money":
        cells: list[Any] = amounts(values)
    elif kind == "date":
        cells = [None if day is None else night_number - day.toordinal() for day in days(values)]
    elif kind == "instant":
        cells = [None if instant is None else _minutes(instant, night_number) for instant in instants(values)]
    elif kind in ("share", "number"):
        places = 4 if kind == "share" else 6
        cells = [None if figure is None else _short(round(figure, places)) for figure in figures(values)]
    elif kind == "count":
        cells = [None if figure is None else int(figure) for figure in figures(values)]
    else:
        cells = strings.indexes(without_mark(values) if name in REASON_COLUMNS else values)
    return {"name": str(name), "kind": kind, "values": cells}


def without_mark(reasons: pd.Series) -> pd.Series:
    """The sentences alone: the page draws the direction itself, from the contribution."""
    return reasons.astype("str").str.removeprefix(f"{UP} ").str.removeprefix(f"{DOWN} ")


def _later(frame: Table, strings: Strings, night_number: int) -> dict[str, Any]:
    """The first rows of those not listed today, and all of them counted by rule."""
    shown = frame.head(LATER_ROWS)
    rules: list[list[Any]] = []
    if "rule" in frame.columns:
        counted = Counter[tuple[str, ...]]()
        for part in parts_of(frame):
            said = part[["rule", "citation"]].assign(reason=part["reason"] if "reason" in part.columns else "")
            alike = said.groupby(list(said.columns), dropna=False, observed=True).size().reset_index(name="count")
            for *told, count in zip(*(texts(alike[name]) for name in said.columns), alike["count"], strict=True):
                counted[tuple(told)] += int(count)
        rules = sorted(([*told, count] for told, count in counted.items()), key=lambda row: (-row[3], *row[:3]))
    counts = [[*map(strings.index, told), count] for *told, count in rules]
    return _table(shown, strings, night_number) | {"all": len(frame), "rules": counts}


def _details(
    night: Night, strings: Strings, night_number: int, accounts: list[str]
) -> tuple[dict[str, list[Any]], dict[int, str]]:
    """Per listed row what opens under it, cut to the newest; and what each rule cites. A row without has 0."""
    frames = night.details.by_name()
    flat, newest_last = {"balances", "payments", "contacts", "promises"}, {"balances", "payments"}
    wanted = set(accounts)
    found = {}
    for name, shape in _shapes(strings, day_number(night.as_of)).items():
        if name == "treatment" and night.proposals is None:
            continue
        frame = frames[name][frames[name]["account_id"].astype(str).isin(wanted)]
        rows = zip(*(read(frame[column]) for column, read in shape), strict=True)
        found[name] = _grouped(
            texts(frame["account_id"]), rows, accounts, MOST_SHOWN[name], name in newest_last, name in flat
        )
    found["channels"], found["channel_tables"] = _shared(found["channels"])
    called = dict(
        zip(
            texts(frames["appointments"]["account_id"]), instants(frames["appointments"]["appointment_at"]), strict=True
        )
    )
    at = [called.get(account) for account in texts(night.worklist["account_id"])]
    found["appointments"] = [None if instant is None else _minutes(instant, night_number) for instant in at]
    citations = {}
    for frame in (frames["channels"], frames["limits"]):
        pairs = frame[["rule", "citation"]].drop_duplicates()
        citations |= dict(zip(strings.indexes(pairs["rule"]), texts(pairs["citation"]), strict=True))
    return found, {index: citation for index, citation in citations.items() if citation and strings.table[index]}


Reader = Callable[[pd.Series], list[Any]]


def _shapes(strings: Strings, night: int) -> dict[str, list[tuple[str, Reader]]]:
    """Part of the details -> its columns in their order on the page, each with what turns its cells into JSON.
    Days count back.
    """

    def back(values: pd.Series) -> list[int | None]:
        numbers = values.astype(object)
        return [
            None if gone or value == NO_DAY else night - int(value)
            for value, gone in zip(numbers, numbers.isna(), strict=True)
        ]

    def whole(values: pd.Series) -> list[int | None]:
        return [None if figure is None or figure == NO_MONEY else int(figure) for figure in figures(values)]

    def rounded(values: pd.Series) -> list[float | int | None]:
        return [None if figure is None else _short(round(figure, 3)) for figure in figures(values)]

    def left(values: pd.Series) -> list[int | None]:
        return [None if figure is None or figure >= NO_LIMIT else figure for figure in whole(values)]

    def unmarked(values: pd.Series) -> list[int]:
        return word(without_mark(values))

    word = strings.indexes
    return {
        "reasons": [("reason", unmarked), ("contribution", rounded)],
        "effects": [("reason", unmarked), ("contribution", rounded)],
        "sums": [(name, rounded) for name in ("chance_rest", "chance", "effect_rest", "effect")],
        "balances": [("on", back), ("balance", amounts)],
        "payments": [("occurred_on", back), ("amount", amounts), ("kind", word)],
        "contacts": [
            ("occurred_on", back),
            ("occurred_minute", whole),
            ("channel", word),
            ("direction", word),
            ("outcome", word),
        ],
        "promises": [("made_on", back), ("due_on", back), ("amount", amounts), ("state", word)],
        "channels": [
            ("channel", word),
            ("verdict", word),
            ("rule", word),
            ("from_minute", whole),
            ("until_minute", whole),
            ("contacts_left", left),
        ],
        "limits": [("rule", word), ("reason", word)],
        "treatment": [("line", word)],
    }


def _grouped(
    owners: list[str], rows: Iterable[tuple[Any, ...]], accounts: list[str], most: int, newest_last: bool, flat: bool
) -> list[Any]:
    held: dict[str, list[tuple[Any, ...]]] = {}
    for owner, row in zip(owners, rows, strict=True):
        held.setdefault(owner, []).append(row)
    out: list[Any] = []
    for account in accounts:
        mine = held.get(account, [])
        mine = mine[-most:] if newest_last else mine[:most]
        out.append(([value for row in mine for value in row] if flat else [list(row) for row in mine]) or 0)
    return out


def _shared(tables: list[Any]) -> tuple[list[int], list[Any]]:
    """Many accounts may be contacted alike: each table of channels once, and its index per row."""
    unique: dict[str, int] = {}
    indexes = [unique.setdefault(json.dumps(table), len(unique)) for table in tables]
    return indexes, [json.loads(table) for table in unique]


def _aligned(audit: pd.DataFrame, accounts: list[str]) -> pd.DataFrame:
    """The terms of value in the list's order."""
    if not len(audit):
        return audit
    place = {account: row for row, account in enumerate(texts(audit["account_id"]))}
    return audit.iloc[[place[account] for account in accounts if account in place]].reset_index(drop=True)


def _zones(as_of: dt.date, values: pd.Series) -> dict[str, int]:
    """Minutes each zone is ahead of UTC on the night's day, at noon: no law opens a window before three,
    and clocks change by then.
    """
    noon = dt.datetime.combine(as_of, dt.time(12))
    named = sorted(set(texts(values)) - {""})
    # pyrefly: ignore[missing-attribute]
    return {zone: int(noon.replace(tzinfo=ZoneInfo(zone)).utcoffset().total_seconds() // 60) for zone in named}


def _minutes(instant: dt.datetime, night_number: int) -> int:
    """Minutes since the night's 00:00 UTC."""
    start = dt.datetime.combine(dt.date.fromordinal(night_number), dt.time(), dt.UTC)
    return int((instant - start).total_seconds() // 60)


def _currencies(frame: Table) -> set[str]:
    if "currency" not in frame.columns:
        return set()
    return {name for part in parts_of(frame) for name in texts(pd.Series(part["currency"].unique()))} - {""}


def _short(figure: float) -> float | int:
    return int(figure) if figure == int(figure) else figure


def _flat(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [(str(name), plain(inner)) for name, inner in value.items()]
    return [("", plain(value))]
