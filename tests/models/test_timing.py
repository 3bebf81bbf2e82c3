"""When the money comes: known hazards are found again, and what is said of weeks adds up."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from features.days import day_number
from models.calibration import expit
from models.timing import LEAST_PAYERS, WEEKS, TimingHead, Weekly, fit_timing, part_of_month

MONTHS = (0.0, 0.5, 2.0, 5.0)  # past due
NIGHT = day_number(dt.date(2026, 1, 1))


def world(
    rows: int = 6_000, seed: int = 1, books: tuple[float, ...] = (0.0,), part_paid: float = 1.0, payday: float = 0.0,
    nights: tuple[int, ...] = (NIGHT,),
):  # fmt: skip
    """Accounts that pay week by week with hazards that are known; `part_paid` of the amount comes with the first
    payment, the rest two weeks later."""
    draw = np.random.default_rng(seed)
    chance = draw.uniform(0.02, 0.9, rows)
    late = draw.choice([30 * months for months in MONTHS], rows)
    book = draw.integers(0, len(books), rows)
    weeks, as_of = np.arange(1, WEEKS + 1), draw.choice(nights, rows)
    calendar = {night: payday * part_of_month(night)[:, 0] for night in nights}
    hazard = expit(
        -2.2 - 0.25 * np.log2(weeks) + np.log(chance / (1 - chance))[:, None] * (0.9 - 0.1 * np.log2(weeks))
        - 0.2 * np.log2(1 + late / 30)[:, None] + np.array(books)[book][:, None]
        + np.array([calendar[night] for night in as_of])
    )  # fmt: skip
    pays = draw.uniform(size=hazard.shape) < hazard
    first = np.where(pays.any(axis=1), pays.argmax(axis=1) + 1, 0)
    amount = draw.integers(5_000, 90_000, rows)
    came = np.zeros((rows, WEEKS), np.int64)
    paid = np.flatnonzero(first)
    came[paid, first[paid] - 1] = (amount[paid] * part_paid).astype(np.int64)
    again = paid[first[paid] + 2 <= WEEKS]
    came[again, first[again] + 1] += amount[again] - (amount[again] * part_paid).astype(np.int64)
    cohort = pd.DataFrame(
        {
            "as_of": as_of,
            "debtor_id": [f"D{at}" for at in range(rows)],
            "portfolio": [f"book{at}" for at in book],
            "days_past_due": late,
        }
    )
    return Weekly(came.cumsum(axis=1), np.full(rows, WEEKS)), cohort, chance, amount, hazard


def fitted(weekly: Weekly, cohort: pd.DataFrame, chance: np.ndarray, amount: np.ndarray) -> TimingHead:
    ones = np.ones(len(cohort))
    head = fit_timing(weekly, cohort, chance, amount, ones, ones)
    assert head is not None
    return head


def some(days_past_due: list[float], portfolio: str = "book0", as_of: int = NIGHT) -> pd.DataFrame:
    return pd.DataFrame({"as_of": as_of, "days_past_due": days_past_due, "portfolio": portfolio})


def asked(head: TimingHead, cohort: pd.DataFrame, chance: np.ndarray) -> np.ndarray:
    return head.first_week(chance, cohort)


def test_hazards_that_are_known_are_found_again():
    weekly, cohort, chance, amount, hazard = world(rows=20_000)
    found = asked(fitted(weekly, cohort, chance, amount), cohort, chance)
    left = np.cumprod(1 - hazard, axis=1)
    true = hazard * np.concatenate([np.ones((len(hazard), 1)), left[:, :-1]], axis=1)
    assert np.abs(found.mean(axis=0) - true.mean(axis=0)).max() < 0.004
    for month in MONTHS:  # and for each part of the accounts by itself
        own = cohort["days_past_due"].to_numpy() == 30 * month
        assert np.abs(found[own].cumsum(axis=1).mean(axis=0) - true[own].cumsum(axis=1).mean(axis=0)).max() < 0.02


def test_weeks_that_are_not_known_yet_bend_nothing():
    """Half of the accounts are young: who has not paid so far is no one that never pays."""
    weekly, cohort, chance, amount, hazard = world(rows=20_000)
    young = np.arange(len(cohort)) % 2 == 0
    cut = Weekly(weekly.cumulative, np.where(young, 4, WEEKS))
    head = fitted(cut, cohort, chance, amount)
    within = 1 - np.prod(1 - hazard, axis=1)
    assert asked(head, cohort, chance).sum(axis=1).mean() == pytest.approx(within.mean(), abs=0.01)
    assert head.facts["weeks"] == 4 * young.sum() + WEEKS * (~young).sum()
    blind = fitted(
        Weekly(np.where((np.arange(WEEKS) < cut.seen[:, None]), weekly.cumulative, 0), weekly.seen),
        cohort,
        chance,
        amount,
    )
    assert asked(blind, cohort, chance).sum(axis=1).mean() < within.mean() - 0.05  # the canary: taken as never paid


def test_books_differ_and_a_small_one_leans_on_the_others():
    weekly, cohort, chance, amount, _ = world(rows=12_000, books=(0.6, -0.6))
    head = fitted(weekly, cohort, chance, amount)
    assert head.books["book0"] - head.books["book1"] == pytest.approx(1.2, abs=0.15)
    few = np.r_[np.flatnonzero(cohort["portfolio"] == "book0"), np.flatnonzero(cohort["portfolio"] == "book1")[:3]]
    small = fitted(weekly.of(few), cohort.iloc[few].reset_index(drop=True), chance[few], amount[few])
    assert 0 < small.books["book0"] - small.books["book1"] < 1.1
    new = head.first_week(chance[:1], some([0.0], "unheard of"))
    assert 0 < new.sum() < 1


def test_paydays_are_told_from_weeks_though_all_nights_are_first_days_of_months():
    firsts = tuple(day_number(dt.date(2025, month, 1)) for month in range(1, 13))
    weekly, cohort, chance, amount, _ = world(rows=20_000, payday=1.0, nights=firsts)
    head = fitted(weekly, cohort, chance, amount)
    assert head.month == pytest.approx([1.0, 0.0], abs=0.12)
    middle = (day_number(dt.date(2026, 3, 15)),)
    later, there, odds, _, hazard = world(rows=20_000, seed=2, payday=1.0, nights=middle)
    came = later.first
    for week in (1, 2, 3, 5):
        assert asked(head, there, odds)[:, :week].sum(axis=1).mean() == pytest.approx(
            ((came > 0) & (came <= week)).mean(), abs=0.012
        )


def test_money_follows_the_first_payment():
    weekly, cohort, chance, amount, hazard = world(rows=20_000, part_paid=0.6)
    head = fitted(weekly, cohort, chance, amount)
    assert head.follow[:4] == pytest.approx([0.6, 0.0, 0.4, 0.0], abs=0.01)
    cash = head.cash(chance, cohort, amount)
    came = np.diff(weekly.cumulative, axis=1, prepend=0)
    assert cash.sum() == pytest.approx(came.sum(), rel=0.02)
    assert cash[:, 2:8].sum(axis=0) == pytest.approx(came[:, 2:8].sum(axis=0), rel=0.1)


def test_days_to_pay_are_those_of_the_account():
    weekly, cohort, chance, amount, _ = world(rows=8_000)
    head = fitted(weekly, cohort, chance, amount)
    days = head.days_to_pay(np.array([0.05, 0.9]), some([30.0, 30.0]), 90)
    assert 0 < days[1] < days[0] - 5 < 90
    assert head.days_to_pay(np.array([0.5]), some([0.0]), 7) == pytest.approx([3.5])


def test_what_is_known_on_a_day_ends_there():
    weekly = Weekly(np.tile(np.arange(1, WEEKS + 1), (3, 1)), np.array([WEEKS, 3, 0]))
    cut = weekly.until(np.array([100, 100, 100]), day=100 + 7 * 5 + 10, maturity_days=10)
    assert cut.seen.tolist() == [5, 3, 0]
    assert weekly.first.tolist() == [1, 1, 0]
    assert weekly.until(np.array([100]), 90, 10).seen.tolist()[0] == 0


def test_too_few_payers_teach_nothing():
    weekly, cohort, chance, amount, _ = world(rows=LEAST_PAYERS - 1)
    ones = np.ones(len(cohort))
    assert fit_timing(weekly, cohort, chance, amount, ones, ones) is None


def test_the_card_is_the_head():
    weekly, cohort, chance, amount, _ = world(rows=2_000)
    head = fitted(weekly, cohort, chance, amount)
    again = TimingHead.from_card(head.card())
    assert np.array_equal(asked(head, cohort, chance), asked(again, cohort, chance))
