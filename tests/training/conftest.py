"""One trained run, and a second beside it, for all files of the room: to be looked at and not changed."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from pipeline.training import registry
from pipeline.training.books import Books
from pipeline.training.train import Run, train
from tests.worlds.panels import COLUMNS, MadePanel, made_panel
from tests.worlds.params import DECISION, quick_params


@pytest.fixture(scope="session", autouse=True)
def own_tracking_store():
    """Nobody waits for the disk: a registry that is new has 75 transactions behind it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        event.listen(Engine, "connect", _unsynced)
        yield
        event.remove(Engine, "connect", _unsynced)


def _unsynced(connection: object, _: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture(scope="session")
def panel() -> MadePanel:
    return replace(made_panel(500), versions={"payments": 7, "scores": 3})


@pytest.fixture(scope="session")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("registry")


@pytest.fixture(scope="session")
def first(panel, place) -> Run:
    """With protected groups and placements, as a store gives them; "old" are those who pay seldom,
    though no feature says so.
    """
    draw = np.random.default_rng(3)
    paid = panel.labels["recovered"].groupby(panel.cohort["debtor_id"]).transform("mean") + draw.normal(
        0, 0.2, len(panel.cohort)
    )
    traits = pd.DataFrame({"audit_age": np.where(paid < 0.3, "old", "young")})
    placements = pd.DataFrame(
        {
            "placed_in": "2023-01",
            "accounts": 5,
            "placed": 100.0,
            "month": [1, 2],
            "cash": [10.0, 30.0],
            "rate": [0.1, 0.3],
        }
    )
    return train(panel, quick_params(place), COLUMNS, place / "store", books=Books(traits, placements))


@pytest.fixture(scope="session")
def second(panel, place, first) -> Run:
    """Another seed: as good as the first."""
    registry.promote(place / "store", first.run_id, quick_params(place), **DECISION)
    return train(panel, quick_params(place).model_copy(update={"seed": 99}), COLUMNS, place / "store")


@pytest.fixture
def store(place, second, tmp_path) -> Path:
    """A copy of the store in which the first run is champion."""
    shutil.copytree(place / "store", tmp_path / "store")
    return tmp_path / "store"
