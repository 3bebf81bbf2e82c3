"""What a debtor can pay on what he owes, as it was known on a day: one reading, for a night's offers and for what plans
of the past teach.

Money that came on accounts that are not late says nothing of what is left for the others: who pays the mortgage in time
does not pay the card with it. What such accounts fall due for is taken off an income that somebody delivered.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.currencies import DECIMALS
from features.ledger import Ledger, figures_at
from features.settlements import CASH, Settlements
from features.tables import NO_DAY, numbered
from features.versions import arranged, is_last_known, key_of, superseded_on
from models.habits import SPAN_DAYS, habits
from pipeline.treatment.policy import INCOME, income_of

AHEAD = 31  # days in which plans and charges are asked for what a month takes
SPARE_COLUMNS = ("usual_payment", "usual_gap_days", "payday", "other_plans", "disposable_income")


def spare_money(
    asked: pd.DataFrame, people: pd.DataFrame, tables: Mapping[str, pd.DataFrame], ledger: Ledger
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(SPARE_COLUMNS of each row asked, the accounts beside it: place, account_no, day, balance, late).

    asked: debtor_id, currency, day, and account_no where a plan is asked about, whose own account's plans are not
    others. people: debtor_id and currency by account_no, with placed_on where it is known. usual_payment, other_plans
    and disposable_income are minor units, the last two a month, of all accounts of the debtor in the currency, NaN
    where unknown; payday 0. An account is late that a night would score: it owes, and something is due or it was
    placed.
    """
    names = ["debtor_id", "currency"]
    beside = asked[[*names, "day"]].assign(place=np.arange(len(asked)))
    known = people[["account_no", *names]].assign(placed_on=people.get("placed_on", NO_DAY))
    beside = beside.astype(dict.fromkeys(names, "str")).merge(known.astype(dict.fromkeys(names, "str")), on=names)
    beside = beside.sort_values(["place", "account_no"], kind="stable", ignore_index=True)
    day, placed = beside["day"].to_numpy(np.int64), beside["placed_on"].to_numpy(np.int64)
    balance, arrears, _ = figures_at(ledger, beside["account_no"].to_numpy(), day)
    late = (balance > 0) & ((arrears > 0) | ((placed != NO_DAY) & (placed < day)))
    beside = beside.assign(balance=np.maximum(balance, 0), late=late)[["place", "account_no", "day", "balance", "late"]]
    many, on = len(asked), asked["day"].to_numpy(np.int64)
    usual = habits(_paid(beside[late], ledger.settlements), many, on)
    found = usual.assign(
        other_plans=_other_plans(asked, beside, tables.get("plans"), many),
        disposable_income=_income(beside, tables["accounts"], many) - _due(beside, tables.get("charges"), many),
    )
    found["disposable_income"] = found["disposable_income"].clip(lower=0)
    return found[list(SPARE_COLUMNS)], beside


def _paid(beside: pd.DataFrame, held: Settlements | None) -> pd.DataFrame:
    """Payments of models.habits.habits: debtor (place), day and amount, as known on the day of each."""
    if held is None:
        return pd.DataFrame({name: pd.Series(dtype="int64") for name in ("debtor", "day", "amount")})
    cash = np.flatnonzero(held.kind == CASH)
    paid = pd.DataFrame(
        {
            "account_no": held.accounts[held.position[cash]],
            "row": cash,
            "occurred_on": held.occurred_on[cash].astype(np.int64),
            "known_on": held.known_on[cash],
            "amount": held.amount[cash],
        }
    )
    pairs = beside[["place", "account_no", "day"]].merge(paid, on="account_no")
    since = pairs["occurred_on"] - pairs["day"]
    pairs = pairs[(since < 0) & (since >= -SPAN_DAYS) & (pairs["known_on"] < pairs["day"])].reset_index(drop=True)
    reversed_ = pd.DataFrame(
        {
            "row": np.repeat(np.arange(held.row.size), np.diff(held.reversal_offsets)),
            "taken_back": held.reversal_amount,
            "back_on": held.reversal_known_on,
        }
    )
    back = pairs[["row", "day"]].reset_index().merge(reversed_, on="row")
    back = back[back["back_on"] < back["day"]].groupby("index")["taken_back"].sum()
    net = pairs["amount"] - back.reindex(pairs.index, fill_value=0)
    return pd.DataFrame({"debtor": pairs["place"], "day": pairs["occurred_on"], "amount": net})


def _in_force(beside: pd.DataFrame, rows: pd.DataFrame | None, table: str) -> pd.DataFrame:
    """Rows of a table of the accounts beside, each as last known before the day."""
    if rows is None or rows.empty:
        return beside.iloc[:0].assign(due_on=0, amount=0)
    rows = arranged(rows, table)
    until = superseded_on(rows, key_of(rows, table), table)
    pairs = beside.merge(rows.assign(superseded=until), on="account_no")
    known, superseded, day = (pairs[name].to_numpy() for name in ("known_on", "superseded", "day"))
    return pairs[is_last_known(known, superseded, day)]


def _other_plans(asked: pd.DataFrame, beside: pd.DataFrame, plans: pd.DataFrame | None, many: int) -> np.ndarray:
    """What the plans that have not ended ask for within AHEAD days; NaN where there is none."""
    rows = _in_force(beside, plans, "plans")
    if rows.empty:
        return np.full(many, np.nan)
    plan = pd.MultiIndex.from_arrays([rows["place"], rows["account_no"], numbered(rows, "plan_id", "plans")])
    ended = (rows["ended_on"] != NO_DAY) & (rows["ended_on"] < rows["day"])
    runs = ~plan.isin(plan[ended.to_numpy()])  # the end may stand on any row of a plan
    if "account_no" in asked:
        runs &= rows["account_no"].to_numpy() != asked["account_no"].to_numpy()[rows["place"]]
    return _within(rows[runs], "amount", many, np.nan)


def _within(rows: pd.DataFrame, amount: str, many: int, otherwise: float) -> np.ndarray:
    rows = rows[(rows["due_on"] >= rows["day"]) & (rows["due_on"] < rows["day"] + AHEAD)]
    return rows.groupby("place")[amount].sum().reindex(np.arange(many), fill_value=otherwise).to_numpy(np.float64)


def _due(beside: pd.DataFrame, charges: pd.DataFrame | None, many: int) -> np.ndarray:
    """Minor units that accounts that are not late fall due for within AHEAD days. Of what is still to fall due, money
    that came too early has settled what falls due first.
    """
    rows = _in_force(beside[~beside["late"]], charges, "charges")
    ahead = rows[rows["due_on"] >= rows["day"]]
    soon = ahead["amount"].where(ahead["due_on"] < ahead["day"] + AHEAD, 0)
    found = (
        ahead.assign(soon=soon)
        .groupby(["place", "account_no"])
        .agg(all=("amount", "sum"), soon=("soon", "sum"), balance=("balance", "first"))
    )
    early = (found["all"] - found["balance"]).clip(lower=0)
    asked = (found["soon"] - early).clip(lower=0).clip(upper=found["balance"])
    return asked.groupby("place").sum().reindex(np.arange(many), fill_value=0).to_numpy(np.float64)


def _income(beside: pd.DataFrame, accounts: pd.DataFrame, many: int) -> np.ndarray:
    """The least disposable income that was delivered of the debtor's accounts by the day, minor units a month; NaN
    where none was."""
    if INCOME not in accounts:
        return np.full(many, np.nan)
    minor = accounts["currency"].astype("str").map({name: 10.0**places for name, places in DECIMALS.items()})
    told = accounts[["account_no", "known_on", "known_at"]].assign(
        income=income_of(accounts).to_numpy() * minor.to_numpy(np.float64)
    )
    pairs = beside[["place", "account_no", "day"]].merge(told, on="account_no")
    pairs = pairs[pairs["known_on"] < pairs["day"]].sort_values("known_at", kind="stable")
    last = pairs.drop_duplicates(["place", "account_no"], keep="last")
    return last.groupby("place")["income"].min().reindex(np.arange(many)).to_numpy(np.float64)
