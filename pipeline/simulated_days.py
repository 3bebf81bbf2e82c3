"""One month of a debtor, day by day: contact, payments, reversals, statements. The same steps as `simulated_response.respond`, drawn."""

from __future__ import annotations

import numpy as np
from numba import njit

from features.tables import NO_DAY
from pipeline.simulated_books import (
    CARD, CARD_PAYMENT, CASH, DIRECT_DEBIT, EU, GB, INVOICES, JP, PERSUADABLE, REACTANT, STANDING_ORDER, TRANSFER, UTILITY, WAIVER,
)  # fmt: skip
from pipeline.simulated_books import NEVER as NEVER_PAYS
from pipeline.simulated_log import (
    Channel,
    ChargeKind,
    Detail,
    Direction,
    Outcome,
    PaymentKind,
    Status,
    below,
    chance,
    contact_row,
    normal,
    room,
    state_all,
    state_row,
)
from pipeline.simulated_response import (
    AT_HOME, AT_WORK, CALL_HOURS, CALL_SHARE, CLASSES, CONTINUES, CONVERSATION_FADES, CURRENT, DELIVERED, DISPUTED, HUSHES, LATE_SHARE, MOST_LATE, PARTIAL_REVERSAL, PARTS, PLAN_SHARE, PRESSED, PROMISE_LASTS, PROMISE_SHORT, PROMISED, QUIET, REMINDED, REMINDER_FADES, REVERSAL_KNOWN, REVERSAL_RATE, STOPS, UNTOUCHED, VOICEMAIL, is_settlement, keep_hazard, may_burst, promised_day,
)  # fmt: skip

SAME_DAY_SHARE = 0.58  # of payments known on their day; LATE_SHARE later than the next
PERSON_MAIN, PERSON_JOINT = 0, 1
MOBILE, HOME, MAILBOX, ADDRESS = range(4)  # endpoints
JOINT_EVERY = 17  # every 17th debtor is a couple


@njit(cache=True)
def answer_rate(debtor, hour):
    """Chance that a call in this hour reaches the debtor."""
    if debtor.wrong_number or debtor.stopped:
        return 0.0
    return min(0.95, debtor.answers * (AT_WORK[hour] if debtor.employed and debtor.segment != 3 else AT_HOME[hour]))


@njit(cache=True)
def days(rng, world, log, debtor, accounts, nights, due, touch, acting, coin, m):
    """Live the month. touch: what contact does; acting: the collectors work the debtor; coin: 1 heads, 0 tails, -1 no coin was thrown."""
    first_day, length = world.nights[m], world.nights[m + 1] - world.nights[m]
    forced = coin == 1
    for k in range(debtor.accounts):
        accounts[debtor.first + k].unknown = 0
        accounts[debtor.first + k].unknown_charge = 0
    for t in range(length):
        day = first_day + t
        if debtor.stopped == 0 and chance(rng) < STOPS:
            stop(rng, log, debtor, accounts, day)
        if debtor.stopped == 0:
            change_state(rng, log, debtor, accounts, nights, day)
        talked = -1
        if acting and debtor.state <= PRESSED and day <= debtor.stop_known:
            first_call = forced and touch.calls[t] == 1.0
            talked = contact(rng, world, log, debtor, accounts, nights, touch, m, t, first_call)
            forced = forced and not first_call
        for k in range(debtor.accounts):
            i = debtor.first + k
            if m < accounts[i].from_night or accounts[i].gone or nights[k].exits == 1:
                continue
            bring_reversals(accounts[i], day)
            pay_today(rng, world, log, debtor, accounts[i], i, nights[k], due, touch, m, t, talked)
            if nights[k].stage == CURRENT and nights[k].due_on - day == 4 and coin < 0 and chance(rng) < 0.12:
                remind(rng, world, log, debtor, i, day)
            if accounts[i].book == CARD and t == accounts[i].due_day + 2:
                take_statement(rng, world, log, debtor, accounts[i], i, nights[k], due, m, day)


@njit(cache=True)
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


@njit(cache=True)
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
    elif debtor.state == REMINDED and chance(rng) < REMINDER_FADES or debtor.state == PRESSED and chance(rng) < CONVERSATION_FADES:
        debtor.state = UNTOUCHED


@njit(cache=True)
def hush(log, debtor, accounts, status, day, detail):
    debtor.state, debtor.quiet, debtor.quiet_on = QUIET, status, day
    state_all(log, debtor, accounts, status, day, NO_DAY, day, detail)


@njit(cache=True)
def contact(rng, world, log, debtor, accounts, nights, touch, m, t, first_call):
    """Call, else write, as the day's odds have it; accounts whose payment is known are left out. Returns the minute of a conversation or -1."""
    day, wanted, lead = world.nights[m] + t, 0, -1
    for k in range(debtor.accounts):
        if to_contact(nights[k], day, first_call):
            wanted += 1
            lead = k if lead < 0 else lead
    if wanted == 0:
        return -1
    shift = world.clock_shift[debtor.group, debtor.place, day - world.nights[0]]
    told = False
    if chance(rng) < touch.calls[t]:
        hour, u = 0, chance(rng)
        while hour < len(CALL_HOURS) - 1 and u >= CALL_SHARE[hour]:
            u -= CALL_SHARE[hour]
            hour += 1
        minute = min(max(CALL_HOURS[hour] * 60 + below(rng, 60) + shift, 0), 1405)
        channel = Channel.AUTODIAL if chance(rng) < 0.3 else Channel.CALL
        book = accounts[debtor.first + lead].book
        cost = world.call_cost[book] if channel == Channel.CALL else max(1, world.call_cost[book] // 8)
        if chance(rng) < answer_rate(debtor, hour):
            talk(rng, world, log, debtor, accounts, nights, touch, m, t, minute, channel, cost, first_call)
            return minute
        told = chance(rng) < VOICEMAIL
        outcome = Outcome.VOICEMAIL if told else unanswered(rng, debtor, channel)
        agent = below(rng, 16) if channel == Channel.CALL else -1
        write_contact(rng, log, debtor, accounts, nights, day, minute, channel, outcome, cost, agent, first_call)
    if not told and chance(rng) < touch.digital[t]:
        told = write(rng, world, log, debtor, accounts, nights, day, shift, lead, first_call)
    if told and debtor.state == UNTOUCHED:
        debtor.state = REMINDED
    return -1


@njit(cache=True)
def to_contact(night, day, first_call):
    return night.worked and night.exits != 1 and (first_call or night.paid_known >= day)


@njit(cache=True)
def unanswered(rng, debtor, channel):
    u = chance(rng)
    if debtor.stopped and u < 0.3:
        return Outcome.THIRD_PARTY
    if debtor.wrong_number and u < 0.35:
        return Outcome.WRONG_NUMBER
    if u < (0.3 if channel == Channel.AUTODIAL else 0.08):
        return Outcome.NOT_CONNECTED
    return Outcome.BUSY if u > 0.92 else Outcome.THIRD_PARTY if u > 0.87 else Outcome.NO_ANSWER


@njit(cache=True)
def write_contact(rng, log, debtor, accounts, nights, day, minute, channel, outcome, cost, agent, first_call):
    """One attempt, a row for each account it is about, all with one contact number; its cost stands on the first."""
    seq = debtor.contacts
    debtor.contacts += 1
    person = PERSON_JOINT if debtor.number % JOINT_EVERY == 0 and chance(rng) < 0.4 else PERSON_MAIN
    endpoint = ADDRESS if channel == Channel.LETTER or channel == Channel.VISIT else MAILBOX if channel == Channel.EMAIL else MOBILE
    if endpoint == MOBILE and channel != Channel.SMS and chance(rng) < 0.25:
        endpoint = HOME
    known = day + 1 + below(rng, 2) if chance(rng) < 0.02 else day
    for k in range(debtor.accounts):
        if to_contact(nights[k], day, first_call):
            row = contact_row(log, debtor.first + k, seq, day, minute, channel, Direction.OUTBOUND, outcome, cost)
            row.person, row.endpoint, row.known_on = person, endpoint, known
            if agent >= 0:
                row.agent = accounts[debtor.first + k].book * 20 + agent
            if outcome == Outcome.PROMISE:
                if nights[k].paid:
                    row.outcome = Outcome.RIGHT_PARTY
                else:
                    row.promised, row.due_on = accounts[debtor.first + k].promised, debtor.due_on
            cost = -1


@njit(cache=True)
def talk(rng, world, log, debtor, accounts, nights, touch, m, t, minute, channel, cost, first_call):
    """A conversation with the debtor: promise, dispute, a wish to be left alone, or talk."""
    day, u, kind = world.nights[m] + t, chance(rng), debtor.type
    outcome = Outcome.RIGHT_PARTY
    if u < touch.promises:
        outcome = Outcome.PROMISE
        make_promise(rng, world, log, debtor, accounts, nights, m, t, first_call)
    elif u < touch.promises + touch.disputes:
        outcome, debtor.state = Outcome.DISPUTE, DISPUTED
        for k in range(debtor.accounts):
            if to_contact(nights[k], day, first_call):
                accounts[debtor.first + k].disputed_on = day
                state_row(log, debtor.first + k, Status.DISPUTE, day, NO_DAY, day, -1, -1)
    elif u < touch.promises + touch.disputes + touch.quiets:
        v = chance(rng)
        if kind == PERSUADABLE:
            status = (
                Status.HARDSHIP if v < 0.5 else Status.VULNERABLE if v < 0.7 else Status.CEASE_CONTACT if v < 0.9 else Status.OPT_OUT_CALL
            )
        elif kind == REACTANT:
            status = Status.CEASE_CONTACT if v < 0.5 else Status.OPT_OUT_CALL if v < 0.8 else Status.INCONVENIENT
        else:
            status = Status.CEASE_CONTACT if v < 0.4 else Status.ATTORNEY if v < 0.6 else Status.HARDSHIP if v < 0.85 else Status.VULNERABLE
        outcome = Outcome.COMPLAINT if kind == REACTANT and v < 0.4 else Outcome.RIGHT_PARTY
        hush(log, debtor, accounts, status, day, Detail.EVENINGS if status == Status.INCONVENIENT else -1)
    else:
        debtor.state = PRESSED
        refuses = 0.55 if kind == NEVER_PAYS else 0.4 if kind == REACTANT else 0.12
        if chance(rng) < refuses:
            outcome = Outcome.REFUSAL
        elif chance(rng) < 0.1:
            on, clock = day + 1 + below(rng, 6), 540 + 30 * below(rng, 20)
            for k in range(debtor.accounts):
                if to_contact(nights[k], day, first_call):
                    state_row(log, debtor.first + k, Status.CALLBACK, on, on, day, -1, clock)
    write_contact(rng, log, debtor, accounts, nights, day, minute, channel, outcome, cost, below(rng, 16), first_call)


@njit(cache=True)
def make_promise(rng, world, log, debtor, accounts, nights, m, t, first_call):
    """A day and an amount for every account still unpaid; some promises begin a plan of monthly amounts."""
    day, u = world.nights[m] + t, chance(rng)
    option = 0
    while option < 2 and u >= promised_day(option, day, 0)[1]:
        u -= promised_day(option, day, 0)[1]
        option += 1
    debtor.state = PROMISED
    debtor.due_on = promised_day(option, day, world.next_pay[m, debtor.payday, t])[0]
    plan = chance(rng) < PLAN_SHARE
    for k in range(debtor.accounts):
        account, night = accounts[debtor.first + k], nights[k]
        if not to_contact(night, day, first_call) or night.paid:
            continue
        account.promise_open, account.promised = 1, night.instalment if plan else night.promise
        if plan:
            account.plan_on, account.plan_amount, account.plan_missed = day + 1, night.instalment, 0
            state_row(log, debtor.first + k, Status.PLAN, day + 1, NO_DAY, day, -1, -1)


@njit(cache=True)
def write(rng, world, log, debtor, accounts, nights, day, shift, lead, first_call):
    """A text, e-mail, letter, voicemail drop or visit. True if it arrived. Whoever opts out is written to on paper from then on."""
    u, book = chance(rng), accounts[debtor.first + lead].book
    euro = world.euro[book]
    channel, cost = Channel.LETTER, world.letter_cost[book]
    if debtor.group == JP:
        if u < 0.6:
            channel, cost = Channel.EMAIL, max(1, int(0.02 * euro))
    elif u < 0.45 and not debtor.opted & 1:
        channel, cost = Channel.SMS, int(0.08 * euro)
    elif u < 0.75 and not debtor.opted & 2:
        channel, cost = Channel.EMAIL, int(0.02 * euro)
    elif u < 0.80:
        channel, cost = Channel.VOICEMAIL, int(0.15 * euro)
    elif u < 0.83 and debtor.group == EU:
        channel, cost = Channel.VISIT, int(25 * euro)
    minute = min(9 * 60 + below(rng, 600) + shift, 1405)
    if chance(rng) >= DELIVERED:
        outcome = Outcome.NO_ANSWER if channel == Channel.VISIT else Outcome.BOUNCED
    elif channel == Channel.VOICEMAIL:
        outcome = Outcome.VOICEMAIL
    elif channel == Channel.LETTER:
        outcome = -1 if chance(rng) < 0.5 else Outcome.DELIVERED
    else:
        outcome, v = Outcome.DELIVERED, chance(rng)
        if v < 0.01 and (channel == Channel.SMS or channel == Channel.EMAIL):
            outcome = Outcome.UNSUBSCRIBED
            debtor.opted |= 1 if channel == Channel.SMS else 2
            state_all(log, debtor, accounts, Status.OPT_OUT_SMS if channel == Channel.SMS else Status.OPT_OUT_EMAIL, day, NO_DAY, day, -1)
        elif v < 0.4 and channel == Channel.EMAIL:
            outcome = Outcome.OPENED
    write_contact(rng, log, debtor, accounts, nights, day, minute, channel, outcome, cost, -1, first_call)
    return outcome != Outcome.BOUNCED and outcome != Outcome.NO_ANSWER


@njit(cache=True)
def remind(rng, world, log, debtor, i, day):
    """A friendly reminder before the due day of an account in good order; it changes nothing."""
    channel = Channel.SMS if chance(rng) < 0.5 and debtor.group != JP and not debtor.opted & 1 else Channel.EMAIL
    if channel == Channel.EMAIL and debtor.opted & 2:
        return
    row = contact_row(log, i, debtor.contacts, day, 600 + below(rng, 300), channel, Direction.OUTBOUND, Outcome.DELIVERED, -1)
    row.person, row.endpoint = PERSON_MAIN, MOBILE if channel == Channel.SMS else MAILBOX
    debtor.contacts += 1


@njit(cache=True)
def pay_today(rng, world, log, debtor, account, i, night, due, touch, m, t, talked):
    """The next part of a payment, or the month's decision to pay."""
    first_day = world.nights[m]
    day = first_day + t
    if account.parts > 0 and account.part_on == day:
        if chance(rng) < CONTINUES:
            account.parts -= 1
            account.part_on += account.part_step
            pay(rng, world, log, debtor, account, i, night, due, m, day, account.part_amount, STANDING_ORDER, talked)
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
            base *= touch.reminded
        elif debtor.state == PRESSED:
            base *= touch.pressed
    hazard = keep_hazard(day, debtor.due_on, touch.keeps) if promised else 1 - np.exp(-base)
    if hazard > 0 and chance(rng) < hazard:
        if promised:
            amount = min(account.promised, night.balance)
            if chance(rng) < PROMISE_SHORT:
                amount -= amount // 2
            pay(rng, world, log, debtor, account, i, night, due, m, day, amount, debtor.method, talked)
        else:
            pay_from_budget(rng, world, log, debtor, account, i, night, due, m, day, talked)
    elif night.stage == CURRENT and debtor.method == DIRECT_DEBIT and night.profile[t] == 1.0 and night.due > 0:
        row = contact_row(log, i, debtor.contacts, day, 300, Channel.DEBIT, Direction.OUTBOUND, Outcome.REJECTED, -1)
        row.person = PERSON_MAIN
        debtor.contacts += 1


@njit(cache=True)
def pay_from_budget(rng, world, log, debtor, account, i, night, due, m, day, talked):
    k, u = 0, chance(rng)
    while k < CLASSES - 1 and u >= night.share[k]:
        u -= night.share[k]
        k += 1
    while night.share[k] <= 0 or night.amount[k] <= 0:  # rounding of the shares may leave the last one over
        k -= 1
    amount = night.amount[k]
    if may_burst(night, k):
        u = chance(rng)
        for parts, step, portion in PARTS:
            if u < portion:
                if parts > 1:
                    account.parts, account.part_on, account.part_step, account.part_amount = parts - 1, day + step, step, amount // parts
                    method = STANDING_ORDER if chance(rng) < 0.7 else CASH
                    pay(rng, world, log, debtor, account, i, night, due, m, day, amount // parts, method, talked)
                    return
                break
            u -= portion
    if is_settlement(night, k, night.balance):
        pay(rng, world, log, debtor, account, i, night, due, m, day, amount, -1, talked)
        waive(log, account, i, day)
        return
    pay(rng, world, log, debtor, account, i, night, due, m, day, amount, debtor.method, talked)


@njit(cache=True)
def pay(rng, world, log, debtor, account, i, night, due, m, day, amount, method, talked):
    """Book a payment, decide when it is known and whether it will be taken back. method -1: a settlement by transfer, known at once."""
    settlement = method < 0
    method = TRANSFER if settlement else method
    reversed_later = not settlement and chance(rng) < REVERSAL_RATE[method]
    known, u = day, chance(rng)
    if not reversed_later and not settlement and u >= SAME_DAY_SHARE:
        known = day + 1 if u < 1 - LATE_SHARE else day + 2 + below(rng, MOST_LATE - 1)
    seq = account.payments
    account.payments += 1
    row = log.paid[room(log, 0, log.paid)]
    row.account, row.seq, row.day, row.amount, row.kind, row.reverses, row.method = i, seq, day, amount, PaymentKind.PAYMENT, -1, method
    row.minute = min(talked + 5 + below(rng, 200), 1425) if talked >= 0 else 420 + below(rng, 960)
    row.known_on = known
    row.item = named_item(account, i, due, amount, day) if account.book == INVOICES or account.book == UTILITY else -1
    minute = row.minute
    account.settled += amount
    account.balance -= amount
    account.last_paid, account.promise_open = day, 0
    night.paid, night.paid_known = 1, known
    if known >= world.nights[m + 1]:
        account.unknown += amount
    else:
        account.after += amount
    if method == CARD_PAYMENT and chance(rng) < 0.4:
        seen = contact_row(
            log, i, debtor.contacts, day, minute, Channel.PORTAL if chance(rng) < 0.8 else Channel.CHAT, Direction.INBOUND, Outcome.PAID, -1
        )
        seen.person = PERSON_MAIN
        debtor.contacts += 1
    if reversed_later:
        take_back(rng, log, account, i, day, amount, seq)


@njit(cache=True)
def take_back(rng, log, account, i, day, amount, seq):
    lag, u = 0, chance(rng)
    while REVERSAL_KNOWN[lag] <= u:
        lag += 1
    taken = amount - (amount - amount // 2) if chance(rng) < PARTIAL_REVERSAL and amount > 1 else amount
    slot = 0
    while account.reversed_on[slot] != NO_DAY:
        slot += 1
    account.reversed_on[slot], account.reversed[slot], account.reversed_paid_on[slot] = day + lag, taken, day
    row = log.paid[room(log, 0, log.paid)]
    row.account, row.seq, row.day, row.minute, row.amount, row.kind = i, account.payments, day + lag, 360, taken, PaymentKind.REVERSAL
    row.reverses, row.method, row.known_on, row.item = seq, -1, day + lag, -1
    account.payments += 1


@njit(cache=True)
def bring_reversals(account, day):
    for slot in range(len(account.reversed_on)):
        if account.reversed_on[slot] == day:
            account.settled -= account.reversed[slot]
            account.balance += account.reversed[slot]
            if account.reversed_paid_on[slot] > account.statement_on:
                account.after -= account.reversed[slot]
            account.reversed_on[slot] = NO_DAY


@njit(cache=True)
def named_item(account, i, due, amount, day):
    """The charge a payment names: the oldest one not yet touched, if the payment is exactly its amount. Called before it is booked."""
    total = 0
    for item in range(account.items):
        if due.known_on[i, item] > day or total > account.settled:
            return -1
        if total == account.settled and due.amount[i, item] == amount:
            return item
        total += due.amount[i, item]
    return -1


@njit(cache=True)
def waive(log, account, i, day):
    """The rest of a balance given up in full settlement: a credit, never money."""
    row = log.paid[room(log, 0, log.paid)]
    row.account, row.seq, row.day, row.minute, row.amount, row.kind = i, account.payments, day, 1430, account.balance, PaymentKind.CREDIT
    row.reverses, row.method, row.known_on, row.item = -1, WAIVER, day, -1
    account.payments += 1
    account.settled += account.balance
    account.balance = 0
    account.waived_on = day


@njit(cache=True)
def take_statement(rng, world, log, debtor, account, i, night, due, m, day):
    """The card's month: spending, interest and a late fee come onto the balance; the least payment falls due next month."""
    past, overdue_since = 0, NO_DAY
    for item in range(account.items):
        if due.due_on[i, item] < day:
            past += due.amount[i, item]
            if past > account.settled and overdue_since == NO_DAY:
                overdue_since = due.due_on[i, item]
    arrears = max(0, past - account.settled)
    since = day - overdue_since if arrears > 0 else 0
    if account.charged_off == 0:
        fee = 1200 if arrears > 0 and account.balance > 0 else 0
        if fee:
            row = log.billed[room(log, 3, log.billed)]
            row.account, row.item, row.issued_on, row.due_on = i, 100 + m, day, world.nights[m + 1] + account.due_day - 1
            row.amount, row.kind, row.known_on = fee, ChargeKind.FEE, day
        spent = 0
        if since < 45 and not debtor.stopped and account.live:
            spent = np.int64(account.limit * 0.16 * chance(rng) * np.exp(0.2 * normal(rng)))
        account.balance += min(spent, max(0, account.limit - account.balance)) + account.balance * 16 // 1000 + fee
    account.statement, account.statement_on, account.after = account.balance, day, 0
    if account.charged_off == 0 and account.balance > 0 and account.items < due.amount.shape[1]:
        account.settled = min(account.settled, due.amount[i, : account.items].sum())
        item = account.items
        account.items += 1
        due.amount[i, item] = min(account.balance, max(2500, account.balance * 4 // 100))
        due.due_on[i, item] = world.nights[m + 1] + account.due_day - 1
        due.issued_on[i, item] = due.known_on[i, item] = day
    row = log.taken[room(log, 4, log.taken)]
    row.account, row.taken_on, row.balance, row.arrears = i, day, account.balance, min(arrears, account.balance)
    row.days_past_due, row.known_on = since if account.balance > 0 else 0, day + 1
