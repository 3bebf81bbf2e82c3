"""What comes next in a book: promises and instalments that fall due, week by week, and the cases that somebody has to
decide; as known before a night, and as the night published it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.days import date_of
from features.evidence import Evidence
from features.statuses import StatusLog
from features.tables import NO_MONEY
from features.vocabulary import PROMISE_STATES

WEEKS_AHEAD = 4
PROMISE, INSTALMENT = DUE = ("promise", "instalment")
DISPUTE, SPECIALIST, OFFER, ROUTE = CASES = ("dispute", "specialist", "offer", "route")
CASE_COLUMNS = ("account_id", "portfolio", "currency", "case", "what", "who", "balance")
INTERNAL, REST = "internal", "rest"  # routes by which an account stays


def falls_due(evidence: Evidence, as_of: int) -> pd.DataFrame:
    """account_no, what (of DUE), due_on, amount of every promise and every instalment of a plan that is open on the
    night and falls due in the next WEEKS_AHEAD weeks. evidence: one row for each account, on the night.
    """
    made = promises_of(evidence, as_of)
    found = pd.concat(
        [made[made["state"] == "open"].drop(columns=["state", "made_on"]), _instalments(evidence)], ignore_index=True
    )
    return found[found["due_on"].between(as_of, as_of + 7 * WEEKS_AHEAD - 1)].reset_index(drop=True)


def promises_of(evidence: Evidence, as_of: int) -> pd.DataFrame:
    """account_no, made_on, due_on, amount, state (PROMISE_STATES) of every promise with a day, as it stood on the
    night.
    """
    if "contacts" not in evidence.tables:
        return _due([], [], [], PROMISE).assign(state="", made_on=np.int64(0))
    events = evidence.events("promises", ("amount", "due_in", "state"))
    counts = events.last - events.first
    place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(events.first, counts)
    due_in, amount = events.measures["due_in"][place], events.measures["amount"][place]
    state = np.array([*PROMISE_STATES, ""], dtype=object)[events.classes["state"].codes()[place]]
    told = due_in != NO_MONEY
    found = _due(np.repeat(evidence.account_no, counts)[told], as_of + due_in[told], amount[told], PROMISE)
    return found.assign(state=state[told], made_on=events.day[place][told].astype(np.int64))


def _instalments(evidence: Evidence) -> pd.DataFrame:
    if "plans" not in evidence.tables:
        return _due([], [], [], INSTALMENT)
    held = evidence.agreed
    is_open = held.state == PROMISE_STATES.index("open")
    return _due(evidence.account_no[held.row[is_open]], held.due_on[is_open], held.amount[is_open], INSTALMENT)


def _due(accounts: Any, days: Any, amounts: Any, what: str) -> pd.DataFrame:
    whole = {"account_no": accounts, "due_on": days, "amount": amounts}
    return pd.DataFrame({name: np.asarray(each, np.int64) for name, each in whole.items()}).assign(what=what)


def by_week(due: pd.DataFrame, as_of: int) -> list[list[Any]]:
    """[first day, last day, promises, promised amount, instalments, their amount] of each of the next weeks."""
    week = (due["due_on"].to_numpy(np.int64) - as_of) // 7
    found = []
    for number in range(WEEKS_AHEAD):
        begin = as_of + 7 * number
        row: list[Any] = [date_of(begin).isoformat(), date_of(begin + 6).isoformat()]
        for what in DUE:
            amounts = due.loc[(week == number) & (due["what"] == what).to_numpy(), "amount"]
            row += [len(amounts), int(amounts.sum())]
        found.append(row)
    return found


def disputed(tables: Mapping[str, pd.DataFrame], scorable: pd.DataFrame) -> pd.DataFrame:
    """CASE_COLUMNS of the accounts scorable on the night of which a dispute stands."""
    log = StatusLog(tables, scorable["account_no"].to_numpy())
    stands = log.in_force(scorable["as_of"].to_numpy(), ["dispute"])
    return _cases(scorable[stands], DISPUTE)


def _cases(rows: pd.DataFrame, case: str, what: Any = "", who: Any = "") -> pd.DataFrame:
    found = rows.assign(case=case, what=what, who=who)[list(CASE_COLUMNS)]
    texts = dict.fromkeys((name for name in CASE_COLUMNS if name != "balance"), "str")
    return found.astype({**texts, "balance": "int64"}).reset_index(drop=True)


def published_cases(night: Path) -> pd.DataFrame | None:
    """CASE_COLUMNS of the accounts of which the night's own lists ask for a decision; None where it was published under
    no treatment policy, or not at all.

    specialist  for a person who decides, by the policy
    offer       an offer is proposed; what: its kind, who: who may grant it
    route       the account would leave us; what: the route, who: to whom
    """
    try:
        told = {name: pd.read_parquet(night / f"{name}.parquet") for name in ("specialist", "proposals", "routes")}
    except OSError:
        return None
    offers = told["proposals"]
    offers = offers[offers["grants"].fillna("") != ""]
    routes = told["routes"]
    leaves = routes[~routes["route"].isin([INTERNAL, REST, ""]) & (routes["route"] != routes["route_before"])]
    return pd.concat(
        [
            _cases(told["specialist"], SPECIALIST),
            _cases(offers, OFFER, offers["proposal"], offers["grants"]),
            _cases(leaves, ROUTE, leaves["route"], leaves["party"].fillna("")),
        ],
        ignore_index=True,
    )


def counted(cases: pd.DataFrame) -> list[list[Any]]:
    """[case, what, who, accounts, balance] of the cases of one book and currency, in a stable order."""
    groups = cases.groupby(["case", "what", "who"], sort=True)["balance"].agg(["size", "sum"]).reset_index()
    order = groups["case"].map({name: place for place, name in enumerate(CASES)})
    ordered = groups.assign(order=order).sort_values(["order", "what", "who"], kind="stable")
    return [[*row[:3], int(row[3]), int(row[4])] for row in ordered.itertuples(index=False, name=None)]
