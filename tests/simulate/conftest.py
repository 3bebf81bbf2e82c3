"""The sample and its truth, read once."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.judges.naive_books import judged, read
from tests.worlds.sample import SAMPLE


@pytest.fixture(scope="session")
def sample() -> dict[str, pd.DataFrame]:
    return read(SAMPLE)


@pytest.fixture(scope="session")
def truth() -> pd.DataFrame:
    return pd.read_parquet(SAMPLE / "truth" / "expectations.parquet")


@pytest.fixture(scope="session")
def panel(sample, truth) -> tuple[pd.DataFrame, int]:
    return judged(sample, truth)
