"""Whom the collectors choose and how often they try, and the truth of a night under their choice, under contact and without."""

from __future__ import annotations

from collections import namedtuple

import numpy as np
from numba import njit

from features.tables import NO_DAY
from pipeline.simulate.books import EURO, PERSUADABLE, REACTANT
from pipeline.simulate.contacts import answer_rate
from pipeline.simulate.log import chance, normal
from pipeline.simulate.response import (
    CALL_HOURS,
    CALL_SHARE,
    CONVERSATION_EFFECT,
    DISPUTED,
    DISPUTES,
    FORCED_CALLS,
    FORCED_DIGITAL,
    PROMISED,
    PROMISES,
    QUIET,
    REMINDER_EFFECT,
    RUNNING,
    WANTS_QUIET,
    Touch,
    fill_values,
    recovery,
    recovery_of_parts,
    respond,
    sigmoid,
)

SLICE = 0.04  # share of workable debtors whose contact of a month is decided by a coin
COIN = 0.5  # its chance of heads: contact
ARM_NONE, ARM_FORCED, ARM_PLAN = range(3)

# What the collectors mean to do in a month: whether and with what chance they work the debtor, attempts per working day, the coin.
Plan = namedtuple("Plan", "workable chosen calls digital coin heads")


@njit(error_model="numpy")
def policy(rng, debtor, accounts, nights, month, no_coin):
    """Collectors prefer large, new and recently paying debts, and know something of the debtor that no table holds."""
    arrears, newest, paying, broken, any_worked, old = 0.0, 99, False, 0, False, True
    first_day = month.first
    for k in range(debtor.accounts):
        account, night = accounts[debtor.first + k], nights[k]
        if night.worked and night.exits == 0:
            any_worked = True
            arrears += max(night.arrears, night.balance if night.months_placed >= 0 else 0) / EURO[account.book]
            if night.months_placed >= 0:
                newest = min(newest, night.months_placed)
            paying |= account.paid_on != NO_DAY and first_day - account.paid_on < 60
            broken += account.broken
            old &= night.overdue_since != NO_DAY and first_day - night.overdue_since > 360
    storm = month.storm and debtor.florida
    insight = debtor.will + normal(rng)
    workable = any_worked and not storm and debtor.state != QUIET and debtor.state != DISPUTED
    score = 0.8 * (np.log10(arrears + 10) - 2.6) + 0.7 * (newest <= 1) + 0.5 * paying + 0.25 * insight - 0.7 * old - 0.2 * min(broken, 3)
    coin, heads = False, 0
    u, v = chance(rng), chance(rng)
    fresh = debtor.state != PROMISED and debtor.stopped == 0
    if workable and fresh and not no_coin and u < SLICE:
        coin, heads = True, 1 if v < COIN else 0
    calls, digital = min(0.1 * np.exp(0.55 * score), 0.3), min(0.07 * np.exp(0.2 * score), 0.12)
    return Plan(workable, sigmoid(0.9 + 0.9 * score), calls, digital, coin, heads)


@njit(error_model="numpy")
def touch_of(debtor, month, plan, arm):
    """What a month of contact does: none; forced (a call for certain on the first working day, then a fixed rate); or as planned."""
    calls, digital, forced_on = 0.0, 0.0, -1
    if arm == ARM_PLAN:
        calls, digital = plan.calls, plan.digital
    elif arm == ARM_FORCED:
        calls, digital, forced_on = FORCED_CALLS, FORCED_DIGITAL, 0
        while month.work[forced_on] < 1.0:
            forced_on += 1
    reached = 0.0
    for hour in range(len(CALL_HOURS)):
        reached += CALL_SHARE[hour] * answer_rate(debtor, hour)
    kind = debtor.type
    keeps = sigmoid((0.6 if kind == PERSUADABLE else -2.0) + 0.9 * debtor.will + 0.8 * debtor.spare)
    moves = kind in (PERSUADABLE, REACTANT)
    return Touch(
        calls,
        digital,
        forced_on,
        reached,
        PROMISES[kind],
        DISPUTES[kind],
        WANTS_QUIET[kind],
        keeps,
        REMINDER_EFFECT[kind],
        CONVERSATION_EFFECT[kind],
        moves,
    )


@njit(error_model="numpy")
def tell_truth(world, log, debtor, accounts, nights, plan, m, chances, values):
    """One row per account that a list of this night may ask about: as things are, with contact forced, and without any contact."""
    month = world.months[m]
    for k in range(debtor.accounts):
        i = debtor.first + k
        account, night = accounts[i], nights[k]
        if m < account.from_month or account.gone or night.known <= 0 or (account.back_on != NO_DAY and night.exits != 2):
            continue
        if night.arrears <= 0 and night.months_placed < 0 and account.unknown <= 0:
            continue
        log.counts[1] += 1
        row = log.truth[min(log.counts[1], len(log.truth)) - 1]
        row.account, row.night, row.coin, row.heads = i, m, np.nan, -1
        if plan.coin and night.worked:
            row.coin, row.heads = COIN, plan.heads
        if night.stage == RUNNING:
            p, amount = recovery_of_parts(world.horizon, account, night.known, month.first)
            for column in range(3):
                row.p[column], row.amount[column] = p, amount
            continue
        fill_values(world.horizon, world.maturity, night, account, debtor.method, values)
        for arm in range(3):
            touch = touch_of(debtor, month, plan, arm)
            if arm == ARM_NONE or (touch.moves and night.worked):
                respond(world.horizon, month, night, debtor, account.promise_open == 1, touch, chances)
                p, amount = recovery(world.horizon, chances, values)
            # pyrefly: ignore[unbound-name]
            row.p[2 - arm if arm != ARM_FORCED else 1] = p
            # pyrefly: ignore[unbound-name]
            row.amount[2 - arm if arm != ARM_FORCED else 1] = amount
        share, other = (COIN, 1) if plan.coin and night.worked else (plan.chosen if plan.workable else 0.0, 0)
        row.p[0] = share * row.p[other] + (1 - share) * row.p[2]
        row.amount[0] = share * row.amount[other] + (1 - share) * row.amount[2]
