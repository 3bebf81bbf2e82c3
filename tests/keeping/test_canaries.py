"""People stand in lists, the quarantine and the store's rows, and nowhere else: not in what commands say, not in
manifests, models, the registry or what is left in the temp folder, on good and on failing runs.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from features.tables import TABLES, Kind
from pipeline.simulate.portfolio import simulate
from tests.worlds.commands import NIGHT, recoup
from tests.worlds.params import written_params
from tests.worlds.traces import files_of, texts_of

CANARY = "zq7kx"
HOLDS_ROWS = re.compile(  # where people may stand
    r"^(source|store/(accounts|charges|balances|payments|contacts|statuses|quarantine|scores|assignments|draws"
    r"|draw_outcomes|feedback)/|store/runs/[0-9a-f]+/test_\w+\.parquet|out/\d{4}-\d\d-\d\d/(worklist|deferred|excluded"
    r"|held_out|self_cure|scores|dialler)\.|answers/|faults\.csv)"
)


def marked(source: Path) -> None:
    """Every id and every free text of a delivery bears the canary; classes stay what they are."""
    for name, table in TABLES.items():
        place = source / f"{name}.csv.gz"
        if not place.exists():
            continue
        with gzip.open(place, "rt", encoding="utf-8", newline="") as file:
            head, *rows = list(csv.reader(file))
        borne = {column.name for column in table.columns if column.kind is Kind.ID} | {"detail", "agent"}
        at = [place for place, column in enumerate(head) if column in borne]
        for row in rows:
            for column in at:
                row[column] = f"{CANARY}-{row[column]}" if row[column] else ""
        with gzip.open(place, "wt", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([head, *rows])


@pytest.fixture(scope="module")
def lived(tmp_path_factory) -> Path:
    """A folder in which a model was taught, nights published, and all of it looked at; what was said is in said/."""
    folder = tmp_path_factory.mktemp("lived")
    simulate(420, 23, folder / "source", months=14)
    marked(folder / "source")
    written_params(folder / "params.yaml", folder)
    return folder


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


@pytest.mark.slow
def test_people_stand_nowhere_but_in_rows(lived, tmp_path, monkeypatch, capfd):
    temp = tmp_path / "temp"
    temp.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temp))
    monkeypatch.setenv("TMPDIR", str(temp))
    night = ("--as-of", NIGHT)
    said = {"ingest": said_by(capfd, lived, "ingest")}
    said["train"] = said_by(capfd, lived, "train")
    run_id = next(re.finditer(r"^([0-9a-f]{32})$", said["train"], re.MULTILINE))[1]
    for command in (
        ("promote", "--run", run_id, "--by", "a manager", "--why", "first"),
        ("evaluate", "--run", run_id),
        ("run", *night),
        ("run", *night),
        ("worklist", "--as-of", "2026-09-01"),
        ("score", *night, "--out", str(lived / "answers")),
        ("features", *night, "--out", str(lived / "answers" / "features.parquet")),
        ("monitor", *night),
        ("report", *night),
        ("whatif", *night, "--capacity", "5,20"),
        ("verify",),
        ("ingest", "--dry-run"),
    ):
        said[command[0]] = said.get(command[0], "") + said_by(capfd, lived, *command)
    lines = (lived / "out" / NIGHT / "worklist.csv").read_text(encoding="utf-8").splitlines()
    debtor = dict(zip(lines[0].split(","), lines[1].split(","), strict=False))["debtor_id"]
    assert CANARY in debtor
    book = lived / "out" / NIGHT / "worklist.xlsx"
    said["feedback"] = said_by(capfd, lived, "feedback", "--file", str(book))
    said["export"] = said_by(capfd, lived, "export", "--debtor", debtor, "--out", str(lived / "answers" / "p.html"))
    said["forget"] = said_by(capfd, lived, "forget", "--debtor", debtor, "--by", "a desk", "--why", "case 17")
    said |= failing(lived, capfd)
    assert {name for name, text in said.items() if CANARY in text} == set()
    assert list(places_of(lived)) == []
    assert list(temp.rglob("*")) == []


def failing(lived: Path, capfd) -> dict[str, str]:
    """What is said of deliveries and questions that are refused."""
    bad = lived / "source-bad"
    said = {}
    shutil.copytree(lived / "source", bad, ignore=shutil.ignore_patterns("truth", "*.control.json"))
    harms = {
        "amounts": lambda row, at: [*row[:at], f"{CANARY} Beeblebrox", *row[at + 1 :]],
        "too few cells": lambda row, at: row[:-2],
    }
    for name, harm in harms.items():
        with gzip.open(lived / "source" / "payments.csv.gz", "rt", encoding="utf-8", newline="") as file:
            head, *rows = list(csv.reader(file))
        with gzip.open(bad / "payments.csv.gz", "wt", encoding="utf-8", newline="") as file:
            harmed = [harm(row, head.index("amount")) for row in rows]
            csv.writer(file, lineterminator="\n").writerows([head, *harmed])
        faults = ("--faults", str(lived / "faults.csv"))
        said[name] = said_by(capfd, lived, "ingest", "--source", str(bad), *faults, code=65)
    with gzip.open(bad / "payments.csv.gz", "wt", encoding="utf-8") as file:
        file.write(f"{CANARY}@example.org,{CANARY},2026-01-01\n")
    said["no header"] = said_by(capfd, lived, "run", "--as-of", NIGHT, "--source", str(bad), code=65)
    said["late"] = said_by(capfd, lived, "run", "--as-of", "2026-10-20", code=66)
    champion = lived / "store" / "models" / "champion.json"
    champion.write_text(json.dumps({**json.loads(champion.read_text()), "why": "another"}))
    said["altered"] = said_by(capfd, lived, "worklist", "--as-of", "2026-09-15", code=77)
    shutil.rmtree(bad)
    return said
