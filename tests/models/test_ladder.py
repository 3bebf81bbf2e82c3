"""The ladder: hand-made draws per state, its figures against a plain fit,
and how often a world without effect is called proven.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from models.effect import PLAIN_GUARD, UNPROVEN_GUARD, Guard, added_scores, bands
from models.ladder import (
    BELIEVED,
    DISPROVEN,
    LEAST_PAYERS,
    NO_LOG,
    POLICY_SD,
    PROVEN,
    SLOPE_SD,
    UNPROVEN,
    Z95,
    Rung,
    figures_of,
    next_rung,
    said_bands,
    sequence_width,
    tells_apart,
)

END = 800


def drawn(
    rows: int, slope: float, level: float = 0.2, seed: int = 1, probability: float = 0.5, spread: float = 0.5
) -> pd.DataFrame:
    """Draws over two years with a true level and slope; a third as many debtors as draws."""
    draw = np.random.default_rng(seed)
    night = np.sort(draw.integers(0, 700, rows))
    chance, theta = 1 / (1 + np.exp(-draw.normal(-0.8, 1.0, rows))), draw.normal(0, spread, rows)
    worked = (draw.random(rows) < probability).astype(float)
    lift = (
        (worked - 0.5) * np.maximum(0, level + slope * theta)
        if slope >= 0
        else (worked - 0.5) * (level + slope * theta)
    )
    paid = draw.random(rows) < 1 / (1 + np.exp(-(np.log(chance / (1 - chance)) + lift)))
    return pd.DataFrame(
        {
            "debtor_id": [f"d{number}" for number in draw.integers(0, rows // 3, rows)],
            "assigned_on": night,
            "matured_on": night + 44,
            "queue": "book",
            "worked": worked,
            "probability": probability,
            "p_recovered": chance,
            "theta": theta,
            "amount": np.exp(draw.normal(5, 1, rows)),
            "recovered": paid.astype(float),
        }
    )


# States


def test_without_a_head_there_is_no_log_whatever_the_draws_say():
    rung = next_rung(drawn(4000, 2.0), None, END, has_head=False)
    assert (rung.state, rung.guard, rung.was) == (NO_LOG, PLAIN_GUARD, "")
    assert not rung.changed_on(END)


def test_without_draws_the_effect_is_unproven_and_guarded():
    rung = next_rung(drawn(4000, 2.0).iloc[:0], Rung(NO_LOG, 10, "", PLAIN_GUARD), END, has_head=True)
    assert (rung.state, rung.since, rung.was, rung.guard) == (UNPROVEN, END, NO_LOG, UNPROVEN_GUARD)
    assert rung.changed_on(END)
    assert not rung.changed_on(END + 1)
    assert rung.figures == {"draws": 0, "debtors": 0, "worked": 0, "left": 0, "payers_worked": 0, "payers_left": 0}


def test_draws_that_agree_prove_the_effect_and_give_it_its_level_and_slope():
    rung = next_rung(drawn(6000, 1.2, 0.4), Rung(UNPROVEN, 10, NO_LOG, UNPROVEN_GUARD), END, has_head=True)
    assert (rung.state, rung.since, rung.was) == (PROVEN, END, UNPROVEN)
    assert rung.figures["slope_low_always"] > 0
    assert 0.7 < rung.guard.slope < 1.6
    assert 0.25 < rung.guard.level < 0.6
    held = next_rung(drawn(6000, 1.2, 0.4), rung, END + 1, has_head=True)
    assert (held.state, held.since, held.was) == (PROVEN, END, UNPROVEN)


def test_draws_that_contradict_disprove_it():
    rung = next_rung(drawn(6000, -1.2, 0.2), Rung(UNPROVEN, 10, NO_LOG, UNPROVEN_GUARD), END, has_head=True)
    assert (rung.state, rung.guard) == (DISPROVEN, PLAIN_GUARD)
    assert rung.figures["slope_high_always"] < 0


def test_a_list_that_surely_adds_less_disproves_it_though_the_slope_is_open():
    """Where theta is high the effect is there, but not where the money is: for large debts it is turned round."""
    arms = drawn(9000, 0.0, 0.0, seed=5, spread=1.0)
    theta, large = arms["theta"].to_numpy(), arms["amount"].to_numpy() > arms["amount"].quantile(0.7)
    lift = (arms["worked"].to_numpy() - 0.5) * np.where(large, -2.5, 1.2) * theta
    level = np.log(arms["p_recovered"] / (1 - arms["p_recovered"])) + lift
    arms["recovered"] = (np.random.default_rng(6).random(9000) < 1 / (1 + np.exp(-level))).astype(float)
    rung = next_rung(arms, None, END, has_head=True)
    assert rung.figures["policy_high_always"] < 0
    assert rung.figures["slope_high_always"] > 0
    assert rung.state == DISPROVEN


def test_a_state_is_entered_by_the_sequence_and_left_by_the_night():
    arms = next(
        rows
        for seed in range(40)
        for rows in [drawn(1500, 0.7, seed=seed)]
        if (found := figures_of(rows))["slope_low_tonight"] > 0 > found["slope_low_always"]
    )
    assert next_rung(arms, Rung(UNPROVEN, 5, NO_LOG, UNPROVEN_GUARD), END, True).state == UNPROVEN
    assert next_rung(arms, Rung(PROVEN, 5, UNPROVEN, UNPROVEN_GUARD), END, True).state == PROVEN
    nothing = drawn(1500, 0.0, 0.0)
    lost = next_rung(nothing, Rung(PROVEN, 5, UNPROVEN, UNPROVEN_GUARD), END, True)
    assert (lost.state, lost.since, lost.was) == (UNPROVEN, END, PROVEN)


def test_what_matures_on_the_night_or_later_takes_no_part():
    arms = drawn(3000, 1.0)
    rung = next_rung(arms, None, 400, has_head=True)
    assert rung.figures["draws"] == int((arms["matured_on"] < 400).sum()) < 3000
    flipped = arms.assign(recovered=np.where(arms["matured_on"] < 400, arms["recovered"], 1 - arms["recovered"]))
    assert next_rung(flipped, None, 400, has_head=True) == rung
    assert next_rung(flipped, None, END, has_head=True) != next_rung(arms, None, END, has_head=True)


def test_an_unproven_effect_is_believed_no_more_than_the_guard_and_less_where_draws_show_less():
    strong = next_rung(drawn(500, 0.5, 0.8, seed=3), None, END, has_head=True)
    nothing = next_rung(drawn(3000, 0.0, 0.0), None, END, has_head=True)
    assert strong.state == nothing.state == UNPROVEN
    assert strong.guard.level <= UNPROVEN_GUARD.level
    assert strong.guard.slope <= UNPROVEN_GUARD.slope
    assert nothing.guard.level < 0.1
    assert nothing.guard.slope < 0.35


def test_few_payers_conclude_nothing():
    arms = drawn(3000, 2.0)
    few = arms[(arms["worked"] == 1) | (arms["recovered"] == 0)]
    some = pd.concat(
        [few, arms[(arms["worked"] == 0) & (arms["recovered"] == 1)].drop_duplicates("debtor_id")[: LEAST_PAYERS - 1]]
    )
    assert set(figures_of(some)) == {"draws", "debtors", "worked", "left", "payers_worked", "payers_left"}
    assert next_rung(some, None, END, has_head=True).state == UNPROVEN


# Figures


def test_level_and_slope_are_those_of_a_plain_fit():
    arms = drawn(1200, 1.0, probability=0.7)
    found = figures_of(arms)
    worked, theta, paid = (arms[name].to_numpy() for name in ("worked", "theta", "recovered"))
    offset = np.log(arms["p_recovered"] / (1 - arms["p_recovered"])).to_numpy()

    def loss(point):
        level = offset + (worked - 0.7) * (point[0] + point[1] * theta)
        return (np.logaddexp(0, level) - paid * level).sum()

    best = minimize(loss, [0.0, 0.0], method="BFGS", options={"gtol": 1e-9}).x
    assert_allclose([found["level"], found["slope"]], best, atol=1e-5)


def test_intervals_of_one_night_hold_the_truth_as_often_as_they_say():
    inside = [
        (
            found["level_low_tonight"] < 0.3 < found["level_high_tonight"],
            found["slope_low_tonight"] < 0.0 < found["slope_high_tonight"],
        )
        for seed in range(80)
        for found in [figures_of(drawn(400, 0.0, 0.3, seed=seed))]
    ]
    assert (np.mean(inside, axis=0) > 0.87).all()


def test_the_average_is_worked_less_left_and_what_is_foretold_narrows_it():
    arms = drawn(4000, 0.0, 0.6, probability=0.8)
    found = figures_of(arms)
    sides = [arms[arms["worked"] == side]["recovered"] for side in (1, 0)]
    assert abs(found["average"] - (sides[0].mean() - sides[1].mean())) < 0.02
    width = {
        name: found[f"{name}_high_tonight"] - found[f"{name}_low_tonight"] for name in ("average", "average_robust")
    }
    assert width["average_robust"] < 0.95 * width["average"]


def test_a_policy_as_foretold_reads_one():
    arms = drawn(60_000, UNPROVEN_GUARD.slope, UNPROVEN_GUARD.level, seed=8, spread=0.8)
    found = figures_of(arms)
    assert abs(found["policy"] - 1) < 3 * (found["policy_high_tonight"] - found["policy"]) / Z95
    assert found["policy_low_always"] > 0


def test_the_sequence_is_wider_than_the_night_and_narrows_with_it():
    assert sequence_width(0.1, SLOPE_SD) > Z95 * 0.1
    assert sequence_width(0.05, SLOPE_SD) < sequence_width(0.1, SLOPE_SD) < sequence_width(0.1, POLICY_SD * 100)
    information, prior = 100.0, 4.0  # by hand: sqrt(104 x log(104 / (4 x 0.0025))) / 100
    assert_allclose(sequence_width(0.1, 0.5), math.sqrt(104 * math.log(104 / (prior * 0.0025))) / information)


def test_power_says_how_many_draws_are_missing():
    few, many = figures_of(drawn(400, 0.6)), figures_of(drawn(1000, 0.6))
    assert 0.6 < (few["power_draws"] + 400) / (many["power_draws"] + 1000) < 1.6
    assert few["power_days"] > many["power_days"]
    assert figures_of(drawn(30_000, 0.6))["power_draws"] == 0


def test_a_rung_is_kept_as_plain_values():
    rung = next_rung(drawn(3000, 1.0), Rung(NO_LOG, 10, "", PLAIN_GUARD), END, has_head=True)
    assert Rung.from_card(rung.card()) == rung
    assert isinstance(rung.guard, Guard)
    assert BELIEVED.level > 0


# Looks every month


@pytest.mark.slow
@pytest.mark.parametrize(("slope", "least", "most"), [(0.0, 0, 1), (2.0, 9, 10)])
def test_a_world_without_effect_is_not_proven_by_looking_often(slope, least, most):
    """Ten worlds each, two years of looks: the canary is a world whose effect is there, which the same looks find."""
    proven = 0
    for seed in range(10):
        arms, rung = drawn(2000, slope, 0.0, seed=100 + seed), None
        for night in range(60, 760, 30):
            rung = next_rung(arms, rung, night, has_head=True)
            if rung.state == PROVEN:
                proven += 1
                break
    assert least <= proven <= most


# What may be said


def test_nobody_is_said_to_gain_more_than_little_before_draws_tell_accounts_apart():
    scores = added_scores(np.full(3, 0.5), np.ones(3), np.array([-1.0, 0.5, 3.0]), UNPROVEN_GUARD)
    learnt = list(bands(scores))
    assert learnt[-1] == "much"
    for state, low, told in [
        (UNPROVEN, None, False),
        (UNPROVEN, -0.01, False),
        (UNPROVEN, 0.01, True),
        (PROVEN, None, True),
        (DISPROVEN, 0.01, False),
        (NO_LOG, None, False),
    ]:
        rung = Rung(state, 1, "", UNPROVEN_GUARD, {} if low is None else {"slope_low_said": low})
        assert tells_apart(rung) is told
        assert list(said_bands(scores, rung)) == (learnt if told else ["little"] * 3)


def test_a_band_may_be_said_before_money_but_after_what_one_night_would_say():
    found = figures_of(drawn(3200, 0.6))
    assert found["slope_low_always"] < found["slope_low_said"] < found["slope_low_tonight"]
