"""The made-up books: who owes what, where, since when, and the calendar they live by.
Everything here is drawn once per debtor.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np

from features.days import date_of, day_number
from features.tables import NEVER, NO_DAY
from features.versions import scrambled

DAYS_IN_MONTH = 31  # length of the day axis of every monthly table below
MOST_ACCOUNTS = 3  # per debtor

CARD, LOAN, UTILITY, BOUGHT, INVOICES = range(5)
GB, EU, US, JP = range(4)
SURE, PERSUADABLE, NEVER_PAYS, REACTANT = range(4)
RESPONSE_TYPES = ("pays_anyway", "pays_if_contacted", "never_pays", "pays_less_if_pressed")
METHODS = ("direct_debit", "card", "bank_transfer", "cash", "cheque", "standing_order", "waiver")
DIRECT_DEBIT, CARD_PAYMENT, TRANSFER, CASH, CHEQUE, STANDING_ORDER, WAIVER = range(7)
SEGMENTS = ("salaried", "public", "self_employed", "retired", "out_of_work")
SALE_CHANNELS = ("branch", "online", "broker", "phone")
NATURAL, NONE, UNIFORM = range(
    3
)  # what contact does to paying: as the response type says; nothing; the same for everybody
EFFECTS = ("natural", "none", "uniform")
TERMS = (6, 12, 18, 24, 36)  # instalments of a loan
PRINCIPAL_KIND, INSTALMENT_KIND = 0, 1  # as in CHARGE_KINDS
AGE_BANDS = ("18-24", "25-34", "35-49", "50-64", "65+")


@dataclass(frozen=True)
class Book:
    """A portfolio of the trade. Money is in minor units of its currency;
    `rounding` is what a round part payment is a multiple of.
    """

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
    Book(
        "loan_eu",
        EU,
        "EUR",
        2,
        "Europe/Paris",
        "consumer",
        ("personal_loan", "car_loan", "retail_loan"),
        500,
        100.0,
        120,
        100,
    ),
    Book(
        "utility_us", US, "USD", 2, "America/New_York", "consumer", ("electricity", "gas", "water"), 500, 108.0, 130, 90
    ),
    Book(
        "bought_us",
        US,
        "USD",
        2,
        "America/New_York",
        "consumer",
        ("card_debt", "telecom_debt", "medical_debt"),
        500,
        108.0,
        130,
        90,
    ),
    Book("invoices_jp", JP, "JPY", 0, "Asia/Tokyo", "commercial", ("wholesale", "services"), 1000, 164.0, 190, 150),
)

GROUP_SHARE = (0.25, 0.25, 0.36, 0.14)
# Response to contact, per group: pays anyway, pays if contacted, never pays, pays less if pressed.
TYPE_SHARE = ((0.48, 0.30, 0.09, 0.13), (0.48, 0.30, 0.09, 0.13), (0.42, 0.30, 0.15, 0.13), (0.54, 0.28, 0.08, 0.10))
ACCOUNTS_SHARE = (0.70, 0.22, 0.08)
# (jurisdiction, time zone, share): None is a cell left empty. The last rows of a group are places nobody signed off,
# or unknown.
PLACES = (
    (
        ("GB-ENG", "Europe/London", 0.83),
        ("GB-SCT", "Europe/London", 0.09),
        ("GB-WLS", "Europe/London", 0.05),
        ("GB-ENG", None, 0.01),
        (None, "Europe/London", 0.01),
        ("GB-NIR", "Europe/London", 0.01),
    ),
    (
        ("FR", "Europe/Paris", 0.45),
        ("DE", "Europe/Berlin", 0.24),
        ("ES", "Europe/Madrid", 0.16),
        ("ES", "Atlantic/Canary", 0.02),
        ("IE", "Europe/Dublin", 0.10),
        ("FR", None, 0.01),
        (None, "Europe/Paris", 0.01),
        ("PL", "Europe/Warsaw", 0.01),
    ),
    (
        ("US-NY", "America/New_York", 0.14),
        ("US-NY/NYC", "America/New_York", 0.10),
        ("US-MA", "America/New_York", 0.14),
        ("US-DC", "America/New_York", 0.03),
        ("US-FL", "America/New_York", 0.14),
        ("US-FL", "America/Chicago", 0.03),
        ("US-TX", "America/Chicago", 0.16),
        ("US-TX", "America/Denver", 0.02),
        ("US-CA", "America/Los_Angeles", 0.20),
        ("US-TX", None, 0.01),
        (None, "America/Chicago", 0.01),
        ("US-NV", "America/Los_Angeles", 0.02),
    ),
    (("JP", "Asia/Tokyo", 0.97), ("JP", None, 0.02), (None, "Asia/Tokyo", 0.01)),
)
FLORIDA = "US-FL"
PAYDAYS = (5, 10, 15, 20, 25, 28, 31, 0)  # day of the month; 31 is the last day, 0 is every Friday
PAYDAY_SHARE = (
    (0.05, 0.05, 0.10, 0.10, 0.22, 0.26, 0.14, 0.08),
    (0.02, 0.10, 0.06, 0.16, 0.14, 0.04, 0.48, 0.0),
)  # people, firms

DEBTOR = np.dtype(
    [
        ("number", "i8"),
        ("group", "i1"),
        ("type", "i1"),
        ("place", "i2"),
        ("florida", "i1"),
        ("payday", "i1"),
        ("method", "i1"),
        ("wrong_number", "i1"),
        ("first", "i4"),
        ("accounts", "i4"),
        ("segment", "i1"),
        ("age_band", "i1"),
        ("sex", "i1"),
        ("sale", "i1"),
        ("employed", "i1"),
        ("answers", "f8"),
        ("income", "f8"),
        ("score", "f8"),
        ("level", "f8"),
        ("means", "f8"),
        ("spare", "f8"),
        ("will", "f8"),  # long-run and present means, spare this month, willingness
        ("state", "i1"),
        ("due_on", "i4"),
        ("quiet", "i1"),
        ("quiet_on", "i4"),  # of contact; quiet: the status that asks for it
        ("stopped", "i1"),
        ("stop_known", "i4"),
        ("opted", "i1"),
        ("contacts", "i4"),
        ("messages_on", "i4", 4),
        ("talks_on", "i4", 4),
        ("tired", "i1"),  # the last four of each; how tired the effect in force is
        ("lift", "f8"),  # where debtors forget: of a message, on the log odds; whether the shop writes another language
        ("foreign", "i1"),
    ]
)
ACCOUNT = np.dtype(
    [
        ("debtor", "i4"),
        ("letter", "i1"),
        ("book", "i1"),
        ("product", "i1"),
        ("opened_on", "i4"),
        ("known_on", "i4"),
        ("from_month", "i4"),
        ("principal", "i8"),
        ("limit", "i8"),
        ("due_day", "i1"),
        ("items", "i4"),
        ("instalment", "i8"),
        ("balance", "i8"),
        ("settled", "i8"),
        ("placed_on", "i4"),
        ("paid_on", "i4"),
        ("payments", "i4"),
        ("plan_on", "i4"),
        ("plan_amount", "i8"),
        ("plan_missed", "i1"),
        ("broken", "i4"),
        ("promise_open", "i1"),
        ("promised", "i8"),
        ("parts", "i1"),
        ("part_on", "i4"),
        ("part_step", "i1"),
        ("part_amount", "i8"),  # of a payment in parts, those to come
        ("disputed_on", "i4"),
        ("defaulted_on", "i4"),
        ("cured_on", "i4"),
        ("charged_off", "i1"),
        ("waived_on", "i4"),
        ("live", "i1"),
        ("gone", "i1"),
        ("back_on", "i4"),  # still billed or spent from; left for good; due back from the agency
        ("statement", "i8"),
        ("statement_on", "i4"),
        ("after", "i8"),
        ("unknown", "i8"),
        ("unknown_charge", "i8"),  # as the books know it
        ("reversed_on", "i4", 3),
        ("reversed", "i8", 3),
        ("reversed_paid_on", "i4", 3),  # reversals to come
    ]
)
ITEM = np.dtype(
    [("due_on", "i4"), ("issued_on", "i4"), ("known_on", "i4"), ("amount", "i8"), ("kind", "i1")]
)  # what falls due
# A month: its first day and length, days at its start on which no payment is decided, a declared emergency in Florida,
# the rhythm of means per group, and per payday the share of paying that falls on each day and the next payday two days
# off or more; working days count 1, Saturdays a half.
MONTH = np.dtype(
    [
        ("first", "i4"),
        ("length", "i4"),
        ("barred", "i4"),
        ("storm", "i1"),
        ("season", "f8", 4),
        ("work", "f8", DAYS_IN_MONTH),
        ("profile", "f8", (len(PAYDAYS), DAYS_IN_MONTH)),
        ("next_pay", "i4", (len(PAYDAYS), DAYS_IN_MONTH)),
    ]
)

EURO = np.array([book.euro for book in BOOKS])
ROUNDING = np.array([book.rounding for book in BOOKS])
CALL_COST = np.array([book.call_cost for book in BOOKS])
LETTER_COST = np.array([book.letter_cost for book in BOOKS])


def calendar(months: int, end: dt.date) -> np.ndarray:
    """MONTH rows: `months` whole months, the last one ending with `end`,
    and one more that only the final night looks into.
    """
    after = end + dt.timedelta(days=1)
    starts = [_months_on(after, k - months) for k in range(months + 2)]
    rows = np.zeros(months + 1, MONTH)
    for m, start in enumerate(starts[:-1]):
        row, length = rows[m], (starts[m + 1] - start).days
        # A month's 30 days must not reach into the next month's decisions:
        # after a short February the first days of March stay free.
        barred = max(0, 30 - (start - _months_on(start, -1)).days)
        row["first"], row["length"], row["barred"], row["storm"] = day_number(start), length, barred, start.month == 9
        row["season"][:3] = {12: -0.15, 1: -0.25}.get(start.month, 0.0)
        row["season"][US] += {2: 0.2, 3: 0.3}.get(start.month, 0.0)  # tax refunds
        row["season"][JP] = {3: 0.2, 8: -0.1}.get(start.month, 0.0)  # the fiscal year ends in March
        days = [start + dt.timedelta(days=t) for t in range(length)]
        row["work"][:length] = [0.0 if day.weekday() == 6 else 0.5 if day.weekday() == 5 else 1.0 for day in days]
        for kind, payday in enumerate(PAYDAYS):
            row["profile"][kind, :length] = _profile(payday, start, length, barred)
            row["next_pay"][kind, :length] = [_next_payday(payday, day) for day in days]
    return rows


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
    later = (day + dt.timedelta(days=ahead) for ahead in range(2, 40))
    return day_number(next(date for date in later if _is_payday(payday, date)))


def _is_payday(payday: int, date: dt.date) -> bool:
    if payday == 0:
        return date.weekday() == 4
    return date.day == payday or (date.day < payday and (date + dt.timedelta(days=1)).day == 1)


def minutes_from(zone: str, other: str, days: np.ndarray) -> np.ndarray:
    """Minutes to add to a clock in `zone` to read the clock in `other`, at noon of each day (int32)."""
    noon = [dt.datetime.combine(date_of(day), dt.time(12)) for day in days]
    offsets = [
        # pyrefly: ignore[unsupported-operation]
        moment.replace(tzinfo=ZoneInfo(other)).utcoffset() - moment.replace(tzinfo=ZoneInfo(zone)).utcoffset()
        for moment in noon
    ]
    return np.array([int(offset.total_seconds()) // 60 for offset in offsets], np.int32)


class Draws:
    """Uniform numbers in (0, 1) that depend on the seed and the debtor's number alone,
    so a debtor is the same in every shard.
    """

    def __init__(self, seed: int, numbers: np.ndarray, salt: int) -> None:
        self._state = scrambled(stream_key(seed, salt) + numbers.astype(np.uint64))

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


def stream_key(seed: int, salt: int) -> np.uint64:
    """Where the streams of one purpose begin: far apart for every other purpose and every other seed."""
    digest = hashlib.sha256(f"{seed}/{salt}".encode()).digest()
    return np.uint64(int.from_bytes(digest[:8], "big"))


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
    florida = np.array([[k < len(places) and places[k][0] == FLORIDA for k in range(most_places)] for places in PLACES])
    debtors["florida"] = florida[group, debtors["place"]]
    debtors["payday"] = draws.among(np.array(PAYDAY_SHARE)[firm.astype(int)])
    debtors["sex"] = draws.among((0.49, 0.49, 0.02))
    debtors["age_band"] = age = draws.among((0.12, 0.24, 0.31, 0.22, 0.11))
    debtors["level"] = np.where(
        firm, 0.0, np.array((-0.25, -0.1, 0.05, 0.12, 0.1))[age] + np.array((0.05, -0.05, 0.0))[debtors["sex"]]
    )
    debtors["means"] = debtors["level"] + draws.normal()
    debtors["will"] = draws.normal()
    rich = debtors["means"]
    segment = np.where(
        draws.uniform() < 0.5, (rich < -0.9) * 4 + (np.abs(rich) < 0.4) * 1, draws.among((0.62, 0.14, 0.16, 0.04, 0.04))
    )
    debtors["segment"] = np.where(age == 4, 3, segment)
    debtors["employed"] = debtors["segment"] != 4
    debtors["income"] = np.exp(
        np.where(firm, 7.6, 5.9) + 0.45 * draws.normal() + 0.15 * rich
    )  # euro a month that could go to debts
    debtors["score"] = np.clip(np.round(560 + 45 * rich + 50 * debtors["will"] + 55 * draws.normal()), 300, 850)
    debtors["answers"] = np.clip(0.07 + 0.5 * draws.uniform() ** 1.4 + 0.04 * debtors["will"], 0.02, 0.7)
    debtors["wrong_number"] = draws.uniform() < 0.04
    debtors["method"] = draws.among(
        np.array(
            (
                (0.45, 0.25, 0.2, 0.05, 0.0, 0.05),
                (0.5, 0.15, 0.3, 0.0, 0.0, 0.05),
                (0.2, 0.4, 0.15, 0.05, 0.2, 0.0),
                (0, 0, 1, 0, 0, 0),
            )
        )[group]
    )
    debtors["sale"] = draws.among((0.35, 0.35, 0.2, 0.1))
    debtors["accounts"] = 1 + draws.among(ACCOUNTS_SHARE)
    debtors["first"] = np.concatenate([[0], np.cumsum(debtors["accounts"])[:-1]])
    debtors["due_on"] = debtors["quiet_on"] = debtors["messages_on"] = debtors["talks_on"] = NO_DAY
    debtors["stop_known"] = NEVER
    return debtors


def accounts_born(seed: int, debtors: np.ndarray, months: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """ACCOUNT rows in debtor order, and ITEM[accounts, most]: what was fixed to fall due when each was opened,
    in order of due day.
    """
    owner = np.repeat(np.arange(len(debtors)), debtors["accounts"])
    accounts, letter = np.zeros(len(owner), ACCOUNT), np.arange(len(owner)) - debtors["first"][owner]
    draws = Draws(seed, debtors["number"][owner] * MOST_ACCOUNTS + letter, salt=2)
    group, means = debtors["group"][owner], debtors["means"][owner]
    accounts["debtor"], accounts["letter"] = owner, letter
    book = np.array([CARD, LOAN, UTILITY, INVOICES])[group]
    accounts["book"] = book = np.where((group == US) & (draws.uniform() < 0.45), BOUGHT, book)
    accounts["product"] = (draws.uniform() * np.array([len(b.products) for b in BOOKS])[book]).astype(np.int8)
    opened, bought_on = _openings(book, draws, months)
    accounts["opened_on"] = opened
    accounts["placed_on"] = np.where(book == BOUGHT, bought_on, NO_DAY)
    accounts["known_on"] = np.where(book == BOUGHT, bought_on, opened)
    accounts["from_month"] = np.searchsorted(months["first"], accounts["known_on"], side="right")
    size, euro = draws.normal(), EURO[book]
    lent = _principal(book, size, means, euro)
    accounts["principal"], accounts["limit"] = np.where(book == CARD, 0, lent), np.where(book == CARD, lent, 0)
    accounts["balance"] = (accounts["limit"] * (0.15 + 0.75 * draws.uniform())).astype(np.int64)
    accounts["due_day"] = 1 + (
        np.array([19, 2, 4, 0, 30])[book] + draws.uniform() * np.array([5, 26, 13, 1, 0])[book]
    ).astype(np.int8)
    accounts["instalment"] = (np.exp(np.array([0.0, 0.0, 4.2, 0.0, 6.8])[book] + 0.5 * size) * euro).astype(
        np.int64
    )  # a usual bill
    accounts["live"] = 1
    for name in (
        field
        # pyrefly: ignore[not-iterable]
        for field in ACCOUNT.names
        if field.endswith("_on") and field not in ("opened_on", "known_on", "placed_on")
    ):
        accounts[name] = NO_DAY
    return accounts, _items_born(accounts, bought_on, draws, months)


def _openings(book: np.ndarray, draws: Draws, months: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(opened_on, day bought): cards mostly before the data begins, bought debt years before,
    in tranches of every other month.
    """
    first, last = int(months["first"][0]), int(months["first"][-1]) - 1
    span, early, when = last - first, draws.uniform(), draws.uniform()
    tranche = months["first"][:-1][(draws.uniform() * (len(months) // 2)).astype(int) * 2]
    bought_on = tranche + 3 + (draws.uniform() * 8).astype(np.int32)
    opened = np.choose(
        book,
        [
            np.where(early < 0.2, first + when * (span - 40), first - 60 - when * 3000),
            first + when**1.7 * (span - 45),
            np.where(early < 0.6, first + when * 25, first + 25 + when * (span - 90)),
            bought_on - 900 - when * 1500,
            np.where(early < 0.5, first + when * 45, first + 45 + when * (span - 110)),
        ],
    )
    return np.floor(opened).astype(np.int32), bought_on


def _principal(book: np.ndarray, size: np.ndarray, means: np.ndarray, euro: np.ndarray) -> np.ndarray:
    """Amount lent or bought, in minor units; what is lent is a multiple of 50 euro. Bills have none."""
    centre, spread = np.array([7.6, 8.0, 0.0, 6.9, 0.0])[book], np.array([0.6, 0.7, 0.0, 0.8, 0.0])[book]
    amount = np.exp(centre + spread * size + 0.15 * means)
    lent = np.maximum(300, np.round(amount / 50) * 50)
    return np.where(np.isin(book, (CARD, LOAN)), lent * euro, np.where(book == BOUGHT, amount * euro, 0)).astype(
        np.int64
    )


def _items_born(accounts: np.ndarray, bought_on: np.ndarray, draws: Draws, months: np.ndarray) -> np.ndarray:
    """All instalments of a loan, one on the same day of each month after it was opened;
    the one charge of bought debt.
    """
    items, book = np.zeros((len(accounts), max(TERMS[-1], 2 * len(months) + 4)), ITEM), accounts["book"]
    term = np.array(TERMS)[draws.among((0.1, 0.3, 0.2, 0.25, 0.15))]
    late_by = (150 + draws.uniform() * 650).astype(np.int32)
    loans = np.flatnonzero(book == LOAN)
    term, opened = term[loans], accounts["opened_on"][loans]
    each = np.round(accounts["principal"][loans] * (1 + 0.09 * term / 24) / term).astype(np.int64)
    opening_month = opened.astype("datetime64[D]").astype("datetime64[M]")
    for k in range(TERMS[-1]):
        due_on = (opening_month + (k + 1)).astype("datetime64[D]").astype(np.int32) + accounts["due_day"][loans] - 1
        there = k < term
        rows = loans[there]
        items["due_on"][rows, k], items["amount"][rows, k], items["kind"][rows, k] = (
            due_on[there],
            each[there],
            INSTALMENT_KIND,
        )
        items["issued_on"][rows, k] = items["known_on"][rows, k] = opened[there]
    accounts["items"][loans], accounts["instalment"][loans] = term, each
    bought = np.flatnonzero(book == BOUGHT)
    items["due_on"][bought, 0] = bought_on[bought] - late_by[bought]
    items["issued_on"][bought, 0], items["known_on"][bought, 0] = accounts["opened_on"][bought], bought_on[bought]
    items["amount"][bought, 0], items["kind"][bought, 0] = accounts["principal"][bought], PRINCIPAL_KIND
    accounts["items"][bought] = 1
    accounts["balance"] += items["amount"].sum(axis=1)
    return items
