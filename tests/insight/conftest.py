"""A book of sales with planted causes, taken in once for all tests of the room."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from pipeline.insight.causes import Causes, causes
from pipeline.insight.openings import Openings, openings
from pipeline.intake.ingest import ingest
from pipeline.params import Params
from pipeline.simulate import caused
from pipeline.store.store import Store
from tests.worlds.sales import sold_params


@dataclass(frozen=True)
class Book:
    """Where it lies, what is true of its sales, and what was found."""

    folder: Path
    params: Params
    sales: pd.DataFrame
    of: Openings
    found: Causes


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Book:
    folder = tmp_path_factory.mktemp("caused")
    sales = caused.live(9000, 21)
    caused.deliver(sales, folder / "source")
    params = sold_params(folder)
    ingest(folder / "source", folder / "store", params)
    of = openings(Store(folder / "store"), params, 270, 90)
    ids = [f"S{at:06d}" for at in range(len(sales))]
    return Book(folder, params, sales.assign(account_id=ids), of, causes(of, params))
