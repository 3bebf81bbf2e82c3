"""The wheel, built once for all files of the room."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.worlds.houses import HOUSE, built_once

SOURCES = (
    "pyproject.toml",
    "setup.py",
    "README.md",
    "LICENSE",
    "params.yaml",
    "data",
    "features",
    "models",
    "pipeline",
)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built outside the repository, one for all processes; nothing else lies beside it."""

    def build(place: Path) -> None:
        (place / "house").mkdir()
        for name in SOURCES:
            subprocess.run(["cp", "-r", str(HOUSE / name), str(place / "house" / name)], check=True)
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(place / "dist")]
        subprocess.run([*command, str(place / "house")], check=True, capture_output=True)

    (found,) = (built_once(tmp_path_factory, "wheel", build) / "dist").glob("*.whl")
    return found
