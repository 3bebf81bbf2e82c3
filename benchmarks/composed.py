"""What Recoup costs, beside its floor and beside others, on one page: python -m benchmarks.composed [NAME ...].

Runs the benchmarks named (all of them without a name), keeps what each measured in benchmarks/measured/NAME.json, with
the machine, how busy it was and the versions of what was measured, and writes docs/benchmarks.md from all that is kept.
--page writes the page alone. No figure of the page is typed.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import growth, increments, notebook

HOUSE = Path(__file__).parents[1]
KEPT, PAGE = HOUSE / "benchmarks" / "measured", HOUSE / "docs" / "benchmarks.md"
LIBRARIES = ("recoup", "numpy", "pandas", "pyarrow", "deltalake", "duckdb", "lightgbm", "shap", "woodelf-explainer")
HEAD = """# Benchmarks

What Recoup costs, each measured by a command of this repository on the machine that stands with it. `make bench`
measures all of it again and writes this page (`benchmarks/composed.py`); `python -m benchmarks.composed NAME` one part.
Seconds are of the processor: a neighbour on the machine slows them less than the clock. Features beside DuckDB, Polars
and pandas are in `benchmarks/README.md`.
"""


@dataclass(frozen=True)
class Bench:
    """given: arguments of its module, {json} the file that it writes; told: that file as text of the page."""

    heading: str
    about: str
    given: Sequence[str]
    told: Callable[[Any], str]


def of_increments(found: Mapping[str, Any]) -> str:
    """Tables of all sizes, and what they are beside one another."""
    sizes = {int(accounts): nights for accounts, nights in found.items()}
    tables = [increments.table(accounts, nights) for accounts, nights in sizes.items()]
    return "```text\n" + "\n".join([*tables, increments.beside(sizes)]) + "\n```"


def of_growth(found: Mapping[str, Any]) -> str:
    """The table of all sizes, and the picture that the benchmark drew."""
    told = growth.text({int(accounts): steps for accounts, steps in found.items()})
    return f"{told}\n\n![Memory of a night over its course, in books of several sizes](growth.png)"


BENCHES = {
    "increments": Bench(
        "Sixty daily deliveries",
        "What a daily delivery costs as the store grows, into books of two sizes "
        "([few files](operations.md#few-files-and-no-more-than-is-needed)).",
        ("--json", "{json}"),
        of_increments,
    ),
    "growth": Bench(
        "A book as it grows",
        "Processor seconds and peak memory of each step and of each stage of the night, in books of several sizes with "
        "shards of one size, and the exponent of what a stage costs: 1 is a cost that grows as the book does.",
        ("--accounts", "100000", "1000000", "--json", "{json}", "--plot", str(HOUSE / "docs" / "growth.png")),
        of_growth,
    ),
    "notebook": Bench(
        "A night in a notebook",
        "The same book through pandas, LGBMClassifier, shap.TreeExplainer and to_excel, beside a whole night of ours, "
        "which also judges contact law, draws lots, makes offers and messages, checks every file and writes page, "
        "workbook and CSV.",
        ("--json", "{json}"),
        notebook.text,
    ),
}


def main(given: Sequence[str] | None = None) -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHES))
    asked.add_argument("--page", action="store_true")
    chosen = asked.parse_args(given)
    if strange := sorted(set(chosen.names) - set(BENCHES)):
        asked.error(f"There is no benchmark {', '.join(strange)} here. Name some of {', '.join(BENCHES)}.")
    for name in () if chosen.page else chosen.names or BENCHES:
        measured(name, KEPT)
    PAGE.write_text(page(KEPT), encoding="utf-8")


def measured(name: str, kept: Path) -> None:
    """Run a benchmark and keep what it found, beside where it was found."""
    kept.mkdir(exist_ok=True)
    place, before = kept / f"{name}.json", os.getloadavg()[0]
    given = [each.format(json=place) for each in BENCHES[name].given]
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *given], cwd=HOUSE, check=True)
    told = {"found": json.loads(place.read_text()), **where(), "load": [before, os.getloadavg()[0]]}
    place.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def where() -> dict[str, Any]:
    """The machine, and the versions of what is measured."""
    model = [line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = [int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")]
    return {
        "machine": {
            "processor": model[0] if model else platform.machine(),
            "cores": os.cpu_count(),
            "memory_gib": round(memory[0] / 2**20) if memory else None,
            "system": platform.system(),
        },
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in LIBRARIES},
    }


def _lines(place: str) -> list[str]:
    return Path(place).read_text(encoding="utf-8").splitlines() if Path(place).exists() else []


def page(kept: Path) -> str:
    """The page, from all that is kept, in the order of BENCHES."""
    parts = [HEAD]
    for name, bench in BENCHES.items():
        place = kept / f"{name}.json"
        if not place.exists():
            continue
        told = json.loads(place.read_text(encoding="utf-8"))
        machine, (before, after) = told["machine"], told["load"]
        versions = ", ".join(f"{each} {version}" for each, version in told["versions"].items())
        parts.append(
            f"## {bench.heading}\n\n{bench.about}\n\n    python -m benchmarks.{name}\n\n{bench.told(told['found'])}\n\n"
            f"{machine['cores']} cores of {machine['processor']}, {machine['memory_gib']} GiB, {machine['system']}; "
            f"load {before:.1f} before and {after:.1f} after. {versions}.\n"
        )
    return "\n".join(parts)


if __name__ == "__main__":
    main()
