"""What every published table must keep, checked before anything is written: all failures at once, in our words,
never a value.

Version 2: scores end with p_if_left, p_if_worked and added_recovery, the list with added_value, effect and rank_total,
and self_cure is a group with a table of its own. Nights of version 1 stay as they were published.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from features.errors import ContractError
from features.schemas import failures, rule
from features.tables import MONEY_LIMIT, NO_MONEY
from pipeline.columns import DETAIL_COLUMNS, KIND_OF_COLUMN, LEADING_COLUMNS
from pipeline.pages.publication import GROUPS_SHOWN, Night, texts

if TYPE_CHECKING:
    from pandera.pandas import Check

# Texts that no row may lack; what else is text may be empty.
FILLED = {
    "worklist": ("queue", "account_id", "debtor_id", "portfolio", "currency", "channel", "time_zone", "model_version"),
    "deferred": ("account_id", "rule"),
    "excluded": ("account_id", "rule"),
    "held_out": ("account_id",),
    "self_cure": ("account_id",),
    "scores": ("account_id", "model_version"),
    "audit": ("account_id",),
}
LONG_MONEY = ("balance", "amount")  # of the details
CLOCK = r"([01]\d|2[0-3]):[0-5]\d|24:00"


def check_night(night: Night) -> None:
    """Refuse a night whose frames break their rules or do not fit together.
    Raises ContractError with everything that is wrong.
    """
    found = [sentence for name in FILLED for sentence in _of_table(name, getattr(night, name))]
    for name, frame in night.details.by_name().items():
        found += _of_details(name, frame)
    found += [*_currencies(night), *_audit(night), *_counts(night)]
    if found:
        raise ContractError(" ".join(found))


def _of_table(name: str, frame: pd.DataFrame) -> list[str]:
    """Columns and types first: rules are asked of a table that has its form."""
    return _form(name, frame) or (failures(name, frame, _rules(name, frame)) if len(frame) else [])


def _form(name: str, frame: pd.DataFrame) -> list[str]:
    columns = LEADING_COLUMNS.get(name, ("account_id",))
    if missing := [column for column in columns if column not in frame.columns]:
        return [str(ContractError.missing_columns(name, missing, frame.columns))]
    found = []
    if list(frame.columns)[: len(columns)] != list(columns) and name in ("worklist", "scores"):
        found.append(f"Table {name!r} must have its columns in the published order. Reorder them.")
    if frame.columns[0] != "account_id" and name not in ("worklist", "audit"):
        found.append(f"Table {name!r} must begin with 'account_id'. Got {frame.columns[0]!r}.")
    money = [column for column in frame.columns if KIND_OF_COLUMN.get(column) == "money"]
    return found + [_no_money(f"{name}.{column}", frame[column]) for column in money if not _is_money(frame[column])]


def _of_details(name: str, frame: pd.DataFrame) -> list[str]:
    if missing := [column for column in DETAIL_COLUMNS[name] if column not in frame.columns]:
        return [str(ContractError.missing_columns(f"details.{name}", missing, frame.columns))]
    return [
        _no_money(f"details.{name}.{each}", frame[each])
        for each in LONG_MONEY
        if each in frame and not _is_money(frame[each])
    ]


def _is_money(values: pd.Series) -> bool:
    return not len(values) or pd.api.types.is_integer_dtype(values)


def _no_money(where: str, values: pd.Series) -> str:
    return f"{where} must be integer minor units. Got {values.dtype}."


def _rules(name: str, frame: pd.DataFrame) -> dict[str, list[Check]]:
    """Column -> its rules, by what the column holds."""
    by_kind = {
        "money": rule(
            f"be at most {MONEY_LIMIT} minor units, or empty",
            lambda money: (money == NO_MONEY) | (money.abs() <= MONEY_LIMIT),
        ),
        "share": rule("lie between 0 and 1, or be empty", lambda shares: _within(shares, 0, 1)),
        "count": rule("be 0 or more, or empty", lambda counts: _within(counts, 0, MONEY_LIMIT)),
        "number": rule("be finite, or empty", lambda numbers: _within(numbers, -1e300, 1e300)),
        "date": rule("be dates, or empty", lambda days: days.isna() | days.map(lambda day: isinstance(day, dt.date))),
    }
    rules = {
        column: [by_kind[KIND_OF_COLUMN[column]]] for column in frame.columns if KIND_OF_COLUMN.get(column) in by_kind
    }
    for column in FILLED[name]:
        rules.setdefault(column, []).append(rule("not be empty", lambda cells: cells.notna() & (cells != "")))
    rules["account_id"].append(rule("name each account once", lambda ids: ~ids.duplicated()))
    if name == "worklist":
        places = frame.groupby("queue", sort=False).cumcount() + 1
        rules["rank"].append(rule("count 1, 2, 3 ... within each queue", lambda ranks: ranks == places))
        for column in ("contact_from", "contact_until"):
            rules[column] = [rule("be HH:MM", lambda clocks: clocks.str.fullmatch(CLOCK).fillna(False))]
        rules["contact_from"].append(rule("lie before contact_until", lambda clocks: clocks < frame["contact_until"]))
    return rules


def _within(values: pd.Series, low: float, high: float) -> pd.Series:
    numbers = values.to_numpy(dtype="float64", na_value=np.nan)
    return pd.Series(~((numbers < low) | (numbers > high)), index=values.index)


def _currencies(night: Night) -> list[str]:
    named = {night.reporting_currency}
    for name in FILLED:
        frame = getattr(night, name)
        if "currency" in frame.columns:
            named |= set(frame["currency"].dropna().astype(str))
    unknown = sorted(named - set(night.decimals))
    return (
        [f"Currencies {', '.join(map(repr, unknown))} have no number of decimals. Add them to the night's decimals."]
        if unknown
        else []
    )


def _audit(night: Night) -> list[str]:
    if not len(night.audit) or "account_id" not in night.worklist or "account_id" not in night.audit:
        return []
    if sorted(texts(night.audit["account_id"])) == sorted(texts(night.worklist["account_id"])):
        return []
    return ["Table 'audit' must have one row for each listed account. Build it from the work list."]


def _counts(night: Night) -> list[str]:
    counts = night.counts
    if missing := [group for group in ("scorable", *GROUPS_SHOWN) if group not in counts]:
        return [f"The night's counts lack {', '.join(missing)}. Count every group."]
    found, total = [], sum(int(counts[group]) for group in GROUPS_SHOWN)
    if total != counts["scorable"]:
        found.append(
            f"The groups hold {total:,} accounts and {counts['scorable']:,} are scorable. "
            "Each must be in exactly one group."
        )
    rows = {
        group: len(getattr(night, group)) for group in ("worklist", "deferred", "excluded", "held_out", "self_cure")
    }
    odd = {group: many for group, many in rows.items() if many != counts[group]}
    return found + [
        f"Table {group!r} has {many:,} rows and is counted as {counts[group]:,}." for group, many in odd.items()
    ]
