"""What a command costs before it does anything: python -m benchmarks.light [--folder FOLDER].

Each command that does no heavy work is given to a process of its own, on a small house with one published night (made
in FOLDER, or in that of a house that is there). Prints the processor time of the whole command, the least of three,
and which heavy libraries it loaded. tests/commands/test_light.py holds that column fast.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

HOUSE = Path(__file__).parents[1]
HEAVY = ("pandas", "numba", "scipy", "sklearn", "lightgbm", "shap", "mlflow", "duckdb", "deltalake", "xlsxwriter")
RULED = frozenset({"pandas", "deltalake"})
NIGHT, PLACE = "2026-10-01", "US-MA"
# Command -> the heavy libraries that it may load.
LIGHT: dict[tuple[str, ...], frozenset[str]] = {
    ("--help",): frozenset(),
    ("run", "--help"): frozenset(),
    ("verify", "--help"): frozenset(),
    ("serve", "--help"): frozenset(),
    ("schema",): frozenset(),
    ("status",): frozenset(),
    ("runs",): frozenset(),
    ("models",): frozenset(),
    ("messages",): frozenset(),
    ("rules", "--place", PLACE): frozenset(),
    ("rules", "--upcoming", "90"): frozenset(),
    ("quarantine", "list"): frozenset({"pandas", "duckdb"}),
    ("check", "--account", "A0000001A", "--channel", "call", "--at", f"{NIGHT}T10:15:00-05:00"): RULED,
}
WITHOUT_PARAMS = ("--help", "schema")
PROGRAM = f"""
import sys
from pipeline import cli
try:
    cli.main()
except SystemExit as ended:
    print("ended", ended.code, *sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)
"""


def given(command: Sequence[str], params: Path) -> list[str]:
    bare = any(word in WITHOUT_PARAMS for word in command)
    return [*command, *([] if bare else ["--params", str(params)])]


def loaded(command: Sequence[str], params: Path) -> tuple[int, set[str], float]:
    """The exit code of a command, the heavy libraries it loaded, and its processor time in seconds."""
    program = [sys.executable, "-c", PROGRAM, *given(command, params)]
    started = subprocess.Popen(program, cwd=HOUSE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert started.stderr is not None
    with started.stderr as errors:
        said = errors.read().strip().splitlines()
    _, _, used = os.wait4(started.pid, 0)
    started.returncode = 0  # it was waited for
    _, code, *names = said[-1].split()
    return int(code), set(names), used.ru_utime + used.ru_stime


def main() -> None:
    told = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    told.add_argument("--folder", type=Path)
    asked = told.parse_args()
    with tempfile.TemporaryDirectory(prefix="recoup-light-") as place:
        params = (asked.folder or Path(place)) / "params.yaml"
        if not params.exists():
            made(params.parent)
        print("| command | processor s | heavy libraries it loads |")
        print("|---|---|---|")
        for command in LIGHT:
            runs = [loaded(command, params) for _ in range(3)]
            names = ", ".join(name for name in HEAVY if name in runs[0][1])
            print(f"| `recoup {' '.join(command)}` | {min(used for *_, used in runs):.2f} | {names or 'none'} |")


def made(folder: Path) -> None:
    """A small house with one published night."""
    from pipeline.params import load
    from pipeline.run import whole_night
    from pipeline.simulate.portfolio import simulate
    from tests.worlds.params import written_params

    simulate(60, 3, folder / "source", months=4)
    params = load(written_params(folder / "params.yaml", folder))
    whole_night(folder / "source", params.paths.store, dt.date.fromisoformat(NIGHT), params.paths.out, params)


if __name__ == "__main__":
    main()
