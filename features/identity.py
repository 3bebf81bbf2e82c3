"""Whose identity is to be verified before anything of the debt is said: who was last a wrong party, or is now reached
at a number or address that is new. It is shown on the row; it is no feature, and keeps nobody from the list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from features.events import classes_of
from features.tables import NEVER, OUTCOMES, RIGHT_PARTY
from features.versions import arranged, is_last_known, key_of, superseded_on

WRONG_PARTY, NEW_ENDPOINT = "wrong_party", "new_endpoint"
_WRONG = [OUTCOMES.index(name) for name in ("wrong_number", "third_party")]
_RIGHT = [OUTCOMES.index(name) for name in RIGHT_PARTY]


def to_verify(tables: Mapping[str, pd.DataFrame], as_of: int, days: int) -> pd.DataFrame:
    """debtor_id, why (WRONG_PARTY or NEW_ENDPOINT) and on (int32 day) of the debtors to be verified, by debtor_id.

    Of the contacts known before the night that happened before it: in the last `days` somebody else answered or the
    number was wrong, and the debtor was not spoken to since; else the debtor's newest number or address was first used
    in those days, another before them, and nobody was yet spoken to there. Where contacts lack, nobody.
    """
    nobody = pd.DataFrame({"debtor_id": pd.Series([], dtype="str"), "why": pd.Series([], dtype="str")})
    if "contacts" not in tables:
        return nobody.assign(on=np.array([], np.int32))
    accounts = tables["accounts"][["account_no", "debtor_id", "known_at"]]
    accounts = accounts[(tables["accounts"]["known_on"] < as_of).to_numpy()]
    accounts = accounts.sort_values(["account_no", "known_at"], kind="stable").drop_duplicates(
        "account_no", keep="last"
    )
    owner, names = pd.factorize(accounts["debtor_id"].astype("str"), sort=True)
    frame = arranged(tables["contacts"], "contacts")
    gone = superseded_on(frame, key_of(frame, "contacts"), "contacts")
    place, inside = _places(accounts["account_no"].to_numpy(), frame["account_no"].to_numpy())
    stands = is_last_known(frame["known_on"].to_numpy(), gone, as_of) & (frame["occurred_on"] < as_of).to_numpy()
    rows = np.flatnonzero(stands & inside)
    code = classes_of(frame["outcome"], OUTCOMES).codes()[rows]
    said = _Said(
        owner[place[rows]],
        frame["occurred_on"].to_numpy(np.int32)[rows],
        frame["occurred_at"].to_numpy(np.int64)[rows],
        np.isin(code, _WRONG),
        np.isin(code, _RIGHT),
    )
    wrong, wrong_on = _wrong_parties(said, as_of - days, len(names))
    fresh, fresh_on = _new_endpoints(said, frame["endpoint_id"], rows, as_of - days, len(names))
    more = ~np.isin(fresh, wrong)
    found = pd.DataFrame(
        {
            "debtor_id": names.to_numpy()[np.concatenate([wrong, fresh[more]])],
            "why": np.repeat([WRONG_PARTY, NEW_ENDPOINT], [wrong.size, more.sum()]),
            "on": np.concatenate([wrong_on, fresh_on[more]]),
        }
    )
    return found.astype({"debtor_id": "str", "why": "str", "on": "int32"}).sort_values("debtor_id", ignore_index=True)


class _Said(NamedTuple):
    """The contacts that stand: number of the debtor among those known, day, instant, and what was met."""

    who: np.ndarray
    on: np.ndarray
    at: np.ndarray
    wrong: np.ndarray
    right: np.ndarray


def _places(numbers: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(place of each account number among those that are known, ascending; whether it is there at all)."""
    place = np.searchsorted(numbers, asked).clip(max=max(numbers.size - 1, 0))
    return place, numbers[place] == asked if numbers.size else np.zeros(asked.size, bool)


def _wrong_parties(said: _Said, since: int, debtors: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the debtors, ascending, and the day that somebody else answered last."""
    never = np.iinfo(np.int64).min
    at, on, spoke = (np.full(debtors, never, np.int64) for _ in range(3))
    wrong = said.wrong & (said.on >= since)
    np.maximum.at(at, said.who[wrong], said.at[wrong])
    np.maximum.at(on, said.who[wrong], said.on[wrong])
    np.maximum.at(spoke, said.who[said.right], said.at[said.right])
    found = np.flatnonzero((on > never) & (spoke < at))
    return found, on[found]


def _new_endpoints(
    said: _Said, endpoints: pd.Series, rows: np.ndarray, since: int, debtors: int
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the debtors, ascending, and the day their newest number or address was first used. endpoints: of the
    whole log, of which `rows` stand.
    """
    told = endpoints.notna().to_numpy()[rows]
    asked = np.zeros(debtors, bool)
    asked[said.who[told & (said.on >= since)]] = True  # nothing new of the others
    told = np.flatnonzero(told & asked[said.who])
    who, on = said.who[told], said.on[told].astype(np.int64)
    codes, names = pd.factorize(endpoints.iloc[rows[told]])
    pairs, place = np.unique(who * max(len(names), 1) + codes, return_inverse=True)
    first, whose = np.full(pairs.size, NEVER, np.int64), pairs // max(len(names), 1)
    np.minimum.at(first, place, on)
    spoken = np.bincount(place, said.right[told], pairs.size) > 0
    oldest, newest = np.full(debtors, NEVER, np.int64), np.full(debtors, -NEVER, np.int64)
    np.minimum.at(oldest, whose, first)
    fresh = (first >= since) & ~spoken
    np.maximum.at(newest, whose[fresh], first[fresh])
    found = np.flatnonzero((newest > -NEVER) & (oldest < since))
    return found, newest[found]
