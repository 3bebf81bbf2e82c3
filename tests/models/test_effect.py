"""The effect head: its loss against differences, a planted effect found again, the guard, exact contributions,
the same bytes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize_scalar

from features.errors import ContractError, UsageError
from models.calibration import expit
from models.effect import (
    ADDED_COLUMNS,
    BAND_FROM,
    EVEN,
    FAINT,
    LEAN,
    PLAIN_GUARD,
    UNPROVEN_GUARD,
    EffectHead,
    EffectLoss,
    Guard,
    Trials,
    added_scores,
    bands,
    fit_effect,
    stretch,
)
from models.effect_evidence import log_evidence
from models.folder import EFFECT_FILE
from models.lesson import Lesson
from models.recovery import RecoveryModel, load_model
from pipeline.store.files import write_model
from tests.worlds.panels import made_panel, teaching
from tests.worlds.worked import worked_panel

PLANTED = 1.5

chances = arrays(np.float64, 6, elements=st.floats(0, 1))
thetas = arrays(np.float64, 6, elements=st.floats(-6, 6))
guards = st.builds(Guard, st.floats(0, 1), st.floats(0, 2))


@pytest.fixture(scope="module")
def panel():
    return made_panel(1200)


@pytest.fixture(scope="module")
def lesson(panel):
    return Lesson.of(panel.matrix, panel.labels.assign(defaulted=np.nan), panel.cohort, teaching())


@pytest.fixture(scope="module")
def planted(panel, lesson):
    world = worked_panel(panel, PLANTED)
    return world, fit_effect(lesson, world.landmarks, teaching())


@pytest.fixture(scope="module")
def model(lesson, planted):
    plain = RecoveryModel.taught(lesson, teaching())
    return replace(plain, effect=planted[1])


def some_loss(seed: int = 1, rows: int = 400) -> EffectLoss:
    draw = np.random.default_rng(seed)
    work = (draw.random(rows) < 0.5) - draw.uniform(0.2, 0.8, rows)
    return EffectLoss(
        draw.normal(-1, 1, rows), work, (draw.random(rows) < 0.3).astype(float), draw.uniform(0.5, 2, rows)
    )


# The loss


def test_slopes_are_those_of_the_value():
    loss, theta, step = some_loss(), np.random.default_rng(2).normal(0, 1, 400), 1e-4
    slope, curve = loss.slopes(theta)
    for row in (0, 7, 399):
        move = np.zeros(400)
        move[row] = step
        up, here, down = loss.value(theta + move), loss.value(theta), loss.value(theta - move)
        assert_allclose(slope[row], (up - down) / (2 * step), rtol=1e-4, atol=1e-8)
        assert_allclose(curve[row], (up - 2 * here + down) / step**2, rtol=1e-2, atol=1e-5)


def test_the_start_is_the_constant_that_fits_best():
    loss = some_loss()
    found = minimize_scalar(
        lambda constant: loss.value(np.full(400, constant)), bounds=(-5, 5), method="bounded", options={"xatol": 1e-10}
    )
    assert_allclose(loss.start, found.x, atol=1e-6)


# What is learnt


def test_a_planted_effect_is_found_again(panel, lesson, planted):
    world, head = planted
    theta = head.theta(lesson.window.numbers, panel.truth["p_recovered"].to_numpy()) + head.mean
    moved = world.theta > 0
    assert theta[moved].mean() - theta[~moved].mean() > 0.6 * PLANTED
    assert abs(theta.mean() - world.theta.mean()) < 0.25 * PLANTED
    assert np.corrcoef(theta, world.theta)[0, 1] > 0.8


def test_where_work_does_nothing_the_effect_is_about_nothing(panel, lesson, planted):
    """In the log the worked pay less often, for late accounts are worked more:
    the learner is not misled by whom collectors choose.
    """
    head = fit_effect(lesson, worked_panel(panel, 0.0).landmarks, teaching())
    assert head.facts["paid_if_worked"] < head.facts["paid_if_left"] - 0.01
    assert abs(head.mean) < 0.15
    assert head.facts["spread"] < 0.5 * planted[1].facts["spread"]


@pytest.mark.slow
def test_rows_outside_the_fit_window_teach_nothing(panel, lesson, planted):
    world, head = planted
    early = (panel.cohort["as_of"] < panel.cohort["as_of"].median()).to_numpy()
    labels = panel.labels.assign(recovered=panel.labels["recovered"].where(early))
    cut = Lesson.of(panel.matrix, labels, panel.cohort, teaching())  # later rows stay: their default is known
    assert cut.known.sum() < len(cut.known)
    changed = world.landmarks.assign(paid=np.where(early, world.landmarks["paid"], 1 - world.landmarks["paid"]))
    assert fit_effect(cut, changed, teaching()).text() == fit_effect(cut, world.landmarks, teaching()).text()
    assert fit_effect(lesson, changed, teaching()).text() != head.text()  # the canary: where they do teach, they count


def test_a_unit_of_the_curves_moves_the_arcsine_of_the_root_of_a_chance_as_far_everywhere():
    chance = np.array([FAINT, 0.1, EVEN, 0.5, 1 - EVEN])
    level = np.log(chance / (1 - chance))
    small = 1e-4 * stretch(chance)
    moved = np.arcsin(np.sqrt(expit(level + small))) - np.arcsin(np.sqrt(chance))
    assert_allclose(moved, 0.5e-4 * np.sqrt(EVEN * (1 - EVEN)), rtol=1e-3)
    assert_allclose(stretch(np.array([EVEN, 1 - EVEN])), 1.0)
    assert_allclose(stretch(np.array([0.0, 1.0])), stretch(np.array([FAINT, FAINT])))


def test_where_one_effect_for_all_foretells_best_none_is_told_apart(panel, lesson):
    """Who is worked and who pays are drawn alike for all: columns can foretell nothing of the effect."""
    draw = np.random.default_rng(16)
    coins = {"worked": draw.integers(0, 2, len(panel.cohort)), "paid": draw.integers(0, 2, len(panel.cohort))}
    landmarks = panel.cohort[["account_no", "as_of"]].assign(**{name: one * 1.0 for name, one in coins.items()})
    head = fit_effect(lesson, landmarks.assign(promised=0.0), teaching())
    assert (head.facts["prior_spread"], head.facts["held_out_gain"], head.facts["spread"]) == (0.0, 0.0, 0.0)
    assert_array_equal(head.theta(lesson.window.numbers, panel.truth["p_recovered"].to_numpy()), 0.0)
    found = log_evidence(lesson, landmarks.assign(promised=0.0), teaching())
    assert np.isnan(found.slope).all()
    assert (found.hidden_zero, found.hidden_unsure) == (0.0, 0.0)
    assert np.isfinite(found.robust).all()


def test_too_few_payers_teach_no_head(panel, lesson):
    landmarks = worked_panel(panel, 1.0).landmarks
    assert fit_effect(lesson, landmarks.assign(worked=1.0), teaching()) is None
    assert fit_effect(lesson, landmarks.assign(worked=np.nan), teaching()) is None


def test_rows_without_a_landmark_are_refused(panel, lesson):
    landmarks = worked_panel(panel, 1.0).landmarks
    with pytest.raises(ContractError, match=r"cover every row of the lesson\. 5 rows have none"):
        fit_effect(lesson, landmarks.iloc[5:], teaching())


def test_the_order_of_rows_changes_no_byte(panel, lesson, planted):
    world, head = planted
    shuffled = world.landmarks.sample(frac=1.0, random_state=1)
    assert fit_effect(lesson, shuffled, teaching()).text() == head.text()


def test_cores_change_no_byte(lesson, planted, monkeypatch):
    world, head = planted
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0}, raising=False)
    assert fit_effect(lesson, world.landmarks, teaching()).text() == head.text()


# On disk, and exact contributions


def test_contributions_add_up_to_theta(panel, model):
    theta = model.theta(panel.matrix, panel.cohort)
    found, base = model.effect_contributions(panel.matrix, panel.cohort)
    assert_allclose(found.sum(axis=1) + base, theta, atol=1e-9)
    assert found.abs().mean().idxmax() == "promises_made_365d"
    few, few_base = model.effect_contributions(panel.matrix[:3], panel.cohort[:3])
    assert_array_equal(few, found[:3])
    none, none_base = model.effect_contributions(panel.matrix[:0], panel.cohort[:0])
    assert none.shape == (0, found.shape[1])
    assert none_base.shape == (0,)


def test_the_folder_keeps_the_head(panel, model, tmp_path):
    again = load_model(tmp_path / "model", write_model(tmp_path / "model", model.files()))
    assert_array_equal(again.theta(panel.matrix, panel.cohort), model.theta(panel.matrix, panel.cohort))
    assert again.effect.facts == model.effect.facts
    assert again.version == model.version
    bare = replace(model, effect=None)
    assert EFFECT_FILE not in bare.files()
    assert bare.theta(panel.matrix, panel.cohort) is None
    assert bare.version != model.version
    assert load_model(tmp_path / "bare", write_model(tmp_path / "bare", bare.files())).effect is None


def test_without_the_head_nothing_is_explained(panel, model):
    with pytest.raises(UsageError, match=r"was not taught what work adds"):
        replace(model, effect=None).effect_contributions(panel.matrix, panel.cohort)


def test_a_card_of_its_own_is_enough(planted, lesson):
    head = planted[1]
    again = EffectHead.from_card(head.card(), head.text())
    chance = np.linspace(0, 1, len(lesson.window.numbers))
    assert_array_equal(again.theta(lesson.window.numbers, chance), head.theta(lesson.window.numbers, chance))


# The guard and what work adds


@given(chances, thetas, guards)
def test_no_account_is_said_to_be_harmed(chance, theta, guard):
    found = added_scores(chance, np.full(6, 100.0), theta, guard)
    assert tuple(found.columns) == ADDED_COLUMNS
    left, worked, added = (found[name].to_numpy() for name in ADDED_COLUMNS)
    assert ((left <= chance + 1e-12) & (chance <= worked + 1e-12) & (added >= -1e-9) & (added <= 100.0)).all()
    idle = guard.guarded(theta) == 0
    assert_allclose(added[idle], 0.0, atol=1e-9)


@given(chances, thetas, guards)
def test_left_and_worked_lie_as_far_from_the_score_in_log_odds(chance, theta, guard):
    inside = (chance > 1e-6) & (chance < 1 - 1e-6)
    found = added_scores(chance[inside], np.ones(inside.sum()), theta[inside], guard)
    level, left, worked = (
        np.log(p / (1 - p)) for p in (chance[inside], found["p_if_left"].to_numpy(), found["p_if_worked"].to_numpy())
    )
    assert_allclose(worked - level, guard.guarded(theta[inside]) / 2, atol=1e-6)
    assert_allclose(level - left, guard.guarded(theta[inside]) / 2, atol=1e-6)


@given(st.floats(0.01, 0.99), thetas, guards)
def test_the_higher_the_effect_the_more_is_added(chance, theta, guard):
    theta = np.sort(theta)
    added = added_scores(np.full(6, chance), np.ones(6), theta, guard)["added_recovery"].to_numpy()
    assert (np.diff(added) >= -1e-12).all()


def test_an_example_by_hand():
    """p 0.3, theta 0.5 above its mean: 0.15 + 0.9 x 0.5 = 0.6; odds 3/7 x exp(-/+ 0.3): 0.2410 and 0.3665;
    of 400 that is 50.20.
    """
    found = added_scores(np.array([0.3]), np.array([400.0]), np.array([0.5]), UNPROVEN_GUARD).iloc[0]
    assert_allclose(found, [0.240983, 0.366492, 50.2034], rtol=1e-5)


def test_without_a_head_the_order_is_that_of_amount_times_p_times_one_less_p():
    draw = np.random.default_rng(4)
    chance, amount = draw.uniform(0.01, 0.99, 500), np.exp(draw.normal(5, 1, 500))
    added = added_scores(chance, amount, None, PLAIN_GUARD)["added_recovery"].to_numpy()
    plain = amount * chance * (1 - chance)
    assert_allclose(added / added.sum(), plain / plain.sum(), rtol=5e-3)
    assert_array_equal(added, added_scores(chance, amount, draw.normal(0, 1, 500), PLAIN_GUARD)["added_recovery"])


def test_bands_say_how_much():
    scores = pd.DataFrame(
        {"p_if_left": [0.2, 0.2, 0.2, 0.2], "p_if_worked": [0.2, 0.2 + BAND_FROM[0] - 1e-9, 0.26, 0.4]}
    )
    assert list(bands(scores)) == ["little", "little", "some", "much"]


# What leans


def log_of_promises(panel, seed=11):
    """A small log where work moves those who promise when worked and do not pay alone: (landmarks, theta)."""
    draw, chance = np.random.default_rng(seed), panel.truth["p_recovered"].to_numpy()
    level, ready = np.log(chance / (1 - chance)), panel.matrix["promises_made_365d"].to_numpy() > 0
    theta = 0.6 * ready - 0.4 * (level - level.mean()) / level.std()
    worked = (draw.random(len(theta)) < 0.5).astype(float)
    paid = draw.random(len(theta)) < expit(level + (worked - 0.5) * theta)
    promised = (draw.random(len(theta)) < np.where(ready, 0.5, 0.05)) & (worked == 1)
    told = panel.cohort[["account_no", "as_of"]].assign(worked=worked, paid=paid * 1.0, promised=promised * 1.0)
    told.loc[~panel.cohort["debtor_id"].astype("str").str.endswith("3"), ["worked", "paid", "promised"]] = np.nan
    return told, theta


def test_promises_when_worked_say_which_way_the_effect_leans(panel, lesson):
    told, theta = log_of_promises(panel)
    leaning, plain = (fit_effect(lesson, one, teaching()) for one in (told, told.assign(promised=told["promised"] * 0)))
    assert (leaning.facts["lean"], plain.facts["lean"]) == (LEAN, 0.0)
    assert leaning.facts["held_out_gain"] > plain.facts["held_out_gain"]
    held = lesson.window.cohort[["account_no", "as_of"]].merge(
        told.assign(theta=theta, chance=panel.truth["p_recovered"].to_numpy()), on=["account_no", "as_of"], how="left"
    )
    learnt = (head.theta(lesson.window.numbers, held["chance"].to_numpy()) for head in (leaning, plain))
    near = [np.corrcoef(one, held["theta"])[0, 1] for one in learnt]
    assert near[0] > near[1] + 0.02


def test_a_lean_that_other_debtors_speak_against_is_not_taken(panel, lesson):
    """Here those promise whom work does not move."""
    world = worked_panel(panel, 1.5, seed=13)
    promised = (np.random.default_rng(14).random(len(world.theta)) < np.where(world.theta > 0, 0.02, 0.5)) & (
        world.landmarks["worked"] == 1
    )
    head = fit_effect(lesson, world.landmarks.assign(promised=promised.astype(float)), teaching())
    assert head.facts["lean"] == 0.0
    theta = head.theta(lesson.window.numbers, panel.truth["p_recovered"].to_numpy())
    assert theta[world.theta > 0].mean() > theta[world.theta == 0].mean()


def test_a_log_of_promises_alone_and_columns_that_tell_nothing_lean_nowhere(panel, lesson):
    landmarks = worked_panel(panel, 0.5).landmarks
    everybody = fit_effect(lesson, landmarks.assign(promised=landmarks["worked"]), teaching())
    assert everybody.facts["lean"] == 0.0
    told, _ = log_of_promises(panel)
    trials = Trials.of(lesson, told, teaching())
    blank = replace(lesson.window, numbers=np.full_like(lesson.window.numbers, np.nan))
    curves, _, facts = trials.grown(blank)
    assert facts["lean"] == 0.0
    assert_array_equal(curves.total(blank.numbers), 0.0)
