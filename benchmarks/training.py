"""What a training costs that samples its debtors, and what the sample loses:
python -m benchmarks.training [--debtors N] [--copies N] [--at-once N] [--sample N] [--store DIR] [--work DIR].
python -m benchmarks.training --lost [--debtors N] [--shares F ...] [--draws N] [--work DIR]

Simulated books, copied under other names until they are as many accounts as asked for, are taken in by deliveries of
--at-once copies (store: a copy of one that stands is taken instead); then `recoup dataset` and `recoup train` run with
cohort.sample_debtors, each as a process of its own. Of each: processor seconds, the most memory that it and its
children held at one time, and what it says of itself. Every step that is done is written to WORK/steps.json and not
done again, so that a large one may be run in parts.

lost: on one book, not copied. A model taught on all debtors, and models taught on seeded samples of them, judge the
same later rows, of everybody: AUC, the share of the money in the best tenth of each night, predicted over paid money;
beside them how much wider the report of the sample says that its intervals are, and how much they were.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import yaml

from benchmarks.desk import copied
from benchmarks.measuring import RECOUP, Steps, timed, watched

HOUSE = Path(__file__).parents[1]
LOOKS_EVERY = 0.2  # seconds


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--debtors", type=int, default=15_000, help="To be simulated; most have one account or two.")
    arguments.add_argument("--copies", type=int, default=5)
    arguments.add_argument("--at-once", type=int, default=10, help="Copies of one delivery.")
    arguments.add_argument("--sample", type=int, default=30_000)
    arguments.add_argument("--shards", type=int, default=32)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--work", type=Path, default=Path("work/training"))
    arguments.add_argument("--stop-after", default="", help="simulate, ingest-0, ingest-1, ..., dataset, train")
    arguments.add_argument("--store", type=Path)
    arguments.add_argument("--lost", action="store_true")
    arguments.add_argument("--shares", type=float, nargs="+", default=[0.5, 0.25, 0.125])
    arguments.add_argument("--draws", type=int, default=5, help="Samples of each share.")
    chosen = arguments.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    if chosen.lost:
        lost(chosen)
        return
    steps = Steps(chosen.work)
    params = _written(chosen)
    given = ("--params", params)
    if chosen.store is None:
        taken_in(chosen, steps, given)
    elif not (chosen.work / "store").exists():
        shutil.copytree(
            chosen.store, chosen.work / "store", ignore=shutil.ignore_patterns("runs", "models", "champion*")
        )
    for name, more in (("dataset", ("--out", chosen.work / "panel.parquet")), ("train", ())):
        _step(steps, chosen, name, name, *more, *given)
    _tell(steps.done, chosen.work / "panel.parquet")


def taken_in(chosen: argparse.Namespace, steps: Steps, given: tuple[object, ...]) -> None:
    """A store of copies."""
    simulated = chosen.work / "simulated"
    how = ("--seed", chosen.seed, "--out", simulated, "--format", "parquet")
    _step(steps, chosen, "simulate", "simulate", "--debtors", chosen.debtors, *how)
    shutil.rmtree(simulated / "truth", ignore_errors=True)
    for number, first in enumerate(range(0, chosen.copies, chosen.at_once)):
        if f"ingest-{number}" not in steps.done:
            shutil.rmtree(chosen.work / "source", ignore_errors=True)
            copied(simulated, chosen.work / "source", min(chosen.at_once, chosen.copies - first), first)
        why = ("--accept-volume", "copies", "--accept-gap", "copies")
        _step(steps, chosen, f"ingest-{number}", "ingest", "--source", chosen.work / "source", *why, *given)
        shutil.rmtree(chosen.work / "source", ignore_errors=True)


def _step(steps: Steps, chosen: argparse.Namespace, name: str, *command: object) -> None:
    steps.do(name, lambda: measured(*command))
    if name == chosen.stop_after:
        raise SystemExit(0)


def measured(*command: object) -> dict[str, Any]:
    """Of a command of recoup: processor seconds, most memory of it and its children together, what it printed."""
    with watched(LOOKS_EVERY) as memory:
        told = timed(str(command[0]), RECOUP, *command)
    most = max([told["peak_mib"], *(mib for _, mib in memory)])  # the kernel misses none of the process itself
    return {"cpu": told["cpu"], "peak_mib": most, "said": told["said"]}


def _tell(done: dict[str, Any], panel: Path) -> None:
    shape = pq.ParquetFile(panel).metadata
    print("\n".join(done["dataset"]["said"]))
    print(f"\npanel: {shape.num_rows:,} rows, {shape.num_columns} columns, {panel.stat().st_size / 1e6:,.0f} MB\n")
    print("| step | processor seconds | most memory at one time, MiB |\n|---|---|---|")
    for name, one in done.items():
        print(f"| {name} | {one['cpu']:,.0f} | {one['peak_mib']:,.0f} |")


def _written(chosen: argparse.Namespace) -> Path:
    params = yaml.safe_load((HOUSE / "params.yaml").read_text())
    params["paths"] = {name: str(chosen.work / name) for name in ("source", "store", "out")}
    params["paths"]["tracking_uri"] = f"sqlite:///{chosen.work / 'mlflow.db'}"
    params["store"]["shards"] = chosen.shards
    params["cohort"]["sample_debtors"] = None if chosen.lost else chosen.sample
    (place := chosen.work / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    return place


def lost(chosen: argparse.Namespace) -> None:
    """What models that were taught on samples lose on the later rows of everybody."""
    from benchmarks.models import Asked
    from pipeline.panel.sampling import drawn, outcome_sums, sampled
    from pipeline.params import load
    from pipeline.training.fit import taught

    steps, place = Steps(chosen.work / "steps.json", ""), _written(chosen)
    wanted = (
        "--debtors",
        chosen.debtors,
        "--seed",
        chosen.seed,
        "--out",
        chosen.work / "source",
        "--format",
        "parquet",
    )
    steps.do("simulate", "simulate", *wanted)
    shutil.rmtree(chosen.work / "source" / "truth", ignore_errors=True)
    steps.do("ingest", "ingest", "--source", chosen.work / "source", "--params", place)
    asked = Asked(load(place))
    panel, labels = asked.panel, windows_labels(asked)
    print("| debtors | AUC | money in the best tenth | realised ÷ predicted | its 95 % interval | wider | said |")
    print("|---|---|---|---|---|---|---|")
    whole = judged(asked, asked.model, np.ones(len(asked.test_cohort), bool))
    print(f"| all, {panel.cohort['debtor_id'].nunique():,} | {told(whole)} | | |")
    for share in chosen.shares:
        rows = []
        for draw in range(chosen.draws):
            kept = drawn(panel.cohort["debtor_id"], {}, 9_000 + draw, share)
            model = taught(panel, labels.where(pd.Series(kept), np.nan), asked.teaching, asked.params)[0]
            own = drawn(asked.test_cohort["debtor_id"], {}, 9_000 + draw, share)
            of = sampled([outcome_sums(panel.cohort, panel.labels, kept)], 1, share).of_all()
            one = judged(asked, model, own)
            rows.append({**one, "wider": one["width"] / whole["width"], "said": of["wider"]})
        mean = pd.DataFrame(rows).mean()
        ends = pd.DataFrame(rows)["auc"].agg(["min", "max"])
        print(f"| {share:.1%} | {told(mean)} | {mean['wider']:.1f} | {mean['said']:.1f} |", flush=True)
        print(f"  AUC of {chosen.draws} samples: {ends['min']:.4f} to {ends['max']:.4f}", file=sys.stderr)


def windows_labels(asked: Any) -> pd.DataFrame:
    """Labels of recovery in the fit window alone."""
    from pipeline.training.trial import windows_of

    return windows_of(asked.panel, asked.params).fit_labels(asked.panel.labels).assign(defaulted=np.nan)


def judged(asked: Any, model: Any, own: np.ndarray) -> dict[str, float]:
    """On the test rows of everybody; width: of the 95 % interval of realised over predicted money, of `own` alone."""
    from sklearn.metrics import roc_auc_score

    from models.resampling import debtor_draws, interval, listed_shares, ratios_of_sums

    scores = model.predict(asked.test_matrix, asked.test_cohort)
    unit = asked.teaching.money.per_minor(asked.test_cohort["currency"])
    predicted = scores["expected_recovery"].to_numpy() * np.asarray(unit)
    listed = listed_shares(predicted, asked.test_cohort["as_of"].to_numpy(), 0.1)
    who, weights = debtor_draws(asked.test_cohort["debtor_id"][own].reset_index(drop=True), 400, 77)
    _, low, high = interval(ratios_of_sums(asked.test_money[own], predicted[own], who, weights))
    return {
        "auc": float(roc_auc_score(asked.test_outcome, scores["p_recovered"])),
        "money": float((listed * asked.test_money).sum() / asked.test_money.sum()),
        "ratio": float(asked.test_money.sum() / predicted.sum()),
        "width": float(high - low),
    }


def told(row: Any) -> str:
    return f"{row['auc']:.4f} | {row['money']:.1%} | {row['ratio']:.3f} | {row['width']:.3f} wide"


if __name__ == "__main__":
    main()
