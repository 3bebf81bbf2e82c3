"""A forecast of cash errs less than the mean of the last weeks, and its interval holds as often as it says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.days import date_of
from models.forecast import BACK, COVERAGE, BookCash, CashForecast, Season, fit_forecast
from models.timing import WEEKS

BOOKS = (("card", "GBP"), ("loan", "EUR"), ("small", "EUR"))
NOISE = (0.1, 0.2, 0.5)


def world(nights: int = 40, seed: int = 1, told: float = 1.0) -> tuple[BookCash, np.ndarray]:
    """Weeks that go up and down by the month, which the accounts tell and the last weeks do not; a shock a week that
    all accounts of a book share. told: how much of the ups and downs the accounts tell."""
    draw = np.random.default_rng(seed)
    weeks = 7 * np.arange(nights)[:, None] + 7 * np.arange(-BACK, WEEKS)
    level = np.array([900_000.0, 200_000.0, 30_000.0])
    moved = 1 + 0.4 * np.sin(2 * np.pi * weeks / 30.4)
    shocks = {int(day): draw.normal(size=len(BOOKS)) for day in np.unique(weeks)}
    shock = np.array([[shocks[int(day)] for day in row] for row in weeks])
    came = level[:, None, None] * (moved[None] + np.array(NOISE)[:, None, None] * shock.transpose(2, 0, 1))
    scorable = level[:, None, None] * 0.5 * (1 + told * (moved[:, BACK:] - 1) / 0.5)[None]
    seen = np.full((len(BOOKS), nights), WEEKS)
    return BookCash(BOOKS, tuple(range(0, 7 * nights, 7)), np.maximum(came, 0).astype(np.int64), seen), scorable


def split(cash: BookCash, scorable: np.ndarray) -> tuple[CashForecast, BookCash, np.ndarray]:
    """Taught on the first half, judged on the other."""
    early, late = cash.nights[:20], cash.nights[20:]
    fitted = fit_forecast(cash.only(early), scorable[:, :20])
    assert fitted is not None
    return fitted, cash.only(late), scorable[:, 20:]


def weeks_of(fitted: CashForecast, cash: BookCash, scorable: np.ndarray) -> np.ndarray:
    """[3, books, nights, WEEKS]: expected, low, high."""
    found = [
        [
            fitted.weeks(scorable[place, at], cash.came[place, at, :BACK], night, book)
            for at, night in enumerate(cash.nights)
        ]
        for place, book in enumerate(cash.books)
    ]
    return np.array(found).transpose(2, 0, 1, 3)


def test_it_errs_less_than_the_mean_of_the_last_weeks():
    fitted, cash, scorable = split(*world())
    expected, came = weeks_of(fitted, cash, scorable)[0], cash.came[:, :, BACK:]
    for place in range(len(BOOKS)):
        ours = np.sqrt(np.mean((expected - came)[place] ** 2))
        plain = np.sqrt(np.mean((cash.usual[:, :, None] - came)[place] ** 2))
        assert ours < plain * (0.5, 0.7, 1.05)[place]  # the last one is mostly noise


def test_accounts_that_tell_nothing_add_to_the_level_alone():
    fitted, cash, scorable = split(*world(told=0.0))
    without = weeks_of(fitted, cash, scorable)[0] - weeks_of(fitted, cash, 0 * scorable)[0]
    level = (without + weeks_of(fitted, cash, 0 * scorable)[0]).mean(axis=(1, 2))
    assert (level / cash.came[:, :, BACK:].mean(axis=(1, 2)))[:2] == pytest.approx(np.ones(2), abs=0.1)
    assert without.std(axis=(1, 2)).max() < 0.02 * level.max()


def test_the_season_of_a_month_is_found_though_no_account_tells_it():
    """Money on the first ten days of months: weeks far ahead are told apart."""
    nights, draw = tuple(range(19_000, 19_560, 28)), np.random.default_rng(4)
    days = np.array(nights)[:, None, None] + 7 * np.arange(-BACK, WEEKS)[:, None] + np.arange(7)
    of_month = np.array([date_of(int(day)).day for day in days.ravel()]).reshape(days.shape)
    came = (1000 * (of_month <= 10)).sum(axis=2) * draw.normal(1, 0.1, days.shape[:2])
    seen = np.full((1, len(nights)), WEEKS)
    cash = BookCash((("card", "GBP"),), nights, came[None].astype(np.int64), seen)
    fitted = fit_forecast(cash.only(nights[:12]), np.zeros((1, 12, WEEKS)))
    assert fitted is not None
    later = cash.only(nights[12:])
    expected, came = weeks_of(fitted, later, np.zeros((1, 8, WEEKS)))[0], later.came[:, :, BACK:]
    ours, plain = (np.sqrt(np.mean((of - came)[:, :, 13:] ** 2)) for of in (expected, later.usual[:, :, None]))
    assert ours < 0.4 * plain
    early = Season.fit(came[0][:5], np.full(5, WEEKS - BACK), nights[:5])
    assert (early.year == 0).all()  # months alone tell no year


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_four_of_five_weeks_come_in_between(seed):
    fitted, cash, scorable = split(*world(seed=seed))
    _, low, high = weeks_of(fitted, cash, scorable)
    came = cash.came[:, :, BACK:]
    assert np.mean((low <= came) & (came <= high)) == pytest.approx(COVERAGE, abs=0.07)
    wide = (high - low).mean(axis=(1, 2)) / came.mean(axis=(1, 2))
    assert wide[0] < wide[2]
    behind = np.full(BACK, 100.0)
    new, known = (fitted.weeks(np.ones(WEEKS), behind, 7, (name, "EUR")) for name in ("new", "loan"))
    assert (new[2] - new[1]).mean() > (known[2] - known[1]).mean()


@pytest.mark.parametrize("brought", [0, 1])
def test_weeks_that_brought_next_to_nothing_make_no_forecast_sure(brought):
    fitted, cash, scorable = split(*world())
    for book, told in zip(cash.books, scorable[:, 0], strict=True):
        expected, low, high = fitted.weeks(told, np.full(BACK, float(brought)), cash.nights[0], book)
        assert (expected > 0).all()
        usual = fitted.weeks(told, np.full(BACK, told.mean()), cash.nights[0], book)
        assert ((high - low) / expected).mean() > 0.9 * ((usual[2] - usual[1]) / usual[0]).mean()


def test_what_is_not_known_yet_teaches_nothing():
    cash, scorable = world()
    day, maturity_days = 7 * 20, 14
    cut = cash.until(day, maturity_days)
    assert cut.seen[0].tolist() == [max(min((day - maturity_days - night) // 7, WEEKS), 0) for night in cash.nights]
    later = cash.came.copy()
    for place, night in enumerate(cash.nights):
        begin = BACK + max((day - maturity_days - night) // 7, 0)
        later[:, place, begin:] *= 50
        later[:, place, : max(BACK if night >= day else 0, 0)] *= 50
    other = BookCash(cash.books, cash.nights, later, cash.seen).until(day, maturity_days)
    first, second = fit_forecast(cut, scorable), fit_forecast(other, scorable)
    assert first is not None
    assert second is not None
    assert first.card() == second.card()


def test_without_a_known_week_there_is_none():
    cash, scorable = world()
    assert fit_forecast(cash.until(0, 14), scorable) is None


def test_money_is_summed_by_book_and_night():
    cash, _ = world(nights=2)
    cohort = pd.DataFrame(
        {"as_of": [0, 7, 7], "portfolio": ["loan", "loan", "card"], "currency": ["EUR", "EUR", "GBP"]}
    )
    found = cash.summed(cohort, np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    assert found[1].tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert found[0].tolist() == [[0.0, 0.0], [5.0, 6.0]]
    assert found[2].sum() == 0


def test_the_card_is_the_forecast():
    fitted, cash, scorable = split(*world())
    again = CashForecast.from_card(fitted.card())
    assert np.array_equal(weeks_of(fitted, cash, scorable), weeks_of(again, cash, scorable))
    assert again.errs == fitted.errs
