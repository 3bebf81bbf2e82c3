"""What runs here: the code by its hash, its commit where the house is a checkout, and the libraries."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

HOUSE = Path(__file__).parents[2]
PACKAGES = ("features", "models", "pipeline")


def code_sha256() -> str:
    """Of the three packages as they run here, rules and templates included:
    the same inputs and this give the same bytes.
    """
    files = sorted(
        path
        for room in PACKAGES
        for path in (HOUSE / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    told = {path.relative_to(HOUSE).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def commit() -> str | None:
    """The commit that is checked out; None where the house is no checkout."""
    place = HOUSE / ".git"
    with suppress(OSError):
        if place.is_file():  # a worktree: the file leads to its folder
            place = Path(place.read_text(encoding="utf-8").removeprefix("gitdir:").strip())
        head = (place / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref: "):
            return head
        shared = place / "commondir"
        root = place / shared.read_text(encoding="utf-8").strip() if shared.is_file() else place
        name = head.removeprefix("ref: ")
        if (root / name).is_file():
            return (root / name).read_text(encoding="utf-8").strip()
        packed = (root / "packed-refs").read_text(encoding="utf-8").splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {name}")), None)
    return None


def versions_of(names: Iterable[str]) -> dict[str, str]:
    """Of the libraries that are installed."""
    found = {}
    for name in names:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
