"""When a watch head is taught, and what is said where none is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipeline.panel.watch import WatchPanel
from pipeline.params import Watch
from pipeline.training import report
from pipeline.training.watch import tried_watch
from tests.worlds.params import quick_params

pytestmark = pytest.mark.slow

NIGHTS = tuple(range(19_000, 19_500, 20))


def panel(debtors: int = 200) -> WatchPanel:
    """Every debtor on every night; those of an even number are mostly late."""
    who, as_of = (values.ravel() for values in np.meshgrid(np.arange(debtors), np.array(NIGHTS, np.int32)))
    draw = np.random.default_rng(11)
    late = (draw.random(who.size) < np.where(who % 2, 0.1, 0.6)).astype(float)
    late[as_of > NIGHTS[-1] - 40] = np.nan
    rhythm = np.where(who % 2, 0.1, 0.6) + draw.normal(0, 0.05, who.size)
    names = ("last_item_days_late", "items_late_share_365d", "days_after_due_mean_365d")
    cohort = pd.DataFrame(
        {
            "account_no": who.astype(np.int64),
            "debtor_id": [f"d{number}" for number in who],
            "as_of": as_of,
            "portfolio": "book",
            "currency": "EUR",
            "due_amount": np.full(who.size, 10_000),
        }
    )
    labels = pd.DataFrame({"late": late, "rolled": np.nan})
    return WatchPanel(cohort, pd.DataFrame(dict.fromkeys(names, rhythm)), labels, pd.DataFrame(), {}, {})


@pytest.fixture
def params(tmp_path):
    return quick_params(tmp_path).model_copy(update={"watch": Watch()})


def test_the_judged_head_knows_no_later_night_and_the_released_one_knows_all(params):
    found = tried_watch(panel(), params)
    window, release = found.facts["window"], found.release
    assert found.facts["fit_last"] + params.watch_terms().gap_days <= NIGHTS[-1] - 40
    assert release.facts["fit_last"] == NIGHTS[-1] - 40
    assert release.facts["rows"] > found.facts["rows"]
    assert window["gap_days"] == params.watch_terms().gap_days
    quality = found.frames["watch_quality"].set_index(["scope", "ranking", "metric"])["value"]
    assert quality["all", "model", "auc"] > 0.65
    top = found.frames["watch_top"].set_index("ranking")
    assert top.loc["model", "share"] > 0.25


def test_the_report_says_where_the_rhythm_is_not_beaten(first, params):
    found = tried_watch(panel(), params)
    unsure = found.frames["watch_top"].assign(gain_low=[0.0, -0.1, 0.1, 0.1])
    frames = {**first.evaluation.frames, **found.frames, "watch_top": unsure}
    facts = {**first.evaluation.facts, "watch": dict(found.facts)}
    page = report.render(replace(first.evaluation, frames=frames, facts=facts), first.version, first.run_id)
    assert "Before the due day" in page
    assert "It is not shown to beat in money: late last time." in page
    assert "from 50" in page
    why = {**first.evaluation.facts, "watch": {"why": "nobody was late"}}
    text = report.render(replace(first.evaluation, facts=why), first.version, first.run_id)
    assert "No head was taught of accounts before their due day: nobody was late." in text
    assert "Before the due day" not in report.render(first.evaluation, first.version, first.run_id)


def test_too_few_late_or_too_short_a_history_teaches_nothing_and_says_why(params):
    few = panel(debtors=20)
    assert "debtors were late in the fit window, model.min_events is" in tried_watch(few, params).facts["why"]
    whole = panel()
    short = whole.cohort["as_of"] > NIGHTS[-8]
    cut = replace(
        whole, **{name: getattr(whole, name)[short].reset_index(drop=True) for name in ("cohort", "matrix", "labels")}
    )
    found = tried_watch(cut, params)
    assert found.release is None
    assert "History is too short" in found.facts["why"]
    nobody = replace(whole, cohort=whole.cohort.iloc[:0], matrix=whole.matrix.iloc[:0], labels=whole.labels.iloc[:0])
    assert "nothing falls due" in tried_watch(nobody, params).facts["why"]
