"""Which rows of a store's panel the contact log may teach on: what the law of their own night allowed, and no draw
decided."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.days import day_text
from models.landmarks import NOT_PERMITTED
from models.lot import CONTROL, DRAWN, TO_WORK
from pipeline.intake.ingest import ingest
from pipeline.law.eligibility import rulings
from pipeline.law.overlay import law_of
from pipeline.law.question import Case
from pipeline.panel.panel import Panel, panel
from pipeline.store import commit
from pipeline.store.store import Store
from pipeline.training.fit import taught, teaching_of
from pipeline.training.landmarks import drawn_spans, landmarks_of
from tests.worlds.afterwards import House
from tests.worlds.deliveries import same, taken, write

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def whole(two_nights: House) -> Panel:
    return panel(Store(two_nights.store), two_nights.params)


@pytest.fixture(scope="module")
def taught_by(two_nights: House, whole):
    return landmarks_of(Store(two_nights.store), whole, two_nights.params)


def test_every_row_of_the_panel_has_its_landmark_in_order_and_says_why_it_teaches_nothing(whole, taught_by):
    assert (taught_by[["account_no", "as_of"]].to_numpy() == whole.cohort[["account_no", "as_of"]].to_numpy()).all()
    teaches = (taught_by["missing"] == "").to_numpy()
    assert 0.1 < teaches.mean() < 0.9
    assert (taught_by["worked"].notna().to_numpy() == teaches).all()
    assert (taught_by["paid"][teaches] == whole.labels["recovered"][teaches]).all()
    assert taught_by["worked"].mean() == pytest.approx(0.5, abs=0.3)
    assert {"", "not_permitted", "worked_later", "in_arm"} <= set(taught_by["missing"])


def test_a_row_teaches_only_where_the_ruling_of_its_night_permits_it(two_nights, whole, taught_by):
    store, asked = Store(two_nights.store), 0
    nights = whole.cohort["as_of"].drop_duplicates().iloc[[3, -3]]
    for shard in range(store.shards):
        tables = store.tables(shard, versions=whole.versions)
        for night in nights:
            rows = whole.cohort["account_no"].isin(tables["accounts"]["account_no"]) & (whole.cohort["as_of"] == night)
            cohort = whole.cohort[rows].reset_index(drop=True)
            case = Case(
                cohort, tables, law_of(two_nights.params), two_nights.params, store.complete_through(whole.versions)
            )
            permitted = (rulings(case, int(night)).accounts["group"] == "permitted").to_numpy()
            why = taught_by["missing"][rows].to_numpy()
            assert permitted[why == ""].all()
            assert not permitted[why == "not_permitted"].any()
            asked += int((why == "").sum())
    assert asked > 50


def test_a_row_whose_plan_runs_on_its_night_teaches_nothing(two_nights, whole, taught_by, tmp_path):
    """The night defers it as `plan`; the same rows taught before the plan was delivered."""
    night = int(taught_by["as_of"][taught_by["missing"] == ""].min())
    teaching = whole.cohort[(whole.cohort["as_of"] == night) & (taught_by["missing"] == "")]
    agreed, due = (day_text(night + days) for days in (-1, 20))
    told = {
        "plan_id": "1",
        "agreed_on": agreed,
        "known_at": agreed,
        "total": "9000000",
        "due_on": due,
        "amount": "9000000",
    }
    rows = [{**told, "account_id": name} for name in teaching["account_id"].iloc[:5]]
    shutil.copytree(two_nights.store, tmp_path / "store", symlinks=True)
    ingest(write(tmp_path / "source", {"plans": rows}), tmp_path / "store", two_nights.params)
    store, at = Store(tmp_path / "store"), whole.cohort["as_of"] == night
    asked = replace(whole, cohort=whole.cohort[at], labels=whole.labels[at], versions=store.versions())
    found = landmarks_of(store, asked, two_nights.params).set_index("account_no")
    mine = found.loc[teaching["account_no"].iloc[:5]]
    assert len(mine) == 5
    assert (mine["missing"] == NOT_PERMITTED).all()
    assert mine["worked"].isna().all()


def test_no_row_teaches_over_whose_horizon_a_draw_decided(two_nights, whole, taught_by):
    spans = drawn_spans(Store(two_nights.store))
    kept = Store(two_nights.store).read("assignments", ["debtor_id", "arm"])
    assert set(spans["debtor_id"]) == set(kept.loc[kept["arm"].isin(DRAWN), "debtor_id"])
    horizon = two_nights.params.label.horizon_days
    met = whole.cohort[["debtor_id", "as_of"]].reset_index().merge(spans, on="debtor_id")
    inside = met[(met["as_of"] < met["until_on"]) & (met["as_of"] + horizon > met["assigned_on"])]["index"].unique()
    assert len(inside) > 10
    assert not (taught_by["missing"].to_numpy()[inside] == "").any()
    assert (taught_by["missing"] == "in_arm").sum() <= len(inside)


def test_training_teaches_the_effect_from_them_and_without_a_log_none(two_nights, whole, taught_by):
    params = two_nights.params
    teaching = teaching_of(whole, params, ())
    model, _ = taught(replace(whole, landmarks=taught_by), whole.labels, teaching, params)
    assert model.effect.facts["rows"] == int((taught_by["missing"] == "").sum())
    assert np.isfinite(model.theta(whole.matrix, whole.cohort)).all()
    assert taught(whole, whole.labels, teaching, params)[0].effect is None


def test_spans_of_two_debtors_that_are_one_person_carry_the_name_that_the_panel_gives_them(tmp_path):
    _, store = taken(tmp_path, debtors=[same("D1", "D2", "2026-02-01")])
    nights = {
        "as_of": np.int32([20, 20, 30]),
        "assigned_on": np.int32([20, 20, 30]),
        "until_on": np.int32([64, 64, 74]),
    }
    kept = pd.DataFrame({"debtor_id": ["D1", "D3", "D2"], "arm": [CONTROL, CONTROL, TO_WORK], **nights})
    commit.append(store, "assignments", kept)
    spans = drawn_spans(Store(store.path))
    assert sorted(zip(spans["debtor_id"], spans["assigned_on"], strict=True)) == [("D2", 20), ("D2", 30), ("D3", 20)]
