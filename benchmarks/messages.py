"""What another message does, measured in made-up books against what is true of them: `python -m benchmarks.messages`.

Prints, over books that chose nothing, for each class of age, number and spacing the mean true and measured odds ratio,
the mean width of its interval and the share of intervals that hold the truth.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from models.fatigue import BY, odds, stratum_of
from pipeline.simulate.reminded import live


def measured(seed: int, debtors: int, months: int) -> pd.DataFrame:
    """by, class, events, and the log odds ratio: measured with its interval, and true."""
    days = live(debtors, seed, months).days
    rows = days.assign(stratum=stratum_of(days["days_past_due"].to_numpy()))
    parts = []
    for by in BY:
        true = odds(rows, "chance", by, seed)["log_odds"].to_numpy()
        parts.append(odds(rows, "pays", by, seed).assign(by=by, true=true))
    return pd.concat(parts, ignore_index=True)


def table(found: pd.DataFrame) -> pd.DataFrame:
    known = found.dropna(subset=["log_odds", "low", "high"])
    known = known.assign(
        held=(known["low"] <= known["true"]) & (known["true"] <= known["high"]), width=known["high"] - known["low"]
    )
    rows = known.groupby(["by", "class"], sort=False).agg(
        books=("held", "size"),
        events=("events", "mean"),
        true=("true", lambda each: np.exp(each.mean())),
        measured=("log_odds", lambda each: np.exp(each.mean())),
        width=("width", "mean"),
        held=("held", "mean"),
    )
    return rows.reset_index()


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seeds", type=int, nargs="+", default=list(range(201, 221)))
    asked.add_argument("--debtors", type=int, default=3000)
    asked.add_argument("--months", type=int, default=12)
    said = asked.parse_args()
    found = pd.concat([measured(seed, said.debtors, said.months) for seed in said.seeds], ignore_index=True)
    print(table(found).round(3).to_string(index=False))
    known = found.dropna(subset=["log_odds", "low", "high"])
    held = ((known["low"] <= known["true"]) & (known["true"] <= known["high"])).mean()
    print(f"{len(known)} intervals of {len(said.seeds)} books of {said.debtors:,} debtors: {held:.1%} hold the truth.")


if __name__ == "__main__":
    main()
