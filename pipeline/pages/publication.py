"""What a night publishes, as a value: the list, those not on it, and what each row is,
before any of it becomes a file.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import pandas as pd

from features.currencies import DECIMALS
from features.days import instant_of
from features.tables import DISPLAY, NO_MONEY, NO_TIME
from pipeline.columns import ASKED_COLUMNS, DETAIL_COLUMNS, IN_REPORTING_CURRENCY, KIND_OF_COLUMN
from pipeline.pages.parts import Table, changed

NOT_LISTED = ("next_in_line", "deferred", "excluded", "self_cure")  # tables with a tab of their own
LATER_ROWS = 2_000  # rows that page and workbook show of those not listed; their files hold all
# models.prioritise.GROUPS as a reader meets them: on the list, beside it, not today.
GROUPS_SHOWN = ("worklist", "joined", "below_capacity", "self_cure", "no_value", "deferred", "held_out", "excluded")


def _no_rows(name: str) -> Any:
    return field(default_factory=lambda: pd.DataFrame(columns=list(DETAIL_COLUMNS[name])))


@dataclass(frozen=True)
class Details:
    """What an opened row shows, for listed accounts. Long frames keyed by account_id, rows in the order they are shown.

    Days are int32 days since 1970 in the portfolio's zone, instants int64 microseconds UTC, money int64 minor units of
    the account's currency; missing is NO_DAY, NO_TIME, NO_MONEY.

    reasons       every reason worth showing, strongest first; contribution = signed log-odds
    effects       the same of what a call changes, parts of theta; empty where the order does not go by a learnt effect
    sums          what `reasons` and `effects` leave, and all of it: the log-odds of the chance, and theta (NaN where
                  not shown)
    balances      the balance from that day on, oldest first
    payments      oldest first; kind in {payment, reversal, credit}
    contacts      newest first; occurred_minute = minute of the local day, -1 when only the day is known
    promises      newest first; state in {kept, broken, open}
    channels      today's verdict per channel, minutes of the debtor's local day (until may be 1440), -1 when there is
                  no window
    limits        the rules that narrowed the account today, the narrowest first
    appointments  the agreed time, for accounts that have one
    display       account_id and the display_* columns of accounts, once each: for who works the list, in no other file
    treatment     how the proposal and the routes come to their figures, line by line
    """

    reasons: pd.DataFrame = _no_rows("reasons")
    effects: pd.DataFrame = _no_rows("effects")
    sums: pd.DataFrame = _no_rows("sums")
    balances: pd.DataFrame = _no_rows("balances")
    payments: pd.DataFrame = _no_rows("payments")
    contacts: pd.DataFrame = _no_rows("contacts")
    promises: pd.DataFrame = _no_rows("promises")
    channels: pd.DataFrame = _no_rows("channels")
    limits: pd.DataFrame = _no_rows("limits")
    appointments: pd.DataFrame = _no_rows("appointments")
    treatment: pd.DataFrame = _no_rows("treatment")
    display: pd.DataFrame = _no_rows("display")

    def by_name(self) -> dict[str, pd.DataFrame]:
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True)
class Night:
    """Everything one night publishes. Frames are in their published order; nothing here is sorted or dropped later.
    Tables of many rows come part by part (pipeline.pages.parts).

    worklist   exactly WORKLIST_COLUMNS, under a treatment policy TREATED_COLUMNS after them, IDENTITY last where it is
               looked for
               Money int64 minor units (net_value of reporting_currency, the rest of
               currency), NO_MONEY where missing; dates are dates or missing; contact_from and contact_until "HH:MM" on
               the debtor's clock
    deferred   account_id, rule, citation, first_permitted (int64 microseconds UTC, or missing), further columns follow
    excluded   account_id, rule, citation, further columns follow
    held_out   account_id, probability, further columns follow
    self_cure  account_id, p_if_left, added_value, further columns follow: those who very likely pay without our contact
    next_in_line   exactly NEXT_COLUMNS: the group below_capacity, in the order of the list
    scores     exactly PUBLISHED_SCORES; amounts in minor units
    watch      exactly WATCHED_COLUMNS: accounts before their due day by money at risk; None where nothing is watched
    receivables, open_items   exactly RECEIVABLE_COLUMNS and OPEN_ITEM_COLUMNS: commercial debtors, and their open
               items; None of a night without that view
    unusual    exactly UNUSUAL_COLUMNS: cases for a person to look at, for nobody who works the list; None where
               none are looked for
    proposals, routes, specialist   exactly PROPOSAL_COLUMNS, ROUTED_COLUMNS and SPECIALIST_COLUMNS; None of a night
               without a treatment policy
    audit      account_id and the terms of net_value, one row per listed account
    counts     scorable, and the eight groups that add up to it
    model      version and whatever else describes it: plain values, shown in this order
    complete_through   table -> last day it is complete for
    dialler    column of DIALLER_COLUMNS -> heading, in the order a dialler wants them; empty: no dialler.csv
    messages   exactly MESSAGE_COLUMNS, what machines are to send today; None of a night without reminders. texts: the
               words of each, for the page: message, variant, share, channel, language, subject, body
    demonstration   whether page and workbook take the night's day for the reader's, and say so
    manifest   what else the manifest says (inputs, versions, rates, warnings ...). Its `run` block alone may differ
               between equal nights
    """

    as_of: dt.date
    valid_until: dt.date
    reporting_currency: str
    worklist: pd.DataFrame
    deferred: Table
    excluded: Table
    held_out: Table
    self_cure: Table
    next_in_line: Table
    scores: Table
    counts: Mapping[str, int]
    model: Mapping[str, Any]
    complete_through: Mapping[str, dt.date]
    manifest: Mapping[str, Any]
    details: Details = field(default_factory=Details)
    audit: pd.DataFrame = field(default_factory=lambda: pd.DataFrame({"account_id": pd.Series(dtype=str)}))
    language: str = "en"
    dialler: Mapping[str, str] = field(default_factory=dict)
    watch: pd.DataFrame | None = None
    receivables: pd.DataFrame | None = None
    open_items: pd.DataFrame | None = None
    unusual: pd.DataFrame | None = None
    decimals: Mapping[str, int] = field(default_factory=lambda: DECIMALS)
    messages: pd.DataFrame | None = None
    texts: Sequence[Mapping[str, Any]] = ()
    proposals: pd.DataFrame | None = None
    routes: pd.DataFrame | None = None
    specialist: pd.DataFrame | None = None
    demonstration: bool = False

    def display(self) -> pd.DataFrame:
        """The display_* columns of the list, row by row, "" where nothing is told; none where none is delivered."""
        return self._display_of(self.worklist)

    def waiting(self) -> Table:
        """Those next in line, and beside each debtor the display_* columns: for page and workbook, in no other file."""
        return changed(self.next_in_line, self._with_display)

    def _with_display(self, held: pd.DataFrame) -> pd.DataFrame:
        at, shown = list(held).index("debtor_id") + 1, self._display_of(held).set_axis(held.index)
        return pd.concat([held.iloc[:, :at], shown, held.iloc[:, at:]], axis=1)

    def _display_of(self, rows: pd.DataFrame) -> pd.DataFrame:
        held = self.details.display
        told = held.drop_duplicates("account_id").set_index("account_id")
        told = told[[name for name in held if str(name).startswith(DISPLAY)]]
        return told.reindex(texts(rows["account_id"])).fillna("").astype("str").reset_index(drop=True)

    def to_dial(self) -> pd.DataFrame:
        """The list with the agent of each row, "" where no agent is planned, what it asks for, and of the display_*
        columns those that the dialler wants.
        """
        names, more = texts(self.worklist["account_id"]), ("agent", *ASKED_COLUMNS)
        found = self.audit.set_index("account_id").reindex(names)
        told = {name: found[name].to_numpy() for name in more if name in found}
        told["agent"] = texts(found["agent"]) if "agent" in found else [""] * len(names)
        shown = self.display().set_axis(self.worklist.index)
        told |= {name: shown.get(name, "") for name in self.dialler if name.startswith(DISPLAY)}
        return self.worklist.assign(**told)

    @property
    def verdict(self) -> str | None:
        """What the monitor said before it was published; None of a night that nobody judged."""
        return self.manifest.get("monitor", {}).get("verdict")

    def stops(self, words: Mapping[str, Any]) -> list[str]:
        """Why the monitor says stop, in the list's words; empty where it does not."""
        found = self.manifest.get("monitor", {}).get("findings", ())
        names = [each["name"] for each in found if each["verdict"] == "stop"]
        return [words["stops"].get(re.sub(r"\W+", "_", name).strip("_"), name) for name in names]

    def totals(self) -> dict[str, Any]:
        """What the list adds up to: debtors, net value in the reporting currency,
        the accounts' own money per currency, never added up.
        """
        listed = self.worklist
        per_currency = {
            str(currency): {"accounts": len(rows)}
            | {name: _sum(rows[name]) for name in ("balance", "arrears", "expected_recovery")}
            for currency, rows in listed.groupby(listed["currency"].astype(str), sort=True)
        }
        per_queue = {
            str(queue): {"debtors": len(rows), "net_value": _sum(rows["net_value"])}
            for queue, rows in listed.groupby(listed["queue"].astype(str), sort=True)
        }
        return {
            "debtors": len(listed),
            "net_value": _sum(listed["net_value"]),
            "reporting_currency": self.reporting_currency,
            "per_currency": per_currency,
            "per_queue": per_queue,
        }


def kind_of(frame: pd.DataFrame, column: str) -> str:
    """text, money, date, share, count, instant or number."""
    if column in KIND_OF_COLUMN:
        return KIND_OF_COLUMN[column]
    values = frame[column]
    if pd.api.types.is_bool_dtype(values):
        return "text"
    if pd.api.types.is_integer_dtype(values):
        return "count"
    return "number" if pd.api.types.is_float_dtype(values) else "text"


def currency_of(frame: pd.DataFrame, column: str, reporting_currency: str) -> list[str]:
    """The currency of each cell of a money column."""
    name = "reporting_currency" if column in IN_REPORTING_CURRENCY else "currency"
    return texts(frame[name]) if name in frame.columns else [reporting_currency] * len(frame)


def texts(values: pd.Series) -> list[str]:
    """Plain text of each cell, empty where missing."""
    if isinstance(values.dtype, pd.StringDtype):
        return values.fillna("").tolist()
    if isinstance(values.dtype, pd.CategoricalDtype):
        names = [*texts(pd.Series(values.cat.categories)), ""]  # the code of a missing cell is -1
        return [names[code] for code in values.cat.codes.tolist()]
    held = values.astype(object)
    return ["" if gone else str(value) for value, gone in zip(held, held.isna(), strict=True)]


def amounts(values: pd.Series) -> list[int | None]:
    """Minor units of each cell, None where missing."""
    if not len(values):
        return []
    if values.isna().any():
        return [None if gone else int(value) for value, gone in zip(values.astype(object), values.isna(), strict=True)]
    return [None if value == NO_MONEY else value for value in values.to_numpy(dtype="int64").tolist()]


def days(values: pd.Series) -> list[dt.date | None]:
    """The date of each cell, None where missing. Cells are dates, timestamps, or missing."""
    held = values.astype(object)
    return [None if gone else _day(value) for value, gone in zip(held, held.isna(), strict=True)]


def instants(values: pd.Series) -> list[dt.datetime | None]:
    """The UTC time of each cell, None where missing. Cells are int64 microseconds since 1970 or aware timestamps."""
    held = values.astype(object)
    return [
        None if gone or value == NO_TIME else _instant(value) for value, gone in zip(held, held.isna(), strict=True)
    ]


def figures(values: pd.Series) -> list[float | int | None]:
    """The number of each cell, None where missing or not finite."""
    if pd.api.types.is_integer_dtype(values) and not values.isna().any():
        return values.tolist()
    floats = values.to_numpy(dtype="float64", na_value=np.nan)
    return [value if finite else None for value, finite in zip(floats.tolist(), np.isfinite(floats), strict=True)]


def plain(value: Any) -> Any:
    """Values as JSON holds them: dates as text, numpy figures as numbers, a figure that is not finite as none."""
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    # pyrefly: ignore[implicit-any-type-argument]
    if isinstance(value, list | tuple | set | frozenset):
        # pyrefly: ignore[implicit-any-type-argument]
        return [plain(inner) for inner in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def _day(value: Any) -> dt.date:
    return value.date() if isinstance(value, dt.datetime) else value


def _instant(value: Any) -> dt.datetime:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC)
    return instant_of(value)


def _sum(values: pd.Series) -> int:
    return sum(value for value in amounts(values) if value is not None)
