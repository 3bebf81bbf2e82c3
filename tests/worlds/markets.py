"""Made-up markets of every nature, each account's truth beside what came of it: without writing a delivery."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.simulate.books import RESPONSE_TYPES, calendar
from pipeline.simulate.log import CONTACTS, PAYMENTS, Direction, PaymentKind
from pipeline.simulate.portfolio import USUAL, Nature, lived

MOVED = ("pays_if_contacted", "pays_less_if_pressed")  # types that contact moves


def market(
    debtors: int, seed: int, nature: Nature = USUAL, months: int = 24, follow: Path | None = None
) -> pd.DataFrame:
    """One row per account and night that the truth tells of, the last night aside: nobody lived its month.

    debtor, account, night (place in the calendar), first (its day), type; chance, if_contacted, if_left and the same
    with amount_; chosen, sensed, drawable, heads (-1: no coin), messages, talks as the truth has them; paid: recovered
    in the month's 30 days; touched: contacted by us in the month.
    """
    span = calendar(months, dt.date(2026, 10, 31))
    born, accounts, log = lived(seed, np.arange(debtors), span, 30, 14, nature, follow)
    first, told = span["first"].astype(int), log.truth[log.truth["night"] < months]
    rows = log.rows[log.rows["table"] == PAYMENTS]
    amounts = dict(zip(_pairs(rows, "seq"), rows["amount"].tolist(), strict=True))
    taken = zip(_pairs(rows, "link"), rows["amount"].tolist(), strict=True)
    whole = {payment for payment, amount in taken if amount == amounts.get(payment)}
    month = np.searchsorted(first, rows["day"], side="right") - 1
    counts = (rows["day"] < first[month] + 30) & (rows["code"] == PaymentKind.PAYMENT)
    counts &= np.array([payment not in whole for payment in _pairs(rows, "seq")])
    outbound = log.rows[(log.rows["table"] == CONTACTS) & (log.rows["way"] == Direction.OUTBOUND)]
    when = np.searchsorted(first, outbound["day"], side="right") - 1
    paid = set(zip(rows["account"][counts].tolist(), month[counts].tolist(), strict=True))
    touched = set(zip(outbound["account"].tolist(), when.tolist(), strict=True))
    keys = list(zip(told["account"].tolist(), told["night"].tolist(), strict=True))
    owner = accounts["debtor"][told["account"]]
    chances = {
        name: told["p"][:, column].astype(float) for column, name in enumerate(("chance", "if_contacted", "if_left"))
    }
    money = {f"amount_{name}": told["amount"][:, column].astype(float) for column, name in enumerate(chances)}
    plain = {
        name: told[name] for name in ("account", "night", "chosen", "sensed", "drawable", "heads", "messages", "talks")
    }
    return pd.DataFrame(
        {
            "debtor": owner,
            "type": np.array(RESPONSE_TYPES)[born["type"][owner]],
            "first": first[told["night"]],
            **plain,
            **chances,
            **money,
            "paid": [key in paid for key in keys],
            "touched": [key in touched for key in keys],
        }
    )


def _pairs(rows: np.ndarray, number: str) -> list[tuple[int, int]]:
    return list(zip(rows["account"].tolist(), rows[number].tolist(), strict=True))


def log_odds(chance: pd.Series) -> pd.Series:
    return np.log(chance / (1 - chance))


def by_the_coin(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows over whose month a coin was thrown, with the chance that its side brings."""
    thrown = rows[rows["heads"] >= 0]
    return thrown.assign(said=np.where(thrown["heads"] == 1, thrown["if_contacted"], thrown["if_left"]))


def misses(rows: pd.DataFrame, chance: str, groups: pd.Series) -> pd.Series:
    """Per group: payments more than expected, in standard deviations."""
    excess, spread = rows["paid"] - rows[chance], rows[chance] * (1 - rows[chance])
    return excess.groupby(groups).sum() / np.sqrt(spread.groupby(groups).sum().clip(lower=0.5))
