"""Which permitted channel answers best: response rates of the account and of its segment, smoothed, against the cost of an attempt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from features.tables import CHANNELS, NO_MINUTE, RIGHT_PARTY

WINDOW_DAYS = 180
ANSWERS = (*RIGHT_PARTY, "complaint", "paid", "opened")  # the debtor, and nobody else, reacted
PARTS = ("morning", "afternoon", "evening")
PART_ENDS = (12 * 60, 17 * 60, 24 * 60)  # minutes of the portfolio's day
OVERALL_PRIOR = (1.0, 10.0)  # answers, attempts that a channel starts with
SEGMENT_WEIGHT = 50.0  # attempts' worth of the channel's rate in a segment's
OWN_WEIGHT = 10.0  # attempts' worth of the segment's rate in an account's own
COUNT_COLUMNS = ["account_no", "portfolio", "channel", "part", "attempts", "answers"]


def answer_counts(contacts: pd.DataFrame, accounts: pd.DataFrame, as_of: int) -> pd.DataFrame:
    """Attempts of ours and answers in [as_of - WINDOW_DAYS, as_of), known before as_of: one row per account, channel and part.

    contacts: inner form; accounts: account_no, portfolio. Attempts that did not connect are left out; part is "" where only the day is
    known. Columns COUNT_COLUMNS.
    """
    days = contacts["occurred_on"].to_numpy()
    outcome = contacts["outcome"].astype("str").fillna("")
    kept = (days >= as_of - WINDOW_DAYS) & (days < as_of) & (contacts["known_on"].to_numpy() < as_of)
    kept = kept & (contacts["direction"].astype("str") == "outbound").to_numpy() & ~outcome.isin(["not_connected", "busy"]).to_numpy()
    minute = contacts["occurred_minute"].to_numpy()[kept]
    part = np.where(minute == NO_MINUTE, "", np.array(PARTS)[np.searchsorted(PART_ENDS, np.maximum(minute, 0), side="right").clip(0, 2)])
    rows = pd.DataFrame(
        {
            "account_no": contacts["account_no"].to_numpy()[kept],
            "channel": contacts["channel"].astype("str").to_numpy()[kept],
            "part": part,
            "attempts": 1,
            "answers": outcome[kept].isin(ANSWERS).to_numpy().astype(np.int64),
        }
    )
    portfolio = accounts.drop_duplicates("account_no", keep="last").set_index("account_no")["portfolio"].astype("str")
    rows["portfolio"] = portfolio.reindex(rows["account_no"]).to_numpy()
    keys = ["account_no", "portfolio", "channel", "part"]
    return rows.dropna(subset=["portfolio"]).groupby(keys, sort=True)[["attempts", "answers"]].sum().reset_index()[COUNT_COLUMNS]


def segment_rates(counts: pd.DataFrame, portfolios: Sequence[str]) -> pd.DataFrame:
    """Rate per portfolio, channel and part (and "" for the whole day), pulled to the channel's own rate where attempts are few."""
    overall = counts.groupby("channel")[["attempts", "answers"]].sum().reindex(CHANNELS, fill_value=0)
    base = (overall["answers"] + OVERALL_PRIOR[0]) / (overall["attempts"] + OVERALL_PRIOR[1])
    whole = counts.assign(part="")
    found = pd.concat([counts[counts["part"] != ""], whole]).groupby(["portfolio", "channel", "part"])[["attempts", "answers"]].sum()
    every = pd.MultiIndex.from_product([sorted(set(portfolios)), CHANNELS, ("", *PARTS)], names=["portfolio", "channel", "part"])
    found = found.reindex(every, fill_value=0)
    pull = base.reindex(found.index.get_level_values("channel")).to_numpy()
    return found.assign(rate=(found["answers"] + SEGMENT_WEIGHT * pull) / (found["attempts"] + SEGMENT_WEIGHT))["rate"].reset_index()


def best_channel(
    permitted: pd.DataFrame,
    worth: pd.Series,
    counts: pd.DataFrame,
    segments: pd.DataFrame,
    costs: Mapping[str, float],
    order: Sequence[str],
) -> pd.DataFrame:
    """Per account the permitted channel of the best rate x worth - cost, and the part of the day in which its segment answers best.

    permitted  account_no, portfolio, channel: one row per permitted channel; other columns are kept
    worth      by account_no: discounted money expected, our share, in units of the reporting currency; costs: the same units per attempt
    order      channels, preferred first: decides ties, and everything where no attempt was ever made

    Returns one row per account, sorted by account_no: channel, response_rate (smoothed), part ("" where none is known to be better).
    """
    own = counts.groupby(["account_no", "channel"])[["attempts", "answers"]].sum()
    keys = pd.MultiIndex.from_frame(permitted[["account_no", "channel"]].astype({"channel": "str"}))
    mine = own.reindex(keys, fill_value=0)
    by_day = segments[segments["part"] == ""].set_index(["portfolio", "channel"])["rate"]
    pull = by_day.reindex(pd.MultiIndex.from_frame(permitted[["portfolio", "channel"]].astype("str"))).to_numpy()
    rate = (mine["answers"].to_numpy() + OWN_WEIGHT * pull) / (mine["attempts"].to_numpy() + OWN_WEIGHT)
    cost = permitted["channel"].astype("str").map(dict(costs)).to_numpy(dtype=np.float64)
    value = rate * worth.reindex(permitted["account_no"]).to_numpy(dtype=np.float64) - cost
    if counts.empty:
        value = np.zeros(len(permitted))  # nothing tells the channels apart
    preference = permitted["channel"].astype("str").map({name: place for place, name in enumerate(order)}).to_numpy()
    ranked = permitted.assign(response_rate=rate).iloc[np.lexsort((preference, -value, permitted["account_no"].to_numpy()))]
    best = ranked.drop_duplicates("account_no").reset_index(drop=True)
    parts = segments[segments["part"] != ""].sort_values("rate", kind="stable").drop_duplicates(["portfolio", "channel"], keep="last")
    better = parts.merge(segments[segments["part"] == ""], on=["portfolio", "channel"], suffixes=("", "_day"))
    better = better[better["rate"] > better["rate_day"]].set_index(["portfolio", "channel"])["part"]
    part = better.reindex(pd.MultiIndex.from_frame(best[["portfolio", "channel"]].astype("str"))).fillna("").to_numpy()
    return best.assign(part=part)
