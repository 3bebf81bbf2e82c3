"""The doors of the features: frames that others hand to `history`, `scorable`, `build` and `labels` are held against
the contract before anything is made of them.

Tables that a store read are let in as they are (InnerTables): they were checked when they were delivered, and a night
opens these doors once a shard. A cohort is looked at every time: it has few columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pandas as pd

from features.errors import ContractError
from features.schemas import failures, rule
from features.settlements import PAYMENT_COLUMNS
from features.tables import DAY_HIGH, DAY_LOW, MONEY_LIMIT, TABLES, InnerTables, broken, inner_columns
from features.terms import LabelTerms, Reach

# The identity of a row, its two clocks, and what its versions and reversals are told by.
ALWAYS = {
    "accounts": ("account_no", "account_id", "portfolio", "opened_on", "known_at", "known_on"),
    "charges": (
        "account_no",
        "charge_no",
        "adjusts_no",
        "issued_on",
        "due_on",
        "amount",
        "kind",
        "known_at",
        "known_on",
    ),
    "balances": ("account_no", "taken_on", "balance", "arrears", "days_past_due", "known_at", "known_on"),
    "payments": PAYMENT_COLUMNS,
    "contacts": ("account_no", "contact_no", "occurred_on", "known_at", "known_on"),
    "statuses": ("account_no", "charge_no", "status", "from_on", "until_on", "known_at", "known_on", "detail"),
    "offers": (
        "account_no",
        "offer_no",
        "made_at",
        "made_on",
        "kind",
        "amount",
        "discount",
        "valid_until",
        "outcome",
        "known_at",
        "known_on",
    ),
    "plans": (
        "account_no",
        "plan_no",
        "agreed_on",
        "total",
        "due_on",
        "amount",
        "ended_on",
        "how",
        "known_at",
        "known_on",
    ),
    "placements": ("account_no", "placement_no", "route", "placed_on", "recalled_on", "known_at", "known_on"),
}
NOT_NEEDED = "detail"  # a status log without it tells no recall, and no more is lost


def for_history(tables: Mapping[str, pd.DataFrame]) -> InnerTables:
    """The tables, once they are what a ledger rests on. Raises ContractError with all that is not."""
    needed = {name: ALWAYS[name] for name in ("charges", "balances", "payments")}
    needed["accounts"] = ("account_no", "portfolio", "currency", "known_at", "known_on")
    for name in needed.keys() & {name for name, frame in tables.items() if "account_id" in frame}:
        needed[name] = tuple(column for column in needed[name] if column != "account_no")  # made of the ids
    return _let_in(tables, needed)


def for_scorable(tables: Mapping[str, pd.DataFrame], from_accounts: Iterable[str]) -> InnerTables:
    """The tables, once they are what a cohort rests on. from_accounts: the columns it takes from the accounts."""
    accounts = ("placed_on", "known_at", "known_on", *from_accounts)
    return _let_in(tables, {"accounts": accounts, "statuses": ALWAYS["statuses"]})


def for_build(
    cohort: pd.DataFrame, tables: Mapping[str, pd.DataFrame], needed: Mapping[str, Iterable[str] | None]
) -> InnerTables:
    """The tables, once they and the cohort are what a catalogue rests on.

    needed: of features.columns.columns_of. Raises ContractError with all that is wrong.
    """
    who = "account_no" if "account_no" in cohort or "account_id" not in cohort else "account_id"
    return _let_in(tables, {name: columns or () for name, columns in needed.items()}, _cohort(cohort, [who, "as_of"]))


def for_labels(
    cohort_frame: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    terms: Iterable[LabelTerms],
    complete_through: Reach,
    by_book: bool,
) -> InnerTables:
    """The tables, once they and the cohort are what labels rest on. by_book: portfolios differ in what they deliver."""
    columns = ["account_no", "as_of", "balance", "days_past_due"]
    columns += ["portfolio"] if by_book or isinstance(complete_through, Mapping) else []
    columns += ["currency"] if any(term.min_amount > 0 for term in terms) else []
    return _let_in(tables, {"statuses": ALWAYS["statuses"]}, _cohort(cohort_frame, columns))


def _let_in(
    tables: Mapping[str, pd.DataFrame], needed: Mapping[str, Iterable[str]], besides: Iterable[str] = ()
) -> InnerTables:
    """The tables in the inner form. besides: what is wrong with other frames."""
    if isinstance(tables, InnerTables):
        found, let_in = list(besides), tables
    else:
        let_in = InnerTables({name: _in_width(name, frame) for name, frame in tables.items()})
        wanted = {name: [column for column in needed.get(name, ()) if column not in _may_lack(name)] for name in let_in}
        found = [*besides, *broken(let_in, wanted)]
    if found:
        raise ContractError(" ".join(found))
    return let_in


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
    """What is wrong with a cohort. pandera words it, and is not woken for one that is sound."""
    needed = list(needed)
    there = {column: rules for column, rules in COHORT_RULES.items() if column in cohort}
    numbered = "account_no" not in cohort or cohort["account_no"].dtype == "int64"
    kept = all(holds(cohort[column]).all() for column, rules in there.items() for _, holds in rules)
    if numbered and kept and set(needed) <= set(cohort.columns):
        return []
    worded = {column: [rule(*each) for each in rules] for column, rules in COHORT_RULES.items()}
    return failures("cohort", cohort, {"account_no": [], **worded}, needed, {"account_no": "int64"})


def _whole(what: str, low: int, high: int) -> list[tuple[str, Keeps]]:
    """Whole numbers, whatever their width."""

    def holds(values: pd.Series) -> pd.Series:
        if not pd.api.types.is_integer_dtype(values):
            return pd.Series(False, index=values.index)
        return values.between(low, high)

    return [(f"be {what}", holds)]


Keeps = Callable[[pd.Series], pd.Series]
# Column of a cohort -> its rules, as features.schemas.rule takes them.
COHORT_RULES: dict[str, list[tuple[str, Keeps]]] = {
    "as_of": _whole("a day number between 1900 and 9999", DAY_LOW, DAY_HIGH),
    "balance": _whole("whole minor units", -MONEY_LIMIT, MONEY_LIMIT),
    "days_past_due": _whole("a number of days from 0 on", 0, DAY_HIGH),
    **dict.fromkeys(("account_id", "portfolio", "currency"), [("not be empty", pd.Series.notna)]),
}
