"""A shop's first year with the order by what working adds, from no contact log to proven, in true money:
python -m benchmarks.first_year [--work DIR] [--debtors N] [--seed N] [--share S] [--nights N].

Before each month, on the last day on which people work, the shop delivers what is known and runs the night; its
collectors obey it: who is listed or drawn to be worked is worked in that month, who is held out is left (`recoup
simulate --follow`). On the first
nights no model is taught yet; from TAUGHT_FROM on one is, every fifth night anew. A small shop must draw many to prove
anything within a year: --share of its workable debtors into each arm.
Prints the rung of each night with what its list truly adds, within the capacity, against the other orders of the same
night, and what each rung gained or cost.
"""

from __future__ import annotations

import argparse
import datetime as dt
import logging
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from features.days import date_of
from models.ladder import PROVEN
from models.lot import CONTROL, DRAWN, TO_WORK
from models.whatif import BEST_ADDED, BY_DOUBT, BY_TOTAL, RANKED
from pipeline.intake.ingest import ingest
from pipeline.night.night import publish_night
from pipeline.night.ranking import rank_night
from pipeline.night.score import job_for
from pipeline.night.shards import work_shards
from pipeline.night.whatif import TRUE, table_of
from pipeline.params import Params, load
from pipeline.simulate.portfolio import LAST_DAY, simulate
from pipeline.store.store import Store
from pipeline.training import registry
from pipeline.training.train import train_from_store

PROJECT_PARAMS = Path(__file__).parents[1] / "params.yaml"
DEBTORS, SEED, SHARE, NIGHTS, MONTHS = 2_000, 8201, 0.3, 12, 24
TAUGHT_FROM, TAUGHT_EVERY = 2, 5  # the first night (from 0) on which a model is taught; nights between two models
SATURDAY = 5
CAPACITY = 40  # debtors per queue and night
DRAWS = 20  # of the intervals in the reports of the year's models: nobody reads them here
SHOWN = "{:,.2f}".format
ORDERS = (RANKED, BY_TOTAL, BY_DOUBT, BEST_ADDED)


@dataclass(frozen=True)
class Shop:
    """A made-up shop in a folder of its own."""

    place: Path
    debtors: int
    seed: int
    share: float

    def params(self) -> Params:
        """The project's params with this shop's paths, capacity and arms. No gate is asked: what is judged is the
        order."""
        whole = yaml.safe_load(PROJECT_PARAMS.read_text(encoding="utf-8"))
        paths = {"source": self.place / "source", "store": self.place / "store", "out": self.place / "out"}
        whole["paths"] = {name: str(path) for name, path in paths.items()}
        whole["paths"]["tracking_uri"] = f"sqlite:///{self.place / 'mlflow.db'}"
        whole["worklist"] |= {"control_share": self.share, "worked_share": self.share}
        whole["worklist"]["capacity"] = {"default": CAPACITY}
        whole["worklist"]["floor"] = {"days": 60, "share": 0.5}
        whole["evaluate"]["bootstrap_draws"] = DRAWS
        whole["split"]["backtest_folds"] = 0
        whole["store"]["shards"] = 1
        whole["gate"] |= {"money_ratio": [0.1, 9.0], "bucket_money_ratio": [0.1, 9.0], "calibration_slope": [0.1, 9.0]}
        whole["gate"]["max_money_loss"] = 0.9
        self.place.mkdir(parents=True, exist_ok=True)
        place = self.place / "params.yaml"
        place.write_text(yaml.safe_dump(whole, sort_keys=False, allow_unicode=True), encoding="utf-8")
        return load(place)

    def delivery(self, eve: dt.date, orders: pd.DataFrame) -> Path:
        """What the shop knows on the eve, its collectors having obeyed the orders so far."""
        follow, source = self.place / "orders.parquet", self.place / "source"
        orders.to_parquet(follow)
        shutil.rmtree(source, ignore_errors=True)
        simulate(self.debtors, self.seed, source, MONTHS, file_format="parquet", follow=follow, through=eve)
        return source

    def year(self, nights: int) -> pd.DataFrame:
        """One line a night: as_of, rung, draws matured, slope, held_out, worked, and the true added money of each of
        ORDERS."""
        shutil.rmtree(self.place, ignore_errors=True)
        params, lines, lists = self.params(), [], []
        orders = pd.DataFrame(
            {name: pd.Series(dtype="str") for name in ("debtor_id", "arm", "assigned_on", "until_on")}
        )
        firsts = pd.date_range(end=LAST_DAY + dt.timedelta(1), periods=nights, freq="MS").date
        for number, first in enumerate(firsts):
            night = night_before(first)
            source = self.delivery(night - dt.timedelta(1), orders)
            ingest(source, params.paths.store, params, accept_volume="a made-up year")
            if number >= TAUGHT_FROM and (number - TAUGHT_FROM) % TAUGHT_EVERY == 0:
                run = train_from_store(params.paths.store, params)
                decided = {"who": "the shop", "why": "a new model", "when": f"{night}T00:00:00+00:00"}
                registry.promote(params.paths.store, run.run_id, params, **decided)
            publish_night(params.paths.store, night, params.paths.out, params)
            kept = Store(params.paths.store).read("assignments")
            tonight = kept[kept["as_of"] == kept["as_of"].max()]
            orders = pd.concat([orders, orders_of(tonight, night, first)], ignore_index=True)
            told, rows = self.ranked(params, night)
            lines.append({**told, **arms_of(tonight)})
            lists.append((first, rows))
            print(f"{night} {told['rung']}, {told['draws']} draws, slope {told['slope']}", flush=True)
        truth = pd.read_parquet(self.place / "source" / "truth" / "expectations.parquet")
        money = [truly_added(rows, truth, first, params.money.reporting_currency) for first, rows in lists]
        return pd.concat([pd.DataFrame(lines), pd.DataFrame(money)], axis=1)

    def ranked(self, params: Params, night: dt.date) -> tuple[dict[str, Any], pd.DataFrame]:
        """The rung of the published night, and its rows as they were ranked."""
        store = Store(params.paths.store)
        job = job_for(store, night, params)
        with tempfile.TemporaryDirectory() as folder:
            rows = rank_night(store, job, work_shards(job, Path(folder))).rows
        told = {"night": night, "rung": job.rung.state, "draws": int(job.rung.figures.get("draws", 0))}
        return {**told, "slope": job.rung.figures.get("slope")}, rows


def night_before(first: dt.date) -> dt.date:
    """The last day before a month begins, or its first, on which people may be called: no weekend, no 1 January or
    May."""
    night = first
    while night.weekday() >= SATURDAY or (night.month, night.day) in ((1, 1), (5, 1)):
        night -= dt.timedelta(1)
    return night


def truly_added(rows: pd.DataFrame, truth: pd.DataFrame, first: dt.date, currency: str) -> dict[str, float]:
    """What each order's list of the night truly adds within CAPACITY in the month; an account that the month's truth
    does not tell of adds nothing."""
    month = truth.loc[truth["as_of"].astype("str") == first.isoformat(), ["account_id", *TRUE]]
    known = rows.merge(month, on="account_id", how="left", validate="one_to_one").fillna(dict.fromkeys(TRUE, 0.0))
    return table_of(known, [CAPACITY], currency).set_index("order")["added"].loc[list(ORDERS)].to_dict()


def orders_of(tonight: pd.DataFrame, night: dt.date, first: dt.date) -> pd.DataFrame:
    """What the collectors are to do: leave alone who is held out and work who is drawn for it, as long as the draw
    holds; work who is listed in the month that begins on `first`."""
    month = (pd.Timestamp(first) + pd.offsets.MonthBegin(1)).date()
    drawn = tonight[tonight["arm"].isin(DRAWN)].drop_duplicates("debtor_id")
    listed = tonight[(tonight["group"] == "worklist") & ~tonight["debtor_id"].isin(drawn["debtor_id"])]
    arms = pd.concat(
        [drawn["arm"].map({CONTROL: "left", TO_WORK: "worked"}), listed["group"].map({"worklist": "worked"})]
    )
    until = [*(date_of(int(day)) for day in drawn["until_on"]), *[month] * len(listed)]
    return pd.DataFrame(
        {
            "debtor_id": pd.concat([drawn["debtor_id"], listed["debtor_id"]]).astype("str").to_numpy(),
            "arm": pd.Series(arms, dtype="str"),
            "assigned_on": night.isoformat(),
            "until_on": [day.isoformat() for day in until],
        }
    )


def arms_of(tonight: pd.DataFrame) -> dict[str, int]:
    counts = tonight.drop_duplicates("debtor_id")["arm"].value_counts()
    return {"listed": int((tonight["group"] == "worklist").sum()), **{arm: int(counts.get(arm, 0)) for arm in DRAWN}}


def by_rung(year: pd.DataFrame) -> pd.DataFrame:
    """Per rung: nights, first night, and what its lists truly added beyond the lists of the other orders."""
    lines = []
    for rung, nights in year.groupby("rung", sort=False):
        gained = {f"over {name}": float((nights[RANKED] - nights[name]).sum()) for name in (BY_TOTAL, BY_DOUBT)}
        share = float(nights[RANKED].sum() / nights[BEST_ADDED].sum())
        lines.append(
            {"rung": rung, "nights": len(nights), "first": nights["night"].min(), **gained, "of the best": share}
        )
    return pd.DataFrame(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("work/first-year"))
    parser.add_argument("--debtors", type=int, default=DEBTORS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--share", type=float, default=SHARE, help="Of workable debtors drawn into each arm.")
    parser.add_argument("--nights", type=int, default=NIGHTS)
    chosen = parser.parse_args(arguments)
    logging.getLogger("recoup").setLevel(logging.WARNING)
    year = Shop(chosen.work, chosen.debtors, chosen.seed, chosen.share).year(chosen.nights)
    print(f"\n{year.to_string(index=False, float_format=SHOWN)}")
    print(f"\n{by_rung(year).to_string(index=False, float_format=SHOWN)}")
    if PROVEN not in set(year["rung"]):
        print("\nNot proven within the year: the draws are too few for this effect, or there is none.")
    year.to_json(chosen.work / "year.json", orient="records", date_format="iso", indent=1)


if __name__ == "__main__":
    main()
