"""What may be offered around a due day: a later one, after the debtor's payday, or a little less for paying before it.

Both are worth little and cost little; what decides is how likely the money is to be late, and by how much. What is late
comes late_days after its due day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.belief import Curve
from models.plans import first_days
from models.settlements import settled_amount

MOVE, EARLY = "due_date_move", "early_discount"
# Why nothing is offered, the first that applies.
UNKNOWN, PAYDAY_UNKNOWN, NOT_COMMERCIAL, TOO_LATE, TOO_SOON, MOVED, TOO_FAR, CURRENCY, NO_GAIN = (
    "chance_unknown",
    "payday_unknown",
    "not_commercial",
    "too_late",
    "too_late_to_be_early",
    "moved_before",
    "payday_too_far",
    "currency",
    "not_worth_it",
)
MOVE_COLUMNS = ("new_due_on", "days", "saved", "sooner", "waits", "value", "value_low", "value_high")
EARLY_COLUMNS = (
    "discount", "amount", "pay_by", "p_take", "paid_money", "otherwise", "value", "value_low", "value_high"
)  # fmt: skip


@dataclass(frozen=True)
class MoveTerms:
    """most_days: from the due day to the new one; most_in_a_year: moves of an account; overdue_days: so late at most;
    helps: share of the chance of being late that goes where the money is there before the due day, low, middle, high;
    late_cost: currency -> minor units that being late costs in contacts; late_days: see above.
    """

    most_days: int
    most_in_a_year: int
    overdue_days: int
    helps: tuple[float, float, float]
    late_cost: Mapping[str, int]
    late_days: int
    annual_rate: float


@dataclass(frozen=True)
class EarlyTerms:
    """discounts: rising; days_before_due: that the money must be there before the due day; overdue_days: so late at
    most, 0: never on a debt that is late, which then has to be paid at once; takes: chance by discount that it is taken
    and paid by then.
    """

    discounts: tuple[float, ...]
    days_before_due: int
    overdue_days: int
    takes: Curve
    late_days: int
    annual_rate: float


def due_date_moves(rows: pd.DataFrame, as_of: int, terms: MoveTerms) -> tuple[pd.DataFrame, pd.Series]:
    """(MOVE_COLUMNS, 0 where none is offered; why there is none, "" where there is one). Index as the rows'.

    rows: currency, due_amount (int64 minor units), due_on (day), p_late (chance that it is not paid when it is due;
    of what is overdue, within its horizon; NaN unknown), late_by_days (that the debtor is late on average, NaN: the
    terms'), payday (day of the month, 0 unknown), moved (in the last year). The new day is the first after a payday
    that is still to come. Minor units: saved = p_late x helps x late_cost; sooner = p_late x helps x due_amount x (1 -
    discount of late days); waits = due_amount x (1 - discount of the days moved); value = saved + sooner - waits.
    """
    due_on, payday = rows["due_on"].to_numpy(np.int64), rows["payday"].to_numpy(np.int64)
    start = np.maximum(due_on, as_of)
    room = np.maximum(due_on + terms.most_days - start, 1)
    new, follows = first_days(payday, start, 1, room)
    days = new - due_on
    money, chance, late = _stated(rows, terms.late_days)
    cost = rows["currency"].astype("str").map({name: float(each) for name, each in terms.late_cost.items()})
    waits = np.rint(money * (1 - _discount(days, terms.annual_rate)))
    parts = [
        (
            np.rint(chance * helps * np.nan_to_num(cost.to_numpy(np.float64))),
            np.rint(chance * helps * money * (1 - _discount(late, terms.annual_rate))),
        )
        for helps in terms.helps
    ]
    low, value, high = (saved + sooner - waits for saved, sooner in parts)
    tests = {
        UNKNOWN: np.isnan(rows["p_late"].to_numpy(np.float64)),
        PAYDAY_UNKNOWN: payday == 0,
        TOO_LATE: due_on + terms.overdue_days < as_of,
        MOVED: rows["moved"].to_numpy() >= terms.most_in_a_year,
        TOO_FAR: ~follows | (days > terms.most_days),
        CURRENCY: cost.isna().to_numpy(),
        NO_GAIN: value <= 0,
    }
    told = (new, days, parts[1][0], parts[1][1], waits, value, low, high)
    return _where_open(dict(zip(MOVE_COLUMNS, told, strict=True)), tests, rows.index)


def early_discounts(rows: pd.DataFrame, as_of: int, terms: EarlyTerms) -> tuple[pd.DataFrame, pd.Series]:
    """(EARLY_COLUMNS of the discount of highest value, 0 where none is offered; why there is none).

    rows: those of `due_date_moves` but payday and moved, debtor_type, and largest (discount that may be granted). For
    commercial debtors alone. pay_by: days_before_due before the due day, of what is overdue as_of itself. Minor units:
    otherwise = due_amount x ((1 - p_late) x discount to the due day + p_late x discount to late days after it);
    paid_money = amount x discount to pay_by; value = p_take x (paid_money - otherwise).
    """
    due_on, largest = rows["due_on"].to_numpy(np.int64), rows["largest"].to_numpy(np.float64)
    money, chance, late = _stated(rows, terms.late_days)
    overdue = due_on < as_of
    pay_by = np.where(overdue, as_of, due_on - terms.days_before_due)
    wait = np.maximum(due_on - as_of, 0)
    rate = terms.annual_rate
    otherwise = np.rint(money * ((1 - chance) * _discount(wait, rate) + chance * _discount(wait + late, rate)))
    best = {name: np.zeros(len(rows)) for name in EARLY_COLUMNS}
    allowed = np.zeros(len(rows), bool)
    for discount in terms.discounts:
        amount = settled_amount(rows["due_amount"].to_numpy(np.int64), discount)
        paid = np.rint(amount * _discount(np.maximum(pay_by - as_of, 0), rate))
        takes = {end: float(terms.takes.of(np.array([discount]), end)[0]) for end in ("low", "middle", "high")}
        values = [np.rint(each * (paid - otherwise)) for each in takes.values()]
        told = (
            discount, amount, pay_by, takes["middle"], paid, otherwise, values[1], np.minimum.reduce(values),
            np.maximum.reduce(values),
        )  # fmt: skip
        better = (discount <= largest) & (amount > 0) & (~allowed | (values[1] > best["value"]))
        for name, each in zip(EARLY_COLUMNS, told, strict=True):
            best[name] = np.where(better, each, best[name])
        allowed |= better
    tests = {
        UNKNOWN: np.isnan(rows["p_late"].to_numpy(np.float64)),
        NOT_COMMERCIAL: (rows["debtor_type"].astype("str") != "commercial").to_numpy(),
        TOO_LATE: overdue & (due_on + terms.overdue_days < as_of),
        TOO_SOON: ~overdue & (pay_by < as_of),
        NO_GAIN: ~allowed | (best["value"] <= 0),
    }
    return _where_open(best, tests, rows.index)


def _stated(rows: pd.DataFrame, late_days: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(money, chance, late days) as float64; what is unknown is the terms' or 0, and no offer is made."""
    late = rows["late_by_days"].to_numpy(np.float64)
    late = np.where(np.isnan(late), late_days, np.maximum(late, 0.0))
    return rows["due_amount"].to_numpy(np.float64), np.nan_to_num(rows["p_late"].to_numpy(np.float64)), late


def _discount(days: np.ndarray, annual_rate: float) -> np.ndarray:
    return (1 + annual_rate) ** (-days / 365.0)


def _where_open(
    told: Mapping[str, np.ndarray], tests: Mapping[str, np.ndarray], index: pd.Index
) -> tuple[pd.DataFrame, pd.Series]:
    why = np.select(list(tests.values()), list(tests), "")
    shares = ("discount", "p_take")
    found = {
        name: np.where(why == "", each, 0).astype(np.float64 if name in shares else np.int64)
        for name, each in told.items()
    }
    return pd.DataFrame(found, index=index), pd.Series(why, index=index, dtype="str")
