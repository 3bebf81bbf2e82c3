"""Seconds and memory of the stages of a night."""

from __future__ import annotations

import gc
import resource
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.night.stages import MANY_ROWS, Stages, give_back


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the peak of a process cannot be forgotten")
def test_the_peak_of_a_stage_is_its_own():
    stages = Stages()
    with stages.stage("large"):
        held = np.ones(80_000_000)
        del held
    with stages.stage("small"):
        pass
    large, small = (stage["peak_mib"] for stage in stages.done)
    assert large > small + 100
    assert stages.most == pytest.approx(large, abs=1)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the peak of a process cannot be forgotten")
def test_what_is_held_between_two_stages_is_in_the_peak_of_all():
    stages = Stages()
    held = np.ones(80_000_000)
    del held
    with stages.stage("small"):
        pass
    assert stages.most > stages.done[0]["peak_mib"] + 100


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="what the system holds of a process is told elsewhere otherwise")
def test_memory_of_many_rows_goes_back_to_the_system():
    """A frame in a cycle, of cells that Python made one by one: nothing else would let go of it."""

    def held() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    def let_go_of(rows: int) -> int:
        frame = pd.DataFrame({"text": pd.Series([f"text {number}" for number in range(1_500_000)], dtype=object)})
        cycle = [frame]
        cycle.append(cycle)
        most = held()
        del frame, cycle
        give_back(rows)
        return most - held()

    gc.disable()
    try:
        assert let_go_of(MANY_ROWS - 1) < 20_000_000
        assert let_go_of(MANY_ROWS) > 40_000_000
    finally:
        gc.enable()
