"""The same work by one process and by a Spark cluster on this machine:
python -m benchmarks.cluster [--debtors N] [--shards N] [--workers N] [--work DIR] [--again].

A standalone master and its workers are started on loopback, each worker with one core, and take a delivery in, write
the labelled panel and publish a night; while the night is worked, the process of one executor is killed. Prints, as
the tables of docs/operations.md: what Spark says of it in its own event log (stages, tasks, tasks tried again,
seconds), and the hashes of what one process and the cluster made. Needs pyspark (`make spark`) and Java. again: the
books and the model that stand in WORK.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.measuring import descendants

HOUSE = Path(__file__).parents[1]
LEAN = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xss512k"  # a JVM that starts soon and compiles little
STARTS_WITHIN, NIGHT = 300.0, "2026-10-01"
EXECUTOR = "CoarseGrainedExecutorBackend"
ADDRESS = re.compile(r"Starting Spark master at (spark://\S+)")

# Commands one after the other in one process, so that they share an application; `kill` goes before the one that it
# disturbs: as soon as each of the workers has a task of its shards, one executor is killed. `call` calls a function.
PROGRAM = """
import json, os, signal, sys, threading, time
from importlib import import_module
from pathlib import Path
from benchmarks.cluster import executors
from pipeline.cli import main

def busy(context, tasks):
    tracker = context.statusTracker()
    found = (tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds())
    return any(stage is not None and stage.numActiveTasks == tasks for stage in found)

def kill(worker, tasks, shelves):
    from pyspark import SparkContext
    while not any(Path(shelves).glob(".shards-*")):
        time.sleep(0.01)
    while not busy(SparkContext._active_spark_context, tasks):
        time.sleep(0.01)
    os.kill(executors(worker)[0], signal.SIGKILL)

for command in json.loads(sys.argv[1]):
    if command[0] == "kill":
        threading.Thread(target=kill, args=command[1:], daemon=True).start()
        continue
    try:
        if command[0] == "call":
            module, function = command[1].split(":")
            getattr(import_module(module), function)(*command[2:])
        else:
            main(command)
    except SystemExit as ended:
        print("ended", ended.code, flush=True)
"""


@dataclass(frozen=True)
class Cluster:
    """A standalone cluster that stands. events: where applications leave their event logs; pids: of its workers."""

    master: str
    events: Path
    environment: Mapping[str, str]
    pids: tuple[int, ...]

    def run(self, *commands: Sequence[object]) -> subprocess.CompletedProcess[str]:
        """The commands of `recoup` one after the other, by one application; stdout has a line `ended CODE` for each."""
        told = json.dumps([list(map(str, command)) if command[0] != "kill" else command for command in commands])
        asked = [sys.executable, "-c", PROGRAM, told]
        return subprocess.run(asked, env=self.environment, capture_output=True, text=True, check=False, cwd=HOUSE)

    def kill_one_when_busy(self, out: Path) -> tuple[str, int, int, str]:
        """Goes before a command that publishes a night into `out`."""
        return ("kill", self.pids[0], len(self.pids), str(out))

    def told(self) -> list[dict[str, Any]]:
        """The events of all applications, in the order in which they began."""
        files = sorted((file for file in self.events.rglob("*") if file.is_file()), key=lambda file: file.name)
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]


@contextmanager
def standing(folder: Path, workers: int = 2, memory: str = "512m") -> Iterator[Cluster]:
    """A master and its workers on loopback, each with one core and the memory for one executor; all ended afterwards,
    whatever happens. folder: for logs and what executors leave.
    """
    import pyspark

    for name in ("conf", "events", "work"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    settings = {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": f"file://{folder / 'events'}",
        "spark.eventLog.rolling.enabled": "false",
        "spark.eventLog.compress": "false",
        "spark.executor.memory": memory,
        "spark.executor.cores": "1",
        "spark.driver.memory": memory,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.executor.extraJavaOptions": LEAN,
        "spark.driver.extraJavaOptions": LEAN,
        "spark.ui.liveUpdate.period": "0",  # who asks how many tasks run is told of the last that began
        "spark.scheduler.minRegisteredResourcesRatio": "1.0",  # both executors are there before the first task
    }
    told = "".join(f"{name} {value}\n" for name, value in settings.items())
    (folder / "conf" / "spark-defaults.conf").write_text(told)
    home = Path(pyspark.__file__).parent
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SPARK_")},
        "SPARK_HOME": str(home),
        "SPARK_CONF_DIR": str(folder / "conf"),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(folder / "work"),
        "SPARK_DAEMON_MEMORY": "128m",
        "SPARK_DAEMON_JAVA_OPTS": LEAN,
        "PYTHONPATH": str(HOUSE),
        "OMP_NUM_THREADS": "1",
    }
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, deployed: str, *given: str) -> Path:
        log = folder / f"{name}.log"
        asked = [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{deployed}", *given]
        own = ("--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
        with log.open("wb") as into:
            started.append(
                subprocess.Popen([*asked, *own], env=environment, stdout=into, stderr=into, start_new_session=True)
            )
        return log

    try:
        master = _said(start("master", "master.Master"), ADDRESS)
        size = ("--cores", "1", "--memory", memory, "--work-dir", str(folder / "work"))
        logs = [start(f"worker-{number}", "worker.Worker", master, *size) for number in range(workers)]
        for log in logs:
            _said(log, re.compile("(Successfully registered with master)"))
        yield Cluster(master, folder / "events", environment, tuple(process.pid for process in started[1:]))
    finally:
        for process in reversed(started):  # each leads a group of its own, with the executors that it started
            for pid in (*descendants(process.pid), process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()


def _said(log: Path, words: re.Pattern[str]) -> str:
    """What a process says of itself in its log."""
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline:
        if found := words.search(log.read_text(errors="replace")):
            return found[1]
        time.sleep(0.05)
    raise SystemExit(f"No {words.pattern!r} in {log} within {STARTS_WITHIN:g} s:\n{log.read_text(errors='replace')}")


def executors(worker: int) -> list[int]:
    """The executors of a worker."""
    found = []
    for pid in descendants(worker):
        with suppress(OSError):
            if EXECUTOR in Path(f"/proc/{pid}/cmdline").read_text():
                found.append(pid)
    return found


def summary(events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What an event log comes to: applications, executors (with those that were lost), stages, tasks, those that were
    tried again, why tasks failed, seconds of tasks and of the applications by the clock.
    """
    of: dict[str, list[Mapping[str, Any]]] = {}
    for event in events:
        of.setdefault(event["Event"].removeprefix("SparkListener"), []).append(event)
    tasks = of.get("TaskEnd", [])
    reasons: dict[str, int] = {}
    for task in tasks:
        reason = task["Task End Reason"]["Reason"]
        reasons[reason] = reasons.get(reason, 0) + (reason != "Success")
    began, ended = (sum(event["Timestamp"] for event in of.get(f"Application{name}", [])) for name in ("Start", "End"))
    return {
        "applications": len(of.get("ApplicationStart", [])),
        "executors": len(of.get("ExecutorAdded", [])),
        "executors lost": sum("killed by" not in event["Removed Reason"] for event in of.get("ExecutorRemoved", [])),
        "stages": len(of.get("StageCompleted", [])),
        "tasks": sum(event["Stage Info"]["Number of Tasks"] for event in of.get("StageCompleted", [])),
        "tasks tried again": sum(task["Task Info"]["Attempt"] > 0 for task in tasks),
        "failed by": {reason: number for reason, number in reasons.items() if number},
        "seconds of tasks": sum(task["Task Info"]["Finish Time"] - task["Task Info"]["Launch Time"] for task in tasks)
        / 1e3,
        "seconds by the clock": (ended - began) / 1e3,
    }


def stages(events: Sequence[Mapping[str, Any]]) -> list[tuple[str, int, int, float]]:
    """Of each stage, in order: the work, tasks, tasks tried again, seconds by the clock."""
    again: dict[int, int] = {}
    for event in events:
        if event["Event"] == "SparkListenerTaskEnd":
            again[event["Stage ID"]] = again.get(event["Stage ID"], 0) + (event["Task Info"]["Attempt"] > 0)
    work = {
        event["Stage Info"]["Stage ID"]: event["Properties"].get("spark.job.description", "")
        for event in events
        if event["Event"] == "SparkListenerStageSubmitted"
    }
    done = [event["Stage Info"] for event in events if event["Event"] == "SparkListenerStageCompleted"]
    return [
        (
            work[stage["Stage ID"]],
            stage["Number of Tasks"],
            again.get(stage["Stage ID"], 0),
            (stage["Completion Time"] - stage["Submission Time"]) / 1e3,
        )
        for stage in done
    ]


def hashes(store: Path, panel: Path, night: Path) -> dict[str, str]:
    """sha256 over every byte that an intake, a panel and a night leave; without what says when and by which run."""
    whole: dict[str, str] = {}
    tables = sorted(place for place in store.rglob("*.parquet") if "_delta_log" not in place.parts)  # no checkpoint
    whole["store"] = _of_files(store, tables)
    whole["panel"] = hashlib.sha256(panel.read_bytes()).hexdigest()
    files = sorted(place for place in night.rglob("*") if place.is_file() and place.name != "manifest.json")
    manifest = json.loads((night / "manifest.json").read_text())
    manifest.pop("run")
    told = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    whole["night"] = hashlib.sha256(f"{_of_files(night, files)} {told}".encode()).hexdigest()
    return whole


def _of_files(top: Path, files: Sequence[Path]) -> str:
    whole = hashlib.sha256()
    for place in files:
        whole.update(f"{place.relative_to(top)} {hashlib.sha256(place.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--debtors", type=int, default=3_000)
    arguments.add_argument("--shards", type=int, default=8)
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--seed", type=int, default=3)
    arguments.add_argument("--work", type=Path, default=Path("work/cluster"))
    arguments.add_argument("--again", action="store_true")
    chosen = arguments.parse_args()
    here, there = chosen.work.resolve() / "here", chosen.work.resolve() / "there"
    if not chosen.again:
        shutil.rmtree(chosen.work, ignore_errors=True)
        _made(chosen, here)
    for left in (there, here / "out", here / "panel.parquet"):
        shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)
    there.mkdir()
    for folder in (here, there):  # the model that was approved, and none of a night's own tables
        shutil.rmtree(folder / "store", ignore_errors=True)
        shutil.copytree(here / "taught", folder / "store")
    alone = _params(chosen, here, None)
    for command in (("dataset", "--out", here / "panel.parquet"), ("worklist", "--as-of", NIGHT)):
        _recoup(*command, "--params", alone)
    with standing(chosen.work.resolve() / "spark", chosen.workers, memory="1g") as cluster:
        spread = ("--params", _params(chosen, there, cluster.master))
        done = cluster.run(
            ("ingest", "--source", here / "source", "--store", there / "fresh", *spread),
            ("dataset", "--out", there / "panel.parquet", *spread),
            cluster.kill_one_when_busy(there / "out"),
            ("worklist", "--as-of", NIGHT, *spread),
        )
        events = cluster.told()
    if re.findall(r"^ended (\d+)$", done.stdout, re.MULTILINE) != ["0"] * 3:
        raise SystemExit(done.stderr)
    print("| work | tasks | tried again | seconds by the clock |\n|---|---|---|---|")
    for work, tasks, again, seconds in stages(events):
        print(f"| {work} | {tasks} | {again} | {seconds:.1f} |")
    print("\n" + "; ".join(f"{name}: {value}" for name, value in summary(events).items()) + "\n")
    made = [hashes(folder / "fresh", folder / "panel.parquet", folder / "out" / NIGHT) for folder in (here, there)]
    print("| made | sha256 by one process | by the cluster |\n|---|---|---|")
    for name in made[0]:
        print(f"| {name} | `{made[0][name][:16]}` | `{made[1][name][:16]}` |")
    if made[0] != made[1]:
        raise SystemExit("The cluster made other bytes.")


def _made(chosen: argparse.Namespace, here: Path) -> None:
    """Books, a store as the intake left it (fresh), and one with an approved model (taught)."""
    here.mkdir(parents=True)
    _recoup(
        "simulate", "--debtors", chosen.debtors, "--seed", chosen.seed, "--out", here / "source", "--format", "parquet"
    )
    shutil.rmtree(here / "source" / "truth", ignore_errors=True)
    given = ("--params", _params(chosen, here, None))
    _recoup("ingest", "--source", here / "source", "--store", here / "fresh", *given)
    shutil.copytree(here / "fresh", here / "taught")
    run = _recoup("train", "--store", here / "taught", *given).splitlines()[-1]
    why = ("--by", "benchmark", "--why", "to be compared")
    _recoup("promote", "--run", run, *why, "--store", here / "taught", *given)


def _params(chosen: argparse.Namespace, folder: Path, master: str | None) -> Path:
    params = yaml.safe_load((HOUSE / "params.yaml").read_text())
    params["paths"] = {name: str(folder / name) for name in ("source", "store", "out")}
    params["paths"]["tracking_uri"] = f"sqlite:///{folder / 'mlflow.db'}"
    params["store"]["shards"] = chosen.shards
    params["engine"]["spark"] = master
    (place := folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    return place


def _recoup(*command: object) -> str:
    asked = [str(Path(sys.executable).parent / "recoup"), *map(str, command)]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
