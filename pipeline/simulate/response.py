"""How a debtor answers: what a month holds at its first night, and the exact chance that it brings a payment.

A month's payment is one decision. Its daily hazard is rate x profile x effect, where the effect of contact depends on
the debtor's response type and on a small state (untouched, reminded, pressed, quiet, promised, disputed). `respond`
carries the chance of each state from day to day, so the truth needs no sampling; `months.days` draws the very same
steps.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np
from numba import njit

from features.tables import NO_DAY
from pipeline.simulate.books import BOUGHT, CARD, DAYS_IN_MONTH, DIRECT_DEBIT, EURO, NEVER_PAYS, ROUNDING

UNTOUCHED, REMINDED, PRESSED, QUIET, PROMISED, DISPUTED = range(6)
IDLE, CURRENT, OVERDUE, ON_PLAN, RUNNING = range(
    5
)  # stages of an account: blocked or nothing owed; on time; in arrears or placed; plan; parts to come
TOKEN, INSTALMENT, ARREARS, ARREARS_AND_DUE, BALANCE, SETTLEMENT = range(6)  # what a payment is meant to cover
CLASSES = 6
BUDGET, KEPT, HELD = range(3)  # where a payment comes from

# Effect of contact on the daily hazard, per response type: after a reminder, after a conversation.
REMINDER_EFFECT = np.array([1.0, 1.6, 1.0, 0.8])
CONVERSATION_EFFECT = np.array([1.0, 3.4, 1.0, 0.3])
REMINDER_FADES, CONVERSATION_FADES = 1 / 8, 1 / 15  # per day
# What a conversation ends in, per response type; the rest is talk.
PROMISES = np.array([0.34, 0.40, 0.10, 0.08])
DISPUTES = np.array([0.0, 0.02, 0.0, 0.05])
WANTS_QUIET = np.array([0.012, 0.02, 0.05, 0.06])
STOPS, HUSHES = (
    0.00012,
    0.0003,
)  # per day: death and the like end all paying; a lawyer's letter and the like end all contact
LIVES_ON = (1 - STOPS) ** np.arange(64)  # chance that nothing ends the paying within so many days

KEPT_FROM = -1  # a kept promise is paid from the day before it is due ...
KEPT_SHARE = np.array([0.10, 0.50, 0.22, 0.11, 0.07])  # ... to three days after
KEPT_BEFORE = np.cumsum(KEPT_SHARE) - KEPT_SHARE
PROMISE_LASTS = 4  # days after due_on until the promise no longer holds the collectors
PROMISE_SHORT = 0.12  # share of kept promises paid by half
PLAN_SHARE = 0.2  # share of promises that begin a plan

CONTINUES = 0.88  # a payment in parts goes on to its next part
PARTS = ((1, 0, 0.80), (2, 14, 0.13), (4, 7, 0.07))  # number of parts, days between, share
REVERSAL_RATE = np.array([0.06, 0.015, 0.002, 0.0, 0.04, 0.0, 0.0])  # per method
PARTIAL_REVERSAL = 0.25  # share of reversals that take back half
LATE_SHARE = 0.08  # of payments known 2 to 12 days later; others the same day or the next
MOST_LATE = 12
REVERSAL_KNOWN = np.concatenate(
    [[0.0, 0.0], np.cumsum(np.r_[np.full(13, 0.9 / 13), np.full(24, 0.1 / 24)]), np.ones(60)]
)  # by lag in days

# Hours of the debtor's clock at which calls are made, and how much likelier someone at work /
# at home answers than on average.
CALL_HOURS = np.array([9, 10, 11, 13, 14, 15, 16, 17, 18, 19])
CALL_SHARE = np.array([0.12, 0.13, 0.12, 0.10, 0.10, 0.11, 0.10, 0.09, 0.08, 0.05])
AT_WORK = np.array([0.8, 0.75, 0.8, 0.85, 0.8, 0.85, 0.95, 1.35, 1.7, 1.8])
AT_HOME = np.array([1.0, 1.15, 1.2, 1.1, 1.1, 1.05, 1.0, 0.9, 0.8, 0.75])
VOICEMAIL = 0.25  # of calls nobody answers
DELIVERED = 0.94
FORCED_CALLS, FORCED_DIGITAL = (
    0.12,
    0.06,
)  # attempts per working day once contact is forced; the first working day has a call for certain

BASE_ON_TIME = np.array([3.0, 3.2, 2.7, 0.0, 2.5])
TYPE_ON_TIME = np.array([0.5, -0.7, -2.6, -0.1])
BASE_RATE = np.array([-0.75, -0.75, -0.65, -2.3, -1.05])
TYPE_RATE = np.array([0.4, -0.85, 0.0, 0.0])
NEVER_RATE = 0.008
EARLY = 1.3  # what a fresh slip adds to the log rate; gone after 75 days
EARLY_IN_FULL = 4.0  # how much likelier arrears are paid in full while fresh
# Shares of what a payment covers, per book, and how each grows with means.
MIX = np.array(
    [
        [0.15, 0.25, 0.33, 0.15, 0.12, 0.0],
        [0.12, 0.38, 0.30, 0.15, 0.05, 0.0],
        [0.12, 0.22, 0.40, 0.20, 0.06, 0.0],
        [0.55, 0.22, 0.00, 0.00, 0.10, 0.13],
        [0.06, 0.20, 0.50, 0.20, 0.04, 0.0],
    ]
)
MIX_SLOPE = np.array([-0.5, -0.1, 0.3, 0.4, 0.5, 0.3])
SETTLED_SHARE = 0.6  # of the balance is taken in full settlement of old placements; the rest is waived
OLD_PLACEMENT = 4  # months

UNDRAWN = -1  # of NIGHT.pays: the month's payment is drawn day by day

# One account on a night; money in minor units. pays_on, pays: day and class of the month's payment where they are drawn
# on its first day (pipeline.simulate.payments.mean_to_pay), NO_DAY where it brings none.
NIGHT = np.dtype(
    [
        ("stage", "i1"),
        ("worked", "i1"),
        ("exits", "i1"),
        ("paid", "i1"),
        ("paid_known", "i4"),
        ("bursts", "i1"),
        ("arrears", "i8"),
        ("due", "i8"),
        ("due_on", "i4"),
        ("overdue_since", "i4"),
        ("balance", "i8"),
        ("known", "i8"),
        ("months_placed", "i4"),
        ("rate", "f8"),
        ("profile", "f8", DAYS_IN_MONTH),
        ("amount", "i8", CLASSES),
        ("share", "f8", CLASSES),
        ("promise", "i8"),
        ("instalment", "i8"),
        ("tried", "i1"),
        ("lift", "f8"),
        ("pays_on", "i4"),
        ("pays", "i1"),
        ("why", "i1"),  # where debtors forget: what it is late for, if it is; whether a reminder is remembered
        ("recalls", "i1"),
    ]
)

# What contact can do to a debtor in one month: attempts per working day, the day of a call that is certain (-1: none
# is), with nothing before it, and the odds that follow; whether it moves the debtor by these odds, lifts paying alike
# for everybody, tires, whether what is said has consequences beyond the month (plans, broken promises, disputes), and
# whether the debtor pays anyway and promises no more than it means to pay.
Touch = namedtuple(
    "Touch",
    "calls digital forced_on reached promises disputes quiets keeps reminded pressed moves lifts tires binds meant",
)


@njit(error_model="numpy")
def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


@njit(error_model="numpy")
def rounded(amount, unit):
    """To the nearest multiple of a round sum, at least one of it."""
    return max(unit, (amount + unit // 2) // unit * unit)


@njit(error_model="numpy")
def monthly_rate(night, account, debtor, broken, first_day):
    """-log of the chance that the month passes without a payment, were there no contact. broken:
    promises that weigh on it.
    """
    kind, book, means = debtor.type, account.book, debtor.spare
    if night.stage == CURRENT:
        if night.due <= 0:
            return 0.0
        return -np.log(1.0 - sigmoid(BASE_ON_TIME[book] + 0.9 * debtor.will + 0.8 * means + TYPE_ON_TIME[kind]))
    if night.stage == ON_PLAN:
        return -np.log(1.0 - sigmoid(1.0 + 0.8 * debtor.will + 0.7 * means + 0.5 * TYPE_ON_TIME[kind]))
    if night.stage != OVERDUE:
        return 0.0
    if kind == NEVER_PAYS:
        return NEVER_RATE
    log_rate = BASE_RATE[book] + TYPE_RATE[kind] + 0.5 * debtor.will + 0.45 * means
    if account.paid_on != NO_DAY and first_day - account.paid_on <= 45:
        log_rate += 0.4
    log_rate -= 0.1 * min(broken, 4)
    if night.months_placed >= 0:
        log_rate += 1.4 * np.exp(-night.months_placed / 2.0) - 0.07 * min(night.months_placed, 20)
    else:
        since = first_day - night.overdue_since
        log_rate += EARLY * max(0.0, 1 - since / 75.0) - 0.4 * min(since, 120) / 90.0
    return min(np.exp(log_rate), 4.0)


@njit(error_model="numpy")
def fill_profile(night, debtor, month):
    """Share of the month's paying per day: around the due day while on time, around payday afterwards."""
    for t in range(DAYS_IN_MONTH):
        night.profile[t] = month.profile[debtor.payday, t] if night.stage != CURRENT else 0.0
    if night.stage != CURRENT:
        return
    due = min(max(night.due_on - month.first, month.barred), month.length - 1)
    if debtor.method == DIRECT_DEBIT:
        night.profile[due] = 1.0
        return
    total = 0.0
    for offset in range(-6, 4):
        t = due + offset
        if month.barred <= t < month.length:
            weight = 0.05 + 0.5 * (offset == 0) + 0.12 * (offset == -1)
            night.profile[t] = weight
            total += weight
    for t in range(DAYS_IN_MONTH):
        night.profile[t] /= total


@njit(error_model="numpy")
def fill_amounts(night, account, debtor):
    """What a payment of this month would be, per class, as things stand on the first night."""
    for k in range(CLASSES):
        night.amount[k], night.share[k] = 0, 0.0
    balance, book, means = night.balance, account.book, debtor.spare
    euro, unit = EURO[book], ROUNDING[book]
    if night.stage == CURRENT:
        due = min(night.due, balance)
        night.amount[ARREARS], night.share[ARREARS] = due, 1.0
        if book == CARD:
            night.amount[INSTALMENT] = min(3 * due, balance)
            night.amount[BALANCE] = balance
            night.share[ARREARS], night.share[INSTALMENT], night.share[BALANCE] = 0.4, 0.3, 0.3
        return
    if night.stage == ON_PLAN:
        night.amount[TOKEN], night.share[TOKEN] = min(account.plan_amount, balance), 1.0
        return
    affordable = rounded(np.int64(debtor.income * euro * np.exp(0.45 * means)), unit)
    usual = max(account.instalment, unit)
    if book == CARD:
        usual = max(balance // 12, unit)
    if book == BOUGHT:
        usual = rounded(balance // 8, unit)
    night.amount[TOKEN] = min(rounded(min(balance // 16, affordable // 2), unit), balance)
    night.amount[INSTALMENT] = min(usual, balance)
    night.amount[ARREARS] = min(night.arrears, balance)
    night.amount[ARREARS_AND_DUE] = min(night.arrears + night.due, balance)
    night.amount[BALANCE] = balance
    old = night.months_placed >= OLD_PLACEMENT or book == BOUGHT
    night.amount[SETTLEMENT] = np.int64(balance * SETTLED_SHARE) if old else night.amount[ARREARS]
    fresh = night.months_placed < 0
    total = 0.0
    for k in range(CLASSES):
        limit = affordable if k <= ARREARS_AND_DUE else 3 * affordable
        if night.amount[k] > limit:
            night.amount[k] = min(rounded(affordable, unit), balance)
        elif night.amount[k] <= 0:
            night.amount[k] = min(night.amount[TOKEN], balance)
        night.share[k] = MIX[book, k] * np.exp(MIX_SLOPE[k] * means)
        if fresh and (k == ARREARS or k == ARREARS_AND_DUE):
            night.share[k] *= EARLY_IN_FULL
        total += night.share[k]
    for k in range(CLASSES):
        night.share[k] /= total
    night.promise = night.amount[INSTALMENT] if book == BOUGHT else night.amount[ARREARS]
    night.instalment = min(rounded(max(balance // 12, np.int64(20 * euro)), unit), balance)


@njit(error_model="numpy")
def is_settlement(night, k, balance):
    """A settlement pays less than the balance and is known by that:
    the class alone can have fallen back to a round part.
    """
    return k == SETTLEMENT and night.amount[k] == np.int64(balance * SETTLED_SHARE)


@njit(error_model="numpy")
def may_burst(night, k):
    return night.bursts and k <= ARREARS_AND_DUE and night.amount[k] >= 400


@njit(error_model="numpy")
def attempts(touch, month, t):
    """(chance of a call, chance of a text, e-mail or letter) on day t of the month."""
    if touch.forced_on >= 0 and t <= touch.forced_on:
        return (1.0, 0.0) if t == touch.forced_on else (0.0, 0.0)
    return touch.calls * month.work[t], touch.digital * (month.work[t] == 1.0)


@njit(error_model="numpy")
def respond(horizon, month, night, debtor, promise_open, touch, chances):
    """Fill chances, float64[3, horizon + 45]: that the payment is decided on day t out of the BUDGET, as promised in
    this month (KEPT), or as promised before it (HELD).

    Days 0 .. min(horizon, length) - 1 belong to the month; a promise made in it may be kept after its end. An account
    that is not worked is not moved by contact. Order of a day: paying may stop, a promise lapses, a lawyer may write,
    effects fade, contact, payment.
    """
    for origin in range(3):
        for t in range(chances.shape[1]):
            chances[origin, t] = 0.0
    plain, kept, held = chances[BUDGET], chances[KEPT], chances[HELD]
    if night.rate <= 0.0:
        return
    days, first_day, state = min(horizon, month.length), month.first, debtor.state
    lives = 1.0 - STOPS
    if not (touch.moves and night.worked):
        alive = 1.0
        for t in range(days):
            alive *= lives
            hazard = 1.0 - np.exp(-night.rate * night.profile[t])
            plain[t] = alive * hazard
            alive -= plain[t]
        return
    if state == DISPUTED:
        return
    untouched, reminded, pressed, quiet, waiting = 0.0, 0.0, 0.0, 0.0, 0.0
    back = np.zeros(len(plain))
    release = -1
    if state == PROMISED:
        release = debtor.due_on + PROMISE_LASTS - first_day
        if promise_open:
            back[max(release, 0)] += keep(first_day - 1, debtor.due_on, 1.0, touch.keeps, first_day, held)
            release = -1
        else:
            waiting = 1.0
    elif state == UNTOUCHED:
        untouched = 1.0
    elif state == REMINDED:
        reminded = 1.0
    elif state == PRESSED:
        pressed = 1.0
    else:
        quiet = 1.0
    for t in range(days):
        untouched *= lives
        reminded *= lives
        pressed *= lives
        quiet *= lives
        waiting *= lives
        untouched += back[t]
        if t == release:
            untouched += waiting
            waiting = 0.0
        quiet += HUSHES * (untouched + reminded + pressed)
        untouched *= 1 - HUSHES
        reminded *= 1 - HUSHES
        pressed *= 1 - HUSHES
        faded, calmed = reminded * REMINDER_FADES, pressed * CONVERSATION_FADES
        untouched, reminded, pressed = untouched + faded + calmed, reminded - faded, pressed - calmed

        calls, digital = attempts(touch, month, t)
        reached = calls * touch.reached
        left_word = calls * (1 - touch.reached) * VOICEMAIL
        told = left_word + (1 - reached - left_word) * digital * DELIVERED
        spoken = reached * (untouched + reminded + pressed)
        if spoken > 0:
            day = first_day + t
            for option in range(3):
                due, share = promised_day(option, day, month.next_pay[debtor.payday, t])
                mass = spoken * touch.promises * share
                back[due + PROMISE_LASTS - first_day] += keep(day, due, mass, touch.keeps, first_day, kept)
        nudged = told * untouched
        untouched -= reached * untouched + nudged
        reminded += nudged - reached * reminded
        pressed += spoken * (1 - touch.promises - touch.disputes - touch.quiets) - reached * pressed
        quiet += spoken * touch.quiets

        base = night.rate * night.profile[t]
        calm, nudge, press = 1 - np.exp(-base), 1 - np.exp(-base * touch.reminded), 1 - np.exp(-base * touch.pressed)
        plain[t] = (untouched + quiet + waiting) * calm + reminded * nudge + pressed * press
        untouched *= 1 - calm
        quiet *= 1 - calm
        waiting *= 1 - calm
        reminded *= 1 - nudge
        pressed *= 1 - press


@njit(error_model="numpy")
def keep(day, due_on, mass, keeps, first_day, kept):
    """Spread a promise made or still open on the evening of `day` over the days it may be kept;
    return what comes back unkept.
    """
    gone = 0.0
    for k in range(len(KEPT_SHARE)):
        if due_on + KEPT_FROM + k <= day:
            gone += KEPT_SHARE[k] * keeps
    rest = 0.0
    for k in range(len(KEPT_SHARE)):
        on = due_on + KEPT_FROM + k
        if on > day:
            share = KEPT_SHARE[k] * keeps / (1 - gone)
            kept[on - first_day] += mass * share * LIVES_ON[on - day]
            rest += share
    return mass * (1 - rest) * LIVES_ON[max(due_on + PROMISE_LASTS - day, 0)]


@njit(error_model="numpy")
def keep_hazard(day, due_on, keeps):
    """Chance that an open promise is kept today, given that it was not kept before."""
    k = day - due_on - KEPT_FROM
    if k < 0 or k >= len(KEPT_SHARE):
        return 0.0
    return KEPT_SHARE[k] * keeps / (1 - keeps * KEPT_BEFORE[k])


@njit(error_model="numpy")
def promised_day(option, day, next_pay):
    """(day, share): the next payday, or in a fortnight when that is far; in a week; in three days."""
    if option == 0:
        return (next_pay if next_pay <= day + 20 else day + 14), 0.6
    if option == 1:
        return day + 7, 0.25
    return day + 3, 0.15


@njit(error_model="numpy")
def reversal_counts(t, horizon, maturity, rate):
    """Chance that a payment made on day t is taken back, wholly or by half, and that this is known in time to count."""
    return rate * REVERSAL_KNOWN[horizon + maturity - 1 - t]


@njit(error_model="numpy")
def worth(night, t, horizon, taken_back, cap):
    """(chance that anything is recovered, expected amount up to cap) of a budget payment decided on day t."""
    chance, expected = 0.0, 0.0
    for k in range(CLASSES):
        share, amount = night.share[k], night.amount[k]
        if share <= 0 or amount <= 0:
            continue
        single, whole = 1.0, min(amount, cap)
        if may_burst(night, k):
            single = PARTS[0][2]
            for parts, step, portion in PARTS[1:]:
                counted, goes_on, each = 0, 1.0, amount // parts
                value = 0.0
                for part in range(parts):
                    if t + step * part < horizon:
                        counted = part + 1
                    stops = goes_on * (1 - CONTINUES) if part < parts - 1 else goes_on
                    value += stops * min(counted * each, cap)
                    goes_on *= CONTINUES
                chance += share * portion
                expected += share * portion * value
        back = 0.0 if is_settlement(night, k, night.balance) else taken_back
        chance += share * single * (1 - back * (1 - PARTIAL_REVERSAL))
        expected += share * single * ((1 - back) * whole + back * PARTIAL_REVERSAL * min(amount - amount // 2, cap))
    return chance, expected


@njit(error_model="numpy")
def worth_promise(amount, taken_back, cap):
    """The same for a payment of a promised amount, by half in PROMISE_SHORT of cases."""
    expected = 0.0
    for share, paid in ((1 - PROMISE_SHORT, amount), (PROMISE_SHORT, amount - amount // 2)):
        expected += share * (
            (1 - taken_back) * min(paid, cap) + taken_back * PARTIAL_REVERSAL * min(paid - paid // 2, cap)
        )
    return 1 - taken_back * (1 - PARTIAL_REVERSAL), expected


@njit(error_model="numpy")
def fill_values(horizon, maturity, night, account, method, values):
    """Fill values, float64[2, 3, horizon]: chance that a payment decided on day t brings anything, and what; BUDGET,
    KEPT, HELD.
    """
    cap = night.known
    for t in range(horizon):
        back = reversal_counts(t, horizon, maturity, REVERSAL_RATE[method])
        values[0, BUDGET, t], values[1, BUDGET, t] = worth(night, t, horizon, back, cap)
        values[0, KEPT, t], agreed = worth_promise(night.promise, back, cap)
        values[1, KEPT, t] = (1 - PLAN_SHARE) * agreed + PLAN_SHARE * worth_promise(night.instalment, back, cap)[1]
        values[0, HELD, t], values[1, HELD, t] = worth_promise(min(account.promised, night.balance), back, cap)


@njit(error_model="numpy")
def recovery(horizon, chances, values):
    """(p_recovered, expected amount in minor units) of the horizon, out of what `respond` and `fill_values` left."""
    p, amount = 0.0, 0.0
    for origin in range(3):
        for t in range(horizon):
            p += chances[origin, t] * values[0, origin, t]
            amount += chances[origin, t] * values[1, origin, t]
    return p, amount


@njit(error_model="numpy")
def recovery_of_parts(horizon, account, cap, first_day):
    """The same for an account whose earlier payment still has parts to come."""
    goes_on, counted, value, p = 1.0, 0, 0.0, 0.0
    for part in range(account.parts):
        on = account.part_on + part * account.part_step - first_day
        stops = goes_on * (1 - CONTINUES)
        value += stops * min(counted * account.part_amount, cap)
        goes_on *= CONTINUES
        if on < horizon:
            counted += 1
            p = CONTINUES
    value += goes_on * min(counted * account.part_amount, cap)
    return p, value
