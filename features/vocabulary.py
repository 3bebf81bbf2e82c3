"""What a feature may speak of: kinds of event and their columns, facts of an account, units, families,
and what stays unsaid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from features.tables import (
    CHANNELS,
    CHARGE_KINDS,
    DIRECTIONS,
    OFFER_KINDS,
    OFFER_OUTCOMES,
    OUTCOMES,
    ROUTES,
    STATUSES,
)

FAMILIES = (
    "payments",
    "balances",
    "contacts",
    "promises",
    "statuses",
    "treatments",
    "debtor",
    "calendar",
    "attributes",
)
UNITS = ("count", "days", "months", "money", "share", "number", "flag", "class")
FORMATS = ("count", "days", "months", "money", "percent", "number", "text")
LEDGER = "ledger"  # stands for charges or balances: either makes a ledger

DAY_PARTS = (
    "night",
    "morning",
    "afternoon",
    "evening",
    "unknown",
)  # 22-08, 08-12, 12-18, 18-22 on the portfolio's clock; only the day known
WEEK_PARTS = ("weekday", "weekend")
MONTH_PARTS = (
    "start",
    "early",
    "middle",
    "late",
    "end",
)  # days 1-5, 6-13, 14-16, 17-24, 25 on: pay falls at both ends and in the middle
COVERS = ("part", "full", "nothing_due")  # a payment against the arrears known on the night of the day it became known
PROMISE_STATES = ("kept", "broken", "open", "unjudged")
STATUS_STATES = ("active", "ended")
OFFER_STATES = (*OFFER_OUTCOMES, "open")
PLAN_STATES = ("running", "behind", "kept", "broken", "ended")
ROLLS = ("30", "60", "90")
DEBTORS_ACTS = frozenset(
    {"right_party", "promise", "refusal", "dispute", "complaint", "paid", "opened", "unsubscribed"}
)
SPEAKABLE_STATUSES = frozenset(
    {"plan", "default", "charged_off"}
)  # no other status may be given as a reason: health, hardship, third parties, threats


class Agg(Enum):
    """How the events of a window become one number; the value is the word in the column's name."""

    COUNT = "count"
    ANY = "any"
    SUM = "sum"
    MEAN = "mean"
    STD = "std"
    MAX = "max"
    MIN = "min"
    LAST = "last"
    MONTHS = "months"
    DAYS_SINCE_LAST = "days_since_last"
    DAYS_SINCE_FIRST = "days_since_first"
    GAP_MEAN = "gap_mean"
    GAP_STD = "gap_std"
    STREAK = "streak"
    AT = "at"
    DAYS = "days"


PLAIN = frozenset(
    {Agg.COUNT, Agg.ANY, Agg.MONTHS, Agg.DAYS_SINCE_LAST, Agg.DAYS_SINCE_FIRST, Agg.GAP_MEAN, Agg.GAP_STD, Agg.STREAK}
)
MEASURED = frozenset({Agg.SUM, Agg.MEAN, Agg.STD, Agg.MAX, Agg.MIN, Agg.LAST})
BY_ORDER = frozenset({Agg.LAST, Agg.STREAK, Agg.STD})  # depend on which of the events of one day came last
OF_THE_LEDGER = frozenset({Agg.AT, Agg.MAX, Agg.DAYS})


@dataclass(frozen=True)
class EventKind:
    """A kind of event.

    needs     tables without which nothing can be said of it
    measures  number column -> unit
    classes   class column -> its values; () when any text may stand there
    measure   the column meant where a feature names none
    further   column -> tables it needs besides
    ahead     its windows are [as_of, as_of + days)
    """

    family: str
    needs: tuple[str, ...]
    measures: Mapping[str, str] = field(default_factory=dict)
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    measure: str | None = None
    further: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ahead: bool = False
    says: str = ""


_JUDGED = dict.fromkeys(("state", "paid", "days_late"), ("payments",))

EVENTS: dict[str, EventKind] = {
    "payments": EventKind(
        "payments",
        ("payments",),
        {"amount": "money"},
        {"method": (), "month_part": MONTH_PARTS, "covers": COVERS},
        "amount",
        {"covers": (LEDGER,)},
        says="payments whose net of reversals known before as_of is positive",
    ),
    "reversals": EventKind(
        "payments",
        ("payments",),
        {"amount": "money"},
        measure="amount",
        says="reversals of payments, from the day on which both are known (not of credits or withheld sums)",
    ),
    "credits": EventKind(
        "payments",
        ("payments",),
        {"amount": "money"},
        measure="amount",
        says="non-cash credits, net of known reversals",
    ),
    "charges": EventKind(
        "balances",
        ("charges",),
        {"amount": "money"},
        {"kind": CHARGE_KINDS},
        "amount",
        says="charges by their due day, as last known (one brought to 0.00, or taken back in full by an adjustment, was never billed)",
    ),
    "upcoming_charges": EventKind(
        "balances",
        ("charges",),
        {"amount": "money"},
        {"kind": CHARGE_KINDS},
        "amount",
        ahead=True,
        says="charges falling due from as_of on",
    ),
    "statements": EventKind(
        "balances",
        ("balances",),
        {"balance": "money", "arrears": "money", "days_past_due": "days"},
        says="statements by the system of record, as last known",
    ),
    "rolls": EventKind(
        "balances",
        (LEDGER,),
        classes={"to": ROLLS},
        says="nights on which days past due, as known that night, rose to 30, 60 or 90",
    ),
    "cures": EventKind(
        "balances",
        (LEDGER, "payments"),
        says="nights on which days past due would be 0 with the charges of the night before and today's money (a moved due date, a waiver or a "
        "statement is not a cure)",
    ),
    LEDGER: EventKind(
        "balances",
        (LEDGER,),
        {"balance": "money", "arrears": "money", "days_past_due": "days"},
        says="figures as known on each night",
    ),
    "contacts": EventKind(
        "contacts",
        ("contacts",),
        {"cost": "money"},
        {
            "channel": CHANNELS,
            "direction": DIRECTIONS,
            "outcome": OUTCOMES,
            "day_part": DAY_PARTS,
            "week_part": WEEK_PARTS,
        },
        says="contacts, outbound and inbound unless filtered",
    ),
    "promises": EventKind(
        "promises",
        ("contacts",),
        {"amount": "money", "paid": "money", "days_late": "days", "due_in": "days"},
        {"state": PROMISE_STATES},
        "amount",
        _JUDGED,
        says="promises to pay (contacts of outcome promise) by the day they were made; kept, broken or open by the payments and withheld sums known "
        "before as_of, unjudged without amount or day",
    ),
    "statuses": EventKind(
        "statuses",
        ("statuses",),
        {"days_in": "days"},
        {"status": STATUSES, "state": STATUS_STATES},
        says="statuses begun by as_of, as last known",
    ),
    "offers": EventKind(
        "treatments",
        ("offers",),
        {"amount": "money", "discount": "share"},
        {"kind": OFFER_KINDS, "outcome": OFFER_STATES},
        says="offers by the day they were made, as last known; open until an outcome is known, lapsed once `valid_until` has passed without",
    ),
    "plans": EventKind(
        "treatments",
        ("plans", "payments"),
        {"total": "money", "largest": "money"},
        {"state": PLAN_STATES},
        says="plans by the day they were agreed, as last known; behind while what it asked for by the last day whose grace has passed is not there, kept once all is",
    ),
    "instalments": EventKind(
        "treatments",
        ("plans", "payments"),
        {"amount": "money", "days_late": "days"},
        {"state": PROMISE_STATES},
        says="instalments of plans by their due day; kept where the payments since the agreement, known before as_of, reached by its last day the "
        "kept share of it, and all of those before it; unjudged from the day on which the plan ended",
    ),
    "placements": EventKind(
        "treatments",
        ("placements",),
        {"days_in": "days"},
        {"route": ROUTES, "state": STATUS_STATES},
        says="placements with an agency or a lawyer, and sales, begun by as_of, as last known",
    ),
}


@dataclass(frozen=True)
class Fact:
    """A noun of its own: what it means, its unit, and the tables it needs."""

    family: str
    unit: str
    meaning: str
    needs: tuple[str, ...] = ()


ANSWER_DAYS = 7  # a payment this many days after an outbound contact, or sooner, is counted as following it
LATE_ITEM_DAYS = 7  # an item settled, or still open, so many days after its due day is on time; one day more is late
FIRST_PAYMENT_DAYS = 30  # a first due date passed by more without any payment is a first-payment default

_LEDGER = (LEDGER,)

FACTS: dict[str, Fact] = {
    "principal": Fact("attributes", "money", "Amount lent or billed, as last known."),
    "placed_amount": Fact("attributes", "money", "Amount owed at placement, as last known."),
    "product": Fact("attributes", "class", "Kind of debt."),
    "portfolio": Fact("attributes", "class", "The book the account belongs to."),
    "debtor_type": Fact("attributes", "class", "Consumer or commercial."),
    "months_since_opened": Fact("balances", "months", "Complete calendar months from opened_on to as_of; missing without opened_on."),
    "months_since_placed": Fact("balances", "months", "Complete calendar months from placed_on to as_of; missing without placed_on."),
    "days_since_opened": Fact("balances", "days", "Days from opened_on to as_of; missing without opened_on."),
    "days_since_placed": Fact("balances", "days", "Days from placed_on to as_of; missing without placed_on."),
    "days_from_opening_to_placement": Fact("balances", "days", "Days from opened_on to placed_on; missing without either."),
    "month": Fact("calendar", "number", "Month of as_of, 1 to 12."),
    "day_of_month": Fact("calendar", "number", "Day of the month of as_of, 1 to 31."),
    "weekday": Fact("calendar", "number", "Weekday of as_of, 0 = Monday to 6 = Sunday."),
    "days_to_month_end": Fact("calendar", "days", "Days from as_of to the last day of its month."),
    "attempts_since_last_payment": Fact(
        "contacts", "count", "Outbound contacts after the day of the last payment; all of them when nothing was ever paid.",
        ("contacts", "payments"),
    ),
    "payments_after_contact_180d": Fact(
        "contacts", "count", f"Payments of [as_of - 180, as_of) with an outbound contact on their day or up to {ANSWER_DAYS} days before.",
        ("contacts", "payments"),
    ),
    "days_after_contact_180d": Fact(
        "contacts", "days", f"Days of [as_of - 180, as_of) since opening, on or up to {ANSWER_DAYS} days after an outbound contact.",
        ("contacts",),
    ),
    "days_without_contact_180d": Fact(
        "contacts", "days", "The other days of [as_of - 180, as_of) since opening.", ("contacts",)
    ),
    "debtor_accounts_ever": Fact("debtor", "count", "Accounts of the debtor known before as_of, scorable or not."),
    "debtor_accounts_settled": Fact(
        "debtor", "count", "Accounts of the debtor whose balance was positive and is 0 now, at least half of it by payments and withheld sums.", _LEDGER
    ),
    "debtor_accounts_settled_dated": Fact(
        "debtor", "count",
        "Of these, accounts with a billed charge, so that they can be early or late; missing where a book of them delivers none.", _LEDGER,
    ),
    "debtor_accounts_settled_late": Fact("debtor", "count", "Of these, settled after their last due day.", _LEDGER),
    "debtor_settled_days_late_mean": Fact(
        "debtor", "days", "Days from the last due day of a settled account to the day that was known, on average; negative is early.",
        _LEDGER,
    ),
    "debtor_settled_days_late_max": Fact("debtor", "days", "The largest of these days.", _LEDGER),
    "debtor_last_settled_days_late": Fact(
        "debtor", "days", "These days for the account settled last; the largest where several were known on one day.", _LEDGER
    ),
    "debtor_days_since_last_settled": Fact("debtor", "days", "Days since it became known that an account was settled.", _LEDGER),
    "debtor_largest_settled_principal": Fact(
        "debtor", "money", "Largest principal of the debtor's settled accounts in this account's currency.", _LEDGER
    ),
    "debtor_days_past_due_max_ever": Fact(
        "debtor", "days", "Largest days past due of any account of the debtor as known on any night through as_of.", _LEDGER
    ),
    "debtor_accounts_90_days_ever": Fact(
        "debtor", "count", "Accounts of the debtor that were ever 90 days past due, as known on any night through as_of.", _LEDGER
    ),
    "debtor_credit": Fact(
        "debtor", "money",
        "Credit balances of the debtor's other accounts, scorable or not, in this account's currency; missing without a rate.", _LEDGER,
    ),
    "debtor_days_since_first_opened": Fact("debtor", "days", "Days from the first opened_on of the debtor's accounts to as_of."),
    "first_payment_default": Fact(
        "balances", "flag", f"1 if nothing was paid within {FIRST_PAYMENT_DAYS} days of the first due day, 0 if it was; else missing.",
        ("charges", "payments"),
    ),
}  # fmt: skip

# How the debtor pays what is billed, over all its accounts: see features/rhythm.py, which says what an item is.
_BILLED = ("charges", "payments")
_AFTER_DUE = "Days from the due day to the payment that settled an item, negative when early"
FACTS |= {
    "items_settled_365d": Fact("payments", "count", "Items of the debtor settled in [as_of - 365, as_of).", _BILLED),
    "days_after_due_mean_90d": Fact("payments", "days", f"{_AFTER_DUE}: mean of those settled in the last 90 days.", _BILLED),
    "days_after_due_mean_365d": Fact("payments", "days", f"{_AFTER_DUE}: mean of those settled in the last year.", _BILLED),
    "days_after_due_mean_ever": Fact("payments", "days", f"{_AFTER_DUE}: mean of all.", _BILLED),
    "days_after_due_std_365d": Fact("payments", "days", f"{_AFTER_DUE}: their spread in the last year, around the mean.", _BILLED),
    "days_after_due_weighted_365d": Fact(
        "payments", "days", f"{_AFTER_DUE}: mean of the last year's, weighted by amount, in this account's currency.", _BILLED
    ),
    "days_after_due_large_365d": Fact(
        "payments", "days", f"{_AFTER_DUE}: mean of those of at least the mean amount; in this account's currency.", _BILLED
    ),
    "days_after_due_small_365d": Fact("payments", "days", f"{_AFTER_DUE}: mean of those of less than the mean amount.", _BILLED),
    "items_due_365d": Fact("payments", "count", "Items of the debtor that fell due in [as_of - 365, as_of).", _BILLED),
    "items_late_365d": Fact("payments", "count", f"Of these, items more than {LATE_ITEM_DAYS} days late, paid or not.", _BILLED),
    "last_item_days_late": Fact(
        "payments", "days", "Days from the due day to the payment, or to as_of where it is open, of the item that fell due last; the most "
        "where several did.", _BILLED,
    ),
    "never_late": Fact(
        "payments", "flag", f"1 if no item of the debtor that fell due was ever more than {LATE_ITEM_DAYS} days late: the next would be the "
        "first; else 0; missing where none fell due.", _BILLED,
    ),
    "days_since_late_item": Fact("payments", "days", f"Days since the due day of the newest item more than {LATE_ITEM_DAYS} days late.", _BILLED),
    "open_items": Fact("payments", "count", "Items of the debtor that are not settled, due or not.", _BILLED),
    "open_items_late": Fact("payments", "count", "Of these, items past their due day.", _BILLED),
    "open_items_disputed": Fact("payments", "count", "Of these, items of an account or charge under dispute.", (*_BILLED, "statuses")),
    "next_due_day_of_month": Fact("balances", "number", "Day of the month on which the account's next charge falls due.", ("charges",)),
    "next_due_weekday": Fact("balances", "number", "Weekday of that day, 0 = Monday to 6 = Sunday.", ("charges",)),
    "next_due_days_to_month_end": Fact("balances", "days", "Days from that day to the last of its month.", ("charges",)),
    "credit_limit_use": Fact(
        "balances", "share", "Balance against the column x_credit_limit of accounts, in whole currency units; missing without it.", _LEDGER
    ),
}  # fmt: skip
CALENDAR_FACTS = tuple(name for name, fact in FACTS.items() if fact.family == "calendar")
