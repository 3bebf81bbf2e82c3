"""What every adapter ends with: a source folder of the contract, control files, and counts that add up."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pandas as pd

from features.errors import ContractError, InputMissing
from features.tables import TABLES


@dataclass
class Counts:
    """Rows in = rows used + rows left out with a reason, per raw file and per fact a raw row holds;
    rows made per table.
    """

    facts: dict[str, tuple[int, int, dict[str, int]]] = field(default_factory=dict)
    made: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def record(self, fact: str, rows: int, used: int, left_out: Mapping[str, int] | None = None) -> None:
        """One raw file or fact. Raises ContractError when used and left out do not add up to the rows read."""
        reasons = {reason: int(count) for reason, count in (left_out or {}).items() if count}
        if rows != used + sum(reasons.values()):
            raise ContractError(
                f"{fact}: {rows:,} rows in, {used:,} used and {sum(reasons.values()):,} left out with a reason. "
                "They must add up; a rule of the adapter overlaps another or misses a case."
            )
        self.facts[fact] = (int(rows), int(used), reasons)

    def lines(self) -> list[str]:
        """The counts as text, one fact a line and its reasons below."""
        told = []
        for fact, (rows, used, reasons) in self.facts.items():
            told.append(f"{fact}: {rows:,} in = {used:,} used + {rows - used:,} left out")
            told += [f"    {count:,} left out: {reason}" for reason, count in reasons.items()]
        told += [f"table {table}: {rows:,} rows" for table, rows in self.made.items()]
        return told + self.notes


def read_raw(raw: Path, name: str, **options) -> pd.DataFrame:
    """A published file as text, exactly as it lies there. Raises InputMissing when it is not."""
    path = raw / name
    if not path.is_file():
        raise InputMissing(f"{str(path)!r} is not there. Give the folder that holds the published sets.")
    return pd.read_csv(path, dtype=str, **options)


def by_class(values: pd.Series, prefix: str) -> dict[str, int]:
    """Rows per value, as reasons: `prefix` + value -> rows."""
    return {prefix + str(value): int(rows) for value, rows in values.value_counts().items()}


def stamps(text: pd.Series) -> pd.Series:
    """Published UTC times of mixed precision -> UTC timestamps; empty stays empty."""
    return pd.to_datetime(text, utc=True, format="ISO8601")


def stamp_text(moments: pd.Series) -> pd.Series:
    """Timestamps with a zone -> text with an offset; empty stays empty."""
    whole = moments.map(lambda moment: moment.isoformat() if pd.notna(moment) else None)
    return whole.astype("str").where(moments.notna())


def day_text(moments: pd.Series) -> pd.Series:
    """Timestamps or local midnights -> YYYY-MM-DD of their own zone; empty stays empty."""
    return moments.dt.strftime("%Y-%m-%d")


def money_text(amounts: pd.Series, decimals: int = 2) -> pd.Series:
    """Decimal amounts -> text with the currency's own decimals; empty stays empty."""
    return (
        amounts.map(lambda amount: f"{amount:.{decimals}f}" if pd.notna(amount) else None)
        .astype("str")
        .where(amounts.notna())
    )


def deliver(
    out: Path,
    tables: Mapping[str, pd.DataFrame],
    currency: str,
    complete_through: str,
    counts: Counts,
    parquet: Iterable[str] = (),
) -> Counts:
    """Write each table as text, CSV or (those named) Parquet, with its control file; record the rows made.

    Control sums are exact: they add the decimal text that was written.
    """
    out.mkdir(parents=True, exist_ok=True)
    for name, frame in tables.items():
        text = frame.astype("str").where(frame.notna())
        if name in parquet:
            text.to_parquet(out / f"{name}.parquet", index=False)
        else:
            text.to_csv(out / f"{name}.csv", index=False)
        control = {"rows": len(frame), "complete_through": complete_through}
        if (money := TABLES[name].money) in frame and frame[money].notna().any():
            control["sums"] = {currency: str(sum(map(Decimal, text[money].dropna())))}
        (out / f"{name}.control.json").write_text(json.dumps(control) + "\n", encoding="utf-8")
        counts.made[name] = len(frame)
    return counts
