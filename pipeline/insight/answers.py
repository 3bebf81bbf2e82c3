"""Answers as a table for a terminal, as CSV, or as JSON."""

from __future__ import annotations

import csv
import datetime as dt
import json
import math
from collections.abc import Iterator
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import Any, TextIO

import pandas as pd
import pyarrow as pa

from pipeline.insight.published import lists_of
from pipeline.insight.questions import Answer, asked
from pipeline.insight.views import Source, views_of
from pipeline.pages.csv_file import safe
from pipeline.params import Params
from pipeline.store.files import check_folder, whole_file
from pipeline.store.store import Store

SHOWN = 200  # rows of a table for a terminal
WIDEST = 60  # characters of a cell there


def answer(
    question: str,
    store: Path,
    out: Path,
    params: Params,
    as_of: dt.date | None,
    form: str,
    seconds: float,
    into: Path | None,
    shown: TextIO,
) -> None:
    """Ask, and write the answer into a file, whole or not at all, or as it comes to `shown`.

    form: table, csv or json; a table holds SHOWN rows and says how many there are. Raises what
    `questions.asked` raises.
    """
    if into is not None:
        check_folder(into.parent)
    source = Source.of(Store(store), params, as_of)
    views = {**lists_of(source, out), **views_of(source)}
    with asked(question, views, source, seconds) as found:
        if into is None:
            _written(found, form, shown)
            return
        with whole_file(into) as draft, draft.open("w", encoding="utf-8", newline="") as file:
            _written(found, form, file)


def frame_of(question: str, params: Params, as_of: dt.date | None = None, seconds: float = 60.0) -> pd.DataFrame:
    """An answer as a frame, for notebooks; decimals as float64. Raises what `questions.asked` raises."""
    source = Source.of(Store(params.paths.store), params, as_of)
    views = {**lists_of(source, params.paths.out), **views_of(source)}
    with asked(question, views, source, seconds) as found:
        rows = pa.Table.from_batches(found.batches, found.schema)
    kinds = [pa.float64() if pa.types.is_decimal(field.type) else field.type for field in rows.schema]
    return rows.cast(pa.schema(list(zip(rows.schema.names, kinds, strict=True)))).to_pandas(date_as_object=False)


def view_names(params: Params) -> list[str]:
    """The views that there are."""
    source = Source.of(Store(params.paths.store), params, None)
    return sorted({**lists_of(source, params.paths.out), **views_of(source)})


def told_views(store: Path, out: Path, params: Params) -> str:
    """What may be asked of: each view with its columns."""
    source = Source.of(Store(store), params, None)
    told = []
    for name, make in {**views_of(source), **lists_of(source, out)}.items():
        columns = "as `recoup dataset` writes it, with currency" if name == "panel" else ", ".join(make().column_names)
        told.append(f"{name}: {columns}")
    return "\n".join(told)


def _written(found: Answer, form: str, file: TextIO) -> None:
    names = found.schema.names
    rows = chain.from_iterable(_rows(batch) for batch in found.batches)
    if form == "csv":
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow([safe(name) for name in names])
        writer.writerows([safe(text) if isinstance(cell, str) else text for cell, text in _texts(row)] for row in rows)
    elif form == "json":
        _as_json(names, rows, file)
    else:
        _as_table(names, rows, file)


def _rows(batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _texts(row: tuple[Any, ...]) -> list[tuple[Any, str]]:
    return [(cell, _text(cell)) for cell in row]


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return "" if math.isnan(cell) else f"{cell:.10g}"
    if isinstance(cell, dt.datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, bool | int | Decimal | dt.date | str):
        return str(cell)
    return json.dumps(_plain(cell), ensure_ascii=False)


def _plain(cell: Any) -> Any:
    """As JSON holds it: decimals as text, so that none is rounded; what is no number as null."""
    if isinstance(cell, float):
        return cell if math.isfinite(cell) else None
    if cell is None or isinstance(cell, bool | int | str):
        return cell
    if isinstance(cell, list):
        return [_plain(each) for each in cell]
    if isinstance(cell, dict):
        return {str(name): _plain(each) for name, each in cell.items()}
    return cell.isoformat() if isinstance(cell, dt.date) else str(cell)


def _as_json(names: list[str], rows: Iterator[tuple[Any, ...]], file: TextIO) -> None:
    file.write("[")
    for number, row in enumerate(rows):
        held = dict(zip(names, (_plain(cell) for cell in row), strict=True))
        file.write((",\n " if number else "\n ") + json.dumps(held, ensure_ascii=False))
    file.write("\n]\n")


def _as_table(names: list[str], rows: Iterator[tuple[Any, ...]], file: TextIO) -> None:
    first = [[_short(text) for _, text in _texts(row)] for row in islice(rows, SHOWN)]
    further = sum(1 for _ in rows)
    numbers = [all(_is_number(line[at]) for line in first) for at in range(len(names))]
    widths = [max(len(name), *(len(line[at]) for line in first), 0) for at, name in enumerate(names)]
    for line in ([_short(name) for name in names], *first):
        cells = (
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, numbers, strict=True)
        )
        file.write("  ".join(cells).rstrip() + "\n")
    more = f", {SHOWN} of them shown; --format csv or --out FILE has all" if further else ""
    file.write(f"({len(first) + further:,} row{'s' * (len(first) + further != 1)}{more})\n")


def _short(text: str) -> str:
    """On one line; what a terminal would act on is left out."""
    plain = "".join(sign if sign.isprintable() else " " for sign in text)
    return plain if len(plain) <= WIDEST else plain[: WIDEST - 1] + "…"


def _is_number(text: str) -> bool:
    return text == "" or text.lstrip("-").replace(".", "", 1).replace("e+", "", 1).replace("e-", "", 1).isdecimal()
