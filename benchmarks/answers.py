"""Do debtors answer as often as the rates say? python -m benchmarks.answers [night,
default 2026-07-01] [days after it, default 60]

Rates as they stood on the night (models/response.py), against what came of the attempts after it, from the store of the
params. Attempts of a channel are put in fifths by the rate of their account and part of the day.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from features.days import day_of_text
from features.versions import arranged
from models.response import PARTS, ChannelTerms, answer_counts, channel_options, segment_rates
from pipeline.params import load
from pipeline.store.store import Store

FIFTHS, LEAST = 5, 500  # parts of a channel's attempts, and attempts below which a channel is not judged


def main() -> None:
    night, after = (sys.argv[1:] + ["2026-07-01", "60"][len(sys.argv) - 1 :])[:2]
    store = Store(load(Path("params.yaml")).paths.store)
    tables = [store.tables(shard, ["accounts", "contacts"]) for shard in range(store.shards)]
    accounts = pd.concat([one["accounts"] for one in tables]).drop_duplicates("account_no", keep="last")
    log = pd.concat([one["contacts"] for one in tables], ignore_index=True).sort_values(
        ["account_no", "occurred_at"], ignore_index=True
    )
    print(f"{'channel':10}{'attempts':>9}  foretold > answered, by fifths of the rate")
    for channel, rows in foretold(arranged(log, "contacts"), accounts, day_of_text(night), int(after)):
        print(
            f"{channel:10}{rows['n'].sum():>9,}  "
            + "   ".join(f"{fifth.foretold:.1%} > {fifth.answered:.1%}" for fifth in rows.itertuples())
        )


def foretold(log: pd.DataFrame, accounts: pd.DataFrame, night: int, after: int) -> list[tuple[str, pd.DataFrame]]:
    """(channel, fifths) with n, foretold and answered: attempts after the night, the rate they had on it,
    the share answered.
    """
    counts = answer_counts(log, accounts, night)
    later = (
        answer_counts(log, accounts, night + after, after)
        .query("part != ''")
        .rename(columns={"attempts": "n", "answers": "k"})
    )
    open_all_day = {"from_minute": 0, "until_minute": 1440, "contacts_left": 1, "appointed": False}
    worth = pd.Series(1.0, index=later["account_no"].unique())
    channels = sorted(later["channel"].unique())
    terms = ChannelTerms(dict.fromkeys(channels, 1.0), {}, channels)
    rows = channel_options(
        later.assign(**open_all_day), worth, counts, segment_rates(counts, accounts["portfolio"].astype("str")), terms
    )
    rows["rate"] = rows[list(PARTS)].to_numpy()[np.arange(len(rows)), rows["part"].map(PARTS.index)]
    found = []
    for channel, own in rows.sort_values(["rate", "account_no"]).groupby("channel"):
        if own["n"].sum() < LEAST:
            continue
        fifth = np.minimum(FIFTHS * (own["n"].cumsum() - 1) // own["n"].sum(), FIFTHS - 1)
        sums = own.assign(due=own["rate"] * own["n"]).groupby(fifth.to_numpy())[["n", "due", "k"]].sum()
        found.append((str(channel), sums.assign(foretold=sums["due"] / sums["n"], answered=sums["k"] / sums["n"])))
    return found


if __name__ == "__main__":
    main()
