"""The commands as a user types them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cli import main

NIGHT = "2026-10-01"  # the morning after the last day of the made-up deliveries


def exit_code(*command: str) -> int:
    with pytest.raises(SystemExit, match=r"^\d+$") as ended:
        main(list(command))
    return ended.value.code


def recoup(folder: Path, *command: str) -> int:
    """The exit code of a command with the params of a folder."""
    return exit_code(*command, "--params", str(folder / "params.yaml"))
