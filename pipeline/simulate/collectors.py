"""Whom the collectors choose and how often they try, and the truth of a night under their choice,
under contact and without.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np
from numba import njit

from features.tables import NO_DAY
from pipeline.simulate.books import EURO, NATURAL, PERSUADABLE, REACTANT, SURE, UNIFORM
from pipeline.simulate.contacts import answer_rate
from pipeline.simulate.fatigue import counted, respond_tired
from pipeline.simulate.log import COIN, chance, normal
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
from pipeline.simulate.uniform import respond_alike

NO_ORDER, LEFT, WORKED = -1, 0, 1
SENSED = 0.25  # weight of what the collectors sense in their choice
ARM_NONE, ARM_FORCED, ARM_PLAN = range(3)

# What the collectors mean to do in a month: whether and with what chance they work the debtor, attempts per working
# day; whether a coin may decide it; whether one does, or an order, its chance of contact and how it fell;
# what they sense.
Plan = namedtuple("Plan", "workable chosen calls digital drawable coin odds heads sensed")


@njit(error_model="numpy")
def policy(rng, world, debtor, accounts, nights, month, order, no_coin):
    """order: LEFT or WORKED where somebody else decides the month, else NO_ORDER.

    Collectors prefer large, new and recently paying debts, and know something of the debtor that no table holds.
    """
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
    sensed = debtor.will + normal(rng)
    workable = any_worked and not storm and debtor.state != QUIET and debtor.state != DISPUTED
    insight = SENSED * world.hidden * sensed
    score = (
        0.8 * (np.log10(arrears + 10) - 2.6)
        + 0.7 * (newest <= 1)
        + 0.5 * paying
        + insight
        - 0.7 * old
        - 0.2 * min(broken, 3)
    )
    coin, odds, heads = False, COIN, 0
    u, v = chance(rng), chance(rng)
    drawable = workable and not no_coin and debtor.state != PROMISED and debtor.stopped == 0
    if drawable and order != NO_ORDER:
        coin, odds, heads, drawable = True, float(order), order, False
    elif drawable and u < world.slice:
        coin, heads = True, 1 if v < COIN else 0
    calls, digital = min(0.1 * np.exp(0.55 * score), 0.3), min(0.07 * np.exp(0.2 * score), 0.12)
    return Plan(workable, sigmoid(0.9 + 0.9 * score), calls, digital, drawable, coin, odds, heads, sensed)


@njit(error_model="numpy")
def touch_of(world, debtor, month, plan, arm):
    """What a month of contact does: none; forced (a call for certain on the first working day, then a fixed rate);
    or as planned.
    """
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
    moves = world.effect == NATURAL and kind in (PERSUADABLE, REACTANT)
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
        world.effect == UNIFORM,
        world.fatigue,
        world.effect == NATURAL,
        world.meant and kind == SURE,
    )


@njit(error_model="numpy")
def tell_truth(world, log, debtor, accounts, nights, plan, m, chances, values):
    """One row per account that a list of this night may ask about: as things are, with contact forced,
    and without any contact.
    """
    month = world.months[m]
    for k in range(debtor.accounts):
        i = debtor.first + k
        account, night = accounts[i], nights[k]
        if (
            m < account.from_month
            or account.gone
            or night.known <= 0
            or (account.back_on != NO_DAY and night.exits != 2)
        ):
            continue
        if night.arrears <= 0 and night.months_placed < 0 and (account.unknown <= 0 or world.forgets):
            continue  # where debtors forget, no chance of a month that is on time is exact
        log.counts[1] += 1
        row = log.truth[min(log.counts[1], len(log.truth)) - 1]
        row.account, row.night, row.coin, row.heads = i, m, np.nan, -1
        row.chosen, row.sensed, row.drawable = (
            plan.chosen if plan.workable else 0.0,
            plan.sensed,
            plan.drawable and night.worked,
        )
        row.messages, row.talks = counted(debtor.messages_on, month.first), counted(debtor.talks_on, month.first)
        if plan.coin and night.worked:
            row.coin, row.heads = plan.odds, plan.heads
        if night.stage == RUNNING:
            p, amount = recovery_of_parts(world.horizon, account, night.known, month.first)
            for column in range(3):
                row.p[column], row.amount[column] = p, amount
            continue
        fill_values(world.horizon, world.maturity, night, account, debtor.method, values)
        for arm in range(3):
            touch = touch_of(world, debtor, month, plan, arm)
            if arm == ARM_NONE or (touch.moves and night.worked):
                if touch.tires and touch.moves and night.worked:
                    respond_tired(world.horizon, month, night, debtor, account.promise_open == 1, touch, chances)
                else:
                    respond(world.horizon, month, night, debtor, account.promise_open == 1, touch, chances)
                p, amount = recovery(world.horizon, chances, values)
            elif touch.lifts and night.worked:
                respond_alike(world.horizon, month, night, debtor, touch, night.lift, chances)
                p, amount = recovery(world.horizon, chances, values)
            # pyrefly: ignore[unbound-name]
            row.p[2 - arm if arm != ARM_FORCED else 1] = p
            # pyrefly: ignore[unbound-name]
            row.amount[2 - arm if arm != ARM_FORCED else 1] = amount
        share, other = (plan.odds, 1) if plan.coin and night.worked else (plan.chosen if plan.workable else 0.0, 0)
        row.p[0] = share * row.p[other] + (1 - share) * row.p[2]
        row.amount[0] = share * row.amount[other] + (1 - share) * row.amount[2]
