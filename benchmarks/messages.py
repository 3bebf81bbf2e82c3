"""What another message does, measured in made-up books against what is true of them: `python -m benchmarks.messages`.

Prints, over books that chose nothing, for each class of age, number and spacing the mean true and measured odds ratio,
the mean width of its interval and the share of intervals that hold the truth. With `--nights` it publishes nights with
messages on one book, and prints what the monitor tells of their variants.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json

import numpy as np
import pandas as pd

from models.fatigue import BY, odds, stratum_of
from pipeline.intake.ingest import ingest
from pipeline.night.night import publish_night
from pipeline.outcomes.monitor import monitor
from pipeline.params import Params, load, shipped
from pipeline.simulate.reminded import LAST_DAY, deliver, live
from pipeline.store.files import private_folder


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


def of_variants(seed: int, debtors: int, nights: int) -> str:
    """What the monitor tells after so many nights with messages on a made-up book, in which variants differ in nothing:
    whatever it finds between them is chance.
    """
    with private_folder() as folder:
        deliver(live(debtors, seed, 6), folder / "source")
        params = load(shipped("params.yaml"))
        steps = [
            {"name": "before", "day": -5, "channels": ["sms", "email"], "message": "due_soon", "open_days": 5},
            {"name": "early", "day": 3, "channels": ["sms", "email"], "message": "overdue", "open_days": 12},
            {"name": "later", "day": 15, "channels": ["email", "sms"], "message": "options", "open_days": 30},
        ]
        told = json.loads(params.model_dump_json()) | {
            "portfolios": {"bills": {"time_zone": "Europe/London", "contact_precision": "time"}},
            "reminders": {"steps": steps, "control_share": 0.2, "language": {"default": "en"}},
            "cohort": {**json.loads(params.cohort.model_dump_json()), "first": "2026-07-01"},
        }
        params = Params.model_validate(told)
        ingest(folder / "source", folder / "store", params)
        first = LAST_DAY - dt.timedelta(params.label.gap_days + nights - 2)
        for night in range(nights):
            publish_night(folder / "store", first + dt.timedelta(night), folder / "out", params)
        found = monitor(folder / "store", LAST_DAY + dt.timedelta(1), params).findings
        return "\n".join(
            f"{each.name}: {each.says}" for each in found if "message" in each.name or "variant" in each.name
        )


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seeds", type=int, nargs="+", default=list(range(201, 221)))
    asked.add_argument("--debtors", type=int, default=3000)
    asked.add_argument("--months", type=int, default=12)
    asked.add_argument("--nights", type=int, default=0, help="Tell of variants instead, after so many nights.")
    said = asked.parse_args()
    if said.nights:
        print(of_variants(said.seeds[0], said.debtors, said.nights))
        return
    found = pd.concat([measured(seed, said.debtors, said.months) for seed in said.seeds], ignore_index=True)
    print(table(found).round(3).to_string(index=False))
    known = found.dropna(subset=["log_odds", "low", "high"])
    held = ((known["low"] <= known["true"]) & (known["true"] <= known["high"])).mean()
    print(f"{len(known)} intervals of {len(said.seeds)} books of {said.debtors:,} debtors: {held:.1%} hold the truth.")


if __name__ == "__main__":
    main()
