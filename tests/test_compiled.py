"""A loop that was kept on disk is not used again once a file it calls into has changed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

INNER = "from numba import njit\n\n@njit\ndef inner(number):\n    return number + {step}\n"
OUTER = """
from inner import inner
from numba import njit

from features.compiled import compiled

@compiled
def kept_by_sources(number):
    return inner(number)

@njit(cache=True)
def kept_by_its_own_file(number):
    return inner(number)
"""
ASK = """
import sys
from pathlib import Path

from features import compiled

compiled.ROOM = Path(sys.argv[1])
sys.path.insert(0, sys.argv[1])
from outer import kept_by_its_own_file, kept_by_sources

print(kept_by_sources(1), kept_by_its_own_file(1), sum(kept_by_sources.stats.cache_hits.values()))
"""


def test_a_change_in_a_called_file_is_seen(tmp_path):
    """The canary is numba's own rule, which runs the old code."""
    (tmp_path / "outer.py").write_text(OUTER)
    assert answers(tmp_path, step=1) == "2 2 0"
    assert answers(tmp_path, step=1) == "2 2 1"
    assert answers(tmp_path, step=5) == "6 2 0"


def answers(room: Path, step: int) -> str:
    (room / "inner.py").write_text(INNER.format(step=step))
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    asked = subprocess.run([sys.executable, "-c", ASK, str(room)], capture_output=True, text=True, env=environment, check=True)
    return asked.stdout.strip()
