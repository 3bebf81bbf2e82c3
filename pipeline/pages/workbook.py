"""The night as a workbook: a summary, one sheet per queue with room for outcomes, those not listed,
and how net value is formed.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import xlsxwriter
from xlsxwriter.exceptions import FileCreateError
from xlsxwriter.format import Format
from xlsxwriter.utility import xl_col_to_name
from xlsxwriter.worksheet import Worksheet

from features.tables import OUTCOMES
from pipeline.pages.language import words
from pipeline.pages.publication import (
    GROUPS_SHOWN,
    LATER_ROWS,
    NOT_LISTED,
    Night,
    amounts,
    currency_of,
    days,
    figures,
    instants,
    kind_of,
    texts,
)
from pipeline.pages.speech import Speech

AGAIN = "call_again_at"
ENTRIES = ("outcome", "contacted_at", "promise_amount", "promise_due_on", AGAIN, "skipped_because")
OFFERED = "offer_outcome"  # the entry besides, of a list that proposes something
# Columns whose classes have words: their section.
SECTIONS_OF_WORDS = {"channel": "channels", "part_of_day": "parts", "listed_by": "listed_by", "effect": "effects"}
SECTIONS_OF_WORDS |= {"nothing_overdue": "nothing_overdue"}
A4 = 9  # number of the paper
HEAD_HEIGHT = 46  # points: a heading of three lines
ROWS_AT_ONCE = 5_000  # turned into cells together, so that memory does not grow with the list
LONGEST_CELL = 32_000  # a cell holds 32,767 characters
LONGEST_SHEET_NAME = 31
WIDTHS = {"text": 14, "money": 12, "date": 11, "share": 9, "count": 7, "instant": 17, "number": 10}
WIDE = {"reason_1": 34, "reason_2": 30, "reason_3": 30, "reason": 60, "citation": 30, "rule": 26, "time_zone": 17}
WIDE |= {"verify_identity": 24, "proposal": 22, "proposal_terms": 36, "alternative": 30, "route": 14, OFFERED: 16}
WIDE |= {"outcome": 18, "contacted_at": 10, "promise_amount": 11, "promise_due_on": 11, "skipped_because": 18}
WIDE |= {AGAIN: 16}
WIDE |= {"account_id": 13, "debtor_id": 12, "joined_accounts": 12, "days_past_due": 8, "p_recovered": 9, "channel": 9}
WIDE |= {"contact_from": 9, "contact_until": 9, "contacts_left": 9, "last_right_party": 11, "last_payment": 11}
WIDE |= {
    "broken_promises": 9,
    "currency": 9,
    "expected_recovery": 11,
    "net_value": 10,
    "display_name": 20,
    "display_phone": 18,
}
WRAPPED = frozenset({"reason_1", "reason_2", "reason_3", "joined_accounts", "display_name"})
WRAPPED |= {"verify_identity", "proposal", "proposal_terms", "alternative", "route"}
LINE_HEIGHT, MOST_LINES = 15, 8  # points of a line of text; lines that a row is made high enough for
# Left out of sight and of print, so that a sheet is read on A4; each is one click away.
FOLDED = frozenset(
    {
        "debtor_id",
        "portfolio",
        "expected_recovery",
        "p_recovered",
        "last_right_party",
        "broken_promises",
        "reason_2",
        "time_zone",
        "added_value",
        "effect",
        "rank_total",
        "product",
        "reporting_currency",
        "amount_if_recovered",
        "p_defaulted",
        "reason_3",
        "alternative",
        "route_value",
        "model_version",
        "as_of",
        "valid_until",
    }
)
PALE, ACCENT, ENTRY, EXPIRED_FILL = "#EEF3F8", "#0A5FB8", "#FFF7DB", "#FBE4E0"


class Workbook:
    """A workbook in writing: rows go to disk as they come, so memory does not grow with the list."""

    def __init__(self, path: Path, night: Night) -> None:
        self.night, self.words = night, words(night.language)
        options = {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
            "nan_inf_to_errors": False,
            "tmpdir": str(path.parent),
        }
        self.file = xlsxwriter.Workbook(str(path), options)
        # The night, not the clock: the same night gives the same bytes.
        self.file.set_properties(
            {
                "title": f"{self.words['page']['title']} {night.as_of}",
                "created": dt.datetime.combine(night.as_of, dt.time()),
            }
        )
        self._formats: dict[tuple[Any, ...], Format] = {}
        self._names: set[str] = set()

    def format(self, **look: Any) -> Format:
        key = tuple(sorted(look.items()))
        if key not in self._formats:
            self._formats[key] = self.file.add_format(look)
        return self._formats[key]

    def money(self, currency: str, **look: Any) -> Format:
        decimals = self.night.decimals[currency]
        return self.format(num_format="#,##0" + ("." + "0" * decimals if decimals else ""), **look)

    def sheet(self, name: str) -> Worksheet:
        """A sheet whose name is as near to `name` as the file format allows, and unique."""
        plain = re.sub(r"[\[\]:*?/\\\x00-\x1f]", " ", name).strip().strip("'") or "-"
        if plain.lower() == "history":
            plain += "_"
        candidate, number = plain[:LONGEST_SHEET_NAME].strip("'"), 1
        while candidate.lower() in self._names:
            number += 1
            candidate = f"{plain[: LONGEST_SHEET_NAME - len(f' {number}')]} {number}"
        self._names.add(candidate.lower())
        return self.file.add_worksheet(candidate)


def write_xlsx(night: Night, path: Path) -> None:
    """Write the workbook to `path`. Text is only ever text; money and dates are numbers with a format.
    Raises OSError if the disk fails.
    """
    book = Workbook(path, night)
    cut = _cut_short(book)
    try:
        _summary(book, [f"{book.words['tabs'][name]}: {told}" for name, told in cut.items()])
        listed = _with_display(night)
        queues = texts(listed["queue"])
        several = sorted(set(queues)) if len(set(queues)) > 1 else []
        for queue in several:
            _list(book, queue, listed[[name == queue for name in queues]], one_of_several=True)
        if not several:
            _list(book, book.words["tabs"]["worklist"], listed)
        for name in NOT_LISTED:
            frame = night.waiting() if name == "next_in_line" else getattr(night, name)
            _later(book, book.words["tabs"][name], frame, cut.get(name, ""))
        _plain(book, book.words["book"]["audit"], night.audit)
    finally:
        _close(book)


def _with_display(night: Night) -> pd.DataFrame:
    """The list, and beside each debtor what is shown of the account alone: a name, a phone number, a reference."""
    at, shown = list(night.worklist).index("debtor_id") + 1, night.display().set_axis(night.worklist.index)
    return pd.concat([night.worklist.iloc[:, :at], shown, night.worklist.iloc[:, at:]], axis=1)


def _close(book: Workbook) -> None:
    try:
        book.file.close()
    except FileCreateError as error:
        raise error.args[0] if error.args and isinstance(error.args[0], OSError) else OSError(str(error)) from None


def _summary(book: Workbook, notes: Sequence[str] = ()) -> None:
    """The night on one printed page: what it is, what it adds up to, and two charts. notes: said below the warnings."""
    night, said = book.night, book.words["book"]
    sheet = book.sheet(said["summary"])
    sheet.hide_gridlines(2)
    sheet.set_column(0, 0, 34)
    sheet.set_column(1, 1, 24)
    sheet.set_column(2, 4, 17)
    sheet.set_landscape()
    sheet.set_paper(A4)
    sheet.fit_to_pages(1, 1)
    sheet.write_string(0, 0, book.words["page"]["title"], book.format(bold=True, font_size=16, font_color=ACCENT))
    if stops := night.stops(book.words):
        told = " ".join((f"{book.words['page']['stop_title']}.", *stops, book.words["page"]["stop"]))
        sheet.write_string(1, 0, _cut(told), book.format(bold=True, font_color="#B3261E"))
    totals = night.totals()
    at = _about(book, sheet, 2, totals)
    groups_at = at = _heads(book, sheet, at, [said["accounts_by_group"], book.words["about"]["accounts"]])
    at = _groups(book, sheet, at)
    at = _currencies(book, sheet, at + 1, totals["per_currency"])
    columns, reporting = book.words["columns"], night.reporting_currency
    queues_at = at = _heads(
        book, sheet, at + 1, [said["by_queue"], book.words["page"]["to_work"], f"{columns['net_value']} {reporting}"]
    )
    at = _queues(book, sheet, at, totals["per_queue"])
    for warning in night.manifest.get("warnings", ()):
        at += 1
        sheet.write_string(at, 0, _cut(str(warning)), book.format(font_color="#8A5A00"))
    for note in notes:
        at += 1
        sheet.write_string(at, 0, note, book.format(italic=True, font_color="#55637A"))
    groups = {book.words["groups"][group]: night.counts[group] for group in GROUPS_SHOWN}
    _chart(book, sheet, "G3", said["accounts_by_group"], Cells(groups_at, 1, groups))
    if totals["per_queue"]:
        values = {
            _cut(queue): _units(sums["net_value"], night, reporting) for queue, sums in totals["per_queue"].items()
        }
        _chart(book, sheet, "G20", f"{said['value_by_queue']} ({reporting})", Cells(queues_at, 2, values))


def _about(book: Workbook, sheet: Worksheet, at: int, totals: Mapping[str, Any]) -> int:
    """Night, validity, model, how far the data reach, and the list's value; the first row below them."""
    night, said = book.night, book.words
    text, day = book.format(), book.format(num_format="yyyy-mm-dd", align="left")
    for label, value in ((said["book"]["night"], night.as_of), (said["book"]["valid_until"], night.valid_until)):
        sheet.write_string(at, 0, label, text)
        # pyrefly: ignore[no-matching-overload]
        sheet.write_datetime(at, 1, value, day)
        at += 1
    _mark_expiry(book, sheet, f"B{at}", f"$B${at}")
    if night.demonstration:
        sheet.write_string(at - 1, 2, said["page"]["demonstration_title"], book.format(bold=True, font_color="#8A5A00"))
    sheet.write_string(at, 0, said["page"]["model"], text)
    sheet.write_string(at, 1, _cut(str(night.model.get("version", ""))), text)
    at += 1
    for table, through in night.complete_through.items():
        sheet.write_string(at, 0, f"{said['page']['data_through']} {said['tables'].get(table, table)}", text)
        # pyrefly: ignore[no-matching-overload]
        sheet.write_datetime(at, 1, through, day)
        at += 1
    reporting = night.reporting_currency
    sheet.write_string(at, 0, said["page"]["net_value"], text)
    sheet.write_number(at, 1, _units(totals["net_value"], night, reporting), book.money(reporting, bold=True))
    sheet.write_string(at, 2, reporting, text)
    sheet.write_string(at + 1, 0, said["page"]["net_value_note"], book.format(italic=True, font_color="#55637A"))
    return at + 3


def _groups(book: Workbook, sheet: Worksheet, at: int) -> int:
    for group in (*GROUPS_SHOWN, "scorable"):
        bold = {"bold": True, "top": 1} if group == "scorable" else {}
        sheet.write_string(at, 0, book.words["groups"][group], book.format(**bold))
        sheet.write_number(at, 1, book.night.counts[group], book.format(num_format="#,##0", **bold))
        at += 1
    return at


def _currencies(book: Workbook, sheet: Worksheet, at: int, per_currency: Mapping[str, Mapping[str, int]]) -> int:
    said, names = book.words, ("balance", "arrears", "expected_recovery")
    at = _heads(
        book,
        sheet,
        at,
        [said["book"]["by_currency"], said["about"]["accounts"], *(said["columns"][name] for name in names)],
    )
    for currency, sums in per_currency.items():
        sheet.write_string(at, 0, currency, book.format())
        sheet.write_number(at, 1, sums["accounts"], book.format(num_format="#,##0"))
        for place, name in enumerate(names):
            sheet.write_number(at, 2 + place, _units(sums[name], book.night, currency), book.money(currency))
        at += 1
    return at


def _queues(book: Workbook, sheet: Worksheet, at: int, per_queue: Mapping[str, Mapping[str, int]]) -> int:
    reporting = book.night.reporting_currency
    for queue, sums in per_queue.items():
        sheet.write_string(at, 0, _cut(queue), book.format())
        sheet.write_number(at, 1, sums["debtors"], book.format(num_format="#,##0"))
        sheet.write_number(at, 2, _units(sums["net_value"], book.night, reporting), book.money(reporting))
        at += 1
    return at


def choices(book: Workbook) -> tuple[list[str], list[str]]:
    """What may be entered as an outcome and as a reason to skip, in the workbook's language."""
    return [book.words["outcomes"][name] for name in OUTCOMES], list(book.words["skips"].values())


def entries_of(night: Night) -> tuple[str, ...]:
    """The columns to fill in."""
    return ENTRIES if night.proposals is None else (*ENTRIES, OFFERED)


def _heads(book: Workbook, sheet: Worksheet, at: int, heads: Iterable[str]) -> int:
    for column, head in enumerate(heads):
        sheet.write_string(
            at, column, head, book.format(bold=True, bg_color=PALE, bottom=1, align="right" if column else "left")
        )
    return at + 1


@dataclass(frozen=True)
class Cells:
    """Figures that stand below each other in a sheet, from row `first` of a column, their names in column A."""

    first: int
    column: int
    values: Mapping[str, float]


def _chart(book: Workbook, sheet: Worksheet, cell: str, title: str, cells: Cells) -> None:
    name, last = sheet.get_name(), cells.first + len(cells.values) - 1
    chart: Any = book.file.add_chart({"type": "bar"})
    # Cells are on disk already, so the chart brings its figures along.
    series = {
        "categories": [name, cells.first, 0, last, 0],
        "values": [name, cells.first, cells.column, last, cells.column],
        "categories_data": list(cells.values),
        "values_data": list(cells.values.values()),
        "fill": {"color": ACCENT},
        "gap": 40,
        "data_labels": {"value": True},
    }
    chart.add_series(series)
    chart.set_title({"name": title, "name_font": {"size": 11}, "overlay": False})
    chart.set_legend({"none": True})
    chart.set_y_axis({"reverse": True, "major_gridlines": {"visible": False}})
    chart.set_x_axis({"visible": False, "major_gridlines": {"visible": False}})
    chart.set_size({"width": 560, "height": 320})
    sheet.insert_chart(cell, chart, {"description": title})


def _list(book: Workbook, name: str, listed: pd.DataFrame, one_of_several: bool = False) -> None:
    """One queue: the contract's columns in their order, then the columns to fill in."""
    sheet, entries = book.sheet(name), entries_of(book.night)
    _table(book, sheet, listed, entries, FOLDED | {"queue"} if one_of_several else FOLDED)
    rows, columns = len(listed), list(listed.columns)
    sheet.freeze_panes(1, columns.index("account_id") + 1)
    letter = {column: xl_col_to_name(place) for place, column in enumerate((*columns, *entries))}
    if rows:
        for column, color, most in (("net_value", "#9CC7F0", None), ("p_recovered", "#B7DFC8", 1)):
            bar = {
                "type": "data_bar",
                "bar_color": color,
                "bar_solid": True,
                "data_bar_2010": True,
                "min_type": "num",
                "min_value": 0,
            }
            sheet.conditional_format(
                f"{letter[column]}2:{letter[column]}{rows + 1}",
                bar | ({"max_type": "num", "max_value": most} if most else {}),
            )
        _mark_expiry(book, sheet, f"A2:{letter['account_id']}{rows + 1}", f"${letter['valid_until']}2")
        said = book.words["book"]
        outcomes, skips = choices(book)
        checks = {
            "outcome": {"validate": "list", "source": outcomes, "error_message": said["bad_outcome"]},
            "skipped_because": {"validate": "list", "source": skips, "error_message": said["bad_outcome"]},
            "promise_amount": {"validate": "decimal", "criteria": ">", "value": 0, "error_message": said["bad_amount"]},
            "promise_due_on": {
                "validate": "date",
                "criteria": ">=",
                "value": book.night.as_of,
                "error_message": said["bad_date"],
            },
        }
        checks[AGAIN] = checks["promise_due_on"]
        if OFFERED in entries:
            answers = list(book.words["treatment"]["outcomes"].values())
            checks[OFFERED] = {"validate": "list", "source": answers, "error_message": said["bad_outcome"]}
        for column, check in checks.items():
            sheet.data_validation(
                f"{letter[column]}2:{letter[column]}{rows + 1}", check | {"error_title": said["fill_in"]}
            )
    for place, column in enumerate((*columns, *entries)):
        told = book.words["columns_help"].get(column) or book.words["columns"].get(column)
        if told:
            sheet.data_validation(
                0, place, 0, place, {"validate": "any", "input_title": column[:32], "input_message": told[:255]}
            )
    _on_a4(sheet)
    sheet.set_footer(f"&L{book.words['page']['title']} {book.night.as_of}&R&P / &N")


def _later(book: Workbook, name: str, frame: pd.DataFrame, told: str) -> None:
    """The first LATER_ROWS of those not listed; below them, where there are more, in which file they are."""
    sheet = _plain(book, name, frame.head(LATER_ROWS))
    if told:
        sheet.write_string(LATER_ROWS + 1, 0, told, book.format(italic=True, font_color="#55637A"))


def _plain(book: Workbook, name: str, frame: pd.DataFrame) -> Worksheet:
    sheet = book.sheet(name)
    _table(book, sheet, frame)
    sheet.freeze_panes(1, 1)
    _on_a4(sheet)
    return sheet


def _cut_short(book: Workbook) -> dict[str, str]:
    """Table of those not listed -> a sentence where its tab shows the first rows alone."""
    speech, said = Speech(book.night.language), book.words["later"]["cut"]
    found = {}
    for name in NOT_LISTED:
        rows = len(getattr(book.night, name))
        if rows > LATER_ROWS:
            found[name] = said.format(n=speech.count(LATER_ROWS), all=speech.count(rows), file=f"{name}.csv")
    return found


def _on_a4(sheet: Worksheet) -> None:
    sheet.set_landscape()
    sheet.set_paper(A4)
    sheet.set_margins(left=0.3, right=0.3, top=0.4, bottom=0.5)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)


def _table(
    book: Workbook, sheet: Worksheet, frame: pd.DataFrame, entries: Sequence[str] = (), folded: Collection[str] = ()
) -> None:
    columns = list(frame.columns)
    wrapped = {"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"}
    head, entry_head = (book.format(bg_color=color, indent=1, **wrapped) for color in (PALE, ENTRY))
    number_head = book.format(bg_color=PALE, align="right", **wrapped)
    sheet.set_row(0, HEAD_HEIGHT)
    entry_formats = {"contacted_at": "hh:mm", "promise_amount": "#,##0.00", "promise_due_on": "yyyy-mm-dd"}
    entry_formats |= {AGAIN: "yyyy-mm-dd hh:mm"}
    looks_of_entries = [
        book.format(bg_color=ENTRY, valign="top", num_format=entry_formats.get(name, "General")) for name in entries
    ]
    for place, column in enumerate((*columns, *entries)):
        kind = "text" if column in entries else kind_of(frame, column)
        width = WIDE.get(column, max(WIDTHS[kind], min(len(str(column)) + 1, 18)))
        # Folded columns are one click away: the list fits a screen, and no column is lost.
        sheet.set_column(place, place, width, None, {"level": 1, "hidden": True} if column in folded else {})
        look = (
            entry_head if column in entries else number_head if kind in ("money", "share", "count", "number") else head
        )
        sheet.write_string(0, place, _cut(book.words["columns"].get(column, str(column).replace("_", " "))), look)
    first_entry = len(columns)
    for start in range(0, len(frame), ROWS_AT_ONCE):
        part = frame.iloc[start : start + ROWS_AT_ONCE]
        cells = [_cells(book, part, column) for column in columns]
        lines = _lines([(name, cells[place][0]) for place, name in enumerate(columns) if name not in folded], len(part))
        for row in range(len(part)):
            line = start + row + 1
            # Said, for not every program makes rows of wrapped text high enough by itself.
            if lines[row] > 1:
                sheet.set_row(line, LINE_HEIGHT * lines[row])
            for place, (values, looks, kind) in enumerate(cells):
                value = values[row]
                if value is None or value == "":
                    continue
                look = looks[row] if isinstance(looks, list) else looks
                if kind == "text":
                    sheet.write_string(line, place, value, look)
                elif kind in ("date", "instant"):
                    sheet.write_datetime(line, place, value, look)
                else:
                    sheet.write_number(line, place, value, look)
            for place, look in enumerate(looks_of_entries):
                sheet.write_blank(line, first_entry + place, None, look)
    sheet.autofilter(0, 0, max(1, len(frame)), len(columns) + len(entries) - 1)


def _lines(columns: Sequence[tuple[str, Sequence[Any]]], rows: int) -> list[int]:
    """Lines of text of each row, by its wrapped columns that are in sight: name and texts."""
    found = [1] * rows
    for name, values in columns:
        if name in WRAPPED:
            for row, value in enumerate(values):
                told = [-(-len(part) // WIDE[name]) for part in (value or "").split("\n")]
                found[row] = max(found[row], min(sum(max(each, 1) for each in told), MOST_LINES))
    return found


def _cells(book: Workbook, frame: pd.DataFrame, column: str) -> tuple[list[Any], Any, str]:
    """The values of a column as the file holds them, and how they look: one format,
    or one per row where the currency decides.
    """
    night, values, kind = book.night, frame[column], kind_of(frame, column)
    if kind == "money":
        currencies = currency_of(frame, column, night.reporting_currency)
        looks = {currency: book.money(currency, valign="top") for currency in set(currencies)}
        scale = {currency: 10 ** night.decimals[currency] for currency in set(currencies)}
        units = [
            None if minor is None else minor / scale[currency]
            for minor, currency in zip(amounts(values), currencies, strict=True)
        ]
        return units, [looks[currency] for currency in currencies], kind
    if kind == "date":
        return days(values), book.format(num_format="yyyy-mm-dd", align="left", valign="top", indent=1), kind
    if kind == "instant":
        zones = texts(frame["time_zone"]) if "time_zone" in frame.columns else [""] * len(frame)
        local = [
            None if instant is None else instant.astimezone(ZoneInfo(zone or "UTC")).replace(tzinfo=None)
            for instant, zone in zip(instants(values), zones, strict=True)
        ]
        return local, book.format(num_format="yyyy-mm-dd hh:mm", align="left", valign="top", indent=1), kind
    if kind == "share":
        return figures(values), book.format(num_format="0.0%", valign="top"), kind
    if kind in ("count", "number"):
        return figures(values), book.format(num_format="#,##0" if kind == "count" else "0.######", valign="top"), kind
    spoken = book.words[SECTIONS_OF_WORDS[column]] if column in SECTIONS_OF_WORDS else {}
    wrapped = {"text_wrap": True} if column in WRAPPED else {}
    look = book.format(indent=1, valign="top", **wrapped)
    return [spoken.get(text) or _cut(text) for text in texts(values)], look, "text"


def _mark_expiry(book: Workbook, sheet: Worksheet, cells: str, until: str) -> None:
    """From the day after, the cells turn red and say so, by the reader's clock: the file itself never changes."""
    if book.night.demonstration:
        return
    look = book.file.add_format(
        {"bg_color": EXPIRED_FILL, "font_color": "#B02A1A", "font_strikeout": cells.startswith("A")}
    )
    if not cells.startswith("A"):
        look.set_num_format(f'"{book.words["book"]["expired"]}"yyyy-mm-dd')
    sheet.conditional_format(cells, {"type": "formula", "criteria": f"=TODAY()>{until}", "format": look})


def _units(minor: int, night: Night, currency: str) -> float:
    return minor / 10 ** night.decimals[currency]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_CELL else text[:LONGEST_CELL] + "…"
