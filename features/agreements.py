"""Plans as they stood on a night, their instalments kept or missed by the payments known before it; and placements as
the statuses that they are: at an agency, before a court, sold.

A plan asks for the sum of its instalments by each due day, whenever the parts of it came: an instalment is kept where
the payments from the agreement through its last day (the due day and the grace of promises) reach the kept share of it
and all of those before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from features import promises
from features.promises import Promised
from features.settlements import Settlements
from features.statuses import lasts
from features.tables import NO_NUMBER, PLAN_ENDS
from features.vocabulary import PLAN_STATES

RUNNING, BEHIND, KEPT, BROKEN, ENDED = range(len(PLAN_STATES))
# A plan that ended otherwise, or nobody says how, has ended.
_ENDED_AS = np.array([{"kept": KEPT, "broken": BROKEN}.get(how, ENDED) for how in PLAN_ENDS] + [ENDED], np.int8)


class Instalments(NamedTuple):
    """Rows of plans as they were known on the nights of cohort rows. Arrays of one length, in any order: the cohort
    row; of the plan its number, day of agreement and total; of the instalment its due day and amount; the end that
    the row tells, and its code of `how` (-1: none).
    """

    row: np.ndarray
    plan: np.ndarray
    agreed_on: np.ndarray
    total: np.ndarray
    due_on: np.ndarray
    amount: np.ndarray
    ended_on: np.ndarray
    how: np.ndarray


class Standing(NamedTuple):
    """What became of them: instalments by cohort row and due day, and plans by cohort row and day of agreement.

    state of an instalment: promises.KEPT, BROKEN, OPEN, UNJUDGED (due on or after the day its plan ended)
    days_late: the day it was reached - the day it was due; NO_MONEY unless kept
    state of a plan: RUNNING, BEHIND (what it asked for by the last day that has passed is not there yet), KEPT (what it
                     asks for in all is), BROKEN, ENDED (otherwise)
    largest: its largest instalment
    """

    row: np.ndarray
    due_on: np.ndarray
    amount: np.ndarray
    state: np.ndarray
    days_late: np.ndarray
    plan_row: np.ndarray
    plan_agreed_on: np.ndarray
    plan_total: np.ndarray
    plan_largest: np.ndarray
    plan_state: np.ndarray


OF_PLACEMENTS = ("account_no", "placement_no", "route", "placed_on", "recalled_on", "known_at", "known_on")
STATUS_KEY = ("account_no", "status", "from_on", "until_on", "known_at", "charge_no")


def with_placed(statuses: pd.DataFrame, placements: pd.DataFrame) -> pd.DataFrame:
    """Statuses of the inner form, and after them the placements as statuses: agency, legal and sold from placed_on
    through recalled_on. Their charge_no is the number of the placement, so that a later version of one replaces itself
    alone, and no status of the book's own. What was delivered as the very same status stands alone.

    statuses: STATUS_KEY but charge_no, which stores of before lack, and any further columns; placements: OF_PLACEMENTS,
    and account_id where statuses have it.
    """
    if "charge_no" not in statuses:
        statuses = statuses.assign(charge_no=np.int64(NO_NUMBER))
    if placements.empty:
        return statuses
    told = _as_statuses(placements)
    key = list(STATUS_KEY[:-1])
    held = pd.MultiIndex.from_frame(statuses[key].astype({"status": "str"}))
    told = told[~pd.MultiIndex.from_frame(told[key]).isin(held)]
    empty = {"detail": None, "charge_id": None, "backfilled": False}
    told = told.assign(**{name: value for name, value in empty.items() if name in statuses})[list(statuses.columns)]
    whole = pd.concat([statuses.astype({"status": "str"}), told.astype({"status": "str"})], ignore_index=True)
    dtypes = {name: dtype for name, dtype in statuses.dtypes.items() if name != "status"}
    return whole.astype(dtypes).assign(status=pd.Categorical(whole["status"], sorted(whole["status"].unique())))


def _as_statuses(placements: pd.DataFrame) -> pd.DataFrame:
    """One row a version; a version that moves to another day or route ends what the one before said."""
    named = placements["route"].astype("str").map({"agency": "agency", "legal": "legal", "sale": "sold"})
    told = pd.DataFrame(
        {
            **{name: placements[name].to_numpy() for name in ("account_no", "account_id") if name in placements},
            "charge_no": placements["placement_no"].to_numpy(),
            "status": named.to_numpy(dtype=object),
            "from_on": placements["placed_on"].to_numpy(),
            "until_on": placements["recalled_on"].to_numpy(),
            "known_at": placements["known_at"].to_numpy(),
            "known_on": placements["known_on"].to_numpy(),
        }
    ).sort_values(["account_no", "charge_no", "known_at"], ignore_index=True)
    earlier, later = told.iloc[:-1], told.iloc[1:]
    same, other = (
        [earlier[name].to_numpy() == later[name].to_numpy() for name in names]
        for names in (("account_no", "charge_no"), ("status", "from_on"))
    )
    moved = np.flatnonzero(np.logical_and.reduce(same) & ~np.logical_and.reduce(other))
    ended = told.iloc[moved].assign(
        until_on=told["from_on"].to_numpy()[moved] - 1,
        **{name: told[name].to_numpy()[moved + 1] for name in ("known_at", "known_on")},
    )
    return pd.concat([told, ended], ignore_index=True)


Keeping = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def standing(
    known: Instalments,
    account_no: np.ndarray,
    as_of: np.ndarray,
    held: Settlements,
    keeping: Keeping,
    kept_share: float,
    before: np.ndarray | None = None,
) -> Standing:
    """What became of the plans on the nights of their rows, by what was paid and known before.

    account_no, as_of: of each cohort row. keeping(due_on, row): the day an instalment falls due, and the last day
    that keeps it (features.bank_days.days_to_keep). kept_share: of an instalment, beside all of those before it.
    before: of each cohort row, the day before which payments count and were known (features.promises.outcomes); as_of
    where None.
    """
    order = np.lexsort((known.due_on, known.plan, known.row))
    told = Instalments(*(values[order] for values in known))
    if not told.row.size:
        none = [np.empty(0, np.int64)] * len(Standing._fields)
        return Standing(*none)
    begins = np.ones(told.row.size, bool)
    begins[1:] = (told.row[1:] != told.row[:-1]) | (told.plan[1:] != told.plan[:-1])
    first = np.flatnonzero(begins)
    plan = np.cumsum(begins) - 1
    night = as_of[told.row]
    over = ~lasts(told.ended_on, night)
    ended_on = np.minimum.reduceat(np.where(over, told.ended_on.astype(np.int64), 2**31), first)
    last_word = over & (told.ended_on == ended_on[plan])
    how = np.where(last_word & (told.how >= 0), told.how, len(PLAN_ENDS))
    ended_as = _ENDED_AS[np.minimum.reduceat(how, first)]
    has_ended = ended_on < 2**31

    summed = np.cumsum(told.amount)
    before_it = summed - told.amount - (summed[first] - told.amount[first])[plan]
    asked = before_it + np.maximum(promises.least_to_keep(told.amount, kept_share), 1)
    falls_due, until = keeping(told.due_on, told.row)
    made = Promised(account_no[told.row], told.agreed_on, falls_due, until, asked)
    seen = None if before is None else before[told.row]
    state, _, late = promises.outcomes(made, held, night, 1.0, seen)
    dropped = told.amount == 0
    state = np.where(dropped | (told.due_on >= ended_on[plan]), promises.UNJUDGED, state)

    place = np.arange(told.row.size)
    judged = (state == promises.KEPT) | (state == promises.BROKEN)
    last = np.maximum.reduceat(np.where(judged & (until < night), place, -1), first)
    missed = (last >= 0) & (state[last] == promises.BROKEN)
    behind = missed.copy()
    owes = last[behind]  # unless it was caught up since
    late_too = Promised(*(values[owes] for values in (made.account_no, made.made_on, falls_due, night, asked)))
    caught_up, _, _ = promises.outcomes(late_too, held, night[owes], 1.0, None if seen is None else seen[owes])
    behind[behind] = caught_up != promises.KEPT
    final = np.maximum.reduceat(np.where(dropped, -1, place), first)  # it asks for all that came before as well
    whole = (final < 0) | (state[final] == promises.KEPT) | ((last == final) & missed & ~behind)
    goes = np.where(whole, KEPT, np.where(behind, BEHIND, RUNNING))
    plan_state = np.where(has_ended, ended_as, goes)

    asks = np.flatnonzero(~dropped)
    asks = asks[np.lexsort((told.due_on[asks], told.row[asks]))]
    plans = np.lexsort((told.agreed_on[first], told.row[first]))
    return Standing(
        told.row[asks],
        told.due_on[asks],
        told.amount[asks],
        state[asks],
        late[asks],
        told.row[first][plans],
        told.agreed_on[first][plans],
        told.total[first][plans],
        np.maximum.reduceat(told.amount, first)[plans],
        plan_state[plans],
    )
