"""What pandera finds in a frame, in our sentences: every failure at once, with columns, rules and row counts, never a value.

pandera is woken by the first check alone: whoever only reads declarations does not wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from features.errors import ContractError

if TYPE_CHECKING:
    import pandas as pd
    from pandera.pandas import Check


def rule(sentence: str, holds: Callable[[pd.Series], pd.Series]) -> Check:
    """A rule of a column, said as "column 'x' must <sentence>". holds: the column -> which of its cells keep it."""
    import pandera.pandas as pa

    return pa.Check(holds, name=sentence, error=sentence, ignore_na=False)


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
    import pandera.errors
    import pandera.pandas as pa

    dtypes = dtypes or {}
    missing = sorted(set(needed) - set(frame.columns))
    sentences = [str(ContractError.missing_columns(table, missing, frame.columns))] if missing else []
    columns = {name: pa.Column(dtypes.get(name), list(checks), nullable=True, required=False) for name, checks in rules.items()}
    try:
        pa.DataFrameSchema(columns, strict=False).validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        found = error.failure_cases.groupby(["column", "check"], sort=True).size()
        mistyped = {column for column, broken in found.index if str(broken).startswith("dtype(")}
        for (column, broken), rows in found.items():
            if column in mistyped and not str(broken).startswith("dtype("):
                continue  # rules say nothing of values of another type
            if column in mistyped:
                sentences.append(f"Table {table!r}: column {column!r} must be {dtypes[column]}. Got {frame[column].dtype}.")
            else:
                sentences.append(f"Table {table!r}: column {column!r} must {broken}. Got {rows:,} rows that do not.")
    return sentences
