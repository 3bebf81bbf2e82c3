"""The main work on a real Spark cluster, a standalone master and two workers on loopback: intake, panel and night are
byte for byte what one process makes; an executor that is killed costs a retry and no row; a shard that always fails
names itself; a cluster that gives up is said to be away. One cluster and one application for all of it, by
`benchmarks.cluster`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cluster import Cluster, standing, summary
from tests.worlds.commands import NIGHT, recoup
from tests.worlds.params import written_params
from tests.worlds.programs import program

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not find_spec("pyspark") and not os.environ.get("CI"), reason="pyspark is not installed: `make spark` brings it"
    ),
]


@dataclass(frozen=True)
class Worked:
    """What the cluster made. here: what one process made of the same; broken: a store with a shard nobody can read."""

    here: Path
    there: Path
    broken: Path
    file: Path  # of the broken store, which cannot be read
    codes: list[int]
    stdout: str
    stderr: str
    events: list[dict[str, Any]]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    program("java")
    with standing(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture(scope="module")
def worked(cluster: Cluster, house: Path, tmp_path_factory: pytest.TempPathFactory) -> Worked:
    top = tmp_path_factory.mktemp("worked")
    there, broken = (shutil.copytree(house, top / name, symlinks=True) for name in ("there", "broken"))
    given = {}
    for folder in (there, broken):
        shutil.rmtree(folder / "out")
        given[folder] = ("--params", written_params(folder / "params.yaml", folder, engine={"spark": cluster.master}))
    file = sorted((broken / "store" / "payments").glob("shard=1/*.parquet"))[0]
    file.unlink()
    file.mkdir()  # as where a disk is not mounted: no machine can read it, and each says so by an error of the system
    done = cluster.run(
        ("ingest", "--store", there / "fresh", *given[there]),
        ("dataset", "--out", there / "panel.parquet", *given[there]),
        cluster.kill_one_when_busy(there / "out"),
        ("worklist", "--as-of", NIGHT, *given[there]),
        ("dataset", "--out", broken / "panel.parquet", *given[broken]),
        ("call", "tests.worlds.tasks:one_that_ends_its_process", cluster.master),
        ("call", "tests.worlds.tasks:cluster_that_goes", cluster.master),
    )
    codes = [int(code) for code in re.findall(r"^ended (\d+)$", done.stdout, re.MULTILINE)]
    return Worked(house, there, broken, file, codes, done.stdout, done.stderr, cluster.told())


def test_intake_panel_and_night_end_well_and_what_cannot_be_read_does_not(worked):
    assert worked.codes == [0, 0, 0, 66], worked.stderr


def test_the_intake_leaves_the_files_that_one_process_leaves(worked):
    expected = {
        place.relative_to(worked.there / "fresh"): place.read_bytes()
        for place in (worked.there / "fresh").rglob("*.parquet")
    }
    assert {str(place).split("/")[0] for place in expected} >= {"accounts", "charges", "contacts", "payments"}
    for place, content in expected.items():
        assert (worked.here / "store" / place).read_bytes() == content, place


def test_the_panel_is_the_one_of_one_process(worked, tmp_path):
    folder = tmp_path / "here"
    shutil.copytree(worked.here, folder, symlinks=True)
    written_params(folder / "params.yaml", folder)
    assert recoup(folder, "dataset", "--out", str(folder / "panel.parquet")) == 0
    assert (folder / "panel.parquet").read_bytes() == (worked.there / "panel.parquet").read_bytes()


def test_a_night_in_which_an_executor_was_killed_has_every_byte_of_a_night_of_one_process(worked):
    here, there = (_published(folder / "out" / NIGHT) for folder in (worked.here, worked.there))
    assert here.keys() == there.keys()
    assert [name for name in here if here[name] != there[name]] == []
    began = [place for place, event in enumerate(worked.events) if event["Event"] == "SparkListenerJobStart"]
    told = summary(worked.events[: began[-1]])  # the last is the one that is given up
    assert (told["executors"], told["executors lost"]) == (3, 1)  # two, and one in the place of the killed one
    failed = {"ExecutorLostFailure": 1, "ExceptionFailure": 3 + 4}  # a shard's fourth error comes back as it was
    assert told["failed by"] == failed
    assert told["tasks tried again"] == 1 + 3 + 3


def test_a_shard_that_fails_each_time_is_named_after_four_tries_and_leaves_nothing(worked):
    told = rf"Is a directory: '{re.escape(str(worked.file))}' in shard 1 at \w+\.py:\d+, tried 4 times\. Check the path"
    assert re.search(told, worked.stderr), worked.stderr
    assert list(worked.broken.glob("panel*")) == list(worked.broken.glob(".panel*")) == []


def test_a_shard_whose_process_ends_each_time_is_named(worked):
    assert "ShardFailed 70 Shard 2 failed 4 times: its process on the cluster ended before it was done" in worked.stdout


def test_a_cluster_that_gives_up_is_said_to_be_away(worked):
    assert "ClusterAway 69 Spark at 'spark://127.0.0.1:" in worked.stdout, worked.stderr


def _published(night: Path) -> dict[str, bytes]:
    """Every file of the night; of the manifest, all but its `run` block."""
    files = {str(place.relative_to(night)): place.read_bytes() for place in sorted(night.rglob("*.*"))}
    manifest = json.loads(files.pop("manifest.json"))
    manifest.pop("run")
    return {**files, "manifest.json": json.dumps(manifest, sort_keys=True).encode()}
