"""What a night says of its commercial debtors: every open invoice, what is disputed, unapplied or credited, and how far
the house's dunning has come.

A dunning level holds from so many days past due on (params `receivables.levels`). A customer who usually pays a few
days late meets the first one when an item is later than his usual, and no later than the next one: usual is the mean
and one standard deviation of the days after the due day over the last year, where so many items were settled. What is
disputed is not dunned, nor what is within the book's `dpd_tolerance`, nor a debtor who is not to be contacted today.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from features.cohort import ours
from features.currencies import DECIMALS
from features.days import date_of, dates
from features.evidence import Evidence
from features.facts import LIMIT
from features.members import among
from features.open_items import UNTIED_COLUMNS, open_items, tells
from features.rhythm import figures
from pipeline.columns import OPEN_ITEM_COLUMNS, RECEIVABLE_COLUMNS
from pipeline.night.score import Job
from pipeline.panel.view import View, quiet_through, terms_of
from pipeline.params import Receivables
from pipeline.store.store import Store

USUAL = ("days_after_due_mean_365d", "days_after_due_std_365d", "items_settled_365d")
LEAST_SETTLED = 5  # items of the last year, before a customer's usual days are believed
# Why a debtor is not dunned: a rule that excluded.csv names; or he is not to be contacted today (deferred, a promise or
# plan among it), or at all for now (left alone by lot), which of them is nobody's to read here.
EXCLUDED, LEFT = "excluded", "left"
ORDER_STOPS = OVERDUE, OVER_LIMIT = "overdue", "limit"
ABOUT = {"account_id": "str", "debtor_id": "str", "portfolio": "str", "currency": "str", "balance": "int64"}
OWING = {**ABOUT, **dict.fromkeys(UNTIED_COLUMNS, "int64"), **dict.fromkeys((*USUAL, "limit_use"), "float64")}
OWING |= {"is_told": "bool", "tolerance": "int64"}
ITEMS = {**{name: kind for name, kind in ABOUT.items() if name != "balance"}, "charge_id": "str", "kind": "str"}
ITEMS |= {"due_on": "int32", "amount": "int64", "open": "int64", "is_disputed": "bool"}


def receivables_shard(job: Job, seen: View) -> tuple[pd.DataFrame, pd.DataFrame]:
    """ITEMS: the open items of a shard's commercial accounts; OWING: each of these accounts that owes or is owed
    something. Empty where the params have no `receivables`, or no charges and payments are delivered.
    """
    if job.params.receivables is None or not {"charges", "payments"} <= set(seen.tables):
        return _nothing(ITEMS), _nothing(OWING)
    store = Store(job.store_path)
    terms, complete = terms_of(store, job.params, job.versions), quiet_through(store, job.versions, job.params)
    known = ours(seen.tables, seen.ledger, [job.as_of], terms).frame
    rows = known[(known["debtor_type"] == "commercial").to_numpy()].reset_index(drop=True)
    if rows.empty:
        return _nothing(ITEMS), _nothing(OWING)
    evidence = Evidence(rows, seen.tables, terms, seen.ledger, complete)
    items, untied = open_items(evidence)
    told = rows[list(ABOUT)].astype(ABOUT)
    owing = pd.concat([told, untied, pd.DataFrame(figures(evidence, USUAL))[list(USUAL)]], axis=1)
    books = list(zip(told["portfolio"], told["currency"], strict=True))
    tolerance = np.array([terms.dpd_tolerance.get(book, 0) for book in books], np.int64)
    owing = owing.assign(limit_use=_limit_use(evidence, told), is_told=tells(evidence), tolerance=tolerance)
    place = items["row"].to_numpy()
    about = {name: owing[name].to_numpy()[place] for name in ITEMS if name in ABOUT}
    items = items.assign(**about)[list(ITEMS)].astype(ITEMS)
    owes = (owing["balance"] != 0) | (owing[list(UNTIED_COLUMNS)] != 0).any(axis=1)
    owes |= np.isin(np.arange(len(owing)), place)
    return items, owing[owes.to_numpy()].reset_index(drop=True)[list(OWING)].astype(OWING)


def _nothing(kinds: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series([], dtype=kind) for name, kind in kinds.items()})


def _limit_use(evidence: Evidence, rows: pd.DataFrame) -> np.ndarray:
    """Balance against the credit limit of each account, NaN without one."""
    if LIMIT not in evidence.tables["accounts"]:
        return np.full(len(rows), np.nan)
    limits = pd.to_numeric(evidence.of_account(LIMIT), errors="coerce").to_numpy(np.float64)
    units = rows["currency"].map(lambda currency: 10.0 ** DECIMALS[currency]).to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(limits > 0, rows["balance"].to_numpy(np.float64) / (limits * units), np.nan)


def receivables_of(
    items: Sequence[pd.DataFrame], owing: Sequence[pd.DataFrame], ranked: Iterable[pd.DataFrame], job: Job
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """RECEIVABLE_COLUMNS, most overdue in the reporting currency first; OPEN_ITEM_COLUMNS, by debtor in that order and
    due day; what the manifest says.

    items, owing: of all shards (receivables_shard). ranked: rows of the night with debtor_id and group, shard by shard.
    """
    own = job.params.receivables or Receivables()
    accounts = pd.concat(owing, ignore_index=True)
    held = _held(ranked, accounts["debtor_id"])
    begins = pd.Series(level_from(accounts, own), index=accounts["account_id"])
    rows = pd.concat(items, ignore_index=True)
    days = np.maximum(job.as_of - rows["due_on"].to_numpy(np.int64), 0)
    level = dunning_level(days, begins.reindex(rows["account_id"]).to_numpy(), own.levels)
    counts = (
        rows["open"].to_numpy() > accounts.set_index("account_id")["tolerance"].reindex(rows["account_id"]).to_numpy()
    )
    dunned = ~rows["is_disputed"].to_numpy() & ~rows["debtor_id"].isin(list(held)).to_numpy() & counts
    rows = rows.assign(
        days_past_due=days,
        counts=counts,
        dunning_level=np.where(dunned, level, 0),
        open_amount=rows["open"],
        invoiced=rows["amount"],
    )
    debtors = _debtors(rows, accounts.assign(level_from=begins.to_numpy()), own, job).assign(as_of=date_of(job.as_of))
    debtors["held"] = debtors["debtor_id"].map(lambda name: held.get(name, "")).astype("str")
    order = debtors.set_index(["debtor_id", "currency"])["rank"]
    place = order.reindex(pd.MultiIndex.from_frame(rows[["debtor_id", "currency"]])).to_numpy()
    rows = rows.assign(place=place).sort_values(["place", "due_on", "account_id", "charge_id"], ignore_index=True)
    rows = rows.assign(due_on=dates(rows["due_on"]), as_of=date_of(job.as_of))
    about = {
        "debtors": len(debtors),
        "items": len(rows),
        "levels": {
            str(level): int(many) for level, many in debtors["dunning_level"].value_counts().sort_index().items()
        },
        "order_stops": int((debtors["order_stop"] != "").sum()),
        "without_items": sorted(accounts.loc[~accounts["is_told"], "portfolio"].unique()),
    }
    return debtors[list(RECEIVABLE_COLUMNS)], rows[list(OPEN_ITEM_COLUMNS)], about


def _held(ranked: Iterable[pd.DataFrame], debtors: pd.Series) -> dict[str, str]:
    """Of these debtors, those who are EXCLUDED or LEFT by any of their accounts."""
    found: dict[str, str] = {}
    for rows in ranked:
        own = rows[among(rows["debtor_id"], debtors)]
        for groups, why in ((("deferred", "held_out"), LEFT), (("excluded",), EXCLUDED)):
            found |= dict.fromkeys(own["debtor_id"][own["group"].isin(groups)].astype("str"), why)
    return found


def level_from(accounts: pd.DataFrame, own: Receivables) -> np.ndarray:
    """int64: days past due from which the first dunning level holds of each account, by its debtor's usual days."""
    mean, spread, settled = (accounts[name].to_numpy(np.float64) for name in USUAL)
    believed = np.nan_to_num(settled) >= LEAST_SETTLED
    usual = np.where(believed, np.floor(np.nan_to_num(mean + spread)) + 1, 0)
    last = own.levels[1] - 1 if len(own.levels) > 1 else own.levels[0]
    return np.clip(usual, own.levels[0], last).astype(np.int64)


def dunning_level(days: np.ndarray, begins: np.ndarray, levels: Sequence[int]) -> np.ndarray:
    """int64: how many levels hold after so many days past due; the first of them from `begins` on."""
    reached = np.searchsorted(np.asarray(levels[1:], np.int64), days, side="right")
    return np.where(days >= begins, 1 + reached, 0).astype(np.int64)


def _debtors(rows: pd.DataFrame, accounts: pd.DataFrame, own: Receivables, job: Job) -> pd.DataFrame:
    """One row per debtor and currency, ranked, without as_of and held; a currency without a rate comes last."""
    keys = ["debtor_id", "currency"]
    late = rows["days_past_due"] > 0
    split = rows.assign(
        items=1,
        overdue=rows["open_amount"].where(late & ~rows["is_disputed"], 0),
        disputed=rows["open_amount"].where(rows["is_disputed"], 0),
        oldest_days=rows["days_past_due"].where(~rows["is_disputed"] & rows["counts"], 0),
    )
    summed = split.groupby(keys, sort=True)[["items", "open_amount", "overdue", "disputed"]].sum()
    worst = split.groupby(keys, sort=True)[["oldest_days", "dunning_level"]].max()
    grouped = accounts.assign(usual_days=accounts[USUAL[0]].round(1)).groupby(keys, sort=True)
    found = grouped[["unapplied", "credit_notes", "balance"]].sum().join(grouped[["limit_use", "level_from"]].max())
    found = found.join(grouped.size().rename("accounts")).join(grouped["usual_days"].first()).join(summed).join(worst)
    whole = ["items", "open_amount", "overdue", "disputed", "oldest_days", "dunning_level"]
    found[whole] = found[whole].fillna(0).astype("int64")
    stops = {OVERDUE: found["oldest_days"] >= own.order_stop_days, OVER_LIMIT: found["limit_use"] > 1}
    said = [np.where(holds, name, "") for name, holds in stops.items()]
    found["order_stop"] = [" ".join(filter(None, told)) for told in zip(*said, strict=True)]
    found = found.reset_index()
    money = job.params.money
    rates = {**money.rates, money.reporting_currency: 1.0}
    units = {code: rate / 10 ** DECIMALS[code] for code, rate in rates.items() if code in DECIMALS}
    worth = found["overdue"].to_numpy(np.float64) * found["currency"].map(units).fillna(0.0).to_numpy(np.float64)
    order = np.lexsort((found["currency"], found["debtor_id"], -worth))
    found = found.iloc[order].reset_index(drop=True)
    return found.assign(rank=np.arange(1, len(found) + 1, dtype=np.int64))
