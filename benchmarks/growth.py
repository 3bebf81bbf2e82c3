"""What a book costs as it grows:
python -m benchmarks.growth [--accounts N ...] [--work DIR] [--plot FILE] [--json FILE].

For each size a book is simulated, loaded whole by `recoup ingest`, a model is taught on a seeded sample of its debtors
and a night is published, each by a process of its own: processor seconds and peak memory of each, and of each stage of
the night. Books are simulated BASE debtors at a time, each time with another seed; one of more than SIMULATED debtors
is that of SIMULATED debtors again and again under other names. The size of a shard is the same in every book.

Every step that is done is written to WORK/SIZE/steps.json and not done again, so that a size may be measured in parts;
a night that was cut off goes on with the shards it had worked. What a step needs no more is removed.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from benchmarks.desk import renamed
from benchmarks.measuring import RECOUP, Steps, timed, watched
from benchmarks.night import PARAMS, TAUGHT_DEBTORS

ACCOUNTS_PER_DEBTOR = 1.373  # of the simulator's books
BASE, SIMULATED = 20_000, 740_000  # the first: one file a table
PER_SHARD = 50_000  # accounts
MEMORY_LIMIT = "2GB"  # of the intake
AS_OF, EVERY_S, POINTS = "2026-10-01", 0.5, 400

Told = dict[str, dict[str, Any]]  # what the steps of a size told


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("work/growth"))
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args(given)
    for accounts in chosen.accounts:
        grown(accounts, chosen.seed, chosen.work / str(accounts))
    found = {accounts: Steps(chosen.work / str(accounts)).done for accounts in chosen.accounts}
    print(text(found))
    if chosen.json:
        chosen.json.write_text(json.dumps({str(accounts): steps for accounts, steps in found.items()}, indent=1))
    if chosen.plot:
        drawn(found, chosen.plot)


def grown(accounts: int, seed: int, work: Path) -> None:
    """Every step of a size that is not done yet."""
    work.mkdir(parents=True, exist_ok=True)
    source, store, params, out = (work / name for name in ("source", "store", "params.yaml", "out"))
    _write_params(accounts, work, params)
    given = ("--store", store, "--params", params)

    def promoted() -> dict[str, Any]:
        run = timed("train", RECOUP, "train", *given)
        timed("promote", RECOUP, "promote", "--run", run["last_line"], "--by", "benchmark", "--why", "timed", *given)
        return run

    def loaded() -> dict[str, Any]:
        shutil.rmtree(store, ignore_errors=True)
        return timed("ingest", RECOUP, "ingest", "--source", source, *given)

    steps = Steps(work)
    steps.do("book", lambda: _book(accounts, seed, work, source))
    steps.do("ingest", loaded)
    shutil.rmtree(source, ignore_errors=True)
    steps.do("train", promoted)
    steps.do("night", lambda: _night(work, out))


def _write_params(accounts: int, work: Path, place: Path) -> None:
    params = yaml.safe_load(PARAMS.read_text())
    params["store"]["shards"] = max(accounts // PER_SHARD, 2)
    params["cohort"]["sample_debtors"] = TAUGHT_DEBTORS
    params["engine"]["memory_limit"] = MEMORY_LIMIT
    params["paths"]["tracking_uri"] = f"sqlite:///{work.absolute() / 'mlflow.db'}"
    place.write_text(yaml.safe_dump(params, sort_keys=False))


def _book(accounts: int, seed: int, work: Path, source: Path) -> dict[str, Any]:
    """A delivery of so many accounts, a part at a time: simulated, then the simulated ones under other names."""
    shutil.rmtree(source, ignore_errors=True)
    wanted = math.ceil(accounts / ACCOUNTS_PER_DEBTOR)
    own = min(wanted, SIMULATED)
    parts = [min(BASE, own - first) for first in range(0, own, BASE)]
    again, rows, through = math.ceil(wanted / own), dict[str, int](), dict[str, str]()
    for number, debtors in enumerate(parts):
        simulated = work / "simulated"
        shutil.rmtree(simulated, ignore_errors=True)
        how = ("--debtors", debtors, "--seed", seed + number, "--out", simulated, "--format", "parquet")
        timed("simulate", RECOUP, "simulate", *how)
        for place in sorted(simulated.glob("*.parquet")):
            table, name = pq.read_table(place), place.stem
            control = json.loads((simulated / f"{name}.control.json").read_text(encoding="utf-8"))
            through[name] = control["complete_through"]
            (source / name).mkdir(parents=True, exist_ok=True)
            for copy in range(again):
                part = renamed(table, f"s{number}c{copy}")
                pq.write_table(part, source / name / f"part-{number:03}-{copy:03}.parquet")
                rows[name] = rows.get(name, 0) + part.num_rows
        shutil.rmtree(simulated)
    for name, many in rows.items():
        told = {"rows": many, "complete_through": through[name]}
        (source / f"{name}.control.json").write_text(json.dumps(told), encoding="utf-8")
    events = sum(many for name, many in rows.items() if name != "accounts")
    return {"rows": rows, "events": events, "simulated_debtors": own, "copies": again}


def _night(work: Path, out: Path) -> dict[str, Any]:
    asked = (sys.executable, "-m", "benchmarks.night", "--work", work, "--as-of", AS_OF, "--night")
    with watched(EVERY_S) as memory:
        told = timed("night", *asked)
    manifest = json.loads((out / AS_OF / "manifest.json").read_text())
    peaks = {stage["stage"]: stage["peak_mib"] for stage in manifest["run"]["stages"]}
    stages = json.loads(told.pop("last_line"))["stages"]
    del told["said"]
    told |= {"stages": stages, "peaks": peaks, "memory": memory[:: max(len(memory) // POINTS, 1)]}
    told |= {"known": sum(manifest["accounts_known"].values()), "scorable": manifest["counts"]["scorable"]}
    shutil.rmtree(out)
    return told


# What is told of it


def stages_of(steps: Told) -> dict[str, tuple[float, float]]:
    """Stage -> processor seconds, and peak memory in MiB, of a size that is done."""
    night = steps["night"]
    found = {name: (steps[name]["cpu"], steps[name]["peak_mib"]) for name in ("ingest", "train")}
    found |= {f"night: {name}": (cpu, night["peaks"].get(name, 0.0)) for name, cpu in night["stages"].items()}
    found["night, whole"] = (night["cpu"], night["peak_mib"])
    return found


def exponent(cpu: Mapping[int, float]) -> float:
    """Slope of log seconds on log accounts by least squares: 1 is a cost that grows as the book does."""
    logs = [(math.log(size), math.log(max(seconds, 1e-9))) for size, seconds in cpu.items()]
    x, y = (sum(each) / len(logs) for each in zip(*logs, strict=True))
    return sum((a - x) * (b - y) for a, b in logs) / sum((a - x) ** 2 for a, _ in logs)


def text(found: Mapping[int, Told]) -> str:
    """A table of all sizes that are done, as Markdown."""
    done = {size: steps for size, steps in sorted(found.items()) if "night" in steps}
    if not done:
        return "No size is done."
    told = {size: stages_of(steps) for size, steps in done.items()}
    heads = [f"{done[size]['night']['known']:,} accounts" for size in told]
    lines = [
        "| | " + " | ".join(heads) + " | exponent |",
        "|---" * (len(heads) + 2) + "|",
        "| rows of events | " + " | ".join(f"{steps['book']['events']:,}" for steps in done.values()) + " | |",
        "| scorable | " + " | ".join(f"{steps['night']['scorable']:,}" for steps in done.values()) + " | |",
    ]
    for stage in told[max(told)]:
        cells = [f"{own[stage][0]:,.1f} s, {own[stage][1]:,.0f} MiB" if stage in own else "" for own in told.values()]
        seconds = {size: own[stage][0] for size, own in told.items() if stage in own}
        slope = f"{exponent(seconds):.2f}" if len(seconds) > 1 and min(seconds.values()) > 1 else ""
        lines.append(f"| {stage} | " + " | ".join(cells) + f" | {slope} |")
    books = ", ".join(
        f"{size:,}: {steps['book']['simulated_debtors']:,} debtors simulated"
        + (f", {steps['book']['copies']} times under other names" if steps["book"]["copies"] > 1 else "")
        for size, steps in done.items()
    )
    return "\n".join([*lines, "", books + "."])


def drawn(found: Mapping[int, Told], place: Path) -> None:
    """Memory of a night over its course, of every size, as a picture."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 3.6))
    for size, steps in sorted(found.items()):
        with suppress(KeyError):
            seconds, mib = zip(*steps["night"]["memory"], strict=True)
            axes.plot(
                [each / seconds[-1] for each in seconds], [each / 1024 for each in mib], label=f"{size:,} accounts"
            )
    axes.set(xlabel="course of the night", ylabel="memory held, GiB", ylim=(0, None))
    axes.legend(frameon=False)
    figure.savefig(place, dpi=120, bbox_inches="tight")
    plt.close(figure)


if __name__ == "__main__":
    main()
