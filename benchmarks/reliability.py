"""What a night promises, attacked in full: python -m benchmarks.reliability [r01 s24 ... mutants].

Without names: the long tests, every row, the mutants. What was measured is kept in benchmarks/reliability.json, one row
at a time, so that rows that take hours can be run alone; docs/reliability.md is written from it. RECOUP_MOST=N tries a
row N times at most, and the table says so; RECOUP_SEED=N draws its attacks again.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.mutants import MUTANTS, examined
from tests.worlds.promises import PROMISES

HOUSE = Path(__file__).parents[1]
KEPT, PAGE = HOUSE / "benchmarks" / "reliability.json", HOUSE / "docs" / "reliability.md"
INTRODUCTION = """# Reliability: what a night promises, and how often it was attacked

`make stress` attacks each row in full, `make stress T=r07` one of them, and writes this page from what was measured
(`benchmarks/reliability.json`). `make test` attacks every row a few times, always in the same way. *Tried* counts
attacks that were begun, *held* those after which everything promised was true; the seed draws the same attacks again
(`RECOUP_SEED=... make stress T=...`). Full counts of some rows take hours: where *tried* is less than *in full*, it is
how far it came here (`RECOUP_MOST`), on two cores with many neighbours at work. The houses attacked are small: three
nights of 90 debtors, one of 700 with a taught model, deliveries of some hundred rows; a delivery of R20 has as many
events as it says.
"""


def main(asked: list[str]) -> int:
    names = [one for name in asked or [*PROMISES, "mutants"] for one in (MUTANTS if name == "mutants" else [name])]
    if strange := [name for name in names if name not in PROMISES and name not in MUTANTS]:
        rows_there = ", ".join([*PROMISES, "mutants", *MUTANTS])
        print(f"There is no row {', '.join(strange)}. Rows are {rows_there}.", file=sys.stderr)
        return 2
    codes = [0] if asked else [subprocess.run([*pytest_of("-m", "stress"), "tests"], cwd=HOUSE, check=False).returncode]
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    for file in by_file([name for name in names if name in PROMISES]):
        codes.append(keep(kept, rows(file)))
    if builds := [name for name in names if name in MUTANTS]:
        codes.append(keep(kept, {"mutants": mutants(builds, kept.get("mutants", {}).get("found", {}))}))
    print("\n".join(table(kept)))
    return max(codes)


def pytest_of(*more: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", *more]


def keep(kept: dict[str, dict[str, Any]], found: dict[str, dict[str, Any]]) -> int:
    """Write what was measured, and the page. 1 where something did not hold."""
    kept |= (json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}) | found
    KEPT.write_text(json.dumps(dict(sorted(kept.items())), indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(kept), encoding="utf-8")
    return int(any(one["held"] != one["tried"] for one in found.values()))


def by_file(names: list[str]) -> list[dict[str, str]]:
    """Row -> its test, file by file: rows of one file share what they attack."""
    found = []
    for file in sorted((HOUSE / "tests").rglob("test_*.py")):
        tests = re.findall(r"^def (test_([rs]\d\d)_\w+)", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
        if own := {row: f"{file.relative_to(HOUSE)}::{test}" for test, row in tests if row in names}:
            found.append(own)
    return found


def rows(tests: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Rows in full, in a process of their own. Where a test broke off, the attack that broke it is not held."""
    with tempfile.TemporaryDirectory(prefix="recoup-stress-") as folder:
        told = Path(folder) / "told.jsonl"
        environment = {**os.environ, "RECOUP_COUNTS": "full", "RECOUP_TOLD": str(told), "HYPOTHESIS_PROFILE": "new"}
        command = pytest_of(*tests.values(), f"--basetemp={folder}/pytest")
        done = subprocess.run(command, cwd=HOUSE, env=environment, check=False)
        found = {}
        for line in told.read_text(encoding="utf-8").splitlines() if told.exists() else []:
            one = json.loads(line)
            found[one["row"]] = {key: one[key] for key in ("tried", "held", "seconds", "seed")}
        if found.keys() != tests.keys():
            raise SystemExit(f"{', '.join(sorted(tests.keys() - found))} did not run: exit code {done.returncode}.")
        return found


def mutants(names: list[str], before: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """These builds, beside those that were examined before."""
    found = {**before, **examined(names)}
    killed, seconds = (sum(one[what] for one in found.values()) for what in ("killed", "seconds"))
    return {"tried": len(found), "held": killed, "seconds": round(seconds, 1), "seed": "", "found": found}


def page(kept: dict[str, dict[str, Any]]) -> str:
    found = kept.get("mutants", {}).get("found", {})
    fate = {name: "killed" if one["killed"] else "ALIVE" for name, one in found.items()}
    parts = [
        INTRODUCTION.rstrip(),
        "\n".join(table(kept)),
        "## What is attacked, and what holds",
        "\n".join(
            ["| row | given | then |", "|---|---|---|"]
            + [f"| {name.upper()} | {promise.given} | {promise.then} |" for name, promise in PROMISES.items()]
        ),
        "## Builds that break a promise",
        "Each is applied to a copy of the tree, where its test must fail (`make stress T=mutants`).",
        "\n".join(
            ["| a build that | is found out by | |", "|---|---|---|"]
            + [f"| {each.does} | `{each.test}` | {fate.get(name, 'not run')} |" for name, each in MUTANTS.items()]
        ),
    ]
    return "\n\n".join(parts) + "\n"


def table(kept: dict[str, dict[str, Any]]) -> list[str]:
    lines = ["| row | what is counted | in full | tried | held | seconds | seed |", "|---|---|---|---|---|---|---|"]
    told = {name: (promise.of, promise.full) for name, promise in PROMISES.items()}
    for name, (of, full) in {**told, "mutants": ("builds", len(MUTANTS))}.items():
        found, shown = kept.get(name), "not run | | | "
        if found is not None:
            shown = f"{found['tried']:,} | {found['held']:,} | {found['seconds']:,} | {found['seed']}"
        lines.append(f"| {name if name == 'mutants' else name.upper()} | {of} | {full:,} | {shown} |")
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
