"""The sample that lies in the repository."""

from __future__ import annotations

from pathlib import Path

HOUSE = Path(__file__).parents[2]


SAMPLE = HOUSE / "data" / "sample"
