"""Hypothesis draws the same worlds in every run, so that a green suite stays green; `make stress` draws new ones.
One browser for all.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.worlds.params import written_params
from tests.worlds.programs import program
from tests.worlds.promises import Attacks

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.worlds.afterwards import House
    from tests.worlds.buckets import S3, Bucketful, Proxy
    from tests.worlds.servers import Server

# Rooms whose files take longest come first: no process is left alone with one of them at the end.
LONG_ROOMS = ("promises", "training", "night", "house", "treatment", "keeping", "outcomes", "simulate", "features")
MANY = 1_000  # tests: those of a room, or of a file, need few of the loops
SLOW_FIXTURES = {"browser", "server", "two_nights", "model", "tuned", "house", "three_nights", "s3"}

settings.register_profile(
    "same", derandomize=True, max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("new", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What asks for a browser, published nights or a taught model is slow without saying so;
    so is what draws its worlds. Long rooms come first.
    """
    place = {room: number for number, room in enumerate(LONG_ROOMS)}
    items.sort(key=lambda item: place.get(item.path.parent.name, len(place)))
    for item in items:
        drawn = hasattr(getattr(item, "obj", None), "hypothesis")
        if drawn or SLOW_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def no_power_cut() -> Iterator[None]:
    """What tests write need not outlive a power cut, so that nobody waits for the disk; programs of their own do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda opened: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def compiled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Before many tests are run by two processes in a fresh tree."""
    if len(request.session.items) > MANY:
        from tests.worlds.houses import compiled_in_two

        compiled_in_two(tmp_path_factory.mktemp("compiled"), os.environ.get("PYTEST_XDIST_WORKER"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium as the system ships it, one for all tests of a process."""
    from playwright.sync_api import sync_playwright

    chromium = program("chromium")
    with sync_playwright() as driver:
        running = driver.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield running
        running.close()


@pytest.fixture(scope="session")
def two_nights(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A small portfolio with two published nights, one for all processes, to be looked at and not changed."""
    from pipeline.params import load
    from tests.worlds.afterwards import House, built
    from tests.worlds.houses import built_once

    folder = built_once(tmp_path_factory, "two-nights", built)
    return House(folder, load(folder / "params.yaml"))


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a taught and promoted champion and one published night, one for all processes; not to be changed."""
    from tests.worlds.houses import built_once, taught

    return built_once(tmp_path_factory, "taught", taught)


@pytest.fixture
def copied(house: Path, tmp_path: Path) -> Path:
    """The house again, for tests that change it."""
    folder = tmp_path / "house"
    shutil.copytree(house, folder, symlinks=True)
    written_params(folder / "params.yaml", folder)
    return folder


@pytest.fixture(scope="session")
def three_nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three nights in a row, each with what the one before remembers, one for all processes; not to be changed."""
    from tests.worlds.houses import built_once, three

    return built_once(tmp_path_factory, "nights", three) / "three"


@pytest.fixture
def own(three_nights: Path, tmp_path: Path) -> Path:
    """The three nights again, for tests that change them."""
    from tests.worlds.houses import copy_of, short_terms

    folder = copy_of(three_nights, tmp_path / "own")
    short_terms(folder)
    return folder


ENDED = pytest.StashKey[str]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """How a test ended, for the table of promises: an attack that held is none where its test did not pass."""
    report = yield
    if report.when == "call":
        item.stash[ENDED] = report.outcome
    return report


@pytest.fixture
def attacks(request: pytest.FixtureRequest) -> Iterator[Attacks]:
    """Those on the row that the test is named after: test_r01_..., test_s30_... A test that attacks nothing fails."""
    counted = Attacks.of(request.node.name.split("_")[1])
    yield counted
    counted.ended = request.node.stash.get(ENDED, "did not run")
    counted.keep()
    assert counted.tried or counted.ended != "passed", f"{counted.row} passed without an attack."


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL server, one for all tests of a process; each has databases of its own there."""
    from tests.worlds.servers import running_server

    with running_server() as running:
        yield running


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """An S3 server on loopback, one for all tests of a process."""
    from tests.worlds.buckets import running_s3

    with running_s3() as running:
        yield running


@pytest.fixture
def bucket(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bucketful:
    """A bucket of one's own, to which the environment leads; copies lie in the test's folder."""
    from tests.worlds.buckets import SECRET

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    said = {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": SECRET, "REGION": "us-east-1", "ALLOW_HTTP": "true"}
    for name, value in (said | {"ENDPOINT_URL": s3.endpoint}).items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("RECOUP_COPIES", str(tmp_path / "copies"))
    return s3.bucket()


@pytest.fixture
def proxy(s3: S3, bucket: Bucketful, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """What the environment leads to instead: it stands before the server, and does as the test says."""
    from tests.worlds.buckets import proxied

    with proxied(s3) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.endpoint)
        yield running
