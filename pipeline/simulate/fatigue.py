"""Effects that fade over repeated contact: the second and the fifth message or conversation
within a month do less than the first.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from features.tables import NO_DAY
from pipeline.simulate.response import (
    BUDGET,
    CONVERSATION_FADES,
    DELIVERED,
    DISPUTED,
    HELD,
    HUSHES,
    KEPT,
    PRESSED,
    PROMISE_LASTS,
    PROMISED,
    QUIET,
    REMINDED,
    REMINDER_FADES,
    STOPS,
    VOICEMAIL,
    attempts,
    keep,
    promised_day,
)

# What the first, the second to fourth, and every further message is worth, as a share of the first one's effect on the
# log of the daily odds; conversations are counted apart from messages by the same shares,
# which also scale the chance that one ends in a promise.
WORTH = np.array([1.0, 0.13, 0.035])
SECOND, FIFTH = 1, 4  # contacts before from which the second and the third share holds
COUNTED_DAYS = (
    31  # contacts of so many days are counted; no fewer than a month has, so that within one none is forgotten
)
LEVELS = len(WORTH)
EFFECTS = 1 + 2 * LEVELS  # in force: none, that of a reminder by level, that of a conversation by level


@njit(error_model="numpy")
def level_of(before):
    """Place in WORTH of a contact that so many of its kind came before."""
    return 0 if before < SECOND else 1 if before < FIFTH else 2


@njit(error_model="numpy")
def counted(on, day):
    """How many of the last contacts, days of `on`, count on a day: at most FIFTH, for more makes no difference."""
    number = 0
    for k in range(len(on)):
        number += on[k] != NO_DAY and day - on[k] < COUNTED_DAYS
    return number


@njit(error_model="numpy")
def remember(on, day):
    """The days of the last contacts, with this one."""
    for k in range(len(on) - 1, 0, -1):
        on[k] = on[k - 1]
    on[0] = day


@njit(error_model="numpy")
def strength(touch, state, level):
    """How far an effect in force moves the log of the daily odds, up or down."""
    if state == REMINDED:
        return abs(np.log(touch.reminded)) * WORTH[level]
    return abs(np.log(touch.pressed)) * WORTH[level] if state == PRESSED else 0.0


@njit(error_model="numpy")
def take_effect(debtor, touch, state, level):
    """A contact works unless a stronger effect is in force."""
    if strength(touch, state, level) > strength(touch, debtor.state, debtor.tired):
        debtor.state, debtor.tired = state, level


@njit(error_model="numpy")
def effect_of(state, level):
    """Place of an effect among EFFECTS."""
    return 1 + level if state == REMINDED else 1 + LEVELS + level if state == PRESSED else 0


@njit(error_model="numpy")
def respond_tired(horizon, month, night, debtor, promise_open, touch, chances):
    """`respond` for a world in which debtors tire: who is moved is also told apart by the
    messages and conversations of the month.

    mass[talks, messages, effect]: chance that the debtor has had so many of each this month and that the effect is in
    force.
    """
    for origin in range(3):
        for t in range(chances.shape[1]):
            chances[origin, t] = 0.0
    if night.rate <= 0.0 or debtor.state == DISPUTED:
        return
    first_day, most = month.first, FIFTH + 1
    factor, force = factors(touch)
    mass, then = np.zeros((most, most, EFFECTS)), np.zeros((most, most, EFFECTS))
    back = np.zeros((chances.shape[1], most, most))
    aside, release = 0.0, -1  # with nothing in force and out of reach: asked to be left alone, or has promised already
    if debtor.state == PROMISED:
        release = debtor.due_on + PROMISE_LASTS - first_day
        if promise_open:
            back[max(release, 0), 0, 0] += keep(
                first_day - 1, debtor.due_on, 1.0, touch.keeps, first_day, chances[HELD]
            )
            release = -1
        else:
            aside = 1.0
    elif debtor.state == QUIET:
        aside = 1.0
    else:
        mass[0, 0, effect_of(debtor.state, debtor.tired)] = 1.0
    for t in range(min(horizon, month.length)):
        aside *= 1 - STOPS
        mass *= 1 - STOPS
        mass[:, :, 0] += back[t]
        if t == release:
            mass[0, 0, 0] += aside
            aside = 0.0
        aside += wear_off(mass)
        aside += meet(mass, then, back, chances[KEPT], month, debtor, touch, force, t)

        base = night.rate * night.profile[t]
        calm = 1 - np.exp(-base)
        chances[BUDGET, t] = aside * calm
        aside *= 1 - calm
        for effect in range(EFFECTS):
            pays = 1 - np.exp(-base * factor[effect])
            chances[BUDGET, t] += then[:, :, effect].sum() * pays
            mass[:, :, effect] = then[:, :, effect] * (1 - pays)


@njit(error_model="numpy")
def factors(touch):
    """What each effect multiplies the daily odds by, and its strength."""
    factor, force = np.ones(EFFECTS), np.zeros(EFFECTS)
    for level in range(LEVELS):
        for state, full in ((REMINDED, touch.reminded), (PRESSED, touch.pressed)):
            factor[effect_of(state, level)] = full ** WORTH[level]
            force[effect_of(state, level)] = strength(touch, state, level)
    return factor, force


@njit(error_model="numpy")
def wear_off(mass):
    """Before the day's contact a lawyer may write, and effects fade. Returns the chance of the former."""
    hushed = HUSHES * mass.sum()
    mass *= 1 - HUSHES
    for effect in range(1, EFFECTS):
        faded = mass[:, :, effect] * (REMINDER_FADES if effect <= LEVELS else CONVERSATION_FADES)
        mass[:, :, effect] -= faded
        mass[:, :, 0] += faded
    return hushed


@njit(error_model="numpy")
def meet(mass, then, back, kept, month, debtor, touch, force, t):
    """Fill then with where the contact of day t leaves everybody, kept and back with its promises.
    Returns who asks to be left alone.
    """
    day, asked = month.first + t, 0.0
    talks_before, messages_before = counted(debtor.talks_on, day), counted(debtor.messages_on, day)
    calls, digital = attempts(touch, month, t)
    reached = calls * touch.reached
    left_word = calls * (1 - touch.reached) * VOICEMAIL
    told = left_word + (1 - reached - left_word) * digital * DELIVERED
    then[:] = 0.0
    for talks, messages in np.ndindex(mass.shape[:2]):
        own = mass[talks, messages]
        if own.sum() == 0.0:
            continue
        spoken = own.sum() * reached
        level, more, written = (
            level_of(min(talks_before + talks, FIFTH)),
            min(talks + 1, FIFTH),
            min(messages + 1, FIFTH),
        )
        talk, message = effect_of(PRESSED, level), effect_of(REMINDED, level_of(min(messages_before + messages, FIFTH)))
        promises = touch.promises * WORTH[level]
        for effect in range(EFFECTS):
            heard, read = own[effect] * reached, own[effect] * told
            after = talk if force[talk] > force[effect] else effect
            then[more, messages, after] += heard * (1 - promises - touch.disputes - touch.quiets)
            after = message if force[message] > force[effect] else effect
            then[talks, written, after] += read
            then[talks, messages, effect] += own[effect] - heard - read
        asked += spoken * touch.quiets
        for option in range(3 if spoken > 0.0 else 0):
            due, share = promised_day(option, day, month.next_pay[debtor.payday, t])
            back[due + PROMISE_LASTS - month.first, more, messages] += keep(
                day, due, spoken * promises * share, touch.keeps, month.first, kept
            )
    return asked
