"""The world in which working does the same to everybody: it raises the odds of a recovery
within the horizon by one factor.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from pipeline.simulate.response import (
    BUDGET,
    DISPUTED,
    HUSHES,
    PROMISE_LASTS,
    PROMISED,
    QUIET,
    STOPS,
    attempts,
    fill_values,
    recovery,
    respond,
)

LOG_ODDS = 0.3  # of a recovery within the horizon, that being worked adds: about the mean of the natural world
MOST_RATE = 3.0  # -log of the least chance of a month without a payment, so that there is room for the effect
STRONGEST = 8.0  # log of the largest factor on daily odds that is looked for; far less is ever needed
HALVINGS = 44  # of that range: to the last figure that is told


@njit(error_model="numpy")
def respond_alike(horizon, month, night, debtor, touch, lift, chances):
    """`respond` where the first attempt of a month multiplies its daily odds by `lift` from then on,
    whatever comes of the attempt.

    A call that is certain is made to everybody, so that the effect is the same for all; of their own choice the
    collectors leave those alone who have an open promise, until it lapses, and those a lawyer writes for.
    """
    for origin in range(3):
        for t in range(chances.shape[1]):
            chances[origin, t] = 0.0
    if night.rate <= 0.0:
        return
    untried, tried, waiting, hushed, release = 1.0, 0.0, 0.0, 0.0, -1
    if touch.forced_on < 0 and debtor.state == PROMISED:
        untried, waiting, release = 0.0, 1.0, debtor.due_on + PROMISE_LASTS - month.first
    elif touch.forced_on < 0 and (debtor.state == QUIET or debtor.state == DISPUTED):
        untried, hushed = 0.0, 1.0
    for t in range(min(horizon, month.length)):
        untried *= 1 - STOPS
        tried *= 1 - STOPS
        waiting *= 1 - STOPS
        hushed *= 1 - STOPS
        if t == release:
            untried, waiting = waiting, 0.0
        hushed += HUSHES * untried
        untried *= 1 - HUSHES
        calls, digital = attempts(touch, month, t)
        first = untried * (calls + (1 - calls) * digital)
        untried -= first
        tried += first

        base = night.rate * night.profile[t]
        calm, lifted = 1 - np.exp(-base), 1 - np.exp(-base * lift)
        chances[BUDGET, t] = (untried + waiting + hushed) * calm + tried * lifted
        untried *= 1 - calm
        waiting *= 1 - calm
        hushed *= 1 - calm
        tried *= 1 - lifted


@njit(error_model="numpy")
def fit_lift(world, night, account, debtor, month, forced, left, chances, values):
    """Set night.lift so that the account, worked from the first working day on,
    recovers at LOG_ODDS above being left alone.

    forced, left: what contact does in either case. Reversals and the days before the first attempt are in the odds,
    hence the search.
    """
    night.rate = min(night.rate, MOST_RATE)
    fill_values(world.horizon, world.maturity, night, account, debtor.method, values)
    respond(world.horizon, month, night, debtor, False, left, chances)
    p, _ = recovery(world.horizon, chances, values)
    if p <= 0.0:
        night.lift = 1.0
        return
    wanted = 1 / (1 + (1 - p) / p * np.exp(-LOG_ODDS))
    low, high = 0.0, STRONGEST
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        respond_alike(world.horizon, month, night, debtor, forced, np.exp(middle), chances)
        reached, _ = recovery(world.horizon, chances, values)
        if reached < wanted:
            low = middle
        else:
            high = middle
    night.lift = np.exp((low + high) / 2)
