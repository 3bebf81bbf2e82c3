"""Offers made before the night that bind it: those that were accepted and are not yet paid, and those that still may be
taken.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.days import date_of
from features.tables import NO_DAY, NO_MONEY, NO_SHARE, WHOLE_SHARE, numbered
from features.versions import arranged, key_of
from pipeline.law.question import Sight
from pipeline.params import Params
from pipeline.treatment.policy import policy_in
from pipeline.treatment.proposals import PLAN, SETTLEMENT
from pipeline.treatment.standing import STANDING_COLUMNS, nothing_stands

ACCEPTED = "accepted"
DAYS_UNSAID = 30  # that an offer may be taken, where neither it nor the policy says


def former_offers(tables: Mapping[str, pd.DataFrame], night: int, params: Params) -> pd.DataFrame:
    """The offers that bind a night, as they were known before it: account_no, is_accepted, and STANDING_COLUMNS but
    offer_binds. None where the params name no treatment policy.

    An accepted one binds until its last day is over: of a settlement the later of valid_until and pay_within_days after
    it was first known to be accepted, of what is agreed by instalments or for another day its first day. One without an
    outcome binds through valid_until; without that, through its first day, or pay_within_days.
    """
    empty = pd.DataFrame({"account_no": np.zeros(0, np.int64), "is_accepted": np.zeros(0, bool)})
    made, policy = tables.get("offers"), policy_in(params, date_of(night))
    if policy is None or made is None or made.empty:
        return empty.join(nothing_stands(empty.index)).drop(columns="offer_binds")
    days = DAYS_UNSAID if policy.settling is None else policy.settling.terms.pay_within_days
    sight, made = Sight(night), arranged(made, "offers")
    rows = sight.newest(made, key_of(made, "offers"), "offers").reset_index(drop=True)
    outcome = rows["outcome"].astype(object).fillna("").astype("str").to_numpy()
    rows, accepted = rows[np.isin(outcome, ["", ACCEPTED])], outcome[np.isin(outcome, ["", ACCEPTED])] == ACCEPTED
    kind = rows["kind"].astype("str").to_numpy(object)
    valid, first, made_on = (_column(rows, name, NO_DAY) for name in ("valid_until", "first_due_on", "made_on"))
    paid_by = np.where(kind == SETTLEMENT, _accepted_on(made[sight.sees(made)], rows) + days, first)
    named = np.where(valid != NO_DAY, valid, np.where(first != NO_DAY, first, made_on + days))
    discount, probability = (_column(rows, name, NO_SHARE) for name in ("discount", "probability"))
    amount, instalments = _column(rows, "amount", NO_MONEY), _column(rows, "instalments", NO_SHARE)
    found = pd.DataFrame(
        {
            "account_no": rows["account_no"].to_numpy(np.int64),
            "is_accepted": accepted,
            "offer_id": rows["offer_id"].astype("str").to_numpy(),
            "offer_kind": kind,
            "offered_on": made_on,
            "offer_until": np.where(accepted, np.maximum(valid, paid_by), named),
            "offer_amount": np.where(amount == NO_MONEY, 0, amount),
            "offer_discount": np.where(discount == NO_SHARE, np.nan, discount / WHOLE_SHARE),
            "offer_instalments": np.maximum(instalments, 0),
            "offer_first_on": first,
            "offer_variant": rows["variant"].astype(object).fillna("").astype("str").to_numpy(),
            "offer_probability": np.where(probability == NO_SHARE, np.nan, probability / WHOLE_SHARE),
        }
    )
    texts = dict.fromkeys(("offer_id", "offer_kind", "offer_variant"), "str")
    return found[found["offer_until"] >= night].astype(texts).reset_index(drop=True)


def _column(rows: pd.DataFrame, name: str, empty: int) -> np.ndarray:
    """int64; `empty` everywhere of a store that was not handed the column."""
    return rows[name].to_numpy(np.int64) if name in rows else np.full(len(rows), empty, np.int64)


def _accepted_on(seen: pd.DataFrame, rows: pd.DataFrame) -> np.ndarray:
    """Day on which each offer was first known to be accepted, whatever versions told it again; else NO_DAY."""
    key = ["account_no", "offer_no"]
    told = seen[(seen["outcome"].astype("str") == ACCEPTED).to_numpy()]
    told = told.assign(offer_no=numbered(told, "offer_id", "offers"))
    first = told.groupby(key)["known_on"].min()
    asked = pd.MultiIndex.from_arrays([rows["account_no"], numbered(rows, "offer_id", "offers")], names=key)
    return first.reindex(asked).fillna(NO_DAY).to_numpy(np.int64)


def accepted_settlements(tables: Mapping[str, pd.DataFrame], night: int, params: Params) -> frozenset[int]:
    """Numbers of the accounts on which a settlement was accepted whose days to pay are not over."""
    made = former_offers(tables, night, params)
    own = made["is_accepted"] & (made["offer_kind"] == SETTLEMENT)
    return frozenset(made.loc[own, "account_no"].tolist())


def binding(
    tables: Mapping[str, pd.DataFrame],
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
    made = former_offers(tables, night, params)
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


def at_rest(case_tables: Mapping[str, pd.DataFrame], night: int, params: Params) -> frozenset[int]:
    """Numbers of the accounts on which an offer was accepted and is not yet paid, or one about a due day still may be
    taken: a reminder would contradict either.
    """
    made = former_offers(case_tables, night, params)
    rests = made["is_accepted"] | ~made["offer_kind"].isin([PLAN, SETTLEMENT])
    return frozenset(made.loc[rests.astype(bool), "account_no"].tolist())
