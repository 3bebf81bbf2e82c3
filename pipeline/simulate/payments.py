"""Payments, reversals and credits as they fall, the bills that call for them,
and what the books say of a card each month.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from features.tables import NO_DAY
from pipeline.simulate.books import (
    BOUGHT,
    CARD_PAYMENT,
    CASH,
    DIRECT_DEBIT,
    INVOICES,
    LOAN,
    STANDING_ORDER,
    TRANSFER,
    UTILITY,
    WAIVER,
)
from pipeline.simulate.fatigue import WORTH
from pipeline.simulate.forgetting import day_of_chance, late_hazard
from pipeline.simulate.log import (
    BALANCES,
    PAYMENTS,
    Channel,
    ChargeKind,
    Direction,
    Outcome,
    PaymentKind,
    below,
    chance,
    charge_row,
    contact_row,
    new_row,
    normal,
)
from pipeline.simulate.response import (
    CLASSES,
    CONTINUES,
    CURRENT,
    DISPUTED,
    LATE_SHARE,
    MOST_LATE,
    PARTIAL_REVERSAL,
    PARTS,
    PRESSED,
    PROMISE_SHORT,
    PROMISED,
    REMINDED,
    REVERSAL_KNOWN,
    REVERSAL_RATE,
    UNDRAWN,
    is_settlement,
    keep_hazard,
    may_burst,
)

SAME_DAY_SHARE = 0.58  # of payments known on their day; LATE_SHARE later than the next
LATE_FEE, LEAST_BILL = 1200, 2500  # of a card, in minor units
OTHER_CHARGES = 100  # numbers of charges beside the bills and instalments begin here


@njit(error_model="numpy")
def mean_to_pay(rng, night, month):
    """Draw day and amount of the month's payment at its start, by the very chances by which `pay_today` draws them."""
    night.pays, night.pays_on = UNDRAWN, NO_DAY
    if night.rate <= 0 or not night.worked:
        return
    night.pays = class_of(rng, night)
    for t in range(month.length):
        if chance(rng) < 1 - np.exp(-night.rate * night.profile[t]):
            night.pays_on = month.first + t
            return


@njit(error_model="numpy")
def class_of(rng, night):
    """What the month's payment is meant to cover."""
    k, u = 0, chance(rng)
    while k < CLASSES - 1 and u >= night.share[k]:
        u -= night.share[k]
        k += 1
    while night.share[k] <= 0 or night.amount[k] <= 0:  # rounding of the shares may leave the last one over
        k -= 1
    return k


@njit(error_model="numpy")
def pay_today(rng, world, log, debtor, account, i, night, items, touch, month, t, talked):
    """The next part of a payment, or the month's decision to pay."""
    day = month.first + t
    if account.parts > 0 and account.part_on == day:
        if world.forgets:
            day_of_chance(log, i, day, CONTINUES)
        if chance(rng) < CONTINUES:
            account.parts -= 1
            account.part_on += account.part_step
            pay(rng, log, debtor, account, i, night, items, month, day, account.part_amount, STANDING_ORDER, talked)
        else:
            account.parts = 0
        return
    if night.paid or night.rate <= 0 or debtor.stopped:
        return
    base = night.rate * night.profile[t]
    promised = False
    if touch.moves and night.worked:
        if debtor.state == DISPUTED:
            return
        promised = account.promise_open == 1 and debtor.state == PROMISED
        if debtor.state == REMINDED:
            base *= touch.reminded ** WORTH[debtor.tired] if touch.tires else touch.reminded
        elif debtor.state == PRESSED:
            base *= touch.pressed ** WORTH[debtor.tired] if touch.tires else touch.pressed
    elif touch.lifts and night.tried:
        base *= night.lift
    hazard = keep_hazard(day, debtor.due_on, touch.keeps) if promised else 1 - np.exp(-base)
    if world.forgets:
        hazard = 1 - (1 - hazard) * (1 - late_hazard(night, debtor, month, t))
    if night.pays != UNDRAWN:
        hazard = 1.0 if day == night.pays_on else 0.0
    if world.forgets and hazard > 0:
        day_of_chance(log, i, day, hazard)
    if hazard > 0 and chance(rng) < hazard:
        if promised:
            amount = min(account.promised, night.balance)
            if chance(rng) < PROMISE_SHORT:
                amount -= amount // 2
            pay(rng, log, debtor, account, i, night, items, month, day, amount, debtor.method, talked)
        else:
            pay_from_budget(rng, log, debtor, account, i, night, items, month, day, talked)
    elif night.stage == CURRENT and debtor.method == DIRECT_DEBIT and night.profile[t] == 1.0 and night.due > 0:
        contact_row(log, i, debtor, day, 300, Channel.DEBIT, Direction.OUTBOUND, Outcome.REJECTED)
        debtor.contacts += 1


@njit(error_model="numpy")
def pay_from_budget(rng, log, debtor, account, i, night, items, month, day, talked):
    k = night.pays if night.pays != UNDRAWN else class_of(rng, night)
    amount = night.amount[k]
    if may_burst(night, k):
        u = chance(rng)
        for parts, step, portion in PARTS:
            if u < portion:
                if parts > 1:
                    account.parts, account.part_on, account.part_step, account.part_amount = (
                        parts - 1,
                        day + step,
                        step,
                        amount // parts,
                    )
                    method = STANDING_ORDER if chance(rng) < 0.7 else CASH
                    pay(rng, log, debtor, account, i, night, items, month, day, amount // parts, method, talked)
                    return
                break
            u -= portion
    if is_settlement(night, k, night.balance):
        pay(rng, log, debtor, account, i, night, items, month, day, amount, -1, talked)
        waive(log, account, i, day)
        return
    pay(rng, log, debtor, account, i, night, items, month, day, amount, debtor.method, talked)


@njit(error_model="numpy")
def pay(rng, log, debtor, account, i, night, items, month, day, amount, method, talked):
    """Book a payment, decide when it is known and whether it will be taken back. method -1: a settlement by transfer,
    known at once.
    """
    settlement = method < 0
    method = TRANSFER if settlement else method
    reversed_later = not settlement and chance(rng) < REVERSAL_RATE[method]
    known, u = day, chance(rng)
    if not reversed_later and not settlement and u >= SAME_DAY_SHARE:
        known = day + 1 if u < 1 - LATE_SHARE else day + 2 + below(rng, MOST_LATE - 1)
    seq = account.payments
    account.payments += 1
    row = new_row(log, PAYMENTS, i, day, known)
    row.seq, row.amount, row.code, row.way = seq, amount, PaymentKind.PAYMENT, method
    row.minute = minute = min(talked + 5 + below(rng, 200), 1425) if talked >= 0 else 420 + below(rng, 960)
    if account.book == INVOICES or account.book == UTILITY:
        row.detail = named_item(account, i, items, amount, day)
    account.settled += amount
    account.balance -= amount
    account.paid_on, account.promise_open = day, 0
    night.paid, night.paid_known = 1, known
    if known >= month.first + month.length:
        account.unknown += amount
    else:
        account.after += amount
    if method == CARD_PAYMENT and chance(rng) < 0.4:
        channel = Channel.PORTAL if chance(rng) < 0.8 else Channel.CHAT
        contact_row(log, i, debtor, day, minute, channel, Direction.INBOUND, Outcome.PAID)
        debtor.contacts += 1
    if reversed_later:
        take_back(rng, log, account, i, day, amount, seq)


@njit(error_model="numpy")
def take_back(rng, log, account, i, day, amount, seq):
    lag, u = 0, chance(rng)
    while REVERSAL_KNOWN[lag] <= u:
        lag += 1
    taken = amount - (amount - amount // 2) if chance(rng) < PARTIAL_REVERSAL and amount > 1 else amount
    slot = 0
    while account.reversed_on[slot] != NO_DAY:
        slot += 1
    account.reversed_on[slot], account.reversed[slot], account.reversed_paid_on[slot] = day + lag, taken, day
    row = new_row(log, PAYMENTS, i, day + lag, day + lag)
    row.seq, row.minute, row.amount, row.code, row.link = account.payments, 360, taken, PaymentKind.REVERSAL, seq
    account.payments += 1


@njit(error_model="numpy")
def bring_reversals(account, day):
    for slot in range(len(account.reversed_on)):
        if account.reversed_on[slot] == day:
            account.settled -= account.reversed[slot]
            account.balance += account.reversed[slot]
            if account.reversed_paid_on[slot] > account.statement_on:
                account.after -= account.reversed[slot]
            account.reversed_on[slot] = NO_DAY


@njit(error_model="numpy")
def named_item(account, i, items, amount, day):
    """The charge a payment names: the oldest one not yet touched, if the payment is exactly its amount.
    Called before it is booked.
    """
    total = 0
    for k in range(account.items):
        if items[i, k].known_on > day or total > account.settled:
            return -1
        if total == account.settled and items[i, k].amount == amount:
            return k
        total += items[i, k].amount
    return -1


@njit(error_model="numpy")
def waive(log, account, i, day):
    """The rest of a balance given up in full settlement: a credit, never money."""
    row = new_row(log, PAYMENTS, i, day, day)
    row.seq, row.minute, row.amount, row.code, row.way = (
        account.payments,
        1430,
        account.balance,
        PaymentKind.CREDIT,
        WAIVER,
    )
    account.payments += 1
    account.settled += account.balance
    account.balance = 0
    account.waived_on = day


@njit(error_model="numpy")
def take_statement(rng, log, debtor, account, i, items, next_month, m, day):
    """The card's month: spending, interest and a late fee come onto the balance;
    the least payment falls due next month.
    """
    past, total, overdue_since = 0, 0, NO_DAY
    for k in range(account.items):
        total += items[i, k].amount
        if items[i, k].due_on < day:
            past += items[i, k].amount
            if past > account.settled and overdue_since == NO_DAY:
                overdue_since = items[i, k].due_on
    arrears = max(0, past - account.settled)
    since = day - overdue_since if arrears > 0 else 0
    due_on = next_month.first + account.due_day - 1
    if account.charged_off == 0:
        fee, spent = LATE_FEE if arrears > 0 and account.balance > 0 else 0, 0
        if fee:
            charge_row(log, i, OTHER_CHARGES + m, day, due_on, fee, ChargeKind.FEE, day)
        if since < 45 and not debtor.stopped and account.live:
            spent = np.int64(account.limit * 0.16 * chance(rng) * np.exp(0.2 * normal(rng)))
        account.balance += min(spent, max(0, account.limit - account.balance)) + account.balance * 16 // 1000 + fee
    account.statement, account.statement_on, account.after = account.balance, day, 0
    if account.charged_off == 0 and account.balance > 0 and account.items < items.shape[1]:
        account.settled = min(account.settled, total)  # money beyond what was due does not pay the next bill
        item = items[i, account.items]
        item.amount = min(account.balance, max(LEAST_BILL, account.balance * 4 // 100))
        item.due_on, item.issued_on, item.known_on = due_on, day, day
        account.items += 1
    row = new_row(log, BALANCES, i, day, day + 1)
    row.amount, row.extra, row.seq = account.balance, min(arrears, account.balance), since if account.balance > 0 else 0


@njit(error_model="numpy")
def bill_account(rng, log, debtor, account, i, night, items, month, next_month, m):
    """What the end of a month adds to an account: a bill, invoices, interest, or a postponed instalment."""
    next_day = next_month.first
    if account.book == UTILITY and account.live:
        bill_utility(rng, log, account, i, night, items, month, next_month, m)
    elif account.book == INVOICES and account.live and account.placed_on == NO_DAY:
        for _ in range(1 + (chance(rng) < 0.35)):
            amount = np.int64(account.instalment * np.exp(0.5 * normal(rng))) // 100 * 100 + 100
            due_on = next_month.first + next_month.length - 1
            add_bill(log, account, i, items, next_day - 1, due_on, amount, ChargeKind.INVOICE, next_day - 1)
    elif (
        account.book == BOUGHT
        and debtor.number % 6 == 0
        and (next_day // 30) % 3 == 0
        and account.balance > 0
        and night.paid == 0
    ):
        add_bill(
            log,
            account,
            i,
            items,
            next_day - 1,
            next_day - 1,
            account.balance // 60 + 1,
            ChargeKind.INTEREST,
            next_day - 1,
        )
    elif account.book == LOAN and account.balance > 0 and night.months_placed < 0 and chance(rng) < 0.02:
        move_due_day(rng, log, account, i, items, next_day)


@njit(error_model="numpy")
def add_bill(log, account, i, items, issued_on, due_on, amount, kind, known_on):
    if account.items >= items.shape[1]:
        return
    item = items[i, account.items]
    item.amount, item.kind, item.issued_on, item.due_on, item.known_on = amount, kind, issued_on, due_on, known_on
    charge_row(log, i, account.items, issued_on, due_on, amount, kind, known_on)
    account.items += 1
    account.balance += amount


@njit(error_model="numpy")
def bill_utility(rng, log, account, i, night, items, month, next_month, m):
    """A month's use, a late fee after a missed bill, now and then a correction in the debtor's favour."""
    issued_on, due_on = month.first + account.due_day + 8, next_month.first + account.due_day - 1
    winter = 1 + 0.35 * np.cos(2 * np.pi * (issued_on % 365.25 - 15) / 365.25)
    amount = np.int64(account.instalment * winter * np.exp(0.2 * normal(rng))) + 500
    known = issued_on + 4 + below(rng, 12) if chance(rng) < 0.03 else issued_on
    add_bill(log, account, i, items, issued_on, due_on, amount, ChargeKind.INVOICE, known)
    if known >= next_month.first:
        account.unknown_charge += amount
    if night.arrears > 0 and not night.paid:
        add_bill(log, account, i, items, issued_on, due_on, 500 + night.arrears // 50, ChargeKind.FEE, issued_on)
    if chance(rng) < 0.008 and account.balance > amount:
        charge_row(log, i, OTHER_CHARGES + m, issued_on, issued_on, -(amount // 10), ChargeKind.ADJUSTMENT, issued_on)
        account.settled += amount // 10
        account.balance -= amount // 10
    if chance(rng) < 0.008:
        account.live = 0  # moved away: no further bills


@njit(error_model="numpy")
def move_due_day(rng, log, account, i, items, next_day):
    """A postponement: a new version of the charge, known before the night. The only overdue instalment,
    else the next one.
    """
    past, k = 0, 0
    while k < account.items and past + items[i, k].amount <= account.settled:
        past += items[i, k].amount
        k += 1
    coming = k
    while coming < account.items and items[i, coming].due_on < next_day:
        coming += 1
    if coming > k + 1 or coming >= account.items or items[i, coming].due_on <= next_day + 2:
        return
    item = items[i, k]
    item.due_on = items[i, coming].due_on - 1 if coming == k + 1 else item.due_on + 3 + below(rng, 8)
    item.known_on = next_day - 1 - below(rng, 3)
    charge_row(log, i, k, item.issued_on, item.due_on, item.amount, item.kind, item.known_on)
