"""What strangers send, and what strangers may read: S26, S28, S29 and S30 of what a night promises.

People stand in lists, the quarantine and the store's rows, and nowhere else: not in what commands say, not in
manifests, models, the registry or what is left in the temp folder, on good and on failing runs.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from features.days import day_of_text
from models.recovery import load_model
from pipeline.panel.view import features_of
from pipeline.params import load
from pipeline.store.champion import champion
from pipeline.store.store import Store
from tests.worlds.commands import NIGHT, exit_code, recoup
from tests.worlds.houses import CANARY
from tests.worlds.strangers import german_ledger
from tests.worlds.traces import files_of, texts_of

pytestmark = pytest.mark.slow

HOUSE = Path(__file__).parents[2]
HOLDS_ROWS = re.compile(  # where people may stand
    r"^(source|store/(accounts|charges|balances|payments|contacts|statuses|quarantine|scores|assignments|draws"
    r"|draw_outcomes|feedback|messages)/|store/runs/[0-9a-f]+/test_\w+\.parquet|out/\d{4}-\d\d-\d\d/(worklist|deferred|excluded"
    r"|next_in_line|not_for_agents/held_out|self_cure|scores|dialler|messages)\.|answers/|faults\.csv"
    r"|out/reports/\d{4}-\d\d-\d\d/(client-\w+|collectors)\.html)"  # the annex, by account; collectors by id
)

# ---- hostile names ---------------------------------------------------------------------------------------------------

NAMES = [
    "../../outside",
    "/etc/passwd",
    "x'; DROP TABLE accounts; --",
    'x" OR ""="',
    "line\nbreak",
    "\x1b[31mred",
    "n" * 4096,
    "$(touch outside)",
    "%s%n{0}",
    "..",
    "\u202egnp.exe",
    "a\u0000b".replace("\u0000", "\\0"),
]


def asked(name: str, folder: Path) -> list[tuple[str, ...]]:
    """Every command that takes a name, with this one."""
    night = ("--as-of", "2026-10-01")
    act = ("--by", "a desk", "--why", "case 17")
    return [
        ("explain", *night, "--account", name),
        ("eligibility", *night, "--account", name),
        ("check", "--account", name, "--channel", "call", "--at", "2026-10-01T10:00:00+02:00"),
        ("check", "--account", "A1", "--channel", name, "--at", "2026-10-01T10:00:00+02:00"),
        ("export", "--debtor", name, "--out", str(folder / "person.html")),
        ("forget", "--debtor", name, *act),
        ("quarantine", "show", "--id", name),
        ("promote", "--run", name, *act),
        ("rules", "sign", "--place", name, "--by", "A."),
        ("ingest", "--source", str(folder / name[:200].replace("/", "_").replace("\n", "_"))),
    ]


def test_s26_hostile_names_reach_nothing(attacks, own, capfd):
    """Refused in printable words, none of them the engine's and no name of 4 KB; nothing is written."""
    before = written_in(own)
    for number, chance in enumerate(attacks):
        ways = asked(NAMES[number % len(NAMES)], own)
        way = chance.choice(ways)
        code = exit_code(*way, "--params", str(own / "params.yaml"))
        told = capfd.readouterr().err.strip()
        assert code in (2, 65, 66, 77), (way, told)
        assert len(told.splitlines()) <= 4, (way, told)
        assert told.replace("\n", "").isprintable(), (way, told)
        assert len(told) < 1_000, (way, told)
        assert not re.search(r"SELECT|Parser|Binder|Catalog Error|Traceback", told), (way, told)
        assert written_in(own) == before, way
    assert not list(own.parent.glob("outside*"))


def written_in(folder: Path) -> dict[str, int]:
    """When every file was written last; without the registry, which is made where a run is asked for."""
    places = [place for place in files_of(folder) if not place.name.startswith("mlflow.db")]
    return {str(place): place.stat().st_mtime_ns for place in places}


# ---- canaries --------------------------------------------------------------------------------------------------------


def said_by(capfd, folder: Path, *command: str, code: int | None = 0) -> str:
    """What a command says on stdout and stderr, neither of them a terminal."""
    ended = recoup(folder, *command)
    told = capfd.readouterr()
    assert code in (None, ended), told.err
    return told.out + told.err


def places_of(folder: Path) -> Iterator[str]:
    """Files that hold the canary though no person may stand there."""
    for place in files_of(folder):
        within = place.relative_to(folder).as_posix()
        if not HOLDS_ROWS.match(within) and any(CANARY in text for text in texts_of(place)):
            yield within


def test_s28_people_stand_nowhere_but_in_rows(attacks, copied, tmp_path, monkeypatch, capfd):
    """The house was built by ingest, train, promote and run, each a process whose words and temp folder were kept."""
    temp = tmp_path / "temp"
    temp.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temp))
    monkeypatch.setenv("TMPDIR", str(temp))
    night = ("--as-of", NIGHT)
    run_id = next((copied / "store" / "runs").iterdir()).name
    lines = (copied / "out" / NIGHT / "worklist.csv").read_text(encoding="utf-8").splitlines()
    debtor = dict(zip(lines[0].split(","), lines[1].split(","), strict=False))["debtor_id"]
    assert CANARY in debtor
    said = {place.name: place.read_text() for place in (copied / "said").iterdir()}
    assert len(said) == 4
    book, person = copied / "out" / NIGHT / "worklist.xlsx", copied / "answers" / "p.html"
    for command in (
        ("evaluate", "--run", run_id),
        ("run", *night),
        ("worklist", "--as-of", "2026-09-01"),
        ("score", *night, "--out", str(copied / "answers")),
        ("features", *night, "--out", str(copied / "answers" / "features.parquet")),
        ("monitor", *night),
        ("report", *night),
        ("whatif", *night, "--capacity", "5,20"),
        ("verify",),
        ("ingest", "--dry-run"),
        ("feedback", "--file", str(book)),
        ("export", "--debtor", debtor, "--out", str(person)),
        ("forget", "--debtor", debtor, "--by", "a desk", "--why", "case 17"),
    ):
        said[f"{command[0]} again"] = said_by(capfd, copied, *command)
    said |= failing(copied, capfd)
    for name, text in attacks.over(said.items()):
        assert CANARY not in text, name
    assert list(places_of(copied)) == []
    assert [*temp.rglob("*"), *(copied / "temp").rglob("*")] == []
    written = [place for name in ("store", "out") for place in files_of(copied / name)]
    assert [place for place in written if place.stat().st_mode & 0o077] == []


def failing(lived: Path, capfd) -> dict[str, str]:
    """What is said of deliveries and questions that are refused."""
    bad = lived / "source-bad"
    said = {}
    shutil.copytree(lived / "source", bad, ignore=shutil.ignore_patterns("truth", "*.control.json"))
    rewritten(lived / "source", bad, "accounts", lambda row, at: [*row[: at - 1], f"{CANARY} Beeblebrox", *row[at:]])
    said["a book"] = said_by(capfd, lived, "ingest", "--source", str(bad), "--dry-run", code=65)
    shutil.copy(lived / "source" / "accounts.csv.gz", bad / "accounts.csv.gz")
    harms = {
        "amounts": lambda row, at: [*row[:at], f"{CANARY} Beeblebrox", *row[at + 1 :]],
        "too few cells": lambda row, at: row[:-2],
    }
    for name, harm in harms.items():
        rewritten(lived / "source", bad, "payments", harm)
        faults = ("--faults", str(lived / "faults.csv"))
        said[name] = said_by(capfd, lived, "ingest", "--source", str(bad), *faults, code=65)
    with gzip.open(bad / "payments.csv.gz", "wt", encoding="utf-8") as file:
        file.write(f"{CANARY}@example.org,{CANARY},2026-01-01\n")
    said["no header"] = said_by(capfd, lived, "run", "--as-of", NIGHT, "--source", str(bad), code=65)
    said["late"] = said_by(capfd, lived, "run", "--as-of", "2026-10-20", code=66)
    record = lived / "store" / "models" / "champion.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "why": "another"}))
    said["altered"] = said_by(capfd, lived, "worklist", "--as-of", "2026-09-15", code=77)
    shutil.rmtree(bad)
    return said


def rewritten(source: Path, place: Path, name: str, harm: Callable[[list[str], int], list[str]]) -> None:
    """A table with every row harmed: the row, and where its product or its amount stands."""
    with gzip.open(source / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        head, *rows = list(csv.reader(file))
    at = head.index("product" if name == "accounts" else "amount")
    with gzip.open(place / f"{name}.csv.gz", "wt", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([head, *(harm(row, at) for row in rows)])


# ---- no network ------------------------------------------------------------------------------------------------------

GUARD = """
import os, socket
found = socket.socket.connect
def connect(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6):
        with open(os.environ["TRIED"], "a") as tried:
            print(address, file=tried)
        raise OSError("no network")
    return found(self, address)
socket.socket.connect = socket.socket.connect_ex = connect
"""
GERMAN = (
    "--debtor-type", "commercial", "--currency", "EUR", "--place", "DE", "--signed-off", "DE", "--signed-off", "EU",
    "--none", "contacts", "--none", "statuses", "--capacity", "10",
)  # fmt: skip
WRITER = """
import sys
from pathlib import Path
from tests.worlds.params import quick_params
from pipeline.training import registry
with registry.run(quick_params(Path(sys.argv[1]))) as run_id:
    print(run_id)
"""
# All commands in one process: what each of them loads is loaded once.
COMMANDS = """
import sys
from pipeline.cli import main
for command in sys.argv[1:]:
    try:
        main(command.split("|"))
    except SystemExit as ended:
        assert ended.code == 0, (command, ended.code)
"""


class Alone:
    """A folder in which programs run without a network: in a namespace that has none where the system grants one, and
    always with sockets that write down who tried.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.tried = folder, folder / "tried"
        (folder / "guard").mkdir(parents=True)
        (folder / "guard" / "sitecustomize.py").write_text(GUARD)
        paths = os.pathsep.join([str(folder / "guard"), str(HOUSE)])
        self.environment = {**os.environ, "PYTHONPATH": paths, "TRIED": str(self.tried)}
        self.environment.pop("MLFLOW_TRACKING_URI", None)
        ways = (["unshare", "-n"], ["unshare", "-rn"]) if shutil.which("unshare") else ()
        granted = (way for way in ways if subprocess.run([*way, "true"], capture_output=True).returncode == 0)
        self.way = next(granted, [])

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.way, sys.executable, *arguments],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def recoup(self, *commands: tuple[str, ...]) -> str:
        done = self.python("-c", COMMANDS, *("|".join(command) for command in commands))
        assert done.returncode == 0, done.stderr
        return done.stdout


def test_whoever_tries_is_seen(tmp_path):
    """The canary: in the same place a program that asks is written down, and gets nothing."""
    alone = Alone(tmp_path)
    asking = alone.python("-c", "import urllib.request as asking; asking.urlopen('http://192.0.2.1/', timeout=5)")
    assert asking.returncode != 0
    assert "192.0.2.1" in alone.tried.read_text()
    if alone.way:
        below = subprocess.run([*alone.way, "cat", "/proc/net/dev"], capture_output=True, text=True, check=True)
        assert [line.split(":")[0].strip() for line in below.stdout.splitlines()[2:]] == ["lo"]


def test_s29_from_another_systems_files_to_a_list_without_a_network(attacks, copied, tmp_path):
    """A trained and pinned model scores while its registry cannot be reached; and a fresh registry has first writers at
    once: two every day, eight in full.
    """
    alone, night = Alone(tmp_path / "mine"), ("--as-of", "2026-10-01")
    german_ledger(alone.folder / "exports", customers=40, months=14)
    through = ("--complete-through", "2026-09-30")
    with attacks.one():
        told = alone.recoup(
            ("init", "--from", "exports", *GERMAN),
            ("convert", "--map", "mapping.yaml", "--from", "exports", "--to", "source", *through),
            ("ingest", "--backfill"),
            ("run", *night),
        )
        assert "List: out/2026-10-01/worklist.html" in told
    lines = (alone.folder / "out" / "current" / "worklist.csv").read_text().splitlines()
    listed = dict(zip(lines[0].split(","), lines[1].split(","), strict=False))
    with attacks.one():
        told = alone.recoup(
            ("explain", *night, "--account", listed["account_id"]),
            ("monitor", *night),
            ("export", "--debtor", listed["debtor_id"], "--out", "person.html"),
            ("forget", "--debtor", listed["debtor_id"], "--by", "a desk", "--why", "case 17"),
            ("verify",),
        )
        assert "Everything is as it was written." in told
    with attacks.one():
        assert not alone.tried.exists()
    away = Alone(tmp_path / "away")
    registry, terms = "http://192.0.2.1:5000", yaml.safe_load((copied / "params.yaml").read_text())
    terms["paths"]["tracking_uri"] = registry
    (copied / "params.yaml").write_text(yaml.safe_dump(terms))
    (copied / "mlflow.db").unlink()
    held = {name: (copied / "out" / NIGHT / name).read_bytes() for name in ("worklist.csv", "scores.parquet")}
    shutil.rmtree(copied / "out")
    with attacks.one():
        given = ("--params", str(copied / "params.yaml"), "--as-of", NIGHT)
        told = away.recoup(("run", *given), ("score", *given, "--out", "scored"))
        assert "out/2026-10-01/worklist.html" in told
        assert {name: (copied / "out" / NIGHT / name).read_bytes() for name in held} == held
        assert (away.folder / "scored" / "scores.parquet").exists()
        assert not away.tried.exists()
        assert away.python("-c", COMMANDS, f"train|--params|{copied / 'params.yaml'}").returncode != 0  # it needs one
        assert away.tried.exists() or away.way
    (tmp_path / "registry").mkdir()
    with attacks.one():
        given = [sys.executable, "-c", WRITER, str(tmp_path / "registry")]
        started = [
            subprocess.Popen(given, cwd=HOUSE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(8 if attacks.full else 2)
        ]
        ended = [process.communicate(timeout=900) for process in started]
        assert {process.returncode for process in started} == {0}, ended
        assert len({out.strip() for out, _ in ended}) == len(started)


# ---- reasons ---------------------------------------------------------------------------------------------------------


def test_s30_the_published_list_is_in_the_order_of_its_values_and_its_reasons_add_up(attacks, house):
    params, store = load(house / "params.yaml"), Store(house / "store")
    listed = pd.read_parquet(house / "out" / NIGHT / "worklist.parquet")
    approved = champion(house / "store")
    assert approved is not None
    model = load_model(approved.folder, approved.sha256)
    cohort, matrix = features_of(store, [day_of_text(NIGHT)], params)
    at = pd.Index(cohort["account_id"]).get_indexer(listed["account_id"])
    assert (at >= 0).all()
    rows, people = (frame.iloc[at].reset_index(drop=True) for frame in (matrix[list(model.columns)], cohort))
    found, base = model.contributions(rows, people)
    raw = model.raw(rows, people)
    for place in attacks.over(range(len(listed))):
        np.testing.assert_allclose(found.iloc[place].sum() + base[place], raw[place], atol=1e-6)
    for _, queue in listed.groupby("queue"):
        keys = [(-value, account) for value, account in zip(queue["net_value"], queue["account_id"], strict=True)]
        assert keys == sorted(keys)
        assert queue["rank"].tolist() == list(range(1, len(queue) + 1))
