"""Which accounts are scorable on a night: the (account, as_of) spine,
and every other known account counted by reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.doors import for_scorable
from features.errors import ContractError
from features.ledger import Ledger, figures_at, history
from features.statuses import StatusLog
from features.tables import NO_DAY
from features.terms import Terms
from features.versions import arranged, column, superseded_on

# Days past due, as reports, gates and strata divide them; models.baseline.LATE_NAMES are finer,
# features.catalogue.ROLL_FROM coarser.
BUCKETS = ("0", "1-29", "30-59", "60-89", "90-179", "180+")
BUCKET_FROM = (0, 1, 30, 60, 90, 180)

# Every known account has exactly one of these, the first that holds.
REASONS = ("closed", "sold", "agency", "no_balance", "not_due", "scorable")

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
FROM_ACCOUNTS = tuple(
    name for name in COHORT_COLUMNS if name not in ("as_of", "placed_on", "balance", "arrears", "days_past_due")
)


@dataclass(frozen=True)
class Cohort:
    """Scorable accounts on some nights.

    frame   one row per scorable account and night, sorted by account_no, as_of; COHORT_COLUMNS, each as known on that
            night (placed_on empty while it lies ahead), money in minor units
    counts  as_of, portfolio, reason, accounts: all accounts known on the night, each in one of REASONS
    """

    frame: pd.DataFrame
    counts: pd.DataFrame


def scorable(tables: Mapping[str, pd.DataFrame], ledger: Ledger | None, as_of: Sequence[int], terms: Terms) -> Cohort:
    """The accounts with a balance that are in arrears or placed before the night, and not closed, sold or at an agency.

    as_of   day numbers, in any order; repeated nights count once
    ledger  of features.ledger.history over the nights; made with `terms` where None
    Raises ContractError for missing columns, UsageError where the ledger does not reach a night.
    """
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
    keep = np.flatnonzero(reason == REASONS.index("scorable"))
    found = {name: known[name].iloc[row[keep]].reset_index(drop=True) for name in FROM_ACCOUNTS}
    found |= {"as_of": night[keep], "placed_on": placed_on[keep], "balance": balance[keep], "arrears": arrears[keep]}
    found |= {"days_past_due": days_past_due[keep]}
    return Cohort(pd.DataFrame(found)[list(COHORT_COLUMNS)], _counts(nights, night, known["portfolio"], row, reason))


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
    nights: np.ndarray, night: np.ndarray, portfolio: pd.Series, row: np.ndarray, reason: np.ndarray
) -> pd.DataFrame:
    """Accounts per night, portfolio and reason; every reason is listed for every portfolio known that night,
    so that shards add up.
    """
    codes, names = pd.factorize(portfolio.astype("str"), sort=True)
    shape = (nights.size, len(names), len(REASONS))
    cells = (
        np.ravel_multi_index((np.searchsorted(nights, night), codes[row], reason), shape)
        if row.size
        else np.empty(0, np.int64)
    )
    accounts = np.bincount(cells, minlength=int(np.prod(shape))).reshape(-1, len(REASONS))
    known = np.flatnonzero(accounts.sum(axis=1))
    of_night, of_portfolio = np.divmod(known, max(len(names), 1))
    return pd.DataFrame(
        {
            "as_of": np.repeat(nights[of_night], len(REASONS)),
            "portfolio": pd.Series(np.repeat(np.asarray(names, object)[of_portfolio], len(REASONS)), dtype="str"),
            "reason": pd.Series(np.tile(np.array(REASONS, object), known.size), dtype="str"),
            "accounts": accounts[known].ravel().astype(np.int64),
        }
    )
