"""A night as a notebook would make it today, beside ours: python -m benchmarks.notebook [--work DIR] [--repeats N].

Both sides begin with the same book in WORK, made as `benchmarks.night` makes it, and end with ranked accounts, reasons
and a workbook. Theirs: the delivered Parquet files in pandas, one group-by per table, window and filter, as many
features as our model has columns, LGBMClassifier with as many trees and leaves as our first head, the exact reasons of
every row by shap.TreeExplainer, DataFrame.to_excel. They are told for nothing which accounts are scorable, and their
model is taught beforehand, untimed, on the night 30 days before. Ours: from the store to the published night, which
also judges contact law, the draw, three heads, offers and messages, checks every file and writes page, workbook and
CSV. Runs take turns. Prints the median of each, the notebook's steps, and how fast exact contributions of our model
are for every scorable account: shap.TreeExplainer beside `models.boosting.portfolio_contributions`, same rows, same
trees, and their largest difference. Seconds are of the processor; --again takes what stands in WORK.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import night as nights
from benchmarks.measuring import timed

if TYPE_CHECKING:
    import pandas as pd

WINDOWS = (7, 14, 30, 60, 90, 180, 365, 730)
# Table -> column of the day, column of money, filters: name -> column and value; each with every window and word.
EVENTS: dict[str, tuple[str, str, dict[str, tuple[str, str] | None]]] = {
    "payments": ("occurred_at", "amount", {"all": None, "reversal": ("kind", "reversal")}),
    "contacts": (
        "occurred_at",
        "cost",
        {
            "all": None,
            **{channel: ("channel", channel) for channel in ("call", "sms", "email", "letter")},
            **{outcome: ("outcome", outcome) for outcome in ("right_party", "promise", "no_answer")},
        },
    ),
    "charges": ("due_on", "amount", {"all": None, "fee": ("kind", "fee")}),
}
WORDS = {"count": "size", "first": "max", "last": "min", "sum": "sum", "mean": "mean", "largest": "max", "std": "std"}
OF_DAYS = ("count", "first", "last")
OPENING = ("principal", "placed_amount", "x_credit_limit", "x_bureau_score")
CLASSES = ("portfolio", "product", "debtor_type", "currency")
REASONS, MODEL = 3, "notebook.txt"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--debtors", type=int, default=15_000)
    asked.add_argument("--copies", type=int, default=5)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--shards", type=int, default=8)
    asked.add_argument("--as-of", default="2026-10-01")
    asked.add_argument("--repeats", type=int, default=3)
    asked.add_argument("--work", type=Path, default=Path("work/notebook"))
    asked.add_argument("--again", action="store_true")
    asked.add_argument("--json", type=Path)
    for hidden in ("--theirs", "--teach", "--reasons"):
        asked.add_argument(hidden, action="store_true", help=argparse.SUPPRESS)
    chosen = asked.parse_args()
    for name, work in (("theirs", theirs), ("teach", teach), ("reasons", reasons)):
        if getattr(chosen, name):
            print(json.dumps(work(chosen.work, chosen.as_of)))
            return
    if not chosen.again:
        nights._made(chosen, chosen.work / "store", chosen.work / "params.yaml")
    told = measured(chosen)
    print(text(told))
    if chosen.json:
        chosen.json.write_text(json.dumps(told, indent=1))


def measured(chosen: argparse.Namespace) -> dict[str, Any]:
    """Runs of both sides, by turns, and what either says of itself."""
    at = ("--work", chosen.work, "--as-of", chosen.as_of)
    runs: dict[str, list[dict[str, Any]]] = {"ours": [], "theirs": []}
    for number in range(chosen.repeats):
        shutil.rmtree(chosen.work / "out", ignore_errors=True)
        runs["ours"].append(timed("night", sys.executable, "-m", "benchmarks.night", *at, "--night"))
        if number == 0:
            size = json.loads(timed("teach", sys.executable, "-m", "benchmarks.notebook", *at, "--teach")["last_line"])
        runs["theirs"].append(timed("notebook", sys.executable, "-m", "benchmarks.notebook", *at, "--theirs"))
    why = json.loads(timed("reasons", sys.executable, "-m", "benchmarks.notebook", *at, "--reasons")["last_line"])
    manifest = json.loads((chosen.work / "out" / chosen.as_of / "manifest.json").read_text())
    steps = [json.loads(run["last_line"]) for run in runs["theirs"]]
    return {
        "accounts": sum(manifest["accounts_known"].values()),
        "scorable": manifest["counts"]["scorable"],
        **size,
        "cpu": {side: [run["cpu"] for run in found] for side, found in runs.items()},
        "peak_mib": {side: max(run["peak_mib"] for run in found) for side, found in runs.items()},
        "steps": {name: median(each[name] for each in steps) for name in steps[0]},
        "reasons": why,
    }


def text(told: Mapping[str, Any]) -> str:
    ours, other = (median(told["cpu"][side]) for side in ("ours", "theirs"))
    why, times = told["reasons"], len(told["cpu"]["ours"])
    counted = f"medians of {times} runs" if times > 1 else "one run"
    lines = [
        f"{told['accounts']:,} accounts known, {told['scorable']:,} scorable; notebook: {told['features']} features, "
        f"{told['trees']} trees of {told['leaves']} leaves; {counted} of each by turns",
        "",
        "| | CPU s, median (least to most) | peak MiB | notebook / Recoup |",
        "|---|---|---|---|",
    ]
    for name, side, ratio in (("Recoup", "ours", ""), ("notebook", "theirs", f"{other / ours:.1f}")):
        runs = told["cpu"][side]
        spread = f"{median(runs):.1f} ({min(runs):.1f} to {max(runs):.1f})"
        lines.append(f"| {name} | {spread} | {told['peak_mib'][side]:,.0f} | {ratio} |")
    lines += [f"| of it {name} | {seconds:.1f} | | |" for name, seconds in told["steps"].items()]
    lines += [
        "",
        f"Exact contributions of the same {why['trees']} trees for {why['rows']:,} rows: TreeExplainer "
        f"{why['shap']:.1f} s, Recoup {why['recoup']:.1f} s, ratio {why['shap'] / why['recoup']:.1f}, largest "
        f"difference {why['apart']:.1e}.",
    ]
    return "\n".join(lines)


# The notebook


def theirs(work: Path, as_of: str) -> dict[str, float]:
    """One night in pandas; seconds of processor by step."""
    import lightgbm
    import shap

    spent: dict[str, float] = {}
    with step(spent, "read"):
        tables = read(work / "source")
    with step(spent, "features"):
        matrix = features(tables, scorable(work, as_of), as_of)
    with step(spent, "predict"):
        booster = lightgbm.Booster(model_file=work / MODEL)
        chance = booster.predict(matrix)
    with step(spent, "reasons of every row"):
        pushes = np.asarray(shap.TreeExplainer(booster).shap_values(matrix))
        first = np.argsort(-np.abs(pushes), axis=1)[:, :REASONS]
    with step(spent, "to_excel"):
        names = np.asarray(matrix.columns)
        listed = matrix[["portfolio", "product", "principal", "payments_all_sum_90", "contacts_all_count_30"]].assign(
            chance=chance, **{f"reason_{place + 1}": names[first[:, place]] for place in range(REASONS)}
        )
        listed.sort_values("chance", ascending=False).to_excel(work / "notebook.xlsx")
    return spent


@contextmanager
def step(spent: dict[str, float], name: str) -> Iterator[None]:
    began = time.process_time()
    yield
    spent[name] = time.process_time() - began


def read(source: Path) -> dict[str, pd.DataFrame]:
    """The delivered files, money as numbers and days as days."""
    import pandas as pd

    tables = {}
    for name in ("accounts", *EVENTS):
        place = source / name if (source / name).is_dir() else source / f"{name}.parquet"
        frame = pd.read_parquet(place)
        for column in {*OPENING, "amount", "cost"} & set(frame.columns):
            frame[column] = pd.to_numeric(frame[column], errors="coerce")
        tables[name] = frame
    return tables


def features(tables: Mapping[str, pd.DataFrame], accounts: pd.Index, as_of: str) -> pd.DataFrame:
    """One group-by per table, filter and window; what happened or became known from the night on is left out."""
    import pandas as pd

    night = pd.Timestamp(as_of)
    opened = tables["accounts"].drop_duplicates("account_id", keep="last").set_index("account_id").loc[accounts]
    columns: dict[str, Any] = {name: opened[name] for name in OPENING}
    columns |= {name: opened[name].astype("category").cat.codes for name in CLASSES}
    columns["age"] = (night - pd.to_datetime(opened["opened_on"])).dt.days
    for name, (day, money, filters) in EVENTS.items():
        rows = tables[name]
        happened, known = (pd.to_datetime(rows[each], utc=True).dt.tz_localize(None) for each in (day, "known_at"))
        ago = (night - happened).dt.days
        rows = rows.assign(ago=ago)[(ago > 0) & ~(known >= night) & rows["account_id"].isin(accounts)]
        codes = pd.Categorical(rows["account_id"], categories=accounts)
        rows = rows.assign(account=codes.codes)
        for word, chosen in filters.items():
            some = rows if chosen is None else rows[rows[chosen[0]] == chosen[1]]
            for window in WINDOWS:
                inside = some[some["ago"] <= window].groupby("account")
                made = inside.agg(
                    **{
                        said: ("ago" if said in OF_DAYS else money, how)
                        for said, how in WORDS.items()
                        if chosen is None or said in ("count", "last", "sum", "mean")
                    }
                )
                for said in made:
                    columns[f"{name}_{word}_{said}_{window}"] = made[said].reindex(range(len(accounts))).to_numpy()
    return pd.DataFrame(columns, index=accounts)


def scorable(work: Path, as_of: str) -> pd.Index:
    """The accounts that our night scored, for nothing."""
    import pandas as pd

    from features.days import day_of_text
    from pipeline.store.store import Store

    day = day_of_text(as_of)
    return pd.Index(Store(work / "store").read("scores", ["account_id", "as_of"], day, day + 1)["account_id"])


def teach(work: Path, as_of: str) -> dict[str, int]:
    """Their model, on the features of 30 days before and whether a payment came since; trees and leaves of ours."""
    import lightgbm
    import pandas as pd

    tables, accounts = read(work / "source"), scorable(work, as_of)
    before = pd.Timestamp(as_of) - pd.Timedelta(days=30)
    matrix = features(tables, accounts, str(before.date()))
    paid = tables["payments"]
    since = paid[pd.to_datetime(paid["occurred_at"], utc=True).dt.tz_localize(None) >= before]
    head = _champion(work).recovered.booster
    leaves = max(tree["num_leaves"] for tree in head.dump_model()["tree_info"])
    size = {"trees": head.num_trees(), "leaves": leaves}
    model = lightgbm.LGBMClassifier(n_estimators=size["trees"], num_leaves=leaves, learning_rate=0.08, n_jobs=1)
    model.fit(matrix, accounts.isin(since["account_id"]))
    model.booster_.save_model(work / MODEL)
    return {**size, "features": matrix.shape[1], "columns": head.num_feature()}


def _champion(work: Path) -> Any:
    from models.recovery import load_model
    from pipeline.store.champion import champion

    approved = champion(work / "store")
    return load_model(approved.folder, approved.sha256)


def reasons(work: Path, as_of: str) -> dict[str, float]:
    """Contributions of our first head for every scorable account, both ways."""
    import shap

    from features.days import day_of_text
    from models.boosting import portfolio_contributions
    from pipeline.night.score import asked
    from pipeline.panel.view import view
    from pipeline.params import load
    from pipeline.store.store import Store

    model, store, params = _champion(work), Store(work / "store"), load(work / "params.yaml")
    parts = [view(store, shard, [day_of_text(as_of)], params, store.versions()) for shard in range(store.shards)]
    numbers = np.concatenate(
        [model.encoder.encode(asked(model, seen.matrix), seen.cohort.frame).copy(order="C") for seen in parts]
    )
    booster = model.recovered.booster
    began = time.process_time()
    judged = np.asarray(shap.TreeExplainer(booster).shap_values(numbers))
    between = time.process_time()
    mine = portfolio_contributions(booster, numbers)
    ended = time.process_time()
    return {
        "rows": len(numbers),
        "trees": booster.num_trees(),
        "shap": between - began,
        "recoup": ended - between,
        "apart": float(np.abs(judged - mine[:, :-1]).max()),
    }


if __name__ == "__main__":
    warnings.filterwarnings("ignore", module="shap|pandas")
    main()
