"""What a stranger meets: how long the rules take to be read, what an installation that only scores consists of, and how
many commands and minutes lead from three strangers' books to a list.

    python -m benchmarks.adoption               # the rules
    python -m benchmarks.adoption --install     # and the wheel, installed without extras where no repository is
    python -m benchmarks.adoption --paths       # and the three paths, as tests/house/test_stranger.py walks them
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree as ET

from pipeline.law.rule_file import load_rules

HOUSE = Path(__file__).parents[1]
UV = Path(sys.executable).with_name("uv")
PATHS = {
    "test_a_german_ledger_becomes_a_list_without_the_training_extra": "a German ledger, without recoup[train]",
    "test_a_loan_book_with_its_schedule_teaches_a_model_and_becomes_a_list": "a loan book with its schedule",
    "test_a_database_of_other_tables_becomes_a_list_and_the_next_night_reads_what_is_new": "PostgreSQL",
}


def rules_read() -> str:
    """Processor seconds of the first reading in this process, and of the second."""
    seconds = []
    for _ in range(2):
        begun = time.process_time()
        rules = load_rules()
        seconds.append(time.process_time() - begun)
    first, again = seconds
    there = f"{len(rules.all_rules)} rules of {len(rules.places)} places"
    return f"{there}: read in {first:.2f} s, again in the same process in {again * 1000:.1f} ms"


def installed() -> list[str]:
    """Packages and megabytes of the wheel installed without extras; versions are what the registry gives today."""
    with tempfile.TemporaryDirectory() as place:
        house, wheels, home = (Path(place, name) for name in ("house", "wheels", "home"))
        left = shutil.ignore_patterns(".git", ".venv*", "work", "build", "*.egg-info", "__pycache__")
        shutil.copytree(HOUSE, house, ignore=left)
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(wheels), str(house)]
        subprocess.run(build, check=True, capture_output=True)
        subprocess.run([str(UV), "venv", "--quiet", "--python", sys.executable, str(home)], check=True)
        python = ["--python", str(home / "bin" / "python")]
        (wheel,) = wheels.glob("*.whl")
        subprocess.run([str(UV), "pip", "install", "--quiet", *python, str(wheel)], check=True)
        asked = [str(UV), "pip", "list", "--format", "json", *python]
        packages = json.loads(subprocess.run(asked, check=True, capture_output=True).stdout)
        size = sum(file.lstat().st_size for file in home.rglob("*") if file.is_file()) / 1e6
        told = ", ".join(f"{one['name']} {one['version']}" for one in packages)
        return [f"wheel: {wheel.stat().st_size / 1e6:.1f} MB", f"{len(packages)} packages, {size:,.0f} MB: {told}"]


def walked() -> list[str]:
    """Commands and minutes of each path, as its test walked it."""
    with tempfile.TemporaryDirectory() as place:
        report = Path(place, "report.xml")
        tests = [f"tests/house/test_stranger.py::{name}" for name in PATHS]
        command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-m", "stress"]
        command += ["-o", "junit_family=xunit1", f"--junitxml={report}", *tests]
        subprocess.run(command, cwd=HOUSE, check=True, stdout=subprocess.DEVNULL)
        told = []
        for case in ET.parse(report).iter("testcase"):
            said = {one.get("name"): one.get("value") for one in case.iter("property")}
            minutes = float(said["seconds"]) / 60
            told.append(f"{PATHS[case.get('name')]}: {said['commands']} commands, {minutes:.1f} minutes")
        return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--install", action="store_true", help="also install the wheel without extras")
    parser.add_argument("--paths", action="store_true", help="also walk the three paths; needs PostgreSQL")
    asked = parser.parse_args()
    print(rules_read())
    for line in [*(installed() if asked.install else []), *(walked() if asked.paths else [])]:
        print(line)


if __name__ == "__main__":
    main()
