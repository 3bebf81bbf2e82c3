"""What every published table must keep, checked before anything is written: all failures at once, in our words,
never a value.

Version 2: scores end with p_if_left, p_if_worked and added_recovery, the list with added_value, effect and rank_total,
and self_cure is a group with a table of its own. Nights of version 1 stay as they were published. Under a treatment
policy the list ends with TREATED_COLUMNS, and proposals, routes and specialist are tables of their own.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from features.days import DAY_MINUTES, DAY_US
from features.errors import ContractError
from features.schemas import failures, rule
from features.tables import (
    CHANNELS,
    DAY_HIGH,
    DAY_LOW,
    DIRECTIONS,
    MONEY_LIMIT,
    NO_DAY,
    NO_MINUTE,
    NO_MONEY,
    NO_TIME,
    OFFER_KINDS,
    OUTCOMES,
    PAYMENT_KINDS,
    account_number,
)
from features.unusual import KINDS
from models.due_day import EARLY, MOVE
from models.plans import UNIT_DAYS
from models.routes import AGENCY, LEGAL, ROUTES, SALE
from pipeline.columns import (
    DETAIL_COLUMNS,
    KIND_OF_COLUMN,
    LEADING_COLUMNS,
    MESSAGE_COLUMNS,
    OPEN_ITEM_COLUMNS,
    RECEIVABLE_COLUMNS,
    UNUSUAL_COLUMNS,
)
from pipeline.law.outcome import STATES
from pipeline.pages.parts import Table, parts_of
from pipeline.pages.publication import GROUPS_SHOWN, Night, texts

if TYPE_CHECKING:
    from pandera.pandas import Check

# Cells that no row may lack; what else there is may be empty.
FILLED = {
    "worklist": (
        *("queue", "account_id", "debtor_id", "portfolio", "currency", "channel", "time_zone", "model_version"),
        *("as_of", "valid_until"),
    ),
    "deferred": ("account_id", "rule"),
    "excluded": ("account_id", "rule"),
    "held_out": ("account_id",),
    "self_cure": ("account_id",),
    "next_in_line": ("account_id", "queue", "debtor_id", "portfolio", "currency", "place"),
    "scores": ("account_id", "model_version", "as_of"),
    "audit": ("account_id",),
    "watch": (
        "account_id",
        "debtor_id",
        "portfolio",
        "currency",
        "next_due_on",
        "due_amount",
        "model_version",
        "as_of",
    ),
    "proposals": ("account_id", "debtor_id", "currency", "proposal", "grants", "as_of", "valid_until"),
    "routes": ("account_id", "debtor_id", "currency", "route", "as_of"),
    "specialist": ("account_id", "debtor_id", "currency", "statuses", "as_of"),
}
FILLED_MESSAGES = (
    *("account_id", "debtor_id", "channel", "message", "language", "variant", "probability", "send_from", "send_until"),
    *("step", "as_of", "valid_until", "time_zone"),
)
FILLED_DETAILS = {
    "reasons": ("account_id", "reason", "contribution"),
    "effects": ("account_id", "reason", "contribution"),
    "sums": ("account_id",),
    "balances": ("account_id", "on", "balance"),
    "payments": ("account_id", "occurred_on", "amount", "kind"),
    "contacts": ("account_id", "occurred_on", "channel", "direction"),
    "promises": ("account_id", "made_on", "state"),
    "channels": ("account_id", "channel", "verdict"),
    "limits": ("account_id", "rule"),
    "appointments": ("account_id", "appointment_at"),
    "treatment": ("account_id", "line"),
    "display": ("account_id",),
}
# What a column of the details holds, where the published tables have no such column.
KIND_OF_DETAIL = KIND_OF_COLUMN | {
    "amount": "money",
    **dict.fromkeys(("contribution", "chance_rest", "chance", "effect_rest", "effect"), "number"),
    **dict.fromkeys(("on", "occurred_on", "made_on", "due_on"), "day"),
    **dict.fromkeys(("occurred_minute", "from_minute", "until_minute"), "minute"),
}
# Column -> the words it may hold, in the tables and in the details.
WORDS = {"channel": CHANNELS}
UNITS, OUTSIDE = tuple(UNIT_DAYS), (AGENCY, LEGAL, SALE)
WORDS_OF_TREATMENT = {
    "proposals": {"proposal": OFFER_KINDS, "unit": UNITS},
    "routes": {"route": ROUTES, "route_before": ROUTES},
}
WORDS_OF_DETAIL = WORDS | {
    "kind": PAYMENT_KINDS,
    "direction": DIRECTIONS,
    "outcome": OUTCOMES,
    "state": ("kept", "broken", "open"),
    "verdict": STATES,
}
NOTHING = {"money": NO_MONEY, "day": NO_DAY, "instant": NO_TIME}  # kind -> how whole numbers say that a cell is empty
_COUNTED = re.compile(r"Got ([\d,]+) rows that do not\.$")  # of features.schemas.failures
CLOCK = r"([01]\d|2[0-3]):[0-5]\d|24:00"


def check_night(night: Night) -> None:
    """Refuse a night whose frames break their rules or do not fit together.
    Raises ContractError with everything that is wrong.
    """
    frames, currencies = {name: getattr(night, name) for name in FILLED}, {night.reporting_currency}
    found: list[str] = []
    for name, frame in frames.items():
        if frame is not None:
            found += _of_table(name, frame, currencies)
    for name, frame in night.details.by_name().items():
        found += _of_details(name, frame)
    found += [*_currencies(night, currencies), *_audit(night), *_counts(night), *_messages(night), *_receivables(night)]
    found += [*_treatment(night), *_unusual(night)]
    if found:
        raise ContractError(" ".join(found))


def _of_table(name: str, table: Table, currencies: set[str]) -> list[str]:
    """What is wrong with its columns, and with the rows of those that are there; adds the currencies that it names."""
    if isinstance(table, pd.DataFrame):
        _name_currencies(table, currencies)
        once = rule("name each account once", lambda ids: ~ids.duplicated())
        return _form(name, table) + _of_rows(name, table, once)
    numbers, found = [], dict[str, int]()
    for part in table.read():
        _name_currencies(part, currencies)
        for said in _of_rows(name, part):
            many = _COUNTED.search(said)
            wrong = said[: many.start()] if many else said
            found[wrong] = found.get(wrong, 0) + (int(many[1].replace(",", "")) if many else 0)
        if "account_id" in part:
            numbers.append(account_number(part["account_id"].astype("str")))
    ids = np.sort(np.concatenate(numbers)) if numbers else np.zeros(0, np.int64)
    twice = int((ids[1:] == ids[:-1]).sum())
    again = [f"Table {name!r}: column 'account_id' must name each account once. Got {twice:,} rows that do not."]
    told = [f"{wrong}Got {rows:,} rows that do not." if rows else wrong for wrong, rows in found.items()]
    return _form(name, table.first) + told + (again if twice else [])


def _of_rows(name: str, frame: pd.DataFrame, once: Check | None = None) -> list[str]:
    rules = _rules(frame, FILLED[name], KIND_OF_COLUMN, WORDS | WORDS_OF_TREATMENT.get(name, {}))
    if once is not None:
        rules.setdefault("account_id", []).append(once)
    if name == "worklist":
        _in_order(frame, rules)
    if name == "proposals":
        whole = rule("add up to what is owed", lambda last, frame=frame: _adds_up(frame, last))
        rules.setdefault("last_instalment", []).append(whole)
    return failures(name, frame, rules) if len(frame) else []


def _form(name: str, frame: pd.DataFrame) -> list[str]:
    columns = LEADING_COLUMNS.get(name, ("account_id",))
    money = _not_money(name, frame, KIND_OF_COLUMN)
    if missing := [column for column in columns if column not in frame.columns]:
        return [str(ContractError.missing_columns(name, missing, frame.columns)), *money]
    found = []
    if list(frame.columns)[: len(columns)] != list(columns) and name in ("worklist", "scores"):
        found.append(f"Table {name!r} must have its columns in the published order. Reorder them.")
    if frame.columns[0] != "account_id" and name not in ("worklist", "audit"):
        found.append(f"Table {name!r} must begin with 'account_id'. Got {frame.columns[0]!r}.")
    return found + money


def _of_details(name: str, frame: pd.DataFrame) -> list[str]:
    table = f"details.{name}"
    missing = [column for column in DETAIL_COLUMNS[name] if column not in frame.columns]
    found = [str(ContractError.missing_columns(table, missing, frame.columns))] if missing else []
    found += _not_money(table, frame, KIND_OF_DETAIL)
    rules = _rules(frame, FILLED_DETAILS[name], KIND_OF_DETAIL, WORDS_OF_DETAIL)
    return found + (failures(table, frame, rules) if len(frame) else [])


def _not_money(name: str, frame: pd.DataFrame, kinds: Mapping[str, str]) -> list[str]:
    money = [column for column in frame.columns if kinds.get(column) == "money"]
    return [
        f"{name}.{column} must be integer minor units. Got {frame[column].dtype}."
        for column in money
        if len(frame) and not pd.api.types.is_integer_dtype(frame[column])
    ]


def _rules(
    frame: pd.DataFrame, filled: Iterable[str], kinds: Mapping[str, str], words: Mapping[str, tuple[str, ...]]
) -> dict[str, list[Check]]:
    """Column -> its rules, by what the column holds."""
    by_kind = {
        "money": rule(
            f"be at most {MONEY_LIMIT} minor units, or empty",
            lambda money: _whole(money, -MONEY_LIMIT, MONEY_LIMIT) | (money == NO_MONEY),
        ),
        "share": rule("lie between 0 and 1, or be empty", lambda shares: _within(shares, 0, 1)),
        "count": rule("be 0 or more, or empty", lambda counts: _whole(counts, 0, MONEY_LIMIT)),
        "number": rule("be finite, or empty", lambda numbers: _within(numbers, -1e300, 1e300)),
        "date": rule("be dates, or empty", lambda days: days.isna() | days.map(lambda day: isinstance(day, dt.date))),
        "day": rule(
            "be a day between 1900 and 9999, or empty",
            lambda days: _whole(days, DAY_LOW, DAY_HIGH) | (days == NO_DAY),
        ),
        "minute": rule("be a minute of the day or -1", lambda minutes: _whole(minutes, NO_MINUTE, DAY_MINUTES)),
        "instant": rule("be instants, or empty", _are_instants),
    }
    rules = {column: [by_kind[kinds[column]]] for column in frame.columns if kinds.get(column) in by_kind}
    for column, known in words.items():
        if column in frame:
            said = rule(
                f"be one of {', '.join(known)}, or empty",
                lambda cells, known=known: cells.isna() | cells.isin([*known, ""]),
            )
            rules.setdefault(column, []).append(said)
    for column in filled:
        nothing = NOTHING.get(kinds.get(column, ""), "")
        there = rule("not be empty", lambda cells, nothing=nothing: cells.notna() & (cells != nothing))
        rules.setdefault(column, []).append(there)
    return rules


def _in_order(frame: pd.DataFrame, rules: dict[str, list[Check]]) -> None:
    """Ranks and windows of the list, as far as it has the columns."""
    if "queue" in frame and "rank" in frame:
        places = frame.groupby("queue", sort=False).cumcount() + 1
        rules["rank"].append(rule("count 1, 2, 3 ... within each queue", lambda ranks: ranks == places))
    for column in ("contact_from", "contact_until"):
        rules[column] = [rule("be HH:MM", _are_clocks)]
    if "contact_until" in frame:
        until = frame["contact_until"].astype("str")
        before = rule("lie before contact_until", lambda clocks: clocks.astype("str") < until)
        rules["contact_from"].append(before)


def _adds_up(frame: pd.DataFrame, last: pd.Series) -> pd.Series:
    """bool per row: whether a plan's instalments are the sum that is to be paid."""
    many, each = frame["instalments"], frame["instalment"]
    return (frame["proposal"] != "plan") | ((many - 1) * each + last == frame["amount_to_pay"])


def _are_clocks(cells: pd.Series) -> pd.Series:
    return cells.notna() & cells.astype("str").str.fullmatch(CLOCK).fillna(False).astype("bool")


def _within(values: pd.Series, low: float, high: float) -> pd.Series:
    numbers = _figures(values)
    return pd.Series(~((numbers < low) | (numbers > high)), index=values.index)


def _whole(values: pd.Series, low: float, high: float) -> pd.Series:
    numbers = _figures(values)
    return _within(values, low, high) & (np.isnan(numbers) | (np.rint(numbers) == numbers))


def _figures(values: pd.Series) -> np.ndarray:
    """float64: NaN where a cell is empty, infinite where it is no number, so that no bound lets it through."""
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return values.to_numpy(dtype="float64", na_value=np.nan)
    cells = zip(values.astype(object), values.isna(), strict=True)
    return np.array([np.nan if gone else _figure(cell) for cell, gone in cells], dtype="float64")


def _figure(cell: Any) -> float:
    return float(cell) if isinstance(cell, Real) and not isinstance(cell, bool) else np.inf


def _are_instants(values: pd.Series) -> pd.Series:
    """Microseconds since 1970, or timestamps that know their zone."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return pd.Series(True, index=values.index)
    numbers = _whole(values, DAY_LOW * DAY_US, DAY_HIGH * DAY_US) | (values == NO_TIME)
    if pd.api.types.is_numeric_dtype(values):
        return numbers
    return numbers | values.map(lambda cell: isinstance(cell, dt.datetime) and cell.tzinfo is not None).astype("bool")


def _name_currencies(frame: pd.DataFrame, currencies: set[str]) -> None:
    if "currency" in frame.columns:
        currencies |= set(frame["currency"].dropna().astype(str).unique())


def _currencies(night: Night, named: set[str]) -> list[str]:
    unknown = sorted(named - set(night.decimals))
    return (
        [f"Currencies {', '.join(map(repr, unknown))} have no number of decimals. Add them to the night's decimals."]
        if unknown
        else []
    )


def _ids(table: Table, column: str) -> set[str]:
    """The ids of a column; none where the table has no such column."""
    return {name for part in parts_of(table) for name in texts(part[column])} if column in table.columns else set()


def _audit(night: Night) -> list[str]:
    if not len(night.audit) or "account_id" not in night.worklist or "account_id" not in night.audit:
        return []
    if sorted(texts(night.audit["account_id"])) == sorted(texts(night.worklist["account_id"])):
        return []
    return ["Table 'audit' must have one row for each listed account. Build it from the work list."]


def _messages(night: Night) -> list[str]:
    """What is wrong with the messages; nobody on the list, or held out, gets one, and nobody gets two."""
    frame = night.messages
    if frame is None:
        return []
    if list(frame.columns) != list(MESSAGE_COLUMNS):
        return [str(ContractError.missing_columns("messages", set(MESSAGE_COLUMNS) - set(frame), frame.columns))]
    rules = _rules(frame, FILLED_MESSAGES, KIND_OF_COLUMN, WORDS)
    for column in ("send_from", "send_until"):
        rules[column].append(rule("be HH:MM", _are_clocks))
    until = frame["send_until"].astype("str")
    rules["send_from"].append(rule("lie before send_until", lambda clocks: clocks.astype("str") < until))
    rules["debtor_id"].append(rule("name each debtor once", lambda ids: ~ids.duplicated()))
    listed = set(texts(night.worklist["debtor_id"])) if "debtor_id" in night.worklist else set()
    rules["debtor_id"].append(rule("not be on the work list too", lambda ids: ~ids.isin(listed)))
    for column, told in (("account_id", "not be held out"), ("debtor_id", "not be held out on another account")):
        held = _ids(night.held_out, column)
        rules[column].append(rule(told, lambda ids, held=held: ~ids.isin(held)))
    return failures("messages", frame, rules) if len(frame) else []


def _receivables(night: Night) -> list[str]:
    """What is wrong with debtors and open items: the items of a debtor add up to what he owes by them."""
    tables = {
        "receivables": (night.receivables, RECEIVABLE_COLUMNS),
        "open_items": (night.open_items, OPEN_ITEM_COLUMNS),
    }
    found: list[str] = []
    for name, (frame, columns) in tables.items():
        if frame is None:
            continue
        if list(frame.columns) != list(columns):
            return [str(ContractError.missing_columns(name, set(columns) - set(frame), frame.columns))]
        filled = [column for column in ("debtor_id", "account_id", "currency", "as_of") if column in columns]
        rules = _rules(frame, filled, KIND_OF_COLUMN, WORDS)
        found += [*_not_money(name, frame, KIND_OF_COLUMN), *(failures(name, frame, rules) if len(frame) else [])]
    if found or night.receivables is None or night.open_items is None:
        return found
    keys = ["debtor_id", "currency"]
    if night.receivables.duplicated(keys).any():
        return ["Table 'receivables' must name each debtor once a currency. Group it."]
    owed = night.open_items.groupby(keys)["open_amount"].sum()
    told = night.receivables.set_index(keys)["open_amount"]
    if not told[told != 0].sort_index().equals(owed.astype("int64").sort_index()):
        return ["Table 'open_items' does not add up to 'receivables'. Build both from the same items."]
    return []


def _treatment(night: Night) -> list[str]:
    """Nobody who is held out, or for a specialist, is proposed anything or leaves; who is offered something stays."""
    offered, routed = night.proposals, night.routes
    if offered is None or routed is None or night.specialist is None:
        return []
    whom = {"held out": _ids(night.held_out, "debtor_id")}
    whom["for a specialist"] = set(texts(night.specialist["debtor_id"]))
    moved = routed[routed["route"].isin(OUTSIDE)]
    found = [
        f"Table {name!r} must name no debtor who is {told}. Propose nothing to them."
        for name, frame in (("proposals", offered), ("routes", moved))
        for told, theirs in whom.items()
        if theirs & set(texts(frame["debtor_id"]))
    ]
    stays = set(texts(routed.loc[routed["route"] == ROUTES[0], "account_id"]))
    overdue = offered[~offered["proposal"].isin([MOVE, EARLY])]
    if set(texts(overdue["account_id"])) - stays:
        found.append("Table 'proposals' must name accounts alone that stay with us by 'routes'.")
    if offered["debtor_id"].duplicated().any():
        found.append("Table 'proposals' must offer one thing to a debtor. Leave the one that gains most.")
    return found


def _unusual(night: Night) -> list[str]:
    """What is wrong with the unusual cases: ranks count on, and every case names debtors, accounts and reasons."""
    frame = night.unusual
    if frame is None:
        return []
    if list(frame.columns) != list(UNUSUAL_COLUMNS):
        return [str(ContractError.missing_columns("unusual", set(UNUSUAL_COLUMNS) - set(frame), frame.columns))]
    cases = frame[(frame["rank"] > 0).to_numpy(bool)]
    rules = _rules(
        cases, ("kinds", "debtor_ids", "account_ids", "portfolios", "currency", "reasons"), KIND_OF_COLUMN, {}
    )
    places = np.arange(1, len(cases) + 1)
    rules["rank"].append(rule("count 1, 2, 3 ...", lambda ranks: pd.Series(ranks == places, index=ranks.index)))
    known = set(KINDS)
    said = rule("be kinds", lambda cells: cells.map(lambda cell: set(str(cell).split()) <= known).astype("bool"))
    rules["kinds"].append(said)
    return [*_not_money("unusual", cases, KIND_OF_COLUMN), *(failures("unusual", cases, rules) if len(cases) else [])]


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
    rows["below_capacity"] = len(night.next_in_line)
    odd = {group: many for group, many in rows.items() if many != counts[group]}
    return found + [
        f"Table {group!r} has {many:,} rows and is counted as {counts[group]:,}." for group, many in odd.items()
    ]
