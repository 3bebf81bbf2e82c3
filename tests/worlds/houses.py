"""Houses that take long to build, one each for all processes of a test run: copied by whoever changes them."""

from __future__ import annotations

import csv
import datetime as dt
import fcntl
import gzip
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

import features
from features.days import day_of_text
from features.kept_loops import sources
from features.tables import TABLES, Kind
from pipeline.intake.ingest import ingest
from pipeline.panel.view import features_of
from pipeline.params import load
from pipeline.run import whole_night
from pipeline.simulate.portfolio import simulate
from pipeline.store.form import NIGHTS_IN
from pipeline.store.store import Store
from tests.worlds.commands import NIGHT
from tests.worlds.params import written_params

HOUSE = Path(__file__).parents[2]
CANARY = "zq7kx"
NIGHTS = [dt.date(2026, 8, 15), dt.date(2026, 9, 20), dt.date(2026, 10, 1)]
RECOUP = Path(sys.executable).parent / "recoup"


def built_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], object]) -> Path:
    """A folder that the first process to ask for it builds. It is copied, and a copy knows of no folder but its own."""
    top = factory.getbasetemp().parent if os.environ.get("PYTEST_XDIST_WORKER") else factory.getbasetemp()
    place, done = top / name, top / f".{name}.built"
    with (top / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            build(place)
            for known in place.rglob(NIGHTS_IN):
                shutil.rmtree(known)
            done.touch()
    return place


def compiled_in_two(folder: Path, worker: str | None) -> None:
    """In a tree whose loops nobody has compiled yet, one process of two compiles those of the simulator and the other
    those of the features, half a minute each: else both would compile nearly all.
    """
    room = Path(features.__file__).parent
    if any(room.rglob(f"*-{sources(room).hex()[:12]}*.nbi")):
        return
    if worker == "gw0":
        simulate(2, 1, folder / "made-up", months=3)
    if worker == "gw1":
        params = load(written_params(folder / "params.yaml", folder))
        ingest(HOUSE / "data" / "sample", folder / "store", params)
        features_of(Store(folder / "store"), [day_of_text(NIGHT)], params)


RARE = {  # classes that so few debtors share that their names point at them; a book is the house's own name
    "accounts": ("product", "jurisdiction", "language", "x_sale_channel", "x_employment_segment", "audit_sex"),
    "payments": ("method",),
}
RARE_DEBTORS = 12  # a model's class needs 20


def marked(source: Path) -> None:
    """Every id and every free text of a delivery bears the canary; so do classes, but books, of a few debtors. Others
    stay what they are.
    """
    few: set[str] = set()
    for name, table in TABLES.items():  # accounts come first
        place = source / f"{name}.csv.gz"
        if not place.exists():
            continue
        with gzip.open(place, "rt", encoding="utf-8", newline="") as file:
            head, *rows = list(csv.reader(file))
        if name == "accounts":
            head, rows = [*head, "language"], [[*row, "en"] for row in rows]
            debtors = sorted({row[head.index("debtor_id")] for row in rows})
            chosen = debtors[:: -(-len(debtors) // RARE_DEBTORS)]
            few = {row[head.index("account_id")] for row in rows if row[head.index("debtor_id")] in chosen}
        borne = {column.name for column in table.columns if column.kind is Kind.ID} | {"detail", "agent"}
        at = [place for place, column in enumerate(head) if column in borne]
        rare = [place for place, column in enumerate(head) if column in RARE.get(name, ())]
        account = head.index("account_id") if "account_id" in head else None
        for row in rows:
            if account is not None and row[account] in few:
                for column in rare:
                    row[column] = f"{CANARY} Beeblebrox"
            for column in at:
                row[column] = f"{CANARY}-{row[column]}" if row[column] else ""
        with gzip.open(place, "wt", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([head, *rows])


def taught(folder: Path) -> None:
    """A source whose every person bears the canary, a store with it, a taught and promoted champion, one published
    night. What each command said is in said/, what it left in the system's temporary place in temp/.
    """
    simulate(700, 11, folder / "source", months=18)
    marked(folder / "source")
    written_params(folder / "params.yaml", folder)
    for name in ("said", "temp"):
        (folder / name).mkdir()
    said(folder, "ingest")
    said(folder, "train")
    run_id = next((folder / "store" / "runs").iterdir()).name
    said(folder, "promote", "--run", run_id, "--by", "tests", "--why", "first")
    said(folder, "run", "--as-of", NIGHT)


def said(folder: Path, *command: str) -> None:
    given = [str(RECOUP), *command, "--params", str(folder / "params.yaml")]
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    environment |= {"TMPDIR": str(folder / "temp")}
    done = subprocess.run(given, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (folder / "said" / command[0]).write_text(done.stdout + done.stderr, encoding="utf-8")


def short_terms(folder: Path) -> Path:
    """Params under which few months teach the age-band table, and a later night rests on an earlier one's draws."""
    place = written_params(folder / "params.yaml", folder)
    told = yaml.safe_load(place.read_text())
    told["label"] |= {"horizon_days": 14, "maturity_days": 3}
    told["cohort"] |= {"first": dt.date(2026, 7, 1)}
    place.write_text(yaml.safe_dump(told, sort_keys=False))
    return place


def three(folder: Path) -> None:
    """three/: three nights in a row, each with what the one before remembers; two/: before the last of them."""
    whole = folder / "three"
    simulate(90, 23, whole / "source", months=5)
    params = load(short_terms(whole))
    for night in NIGHTS:
        if night == NIGHTS[-1]:
            shutil.copytree(whole, folder / "two", symlinks=True)
        whole_night(whole / "source", whole / "store", night, whole / "out", params)


def copy_of(house: Path, place: Path) -> Path:
    shutil.copytree(house, place, symlinks=True)
    return place
