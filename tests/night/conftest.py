"""A whole house with one published night, for all files of the room."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.simulate.portfolio import simulate
from tests.worlds.commands import NIGHT, recoup
from tests.worlds.params import written_params


@pytest.fixture(scope="session")
def house(tmp_path_factory) -> Path:
    """A source, a store with it, a trained and promoted champion, and one published night."""
    folder = tmp_path_factory.mktemp("night")
    simulate(700, 11, folder / "source", months=18)
    written_params(folder / "params.yaml", folder)
    assert recoup(folder, "ingest") == 0
    assert recoup(folder, "train") == 0
    run_id = next((folder / "store" / "runs").iterdir()).name
    assert recoup(folder, "promote", "--run", run_id, "--by", "tests", "--why", "first") == 0
    assert recoup(folder, "run", "--as-of", NIGHT) == 0
    return folder


@pytest.fixture
def copied(house, tmp_path) -> Path:
    """The house again, for tests that change it."""
    folder = tmp_path / "house"
    shutil.copytree(house, folder, symlinks=True)
    written_params(folder / "params.yaml", folder)
    return folder
