"""What to offer around a due day, within the policy: a later one, or a little less for paying before it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from features.errors import ContractError
from models.due_day import EARLY, EARLY_COLUMNS, MOVE, MOVE_COLUMNS, due_date_moves, early_discounts
from pipeline.treatment.offers import NOT_OFFERED
from pipeline.treatment.policy import Policy
from pipeline.treatment.proposals import NO_CONTACT, SPECIALIST, STATUS

DUE_COLUMNS = (
    "account_id",
    "currency",
    "debtor_type",
    "due_amount",
    "due_on",
    "p_late",
    "late_by_days",
    "payday",
    "moved",
    "contact_open",
    "may_let_off",
)
OFFERED_COLUMNS = ("proposal", "why", "why_no_move", "why_no_discount", "value", "value_low", "value_high", "grants")


def propose_by_due_day(rows: pd.DataFrame, recorded: pd.DataFrame, policy: Policy, as_of: int) -> pd.DataFrame:
    """OFFERED_COLUMNS, and MOVE_COLUMNS and EARLY_COLUMNS of the terms, named move_* and early_*. Index as the rows'.

    rows: DUE_COLUMNS, see models.due_day: what falls due on accounts that are not late, or have just become so.
    may_let_off: whether the house may give up money of the account; else there is no discount. recorded: a bool column
    for every status of the policy's lists, as for pipeline.treatment.proposals.propose. Of the two the one that is
    worth more is proposed, a move where both are equal. A move takes nothing off, so the first of the policy's
    authorities may grant it; a discount the first whose limits hold it. Raises ContractError where a column lacks.
    """
    if lacking := [name for name in DUE_COLUMNS if name not in rows]:
        raise ContractError.missing_columns("rows by due day", lacking, rows.columns)
    if lacking := [name for name in (*policy.specialist, *policy.never) if name not in recorded]:
        raise ContractError.missing_columns("recorded statuses", lacking, recorded.columns)
    specialist = recorded[list(policy.specialist)].to_numpy(bool).any(axis=1)
    barred = recorded[list(policy.never)].to_numpy(bool).any(axis=1)
    held = np.select([specialist, barred, ~rows["contact_open"].to_numpy(bool)], [SPECIALIST, STATUS, NO_CONTACT], "")
    free = held == ""
    move, why_move = _none(rows, MOVE_COLUMNS)
    early, why_early = _none(rows, EARLY_COLUMNS)
    if policy.moves is not None and policy.authority:
        move, why_move = due_date_moves(rows, as_of, policy.moves)
    grants, largest = _grants(rows, policy)
    if policy.early is not None:
        largest = np.where(rows["may_let_off"].to_numpy(bool), largest, 0.0)
        early, why_early = early_discounts(rows.assign(largest=largest), as_of, policy.early)
    moves, pays_early = free & (why_move == "").to_numpy(), free & (why_early == "").to_numpy()
    sooner = pays_early & (~moves | (early["value"] > move["value"]).to_numpy())
    kind = np.select([sooner, moves], [EARLY, MOVE], "")
    found: dict[str, object] = {
        "proposal": kind,
        "why": held,
        "why_no_move": np.where(free, why_move, held),
        "why_no_discount": np.where(free, why_early, held),
    }
    for name in ("value", "value_low", "value_high"):
        found[name] = np.where(kind == EARLY, early[name], np.where(kind == MOVE, move[name], 0))
    first = policy.authority[0].who if policy.authority else ""
    found["grants"] = np.where(kind == EARLY, grants(early), np.where(kind == MOVE, first, ""))
    texts = ("proposal", "why", "why_no_move", "why_no_discount", "grants")
    whole = pd.DataFrame(found, index=rows.index).astype(dict.fromkeys(texts, "str"))
    parts = {"move": move.where(pd.Series(free, rows.index), 0), "early": early.where(pd.Series(free, rows.index), 0)}
    return whole.join([part.add_prefix(f"{name}_") for name, part in parts.items()])


def _none(rows: pd.DataFrame, columns: tuple[str, ...]) -> tuple[pd.DataFrame, pd.Series]:
    return pd.DataFrame(0, index=rows.index, columns=list(columns)), pd.Series(NOT_OFFERED, rows.index, dtype="str")


def _grants(rows: pd.DataFrame, policy: Policy) -> tuple[Callable[[pd.DataFrame], np.ndarray], np.ndarray]:
    """(who may grant the discounts of a frame, the least of those who may; the largest discount that anybody may)."""
    currency, money = rows["currency"].astype("str"), rows["due_amount"].to_numpy(np.float64)
    limits = [
        np.nan_to_num(currency.map({name: float(most) for name, most in each.let_off.items()}).to_numpy(np.float64))
        for each in policy.authority
    ]
    share = [np.divide(limit, money, out=np.zeros(len(rows)), where=money > 0) for limit in limits]
    most = [np.minimum(each.discount, part) for each, part in zip(policy.authority, share, strict=True)]
    largest = np.maximum.reduce([np.zeros(len(rows)), *most])

    def who(early: pd.DataFrame) -> np.ndarray:
        found = np.full(len(rows), "", dtype=object)
        let_off = money - early["amount"].to_numpy(np.float64)
        for each, limit in reversed(list(zip(policy.authority, limits, strict=True))):
            found[(early["discount"].to_numpy() <= each.discount) & (let_off <= limit)] = each.who
        return found

    return who, largest
