"""What another message does, measured in made-up books against what is true of them: `python -m benchmarks.messages`.

Prints, over books that chose nothing, for each class of age, number and spacing the mean true and measured odds ratio,
the mean width of its interval and the share of intervals that hold the truth; `--portfolios` does the same on made-up
portfolios that forget, through their store. With `--nights` it publishes nights with messages on one book, and prints
what the monitor tells of their variants; with `--obeyed` on a portfolio that is sent what they say, and prints what
came of it by step and variant.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import logging
from pathlib import Path

import numpy as np
import pandas as pd

from features.days import day_number, day_of_text
from features.tables import account_number
from models.fatigue import BY, odds, stratum_of
from models.variants import OUTCOMES, difference, table_of
from pipeline.intake.ingest import ingest
from pipeline.messages.texts import SILENT
from pipeline.night.night import publish_night
from pipeline.night.reminders import said_before
from pipeline.night.variants import matured
from pipeline.outcomes.monitor import monitor
from pipeline.panel.fatigue import days_late
from pipeline.params import Params, load, shipped
from pipeline.simulate.forgetting import COLUMNS
from pipeline.simulate.portfolio import Nature, simulate
from pipeline.simulate.reminded import LAST_DAY, deliver, live
from pipeline.store.files import private_folder
from pipeline.store.store import Store
from tests.worlds.said import breaches_on

FORGETS = Nature(forgets=True)
END, FIRST = dt.date(2026, 10, 31), dt.date(2026, 8, 18)  # of the nights that are obeyed: all mature by the end


def measured(seed: int, debtors: int, months: int) -> pd.DataFrame:
    """by, class, events, and the log odds ratio: measured with its interval, and true."""
    days = live(debtors, seed, months).days
    rows = days.assign(stratum=stratum_of(days["days_past_due"].to_numpy()))
    parts = []
    for by in BY:
        true = odds(rows, "chance", by, seed)["log_odds"].to_numpy()
        parts.append(odds(rows, "pays", by, seed).assign(by=by, true=true))
    return pd.concat(parts, ignore_index=True)


def measured_in_portfolio(seed: int, debtors: int, months: int) -> pd.DataFrame:
    """The same of a portfolio that forgets, by what its store holds; true is what the simulator knew of each day."""
    with private_folder() as folder:
        simulate(debtors, seed, folder / "source", months, file_format="parquet", nature=FORGETS)
        params = load(shipped("params.yaml"))
        ingest(folder / "source", folder / "store", params)
        store = Store(folder / "store")
        rows = days_late(store, store.versions(), day_number(LAST_DAY) + 1, params)
        truth = pd.read_parquet(folder / "source" / "truth" / "chances.parquet")
    days = pd.to_datetime(truth["day"]).to_numpy().astype("datetime64[D]").astype(np.int64)
    truth = truth.assign(account_no=account_number(truth["account_id"]), day=days)
    truth = truth.drop_duplicates(["account_no", "day"], keep="last")[["account_no", "day", "chance"]]
    rows = rows.merge(truth, on=["account_no", "day"], how="left").fillna({"chance": 0.0})
    parts = [
        odds(rows, "pays", by, seed).assign(by=by, true=odds(rows, "chance", by, seed)["log_odds"].to_numpy())
        for by in BY
    ]
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


def of_obeyed_nights(seed: int, debtors: int, nights: int) -> str:
    """What came of the messages of so many nights of a portfolio whose shop sends what each night publishes, and
    nothing else: by step and by variant, of debtors to whom it was the first of its key; and against those left silent
    by lot. Every night's messages are held against the law by the independent judge.
    """
    params = load(shipped("params.yaml"))
    reminders = params.reminders.model_copy(update={"control_share": 0.2})  # pyrefly: ignore[missing-attribute]
    one = params.store.model_copy(update={"shards": 1})
    params = params.model_copy(update={"reminders": reminders, "watch": None, "store": one})
    with private_folder() as folder:
        sent = pd.DataFrame({name: pd.Series(dtype="str") for name in COLUMNS})
        skipped: dict[str, int] = {}
        broken: list[str] = []
        for number in range(nights):
            night = FIRST + dt.timedelta(number)
            _deliver(folder, seed, debtors, sent, night - dt.timedelta(1), params)
            made = publish_night(folder / "store", night, folder / "out", params).night
            broken += _breaches(folder, night, sent, params)
            sent = pd.concat([sent, made.messages[list(COLUMNS)].astype("str")], ignore_index=True)  # pyrefly: ignore[unsupported-operation]
            for why, many in made.manifest["messages"]["skipped"].items():
                skipped[why] = skipped.get(why, 0) + many
        _deliver(folder, seed, debtors, sent, END, params)
        store, by_now = Store(folder / "store"), day_number(END) + 1
        kept = said_before(store, {}, by_now)
        rows = matured(store, store.versions(), by_now, params)
        rows = rows.merge(kept[["debtor_id", "message", "as_of", "step"]], on=["debtor_id", "message", "as_of"])
        world = json.loads((folder / "source" / "truth" / "world.json").read_text())
    many = kept.loc[kept["variant"] != SILENT].groupby("step").size().rename("sent")
    whole = rows.assign(message=rows["step"] + ", " + rows["message"])
    lines = [
        f"{len(sent)} messages in {nights} nights to {sent['account_id'].nunique()} accounts; left alone: "
        + ", ".join(f"{why} {count}" for why, count in sorted(skipped.items(), key=lambda each: -each[1])),
        f"The independent judge finds {len(broken)} breaches in them{''.join(f'; {each}' for each in broken[:5])}.",
        many.to_string(),
        _shown(whole[whole["variant"] != SILENT]),
        _shown(rows[rows["variant"] != SILENT]),
        *_apart(rows),
        f"True: {world}",
    ]
    first = rows[rows["p_silent"] > 0].sort_values(["as_of", "message"], kind="stable").drop_duplicates("debtor_id")
    silent, chance = (first["variant"] == SILENT).to_numpy(), first["p_silent"].to_numpy()
    for outcome in OUTCOMES:
        told = first[outcome].to_numpy(np.float64)
        apart = difference(told[~silent], told[silent], 1 - chance[~silent], chance[silent])
        lines.append(f"{outcome}, written to less silent: {_points(apart)}")
    lines.append(f"of {int((~silent).sum())} written to and {int(silent.sum())} silent debtors.")
    return "\n".join(lines)


def _apart(rows: pd.DataFrame) -> list[str]:
    """Of each message with two variants, by how much each outcome of `named` differs from that of `plain`."""
    lines = []
    for message, own in rows.groupby("message", sort=True):
        named, plain = (own[own["variant"] == name] for name in ("named", "plain"))
        if named.empty or plain.empty:
            continue
        told = []
        for outcome in OUTCOMES:
            rates = [each[outcome].to_numpy(np.float64) for each in (named, plain)]
            told.append(f"{outcome} {_points(difference(*rates, *(each['probability'] for each in (named, plain))))}")
        lines.append(f"{message}, named less plain: " + "; ".join(told))
    return lines


def _points(apart: tuple[float, float, float]) -> str:
    added, low, high = (100 * each for each in apart)
    return f"{added:.1f} points [{low:.1f}, {high:.1f}]"


def _breaches(folder: Path, night: dt.date, sent: pd.DataFrame, params: Params) -> list[str]:
    """What the judge of the tests finds in the messages of a night, by the rows of those to whom they go."""
    place = folder / "out" / night.isoformat()
    told, listed, held = (
        pd.read_csv(place / f"{name}.csv", dtype="str", keep_default_na=False)
        for name in ("messages", "worklist", "not_for_agents/held_out")
    )
    debtors = sorted(set(told["debtor_id"]))
    if not debtors:
        return []
    store, on = Store(folder / "store"), day_number(night)
    owners = store.tables(None, ["accounts"], {"accounts": ["account_id", "debtor_id"]})["accounts"].astype("str")
    own = set(owners.loc[owners["debtor_id"].isin(debtors), "account_id"])
    before = sent[sent["account_id"].isin(own)]
    earlier = [{**row, "as_of": day_of_text(row["as_of"])} for row in before.to_dict("records")]
    people = (set(listed["debtor_id"]), set(held["debtor_id"]))
    found = breaches_on(store, params, on, told.to_dict("records"), *people, earlier, debtors)
    return [f"{night} {each}" for each in found]


def _deliver(folder: Path, seed: int, debtors: int, sent: pd.DataFrame, through: dt.date, params: Params) -> None:
    """What the shop knows on a day, having sent these messages."""
    send = folder / "sent.parquet"
    sent.to_parquet(send)
    how = {"file_format": "parquet", "nature": FORGETS, "through": through, "send": send if len(sent) else None}
    place = folder / "source"
    for name in place.glob("*.parquet"):
        name.unlink()
    simulate(debtors, seed, place, 12, END, **how)
    ingest(place, folder / "store", params, accept_volume="a made-up month")


def _shown(rows: pd.DataFrame) -> str:
    """Debtors, and the share of each outcome with its interval, in percent."""
    found = table_of(rows)
    for name in OUTCOMES:
        parts = (found[name], found[f"{name}_low"], found[f"{name}_high"])
        found[name] = [
            f"{100 * at:.1f} [{100 * low:.1f}, {100 * high:.1f}]" for at, low, high in zip(*parts, strict=True)
        ]
    return found[["message", "variant", "debtors", *OUTCOMES]].to_string(index=False)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seeds", type=int, nargs="+", default=list(range(201, 221)))
    asked.add_argument("--debtors", type=int, default=3000)
    asked.add_argument("--months", type=int, default=12)
    asked.add_argument("--nights", type=int, default=0, help="Tell of variants instead, after so many nights.")
    asked.add_argument("--portfolios", action="store_true", help="Of portfolios that forget, through their store.")
    asked.add_argument("--obeyed", type=int, default=0, help="A portfolio is sent what so many nights publish.")
    said = asked.parse_args()
    logging.getLogger("recoup").setLevel(logging.WARNING)
    if said.nights:
        print(of_variants(said.seeds[0], said.debtors, said.nights))
        return
    if said.obeyed:
        print(of_obeyed_nights(said.seeds[0], said.debtors, said.obeyed))
        return
    one = measured_in_portfolio if said.portfolios else measured
    found = pd.concat([one(seed, said.debtors, said.months) for seed in said.seeds], ignore_index=True)
    print(table(found).round(3).to_string(index=False))
    known = found.dropna(subset=["log_odds", "low", "high"])
    held = ((known["low"] <= known["true"]) & (known["true"] <= known["high"])).mean()
    print(f"{len(known)} intervals of {len(said.seeds)} books of {said.debtors:,} debtors: {held:.1%} hold the truth.")


if __name__ == "__main__":
    main()
