"""What a night promises, attacked in full: python -m benchmarks.reliability [r01 s24 ... mutants].

Without names: the long tests, every row, the mutants. What was measured is kept in benchmarks/reliability.json, one row
at a time, so that rows that take hours can be run alone; docs/reliability.md is written from it. RECOUP_MOST=N tries a
row N times at most; runs of one row, each with a seed of its own, add up until its full count is there. RECOUP_SEED=N
draws the attacks of one again.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.mutants import MUTANTS, examined
from tests.worlds.promises import PROMISES

HOUSE = Path(__file__).parents[1]
KEPT, PAGE = HOUSE / "benchmarks" / "reliability.json", HOUSE / "docs" / "reliability.md"
INTRODUCTION = """# Reliability: what a night promises, and how often it was attacked

`make stress` attacks each row in full, `make stress T=r07` one of them, and writes this page from what was measured
(`benchmarks/reliability.json`). `make test` attacks every row a few times, always in the same way. *Tried* counts
attacks that were begun, *held* those after which everything promised was true: none where the test as a whole did not
pass, or attacked nothing. Attacks that met nothing they could harm are neither, and told beside *tried*. Runs of a row
add up until its full count is there (`RECOUP_MOST` cuts a run short), each with a seed of its own; one that fails
empties what came before it. *Measured* says the day and the commit of the tree of the first and the last of them, with
a + where the tree differed from it: attacks on other commits than the last were held by other code. Rows without a word
under *its test* were measured before that was kept; theirs is the commit that brought the counts. What was measured
with a test that asked less than the row says now is left out: *not run*. A seed draws the same
attacks again (`RECOUP_SEED=... make stress T=...`). The houses attacked are small: three nights of 90 debtors, one of
700 with a taught model, deliveries of some hundred rows; a delivery of R20 has as many events as it says.
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
        found, code = rows(file)
        codes += [code, keep(kept, found)]
    if builds := [name for name in names if name in MUTANTS]:
        codes.append(keep_builds(kept, mutants(builds)))
    print("\n".join(table(kept)))
    return next((code for code in codes if code), 0)


def pytest_of(*more: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", *more]


def keep(kept: dict[str, dict[str, Any]], found: dict[str, dict[str, Any]]) -> int:
    """Add what was measured to what is kept, and write the page. 1 where something did not hold."""
    read(kept)
    kept |= {row: {"runs": added(kept.get(row, {}).get("runs", []), row, run)} for row, run in found.items()}
    write(kept)
    return int(not all(has_held(run) for run in found.values()))


def keep_builds(kept: dict[str, dict[str, Any]], found: dict[str, dict[str, Any]]) -> int:
    read(kept)
    kept["mutants"] = {"found": {**kept.get("mutants", {}).get("found", {}), **found}}
    write(kept)
    return int(not all(one["killed"] for one in found.values()))


def read(kept: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """With what others have measured meanwhile."""
    kept |= json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    return kept


def write(kept: dict[str, dict[str, Any]]) -> None:
    KEPT.write_text(json.dumps(dict(sorted(kept.items())), indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(kept), encoding="utf-8")


def added(before: Sequence[dict[str, Any]], row: str, run: dict[str, Any]) -> list[dict[str, Any]]:
    """The runs of a row with this one: alone where it did not hold, the one before did not, or both drew the same
    attacks; and no more old ones than the full count needs.
    """
    if not has_held(run):
        return [run]
    runs = [one for one in before if one.get("ended") == "passed" and has_held(one) and one["seed"] != run["seed"]]
    runs.append(run)
    while sum(one["tried"] for one in runs[1:]) >= PROMISES[row].full:
        del runs[0]
    return runs


def has_held(run: dict[str, Any]) -> bool:
    """Whether attacks that held may be told as such: their test passed, and there was one."""
    return run.get("ended", "passed") == "passed" and run["held"] == run["tried"] > 0


def measured() -> str:
    """The day, and the commit that the tree is at; with a + where files differ from it."""
    ours = [f":!{place.relative_to(HOUSE)}" for place in (KEPT, PAGE)]
    ways = (("rev-parse", "--short", "HEAD"), ("status", "--porcelain", "--untracked-files=no", "--", ".", *ours))
    commit, differs = (
        subprocess.run(["git", *way], cwd=HOUSE, capture_output=True, text=True, check=False).stdout.strip()
        for way in ways
    )
    return f"{dt.datetime.now(dt.UTC).date()} {commit or 'no commit'}{'+' if differs else ''}"


def by_file(names: list[str]) -> list[dict[str, str]]:
    """Row -> its test, file by file: rows of one file share what they attack."""
    found = []
    for file in sorted((HOUSE / "tests").rglob("test_*.py")):
        tests = re.findall(r"^def (test_([rs]\d\d)_\w+)", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
        if own := {row: f"{file.relative_to(HOUSE)}::{test}" for test, row in tests if row in names}:
            found.append(own)
    return found


def rows(tests: dict[str, str]) -> tuple[dict[str, dict[str, Any]], int]:
    """Rows in full, in a process of their own, and its exit code. Where a test broke off, the attack that broke it is
    not held; how it ended is kept beside its counts, and a row that never came to its test did not run.
    """
    with tempfile.TemporaryDirectory(prefix="recoup-stress-") as folder:
        told = Path(folder) / "told.jsonl"
        environment = {**os.environ, "RECOUP_COUNTS": "full", "RECOUP_TOLD": str(told), "HYPOTHESIS_PROFILE": "new"}
        command, at = pytest_of(*tests.values(), f"--basetemp={folder}/pytest"), measured()
        done = subprocess.run(command, cwd=HOUSE, env=environment, check=False)
        nothing = {"tried": 0, "held": 0, "missed": 0, "seconds": 0.0, "seed": "", "ended": "did not run"}
        found = {name: {**nothing, "measured": at} for name in tests}
        for line in told.read_text(encoding="utf-8").splitlines() if told.exists() else []:
            one = json.loads(line)
            found[one["row"]] |= {key: one[key] for key in nothing}
        return found, done.returncode


def mutants(names: list[str]) -> dict[str, dict[str, Any]]:
    at = measured()
    return {name: {**one, "measured": at} for name, one in examined(names).items()}


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
    lines = [
        "| row | what is counted | in full | tried | held | its test | seconds | seeds | measured |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, promise in PROMISES.items():
        lines.append(
            f"| {name.upper()} | {promise.of} | {promise.full:,} | {told(kept.get(name, {}).get('runs', []))} |"
        )
    builds = [one for name, one in kept.get("mutants", {}).get("found", {}).items() if name in MUTANTS]
    shown = "not run | | | | | "
    if builds:
        seconds = round(sum(one["seconds"] for one in builds), 1)
        shown = f"{len(builds)} | {sum(one['killed'] for one in builds)} | | {seconds:,} | | {from_to(builds)}"
    return [*lines, f"| mutants | builds | {len(MUTANTS)} | {shown} |"]


def told(runs: Sequence[dict[str, Any]]) -> str:
    """The sum of a row's runs, as cells of the table."""
    if not runs:
        return "not run | | | | | "
    tried, held, missed = (sum(run.get(what, 0) for run in runs) for what in ("tried", "held", "missed"))
    shown = f"{tried:,}" + (f", and {missed:,} that met nothing" if missed else "")
    shown += f" | {held:,}" if all(map(has_held, runs)) else " | none"
    seconds = round(sum(run["seconds"] for run in runs), 1)
    return f"{shown} | {runs[-1].get('ended', '')} | {seconds:,} | {len(runs)} | {from_to(runs)}"


def from_to(measured: Sequence[dict[str, Any]]) -> str:
    """The day and the commit of the first and the last."""
    return " to ".join(dict.fromkeys(one["measured"] for one in (measured[0], measured[-1])))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
