"""What a night costs beside its floor:
python -m benchmarks.night [--debtors N] [--copies N] [--work DIR] [--again] [--profile] [--flame FILE.svg].

Makes a store with an approved model, publishes a night from it and prints, and writes to WORK/night.json, the
processor seconds and peak memory of each command and of each stage of the night. The floor is measured in the same
run: every event file of the store read whole, once, by one thread, and what the model's boosters need to predict the
night's scorable accounts. Processor seconds do not depend on who else works on the machine as much as the clock does.

copies: every account of the simulated ones again under other names. Models are taught on a seeded sample of debtors
(cohort.sample_debtors), the night scores everybody. again: the store that stands in WORK. profile: the functions of
the house that took most, as shares of the night, each with all that it calls. flame: the same as a picture, by py-spy,
which must be installed and may watch a process of its own. `benchmarks.features` sets features against a plain read.
"""

from __future__ import annotations

import argparse
import cProfile
import datetime as dt
import json
import os
import pstats
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import yaml

from benchmarks.measuring import RECOUP, timed

TAUGHT_DEBTORS = 10_000
HOUSE = Path(__file__).parents[1]
PARAMS, SHOWN = HOUSE / "params.yaml", 60
ROOMS = ("features", "models", "pipeline")
FACES = ("write_xlsx", "html")  # what makes workbook and page, in pipeline.pages.publish
SAMPLES_PER_S = 50
STEPS = 3  # times that a floor is measured; the least counts, for a floor is what it takes at best


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--debtors", type=int, default=15_000, help="To be simulated; most have one account or two.")
    arguments.add_argument("--copies", type=int, default=10)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--as-of", default="2026-10-01")
    arguments.add_argument("--shards", type=int, default=8)
    arguments.add_argument("--work", type=Path, default=Path("work/benchmark"))
    arguments.add_argument("--again", action="store_true")
    arguments.add_argument("--profile", action="store_true")
    arguments.add_argument("--flame", type=Path)
    for hidden in ("--night", "--floor"):
        arguments.add_argument(hidden, action="store_true", help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    params, store = chosen.work / "params.yaml", chosen.work / "store"
    if chosen.night:
        print(json.dumps(_night(store, chosen.as_of, chosen.work / "out", params, chosen.profile)))
        return
    if chosen.floor:
        print(json.dumps(_floor(store, chosen.as_of, params)))
        return
    rows = [] if chosen.again else _made(chosen, store, params)
    shutil.rmtree(chosen.work / "out", ignore_errors=True)
    asked = (sys.executable, "-m", "benchmarks.night", "--work", chosen.work, "--as-of", chosen.as_of)
    if chosen.profile:
        shown = json.loads(timed("profile", *asked, "--night", "--profile")["last_line"])["parts"]
        print("\n".join(f"{share:>7.1%} {calls:>6,} x  {name}" for name, calls, share in shown))
        return
    if chosen.flame:
        watched = ("py-spy", "record", "--output", chosen.flame, "--rate", SAMPLES_PER_S, "--gil", "--")
        timed("flame", *watched, *asked, "--night")
        return
    night, floor = (timed(name, *asked, f"--{name}") for name in ("night", "floor"))
    inside, least = (json.loads(row.pop("last_line")) for row in (night, floor))
    manifest = json.loads((chosen.work / "out" / chosen.as_of / "manifest.json").read_text())
    counts = manifest["counts"]
    events = sum(table["rows_in"] for table in manifest["tables"] if table["name"] != "accounts")
    known = sum(manifest["accounts_known"].values())
    print(f"{known:,} accounts known, {counts['scorable']:,} scorable, {events:,} rows of events, processor seconds")
    for row in (*rows, night):
        row.pop("last_line", None)
        print(f"{row['stage']:<28}{row['cpu']:>9.1f} s {row['peak_mib']:>9,.0f} MiB")
    peaks = {stage["stage"]: stage["peak_mib"] for stage in manifest["run"]["stages"]}
    for name, cpu in inside["stages"].items():
        print(f"  {name:<26}{cpu:>9.1f} s {peaks.get(name, 0):>9,.0f} MiB")
    rest = night["cpu"] - sum(inside["stages"].values())
    print(f"  {'start, imports, the rest':<26}{rest:>9.1f} s")
    faces = sum(inside["faces"].values())
    print(f"of publish: {', '.join(f'{name} {cpu:.1f} s' for name, cpu in inside['faces'].items())}")
    lowest = least["read"] + sum(least["predict"].values())
    heads = ", ".join(f"{name} {cpu:.2f}" for name, cpu in least["predict"].items())
    print(f"floor: {least['bytes'] / 1e6:,.0f} MB of event files read {least['read']:.2f} s, predict {heads}")
    print("\n| work | now, CPU s | floor, CPU s | ratio |\n|---|---|---|---|")
    for work, now in (("without workbook and page", night["cpu"] - faces), ("with them", night["cpu"])):
        print(f"| night from store to published list, {work} | {now:.1f} | {lowest:.1f} | {now / lowest:.1f} |")
    told = {"commands": [*rows, night], "inside": inside, "floor": least, "counts": counts}
    (chosen.work / "night.json").write_text(json.dumps(told, indent=1))


def _made(chosen: argparse.Namespace, store: Path, params: Path) -> list[dict[str, Any]]:
    """A store with an approved model in WORK, and what each command took."""
    from benchmarks.desk import copied

    chosen.work.mkdir(parents=True, exist_ok=True)
    _write_params(chosen, params)
    source, rows = chosen.work / "source", []
    if not source.exists():
        simulated, wanted = chosen.work / "simulated", (chosen.debtors, "--seed", chosen.seed)
        how = ("--out", simulated, "--format", "parquet")
        rows.append(timed("simulate", RECOUP, "simulate", "--debtors", *wanted, *how))
        shutil.rmtree(simulated / "truth", ignore_errors=True)
        copied(simulated, source, chosen.copies)
        shutil.rmtree(simulated)
    given = ("--store", store, "--params", params)
    rows.append(timed("ingest", RECOUP, "ingest", "--source", source, *given))
    rows.append(timed("train", RECOUP, "train", *given))
    why = ("--by", "benchmark", "--why", "to be timed")
    rows.append(timed("promote", RECOUP, "promote", "--run", rows[-1]["last_line"], *why, *given))
    return rows


def _write_params(chosen: argparse.Namespace, place: Path) -> None:
    params = yaml.safe_load(PARAMS.read_text())
    params["store"]["shards"] = chosen.shards
    params["cohort"]["sample_debtors"] = TAUGHT_DEBTORS
    params["paths"]["tracking_uri"] = f"sqlite:///{chosen.work / 'mlflow.db'}"
    place.write_text(yaml.safe_dump(params, sort_keys=False))


def _night(store: Path, as_of: str, out: Path, params_file: Path, profile: bool = False) -> dict[str, Any]:
    """Publish a night in this process; processor seconds of its stages, and of workbook and page; with a profile the
    functions of the house that took most, each with all that it calls.
    """
    from pipeline.night.stages import Stages
    from pipeline.pages import publish
    from pipeline.params import load
    from pipeline.run import night_from_store

    stages: dict[str, float] = {}
    faces = dict.fromkeys(FACES, 0.0)
    honest = Stages.stage

    @contextmanager
    def stage(self: Stages, name: str) -> Iterator[Any]:
        began = time.process_time()
        with honest(self, name) as so_far:
            yield so_far
        stages[name] = stages.get(name, 0.0) + time.process_time() - began

    def clocked(name: str) -> Any:
        make = getattr(publish, name)

        def made(*given: Any) -> Any:
            began = time.process_time()
            found = make(*given)
            faces[name] += time.process_time() - began
            return found

        return made

    Stages.stage = stage  # pyrefly: ignore[bad-assignment]
    for name in FACES:
        setattr(publish, name, clocked(name))
    profiled = cProfile.Profile()
    with profiled if profile else nullcontext():
        night_from_store(store, dt.date.fromisoformat(as_of), out, load(params_file))
    return {"stages": stages, "faces": faces, "parts": _parts(pstats.Stats(profiled)) if profile else []}


def _parts(told: Any) -> list[tuple[str, int, float]]:
    """Function of the house, its calls, and its share of the profile with all that it calls: those that took most."""
    own = [
        (f"{Path(file).relative_to(HOUSE)} {called}", calls, whole / told.total_tt)
        for (file, _, called), (_, calls, _, whole, _) in told.stats.items()
        if file.startswith(tuple(f"{HOUSE / room}{os.sep}" for room in ROOMS))
    ]
    return sorted(own, key=lambda each: -each[2])[:SHOWN]


def _floor(store_path: Path, as_of: str, params_file: Path) -> dict[str, Any]:
    """What no night can do without: processor seconds to read every event file, and of each booster's predict."""
    import pyarrow.parquet as pq

    from features.days import day_number
    from models.boosting import raw_scores
    from models.recovery import load_model
    from pipeline.night.score import asked
    from pipeline.panel.view import view
    from pipeline.params import load
    from pipeline.store.champion import champion
    from pipeline.store.store import Store

    params, store = load(params_file), Store(store_path)
    versions, approved = store.newest().versions, champion(store_path)
    files = [place for name in versions if name != "accounts" for place in store.data_files(name)]
    reads = []
    for _ in range(STEPS):
        began = time.process_time()
        for place in files:
            with pq.ParquetFile(place, memory_map=True) as file:
                file.read(use_threads=False)
        reads.append(time.process_time() - began)
    model: Any = load_model(approved.folder, approved.sha256)  # pyrefly: ignore[missing-attribute]
    heads = {"recovered": model.recovered.booster, "amount": model.amount.booster}
    heads |= {} if model.defaulted is None else {"defaulted": model.defaulted.booster}
    predicts = dict.fromkeys((name for name, booster in heads.items() if booster is not None), 0.0)
    for shard in range(store.shards):
        seen = view(store, shard, [day_number(dt.date.fromisoformat(as_of))], params, store.versions())
        numbers = model.encoder.encode(asked(model, seen.matrix), seen.cohort.frame).copy(order="C")
        for name in predicts:
            began = time.process_time()
            raw_scores(heads[name], numbers)
            predicts[name] += time.process_time() - began
    return {"read": min(reads), "predict": predicts, "bytes": sum(place.stat().st_size for place in files)}


if __name__ == "__main__":
    main()
