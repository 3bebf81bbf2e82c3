"""What the lot decides on a night, how it is remembered, how it came out, and when the ladder may look at it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.days import day_number
from models.effect import PLAIN_GUARD, Guard
from models.ladder import DISPROVEN, NO_LOG, PROVEN, UNPROVEN, Rung
from models.lot import CONTROL, TO_WORK
from pipeline.night.night import of_the_effect
from pipeline.night.score import job_for
from pipeline.pages.rule_words import sentence
from pipeline.panel.draws import DRAWS, OUTCOMES, arms, kept_rungs, standing_rung, unsettled
from pipeline.panel.panel import panel
from pipeline.store.store import Store
from tests.worlds.afterwards import EARLIER, NIGHT, House

pytestmark = pytest.mark.slow

FIRST, SECOND = day_number(EARLIER), day_number(NIGHT)


@pytest.fixture
def store(two_nights: House) -> Store:
    return Store(two_nights.store)


def drawn_on(store: Store, night: int) -> pd.DataFrame:
    drawn = store.read(DRAWS)
    return drawn[(drawn["as_of"] == night) & (drawn["assigned_on"] == night)]


def test_both_arms_are_kept_on_the_night_of_the_draw_with_all_that_the_ladder_asks(store, two_nights):
    first = drawn_on(store, FIRST)
    assert set(first["arm"]) == {CONTROL, TO_WORK}
    desk = two_nights.params.worklist
    shares = {CONTROL: desk.control_share, TO_WORK: desk.worked_share}
    assert (first["probability"] == first["arm"].map(shares)).all()
    assert first["chance_of_work"].unique() == pytest.approx([desk.worked_share / sum(shares.values())])
    assert first["debtor_id"].is_unique
    assert first["p_recovered"].between(0, 1).all()
    assert (first["amount"] > 0).all()
    kept = store.read("assignments")
    tonight = kept[kept["as_of"] == FIRST].merge(
        first[["account_id", "arm", "would_rank"]], on="account_id", suffixes=("", "_drawn")
    )
    assert (tonight["group"] == "held_out").sum() == (first["arm"] == CONTROL).sum()
    assert (tonight.loc[tonight["group"] == "held_out", "would_rank"] > 0).any()
    worked = tonight[(tonight["arm_drawn"] == TO_WORK) & (tonight["group"] == "worklist")]
    assert len(worked)
    assert not (tonight.loc[tonight["arm_drawn"] == TO_WORK, "group"] == "held_out").any()


def test_a_later_night_keeps_how_the_draws_came_out_as_a_panel_labels_them_and_the_ladder_looks_the_night_after(
    store, two_nights
):
    gap = two_nights.params.label.gap_days
    first, kept = drawn_on(store, FIRST), store.read(OUTCOMES)
    assert set(kept["account_id"]) == set(first["account_id"])
    assert set(kept["as_of"]) == {SECOND}
    whole = panel(store, two_nights.params)
    labelled = whole.cohort[["account_id", "as_of"]].assign(recovered=whole.labels["recovered"])
    again = kept.merge(labelled[labelled["as_of"] == FIRST], on="account_id", suffixes=("", "_panel"))
    assert len(again) == len(kept)
    np.testing.assert_array_equal(again["recovered"], again["recovered_panel"])
    assert kept["recovered"].mean() > 0
    assert set(unsettled(store, SECOND, gap)["account_id"]) == set(first["account_id"])
    assert unsettled(store, SECOND + 1, gap).empty
    assert unsettled(store, FIRST + gap - 1, gap).empty
    assert arms(store, SECOND, gap).empty
    seen = arms(store, SECOND + 1, gap)
    assert len(seen) == len(first)
    assert (seen["matured_on"] == FIRST + gap).all()
    assert seen["worked"].sum() == (first["arm"] == TO_WORK).sum()


def test_the_rung_of_every_night_is_kept_and_stands_until_the_model_gains_or_loses_the_head(store, two_nights):
    gap = two_nights.params.label.gap_days
    kept = kept_rungs(store, SECOND + 1)
    assert [rung.state for rung in kept] == [NO_LOG, NO_LOG]  # the age-band table teaches no effect
    assert {rung.since for rung in kept} == {FIRST}
    assert kept_rungs(store, FIRST) == []
    assert standing_rung(store, SECOND, gap, has_effect=False) == kept[-1]
    gained = standing_rung(store, SECOND, gap, has_effect=True)
    assert (gained.state, gained.was, gained.since) == (UNPROVEN, NO_LOG, SECOND)


@pytest.mark.parametrize("state", [NO_LOG, UNPROVEN, PROVEN, DISPROVEN])
def test_no_state_changes_in_silence_and_a_disproven_one_warns_every_night(store, two_nights, state):
    job = job_for(store, NIGHT, two_nights.params)
    changed = replace(job, rung=Rung(state, SECOND, "another", PLAIN_GUARD))
    standing = replace(job, rung=Rung(state, FIRST, "another", Guard(0.1, 0.3)))
    (said,) = of_the_effect(changed)
    assert sentence(said, "fr") != said
    assert of_the_effect(standing) == ([said] if state == DISPROVEN else [])
    assert of_the_effect(replace(job, rung=Rung(state, SECOND, "", PLAIN_GUARD))) == (
        [said] if state == DISPROVEN else []
    )
