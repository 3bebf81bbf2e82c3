"""What another message does: odds of paying and of answering by days since the last one, by its number in a month and
by how long after the one before it came.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from models.ladder import Z95

REACH_DAYS = 3  # days on which a message is looked for in what the debtor does: half of it is gone in one to three
QUIET_DAYS = 8  # since the last message, from which a day is one without: what it is compared with
COUNTED_DAYS = 30  # in which messages are counted
STRATA = (*range(1, 15), 17, 21, 28, 35, 45, 60)  # first days past due of the strata within which days are compared
# First value of each class, and how it is said.
AGES = {0: "0", 1: "1", 2: "2", 3: "3-4", 5: "5-7"}
NUMBERS = {1: "1", 2: "2-4", 5: "5+"}
SPACINGS = {1: "1-3", 4: "4-7", 8: "8+"}
BY = {"age": AGES, "number": NUMBERS, "spacing": SPACINGS}
DRAWS = 200


def stratum_of(days_past_due: np.ndarray) -> np.ndarray:
    return np.searchsorted(STRATA, days_past_due, side="right")


def odds(rows: pd.DataFrame, outcome: str, by: str, seed: int = 0) -> pd.DataFrame:
    """One row per class of `by` (age, number, spacing): class, rows, events, log_odds and its 95 % interval (low, high)
    against days without a message for QUIET_DAYS, within strata of days past due (Mantel and Haenszel, 1959).

    rows: one per late account and day: debtor, stratum, age (days since the newest message; -1 without one), number (of
    it within COUNTED_DAYS), spacing (days between it and the one before; -1 without one), and outcome: 1 or 0, or a
    chance. number and spacing count while the message is within REACH_DAYS. The interval is by debtor: each weighs as
    often as a Poisson draw says, DRAWS times.
    """
    return _odds(rows, (outcome,), by, seed)[0]


def _odds(rows: pd.DataFrame, outcomes: Sequence[str], by: str, seed: int) -> list[pd.DataFrame]:
    """`odds` of each outcome: all are counted and drawn over the same days, so the draws are made once."""
    age = rows["age"].to_numpy()
    values, names = rows[by].to_numpy(), BY[by]
    quiet = (age < 0) | (age >= QUIET_DAYS)
    fresh = ~quiet if by == "age" else (age >= 0) & (age < REACH_DAYS) & (values >= min(names))
    place = np.where(quiet, 0, np.where(fresh, np.searchsorted(list(names), values, side="right"), -1))
    used, size = place >= 0, len(names) + 1
    stratum = rows["stratum"].to_numpy()[used]
    strata = int(stratum.max(initial=0)) + 1
    cell = stratum * size + place[used]
    debtor, debtors = pd.factorize(rows["debtor"].to_numpy()[used])
    cells = strata * size
    weight = np.random.default_rng(seed).poisson(1.0, (DRAWS, debtors.size)).astype(np.float64)
    weight = np.concatenate([np.ones((1, debtors.size)), weight])

    def drawn_of(counted: np.ndarray | None) -> np.ndarray:
        own = np.bincount(debtor * cells + cell, counted, debtors.size * cells).reshape(debtors.size, cells)
        return (weight @ own).reshape(-1, strata, size)

    many, found = drawn_of(None), []
    for outcome in outcomes:
        happened = rows[outcome].to_numpy(np.float64)[used]
        drawn = _log_odds(many, drawn_of(happened))
        point, drawn = drawn[0], drawn[1:]
        finite = np.isfinite(drawn)
        known = finite.mean(axis=0) > 0.95
        spread = np.array([np.std(drawn[finite[:, at], at]) if known[at] else np.nan for at in range(size - 1)])
        told = {
            "class": list(names.values()),
            "rows": np.bincount(place[used], minlength=size)[1:],
            "events": np.bincount(place[used], happened, size)[1:],
            "log_odds": np.where(known, point, np.nan),
            "low": point - Z95 * spread,
            "high": point + Z95 * spread,
        }
        found.append(pd.DataFrame(told))
    return found


def _log_odds(many: np.ndarray, events: np.ndarray) -> np.ndarray:
    """Draw x class: of each class but the first against the first, pooled over strata; NaN where nothing tells.
    many, events: draw x stratum x class.
    """
    without, of_first = many - events, many[:, :, :1]
    share = np.divide(1.0, of_first + many, out=np.zeros(many.shape), where=of_first + many > 0)
    up = (events * without[:, :, :1] * share).sum(axis=1)[:, 1:]
    down = (without * events[:, :, :1] * share).sum(axis=1)[:, 1:]
    told = (up > 0) & (down > 0)
    return np.where(told, np.log(np.where(told, up, 1.0) / np.where(told, down, 1.0)), np.nan)


def curves(rows: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """`odds` of paying (pays) and of answering (answers) by age, number and spacing, as `outcome` and `by`."""
    outcomes = ("pays", "answers")
    told = {by: _odds(rows, outcomes, by, seed) for by in BY}
    found = [told[by][at].assign(outcome=outcome, by=by) for at, outcome in enumerate(outcomes) for by in BY]
    return pd.concat(found, ignore_index=True)


def waits(table: pd.DataFrame) -> int:
    """Days since the last message from which another is not surely worth less than one after a longer wait; 0 where no
    spacing is. table: of `odds` by spacing.
    """
    firsts = list(SPACINGS)
    wait = 0
    for at in range(len(firsts) - 1):
        later = table["low"].to_numpy()[at + 1 :]
        if np.nanmax(np.append(later, -np.inf)) > table["high"].iloc[at]:
            wait = firsts[at + 1]
    return wait
