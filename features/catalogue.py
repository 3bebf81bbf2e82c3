"""THE list of features. To add one, add a line here and nothing else: docs/features.md and the compiled loop follow.

`empty` says what "nothing happened" means and has no default. `says` is the sentence of a reason; see features/spec.py.
"""

from __future__ import annotations

from collections.abc import Iterable

from features.declarations import Catalogue
from features.spec import MISSING, Band, Debtor, Difference, Feature, Noun, Ratio, Window, where
from features.tables import ANSWERS, BILLED_KINDS, RIGHT_PARTY, TREATMENTS
from features.vocabulary import CALENDAR_FACTS, Agg

# Printed in docs/features.md. Under about 400 features in all: a training's time grows with their number,
# and a night's a little.
WINDOW_RULE = """\
Windows are of 7, 30, 90, 180, 365 days and ever, each where it can tell something:

- all six: what comes often and is counted or added up (payments, contacts, conversations, the debtor getting in touch, promises made);
- contacts by channel: of 7, 30, 90 and 365 days for calls, autodials, SMS and e-mails; of 30, 90 and 365 days for voicemails, letters,
  visits, debits, and chat, portal and social together; the channels `legal` and `other` have no count of their own;
- 90 and 365 days and ever: what comes seldom (part payments, reversals, refusals, disputes, complaints, rejected debits, fees, charges,
  days overdue), and what takes several events to be a figure (largest and mean payment);
- 365 days and ever: what comes once in a long while (credits, cures, times 30, 60 and 90 days past due), spread and gaps of payments;
- promises kept and broken, and their ratio, are judged after days or weeks: from 90 or 180 days on, and ever;
- 180 or 365 days alone: statements, rates by channel or part of the day, shares of a month's rhythm, which shorter windows leave to chance;
- the ledger: now, 30, 60 and 90 days ago, and its worst;
- statuses: in force or not, days in it, how often it began; a wish about contact (opt-out, consent, callback) is in force or not, no more.
"""
WEEK, MONTH, QUARTER, HALF_YEAR, YEAR = (Window(days) for days in (7, 30, 90, 180, 365))
EVER = None
IN_THE_LAST = {WEEK: "in the last 7 days", MONTH: "in the last 30 days", QUARTER: "in the last 90 days", HALF_YEAR: "in the last 180 days",
               YEAR: "in the last year", EVER: "so far"}  # fmt: skip

SELDOM = (QUARTER, YEAR, EVER)
# First day past due of each bucket that an account rolls through, month by month. Not the buckets of reports
# (features.cohort.BUCKETS): what is more than 90 days late rolls no further.
ROLL_FROM = (1, 30, 60, 90)
JUDGED_OVER = ((QUARTER, "90d"), (HALF_YEAR, "180d"), (YEAR, "365d"), (EVER, "ever"))

MONTH_TURN = where("month_turn", month_part=("start", "end"))
MID_MONTH = where("mid_month", month_part="middle")
PART = where("part", covers="part")
FEE, INTEREST = where("fee", kind="fee"), where("interest", kind="interest")
BILLED = where("billed", kind=BILLED_KINDS)
OUTBOUND, INBOUND = where("outbound", direction="outbound"), where("inbound", direction="inbound")
ONLINE = where("online", channel=("chat", "portal", "social"))
SPOKE_TO_DEBTOR = where("right_party", outcome=RIGHT_PARTY)
DIALLED = where("dialled", channel=("call", "autodial"), direction="outbound")
REACHED = where("reached", channel=("call", "autodial"), direction="outbound", outcome=RIGHT_PARTY)
ANSWERED = where("answered", outcome=ANSWERS)
KEPT, BROKEN, OPEN = (where(state, state=state) for state in ("kept", "broken", "open"))
JUDGED = where("judged", state=("kept", "broken"))


def ever(window: Window | None) -> str:
    """What a name of one's own lacks where there is no window."""
    return "_ever" if window is EVER else ""


ON_PAYMENTS = [
    *(
        Feature("payments", Agg.COUNT, window, empty=0, monotone=+1, says=f"Payments {words}: {{value:count}}")
        for window, words in IN_THE_LAST.items()
    ),
    *(
        Feature("payments", Agg.SUM, window, empty=0, monotone=+1, says=f"Paid {words}: {{value:money}}")
        for window, words in IN_THE_LAST.items()
    ),
    *(Feature("payments", Agg.MAX, window, empty=MISSING, says=f"Largest payment {IN_THE_LAST[window]}: {{value:money}}")
        for window in SELDOM),
    *(Feature("payments", Agg.MEAN, window, empty=MISSING, says=f"Usual payment {IN_THE_LAST[window]}: {{value:money}}")
        for window in SELDOM),
    *(Feature("payments", Agg.STD, window, empty=MISSING) for window in (YEAR, EVER)),
    *(
        Feature("payments", Agg.MONTHS, window, empty=0, called=f"payments_months_paid{ever(window)}", monotone=+1,
                says=f"Calendar months with a payment {IN_THE_LAST[window]}: {{value:count}}")
        for window in (QUARTER, HALF_YEAR, YEAR, EVER)
    ),
    # No payment ever is not "paid today": LightGBM must see it as missing.
    Feature("payments", Agg.DAYS_SINCE_LAST, empty=MISSING, monotone=-1, says="Last payment {value:days} ago",
        says_missing="No payment yet"),
    Feature("payments", Agg.DAYS_SINCE_FIRST, empty=MISSING, says="First payment {value:days} ago"),
    Feature("payments", Agg.GAP_MEAN, YEAR, empty=MISSING, says="Days between payments in the last year, on average: {value:number}"),
    Feature("payments", Agg.GAP_MEAN, empty=MISSING, says="Days between payments so far, on average: {value:number}"),
    *(Feature("payments", Agg.GAP_STD, window, empty=MISSING) for window in (YEAR, EVER)),
    Ratio("payments_gap_variation_365d", "payments_gap_std_365d", "payments_gap_mean_365d", empty=0,
        meaning="Regularity: spread of the gaps between payments against their mean; 0 is clockwork."),
    Difference("payments_overdue_by_365d", "payments_days_since_last", "payments_gap_mean_365d", unit="days",
        meaning="Days since the last payment beyond the usual gap."),
    Feature("payments", Agg.COUNT, YEAR, where=MONTH_TURN, empty=0),
    Feature("payments", Agg.COUNT, YEAR, where=MID_MONTH, empty=0),
    Ratio("payments_month_turn_share_365d", "payments_count_month_turn_365d", "payments_count_365d", empty=MISSING, unit="share",
          says="Share of the last year's payments made from the 25th to the 5th: {value:percent}"),
    Ratio("payments_mid_month_share_365d", "payments_count_mid_month_365d", "payments_count_365d", empty=MISSING, unit="share",
          says="Share of the last year's payments made from the 14th to the 16th: {value:percent}"),
    Difference("payments_sum_90_180d", "payments_sum_180d", "payments_sum_90d", meaning="Paid from 180 to 90 days ago."),
    Difference("payments_trend_90d", "payments_sum_90d", "payments_sum_90_180d",
               says="Paid in the last 90 days: {payments_sum_90d:money}; in the 90 days before: {payments_sum_90_180d:money}"),
    Ratio("payments_trend_share_180d", "payments_sum_90d", "payments_sum_180d", empty=MISSING, unit="share",
        meaning="Share of the last 180 days' payments that fell into the last 90."),
    *(Feature("payments", Agg.COUNT, window, where=PART, empty=0, says=f"Part payments {IN_THE_LAST[window]}: {{value:count}}")
        for window in SELDOM),
    Ratio("payments_part_share_365d", "payments_count_part_365d", "payments_count_365d", empty=MISSING, unit="share"),
    Feature("payments", Agg.LAST, of="amount", empty=MISSING, says="Last payment: {value:money}"),
    Feature("payments", Agg.LAST, of="method", empty=MISSING),
    *(Feature("reversals", Agg.COUNT, window, empty=0, says=f"Payments taken back {IN_THE_LAST[window]}: {{value:count}}")
        for window in SELDOM),
    *(Feature("reversals", Agg.SUM, window, empty=0) for window in SELDOM),
    *(Ratio(f"reversals_ratio_{span}", f"reversals_count_{span}", (f"payments_count_{span}", f"reversals_count_{span}"), empty=MISSING,
        unit="share", meaning="Payments taken back, of those and the payments that stayed.") for span in ("365d", "ever")),
    *(Feature("credits", agg, window, empty=0) for agg in (Agg.COUNT, Agg.SUM) for window in (YEAR, EVER)),
    Noun("first_payment_default", family="payments", monotone=-1),
    Ratio("paid_share_ever", "payments_sum_ever", ("payments_sum_ever", "balance"), empty=MISSING, unit="share", monotone=+1,
          says="Share of the debt paid so far: {value:percent}"),
    Ratio("paid_share_of_principal", "payments_sum_ever", "principal", empty=MISSING, unit="share"),
    Ratio("largest_payment_to_arrears", "payments_max_365d", "arrears", empty=MISSING,
        meaning="Largest payment of the last year against the arrears."),
    Ratio("paid_to_arrears_90d", "payments_sum_90d", "arrears", empty=MISSING, meaning="Paid in the last 90 days against the arrears."),
]  # fmt: skip

ON_BALANCES = [
    Feature("ledger", Agg.AT, of="balance", empty=0, says="Balance: {value:money}"),
    Feature("ledger", Agg.AT, of="arrears", empty=0, says="Arrears: {value:money}"),
    Feature("ledger", Agg.AT, of="days_past_due", empty=0, monotone=-1, says="{value:days} past due"),
    *(Feature("ledger", Agg.AT, Window(days), of="days_past_due", empty=0) for days in (30, 60, 90)),
    *(Feature("ledger", Agg.AT, Window(days), of="arrears", empty=0) for days in (30, 90)),
    *(Feature("ledger", Agg.AT, Window(days), of="balance", empty=0) for days in (30, 90)),
    *(Feature("ledger", Agg.MAX, window, of="days_past_due", empty=0, says=f"Worst days past due {words}: {{value:count}}")
      for window, words in ((QUARTER, "in the last 90 days"), (YEAR, "in the last year"), (EVER, "so far"))),
    *(Feature("ledger", Agg.MAX, window, of=of, empty=0) for of in ("arrears", "balance") for window in (YEAR, EVER)),
    *(Feature("ledger", Agg.DAYS, window, of="days_past_due", empty=0, called=f"days_overdue{ever(window)}",
        says=f"Days overdue {IN_THE_LAST[window]}: {{value:count}}") for window in SELDOM),
    Ratio("arrears_share", "arrears", "balance", empty=MISSING, unit="share", meaning="Arrears against the balance."),
    Band("bucket", "days_past_due", ROLL_FROM, monotone=-1,
        meaning="0 current, 1 to 29, 30 to 59, 60 to 89, 90 days past due and more."),
    *(Band(f"bucket_{days}d_ago", f"days_past_due_{days}d_ago", ROLL_FROM) for days in (30, 60, 90)),
    *(Difference(f"bucket_roll_{days}d", "bucket", f"bucket_{days}d_ago",
        meaning=f"Buckets rolled (positive: worse) since {days} days ago.") for days in (30, 60, 90)),
    *(Difference(f"arrears_change_{days}d", "arrears", f"arrears_{days}d_ago") for days in (30, 90)),
    *(Difference(f"balance_change_{days}d", "balance", f"balance_{days}d_ago") for days in (30, 90)),
    *(Feature("rolls", Agg.COUNT, window, where=where(edge, to=edge), empty=0,
        called=f"reached_{edge}_days{ever(window)}",
              says=f"Times {edge} days past due {IN_THE_LAST[window]}: {{value:count}}")
      for edge in ("30", "60", "90") for window in (YEAR, EVER)),
    *(Feature("rolls", Agg.DAYS_SINCE_LAST, where=where(edge, to=edge), empty=MISSING, called=f"days_since_reached_{edge}_days")
      for edge in ("30", "60", "90")),
    Feature("cures", Agg.COUNT, YEAR, empty=0,
        says="Times arrears were cleared by a payment in the last year: {value:count}"),
    Feature("cures", Agg.COUNT, empty=0, says="Times arrears were cleared by a payment so far: {value:count}"),
    Feature("cures", Agg.DAYS_SINCE_LAST, empty=MISSING, says="Arrears last cleared by a payment {value:days} ago"),
    *(Feature("upcoming_charges", Agg.COUNT, window, empty=0) for window in (WEEK, MONTH)),
    *(Feature("upcoming_charges", Agg.SUM, window, empty=0, says=f"Falling due in the next {window.days} days: {{value:money}}")
      for window in (WEEK, MONTH)),
    Feature("upcoming_charges", Agg.DAYS_SINCE_LAST, empty=MISSING, called="days_to_next_charge", says="Next charge due in {value:days}"),
    *(Feature("charges", agg, window, where=BILLED, empty=0) for agg in (Agg.COUNT, Agg.SUM) for window in SELDOM),
    *(Feature("charges", Agg.COUNT, window, where=FEE, empty=0, says=f"Fees {IN_THE_LAST[window]}: {{value:count}}") for window in SELDOM),
    *(Feature("charges", Agg.SUM, EVER, where=kind, empty=0) for kind in (FEE, INTEREST)),
    Ratio("fee_share_ever", "charges_sum_fee_ever", ("charges_sum_billed_ever", "charges_sum_fee_ever", "charges_sum_interest_ever"),
        empty=0, unit="share"),
    Ratio("interest_share_ever", "charges_sum_interest_ever", ("charges_sum_billed_ever", "charges_sum_fee_ever",
        "charges_sum_interest_ever"), empty=0, unit="share"),
    Feature("charges", Agg.DAYS_SINCE_FIRST, where=BILLED, empty=MISSING),
    Feature("charges", Agg.DAYS_SINCE_LAST, where=BILLED, empty=MISSING),
    Feature("statements", Agg.COUNT, YEAR, empty=0),
    Feature("statements", Agg.DAYS_SINCE_LAST, empty=MISSING),
    *(Feature("statements", agg, HALF_YEAR, of="balance", empty=MISSING) for agg in (Agg.MEAN, Agg.MAX, Agg.STD)),
    Feature("statements", Agg.MAX, HALF_YEAR, of="days_past_due", empty=MISSING),
    Noun("months_since_opened", says="Account opened {value:months} ago"),
    Noun("months_since_placed", monotone=-1, says="Placed {value:months} ago", says_missing="Not yet placed"),
    Noun("days_since_opened"),
    Noun("days_since_placed", monotone=-1, says="Placed {value:days} ago"),
    Noun("days_from_opening_to_placement"),
    Ratio("balance_of_principal", "balance", "principal", empty=MISSING, unit="share", meaning="Balance against the principal."),
    Ratio("balance_of_placed", "balance", "placed_amount", empty=MISSING, unit="share", meaning="What is left of the amount placed."),
    Ratio("arrears_to_usual_payment", "arrears", "payments_mean_365d", empty=MISSING, meaning="Arrears in usual payments."),
    Ratio("arrears_to_monthly_due", "arrears", "charges_sum_billed_365d", empty=MISSING,
        meaning="Arrears against what was billed in the last year."),
]  # fmt: skip

ON_CONTACTS = [
    *(Feature("contacts", Agg.COUNT, window, empty=0) for window in IN_THE_LAST),
    *(Feature("contacts", Agg.COUNT, window, where=OUTBOUND, empty=0) for window in IN_THE_LAST),
    *(Feature("contacts", Agg.COUNT, window, where=where(channel, channel=channel), empty=0)
      for channel in ("call", "autodial", "sms", "email") for window in (WEEK, MONTH, QUARTER, YEAR)),
    *(Feature("contacts", Agg.COUNT, window, where=where(channel, channel=channel), empty=0)
      for channel in ("voicemail", "letter", "visit", "debit") for window in (MONTH, QUARTER, YEAR)),
    *(Feature("contacts", Agg.COUNT, window, where=ONLINE, empty=0) for window in (MONTH, QUARTER, YEAR)),
    *(Feature("contacts", Agg.COUNT, window, where=INBOUND, empty=0,
              says=f"Got in touch {IN_THE_LAST[window]}: {{value:count}} times") for window in IN_THE_LAST),
    *(Feature("contacts", Agg.COUNT, window, where=SPOKE_TO_DEBTOR, called=f"right_party_count{ever(window)}", empty=0,
              says=f"Conversations {IN_THE_LAST[window]}: {{value:count}}") for window in IN_THE_LAST),
    Feature("contacts", Agg.COUNT, HALF_YEAR, where=DIALLED, empty=0),
    Feature("contacts", Agg.COUNT, HALF_YEAR, where=REACHED, empty=0),
    Ratio("right_party_rate_call_180d", "contacts_count_reached_180d", "contacts_count_dialled_180d", prior=(1, 10), unit="share",
        monotone=+1,
          meaning="Right-party contacts of outbound calls and autodials, smoothed towards one in ten."),
    *(
        feature
        for channel in ("sms", "email", "letter", "visit")
        for feature in (
            Feature("contacts", Agg.COUNT, HALF_YEAR, where=where(f"{channel}_outbound", channel=channel, direction="outbound"), empty=0),
            Feature("contacts", Agg.COUNT, HALF_YEAR, where=where(f"{channel}_reached", channel=channel, direction="outbound",
                outcome=RIGHT_PARTY), empty=0),
            Ratio(f"right_party_rate_{channel}_180d", f"contacts_count_{channel}_reached_180d", f"contacts_count_{channel}_outbound_180d",
                prior=(1, 10), unit="share"),
        )
    ),
    *(
        feature
        for column, part in (("day_part", "morning"), ("day_part", "afternoon"), ("day_part", "evening"), ("week_part", "weekday"),
            ("week_part", "weekend"))
        for feature in (
            Feature("contacts", Agg.COUNT, YEAR, where=where(f"dialled_{part}", channel=("call", "autodial"), direction="outbound",
                **{column: part}), empty=0),
            Feature("contacts", Agg.COUNT, YEAR, empty=0,
                where=where(f"reached_{part}", channel=("call", "autodial"), direction="outbound", outcome=RIGHT_PARTY,
                    **{column: part})),
            Ratio(f"right_party_rate_{part}_365d", f"contacts_count_reached_{part}_365d", f"contacts_count_dialled_{part}_365d", prior=(1,
                10), unit="share"),
        )
    ),
    Feature("contacts", Agg.DAYS_SINCE_LAST, empty=MISSING),
    Feature("contacts", Agg.DAYS_SINCE_LAST, where=OUTBOUND, empty=MISSING),
    Feature("contacts", Agg.DAYS_SINCE_LAST, where=SPOKE_TO_DEBTOR, empty=MISSING, monotone=-1,
        says="Last conversation {value:days} ago"),
    Feature("contacts", Agg.DAYS_SINCE_LAST, where=INBOUND, empty=MISSING, says="Last got in touch {value:days} ago"),
    # An answer, or a contact by the debtor, ends the streak.
    Feature("contacts", Agg.STREAK, where=OUTBOUND, until=ANSWERED, empty=0, called="contacts_unanswered_streak"),
    *(Feature("contacts", Agg.ANY, window, where=where(outcome, outcome=outcome), empty=0)
      for outcome in ("wrong_number", "bounced") for window in (QUARTER, YEAR)),
    Feature("contacts", Agg.ANY, YEAR, where=where("unsubscribed", outcome="unsubscribed"), empty=0),
    Feature("contacts", Agg.COUNT, YEAR, where=where("third_party", outcome="third_party"), empty=0),
    Feature("contacts", Agg.LAST, of="outcome", empty=MISSING),
    Feature("contacts", Agg.LAST, of="channel", empty=MISSING),
    *(Feature("contacts", Agg.COUNT, window, where=where("refusal", outcome="refusal"), empty=0,
              says=f"Refusals to pay {IN_THE_LAST[window]}: {{value:count}}") for window in SELDOM),
    *(Feature("contacts", Agg.COUNT, window, where=where(outcome, outcome=outcome), empty=0)
      for outcome in ("dispute", "complaint") for window in SELDOM),
    Feature("contacts", Agg.COUNT, QUARTER, where=where("opened", outcome="opened"), empty=0),
    *(Feature("contacts", Agg.COUNT, window, where=where("rejected_debit", channel="debit", outcome="rejected"), empty=0)
        for window in SELDOM),
    *(Feature("contacts", Agg.SUM, window, of="cost", empty=0) for window in (QUARTER, YEAR)),
    Noun("attempts_since_last_payment"),
    Noun("payments_after_contact_180d"),
    Noun("days_after_contact_180d"),
    Noun("days_without_contact_180d"),
    Difference("payments_without_contact_180d", "payments_count_180d", "payments_after_contact_180d", family="contacts",
               meaning="Payments of [as_of - 180, as_of) that did not follow an outbound contact within 7 days."),
    Ratio("pay_rate_after_contact_180d", "payments_after_contact_180d", "days_after_contact_180d", prior=(0.3, 30),
          meaning="Payments per day in the 7 days after an outbound contact, smoothed."),
    Ratio("pay_rate_without_contact_180d", "payments_without_contact_180d", "days_without_contact_180d", prior=(0.3, 30),
          meaning="Payments per day on the other days, smoothed."),
    Difference("pay_rate_lift_180d", "pay_rate_after_contact_180d", "pay_rate_without_contact_180d",
               meaning="How much more often payments came after contacts than without; an association, not an effect."),
]  # fmt: skip

ON_PROMISES = [
    *(Feature("promises", Agg.COUNT, window, called=f"promises_made{ever(window)}", empty=0,
              says=f"Promises made {IN_THE_LAST[window]}: {{value:count}}") for window in IN_THE_LAST),
    *(Feature("promises", Agg.COUNT, window, where=KEPT, called=f"promises_kept{ever(window)}", empty=0, monotone=+1,
              says=f"Kept {{value:count}} of {{promises_made_{span}:count}} promises {IN_THE_LAST[window]}")
      for window, span in JUDGED_OVER),
    *(Feature("promises", Agg.COUNT, window, where=BROKEN, called=f"promises_broken{ever(window)}", empty=0, monotone=-1,
              says=f"Broke {{value:count}} of {{promises_made_{span}:count}} promises {IN_THE_LAST[window]}")
      for window, span in JUDGED_OVER),
    Feature("promises", Agg.ANY, where=OPEN, called="promise_open", empty=0, monotone=+1,
        says="Open promises to pay: {promises_open:count}"),
    Feature("promises", Agg.COUNT, where=OPEN, called="promises_open", empty=0),
    Feature("promises", Agg.SUM, where=OPEN, called="promises_open_amount", empty=0, says="Promised and still open: {value:money}"),
    *(Ratio(f"promises_kept_ratio_{span}", f"promises_kept_{span}", (f"promises_kept_{span}", f"promises_broken_{span}"), prior=(1, 2),
        unit="share", monotone=+1,
          says=f"Kept {{promises_kept_{span}:count}} of {{promises_made_{span}:count}} promises {IN_THE_LAST[window]}")
      for window, span in JUDGED_OVER if span != "90d"),
    Feature("promises", Agg.SUM, YEAR, where=JUDGED, empty=0),
    Feature("promises", Agg.SUM, YEAR, of="paid", where=JUDGED, empty=0),
    Ratio("promises_paid_ratio_365d", "promises_sum_paid_judged_365d", "promises_sum_judged_365d", empty=MISSING, unit="share", monotone=+1,
          says="Paid {promises_sum_paid_judged_365d:money} of {promises_sum_judged_365d:money} promised in the last year"),
    *(Feature("promises", Agg.MEAN, window, of="days_late", empty=MISSING,
        meaning="Days from the promised day to the payment that kept the promise, on average; negative is early.")
      for window in (YEAR, EVER)),
    Feature("promises", Agg.MAX, YEAR, of="amount", empty=MISSING),
    Feature("promises", Agg.DAYS_SINCE_LAST, empty=MISSING, says="Last promise made {value:days} ago"),
    Feature("promises", Agg.DAYS_SINCE_LAST, where=KEPT, empty=MISSING, monotone=-1,
        says="Last kept promise made {value:days} ago"),
    Feature("promises", Agg.DAYS_SINCE_LAST, where=BROKEN, empty=MISSING,
        says="Last broken promise made {value:days} ago"),
    Feature("promises", Agg.MIN, of="due_in", where=OPEN, empty=MISSING, called="promise_due_in",
        meaning="Days to the next promised day; negative within its grace."),
]  # fmt: skip

# Of the statuses that may stand beside a scorable account. What they mean for contact is
# decided by the eligibility rules, not here.
STANDINGS = (
    "cease_contact", "attorney", "bankruptcy", "moratorium", "deceased", "identity_theft", "dispute", "wrong_party", "hardship",
    "vulnerable", "minor", "litigation", "prescribed", "emergency", "notice_sent", "default", "charged_off", "legal", "plan",
    "outcome_unknown",
)  # fmt: skip
WISHES = (
    "inconvenient", "opt_out_call", "opt_out_sms", "opt_out_email", "opt_out_letter", "opt_out_visit", "consent_call", "consent_sms",
    "consent_email", "callback",
)  # fmt: skip
ONCE = ("deceased", "minor", "prescribed")  # begin once, so there are no episodes to count
STANDING_SAYS = {"plan": "A payment plan is in force", "default": "In default", "charged_off": "Charged off"}
ON_STATUSES = [
    *(Feature("statuses", Agg.ANY, where=where(name, status=name, state="active"), called=f"status_{name}", empty=0)
      for name in (*STANDINGS, *WISHES)),
    *(Feature("statuses", Agg.MAX, of="days_in", where=where(name, status=name, state="active"), called=f"status_{name}_days",
        empty=MISSING, says=f"{STANDING_SAYS[name]} for {{value:days}}" if name in STANDING_SAYS else None) for name in STANDINGS),
    *(Feature("statuses", Agg.COUNT, where=where(name, status=name), called=f"status_{name}_episodes", empty=0,
              says="Payment plans so far: {value:count}" if name == "plan" else None) for name in STANDINGS if name not in ONCE),
    Feature("statuses", Agg.COUNT, where=where("any", state="active"), called="statuses_active", empty=0),
    Feature("statuses", Agg.COUNT, YEAR, empty=0),
]  # fmt: skip

ON_DEBTOR = [
    Debtor("debtor_accounts", Agg.COUNT, meaning="Scorable accounts of the debtor.",
        says="Overdue or placed accounts of the same debtor: {value:count}"),
    Debtor("debtor_balance", Agg.SUM, "balance"),
    Debtor("debtor_arrears", Agg.SUM, "arrears", says="Arrears on overdue or placed accounts: {value:money}"),
    Noun("debtor_credit"),
    Debtor("debtor_paid_90d", Agg.SUM, "payments_sum_90d", monotone=+1,
        says="Paid on overdue or placed accounts in the last 90 days: {value:money}"),
    Debtor("debtor_payments_365d", Agg.SUM, "payments_count_365d", monotone=+1,
        says="Payments on overdue or placed accounts in the last year: {value:count}"),
    Debtor("debtor_days_since_last_payment", Agg.MIN, "payments_days_since_last", monotone=-1,
        says="Last payment on overdue or placed accounts {value:days} ago"),
    Debtor("debtor_days_past_due_max", Agg.MAX, "days_past_due",
        says="Most days past due today on overdue or placed accounts: {value:count}"),
    Debtor("debtor_days_since_newest_placement", Agg.MIN, "days_since_placed", says="Newest open placement {value:days} ago"),
    Debtor("debtor_promises_broken_365d", Agg.SUM, "promises_broken_365d", monotone=-1,
        says="Broken promises on overdue or placed accounts in the last year: {value:count}"),
    Debtor("debtor_right_party_90d", Agg.SUM, "right_party_count_90d"),
    Noun("debtor_accounts_ever"),
    Noun("debtor_accounts_settled", says="Accounts of the same debtor settled before: {value:count}"),
    Noun("debtor_accounts_settled_dated"),
    Noun("debtor_accounts_settled_late"),
    Ratio("debtor_settled_late_share", "debtor_accounts_settled_late", "debtor_accounts_settled_dated", empty=MISSING, unit="share",
          meaning="Share of the debtor's settled accounts that were settled late, of those with a due day.",
          says="Earlier accounts settled late: {debtor_accounts_settled_late:count} of {debtor_accounts_settled_dated:count}"),
    Noun("debtor_settled_days_late_mean"),
    Noun("debtor_settled_days_late_max", says="Latest settlement of an earlier account, days after it was due: {value:count}"),
    Noun("debtor_last_settled_days_late"),
    Noun("debtor_days_since_last_settled", says="Last settled an account {value:days} ago"),
    Noun("debtor_largest_settled_principal"),
    Ratio("principal_to_largest_settled", "principal", "debtor_largest_settled_principal", empty=MISSING, family="debtor",
          meaning="Principal against the largest that the debtor has settled before, in this currency."),
    Noun("debtor_days_past_due_max_ever"),
    Noun("debtor_accounts_90_days_ever"),
    Noun("debtor_days_since_first_opened"),
    Ratio("debtor_arrears_share", "arrears", "debtor_arrears", empty=MISSING, unit="share", family="debtor",
        meaning="This account's arrears among those of the debtor's scorable accounts."),
]  # fmt: skip

ON_CALENDAR = [Noun(name) for name in CALENDAR_FACTS]

ON_ATTRIBUTES = [
    Noun("principal", says="Amount lent or billed: {value:money}"),
    Noun("placed_amount", says="Amount placed: {value:money}"),
    Noun("product"),
    Noun("portfolio"),
    Noun("debtor_type"),
]  # fmt: skip

CATALOGUE = Catalogue(
    [*ON_PAYMENTS, *ON_BALANCES, *ON_CONTACTS, *ON_PROMISES, *ON_STATUSES, *ON_DEBTOR, *ON_CALENDAR, *ON_ATTRIBUTES]
)

# What was tried beside contact: of books that deliver offers, plans or placements alone (see with_treatments).
ACCEPTED, REFUSED = where("accepted", outcome="accepted"), where("refused", outcome="refused")
LAPSED = where("lapsed", outcome="lapsed")
AT_AGENCY, AT_LAW = where("agency", route="agency"), where("legal", route="legal")
ON_TREATMENTS = [
    *(Feature("offers", Agg.COUNT, window, empty=0, says=f"Offers made {IN_THE_LAST[window]}: {{value:count}}")
      for window in (YEAR, EVER)),
    *(Feature("offers", Agg.COUNT, window, where=ACCEPTED, called=f"offers_accepted{ever(window)}", empty=0,
              says=f"Offers accepted {IN_THE_LAST[window]}: {{value:count}}") for window in (YEAR, EVER)),
    *(Feature("offers", Agg.COUNT, window, where=REFUSED, called=f"offers_refused{ever(window)}", empty=0,
              says=f"Offers refused {IN_THE_LAST[window]}: {{value:count}}") for window in (YEAR, EVER)),
    Feature("offers", Agg.COUNT, where=LAPSED, called="offers_lapsed_ever", empty=0),
    Ratio("offers_accepted_ratio_ever", "offers_accepted_ever",
        ("offers_accepted_ever", "offers_refused_ever", "offers_lapsed_ever"), prior=(1, 4), unit="share",
        meaning="Offers accepted, of those that were answered or lapsed, smoothed towards one in four."),
    Feature("offers", Agg.ANY, where=where("open", outcome="open"), called="offer_open", empty=0),
    Feature("offers", Agg.DAYS_SINCE_LAST, empty=MISSING, says="Last offer made {value:days} ago"),
    Feature("offers", Agg.MAX, of="discount", empty=MISSING, says="Largest discount offered so far: {value:percent}"),
    Feature("plans", Agg.COUNT, empty=0, says="Plans agreed so far: {value:count}"),
    Feature("plans", Agg.COUNT, where=where("kept", state="kept"), called="plans_kept_ever", empty=0,
            says="Plans kept to the end: {value:count} of {plans_count_ever:count}"),
    Feature("plans", Agg.COUNT, where=where("broken", state="broken"), called="plans_broken_ever", empty=0,
            says="Plans broken: {value:count} of {plans_count_ever:count}"),
    Feature("plans", Agg.ANY, where=where("on", state=("running", "behind")), called="plan_on", empty=0),
    Feature("plans", Agg.ANY, where=where("behind", state="behind"), called="plan_behind", empty=0),
    Feature("plans", Agg.MAX, of="largest", where=where("on", state=("running", "behind")), called="plan_instalment",
            empty=MISSING, says="Instalment of the plan agreed: {value:money}"),
    Feature("plans", Agg.DAYS_SINCE_LAST, empty=MISSING, says="Last plan agreed {value:days} ago"),
    *(Feature("instalments", Agg.COUNT, window, where=KEPT, called=f"instalments_kept{ever(window)}", empty=0)
      for window in (YEAR, EVER)),
    *(Feature("instalments", Agg.COUNT, window, where=BROKEN, called=f"instalments_missed{ever(window)}", empty=0)
      for window in (YEAR, EVER)),
    *(Ratio(f"instalments_kept_ratio_{span}", f"instalments_kept_{span}",
            (f"instalments_kept_{span}", f"instalments_missed_{span}"), prior=(1, 2), unit="share",
            says=f"Instalments kept {words}: {{instalments_kept_{span}:count}}; missed: {{instalments_missed_{span}:count}}")
      for span, words in (("365d", IN_THE_LAST[YEAR]), ("ever", IN_THE_LAST[EVER]))),
    Feature("instalments", Agg.DAYS_SINCE_LAST, where=BROKEN, empty=MISSING, called="instalments_days_since_missed",
            says="Last instalment missed {value:days} ago"),
    Feature("instalments", Agg.MEAN, YEAR, of="days_late", empty=MISSING),
    *(Feature("placements", Agg.COUNT, where=route, empty=0) for route in (AT_AGENCY, AT_LAW)),
    *(Feature("placements", Agg.ANY, where=where(name, route=name, state="active"), called=f"placed_{name}", empty=0)
      for name in ("agency", "legal")),
    *(Feature("placements", Agg.DAYS_SINCE_LAST, where=route, empty=MISSING) for route in (AT_AGENCY, AT_LAW)),
    Feature("placements", Agg.MAX, of="days_in", empty=MISSING),
]  # fmt: skip
TREATED = CATALOGUE + ON_TREATMENTS


def with_treatments(catalogue: Catalogue, delivered: Iterable[str]) -> Catalogue:
    """CATALOGUE with the features of offers, plans and placements where one of these tables is delivered; any other
    catalogue as it is.
    """
    return TREATED if catalogue is CATALOGUE and set(delivered) & set(TREATMENTS) else catalogue


# What is said of the debtor's scorable accounts, and what is measured against arrears, says nothing of an account that
# is not overdue.
_OF_OVERDUE = ("debtor_arrears_share", "largest_payment_to_arrears", "paid_to_arrears_90d", "arrears_to_usual_payment",
               "arrears_to_monthly_due", "arrears_share")  # fmt: skip

# How the debtor pays what is billed (features/rhythm.py): of the watch cohort alone, so that scorable nights stay as
# they were taught.
ON_RHYTHM = [
    Noun("items_settled_365d", says="Invoices or instalments settled in the last year: {value:count}"),
    Noun("days_after_due_mean_90d"),
    Noun("days_after_due_mean_365d",
        says="Days from the due day to the payment in the last year, on average (below 0: early): {value:number}"),
    Noun("days_after_due_mean_ever"),
    Noun("days_after_due_std_365d", says="Spread of the days from the due day to the payment in the last year: {value:number}"),
    Noun("days_after_due_weighted_365d"),
    Noun("days_after_due_large_365d"),
    Noun("days_after_due_small_365d"),
    Difference("days_after_due_trend_90d", "days_after_due_mean_90d", "days_after_due_mean_365d",
        meaning="Days after due of the last 90 days against the last year: above 0, the debtor pays later than before.",
        says="Days from the due day to the payment: {days_after_due_mean_90d:number} in the last 90 days, "
             "{days_after_due_mean_365d:number} in the last year"),
    Difference("days_after_due_by_size_365d", "days_after_due_large_365d", "days_after_due_small_365d",
        meaning="Days after due of large items against small ones."),
    Noun("items_due_365d"),
    Noun("items_late_365d"),
    Ratio("items_late_share_365d", "items_late_365d", "items_due_365d", empty=MISSING, unit="share",
        meaning="Share of the items that fell due in the last year that were late.",
        says="Late in the last year: {items_late_365d:count} of {items_due_365d:count} due"),
    Noun("last_item_days_late",
        says="Days from the due day to the payment of what fell due last, or until now where it is open (below 0: early): {value:number}"),
    Noun("never_late", says="Never late so far"),
    Noun("days_since_late_item", says="Last late {value:days} ago"),
    Noun("open_items", says="Open invoices or instalments: {value:count}"),
    Noun("open_items_late"),
    Noun("open_items_disputed"),
    Ratio("open_items_late_share", "open_items_late", "open_items", empty=MISSING, unit="share",
        meaning="Share of the debtor's open items that are past their due day.",
        says="Of the open invoices or instalments past their due day: {open_items_late:count} of {open_items:count}"),
    Ratio("open_items_disputed_share", "open_items_disputed", "open_items", empty=MISSING, unit="share",
        meaning="Share of the debtor's open items under dispute."),
    Noun("next_due_day_of_month", says="The next one falls due on day {value:count} of the month"),
    Noun("next_due_weekday"),
    Noun("next_due_days_to_month_end", says="Days from the next due day to the end of its month: {value:count}"),
    Noun("credit_limit_use", says="Credit limit in use: {value:percent}"),
]  # fmt: skip
WATCH = Catalogue(
    [
        *(entry for entry in CATALOGUE if not isinstance(entry, Debtor) and entry.name not in _OF_OVERDUE),
        *ON_RHYTHM,
    ]
)
