"""Names of the published columns, in the order they are published."""

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
)
DIALLER_COLUMNS = (*WORKLIST_COLUMNS, "agent")  # what dialler.csv may hold: the list, and who is to work the row
