"""Offers as they came: until when each may be taken, until when a settlement that was accepted is to be paid, and on
which day it was. Nights and what is learnt of offers read it by these functions alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.settlements import Settlements, net_payments
from features.tables import NO_DAY, NO_MONEY, numbered
from features.versions import arranged, key_of
from pipeline.law.question import Sight

ACCEPTED, SETTLEMENT = "accepted", "settlement"  # an outcome and a kind of the table `offers`
DAYS_UNSAID = 30  # that an offer may be taken, and a settlement be paid, where neither it nor a policy says
CAME_COLUMNS = ("is_accepted", "taken_until", "paid_until", "over_on", "paid_on")


def came_of(rows: pd.DataFrame, told: pd.DataFrame, paid: pd.DataFrame, days: int) -> pd.DataFrame:
    """CAME_COLUMNS of offers, index as the rows'.

    rows: the newest version of each offer; told: every version known, of which the first that says `accepted` tells
    when it was; paid: account_no, occurred_on, amount, net; days: in which the policy has a settlement paid.

    taken_until  valid_until; where that is empty, first_due_on, or `days` after the offer was made
    paid_until   of an accepted settlement the later of valid_until and `days` after it was first known to be accepted,
                 which counts as no later than taken_until; of any other accepted offer the later of valid_until and
                 first_due_on; NO_DAY of the others
    over_on      the first day on which what came of it is settled whatever it was, so that one that is accepted ripens
                 no later than one that is refused
    paid_on      of an accepted settlement the day on which its amount was there, from made_on on and through
                 paid_until; NO_DAY where it never was, or nobody said how much it is
    """
    kind, made = rows["kind"].astype("str").to_numpy(object), rows["made_on"].to_numpy(np.int64)
    valid, first = (whole_of(rows, name, NO_DAY) for name in ("valid_until", "first_due_on"))
    accepted = (rows["outcome"].astype(object).fillna("").astype("str") == ACCEPTED).to_numpy(bool)
    settles = kind == SETTLEMENT
    taken = np.where(valid != NO_DAY, valid, np.where((first != NO_DAY) & ~settles, first, made + days))
    paid_by = np.where(settles, np.minimum(_accepted_on(told, rows), taken) + days, first)
    until = np.where(accepted, np.maximum(valid, paid_by), NO_DAY)
    amount = whole_of(rows, "amount", NO_MONEY)
    asked = np.flatnonzero(accepted & settles & (amount != NO_MONEY))
    there = np.full(len(rows), NO_DAY)
    there[asked] = _paid_on(paid, rows["account_no"].to_numpy()[asked], made[asked], until[asked], amount[asked])
    over = np.where(settles, taken + days, taken) + 1
    found = pd.DataFrame({"taken_until": taken, "paid_until": until, "over_on": over, "paid_on": there})
    return found.set_index(rows.index).assign(is_accepted=accepted)[list(CAME_COLUMNS)]


def money_of(settled: Settlements | None, night: int) -> pd.DataFrame:
    """account_no, occurred_on, amount of the payments known before the night; no row where none are delivered."""
    if settled is not None:
        return net_payments(settled, night)
    return pd.DataFrame({name: np.zeros(0, np.int64) for name in ("account_no", "occurred_on", "amount")})


def whole_of(rows: pd.DataFrame, name: str, empty: int) -> np.ndarray:
    """int64; `empty` everywhere of a store that was not handed the column."""
    return rows[name].to_numpy(np.int64) if name in rows else np.full(len(rows), empty, np.int64)


def charged_since(
    tables: Mapping[str, pd.DataFrame], account_no: np.ndarray, since: np.ndarray, night: int
) -> np.ndarray:
    """int64 minor units that were charged on each account after the day `since`, as known before the night: by
    issued_on, or the due day where that is empty."""
    charges = tables.get("charges")
    if charges is None or charges.empty:
        return np.zeros(len(account_no), np.int64)
    charges = arranged(charges[charges["account_no"].isin(account_no).to_numpy()], "charges")
    rows = Sight(night).newest(charges, key_of(charges, "charges"), "charges")
    issued, due = whole_of(rows, "issued_on", NO_DAY), rows["due_on"].to_numpy(np.int64)
    day = pd.Series(since, index=account_no).reindex(rows["account_no"]).to_numpy()
    later = np.where(issued != NO_DAY, issued, due) > day
    return rows[later].groupby("account_no")["amount"].sum().reindex(account_no, fill_value=0).to_numpy(np.int64)


def _accepted_on(told: pd.DataFrame, rows: pd.DataFrame) -> np.ndarray:
    """Day on which each offer was first known to be accepted, whatever versions told it again; else NO_DAY."""
    key = ["account_no", "offer_no"]
    told = told[(told["outcome"].astype("str") == ACCEPTED).to_numpy()]
    told = told.assign(offer_no=numbered(told, "offer_id", "offers"))
    first = told.groupby(key)["known_on"].min()
    asked = pd.MultiIndex.from_arrays([rows["account_no"], numbered(rows, "offer_id", "offers")], names=key)
    return first.reindex(asked).fillna(NO_DAY).to_numpy(np.int64)


def _paid_on(
    paid: pd.DataFrame, account_no: np.ndarray, first: np.ndarray, last: np.ndarray, amount: np.ndarray
) -> np.ndarray:
    """Day on which the money that came to each account from `first` through `last` reached the amount; else NO_DAY."""
    asked = pd.DataFrame({"account_no": account_no, "first": first, "last": last, "wanted": amount})
    asked["place"] = np.arange(len(asked))
    pairs = asked.merge(paid, on="account_no")
    pairs = pairs[(pairs["occurred_on"] >= pairs["first"]) & (pairs["occurred_on"] <= pairs["last"])]
    pairs = pairs.sort_values(["place", "occurred_on"], kind="stable")
    enough = pairs[pairs.groupby("place")["amount"].cumsum() >= pairs["wanted"]]
    day = enough.groupby("place")["occurred_on"].min().reindex(asked["place"]).to_numpy(np.float64)
    day = np.where(np.isnan(day), NO_DAY, day)
    return np.where(amount == 0, first, day).astype(np.int64)
