"""The made-up books: who owes what, where, since when, and the calendar they live by. Everything here is drawn once per debtor."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from features.tables import NEVER as NEVER_COMES
from features.tables import NO_DAY

EPOCH = dt.date(1970, 1, 1)
DAYS_IN_MONTH = 31  # length of the day axis of every monthly table below
MOST_ACCOUNTS = 3  # per debtor

CARD, LOAN, UTILITY, BOUGHT, INVOICES = range(5)
GB, EU, US, JP = range(4)
SURE, PERSUADABLE, NEVER, REACTANT = range(4)
RESPONSE_TYPES = ("pays_anyway", "pays_if_contacted", "never_pays", "pays_less_if_pressed")
METHODS = ("direct_debit", "card", "bank_transfer", "cash", "cheque", "standing_order", "waiver")
DIRECT_DEBIT, CARD_PAYMENT, TRANSFER, CASH, CHEQUE, STANDING_ORDER, WAIVER = range(7)
SEGMENTS = ("salaried", "public", "self_employed", "retired", "out_of_work")
SALE_CHANNELS = ("branch", "online", "broker", "phone")
AGE_BANDS = ("18-24", "25-34", "35-49", "50-64", "65+")


@dataclass(frozen=True)
class Book:
    """A portfolio of the trade. Money is in minor units of its currency; `rounding` is what a round part payment is a multiple of."""

    portfolio: str
    group: int
    currency: str
    decimals: int
    zone: str
    debtor_type: str
    products: tuple[str, ...]
    rounding: int
    euro: float  # minor units per euro, for sizes that must compare across currencies
    call_cost: int
    letter_cost: int


BOOKS = (
    Book("card_gb", GB, "GBP", 2, "Europe/London", "consumer", ("credit_card", "store_card"), 500, 86.0, 110, 95),
    Book("loan_eu", EU, "EUR", 2, "Europe/Paris", "consumer", ("personal_loan", "car_loan", "retail_loan"), 500, 100.0, 120, 100),
    Book("utility_us", US, "USD", 2, "America/New_York", "consumer", ("electricity", "gas", "water"), 500, 108.0, 130, 90),
    Book("bought_us", US, "USD", 2, "America/New_York", "consumer", ("card_debt", "telecom_debt", "medical_debt"), 500, 108.0, 130, 90),
    Book("invoices_jp", JP, "JPY", 0, "Asia/Tokyo", "commercial", ("wholesale", "services"), 1000, 164.0, 190, 150),
)

GROUP_SHARE = (0.25, 0.25, 0.36, 0.14)
# Response to contact, per group: pays anyway, pays if contacted, never pays, pays less if pressed.
TYPE_SHARE = ((0.42, 0.28, 0.17, 0.13), (0.42, 0.28, 0.17, 0.13), (0.36, 0.28, 0.23, 0.13), (0.50, 0.28, 0.12, 0.10))
ACCOUNTS_SHARE = (0.70, 0.22, 0.08)
# (jurisdiction, time zone, share): None is a cell left empty. The last rows of a group are places nobody signed off, or unknown.
PLACES = (
    (
        ("GB-ENG", "Europe/London", 0.83), ("GB-SCT", "Europe/London", 0.09), ("GB-WLS", "Europe/London", 0.05),
        ("GB-ENG", None, 0.01), (None, "Europe/London", 0.01), ("GB-NIR", "Europe/London", 0.01),
    ),
    (
        ("FR", "Europe/Paris", 0.45), ("DE", "Europe/Berlin", 0.24), ("ES", "Europe/Madrid", 0.16), ("ES", "Atlantic/Canary", 0.02),
        ("IE", "Europe/Dublin", 0.10), ("FR", None, 0.01), (None, "Europe/Paris", 0.01), ("PL", "Europe/Warsaw", 0.01),
    ),
    (
        ("US-NY", "America/New_York", 0.14), ("US-NY/NYC", "America/New_York", 0.10), ("US-MA", "America/New_York", 0.14),
        ("US-DC", "America/New_York", 0.03), ("US-FL", "America/New_York", 0.14), ("US-FL", "America/Chicago", 0.03),
        ("US-TX", "America/Chicago", 0.16), ("US-TX", "America/Denver", 0.02), ("US-CA", "America/Los_Angeles", 0.20),
        ("US-TX", None, 0.01), (None, "America/Chicago", 0.01), ("US-NV", "America/Los_Angeles", 0.02),
    ),
    (("JP", "Asia/Tokyo", 0.97), ("JP", None, 0.02), (None, "Asia/Tokyo", 0.01)),
)  # fmt: skip
FLORIDA = "US-FL"
PAYDAYS = (5, 10, 15, 20, 25, 28, 31, 0)  # day of the month; 31 is the last day, 0 is every Friday
PAYDAY_SHARE = ((0.05, 0.05, 0.10, 0.10, 0.22, 0.26, 0.14, 0.08), (0.02, 0.10, 0.06, 0.16, 0.14, 0.04, 0.48, 0.0))  # people, firms

DEBTOR = np.dtype(
    [
        ("number", "i8"), ("group", "i1"), ("type", "i1"), ("place", "i2"), ("payday", "i1"), ("method", "i1"), ("wrong_number", "i1"),
        ("first", "i4"), ("accounts", "i4"), ("segment", "i1"), ("age_band", "i1"), ("sex", "i1"), ("employed", "i1"), ("sale", "i1"),
        ("answers", "f8"), ("income", "f8"), ("level", "f8"), ("means", "f8"), ("spare", "f8"), ("will", "f8"), ("score", "f8"),
        ("state", "i1"), ("due_on", "i4"), ("stopped", "i1"), ("stop_known", "i4"), ("quiet", "i1"), ("quiet_on", "i4"), ("contacts", "i4"), ("opted", "i1"),
    ]
)  # fmt: skip
ACCOUNT = np.dtype(
    [
        ("debtor", "i4"), ("letter", "i1"), ("book", "i1"), ("product", "i1"), ("opened_on", "i4"), ("known_on", "i4"), ("from_night", "i4"),
        ("principal", "i8"), ("limit", "i8"), ("due_day", "i1"), ("items", "i4"), ("instalment", "i8"), ("balance", "i8"), ("settled", "i8"),
        ("placed_on", "i4"), ("last_paid", "i4"), ("plan_on", "i4"), ("plan_amount", "i8"), ("plan_missed", "i1"), ("broken", "i4"),
        ("promise_open", "i1"), ("promised", "i8"), ("parts", "i1"), ("part_on", "i4"), ("part_step", "i1"), ("part_amount", "i8"),
        ("disputed_on", "i4"), ("defaulted", "i1"), ("charged_off", "i1"), ("gone", "i1"), ("waived_on", "i4"), ("back_on", "i4"),
        ("statement", "i8"), ("statement_on", "i4"), ("after", "i8"), ("unknown", "i8"), ("unknown_charge", "i8"), ("live", "i1"),
        ("reversed_on", "i4", 3), ("reversed", "i8", 3), ("reversed_paid_on", "i4", 3), ("payments", "i4"),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Calendar:
    """The months of a simulation, as day numbers since 1970.

    nights     int32[months + 1]: the first of every month, then the final night
    weekday    int8[days]: 0 is Monday; day 0 is nights[0]
    profile    float64[months + 1, paydays, 31]: share of a month's paying that falls on each day, by payday
    next_pay   int32[months + 1, paydays, 31]: the next payday two days off or more
    barred     int32[months + 1]: days at the start of a month on which no new payment is decided
    season     float64[months + 1, groups]: the year's rhythm of means
    storm      int8[months + 1]: a declared emergency in Florida
    """

    nights: np.ndarray
    weekday: np.ndarray
    profile: np.ndarray
    next_pay: np.ndarray
    barred: np.ndarray
    season: np.ndarray
    storm: np.ndarray

    @property
    def months(self) -> int:
        return len(self.nights) - 1


def day_number(day: dt.date) -> int:
    return (day - EPOCH).days


def calendar(months: int, end: dt.date) -> Calendar:
    """`months` whole months that end with `end`."""
    after = end + dt.timedelta(days=1)
    starts = [_months_on(after, k - months) for k in range(months + 2)]
    nights = np.array([day_number(start) for start in starts[:-1]], np.int32)
    lengths = [(later - start).days for start, later in zip(starts, starts[1:], strict=False)]
    profile = np.zeros((months + 1, len(PAYDAYS), DAYS_IN_MONTH))
    next_pay = np.zeros((months + 1, len(PAYDAYS), DAYS_IN_MONTH), np.int32)
    # A month's 30 days must not reach into the next month's decisions: after a February of 28 days the first two days of March stay free.
    barred = np.array([max(0, 30 - (start - _months_on(start, -1)).days) for start in starts[:-1]], np.int32)
    for m, length in enumerate(lengths):
        for kind, payday in enumerate(PAYDAYS):
            profile[m, kind, :length] = _profile(payday, starts[m], length, int(barred[m]))
            next_pay[m, kind, :length] = [_next_payday(payday, starts[m] + dt.timedelta(days=t)) for t in range(length)]
    season = np.zeros((months + 1, 4))
    for m, start in enumerate(starts[:-1]):
        season[m, :3] = {12: -0.15, 1: -0.25}.get(start.month, 0.0)
        season[m, US] += {2: 0.2, 3: 0.3}.get(start.month, 0.0)  # tax refunds
        season[m, JP] = {3: 0.2, 8: -0.1}.get(start.month, 0.0)  # fiscal year ends in March
    storm = np.array([start.month == 9 for start in starts[:-1]], np.int8)
    weekday = np.array([(starts[0] + dt.timedelta(days=t)).weekday() for t in range(int(nights[-1] - nights[0]) + 62)], np.int8)
    return Calendar(nights, weekday, profile, next_pay, barred, season, storm)


def _months_on(day: dt.date, months: int) -> dt.date:
    index = day.year * 12 + day.month - 1 + months
    return dt.date(index // 12, index % 12 + 1, 1)


def _profile(payday: int, start: dt.date, length: int, barred: int) -> np.ndarray:
    """A fifth of the paying is spread evenly, an eighth falls on the last two days, the rest follows payday."""
    share = np.full(length, 0.2 / length)
    share[-2:] += 0.06
    if payday == 0:
        fridays = [t for t in range(length) if (start + dt.timedelta(days=t)).weekday() == 4]
        share[fridays] += 0.5 / len(fridays)
        share[[t + 1 for t in fridays if t + 1 < length]] += 0.04
    else:
        for offset, weight in enumerate((0.36, 0.18, 0.09, 0.05)):
            share[min(min(payday, length) - 1 + offset, length - 1)] += weight
    share[:barred] = 0
    return share / share.sum()


def _next_payday(payday: int, day: dt.date) -> int:
    for ahead in range(2, 40):
        later = day + dt.timedelta(days=ahead)
        last = (later + dt.timedelta(days=1)).day == 1
        if later.weekday() == 4 if payday == 0 else later.day == payday or (last and payday > later.day):
            return day_number(later)
    raise AssertionError("every payday comes round within 40 days")


def minutes_from(zone: str, other: str, days: np.ndarray) -> np.ndarray:
    """Minutes to add to a clock in `zone` to read the clock in `other`, at noon of each day (int32)."""
    noon = [dt.datetime.combine(EPOCH + dt.timedelta(days=int(day)), dt.time(12)) for day in days]
    offsets = [moment.replace(tzinfo=ZoneInfo(other)).utcoffset() - moment.replace(tzinfo=ZoneInfo(zone)).utcoffset() for moment in noon]
    return np.array([int(offset.total_seconds()) // 60 for offset in offsets], np.int32)


class Draws:
    """Uniform numbers in (0, 1) that depend on the seed and the debtor's number alone, so a debtor is the same in every shard."""

    def __init__(self, seed: int, numbers: np.ndarray, salt: int) -> None:
        self._state = scrambled(scrambled(np.uint64(seed % 2**64) + np.uint64(salt)) + numbers.astype(np.uint64))

    def uniform(self) -> np.ndarray:
        self._state = self._state + np.uint64(0x9E3779B97F4A7C15)
        return ((scrambled(self._state) >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53

    def normal(self) -> np.ndarray:
        radius, turn = np.sqrt(-2 * np.log(self.uniform())), 2 * np.pi * self.uniform()
        return radius * np.cos(turn)

    def among(self, shares) -> np.ndarray:
        """A position drawn by shares: one row of shares for all, or one row each."""
        edges = np.cumsum(np.atleast_2d(shares), axis=1)[:, :-1]
        return (self.uniform()[:, None] > edges).sum(axis=1).astype(np.int8)


def scrambled(state: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014)."""
    with np.errstate(over="ignore"):
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def debtors_born(seed: int, numbers: np.ndarray) -> np.ndarray:
    """DEBTOR rows. Means and willingness start at their long-run spread; age and sex only shift the level of means."""
    draws, debtors = Draws(seed, numbers, salt=1), np.zeros(len(numbers), DEBTOR)
    debtors["number"] = numbers
    debtors["group"] = group = draws.among(GROUP_SHARE)
    debtors["type"] = draws.among(np.array(TYPE_SHARE)[group])
    most_places = max(len(places) for places in PLACES)
    shares = np.array([[place[2] for place in places] + [0.0] * (most_places - len(places)) for places in PLACES])
    debtors["place"] = draws.among(shares[group])
    firm = group == JP
    debtors["payday"] = draws.among(np.array(PAYDAY_SHARE)[firm.astype(int)])
    debtors["sex"] = draws.among((0.49, 0.49, 0.02))
    debtors["age_band"] = age = draws.among((0.12, 0.24, 0.31, 0.22, 0.11))
    debtors["level"] = np.where(firm, 0.0, np.array((-0.25, -0.1, 0.05, 0.12, 0.1))[age] + np.array((0.05, -0.05, 0.0))[debtors["sex"]])
    debtors["means"] = debtors["level"] + draws.normal()
    debtors["will"] = draws.normal()
    rich = debtors["means"]
    segment = np.where(draws.uniform() < 0.5, (rich < -0.9) * 4 + (np.abs(rich) < 0.4) * 1, draws.among((0.62, 0.14, 0.16, 0.04, 0.04)))
    debtors["segment"] = np.where(age == 4, 3, segment)
    debtors["employed"] = debtors["segment"] != 4
    debtors["income"] = np.exp(np.where(firm, 7.6, 5.75) + 0.45 * draws.normal() + 0.15 * rich)  # euro a month that could go to debts
    debtors["score"] = np.clip(np.round(560 + 45 * rich + 50 * debtors["will"] + 55 * draws.normal()), 300, 850)
    debtors["answers"] = np.clip(0.07 + 0.5 * draws.uniform() ** 1.4 + 0.04 * debtors["will"], 0.02, 0.7)
    debtors["wrong_number"] = draws.uniform() < 0.04
    debtors["method"] = draws.among(
        np.array(
            ((0.45, 0.25, 0.2, 0.05, 0.0, 0.05), (0.5, 0.15, 0.3, 0.0, 0.0, 0.05), (0.2, 0.4, 0.15, 0.05, 0.2, 0.0), (0, 0, 1, 0, 0, 0))
        )[group]
    )
    debtors["sale"] = draws.among((0.35, 0.35, 0.2, 0.1))
    debtors["accounts"] = 1 + draws.among(ACCOUNTS_SHARE)
    debtors["first"] = np.concatenate([[0], np.cumsum(debtors["accounts"])[:-1]])
    debtors["due_on"] = debtors["quiet_on"] = NO_DAY
    debtors["stop_known"] = NEVER_COMES
    return debtors


class Items(NamedTuple):
    """What falls due, in order of due day per account: int64 and int32 arrays [accounts, most items]; `kind` as in CHARGE_KINDS."""

    due_on: np.ndarray
    issued_on: np.ndarray
    known_on: np.ndarray
    amount: np.ndarray
    kind: np.ndarray


def accounts_born(seed: int, debtors: np.ndarray, dates: Calendar) -> tuple[np.ndarray, Items]:
    """ACCOUNT rows in debtor order, and the items already fixed when each was opened (all instalments of a loan, the one of bought debt)."""
    owner = np.repeat(np.arange(len(debtors)), debtors["accounts"])
    accounts, letter = np.zeros(len(owner), ACCOUNT), np.arange(len(owner)) - debtors["first"][owner]
    draws = Draws(seed, debtors["number"][owner] * MOST_ACCOUNTS + letter, salt=2)
    first, last = int(dates.nights[0]), int(dates.nights[-1]) - 1
    group, means = debtors["group"][owner], debtors["means"][owner]
    accounts["debtor"], accounts["letter"] = owner, letter
    book = np.array([CARD, LOAN, UTILITY, INVOICES])[group]
    book = np.where((group == US) & (draws.uniform() < 0.45), BOUGHT, book)
    accounts["book"] = book
    accounts["product"] = (draws.uniform() * np.array([len(b.products) for b in BOOKS])[book]).astype(np.int8)
    span, when, size = last - first, draws.uniform(), draws.normal()
    euro = np.array([b.euro for b in BOOKS])[book]

    new_card = draws.uniform() < 0.2
    opened = np.where(new_card, first + when * (span - 40), first - 60 - when * 3000)
    opened = np.where(book == LOAN, first + (when**1.7) * (span - 45), opened)
    opened = np.where(book == UTILITY, np.where(draws.uniform() < 0.6, first + when * 25, first + 25 + when * (span - 90)), opened)
    opened = np.where(book == INVOICES, np.where(draws.uniform() < 0.5, first + when * 45, first + 45 + when * (span - 110)), opened)
    tranche = dates.nights[:-1][(draws.uniform() * ((dates.months + 1) // 2)).astype(int) * 2]
    bought_on = tranche + 3 + (draws.uniform() * 8).astype(np.int32)  # a tranche is loaded within a few days
    opened = np.where(book == BOUGHT, bought_on - 900 - when * 1500, opened)
    accounts["opened_on"] = opened = opened.astype(np.int32)
    accounts["placed_on"] = np.where(book == BOUGHT, bought_on, NO_DAY)
    accounts["known_on"] = np.where(book == BOUGHT, bought_on, opened)
    accounts["from_night"] = np.searchsorted(dates.nights, accounts["known_on"], side="right").astype(np.int32)

    accounts["principal"] = _principal(book, size, means, euro)
    accounts["limit"] = np.where(book == CARD, accounts["principal"], 0)
    used = 0.15 + 0.75 * draws.uniform()
    accounts["balance"] = np.where(book == CARD, (accounts["limit"] * used).astype(np.int64), 0)
    accounts["due_day"] = 1 + (np.array([19, 2, 4, 0, 30])[book] + draws.uniform() * np.array([5, 26, 13, 1, 0])[book]).astype(np.int8)
    accounts["instalment"] = (np.exp(np.array([0.0, 0.0, 4.2, 0.0, 6.8])[book] + 0.5 * size) * euro).astype(np.int64)  # a usual bill
    accounts["live"] = 1
    for name in ("last_paid", "plan_on", "part_on", "disputed_on", "waived_on", "back_on", "statement_on", "reversed_on"):
        accounts[name] = NO_DAY
    items = _items_born(accounts, bought_on, draws, dates)
    return accounts, items


def _principal(book: np.ndarray, size: np.ndarray, means: np.ndarray, euro: np.ndarray) -> np.ndarray:
    """Amount lent or billed, in minor units, rounded to 50 euro for what is lent."""
    centre, spread = np.array([7.6, 8.0, 0.0, 6.9, 0.0])[book], np.array([0.6, 0.7, 0.0, 0.8, 0.0])[book]
    amount = np.exp(centre + spread * size + 0.15 * means)
    lent = np.maximum(300, np.round(amount / 50) * 50)
    return np.where(np.isin(book, (CARD, LOAN)), lent * euro, np.where(book == BOUGHT, amount * euro, 0)).astype(np.int64)


def _items_born(accounts: np.ndarray, bought_on: np.ndarray, draws: Draws, dates: Calendar) -> Items:
    most = max(36, 2 * dates.months + 6)
    shape, book = (len(accounts), most), accounts["book"]
    items = Items(*(np.full(shape, NO_DAY, np.int32) for _ in range(3)), np.zeros(shape, np.int64), np.zeros(shape, np.int8))
    terms = np.array((6, 12, 18, 24, 36))[draws.among((0.1, 0.3, 0.2, 0.25, 0.15))]
    loans = np.flatnonzero(book == LOAN)
    for row in loans:
        account, term = accounts[row], int(terms[row])
        start = EPOCH + dt.timedelta(days=int(account["opened_on"]))
        each = round(int(account["principal"]) * (1 + 0.09 * term / 24) / term)
        for k in range(term):
            due = _months_on(start.replace(day=1), k + 1)
            items.due_on[row, k] = day_number(due) + int(account["due_day"]) - 1
        items.amount[row, :term], items.kind[row, :term] = each, 1
        items.issued_on[row, :term] = items.known_on[row, :term] = account["opened_on"]
        accounts["items"][row], accounts["instalment"][row] = term, each
    bought = book == BOUGHT
    items.due_on[bought, 0] = bought_on[bought] - (150 + draws.uniform() * 650).astype(np.int32)[bought]
    items.issued_on[bought, 0] = accounts["opened_on"][bought]
    items.known_on[bought, 0] = bought_on[bought]
    items.amount[bought, 0] = accounts["principal"][bought]
    accounts["items"][bought] = 1
    opening = np.where(bought | (book == LOAN), items.amount.sum(axis=1), accounts["balance"])
    accounts["balance"] = opening
    return items
