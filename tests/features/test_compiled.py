"""A loop that was kept on disk is not used again once a file it calls into has changed. Also of kept_loops.py."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

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


def test_a_class_that_is_gone_does_not_stop_the_loops_that_took_it(tmp_path):
    """numba's index of a kept loop names the classes of its arguments and cannot be read without them."""
    taken = "from typing import NamedTuple\n\nclass {name}(NamedTuple):\n    number: int\n"
    (tmp_path / "outer.py").write_text(OUTER.replace("from inner import inner", "from inner import inner, Taken"))
    ask = ASK.replace("kept_by_sources(1), kept_by_its_own_file(1)", "kept_by_sources(Taken(1)), 0").replace(
        "import kept", "import Taken, kept"
    )
    inner = INNER.replace("return number", "return number.number")
    (tmp_path / "inner.py").write_text(taken.format(name="Taken") + inner.format(step=1))
    assert run(tmp_path, ask) == "2 0 0"
    (tmp_path / "inner.py").write_text(taken.format(name="Other") + "Taken = Other\n" + inner.format(step=1))
    assert run(tmp_path, ask) == "2 0 0"


def answers(room: Path, step: int) -> str:
    (room / "inner.py").write_text(INNER.format(step=step))
    return run(room, ASK)


def run(room: Path, ask: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    asked = subprocess.run(
        [sys.executable, "-c", ask, str(room)], capture_output=True, text=True, env=environment, check=True
    )
    return asked.stdout.strip()


def test_loops_are_plain_only_where_none_was_compiled_before(tmp_path):
    """One that is compiled cannot call one that is not."""
    (tmp_path / "outer.py").write_text(
        "from features.compiled import compiled\n\n@compiled\ndef loop():\n    return 1\n"
    )
    ask = """
import sys
sys.path.insert(0, sys.argv[1])
from features.compiled import compiled, in_plain_python
{first}
in_plain_python()
from outer import loop
print(type(loop).__name__, loop())
"""
    assert run(tmp_path, ask.format(first="")) == "function 1"
    assert run(tmp_path, ask.format(first="compiled(lambda: 0)")) == "CPUDispatcher 1"
