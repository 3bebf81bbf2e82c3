"""The basic aggregates by featuretools, in the environment of benchmarks/featuretools.lock:
it needs an older pandas than Recoup.

python -I featuretools_side.py STORE NIGHT OUT REPEATS: writes the frame to OUT and prints the wall seconds of each
repeat. featuretools knows neither reversals nor corrections, so pandas prepares the events; windows are its training
windows, filters its own sub-frames.
"""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path

import pandas as pd

WINDOWS, LONGEST = (7, 30, 90, 180, 365), 365
STD_WINDOWS = (90, 180, 365)


def main() -> None:
    store, night, out, repeats = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    warnings.simplefilter("ignore")
    for _ in range(repeats):
        begun = time.perf_counter()
        found = made(store, night)
        print(time.perf_counter() - begun, flush=True)
    found.to_parquet(out, index=False)


def made(store: Path, night: int) -> pd.DataFrame:
    import featuretools as ft

    day = pd.Timestamp(night, unit="D")
    accounts = pd.read_parquet(store / "accounts", columns=["account_no"])
    events = prepared(store, day)
    subsets = {
        "payments": events["payments"],
        "contacts": events["contacts"],
        "call": events["contacts"][events["contacts"]["channel"] == "call"],
        "outbound": events["contacts"][events["contacts"]["direction"] == "outbound"],
    }
    entities = ft.EntitySet("log")
    entities.add_dataframe(dataframe_name="accounts", dataframe=accounts, index="account_no")
    for name, frame in subsets.items():
        columns = ["account_no", "occurred_on", "age"] + (["amount"] if name == "payments" else [])
        entities.add_dataframe(
            dataframe_name=name,
            dataframe=frame[columns].reset_index(drop=True),
            make_index=True,
            index=f"{name}_row",
            time_index="occurred_on",
        )
        entities.add_relationship("accounts", "account_no", name, "account_no")
    at = pd.DataFrame({"account_no": accounts["account_no"], "time": day - pd.Timedelta(1, "ns")})
    columns = {"account_no": accounts["account_no"].to_numpy()}
    for days in WINDOWS:
        words = (
            ["count", "sum", "max", "mean"]
            + (["std"] if days in STD_WINDOWS else [])
            + (["min"] if days == LONGEST else [])
        )
        wide, _ = ft.dfs(
            entityset=entities,
            target_dataframe_name="accounts",
            agg_primitives=words,
            trans_primitives=[],
            max_depth=1,
            cutoff_time=at,
            training_window=f"{days} days",
            include_cutoff_time=True,
        )
        wide = wide.reindex(accounts["account_no"])
        for word in ("count", "sum", "max", "mean", *(["std"] if days in STD_WINDOWS else [])):
            label = "COUNT(payments)" if word == "count" else f"{word.upper()}(payments.amount)"
            columns[f"payments_{word}_{days}d"] = wide[label].to_numpy(dtype=float)
        for name, filtered in (("contacts", ""), ("call", "_call"), ("outbound", "_outbound")):
            columns[f"contacts_count{filtered}_{days}d"] = wide[f"COUNT({name})"].to_numpy(dtype=float)
        if days == LONGEST:
            for name in ("payments", "contacts"):
                columns[f"{name}_days_since_last_{days}d"] = wide[f"MIN({name}.age)"].to_numpy(dtype=float)
                columns[f"{name}_days_since_first_{days}d"] = wide[f"MAX({name}.age)"].to_numpy(dtype=float)
    found = pd.DataFrame(columns)
    zero = [name for name in found if "_count" in name or "_sum" in name]
    return found.assign(night=night).fillna(dict.fromkeys(zero, 0.0))


def prepared(store: Path, day: pd.Timestamp) -> dict[str, pd.DataFrame]:
    frames = {}
    for name, more in (
        ("payments", ["payment_no", "amount", "kind"]),
        ("contacts", ["contact_no", "channel", "direction"]),
    ):
        frame = pd.read_parquet(store / name, columns=["account_no", "occurred_on", "known_on", *more])
        frame = frame.assign(**{column: pd.to_datetime(frame[column]) for column in ("occurred_on", "known_on")})
        frame = frame[(frame["known_on"] < day) & (frame["occurred_on"] < day)]
        frames[name] = frame.assign(age=(day - frame["occurred_on"]).dt.days.astype(float))
    frames["contacts"] = frames["contacts"].drop_duplicates(["account_no", "contact_no"], keep="last")
    columns = ["account_no", "reverses_no", "amount", "known_on"]
    reversals = pd.read_parquet(store / "payments", columns=columns, filters=[("kind", "=", "reversal")])
    reversals = reversals[pd.to_datetime(reversals["known_on"]) < day]
    back = reversals.groupby(["account_no", "reverses_no"])["amount"].sum().rename("back")
    paid = frames["payments"][frames["payments"]["kind"] == "payment"]
    paid = paid.merge(back, how="left", left_on=["account_no", "payment_no"], right_index=True)
    paid = paid.assign(amount=(paid["amount"] - paid["back"].fillna(0)).astype(float))
    return {**frames, "payments": paid[paid["amount"] > 0]}


if __name__ == "__main__":
    main()
