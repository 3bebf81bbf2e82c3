"""Seconds and peak memory of every stage of a night on a simulated portfolio:
python -m benchmarks.night [--debtors N] [--work DIR].

Prints, and writes to WORK/night.json, one row per command and one per stage of the night, as the manifest holds them.
Models are taught on a seeded sample of debtors (cohort.sample_debtors), the night scores everybody.
`benchmarks.features` sets features against a plain read.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import yaml

TAUGHT_DEBTORS = 10_000
PARAMS = Path(__file__).parents[1] / "params.yaml"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--debtors", type=int, default=150_000)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--as-of", default="2026-10-01")
    arguments.add_argument("--shards", type=int, default=8)
    arguments.add_argument("--work", type=Path, default=Path("work/benchmark"))
    chosen = arguments.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    source, store, out = chosen.work / "source", chosen.work / "store", chosen.work / "out"
    params = _params(chosen)

    rows = []
    if not source.exists():
        rows.append(
            _timed(
                "simulate",
                "simulate",
                "--debtors",
                chosen.debtors,
                "--seed",
                chosen.seed,
                "--out",
                source,
                "--format",
                "parquet",
            )
        )
    rows.append(_timed("ingest", "ingest", "--source", source, "--store", store, "--params", params))
    rows.append(_timed("train", "train", "--store", store, "--params", params))
    run_id = rows[-1].pop("last_line")
    rows.append(_timed("promote", "promote", "--run", run_id, "--store", store, "--params", params))
    rows.append(
        _timed("night", "worklist", "--store", store, "--as-of", chosen.as_of, "--out", out, "--params", params)
    )
    manifest = json.loads((out / chosen.as_of / "manifest.json").read_text())
    stages = manifest["run"]["stages"]
    accounts = sum(manifest["accounts_known"].values())
    events = sum(table["rows_in"] for table in manifest["tables"] if table["name"] != "accounts")
    print(f"{accounts:,} accounts known, {manifest['counts']['scorable']:,} scorable, {events:,} rows of events")
    for row in rows:
        row.pop("last_line", None)
        print(f"{row['stage']:<28}{row['seconds']:>9.1f} s {row['peak_mib']:>9,.0f} MiB")
    for stage in stages:
        print(f"  {stage['stage']:<26}{stage['seconds']:>9.1f} s {stage['peak_mib']:>9,.0f} MiB")
    (chosen.work / "night.json").write_text(
        json.dumps({"commands": rows, "stages": stages, "counts": manifest["counts"]}, indent=1)
    )


def _params(chosen: argparse.Namespace) -> Path:
    params = yaml.safe_load(PARAMS.read_text())
    params["store"]["shards"] = chosen.shards
    params["cohort"]["sample_debtors"] = TAUGHT_DEBTORS
    params["paths"]["tracking_uri"] = f"sqlite:///{chosen.work / 'mlflow.db'}"
    place = chosen.work / "params.yaml"
    place.write_text(yaml.safe_dump(params, sort_keys=False))
    return place


def _timed(stage: str, *command: object) -> dict[str, object]:
    """Seconds and peak memory of a command as a whole process, and the last line it printed."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [Path(sys.executable).parent / "recoup", *map(str, command)], stdout=subprocess.PIPE, text=True
    )
    printed = process.stdout.read().strip()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"recoup {command[0]} ended with {process.returncode}.")
    seconds = time.perf_counter() - started
    last_line = printed.splitlines()[-1] if printed else ""
    return {"stage": stage, "seconds": seconds, "peak_mib": used.ru_maxrss / 1024, "last_line": last_line}


if __name__ == "__main__":
    main()
