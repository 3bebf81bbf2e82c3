"""Names of the published columns, and what each holds: for everyone who writes or reads a published table.
Imports no room.
"""

from __future__ import annotations

WORKLIST_COLUMNS = (
    "rank",
    "queue",
    "account_id",
    "debtor_id",
    "joined_accounts",
    "portfolio",
    "product",
    "currency",
    "balance",
    "arrears",
    "days_past_due",
    "expected_recovery",
    "net_value",
    "reporting_currency",
    "p_recovered",
    "amount_if_recovered",
    "p_defaulted",
    "channel",
    "contact_from",
    "contact_until",
    "time_zone",
    "contacts_left",
    "last_right_party",
    "last_payment",
    "broken_promises",
    "reason_1",
    "reason_2",
    "reason_3",
    "model_version",
    "as_of",
    "valid_until",
    "added_value",
    "effect",
    "rank_total",
)
# What the debtor is asked for today (arrears less disputed charges), what is disputed, and the credit that his other
# accounts hold.
ASKED_COLUMNS = ("asked", "disputed", "debtor_credit")
DIALLER_COLUMNS = (*WORKLIST_COLUMNS, "agent", *ASKED_COLUMNS)  # what dialler.csv may hold: the list, who is to work it
PUBLISHED_SCORES = (
    "account_id",
    "as_of",
    "p_recovered",
    "amount_if_recovered",
    "expected_recovery",
    "p_defaulted",
    "model_version",
    "p_if_left",
    "p_if_worked",
    "added_recovery",
)
MESSAGE_COLUMNS = (
    *("account_id", "debtor_id", "channel", "message", "language", "variant", "probability", "send_from", "send_until"),
    *("step", "why", "as_of", "valid_until", "portfolio", "time_zone"),
)
# Whom the list has no room for, in its order; place: of the debtor in the queue beyond the list.
NEXT_COLUMNS = (
    *("account_id", "place", "queue", "debtor_id", "joined_to", "portfolio", "product", "currency", "balance"),
    *("arrears", "nothing_overdue", "days_past_due", "p_recovered", "expected_recovery", "net_value"),
    *("reporting_currency", "channel", "last_payment", "last_right_party", "time_zone", "reason_1"),
)
# What a night says of accounts before their due day; money in minor units of the account's currency.
WATCHED_COLUMNS = (
    "account_id",
    "rank",
    "debtor_id",
    "portfolio",
    "currency",
    "next_due_on",
    "due_amount",
    "p_late",
    "money_at_risk",
    "model_version",
    "as_of",
    "reason_1",
    "reason_2",
    "reason_3",
)
WATCHED_OFFER = "offer"  # last of the watched, of a night whose policy offers something around due days: one sentence
# Commercial debtors in one currency, and their open items; money in minor units of that currency.
RECEIVABLE_COLUMNS = (
    *("debtor_id", "rank", "currency", "accounts", "items", "open_amount", "overdue", "disputed", "unapplied"),
    *("credit_notes", "balance", "oldest_days", "usual_days", "level_from", "dunning_level", "order_stop", "limit_use"),
    *("held", "as_of"),
)
OPEN_ITEM_COLUMNS = (
    *("debtor_id", "account_id", "portfolio", "currency", "charge_id", "kind", "due_on", "invoiced", "open_amount"),
    *("days_past_due", "is_disputed", "dunning_level", "as_of"),
)
# What a night under a treatment policy adds to the list: sentences, and money of the account's currency.
TREATED_COLUMNS = ("proposal", "proposal_terms", "proposal_value", "alternative", "route", "route_value")
IDENTITY = "verify_identity"  # last of the list, of a night that looks for unusual identities: a sentence, else ""
# What is offered to whom; money in minor units of the account's currency. payday: the day of the month after which
# instalments fall, 0 where they fall as the first; alternative: the other kind that gains too; disputed: part of the
# balance that is in no offer; offer_id, offered_on: of an offer made before, which is repeated as it stands. Around a
# due day (due_on), first_on is the new one, and the group `watched`.
PROPOSAL_COLUMNS = (
    *("account_id", "debtor_id", "portfolio", "product", "currency", "group", "balance", "days_past_due"),
    *("proposal", "unit", "instalments", "instalment", "last_instalment", "due_on", "first_on", "last_on", "payday"),
    *("disputed", "discount", "amount_to_pay", "pay_until", "p_agreed", "p_kept"),
    *("proposal_value", "proposal_low", "proposal_high", "gain", "grants", "alternative", "variant", "probability"),
    *("offer_id", "offered_on", "as_of", "valid_until"),
)
# By whom each account would be worked, and by whom the night before would have had it worked.
ROUTED_COLUMNS = (
    *("account_id", "debtor_id", "portfolio", "product", "currency", "group", "balance", "days_past_due"),
    *("route", "party", "route_value", "route_low", "route_high", "why", "probability", "route_before", "party_before"),
    "as_of",
)
# For a person who decides, never for a list of calls: statuses separated by blanks.
SPECIALIST_COLUMNS = (
    *("account_id", "debtor_id", "statuses", "portfolio", "product", "currency", "balance", "arrears", "days_past_due"),
    *("last_payment", "last_right_party", "time_zone", "group", "rule", "as_of"),
)
# Cases for a person to look at; rank 0: no case, a kind that is not judged. one_in: how rare the rarest sign is.
UNUSUAL_COLUMNS = (
    *("rank", "kinds", "debtor_ids", "account_ids", "debtors", "accounts", "portfolios", "currency"),
    *("money_in_question", "first_on", "last_on", "one_in", "reasons", "as_of"),
)
LEADING_COLUMNS = {  # of each published table; only of `worklist` and `scores` they are all
    "worklist": WORKLIST_COLUMNS,
    "deferred": ("account_id", "rule", "citation", "first_permitted"),
    "excluded": ("account_id", "rule", "citation"),
    "held_out": ("account_id", "probability"),
    "self_cure": ("account_id", "p_if_left", "added_value"),
    "next_in_line": NEXT_COLUMNS,
    "scores": PUBLISHED_SCORES,
    "messages": MESSAGE_COLUMNS,
    "watch": WATCHED_COLUMNS,
    "proposals": PROPOSAL_COLUMNS,
    "routes": ROUTED_COLUMNS,
    "specialist": SPECIALIST_COLUMNS,
}

# What a column holds decides how every face shows it. A name not listed is text or a plain number, by its type.
_KINDS = {
    "money": (
        "balance arrears expected_recovery net_value amount_if_recovered added_recovery added_value "
        "placed_amount principal contact_cost cost_per_attempt asked disputed debtor_credit "
        "cash_expected cash_low cash_high cash_from_scorable cash_last_weeks due_amount money_at_risk "
        "open_amount overdue unapplied credit_notes invoiced "
        "instalment last_instalment amount_to_pay proposal_value proposal_low proposal_high gain "
        "route_value route_low route_high money_in_question"
    ),
    "date": (
        "as_of valid_until last_right_party last_payment "
        "legal_deadline_on assigned_on held_out_until rates_date last_worked week_from week_until next_due_on due_on "
        "first_on last_on pay_until offered_on placed_on"
    ),
    "share": "p_recovered p_if_left p_if_worked p_defaulted p_late p_agreed p_kept probability share annual_rate "
    "response_rate",
    "count": "rank rank_total would_rank place days_past_due contacts_left broken_promises debtor_accounts instalments "
    "payday debtors accounts one_in",
    "number": "days_to_pay fx discount",
    "instant": "first_permitted appointment_at",
}
KIND_OF_COLUMN = {name: kind for kind, names in _KINDS.items() for name in names.split()}
IN_REPORTING_CURRENCY = frozenset({"net_value", "added_value", "contact_cost", "cost_per_attempt"})

DETAIL_COLUMNS = {
    "reasons": ("account_id", "reason", "contribution"),
    "effects": ("account_id", "reason", "contribution"),
    "sums": ("account_id", "chance_rest", "chance", "effect_rest", "effect"),
    "balances": ("account_id", "on", "balance"),
    "payments": ("account_id", "occurred_on", "amount", "kind"),
    "contacts": ("account_id", "occurred_on", "occurred_minute", "channel", "direction", "outcome"),
    "promises": ("account_id", "made_on", "due_on", "amount", "state"),
    "channels": (
        "account_id",
        "channel",
        "verdict",
        "rule",
        "citation",
        "from_minute",
        "until_minute",
        "contacts_left",
    ),
    "limits": ("account_id", "rule", "citation", "reason"),
    "appointments": ("account_id", "appointment_at"),
    "treatment": ("account_id", "line"),
    "display": ("account_id",),  # and the display_* columns that are delivered
}
