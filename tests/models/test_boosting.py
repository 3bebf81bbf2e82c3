"""Growing: several seeds in one booster, threads that never change a byte, interrupts, weights of rows,
contributions.

Also of lesson.py, and of bare.py: what is loaded.
"""

from __future__ import annotations

import platform
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from models.boosting import booster_of, exact_contributions, raw_scores, row_weights, side_by_side
from models.lesson import Lesson
from tests.worlds.panels import teaching
from tests.worlds.taught import taught

HOUSE = Path(__file__).parents[2]


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="scikit-learn must come first there")
def test_the_program_grows_without_scikit_learn_and_whoever_needs_it_has_it():
    program = (
        "import sys, pipeline.cli, models.boosting; assert 'sklearn' not in sys.modules; import lightgbm\n"
        "from sklearn.metrics import roc_auc_score; print(roc_auc_score([0, 1], [0.1, 0.9]), lightgbm.Booster.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=HOUSE)
    assert done.stdout.split() == ["1.0", "Booster"]


def test_a_notebook_that_imports_the_house_has_the_wrappers():
    program = "import models.recovery; from lightgbm import LGBMClassifier; print(LGBMClassifier().n_estimators)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=HOUSE)
    assert done.stdout.strip() == "100"


def test_several_seeds_are_their_mean_in_one_booster(panel):
    settings = teaching().settings
    lesson = Lesson.of(panel.matrix, taught(panel), panel.cohort, teaching())
    rows, target = lesson.known, np.where(lesson.known, lesson.recovered, 0.0)

    def grown(seed, **more):
        return lesson.window.with_settings({**settings, **more}, seed).grow({"objective": "binary"}, target, rows, 20)

    alone = [raw_scores(grown(seed), lesson.window.numbers) for seed in (5, 6, 7)]
    one = grown(5, seeds=3)
    mean = raw_scores(one, lesson.window.numbers)
    assert one.num_trees() == 60
    assert np.abs(alone[0] - alone[1]).max() > 0.01
    assert_allclose(mean, np.mean(alone, axis=0), atol=1e-12)
    assert_allclose(exact_contributions(one, lesson.window.numbers[:50]).sum(axis=1), mean[:50], atol=1e-9)
    assert_array_equal(raw_scores(booster_of(one.model_to_string()), lesson.window.numbers), mean)


def test_what_fails_side_by_side_is_raised():
    assert side_by_side(lambda: 1, lambda: 2, lambda: 3) == [1, 2, 3]
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        side_by_side(lambda: 1, lambda: 1 / 0)


def test_an_interrupt_drops_what_waits_and_stops_what_grows(panel, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    window, grown, ended = (
        Lesson.of(panel.matrix, taught(panel), panel.cohort, teaching()).window,
        [],
        threading.Event(),
    )
    rows = np.ones(len(window.numbers), bool)

    def grow():
        try:
            grown.append(window.grow({"objective": "binary"}, np.arange(len(rows)) % 2.0, rows, 5_000))
        except RuntimeError:
            ended.set()
            raise

    def interrupt():
        time.sleep(0.2)
        raise KeyboardInterrupt("by the user")

    with pytest.raises(KeyboardInterrupt, match="by the user"):
        side_by_side(interrupt, grow, grow, grow)
    assert ended.wait(30)
    assert not grown


def test_calls_inside_calls_share_the_threads(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(16)))
    most, running = [], []

    def leaf():
        running.append(1)
        time.sleep(0.01)
        most.append(len(running))
        running.pop()

    def inner():
        side_by_side(*[leaf] * 8)

    side_by_side(*[lambda: side_by_side(*[inner] * 4)] * 8)
    assert 1 < max(most) <= 8


def test_sampling_and_recency_weigh_rows():
    cohort = pd.DataFrame({"as_of": [0, 100], "weight": [3.0, 1.0]})
    assert_array_equal(row_weights(cohort, None), [1.5, 0.5])
    assert_array_equal(row_weights(cohort[["as_of"]], 100.0), [2 / 3, 4 / 3])


def test_the_fast_contributions_are_the_exact_ones(panel, model):
    """Against LightGBM's own, on every row of the panel, missing values among them."""
    exact, base = model.contributions(panel.matrix, panel.cohort)
    fast, same_base = model.contributions(panel.matrix, panel.cohort, many=True)
    assert np.abs(fast.to_numpy() - exact.to_numpy()).max() < 1e-6
    assert_array_equal(base, same_base)
    assert list(fast.columns) == list(exact.columns)
    assert fast.index.equals(exact.index)
