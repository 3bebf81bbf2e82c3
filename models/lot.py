"""The lot: debtors whose contact a draw decides for a span, so that what working them adds can be seen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.cohort import bucket
from features.members import among, sortable
from features.tables import NO_DAY, NO_TIME

WORKED, CONTROL = "worked", "control"
TO_WORK = "worked_by_lot"  # worked whatever the rank
DRAWN = (CONTROL, TO_WORK)  # arms in which the lot decides over contact
ARMS = (WORKED, CONTROL, TO_WORK)
_AT_ONCE = 100_000


@dataclass(frozen=True)
class ControlTerms:
    """Shares of workable debtors whose contact the lot decides, each for `span_days` from the night it was drawn:
    `share` is held out, `worked_share` is worked whatever its rank.
    """

    share: float
    span_days: int
    seed: int
    worked_share: float = 0.0


def draw_control(
    rows: pd.DataFrame, earlier: pd.DataFrame, as_of: int, terms: ControlTerms, names: pd.Series | None = None
) -> pd.DataFrame:
    """Arm of every debtor that is in a span or workable tonight: debtor_id, arm, assigned_on, until_on, probability;
    sorted by debtor_id.

    rows     account_id, debtor_id, portfolio, days_past_due, group (verdict), appointment_at, legal_deadline_on of
             every scorable account; where known `appointment` (a time is agreed for today, whether it can be kept or
             not) and `hardship` (hardship or vulnerable is recorded on an account of the debtor)
    earlier  arms of former nights (debtor_id, arm, assigned_on, until_on, probability), the newest per debtor; may be
             empty
    names    ids of the debtors, sorted, where the rows name each by its place among them, as
             features.members.in_numbers does

    A debtor keeps the arm of its span, [assigned_on, until_on). Of the workable ones without a span, each stratum
    (portfolio and arrears bucket of the debtor's oldest debt) holds out share x debtors and works worked_share x
    debtors whatever their rank, rounded up or down by coins of its own, so that everybody's probability is the share.
    Who it is, a hash of seed, night and debtor decides: it knows neither score nor rank. One with an appointment, a
    legal deadline or hardship is never drawn. probability: of the drawn arm; of being held out for those that the lot
    left to their rank.
    """
    running = earlier[earlier["until_on"] > as_of] if len(earlier) else pd.DataFrame(columns=["debtor_id"])
    whose, names = debtors_of(rows) if names is None else (rows["debtor_id"].to_numpy(), names)
    spared = is_bound(rows)
    if "hardship" in rows:
        spared |= rows["hardship"].astype(bool)
    free = np.zeros(len(names), bool)
    free[whose[(rows["group"] == "permitted").to_numpy()]] = True
    free[whose[spared.to_numpy(dtype=bool)]] = False
    if len(running):
        free &= ~among(names, running["debtor_id"])
    drawn = np.flatnonzero(free)  # sorted by debtor_id
    stratum, strata = _strata(rows, whose, drawn)
    hashed = (_hash(f"{terms.seed}|{as_of}|{name}") for part in _some(drawn) for name in names.iloc[part])
    chance = np.fromiter(hashed, np.float64, drawn.size)
    arm = np.full(drawn.size, ARMS.index(WORKED), np.int8)
    order = np.lexsort((chance, stratum))  # stable: those of equal chance by debtor_id
    ends = np.append(np.flatnonzero(np.diff(stratum[order])) + 1, drawn.size)
    for members in np.split(order, ends[:-1]) if drawn.size else ():
        name = strata[stratum[members[0]]]
        held = int(members.size * terms.share + _hash(f"{terms.seed}|{as_of}|stratum|{name}"))
        worked = int(members.size * terms.worked_share + _hash(f"{terms.seed}|{as_of}|worked|{name}"))
        arm[members[:held]] = ARMS.index(CONTROL)
        arm[members[held : held + worked]] = ARMS.index(TO_WORK)
    fresh = pd.DataFrame(
        {
            "debtor_id": names.iloc[drawn].astype("str").reset_index(drop=True),
            "arm": pd.Series(pd.Categorical.from_codes(arm, categories=list(ARMS))).astype("str"),
            "assigned_on": np.int32(as_of),
            "until_on": np.int32(as_of + terms.span_days),
            "probability": np.where(arm == ARMS.index(TO_WORK), float(terms.worked_share), float(terms.share)),
        }
    )
    if not len(running):
        return fresh
    return pd.concat([running[list(fresh.columns)], fresh], ignore_index=True).sort_values(
        "debtor_id", ignore_index=True
    )


def _strata(rows: pd.DataFrame, whose: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """(place of each drawn debtor's stratum, their names): portfolio and arrears bucket of its oldest debt."""
    late = rows["days_past_due"].to_numpy(dtype=np.int64)
    order = np.lexsort((sortable(rows["account_id"]), -late, whose))
    first = order[np.append(True, np.diff(whose[order]) != 0)] if order.size else order
    oldest = rows[["portfolio", "days_past_due"]].iloc[first[np.isin(whose[first], drawn)]]
    books, called = pd.factorize(oldest["portfolio"])
    buckets, spans = pd.factorize(bucket(oldest["days_past_due"]))
    return books * max(len(spans), 1) + buckets, [f"{book}|{span}" for book in called for span in spans]


def _some(places: np.ndarray) -> Iterator[np.ndarray]:
    """The places, as many at once as are held as text."""
    return (places[first : first + _AT_ONCE] for first in range(0, len(places), _AT_ONCE))


def is_bound(rows: pd.DataFrame) -> pd.Series:
    """Accounts that an appointment or a legal deadline binds."""
    bound = (rows["appointment_at"] != NO_TIME) | (rows["legal_deadline_on"] != NO_DAY)
    return bound | rows["appointment"].astype(bool) if "appointment" in rows else bound


def debtors_of(rows: pd.DataFrame) -> tuple[np.ndarray, pd.Series]:
    """(debtor of each row as a whole number that rises as the ids do, the ids in that order)."""
    if pd.api.types.is_integer_dtype(rows["debtor_id"]):
        return rows["debtor_id"].to_numpy(), pd.Series(dtype="str")
    codes, names = pd.factorize(rows["debtor_id"], sort=True)
    return codes, pd.Series(names, dtype="str")


def _hash(text: str) -> float:
    """Uniform in [0, 1), the same on every machine."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") / 2.0**64
