"""`recoup whatif`: other capacities, in a table and a curve. The figures themselves: tests/models/test_whatif.py."""

from __future__ import annotations

import pytest

from tests.worlds.commands import NIGHT, recoup

pytestmark = pytest.mark.slow


def test_what_if_shows_more_capacity_bringing_more(house, capsys, tmp_path):
    assert recoup(house, "whatif", "--as-of", NIGHT, "--capacity", "2,10", "--out", str(tmp_path / "curve.png")) == 0
    said = capsys.readouterr().out
    assert "balance first" in said
    assert (tmp_path / "curve.png").stat().st_size > 1000
    assert recoup(house, "whatif", "--as-of", NIGHT, "--capacity", "many") == 2
