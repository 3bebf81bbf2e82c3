"""What the collectors do to reach a debtor, and what comes of it."""

from __future__ import annotations

from numba import njit

from features.tables import NO_DAY
from pipeline.simulate.books import CALL_COST, EU, EURO, JP, LETTER_COST, NEVER_PAYS, PERSUADABLE, REACTANT
from pipeline.simulate.fatigue import WORTH, counted, level_of, remember, take_effect
from pipeline.simulate.log import (
    Channel,
    Detail,
    Direction,
    Outcome,
    Status,
    below,
    chance,
    contact_row,
    state_all,
    state_row,
)
from pipeline.simulate.response import (
    AT_HOME,
    AT_WORK,
    CALL_HOURS,
    CALL_SHARE,
    DELIVERED,
    DISPUTED,
    KEPT_FROM,
    KEPT_SHARE,
    PLAN_SHARE,
    PRESSED,
    PROMISED,
    QUIET,
    REMINDED,
    UNDRAWN,
    UNTOUCHED,
    VOICEMAIL,
    attempts,
    promised_day,
)

PERSON_MAIN, PERSON_JOINT = 0, 1
MOBILE, HOME, MAILBOX, ADDRESS = range(4)  # endpoints
# Of conversations with who pays anyway: promises where a usual one fits what it means to pay, and where none does. The
# latter are broken, so that about as many are kept as of those whom contact moves.
MEANT_PROMISES, EMPTY_PROMISES = 0.8, 0.2
JOINT_EVERY = 17  # every 17th debtor is a couple


@njit(error_model="numpy")
def answer_rate(debtor, hour):
    """Chance that a call in this hour reaches the debtor."""
    if debtor.wrong_number or debtor.stopped:
        return 0.0
    return min(0.95, debtor.answers * (AT_WORK[hour] if debtor.employed and debtor.segment != 3 else AT_HOME[hour]))


@njit(error_model="numpy")
def contact(rng, world, log, debtor, accounts, nights, touch, month, t):
    """Call, else write, as the day's odds have it; an account whose payment is known is left out.
    Returns the minute of a talk, or -1.
    """
    day, first_call, wanted, lead = month.first + t, t == touch.forced_on, 0, -1
    for k in range(debtor.accounts):
        if to_contact(nights[k], day, first_call):
            wanted += 1
            lead = k if lead < 0 else lead
    if wanted == 0:
        return -1
    shift = world.clock_shift[debtor.group, debtor.place, day - world.months[0].first]
    calls, digital = attempts(touch, month, t)
    told = False
    if chance(rng) < calls:
        hour, u = 0, chance(rng)
        while hour < len(CALL_HOURS) - 1 and u >= CALL_SHARE[hour]:
            u -= CALL_SHARE[hour]
            hour += 1
        minute = min(max(CALL_HOURS[hour] * 60 + below(rng, 60) + shift, 0), 1405)
        channel = Channel.AUTODIAL if chance(rng) < 0.3 else Channel.CALL
        book = accounts[debtor.first + lead].book
        cost = CALL_COST[book] if channel == Channel.CALL else max(1, CALL_COST[book] // 8)
        if chance(rng) < answer_rate(debtor, hour):
            talk(rng, log, debtor, accounts, nights, touch, month, t, minute, channel, cost)
            return minute
        told = chance(rng) < VOICEMAIL
        outcome = Outcome.VOICEMAIL if told else unanswered(rng, debtor, channel)
        agent = below(rng, 16) if channel == Channel.CALL else -1
        write_contact(rng, log, debtor, accounts, nights, day, minute, channel, outcome, cost, agent, first_call)
    if not told and chance(rng) < digital:
        told = write(rng, log, debtor, accounts, nights, day, shift, lead, first_call)
    if told:
        if touch.tires:
            take_effect(debtor, touch, REMINDED, level_of(counted(debtor.messages_on, day)))
        elif debtor.state == UNTOUCHED:
            debtor.state = REMINDED
        remember(debtor.messages_on, day)
    return -1


@njit(error_model="numpy")
def to_contact(night, day, first_call):
    return night.worked and night.exits != 1 and (first_call or night.paid_known >= day)


@njit(error_model="numpy")
def unanswered(rng, debtor, channel):
    u = chance(rng)
    if debtor.stopped and u < 0.3:
        return Outcome.THIRD_PARTY
    if debtor.wrong_number and u < 0.35:
        return Outcome.WRONG_NUMBER
    if u < (0.3 if channel == Channel.AUTODIAL else 0.08):
        return Outcome.NOT_CONNECTED
    return Outcome.BUSY if u > 0.92 else Outcome.THIRD_PARTY if u > 0.87 else Outcome.NO_ANSWER


@njit(error_model="numpy")
def write_contact(rng, log, debtor, accounts, nights, day, minute, channel, outcome, cost, agent, first_call):
    """One attempt, a row for each account it is about, all with one contact number; its cost stands on the first."""
    person = PERSON_JOINT if debtor.number % JOINT_EVERY == 0 and chance(rng) < 0.4 else PERSON_MAIN
    endpoint = (
        ADDRESS
        if channel == Channel.LETTER or channel == Channel.VISIT
        else MAILBOX
        if channel == Channel.EMAIL
        else MOBILE
    )
    if endpoint == MOBILE and channel != Channel.SMS and chance(rng) < 0.25:
        endpoint = HOME
    known = day + 1 + below(rng, 2) if chance(rng) < 0.02 else day
    for k in range(debtor.accounts):
        if to_contact(nights[k], day, first_call):
            nights[k].tried = 1
            row = contact_row(log, debtor.first + k, debtor, day, minute, channel, Direction.OUTBOUND, outcome)
            row.person, row.endpoint, row.known_on, row.extra = person, endpoint, known, cost
            if agent >= 0:
                row.detail = accounts[debtor.first + k].book * 20 + agent
            if outcome == Outcome.PROMISE:
                if nights[k].paid:
                    row.outcome = Outcome.RIGHT_PARTY
                else:
                    row.amount, row.until_on = accounts[debtor.first + k].promised, debtor.due_on
            cost = -1
    debtor.contacts += 1


@njit(error_model="numpy")
def talk(rng, log, debtor, accounts, nights, touch, month, t, minute, channel, cost):
    """A conversation with the debtor: promise, dispute, a wish to be left alone, or just talk."""
    day, u, kind, first_call = month.first + t, chance(rng), debtor.type, t == touch.forced_on
    outcome, level = Outcome.RIGHT_PARTY, level_of(counted(debtor.talks_on, day)) if touch.tires else 0
    remember(debtor.talks_on, day)
    promises = touch.promises * WORTH[level]
    if touch.meant:
        fitting = meant_option(debtor, accounts, nights, month, t, first_call) >= 0
        promises = MEANT_PROMISES if fitting else EMPTY_PROMISES
    if u < promises:
        outcome = Outcome.PROMISE
        make_promise(rng, log, debtor, accounts, nights, touch, month, t, first_call)
    elif u < promises + touch.disputes:
        outcome, debtor.state = Outcome.DISPUTE, DISPUTED
        for k in range(debtor.accounts):
            if to_contact(nights[k], day, first_call):
                accounts[debtor.first + k].disputed_on = day
                state_row(log, debtor.first + k, Status.DISPUTE, day, NO_DAY, day, -1)
    elif u < promises + touch.disputes + touch.quiets:
        v = chance(rng)
        if kind == PERSUADABLE:
            status = (
                Status.HARDSHIP
                if v < 0.5
                else Status.VULNERABLE
                if v < 0.7
                else Status.CEASE_CONTACT
                if v < 0.9
                else Status.OPT_OUT_CALL
            )
        elif kind == REACTANT:
            status = Status.CEASE_CONTACT if v < 0.5 else Status.OPT_OUT_CALL if v < 0.8 else Status.INCONVENIENT
        else:
            status = (
                Status.CEASE_CONTACT
                if v < 0.4
                else Status.ATTORNEY
                if v < 0.6
                else Status.HARDSHIP
                if v < 0.85
                else Status.VULNERABLE
            )
        outcome = Outcome.COMPLAINT if kind == REACTANT and v < 0.4 else Outcome.RIGHT_PARTY
        hush(log, debtor, accounts, status, day, Detail.EVENINGS if status == Status.INCONVENIENT else -1)
    else:
        if touch.tires:
            take_effect(debtor, touch, PRESSED, level)
        else:
            debtor.state = PRESSED
        refuses = 0.55 if kind == NEVER_PAYS else 0.4 if kind == REACTANT else 0.12
        if chance(rng) < refuses:
            outcome = Outcome.REFUSAL
        elif chance(rng) < 0.1:
            on, clock = day + 1 + below(rng, 6), 540 + 30 * below(rng, 20)
            for k in range(debtor.accounts):
                if to_contact(nights[k], day, first_call):
                    state_row(log, debtor.first + k, Status.CALLBACK, on, on, day, -1).minute = clock
    write_contact(rng, log, debtor, accounts, nights, day, minute, channel, outcome, cost, below(rng, 16), first_call)


@njit(error_model="numpy")
def make_promise(rng, log, debtor, accounts, nights, touch, month, t, first_call):
    """A day and an amount for every account still unpaid; some promises begin a plan of monthly amounts."""
    day, u = month.first + t, chance(rng)
    option = 0
    meant = meant_option(debtor, accounts, nights, month, t, first_call) if touch.meant else -1
    if meant >= 0:
        option, u = meant, 0.0
    while option < 2 and u >= promised_day(option, day, 0)[1]:
        u -= promised_day(option, day, 0)[1]
        option += 1
    debtor.state = PROMISED
    debtor.due_on = promised_day(option, day, month.next_pay[debtor.payday, t])[0]
    plan = chance(rng) < PLAN_SHARE and touch.binds
    for k in range(debtor.accounts):
        account, night = accounts[debtor.first + k], nights[k]
        if not to_contact(night, day, first_call) or night.paid or meant >= 0 and not fits(night, debtor.due_on):
            continue
        account.promise_open, account.promised = 1, night.instalment if plan else night.promise
        if plan:
            account.plan_on, account.plan_amount, account.plan_missed = day + 1, night.instalment, 0
            state_row(log, debtor.first + k, Status.PLAN, day + 1, NO_DAY, day, -1)


@njit(error_model="numpy")
def meant_option(debtor, accounts, nights, month, t, first_call):
    """The usual promise into which the payment that the debtor means to make falls best; -1 where none fits."""
    found, most, day = -1, 0.0, month.first + t
    for option in range(3):
        due, share = promised_day(option, day, month.next_pay[debtor.payday, t])
        for k in range(debtor.accounts):
            night = nights[k]
            if to_contact(night, day, first_call) and not night.paid and fits(night, due):
                weight = share * KEPT_SHARE[night.pays_on - due - KEPT_FROM]
                if weight > most:
                    found, most = option, weight
    return found


@njit(error_model="numpy")
def fits(night, due):
    """Whether the month's payment falls on the days on which promises are kept, and covers what is promised."""
    late = night.pays_on - due - KEPT_FROM
    return night.pays != UNDRAWN and 0 <= late < len(KEPT_SHARE) and night.amount[night.pays] >= night.promise


@njit(error_model="numpy")
def write(rng, log, debtor, accounts, nights, day, shift, lead, first_call):
    """A text, e-mail, letter, voicemail drop or visit. True if it arrived.
    Whoever opts out is written to on paper from then on.
    """
    u, book = chance(rng), accounts[debtor.first + lead].book
    euro = EURO[book]
    channel, cost = Channel.LETTER, LETTER_COST[book]
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
            state_all(
                log,
                debtor,
                accounts,
                Status.OPT_OUT_SMS if channel == Channel.SMS else Status.OPT_OUT_EMAIL,
                day,
                NO_DAY,
                day,
                -1,
            )
        elif v < 0.4 and channel == Channel.EMAIL:
            outcome = Outcome.OPENED
    write_contact(rng, log, debtor, accounts, nights, day, minute, channel, outcome, cost, -1, first_call)
    return outcome != Outcome.BOUNCED and outcome != Outcome.NO_ANSWER


@njit(error_model="numpy")
def remind(rng, log, debtor, i, day):
    """A friendly reminder before the due day of an account in good order; it changes nothing."""
    channel = Channel.SMS if chance(rng) < 0.5 and debtor.group != JP and not debtor.opted & 1 else Channel.EMAIL
    if channel == Channel.EMAIL and debtor.opted & 2:
        return
    row = contact_row(log, i, debtor, day, 600 + below(rng, 300), channel, Direction.OUTBOUND, Outcome.DELIVERED)
    row.endpoint = MOBILE if channel == Channel.SMS else MAILBOX
    debtor.contacts += 1


@njit(error_model="numpy")
def hush(log, debtor, accounts, status, day, detail):
    debtor.state, debtor.quiet, debtor.quiet_on = QUIET, status, day
    state_all(log, debtor, accounts, status, day, NO_DAY, day, detail)
