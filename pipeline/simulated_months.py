"""The life of made-up debtors, month by month: where they stand, who leaves, whom the collectors choose, and the truth of the night."""

from __future__ import annotations

from collections import namedtuple

import numpy as np
from numba import njit

from features.tables import NEVER, NO_DAY
from pipeline.simulated_books import BOUGHT, CARD, EU, INVOICES, JP, LOAN, MOST_ACCOUNTS, PERSUADABLE, REACTANT, US, UTILITY
from pipeline.simulated_days import answer_rate, days
from pipeline.simulated_log import ChargeKind, Detail, Status, below, bill_row, chance, normal, room, scramble, state_all, state_row
from pipeline.simulated_response import (
    CALL_HOURS, CALL_SHARE, CONVERSATION_EFFECT, CURRENT, DISPUTED, DISPUTES, FORCED_CALLS, FORCED_DIGITAL, IDLE, NIGHT, OVERDUE, PLAN, PROMISED, PROMISES, QUIET, REMINDER_EFFECT, RUNNING, UNTOUCHED, WANTS_QUIET, Touch, fill_amounts, fill_profile, monthly_rate, recovery, fill_values, recovery_of_parts, respond, sigmoid,
)  # fmt: skip

SLICE = 0.04  # share of workable debtors whose contact of a month is decided by a coin
COIN = 0.5  # its chance of heads: contact
EXITS_WITHIN = 3  # days from the first night within which an account leaves; nothing is paid in between
ARM_NONE, ARM_FORCED, ARM_PLAN = range(3)


@njit(cache=True)
def live(world, debtors, accounts, due, log):
    """Let every debtor live through all months. Changes debtors, accounts and due in place; fills log."""
    rng = np.zeros(1, np.uint64)
    nights = np.zeros(MOST_ACCOUNTS, NIGHT)
    chances, values = np.zeros((3, world.horizon + 45)), np.zeros((2, 3, world.horizon))
    for j in range(len(debtors)):
        debtor = debtors[j]
        rng[0] = scramble(scramble(world.seed + np.uint64(3)) + np.uint64(debtor.number))
        for i in range(debtor.first, debtor.first + debtor.accounts):
            welcome(rng, world, log, debtor, accounts[i], i, due)
        for m in range(len(world.nights)):
            move_latent(rng, world, debtor, m)
            first_day = world.nights[m]
            for k in range(debtor.accounts):
                stand(world, accounts[debtor.first + k], debtor.first + k, nights[k], due, m)
            final = m == len(world.nights) - 1
            release(rng, world, log, debtor, accounts, first_day)
            if world.storm[m] and world.florida[debtor.group, debtor.place] and not final:
                state_all(log, debtor, accounts, Status.EMERGENCY, first_day, NO_DAY, first_day, Detail.HURRICANE)
                state_all(log, debtor, accounts, Status.EMERGENCY, first_day, first_day + 29, first_day + 30, Detail.HURRICANE)
            leaving = False if final else leave(rng, world, log, debtor, accounts, nights, first_day)
            for k in range(debtor.accounts):
                prepare(world, debtor, accounts[debtor.first + k], nights[k], m)
            plan = policy(rng, world, debtor, accounts, nights, m, leaving, final)
            tell_truth(world, log, debtor, accounts, nights, plan, m, chances, values)
            if final:
                break
            acting = plan.heads == 1 if plan.coin else plan.workable and chance(rng) < plan.chosen
            touch = touch_of(world, debtor, m, plan, ARM_FORCED if plan.coin else ARM_PLAN)
            days(rng, world, log, debtor, accounts, nights, due, touch, acting, plan.heads if plan.coin else -1, m)
            for k in range(debtor.accounts):
                close_month(rng, world, log, debtor, accounts[debtor.first + k], debtor.first + k, nights[k], due, m)


@njit(cache=True)
def welcome(rng, world, log, debtor, account, i, due):
    """What is on file from the first day: instalments, the bought charge, agreements to be called and written to."""
    for item in range(account.items):
        bill_row(log, due, i, item)
    day = account.known_on
    if debtor.group == US:
        if chance(rng) < 0.88:
            state_row(log, i, Status.CONSENT_CALL, day, NO_DAY, day, -1, -1)
            state_row(log, i, Status.CONSENT_SMS, day, NO_DAY, day, -1, -1)
    elif debtor.group != JP and chance(rng) < 0.8:
        state_row(log, i, Status.CONSENT_SMS, day, NO_DAY, day, -1, -1)
    if debtor.group != JP and chance(rng) < 0.85:
        state_row(log, i, Status.CONSENT_EMAIL, day, NO_DAY, day, -1, -1)
    if account.book == BOUGHT:
        default_on = due.due_on[i, 0] + 90
        state_row(log, i, Status.CHARGED_OFF, min(default_on + 90, day - 1), NO_DAY, day, -1, -1)
        account.defaulted, account.charged_off = 1, 1
        if chance(rng) < 0.95:
            state_row(log, i, Status.NOTICE_SENT, day + 2, NO_DAY, day + 2, Detail.IN_WRITING, -1)
        if day - due.due_on[i, 0] > 700:
            state_row(log, i, Status.PRESCRIBED, day + 10, NO_DAY, day + 10, -1, -1)


@njit(cache=True)
def move_latent(rng, world, debtor, m):
    """Means and willingness drift (AR(1) by month); work is lost and found. What the debtor can spare this month follows."""
    if m > 0:
        debtor.means = debtor.level + 0.93 * (debtor.means - debtor.level) + 0.3676 * normal(rng)
        debtor.will = 0.95 * debtor.will + 0.3122 * normal(rng)
        if debtor.employed:
            if debtor.group != JP and chance(rng) < 0.010 * np.exp(-0.4 * debtor.level):
                debtor.employed = 0
        elif debtor.segment != 4 and chance(rng) < 0.16:
            debtor.employed = 1
    lost = 1.4 if not debtor.employed and debtor.segment != 4 else 0.0
    debtor.spare = debtor.means - lost + world.season[m, debtor.group]


@njit(cache=True)
def stand(world, account, i, night, due, m):
    """Where the account stands on the first night: balance, arrears, what falls due this month, and what the books know of it."""
    first_day = world.nights[m]
    next_day = first_day + 31 if m + 1 == len(world.nights) else world.nights[m + 1]
    night.stage, night.worked, night.exits, night.paid, night.paid_known = IDLE, 0, 0, 0, NEVER
    night.arrears, night.due, night.due_on, night.overdue_since, night.months_placed = 0, 0, NO_DAY, NO_DAY, -1
    night.balance, night.known = account.balance, 0
    if m < account.from_night or account.gone:
        return
    past, coming = 0, 0
    for item in range(account.items):
        on, amount = due.due_on[i, item], due.amount[i, item]
        if on < first_day:
            past += amount
            if past > account.settled and night.overdue_since == NO_DAY:
                night.overdue_since = on
        elif on < next_day and due.issued_on[i, item] < first_day:
            coming += amount
            night.due_on = on
    night.arrears = max(0, past - account.settled)
    night.due = max(0, past + coming - max(account.settled, past))
    if account.book == CARD:
        night.known = account.statement - account.after if account.statement_on != NO_DAY else 0
    else:
        night.known = account.balance + account.unknown - account.unknown_charge
    if account.placed_on != NO_DAY and account.placed_on < first_day:
        night.months_placed = (first_day - account.placed_on) // 30


@njit(cache=True)
def release(rng, world, log, debtor, accounts, first_day):
    """Disputes are settled, hardship and vulnerability pass, at the turn of a month."""
    if debtor.state == DISPUTED and chance(rng) < 0.4:
        debtor.state = UNTOUCHED
        for i in range(debtor.first, debtor.first + debtor.accounts):
            if accounts[i].disputed_on != NO_DAY:
                if accounts[i].gone == 0:
                    state_row(log, i, Status.DISPUTE, accounts[i].disputed_on, first_day - 1, first_day, -1, -1)
                accounts[i].disputed_on = NO_DAY
    if debtor.state == QUIET and (
        debtor.quiet == Status.HARDSHIP or debtor.quiet == Status.VULNERABLE or debtor.quiet == Status.INCONVENIENT
    ):
        if first_day - debtor.quiet_on > 60 and chance(rng) < 0.3:
            debtor.state = UNTOUCHED
            for i in range(debtor.first, debtor.first + debtor.accounts):
                if accounts[i].gone == 0 and accounts[i].known_on <= debtor.quiet_on:
                    state_row(log, i, debtor.quiet, debtor.quiet_on, first_day - 1, first_day, -1, -1)


@njit(cache=True)
def leave(rng, world, log, debtor, accounts, nights, first_day):
    """Closing, sale, recall, agency, lost outcomes; placement and default. True if any account leaves in this month."""
    leaving = False
    for k in range(debtor.accounts):
        i = debtor.first + k
        account, night = accounts[i], nights[k]
        if account.gone or first_day < account.known_on:
            continue
        if account.back_on != NO_DAY and account.back_on < first_day:
            account.back_on = NO_DAY
        day = first_day + below(rng, EXITS_WITHIN)
        if account.balance <= 0:
            done = account.book == LOAN or account.book == BOUGHT or account.live == 0
            if done and account.items > 0 and first_day - account.last_paid > 15 and no_reversal_ahead(account):
                detail = Detail.PAID_IN_FULL if account.waived_on == NO_DAY else Detail.SETTLED
                state_row(log, i, Status.CLOSED, day, NO_DAY, day, detail, -1)
                account.gone = 1
            continue
        since = first_day - night.overdue_since if night.overdue_since != NO_DAY else 0
        if debtor.stopped and first_day - debtor.stop_known > 150 and account.parts == 0:
            state_row(log, i, Status.CLOSED, day, NO_DAY, day, Detail.WRITTEN_OFF, -1)
            night.exits = 1
        elif account.back_on == NO_DAY and night.months_placed >= 0 and account.parts == 0 and debtor.state != PROMISED:
            u = chance(rng)
            if account.book == INVOICES:
                if night.months_placed >= 3 and u < 0.08:
                    state_row(log, i, Status.CLOSED, day, NO_DAY, day, Detail.RECALLED, -1)
                    night.exits = 1
            elif account.book != BOUGHT:
                if account.charged_off and night.months_placed >= 4 and u < 0.06:
                    state_row(log, i, Status.SOLD, day, NO_DAY, day, -1, -1)
                    night.exits = 1
                elif account.book != CARD and night.months_placed >= 3 and u > 0.97:
                    account.back_on = day + 80 + below(rng, 60)
                    state_row(log, i, Status.AGENCY, day, NO_DAY, day, -1, -1)
                    state_row(log, i, Status.AGENCY, day, account.back_on, account.back_on + 1, -1, -1)
                    night.exits = 2
                    leaving = True
        if night.exits == 0 and since > 0 and account.parts == 0 and chance(rng) < 0.0012:
            state_row(log, i, Status.OUTCOME_UNKNOWN, day, NO_DAY, day, -1, -1)
            state_row(log, i, Status.CLOSED, day + 20, NO_DAY, day + 20, Detail.WRITTEN_OFF, -1)
            night.exits = 1
        if night.exits:
            leaving = True
            continue
        place(rng, world, log, debtor, account, i, night, first_day, since)
    return leaving


@njit(cache=True)
def no_reversal_ahead(account):
    for slot in range(len(account.reversed_on)):
        if account.reversed_on[slot] != NO_DAY:
            return False
    return True


@njit(cache=True)
def place(rng, world, log, debtor, account, i, night, first_day, since):
    """Default at 90 days past due, charge-off at 180, and the move into collections."""
    if since >= 90 and account.defaulted == 0:
        account.defaulted = 1
        state_row(log, i, Status.DEFAULT, first_day - since + 90, NO_DAY, first_day - since + 91, -1, -1)
    if since >= 180 and account.charged_off == 0:
        account.charged_off, account.live = 1, 0
        state_row(log, i, Status.CHARGED_OFF, first_day - since + 180, NO_DAY, first_day - since + 181, -1, -1)
    if account.placed_on != NO_DAY:
        return
    least = 45 if account.book == UTILITY else 25 if account.book == INVOICES else 70
    if since >= least and chance(rng) < 0.5:
        account.placed_on = first_day + below(rng, 5)
        if account.book == UTILITY:
            account.live = 0
        row = log.placed[room(log, 5, log.placed)]
        row.account, row.placed_on, row.amount, row.known_on = i, account.placed_on, account.balance, account.placed_on + 1
        if (debtor.group == JP or debtor.group == EU) and chance(rng) < 0.93:
            state_row(log, i, Status.NOTICE_SENT, account.placed_on + 2, NO_DAY, account.placed_on + 2, Detail.IN_WRITING, -1)


@njit(cache=True)
def prepare(world, debtor, account, night, m):
    """The stage of the month, and with it the rate, the days and the amounts of its payment."""
    first_day = world.nights[m]
    night.rate = 0.0
    if m < account.from_night or account.gone or account.balance <= 0:
        return
    if account.parts > 0:
        night.stage = RUNNING
        return
    if debtor.stopped or account.disputed_on != NO_DAY:
        return
    night.stage = CURRENT
    if account.plan_on != NO_DAY and account.plan_on < first_day:
        night.stage = PLAN
    elif night.arrears > 0 or night.months_placed >= 0:
        night.stage = OVERDUE
        night.worked = account.back_on == NO_DAY
    next_day = first_day + 31 if m + 1 == len(world.nights) else world.nights[m + 1]
    night.bursts = night.stage == OVERDUE and account.book != INVOICES
    fill_profile(night, account, debtor, world.profile[m, debtor.payday], first_day, next_day - first_day, world.barred[m])
    fill_amounts(night, account, debtor, world.euro[account.book], world.unit[account.book])
    night.rate = monthly_rate(night, account, debtor, first_day)


# What the collectors mean to do in a month: whether and with what chance they work the debtor, attempts per working day, the coin.
Plan = namedtuple("Plan", "workable chosen calls digital coin heads")


@njit(cache=True)
def policy(rng, world, debtor, accounts, nights, m, leaving, final):
    """Collectors prefer large, new and recently paying debts, and know something of the debtor that no table holds."""
    arrears, newest, paying, broken, any_worked, old = 0.0, 99, False, 0, False, True
    first_day = world.nights[m]
    for k in range(debtor.accounts):
        account, night = accounts[debtor.first + k], nights[k]
        if night.worked and night.exits == 0:
            any_worked = True
            arrears += max(night.arrears, night.balance if night.months_placed >= 0 else 0) / world.euro[account.book]
            if night.months_placed >= 0:
                newest = min(newest, night.months_placed)
            paying |= account.last_paid != NO_DAY and first_day - account.last_paid < 60
            broken += account.broken
            old &= night.overdue_since != NO_DAY and first_day - night.overdue_since > 360
    storm = world.storm[m] and world.florida[debtor.group, debtor.place]
    insight = debtor.will + normal(rng)
    workable = any_worked and not storm and debtor.state != QUIET and debtor.state != DISPUTED
    score = 0.6 * (np.log10(arrears + 10) - 2.6) + 0.7 * (newest <= 1) + 0.5 * paying + 0.25 * insight - 0.7 * old - 0.2 * min(broken, 3)
    coin, heads = False, 0
    u, v = chance(rng), chance(rng)
    fresh = debtor.state != PROMISED and debtor.stopped == 0
    if workable and fresh and not leaving and not final and u < SLICE:
        coin, heads = True, 1 if v < COIN else 0
    calls, digital = min(0.07 * np.exp(0.55 * score), 0.3), min(0.05 * np.exp(0.2 * score), 0.12)
    return Plan(workable, sigmoid(0.9 + 0.9 * score), calls, digital, coin, heads)


@njit(cache=True)
def touch_of(world, debtor, m, plan, arm):
    """What a month of contact does: none; forced (a call for certain on the first working day, then a fixed rate); or as planned."""
    daily, written = np.zeros(31), np.zeros(31)
    calls, digital = (FORCED_CALLS, FORCED_DIGITAL) if arm == ARM_FORCED else (plan.calls, plan.digital)
    called = arm != ARM_FORCED
    for t in range(31):
        weekday = world.weekday[world.nights[m] + t - world.nights[0]]
        if arm != ARM_NONE and weekday < 5:
            daily[t], written[t] = calls, digital
            if not called:
                daily[t], called = 1.0, True
        elif arm != ARM_NONE and weekday == 5:
            daily[t] = 0.5 * calls
    reached = 0.0
    for hour in range(len(CALL_HOURS)):
        reached += CALL_SHARE[hour] * answer_rate(debtor, hour)
    kind = debtor.type
    keeps = sigmoid((0.6 if kind == PERSUADABLE else -0.4) + 0.9 * debtor.will + 0.8 * debtor.spare)
    moves = kind == PERSUADABLE or kind == REACTANT
    return Touch(
        daily,
        written,
        reached,
        PROMISES[kind],
        DISPUTES[kind],
        WANTS_QUIET[kind],
        keeps,
        REMINDER_EFFECT[kind],
        CONVERSATION_EFFECT[kind],
        moves,
    )


@njit(cache=True)
def tell_truth(world, log, debtor, accounts, nights, plan, m, chances, values):
    """One row per account that a list of this night may ask about: as things are, with contact forced, and without any contact."""
    first_day = world.nights[m]
    length = 31 if m + 1 == len(world.nights) else world.nights[m + 1] - first_day
    for k in range(debtor.accounts):
        i = debtor.first + k
        account, night = accounts[i], nights[k]
        if m < account.from_night or account.gone or night.known <= 0 or (account.back_on != NO_DAY and night.exits != 2):
            continue
        if night.arrears <= 0 and night.months_placed < 0 and account.unknown <= 0 and account.after <= 0:
            continue
        row = log.truth[room(log, 6, log.truth)]
        row.account, row.night, row.coin, row.heads = i, m, np.nan, -1
        if plan.coin and night.worked:
            row.coin, row.heads = COIN, plan.heads
        if night.stage == RUNNING:
            p, amount = recovery_of_parts(world.horizon, account, night.known, first_day)
            row.p[:] = p
            row.amount[:] = amount
            continue
        fill_values(world.horizon, world.maturity, night, account, debtor.method, values)
        for arm in range(3):
            touch = touch_of(world, debtor, m, plan, arm)
            if arm == ARM_NONE or (touch.moves and night.worked):
                respond(
                    world.horizon, length, night, touch, world.next_pay[m, debtor.payday], first_day, debtor.state, debtor.due_on,
                    account.promise_open == 1, chances,
                )  # fmt: skip
                p, amount = recovery(world.horizon, chances, values)
            row.p[2 - arm if arm != ARM_FORCED else 1] = p
            row.amount[2 - arm if arm != ARM_FORCED else 1] = amount
        share, other = (COIN, 1) if plan.coin and night.worked else (plan.chosen if plan.workable else 0.0, 0)
        row.p[0] = share * row.p[other] + (1 - share) * row.p[2]
        row.amount[0] = share * row.amount[other] + (1 - share) * row.amount[2]


@njit(cache=True)
def close_month(rng, world, log, debtor, account, i, night, due, m):
    """What the month leaves behind: an account that is gone, a plan kept or broken, the bills of the next month, moved due days."""
    if m < account.from_night or account.gone:
        return
    next_day = world.nights[m + 1]
    if account.plan_on != NO_DAY and account.plan_on < next_day:
        if night.stage == PLAN and not night.paid:
            account.plan_missed += 1
        broken = account.plan_missed >= 2 or debtor.stopped == 1
        if broken or account.balance <= 0 or night.exits == 1:
            state_row(log, i, Status.PLAN, account.plan_on, next_day - 1, next_day, -1, -1)
            account.plan_on = NO_DAY
            account.broken += broken
    if night.exits == 1:
        account.gone = 1
        return
    if account.book == UTILITY and account.live:
        bill_utility(rng, world, log, debtor, account, i, night, due, m)
    elif account.book == INVOICES and account.live and account.placed_on == NO_DAY:
        for _ in range(1 + (chance(rng) < 0.35)):
            amount = np.int64(account.instalment * np.exp(0.5 * normal(rng))) // 100 * 100 + 100
            add_bill(log, account, i, due, next_day - 1, month_end(world, m + 1), amount, ChargeKind.INVOICE, next_day - 1)
    elif account.book == BOUGHT and debtor.number % 6 == 0 and (next_day // 30) % 3 == 0 and account.balance > 0 and night.paid == 0:
        add_bill(log, account, i, due, next_day - 1, next_day - 1, account.balance // 60 + 1, ChargeKind.INTEREST, next_day - 1)
    elif account.book == LOAN and account.balance > 0 and night.months_placed < 0 and chance(rng) < 0.02:
        move_due_day(rng, log, account, i, due, next_day)


@njit(cache=True)
def month_end(world, m):
    return world.nights[m + 1] - 1 if m + 1 < len(world.nights) else world.nights[m] + 29


@njit(cache=True)
def add_bill(log, account, i, due, issued_on, due_on, amount, kind, known_on):
    if account.items >= due.amount.shape[1]:
        return
    item = account.items
    account.items += 1
    due.amount[i, item], due.kind[i, item] = amount, kind
    due.issued_on[i, item], due.due_on[i, item], due.known_on[i, item] = issued_on, due_on, known_on
    account.balance += amount
    bill_row(log, due, i, item)


@njit(cache=True)
def bill_utility(rng, world, log, debtor, account, i, night, due, m):
    """A month's use, a late fee after a missed bill, now and then a correction in the debtor's favour."""
    issued_on, due_on = world.nights[m] + account.due_day + 8, world.nights[m + 1] + account.due_day - 1
    winter = 1 + 0.35 * np.cos(2 * np.pi * (issued_on % 365.25 - 15) / 365.25)
    amount = np.int64(account.instalment * winter * np.exp(0.2 * normal(rng))) + 500
    known = issued_on + 4 + below(rng, 12) if chance(rng) < 0.03 else issued_on
    add_bill(log, account, i, due, issued_on, due_on, amount, ChargeKind.INVOICE, known)
    if known >= world.nights[m + 1]:
        account.unknown_charge += amount
    if night.arrears > 0 and not night.paid:
        add_bill(log, account, i, due, issued_on, due_on, 500 + night.arrears // 50, ChargeKind.FEE, issued_on)
    if chance(rng) < 0.008 and account.balance > amount:
        row = log.billed[room(log, 3, log.billed)]
        row.account, row.item, row.issued_on, row.due_on, row.amount = i, 100 + m, issued_on, issued_on, -(amount // 10)
        row.kind, row.known_on = ChargeKind.ADJUSTMENT, issued_on
        account.settled += amount // 10
        account.balance -= amount // 10
    if chance(rng) < 0.008:
        account.live = 0  # moved away: no further bills


@njit(cache=True)
def move_due_day(rng, log, account, i, due, next_day):
    """A postponement: a new version of the charge, known before the night. The only overdue instalment, else the next one."""
    past, item = 0, 0
    while item < account.items and past + due.amount[i, item] <= account.settled:
        past += due.amount[i, item]
        item += 1
    if item >= account.items:
        return
    coming = item
    while coming < account.items and due.due_on[i, coming] < next_day:
        coming += 1
    if coming > item + 1 or coming >= account.items:
        return
    if coming == item + 1:
        if due.due_on[i, coming] <= next_day + 2:
            return
        due.due_on[i, item] = due.due_on[i, coming] - 1
    else:
        due.due_on[i, item] += 3 + below(rng, 8)
    due.known_on[i, item] = next_day - 1 - below(rng, 3)
    bill_row(log, due, i, item)
