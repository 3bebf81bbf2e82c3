"""Seconds and memory of the stages of a night."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from pipeline.night.stages import Stages


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
