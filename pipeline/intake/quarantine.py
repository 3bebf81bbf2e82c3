"""Why a row may not come in: the reason codes, each with its rule, and the rows set aside with their raw text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

RULE_VERSION = 2  # raised when a rule changes: rows quarantined under an older rule can be told apart


@dataclass(frozen=True)
class SetAside:
    """A row that may not come in: where it stood (the header is line 1; a row of Parquet counts from 1), why,
    and its raw text. faults: column and code of each fault; the store keeps the codes alone.
    """

    table: str
    file: str
    line: int
    codes: str
    raw: str
    faults: tuple[tuple[str, str], ...] = ()


class Code(Enum):
    """Short, stable reason codes; the order is the bit of the row's mask and must not change."""

    KEY_NULL = "a key or a class is empty"
    KEY_FORMAT = "an id holds blanks or control characters"
    TEXT_TOO_LONG = "a text is longer than its limit (64 characters, detail 512)"
    TEXT_FORMAT = "a text holds control characters"
    ENUM_UNKNOWN = "a value is not one of the contract's"
    CCY_UNKNOWN = "a currency is not a code of ISO 4217"
    NUM_FORMAT = "a number is not a plain number, or is negative where it may not be"
    AMT_NAN = "an amount is not a number (NaN, inf, NULL, N/A)"
    AMT_FORMAT = "an amount is empty or not plain decimal text such as -1234.50"
    AMT_SCALE = "an amount has more decimals than its currency"
    AMT_SIGN = "an amount is negative or zero where it may not be"
    LIMIT_AMOUNT = "an amount is above 9e15 minor units"
    TS_FORMAT = "a date or time is empty, no real date, or not ISO 8601 between 1900 and 2100"
    TS_NAIVE = "a time has no offset and its portfolio declares no time zone"
    TS_KNOWN_BEFORE_EVENT = "a row is known before it happened"
    TS_FUTURE = "a row is known after the feed's last complete day"
    ACCT_UNKNOWN = "the account is not in the store and not in this delivery, or its own row is quarantined"
    ACCT_CHANGED = "an account changes its debtor or its currency"
    DUP_CONFLICT = "the same key, known at the same time, with different content"
    REV_ORPHAN = "a reversal names no payment of its account, or a row that is no reversal names one"
    REV_EXCESS = "reversals of one payment add up to more than the payment"
    DEBTOR_CIRCLE = "debtors are the same as one another in a circle"
    RECEIPT_PART = "another line of the same receipt is set aside, or waits"
    SHARE_RANGE = "a share is not a plain number from 0 to 1 with at most 6 decimals"
    DAY_ORDER = "a row ends before it begins"
    PLAN_SUM = "a plan's instalments do not add up to its total, or its rows tell of two plans"
    PLACEMENT_OVERLAP = "a placement begins before another of its account has ended"
    PARTY_UNKNOWN = "a party is not one of those that the params name"

    @property
    def bit(self) -> int:
        return 1 << list(Code).index(self)


def codes_of(mask: int) -> tuple[str, ...]:
    """The codes of a mask, in their stable order."""
    return tuple(code.name for code in Code if mask & code.bit)


def raw_text(header: Sequence[str], cells: Iterable[str | None]) -> str:
    """A row as it was delivered: column -> cell, empty cells left out."""
    return json.dumps({column: cell for column, cell in zip(header, cells, strict=True) if cell}, ensure_ascii=False)


def counted(masks: Mapping[int, int]) -> dict[str, int]:
    """Rows per code from rows per mask; a row with two faults counts under both."""
    counts = {code.name: sum(rows for mask, rows in masks.items() if mask & code.bit) for code in Code}
    return {name: rows for name, rows in counts.items() if rows}
