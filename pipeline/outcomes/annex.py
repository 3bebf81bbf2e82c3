"""The accounts behind a client's page: those that paid, were contacted or wait for a decision, by the client's own
reference.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from pipeline.outcomes.ahead import CASES
from pipeline.outcomes.collected import OF_WORK

ROWS_SHOWN = 500  # of a book and currency; the rest stands below them as one row
ANNEX = ("worked", "ordinary", "contacts", "balance", "days_past_due", "cases")


def annex(payments: pd.DataFrame, ours: pd.DataFrame, owed: pd.DataFrame, cases: pd.DataFrame) -> dict[str, Any]:
    """Of one book and currency.

    rows  [account_id, from work, ordinary, our contacts, balance or None, days past due or None, its CASES], the most
          paid first, then by contacts and id; only ROWS_SHOWN of them
    rest  [accounts, from work, ordinary, our contacts] of those that are not shown
    all   the same of all of them
    A contact about several accounts stands with each of them, and once in the sums.

    payments: account_id, amount, source, of the span; ours: account_id, contact_id, of the span; owed: account_id,
    balance, days_past_due of the scorable accounts; cases: of pipeline.outcomes.ahead. Without balance: an account that
    nothing is to be worked of any more.
    """
    paid = payments.assign(is_work=payments["source"].isin(OF_WORK))
    worked = paid[paid["is_work"]].groupby("account_id")["amount"].sum()
    ordinary = paid[~paid["is_work"]].groupby("account_id")["amount"].sum()
    contacts = ours.groupby("account_id")["contact_id"].nunique()
    told = cases.groupby("account_id")["case"].agg(set)
    names = sorted({*worked.index, *ordinary.index, *contacts.index, *told.index})
    sums_of = dict(zip(ANNEX[:3], (worked, ordinary, contacts), strict=True))
    whole = pd.DataFrame({name: by.reindex(names, fill_value=0).astype("int64") for name, by in sums_of.items()})
    whole = whole.reset_index(drop=True).assign(
        paid=whole["worked"].to_numpy() + whole["ordinary"].to_numpy(), account_id=names
    )
    whole = whole.sort_values(["paid", "contacts", "account_id"], ascending=[False, False, True])
    still = owed.set_index("account_id")[["balance", "days_past_due"]].astype("int64").to_dict("index")
    rows = []
    for row in whole.head(ROWS_SHOWN).itertuples():
        owes = still.get(row.account_id, dict.fromkeys(("balance", "days_past_due")))
        waiting = [case for case in CASES if case in told.get(row.account_id, ())]
        rows.append([row.account_id, *map(int, (row.worked, row.ordinary, row.contacts)), *owes.values(), waiting])

    def sums(part: pd.DataFrame) -> list[int]:
        met = ours.loc[ours["account_id"].isin(part["account_id"]), "contact_id"].nunique()
        return [len(part), *(int(part[name].sum()) for name in ANNEX[:2]), int(met)]

    return {"rows": rows, "rest": sums(whole.iloc[ROWS_SHOWN:]), "all": sums(whole)}
