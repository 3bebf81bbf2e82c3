"""A published frame as CSV: decimals for money, ISO dates, and no text that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd

from pipeline.pages.parts import Table, parts_of
from pipeline.pages.publication import amounts, currency_of, days, figures, instants, kind_of, texts

# What a spreadsheet takes for a formula at the start of a cell, also in its full-width form. A cell can also start
# after a separator inside the text: a reader with another separator (";" in French Excel,
# tab on a paste) splits there, whatever we quote.
_STARTS_A_FORMULA = re.compile('(^|[;,|"\t\r\n])([\\s\u00a0]*)(?=[=+\\-@\uff1d\uff0b\uff0d\uff20])')
_TO_CHANGE = re.compile('(?:^|[;,|"\t\r\n])[\\s\u00a0]*[=+\\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]')  # by `safe`
_CONTROL_FIRST = re.compile(r"^(?=[\t\r\n])")
_AT_ONCE = 20_000  # rows that are held as text


def safe(text: str) -> str:
    """The text with an apostrophe before whatever would start a formula. Source: OWASP, CSV Injection."""
    if not text:
        return text
    return _CONTROL_FIRST.sub("'", _STARTS_A_FORMULA.sub(r"\1\2'", text))


def decimal_text(minor: int | None, decimals: int) -> str:
    """Minor units as decimal text with exactly the currency's decimals; empty when missing."""
    if minor is None:
        return ""
    if decimals == 0:
        return str(minor)
    units, rest = divmod(abs(minor), 10**decimals)
    return f"{'-' if minor < 0 else ''}{units}.{rest:0{decimals}d}"


def csv_text(
    frame: pd.DataFrame, decimals: Mapping[str, int], reporting_currency: str, heads: Mapping[str, str] | None = None
) -> str:
    """The whole frame, header first, in its own order; with `heads` (column -> heading) these columns alone, so named,
    in that order.

    Text cells are made safe; numbers stay numbers, also below zero.

    Money follows the currency beside it, shares have six decimals, an instant is on the debtor's clock where
    `time_zone` is beside it, else UTC.
    """
    return "".join(_parts(frame, decimals, reporting_currency, heads))


def write_csv(
    frame: Table,
    decimals: Mapping[str, int],
    reporting_currency: str,
    path: Path,
    heads: Mapping[str, str] | None = None,
) -> None:
    """csv_text into a new file, no more of it held than some thousand rows."""
    with path.open("x", encoding="utf-8", errors="replace", newline="") as file:
        for place, rows in enumerate(parts_of(frame)):
            for part in _parts(rows, decimals, reporting_currency, heads, headed=place == 0):
                file.write(part)


def _parts(
    frame: pd.DataFrame,
    decimals: Mapping[str, int],
    reporting_currency: str,
    heads: Mapping[str, str] | None,
    headed: bool = True,
) -> Iterator[str]:
    heads = {column: str(column) for column in frame.columns} if heads is None else heads
    for first in range(0, max(len(frame), 1), _AT_ONCE):
        rows = frame.iloc[first : first + _AT_ONCE]
        written = io.StringIO()
        writer = csv.writer(
            written, lineterminator="\r\n"
        )  # RFC 4180; and only what is in the terminator is quoted inside a cell
        if headed and not first:
            writer.writerow([safe(head) for head in heads.values()])
        writer.writerows(zip(*(_cells(rows, column, decimals, reporting_currency) for column in heads), strict=True))
        yield written.getvalue()


def _cells(frame: pd.DataFrame, column: str, decimals: Mapping[str, int], reporting_currency: str) -> list[str]:
    values, kind = frame[column], kind_of(frame, column)
    if kind == "money":
        currencies = currency_of(frame, column, reporting_currency)
        return [
            decimal_text(minor, decimals[currency]) for minor, currency in zip(amounts(values), currencies, strict=True)
        ]
    if kind == "date":
        return ["" if day is None else day.isoformat() for day in days(values)]
    if kind == "instant":
        zones = texts(frame["time_zone"]) if "time_zone" in frame.columns else [""] * len(frame)
        return [
            "" if instant is None else instant.astimezone(ZoneInfo(zone or "UTC")).isoformat(timespec="minutes")
            for instant, zone in zip(instants(values), zones, strict=True)
        ]
    if kind == "share":
        return ["" if figure is None else f"{figure:.6f}" for figure in figures(values)]
    if kind in ("count", "number"):
        return ["" if figure is None else str(figure) for figure in _whole(figures(values))]
    return _all_safe(texts(values))


def _all_safe(cells: list[str]) -> list[str]:
    """`safe` of each cell; a text that comes often is looked at once."""
    changed = {text: safe(text) for text in set(cells) if _TO_CHANGE.search(text)}
    return [changed.get(text, text) for text in cells] if changed else cells


def _whole(values: list[float | int | None]) -> list[float | int | None]:
    """A count that came as a float because some are missing is still a whole number."""
    # pyrefly: ignore[missing-attribute]
    return [int(value) if isinstance(value, float) and value.is_integer() else value for value in values]
