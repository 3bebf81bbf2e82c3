"""What another capacity would bring: value, contacts and burden of tonight's workable debtors under several orders."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from features.tables import NO_DAY

RANKED, BEST_ORDER, BEST_ADDED = "this list", "best possible", "best added"
BY_ADDED, BY_TOTAL, BY_DOUBT = "added value", "total value", "amount x p(1 - p)"
ORDERS = (RANKED, BY_ADDED, BY_TOTAL, BY_DOUBT, "P x balance", "balance first", "oldest first", "newest first")
ON_LIST = ("worklist", "joined", "below_capacity")
WORKABLE = (*ON_LIST, "self_cure", "no_value")  # whoever may be contacted tonight, whatever order lists them


def what_if(rows: pd.DataFrame, capacities: Sequence[int]) -> pd.DataFrame:
    """One row per order and capacity (debtors per queue and night).

    rows  one per scorable account: account_id, debtor_id, queue, group, head, rank, balance, days_past_due, placed_on,
          fx, share, discount, p_recovered, amount_if_recovered, expected_recovery, added_recovery, attempts,
          contact_cost, net_value as `models.prioritise` gives them; `unit`: minor units of the reporting currency per
          minor unit of the account's at a rate of 1. On a made-up portfolio also what is true: expected_amount, and
          expected_amount_if_contacted and _if_left

    Returns order, capacity, debtors, contacts (attempts planned at them), expected (money recovered, discounted, our
    share), adds (how much of it working is foretold to add), cost, net, share_of_value (of what working every workable
    debtor would bring), burden (share of workable debtors contacted); where the truth is given also the orders
    BEST_ORDER and BEST_ADDED, and true (what the debtors taken really bring) and added (how much of it only contact
    brings). Money in minor units of the reporting currency. A debtor is worked whole: its row's contact, the money of
    all its accounts. net is expected less cost, all that comes back.
    """
    open_rows = rows[rows["group"].isin(WORKABLE)]
    rate = open_rows["fx"] * open_rows["unit"]
    ours = rate * open_rows["share"] * open_rows["discount"]
    owed = rate * open_rows["balance"]
    chance = open_rows["p_recovered"]
    columns = {"worth": ours * open_rows["expected_recovery"], "adds": ours * open_rows["added_recovery"], "owed": owed}
    columns |= {"hoped": owed * chance, "doubt": ours * open_rows["amount_if_recovered"] * chance * (1 - chance)}
    if known := "expected_amount" in open_rows:
        columns["true"] = ours * open_rows["expected_amount"]
        columns["added"] = ours * (open_rows["expected_amount_if_contacted"] - open_rows["expected_amount_if_left"])
    people = _people(open_rows.assign(**columns), list(columns))
    found = []
    for order in (*ORDERS, BEST_ORDER, BEST_ADDED) if known else ORDERS:
        place = _places(people, order)
        for capacity in capacities:
            taken = people[place <= capacity]
            net = float(taken["worth"].sum() - taken["contact_cost"].sum())
            found.append(
                {
                    "order": order,
                    "capacity": int(capacity),
                    "debtors": len(taken),
                    "contacts": int(taken["attempts"].sum()),
                    "expected": float(taken["worth"].sum()),
                    "adds": float(taken["adds"].sum()),
                    "cost": int(taken["contact_cost"].sum()),
                    "net": net,
                    "share_of_value": float(taken["worth"].sum() / people["worth"].sum())
                    if people["worth"].sum() > 0
                    else np.nan,
                    "burden": len(taken) / len(people) if len(people) else np.nan,
                    **{name: float(taken[name].sum()) for name in ("true", "added") if known},
                }
            )
    return pd.DataFrame(found)


def _people(rows: pd.DataFrame, money: list[str]) -> pd.DataFrame:
    """One row per workable debtor: that of its head, or of its best account where it is not in order, with the money
    of all of them."""
    sums = rows.groupby("debtor_id", sort=True)[money].sum()
    oldest = rows.groupby("debtor_id", sort=True)["days_past_due"].max()
    newest = rows.groupby("debtor_id", sort=True)["placed_on"].max()
    named = rows.assign(on_list=rows["account_id"] == rows["head"]).sort_values(
        ["on_list", "net_value", "expected_recovery", "account_id"], ascending=[False, False, False, True]
    )
    heads = named.drop_duplicates("debtor_id").set_index("debtor_id").sort_index()
    return (
        heads[["account_id", "queue", "attempts", "contact_cost", "net_value", "expected_recovery", "rank", "group"]]
        .join(sums)
        .join(pd.DataFrame({"days_past_due": oldest, "placed_on": newest}))
    )


def _places(people: pd.DataFrame, order: str) -> np.ndarray:
    """Place of each debtor within its queue, from 1; ties by account_id."""
    if order == RANKED:
        listed = (people["group"] == "worklist").to_numpy()
        keys = (
            -people["expected_recovery"].to_numpy(),
            -people["net_value"].to_numpy(),
            ~people["group"].isin(ON_LIST).to_numpy(),
            np.where(listed, people["rank"], np.iinfo(np.int32).max),
        )
    else:
        column = {
            "P x balance": "hoped",
            "balance first": "owed",
            "oldest first": "days_past_due",
            "newest first": "placed_on",
            BY_ADDED: "adds",
            BY_TOTAL: "worth",
            BY_DOUBT: "doubt",
            BEST_ORDER: "true",
            BEST_ADDED: "added",
        }[order]
        values = people[column].to_numpy(dtype=np.float64)
        keys = (-np.where(values == NO_DAY, -np.inf, values),)
    sequence = np.lexsort((people["account_id"].to_numpy(dtype="U"), *keys))
    place = np.empty(len(people), np.int64)
    place[sequence] = (
        people["queue"]
        .iloc[sequence]
        .groupby(people["queue"].iloc[sequence].to_numpy(), sort=False)
        .cumcount()
        .to_numpy()
        + 1
    )
    return place
