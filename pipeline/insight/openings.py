"""Accounts from their opening on: what was known of each then, and what had become of it once it was as old as the
others that it is compared with.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from features.catalogue import CATALOGUE
from features.currencies import DECIMALS
from features.days import date_of, dates
from features.declarations import Catalogue
from features.errors import InputMissing
from features.tables import NO_DAY, NO_MONEY
from models.split import debtor_folds
from pipeline.panel.panel import payments_through
from pipeline.panel.view import features_of
from pipeline.params import Params
from pipeline.store.store import Store

ROLLED, FIRST_PAYMENT = "rolled", "first_payment_default"
FIGURES = ("balance", "arrears", "days_past_due", FIRST_PAYMENT)
MONTH = 30.4375
SHORT = 28  # days past due below which first days of months are too far apart
MOST_MONTHS = 24  # of a curve
UNTOLD = ("sold", "outcome_unknown")  # statuses after which what becomes of an account is not seen
LATE, UNKNOWN, NOT_OBSERVED, NO_OPENING = "late", "unknown", "not_observed", "no_opening"  # why one is left out
SETTLED = "settled"
BUCKETS = (("in time", 0), ("1 to 29", 1), ("30 to 59", 30), ("60 to 89", 60), ("90 and more", 90))


@dataclass(frozen=True)
class Openings:
    """accounts: one row each, opened within what is delivered, of account_id, debtor_id, portfolio, product,
    debtor_type, currency, opened (day number), principal and x_*; ROLLED and FIRST_PAYMENT (1, 0 or missing where it
    is not as old yet, or cannot be told); loss: balance in minor units at the end of the window where it was still
    past due so far, else 0, missing where ROLLED is. audits: the audit_* columns of the same rows. nights:
    account_no, as_of, days_past_due, balance of the same accounts on first days of months. left_out: reason ->
    accounts. through: portfolio -> last day that is all there. followed: books none of whose accounts was opened within
    what is delivered -> the two days, by a lot of the debtor, that stand for their opening.
    """

    accounts: pd.DataFrame
    audits: pd.DataFrame
    nights: pd.DataFrame
    left_out: dict[str, int]
    through: dict[str, int]
    within_days: int
    bad_dpd: int
    followed: dict[str, tuple[int, int]] = field(default_factory=dict)


def openings(store: Store, params: Params, within_days: int, bad_dpd: int) -> Openings:
    """Read the store once. within_days: from its opening, in which an account is watched; bad_dpd: days past due, on a
    first of a month within them, that count as rolled; below SHORT on a Monday too. Raises InputMissing without
    payments, or where none was opened within what is delivered.
    """
    accounts = _newest(store)
    through = payments_through(store)
    starts = store.first_day(("payments", "charges", "balances"))
    first = max(store.span("payments")[0], starts if starts is not None else NO_DAY)
    opened = accounts["opened"].to_numpy()
    told = opened != NO_DAY
    seen = told & (opened >= first)
    last = max(through.values())
    nights = _nights(first, last + 1, weekly=bad_dpd < SHORT)
    figures = _figures(store, params, nights)
    standing = ~accounts["portfolio"].isin(accounts.loc[seen, "portfolio"]).to_numpy()
    late, followed = np.zeros(len(accounts), bool), {}
    begins = [night for night in nights if date_of(night).day == 1 and night + within_days <= last]
    if standing.any() and begins:
        days = np.where(debtor_folds(accounts["debtor_id"], 2, params.seed) == 0, begins[0], begins[-1])
        accounts["opened"] = np.where(standing, days, opened)
        late = standing & ~_in_time(accounts, figures, bad_dpd)
        seen = seen | (standing & ~late)
        books = sorted(accounts.loc[standing & seen, "portfolio"].unique())
        followed = dict.fromkeys(books, (begins[0], begins[-1]))
    lost = ~seen & ~late
    left_out = {NO_OPENING: int((lost & ~told).sum()), NOT_OBSERVED: int((lost & told).sum()), LATE: int(late.sum())}
    accounts = accounts[seen].reset_index(drop=True)
    if accounts.empty:
        raise InputMissing(
            f"No account was opened from {date_of(first)} on, the first day with payments: what became of one from its "
            "opening on cannot be told. Deliver more history."
        )
    since = accounts.set_index("account_no")["opened"].reindex(figures["account_no"]).to_numpy(dtype=np.float64)
    figures = figures[figures["as_of"].to_numpy() >= since].reset_index(drop=True)  # of others since is missing
    accounts = _with_outcomes(accounts, figures, through, within_days, bad_dpd)
    unknown = _unknown(store, accounts, within_days)
    accounts.loc[unknown, [ROLLED, FIRST_PAYMENT, "loss"]] = np.nan
    left_out[UNKNOWN] = int(unknown.sum())
    audits = accounts[[name for name in accounts if name.startswith("audit_")]]
    kept = accounts.drop(columns=list(audits.columns))
    found = {name: count for name, count in left_out.items() if count}
    return Openings(kept, audits, figures, found, dict(through), within_days, bad_dpd, followed)


def _in_time(accounts: pd.DataFrame, figures: pd.DataFrame, bad_dpd: int) -> np.ndarray:
    """Whether each account was known, and less than bad_dpd days past due, on the day from which it is followed."""
    on = figures.set_index(["account_no", "as_of"])["days_past_due"]
    then = on.reindex(pd.MultiIndex.from_frame(accounts[["account_no", "opened"]])).to_numpy(dtype=np.float64)
    return then < bad_dpd  # missing is never below


def _nights(first: int, last: int, weekly: bool) -> list[int]:
    """First days of months, with Mondays between them where lateness of less than a month counts."""
    days = range(first + 1, last + 1)
    return [day for day in days if date_of(day).day == 1 or (weekly and date_of(day).weekday() == 0)]


def _newest(store: Store) -> pd.DataFrame:
    """Every account as first told, but whose it is as last told: facts of its opening do not change."""
    versions = store.versions()
    extras = [name for name in store.extra_columns("accounts", versions) if name.startswith(("x_", "audit_"))]
    wanted = ["account_no", "account_id", "debtor_id", "portfolio", "product", "debtor_type", "currency", "opened_on"]
    wanted += ["principal", "known_at", *extras]
    frame = store.tables(names=["accounts"], columns={"accounts": wanted}, versions=versions)["accounts"]
    frame = frame[wanted].sort_values(["account_no", "known_at"], kind="stable")
    told = frame.drop_duplicates("account_no", keep="first").reset_index(drop=True)
    last = frame.drop_duplicates("account_no", keep="last").reset_index(drop=True)
    told["debtor_id"] = last["debtor_id"]
    for name in ("account_id", "debtor_id", "portfolio", "product", "debtor_type", "currency"):
        told[name] = told[name].astype("str")
    units = 10.0 ** told["currency"].map(DECIMALS).to_numpy(dtype=np.float64)
    money = told["principal"].to_numpy()
    told["principal"] = np.where(money == NO_MONEY, np.nan, money / units)
    return told.rename(columns={"opened_on": "opened"}).drop(columns="known_at")


def _unknown(store: Store, accounts: pd.DataFrame, within_days: int) -> np.ndarray:
    """Accounts that were sold, or of which nobody knows what became, before their days were over: bool per row."""
    versions = store.versions()
    if "statuses" not in versions:
        return np.zeros(len(accounts), bool)
    statuses = store.tables(names=["statuses"], columns={"statuses": ["account_no", "status", "from_on"]})["statuses"]
    told = statuses[statuses["status"].isin(UNTOLD)]
    first = told.groupby("account_no")["from_on"].min().reindex(accounts["account_no"]).to_numpy(dtype=np.float64)
    return first < accounts["opened"].to_numpy() + within_days  # missing is never below


def _figures(store: Store, params: Params, nights: list[int]) -> pd.DataFrame:
    catalogue = Catalogue([CATALOGUE[name] for name in FIGURES if name in CATALOGUE])
    cohort, matrix = features_of(store, nights, params, catalogue, everyone=True)
    return pd.concat([cohort[["account_no", "as_of"]], matrix], axis=1)


def _with_outcomes(
    accounts: pd.DataFrame, figures: pd.DataFrame, through: dict[str, int], within_days: int, bad_dpd: int
) -> pd.DataFrame:
    opened = accounts.set_index("account_no")["opened"]
    age = figures["as_of"].to_numpy() - opened.reindex(figures["account_no"]).to_numpy()
    inside = figures[(age >= 0) & (age <= within_days)]
    by = inside.groupby("account_no", sort=False)
    worst, at_end = by["days_past_due"].max(), by.last()
    reach = accounts["portfolio"].map(through).fillna(max(through.values())).to_numpy()
    is_old = accounts["opened"].to_numpy() + within_days <= reach
    most = worst.reindex(accounts["account_no"]).to_numpy(dtype=np.float64)
    rolled = np.where(is_old & ~np.isnan(most), (most >= bad_dpd).astype(np.float64), np.nan)
    end = at_end.reindex(accounts["account_no"])
    owed = np.where(end["days_past_due"].to_numpy() >= bad_dpd, end["balance"].to_numpy(dtype=np.float64), 0.0)
    found = accounts.assign(**{ROLLED: rolled, "loss": np.where(np.isnan(rolled), np.nan, np.maximum(owed, 0.0))})
    last = figures.groupby("account_no", sort=False)[FIRST_PAYMENT].last() if FIRST_PAYMENT in figures else None
    found[FIRST_PAYMENT] = np.nan if last is None else last.reindex(accounts["account_no"]).to_numpy(dtype=np.float64)
    return found


def curves(of: Openings, dimension: np.ndarray, least: int) -> pd.DataFrame:
    """Share of accounts that had rolled by each age, by class of a dimension and quarter of opening: class, quarter,
    months, accounts, rolled. An age is told only where all of the quarter had reached it, of `least` accounts or more.
    """
    accounts = of.accounts.assign(cls=dimension, quarter=quarters(of.accounts["opened"].to_numpy()))
    opened = accounts.set_index("account_no")["opened"]
    late = of.nights[of.nights["days_past_due"] >= of.bad_dpd].groupby("account_no", sort=False)["as_of"].min()
    age = np.floor((late - opened.reindex(late.index)) / MONTH)
    accounts["from_month"] = age.reindex(accounts["account_no"]).fillna(np.inf).to_numpy()
    reach = accounts["portfolio"].map(of.through).fillna(max(of.through.values())).to_numpy()
    accounts["oldest"] = np.floor((reach - accounts["opened"].to_numpy()) / MONTH) - 1
    told = []
    for (cls, quarter), own in accounts.groupby(["cls", "quarter"]):
        ages = range(min(int(own["oldest"].min()), MOST_MONTHS) + 1) if len(own) >= least else ()
        from_month = own["from_month"].to_numpy()
        told += [(cls, quarter, month, len(own), float((from_month <= month).mean())) for month in ages]
    return pd.DataFrame(told, columns=["cls", "quarter", "months", "accounts", "rolled"])


def rolls(of: Openings) -> pd.DataFrame:
    """From one first of a month to the next: portfolio, before, after, accounts, share of those before."""
    nights = of.nights[[date_of(day).day == 1 for day in of.nights["as_of"]]]
    figures = nights[nights["balance"] > 0]
    edges = [least for _, least in BUCKETS]
    names = np.array([name for name, _ in BUCKETS])
    told = nights.assign(bucket=np.searchsorted(edges, nights["days_past_due"].fillna(0), side="right") - 1)
    told["after"] = np.where(told["balance"] > 0, names[told["bucket"].to_numpy()], SETTLED)
    told["then"] = told.groupby("account_no")["after"].shift(-1)
    told = told.loc[figures.index].dropna(subset=["then"])
    told = told.merge(of.accounts[["account_no", "portfolio"]], on="account_no")
    counts = told.groupby(["portfolio", "after", "then"]).size().rename("accounts").reset_index()
    whole = counts.groupby(["portfolio", "after"])["accounts"].transform("sum")
    counts["share"] = counts["accounts"] / whole
    return counts.rename(columns={"after": "before", "then": "after"})


def quarters(days: np.ndarray) -> np.ndarray:
    """2026-Q1 of each day number."""
    told = pd.Series(dates(days)).dt
    return (told.year.astype(str) + "-Q" + told.quarter.astype(str)).to_numpy()


def months(days: np.ndarray) -> np.ndarray:
    """2026-01 of each day number."""
    return pd.Series(dates(days)).dt.strftime("%Y-%m").to_numpy()
