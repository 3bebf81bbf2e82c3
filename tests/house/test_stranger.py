"""A stranger's first hour: from the installed wheel, in an empty folder, from another system's files to a list."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tests.worlds.strangers import german_ledger, german_workbook, ledger_in_sql, loan_book

pytestmark = pytest.mark.slow

HOUSE = Path(__file__).parents[2]
TRAINING = ("mlflow", "optuna", "shap", "woodelf", "matplotlib", "sklearn")
NOT_INSTALLED = f"""from importlib.machinery import PathFinder

found = PathFinder.find_spec
PathFinder.find_spec = lambda name, *more: None if name.split(".")[0] in {TRAINING!r} else found(name, *more)
"""


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The wheel, unpacked where no source of it lies."""
    place = tmp_path_factory.mktemp("site")
    uv = Path(sys.executable).with_name("uv")
    into = [str(uv), "pip", "install", "--quiet", "--no-deps", "--target", str(place), str(wheel)]
    subprocess.run(into, check=True, capture_output=True)
    return place


class Stranger:
    """Somebody with the wheel and a folder of his own. lacking: as if recoup[train] were not installed."""

    def __init__(self, site: Path, folder: Path, lacking: Path | None = None) -> None:
        self.folder, self.commands, self.begun = folder, 0, time.monotonic()
        paths = [*([str(lacking)] if lacking else []), str(site)]
        self.environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}
        self.environment.pop("MLFLOW_TRACKING_URI", None)

    def recoup(self, *command: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        self.commands += 1
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.cli", *command],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        return done

    def walked(self, told: Callable[[str, object], None]) -> None:
        """No more than six commands; how many, and how long they took, for `python -m benchmarks.adoption`."""
        assert self.commands <= 6
        told("commands", self.commands)
        told("seconds", time.monotonic() - self.begun)


def without_training(place: Path) -> Path:
    place.mkdir()
    (place / "sitecustomize.py").write_text(NOT_INSTALLED)
    return place


def rows(place: Path) -> list[dict[str, str]]:
    with place.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


GERMAN = (
    "--debtor-type", "commercial", "--currency", "EUR", "--place", "DE", "--signed-off", "DE", "--signed-off", "EU",
    "--none", "contacts", "--none", "statuses", "--capacity", "10",
)  # fmt: skip
TO_SOURCE = (
    "convert",
    "--map",
    "mapping.yaml",
    "--from",
    "exports",
    "--to",
    "source",
    "--complete-through",
    "2026-09-30",
)


def test_what_runs_is_the_wheel_and_not_the_repository(installed, tmp_path):
    where = "import pipeline, pipeline.params as p; print(pipeline.__file__, p.shipped('sample'))"
    environment = Stranger(installed, tmp_path).environment
    done = subprocess.run([sys.executable, "-c", where], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == [str(installed / "pipeline/__init__.py"), str(installed / "pipeline/sample")]


@pytest.mark.stress
def test_a_german_ledger_becomes_a_list_without_the_training_extra(installed, tmp_path, record_property):
    """Windows-1252, semicolons, decimal commas; saved by Excel it becomes the very same tables."""
    stranger = Stranger(installed, tmp_path / "mine", without_training(tmp_path / "lacking"))
    german_ledger(stranger.folder / "exports", customers=40, months=14)
    stranger.recoup("init", "--from", "exports", *GERMAN)
    stranger.recoup(*TO_SOURCE)
    stranger.recoup("ingest", "--backfill")
    refused = stranger.recoup("train", code=2)
    assert "install recoup with its extra, recoup[train]" in refused.stderr
    night = stranger.recoup("run", "--as-of", "2026-10-01")
    stranger.walked(record_property)
    assert "No approved model: ranked by a table of recovery rates by days past due" in night.stdout
    listed = rows(stranger.folder / "out" / "current" / "worklist.csv")
    assert len(listed) == 10
    assert {row["currency"] for row in listed} == {"EUR"}

    again = Stranger(installed, tmp_path / "again")
    german_workbook(again.folder / "exports", customers=40, months=14)
    again.recoup("init", "--from", "exports", *GERMAN)
    again.recoup(*TO_SOURCE)
    for table in ("accounts", "charges", "payments"):
        ours, theirs = (
            sorted(map(_as_read, rows(one.folder / "source" / f"{table}.csv"))) for one in (stranger, again)
        )
        assert ours == theirs
        assert ours


def _as_read(row: dict[str, str]) -> tuple[str, ...]:
    """A workbook keeps 1190.10 as 1190.1, and 1190.00 as 1190: the same amount."""
    return tuple(f"{Decimal(cell):.2f}" if name == "amount" else cell for name, cell in row.items())


@pytest.mark.stress
def test_a_loan_book_with_its_schedule_teaches_a_model_and_becomes_a_list(installed, tmp_path, record_property):
    stranger = Stranger(installed, tmp_path / "mine")
    loan_book(stranger.folder / "exports", loans=260)
    stranger.recoup(
        "init", "--from", "exports", "--debtor-type", "consumer", "--place", "ES", "--zone", "Europe/Madrid",
        "--signed-off", "ES", "--signed-off", "EU", "--none", "contacts", "--capacity", "10",
    )  # fmt: skip
    params = stranger.folder / "params.yaml"
    text = re.sub(r"min_events: \d+", "min_events: 20", params.read_text())
    params.write_text(re.sub(r"n_estimators: \d+", "n_estimators: 30", re.sub(r"draws: \d+", "draws: 20", text)))
    stranger.recoup(*TO_SOURCE)
    stranger.recoup("ingest", "--backfill")
    run_id = stranger.recoup("train").stdout.split()[-1]
    assert (stranger.folder / "store" / "runs" / run_id / "report.html").is_file()
    night = stranger.recoup("run", "--as-of", "2026-10-01")
    stranger.walked(record_property)
    listed = rows(stranger.folder / "out" / "current" / "worklist.csv")
    assert {row["portfolio"] for row in listed} == {"Granada", "Sevilla"}
    assert "List: out/2026-10-01/worklist.html" in night.stdout


INVOICES = """queries:
  accounts: |
    SELECT no AS account_id, firm AS debtor_id, 'ledger' AS portfolio, 'invoice' AS product,
      'commercial' AS debtor_type, 'EUR' AS currency, issued AS opened_on, 'DE' AS jurisdiction,
      'Europe/Berlin' AS time_zone
    FROM invoices
  charges: |
    SELECT no AS charge_id, no AS account_id, issued AS issued_on, due AS due_on, total AS amount, 'invoice' AS kind
    FROM invoices
  payments: |
    SELECT 'P' || no AS payment_id, no AS account_id, paid AS occurred_at, total AS amount, 'payment' AS kind,
      written AS known_at FROM invoices WHERE paid IS NOT NULL
"""


@pytest.mark.stress
def test_a_database_of_other_tables_becomes_a_list_and_the_next_night_reads_what_is_new(
    installed, tmp_path, server, record_property
):
    """PostgreSQL, asked by a user who may only read, with a password that stands in a file of his own."""
    books = server.books({})
    server.run(
        books,
        *ledger_in_sql(customers=40, months=14),
        f"CREATE ROLE clerk_{books} LOGIN PASSWORD 'canary-7431'",
        f"GRANT USAGE ON SCHEMA {books} TO clerk_{books}",
        f"GRANT SELECT ON invoices TO clerk_{books}",
    )
    stranger = Stranger(installed, tmp_path / "mine", without_training(tmp_path / "lacking"))
    stranger.folder.mkdir()
    (tmp_path / "passes").write_text("*:*:*:*:canary-7431\n")
    (tmp_path / "passes").chmod(0o600)
    stranger.environment["PGPASSFILE"] = str(tmp_path / "passes")
    begun = stranger.recoup(
        "init", "--from", server.url(books, f"clerk_{books}"), "--place", "DE", "--currency", "EUR",
        "--portfolio", "ledger", "--none", "contacts", "--none", "statuses", "--signed-off", "DE",
        "--signed-off", "EU", "--capacity", "10",
    )  # fmt: skip
    assert "No table `accounts` is there (invoices): write each `?` of queries in params.yaml." in begun.stdout
    params = stranger.folder / "params.yaml"
    text = params.read_text()
    asked = re.search(r"(?m)^queries:.*\n(?:  .*\n)+", text)
    assert "SELECT ? AS account_id" in asked[0]
    empty = re.findall(r"(?m)^  (?:contacts|statuses|control): .*\n", asked[0])
    params.write_text(text.replace(asked[0], INVOICES + "".join(empty)))
    loaded = stranger.recoup("ingest", "--backfill").stdout
    assert "payments whole, contacts whole, statuses whole." in loaded
    night = stranger.recoup("run", "--as-of", "2026-10-01")
    stranger.walked(record_property)
    listed = rows(stranger.folder / "out" / "current" / "worklist.csv")
    assert len(listed) == 10
    assert {row["jurisdiction"] for row in listed if "jurisdiction" in row} <= {"DE"}
    assert "List: out/2026-10-01/worklist.html" in night.stdout
    paid = "UPDATE invoices SET paid = '2026-10-01', written = '2026-10-01 18:00+00' WHERE no = (SELECT min(no) "
    server.run(books, f"{paid} FROM invoices WHERE paid IS NULL)")
    again = stranger.recoup("ingest").stdout
    assert re.search(r"payments from 2026-09-\d\d on", again)
    assert re.search(r"payments +\d+ rows = 1 accepted \+ 0 quarantined", again)
    written = b"".join(place.read_bytes() for place in stranger.folder.rglob("*") if place.is_file())
    assert b"canary" not in written


def test_log_lines_say_when_and_which_run_in_both_forms(installed, tmp_path):
    stranger = Stranger(installed, tmp_path)
    plain = stranger.recoup("train", code=2).stderr.strip()
    found = re.fullmatch(
        r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00) ([0-9a-f]{8}) ERROR There is no params.*", plain
    )
    assert found is not None
    line = json.loads(stranger.recoup("--log-format", "json", "train", code=2).stderr)
    assert {"time", "run", "level", "message"} == set(line)
    assert line["run"] != found[2]


def test_the_sample_s_path_shows_a_bar_on_a_terminal_alone(installed, tmp_path):
    stranger = Stranger(installed, tmp_path)
    stranger.recoup("init", "--sample")
    assert "tables" not in stranger.recoup("ingest", "--dry-run").stderr
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    command = [sys.executable, "-m", "pipeline.cli", "ingest", "--dry-run"]
    running = subprocess.Popen(
        command, cwd=tmp_path, env=stranger.environment, stderr=theirs, stdout=subprocess.DEVNULL
    )
    os.close(theirs)
    assert re.search(rb"tables: +0%\|", os.read(ours, 100_000))
    running.terminate()
    running.wait()
    os.close(ours)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands(installed, tmp_path, shell):
    environment = {**Stranger(installed, tmp_path).environment, "_RECOUP_COMPLETE": f"{shell}_source"}
    command = [sys.executable, "-m", "pipeline.cli"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "_RECOUP_COMPLETE" in done.stdout


@pytest.mark.stress
@pytest.mark.parametrize("python", ["3.11", "3.13", "3.14"])
def test_uv_installs_the_wheel_as_a_tool_that_works_where_no_repository_is(wheel, tmp_path, python):
    """Of the extras nothing; versions are those of the lock, from wherever uv gets packages."""
    interpreter = shutil.which(f"python{python}")
    if interpreter is None:
        pytest.skip(f"Python {python} is not installed")
    uv = Path(sys.executable).with_name("uv")
    names = re.findall(r"(?m)^([\w.-]+==[\w.]+(?: ; .*?)?) \\$", (HOUSE / "requirements.lock").read_text())
    (tmp_path / "constraints.txt").write_text("\n".join(names))
    own = {"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(tmp_path / "bin")}
    install = [str(uv), "tool", "install", "--quiet", "--python", interpreter, "--constraints", "constraints.txt"]
    subprocess.run([*install, str(wheel)], cwd=tmp_path, env={**os.environ, **own}, check=True)
    for command in (("schema",), ("init", "--sample"), ("ingest",), ("run", "--as-of", "2026-10-01")):
        subprocess.run([str(tmp_path / "bin" / "recoup"), *command], cwd=tmp_path, check=True, capture_output=True)
    assert not list((tmp_path / "tools" / "recoup" / "lib").glob("python*/site-packages/mlflow"))
