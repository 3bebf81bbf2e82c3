"""Programs that tests drive beside Python. With CI set they must be there; elsewhere their tests are skipped,
with the reason.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest


def program(name: str) -> str:
    """The path of a program."""
    return shutil.which(name) or _absent(f"{name} is not installed")


def axe_core() -> str:
    """The text of axe-core's script; RECOUP_AXE says where it lies (.ci/run fetches it)."""
    place = Path(os.environ.get("RECOUP_AXE") or "axe.min.js")
    return (
        place.read_text(encoding="utf-8")
        if place.is_file()
        else _absent("axe-core is not there; name its axe.min.js in RECOUP_AXE")
    )


def _absent(why: str) -> str:
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)
