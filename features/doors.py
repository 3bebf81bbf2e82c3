"""The doors of the features: frames that others hand to `build` and `labels` are held against
the contract before anything is made of them.

What a store read is let in as it is (InnerTables): it was checked when it was delivered, and a night opens these doors
once a shard.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from features.columns import ALWAYS, columns_of
from features.declarations import Catalogue
from features.errors import ContractError
from features.schemas import failures, rule
from features.tables import DAY_HIGH, DAY_LOW, MONEY_LIMIT, TABLES, InnerTables, broken, inner_columns
from features.terms import LabelTerms, Reach

if TYPE_CHECKING:
    from pandera.pandas import Check

NOT_NEEDED = "detail"  # a status log without it tells no recall, and no more is lost


def for_build(cohort: pd.DataFrame, tables: Mapping[str, pd.DataFrame], catalogue: Catalogue) -> InnerTables:
    """The tables, once they and the cohort are what the catalogue rests on.
    Raises ContractError with all that is not.
    """
    if isinstance(tables, InnerTables):
        return tables
    who = "account_no" if "account_no" in cohort or "account_id" not in cohort else "account_id"
    needed = {name: columns or () for name, columns in columns_of(catalogue, scorable=False).items()}
    return _let_in(tables, needed, _cohort(cohort, [who, "as_of"]))


def for_labels(
    cohort_frame: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    terms: Iterable[LabelTerms],
    complete_through: Reach,
    by_book: bool,
) -> InnerTables:
    """The tables, once they and the cohort are what labels rest on. by_book: portfolios differ in what they deliver."""
    if isinstance(tables, InnerTables):
        return tables
    columns = ["account_no", "as_of", "balance", "days_past_due"]
    columns += ["portfolio"] if by_book or isinstance(complete_through, Mapping) else []
    columns += ["currency"] if any(term.min_amount > 0 for term in terms) else []
    return _let_in(tables, {"statuses": ALWAYS["statuses"]}, _cohort(cohort_frame, columns))


def _let_in(tables: Mapping[str, pd.DataFrame], needed: Mapping[str, Iterable[str]], besides: list[str]) -> InnerTables:
    """The tables in the inner form. besides: what is wrong with other frames."""
    tables = {name: _in_width(name, frame) for name, frame in tables.items()}
    wanted = {name: [column for column in needed.get(name, ()) if column not in _may_lack(name)] for name in tables}
    if found := [*besides, *broken(tables, wanted)]:
        raise ContractError(" ".join(found))
    return InnerTables(tables)


def _may_lack(name: str) -> set[str]:
    return {NOT_NEEDED, *(TABLES[name].later if name in TABLES else ())}


def _in_width(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Whole numbers in the width of the inner form where all of them fit:
    days that an analyst keeps as int64 are days.
    """
    fitting = {}
    for column, dtype in (inner_columns(name) if name in TABLES else {}).items():
        if (
            column in frame
            and dtype != "str"
            and pd.api.types.is_integer_dtype(frame[column])
            and frame[column].dtype != dtype
        ):
            bounds = np.iinfo(dtype)
            if frame[column].between(bounds.min, bounds.max).all():
                fitting[column] = dtype
    return frame.astype(fitting) if fitting else frame


def _cohort(cohort: pd.DataFrame, needed: Iterable[str]) -> list[str]:
    return failures("cohort", cohort, _cohort_rules(), list(needed), {"account_no": "int64"})


def _cohort_rules() -> dict[str, list[Check]]:
    """Column of a cohort -> its rules; each must be whole numbers, whatever their width."""
    bounds = {"as_of": ("a day number between 1900 and 9999", DAY_LOW, DAY_HIGH)}
    bounds |= {
        "balance": ("whole minor units", -MONEY_LIMIT, MONEY_LIMIT),
        "days_past_due": ("a number of days from 0 on", 0, DAY_HIGH),
    }
    rules = {name: [rule(f"be {what}", _whole(low, high))] for name, (what, low, high) in bounds.items()}
    filled = rule("not be empty", lambda cells: cells.notna())
    return rules | {"account_no": [], **{name: [filled] for name in ("account_id", "portfolio", "currency")}}


def _whole(low: int, high: int):
    return lambda values: (
        pd.Series(pd.api.types.is_integer_dtype(values), index=values.index) & values.between(low, high)
    )
