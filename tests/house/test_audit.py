"""What the lock pins has no known hole; a lock that had one would be named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]


def audit(lock: Path) -> tuple[int, str]:
    asked = [sys.executable, str(HOUSE / ".ci" / "audit"), "--offline", str(lock)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-spark.lock"])
def test_nothing_that_is_pinned_has_a_hole_that_is_listed(name):
    code, said = audit(HOUSE / name)
    assert code == 0, said
    assert "NOT LOOKED AT in the registry: asked not to" in said


@pytest.mark.parametrize(
    ("line", "hole"),
    [
        ("pyarrow==14.0.0 \\\n    --hash=sha256:0\n", "pyarrow 14.0.0: CVE-2023-47248, fixed in 14.0.1"),
        ("LightGBM==4.5.0\n", "lightgbm 4.5.0: CVE-2024-43598, fixed in 4.6.0"),
        ("pyyaml==5.3.1 ; python_version < '3.12'\n", "pyyaml 5.3.1: CVE-2020-14343, fixed in 5.4"),
        (
            "pyyaml==5.3.1 ; python_version < '3.12'\npyyaml==6.0.2 ; python_version >= '3.12'\n",
            "pyyaml 5.3.1: CVE-2020-14343, fixed in 5.4",
        ),
    ],
)
def test_a_hole_is_named(tmp_path, line, hole):
    (tmp_path / "some.lock").write_text(line)
    code, said = audit(tmp_path / "some.lock")
    assert code == 1
    assert f"HOLE {hole}" in said


@pytest.mark.parametrize(
    "line", ["pyarrow==14.0.1\n", "pyyaml==5.10\n", "pyyaml==5.4.0\n", "lightgbm==10.0\n", "lightgbm==4.6\n"]
)
def test_a_version_in_which_it_is_closed_is_none(tmp_path, line):
    (tmp_path / "some.lock").write_text(line)
    assert audit(tmp_path / "some.lock")[0] == 0
