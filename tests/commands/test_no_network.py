"""A night asks the network for nothing: the commands run where there is none, and none of them even tries."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.worlds.strangers import german_ledger

pytestmark = pytest.mark.slow

HOUSE = Path(__file__).parents[2]
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

    def recoup(self, *command: str) -> str:
        done = self.python("-m", "pipeline.cli", *command)
        assert done.returncode == 0, done.stderr
        return done.stdout


def test_whoever_tries_is_seen(tmp_path):
    """The canary: in the same place a program that asks is written down, and gets nothing."""
    alone = Alone(tmp_path)
    asked = alone.python("-c", "import urllib.request as asking; asking.urlopen('http://192.0.2.1/', timeout=5)")
    assert asked.returncode != 0
    assert "192.0.2.1" in alone.tried.read_text()
    if alone.way:
        below = subprocess.run([*alone.way, "cat", "/proc/net/dev"], capture_output=True, text=True, check=True)
        assert [line.split(":")[0].strip() for line in below.stdout.splitlines()[2:]] == ["lo"]


def test_from_another_systems_files_to_a_list_without_a_network(tmp_path):
    alone = Alone(tmp_path / "mine")
    german_ledger(alone.folder / "exports", customers=40, months=14)
    alone.recoup("init", "--from", "exports", *GERMAN)
    through = ("--complete-through", "2026-09-30")
    alone.recoup("convert", "--map", "mapping.yaml", "--from", "exports", "--to", "source", *through)
    alone.recoup("ingest", "--backfill")
    assert "List: out/2026-10-01/worklist.html" in alone.recoup("run", "--as-of", "2026-10-01")
    lines = (alone.folder / "out" / "current" / "worklist.csv").read_text().splitlines()
    listed = dict(zip(lines[0].split(","), lines[1].split(","), strict=False))
    alone.recoup("explain", "--as-of", "2026-10-01", "--account", listed["account_id"])
    alone.recoup("monitor", "--as-of", "2026-10-01")
    alone.recoup("export", "--debtor", listed["debtor_id"], "--out", "person.html")
    alone.recoup("forget", "--debtor", listed["debtor_id"], "--by", "a desk", "--why", "case 17")
    assert "Everything is as it was written." in alone.recoup("verify")
    assert not alone.tried.exists()
