"""What pandera finds in a frame, in our sentences: every failure at once, with columns, rules and row counts,
never a value.

pandera is woken by the first check alone: whoever only reads declarations does not wait for it.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING

from features.errors import ContractError

if TYPE_CHECKING:
    import pandas as pd
    from pandera.pandas import Check


@functools.cache
def _pandera() -> ModuleType:
    """pandera, woken once. Where Spark is installed it would first load Spark's own pandas: seconds of waiting and
    warnings on every terminal, for frames that never come here.
    """
    asleep = "pyspark.pandas" not in sys.modules
    if asleep:
        sys.modules["pyspark.pandas"] = None  # type: ignore[assignment]  # an import of it fails, as if it were not installed
    try:
        pandera, pandas = importlib.import_module("pandera.pandas"), importlib.import_module("pandas")
        pandera.DataFrameSchema().validate(pandas.DataFrame())  # its first check wakes the rest
        return pandera
    finally:
        if asleep:
            del sys.modules["pyspark.pandas"]


def rule(sentence: str, holds: Callable[[pd.Series], pd.Series]) -> Check:
    """A rule of a column, said as "column 'x' must <sentence>". holds: the column -> which of its cells keep it."""
    return _pandera().Check(holds, name=sentence, error=sentence, ignore_na=False)


def failures(
    table: str,
    frame: pd.DataFrame,
    rules: Mapping[str, Sequence[Check]],
    needed: Sequence[str] = (),
    dtypes: Mapping[str, str] | None = None,
) -> list[str]:
    """A sentence for each thing that is wrong: columns that lack, types, rules and how many rows break them.

    rules: column -> its rules, where the column is there. dtypes: column -> the numpy dtype it must have.
    """
    pa = _pandera()
    dtypes = dtypes or {}
    missing = sorted(set(needed) - set(frame.columns))
    sentences = [str(ContractError.missing_columns(table, missing, frame.columns))] if missing else []
    columns = {
        name: pa.Column(dtypes.get(name), list(checks), nullable=True, required=False) for name, checks in rules.items()
    }
    try:
        pa.DataFrameSchema(columns, strict=False).validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        found = error.failure_cases.groupby(["column", "check"], sort=True).size()
        mistyped = {column for column, broken in found.index if str(broken).startswith("dtype(")}
        for (column, broken), rows in found.items():
            if column in mistyped and not str(broken).startswith("dtype("):
                continue  # rules say nothing of values of another type
            if column in mistyped:
                sentences.append(
                    f"Table {table!r}: column {column!r} must be {dtypes[column]}. Got {frame[column].dtype}."
                )
            else:
                sentences.append(f"Table {table!r}: column {column!r} must {broken}. Got {rows:,} rows that do not.")
    return sentences
