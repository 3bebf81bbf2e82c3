"""A forecast of cash errs less than the mean of the last weeks, and its interval holds as often as it says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.forecast import BACK, COVERAGE, BookCash, CashForecast, fit_forecast
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


def test_it_errs_less_than_the_mean_of_the_last_weeks():
    fitted, cash, scorable = split(*world())
    expected, came = fitted.expected(scorable, cash.usual), cash.came[:, :, BACK:]
    for place in range(len(BOOKS)):
        ours = np.sqrt(np.mean((expected - came)[place] ** 2))
        plain = np.sqrt(np.mean((cash.usual[:, :, None] - came)[place] ** 2))
        assert ours < plain * (0.65, 0.75, 1.0)[place]


def test_accounts_that_tell_nothing_get_little_weight():
    fitted = split(*world(told=0.0))[0]
    a, b = fitted.weights.T
    assert np.abs(0.5 * a + b - 1).max() < 0.1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_four_of_five_weeks_come_in_between(seed):
    fitted, cash, scorable = split(*world(seed=seed))
    inside, expected = [], fitted.expected(scorable, cash.usual)
    for place, book in enumerate(BOOKS):
        for night, usual in enumerate(cash.usual[place]):
            low, high = fitted.interval(expected[place, night], usual, book)
            came = cash.came[place, night, BACK:]
            inside.append((low <= came) & (came <= high))
    assert np.mean(inside) == pytest.approx(COVERAGE, abs=0.07)
    wide = [np.subtract(*fitted.interval(np.ones(WEEKS), 1.0, book)[::-1])[0] for book in BOOKS]
    assert wide[0] < wide[2]
    assert np.subtract(*fitted.interval(np.ones(WEEKS), 1.0, ("new", "EUR"))[::-1])[0] >= max(wide) - 1e-9


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
    assert np.array_equal(fitted.expected(scorable, cash.usual), again.expected(scorable, cash.usual))
    assert again.errs == fitted.errs
