"""A command that does no heavy work loads no heavy library (benchmarks/light.py prints what each costs)."""

from __future__ import annotations

import pytest

from benchmarks.light import LIGHT, loaded


@pytest.mark.parametrize("command", LIGHT, ids=" ".join)
def test_a_light_command_loads_only_what_it_needs(two_nights, command):
    code, names, _ = loaded(command, two_nights.folder / "params.yaml")
    assert code in (0, 65, 66), command  # 65, 66: the account of the example cannot be asked about in this house
    assert names <= LIGHT[command]


def test_what_a_heavy_command_loads_is_seen(two_nights):
    code, names, _ = loaded(("worklist", "--as-of", "2026-10-01"), two_nights.folder / "params.yaml")
    assert (code, {"lightgbm", "deltalake"} <= names) == (0, True)
