"""Offers made before the night that bind it: those that were accepted and are not yet paid, those that were paid and of
which the rest is not written off, and those that still may be taken.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.days import date_of
from features.settlements import Settlements
from features.tables import NO_DAY, NO_MONEY, NO_SHARE, WHOLE_SHARE
from features.versions import arranged, key_of
from pipeline.law.question import Sight
from pipeline.panel.settling import (
    ACCEPTED,
    DAYS_UNSAID,
    came_of,
    charged_since,
    money_of,
    whole_of,
)
from pipeline.panel.view import View
from pipeline.params import Params
from pipeline.treatment.policy import policy_in
from pipeline.treatment.proposals import PLAN, SETTLEMENT
from pipeline.treatment.standing import STANDING_COLUMNS, nothing_stands

REFUSED = "refused"


def former_offers(
    tables: Mapping[str, pd.DataFrame], settled: Settlements | None, night: int, params: Params
) -> pd.DataFrame:
    """The offers that bind a night, as they were known before it: account_no, is_accepted, is_paid and STANDING_COLUMNS
    but offer_binds. None where the params name no treatment policy. settled: of the ledger, all that came.

    What binds until when: see `came_of`. is_accepted: accepted and not yet paid, and the days to pay, or the first day
    of what is agreed otherwise, are not over; is_paid: a settlement whose amount came within its days, whenever, unless
    another offer was made on the account since. Neither: without an outcome, and it may be taken on the night.
    """
    empty = pd.DataFrame(
        {"account_no": np.zeros(0, np.int64), **dict.fromkeys(("is_accepted", "is_paid"), np.zeros(0, bool))}
    )
    made, policy = tables.get("offers"), policy_in(params, date_of(night))
    if policy is None or made is None or made.empty:
        return empty.join(nothing_stands(empty.index)).drop(columns="offer_binds")
    days = DAYS_UNSAID if policy.settling is None else policy.settling.terms.pay_within_days
    sight, made = Sight(night), arranged(made, "offers")
    rows = sight.newest(made, key_of(made, "offers"), "offers").reset_index(drop=True)
    newest_on = rows.groupby("account_no")["made_on"].transform("max").to_numpy(np.int64)
    outcome = rows["outcome"].astype(object).fillna("").astype("str").to_numpy()
    kept = np.isin(outcome, ["", ACCEPTED])
    rows, newest_on = rows[kept].reset_index(drop=True), newest_on[kept]
    accepted = outcome[kept] == ACCEPTED
    paid = money_of(settled if accepted.any() else None, night)
    came = came_of(rows, made[sight.sees(made)], paid, days)
    paid_on, until = came["paid_on"].to_numpy(), came[["taken_until", "paid_until"]].to_numpy()
    is_paid, until = (paid_on != NO_DAY) & (newest_on <= paid_on), np.where(accepted, until[:, 1], until[:, 0])
    discount, probability = (whole_of(rows, name, NO_SHARE) for name in ("discount", "probability"))
    amount, instalments = whole_of(rows, "amount", NO_MONEY), whole_of(rows, "instalments", NO_SHARE)
    found = pd.DataFrame(
        {
            "account_no": rows["account_no"].to_numpy(np.int64),
            "is_accepted": accepted & (paid_on == NO_DAY),
            "is_paid": is_paid,
            "offer_id": rows["offer_id"].astype("str").to_numpy(),
            "offer_kind": rows["kind"].astype("str").to_numpy(object),
            "offered_on": rows["made_on"].to_numpy(np.int64),
            "offer_until": until,
            "offer_amount": np.where(amount == NO_MONEY, 0, amount),
            "offer_discount": np.where(discount == NO_SHARE, np.nan, discount / WHOLE_SHARE),
            "offer_instalments": np.maximum(instalments, 0),
            "offer_first_on": whole_of(rows, "first_due_on", NO_DAY),
            "offer_variant": rows["variant"].astype(object).fillna("").astype("str").to_numpy(),
            "offer_probability": np.where(probability == NO_SHARE, np.nan, probability / WHOLE_SHARE),
        }
    )
    texts = dict.fromkeys(("offer_id", "offer_kind", "offer_variant"), "str")
    binds = is_paid | ((until >= night) & (paid_on == NO_DAY))
    return found[binds].astype(texts).reset_index(drop=True)


def accepted_settlements(
    tables: Mapping[str, pd.DataFrame], settled: Settlements | None, night: int, params: Params
) -> frozenset[int]:
    """Numbers of the accounts on which a settlement was accepted and not yet paid, whose days to pay are not over."""
    made = former_offers(tables, settled, night, params)
    own = made["is_accepted"] & (made["offer_kind"] == SETTLEMENT)
    return frozenset(made.loc[own, "account_no"].tolist())


def closed_by_settlement(
    tables: Mapping[str, pd.DataFrame],
    settled: Settlements | None,
    cohort: pd.DataFrame,
    night: int,
    params: Params,
) -> np.ndarray:
    """bool per row of the cohort (account_no, balance): a settlement was paid, and what it let off is still open.

    That is so while more is owed than was charged on the account after the settlement was made; a reversal that is
    known makes it unpaid, and an offer made on the account after it was paid begins anew.
    """
    made = former_offers(tables, settled, night, params)
    own = made[made["is_paid"].to_numpy(bool)].groupby("account_no")["offered_on"].max()
    numbers = cohort["account_no"].to_numpy(np.int64)
    found = np.isin(numbers, own.index.to_numpy())
    if not found.any():
        return found
    theirs = numbers[found]
    new = charged_since(tables, theirs, own.reindex(theirs).to_numpy(np.int64), night)
    found[found] = cohort["balance"].to_numpy(np.int64)[found] > np.maximum(new, 0)
    return found


def refused_since(
    tables: Mapping[str, pd.DataFrame], account_no: np.ndarray, since: np.ndarray, night: int
) -> np.ndarray:
    """int64 per account: offers of a plan or a settlement that were made on its day `since` or later, and refused, as
    known before the night. What was refused about a due day, or of an earlier debt, says nothing of what is owed now.
    """
    made = tables.get("offers")
    if made is None or made.empty:
        return np.zeros(account_no.size, np.int64)
    made = arranged(made, "offers")
    rows = Sight(night).newest(made, key_of(made, "offers"), "offers")
    asked = rows["kind"].astype("str").isin([PLAN, SETTLEMENT]) & (rows["outcome"].astype("str") == REFUSED)
    first = pd.Series(since, index=account_no).reindex(rows["account_no"]).to_numpy(np.float64)
    own = rows[asked.to_numpy(bool) & (rows["made_on"].to_numpy(np.float64) >= first)]
    return own.groupby("account_no").size().reindex(account_no, fill_value=0).to_numpy(np.int64)


def binding(
    seen: View,
    owners: pd.Series,
    cohort: pd.DataFrame,
    night: int,
    params: Params,
    owing: np.ndarray | None = None,
) -> tuple[np.ndarray, pd.DataFrame]:
    """(bool per row of the cohort: its debtor accepted an offer that is not yet paid; STANDING_COLUMNS of the rows).

    owners: debtor by account_no, of all known accounts; cohort: account_no; owing: of the scorable ones, whole debtors,
    where the cohort is not these. What
    was offered on an account that is not scorable binds where it is about a due day, and else is over. Of several
    offers the newest stands, in the order of their ids where they are of one day.
    """
    made = former_offers(seen.tables, seen.ledger.settlements, night, params)
    made = made[~made["is_paid"].to_numpy(bool)]
    numbers = cohort["account_no"].to_numpy(np.int64)
    owed = made["account_no"].isin(numbers if owing is None else owing)
    made = made[(owed | ~made["offer_kind"].isin([PLAN, SETTLEMENT])).to_numpy(bool)]
    made = made.assign(debtor=owners.reindex(made["account_no"]).astype("str").to_numpy())
    debtors = owners.reindex(numbers).astype("str").to_numpy()
    agreed = np.isin(debtors, made.loc[made["is_accepted"], "debtor"].to_numpy(object))
    open_ = made[~made["is_accepted"].to_numpy()].sort_values(["offered_on", "offer_id", "account_no"])
    last = open_.drop_duplicates("debtor", keep="last").set_index("account_no")
    found = nothing_stands(cohort.index)
    at = pd.Index(numbers).get_indexer(last.index)
    rows = cohort.index[at[at >= 0]]
    for name in STANDING_COLUMNS[:-1]:
        found.loc[rows, name] = last.loc[at >= 0, name].to_numpy()
    found["offer_binds"] = np.isin(debtors, last["debtor"].to_numpy(object))
    return agreed, found


def at_rest(
    tables: Mapping[str, pd.DataFrame],
    settled: Settlements | None,
    cohort: pd.DataFrame,
    night: int,
    params: Params,
) -> np.ndarray:
    """bool per row of the cohort (account_no, balance): an offer was accepted on the account and is not yet paid, one
    about a due day still may be taken, or a settlement was paid: a reminder would contradict each.
    """
    made = former_offers(tables, settled, night, params)
    rests = (made["is_accepted"] | ~made["offer_kind"].isin([PLAN, SETTLEMENT])) & ~made["is_paid"]
    theirs = cohort["account_no"].isin(made.loc[rests.astype(bool), "account_no"]).to_numpy(bool)
    return theirs | closed_by_settlement(tables, settled, cohort, night, params)
