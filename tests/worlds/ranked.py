"""Rows that are ranked: accounts with their net value, arms of the draw, and a ranked night of many of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.tables import NO_DAY, NO_TIME
from models.prioritise import ChannelRoom, Floor, joined_to, placed
from models.value import ValueTerms, net_value

TERMS = ValueTerms(
    reporting_currency="EUR",
    fx={"EUR": 1.0, "USD": 0.92, "JPY": 0.0061},
    decimals={"EUR": 2, "USD": 2, "JPY": 0, "CHF": 2},
    share={"own": 1.0, "agency": 0.2},
    annual_rate={"own": 0.08, "agency": 0.0},
    days_to_pay={"own": 12.0, "agency": 30.0},
    costs={"call": 1.2, "sms": 0.08},
)


def accounts(*rows: dict) -> pd.DataFrame:
    """Rows of `rank`; what is not given is a permitted account of its own debtor, worth 1,000."""
    table = []
    for number, row in enumerate(rows):
        base = {
            "account_id": f"a{number}",
            "debtor_id": f"d{number}",
            "queue": "q",
            "group": "permitted",
            "appointment_at": NO_TIME,
            "legal_deadline_on": NO_DAY,
            "fx": 1.0,
            "net_value": 1000,
            "expected_recovery": 2000,
            "portfolio": "own",
            "days_past_due": 40,
        }
        table.append(base | row)
    return pd.DataFrame(table)


def arms(**by_debtor: str) -> pd.DataFrame:
    return pd.DataFrame({"debtor_id": pd.Series(list(by_debtor), dtype="str"), "arm": list(by_debtor.values())})


def rank(
    rows: pd.DataFrame,
    arms: pd.DataFrame,
    capacity: Mapping[str, int],
    as_of: int = 0,
    floor: Floor | None = None,
    room: ChannelRoom | None = None,
) -> pd.DataFrame:
    """What `placed` decides, told by ids: head is the account_id of the debtor's row, "" where there is none, and
    joined_accounts the ids that join a listed one.
    """
    found = placed(rows, arms, capacity, as_of, floor, room)
    ids, head = rows["account_id"].astype(object).to_numpy(), found["head"].to_numpy()
    joined = joined_to(found, ids)
    told = {
        "group": found["group"].astype("str"),
        "rank": found["rank"].astype(np.int64),
        "head": pd.Series(np.where(head >= 0, ids[head], "") if len(ids) else ids, index=rows.index, dtype="str"),
        "joined_accounts": pd.Series([joined.get(at, "") for at in range(len(ids))], index=rows.index, dtype="str"),
        "option": found["option"].astype(np.int64),
        "listed_by": found["listed_by"].astype("str"),
        "would_rank": found["would_rank"].astype(np.int64),
    }
    return pd.DataFrame(told, index=rows.index)


def night(number: int = 60, seed: int = 3) -> pd.DataFrame:
    """A ranked night of `number` accounts with two queues."""
    random = np.random.default_rng(seed)
    rows = accounts(
        *({"debtor_id": f"d{place // 2 if place < 10 else place}", "queue": "ab"[place % 2]} for place in range(number))
    )
    rows = rows.assign(currency="EUR", portfolio="own", channel="call", balance=random.integers(1_000, 90_000, number))
    rows["days_past_due"] = random.integers(1, 900, number)
    rows["placed_on"] = np.where(random.random(number) < 0.2, NO_DAY, random.integers(100, 900, number))
    rows["p_recovered"] = random.uniform(0.01, 0.6, number)
    rows["expected_recovery"] = (rows["balance"] * random.uniform(0.01, 0.6, number)).astype(np.int64)
    rows["amount_if_recovered"] = (rows["expected_recovery"] / rows["p_recovered"]).astype(np.int64)
    rows["added_recovery"] = (rows["expected_recovery"] * random.uniform(0, 0.3, number)).astype(np.int64)
    rows = pd.concat([rows.drop(columns=["fx", "net_value"]), net_value(rows, TERMS)], axis=1)
    ranks = rank(rows, arms(), {"default": 5})
    return pd.concat([rows.drop(columns="group"), ranks], axis=1).assign(unit=1.0)
