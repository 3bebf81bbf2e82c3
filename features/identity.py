"""Whose identity is to be verified before anything of the debt is said: who was last a wrong party, or is now reached
at a number or address that is new. It is shown on the row; it is no feature, and keeps nobody from the list.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.events import classes_of
from features.tables import OUTCOMES, RIGHT_PARTY
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
    accounts = tables["accounts"][(tables["accounts"]["known_on"] < as_of).to_numpy()]
    accounts = accounts.sort_values(["account_no", "known_at"], kind="stable").drop_duplicates(
        "account_no", keep="last"
    )
    owner = accounts.set_index("account_no")["debtor_id"].astype("str")
    frame = arranged(tables["contacts"], "contacts")
    gone = superseded_on(frame, key_of(frame, "contacts"), "contacts")
    stands = is_last_known(frame["known_on"].to_numpy(), gone, as_of) & (frame["occurred_on"] < as_of).to_numpy()
    rows = frame[stands & np.isin(frame["account_no"].to_numpy(), owner.index.to_numpy())]
    code = classes_of(rows["outcome"], OUTCOMES).codes()
    said = pd.DataFrame(
        {
            "debtor_id": owner.loc[rows["account_no"]].to_numpy(),
            "on": rows["occurred_on"].to_numpy(np.int32),
            "at": rows["occurred_at"].to_numpy(np.int64),
            "wrong": np.isin(code, _WRONG),
            "right": np.isin(code, _RIGHT),
            "endpoint": rows["endpoint_id"].to_numpy(object),
        }
    )
    found = pd.concat([_wrong_parties(said, as_of - days), _new_endpoints(said, as_of - days)], ignore_index=True)
    found = found.drop_duplicates("debtor_id").sort_values("debtor_id", ignore_index=True)
    return found.astype({"debtor_id": "str", "why": "str", "on": "int32"})


def _wrong_parties(said: pd.DataFrame, since: int) -> pd.DataFrame:
    wrong = said[said["wrong"].to_numpy() & (said["on"] >= since).to_numpy()].groupby("debtor_id")[["at", "on"]].max()
    spoke = said[said["right"].to_numpy()].groupby("debtor_id")["at"].max().reindex(wrong.index)
    wrong = wrong[~(spoke >= wrong["at"]).to_numpy()]
    return pd.DataFrame({"debtor_id": wrong.index, "why": WRONG_PARTY, "on": wrong["on"].to_numpy()})


def _new_endpoints(said: pd.DataFrame, since: int) -> pd.DataFrame:
    told = said[said["endpoint"].notna().to_numpy()]
    used = told.groupby(["debtor_id", "endpoint"]).agg(first=("on", "min"), spoken=("right", "any")).reset_index()
    has_older = used.groupby("debtor_id")["first"].min() < since
    fresh = used[(used["first"] >= since).to_numpy() & ~used["spoken"].to_numpy(bool)]
    fresh = fresh.groupby("debtor_id")["first"].max()
    fresh = fresh[has_older.reindex(fresh.index).to_numpy(bool)]
    return pd.DataFrame({"debtor_id": fresh.index, "why": NEW_ENDPOINT, "on": fresh.to_numpy()})
