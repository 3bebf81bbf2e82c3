"""What a panel's labels rest on, in tables: which rows have one, at what rates, and how fast recoveries become known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from features.coverage import coverage, label_rates, maturity_curve
from features.terms import LabelTerms


@dataclass(frozen=True)
class Labelled:
    """The labels of a panel's rows under some terms, aligned to them, and the sums behind the maturity curve (features.coverage)."""

    terms: LabelTerms
    labels: pd.DataFrame
    recoveries: pd.DataFrame

    @property
    def title(self) -> str:
        return f"Recovered within {self.terms.horizon_days} days, defaulted within {self.terms.default_horizon_days}"

    @property
    def curve(self) -> pd.DataFrame:
        return maturity_curve(self.recoveries)


def label_tables(cohort: pd.DataFrame, labelled: Sequence[Labelled]) -> list[tuple[str, pd.DataFrame]]:
    """(title, table): rows with a label and without, rates, coverage by month, maturity. Under several terms each row tells its horizon."""
    found: dict[str, list[pd.DataFrame]] = {}
    for own in labelled:
        seen = coverage(cohort, own.labels)
        for title, table in {
            "Rows with a label, and without one by reason": _by_reason(seen),
            **label_rates(cohort, own.labels),
            "Label coverage by month": seen,
            "Maturity: share of eventual recoveries known after n days; above 1 where money went back later": own.curve,
        }.items():
            found.setdefault(title, []).append(table)
    if len(labelled) == 1:
        return [(title, table) for title, (table,) in found.items()]
    days = [own.terms.horizon_days for own in labelled]
    return [(title, _together(days, parts)) for title, parts in found.items()]


def _by_reason(seen: pd.DataFrame) -> pd.DataFrame:
    """label, reason, accounts, share of the label's rows; the rows that have one included."""
    found = seen.groupby(["label", "reason"])["accounts"].sum().reset_index()
    return found.assign(share=found["accounts"] / found.groupby("label")["accounts"].transform("sum"))


def _together(days: Sequence[int], parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The tables of several horizons as one: the same night, bucket, month or currency side by side."""
    for horizon_days, part in zip(days, parts, strict=True):
        part.insert(1, "horizon_days", horizon_days)
    return pd.concat(parts, ignore_index=True).sort_values([parts[0].columns[0], "horizon_days"], kind="stable", ignore_index=True)
