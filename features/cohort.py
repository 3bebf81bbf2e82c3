"""Which accounts are scorable on a night, and which are watched before their due day: the (account, as_of) spine,
and every other known account counted by reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from features.doors import ALWAYS, for_scorable
from features.errors import ContractError
from features.ledger import READ, Ledger, figures_at, history
from features.statuses import StatusLog
from features.tables import NO_DAY, NUMBERS, InnerTables
from features.terms import Terms, WatchTerms
from features.versions import arranged, column, superseded_on

# Days past due, as reports, gates and strata divide them; models.baseline.LATE_NAMES are finer,
# features.catalogue.ROLL_FROM coarser.
BUCKETS = ("0", "1-29", "30-59", "60-89", "90-179", "180+")
BUCKET_FROM = (0, 1, 30, 60, 90, 180)

# Every known account has exactly one of these, the first that holds.
REASONS = ("closed", "sold", "agency", "no_balance", "not_due", "scorable")
# The same of the watch cohort: `overdue` is what is scorable; a book that delivers no charges tells no due day ahead.
WATCH_REASONS = ("closed", "sold", "agency", "overdue", "no_charges", "nothing_due", "watch")

COHORT_COLUMNS = (
    "account_no",
    "account_id",
    "debtor_id",
    "as_of",
    "portfolio",
    "product",
    "currency",
    "debtor_type",
    "jurisdiction",
    "time_zone",
    "placed_on",
    "opened_on",
    "balance",
    "arrears",
    "days_past_due",
)
# next_due_on  the day from which days past due would count if nothing more were paid
# due_amount   minor units that would be in arrears at the end of the window then
WATCH_COLUMNS = (*COHORT_COLUMNS, "next_due_on", "due_amount")
FROM_ACCOUNTS = tuple(
    name for name in COHORT_COLUMNS if name not in ("as_of", "placed_on", "balance", "arrears", "days_past_due")
)


@dataclass(frozen=True)
class Cohort:
    """Scorable accounts on some nights, or those of the watch cohort.

    frame   one row per account and night, sorted by account_no, as_of; COHORT_COLUMNS or WATCH_COLUMNS, each as known
            on that night (placed_on empty while it lies ahead), money in minor units
    counts  as_of, portfolio, reason, accounts: all accounts known on the night, each in one of REASONS (WATCH_REASONS)
    """

    frame: pd.DataFrame
    counts: pd.DataFrame


def scorable(tables: Mapping[str, pd.DataFrame], ledger: Ledger | None, as_of: Sequence[int], terms: Terms) -> Cohort:
    """The accounts with a balance that are in arrears or placed before the night, and not closed, sold or at an agency.

    as_of   day numbers, in any order; repeated nights count once
    ledger  of features.ledger.history over the nights; made with `terms` where None
    Raises ContractError for missing columns, UsageError where the ledger does not reach a night.
    """
    found, ledger = _standing(tables, ledger, as_of, terms)
    return found.cohort(np.flatnonzero(found.reason == REASONS.index("scorable")), REASONS)


def scorable_on(tables: Mapping[str, pd.DataFrame], ledger: Ledger, as_of: Sequence[int], terms: Terms) -> pd.DataFrame:
    """account_no, as_of and portfolio of the rows of `scorable`, for who asks of many nights and needs no more."""
    found, _ = _standing(tables, ledger, as_of, terms)
    keep = np.flatnonzero(found.reason == REASONS.index("scorable"))
    portfolio = found.accounts["portfolio"].iloc[found.row[keep]].reset_index(drop=True)
    return pd.DataFrame({"account_no": found.account_no[keep], "as_of": found.night[keep], "portfolio": portfolio})


def ours(tables: Mapping[str, pd.DataFrame], ledger: Ledger | None, as_of: Sequence[int], terms: Terms) -> Cohort:
    """The accounts that are not closed, sold or at an agency, whatever they owe. Arguments and errors as of `scorable`;
    counts by REASONS.
    """
    found, _ = _standing(tables, ledger, as_of, terms)
    gone = [REASONS.index(name) for name in ("closed", "sold", "agency")]
    return found.cohort(np.flatnonzero(~np.isin(found.reason, gone)), REASONS)


def watched(
    tables: Mapping[str, pd.DataFrame], ledger: Ledger | None, as_of: Sequence[int], terms: Terms, watch: WatchTerms
) -> Cohort:
    """The accounts that are not scorable, closed, sold or at an agency, of which something unpaid falls due in
    [as_of, as_of + watch.days_ahead): what the ledger would show at the end of the window if nothing more became known.

    Arguments and errors as of `scorable`.
    """
    found, ledger = _standing(tables, ledger, as_of, terms)
    asks = np.isin(found.reason, [REASONS.index(name) for name in ("no_balance", "not_due")])
    charged = _charged(found, tables, terms)
    due, next_due_on = np.zeros(found.row.size, np.int64), np.full(found.row.size, NO_DAY, np.int32)
    for night in found.nights:
        rows = np.flatnonzero((found.night == night) & asks & charged)
        if rows.size:
            due[rows], next_due_on[rows] = _falling_due(tables, found.account_no[rows], int(night), terms, watch)
    falls_due = asks & charged & (next_due_on != NO_DAY)
    told = {name: WATCH_REASONS.index(name) for name in ("closed", "sold", "agency")}
    told |= {"scorable": WATCH_REASONS.index("overdue")}
    reason = np.array([told.get(name, WATCH_REASONS.index("nothing_due")) for name in REASONS], np.int8)[found.reason]
    reason[asks & ~charged] = WATCH_REASONS.index("no_charges")
    reason[falls_due] = WATCH_REASONS.index("watch")
    keep = np.flatnonzero(falls_due)
    cohort = replace(found, reason=reason).cohort(keep, WATCH_REASONS)
    return replace(cohort, frame=cohort.frame.assign(next_due_on=next_due_on[keep], due_amount=due[keep]))


@dataclass(frozen=True)
class _Standing:
    """Every account known on some nights, each with its figures and the first of REASONS that holds."""

    accounts: pd.DataFrame
    nights: np.ndarray
    row: np.ndarray
    night: np.ndarray
    placed_on: np.ndarray
    balance: np.ndarray
    arrears: np.ndarray
    days_past_due: np.ndarray
    reason: np.ndarray

    @property
    def account_no(self) -> np.ndarray:
        return self.accounts["account_no"].to_numpy()[self.row]

    def cohort(self, keep: np.ndarray, reasons: Sequence[str]) -> Cohort:
        """Of the accounts at the places kept; all are counted."""
        found = {name: self.accounts[name].iloc[self.row[keep]].reset_index(drop=True) for name in FROM_ACCOUNTS}
        for name in ("placed_on", "balance", "arrears", "days_past_due"):
            found[name] = getattr(self, name)[keep]
        found["as_of"] = self.night[keep]
        counts = _counts(self.nights, self.night, self.accounts["portfolio"], self.row, self.reason, reasons)
        return Cohort(pd.DataFrame(found)[list(COHORT_COLUMNS)], counts)


def _standing(
    tables: Mapping[str, pd.DataFrame], ledger: Ledger | None, as_of: Sequence[int], terms: Terms
) -> tuple[_Standing, Ledger]:
    tables = for_scorable(tables, FROM_ACCOUNTS)
    nights = np.unique(np.asarray(list(as_of), dtype=np.int64)).astype(np.int32)
    if ledger is None:
        ledger = history(tables, terms, last_day=int(nights.max()) if nights.size else None)
    known = arranged(tables["accounts"], "accounts") if "accounts" in tables else None
    if known is None:
        raise ContractError(f"A cohort needs the table 'accounts'. Got {', '.join(sorted(tables)) or 'none'}.")
    row, night = _versions_on(known, nights)
    account_no = known["account_no"].to_numpy()[row]
    balance, arrears, days_past_due = figures_at(ledger, account_no, night)
    placed_on = column(known, "placed_on", np.int32, "accounts")[row]
    placed_on = np.where(placed_on < night, placed_on, NO_DAY).astype(np.int32)

    reason = np.full(row.size, REASONS.index("scorable"), np.int8)
    reason[(arrears <= 0) & (placed_on == NO_DAY)] = REASONS.index("not_due")
    reason[balance <= 0] = REASONS.index("no_balance")
    statuses = StatusLog(tables, account_no)
    for status in ("agency", "sold", "closed"):
        reason[statuses.in_force(night, [status])] = REASONS.index(status)

    absent = [name for name in FROM_ACCOUNTS if name not in known]
    if absent:
        raise ContractError.missing_columns("accounts", absent, known.columns)
    return _Standing(known, nights, row, night, placed_on, balance, arrears, days_past_due, reason), ledger


def _charged(found: _Standing, tables: Mapping[str, pd.DataFrame], terms: Terms) -> np.ndarray:
    """bool per row: whether the account's book delivers charges."""
    if "charges" not in tables:
        return np.zeros(found.row.size, bool)
    without = [name for name, names in terms.delivers.items() if "charges" not in names]
    return ~found.accounts["portfolio"].isin(without).to_numpy()[found.row]


def _falling_due(
    tables: Mapping[str, pd.DataFrame], account_no: np.ndarray, night: int, terms: Terms, watch: WatchTerms
) -> tuple[np.ndarray, np.ndarray]:
    """due_amount and next_due_on of accounts that are not overdue on the night; NO_DAY where nothing falls due."""
    end = night + watch.days_ahead
    seen = InnerTables({name: _in_sight(tables[name], name, night) for name in READ if name in tables})
    ahead = history(seen, terms, first_day=end, last_day=end)
    _, arrears, days_past_due = figures_at(ahead, account_no, np.full(account_no.size, end, np.int32))
    falls_due = days_past_due > 0
    next_due_on = np.where(falls_due, np.maximum(end - days_past_due, night), NO_DAY).astype(np.int32)
    return np.where(falls_due, arrears, 0), next_due_on


def _in_sight(frame: pd.DataFrame, table: str, night: int) -> pd.DataFrame:
    """The rows known before the night; where some are not, without the texts that a ledger looks at by number or not at
    all.
    """
    rows = frame["known_on"].to_numpy() < night
    if rows.all():
        return frame
    needed = [
        name
        for name, kind in frame.dtypes.items()
        if table == "accounts"
        or not isinstance(kind, pd.StringDtype)
        or (NUMBERS[name] not in frame if name in NUMBERS else name in ALWAYS[table])
    ]
    return frame[needed][rows]


def known(tables: Mapping[str, pd.DataFrame], as_of: Sequence[int]) -> pd.DataFrame:
    """account_no, account_id, as_of of every account known on each night, scorable or not, sorted by account_no,
    as_of.
    """
    nights = np.unique(np.asarray(list(as_of), dtype=np.int64)).astype(np.int32)
    accounts = arranged(tables["accounts"], "accounts")
    row, night = _versions_on(accounts, nights)
    found = {name: accounts[name].iloc[row].reset_index(drop=True) for name in ("account_no", "account_id")}
    return pd.DataFrame({**found, "as_of": night})


def bucket(days_past_due: np.ndarray | pd.Series) -> pd.Categorical:
    """The arrears bucket of each days past due, ordered as in BUCKETS."""
    codes = np.searchsorted(BUCKET_FROM, np.asarray(days_past_due), side="right") - 1
    return pd.Categorical.from_codes(codes, categories=list(BUCKETS), ordered=True)


def _versions_on(known: pd.DataFrame, nights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the account versions in force on each night, with the night; sorted by account_no, night."""
    known_on = column(known, "known_on", np.int32, "accounts")
    first = np.searchsorted(nights, known_on, side="right")  # known_on < night <= superseded_on
    last = np.searchsorted(nights, superseded_on(known, ["account_no"], "accounts"), side="right")
    counts = np.maximum(last - first, 0)
    row = np.repeat(np.arange(len(known)), counts)
    place = np.arange(row.size) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
    night = nights[place].astype(np.int32)
    order = np.lexsort((night, known["account_no"].to_numpy()[row]))
    return row[order], night[order]


def _counts(
    nights: np.ndarray,
    night: np.ndarray,
    portfolio: pd.Series,
    row: np.ndarray,
    reason: np.ndarray,
    reasons: Sequence[str],
) -> pd.DataFrame:
    """Accounts per night, portfolio and reason; every reason is listed for every portfolio known that night,
    so that shards add up.
    """
    codes, names = pd.factorize(portfolio.astype("str"), sort=True)
    shape = (nights.size, len(names), len(reasons))
    cells = (
        np.ravel_multi_index((np.searchsorted(nights, night), codes[row], reason), shape)
        if row.size
        else np.empty(0, np.int64)
    )
    accounts = np.bincount(cells, minlength=int(np.prod(shape))).reshape(-1, len(reasons))
    known = np.flatnonzero(accounts.sum(axis=1))
    of_night, of_portfolio = np.divmod(known, max(len(names), 1))
    return pd.DataFrame(
        {
            "as_of": np.repeat(nights[of_night], len(reasons)),
            "portfolio": pd.Series(np.repeat(np.asarray(names, object)[of_portfolio], len(reasons)), dtype="str"),
            "reason": pd.Series(np.tile(np.array(reasons, object), known.size), dtype="str"),
            "accounts": accounts[known].ravel().astype(np.int64),
        }
    )
