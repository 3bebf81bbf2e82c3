"""The fixed figures of the README: python -m benchmarks.figures [--measure [FOLDER]].

Counts what can be counted (places of the law, accounts of the sample), writes the figures into README.md where they
stand, and prints them. --measure times what `make run` does on the sample, command by command, in FOLDER or a temporary
one, and keeps the processor seconds in benchmarks/figures.json: some four minutes.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

HOUSE = Path(__file__).parents[1]
KEPT, README = HOUSE / "benchmarks" / "figures.json", HOUSE / "README.md"
RECOUP = Path(sys.executable).parent / "recoup"
NIGHT = "2026-10-01"
# Name of a figure -> where it stands in the README, around the one group that is its text.
STANDS = {
    "places": r"The rules shipped, of ([\d,]+) places",
    "accounts": r"load data/sample \(([\d,]+) accounts\)",
    "ingest": r"On one core of a server: load ([\d,]+) s",
    "train": r"train ([\d,]+) s",
    "run": r"a night ([\d,]+) s",
    "status": r"`recoup status` ([\d.]+) s",
}
TIMED = ("ingest", "train", "run", "status")


def counted() -> dict[str, str]:
    """What is counted in the house itself."""
    law = yaml.safe_load((HOUSE / "pipeline" / "law" / "contact_rules.yaml").read_text(encoding="utf-8"))
    with gzip.open(HOUSE / "data" / "sample" / "accounts.csv.gz", "rt", encoding="utf-8", newline="") as file:
        accounts = {row["account_id"] for row in csv.DictReader(file)}
    return {"places": f"{len(law['places']):,}", "accounts": f"{len(accounts):,}"}


def measured(folder: Path) -> dict[str, str]:
    """Processor seconds of each command of `make run`, on one core; of a status, the least of three."""
    params = yaml.safe_load((HOUSE / "params.yaml").read_text(encoding="utf-8"))
    named = {"source": HOUSE / "data" / "sample", "store": folder / "store", "out": folder / "out"}
    params["paths"] = {name: str(place) for name, place in named.items()}
    params["paths"]["tracking_uri"] = f"sqlite:///{folder / 'mlflow.db'}"
    place = folder / "params.yaml"
    place.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")

    def timed(*command: str) -> float:
        started = subprocess.Popen(
            [str(RECOUP), *command, "--params", str(place)],
            env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        _, status, used = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(status)
        if started.returncode:
            sys.exit(f"recoup {command[0]} ended with {started.returncode}.")
        return used.ru_utime + used.ru_stime

    found = {"ingest": f"{timed('ingest'):,.0f}", "train": f"{timed('train'):,.0f}"}
    run_id = next((folder / "store" / "runs").iterdir()).name
    timed("promote", "--run", run_id, "--by", "benchmarks", "--why", "first night on the sample")
    found["run"] = f"{timed('run', '--as-of', NIGHT):,.0f}"
    return {**found, "status": f"{min(timed('status') for _ in range(3)):.1f}"}


def kept() -> dict[str, str]:
    return json.loads(KEPT.read_text(encoding="utf-8"))


def figures() -> dict[str, str]:
    """Every figure of the README: counted now, and timed when --measure was last given."""
    return {**kept(), **counted()}


def written(text: str, told: dict[str, str]) -> str:
    """The README with its figures. Each must stand once."""
    for name, place in STANDS.items():
        found = list(re.finditer(place, text))
        if len(found) != 1:
            sys.exit(f"The figure {name} must stand once in the README. Got {len(found)} of: {place}")
        text = text[: found[0].start(1)] + told[name] + text[found[0].end(1) :]
    return text


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", nargs="?", const="", metavar="FOLDER")
    given = parser.parse_args(arguments)
    if given.measure is not None:
        with tempfile.TemporaryDirectory(prefix="recoup-figures-") as place:
            folder = Path(given.measure or place).absolute()
            folder.mkdir(parents=True, exist_ok=True)
            KEPT.write_text(json.dumps(measured(folder), indent=1) + "\n", encoding="utf-8")
    README.write_text(written(README.read_text(encoding="utf-8"), figures()), encoding="utf-8")
    for name, said in figures().items():
        print(f"{name:<10} {said:>8}{' s of processor time' if name in TIMED else ''}")


if __name__ == "__main__":
    main()
