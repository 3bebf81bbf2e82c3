"""What deploy/ ships: units that systemd accepts, commands that exist, an image that runs as nobody, and the same word
everywhere on which ends want a person.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

import pipeline.cli as program
from pipeline.commands.table import cli
from pipeline.store.locks import only_run
from tests.worlds.commands import recoup

HOUSE = Path(__file__).parents[2]
DEPLOY = HOUSE / "deploy"
UNITS = sorted([*DEPLOY.glob("*.service"), *DEPLOY.glob("*.timer")])
WANTS_A_PERSON = {2, 65, 66, 77, 78}


def test_systemd_accepts_every_unit():
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    for unit in UNITS:
        done = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), unit.name


def test_units_let_a_night_write_what_it_must():
    """Compiled loops are kept where the unit lets it write, however closed its disk is."""
    for name in ("recoup.service", "recoup-retrain.service"):
        told = (DEPLOY / name).read_text()
        kept = re.search(r"^Environment=NUMBA_CACHE_DIR=(.*)$", told, flags=re.M)[1]
        assert kept == "/var/cache/" + re.search(r"^CacheDirectory=(.*)$", told, flags=re.M)[1]


def commands(text: str) -> list[list[str]]:
    """Words of every call of recoup, without what a shell puts in their place."""
    found = re.findall(r"(?:/bin/recoup|^ENTRYPOINT \[\"recoup\"\]\nCMD \[)([^\n>|;\]]*)", text, flags=re.M)
    return [shlex.split(re.sub(r'"?\$\([^)]*\)"?|"\$[a-z]+"', "2026-10-01", call).strip("'\" ")) for call in found]


def test_every_command_that_is_called_exists_with_its_options():
    assert program
    called = [
        call for place in (*UNITS, DEPLOY / "crontab", DEPLOY / "Containerfile") for call in commands(place.read_text())
    ]
    assert {
        call[-1] if call[-1] in cli.commands else next(w for w in call if w in cli.commands) for call in called
    } == {
        "run",
        "retrain",
        "status",
    }
    for call in called:
        name = next(word for word in call if word in cli.commands)
        given = call[call.index(name) + 1 :]
        cli.commands[name].make_context(name, list(given), resilient_parsing=False)


def test_a_call_that_is_none_is_seen():
    assert commands("ExecStart=/srv/.venv/bin/recoup run --nothing") == [["run", "--nothing"]]


def test_the_same_ends_want_a_person_everywhere():
    unit = (DEPLOY / "recoup.service").read_text()
    told = re.search(r"^RestartPreventExitStatus=(.*)$", unit, flags=re.M)
    assert {int(code) for code in told[1].split()} == WANTS_A_PERSON
    for name in ("airflow_recoup", "dagster_recoup"):
        assert (
            f"WANTS_A_PERSON = {{{', '.join(map(str, sorted(WANTS_A_PERSON)))}}}" in (DEPLOY / f"{name}.py").read_text()
        )


def test_the_image_runs_as_nobody_from_the_lock_and_copies_what_is_there():
    lines = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ").splitlines()
    steps = [line.split(None, 1) for line in lines if line and not line.startswith("#")]
    assert {step for step, _ in steps} <= {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "ENTRYPOINT", "CMD"}
    assert [rest for step, rest in steps if step == "USER"] == ["10001"]
    assert any("--require-hashes -r requirements.lock" in rest for step, rest in steps if step == "RUN")
    copied = [
        word for step, rest in steps if step == "COPY" and not rest.startswith("--from") for word in rest.split()[:-1]
    ]
    assert copied
    assert [name for name in copied if not (HOUSE / name).exists()] == []
    built_from = {"setup.py", "MANIFEST.in", "pyproject.toml"}  # without them the wheel lacks params and sample
    assert built_from <= set(copied)


def test_ci_builds_the_image_where_there_is_a_builder_and_starts_it():
    told = (HOUSE / ".ci" / "run").read_text()
    assert "for builder in podman docker" in told
    assert '"$builder" build --quiet --file deploy/Containerfile' in told
    assert '"$builder" run --rm --network none recoup:ci init --sample' in told


class NoRetry(Exception):
    pass


def stand_ins() -> dict[str, ModuleType]:
    """As much of both schedulers as the examples ask for: what is decorated stays what it is."""

    def decorator(*given, **_):
        return given[0] if given and callable(given[0]) else lambda work: work

    class Failure(NoRetry):
        def __init__(self, says: str, allow_retries: bool = True):
            assert not allow_retries
            super().__init__(says)

    sdk, errors, dagster = ModuleType("airflow.sdk"), ModuleType("airflow.sdk.exceptions"), ModuleType("dagster")
    kept: list = []
    sdk.dag, sdk.task = decorator, lambda work: kept.append(work) or (lambda: None)
    sdk.kept, errors.AirflowFailException = kept, NoRetry
    plain = {"DefaultScheduleStatus": SimpleNamespace(RUNNING=1), "OpExecutionContext": SimpleNamespace}
    for name in ("op", "job", "schedule"):
        setattr(dagster, name, decorator)
    for name in ("Definitions", "RetryPolicy", "RunRequest"):
        setattr(dagster, name, SimpleNamespace)
    dagster.Config, dagster.Failure = type("Config", (), {}), Failure
    for name, value in plain.items():
        setattr(dagster, name, value)
    return {"airflow": ModuleType("airflow"), "airflow.sdk": sdk, "airflow.sdk.exceptions": errors, "dagster": dagster}


@pytest.mark.parametrize("name", ["airflow_recoup", "dagster_recoup"])
def test_an_example_calls_the_night_and_tells_ends_apart(name, tmp_path, monkeypatch):
    """Both were loaded and run by hand with the schedulers themselves; here by stand-ins."""
    for module, stands in stand_ins().items():
        monkeypatch.setitem(sys.modules, module, stands)
    spec = importlib.util.spec_from_file_location(name, DEPLOY / f"{name}.py")
    example = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, example)
    spec.loader.exec_module(example)
    monkeypatch.setattr(example, "FOLDER", str(tmp_path))
    place = tmp_path / ".venv" / "bin" / "recoup"
    place.parent.mkdir(parents=True)

    def night() -> None:
        if name == "dagster_recoup":
            log = SimpleNamespace(log=SimpleNamespace(info=lambda *_: None))
            example.night(log, SimpleNamespace(as_of="2026-10-01"))
        else:
            sys.modules["airflow.sdk"].kept[0](
                SimpleNamespace(date=lambda: SimpleNamespace(isoformat=lambda: "2026-10-01"))
            )

    for code in (0, 66, 75):
        place.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/called\nexit {code}\n')
        place.chmod(0o755)
        if code == 0:
            night()
        elif code in WANTS_A_PERSON:
            with pytest.raises(NoRetry, match=f"ended with {code}"):
                night()
        else:
            with pytest.raises(subprocess.CalledProcessError, match=f"exit status {code}"):
                night()
    assert (tmp_path / "called").read_text().splitlines() == ["run --as-of 2026-10-01"] * 3


def test_a_backup_is_restored_and_proven(own, monkeypatch):
    """The commands of docs/operations.md, in a folder whose work is lost; while a run works there, none is made."""
    text = (HOUSE / "docs" / "operations.md").read_text(encoding="utf-8")
    backup = re.search(r"^    (flock .*)$", text, flags=re.M)[1].replace("params.yaml work", "params.yaml store out")
    backup = backup.replace("work/", "")
    monkeypatch.chdir(own)
    for folder in ("out", "store"):  # a night holds the first throughout, an ingest the second
        with only_run(own / folder):
            assert subprocess.run(shlex.split(backup), check=False).returncode == 75
    assert not (own / "backup.tar").exists()
    subprocess.run(shlex.split(backup), check=True)
    for lost in ("store", "out"):
        shutil.rmtree(own / lost)
    subprocess.run(shlex.split(re.search(r"^    (tar --extract .*)$", text, flags=re.M)[1]), check=True)
    assert recoup(own, "verify") == 0
    assert recoup(own, "run", "--as-of", "2026-10-01") == 0
