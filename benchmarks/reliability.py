"""What a night promises, attacked in full: python -m benchmarks.reliability [r01 s24 ... mutants].

Without names: the long tests, every row, the mutants. What was measured is kept in benchmarks/reliability.json, one row
at a time, so that rows that take hours can be run alone; docs/reliability.md is written from it. RECOUP_MOST=N tries a
row N times at most, and the table says so; RECOUP_SEED=N draws its attacks again.
"""

from __future__ import annotations

import datetime as dt
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
attacks that were begun, *held* those after which everything promised was true: none where the test as a whole did not
pass, or attacked nothing. *Its test* says how that ended, *measured* the day and the commit of the tree, with a + where
the tree differed from it. Rows in which *its test* is empty were measured before that was kept; theirs is the commit
that brought the counts. The seed draws the same attacks again (`RECOUP_SEED=... make stress T=...`). Full counts of
some rows take hours: where *tried* is less than *in full*, it is how far it came here (`RECOUP_MOST`), on two cores
with many neighbours at work. The houses attacked are small: three nights of 90 debtors, one of 700 with a taught model,
deliveries of some hundred rows; a delivery of R20 has as many events as it says.
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
        codes.append(keep(kept, {"mutants": mutants(builds, kept.get("mutants", {}).get("found", {}))}))
    print("\n".join(table(kept)))
    return next((code for code in codes if code), 0)


def pytest_of(*more: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", *more]


def keep(kept: dict[str, dict[str, Any]], found: dict[str, dict[str, Any]]) -> int:
    """Write what was measured, and the page. 1 where something did not hold."""
    kept |= (json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}) | found
    KEPT.write_text(json.dumps(dict(sorted(kept.items())), indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(kept), encoding="utf-8")
    return int(not all(has_held(one) and one["held"] == one["tried"] for one in found.values()))


def has_held(found: dict[str, Any]) -> bool:
    """Whether attacks that held may be told as such: their test passed, and there was one."""
    return found.get("ended", "passed") == "passed" and found["tried"] > 0


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
        command = pytest_of(*tests.values(), f"--basetemp={folder}/pytest")
        done = subprocess.run(command, cwd=HOUSE, env=environment, check=False)
        nothing = {"tried": 0, "held": 0, "seconds": 0.0, "seed": "", "ended": "did not run"}
        found = {name: {**nothing, "measured": measured()} for name in tests}
        for line in told.read_text(encoding="utf-8").splitlines() if told.exists() else []:
            one = json.loads(line)
            found[one["row"]] |= {key: one[key] for key in nothing}
        return found, done.returncode


def mutants(names: list[str], before: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """These builds, beside those that were examined before."""
    found = {**before, **examined(names)}
    killed, seconds = (sum(one[what] for one in found.values()) for what in ("killed", "seconds"))
    counts = {"tried": len(found), "held": killed, "seconds": round(seconds, 1), "seed": ""}
    return {**counts, "measured": measured(), "found": found}


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
        "| row | what is counted | in full | tried | held | its test | seconds | seed | measured |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    told = {name: (promise.of, promise.full) for name, promise in PROMISES.items()}
    for name, (of, full) in {**told, "mutants": ("builds", len(MUTANTS))}.items():
        found, shown = kept.get(name), "not run | | | | | "
        if found is not None:
            held = f"{found['held']:,}" if has_held(found) else "none"
            shown = f"{found['tried']:,} | {held} | {found.get('ended', '')} | {found['seconds']:,}"
            shown += f" | {found['seed']} | {found.get('measured', '')}"
        lines.append(f"| {name if name == 'mutants' else name.upper()} | {of} | {full:,} | {shown} |")
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
