"""How a debtor pays by himself: how much at a time, how often, and on which day of the month."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.days import days_left_in_month, days_of_month

SPAN_DAYS = 365  # how far back a habit is read
LEAST_DAYS = 2  # days with a payment before anything is usual
PAYDAY_DAYS, PAYDAY_SHARE, PAYDAY_REACH = 4, 0.6, 2  # days with a payment; share of them so many days from the payday
MONTH = 31  # 31 stands for the last day of every month


def habits(payments: pd.DataFrame, debtors: int, as_of: np.ndarray | int) -> pd.DataFrame:
    """usual_payment (minor units), usual_gap_days and payday of debtors 0 .. debtors - 1; NaN, NaN and 0 where unknown.

    as_of: one, or one per debtor. payments: debtor (number), day, amount (minor units of one currency for each debtor),
    net of what was taken back and known before as_of; those of the SPAN_DAYS before as_of count, and what came on one
    day is one payment. usual_payment is the median. usual_gap_days is the mean gap between them, or the days since the
    first ÷ their number where that is more: whoever paid each month and stopped a year ago does not pay each month.
    payday is the day of the month within PAYDAY_REACH of which the most were paid, the last day of a month being 31 and
    next to the 1st.
    """
    day, night = payments["day"].to_numpy(np.int64), np.broadcast_to(as_of, debtors)
    asked = night[payments["debtor"].to_numpy(np.int64)]
    lately = (day >= asked - SPAN_DAYS) & (day < asked) & (payments["amount"].to_numpy() > 0)
    daily = payments[lately].groupby(["debtor", "day"], sort=True)["amount"].sum().reset_index()
    who, on = daily["debtor"].to_numpy(np.int64), daily["day"].to_numpy(np.int64)
    many = np.bincount(who, minlength=debtors)
    found = pd.DataFrame({"usual_payment": np.nan, "usual_gap_days": np.nan, "payday": 0}, index=pd.RangeIndex(debtors))
    if not len(daily):
        return found
    by = daily.groupby("debtor")
    first, last = (part.reindex(found.index).to_numpy(np.float64) for part in (by["day"].min(), by["day"].max()))
    usual = by["amount"].median().reindex(found.index).to_numpy(np.float64)
    between = np.divide(last - first, many - 1, out=np.full(debtors, np.nan), where=many >= LEAST_DAYS)
    since = np.divide(night - first, many, out=np.full(debtors, np.nan), where=many > 0)
    enough = many >= LEAST_DAYS
    found["usual_payment"] = np.where(enough, usual, np.nan)
    found["usual_gap_days"] = np.where(enough, np.maximum(between, since), np.nan)
    found["payday"] = _payday(who, on, many)
    return found


def _payday(who: np.ndarray, on: np.ndarray, many: np.ndarray) -> np.ndarray:
    """int64 per debtor, 0 where there is none; of equals the day that was itself paid on most, then the earliest."""
    at = np.where(days_left_in_month(on) == 0, MONTH, days_of_month(on)) - 1
    counts = np.bincount(who * MONTH + at, minlength=many.size * MONTH).reshape(many.size, MONTH)
    near = np.sum([np.roll(counts, step, axis=1) for step in range(-PAYDAY_REACH, PAYDAY_REACH + 1)], axis=0)
    best = (near * (MONTH + 1) * MONTH + counts * MONTH).argmax(axis=1)
    held = near[np.arange(many.size), best]
    sure = (many >= PAYDAY_DAYS) & (held >= PAYDAY_SHARE * many)
    return np.where(sure, best + 1, 0).astype(np.int64)
