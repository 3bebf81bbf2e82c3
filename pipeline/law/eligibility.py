"""Who may be contacted on a day, on which channel, when, and how often; and the same question at the moment of contact.

Fails closed: what is unknown (place, zone, role, a place nobody signed off, a contact log that is absent, late or dated to months) blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.errors import ContractError
from features.tables import NO_TIME
from pipeline.law.decision import NO_LIMIT, Decision, decide
from pipeline.law.holds import BIT
from pipeline.law.hours import day_on_clock
from pipeline.law.log import Sight
from pipeline.law.outcome import of_accounts, of_channels
from pipeline.law.rule_file import load_rules
from pipeline.law.rules import CONTACT_CHANNELS, Rules, known_zones, nearest
from pipeline.params import Params

__all__ = ["Check", "Verdicts", "check", "load_rules", "verdicts"]

EXCLUDED, DEFERRED, PERMITTED = 0, 1, 2
GROUPS = ("excluded", "deferred", "permitted")
NEEDED = (
    "account_no", "account_id", "debtor_id", "portfolio", "debtor_type", "jurisdiction", "time_zone", "days_past_due",
)  # fmt: skip


@dataclass(frozen=True)
class Verdicts:
    """One row per account, and one per account and channel, in the order of the cohort.

    accounts  account_no, group (permitted, deferred, excluded), rule, citation, reason (empty where permitted), first_permitted (UTC
              microseconds, NO_TIME where never or not known), appointment_at (UTC microseconds or NO_TIME), appointment (a callback is in
              force, honoured or not), hardship (hardship or vulnerable is in force on an account of the debtor), legal_deadline_on
              (NO_DAY where none), legal_barred (too old for, or barred from, legal treatment)
    channels  account_no, channel, verdict, rule, citation, from_minute, until_minute (half-open, on the debtor's clock of the day; the
              longest span where a day has several; -1 unless permitted), contacts_left (today's included; 0 unless permitted),
              first_permitted
    """

    accounts: pd.DataFrame
    channels: pd.DataFrame


@dataclass(frozen=True)
class Check:
    """The answer at the moment of contact. until: UTC microseconds at which it ends by the clock; NO_TIME unless permitted."""

    permitted: bool
    group: str
    rule: str
    citation: str
    reason: str
    until: int
    first_permitted: int
    contacts_left: int


def verdicts(
    cohort: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    rules: Rules,
    params: Params,
    as_of: int,
    complete_through: Mapping[str, int],
    channels: Sequence[str] | None = None,
) -> Verdicts:
    """Decide every account of a cohort of one night.

    cohort            rows of one as_of with the columns NEEDED; tables: the inner form, whole debtors; complete_through: day per table
    channels          in the order in which a list prefers them; by default eligibility.channels of the params
    Raises ContractError where columns or accounts are missing.
    """
    missing = [name for name in NEEDED if name not in cohort]
    if missing:
        raise ContractError.missing_columns("cohort", missing, cohort.columns)
    chosen = _known(params.eligibility.channels if channels is None else channels)
    return _framed(decide(cohort, tables, rules, params, Sight(int(as_of)), complete_through, chosen), cohort["account_no"].to_numpy())


def check(
    cohort: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    rules: Rules,
    params: Params,
    account_id: str,
    channel: str,
    at: int,
    complete_through: Mapping[str, int],
) -> Check:
    """Decide one account and channel at a moment (UTC microseconds), with everything known by then, today's contacts included.

    cohort: the scorable accounts of the account's debtor. Besides what a night holds, pauses between two attempts are held here.
    """
    (channel,) = _known([channel])
    place = np.flatnonzero(cohort["account_id"].to_numpy() == account_id)
    if place.size != 1:
        raise ContractError(f"Account {account_id!r} is not scorable at that time: it may be paid, closed or not yet known.")
    row = int(place[0])
    zone = cohort["time_zone"].iloc[row]
    clock = zone if isinstance(zone, str) and zone in known_zones() else params.portfolio(str(cohort["portfolio"].iloc[row])).time_zone
    decision = decide(cohort, tables, rules, params, Sight(day_on_clock(at, clock), at), complete_through, (channel,))
    state, causes, _ = of_channels(decision)
    group, cause = int(state[0, row]), int(causes[0, row])
    spans = decision.open_spans(row, channel) if group == PERMITTED else ()
    span = next(((first, last) for first, last in spans if first <= at < last), None)
    if group == PERMITTED and span is None:
        group, cause = DEFERRED, decision.closed_at(row, channel, at)
    paused, pause = decision.paused_until(row, channel)
    if group == PERMITTED and paused > at:
        group, cause, span = DEFERRED, decision.causes.of(pause), None
    first = NO_TIME
    if group != EXCLUDED:
        first = at if group == PERMITTED else decision.next_opening(row, channel, max(at, paused))
    rule, citation, reason = decision.causes.texts(cause)
    left = int(decision.left[0, row]) if group == PERMITTED else 0
    return Check(group == PERMITTED, GROUPS[group], rule, citation, reason, span[1] if span else NO_TIME, first, left)


def _known(channels: Sequence[str]) -> tuple[str, ...]:
    for name in channels:
        if name not in CONTACT_CHANNELS:
            raise ContractError(f"A channel must be one of {', '.join(CONTACT_CHANNELS)}{nearest(name, CONTACT_CHANNELS)}. Got {name!r}.")
    return tuple(channels)


def _framed(decision: Decision, account_no: np.ndarray) -> Verdicts:
    size, channels = decision.size, decision.channels
    state, cause, first = of_channels(decision)
    group, account_cause, account_first = of_accounts(state, cause, first)
    accounts = pd.DataFrame(
        {
            "account_no": account_no,
            "group": pd.Categorical.from_codes(group, GROUPS),
            **decision.causes.columns(np.where(group == PERMITTED, 0, account_cause), ("rule", "citation", "reason")),
            "first_permitted": account_first,
            "appointment_at": np.where(group == PERMITTED, decision.appointment_at, NO_TIME),
            "appointment": decision.appointment,
            "hardship": decision.debtor_bits & (BIT["hardship"] | BIT["vulnerable"]) != 0,
            "legal_deadline_on": decision.legal_deadline_on,
            "legal_barred": decision.legal_barred,
        }
    )
    state = np.where(group == EXCLUDED, EXCLUDED, np.minimum(state, group))
    permitted = state == PERMITTED
    by_row = [np.ascontiguousarray(values.T).ravel() for values in (state, np.where(permitted, 0, cause), first)]
    minutes = [np.where(permitted, values, -1).T.ravel().astype(np.int16) for values in (decision.from_minute, decision.until_minute)]
    frame = pd.DataFrame(
        {
            "account_no": np.repeat(account_no, len(channels)),
            "channel": pd.Categorical.from_codes(np.tile(np.arange(len(channels), dtype=np.int8), size), channels),
            "verdict": pd.Categorical.from_codes(by_row[0].astype(np.int8), GROUPS),
            **decision.causes.columns(by_row[1], ("rule", "citation")),
            "from_minute": minutes[0],
            "until_minute": minutes[1],
            "contacts_left": np.where(permitted, np.minimum(decision.left, NO_LIMIT), 0).T.ravel().astype(np.int16),
            "first_permitted": by_row[2],
        }
    )
    return Verdicts(accounts, frame)
