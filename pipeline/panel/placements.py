"""What came of accounts that were placed with a party: the money that came while it had them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from features.ledger import Ledger, figures_at
from features.settlements import net_payments
from features.tables import NEVER, NO_DAY, NO_SHARE, WHOLE_SHARE
from features.versions import arranged, key_of, superseded_on
from models.routes import AGENCY, Party
from pipeline.panel.view import View

PLACED_COLUMNS = (
    *("party", "route", "debtor_id", "kind", "currency", "days_past_due", "balance", "recovered", "lived_days"),
    "probability",
)


def placements_in(
    frame: pd.DataFrame, paid: pd.DataFrame, ledger: Ledger, parties: Sequence[Party], day: int
) -> pd.DataFrame:
    """PLACED_COLUMNS of the placements with these parties.

    frame: newest versions of the table with debtor_id, product and currency of each account; paid: account_no,
    occurred_on, amount, net. recovered: what came from placed_on on within the party's horizon, while it had the
    account, minor units; balance and days_past_due of the day it was placed; lived_days: from then to `day`, by which
    payments are whole; probability: with which a lot gave it to the party, NaN where somebody chose.
    """
    horizons = {party.name: party.horizon_days for party in parties}
    if not len(frame):
        return pd.DataFrame(columns=list(PLACED_COLUMNS))
    frame = frame[frame["party"].astype("str").isin(list(horizons)).to_numpy()].reset_index(drop=True)
    number, placed = frame["account_no"].to_numpy(), frame["placed_on"].to_numpy(np.int64)
    until = placed + frame["party"].astype("str").map(horizons).to_numpy(np.int64)
    recalled = frame["recalled_on"].to_numpy(np.int64)
    balance, _, late = figures_at(ledger, number, placed)
    drawn = frame["probability"].to_numpy(np.int64) if "probability" in frame else np.full(len(frame), NO_SHARE)
    return frame.assign(
        kind=frame["product"],
        party=frame["party"].astype("str"),
        route=frame["route"].astype("str"),
        days_past_due=late.astype(np.int64),
        balance=np.maximum(balance, 0),
        recovered=came_between(
            paid, number, placed, np.where(recalled == NO_DAY, until, np.minimum(until, recalled + 1))
        ),
        lived_days=day - placed,
        probability=np.where(drawn == NO_SHARE, np.nan, drawn / WHOLE_SHARE),
    )[list(PLACED_COLUMNS)]


def came_between(paid: pd.DataFrame, account_no: np.ndarray, first: np.ndarray, until: np.ndarray) -> np.ndarray:
    """int64: minor units that came to each account from the day `first` on and before `until`."""
    asked = pd.DataFrame({"account_no": account_no, "first": first, "until": until, "place": np.arange(len(first))})
    pairs = asked.merge(paid, on="account_no")
    pairs = pairs[(pairs["occurred_on"] >= pairs["first"]) & (pairs["occurred_on"] < pairs["until"])]
    return pairs.groupby("place")["amount"].sum().reindex(asked["place"], fill_value=0).to_numpy(np.int64)


def with_agencies(
    seen: View, parties: Sequence[Party], night: int, maturity_days: int, books: Collection[str]
) -> pd.DataFrame:
    """PLACED_COLUMNS of a view's accounts placed with agencies, as they were known before the night; of `books` alone,
    which say that they deliver placements: of any other nobody knows the whole.
    """
    agencies = [party for party in parties if party.route == AGENCY]
    frame = seen.tables.get("placements")
    if not agencies or frame is None or frame.empty:
        return pd.DataFrame(columns=list(PLACED_COLUMNS)).astype(_TYPES)
    frame = arranged(frame[frame["known_on"].to_numpy() < night], "placements")
    newest = frame[superseded_on(frame, key_of(frame, "placements"), "placements") == NEVER]
    known = seen.tables["accounts"]
    known = arranged(known[known["known_on"].to_numpy() < night], "accounts").drop_duplicates("account_no", keep="last")
    names = ("debtor_id", "currency", "product")
    known = known[known["portfolio"].astype("str").isin(list(books)).to_numpy()]
    about = known[["account_no", *names]].astype(dict.fromkeys(names, "str"))
    own = newest[(newest["route"].astype("str") == AGENCY).to_numpy()].merge(about, on="account_no")
    paid = net_payments(seen.ledger.settlements, night)
    found = placements_in(own.reset_index(drop=True), paid, seen.ledger, agencies, night - maturity_days)
    return found.astype(_TYPES)


_TYPES = {
    **dict.fromkeys(("party", "route", "debtor_id", "kind", "currency"), "str"),
    **dict.fromkeys(("days_past_due", "balance", "recovered", "lived_days"), "int64"),
    "probability": "float64",
}
