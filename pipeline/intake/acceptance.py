"""Whether a delivery as a whole may come in, and what the store knows after it: plain values in,
sentences and plain values out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from difflib import get_close_matches
from statistics import median
from typing import Any

from features.currencies import DECIMALS
from features.days import date_of, day_number
from features.tables import FEEDS, Kind
from pipeline.intake.delivery import Control, Delivery
from pipeline.intake.faults import seen
from pipeline.intake.quarantine import RULE_VERSION, SetAside
from pipeline.intake.refusals import shown
from pipeline.intake.report import TableReport
from pipeline.params import Ingest, Params
from pipeline.store.record import Delivered, State

USUAL_FROM = 4  # deliveries of a weekday that make a usual volume
USUAL_LEAST = 50  # rows below which a volume swings by chance
DAILY_LEAST = 10  # rows a day below which a book may be silent for days by chance
COMPARABLE = 7  # days of the same weekday that a day is compared with, where so many are there
COMPARED_BACK = 7 * COMPARABLE  # days of the store that are looked at for them
MOST_UNNAMED = 5  # books of which a message says that the params do not name them
AHEAD_DAYS = 366  # a control file that speaks of days further ahead of every row is a typing error
_VERSION = " DUP_CONFLICT: a row that changed needs a later known_at."
_CHANGED = {
    "payments": (
        " DUP_CONFLICT: a payment_id is one receipt; its lines may be applied anew, with the same sum, kind and time."
    )
}


def settings_of(params: Params) -> str:
    """sha256 of what decides how rows are read: with other settings, the same files are looked at again."""
    portfolios = {
        name: [book.time_zone, sorted(book.lag_days.items())]
        for name, book in {**params.portfolios, "": params.portfolio_defaults}.items()
    }
    return hashlib.sha256(
        json.dumps(
            [RULE_VERSION, portfolios, params.ingest.model_dump(exclude={"rows_a_day"})], sort_keys=True
        ).encode()
    ).hexdigest()


@dataclass(frozen=True)
class NewDays:
    """What a feed brings beyond the last day that was there before. by_day: day -> rows that became known on it;
    before: the same of stored rows, up to `reach`; accepted: rows that are new, of whatever day.
    """

    reach: int
    through: int
    accepted: int
    by_day: Mapping[int, int]
    before: Mapping[int, int]


@dataclass(frozen=True)
class Volume:
    """Rows of a feed beside the usual. least: the fewest of what it is compared with; refusal: a sentence where they
    lie outside the bounds, else empty.
    """

    name: str
    rows: int
    least: int
    compared: str
    refusal: str

    def fewest_yet(self) -> str:
        """A sentence where there never were so few, though no bound is broken: a cut at the end of a row leaves that,
        and nothing else. Else empty.
        """
        if self.refusal or self.rows >= self.least:
            return ""
        return (
            f"Table {self.name!r} has {self.rows:,} rows, fewer than ever {self.compared} ({self.least:,} at least), "
            "and nobody vouches for their number: it may be cut at the end of a row."
        )


def volumes(
    reports: Sequence[TableReport],
    earlier: Sequence[Delivered],
    limits: Ingest,
    new_days: Mapping[str, NewDays] | None = None,
) -> list[Volume]:
    """Feeds beside the usual for their weekday, of which params.ingest.volume bounds how far they may lie from it.

    The usual is the median over the earlier deliveries of the same books that ended on the same weekday, history aside;
    files that came in twice, under other settings, are one. Where there are fewer than four of them, it is learnt from
    the days that are there, or declared; see `_of_new_days`. Fewer than 50 usual rows say nothing.
    """
    found = []
    new_days = new_days or {}
    once = {record.content_id: record for record in earlier if not record.backfill}.values()
    for report in reports:
        if report.name not in FEEDS or report.complete_through is None:
            continue
        past = [
            _volume(table)
            for record in once
            for table in record.tables
            if table["name"] == report.name
            and _weekday(table["complete_through"]) == _weekday(report.complete_through)
            and _books(table.get("portfolios")) == _books(report.portfolios)
        ]
        if report.name in new_days and (len(past) < USUAL_FROM or report.name in limits.rows_a_day):
            found += _of_new_days(report.name, new_days[report.name], limits)
            continue
        usual = median(past) if len(past) >= USUAL_FROM else 0
        if usual < USUAL_LEAST:
            continue
        low, high = limits.volume
        rows, weekday = _volume(asdict(report)), f"{date_of(report.complete_through):%A}"
        told = (
            ""
            if low * usual <= rows <= high * usual
            else (
                f"Table {report.name!r} has {rows:,} {'new ' * report.reread}rows, {rows / usual:.0%} of the usual "
                f"{usual:,.0f} for a {weekday}."
            )
        )
        found.append(Volume(report.name, rows, min(past), f"on a {weekday}", told))
    return found


def _of_new_days(name: str, found: NewDays, limits: Ingest) -> list[Volume]:
    """A feed judged by the days that it is first to cover: too few rows are new, or too many became known on them.

    A day is compared with the last seven of its weekday that the store holds; where those are fewer than two, with the
    last seven working days, or days of a weekend. At most it may hold what the fullest of them did, times the bound.
    Bounds of rows a day that the params declare go first, for as many days.
    """
    days = range(found.reach + 1, found.through + 1)
    if not days:
        return []
    fresh, many = sum(rows for day, rows in found.by_day.items() if day in days), f"{len(days):,} new days"
    if name in limits.rows_a_day:
        least, most = (bound * len(days) for bound in limits.rows_a_day[name])
        if found.accepted >= least and fresh <= most:
            return []
        rows = found.accepted if found.accepted < least else fresh
        bounds = f"{least:,.0f} to {most:,.0f} that ingest.rows_a_day of the params declares"
        return [Volume(name, rows, 0, "", f"Table {name!r} has {rows:,} rows for {many}, outside the {bounds}.")]
    comparable = [[found.before.get(other, 0) for other in _like(day, found)] for day in days]
    if not all(comparable):
        return []
    usual, most = sum(median(counts) for counts in comparable), sum(max(counts) for counts in comparable)
    low, high = limits.volume
    if usual < max(USUAL_LEAST, DAILY_LEAST * len(days)):
        return []
    told, rows = "", found.accepted
    if found.accepted < low * usual or fresh > high * most:
        rows = found.accepted if found.accepted < low * usual else fresh
        share = f"{rows / usual:.0%} of the usual {usual:,.0f} by the last days of the same weekdays"
        told = f"Table {name!r} has {rows:,} rows for {many}, {share}."
    least = sum(min(counts) for counts in comparable)
    return [Volume(name, rows, least, f"on {many} by the last of the same weekdays", told)]


def _like(day: int, found: NewDays) -> list[int]:
    """The days before that a day is compared with, nearest first."""
    first = min(found.before, default=found.reach + 1)
    there = [other for other in range(found.reach, first - 1, -1) if found.reach - other < COMPARED_BACK]
    same = [other for other in there if _weekday(other) == _weekday(day)]
    alike = [other for other in there if _works(other) == _works(day)]
    return (same if len(same) > 1 else alike)[:COMPARABLE]


def _works(day: int) -> bool:
    return date_of(day).weekday() < 5


def _books(named: Iterable[str] | None) -> frozenset[str] | None:
    return None if named is None else frozenset(named)


def _volume(table: Mapping[str, Any]) -> int:
    """Rows of a delivery; of a database, what was read before aside."""
    return table["rows_in"] - (table["duplicates"] if table.get("reread") else 0)


def _weekday(day: int | None) -> int | None:
    return None if day is None else date_of(day).weekday()


def control_refusals(report: TableReport, control: Control | None) -> tuple[list[str], list[str]]:
    """Refusals and warnings from the sums the sender vouches for.
    Rows whose money cannot be read make a difference unprovable.
    """
    if control is None or control.sums is None:
        return [], []
    ours = {currency: Decimal(amounts[0]).scaleb(-DECIMALS[currency]) for currency, amounts in report.money.items()}
    other = sorted(
        code for code in {*ours, *control.sums} if ours.get(code, Decimal(0)) != control.sums.get(code, Decimal(0))
    )
    if not other:
        return [], []
    named = ", ".join(ascii(code[:10]) for code in other[:5])
    if report.money_unread:
        unread = f"{report.money_unread:,} amounts cannot be read"
        return [], [f"Table {report.name!r}: the sums of its control file are not proven for {named}, as {unread}."]
    return [f"Table {report.name!r}: the sums of its control file differ for {named}. Have it delivered again."], []


def far_refusals(
    controls: Mapping[str, Control | None], newest: Mapping[str, Mapping[str, int]], state: State
) -> list[str]:
    """Control files whose complete_through lies more than a year after every row: believed,
    no feed would ever be late again.

    newest: table -> portfolio -> newest known day of its clean rows. Of the store, `state` tells the last day of each
    table; charges say nothing there, as their days may be a plan's.
    """
    days = [day for books in newest.values() for day in books.values()]
    days += [last for name, (_, last) in state.spans.items() if name != "charges"]
    if not days:
        return []
    last = max(days)
    return [
        f"Table {name!r}: its control file says complete through {control.complete_through}, more than {AHEAD_DAYS} "
        "days after "
        f"{date_of(last)}, when the newest row became known. Correct complete_through and deliver again."
        for name, control in controls.items()
        if control is not None
        and control.complete_through is not None
        and day_number(control.complete_through) > last + AHEAD_DAYS
    ]


def first_places(set_aside: Sequence[SetAside]) -> tuple[str, ...]:
    """Where the first five rows set aside stood: file and line, never what they say."""
    return tuple(f"{shown(row.file)} line {row.line:,}" for row in set_aside[:5])


def fault_refusals(report: TableReport, limits: Ingest) -> list[str]:
    """Too many faulty rows, or too much money in them, for a quarantine: the delivery itself is wrong then."""
    refusals = []
    counts = dict(report.codes)
    counts["ACCT_UNKNOWN"] = counts.get("ACCT_UNKNOWN", 0) - report.hanging
    codes = ", ".join(f"{code} {rows:,}" for code, rows in sorted(counts.items()) if rows)
    if report.hanging:
        codes += f"{', ' if codes else ''}{report.hanging:,} hang on accounts that are faulty themselves"
    remedy = (
        "Correct them and deliver "
        f"again.{_CHANGED.get(report.name, _VERSION) if 'DUP_CONFLICT' in report.codes else ''}"
    )
    if report.quarantined > limits.max_fault_rows * report.rows_in:
        refusals.append(
            f"Table {report.name!r}: {report.quarantined:,} of {report.rows_in:,} rows are faulty ({codes}), more than "
            f"ingest.max_fault_rows {limits.max_fault_rows:.1%}. {remedy}"
        )
    for currency, (faulty, whole) in sorted(report.money_faulty.items()):
        if faulty > limits.max_fault_money * whole:
            refusals.append(
                f"Table {report.name!r}: {faulty / whole:.1%} of its {currency} lies in faulty rows ({codes}), more "
                "than "
                f"ingest.max_fault_money {limits.max_fault_money:.1%}. {remedy}"
            )
    return refusals


def feed_days(newest: Mapping[str, Mapping[str, int]], delivery: Delivery, state: State) -> dict[str, dict[str, int]]:
    """Table -> portfolio -> last day that is all there.

    newest: table -> portfolio -> newest known day of its clean rows. A control file speaks for every portfolio, or for
    those that it names; a table said to be partial reaches no day; a feed without a control file reaches to its newest
    row; the other tables reach as far as the feeds delivered with them, else as far as the feeds known before. One left
    out of an increment goes on reaching as far as the feeds, unless a control file ever named its last day: then it
    must be vouched for again.
    """
    partial = {name for name, table in delivery.tables.items() if table.control is not None and table.control.partial}
    newest = {name: {} if name in partial else found for name, found in newest.items()}
    portfolios = {*state.zones, *(book for books in newest.values() for book in books)}
    days: dict[str, dict[str, int]] = {}
    for name, table in delivery.tables.items():
        if table.control is not None and table.control.complete_through is not None:
            days[name] = dict.fromkeys(table.books or portfolios, day_number(table.control.complete_through))
        elif name in FEEDS:
            days[name] = dict(newest[name])
    held = state.complete_through
    events: dict[str, int] = {}
    before: dict[str, int] = {}
    for name in FEEDS:
        _raise_days(events, days.get(name, {}))
        _raise_days(before, held.get(name, {}))
    left_out = [name for name in held if name not in FEEDS and name not in state.declared_through] if events else []
    for name in (*delivery.tables, *left_out):
        if name not in days:
            days[name] = dict(events or before or newest[name])
    return days


def sender_refusals(
    newest: Mapping[str, Mapping[str, int]], delivery: Delivery, known: Iterable[str], params: Params
) -> list[str]:
    """Control files that name books of which nobody ever had an account, and tables with rows of books that theirs do
    not name: nobody would vouch for these.

    newest: table -> portfolio -> a day of its rows. known: every book of the store and of the delivery.
    """
    found, there = [], set(known)
    for name, table in delivery.tables.items():
        if table.books is None:
            continue
        nobodys = [book_told(book, params) for book in table.books if book not in there]
        strays = [book_told(book, params) for book in sorted(newest.get(name, {})) if book not in table.books]
        if nobodys:
            found.append(
                f"Table {name!r}: its control file names {', '.join(nobodys[:MOST_UNNAMED])}, of which there is no "
                "account. Correct portfolios, or deliver the accounts with it."
            )
        if strays:
            found.append(
                f"Table {name!r} has rows of {', '.join(strays[:MOST_UNNAMED])}, for which its control file does not "
                "speak. Add them to its portfolios, or deliver them apart."
            )
    return found


def undeclared(newest: Mapping[str, Mapping[str, int]], params: Params) -> list[str]:
    """A sentence for each table of which a book sent rows that its params do not say it delivers.

    newest: table -> portfolio -> a day of its rows.
    """
    found: dict[str, list[str]] = {}
    for table, books in newest.items():
        for book in books:
            if table not in params.portfolio(book).delivers:
                found.setdefault(book, []).append(table)
    return [
        f"{book_told(book, params)} sent {', '.join(tables)}, which its `delivers` in the params does not name: the "
        f"rows are kept and count for nothing. Add {', '.join(tables)} to "
        f"portfolios.{book if book in params.portfolios else 'NAME'}.delivers."
        for book, tables in sorted(found.items())
    ]


def unnamed(books: Iterable[str], params: Params) -> list[str]:
    """A sentence for each book that the params do not name, where they name any."""
    found = [book for book in sorted(books) if book not in params.portfolios] if params.portfolios else []
    if len(found) > MOST_UNNAMED:  # a column that moved, rather than books
        return [f"{len(found):,} values of portfolio are not named under portfolios of the params: is it that column?"]
    return [
        f"Portfolio {book_told(book, params)} is not named under portfolios of the params"
        f"{_nearest(book, params.portfolios)}: it is read by portfolio_defaults."
        for book in found
    ]


def book_told(book: str, params: Params) -> str:
    """The name of a book; of one that nobody declared and that has several words, as people's names do, the shape."""
    return shown(book) if book in params.portfolios else seen(book, Kind.TEXT if " " in book else Kind.ENUM)


def _nearest(book: str, named: Iterable[str]) -> str:
    folded = {name.casefold(): name for name in named}
    near = get_close_matches(book.casefold(), folded, 1)
    return f" (nearest: {shown(folded[near[0]])})" if near else ""


def declared_days(days: Mapping[str, Mapping[str, int]], delivery: Delivery) -> dict[str, dict[str, int]]:
    """The part of `feed_days` that a control file vouches for: such a feed is late as soon as the day has passed,
    it cannot be quiet.
    """
    told = {
        name
        for name, table in delivery.tables.items()
        if table.control is not None and table.control.complete_through is not None
    }
    return {name: dict(found) for name, found in days.items() if name in told}


def state_after(
    state: State,
    days: Mapping[str, Mapping[str, int]],
    declared: Mapping[str, Mapping[str, int]],
    spans: Mapping[str, tuple[int, int]],
    zones: Mapping[str, str],
    currencies: Iterable[str],
) -> State:
    """What the store knows after a delivery: how far each table reaches, first and last day of its rows, portfolios,
    currencies.
    """
    reach = {name: dict(found) for name, found in state.complete_through.items()}
    for name, found in days.items():
        _raise_days(reach.setdefault(name, {}), found)
    whole = dict(state.spans)
    for name, (first, last) in spans.items():
        held = whole.get(name, (first, last))
        whole[name] = (min(held[0], first), max(held[1], last))
    vouched = {name: dict(found) for name, found in state.declared_through.items()}
    for name, found in declared.items():
        _raise_days(vouched.setdefault(name, {}), found)
    return State(
        complete_through=reach,
        declared_through=vouched,
        spans=whole,
        zones={**state.zones, **zones},
        currencies=sorted({*state.currencies, *currencies}),
    )


def _raise_days(days: dict[str, int], others: Mapping[str, int]) -> None:
    for book, day in others.items():
        days[book] = max(day, days.get(book, day))
