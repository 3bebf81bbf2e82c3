"""One offer a debtor, and none to whom accounts leave: who is offered something, whose accounts wait for it, and whose
offer is given up because what leaves is worth more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.routes import AGENCY, INTERNAL, LEGAL, SALE

AWAY = (AGENCY, LEGAL, SALE)


@dataclass(frozen=True)
class Household:
    """bool per row.

    offered   the debtor's one offer
    waits     another account of a debtor who has one: it stays while the debtor may answer
    given_up  an account with an offer whose debtor gets none, for his other accounts leave; it stays tonight
    """

    offered: np.ndarray
    waits: np.ndarray
    given_up: np.ndarray

    @property
    def closed(self) -> np.ndarray:
        return self.waits | self.given_up


def household(rows: pd.DataFrame, offers: pd.DataFrame, chosen: pd.DataFrame) -> Household:
    """Of the offers that would be made, debtor by debtor.

    rows: account_id, debtor_id, continuation and, where currencies differ, `unit` (reporting units per minor unit);
    offers: proposal ("" none) and gain over the continuation; chosen: the route that each account would take by itself,
    with its offer where it has one, and its value.

    Of a debtor's offers on accounts that stay the one that gains most is made, and his other accounts wait with us: an
    agency that calls while he may still accept would contradict the offer. Where those that would leave gain more by it
    in all than the offer does, they leave, and nothing is offered.
    """
    unit = rows["unit"].to_numpy(np.float64) if "unit" in rows else np.ones(len(rows))
    who, debtors = pd.factorize(rows["debtor_id"].astype("str"), sort=True)
    route, many = chosen["route"].to_numpy(object), len(debtors)
    there = (offers["proposal"] != "").to_numpy(bool) & (route == INTERNAL)
    gain = offers["gain"].to_numpy(np.float64) * unit
    order = np.lexsort((rows["account_id"].astype("str").to_numpy(), -gain, who))
    order = order[there[order]]
    first = np.ones(len(order), bool)
    first[1:] = who[order][1:] != who[order][:-1]
    offered = np.zeros(len(rows), bool)
    offered[order[first]] = True
    stayed = np.maximum(np.rint(rows["continuation"].to_numpy(np.float64)), 0.0)
    away = np.isin(route, AWAY)
    more = np.where(away, (chosen["value"].to_numpy(np.float64) - stayed) * unit, 0.0)
    leaving = np.bincount(who, more, many) > np.bincount(who, np.where(offered, gain, 0.0), many)
    # An offer that stands may gain less than nothing, and binds all the same: where nobody leaves, nothing is given up.
    leaving &= (np.bincount(who, offered, many) > 0) & (np.bincount(who, away, many) > 0)
    given_up = there & leaving[who]
    offered &= ~given_up
    waits = (np.bincount(who, offered, many) > 0)[who] & ~offered
    return Household(offered, waits, given_up)
