"""The contract of every delivered table, as data, and the check of the inner form that the rooms exchange."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from features.currencies import DECIMALS
from features.days import DAY_MINUTES
from features.errors import ContractError, UsageError
from features.schemas import failures, rule

if TYPE_CHECKING:
    import pandas as pd
    from pandera.pandas import Check

NO_DAY = -(2**31)  # an empty day: int32 days since 1970-01-01 of the portfolio's zone
NO_TIME = -(2**63)  # an empty instant: int64 microseconds since 1970 UTC
NO_MONEY = -(2**63)  # an empty amount: int64 minor units
NEVER = 2**31 - 1  # a day that does not come
NO_MINUTE = -1  # only the day of a contact is known
NO_NUMBER = -(2**63)  # the number of an empty id
NO_SHARE = -1  # an empty share: int32 millionths
WHOLE_SHARE = 1_000_000  # millionths of 1

# Ids that tell rows of one account apart -> the column of their numbers. Rows are compared by number, not by text:
# a night reads no texts.
NUMBERS = {
    "charge_id": "charge_no",
    "adjusts": "adjusts_no",
    "payment_id": "payment_no",
    "reverses": "reverses_no",
    "contact_id": "contact_no",
    "offer_id": "offer_no",
    "plan_id": "plan_no",
    "placement_id": "placement_no",
}

TEXT_LIMIT = 64  # characters of an id or a class name
DETAIL_LIMIT = 512  # characters of a status's detail
MONEY_LIMIT = 9 * 10**15  # minor units: far above any debt, and a million of them still add up in int64
DAY_LOW, DAY_HIGH = -25_567, 2_932_896  # 1900-01-01 and 9999-12-31: outside lies a typing error


class Kind(Enum):
    """What a column holds, and so how it is read, checked and stored."""

    ID = "id"
    TEXT = "text"
    ENUM = "enum"
    CURRENCY = "currency"
    ZONE = "zone"
    DATE = "date"
    TIME = "time"
    MONEY = "money"
    WHOLE = "whole"
    SHARE = "share"  # from 0 to 1, with at most six decimals


@dataclass(frozen=True)
class Column:
    """One delivered column. `empty` says whether a cell may be empty, `optional` whether the column may be absent
    (read as empty), `later` whether stores and frames made before it was known lack it.
    """

    name: str
    kind: Kind
    empty: bool = False
    optional: bool = False
    values: tuple[str, ...] = ()
    least: int | None = None  # smallest amount or number allowed, in minor units
    limit: int = TEXT_LIMIT
    later: bool = False


@dataclass(frozen=True)
class Table:
    """One delivered table.

    key         one thing in the world; with known_at, one version of it
    position    the column that places a row in time; rows of an account are sorted by it
    known_from  columns whose first filled one stands in for an empty known_at (charges: see pipeline.intake)
    money       the column of the control totals
    happened    a row tells of something that happened: it cannot be known before it
    versioned   the same key with a later known_at replaces the row; False: the row never changes
    extra       prefixes of further columns that the sender may add
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    position: str
    known_from: tuple[str, ...]
    money: str | None
    happened: bool = False
    versioned: bool = True
    extra: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def instant(self) -> str | None:
        """The column that tells the instant at which a row happened; None where a day is all that is told."""
        return self.position if self.position.endswith("_at") and self.position != "known_at" else None

    @property
    def of_accounts(self) -> bool:
        """Whether a row is about an account, and so lies in the shard of its debtor."""
        return "account_id" in self.names

    def __getitem__(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    @property
    def later(self) -> frozenset[str]:
        """Columns that stores and frames may lack, and their numbers."""
        names = {column.name for column in self.columns if column.later}
        return frozenset(names | {NUMBERS[name] for name in names if name in NUMBERS})

    @property
    def required(self) -> tuple[str, ...]:
        """Columns a delivery must have; the others are read as empty when absent."""
        return tuple(column.name for column in self.columns if not column.optional)


DEBTOR_TYPES = ("consumer", "commercial")
BILLED_KINDS = ("principal", "instalment", "invoice")  # what a debt is of; the others come on top
CHARGE_KINDS = (*BILLED_KINDS, "fee", "interest", "adjustment")
PAYMENT_KINDS = ("payment", "reversal", "credit", "withheld")
CHANNELS = (
    "call",
    "autodial",
    "voicemail",
    "sms",
    "email",
    "letter",
    "visit",
    "chat",
    "portal",
    "social",
    "debit",
    "legal",
    "other",
)
DIRECTIONS = ("outbound", "inbound")
OUTCOMES = (
    "not_connected",
    "no_answer",
    "busy",
    "voicemail",
    "wrong_number",
    "third_party",
    "right_party",
    "promise",
    "refusal",
    "dispute",
    "complaint",
    "delivered",
    "bounced",
    "opened",
    "unsubscribed",
    "paid",
    "rejected",
)
RIGHT_PARTY = ("right_party", "promise", "refusal", "dispute")
ANSWERS = (
    *RIGHT_PARTY,
    "complaint",
    "paid",
)  # the debtor, and nobody else, reacted; an opened e-mail is not yet an answer
NOT_ATTEMPTS = ("not_connected", "busy")  # nobody could have heard
STATUSES = (
    "cease_contact",
    "attorney",
    "bankruptcy",
    "moratorium",
    "deceased",
    "identity_theft",
    "dispute",
    "wrong_party",
    "hardship",
    "vulnerable",
    "minor",
    "litigation",
    "prescribed",
    "emergency",
    "inconvenient",
    "opt_out_call",
    "opt_out_sms",
    "opt_out_email",
    "opt_out_letter",
    "opt_out_visit",
    "consent_call",
    "consent_sms",
    "consent_email",
    "notice_sent",
    "default",
    "charged_off",
    "sold",
    "agency",
    "legal",
    "plan",
    "callback",
    "closed",
    "outcome_unknown",
)

REQUESTS = ("refund",)
OFFER_KINDS = ("plan", "settlement", "due_date_move", "early_discount")
OFFER_OUTCOMES = ("accepted", "refused", "lapsed")
PLAN_ENDS = ("kept", "broken", "replaced", "cancelled")
ROUTES = ("agency", "legal", "sale")

FEEDS = ("payments", "contacts", "statuses")  # tables that tell by their newest row how far they reach
_KNOWN_AT = Column("known_at", Kind.TIME, empty=True, optional=True)


def _text(name: str, limit: int = TEXT_LIMIT) -> Column:
    return Column(name, Kind.TEXT, empty=True, optional=True, limit=limit)


def _sum(name: str, least: int | None = 0) -> Column:
    return Column(name, Kind.MONEY, empty=True, optional=True, least=least)


DISPLAY = "display_"  # columns of accounts that are shown to who works the list, and are read for nothing else

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table(
            "accounts",
            (
                Column("account_id", Kind.ID),
                Column("debtor_id", Kind.ID),
                Column("portfolio", Kind.TEXT),
                Column("product", Kind.TEXT),
                Column("debtor_type", Kind.ENUM, values=DEBTOR_TYPES),
                Column("currency", Kind.CURRENCY),
                Column("opened_on", Kind.DATE, empty=True, optional=True),
                Column("placed_on", Kind.DATE, empty=True, optional=True),
                _sum("principal"),
                _sum("placed_amount"),
                _text("jurisdiction"),
                Column("time_zone", Kind.ZONE, empty=True, optional=True),
                Column("language", Kind.TEXT, empty=True, optional=True, later=True),  # spoken to; never a feature
                _KNOWN_AT,
            ),
            key=("account_id",),
            position="opened_on",
            known_from=("opened_on",),
            money="principal",
            extra=("x_", "audit_", DISPLAY),
        ),
        Table(
            "charges",
            (
                Column("charge_id", Kind.ID),
                Column("account_id", Kind.ID),
                Column("issued_on", Kind.DATE, empty=True, optional=True),
                Column("due_on", Kind.DATE),
                Column("amount", Kind.MONEY),  # only an adjustment may be negative
                Column("kind", Kind.ENUM, values=CHARGE_KINDS),
                # the charge that an adjustment takes back
                Column("adjusts", Kind.ID, empty=True, optional=True, later=True),
                _KNOWN_AT,
            ),
            key=("account_id", "charge_id"),
            position="due_on",
            known_from=("issued_on", "due_on"),
            money="amount",
        ),
        Table(
            "balances",
            (
                Column("account_id", Kind.ID),
                Column("taken_on", Kind.DATE),
                Column("balance", Kind.MONEY),
                Column("arrears", Kind.MONEY, least=0),
                Column("days_past_due", Kind.WHOLE, least=0),
                _KNOWN_AT,
            ),
            key=("account_id", "taken_on"),
            position="taken_on",
            known_from=("taken_on",),
            money="balance",
            happened=True,
        ),
        Table(
            "payments",
            (
                Column("payment_id", Kind.ID),
                Column("account_id", Kind.ID),
                Column("charge_id", Kind.ID, empty=True, optional=True),
                Column("occurred_at", Kind.TIME),
                Column("amount", Kind.MONEY, least=1),
                Column("kind", Kind.ENUM, values=PAYMENT_KINDS),
                Column("reverses", Kind.ID, empty=True, optional=True),
                _text("method"),
                _KNOWN_AT,
                # by what it was paid: a token that the house makes of a card or bank account, never its number
                Column("instrument", Kind.ID, empty=True, optional=True, later=True),
            ),
            key=("payment_id", "account_id", "charge_id"),
            position="occurred_at",
            known_from=("occurred_at",),
            money="amount",
            happened=True,
            versioned=False,
        ),
        Table(
            "contacts",
            (
                Column("contact_id", Kind.ID),
                Column("account_id", Kind.ID),
                Column("occurred_at", Kind.TIME),
                Column("channel", Kind.ENUM, values=CHANNELS),
                Column("direction", Kind.ENUM, values=DIRECTIONS),
                Column("outcome", Kind.ENUM, empty=True, optional=True, values=OUTCOMES),
                _sum("promise_amount"),
                Column("promise_due_on", Kind.DATE, empty=True, optional=True),
                _sum("cost"),
                _text("agent"),
                Column("person_id", Kind.ID, empty=True, optional=True),
                Column("endpoint_id", Kind.ID, empty=True, optional=True),
                _KNOWN_AT,
                # what the debtor asked for
                Column("request", Kind.ENUM, empty=True, optional=True, values=REQUESTS, later=True),
            ),
            key=("account_id", "contact_id"),
            position="occurred_at",
            known_from=("occurred_at",),
            money="promise_amount",
            happened=True,
        ),
        Table(
            "statuses",
            (
                Column("account_id", Kind.ID),
                Column("status", Kind.ENUM, values=STATUSES),
                Column("from_on", Kind.DATE),
                Column("until_on", Kind.DATE, empty=True, optional=True),
                _KNOWN_AT,
                _text("detail", limit=DETAIL_LIMIT),
                # the charge that a dispute is about
                Column("charge_id", Kind.ID, empty=True, optional=True, later=True),
            ),
            key=("account_id", "status", "from_on", "charge_id"),
            position="from_on",
            known_from=("from_on",),
            money=None,
        ),
        Table(
            "offers",  # what was offered to the debtor, by whomever
            (
                Column("offer_id", Kind.ID),
                Column("account_id", Kind.ID),
                Column("made_at", Kind.TIME),
                Column("kind", Kind.ENUM, values=OFFER_KINDS),
                _sum("amount"),  # what the debtor would pay in all
                Column("instalments", Kind.WHOLE, empty=True, optional=True, least=1),
                Column("first_due_on", Kind.DATE, empty=True, optional=True),
                Column("discount", Kind.SHARE, empty=True, optional=True),
                Column("valid_until", Kind.DATE, empty=True, optional=True),  # the last day on which it may be taken
                Column("outcome", Kind.ENUM, empty=True, optional=True, values=OFFER_OUTCOMES),
                _text("variant"),
                Column("probability", Kind.SHARE, empty=True, optional=True),  # with which the lot gave this variant
                _KNOWN_AT,
            ),
            key=("account_id", "offer_id"),
            position="made_at",
            known_from=("made_at",),
            money="amount",
            happened=True,
        ),
        Table(
            "plans",  # one row per instalment; what is of the plan stands on every row
            (
                Column("plan_id", Kind.ID),
                Column("account_id", Kind.ID),
                Column("agreed_on", Kind.DATE),
                Column("total", Kind.MONEY, least=1),  # of the plan on this account: what its instalments add up to
                Column("due_on", Kind.DATE),
                Column("amount", Kind.MONEY, least=0),  # a version with 0 takes the instalment out
                Column("ended_on", Kind.DATE, empty=True, optional=True),
                Column("how", Kind.ENUM, empty=True, optional=True, values=PLAN_ENDS),
                _KNOWN_AT,
            ),
            key=("account_id", "plan_id", "due_on"),
            position="agreed_on",
            known_from=("agreed_on",),
            money="amount",
            happened=True,
        ),
        Table(
            "placements",  # with whom an account was placed for collection, or to whom it was sold
            (
                Column("placement_id", Kind.ID),
                Column("account_id", Kind.ID),
                Column("route", Kind.ENUM, values=ROUTES),
                Column("party", Kind.TEXT),
                Column("placed_on", Kind.DATE),
                Column("recalled_on", Kind.DATE, empty=True, optional=True),
                Column("commission", Kind.SHARE, empty=True, optional=True),
                _sum("fixed_cost"),
                _sum("amount"),  # what was placed
                # with which the lot gave it to this party; empty where somebody chose
                Column("probability", Kind.SHARE, empty=True, optional=True, later=True),
                _KNOWN_AT,
            ),
            key=("account_id", "placement_id"),
            position="placed_on",
            known_from=("placed_on",),
            money="amount",
        ),
    )
}
TREATMENTS = ("offers", "plans", "placements")  # tables of what was tried beside contact; few books have them

# Which debtors are one person: read with the accounts (features.aliases), and handed to nobody else.
DEBTORS = Table(
    "debtors",
    (
        Column("debtor_id", Kind.ID),
        Column("same_as", Kind.ID, empty=True),  # empty, or the debtor itself: stands for itself again
        Column("known_at", Kind.TIME),
    ),
    key=("debtor_id",),
    position="known_at",
    known_from=(),
    money=None,
)
# Every table of a delivery, in the order in which they are read: a table needs those before it.
DELIVERED: dict[str, Table] = {"accounts": TABLES["accounts"], "debtors": DEBTORS, **TABLES}


def account_number(ids: Iterable[str]) -> np.ndarray:
    """The 63-bit number of each account id, int64: first 8 bytes of its md5, big-endian, shifted right by one.
    Stable for ever.
    """
    return _numbers(ids)


def numbered(frame: pd.DataFrame, name: str, table: str) -> np.ndarray:
    """int64 numbers of a column of ids (NUMBERS): as stored, else the hash of account_number; NO_NUMBER where empty.

    Two ids of one account that share 63 bits would be taken for one: among a million accounts of a hundred rows each,
    once in two billion such portfolios. Raises ContractError where neither the numbers nor the ids are there.
    """
    if NUMBERS[name] in frame:
        return frame[NUMBERS[name]].to_numpy()
    if name not in frame:
        raise ContractError.missing_columns(table, [name], frame.columns)
    found = np.full(len(frame), NO_NUMBER, np.int64)
    given = frame[name].notna().to_numpy()
    found[given] = _numbers(frame[name].to_numpy(dtype=object)[given])
    return found


def _numbers(ids: Iterable[str]) -> np.ndarray:
    import pandas as pd

    codes, distinct = pd.factorize(np.asarray(ids, dtype=object))
    if (codes < 0).any():
        raise ContractError(f"An id must not be empty. Got {int((codes < 0).sum()):,} empty ids.")
    digests = b"".join(hashlib.md5(name.encode(), usedforsecurity=False).digest()[:8] for name in distinct)
    return (np.frombuffer(digests, ">u8") >> np.uint64(1)).astype(np.int64)[codes]


def inner_columns(name: str) -> dict[str, str]:
    """Column -> numpy dtype ('str' for text and enumerations) of a table's inner form,
    without the sender's x_ and audit_ columns.

    Days are int32, instants and money int64, shares int32 millionths, `occurred_minute` int16; empty is NO_DAY,
    NO_TIME, NO_MONEY, NO_SHARE (of whole numbers too), NO_MINUTE, or NA for text.
    """
    table = DELIVERED[name]
    dtypes = {"account_no": "int64"} if table.of_accounts else {}
    for column in table.columns:
        if column.kind is Kind.DATE:
            dtypes[column.name] = "int32"
        elif column.kind is Kind.TIME:
            dtypes[column.name] = "int64"
            dtypes[column.name.removesuffix("_at") + "_on"] = "int32"
        elif column.kind is Kind.MONEY:
            dtypes[column.name] = "int64"
        elif column.kind in (Kind.WHOLE, Kind.SHARE):
            dtypes[column.name] = "int32"
        else:
            dtypes[column.name] = "str"
        if column.name in NUMBERS:
            dtypes[NUMBERS[column.name]] = "int64"
    if name == "contacts":
        dtypes["occurred_minute"] = "int16"
    return dtypes


class InnerTables(dict):
    """Table -> frame, known to be of the inner form: read from a store, or let in at a door.
    No door checks them again.
    """


def check(tables: Mapping[str, pd.DataFrame], columns: Mapping[str, Iterable[str]] | None = None) -> None:
    """Refuse frames that are not in the inner form, naming every failure of every table at once.

    columns: table -> the columns that must be there; the others are checked where present. Without it, all but what
    follows from others: account_id of the events, and the numbers of ids. Raises ContractError with columns, rules and
    row counts; never a value.
    """
    if found := broken(tables, columns):
        raise ContractError(" ".join(found))


def broken(tables: Mapping[str, pd.DataFrame], columns: Mapping[str, Iterable[str]] | None = None) -> list[str]:
    """A sentence for each failure that `check` would refuse them for.
    Raises UsageError for a table the contract does not have.
    """
    unknown = [name for name in tables if name not in TABLES]
    if unknown:
        raise UsageError.unknown_keys("The tables handed over", unknown, TABLES)
    return [
        sentence for name, frame in tables.items() for sentence in _failures(name, frame, columns and columns.get(name))
    ]


def _failures(name: str, frame: pd.DataFrame, needed: Iterable[str] | None) -> list[str]:
    declared, dtypes = TABLES[name], inner_columns(name)
    if needed is None:
        needed = [
            column
            for column in dtypes
            if (column != "account_id" or name == "accounts")
            and column not in NUMBERS.values()
            and column not in declared.later
        ]
    ids = {
        number: column for column, number in NUMBERS.items() if number not in frame
    }  # where a number lacks, its ids do
    needed = [ids.get(column, column) for column in needed]
    rules = {column: _rules(column, declared[column] if column in declared.names else None) for column in dtypes}
    return failures(name, frame, rules, needed, {column: dtype for column, dtype in dtypes.items() if dtype != "str"})


def _rules(column: str, declared: Column | None) -> list[Check]:
    empty = declared is not None and declared.empty and declared.kind is not Kind.TIME
    if column.endswith("_on") or (declared is not None and declared.kind is Kind.DATE):
        return [
            rule(
                "be a day between 1900 and 9999",
                lambda days: (days == NO_DAY) | ((days >= DAY_LOW) & (days <= DAY_HIGH)),
            )
        ] + ([] if empty else [rule("not be empty", lambda days: days != NO_DAY)])
    if column.endswith("_at"):
        return [rule("not be empty", lambda instants: instants != NO_TIME)]
    if column == "occurred_minute":
        return [rule("be a minute of the day or -1", lambda minutes: (minutes >= NO_MINUTE) & (minutes < DAY_MINUTES))]
    if declared is None:
        return []
    if declared.kind is Kind.MONEY:
        least = -MONEY_LIMIT if declared.least is None else declared.least
        rules = [
            rule(f"be at least {least}", lambda money: (money == NO_MONEY) | (money >= least)),
            rule(f"be at most {MONEY_LIMIT}", lambda money: money <= MONEY_LIMIT),
        ]
        return rules if empty else [*rules, rule("not be empty", lambda money: money != NO_MONEY)]
    if declared.kind is Kind.WHOLE:
        least = declared.least or 0
        return [rule(f"be at least {least}", lambda numbers: (numbers >= least) | (empty & (numbers == NO_SHARE)))]
    if declared.kind is Kind.SHARE:
        low = NO_SHARE if empty else 0
        return [rule("be millionths of 1", lambda shares: (shares >= low) & (shares <= WHOLE_SHARE))]
    rules = [rule("be text", _are_text)] + ([] if empty else [rule("not be empty", lambda texts: texts.notna())])
    if declared.kind is Kind.CURRENCY:
        rules.append(rule("be codes of ISO 4217", lambda texts: texts.isin(list(DECIMALS))))
    if declared.kind is Kind.ENUM:
        rules.append(
            rule(
                "be one of the contract's values",
                lambda texts, values=declared.values: texts.isna() | texts.isin(values),
            )
        )
    return rules


def _are_text(cells: pd.Series) -> pd.Series:
    """Which cells are text or empty; of texts kept as such, or as classes of them, no cell is looked at."""
    import pandas as pd

    kind = cells.cat.categories.dtype if isinstance(cells.dtype, pd.CategoricalDtype) else cells.dtype
    if isinstance(kind, pd.StringDtype):
        return pd.Series(True, index=cells.index)
    return cells.isna() | cells.map(lambda cell: isinstance(cell, str)).astype("bool")
