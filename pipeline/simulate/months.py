"""The life of made-up debtors, month by month and day by day: where they stand, who leaves, what ends,
what the month leaves behind.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from features.compiled import compiled
from features.tables import NEVER, NO_DAY
from features.versions import scrambled
from pipeline.simulate.books import (
    BOUGHT,
    CARD,
    EU,
    EURO,
    GB,
    INVOICES,
    JP,
    LOAN,
    MOST_ACCOUNTS,
    NATURAL,
    UNIFORM,
    US,
    UTILITY,
)
from pipeline.simulate.collectors import ARM_FORCED, ARM_NONE, ARM_PLAN, policy, tell_truth, touch_of
from pipeline.simulate.contacts import contact, hush, remind
from pipeline.simulate.forgetting import own_messages, send, why_late
from pipeline.simulate.log import (
    PLACEMENTS,
    Channel,
    Detail,
    Direction,
    Outcome,
    Status,
    below,
    chance,
    charge_row,
    contact_row,
    new_row,
    normal,
    state_all,
    state_row,
)
from pipeline.simulate.payments import bill_account, bring_reversals, mean_to_pay, pay_today, take_statement
from pipeline.simulate.response import (
    CONVERSATION_FADES,
    CURRENT,
    DISPUTED,
    HUSHES,
    IDLE,
    NIGHT,
    ON_PLAN,
    OVERDUE,
    PRESSED,
    PROMISE_LASTS,
    PROMISED,
    QUIET,
    REMINDED,
    REMINDER_FADES,
    RUNNING,
    STOPS,
    UNDRAWN,
    UNTOUCHED,
    fill_amounts,
    fill_profile,
    monthly_rate,
)
from pipeline.simulate.uniform import fit_lift

MEANS_STAY, WILL_STAYS = 0.90, 0.92  # from month to month; both have a standard deviation of 1
LUCK = 0.7  # standard deviation of what a single month adds to means and the next forgets
EXITS_WITHIN = 3  # days from the first night within which an account leaves; nothing is paid in between
REMINDED_SHARE = 0.3  # of bills of accounts in good order are announced by a friendly reminder


@compiled(error_model="numpy")
def live(world, debtors, accounts, items, orders, messages, log):
    """Let every debtor live through all months. Changes debtors, accounts and items in place; fills log.

    orders: int8[debtors, months], what is decided over the heads of the collectors; NO_ORDER where nothing is.
    messages: pipeline.simulate.forgetting.MESSAGE, what the shop is told to send, in the order of debtor and day.
    """
    said = 0
    rng = np.zeros(1, np.uint64)
    nights = np.zeros(MOST_ACCOUNTS, NIGHT)
    chances, values = np.zeros((3, world.horizon + 45)), np.zeros((2, 3, world.horizon))
    for j in range(len(debtors)):
        debtor = debtors[j]
        while said < len(messages) and messages[said].debtor < j:
            said += 1
        rng[0] = scrambled(world.key + np.uint64(debtor.number))
        for i in range(debtor.first, debtor.first + debtor.accounts):
            welcome(rng, log, debtor, accounts[i], i, items)
        for m in range(len(world.months)):
            month, first_day = world.months[m], world.months[m].first
            move_latent(rng, debtor, month, m)
            for k in range(debtor.accounts):
                stand(accounts[debtor.first + k], debtor.first + k, nights[k], items, month, m)
            final = m == len(world.months) - 1
            release(rng, log, debtor, accounts, first_day)
            if month.storm and debtor.florida and not final:
                state_all(log, debtor, accounts, Status.EMERGENCY, first_day, NO_DAY, first_day, Detail.HURRICANE)
                state_all(
                    log, debtor, accounts, Status.EMERGENCY, first_day, first_day + 29, first_day + 30, Detail.HURRICANE
                )
            leaving = False if final else leave(rng, world, log, debtor, accounts, nights, first_day)
            for k in range(debtor.accounts):
                prepare(world, debtor, accounts[debtor.first + k], nights[k], month, m)
            plan = policy(rng, world, debtor, accounts, nights, month, orders[j, m], leaving or final)
            if world.effect == UNIFORM:
                forced = touch_of(world, debtor, month, plan, ARM_FORCED)
                left = touch_of(world, debtor, month, plan, ARM_NONE)
                for k in range(debtor.accounts):
                    if nights[k].worked:
                        fit_lift(
                            world, nights[k], accounts[debtor.first + k], debtor, month, forced, left, chances, values
                        )
            tell_truth(world, log, debtor, accounts, nights, plan, m, chances, values)
            if final:
                break
            acting = plan.heads == 1 if plan.coin else plan.workable and chance(rng) < plan.chosen
            touch = touch_of(world, debtor, month, plan, ARM_FORCED if plan.coin else ARM_PLAN)
            days(rng, world, log, debtor, accounts, nights, items, messages, said, touch, acting, plan.coin, m)
            for k in range(debtor.accounts):
                close_month(
                    rng,
                    log,
                    debtor,
                    accounts[debtor.first + k],
                    debtor.first + k,
                    nights[k],
                    items,
                    month,
                    world.months[m + 1],
                    m,
                )


@njit(error_model="numpy")
def welcome(rng, log, debtor, account, i, items):
    """What is on file from the first day: instalments, the bought charge, agreements to be called and written to."""
    for k in range(account.items):
        item = items[i, k]
        charge_row(log, i, k, item.issued_on, item.due_on, item.amount, item.kind, item.known_on)
    day = account.known_on
    if debtor.group == US:
        if chance(rng) < 0.88:
            state_row(log, i, Status.CONSENT_CALL, day, NO_DAY, day, -1)
            state_row(log, i, Status.CONSENT_SMS, day, NO_DAY, day, -1)
    elif debtor.group != JP and chance(rng) < 0.8:
        state_row(log, i, Status.CONSENT_SMS, day, NO_DAY, day, -1)
    if debtor.group != JP and chance(rng) < 0.85:
        state_row(log, i, Status.CONSENT_EMAIL, day, NO_DAY, day, -1)
    if account.book == BOUGHT:
        default_on = items[i, 0].due_on + 90
        state_row(log, i, Status.CHARGED_OFF, min(default_on + 90, day - 1), NO_DAY, day, -1)
        account.defaulted_on, account.charged_off = default_on, 1
        if chance(rng) < 0.95:
            state_row(log, i, Status.NOTICE_SENT, day + 2, NO_DAY, day + 2, Detail.IN_WRITING)
        if day - items[i, 0].due_on > 700:
            state_row(log, i, Status.PRESCRIBED, day + 10, NO_DAY, day + 10, -1)


@njit(error_model="numpy")
def move_latent(rng, debtor, month, m):
    """Means and willingness drift (AR(1) by month); work is lost and found.
    What the debtor can spare this month follows.
    """
    if m > 0:
        debtor.means = (
            debtor.level + MEANS_STAY * (debtor.means - debtor.level) + np.sqrt(1 - MEANS_STAY**2) * normal(rng)
        )
        debtor.will = WILL_STAYS * debtor.will + np.sqrt(1 - WILL_STAYS**2) * normal(rng)
        if debtor.employed:
            if debtor.group != JP and chance(rng) < 0.010 * np.exp(-0.4 * debtor.level):
                debtor.employed = 0
        elif debtor.segment != 4 and chance(rng) < 0.16:
            debtor.employed = 1
    lost = 1.4 if not debtor.employed and debtor.segment != 4 else 0.0
    debtor.spare = debtor.means - lost + month.season[debtor.group] + LUCK * normal(rng)


@njit(error_model="numpy")
def stand(account, i, night, items, month, m):
    """Where the account stands on the first night: balance, arrears, what falls due this month,
    and what the books know of it.
    """
    first_day, next_day = month.first, month.first + month.length
    night.stage, night.worked, night.exits, night.paid, night.paid_known, night.tried = IDLE, 0, 0, 0, NEVER, 0
    night.arrears, night.due, night.due_on, night.overdue_since, night.months_placed = 0, 0, NO_DAY, NO_DAY, -1
    night.balance, night.known = account.balance, 0
    if account.back_on < first_day:
        account.back_on = NO_DAY  # back from the agency
    if m < account.from_month or account.gone:
        return
    past, coming = 0, 0
    for k in range(account.items):
        on, amount = items[i, k].due_on, items[i, k].amount
        if on < first_day:
            past += amount
            if past > account.settled and night.overdue_since == NO_DAY:
                night.overdue_since = on
        elif on < next_day and items[i, k].issued_on < first_day:
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


@njit(error_model="numpy")
def release(rng, log, debtor, accounts, first_day):
    """Disputes are settled, hardship and vulnerability pass, at the turn of a month."""
    if debtor.state == DISPUTED and chance(rng) < 0.4:
        debtor.state = UNTOUCHED
        for i in range(debtor.first, debtor.first + debtor.accounts):
            if accounts[i].disputed_on != NO_DAY:
                if accounts[i].gone == 0:
                    state_row(log, i, Status.DISPUTE, accounts[i].disputed_on, first_day - 1, first_day, -1)
                accounts[i].disputed_on = NO_DAY
    passing = (
        debtor.quiet == Status.HARDSHIP or debtor.quiet == Status.VULNERABLE or debtor.quiet == Status.INCONVENIENT
    )
    if debtor.state == QUIET and passing and first_day - debtor.quiet_on > 60 and chance(rng) < 0.3:
        debtor.state = UNTOUCHED
        state_all(log, debtor, accounts, debtor.quiet, debtor.quiet_on, first_day - 1, first_day, -1)


@njit(error_model="numpy")
def leave(rng, world, log, debtor, accounts, nights, first_day):
    """Closing, sale, recall, agency, lost outcomes; placement and default. True if any account leaves in this month."""
    leaving, promised = False, debtor.state == PROMISED and world.effect == NATURAL
    for k in range(debtor.accounts):
        i = debtor.first + k
        account, night = accounts[i], nights[k]
        if account.gone or first_day < account.known_on:
            continue
        day = first_day + below(rng, EXITS_WITHIN)
        if account.balance <= 0:
            done = account.book == LOAN or account.book == BOUGHT or account.live == 0
            settled = (
                account.reversed_on[0] == NO_DAY
                and account.reversed_on[1] == NO_DAY
                and account.reversed_on[2] == NO_DAY
            )
            if done and account.items > 0 and first_day - account.paid_on > 15 and settled:
                detail = Detail.PAID_IN_FULL if account.waived_on == NO_DAY else Detail.SETTLED
                state_row(log, i, Status.CLOSED, day, NO_DAY, day, detail)
                account.gone = 1
            continue
        since = first_day - night.overdue_since if night.overdue_since != NO_DAY else 0
        if debtor.stopped and first_day - debtor.stop_known > 150 and account.parts == 0:
            state_row(log, i, Status.CLOSED, day, NO_DAY, day, Detail.WRITTEN_OFF)
            night.exits = 1
        elif account.back_on == NO_DAY and night.months_placed >= 0 and account.parts == 0 and not promised:
            u = chance(rng)
            if account.book == INVOICES:
                if night.months_placed >= 3 and u < 0.08:
                    state_row(log, i, Status.CLOSED, day, NO_DAY, day, Detail.RECALLED)
                    night.exits = 1
            elif account.book != BOUGHT:
                if account.charged_off and night.months_placed >= 4 and u < 0.06:
                    state_row(log, i, Status.SOLD, day, NO_DAY, day, -1)
                    night.exits = 1
                elif account.book != CARD and night.months_placed >= 3 and u > 0.97:
                    account.back_on = day + 80 + below(rng, 60)
                    state_row(log, i, Status.AGENCY, day, NO_DAY, day, -1)
                    state_row(log, i, Status.AGENCY, day, account.back_on, account.back_on + 1, -1)
                    night.exits = 2
                    leaving = True
        if night.exits == 0 and since > 0 and account.parts == 0 and chance(rng) < 0.0012:
            state_row(log, i, Status.OUTCOME_UNKNOWN, day, NO_DAY, day, -1)
            state_row(log, i, Status.CLOSED, day + 20, NO_DAY, day + 20, Detail.WRITTEN_OFF)
            night.exits = 1
        if (
            night.exits == 0
            and night.months_placed >= 6
            and account.balance > 1000 * EURO[account.book]
            and chance(rng) < 0.02
        ):
            state_row(log, i, Status.LEGAL, day, NO_DAY, day, -1)
            contact_row(log, i, debtor, day, 600, Channel.LEGAL, Direction.OUTBOUND, Outcome.DELIVERED)
            debtor.contacts += 1
            leaving = True  # no coin in a month with a writ
        if night.exits:
            leaving = True
            continue
        place(rng, log, debtor, account, i, night, first_day, since)
    return leaving


@njit(error_model="numpy")
def place(rng, log, debtor, account, i, night, first_day, since):
    """Default at 90 days past due, charge-off at 180, and the move into collections."""
    if since >= 90 and account.defaulted_on == NO_DAY:
        account.defaulted_on = max(first_day - since + 90, account.cured_on + 1)
        state_row(log, i, Status.DEFAULT, account.defaulted_on, NO_DAY, account.defaulted_on + 1, -1)
    elif since == 0 and account.defaulted_on != NO_DAY and account.charged_off == 0:  # cured
        state_row(log, i, Status.DEFAULT, account.defaulted_on, first_day - 1, first_day, -1)
        account.defaulted_on, account.cured_on = NO_DAY, first_day - 1
    if since >= 180 and account.charged_off == 0:
        account.charged_off, account.live = 1, 0
        state_row(log, i, Status.CHARGED_OFF, first_day - since + 180, NO_DAY, first_day - since + 181, -1)
    if account.placed_on != NO_DAY:
        return
    least = 45 if account.book == UTILITY else 25 if account.book == INVOICES else 70
    if since >= least and chance(rng) < 0.5:
        account.placed_on = first_day + below(rng, 5)
        if account.book == UTILITY:
            account.live = 0
        new_row(log, PLACEMENTS, i, account.placed_on, account.placed_on + 1).amount = account.balance
        if (debtor.group == JP or debtor.group == EU) and chance(rng) < 0.93:
            state_row(
                log, i, Status.NOTICE_SENT, account.placed_on + 2, NO_DAY, account.placed_on + 2, Detail.IN_WRITING
            )


@njit(error_model="numpy")
def prepare(world, debtor, account, night, month, m):
    """The stage of the month, and with it the rate, the days and the amounts of its payment.

    Where contact does not naturally move debtors, what was said in a conversation does not either: no dispute, no
    broken promise.
    """
    natural = world.effect == NATURAL
    night.rate = 0.0
    if m < account.from_month or account.gone or account.balance <= 0:
        return
    if account.parts > 0:
        night.stage = RUNNING
        return
    if debtor.stopped or natural and account.disputed_on != NO_DAY:
        return
    night.stage = CURRENT
    if account.plan_on != NO_DAY and account.plan_on < month.first:
        night.stage = ON_PLAN
    elif night.arrears > 0 or night.months_placed >= 0:
        night.stage = OVERDUE
        night.worked = account.back_on == NO_DAY
    night.bursts = night.stage == OVERDUE and account.book != INVOICES
    fill_profile(night, debtor, month)
    fill_amounts(night, account, debtor)
    night.rate = monthly_rate(night, account, debtor, account.broken if natural else 0, month.first)


@njit(error_model="numpy")
def days(rng, world, log, debtor, accounts, nights, items, messages, said, touch, acting, coin, m):
    """Live the month. touch: what contact does; acting: the collectors work the debtor; coin:
    one was thrown over the contact. said: where the messages to the debtor begin.
    """
    month = world.months[m]
    fades = 0.5 ** (1 / world.half_life_days) if world.forgets else 0.0
    for k in range(debtor.accounts):
        nights[k].pays = UNDRAWN
        if touch.meant:
            mean_to_pay(rng, nights[k], month)
        if world.forgets:
            why_late(rng, world, nights[k], debtor)
        accounts[debtor.first + k].unknown = 0
        accounts[debtor.first + k].unknown_charge = 0
    for t in range(month.length):
        day = month.first + t
        if debtor.stopped == 0 and chance(rng) < STOPS:
            stop(rng, log, debtor, accounts, day)
        if debtor.stopped == 0:
            change_state(rng, log, debtor, accounts, nights, day)
        talked = -1
        if acting and debtor.state <= PRESSED and day <= debtor.stop_known:
            talked = contact(rng, world, log, debtor, accounts, nights, touch, month, t)
        if world.forgets:
            debtor.lift *= fades
            if day < world.told_from and debtor.stopped == 0:
                own_messages(rng, world, log, debtor, accounts, nights, day)
            at = said
            while at < len(messages) and messages[at].debtor == messages[said].debtor and messages[at].day <= day:
                one = messages[at]
                if one.day == day and accounts[one.account].debtor == accounts[debtor.first].debtor:
                    send(
                        rng, world, log, debtor, accounts, nights, one.account, day, one.channel, one.foreign, one.named
                    )
                at += 1
        for k in range(debtor.accounts):
            i = debtor.first + k
            if m < accounts[i].from_month or accounts[i].gone or nights[k].exits == 1:
                continue
            bring_reversals(accounts[i], day)
            pay_today(rng, world, log, debtor, accounts[i], i, nights[k], items, touch, month, t, talked)
            announced = nights[k].stage == CURRENT and nights[k].due_on - day == 4 and not coin and not world.forgets
            if announced and chance(rng) < REMINDED_SHARE:
                remind(rng, log, debtor, i, day)
            if accounts[i].book == CARD and t == accounts[i].due_day + 2:
                take_statement(rng, log, debtor, accounts[i], i, items, world.months[m + 1], m, day)


@njit(error_model="numpy")
def stop(rng, log, debtor, accounts, day):
    """What ends all paying of a debtor, and when the books hear of it."""
    u = chance(rng)
    known = day + 3 + below(rng, 12)
    if u < 0.30:
        status, known = Status.DECEASED, day + 5 + below(rng, 36)
    elif u < 0.65:
        status = Status.BANKRUPTCY
    elif u < 0.80:
        status = Status.MORATORIUM if debtor.group == EU or debtor.group == GB else Status.BANKRUPTCY
    elif u < 0.90:
        status = Status.IDENTITY_THEFT if debtor.group != JP else Status.BANKRUPTCY
    elif u < 0.99:
        status = Status.WRONG_PARTY
    else:
        status = Status.MINOR if debtor.group != JP else Status.BANKRUPTCY
    debtor.stopped, debtor.stop_known = 1, known
    state_all(log, debtor, accounts, status, day, NO_DAY, known, -1)


@njit(error_model="numpy")
def change_state(rng, log, debtor, accounts, nights, day):
    """A promise lapses, a lawyer writes, effects fade."""
    if debtor.state == PROMISED and day >= debtor.due_on + PROMISE_LASTS:
        debtor.state = UNTOUCHED
        for i in range(debtor.first, debtor.first + debtor.accounts):
            if accounts[i].promise_open:
                accounts[i].promise_open = 0
                accounts[i].broken += 1
    if debtor.state > PRESSED:
        return
    worked = False
    for k in range(debtor.accounts):
        worked |= nights[k].worked == 1
    if worked and chance(rng) < HUSHES:
        u = chance(rng)
        status = Status.CEASE_CONTACT if u < 0.5 else Status.ATTORNEY if u < 0.85 else Status.LITIGATION
        hush(log, debtor, accounts, status, day, Detail.IN_WRITING)
    elif (
        debtor.state == REMINDED
        and chance(rng) < REMINDER_FADES
        or debtor.state == PRESSED
        and chance(rng) < CONVERSATION_FADES
    ):
        debtor.state = UNTOUCHED


@njit(error_model="numpy")
def close_month(rng, log, debtor, account, i, night, items, month, next_month, m):
    """What the month leaves behind: an account that is gone, a plan kept or broken, the bills of the next month,
    moved due days.
    """
    if m < account.from_month or account.gone:
        return
    next_day = next_month.first
    if account.plan_on != NO_DAY and account.plan_on < next_day:
        if night.stage == ON_PLAN and not night.paid:
            account.plan_missed += 1
        broken = account.plan_missed >= 2 or debtor.stopped == 1
        if broken or account.balance <= 0 or night.exits == 1:
            state_row(log, i, Status.PLAN, account.plan_on, next_day - 1, next_day, -1)
            account.plan_on = NO_DAY
            account.broken += broken
    if night.exits == 1:
        account.gone = 1
        return
    bill_account(rng, log, debtor, account, i, night, items, month, next_month, m)
